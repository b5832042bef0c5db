import { MISSING } from '../domain/tile.ts';

/** What makes a reading doubtful. All of it is here and nowhere else. */
export type VeeLimits = {
  /** Equal readings in a row over this many hours of one day: from there on the register is taken for stuck … */
  readonly stuckHours: number;
  /** … if they mean at least this power, W: standby load may well stand still. */
  readonly stuckFloorW: number;
  /** So many times the larger of its two neighbours … */
  readonly spikeTimes: number;
  /** … and above this mean power, W, and above the sanctioned load. */
  readonly spikeFloorW: number;
  /** Times the sanctioned load: doubtful above the first, impossible above the second. */
  readonly suspectTimesLoad: number;
  readonly rejectTimesLoad: number;
  /** Share of a feeder's meters at zero in one interval that nobody explained, and the least number of meters it takes. */
  readonly zeroShare: number;
  readonly zeroMetersLeast: number;
  /** A meter at zero for more than this share of its day idles by nature (a charger), and says nothing about its feeder. */
  readonly idleShare: number;
  /** Wh per interval by which a day's readings may differ from the daily register: each interval's rounding. */
  readonly daySumToleranceWh: number;
};

export const LIMITS: VeeLimits = {
  stuckHours: 12,
  stuckFloorW: 100,
  spikeTimes: 10,
  spikeFloorW: 10_000,
  suspectTimesLoad: 2,
  rejectTimesLoad: 10,
  zeroShare: 0.3,
  zeroMetersLeast: 5,
  idleShare: 0.5,
  daySumToleranceWh: 1,
};

export const SUSPECT_STUCK = 1;
export const SUSPECT_SPIKE = 2;
export const SUSPECT_LOAD = 4;
export const REJECT_LOAD = 8;

/** One register of one meter over one day. */
export type MeterDaySeries = {
  /** Wh by slot, MISSING where none. */
  readonly wh: Int32Array;
  readonly intervalMinutes: number;
  /** W; 0 = not known, then nothing is implausible. */
  readonly sanctionedLoadW: number;
};

/** Verdicts by slot, a sum of the flags above; true when there is any. Missing stays missing and breaks a run. */
export function judge(
  { wh, intervalMinutes, sanctionedLoadW }: MeterDaySeries,
  limits: VeeLimits,
  verdicts: Uint8Array,
): boolean {
  const perHour = 60 / intervalMinutes;
  const stuckFrom = limits.stuckHours * perHour;
  const highFrom = highFromW(sanctionedLoadW, limits);
  let any = 0;
  let length = 0;
  let before = MISSING;
  for (let slot = 0; slot < wh.length; slot++) {
    const value = wh[slot]!;
    length = value === before ? length + 1 : 1;
    before = value;
    let verdict = 0;
    const power = value * perHour;
    if (length >= stuckFrom && value !== MISSING && power >= limits.stuckFloorW) verdict = SUSPECT_STUCK;
    if (power >= highFrom) {
      if (isSpike(wh, slot, power, sanctionedLoadW, limits)) verdict |= SUSPECT_SPIKE;
      if (sanctionedLoadW > 0 && power > limits.rejectTimesLoad * sanctionedLoadW) verdict |= REJECT_LOAD;
      else if (sanctionedLoadW > 0 && power > limits.suspectTimesLoad * sanctionedLoadW) verdict |= SUSPECT_LOAD;
    }
    verdicts[slot] = verdict;
    any |= verdict;
  }
  return any !== 0;
}

/** Most readings are far below every limit, and are looked at no further. W. */
const highFromW = (sanctionedLoadW: number, { spikeFloorW, suspectTimesLoad }: VeeLimits): number =>
  Math.min(spikeFloorW, sanctionedLoadW > 0 ? suspectTimesLoad * sanctionedLoadW : Infinity);

/**
 * Looks at one register of many meters side by side, slot after slot, as their columns lie: `noticed` is 1 for each of which `judge` may find
 * something. Nearly always that is hardly anybody, and no day need be put together. `sanctionedLoadsW` as in `judge`, by meter.
 *
 * A run long enough to be stuck has the same value in all of the every `apart`-th slots it covers, and those are at least `times`.
 */
export function watcher(sanctionedLoadsW: Float64Array, intervalMinutes: number, limits: VeeLimits) {
  const perHour = 60 / intervalMinutes;
  const stuckFrom = limits.stuckHours * perHour;
  const apart = Math.max(1, Math.floor(stuckFrom / LOOKS));
  const times = Math.floor(Math.ceil(stuckFrom) / apart);
  // Rounded down, and one less for what a quotient was rounded up: to notice too many costs little, too few is wrong.
  const highFromWh = Int32Array.from(sanctionedLoadsW, (watts) => Math.floor(highFromW(watts, limits) / perHour) - 1);
  const meters = highFromWh.length;
  const noticed = new Uint8Array(meters);
  const length = new Int32Array(meters);
  const before = new Int32Array(meters).fill(MISSING);
  let slot = 0;
  const see = (wh: Int32Array): void => {
    for (let meter = 0; meter < meters; meter++) if (wh[meter]! >= highFromWh[meter]!) noticed[meter] = 1;
    if (slot++ % apart !== 0) return;
    for (let meter = 0; meter < meters; meter++) {
      const value = wh[meter]!;
      const same = value === before[meter] ? length[meter]! + 1 : 1;
      length[meter] = same;
      before[meter] = value;
      if (same >= times && value * perHour >= limits.stuckFloorW) noticed[meter] = 1;
    }
  };
  return { see, noticed };
}

/** So often is a run looked at before it is long enough. */
const LOOKS = 4;

/** Needs both neighbours: at the edge of what is known a rise is only a rise. */
function isSpike(wh: Int32Array, slot: number, power: number, sanctionedLoadW: number, limits: VeeLimits): boolean {
  if (power < limits.spikeFloorW || power <= sanctionedLoadW || slot === 0 || slot === wh.length - 1) return false;
  const before = wh[slot - 1]!;
  const after = wh[slot + 1]!;
  return before !== MISSING && after !== MISSING && wh[slot]! >= limits.spikeTimes * Math.max(before, after, 1);
}

/** One day of one feeder, as far as it lies in one shard. */
export type FeederDay = {
  readonly slots: number;
  /** By meter: import and export Wh by slot. */
  readonly meters: readonly { readonly importWh: Int32Array; readonly exportWh: Int32Array }[];
  /** True where an outage, load shedding or disconnection is on record for this meter. */
  readonly explained: (meter: number, slot: number) => boolean;
};

/** Slots in which too many of the feeder's meters read zero at once and nobody said why. */
export function unexplainedZeros({ slots, meters, explained }: FeederDay, limits: VeeLimits): Uint8Array {
  const suspects = new Uint8Array(slots);
  const watched = meters.map((meter, i) => ({ ...meter, i })).filter(({ importWh }) => !idles(importWh, limits.idleShare));
  if (watched.length < limits.zeroMetersLeast) return suspects;
  for (let slot = 0; slot < slots; slot++) {
    let zeros = 0;
    for (const { importWh, exportWh, i } of watched)
      if (importWh[slot] === 0 && exportWh[slot]! <= 0 && !explained(i, slot)) zeros++;
    if (zeros >= limits.zeroMetersLeast && zeros >= limits.zeroShare * watched.length) suspects[slot] = 1;
  }
  return suspects;
}

function idles(wh: Int32Array, share: number): boolean {
  let known = 0;
  let zeros = 0;
  for (const value of wh) {
    if (value === MISSING) continue;
    known++;
    if (value === 0) zeros++;
  }
  return known > 0 && zeros > share * known;
}

/** A complete day whose intervals do not add up to the daily register; with a gap there is nothing to compare. */
export function daySumDiffers(wh: Int32Array, registerWh: number, limits: VeeLimits): boolean {
  let sum = 0;
  for (const value of wh) {
    if (value === MISSING) return false;
    sum += value;
  }
  return Math.abs(sum - registerWh) > limits.daySumToleranceWh * wh.length;
}
