import { invalid } from '../domain/outcome.ts';
import type { Rational } from '../domain/rational.ts';
import { MISSING } from '../domain/tile.ts';
import type { CivilDay } from '../domain/zone.ts';
import { dayClass } from './days.ts';
import type { AreaCalendar, Estimate, EventWindow, Machines } from './estimate.ts';
import { familyOf, isPlain } from './family.ts';
import type { FamilyInput } from './family-kernel.ts';
import type { EstimateStatus, Kernel, MeterEstimate } from './kernel.ts';
import type { LoadSeries } from './load-series.ts';
import { type Exclusions, matchColumns, summed } from './match-columns.ts';
import type { Method } from './method.ts';
import { isWorkingDay, type Plan, planOf } from './windows.ts';

/** Day matching: the days most like the event's, averaged. Its numbers may differ where the event day is no working day. */
export type DayMatching = { readonly kind: 'day_matching'; readonly workingDay: Method; readonly otherDay: Method };

export type DayMatchingEvidence = {
  readonly kind: 'day_matching';
  readonly eventDay: CivilDay;
  readonly dayClass: string;
  /** Latest first. */
  readonly candidateDays: readonly CivilDay[];
  /** Earliest first, as are those below. */
  readonly selectedDays: readonly CivilDay[];
  readonly lowUsageRejected: readonly CivilDay[];
  readonly excludedDays: readonly { readonly day: CivilDay; readonly reason: string }[];
  /** Wh over the event window, of the candidates. */
  readonly scoresWh: readonly number[];
  /** Shares of the selected days, in their order; null = all alike. */
  readonly weights: readonly Rational[] | null;
  /** Event days that came in for want of others. */
  readonly refilledDays: readonly CivilDay[];
  /** Thousandths of a degree of the days that were ranked on them, the event day's among them; null = they were not. */
  readonly temperatures: Readonly<Record<CivilDay, number>> | null;
  /** Meters that are not in the sum of all, where the level is AGGREGATE. */
  readonly leftOut: readonly string[];
  readonly adjustment: {
    /** `additive` also where a shift took the place of a ratio without meaning. */
    readonly kind: string;
    /** Before direction and cap; Wh (additive) or a ratio (multiplicative). */
    readonly raw: Rational | null;
    readonly applied: Rational;
    readonly capped: boolean;
  } | null;
};

/**
 * The method of day matching. Meters of one interval length go through the core together. At the level AGGREGATE all meters are one load and
 * have one answer, that of meter `aggregate`.
 */
export function matchDays(
  { kernel }: Machines,
  spec: DayMatching,
  series: readonly LoadSeries[],
  calendar: AreaCalendar,
  event: EventWindow,
): Estimate[] {
  const { zone, holidays } = calendar;
  const method = isWorkingDay(zone.dayOf(event.window.start), holidays, zone) ? spec.workingDay : spec.otherDay;
  const grids = [...new Set(series.map((one) => one.minutes))];
  const together = familyOf(method).level === 'aggregate';
  if (together && grids.length > 1) throw invalid('mixed_grid', 'meters of different interval lengths have no common sum');
  const answers = new Array<Estimate>(together ? Math.min(1, series.length) : series.length);
  for (const minutes of grids) {
    const places = series.flatMap((one, i) => (one.minutes === minutes ? [i] : []));
    const lanes = places.map((place) => series[place]!);
    const plan = planOf({ ...event, minutes, method, holidays, zone });
    const { input, excluded, temperatures } = matchColumns(plan, method, lanes, calendar);
    const about = { plan, method, calendar };
    if (together) {
      const { input: sum, leftOut } = summed(input);
      const names = leftOut.map((m) => lanes[m]!.meterId);
      const common = { ...about, input: sum, m: 0, excluded: new Map(), temperatures: temperatures[0]!, leftOut: names };
      answers[0] = answerOf('aggregate', runDays(kernel, method, sum).at(0), common);
      continue;
    }
    const estimates = runDays(kernel, method, input);
    places.forEach((place, m) => {
      const own = { ...about, input, m, excluded: excluded[m]!, temperatures: temperatures[m]!, leftOut: [] };
      answers[place] = answerOf(series[place]!.meterId, estimates.at(m), own);
    });
  }
  return answers;
}

/** The plain cases have their own, faster way with the same integers. */
export const runDays = (kernel: Kernel, method: Method, input: FamilyInput) =>
  isPlain(method) && input.rankSlots === 0 ? kernel.estimate(input) : kernel.match(input);

const REASON: Record<EstimateStatus, string> = {
  ok: '',
  insufficient_days: 'fewer days like the event’s have readings and count than the method asks for',
  out_of_bounds: 'a result is no whole number of Wh that a computer holds exactly',
  event_day_missing: 'the event day lacks the readings or the temperature that the method compares with',
};

type About = {
  readonly plan: Plan;
  readonly method: Method;
  readonly calendar: AreaCalendar;
  readonly input: FamilyInput;
  readonly m: number;
  readonly excluded: Exclusions;
  readonly temperatures: ReadonlyMap<CivilDay, number>;
  readonly leftOut: readonly string[];
};

function answerOf(meterId: string, lane: MeterEstimate, about: About): Estimate {
  const { input, m } = about;
  const { result } = lane;
  return {
    meterId,
    baseline: result && { kind: 'exact', numerators: result.baseline, denominator: result.denominator },
    quality: {
      ...{ status: lane.status, reason: REASON[lane.status], flags: lane.flags },
      references: lane.selected.length,
      missing: lane.missingIntervals,
    },
    get evidence() {
      return evidenceOf(lane, about);
    },
    actualWh: Array.from({ length: input.eventSlots }, (_, slot) => {
      const wh = input.actual[slot * input.meters + m]!;
      return wh === MISSING ? null : wh;
    }),
  };
}

function evidenceOf(lane: MeterEstimate, about: About): DayMatchingEvidence {
  const { plan, method, calendar, excluded, temperatures, leftOut } = about;
  const dates = (rows: readonly number[]) => rows.map((row) => plan.days[row]!);
  const adjustment = lane.result?.adjustment;
  const shifted = lane.flags.includes('shifted_instead_of_ratio');
  return {
    kind: 'day_matching',
    eventDay: plan.eventDay,
    dayClass: dayClass(method.dayType, plan.eventDay, calendar.holidays, calendar.zone),
    candidateDays: dates(lane.candidates),
    selectedDays: dates(lane.selected).reverse(),
    lowUsageRejected: dates(lane.rejected).reverse(),
    excludedDays: [...excluded].reverse().flatMap(([day, reasons]) => reasons.map((reason) => ({ day, reason }))),
    scoresWh: lane.scoresWh,
    weights: lane.weights?.toReversed() ?? null,
    refilledDays: dates(lane.refilled).reverse(),
    temperatures: temperatures.size > 0 ? Object.fromEntries([...temperatures].reverse()) : null,
    leftOut,
    adjustment: adjustment
      ? {
          kind: shifted ? 'additive' : method.spec.adjustment.kind,
          raw: adjustment.raw,
          applied: adjustment.applied,
          capped: adjustment.capped,
        }
      : null,
  };
}
