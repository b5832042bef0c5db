import type { AdjustmentDirection, AdjustmentKind, Select } from './spec.ts';

// The numbers by which the core knows the words of a spec (`assembly/select.ts`, `adjust.ts`, `family-days.ts`).

/** `nearest` is of the family: the plain way refuses it. */
export const SELECT: Record<Select, number> = { high: 0, low: 1, mid: 2, all: 3, nearest: 4 };
export const KIND: Record<AdjustmentKind, number> = { none: 0, additive: 1, multiplicative: 2 };
export const DIRECTION: Record<AdjustmentDirection, number> = { both: 0, up_only: 1, down_only: 2 };
