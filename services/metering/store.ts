import { mkdir, open, readdir, readFile, rm } from 'node:fs/promises';
import { dirname, join, relative } from 'node:path';
import { grouped } from '../domain/grouped.ts';
import type { Instant } from '../domain/interval.ts';
import { decodeTile, type Tile, TileError } from '../domain/tile.ts';
import type { CivilDay } from '../domain/zone.ts';
import { CHECKSUMS } from '../host/checksums.ts';
import { withRoom } from '../host/disk.ts';
import { sha256Hex } from '../host/ids.ts';
import type { Database, Queryable, Tx } from '../host/room.ts';
import { stateRows } from './fold.ts';
import type { SupplyState, SupplyStatement } from './supply.ts';

/** One stored version; its file lies at `path` below the room's folder. */
export type TileRow = {
  readonly shard: number;
  readonly day: CivilDay;
  readonly intervalMinutes: number;
  readonly dayStart: Instant;
  readonly version: number;
  readonly knownAt: Instant;
  readonly zone: string;
  readonly slots: number;
  readonly meters: number;
  readonly delta: boolean;
  readonly path: string;
  readonly digest: string;
  readonly merkleRoot: string;
  readonly statements: number;
  readonly correction: boolean;
  readonly handOff: string;
  readonly signer: string;
  readonly receivedAt: Instant;
  /** Stands for all versions known up to its known_at. */
  readonly fold: boolean;
  readonly voided: boolean;
  readonly removedAt: Instant | null;
  readonly namedAt: Instant | null;
};
/** Which tiles: days and shards left out = all; `asOf` null = every row, also of what was let go. */
export type TileQuestion = {
  readonly days?: readonly CivilDay[];
  readonly shards?: readonly number[];
  readonly asOf: Instant | null;
};

/** In the order they apply: per tile by (known_at, version). As of an instant: what the state then is made of; throws Refusal `readings_let_go`. */
export async function tilesOf(db: Queryable, discom: string, { days, shards, asOf }: TileQuestion): Promise<TileRow[]> {
  const rows = await db.query<Record<string, never>>(
    `select * from tile where discom = $1 and ($2::text[] is null or day = any($2)) and ($3::int[] is null or shard = any($3))
       and ($4::bigint is null or known_at_ms <= $4)
     order by day, shard, interval_minutes, day_start_ms, known_at_ms, version`,
    [discom, days ?? null, shards ?? null, asOf],
  );
  const tiles = rows.map(tileRow);
  return asOf === null ? tiles : [...grouped(tiles, placeOf).values()].flatMap((ofPlace) => stateRows(ofPlace, asOf));
}

/** One tile through all its versions. */
export const placeOf = (row: Pick<TileRow, 'day' | 'shard' | 'intervalMinutes' | 'dayStart'>): string =>
  `${row.day} ${row.shard} ${row.intervalMinutes} ${row.dayStart}`;

export async function daysWithTiles(db: Queryable, discom: string, from: CivilDay, to: CivilDay): Promise<CivilDay[]> {
  const rows = await db.query<{ day: string }>(
    'select distinct day from tile where discom = $1 and day between $2 and $3 order by day',
    [discom, from, to],
  );
  return rows.map((row) => row.day);
}

export async function addTiles(tx: Tx, discom: string, tiles: readonly TileRow[]): Promise<void> {
  const column = <T>(of: (tile: TileRow) => T): T[] => tiles.map(of);
  await tx.query(
    `insert into tile (discom, shard, day, interval_minutes, day_start_ms, version, known_at_ms, zone, slots, meters, delta, path, digest, merkle_root, statements, correction, hand_off, signer, received_at_ms, fold)
     select $1, * from unnest($2::int[], $3::text[], $4::int[], $5::bigint[], $6::int[], $7::bigint[], $8::text[], $9::int[], $10::int[], $11::bool[], $12::text[], $13::text[], $14::text[], $15::int[], $16::bool[], $17::text[], $18::text[], $19::bigint[], $20::bool[])`,
    [
      discom,
      column((t) => t.shard),
      column((t) => t.day),
      column((t) => t.intervalMinutes),
      column((t) => t.dayStart),
      column((t) => t.version),
      column((t) => t.knownAt),
      column((t) => t.zone),
      column((t) => t.slots),
      column((t) => t.meters),
      column((t) => t.delta),
      column((t) => t.path),
      column((t) => t.digest),
      column((t) => t.merkleRoot),
      column((t) => t.statements),
      column((t) => t.correction),
      column((t) => t.handOff),
      column((t) => t.signer),
      column((t) => t.receivedAt),
      column((t) => t.fold),
    ],
  );
}

/** One importer at a time per DISCOM, also across processes: versions are counted up. */
export async function holdReadings(tx: Tx, discom: string): Promise<void> {
  await tx.query('select pg_advisory_xact_lock(hashtextextended($1, 0))', [`readings/${discom}`]);
}

export async function addSupply(tx: Tx, discom: string, statements: readonly SupplyStatement[]): Promise<void> {
  await tx.query(
    `insert into supply (discom, of_area, place_id, from_ms, to_ms, state, known_at_ms, source)
     select $1, * from unnest($2::bool[], $3::text[], $4::bigint[], $5::bigint[], $6::text[], $7::bigint[], $8::text[])`,
    [
      discom,
      statements.map((s) => s.ofArea),
      statements.map((s) => s.placeId),
      statements.map((s) => s.from),
      statements.map((s) => s.to),
      statements.map((s) => s.state),
      statements.map((s) => s.knownAt),
      statements.map((s) => s.source),
    ],
  );
}

/** Statements that touch a span, known by `asOf`, in the order they hold. */
export async function supplyWithin(
  db: Queryable,
  discom: string,
  start: Instant,
  end: Instant,
  asOf: Instant,
): Promise<SupplyStatement[]> {
  const rows = await db.query<{
    of_area: boolean;
    place_id: string;
    from_ms: bigint;
    to_ms: bigint | null;
    state: SupplyState;
    known_at_ms: bigint;
    source: string;
  }>(
    `select * from supply where discom = $1 and from_ms < $3 and (to_ms is null or to_ms > $2) and known_at_ms <= $4 order by known_at_ms, arrival`,
    [discom, start, end, asOf],
  );
  return rows.map((row) => ({
    ofArea: row.of_area,
    placeId: row.place_id,
    from: Number(row.from_ms),
    to: until(row.to_ms),
    state: row.state,
    knownAt: Number(row.known_at_ms),
    source: row.source,
  }));
}

export type TileFiles = {
  /** All files and their folders are on disk when it returns; until their rows are committed they are orphans. */
  write(files: readonly { readonly path: string; readonly bytes: Uint8Array }[]): Promise<void>;
  /** Decoded and kept: a version never changes. Throws TileError on a damaged file, or one of another content than its row says. */
  read(row: Pick<TileRow, 'path' | 'digest'>): Promise<Tile>;
  remove(files: readonly { readonly path: string }[]): Promise<void>;
  /** Removes files no row names: what a crash left between file and commit. */
  sweep(database: Database): Promise<number>;
};

/** Tiles below `folder`; of those read, files of `cacheBytes` in all are kept decoded. */
export function tileFiles(folder: string, cacheBytes: number): TileFiles {
  const kept = new Map<string, { tile: Tile; bytes: number }>();
  let size = 0;
  return {
    write: (files) => {
      const writeAll = async (): Promise<void> => {
        const folders = new Set<string>();
        for (const { path } of files) for (let up = dirname(path); up !== '.'; up = dirname(up)) folders.add(up);
        for (const at of new Set(files.map(({ path }) => dirname(path))))
          await mkdir(join(folder, at), { recursive: true, mode: 0o700 });
        await eightAtOnce(files, async ({ path, bytes }) => synced(join(folder, path), 'w', bytes));
        await eightAtOnce([...folders, '.'], async (at) => synced(join(folder, at), 'r'));
      };
      return withRoom(folder, writeAll).catch(async (error: Error) => {
        // No row will name them: where there is no room they must not take any.
        await eightAtOnce(files, async ({ path }) => rm(join(folder, path), { force: true }));
        throw error;
      });
    },
    read: async ({ path, digest }) => {
      const found = kept.get(path);
      if (found) {
        kept.delete(path); // and in again at the end: the oldest use goes first
        kept.set(path, found);
        return found.tile;
      }
      const bytes = await readFile(join(folder, path));
      const tile = decodeTile(bytes, path, CHECKSUMS);
      const content = sha256Hex(bytes);
      if (content !== digest) throw new TileError(path, `has SHA-256 ${content}, its row says ${digest}`);
      kept.set(path, { tile, bytes: bytes.length });
      size += bytes.length;
      for (const [oldest, { bytes: freed }] of kept) {
        if (size <= cacheBytes) break;
        kept.delete(oldest);
        size -= freed;
      }
      return tile;
    },
    remove: (files) =>
      eightAtOnce(files, async ({ path }) => {
        const found = kept.get(path);
        if (found) size -= found.bytes;
        kept.delete(path);
        await rm(join(folder, path), { force: true });
      }),
    sweep: async (database) => {
      const named = new Set(
        (await database.query<{ path: string }>('select path from tile where removed_at_ms is null')).map((row) => row.path),
      );
      const entries = await readdir(join(folder, 'tiles'), { recursive: true, withFileTypes: true }).catch(() => []);
      const orphans = entries
        .filter((entry) => entry.isFile() && entry.name.endsWith('.tile'))
        .map((entry) => join(entry.parentPath, entry.name))
        .filter((path) => !named.has(relative(folder, path)));
      await eightAtOnce(orphans, async (path) => rm(path, { force: true }));
      return orphans.length;
    },
  };
}

/** `tiles/<discom>/<shard>/<day>/<minutes>m-<version>-<digest>.tile`: another content has another name, so a retry cannot tear what is named. */
export const tilePath = (discom: string, of: Pick<TileRow, 'shard' | 'day' | 'intervalMinutes' | 'version' | 'digest'>): string =>
  join(
    'tiles',
    encodeURIComponent(discom).replaceAll('.', '%2E'),
    String(of.shard),
    of.day,
    `${of.intervalMinutes}m-${of.version}-${of.digest.slice(0, 16)}.tile`,
  );

async function synced(path: string, flags: 'w' | 'r', bytes?: Uint8Array): Promise<void> {
  const file = await open(path, flags, 0o600);
  try {
    if (bytes) await file.writeFile(bytes);
    await file.sync();
  } finally {
    await file.close();
  }
}

/** After the first that fails no other is begun; nothing is under way when it returns or throws. */
async function eightAtOnce<T>(all: readonly T[], work: (one: T) => Promise<void>): Promise<void> {
  const queue = [...all];
  const ended = await Promise.allSettled(
    Array.from({ length: 8 }, async () => {
      try {
        for (let one = queue.shift(); one !== undefined; one = queue.shift()) await work(one);
      } catch (error) {
        queue.length = 0;
        throw error;
      }
    }),
  );
  for (const one of ended) if (one.status === 'rejected') throw one.reason;
}

const tileRow = (row: Record<string, never>): TileRow => ({
  shard: row.shard!,
  day: row.day!,
  intervalMinutes: row.interval_minutes!,
  dayStart: Number(row.day_start_ms),
  version: row.version!,
  knownAt: Number(row.known_at_ms),
  zone: row.zone!,
  slots: row.slots!,
  meters: row.meters!,
  delta: row.delta!,
  path: row.path!,
  digest: row.digest!,
  merkleRoot: row.merkle_root!,
  statements: row.statements!,
  correction: row.correction!,
  handOff: row.hand_off!,
  signer: row.signer!,
  receivedAt: Number(row.received_at_ms),
  fold: row.fold!,
  voided: row.voided!,
  removedAt: until(row.removed_at_ms ?? null),
  namedAt: until(row.named_at_ms ?? null),
});

const until = (to: bigint | null): Instant | null => (to === null ? null : Number(to));
