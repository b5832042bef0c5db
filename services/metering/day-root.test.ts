import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { hex } from '../domain/hex.ts';
import { merkleRoot } from '../domain/merkle.ts';
import { type DayColumns, MISSING } from '../domain/tile.ts';
import { sha256 } from '../host/ids.ts';
import { dayDigests, dayRoot } from './root-service.ts';
import { meterDayDigest } from './testing.ts';
import { slotsOf } from './tile-version.ts';

const DAY = { day: '2026-05-09', zone: 'Asia/Kolkata', intervalMinutes: 15 };

/** As `dayRoots`, a meter-day at a time. */
function naive(columns: DayColumns, ids: readonly (string | undefined)[]): string {
  const digests = ids.flatMap((id, ordinal) => {
    const digest = id === undefined ? null : meterDayDigest(DAY, id, slotsOf(columns, ordinal));
    return digest === null ? [] : [digest];
  });
  return hex(merkleRoot(digests, sha256));
}

/** Where a number gets another digit, or has zeros within. */
const EDGES = [
  0,
  9,
  10,
  99,
  100,
  999,
  1000,
  1001,
  1010,
  1099,
  1100,
  9999,
  10_000,
  999_999,
  1_000_000,
  1_000_001,
  999_999_999,
  10 ** 9,
];
const wh = fc.oneof(
  { weight: 8, arbitrary: fc.integer({ min: 0, max: 999 }) },
  { weight: 4, arbitrary: fc.integer({ min: -(2 ** 31), max: 2 ** 31 - 1 }) },
  { weight: 4, arbitrary: fc.constantFrom(MISSING, MISSING + 1, 2 ** 31 - 1, -1, -999, -1000, ...EDGES) },
);
const shape = fc.record({
  slots: fc.integer({ min: 1, max: 100 }),
  meters: fc.oneof(fc.constantFrom(1, 3, 4, 5, 15, 16, 17, 32, 33), fc.integer({ min: 1, max: 37 })),
  values: fc.array(wh, { minLength: 1, maxLength: 60 }),
  qualities: fc.array(fc.oneof({ weight: 8, arbitrary: fc.constantFrom(1, 1, 1, 2, 4, 0) }, fc.nat(255)), {
    ...{ minLength: 1, maxLength: 40 },
  }),
  /** Every so manieth meter exports; none does. */
  exports: fc.option(fc.integer({ min: 1, max: 9 })),
  /** Every so manieth meter is not there, or has no reading. */
  absent: fc.integer({ min: 1, max: 9 }),
  blank: fc.integer({ min: 1, max: 9 }),
  name: fc.constantFrom(
    'm-',
    'घर-',
    '⚡🏠',
    'a very long name of a meter that passes a block of sixty-four bytes by itself, ',
    '',
  ),
});

describe('the root of a day', () => {
  it('is that of its meter-days, hashed one by one by OpenSSL', () => {
    fc.assert(
      fc.property(shape, ({ slots, meters, values, qualities, exports, absent, blank, name }) => {
        const cells = slots * meters;
        const columns: DayColumns = {
          ...{ slots, meters },
          importWh: Int32Array.from({ length: cells }, (_, at) => values[at % values.length]!),
          exportWh: Int32Array.from({ length: cells }, (_, at) =>
            exports !== null && (at % meters) % exports === 0 ? values[(at * 7) % values.length]! : MISSING,
          ),
          quality: Uint8Array.from({ length: cells }, (_, at) =>
            (at % meters) % blank === 1 ? 0 : qualities[at % qualities.length]!,
          ),
        };
        const ids = Array.from({ length: meters }, (_, i) => (i % absent === 1 ? undefined : `${name}${i}`));
        expect(hex(dayRoot(DAY, columns, ids))).toBe(naive(columns, ids));
        expect(hex(dayDigests(DAY, columns, ids))).toBe(
          ids
            .map((id, ordinal) => id && meterDayDigest(DAY, id, slotsOf(columns, ordinal)))
            .map((digest) => hex(digest || new Uint8Array(32)))
            .join(''),
        );
        // Meters younger than the tile, and columns of meters that nobody knows.
        expect(hex(dayRoot(DAY, columns, [...ids, 'm-younger']))).toBe(naive(columns, ids));
        expect(hex(dayRoot(DAY, columns, ids.slice(0, 3)))).toBe(naive(columns, ids.slice(0, 3)));
      }),
      { numRuns: 300 },
    );
  });

  const ids = (meters: number) => Array.from({ length: meters }, (_, i) => `m-${i}`);
  const valid = (slots: number, wh: readonly number[]): DayColumns => ({
    ...{ slots, meters: wh.length / slots, importWh: Int32Array.from(wh) },
    exportWh: new Int32Array(wh.length).fill(MISSING),
    quality: new Uint8Array(wh.length).fill(1),
  });

  it('writes every number of up to four digits, also where thousands or a sign stand before it', () => {
    for (const of of [
      (n: number) => n,
      (n: number) => n * 1000,
      (n: number) => 1_000_000 + n,
      (n: number) => 2 ** 31 - 1 - n,
      (n: number) => -n,
    ]) {
      const columns = valid(
        100,
        Array.from({ length: 10_000 }, (_, n) => of(n)),
      );
      expect(hex(dayRoot(DAY, columns, ids(100)))).toBe(naive(columns, ids(100)));
    }
  });

  it('of values at every edge is the same whichever slot is another quality, missing, exported', () => {
    const spoil: ((columns: DayColumns, at: number) => void)[] = [
      ({ quality }, at) => quality.fill(4, at, at + 1),
      ({ quality }, at) => quality.fill(0, at, at + 1),
      ({ importWh }, at) => importWh.fill(MISSING, at, at + 1),
      ({ importWh }, at) => importWh.fill(-7, at, at + 1),
      ({ exportWh }, at) => exportWh.fill(0, at, at + 1),
    ];
    for (const [nth] of EDGES.entries())
      for (const [i, spoilt] of spoil.entries()) {
        const columns = valid(EDGES.length, EDGES);
        spoilt(columns, nth);
        expect(hex(dayRoot(DAY, columns, ['m-1'])), `slot ${nth}, spoilt ${i}`).toBe(naive(columns, ['m-1']));
      }
  });

  it('of texts of every length is that of OpenSSL, and a day leaves nothing behind for the next', () => {
    // From one block to four: each end of a text within its last block.
    for (let length = 0; length < 200; length++) {
      const columns = valid(1, [length, 1, 2, 3, 4]);
      const named = ['x'.repeat(length), 'y', '', 'z'.repeat(200 - length), 'w'];
      expect(hex(dayRoot(DAY, columns, named)), `${length}`).toBe(naive(columns, named));
    }
  });

  it('of nothing is the hash of nothing; a control character in a name is refused', () => {
    const one = { slots: 1, meters: 1, importWh: Int32Array.of(5), exportWh: Int32Array.of(MISSING), quality: Uint8Array.of(1) };
    expect(hex(dayRoot(DAY, one, [undefined]))).toBe(hex(sha256('')));
    expect(() => dayRoot(DAY, one, ['m\n1'])).toThrow(RangeError);
    expect(() => dayRoot({ ...DAY, zone: 'Asia\0' }, one, ['m-1'])).toThrow(RangeError);
  });
});
