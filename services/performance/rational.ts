/** An exact rational; the denominator is positive. */
export type Fraction = { readonly num: bigint; readonly den: bigint };

/** In lowest terms. Throws RangeError when the denominator is 0. */
export function fraction(num: bigint, den: bigint): Fraction {
  if (den === 0n) throw new RangeError('a fraction needs a denominator other than 0');
  const divisor = greatestCommonDivisor(num, den) * (den < 0n ? -1n : 1n);
  return { num: num / divisor, den: den / divisor };
}

export const plus = (a: Fraction, b: Fraction): Fraction => fraction(a.num * b.den + b.num * a.den, a.den * b.den);

/** `12`, `-0.25` or `5/6` without loss; null when the text is neither a decimal nor a fraction. */
export function parseFraction(text: string): Fraction | null {
  const decimal = /^([+-]?)(\d{1,30})(?:\.(\d{1,30}))?$/.exec(text);
  if (decimal) {
    const digits = decimal[3] ?? '';
    const size = fraction(BigInt(decimal[2] + digits), 10n ** BigInt(digits.length));
    return decimal[1] === '-' ? { num: -size.num, den: size.den } : size;
  }
  const parts = /^([+-]?\d{1,30})\/(\d{1,30})$/.exec(text);
  if (!parts || BigInt(parts[2]!) === 0n) return null;
  return fraction(BigInt(parts[1]!), BigInt(parts[2]!));
}

/** `numerator/denominator` in lowest terms. */
export function exactText(num: bigint, den: bigint): string {
  const lowest = fraction(num, den);
  return `${lowest.num}/${lowest.den}`;
}

/** num/den rounded to an integer, halves away from zero. */
export function nearestInteger({ num, den }: Fraction): bigint {
  const size = num < 0n ? -num : num;
  const whole = (2n * size + den) / (2n * den);
  return num < 0n ? -whole : whole;
}

/** The float64 nearest to num/den (ties to even), whatever their size. */
export function nearestFloat({ num, den }: Fraction): number {
  const size = num < 0n ? -num : num;
  const exact = BigInt(Number.MAX_SAFE_INTEGER);
  if (size <= exact && den <= exact) return Number(num) / Number(den); // IEEE division of exact operands rounds once
  // 64 or 65 bits of quotient with a sticky last bit, so that BigInt → Number, which rounds to even, rounds as the fraction would.
  const shift = 64 - (size.toString(2).length - den.toString(2).length);
  const top = shift > 0 ? size << BigInt(shift) : size;
  const bottom = shift < 0 ? den << BigInt(-shift) : den;
  const quotient = top / bottom;
  const sticky = quotient * bottom === top ? 0n : 1n;
  const value = Number(quotient | sticky) * 2 ** -shift;
  return num < 0n ? -value : value;
}

function greatestCommonDivisor(a: bigint, b: bigint): bigint {
  let [x, y] = [a < 0n ? -a : a, b < 0n ? -b : b];
  while (y !== 0n) [x, y] = [y, x % y];
  return x;
}
