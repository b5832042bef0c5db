import type { Instant, Interval } from '../domain/interval.ts';
import type { Queryable } from '../host/room.ts';
import type { Scope } from '../host/scope.ts';
import type { Asked } from './event-days.ts';
import type { State } from './instruction-state.ts';
import type { InstructionRow } from './store.ts';

export async function insertInstructions(db: Queryable, discom: string, rows: readonly InstructionRow[]): Promise<void> {
  await db.query(
    `insert into instruction (discom, event_id, instruction_id, resource_id, settlement_point_id, connection_id, participant_id,
       organisation_id, programme_id, device_id, kind, area_id, shard, state, expected_w, changed_at_ms, start_ms, end_ms)
     select $1, r."eventId", r."instructionId", r."resourceId", r."settlementPointId", r."connectionId", r."participantId", r."organisationId",
       r."programmeId", r."deviceId", r.kind, r."areaId", r.shard, r.state, r."expectedW", r."changedAt", (r."window"->>'start')::bigint,
       (r."window"->>'end')::bigint
     from jsonb_to_recordset($2) as r("eventId" text, "instructionId" text, "resourceId" text, "settlementPointId" text, "connectionId" text,
       "participantId" text, "organisationId" text, "programmeId" text, "deviceId" text, kind text, "areaId" text, shard integer, state text,
       "expectedW" bigint, "changedAt" bigint, "window" jsonb)`,
    [discom, JSON.stringify(rows)],
  );
}

/** Writes what changes of instructions read under lock in the same transaction. */
export async function saveInstructions(db: Queryable, discom: string, rows: readonly InstructionRow[]): Promise<void> {
  if (rows.length === 0) return;
  await db.query(
    `update instruction i set state = r.state, proof = r.proof, proof_source = r."proofSource", reference_w = r."referenceW",
       notified_at_ms = r."notifiedAt", issued_at_ms = r."issuedAt", changed_at_ms = r."changedAt", reason = r.reason, errand = r.errand,
       end_ms = (r."window"->>'end')::bigint
     from jsonb_to_recordset($2) as r("instructionId" text, state text, proof integer, "proofSource" integer, "referenceW" bigint,
       "notifiedAt" bigint, "issuedAt" bigint, "changedAt" bigint, reason text, errand text, "window" jsonb)
     where i.discom = $1 and i.instruction_id = r."instructionId"`,
    [discom, JSON.stringify(rows)],
  );
}

export type Which = {
  readonly eventId?: string;
  readonly instructionIds?: readonly string[];
  readonly resourceId?: string;
  readonly resourceIds?: readonly string[];
  readonly settlementPointId?: string;
  readonly connectionId?: string;
  readonly programmeId?: string;
  readonly states?: readonly State[];
  /** Windows that end later. */
  readonly endingAfter?: Instant;
};

/** Locked in id order, so that two transactions never wait for each other. */
export const lockInstructions = (db: Queryable, discom: string, which: Which): Promise<InstructionRow[]> =>
  select(db, discom, which, 'for update');
export const instructionsOf = (db: Queryable, discom: string, which: Which): Promise<InstructionRow[]> =>
  select(db, discom, which, '');

async function select(db: Queryable, discom: string, which: Which, lock: string): Promise<InstructionRow[]> {
  const conditions = ['discom = $1'];
  const values: unknown[] = [discom];
  const add = (condition: string, value: unknown) => {
    if (value === undefined) return;
    values.push(value);
    conditions.push(condition.replace('?', `$${values.length}`));
  };
  add('event_id = ?', which.eventId);
  add('instruction_id = any(?)', which.instructionIds);
  add('resource_id = ?', which.resourceId);
  add('resource_id = any(?)', which.resourceIds);
  add('settlement_point_id = ?', which.settlementPointId);
  add('connection_id = ?', which.connectionId);
  add('programme_id = ?', which.programmeId);
  add('state = any(?)', which.states);
  add('end_ms > ?', which.endingAfter);
  const rows = await db.query<InstructionSql>(
    `select * from instruction where ${conditions.join(' and ')} order by instruction_id ${lock}`,
    values,
  );
  return rows.map(instructionOf);
}

/** By resource, as people look for them; a page's token is `<resource>/<instruction>` of its last row. */
export async function listInstructions(
  db: Queryable,
  { discom, organisation, participant }: Scope,
  { eventId, participantId, search }: { eventId: string; participantId: string; search: string },
  { after, size }: { after: string; size: number },
): Promise<InstructionRow[]> {
  const rows = await db.query<InstructionSql>(
    `select * from instruction where discom = $1 and ($2::text is null or organisation_id = $2) and ($3::text is null or participant_id = $3)
       and ($4 = '' or event_id = $4) and ($5 = '' or participant_id = $5)
       and ($6 = '' or position(lower($6) in lower(resource_id || ' ' || settlement_point_id || ' ' || area_id || ' ' || state)) > 0)
       and (resource_id collate "C", instruction_id) > (split_part($7, '/', 1), split_part($7, '/', 2))
     order by resource_id collate "C", instruction_id limit $8`,
    [discom, organisation, participant, eventId, participantId, search, after, size],
  );
  return rows.map(instructionOf);
}

/** Instructions with something to tell the devices room, one event at a time, some at a time. */
export async function errands(db: Queryable, limit: number): Promise<{ discom: string; rows: InstructionRow[] }> {
  const rows = await db.query<InstructionSql & { discom: string }>(
    `select i.* from instruction i join (select discom, event_id, errand from instruction where errand is not null order by 1, 2, 3 limit 1) f
       on f.discom = i.discom and f.event_id = i.event_id and f.errand = i.errand
     order by i.instruction_id limit $1`,
    [limit],
  );
  return { discom: rows[0]?.discom ?? '', rows: rows.map(instructionOf) };
}

/** What settlement points were asked for, in events whose window or notice touches the span. */
export async function askedOf(
  db: Queryable,
  discom: string,
  points: readonly string[],
  span: Interval,
): Promise<(Asked & { readonly zone: string })[]> {
  const rows = await db.query<{
    settlement_point_id: string;
    event_id: string;
    zone: string;
    start_ms: bigint;
    end_ms: bigint;
    notified_at_ms: bigint | null;
    instructed: boolean;
  }>(
    `select i.settlement_point_id, i.event_id, e.zone, min(i.start_ms) as start_ms, max(e.planned_end_ms) as end_ms, min(i.notified_at_ms) as notified_at_ms,
       bool_or(e.state <> 'CANCELLED' and (i.issued_at_ms is not null or (i.kind = 'BEHAVIOURAL' and i.notified_at_ms is not null))) as instructed
     from instruction i join event e on e.discom = i.discom and e.event_id = i.event_id
     where i.discom = $1 and i.settlement_point_id = any($2) and (i.notified_at_ms is not null or i.issued_at_ms is not null)
       and least(i.start_ms, i.notified_at_ms) < $4 and e.planned_end_ms > $3
     group by i.settlement_point_id, i.event_id, e.zone`,
    // A civil day may begin a day before the span and end a day after it.
    [discom, points, span.start - 86_400_000, span.end + 86_400_000],
  );
  return rows.map((row) => ({
    settlementPointId: row.settlement_point_id,
    eventId: row.event_id,
    zone: row.zone,
    window: { start: Number(row.start_ms), end: Number(row.end_ms) },
    notifiedAt: row.notified_at_ms === null ? null : Number(row.notified_at_ms),
    instructed: row.instructed,
  }));
}

/** One line of the audit of consents; an empty consent id = the gate said no, and `outcome` why. */
export type ConsentUse = {
  readonly row: InstructionRow;
  readonly purpose: string;
  readonly consentId: string;
  readonly outcome: string;
};

export async function recordUses(
  tx: Queryable,
  discom: string,
  act: 'notice' | 'issue',
  uses: readonly ConsentUse[],
  at: Instant,
): Promise<void> {
  const lines = uses.map(({ row, ...use }) => ({
    instruction_id: row.instructionId,
    event_id: row.eventId,
    resource_id: row.resourceId,
    connection_id: row.connectionId,
    participant_id: row.participantId,
    purpose: use.purpose,
    consent_id: use.consentId,
    outcome: use.outcome,
  }));
  await tx.query(
    `insert into consent_use (discom, act, at_ms, instruction_id, event_id, resource_id, connection_id, participant_id, purpose,
       consent_id, outcome)
     select $1, $2, $3, * from jsonb_to_recordset($4::jsonb) as use (instruction_id text, event_id text, resource_id text,
       connection_id text, participant_id text, purpose text, consent_id text, outcome text)
     on conflict do nothing`,
    [discom, act, at, JSON.stringify(lines)],
  );
}

/** Settlement points of an event that left it, and how many of the programme's events they left from `since` on, up to this one. */
export async function optOutsOf(
  db: Queryable,
  discom: string,
  event: { readonly eventId: string; readonly programmeId: string; readonly window: Interval },
  shard: number,
  since: Instant,
): Promise<{ settlementPointId: string; thisSeason: number }[]> {
  const rows = await db.query<{ settlement_point_id: string; events: bigint }>(
    `with leaving as (
       select i.settlement_point_id, i.event_id from instruction i join event e on e.discom = i.discom and e.event_id = i.event_id
       where i.discom = $1 and e.programme_id = $3 and e.state = 'ENDED' and e.start_ms between $5 and $6
         and i.settlement_point_id in (select settlement_point_id from instruction
           where discom = $1 and event_id = $2 and shard = $4 and state = 'OPTED_OUT')
       group by i.settlement_point_id, i.event_id having bool_or(i.state = 'OPTED_OUT') and not bool_or(i.state = 'RELEASED'))
     select settlement_point_id, count(*) as events from leaving
     group by settlement_point_id having bool_or(event_id = $2) order by settlement_point_id collate "C"`,
    [discom, event.eventId, event.programmeId, shard, since, event.window.start],
  );
  return rows.map((row) => ({ settlementPointId: row.settlement_point_id, thisSeason: Number(row.events) }));
}

/** Windows of instructions that were or will be given to these resources around an event, without its own. */
export async function instructedAround(
  db: Queryable,
  discom: string,
  resourceIds: readonly string[],
  span: Interval,
): Promise<Map<string, Interval[]>> {
  const rows = await db.query<{ resource_id: string; start_ms: bigint; end_ms: bigint }>(
    `select resource_id, start_ms, end_ms from instruction
     where discom = $1 and resource_id = any($2) and start_ms < $4 and end_ms > $3 and end_ms > start_ms
       and (state in ('PLANNED', 'NOTIFIED') or issued_at_ms is not null or (kind = 'BEHAVIOURAL' and state <> 'WITHHELD'))`,
    [discom, resourceIds, span.start, span.end],
  );
  const found = new Map<string, Interval[]>();
  for (const row of rows) {
    const spans = found.get(row.resource_id) ?? [];
    spans.push({ start: Number(row.start_ms), end: Number(row.end_ms) });
    found.set(row.resource_id, spans);
  }
  return found;
}

/** Events each settlement point was asked in since an instant. */
export async function recentEvents(
  db: Queryable,
  discom: string,
  points: readonly string[],
  since: Instant,
): Promise<Map<string, number>> {
  const rows = await db.query<{ settlement_point_id: string; events: bigint }>(
    `select settlement_point_id, count(distinct event_id) as events from instruction
     where discom = $1 and settlement_point_id = any($2) and start_ms >= $3 and (notified_at_ms is not null or issued_at_ms is not null)
     group by settlement_point_id`,
    [discom, points, since],
  );
  return new Map(rows.map((row) => [row.settlement_point_id, Number(row.events)]));
}

type InstructionSql = {
  event_id: string;
  instruction_id: string;
  resource_id: string;
  settlement_point_id: string;
  connection_id: string;
  participant_id: string;
  organisation_id: string;
  programme_id: string;
  device_id: string;
  kind: string;
  area_id: string;
  shard: number;
  state: State;
  proof: number;
  proof_source: number;
  expected_w: bigint;
  reference_w: bigint | null;
  notified_at_ms: bigint | null;
  issued_at_ms: bigint | null;
  changed_at_ms: bigint;
  reason: string;
  start_ms: bigint;
  end_ms: bigint;
  errand: 'apply' | 'release' | null;
};

const orNull = (value: bigint | null): number | null => (value === null ? null : Number(value));
const instructionOf = (row: InstructionSql): InstructionRow => ({
  eventId: row.event_id,
  instructionId: row.instruction_id,
  resourceId: row.resource_id,
  settlementPointId: row.settlement_point_id,
  connectionId: row.connection_id,
  participantId: row.participant_id,
  organisationId: row.organisation_id,
  programmeId: row.programme_id,
  deviceId: row.device_id,
  kind: row.kind,
  areaId: row.area_id,
  shard: row.shard,
  state: row.state,
  proof: row.proof,
  proofSource: row.proof_source,
  expectedW: Number(row.expected_w),
  referenceW: orNull(row.reference_w),
  notifiedAt: orNull(row.notified_at_ms),
  issuedAt: orNull(row.issued_at_ms),
  changedAt: Number(row.changed_at_ms),
  reason: row.reason,
  window: { start: Number(row.start_ms), end: Number(row.end_ms) },
  errand: row.errand,
});
