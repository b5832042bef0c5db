/*
 * Exact integers of 128 bits. A cell is 16 bytes in memory: low u64, then high i64 (two's complement), so that no value is allocated.
 * Bound (why overflow cannot happen): |reading| < 2^31, days <= 2^8, slots of a window <= 2^7, fractions <= 2^30 / 2^30. Then
 *   a slot's sum over days < 2^39, a window's sum over days < 2^46, a common denominator < 2^47,
 *   and the largest product or total formed anywhere < 2^86. `estimate` refuses anything beyond these inputs.
 */

/** What a rounded quotient is when it is not a safe integer (|q| > 2^53 - 1). */
export const UNBOUNDED: i64 = i64.MIN_VALUE;
const SAFE: u64 = (1 << 53) - 1;

/** cell = value */
export function set(cell: usize, value: i64): void {
  store<i64>(cell, value);
  store<i64>(cell, value >> 63, 8);
}

/** cell = a * b */
export function product(cell: usize, a: i64, b: i64): void {
  const x = <u64>(a < 0 ? -a : a);
  const y = <u64>(b < 0 ? -b : b);
  const xl = x & 0xffffffff;
  const xh = x >> 32;
  const yl = y & 0xffffffff;
  const yh = y >> 32;
  const low = xl * yl;
  const middle = xh * yl + (low >> 32);
  const cross = xl * yh + (middle & 0xffffffff);
  store<u64>(cell, (cross << 32) | (low & 0xffffffff));
  store<u64>(cell, xh * yh + (middle >> 32) + (cross >> 32), 8);
  if ((a < 0) != (b < 0)) negate(cell);
}

/** cell = cell + other */
export function add(cell: usize, other: usize): void {
  const before = load<u64>(cell);
  const low = before + load<u64>(other);
  store<u64>(cell, low);
  store<i64>(cell, load<i64>(cell, 8) + load<i64>(other, 8) + <i64>(low < before), 8);
}

/** cell = -cell */
export function negate(cell: usize): void {
  const low = ~load<u64>(cell) + 1;
  store<u64>(cell, low);
  store<i64>(cell, ~load<i64>(cell, 8) + <i64>(low == 0), 8);
}

/** -1, 0, 1 as a is below, equal to, above b. */
export function order(a: usize, b: usize): i32 {
  const ah = load<i64>(a, 8);
  const bh = load<i64>(b, 8);
  if (ah != bh) return ah < bh ? -1 : 1;
  const al = load<u64>(a);
  const bl = load<u64>(b);
  return al == bl ? 0 : al < bl ? -1 : 1;
}

/** Whether the cell holds less than zero. */
export function negative(cell: usize): bool {
  return load<i64>(cell, 8) < 0;
}

/** cell / denominator to the nearest integer, halves away from zero. 0 < denominator < 2^47. */
export function rounded(cell: usize, denominator: i64, remainder: usize): i64 {
  const below = negative(cell);
  if (below) negate(cell);
  let quotient = divide(cell, <u64>denominator, remainder);
  if (below) negate(cell);
  if (load<u64>(remainder) * 2 >= <u64>denominator) quotient += 1;
  if (quotient > SAFE) return UNBOUNDED;
  return below ? -(<i64>quotient) : <i64>quotient;
}

/** cell / denominator downwards; what is left, 0 <= left < denominator, goes to `remainder`. 0 < denominator < 2^47. */
export function floored(cell: usize, denominator: i64, remainder: usize): i64 {
  const below = negative(cell);
  if (below) negate(cell);
  let quotient = divide(cell, <u64>denominator, remainder);
  if (below) negate(cell);
  const left = load<u64>(remainder);
  if (below && left != 0) {
    quotient += 1;
    store<u64>(remainder, <u64>denominator - left);
  }
  if (quotient > SAFE) return UNBOUNDED;
  return below ? -(<i64>quotient) : <i64>quotient;
}

/** Long division by digits of 16 bits of a cell >= 0; a quotient that leaves 64 bits comes back as u64.MAX_VALUE - 1. */
function divide(cell: usize, denominator: u64, remainder: usize): u64 {
  const high = load<u64>(cell, 8);
  const low = load<u64>(cell);
  if (high == 0) {
    store<u64>(remainder, low % denominator);
    return low / denominator;
  }
  let quotient: u64 = 0;
  let left: u64 = 0;
  let outgrown = false;
  for (let shift: i64 = 112; shift >= 0; shift -= 16) {
    const digit = (shift >= 64 ? high >> (shift - 64) : low >> shift) & 0xffff;
    left = (left << 16) | digit; // < 2^47 * 2^16: why denominators stay below 2^47
    outgrown = outgrown || quotient >> 48 != 0;
    quotient = (quotient << 16) | (left / denominator);
    left %= denominator;
  }
  store<u64>(remainder, left);
  return outgrown ? u64.MAX_VALUE - 1 : quotient;
}
