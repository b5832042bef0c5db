import fc from 'fast-check';
import { beforeAll, describe, expect, test } from 'vitest';
import { coreBytes } from '../../services/host/core-file.ts';
import type { GroupColumns, GroupComparison } from '../../services/performance/control-kernel.ts';
import { type Kernel, loadKernel } from '../../services/performance/kernel.ts';
import { cheapest, holdoutImpact, holdoutInterval, type Person, range, splitMix } from './control.ts';

let kernel: Kernel;
beforeAll(async () => {
  kernel = await loadKernel(coreBytes());
});

const DAYS = 10;
const asked = (persons: readonly Person[], over: Partial<GroupColumns> = {}): GroupComparison => {
  const slots = persons[0]!.event.length;
  return kernel.control.compare({
    ...{ persons: persons.length, slots, days: DAYS, matched: false, seed: 7n, draws: 199, rank: 10 },
    role: Uint8Array.from(persons, ({ treated }) => Number(treated)),
    stratum: Uint8Array.from(persons, ({ stratum }) => stratum),
    event: Int32Array.from(range(slots).flatMap((slot) => persons.map(({ event }) => event[slot]!))),
    pre: BigInt64Array.from(range(slots).flatMap((slot) => persons.map(({ pre }) => BigInt(pre[slot]!)))),
    ...over,
  });
};

const wh = fc.integer({ min: -300, max: 3000 });
const person = (treated: boolean, stratum: number) =>
  fc.record({
    ...{ treated: fc.constant(treated), stratum: fc.constant(stratum) },
    event: fc.tuple(wh, wh),
    pre: fc.tuple(wh, wh).map((pair) => pair.map((value) => value * DAYS + (value % 7))),
  });
const people = (treated: boolean, stratum: number, least: number, most: number) =>
  fc.array(person(treated, stratum), { minLength: least, maxLength: most });

describe('a randomised holdout', () => {
  const groups = fc
    .tuple(
      people(true, 0, 10, 25),
      people(true, 3, 8, 20),
      people(false, 0, 15, 25),
      people(false, 3, 15, 25),
      people(false, 9, 0, 3),
    )
    .map((parts) => parts.flat());

  test('is the difference in differences, and its interval the bootstrap’s', () => {
    fc.assert(
      fc.property(groups, fc.bigInt({ min: 0n, max: 2n ** 62n }), (persons, seed) => {
        const found = asked(persons, { seed });
        expect(found.status).toBe('ok');
        const impact = holdoutImpact(persons, DAYS);
        for (const [slot, value] of impact.entries()) expect(found.means!.impact[slot]).toBeCloseTo(value, 6);
        expect(found.means!.totalWh).toBeCloseTo(impact[0]! + impact[1]!, 6);
        const [low, high] = holdoutInterval(persons, DAYS, seed, 199, 10);
        expect(found.means!.interval![0]).toBeCloseTo(low, 5);
        expect(found.means!.interval![1]).toBeCloseTo(high, 5);
        expect(found.controls).toBe(persons.filter(({ treated, stratum }) => !treated && stratum !== 9).length);
      }),
      { numRuns: 100, seed: 20261125 },
    );
  });

  test('does not depend on the order of persons, to the last bit; twice the load is twice the impact', () => {
    fc.assert(
      fc.property(groups, fc.integer({ min: 1, max: 1000 }), (persons, turn) => {
        const order = range(persons.length).sort((a, b) => ((a * 7919 + turn) % 1009) - ((b * 7919 + turn) % 1009) || a - b);
        const found = asked(persons);
        expect(asked(order.map((p) => persons[p]!))).toEqual(found);
        const doubled = asked(
          persons.map((one) => ({ ...one, event: one.event.map((x) => 2 * x), pre: one.pre.map((x) => 2 * x) })),
        );
        expect(doubled.means!.impact).toEqual(found.means!.impact.map((value) => 2 * value));
        expect(doubled.means!.interval).toEqual(found.means!.interval!.map((value) => 2 * value));
      }),
      { numRuns: 60, seed: 3 },
    );
  });
});

describe('matched controls', () => {
  test('are the nearest together, none twice, of the own stratum', () => {
    // The least sum shows in the difference of the means before the event when all treated lie below all controls of their stratum or above;
    // in general the chosen set must cost what trying every assignment costs.
    const few = fc.tuple(people(true, 0, 3, 3), people(false, 0, 3, 6)).map(([a, b]) => [a, b] as const);
    fc.assert(
      fc.property(few, ([treated, controls]) => {
        // Fifteen pairs at least may leave: the rest are pairs of their own strata that fit exactly.
        const filler = range(12).flatMap((i) =>
          [true, false].map((who): Person => ({ treated: who, stratum: 1 + i, event: [0, 0], pre: [100 * i, 0] })),
        );
        const before = ({ pre }: Person) => pre[0]! + pre[1]!;
        const found = asked([...treated, ...controls, ...filler], { matched: true });
        expect(found.means).not.toBeNull();
        expect([found.treated, found.controls]).toEqual([15, 15]);
        const least = cheapest(treated.map(before), controls.map(before));
        // Which controls were taken is not told; what they cost together follows from their mean, for the sorted pairs.
        const pairs = subsets(controls, 3).filter((chosen) => {
          const sorted = [...chosen].map(before).sort((a, b) => a - b);
          const cost = [...treated]
            .map(before)
            .sort((a, b) => a - b)
            .reduce((sum, a, i) => sum + Math.abs(a - sorted[i]!), 0);
          return cost === least;
        });
        const means = pairs.map((chosen) => chosen.reduce((sum, { event }) => sum + event[0]!, 0) / 15);
        expect(means.some((mean) => Math.abs(mean - found.means!.controls[0]!) < 1e-9)).toBe(true);
      }),
      { numRuns: 300, seed: 11 },
    );
  });

  test('two hundred pairs that differ by nothing have an impact of nothing, without an interval to speak of', () => {
    const twins = range(200).flatMap((i) =>
      [true, false].map((treated): Person => ({ treated, stratum: i % 4, event: [i, 2 * i], pre: [i * 10, i * 20] })),
    );
    const { means } = asked(twins, { matched: true });
    expect(means!.impact).toEqual([0, 0]);
    expect(means!.interval).toEqual([0, 0]);
  });
});

describe('only means of at least 15 persons leave', () => {
  const crowd = (treated: number, controls: number): Person[] => [
    ...range(treated).map((i): Person => ({ treated: true, stratum: 0, event: [100 + i, 0], pre: [1000, 10] })),
    ...range(controls).map((i): Person => ({ treated: false, stratum: 0, event: [140 + i, 0], pre: [1000, 10] })),
  ];
  test.each<[number, number, boolean, string]>([
    [15, 15, false, 'ok'],
    [14, 400, false, 'group_too_small'],
    [400, 14, false, 'group_too_small'],
    [15, 15, true, 'ok'],
    [14, 400, true, 'group_too_small'],
    [16, 15, true, 'stratum_too_small'],
    [400, 1, false, 'stratum_too_small'],
  ])('%d treated and %d controls, matched %s: %s', (treated, controls, matched, status) => {
    const found = asked(crowd(treated, controls), { matched });
    expect(found.status).toBe(status);
    expect(found.means === null).toBe(status !== 'ok');
  });

  test('nor hides one person behind a weight: 60 controls of whom two stand for nearly all', () => {
    const heavy = [...range(98), ...range(2)].map(
      (_, i): Person => ({ treated: true, stratum: i < 98 ? 0 : 1, event: [1, 1], pre: [0, 0] }),
    );
    const others = range(60).map((i): Person => ({ treated: false, stratum: i < 2 ? 0 : 1, event: [i, i], pre: [0, 0] }));
    const found = asked([...heavy, ...others]);
    expect([found.status, found.controls, found.means]).toEqual(['group_too_small', 60, null]);
  });

  test('and nothing else is to be found among the outputs in memory', async () => {
    const { WebAssembly } = globalThis as unknown as {
      WebAssembly: { instantiate(bytes: Uint8Array, imports: object): Promise<{ instance: { exports: unknown } }> };
    };
    const { instance } = await WebAssembly.instantiate(coreBytes(), {});
    const core = instance.exports as Record<string, { value: number }> & {
      memory: { buffer: ArrayBuffer; grow(pages: number): number };
      controlColumn(which: number, ...shape: number[]): number;
      control(...terms: (number | bigint)[]): number;
    };
    const shape = [28, 2, 199, 0];
    const at = (name: string) => core.controlColumn(core[name]!.value, ...shape);
    core.memory.grow(Math.ceil(at('CONTROL_COLUMNS') / 65536));
    new Uint8Array(core.memory.buffer, at('CONTROL_ROLE'), 28).fill(1, 0, 14);
    new Int32Array(core.memory.buffer, at('CONTROL_EVENT'), 56).fill(12_345);
    expect(core.control(...shape, DAYS, 0, 7n, 10)).toBe(2);
    const outputs = new Float64Array(core.memory.buffer.slice(at('CONTROL_TREATED'), at('CONTROL_COUNT')));
    expect(outputs.every((value) => value === 0)).toBe(true);
    expect(core.control(...shape, DAYS, 0, 7n, 10)).toBe(2);
  });
});

test('a 90 % interval holds the truth in nearly 90 % of skewed samples of twenty', () => {
  const next = splitMix(20261125n);
  const skewed = () => Math.round(-400 * Math.log((next(1_000_000) + 1) / 1_000_001));
  let inside = 0;
  const TRIALS = 1000;
  for (let trial = 0; trial < TRIALS; trial++) {
    const persons = range(40).map(
      (i): Person => ({ treated: i < 20, stratum: 0, event: [skewed() + (i < 20 ? 0 : 150)], pre: [0] }),
    );
    const [low, high] = asked(persons, { seed: BigInt(trial), draws: 399, rank: 20 }).means!.interval!;
    if (low <= 150 && 150 <= high) inside++;
  }
  console.log(`bootstrap-t: ${((100 * inside) / TRIALS).toFixed(1)} % of ${TRIALS} intervals hold the truth (wanted 90)`);
  expect(inside / TRIALS).toBeGreaterThan(0.84);
  expect(inside / TRIALS).toBeLessThan(0.94);
});

test('input outside the bounds is refused, hostile input gives no NaN', () => {
  const persons = range(40).map(
    (i): Person => ({ treated: i % 2 === 0, stratum: 0, event: [i % 2 === 0 ? 2 ** 31 - 1 : -(2 ** 31) + 1], pre: [0] }),
  );
  const { means } = asked(persons);
  expect([...means!.impact, means!.totalWh, ...means!.interval!].every(Number.isFinite)).toBe(true);
  for (const over of [{ days: 0 }, { days: 65 }, { draws: 3 }, { rank: 0 }, { rank: 150 }, { persons: 39 }, { draws: 50_000 }])
    expect(() => asked(persons, over)).toThrow(RangeError);
});

function subsets<T>(of: readonly T[], size: number): T[][] {
  if (size === 0) return [[]];
  return of.flatMap((first, i) => subsets(of.slice(i + 1), size - 1).map((rest) => [first, ...rest]));
}
