import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { energyOf, REACH_MS, type RegisterSpan, type RegisterValue, withValue } from './registers.ts';

const HALF_HOUR = 1_800_000;
const MINUTE = 60_000;

/** Minutes after the first border, and what the register showed. */
type Shown = readonly (readonly [minute: number, wh: number])[];

function energies(shown: Shown): Map<number, string> {
  const spans = new Map<number, RegisterSpan>();
  for (const [minute, wh] of shown) {
    const at = Math.round(minute * MINUTE);
    const start = Math.floor(at / HALF_HOUR) * HALF_HOUR;
    spans.set(start, withValue(spans.get(start), start, { at, wh }));
  }
  const found = new Map<number, string>();
  for (const [start, span] of [...spans].sort(([a], [b]) => a - b)) {
    const energy = energyOf(spans.get(start - HALF_HOUR), span, spans.get(start + HALF_HOUR), start + HALF_HOUR);
    if (energy) found.set(start / MINUTE, `${energy.wh}${energy.exact ? '' : ' about'}`);
  }
  return found;
}

describe('the energy of an interval is the difference of the register at its ends', () => {
  test.each<[string, Shown, Record<number, string>]>([
    [
      'read at both ends: exact',
      [
        [0, 100],
        [30, 350],
      ],
      { 0: '250' },
    ],
    [
      'whatever lies between says nothing more',
      [
        [0, 100],
        [7, 100],
        [12, 349],
        [30, 350],
      ],
      { 0: '250' },
    ],
    [
      'a clock-aligned charger that stands still: zero is measured, not missing',
      [
        [0, 100],
        [30, 100],
        [60, 100],
      ],
      { 0: '0', 30: '0' },
    ],
    [
      'an end between two values lies on the line between them',
      [
        [0, 100],
        [29, 329],
        [31, 349],
        [60, 700],
      ],
      { 0: '239 about', 30: '361 about' },
    ],
    [
      'nobody near the end: a gap, and the next one is one too',
      [
        [0, 100],
        [27, 300],
        [33, 400],
        [60, 700],
      ],
      {},
    ],
    [
      'silence through an interval is a gap, not a zero, and not spread',
      [
        [0, 100],
        [30, 350],
        [60, 600],
        [120, 5000],
        [150, 5100],
      ],
      { 0: '250', 30: '250', 120: '100' },
    ],
    [
      'a register that was reset says nothing of that interval',
      [
        [0, 100],
        [10, 200],
        [11, 0],
        [30, 50],
        [60, 80],
      ],
      { 30: '30' },
    ],
    [
      'nor of the one before, when it was reset at the border',
      [
        [0, 100],
        [29, 200],
        [30, 0],
        [60, 30],
      ],
      { 30: '30' },
    ],
    [
      'a rollover is a gap, never negative',
      [
        [0, 999_900],
        [30, 999_990],
        [60, 20],
        [90, 60],
      ],
      { 0: '90', 60: '40' },
    ],
    [
      'not yet over',
      [
        [0, 100],
        [29.9, 300],
      ],
      {},
    ],
  ])('%s', (_, shown, expected) => {
    expect(Object.fromEntries(energies(shown))).toEqual(expected);
    // What comes late, in any order, comes to the same.
    expect(Object.fromEntries(energies(shown.toReversed()))).toEqual(expected);
  });

  test('in whatever order, repeated or not: never negative, and between two exact ends they add up to what the register moved', () => {
    const steps = fc.array(fc.tuple(fc.integer({ min: 1, max: 100 }), fc.integer({ min: 0, max: 3000 })), {
      minLength: 10,
      maxLength: 60,
    });
    fc.assert(
      fc.property(steps, fc.array(fc.nat(), { minLength: 60, maxLength: 60 }), (moves, order) => {
        let at = 0;
        let wh = 5000;
        const values: RegisterValue[] = moves.map(([seconds, more]) => {
          at += seconds * 1000;
          wh += more;
          return { at, wh };
        });
        const shuffled = values.map((value, i) => ({ value, key: order[i]! })).sort((a, b) => a.key - b.key);
        const shown = [...shuffled, ...shuffled.slice(0, 5)].map(({ value }) => [value.at / MINUTE, value.wh] as const);
        const found = energies(shown);
        expect(found).toEqual(energies(values.map((value) => [value.at / MINUTE, value.wh] as const)));
        const whole = [...found.values()].map((text) => Number.parseInt(text, 10));
        expect(whole.every((energy) => energy >= 0)).toBe(true);
        expect(whole.reduce((a, b) => a + b, 0)).toBeLessThanOrEqual(wh - 5000);
        // Steps are shorter than the reach: all but the first and the last interval are known.
        expect(REACH_MS).toBeGreaterThan(100_000);
        expect(found.size).toBe(Math.max(0, Math.floor(at / HALF_HOUR) - 1));
      }),
      { numRuns: 300 },
    );
  });
});
