import { availableParallelism } from 'node:os';
import { Worker } from 'node:worker_threads';
import { sha256 } from '../host/ids.ts';
import { type DayLaid, type DayToLay, layDay } from './lay.ts';
import { dayRoot } from './root-service.ts';

/** Lays days, several at a time. */
export type Crew = {
  /** How many days are worth having under way at a time. */
  readonly hands: number;
  lay(day: DayToLay): Promise<DayLaid>;
  stop(): Promise<void>;
};
export type DayAnswer = { readonly laid: DayLaid } | { readonly error: string };

// Threads run compiled code also when this file is read as TypeScript.
const THREAD = import.meta.url.endsWith('.ts')
  ? new URL('../../dist/services/metering/crew-service-thread.js', import.meta.url)
  : new URL('./crew-service-thread.js', import.meta.url);
/** Cells of a day below which a thread is not worth its message. */
const CELLS_LEAST = 1 << 15;

/** Threads start when the first large day comes, and stay: one a processor, for the main thread then only waits. */
export function openCrew(hands = availableParallelism()): Crew {
  const threads = new Set<Thread>();
  const free = (): Thread => {
    const idlest = [...threads].sort((a, b) => a.asked.length - b.asked.length)[0];
    if (idlest && (idlest.asked.length === 0 || threads.size >= hands)) return idlest;
    const thread = openThread(() => threads.delete(thread));
    threads.add(thread);
    return thread;
  };
  return {
    hands,
    lay: async (day) => (day.name.slots * day.name.meters < CELLS_LEAST ? layDay(day, { sha256, dayRoot }) : free().lay(day)),
    stop: async () => void (await Promise.all([...threads].map(({ worker }) => worker.terminate()))),
  };
}

/** What it was asked and has not answered, in order: a thread does one after the other. */
type Asked = { done(laid: DayLaid): void; fail(error: Error): void };
type Thread = { readonly worker: Worker; readonly asked: Asked[]; lay(day: DayToLay): Promise<DayLaid> };

function openThread(gone: () => void): Thread {
  const worker = new Worker(THREAD);
  // An idle thread keeps no process alive; one at work is waited for by its call.
  worker.unref();
  const asked: Asked[] = [];
  const failAll = (error: Error): void => {
    gone();
    for (const { fail } of asked.splice(0)) fail(error);
  };
  worker.on('message', (answer: DayAnswer) => {
    const { done, fail } = asked.shift()!;
    if (asked.length === 0) worker.unref();
    if ('error' in answer) fail(new Error(answer.error));
    else done(answer.laid);
  });
  worker.on('error', failAll);
  worker.on('exit', () => failAll(new Error('a thread that lays readings ended')));
  return {
    worker,
    asked,
    lay: (day) =>
      new Promise((done, fail) => {
        worker.ref();
        asked.push({ done, fail });
        worker.postMessage(day);
      }),
  };
}
