import { setTimeout as pause } from 'node:timers/promises';
import { pino } from 'pino';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type Databases, openDatabases } from '../../services/host/database.ts';
import { type Postgres15, startPostgres15 } from '../servers/postgres15.ts';
import { startProxy, type TcpProxy, type Weather } from '../servers/proxy.ts';

// Between a room and its server lies a proxy that delays, loses, half-closes and resets what passes. Nothing waits for ever: every
// question is answered or fails within its bound, and when the weather is fair again the room works, without a restart.
const log = pino({ level: process.env.LACHAK_TEST_LOG ?? 'silent' });
const WITHIN_MS = 1000;
const CONNECTED_MS = 4000;
const foul: readonly Weather[] = ['slow', 'stalled', 'torn', 'closed'];
const soon = { timeout: 30_000, interval: 50 };

/** How it ended, and after how long. */
async function ended(work: Promise<unknown>): Promise<{ well: boolean; ms: number }> {
  const began = performance.now();
  const well = await work.then(
    () => true,
    () => false,
  );
  return { well, ms: performance.now() - began };
}

describe('PostgreSQL behind bad weather', () => {
  let server: Postgres15;
  let proxy: TcpProxy;
  let databases: Databases;
  beforeAll(async () => {
    server = await startPostgres15();
    proxy = await startProxy(server.port);
    const url = server.url.replace(`:${server.port}`, `:${proxy.port}`);
    databases = openDatabases({ at: url, owner: null }, log, { withinMs: WITHIN_MS, connectedMs: CONNECTED_MS });
  });
  afterAll(async () => {
    await databases?.close();
    await proxy?.stop();
    await server?.stop();
  });

  test('a server that is killed under an open transaction fails the transaction, and not the process', async () => {
    const database = await databases.room('catalogue', new URL('file:///nonexistent/'));
    const open = database.tx(async (tx) => {
      await tx.query('select 1');
      await server.kill(); // between two statements: nobody asks for anything just now
      await pause(100);
      await tx.query('select 1');
    });
    await expect(open).rejects.toThrow();
    await server.restart();
    await expect.poll(() => ended(database.tx((tx) => tx.query('select 1'))), soon).toMatchObject({ well: true });
  });

  test.each(foul)(
    '%s: statements, transactions and the dedicated connection end, and work again when it is over',
    async (weather) => {
      const database = await databases.room('catalogue', new URL('file:///nonexistent/'));
      const dedicated = await databases.dedicated();
      const lost = new Promise((done) => dedicated.once('end', done));
      proxy.weather = weather;
      const asked = [
        // More than there are connections: the last ones wait for the first.
        ...Array.from({ length: 6 }, () => ended(database.query('select 1'))),
        ended(database.tx((tx) => tx.query('select 1'))),
        ended(dedicated.query('select 1')),
      ];
      await pause(300);
      if (weather !== 'stalled') proxy.weather = 'clear';
      for (const { well, ms } of await Promise.all(asked)) {
        expect(ms, `${weather}, ${well ? 'answered' : 'failed'}`).toBeLessThan(CONNECTED_MS + WITHIN_MS + 2000);
        if (weather === 'slow') expect(well).toBe(true);
      }
      proxy.weather = 'clear';
      await expect.poll(() => ended(database.tx((tx) => tx.query('select 1'))), soon).toMatchObject({ well: true });
      if (weather === 'slow') await dedicated.end();
      await lost; // its holder hears of it, and opens another
      expect(await ended((await databases.dedicated()).query('select 1'))).toMatchObject({ well: true });
    },
  );
});
