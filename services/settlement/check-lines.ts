import { roundHalfAway, rupees } from '../domain/money.ts';
import { exact, multiply, type Rational, readExact, rounded } from '../domain/rational.ts';
import { scaleOf, toMillionth } from './credit.ts';
import { type Check, difference } from './difference.ts';
import type { CounterpartyPayload, OrganisationPayload } from './payload.ts';
import { type Brief, sumOf } from './statement.ts';
import { type PayTerms, readPayTerms } from './terms.ts';
import { share } from './waterfall.ts';

/** Sums, the portfolio's totals, scale and waterfall of an organisation's or the counterparty's statement, from its own lines. */
export function checkLines(payload: OrganisationPayload | CounterpartyPayload): Check[] {
  const { lines, portfolio, event } = payload;
  const terms = readPayTerms(payload.terms);
  const scale = readExact(portfolio.scale);
  const perLine: Check = {
    says: `${lines.length} lines: credited energy, rounding and waterfall`,
    differences: lines.flatMap((line) => lineDifferences(line, scale, terms, event.day)),
  };
  return payload.party.kind === 'COUNTERPARTY'
    ? [
        perLine,
        unmeasuredCheck(payload as CounterpartyPayload, terms),
        portfolioCheck(payload as CounterpartyPayload, terms),
        totalsCheck(payload as CounterpartyPayload),
      ]
    : [perLine, amountCheck(payload as OrganisationPayload)];
}

function lineDifferences(line: Brief, scale: Rational, terms: PayTerms, day: string): string[] {
  const about = `line ${line.settlementPointId}`;
  const { consumer, aggregator, counterparty } = share(BigInt(line.micros), terms.waterfall, day, line.organisationId !== '');
  const waterfall = [
    ...difference(`${about}.consumerMicros`, line.consumerMicros, String(consumer), 'the waterfall gives'),
    ...difference(`${about}.aggregatorMicros`, line.aggregatorMicros, String(aggregator), 'the waterfall gives'),
    ...difference(`${about}.counterpartyMicros`, line.counterpartyMicros, String(counterparty), 'the waterfall gives'),
  ];
  if (line.individual === null)
    return [...difference(`${about}.credited`, line.credited, null, 'without a figure there is'), ...waterfall];
  const credited = multiply(readExact(line.individual), scale);
  return [
    ...difference(`${about}.credited`, line.credited, exact(credited), 'individual × scale gives'),
    ...difference(`${about}.creditedWh`, line.creditedWh, Number(rounded(credited)), 'rounding gives'),
    ...waterfall,
  ];
}

/** Whoever has no credited energy gets nothing, but for the holdout where the terms give it the cohort's mean. */
function unmeasuredCheck({ lines }: CounterpartyPayload, terms: PayTerms): Check {
  const paid = lines.filter((line) => line.individual !== null).map((line) => BigInt(line.micros));
  const total = paid.reduce((micros, one) => micros + one, 0n);
  const mean = terms.holdoutPay === 'COHORT_AVERAGE' && total > 0n ? roundHalfAway(total, BigInt(paid.length)) : 0n;
  const others = lines.filter((line) => line.individual === null);
  const due = (line: Brief) => (line.role === 'HOLDOUT' && line.status !== 'no_consent' ? mean : 0n);
  return {
    says: `${others.length} lines without credited energy: holdout, open or without a baseline`,
    differences: others.flatMap((line) =>
      difference(`line ${line.settlementPointId}.micros`, line.micros, String(due(line)), 'the terms give'),
    ),
  };
}

function portfolioCheck({ format, lines, portfolio }: CounterpartyPayload, terms: PayTerms): Check {
  // Statements of format 1 have the sums of the exact energies.
  const summand = (text: string): Rational => (format === 1 ? readExact(text) : toMillionth(readExact(text)));
  const settled = lines.filter((line) => line.individual !== null);
  const individuals = sumOf(settled, (line) => summand(line.individual!));
  const delivered = sumOf(settled, (line) => (line.delivered === null ? null : summand(line.delivered)));
  return {
    says: `portfolio: ${rounded(delivered)} Wh delivered, ${rounded(individuals)} Wh individually, scale ${decimal(readExact(portfolio.scale))}`,
    differences: [
      ...difference('portfolio.points', portfolio.points, settled.length, 'the lines are'),
      ...difference('portfolio.individuals', portfolio.individuals, exact(individuals), 'the lines sum to'),
      ...difference('portfolio.delivered', portfolio.delivered, exact(delivered), 'the lines sum to'),
      ...difference('portfolio.scale', portfolio.scale, exact(scaleOf(individuals, delivered, terms)), 'the sums give'),
    ],
  };
}

function totalsCheck(payload: CounterpartyPayload): Check {
  const column = (name: 'consumerMicros' | 'aggregatorMicros' | 'counterpartyMicros') =>
    payload.lines.reduce((micros, line) => micros + BigInt(line[name]), 0n);
  const names = ['consumerMicros', 'aggregatorMicros', 'counterpartyMicros'] as const;
  return {
    says: `${rupees(BigInt(payload.amountMicros))} paid: ${rupees(BigInt(payload.consumerMicros))} to participants, ${rupees(BigInt(payload.aggregatorMicros))} to organisations`,
    differences: [
      ...names.flatMap((name) => difference(name, payload[name], String(column(name)), 'the lines sum to')),
      ...difference(
        'amountMicros',
        payload.amountMicros,
        String(column('consumerMicros') + column('aggregatorMicros')),
        'the lines sum to',
      ),
    ],
  };
}

function amountCheck({ lines, amountMicros, party }: OrganisationPayload): Check {
  const foreign = lines
    .filter((line) => line.organisationId !== party.id)
    .map((line) => `line ${line.settlementPointId} is not of ${party.id}`);
  const sum = lines.reduce((micros, line) => micros + BigInt(line.aggregatorMicros), 0n);
  return {
    says: `${rupees(BigInt(amountMicros))} for ${party.id}`,
    differences: [...foreign, ...difference('amountMicros', amountMicros, String(sum), 'the lines sum to')],
  };
}

/** For people: four decimals, cut. */
const decimal = ({ num, den }: Rational): string => {
  const parts = (num * 10_000n) / den;
  return `${parts / 10_000n}.${String(parts % 10_000n).padStart(4, '0')}`;
};
