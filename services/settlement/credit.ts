import { HOUR, MINUTE } from '../domain/interval.ts';
import {
  add,
  compare,
  divide,
  greatest,
  least,
  multiply,
  ONE,
  type Rational,
  rational,
  readExact,
  rounded,
  sum,
  ZERO,
} from '../domain/rational.ts';
import type { Point } from './point.ts';
import type { PayTerms } from './terms.ts';

/** Energy of one settlement point, exact Wh. */
export type CreditedEnergy = {
  /** Σ delivered over the settled intervals, signed. */
  readonly delivered: Rational;
  /** After netting, floor and cap, before reconciliation. */
  readonly individual: Rational;
  /** `individual` per interval of the window; null where not settled. */
  readonly slots: readonly (Rational | null)[];
  /** Committed power over the settled intervals. */
  readonly committed: Rational;
  /** Delivered ÷ committed; null where nothing was committed. */
  readonly performance: Rational | null;
  readonly settledHours: Rational;
};

/**
 * Nets, floors and caps. With d, b, k = delivered, baseline and committed of the settled intervals, c and n = caps of the terms, sums over them:
 *
 *     NET_INTERVAL   e[i] = max(0, cap(d[i]))                        cap(x) = min(x, c·b[i], n·k[i])    (the clamp of DEG)
 *     otherwise      E = floor(cap(Σd)),  e[i] = d[i] · E ÷ Σd       cap(x) = min(x, c·Σb, n·Σk), floor(x) = max(0, x) where the terms say so
 *     NET_CYCLE      E = floor(carry + cap(Σd)) − floor(carry)       carry = capped Σd of the cycle's earlier events
 *
 * A negative Σd is never made smaller by the cap. Returns null where there is no baseline: nothing is paid without evidence.
 */
export function creditedEnergy(point: Point, terms: PayTerms, carry: Rational = ZERO): CreditedEnergy | null {
  if (point.status !== 'ok') return null;
  const slots = point.slots.map(({ delivered, baseline }) =>
    delivered === null ? null : { delivered: readExact(delivered), baseline: readExact(baseline ?? '0') },
  );
  const settled = slots.filter((slot) => slot !== null);
  const delivered = sum(settled.map((slot) => slot.delivered));
  const hours = rational(BigInt(settled.length * terms.intervalMinutes * MINUTE), BigInt(HOUR));
  const committed = multiply(rational(BigInt(point.committedW)), hours);
  const figures = {
    delivered,
    committed,
    performance: committed.num > 0n ? divide(delivered, committed) : null,
    settledHours: hours,
  };

  if (terms.netting === 'NET_INTERVAL') {
    const share = settled.length === 0 ? ZERO : divide(committed, rational(BigInt(settled.length)));
    const clamped = slots.map((slot) => slot && greatest(ZERO, capped(slot.delivered, slot.baseline, share, terms)));
    return { ...figures, individual: sum(clamped.filter((slot) => slot !== null)), slots: clamped };
  }
  const net = capped(delivered, sum(settled.map((slot) => slot.baseline)), committed, terms);
  const individual =
    terms.netting === 'NET_CYCLE' ? minus(floored(add(carry, net), terms), floored(carry, terms)) : floored(net, terms);
  const share = delivered.num === 0n ? ZERO : divide(individual, delivered);
  return { ...figures, individual, slots: slots.map((slot) => slot && multiply(slot.delivered, share)) };
}

/** What an event adds to the carry of its cycle. */
export const carried = (point: Point, terms: PayTerms): Rational => {
  const energy = creditedEnergy(point, { ...terms, netting: 'NET_EVENT', floorZero: false });
  return energy ? energy.individual : ZERO;
};

/** The portfolio's figures: all of them are printed. Sums are in millionths of a Wh. */
export type Portfolio = {
  readonly points: number;
  /** Σ of the individuals' credited energy before scaling, each to the millionth of a Wh. */
  readonly individuals: Rational;
  /** Σ delivered, signed, each to the millionth of a Wh. */
  readonly delivered: Rational;
  /** What individual energies are multiplied with, 0 … 1. */
  readonly scale: Rational;
};

/**
 * scale = max(0, Σ delivered) ÷ Σ individual when the individuals' sum is larger, else 1: reconciliation takes away what one-sided
 * floors made up, and never adds. Netting over the portfolio is the same rule.
 */
export function portfolio(energies: readonly CreditedEnergy[], terms: PayTerms): Portfolio {
  const individuals = sum(energies.map((energy) => toMillionth(energy.individual)));
  const delivered = sum(energies.map((energy) => toMillionth(energy.delivered)));
  return { points: energies.length, individuals, delivered, scale: scaleOf(individuals, delivered, terms) };
}

/**
 * The exact energy of one point, rounded to a millionth of a Wh, halves away from zero: what goes into the portfolio's sums. Exact sums
 * would get a denominator that grows with every home, and everybody's statement repeats them; a million homes lose less than 1 Wh by it.
 */
export const toMillionth = (energy: Rational): Rational => rational(rounded(multiply(energy, MILLION)), MILLION.num);

const MILLION = rational(1_000_000n);

export function scaleOf(individuals: Rational, delivered: Rational, terms: PayTerms): Rational {
  const reconciled = terms.reconciled || terms.netting === 'NET_PORTFOLIO';
  const bound = greatest(ZERO, delivered);
  return reconciled && compare(individuals, bound) > 0 ? divide(bound, individuals) : ONE;
}

/** A negative energy is never made smaller. */
function capped(delivered: Rational, baseline: Rational, committed: Rational, terms: PayTerms): Rational {
  if (delivered.num <= 0n) return delivered;
  const { capOfBaseline, capOfCommitted } = terms;
  const ofBaseline = capOfBaseline ? least(delivered, greatest(ZERO, multiply(capOfBaseline, baseline))) : delivered;
  return capOfCommitted ? least(ofBaseline, greatest(ZERO, multiply(capOfCommitted, committed))) : ofBaseline;
}

const floored = (energy: Rational, { floorZero }: PayTerms): Rational => (floorZero ? greatest(ZERO, energy) : energy);

const minus = (a: Rational, b: Rational): Rational => add(a, { num: -b.num, den: b.den });
