import { create, fromBinary, toBinary } from '@bufbuild/protobuf';
import type { Logger } from 'pino';
import { type Fact, FactSchema } from '../../gen/lachak/v1/facts_pb.ts';
import type { Instant } from '../domain/interval.ts';
import type { Databases } from './database.ts';
import { killPoint } from './faults.ts';
import { openRelay, type Relay, WRITTEN } from './relay.ts';
import type { Database, FactHandlers, Facts, RoomName, Tx } from './room.ts';
import { inTurn, Signal } from './signal.ts';

/** The format number written into new facts; fields are only ever added. */
const FORMAT = 1;
const BATCH = 200;
const POLL_MS = 500;

export type Lag = {
  /** True when every fact is numbered and every follower here has handled every one. */
  readonly settled: boolean;
  /** Changes whenever a fact was published, numbered or handled. */
  readonly mark: string;
  /** For people: `dispatch has handled 12 of 14 facts of registry: <last error>`. */
  readonly waiting: readonly string[];
};
export type FactEngine = {
  of(room: RoomName, database: Database): Facts;
  /** Numbering begins: before the rooms start. */
  start(): Promise<void>;
  /** Handlers begin to be called: after the rooms have started. */
  begin(): void;
  /** Handlers are called no more: before the rooms stop. */
  rest(): Promise<void>;
  /** One snapshot over all rooms of this process, so nothing can hide between two looks. */
  lag(): Promise<Lag>;
  /** Fires when a fact was handled. */
  readonly handled: Signal;
  /** Facts of a room after a position, in order. */
  read(room: RoomName, after: bigint, limit: number): Promise<Fact[]>;
  stop(): Promise<void>;
};

/** Facts on PostgreSQL: an outbox per room, numbered by the relay, read by position; a cursor moves with the follower's own work. */
export function openFacts(databases: Databases, host: Database, now: () => Instant, log: Logger): FactEngine {
  const writers = new Map<RoomName, Database>();
  // Rooms that are only read here: their own process numbers their facts, and may be the only one that is let to.
  const elsewhere = new Set<RoomName>();
  const followers: Follower[] = [];
  const turns = new Map<RoomName, ReturnType<typeof inTurn>>();
  const handled = new Signal();
  const stopping = new AbortController();
  const relay = openRelay(databases, () => [...writers.keys()].filter((room) => !elsewhere.has(room)), log);
  const read = async (room: RoomName, after: bigint, limit: number): Promise<Fact[]> => {
    const rows = await host.query<{ position: bigint; fact: Uint8Array }>(
      `select position, fact from ${room}.outbox where position > $1 order by position limit $2`,
      [after, limit],
    );
    return rows.map((row) => revive(room, row.position, row.fact));
  };
  let running: Promise<void>[] = [];
  const rest = async (): Promise<void> => {
    stopping.abort();
    handled.fire();
    for (const { upstream } of followers) relay.numbered(upstream).fire();
    await Promise.all(running);
  };

  return {
    handled,
    read,
    of: (room, database) => {
      writers.set(room, database);
      elsewhere.delete(room);
      const turn = turns.get(room) ?? inTurn();
      turns.set(room, turn);
      return {
        publish: (tx, fact) => publish(tx, room, now(), fact),
        follow: (upstream, handlers) => {
          if (followers.some((other) => other.room === room && other.upstream === upstream)) {
            throw new RangeError(`${room} follows ${upstream} twice`);
          }
          followers.push({ room, upstream, database, handlers, turn, failure: null });
        },
        position: () => settledPosition(room, database, relay),
        passed: (position, rooms, timeoutMs) => passed(host, room, position, rooms, timeoutMs, handled),
      };
    },
    start: async () => {
      for (const { upstream } of followers) {
        // An upstream room that runs elsewhere, or not yet: its outbox must exist to be read.
        if (writers.has(upstream)) continue;
        elsewhere.add(upstream);
        writers.set(upstream, await databases.room(upstream, new URL('file:///nonexistent/')));
      }
      await relay.start();
    },
    begin: () => {
      running = followers.map((follower) => run(follower, { read, relay, handled, signal: stopping.signal, log }));
    },
    rest,
    lag: () => lagOf(host, [...writers.keys()], followers),
    stop: async () => {
      await rest();
      await relay.stop();
    },
  };
}

type Follower = {
  readonly room: RoomName;
  readonly upstream: RoomName;
  readonly database: Database;
  readonly handlers: FactHandlers;
  /** One handler at a time in a room: its handlers see each other's work, and four connections are enough. */
  readonly turn: ReturnType<typeof inTurn>;
  failure: string | null;
};
type Running = { read: FactEngine['read']; relay: Relay; handled: Signal; signal: AbortSignal; log: Logger };

async function publish(
  tx: Tx,
  room: RoomName,
  atMs: Instant,
  { discom, key, body }: Parameters<Facts['publish']>[1],
): Promise<void> {
  if (discom === '' || key === '') throw new RangeError(`a fact of ${room} needs a discom and a key`);
  const fact = create(FactSchema, { discom, room, atMs: BigInt(atMs), key, format: FORMAT, body });
  // The lock is held until commit: of two transactions with one key, the one that commits first is also written first.
  await tx.query(
    `with turn as materialized (select pg_advisory_xact_lock(hashtextextended($1, 0))),
     written as (insert into outbox (discom, key, at_ms, kind, fact) select $2, $3, $4, $5, $6 from turn returning row_id)
     select pg_notify('${WRITTEN}', $7) from written`,
    [`${room}/${discom}/${key}`, discom, key, atMs, body.case, toBinary(FactSchema, fact), room],
  );
}

function revive(room: RoomName, position: bigint, bytes: Uint8Array): Fact {
  const fact = fromBinary(FactSchema, bytes);
  fact.id = `${room}-${position}`;
  fact.position = position;
  return fact;
}

async function run(follower: Follower, { read, relay, handled, signal, log }: Running): Promise<void> {
  const { room, upstream, database } = follower;
  const numbered = relay.numbered(upstream);
  let position: bigint | null = null;
  for (let failures = 0; !signal.aborted; ) {
    const seen = numbered.count;
    try {
      position ??= await cursorOf(database, upstream);
      const batch: Fact[] = await read(upstream, position, BATCH);
      for (let at = 0; at < batch.length && position !== null && !signal.aborted; ) {
        const size: number = unwanted(batch, at, follower.handlers);
        const last: bigint = batch[at + Math.max(size, 1) - 1]!.position;
        const fact = size === 0 ? batch[at]! : null;
        const before: bigint = position;
        const moved = await follower.turn(() => deliver(follower, fact, before, last));
        position = moved ? last : null; // null: another process moved the cursor; look again
        at += Math.max(size, 1);
        failures = 0;
        follower.failure = null;
        handled.fire();
      }
      if (batch.length === 0) await numbered.beyond(seen, POLL_MS);
    } catch (error) {
      if (signal.aborted) return;
      position = null;
      follower.failure = (error as Error).message;
      const entry = { room, upstream, attempt: ++failures, error };
      if (failures < 3) log.warn(entry, 'handling a fact failed; it is tried again');
      else log.error(entry, 'handling a fact keeps failing, and blocks what comes behind it');
      await abortable(Math.min(10_000, 20 * 2 ** failures), signal);
    }
  }
}

/** How many facts from `at` on nobody here wants: their cursor moves in one go. */
function unwanted(batch: readonly Fact[], at: number, handlers: FactHandlers): number {
  let size = 0;
  for (let fact = batch[at]; fact && !(fact.body.case && handlers[fact.body.case]); fact = batch[at + size]) size++;
  return size;
}

/** The work and the cursor in one transaction. False: the cursor was not where we thought. */
async function deliver(
  { upstream, database, handlers }: Follower,
  fact: Fact | null,
  from: bigint,
  to: bigint,
): Promise<boolean> {
  const moved = await database.tx(async (tx) => {
    const rows = await tx.query('update cursor set position = $3 where upstream = $1 and position = $2 returning 1', [
      upstream,
      from,
      to,
    ]);
    if (rows.length === 0) return false;
    if (fact) {
      killPoint('follow.before_handler');
      const handler = handlers[fact.body.case!] as (tx: Tx, value: unknown, fact: Fact) => Promise<void>;
      await handler(tx, fact.body.value, fact);
      killPoint('follow.before_commit');
    }
    return true;
  });
  if (moved && fact) killPoint('follow.after_commit');
  return moved;
}

async function cursorOf(database: Database, upstream: RoomName): Promise<bigint> {
  await database.query('insert into cursor (upstream, position) values ($1, 0) on conflict do nothing', [upstream]);
  const [row] = await database.query<{ position: bigint }>('select position from cursor where upstream = $1', [upstream]);
  return row!.position;
}

async function settledPosition(room: RoomName, database: Database, relay: Relay): Promise<bigint> {
  const [newest] = await database.query<{ row: bigint | null }>('select max(row_id) as row from outbox where position is null');
  for (;;) {
    const seen = relay.numbered(room).count;
    const [state] = await database.query<{ open: boolean; last: bigint }>(
      'select exists (select 1 from outbox where position is null and row_id <= $1) as open, last_position as last from relay',
      [newest?.row ?? 0n],
    );
    if (!state!.open) return state!.last;
    await relay.numbered(room).beyond(seen, POLL_MS);
  }
}

async function passed(
  host: Database,
  upstream: RoomName,
  position: bigint,
  rooms: readonly RoomName[],
  timeoutMs: number,
  handled: Signal,
): Promise<boolean> {
  const query = rooms
    .map((room) => `select coalesce((select position from ${room}.cursor where upstream = $1), 0) as position`)
    .join(' union all ');
  for (const end = Date.now() + timeoutMs; ; ) {
    const seen = handled.count;
    const rows = rooms.length === 0 ? [] : await host.query<{ position: bigint }>(query, [upstream]);
    if (rows.every((row) => row.position >= position)) return true;
    const left = end - Date.now();
    if (left <= 0) return false;
    await handled.beyond(seen, Math.min(left, 50)); // rooms in other processes fire nothing here
  }
}

async function lagOf(host: Database, rooms: readonly RoomName[], followers: readonly Follower[]): Promise<Lag> {
  if (rooms.length === 0) return { settled: true, mark: '', waiting: [] };
  const outboxes = rooms.map(
    (room) => `select '${room}' as room, '' as upstream, (select last_position from ${room}.relay) as position,
    (select count(*) from ${room}.outbox where position is null) as open`,
  );
  const cursors = followers.map(
    ({ room, upstream }) =>
      `select '${room}', '${upstream}', coalesce((select position from ${room}.cursor where upstream = '${upstream}'), 0), 0`,
  );
  const rows = await host.query<{ room: string; upstream: string; position: bigint; open: bigint }>(
    [...outboxes, ...cursors].join(' union all '),
  );
  const heads = new Map(rows.filter((row) => row.upstream === '').map((row) => [row.room, row.position]));
  const failures = new Map(followers.map((follower) => [`${follower.room}/${follower.upstream}`, follower.failure]));
  const waiting = rows.flatMap(({ room, upstream, position, open }) => {
    if (upstream === '') return open > 0n ? [`${open} facts of ${room} are not numbered yet`] : [];
    if (position >= heads.get(upstream)!) return [];
    const failure = failures.get(`${room}/${upstream}`);
    return [`${room} has handled ${position} of ${heads.get(upstream)} facts of ${upstream}${failure ? `: ${failure}` : ''}`];
  });
  return { settled: waiting.length === 0, mark: rows.map((row) => `${row.position}+${row.open}`).join(' '), waiting };
}

const abortable = (ms: number, signal: AbortSignal): Promise<void> =>
  new Promise((done) => {
    const timer = setTimeout(done, ms);
    signal.addEventListener(
      'abort',
      () => {
        clearTimeout(timer);
        done();
      },
      { once: true },
    );
  });
