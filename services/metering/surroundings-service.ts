import { grouped } from '../domain/grouped.ts';
import { contains, type Instant } from '../domain/interval.ts';
import { applyTile, type DayColumns, emptyColumns, type Tile } from '../domain/tile.ts';
import type { Tx } from '../host/room.ts';
import type { TilePlace } from './arrange.ts';
import { type KnownMeter, type ShardPlaces, stateAt } from './known.ts';
import type { Known } from './known-store.ts';
import { byOrdinal, type Members, membersOf } from './members.ts';
import { areasOf } from './places-store.ts';
import type { ReadingStore } from './reading-store.ts';
import type { Rows } from './rows.ts';
import { placeOf, supplyWithin, type TileRow, tilesOf } from './store.ts';
import { areaPath, supplyOf } from './supply.ts';

export type Surroundings = Awaited<ReturnType<typeof surroundings>>;

/** Everything the rules look at, read once for the whole delivery. */
export async function surroundings(tx: Tx, known: Known, discom: string, places: readonly TilePlace[], now: Instant) {
  const shards = [...new Set(places.map(({ shard }) => shard))];
  const days = [...new Set(places.map(({ day }) => day))];
  const ofShard = new Map<number, ShardPlaces>();
  for (const shard of shards) ofShard.set(shard, await known.shard(shard));
  const stored = places.length === 0 ? [] : await tilesOf(tx, discom, { days, shards, asOf: null });
  const storedAt = grouped(stored, placeOf);
  const starts = places.map(({ dayStart }) => dayStart);
  const span = {
    start: starts.reduce((a, b) => Math.min(a, b), now),
    end: starts.reduce((a, b) => Math.max(a, b), 0) + 90_000_000,
  };
  const supply = await supplyWithin(tx, discom, span.start, span.end, now);
  const areas = supply.length > 0 ? await areasOf(tx, discom) : new Map();
  const ordered = new Map(supply.length > 0 ? [...ofShard].map(([shard, { meters }]) => [shard, byOrdinal(meters)]) : []);
  const connectionAt = (meter: KnownMeter, at: Instant) =>
    ofShard.get(meter.shard)?.connections.get(stateAt(meter.links, at)?.connectionId ?? '') ?? [];
  return {
    /** Some supply status touches these days. */
    hasSupply: supply.length > 0,
    members: (place: TilePlace): Members => membersOf(ofShard.get(place.shard)!, place),
    tiles: (place: TilePlace): readonly TileRow[] => storedAt.get(placeOf(place)) ?? [],
    explained: (place: TilePlace, ordinal: number, slot: number): boolean => {
      const meter = ordered.get(place.shard)?.[ordinal];
      if (!meter) return false;
      const start = place.dayStart + slot * place.intervalMinutes * 60_000;
      const connection = connectionAt(meter, start);
      const window = { start, end: start + place.intervalMinutes * 60_000 };
      const id = connection[0]?.connectionId ?? '';
      return supplyOf(supply, (at) => areaPath(connection, areas, at), id, window).some(({ state: of }) => of !== 'UNKNOWN');
    },
  };
}

/** What is stored of one day, laid version by version as the groups' known_at go up. */
export async function dayBefore(
  readings: ReadingStore,
  discom: string,
  stored: readonly TileRow[],
  place: TilePlace,
  meters: number,
) {
  const tiles: Tile[] = [];
  for (const row of stored) tiles.push(await readings.read(discom, row));
  const columns: DayColumns = emptyColumns(place.slots, meters);
  let laid = 0;
  return {
    columns,
    made: 0,
    /** True when nothing lies below: the version to come is the first of its day. */
    advanceTo(knownAt: Instant): boolean {
      for (; laid < tiles.length && tiles[laid]!.header.knownAt <= knownAt; laid++) applyTile(columns, tiles[laid]!);
      return laid === 0 && this.made === 0;
    },
  };
}

export function daySums(
  rows: Pick<Rows, 'daySums'>,
  meters: readonly (KnownMeter | null)[],
  place: TilePlace,
): Map<number, number> {
  const span = { start: place.dayStart, end: place.dayStart + place.slots * place.intervalMinutes * 60_000 };
  const found = new Map<number, number>();
  for (const { meter, start, wh } of rows.daySums) {
    const known = meters[meter];
    if (known && known.shard === place.shard && contains(span, start))
      found.set(known.ordinal, wh * (stateAt(known.links, start)?.factor ?? 1));
  }
  return found;
}
