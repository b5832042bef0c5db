import {
  type Adjustment,
  Adjustment_Anchor,
  Adjustment_Kind,
  type Baseline,
  Baseline_Select,
  type Terms,
} from '../../gen/lachak/v1/catalogue_pb.ts';
import { familyFault, isSameDay } from './family-terms.ts';
import { compareRatios, fault, ratioFault, type TermsFault } from './fault.ts';

const QUANTITIES: readonly string[] = ['import', 'export', 'net'];
const DAY_TYPES: readonly string[] = ['weekday_vs_nonworking', 'weekday_sat_sunhol', 'same_weekday', 'any'];
// Arena sizes of the core: 256 reference days, and a look-back that still is the same household.
const MOST_DAYS = 256;
const MOST_LOOKBACK = 400;

/** The day-matching family: X of Y, look-back, adjustment. Source: golden RULES §§2–6. */
export function baselineFault(terms: Terms): TermsFault | null {
  const { baseline } = terms;
  if (!baseline) return fault('baseline_missing', 'baseline', 'must say how the baseline is made; start from a preset');
  if (baseline.method !== 'DAY_MATCHING') return methodFault(baseline.method);
  if (!QUANTITIES.includes(baseline.quantity)) {
    return fault('quantity_unknown', 'baseline.quantity', `must be import, export or net, not "${baseline.quantity}"`);
  }
  if (isSameDay(baseline)) return sameDayFault(terms, baseline);
  if (baseline.select === Baseline_Select.SELECT_UNSPECIFIED)
    return fault('select_missing', 'baseline.select', 'must be HIGH, MID, LOW, ALL or NEAREST');
  return (
    countsFault(baseline, '') ??
    (DAY_TYPES.includes(baseline.dayType)
      ? null
      : fault('day_type_unknown', 'baseline.day_type', `must be one of ${DAY_TYPES.join(', ')}, not "${baseline.dayType}"`)) ??
    (baseline.nonWorking ? countsFault(onNonWorkingDays(baseline), 'non_working.') : null) ??
    lowUsageFault(baseline) ??
    (baseline.adjustment ? adjustmentFault(baseline.adjustment, terms) : null) ??
    familyFault(terms, baseline)
  );
}

/**
 * Methods that are computed (`lachak baseline`) but not paid by: what they rest on, sessions, temperatures or other people's loads, is no
 * meter-day, and a statement could not be checked from the readings it names.
 */
const NOT_SETTLED: Readonly<Record<string, string>> = {
  EV_SESSION: 'charging sessions',
  DEGREE_HOURS: 'outdoor temperatures',
  TIME_OF_WEEK: 'outdoor temperatures',
  CONTROL_GROUP: 'the means of other participants',
  NOMINATED: 'nominations',
  FIRM_SERVICE_LEVEL: 'contracted levels',
};

function methodFault(method: string): TermsFault {
  const rest = Object.hasOwn(NOT_SETTLED, method) ? NOT_SETTLED[method] : undefined;
  if (rest === undefined) return fault('method_unknown', 'baseline.method', `must be DAY_MATCHING, not "${method}"`);
  const why = `${method} rests on ${rest}, which a statement cannot prove yet; publish DAY_MATCHING, and study ${method} with lachak baseline`;
  return fault('method_not_settled', 'baseline.method', why);
}

/** A SAME_DAY baseline looks at no other day: all it needs is its window, which no adjustment may use as well. */
function sameDayFault(terms: Terms, baseline: Baseline): TermsFault | null {
  const { adjustment } = baseline;
  if (!adjustment)
    return fault('adjustment_missing', 'baseline.adjustment', 'must hold the window that a SAME_DAY baseline is the mean of');
  if (adjustment.kind !== Adjustment_Kind.NONE)
    return fault(
      'adjustment_missing',
      'baseline.adjustment.kind',
      'must be NONE: a SAME_DAY baseline is the mean of its window already',
    );
  return windowFault(adjustment, terms) ?? familyFault(terms, baseline);
}

/** The baseline as it holds when the event day is not a working day: zero fields keep the value above. */
export function onNonWorkingDays(baseline: Baseline): Baseline {
  const { nonWorking } = baseline;
  return {
    ...baseline,
    x: nonWorking?.x || baseline.x,
    y: nonWorking?.y || baseline.y,
    lookbackDays: nonWorking?.lookbackDays || baseline.lookbackDays,
    minDays: nonWorking?.minDays || baseline.minDays,
  };
}

function countsFault({ x, y, minGapDays, lookbackDays, minDays, select }: Baseline, part: string): TermsFault | null {
  const at = (name: string) => `baseline.${part}${name}`;
  if (x < 1) return fault('x_malformed', at('x'), 'must be at least 1');
  if (y > MOST_DAYS) return fault('y_malformed', at('y'), `must be at most ${MOST_DAYS}, not ${y}`);
  if (x > y) return fault('x_above_y', at('x'), `is ${x}, more than y, which is ${y}`);
  if (select === Baseline_Select.ALL && x !== y)
    return fault('x_not_y', at('x'), `is ${x} of ${y}, but select ALL takes them all: make them equal`);
  // A gap of 0 would let the event day itself be its own baseline.
  if (minGapDays < 1) return fault('gap_malformed', 'baseline.min_gap_days', 'must be at least 1 day before the event day');
  if (lookbackDays > MOST_LOOKBACK)
    return fault('lookback_malformed', at('lookback_days'), `must be at most ${MOST_LOOKBACK}, not ${lookbackDays}`);
  if (lookbackDays - minGapDays + 1 < y) {
    return fault(
      'lookback_too_short',
      at('lookback_days'),
      `of ${lookbackDays} days, from ${minGapDays} back, cannot hold ${y} days`,
    );
  }
  if (minDays < 1 || minDays > y) return fault('min_days_malformed', at('min_days'), `must be 1 to ${y}, not ${minDays}`);
  return null;
}

function lowUsageFault({ lowUsageThreshold }: Baseline): TermsFault | null {
  const field = 'baseline.low_usage_threshold';
  const malformed = ratioFault(lowUsageThreshold, field);
  if (malformed || !lowUsageThreshold) return malformed;
  return lowUsageThreshold.num >= lowUsageThreshold.den
    ? fault('low_usage_malformed', field, 'must be below 1: it is a share of the mean day, and would reject every day')
    : null;
}

function adjustmentFault(adjustment: Adjustment, terms: Terms): TermsFault | null {
  const at = (name: string) => `baseline.adjustment.${name}`;
  const { kind, ratioMin, ratioMax, capFraction } = adjustment;
  if (kind === Adjustment_Kind.KIND_UNSPECIFIED)
    return fault('adjustment_missing', at('kind'), 'must be NONE, ADDITIVE or MULTIPLICATIVE');
  if (kind === Adjustment_Kind.NONE) return null;
  const window = windowFault(adjustment, terms);
  if (window) return window;
  if (kind === Adjustment_Kind.ADDITIVE && (ratioMin || ratioMax)) {
    return fault(
      'adjustment_cap',
      at(ratioMin ? 'ratio_min' : 'ratio_max'),
      'belongs to MULTIPLICATIVE; an ADDITIVE shift is bounded by cap_fraction',
    );
  }
  if (kind === Adjustment_Kind.MULTIPLICATIVE && capFraction && !adjustment.additiveInstead) {
    return fault('adjustment_cap', at('cap_fraction'), 'belongs to ADDITIVE; a ratio is bounded by ratio_min and ratio_max');
  }
  return (
    ratioFault(ratioMin, at('ratio_min')) ??
    ratioFault(ratioMax, at('ratio_max')) ??
    ratioFault(capFraction, at('cap_fraction')) ??
    (ratioMin && ratioMax && compareRatios(ratioMin, ratioMax) > 0
      ? fault('adjustment_cap', at('ratio_min'), 'is above ratio_max')
      : null)
  );
}

/** Before notice, on the grid; it may be left to the part after the event. */
function windowFault(
  { fromMinutes, toMinutes, postFromMinutes, postToMinutes, anchor }: Adjustment,
  terms: Terms,
): TermsFault | null {
  const at = (name: string) => `baseline.adjustment.${name}`;
  if (fromMinutes < -1440)
    return fault('adjustment_window', at('from_minutes'), `must be at least -1440 (a day before), not ${fromMinutes}`);
  if (toMinutes > 0) return fault('adjustment_window', at('to_minutes'), `must be at most 0, not ${toMinutes}`);
  if (fromMinutes > toMinutes || (fromMinutes === toMinutes && postFromMinutes >= postToMinutes))
    return fault('adjustment_window', at('from_minutes'), `is ${fromMinutes}, not before to_minutes ${toMinutes}`);
  const grid = terms.settlementIntervalMinutes;
  for (const [name, minutes] of [
    ['from_minutes', fromMinutes],
    ['to_minutes', toMinutes],
  ] as const) {
    if (minutes % grid !== 0)
      return fault('adjustment_off_grid', at(name), `must be a multiple of ${grid} minutes, not ${minutes}`);
  }
  // After notice, load is no longer innocent: pre-cooling would raise the baseline it is paid against.
  if (anchor !== Adjustment_Anchor.NOTICE && fromMinutes < toMinutes && toMinutes > -terms.noticeMinutes) {
    return fault(
      'adjustment_after_notice',
      at('to_minutes'),
      `is ${toMinutes}, after notice goes out ${terms.noticeMinutes} minutes ahead; end it at -${terms.noticeMinutes} or earlier, or anchor it to NOTICE`,
    );
  }
  return null;
}
