import type { Consent } from '../domain/consent.ts';
import type { Instant } from '../domain/interval.ts';
import type { CivilDay } from '../domain/zone.ts';
import type { Queryable, Tx } from '../host/room.ts';
import type { Occupancy } from './exclusions.ts';

// The second half of store.ts: what other rooms have said, dated, and read as it was known at an instant.

/** A meter while it serves a connection, as the registry said it. */
export type MeterRow = {
  readonly meterId: string;
  readonly connectionId: string;
  readonly parentMeterId: string;
  readonly from: Instant;
  readonly to: Instant | null;
  readonly hasExport: boolean;
  readonly intervalMinutes: number;
  readonly zone: string;
  readonly shard: number;
  readonly ordinal: number;
};
export type ConnectionRow = Occupancy & { readonly connectionId: string };
export type PointRow = { readonly settlementPointId: string; readonly connectionId: string; readonly subMeterId: string };
export type CalendarDays = {
  readonly holidays: readonly CivilDay[];
  readonly excluded: readonly { day: CivilDay; name: string }[];
};

export async function putMeter(tx: Tx, discom: string, knownAt: Instant, meter: MeterRow): Promise<void> {
  await tx.query(
    `insert into meter (discom, meter_id, from_ms, known_at_ms, to_ms, connection_id, parent_meter_id, has_export, interval_minutes,
       zone, shard, ordinal) values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)
     on conflict (discom, meter_id, from_ms, known_at_ms) do update set to_ms = excluded.to_ms, connection_id = excluded.connection_id,
       parent_meter_id = excluded.parent_meter_id, has_export = excluded.has_export, interval_minutes = excluded.interval_minutes,
       zone = excluded.zone, shard = excluded.shard, ordinal = excluded.ordinal`,
    [discom, meter.meterId, meter.from, knownAt, meter.to, meter.connectionId, meter.parentMeterId, meter.hasExport].concat([
      meter.intervalMinutes,
      meter.zone,
      meter.shard,
      meter.ordinal,
    ] as never),
  );
}

export async function putConnection(tx: Tx, discom: string, knownAt: Instant, connection: ConnectionRow): Promise<void> {
  await tx.query(
    `insert into connection (discom, connection_id, from_ms, known_at_ms, to_ms, participant_id) values ($1, $2, $3, $4, $5, $6)
     on conflict (discom, connection_id, from_ms, known_at_ms) do update set to_ms = excluded.to_ms,
       participant_id = excluded.participant_id`,
    [discom, connection.connectionId, connection.from, knownAt, connection.to, connection.participantId],
  );
}

export async function putPoint(tx: Tx, discom: string, point: PointRow): Promise<void> {
  await tx.query(
    `insert into settlement_point (discom, settlement_point_id, connection_id, sub_meter_id) values ($1, $2, $3, $4)
     on conflict (discom, settlement_point_id) do update set connection_id = excluded.connection_id, sub_meter_id = excluded.sub_meter_id`,
    [discom, point.settlementPointId, point.connectionId, point.subMeterId],
  );
}

export async function putConsent(tx: Tx, discom: string, consent: Consent): Promise<void> {
  await tx.query(
    `insert into consent (discom, consent_id, connection_id, terms, withdrawn_at_ms) values ($1, $2, $3, $4, $5)
     on conflict (discom, consent_id) do nothing`,
    [discom, consent.consentId, consent.connectionId, JSON.stringify(consent), consent.withdrawnAt],
  );
}

export async function withdrawConsent(tx: Tx, discom: string, consentId: string, at: Instant): Promise<void> {
  await tx.query('update consent set withdrawn_at_ms = $3 where discom = $1 and consent_id = $2', [discom, consentId, at]);
}

export async function putCalendar(
  tx: Tx,
  discom: string,
  id: string,
  version: number,
  knownAt: Instant,
  days: CalendarDays,
): Promise<void> {
  await tx.query(
    'insert into calendar (discom, calendar_id, version, known_at_ms, days) values ($1, $2, $3, $4, $5) on conflict do nothing',
    [discom, id, version, knownAt, JSON.stringify(days)],
  );
}

/** The newest version known at an instant; null = none was. */
export async function calendarAt(db: Queryable, discom: string, id: string, at: Instant): Promise<CalendarDays | null> {
  const [row] = await db.query<{ days: CalendarDays }>(
    'select days from calendar where discom = $1 and calendar_id = $2 and known_at_ms <= $3 order by version desc limit 1',
    [discom, id, at],
  );
  return row?.days ?? null;
}

export async function putCommitted(tx: Tx, discom: string, eventId: string, shards: readonly number[]): Promise<void> {
  await tx.query('insert into committed_event (discom, event_id, shards) values ($1, $2, $3) on conflict do nothing', [
    discom,
    eventId,
    shards,
  ]);
}

export async function committedShards(db: Queryable, discom: string, eventId: string): Promise<number[] | null> {
  const [row] = await db.query<{ shards: bigint[] }>('select shards from committed_event where discom = $1 and event_id = $2', [
    discom,
    eventId,
  ]);
  return row ? row.shards.map(Number).sort((a, b) => a - b) : null;
}

/** The connections' meters and sub-meters as known at `asOf`, by start; a later row of one meter ends the earlier one. */
export async function metersOf(
  db: Queryable,
  discom: string,
  connectionIds: readonly string[],
  asOf: Instant,
): Promise<MeterRow[]> {
  const rows = await db.query<MeterColumns>(
    `select distinct on (meter_id, from_ms) * from meter
     where discom = $1 and known_at_ms <= $3
       and meter_id in (select meter_id from meter where discom = $1 and connection_id = any($2) and known_at_ms <= $3)
     order by meter_id, from_ms, known_at_ms desc`,
    [discom, connectionIds, asOf],
  );
  return rows.map((row, i) => {
    const next = rows[i + 1];
    const until = next?.meter_id === row.meter_id ? Number(next.from_ms) : null;
    return {
      meterId: row.meter_id,
      connectionId: row.connection_id,
      parentMeterId: row.parent_meter_id,
      from: Number(row.from_ms),
      to: earlier(instant(row.to_ms), until),
      hasExport: row.has_export,
      intervalMinutes: row.interval_minutes,
      zone: row.zone,
      shard: Number(row.shard),
      ordinal: Number(row.ordinal),
    };
  });
}

export async function occupanciesOf(
  db: Queryable,
  discom: string,
  connectionIds: readonly string[],
  asOf: Instant,
): Promise<ConnectionRow[]> {
  const rows = await db.query<{ connection_id: string; from_ms: bigint; to_ms: bigint | null; participant_id: string }>(
    `select distinct on (connection_id, from_ms) * from connection where discom = $1 and connection_id = any($2) and known_at_ms <= $3
     order by connection_id, from_ms, known_at_ms desc`,
    [discom, connectionIds, asOf],
  );
  return rows.map((row, i) => {
    const next = rows[i + 1];
    const until = next?.connection_id === row.connection_id ? Number(next.from_ms) : null;
    return {
      connectionId: row.connection_id,
      participantId: row.participant_id,
      from: Number(row.from_ms),
      to: earlier(instant(row.to_ms), until),
    };
  });
}

export async function pointsOf(db: Queryable, discom: string, ids: readonly string[]): Promise<PointRow[]> {
  const rows = await db.query<{ settlement_point_id: string; connection_id: string; sub_meter_id: string }>(
    'select * from settlement_point where discom = $1 and settlement_point_id = any($2)',
    [discom, ids],
  );
  return rows.map((row) => ({
    settlementPointId: row.settlement_point_id,
    connectionId: row.connection_id,
    subMeterId: row.sub_meter_id,
  }));
}

export async function consentsOf(db: Queryable, discom: string, connectionIds: readonly string[]): Promise<Consent[]> {
  const rows = await db.query<{ terms: Consent; withdrawn_at_ms: bigint | null }>(
    'select terms, withdrawn_at_ms from consent where discom = $1 and connection_id = any($2) order by consent_id',
    [discom, connectionIds],
  );
  return rows.map(({ terms, withdrawn_at_ms }) => ({ ...terms, withdrawnAt: instant(withdrawn_at_ms) }));
}

type MeterColumns = Record<'meter_id' | 'connection_id' | 'parent_meter_id' | 'zone', string> &
  Record<'from_ms' | 'shard' | 'ordinal', bigint> & { to_ms: bigint | null; has_export: boolean; interval_minutes: number };

const instant = (ms: bigint | null): Instant | null => (ms === null ? null : Number(ms));
const earlier = (a: Instant | null, b: Instant | null): Instant | null => (a === null ? b : b === null ? a : Math.min(a, b));
