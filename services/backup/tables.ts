import { createHash } from 'node:crypto';
import { createReadStream, createWriteStream } from 'node:fs';
import { pipeline } from 'node:stream/promises';
import { createGunzip, createGzip } from 'node:zlib';
import type pg from 'pg';
import { from, to } from 'pg-copy-streams';
import type { OutboxPart, SchemaPart, TablePart } from './manifest.ts';
import { measuring } from './measuring.ts';

/** Written by the migrations themselves. */
const OWN = 'migration';

/** The schema is there, and migrations have run in it. */
export async function hasSchema(client: pg.Client, schema: string): Promise<boolean> {
  const { rows } = await client.query<{ there: boolean }>('select to_regclass($1) is not null as there', [`${schema}.${OWN}`]);
  return rows[0]!.there;
}

/** The tables of a schema with the columns that are stored, those that others refer to first. */
export async function tablesOf(client: pg.Client, schema: string): Promise<{ table: string; columns: string[] }[]> {
  const { rows } = await client.query<{ table: string; columns: string[] }>(
    `select c.relname as table, array_agg(a.attname::text order by a.attnum) as columns
     from pg_class c join pg_namespace n on n.oid = c.relnamespace join pg_attribute a on a.attrelid = c.oid
     where n.nspname = $1 and c.relkind = 'r' and c.relname <> $2 and a.attnum > 0 and not a.attisdropped and a.attgenerated = ''
     group by c.relname order by c.relname`,
    [schema, OWN],
  );
  const { rows: references } = await client.query<{ table: string; refers: string }>(
    `select c.relname as table, r.relname as refers from pg_constraint k
     join pg_class c on c.oid = k.conrelid join pg_class r on r.oid = k.confrelid join pg_namespace n on n.oid = c.relnamespace
     where k.contype = 'f' and n.nspname = $1 and c.oid <> r.oid`,
    [schema],
  );
  const sorted: typeof rows = [];
  const put = (table: string): void => {
    if (sorted.some((one) => one.table === table)) return;
    for (const one of references) if (one.table === table) put(one.refers);
    const found = rows.find((one) => one.table === table);
    if (found) sorted.push(found);
  };
  for (const { table } of rows) put(table);
  return sorted;
}

/** Rows go by as text, table for table: no row becomes an object, and any PostgreSQL reads what any other wrote. */
export async function copyOut(
  client: pg.Client,
  schema: string,
  { table, columns }: { table: string; columns: readonly string[] },
  file: string,
): Promise<TablePart> {
  const hash = createHash('sha256');
  const measure = measuring(hash);
  const rows = client.query(to(`copy ${named(schema, table, columns)} to stdout`));
  await pipeline(rows, measure, createGzip({ level: 1 }), createWriteStream(file, { mode: 0o600, flush: true }));
  return { table, columns, rows: measure.lines, sha256: hash.digest('hex') };
}

/** Throws Error when another number of rows came in than went out. */
export async function copyIn(
  client: pg.Client,
  schema: string,
  { table, columns, rows }: TablePart,
  file: string,
): Promise<void> {
  const into = client.query(from(`copy ${named(schema, table, columns)} from stdin`));
  await pipeline(createReadStream(file), createGunzip(), into);
  if (into.rowCount !== rows) throw new Error(`${schema}.${table} has ${into.rowCount} rows; the backup names ${rows}`);
}

/** What else of a schema is kept: its migrations, the numbers it has given out, how far its outbox is. */
export async function standingOfSchema(
  client: pg.Client,
  schema: string,
): Promise<Pick<SchemaPart, 'migrations' | 'identities' | 'outbox'>> {
  const { rows: migrations } = await client.query<{ name: string; checksum: string }>(
    `select name, checksum from ${schema}.${OWN} order by name`,
  );
  return { migrations, identities: await identitiesOf(client, schema), outbox: await outboxOf(client, schema) };
}

export async function identitiesOf(client: pg.Client, schema: string): Promise<SchemaPart['identities']> {
  const { rows } = await client.query<{ table: string; column: string; sequence: string }>(
    `select table_name::text as table, column_name::text as column,
       pg_get_serial_sequence(format('%I.%I', table_schema, table_name), column_name) as sequence
     from information_schema.columns where table_schema = $1 and is_identity = 'YES' order by 1, 2`,
    [schema],
  );
  const identities: SchemaPart['identities'][number][] = [];
  for (const { table, column, sequence } of rows) {
    const found = await client.query<{ last: string }>(
      `select case when is_called then last_value else 0 end as last from ${sequence}`,
    );
    identities.push({ table, column, last: found.rows[0]!.last });
  }
  return identities;
}

/** Of a program from before stretches were kept: all positions belong to the one without an id. */
export async function outboxOf(client: pg.Client, schema: string): Promise<OutboxPart | null> {
  const { rows: found } = await client.query<{ there: boolean }>('select to_regclass($1) is not null as there', [
    `${schema}.relay`,
  ]);
  if (!found[0]!.there) return null;
  const { rows } = await client.query<OutboxPart>(
    `select r.last_position as head, coalesce(to_jsonb(r)->'stretches', '[["", "0"]]') as stretches from ${schema}.relay r`,
  );
  return rows[0] ?? null;
}

const named = (schema: string, table: string, columns: readonly string[]): string =>
  `${schema}.${table} (${columns.map((column) => `"${column}"`).join(', ')})`;
