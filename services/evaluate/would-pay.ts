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
import { pointsPayer } from './pay-points.ts';
import type { JudgedTerms } from './terms.ts';

/** What full terms pay on one occasion: as one portfolio, reconciled where the terms say so, and each home for itself. */
export type Paid = {
  readonly wh: number;
  /** After penalties. */
  readonly micros: number;
  /** Of it taken away by penalties, not negative. */
  readonly penaltyMicros: number;
  readonly aloneWh: number;
  readonly aloneMicros: number;
};

/** Pays the homes `among`, no home twice, for occasion `o`. */
export type Payer = ((o: number, among: readonly number[]) => Paid) & { readonly way: 'columns' | 'points' };

/** What money looks at beside the readings, a value a home. */
export type HomeTerms = {
  /** W. */
  readonly committed: readonly number[];
  readonly household: readonly boolean[];
  /** Events of the season the home left, occasion o included; 0 = it stayed in this one. */
  optOuts(o: number, home: number): number;
};

/** What has not been asked of anybody nobody has left. */
export const NOBODY_LEFT = (): number => 0;

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
  const paid = (o: number, among: readonly number[]): Paid => {
    const plain = plainTerms(pay, measured.occasions[o]!.day);
    if (typeof plain === 'string') throw new RangeError(`terms with ${plain} are not plain`);
    const columns = columnsOf(measured, o, among, sign);
    const cohort = {
      role: new Uint8Array(among.length).fill(CHOSEN),
      aggregated: new Uint8Array(among.length),
      optOuts: Uint8Array.from(among, (h) => Math.min(255, homes.optOuts(o, h))),
    };
    const { all } = energySums(columns, cohort).sums;
    const scale = scaleOf(wattHours(all.individuals), wattHours(all.delivered), pay);
    const scaled = (factor: Rational) =>
      totals(creditColumns(columns, cohort, plain, { scale: factor, holdoutScale: ONE, covered: true }));
    const alone = scaled(ONE);
    const together = scale.num === scale.den ? alone : scaled(scale);
    return { ...together, penaltyMicros: 0, aloneWh: alone.wh, aloneMicros: alone.micros };
  };
  return Object.assign(paid, { way: 'columns' as const });
}

function columnsOf(measured: Measured, o: number, among: readonly number[], sign: 1 | -1): MeasuredColumns {
  const cell = (m: number) => o * measured.homes + among[m]!;
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
