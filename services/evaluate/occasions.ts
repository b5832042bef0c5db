import { type Instant, type Interval, MINUTE } from '../domain/interval.ts';
import { invalid } from '../domain/outcome.ts';
import type { CivilDay, ZoneDays } from '../domain/zone.ts';
import type { EventWindow } from '../performance/estimate.ts';
import { MISSING } from '../performance/kernel.ts';
import { indexAt, type LoadSeries } from '../performance/load-series.ts';
import { isWorkingDay } from '../performance/windows.ts';
import { daysOf, sameHours } from './civil-days.ts';
import type { PastEvent } from './lists.ts';
import { type CalledDays, type Cohort, calledOn, EVERYBODY, isAsked } from './participants.ts';

/** A day that is asked about. `ordinary` and `event_like` are placebos: nothing happened. */
export type Occasion = {
  /** On which the window begins; it may end on the next one. */
  readonly day: CivilDay;
  readonly event: EventWindow;
  readonly kind: 'ordinary' | 'event_like' | 'event';
  /** What an event was called in its file; empty for a placebo. */
  readonly name: string;
  /** What kind of event its file says it was. */
  readonly sort: string;
  /** Whom an event was for; absent = all homes. */
  readonly cohort?: Cohort;
  /** Homes that were called on such a quiet day: for them it is none. Absent = nobody. */
  readonly called?: ReadonlySet<string>;
};

/** Minutes from local midnight, [from, to); beyond 1440 on the next day. */
export type Hours = { readonly from: number; readonly to: number };

/** A window across midnight is no longer than this, minutes: `21:00-18:00` is more likely a slip. */
const LONGEST_NIGHT = 720;

/** `18:00-21:00`, or across midnight `22:00-02:00`. Throws Refusal `usage`. */
export function readHours(text: string): Hours {
  const parts = /^([01]\d|2[0-3]):([0-5]\d)-([01]\d|2[0-4]):([0-5]\d)$/.exec(text);
  const clock = parts && { from: Number(parts[1]) * 60 + Number(parts[2]), to: Number(parts[3]) * 60 + Number(parts[4]) };
  const hours = clock && { from: clock.from, to: clock.to <= clock.from ? clock.to + 1440 : clock.to };
  if (!hours || clock.to > 1440 || (hours.to > 1440 && hours.to - hours.from > LONGEST_NIGHT))
    throw invalid(
      'usage',
      `--window must be two times of one day such as 18:00-21:00, or of one night such as 22:00-02:00 (at most ${LONGEST_NIGHT / 60} hours), not ${text.slice(0, 40)}`,
    );
  return hours;
}

export type PlaceboInput = {
  readonly zone: ZoneDays;
  readonly hours: Hours;
  readonly noticeMinutes: number;
  readonly holidays: ReadonlySet<CivilDay>;
  /** Days on which a programme asked homes for something: never a placebo for those. */
  readonly called: CalledDays;
  readonly from: CivilDay;
  readonly to: CivilDay;
  /** Also Saturdays, Sundays and holidays. */
  readonly everyDay: boolean;
};

/** A portfolio of fewer homes is not the one that is judged: a day on which more than this share was called is a placebo for nobody. */
const MOST_CALLED = 0.5;

/**
 * The placebo days of [from, to], each ordinary or event-like: the tenth of them with the highest temperature, or, where no temperature is
 * known, with the highest load outside the window. Load inside it would choose days for what the baseline is then held against.
 */
export function placebos(series: readonly LoadSeries[], input: PlaceboInput): Occasion[] {
  const { zone, hours, noticeMinutes, holidays, called, from, to, everyDay } = input;
  const ids = series.map(({ meterId }) => meterId);
  const days: Occasion[] = [];
  for (let day = from; day <= to; day = zone.plus(day, 1)) {
    if (!everyDay && !isWorkingDay(day, holidays, zone)) continue;
    const event = eventOf(windowOn(day, hours, zone), noticeMinutes);
    const absent = calledOn(called, daysOf(event.window, zone), ids);
    if (absent.size <= MOST_CALLED * ids.length) days.push(quietOn(day, event, absent));
  }
  const stress = days.map(({ day }) => stressOf(series, day, input));
  const ranked = stress.filter((value) => !Number.isNaN(value)).sort((a, b) => b - a);
  const bound = ranked[Math.max(0, Math.ceil(ranked.length / 10) - 1)] ?? Number.POSITIVE_INFINITY;
  return days.map((one, i) => (stress[i]! >= bound ? { ...one, kind: 'event_like' } : one));
}

const quietOn = (day: CivilDay, event: EventWindow, absent: ReadonlySet<string>): Occasion => ({
  ...{ day, name: '', sort: '', kind: 'ordinary', event },
  ...(absent.size > 0 && { called: absent }),
});

export type InReadings = {
  readonly noticeMinutes: number;
  readonly first: CivilDay;
  readonly last: CivilDay;
  /** Minutes of an interval, of readings and terms. */
  readonly grid: number;
  readonly zone: ZoneDays;
};

/** Past events that lie in the readings and on the grid of each of their days; the others call their homes all the same. */
export function pastOccasions(past: readonly PastEvent[], { noticeMinutes, first, last, grid, zone }: InReadings): Occasion[] {
  return past.flatMap(({ name, sort, days, window, cohort }): Occasion[] => {
    const [day, lastDay] = [days[0]!, days.at(-1)!];
    if (window === null || day < first || lastDay > last) return [];
    const isOff = (at: Instant, on: CivilDay) => (at - zone.startOf(on)) % (grid * MINUTE) !== 0;
    if (isOff(window.start, day) || isOff(window.end, lastDay)) return [];
    return [{ day, name, sort, kind: 'event', event: eventOf(window, noticeMinutes), cohort }];
  });
}

const MOST_APART = 28;
const AROUND = 4;

/**
 * The hours of each event on the quiet days nearest to it: at most four of its kind (working or not) within four weeks, on which nobody was called
 * whom the event asked. What a method sees there, where nothing happened, is its bias at those hours and that season.
 */
export function quietHours(
  events: readonly Occasion[],
  input: Omit<PlaceboInput, 'hours' | 'everyDay' | 'noticeMinutes'> & { readonly meterIds: readonly string[] },
): { occasions: Occasion[]; around: number[][] } {
  const { zone, holidays, called, from, to, meterIds } = input;
  const occasions: Occasion[] = [];
  const placeOf = new Map<string, number>();
  const around = events.map(({ day, cohort = EVERYBODY, event: { window, noticeAt } }) => {
    const working = isWorkingDay(day, holidays, zone);
    const asked = meterIds.filter((id) => isAsked(cohort, id));
    const found: number[] = [];
    for (let i = 0; i < 2 * MOST_APART && found.length < AROUND; i++) {
      const other = zone.plus(day, (i % 2 === 0 ? -1 : 1) * (1 + (i >> 1)));
      if (other < from || isWorkingDay(other, holidays, zone) !== working) continue;
      const hours = sameHours(window, other, zone);
      const days = daysOf(hours, zone);
      if (days.at(-1)! > to) continue;
      const absent = calledOn(called, days, meterIds);
      if (asked.some((id) => absent.has(id)) || absent.size === meterIds.length) continue;
      const key = `${hours.start} ${hours.end}`;
      const place = placeOf.get(key) ?? occasions.length;
      if (!placeOf.has(key))
        occasions.push(quietOn(other, { window: hours, noticeAt: noticeAt + hours.start - window.start }, absent));
      placeOf.set(key, place);
      found.push(place);
    }
    return found;
  });
  return { occasions, around };
}

export const eventOf = (window: Interval, noticeMinutes: number): EventWindow => ({
  window,
  noticeAt: window.start - noticeMinutes * MINUTE,
});

/** The window that begins on a civil day; where clocks change its ends keep their distance from the midnight before them. */
export function windowOn(day: CivilDay, { from, to }: Hours, zone: ZoneDays): Interval {
  const end = to < 1440 ? zone.startOf(day) + to * MINUTE : zone.startOf(zone.plus(day, 1)) + (to - 1440) * MINUTE;
  return { start: zone.startOf(day) + from * MINUTE, end };
}

/** The day's highest temperature, or the mean load an interval outside the window; NaN where nobody knows. */
function stressOf(series: readonly LoadSeries[], day: CivilDay, { zone, hours }: PlaceboInput): number {
  const [start, end] = [zone.startOf(day), zone.startOf(zone.plus(day, 1))];
  const weather = series.find(({ temperature }) => temperature !== null);
  if (weather) {
    const degrees = places(weather, start, end).map((index) => weather.temperature![index] ?? Number.NaN);
    return Math.max(...degrees.filter((value) => !Number.isNaN(value)), Number.NEGATIVE_INFINITY);
  }
  const window = windowOn(day, hours, zone);
  let [wh, read] = [0, 0];
  for (const one of series) {
    for (const index of places(one, start, end)) {
      const at = one.start + index * one.minutes * MINUTE;
      const load = one.importWh[index];
      if (load === undefined || load === MISSING || (at >= window.start && at < window.end)) continue;
      wh += load;
      read++;
    }
  }
  return read === 0 ? Number.NaN : wh / read;
}

function places(series: LoadSeries, start: Instant, end: Instant): number[] {
  const first = Math.ceil(indexAt(series, start));
  return Array.from({ length: Math.max(0, Math.ceil(indexAt(series, end)) - first) }, (_, i) => first + i);
}

/** The first civil day of all readings, and the last one whose window they reach; null where there are no readings. */
export function spanOf(series: readonly LoadSeries[], hours: Hours, zone: ZoneDays): { first: CivilDay; last: CivilDay } | null {
  const used = series.filter(({ importWh }) => importWh.length > 0);
  if (used.length === 0) return null;
  const end = Math.max(...used.map(({ start, minutes, importWh }) => start + importWh.length * minutes * MINUTE));
  const lastDay = zone.dayOf(end - 1);
  const last = windowOn(lastDay, hours, zone).end <= end ? lastDay : zone.plus(lastDay, -1);
  return { first: zone.dayOf(Math.min(...used.map(({ start }) => start))), last };
}

/** A zone that works out each day and instant once: every method asks for the same. */
export function remembered(zone: ZoneDays): ZoneDays {
  const once = <K, V>(find: (key: K) => V) => {
    const known = new Map<K, V>();
    return (key: K): V => {
      const found = known.get(key) ?? find(key);
      known.set(key, found);
      return found;
    };
  };
  const plus = once((key: string) => zone.plus(key.slice(0, 10), Number(key.slice(10))));
  return {
    zone: zone.zone,
    startOf: once((day: CivilDay) => zone.startOf(day)),
    dayOf: once((at: Instant) => zone.dayOf(at)),
    weekdayOf: once((day: CivilDay) => zone.weekdayOf(day)),
    plus: (day, days) => plus(`${day}${days}`),
  };
}
