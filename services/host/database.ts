import { setTimeout as pause } from 'node:timers/promises';
import pg from 'pg';
import type { Logger } from 'pino';
import { invalid } from '../domain/outcome.ts';
import type { Connection } from './embedded.ts';
import { expectSchema, expectVersion, LOST } from './expect.ts';
import { hostTables, migrate, roomTables } from './migrations.ts';
import type { Database, Queryable, Tx } from './room.ts';

export type Databases = {
  /** The room's schema, migrated. Host tables (outbox, cursor, command) come first. */
  room(name: string, migrations: URL): Promise<Database>;
  /** The host's own schema. */
  host(): Promise<Database>;
  /** A connection of one's own, for LISTEN and session locks; the caller ends it. */
  dedicated(): Promise<pg.Client>;
  use(): readonly PoolUse[];
  close(): Promise<void>;
};
/** A room's connections now, and how much waits for one. */
export type PoolUse = { readonly room: string; readonly idle: number; readonly busy: number; readonly waiting: number };
/** Where PostgreSQL is. `owner`: whose login this is; then it has that room's schema, and may read what was granted to it. */
export type Reach = { readonly at: Connection | string; readonly owner: string | null };

/**
 * Opens nothing until a room asks. Small pools, one a room: work queues, it does not pile up in the server. A statement that is not
 * answered within `withinMs` of wall time fails, and its connection is given up: what lies between may have lost it for good. Nobody
 * waits longer than `connectedMs` for a connection.
 */
export function openDatabases(
  { at, owner }: Reach,
  log: Logger,
  { withinMs = STATEMENT_WITHIN_MS, connectedMs = CONNECTED_WITHIN_MS } = {},
): Databases {
  const place = typeof at === 'string' ? { connectionString: at } : at;
  const reach = { ...place, types, keepAlive: true, keepAliveInitialDelayMillis: 3000 };
  const pools: { schema: string; pool: pg.Pool }[] = [];
  const clients = new Set<pg.Client>();
  let closing = false;
  const open = async (schema: string, sources: Parameters<typeof migrate>[2]): Promise<Database> => {
    if (!/^[a-z_]+$/.test(schema)) throw new RangeError(`${schema} is no schema name`);
    // A peer that vanished without a word is noticed within seconds, on both sides, so that its locks are freed.
    const options = `-c search_path=${schema} ${CACHED} ${NOTICED_SOON}`;
    const pool = new pg.Pool({ ...reach, options, max: POOLED, connectionTimeoutMillis: connectedMs, query_timeout: withinMs });
    pool.on(
      'error',
      (error) => closing || log.warn({ room: schema, error: error.message }, 'an idle database connection was lost'),
    );
    // Also of one in use, between two statements: the next statement fails, and the process goes on.
    pool.on('connect', (client) => void client.on('error', () => {}));
    pools.push({ schema, pool });
    // A migration takes the time it needs.
    const client = new pg.Client({ ...reach, options, connectionTimeoutMillis: connectedMs });
    client.on('error', () => {}); // the statement that was cut off says it
    try {
      await client.connect();
      await expectVersion(client);
      if (owner !== null) await expectSchema(client, schema, owner);
      if (owner === null || owner === schema) await migrate(client, schema, sources);
    } finally {
      await client.end().catch(() => {});
    }
    return databaseOn(pool);
  };
  return {
    room: (name, migrations) =>
      open(name, [
        { owner: 'host', folder: roomTables },
        { owner: name, folder: migrations },
      ]),
    host: () => open('host', [{ owner: 'host', folder: hostTables }]),
    dedicated: async () => {
      const within = Math.min(withinMs, ALONE_WITHIN_MS);
      const client = new pg.Client({ ...reach, options: NOTICED_SOON, connectionTimeoutMillis: within, query_timeout: within });
      client.on('error', () => {}); // whoever holds it listens to 'end'
      await client.connect();
      clients.add(client);
      client.once('end', () => clients.delete(client));
      // What was asked after a question without an answer would get none either.
      const ask = client.query.bind(client) as (...words: unknown[]) => Promise<unknown>;
      client.query = ((...words: unknown[]) =>
        ask(...words).catch((error: Error) => {
          if (LOST.test(error.message)) client.end().catch(() => {});
          throw error;
        })) as typeof client.query;
      return client;
    },
    use: () =>
      pools.map(({ schema, pool: { totalCount, idleCount, waitingCount } }) => ({
        room: schema,
        idle: idleCount,
        busy: totalCount - idleCount,
        waiting: waitingCount,
      })),
    close: async () => {
      closing = true;
      await Promise.all([...pools.map(({ pool }) => pool.end()), ...[...clients].map((client) => client.end().catch(() => {}))]);
    },
  };
}

const POOLED = 4;
/** Statements of rooms are short; one that takes this long will not come back. Wall time, as all here. */
const STATEMENT_WITHIN_MS = 60_000;
const CONNECTED_WITHIN_MS = 30_000;
/** Those of a dedicated connection ask for a lock or number some facts. */
const ALONE_WITHIN_MS = 10_000;
/** A statement that was given up may still stand before it in the connection's queue: it waits two seconds at most. */
const ROLLBACK = { text: 'rollback', query_timeout: 2000 } as pg.QueryConfig;
/** What we look up lies in memory or on flash: a page at random costs hardly more than the next one, and no small table is read through. */
const CACHED = '-c random_page_cost=1.1';
const NOTICED_SOON = '-c tcp_keepalives_idle=3 -c tcp_keepalives_interval=1 -c tcp_keepalives_count=3';

function databaseOn(pool: pg.Pool): Database {
  const single = queryable(pool);
  return {
    query: async <R>(sql: string, params?: readonly unknown[]): Promise<R[]> => {
      for (let attempt = 1; ; attempt++)
        try {
          return await single.query<R>(sql, params);
        } catch (error) {
          // The pool lets go of a connection on which a statement failed: at most all of them are outdated.
          if (!outdated(error) || attempt > POOLED) throw error;
        }
    },
    tx: async <T>(work: (tx: Tx) => Promise<T>): Promise<T> => {
      for (let attempt = 1; ; attempt++) {
        try {
          return await once(pool, work);
        } catch (error) {
          if (!retriable(error) || attempt === 8) throw error;
          await pause(2 ** attempt * (0.5 + Math.random()));
        }
      }
    },
  };
}

async function once<T>(pool: pg.Pool, work: (tx: Tx) => Promise<T>): Promise<T> {
  const client = await pool.connect();
  const afterwards: (() => void)[] = [];
  let broken = false;
  let result: T;
  try {
    await client.query('begin');
    result = await work({ ...queryable(client), afterCommit: (next) => void afterwards.push(next) });
    await client.query('commit');
  } catch (error) {
    await client.query(ROLLBACK).catch(() => {
      broken = true;
    });
    broken ||= outdated(error);
    throw error;
  } finally {
    client.release(broken);
  }
  for (const next of afterwards) next();
  return result;
}

/**
 * Each connection keeps a statement once it has parsed it: parsing and planning cost as much as most of ours take to run. A text without
 * parameters may hold several statements, and is sent as it is. One about many rows is planned for them: after five times PostgreSQL
 * would take a plan for any number, which assumes ten, and may compare every row with each of thousands.
 */
export function prepared(text: string, values?: readonly unknown[]): pg.QueryConfig {
  if (values === undefined) return { text };
  if (values.some((value) => Array.isArray(value) && value.length > PLANNED_TOGETHER_MOST)) return { text, values: [...values] };
  let name = names.get(text);
  if (name === undefined && names.size < PREPARED_MOST) {
    name = `lachak_${names.size}`;
    names.set(text, name);
  }
  return { ...(name !== undefined && { name }), text, values: values as unknown[] };
}

const names = new Map<string, string>();
const PLANNED_TOGETHER_MOST = 32;
/** Far more than there are in the code; beyond, none is kept. */
const PREPARED_MOST = 2000;

const queryable = (on: pg.Pool | pg.ClientBase): Queryable => ({
  query: async <R>(sql: string, params?: readonly unknown[]) => {
    try {
      return (await on.query(prepared(sql, params))).rows as R[];
    } catch (error) {
      throw unusableText(error) ? invalid('text_unusable', 'a text must not hold the character NUL') : error;
    }
  },
});

// 22021, 22P05: the one character that UTF-8 has and PostgreSQL's texts and JSON have not. Only a caller can have brought it.
const unusableText = (error: unknown): boolean => ['22021', '22P05'].includes((error as { code?: string }).code ?? '');

// 40001 serialisation failure, 40P01 deadlock: PostgreSQL's word that trying again is right.
const retriable = (error: unknown): boolean =>
  ['40001', '40P01'].includes((error as { code?: string }).code ?? '') || outdated(error);

// A table got a column since the statement was prepared on this connection, as when another instance is upgraded: a new connection knows.
const outdated = (error: unknown): boolean => (error as { routine?: string }).routine === 'RevalidateCachedQuery';

const INT8 = 20;
const INT8_ARRAY = 1016;
const types = {
  getTypeParser: (oid: number, format?: 'text' | 'binary') => {
    if (oid === INT8) return BigInt;
    if (oid === INT8_ARRAY) return int8Array;
    return pg.types.getTypeParser(oid as never, format as never);
  },
} as unknown as pg.CustomTypesConfig;

// `{1,NULL,3}`: numbers never need quotes.
const int8Array = (text: string): (bigint | null)[] =>
  text === '{}'
    ? []
    : text
        .slice(1, -1)
        .split(',')
        .map((item) => (item === 'NULL' ? null : BigInt(item)));
