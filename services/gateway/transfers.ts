import { Readable } from 'node:stream';
import { type DescMessage, type MessageShape, toJson } from '@bufbuild/protobuf';
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { Dispatch, EventStatusSchema } from '../../gen/lachak/v1/dispatch_pb.ts';
import { IngestReportSchema, Metering } from '../../gen/lachak/v1/metering_pb.ts';
import { ImportMode, RegisterResponseSchema, Registry } from '../../gen/lachak/v1/registry_pb.ts';
import { Settlement } from '../../gen/lachak/v1/settlement_pb.ts';
import { invalid } from '../domain/outcome.ts';
import type { Tokens } from '../host/auth.ts';
import type { Connect } from '../host/room.ts';
import { identityOf, onBehalfOf } from './identity.ts';
import { readingColumns } from './readings.ts';
import { instant } from './request.ts';

const UPLOAD_DEADLINE_MS = 600_000;
const HEARTBEAT_MS = 15_000;

type Parts = { connect: Connect; tokens: Tokens };

/** What is not one message in and one out: the live event, files in, files out. */
export function transferRoutes(app: FastifyInstance, { connect, tokens }: Parts): void {
  const metering = connect(Metering);
  const tag = (summary: string, name: string) => ({ schema: { summary, tags: [name] } });

  app.get('/api/events/:eventId/stream', tag('The event live, as server-sent events', 'Dispatch'), async (request, reply) => {
    await identityOf(request, tokens);
    const { eventId } = request.params as { eventId: string };
    const gone = new AbortController();
    const statuses = connect(Dispatch).watchEvent({ eventId }, { ...onBehalfOf(request), signal: gone.signal });
    // The first status is awaited before the headers go out, so a refusal is still a problem with its own status.
    const first = await statuses[Symbol.asyncIterator]().next();
    const rest = { [Symbol.asyncIterator]: () => statuses[Symbol.asyncIterator]() };
    reply.hijack();
    reply.raw.writeHead(200, { 'content-type': 'text/event-stream', 'cache-control': 'no-store', 'x-accel-buffering': 'no' });
    reply.raw.on('close', () => gone.abort());
    const heartbeat = setInterval(() => reply.raw.write(': still here\n\n'), HEARTBEAT_MS);
    const send = (status: (typeof first)['value']) =>
      reply.raw.write(`event: status\ndata: ${JSON.stringify(toJson(EventStatusSchema, status))}\n\n`);
    try {
      if (!first.done) send(first.value);
      for await (const status of rest) send(status);
      reply.raw.write('event: end\ndata: {}\n\n');
    } catch (error) {
      if (!gone.signal.aborted) request.log.warn({ err: error }, 'event stream broke off');
    } finally {
      clearInterval(heartbeat);
      reply.raw.end();
    }
  });

  const readings = 'Readings: CSV, gzip, zstd or Parquet as the body; JSON {readings:[…]} or IES MeterData';
  app.post('/api/readings', tag(readings, 'Metering'), async (request) => {
    await identityOf(request, tokens);
    const options = { ...onBehalfOf(request), deadlineMs: UPLOAD_DEADLINE_MS };
    if (!isUpload(request) && !isMeterData(request.body))
      return told(IngestReportSchema, await metering.putReadings(readingColumns(request.body, commandId(request)), options));
    const { fileName = 'upload', knownAt } = request.query as { fileName?: string; knownAt?: string };
    const head = {
      commandId: commandId(request),
      fileName,
      knownAtMs: knownAt === undefined ? 0n : BigInt(instant('knownAt', knownAt)),
    };
    return told(IngestReportSchema, await metering.importReadings(chunks(request, head), options));
  });

  app.post('/api/supply.csv', tag('Supply status as CSV', 'Metering'), async (request) => {
    await identityOf(request, tokens);
    const head = { commandId: commandId(request), fileName: 'supply.csv', knownAtMs: 0n };
    return toJson(
      IngestReportSchema,
      await metering.importSupply(chunks(request, head), { ...onBehalfOf(request), deadlineMs: UPLOAD_DEADLINE_MS }),
    );
  });

  app.post(
    '/api/registry/:table',
    tag('Registry records as CSV; mode=all (default) or mode=good', 'Registry'),
    async (request) => {
      await identityOf(request, tokens);
      const { table } = request.params as { table: string };
      const { mode = 'all' } = request.query as { mode?: string };
      if (mode !== 'all' && mode !== 'good')
        throw invalid('mode_unknown', 'mode is "all" (all lines or none) or "good" (keep the good lines)', 'mode');
      const head = { commandId: commandId(request), table, mode: mode === 'all' ? ImportMode.ALL_OR_NONE : ImportMode.KEEP_GOOD };
      const options = { ...onBehalfOf(request), deadlineMs: UPLOAD_DEADLINE_MS };
      return told(RegisterResponseSchema, await connect(Registry).importCsv(chunks(request, head), options));
    },
  );

  app.get('/api/readings.csv.gz', tag('Every version of every reading, gzip CSV', 'Metering'), async (request, reply) => {
    await identityOf(request, tokens);
    const { meterIds = '' } = request.query as { meterIds?: string };
    const parts = metering.exportReadings(
      { meterIds: meterIds ? meterIds.split(',') : [], gzip: true },
      { ...onBehalfOf(request), deadlineMs: UPLOAD_DEADLINE_MS },
    );
    return download(reply, parts, 'readings.csv.gz', 'application/gzip');
  });

  app.get('/api/cycles/:cycle/bill-credits.csv', tag('Bill credits of a cycle', 'Settlement'), async (request, reply) => {
    await identityOf(request, tokens);
    const { cycle } = request.params as { cycle: string };
    const parts = connect(Settlement).exportBillCredits({ cycle }, { ...onBehalfOf(request), deadlineMs: UPLOAD_DEADLINE_MS });
    return download(reply, parts, `bill-credits-${encodeURIComponent(cycle)}.csv`, 'text/csv; charset=utf-8');
  });

  app.get('/api/statements/:statementId/file', tag('The signed statement file', 'Settlement'), async (request, reply) => {
    await identityOf(request, tokens);
    const { statementId } = request.params as { statementId: string };
    const statement = await connect(Settlement).getStatement({ statementId }, onBehalfOf(request));
    return reply
      .type('application/json')
      .header('content-disposition', `attachment; filename="${statementId}.json"`)
      .send(statement.signed);
  });
}

// As everywhere in the API: a count of none is said.
const told = <D extends DescMessage>(schema: D, message: MessageShape<D>) =>
  toJson(schema, message, { alwaysEmitImplicit: true });

/** A body that is a file: its stream is the body, see the parsers in app.ts. */
const isUpload = (request: FastifyRequest): boolean => request.body instanceof Readable;

function commandId(request: FastifyRequest): string {
  const key = request.headers['idempotency-key'];
  return typeof key === 'string' ? key : '';
}

/** IES MeterData is read where files are: its profiles carry a `profileType`. */
const isMeterData = (body: unknown): boolean =>
  Array.isArray(body) || (body as { profileType?: unknown })?.profileType !== undefined;

async function* chunks<Head extends object>(request: FastifyRequest, head: Head): AsyncIterable<Head & { chunk: Uint8Array }> {
  if (!isUpload(request) && isMeterData(request.body)) {
    yield { ...head, chunk: Buffer.from(JSON.stringify(request.body)) };
    return;
  }
  if (!isUpload(request))
    throw invalid('file_expected', 'send the file itself as the body, with Content-Type text/csv or application/gzip');
  yield { ...head, chunk: new Uint8Array() };
  const body = request.body as Readable;
  try {
    for await (const chunk of body.iterator({ destroyOnReturn: false })) yield { ...head, chunk: chunk as Uint8Array };
  } finally {
    body.resume(); // what a call that ended early does not want is heard out: destroyed, it would take connection and answer with it
  }
}

function download(reply: FastifyReply, parts: AsyncIterable<{ chunk: Uint8Array }>, name: string, type: string): FastifyReply {
  const bytes = async function* () {
    for await (const { chunk } of parts) yield chunk;
  };
  return reply
    .type(type)
    .header('content-disposition', `attachment; filename="${name}"`)
    .send(Readable.from(bytes(), { objectMode: false }));
}
