import { type ChildProcess, spawn } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import pg from 'pg';
import { roomNames } from '../../services/host/arrows.ts';
import { defaults } from '../../services/host/config.ts';
import { type TestHost, testHost } from '../../services/host/testing.ts';
import { room as settlement } from '../../services/settlement/service.ts';
import { type NatsServers, startNats } from '../servers/nats.ts';
import { type Shards, still, TOLD, upstreamOf, writeTiles } from './shards.ts';

// From test/faults or dist/test/faults.
const MAIN = fileURLToPath(
  new URL(import.meta.url.includes('/dist/') ? '../../services/main.js' : '../../dist/services/main.js', import.meta.url),
);

/** A house whose performance is done by processes of `lachak start performance`, on a database of its own. */
export type Pool = {
  readonly host: TestHost;
  readonly nats: NatsServers | null;
  readonly killed: readonly number[];
  readonly pids: () => number[];
  stop(): Promise<void>;
};

let pools = 0;
/**
 * One worker an entry of `faults`, which names where it is killed; a killed one is started again, as whoever looks after processes does.
 * `settles`: what they measure is also settled, by the test's own process.
 */
export async function startPool(
  world: Shards,
  {
    server,
    faults,
    withNats,
    settles = true,
  }: { server: string; faults: readonly string[]; withNats: boolean; settles?: boolean },
): Promise<Pool> {
  const name = `pool${++pools}`;
  const { folder } = world;
  const client = new pg.Client({ connectionString: server });
  await client.connect();
  await client.query(`create database ${name}`);
  await client.end();
  const url = new URL(server);
  url.pathname = `/${name}`;
  const sockets = mkdtempSync(join(tmpdir(), 'lachak-w-'));
  const here = `unix:${join(sockets, 'here')}`;
  const places = faults.map((_, i) => `unix:${join(sockets, String(i))}`);
  const rooms = Object.fromEntries(roomNames.map((room) => [room, room === 'performance' ? places.join(',') : here]));
  // Streams are named after rooms, messages after positions: each house has a NATS of its own.
  const nats = withNats ? await startNats() : null;
  const shared = {
    ...{ folder, clock: 'stepped' as const, clockStart: TOLD, databaseUrl: url.href, rooms: rooms as typeof defaults.rooms },
    nats: { ...defaults.nats, url: nats?.url ?? '' },
    tasks: { heldSeconds: 4 }, // what a killed worker costs
  };
  const upstream = upstreamOf(world, writeTiles(world));
  const [gateway] = upstream.splice(-1);
  const host = await testHost({
    ...{ rooms: [...upstream, settles ? settlement : still('settlement'), gateway!], folder, clock: { start: TOLD } },
    config: { ...shared, grpc: { address: here } },
  });
  const children = new Map<number, ChildProcess>();
  const killed: number[] = [];
  let stopping = false;
  const start = async (i: number, fault: string): Promise<void> => {
    const file = join(folder, `worker-${i}.json`);
    writeFileSync(file, JSON.stringify({ ...shared, grpc: { address: places[i] }, log: { level: 'error' } }), { mode: 0o600 });
    const env = { ...process.env, LACHAK_FAULT: fault };
    const child = spawn(process.execPath, [MAIN, 'start', 'performance', '--config', file], {
      ...{ stdio: ['ignore', 'pipe', 'inherit'], env },
    });
    children.set(i, child);
    await new Promise<void>((ready, fail) => {
      child.once('exit', (code, signal) => fail(new Error(`a worker ended with ${code ?? signal} before it was ready`)));
      createInterface({ input: child.stdout! }).on('line', (line) => line.startsWith('ready') && ready());
    });
    child.once('exit', (_, signal) => {
      if (signal !== 'SIGKILL' || stopping) return;
      killed.push(i);
      void start(i, '');
    });
  };
  await Promise.all(faults.map((fault, i) => start(i, fault)));
  return {
    host,
    nats,
    killed,
    pids: () => [...children.values()].map(({ pid }) => pid!),
    stop: async () => {
      stopping = true;
      await host.stop();
      await Promise.all([...children.values()].map(ended));
      await nats?.stop();
      rmSync(sockets, { recursive: true, force: true });
    },
  };
}

const ended = (child: ChildProcess) =>
  new Promise<void>((done) => {
    if (child.exitCode !== null || child.signalCode !== null) return done();
    child.once('exit', () => done());
    child.kill('SIGTERM');
  });
