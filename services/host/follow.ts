import type { Logger } from 'pino';
import type { Fact } from '../../gen/lachak/v1/facts_pb.ts';
import { Refusal } from '../domain/outcome.ts';
import { LOST } from './expect.ts';
import { killPoint } from './faults.ts';
import { type Lineage, openLineage, PutBack } from './lineage.ts';
import type { Carried, Listing } from './outbox.ts';
import { failAgain, forget, heldIn, keyOf, park } from './parked.ts';
import { PARTITIONS } from './partition.ts';
import type { Database, FactHandlers, RoomName, Tx } from './room.ts';
import type { Owned, Share, Shares } from './shares.ts';
import type { inTurn, Signal } from './signal.ts';
import type { Trace } from './trace.ts';

/** Where a follower's facts come from: in order within a key, some perhaps twice, none left out for good. */
export type Source = {
  /** Fires when there may be something new. */
  readonly news: Signal;
  /** What was listed where facts are kept, or brought by a carrier that cannot say what it left out. */
  next(owned: Owned, lineage: Lineage): Promise<Listing | { readonly facts: readonly Carried[]; readonly through: null }>;
  /** Facts that JetStream brought and that were new here, since the start. */
  received(): number;
  stop(): Promise<void>;
};
export type Follower = {
  readonly room: RoomName;
  readonly upstream: RoomName;
  readonly database: Database;
  readonly handlers: FactHandlers;
  readonly shares: Shares;
  readonly source: Source;
  /** One handler at a time in a room: its handlers see each other's work, and four connections are enough. */
  readonly turn: ReturnType<typeof inTurn>;
  readonly handled: Signal;
  readonly signal: AbortSignal;
  readonly trace: Trace;
  readonly log: Logger;
  /** Why it does not get on just now, for people. */
  failure: string | null;
  /** The upstream was put back to before what was handled here: nothing is handled until a person decides. */
  putBack: boolean;
};

/** So often a handler may fail on a fact before its key is parked: about five seconds. */
const ATTEMPTS = 8;
const POLL_MS = 500;
/** An owner of some of the partitions writes down at most this often how far the idle ones are. */
const NOTE_MS = 250;

/** Handles what comes, until the signal. */
export async function run(follower: Follower): Promise<void> {
  const { room, upstream, shares, source, signal, log } = follower;
  let owned: Owned = new Map();
  let held = new Set<string>();
  let looked = 0;
  let failures = 0;
  let lineage: Lineage | null = null;
  const progress = { noted: 0n, at: 0 };
  while (!signal.aborted) {
    const seen = source.news.count;
    try {
      const now = shares.owned(upstream);
      if (now !== owned || (held.size > 0 && Date.now() - looked > POLL_MS)) {
        held = await replay(follower, now);
        owned = now;
        looked = Date.now();
      }
      if (owned.size === 0) {
        await source.news.beyond(seen, POLL_MS);
        continue;
      }
      lineage ??= await openLineage(follower.database, room, upstream);
      const found = await source.next(owned, lineage);
      const { facts, through } = found;
      if (found.through !== null) await agree(follower, lineage, found, owned);
      let current = true;
      for (const carried of facts) {
        if (signal.aborted) return;
        const share = owned.get(carried.partition);
        if (!share || carried.fact.position <= share.position) continue;
        current = await take(follower, carried, share, held, owned.size === PARTITIONS && through !== null);
        failures = 0;
        follower.failure = null;
        if (!current) break;
      }
      if (!current) await shares.look();
      else if (through !== null) await note(follower, owned, through, progress, facts.length === 0);
      if (facts.length === 0) await source.news.beyond(seen, POLL_MS);
    } catch (error) {
      if (signal.aborted) return;
      if (error instanceof PutBack) {
        await stand(follower, error);
        owned = new Map(); // whatever a person decides, the shares are read again
        lineage = null;
        continue;
      }
      const failed = error instanceof HandlerFailed ? error : null;
      const cause = failed ? failed.cause : error;
      follower.failure = (cause as Error).message;
      if (!failed || passing(cause) || ++failures < ATTEMPTS) {
        log.warn(
          { room, upstream, fact: failed?.carried.fact.id, attempt: failures, error: cause },
          'handling a fact failed; it is tried again',
        );
        await abortable(passing(cause) ? 1000 : Math.min(10_000, 20 * 2 ** failures), signal);
        continue;
      }
      const { fact } = failed.carried;
      log.error(
        { room, upstream, fact: fact.id, attempts: failures, error: cause },
        'a fact keeps failing: its key is parked (lachak facts)',
      );
      const parked = await giveUp(follower, failed, failures).catch(() => false);
      if (parked) held.add(keyOf(fact));
      failures = parked ? 0 : failures - 1;
      follower.handled.fire();
    }
  }
}

/** Throws PutBack. What nobody here wanted moved no row, so a share may have run ahead of what both agree on: it goes back. */
async function agree(follower: Follower, lineage: Lineage, { head, history }: Listing, owned: Owned): Promise<void> {
  let reached = 0n;
  for (const { position } of owned.values()) if (position > reached) reached = position;
  const agreed = await lineage.agree(history, head, reached);
  if (agreed !== null) for (const share of owned.values()) if (share.position > agreed) share.position = agreed;
  if (!follower.putBack) return;
  follower.putBack = false;
  follower.failure = null;
  follower.log.info({ room: follower.room, upstream: follower.upstream }, 'follows again');
}

async function stand(follower: Follower, { message, agreed, handled }: PutBack): Promise<void> {
  const { room, upstream, signal, log, shares } = follower;
  if (!follower.putBack) log.error({ room, upstream, agreed, handled }, message);
  follower.putBack = true;
  follower.failure = message;
  follower.handled.fire();
  await abortable(1000, signal);
  await shares.look();
}

class HandlerFailed extends Error {
  readonly carried: Carried;
  readonly share: Share;
  constructor(cause: unknown, carried: Carried, share: Share) {
    super('a handler failed', { cause });
    this.carried = carried;
    this.share = share;
  }
}

/** The work and the share's position in one transaction. False: the epoch has passed, the partition is another process's now. */
async function take(
  follower: Follower,
  carried: Carried,
  share: Share,
  held: ReadonlySet<string>,
  complete: boolean,
): Promise<boolean> {
  const { upstream, database, turn, handled } = follower;
  const { fact, partition } = carried;
  const { position } = fact;
  const handler = handlerOf(follower, fact);
  if (handler) {
    const moved = await turn(() =>
      database.tx(async (tx) => {
        if (!(await move(tx, upstream, partition, share, position, complete))) return false;
        if (held.has(keyOf(fact))) {
          await park(tx, upstream, partition, fact, null);
          return true;
        }
        killPoint('follow.before_handler');
        try {
          await handler(tx, fact.body.value, fact);
        } catch (error) {
          if (retriable(error)) throw error; // the database's own retry has it first
          throw new HandlerFailed(error, carried, share);
        }
        killPoint('follow.before_commit');
        return true;
      }),
    );
    if (!moved) return false;
    killPoint('follow.after_commit');
  }
  // What nobody here wants moves no row: the next look at the outbox says how far it goes.
  share.position = position;
  handled.fire();
  return true;
}

/** `complete`: everything before this fact was handled in all partitions, so the watermark moves along. */
async function move(
  tx: Tx,
  upstream: RoomName,
  partition: number,
  share: Share,
  to: bigint,
  complete: boolean,
): Promise<boolean> {
  const rows = await tx.query(
    `with moved as (
       update fact_share set position = $3 where upstream = $1 and partition = $2 and epoch = $4 and position < $3 returning 1
     ), watermark as (
       update cursor set position = $3 where $5 and upstream = $1 and position < $3 and exists (select 1 from moved)
     ) select 1 from moved`,
    [upstream, partition, to, share.epoch, complete],
  );
  return rows.length > 0;
}

/** Writes down that nothing was left out up to `through`. It costs nothing to lose this, so the commit waits for no disk. */
async function note(
  { upstream, database, handled }: Follower,
  owned: Owned,
  through: bigint,
  progress: { noted: bigint; at: number },
  drained: boolean,
): Promise<void> {
  for (const share of owned.values()) if (share.position < through) share.position = through;
  if (through <= progress.noted) return;
  if (owned.size === PARTITIONS) {
    await database.query(
      `with lazily as materialized (select set_config('synchronous_commit', 'off', true))
       update cursor set position = $2 from lazily where upstream = $1 and position < $2`,
      [upstream, through],
    );
  } else {
    if (!drained || Date.now() - progress.at < NOTE_MS) return;
    // Together the owners of all partitions move the watermark.
    await database.query(
      `with lazily as materialized (select set_config('synchronous_commit', 'off', true))
       update fact_share set position = $2 from lazily where upstream = $1 and partition = any($3) and position < $2`,
      [upstream, through, [...owned.keys()]],
    );
    await database.query(
      `update cursor set position = low.position
       from (select min(position) as position from fact_share where upstream = $1) low
       where upstream = $1 and cursor.position < low.position`,
      [upstream],
    );
  }
  progress.noted = through;
  progress.at = Date.now();
  handled.fire();
}

async function giveUp({ upstream, database, turn }: Follower, failed: HandlerFailed, attempts: number): Promise<boolean> {
  const { carried, share } = failed;
  const { fact, partition } = carried;
  const moved = await turn(() =>
    database.tx(async (tx) => {
      if (!(await move(tx, upstream, partition, share, fact.position, false))) return false;
      await park(tx, upstream, partition, fact, { error: textOf(failed.cause), attempts });
      return true;
    }),
  );
  if (moved) share.position = fact.position;
  return moved;
}

/** Handles parked facts whose turn has come, key by key; returns the keys that stay held. */
async function replay(follower: Follower, owned: Owned): Promise<Set<string>> {
  const { room, upstream, database, turn, handled, signal, log } = follower;
  for (;;) {
    const heads = owned.size === 0 ? [] : await heldIn(database, upstream, [...owned.keys()]);
    const due = heads.filter((head) => head.due);
    if (due.length === 0 || signal.aborted) return new Set(heads.map(({ fact }) => keyOf(fact)));
    for (const { fact, partition } of due) {
      const { epoch } = owned.get(partition)!;
      try {
        await turn(() =>
          database.tx(async (tx) => {
            const mine = await tx.query(
              'select 1 from fact_share where upstream = $1 and partition = $2 and epoch = $3 for share',
              [upstream, partition, epoch],
            );
            if (mine.length === 0 || !(await forget(tx, upstream, fact.position))) return;
            await handlerOf(follower, fact)?.(tx, fact.body.value, fact);
          }),
        );
        log.info({ room, upstream, fact: fact.id }, 'a parked fact was handled');
      } catch (error) {
        if (passing(error)) throw error;
        log.error({ room, upstream, fact: fact.id, error }, 'a parked fact failed again');
        await failAgain(database, upstream, fact.position, textOf(error));
      }
      handled.fire();
    }
  }
}

type Handler = (tx: Tx, value: unknown, fact: Fact) => Promise<void>;
function handlerOf({ room, upstream, handlers, trace }: Follower, { body, traceparent }: Fact): Handler | undefined {
  const handler = body.case === undefined ? undefined : (handlers[body.case] as Handler | undefined);
  if (!handler || traceparent === '') return handler;
  const span = { name: `${room} hears ${upstream}: ${body.case}`, kind: 'consumer', because: traceparent } as const;
  return (tx, value, fact) => trace.span(span, () => handler(tx, value, fact));
}

const textOf = (error: unknown): string => ((error as Error)?.message ?? String(error)).slice(0, 2000);
const codeOf = (error: unknown): string => String((error as { code?: string })?.code ?? '');
const retriable = (error: unknown): boolean => ['40001', '40P01'].includes(codeOf(error));

/** Not the fact's fault: a dependency is away, or the database is; that is waited out, however long it takes. */
const passing = (error: unknown): boolean =>
  error instanceof Refusal
    ? error.kind === 'unavailable' || error.kind === 'exhausted'
    : retriable(error) ||
      /^(08|53|57P|58)|^ECONN|^EPIPE|^ETIMEDOUT|^ENOTFOUND|^ENOENT/.test(codeOf(error)) ||
      LOST.test((error as Error)?.message ?? '');

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
