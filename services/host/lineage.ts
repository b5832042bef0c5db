import type { Database, RoomName, Tx } from './room.ts';
import { agreedTo, isOf, type Stretch, stretchesIn } from './stretches.ts';

/** The upstream's outbox is not the one whose facts were handled here: it was put back to an earlier state. A person decides. */
export class PutBack extends Error {
  /** Up to here both are the same. */
  readonly agreed: bigint;
  readonly handled: bigint;
  constructor(room: RoomName, upstream: RoomName, agreed: bigint, handled: bigint) {
    super(
      `${upstream} was put back to its fact ${agreed}, but ${room} has handled its facts up to ${handled}: put ${room} back to the same ` +
        `backup (lachak restore), or let it go on as it is (lachak facts rejoin ${room} --upstream ${upstream} --reason WHY)`,
    );
    this.agreed = agreed;
    this.handled = handled;
  }
}

/** What a follower knows of the history of an upstream's outbox: that everything it handled is still part of it. */
export type Lineage = {
  /** The newest stretch whose facts may be handled. */
  newest(): string;
  /** True when a fact that was numbered in this stretch, at this position, belongs to that history. */
  holds(stretch: string, position: bigint): boolean;
  /**
   * Told of each look at the outbox: its head, and its history when that has changed. Returns how far both agree when that is news;
   * null when all is as it was. Throws PutBack.
   */
  agree(history: readonly Stretch[] | null, head: bigint, reached: bigint): Promise<bigint | null>;
};

type Known = { readonly stretches: [string, string][]; readonly handled: bigint };

/** Reads what is known from the follower's own schema; other processes of the room may have learnt more since. */
export async function openLineage(database: Database, room: RoomName, upstream: RoomName): Promise<Lineage> {
  let seen = stretchesIn((await known(database, upstream)).stretches);
  return {
    newest: () => seen.at(-1)!.id,
    holds: (stretch, position) => isOf(seen, stretch, position),
    agree: (history, head, reached) => {
      if (history === null && reached <= head) return Promise.resolve(null);
      return database.tx(async (tx) => {
        const { stretches, handled } = await known(tx, upstream, 'for update of c');
        const mine = stretchesIn(stretches);
        const there = history ?? mine;
        const agreed = agreedTo(mine, handled, there, head);
        if (agreed < handled) throw new PutBack(room, upstream, agreed, handled);
        await take(tx, upstream, there);
        seen = [...there];
        return agreed;
      });
    },
  };
}

/**
 * A person lets the follower go on with an upstream that was put back: what it handled beyond stays, and the facts that come after the
 * point where both agree are handled. Null: nothing is in the way. What was decided is kept.
 */
export async function rejoin(
  database: Database,
  upstream: RoomName,
  history: readonly Stretch[],
  head: bigint,
  who: { readonly subject: string; readonly reason: string },
): Promise<{ agreed: bigint; handled: bigint } | null> {
  return database.tx(async (tx) => {
    const { stretches, handled } = await known(tx, upstream, 'for update of c');
    const agreed = agreedTo(stretchesIn(stretches), handled, history, head);
    if (agreed >= handled) return null;
    await tx.query('update cursor set position = least(position, $2) where upstream = $1', [upstream, agreed]);
    // A new epoch: whoever holds the share in memory reads it again.
    await tx.query('update fact_share set position = least(position, $2), epoch = epoch + 1 where upstream = $1', [
      upstream,
      agreed,
    ]);
    await take(tx, upstream, history);
    await tx.query('insert into rejoined (upstream, agreed_to, handled_to, subject, reason) values ($1, $2, $3, $4, $5)', [
      upstream,
      agreed,
      handled,
      who.subject,
      who.reason,
    ]);
    return { agreed, handled };
  });
}

async function known(db: Pick<Tx, 'query'>, upstream: RoomName, lock = ''): Promise<Known> {
  const [row] = await db.query<Known>(
    `select c.stretches, greatest(c.position, (select max(position) from fact_share where upstream = $1)) as handled
     from cursor c where c.upstream = $1 ${lock}`,
    [upstream],
  );
  return row ?? { stretches: [['', '0']], handled: 0n };
}

const take = (tx: Tx, upstream: RoomName, history: readonly Stretch[]) =>
  tx.query('update cursor set stretch = $2, stretches = $3 where upstream = $1', [
    upstream,
    history.at(-1)!.id,
    JSON.stringify(history.map(({ id, after }) => [id, after.toString()])),
  ]);
