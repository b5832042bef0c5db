/*
 * Exact integers of 256 bits, two's complement, little-endian: 32 bytes in memory, so that no value is allocated. The family's weights
 * (an average of ten days that forgets a tenth a day has weights over 10^10) do not fit the 128 bits of exact.ts.
 * Bound (why overflow cannot happen): |reading| < 2^31, slots of a window <= 2^7, fractions <= 2^30 / 2^30, and the sum of a lane's weights,
 * or the least common multiple that stands in for it, <= 2^160. Then a slot's weighted sum is < 2^191, a window's < 2^198, the largest
 * product formed (sum over days x observed window, totalled over the event) < 2^240, and the largest common denominator < 2^200.
 */

/** What a rounded quotient is when it is not a safe integer (|q| > 2^53 - 1). */
export const UNBOUNDED: i64 = i64.MIN_VALUE;
const SAFE: u64 = (1 << 53) - 1;

export const WIDE: usize = 32;

/** cell = value */
export function set(cell: usize, value: i64): void {
  store<i64>(cell, value);
  const sign = value >> 63;
  store<i64>(cell, sign, 8);
  store<i64>(cell, sign, 16);
  store<i64>(cell, sign, 24);
}

export function copy(to: usize, from: usize): void {
  memory.copy(to, from, WIDE);
}

/** cell = cell + other */
export function add(cell: usize, other: usize): void {
  let carry: u64 = 0;
  for (let at: usize = 0; at < WIDE; at += 8) {
    const a = load<u64>(cell + at);
    const b = load<u64>(other + at);
    const sum = a + b;
    const whole = sum + carry;
    carry = <u64>(sum < a) | <u64>(whole < sum);
    store<u64>(cell + at, whole);
  }
}

/** cell = -cell */
export function negate(cell: usize): void {
  let carry: u64 = 1;
  for (let at: usize = 0; at < WIDE; at += 8) {
    const flipped = ~load<u64>(cell + at);
    const whole = flipped + carry;
    carry = <u64>(whole < flipped);
    store<u64>(cell + at, whole);
  }
}

/** Whether the cell holds less than zero. */
export function negative(cell: usize): bool {
  return load<i64>(cell, 24) < 0;
}

export function zero(cell: usize): bool {
  return (load<u64>(cell) | load<u64>(cell, 8) | load<u64>(cell, 16) | load<u64>(cell, 24)) == 0;
}

/** -1, 0, 1 as a is below, equal to, above b. */
export function order(a: usize, b: usize): i32 {
  const ah = load<i64>(a, 24);
  const bh = load<i64>(b, 24);
  if (ah != bh) return ah < bh ? -1 : 1;
  for (let at: isize = 16; at >= 0; at -= 8) {
    const al = load<u64>(a + at);
    const bl = load<u64>(b + at);
    if (al != bl) return al < bl ? -1 : 1;
  }
  return 0;
}

/** cell = cell * factor */
export function times(cell: usize, factor: i64): void {
  const below = negative(cell) != factor < 0;
  if (negative(cell)) negate(cell);
  const m = <u64>(factor < 0 ? -factor : factor);
  const ml = m & 0xffffffff;
  const mh = m >> 32;
  let carry: u64 = 0;
  for (let at: usize = 0; at < WIDE; at += 8) {
    const x = load<u64>(cell + at);
    const xl = x & 0xffffffff;
    const xh = x >> 32;
    const low = xl * ml;
    const middle = xh * ml + (low >> 32);
    const cross = xl * mh + (middle & 0xffffffff);
    const limb = (cross << 32) | (low & 0xffffffff);
    const sum = limb + carry;
    carry = xh * mh + (middle >> 32) + (cross >> 32) + <u64>(sum < limb);
    store<u64>(cell + at, sum);
  }
  if (below) negate(cell);
}

/** cell = a * b */
export function product(cell: usize, a: i64, b: i64): void {
  set(cell, a);
  times(cell, b);
}

/** Whether 0 <= cell <= 2^160. */
export function withinWeights(cell: usize): bool {
  if (load<u64>(cell, 24) != 0) return false;
  const top = load<u64>(cell, 16);
  return top >> 32 == 0 || (top == 1 << 32 && (load<u64>(cell) | load<u64>(cell, 8)) == 0);
}

/** cell / denominator to the nearest integer, halves away from zero. 0 < denominator < 2^200; scratch: three cells. */
export function rounded(cell: usize, denominator: usize, scratch: usize): i64 {
  const rest = scratch + 2 * WIDE;
  const below = negative(cell);
  let quotient = divide(cell, denominator, rest, scratch);
  if (quotient > SAFE) return UNBOUNDED;
  copy(scratch, rest);
  add(scratch, rest);
  if (order(scratch, denominator) >= 0) quotient += 1;
  if (quotient > SAFE) return UNBOUNDED;
  return below ? -(<i64>quotient) : <i64>quotient;
}

/** cell / denominator downwards; what is left, 0 <= left < denominator, goes to `rest`. scratch: two cells. */
export function floored(cell: usize, denominator: usize, rest: usize, scratch: usize): i64 {
  const below = negative(cell);
  let quotient = divide(cell, denominator, rest, scratch);
  if (quotient > SAFE) return UNBOUNDED;
  if (below && !zero(rest)) {
    quotient += 1;
    negate(rest);
    add(rest, denominator);
  }
  if (quotient > SAFE) return UNBOUNDED;
  return below ? -(<i64>quotient) : <i64>quotient;
}

/** |cell| / denominator and what is left, by shifted subtraction; u64.MAX_VALUE when the quotient reaches 2^54. scratch: two cells. */
function divide(cell: usize, denominator: usize, rest: usize, scratch: usize): u64 {
  copy(rest, cell);
  if (negative(rest)) negate(rest);
  const small = (load<u64>(rest, 8) | load<u64>(rest, 16) | load<u64>(rest, 24) | load<u64>(denominator, 8) | load<u64>(denominator, 16) | load<u64>(denominator, 24)) == 0;
  if (small) {
    const num = load<u64>(rest);
    const den = load<u64>(denominator);
    set(rest, 0);
    store<u64>(rest, num % den);
    return num / den;
  }
  copy(scratch, denominator);
  times(scratch, 1 << 54);
  if (order(rest, scratch) >= 0) return u64.MAX_VALUE;
  const minus = scratch + WIDE;
  let quotient: u64 = 0;
  for (let bit = 0; bit < 54; bit++) {
    halve(scratch);
    quotient <<= 1;
    if (order(rest, scratch) < 0) continue;
    copy(minus, scratch);
    negate(minus);
    add(rest, minus);
    quotient |= 1;
  }
  return quotient;
}

/** cell = cell / 2 of an even cell >= 0. */
function halve(cell: usize): void {
  store<u64>(cell, (load<u64>(cell) >> 1) | (load<u64>(cell, 8) << 63));
  store<u64>(cell, (load<u64>(cell, 8) >> 1) | (load<u64>(cell, 16) << 63), 8);
  store<u64>(cell, (load<u64>(cell, 16) >> 1) | (load<u64>(cell, 24) << 63), 16);
  store<u64>(cell, load<u64>(cell, 24) >> 1, 24);
}
