import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type Postgres15, startPostgres15 } from '../servers/postgres15.ts';
import { embedded, type Shards, settled } from './shards.ts';
import { startPool } from './worker-pool.ts';

const root = mkdtempSync(join(tmpdir(), 'lachak-workers-'));
let server: Postgres15;
let expected: unknown;

beforeAll(async () => {
  server = await startPostgres15();
  const host = await embedded(world('embedded'));
  expected = await settled(host, world('embedded'));
  await host.stop();
});
afterAll(async () => {
  await server?.stop();
  rmSync(root, { recursive: true, force: true });
});

const world = (name: string): Shards => ({ shards: 12, points: 4, folder: join(root, name.replaceAll(/\W+/g, '-')) });

describe('a run of twelve shards, measured by workers', () => {
  test('comes out of one process as expected', () => {
    const { runs, shards, credits } = expected as { runs: { points: number }[]; shards: unknown[]; credits: { keys: number }[] };
    expect(runs).toHaveLength(1);
    expect(runs[0]!.points).toBe(48);
    expect(shards).toHaveLength(12);
    expect(credits[0]!.keys).toBeGreaterThan(150);
  });

  test.each([
    ['one worker, PostgreSQL', [''], false],
    ['two workers, NATS', ['', ''], true],
    ['five workers, NATS', ['', '', '', '', ''], true],
    ['two workers, PostgreSQL, one of them killed with a file written', ['performance.file_written:2', ''], false],
    ['three workers, NATS, one killed with a task just taken', ['work.taken:3', '', ''], true],
  ] as const)('%s: the same root, shards and accounts', async (name, faults, withNats) => {
    const shards = world(name);
    const pool = await startPool(shards, { server: server.url, faults, withNats });
    try {
      expect(await settled(pool.host, shards)).toEqual(expected);
      expect(pool.killed).toEqual(faults.flatMap((fault, i) => (fault === '' ? [] : [i])));
    } finally {
      await pool.stop();
    }
  });
});
