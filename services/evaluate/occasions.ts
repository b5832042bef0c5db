import { type Instant, type Interval, MINUTE } from '../domain/interval.ts';
import { invalid } from '../domain/outcome.ts';
import type { CivilDay, ZoneDays } from '../domain/zone.ts';
import type { EventWindow } from '../performance/estimate.ts';
import { MISSING } from '../performance/kernel.ts';
import { indexAt, type LoadSeries } from '../performance/load-series.ts';
import { isWorkingDay } from '../performance/windows.ts';
import type { PastEvent } from './lists.ts';

/** A day that is asked about. `ordinary` and `event_like` are placebos: nothing happened. */
export type Occasion = {
  readonly day: CivilDay;
  readonly event: EventWindow;
  readonly kind: 'ordinary' | 'event_like' | 'event';
  /** What an event was called in its file; empty for a placebo. */
  readonly name: string;
  /** What kind of event its file says it was. */
  readonly sort: string;
};

/** Minutes from local midnight, [from, to). */
export type Hours = { readonly from: number; readonly to: number };

/** `18:00-21:00`. Throws Refusal `usage`. */
export function readHours(text: string): Hours {
  const parts = /^([01]\d|2[0-3]):([0-5]\d)-([01]\d|2[0-4]):([0-5]\d)$/.exec(text);
  const hours = parts && { from: Number(parts[1]) * 60 + Number(parts[2]), to: Number(parts[3]) * 60 + Number(parts[4]) };
  if (!hours || hours.to <= hours.from || hours.to > 1440)
    throw invalid('usage', `--window must be two times of one day such as 18:00-21:00, not ${text.slice(0, 40)}`);
  return hours;
}

export type PlaceboInput = {
  readonly zone: ZoneDays;
  readonly hours: Hours;
  readonly noticeMinutes: number;
  readonly holidays: ReadonlySet<CivilDay>;
  /** Days on which any programme asked anybody for anything: never a placebo. */
  readonly eventDays: ReadonlySet<CivilDay>;
  readonly from: CivilDay;
  readonly to: CivilDay;
  /** Also Saturdays, Sundays and holidays. */
  readonly everyDay: boolean;
};

/**
 * The placebo days of [from, to], each ordinary or event-like: the tenth of them with the highest temperature, or, where no temperature is
 * known, with the highest load outside the window. Load inside it would choose days for what the baseline is then held against.
 */
export function placebos(series: readonly LoadSeries[], input: PlaceboInput): Occasion[] {
  const { zone, hours, noticeMinutes, holidays, eventDays, from, to, everyDay } = input;
  const days: CivilDay[] = [];
  for (let day = from; day <= to; day = zone.plus(day, 1))
    if (!eventDays.has(day) && (everyDay || isWorkingDay(day, holidays, zone))) days.push(day);
  const stress = days.map((day) => stressOf(series, day, input));
  const ranked = stress.filter((value) => !Number.isNaN(value)).sort((a, b) => b - a);
  const bound = ranked[Math.max(0, Math.ceil(ranked.length / 10) - 1)] ?? Number.POSITIVE_INFINITY;
  return days.map((day, i) => ({
    ...{ day, name: '', sort: '', kind: stress[i]! >= bound ? ('event_like' as const) : ('ordinary' as const) },
    event: eventOf(windowOn(day, hours, zone), noticeMinutes),
  }));
}

export type InReadings = {
  readonly noticeMinutes: number;
  readonly first: CivilDay;
  readonly last: CivilDay;
  /** Minutes of an interval, of readings and terms. */
  readonly grid: number;
  readonly zone: ZoneDays;
};

/** Past events that lie in the readings, in one civil day and on the grid; the others count as event days only. */
export function pastOccasions(past: readonly PastEvent[], { noticeMinutes, first, last, grid, zone }: InReadings): Occasion[] {
  return past.flatMap(({ name, sort, days, window }): Occasion[] => {
    const [day] = days;
    if (window === null || days.length !== 1 || day === undefined || day < first || day > last) return [];
    const midnight = zone.startOf(day);
    if ([window.start, window.end].some((at) => (at - midnight) % (grid * MINUTE) !== 0)) return [];
    return [{ day, name, sort, kind: 'event', event: eventOf(window, noticeMinutes) }];
  });
}

const MOST_APART = 28;
const AROUND = 4;

/**
 * The hours of each event on the quiet days nearest to it: at most four of its kind (working or not) within four weeks. What a method sees
 * there, where nothing happened, is its bias at those hours and that season.
 */
export function quietHours(
  events: readonly Occasion[],
  input: Omit<PlaceboInput, 'hours' | 'everyDay' | 'noticeMinutes'>,
): { occasions: Occasion[]; around: number[][] } {
  const { zone, holidays, eventDays, from, to } = input;
  const occasions: Occasion[] = [];
  const placeOf = new Map<string, number>();
  const around = events.map(({ day, event: { window, noticeAt } }) => {
    const working = isWorkingDay(day, holidays, zone);
    const apart = Array.from({ length: 2 * MOST_APART }, (_, i) => (i % 2 === 0 ? -1 : 1) * (1 + (i >> 1)));
    const quiet = apart
      .map((days) => zone.plus(day, days))
      .filter(
        (other) => other >= from && other <= to && !eventDays.has(other) && isWorkingDay(other, holidays, zone) === working,
      );
    return quiet.slice(0, AROUND).map((other) => {
      const start = zone.startOf(other) + window.start - zone.startOf(day);
      const known = placeOf.get(`${start} ${window.end - window.start}`);
      if (known !== undefined) return known;
      placeOf.set(`${start} ${window.end - window.start}`, occasions.length);
      const hours = { start, end: start + window.end - window.start };
      occasions.push({
        ...{ day: other, name: '', sort: '', kind: 'ordinary' },
        event: { window: hours, noticeAt: noticeAt + start - window.start },
      });
      return occasions.length - 1;
    });
  });
  return { occasions, around };
}

export const eventOf = (window: Interval, noticeMinutes: number): EventWindow => ({
  window,
  noticeAt: window.start - noticeMinutes * MINUTE,
});

/** The window of one civil day; a day on which clocks change keeps the distance from its midnight. */
export function windowOn(day: CivilDay, { from, to }: Hours, zone: ZoneDays): Interval {
  const midnight = zone.startOf(day);
  return { start: midnight + from * MINUTE, end: midnight + to * MINUTE };
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
