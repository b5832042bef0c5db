import { type Instant, type Interval, iso, MINUTE } from '../domain/interval.ts';
import { conflict, invalid, type Refusal } from '../domain/outcome.ts';
import type { CivilDay, ZoneDays } from '../domain/zone.ts';

/** What the terms say about when an event may lie. Minutes; 0 = no limit. */
export type CallRules = {
  readonly intervalMinutes: number;
  /** None = any time. Minutes of the civil day; no weekdays = every day. */
  readonly windows: readonly { readonly weekdays: readonly number[]; readonly fromMinute: number; readonly toMinute: number }[];
  readonly noticeMinutes: number;
  readonly gateClosureMinutes: number;
  readonly eventsPerDay: number;
  readonly eventsPerMonth: number;
  readonly eventsPerSeason: number;
  readonly minutesPerEvent: number;
  readonly minutesPerDay: number;
  readonly continuousMinutes: number;
  /** Civil days, inclusive; empty = no season. */
  readonly seasonFrom: CivilDay;
  readonly seasonTo: CivilDay;
};
type Fault = { readonly code: string; readonly because: string };

/** The cohort is committed at this instant, before notice goes out and before the window opens. */
export const gateClosure = (rules: CallRules, start: Instant): Instant =>
  start - Math.max(rules.gateClosureMinutes, rules.noticeMinutes) * MINUTE;
export const noticeInstant = (rules: CallRules, start: Instant): Instant => start - rules.noticeMinutes * MINUTE;

/**
 * Null: the window may be scheduled at `now`. Else the first fault in a fixed order, naming the nearest valid window.
 * `others` are the programme's other events that were not cancelled.
 */
export function refuseWindow(
  rules: CallRules,
  window: Interval,
  now: Instant,
  days: ZoneDays,
  others: readonly Interval[],
): Refusal | null {
  if (window.end <= window.start) return invalid('window_empty', 'the window must end after it starts', 'window');
  const fault = faultOf(rules, window, now, days, others);
  if (!fault) return null;
  const nearest = nearestValid(rules, window, now, days, others);
  const advice = nearest
    ? `; the nearest valid window is ${iso(nearest.start)} to ${iso(nearest.end)}`
    : '; there is no valid window within eight days';
  const make = fault.code.startsWith('limit_') || fault.code === 'gate_closure_passed' ? conflict : invalid;
  return make(fault.code, fault.because + advice, 'window');
}

function faultOf(rules: CallRules, window: Interval, now: Instant, days: ZoneDays, others: readonly Interval[]): Fault | null {
  const day = days.dayOf(window.start);
  const midnight = days.startOf(day);
  const grid = rules.intervalMinutes * MINUTE;
  if ((window.start - midnight) % grid !== 0 || (window.end - midnight) % grid !== 0) {
    return {
      code: 'window_off_grid',
      because: `the window must lie on the ${rules.intervalMinutes} minute grid of ${days.zone}`,
    };
  }
  if (days.dayOf(window.end - 1) !== day) {
    return { code: 'window_crosses_midnight', because: `the window must lie inside one civil day of ${days.zone}` };
  }
  if (!inCallWindows(rules, window, midnight, days.weekdayOf(day))) {
    return { code: 'outside_call_windows', because: 'the terms allow no event then' };
  }
  const limit = limitOf(rules, window, day, days, others);
  if (limit) return limit;
  if (gateClosure(rules, window.start) <= now) {
    return { code: 'gate_closure_passed', because: `gate closure was at ${iso(gateClosure(rules, window.start))}` };
  }
  return null;
}

function inCallWindows({ windows }: CallRules, window: Interval, midnight: Instant, weekday: number): boolean {
  const from = (window.start - midnight) / MINUTE;
  const to = (window.end - midnight) / MINUTE;
  return (
    windows.length === 0 ||
    windows.some(
      (call) => (call.weekdays.length === 0 || call.weekdays.includes(weekday)) && call.fromMinute <= from && to <= call.toMinute,
    )
  );
}

function limitOf(rules: CallRules, window: Interval, day: CivilDay, days: ZoneDays, others: readonly Interval[]): Fault | null {
  const minutes = minutesOf(window);
  const longest = longestOf(rules);
  if (minutes > longest) return { code: 'limit_minutes_per_event', because: `an event lasts at most ${longest} minutes` };
  const otherDays = others.map((other) => ({ day: days.dayOf(other.start), minutes: minutesOf(other) }));
  const sameDay = otherDays.filter((other) => other.day === day);
  const exceeds = (count: number, limit: number) => limit > 0 && count + 1 > limit;
  if (exceeds(sameDay.length, rules.eventsPerDay)) {
    return { code: 'limit_events_per_day', because: `${day} has its ${rules.eventsPerDay} events` };
  }
  if (exceeds(otherDays.filter((other) => other.day.slice(0, 7) === day.slice(0, 7)).length, rules.eventsPerMonth)) {
    return { code: 'limit_events_per_month', because: `${day.slice(0, 7)} has its ${rules.eventsPerMonth} events` };
  }
  const inSeason = (at: CivilDay) =>
    (rules.seasonFrom === '' || at >= rules.seasonFrom) && (rules.seasonTo === '' || at <= rules.seasonTo);
  if (inSeason(day) && exceeds(otherDays.filter((other) => inSeason(other.day)).length, rules.eventsPerSeason)) {
    return { code: 'limit_events_per_season', because: `the season has its ${rules.eventsPerSeason} events` };
  }
  const used = sameDay.reduce((sum, other) => sum + other.minutes, 0);
  if (rules.minutesPerDay > 0 && used + minutes > rules.minutesPerDay) {
    return { code: 'limit_minutes_per_day', because: `${day} has ${used} of its ${rules.minutesPerDay} event minutes already` };
  }
  return null;
}

/** The first day on which an opt-out counts with one of `day`: the season's, or the civil year's where `day` lies in no season. */
export const seasonStart = (day: CivilDay, { seasonFrom, seasonTo }: Pick<CallRules, 'seasonFrom' | 'seasonTo'>): CivilDay =>
  seasonFrom !== '' && day >= seasonFrom && (seasonTo === '' || day <= seasonTo) ? seasonFrom : `${day.slice(0, 4)}-01-01`;

const minutesOf = (window: Interval): number => (window.end - window.start) / MINUTE;
const longestOf = (rules: CallRules): number =>
  Math.min(rules.minutesPerEvent || Number.POSITIVE_INFINITY, rules.continuousMinutes || Number.POSITIVE_INFINITY);

const SEARCH_DAYS = 8;

/** As long as asked (whole intervals, shortened to what is allowed), starting nearest to what was asked; of two, the later. */
function nearestValid(
  rules: CallRules,
  asked: Interval,
  now: Instant,
  days: ZoneDays,
  others: readonly Interval[],
): Interval | null {
  const grid = rules.intervalMinutes * MINUTE;
  const midnight = days.startOf(days.dayOf(asked.start));
  const wanted = Math.ceil((asked.end - asked.start) / grid);
  const open = rules.windows.map((call) => call.toMinute - call.fromMinute);
  const allowed = Math.min(
    longestOf(rules),
    rules.minutesPerDay || Number.POSITIVE_INFINITY,
    24 * 60,
    ...(open.length > 0 ? [Math.max(...open)] : []),
  );
  const length = Math.min(wanted, Math.floor(allowed / rules.intervalMinutes)) * grid;
  if (length <= 0) return null;
  // What is asked in the past is answered from the first instant whose gate is still open.
  const earliest = now + (asked.start - gateClosure(rules, asked.start));
  const from = midnight + Math.round((Math.max(asked.start, earliest) - midnight) / grid) * grid;
  const steps = (SEARCH_DAYS * 24 * 60) / rules.intervalMinutes;
  for (let step = 0; step <= steps; step++) {
    for (const start of step === 0 ? [from] : [from + step * grid, from - step * grid]) {
      const window = { start, end: start + length };
      if (faultOf(rules, window, now, days, others) === null) return window;
    }
  }
  return null;
}

/**
 * What is left of a window that is stopped at `now`: the whole intervals that passed; null = none did. Also the earliest end a
 * running event can be shortened to is the next grid point.
 */
export function passedIntervals(window: Interval, intervalMinutes: number, now: Instant): Interval | null {
  const grid = intervalMinutes * MINUTE;
  const whole = Math.floor((Math.min(now, window.end) - window.start) / grid);
  return whole < 1 ? null : { start: window.start, end: window.start + whole * grid };
}

/** Null: after gate closure the event may end at `end` instead. */
export function refuseShortening(window: Interval, end: Instant, intervalMinutes: number, now: Instant): Refusal | null {
  const grid = intervalMinutes * MINUTE;
  const earliest = window.start + Math.max(1, Math.ceil((now - window.start) / grid)) * grid;
  if (end >= earliest && end < window.end && (end - window.start) % grid === 0) return null;
  return conflict(
    'only_shortening',
    `after gate closure an event can only end earlier, on the grid: from ${iso(Math.min(earliest, window.end))} on; or be cancelled`,
    'window',
  );
}
