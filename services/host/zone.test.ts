import { describe, expect, test } from 'vitest';
import { zoneDays } from './zone.ts';

const HOUR = 3_600_000;

describe('civil days', () => {
  test.each([
    ['Asia/Kolkata', '2026-05-01', '2026-04-30T18:30:00Z', 24, 'no daylight saving'],
    ['+05:30', '2026-05-01', '2026-04-30T18:30:00Z', 24, 'a fixed offset is a zone'],
    ['-03:00', '2026-05-01', '2026-05-01T03:00:00Z', 24, 'west of Greenwich'],
    ['Europe/London', '2013-03-31', '2013-03-31T00:00:00Z', 23, 'spring: 92 quarters'],
    ['Europe/London', '2013-10-27', '2013-10-26T23:00:00Z', 25, 'autumn: 100 quarters'],
    ['America/Sao_Paulo', '2018-11-04', '2018-11-04T03:00:00Z', 23, 'midnight itself was skipped'],
    ['UTC', '2024-02-29', '2024-02-29T00:00:00Z', 24, 'a leap day'],
  ])('%s %s starts at %s and has %s hours: %s', (zone, day, start, hours) => {
    const days = zoneDays(zone);
    const from = days.startOf(day);
    const to = days.startOf(days.plus(day, 1));
    expect(new Date(from).toISOString()).toBe(start.replace('Z', '.000Z'));
    expect((to - from) / HOUR).toBe(hours);
    expect([days.dayOf(from), days.dayOf(to - 1), days.dayOf(from - 1)]).toEqual([day, day, days.plus(day, -1)]);
  });

  test('weekdays count from Sunday', () => {
    expect(zoneDays('Asia/Kolkata').weekdayOf('2026-05-01')).toBe(5);
    expect(zoneDays('Asia/Kolkata').weekdayOf('2026-05-03')).toBe(0);
  });

  test('an unknown zone and a day that is none are refused', () => {
    expect(() => zoneDays('Asia/Atlantis')).toThrow('neither an IANA time zone');
    expect(() => zoneDays('Asia/Kolkata').startOf('2026-13-01')).toThrow('is no day');
    expect(() => zoneDays('Asia/Kolkata').startOf('2026-02-30')).toThrow();
  });
});
