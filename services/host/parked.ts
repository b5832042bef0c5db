import { toBinary } from '@bufbuild/protobuf';
import { type Fact, FactSchema } from '../../gen/lachak/v1/facts_pb.ts';
import { conflict, notFound } from '../domain/outcome.ts';
import { revive } from './outbox.ts';
import type { Queryable, RoomName } from './room.ts';

/** A fact that waits for a person, or behind one that does. */
export type Parked = {
  readonly upstream: RoomName;
  readonly position: bigint;
  readonly discom: string;
  readonly key: string;
  readonly kind: string;
  readonly state: 'failed' | 'behind' | 'again' | 'dropped';
  /** What the handler said at the last attempt; empty for one that waits behind another. */
  readonly error: string;
  readonly attempts: number;
  readonly reason: string;
  readonly parkedAtMs: bigint;
};

export const keyOf = ({ discom, key }: Pick<Fact, 'discom' | 'key'>): string => `${discom}/${key}`;

export async function park(
  db: Queryable,
  upstream: RoomName,
  partition: number,
  fact: Fact,
  failure: { readonly error: string; readonly attempts: number } | null,
): Promise<void> {
  await db.query(
    `insert into fact_parked (upstream, position, partition, discom, key, kind, fact, state, error, attempts)
     values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)`,
    [
      upstream,
      fact.position,
      partition,
      fact.discom,
      fact.key,
      fact.body.case,
      toBinary(FactSchema, fact),
      failure ? 'failed' : 'behind',
      failure?.error ?? '',
      failure?.attempts ?? 0,
    ],
  );
}

/** The first of each key that is held in these partitions, and whether it is its turn: nothing before it fails any more. */
export async function heldIn(
  db: Queryable,
  upstream: RoomName,
  partitions: readonly number[],
): Promise<{ fact: Fact; partition: number; due: boolean }[]> {
  const rows = await db.query<{ position: bigint; partition: number; fact: Uint8Array; state: Parked['state'] }>(
    `select distinct on (discom, key) position, partition, fact, state from fact_parked
     where upstream = $1 and partition = any($2) and state <> 'dropped' order by discom, key, position`,
    [upstream, partitions],
  );
  return rows.map(({ position, partition, fact, state }) => ({
    fact: revive(upstream, position, fact),
    partition,
    due: state === 'again' || state === 'behind',
  }));
}

/** False when it was given up, or handled, meanwhile. */
export async function forget(db: Queryable, upstream: RoomName, position: bigint): Promise<boolean> {
  const rows = await db.query(
    `delete from fact_parked where upstream = $1 and position = $2 and state <> 'dropped' returning 1`,
    [upstream, position],
  );
  return rows.length > 0;
}

export async function failAgain(db: Queryable, upstream: RoomName, position: bigint, error: string): Promise<void> {
  await db.query(
    `update fact_parked set state = 'failed', error = $3, attempts = attempts + 1 where upstream = $1 and position = $2 and state <> 'dropped'`,
    [upstream, position, error],
  );
}

/** Of one DISCOM, oldest first; dropped ones with `dropped`. */
export async function listParked(
  db: Queryable,
  room: RoomName,
  discom: string,
  dropped: boolean,
  limit: number,
): Promise<Parked[]> {
  return db.query<Parked>(
    `select upstream, position, discom, key, kind, state, error, attempts, reason,
       (extract(epoch from parked_at) * 1000)::bigint as "parkedAtMs"
     from ${room}.fact_parked where discom = $1 and ($2 or state <> 'dropped') order by upstream, position limit $3`,
    [discom, dropped, limit],
  );
}

export async function parkedFact(
  db: Queryable,
  room: RoomName,
  discom: string,
  upstream: RoomName,
  position: bigint,
): Promise<Fact> {
  const [row] = await db.query<{ fact: Uint8Array }>(
    `select fact from ${room}.fact_parked where discom = $1 and upstream = $2 and position = $3`,
    [discom, upstream, position],
  );
  if (!row) throw notParked(room, upstream, position);
  return revive(upstream, position, row.fact);
}

/** A person asks for it again, or (with a reason) gives it up; what waits behind it follows by itself. */
export async function decide(
  db: Queryable,
  room: RoomName,
  discom: string,
  upstream: RoomName,
  position: bigint,
  dropFor: string | null,
): Promise<void> {
  const [row] = await db.query<{ state: Parked['state'] }>(
    `update ${room}.fact_parked set state = $4, reason = $5
     where discom = $1 and upstream = $2 and position = $3 and state <> 'dropped' and (state <> 'behind' or $4 = 'dropped') returning state`,
    [discom, upstream, position, dropFor === null ? 'again' : 'dropped', dropFor ?? ''],
  );
  if (row) return;
  await parkedFact(db, room, discom, upstream, position);
  throw conflict(
    'fact_not_first',
    `fact ${upstream}-${position} was dropped, or waits behind an earlier one of its key: replay that one`,
  );
}

const notParked = (room: RoomName, upstream: RoomName, position: bigint) =>
  notFound('fact_not_parked', `${room} has parked no fact ${upstream}-${position} of this DISCOM`);
