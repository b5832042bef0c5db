import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { paise } from '../domain/money.ts';
import { exact } from '../domain/rational.ts';
import { aPoint } from './a-point.ts';
import { settle } from './settle.ts';
import { readPayTerms } from './terms.ts';

test('the worked example of ROOM.md is what the code computes', () => {
  const text = readFileSync(new URL('./ROOM.md', import.meta.url), 'utf8');
  const { terms, homes, expected } = JSON.parse(/```json\n([\s\S]*?)```/.exec(text)![1]!);
  const points = Object.entries(homes as Record<string, Parameters<typeof aPoint>[1]>).map(([id, figures]) =>
    aPoint(id, figures),
  );
  const { lines, portfolio } = settle(points, { terms: readPayTerms(terms), day: '2026-05-01', minCoveragePpm: 0 }, new Map());
  const each = <T>(read: (line: (typeof lines)[number]) => T) =>
    Object.fromEntries(lines.map((line) => [line.point.settlementPointId, read(line)]));
  const number = (value: bigint | null) => (value === null ? null : Number(value));
  expect({
    scale: exact(portfolio.scale),
    credited: each(({ credit }) => exact(credit!.energy)),
    creditedWh: each(({ credit }) => Number(credit!.energyWh)),
    intervalsWh: each(({ credit }) => credit!.intervalWh.map(number)),
    micros: each(({ micros }) => String(micros)),
    consumerMicros: each(({ parties }) => String(parties.consumer)),
    aggregatorMicros: each(({ parties }) => String(parties.aggregator)),
    paise: each(({ parties }) => String(paise(parties.consumer))),
  }).toEqual(expected);
});
