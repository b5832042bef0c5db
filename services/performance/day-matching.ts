import type { Rational } from '../domain/rational.ts';
import type { CivilDay } from '../domain/zone.ts';
import { dayClass } from './days.ts';
import type { AreaCalendar, Estimate, EventWindow, Machines } from './estimate.ts';
import { type EstimateInput, type EstimateStatus, type MeterEstimate, MISSING } from './kernel.ts';
import { indexAt, type LoadSeries, whAt } from './load-series.ts';
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
  readonly adjustment: {
    readonly kind: string;
    /** Before direction and cap; Wh (additive) or a ratio (multiplicative). */
    readonly raw: Rational | null;
    readonly applied: Rational;
    readonly capped: boolean;
  } | null;
};

/** The method of day matching. Meters of one interval length go through the core together. */
export function matchDays(
  { kernel }: Machines,
  spec: DayMatching,
  series: readonly LoadSeries[],
  calendar: AreaCalendar,
  event: EventWindow,
): Estimate[] {
  const { zone, holidays } = calendar;
  const method = isWorkingDay(zone.dayOf(event.window.start), holidays, zone) ? spec.workingDay : spec.otherDay;
  const answers = new Array<Estimate>(series.length);
  for (const minutes of new Set(series.map((one) => one.minutes))) {
    const places = series.flatMap((one, i) => (one.minutes === minutes ? [i] : []));
    const plan = planOf({ ...event, minutes, method, holidays, zone });
    const excluded = places.map((place) => exclusionsOf(plan, series[place]!, calendar));
    const input = columnsOf(
      plan,
      method,
      places.map((place) => series[place]!),
      excluded,
    );
    const estimates = kernel.estimate(input);
    places.forEach((place, m) => {
      const about = { plan, method, calendar, input, m, excluded: excluded[m]! };
      answers[place] = answerOf(series[place]!.meterId, estimates.at(m), about);
    });
  }
  return answers;
}

type Exclusions = ReadonlyMap<CivilDay, readonly string[]>;

function exclusionsOf(plan: Plan, series: LoadSeries, calendar: AreaCalendar): Exclusions {
  const found = new Map<CivilDay, string[]>();
  for (const day of plan.days) {
    const reasons: string[] = [...(series.marks.get(day) ?? [])];
    const name = calendar.excluded.get(day);
    if (name !== undefined) reasons.unshift(`calendar:${name}`);
    if (reasons.length > 0) found.set(day, reasons);
  }
  return found;
}

function columnsOf(
  plan: Plan,
  method: Method,
  series: readonly LoadSeries[],
  excludedDays: readonly Exclusions[],
): EstimateInput {
  const { eventCount, windowCount } = plan;
  const meters = series.length;
  const slots = eventCount + windowCount;
  const history = new Int32Array(plan.days.length * slots * meters);
  const excluded = new Uint8Array(plan.days.length * meters);
  const actual = new Int32Array(slots * meters);
  series.forEach((one, m) => {
    const read = (start: number) => whAt(one, indexAt(one, start), method.quantity);
    plan.history.forEach((row, d) => {
      if (excludedDays[m]!.has(plan.days[d]!)) excluded[d * meters + m] = 1;
      for (let s = 0; s < slots; s++) history[(d * slots + s) * meters + m] = read(row[s]!);
    });
    for (let s = 0; s < slots; s++) actual[s * meters + m] = read(plan.actual[s]!);
  });
  const shape = { meters, days: plan.days.length, eventSlots: eventCount, windowSlots: windowCount };
  return { spec: method.spec, ...shape, history, excluded, actual };
}

const REASON: Record<EstimateStatus, string> = {
  ok: '',
  insufficient_days: 'fewer days like the event’s have readings and count than the method asks for',
  out_of_bounds: 'a result is no whole number of Wh that a computer holds exactly',
};

type About = {
  readonly plan: Plan;
  readonly method: Method;
  readonly calendar: AreaCalendar;
  readonly input: EstimateInput;
  readonly m: number;
  readonly excluded: Exclusions;
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

function evidenceOf(lane: MeterEstimate, { plan, method, calendar, excluded }: About): DayMatchingEvidence {
  const dates = (rows: readonly number[]) => rows.map((row) => plan.days[row]!);
  const adjustment = lane.result?.adjustment;
  return {
    kind: 'day_matching',
    eventDay: plan.eventDay,
    dayClass: dayClass(method.dayType, plan.eventDay, calendar.holidays, calendar.zone),
    candidateDays: dates(lane.candidates),
    selectedDays: dates(lane.selected).reverse(),
    lowUsageRejected: dates(lane.rejected).reverse(),
    excludedDays: [...excluded].reverse().flatMap(([day, reasons]) => reasons.map((reason) => ({ day, reason }))),
    scoresWh: lane.scoresWh,
    adjustment: adjustment
      ? {
          kind: method.spec.adjustment.kind,
          raw: adjustment.raw,
          applied: adjustment.applied,
          capped: adjustment.capped,
        }
      : null,
  };
}
