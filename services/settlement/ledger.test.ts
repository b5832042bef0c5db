import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { billCsv, firstOpen } from './billing.ts';
import { type Due, deltaPostings, duePostings, total } from './ledger.ts';
import { atCutOff, differs, nextRun } from './stages.ts';
import { readPayTerms, type Share } from './terms.ts';
import { share } from './waterfall.ts';

const due = (id: string, consumer: bigint, more: Partial<Due> = {}): Due => ({
  settlementPointId: id,
  connectionId: `C-${id}`,
  participantId: `P-${id}`,
  organisationId: 'AGG',
  parties: { consumer, aggregator: 0n, counterparty: 0n },
  billed: true,
  ...more,
});

describe('the waterfall', () => {
  const shares: Share[] = [
    { party: 'CONSUMER', ppm: 700_000, fromDay: '' },
    { party: 'AGGREGATOR', ppm: 200_000, fromDay: '' },
    { party: 'COUNTERPARTY', ppm: 100_000, fromDay: '' },
    { party: 'CONSUMER', ppm: 1_000_000, fromDay: '2026-06-01' },
  ];
  test.each<[bigint, string, boolean, string, string]>([
    [1_000_000n, '2026-05-31', true, '700000 200000 100000', 'the shares that always held'],
    [1_000_000n, '2026-06-01', true, '1000000 0 0', 'the shares of June replace them whole'],
    [1_000_000n, '2026-05-31', false, '700000 0 300000', 'no aggregator: its share is the counterparty’s'],
    [7n, '2026-05-31', true, '5 1 1', '4.9, 1.4, 0.7: the spare unit to the largest fractions'],
    [-10n, '2026-05-31', true, '-7 -2 -1', 'a penalty is shared the same way'],
  ])('%s µ₹ on %s, aggregator %s → %s (%s)', (micros, day, aggregator, parts) => {
    const { consumer, aggregator: middle, counterparty } = share(micros, shares, day, aggregator);
    expect(`${consumer} ${middle} ${counterparty}`).toBe(parts);
  });

  test('parts always sum to the credit', () => {
    fc.assert(
      fc.property(
        fc.bigInt({ min: -(10n ** 12n), max: 10n ** 12n }),
        fc.nat(1_000_000),
        fc.boolean(),
        (micros, ppm, aggregator) => {
          const parts = share(
            micros,
            [
              { party: 'CONSUMER', ppm, fromDay: '' },
              { party: 'AGGREGATOR', ppm: 1_000_000 - ppm, fromDay: '' },
            ],
            '2026-05-01',
            aggregator,
          );
          expect(parts.consumer + parts.aggregator + parts.counterparty).toBe(micros);
        },
      ),
    );
  });
});

describe('the ledger', () => {
  test('every posting list sums to zero, whatever the versions', () => {
    const money = fc.bigInt({ min: -(10n ** 10n), max: 10n ** 10n });
    const line = fc.record({
      id: fc.constantFrom('A', 'B', 'C'),
      consumer: money,
      aggregator: money,
      counterparty: money,
      billed: fc.boolean(),
    });
    fc.assert(
      fc.property(fc.array(line), fc.array(line), (before, now) => {
        const dues = (lines: typeof before) =>
          lines.map(({ id, billed, ...parties }, i) => due(`${id}${i}`, 0n, { billed, parties }));
        const { postings } = deltaPostings(dues(before), dues(now));
        expect(total(postings)).toBe(0n);
        expect(total(dues(now).flatMap(duePostings))).toBe(0n);
      }),
    );
  });

  test('the bill gets whole paise, the rest has its own account', () => {
    expect(deltaPostings([], [due('A', 2_345_678n)])).toEqual({
      postings: [
        { account: 'bill:C-A', micros: 2_350_000n },
        { account: 'discom:bill-rounding', micros: -4_322n },
        { account: 'discom:flexibility-cost', micros: -2_345_678n },
      ],
      bills: [{ settlementPointId: 'A', connectionId: 'C-A', participantId: 'P-A', micros: 2_345_678n, paise: 235n }],
    });
  });

  test('bill lines of many versions add up to the newest amount rounded once', () => {
    fc.assert(
      fc.property(fc.array(fc.bigInt({ min: 0n, max: 10n ** 7n }), { minLength: 1 }), (versions) => {
        let onBill = 0n;
        versions.forEach((micros, i) => {
          const { bills } = deltaPostings(i === 0 ? [] : [due('A', versions[i - 1]!)], [due('A', micros)]);
          onBill += bills[0]?.paise ?? 0n;
        });
        const newest = versions.at(-1)!;
        expect(onBill).toBe((newest + 5_000n) / 10_000n);
      }),
    );
  });

  test('without billing consent the credit stays on the participant’s account', () => {
    const { postings, bills } = deltaPostings([], [due('A', 2_345_678n, { billed: false })]);
    expect(bills).toEqual([]);
    expect(postings).toContainEqual({ account: 'participant:P-A', micros: 2_345_678n });
  });

  test('equal versions post nothing', () => {
    expect(deltaPostings([due('A', 5n)], [due('A', 5n)])).toEqual({ postings: [], bills: [] });
  });
});

describe('run stages', () => {
  const { stages } = readPayTerms({
    runStages: [
      { stage: 'PRELIMINARY', cutOffAfterEndMs: '1000' },
      { stage: 'FINAL', cutOffAfterEndMs: '5000', minCoveragePpm: 980_000 },
      { stage: 'CLOSED', cutOffAfterEndMs: '9000' },
    ],
  });
  test.each<[number, string | undefined, number | undefined, string]>([
    [0, 'PRELIMINARY', 101_000, 'the first'],
    [1, 'FINAL', 105_000, 'the next keeps the order'],
    [2, 'CLOSED', 109_000, 'which makes no run'],
    [3, undefined, undefined, 'nothing is left'],
  ])('after %i stages comes %s at %s (%s)', (stagesDone, stage, at) => {
    const next = nextRun(stages, { endMs: 100_000, stagesDone });
    expect([next?.rule.stage, next?.at]).toEqual([stage, at]);
  });
  const covered = (coveragePpm: number, coverageReached: boolean) => ({ coveragePpm, coverageReached });
  test.each<[number, ReturnType<typeof covered> | null, boolean, string, string]>([
    [0, null, false, 'measure', 'nothing was measured yet'],
    [1, covered(990_000, true), true, 'measure', 'readings came since'],
    [1, covered(990_000, true), false, 'confirm', 'nothing came: the figures stand'],
    [1, covered(970_000, true), false, 'measure', 'nothing came, but this stage asks for more: who has gaps is open'],
    [0, covered(970_000, false), false, 'measure', 'nothing came, and this stage asks for less: who has gaps is settled'],
    [1, covered(970_000, false), false, 'confirm', 'still too little'],
    [2, covered(970_000, true), true, 'confirm', 'closed: what comes now is too late'],
  ])('stage %i on %j, marked %s → %s (%s)', (at, newest, stale, what) => {
    expect(atCutOff(stages[at]!, newest, stale)).toBe(what);
  });
  test('points that differ are named', () => {
    expect(
      differs(
        new Map([
          ['A', '1'],
          ['B', '2'],
        ]),
        new Map([
          ['A', '1'],
          ['B', '3'],
          ['C', '4'],
        ]),
      ),
    ).toEqual(['B', 'C']);
  });
});

describe('bills', () => {
  test('a line goes to the first cycle that is open', () => {
    expect(firstOpen('2026-11', new Set(['2026-11', '2026-12']))).toBe('2027-01');
    expect(firstOpen('2026-05', new Set(['2026-04']))).toBe('2026-05');
  });
  test('the file has two decimals, one order, and quotes what needs it', () => {
    const line = { cycle: '2026-05', chargeCode: 'DF-RES', paise: 5n };
    expect(
      billCsv([
        { ...line, connectionId: 'C2', reference: 'a,b' },
        { ...line, connectionId: 'C1', reference: 'e1', paise: -12_345n },
      ]),
    ).toBe('connection,cycle,charge_code,reference,amount\nC1,2026-05,DF-RES,e1,-123.45\nC2,2026-05,DF-RES,"a,b",0.05\n');
  });
});
