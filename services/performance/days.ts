import { DAY, type Instant, type Interval, MINUTE } from '../domain/interval.ts';
import type { CivilDay, ZoneDays } from '../domain/zone.ts';

/** How days are put in classes: only days of the event day's class are compared with it. */
export type DayType = 'weekday_vs_nonworking' | 'weekday_sat_sunhol' | 'same_weekday' | 'any';

/**
 * The class of a day: W working · N not working · S Saturday · U Sunday or holiday · 0 (Monday) … 6 the weekday · H holiday · * any.
 * Source: golden RULES §2. A Saturday holiday is U.
 */
export function dayClass(dayType: DayType, day: CivilDay, holidays: ReadonlySet<CivilDay>, zone: ZoneDays): string {
  const weekday = zone.weekdayOf(day);
  const holiday = holidays.has(day);
  if (dayType === 'any') return '*';
  if (dayType === 'same_weekday') return holiday ? 'H' : String((weekday + 6) % 7);
  if (dayType === 'weekday_vs_nonworking') return holiday || weekday === 0 || weekday === 6 ? 'N' : 'W';
  if (holiday || weekday === 0) return 'U';
  return weekday === 6 ? 'S' : 'W';
}

/** Days of the event day's class from `minGapDays` back to `lookbackDays` back, both included, latest first. */
export function comparableDays(
  eventDay: CivilDay,
  window: { readonly dayType: DayType; readonly minGapDays: number; readonly lookbackDays: number },
  holidays: ReadonlySet<CivilDay>,
  zone: ZoneDays,
): CivilDay[] {
  const wanted = dayClass(window.dayType, eventDay, holidays, zone);
  const days: CivilDay[] = [];
  for (let back = window.minGapDays; back <= window.lookbackDays; back++) {
    const day = zone.plus(eventDay, -back);
    if (dayClass(window.dayType, day, holidays, zone) === wanted) days.push(day);
  }
  return days;
}

/** Why an event window cannot be cut in slots, or its slots as ms from local midnight of its day. */
export type Slots =
  | { readonly fault: 'window_must_be_positive' | 'window_off_grid' | 'window_crosses_midnight' }
  | { readonly fault: null; readonly day: CivilDay; readonly offsets: readonly number[] };

/** The slots of an event window [start, end): on the grid of `minutes` from local midnight, inside one civil day. */
export function eventSlots(window: Interval, minutes: number, zone: ZoneDays): Slots {
  if (window.end <= window.start) return { fault: 'window_must_be_positive' };
  const day = zone.dayOf(window.start);
  const midnight = zone.startOf(day);
  const step = minutes * MINUTE;
  if ((window.start - midnight) % step !== 0 || (window.end - window.start) % step !== 0) return { fault: 'window_off_grid' };
  if (window.end > zone.startOf(zone.plus(day, 1))) return { fault: 'window_crosses_midnight' };
  const offsets: number[] = [];
  for (let at = window.start; at < window.end; at += step) offsets.push(at - midnight);
  return { fault: null, day, offsets };
}

/**
 * The adjustment slots: those starting in [event start + fromMin, event start + toMin), minutes ≤ 0, as ms from midnight of the event day.
 * Before midnight an offset is negative: the slot falls on the day before, for every reference day alike.
 */
export function adjustmentSlots(eventStartOffset: number, fromMin: number, toMin: number, minutes: number): number[] {
  const offsets: number[] = [];
  for (let slot = Math.ceil(fromMin / minutes); slot * minutes < toMin; slot++)
    offsets.push(eventStartOffset + slot * minutes * MINUTE);
  return offsets;
}

/** `+05:30` or `Z` in minutes; null when it is neither. */
export function offsetMinutes(text: string): number | null {
  if (text === 'Z') return 0;
  const parts = /^([+-])([01]\d):([0-5]\d)$/.exec(text);
  if (!parts) return null;
  const size = Number(parts[2]) * 60 + Number(parts[3]);
  return parts[1] === '-' ? -size : size;
}

/** A fixed offset as a zone; null when the text is no offset. */
export function fixedOffset(text: string): ZoneDays | null {
  const minutes = offsetMinutes(text);
  if (minutes === null) return null;
  return {
    ...calendar,
    zone: text,
    startOf: (day) => Date.parse(`${day}T00:00:00Z`) - minutes * MINUTE,
    dayOf: (at) => civil(at + minutes * MINUTE),
  };
}

/** An ISO-8601 instant that says its offset, to the second or finer; null otherwise (also for 31 February). */
export function parseInstant(text: string): Instant | null {
  const parts = /^(\d{4}-\d\d-\d\d)T([01]\d|2[0-3]):([0-5]\d)(?::([0-5]\d)(\.\d{1,3})?)?(Z|[+-]\d\d:\d\d)$/.exec(text);
  if (!parts || !isCivilDay(parts[1]!)) return null;
  const minutes = offsetMinutes(parts[6]!);
  if (minutes === null) return null;
  const seconds = Number(parts[4] ?? 0) + Number(parts[5] ?? 0);
  const clock = (Number(parts[2]) * 60 + Number(parts[3]) - minutes) * MINUTE + Math.round(seconds * 1000);
  return Date.parse(`${parts[1]}T00:00:00Z`) + clock;
}

/** Whether the text is a day of the calendar, `2026-05-01`. */
export function isCivilDay(text: string): boolean {
  if (!/^\d{4}-\d\d-\d\d$/.test(text)) return false;
  // By arithmetic: a file of readings asks a million times, and making a Date say its day costs as much as all else.
  const [year, month, day] = [Number(text.slice(0, 4)), Number(text.slice(5, 7)), Number(text.slice(8))];
  const isLeap = year % 4 === 0 && (year % 100 !== 0 || year % 400 === 0);
  return day >= 1 && day <= (month === 2 && isLeap ? 29 : (MONTH_DAYS[month - 1] ?? 0));
}

const MONTH_DAYS = [31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];

const calendar = {
  plus: (day: CivilDay, days: number): CivilDay => civil(Date.parse(`${day}T00:00:00Z`) + days * DAY),
  weekdayOf: (day: CivilDay): number => new Date(`${day}T00:00:00Z`).getUTCDay(),
};

function civil(at: number): CivilDay {
  return new Date(at).toISOString().slice(0, 10);
}
