import type { LoadSeries } from '../performance/load-series.ts';
import { chanceOf, quantile, type Ranged } from './chance.ts';
import { energies, type Measured } from './measure.ts';
import type { QuietHours } from './past-events.ts';
import { askedAt, LEAST, type Signal } from './signals.ts';
import { correlated } from './words.ts';

/** Fewer events left are no habit. */
const LEAST_LEFT = 5;
/** Weaker correlations are not worth a look. */
const WEAK = -0.4;
const RESAMPLES = 400;

/** Of all homes that left events: how many home-events, and the rank correlation of leaving with the residual within homes. */
export type LeftAgainst = { readonly homes: number; readonly left: number; readonly correlation: Ranged | null };

/**
 * Homes that leave events when the baseline is against them. On a day it leaves a home answers nothing, so its residual (B − A) ÷ B is chance, as
 * it is at the same hours of quiet days. Where a home leaves by turns of mind the two are alike; where it leaves when its load runs high and stays
 * when it runs low, to be paid for that, residuals of the days it left lie below. The rank-biserial correlation of leaving with the residual
 * (Glass 1966: the chance that a day left has the higher one, less the chance that it has the lower), a bootstrap interval over days, and
 * flagged at −0.4 or lower with the interval below zero. Event days may be unlike quiet days for everybody: the figure over all homes says so.
 */
export function leftAgainst(
  real: Measured,
  quiet: QuietHours,
  optOuts: readonly ReadonlySet<string>[],
  series: readonly LoadSeries[],
  { sign, seed }: { readonly sign: 1 | -1; readonly seed: number },
): { all: LeftAgainst; looked: number; signals: Signal[] } {
  const signals: Signal[] = [];
  const pooled: Ranked[] = [];
  let [homes, left, looked] = [0, 0, 0];
  series.forEach(({ meterId }, h) => {
    const events = optOuts.flatMap((those, o) => (those.has(meterId) ? [o] : []));
    const idle = [...new Set(askedAt(real.occasions, meterId).flatMap((o) => quiet.around[o]!))];
    const [gone, usual] = [residuals(real, events, h, sign), residuals(quiet.measured, idle, h, sign)];
    if (gone.length > 0) homes++;
    left += gone.length;
    if (gone.length === 0 || usual.length < LEAST) return;
    const all = ranksOf(gone, usual);
    pooled.push(all);
    if (gone.length < LEAST_LEFT) return;
    looked++;
    const found = correlationOf([all], seed);
    if (found === null || found.value > WEAK || found.high >= 0) return;
    const says = `left ${gone.length} events when its load ran above the baseline: rank correlation ${correlated(found)}`;
    signals.push({ meterId, sign: 'left_against', says });
  });
  return { all: { homes, left, correlation: correlationOf(pooled, seed) }, looked, signals };
}

/** Residuals as shares of the baseline, of the days that have both. */
function residuals(measured: Measured, occasions: readonly number[], home: number, sign: number): number[] {
  return occasions.flatMap((o) => {
    const energy = energies(measured, o, home);
    if (!energy) return [];
    const baseline = energy.load + energy.error;
    return baseline > 0 ? [(sign * energy.error) / baseline] : [];
  });
}

/** Ranks of the residuals among all of a home, from 0 to 1. */
type Ranked = { readonly left: readonly number[]; readonly stayed: readonly number[] };

function ranksOf(left: readonly number[], stayed: readonly number[]): Ranked {
  const all = [...left, ...stayed].sort((a, b) => a - b);
  // Equal residuals share the middle of their ranks.
  const rank = (value: number) => (all.indexOf(value) + all.lastIndexOf(value)) / 2 / Math.max(1, all.length - 1);
  return { left: left.map(rank), stayed: stayed.map(rank) };
}

/** Of ranks within homes, days drawn again within their home and kind. */
function correlationOf(homes: readonly Ranked[], seed: number): Ranged | null {
  const value = correlation(
    homes.flatMap(({ left }) => left),
    homes.flatMap(({ stayed }) => stayed),
  );
  if (value === null) return null;
  const chance = chanceOf(seed);
  const again = (values: readonly number[]) => values.map(() => values[Math.floor(chance() * values.length)]!);
  const found = Array.from({ length: RESAMPLES }, () =>
    correlation(
      homes.flatMap(({ left }) => again(left)),
      homes.flatMap(({ stayed }) => again(stayed)),
    ),
  ).filter((one) => one !== null);
  return { value, low: quantile(found, 0.025) ?? value, high: quantile(found, 0.975) ?? value };
}

/** Of ranks from 0 to 1: −1 where every day left lies below every quiet day, +1 where above. Null where there are not both. */
function correlation(left: readonly number[], stayed: readonly number[]): number | null {
  if (left.length === 0 || stayed.length === 0) return null;
  const mean = (values: readonly number[]) => values.reduce((sum, value) => sum + value, 0) / values.length;
  const count = left.length + stayed.length;
  return (2 * (mean(left) - mean(stayed)) * (count - 1)) / count;
}
