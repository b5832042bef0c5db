import type { MicroRupees } from '../domain/money.ts';
import {
  add,
  apportion,
  compare,
  divide,
  greatest,
  multiply,
  negated,
  type Rational,
  rational,
  rounded,
  subtract,
  sum,
  ZERO,
} from '../domain/rational.ts';
import type { CreditedEnergy } from './credit.ts';
import type { Point } from './point.ts';
import type { Pay, PayTerms } from './terms.ts';

export type PayLine = { readonly kind: Pay['kind']; readonly exact: Rational; readonly micros: MicroRupees };
/** What one settlement point earned with one event. */
export type Credit = {
  /** Credited energy after reconciliation, and its one rounding. */
  readonly energy: Rational;
  readonly energyWh: bigint;
  /** Per interval of the window, apportioned from `energyWh`; null where not settled. */
  readonly intervalWh: readonly (bigint | null)[];
  readonly lines: readonly PayLine[];
  /** Rounded once from the exact total, halves away from zero; the lines add up to it. */
  readonly micros: MicroRupees;
};

const KWH = rational(1000n);

/** The pay components on energy that was netted, floored, capped, and is scaled here with the portfolio's `scale`. */
export function payFor(point: Point, energy: CreditedEnergy, scale: Rational, terms: PayTerms): Credit {
  const slots = energy.slots.map((slot) => slot && multiply(slot, scale));
  const paid = multiply(energy.individual, scale);
  const lines: { kind: Pay['kind']; exact: Rational }[] = [];
  for (const pay of terms.pay) {
    if (pay.kind !== 'PENALTY') lines.push({ kind: pay.kind, exact: earned(pay, point, { energy, slots, paid }, terms) });
  }
  for (const pay of terms.pay) {
    if (pay.kind !== 'PENALTY' || (pay.householdsExempt && point.household)) continue;
    const penalty = penaltyFor(pay, energy);
    const left = greatest(ZERO, sum(lines.map((line) => line.exact)));
    // A household may earn nothing, never owe.
    lines.push({ kind: 'PENALTY', exact: negated(point.household && compare(penalty, left) > 0 ? left : penalty) });
  }
  const micros = rounded(sum(lines.map((line) => line.exact)));
  const parts = apportion(
    micros,
    lines.map((line) => line.exact),
  );
  const energyWh = rounded(paid);
  return {
    energy: paid,
    energyWh,
    intervalWh: intervals(energyWh, slots),
    lines: lines.map((line, i) => ({ ...line, micros: parts[i]! })),
    micros,
  };
}

function earned(
  pay: Exclude<Pay, { kind: 'PENALTY' }>,
  { optOuts = 0 }: Point,
  { energy, slots, paid }: { energy: CreditedEnergy; slots: readonly (Rational | null)[]; paid: Rational },
  terms: PayTerms,
): Rational {
  switch (pay.kind) {
    case 'ENERGY': {
      const flat = pay.tiers.length > 0 ? tierRate(pay, energy) : null;
      const exact = sum(slots.map((slot, i) => (slot ? multiply(slot, rational(flat ?? rateAt(pay.rates, i))) : ZERO)));
      // Dear intervals may have lost what cheap ones gained: the floor holds for the money as well.
      return divide(terms.floorZero && terms.netting !== 'NET_CYCLE' ? greatest(ZERO, exact) : exact, KWH);
    }
    case 'AVAILABILITY': {
      if (pay.minPerformance.num > 0n && compare(energy.performance ?? ZERO, pay.minPerformance) < 0) return ZERO;
      return divide(multiply(energy.committed, rational(pay.microsPerKwHour)), KWH);
    }
    case 'PARTICIPATION': {
      // Dark all through the window, or never read: there is nothing that shows it took part.
      if (energy.settledHours.num === 0n || (pay.deliveredOnly && paid.num <= 0n)) return ZERO;
      // Leaving is always possible; beyond the free number it costs the pay for taking part, and nothing else.
      if (terms.freeOptOuts !== null && optOuts > terms.freeOptOuts) return ZERO;
      return rational(pay.microsPerEvent);
    }
  }
}

/** Shortfall = max(0, tolerance × committed − delivered), at the mean of the rates of the settled intervals. */
function penaltyFor(pay: Extract<Pay, { kind: 'PENALTY' }>, energy: CreditedEnergy): Rational {
  const shortfall = greatest(ZERO, subtract(multiply(pay.tolerance, energy.committed), energy.delivered));
  const rates = energy.slots.flatMap((slot, i) => (slot ? [rational(rateAt(pay.rates, i))] : []));
  if (rates.length === 0) return ZERO;
  return divide(multiply(shortfall, divide(sum(rates), rational(BigInt(rates.length)))), KWH);
}

// The highest tier reached holds for all the energy; below the first one nothing is paid for energy.
function tierRate(pay: Extract<Pay, { kind: 'ENERGY' }>, { performance }: CreditedEnergy): MicroRupees {
  const reached = pay.tiers.filter((tier) => compare(performance ?? ZERO, tier.fromPerformance) >= 0);
  return reached.reduce((best, tier) => (compare(tier.fromPerformance, best.fromPerformance) >= 0 ? tier : best), {
    fromPerformance: ZERO,
    microsPerKwh: 0n,
  }).microsPerKwh;
}

/** One value holds for all intervals; a series shorter than the window goes on with its last value. */
const rateAt = (rates: readonly MicroRupees[], interval: number): MicroRupees =>
  rates[Math.min(interval, rates.length - 1)] ?? 0n;

function intervals(totalWh: bigint, slots: readonly (Rational | null)[]): (bigint | null)[] {
  const parts = apportion(
    totalWh,
    slots.filter((slot) => slot !== null),
  );
  let at = 0;
  return slots.map((slot) => (slot ? parts[at++]! : null));
}

/** The exact total of pay lines. */
export const exactTotal = (lines: readonly PayLine[]): Rational => lines.reduce((total, line) => add(total, line.exact), ZERO);
