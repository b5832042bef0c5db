import { type Rational, rational } from '../domain/rational.ts';

/** `12`, `-0.25` or `5/6` without loss; null when the text is neither a decimal nor a fraction. */
export function parseFraction(text: string): Rational | null {
  const decimal = /^([+-]?)(\d{1,30})(?:\.(\d{1,30}))?$/.exec(text);
  if (decimal) {
    const digits = decimal[3] ?? '';
    const size = rational(BigInt(decimal[2] + digits), 10n ** BigInt(digits.length));
    return decimal[1] === '-' ? { num: -size.num, den: size.den } : size;
  }
  const parts = /^([+-]?\d{1,30})\/(\d{1,30})$/.exec(text);
  if (!parts || BigInt(parts[2]!) === 0n) return null;
  return rational(BigInt(parts[1]!), BigInt(parts[2]!));
}

/** The float64 nearest to num/den (ties to even), whatever their size. */
export function nearestFloat({ num, den }: Rational): number {
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
