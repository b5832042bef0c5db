import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { decimalRupees, largestRemainder, paise, roundHalfAway, rupees } from './money.ts';

const amount = fc.bigInt({ min: -(2n ** 80n), max: 2n ** 80n });
const positive = fc.bigInt({ min: 1n, max: 2n ** 60n });

describe('roundHalfAway', () => {
  test.each([
    [5n, 2n, 3n, 'half goes away from zero'],
    [-5n, 2n, -3n, 'also below zero'],
    [5n, -2n, -3n, 'a negative denominator is a sign'],
    [4n, 3n, 1n, 'a third goes down'],
    [-4n, 3n, -1n, 'towards zero below a half'],
    [0n, 7n, 0n, 'zero stays'],
    [1n, 2n, 1n, 'a half is one'],
  ])('%s / %s = %s: %s', (numerator, denominator, expected) => expect(roundHalfAway(numerator, denominator)).toBe(expected));
  test('refuses to divide by zero', () => expect(() => roundHalfAway(1n, 0n)).toThrow(RangeError));
  test('is within a half of the exact quotient, and symmetric', () => {
    fc.assert(
      fc.property(amount, positive, (n, d) => {
        const rounded = roundHalfAway(n, d);
        const twice = 2n * (n - rounded * d);
        expect(twice <= d && twice >= -d).toBe(true);
        expect(roundHalfAway(-n, d)).toBe(-rounded);
      }),
    );
  });
});

describe('largestRemainder', () => {
  test.each([
    [100n, [1n, 1n, 1n], [34n, 33n, 33n], 'a tie goes to the earlier part'],
    [10n, [0n, 5n, 5n], [0n, 5n, 5n], 'no weight, no share'],
    [7n, [3n, 3n, 1n], [3n, 3n, 1n], 'exact shares stay exact'],
    [-100n, [1n, 1n, 1n], [-34n, -33n, -33n], 'negative totals mirror positive ones'],
    [5n, [0n, 0n], [5n, 0n], 'all weights zero: the first takes it'],
    [0n, [], [], 'nothing among nobody'],
    [1n, [1n, 2n], [0n, 1n], 'the larger fraction gets the unit'],
  ])('%s by %s = %s: %s', (total, weights, expected) => expect(largestRemainder(total, weights)).toEqual(expected));
  test.each([
    [1n, [], 'something among nobody'],
    [1n, [1n, -1n], 'a negative weight'],
  ])('%s by %s is refused: %s', (total, weights) => expect(() => largestRemainder(total, weights)).toThrow(RangeError));
  test('parts sum to the total and lie within one unit of their exact share', () => {
    const weights = fc.array(fc.bigInt({ min: 0n, max: 2n ** 40n }), { minLength: 1, maxLength: 40 });
    fc.assert(
      fc.property(amount, weights, (total, shares) => {
        const parts = largestRemainder(total, shares);
        const sum = shares.reduce((a, b) => a + b, 0n);
        expect(parts.reduce((a, b) => a + b, 0n)).toBe(total);
        if (sum === 0n) return;
        parts.forEach((part, i) => {
          const off = part * sum - total * shares[i]!;
          expect(off < sum && off > -sum).toBe(true);
        });
      }),
    );
  });
});

describe('money for people', () => {
  test.each([
    [-1_234_567_890n, '-₹1,234.57', '-1234.56789', 'paise round half away'],
    [123_456_789_000_000n, '₹12,34,56,789.00', '123456789.00', 'lakhs and crores'],
    [1_500_000n, '₹1.50', '1.50', 'two decimals at least'],
    [5_000n, '₹0.01', '0.005', 'half a paisa counts as one on a bill'],
    [-1n, '₹0.00', '-0.000001', 'one millionth is no paisa'],
    [0n, '₹0.00', '0.00', 'nothing'],
  ])('%s µ₹ is %s, exactly %s: %s', (micros, shown, exact) => {
    expect(rupees(micros)).toBe(shown);
    expect(decimalRupees(micros)).toBe(exact);
  });
  test('the decimal form loses nothing', () => {
    fc.assert(
      fc.property(amount, (micros) => {
        const text = decimalRupees(micros);
        const [whole, fraction] = text.replace('-', '').split('.') as [string, string];
        const back = BigInt(whole) * 1_000_000n + BigInt(fraction.padEnd(6, '0'));
        expect(text.startsWith('-') ? -back : back).toBe(micros);
      }),
    );
  });
  test('paise are the nearest', () => expect([paise(14_999n), paise(15_000n), paise(-15_000n)]).toEqual([1n, 2n, -2n]));
});
