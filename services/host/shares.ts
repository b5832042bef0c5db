import { setTimeout as pause } from 'node:timers/promises';
import type { Logger } from 'pino';
import { PARTITIONS } from './partition.ts';
import type { Database, RoomName, Tx } from './room.ts';
import { inTurn } from './signal.ts';

/** One partition this process may work on: how far it is, and the epoch its transactions must name. */
export type Share = { position: bigint; readonly epoch: bigint };
/** What this process owns of a room's partitions: another map whenever that has changed. */
export type Owned = ReadonlyMap<number, Share>;
export type Shares = {
  owned(upstream: RoomName): Owned;
  /** Reads again what is owned: a transaction was told that its epoch has passed. */
  look(): Promise<void>;
  start(): Promise<void>;
  /** Gives everything back, so that others need not wait for the lease to end. */
  stop(): Promise<void>;
};

/** Wall time for which others believe that a silent process lives, and how often a living one says so. */
const LEASE_MS = 5000;
const BEAT_MS = 1500;

/**
 * Divides the partitions that `room` follows among the processes that run it. `sole`: nobody else can (the folder is locked), so all
 * are taken at once and no lease is kept. `changed` is called with an upstream whose share is another one now.
 */
export function openShares(
  room: RoomName,
  upstreams: readonly RoomName[],
  database: Database,
  owner: string,
  sole: boolean,
  changed: (upstream: RoomName) => void,
  log: Logger,
): Shares {
  const shares = new Map<RoomName, Owned>(upstreams.map((upstream) => [upstream, new Map()]));
  const turn = inTurn();
  const stopping = new AbortController();
  let beating: Promise<void> = Promise.resolve();

  const look = async (): Promise<void> => {
    const rows = await database.query<{ upstream: RoomName; partition: number; position: bigint; epoch: bigint }>(
      `select s.upstream, s.partition, s.epoch, greatest(s.position, c.position) as position
       from fact_share s join cursor c using (upstream) where s.owner = $1`,
      [owner],
    );
    for (const upstream of upstreams) {
      const before = shares.get(upstream)!;
      const found = new Map<number, Share>();
      for (const { partition, position, epoch } of rows.filter((row) => row.upstream === upstream)) {
        const known = before.get(partition);
        found.set(partition, known?.epoch === epoch ? known : { position, epoch });
      }
      const same = found.size === before.size && [...found].every(([partition, share]) => before.get(partition) === share);
      if (same) continue;
      shares.set(upstream, found);
      if (!sole) log.info({ room, upstream, partitions: found.size }, 'partitions owned here');
      changed(upstream);
    }
  };
  const beat = (): Promise<void> =>
    turn(async () => {
      if (stopping.signal.aborted) return;
      await database.tx((tx) => divide(tx, upstreams, owner));
      await look();
    });
  const beats = async (): Promise<void> => {
    while (!stopping.signal.aborted) {
      await pause(BEAT_MS, undefined, { signal: stopping.signal }).catch(() => {});
      await beat().catch((error) =>
        log.warn({ room, error: (error as Error).message }, 'the lease was not renewed; it is tried again'),
      );
    }
  };

  return {
    owned: (upstream) => shares.get(upstream)!,
    look: () => turn(look),
    start: async () => {
      await database.query('insert into cursor (upstream, position) select unnest($1::text[]), 0 on conflict do nothing', [
        upstreams,
      ]);
      await database.query(
        `insert into fact_share (upstream, partition, position, epoch)
         select upstream, partition, 0, 0 from unnest($1::text[]) upstream, generate_series(0, $2::int - 1) partition
         on conflict do nothing`,
        [upstreams, PARTITIONS],
      );
      if (sole) {
        await database.query('update fact_share set owner = $1, epoch = epoch + 1 where upstream = any($2)', [owner, upstreams]);
        await turn(look);
      } else {
        await beat();
        beating = beats();
      }
    },
    stop: async () => {
      if (stopping.signal.aborted) return;
      stopping.abort();
      await beating;
      if (sole) return;
      await turn(async () => {
        await database.query('update fact_share set owner = null where owner = $1', [owner]);
        await database.query('delete from fact_owner where owner = $1', [owner]);
      }).catch((error) => log.warn({ room, error: (error as Error).message }, 'the lease was not given back; it ends by itself'));
    },
  };
}

/** Renews this process's lease, gives back what is more than its part, takes what is free or belonged to the dead. */
async function divide(tx: Tx, upstreams: readonly RoomName[], owner: string): Promise<void> {
  await tx.query(
    `insert into fact_owner (owner, until) values ($1, clock_timestamp() + $2 * interval '1 ms')
     on conflict (owner) do update set until = excluded.until`,
    [owner, LEASE_MS],
  );
  await tx.query(`delete from fact_owner where until < clock_timestamp() - interval '1 minute'`);
  const living = (
    await tx.query<{ owner: string }>('select owner from fact_owner where until > clock_timestamp() order by owner')
  ).map((row) => row.owner);
  for (const [i, upstream] of upstreams.entries()) {
    // Whoever gets the odd one differs from upstream to upstream.
    const place = (living.indexOf(owner) + i) % living.length;
    const part = Math.floor(PARTITIONS / living.length) + (place < PARTITIONS % living.length ? 1 : 0);
    const [held] = await tx.query<{ count: number }>(
      'select count(*)::int as count from fact_share where upstream = $1 and owner = $2',
      [upstream, owner],
    );
    const more = part - held!.count;
    if (more < 0) {
      await tx.query(
        `update fact_share set owner = null where upstream = $1 and owner = $2 and partition in
         (select partition from fact_share where upstream = $1 and owner = $2 order by partition desc limit $3)`,
        [upstream, owner, -more],
      );
    } else if (more > 0) {
      await tx.query(
        `update fact_share set owner = $2, epoch = epoch + 1 where upstream = $1 and partition in
         (select partition from fact_share where upstream = $1 and (owner is null or owner <> all($3))
          order by partition limit $4 for update skip locked)`,
        [upstream, owner, living, more],
      );
    }
  }
}
