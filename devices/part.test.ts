import { describe, expect, test } from 'vitest';
import { against, PARTS, partOf, shareOf } from './part.ts';

test.each([
  ['BRPL', 'ac42', 8],
  ['BRPL', 'ac43', 27],
  ['TPDDL', 'ac42', 23],
])('%s/%s lies in the same part in every release', (discom, deviceId, part) => {
  expect(partOf({ discom, deviceId })).toBe(part);
});

test('ten thousand devices with like names spread evenly', () => {
  const counts = new Array<number>(PARTS).fill(0);
  for (let i = 0; i < 10_000; i++) counts[partOf({ discom: 'BRPL', deviceId: `charger-${i}` })]!++;
  expect(Math.min(...counts)).toBeGreaterThan(100);
  expect(Math.max(...counts)).toBeLessThan(220);
});

test.each([1, 2, 3, 5, 64, 100])('%i gateways share all parts', (count) => {
  const living = Array.from({ length: count }, (_, i) => `g${i}`);
  const shares = living.map((gateway) => shareOf(gateway, living));
  expect(shares.reduce((a, b) => a + b)).toBe(PARTS);
  expect(Math.max(...shares) - Math.min(...shares)).toBeLessThanOrEqual(1);
});

describe('of two connections of one device', () => {
  const at = (gateway: string | null, login: number, birth = 1) => ({ gateway, login, birth });
  test.each([
    ['an unknown one is new', undefined, at('a', 1), 'newer'],
    ['a later login wins', at('a', 1), at('b', 2), 'newer'],
    ['an earlier login has lost, whatever it says', at('b', 2), at('a', 1, 9), 'stale'],
    ['a reboot on the same connection is new', at('a', 1, 1), at('a', 1, 2), 'newer'],
    ['the same told again is the same', at('a', 1, 2), at('a', 1, 2), 'same'],
    ['what came late is old', at('a', 1, 2), at('a', 1, 1), 'stale'],
    ['one thought lost is back', at(null, 1, 1), at('a', 1, 1), 'newer'],
    ['one that has left stays away for older words', at(null, 2, 1), at('a', 1, 5), 'stale'],
  ] as const)('%s', (_reason, known, said, expected) => {
    expect(against(known, said)).toBe(expected);
  });
});
