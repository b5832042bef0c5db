import { setTimeout as pause } from 'node:timers/promises';
import type { Logger } from 'pino';
import type { Instant } from '../domain/interval.ts';
import { alone, type Duty } from './duty.ts';
import type { Clock, Waker } from './room.ts';
import { inTurn } from './signal.ts';

/** What is planned in domain time, and the rooms' view of the clock. */
export type Agenda = {
  /** The clock as one room sees it. */
  of(room: string): Clock;
  readonly wakes: readonly Wake[];
  readonly parties: readonly { readonly name: string; readonly settle: (now: Instant) => Promise<void> }[];
};
export type Wake = {
  /** `<room>.<name>` */
  readonly name: string;
  /** Null also when the work is another instance's to do. */
  next(): Promise<Instant | null>;
  /** Runs what is due until nothing is; true when something was. Never twice at once. */
  runDue(now: () => Instant): Promise<boolean>;
};

// Work that is still due after so many runs at one instant never gets done.
const RUNS_AT_ONE_INSTANT = 1000;

/** `stirred` hears of every stir and every new wake; what is another instance's to do is passed on to it. */
export function openAgenda(now: () => Instant, stepped: boolean, stirred: (wake: Wake) => void, duty: Duty = alone): Agenda {
  const wakes: Wake[] = [];
  const parties: Agenda['parties'][number][] = [];
  return {
    wakes,
    parties,
    of: (room) => ({
      now,
      stepped,
      wake: (name, work): Waker => {
        const mine = () => work.everywhere === true || duty.has(room);
        const wake = wakeOf(`${room}.${name}`, work, mine);
        wakes.push(wake);
        stirred(wake);
        return { stir: () => (mine() ? stirred(wake) : duty.pass(wake.name)) };
      },
      onStep: (name, settle) => void parties.push({ name: `${room}.${name}`, settle }),
    }),
  };
}

function wakeOf(name: string, work: Parameters<Clock['wake']>[1], mine: () => boolean): Wake {
  const turn = inTurn();
  const next = async () => (mine() ? work.next() : null);
  return {
    name,
    next,
    runDue: (now) =>
      turn(async () => {
        for (let runs = 0; ; runs++) {
          const at = now();
          const due = await next();
          if (due === null || due > at) return runs > 0;
          if (runs === RUNS_AT_ONE_INSTANT) throw new Error(`${name} says it is still due at ${due} after ${runs} runs at ${at}`);
          await work.run(at);
        }
      }),
  };
}

export type RunningClock = {
  readonly agenda: Agenda;
  now(): Instant;
  readonly stepped: boolean;
  /** From here on, work that falls due is run. Call when all rooms have started. */
  begin(): void;
  /** Looks again at the wakes so named: their work has become this process's to do. */
  stir(named: (wake: string) => boolean): void;
  stop(): Promise<void>;
};

// Longer sleeps are cut, so a wall clock that was set, or a laptop that slept, is noticed.
const LONGEST_SLEEP_MS = 15_000;

/** Domain time follows the wall. */
export function systemClock(log: Logger, duty: Duty = alone): RunningClock {
  const now = () => Date.now();
  const timers = new Map<Wake, NodeJS.Timeout>();
  const running = new Set<Promise<void>>();
  let begun = false;
  const plan = (wake: Wake, failures = 0): void => {
    if (!begun) return;
    const work = look(wake, failures).finally(() => running.delete(work));
    running.add(work);
  };
  const look = async (wake: Wake, failures: number): Promise<void> => {
    let delay: number;
    try {
      await wake.runDue(now);
      const next = await wake.next();
      delay = Math.max(0, Math.min(LONGEST_SLEEP_MS, (next ?? Number.POSITIVE_INFINITY) - now()));
      failures = 0;
    } catch (error) {
      log.error({ wake: wake.name, error }, 'due work failed; it is tried again');
      delay = Math.min(LONGEST_SLEEP_MS, 100 * 2 ** failures++);
    }
    if (!begun) return;
    clearTimeout(timers.get(wake));
    timers.set(
      wake,
      setTimeout(() => plan(wake, failures), delay),
    );
  };
  const agenda = openAgenda(now, false, (wake) => plan(wake), duty);
  return {
    agenda,
    now,
    stepped: false,
    begin: () => {
      begun = true;
      for (const wake of agenda.wakes) plan(wake);
    },
    stir: (named) => {
      for (const wake of agenda.wakes) if (named(wake.name)) plan(wake);
    },
    stop: async () => {
      begun = false;
      for (const timer of timers.values()) clearTimeout(timer);
      await Promise.race([Promise.all(running), pause(3000)]);
    },
  };
}
