import { beforeAll, expect, test } from 'vitest';
import { coreBytes } from '../../services/host/core-file.ts';
import { type Kernel, loadKernel } from '../../services/performance/kernel.ts';
import { equal, type OracleAnswer, oracle, type Ratio } from './day-matching.ts';
import { disagreement } from './disagreement.ts';
import { type Batch, batch, columnsOf, extremeBatch } from './homes.ts';

const SEED = 20250613;
const BATCHES = 400;
const LANES = 250;

let kernel: Kernel;
beforeAll(async () => {
  kernel = await loadKernel(coreBytes());
});

test('the core agrees with the BigInt oracle on 100,000 meters, half of them built on ties, halves and caps', {
  timeout: 120_000,
}, () => {
  const met = { ok: 0, ties: 0, halves: 0, atCap: 0, capped: 0, atBar: 0, rejected: 0, insufficient: 0, dark: 0 };
  for (let i = 0; i < BATCHES; i++) {
    const homes = batch(SEED + i, LANES);
    compare(homes, `batch ${SEED + i}`, (answer, lane) => count(met, homes, answer, lane));
  }
  console.log(`oracle: ${BATCHES * LANES} meters: ${JSON.stringify(met)}`);
  // The corners must have been met, or agreement says little.
  for (const [corner, times] of Object.entries(met)) expect(times, corner).toBeGreaterThan(500);
});

test('at the bound of readings, days, slots and fractions nothing overflows', { timeout: 120_000 }, () => {
  const statuses = new Set<string>();
  for (let i = 0; i < 12; i++)
    compare(extremeBatch(SEED + i, 3), `extreme batch ${SEED + i}`, ({ outcome }) => statuses.add(outcome.status));
  expect([...statuses].sort()).toEqual(['insufficient_days', 'ok', 'out_of_bounds']);
});

test('a spec or shape beyond the bound is refused, never computed', () => {
  const homes = columnsOf(batch(SEED, 2));
  const spec = { ...homes.spec, y: 257, x: 1 };
  expect(() => kernel.estimate({ ...homes, spec })).toThrow(RangeError);
  expect(() => kernel.estimate({ ...homes, spec: { ...homes.spec, lowUsage: { num: 1, den: 2 ** 31 } } })).toThrow(RangeError);
  expect(() => kernel.estimate({ ...homes, spec: { ...homes.spec, lowUsage: { num: 0.5, den: 1 } } })).toThrow(RangeError);
  expect(() => kernel.estimate({ ...homes, actual: new Int32Array(1) })).toThrow('actual is not');
});

test('lanes do not depend on how many there are: one by one, or over several passes of the arena', () => {
  const homes = batch(SEED + 7, 60);
  const together = kernel.estimate(columnsOf(homes));
  homes.meters.forEach((meter, m) => {
    const alone = kernel.estimate(columnsOf({ ...homes, meters: [meter] }));
    expect(alone.at(0)).toEqual(together.at(m));
  });
  const copies = Math.ceil(2 ** 22 / (homes.shape.eventSlots + homes.shape.windowSlots) / (homes.shape.days + 1) / 60) + 1;
  const many = kernel.estimate(columnsOf({ ...homes, meters: Array.from({ length: copies }, () => homes.meters).flat() }));
  for (const m of [0, 59, 60 * copies - 1]) expect(many.at(m)).toEqual(together.at(m % 60));
});

function compare(homes: Batch, place: string, seen: (answer: OracleAnswer, lane: number) => void): void {
  const estimates = kernel.estimate(columnsOf(homes));
  homes.meters.forEach((meter, m) => {
    const wanted = oracle(homes.spec, meter);
    const fault = disagreement(estimates.at(m), wanted);
    if (fault)
      expect.fail(`${place}, lane ${m}: ${fault}; ${JSON.stringify(homes.spec)} ${JSON.stringify(meter)}`.slice(0, 4000));
    seen(wanted, m);
  });
}

function count(met: Record<string, number>, { spec, meters }: Batch, answer: OracleAnswer, lane: number): void {
  const add = (corner: string, holds: boolean) => {
    met[corner] = met[corner]! + (holds ? 1 : 0);
  };
  const { outcome, candidates } = answer;
  const scores = candidates.map((d) => meters[lane]!.days[d]!.event.reduce<number>((all, wh) => all + wh!, 0));
  const total = scores.reduce((all, score) => all + score, 0);
  add('ties', new Set(scores).size < scores.length);
  add('rejected', answer.rejected.length > 0);
  add('insufficient', outcome.status === 'insufficient_days');
  add('dark', answer.dark > 0);
  const bar = spec.lowUsage;
  add(
    'atBar',
    bar !== null && new Set(scores).size > 1 && scores.some((score) => score * scores.length * bar.den === bar.num * total),
  );
  if (outcome.status !== 'ok') return;
  const { lo, hi, cap } = spec.adjustment;
  const at = (clamp: typeof lo) =>
    clamp !== null && outcome.applied !== null && equal(outcome.applied, { n: BigInt(clamp.num), d: BigInt(clamp.den) });
  add('ok', true);
  add('capped', outcome.capped);
  const bounded = cap !== null && outcome.applied !== null && atAdditiveCap(outcome.applied, cap, meters[lane]!, answer.selected);
  add('atCap', !outcome.capped && (at(lo) || at(hi) || bounded));
  add(
    'halves',
    (outcome.deliveredTotal.n * 2n) % outcome.deliveredTotal.d === 0n &&
      outcome.deliveredTotal.n % outcome.deliveredTotal.d !== 0n,
  );
}

/** |z| = f |mean B| exactly, with B from the selected days. */
function atAdditiveCap(
  applied: Ratio,
  cap: { num: number; den: number },
  meter: Batch['meters'][number],
  selected: number[],
): boolean {
  const loads = selected.flatMap((d) => meter.days[d]!.event);
  const size = Math.abs(loads.reduce<number>((all, wh) => all + wh!, 0));
  const z = { n: applied.n < 0n ? -applied.n : applied.n, d: applied.d };
  return cap.num > 0 && size > 0 && equal(z, { n: BigInt(size) * BigInt(cap.num), d: BigInt(loads.length) * BigInt(cap.den) });
}
