import type { Interval } from '../domain/interval.ts';
import type { CivilDay, ZoneDays } from '../domain/zone.ts';

/** How far back like days are looked for. */
export const TYPICAL_LOOK_BACK_DAYS = 45;

/** Earlier days of the same class (weekday or weekend), latest first, with the window's same minutes on each. */
export function likeWindows(window: Interval, zone: ZoneDays): { day: CivilDay; window: Interval }[] {
  const own = zone.dayOf(window.start);
  const weekend = isWeekend(zone, own);
  const found: { day: CivilDay; window: Interval }[] = [];
  for (let back = 1; back <= TYPICAL_LOOK_BACK_DAYS; back++) {
    const day = zone.plus(own, -back);
    if (isWeekend(zone, day) !== weekend) continue;
    const shift = zone.startOf(day) - zone.startOf(own);
    found.push({ day, window: { start: window.start + shift, end: window.end + shift } });
  }
  return found;
}

const isWeekend = (zone: ZoneDays, day: CivilDay): boolean => [0, 6].includes(zone.weekdayOf(day));
