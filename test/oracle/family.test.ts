import { beforeAll, expect, test } from 'vitest';
import { coreBytes } from '../../services/host/core-file.ts';
import { type Family, PLAIN } from '../../services/performance/family.ts';
import { type Kernel, loadKernel } from '../../services/performance/kernel.ts';
import { type OracleAnswer, oracle } from './day-matching.ts';
import { disagreement } from './disagreement.ts';
import { type FamilyBatch, familyBatch, familyColumns, wideBatch } from './family-homes.ts';
import { batch, columnsOf, extremeBatch } from './homes.ts';

const SEED = 20260113;
const LANES = 100;
/** LACHAK_LONG=1: 10⁵ meters. */
const BATCHES = process.env.LACHAK_LONG ? 1000 : 120;

let kernel: Kernel;
beforeAll(async () => {
  kernel = await loadKernel(coreBytes());
});

test(`the family agrees with the BigInt oracle on ${BATCHES * LANES} meters`, { timeout: 600_000 }, () => {
  const met: Record<string, number> = {};
  const count = (corner: string) => {
    met[corner] = (met[corner] ?? 0) + 1;
  };
  for (let i = 0; i < BATCHES; i++) {
    const homes = familyBatch(SEED + i, LANES);
    compare(homes, `batch ${SEED + i}`, ({ outcome }) => {
      count(outcome.status);
      if (outcome.status !== 'ok') return;
      count(homes.family.weights.kind);
      count(homes.spec.select);
      if (homes.family.source === 'same_day') count('same_day');
      if (outcome.capped) count('capped');
      for (const flag of outcome.flags) count(flag);
    });
  }
  console.log(`family oracle: ${BATCHES * LANES} meters: ${JSON.stringify(met)}`);
  const corners = ['event_day_missing', 'list', 'ewma', 'nearest', 'same_day', 'capped', 'refilled_with_event_days'];
  // The corners must have been met, or agreement says little.
  for (const corner of [...corners, 'shifted_instead_of_ratio', 'limited_to_connected_load', 'gaps_tolerated'])
    expect(met[corner], corner).toBeGreaterThan(100);
});

test('the widest weights over the largest readings neither overflow nor round', { timeout: 120_000 }, () => {
  for (let i = 0; i < 40; i++) compare(wideBatch(SEED + i, 4), `wide batch ${SEED + i}`);
});

test('what the plain core answers the family answers alike', { timeout: 120_000 }, () => {
  for (let i = 0; i < 60; i++) {
    const homes = i % 20 === 0 ? extremeBatch(SEED + i, 2) : batch(SEED + i, 40);
    compare({ ...homes, family: PLAIN, rankSlots: 0 }, `plain batch ${SEED + i}`);
    const input = columnsOf(homes);
    const plain = kernel.estimate(input);
    const family = kernel.match({ ...input, family: PLAIN, rankSlots: 0 });
    homes.meters.forEach((_, m) => {
      const { result: a, ...left } = plain.at(m);
      const { result: b, ...right } = family.at(m);
      expect(right).toEqual(left);
      expect(b?.deliveredWh).toEqual(a?.deliveredWh);
      expect(b?.adjustment).toEqual(a?.adjustment);
    });
  }
});

test('weights, selections, adjustments and shapes beyond the bound are refused with a reason', () => {
  const homes = familyBatch(SEED + 3, 2);
  const input = familyColumns({ ...homes, family: PLAIN, spec: { ...homes.spec, select: 'all' }, rankSlots: 0 });
  const answer = (family: Partial<Family>, spec: object = {}) =>
    kernel.match({ ...input, family: { ...PLAIN, ...family }, spec: { ...input.spec, ...spec } });
  const ewma = { kind: 'ewma', lambda: { num: 1, den: 10 }, init: 5 } as const;
  expect(() => answer({ weights: ewma }, { y: 60, x: 60 })).toThrow(/256 bits/);
  expect(() => answer({ weights: ewma }, { y: 52, x: 52 })).not.toThrow();
  expect(() => answer({ weights: { kind: 'list', by: 'rank', values: [1, 0] } }, { y: 2, x: 2, minDays: 1 })).toThrow(/256 bits/);
  expect(() => answer({ weights: { kind: 'list', by: 'rank', values: [1] } }, { y: 2, x: 2, minDays: 1 })).toThrow(/256 bits/);
  expect(() => answer({ weights: { kind: 'list', by: 'rank', values: [0.5] } })).toThrow(/integers/);
  expect(() => answer({}, { select: 'nearest' })).toThrow(/selection/);
  expect(() => answer({ gaps: { ...PLAIN.gaps, rankSlots: -1 } })).toThrow(/selection/);
  expect(() => answer({ source: 'same_day' })).toThrow();
  expect(() => answer({ nearZeroWh: -1 })).toThrow(/adjustment/);
  expect(() => kernel.match({ ...input, family: PLAIN, actual: new Int32Array(1) })).toThrow(/length/);
});

test('gaps are tolerated with equal weights only', () => {
  const homes = familyBatch(SEED, 1);
  const shape = { ...homes.shape, eventSlots: 2, windowSlots: 0, days: 0 };
  const spec = {
    ...homes.spec,
    select: 'all' as const,
    x: 2,
    y: 2,
    minDays: 1,
    adjustment: { kind: 'none', direction: 'both', lo: null, hi: null, cap: null },
  } as const;
  const family: Family = {
    ...PLAIN,
    gaps: { ...PLAIN.gaps, eventSlots: 1 },
    weights: { kind: 'list', by: 'recency', values: [2, 1] },
  };
  const meters = [{ days: [], actual: [1, 1], actualWindow: [], dark: [false, false] }];
  expect(() => kernel.match(familyColumns({ spec, family, shape, meters, rankSlots: 0 }))).toThrow(/equal weights/);
});

test('lanes do not depend on how many there are, nor on the order of passes', () => {
  for (const seed of [SEED + 5, SEED + 6, SEED + 11]) {
    const homes = familyBatch(seed, 40);
    const together = kernel.match(familyColumns(homes));
    homes.meters.forEach((meter, m) => {
      expect(kernel.match(familyColumns({ ...homes, meters: [meter] })).at(0)).toEqual(together.at(m));
    });
    const copies = Math.ceil(2 ** 20 / (homes.shape.eventSlots + 16) / (homes.shape.days + 1) / 40) + 1;
    const many = kernel.match(familyColumns({ ...homes, meters: Array.from({ length: copies }, () => homes.meters).flat() }));
    for (const m of [0, 39, 40 * copies - 1]) expect(many.at(m)).toEqual(together.at(m % 40));
  }
});

function compare(homes: FamilyBatch, place: string, seen: (answer: OracleAnswer) => void = () => {}): void {
  const estimates = kernel.match(familyColumns(homes));
  homes.meters.forEach((meter, m) => {
    const wanted = oracle(homes.spec, { ...meter, days: meter.days.slice(0, homes.shape.days) }, homes.family);
    const fault = disagreement(estimates.at(m), wanted);
    const { spec, family } = homes;
    if (fault) expect.fail(`${place}, lane ${m}: ${fault}; ${JSON.stringify({ spec, family, meter })}`.slice(0, 4000));
    seen(wanted);
  });
}
