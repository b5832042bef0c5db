import { type Instant, type Interval, MINUTE } from '../domain/interval.ts';
import { invalid } from '../domain/outcome.ts';
import type { CivilDay, ZoneDays } from '../domain/zone.ts';
import { adjustmentSlots, comparableDays, eventSlots } from './days.ts';
import type { Method } from './method.ts';

/** Which intervals of which days one event looks at. A slot row is the event's W slots, then the A slots of the adjustment window. */
export type Plan = {
  readonly eventDay: CivilDay;
  readonly window: Interval;
  /** Settlement interval, minutes. */
  readonly minutes: number;
  readonly eventCount: number;
  readonly windowCount: number;
  /** Days of the event day's class, latest first; what excludes some of them for one point is not looked at here. */
  readonly days: readonly CivilDay[];
  /** Slot starts of each of `days`; NaN where a short day has no such slot. */
  readonly history: readonly Float64Array[];
  /** Slot starts of the event day. */
  readonly actual: Float64Array;
  /** LEAD settlement intervals before the window, then as many after it: shown in curves, never settled. */
  readonly lead: Float64Array;
  /** Every civil day whose meter-day is evidence: the look-back, the event day and what the adjustment window reaches; earliest first. */
  readonly evidence: readonly CivilDay[];
};

/** Settlement intervals shown before and after the window. */
export const LEAD = 4;

export type PlanInput = {
  readonly window: Interval;
  readonly noticeAt: Instant;
  readonly minutes: number;
  readonly method: Method;
  readonly holidays: ReadonlySet<CivilDay>;
  readonly zone: ZoneDays;
};

/**
 * Lays the event and adjustment windows over the look-back. Slots are counted from local midnight, so on the day clocks change they keep
 * their distance from midnight, and a slot a short day does not have is missing. Throws Refusal when the window lies off the grid.
 */
export function planOf({ window, noticeAt, minutes, method, holidays, zone }: PlanInput): Plan {
  const slots = eventSlots(window, minutes, zone);
  if (slots.fault !== null)
    throw invalid(slots.fault, `the event's window cannot be cut into intervals of ${minutes} minutes`, 'window');
  const { day: eventDay, offsets } = slots;
  const anchor = method.anchor === 'start' ? offsets[0]! : gridBelow(noticeAt, minutes, eventDay, zone);
  const adjustment = adjustmentSlots(anchor, method.fromMinutes, method.toMinutes, minutes);
  const all = [...offsets, ...adjustment];
  const days = comparableDays(eventDay, method, holidays, zone);
  const history = days.map((day) => slotStarts(day, all, zone));
  const actual = slotStarts(eventDay, all, zone);
  const step = minutes * MINUTE;
  const lead = Float64Array.from({ length: 2 * LEAD }, (_, i) =>
    i < LEAD ? window.start - (LEAD - i) * step : window.end + (i - LEAD) * step,
  );
  const evidence = new Set<CivilDay>();
  for (let back = method.lookbackDays; back >= 0; back--) evidence.add(zone.plus(eventDay, -back));
  for (const row of [...history, actual]) for (const start of row) if (!Number.isNaN(start)) evidence.add(zone.dayOf(start));
  return {
    ...{ eventDay, window, minutes, days, history, actual, lead },
    eventCount: offsets.length,
    windowCount: adjustment.length,
    evidence: [...evidence].sort(),
  };
}

/** Working days are those that are neither Saturday, Sunday nor a holiday, whatever classes the method itself uses. */
export function isWorkingDay(day: CivilDay, holidays: ReadonlySet<CivilDay>, zone: ZoneDays): boolean {
  const weekday = zone.weekdayOf(day);
  return weekday !== 0 && weekday !== 6 && !holidays.has(day);
}

/** A zone that looks up each instant once: all points of a shard ask for the same few hundred. */
export function remembering(zone: ZoneDays): ZoneDays {
  const days = new Map<Instant, CivilDay>();
  const dayOf = (at: Instant): CivilDay => {
    const known = days.get(at) ?? zone.dayOf(at);
    days.set(at, known);
    return known;
  };
  return { ...zone, dayOf };
}

/** Starts of slots given as ms from midnight of `day`; negative ones fall on the day before. NaN = not in this day. */
export function slotStarts(day: CivilDay, offsets: readonly number[], zone: ZoneDays): Float64Array {
  const midnight = zone.startOf(day);
  const next = zone.startOf(zone.plus(day, 1));
  return Float64Array.from(offsets, (offset) => (midnight + offset < next ? midnight + offset : Number.NaN));
}

/** An instant moved down to the grid of its own civil day, as ms from midnight of the event day. */
function gridBelow(at: Instant, minutes: number, eventDay: CivilDay, zone: ZoneDays): number {
  const midnight = zone.startOf(zone.dayOf(at));
  const step = minutes * MINUTE;
  return midnight + Math.floor((at - midnight) / step) * step - zone.startOf(eventDay);
}
