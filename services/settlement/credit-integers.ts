import { type MicroRupees, roundHalfAway } from '../domain/money.ts';
import { apportion, type Rational, ZERO } from '../domain/rational.ts';
import type { Pay, PayTerms } from './terms.ts';

/*
 * What `creditedEnergy` and `payFor` do in exact fractions, in integers over one denominator a settlement point: the same Wh and micro-rupees
 * for any terms, for those who ask millions of times and print no statement. A property holds both to each other.
 */

/** The intervals of a window that were settled, Wh over one denominator, and what else money looks at. */
export type SettledIntervals = {
  readonly denominator: bigint;
  readonly delivered: readonly bigint[];
  readonly baseline: readonly bigint[];
  /** Of each its place in the window: which rate it has. */
  readonly places: readonly number[];
  readonly committedW: number;
  readonly household: boolean;
  /** Events of the season the home left, this one included; 0 = it stayed. */
  readonly optOuts: number;
};

/** Wh over `den`: after netting, floor and cap, before reconciliation. An interval has `weights[i] ÷ whole` of `individual`. */
export type IntegerEnergy = {
  readonly den: bigint;
  readonly delivered: bigint;
  readonly individual: bigint;
  readonly committed: bigint;
  readonly weights: readonly bigint[];
  readonly whole: bigint;
};

const MINUTES = 60n;

/** Equations as at `creditedEnergy`; every value is an integer over 60 · denominator · both caps' denominators (· the carry's). */
export function integerEnergy(of: SettledIntervals, terms: PayTerms, carry: Rational = ZERO): IntegerEnergy {
  const [cap, limit] = [terms.capOfBaseline, terms.capOfCommitted];
  const scale = MINUTES * (cap?.den ?? 1n) * (limit?.den ?? 1n) * carry.den;
  const den = scale * of.denominator;
  const [ofBaseline, capDen] = [cap && cap.num * (scale / cap.den), limit?.den ?? 1n];
  const interval = (BigInt(of.committedW) * BigInt(terms.intervalMinutes) * den) / MINUTES;
  const capped = (delivered: bigint, baseline: bigint, committed: bigint): bigint => {
    let net = delivered;
    if (net <= 0n) return net;
    if (ofBaseline !== null) net = least(net, positive(ofBaseline * baseline));
    return limit ? least(net, positive((limit.num * committed) / capDen)) : net;
  };
  const total = sumOf(of.delivered);
  const committed = interval * BigInt(of.delivered.length);
  const figures = { den, delivered: total * scale, committed };
  if (terms.netting === 'NET_INTERVAL') {
    const weights = of.delivered.map((delivered, i) => positive(capped(delivered * scale, of.baseline[i]!, interval)));
    const individual = sumOf(weights);
    return { ...figures, individual, weights, whole: individual };
  }
  const floored = (energy: bigint) => (terms.floorZero ? positive(energy) : energy);
  const net = capped(total * scale, sumOf(of.baseline), committed);
  const before = (carry.num * den) / carry.den;
  const individual = terms.netting === 'NET_CYCLE' ? floored(before + net) - floored(before) : floored(net);
  return { ...figures, individual, weights: of.delivered, whole: total };
}

/** What was paid, rounded once; `penaltyMicros` of it taken away, not negative. */
export type IntegerPay = { readonly wh: bigint; readonly micros: MicroRupees; readonly penaltyMicros: MicroRupees };

/** A pay component before rounding, micro-rupees: not in lowest terms. */
type Line = Rational;

/** The pay components on energy that is scaled with the portfolio's `scale`. */
export function integerPay(of: SettledIntervals, energy: IntegerEnergy, scale: Rational, terms: PayTerms): IntegerPay {
  const paid = { num: energy.individual * scale.num, den: energy.den * scale.den };
  const lines: Line[] = [];
  let total: Line = ZERO;
  const add = (line: Line) => {
    lines.push(line);
    total = plus(total, line);
  };
  for (const pay of terms.pay) if (pay.kind !== 'PENALTY') add(earned(pay, of, energy, paid, terms));
  let penalised = false;
  for (const pay of terms.pay) {
    if (pay.kind !== 'PENALTY' || (pay.householdsExempt && of.household)) continue;
    const penalty = penaltyFor(pay, of, energy);
    if (penalty.num === 0n) continue;
    const left = total.num > 0n ? total : ZERO;
    // A household may earn nothing, never owe.
    const taken = of.household && penalty.num * left.den > left.num * penalty.den ? left : penalty;
    add({ num: -taken.num, den: taken.den });
    penalised = true;
  }
  const micros = roundHalfAway(total.num, total.den);
  return {
    ...{ wh: roundHalfAway(paid.num, paid.den), micros },
    // Parts of what was rounded, as a statement prints them.
    penaltyMicros: penalised
      ? -sumOf(apportion(micros, lines).slice(terms.pay.filter(({ kind }) => kind !== 'PENALTY').length))
      : 0n,
  };
}

function earned(
  pay: Exclude<Pay, { kind: 'PENALTY' }>,
  of: SettledIntervals,
  energy: IntegerEnergy,
  paid: Rational,
  terms: PayTerms,
): Line {
  switch (pay.kind) {
    case 'ENERGY': {
      const line = energyLine(pay, of, energy, paid);
      // Dear intervals may have lost what cheap ones gained: the floor holds for the money as well.
      return terms.floorZero && terms.netting !== 'NET_CYCLE' && line.num < 0n ? ZERO : line;
    }
    case 'AVAILABILITY':
      if (pay.minPerformance.num > 0n && !reaches(energy, pay.minPerformance)) return ZERO;
      return { num: energy.committed * pay.microsPerKwHour, den: energy.den * 1000n };
    case 'PARTICIPATION': {
      // Dark all through the window, or never read: there is nothing that shows it took part.
      if (of.delivered.length === 0 || (pay.deliveredOnly && paid.num <= 0n)) return ZERO;
      const isFree = terms.freeOptOuts === null || of.optOuts <= terms.freeOptOuts;
      return isFree ? { num: pay.microsPerEvent, den: 1n } : ZERO;
    }
  }
}

/** Σ rate · energy of the intervals, the energies being shares of what is paid. */
function energyLine(
  { rates, tiers }: Extract<Pay, { kind: 'ENERGY' }>,
  { places }: SettledIntervals,
  energy: IntegerEnergy,
  paid: Rational,
): Line {
  if (tiers.length > 0) {
    // The highest tier reached holds for all the energy; below the first one nothing is paid for energy.
    const reached = tiers.filter(({ fromPerformance }) => reaches(energy, fromPerformance));
    const best = reached.reduce((kept, tier) => (isBelow(tier.fromPerformance, kept.fromPerformance) ? kept : tier), NO_TIER);
    return { num: paid.num * best.microsPerKwh, den: paid.den * 1000n };
  }
  if (rates.length <= 1) return { num: paid.num * (rates[0] ?? 0n), den: paid.den * 1000n };
  if (energy.whole === 0n) return ZERO;
  const weighed = energy.weights.reduce((sum, weight, i) => sum + weight * rateAt(rates, places[i]!), 0n);
  const side = energy.whole < 0n ? -1n : 1n;
  return { num: side * paid.num * weighed, den: side * paid.den * energy.whole * 1000n };
}

const NO_TIER = { fromPerformance: ZERO, microsPerKwh: 0n };

/** Shortfall = max(0, tolerance × committed − delivered), at the mean of the rates of the settled intervals. */
function penaltyFor(
  { tolerance, rates }: Extract<Pay, { kind: 'PENALTY' }>,
  { places }: SettledIntervals,
  { committed, delivered, den }: IntegerEnergy,
): Line {
  const shortfall = tolerance.num * committed - tolerance.den * delivered;
  if (shortfall <= 0n || places.length === 0) return ZERO;
  const sum = places.reduce((all, place) => all + rateAt(rates, place), 0n);
  return { num: shortfall * sum, den: tolerance.den * den * BigInt(places.length) * 1000n };
}

/** Delivered ÷ committed ≥ bound; nothing committed counts as a performance of 0. */
const reaches = ({ delivered, committed }: IntegerEnergy, { num, den }: Rational): boolean =>
  committed > 0n ? delivered * den >= num * committed : num <= 0n;

/** One value holds for all intervals; a series shorter than the window goes on with its last value. */
const rateAt = (rates: readonly MicroRupees[], interval: number): MicroRupees =>
  rates[Math.min(interval, rates.length - 1)] ?? 0n;

const plus = (a: Rational, b: Rational): Rational =>
  a.num === 0n
    ? b
    : a.den === b.den
      ? { num: a.num + b.num, den: a.den }
      : { num: a.num * b.den + b.num * a.den, den: a.den * b.den };
const isBelow = (a: Rational, b: Rational): boolean => a.num * b.den < b.num * a.den;
const positive = (value: bigint): bigint => (value > 0n ? value : 0n);
const least = (a: bigint, b: bigint): bigint => (a < b ? a : b);
const sumOf = (values: readonly bigint[]): bigint => {
  let sum = 0n;
  for (const value of values) sum += value;
  return sum;
};
