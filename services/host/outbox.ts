import { create, fromBinary, toBinary } from '@bufbuild/protobuf';
import { type Fact, FactSchema } from '../../gen/lachak/v1/facts_pb.ts';
import type { Instant } from '../domain/interval.ts';
import { PARTITIONS } from './partition.ts';
import { WRITTEN } from './relay.ts';
import type { Database, Facts, Queryable, RoomName, Tx } from './room.ts';
import { type Stretch, stretchesIn } from './stretches.ts';

/** The format number written into new facts; fields are only ever added. */
const FORMAT = 1;

/** A numbered fact on its way to a follower. */
export type Carried = {
  readonly fact: Fact;
  readonly partition: number;
  /** Between this position and its own lies no other fact of its partition; null when the carrier does not say. */
  readonly previous: bigint | null;
};
/** How far a reader is, by partition; partitions that are not named are not asked for. */
export type Positions = ReadonlyMap<number, { readonly position: bigint }>;
export type Listing = {
  /** In order of position. */
  readonly facts: readonly Carried[];
  /** In the partitions asked for, nothing was left out up to here. */
  readonly through: bigint;
  /** Position of the newest fact, and the stretches that all positions were numbered in: null when the newest is the one known. */
  readonly head: bigint;
  readonly history: readonly Stretch[] | null;
};
/** Reads facts where they are kept for good: the upstream room's outbox. `known`: the newest stretch the reader knows. */
export type List = (upstream: RoomName, after: Positions, limit: number, known: string) => Promise<Listing>;

const NOTHING = '9223372036854775807'; // beyond every position: a partition that is not asked for

/** The outbox of a room, read by whoever may read its schema. */
export async function listOutbox(
  database: Queryable,
  room: RoomName,
  after: Positions,
  limit: number,
  known: string,
): Promise<Listing> {
  const from = Array.from({ length: PARTITIONS }, (_, partition) => after.get(partition)?.position.toString() ?? NOTHING);
  const least = [...after.values()].reduce((low, { position }) => (position < low ? position : low), BigInt(NOTHING));
  // Head and rows in one snapshot: what has a number up to the head is in it.
  const rows = await database.query<{
    head: bigint;
    stretches: [string, string][] | null;
    position: bigint | null;
    partition: number;
    fact: Uint8Array;
  }>(
    `select r.last_position as head, case when r.stretch <> $4 then r.stretches end as stretches, o.position, o.partition, o.fact
     from ${room}.relay r left join lateral (
       select position, partition, fact from ${room}.outbox
       where position > $1 and position > ($2::bigint[])[partition + 1] order by position limit $3
     ) o on true order by o.position`,
    [least, from, limit, known],
  );
  const { head, stretches } = rows[0]!;
  const facts = rows.flatMap(({ position, partition, fact }) =>
    position === null ? [] : [{ fact: revive(room, position, fact), partition, previous: null }],
  );
  return {
    facts,
    through: facts.length < limit ? head : facts.at(-1)!.fact.position,
    head,
    history: stretches && stretchesIn(stretches),
  };
}

/** A stored or carried fact with the number it was given. */
export function revive(room: RoomName, position: bigint, bytes: Uint8Array): Fact {
  const fact = fromBinary(FactSchema, bytes);
  fact.id = `${room}-${position}`;
  fact.position = position;
  return fact;
}

/** Writes a fact, without a position, into the caller's transaction. */
export async function publish(
  tx: Tx,
  room: RoomName,
  atMs: Instant,
  { discom, key, body }: Parameters<Facts['publish']>[1],
  traceparent: string,
): Promise<void> {
  if (discom === '' || key === '') throw new RangeError(`a fact of ${room} needs a discom and a key`);
  const fact = create(FactSchema, { discom, room, atMs: BigInt(atMs), key, format: FORMAT, traceparent, body });
  // The lock is held until commit: of two transactions with one key, the one that commits first is also written first.
  await tx.query(
    `with turn as materialized (select pg_advisory_xact_lock(hashtextextended($1, 0))),
     written as (insert into outbox (discom, key, at_ms, kind, fact) select $2, $3, $4, $5, $6 from turn returning row_id)
     select pg_notify('${WRITTEN}', $7) from written`,
    [`${room}/${discom}/${key}`, discom, key, atMs, body.case, toBinary(FactSchema, fact), room],
  );
}

/** Position of the newest fact that is committed now; waits until it has its number. */
export async function settledPosition(
  database: Database,
  numbered: () => number,
  beyond: (seen: number) => Promise<void>,
): Promise<bigint> {
  const [newest] = await database.query<{ row: bigint | null }>('select max(row_id) as row from outbox where position is null');
  for (;;) {
    const seen = numbered();
    const [state] = await database.query<{ open: boolean; last: bigint }>(
      'select exists (select 1 from outbox where position is null and row_id <= $1) as open, last_position as last from relay',
      [newest?.row ?? 0n],
    );
    if (!state!.open) return state!.last;
    await beyond(seen);
  }
}
