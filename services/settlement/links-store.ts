import type { Instant } from '../domain/interval.ts';
import type { Queryable, Tx } from '../host/room.ts';

// What other rooms have said, as far as a statement must name it.

export type MeterLink = {
  readonly meterId: string;
  readonly connectionId: string;
  readonly fromMs: Instant;
  readonly toMs: Instant | null;
  readonly parentMeterId: string;
  readonly hasExport: boolean;
  readonly intervalMinutes: number;
  readonly zone: string;
};

export const putParticipant = (tx: Tx, discom: string, participantId: string, kind: string) =>
  tx.query(
    `insert into participant (discom, participant_id, kind) values ($1, $2, $3)
     on conflict (discom, participant_id) do update set kind = excluded.kind`,
    [discom, participantId, kind],
  );

export async function kindsOf(db: Queryable, discom: string, participantIds: readonly string[]): Promise<Map<string, string>> {
  const rows = await db.query<{ id: string; kind: string }>(
    'select participant_id as id, kind from participant where discom = $1 and participant_id = any($2)',
    [discom, participantIds],
  );
  return new Map(rows.map(({ id, kind }) => [id, kind]));
}

export const putMeter = (tx: Tx, discom: string, knownAt: Instant, meter: MeterLink) =>
  tx.query(
    `insert into meter (discom, meter_id, connection_id, from_ms, known_at_ms, to_ms, parent_meter_id, has_export, interval_minutes, zone)
     values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)
     on conflict (discom, meter_id, from_ms, known_at_ms) do update set connection_id = excluded.connection_id, to_ms = excluded.to_ms,
       parent_meter_id = excluded.parent_meter_id, has_export = excluded.has_export, interval_minutes = excluded.interval_minutes,
       zone = excluded.zone`,
    [discom, meter.meterId, meter.connectionId, meter.fromMs, knownAt, meter.toMs, meter.parentMeterId, meter.hasExport].concat([
      meter.intervalMinutes,
      meter.zone,
    ] as never),
  );

/** The meters of these connections as they were known at a cut-off. */
export const metersOf = (db: Queryable, discom: string, connectionIds: readonly string[], asOf: Instant): Promise<MeterLink[]> =>
  db.query<MeterLink>(
    `select distinct on (meter_id, from_ms) meter_id as "meterId", connection_id as "connectionId", from_ms::float8 as "fromMs",
       to_ms::float8 as "toMs", parent_meter_id as "parentMeterId", has_export as "hasExport", interval_minutes as "intervalMinutes", zone
     from meter where discom = $1 and connection_id = any($2) and known_at_ms <= $3 order by meter_id, from_ms, known_at_ms desc`,
    [discom, connectionIds, asOf],
  );

export const putCalendar = (tx: Tx, discom: string, calendarId: string, version: number, knownAt: Instant, days: string) =>
  tx.query(
    'insert into calendar (discom, calendar_id, version, known_at_ms, days) values ($1, $2, $3, $4, $5) on conflict do nothing',
    [discom, calendarId, version, knownAt, days],
  );

/** As it stood when the cohort was committed: nothing is decided after the fact. */
export async function calendarAt(
  db: Queryable,
  discom: string,
  calendarId: string,
  at: Instant,
): Promise<{ version: number; days: string } | null> {
  const [row] = await db.query<{ version: number; days: string }>(
    'select version, days from calendar where discom = $1 and calendar_id = $2 and known_at_ms <= $3 order by version desc limit 1',
    [discom, calendarId, at],
  );
  return row ?? null;
}
