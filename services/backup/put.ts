import { join } from 'node:path';
import type pg from 'pg';
import { Refusal } from '../domain/outcome.ts';
import { grantsOn } from '../host/database-cli.ts';
import { filesOf, hostTables, roomTables } from '../host/migrations.ts';
import type { RoomMaker } from '../host/room.ts';
import { type SchemaPart, tableFile } from './manifest.ts';
import { copyIn, hasSchema, identitiesOf, tablesOf } from './tables.ts';

export type Rooms = readonly Pick<RoomMaker, 'name' | 'migrations'>[];
type Migration = { readonly name: string; readonly sql: string; readonly checksum: string };

/**
 * Numbers that were given out after the backup are not given out again, as far as the state it replaces tells; where that is lost, this
 * many are passed over: a charger may still hold the number of a session that the backup does not know.
 */
const PASSED_OVER = 100_000n;

/** The migrations of a schema in this program. */
export function migrationsOf(schema: string, rooms: Rooms): Migration[] {
  const own = rooms.find(({ name }) => name === schema);
  const sources = own
    ? [
        { owner: 'host', folder: roomTables },
        { owner: schema, folder: own.migrations },
      ]
    : [{ owner: 'host', folder: hostTables }];
  return sources.flatMap(({ owner, folder }) =>
    filesOf(folder).map(({ file, ...rest }) => ({ name: `${owner}/${file}`, ...rest })),
  );
}

/** This program knows everything that was done to the schema. Throws Refusal `backup_newer`. */
export function expectKnown(schema: string, { migrations }: SchemaPart, known: readonly Migration[], version: string): void {
  for (const { name, checksum } of migrations) {
    const mine = known.find((one) => one.name === name);
    if (mine?.checksum === checksum) continue;
    throw new Refusal(
      'invalid',
      'backup_newer',
      `${schema} of the backup has the migration ${name}, which this program ${mine ? 'has otherwise' : 'does not know'}: restore it with ` +
        `Lachak ${version} or a later one`,
    );
  }
}

/**
 * Puts a schema back, in the caller's transaction: what is there goes, the tables are made as they were then, filled, and brought forward
 * to this program. Others may read it as before.
 */
export async function putSchema(
  client: pg.Client,
  schema: string,
  part: SchemaPart,
  { backup, own, known }: { backup: string; own: boolean; known: readonly Migration[] },
): Promise<void> {
  const there = await hasSchema(client, schema);
  const given = there ? await identitiesOf(client, schema) : null;
  if (there) {
    const tables = [...(await tablesOf(client, schema)).map(({ table }) => table), 'migration'];
    await client.query(`drop table ${tables.map((table) => `${schema}."${table}"`).join(', ')} cascade`);
  } else if (!own) await client.query(`create schema if not exists ${schema}`);
  await client.query(`set local search_path to ${schema}`);
  await client.query('create table migration (name text primary key, checksum text not null)');

  const done = new Set(part.migrations.map(({ name }) => name));
  const bring = async (migrations: readonly Migration[]): Promise<void> => {
    for (const { name, sql, checksum } of migrations) {
      await client.query(sql);
      await client.query('insert into migration (name, checksum) values ($1, $2)', [name, checksum]);
    }
  };
  await bring(known.filter(({ name }) => done.has(name)));
  // Some tables are made with rows in them.
  await client.query(`truncate ${part.tables.map(({ table }) => `"${table}"`).join(', ')} cascade`);
  const order = (await tablesOf(client, schema)).map(({ table }) => table);
  for (const table of [...part.tables].sort((a, b) => order.indexOf(a.table) - order.indexOf(b.table)))
    await copyIn(client, schema, table, join(backup, tableFile(schema, table.table)));
  for (const { table, column, last } of part.identities) {
    const before = given?.find((one) => one.table === table && one.column === column);
    await client.query(`select setval(pg_get_serial_sequence($1, $2), $3)`, [
      `${schema}."${table}"`,
      column,
      nextOf(BigInt(last), before ? BigInt(before.last) : null).toString(),
    ]);
  }
  await bring(known.filter(({ name }) => !done.has(name)));
  if (own) for (const grant of grantsOn(schema as never)) await client.query(grant);
}

function nextOf(last: bigint, given: bigint | null): bigint {
  if (given === null) return last + PASSED_OVER;
  const reached = given > last ? given : last;
  return reached > 0n ? reached : 1n;
}
