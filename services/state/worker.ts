import { parentPort, workerData } from 'node:worker_threads';
import { coreBytes } from '../host/core-file.ts';
import { loadKernel } from '../performance/kernel.ts';
import { seedShard } from './seed-shard.ts';
import { settleShard } from './settle-shard.ts';
import { type Ground, groundOf, type MeasuredHead, measureShard, type SettledHead, type Settling } from './shard-work.ts';
import type { Town } from './town.ts';

/** What one thread is asked, a shard at a time. Its memory is its own, kept for life. */
export type Errand =
  | { readonly kind: 'seed'; readonly shard: number; readonly lookBack: number }
  | { readonly kind: 'measure'; readonly shard: number }
  | { readonly kind: 'settle'; readonly shard: number; readonly settling: Settling };
export type Answer = { readonly shard: number; readonly head: null | MeasuredHead | SettledHead } | { readonly error: string };
export type WorkerSetting = { readonly town: Town; readonly folder: string };

const { town, folder } = workerData as WorkerSetting;
let ground: Promise<Ground> | null = null;
const grounded = (): Promise<Ground> => (ground ??= loadKernel(coreBytes()).then((kernel) => groundOf(town, kernel, folder)));

async function run(errand: Errand): Promise<Answer> {
  const { kind, shard } = errand;
  try {
    if (kind === 'seed') {
      seedShard(town, folder, shard, errand.lookBack);
      return { shard, head: null };
    }
    if (kind === 'measure') return { shard, head: measureShard(town, folder, shard, await grounded()) };
    return { shard, head: settleShard(town, folder, shard, errand.settling, await grounded()) };
  } catch (error) {
    return { error: `shard ${shard}: ${(error as Error).message}` };
  }
}

parentPort!.on('message', (errand: Errand) => void run(errand).then((answer) => parentPort!.postMessage(answer)));
