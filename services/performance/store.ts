import type { Instant, Interval } from '../domain/interval.ts';
import type { CivilDay } from '../domain/zone.ts';
import type { Queryable, Tx } from '../host/room.ts';
import type { CurveSums } from './curves.ts';

export type Run = {
  readonly discom: string;
  readonly runId: string;
  readonly eventId: string;
  readonly asOf: Instant;
  readonly window: Interval;
  readonly askedBy: string;
  readonly openedAt: Instant;
  readonly measuredAt: Instant | null;
  readonly intervalMinutes: number | null;
  readonly error: string | null;
  readonly attempts: number;
};
export type RunShard = {
  readonly shard: number;
  readonly path: string;
  readonly digest: string;
  readonly points: number;
  readonly coreSha256: string;
};
export type ShardFailure = { readonly shard: number; readonly reason: string };
/** One line of the audit of readings used. */
export type ReadingUse = {
  readonly settlementPointId: string;
  readonly connectionId: string;
  readonly participantId: string;
  readonly consentId: string;
  readonly outcome: string;
};

/** False: the run was there already. */
export async function openRun(
  db: Queryable,
  run: Omit<Run, 'measuredAt' | 'intervalMinutes' | 'error' | 'attempts'>,
): Promise<boolean> {
  const rows = await db.query(
    `insert into run (discom, run_id, event_id, as_of_ms, window_start_ms, window_end_ms, asked_by, opened_at_ms, retry_at_ms)
     values ($1, $2, $3, $4, $5, $6, $7, $8, $8) on conflict do nothing returning 1`,
    [run.discom, run.runId, run.eventId, run.asOf, run.window.start, run.window.end, run.askedBy, run.openedAt],
  );
  return rows.length === 1;
}

export async function getRun(db: Queryable, discom: string, runId: string): Promise<Run | null> {
  const rows = await db.query<RunColumns>('select * from run where discom = $1 and run_id = $2', [discom, runId]);
  return rows[0] ? runOf(rows[0]) : null;
}

/** The measured run with the latest cut-off. */
export async function newestRun(db: Queryable, discom: string, eventId: string): Promise<Run | null> {
  const rows = await db.query<RunColumns>(
    `select * from run where discom = $1 and event_id = $2 and measured_at_ms is not null
     order by as_of_ms desc, opened_at_ms desc, run_id desc limit 1`,
    [discom, eventId],
  );
  return rows[0] ? runOf(rows[0]) : null;
}

/** Of all DISCOMs: the worker's queue, oldest first. */
export async function dueRuns(db: Queryable, now: Instant): Promise<Run[]> {
  const rows = await db.query<RunColumns>(
    'select * from run where measured_at_ms is null and retry_at_ms <= $1 order by opened_at_ms, discom, run_id',
    [now],
  );
  return rows.map(runOf);
}

export async function nextRetry(db: Queryable): Promise<Instant | null> {
  const [row] = await db.query<{ next: bigint | null }>('select min(retry_at_ms) as next from run where measured_at_ms is null');
  return instant(row!.next);
}

export async function putOff(db: Queryable, { discom, runId }: Run, error: string, retryAt: Instant): Promise<void> {
  await db.query('update run set error = $3, attempts = attempts + 1, retry_at_ms = $4 where discom = $1 and run_id = $2', [
    discom,
    runId,
    error,
    retryAt,
  ]);
}

export async function closeRun(db: Queryable, { discom, runId }: Run, now: Instant): Promise<void> {
  await db.query('update run set error = null, measured_at_ms = $3 where discom = $1 and run_id = $2', [discom, runId, now]);
}

export async function shardsOf(db: Queryable, discom: string, runId: string): Promise<RunShard[]> {
  const rows = await db.query<{ shard: bigint; path: string; digest: string; points: number; core_sha256: string }>(
    'select shard, path, digest, points, core_sha256 from run_shard where discom = $1 and run_id = $2 order by shard',
    [discom, runId],
  );
  return rows.map((row) => ({ ...row, shard: Number(row.shard), coreSha256: row.core_sha256 }));
}

/** In shard order, so that whichever worker was first, a run says the same. */
export const failuresOf = (db: Queryable, { discom, runId, attempts }: Run): Promise<ShardFailure[]> =>
  db.query<ShardFailure>(
    `select shard::float8 as shard, reason from shard_failure where discom = $1 and run_id = $2 and attempt = $3 order by shard`,
    [discom, runId, attempts],
  );

export const addFailure = (db: Queryable, { discom, runId, attempts }: Run, { shard, reason }: ShardFailure) =>
  db.query(
    `insert into shard_failure (discom, run_id, shard, attempt, reason) values ($1, $2, $3, $4, $5) on conflict do nothing`,
    [discom, runId, shard, attempts, reason],
  );

/** False: another worker was first; nothing is written. */
export async function addShard(
  tx: Tx,
  { discom, runId }: Run,
  shard: RunShard,
  minutes: number,
  curves: ReadonlyMap<string, CurveSums>,
): Promise<boolean> {
  const rows = await tx.query(
    `insert into run_shard (discom, run_id, shard, path, digest, points, core_sha256) values ($1, $2, $3, $4, $5, $6, $7)
     on conflict do nothing returning 1`,
    [discom, runId, shard.shard, shard.path, shard.digest, shard.points, shard.coreSha256],
  );
  if (rows.length === 0) return false;
  await tx.query('update run set interval_minutes = $3 where discom = $1 and run_id = $2', [discom, runId, minutes]);
  await tx.query(
    `insert into curve (discom, run_id, shard, organisation_id, sums)
     select $1, $2, $3, organisation_id, sums from jsonb_to_recordset($4::jsonb) as given (organisation_id text, sums jsonb)`,
    [discom, runId, shard.shard, JSON.stringify(Array.from(curves, ([organisation_id, sums]) => ({ organisation_id, sums })))],
  );
  return true;
}

/** Of one organisation, or of all (null). */
export async function curvesOfRun(
  db: Queryable,
  discom: string,
  runId: string,
  organisation: string | null,
): Promise<CurveSums[]> {
  const rows = await db.query<{ sums: CurveSums }>(
    'select sums from curve where discom = $1 and run_id = $2 and ($3::text is null or organisation_id = $3) order by shard, organisation_id',
    [discom, runId, organisation],
  );
  return rows.map(({ sums }) => sums);
}

export async function recordUses(
  db: Queryable,
  { discom, runId, eventId, askedBy }: Run,
  span: { readonly from: CivilDay; readonly to: CivilDay },
  uses: readonly ReadingUse[],
  now: Instant,
): Promise<void> {
  await db.query(
    `insert into reading_use (discom, run_id, event_id, subject, purpose, from_day, to_day, at_ms,
       settlement_point_id, connection_id, participant_id, consent_id, outcome)
     select $1, $2, $3, $4, 'READINGS', $5, $6, $7, "settlementPointId", "connectionId", "participantId", "consentId", outcome
     from jsonb_to_recordset($8::jsonb) as use
       ("settlementPointId" text, "connectionId" text, "participantId" text, "consentId" text, outcome text)
     on conflict do nothing`,
    [discom, runId, eventId, askedBy, span.from, span.to, now, JSON.stringify(uses)],
  );
}

type RunColumns = Record<'discom' | 'run_id' | 'event_id' | 'asked_by', string> &
  Record<'as_of_ms' | 'window_start_ms' | 'window_end_ms' | 'opened_at_ms', bigint> & {
    measured_at_ms: bigint | null;
    interval_minutes: number | null;
    error: string | null;
    attempts: number;
  };
function runOf(row: RunColumns): Run {
  return {
    discom: row.discom,
    runId: row.run_id,
    eventId: row.event_id,
    asOf: Number(row.as_of_ms),
    window: { start: Number(row.window_start_ms), end: Number(row.window_end_ms) },
    askedBy: row.asked_by,
    openedAt: Number(row.opened_at_ms),
    measuredAt: instant(row.measured_at_ms),
    intervalMinutes: row.interval_minutes,
    error: row.error,
    attempts: row.attempts,
  };
}

const instant = (ms: bigint | null): Instant | null => (ms === null ? null : Number(ms));
