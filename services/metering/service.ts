import { Readable } from 'node:stream';
import { createGzip } from 'node:zlib';
import type { MessageInitShape } from '@bufbuild/protobuf';
import { toBinary } from '@bufbuild/protobuf';
import {
  type ImportReadingsRequest,
  type IngestReportSchema,
  Metering,
  PutSupplyRequestSchema,
  type ReadingColumns,
  ReadingColumnsSchema,
  type SupplySpan as SupplySpanMessage,
} from '../../gen/lachak/v1/metering_pb.ts';
import type { Interval as IntervalMessage } from '../../gen/lachak/v1/types_pb.ts';
import { SupplyState as WireState } from '../../gen/lachak/v1/types_pb.ts';
import type { Instant, Interval } from '../domain/interval.ts';
import { invalid } from '../domain/outcome.ts';
import { type Command, once } from '../host/command.ts';
import { bind, type Caller, type Deps, type Handlers, type RoomMaker, type Tx } from '../host/room.ts';
import { appendColumns, type Grids } from './columns.ts';
import { noFindings } from './findings.ts';
import { follow } from './follow-service.ts';
import { hashing, ingest, plainBytes, type Report } from './ingest-service.ts';
import { areasOf, connectionsNamed, metersNamed, placesNamed } from './places-store.ts';
import { exportLines, meterDaysOf, type Reading, seriesOf, typicalLoads } from './read-service.ts';
import { readingsReader } from './reader.ts';
import { noRows } from './rows.ts';
import { addSupply, supplyWithin, tileFiles, tilesOf } from './store.ts';
import { areaPath, readSupply, SUPPLY_STATES, type SupplyStatement, supplyOf } from './supply.ts';

const TYPICAL_DAYS = 5;
const SUPPLY_BYTES_MOST = 64 * 1024 * 1024;
const IDS_PER_FACT = 500;

export const room: RoomMaker = {
  name: 'metering',
  migrations: new URL('./migrations/', import.meta.url),
  make: (deps) => {
    follow(deps);
    const files = tileFiles(deps.folder);
    return {
      bindings: [bind(Metering, handlers(deps, { database: deps.database, files }))],
      start: async () => {
        const orphans = await files.sweep(deps.database);
        if (orphans > 0) deps.log.info({ orphans }, 'removed tiles that were never committed');
      },
      stop: async () => {},
    };
  },
};

function handlers(deps: Deps, reading: Reading): Handlers<typeof Metering> {
  const { clock, database } = deps;
  return {
    importReadings: async (requests, caller) => {
      const findings = noFindings();
      const reader = readingsReader(findings);
      const hash = hashing();
      const { head, chunks } = await opened(requests);
      const knownAt = knownAtOf(head.knownAtMs, clock.now());
      for await (const bytes of plainBytes(chunks)) {
        hash.add(bytes);
        reader.push(bytes);
        caller.signal.throwIfAborted();
      }
      const { rows, lines, empty } = reader.end();
      // The content is the file itself: `now` for rows without known_at must not make a repeated file another one.
      const content = `${hash.hex()} ${head.knownAtMs}`;
      const delivery = { discom: caller.discom, command: command(caller, head.commandId, 'ImportReadings', content), knownAt };
      const by = { handOff: head.fileName || 'file', signer: caller.subject, source: sourceOf(caller) };
      const { report, repeated } = await ingest(deps, reading.files, {
        ...delivery,
        ...by,
        rows,
        lines,
        refused: lines - empty - rows.count,
        findings,
      });
      return reportMessage(report, repeated);
    },
    putReadings: async (requests, caller) => {
      const rows = noRows();
      const findings = noFindings();
      const hash = hashing();
      const now = clock.now();
      let commandId = '';
      let values = 0;
      const grids: Grids = new Map();
      for await (const columns of requests) {
        if (commandId === '') commandId = columns.commandId;
        hash.add(toBinary(ReadingColumnsSchema, columns));
        values += appendColumns(rows, grids, packed(columns, knownAtOf(columns.knownAtMs, now)), findings);
      }
      const known = await metersNamed(database, caller.discom, rows.meterIds);
      for (const [meterId, { minutes }] of grids) {
        const interval = known.get(meterId)?.intervalMinutes ?? minutes;
        if (interval !== minutes)
          throw invalid(
            'interval_mismatch',
            `meter ${meterId} has ${interval}-minute intervals, not ${minutes}`,
            'interval_minutes',
          );
      }
      const delivery = { discom: caller.discom, command: command(caller, commandId, 'PutReadings', hash.hex()), knownAt: now };
      const by = { handOff: 'stream', signer: caller.subject, source: sourceOf(caller) };
      const refused = [...findings.counts.values()].reduce((a, b) => a + b, 0);
      const { report, repeated } = await ingest(deps, reading.files, {
        ...delivery,
        ...by,
        rows,
        lines: values,
        refused,
        findings,
      });
      return reportMessage(report, repeated);
    },
    putSupply: async (request, caller) => {
      const now = clock.now();
      const statements = request.spans.map((span, i) => supplyStatement(span, i, now, caller.subject));
      const ids = statements.map((one) => one.placeId);
      const { areas, connections } = await placesNamed(database, caller.discom, ids);
      const findings = noFindings();
      const good = statements.filter(({ ofArea, placeId }, i) => {
        const known = (ofArea ? areas : connections).has(placeId);
        if (!known)
          findings.add(
            i + 1,
            ofArea ? 'area_id' : 'connection_id',
            'unknown_place',
            () => `there is no ${ofArea ? 'area' : 'connection'} ${placeId}`,
          );
        return known;
      });
      const content = toBinary(PutSupplyRequestSchema, request);
      return keepSupply(
        deps,
        caller,
        command(caller, request.commandId, 'PutSupply', content),
        good,
        statements.length,
        findings,
      );
    },
    importSupply: async (requests, caller) => {
      const { head, chunks } = await opened(requests);
      const knownAt = knownAtOf(head.knownAtMs, clock.now());
      const parts: Uint8Array[] = [];
      let size = 0;
      for await (const bytes of plainBytes(chunks)) {
        parts.push(bytes);
        size += bytes.length;
        if (size > SUPPLY_BYTES_MOST)
          throw invalid('file_too_large', `a supply file has at most ${SUPPLY_BYTES_MOST} bytes`, 'chunk');
      }
      const text = Buffer.concat(parts).toString('utf8');
      const ids = text.split('\n').map((line) => line.slice(0, Math.max(0, line.indexOf(','))).trim());
      const { areas, connections } = await placesNamed(database, caller.discom, [...new Set(ids)]);
      const findings = noFindings();
      const places = { isArea: (id: string) => areas.has(id), isConnection: (id: string) => connections.has(id) };
      const { statements, lines } = readSupply(text, places, knownAt, caller.subject, findings);
      const content = `${text}\n${head.knownAtMs}`;
      return keepSupply(deps, caller, command(caller, head.commandId, 'ImportSupply', content), statements, lines, findings);
    },
    getSeries: async (request, caller) => {
      const series = await seriesOf(reading, caller, request.meterId, spanOf(request.span), asOf(request.asOfMs, clock.now()));
      return { intervalMinutes: series.intervalMinutes, startMs: BigInt(series.start), ...slotBytes(series) };
    },
    listTiles: async (request, caller) => {
      const shards = request.shards.length > 0 ? { shards: request.shards } : {};
      const tiles = await tilesOf(database, caller.discom, {
        days: request.days,
        ...shards,
        asOf: asOf(request.asOfMs, clock.now()),
      });
      return { tiles: tiles.map((tile) => ({ ...tile, knownAtMs: BigInt(tile.knownAt) })) };
    },
    getMeterDays: async (request, caller) => {
      const answers = await meterDaysOf(reading, caller.discom, request.names, asOf(request.asOfMs, clock.now()));
      return {
        meterDays: request.names.map(({ meterId, day }, i) => {
          const answer = answers[i];
          if (!answer) return { meterId, day };
          const { digest, handOff, signer, intervalMinutes } = answer;
          const slots = request.withReadings ? slotBytes(answer.slots) : {};
          return {
            meterId,
            day,
            digest,
            handOff,
            signer,
            intervalMinutes,
            receivedAtMs: BigInt(answer.receivedAt),
            startMs: BigInt(answer.start),
            ...slots,
          };
        }),
      };
    },
    getSupply: async (request, caller) => {
      const span = spanOf(request.span);
      const statements = await supplyWithin(database, caller.discom, span.start, span.end, asOf(request.asOfMs, clock.now()));
      if (statements.length === 0) return {};
      const connections = await connectionsNamed(database, caller.discom, request.connectionIds);
      const areas = await areasOf(database, caller.discom);
      const spans = request.connectionIds.flatMap((connectionId) => {
        const connection = connections.get(connectionId) ?? [];
        return supplyOf(statements, (at) => areaPath(connection, areas, at), connectionId, span).map((one) => ({
          connectionId,
          span: { startMs: BigInt(one.span.start), endMs: BigInt(one.span.end) },
          state: STATES[one.state],
          knownAtMs: BigInt(one.knownAt),
          source: one.source,
        }));
      });
      return { spans };
    },
    getTypicalLoad: async (request, caller) => {
      const loads = await typicalLoads(
        reading,
        caller.discom,
        request.meterIds,
        spanOf(request.window, 'window'),
        request.days || TYPICAL_DAYS,
        clock.now(),
      );
      return { meanW: loads.map((load) => BigInt(load ?? 0)), known: loads.map((load) => load !== null) };
    },
    exportReadings: async function* (request, caller) {
      const lines = Readable.from(exportLines(reading, caller.discom, request.meterIds, spanOf(request.span)), {
        objectMode: false,
        highWaterMark: 1 << 18,
      });
      // Level and header are fixed, so equal state gives equal bytes here too.
      const bytes = request.gzip ? lines.pipe(createGzip({ level: 6 })) : lines;
      lines.on('error', (error) => bytes.destroy(error));
      for await (const chunk of bytes as AsyncIterable<Uint8Array | string>)
        yield { chunk: typeof chunk === 'string' ? Buffer.from(chunk) : chunk };
    },
  };
}

async function keepSupply(
  { database, facts }: Deps,
  { discom }: Caller,
  asked: Command,
  statements: readonly SupplyStatement[],
  lines: number,
  findings: ReturnType<typeof noFindings>,
): Promise<MessageInitShape<typeof IngestReportSchema>> {
  const { outcome, repeated } = await database.tx((tx) =>
    once<Report>(tx, asked, async () => {
      if (statements.length > 0) await addSupply(tx, discom, statements);
      await publishSupply(facts, tx, discom, statements);
      return {
        ...{
          rows: lines,
          stored: statements.length,
          unchanged: 0,
          rejected: lines - statements.length,
          suspect: 0,
          meters: 0,
          days: [],
        },
        findings: findings.first,
        counts: Object.fromEntries(findings.counts),
      };
    }),
  );
  return reportMessage(outcome, repeated);
}

async function publishSupply(
  facts: Deps['facts'],
  tx: Tx,
  discom: string,
  statements: readonly SupplyStatement[],
): Promise<void> {
  const rest = [...statements].sort((a, b) => a.knownAt - b.knownAt);
  while (rest.length > 0) {
    const knownAt = rest[0]!.knownAt;
    const end = rest.findIndex((one, i) => one.knownAt !== knownAt || i === IDS_PER_FACT);
    const part = rest.splice(0, end === -1 ? rest.length : end);
    const idsOf = (ofArea: boolean): string[] => [
      ...new Set(part.filter((one) => one.ofArea === ofArea).map((one) => one.placeId)),
    ];
    const startMs = BigInt(part.reduce((least, one) => Math.min(least, one.from), Number.POSITIVE_INFINITY));
    const open = part.some((one) => one.to === null);
    const endMs = open ? 0n : BigInt(part.reduce((most, one) => Math.max(most, one.to ?? 0), 0));
    const span = { $typeName: 'lachak.v1.Interval' as const, startMs, endMs };
    const value = {
      $typeName: 'lachak.v1.SupplyReceived' as const,
      connectionIds: idsOf(false),
      areaIds: idsOf(true),
      span,
      knownAtMs: BigInt(knownAt),
    };
    await facts.publish(tx, { discom, key: 'supply', body: { case: 'supplyReceived', value } });
  }
}

/** The first message, and the chunks of all of them. */
async function opened(
  requests: AsyncIterable<ImportReadingsRequest>,
): Promise<{ head: ImportReadingsRequest; chunks: AsyncIterable<Uint8Array> }> {
  const source = requests[Symbol.asyncIterator]();
  const first = await source.next();
  if (first.done) throw invalid('wrong_header', 'nothing was sent', 'chunk');
  const head = first.value;
  const chunks = (async function* () {
    yield head.chunk;
    for (let next = await source.next(); !next.done; next = await source.next()) yield next.value.chunk;
  })();
  return { head, chunks };
}

/** An empty command id is made of subject and content, so that repeating a delivery changes nothing. */
function command(caller: Caller, commandId: string, verb: string, content: string | Uint8Array): Command {
  const hash = hashing();
  hash.add(Buffer.from(`${caller.subject}\n`));
  hash.add(typeof content === 'string' ? Buffer.from(content) : content);
  const id = commandId || `content-${hash.hex()}`;
  return { discom: caller.discom, organisation: caller.organisation, commandId: id, verb, content };
}

/** A source delivers only for its own meters; the DISCOM's people and other rooms for all. */
const sourceOf = (caller: Caller): string | null =>
  caller.roles.some((role) => role === 'operator' || role === 'room') ? null : caller.subject;

function knownAtOf(ms: bigint, now: Instant): Instant {
  if (Number(ms) > now)
    throw invalid('known_at_in_future', `known_at ${new Date(Number(ms)).toISOString()} lies in the future`, 'known_at_ms');
  return ms === 0n ? now : Number(ms);
}

const asOf = (ms: bigint, now: Instant): Instant => (ms === 0n ? now : Number(ms));

function spanOf(message: IntervalMessage | undefined, field = 'span'): Interval {
  if (!message || message.endMs <= message.startMs)
    throw invalid('interval_must_be_positive', `${field} must end after it starts`, field);
  return { start: Number(message.startMs), end: Number(message.endMs) };
}

const STATES = {
  ENERGISED: WireState.ENERGISED,
  OUTAGE: WireState.OUTAGE,
  LOAD_SHEDDING: WireState.LOAD_SHEDDING,
  DISCONNECTED: WireState.DISCONNECTED,
  UNKNOWN: WireState.SUPPLY_UNKNOWN,
} as const;

function supplyStatement(message: SupplySpanMessage, index: number, now: Instant, subject: string): SupplyStatement {
  const state = SUPPLY_STATES.find((name) => STATES[name] === message.state);
  if (!state) throw invalid('unknown_state', `spans[${index}].state is not set`, `spans[${index}].state`);
  if ((message.areaId === '') === (message.connectionId === ''))
    throw invalid('unknown_place', `spans[${index}] must name an area or a connection, and not both`, `spans[${index}]`);
  const { startMs, endMs } = message.span ?? { startMs: 0n, endMs: 0n };
  if (endMs !== 0n && endMs <= startMs)
    throw invalid('interval_must_be_positive', `spans[${index}] ends before it starts`, `spans[${index}].span`);
  return {
    ofArea: message.areaId !== '',
    placeId: message.areaId || message.connectionId,
    from: Number(startMs),
    to: endMs === 0n ? null : Number(endMs),
    state,
    knownAt: knownAtOf(message.knownAtMs, now),
    source: message.source || subject,
  };
}

const packed = (message: ReadingColumns, knownAt: Instant) => ({
  start: Number(message.startMs),
  intervalMinutes: message.intervalMinutes,
  slots: message.slots,
  meterIds: message.meterIds,
  importWh: int32s(message.importWh, 'import_wh'),
  exportWh: message.exportWh.length === 0 ? null : int32s(message.exportWh, 'export_wh'),
  quality: message.quality.length === 0 ? null : message.quality,
  knownAt,
});

function int32s(bytes: Uint8Array, field: string): Int32Array {
  if (bytes.length % 4 !== 0) throw invalid('columns_malformed', `${field} must be little-endian i32 values`, field);
  return new Int32Array(Uint8Array.from(bytes).buffer);
}

const slotBytes = (slots: { importWh: Int32Array; exportWh: Int32Array; quality: Uint8Array }) => ({
  importWh: new Uint8Array(slots.importWh.buffer),
  exportWh: slots.exportWh.every((wh) => wh === -2147483648) ? new Uint8Array(0) : new Uint8Array(slots.exportWh.buffer),
  quality: slots.quality,
});

const reportMessage = (report: Report, repeated: boolean): MessageInitShape<typeof IngestReportSchema> => ({
  rows: BigInt(report.rows),
  stored: BigInt(report.stored),
  unchanged: BigInt(report.unchanged),
  rejected: BigInt(report.rejected),
  suspect: BigInt(report.suspect),
  findings: report.findings.map((finding) => ({ ...finding, line: BigInt(finding.line) })),
  counts: Object.fromEntries(Object.entries(report.counts).map(([code, count]) => [code, BigInt(count)])),
  meters: BigInt(report.meters),
  days: report.days,
  repeatedCommand: repeated,
});
