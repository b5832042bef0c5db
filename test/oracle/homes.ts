import type { EstimateInput } from '../../services/performance/kernel.ts';
import { MISSING } from '../../services/performance/kernel.ts';
import type { DayMatchingSpec, SmallFraction } from '../../services/performance/spec.ts';
import type { OracleMeter } from './day-matching.ts';

/*
 * Random meters for the core against the oracle. Half of them are built to lie where a comparison or a rounding turns: equal scores, a score
 * exactly at the low-usage bar, totals on a half, an adjustment exactly at its cap or one unit beside it.
 */

export type Batch = { readonly spec: DayMatchingSpec; readonly meters: readonly OracleMeter[]; readonly shape: Shape };
export type Shape = { readonly days: number; readonly eventSlots: number; readonly windowSlots: number };
export type Random = { below(limit: number): number; pick<T>(list: readonly T[]): T; chance(one: number): boolean };

const f = (num: number, den: number): SmallFraction => ({ num, den });

/** A batch of lanes that share one spec, the same for the same seed. */
export function batch(seed: number, lanes: number): Batch {
  const random = generator(seed);
  const kind = random.pick(['none', 'additive', 'multiplicative'] as const);
  const y = 1 + random.below(10);
  const spec: DayMatchingSpec = {
    select: random.pick(['high', 'low', 'mid', 'all'] as const),
    x: 1 + random.below(y),
    y,
    minDays: 1 + random.below(y),
    lowUsage: random.pick([null, null, f(1, 4), f(1, 2), f(9, 10), f(1, 1), f(0, 1)]),
    adjustment: {
      kind,
      direction: random.pick(['both', 'both', 'up_only', 'down_only'] as const),
      lo: kind === 'multiplicative' ? random.pick([null, f(4, 5), f(5, 6), f(1, 2), f(0, 1)]) : null,
      hi: kind === 'multiplicative' ? random.pick([null, f(6, 5), f(5, 4), f(3, 2), f(1, 1)]) : null,
      cap: kind === 'additive' ? random.pick([null, f(1, 5), f(2, 5), f(1, 3), f(0, 1)]) : null,
    },
    floorZero: random.chance(2),
    direction: random.pick(['reduce', 'increase'] as const),
  };
  const shape = {
    days: 1 + random.below(14),
    eventSlots: 1 + random.below(4),
    windowSlots: kind === 'none' ? 0 : 1 + random.below(3),
  };
  const meters = Array.from({ length: lanes }, (_, lane) => (lane % 2 ? wild(random, shape) : built(random, spec, shape)));
  return { spec, shape, meters };
}

/** The largest shapes and readings the core admits: days, slots and Wh at its bound, ratios near the extremes. */
export function extremeBatch(seed: number, lanes: number): Batch {
  const random = generator(seed);
  const kind = random.pick(['additive', 'multiplicative'] as const);
  const wide = random.pick([f(2 ** 30, 2 ** 30 - 1), f(1, 2 ** 30), f(2 ** 30 - 1, 2 ** 30)]);
  const spec: DayMatchingSpec = {
    select: random.pick(['high', 'mid', 'all'] as const),
    x: 200 + random.below(56),
    y: 256,
    minDays: 1,
    lowUsage: random.pick([null, f(2 ** 30 - 1, 2 ** 30), f(1, 2 ** 30)]),
    adjustment: {
      kind,
      direction: 'both',
      lo: kind === 'multiplicative' ? random.pick([null, f(1, 2 ** 30)]) : null,
      hi: kind === 'multiplicative' ? random.pick([null, f(2 ** 30, 1), wide]) : null,
      cap: kind === 'additive' ? random.pick([null, wide]) : null,
    },
    floorZero: random.chance(2),
    direction: random.pick(['reduce', 'increase'] as const),
  };
  const shape = { days: 270, eventSlots: 128, windowSlots: 128 };
  const most = 2 ** 31 - 1;
  const meters = Array.from({ length: lanes }, (_, lane) => {
    const near = () =>
      [most, most - random.below(9), -most, random.below(most)][lane % 3 === 0 ? 0 : random.below(lane % 3 === 1 ? 2 : 4)]!;
    return meterOf(shape, () => ({ day: near, now: near, excluded: false, dark: () => false }));
  });
  // A reference of 1 Wh under an observed window at the bound: the largest ratio there is.
  const steep = meterOf(shape, () => ({
    day: (slot) => (slot === shape.eventSlots ? 1 : slot > shape.eventSlots ? 0 : most),
    now: () => most,
    excluded: false,
    dark: () => false,
  }));
  return { spec, shape, meters: [...meters, steep] };
}

/** The columns of a batch, as the core takes them. */
export function columnsOf({ spec, shape, meters }: Batch): EstimateInput {
  const slots = shape.eventSlots + shape.windowSlots;
  const lanes = meters.length;
  const history = new Int32Array(shape.days * slots * lanes);
  const excluded = new Uint8Array(shape.days * lanes);
  const actual = new Int32Array(slots * lanes);
  const notSettled = new Uint8Array(shape.eventSlots * lanes);
  meters.forEach((meter, m) => {
    meter.days.forEach((day, d) => {
      excluded[d * lanes + m] = day.excluded ? 1 : 0;
      [...day.event, ...day.window].forEach((wh, s) => {
        history[(d * slots + s) * lanes + m] = wh ?? MISSING;
      });
    });
    [...meter.actual, ...meter.actualWindow].forEach((wh, s) => {
      actual[s * lanes + m] = wh ?? MISSING;
    });
    meter.dark.forEach((dark, s) => {
      notSettled[s * lanes + m] = dark ? 1 : 0;
    });
  });
  return { spec, meters: lanes, ...shape, history, excluded, actual, notSettled };
}

/** Anything: signed net loads, gaps, excluded and dark intervals. */
function wild(random: Random, shape: Shape): OracleMeter {
  const span = random.pick([5, 100, 3000, 2 ** 31 - 1]);
  const signed = random.chance(3);
  const gaps = random.pick([0, 0, 40, 10]);
  const wh = () => (gaps && random.chance(gaps) ? null : random.below(span) - (signed ? Math.floor(span / 2) : 0));
  return meterOf(shape, () => ({ day: wh, now: wh, excluded: random.chance(8), dark: () => random.chance(12) }));
}

function built(random: Random, spec: DayMatchingSpec, shape: Shape): OracleMeter {
  const build = random.pick([tied, atTheBar, onAHalf, atTheCap]);
  return build(random, spec, shape);
}

/** Few distinct scores. */
function tied(random: Random, _: DayMatchingSpec, shape: Shape): OracleMeter {
  const values = random.pick([
    [0, 1],
    [7, 7, 8],
    [0, 0, 500],
  ]);
  const wh = () => random.pick(values);
  return meterOf(shape, () => ({ day: wh, now: wh, excluded: random.chance(10), dark: () => false }));
}

/** One of n days scores t × mean exactly: u (n − t) = t (n − 1) v; or one Wh beside it. */
function atTheBar(random: Random, spec: DayMatchingSpec, shape: Shape): OracleMeter {
  const t = spec.lowUsage ?? f(1, 4);
  const n = Math.min(spec.y, shape.days);
  const unit = 1 + random.below(50);
  const usual = (n * t.den - t.num) * unit;
  const low = t.num * (n - 1) * unit + random.pick([0, 0, -1, 1]);
  const odd = random.below(n);
  return meterOf(shape, (d) => ({
    day: (slot) => (slot === 0 ? (d === odd ? low : usual) : slot < shape.eventSlots ? 0 : 10),
    now: () => unit,
    excluded: false,
    dark: () => false,
  }));
}

/** Equal days with an odd load, and a window that halves or thrice halves them; without ratio, an uneven pair of days. */
function onAHalf(random: Random, spec: DayMatchingSpec, shape: Shape): OracleMeter {
  const load = 2 * random.below(400) + 1;
  const half = 1 + random.below(200);
  const seen = half * random.pick([1, 3]);
  const uneven = spec.adjustment.kind === 'multiplicative' ? 0 : random.pick([1, 2, Math.max(1, spec.x >> 1)]);
  const used = random.below(900);
  return meterOf(shape, (d) => ({
    day: (slot) => (slot >= shape.eventSlots ? 2 * half : slot === 0 && d === 0 ? load + uneven : load),
    now: (slot) => (slot < shape.eventSlots ? used : seen),
    excluded: false,
    dark: () => false,
  }));
}

/** Equal days, and an event-day window exactly at the clamp or cap, or one Wh beside it. */
function atTheCap(random: Random, spec: DayMatchingSpec, shape: Shape): OracleMeter {
  const { kind, lo, hi, cap } = spec.adjustment;
  const unit = 1 + random.below(300);
  const beside = random.pick([0, 0, 1, -1]);
  const clamp = random.pick([lo, hi]) ?? f(6, 5);
  const bound = cap ?? f(1, 5);
  const load = kind === 'additive' ? bound.den * unit : 1 + random.below(2000);
  const window = kind === 'additive' ? 4000 + unit : clamp.den * unit;
  const seen = kind === 'additive' ? window + random.pick([1, -1]) * bound.num * unit : clamp.num * unit;
  return meterOf(shape, () => ({
    day: (slot) => (slot < shape.eventSlots ? load : window),
    now: (slot) => (slot < shape.eventSlots ? random.below(2000) : seen + (slot === shape.eventSlots ? beside : 0)),
    excluded: false,
    dark: () => false,
  }));
}

type DayPlan = {
  day: (slot: number) => number | null;
  now: (slot: number) => number | null;
  excluded: boolean;
  dark: (slot: number) => boolean;
};

/** Lays out a meter from a plan per day; the event day follows the plan of day -1. */
export function meterOf(shape: Shape, plan: (d: number) => DayPlan): OracleMeter {
  const slots = (count: number, first: number, value: (slot: number) => number | null) =>
    Array.from({ length: count }, (_, s) => value(first + s));
  const event = plan(-1);
  return {
    days: Array.from({ length: shape.days }, (_, d) => {
      const own = plan(d);
      return {
        excluded: own.excluded,
        event: slots(shape.eventSlots, 0, own.day),
        window: slots(shape.windowSlots, shape.eventSlots, own.day),
      };
    }),
    actual: slots(shape.eventSlots, 0, event.now),
    actualWindow: slots(shape.windowSlots, shape.eventSlots, event.now),
    dark: Array.from({ length: shape.eventSlots }, (_, s) => event.dark(s)),
  };
}

/** mulberry32: small, seeded, the same everywhere. */
export function generator(seed: number): Random {
  let state = seed >>> 0;
  const next = () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
  const below = (limit: number) => Math.floor(next() * limit);
  return { below, pick: (list) => list[below(list.length)]!, chance: (one) => below(one) === 0 };
}
