import type { Instant, Interval } from '../domain/interval.ts';
import type { Queryable } from '../host/room.ts';
import type { Scope } from '../host/scope.ts';
import type { Member } from './commitment.ts';
import type { State } from './instruction-state.ts';

export type EventState = 'SCHEDULED' | 'COMMITTED' | 'ACTIVE' | 'ENDED' | 'CANCELLED';
export type EventRow = {
  readonly eventId: string;
  readonly programmeId: string;
  readonly termsVersion: number;
  readonly state: EventState;
  readonly zone: string;
  readonly direction: 'SHED' | 'ABSORB';
  readonly intervalMinutes: number;
  readonly window: Interval;
  readonly planned: Interval;
  readonly targetW: readonly number[];
  readonly areaIds: readonly string[];
  readonly reason: string;
  readonly test: boolean;
  readonly scheduledAt: Instant;
  readonly gateClosureAt: Instant;
  readonly noticeAt: Instant;
  readonly issueAt: Instant;
  readonly notified: boolean;
  readonly issued: boolean;
  readonly committedAt: Instant | null;
  readonly commitmentDigest: string;
  readonly canonical: string;
  /** The trace it belongs to (W3C Trace Context); empty: none. */
  readonly traceparent: string;
};
export type InstructionRow = {
  readonly eventId: string;
  readonly instructionId: string;
  readonly resourceId: string;
  readonly settlementPointId: string;
  readonly connectionId: string;
  readonly participantId: string;
  readonly organisationId: string;
  readonly programmeId: string;
  readonly deviceId: string;
  readonly kind: string;
  readonly areaId: string;
  readonly shard: number;
  readonly state: State;
  readonly proof: number;
  readonly proofSource: number;
  readonly expectedW: number;
  readonly referenceW: number | null;
  readonly notifiedAt: Instant | null;
  readonly issuedAt: Instant | null;
  readonly changedAt: Instant;
  readonly reason: string;
  readonly window: Interval;
  readonly errand: 'apply' | 'release' | null;
};

export async function insertEvent(db: Queryable, discom: string, e: EventRow): Promise<void> {
  await db.query(
    `insert into event (discom, event_id, programme_id, terms_version, state, zone, direction, interval_minutes, start_ms, end_ms,
       planned_start_ms, planned_end_ms, target_w, area_ids, reason, test, scheduled_at_ms, gate_closure_ms, notice_at_ms, issue_at_ms,
       traceparent)
     values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20, $21)`,
    [
      discom,
      e.eventId,
      e.programmeId,
      e.termsVersion,
      e.state,
      e.zone,
      e.direction,
      e.intervalMinutes,
      e.window.start,
      e.window.end,
      e.planned.start,
      e.planned.end,
      e.targetW,
      e.areaIds,
      e.reason,
      e.test,
      e.scheduledAt,
      e.gateClosureAt,
      e.noticeAt,
      e.issueAt,
      e.traceparent,
    ],
  );
}

/** Writes what may change of an event; its id, programme and scheduling never do. */
export async function saveEvent(db: Queryable, discom: string, e: EventRow): Promise<void> {
  await db.query(
    `update event set state = $3, terms_version = $4, start_ms = $5, end_ms = $6, planned_start_ms = $7, planned_end_ms = $8, target_w = $9,
       reason = $10, gate_closure_ms = $11, notice_at_ms = $12, issue_at_ms = $13, notified = $14, issued = $15, committed_at_ms = $16,
       commitment_digest = $17, canonical = $18, zone = $19, direction = $20, interval_minutes = $21
     where discom = $1 and event_id = $2`,
    [
      discom,
      e.eventId,
      e.state,
      e.termsVersion,
      e.window.start,
      e.window.end,
      e.planned.start,
      e.planned.end,
      e.targetW,
      e.reason,
      e.gateClosureAt,
      e.noticeAt,
      e.issueAt,
      e.notified,
      e.issued,
      e.committedAt,
      e.commitmentDigest,
      e.canonical,
      e.zone,
      e.direction,
      e.intervalMinutes,
    ],
  );
}

/** `lock`: for a transaction that will change it; one transition of an event at a time. */
export async function eventById(db: Queryable, discom: string, eventId: string, lock = false): Promise<EventRow | null> {
  const [row] = await db.query<EventSql>(`select * from event where discom = $1 and event_id = $2 ${lock ? 'for update' : ''}`, [
    discom,
    eventId,
  ]);
  return row ? eventOf(row) : null;
}

// An organisation sees events of the programmes it takes part in, a household those it was asked in.
const visible = `($2::text is null or exists (select 1 from enrolment n where n.discom = e.discom and n.programme_id = e.programme_id and n.organisation_id = $2))
  and ($3::text is null or exists (select 1 from instruction i where i.discom = e.discom and i.event_id = e.event_id and i.participant_id = $3))`;

export async function seesEvent(
  db: Queryable,
  { discom, organisation, participant }: Scope,
  eventId: string,
): Promise<EventRow | null> {
  const [row] = await db.query<EventSql>(`select e.* from event e where discom = $1 and ${visible} and event_id = $4`, [
    discom,
    organisation,
    participant,
    eventId,
  ]);
  return row ? eventOf(row) : null;
}

/** Newest window first; `after` is the start and id of the last one seen. */
export async function listEvents(
  db: Queryable,
  { discom, organisation, participant }: Scope,
  { programmeId, span }: { programmeId: string; span: Interval | null },
  { after, size }: { after: { start: Instant; eventId: string } | null; size: number },
): Promise<EventRow[]> {
  const rows = await db.query<EventSql>(
    `select e.* from event e where discom = $1 and ${visible} and ($4 = '' or programme_id = $4)
       and ($5::bigint is null or (start_ms < $6 and end_ms > $5)) and ($7::bigint is null or (start_ms, event_id) < ($7, $8))
     order by start_ms desc, event_id desc limit $9`,
    [
      discom,
      organisation,
      participant,
      programmeId,
      span?.start ?? null,
      span?.end ?? null,
      after?.start ?? null,
      after?.eventId ?? '',
      size,
    ],
  );
  return rows.map(eventOf);
}

/** Windows of a programme's events that were not cancelled, but for one. */
export async function otherWindows(db: Queryable, discom: string, programmeId: string, eventId: string): Promise<Interval[]> {
  const rows = await db.query<{ start_ms: bigint; end_ms: bigint }>(
    `select start_ms, end_ms from event where discom = $1 and programme_id = $2 and event_id <> $3 and state <> 'CANCELLED'`,
    [discom, programmeId, eventId],
  );
  return rows.map(windowOf);
}

/** The earliest instant at which some event has something to do; an errand not yet taken is due at once. Null: nothing planned. */
export async function nextDue(db: Queryable, errands: boolean): Promise<Instant | null> {
  const [row] = await db.query<{ due: bigint | null }>(
    `select min(due) as due from (
       select ${dueOf} as due from event where state in ('SCHEDULED', 'COMMITTED', 'ACTIVE')
       union all select 0 where $1 and exists (select 1 from instruction where errand is not null)) planned`,
    [errands],
  );
  return row?.due === null || row?.due === undefined ? null : Number(row.due);
}
const dueOf = `case state when 'SCHEDULED' then gate_closure_ms when 'ACTIVE' then end_ms
  else least(start_ms, case when not notified then notice_at_ms end, case when not issued then issue_at_ms end) end`;

export async function dueEvents(db: Queryable, now: Instant): Promise<{ discom: string; eventId: string }[]> {
  const rows = await db.query<{ discom: string; event_id: string }>(
    `select discom, event_id from event where state in ('SCHEDULED', 'COMMITTED', 'ACTIVE') and ${dueOf} <= $1 order by ${dueOf}, discom, event_id`,
    [now],
  );
  return rows.map((row) => ({ discom: row.discom, eventId: row.event_id }));
}

/** DISCOMs with events whose devices may be reporting. */
export async function openDiscoms(db: Queryable): Promise<string[]> {
  const rows = await db.query<{ discom: string }>(`select distinct discom from event where state in ('COMMITTED', 'ACTIVE')`);
  return rows.map((row) => row.discom);
}

export async function insertMembers(db: Queryable, discom: string, eventId: string, members: readonly Member[]): Promise<void> {
  await db.query(
    `insert into member (discom, event_id, settlement_point_id, shard, member)
     select $1, $2, m->>'settlementPointId', (m->>'shard')::integer, m from jsonb_array_elements($3) as m`,
    [discom, eventId, JSON.stringify(members)],
  );
}

/** In settlement point order; `shard` null = all. */
export async function membersOf(db: Queryable, discom: string, eventId: string, shard: number | null): Promise<Member[]> {
  const rows = await db.query<{ member: Member }>(
    `select member from member where discom = $1 and event_id = $2 and ($3::integer is null or shard = $3)
     order by settlement_point_id collate "C"`,
    [discom, eventId, shard],
  );
  return rows.map((row) => row.member);
}

export async function holdoutCount(db: Queryable, discom: string, eventId: string, organisation: string | null): Promise<number> {
  const [row] = await db.query<{ count: bigint }>(
    `select count(*) as count from member where discom = $1 and event_id = $2 and member->>'role' = 'HOLDOUT'
       and ($3::text is null or member->>'organisationId' = $3)`,
    [discom, eventId, organisation],
  );
  return Number(row!.count);
}

const instant = (value: bigint | null): Instant | null => (value === null ? null : Number(value));
const windowOf = (row: { start_ms: bigint; end_ms: bigint }): Interval => ({
  start: Number(row.start_ms),
  end: Number(row.end_ms),
});

type EventSql = {
  event_id: string;
  programme_id: string;
  terms_version: number;
  state: EventState;
  zone: string;
  direction: 'SHED' | 'ABSORB';
  interval_minutes: number;
  start_ms: bigint;
  end_ms: bigint;
  planned_start_ms: bigint;
  planned_end_ms: bigint;
  target_w: bigint[];
  area_ids: string[];
  reason: string;
  test: boolean;
  scheduled_at_ms: bigint;
  gate_closure_ms: bigint;
  notice_at_ms: bigint;
  issue_at_ms: bigint;
  notified: boolean;
  issued: boolean;
  committed_at_ms: bigint | null;
  commitment_digest: string;
  canonical: string;
  traceparent: string;
};

const eventOf = (row: EventSql): EventRow => ({
  eventId: row.event_id,
  programmeId: row.programme_id,
  termsVersion: row.terms_version,
  state: row.state,
  zone: row.zone,
  direction: row.direction,
  intervalMinutes: row.interval_minutes,
  window: windowOf(row),
  planned: { start: Number(row.planned_start_ms), end: Number(row.planned_end_ms) },
  targetW: row.target_w.map(Number),
  areaIds: row.area_ids,
  reason: row.reason,
  test: row.test,
  scheduledAt: Number(row.scheduled_at_ms),
  gateClosureAt: Number(row.gate_closure_ms),
  noticeAt: Number(row.notice_at_ms),
  issueAt: Number(row.issue_at_ms),
  notified: row.notified,
  issued: row.issued,
  committedAt: instant(row.committed_at_ms),
  commitmentDigest: row.commitment_digest,
  canonical: row.canonical,
  traceparent: row.traceparent,
});
