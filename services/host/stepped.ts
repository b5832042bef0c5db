import { setTimeout as pause } from 'node:timers/promises';
import type { Logger } from 'pino';
import type { Instant } from '../domain/interval.ts';
import { Refusal } from '../domain/outcome.ts';
import { openAgenda, type RunningClock, type Wake } from './clock.ts';
import { alone, type Duty } from './duty.ts';
import type { FactEngine } from './facts.ts';
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
  readonly inFlight: () => number;
  readonly log: Logger;
  readonly duty: Duty;
};

/** Domain time that moves only when told to, and is where it was after a restart. */
export async function steppedClock(
  host: Database,
  start: Instant,
  log: Logger,
  duty: Duty = alone,
): Promise<(world: Omit<World, 'host' | 'log' | 'duty'>) => Conductor> {
  await host.query('insert into clock (now_ms) values ($1) on conflict do nothing', [start]);
  const [row] = await host.query<{ now_ms: bigint }>('select now_ms from clock');
  const standing = Number(row!.now_ms);
  return (world) => conductor(standing, { ...world, host, log, duty });
}

function conductor(standing: Instant, { host, facts, inFlight, log, duty }: World): Conductor {
  let at = standing;
  let begun = false;
  let steps = 0;
  const now = () => at;
  const moving = inTurn();
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

  const quiet = async (withinMs: number): Promise<string> => {
    const end = Date.now() + withinMs;
    for (let rounds = 0; ; rounds++) {
      const ran = await runDue(agenda.wakes, now, log);
      const seen = facts.handled.count;
      const lag = await facts.lag();
      // Whatever starts after this look would have come from something that was still moving when we looked.
      if (!ran && stirs.size === 0 && inFlight() === 0 && lag.settled && facts.handled.count === seen) return lag.mark;
      if (Date.now() > end) throw notSettling(lag.waiting, inFlight(), withinMs);
      if (!ran) await facts.handled.beyond(seen, 3);
      if (rounds === 2000) log.warn({ waiting: lag.waiting, inFlight: inFlight() }, 'the clock is waiting');
    }
  };

  // Parties are asked again as long as their answers set something in motion.
  const still = async (withinMs: number): Promise<void> => {
    for (let mark = await quiet(withinMs); ; ) {
      await Promise.all(agenda.parties.map(({ settle }) => settle(at)));
      const after = await quiet(withinMs);
      if (after === mark) return;
      mark = after;
    }
  };

  const nextInstant = async (until: Instant, maxStepMs: number): Promise<Instant> => {
    const due = await Promise.all(agenda.wakes.map((wake) => wake.next()));
    const cap = maxStepMs > 0 ? at + maxStepMs : until;
    return due.reduce<Instant>(
      (first, next) => (next !== null && next > at && next < first ? next : first),
      Math.min(until, cap),
    );
  };

  const step = async (until: Instant, maxStepMs: number): Promise<void> => {
    const next = await nextInstant(until, maxStepMs);
    await host.query('update clock set now_ms = $1', [next]); // before anybody acts on it: a killed process resumes here
    at = next;
    steps++;
    await still(SETTLE_WITHIN_MS);
  };

  return {
    agenda,
    now,
    stepped: true,
    steps: () => steps,
    begin: () => {
      begun = true;
      for (const wake of agenda.wakes) stir(wake);
    },
    stir: (named) => {
      for (const wake of agenda.wakes) if (named(wake.name)) stir(wake);
    },
    settled: (withinMs = SETTLE_WITHIN_MS) => moving(() => quiet(withinMs)).then(() => {}),
    advance: async function* (until, maxStepMs, signal) {
      await moving(() => still(SETTLE_WITHIN_MS));
      while (at < until && !signal?.aborted) {
        await moving(async () => {
          if (at < until) await step(until, maxStepMs);
        });
        yield at;
      }
    },
    stop: async () => {
      begun = false;
      await Promise.race([Promise.all(stirs), pause(3000)]);
    },
  };
}

const SETTLE_WITHIN_MS = 60_000;

/** Runs what is due in every wake; a failure is tried three times, then it is the caller's to hear. */
async function runDue(wakes: readonly Wake[], now: () => Instant, log: Logger): Promise<boolean> {
  let ran = false;
  for (const wake of wakes) {
    for (let attempt = 1; ; attempt++) {
      try {
        ran = (await wake.runDue(now)) || ran;
        break;
      } catch (error) {
        log.error({ wake: wake.name, attempt, error }, 'due work failed');
        if (attempt === 3) throw error;
        await pause(50 * attempt);
      }
    }
  }
  return ran;
}

function notSettling(waiting: readonly string[], inFlight: number, withinMs: number): Refusal {
  const reasons = [...waiting, ...(inFlight > 0 ? [`${inFlight} calls are being answered`] : [])];
  return new Refusal(
    'unavailable',
    'not_settling',
    `still moving after ${withinMs} ms: ${reasons.join('; ') || 'due work keeps coming'}`,
  );
}
