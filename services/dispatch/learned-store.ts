import type { Consent } from '../domain/consent.ts';
import { grouped } from '../domain/grouped.ts';
import type { Instant, Interval } from '../domain/interval.ts';
import type { Queryable } from '../host/room.ts';
import type { EnrolledRow, Ground, MeterRow } from './candidates.ts';

type Dated = { from_ms: number; to_ms: number | null };
/** What registry facts taught, as rows; instants null = open. */
export type Learned = {
  readonly areas: readonly (Dated & { area_id: string; parent_id: string })[];
  readonly connections: readonly (Dated & {
    connection_id: string;
    participant_id: string;
    area_id: string;
    protected: boolean;
  })[];
  readonly meters: readonly (Dated & { meter_id: string; connection_id: string; parent_meter_id: string; shard: number })[];
  readonly points: readonly { settlement_point_id: string; connection_id: string; sub_meter_id: string }[];
  readonly resources: readonly (Dated & {
    resource_id: string;
    settlement_point_id: string;
    organisation_id: string;
    kind: string;
    rated_w: number;
    device_id: string;
    max_minutes_per_day: number;
    max_setpoint_delta_c: number;
    min_power_w: number;
  })[];
};

/** Upserts by id and start: a repeated fact changes nothing, a later word about the same state replaces it. */
export async function learn(
  db: Queryable,
  discom: string,
  { areas, connections, meters, points, resources }: Learned,
): Promise<void> {
  await upsert(db, discom, 'area', 'area_id text, from_ms bigint', 'to_ms bigint, parent_id text', areas);
  await upsert(
    db,
    discom,
    'connection',
    'connection_id text, from_ms bigint',
    'to_ms bigint, participant_id text, area_id text, protected boolean',
    connections,
  );
  await upsert(
    db,
    discom,
    'meter',
    'meter_id text, from_ms bigint',
    'to_ms bigint, connection_id text, parent_meter_id text, shard integer',
    meters,
  );
  await upsert(db, discom, 'settlement_point', 'settlement_point_id text', 'connection_id text, sub_meter_id text', points);
  await upsert(
    db,
    discom,
    'resource',
    'resource_id text, from_ms bigint',
    `to_ms bigint, settlement_point_id text, organisation_id text, kind text, rated_w bigint, device_id text, max_minutes_per_day integer,
     max_setpoint_delta_c double, min_power_w bigint`,
    resources,
  );
}

async function upsert(
  db: Queryable,
  discom: string,
  table: string,
  keys: string,
  rest: string,
  rows: readonly Record<string, unknown>[],
): Promise<void> {
  if (rows.length === 0) return;
  const names = (columns: string) => columns.split(/,\s+/).map((column) => column.split(' ')[0]!);
  const typed = (columns: string) => columns.replace(/\bdouble\b/g, 'double precision');
  const key = names(keys);
  // One statement cannot touch a row twice: of two words about one state in one batch the later counts.
  const last = new Map(rows.map((row) => [key.map((name) => row[name]).join('\n'), row]));
  const all = [...key, ...names(rest)];
  await db.query(
    `insert into ${table} (discom, ${all.join(', ')}) select $1, ${all.join(', ')} from jsonb_to_recordset($2) as r(${typed(keys)}, ${typed(rest)})
     on conflict (discom, ${key.join(', ')}) do update set ${names(rest)
       .map((name) => `${name} = excluded.${name}`)
       .join(', ')}`,
    [discom, JSON.stringify([...last.values()])],
  );
}

export async function learnProgramme(
  db: Queryable,
  discom: string,
  { programmeId, version, validFrom, programme }: { programmeId: string; version: number; validFrom: number; programme: unknown },
): Promise<void> {
  await db.query(
    `insert into programme (discom, programme_id, version, valid_from_ms, programme) values ($1, $2, $3, $4, $5)
     on conflict do nothing`, // versions never change
    [discom, programmeId, version, validFrom, JSON.stringify(programme)],
  );
}

/** The version in force at an instant, as the catalogue published it; `version` null = by date. */
export async function programmeAt(
  db: Queryable,
  discom: string,
  programmeId: string,
  at: Instant,
  version: number | null = null,
): Promise<unknown | null> {
  const [row] = await db.query<{ programme: unknown }>(
    `select programme from programme where discom = $1 and programme_id = $2
       and case when $4::integer is null then valid_from_ms <= $3 else version = $4 end
     order by version desc limit 1`,
    [discom, programmeId, at, version],
  );
  return row?.programme ?? null;
}

export async function learnConsent(db: Queryable, discom: string, consent: Consent): Promise<void> {
  await db.query(
    `insert into consent (discom, consent_id, connection_id, consent) values ($1, $2, $3, $4) on conflict do nothing`,
    [discom, consent.consentId, consent.connectionId, JSON.stringify(consent)],
  );
}

export async function learnWithdrawal(db: Queryable, discom: string, consentId: string, at: Instant): Promise<void> {
  await db.query(
    `update consent set consent = jsonb_set(consent, '{withdrawnAt}', to_jsonb($3::bigint)) where discom = $1 and consent_id = $2`,
    [discom, consentId, at],
  );
}

export async function learnEnrolment(
  db: Queryable,
  discom: string,
  enrolmentId: string,
  e: {
    programmeId: string;
    resourceId: string;
    settlementPointId: string;
    connectionId: string;
    participantId: string;
    organisationId: string;
    from: Instant;
    to: Instant | null;
  },
): Promise<void> {
  await db.query(
    `insert into enrolment (discom, enrolment_id, programme_id, resource_id, settlement_point_id, connection_id, participant_id, organisation_id,
       from_ms, to_ms) values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10) on conflict do nothing`,
    [
      discom,
      enrolmentId,
      e.programmeId,
      e.resourceId,
      e.settlementPointId,
      e.connectionId,
      e.participantId,
      e.organisationId,
      e.from,
      e.to,
    ],
  );
}

export async function learnEnd(db: Queryable, discom: string, enrolmentId: string, at: Instant): Promise<void> {
  await db.query('update enrolment set to_ms = $3 where discom = $1 and enrolment_id = $2', [discom, enrolmentId, at]);
}

/** How far enrolment's facts are known here: what a commitment rests on. */
export async function enrolmentPosition(db: Queryable): Promise<number> {
  const [row] = await db.query<{ position: bigint }>(`select position from cursor where upstream = 'enrolment'`);
  return Number(row?.position ?? 0n);
}

export async function consentsOf(db: Queryable, discom: string, connectionIds: readonly string[]): Promise<Consent[]> {
  const rows = await db.query<{ consent: Consent }>(
    'select consent from consent where discom = $1 and connection_id = any($2) order by consent_id',
    [discom, connectionIds],
  );
  return rows.map((row) => row.consent);
}

/** Of these areas, the ones nobody has told of. */
export async function unknownAreas(db: Queryable, discom: string, areaIds: readonly string[]): Promise<string[]> {
  const rows = await db.query<{ area_id: string }>(
    'select wanted as area_id from unnest($2::text[]) as wanted where not exists (select 1 from area where discom = $1 and area_id = wanted)',
    [discom, areaIds],
  );
  return rows.map((row) => row.area_id);
}

/** Of these connections, the ones that are protected at an instant. */
export async function protectedOf(
  db: Queryable,
  discom: string,
  connectionIds: readonly string[],
  at: Instant,
): Promise<Set<string>> {
  const rows = await db.query<{ connection_id: string }>(
    `select connection_id from (select distinct on (connection_id) connection_id, protected from connection
       where discom = $1 and connection_id = any($2) and from_ms <= $3 order by connection_id, from_ms desc) newest where protected`,
    [discom, connectionIds, at],
  );
  return new Set(rows.map((row) => row.connection_id));
}

/** Device limits as the registry has them now, for the wording of an instruction. */
export async function deviceLimits(
  db: Queryable,
  discom: string,
  resourceIds: readonly string[],
): Promise<Map<string, { ratedW: number; minPowerW: number; maxSetpointDeltaC: number }>> {
  const rows = await db.query<{ resource_id: string; rated_w: bigint; min_power_w: bigint; max_setpoint_delta_c: number }>(
    `select distinct on (resource_id) resource_id, rated_w, min_power_w, max_setpoint_delta_c from resource
     where discom = $1 and resource_id = any($2) order by resource_id, from_ms desc`,
    [discom, resourceIds],
  );
  return new Map(
    rows.map((row) => [
      row.resource_id,
      { ratedW: Number(row.rated_w), minPowerW: Number(row.min_power_w), maxSetpointDeltaC: row.max_setpoint_delta_c },
    ]),
  );
}

/** Everything that is known here about who could take part in a window of a programme, as of its start. */
export async function groundFor(db: Queryable, discom: string, programmeId: string, window: Interval): Promise<Ground> {
  const newest = (table: string, id: string) =>
    `(select distinct on (${id}) * from ${table} where discom = $1 and from_ms <= $2 order by ${id}, from_ms desc)`;
  const rows = await db.query<EnrolledSql>(
    `select n.enrolment_id, n.resource_id, n.settlement_point_id, n.connection_id, n.participant_id, n.organisation_id,
       r.kind, r.rated_w, r.device_id, r.max_minutes_per_day, s.sub_meter_id, c.area_id, c.protected
     from enrolment n
     join ${newest('resource', 'resource_id')} r on r.resource_id = n.resource_id and (r.to_ms is null or r.to_ms > $2)
     join settlement_point s on s.discom = $1 and s.settlement_point_id = n.settlement_point_id
     join ${newest('connection', 'connection_id')} c
       on c.connection_id = n.connection_id and (c.to_ms is null or c.to_ms > $2) and c.participant_id = n.participant_id
     where n.discom = $1 and n.programme_id = $3 and n.from_ms <= $2 and (n.to_ms is null or n.to_ms >= $4)
     order by n.resource_id`,
    [discom, window.start, programmeId, window.end],
  );
  const connections = [...new Set(rows.map((row) => row.connection_id))];
  const meters = await db.query<MeterRow>(
    `select m.meter_id as "meterId", m.connection_id as "connectionId", m.parent_meter_id as "parentMeterId", m.shard
     from ${newest('meter', 'meter_id')} m where m.connection_id = any($3) and (m.to_ms is null or m.to_ms > $2) order by m.meter_id`,
    [discom, window.start, connections],
  );
  const enrolledSubMeters = await db.query<{ sub_meter_id: string; connection_id: string }>(
    `select distinct s.sub_meter_id, s.connection_id from settlement_point s
     join enrolment n on n.discom = s.discom and n.settlement_point_id = s.settlement_point_id
     where s.discom = $1 and s.sub_meter_id <> '' and s.connection_id = any($4) and n.from_ms < $3 and (n.to_ms is null or n.to_ms > $2)
     order by s.sub_meter_id`,
    [discom, window.start, window.end, connections],
  );
  const areas = await db.query<{ area_id: string; parent_id: string }>(
    `select area_id, parent_id from ${newest('area', 'area_id')} a`,
    [discom, window.start],
  );
  return {
    enrolled: grouped(rows.map(enrolledOf), (row) => row.settlementPointId),
    meters: grouped(meters, (meter) => meter.connectionId),
    enrolledSubMeters: new Map(
      [...grouped(enrolledSubMeters, (row) => row.connection_id)].map(([connection, subs]) => [
        connection,
        subs.map((sub) => sub.sub_meter_id),
      ]),
    ),
    parents: new Map(areas.map((row) => [row.area_id, row.parent_id])),
    consents: grouped(await consentsOf(db, discom, connections), (consent) => consent.connectionId),
  };
}

type EnrolledSql = {
  enrolment_id: string;
  resource_id: string;
  settlement_point_id: string;
  connection_id: string;
  participant_id: string;
  organisation_id: string;
  kind: string;
  rated_w: bigint;
  device_id: string;
  max_minutes_per_day: number;
  sub_meter_id: string;
  area_id: string;
  protected: boolean;
};
const enrolledOf = (row: EnrolledSql): EnrolledRow => ({
  enrolmentId: row.enrolment_id,
  resourceId: row.resource_id,
  settlementPointId: row.settlement_point_id,
  connectionId: row.connection_id,
  participantId: row.participant_id,
  organisationId: row.organisation_id,
  kind: row.kind,
  ratedW: Number(row.rated_w),
  deviceId: row.device_id,
  maxMinutesPerDay: row.max_minutes_per_day,
  subMeterId: row.sub_meter_id,
  areaId: row.area_id,
  protected: row.protected,
});
