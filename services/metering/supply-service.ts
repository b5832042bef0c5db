import { type MessageInitShape, toBinary } from '@bufbuild/protobuf';
import {
  type IngestReportSchema,
  type Metering,
  PutSupplyRequestSchema,
  type SupplySpan as SupplySpanMessage,
} from '../../gen/lachak/v1/metering_pb.ts';
import { SupplyState as WireState } from '../../gen/lachak/v1/types_pb.ts';
import type { Instant } from '../domain/interval.ts';
import { invalid } from '../domain/outcome.ts';
import { type Command, once } from '../host/command.ts';
import type { Caller, Deps, Handlers, Tx } from '../host/room.ts';
import { noFindings } from './findings.ts';
import type { Report } from './ingest-service.ts';
import { asOf, command, knownAtOf, opened, reportMessage, spanOf } from './messages-service.ts';
import { areasOf, connectionsNamed, placesNamed } from './places-store.ts';
import { addSupply, supplyWithin } from './store.ts';
import { areaPath, readSupply, SUPPLY_STATES, type SupplyStatement, supplyOf } from './supply.ts';
import { plainBytes } from './unpack-service.ts';

const SUPPLY_BYTES_MOST = 64 * 1024 * 1024;
const IDS_PER_FACT = 500;

/** Supply status as it is told, by area or by connection, and what held at a connection as of an instant. */
export function supplyHandlers(deps: Deps): Pick<Handlers<typeof Metering>, 'putSupply' | 'importSupply' | 'getSupply'> {
  const { clock, database } = deps;
  return {
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
