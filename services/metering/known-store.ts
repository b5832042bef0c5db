import type { Queryable, Tx } from '../host/room.ts';
import type { KnownMeter, ShardPlaces } from './known.ts';
import { connectionsNamed, metersNamed, metersOfShard } from './places-store.ts';

/**
 * Meters and connections as the registry tells them, remembered by shard until it tells something new. A delivery names the same thousands
 * of meters as the one before, and asking PostgreSQL for them again would take longer than laying their day.
 */
export type Places = {
  /** What holds now, as this connection or transaction sees it. */
  known(db: Queryable, discom: string): Promise<Known>;
};
export type Known = {
  /** Those that there are, by id. */
  named(meterIds: readonly string[]): Promise<ReadonlyMap<string, KnownMeter>>;
  shard(shard: number): Promise<ShardPlaces>;
};
type Remembered = { readonly mark: string; readonly shards: Map<number, ShardPlaces>; readonly byId: Map<string, KnownMeter> };

/** A meter takes some 700 bytes with its connection. */
const METERS_MOST = 100_000;

export function openPlaces(most = METERS_MOST): Places {
  const discoms = new Map<string, Remembered>();
  /** Without a mark nothing was told that could be remembered. */
  const remembered = (discom: string, mark: string | undefined): Remembered => {
    const before = discoms.get(discom);
    if (mark !== undefined && before?.mark === mark) return before;
    const found = { mark: mark ?? '', shards: new Map(), byId: new Map() };
    if (mark === undefined) discoms.delete(discom);
    else discoms.set(discom, found);
    return found;
  };
  /** Lets go of what was asked for longest ago, of any DISCOM, until so many more have room. */
  const makeRoom = (more: number): void => {
    let count = more;
    for (const { byId } of discoms.values()) count += byId.size;
    for (const { shards, byId } of discoms.values())
      for (const [shard, { meters }] of shards) {
        if (count <= most) return;
        shards.delete(shard);
        for (const { meterId } of meters) byId.delete(meterId);
        count -= meters.length;
      }
  };
  return {
    known: async (db, discom) => {
      const { shards, byId } = remembered(discom, await markOf(db, discom));
      return {
        named: async (meterIds) => {
          const found = new Map<string, KnownMeter>();
          const asked: string[] = [];
          for (const id of meterIds) {
            const meter = byId.get(id);
            if (meter) found.set(id, meter);
            else asked.push(id);
          }
          if (asked.length > 0) for (const [id, meter] of await metersNamed(db, discom, asked)) found.set(id, meter);
          return found;
        },
        shard: async (shard) => {
          const before = shards.get(shard);
          if (before) {
            // The latest asked for is the last to go.
            shards.delete(shard);
            shards.set(shard, before);
            return before;
          }
          const meters = await metersOfShard(db, discom, shard);
          const ids = new Set(meters.flatMap(({ links }) => links.map(({ connectionId }) => connectionId)));
          const places = { meters, connections: await connectionsNamed(db, discom, [...ids]) };
          if (meters.length > most) return places;
          makeRoom(meters.length);
          shards.set(shard, places);
          for (const meter of meters) byId.set(meter.meterId, meter);
          return places;
        },
      };
    },
  };
}

async function markOf(db: Queryable, discom: string): Promise<string | undefined> {
  const [row] = await db.query<{ mark: string }>('select mark from places_mark where discom = $1', [discom]);
  return row?.mark;
}

/** With every word of the registry, in its transaction: nobody goes on with what held before. */
export const markPlaces = (tx: Tx, discom: string): Promise<unknown> =>
  tx.query(
    'insert into places_mark (discom, mark) values ($1, gen_random_uuid()) on conflict (discom) do update set mark = excluded.mark',
    [discom],
  );
