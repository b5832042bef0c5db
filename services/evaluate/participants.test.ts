import { describe, expect, test } from 'vitest';
import { zoneDays } from '../host/zone.ts';
import type { LoadSeries } from '../performance/load-series.ts';
import { chanceOf } from './chance.ts';
import { type Evaluation, evaluate, type Question } from './evaluation.ts';
import { readEvents, readParticipants } from './lists.ts';
import { eventOf, type Occasion, placebos, quietHours, windowOn } from './occasions.ts';
import { type Cohort, calledDays, calledOn, EVERYBODY, isAsked, marksOf, partIn, withParticipants } from './participants.ts';
import { presetTerms } from './terms.ts';
import { DAYS, estimate, FIRST, HOURS, home, inWindow, named, question, steady, zone } from './testing.ts';

const EVENTS =
  'event_id,start,end\nE1,2026-05-05T18:00+05:30,2026-05-05T21:00+05:30\nE2,2026-05-06T22:00+05:30,2026-05-07T02:00+05:30\n';
const events = readEvents(EVENTS, 'e.csv', zone);
const known = new Set(['E1', 'E2']);
const listed = (text: string) =>
  withParticipants(events, { file: 'p.csv', lines: readParticipants(text, 'p.csv', known, { columns: ['meter_id'] }) }, null);
const left = (text: string, past = events) =>
  withParticipants(past, null, {
    file: 'o.csv',
    lines: readParticipants(text, 'o.csv', known, { role: 'opted_out', columns: ['event_id', 'meter_id'] }),
  });
const said = ({ cohort }: { readonly cohort: Cohort }) => ({
  parts: ['A', 'B', 'C', 'D'].map((id) => partIn(cohort, id)),
  left: cohort.left && [...cohort.left],
});
const everybody = ['asked', 'asked', 'asked', 'asked'];

describe('whom an event asked', () => {
  test('a file of events as it always was asks everybody', () => {
    expect(events.map(said)).toEqual([0, 1].map(() => ({ parts: everybody, left: null })));
    expect(readEvents('2026-05-01\n', 'd.csv', zone).map(said)).toEqual([{ parts: everybody, left: null }]);
  });

  test.each<[string, string, string[], string[] | null]>([
    ['nothing in the columns', ';;', everybody, null],
    ['two participants', 'A;B,,', ['asked', 'asked', 'not_asked', 'not_asked'], null],
    ['one of them left, and need not be named twice', 'A,B,', ['asked', 'asked', 'not_asked', 'not_asked'], ['B']],
    ['held out of all', ',,C', ['asked', 'asked', 'held_out', 'asked'], null],
    ['held out beside participants', 'A; B,,C', ['asked', 'asked', 'held_out', 'not_asked'], null],
  ])('columns: %s', (_, columns, parts, who) => {
    const text = `start,end,participants,opted_out,held_out\n2026-05-05T18:00+05:30,2026-05-05T21:00+05:30,${columns}\n`;
    expect(readEvents(text, 'e.csv', zone).map(said)).toEqual([{ parts, left: who }]);
  });

  test.each<[string, string, string[], string[]]>([
    [
      'a list of meters is of every event',
      'meter_id\nA\nB\n',
      ['asked', 'asked', 'not_asked', 'not_asked'],
      ['asked', 'asked', 'not_asked', 'not_asked'],
    ],
    [
      'a line an event and home; an event without one asked nobody here',
      'event_id,meter_id,role\nE1,A,asked\nE1,C,held_out\nE1,B,opted_out\n',
      ['asked', 'asked', 'held_out', 'not_asked'],
      ['not_asked', 'not_asked', 'not_asked', 'not_asked'],
    ],
    [
      'what is said of one event goes before what is said of all',
      'meter_id,event_id,role\nA,,\nB,,\nA,E2,held_out\nD,E2,\n',
      ['asked', 'asked', 'not_asked', 'not_asked'],
      ['held_out', 'asked', 'not_asked', 'asked'],
    ],
  ])('%s', (_, text, first, second) => {
    expect(listed(text).map((event) => said(event).parts)).toEqual([first, second]);
  });

  test('opt-outs are told beside either, of homes that were asked', () => {
    expect(left('event_id,meter_id\nE1,A\n').map(said)).toEqual([
      { parts: everybody, left: ['A'] },
      { parts: everybody, left: [] },
    ]);
    expect(() => left('event_id,meter_id\nE1,A\nE1,D\n', listed('meter_id\nA\n'))).toThrow(
      'o.csv:3: D left E1, which did not ask it',
    );
  });

  test.each([
    ['event_id\nE1\n', 'p.csv: the header has no meter_id'],
    ['event_id,meter_id\nE9,A\n', 'p.csv:2: --event-days names no event E9'],
    ['meter_id,role\nA,volunteer\n', 'p.csv:2: role must be asked, opted_out, held_out, not volunteer'],
    ['meter_id,role\nA,asked\nA,held_out\n', 'p.csv:3: A is asked on line 2 already'],
    ['event_id,meter_id\nE1,\n', 'p.csv:2: meter_id is empty'],
  ])('what cannot be is refused by line: %#', (text, message) => {
    expect(() => listed(text)).toThrow(message);
  });
});

describe('days on which a home was called', () => {
  const past = listed('event_id,meter_id,role\nE1,A,\nE1,B,held_out\nE2,B,opted_out\n');
  const called = calledDays(past, 120, zone);
  test('are those of the events that asked it, whether it stayed or left; never those it was held out of or not asked to', () => {
    expect(Object.fromEntries(['A', 'B', 'C'].map((id) => [id, [...marksOf(called, id).keys()]]))).toEqual({
      ...{ A: ['2026-05-05'], B: ['2026-05-06', '2026-05-07'], C: [] },
    });
    expect([...calledOn(called, ['2026-05-05', '2026-05-06'], ['A', 'B', 'C'])]).toEqual(['A', 'B']);
  });
  test('are also the day on which the notice came, as in settlement', () => {
    const days = (noticeMinutes: number) => [...calledDays(past, noticeMinutes, zone).keys()].sort();
    expect(days(24 * 60)).toEqual(['2026-05-04', '2026-05-05', '2026-05-06', '2026-05-07']);
    // Not the days between.
    expect(days(72 * 60)).toEqual(['2026-05-02', '2026-05-03', '2026-05-05', '2026-05-06', '2026-05-07']);
  });

  const series = ['A', 'B', 'C', 'D'].map((id) => home(id, steady(200)));
  const days = (cohorts: ReadonlyMap<string, readonly Cohort[]>) =>
    placebos(series, {
      ...{ zone, hours: HOURS, noticeMinutes: 120, holidays: new Set(), called: cohorts, everyDay: false },
      ...{ from: '2026-05-04', to: '2026-05-08' },
    });
  const asking = (...ids: string[]): Cohort => ({ ...EVERYBODY, asked: new Set(ids) });
  test('are placebos of the others, unless more than half of all homes were called', () => {
    const found = days(
      new Map([
        ['2026-05-05', [asking('A')]],
        ['2026-05-06', [asking('A'), asking('B', 'C')]],
        ['2026-05-07', [asking('A'), asking('B')]],
      ]),
    );
    expect(found.map(({ day, called: who }) => [day, who && [...who]])).toEqual([
      ['2026-05-04', undefined],
      ['2026-05-05', ['A']],
      ['2026-05-07', ['A', 'B']],
      ['2026-05-08', undefined],
    ]);
  });

  test('are no quiet days beside an event that asked the same home; events of others do not disturb it', () => {
    const event = (day: string, ...ids: string[]): Occasion => ({
      ...{ day, kind: 'event', name: day, sort: '', event: eventOf(windowOn(day, HOURS, zone), 120), cohort: asking(...ids) },
    });
    const both = [event('2026-05-05', 'A'), event('2026-05-06', 'A', 'B'), event('2026-05-07', 'C')];
    const { occasions, around } = quietHours(both, {
      ...{ zone, holidays: new Set(), from: '2026-05-04', to: '2026-05-08', meterIds: ['A', 'B', 'C', 'D'] },
      called: new Map(both.map(({ day, cohort }) => [day, [cohort!]])),
    });
    expect(around.map((places) => places.map((place) => occasions[place]!.day))).toEqual([
      ['2026-05-04', '2026-05-07', '2026-05-08'],
      ['2026-05-07', '2026-05-04', '2026-05-08'],
      ['2026-05-06', '2026-05-08', '2026-05-05', '2026-05-04'],
    ]);
  });
});

/** Every Tuesday from the fifth week on; loads differ by chance, `changed` at the events. */
const TUESDAYS = Array.from({ length: 8 }, (_, i) => 29 + 7 * i);
function restless(meterId: string, seed: number, atEvents: number): LoadSeries {
  const chance = chanceOf(seed);
  return home(meterId, (day, slot) => {
    const wh = (inWindow(slot) ? 900 : 400) * (0.8 + 0.4 * chance());
    return Math.round(wh * (TUESDAYS.includes(day) && inWindow(slot) ? atEvents : 1));
  });
}

function asked(series: readonly LoadSeries[], cohort: Cohort, more: Partial<Question> = {}): Question {
  const days = TUESDAYS.map((count) => zone.plus(FIRST, count));
  const called = new Map(days.map((day) => [day, [cohort]]));
  const events = days.map(
    (day): Occasion => ({ day, event: eventOf(windowOn(day, HOURS, zone), 120), kind: 'event', name: day, sort: '', cohort }),
  );
  const span = { from: zone.plus(FIRST, 28), to: zone.plus(FIRST, DAYS - 1) };
  const given = { zone, holidays: new Set<string>(), called, ...span };
  return question(
    series.map((one) => ({ ...one, marks: marksOf(called, one.meterId) })),
    {
      ...{ events, quietHours: quietHours(events, { ...given, meterIds: series.map(({ meterId }) => meterId) }) },
      placebos: placebos(series, { ...given, hours: HOURS, noticeMinutes: 120, everyDay: false }),
      ...more,
    },
  );
}

describe('what is said of an event is said of those who were asked', () => {
  const answering = [restless('A', 1, 0.7), restless('B', 2, 0.7)];
  // The others take less then too, for reasons of their own: nobody asked them, and nobody pays them.
  const others = [restless('C', 3, 0.5), restless('D', 4, 0.5), restless('E', 5, 1)];
  const cohort: Cohort = { asked: new Set(['A', 'B']), heldOut: new Set(['E']), left: null };
  const all = evaluate(asked([...answering, ...others], cohort), estimate);
  const alone = evaluate(asked(answering, EVERYBODY), estimate);
  const rows = (found: Evaluation, who: string) => named(found, '10of10').responses.filter((one) => one.who === who);

  test('what methods would have paid, and what they saw, is what it is without the others', () => {
    for (const name of ['10of10', '10of10-ratio', 'high5of10']) {
      const [with_, without] = [named(all, name), named(alone, name)];
      expect(with_.events).toEqual(without.events);
      expect(with_.events.every(({ homes }) => homes === 2)).toBe(true);
      expect(with_.responses.filter(({ who }) => who === 'asked')).toEqual(without.responses);
    }
    expect(all.participants).toEqual({ asked: 2, heldOut: 1, notAsked: 2 });
  });

  test('the held out and those not asked stand beside them', () => {
    const [held, not] = [rows(all, 'held_out'), rows(all, 'not_asked')];
    expect([held.length, held[0]!.homes, not.length, not[0]!.homes]).toEqual([1, 1, 1, 2]);
    expect(Math.abs(held[0]!.apart!.value)).toBeLessThan(0.1);
    expect(not[0]!.apart!.value).toBeGreaterThan(0.4);
  });

  test('a home that is not asked keeps all its days: as placebos, and as reference days', () => {
    const { days, homeDays, measured } = named(all, '10of10').all;
    expect([homeDays, measured]).toEqual([days * 5 - TUESDAYS.length * 2, days * 5 - TUESDAYS.length * 2]);
    // The mean of ten working days holds two Tuesdays, where a Tuesday is a day like any.
    const { placebos: quiet, candidates, calendar, series } = asked([...answering, ...others], cohort);
    const { event } = quiet.find(({ day }) => day > '2026-05-12')!;
    const tuesdays = [0, 2].map((h) => {
      const { evidence } = estimate(candidates[0]!.spec, [series[h]!], calendar, event)[0]!;
      return evidence?.kind === 'day_matching' && evidence.selectedDays.filter((day) => zone.weekdayOf(day) === 2).length;
    });
    expect(tuesdays).toEqual([0, 2]);
  });

  test('portfolios and committed power count the days a home was called no more than a gap', () => {
    const { portfolios } = named(all, '10of10');
    expect(portfolios[0]).toMatchObject({ homes: 1, draws: 5 });
    expect(portfolios.every(({ micros, rrmse }) => Number.isFinite(micros) && Number.isFinite(rrmse))).toBe(true);
  });

  test('terms that are not plain pay the same homes', () => {
    const terms = [presetTerms('deg-uc1-compatible')];
    const [one, two] = [
      evaluate(asked([...answering, ...others], cohort, { terms, committed: { of: 'power', watts: 300 } }), estimate),
      evaluate(asked(answering, EVERYBODY, { terms, committed: { of: 'power', watts: 300 } }), estimate),
    ];
    expect(named(one, '10of10').events).toEqual(named(two, '10of10').events);
  });

  test('terms that pay the held out say that this is in no figure', () => {
    const [plain] = [presetTerms('residential-10of10')];
    const says = (holdoutPay: 'NOTHING' | 'COHORT_AVERAGE') =>
      evaluate(
        asked(answering, { ...EVERYBODY, heldOut: new Set(['B']) }, { terms: [{ ...plain, pay: { ...plain.pay, holdoutPay } }] }),
        estimate,
      ).assumptions.filter((sentence) => sentence.startsWith('What the terms pay those held out'));
    expect([says('NOTHING').length, says('COHORT_AVERAGE').length]).toEqual([0, 1]);
  });
});

describe('signs', () => {
  const pumping = (id: string, seed: number) => {
    const one = restless(id, seed, 1);
    const importWh = one.importWh.map((wh, i) =>
      TUESDAYS.includes(Math.floor(i / 48)) && i % 48 >= 26 && i % 48 < 32 ? 2 * wh : wh,
    );
    return { ...one, importWh };
  };
  const series = [pumping('A', 1), pumping('B', 2), restless('C', 3, 1), restless('D', 4, 1)];
  const pumped = (cohort: Cohort) => {
    const { signals, looked } = evaluate(asked(series, cohort), estimate);
    const { homes, why } = looked.find(({ sign }) => sign === 'pumped')!;
    return { who: signals.filter(({ sign }) => sign === 'pumped').map(({ meterId }) => meterId), homes, why };
  };
  test('are looked for at those who were asked, at the events that asked them', () => {
    expect(pumped({ ...EVERYBODY, asked: new Set(['A', 'C']) })).toEqual({ who: ['A'], homes: 2, why: '' });
    expect(pumped({ ...EVERYBODY, asked: new Set(['C']), heldOut: new Set(['A']) })).toEqual({ who: [], homes: 1, why: '' });
    expect(pumped({ ...EVERYBODY, asked: new Set() })).toEqual({ who: [], homes: 0, why: 'no home was asked to 8 past events' });
  });
  test('a home that is held out of one event and asked to another is both', () => {
    const cohort = { ...EVERYBODY, heldOut: new Set(['A']) };
    expect([isAsked(cohort, 'A'), isAsked(cohort, 'B'), isAsked(EVERYBODY, 'A')]).toEqual([false, true, true]);
  });
});

test('the zone of the events is that of the days', () => {
  const [event] = readEvents(EVENTS, 'e.csv', zoneDays('UTC'));
  expect(event!.days).toEqual(['2026-05-05']);
});
