import type pg from 'pg';
import { Refusal } from '../domain/outcome.ts';

const OLDEST = 15;
/** pg's own words, which have no code, for a connection that broke, gave no answer in time, or did not come about. */
export const LOST =
  /connection terminated|terminated unexpectedly|not queryable|query read timeout|timeout exceeded when trying to connect|timeout expired/i;

/** Throws Refusal `database_too_old`. */
export async function expectVersion(client: pg.ClientBase): Promise<void> {
  const { rows } = await client.query<{ version: string }>("select current_setting('server_version_num') as version");
  const major = Math.floor(Number(rows[0]!.version) / 10_000);
  if (major >= OLDEST) return;
  throw new Refusal(
    'unavailable',
    'database_too_old',
    `PostgreSQL ${major} answers; Lachak needs ${OLDEST} or later: upgrade the server`,
  );
}

/** A room's own login makes no schemas: an administrator has. Throws Refusal `schema_missing`. */
export async function expectSchema(client: pg.ClientBase, schema: string, owner: string): Promise<void> {
  const { rows } = await client.query<{ usable: boolean | null }>(
    'select has_schema_privilege(oid, $2) as usable from pg_namespace where nspname = $1',
    [schema, schema === owner ? 'CREATE' : 'USAGE'],
  );
  if (rows[0]?.usable) return;
  const what = rows.length === 0 ? `has no schema ${schema}` : `does not let ${owner} use the schema ${schema}`;
  throw new Refusal('unavailable', 'schema_missing', `the database ${what}: an administrator makes it (lachak database --help)`);
}

/** What is wrong with a dependency, what was expected of it, and what to do, in one line for people; null when it is no dependency's fault. */
export function missing(error: unknown): string | null {
  if (error instanceof Refusal) return error.kind === 'unavailable' ? error.message : null;
  const { code, message } = error as { code?: string; message?: string };
  const expected = 'expected PostgreSQL 15 or later at the configured URL';
  switch (code) {
    case 'ECONNREFUSED':
    case 'ECONNRESET':
    case 'ETIMEDOUT':
    case 'EHOSTUNREACH':
      return `PostgreSQL does not answer (${message || code}); ${expected}: start it, or correct the URL (lachak config)`;
    case 'ENOTFOUND':
    case 'EAI_AGAIN':
      return `the host of PostgreSQL is unknown (${message}); ${expected}: correct the URL (lachak config)`;
    case '28P01':
    case '28000':
      return `PostgreSQL refuses the login (${message}); expected the login of the room: correct user and password (lachak database makes logins)`;
    case '3D000':
      return `the database is missing (${message}); expected one made for Lachak: create it, or correct the URL`;
    case '42501':
      return `PostgreSQL forbids something to this login (${message}); expected the grants of a room: run lachak database again`;
    case '53100':
      return `the disk of PostgreSQL is full (${message}): make room`;
    case '53300':
      return `PostgreSQL has no connection left (${message}): raise max_connections`;
    case '57P01':
    case '57P02':
    case '57P03':
      return `PostgreSQL is stopping or starting (${message}): waiting for it`;
    default:
      return LOST.test(message ?? '') ? `the connection to PostgreSQL broke (${message}); ${expected}` : null;
  }
}
