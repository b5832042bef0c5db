import { existsSync, mkdirSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import type pg from 'pg';
import type { Logger } from 'pino';
import { invalid, notFound } from '../domain/outcome.ts';
import type { Config } from '../host/config.ts';
import { makeFolder } from '../host/folder.ts';
import type { RoomName } from '../host/room.ts';
import { copyFile, filesIn, fourAtOnce, syncFolders } from './files.ts';
import { type FilePart, MANIFEST, type Manifest, readManifest, type SchemaPart, stateFile, tableFile } from './manifest.ts';
import { type Databases, reachDatabases } from './reach.ts';
import { copyOut, hasSchema, standingOfSchema, tablesOf } from './tables.ts';

export type Taking = {
  readonly config: Config;
  /** In dependency order. */
  readonly rooms: readonly RoomName[];
  readonly target: string;
  /** An earlier backup: files that are the same become second names of its own. */
  readonly like: string | null;
  readonly version: string;
  readonly log: Logger;
  readonly say: (line: string) => void;
};
export type Taken = {
  readonly manifest: Manifest;
  /** Files that rows name and that are not in the folder. */
  readonly missing: readonly string[];
};

/**
 * Backs up the rooms, running or not, into a folder of its own: whole, or not there at all. All tables are read in one snapshot of the
 * database. A file is on disk before any row names it, is never changed, and may be let go once no row needs it: so files are copied before
 * the snapshot and, those that came meanwhile, after it, and every file that the snapshot names is there. Where rooms lie in several databases there is no one snapshot: then followers are read before those they follow, so that none
 * is ahead of its upstream. Throws Refusal `backup_there`, `nothing_to_back_up`.
 */
export async function takeBackup({ config, rooms, target, like, version, log, say }: Taking): Promise<Taken> {
  if (existsSync(target)) throw invalid('backup_there', `${target} is there already: give the backup a folder of its own`);
  const earlier = like === null ? null : { folder: like, manifest: readManifest(like) };
  const draft = `${target}.unfinished`;
  rmSync(draft, { recursive: true, force: true });
  makeFolder(dirname(target));
  mkdirSync(draft, { mode: 0o700 });
  const databases = await reachDatabases(config, rooms, false, log);
  try {
    const among = [...rooms, 'secrets'];
    const before = await readFiles(config.folder, among, draft, earlier, new Set());
    const { schemas, named, oneInstant } = await readSchemas(databases, rooms, draft, say);
    if (Object.keys(schemas).length === 0)
      throw notFound('nothing_to_back_up', 'the database holds no schema of these rooms: nothing was ever started there');
    const since = await readFiles(config.folder, among, draft, earlier, new Set(before.map(({ path }) => path)));
    const files = [...before, ...since].sort((a, b) => (a.path < b.path ? -1 : 1));
    const there = new Set(files.map(({ path }) => path));
    say(`${'files'.padEnd(12)} ${files.length}, ${(files.reduce((sum, { bytes }) => sum + bytes, 0) / 1e6).toFixed(1)} MB`);
    const { rows } = await databases.all[0]!.query<{ version: string }>("select current_setting('server_version') as version");
    const made = new Date().toISOString();
    const manifest: Manifest = { format: 1, version, postgres: rows[0]!.version, madeAt: made, oneInstant, schemas, files };
    writeFileSync(join(draft, MANIFEST), `${JSON.stringify(manifest, null, 1)}\n`, { mode: 0o600, flush: true });
    await syncFolders([join(draft, MANIFEST), ...files.map(({ path }) => join(draft, stateFile(path)))]);
    renameSync(draft, target);
    await syncFolders([target]);
    return { manifest, missing: named.filter((path) => !there.has(path)) };
  } finally {
    await databases.close();
    rmSync(draft, { recursive: true, force: true });
  }
}

type Read = { schemas: Record<string, SchemaPart>; named: string[]; oneInstant: boolean };

async function readSchemas(databases: Databases, rooms: readonly RoomName[], draft: string, say: Taking['say']): Promise<Read> {
  const schemas: Record<string, SchemaPart> = {};
  const named: string[] = [];
  const read = async (client: pg.Client, schema: string): Promise<void> => {
    if (!(await hasSchema(client, schema))) return;
    const part = await readSchema(client, schema, draft);
    schemas[schema] = part;
    named.push(...(await namedFiles(client, schema, part)));
    const rows = part.tables.reduce((sum, table) => sum + table.rows, 0);
    say(`${schema.padEnd(12)} ${part.tables.length} tables, ${rows} rows`);
  };
  // With logins of the rooms' own the host's schema is nobody's; it holds nothing but where a stepped clock of a trial stands.
  const hosted = !databases.of(rooms[0]!).own;
  if (databases.together) {
    await inOneSnapshot(databases.all, async () => {
      if (hosted) await read(databases.all[0]!, 'host');
      for (const room of rooms) await read(databases.of(room).client, room);
    });
  } else {
    for (const room of [...rooms].reverse())
      await inOneSnapshot([databases.of(room).client], () => read(databases.of(room).client, room));
  }
  return { schemas, named, oneInstant: databases.together };
}

async function readSchema(client: pg.Client, schema: string, draft: string): Promise<SchemaPart> {
  mkdirSync(dirname(join(draft, tableFile(schema, '-'))), { recursive: true, mode: 0o700 });
  const tables = [];
  for (const table of await tablesOf(client, schema))
    tables.push(await copyOut(client, schema, table, join(draft, tableFile(schema, table.table))));
  return { ...(await standingOfSchema(client, schema)), tables };
}

/** Several logins see one and the same snapshot: the first one lends its own to the others. */
async function inOneSnapshot(clients: readonly pg.Client[], work: () => Promise<void>): Promise<void> {
  const [first, ...others] = clients as [pg.Client, ...pg.Client[]];
  for (const client of clients) await client.query('begin isolation level repeatable read read only');
  const { rows } = await first.query<{ snapshot: string }>('select pg_export_snapshot() as snapshot');
  for (const client of others) await client.query(`set transaction snapshot '${rows[0]!.snapshot}'`);
  await work();
  for (const client of clients) await client.query('commit');
}

/** Where a row has a path and a digest, it names a file in its room's folder, until it says that it was removed. */
async function namedFiles(client: pg.Client, schema: string, { tables }: SchemaPart): Promise<string[]> {
  const naming = tables.filter(({ columns }) => columns.includes('path') && columns.includes('digest'));
  const paths: string[] = [];
  for (const { table, columns } of naming) {
    const still = columns.includes('removed_at_ms') ? 'where removed_at_ms is null' : '';
    const { rows } = await client.query<{ path: string }>(`select distinct path from ${schema}.${table} ${still}`);
    paths.push(...rows.map(({ path }) => `${schema}/${path}`));
  }
  return paths;
}

async function readFiles(
  folder: string,
  among: readonly string[],
  draft: string,
  earlier: { folder: string; manifest: Manifest } | null,
  already: ReadonlySet<string>,
): Promise<FilePart[]> {
  const then = new Map((earlier?.manifest.files ?? []).map((part) => [part.path, part]));
  const files: FilePart[] = [];
  const found = (await filesIn(folder, among)).filter((path) => !already.has(path));
  await fourAtOnce(found, async (path) => {
    const part = then.get(path);
    const like = part && earlier ? { file: join(earlier.folder, stateFile(path)), part } : null;
    const measured = await copyFile(join(folder, path), join(draft, stateFile(path)), like);
    if (!measured) return;
    files.push({ path, ...measured });
  });
  return files;
}
