import type { Instant } from '../domain/interval.ts';
import type { Queryable, Tx } from '../host/room.ts';
import type { Stage } from './terms.ts';

// Events and runs. Money, statements and the log are in money-store.ts, what other rooms said in links-store.ts.

export type EventRow = {
  readonly discom: string;
  readonly eventId: string;
  readonly programmeId: string;
  readonly termsVersion: number;
  readonly startMs: Instant;
  readonly endMs: Instant;
  readonly points: number;
  readonly shards: readonly number[];
  readonly committedAtMs: Instant;
  readonly commitmentDigest: string;
  readonly state: 'committed' | 'ended' | 'cancelled' | 'finished';
  readonly noticeAtMs: Instant;
  /** Canonical JSON; null until the commitment was read. */
  readonly terms: string | null;
  readonly termsDigest: string;
  readonly calendar: string;
  readonly commitment: string;
  readonly touchedMs: Instant;
  readonly measuredAsOfMs: Instant;
  readonly stagesDone: number;
  readonly dueAtMs: Instant | null;
  readonly version: number;
  readonly newestRun: string | null;
  readonly openRun: string | null;
};
export type RunRow = {
  readonly discom: string;
  readonly runId: string;
  readonly eventId: string;
  readonly version: number;
  readonly stage: Stage;
  readonly stageReached: Stage;
  readonly minCoveragePpm: number;
  readonly asOfMs: Instant;
  readonly openedAtMs: Instant;
  readonly closedAtMs: Instant | null;
  readonly state: 'open' | 'measuring' | 'closed' | 'equal';
  readonly supersedes: string | null;
  readonly shards: number | null;
  readonly coreSha256: string;
  readonly root: string;
  readonly rootJws: string;
  readonly points: number;
  readonly figures: string;
  /** Of its statements; set when it is closed. */
  readonly format: number;
};

const eventColumns = `discom, event_id as "eventId", programme_id as "programmeId", terms_version as "termsVersion",
  start_ms::float8 as "startMs", end_ms::float8 as "endMs", points, shards, committed_at_ms::float8 as "committedAtMs",
  commitment_digest as "commitmentDigest", state, notice_at_ms::float8 as "noticeAtMs", terms, terms_digest as "termsDigest", calendar, commitment,
  touched_ms::float8 as "touchedMs", measured_as_of_ms::float8 as "measuredAsOfMs", stages_done as "stagesDone",
  due_at_ms::float8 as "dueAtMs", version, newest_run as "newestRun", open_run as "openRun"`;
const runColumns = `discom, run_id as "runId", event_id as "eventId", version, stage, stage_reached as "stageReached",
  min_coverage_ppm as "minCoveragePpm", as_of_ms::float8 as "asOfMs", opened_at_ms::float8 as "openedAtMs",
  closed_at_ms::float8 as "closedAtMs", state, supersedes, shards, core_sha256 as "coreSha256", root, root_jws as "rootJws", points, figures, format`;

export type Committed = Pick<
  EventRow,
  'eventId' | 'programmeId' | 'termsVersion' | 'startMs' | 'endMs' | 'points' | 'committedAtMs' | 'commitmentDigest'
> & { readonly shards: readonly number[] };

export const putCommitted = (tx: Tx, discom: string, event: Committed) =>
  tx.query(
    `insert into event (discom, event_id, programme_id, terms_version, start_ms, end_ms, points, committed_at_ms, commitment_digest, shards,
       state) values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, 'committed') on conflict do nothing`,
    [
      discom,
      event.eventId,
      event.programmeId,
      event.termsVersion,
      event.startMs,
      event.endMs,
      event.points,
      event.committedAtMs,
    ].concat([event.commitmentDigest, event.shards] as never),
  );

export const endEvent = (
  tx: Tx,
  discom: string,
  eventId: string,
  state: 'ended' | 'cancelled',
  window: { start: Instant; end: Instant },
) =>
  tx.query(
    `update event set state = $3, start_ms = $4, end_ms = $5 where discom = $1 and event_id = $2 and state = 'committed'`,
    [discom, eventId, state, window.start, window.end],
  );

export async function getEvent(db: Queryable, discom: string, eventId: string, lock = false): Promise<EventRow | null> {
  const sql = `select ${eventColumns} from event where discom = $1 and event_id = $2${lock ? ' for update' : ''}`;
  const [row] = await db.query<EventRow>(sql, [discom, eventId]);
  return row ?? null;
}

/** Ended events whose commitment was not read yet. */
export const unread = (db: Queryable): Promise<EventRow[]> =>
  db.query<EventRow>(`select ${eventColumns} from event where state = 'ended' and terms is null order by discom, event_id`);

export type Read = Pick<EventRow, 'noticeAtMs' | 'termsDigest' | 'calendar' | 'commitment'> & {
  readonly terms: string;
  readonly firstDay: string;
  readonly lastDay: string;
  readonly firstMs: Instant;
  readonly dueAtMs: Instant | null;
};
export const putRead = (db: Queryable, discom: string, eventId: string, read: Read) =>
  db.query(
    `update event set notice_at_ms = $3, terms = $4, terms_digest = $5, calendar = $6, first_day = $7, last_day = $8, first_ms = $9,
       commitment = $11, due_at_ms = $10, state = case when $10::bigint is null then 'finished' else state end
     where discom = $1 and event_id = $2 and terms is null`,
    [discom, eventId, read.noticeAtMs, read.terms, read.termsDigest, read.calendar, read.firstDay, read.lastDay].concat([
      read.firstMs,
      read.dueAtMs,
      read.commitment,
    ] as never),
  );

/** Events whose next stage is due, none of their runs being open. */
export const dueEvents = (db: Queryable, now: Instant): Promise<EventRow[]> =>
  db.query<EventRow>(
    `select ${eventColumns} from event where state = 'ended' and open_run is null and due_at_ms <= $1 order by due_at_ms, discom, event_id`,
    [now],
  );

/** The earliest cut-off to come; 0 when there is work to go on with now; null when nothing is planned. */
export async function nextDue(db: Queryable): Promise<Instant | null> {
  const [row] = await db.query<{ work: boolean; due: number | null }>(
    `select exists (select 1 from event where state = 'ended' and terms is null)
         or exists (select 1 from run where state = 'open')
         or exists (select 1 from run join run_shard using (discom, run_id) where run.state = 'measuring' and not taken)
         or exists (select 1 from run where state = 'measuring' and shards =
              (select count(*) from run_shard s where s.discom = run.discom and s.run_id = run.run_id and s.taken)) as work,
       (select min(due_at_ms)::float8 from event where state = 'ended' and open_run is null and terms is not null) as due`,
  );
  return row!.work ? 0 : row!.due;
}

/** Marks what can still change. Later of: known_at, and when it arrived here. */
export const touchByReadings = (tx: Tx, discom: string, shard: number, day: string, at: Instant) =>
  tx.query(
    `update event set touched_ms = greatest(touched_ms, $4) where discom = $1 and state = 'ended' and $2 = any(shards)
       and $3 between first_day and last_day`,
    [discom, shard, day, at],
  );
export const touchBySupply = (tx: Tx, discom: string, from: Instant, to: Instant, at: Instant) =>
  tx.query(
    `update event set touched_ms = greatest(touched_ms, $4) where discom = $1 and state = 'ended' and first_ms < $3 and $2 < end_ms`,
    [discom, from, to, at],
  );
export const touchByConnections = (tx: Tx, discom: string, connectionIds: readonly string[], at: Instant) =>
  tx.query(
    `update event set touched_ms = greatest(touched_ms, $3) where discom = $1 and state = 'ended' and newest_run in
       (select run_id from run_point where discom = $1 and connection_id = any($2))`,
    [discom, connectionIds, at],
  );
/** Where a cycle is netted as a whole, a new version of one event touches those after it. */
export const touchLater = (tx: Tx, discom: string, programmeId: string, after: Instant, before: Instant, at: Instant) =>
  tx.query(
    `update event set touched_ms = greatest(touched_ms, $5) where discom = $1 and programme_id = $2 and state = 'ended'
       and start_ms > $3 and start_ms < $4`,
    [discom, programmeId, after, before, at],
  );

export async function openRun(
  tx: Tx,
  run: Omit<
    RunRow,
    'stageReached' | 'closedAtMs' | 'state' | 'shards' | 'coreSha256' | 'root' | 'rootJws' | 'points' | 'figures' | 'format'
  >,
): Promise<void> {
  await tx.query(
    `insert into run (discom, run_id, event_id, version, stage, stage_reached, min_coverage_ppm, as_of_ms, opened_at_ms, supersedes, state)
     values ($1, $2, $3, $4, $5, $5, $6, $7, $8, $9, 'open')`,
    [run.discom, run.runId, run.eventId, run.version, run.stage, run.minCoveragePpm, run.asOfMs, run.openedAtMs, run.supersedes],
  );
  await takeMeasured(tx, run.discom, run.runId);
  await tx.query('update event set open_run = $3 where discom = $1 and event_id = $2', [run.discom, run.eventId, run.runId]);
}

export const runsIn = (db: Queryable, state: 'open' | 'measuring'): Promise<RunRow[]> =>
  db.query<RunRow>(`select ${runColumns} from run where state = $1 order by opened_at_ms, discom, event_id`, [state]);

export const setMeasuring = (db: Queryable, { discom, runId }: RunRow) =>
  db.query(`update run set state = 'measuring' where discom = $1 and run_id = $2 and state = 'open'`, [discom, runId]);

export async function putShard(
  tx: Tx,
  discom: string,
  measured: { runId: string; shard: number; shards: number; digest: string; coreSha256: string },
): Promise<void> {
  const { runId, shard, shards, digest, coreSha256 } = measured;
  await tx.query(
    `insert into run_shard (discom, run_id, shard, digest, shards, core_sha256) values ($1, $2, $3, $4, $5, $6)
     on conflict do nothing`,
    [discom, runId, shard, digest, shards, coreSha256],
  );
  await takeMeasured(tx, discom, runId);
}

/** Of which shards a run is, as the first measured one says; it may have been measured before it was opened here (a restored room). */
const takeMeasured = (tx: Tx, discom: string, runId: string) =>
  tx.query(
    `update run r set shards = s.shards, core_sha256 = s.core_sha256 from run_shard s
     where r.discom = $1 and r.run_id = $2 and s.discom = r.discom and s.run_id = r.run_id and s.shards is not null`,
    [discom, runId],
  );

export const shardsOf = (db: Queryable, { discom, runId }: RunRow): Promise<{ shard: number; taken: boolean }[]> =>
  db.query('select shard, taken from run_shard where discom = $1 and run_id = $2 order by shard', [discom, runId]);

export const shardTaken = (tx: Tx, { discom, runId }: RunRow, shard: number) =>
  tx.query('update run_shard set taken = true where discom = $1 and run_id = $2 and shard = $3', [discom, runId, shard]);

export async function getRun(db: Queryable, discom: string, runId: string): Promise<RunRow | null> {
  const [row] = await db.query<RunRow>(`select ${runColumns} from run where discom = $1 and run_id = $2`, [discom, runId]);
  return row ?? null;
}

/** Runs that have a version or will have one, newest first; `after` is the position of the last row seen. */
export const listRuns = (
  db: Queryable,
  discom: string,
  eventId: string,
  after: number,
  size: number,
): Promise<(RunRow & { newest: boolean })[]> =>
  db.query(
    `select ${runColumns}, run_id = (select newest_run from event e where e.discom = run.discom and e.event_id = run.event_id) as newest
     from run where discom = $1 and ($2 = '' or event_id = $2) and state <> 'equal'
     order by as_of_ms desc, run_id offset $3 limit $4`,
    [discom, eventId, after, size],
  );

export type Closing = Pick<RunRow, 'root' | 'rootJws' | 'points' | 'figures' | 'format'>;
export async function closeRun(tx: Tx, run: RunRow, at: Instant, closing: Closing): Promise<void> {
  const { root, rootJws, points, figures, format } = closing;
  await tx.query(
    `update run set state = 'closed', closed_at_ms = $3, root = $4, root_jws = $5, points = $6, figures = $7, format = $8 where discom = $1 and run_id = $2`,
    [run.discom, run.runId, at, root, rootJws, points, figures, format],
  );
  await tx.query('update event set newest_run = $3, version = $4 where discom = $1 and event_id = $2', [
    run.discom,
    run.eventId,
    run.runId,
    run.version,
  ]);
}

/** The run said nothing new: the version before it stands, and has now reached this stage. */
export async function dropEqual(tx: Tx, run: RunRow, at: Instant): Promise<void> {
  await tx.query(`update run set state = 'equal', closed_at_ms = $3 where discom = $1 and run_id = $2`, [
    run.discom,
    run.runId,
    at,
  ]);
  await tx.query('delete from run_point where discom = $1 and run_id = $2', [run.discom, run.runId]);
}

/** Moves an event past a stage; no further cut-off = finished. */
export async function passStage(
  tx: Tx,
  event: EventRow,
  stage: Stage,
  asOfMs: Instant | null,
  dueAtMs: Instant | null,
): Promise<void> {
  await tx.query(
    `update event set stages_done = stages_done + 1, open_run = null, due_at_ms = $3, measured_as_of_ms = coalesce($4, measured_as_of_ms),
       state = case when $3::bigint is null then 'finished' else state end where discom = $1 and event_id = $2`,
    [event.discom, event.eventId, dueAtMs, asOfMs],
  );
  await tx.query(
    `update run set stage_reached = $3 from event where event.discom = $1 and event.event_id = $2 and run.discom = $1 and run.run_id = event.newest_run`,
    [event.discom, event.eventId, stage],
  );
}
