import { toBinary } from '@bufbuild/protobuf';
import { EventState } from '../../gen/lachak/v1/dispatch_pb.ts';
import { CloseCycleRequestSchema, OpenRunRequestSchema, Settlement } from '../../gen/lachak/v1/settlement_pb.ts';
import { conflict, invalid, notFound } from '../domain/outcome.ts';
import { type SigningKey, signingKeys } from '../host/auth.ts';
import { once } from '../host/command.ts';
import { sha256 } from '../host/ids.ts';
import { madeOnce } from '../host/made-once.ts';
import { bind, type Caller, type Deps, type Room, type RoomMaker } from '../host/room.ts';
import { scopeOf } from '../host/scope.ts';
import { billCsv, readCycle } from './billing.ts';
import * as links from './links-store.ts';
import { calendarDays, meterOf, runOf, statementLine } from './messages.ts';
import * as money from './money-store.ts';
import { openRun, runWork } from './runs-service.ts';
import { nextRun } from './stages.ts';
import { makeStatement } from './statements-service.ts';
import * as statements from './statements-store.ts';
import * as store from './store.ts';
import { termsOf } from './terms.ts';

export const room: RoomMaker = { name: 'settlement', migrations: new URL('./migrations/', import.meta.url), make };

function make(deps: Deps): Room {
  const { clock, database, facts, config } = deps;
  const key = madeOnce(() => signingKeys(config.folder));
  const work = runWork(deps, key);
  let stopping = false;
  let working: Promise<void> = Promise.resolve();
  const waker = clock.wake('settlement.runs', {
    next: async () => (stopping ? null : store.nextDue(database)),
    run: (now) => (working = work.go(now)),
  });

  facts.follow('catalogue', {
    calendarPublished: async (tx, calendar, { discom, atMs }) => {
      await links.putCalendar(
        tx,
        discom,
        calendar.calendarId,
        calendar.version,
        Number(atMs),
        JSON.stringify(calendarDays(calendar)),
      );
    },
  });
  facts.follow('registry', {
    registryChanged: async (tx, { records }, { discom, atMs }) => {
      const connections = new Set<string>();
      for (const { record } of records) {
        if (record.case === 'participant') await links.putParticipant(tx, discom, record.value.participantId, record.value.kind);
        if (record.case === 'meter') await links.putMeter(tx, discom, Number(atMs), meterOf(record.value));
        if (record.case === 'meter' || record.case === 'connection' || record.case === 'settlementPoint')
          connections.add(record.value.connectionId);
      }
      if (connections.size > 0) await store.touchByConnections(tx, discom, [...connections], Number(atMs));
    },
  });
  facts.follow('dispatch', {
    eventCommitted: async (tx, event, { discom }) => {
      const { eventId, programmeId, termsVersion, window, digest, committedAtMs, shards } = event;
      await store.putCommitted(tx, discom, {
        ...{ eventId, programmeId, termsVersion, shards, commitmentDigest: digest, committedAtMs: Number(committedAtMs) },
        ...{ startMs: Number(window?.startMs), endMs: Number(window?.endMs), points: event.settlementPoints + event.holdout },
      });
      // The digest is worth something because it stands in the log before the window opens.
      await money.appendLog(tx, discom, { kind: 'commitment', subject: eventId, digest, atMs: clock.now() }, sha256);
    },
    eventEnded: async (tx, { eventId, state, window }, { discom }) => {
      const settled = { start: Number(window?.startMs ?? 0n), end: Number(window?.endMs ?? 0n) };
      const nothing = state === EventState.CANCELLED || settled.end <= settled.start;
      await store.endEvent(tx, discom, eventId, nothing ? 'cancelled' : 'ended', settled);
      tx.afterCommit(() => waker.stir());
    },
  });
  facts.follow('metering', {
    readingsReceived: async (tx, { shard, day, knownAtMs }, { discom, atMs }) => {
      await store.touchByReadings(tx, discom, shard, day, Math.max(Number(knownAtMs), Number(atMs)));
    },
    supplyReceived: async (tx, { span, knownAtMs }, { discom, atMs }) => {
      await store.touchBySupply(
        tx,
        discom,
        Number(span?.startMs),
        Number(span?.endMs),
        Math.max(Number(knownAtMs), Number(atMs)),
      );
    },
  });
  facts.follow('performance', {
    performanceMeasured: async (tx, measured, { discom }) => {
      await store.putShard(tx, discom, measured);
      tx.afterCommit(() => waker.stir());
    },
  });

  /** A run that said nothing new answers with the one that stands. */
  async function visibleRun(runId: string, caller: Caller): Promise<{ run: store.RunRow; newest: boolean }> {
    const { discom, organisation } = caller;
    const asked = await store.getRun(database, discom, runId);
    const event = asked && (await store.getEvent(database, discom, asked.eventId));
    const run = asked?.state === 'equal' && event?.newestRun ? await store.getRun(database, discom, event.newestRun) : asked;
    const visible = run && (seesAll(caller) || (await statements.concerns(database, discom, run.runId, organisation)));
    if (!visible) throw notFound('run_not_found', `there is no run ${runId}`, 'run_id');
    return { run, newest: event?.newestRun === run.runId };
  }

  return {
    bindings: [
      bind(Settlement, {
        openRun: async (request, { discom, organisation }) => {
          const content = toBinary(OpenRunRequestSchema, request);
          const { outcome } = await database.tx((tx) =>
            once(tx, { discom, organisation, commandId: request.commandId, verb: 'OpenRun', content }, async () => {
              const event = await store.getEvent(tx, discom, request.eventId, true);
              if (!event) throw notFound('event_not_found', `settlement knows no committed event ${request.eventId}`, 'event_id');
              if (event.openRun) throw conflict('run_open', `run ${event.openRun} of this event is still open`, 'event_id');
              const next = event.state === 'ended' && event.terms !== null ? nextRun(termsOf(event).stages, event) : null;
              if (!next || next.rule.stage === 'CLOSED') {
                const state = next ? 'past its last run' : event.state;
                throw conflict('nothing_to_run', `event ${event.eventId} is ${state}: there is no run to open`, 'event_id');
              }
              const runId = await openRun(tx, event, next.rule, clock.now(), clock.now());
              tx.afterCommit(() => waker.stir());
              return { runId };
            }),
          );
          return runOf((await store.getRun(database, discom, outcome.runId))!, true);
        },
        getRun: async ({ runId }, caller) => {
          const { run, newest } = await visibleRun(runId, caller);
          return runOf(run, newest);
        },
        listRuns: async ({ eventId, page }, caller) => {
          const size = pageSize(page?.size);
          const from = position(page?.token || '0');
          const rows = await store.listRuns(database, caller.discom, eventId, from, size);
          const seen = await Promise.all(
            rows.map(
              async (run) =>
                seesAll(caller) || (await statements.concerns(database, caller.discom, run.runId, caller.organisation)),
            ),
          );
          return {
            runs: rows.filter((_, i) => seen[i]).map((run) => runOf(run, run.newest)),
            nextPageToken: rows.length === size ? String(from + size) : '',
          };
        },
        listStatements: async ({ eventId, partyId, withSuperseded, search, page }, caller) => {
          const size = pageSize(page?.size);
          const wanted = { eventId, partyId, withSuperseded, search, after: page?.token ?? '', size };
          const rows = await statements.listStatements(database, scopeOf(caller), wanted);
          return {
            statements: rows.map(statementLine),
            nextPageToken: rows.length === size ? `${rows.at(-1)!.partyId}/${rows.at(-1)!.statementId}` : '',
          };
        },
        getStatement: async ({ statementId }, caller) => {
          const { discom } = caller;
          const row = await statements.getStatement(database, scopeOf(caller), statementId);
          if (!row) throw notFound('statement_not_found', `there is no statement ${statementId}`, 'statement_id');
          const signer = await key();
          const saltOf = async (participantId: string) => (await work.saltsOf(discom, [participantId]))[participantId];
          const made = await makeStatement(database, row, discom, { key: signer, issuer: issuerOf(signer) }, saltOf);
          return { line: statementLine(row), ...made };
        },
        exportBillCredits: async function* ({ cycle }, { discom }) {
          const bytes = new TextEncoder().encode(billCsv(await money.billLines(database, discom, readCycle(cycle))));
          for (let at = 0; at < bytes.length; at += CHUNK) yield { chunk: bytes.subarray(at, at + CHUNK) };
        },
        closeCycle: async (request, { discom, organisation }) => {
          const cycle = readCycle(request.cycle);
          const content = toBinary(CloseCycleRequestSchema, request);
          const { repeated } = await database.tx((tx) =>
            once(tx, { discom, organisation, commandId: request.commandId, verb: 'CloseCycle', content }, async () => {
              await money.lockBills(tx, discom);
              await money.closeCycle(tx, discom, cycle, clock.now());
              return { cycle };
            }),
          );
          return { id: cycle, repeatedCommand: repeated };
        },
        getBalances: async ({ runId }, { discom }) => {
          const balances = await money.balances(database, discom, runId);
          return { balances, sumMicros: balances.reduce((sum, { micros }) => sum + micros, 0n) };
        },
        listLog: async ({ after, size }, { discom }) => {
          const entries = await money.listLog(database, discom, Math.min(Number(after), Number.MAX_SAFE_INTEGER), pageSize(size));
          return { entries: entries.map((entry) => ({ ...entry, index: BigInt(entry.index), atMs: BigInt(entry.atMs) })) };
        },
        getIssuer: async () => {
          const signer = await key();
          return { issuer: issuerOf(signer), jwks: JSON.stringify({ keys: [signer.publicJwk] }), thumbprint: signer.thumbprint };
        },
      }),
    ],
    start: async () => {},
    stop: async () => {
      stopping = true;
      await working.catch(() => {});
    },
  };
}

const CHUNK = 64 * 1024;

/** did:jwk: the key itself, so that nobody has to be asked what the DID means. */
const issuerOf = ({ publicJwk: { kty, crv, x, y } }: SigningKey): string =>
  `did:jwk:${Buffer.from(JSON.stringify({ crv, kty, x, y })).toString('base64url')}`;

/** Throws Refusal for a token that no page has given. */
function position(token: string): number {
  if (/^\d{1,9}$/.test(token)) return Number(token);
  throw invalid('page_token_malformed', `"${token}" is no page token`, 'page.token');
}

const pageSize = (size: number | undefined): number => Math.min(size || 100, 1000);

const seesAll = ({ roles }: Caller): boolean =>
  roles.some((role) => role === 'operator' || role === 'verifier' || role === 'room');
