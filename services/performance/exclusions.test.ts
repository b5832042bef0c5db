import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { HOUR } from '../domain/interval.ts';
import { zoneDays } from '../host/zone.ts';
import { type ExclusionInput, exclusionsOf, holds, looksAt, occupiedFrom, unservedAt } from './exclusions.ts';

const zone = zoneDays('Asia/Kolkata');
const at = (text: string) => Date.parse(`${text}+05:30`);
const days = ['2026-05-07', '2026-05-06', '2026-05-05'];
/** The event hour 18:00, adjusted by 17:00. */
const history = days.map((day) => Float64Array.of(at(`${day}T18:00:00`), at(`${day}T17:00:00`)));
const nothing: ExclusionInput = {
  ...{
    looks: looksAt(days, history, 60, zone),
    calendar: new Map(),
    eventDays: [],
    unserved: [],
    occupiedFrom: 0,
    permitted: () => true,
  },
};

describe('excluded days', () => {
  // biome-ignore format: one row a case
  const rows: [string, Partial<ExclusionInput>, [string, string][]][] = [
    ['nothing speaks against any day', {}, []],
    ['a day of the calendar, by its name', { calendar: new Map([['2026-05-06', 'cyclone']]) }, [['2026-05-06', 'calendar:cyclone']]],
    ['a calendar day that is none of ours says nothing', { calendar: new Map([['2026-05-02', 'cyclone']]) }, []],
    ['an event of any programme', { eventDays: [{ day: '2026-05-05', eventId: 'e1', reason: 'event' }] }, [['2026-05-05', 'event:e1']]],
    ['a notice alone, even when nothing was instructed', { eventDays: [{ day: '2026-05-07', eventId: 'e2', reason: 'notice' }] }, [['2026-05-07', 'notice:e2']]],
    ['the same event twice is one reason', { eventDays: [{ day: '2026-05-05', eventId: 'e1', reason: 'event' }, { day: '2026-05-05', eventId: 'e1', reason: 'event' }] }, [['2026-05-05', 'event:e1']]],
    ['an outage inside the event hour', { unserved: [{ start: at('2026-05-06T18:59:00'), end: at('2026-05-06T20:00:00'), state: 2 }] }, [['2026-05-06', 'outage']]],
    ['an outage inside the adjustment hour', { unserved: [{ start: at('2026-05-06T17:00:00'), end: at('2026-05-06T17:01:00'), state: 3 }] }, [['2026-05-06', 'outage']]],
    ['an outage at lunch does not matter', { unserved: [{ start: at('2026-05-06T12:00:00'), end: at('2026-05-06T17:00:00'), state: 2 }] }, []],
    ['moved in at noon: that day is not wholly theirs', { occupiedFrom: at('2026-05-06T12:00:00') }, [['2026-05-05', 'before_occupancy'], ['2026-05-06', 'before_occupancy']]],
    ['moved in at midnight', { occupiedFrom: at('2026-05-06T00:00:00') }, [['2026-05-05', 'before_occupancy']]],
    ['readings shared from a later day', { permitted: (_, day) => day >= '2026-05-07' }, [['2026-05-05', 'before_consent'], ['2026-05-06', 'before_consent']]],
    ['several reasons, each listed, in a fixed order', {
      calendar: new Map([['2026-05-06', 'cyclone']]), occupiedFrom: at('2026-05-06T12:00:00'),
      eventDays: [{ day: '2026-05-06', eventId: 'e3', reason: 'notice' }, { day: '2026-05-06', eventId: 'e3', reason: 'event' }],
    }, [['2026-05-05', 'before_occupancy'], ['2026-05-06', 'calendar:cyclone'], ['2026-05-06', 'event:e3'], ['2026-05-06', 'notice:e3'], ['2026-05-06', 'before_occupancy']]],
  ];
  it.each(rows)('%s', (_, over, expected) => {
    expect(exclusionsOf({ ...nothing, ...over }).map(({ day, reason }) => [day, reason])).toEqual(expected);
  });

  it('asks the day before too when the window reaches it', () => {
    const reaching = [Float64Array.of(at('2026-05-07T00:00:00'), at('2026-05-06T23:00:00'))];
    const found = exclusionsOf({
      ...nothing,
      looks: looksAt(['2026-05-07'], reaching, 60, zone),
      permitted: (_, day) => day >= '2026-05-07',
    });
    expect(found).toEqual([{ day: '2026-05-07', reason: 'before_consent' }]);
  });

  it('does not look at slots a short day does not have', () => {
    const short = [Float64Array.of(Number.NaN, at('2026-05-07T17:00:00'))];
    expect(exclusionsOf({ ...nothing, looks: looksAt(['2026-05-07'], short, 60, zone) })).toEqual([]);
  });
});

describe('supply', () => {
  const dark = [{ start: 2 * HOUR, end: 3 * HOUR, state: 2 }];
  // biome-ignore format: one row a case
  it.each<[number, number, number | null, string]>([
    [0, 2 * HOUR, null, 'ends where the outage starts'],
    [2 * HOUR, 3 * HOUR, 2, 'inside'],
    [HOUR, 2 * HOUR + 1, 2, 'touched by a millisecond is not energised throughout'],
    [3 * HOUR, 4 * HOUR, null, 'after'],
  ])('%i … %i → %s: %s', (start, end, state) => {
    expect(unservedAt(dark, { start, end })).toBe(state);
  });
});

describe('the occupant', () => {
  const states = [
    { participantId: 'old', from: 0, to: 100 },
    { participantId: 'new', from: 100, to: 200 },
    { participantId: 'new', from: 200, to: null },
  ];
  // biome-ignore format: one row a case
  it.each<[string, number, number | null, string]>([
    ['new', 250, 100, 'a new tariff does not cut history, a change of occupant does'],
    ['old', 50, 0, 'the former occupant, then'],
    ['old', 150, null, 'the former occupant, later'],
    ['new', 50, null, 'not yet'],
  ])('%s at %i has held it since %s: %s', (who, when, from) => {
    expect(occupiedFrom(states, who, when)).toBe(from);
  });

  it('a time without contract cuts history', () => {
    const gap = [
      { participantId: 'a', from: 0, to: 100 },
      { participantId: 'a', from: 150, to: null },
    ];
    expect(occupiedFrom(gap, 'a', 200)).toBe(150);
    expect(occupiedFrom(gap, 'a', 120)).toBeNull();
  });

  it('holds it exactly when there is a since, in whatever order the states come', () => {
    const who = fc.constantFrom('a', 'b');
    const state = fc.record({ participantId: who, from: fc.nat(9), to: fc.option(fc.nat(12)) });
    fc.assert(
      fc.property(fc.array(state, { maxLength: 5 }), who, fc.nat(12), (any, participantId, when) => {
        expect(holds(any, participantId, when)).toBe(occupiedFrom(any, participantId, when) !== null);
      }),
      { numRuns: 2000 },
    );
  });
});
