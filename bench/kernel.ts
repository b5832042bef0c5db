import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { cpus, loadavg, tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { Worker } from 'node:worker_threads';
import { coreBytes } from '../services/host/core-file.ts';
import { type BatchAnswers, fill } from '../services/performance/batch.ts';
import { loadKernel } from '../services/performance/kernel.ts';
import { CELLS, DAYS, demandSame, EVENT_SLOTS, METERS, readings, type Said, specOf, WINDOW_SLOTS } from './kernel-input.ts';
import { plain } from './kernel-plain.ts';
import { blank, compiled, duckdb, fastestOf, least, numpies, type Rival, runC, runNumpy, type Took } from './kernel-rivals.ts';

/*
 * How fast is the batch of the core against the same family in C, in plain JavaScript, in numpy and in DuckDB? All are exact, start from the
 * same readings in memory, and must say the same whole Wh of every meter and interval, or this throws.
 * Times are milliseconds of the processor a thread, the least of the runs, so that a busy machine disturbs them little; by the clock in
 * brackets. Repeat: npm run build && node dist/bench/kernel.js
 */

const CASES = [
  ['all', 10, 'all 10 of 10'],
  ['high', 5, 'high 5 of 10'],
] as const;
const RUNS = 10;
const ROUNDS = 3;
const THREADS = 2;

/** Prints a line for each case and rival; answers the least of both cases' ratios. */
export async function kernelBench(print: (line: string) => void): Promise<Record<string, number>> {
  const folder = mkdtempSync(join(tmpdir(), 'lachak-bench-kernel-'));
  const ratios: Record<string, number> = {};
  const note = (name: string, ratio: number): string => {
    ratios[name] = Math.min(ratios[name] ?? Number.POSITIVE_INFINITY, ratio);
    return `${ratio.toFixed(ratio < 10 ? 2 : 0)} ×`;
  };
  try {
    const columns = readings();
    const file = join(folder, 'readings');
    writeFileSync(file, columns);
    const { batch } = await loadKernel(coreBytes());
    const door = batch.open({ meters: METERS, days: DAYS, eventSlots: EVENT_SLOTS, windowSlots: WINDOW_SLOTS, width: 2 });
    fill(door, { history: columns.subarray(0, DAYS * CELLS), actual: columns.subarray(DAYS * CELLS) });
    const workers = await crew(file);
    const native = compiled(folder, 'native');
    const v3 = compiled(folder, 'x86-64-v3');
    const rivals = numpies();
    print(
      `kernel: ${METERS} meters × ${DAYS + 1} days, ${EVENT_SLOTS} event and ${WINDOW_SLOTS} window intervals of 96, exact; ms of the processor ` +
        `a thread, least of the runs [by the clock] (${machine()})`,
    );
    // DuckDB's table takes a minute to make and room: it comes last.
    const later: ((database: Awaited<ReturnType<typeof duckdb>>) => Promise<void>)[] = [];
    for (const [select, x, title] of CASES) {
      const one: Took[] = [];
      const two: Took[] = [];
      const c: Record<string, Rival> = {};
      const race = (name: string, program: string | null, threads: number): void => {
        if (program === null) return;
        const found = runC(program, file, x, threads, RUNS);
        c[name] = c[name] ? { ...found, took: least([found.took, c[name].took]) } : found;
      };
      const [ours, older] = [native, v3].map((programs) => programs && fastestOf(programs, file, x));
      let answers = batch.run(specOf(select, x));
      for (let round = 0; round < ROUNDS; round++) {
        for (let i = 0; i < RUNS; i++) one.push(ran(() => (answers = batch.run(specOf(select, x)))));
        race('c', ours!, 1);
        for (let i = 0; i < RUNS; i++) two.push(await workers.run([select, x]));
        race('c2', ours!, THREADS);
        race('v3', older!, 1);
      }
      const wanted = saidOf(answers);
      await workers.check([select, x], wanted);
      const core = least(one);
      const core2 = least(two);
      print(
        `kernel, ${title}: core ${shown(core)} on one thread, ${answers.redone.length} meters redone; on ${THREADS} ${shown(core2)}`,
      );
      const against = (name: string, rival: Rival | null | undefined, own: Took, text: string, absent: string): void => {
        if (!rival) {
          print(`kernel, ${title}: ${text}: not run: ${absent}`);
          return;
        }
        demandSame(text, wanted, rival.said);
        print(
          `kernel, ${title}: ${text} ${shown(rival.took)}: the core is ${note(name, rival.took.processor / own.processor)} as fast`,
        );
      };
      const gcc = 'install gcc (apt-get install gcc)';
      against('vs_c', c.c, core, 'C, gcc -O3 -march=native, one thread', gcc);
      against('vs_c_two_threads', c.c2, core2, `the same on ${THREADS} threads`, gcc);
      against('vs_c_v3', c.v3, core, 'C, gcc -O3 -march=x86-64-v3, one thread', gcc);
      const said = blank();
      const js = least(Array.from({ length: 5 }, () => ran(() => plain(columns, x, said))));
      against('vs_js', { took: js, said }, core, 'plain JavaScript, typed arrays', '');
      const noNumpy = 'install Python with numpy (apt-get install python3-numpy)';
      if (rivals.length === 0) against('vs_numpy', null, core, 'numpy', noNumpy);
      for (const [i, numpy] of rivals.entries())
        against(i === 0 ? 'vs_numpy' : 'vs_newer_numpy', runNumpy(numpy, file, x, 3), core, `numpy ${numpy.version}`, noNumpy);
      later.push(async (database) => {
        const sql = database && (await database.run(x, 2));
        const text = `DuckDB ${database?.version}, two threads, 211 M rows in memory`;
        against('vs_duckdb', sql, core, text, 'npm install @duckdb/node-api');
      });
    }
    await workers.stop();
    const database = await duckdb();
    for (const measure of later) await measure(database);
    return ratios;
  } finally {
    rmSync(folder, { recursive: true });
  }
}

type Terms = readonly ['all' | 'high', number];

/** A worker a thread, each with its share of the meters in its own memory. */
async function crew(file: string) {
  const share = METERS / THREADS;
  const workers = Array.from(
    { length: THREADS },
    (_, i) =>
      new Worker(new URL('./kernel-worker.js', import.meta.url), { workerData: { file, first: i * share, meters: share } }),
  );
  const said = (worker: Worker) => once(worker, 'message'); // an error of the worker rejects
  const tell = (terms: Terms, asked: boolean): Promise<unknown[][]> => {
    const done = Promise.all(workers.map(said));
    for (const worker of workers) worker.postMessage([...terms, asked]);
    return done;
  };
  await Promise.all(workers.map(said));
  return {
    run: async (terms: Terms): Promise<Took> => {
      const [start, used] = [performance.now(), process.cpuUsage()];
      await tell(terms, false);
      const { user, system } = process.cpuUsage(used);
      return { processor: (user + system) / 1000 / THREADS, clock: performance.now() - start };
    },
    check: async (terms: Terms, { baselineTotalWh, deliveredTotalWh }: Said): Promise<void> => {
      for (const [i, [found]] of (await tell(terms, true)).entries())
        for (const [name, column] of [baselineTotalWh, deliveredTotalWh].entries())
          for (let m = 0; m < share; m++)
            if (!Object.is((found as Float64Array[])[name]![m], column[i * share + m]))
              throw new Error(`worker ${i}, meter ${i * share + m}: differs from the one thread`);
    },
    stop: () => Promise.all(workers.map((worker) => worker.terminate())),
  };
}

function saidOf({ stride, baselineTotalWh, deliveredTotalWh, baselineWh, deliveredWh }: BatchAnswers): Said {
  const dense = (column: Int32Array): Int32Array => {
    const rows = new Int32Array(EVENT_SLOTS * METERS);
    for (let s = 0; s < EVENT_SLOTS; s++) rows.set(column.subarray(s * stride, s * stride + METERS), s * METERS);
    return rows;
  };
  return {
    baselineTotalWh: baselineTotalWh.slice(),
    deliveredTotalWh: deliveredTotalWh.slice(),
    baselineWh: dense(baselineWh),
    deliveredWh: dense(deliveredWh),
  };
}

function ran(work: () => unknown): Took {
  const [start, used] = [performance.now(), process.cpuUsage()];
  work();
  const { user, system } = process.cpuUsage(used);
  return { processor: (user + system) / 1000, clock: performance.now() - start };
}

const shown = ({ processor, clock }: Took): string => `${processor.toFixed(1)} [${clock.toFixed(1)}] ms`;
const machine = (): string =>
  `${cpus().length} × ${cpus()[0]?.model.trim()}, Node ${process.version}, load ${loadavg()[0]!.toFixed(1)}`;

if (process.argv[1] === fileURLToPath(import.meta.url)) await kernelBench(console.log);
