/** 10⁻⁶ rupees: bigint in code, int64 on the wire and in PostgreSQL, a decimal string in JSON and CSV. */
export type MicroRupees = bigint;

export const MICROS_PER_RUPEE = 1_000_000n;
export const MICROS_PER_PAISA = 10_000n;

/** numerator ÷ denominator to the nearest integer, halves away from zero. The one rounding of the money path. */
export function roundHalfAway(numerator: bigint, denominator: bigint): bigint {
  if (denominator === 0n) throw new RangeError('division by zero');
  if (denominator < 0n) return roundHalfAway(-numerator, -denominator);
  const magnitude = numerator < 0n ? -numerator : numerator;
  const rounded = (2n * magnitude + denominator) / (2n * denominator);
  return numerator < 0n ? -rounded : rounded;
}

/** Micro-rupees → whole paise, halves away from zero: done once per bill line. */
export const paise = (micros: MicroRupees): bigint => roundHalfAway(micros, MICROS_PER_PAISA);

/**
 * Splits `total` in proportion to non-negative `weights` so that the parts sum to it exactly:
 * floors of the exact shares, then one unit each to the largest fractional parts (ties: the earlier part).
 * All weights zero → everything to the first part. Works for negative totals by symmetry.
 */
export function largestRemainder(total: bigint, weights: readonly bigint[]): bigint[] {
  if (weights.length === 0) {
    if (total !== 0n) throw new RangeError('nothing to split among');
    return [];
  }
  if (total < 0n) return largestRemainder(-total, weights).map((part) => -part);
  if (weights.some((w) => w < 0n)) throw new RangeError('weights must not be negative');
  const sum = weights.reduce((a, b) => a + b, 0n);
  if (sum === 0n) return weights.map((_, i) => (i === 0 ? total : 0n));
  const parts = weights.map((w) => (total * w) / sum);
  const spare = Number(total - parts.reduce((a, b) => a + b, 0n));
  const byFraction = weights
    .map((w, i) => ({ i, fraction: (total * w) % sum }))
    .sort((a, b) => (a.fraction === b.fraction ? a.i - b.i : a.fraction > b.fraction ? -1 : 1));
  for (const { i } of byFraction.slice(0, spare)) parts[i] = parts[i]! + 1n;
  return parts;
}

/** `−1234567890` µ₹ → `-₹1,234.57`, in the Indian digit grouping. For people, never for arithmetic. */
export function rupees(micros: MicroRupees): string {
  const p = paise(micros);
  const magnitude = p < 0n ? -p : p;
  const whole = (magnitude / 100n).toLocaleString('en-IN');
  return `${p < 0n ? '-' : ''}₹${whole}.${String(magnitude % 100n).padStart(2, '0')}`;
}

/** µ₹ → decimal rupees without loss and without trailing zeros beyond two: `1.5` ₹ is `1.50`. */
export function decimalRupees(micros: MicroRupees): string {
  const magnitude = micros < 0n ? -micros : micros;
  const fraction = String(magnitude % MICROS_PER_RUPEE)
    .padStart(6, '0')
    .replace(/0{1,4}$/, '');
  return `${micros < 0n ? '-' : ''}${magnitude / MICROS_PER_RUPEE}.${fraction}`;
}
