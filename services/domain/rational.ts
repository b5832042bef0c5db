import { roundHalfAway } from './money.ts';

/** An exact rational in lowest terms; the denominator is positive. */
export type Rational = { readonly num: bigint; readonly den: bigint };

/** Throws RangeError when the denominator is 0. */
export function rational(num: bigint, den = 1n): Rational {
  if (den === 0n) throw new RangeError('a rational needs a denominator other than 0');
  const divisor = gcd(num < 0n ? -num : num, den < 0n ? -den : den) * (den < 0n ? -1n : 1n);
  return { num: num / divisor, den: den / divisor };
}

export const ZERO: Rational = { num: 0n, den: 1n };
export const ONE: Rational = { num: 1n, den: 1n };

export const add = (a: Rational, b: Rational): Rational =>
  a.den === b.den ? rational(a.num + b.num, a.den) : rational(a.num * b.den + b.num * a.den, a.den * b.den);
export const negated = (a: Rational): Rational => ({ num: -a.num, den: a.den });
export const subtract = (a: Rational, b: Rational): Rational => add(a, negated(b));
export const multiply = (a: Rational, b: Rational): Rational => rational(a.num * b.num, a.den * b.den);
export const divide = (a: Rational, b: Rational): Rational => rational(a.num * b.den, a.den * b.num);
/** Negative, zero or positive as a − b is: cross-multiplied, never divided. */
export const compare = (a: Rational, b: Rational): number => Number(sign(a.num * b.den - b.num * a.den));
export const least = (a: Rational, b: Rational): Rational => (compare(a, b) <= 0 ? a : b);
export const greatest = (a: Rational, b: Rational): Rational => (compare(a, b) >= 0 ? a : b);
/** To an integer, halves away from zero. */
export const rounded = ({ num, den }: Rational): bigint => roundHalfAway(num, den);

/** Summed in pairs: denominators grow with the logarithm of the count in the common case. */
export function sum(values: readonly Rational[]): Rational {
  if (values.length <= 2) return values.reduce(add, ZERO);
  const half = values.length >> 1;
  return add(sum(values.slice(0, half)), sum(values.slice(half)));
}

/** `-3/4`; whole numbers are `5/1`, as everywhere in statements. */
export const exact = ({ num, den }: Rational): string => `${num}/${den}`;

/** Reads `numerator/denominator`, or an integer. Throws RangeError on anything else. */
export function readExact(text: string): Rational {
  const parts = /^(-?\d+)(?:\/(\d+))?$/.exec(text);
  if (!parts) throw new RangeError(`"${text}" is no exact number such as 221507/30`);
  return rational(BigInt(parts[1]!), BigInt(parts[2] ?? '1'));
}

/**
 * Splits `total`, the rounding of the parts' exact sum, into integers near the exact parts: floors, then one unit each to the
 * largest fractional parts (ties: the earlier part). Parts may be negative.
 */
export function apportion(total: bigint, parts: readonly Rational[]): bigint[] {
  const floors = parts.map(({ num, den }) => (num >= 0n ? num / den : -((-num + den - 1n) / den)));
  const spare = Number(total - floors.reduce((a, b) => a + b, 0n));
  if (spare < 0 || spare > parts.length) throw new RangeError('the parts do not sum to the total they are apportioned from');
  const order = parts
    .map((part, i) => ({ i, fraction: subtract(part, { num: floors[i]!, den: 1n }) }))
    .sort((a, b) => compare(b.fraction, a.fraction) || a.i - b.i);
  for (const { i } of order.slice(0, spare)) floors[i] = floors[i]! + 1n;
  return floors;
}

const sign = (value: bigint): bigint => (value < 0n ? -1n : value > 0n ? 1n : 0n);

function gcd(a: bigint, b: bigint): bigint {
  let [x, y] = [a, b];
  while (y !== 0n) [x, y] = [y, x % y];
  return x === 0n ? 1n : x;
}
