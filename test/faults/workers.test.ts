import { type ChildProcess, spawn } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import pg from 'pg';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { roomNames } from '../../services/host/arrows.ts';
import { defaults } from '../../services/host/config.ts';
import { type TestHost, testHost } from '../../services/host/testing.ts';
import { room as performance } from '../../services/performance/service.ts';
import { room as settlement } from '../../services/settlement/service.ts';
import { type NatsServers, startNats } from '../servers/nats.ts';
import { type Postgres15, startPostgres15 } from '../servers/postgres15.ts';
import { CUT_OFF, hold, outcome, type Shards, TOLD, tell, upstreamOf, writeTiles } from './shards.ts';

const MAIN = fileURLToPath(new URL('../../dist/services/main.js', import.meta.url));
const root = mkdtempSync(join(tmpdir(), 'lachak-workers-'));
const children: ChildProcess[] = [];
let server: Postgres15;
const nats: NatsServers[] = [];
let expected: unknown;

beforeAll(async () => {
  server = await startPostgres15();
  expected = await settled(await embedded(), world(join(root, 'embedded')));
});
afterAll(async () => {
  stopping = true;
  for (const child of children) child.kill('SIGKILL');
  await Promise.all([server?.stop(), ...nats.map((one) => one.stop())]);
  rmSync(root, { recursive: true, force: true });
});

const world = (folder: string): Shards => ({ shards: 12, points: 4, folder });

/** Everything in one process, on the embedded PostgreSQL. */
async function embedded(): Promise<TestHost> {
  const { folder } = world(join(root, 'embedded'));
  const upstream = upstreamOf(world(folder), writeTiles(world(folder)));
  const [gateway] = upstream.splice(-1);
  return testHost({ rooms: [...upstream, performance, settlement, gateway!], folder, clock: { start: TOLD } });
}

type Pool = { host: TestHost; killed: readonly number[] };
let pools = 0;
let stopping = false;
/** `faults.length` processes of `lachak start performance` on a database of their own; a fault names where one is killed. */
async function pool(faults: readonly string[], withNats: boolean): Promise<Pool> {
  const name = `pool${++pools}`;
  const folder = join(root, name);
  const client = new pg.Client({ connectionString: server.url });
  await client.connect();
  await client.query(`create database ${name}`);
  await client.end();
  const url = new URL(server.url);
  url.pathname = `/${name}`;
  const sockets = mkdtempSync(join(tmpdir(), 'lachak-w-'));
  const here = `unix:${join(sockets, 'here')}`;
  const places = faults.map((_, i) => `unix:${join(sockets, String(i))}`);
  const rooms = Object.fromEntries(roomNames.map((room) => [room, room === 'performance' ? places.join(',') : here]));
  const shared = {
    ...{ folder, clock: 'stepped' as const, clockStart: TOLD, databaseUrl: url.href, rooms: rooms as typeof defaults.rooms },
    nats: { ...defaults.nats, url: withNats ? await streams() : '' },
  };
  const upstream = upstreamOf(world(folder), writeTiles(world(folder)));
  const [gateway] = upstream.splice(-1);
  const starting = testHost({
    ...{ rooms: [...upstream, settlement, gateway!], folder, clock: { start: TOLD } },
    config: { ...shared, grpc: { address: here } },
  });
  const host = await starting;
  const killed: number[] = [];
  const start = async (i: number, fault: string): Promise<void> => {
    const file = join(folder, `worker-${i}.json`);
    writeFileSync(file, JSON.stringify({ ...shared, grpc: { address: places[i] }, log: { level: 'error' } }), { mode: 0o600 });
    const env = { ...process.env, LACHAK_FAULT: fault };
    const stdio = ['ignore', 'pipe', 'inherit'] as const;
    const child = spawn(process.execPath, [MAIN, 'start', 'performance', '--config', file], { stdio: [...stdio], env });
    children.push(child);
    await new Promise<void>((ready, fail) => {
      child.once('exit', (code, signal) => fail(new Error(`a worker ended with ${code ?? signal} before it was ready`)));
      createInterface({ input: child.stdout! }).on('line', (line) => line.startsWith('ready') && ready());
    });
    // As whoever looks after processes does.
    child.once('exit', (_, signal) => {
      if (signal !== 'SIGKILL' || stopping) return;
      killed.push(i);
      void start(i, '');
    });
  };
  await Promise.all(faults.map((fault, i) => start(i, fault)));
  return { host, killed };
}
/** Streams are named after rooms, messages after positions: each house has a NATS of its own. */
async function streams(): Promise<string> {
  nats.push(await startNats());
  return nats.at(-1)!.url;
}

async function settled(host: TestHost, shards: Shards): Promise<unknown> {
  await tell(host, shards);
  await host.settled();
  await hold(host, shards);
  await host.advanceTo(CUT_OFF);
  await host.settled();
  const found = await outcome(host);
  await host.stop();
  return found;
}
const ended = (child: ChildProcess) =>
  new Promise<void>((done) => {
    if (child.exitCode !== null || child.signalCode !== null) return done();
    child.once('exit', () => done());
    child.kill('SIGTERM');
  });

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
  ] as const)('%s: the same root, shards and accounts', async (_, faults, withNats) => {
    const { host, killed } = await pool(faults, withNats);
    expect(await settled(host, world(''))).toEqual(expected);
    expect(killed).toEqual(faults.flatMap((fault, i) => (fault === '' ? [] : [i])));
    await Promise.all(children.splice(0).map(ended));
  });
});
