import { rational } from '../domain/rational.ts';
import { MISSING } from '../domain/tile.ts';
import { DIRECTION, KIND, SELECT } from './core-words.ts';
import type { Family } from './family.ts';
import type { MeterEstimate, MeterResult } from './kernel.ts';
import type { DayMatchingSpec } from './spec.ts';

/** Columns as for the plain core; a row is the W event slots, the A window slots, then the R slots that days are ranked on. */
export type FamilyInput = {
  readonly spec: DayMatchingSpec;
  readonly family: Family;
  readonly meters: number;
  readonly days: number;
  readonly eventSlots: number;
  readonly windowSlots: number;
  /** Wh, or thousandths of a degree in one slot a day. */
  readonly rankSlots: number;
  /** [D][W+A+R][M] */
  readonly history: Int32Array;
  /** [D][M] 1 = the day does not count; 2 = an event was called on it, and nothing else excludes it. */
  readonly excluded: Uint8Array;
  /** [W+A+R][M] */
  readonly actual: Int32Array;
  /** [W][M] */
  readonly notSettled?: Uint8Array;
  /** [M] Wh an interval the baseline may not exceed; MISSING = none. */
  readonly limit?: Int32Array;
};

const STATUS = ['ok', 'insufficient_days', 'out_of_bounds', 'event_day_missing'] as const;
const FLAGS = [
  [1, 'fewer_than_y_days'],
  [2, 'adjustment_skipped_nonpositive'],
  [4, 'adjustment_skipped_missing'],
  [16, 'refilled_with_event_days'],
  [32, 'shifted_instead_of_ratio'],
  [64, 'limited_to_connected_load'],
  [128, 'gaps_tolerated'],
] as const;
const CAPPED = 8;
const DAY = { eligible: 1, candidate: 2, rejected: 4, selected: 8, refilled: 16 } as const;
const WEIGHTING = { equal: 0, list: 1, ewma: 3 } as const;
const UNOBSERVED = -(2n ** 63n);

/** Address fields of `Family` in assembly/family-columns.ts, in its order. */
const COLUMNS = [
  ...(['terms', 'list', 'history', 'state', 'actual', 'notSettled', 'limit'] as const),
  ...(['status', 'flags', 'day', 'score', 'scoreSlots', 'rank', 'rankSlotCount', 'weight', 'weightSum'] as const),
  ...(['unadjusted', 'unadjustedDenominator', 'observed', 'reference', 'raw', 'applied', 'denominator'] as const),
  ...(['baseline', 'delivered', 'baselineTotal', 'deliveredTotal', 'actualTotal', 'missingCount', 'notSettledCount'] as const),
  ...(['baselineTotalWh', 'deliveredTotalWh', 'baselineWh', 'deliveredWh', 'scratch', 'end'] as const),
];
type Column = (typeof COLUMNS)[number];

const REFUSED: Readonly<Record<number, string>> = {
  1: 'the shape lies outside the core’s bounds: at most 4096 days, 128 event and 128 window intervals, 256 to rank on',
  2: 'the selection says nothing: 1 ≤ x, y and min_days ≤ 256, a rule with what it ranks on, fewer gaps than intervals',
  3: 'the weights would not fit 256 bits: whole numbers from 1 to 2^30, and init·q^(days − init) ≤ 2^160 for λ = p/q',
  4: 'the adjustment is none: its window, clamps and caps must belong to its kind and be fractions of at most 2^30',
  5: 'gaps in the event window are tolerated with equal weights only',
};

/** Readings a pass: the arena stays some tens of MiB whatever the number of meters. */
const PASS_READINGS = 2 ** 20;

/** Baseline and delivered energy of all lanes. Throws RangeError saying which bound the input passes. */
export function matchDays(core: FamilyCore, input: FamilyInput): { meters: number; at(meter: number): MeterEstimate } {
  if (!core.matchDays)
    throw new RangeError('this core knows only X of Y with one adjustment window: the family needs a later one');
  const { meters, days } = input;
  const slots = input.eventSlots + input.windowSlots + input.rankSlots;
  const fits =
    input.history.length === days * slots * meters &&
    input.excluded.length === days * meters &&
    input.actual.length === slots * meters &&
    (input.notSettled?.length ?? input.eventSlots * meters) === input.eventSlots * meters &&
    (input.limit?.length ?? meters) === meters;
  if (!fits) throw new RangeError('a column does not have the length its shape says');
  const terms = termsOf(input);
  const lanes = Math.max(1, Math.floor(PASS_READINGS / ((days + 1) * (slots + 16))));
  const found: MeterEstimate[] = [];
  for (let first = 0; first < meters; first += lanes) {
    const width = Math.min(lanes, meters - first);
    const pass = runPass(core, input, terms, first, width);
    for (let m = 0; m < width; m++) found.push(laneOf(pass, input, m));
  }
  return {
    meters,
    at: (meter) => found[meter] ?? outside(meter),
  };
}

/** The arena after one pass. */
type Pass = { readonly buffer: ArrayBuffer; readonly width: number; readonly at: Readonly<Record<Column, number>> };

function runPass(core: FamilyCore, input: FamilyInput, terms: readonly number[], first: number, width: number): Pass {
  const { meters, days, eventSlots, windowSlots, rankSlots } = input;
  const slots = eventSlots + windowSlots + rankSlots;
  const shape = [width, days, eventSlots, windowSlots, rankSlots] as const;
  if (core.memory.buffer.byteLength === 0) core.memory.grow(1);
  const addresses = COLUMNS.map((_, which) => core.familyColumn(which, ...shape));
  const at = Object.fromEntries(COLUMNS.map((name, which) => [name, addresses[which]!])) as Record<Column, number>;
  const short = at.end - core.memory.buffer.byteLength;
  if (short > 0) core.memory.grow(Math.ceil(short / 65536));
  const { buffer } = core.memory; // after growth: growing detaches older views
  const lanes = <T extends Int32Array | Uint8Array>(from: T, into: T) => {
    for (let row = 0; row * width < into.length; row++)
      into.set(from.subarray(row * meters + first, row * meters + first + width), row * width);
  };
  new Int32Array(buffer, at.terms, terms.length).set(terms);
  const { weights } = input.family;
  if (weights.kind === 'list') new Int32Array(buffer, at.list, LIST_LENGTH).fill(0).set(weights.values.slice(0, LIST_LENGTH));
  lanes(input.history, new Int32Array(buffer, at.history, days * slots * width));
  lanes(input.excluded, new Uint8Array(buffer, at.state, days * width));
  lanes(input.actual, new Int32Array(buffer, at.actual, slots * width));
  const dark = new Uint8Array(buffer, at.notSettled, eventSlots * width).fill(0);
  if (input.notSettled) lanes(input.notSettled, dark);
  const limit = new Int32Array(buffer, at.limit, width).fill(MISSING);
  if (input.limit) lanes(input.limit, limit);
  const refused = core.matchDays!(...shape);
  if (refused !== 0) throw new RangeError(REFUSED[refused] ?? `the core refuses (${refused})`);
  return { buffer, width, at };
}

const LIST_LENGTH = 256;

/** The terms as the core's integers, in its order; denominator 0 = not set. */
function termsOf({ spec, family, eventSlots, windowSlots }: FamilyInput): number[] {
  const slots = family.source === 'same_day' ? windowSlots : eventSlots;
  const { adjustment } = spec;
  const { weights } = family;
  const pair = (f: { num: number; den: number } | null) => (f ? [f.num, f.den] : [0, 0]);
  const terms = [
    family.source === 'same_day' ? 1 : 0,
    SELECT[spec.select],
    family.rankOn === 'event_window' ? 0 : 1,
    ...[spec.x, spec.y, spec.minDays, ...pair(spec.lowUsage)],
    // However short the event, a day must have some interval of it.
    ...[family.refill === 'none' ? 0 : 1, Math.min(family.gaps.eventSlots, slots - 1), family.gaps.rankSlots],
    WEIGHTING[weights.kind] + (weights.kind === 'list' && weights.by === 'rank' ? 1 : 0),
    ...(weights.kind === 'ewma' ? [...pair(weights.lambda), weights.init] : [0, 0, 0]),
    ...[KIND[adjustment.kind], DIRECTION[adjustment.direction]],
    ...[...pair(adjustment.lo), ...pair(adjustment.hi), ...pair(adjustment.cap), ...pair(family.capWh)],
    ...[family.onNonpositive === 'additive' ? 1 : 0, family.nearZeroWh],
    ...[spec.floorZero ? 1 : 0, spec.direction === 'increase' ? 1 : 0],
  ];
  const listed = weights.kind === 'list' ? weights.values : [];
  if (![...terms, ...listed].every((term) => Number.isInteger(term) && Math.abs(term) <= 2 ** 30))
    throw new RangeError('the spec is not made of integers up to 2^30');
  return terms;
}

function laneOf({ buffer, width, at }: Pass, input: FamilyInput, m: number): MeterEstimate {
  const { days } = input;
  const small = (column: Column, row = 0) => new Uint8Array(buffer, at[column])[row * width + m]!;
  const count = (column: Column, row = 0) => new Int32Array(buffer, at[column])[row * width + m]!;
  const wide = (column: Column, row = 0) => wideCell(buffer, at[column] + 32 * (row * width + m));
  const bits = new Uint8Array(buffer, at.day, days * width);
  const rows = (bit: number) => {
    const found: number[] = [];
    for (let d = 0; d < days; d++) if (bits[d * width + m]! & bit) found.push(d);
    return found;
  };
  const candidates = rows(DAY.candidate);
  const selected = rows(DAY.selected);
  const status = STATUS[small('status')]!;
  const flags = small('flags');
  const weighed = status === 'ok' && input.family.weights.kind !== 'equal';
  const scores = new BigInt64Array(buffer, at.score, days * width);
  // The arena is read here and now; fractions are brought to lowest terms only for whoever looks at them.
  const shares = weighed ? selected.map((d) => wide('weight', d)) : null;
  const sum = wide('weightSum');
  return {
    status,
    flags: FLAGS.flatMap(([bit, name]) => (flags & bit ? [name] : [])),
    eligible: rows(DAY.eligible),
    ...{ candidates, selected },
    rejected: rows(DAY.rejected),
    refilled: candidates.filter((d) => bits[d * width + m]! & DAY.refilled),
    get weights() {
      return shares?.map((share) => rational(share, sum)) ?? null;
    },
    scoresWh: candidates.map((d) => Number(scores[d * width + m])),
    missingIntervals: count('missingCount'),
    notSettledIntervals: count('notSettledCount'),
    result: status === 'ok' ? resultOf({ buffer, width, at }, input, m) : null,
  };
}

function resultOf({ buffer, width, at }: Pass, input: FamilyInput, m: number): MeterResult {
  const { eventSlots, windowSlots } = input;
  const slots = Array.from({ length: eventSlots }, (_, s) => s);
  const wide = (column: Column, row = 0) => wideCell(buffer, at[column] + 32 * (row * width + m));
  const number = (column: Column, row = 0) => new Float64Array(buffer, at[column])[row * width + m]!;
  const whole = (column: Column) => new BigInt64Array(buffer, at[column])[m]!;
  const gap = (slot: number) => Number.isNaN(number('deliveredWh', slot));
  const observed = whole('observed');
  const window = BigInt(windowSlots);
  const flags = new Uint8Array(buffer, at.flags)[m]!;
  const adjusted = input.spec.adjustment.kind !== 'none';
  const unadjusted = slots.map((slot) => wide('unadjusted', slot));
  const [unadjustedDenominator, reference, weightSum] = [wide('unadjustedDenominator'), wide('reference'), wide('weightSum')];
  const [rawNum, rawDen, appliedNum, appliedDen] = [wide('raw'), wide('raw', 1), wide('applied'), wide('applied', 1)];
  return {
    get unadjusted() {
      return unadjusted.map((num) => rational(num, unadjustedDenominator));
    },
    get adjustment() {
      if (!adjusted) return null;
      return {
        observedMean: observed === UNOBSERVED ? null : rational(observed, window),
        referenceMean: rational(reference, window * weightSum),
        raw: rawDen === 0n ? null : rational(rawNum, rawDen),
        applied: rational(appliedNum, appliedDen),
        capped: (flags & CAPPED) !== 0,
      };
    },
    denominator: wide('denominator'),
    baseline: slots.map((slot) => wide('baseline', slot)),
    delivered: slots.map((slot) => (gap(slot) ? null : wide('delivered', slot))),
    baselineTotal: wide('baselineTotal'),
    deliveredTotal: wide('deliveredTotal'),
    actualTotalWh: Number(whole('actualTotal')),
    baselineTotalWh: number('baselineTotalWh'),
    deliveredTotalWh: number('deliveredTotalWh'),
    baselineWh: slots.map((slot) => number('baselineWh', slot)),
    deliveredWh: slots.map((slot) => (gap(slot) ? null : number('deliveredWh', slot))),
  };
}

/** 256 bits, two's complement, low limb first. */
function wideCell(buffer: ArrayBuffer, at: number): bigint {
  const limbs = new BigUint64Array(buffer, at, 4);
  const top = BigInt.asIntN(64, limbs[3]!);
  if ((top === 0n || top === -1n) && limbs[2] === BigInt.asUintN(64, top) && limbs[1] === limbs[2]) {
    const low = BigInt.asIntN(64, limbs[0]!);
    if (low < 0n === top < 0n) return low;
  }
  return (top << 192n) | (limbs[2]! << 128n) | (limbs[1]! << 64n) | limbs[0]!;
}

function outside(meter: number): never {
  throw new RangeError(`there is no lane ${meter}`);
}

/** A core may be older than the family. */
export type FamilyCore = {
  readonly memory: { readonly buffer: ArrayBuffer; grow(pages: number): number };
  familyColumn(which: number, ...shape: readonly number[]): number;
  readonly matchDays?: (...shape: readonly number[]) => number;
};
