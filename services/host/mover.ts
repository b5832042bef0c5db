import { setTimeout as pause } from 'node:timers/promises';
import type { Logger } from 'pino';
import { ClockAgent } from '../../gen/lachak/v1/host_pb.ts';
import type { Instant } from '../domain/interval.ts';
import { Refusal } from '../domain/outcome.ts';
import type { Agenda, Wake } from './clock.ts';
import type { FactEngine } from './facts.ts';
import { type Binding, bind, type Client } from './room.ts';

/** One process, as the conductor of a stepped clock moves it. */
export type Mover = {
  /** Takes the instant; nothing that is due is done yet. */
  stand(at: Instant): Promise<void>;
  /** Does what is due until nothing is; true when something was. */
  runDue(): Promise<boolean>;
  /** Parties answer the instant. */
  settle(at: Instant): Promise<void>;
  look(withNext?: boolean): Promise<Look>;
};
export type Look = {
  /** No due work, no call and no fact is being worked on. */
  readonly still: boolean;
  /** Changes whenever a fact was published, numbered or handled. */
  readonly mark: string;
  /** Changes whenever anything was done: two looks that agree on it, and on being still, prove that all was still between them. */
  readonly activity: string;
  readonly waiting: readonly string[];
  /** When work falls due next, if asked for; null: nothing is planned. */
  readonly next: Instant | null;
  /** Asked for, and no work is due by now; false: perhaps some is. */
  readonly nothingDue: boolean;
};
/** How busy a process is with calls; calls to its clock agent aside. */
export type Calls = { inFlight(): number; served(): number };

export type Here = {
  readonly agenda: Agenda;
  readonly now: () => Instant;
  readonly stand: (at: Instant) => void;
  readonly stirs: ReadonlySet<Promise<void>>;
  readonly facts: FactEngine;
  readonly calls: Calls;
  readonly log: Logger;
};

/** This process. */
export function moverHere({ agenda, now, stand, stirs, facts, calls, log }: Here): Mover {
  let runs = 0;
  return {
    stand: async (at) => stand(at),
    runDue: async () => {
      const ran = await runDue(agenda.wakes, now, log);
      if (ran) runs++;
      return ran;
    },
    settle: async (at) => void (await Promise.all(agenda.parties.map(({ settle }) => settle(at)))),
    look: async (withNext = false) => {
      const seen = facts.handled.count;
      const [lag, dues] = await Promise.all([facts.lag(), Promise.all(withNext ? agenda.wakes.map((wake) => wake.next()) : [])]);
      const inFlight = calls.inFlight();
      const planned = dues.filter((due) => due !== null && due > now()) as Instant[];
      return {
        // Whatever starts after this look would have come from something that was still moving when we looked.
        still: stirs.size === 0 && inFlight === 0 && lag.settled && facts.handled.count === seen,
        mark: lag.mark,
        activity: `${runs}/${calls.served()}/${facts.handled.count}`,
        waiting: inFlight > 0 ? [...lag.waiting, `${inFlight} calls are being answered`] : lag.waiting,
        next: planned.length === 0 ? null : Math.min(...planned),
        nothingDue: withNext && dues.every((due) => due === null || due > now()),
      };
    },
  };
}

/** Another process, by its agent. One that is away, or starts again, is waited for. */
export function moverThere(name: string, agent: Client<typeof ClockAgent>): Mover {
  const options = { discom: '*', deadlineMs: 60_000 };
  const patiently = async <T>(ask: () => Promise<T>): Promise<T> => {
    for (const end = Date.now() + 60_000; ; ) {
      try {
        return await ask();
      } catch (error) {
        if (!(error instanceof Refusal && error.kind === 'unavailable') || Date.now() > end) throw error;
        await pause(100);
      }
    }
  };
  return {
    stand: async (at) => void (await patiently(() => agent.stand({ atMs: BigInt(at) }, options))),
    runDue: async () => (await patiently(() => agent.runDue({}, options))).ran,
    settle: async (at) => void (await patiently(() => agent.settle({ atMs: BigInt(at) }, options))),
    look: async (withNext = false) => {
      const { hasNext, nextMs, waiting, ...look } = await patiently(() => agent.look({ withNext }, options));
      return { ...look, waiting: waiting.map((what) => `${name}: ${what}`), next: hasNext ? Number(nextMs) : null };
    },
  };
}

/** What other processes' conductor calls. */
export const agentBinding = (mover: Mover): Binding => ({
  ...bind(ClockAgent, {
    stand: async ({ atMs }) => mover.stand(Number(atMs)).then(() => ({})),
    runDue: async () => ({ ran: await mover.runDue() }),
    settle: async ({ atMs }) => mover.settle(Number(atMs)).then(() => ({})),
    look: async ({ withNext }) => {
      const { next, waiting, ...look } = await mover.look(withNext);
      return { ...look, waiting: [...waiting], hasNext: next !== null, nextMs: BigInt(next ?? 0) };
    },
  }),
  aside: true,
});

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
