import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { presets } from '../catalogue/presets.ts';
import { chanceOf, drawn, quantile, ratioOverDays } from './chance.ts';
import { evaluate } from './evaluation.ts';
import { htmlReport } from './html.ts';
import { readCategories, readDayList, readEvents } from './lists.ts';
import { candidatesOf, methodNames, USUAL } from './methods.ts';
import { eventOf, type Occasion, placebos, readHours, windowOn } from './occasions.ts';
import { EVERYBODY } from './participants.ts';
import { terminalReport } from './terminal.ts';
import { presetTerms } from './terms.ts';
import { DAYS, estimate, FIRST, HOURS, home, inWindow, named, question, steady, zone } from './testing.ts';

describe('homes whose answer is known', () => {
  test('a method that is exactly right has no bias, no spread and no false credit', () => {
    const found = evaluate(question([home('A', steady(200)), home('B', steady(900))]), estimate);
    for (const { all, verdict } of found.methods) {
      expect(all).toMatchObject({
        coverage: 1,
        rrmseHome: 0,
        rrmsePortfolio: 0,
        falseWh: 0,
        falseMicros: 0,
        aloneMicros: 0,
        clamped: 0,
      });
      expect(all.bias).toEqual({ value: 0, low: 0, high: 0 });
      expect(all.falseCredit).toEqual({ value: 0, low: 0, high: 0 });
      expect(all.quantiles).toEqual([0, 0, 0, 0, 0]);
      expect(verdict.against).toEqual([]);
    }
    expect(found.methods.filter(({ verdict }) => verdict.recommended).map(({ name }) => name)).toEqual(['10of10']);
  });

  test('a baseline from the highest days of a load that swings is biased by what the swing says, and red', () => {
    // By turns 1000 and 2000 Wh an interval: of any ten working days five are high, so the highest five have a mean of 2000.
    let working = -1;
    const turn = Array.from({ length: DAYS }, (_, day) => (day % 7 < 5 ? ++working % 2 : 0));
    const found = evaluate(question([home('A', (day, slot) => (inWindow(slot) ? 1000 + 1000 * turn[day]! : 500))]), estimate);
    const high = named(found, 'high5of10');
    const days = high.all.days;
    const low = found.methods[0]!.all.loadWh;
    // Every day of 1000 is promised 2000: 6 × 1000 Wh for nothing.
    const quiet = (2 * 6000 * days - low) / 6000;
    expect(high.all.bias!.value).toBeCloseTo((quiet * 6000) / low, 12);
    expect(high.all.falseWh).toBe(quiet * 6000);
    // ₹4 a kWh, and ₹5 for having delivered.
    expect(high.all.falseMicros).toBe(quiet * (6 * 4_000_000 + 5_000_000));
    expect(high.verdict).toMatchObject({ red: true, recommended: false });
    expect(high.all.bias!.low).toBeLessThanOrEqual(high.all.bias!.value);
    expect(named(found, '10of10').all.bias!.value).toBeLessThan(0.02);
  });

  test('what one home is over, another is under: the portfolio pays nothing where each home alone would be paid', () => {
    const swing = (sign: number) => (day: number, slot: number) => (inWindow(slot) ? 1000 + sign * 100 * (day % 3) : 400);
    const { all } = named(evaluate(question([home('A', swing(1)), home('B', swing(-1))]), estimate), '10of10');
    expect(all.falseWh).toBe(0);
    expect(all.alone).toBeGreaterThan(0.01);
    expect(all.clamped!).toBeGreaterThanOrEqual(all.alone! - 1e-3);
  });

  test('a gap is never a zero: it costs coverage, and changes no other figure', () => {
    const whole = evaluate(question([home('A', steady(200)), home('B', steady(900))]), estimate);
    const holed = home('B', (day, slot) => (inWindow(slot) && day >= 60 && day < 70 ? null : 900 + 10 * slot));
    const found = evaluate(question([home('A', steady(200)), holed]), estimate);
    for (const name of ['10of10', 'high5of10']) {
      const { all } = named(found, name);
      expect(all.bias!.value).toBe(0);
      expect(all.falseMicros).toBe(0);
      expect(all.lost.event_day_missing).toBe(6); // the working days of 60 … 69
      expect(all.measured).toBe(named(whole, name).all.measured - 6);
      expect(all.incomplete).toBe(6);
    }
  });

  test('a real response is found at its size, and only where it was', () => {
    const day = '2026-05-06';
    const at = (Date.parse(day) - Date.parse(FIRST)) / 86_400_000;
    const answers = home('A', (d, slot) => (d === at && inWindow(slot) ? 750 : 1000));
    const quiet = home('B', () => 1000);
    const event: Occasion = { day, event: eventOf(windowOn(day, HOURS, zone), 120), kind: 'event', name: 'E1', sort: 'High' };
    const base = question([answers, quiet], { categories: ['asked', 'left alone'], events: [event] });
    const marked = base.series.map((one) => ({ ...one, marks: new Map([[day, ['event' as const]]]) }));
    const found = evaluate({ ...base, series: marked, placebos: base.placebos.filter((one) => one.day !== day) }, estimate);
    const method = named(found, '10of10');
    expect(method.responses.map(({ category, response, paidWh }) => [category, response!.value, paidWh])).toEqual([
      ['asked', 0.25, 1500],
      ['left alone', 0, 0],
    ]);
    expect(method.events).toEqual([{ event: 'E1', day, sort: 'High', homes: 2, wh: 1500, micros: 11_000_000 }]);
    expect(method.all.falseWh).toBe(0);
    expect(method.ofEventPay.energy!.value).toBe(0);
  });

  test('taking more is paid where the terms pay for that, and taking less is not', () => {
    const day = '2026-05-06';
    const at = (Date.parse(day) - Date.parse(FIRST)) / 86_400_000;
    const series = [1500, 750].map((wh, h) => home(`H${h}`, (d, slot) => (d === at && inWindow(slot) ? wh : 1000)));
    const marked = series.map((one) => ({ ...one, marks: new Map([[day, ['event' as const]]]) }));
    const event: Occasion = { day, event: eventOf(windowOn(day, HOURS, zone), 120), kind: 'event', name: 'E1', sort: '' };
    const pays = (preset: string) => {
      const base = question(marked, { categories: ['more', 'less'], events: [event], terms: [presetTerms(preset)] });
      const found = evaluate({ ...base, placebos: base.placebos.filter((one) => one.day !== day) }, estimate);
      return named(found, '10of10').responses.map(({ response, paidWh }) => [response!.value, paidWh]);
    };
    expect(pays('absorb-solar')).toEqual([[-0.25, 0], [0.5, 3000]]); // biome-ignore format: one line
    expect(pays('residential-10of10')).toEqual([[0.25, 1500], [-0.5, 0]]); // biome-ignore format: one line
  });

  test('every preset of the catalogue can be judged, its own baseline among the methods, several side by side', () => {
    const swing = [1, -1].map((sign) => home(`H${sign}`, (d, slot) => (inWindow(slot) ? 1000 + sign * 100 * (d % 3) : 400)));
    for (const { name } of presets) {
      const terms = [presetTerms(name)];
      const found = evaluate(question(swing, { terms, candidates: candidatesOf(['terms'], 30, false, terms[0]) }), estimate);
      const [method] = found.methods;
      expect([name, method!.all.coverage], name).toEqual([name, 1]);
      expect(Number.isFinite(method!.all.falseMicros), name).toBe(true);
      expect(method!.all.falseCredit!.value, name).toBeGreaterThanOrEqual(0);
    }
    const two = ['residential-10of10', 'deg-uc1-compatible'].map(presetTerms);
    const { under, all } = evaluate(question(swing, { terms: two }), estimate).methods[0]!;
    expect(under.map((one) => one.terms)).toEqual(['residential-10of10', 'deg-uc1-compatible']);
    expect(under[0]!.figures).toEqual(all);
    // Each interval clamped, and nothing reconciled: paid for what the portfolio never delivered.
    expect([under[0]!.figures.falseWh, under[1]!.figures.falseWh > 0]).toEqual([0, true]);
    // What DEG's penalties would take from those who did nothing.
    expect(under[1]!.figures.penaltyMicros).toBeGreaterThan(0);
  });
});

describe('the same question has the same answer', () => {
  const series = Array.from({ length: 14 }, (_, h) => {
    const chance = chanceOf(h);
    return home(`H${h}`, (_day, slot) => Math.floor(200 + 20 * slot * chance()));
  });

  test('by seed, to the last bit; another seed draws other portfolios and the same sums', () => {
    const [one, again, other] = [1, 1, 2].map((seed) => evaluate(question(series, { seed }), estimate));
    expect(JSON.stringify(again)).toBe(JSON.stringify(one));
    expect(other!.methods.map(({ all }) => all.falseMicros)).toEqual(one!.methods.map(({ all }) => all.falseMicros));
    expect(other!.methods[0]!.portfolios[1]).not.toEqual(one!.methods[0]!.portfolios[1]);
    expect(one!.methods[0]!.portfolios.map(({ homes }) => homes)).toEqual([1, 10, 14]);
  });

  test('portfolios are paid by the full terms: reconciled, the larger one is paid less for nothing; all homes are what all are', () => {
    const paid = (preset: string) => {
      const { portfolios, all } = named(evaluate(question(series, { terms: [presetTerms(preset)] }), estimate), '10of10');
      const [single, ten, whole] = portfolios;
      expect(whole!.falseCredit).toBeCloseTo(all.falseCredit!.value, 12);
      expect(whole!.micros! * 14 * all.days).toBeCloseTo(all.falseMicros, 3);
      expect([ten!.falseLow! <= ten!.falseCredit!, ten!.falseCredit! <= ten!.falseHigh!]).toEqual([true, true]);
      return [single!.falseCredit!, ten!.falseCredit!, whole!.falseCredit!] as const;
    };
    const [single, ten, whole] = paid('residential-10of10');
    expect(single).toBeGreaterThan(ten);
    expect(ten).toBeGreaterThan(whole);
    // Nothing reconciled: how many homes there are changes nothing.
    const alone = paid('caiso-10in10');
    expect(Math.abs(alone[1] / alone[2] - 1)).toBeLessThan(0.1);
  });

  test('every usual method has figures, and the reports say them', () => {
    const found = evaluate(question(series, { names: USUAL }), estimate);
    expect(found.methods.filter(({ all }) => all.measured === 0).map(({ name }) => name)).toEqual([]);
    const text = terminalReport(found, false);
    const page = htmlReport(found, {
      files: ['<b>&.csv'],
      window: '18:00-21:00',
      zone: 'Asia/Kolkata',
    });
    for (const name of USUAL) {
      expect(text).toContain(name);
      expect(page).toContain(`<td>${name}</td>`);
    }
    expect(page).toContain('&lt;b&gt;&amp;.csv');
    expect(page).not.toMatch(/<script|https?:|NaN|undefined|Infinity/);
  });
});

describe('days', () => {
  const series = [home('A', (day, slot) => (inWindow(slot) ? 5000 - 10 * day : 100 + day))];

  test('the event-like tenth has the highest load outside the window; event days are never among them', () => {
    const called = new Map([['2026-05-20', [EVERYBODY]]]);
    const days = placebos(series, {
      ...{ zone, hours: HOURS, noticeMinutes: 120, holidays: new Set(['2026-05-21']), called, everyDay: false },
      ...{ from: '2026-05-04', to: '2026-05-22' },
    });
    expect(days.map(({ day }) => day)).not.toContain('2026-05-20');
    expect(days.map(({ day }) => day)).not.toContain('2026-05-21');
    expect(days).toHaveLength(13);
    expect(days.filter(({ kind }) => kind === 'event_like').map(({ day }) => day)).toEqual(['2026-05-19', '2026-05-22']);
  });

  test.each(['21:00-18:00', '18-21', '18:00-24:30', '', '25:00-26:00'])('%s is no window', (text) => {
    expect(() => readHours(text)).toThrow('--window must be two times of one day');
  });
});

describe('files', () => {
  test('days, with and without header, and events', () => {
    expect(readEvents('2026-05-01\n2026-05-02\n', 'f', zone).map(({ days }) => days)).toEqual([['2026-05-01'], ['2026-05-02']]);
    expect(readEvents('day\n2026-05-01\n', 'f', zone)).toHaveLength(1);
    expect(
      readEvents('event_id,start,end,tariff\nE,2026-05-01T22:00:00+05:30,2026-05-02T01:00:00+05:30,High\n', 'f', zone),
    ).toMatchObject([{ name: 'E', sort: 'High', days: ['2026-05-01', '2026-05-02'] }]);
    expect([...readDayList('day,name\n2026-08-15,Independence Day\n', 'f')]).toEqual(['2026-08-15']);
    expect(readCategories('meter_id,category\nA,LT-I\n', 'f', 'category').get('A')).toBe('LT-I');
  });

  test.each([
    [() => readEvents('day\n2026-02-30\n', 'f.csv', zone), 'f.csv:2: must be a day'],
    [() => readEvents('when\n1\n', 'f.csv', zone), 'the header must have day, or start and end'],
    [() => readEvents('start,end\n2026-05-01,2026-05-02\n', 'f.csv', zone), 'f.csv:2: must be an instant'],
    [() => readEvents('start,end\n2026-05-01T02:00:00Z,2026-05-01T01:00:00Z\n', 'f.csv', zone), 'ends before it starts'],
    [() => readCategories('meter,category\n', 'm.csv', 'category'), 'm.csv: the header has no meter_id'],
    [() => candidatesOf(['best'], 30, false), 'there is no method best'],
    [() => candidatesOf(['degree-hours'], 30, false), 'looks at the weather'],
  ])('what cannot be read is refused by name: %#', (read, message) => {
    expect(read).toThrow(message);
  });

  test('every method that is named can be made', () => {
    expect(candidatesOf(methodNames(), 30, true)).toHaveLength(methodNames().length);
  });
});

describe('chance', () => {
  test('draws are different places, rising', () => {
    fc.assert(
      fc.property(fc.integer({ min: 0, max: 50 }), fc.integer({ min: 0, max: 50 }), fc.nat(), (a, b, seed) => {
        const places = drawn(Math.min(a, b), Math.max(a, b), chanceOf(seed));
        expect(new Set(places).size).toBe(Math.min(a, b));
        expect(places).toEqual([...places].sort((x, y) => x - y));
        expect(places.every((place) => place >= 0 && place < Math.max(a, b))).toBe(true);
      }),
    );
  });

  test('an interval holds its value, and narrows to it where all days are alike', () => {
    expect(ratioOverDays([1, 1, 1], [2, 2, 2], 7)).toEqual({ value: 0.5, low: 0.5, high: 0.5 });
    const spread = ratioOverDays([0, 1, 0, 1], [1, 1, 1, 1], 7)!;
    expect(spread.low).toBeLessThan(0.5);
    expect(spread.high).toBeGreaterThan(0.5);
    expect(ratioOverDays([1], [0], 7)).toBeNull();
    expect([quantile([], 0.5), quantile([3, 1, 2], 0.5), quantile([0, 10], 0.25)]).toEqual([null, 2, 2.5]);
  });
});
