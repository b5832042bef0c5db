import type { Instant, Interval } from '../domain/interval.ts';
import { Refusal } from '../domain/outcome.ts';
import type { Rational } from '../domain/rational.ts';
import type { CivilDay, ZoneDays } from '../domain/zone.ts';
import { type ContractEvidence, type FirmServiceLevel, holdToFirmLevel, type Nominated, takeNomination } from './contracted.ts';
import { type ControlEvidence, type ControlGroup, compareGroups } from './control-group.ts';
import { type DayMatching, type DayMatchingEvidence, matchDays } from './day-matching.ts';
import { type DegreeHours, type DegreeHoursEvidence, regressDegreeHours } from './degree-hours.ts';
import type { Kernel } from './kernel.ts';
import type { LoadSeries } from './load-series.ts';
import { nearestFloat } from './rational.ts';
import { type SessionEvidence, settleSessions } from './session-baseline.ts';
import type { SessionBaseline } from './session-plan.ts';
import { regressTimeOfWeek, type TimeOfWeek, type TimeOfWeekEvidence } from './time-of-week.ts';

/*
 * Every method of making a baseline stands behind one call:
 *
 *     estimate(spec, series, calendar, event) → one { baseline, quality, evidence } a meter, in the order of `series`
 *
 * To add a method: give its spec a `kind`, its evidence the same, and `methods` its function. A method never throws for what a meter's
 * readings are: it answers with a status and a reason. A Refusal it throws (a spec or window that cannot be) becomes that of every meter.
 */

/** A method with all its numbers. */
export type MethodSpec = DayMatching | DegreeHours | TimeOfWeek | SessionBaseline | ControlGroup | Nominated | FirmServiceLevel;

/** What a method rests on beside the readings, in its own words. */
export type Evidence =
  | DayMatchingEvidence
  | DegreeHoursEvidence
  | TimeOfWeekEvidence
  | SessionEvidence
  | ControlEvidence
  | ContractEvidence;

/** Days as one area has them. */
export type AreaCalendar = {
  readonly zone: ZoneDays;
  readonly holidays: ReadonlySet<CivilDay>;
  /** Never a reference day for anybody, by name of the reason. */
  readonly excluded: ReadonlyMap<CivilDay, string>;
};

/** One event, or a placebo: the window a baseline is wanted for. */
export type EventWindow = {
  readonly window: Interval;
  /** When the household learnt of it; from then on its load is no longer innocent. */
  readonly noticeAt: Instant;
};

/** Baseline of each interval of the window, Wh: exact over one denominator, or what a fit in doubles gave. */
export type BaselineWh =
  | { readonly kind: 'exact'; readonly numerators: readonly bigint[]; readonly denominator: bigint }
  | { readonly kind: 'float'; readonly wh: readonly number[] };

export type EstimateQuality = {
  /** `ok`, or one stable word that says why there is no baseline. */
  readonly status: string;
  /** The same as a sentence; empty when ok. */
  readonly reason: string;
  readonly flags: readonly string[];
  /** Days, sessions or meters the baseline is made from. */
  readonly references: number;
  /** Intervals of the window without a reading. */
  readonly missing: number;
};

export type Estimate = {
  readonly meterId: string;
  /** Null unless the status is ok. */
  readonly baseline: BaselineWh | null;
  readonly quality: EstimateQuality;
  /** Null where nothing was looked at. Made when it is read. */
  readonly evidence: Evidence | null;
  /** What was metered in each interval of the window, Wh; null = no reading. */
  readonly actualWh: readonly (number | null)[];
};

export type Estimator = (
  spec: MethodSpec,
  series: readonly LoadSeries[],
  calendar: AreaCalendar,
  event: EventWindow,
) => readonly Estimate[];

/** What methods compute with. */
export type Machines = { readonly kernel: Kernel };

type Method<K extends MethodSpec['kind']> = (
  machines: Machines,
  spec: Extract<MethodSpec, { kind: K }>,
  series: readonly LoadSeries[],
  calendar: AreaCalendar,
  event: EventWindow,
) => readonly Estimate[];

const methods: { readonly [K in MethodSpec['kind']]: Method<K> } = {
  day_matching: matchDays,
  degree_hours: regressDegreeHours,
  time_of_week: regressTimeOfWeek,
  ev_session: settleSessions,
  control_group: compareGroups,
  nominated: takeNomination,
  firm_service_level: holdToFirmLevel,
};

/** The one door to all methods. Never throws for a spec, window or reading: every meter gets a status and a reason. */
export function estimator(machines: Machines): Estimator {
  return (spec, series, calendar, event) => {
    try {
      const method = methods[spec.kind] as Method<MethodSpec['kind']> | undefined;
      if (!method) throw new Refusal('invalid', 'method_unknown', `there is no method ${spec.kind}`);
      return method(machines, spec, series, calendar, event);
    } catch (error) {
      if (error instanceof Refusal) return series.map(({ meterId }) => without(meterId, error.code, error.message));
      // RangeError is how the core says that a spec or shape lies outside its proven bound.
      if (error instanceof RangeError) return series.map(({ meterId }) => without(meterId, 'outside_bounds', error.message));
      throw error;
    }
  };
}

/** No baseline, and why. */
export const without = (meterId: string, status: string, reason: string): Estimate => ({
  ...{ meterId, baseline: null, evidence: null, actualWh: [] },
  quality: { status, reason, flags: [], references: 0, missing: 0 },
});

/** A baseline as the nearest doubles, for plots and statistics; never for money. */
export function baselineFloats(baseline: BaselineWh): number[] {
  if (baseline.kind === 'float') return [...baseline.wh];
  const { numerators, denominator: den } = baseline;
  return numerators.map((num) => nearestFloat({ num, den }));
}

/** One interval of an exact baseline. */
export const baselineAt = ({ numerators, denominator }: Extract<BaselineWh, { kind: 'exact' }>, slot: number): Rational => ({
  num: numerators[slot]!,
  den: denominator,
});
