import { forgettingFits } from '../domain/day-weights.ts';
import { invalid } from '../domain/outcome.ts';
import type { Rational } from '../domain/rational.ts';
import type { DayType } from './days.ts';
import type { Family } from './family.ts';
import { readFamily, readSameDayWindow } from './family-request.ts';
import { parseFraction } from './rational.ts';

export type Select = 'high' | 'low' | 'mid' | 'all' | 'nearest';
export type AdjustmentKind = 'none' | 'additive' | 'multiplicative';
export type AdjustmentDirection = 'both' | 'up_only' | 'down_only';
/** reduce: delivered = baseline − metered (SHED); increase: metered − baseline (ABSORB). */
export type Direction = 'reduce' | 'increase';
export type Quantity = 'import' | 'export' | 'net';

/** Exact, not negative, numerator and denominator ≤ 2³⁰: what the core's bound admits. */
export type SmallFraction = { readonly num: number; readonly den: number };

/** One method of the day-matching family, in integers only. Source: golden RULES §§3–6. */
export type DayMatchingSpec = {
  readonly select: Select;
  readonly x: number;
  readonly y: number;
  readonly minDays: number;
  /** Days below this share of the mean score leave the candidates. */
  readonly lowUsage: SmallFraction | null;
  readonly adjustment: {
    readonly kind: AdjustmentKind;
    readonly direction: AdjustmentDirection;
    /** Clamps of the ratio (multiplicative). */
    readonly lo: SmallFraction | null;
    readonly hi: SmallFraction | null;
    /** Cap of the shift as a share of the mean unadjusted baseline (additive). */
    readonly cap: SmallFraction | null;
  };
  readonly floorZero: boolean;
  readonly direction: Direction;
};

/** Everything a case's `params` say: the spec, and which readings and days it looks at. */
export type BaselineParams = {
  readonly spec: DayMatchingSpec;
  readonly quantity: Quantity;
  readonly intervalMinutes: number;
  readonly dayType: DayType;
  readonly minGapDays: number;
  readonly lookbackDays: number;
  /** Adjustment window relative to the event's start, minutes ≤ 0; both 0 without adjustment. */
  readonly fromMin: number;
  readonly toMin: number;
  readonly anchor: 'start' | 'notice';
  /** What goes beyond the golden format; null = nothing. */
  readonly family: Family | null;
};

type Fields = Readonly<Record<string, unknown>>;

const SMALL = 2n ** 30n;
const LOOKBACK_MAX = 4000;

/** Reads the `params` object of the golden case format. Throws `Refusal` naming the field. */
export function readParams(value: unknown, direction: unknown, at = 'params'): BaselineParams {
  const params = readObject(value, at);
  const intervalMinutes = readInteger(params, 'interval_minutes', at, 1, 1440);
  if (1440 % intervalMinutes !== 0) throw fault(`${at}.interval_minutes`, 'must divide a day of 1440 minutes');
  const family = readFamily(params, at);
  if (family?.source === 'same_day') return sameDayParams(params, family, intervalMinutes, direction, at);
  const select = readOneOf(params, 'select', at, ['high', 'low', 'mid', 'all', 'nearest'] as const);
  const x = readInteger(params, 'x', at, 1, 256);
  const y = readInteger(params, 'y', at, 1, 256);
  if (x > y) throw fault(`${at}.x`, `is ${x}, more than y, which is ${y}`);
  const minGapDays = readInteger(params, 'min_gap_days', at, 1, LOOKBACK_MAX);
  const lookbackDays = readInteger(params, 'lookback_days', at, minGapDays, LOOKBACK_MAX);
  const adjustment = readAdjustment(params.adjustment, family, `${at}.adjustment`);
  const minDays = readInteger(params, 'min_days', at, 1, 256);
  if (family) demandWeights(family, select === 'all' ? Math.max(y, minDays) : x, at);
  return {
    spec: {
      select,
      x,
      y,
      minDays,
      lowUsage: readFraction(params, 'low_usage_threshold', at),
      adjustment: adjustment.spec,
      floorZero: readBoolean(params, 'floor_zero', at),
      direction: readDirection(direction),
    },
    quantity: readOneOf(params, 'quantity', at, ['import', 'export', 'net'] as const),
    intervalMinutes,
    dayType: readOneOf(params, 'day_type', at, ['weekday_vs_nonworking', 'weekday_sat_sunhol', 'same_weekday', 'any'] as const),
    minGapDays,
    lookbackDays,
    fromMin: adjustment.fromMin,
    toMin: adjustment.toMin,
    anchor: adjustment.anchor,
    family,
  };
}

const UNADJUSTED = { kind: 'none', direction: 'both', lo: null, hi: null, cap: null } as const;

/** A SAME_DAY baseline looks at no other day: what chooses days is not asked for. */
function sameDayParams(params: Fields, family: Family, intervalMinutes: number, direction: unknown, at: string): BaselineParams {
  const floorZero = readBoolean(params, 'floor_zero', at);
  return {
    spec: {
      ...{ select: 'all', x: 1, y: 1, minDays: 1, lowUsage: null, adjustment: UNADJUSTED, floorZero },
      direction: readDirection(direction),
    },
    quantity: readOneOf(params, 'quantity', at, ['import', 'export', 'net'] as const),
    ...{ intervalMinutes, dayType: 'any', minGapDays: 1, lookbackDays: 1, anchor: 'start', family },
    ...readSameDayWindow(params, at),
  };
}

type Window = { readonly fromMin: number; readonly toMin: number; readonly anchor: 'start' | 'notice' };

function readAdjustment(value: unknown, family: Family | null, at: string): { spec: DayMatchingSpec['adjustment'] } & Window {
  const adjustment = readObject(value, at);
  const kind = readOneOf(adjustment, 'kind', at, ['none', 'additive', 'multiplicative'] as const);
  if (kind === 'none') return { spec: UNADJUSTED, fromMin: 0, toMin: 0, anchor: 'start' };
  const after = family !== null && family.post.toMinutes > family.post.fromMinutes;
  const fromMin = readInteger(adjustment, 'from_min', at, -1440, after ? 0 : -1);
  const toMin = readInteger(adjustment, 'to_min', at, after ? fromMin : fromMin + 1, 0);
  const anchor = 'anchor' in adjustment ? readOneOf(adjustment, 'anchor', at, ['start', 'notice'] as const) : 'start';
  const direction = readOneOf(adjustment, 'direction', at, ['both', 'up_only', 'down_only'] as const);
  const window = { fromMin, toMin, anchor };
  if (kind === 'additive') {
    return { spec: { kind, direction, lo: null, hi: null, cap: readFraction(adjustment, 'cap_fraction', at) }, ...window };
  }
  const lo = readFraction(adjustment, 'ratio_min', at);
  const hi = readFraction(adjustment, 'ratio_max', at);
  if (lo && hi && lo.num * hi.den > hi.num * lo.den) throw fault(`${at}.ratio_min`, 'is above ratio_max');
  const shifts = family?.onNonpositive === 'additive';
  if (family?.capWh && !shifts) throw fault(`${at}.cap_wh`, 'bounds a shift: set on_nonpositive to additive, or drop it');
  const cap = shifts && 'cap_fraction' in adjustment ? readFraction(adjustment, 'cap_fraction', at) : null;
  return { spec: { kind, direction, lo, hi, cap }, ...window };
}

/** Weights for as many days as may be selected, within the bound of the core. */
function demandWeights({ weights, gaps }: Family, days: number, at: string): void {
  if (weights.kind !== 'equal' && gaps.eventSlots > 0)
    throw fault(`${at}.gaps.event_slots`, 'must be 0 unless all days have equal weights: a slot’s weights would not sum alike');
  if (weights.kind === 'list' && weights.values.length < days)
    throw fault(`${at}.weights.values`, `must have a weight for each of ${days} days, not ${weights.values.length}`);
  if (weights.kind === 'ewma' && !forgettingFits(weights.lambda.den, weights.init, days)) {
    throw fault(
      `${at}.weights.lambda`,
      `over ${days} days cannot be kept exactly: its weights pass 2^160; use fewer days, or a λ with a smaller denominator`,
    );
  }
}

/** `reduce` or `increase`. Throws `Refusal` naming the field. */
export function readDirection(value: unknown): Direction {
  return readOneOf({ direction: value }, 'direction', '', ['reduce', 'increase'] as const);
}

/** The object at a field. Throws `Refusal` when it is none. */
export function readObject(value: unknown, at: string): Fields {
  if (typeof value !== 'object' || value === null || Array.isArray(value))
    throw fault(at, `must be an object, not ${shown(value)}`);
  return value as Fields;
}

export const fault = (field: string, message: string) => invalid('malformed_request', `${field} ${message}`, field);

/** A value as a message shows it: short, and never a page of JSON. */
export function shown(value: unknown): string {
  if (value === undefined) return 'absent';
  const text = JSON.stringify(value) ?? String(value);
  return text.length > 60 ? `${text.slice(0, 57)}…` : text;
}

export function readInteger(fields: Fields, name: string, at: string, least: number, most: number): number {
  const value = fields[name];
  if (typeof value !== 'number' || !Number.isInteger(value) || value < least || value > most) {
    throw fault(at ? `${at}.${name}` : name, `must be an integer from ${least} to ${most}, not ${shown(value)}`);
  }
  return value;
}

export function readBoolean(fields: Fields, name: string, at: string): boolean {
  const value = fields[name];
  if (typeof value !== 'boolean') throw fault(`${at}.${name}`, `must be true or false, not ${shown(value)}`);
  return value;
}

export function readOneOf<const T extends string>(fields: Fields, name: string, at: string, words: readonly T[]): T {
  const value = fields[name];
  const found = words.find((word) => word === value);
  if (found === undefined) throw fault(at ? `${at}.${name}` : name, `must be one of ${words.join(', ')}, not ${shown(value)}`);
  return found;
}

/** A JSON number is read by its shortest decimal: 0.8 means 8/10, never the double beside it. */
export function readFraction(fields: Fields, name: string, at: string): SmallFraction | null {
  const value = fields[name];
  if (value === null) return null;
  const parsed: Rational | null = typeof value === 'string' || typeof value === 'number' ? parseFraction(String(value)) : null;
  if (!parsed)
    throw fault(`${at}.${name}`, `must be null, a decimal such as "0.8" or a fraction such as "5/6", not ${shown(value)}`);
  if (parsed.num < 0n || parsed.num > SMALL || parsed.den > SMALL) {
    throw fault(
      `${at}.${name}`,
      `must not be negative and have a numerator and denominator of at most 2^30, not ${shown(value)}`,
    );
  }
  return { num: Number(parsed.num), den: Number(parsed.den) };
}
