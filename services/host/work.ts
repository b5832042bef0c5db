import { setTimeout as pause } from 'node:timers/promises';
import type { Logger } from 'pino';
import { killPoint } from './faults.ts';
import type { Queue, Work } from './room.ts';
import { Signal } from './signal.ts';

/** What brings tasks to instances: at least once each, to one holder at a time as long as it gives signs of life. */
export type TaskCarrier = {
  /** Tasks that are carried already stay as they are; those offered `again` are known to be lost. Rejects while the carrier is away. */
  offer(tasks: readonly string[], again: boolean): Promise<void>;
  /** Nothing waits, and nobody holds anything. Rejects while the carrier is away. */
  idle(): Promise<boolean>;
  /** A task for this process, or null when none came within about a second, or `signal` was aborted. */
  take(signal: AbortSignal): Promise<Held | null>;
};
export type Held = {
  readonly task: string;
  /** A sign of life: without one for so long as a silent holder is believed the task goes to another instance. */
  extend(): Promise<void>;
  done(): Promise<void>;
  /** Given back for anybody to take. */
  release(): Promise<void>;
};

const LOOK_MS = 250;
/** How long a carrier must have been idle with something left before that is taken for lost. */
const LOST_MS = 2000;
const AGAIN_MS = 1000;

export type RoomWork = Work & {
  /** From here on tasks are taken. Call when all rooms have started. */
  begin(): void;
  /** Tasks that ended here. */
  readonly ended: Readonly<Record<'done' | 'failed', number>>;
  /** Takes no more; what is in hand is finished, or given back when `withinMs` have passed. */
  stop(withinMs: number): Promise<void>;
};

/** The queues of one room in this process. `carrierOf` opens the carrier of a queue, which believes a silent holder for `heldMs`. */
export function openWork(carrierOf: (queue: string) => TaskCarrier, heldMs: number, log: Logger): RoomWork {
  const stopping = new AbortController();
  const { signal } = stopping;
  const pulls: (() => Promise<void>)[] = [];
  const ended = { done: 0, failed: 0 };
  let loops: Promise<void>[] = [];
  /** With what says that they live. */
  const inHand = new Map<Held, NodeJS.Timeout>();

  const queue = (name: string, run: (task: string) => Promise<void>): Queue => {
    const carrier = carrierOf(name);
    const ran = new Signal();

    const perform = async (held: Held): Promise<void> => {
      const pulse = setInterval(() => void held.extend().catch(() => {}), heldMs / 4);
      inHand.set(held, pulse);
      try {
        killPoint('work.taken');
        await run(held.task);
        if (inHand.has(held)) await held.done();
        ended.done++;
      } catch (error) {
        ended.failed++;
        log.error({ queue: name, task: held.task, error }, 'a task failed; it is given back');
        await held.release().catch(() => {});
        await pause(AGAIN_MS, undefined, { signal }).catch(() => {});
      } finally {
        clearInterval(pulse);
        inHand.delete(held);
        ran.fire();
      }
    };
    const pull = async (): Promise<void> => {
      while (!signal.aborted) {
        try {
          const held = await carrier.take(signal);
          if (held && signal.aborted) await held.release();
          else if (held) await perform(held);
        } catch (error) {
          if (signal.aborted) return;
          log.warn({ queue: name, reason: (error as Error).message }, 'no task can be taken; it is tried again');
          await pause(AGAIN_MS, undefined, { signal }).catch(() => {});
        }
      }
    };
    pulls.push(pull);

    /** Offers what was not offered yet, or was lost with a server. A new holder of the duty offers what the one before had offered. */
    const offer = async (tasks: readonly string[], offered: Set<string>, since: number): Promise<void> => {
      const fresh = tasks.filter((task) => !offered.has(task));
      const lost = fresh.length === 0 && Date.now() - since > LOST_MS && (await carrier.idle());
      if (fresh.length > 0 || lost) await carrier.offer(lost ? tasks : fresh, lost);
      for (const task of fresh) offered.add(task);
    };

    return {
      complete: async (left) => {
        const offered = new Set<string>();
        for (let [before, since] = [0, Date.now()]; ; ) {
          const seen = ran.count;
          if (signal.aborted) return false;
          const tasks = await left();
          if (tasks.length === 0) return true;
          if (tasks.length !== before) [before, since] = [tasks.length, Date.now()];
          try {
            await offer(tasks, offered, since);
            await ran.beyond(seen, LOOK_MS);
          } catch (error) {
            // Nobody else can be asked: the work goes on here.
            log.warn({ queue: name, reason: (error as Error).message }, 'tasks cannot be offered; this instance does one itself');
            await run(tasks[0]!);
          }
        }
      },
    };
  };

  return {
    queue,
    ended,
    begin: () => {
      loops = pulls.map((pull) => pull());
    },
    stop: async (withinMs) => {
      stopping.abort();
      await Promise.race([Promise.all(loops), pause(withinMs)]);
      const late = [...inHand];
      inHand.clear();
      // What is given back gives no more signs of life.
      for (const [, pulse] of late) clearInterval(pulse);
      await Promise.all(late.map(([held]) => held.release().catch(() => {})));
    },
  };
}
