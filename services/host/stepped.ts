import { setTimeout as pause } from 'node:timers/promises';
import type { Logger } from 'pino';
import type { Instant } from '../domain/interval.ts';
import { Refusal } from '../domain/outcome.ts';
import { openAgenda, type RunningClock, type Wake } from './clock.ts';
import { alone, type Duty } from './duty.ts';
import type { FactEngine } from './facts.ts';
import { type Calls, type Mover, moverHere } from './mover.ts';
import type { Database } from './room.ts';
import { inTurn } from './signal.ts';

export type Conductor = RunningClock & {
  /**
   * Moves domain time to `until`, stopping at every due instant and at least every `maxStepMs` (0: no cap). At each: what is due
   * runs, facts settle, simulators answer, until nothing moves any more. Yields each instant once it is quiet.
   */
  advance(until: Instant, maxStepMs: number, signal?: AbortSignal): AsyncGenerator<Instant, void>;
  /** Resolves when nothing is due, in flight or unhandled at this instant. Throws Refusal `not_settling` after `withinMs` of wall time. */
  settled(withinMs?: number): Promise<void>;
  steps(): number;
};

export type World = {
  readonly host: Database;
  readonly facts: FactEngine;
  readonly calls: Calls;
  readonly log: Logger;
  readonly duty: Duty;
};
/** A stepped clock in this process: moved by its own conductor, or by one elsewhere through `mover`. */
export type Stepped = {
  readonly clock: RunningClock;
  readonly mover: Mover;
  conductor(others: () => readonly Mover[]): Conductor;
};

/**
 * Domain time that moves only when told to, and is where it was after a restart. `conducts`: this process writes down where it stands;
 * others read it.
 */
export async function steppedClock(
  host: Database,
  start: Instant,
  log: Logger,
  { duty = alone, conducts = true }: { duty?: Duty; conducts?: boolean } = {},
): Promise<(world: Omit<World, 'host' | 'log' | 'duty'>) => Stepped> {
  if (conducts) await host.query('insert into clock (now_ms) values ($1) on conflict do nothing', [start]);
  const [row] = await host.query<{ now_ms: bigint }>('select now_ms from clock');
  const standing = row ? Number(row.now_ms) : start; // nobody has conducted yet
  return (world) => stepped(standing, { ...world, host, log, duty });
}

function stepped(standing: Instant, world: World): Stepped {
  const { facts, calls, log, duty } = world;
  let at = standing;
  let begun = false;
  const now = () => at;
  const stirs = new Set<Promise<void>>();

  // What is stirred runs at this instant when it is due now; what is due later waits for its step.
  const stir = (wake: Wake): void => {
    if (!begun) return;
    const work: Promise<void> = wake
      .runDue(now)
      .catch((error) => log.error({ wake: wake.name, error }, 'due work failed; the next step tries again'))
      .then(() => void stirs.delete(work));
    stirs.add(work);
  };
  const agenda = openAgenda(now, true, stir, duty);
  const stand = (next: Instant) => {
    at = Math.max(at, next);
  };
  const mover = moverHere({ agenda, now, stand, stirs, facts, calls, log });
  const clock: RunningClock = {
    agenda,
    now,
    stepped: true,
    begin: () => {
      begun = true;
      for (const wake of agenda.wakes) stir(wake);
    },
    stir: (named) => {
      for (const wake of agenda.wakes) if (named(wake.name)) stir(wake);
    },
    stop: async () => {
      begun = false;
      await Promise.race([Promise.all(stirs), pause(3000)]);
    },
  };
  return { clock, mover, conductor: (others) => conductor(clock, mover, others, world) };
}

function conductor(clock: RunningClock, here: Mover, others: () => readonly Mover[], { host, facts, log }: World): Conductor {
  const { now } = clock;
  const moving = inTurn();
  let steps = 0;
  // Those upstream first, as in one process.
  const movers = (): readonly Mover[] => [...others(), here];

  const quiet = async (withinMs: number): Promise<string> => {
    const end = Date.now() + withinMs;
    const all = movers();
    let before: string | null = null;
    for (let rounds = 0; ; rounds++) {
      const seen = facts.handled.count;
      let ran = false;
      // Alone, what is due is asked for as it is done. Of several, all are asked at once who has something to do, and those do it in turn.
      const asked = all.length === 1 ? [] : await Promise.all(all.map((mover) => mover.look(true)));
      for (const [i, mover] of all.entries()) if (!asked[i]?.nothingDue) ran = (await mover.runDue()) || ran;
      const looks = all.length === 1 ? [await here.look()] : asked;
      const waiting = looks.flatMap((look) => look.waiting);
      // A fact handled since due work was asked for may have made some due.
      if (!ran && facts.handled.count === seen && looks.every(({ still }) => still)) {
        // One process sees all of itself at once; several must be found still twice, with nothing done in between.
        const activity = looks.map((look) => look.activity).join(' ');
        if (all.length === 1 || activity === before) return looks.map(({ mark }) => mark).join(' ');
        before = activity;
        continue;
      }
      before = null;
      if (Date.now() > end) throw notSettling(waiting, withinMs);
      if (!ran) await facts.handled.beyond(seen, 3);
      if (rounds === 2000) log.warn({ waiting }, 'the clock is waiting');
    }
  };

  // Parties are asked again as long as their answers set something in motion.
  const still = async (withinMs: number): Promise<void> => {
    for (let mark = await quiet(withinMs); ; ) {
      await Promise.all(movers().map((mover) => mover.settle(now())));
      const after = await quiet(withinMs);
      if (after === mark) return;
      mark = after;
    }
  };

  const nextInstant = async (until: Instant, maxStepMs: number): Promise<Instant> => {
    const at = now();
    const looks = await Promise.all(movers().map((mover) => mover.look(true)));
    const cap = maxStepMs > 0 ? at + maxStepMs : until;
    return looks.reduce<Instant>(
      (first, { next }) => (next !== null && next > at && next < first ? next : first),
      Math.min(until, cap),
    );
  };

  const step = async (until: Instant, maxStepMs: number): Promise<void> => {
    const next = await nextInstant(until, maxStepMs);
    await host.query('update clock set now_ms = $1', [next]); // before anybody acts on it: a killed process resumes here
    await Promise.all(movers().map((mover) => mover.stand(next)));
    steps++;
    await still(SETTLE_WITHIN_MS);
  };

  return {
    ...clock,
    steps: () => steps,
    settled: (withinMs = SETTLE_WITHIN_MS) => moving(() => quiet(withinMs)).then(() => {}),
    advance: async function* (until, maxStepMs, signal) {
      await moving(() => still(SETTLE_WITHIN_MS));
      while (now() < until && !signal?.aborted) {
        await moving(async () => {
          if (now() < until) await step(until, maxStepMs);
        });
        yield now();
      }
    },
  };
}

const SETTLE_WITHIN_MS = 60_000;

function notSettling(waiting: readonly string[], withinMs: number): Refusal {
  return new Refusal(
    'unavailable',
    'not_settling',
    `still moving after ${withinMs} ms: ${waiting.join('; ') || 'due work keeps coming'}`,
  );
}
