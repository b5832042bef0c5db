import fc from 'fast-check';
import { expect, test } from 'vitest';
import { type Rational, rational } from '../domain/rational.ts';
import { aPoint } from './a-point.ts';
import type { Point } from './point.ts';
import { addPaid, addSums, NO_SUMS, NOBODY_PAID, settle, settling } from './settle.ts';
import { readPayTerms } from './terms.ts';

const reading = fc.tuple(
  fc.integer({ min: 0, max: 3000 }).map((wh) => `${wh}/3`),
  fc.oneof(fc.integer({ min: 0, max: 2000 }), fc.constant<'gap'>('gap')),
);
const points = fc.array(
  fc.record({
    figures: fc.array(reading, { minLength: 2, maxLength: 2 }),
    role: fc.constantFrom('CHOSEN' as const, 'CHOSEN' as const, 'HOLDOUT' as const),
    status: fc.constantFrom('ok' as const, 'ok' as const, 'insufficient_days' as const, 'no_consent' as const),
    organisationId: fc.constantFrom('', 'A', 'B'),
    carry: fc.integer({ min: -2000, max: 2000 }),
    part: fc.nat(3),
  }),
  { maxLength: 20 },
);
const someTerms = fc.record({
  netting: fc.constantFrom('NET_INTERVAL', 'NET_EVENT', 'NET_CYCLE', 'NET_PORTFOLIO'),
  floorZero: fc.boolean(),
  reconciliation: fc.constantFrom('RECONCILE_PORTFOLIO', 'RECONCILE_NONE'),
  holdout: fc.constantFrom({ pay: 'NOTHING' }, { pay: 'COHORT_AVERAGE' }),
});

test('a run that is settled part by part, its points read anew each time, gives what it gives at once', () => {
  fc.assert(
    fc.property(points, someTerms, fc.constantFrom(0, 600_000, 1_000_000), (drawn, more, minCoveragePpm) => {
      const terms = readPayTerms({
        ...{ settlementIntervalMinutes: 30, pay: [{ energy: { microsPerKwh: { values: ['4000000', '6000000'] } } }], ...more },
        waterfall: [
          { party: 'AGGREGATOR', sharePpm: 200_000, fromDay: '' },
          { party: 'CONSUMER', sharePpm: 800_000, fromDay: '' },
        ],
      });
      const all = drawn.map(({ figures, part: shard, carry: _, ...rest }, i): Point => {
        const point = aPoint(`P${String(i).padStart(2, '0')}`, figures, { ...rest, shard });
        return rest.status === 'ok' ? point : { ...point, totals: null };
      });
      const carries = new Map<string, Rational>(
        all.map(({ settlementPointId }, i) => [settlementPointId, rational(BigInt(drawn[i]!.carry))]),
      );
      const rules = { terms, day: '2026-05-01', minCoveragePpm };
      const whole = settle(all, rules, carries);

      const book = settling(rules, carries);
      const read = (part: number) => structuredClone(all.filter(({ shard }) => shard === part));
      const parts = [3, 0, 2, 1];
      const sums = parts.reduce((sum, part) => addSums(sum, book.sums(read(part))), NO_SUMS);
      const ground = book.ground(sums);
      const paid = parts.reduce((sum, part) => addPaid(sum, book.paid(read(part), ground)), NOBODY_PAID);
      const lines = parts.flatMap((part) => book.lines(read(part), ground, paid));
      lines.sort((a, b) => (a.point.settlementPointId < b.point.settlementPointId ? -1 : 1));
      const { lines: expected, creditedMicros: _, holdout: __, ...grounded } = whole;
      expect(lines).toEqual(expected);
      expect(ground).toEqual(grounded);
    }),
    { numRuns: process.env.LACHAK_LONG ? 5000 : 300 },
  );
});
