import type { Instant, Interval } from '../domain/interval.ts';
import type { CivilDay, ZoneDays } from '../domain/zone.ts';

/*
 * Windows that cross midnight. Settlement knows events of one civil day only (dispatch and the core refuse any other with
 * `window_crosses_midnight`), so what a programme asks from 22:00 to 02:00 are two events for it: 22:00 to midnight, and midnight to 02:00,
 * each with the reference days, netting and pay of its own day. What is asked here is cut the same way, and its figures are sums of both.
 */

/** The civil days a window touches, in their order. */
export function daysOf({ start, end }: Interval, zone: ZoneDays): CivilDay[] {
  const days: CivilDay[] = [];
  for (let day = zone.dayOf(start); zone.startOf(day) < end; day = zone.plus(day, 1)) days.push(day);
  return days;
}

/** A window cut at every local midnight in it. */
export const byCivilDay = (window: Interval, zone: ZoneDays): { readonly day: CivilDay; readonly window: Interval }[] =>
  daysOf(window, zone).map((day) => ({
    day,
    window: {
      start: Math.max(window.start, zone.startOf(day)),
      end: Math.min(window.end, zone.startOf(zone.plus(day, 1))),
    },
  }));

/** The hours of a window on another day. Both ends keep their distance from the midnight before them, also where clocks change between them. */
export function sameHours(window: Interval, on: CivilDay, zone: ZoneDays): Interval {
  const days = daysOf(window, zone);
  const moved = (at: Instant, nights: number) => zone.startOf(zone.plus(on, nights)) + at - zone.startOf(days[nights]!);
  return { start: moved(window.start, 0), end: moved(window.end, days.length - 1) };
}
