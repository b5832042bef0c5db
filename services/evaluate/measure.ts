import type { Interval } from '../domain/interval.ts';
import { type Rational, rational, ZERO } from '../domain/rational.ts';
import type { CivilDay } from '../domain/zone.ts';
import type { AreaCalendar, BaselineWh, Estimate, Estimator } from '../performance/estimate.ts';
import { baselineFloats } from '../performance/estimate.ts';
import type { LoadSeries } from '../performance/load-series.ts';
import { byCivilDay } from './civil-days.ts';
import type { Candidate } from './methods.ts';
import type { Occasion } from './occasions.ts';

/** What became of an adjustment: there was none, it was inside its bounds, or it was cut off above or below. */
export const ADJUSTED = { none: 0, free: 1, cappedUp: 2, cappedDown: 3 } as const;

/** The part of an occasion that lies in one civil day: what settlement has for an event. */
export type Part = { readonly occasion: number; readonly day: CivilDay; readonly window: Interval };

/** The status of a home on a day that is quiet for others only: it was called, and is not asked about. */
export const CALLED = 'called';

/**
 * One method on all occasions and homes. Cell (p, h), of part p, lies at p × homes + h; interval s of it at cell × width + s. NaN is no reading
 * or no baseline: a gap is never a zero.
 */
export type Measured = {
  readonly candidate: Candidate;
  readonly occasions: readonly Occasion[];
  readonly parts: readonly Part[];
  /** Of each occasion its parts, in their order: one, or two across midnight. */
  readonly partsOf: readonly (readonly number[])[];
  readonly homes: number;
  /** Length of an interval. */
  readonly minutes: number;
  /** Intervals of the longest part. */
  readonly width: number;
  /** `ok`, or the word that says why there is no figure. */
  readonly status: readonly string[];
  readonly baseline: Float64Array;
  readonly actual: Float64Array;
  readonly adjusted: Uint8Array;
  readonly settled: Uint8Array;
  readonly missing: Uint8Array;
  /** Exact Σ (baseline − metered) of the intervals that were read, Wh. */
  readonly delivered: Float64Array;
  readonly denominator: Float64Array;
  /** Where a double holds it not. */
  readonly exact: ReadonlyMap<number, Rational>;
  /** Of each cell the baseline as it was made; null without one, and where nobody asked to keep it. */
  readonly made: readonly (BaselineWh | null)[];
};

/** Asks a method for every baseline there can be. Millions of exact intervals are kept only where `keep` says that somebody looks at them. */
export function measure(
  estimate: Estimator,
  candidate: Candidate,
  occasions: readonly Occasion[],
  series: readonly LoadSeries[],
  calendar: AreaCalendar,
  keep: boolean,
): Measured {
  const homes = series.length;
  const minutes = series[0]?.minutes ?? 30;
  const { parts, partsOf } = partsAt(occasions, calendar);
  const width = Math.max(0, ...parts.map(({ window }) => Math.ceil((window.end - window.start) / (minutes * 60_000))));
  const cells = parts.length * homes;
  const status = new Array<string>(cells);
  const made = new Array<BaselineWh | null>(cells).fill(null);
  const columns = {
    ...{ baseline: new Float64Array(cells * width).fill(Number.NaN), actual: new Float64Array(cells * width).fill(Number.NaN) },
    ...{ adjusted: new Uint8Array(cells), settled: new Uint8Array(cells), missing: new Uint8Array(cells) },
    ...{ delivered: new Float64Array(cells), denominator: new Float64Array(cells).fill(1) },
  };
  const exact = new Map<number, Rational>();
  // Evidence is made when it is read, and costs as much as the estimate.
  const adjusts = mayAdjust(candidate);
  parts.forEach(({ occasion, window }, p) => {
    const { event, called } = occasions[occasion]!;
    // A household learns of the whole at once: what is past midnight has the notice of what is before.
    estimate(candidate.spec, series, calendar, { window, noticeAt: event.noticeAt }).forEach((found, h) => {
      const cell = p * homes + h;
      if (called?.has(series[h]!.meterId)) {
        status[cell] = CALLED;
        return;
      }
      found.actualWh.forEach((wh, slot) => {
        if (wh !== null) columns.actual[cell * width + slot] = wh;
      });
      const settled = found.actualWh.filter((wh) => wh !== null).length;
      status[cell] = found.baseline && settled === 0 ? 'event_day_missing' : found.quality.status;
      columns.settled[cell] = settled;
      columns.missing[cell] = found.actualWh.length - settled;
      if (!found.baseline || settled === 0) return;
      if (keep) made[cell] = found.baseline;
      columns.baseline.set(baselineFloats(found.baseline), cell * width);
      if (adjusts) columns.adjusted[cell] = adjustmentOf(found);
      const energy = deliveredOf(found);
      const { num, den } = energy;
      columns.delivered[cell] = Number(num);
      columns.denominator[cell] = Number(den);
      if (!Number.isSafeInteger(columns.delivered[cell]) || !Number.isSafeInteger(columns.denominator[cell]))
        exact.set(cell, energy);
    });
  });
  return { candidate, occasions, parts, partsOf, homes, width, status, exact, made, minutes, ...columns };
}

/** Occasions cut at midnight. */
export function partsAt(
  occasions: readonly Occasion[],
  { zone }: Pick<AreaCalendar, 'zone'>,
): Pick<Measured, 'parts' | 'partsOf'> {
  const parts: Part[] = [];
  const partsOf = occasions.map(({ event }, occasion) =>
    byCivilDay(event.window, zone).map((part) => parts.push({ occasion, ...part }) - 1),
  );
  return { parts, partsOf };
}

/** Σ A and Σ (B − A) of one home and occasion, over the intervals that have both; null where no part has a baseline. */
export function energies(measured: Measured, o: number, home: number): { load: number; error: number } | null {
  const { status, width, baseline, actual, homes, partsOf } = measured;
  let known = false;
  let [load, error] = [0, 0];
  for (const part of partsOf[o]!) {
    const cell = part * homes + home;
    if (status[cell] !== 'ok') continue;
    known = true;
    for (let at = cell * width; at < (cell + 1) * width; at++) {
      const apart = baseline[at]! - actual[at]!;
      if (Number.isNaN(apart)) continue;
      load += actual[at]!;
      error += apart;
    }
  }
  return known ? { load, error } : null;
}

/** Whether the occasion is one of that home's: a home that was called on a quiet day has none there. */
export const isHomes = ({ status, homes, partsOf }: Measured, o: number, home: number): boolean =>
  status[partsOf[o]![0]! * homes + home] !== CALLED;

const mayAdjust = ({ spec }: Candidate): boolean =>
  spec.kind === 'day_matching' && [spec.workingDay, spec.otherDay].some((method) => method.spec.adjustment.kind !== 'none');

function adjustmentOf({ evidence }: Estimate): number {
  if (evidence?.kind !== 'day_matching' || evidence.adjustment === null) return ADJUSTED.none;
  const { raw, applied, capped } = evidence.adjustment;
  if (!capped || raw === null) return ADJUSTED.free;
  return raw.num * applied.den > applied.num * raw.den ? ADJUSTED.cappedUp : ADJUSTED.cappedDown;
}

const MILLION = 1_000_000;

/** A baseline over one denominator; what a fit in doubles gave is taken to the millionth of a Wh. */
export const exactBaseline = (baseline: BaselineWh): { readonly numerators: readonly bigint[]; readonly denominator: bigint } =>
  baseline.kind === 'exact'
    ? baseline
    : { numerators: baseline.wh.map((wh) => BigInt(Math.round(wh * MILLION))), denominator: BigInt(MILLION) };

/** Σ (baseline − metered) over the intervals that were read. */
function deliveredOf({ baseline, actualWh }: Estimate): Rational {
  if (baseline === null) return ZERO;
  const { numerators, denominator } = exactBaseline(baseline);
  let num = 0n;
  actualWh.forEach((wh, slot) => {
    if (wh !== null) num += numerators[slot]! - BigInt(wh) * denominator;
  });
  return rational(num, denominator);
}
