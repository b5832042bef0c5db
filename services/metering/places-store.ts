import { grouped } from '../domain/grouped.ts';
import type { Instant } from '../domain/interval.ts';
import type { Queryable, Tx } from '../host/room.ts';
import type { KnownConnection, KnownMeter } from './known.ts';
import type { KnownArea } from './supply.ts';

type MeterRow = {
  meter_id: string;
  from_ms: bigint;
  to_ms: bigint | null;
  connection_id: string;
  shard: number;
  ordinal: number;
  zone: string;
  interval_minutes: number;
  factor: number;
  has_import: boolean;
  has_export: boolean;
  parent_meter_id: string;
  source: string;
};

const METER =
  'meter_id, from_ms, to_ms, connection_id, shard, ordinal, zone, interval_minutes, factor, has_import, has_export, parent_meter_id, source';

export async function metersNamed(db: Queryable, discom: string, meterIds: readonly string[]): Promise<Map<string, KnownMeter>> {
  const rows = await db.query<MeterRow>(
    `select ${METER} from meter where discom = $1 and meter_id = any($2) order by meter_id, from_ms`,
    [discom, meterIds],
  );
  return new Map(metersOf(rows).map((meter) => [meter.meterId, meter]));
}

/** All meters of a shard, by ordinal. */
export async function metersOfShard(db: Queryable, discom: string, shard: number): Promise<KnownMeter[]> {
  return metersOf(
    await db.query<MeterRow>(`select ${METER} from meter where discom = $1 and shard = $2 order by ordinal, meter_id, from_ms`, [
      discom,
      shard,
    ]),
  );
}

export async function connectionsNamed(
  db: Queryable,
  discom: string,
  ids: readonly string[],
): Promise<Map<string, KnownConnection[]>> {
  const rows = await db.query<{
    connection_id: string;
    from_ms: bigint;
    to_ms: bigint | null;
    participant_id: string;
    area_id: string;
    sanctioned_load_w: bigint;
  }>(
    'select connection_id, from_ms, to_ms, participant_id, area_id, sanctioned_load_w from connection where discom = $1 and connection_id = any($2) order by connection_id, from_ms',
    [discom, ids],
  );
  return groupBy(
    rows,
    (row) => row.connection_id,
    (row) => ({
      connectionId: row.connection_id,
      from: Number(row.from_ms),
      to: until(row.to_ms),
      participantId: row.participant_id,
      areaId: row.area_id,
      sanctionedLoadW: Number(row.sanctioned_load_w),
    }),
  );
}

export async function areasOf(db: Queryable, discom: string): Promise<Map<string, KnownArea[]>> {
  const rows = await db.query<{ area_id: string; from_ms: bigint; to_ms: bigint | null; parent_id: string }>(
    'select area_id, from_ms, to_ms, parent_id from area where discom = $1 order by area_id, from_ms',
    [discom],
  );
  return groupBy(
    rows,
    (row) => row.area_id,
    (row) => ({ areaId: row.area_id, from: Number(row.from_ms), to: until(row.to_ms), parentId: row.parent_id }),
  );
}

/** Upserts dated records of the registry, of one table, in one statement; the same again leaves the same rows, and of two the later holds. */
export async function keepRecords(
  tx: Tx,
  table: string,
  key: readonly string[],
  records: readonly Readonly<Record<string, unknown>>[],
): Promise<void> {
  const rows = new Map(records.map((record) => [key.map((column) => record[column]).join('\n'), record]));
  const columns = Object.keys(records[0] ?? {});
  if (columns.length === 0) return;
  const rest = columns.filter((column) => !key.includes(column));
  const json = JSON.stringify([...rows.values()], (_, value) => (typeof value === 'bigint' ? String(value) : value));
  await tx.query(
    `insert into ${table} (${columns.join(', ')}) select ${columns.join(', ')} from jsonb_populate_recordset(null::${table}, $1::jsonb)
     on conflict (${key.join(', ')}) do update set ${rest.map((column) => `${column} = excluded.${column}`).join(', ')}`,
    [json],
  );
}

function metersOf(rows: readonly MeterRow[]): KnownMeter[] {
  return [
    ...groupBy(
      rows,
      (row) => row.meter_id,
      (row) => row,
    ).values(),
  ].map((states) => {
    const latest = states.at(-1)!;
    return {
      meterId: latest.meter_id,
      shard: latest.shard,
      ordinal: latest.ordinal,
      zone: latest.zone,
      intervalMinutes: latest.interval_minutes,
      hasImport: latest.has_import,
      hasExport: latest.has_export,
      parentMeterId: latest.parent_meter_id,
      source: latest.source,
      links: states.map((row) => ({
        from: Number(row.from_ms),
        to: until(row.to_ms),
        connectionId: row.connection_id,
        factor: row.factor,
      })),
    };
  });
}

function groupBy<R, T>(rows: readonly R[], key: (row: R) => string, value: (row: R) => T): Map<string, T[]> {
  return new Map([...grouped(rows, key)].map(([id, group]) => [id, group.map(value)]));
}

const until = (to: bigint | null): Instant | null => (to === null ? null : Number(to));

export async function shardsOf(db: Queryable, discom: string): Promise<number[]> {
  return (await db.query<{ shard: number }>('select distinct shard from meter where discom = $1 order by shard', [discom])).map(
    (row) => row.shard,
  );
}

/** Of the ids given, those that are areas and those that are connections. */
export async function placesNamed(
  db: Queryable,
  discom: string,
  ids: readonly string[],
): Promise<{ areas: Set<string>; connections: Set<string> }> {
  const areas = await db.query<{ id: string }>(
    'select distinct area_id as id from area where discom = $1 and area_id = any($2)',
    [discom, ids],
  );
  const connections = await db.query<{ id: string }>(
    'select distinct connection_id as id from connection where discom = $1 and connection_id = any($2)',
    [discom, ids],
  );
  return { areas: new Set(areas.map((row) => row.id)), connections: new Set(connections.map((row) => row.id)) };
}
