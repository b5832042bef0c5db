import { beforeAll, describe, expect, it } from 'vitest';
import { HOUR, MINUTE } from '../domain/interval.ts';
import { coreBytes } from '../host/core-file.ts';
import { zoneDays } from '../host/zone.ts';
import type { DegreeHours } from './degree-hours.ts';
import { type AreaCalendar, baselineFloats, type Estimator, estimator, type MethodSpec } from './estimate.ts';
import { loadKernel, MISSING } from './kernel.ts';
import type { LoadSeries } from './load-series.ts';
import { CALTRACK, type TimeOfWeek } from './time-of-week.ts';

let estimate: Estimator;
beforeAll(async () => {
  estimate = estimator({ kernel: await loadKernel(coreBytes()) });
});

const zone = zoneDays('Asia/Kolkata');
const calendar: AreaCalendar = { zone, holidays: new Set(), excluded: new Map() };
const DAYS = 60;
const FIRST = '2026-04-01';
const start = zone.startOf('2026-05-29') + 18 * HOUR; // a Friday
const event = { window: { start, end: start + 2 * HOUR }, noticeAt: start - 4 * HOUR };

const degreeHours: DegreeHours = {
  ...{ kind: 'degree_hours', quantity: 'import', dayType: 'weekday_vs_nonworking', minGapDays: 1, lookbackDays: 45, minDays: 10 },
  ...{ unit: 'C', cooling: 24_000, heating: 12_000 },
};
const timeOfWeek: TimeOfWeek = {
  ...{ kind: 'time_of_week', quantity: 'import', minGapDays: 1, lookbackDays: 365, minDays: 20, floorZero: true, ...CALTRACK },
};

/** An Indian spring in °C, to a tenth: warmer every day, warmest in the afternoon. */
const weather = (hour: number) => Math.round((24 + hour / 120 + 8 * Math.sin(((hour % 24) - 9) / 4)) * 10) / 10;

/** A home that draws 300 Wh an hour and 50 more for every degree above 24. */
function home(over: Partial<LoadSeries> = {}, minutes = 60): LoadSeries {
  const perHour = 60 / minutes;
  const heat = Float64Array.from({ length: DAYS * 24 * perHour }, (_, i) => weather(Math.floor(i / perHour)));
  return {
    ...{
      meterId: 'home',
      start: zone.startOf(FIRST),
      minutes,
      exportWh: null,
      quality: null,
      marks: new Map(),
      connectedLoadW: null,
    },
    importWh: Int32Array.from(heat, (degrees) => Math.round((300 + 50 * Math.max(0, degrees - 24)) / perHour)),
    temperature: heat,
    ...over,
  };
}

const one = (spec: MethodSpec, series: LoadSeries, over: Partial<typeof event> = {}) =>
  estimate(spec, [series], calendar, { ...event, ...over })[0]!;
const expected = [0, 1].map((slot) => {
  const hour = 58 * 24 + 18 + slot;
  return 300 + 50 * Math.max(0, weather(hour) - 24);
});

describe('a load that follows the weather is found again', () => {
  it.each([
    ['degree-hours', degreeHours],
    ['time of week', timeOfWeek],
  ] as const)('by %s', (_, spec) => {
    const found = one(spec, home());
    expect(found.quality).toMatchObject({ status: 'ok', reason: '', missing: 0 });
    baselineFloats(found.baseline!).forEach((wh, slot) => {
      expect(Math.abs(wh - expected[slot]!)).toBeLessThan(spec.kind === 'degree_hours' ? 1 : 25);
    });
    expect(found.actualWh).toEqual(expected.map(Math.round));
  });

  it('also in quarter hours, and whichever unit the thermometer has', () => {
    const quarters = baselineFloats(one(timeOfWeek, home({}, 15)).baseline!);
    expect(quarters).toHaveLength(8);
    const celsius = home();
    const fahrenheit = home({ temperature: celsius.temperature!.map((t) => (t * 9) / 5 + 32), temperatureUnit: 'F' });
    for (const spec of [degreeHours, timeOfWeek]) expect(one(spec, fahrenheit).baseline).toEqual(one(spec, celsius).baseline);
  });

  it('without the days of events, outages and festivals, and without estimated readings', () => {
    const spoilt = home();
    const from = 24 * 57; // Thursday 28 May
    const marked = { ...spoilt, importWh: spoilt.importWh.slice().fill(9000, from, from + 24) };
    const marks = new Map([['2026-05-28', ['outage'] as const]]);
    for (const spec of [degreeHours, timeOfWeek]) {
      expect(one(spec, { ...marked, marks }).baseline).not.toEqual(one(spec, marked).baseline);
      expect(one(spec, { ...marked, marks }).evidence).toMatchObject({ excludedDays: [{ day: '2026-05-28', reason: 'outage' }] });
      const quality = new Uint8Array(marked.importWh.length).fill(1).fill(2, from, from + 24);
      expect(one(spec, { ...marked, quality }).baseline).toEqual(one(spec, { ...marked, marks }).baseline);
    }
  });
});

describe('what cannot be computed has a status and a reason', () => {
  const short = home();
  const rows = (count: number) => {
    const from = short.importWh.length - count - 24; // up to the evening of the event
    return {
      start: short.start + from * HOUR,
      importWh: short.importWh.slice(from),
      temperature: short.temperature!.slice(from),
    };
  };
  it.each<[string, Partial<LoadSeries>, string, string]>([
    ['no temperature', { temperature: null }, 'no_temperature', 'no_temperature'],
    [
      'a thermometer that says nothing',
      { temperature: new Float64Array(DAYS * 24).fill(Number.NaN) },
      'insufficient_days',
      'insufficient_days',
    ],
    [
      'one that says what no air was',
      { temperature: new Float64Array(DAYS * 24).fill(4000) },
      'insufficient_days',
      'insufficient_days',
    ],
    [
      'one that goes to infinity',
      { temperature: new Float64Array(DAYS * 24).fill(Number.NEGATIVE_INFINITY) },
      'insufficient_days',
      'insufficient_days',
    ],
    ['no reading at all', { importWh: new Int32Array(DAYS * 24).fill(MISSING) }, 'insufficient_days', 'insufficient_days'],
    [
      'an empty series',
      { importWh: new Int32Array(0), temperature: new Float64Array(0) },
      'insufficient_days',
      'insufficient_days',
    ],
    ['one day of history', rows(24), 'insufficient_days', 'insufficient_days'],
    ['the same temperature always', { temperature: new Float64Array(DAYS * 24).fill(31) }, 'ok', 'ok'],
    ['a load of 10 MW and more', { importWh: new Int32Array(DAYS * 24).fill(2 ** 31 - 1) }, 'ok', 'ok'],
    ['generation, negative throughout', { importWh: new Int32Array(DAYS * 24).fill(-5000) }, 'ok', 'ok'],
  ])('%s', (_, over, byDegrees, byWeek) => {
    for (const [spec, status] of [
      [degreeHours, byDegrees],
      [timeOfWeek, byWeek],
    ] as const) {
      const { quality, baseline } = one(spec, home(over));
      expect(quality.status).toBe(status);
      expect(quality.reason === '').toBe(status === 'ok');
      if (baseline) expect(baselineFloats(baseline).every((wh) => Number.isFinite(wh) && wh >= 0)).toBe(true);
      else expect(status).not.toBe('ok');
    }
  });

  it('a constant temperature still gives the mean load, flagged', () => {
    const { quality, baseline } = one(
      degreeHours,
      home({ temperature: new Float64Array(DAYS * 24).fill(31), importWh: new Int32Array(DAYS * 24).fill(700) }),
    );
    expect(quality.flags).toEqual(['rank_deficient']);
    for (const wh of baselineFloats(baseline!)) expect(wh).toBeCloseTo(700, 9);
  });

  it('a window that does not fit, numbers that cannot be, and weather beyond what was learnt', () => {
    const status = (spec: MethodSpec, over: Partial<typeof event> = {}) => one(spec, home(), over).quality.status;
    expect(status(timeOfWeek, { window: { start, end: start } })).toBe('window_must_be_positive');
    expect(status(degreeHours, { window: { start: start + MINUTE, end: start + HOUR } })).toBe('window_off_grid');
    expect(status({ ...timeOfWeek, edges: [30, 20] })).toBe('edges_not_rising');
    expect(status({ ...timeOfWeek, lookbackDays: 9000 })).toBe('ok'); // longer than the readings is not wrong
    expect(status({ ...degreeHours, lookbackDays: 9000 })).toBe('outside_bounds');
    expect(status({ ...degreeHours, cooling: Number.NaN })).toBe('outside_bounds');
    const sunday = home();
    const gone = sunday.importWh.slice();
    for (let hour = 18; hour < gone.length; hour += 24) gone[hour] = MISSING;
    expect(one(timeOfWeek, { ...sunday, importWh: gone }).quality.status).toBe('hour_not_seen');
    const hot = sunday.temperature!.slice();
    hot[58 * 24 + 18] = 49;
    expect(one(timeOfWeek, { ...sunday, temperature: hot }).quality.flags).toEqual(['temperature_beyond_training']);
  });

  it('another meter, a gap in it and the order change nothing', () => {
    const homes = [home(), { ...home(), meterId: 'gap', importWh: home().importWh.fill(MISSING, 5) }, home({}, 30)];
    for (const spec of [degreeHours, timeOfWeek]) {
      const together = estimate(spec, homes, calendar, event);
      const turned = estimate(spec, [...homes].reverse(), calendar, event);
      expect([...turned].reverse().map(({ baseline }) => baseline)).toEqual(together.map(({ baseline }) => baseline));
      expect(one(spec, homes[2]!).baseline).toEqual(together[2]!.baseline);
    }
  });
});
