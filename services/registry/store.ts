import type { Instant } from '../domain/interval.ts';
import type { Queryable, Tx } from '../host/room.ts';
import type { Entry, Noun } from './entry.ts';
import type { Row } from './intake.ts';

/** Ordinals in one shard: a tile of a day of quarters is then 96 columns of 8 or 16 KiB. */
const SHARD_SIZE = 4096;

export type Place = { readonly shard: number; readonly ordinal: number };
/** A row with the meter's place, where it has one. */
export type Placed = Row & Partial<Place>;
/** Whose rows may be seen: all of the DISCOM, or what an organisation runs. */
export type Scope = { readonly discom: string; readonly organisation: string | null };

type Stored = Omit<Row, 'from' | 'to'> & { from: bigint; to: bigint | null; shard?: number | null; ordinal?: number | null };

const columns = (alias: string) =>
  `${alias}.noun, ${alias}.id, ${alias}.from_ms as "from", ${alias}.to_ms as "to", ${alias}.parent, ${alias}.holder, ${alias}.grid, ${alias}.body`;

/** One writer per DISCOM at a time: timelines are read, decided upon and written as a whole. */
export async function lockRegistry(tx: Tx, discom: string): Promise<void> {
  await tx.query('select pg_advisory_xact_lock(hashtextextended($1, 0))', [`registry/${discom}`]);
}

/** All states a batch can touch or refer to; all areas when it changes the tree. */
export async function statesAround(tx: Tx, discom: string, entries: readonly Entry[]): Promise<Row[]> {
  const ids = new Map<Noun, Set<string>>();
  const connections = new Set<string>();
  for (const entry of entries) {
    for (const { noun, id } of [entry, ...entry.references]) ids.set(noun, (ids.get(noun) ?? new Set()).add(id));
    if (entry.noun === 'meters' || entry.noun === 'settlement_points') connections.add(entry.parent);
  }
  const wholeTree = entries.some(({ noun }) => noun === 'areas');
  const found: Stored[] = [];
  // A query per noun and lists of ids: the planner then walks the index, whatever it believes about the table's size.
  const find = async (condition: string, ...values: unknown[]) =>
    void found.push(
      ...(await tx.query<Stored>(`select ${columns('r')} from record r where r.discom = $1 and ${condition}`, [
        discom,
        ...values,
      ])),
    );
  for (const [noun, wanted] of ids) {
    if (noun === 'areas' && wholeTree) await find('r.noun = $2', noun);
    else await find('r.noun = $2 and r.id = any($3::text[])', noun, [...wanted]);
  }
  for (const noun of connections.size > 0 ? ['meters', 'settlement_points'] : []) {
    await find('r.noun = $2 and r.parent = any($3::text[])', noun, [...connections]);
  }
  const once = new Map(found.map((row) => [`${row.noun}/${row.id}/${row.from}`, row]));
  return [...once.values()].map(revive).sort((a, b) => a.from - b.from);
}

export async function saveStates(tx: Tx, discom: string, rows: readonly Row[]): Promise<void> {
  await tx.query(
    `insert into record (discom, noun, id, from_ms, to_ms, parent, holder, grid, body)
     select $1, * from unnest($2::text[], $3::text[], $4::bigint[], $5::bigint[], $6::text[], $7::text[], $8::text[], $9::bytea[])
     on conflict (discom, noun, id, from_ms) do update set to_ms = excluded.to_ms, body = excluded.body`,
    [
      discom,
      rows.map(({ noun }) => noun),
      rows.map(({ id }) => id),
      rows.map(({ from }) => from),
      rows.map(({ to }) => to),
      rows.map(({ parent }) => parent),
      rows.map(({ holder }) => holder),
      rows.map(({ grid }) => grid),
      rows.map(({ body }) => body),
    ],
  );
}

/** The places of meters; new ones get the next ordinals of their grid's newest shard, in the order given. Call under `lockRegistry`. */
export async function giveOrdinals(tx: Tx, discom: string, meters: ReadonlyMap<string, string>): Promise<Map<string, Place>> {
  const found = await tx.query<Place & { id: string }>(
    'select meter_id as id, shard, ordinal from ordinal where discom = $1 and meter_id = any($2)',
    [discom, [...meters.keys()]],
  );
  const places = new Map<string, Place>(found.map(({ id, shard, ordinal }) => [id, { shard, ordinal }]));
  const fresh = [...meters].filter(([id]) => !places.has(id));
  if (fresh.length === 0) return places;
  const shards = await tx.query<{ shard: number; grid: string; used: number }>(
    'select shard, grid, used from shard where discom = $1 order by shard',
    [discom],
  );
  for (const [id, grid] of fresh) {
    let shard = shards.findLast((candidate) => candidate.grid === grid);
    if (!shard || shard.used === SHARD_SIZE) {
      shard = { shard: (shards.at(-1)?.shard ?? 0) + 1, grid, used: 0 };
      shards.push(shard);
    }
    places.set(id, { shard: shard.shard, ordinal: shard.used++ });
  }
  await tx.query(
    `insert into shard (discom, shard, grid, used) select $1, * from unnest($2::int[], $3::text[], $4::int[])
     on conflict (discom, shard) do update set used = excluded.used`,
    [discom, shards.map(({ shard }) => shard), shards.map(({ grid }) => grid), shards.map(({ used }) => used)],
  );
  await tx.query(
    'insert into ordinal (discom, meter_id, shard, ordinal) select $1, * from unnest($2::text[], $3::int[], $4::int[])',
    [discom, fresh.map(([id]) => id), fresh.map(([id]) => places.get(id)!.shard), fresh.map(([id]) => places.get(id)!.ordinal)],
  );
  return places;
}

export type ListQuery = {
  readonly noun: Noun;
  readonly at: Instant;
  readonly area: string;
  readonly search: string;
  readonly after: string;
  readonly limit: number;
};

// As of $2, inside $1.
const holding = (alias: string, noun: Noun) =>
  `${alias}.discom = $1 and ${alias}.noun = '${noun}' and ${alias}.from_ms <= $2 and (${alias}.to_ms is null or $2 < ${alias}.to_ms)`;
const walk = (name: string, noun: Noun, column: string, above: string) =>
  `${name} as (select r.id, r.holder from record r where ${holding('r', noun)} and r.${column} in (select id from ${above}))`;

// What lies in the area $3 and below, by noun; each chain as of the instant asked for.
const inArea: Record<Noun, string | null> = {
  areas: 'select id from tree',
  organisations: null,
  participants: 'select holder from area_connections',
  connections: 'select id from area_connections',
  meters: "select m.id from record m where m.parent in (select id from area_connections) and m.discom = $1 and m.noun = 'meters'",
  settlement_points: 'select id from area_points',
  resources: `select p.id from record p where p.parent in (select id from area_points) and ${holding('p', 'resources')}`,
};
// What an organisation ($4) may see: the resources it runs and what they hang on; the area tree is no secret.
const ofOrganisation: Record<Noun, string> = {
  areas: `select a.id from record a where ${holding('a', 'areas')}`,
  organisations: 'select $4::text',
  participants: 'select holder from own_connections',
  connections: 'select id from own_connections',
  meters: "select m.id from record m where m.parent in (select id from own_connections) and m.discom = $1 and m.noun = 'meters'",
  settlement_points: 'select point from own',
  resources: 'select id from own',
};

/** Rows as of an instant in id order, after `after`; null when the noun does not lie in areas. */
export async function rowsAsOf(db: Queryable, scope: Scope, query: ListQuery): Promise<Placed[] | null> {
  const { noun, at, area, search, after, limit } = query;
  const lies = inArea[noun];
  if (area !== '' && lies === null) return null;
  const rows = await db.query<Stored>(
    `with recursive tree as (
       select r.id from record r where ${holding('r', 'areas')} and r.id = $3
       union select r.id from record r join tree on r.parent = tree.id where ${holding('r', 'areas')}
     ),
     ${walk('area_connections', 'connections', 'parent', 'tree')},
     ${walk('area_points', 'settlement_points', 'parent', 'area_connections')},
     own as (select r.id, r.parent as point from record r where ${holding('r', 'resources')} and r.holder = $4 and r.holder <> ''),
     own_connections as (
       select c.id, c.holder from record c where ${holding('c', 'connections')} and c.id in (
         select p.parent from record p where ${holding('p', 'settlement_points')} and p.id in (select point from own))
     )
     select ${columns('x')}, o.shard, o.ordinal from record x
       left join ordinal o on x.noun = 'meters' and o.discom = x.discom and o.meter_id = x.id
     where ${holding('x', noun)} and x.id > $5 and starts_with(x.id, $6)
       and ($3 = '' or x.id in (${lies ?? "select ''::text"}))
       and ($4::text is null or x.id in (${ofOrganisation[noun]}))
     order by x.id limit $7`,
    [scope.discom, at, area, scope.organisation, after, search, limit],
  );
  return rows.map(revive);
}

/** Every state of one thing, or of what hangs on a parent, in order of time. */
export async function history(db: Queryable, discom: string, noun: Noun, by: 'id' | 'parent', value: string): Promise<Placed[]> {
  const rows = await db.query<Stored>(
    `select ${columns('x')}, o.shard, o.ordinal from record x
       left join ordinal o on x.noun = 'meters' and o.discom = x.discom and o.meter_id = x.id
     where x.discom = $1 and x.noun = $2 and x.${by} = $3 order by x.from_ms, x.id`,
    [discom, noun, value],
  );
  return rows.map(revive);
}

/** Areas from the given one to its root, as of an instant. */
export async function areasAbove(db: Queryable, discom: string, area: string, at: Instant): Promise<string[]> {
  const rows = await db.query<{ id: string }>(
    `with recursive path as (
       select r.id, r.parent, 1 as depth from record r where ${holding('r', 'areas')} and r.id = $3
       union all select r.id, r.parent, depth + 1 from record r join path on r.id = path.parent where ${holding('r', 'areas')} and depth < 64
     ) select id from path order by depth`,
    [discom, at, area],
  );
  return rows.map(({ id }) => id);
}

function revive({ shard, ordinal, ...row }: Stored): Placed {
  return {
    ...row,
    from: Number(row.from),
    to: row.to === null ? null : Number(row.to),
    ...(typeof shard === 'number' && typeof ordinal === 'number' && { shard, ordinal }),
  };
}
