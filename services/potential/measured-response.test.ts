import { describe, expect, test } from 'vitest';
import { MINUTE } from '../domain/interval.ts';
import { chanceOf } from '../evaluate/chance.ts';
import { eventOf, type Occasion, quietHours, remembered } from '../evaluate/occasions.ts';
import { EVERYBODY } from '../evaluate/participants.ts';
import { coreBytes } from '../host/core-file.ts';
import { zoneDays } from '../host/zone.ts';
import { estimator } from '../performance/estimate.ts';
import { loadKernel, MISSING } from '../performance/kernel.ts';
import type { LoadSeries } from '../performance/load-series.ts';
import { expectedFlexible } from './flexible.ts';
import { type Home, nothingSaid } from './homes.ts';
import { measuredRates, withoutEvents } from './measured-response.ts';
import { studyHomes } from './research.ts';
import { normalOf, PLANNING_RATE, rateAt, readRate } from './response-rate.ts';

const zone = remembered(zoneDays('Asia/Kolkata'));
const kernel = await loadKernel(coreBytes());
const FIRST = '2026-04-01';
const START = zone.startOf(FIRST);
const DAYS = 100;
/** Thursdays and every second Monday, from the fifth week on. */
const EVENT_DAYS = Array.from(
  { length: 20 },
  (_, i) => 33 + (i % 2 === 0 ? 7 * (i >> 1) : 7 * (i >> 1) + (i % 4 === 1 ? 4 : 1)),
).filter((day) => day < DAYS - 1);
const events = EVENT_DAYS.map((count): Occasion => {
  const day = zone.plus(FIRST, count);
  const start = zone.startOf(day) + 1080 * MINUTE;
  return { day, kind: 'event', name: day, sort: '', event: eventOf({ start, end: start + 180 * MINUTE }, 120) };
});
const calendar = { zone, holidays: new Set<string>(), excluded: new Map<string, string>() };
const quiet = quietHours(events, {
  ...{ zone, holidays: calendar.holidays, called: new Map(events.map(({ day }) => [day, [EVERYBODY]])), from: FIRST },
  ...{ to: zone.plus(FIRST, DAYS - 1), meterIds: Array.from({ length: 16 }, (_, i) => `m${i + 1}`) },
});
const past = { events, quiet: quiet.occasions, around: quiet.around };

/** A home that cools above 24 °C, and answers events by that share of what cooling takes; its days differ by chance. */
function cooling(seed: number, category: string, answers: number): Home {
  const chance = chanceOf(seed);
  const temperature = new Float64Array(DAYS * 48);
  const importWh = new Int32Array(DAYS * 48);
  for (let i = 0; i < importWh.length; i++) {
    const [day, slot] = [Math.floor(i / 48), i % 48];
    temperature[i] = 29 + 4 * Math.sin(day / 2.3) + 5 * Math.sin(((slot / 2 - 9) / 24) * 2 * Math.PI);
    const cool = (60 + 5 * (seed % 5)) * Math.max(0, temperature[i]! - 24);
    const asked = EVENT_DAYS.includes(day) && slot >= 36 && slot < 42;
    // It grows week by week: every baseline of past days lies below, on quiet days as in events.
    importWh[i] = Math.round((300 + 4 * day + 100 * chance() + cool * (asked ? 1 - answers : 1)) / 2);
  }
  const marks = new Map(events.map(({ day }) => [day, ['event' as const]]));
  const series: LoadSeries = {
    ...{ meterId: `m${seed}`, start: START, minutes: 30, importWh, exportWh: null, quality: null, temperature, marks },
    connectedLoadW: null,
  };
  return { meterId: `m${seed}`, ...nothingSaid, category, series };
}

const homes = Array.from({ length: 16 }, (_, i) => cooling(i + 1, i % 2 ? 'shops' : 'homes', i % 2 ? 0.4 : 0));
const windows = events.map(({ event }) => event.window);
const { findings } = studyHomes(
  kernel,
  homes.map((home) => withoutEvents(home, windows)),
  zone,
  () => {},
);

describe('a response rate', () => {
  test('is measured at past events, category by category, near what it was: hot days are no answer', () => {
    const rates = measuredRates(homes, findings, past, calendar, estimator({ kernel }), 1);
    const [shops, others] = [rates.get('shops')!, rates.get('homes')!];
    expect([shops.basis, shops.events]).toEqual(['measured', EVENT_DAYS.length]);
    expect(Math.abs(shops.value - 0.4)).toBeLessThan(0.06);
    expect(shops.interval![1] - shops.interval![0]).toBeLessThan(0.1);
    expect(others.value).toBeLessThan(0.05);
  });

  test('is that of the homes that were asked: of others no event says anything', () => {
    const shops = homes.filter(({ category }) => category === 'shops').map(({ meterId }) => meterId);
    const cohort = { ...EVERYBODY, asked: new Set(shops.slice(1)), heldOut: new Set(shops.slice(0, 1)) };
    const some = { ...past, events: events.map((event) => ({ ...event, cohort })) };
    const rates = measuredRates(homes, findings, some, calendar, estimator({ kernel }), 1);
    const others = homes.filter(({ meterId }) => cohort.asked.has(meterId));
    const alone = measuredRates(others, findings, past, calendar, estimator({ kernel }), 1);
    expect([rates.get('homes'), rates.get('shops')]).toEqual([null, alone.get('shops')]);
    expect(rates.get('shops')).not.toEqual(measuredRates(homes, findings, past, calendar, estimator({ kernel }), 1).get('shops'));
  });

  test('is not measured at four events, nor where no load is known that could answer', () => {
    const few = { events: events.slice(0, 4), quiet: quiet.occasions, around: quiet.around.slice(0, 4) };
    expect(measuredRates(homes, findings, few, calendar, estimator({ kernel }), 1).get('shops')).toBeNull();
    const nothing = findings.map((one) => ({ ...one, response: null }));
    expect(measuredRates(homes, nothing, past, calendar, estimator({ kernel }), 1).get('shops')).toBeNull();
  });

  test('in an event the load is not read, before and after it is', () => {
    const [home] = homes as [Home];
    const read = withoutEvents(home, windows.slice(0, 1)).series.importWh;
    const at = (windows[0]!.start - START) / (30 * MINUTE);
    expect([...read.subarray(at - 1, at + 7)].map((wh) => wh === MISSING)).toEqual([
      false,
      true,
      true,
      true,
      true,
      true,
      true,
      false,
    ]);
    expect(read.filter((wh, i) => wh !== home.series.importWh[i])).toHaveLength(6);
  });

  test.each<[string, readonly [number, [number, number] | null]]>([
    ['0.3', [0.3, null]],
    ['0.2/0.3/0.45', [0.3, [0.2, 0.45]]],
    ['0/0/1', [0, [0, 1]]],
  ])('%s is read', (text, expected) => {
    const { value, interval } = readRate(text);
    expect([value, interval]).toEqual(expected);
  });
  test.each(['30', '0.3/0.2/0.4', '0.2/0.3', '', '0.2/0.3/0.4/0.5', '-0.1'])('%s is no rate', (text) => {
    expect(() => readRate(text)).toThrow('--response must be a share 0 to 1');
  });

  test('is drawn so that nine in ten lie between its ends, half on either side', () => {
    const rate = readRate('0.2/0.3/0.5');
    const chance = chanceOf(3);
    const drawn = Array.from({ length: 4000 }, () => rateAt(rate, normalOf(chance(), chance())));
    const share = (of: (value: number) => boolean) => drawn.filter(of).length / drawn.length;
    expect(share((value) => value < 0.2)).toBeCloseTo(0.05, 1);
    expect(share((value) => value > 0.5)).toBeCloseTo(0.05, 1);
    expect(share((value) => value < 0.3)).toBeCloseTo(0.5, 1);
    expect(drawn.every((value) => value >= 0 && value <= 1)).toBe(true);
  });
});

describe('the megawatts to expect', () => {
  const stakes = Array.from({ length: 40 }, (_, i) => ({ category: 'a', sensitiveW: 500 + 25 * i, evLikeW: 0, limitW: null }));
  const of = (text: string) => expectedFlexible(stakes, [{ category: 'a', response: readRate(text), consumers: 40 }], 1).all;
  test('carry the uncertainty of the rate in their interval, and say what it is without', () => {
    const [bare, uncertain] = [of('0.3'), of('0.1/0.3/0.5')];
    expect(bare.interval).toEqual(bare.ofSample);
    expect([uncertain.watts, uncertain.ofSample]).toEqual([bare.watts, bare.ofSample]);
    const width = ([low, high]: readonly [number, number]) => high - low;
    expect(width(uncertain.interval!)).toBeGreaterThan(4 * width(bare.interval!));
    // The rate alone: 0.1 to 0.5 of what 0.3 gives.
    expect(uncertain.interval![0] / uncertain.watts).toBeCloseTo(1 / 3, 1);
    expect(uncertain.interval![1] / uncertain.watts).toBeCloseTo(5 / 3, 1);
  });
  test('of a planning value that is wrong are wrong in every category at once, of rates measured apart they are not', () => {
    const both = (basis: 'planning' | 'measured') => {
      const terms = ['a', 'b'].map((category) => ({ category, response: { ...PLANNING_RATE, basis }, consumers: 40 }));
      const { all, by } = expectedFlexible([...stakes, ...stakes.map((one) => ({ ...one, category: 'b' }))], terms, 1);
      const width = ({ interval }: { interval: readonly [number, number] | null }) => interval![1] - interval![0];
      return width(all) / (width(by[0]!) + width(by[1]!));
    };
    expect(both('planning')).toBeGreaterThan(0.95);
    expect(both('measured')).toBeLessThan(0.85);
  });
});
