import { mkdtempSync, rmSync } from 'node:fs';
import { cpus, tmpdir } from 'node:os';
import { join } from 'node:path';
import { runState } from '../services/state/run-state.ts';
import { makeTown, seedTown } from '../services/state/state-cli.ts';
import { shardsOf } from '../services/state/town.ts';

/*
 * How long does a state's settlement take, from tiles to posted control totals, result files, bill credits and signed root? Beside it, in
 * the same run, the same state with a tenth of the meters: time should be linear, memory flat. Seeding is not counted.
 * Repeat: npm run bench -- state [LACHAK_METERS=12500000]
 */
export async function stateBench(print: (line: string) => void): Promise<Record<string, number>> {
  const meters = Number(process.env.LACHAK_METERS ?? 1_000_000);
  const root = mkdtempSync(join(process.env.LACHAK_BENCH_FOLDER ?? tmpdir(), 'lachak-bench-'));
  const threads = cpus().length;
  try {
    const timed = async (count: number) => {
      const folder = join(root, String(count));
      const town = makeTown(count, 1);
      await seedTown(town, folder, threads, () => {});
      const began = performance.now();
      let measured = 0;
      const run = await runState(town, folder, threads, (phase, done, of) => {
        if (phase === 'measuring' && done === of) measured = performance.now() - began;
      });
      const seconds = (performance.now() - began) / 1000;
      rmSync(folder, { recursive: true, force: true });
      return { seconds, measured: measured / 1000, run, shards: shardsOf(town), rss: process.memoryUsage().rss / 2 ** 20 };
    };
    const small = await timed(Math.max(1, Math.round(meters / 10)));
    const large = await timed(meters);
    const linear = large.seconds / 10 / small.seconds;
    print(
      `state: ${meters.toLocaleString('en-IN')} meters in ${large.shards} shards, tiles to root ${large.seconds.toFixed(1)} s (measuring ${large.measured.toFixed(1)} s), ` +
        `${((1e6 * large.seconds) / meters).toFixed(1)} µs a meter, ${linear.toFixed(2)} × a tenth of it times ten (${small.seconds.toFixed(2)} s); ` +
        `memory ${large.rss.toFixed(0)} MiB after, ${small.rss.toFixed(0)} MiB after the tenth ` +
        `(goals: 1 million ≤ 8 s, 12.5 million ≤ 90 s; ${threads} × ${cpus()[0]?.model.trim()}, Node ${process.version})`,
    );
    return { seconds: large.seconds, linear, memory: large.rss / small.rss };
  } finally {
    rmSync(root, { recursive: true, force: true });
  }
}
