import type { Instant } from '../domain/interval.ts';
import type { Queryable } from '../host/room.ts';
import type { Device, Home } from './admission.ts';

export type Occupancy = Home & { readonly from: Instant; readonly to: Instant | null };

/** What registry facts taught, as rows; instants null = open. */
export type Learned = {
  readonly areas: readonly { area_id: string; from_ms: number; to_ms: number | null; parent_id: string }[];
  readonly connections: readonly {
    connection_id: string;
    from_ms: number;
    to_ms: number | null;
    participant_id: string;
    area_id: string;
    tariff_category: string;
    sanctioned_load_w: number;
    protected: boolean;
  }[];
  readonly points: readonly { settlement_point_id: string; connection_id: string }[];
  readonly resources: readonly {
    resource_id: string;
    from_ms: number;
    to_ms: number | null;
    settlement_point_id: string;
    organisation_id: string;
    kind: string;
  }[];
};

/** Upserts by id and start: a repeated fact changes nothing, a later word about the same state replaces it. */
export async function learn(db: Queryable, discom: string, { areas, connections, points, resources }: Learned): Promise<void> {
  await upsert(db, discom, 'area', 'area_id text, from_ms bigint', 'to_ms bigint, parent_id text', areas);
  await upsert(
    db,
    discom,
    'connection',
    'connection_id text, from_ms bigint',
    'to_ms bigint, participant_id text, area_id text, tariff_category text, sanctioned_load_w bigint, protected boolean',
    connections,
  );
  await upsert(db, discom, 'settlement_point', 'settlement_point_id text', 'connection_id text', points);
  await upsert(
    db,
    discom,
    'resource',
    'resource_id text, from_ms bigint',
    'to_ms bigint, settlement_point_id text, organisation_id text, kind text',
    resources,
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

async function upsert(
  db: Queryable,
  discom: string,
  table: string,
  keys: string,
  rest: string,
  rows: readonly Record<string, unknown>[],
): Promise<void> {
  if (rows.length === 0) return;
  const names = (columns: string) => columns.split(', ').map((column) => column.split(' ')[0]!);
  const key = names(keys);
  // One statement cannot touch a row twice: of two words about one state in one batch the later counts.
  const last = new Map(rows.map((row) => [key.map((name) => row[name]).join('\n'), row]));
  const all = [...key, ...names(rest)];
  await db.query(
    `insert into ${table} (discom, ${all.join(', ')}) select $1, ${all.join(', ')} from jsonb_to_recordset($2) as r(${keys}, ${rest})
     on conflict (discom, ${key.join(', ')}) do update set ${names(rest)
       .map((name) => `${name} = excluded.${name}`)
       .join(', ')}`,
    [discom, JSON.stringify([...last.values()])],
  );
}

/** The connection as it is at an instant, with the way up the feeder tree. */
export async function homeAt(db: Queryable, discom: string, connectionId: string, at: Instant): Promise<Occupancy | null> {
  const [row] = await db.query<OccupancySql>(
    `select * from (select * from connection where discom = $1 and connection_id = $2 and from_ms <= $3 order by from_ms desc limit 1) newest
     where to_ms is null or to_ms > $3`,
    [discom, connectionId, at],
  );
  return row ? occupancyOf(row, await areaPath(db, discom, row.area_id, at)) : null;
}

async function areaPath(db: Queryable, discom: string, areaId: string, at: Instant): Promise<string[]> {
  const rows = await db.query<{ area_id: string }>(
    `with recursive up (area_id, parent_id, depth) as (
       select $2::text, (select parent_id from area where discom = $1 and area_id = $2 and from_ms <= $3 order by from_ms desc limit 1), 1
       union all
       select up.parent_id, (select parent_id from area a where discom = $1 and a.area_id = up.parent_id and from_ms <= $3 order by from_ms desc limit 1), depth + 1
       from up where up.parent_id <> '' and depth < 32
     ) select area_id from up order by depth`,
    [discom, areaId, at],
  );
  return rows.map((row) => row.area_id);
}

export type KnownResource = Device & { readonly connectionId: string };
export async function resourcesAt(db: Queryable, discom: string, ids: readonly string[], at: Instant): Promise<KnownResource[]> {
  const rows = await db.query<{
    resource_id: string;
    settlement_point_id: string;
    organisation_id: string;
    kind: string;
    connection_id: string;
  }>(
    `select r.resource_id, r.settlement_point_id, r.organisation_id, r.kind, s.connection_id
     from (select distinct on (resource_id) * from resource where discom = $1 and resource_id = any($2) and from_ms <= $3
           order by resource_id, from_ms desc) r
     join settlement_point s on s.discom = $1 and s.settlement_point_id = r.settlement_point_id
     where r.to_ms is null or r.to_ms > $3`,
    [discom, ids, at],
  );
  return rows.map((row) => ({
    resourceId: row.resource_id,
    settlementPointId: row.settlement_point_id,
    organisationId: row.organisation_id,
    kind: row.kind,
    connectionId: row.connection_id,
  }));
}

/** The version of a programme's terms in force at an instant, as the catalogue published it; null = unknown or not yet valid. */
export async function programmeAt(db: Queryable, discom: string, programmeId: string, at: Instant): Promise<unknown | null> {
  const [row] = await db.query<{ programme: unknown }>(
    `select programme from programme where discom = $1 and programme_id = $2 and valid_from_ms <= $3 order by version desc limit 1`,
    [discom, programmeId, at],
  );
  return row?.programme ?? null;
}

type OccupancySql = {
  connection_id: string;
  from_ms: bigint;
  to_ms: bigint | null;
  participant_id: string;
  area_id: string;
  tariff_category: string;
  sanctioned_load_w: bigint;
  protected: boolean;
};

const occupancyOf = (row: OccupancySql, path: string[]): Occupancy => ({
  connectionId: row.connection_id,
  participantId: row.participant_id,
  areaPath: path,
  tariffCategory: row.tariff_category,
  sanctionedLoadW: Number(row.sanctioned_load_w),
  protected: row.protected,
  from: Number(row.from_ms),
  to: row.to_ms === null ? null : Number(row.to_ms),
});
