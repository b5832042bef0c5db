import { describe, expect, test } from 'vitest';
import { aPoint, WINDOW_START } from './a-point.ts';
import { checkExcludedDays, issuersWord } from './check-days.ts';
import type { ParticipantPayload } from './payload.ts';

// Candidates are 29 and 30 April, the event is on 1 May; 15 April is excluded by the calendar.
const payload = (excludedDays: { day: string; reason: string }[], more = {}): ParticipantPayload =>
  ({
    event: { eventId: 'e9', day: '2026-05-01', startMs: WINDOW_START },
    calendar: {
      days: [
        { day: '2026-04-15', name: 'Election', kind: 'EXCLUDED' },
        { day: '2026-04-14', name: 'Ambedkar Jayanti', kind: 'HOLIDAY' },
      ],
    },
    terms: {},
    settled: { carry: '0/1' },
    measured: { ...aPoint('A', [['1000', 400]]), excludedDays },
    ...more,
  }) as unknown as ParticipantPayload;

describe('excluded days', () => {
  test.each<[string, string, string | null]>([
    ['2026-04-15', 'calendar:Election', null],
    ['2026-04-20', 'event:e1', null],
    ['2026-04-20', 'notice:e9', null],
    ['2026-04-21', 'outage', null],
    ['2026-04-10', 'before_consent', null],
    ['2026-04-14', 'calendar:Ambedkar Jayanti', 'which the calendar does not have'],
    ['2026-04-20', 'event:e9', 'a day of this very event'],
    ['2026-04-20', 'event', 'for no known reason'],
    ['2026-04-20', 'outage:t-4', 'for no known reason'],
    ['2026-04-20', 'rain', 'for no known reason'],
    ['2026-04-31', 'outage', 'is no civil day'],
    ['2026-05-01', 'outage', 'does not lie before the event'],
    ['2026-04-29', 'outage', 'a candidate all the same'],
  ])('%s, %s: %s', (day, reason, fault) => {
    const { differences } = checkExcludedDays(payload([{ day, reason }]));
    if (fault === null) expect(differences).toEqual([]);
    else expect(differences.join()).toContain(fault);
  });

  test('a day that the calendar excludes may be no candidate, whether it is listed or not', () => {
    const calendar = { days: [{ day: '2026-04-29', name: 'Election', kind: 'EXCLUDED' }] };
    expect(checkExcludedDays(payload([], { calendar })).differences).toEqual([
      '2026-04-29 is a candidate although the calendar excludes it',
    ]);
  });
});

test('what no recomputation can show is said', () => {
  const word = issuersWord(
    payload([{ day: '2026-04-21', reason: 'outage' }], {
      terms: { netting: 'NET_CYCLE', optOut: {} },
      settled: { carry: '7/2' },
    }),
  );
  expect(word).toContain('(outage)');
  expect(word).toContain('7/2 Wh');
  expect(word).toContain('0 opt-outs');
});
