import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { nearestFloat, parseFraction } from './rational.ts';

test.each([
  ['0.8', '4/5'],
  ['5/6', '5/6'],
  ['12', '12/1'],
  ['-0.25', '-1/4'],
  ['1.20', '6/5'],
  ['0', '0/1'],
  ['10/4', '5/2'],
])('%s is %s exactly', (text, lowest) => {
  const { num, den } = parseFraction(text)!;
  expect(`${num}/${den}`).toBe(lowest);
});

test.each(['', '0,8', '1/0', '.5', '1e3', 'NaN', '1/-2', ' 1', '1/2/3'])('%j is no fraction', (text) => {
  expect(parseFraction(text)).toBeNull();
});

describe('nearestFloat', () => {
  test('agrees with division where both sides are exact', () => {
    fc.assert(
      fc.property(
        fc.maxSafeInteger(),
        fc.integer({ min: 1 }),
        (n, d) => nearestFloat({ num: BigInt(n), den: BigInt(d) }) === n / d,
      ),
    );
  });

  test('no float64 lies nearer, however large the sides', () => {
    const sides = fc.tuple(fc.bigInt({ min: -(2n ** 90n), max: 2n ** 90n }), fc.bigInt({ min: 1n, max: 2n ** 60n }));
    fc.assert(
      fc.property(sides, ([num, den]) => {
        const found = nearestFloat({ num, den });
        if (num === 0n) return Object.is(found, 0);
        const distance = (value: number) => {
          const [n, d] = ratioOf(value);
          const gap = n * den - num * d;
          return { n: gap < 0n ? -gap : gap, d };
        };
        const own = distance(found);
        return [-1, 1].every((step) => {
          const other = distance(neighbour(found, step));
          return own.n * other.d <= other.n * own.d;
        });
      }),
      { numRuns: 2000 },
    );
  });

  test('a tie between two floats goes to the even one', () => {
    expect(nearestFloat({ num: (2n ** 53n + 1n) * 2n ** 40n, den: 2n ** 40n })).toBe(2 ** 53);
    expect(nearestFloat({ num: (2n ** 53n + 1n) * 2n ** 40n + 1n, den: 2n ** 40n })).toBe(2 ** 53 + 2);
  });
});

function ratioOf(value: number): [bigint, bigint] {
  let shift = 0;
  while (!Number.isInteger(value * 2 ** shift)) shift++;
  return [BigInt(value * 2 ** shift), 1n << BigInt(shift)];
}

function neighbour(value: number, step: number): number {
  const bits = new BigInt64Array(Float64Array.of(value).buffer);
  bits[0] = bits[0]! + BigInt(value < 0 ? -step : step);
  return new Float64Array(bits.buffer)[0]!;
}
