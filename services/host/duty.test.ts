import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import pg from 'pg';
import { pino } from 'pino';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type Postgres15, startPostgres15 } from '../../test/servers/postgres15.ts';
import { defaults } from './config.ts';
import { type Host, startHost } from './host.ts';
import type { Deps, RoomMaker, Waker } from './room.ts';

let server: Postgres15;
const folders: string[] = [];
beforeAll(async () => {
  server = await startPostgres15();
});
afterAll(async () => {
  await server.stop();
  for (const folder of folders) rmSync(folder, { recursive: true, force: true });
});

type Instance = { host: Host; waker: Waker; deps: Deps };
const running = { now: 0, most: 0, by: [] as string[] };

/** A room whose due work is a column of rows, each to be done once, slowly enough to be seen overlapping. */
async function instance(name: string): Promise<Instance> {
  const folder = mkdtempSync(join(tmpdir(), 'lachak-duty-'));
  folders.push(folder);
  const found: { waker?: Waker; deps?: Deps } = {};
  const room: RoomMaker = {
    name: 'catalogue',
    migrations: new URL('file:///nonexistent/'),
    make: (deps) => {
      found.deps = deps;
      found.waker = deps.clock.wake('rows', {
        next: async () => {
          const [row] = await deps.database.query<{ at: bigint | null }>('select min(at) as at from todo where done is null');
          return row!.at === null ? null : Number(row!.at);
        },
        run: async () => {
          running.most = Math.max(running.most, ++running.now);
          running.by.push(name);
          await deps.database.query('select pg_sleep(0.02)');
          await deps.database.query(
            'update todo set done = $1 where id = (select id from todo where done is null order by id limit 1)',
            [name],
          );
          running.now--;
        },
      });
      return { bindings: [], start: async () => {}, stop: async () => {} };
    },
  };
  const config = { ...defaults, folder, databaseUrl: server.url };
  const host = await startHost({ config, rooms: [room], log: pino({ level: process.env.LACHAK_TEST_LOG ?? 'silent' }) });
  return { host, waker: found.waker!, deps: found.deps! };
}

const direct = async (sql: string) => {
  const client = new pg.Client({ connectionString: server.url });
  await client.connect();
  try {
    return (await client.query(sql)).rows;
  } finally {
    await client.end();
  }
};
const allDone = async (withinMs: number): Promise<number> => {
  const began = performance.now();
  while (performance.now() - began < withinMs) {
    const [row] = await direct('select count(*)::int as open from catalogue.todo where done is null');
    if (row.open === 0) return performance.now() - began;
  }
  throw new Error(`rows are still open after ${withinMs} ms`);
};

describe('due work of a room with several instances', () => {
  let one: Instance;
  let two: Instance;
  beforeAll(async () => {
    await direct('create schema catalogue; create table catalogue.todo (id serial, at bigint, done text)');
    one = await instance('one');
    two = await instance('two');
  });
  afterAll(async () => {
    await two?.host.stop();
  });

  test('is done by one of them at a time, whoever hears of it', async () => {
    await direct('insert into catalogue.todo (at) select 0 from generate_series(1, 40)');
    for (let i = 0; i < 40; i++) (i % 2 ? one : two).waker.stir();
    await allDone(10_000);
    expect(running.most).toBe(1);
    expect(running.by.length, 'no row was done twice').toBe(40);
    expect(new Set(running.by).size).toBe(1);
  });

  test('goes to the other at once when its holder is drained', async () => {
    expect(running.by[0], 'the first to come had the duty').toBe('one');
    await one.host.stop();
    await direct('insert into catalogue.todo (at) values (0)');
    two.waker.stir();
    await allDone(10_000);
    expect(running.by.at(-1)).toBe('two');
  });

  test('is taken up again by a holder whose connection was cut', async () => {
    await direct(
      "select pg_terminate_backend(pid) from pg_locks where locktype = 'advisory' and granted and pid <> pg_backend_pid()",
    );
    await direct('insert into catalogue.todo (at) values (0)');
    two.waker.stir();
    await allDone(10_000);
  });

  test('and goes on after PostgreSQL was killed and came back', async () => {
    await server.kill();
    await server.restart();
    await direct('insert into catalogue.todo (at) values (0)');
    await allDone(20_000);
  });
});
