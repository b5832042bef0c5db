import { type CalendarDay, CalendarDay_Kind } from '../../gen/lachak/v1/catalogue_pb.ts';
import type { TermsFault } from './fault.ts';
import { isCivilDay } from './fault.ts';

/** The first thing wrong with a calendar's days, in their order, or null. */
export function calendarFault(days: readonly CalendarDay[]): TermsFault | null {
  const seen = new Set<string>();
  for (const [i, { day, kind }] of days.entries()) {
    const field = `days[${i}]`;
    if (!isCivilDay(day))
      return {
        code: 'day_malformed',
        field: `${field}.day`,
        message: `${field}.day must be a day such as 2026-08-15, not "${day}"`,
      };
    if (kind !== CalendarDay_Kind.HOLIDAY && kind !== CalendarDay_Kind.EXCLUDED) {
      return { code: 'day_kind_missing', field: `${field}.kind`, message: `${field}.kind must be HOLIDAY or EXCLUDED` };
    }
    // A day may be a holiday and excluded, but not the same thing twice.
    const key = `${day}/${kind}`;
    if (seen.has(key)) return { code: 'day_repeated', field: `${field}.day`, message: `${field}.day ${day} is given twice` };
    seen.add(key);
  }
  return null;
}

/** Days in order, so that the same calendar is the same bytes. */
export const inOrder = (days: readonly CalendarDay[]): CalendarDay[] =>
  [...days].sort((a, b) => (a.day === b.day ? a.kind - b.kind : a.day < b.day ? -1 : 1));
