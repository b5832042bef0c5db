import { setTimeout as pause } from 'node:timers/promises';
import type pg from 'pg';
import type { Logger } from 'pino';
import { type Databases, prepared } from './database.ts';
import { killPoint } from './faults.ts';
import { newId } from './ids.ts';
import type { RoomName } from './room.ts';
import { inTurn, Signal } from './signal.ts';

/** NOTIFY channels; the payload is the room. */
export const WRITTEN = 'lachak_written';
const NUMBERED = 'lachak_numbered';
const POLL_MS = 500;

export type Relay = {
  /** Fires whenever facts of the room have been numbered, here or in another process. */
  numbered(room: RoomName): Signal;
  /** True while this process numbers the room's facts. */
  leads(room: RoomName): boolean;
  start(): Promise<void>;
  stop(): Promise<void>;
};

/**
 * Numbers committed facts 1, 2, 3 …: one leader per room, by a session lock on the very connection that numbers, so a leader that
 * lost its connection cannot number. A transaction that commits late is numbered late: no reader by position skips it.
 */
export function openRelay(databases: Databases, rooms: () => Iterable<RoomName>, log: Logger): Relay {
  const signals = new Map<RoomName, Signal>();
  const numbered = (room: RoomName): Signal => {
    const found = signals.get(room) ?? new Signal();
    signals.set(room, found);
    return found;
  };
  const leads = new Set<RoomName>();
  const busy = new Map<RoomName, { again: boolean }>();
  let client: pg.Client | null = null;
  const turn = inTurn(); // one connection, one statement at a time
  let stopped = false;
  let poll: NodeJS.Timeout | undefined;

  const connect = async (): Promise<void> => {
    const fresh = await databases.dedicated();
    fresh.on('notification', ({ channel, payload }) => {
      const room = payload as RoomName;
      if (channel === NUMBERED) numbered(room).fire();
      else void number(room);
    });
    fresh.once('end', () => {
      client = null;
      leads.clear();
      if (!stopped) void reconnect();
    });
    await fresh.query(`listen ${WRITTEN}`);
    await fresh.query(`listen ${NUMBERED}`);
    client = fresh;
  };

  const reconnect = async (): Promise<void> => {
    for (let attempt = 0; !stopped; attempt++) {
      try {
        return await connect();
      } catch (error) {
        log.warn({ error: (error as Error).message }, 'the relay lost the database; connecting again');
        await pause(Math.min(5000, 100 * 2 ** attempt));
      }
    }
  };

  const number = async (room: RoomName): Promise<void> => {
    const running = busy.get(room);
    if (running) {
      running.again = true;
      return;
    }
    const mine = { again: true };
    busy.set(room, mine);
    try {
      while (mine.again && client && !stopped && [...rooms()].includes(room)) {
        mine.again = false;
        const on: pg.Client = client;
        if (!(await lead(room, on))) break;
        killPoint('relay.before_numbering');
        const { rows } = await turn(() => on.query(prepared(numberStatement(room), [room, BATCH])));
        if (rows.length === 0) break;
        killPoint('relay.after_numbering');
        mine.again ||= rows[0].numbered === BigInt(BATCH);
      }
    } catch (error) {
      if (!stopped) log.warn({ room, error: (error as Error).message }, 'numbering facts failed; it is tried again');
    } finally {
      busy.delete(room);
    }
  };

  const lead = async (room: RoomName, on: pg.Client): Promise<boolean> => {
    if (leads.has(room)) return true;
    const { rows } = await turn(() =>
      on.query('select pg_try_advisory_lock(hashtextextended($1, 0)) as leads', [`lachak.relay.${room}`]),
    );
    if (!rows[0].leads) return false;
    await turn(() => on.query(beginStatement(room), [newId()]));
    leads.add(room);
    return true;
  };

  const tick = () => {
    for (const room of rooms()) void number(room);
  };

  return {
    numbered,
    leads: (room) => leads.has(room),
    start: async () => {
      await connect();
      poll = setInterval(tick, POLL_MS);
      tick();
    },
    stop: async () => {
      stopped = true;
      clearInterval(poll);
      await client?.end().catch(() => {});
    },
  };
}

const BATCH = 2000;

// A leader begins a stretch of its own; one in which nothing was numbered leaves no trace.
const beginStatement = (room: RoomName) => `
  update ${room}.relay set stretch = $1, stretches = case
    when jsonb_array_length(stretches) > 1 and (stretches->-1->>1)::bigint = last_position then stretches - -1 else stretches end ||
    jsonb_build_array(jsonb_build_array($1::text, last_position::text))`;

// One statement: the committed rows without a number, in the order they were written, get the next numbers and their partitions.
const numberStatement = (room: RoomName) => `
  with fresh as (
    select row_id, row_number() over (order by row_id) as n
    from (select row_id from ${room}.outbox where position is null order by row_id limit $2) unnumbered
  ), done as (
    update ${room}.outbox o set position = r.last_position + f.n, partition = get_byte(sha256(convert_to(o.key, 'UTF8')), 0) & 63
    from fresh f, ${room}.relay r
    where o.row_id = f.row_id and o.position is null
    returning o.position
  ), head as (
    update ${room}.relay set last_position = (select max(position) from done)
    where exists (select 1 from done)
    returning last_position
  )
  select (select count(*) from done) as numbered, pg_notify('${NUMBERED}', $1) from head`;
