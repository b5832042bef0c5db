import type { AdjustmentDirection, AdjustmentKind, DayMatchingSpec, Select } from './spec.ts';

// The numbers by which the core knows the words of a spec (`assembly/select.ts`, `adjust.ts`, `family-days.ts`).

/** `nearest` is of the family: the plain way refuses it. */
export const SELECT: Record<Select, number> = { high: 0, low: 1, mid: 2, all: 3, nearest: 4 };
export const KIND: Record<AdjustmentKind, number> = { none: 0, additive: 1, multiplicative: 2 };
export const DIRECTION: Record<AdjustmentDirection, number> = { both: 0, up_only: 1, down_only: 2 };

/** The spec as the core's arguments, in its order; denominator 0 = not set. Throws RangeError where a number is none of its. */
export function coreTerms(spec: DayMatchingSpec): number[] {
  const { adjustment } = spec;
  const pair = (f: { num: number; den: number } | null) => (f ? [f.num, f.den] : [0, 0]);
  const terms = [
    ...[SELECT[spec.select], spec.x, spec.y, spec.minDays, ...pair(spec.lowUsage)],
    ...[
      KIND[adjustment.kind],
      DIRECTION[adjustment.direction],
      ...pair(adjustment.lo),
      ...pair(adjustment.hi),
      ...pair(adjustment.cap),
    ],
    ...[spec.floorZero ? 1 : 0, spec.direction === 'increase' ? 1 : 0],
  ];
  if (!terms.every((term) => Number.isInteger(term) && Math.abs(term) <= 2 ** 30))
    throw new RangeError('the spec is not made of integers up to 2^30');
  return terms;
}
