import { type Instant, type Interval, MINUTE, overlaps } from '../domain/interval.ts';
import { invalid } from '../domain/outcome.ts';
import type { CivilDay, ZoneDays } from '../domain/zone.ts';
import { adjustmentSlots, comparableDays, eventSlots } from './days.ts';
import { type Family, familyOf } from './family.ts';
import type { Method } from './method.ts';

/**
 * Which intervals of which days one event looks at. A slot row is the event's W slots, then the A slots of the adjustment window (before the
 * event, then after it), then the R slots that days are ranked on.
 */
export type Plan = {
  readonly eventDay: CivilDay;
  readonly window: Interval;
  /** Settlement interval, minutes. */
  readonly minutes: number;
  readonly eventCount: number;
  readonly windowCount: number;
  /** Slots a day is ranked on, where that is not the event window; 1 for a temperature, which `history` does not hold. */
  readonly rankCount: number;
  /** Days of the event day's class, latest first; what excludes some of them for one point is not looked at here. */
  readonly days: readonly CivilDay[];
  /** Slot starts of each of `days`; NaN where a short day has no such slot. */
  readonly history: readonly Float64Array[];
  /** Slot starts of the event day. */
  readonly actual: Float64Array;
  /** Every slot of each of `days`, where a share of missing ones excludes a day; else empty. */
  readonly whole: readonly Float64Array[];
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
  const step = minutes * MINUTE;
  const family = familyOf(method);
  const anchor = method.anchor === 'start' ? offsets[0]! : gridBelow(noticeAt, minutes, eventDay, zone);
  const pre = adjustmentSlots(anchor, method.fromMinutes, method.toMinutes, minutes);
  const post = adjustmentSlots(offsets.at(-1)! + step, family.post.fromMinutes, family.post.toMinutes, minutes);
  const rank = rankSlots(family, offsets, minutes);
  const days = family.source === 'same_day' ? [] : comparableDays(eventDay, method, holidays, zone);
  const starts = (day: CivilDay) =>
    Float64Array.of(...slotStarts(day, [...offsets, ...pre], zone), ...after(day, [...post, ...rank], zone));
  const history = days.map(starts);
  const actual = starts(eventDay);
  const whole = family.exclude.missingShare ? days.map((day) => wholeDay(day, step, zone)) : [];
  const lead = Float64Array.from({ length: 2 * LEAD }, (_, i) =>
    i < LEAD ? window.start - (LEAD - i) * step : window.end + (i - LEAD) * step,
  );
  let evidence: CivilDay[] | null = null;
  return {
    ...{ eventDay, window, minutes, days, history, actual, whole, lead },
    eventCount: offsets.length,
    windowCount: pre.length + post.length,
    rankCount: family.rankOn === 'temperature' ? 1 : rank.length,
    get evidence() {
      evidence ??= evidenceOf(
        eventDay,
        family.source === 'same_day' ? 0 : method.lookbackDays,
        [...history, ...whole, actual],
        zone,
      );
      return evidence;
    },
  };
}

/** Made when it is asked for: an estimate that settles nothing has no use for it. */
function evidenceOf(eventDay: CivilDay, lookbackDays: number, rows: readonly Float64Array[], zone: ZoneDays): CivilDay[] {
  const evidence = new Set<CivilDay>();
  for (let back = lookbackDays; back >= 0; back--) evidence.add(zone.plus(eventDay, -back));
  for (const row of rows) for (const start of row) if (!Number.isNaN(start)) evidence.add(zone.dayOf(start));
  return [...evidence].sort();
}

/** The slots days are ranked on, ms from midnight: a day, or a match window without the event and its guard; none for the event window. */
function rankSlots({ rankOn, match }: Family, event: readonly number[], minutes: number): number[] {
  const step = minutes * MINUTE;
  const [from, to] = rankOn === 'match_window' ? [match.fromMinutes, match.toMinutes] : [0, rankOn === 'day' ? 1440 : 0];
  const guard = rankOn === 'match_window' ? match.guardMinutes * MINUTE : Number.NaN; // the day as a whole bars nothing, and NaN overlaps nothing
  const barred = { start: event[0]! - guard, end: event.at(-1)! + step + guard };
  return adjustmentSlots(0, from, to, minutes).filter((at) => !overlaps({ start: at, end: at + step }, barred));
}

/** Starts of slots that may lie in the day before or after. */
const after = (day: CivilDay, offsets: readonly number[], zone: ZoneDays): number[] => {
  const midnight = zone.startOf(day);
  return offsets.map((offset) => midnight + offset);
};

function wholeDay(day: CivilDay, step: number, zone: ZoneDays): Float64Array {
  const midnight = zone.startOf(day);
  const slots = Math.floor((zone.startOf(zone.plus(day, 1)) - midnight) / step);
  return Float64Array.from({ length: slots }, (_, slot) => midnight + slot * step);
}

/** Working days are those that are neither Saturday, Sunday nor a holiday, whatever classes the method itself uses. */
export function isWorkingDay(day: CivilDay, holidays: ReadonlySet<CivilDay>, zone: ZoneDays): boolean {
  const weekday = zone.weekdayOf(day);
  return weekday !== 0 && weekday !== 6 && !holidays.has(day);
}

/** A zone that looks up each instant, each day's start and each next day once: all points of a shard ask for the same few hundred. */
export function remembering(zone: ZoneDays): ZoneDays {
  const days = new Map<Instant, CivilDay>();
  const next = new Map<CivilDay, CivilDay>();
  const starts = new Map<CivilDay, Instant>();
  const kept = <K, V>(known: Map<K, V>, key: K, look: (key: K) => V): V => {
    const found = known.get(key);
    if (found !== undefined) return found;
    const answer = look(key);
    known.set(key, answer);
    return answer;
  };
  return {
    ...zone,
    dayOf: (at) => kept(days, at, zone.dayOf),
    startOf: (day) => kept(starts, day, zone.startOf),
    plus: (day, count) => (count === 1 ? kept(next, day, (one) => zone.plus(one, 1)) : zone.plus(day, count)),
  };
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
