import { MISSING } from '../performance/kernel.ts';
import { type LoadSeries, whAt } from '../performance/load-series.ts';

/** A plateau of load: intervals [first, end) stand `heightW` above the load before them. */
export type Step = { readonly first: number; readonly end: number; readonly heightW: number };

/** EV-like load of a home: its sessions, and W of it in every interval (0 outside sessions). */
export type EvLike = { readonly sessions: readonly Step[]; readonly heightW: number; readonly watts: Float64Array };

/** A slow charger on a 16 A socket draws 3.3 kW; below 2.5 kW kettles, irons and geysers crowd the picture. */
export const LEAST_STEP_W = 2500;
export const LEAST_MINUTES = 60;
const MOST_MINUTES = 14 * 60;
/** Hourly readings blur both ends of a plateau: two whole intervals at least. */
const LEAST_INTERVALS = 2;
/** A plateau stays within this of its level, and the sessions of a home within this share of their median height. */
const STABLE_SHARE = 0.15;
const STABLE_W = 500;
/** It ends when this share of its height falls away within two intervals. */
const FALL_SHARE = 0.7;
export const LEAST_SESSIONS = 3;
export const DAYS_A_SESSION = 14;

/**
 * Sustained steps of net load: a rise of at least 2.5 kW within two intervals, held for 1 to 14 hours within ±max(500 W, 15 %), then a
 * fall of at least 70 % of it within two intervals. A missing reading inside or beside a step makes it no step: nobody saw it end.
 * Rule of this house, after the edge detection of non-intrusive load monitoring (Hart, Proc. IEEE 80(12), 1992).
 */
export function sustainedSteps(series: LoadSeries): Step[] {
  const watts = wattsOf(series);
  const steps: Step[] = [];
  for (let i = 1; i < watts.length; ) {
    const found = stepAt(watts, i, i, series.minutes) ?? stepAt(watts, i, i + 1, series.minutes);
    if (found) steps.push(found);
    i = found ? found.end : i + 1;
  }
  return steps;
}

/** The step that rises in interval `rise` and is whole from `first` on. Written so that NaN, a gap, fails every comparison. */
function stepAt(watts: Float64Array, rise: number, first: number, minutes: number): Step | null {
  const least = Math.max(LEAST_INTERVALS, LEAST_MINUTES / minutes);
  const before = watts[rise - 1]!;
  if (!(watts[first]! - before >= LEAST_STEP_W)) return null;
  // A rise in two parts: the interval between lies between.
  if (first > rise && !(watts[rise]! > before && watts[rise]! < watts[first]!)) return null;
  let level = 0;
  for (let i = first; i < first + least; i++) level += (watts[i] ?? Number.NaN) / least;
  const height = level - before;
  if (!(height >= LEAST_STEP_W)) return null;
  const slack = Math.max(STABLE_W, STABLE_SHARE * height);
  let end = first;
  while (Math.abs(watts[end]! - level) <= slack) end++;
  const held = end - first;
  if (held < least || held * minutes > MOST_MINUTES) return null;
  const fallen = (i: number) => watts[i]! <= level - FALL_SHARE * height;
  if (!(fallen(end) || (watts[end]! <= level && fallen(end + 1)))) return null;
  let sum = 0;
  for (let i = first; i < end; i++) sum += watts[i]!;
  return { first, end, heightW: sum / held - before };
}

/**
 * The EV-like load of a home, or null. Twice: first who charges, by steps within 15 % of their median height (a charger draws the same every
 * time), at least three and at least one in 14 days; then, of such a home, every time its load stands that height above what it was before,
 * whatever else runs on top. It is EV-*like*: a heater, pump or welding set run this way looks the same.
 * @param days days of readings
 */
export function evLikeOf(series: LoadSeries, days: number): EvLike | null {
  const all = sustainedSteps(series);
  const heights = all.map(({ heightW }) => heightW).sort((a, b) => a - b);
  const median = heights[heights.length >> 1] ?? 0;
  const alike = all.filter(({ heightW }) => Math.abs(heightW - median) <= STABLE_SHARE * median);
  if (alike.length < Math.max(LEAST_SESSIONS, days / DAYS_A_SESSION)) return null;
  const load = wattsOf(series);
  const sessions = sessionsOf(load, median, series.minutes);
  const watts = new Float64Array(load.length);
  for (const { first, end } of sessions) {
    const before = load[first - 1]!;
    // The interval in which it rose, and that in which it fell, were under way for a part.
    for (let i = first; i <= end; i++) if (Number.isFinite(load[i])) watts[i] = Math.min(median, Math.max(0, load[i]! - before));
  }
  return { sessions, heightW: median, watts };
}

/** A session stands at this share of the charger's height above the load before it, and is over below that other share. */
const STANDS_SHARE = 0.8;
const OVER_SHARE = 0.4;
/** An interval in which it rose for a part shows that share at least. */
const PART_SHARE = 0.2;

/**
 * Every rise by a charger's height, held for an hour at least with whatever else on top, and fallen away within two intervals. A gap inside or
 * beside it makes it none, as with a step.
 */
function sessionsOf(watts: Float64Array, heightW: number, minutes: number): Step[] {
  const least = Math.max(LEAST_INTERVALS, LEAST_MINUTES / minutes);
  const sessions: Step[] = [];
  for (let i = 1; i < watts.length; ) {
    const before = watts[i - 1]!;
    const stands = (at: number) => watts[at]! - before >= STANDS_SHARE * heightW;
    const rises = watts[i]! - before >= PART_SHARE * heightW;
    const first = stands(i) ? i : rises && stands(i + 1) ? i + 1 : -1;
    let end = first;
    while (first >= 0 && stands(end)) end++;
    const over = (at: number) => watts[at]! - before <= OVER_SHARE * heightW;
    const held = end - first;
    const whole = first >= 0 && held >= least && held * minutes <= MOST_MINUTES && (over(end) || over(end + 1));
    if (whole) sessions.push({ first: i, end, heightW });
    i = whole ? end : i + 1;
  }
  return sessions;
}

function wattsOf(series: LoadSeries): Float64Array {
  const scale = 60 / series.minutes;
  return Float64Array.from(series.importWh, (_, i) => {
    const wh = whAt(series, i, 'net');
    return wh === MISSING ? Number.NaN : wh * scale;
  });
}
