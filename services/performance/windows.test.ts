import { describe, expect, it } from 'vitest';
import { iso, MINUTE } from '../domain/interval.ts';
import { zoneDays } from '../host/zone.ts';
import type { Method } from './method.ts';
import { isWorkingDay, planOf, slotStarts } from './windows.ts';

const at = (text: string) => Date.parse(text);
const method = (over: Partial<Method> = {}): Method => ({
  spec: {
    ...{ select: 'high', x: 2, y: 3, minDays: 2, lowUsage: null, floorZero: true, direction: 'reduce' },
    adjustment: { kind: 'multiplicative', direction: 'both', lo: null, hi: null, cap: null },
  },
  ...{ quantity: 'import', dayType: 'weekday_vs_nonworking', minGapDays: 1, lookbackDays: 7 },
  ...{ fromMinutes: -60, toMinutes: 0, anchor: 'start' },
  ...over,
});
const planFor = (start: string, end: string, minutes: number, zone: string, over: Partial<Method> = {}, noticeAt = at(start)) =>
  planOf({
    window: { start: at(start), end: at(end) },
    noticeAt,
    minutes,
    method: method(over),
    holidays: new Set(),
    zone: zoneDays(zone),
  });

describe('the windows of one event', () => {
  // biome-ignore format: one row a case
  it.each<[string, string, number, string, Partial<Method>, string, string[], string]>([
    // start, end, minutes, zone, notice, first history day, its slots, reason
    ['2026-05-08T18:00:00+05:30', '2026-05-08T19:00:00+05:30', 30, 'Asia/Kolkata', {}, '2026-05-07', ['12:30', '13:00', '11:30', '12:00'], 'event slots, then the hour before'],
    ['2026-05-08T18:15:00+05:30', '2026-05-08T18:45:00+05:30', 15, '+05:30', { fromMinutes: -30 }, '2026-05-07', ['12:45', '13:00', '12:15', '12:30'], 'a quarter-hour grid in a fixed offset'],
    ['2026-05-08T00:00:00+05:30', '2026-05-08T01:00:00+05:30', 60, 'Asia/Kolkata', {}, '2026-05-07', ['18:30', '17:30'], 'the adjustment before midnight falls on the day before'],
    ['2026-05-08T23:00:00+05:30', '2026-05-09T00:00:00+05:30', 30, 'Asia/Kolkata', { fromMinutes: -30 }, '2026-05-07', ['17:30', '18:00', '17:00'], 'up to midnight, not across'],
    ['2026-05-08T18:00:00+05:45', '2026-05-08T19:00:00+05:45', 60, 'Asia/Kathmandu', {}, '2026-05-07', ['12:15', '11:15'], 'a zone off the half-hour'],
  ])('%s … %s every %i min in %s', (start, end, minutes, zone, over, day, times) => {
    const plan = planFor(start, end, minutes, zone, over);
    expect(plan.days[0]).toBe(day);
    expect(Array.from(plan.history[0]!, (slot) => iso(slot).slice(11, 16))).toEqual(times);
  });

  it('takes the class from the calendar and the look-back, latest first', () => {
    const plan = planFor('2026-05-08T18:00:00+05:30', '2026-05-08T19:00:00+05:30', 60, 'Asia/Kolkata', { minGapDays: 2 });
    expect(plan.days).toEqual(['2026-05-06', '2026-05-05', '2026-05-04', '2026-05-01']);
  });

  it('moves the notice instant down to the grid and lays the window before it, on the day of the notice', () => {
    const notice = at('2026-05-07T16:20:00+05:30');
    const plan = planFor(
      '2026-05-08T18:00:00+05:30',
      '2026-05-08T19:00:00+05:30',
      30,
      'Asia/Kolkata',
      { anchor: 'notice' },
      notice,
    );
    expect(Array.from(plan.actual, iso)).toEqual([
      '2026-05-08T12:30:00Z',
      '2026-05-08T13:00:00Z',
      '2026-05-07T09:30:00Z',
      '2026-05-07T10:00:00Z',
    ]);
    expect(Array.from(plan.history[0]!, iso).slice(2)).toEqual(['2026-05-06T09:30:00Z', '2026-05-06T10:00:00Z']);
  });

  it('names every civil day of the look-back as evidence, and the day its windows reach back to', () => {
    const plain = planFor('2026-05-08T18:00:00+05:30', '2026-05-08T19:00:00+05:30', 60, 'Asia/Kolkata');
    expect(plain.evidence).toHaveLength(8);
    expect([plain.evidence[0], plain.evidence.at(-1)]).toEqual(['2026-05-01', '2026-05-08']);
    const reaching = planFor('2026-05-08T00:00:00+05:30', '2026-05-08T01:00:00+05:30', 60, 'Asia/Kolkata');
    expect(reaching.evidence[0]).toBe('2026-04-30');
  });

  it('leads four intervals into the window and four out of it', () => {
    const { lead, window } = planFor('2026-05-08T18:00:00+05:30', '2026-05-08T19:00:00+05:30', 30, 'Asia/Kolkata');
    expect(Array.from(lead, (start) => (start - window.start) / MINUTE)).toEqual([-120, -90, -60, -30, 60, 90, 120, 150]);
  });

  // biome-ignore format: one row a case
  it.each([
    ['2026-03-29', 92, 'Berlin loses an hour: the last four quarters are not in the day'],
    ['2026-10-25', 96, 'Berlin gains an hour: offsets from midnight still find their slots'],
    ['2026-05-08', 96, 'an ordinary day'],
  ])('on %s %i of 96 quarters from midnight exist: %s', (day, present) => {
    const offsets = Array.from({ length: 96 }, (_, quarter) => quarter * 15 * MINUTE);
    const starts = slotStarts(day, offsets, zoneDays('Europe/Berlin'));
    expect(Array.from(starts).filter((start) => !Number.isNaN(start))).toHaveLength(present);
  });

  it('cuts a day of 100 quarters in 100 slots', () => {
    const plan = planFor('2026-10-25T00:00:00+02:00', '2026-10-26T00:00:00+01:00', 15, 'Europe/Berlin', { fromMinutes: -15 });
    expect(plan.eventCount).toBe(100);
    expect(plan.history[0]!.filter(Number.isNaN)).toHaveLength(4);
  });

  // biome-ignore format: one row a case
  it.each([
    ['2026-05-08T18:10:00+05:30', '2026-05-08T19:00:00+05:30', 'window_off_grid', 'off the grid'],
    ['2026-05-08T23:00:00+05:30', '2026-05-09T01:00:00+05:30', 'window_crosses_midnight', 'two civil days'],
    ['2026-05-08T18:00:00+05:30', '2026-05-08T18:00:00+05:30', 'window_must_be_positive', 'no interval'],
  ])('refuses %s … %s: %s', (start, end, code) => {
    expect(() => planFor(start, end, 30, 'Asia/Kolkata')).toThrow(expect.objectContaining({ code }));
  });

  it('knows a working day by weekday and holiday', () => {
    const zone = zoneDays('Asia/Kolkata');
    const holidays = new Set(['2026-05-07']);
    expect(['2026-05-07', '2026-05-08', '2026-05-09', '2026-05-10'].map((day) => isWorkingDay(day, holidays, zone))).toEqual([
      false,
      true,
      false,
      false,
    ]);
  });
});
