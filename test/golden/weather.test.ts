import { readFileSync } from 'node:fs';
import { gunzipSync } from 'node:zlib';
import { beforeAll, describe, expect, test } from 'vitest';
import { coreBytes } from '../../services/host/core-file.ts';
import { type AnyCase, answerAny, readCases } from '../../services/performance/cases.ts';
import { type Kernel, loadKernel, MISSING } from '../../services/performance/kernel.ts';
import { readReadings } from '../../services/performance/readings-csv.ts';
import { noRows, type Rows, seriesOf } from '../../services/performance/series.ts';
import { readTemperatures, temperatureBeside } from '../../services/performance/temperature-file.ts';
import { emptyModel, type HourRows, type TimeOfWeekModel, type TimeOfWeekTerms } from '../../services/performance/weather.ts';
import { describeWithFixtures, fixture } from '../fixtures.ts';

const HOUR = 3_600_000;
const FAHRENHEIT: TimeOfWeekTerms = {
  scale: 1000,
  edges: Int32Array.from([30, 45, 55, 65, 75, 90], (degrees) => degrees * 1000),
  hot: 65_000,
  cold: 50_000,
  occupiedShare: { num: 13, den: 20 },
  leastRows: 20,
  neighbour: 1,
};
const ALL_MONTHS = Array.from({ length: 12 }, (_, month) => month);

const FILES = ['eemeter-caltrack_hourly_towt.json', 'weather-simple_cdh_hdh.json'];
const SETS = ['eemeter', 'citylearn'];

describeWithFixtures('golden weather vectors', ['golden', ...SETS.map((set) => `data/${set}`)], () => {
  type Golden = { readonly cases: { readonly id: string; readonly expected: unknown }[] };
  const golden = FILES.map((name) => ({ name, file: JSON.parse(readFileSync(fixture('golden', name)!, 'utf8')) as Golden }));
  let answers: Map<AnyCase, unknown>;
  const requests = golden.map(({ name, file }) => ({ name, file, cases: readCases(file) }));
  beforeAll(async () => {
    const kernel = await loadKernel(coreBytes());
    answers = new Map();
    for (const set of SETS) {
      const readings = fixture('data', set, 'readings.csv.gz')!;
      const rows = new Map<string, Rows>(requests.flatMap(({ cases }) => cases.map(({ meterIds }) => [meterIds[0]!, noRows()])));
      await readReadings(readings, rows);
      const temperatures = await readTemperatures((await temperatureBeside(readings))!);
      for (const request of requests.flatMap(({ cases }) => cases)) {
        const own = rows.get(request.meterIds[0]!)!;
        if (own.starts.length > 0) answers.set(request, answerAny(kernel, request, [seriesOf(own)], temperatures));
      }
    }
  });

  describe.each(requests)('$name', ({ file, cases }) => {
    test.each(cases.map((request, i) => [request.id, request, file.cases[i]!.expected] as const))('%s', (id, request, wanted) => {
      expect(differences({ id, ...(wanted as object) }, answers.get(request))).toEqual([]);
    });
  });
});

/** Numbers within 1e-6 of themselves; everything else, and every key, exactly. */
function differences(wanted: unknown, got: unknown, path = ''): string[] {
  if (typeof wanted === 'number' && typeof got === 'number')
    return Math.abs(wanted - got) <= Math.max(1e-6 * Math.abs(wanted), 1e-9) ? [] : [`${path}: ${got}, expected ${wanted}`];
  if (typeof wanted === 'object' && wanted !== null && typeof got === 'object' && got !== null) {
    const keys = new Set([...Object.keys(wanted), ...Object.keys(got)]) as Set<never>;
    return [...keys].flatMap((key) => differences(wanted[key], got[key], `${path}.${key}`));
  }
  return Object.is(wanted, got) ? [] : [`${path}: ${JSON.stringify(got)}, expected ${JSON.stringify(wanted)}`];
}

describeWithFixtures('numbers the OpenDSM project asserts in its own tests', ['golden/third-party', 'data/eemeter'], () => {
  const { items } = JSON.parse(readFileSync(fixture('golden/third-party/eemeter.json')!, 'utf8')) as {
    items: { id: string; expected: number; reproduced_by_our_code: number }[];
  };
  const asserted = (id: string) => items.find((item) => item.id === id)!;
  let kernel: Kernel;
  let sample: Sample;
  beforeAll(async () => {
    kernel = await loadKernel(coreBytes());
    sample = readSample('il-electricity-cdd-hdd-hourly');
  });
  const fitted = (from: string, to: string) => kernel.weather.fitMonths(FAHRENHEIT, ALL_MONTHS, rowsOf(sample, from, to));

  test('metered savings of the hourly model', () => {
    const { expected, reproduced_by_our_code: full } = asserted('caltrack-hourly-metered-savings');
    const model = fitted('2015-12-27T00:00:00Z', '2016-12-26T00:00:00Z');
    const savings = sum(kernel.weather.predict(FAHRENHEIT, model, risingHours())) / 1000 - 1417;
    expect(Math.round(savings * 100) / 100).toBe(expected);
    expect(Math.abs(savings - full)).toBeLessThan(1e-6 * Math.abs(full));
  });

  test('modelled savings between two years', () => {
    const { expected, reproduced_by_our_code: full } = asserted('caltrack-hourly-modeled-savings');
    const before = fitted('2015-12-27T00:00:00Z', '2016-12-26T00:00:00Z');
    const after = fitted('2017-01-04T00:00:00Z', '2018-01-04T00:00:00Z');
    const [was, is] = [before, after].map((model) => sum(kernel.weather.predict(FAHRENHEIT, model, risingHours())));
    const savings = (was! - is!) / 1000;
    expect(Math.round(savings * 10) / 10).toBe(expected);
    expect(Math.abs(savings - full)).toBeLessThan(1e-6 * Math.abs(full));
  });

  test('a stored model of an earlier release predicts as it did', () => {
    const { expected, reproduced_by_our_code: full } = asserted('caltrack-hourly-legacy-model');
    const rows = rowsOf(sample, '2017-01-04T00:00:00Z', '2018-01-04T00:00:00Z');
    const predicted = kernel.weather.predict(FAHRENHEIT, storedModel(), rows); // kWh, as its coefficients are
    let difference = 0;
    let hours = 0;
    rows.wh.forEach((wh, i) => {
      if (wh === MISSING || wh === 0) return;
      difference += wh / 1000 - predicted[i]!;
      hours++;
    });
    expect(hours).toBe(8689);
    expect(Math.round(difference * 100) / 100).toBe(expected);
    expect(Math.abs(difference - full)).toBeLessThan(1e-6 * Math.abs(full));
  });

  test('occupied hours of the week, month by month and of the whole sample', () => {
    const rows = rowsOf(sample, '2000-01-01T00:00:00Z', '2100-01-01T00:00:00Z');
    const months = kernel.weather.fitMonths({ ...FAHRENHEIT, neighbour: 0 }, ALL_MONTHS, rows);
    expect(sum(months.occupied)).toBe(asserted('occupancy-one-month').expected);
    const whole = kernel.weather.fitMonths({ ...FAHRENHEIT, neighbour: 0 }, [0], {
      ...rows,
      month: new Uint8Array(rows.wh.length),
    });
    expect(sum(whole.occupied)).toBe(asserted('occupancy-no-segmentation').expected);
  });

  test('bins of temperature', () => {
    const heat = Int32Array.from({ length: 2000 }, (_, i) => [10, 35, 55, 80, 100][i % 5]! * 1000);
    const hour = Uint8Array.from(heat, (_, i) => i % 168);
    const rows = { wh: new Int32Array(2000).fill(7), heat, hour, month: new Uint8Array(2000) };
    const model = kernel.weather.fitMonths(FAHRENHEIT, [0], rows);
    expect(sum(model.kept.subarray(0, 6))).toBe(asserted('fit-temperature-bins').expected);

    // The sum of all bin features is what a model predicts whose slopes are all 1.
    const terms = { ...FAHRENHEIT, edges: Int32Array.from([25_000, 75_000]) };
    const ones: TimeOfWeekModel = { ...emptyModel(2), seen: new Uint8Array(12 * 168).fill(1), kept: new Uint8Array(48).fill(1) };
    ones.coefficient.fill(1, 168, 171);
    expect(sum(kernel.weather.predict(terms, ones, rows))).toBe(asserted('temperature-bin-features').expected);
  });
});

type Sample = { readonly starts: number[]; readonly wh: number[]; readonly heat: number[] };

function readSample(meterId: string): Sample {
  const heat = new Map(table('data/eemeter/temperature.csv.gz').map(([start, degrees]) => [start!, thousandths(degrees!)]));
  const rows = table('data/eemeter/readings.csv.gz').filter(([meter]) => meter === meterId);
  return {
    starts: rows.map(([, start]) => Date.parse(start!)),
    wh: rows.map(([, , wh]) => (wh === '' ? MISSING : Number(wh))),
    heat: rows.map(([, start]) => heat.get(start!) ?? MISSING),
  };
}

const table = (path: string) =>
  gunzipSync(readFileSync(fixture(path)!))
    .toString()
    .trim()
    .split('\n')
    .slice(1)
    .map((line) => line.split(','));

const thousandths = (text: string) => (text === '' ? MISSING : Math.round(Number(text) * 1000));

/** Hours of the week and months in UTC, from `from` up to and without `to`. */
function rowsOf({ starts, wh, heat }: Sample, from: string, to: string): HourRows {
  const inside = starts.flatMap((start, i) => (start >= Date.parse(from) && start < Date.parse(to) ? [i] : []));
  return {
    wh: Int32Array.from(inside, (i) => wh[i]!),
    heat: Int32Array.from(inside, (i) => heat[i]!),
    hour: Uint8Array.from(inside, (i) => hourOfWeek(starts[i]!)),
    month: Uint8Array.from(inside, (i) => new Date(starts[i]!).getUTCMonth()),
  };
}

const hourOfWeek = (at: number) => ((new Date(at).getUTCDay() + 6) % 7) * 24 + new Date(at).getUTCHours();

/** 1,417 hours from 2011, 30 °F on the first day and one degree more on each. */
function risingHours(): Omit<HourRows, 'wh'> {
  const starts = Array.from({ length: 1417 }, (_, i) => Date.UTC(2011, 0, 1) + i * HOUR);
  return {
    heat: Int32Array.from(starts, (_, i) => 30_000 + 1000 * Math.floor(i / 24)),
    hour: Uint8Array.from(starts, hourOfWeek),
    month: Uint8Array.from(starts, (at) => new Date(at).getUTCMonth()),
  };
}

type Grid = { columns: string[]; index: number[]; data: boolean[][] };

/** The model as that project wrote it down: names of months, hours and bins become our columns. */
function storedModel(): TimeOfWeekModel {
  const { model: stored } = JSON.parse(readFileSync(fixture('golden/third-party/legacy_hourly.json')!, 'utf8')) as {
    model: { segment_models: { segment_name: string; model_params: Record<string, number> }[] } & Record<
      'occupancy_lookup' | 'occupied_temperature_bins' | 'unoccupied_temperature_bins',
      string
    >;
  };
  const occupancy = JSON.parse(stored.occupancy_lookup) as Grid;
  const bins = [stored.unoccupied_temperature_bins, stored.occupied_temperature_bins].map((text) => JSON.parse(text) as Grid);
  const model: TimeOfWeekModel = { ...emptyModel(6), seen: new Uint8Array(12 * 168).fill(1) };
  stored.segment_models.forEach(({ segment_name: name, model_params: params }, month) => {
    const column = occupancy.columns.indexOf(name);
    for (const [row, slot] of occupancy.index.entries())
      model.occupied[month * 168 + slot] = Number(occupancy.data[row]![column]);
    bins.forEach((grid, state) => {
      for (let e = 0; e < 6; e++) model.kept[(month * 2 + state) * 6 + e] = Number(grid.data[e]![grid.columns.indexOf(name)]);
    });
    for (const [parameter, value] of Object.entries(params)) {
      const [, hour] = /^C\(hour_of_week\)\[(\d+)\]$/.exec(parameter) ?? [];
      const [, bin, state] = /^bin_(\d)_(unoccupied|occupied)$/.exec(parameter) ?? [];
      const at = hour !== undefined ? Number(hour) : 168 + (state === 'occupied' ? 7 : 0) + Number(bin);
      model.coefficient[month * 182 + at] = value;
    }
  });
  return model;
}

const sum = (values: ArrayLike<number>): number => Array.from(values).reduce((total, value) => total + value, 0);
