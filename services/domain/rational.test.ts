import { expect, test } from 'vitest';
import { add, apportion, exact, rational, readExact, rounded } from './rational.ts';

test.each([
  [101n, 2n, 51n],
  [-101n, 2n, -51n],
  [100n, 3n, 33n],
  [-1n, 3n, 0n],
  [0n, 7n, 0n],
])('%d/%d rounds to %d, halves away from zero', (num, den, whole) => {
  expect(rounded({ num, den })).toBe(whole);
});

test('sums and texts are in lowest terms with a positive denominator', () => {
  expect(add({ num: 1n, den: 6n }, { num: 1n, den: 3n })).toEqual({ num: 1n, den: 2n });
  expect(exact(rational(-120n))).toBe('-120/1');
  expect(rational(3n, -6n)).toEqual({ num: -1n, den: 2n });
});

test('an exact text reads back; anything else is none', () => {
  expect(readExact(exact(rational(-6n, 4n)))).toEqual({ num: -3n, den: 2n });
  expect(readExact('7')).toEqual({ num: 7n, den: 1n });
  for (const text of ['1/0', '1.5', '', '1/-2', ' 1']) expect(() => readExact(text)).toThrow(RangeError);
});

test('a total is split by the largest remainder, ties to the earlier part', () => {
  const third = rational(1000n, 3n);
  expect(apportion(1000n, [third, third, third])).toEqual([334n, 333n, 333n]);
  expect(() => apportion(1002n, [third, third, third])).not.toThrow();
  expect(() => apportion(1003n, [third, third, third])).toThrow(RangeError);
});
