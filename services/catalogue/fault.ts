import type { Ratio } from '../../gen/lachak/v1/types_pb.ts';

/** Why terms cannot be published: a stable code, the field by its path in the request, and what would be right. */
export type TermsFault = { readonly code: string; readonly field: string; readonly message: string };

export const fault = (code: string, field: string, message: string): TermsFault => ({
  code,
  field: `terms.${field}`,
  message: `terms.${field} ${message}`,
});

// What the core's error bound admits: see assembly/exact.ts.
const RATIO_LIMIT = 1n << 30n;

/** A ratio must be exact, not negative, and small enough for the core. Absent is right where the caller says so. */
export function ratioFault(ratio: Ratio | undefined, field: string): TermsFault | null {
  if (!ratio) return null;
  if (ratio.den <= 0n) return fault('ratio_malformed', field, `needs a denominator above 0, not ${ratio.den}`);
  if (ratio.num < 0n) return fault('ratio_malformed', field, `must not be negative, but is ${ratio.num}/${ratio.den}`);
  if (ratio.num > RATIO_LIMIT || ratio.den > RATIO_LIMIT) {
    return fault('ratio_malformed', field, 'needs a numerator and denominator of at most 2^30');
  }
  return null;
}

/** −1, 0, 1 as a is below, equal to, above b. Denominators > 0. */
export function compareRatios(a: Ratio, b: Ratio): number {
  const left = a.num * b.den;
  const right = b.num * a.den;
  return left < right ? -1 : left > right ? 1 : 0;
}

/** The first fault of many, in their order. */
export function firstFault<T>(items: readonly T[], check: (item: T, index: number) => TermsFault | null): TermsFault | null {
  for (const [index, item] of items.entries()) {
    const found = check(item, index);
    if (found) return found;
  }
  return null;
}

/** `2026-02-29` is no day. */
export function isCivilDay(text: string): boolean {
  const parts = /^(\d{4})-(\d\d)-(\d\d)$/.exec(text);
  if (!parts) return false;
  const at = new Date(Date.UTC(Number(parts[1]), Number(parts[2]) - 1, Number(parts[3])));
  return at.toISOString().slice(0, 10) === text;
}
