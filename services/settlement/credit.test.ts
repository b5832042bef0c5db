import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { Json } from '../domain/canonical.ts';
import { compare, exact, greatest, negated, ONE, rational, readExact, subtract, sum, ZERO } from '../domain/rational.ts';
import { aPoint } from './a-point.ts';
import { creditedEnergy, portfolio } from './credit.ts';
import { payFor } from './pay.ts';
import { settle } from './settle.ts';
import { readPayTerms } from './terms.ts';

type Figures = Parameters<typeof aPoint>[1];
const terms = (more: Record<string, Json> = {}) =>
  readPayTerms({
    settlementIntervalMinutes: 30,
    netting: 'NET_EVENT',
    floorZero: true,
    pay: [{ energy: { microsPerKwh: { values: ['4000000'] } } }],
    ...more,
  });
const UP_AND_DOWN: Figures = [
  ['1000', 400],
  ['1000', 1200],
]; // +600, −200

describe('netting, floor and cap', () => {
  test.each<[string, Record<string, Json>, Figures, string, string]>([
    ['NET_EVENT', {}, UP_AND_DOWN, '400/1', 'the second half hour gives back what the first one won'],
    ['NET_INTERVAL', {}, UP_AND_DOWN, '600/1', 'the clamp per slot sees only what was won'],
    [
      'NET_EVENT',
      {},
      [
        ['1000', 1300],
        ['1000', 900],
      ],
      '0/1',
      'used more in sum: floored',
    ],
    [
      'NET_EVENT',
      { floorZero: false },
      [
        ['1000', 1300],
        ['1000', 900],
      ],
      '-200/1',
      'used more in sum, and the terms have no floor',
    ],
    ['NET_EVENT', { deliveredCapOfBaseline: { num: '1', den: '10' } }, UP_AND_DOWN, '200/1', 'at most a tenth of 2000 Wh'],
    [
      'NET_INTERVAL',
      { deliveredCapOfBaseline: { num: '1', den: '4' } },
      UP_AND_DOWN,
      '250/1',
      'at most a quarter of each half hour',
    ],
    [
      'NET_EVENT',
      { deliveredCapOfCommitted: { num: '3', den: '10' } },
      UP_AND_DOWN,
      '300/1',
      'at most three tenths of the 1000 Wh committed',
    ],
    ['NET_INTERVAL', { deliveredCapOfCommitted: { num: '1', den: '1' } }, UP_AND_DOWN, '500/1', 'at most what was committed'],
    [
      'NET_EVENT',
      { deliveredCapOfBaseline: { num: '1', den: '4' }, deliveredCapOfCommitted: { num: '1', den: '10' } },
      UP_AND_DOWN,
      '100/1',
      'the tighter of two caps',
    ],
    [
      'NET_EVENT',
      { deliveredCapOfBaseline: { num: '1', den: '4' }, floorZero: false },
      [['100', 900]],
      '-800/1',
      'a cap never makes a loss smaller',
    ],
    [
      'NET_EVENT',
      {},
      [
        ['1000', 400],
        ['1000', 'gap'],
      ],
      '600/1',
      'no reading is not zero: the gap neither wins nor loses',
    ],
    [
      'NET_EVENT',
      {},
      [
        ['1000', 'dark'],
        ['1000', 'dark'],
      ],
      '0/1',
      'a blackout is no delivery',
    ],
    ['NET_EVENT', {}, [['1000/3', 100]], '700/3', 'thirds stay thirds'],
  ])('%s %j %j → %s (%s)', (netting, more, figures, individual) => {
    expect(exact(creditedEnergy(aPoint('A', figures), terms({ netting, ...more }))!.individual)).toBe(individual);
  });

  test('netted over a cycle, a loss is made up for by the next event, and a gain is given back', () => {
    const cycle = terms({ netting: 'NET_CYCLE' });
    const energy = (metered: number, carry: bigint) =>
      exact(creditedEnergy(aPoint('A', [['1000', metered]]), cycle, rational(carry))!.individual);
    expect(energy(400, -500n)).toBe('100/1');
    expect(energy(1300, 200n)).toBe('-200/1');
    expect(energy(400, 0n)).toBe('600/1');
  });

  test('without a baseline there is nothing to pay on', () => {
    expect(creditedEnergy(aPoint('A', UP_AND_DOWN, { status: 'insufficient_days' }), terms())).toBeNull();
  });
});

describe('reconciliation to the portfolio', () => {
  const reconciled = terms({ reconciliation: 'RECONCILE_PORTFOLIO' });
  const energies = (...metered: number[]) => metered.map((wh, i) => creditedEnergy(aPoint(`P${i}`, [['1000', wh]]), reconciled)!);
  test.each<[number[], string, string]>([
    [[400, 1300], '1/2', 'one won 600, the other lost 300: 300 over 600'],
    [[400, 700], '1/1', 'nobody lost: nothing to take away'],
    [[400, 1900], '0/1', 'together they used more: nobody is paid for energy'],
    [[1000, 1000], '1/1', 'nothing happened'],
  ])('metered %j of 1000 each → scale %s (%s)', (metered, scale) => {
    expect(exact(portfolio(energies(...metered), reconciled).scale)).toBe(scale);
  });

  test('scaling never raises a credit, and the scaled sum is what the portfolio delivered', () => {
    const wh = fc.integer({ min: 0, max: 5000 });
    fc.assert(
      fc.property(fc.array(fc.tuple(wh, fc.integer({ min: 1, max: 13 }), wh), { minLength: 1, maxLength: 20 }), (homes) => {
        const all = homes.map(
          ([num, den, metered], i) => creditedEnergy(aPoint(`P${i}`, [[`${num}/${den}`, metered]]), reconciled)!,
        );
        const { scale, individuals, delivered } = portfolio(all, reconciled);
        expect(compare(scale, ONE)).toBeLessThanOrEqual(0);
        expect(compare(scale, ZERO)).toBeGreaterThanOrEqual(0);
        const scaled = sum(
          all.map((energy) =>
            readExact(exact({ num: energy.individual.num * scale.num, den: energy.individual.den * scale.den })),
          ),
        );
        expect(compare(scaled, sum(all.map((energy) => energy.individual)))).toBeLessThanOrEqual(0);
        expect(individuals.den * delivered.den).toBeLessThanOrEqual(1_000_000_000_000n);
        // Each home's two summands are at most half a millionth of a Wh from exact, and the exact energies were scaled.
        const apart = subtract(scaled, greatest(ZERO, delivered));
        const bound = rational(BigInt(homes.length), 1_000_000n);
        if (compare(scale, ONE) < 0) expect(compare(greatest(apart, negated(apart)), bound)).toBeLessThanOrEqual(0);
      }),
    );
  });
});

describe('pay components', () => {
  const credit = (pay: Json[], figures: Figures, more: Parameters<typeof aPoint>[2] = {}, rest: Record<string, Json> = {}) => {
    const under = terms({ pay, optOut: { freePerSeason: 2 }, ...rest });
    const point = aPoint('A', figures, more);
    return payFor(point, creditedEnergy(point, under)!, ONE, under);
  };
  const energy = (...values: string[]): Json => ({ energy: { microsPerKwh: { values } } });
  const tiers: Json = {
    energy: {
      tiers: [
        { fromPerformance: { num: '1', den: '2' }, microsPerKwh: '2000000' },
        { fromPerformance: { den: '1', num: '1' }, microsPerKwh: '5000000' },
      ],
    },
  };
  const penalty: Json = { penalty: { microsPerKwh: { values: ['3000000'] }, tolerance: { num: '9', den: '10' } } };
  test.each<[string, Json[], Figures, Parameters<typeof aPoint>[2], bigint, string]>([
    ['flat', [energy('4000000')], [['1000', 400]], {}, 2_400_000n, '0.6 kWh at ₹4'],
    ['a half up', [energy('1')], [['500', 0]], {}, 1n, '0.5 µ₹ rounds away from zero'],
    [
      'per slot',
      [energy('4000000', '6000000')],
      [
        ['1000', 400],
        ['1000', 900],
      ],
      {},
      3_000_000n,
      '0.6 kWh at ₹4 and 0.1 kWh at ₹6',
    ],
    [
      'per slot, floored',
      [energy('1000000', '9000000')],
      [
        ['1000', 400],
        ['1000', 1500],
      ],
      {},
      0n,
      'net 0.1 kWh, but the dear half hour lost more than the cheap one won',
    ],
    ['tier reached', [tiers], [['1000', 500]], {}, 2_500_000n, '500 Wh of 500 committed: the upper tier, all at ₹5'],
    ['lower tier', [tiers], [['1000', 700]], {}, 600_000n, '300 of 500: the lower tier'],
    ['below all tiers', [tiers], [['1000', 800]], {}, 0n, '200 of 500: below the first tier'],
    [
      'availability',
      [{ availability: { microsPerKwHour: '2000000' } }],
      [['1000', 1000]],
      {},
      1_000_000n,
      '1 kW for half an hour',
    ],
    [
      'availability, dark',
      [{ availability: { microsPerKwHour: '2000000' } }],
      [
        ['1000', 'dark'],
        ['1000', 900],
      ],
      {},
      1_000_000n,
      'only the half hour with supply counts',
    ],
    [
      'availability, idle',
      [{ availability: { microsPerKwHour: '2000000', minPerformance: { num: '1', den: '2' } } }],
      [['1000', 900]],
      {},
      0n,
      'performance 0.2 of the 0.5 asked for',
    ],
    [
      'participation',
      [{ participation: { microsPerEvent: '5000000' } }],
      [['1000', 1200]],
      {},
      5_000_000n,
      'took part, delivered nothing',
    ],
    [
      'participation, delivered only',
      [{ participation: { microsPerEvent: '5000000', deliveredOnly: true } }],
      [['1000', 1200]],
      {},
      0n,
      'delivered nothing',
    ],
    [
      'participation, dark',
      [{ participation: { microsPerEvent: '5000000' } }],
      [['1000', 'dark']],
      {},
      0n,
      'no rupee moves for a blackout',
    ],
    [
      'participation, left the third time of two that are free',
      [{ participation: { microsPerEvent: '5000000' } }, energy('4000000')],
      [['1000', 400]],
      { optOuts: 3 },
      2_400_000n,
      'the pay for taking part is lost, that for energy is not',
    ],
    [
      'participation, left twice of two',
      [{ participation: { microsPerEvent: '5000000' } }],
      [['1000', 400]],
      { optOuts: 2 },
      5_000_000n,
      'still free',
    ],
    [
      'penalty of a household',
      [energy('1000000'), penalty],
      [['1000', 900]],
      {},
      0n,
      '₹0.10 earned, ₹1.05 penalty: never negative',
    ],
    [
      'penalty of a business',
      [energy('1000000'), penalty],
      [['1000', 900]],
      { household: false },
      -950_000n,
      '0.45 − 0.1 kWh short at ₹3, less ₹0.10 earned',
    ],
    [
      'penalty, exempt',
      [energy('1000000'), { penalty: { microsPerKwh: { values: ['3000000'] }, householdsExempt: true } }],
      [['1000', 900]],
      {},
      100_000n,
      'the terms exempt households',
    ],
    [
      'penalty not due',
      [energy('1000000'), penalty],
      [['1000', 550]],
      { household: false },
      450_000n,
      '450 of 500 is the tolerance',
    ],
  ])('%s: %j on %j %j → %s (%s)', (_, pay, figures, more, micros) => {
    const result = credit(pay, figures, more);
    expect(result.micros).toBe(micros);
    expect(result.lines.reduce((total, line) => total + line.micros, 0n)).toBe(micros);
  });

  test.each<[Record<string, Json>, bigint, string]>([
    [{ optOut: {} }, 0n, 'none is free: the contract leaves a zero out'],
    [{}, 5_000_000n, 'terms that say nothing take nothing'],
  ])('with %j one opt-out leaves %s of participation pay: %s', (rest, micros) => {
    const under = terms({ pay: [{ participation: { microsPerEvent: '5000000' } }], ...rest });
    const point = aPoint('A', [['1000', 400]], { optOuts: 1 });
    expect(payFor(point, creditedEnergy(point, under)!, ONE, under).micros).toBe(micros);
  });

  test('the intervals shown add up to the total that was rounded once', () => {
    const { energyWh, intervalWh } = credit(
      [energy('1000000')],
      [
        ['1000/3', 0],
        ['1000/3', 0],
        ['1000/3', 'gap'],
        ['1000/3', 0],
      ],
    );
    expect(energyWh).toBe(1000n);
    expect(intervalWh).toEqual([334n, 333n, null, 333n]);
  });
});

describe('a whole run', () => {
  const rules = (more: Record<string, Json> = {}, minCoveragePpm = 0) => ({
    terms: terms(more),
    day: '2026-05-01',
    minCoveragePpm,
  });
  test('below the coverage asked for, points with gaps stay open and touch nobody else', () => {
    const points = [aPoint('A', [['1000', 400]]), aPoint('B', [['1000', 'gap']])];
    const { lines, coveragePpm, coverageReached, creditedMicros } = settle(points, rules({}, 900_000), new Map());
    expect([coveragePpm, coverageReached, creditedMicros]).toEqual([500_000, false, 2_400_000n]);
    expect(lines.map((line) => [line.open, line.micros])).toEqual([
      [false, 2_400_000n],
      [true, 0n],
    ]);
  });

  test('the holdout is measured with the same terms and paid what the terms say', () => {
    const points = [aPoint('A', [['1000', 400]]), aPoint('H', [['1000', 900]], { role: 'HOLDOUT' })];
    const nothing = settle(points, rules(), new Map());
    expect([nothing.holdout.points, nothing.holdout.wouldBeMicros, nothing.lines[1]!.micros]).toEqual([1, 400_000n, 0n]);
    const average = settle(points, rules({ holdout: { pay: 'COHORT_AVERAGE' } }), new Map());
    expect(average.lines[1]!.micros).toBe(2_400_000n);
  });
});
