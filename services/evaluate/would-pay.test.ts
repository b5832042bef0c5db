import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { Json } from '../domain/canonical.ts';
import { MINUTE } from '../domain/interval.ts';
import { add, exact, type Rational, rational, subtract, sum, ZERO } from '../domain/rational.ts';
import { fixedOffset } from '../performance/days.ts';
import type { BaselineWh } from '../performance/estimate.ts';
import { carried } from '../settlement/credit.ts';
import type { Point, Slot } from '../settlement/point.ts';
import { settle } from '../settlement/settle.ts';
import { readPayTerms } from '../settlement/terms.ts';
import { type Measured, partsAt } from './measure.ts';
import type { Occasion } from './occasions.ts';
import type { HomeTerms } from './paid.ts';
import { pointsPayer } from './pay-points.ts';
import type { JudgedTerms } from './terms.ts';
import { columnsPayer, payerOf } from './would-pay.ts';

const WIDTH = 4;
const MIDNIGHT = Date.parse('2026-05-01T00:00:00+05:30');
const DAY = 1440 * MINUTE;

/** A cell as it may come out of any method: exact over some denominator, in doubles, or without a baseline; readings with gaps. */
const cells = fc.record({
  baseline: fc.oneof(
    fc.record({
      kind: fc.constant('exact' as const),
      numerators: fc.oneof(
        fc.array(fc.bigInt({ min: -3000n, max: 9_000_000n }), { minLength: WIDTH, maxLength: WIDTH }),
        // A home that gives more than it takes: a cap of its baseline is zero.
        fc.array(fc.bigInt({ min: -9000n, max: 500n }), { minLength: WIDTH, maxLength: WIDTH }),
      ),
      denominator: fc.constantFrom(1n, 3n, 10n, 7000n, 99_991n),
    }),
    fc.record({
      kind: fc.constant('float' as const),
      wh: fc.array(fc.double({ min: 0, max: 5000, noNaN: true }), { minLength: WIDTH, maxLength: WIDTH }),
    }),
    fc.constant(null),
  ),
  actual: fc.array(fc.oneof(fc.integer({ min: 0, max: 3000 }), fc.constant(Number.NaN)), { minLength: WIDTH, maxLength: WIDTH }),
  optOuts: fc.nat(3),
});
type Cell = { readonly baseline: BaselineWh | null; readonly actual: readonly number[]; readonly optOuts: number };

const DAYS = 3;
const worlds = fc
  .record({ homes: fc.integer({ min: 1, max: 6 }), firstDay: fc.nat(3) })
  .chain(({ homes, firstDay }) =>
    fc.array(cells, { minLength: homes * DAYS, maxLength: homes * DAYS }).map((made) => ({ homes, firstDay, made })),
  );

/** The second of three days lies in another month when `firstDay` says so. */
function measuredOf(
  { homes, firstDay, made }: { homes: number; firstDay: number; made: readonly Cell[] },
  minutes = 30,
): Measured {
  const usable = made.map(({ baseline, actual }) => (actual.every(Number.isNaN) ? null : baseline));
  const exacts = made.map(({ actual }, i) => deliveredOf(usable[i]!, actual));
  const occasions = Array.from({ length: DAYS }, (_, o): Occasion => {
    const start = MIDNIGHT + (28 + firstDay + o) * DAY + 1080 * MINUTE;
    const day = new Date(start).toISOString().slice(0, 10);
    const event = { window: { start, end: start + WIDTH * minutes * MINUTE }, noticeAt: start - 120 * MINUTE };
    return { day, kind: 'ordinary', name: '', sort: '', event };
  });
  const counts = (gap: boolean) => Uint8Array.from(made, ({ actual }) => actual.filter((wh) => Number.isNaN(wh) === gap).length);
  return {
    ...{
      candidate: { name: 'any', says: '', rests: '', spec: { kind: 'nominated' } as never },
      occasions,
      ...partsAt(occasions, { zone: fixedOffset('+05:30')! }),
      homes,
      minutes,
      width: WIDTH,
    },
    ...{ status: usable.map((baseline) => (baseline ? 'ok' : 'insufficient_days')), made: usable, exact: new Map() },
    ...{ adjusted: new Uint8Array(made.length), settled: counts(false), missing: counts(true) },
    baseline: new Float64Array(made.length * WIDTH),
    actual: Float64Array.from(made.flatMap(({ actual }) => actual)),
    delivered: Float64Array.from(exacts, ({ num }) => Number(num)),
    denominator: Float64Array.from(exacts, ({ den }) => Number(den)),
  };
}

/** Written apart from the code: an interval at a time. */
function deliveredOf(baseline: BaselineWh | null, actual: readonly number[]) {
  return actual.reduce((sum, wh, slot) => {
    if (baseline === null || Number.isNaN(wh)) return sum;
    const [num, den] =
      baseline.kind === 'exact'
        ? [baseline.numerators[slot]!, baseline.denominator]
        : [BigInt(Math.round(baseline.wh[slot]! * 1e6)), 1_000_000n];
    return add(sum, subtract(rational(num, den), rational(BigInt(wh))));
  }, ZERO);
}

const homeTermsOf = ({ homes, made }: { homes: number; made: readonly Cell[] }): HomeTerms => ({
  committed: Array.from({ length: homes }, (_, h) => 300 * h),
  household: Array.from({ length: homes }, (_, h) => h % 2 === 0),
  optOuts: (o, h) => made[o * homes + h]!.optOuts,
});

/** A home and occasion as settlement sees it, an interval of the terms at a time; null without a baseline. Readings are of 30 minutes. */
function pointOf(measured: Measured, { pay, sign }: JudgedTerms, homes: HomeTerms, o: number, home: number): Point | null {
  const cell = o * measured.homes + home;
  const made = measured.made[cell];
  if (measured.status[cell] !== 'ok' || !made) return null;
  const { start } = measured.occasions[o]!.event.window;
  const [num, den] =
    made.kind === 'exact' ? [made.numerators, made.denominator] : [made.wh.map((wh) => BigInt(Math.round(wh * 1e6))), 1_000_000n];
  const slots = Array.from({ length: (WIDTH * 30) / pay.intervalMinutes }, (_, slot): Slot => {
    const of = Array.from({ length: WIDTH }, (__, i) => i).filter(
      (i) => i * 30 < (slot + 1) * pay.intervalMinutes && (i + 1) * 30 > slot * pay.intervalMinutes,
    );
    const share = rational(1n, BigInt(Math.max(1, 30 / pay.intervalMinutes)));
    const metered = of.map((i) => measured.actual[cell * WIDTH + i]!);
    const partOf = (wh: bigint, d: bigint): Rational => rational(wh * share.num, d * share.den);
    const baseline = sum(of.map((i) => partOf(num[i]!, den)));
    const settled = metered.every((wh) => !Number.isNaN(wh));
    const apart = settled ? subtract(baseline, sum(metered.map((wh) => partOf(BigInt(wh), 1n)))) : null;
    return {
      ...{ startMs: start + slot * pay.intervalMinutes * MINUTE, supply: 'ENERGISED', quality: 1, unadjusted: null },
      ...{ meteredWh: settled ? 0 : null, baseline: exact(baseline), baselineWh: null, deliveredWh: null },
      delivered: apart && exact({ num: BigInt(sign) * apart.num, den: apart.den }),
    };
  });
  const left = homes.optOuts(o, home);
  return {
    ...{ settlementPointId: String(home), connectionId: '', participantId: '', organisationId: '' },
    ...{ role: 'CHOSEN', status: 'ok', flags: [], shard: 0, slots, committedW: homes.committed[home]! },
    ...{ candidateDays: [], selectedDays: [], scoresWh: [], lowUsageRejected: [], excludedDays: [] },
    ...{ adjustment: null, totals: null, missingIntervals: measured.missing[cell]!, unservedIntervals: 0 },
    ...{ meterIds: [], meterDays: [], enrolmentId: '', readingsConsentId: '', billingConsentId: '' },
    ...{ household: homes.household[home]!, ...(left > 0 && { optOuts: left }) },
  };
}

const judged = (json: object, sign: 1 | -1 = 1): JudgedTerms => ({
  ...{ name: 'any', sign, quantity: 'import', noticeMinutes: 120, own: null },
  pay: readPayTerms({ settlementIntervalMinutes: 30, floorZero: true, waterfall: [], ...json } as Json),
});

const energy = { energy: { microsPerKwh: { values: ['4000001'] } } };
const participation = { participation: { microsPerEvent: '5000000', deliveredOnly: true } };
const signs = fc.constantFrom<1 | -1>(1, -1);

test('columns and points pay the same micro-rupees under plain terms, whichever way they pay', () => {
  const terms = fc.record({
    netting: fc.constantFrom('NET_EVENT', 'NET_PORTFOLIO'),
    reconciliation: fc.constantFrom('RECONCILE_NONE', 'RECONCILE_PORTFOLIO'),
    pay: fc.constantFrom([energy], [energy, participation]),
    optOut: fc.constantFrom(undefined, { freePerSeason: 1 }),
  });
  fc.assert(
    fc.property(worlds, terms, signs, (world, { optOut, ...json }, sign) => {
      const measured = measuredOf(world);
      const all = judged({ ...json, ...(optOut && { optOut }) }, sign);
      const homes = Array.from({ length: world.homes }, (_, h) => h);
      const ways = [columnsPayer, pointsPayer].map((way) => way(measured, all, homeTermsOf(world)));
      expect(payerOf(measured, all, homeTermsOf(world)).way).toBe('columns');
      for (let o = 0; o < DAYS; o++)
        for (const among of [homes, homes.slice(1), homes.slice(0, 1)]) expect(ways[0]!(o, among)).toEqual(ways[1]!(o, among));
    }),
    { numRuns: 300 },
  );
});

const ratio = (num: number, den: number) => ({ num: String(num), den: String(den) });
const anyTerms = fc.record({
  settlementIntervalMinutes: fc.constantFrom(15, 30, 60),
  netting: fc.constantFrom('NET_INTERVAL', 'NET_EVENT', 'NET_CYCLE', 'NET_PORTFOLIO'),
  reconciliation: fc.constantFrom('RECONCILE_NONE', 'RECONCILE_PORTFOLIO'),
  floorZero: fc.boolean(),
  caps: fc.constantFrom(
    {},
    { deliveredCapOfBaseline: ratio(1, 2) },
    { deliveredCapOfCommitted: ratio(6, 5) },
    { deliveredCapOfBaseline: ratio(9, 10), deliveredCapOfCommitted: ratio(1, 1) },
  ),
  energy: fc.constantFrom(
    energy,
    { energy: { microsPerKwh: { values: ['4000000', '7000000', '1000000'] } } },
    {
      energy: {
        tiers: [
          { fromPerformance: ratio(1, 2), microsPerKwh: '2000000' },
          { fromPerformance: ratio(1, 1), microsPerKwh: '5000000' },
        ],
      },
    },
  ),
  availability: fc.constantFrom([], [{ availability: { microsPerKwHour: '500000', minPerformance: ratio(1, 2) } }]),
  participation: fc.constantFrom([], [participation]),
  penalty: fc.constantFrom(
    [],
    [{ penalty: { microsPerKwh: { values: ['2000000'] }, tolerance: ratio(4, 5), householdsExempt: true } }],
    [{ penalty: { microsPerKwh: { values: ['2000000'] }, householdsExempt: false } }],
  ),
});

test('whatever terms there are, what is paid is what a settlement of those homes pays, cycle by cycle', () => {
  fc.assert(
    fc.property(
      worlds,
      anyTerms,
      signs,
      (world, { caps, energy: first, availability, participation: part, penalty, ...json }, sign) => {
        const measured = measuredOf(world);
        const terms = judged({ ...json, ...caps, pay: [first, ...availability, ...part, ...penalty] }, sign);
        const homes = Array.from({ length: world.homes }, (_, h) => h);
        const homeTerms = homeTermsOf(world);
        const payer = payerOf(measured, terms, homeTerms);
        const carries = new Map<string, ReturnType<typeof rational>>();
        let month = '';
        for (let o = 0; o < DAYS; o++) {
          const { day } = measured.occasions[o]!;
          if (day.slice(0, 7) !== month) carries.clear();
          month = day.slice(0, 7);
          const points = homes.flatMap((h) => pointOf(measured, terms, homeTerms, o, h) ?? []);
          const carriesNow = terms.pay.netting === 'NET_CYCLE' ? carries : new Map();
          const settled = settle(points, { terms: terms.pay, day, minCoveragePpm: 0 }, carriesNow);
          const paid = payer(o, homes);
          expect([paid.micros, paid.wh]).toEqual([
            Number(settled.lines.reduce((sum, { micros }) => sum + micros, 0n)),
            Number(settled.lines.reduce((sum, { credit }) => sum + (credit?.energyWh ?? 0n), 0n)),
          ]);
          const penalties = settled.lines.flatMap(({ credit }) => credit?.lines.filter(({ kind }) => kind === 'PENALTY') ?? []);
          expect(paid.penaltyMicros).toBe(-Number(penalties.reduce((sum, { micros }) => sum + micros, 0n)) || 0);
          for (const point of points) {
            const id = point.settlementPointId;
            carries.set(id, add(carries.get(id) ?? ZERO, carried(point, terms.pay)));
          }
        }
      },
    ),
    { numRuns: 300 },
  );
});

describe('intervals of the terms', () => {
  const cell = (numerators: bigint[], actual: number[]): Cell => ({
    baseline: { kind: 'exact', numerators, denominator: 1n },
    actual,
    optOuts: 0,
  });
  const clamp = (minutes: number) => judged({ settlementIntervalMinutes: minutes, netting: 'NET_INTERVAL', pay: [energy] });
  const world = {
    ...{ homes: 1, firstDay: 0 },
    made: Array.from({ length: DAYS }, () => cell([1000n, 1000n, 1000n, 1000n], [600, 1200, 900, Number.NaN])),
  };
  test.each<[string, number, number, number]>([
    ['as long as the readings: each clamped, the gap unpaid', 30, 30, 400 + 100],
    ['half as long: each reading parted evenly', 30, 15, 400 + 100],
    ['twice as long: put together before the clamp, and a gap is a gap of the whole', 30, 60, 200],
  ])('%s', (_, readings, settled, wh) => {
    const measured = measuredOf(world, readings);
    expect(payerOf(measured, clamp(settled), homeTermsOf(world))(0, [0]).wh).toBe(wh);
  });
});

test('a cycle takes back what earlier days of the month made up by chance, and a new month forgets it', () => {
  const day = (actual: number): Cell => ({
    baseline: { kind: 'exact', numerators: [1000n, 0n, 0n, 0n], denominator: 1n },
    actual: [actual, 0, 0, 0],
    optOuts: 0,
  });
  // 29, 30 and 31 May: 400 too much, 300 too little, 300 too little.
  const one = { homes: 1, firstDay: 0, made: [day(600), day(1300), day(700)] };
  const cycle = judged({ netting: 'NET_CYCLE', pay: [energy] });
  const paid = (world: typeof one) => [0, 1, 2].map((o) => payerOf(measuredOf(world), cycle, homeTermsOf(world))(o, [0]).wh);
  expect(paid(one)).toEqual([400, -300, 300]);
  // 31 May, 1 and 2 June.
  expect(paid({ ...one, firstDay: 2 })).toEqual([400, 0, 0]);
});
