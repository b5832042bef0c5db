import { Worker } from 'node:worker_threads';
import type { Answer, Errand, WorkerSetting } from './worker.ts';

// Threads run compiled code also when this file is read as TypeScript.
const WORKER = import.meta.url.endsWith('.ts')
  ? new URL('../../dist/services/state/worker.js', import.meta.url)
  : new URL('./worker.js', import.meta.url);

export type Crew = {
  /** Has every errand done, a shard at a time by whoever is free. `done` hears of each. Throws Error of the first that failed. */
  perform<H>(errands: readonly Errand[], done: (head: H) => void): Promise<void>;
  stop(): Promise<void>;
};

/** Threads that share nothing. */
export function openCrew(setting: WorkerSetting, threads: number): Crew {
  const workers = Array.from({ length: threads }, () => new Worker(WORKER, { workerData: setting }));
  return {
    perform: async (errands, done) => {
      let next = 0;
      await Promise.all(
        workers.map(async (worker) => {
          while (next < errands.length) {
            const errand = errands[next++]!;
            const answer = await new Promise<Answer>((hear, fail) => {
              worker.once('message', hear);
              worker.once('error', fail);
              worker.postMessage(errand);
            });
            worker.removeAllListeners('error');
            if ('error' in answer) {
              next = errands.length;
              throw new Error(answer.error);
            }
            done(answer.head as never);
          }
        }),
      );
    },
    stop: async () => void (await Promise.all(workers.map((worker) => worker.terminate()))),
  };
}
