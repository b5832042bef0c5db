import { invalid } from '../domain/outcome.ts';
import { ONE } from '../domain/rational.ts';
import type { CivilDay } from '../domain/zone.ts';
import { scaleOf } from '../settlement/credit.ts';
import {
  CHOSEN,
  type CreditColumns,
  creditColumns,
  energySums,
  type MeasuredColumns,
  plainTerms,
  wattHours,
} from '../settlement/credit-columns.ts';
import type { PayTerms } from '../settlement/terms.ts';
import type { Measured } from './measure.ts';

/** What full terms pay on one occasion: as one portfolio, reconciled where the terms say so, and each home for itself. */
export type Paid = {
  readonly wh: number;
  readonly micros: number;
  readonly aloneWh: number;
  readonly aloneMicros: number;
};

/** Pays the homes `among` for occasion `o` by settlement's own rules, to the micro-rupee. Throws Refusal for terms it cannot pay. */
export function wouldPay(measured: Measured, o: number, among: readonly number[], terms: PayTerms): Paid {
  const { day } = measured.occasions[o]!;
  const plain = readPlain(terms, day);
  const columns = columnsOf(measured, o, among);
  const nobody = { aggregated: new Uint8Array(among.length), optOuts: new Uint8Array(among.length) };
  const cohort = { role: new Uint8Array(among.length).fill(CHOSEN), ...nobody };
  const { all } = energySums(columns, cohort).sums;
  const scale = scaleOf(wattHours(all.individuals), wattHours(all.delivered), terms);
  const [together, alone] = [scale, ONE].map((factor) =>
    creditColumns(columns, cohort, plain, { scale: factor, holdoutScale: ONE, covered: true }),
  );
  const [one, each] = [totals(together!), totals(alone!)];
  return { wh: one.wh, micros: one.micros, aloneWh: each.wh, aloneMicros: each.micros };
}

/** The terms as columns can pay them, or a Refusal that says what they cannot. */
export function readPlain(terms: PayTerms, day: CivilDay) {
  const plain = terms.capOfCommitted !== null ? 'a cap of committed power, which no placebo has' : plainTerms(terms, day);
  if (typeof plain === 'string')
    throw invalid('usage', `these terms have ${plain}: evaluate pays only per event, floored at zero, at one rate`);
  return plain;
}

function columnsOf(measured: Measured, o: number, among: readonly number[]): MeasuredColumns {
  const cell = (m: number) => o * measured.homes + among[m]!;
  const bytes = (read: (at: number) => number) => Uint8Array.from(among, (_, m) => read(cell(m)));
  return {
    points: among.length,
    status: bytes((at) => (measured.status[at] === 'ok' ? 0 : 1)),
    missing: bytes((at) => measured.missing[at]!),
    settled: bytes((at) => measured.settled[at]!),
    delivered: Float64Array.from(among, (_, m) => measured.delivered[cell(m)]!),
    denominator: Float64Array.from(among, (_, m) => measured.denominator[cell(m)]!),
    beyond: bytes((at) => (measured.exact.has(at) ? 1 : 0)),
    exactOf: (m) => measured.exact.get(cell(m))!,
  };
}

const totals = ({ creditedWh, micros }: CreditColumns) => ({
  wh: creditedWh.reduce((sum, wh) => (Number.isNaN(wh) ? sum : sum + wh), 0),
  micros: micros.reduce((sum, value) => sum + value, 0),
});
