import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { DAY, HOUR, type Interval, MINUTE } from '../domain/interval.ts';
import { zoneDays } from '../host/zone.ts';
import {
  type CallRules,
  gateClosure,
  noticeInstant,
  passedIntervals,
  refuseShortening,
  refuseWindow,
  seasonStart,
} from './schedule.ts';

const days = zoneDays('Asia/Kolkata');
const rules: CallRules = {
  intervalMinutes: 15,
  windows: [{ weekdays: [1, 2, 3, 4, 5], fromMinute: 18 * 60, toMinute: 23 * 60 }],
  noticeMinutes: 60,
  gateClosureMinutes: 120,
  eventsPerDay: 2,
  eventsPerMonth: 3,
  eventsPerSeason: 0,
  minutesPerEvent: 120,
  minutesPerDay: 180,
  continuousMinutes: 0,
  seasonFrom: '',
  seasonTo: '',
};
/** Kolkata civil time; 4 May 2026 is a Monday. */
const at = (text: string): number => Date.parse(`${text}:00+05:30`);
const span = (day: string, from: string, to: string): Interval => ({ start: at(`${day}T${from}`), end: at(`${day}T${to}`) });
const now = at('2026-05-04T09:00');
const monday = (from: string, to: string) => span('2026-05-04', from, to);

describe('scheduling', () => {
  test.each<[string, Interval, Partial<CallRules>, Interval[], string | undefined, string?]>([
    ['an ordinary evening', monday('19:00', '21:00'), {}, [], undefined],
    ['ends before it starts', monday('21:00', '19:00'), {}, [], 'window_empty'],
    ['of no length', monday('19:00', '19:00'), {}, [], 'window_empty'],
    [
      'off the grid: the nearest is named',
      monday('19:07', '20:07'),
      {},
      [],
      'window_off_grid',
      '2026-05-04T13:30:00Z to 2026-05-04T14:30:00Z',
    ],
    ['ends off the grid', monday('19:00', '20:10'), {}, [], 'window_off_grid', '2026-05-04T13:30:00Z to 2026-05-04T14:45:00Z'],
    [
      'across midnight',
      { start: at('2026-05-04T23:00'), end: at('2026-05-05T01:00') },
      { windows: [] },
      [],
      'window_crosses_midnight',
      '2026-05-04T18:30:00Z to',
    ],
    [
      'ends at midnight, which is still the day',
      { start: at('2026-05-04T23:00'), end: at('2026-05-05T00:00') },
      { windows: [] },
      [],
      undefined,
    ],
    ['at noon', monday('12:00', '13:00'), {}, [], 'outside_call_windows', '2026-05-04T12:30:00Z'],
    [
      'on a Sunday: Monday is not nearer than Friday',
      span('2026-05-10', '19:00', '20:00'),
      {},
      [],
      'outside_call_windows',
      '2026-05-11T12:30:00Z',
    ],
    [
      'longer than an event may be',
      monday('19:00', '21:15'),
      {},
      [],
      'limit_minutes_per_event',
      '2026-05-04T13:30:00Z to 2026-05-04T15:30:00Z',
    ],
    ['longer than a resource may be held', monday('19:00', '20:15'), { continuousMinutes: 60 }, [], 'limit_minutes_per_event'],
    [
      'the third of a day',
      monday('21:00', '21:30'),
      {},
      [monday('18:00', '18:30'), monday('19:00', '19:30')],
      'limit_events_per_day',
      '2026-05-05',
    ],
    [
      'the fourth of a month: none left in it',
      monday('19:00', '20:00'),
      {},
      [span('2026-05-01', '19:00', '20:00'), span('2026-05-05', '19:00', '20:00'), span('2026-05-06', '19:00', '20:00')],
      'limit_events_per_month',
      'no valid window within eight days',
    ],
    [
      'another month does not count',
      monday('19:00', '20:00'),
      { eventsPerMonth: 1 },
      [span('2026-04-30', '19:00', '20:00')],
      undefined,
    ],
    [
      'a season counts by its days',
      monday('19:00', '20:00'),
      { eventsPerSeason: 1, seasonFrom: '2026-04-01', seasonTo: '2026-06-30' },
      [span('2026-04-30', '19:00', '20:00')],
      'limit_events_per_season',
    ],
    [
      'before the season it does not',
      monday('19:00', '20:00'),
      { eventsPerSeason: 1, seasonFrom: '2026-05-01' },
      [span('2026-04-30', '19:00', '20:00')],
      undefined,
    ],
    ['minutes of a day add up', monday('21:00', '22:15'), {}, [monday('18:00', '20:00')], 'limit_minutes_per_day'],
    ['its gate has just closed', monday('18:00', '19:00'), { gateClosureMinutes: 9 * 60 }, [], 'gate_closure_passed'],
    [
      'notice earlier than the gate moves the gate',
      monday('18:00', '19:00'),
      { noticeMinutes: 10 * 60 },
      [],
      'gate_closure_passed',
    ],
    ['in the past', span('2026-04-27', '19:00', '20:00'), {}, [], 'gate_closure_passed', '2026-05-04T12:30:00Z'],
  ])('%s', (_, window, over, others, code, nearest) => {
    const refusal = refuseWindow({ ...rules, ...over }, window, now, days, others);
    expect(refusal?.code).toBe(code);
    if (nearest) expect(refusal?.message).toContain(nearest);
  });

  test('days of 23 and 25 hours keep their grid', () => {
    const berlin = zoneDays('Europe/Berlin');
    const open = { ...rules, windows: [], minutesPerEvent: 0, minutesPerDay: 0 };
    const start = Date.parse('2026-10-25T00:00:00Z'); // 02:00, an hour before clocks go back
    expect(refuseWindow(open, { start, end: start + 2 * HOUR }, start - DAY, berlin, [])).toBe(null);
    expect(refuseWindow(open, { start: start + 5 * MINUTE, end: start + 2 * HOUR }, start - DAY, berlin, [])?.code).toBe(
      'window_off_grid',
    );
  });

  test('property: the window named as nearest is valid', () => {
    const minute = fc.integer({ min: -3 * 24 * 60, max: 6 * 24 * 60 });
    fc.assert(
      fc.property(minute, fc.integer({ min: 1, max: 300 }), (from, length) => {
        const start = now + from * MINUTE;
        const message = refuseWindow(rules, { start, end: start + length * MINUTE }, now, days, [])?.message ?? '';
        const named = /nearest valid window is (\S+) to (\S+)$/.exec(message);
        if (named)
          expect(refuseWindow(rules, { start: Date.parse(named[1]!), end: Date.parse(named[2]!) }, now, days, [])).toBe(null);
        else expect(message).toBe('');
      }),
      { numRuns: 200 },
    );
  });

  test('the gate closes before notice and before the window', () => {
    expect(gateClosure(rules, now)).toBe(now - 2 * HOUR);
    expect(noticeInstant(rules, now)).toBe(now - HOUR);
    expect(gateClosure({ ...rules, gateClosureMinutes: 0 }, now)).toBe(now - HOUR);
  });
});

describe('stopping early', () => {
  const window = monday('19:00', '21:00');
  test.each<[string, string, string | null]>([
    ['before it began', '18:00', null],
    ['at its start', '19:00', null],
    ['inside the first interval', '19:14', null],
    ['at the end of the first', '19:15', '19:15'],
    ['inside the third', '19:40', '19:30'],
    ['after its end', '22:00', '21:00'],
  ])('%s', (_, stopped, end) => {
    const passed = passedIntervals(window, 15, at(`2026-05-04T${stopped}`));
    expect(passed).toEqual(end === null ? null : { start: window.start, end: at(`2026-05-04T${end}`) });
  });
  test.each<[string, string, string, boolean]>([
    ['before it opens, to one interval', '18:00', '19:15', true],
    ['to nothing: that is a cancellation', '18:00', '19:00', false],
    ['running, to the next grid point', '19:40', '19:45', true],
    ['running, to the past', '19:40', '19:30', false],
    ['off the grid', '19:00', '20:10', false],
    ['to the same end', '19:00', '21:00', false],
    ['longer', '19:00', '21:15', false],
  ])('shortened %s', (_, clock, end, allowed) => {
    expect(refuseShortening(window, at(`2026-05-04T${end}`), 15, at(`2026-05-04T${clock}`)) === null).toBe(allowed);
  });
});

test.each([
  ['2026-05-14', '2026-04-01', '2026-06-30', '2026-04-01', 'inside the season'],
  ['2026-05-14', '2026-04-01', '', '2026-04-01', 'a season without end'],
  ['2026-07-01', '2026-04-01', '2026-06-30', '2026-01-01', 'after it: the civil year'],
  ['2026-05-14', '', '', '2026-01-01', 'no season: the civil year'],
])('opt-outs of %s in a season %s … %s are counted from %s: %s', (day, seasonFrom, seasonTo, first) => {
  expect(seasonStart(day, { seasonFrom, seasonTo })).toBe(first);
});
