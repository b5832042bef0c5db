import { MISSING } from '../performance/kernel.ts';
import { type LoadSeries, whAt } from '../performance/load-series.ts';

/** A plateau of load: intervals [first, end) stand `heightW` above the load before them. */
export type Step = { readonly first: number; readonly end: number; readonly heightW: number };

/** EV-like load of a home: its sessions, and W of it in every interval (0 outside sessions). */
export type EvLike = { readonly sessions: readonly Step[]; readonly heightW: number; readonly watts: Float64Array };

/** The thresholds by which a load is taken for a charger's. Shares are of the height of a step. */
export type EvRule = {
  /** A step is at least so high, W: a slow charger on a 16 A socket draws 3.3 kW; below 2.5 kW kettles and irons crowd the picture. */
  readonly leastStepW: number;
  /** stays within this of its level (or within 500 W, whichever is more), */
  readonly stableShare: number;
  /** and ends when so much of it falls away within two intervals. */
  readonly fallShare: number;
  /** Steps of one charger lie within this of their median height: it draws the same every time. */
  readonly alikeShare: number;
  /** A home that charges shows at least one in so many days. */
  readonly daysAStep: number;
  /** Of a charger's height: a session stands at the first above the load before it, and is over below the second. */
  readonly standsShare: number;
  readonly overShare: number;
  /** One session in ten takes at least so much, Wh: a car comes home empty now and then, a geyser or an oven never takes as much. */
  readonly fullWh: number;
};

/** Chosen on one half of homes and drivers, tried on the other: `ev-like.test.ts`. */
export const EV_RULE: EvRule = {
  ...{ leastStepW: 2500, stableShare: 0.15, fallShare: 0.6, alikeShare: 0.15, daysAStep: 14 },
  ...{ standsShare: 0.7, overShare: 0.2, fullWh: 8000 },
};

const LEAST_MINUTES = 60;
const MOST_MINUTES = 14 * 60;
/** Hourly readings blur both ends of a plateau: two whole intervals at least. */
const LEAST_INTERVALS = 2;
const STABLE_W = 500;
const LEAST_STEPS = 3;
/** An interval in which it rose for a part shows that share of its height at least. */
const PART_SHARE = 0.2;

/**
 * Sustained steps of net load: a rise of at least 2.5 kW within two intervals, held for 1 to 14 hours within ±max(500 W, 15 %), then a
 * fall of at least 60 % of it within two intervals. A missing reading inside or beside a step makes it no step: nobody saw it end.
 * Rule of this house, after the edge detection of non-intrusive load monitoring (Hart, Proc. IEEE 80(12), 1992).
 */
export function sustainedSteps(series: LoadSeries, rule: EvRule = EV_RULE): Step[] {
  const watts = wattsOf(series);
  const steps: Step[] = [];
  for (let i = 1; i < watts.length; ) {
    const found = stepAt(watts, i, i, series.minutes, rule) ?? stepAt(watts, i, i + 1, series.minutes, rule);
    if (found) steps.push(found);
    i = found ? found.end : i + 1;
  }
  return steps;
}

/** The step that rises in interval `rise` and is whole from `first` on. Written so that NaN, a gap, fails every comparison. */
function stepAt(watts: Float64Array, rise: number, first: number, minutes: number, rule: EvRule): Step | null {
  const least = Math.max(LEAST_INTERVALS, LEAST_MINUTES / minutes);
  const before = watts[rise - 1]!;
  if (!(watts[first]! - before >= rule.leastStepW)) return null;
  // A rise in two parts: the interval between lies between.
  if (first > rise && !(watts[rise]! > before && watts[rise]! < watts[first]!)) return null;
  let level = 0;
  for (let i = first; i < first + least; i++) level += (watts[i] ?? Number.NaN) / least;
  const height = level - before;
  if (!(height >= rule.leastStepW)) return null;
  const slack = Math.max(STABLE_W, rule.stableShare * height);
  let end = first;
  while (Math.abs(watts[end]! - level) <= slack) end++;
  const held = end - first;
  if (held < least || held * minutes > MOST_MINUTES) return null;
  const fallen = (i: number) => watts[i]! <= level - rule.fallShare * height;
  if (!(fallen(end) || (watts[end]! <= level && fallen(end + 1)))) return null;
  let sum = 0;
  for (let i = first; i < end; i++) sum += watts[i]!;
  return { first, end, heightW: sum / held - before };
}

/**
 * The EV-like load of a home, or null. Twice: first who charges, by steps within 15 % of their median height (a charger draws the same every
 * time), at least three and at least one in 14 days; then, of such a home, every time its load stands that height above what it was before,
 * whatever else runs on top, and one time in ten takes 8 kWh or more. It is EV-*like*: a heater, pump or welding set run this way looks the same.
 * @param days days of readings
 */
export function evLikeOf(series: LoadSeries, days: number, rule: EvRule = EV_RULE): EvLike | null {
  const all = sustainedSteps(series, rule);
  const heights = all.map(({ heightW }) => heightW).sort((a, b) => a - b);
  const median = heights[heights.length >> 1] ?? 0;
  const alike = all.filter(({ heightW }) => Math.abs(heightW - median) <= rule.alikeShare * median);
  if (alike.length < Math.max(LEAST_STEPS, days / rule.daysAStep)) return null;
  const load = wattsOf(series);
  const sessions = sessionsOf(load, median, series.minutes, rule);
  const taken = sessions.map(({ first, end }) => ((end - first) * series.minutes * median) / 60).sort((a, b) => b - a);
  if (sessions.length === 0 || taken[Math.floor(sessions.length / 10)]! < rule.fullWh) return null;
  const watts = new Float64Array(load.length);
  for (const { first, end } of sessions) {
    const before = load[first - 1]!;
    // The interval in which it rose, and that in which it fell, were under way for a part.
    for (let i = first; i <= end; i++) if (Number.isFinite(load[i])) watts[i] = Math.min(median, Math.max(0, load[i]! - before));
  }
  return { sessions, heightW: median, watts };
}

/**
 * Every rise by a charger's height, held for an hour at least with whatever else on top, and fallen away within two intervals. A gap inside or
 * beside it makes it none, as with a step.
 */
function sessionsOf(watts: Float64Array, heightW: number, minutes: number, rule: EvRule): Step[] {
  const least = Math.max(LEAST_INTERVALS, LEAST_MINUTES / minutes);
  const sessions: Step[] = [];
  for (let i = 1; i < watts.length; ) {
    const before = watts[i - 1]!;
    const stands = (at: number) => watts[at]! - before >= rule.standsShare * heightW;
    const rises = watts[i]! - before >= PART_SHARE * heightW;
    const first = stands(i) ? i : rises && stands(i + 1) ? i + 1 : -1;
    let end = first;
    while (first >= 0 && stands(end)) end++;
    const over = (at: number) => watts[at]! - before <= rule.overShare * heightW;
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
