import type { Logger } from 'pino';
import { Refusal } from '../domain/outcome.ts';
import { missing } from './expect.ts';
import type { JetStream } from './jetstream.ts';
import type { KeptTls } from './renewal.ts';
import type { Database } from './room.ts';

/** Something this process cannot work without; `ask` throws while it is away. */
export type Dependency = { readonly name: string; ask(): Promise<unknown> };
export type Readiness = { stop(): void };

const ASK_MS = 1000;
const ANSWER_WITHIN_MS = 2000;

/**
 * Asks every second whether the dependencies answer, and says so to the health service: NOT_SERVING while one is away, SERVING again
 * when it is back. The log has one line for each change: which one, what was expected, what to do.
 */
export function watchDependencies(all: readonly Dependency[], ready: (serving: boolean) => void, log: Logger): Readiness {
  const away = new Map<string, string>();
  let timer: NodeJS.Timeout | undefined;
  let stopped = false;
  const look = async (): Promise<void> => {
    for (const { name, ask } of all) {
      const why = await problem(ask);
      if (why === null && away.delete(name)) log.info({ dependency: name }, 'is back');
      if (why === null || away.has(name)) continue;
      away.set(name, why);
      log.error({ dependency: name, why }, 'is away; not ready until it is back');
    }
    if (stopped) return;
    ready(away.size === 0);
    timer = setTimeout(() => void look(), ASK_MS);
    timer.unref();
  };
  void look();
  return {
    stop: () => {
      stopped = true;
      clearTimeout(timer);
      ready(false); // who asks from now on is sent to another instance
    },
  };
}

/** What every process of rooms stands on. */
export const ownDependencies = (own: Database, tls: KeptTls | null, jetstream: JetStream | null): Dependency[] => [
  { name: 'PostgreSQL', ask: () => own.query('select 1') },
  {
    name: 'certificate',
    ask: async () => {
      const why = tls?.problem() ?? null;
      if (why !== null) throw new Refusal('unavailable', 'certificate_expired', why);
    },
  },
  {
    name: 'NATS',
    // Once it was reached, its absence stops nothing: followers list from the outbox.
    ask: async () => {
      const why = jetstream?.unusable() ?? null;
      if (why !== null) throw new Refusal('unavailable', 'nats_unusable', why);
    },
  },
];

/** Null when it answers in time; else what is wrong, what was expected and what to do. */
export async function problem(ask: () => Promise<unknown>): Promise<string | null> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, fail) => {
    timer = setTimeout(
      () => fail(Object.assign(new Error(`no answer within ${ANSWER_WITHIN_MS} ms`), { code: 'ETIMEDOUT' })),
      ANSWER_WITHIN_MS,
    );
  });
  try {
    await Promise.race([ask(), late]);
    return null;
  } catch (error) {
    return missing(error) ?? (error as Error).message;
  } finally {
    clearTimeout(timer);
  }
}
