import { chanceOf, drawn, quantile } from './chance.ts';
import { energies, isHomes, type Measured } from './measure.ts';
import type { Payer } from './paid.ts';

/** What portfolios of one size would have seen and been paid, over seeded draws: medians, and the width of nine in ten. */
export type PortfolioSize = {
  readonly homes: number;
  readonly draws: number;
  /** Days the money is of; the errors are of all. */
  readonly paidDays: number;
  readonly rrmse: number | null;
  /** Of the error of a day, ΣB − ΣA over mean ΣA: 5 and 95 %. */
  readonly low: number | null;
  readonly high: number | null;
  /** Energy the full terms pay for nothing, of load, each draw one portfolio: over all draws, and 5 and 95 % of them. */
  readonly falseCredit: number | null;
  readonly falseLow: number | null;
  readonly falseHigh: number | null;
  /** Micro-rupees for nothing a home and day: over all draws, and 5 and 95 % of them. */
  readonly micros: number | null;
  readonly microsLow: number | null;
  readonly microsHigh: number | null;
};

/** Sizes that are drawn where there are more homes than that; then all homes together. */
const SIZES = [10, 30, 100, 300, 1000];
const MOST_DRAWS = 20;
const LEAST_DRAWS = 2;
/** Homes × days × draws that may be paid a size and method: settlement point by settlement point costs a hundred times a column's row. */
const BUDGET = { columns: 100_000, points: 10_000 } as const;
/** Fewer homes cost a day as much as so many. */
const LEAST_COST = { columns: 100, points: 1 } as const;

export type Draws = readonly (readonly number[])[];

/** Homes of the portfolios of each size: every home once for single homes, else seeded draws without repetition, and all homes once. */
export function portfolioDraws(homes: number, days: number, seed: number): Draws[] {
  const sizes = SIZES.filter((size) => size < homes);
  const each = Array.from({ length: homes }, (_, h) => [h]);
  const some = sizes.map((size) => {
    const chance = chanceOf(seed + size);
    const draws = Math.max(LEAST_DRAWS, Math.min(MOST_DRAWS, Math.floor(BUDGET.columns / (size * Math.max(1, days)))));
    return Array.from({ length: draws }, () => drawn(size, homes, chance));
  });
  const whole = homes > 1 ? [[Array.from({ length: homes }, (_, h) => h)]] : [];
  return [each, ...some, ...whole];
}

export function portfolioSize(measured: Measured, draws: Draws, payer: Payer): PortfolioSize {
  const days = measured.occasions.map((_, o) => o);
  const size = draws[0]?.length ?? 0;
  const paidDays = spread(
    days,
    Math.floor(BUDGET[payer.way] / (Math.max(LEAST_COST[payer.way], size) * Math.max(1, draws.length))),
  );
  const seen = draws.map((homes) => seenBy(measured, homes, days, paidDays, payer)).filter((one) => one !== null);
  const errors = seen.flatMap((one) => one.errors);
  const load = total(seen.map((one) => one.paidLoad));
  const shares = seen.flatMap(({ wh, paidLoad }) => (paidLoad > 0 ? [wh / paidLoad] : []));
  const micros = seen.flatMap((one) => (one.paidHomeDays > 0 ? [one.micros / one.paidHomeDays] : []));
  return {
    ...{ homes: size, draws: draws.length, paidDays: paidDays.length },
    rrmse: quantile(
      seen.map((one) => one.rrmse),
      0.5,
    ),
    ...{ low: quantile(errors, 0.05), high: quantile(errors, 0.95) },
    falseCredit: load > 0 ? total(seen.map(({ wh }) => wh)) / load : null,
    ...{ falseLow: quantile(shares, 0.05), falseHigh: quantile(shares, 0.95) },
    micros: micros.length > 0 ? total(micros) / micros.length : null,
    ...{ microsLow: quantile(micros, 0.05), microsHigh: quantile(micros, 0.95) },
  };
}

/** At most `most` of the days (one at least), evenly. */
function spread(days: readonly number[], most: number): number[] {
  const every = Math.ceil(days.length / Math.max(1, most));
  return days.filter((_, i) => i % every === 0);
}

function seenBy(
  measured: Measured,
  homes: readonly number[],
  days: readonly number[],
  paidDays: readonly number[],
  payer: Payer,
) {
  const all = days.map((o) => {
    const day = { homes: 0, load: 0, error: 0 };
    for (const h of homes) {
      if (!isHomes(measured, o, h)) continue;
      day.homes++;
      const energy = energies(measured, o, h);
      if (!energy) continue;
      day.load += energy.load;
      day.error += energy.error;
    }
    return day;
  });
  // A day on which every home of the draw was called is no day of it.
  const sums = all.filter((day) => day.homes > 0);
  const mean = total(sums.map(({ load }) => load)) / sums.length;
  if (!(mean > 0)) return null;
  const squares = total(sums.map(({ error }) => error ** 2)) / sums.length;
  const paid = paidDays.map((o) => payer(o, homes));
  return {
    errors: sums.map(({ error }) => error / mean),
    rrmse: Math.sqrt(squares) / mean,
    paidLoad: total(paidDays.map((o) => all[o]!.load)),
    paidHomeDays: total(paidDays.map((o) => all[o]!.homes)),
    wh: total(paid.map(({ wh }) => wh)),
    micros: total(paid.map(({ micros }) => micros)),
  };
}

const total = (values: readonly number[]): number => values.reduce((sum, value) => sum + value, 0);
