import { describe, expect, test } from 'vitest';
import { HOUR, MINUTE } from '../domain/interval.ts';
import { coreBytes } from '../host/core-file.ts';
import { zoneDays } from '../host/zone.ts';
import { loadKernel, MISSING } from '../performance/kernel.ts';
import type { LoadSeries } from '../performance/load-series.ts';
import { type Finding, findingOf } from './finding.ts';
import { expectedFlexible } from './flexible.ts';
import { type Home, minutesOf, nothingSaid, readMeters } from './homes.ts';
import { researchOf, type StudyTerms, studyHomes } from './research.ts';
import { readRate } from './response-rate.ts';
import { homesNeeded } from './sample.ts';
import { sustainedSteps } from './sustained-steps.ts';

const zone = zoneDays('Asia/Kolkata');
const kernel = await loadKernel(coreBytes());
const START = zone.startOf('2026-04-01');
const TERMS: StudyTerms = {
  ...{ zone, seed: 1, peak: { from: 20, to: 23 }, designC: 38, precision: 0.1 },
  ...{ responseRates: new Map(), consumers: new Map() },
};

type Kind = { days?: number; slope?: number; balance?: number; evW?: number; minutes?: number; noiseW?: number; seed?: number };

/** A home with a known slope (W/°C above the balance point), a charger on two evenings of three, and noise that is the same every time. */
function homeOf(
  meterId: string,
  { days = 90, slope = 0, balance = 24, evW = 0, minutes = 15, noiseW = 60, seed = 1 }: Kind,
): Home {
  const count = (days * 24 * 60) / minutes;
  const dice = diceOf(seed);
  const temperature = new Float64Array(count);
  const importWh = new Int32Array(count);
  for (let i = 0; i < count; i++) {
    const hour = ((i * minutes) / 60) % 24;
    const day = Math.floor((i * minutes) / 1440);
    // The days differ as weather does, by ±5 °C, and the afternoon is warmer than the night.
    if (i % (60 / minutes) === 0) temperature[i] = 27 + 5 * Math.sin(day / 2.3) + 6 * Math.sin(((hour - 9) / 24) * 2 * Math.PI);
    else temperature[i] = temperature[i - 1]!;
    const base = 300 + 200 * Number(hour >= 18 && hour < 23) + noiseW * (dice() - 0.5) * 2;
    const charging = evW > 0 && day % 3 !== 0 && hour >= 20 && hour < 23 ? evW : 0;
    importWh[i] = Math.round(((base + slope * Math.max(0, temperature[i]! - balance) + charging) * minutes) / 60);
  }
  return { meterId, ...nothingSaid, series: seriesOf(meterId, importWh, minutes, temperature) };
}

const seriesOf = (meterId: string, importWh: Int32Array, minutes = 15, temperature: Float64Array | null = null): LoadSeries => ({
  ...{
    meterId,
    start: START,
    minutes,
    importWh,
    exportWh: null,
    quality: null,
    temperature,
    marks: new Map(),
    connectedLoadW: null,
  },
});

function diceOf(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state * 1_103_515_245 + 12_345) % 2 ** 31;
    return state / 2 ** 31;
  };
}

function found(home: Home): Finding {
  const finding = findingOf(kernel, home, zone);
  if ('reason' in finding) throw new Error(finding.reason);
  return finding;
}

describe('a home of known make', () => {
  test.each([15, 30, 60])('its slope within 10 % and its balance point within 1 °C are found at %i minutes', (minutes) => {
    for (const [slope, balance] of [
      [80, 22],
      [60, 24],
      [150, 27],
    ] as const) {
      const { response, sessions } = found(homeOf('h', { slope, balance, minutes }));
      expect(Math.abs(response!.coolingC! - balance)).toBeLessThanOrEqual(1);
      // Hours that are warm on most days: 12 to 18.
      const warm = response!.coolingSlope.slice(12, 18);
      for (const one of warm) expect(Math.abs(one / slope - 1)).toBeLessThan(0.1);
      expect([response!.heatingC, sessions]).toEqual([null, null]);
    }
  });

  test.each([15, 30, 60])(
    'its charger is found at %i minutes: height within 5 %, sessions and load in the window within 10 %',
    (minutes) => {
      const finding = found(homeOf('h', { evW: 3300, minutes, slope: 30 }));
      expect(finding.sessions!.count).toBe(60);
      expect(Math.abs(finding.sessions!.heightW / 3300 - 1)).toBeLessThan(0.1);
      expect(Math.abs(finding.sessions!.hours - 3)).toBeLessThan(0.1);
      for (const hour of [20, 21, 22]) expect(Math.abs(finding.evLike[4]![hour]! / 2200 - 1)).toBeLessThan(0.1);
      expect(finding.evLike[4]!.slice(0, 20).every((watts) => watts === 0)).toBe(true);
      expect(Math.abs(finding.response!.coolingSlope[21]! / 30 - 1)).toBeLessThan(0.3);
    },
  );

  test('neither is found where there is none, whatever the noise and however few the days', () => {
    for (let seed = 1; seed <= 30; seed++) {
      const finding = found(homeOf('h', { seed, noiseW: 300, days: seed % 2 ? 28 : 60, minutes: 60 }));
      expect([seed, finding.response, finding.sessions]).toEqual([seed, null, null]);
    }
  });

  test('load that falls as it warms is no temperature-sensitive load', () => {
    const finding = found(homeOf('h', { slope: -20, balance: 24, minutes: 60 }));
    expect(finding.response).toBeNull();
  });
});

test('where it is always warm the balance point is not put below what was seen', () => {
  // 16 °C is the least temperature: every balance point up to it fits as well.
  const { response } = found(homeOf('h', { slope: 80, balance: 10, minutes: 60 }));
  expect(response!.coolingC).toBeGreaterThanOrEqual(17);
});

describe('a sustained step', () => {
  const flat = (...watts: (number | null)[]) =>
    seriesOf(
      'h',
      Int32Array.from(watts, (w) => (w === null ? MISSING : w / 4)),
    );
  const run = (watts: number | null, count: number) => Array.from({ length: count }, () => watts);
  test.each<[string, (number | null)[], number]>([
    ['of an hour', [...run(400, 4), ...run(3700, 4), ...run(400, 4)], 1],
    ['of three quarters of an hour', [...run(400, 4), ...run(3700, 3), ...run(400, 4)], 0],
    ['below 2.5 kW', [...run(400, 4), ...run(2800, 8), ...run(400, 4)], 0],
    ['at 2.5 kW', [...run(400, 4), ...run(2900, 8), ...run(400, 4)], 1],
    ['that begins and ends within an interval', [...run(400, 4), 2000, ...run(3700, 5), 1600, ...run(400, 4)], 1],
    ['of unsteady height', [...run(400, 4), 3700, 5200, 3700, 5200, 3700, 5200, ...run(400, 4)], 0],
    ['with a gap inside', [...run(400, 4), ...run(3700, 3), null, ...run(3700, 3), ...run(400, 4)], 0],
    ['that nobody saw begin', [...run(400, 4), null, ...run(3700, 8), ...run(400, 4)], 0],
    ['that nobody saw end', [...run(400, 4), ...run(3700, 8), null, ...run(400, 4)], 0],
    ['that does not end', [...run(400, 4), ...run(3700, 80)], 0],
    ['that ends only by half', [...run(400, 4), ...run(3700, 8), ...run(2300, 8)], 0],
  ])('%s', (_, watts, count) => {
    expect(sustainedSteps(flat(...watts))).toHaveLength(count);
  });
});

describe('gaps', () => {
  test('an hour with a missing interval has no load: means stay what they are', () => {
    const home = homeOf('h', { noiseW: 0 });
    const importWh = home.series.importWh.map((wh, i) => (Math.floor(i / 96) % 5 === 1 && i % 7 === 0 ? MISSING : wh));
    const gappy = found({ ...home, series: { ...home.series, importWh } });
    expect(gappy.load[4]).toEqual(found(home).load[4]);
    expect(gappy.hours).toBeLessThan(gappy.hoursAsked);
  });

  test('a home with too little is set aside with the reason', () => {
    const { findings, setAside } = studyHomes(
      kernel,
      [homeOf('short', { days: 27 }), homeOf('long', { days: 28 })],
      zone,
      () => {},
    );
    expect(findings.map(({ meterId }) => meterId)).toEqual(['long']);
    expect(setAside).toEqual([{ meterId: 'short', reason: '27 days have 20 hours of readings or more; 28 are needed' }]);
    expect(() => researchOf([], setAside, TERMS)).toThrow('no home has enough readings; short: 27 days');
  });

  test('without temperature the sensitive load is unknown, not zero', () => {
    const home = homeOf('h', { slope: 80 });
    const finding = found({ ...home, series: { ...home.series, temperature: null } });
    expect([finding.response, finding.sensitive[4]![15]]).toEqual([null, null]);
  });
});

describe('a study', () => {
  const homes = Array.from({ length: 24 }, (_, i) => ({
    ...homeOf(`m-${String(i).padStart(2, '0')}`, {
      days: 40,
      seed: i + 1,
      slope: i % 2 ? 40 + 5 * i : 0,
      evW: i % 4 === 3 ? 3300 : 0,
    }),
    ...{ category: i < 16 ? 'domestic' : 'commercial', feederId: `F${i % 3}`, sanctionedLoadW: null },
  }));
  const study = (some: readonly Home[], terms: Partial<StudyTerms> = {}) => {
    const { findings, setAside } = studyHomes(kernel, some, zone, () => {});
    return researchOf(findings, setAside, { ...TERMS, ...terms });
  };
  const whole = study(homes);

  test('tells the flexible load that was put in, within its interval', () => {
    // At 38 °C: slope × (38 − 24); a charger runs in the window on two evenings of three.
    const put = homes.reduce((sum, _, i) => sum + (i % 2 ? (40 + 5 * i) * 14 : 0) + (i % 4 === 3 ? 2200 : 0), 0) * 0.3;
    const [low, high] = whole.flexible.ofSample!;
    expect(Math.abs(whole.flexible.watts / put - 1)).toBeLessThan(0.1);
    expect(low).toBeLessThan(put);
    expect(high).toBeGreaterThan(put);
    expect(whole.all).toMatchObject({ homes: 24, sensitiveHomes: 12, evLikeHomes: 6 });
    expect(whole.feeders.map(({ name, homes: count }) => [name, count])).toEqual([['F0', 8], ['F1', 8], ['F2', 8]]); // biome-ignore format: one line
  });

  test('a home without weather among others with it, or without readings in the window, is set aside: it is no home without such load', () => {
    const [blind, dark, ...others] = homes;
    const importWh = dark!.series.importWh.map((wh, i) => (Math.floor(i / 4) % 24 === 21 ? MISSING : wh));
    const mixed = study([
      {
        ...blind!,
        series: { ...blind!.series, temperature: blind!.series.temperature!.map((one, i) => (i > 27 * 96 ? Number.NaN : one)) },
      },
      { ...dark!, series: { ...dark!.series, importWh } },
      ...others,
    ]);
    expect(mixed.setAside).toEqual([
      { meterId: 'm-00', reason: 'fewer than 28 of its days have a temperature, and other homes have one' },
      { meterId: 'm-01', reason: 'some hour of the peak window has no readings at all' },
    ]);
    const { setAside, ...alone } = study(others);
    expect([setAside, mixed]).toEqual([[], { ...alone, setAside: mixed.setAside }]);
  });

  test('permuting homes changes nothing; the seed changes the interval only', () => {
    expect(study([...homes].reverse())).toEqual(whole);
    const other = study(homes, { seed: 2 });
    expect(other.flexible.watts).toBe(whole.flexible.watts);
    expect(other.flexible.interval).not.toEqual(whole.flexible.interval);
    expect(study(homes)).toEqual(whole);
  });

  test('is scaled by consumers and response rate of each category, and held by the sanctioned load', () => {
    const consumers = new Map([['domestic', 16_000], ['commercial', 800]]); // biome-ignore format: one line
    const scaled = study(homes, { consumers, responseRates: new Map([['domestic', readRate('0.6')]]) });
    const [commercial, domestic] = whole.categories.map(({ flexible }) => flexible.watts);
    expect(scaled.flexible.watts).toBeCloseTo(commercial! * 100 + domestic! * 2000, 3);
    const held = study(homes.map((home) => ({ ...home, sanctionedLoadW: 100 })));
    expect(held.flexible.watts).toBeLessThanOrEqual(24 * 100 * 0.3 + 1e-9);
    expect(() => study(homes, { consumers: new Map([['agricultural', 5]]) })).toThrow('no home of that category');
    expect(() => study(homes, { consumers: new Map([['domestic', 5]]) })).toThrow('says nothing of the category commercial');
  });
});

test('the interval covers the truth about as often as it says, and one home has none', () => {
  const dice = diceOf(7);
  const exponential = () => -1000 * Math.log(1 - dice());
  const terms = [{ category: 'a', response: readRate('1'), consumers: 1 }];
  let covered = 0;
  for (let trial = 0; trial < 200; trial++) {
    const stakes = Array.from({ length: 60 }, () => ({ category: 'a', sensitiveW: exponential(), evLikeW: 0, limitW: null }));
    const [low, high] = expectedFlexible(stakes, terms, trial).all.interval!;
    if (low <= 1000 && 1000 <= high) covered++;
  }
  expect(covered / 200).toBeGreaterThan(0.82);
  expect(covered / 200).toBeLessThan(0.96);
  const one = expectedFlexible([{ category: 'a', sensitiveW: 500, evLikeW: 0, limitW: null }], terms, 1);
  expect(one.all).toEqual({ watts: 500, interval: null, ofSample: null });
});

test('sample sizes are those of Cochran', () => {
  // cv = 0.5: n0 = (1.6449 × 0.5 / 0.1)² = 67.6; of 200: 67.6 / 1.338 = 50.5
  const values = [50, 150, 100].map((value) => value);
  expect(homesNeeded(values, 0.1, null)).toEqual({ variation: 0.5, homes: 68 });
  expect(homesNeeded(values, 0.1, 200)).toEqual({ variation: 0.5, homes: 51 });
  expect(homesNeeded(values, 0.1, 5)).toEqual({ variation: 0.5, homes: 5 });
  expect(homesNeeded([100], 0.1, null)).toEqual({ variation: null, homes: null });
  expect(homesNeeded([0, 0], 0.1, null)).toEqual({ variation: null, homes: null });
});

test('the interval of a meter is its commonest step', () => {
  const at = (...minutes: number[]) => minutesOf(Float64Array.from(minutes, (minute) => minute * MINUTE));
  expect([at(0, 15, 30, 120), at(0, 60), at(0), at(0, 7, 14), minutesOf(Float64Array.of(0, HOUR))]).toEqual([
    15,
    60,
    null,
    null,
    60,
  ]);
});

describe('a list of meters', () => {
  test('gives what it says, in any order of columns', () => {
    const lines = ['\uFEFFpv_kw,feeder_id,meter_id,sanctioned_load_w', '4,F1,a,5000', '4,,b,', ''];
    expect([...readMeters(lines, 'm.csv')]).toEqual([
      ['a', { category: null, feederId: 'F1', sanctionedLoadW: 5000 }],
      ['b', { category: null, feederId: null, sanctionedLoadW: null }],
    ]);
  });
  test.each([
    [['id,category'], 'm.csv:1: the header must have meter_id'],
    [['meter_id', 'a', 'a'], 'm.csv:3: meter a stands twice'],
    [['meter_id,category', 'a'], 'm.csv:2: expected 2 fields, found 1'],
    [['meter_id,sanctioned_load_w', 'a,5 kW'], 'm.csv:2: sanctioned_load_w must be whole watts above 0, not 5 kW'],
    [['meter_id,category', 'a,"x, y"'], 'm.csv:2: quoted fields are not read'],
    [['meter_id,category', ',x'], 'm.csv:2: meter_id is empty'],
  ])('%j is refused', (lines, says) => {
    expect(() => readMeters(lines, 'm.csv')).toThrow(says);
  });
});
