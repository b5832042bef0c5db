import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { HOUR } from '../domain/interval.ts';
import { zoneDays } from '../host/zone.ts';
import { adjustmentSlots, comparableDays, type DayType, dayClass, eventSlots, fixedOffset, parseInstant } from './days.ts';

const INDIA = fixedOffset('+05:30')!;
const at = (text: string) => parseInstant(text)!;

describe('classes of days', () => {
  const holidays = new Set(['2025-06-09', '2025-06-14']);
  test.each<[DayType, string, string, string]>([
    ['weekday_vs_nonworking', '2025-06-10', 'W', 'Tuesday'],
    ['weekday_vs_nonworking', '2025-06-09', 'N', 'a Monday holiday is not working'],
    ['weekday_vs_nonworking', '2025-06-15', 'N', 'Sunday'],
    ['weekday_sat_sunhol', '2025-06-21', 'S', 'Saturday'],
    ['weekday_sat_sunhol', '2025-06-14', 'U', 'a Saturday holiday goes with Sundays'],
    ['weekday_sat_sunhol', '2025-06-15', 'U', 'Sunday'],
    ['same_weekday', '2025-06-16', '0', 'Monday'],
    ['same_weekday', '2025-06-15', '6', 'Sunday'],
    ['same_weekday', '2025-06-09', 'H', 'holidays are a class of their own'],
    ['any', '2025-06-09', '*', 'holidays too'],
  ])('%s %s is %s: %s', (type, day, found) => {
    expect(dayClass(type, day, holidays, INDIA)).toBe(found);
  });

  test('look-back and gap are both included, latest first', () => {
    const window = { dayType: 'weekday_vs_nonworking', minGapDays: 2, lookbackDays: 7 } as const;
    expect(comparableDays('2025-06-13', window, holidays, INDIA)).toEqual(['2025-06-11', '2025-06-10', '2025-06-06']);
  });
});

describe('event windows', () => {
  test.each([
    ['2025-06-10T18:15:00+05:30', '2025-06-10T20:00:00+05:30', 15, 7],
    ['2025-06-10T18:00:00Z', '2025-06-10T18:30:00Z', 30, 1],
    ['2025-06-10T22:00:00+05:30', '2025-06-11T00:00:00+05:30', 60, 2],
  ])('%s to %s on %d min', (start, end, minutes, count) => {
    const slots = eventSlots({ start: at(start), end: at(end) }, minutes, INDIA);
    expect(slots.fault === null && slots.offsets.length).toBe(count);
  });
  test.each([
    ['2025-06-10T18:00:00+05:30', '2025-06-10T18:00:00+05:30', 60, 'window_must_be_positive'],
    ['2025-06-10T18:20:00+05:30', '2025-06-10T19:20:00+05:30', 60, 'window_off_grid'],
    ['2025-06-10T18:00:00+05:30', '2025-06-10T19:10:00+05:30', 30, 'window_off_grid'],
    ['2025-06-10T23:00:00+05:30', '2025-06-11T01:00:00+05:30', 60, 'window_crosses_midnight'],
  ])('%s to %s on %d min: %s', (start, end, minutes, fault) => {
    expect(eventSlots({ start: at(start), end: at(end) }, minutes, INDIA).fault).toBe(fault);
  });
  test('adjustment slots before midnight have negative offsets; a bound off the grid takes the slots that start inside', () => {
    expect(adjustmentSlots(2 * HOUR, -240, -60, 60)).toEqual([-2 * HOUR, -HOUR, 0]);
    expect(adjustmentSlots(18 * HOUR, -100, 0, 30).map((slot) => slot / HOUR)).toEqual([16.5, 17, 17.5]);
  });
});

describe('zones', () => {
  test('a fixed offset: an instant lies in the day that starts at or before it', () => {
    const instants = fc.integer({ min: 0, max: 4_000_000_000_000 });
    const offsets = fc.constantFrom('+05:30', '-08:00', '+00:00', 'Z', '+12:45');
    fc.assert(
      fc.property(instants, offsets, (instant, offset) => {
        const zone = fixedOffset(offset)!;
        const day = zone.dayOf(instant);
        return zone.startOf(day) <= instant && instant < zone.startOf(zone.plus(day, 1));
      }),
    );
  });

  test('slots count from the start of a short day: 29 March 2026 has 23 hours in London', () => {
    const evening = { start: at('2026-03-29T22:00:00Z'), end: at('2026-03-29T23:00:00Z') };
    expect(eventSlots(evening, 30, zoneDays('Europe/London'))).toMatchObject({
      day: '2026-03-29',
      offsets: [22 * HOUR, 22.5 * HOUR],
    });
  });
});

test.each([
  ['2025-06-10T18:00:00+05:30', '2025-06-10T12:30:00.000Z'],
  ['2025-06-10T18:00Z', '2025-06-10T18:00:00.000Z'],
  ['2024-02-29T00:00:00.250-08:00', '2024-02-29T08:00:00.250Z'],
])('%s is %s', (text, utc) => {
  expect(new Date(at(text)).toISOString()).toBe(utc);
});

test.each(['2025-06-10T18:00:00', '2025-02-30T00:00:00Z', '2025-06-10', '2025-06-10T24:00:00Z', '2025-06-10T18:00:00+5:30', ''])(
  '%j is no instant',
  (text) => {
    expect(parseInstant(text)).toBeNull();
  },
);
