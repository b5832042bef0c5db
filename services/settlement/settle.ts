import { type MicroRupees, roundHalfAway } from '../domain/money.ts';
import { add, type Rational, rounded, ZERO } from '../domain/rational.ts';
import type { CivilDay } from '../domain/zone.ts';
import { type CreditedEnergy, creditedEnergy, type Portfolio, portfolio, scaleOf } from './credit.ts';
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
/** Sums of exact energies, each to the millionth of a Wh, over some settlement points. */
type EnergySums = { readonly points: number; readonly individuals: Rational; readonly delivered: Rational };
/** What a run must know of all its points before it can say anything of one. Those of its parts add up to those of the whole. */
export type Sums = {
  readonly energised: number;
  readonly read: number;
  readonly chosen: number;
  readonly withoutBaseline: number;
  /** Chosen, with a baseline: those that were read throughout, and those that lack intervals, who may have to wait. */
  readonly whole: EnergySums;
  readonly lacking: EnergySums;
  readonly heldOut: number;
  readonly holdout: EnergySums;
};
/** What the points' lines are settled with. */
export type Ground = {
  readonly portfolio: Portfolio;
  readonly withoutBaseline: number;
  readonly coveragePpm: number;
  readonly coverageReached: boolean;
  readonly chosen: number;
  /** The holdout as a portfolio of its own. */
  readonly held: { readonly points: number; readonly delivered: Rational; readonly scale: Rational };
};
/** What the chosen were credited, and what the holdout would have been; adds up over parts. */
export type Paid = { readonly credits: number; readonly micros: MicroRupees; readonly wouldBeMicros: MicroRupees };
export type Settlement = Ground & {
  /** In settlement point order. */
  readonly lines: readonly Line[];
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

const NOTHING: EnergySums = { points: 0, individuals: ZERO, delivered: ZERO };
export const NO_SUMS: Sums = {
  ...{ energised: 0, read: 0, chosen: 0, withoutBaseline: 0, heldOut: 0 },
  ...{ whole: NOTHING, lacking: NOTHING, holdout: NOTHING },
};
export const NOBODY_PAID: Paid = { credits: 0, micros: 0n, wouldBeMicros: 0n };

/**
 * Settles one event, part by part: sums of every part first, then what is paid where there is a holdout, then the lines. `carries` are
 * exact Wh by settlement point. What was found of a point is remembered as long as the point is.
 */
export function settling({ terms, day, minCoveragePpm, scale }: Rules, carries: ReadonlyMap<string, Rational>) {
  const energies = new WeakMap<Point, CreditedEnergy | null>();
  const credits = new WeakMap<Point, Credit>();
  const carry = (point: Point) => carries.get(point.settlementPointId) ?? ZERO;
  const energyOf = (point: Point): CreditedEnergy | null => {
    const found = energies.get(point);
    if (found !== undefined) return found;
    // The holdout is measured as an event of its own: nobody carries anything of it.
    const energy = point.role === 'CHOSEN' ? creditedEnergy(point, terms, carry(point)) : creditedEnergy(point, terms);
    energies.set(point, energy);
    return energy;
  };
  const isOpen = (point: Point, { coverageReached }: Ground) =>
    !coverageReached && point.role === 'CHOSEN' && point.missingIntervals > 0;
  const creditOf = (point: Point, ground: Ground): Credit | null => {
    const energy = point.role === 'CHOSEN' && !isOpen(point, ground) ? energyOf(point) : null;
    if (energy === null) return null;
    const credit = credits.get(point) ?? payFor(point, energy, ground.portfolio.scale, terms);
    credits.set(point, credit);
    return credit;
  };
  const summed = (points: readonly Point[]): EnergySums => {
    const found = points.map(energyOf).filter((energy) => energy !== null);
    const { points: count, individuals, delivered } = portfolio(found, terms);
    return { points: count, individuals, delivered };
  };

  return {
    sums: (points: readonly Point[]): Sums => {
      const chosen = points.filter((point) => point.role === 'CHOSEN');
      const held = points.filter((point) => point.role === 'HOLDOUT');
      return {
        ...counted(chosen),
        chosen: chosen.length,
        withoutBaseline: chosen.filter((point) => point.status !== 'ok').length,
        whole: summed(chosen.filter((point) => point.missingIntervals === 0)),
        lacking: summed(chosen.filter((point) => point.missingIntervals > 0)),
        heldOut: held.length,
        holdout: summed(held),
      };
    },
    ground: (sums: Sums): Ground => {
      const coveragePpm = coverage(sums);
      const coverageReached = coveragePpm >= minCoveragePpm;
      // What is open is in no sum, so that those who can be settled are not scaled by what is unknown.
      const used = coverageReached ? together(sums.whole, sums.lacking) : sums.whole;
      const own = (one: EnergySums) => scaleOf(one.individuals, one.delivered, terms);
      return {
        portfolio: { ...used, scale: scale ?? own(used) },
        ...{ coveragePpm, coverageReached, withoutBaseline: sums.withoutBaseline, chosen: sums.chosen },
        held: { points: sums.heldOut, delivered: sums.holdout.delivered, scale: own(sums.holdout) },
      };
    },
    paid: (points: readonly Point[], ground: Ground): Paid => {
      const credited = points.map((point) => creditOf(point, ground)).filter((credit) => credit !== null);
      const wouldBe = points.flatMap((point) => {
        const energy = point.role === 'HOLDOUT' ? energyOf(point) : null;
        return energy ? [payFor(point, energy, ground.held.scale, terms).micros] : [];
      });
      return { credits: credited.length, micros: total(credited.map(({ micros }) => micros)), wouldBeMicros: total(wouldBe) };
    },
    lines: (points: readonly Point[], ground: Ground, paid: Paid): Line[] =>
      points.map((point) => {
        const credit = creditOf(point, ground);
        const held = point.role === 'HOLDOUT' && point.status !== 'no_consent' && terms.holdoutPay === 'COHORT_AVERAGE';
        const micros = credit ? credit.micros : held ? cohortAverage(paid) : 0n;
        return {
          point,
          carry: carry(point),
          energy: credit ? energyOf(point) : null,
          credit,
          open: isOpen(point, ground),
          micros,
          parties: share(micros, terms.waterfall, day, point.organisationId !== ''),
        };
      }),
  };
}

/** Settles one event from what was measured at all its settlement points, at once. */
export function settle(points: readonly Point[], rules: Rules, carries: ReadonlyMap<string, Rational>): Settlement {
  const ordered = [...points].sort((a, b) => (a.settlementPointId < b.settlementPointId ? -1 : 1));
  const run = settling(rules, carries);
  const ground = run.ground(run.sums(ordered));
  const paid = run.paid(ordered, ground);
  const lines = run.lines(ordered, ground, paid);
  return { ...ground, lines, creditedMicros: total(lines.map(creditedBy)), holdout: holdoutOf(ground, paid) };
}

/** What a line gives to others than the counterparty. */
export const creditedBy = ({ parties }: Pick<Line, 'parties'>): MicroRupees => parties.consumer + parties.aggregator;

/** What the same terms would have paid the holdout for doing nothing. */
export const holdoutOf = ({ held: { points, delivered } }: Ground, { wouldBeMicros }: Paid): Holdout => ({
  ...{ points, delivered, wouldBeMicros },
});

export const addSums = (a: Sums, b: Sums): Sums => ({
  energised: a.energised + b.energised,
  read: a.read + b.read,
  chosen: a.chosen + b.chosen,
  withoutBaseline: a.withoutBaseline + b.withoutBaseline,
  whole: together(a.whole, b.whole),
  lacking: together(a.lacking, b.lacking),
  heldOut: a.heldOut + b.heldOut,
  holdout: together(a.holdout, b.holdout),
});

export const addPaid = (a: Paid, b: Paid): Paid => ({
  credits: a.credits + b.credits,
  micros: a.micros + b.micros,
  wouldBeMicros: a.wouldBeMicros + b.wouldBeMicros,
});

const together = (a: EnergySums, b: EnergySums): EnergySums => ({
  points: a.points + b.points,
  individuals: add(a.individuals, b.individuals),
  delivered: add(a.delivered, b.delivered),
});

/** Intervals energised, and those of them that were read, over the chosen points that may be read. */
function counted(chosen: readonly Point[]): { energised: number; read: number } {
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
  return { energised, read };
}

/** Intervals read ÷ intervals energised, ppm rounded down; nothing to read = covered. */
const coverage = ({ energised, read }: { energised: number; read: number }): number =>
  energised === 0 ? 1_000_000 : Math.floor((read * 1_000_000) / energised);

/** The mean credit of the chosen who were credited, never negative: what the holdout gets where the terms say so. */
const cohortAverage = ({ credits, micros }: Paid): MicroRupees => (micros <= 0n ? 0n : roundHalfAway(micros, BigInt(credits)));

const total = (all: readonly MicroRupees[]): MicroRupees => all.reduce((sum, micros) => sum + micros, 0n);

/** Delivered energy of the portfolio, rounded once. */
export const deliveredWh = ({ delivered }: { readonly delivered: Rational }): bigint => rounded(delivered);
