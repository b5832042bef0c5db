import { quantile, type Ranged, ratioOverDays } from './chance.ts';
import { ADJUSTED, energies, isHomes, type Measured } from './measure.ts';
import type { Paid, Payer } from './paid.ts';

/** How well a method knew what homes would have taken, and what it would have paid them. Shares are of metered load. */
export type Figures = {
  readonly homes: number;
  readonly days: number;
  /** Homes × days, less those on which a home was called; and those of them with a baseline. */
  readonly homeDays: number;
  readonly measured: number;
  /** measured ÷ homeDays; null of none. */
  readonly coverage: number | null;
  /** Home-days without a figure, by the word that says why; and home-days that lack some interval of the window. */
  readonly lost: Readonly<Record<string, number>>;
  readonly incomplete: number;
  /** Metered, Wh, where there is a baseline. */
  readonly loadWh: number;
  /** Σ(B − A) ÷ ΣA. */
  readonly bias: Ranged | null;
  /** √mean (B − A)² ÷ mean A, over intervals: of single homes, and of their sum. */
  readonly rrmseHome: number | null;
  readonly rrmsePortfolio: number | null;
  /** Of (B − A) a home and day, as a share of that home's mean load: 5, 25, 50, 75, 95 %. */
  readonly quantiles: readonly (number | null)[];
  /** Of adjusted baselines, those whose adjustment was cut off. */
  readonly capped: number | null;
  /** Paid for nothing, as shares of load: clamped each interval, each home netted alone, and by the full terms as one portfolio. */
  readonly clamped: number | null;
  readonly alone: number | null;
  readonly falseCredit: Ranged | null;
  readonly falseWh: number;
  /** After penalties, and what they took of it. */
  readonly falseMicros: number;
  readonly penaltyMicros: number;
  readonly aloneMicros: number;
};

export const SHARES = [0.05, 0.25, 0.5, 0.75, 0.95];

/** Figures of some occasions and homes, `paid` under one programme's terms. Each day's homes are one portfolio. `sign` as in those terms. */
export function figuresOf(
  measured: Measured,
  days: readonly number[],
  homes: readonly number[],
  payer: Payer,
  sign: 1 | -1,
  seed: number,
): Figures {
  const sums = days.map((o) => daySums(measured, o, homes, sign));
  const paid = days.map((o) => payer(o, homes));
  const total = (read: (day: DaySums) => number) => sums.reduce((sum, day) => sum + read(day), 0);
  const pay = (read: (day: Paid) => number) => paid.reduce((sum, day) => sum + read(day), 0);
  const loadWh = total((day) => day.load);
  const loads = sums.map((day) => day.load);
  const share = (wh: number) => (loadWh > 0 ? wh / loadWh : null);
  const [count, adjusted] = [total((day) => day.measured), total((day) => day.adjusted)];
  const homeDays = total((day) => day.homes);
  const lost: Record<string, number> = {};
  for (const day of sums) for (const word of day.lost) lost[word] = (lost[word] ?? 0) + 1;
  const errors = homeErrors(measured, days, homes);
  return {
    ...{ homes: homes.length, days: days.length, homeDays, measured: count, lost, loadWh },
    coverage: homeDays === 0 ? null : count / homeDays,
    incomplete: total((day) => day.incomplete),
    bias: ratioOverDays(
      sums.map((day) => day.error),
      loads,
      seed,
    ),
    rrmseHome: rrmse(
      total((day) => day.squares),
      total((day) => day.intervals),
      loadWh,
    ),
    rrmsePortfolio: rrmse(
      total((day) => day.sumSquares),
      total((day) => day.sumIntervals),
      loadWh,
    ),
    quantiles: SHARES.map((at) => quantile(errors, at)),
    capped: adjusted === 0 ? null : total((day) => day.capped) / adjusted,
    clamped: share(total((day) => day.clamped)),
    alone: share(pay((day) => day.aloneWh)),
    falseCredit: ratioOverDays(
      paid.map((day) => day.wh),
      loads,
      seed,
    ),
    falseWh: pay((day) => day.wh),
    falseMicros: pay((day) => day.micros),
    penaltyMicros: pay((day) => day.penaltyMicros),
    aloneMicros: pay((day) => day.aloneMicros),
  };
}

type DaySums = {
  homes: number;
  measured: number;
  incomplete: number;
  adjusted: number;
  capped: number;
  lost: string[];
  load: number;
  error: number;
  clamped: number;
  squares: number;
  intervals: number;
  sumSquares: number;
  sumIntervals: number;
};

/** Sums of one day in plain loops: millions of intervals pass here. */
function daySums(measured: Measured, o: number, homes: readonly number[], sign: 1 | -1): DaySums {
  const { width, baseline, actual, status, adjusted, missing } = measured;
  const day: DaySums = {
    ...{ homes: 0, measured: 0, incomplete: 0, adjusted: 0, capped: 0, lost: [], load: 0, error: 0, clamped: 0 },
    ...{ squares: 0, intervals: 0, sumSquares: 0, sumIntervals: 0 },
  };
  const parts = measured.partsOf[o]!;
  const together = new Float64Array(parts.length * width);
  const read = new Uint32Array(parts.length * width);
  for (const h of homes) {
    if (!isHomes(measured, o, h)) continue;
    day.homes++;
    let [gaps, known] = [0, 0];
    for (let k = 0; k < parts.length; k++) {
      const cell = parts[k]! * measured.homes + h;
      gaps += missing[cell]!;
      if (status[cell] !== 'ok') continue;
      known++;
      if (adjusted[cell] !== ADJUSTED.none) day.adjusted++;
      if (adjusted[cell]! > ADJUSTED.free) day.capped++;
      for (let slot = 0; slot < width; slot++) {
        const metered = actual[cell * width + slot]!;
        const error = baseline[cell * width + slot]! - metered;
        if (Number.isNaN(error)) continue;
        day.load += metered;
        day.error += error;
        if (sign * error > 0) day.clamped += sign * error;
        day.squares += error * error;
        day.intervals++;
        together[k * width + slot]! += error;
        read[k * width + slot]!++;
      }
    }
    if (gaps > 0) day.incomplete++;
    if (known > 0) day.measured++;
    else day.lost.push(status[parts[0]! * measured.homes + h]!);
  }
  for (let at = 0; at < read.length; at++) {
    if (read[at] === 0) continue;
    day.sumSquares += together[at]! ** 2;
    day.sumIntervals++;
  }
  return day;
}

const rrmse = (squares: number, count: number, load: number): number | null =>
  count === 0 || load <= 0 ? null : Math.sqrt(squares / count) / (load / count);

/** (B − A) of each home and day over the home's mean A; homes that take nothing have no share. */
function homeErrors(measured: Measured, days: readonly number[], homes: readonly number[]): number[] {
  return homes.flatMap((h) => {
    const cells = days.map((o) => energies(measured, o, h)).filter((cell) => cell !== null);
    const mean = cells.reduce((sum, { load }) => sum + load, 0) / cells.length;
    return mean > 0 ? cells.map(({ error }) => error / mean) : [];
  });
}
