import { createHash } from 'node:crypto';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type pg from 'pg';

/** The host's own tables in every room's schema, and its own schema. */
export const roomTables = new URL('./migrations/room/', import.meta.url);
export const hostTables = new URL('./migrations/host/', import.meta.url);

/**
 * Brings one schema forward: `NNN_name.sql` in order, each in its transaction, its checksum recorded. Forward only; a file that was
 * changed after it ran stops the start. One process migrates at a time (advisory lock).
 */
export async function migrate(
  client: pg.ClientBase,
  schema: string,
  sources: readonly { owner: string; folder: URL }[],
): Promise<void> {
  await client.query('select pg_advisory_lock(hashtextextended($1, 0))', [`lachak.migrate.${schema}`]);
  try {
    // Asked first: a login that owns its schema may not make others, nor even try.
    const { rowCount: there } = await client.query('select 1 from pg_namespace where nspname = $1', [schema]);
    if (!there) await client.query(`create schema ${schema}`);
    await client.query(`set search_path to ${schema}`);
    await client.query('create table if not exists migration (name text primary key, checksum text not null)');
    const { rows } = await client.query<{ name: string; checksum: string }>('select name, checksum from migration');
    const done = new Map(rows.map((row) => [row.name, row.checksum]));
    for (const { owner, folder } of sources) {
      for (const { file, sql, checksum } of filesOf(folder)) {
        const name = `${owner}/${file}`;
        const before = done.get(name);
        if (before === checksum) continue;
        if (before !== undefined) throw new Error(`migration ${name} of schema ${schema} was changed after it ran`);
        await apply(client, name, sql, checksum);
      }
    }
  } finally {
    await client.query('select pg_advisory_unlock(hashtextextended($1, 0))', [`lachak.migrate.${schema}`]);
  }
}

async function apply(client: pg.ClientBase, name: string, sql: string, checksum: string): Promise<void> {
  await client.query('begin');
  try {
    await client.query(sql);
    await client.query('insert into migration (name, checksum) values ($1, $2)', [name, checksum]);
    await client.query('commit');
  } catch (error) {
    await client.query('rollback');
    throw new Error(`migration ${name}: ${(error as Error).message}`, { cause: error });
  }
}

/** The migrations of a folder, in order. */
export function filesOf(folder: URL): { file: string; sql: string; checksum: string }[] {
  const path = besideSource(fileURLToPath(folder));
  if (!existsSync(path)) return [];
  const files = readdirSync(path)
    .filter((file) => file.endsWith('.sql'))
    .sort();
  const wrong = files.find((file) => !/^\d{3}_[a-z0-9_]+\.sql$/.test(file));
  if (wrong) throw new Error(`${join(path, wrong)} is not named NNN_name.sql`);
  return files.map((file) => {
    const sql = readFileSync(join(path, file), 'utf8');
    return { file, sql, checksum: createHash('sha256').update(sql).digest('hex') };
  });
}

/** The compiler copies no SQL: a compiled module's path leads back to the source tree. */
export function besideSource(path: string): string {
  return existsSync(path)
    ? path
    : path.replace(/([/\\])dist([/\\](?:services|devices|gen|assembly)[/\\])/, '$1$2').replace('//', '/');
}
