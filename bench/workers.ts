import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { cpus, tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { Performance } from '../gen/lachak/v1/performance_pb.ts';
import { hold, type Shards, tell } from '../test/faults/shards.ts';
import { type Pool, startPool } from '../test/faults/worker-pool.ts';
import { startPostgres15 } from '../test/servers/postgres15.ts';

/*
 * How much sooner are the shards of a run measured by two processes of performance than by one, on PostgreSQL 15 and a JetStream work
 * queue, and at what cost? The compute phase: from the first task offered to the last shard's row, nothing being settled meanwhile. CPU
 * seconds are the workers'. Medians of five runs each, one and two workers turn by turn.
 * Repeat: npm run bench -- workers
 */
const SHARDS = 36;
const POINTS = 200;
const COUNTED = 5;
/** Looking more often would be measured too. */
const LOOK_MS = 40;

export async function workersBench(print: (line: string) => void): Promise<Record<string, number>> {
  const root = mkdtempSync(join(tmpdir(), 'lachak-bench-'));
  const server = await startPostgres15();
  const houses: House[] = [];
  try {
    for (const workers of [1, 2]) houses.push(await openHouse(workers, join(root, String(workers)), server.url));
    // Turn by turn: what else the machine does meanwhile falls on both.
    for (let i = 0; i < COUNTED; i++) for (const house of houses) house.runs.push(await counted(house.pool, `counted-${i}`));
    const [one, two] = houses.map(({ runs }) => ({
      wall: median(runs.map(({ wall }) => wall)),
      cpu: median(runs.map(({ cpu }) => cpu)),
    })) as [Took, Took];
    const speed = one.wall / two.wall;
    const cost = two.cpu / one.cpu;
    print(
      `workers: ${SHARDS} shards × ${POINTS} points over JetStream, medians of ${COUNTED}: one ${one.wall.toFixed(2)} s (CPU ${one.cpu.toFixed(2)} s), ` +
        `two ${two.wall.toFixed(2)} s (CPU ${two.cpu.toFixed(2)} s): ${speed.toFixed(2)} × as fast (goal ≥ 1.6), ` +
        `${cost.toFixed(2)} × the CPU (goal ≤ 1.1; ${cpus().length} × ${cpus()[0]?.model.trim()}, Node ${process.version})`,
    );
    return { speed, cpu: cost };
  } finally {
    for (const { pool } of houses) await pool.stop();
    await server.stop();
    rmSync(root, { recursive: true, force: true });
  }
}

type Took = { readonly wall: number; readonly cpu: number };
type House = { readonly pool: Pool; readonly runs: Took[] };

async function openHouse(workers: number, folder: string, server: string): Promise<House> {
  const world: Shards = { shards: SHARDS, points: POINTS, folder };
  const pool = await startPool(world, { server, faults: Array(workers).fill(''), withNats: true, settles: false });
  await tell(pool.host, world);
  await hold(pool.host, world);
  // As many runs as there are processes, so that each has measured as much before the ones that count.
  for (let i = 0; i < workers; i++) await measure(pool, `warm-${i}`);
  return { pool, runs: [] };
}

async function counted(pool: Pool, runId: string): Promise<Took> {
  const before = cpuSeconds(pool.pids());
  const wall = await measure(pool, runId);
  return { wall, cpu: cpuSeconds(pool.pids()) - before };
}

/** Wall seconds from the first task on the queue to the last shard's row. */
async function measure({ host, nats }: Pool, runId: string): Promise<number> {
  const database = await host.database('performance');
  const offered = async (): Promise<number> => (await nats!.streamOf('work_performance').catch(() => ({ messages: 0 }))).messages;
  const shards = async (): Promise<number> => {
    const asked = 'select count(*)::int as shards from run_shard where run_id = $1';
    return (await database.query<{ shards: number }>(asked, [runId]))[0]!.shards;
  };
  const before = await offered();
  const asked = { runId, eventId: 'many', asOfMs: BigInt(host.clock.now()) };
  await host.connect(Performance).measure(asked, { discom: 'BRPL' });
  const giveUp = performance.now() + 300_000;
  const until = async (holds: () => Promise<boolean>): Promise<void> => {
    while (!(await holds())) {
      if (performance.now() > giveUp) throw new Error(`${await shards()} of ${SHARDS} shards after five minutes`);
      await pause(LOOK_MS);
    }
  };
  await until(async () => (await offered()) > before);
  const began = performance.now();
  await until(async () => (await shards()) === SHARDS);
  return (performance.now() - began) / 1000;
}

const median = (values: readonly number[]): number => values.toSorted((a, b) => a - b)[values.length >> 1]!;

/** User and system seconds of these processes so far, as Linux counts them (100 ticks a second). */
function cpuSeconds(pids: readonly number[]): number {
  return pids.reduce((seconds, pid) => {
    const fields = readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ')[1]!.split(' ');
    return seconds + (Number(fields[11]) + Number(fields[12])) / 100;
  }, 0);
}
