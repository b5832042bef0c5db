import { setMaxListeners } from 'node:events';
import type { Logger } from 'pino';
import type { Fact } from '../../gen/lachak/v1/facts_pb.ts';
import type { Instant } from '../domain/interval.ts';
import { conflict, notFound } from '../domain/outcome.ts';
import { carry } from './carry.ts';
import type { Databases } from './database.ts';
import { type Follower, run, type Source } from './follow.ts';
import { newId } from './ids.ts';
import type { JetStream } from './jetstream.ts';
import { rejoin } from './lineage.ts';
import { type List, listOutbox, publish, settledPosition } from './outbox.ts';
import { decide, listParked, type Parked, parkedFact } from './parked.ts';
import { PARTITIONS } from './partition.ts';
import { receive } from './receive.ts';
import { openRelay } from './relay.ts';
import type { Database, FactHandlers, Facts, RoomName } from './room.ts';
import { openShares, type Shares } from './shares.ts';
import { inTurn, Signal } from './signal.ts';
import { type Lag, lagOf, type Standing, standingOf } from './standing.ts';
import type { Trace } from './trace.ts';

const BATCH = 200;
const POLL_MS = 500;
/** No stretch has this id: the whole history is told. */
const NO_STRETCH = '-';

export type FactEngine = {
  of(room: RoomName, database: Database): Facts;
  /** Numbering begins: before the rooms start. */
  start(): Promise<void>;
  /** Handlers begin to be called: after the rooms have started. */
  begin(): Promise<void>;
  /** Handlers are called no more: before the rooms stop. */
  rest(): Promise<void>;
  /** One snapshot over all rooms of this process, so nothing can hide between two looks. */
  lag(): Promise<Lag>;
  /** The same in numbers. */
  standing(): Promise<Standing>;
  readonly parked: ParkedFacts;
  /**
   * Lets a room go on with an upstream that was put back to before what it has handled. Throws Refusal `room_not_here`, `not_put_back`.
   */
  rejoin(
    room: RoomName,
    upstream: RoomName,
    who: { subject: string; reason: string },
  ): Promise<{ agreed: bigint; handled: bigint }>;
  readonly list: List;
  /** Fires when a fact was handled. */
  readonly handled: Signal;
  /** Facts of a room after a position, in order. */
  read(room: RoomName, after: bigint, limit: number): Promise<Fact[]>;
  stop(): Promise<void>;
};
/** What waits for a person: of a room that runs here, within a DISCOM. */
export type ParkedFacts = {
  /** At most 1000, in order; those that were given up only when asked for. */
  list(room: RoomName, discom: string, dropped?: boolean): Promise<Parked[]>;
  /** Throws Refusal `fact_not_parked`. */
  show(room: RoomName, discom: string, upstream: RoomName, position: bigint): Promise<Fact>;
  /**
   * Asks for it again (`dropFor` null) or gives it up with a reason; its owner does so within a second, and goes on with what waited
   * behind. Throws Refusal `fact_not_parked`, `fact_not_first`.
   */
  decide(room: RoomName, discom: string, upstream: RoomName, position: bigint, dropFor: string | null): Promise<void>;
};
export type FactSetting = {
  readonly databases: Databases;
  /** Sees the schemas of the rooms. */
  readonly host: Database;
  readonly now: () => Instant;
  /** No other process can run these rooms: all partitions are this one's, and no lease is kept. */
  readonly sole: boolean;
  /** Null: facts are read where they are kept, and PostgreSQL tells of news. */
  readonly jetstream: JetStream | null;
  readonly trace: Trace;
  readonly log: Logger;
};
type Follow = {
  readonly room: RoomName;
  readonly upstream: RoomName;
  readonly database: Database;
  readonly handlers: FactHandlers;
};

/**
 * Facts: an outbox per room, numbered by the relay, handled once in each room that follows. What a follower has handled is said in
 * its own schema, in the transaction of its own work.
 */
export function openFacts({ databases, host, now, sole, jetstream, trace, log }: FactSetting): FactEngine {
  const writers = new Map<RoomName, Database>();
  // Rooms that are only read here: their own process numbers their facts, and may be the only one that is let to.
  const elsewhere = new Set<RoomName>();
  const follows: Follow[] = [];
  const turns = new Map<RoomName, ReturnType<typeof inTurn>>();
  const handled = new Signal();
  const stopping = new AbortController();
  const ending = new AbortController();
  const carrying: Promise<void>[] = [];
  setMaxListeners(0, stopping.signal, ending.signal); // each fact on its way listens
  const relay = openRelay(databases, () => [...writers.keys()].filter((room) => !elsewhere.has(room)), log);
  const owner = `${process.pid}-${newId()}`;
  const shares: Shares[] = [];
  const list: List = (upstream, after, limit, known) => listOutbox(host, upstream, after, limit, known);
  let followers: Follower[] = [];
  let running: Promise<void>[] = [];

  const sourceOf = (room: RoomName, upstream: RoomName): Source =>
    jetstream
      ? receive(room, upstream, jetstream, list, log)
      : {
          news: relay.numbered(upstream),
          next: (owned, lineage) => list(upstream, owned, BATCH, lineage.newest()),
          received: () => 0,
          stop: async () => {},
        };
  const begin = async (): Promise<void> => {
    const byRoom = new Map<RoomName, Follow[]>();
    for (const follow of follows) byRoom.set(follow.room, [...(byRoom.get(follow.room) ?? []), follow]);
    const made = [...byRoom].map(([room, mine]) => {
      const upstreams = mine.map(({ upstream }) => upstream);
      const sources = new Map(upstreams.map((upstream) => [upstream, sourceOf(room, upstream)]));
      const news = (upstream: RoomName) => sources.get(upstream)!.news.fire();
      const share = openShares(room, upstreams, mine[0]!.database, owner, sole, news, log);
      shares.push(share);
      const turn = turns.get(room)!;
      return mine.map((follow): Follower => {
        const source = sources.get(follow.upstream)!;
        return {
          ...follow,
          trace,
          shares: share,
          source,
          turn,
          handled,
          signal: stopping.signal,
          log,
          failure: null,
          putBack: false,
        };
      });
    });
    followers = made.flat();
    await Promise.all(shares.map((share) => share.start()));
    running = followers.map(run);
  };
  const rest = async (): Promise<void> => {
    stopping.abort();
    handled.fire();
    for (const { source } of followers) source.news.fire();
    for (const { source } of followers) await source.stop();
    await Promise.all(running);
    await Promise.all(shares.map((share) => share.stop()));
  };
  const standing = (): Promise<Standing> => {
    const state = new Map(followers.map((follower) => [`${follower.room}/${follower.upstream}`, follower]));
    const rows = follows.map(({ room, upstream }) => {
      const follower = state.get(`${room}/${upstream}`);
      return {
        room,
        upstream,
        owned: follower?.shares.owned(upstream).size ?? 0,
        received: follower?.source.received() ?? 0,
        failure: follower?.failure ?? null,
        putBack: follower?.putBack ?? false,
      };
    });
    return standingOf(host, [...writers.keys()], rows);
  };

  return {
    handled,
    standing,
    list,
    parked: {
      list: (room, discom, dropped = false) => listParked(host, room, discom, dropped, 1000),
      show: (room, discom, upstream, position) => parkedFact(host, room, discom, upstream, position),
      decide: (room, discom, upstream, position, dropFor) => decide(host, room, discom, upstream, position, dropFor),
    },
    rejoin: async (room, upstream, who) => {
      const follow = follows.find((one) => one.room === room && one.upstream === upstream);
      if (!follow) throw notFound('not_followed', `${room} of this process does not follow ${upstream}`, 'upstream');
      const { history, head } = await list(upstream, new Map(), 1, NO_STRETCH);
      const done = await rejoin(follow.database, upstream, history!, head, who);
      if (!done)
        throw conflict('not_put_back', `${upstream} knows everything that ${room} has handled of it: nothing is in the way`);
      return done;
    },
    read: async (room, after, limit) => {
      const everywhere = new Map(Array.from({ length: PARTITIONS }, (_, partition) => [partition, { position: after }]));
      return (await list(room, everywhere, limit, '')).facts.map(({ fact }) => fact);
    },
    of: (room, database) => {
      writers.set(room, database);
      elsewhere.delete(room);
      const turn = turns.get(room) ?? inTurn();
      turns.set(room, turn);
      const numbered = relay.numbered(room);
      return {
        publish: (tx, fact) => publish(tx, room, now(), fact, trace.here()),
        follow: (upstream, handlers) => {
          if (follows.some((other) => other.room === room && other.upstream === upstream)) {
            throw new RangeError(`${room} follows ${upstream} twice`);
          }
          follows.push({ room, upstream, database, handlers });
        },
        position: () =>
          settledPosition(
            database,
            () => numbered.count,
            (seen) => numbered.beyond(seen, POLL_MS),
          ),
        passed: (position, rooms, timeoutMs) => passed(host, room, position, rooms, timeoutMs, handled),
      };
    },
    start: async () => {
      for (const { upstream } of follows) {
        // An upstream room that runs elsewhere, or not yet: its outbox must exist to be read.
        if (writers.has(upstream)) continue;
        elsewhere.add(upstream);
        writers.set(upstream, await databases.room(upstream, new URL('file:///nonexistent/')));
      }
      await relay.start();
      if (!jetstream) return;
      for (const [room, database] of writers) {
        if (!elsewhere.has(room)) carrying.push(carry(room, database, jetstream, relay, ending.signal, log));
      }
    },
    begin,
    rest,
    lag: async () => lagOf(await standing()),
    stop: async () => {
      await rest();
      ending.abort();
      await jetstream?.stop();
      await relay.stop();
      await Promise.all(carrying);
    },
  };
}

/** A parked fact is one that was not handled, and one of an outbox that was put back is another fact. */
async function passed(
  host: Database,
  upstream: RoomName,
  position: bigint,
  rooms: readonly RoomName[],
  timeoutMs: number,
  handled: Signal,
): Promise<boolean> {
  const query = rooms
    .map(
      (room) => `select ($2::bigint = 0 or exists (select 1 from ${room}.cursor c, ${upstream}.relay r
        where c.upstream = $1 and c.position >= $2 and c.stretch = r.stretch)) and not exists
      (select 1 from ${room}.fact_parked where upstream = $1 and position <= $2 and state <> 'dropped') as done`,
    )
    .join(' union all ');
  for (const end = Date.now() + timeoutMs; ; ) {
    const seen = handled.count;
    const rows = rooms.length === 0 ? [] : await host.query<{ done: boolean }>(query, [upstream, position]);
    if (rows.every((row) => row.done)) return true;
    const left = end - Date.now();
    if (left <= 0) return false;
    await handled.beyond(seen, Math.min(left, 50)); // rooms in other processes fire nothing here
  }
}
