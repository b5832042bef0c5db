import { setImmediate as breathe } from 'node:timers/promises';
import type { GetMeterDaysRequest } from '../../gen/lachak/v1/metering_pb.ts';
import { grouped } from '../domain/grouped.ts';
import { hex } from '../domain/hex.ts';
import type { Instant } from '../domain/interval.ts';
import { invalid } from '../domain/outcome.ts';
import { foldTiles, MISSING, type Tile, tileOfSome } from '../domain/tile.ts';
import type { CivilDay } from '../domain/zone.ts';
import { speakerOf } from './compaction-store.ts';
import type { KnownMeter } from './known.ts';
import { metersNamed } from './places-store.ts';
import type { Reading } from './read-service.ts';
import { dayDigests } from './root-service.ts';
import { placeOf, type TileRow, tilesOf } from './store.ts';
import { type MeterSlots, slotsOf } from './tile-version.ts';

/** What proves one meter-day: its digest, and the version that last said anything of the meter. */
type Evidence = { readonly digest: Uint8Array; readonly by: TileRow; slots(): MeterSlots };

/** Meter-days one by one, in the order asked; null = absent. */
export async function meterDaysOf(
  reading: Reading,
  discom: string,
  names: readonly { meterId: string; day: CivilDay }[],
  asOf: Instant,
): Promise<(Evidence | null)[]> {
  const meters = await metersNamed(reading.database, discom, [...new Set(names.map(({ meterId }) => meterId))]);
  const stored = await storedBy(reading, discom, [...new Set(names.map(({ day }) => day))], meters, asOf);
  const answers = new Map<string, Evidence | null>();
  for (const [day, ofDay] of grouped(names, (name) => name.day)) {
    const own = ofDay.map(({ meterId }) => meters.get(meterId));
    const found = await evidenceOf(reading, discom, stored.get(day) ?? [], own);
    for (const [i, { meterId }] of ofDay.entries()) answers.set(`${day} ${meterId}`, found[i]!);
  }
  return names.map(({ meterId, day }) => answers.get(`${day} ${meterId}`)!);
}

/** Days of many meters, in columns, as the request names them. Throws Refusal `meter_place_unknown`. */
export async function meterDayColumns(
  reading: Reading,
  discom: string,
  { meterIds, days }: Pick<GetMeterDaysRequest, 'meterIds' | 'days'>,
  asOf: Instant,
) {
  const meters = await metersNamed(reading.database, discom, meterIds);
  const named = days.map(({ day }) => day);
  const stored = await storedBy(reading, discom, named, meters, asOf);
  const count = days.reduce((sum, day) => sum + day.meters.length, 0);
  const digests = new Uint8Array(32 * count);
  const sources = new Uint32Array(count);
  const handOffs = new Map<string, { place: number; said: { handOff: string; signer: string; receivedAtMs: bigint } }>();
  let at = 0;
  for (const { day, meters: places } of days) {
    const beyond = places.find((place) => place >= meterIds.length);
    if (beyond !== undefined)
      throw invalid('meter_place_unknown', `${day} names meter ${beyond} of ${meterIds.length}`, 'days.meters');
    const own = places.map((place) => meters.get(meterIds[place]!));
    for (const evidence of await evidenceOf(reading, discom, stored.get(day) ?? [], own)) {
      if (evidence) {
        const { handOff, signer, receivedAt } = evidence.by;
        const key = `${receivedAt} ${signer} ${handOff}`;
        const said = handOffs.get(key) ?? { place: handOffs.size, said: { handOff, signer, receivedAtMs: BigInt(receivedAt) } };
        handOffs.set(key, said);
        digests.set(evidence.digest, 32 * at);
        sources[at] = said.place;
      }
      at++;
    }
    await breathe(); // a day of a shard takes some milliseconds
  }
  return { digests, sources: [...sources], handOffs: Array.from(handOffs.values(), ({ said }) => said) };
}

/** By day, every version known at `asOf`, oldest first. */
async function storedBy(
  { database }: Reading,
  discom: string,
  days: readonly CivilDay[],
  meters: ReadonlyMap<string, KnownMeter>,
  asOf: Instant,
): Promise<Map<CivilDay, TileRow[]>> {
  const shards = [...new Set(Array.from(meters.values(), ({ shard }) => shard))];
  if (days.length === 0 || shards.length === 0) return new Map();
  return grouped(await tilesOf(database, discom, { days, shards, asOf }), ({ day }) => day);
}

export const meterDayJson = ({ digest, by }: Evidence) => ({
  digest: hex(digest),
  ...{ handOff: by.handOff, signer: by.signer, intervalMinutes: by.intervalMinutes },
  ...{ receivedAtMs: BigInt(by.receivedAt), startMs: BigInt(by.dayStart) },
});

/** Of some meters on one day, in their order, from what is stored of it; null = not registered, or no reading. */
async function evidenceOf(
  { database, readings }: Reading,
  discom: string,
  stored: readonly TileRow[],
  meters: readonly (KnownMeter | undefined)[],
): Promise<(Evidence | null)[]> {
  const answers: (Evidence | null)[] = meters.map(() => null);
  const asked = grouped([...meters.keys()], (i) => (meters[i] ? gridOf(meters[i]) : ''));
  for (const versions of grouped(stored, placeOf).values()) {
    const newest = versions.at(-1)!;
    const places = asked.get(gridOf(newest));
    if (places === undefined) continue;
    const own = [...new Map(places.map((i) => [meters[i]!.ordinal, meters[i]!])).values()];
    const ordinals = own.map(({ ordinal }) => ordinal);
    const tiles: Tile[] = [];
    for (const version of versions) tiles.push(tileOfSome(await readings.read(discom, version), ordinals));
    const columns = foldTiles(tiles)!;
    const digests = dayDigests(
      newest,
      columns,
      own.map(({ meterId }) => meterId),
    );
    const by = await lastSpeakers(versions, tiles, (fold, nth) => speakerOf(database, discom, fold, ordinals[nth]!));
    const nthOf = new Map(ordinals.map((ordinal, nth) => [ordinal, nth]));
    for (const i of places) {
      const nth = nthOf.get(meters[i]!.ordinal)!;
      const digest = digests.subarray(32 * nth, 32 * (nth + 1));
      if (digest.some((byte) => byte !== 0)) answers[i] = { digest, by: by[nth] ?? newest, slots: () => slotsOf(columns, nth) };
    }
  }
  return answers;
}

const gridOf = ({ shard, zone, intervalMinutes }: Pick<TileRow, 'shard' | 'zone' | 'intervalMinutes'>): string =>
  `${shard} ${intervalMinutes} ${zone}`;

/** Of each meter the newest version that says anything of it. `under`: who spoke, as a fold remembers it meter by meter. */
async function lastSpeakers(
  versions: readonly TileRow[],
  tiles: readonly Tile[],
  under: (fold: TileRow, nth: number) => Promise<TileRow | null>,
): Promise<(TileRow | null)[]> {
  const by: (TileRow | null)[] = Array(tiles[0]!.header.meters).fill(null);
  let open = [...by.keys()];
  for (let at = versions.length - 1; at >= 0 && open.length > 0; at--) {
    const version = versions[at]!;
    if (version.fold) {
      for (const nth of open) by[nth] = await under(version, nth);
      break;
    }
    // Whoever nobody else spoke of has what the first one said, or has no reading.
    const speaks = at === 0 ? null : speakersOf(tiles[at]!);
    for (const nth of open) if (speaks === null || speaks[nth] === 1) by[nth] = version;
    open = open.filter((nth) => by[nth] === null);
  }
  return by;
}

/** By place: whether a version says anything of the meter. */
function speakersOf(tile: Tile): Uint8Array {
  const { header, statements } = tile;
  const speaks = new Uint8Array(header.meters);
  for (const place of statements.ordinal) speaks[place] = 1;
  if (header.kind === 'delta') return speaks;
  for (let slot = 0; slot < header.slots; slot++)
    for (const register of ['import', 'export'] as const) {
      const wh = tile.column(register, slot);
      for (let place = 0; place < speaks.length; place++) if (wh[place] !== MISSING) speaks[place] = 1;
    }
  return speaks;
}
