import type { Instant } from '../domain/interval.ts';
import type { Hash } from '../domain/merkle.ts';
import type { MicroRupees } from '../domain/money.ts';
import type { Queryable, Tx } from '../host/room.ts';
import type { BillLine } from './billing.ts';
import type { BillChange, Posting } from './ledger.ts';
import { GENESIS, type LogEntry, sealed } from './log.ts';
import type { CreditKey } from './run-rows.ts';
import type { RunRow } from './store.ts';

export type PointRow = {
  readonly settlementPointId: string;
  readonly shard: number;
  readonly connectionId: string;
  readonly participantId: string;
  readonly organisationId: string;
  readonly billingConsentId: string;
  /** JSON of `Point` with its registers. */
  readonly measured: string;
  readonly settled: string | null;
  readonly figuresDigest: string | null;
  /** Exact net energy that later events of the cycle carry on. */
  readonly net: string | null;
  readonly leaf: Uint8Array | null;
};
const pointColumns = `settlement_point_id as "settlementPointId", shard, connection_id as "connectionId", participant_id as "participantId",
  organisation_id as "organisationId", billing_consent_id as "billingConsentId", measured, settled, figures_digest as "figuresDigest", net, leaf`;

export const putPoints = (
  tx: Tx,
  { discom, runId }: RunRow,
  points: readonly Omit<PointRow, 'settled' | 'figuresDigest' | 'net' | 'leaf'>[],
) =>
  tx.query(
    `insert into run_point (discom, run_id, settlement_point_id, shard, connection_id, participant_id, organisation_id, billing_consent_id, measured)
     select $1, $2, * from unnest($3::text[], $4::int[], $5::text[], $6::text[], $7::text[], $8::text[], $9::text[]) on conflict do nothing`,
    [
      discom,
      runId,
      points.map((point) => point.settlementPointId),
      points.map((point) => point.shard),
      points.map((point) => point.connectionId),
      points.map((point) => point.participantId),
      points.map((point) => point.organisationId),
      points.map((point) => point.billingConsentId),
      points.map((point) => point.measured),
    ],
  );

/** In settlement point order, which is the order of the leaves. */
export const pointsOf = (db: Queryable, discom: string, runId: string): Promise<PointRow[]> =>
  db.query<PointRow>(
    `select ${pointColumns} from run_point where discom = $1 and run_id = $2 order by settlement_point_id collate "C"`,
    [discom, runId],
  );

/** Of one shard, in settlement point order. */
export const pointsOfShard = (db: Queryable, discom: string, runId: string, shard: number): Promise<PointRow[]> =>
  db.query<PointRow>(
    `select ${pointColumns} from run_point where discom = $1 and run_id = $2 and shard = $3 order by settlement_point_id collate "C"`,
    [discom, runId, shard],
  );

export const pointsNamed = (db: Queryable, discom: string, runId: string, ids: readonly string[]): Promise<PointRow[]> =>
  db.query<PointRow>(
    `select ${pointColumns} from run_point where discom = $1 and run_id = $2 and settlement_point_id = any($3)`,
    [discom, runId, ids],
  );

/** Ids and the digests of their figures. */
export async function figuresNamed(
  db: Queryable,
  discom: string,
  runId: string,
  ids: readonly string[],
): Promise<[id: string, digest: string][]> {
  const rows = await db.query<{ id: string; digest: string }>(
    `select settlement_point_id as id, figures_digest as digest from run_point where discom = $1 and run_id = $2 and settlement_point_id = any($3)`,
    [discom, runId, ids],
  );
  return rows.map(({ id, digest }) => [id, digest]);
}

/** What one run has and a later one has not. */
export const pointsGone = (db: Queryable, discom: string, runId: string, laterRun: string): Promise<PointRow[]> =>
  db.query<PointRow>(
    `select ${pointColumns} from run_point p where discom = $1 and run_id = $2 and not exists
       (select 1 from run_point l where l.discom = $1 and l.run_id = $3 and l.settlement_point_id = p.settlement_point_id)`,
    [discom, runId, laterRun],
  );

/** One settlement point's row; null when the run has none. */
export async function pointOf(db: Queryable, discom: string, runId: string, settlementPointId: string): Promise<PointRow | null> {
  const sql = `select ${pointColumns} from run_point where discom = $1 and run_id = $2 and settlement_point_id = $3`;
  const [row] = await db.query<PointRow>(sql, [discom, runId, settlementPointId]);
  return row ?? null;
}

export const leavesOf = (
  db: Queryable,
  discom: string,
  runId: string,
): Promise<{ settlementPointId: string; leaf: Uint8Array }[]> =>
  db.query(
    `select settlement_point_id as "settlementPointId", leaf from run_point where discom = $1 and run_id = $2
     order by settlement_point_id collate "C"`,
    [discom, runId],
  );

export const settlePoints = (
  db: Queryable,
  { discom, runId }: RunRow,
  settled: readonly { settlementPointId: string; settled: string; figuresDigest: string; net: string; leaf: Uint8Array }[],
) =>
  db.query(
    `update run_point p set settled = s.settled, figures_digest = s.figures, net = s.net, leaf = s.leaf
     from unnest($3::text[], $4::text[], $5::text[], $6::text[], $7::bytea[]) as s (id, settled, figures, net, leaf)
     where p.discom = $1 and p.run_id = $2 and p.settlement_point_id = s.id`,
    [
      discom,
      runId,
      settled.map((line) => line.settlementPointId),
      settled.map((line) => line.settled),
      settled.map((line) => line.figuresDigest),
      settled.map((line) => line.net),
      settled.map((line) => Buffer.from(line.leaf)),
    ],
  );

/** Net energies of the newest runs of a programme's events in [from, before), in event order. */
export const netsBetween = (
  db: Queryable,
  discom: string,
  programmeId: string,
  from: Instant,
  before: Instant,
): Promise<{ settlementPointId: string; net: string }[]> =>
  db.query(
    `select p.settlement_point_id as "settlementPointId", p.net from event e join run_point p on p.discom = e.discom and p.run_id = e.newest_run
     where e.discom = $1 and e.programme_id = $2 and e.start_ms >= $3 and e.start_ms < $4 and p.net is not null order by e.start_ms, e.event_id`,
    [discom, programmeId, from, before],
  );

/** The newest version's credits take the place of those before, key by key. */
export const putCredits = (tx: Tx, { discom, runId, eventId }: RunRow, credits: readonly CreditKey[]) =>
  tx.query(
    `insert into credit (discom, event_id, settlement_point_id, interval_start_ms, run_id, credited_wh)
     select $1, $2, id, start_ms, $3, wh from unnest($4::text[], $5::bigint[], $6::bigint[]) as c (id, start_ms, wh)
     on conflict (discom, event_id, settlement_point_id, interval_start_ms) do update set run_id = excluded.run_id, credited_wh = excluded.credited_wh`,
    [
      discom,
      eventId,
      runId,
      credits.map((credit) => credit.settlementPointId),
      credits.map((credit) => credit.startMs),
      credits.map((credit) => credit.creditedWh),
    ],
  );
/** Keys that the version before had, and this one has not. */
export const dropOldCredits = (tx: Tx, { discom, runId, eventId }: RunRow) =>
  tx.query('delete from credit where discom = $1 and event_id = $2 and run_id <> $3', [discom, eventId, runId]);

/** Adds to what other shards of the run have posted to an account. */
export const addPostings = (tx: Tx, { discom, runId }: RunRow, postings: readonly Posting[]) =>
  tx.query(
    `insert into posting (discom, run_id, account, micros) select $1, $2, * from unnest($3::text[], $4::bigint[])
     on conflict (discom, run_id, account) do update set micros = posting.micros + excluded.micros`,
    [discom, runId, postings.map((posting) => posting.account), postings.map((posting) => posting.micros)],
  );
/** Shards that cancelled out. Answers what is left, which must be nothing. */
export async function sumPostings(tx: Tx, { discom, runId }: RunRow): Promise<MicroRupees> {
  await tx.query('delete from posting where discom = $1 and run_id = $2 and micros = 0', [discom, runId]);
  const [row] = await tx.query<{ sum: bigint }>(
    'select coalesce(sum(micros), 0)::bigint as sum from posting where discom = $1 and run_id = $2',
    [discom, runId],
  );
  return row!.sum;
}

export const balances = (db: Queryable, discom: string, runId: string): Promise<{ account: string; micros: MicroRupees }[]> =>
  db.query(
    `select account, sum(micros)::bigint as micros from posting where discom = $1 and ($2 = '' or run_id = $2)
     group by account having sum(micros) <> 0 order by account collate "C"`,
    [discom, runId],
  );

export const putBillLines = (
  tx: Tx,
  { discom, runId }: RunRow,
  lines: readonly (BillChange & { cycle: string; chargeCode: string; reference: string })[],
) =>
  tx.query(
    `insert into bill_line (discom, run_id, settlement_point_id, connection_id, participant_id, cycle, charge_code, reference, micros, paise)
     select $1, $2, * from unnest($3::text[], $4::text[], $5::text[], $6::text[], $7::text[], $8::text[], $9::bigint[], $10::bigint[])`,
    [
      discom,
      runId,
      lines.map((line) => line.settlementPointId),
      lines.map((line) => line.connectionId),
      lines.map((line) => line.participantId),
      lines.map((line) => line.cycle),
      lines.map((line) => line.chargeCode),
      lines.map((line) => line.reference),
      lines.map((line) => line.micros),
      lines.map((line) => line.paise),
    ],
  );

export const billLines = (db: Queryable, discom: string, cycle: string): Promise<BillLine[]> =>
  db.query<BillLine>(
    `select connection_id as "connectionId", cycle, charge_code as "chargeCode", reference, paise from bill_line
     where discom = $1 and cycle = $2 and paise <> 0`,
    [discom, cycle],
  );

export async function closedCycles(db: Queryable, discom: string): Promise<Set<string>> {
  const rows = await db.query<{ cycle: string }>('select cycle from closed_cycle where discom = $1', [discom]);
  return new Set(rows.map(({ cycle }) => cycle));
}

/** Runs put their lines under the same lock, so none slips into a cycle that is being closed. */
export const lockBills = (tx: Tx, discom: string) =>
  tx.query('select pg_advisory_xact_lock(hashtextextended($1, 0))', [`settlement/bills/${discom}`]);

export const closeCycle = (tx: Tx, discom: string, cycle: string, at: Instant) =>
  tx.query('insert into closed_cycle (discom, cycle, closed_at_ms) values ($1, $2, $3) on conflict do nothing', [
    discom,
    cycle,
    at,
  ]);

const logColumns = `index::float8 as index, kind, subject, digest, at_ms::float8 as "atMs", previous, hash`;

/** One chain a DISCOM; the same subject is never logged twice. */
export async function appendLog(
  tx: Tx,
  discom: string,
  entry: Pick<LogEntry, 'kind' | 'subject' | 'digest' | 'atMs'>,
  hash: Hash,
): Promise<LogEntry> {
  await tx.query('select pg_advisory_xact_lock(hashtextextended($1, 0))', [`settlement/log/${discom}`]);
  const found = await logEntry(tx, discom, entry.kind, entry.subject);
  if (found) return found;
  const [last] = await tx.query<LogEntry>(`select ${logColumns} from log_entry where discom = $1 order by index desc limit 1`, [
    discom,
  ]);
  const made = sealed({ ...entry, index: last ? last.index + 1 : 1, previous: last?.hash ?? GENESIS }, hash);
  await tx.query(
    'insert into log_entry (discom, index, kind, subject, digest, at_ms, previous, hash) values ($1, $2, $3, $4, $5, $6, $7, $8)',
    [discom, made.index, made.kind, made.subject, made.digest, made.atMs, made.previous, made.hash],
  );
  return made;
}

export async function logEntry(db: Queryable, discom: string, kind: LogEntry['kind'], subject: string): Promise<LogEntry | null> {
  const [row] = await db.query<LogEntry>(`select ${logColumns} from log_entry where discom = $1 and kind = $2 and subject = $3`, [
    discom,
    kind,
    subject,
  ]);
  return row ?? null;
}

/** Entries after `after`; the first is 1. */
export const listLog = (db: Queryable, discom: string, after: number, size: number): Promise<LogEntry[]> =>
  db.query<LogEntry>(`select ${logColumns} from log_entry where discom = $1 and index > $2 order by index limit $3`, [
    discom,
    after,
    size,
  ]);
