import { type Rational, rational } from '../domain/rational.ts';
import { type Fields, fault, path, shown } from './fields.ts';

/** A JSON number is read by its shortest decimal: 0.42 means 42/100, never the double beside it. */
const textOf = (value: unknown): string | null =>
  typeof value === 'string' ? value : typeof value === 'number' ? String(value) : null;

/** A decimal with at most `places` digits after the point, as an integer of its last place: `5.4` with 6 places is 5400000. */
export function readDecimal(fields: Fields, name: string, at: string, places: number, least: bigint, most: bigint): bigint {
  const value = fields.get(name);
  const parts = /^(-?)(\d{1,15})(?:\.(\d{1,15}))?$/.exec(textOf(value) ?? '');
  const digits = parts?.[3] ?? '';
  const scaled =
    parts && /^0*$/.test(digits.slice(places)) ? BigInt(parts[2] + digits.slice(0, places).padEnd(places, '0')) : null;
  const signed = scaled !== null && parts![1] === '-' ? -scaled : scaled;
  if (signed === null || signed < least || signed > most) {
    const bound = (end: bigint) => Number(end) / 10 ** places;
    throw fault(
      path(at, name),
      `must be a decimal from ${bound(least)} to ${bound(most)} with at most ${places} digits after the point, not ${shown(value)}`,
    );
  }
  return signed;
}

const SMALL = 2n ** 30n;

/** `0.05`, `-2` or `1/3` without loss; numerator and denominator at most 2³⁰, as the core admits. */
export function readFraction(fields: Fields, name: string, at: string): Rational {
  const value = fields.get(name);
  const text = textOf(value) ?? '';
  const decimal = /^(-?)(\d{1,10})(?:\.(\d{1,10}))?$/.exec(text);
  const ratio = /^(-?\d{1,10})\/(\d{1,10})$/.exec(text);
  const size = decimal
    ? rational(BigInt(decimal[1]! + decimal[2]! + (decimal[3] ?? '')), 10n ** BigInt(decimal[3]?.length ?? 0))
    : ratio && BigInt(ratio[2]!) !== 0n
      ? rational(BigInt(ratio[1]!), BigInt(ratio[2]!))
      : null;
  if (size === null || size.num > SMALL || size.num < -SMALL || size.den > SMALL)
    throw fault(path(at, name), `must be a decimal such as "0.05" or a fraction such as "1/2", not ${shown(value)}`);
  return size;
}
