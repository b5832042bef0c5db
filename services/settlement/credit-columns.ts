import { largestRemainder, paise, roundHalfAway } from '../domain/money.ts';
import { multiply, type Rational, rational, rounded } from '../domain/rational.ts';
import type { CivilDay } from '../domain/zone.ts';
import { toMillionth } from './credit.ts';
import type { PayTerms } from './terms.ts';
import { share } from './waterfall.ts';

/*
 * What `settle` does for points, done for columns of points: the same integers, for the terms most programmes have. Doubles decide only
 * where they provably can: a value within its error bound of a half is done again in exact fractions.
 */

/** The terms this file can do: netted per event, floored at zero, one flat energy rate, perhaps pay for taking part. */
export type PlainTerms = {
  /** Micro-rupees per kWh. */
  readonly rate: number;
  readonly participation: { readonly micros: number; readonly deliveredOnly: boolean; readonly freeOptOuts: number } | null;
  /** Parts of a credit, ppm: of a point with an aggregator. */
  readonly shares: readonly [consumer: number, aggregator: number, counterparty: number];
};

/** Why the terms are not plain, in words; or the terms. `day`: of the event, for the waterfall. */
export function plainTerms(terms: PayTerms, day: CivilDay): PlainTerms | string {
  if (terms.netting !== 'NET_EVENT' && terms.netting !== 'NET_PORTFOLIO') return `netting ${terms.netting}`;
  if (!terms.floorZero) return 'no floor at zero';
  if (terms.capOfBaseline !== null || terms.capOfCommitted !== null) return 'a cap of delivered energy';
  if (terms.holdoutPay !== 'NOTHING') return 'pay for the holdout';
  const energy = terms.pay.filter((pay) => pay.kind === 'ENERGY');
  const taking = terms.pay.filter((pay) => pay.kind === 'PARTICIPATION');
  const other = terms.pay.find((pay) => pay.kind !== 'ENERGY' && pay.kind !== 'PARTICIPATION');
  if (other) return `pay of kind ${other.kind}`;
  if (energy.length !== 1 || taking.length > 1) return `${energy.length} energy and ${taking.length} participation components`;
  const [{ rates, tiers }] = energy as [(typeof energy)[0]];
  if (tiers.length > 0 || rates.some((rate) => rate !== rates[0])) return 'an energy rate by tier or interval';
  const million = share(1_000_000n, terms.waterfall, day, true);
  const [part] = taking;
  return {
    rate: Number(rates[0] ?? 0n),
    participation: part
      ? {
          micros: Number(part.microsPerEvent),
          deliveredOnly: part.deliveredOnly,
          freeOptOuts: terms.freeOptOuts ?? Number.POSITIVE_INFINITY,
        }
      : null,
    shares: [Number(million.consumer), Number(million.aggregator), Number(million.counterparty)],
  };
}

/** What was measured of a column of points. Exact delivered energy = `delivered` / `denominator`, integers; `exactOf` where a double holds them not. */
export type MeasuredColumns = {
  readonly points: number;
  /** 0 ok: else there is no baseline. */
  readonly status: Uint8Array;
  /** Of the window's intervals: energised without reading; energised and read. */
  readonly missing: Uint8Array;
  readonly settled: Uint8Array;
  readonly delivered: Float64Array;
  readonly denominator: Float64Array;
  /** 1 = ask `exactOf`. */
  readonly beyond: Uint8Array;
  exactOf(point: number): Rational;
};
export type CohortColumns = {
  /** CHOSEN or HOLDOUT. */
  readonly role: Uint8Array;
  /** 1 = an aggregator has the home. */
  readonly aggregated: Uint8Array;
  readonly optOuts: Uint8Array;
};
export const CHOSEN = 1;
export const HOLDOUT = 2;

/** Sums of energies in millionths of a Wh. */
export type EnergySums = { readonly points: number; readonly delivered: bigint; readonly individuals: bigint };
export type ShardSums = {
  /** Of the chosen: all with a baseline, and those of them without a missing interval. */
  readonly all: EnergySums;
  readonly whole: EnergySums;
  readonly holdout: EnergySums;
  readonly chosen: number;
  readonly withoutBaseline: number;
  /** Intervals of the chosen that were energised, and of them those that were read. */
  readonly energised: number;
  readonly read: number;
};

/** Each point's delivered energy in millionths of a Wh, halves away from zero (NaN: no baseline), and the portfolio's sums. */
export function energySums(measured: MeasuredColumns, cohort: CohortColumns): { millionths: Float64Array; sums: ShardSums } {
  const { points, status, missing, settled } = measured;
  const millionths = new Float64Array(points).fill(Number.NaN);
  const [all, whole, holdout] = [new Sum(), new Sum(), new Sum()];
  const counts = { chosen: 0, withoutBaseline: 0, energised: 0, read: 0 };
  for (let m = 0; m < points; m++) {
    const chosen = cohort.role[m] === CHOSEN;
    if (chosen) {
      counts.chosen++;
      counts.energised += missing[m]! + settled[m]!;
      counts.read += settled[m]!;
    }
    if (status[m] !== 0) {
      if (chosen) counts.withoutBaseline++;
      continue;
    }
    const energy = millionthsOf(measured, m);
    millionths[m] = energy;
    if (!chosen) holdout.add(energy);
    else {
      all.add(energy);
      if (missing[m] === 0) whole.add(energy);
    }
  }
  return { millionths, sums: { all: all.ended(), whole: whole.ended(), holdout: holdout.ended(), ...counts } };
}

/** Round(10⁶ · num / den): quotient and remainder are exact in doubles while 10⁶ · den < 2⁵³; else exact fractions. */
function millionthsOf({ delivered, denominator, beyond, exactOf }: MeasuredColumns, m: number): number {
  const [num, den] = [Math.abs(delivered[m]!), denominator[m]!];
  if (beyond[m] === 1 || den > 9e9) {
    const exact = toMillionth(beyond[m] === 1 ? exactOf(m) : rational(BigInt(delivered[m]!), BigInt(den)));
    const millionths = Number((exact.num * 1_000_000n) / exact.den);
    if (!Number.isSafeInteger(millionths)) throw new RangeError(`point ${m} delivered ${millionths} millionths of a Wh`);
    return millionths;
  }
  const whole = Math.floor(num / den);
  // num / den may round up across an integer.
  const rest = num - whole * den;
  const fixed = rest < 0 ? whole - 1 : rest >= den ? whole + 1 : whole;
  const scaled = 1_000_000 * (num - fixed * den);
  const part = Math.floor(scaled / den);
  const left = scaled - part * den;
  const magnitude = 1_000_000 * fixed + part + (2 * left >= den ? 1 : 0);
  if (!Number.isSafeInteger(magnitude)) throw new RangeError(`point ${m} delivered ${magnitude} millionths of a Wh`);
  return delivered[m]! < 0 ? -magnitude : magnitude;
}

/** Sums of safe integers: a double as long as it is exact, then into a bigint. */
class Sum {
  #points = 0;
  #delivered = 0;
  #individuals = 0;
  #high = { delivered: 0n, individuals: 0n };
  add(millionths: number): void {
    this.#points++;
    this.#delivered += millionths;
    if (millionths > 0) this.#individuals += millionths;
    if (Math.abs(this.#delivered) > 2 ** 52 || this.#individuals > 2 ** 52) this.#carry();
    // One summand is at most 2⁵³: beyond 2⁵² it is carried at once.
    if (Math.abs(millionths) > 2 ** 51) this.#carry();
  }
  #carry(): void {
    this.#high = {
      delivered: this.#high.delivered + BigInt(this.#delivered),
      individuals: this.#high.individuals + BigInt(this.#individuals),
    };
    this.#delivered = 0;
    this.#individuals = 0;
  }
  ended(): EnergySums {
    this.#carry();
    return { points: this.#points, ...this.#high };
  }
}

/** What each point gets. Micro-rupees and Wh are safe integers; NaN in `creditedWh`: no credit. */
export type CreditColumns = {
  readonly creditedWh: Float64Array;
  readonly micros: Float64Array;
  readonly consumer: Float64Array;
  readonly aggregator: Float64Array;
  readonly counterparty: Float64Array;
  /** Of the consumer's part, rounded once. */
  readonly paise: Float64Array;
};
export type Portfolios = {
  /** What the chosen's and the holdout's energies are multiplied with. */
  readonly scale: Rational;
  readonly holdoutScale: Rational;
  /** The stage's coverage was reached: points with missing intervals are settled too. */
  readonly covered: boolean;
};

/** Credits of the chosen; `wouldBe`: what the same terms would have paid the holdout for doing nothing. */
export function creditColumns(
  measured: MeasuredColumns,
  cohort: CohortColumns,
  terms: PlainTerms,
  { scale, holdoutScale, covered }: Portfolios,
): CreditColumns & { readonly wouldBe: bigint } {
  const { points } = measured;
  const numbers = () => new Float64Array(points);
  const made = {
    ...{ creditedWh: numbers().fill(Number.NaN), micros: numbers() },
    ...{ consumer: numbers(), aggregator: numbers(), counterparty: numbers(), paise: numbers() },
  };
  const chosenRate = priceOf(scale, terms);
  const holdoutRate = priceOf(holdoutScale, terms);
  let wouldBe = 0n;
  for (let m = 0; m < points; m++) {
    if (measured.status[m] !== 0) continue;
    const chosen = cohort.role[m] === CHOSEN;
    if (chosen && !covered && measured.missing[m]! > 0) continue;
    const price = chosen ? chosenRate : holdoutRate;
    const { wh, micros } = earned(measured, m, price);
    const total = micros + takingPart(measured, cohort, terms, m, wh.positive);
    if (!chosen) {
      wouldBe += BigInt(total);
      continue;
    }
    made.creditedWh[m] = wh.rounded;
    made.micros[m] = total;
    split(total, terms.shares, cohort.aggregated[m] === 1, made, m);
    made.paise[m] = paiseOf(made.consumer[m]!);
  }
  return { ...made, wouldBe };
}

type Price = {
  readonly scale: Rational;
  readonly factor: number;
  /** Micro-rupees per Wh, after scaling. */
  readonly perWh: number;
  readonly exactPerWh: Rational;
};
function priceOf(scale: Rational, { rate }: PlainTerms): Price {
  const exactPerWh = multiply(scale, rational(BigInt(rate), 1000n));
  return { scale, factor: nearest(scale), perWh: nearest(exactPerWh), exactPerWh };
}

/** Within four units in the last place: two conversions and one division. */
const nearest = ({ num, den }: Rational): number => Number(num) / Number(den);

// Quotient, factor and product: fewer than eight roundings of a relative 2⁻⁵³ each.
const ERROR = 2 ** -50;

function earned(measured: MeasuredColumns, m: number, price: Price) {
  const { delivered, denominator, beyond } = measured;
  const none = { wh: { rounded: 0, positive: false }, micros: 0 };
  if (beyond[m] === 1) {
    const exact = measured.exactOf(m);
    if (exact.num <= 0n) return none;
    return exactly(exact, price);
  }
  if (delivered[m]! <= 0) return none;
  const energy = delivered[m]! / denominator[m]!;
  const [wh, micros] = [energy * price.factor, energy * price.perWh];
  if (isNearHalf(wh) || isNearHalf(micros)) return exactly(rational(BigInt(delivered[m]!), BigInt(denominator[m]!)), price);
  return { wh: { rounded: Math.floor(wh + 0.5), positive: price.factor > 0 }, micros: Math.floor(micros + 0.5) };
}

function exactly(energy: Rational, { scale, exactPerWh }: Price) {
  const wh = multiply(energy, scale);
  const micros = Number(rounded(multiply(energy, exactPerWh)));
  return { wh: { rounded: Number(rounded(wh)), positive: wh.num > 0n }, micros };
}

/** Too near a half for a double to say on which side it lies. */
const isNearHalf = (value: number): boolean => Math.abs(value - Math.floor(value) - 0.5) <= value * ERROR;

function takingPart(
  { settled }: MeasuredColumns,
  { optOuts }: CohortColumns,
  { participation }: PlainTerms,
  m: number,
  paidForEnergy: boolean,
): number {
  if (!participation || settled[m] === 0 || (participation.deliveredOnly && !paidForEnergy)) return 0;
  return optOuts[m]! > participation.freeOptOuts ? 0 : participation.micros;
}

/** As `paise`, of what is not negative: below ₹9,000 no quotient of doubles rounds across an integer. */
const paiseOf = (micros: number): number => (micros > 9e9 ? Number(paise(BigInt(micros))) : Math.floor((micros + 5000) / 10_000));

/** As `share`, for a credit that is not negative: floors, then one unit each to the largest remainders, ties in the order of the parties. */
function split(
  micros: number,
  [consumer, aggregator, counterparty]: PlainTerms['shares'],
  aggregated: boolean,
  into: Pick<CreditColumns, 'consumer' | 'aggregator' | 'counterparty'>,
  m: number,
): void {
  const weights = [consumer, aggregator, counterparty];
  const parts = micros > 9e9 ? largestRemainder(BigInt(micros), weights.map(BigInt)).map(Number) : remainders(micros, weights);
  into.consumer[m] = parts[0]!;
  into.aggregator[m] = aggregated ? parts[1]! : 0;
  into.counterparty[m] = aggregated ? parts[2]! : parts[2]! + parts[1]!;
}

/** `micros` × ppm is exact in doubles up to 9·10⁹ micro-rupees. */
function remainders(micros: number, weights: readonly number[]): number[] {
  const parts = weights.map((ppm) => Math.floor((micros * ppm) / 1_000_000));
  const rests = weights.map((ppm, i) => micros * ppm - parts[i]! * 1_000_000);
  for (let spare = micros - parts[0]! - parts[1]! - parts[2]!; spare > 0; spare--) {
    const most = rests[0]! >= rests[1]! && rests[0]! >= rests[2]! ? 0 : rests[1]! >= rests[2]! ? 1 : 2;
    parts[most]!++;
    rests[most] = -1;
  }
  return parts;
}

/** Coverage in ppm, rounded down: intervals read ÷ intervals energised; nothing to read = covered. */
export const coveragePpm = (energised: number, read: number): number =>
  energised === 0 ? 1_000_000 : Number((BigInt(read) * 1_000_000n) / BigInt(energised));

export const addSums = (a: EnergySums, b: EnergySums): EnergySums => ({
  points: a.points + b.points,
  delivered: a.delivered + b.delivered,
  individuals: a.individuals + b.individuals,
});

/** A sum of millionths of a Wh as an exact Wh. */
export const wattHours = (millionths: bigint): Rational => rational(millionths, 1_000_000n);

/** Of an exact sum, whole Wh. */
export const wholeWh = (millionths: bigint): bigint => roundHalfAway(millionths, 1_000_000n);
