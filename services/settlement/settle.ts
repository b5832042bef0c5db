import { type MicroRupees, roundHalfAway } from '../domain/money.ts';
import { type Rational, rounded, ZERO } from '../domain/rational.ts';
import type { CivilDay } from '../domain/zone.ts';
import { type CreditedEnergy, creditedEnergy, type Portfolio, portfolio } from './credit.ts';
import { type Credit, payFor } from './pay.ts';
import type { Point } from './point.ts';
import type { PayTerms } from './terms.ts';
import { type Parties, share } from './waterfall.ts';

/** What one settlement point gets from one run. */
export type Line = {
  readonly point: Point;
  /** Net energy of the cycle's earlier events; zero unless the terms net by cycle. */
  readonly carry: Rational;
  /** Null: no baseline, or the holdout, or open. */
  readonly energy: CreditedEnergy | null;
  readonly credit: Credit | null;
  /** Too few readings arrived for the stage: its credit waits for a later run. */
  readonly open: boolean;
  readonly micros: MicroRupees;
  readonly parties: Parties;
};
export type Holdout = { readonly points: number; readonly delivered: Rational; readonly wouldBeMicros: MicroRupees };
export type Settlement = {
  /** In settlement point order. */
  readonly lines: readonly Line[];
  readonly portfolio: Portfolio;
  readonly withoutBaseline: number;
  readonly coveragePpm: number;
  readonly coverageReached: boolean;
  readonly creditedMicros: MicroRupees;
  readonly holdout: Holdout;
};
export type Rules = {
  readonly terms: PayTerms;
  readonly day: CivilDay;
  readonly minCoveragePpm: number;
  /** The portfolio's scale where it is known from a larger whole than these points; absent = found from them. */
  readonly scale?: Rational;
};

/** Settles one event from what was measured at all its settlement points. `carries` are exact Wh by settlement point. */
export function settle(points: readonly Point[], rules: Rules, carries: ReadonlyMap<string, Rational>): Settlement {
  const { terms, day } = rules;
  const ordered = [...points].sort((a, b) => (a.settlementPointId < b.settlementPointId ? -1 : 1));
  const chosen = ordered.filter((point) => point.role === 'CHOSEN');
  const coveragePpm = coverage(chosen);
  const coverageReached = coveragePpm >= rules.minCoveragePpm;
  const isOpen = (point: Point) => !coverageReached && point.role === 'CHOSEN' && point.missingIntervals > 0;
  const carry = (point: Point) => carries.get(point.settlementPointId) ?? ZERO;

  // What is open is in neither sum, so that those who can be settled are not scaled by what is unknown.
  const energies = new Map(
    chosen.flatMap((point) => {
      const energy = isOpen(point) ? null : creditedEnergy(point, terms, carry(point));
      return energy ? [[point.settlementPointId, energy] as const] : [];
    }),
  );
  const found = portfolio([...energies.values()], terms);
  const totals = rules.scale ? { ...found, scale: rules.scale } : found;
  const credits = new Map(
    chosen.flatMap((point) => {
      const energy = energies.get(point.settlementPointId);
      return energy ? [[point.settlementPointId, payFor(point, energy, totals.scale, terms)] as const] : [];
    }),
  );
  const average = cohortAverage([...credits.values()]);
  const lines = ordered.map((point): Line => {
    const credit = credits.get(point.settlementPointId) ?? null;
    const held = point.role === 'HOLDOUT' && point.status !== 'no_consent' && terms.holdoutPay === 'COHORT_AVERAGE';
    const micros = credit ? credit.micros : held ? average : 0n;
    return {
      point,
      carry: carry(point),
      energy: energies.get(point.settlementPointId) ?? null,
      credit,
      open: isOpen(point),
      micros,
      parties: share(micros, terms.waterfall, day, point.organisationId !== ''),
    };
  });
  return {
    lines,
    portfolio: totals,
    withoutBaseline: chosen.filter((point) => point.status !== 'ok').length,
    coveragePpm,
    coverageReached,
    creditedMicros: lines.reduce((total, { parties }) => total + parties.consumer + parties.aggregator, 0n),
    holdout: falseCredit(
      ordered.filter((point) => point.role === 'HOLDOUT'),
      terms,
    ),
  };
}

/** What the same terms would have paid the holdout for doing nothing, as a portfolio of its own. */
export function falseCredit(points: readonly Point[], terms: PayTerms): Holdout {
  const measured = points.flatMap((point) => {
    const energy = creditedEnergy(point, terms);
    return energy ? [{ point, energy }] : [];
  });
  const { scale, delivered } = portfolio(
    measured.map(({ energy }) => energy),
    terms,
  );
  return {
    points: points.length,
    delivered,
    wouldBeMicros: measured.reduce((total, { point, energy }) => total + payFor(point, energy, scale, terms).micros, 0n),
  };
}

/** Intervals read ÷ intervals energised, over the chosen points that may be read, ppm rounded down; nothing to read = covered. */
export function coverage(chosen: readonly Point[]): number {
  let energised = 0;
  let read = 0;
  for (const { slots, status } of chosen) {
    if (status === 'no_consent') continue;
    for (const { supply, meteredWh } of slots) {
      if (supply !== 'ENERGISED') continue;
      energised++;
      if (meteredWh !== null) read++;
    }
  }
  return energised === 0 ? 1_000_000 : Math.floor((read * 1_000_000) / energised);
}

/** The mean credit of the chosen who were credited, never negative: what the holdout gets where the terms say so. */
export function cohortAverage(credits: readonly Credit[]): MicroRupees {
  const total = credits.reduce((micros, credit) => micros + credit.micros, 0n);
  return total <= 0n ? 0n : roundHalfAway(total, BigInt(credits.length));
}

/** Delivered energy of the portfolio, rounded once. */
export const deliveredWh = ({ delivered }: { readonly delivered: Rational }): bigint => rounded(delivered);
