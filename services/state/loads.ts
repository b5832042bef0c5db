import { DAY, HOUR, type Instant, MINUTE } from '../domain/interval.ts';
import { encodeDelta, encodePacked, MISSING, type PackedColumn } from '../domain/tile.ts';
import type { CivilDay } from '../domain/zone.ts';

/*
 * Loads of a made-up state: every home has a size and a share of cooling, every day a weather, every half hour a shape; some readings
 * are missing, some corrected, some feeders dark, a few meters industrial. All of it follows from the seed, in integers.
 */

export type ShardOfLoads = { readonly seed: number; readonly shard: number; readonly meters: number };
export type DayOfLoads = { readonly day: CivilDay; readonly dayStart: Instant; readonly eventSlots: readonly number[] | null };
export type Outage = { readonly from: number; readonly to: number; readonly firstSlot: number; readonly slots: number };

const SLOTS = 48;
export const INTERVAL_MINUTES = 30;
const SUSPECT = 4;
const VALID = 1;

/** A sequence of 32-bit integers (Marsaglia, Xorshift RNGs, 2003), started from a hash of the words. */
function draws(...words: readonly number[]): () => number {
  let state = 0x9e3779b9;
  for (const word of words) {
    state = Math.imul(state ^ word, 0x85ebca6b);
    state = Math.imul(state ^ (state >>> 13), 0xc2b2ae35) ^ (state >>> 16);
  }
  if (state === 0) state = 1;
  return () => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return state >>> 0;
  };
}

const dayNumber = (dayStart: Instant): number => Math.floor(dayStart / DAY);

/** Lanes without supply on this day; most days none. */
export function outageOn({ seed, shard, meters }: ShardOfLoads, dayStart: Instant): Outage | null {
  const draw = draws(seed, shard, dayNumber(dayStart), 1);
  if (draw() % 100 >= 3) return null;
  const from = draw() % meters;
  return { from, to: Math.min(meters, from + 1 + (draw() % 200)), firstSlot: draw() % (SLOTS - 4), slots: 1 + (draw() % 4) };
}

/** Wh per half hour of each home at full shape: 1 of 500 shards has a works behind its first meter. */
function sizesOf({ seed, shard, meters }: ShardOfLoads): Int32Array {
  const draw = draws(seed, shard, 2);
  const sizes = Int32Array.from({ length: meters }, () => 120 + (draw() % 900));
  if (shard % 500 === 3) sizes[0] = 5_000_000;
  return sizes;
}

/** 0 … 256: the shape of a day, with a morning and an evening. */
const SHAPE = Int32Array.from({ length: SLOTS }, (_, slot) => {
  const hour = slot / 2;
  const hump = (at: number, width: number) => Math.exp(-(((hour - at) / width) ** 2));
  return Math.round(256 * Math.min(1, 0.28 + 0.25 * hump(8, 2) + 0.72 * hump(20, 3)));
});

/** The bytes of the day's tile, as metering would have sealed it. */
export function dayTile(home: ShardOfLoads, { day, dayStart, eventSlots }: DayOfLoads): Uint8Array {
  const { seed, shard, meters } = home;
  const number = dayNumber(dayStart);
  const sizes = sizesOf(home);
  const outage = outageOn(home, dayStart);
  const weather = 200 + (draws(seed, number, 3)() % 113);
  const dark = (slot: number) => outage !== null && slot >= outage.firstSlot && slot < outage.firstSlot + outage.slots;
  const suspects = draws(seed, shard, number, 4);
  const slot = suspects() % SLOTS;
  const others = {
    slot: Uint16Array.of(slot),
    ordinal: Uint32Array.of(suspects() % meters),
    quality: Uint8Array.of(SUSPECT),
  };
  const lay = (at: number, into: PackedColumn): void => {
    const draw = draws(seed, shard, number, at, 5);
    const missing = into instanceof Int32Array ? MISSING : -32768;
    const level = SHAPE[at]! * weather;
    const event = eventSlots?.includes(at) ?? false;
    for (let lane = 0; lane < meters; lane++) {
      const chance = draw();
      if (chance >>> 22 === 0 && !(at === slot && lane === others.ordinal[0])) {
        into[lane] = missing; // one in 1024
        continue;
      }
      // Two of three homes use a fifth to a third less in the window.
      const left = event && lane % 3 !== 0 ? 170 + (lane % 35) : 256;
      const wh = Math.floor((sizes[lane]! * level * (192 + (chance & 127)) * left) / 2 ** 32);
      into[lane] = dark(at) && lane >= outage!.from && lane < outage!.to ? 0 : wh;
    }
  };
  const width = sizes.some((size) => size > 30_000) ? 4 : 2;
  const name = { shard, day, intervalMinutes: INTERVAL_MINUTES, dayStart, slots: SLOTS, meters, version: 1 };
  return encodePacked(
    { ...name, knownAt: dayStart + DAY + 2 * HOUR },
    { width, hasExport: false, others, lay: (_, at, into) => lay(at, into) },
  );
}

/** A correction of a few readings of the day, known at `knownAt`; null on most days. */
export function correctionOf(
  { seed, shard, meters }: ShardOfLoads,
  { day, dayStart }: DayOfLoads,
): { bytes: Uint8Array; knownAt: Instant } | null {
  const draw = draws(seed, shard, dayNumber(dayStart), 6);
  if (draw() % 20 !== 0) return null;
  const cells = [...new Set(Array.from({ length: 5 }, () => (draw() % SLOTS) * meters + (draw() % meters)))].sort(
    (a, b) => a - b,
  );
  const knownAt = dayStart + DAY + 5 * HOUR + (draw() % 1000) * MINUTE;
  const bytes = encodeDelta(
    { shard, day, intervalMinutes: INTERVAL_MINUTES, dayStart, slots: SLOTS, meters, version: 2, knownAt },
    {
      slot: Uint16Array.from(cells, (cell) => Math.floor(cell / meters)),
      ordinal: Uint32Array.from(cells, (cell) => cell % meters),
      importWh: Int32Array.from(cells, () => 100 + (draw() % 1000)),
      exportWh: new Int32Array(cells.length).fill(MISSING),
      quality: new Uint8Array(cells.length).fill(VALID),
    },
  );
  return { bytes, knownAt };
}

/** Who of the shard is chosen or holdout, has an aggregator, pays by bill, left how many events, what was expected of it. */
export function cohortOf({ seed, shard, meters }: ShardOfLoads) {
  const draw = draws(seed, shard, 7);
  const column = (read: () => number) => Uint8Array.from({ length: meters }, read);
  return {
    role: column(() => (draw() % 20 === 0 ? 2 : 1)),
    aggregated: column(() => (draw() % 4 === 0 ? 0 : 1)),
    billed: column(() => (draw() % 50 === 0 ? 0 : 1)),
    optOuts: column(() => (draw() % 40 === 0 ? draw() % 6 : 0)),
    committedW: Int32Array.from({ length: meters }, () => 100 + (draw() % 900)),
  };
}
