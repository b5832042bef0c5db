import { ONE, type Rational } from '../domain/rational.ts';
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
import { type HomeTerms, inParts, type Paid, type Payer } from './paid.ts';
import { pointsPayer } from './pay-points.ts';
import type { JudgedTerms } from './terms.ts';

/**
 * Pays by settlement's own rules, to the micro-rupee: columns of homes where the terms are plain, else settlement point by settlement point.
 * All homes are chosen: nothing is held out, nothing waits for readings.
 */
export function payerOf(measured: Measured, terms: JudgedTerms, homes: HomeTerms): Payer {
  const pay: PayTerms = { ...terms.pay, holdoutPay: 'NOTHING' };
  const make = isPlain(terms, measured.minutes) ? columnsPayer : pointsPayer;
  const payer = make(measured, { ...terms, pay }, homes);
  // Every part of the days asks for all homes together.
  const whole = new Map<number, Paid>();
  const remembered = (o: number, among: readonly number[]): Paid => {
    if (among.length < measured.homes) return payer(o, among);
    const paid = whole.get(o) ?? payer(o, among);
    whole.set(o, paid);
    return paid;
  };
  return Object.assign(remembered, { way: payer.way });
}

/** Whether columns can pay the terms on readings of `minutes`: a gap in readings shorter than the settlement interval is one of the whole of it. */
export const isPlain = ({ pay }: JudgedTerms, minutes: number): boolean =>
  minutes >= pay.intervalMinutes && typeof plainTerms({ ...pay, holdoutPay: 'NOTHING' }, ANY_DAY) !== 'string';
// Which day it is says who shares in a credit, not how large it is.
const ANY_DAY = '2000-01-01';

/** All homes of an occasion at once. The terms must be plain. */
export function columnsPayer(measured: Measured, { pay, sign }: JudgedTerms, homes: HomeTerms): Payer {
  const ofPart = (part: number, among: readonly number[]): Paid => {
    const { occasion, day } = measured.parts[part]!;
    const plain = plainTerms(pay, day);
    if (typeof plain === 'string') throw new RangeError(`terms with ${plain} are not plain`);
    const columns = columnsOf(measured, part, among, sign);
    const cohort = {
      role: new Uint8Array(among.length).fill(CHOSEN),
      aggregated: new Uint8Array(among.length),
      optOuts: Uint8Array.from(among, (h) => Math.min(255, homes.optOuts(occasion, h))),
    };
    const { all } = energySums(columns, cohort).sums;
    const scale = scaleOf(wattHours(all.individuals), wattHours(all.delivered), pay);
    const scaled = (factor: Rational) =>
      totals(creditColumns(columns, cohort, plain, { scale: factor, holdoutScale: ONE, covered: true }));
    const alone = scaled(ONE);
    const together = scale.num === scale.den ? alone : scaled(scale);
    return { ...together, penaltyMicros: 0, aloneWh: alone.wh, aloneMicros: alone.micros };
  };
  return Object.assign(inParts(measured, ofPart), { way: 'columns' as const });
}

function columnsOf(measured: Measured, part: number, among: readonly number[], sign: 1 | -1): MeasuredColumns {
  const cell = (m: number) => part * measured.homes + among[m]!;
  const bytes = (read: (at: number) => number) => Uint8Array.from(among, (_, m) => read(cell(m)));
  return {
    points: among.length,
    status: bytes((at) => (measured.status[at] === 'ok' ? 0 : 1)),
    missing: bytes((at) => measured.missing[at]!),
    settled: bytes((at) => measured.settled[at]!),
    delivered: Float64Array.from(among, (_, m) => sign * measured.delivered[cell(m)]!),
    denominator: Float64Array.from(among, (_, m) => measured.denominator[cell(m)]!),
    beyond: bytes((at) => (measured.exact.has(at) ? 1 : 0)),
    exactOf: (m) => {
      const { num, den } = measured.exact.get(cell(m))!;
      return { num: BigInt(sign) * num, den };
    },
  };
}

const totals = ({ creditedWh, micros }: CreditColumns) => ({
  wh: creditedWh.reduce((sum, wh) => (Number.isNaN(wh) ? sum : sum + wh), 0),
  micros: micros.reduce((sum, value) => sum + value, 0),
});
