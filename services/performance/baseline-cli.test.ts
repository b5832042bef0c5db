import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { afterAll, describe, expect, test } from 'vitest';
import { said } from '../host/cli-testing.ts';
import { baselineCommand } from './baseline-cli.ts';

const FOLDER = mkdtempSync(join(tmpdir(), 'lachak-baseline-'));
afterAll(() => rmSync(FOLDER, { recursive: true }));

const EXAMPLE = JSON.parse(/```json\n(.*?)\n```/s.exec(readFileSync(new URL('./ROOM.md', import.meta.url), 'utf8'))![1]!);
const HEADER = 'meter_id,interval_start,import_wh,export_wh';
const ROWS = (EXAMPLE.readings.rows as [string, number, null][]).map(([start, wh]) => `example,${start},${wh},`);
const { readings: _, ...METERED } = EXAMPLE;

let files = 0;
function file(content: string | Uint8Array): string {
  const path = join(FOLDER, `${files++}`);
  writeFileSync(path, content);
  return path;
}

const run = (...args: string[]) => said(() => baselineCommand(args));
const ask = (request: unknown, ...readings: string[]) =>
  run('--request', file(JSON.stringify(request)), ...readings.flatMap((path) => ['--readings', path]));

describe('the same answer from', () => {
  const csv = [HEADER, ...ROWS].join('\n');
  test.each<[string, string | Uint8Array]>([
    ['a plain file', `${csv}\n`],
    ['a file without last line end', csv],
    ['a gzip file', gzipSync(csv)],
    ['lines that end as on Windows, with a byte order mark', `\uFEFF${csv.replaceAll('\n', '\r\n')}`],
    ['rows in any order', [HEADER, ...[...ROWS].reverse()].join('\n')],
    ['a file with quality and known_at', [`${HEADER},quality,known_at`, ...ROWS.map((row) => `${row},VALID,`)].join('\n')],
    ['a file with other meters, however broken', [HEADER, 'other,yesterday,NaN,', ...ROWS].join('\n')],
    [
      'a second row for an instant, which does not count',
      [HEADER, ...ROWS, ...ROWS.map((row) => row.replace(/\d+,$/, '1,'))].join('\n'),
    ],
  ])('%s', async (_, content) => {
    const { code, out, err } = await ask({ cases: [METERED] }, file(content));
    expect([code, err]).toEqual([0, '']);
    expect(JSON.parse(out).results).toMatchObject([{ id: 'worked-example', ...EXAMPLE.expected }]);
  });
});

test('results stand in the order of the cases; several files serve one request; a case may bring its readings', async () => {
  const [early, late] = [ROWS.slice(0, 5), ROWS.slice(5)].map((rows) => file([HEADER, ...rows].join('\n')));
  const cases = [
    { ...METERED, id: 'b' },
    { ...EXAMPLE, id: 'a' },
  ];
  const { out } = await ask({ cases }, early!, late!);
  const results = JSON.parse(out).results as { id: string }[];
  expect(results.map(({ id }) => id)).toEqual(['b', 'a']);
  expect({ ...results[0], id: '' }).toEqual({ ...results[1], id: '' });
});

test('a portfolio file is one case', async () => {
  const { id: _id, meter_id: _meter, ...portfolio } = METERED;
  const { out } = await ask({ method: 'portfolio', ...portfolio, meter_ids: ['example'] }, file([HEADER, ...ROWS].join('\n')));
  expect(JSON.parse(out).results).toMatchObject([{ id: 'portfolio', meters_ok: 1, delivered_total_exact: '999/1' }]);
});

describe('a malformed request names case and field and prints no results', () => {
  const bad = (change: Record<string, unknown>) => ({ cases: [EXAMPLE, { ...EXAMPLE, id: 'second', ...change }] });
  test.each<[unknown, string]>([
    [[], 'the request must be an object'],
    [{}, 'cases is absent'],
    [{ cases: 3 }, 'cases must be a list'],
    [{ cases: [7] }, 'cases[0]: cases[0] must be an object'],
    [{ cases: [{ ...EXAMPLE, id: undefined }] }, 'cases[0]: id must be a text, not absent'],
    [bad({ meter_id: 5 }), 'case second: meter_id'],
    [bad({ tz: 'Asia/Kolkata' }), 'case second: tz must be a fixed offset'],
    [bad({ event: { start: '2026-05-08', end: '2026-05-08T20:00:00+05:30' } }), 'case second: event.start'],
    [bad({ event: { start: EXAMPLE.event.end, end: EXAMPLE.event.start } }), 'case second: event.end must lie after event.start'],
    [
      bad({ event: { ...EXAMPLE.event, end: '2026-05-08T19:30:00+05:30' } }),
      'case second: event.end and event.start must lie on the grid',
    ],
    [bad({ holidays: ['2026-02-30'] }), 'case second: holidays[0]'],
    [bad({ excluded_days: undefined }), 'case second: excluded_days must be a list'],
    [bad({ direction: 'SHED' }), 'case second: direction'],
    [bad({ params: { ...EXAMPLE.params, x: 4 } }), 'case second: params.x is 4, more than y'],
    [bad({ readings: { rows: [['2026-05-08T18:00:00+05:30', 1.5, null]] } }), 'case second: readings.rows[0][1]'],
    [
      bad({ readings: { start: EXAMPLE.event.start, interval_minutes: 30, import_wh: [1] } }),
      'case second: readings.interval_minutes',
    ],
    [
      bad({ readings: undefined }),
      'case second: meter_id: meter example has no readings and neither --readings nor inline readings',
    ],
  ])('%j', async (request, complaint) => {
    const { code, out, err } = await ask(request);
    expect([code, out]).toEqual([2, '']);
    expect(err).toContain(complaint);
  });
});

describe('a bad readings file is named with its line', () => {
  const rows = (...more: string[]) => [HEADER, ...ROWS, ...more].join('\n');
  test.each<[string, string | Uint8Array, string]>([
    ['wrong header', 'meter,start,kwh\n', ':1: the header must be meter_id,interval_start,import_wh,export_wh'],
    ['empty', '', ': is empty'],
    ['truncated gzip', gzipSync(rows()).subarray(0, 150), 'the gzip is damaged or ends too early'],
    ['no zone', rows('example,2026-05-09T18:00:00,1,'), ':18: interval_start must be an ISO-8601 instant with its offset'],
    ['NaN', rows('example,2026-05-09T18:00:00+05:30,NaN,'), ':18: import_wh must be empty or whole Wh'],
    ['too few fields', rows('example,2026-05-09T18:00:00+05:30'), ':18: expected at least 4 fields, found 2'],
    ['an endless line', `${HEADER}\n${'9'.repeat(3 << 20)}`, ':1: the next line is longer than'],
    [
      'another meter only',
      [HEADER, 'x,2026-05-09T18:00:00+05:30,1,'].join('\n'),
      'case worked-example: meter_id: meter example has no readings in',
    ],
  ])('%s', async (_, content, complaint) => {
    const { code, out, err } = await ask({ cases: [METERED] }, file(content));
    expect([code, out]).toEqual([2, '']);
    expect(err).toContain(complaint);
  });
});

test.each<[string[], number, string]>([
  [['--help'], 0, 'lachak baseline [--readings FILE]… --request FILE|-'],
  [[], 2, '--request FILE is missing'],
  [['--request', '/nowhere/at/all'], 2, '/nowhere/at/all cannot be read'],
  [['--verbose'], 2, '--verbose'],
])('lachak baseline %j exits %d', async (args, code, said) => {
  const answer = await run(...args);
  expect(answer.code).toBe(code);
  expect(answer.out + answer.err).toContain(said);
});

test('a file that is not JSON, or not there, says so', async () => {
  expect((await run('--request', file('{'))).err).toContain('is not JSON');
  expect((await ask({ cases: [METERED] }, '/nowhere.csv')).err).toContain('/nowhere.csv: there is no such file');
});

describe('a case that looks at the weather', () => {
  const days = ['05', '06', '07', '08'];
  const degrees = [30, 32, 34, 36];
  const loads = [900, 1100, 1300, 800]; // 300 Wh and 100 for every degree above 24; on the last day 700 less
  const WEATHER = {
    ...{ id: 'hot', meter_id: 'm', tz: '+05:30', holidays: [], excluded_days: [] },
    event: { start: '2026-05-08T18:00:00+05:30', end: '2026-05-08T19:00:00+05:30' },
    params: {
      ...{ lookback_days: 45, cooling_base: 24, heating_base: 12, temp_unit: 'C' },
      ...{ day_type: 'weekday_vs_nonworking', quantity: 'import' },
    },
  };
  const rows = days.map((day, i) => `m,2026-05-${day}T18:00:00+05:30,${loads[i]},`);
  const heat = days.map((day, i) => `2026-05-${day}T18:00:00+05:30,${degrees[i]},1013`);
  const place = (name: string, content: string) => {
    const folder = join(FOLDER, `weather-${files++}`);
    mkdirSync(folder);
    writeFileSync(join(folder, name), content);
    writeFileSync(join(folder, 'readings.csv'), [HEADER, ...rows].join('\n'));
    return folder;
  };
  const answered = ({ code, out, err }: { code: number; out: string; err: string }) => {
    expect([code, err]).toEqual([0, '']);
    const [answer] = JSON.parse(out).results;
    expect(answer).toMatchObject({ id: 'hot', training_rows: [3], actual_wh: [800] });
    expect(answer.baseline_wh[0]).toBeCloseTo(1500, 6);
    expect(answer.delivered_total_wh).toBeCloseTo(700, 6);
  };

  test('finds it in the file named, in the file beside the readings, or brings it along', async () => {
    const folder = place('weather.csv', ['interval_start,temp_c,pressure', ...heat].join('\n'));
    const request = file(JSON.stringify({ cases: [WEATHER] }));
    const readings = join(folder, 'readings.csv');
    answered(await run('--request', request, '--readings', readings));
    answered(await run('--request', request, '--readings', readings, '--temperature', join(folder, 'weather.csv')));
    const instants = days.map((day) => `2026-05-${day}T18:00:00+05:30`);
    const own = {
      readings: { rows: instants.map((at, i) => [at, loads[i], null]) },
      temperature: { unit: 'C', rows: instants.map((at, i) => [at, degrees[i]]) },
    };
    answered(await ask({ method: 'simple_cdh_hdh', cases: [{ ...WEATHER, ...own }] }));
  });

  test('without a temperature has no baseline, and says why', async () => {
    const { out } = await ask({ cases: [WEATHER] }, file([HEADER, ...rows].join('\n')));
    expect(JSON.parse(out).results).toEqual([
      {
        ...{ id: 'hot', status: 'no_temperature', reason: 'the meter has no temperature beside its readings' },
        ...{ baseline_wh: null, actual_wh: [800], delivered_total_wh: null },
      },
    ]);
  });

  test.each<[string, string, string]>([
    ['another header', 'time,degrees', ':1: the header must be interval_start,temp_c or interval_start,temp_f'],
    [
      'a word for a number',
      'interval_start,temp_c\n2026-05-08T18:00:00+05:30,warm',
      ':2: the temperature must be empty or a number',
    ],
    ['no zone', 'interval_start,temp_c\n2026-05-08T18:00:00,30', ':2: interval_start must be an ISO-8601 instant'],
    ['nothing', '', ': is empty'],
  ])('names a broken temperature file with its line: %s', async (_, content, complaint) => {
    const folder = place('temperature.csv', content);
    const { code, out, err } = await ask({ cases: [WEATHER] }, join(folder, 'readings.csv'));
    expect([code, out]).toEqual([2, '']);
    expect(err).toContain(complaint);
  });

  test.each<[Record<string, unknown>, string]>([
    [{ params: { ...WEATHER.params, cooling_base: 'hot' } }, 'case hot: params.cooling_base must be a number of degrees'],
    [{ params: { ...WEATHER.params, temp_unit: 'K' } }, 'case hot: params.temp_unit must be one of C, F'],
    [{ params: { ...WEATHER.params, lookback_days: 0 } }, 'case hot: params.lookback_days must be an integer'],
    [{ tz: 'India' }, 'case hot: tz must be a fixed offset'],
    [{ event: { start: WEATHER.event.end, end: WEATHER.event.start } }, 'case hot: event.end must lie after'],
    [
      { temperature: { unit: 'C', rows: [['2026-05-08T18:00:00+05:30', '30']] } },
      'case hot: temperature.rows[0][1] must be null or',
    ],
    [
      { method: 'caltrack_hourly_towt', fit_window_utc: ['2026-05-08T18:00:00Z'] },
      'case hot: fit_window_utc must be [first, last]',
    ],
    [{ method: 'caltrack_hourly_towt', fit_window_utc: ['2026-05-08T00:00:00Z', '2026-05-01T00:00:00Z'] }, 'must lie after'],
  ])('%j is refused with case and field', async (change, complaint) => {
    const { code, out, err } = await ask({ cases: [{ ...WEATHER, ...change }] }, file([HEADER, ...rows].join('\n')));
    expect([code, out]).toEqual([2, '']);
    expect(err).toContain(complaint);
  });

  test('an hourly model of one afternoon predicts what it saw, and nothing else', async () => {
    const towt = {
      ...{ id: 'week', meter_id: 'm', method: 'caltrack_hourly_towt', days: ['2026-05-08'] },
      fit_window_utc: ['2026-05-01T00:00:00Z', '2026-05-08T12:00:00Z'],
      readings: { rows: days.map((day, i) => [`2026-05-${day}T18:00:00Z`, loads[i], null]) },
      temperature: { unit: 'C', rows: days.map((day, i) => [`2026-05-${day}T18:00:00Z`, degrees[i]]) },
    };
    const { out } = await ask({ cases: [towt] });
    const [answer] = JSON.parse(out).results;
    expect(answer.in_sample_observed_kwh).toBeCloseTo(3.3, 9);
    expect(answer.in_sample_predicted_kwh).toBeCloseTo(3.3, 9);
    expect(answer.days['2026-05-08']).toEqual(Array.from({ length: 24 }, () => null)); // a Friday was never seen
    expect(Object.keys(answer.segments)).toEqual(['apr', 'may', 'jun']);
  });
});

describe('presets', () => {
  test('are listed with how far each was checked, for people and as JSON', async () => {
    const { code, out } = await run('--methods');
    expect([code, out]).toEqual([
      0,
      expect.stringMatching(/caiso-10in10\n.*\n {4}source: CAISO\n {4}\[S\] 20 % and 10 of 10\n {4}\[K\] /),
    ]);
    const listed = JSON.parse((await run('--methods', '--json')).out) as { name: string }[];
    expect(listed.map(({ name }) => name)).toContain('ercot-matching-day-pair');
  });
  test('are named by a case, which says only what differs', async () => {
    const { params, ...rest } = EXAMPLE;
    const preset = {
      ...rest,
      preset: 'in-ac-res',
      params: { interval_minutes: 60, x: 3, y: 3, min_days: 3, adjustment: params.adjustment },
    };
    const { code, out, err } = await ask({ cases: [preset] });
    expect([code, err]).toEqual([0, '']);
    expect(JSON.parse(out).results[0]).toMatchObject({ status: 'ok', selected_days: ['2026-05-05', '2026-05-06', '2026-05-07'] });
  });
});
