import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { Json } from '../domain/canonical.ts';
import { paise } from '../domain/money.ts';
import { exact, type Rational, rational, subtract } from '../domain/rational.ts';
import { aPoint } from './a-point.ts';
import { scaleOf } from './credit.ts';
import {
  CHOSEN,
  coveragePpm,
  creditColumns,
  energySums,
  HOLDOUT,
  type MeasuredColumns,
  type PlainTerms,
  plainTerms,
  wattHours,
} from './credit-columns.ts';
import type { Point } from './point.ts';
import { settle } from './settle.ts';
import { readPayTerms } from './terms.ts';

const DAY = '2026-05-01';
const TERMS = {
  ...{ direction: 'SHED', settlementIntervalMinutes: 30, netting: 'NET_EVENT', floorZero: true },
  reconciliation: 'RECONCILE_PORTFOLIO',
  pay: [{ energy: { microsPerKwh: { values: ['4000000'] } } }, { participation: { microsPerEvent: '5000000' } }],
  optOut: { freePerSeason: 3 },
  waterfall: [
    { party: 'CONSUMER', sharePpm: 850_001 },
    { party: 'AGGREGATOR', sharePpm: 99_999 },
    { party: 'COUNTERPARTY', sharePpm: 50_000 },
  ],
};

/** A home by its exact baseline over `den`, what was metered, and what else the money looks at. */
type Home = {
  readonly num: number;
  readonly den: number;
  readonly metered: number | 'gap';
  readonly holdout: boolean;
  readonly alone: boolean;
  readonly optOuts: number;
  readonly status: 'ok' | 'insufficient_days';
};
const homes = fc.array(
  fc.record<Home>({
    num: fc.integer({ min: 0, max: 5_000_000 }),
    den: fc.constantFrom(1, 2, 3, 7, 10, 1000, 99_991, 20_000_000_000),
    metered: fc.oneof(fc.integer({ min: 0, max: 6000 }), fc.constant<'gap'>('gap')),
    ...{ holdout: fc.boolean(), alone: fc.boolean(), optOuts: fc.integer({ min: 0, max: 5 }) },
    status: fc.constantFrom('ok', 'ok', 'ok', 'insufficient_days'),
  }),
  { minLength: 1, maxLength: 30 },
);

const pointOf = ({ num, den, metered, holdout, alone, optOuts, status }: Home, i: number): Point => {
  const point = aPoint(`P${String(i).padStart(3, '0')}`, [[`${num}/${den}`, metered]], {
    ...{ role: holdout ? 'HOLDOUT' : 'CHOSEN', organisationId: alone ? '' : 'AGG', status },
    ...(optOuts > 0 && { optOuts }),
  });
  return status === 'ok' ? point : { ...point, totals: null };
};
const exactDelivered = ({ num, den, metered }: Home): Rational =>
  metered === 'gap' ? rational(0n) : subtract(rational(BigInt(num), BigInt(den)), rational(BigInt(metered)));

function columnsOf(all: readonly Home[], beyond: readonly boolean[]) {
  const exacts = all.map(exactDelivered);
  const bytes = (read: (home: Home, i: number) => number) => Uint8Array.from(all.map(read));
  const measured: MeasuredColumns = {
    points: all.length,
    status: bytes(({ status }) => (status === 'ok' ? 0 : 1)),
    missing: bytes(({ metered }) => (metered === 'gap' ? 1 : 0)),
    settled: bytes(({ metered }) => (metered === 'gap' ? 0 : 1)),
    delivered: Float64Array.from(exacts, ({ num }) => Number(num)),
    denominator: Float64Array.from(exacts, ({ den }) => Number(den)),
    beyond: bytes((_, i) => (beyond[i % beyond.length] ? 1 : 0)),
    exactOf: (m) => exacts[m]!,
  };
  const cohort = {
    role: bytes(({ holdout }) => (holdout ? HOLDOUT : CHOSEN)),
    aggregated: bytes(({ alone }) => (alone ? 0 : 1)),
    optOuts: bytes(({ optOuts }) => optOuts),
  };
  return { measured, cohort };
}

describe('columns of points', () => {
  test.each([0, 900_000])(
    'are settled to the very integers that points are settled to (coverage %i ppm)',
    { timeout: 300_000 },
    (minCoveragePpm) => {
      const terms = readPayTerms(TERMS as Json);
      const plain = plainTerms(terms, DAY) as PlainTerms;
      fc.assert(
        fc.property(homes, fc.array(fc.boolean(), { minLength: 1, maxLength: 5 }), (all, beyond) => {
          const expected = settle(all.map(pointOf), { terms, day: DAY, minCoveragePpm }, new Map());
          const { measured, cohort } = columnsOf(all, beyond);
          const { sums } = energySums(measured, cohort);
          const covered = coveragePpm(sums.energised, sums.read) >= minCoveragePpm;
          const used = covered ? sums.all : sums.whole;
          const scaleFor = (one: typeof used) => scaleOf(wattHours(one.individuals), wattHours(one.delivered), terms);
          const portfolios = { scale: scaleFor(used), holdoutScale: scaleFor(sums.holdout), covered };
          const made = creditColumns(measured, cohort, plain, portfolios);
          expect({
            ...{ covered, points: used.points, withoutBaseline: sums.withoutBaseline },
            coverage: coveragePpm(sums.energised, sums.read),
            individuals: exact(wattHours(used.individuals)),
            delivered: exact(wattHours(used.delivered)),
            scale: exact(portfolios.scale),
            wouldBe: made.wouldBe,
            lines: all.map((_, m) => [
              Number.isNaN(made.creditedWh[m]) ? null : BigInt(made.creditedWh[m]!),
              ...[made.micros[m]!, made.consumer[m]!, made.aggregator[m]!, made.counterparty[m]!, made.paise[m]!].map(BigInt),
            ]),
          }).toEqual({
            ...{
              covered: expected.coverageReached,
              points: expected.portfolio.points,
              withoutBaseline: expected.withoutBaseline,
            },
            coverage: expected.coveragePpm,
            individuals: exact(expected.portfolio.individuals),
            delivered: exact(expected.portfolio.delivered),
            scale: exact(expected.portfolio.scale),
            wouldBe: expected.holdout.wouldBeMicros,
            lines: expected.lines.map(({ credit, micros, parties }) => [
              credit ? credit.energyWh : null,
              ...[micros, parties.consumer, parties.aggregator, parties.counterparty, paise(parties.consumer)],
            ]),
          });
        }),
        { numRuns: Number(process.env.LACHAK_LONG ? 20_000 : 1000) },
      );
    },
  );

  test('energies at a half are decided exactly', () => {
    const terms = readPayTerms({ ...TERMS, reconciliation: 'RECONCILE_NONE' } as Json);
    const plain = plainTerms(terms, DAY) as PlainTerms;
    // 0.5 Wh, 1.5 Wh, and an eighth of a micro-rupee beside a half: ₹4 per kWh are 4000 µ₹ per Wh.
    const halves = [
      [1, 2],
      [3, 2],
      [1, 8000],
      [3, 8000],
      [999_999, 8_000_000_000],
    ] as const;
    const all = halves.map(([num, den]): Home => {
      return { num, den, metered: 0, holdout: false, alone: true, optOuts: 9, status: 'ok' };
    });
    const { measured, cohort } = columnsOf(all, [false]);
    const one = { scale: rational(1n), holdoutScale: rational(1n), covered: true };
    const made = creditColumns(measured, cohort, plain, one);
    expect([...made.creditedWh]).toEqual([1, 2, 0, 0, 0]);
    expect([...made.micros]).toEqual([2000, 6000, 1, 2, 0]);
  });

  test.each<[object, RegExp]>([
    [{ netting: 'NET_INTERVAL' }, /netting NET_INTERVAL/],
    [{ floorZero: false }, /floor/],
    [{ deliveredCapOfBaseline: { num: '1', den: '1' } }, /cap/],
    [{ deliveredCapOfCommitted: { num: '1', den: '1' } }, /cap/],
    [{ pay: [{ availability: { microsPerKwHour: '1' } }] }, /AVAILABILITY/],
    [{ pay: [{ energy: { microsPerKwh: { values: ['1', '2'] } } }] }, /interval/],
    [{ holdout: { pay: 'COHORT_AVERAGE' } }, /holdout/],
  ])('terms that are not plain say why: %j', (more, why) => {
    expect(plainTerms(readPayTerms({ ...TERMS, ...more } as Json), DAY)).toMatch(why);
  });
});
