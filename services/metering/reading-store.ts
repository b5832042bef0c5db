import { randomBytes } from 'node:crypto';
import { readFile, rename, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import type { Logger } from 'pino';
import { grouped } from '../domain/grouped.ts';
import { MINUTE } from '../domain/interval.ts';
import { decodeTile, type Tile, TileError } from '../domain/tile.ts';
import { TILE_FORMATS } from '../domain/tile-layout.ts';
import { sha256Hex } from '../host/ids.ts';
import type { Influx } from './influx-store.ts';
import { pointsOf, type RecordPoint, tileFrom } from './record.ts';
import type { TileFiles, TileRow } from './store.ts';

/** Where the versions of readings are kept. Which of them are live is a row in PostgreSQL, with either. */
export type ReadingStore = {
  /** Throws Refusal `record_away` when nothing can be acknowledged now. */
  ready(): void;
  /** On record when it returns; until their rows are committed they count for nothing. Throws Refusal `record_away`. */
  keep(discom: string, versions: readonly Version[]): Promise<void>;
  /** Throws TileError, naming the tile, where a version is torn or missing: it is never taken for an empty one. */
  read(discom: string, row: TileRow): Promise<Tile>;
  /** Sees to it that the files of these versions lie in the folder, whole, for those who open them there. */
  lay(discom: string, rows: readonly TileRow[]): Promise<void>;
  /** What is wrong with a version: in its file, and, when `record` is asked for, in the record behind it. */
  faults(discom: string, row: TileRow, record: boolean): Promise<Fault[]>;
  /** Lets versions go whose rows say so already; it may be asked again for what is no longer there. */
  forget(discom: string, rows: readonly TileRow[]): Promise<void>;
};
export type Version = { readonly row: TileRow; readonly bytes: Uint8Array };
export type Fault = { readonly where: 'tile' | 'record'; readonly problem: string };

/** The tiles are the record. */
export function tileStore(folder: string, files: TileFiles): ReadingStore {
  return {
    ready: () => {},
    keep: (_, versions) => files.write(versions.map(({ row, bytes }) => ({ path: row.path, bytes }))),
    read: (_, row) => files.read(row),
    lay: async () => {},
    faults: async (_, row) => fileFaults(folder, row),
    forget: (_, rows) => files.remove(rows),
  };
}

/** About what is in memory at a time, and in one answer, of what is pulled: some ten days of a full shard, and one. */
const PULL_BYTES = 16 * 1024 * 1024;
const ANSWER_BYTES = 2 * 1024 * 1024;
const ASKED_AT_ONCE = 3;

/**
 * InfluxDB is the record, the tiles lie before it as a cache: each version is pulled once, and again when its file is missing or torn. A
 * point is (discom, shard, zone, interval length, `rev`; interval start); `rev` is the version, and what it says goes into the point
 * packed (`record.ts`). Within its millisecond a point lies at a place that its version's content chooses: what a delivery left there
 * that was cut off before its rows were committed is never overwritten, and never taken for what a later one of the same rev says.
 */
export function recordedStore(folder: string, files: TileFiles, influx: Influx, log: Logger): ReadingStore {
  const whole = new Map<string, string>();
  const underway = new Map<string, Promise<void>>();

  const place = async (path: string, bytes: Uint8Array): Promise<void> => {
    // Readers in other processes see the old file or the new one; the name lets the sweep find what a crash leaves.
    const draft = `${path}.${randomBytes(4).toString('hex')}.tile`;
    await files.write([{ path: draft, bytes }]);
    await rename(join(folder, draft), join(folder, path)).catch(async (error: Error) => {
      await rm(join(folder, draft), { force: true });
      throw error;
    });
  };
  const pull = async (discom: string, rows: readonly TileRow[]): Promise<void> => {
    const mine = rows.filter(({ path }) => !underway.has(path));
    const others = rows.flatMap(({ path }) => underway.get(path) ?? []);
    const work = (async () => {
      for (const some of bySize(mine, PULL_BYTES)) {
        const made = await versionsFrom(influx, discom, some);
        for (const [i, { path }] of some.entries()) await place(path, made[i]!);
      }
      if (mine.length > 0) log.info({ discom, tiles: mine.length, first: mine[0]!.path }, 'tiles pulled from the record');
    })();
    for (const { path } of mine) underway.set(path, work);
    try {
      await Promise.all([work, ...others]);
    } finally {
      for (const { path } of mine) underway.delete(path);
    }
  };
  /** Looked at once a process, and again when the file has changed. */
  const isWhole = async ({ path, digest }: TileRow): Promise<boolean> => {
    const found = await stat(join(folder, path)).catch(() => null);
    if (!found) return false;
    const mark = `${found.ino} ${found.size} ${found.mtimeMs}`;
    if (whole.get(path) === mark) return true;
    if (sha256Hex(await readFile(join(folder, path))) !== digest) {
      log.warn({ tile: path }, 'a torn tile is made again from the record');
      return false;
    }
    whole.set(path, mark);
    return true;
  };
  return {
    ready: () => influx.ready(),
    keep: async (discom, versions) => {
      await influx.write(versions.flatMap(({ row, bytes }) => linesOf(discom, row, pointsOf(decodeTile(bytes, row.path)))));
      await files.write(versions.map(({ row, bytes }) => ({ path: row.path, bytes })));
    },
    read: async (discom, row) => {
      try {
        return await files.read(row);
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code !== 'ENOENT' && !(error instanceof TileError)) throw error;
        if (error instanceof TileError)
          log.warn({ tile: row.path, why: error.message }, 'a torn tile is made again from the record');
      }
      await pull(discom, [row]);
      return files.read(row);
    },
    lay: async (discom, rows) => {
      const wanted: TileRow[] = [];
      for (const row of rows) if (!(await isWhole(row))) wanted.push(row);
      if (wanted.length > 0) await pull(discom, wanted);
    },
    faults: async (discom, row, record) => {
      const faults = await fileFaults(folder, row);
      if (record) {
        try {
          await versionsFrom(influx, discom, [row]);
        } catch (error) {
          if (!(error instanceof TileError)) throw error;
          faults.push({ where: 'record', problem: error.message });
        }
      }
      return faults;
    },
    forget: async (discom, rows) => {
      await influx.query(rows.map((row) => deletion(discom, row)));
      await files.remove(rows);
    },
  };
}

/**
 * The files of these versions, made from the record and held against their rows' digests. A few questions are open at a time: while one
 * answer is unpacked here the server writes the next. Throws TileError, Refusal `record_away`.
 */
export async function versionsFrom(influx: Influx, discom: string, rows: readonly TileRow[]): Promise<Uint8Array[]> {
  const made = new Map<TileRow, Uint8Array>();
  const parts = bySize(rows, ANSWER_BYTES);
  const ask = async (): Promise<void> => {
    for (const part of parts) {
      const found = grouped(await influx.query(part.map((row) => question(discom, row))), ([, , , content]) => content);
      for (const row of part) made.set(row, rebuilt(row, found.get(contentOf(row)) ?? []));
    }
  };
  await Promise.all(Array.from({ length: ASKED_AT_ONCE }, ask));
  return rows.map((row) => made.get(row)!);
}

async function fileFaults(folder: string, row: TileRow): Promise<Fault[]> {
  const fault = (problem: string): Fault[] => [{ where: 'tile', problem }];
  const bytes = await readFile(join(folder, row.path)).catch((error: NodeJS.ErrnoException) => error.code ?? error.message);
  if (typeof bytes === 'string') return fault(bytes === 'ENOENT' ? 'missing' : `cannot be read: ${bytes}`);
  try {
    const { header } = decodeTile(bytes, row.path);
    const said = [header.shard, header.day, header.version, header.knownAt, header.meters, header.slots, header.kind === 'delta'];
    const rows = [row.shard, row.day, row.version, row.knownAt, row.meters, row.slots, row.delta];
    if (said.join() !== rows.join()) return fault(`is ${said.join(', ')}; its row says ${rows.join(', ')}`);
  } catch (error) {
    return fault((error as Error).message);
  }
  const digest = sha256Hex(bytes);
  return digest === row.digest ? [] : fault(`has SHA-256 ${digest}; its row says ${row.digest}`);
}

/** A version as line protocol. All fields are always there, so that a point is either this version's or not, never half of each. */
export function linesOf(discom: string, row: TileRow, points: readonly RecordPoint[]): string[] {
  const tags = Object.entries(tagsOf(discom, row)).map(([key, value]) => `${key}=${value}`);
  const content = contentOf(row);
  // Digits of the digest, below the millisecond.
  const nanos = String(Number.parseInt(content.slice(0, 5), 16) % 1_000_000).padStart(6, '0');
  return points.map(({ slot, importWh, exportWh, quality }) => {
    const columns = `import="${base64(importWh)}",export="${base64(exportWh)}",quality="${base64(quality)}"`;
    const time = row.dayStart + slot * row.intervalMinutes * MINUTE;
    return `readings,${tags.join(',')} content="${content}",of=${points.length}i,${columns} ${time}${nanos}`;
  });
}

/** The series of a rev within its day: points of another day that share it are left alone. */
function deletion(discom: string, row: TileRow): string {
  const tags = Object.entries(tagsOf(discom, row)).map(([key, value]) => `"${key}" = '${value}'`);
  const end = row.dayStart + row.slots * row.intervalMinutes * MINUTE;
  return `DELETE FROM "readings" WHERE ${tags.join(' AND ')} AND time >= ${row.dayStart}ms AND time < ${end}ms`;
}

function question(discom: string, row: TileRow): string {
  const tags = Object.entries(tagsOf(discom, row)).map(([key, value]) => `"${key}" = '${value}'`);
  const end = row.dayStart + row.slots * row.intervalMinutes * MINUTE;
  return `SELECT "content", "of", "import", "export", "quality" FROM "readings" WHERE ${tags.join(' AND ')} AND time >= ${row.dayStart}ms AND time < ${end}ms`;
}

/** `found`: measurement, tags, time in ns, content, of, import, export, quality. Throws TileError naming the tile and what the record has of it. */
function rebuilt(row: TileRow, found: readonly string[][]): Uint8Array {
  const of = found[0]?.[4] ?? row.slots;
  if (found.length !== Number(of))
    throw new TileError(row.path, `the record has ${found.length} of its ${of} intervals, version ${row.version}`);
  const points = found.map(([, , time = '', , , importWh = '', exportWh = '', quality = '']): RecordPoint => {
    const slot = (Number(time.slice(0, -6)) - row.dayStart) / (row.intervalMinutes * MINUTE);
    return { slot, importWh: bytesOf(importWh), exportWh: bytesOf(exportWh), quality: bytesOf(quality) };
  });
  let digest = '';
  // The record says what a version says, not in which format its file was written: its row's digest knows.
  for (const format of TILE_FORMATS) {
    let bytes: Uint8Array;
    try {
      bytes = tileFrom(row, points, format);
    } catch (error) {
      throw new TileError(row.path, `what the record has of it does not fit: ${(error as Error).message}`);
    }
    const made = sha256Hex(bytes);
    if (made === row.digest) return bytes;
    digest ||= made;
  }
  throw new TileError(row.path, `the record gives SHA-256 ${digest}; its row says ${row.digest}`);
}

function tagsOf(discom: string, row: TileRow): Record<string, string> {
  return {
    discom: plain(discom),
    minutes: String(row.intervalMinutes),
    rev: String(row.version),
    shard: String(row.shard),
    zone: plain(row.zone),
  };
}

function* bySize(rows: readonly TileRow[], most: number): Generator<TileRow[]> {
  let some: TileRow[] = [];
  let bytes = 0;
  for (const row of rows) {
    const size = row.delta ? row.statements * 17 : row.slots * row.meters * 8;
    if (some.length > 0 && bytes + size > most) {
      yield some;
      [some, bytes] = [[], 0];
    }
    some.push(row);
    bytes += size;
  }
  if (some.length > 0) yield some;
}

/** A tag without what line protocol and InfluxQL give a meaning to. */
export const plain = (tag: string): string =>
  encodeURIComponent(tag).replaceAll('%2F', '/').replaceAll('%3A', ':').replaceAll('%2B', '+').replaceAll("'", '%27');
const contentOf = (row: TileRow): string => row.digest.slice(0, 16);
const base64 = (bytes: Uint8Array): string => Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString('base64');
const bytesOf = (text: string): Uint8Array => Buffer.from(text, 'base64');
