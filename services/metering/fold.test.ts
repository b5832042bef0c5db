import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { foldable, groundFor, type Kept, stateRows, superseded, toldRows } from './fold.ts';

const row = (version: number, knownAt: number, over: Partial<Kept> = {}): Kept => ({
  ...{ shard: 1, day: '2026-05-01', version, knownAt, fold: false, voided: false, removedAt: null },
  ...over,
});
const versions = (rows: readonly Kept[]): number[] => rows.map(({ version }) => version);

describe('which versions are read', () => {
  const rows = [row(1, 10), row(2, 20), row(3, 30), row(4, 30, { fold: true }), row(5, 30), row(6, 40)];
  it.each([
    ['before the fold was known', 29, [1, 2]],
    ['as of the fold: it, and what came later with the same known_at', 30, [4, 5]],
    ['later', 50, [4, 5, 6]],
  ])('%s', (_, asOf, expected) => {
    expect(versions(stateRows(rows, asOf))).toEqual(expected);
  });

  it('a voided fold stands for nothing, and a fold let go is not read', () => {
    for (const over of [{ voided: true }, { removedAt: 99 }]) {
      const without = rows.map((one) => (one.fold ? { ...one, ...over } : one));
      expect(versions(stateRows(without, 50))).toEqual([1, 2, 3, 5, 6]);
    }
  });

  it('everything told is exported; what may go are the versions a fold stands for', () => {
    expect(versions(toldRows(rows))).toEqual([1, 2, 3, 5, 6]);
    expect(versions(superseded(rows))).toEqual([1, 2, 3]);
    expect(versions(foldable(rows, 3)!)).toEqual([4, 5, 6]);
    expect(foldable(rows, 4)).toBeNull();
  });

  it('a delivery is laid on what was known then, and refused where that is gone', () => {
    expect(groundFor(rows, 35)).toMatchObject({ floor: -Infinity, rows: [{ version: 4 }, { version: 5 }, { version: 6 }] });
    expect(versions(groundFor(rows, 15).rows)).toEqual([1, 2, 3, 5, 6]);
    const gone = rows.map((one) => (one.version === 1 ? { ...one, removedAt: 99 } : one));
    expect(groundFor(gone, 15)).toMatchObject({ floor: 30, rows: [{ version: 4 }, { version: 5 }, { version: 6 }] });
    expect(() => stateRows(gone, 20)).toThrow(expect.objectContaining({ code: 'readings_let_go' }));
    expect(versions(stateRows(gone, 30))).toEqual([4, 5]);
    expect(groundFor([row(1, 10, { removedAt: 99 })], 50).floor).toBe(Number.POSITIVE_INFINITY);
  });

  it('as of any instant each version counts exactly once, itself or in the fold', () => {
    const history = fc.array(fc.record({ knownAt: fc.nat(6), fold: fc.boolean() }), { maxLength: 12 }).map((steps) => {
      // As the room makes them: a fold of everything so far; a version known before one voids it.
      const made: (Kept & { stands: readonly number[] })[] = [];
      for (const [i, { knownAt, fold }] of steps.entries()) {
        const told = made.filter((one) => !one.fold);
        if (fold && told.length > 0) {
          const last = Math.max(...told.map((one) => one.knownAt));
          made.push({ ...row(i + 1, last, { fold: true }), stands: told.map(({ version }) => version) });
        } else {
          for (const [k, one] of made.entries()) if (one.fold && one.knownAt > knownAt) made[k] = { ...one, voided: true };
          made.push({ ...row(i + 1, knownAt), stands: [i + 1] });
        }
      }
      return made.sort((a, b) => a.knownAt - b.knownAt || a.version - b.version);
    });
    fc.assert(
      fc.property(history, fc.nat(6), (all, asOf) => {
        const counted = stateRows(all, asOf).flatMap(({ stands }) => stands);
        const expected = versions(all.filter((one) => !one.fold && one.knownAt <= asOf));
        expect(counted.sort((a, b) => a - b)).toEqual(expected.sort((a, b) => a - b));
      }),
    );
  });
});
