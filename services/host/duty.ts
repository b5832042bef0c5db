import type pg from 'pg';
import type { Logger } from 'pino';
import type { RoomName } from './room.ts';
import { inTurn } from './signal.ts';

/** Whose turn it is to do a room's due work: of all instances of a room, one at a time. */
export type Duty = {
  has(room: string): boolean;
  /** What fell due here is another instance's to do: tells whoever has the duty. */
  pass(wake: string): void;
  /** `taken`: a room's duty is here now. `asked`: another instance passed this wake on. */
  start(heard: { taken(room: string): void; asked(wake: string): void }): Promise<void>;
  /** Hands all duties over: call when the work in hand is done. */
  stop(): Promise<void>;
};

/** A process that is alone in its folder has every duty. */
export const alone: Duty = { has: () => true, pass: () => {}, start: async () => {}, stop: async () => {} };

const PASSED = 'lachak_due';
const FREED = 'lachak_duty_freed';
/** How often a duty that another instance has is asked for; the holder's death frees it at once, its host's within seconds. */
const ASK_MS = 1000;

/**
 * A duty is a session lock in PostgreSQL: it ends with its holder, however that ends, and cannot be held twice. An instance that lost
 * its connection starts no more work; what it has in hand is harmless, since due work may be done again.
 */
export function sharedDuty(connect: () => Promise<pg.Client>, rooms: readonly RoomName[], log: Logger): Duty {
  const held = new Set<string>();
  const turn = inTurn(); // one connection, one statement at a time
  let client: pg.Client | null = null;
  let stopped = false;
  let timer: NodeJS.Timeout | undefined;
  let asking: Promise<void> = Promise.resolve();
  let heard: Parameters<Duty['start']>[0] = { taken: () => {}, asked: () => {} };

  const open = async (): Promise<pg.Client> => {
    const fresh = await connect();
    fresh.on('notification', ({ channel, payload }) => {
      if (channel === FREED) ask();
      else if (held.has(payload!.split('.')[0]!)) heard.asked(payload!);
    });
    fresh.once('end', () => {
      client = null;
      if (held.size > 0 && !stopped) log.warn({ rooms: [...held] }, 'lost the database, and with it the duty to do due work');
      held.clear();
    });
    await fresh.query(`listen ${PASSED}`);
    await fresh.query(`listen ${FREED}`);
    return fresh;
  };
  const told = (channel: string, what: string): Promise<unknown> =>
    turn(async () => client?.query('select pg_notify($1, $2)', [channel, what])).catch(() => {}); // else the next look finds it
  const look = async (): Promise<void> => {
    if (stopped) return;
    try {
      client ??= await open();
      for (const room of rooms) {
        if (held.has(room)) continue;
        const asked = [`lachak.duty.${room}`];
        const answer = await turn(async () =>
          client?.query('select pg_try_advisory_lock(hashtextextended($1, 0)) as mine', asked),
        );
        if (!answer?.rows[0].mine || !client) continue;
        held.add(room);
        log.debug({ room }, 'has the duty now');
        heard.taken(room);
      }
    } catch (error) {
      if (!stopped) log.debug({ error: (error as Error).message }, 'asking for the duty failed; it is asked again');
    }
  };
  const ask = (): void => {
    clearTimeout(timer);
    asking = asking.then(look).then(() => {
      clearTimeout(timer);
      if (!stopped) timer = setTimeout(ask, ASK_MS);
    });
  };

  return {
    has: (room) => held.has(room),
    pass: (wake) => void told(PASSED, wake),
    start: async (listener) => {
      heard = listener;
      ask();
      await asking;
    },
    stop: async () => {
      stopped = true;
      clearTimeout(timer);
      await asking;
      held.clear();
      await turn(async () => client?.query('select pg_advisory_unlock_all()')).catch(() => {});
      await told(FREED, '');
      await client?.end().catch(() => {});
    },
  };
}
