import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { MINUTE } from '../domain/interval.ts';
import { zoneDays } from '../host/zone.ts';
import { byCivilDay, daysOf, sameHours } from './civil-days.ts';
import { evaluate } from './evaluation.ts';
import { energies, measure } from './measure.ts';
import { eventOf, type Occasion, pastOccasions, placebos, quietHours, readHours, windowOn } from './occasions.ts';
import type { HomeTerms } from './paid.ts';
import { EVERYBODY } from './participants.ts';
import { presetTerms } from './terms.ts';
import { DAYS, estimate, FIRST, home, named, question, steady, zone } from './testing.ts';
import { payerOf } from './would-pay.ts';

const at = (text: string) => Date.parse(text);
const london = zoneDays('Europe/London');
const NIGHT = readHours('22:00-02:00');

describe('a window across midnight', () => {
  test.each([
    ['22:00-02:00', 1320, 1560],
    ['18:00-24:00', 1080, 1440],
    ['00:00-02:00', 0, 120],
    ['23:30-00:00', 1410, 1440],
  ])('%s is read', (text, from, to) => {
    expect(readHours(text)).toEqual({ from, to });
  });

  test.each<[string, string, string, string[]]>([
    ['an evening', '2026-05-08T18:00+05:30', '2026-05-08T21:00+05:30', ['2026-05-08 18:00–21:00']],
    ['up to midnight', '2026-05-08T18:00+05:30', '2026-05-09T00:00+05:30', ['2026-05-08 18:00–00:00']],
    ['a night', '2026-05-08T22:00+05:30', '2026-05-09T02:00+05:30', ['2026-05-08 22:00–00:00', '2026-05-09 00:00–02:00']],
    [
      'thirty hours',
      '2026-05-08T20:00+05:30',
      '2026-05-10T02:00+05:30',
      ['2026-05-08 20:00–00:00', '2026-05-09 00:00–00:00', '2026-05-10 00:00–02:00'],
    ],
  ])('%s is cut where its days end', (_, start, end, parts) => {
    const clock = (instant: number) => new Date(instant + 330 * MINUTE).toISOString().slice(11, 16);
    const cut = byCivilDay({ start: at(start), end: at(end) }, zone);
    expect(cut.map(({ day, window }) => `${day} ${clock(window.start)}–${clock(window.end)}`)).toEqual(parts);
    expect(daysOf({ start: at(start), end: at(end) }, zone)).toEqual(cut.map(({ day }) => day));
  });

  test('on a night on which clocks change, both ends keep their distance from the midnight before them', () => {
    const usual = windowOn('2026-03-27', NIGHT, london);
    // 29 March 2026: the clock goes forward at 01:00 GMT, so two hours after midnight it shows 03:00.
    expect([usual.end - usual.start, sameHours(usual, '2026-03-28', london)]).toEqual([
      240 * MINUTE,
      { start: at('2026-03-28T22:00Z'), end: at('2026-03-29T02:00Z') },
    ]);
    expect(sameHours(usual, '2026-03-29', london)).toEqual({ start: at('2026-03-29T22:00Z'), end: at('2026-03-30T01:00Z') });
    expect(windowOn('2026-03-29', NIGHT, london).end).toBe(at('2026-03-30T01:00Z'));
  });

  test('the core answers none of it uncut, as dispatch schedules none', () => {
    const { candidates, calendar } = question([home('A', steady(200))]);
    const [whole] = estimate(
      candidates[0]!.spec,
      [home('A', steady(200))],
      calendar,
      eventOf(windowOn('2026-05-06', NIGHT, zone), 120),
    );
    expect(whole!.quality.status).toBe('window_crosses_midnight');
  });
});

/** Loads of a few homes, gaps among them, and any window of a night. */
const worlds = fc.record({
  seeds: fc.array(fc.integer({ min: 1, max: 1e6 }), { minLength: 1, maxLength: 3 }),
  from: fc.integer({ min: 37, max: 47 }),
  to: fc.integer({ min: 49, max: 58 }),
  day: fc.integer({ min: 40, max: 70 }),
  gap: fc.option(fc.integer({ min: 36, max: 58 }), { nil: null }),
});

test('what is seen and paid of a night is the sum of its two days, whatever method and terms', () => {
  fc.assert(
    fc.property(worlds, fc.constantFrom('residential-10of10', 'deg-uc1-compatible', 'in-ci'), (world, preset) => {
      const day = zone.plus(FIRST, world.day);
      const series = world.seeds.map((seed, h) =>
        home(`H${h}`, (d, slot) => (d * 48 + slot === world.day * 48 + (world.gap ?? -1) ? null : (d * seed + slot * 37) % 997)),
      );
      const names = ['10of10', '10of10-ratio', 'in-ac-res', 'nyiso-average-day', 'meter-before-meter-after'];
      const asked = question(series, { names, terms: [presetTerms(preset)] });
      const { start, end } = windowOn(day, { from: world.from * 30, to: world.to * 30 }, zone);
      const midnight = zone.startOf(zone.plus(day, 1));
      const { noticeAt } = eventOf({ start, end }, 120);
      const occasion = (on: string, window: { start: number; end: number }): Occasion => ({
        ...{ day: on, kind: 'event', name: '', sort: '', event: { window, noticeAt } },
      });
      const night = [occasion(day, { start, end })];
      const apart = [occasion(day, { start, end: midnight }), occasion(zone.plus(day, 1), { start: midnight, end })];
      const homes: HomeTerms = { committed: series.map(() => 300), household: series.map(() => true), optOuts: () => 0 };
      const among = series.map((_, h) => h);
      for (const candidate of asked.candidates) {
        const [one, two] = [night, apart].map((occasions) =>
          measure(estimate, candidate, occasions, series, asked.calendar, true),
        );
        for (const h of among) {
          const [first, second] = [0, 1].map((o) => energies(two!, o, h));
          const sum =
            first || second ? [0, 1].map((i) => [first, second].reduce((a, e) => a + (e ? [e.load, e.error][i]! : 0), 0)) : null;
          const whole = energies(one!, 0, h);
          expect(whole === null, candidate.name).toBe(sum === null);
          if (whole && sum) for (const [i, wh] of [whole.load, whole.error].entries()) expect(wh).toBeCloseTo(sum[i]!, 6);
        }
        const [paid, each] = [payerOf(one!, asked.terms[0]!, homes), payerOf(two!, asked.terms[0]!, homes)];
        const [a, b] = [each(0, among), each(1, among)];
        expect(paid(0, among)).toEqual({
          ...{ wh: a.wh + b.wh, micros: a.micros + b.micros, penaltyMicros: a.penaltyMicros + b.penaltyMicros },
          ...{ aloneWh: a.aloneWh + b.aloneWh, aloneMicros: a.aloneMicros + b.aloneMicros },
        });
      }
    }),
    { numRuns: 25 },
  );
});

describe('nights as placebos and events', () => {
  const nights = (called: Map<string, (typeof EVERYBODY)[]>) =>
    placebos([home('A', steady(200))], {
      ...{ zone, hours: NIGHT, noticeMinutes: 120, holidays: new Set(), called, everyDay: false },
      ...{ from: zone.plus(FIRST, 28), to: zone.plus(FIRST, DAYS - 2) },
    });

  test('a night is quiet when both its days are', () => {
    const all = nights(new Map()).map(({ day }) => day);
    const left = nights(new Map([['2026-05-06', [EVERYBODY]]])).map(({ day }) => day);
    expect(all.filter((day) => !left.includes(day))).toEqual(['2026-05-05', '2026-05-06']);
  });

  test('is one day of the figures, with the load of both of its parts', () => {
    // Every load is what it always is, but for the hours after midnight of one night.
    const odd = home('A', (day, slot) => (day === 60 && slot < 4 ? 900 : 300));
    const asked = question([odd, home('B', steady(100))], { placebos: nights(new Map()) });
    const { all } = named(evaluate(asked, estimate), '10of10');
    expect([all.days, all.homeDays, all.measured]).toEqual([
      asked.placebos.length,
      asked.placebos.length * 2,
      asked.placebos.length * 2,
    ]);
    const before = asked.placebos.findIndex(({ day }) => day === zone.plus(FIRST, 59));
    const seen = measure(estimate, asked.candidates[0]!, asked.placebos, asked.series, asked.calendar, false);
    expect(energies(seen, before, 0)).toEqual({ load: 4 * 300 + 4 * 900, error: -4 * 600 });
    expect(energies(seen, before + 1, 1)!.error).toBe(0);
  });

  test('an event across midnight is measured, and its hours on quiet nights; a night that leaves the readings is not', () => {
    const event = (day: string) => ({
      ...{ name: day, sort: '', days: [day, zone.plus(day, 1)], window: windowOn(day, NIGHT, zone), cohort: EVERYBODY },
    });
    const last = zone.plus(FIRST, DAYS - 1);
    const given = { noticeMinutes: 120, first: FIRST, last, grid: 30, zone };
    const events = pastOccasions([event('2026-05-06'), event(last)], given);
    expect(events.map(({ day }) => day)).toEqual(['2026-05-06']);
    const called = new Map(['2026-05-06', '2026-05-07'].map((day) => [day, [EVERYBODY]]));
    const { occasions } = quietHours(events, { zone, holidays: new Set(), called, from: FIRST, to: last, meterIds: ['A'] });
    // Not 5 May: its night ends on the day of the event.
    expect(occasions.map(({ day }) => day)).toEqual(['2026-05-04', '2026-05-08', '2026-05-01', '2026-05-11']);
    for (const { event: quiet } of occasions) expect(quiet.window.end - quiet.window.start).toBe(240 * MINUTE);
    const shed = home('A', (day, slot) => {
      const since = day * 48 + slot - (65 * 48 + 44);
      return since >= 0 && since < 8 ? 250 : 1000;
    });
    const marked = { ...shed, marks: new Map([...called.keys()].map((day) => [day, ['event' as const]])) };
    const found = evaluate(question([marked], { events, quietHours: { occasions, around: [[0, 1, 2, 3]] } }), estimate);
    const [response] = named(found, '10of10').responses;
    expect([response!.response!.value, response!.quiet!.value, response!.paidWh]).toEqual([0.75, 0, 6000]);
    // Two events for settlement: ₹4 a kWh, and ₹5 for each of them.
    expect(response!.paidMicros).toBe(6 * 4_000_000 + 2 * 5_000_000);
    expect(found.assumptions.join()).toContain('A window across midnight');
  });
});
