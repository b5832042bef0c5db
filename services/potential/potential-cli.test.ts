import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, test } from 'vitest';
import { describeWithFixtures, fixture } from '../../test/fixtures.ts';
import { said } from '../host/cli-testing.ts';
import { potentialCommand } from './potential-cli.ts';

const FOLDER = mkdtempSync(join(tmpdir(), 'lachak-potential-'));
afterAll(() => rmSync(FOLDER, { recursive: true }));

let files = 0;
function file(content: string): string {
  const path = join(FOLDER, `f${files++}`);
  writeFileSync(path, content);
  return path;
}

const run = (...args: string[]) => said(() => potentialCommand(args));

const HEADER = 'meter_id,interval_start,import_wh,export_wh';
const instant = (hour: number) => new Date(Date.UTC(2026, 3, 1) + hour * 3_600_000).toISOString().replace('.000Z', '+00:00');
const celsius = (hour: number) => 28 + (Math.floor(hour / 24) % 9) - 6 + ((hour % 24) % 12) / 4;
/** Hourly homes of 40 days: 400 Wh, and 60 Wh a degree above 24 °C. */
const rowsOf = (meterId: string, hours = 960) =>
  Array.from(
    { length: hours },
    (_, hour) => `${meterId},${instant(hour)},${400 + Math.round(60 * Math.max(0, celsius(hour) - 24))},`,
  );
const readings = () => file([HEADER, ...rowsOf('a'), ...rowsOf('b&<i>'), ...rowsOf('short', 96)].join('\n'));
const weather = () =>
  file(['interval_start,temp_c', ...Array.from({ length: 960 }, (_, hour) => `${instant(hour)},${celsius(hour)}`)].join('\n'));
const meters = () =>
  file('meter_id,category,feeder_id,sanctioned_load_w\na,<b>shop</b>,F1,3000\nb&<i>,domestic,F2,\nabsent,domestic,F2,\n');

test('a study from files: megawatts on the terminal, all of it in JSON, a report in one file', async () => {
  const [json, html] = [join(FOLDER, 'out.json'), join(FOLDER, 'out.html')];
  const args = [
    '--readings',
    readings(),
    '--temperature',
    weather(),
    '--meters',
    meters(),
    '--zone',
    '+00:00',
    '--design-temperature',
    '34',
  ];
  const { code, out, err } = await run(
    ...args,
    '--system',
    '<b>shop</b>=1000,domestic=100000',
    '--peak',
    '18-22',
    '--json',
    json,
    '--html',
    html,
  );
  expect([code, err]).toEqual([0, '']);
  // 60 W/°C × (34 − 24) × 30 % × 101 000
  const said = JSON.parse(readFileSync(json, 'utf8'));
  expect(Math.abs(said.flexibleMw / 18.18 - 1)).toBeLessThan(0.02);
  expect(out).toMatch(/^Expected flexible load 18:00–22:00 \(\+00:00\): 18\.\d MW \(no interval: a category has one home only\)/);
  expect(out).toContain('short: 4 days have 20 hours of readings or more; 28 are needed');
  expect(said.setAside.map(({ meterId }: { meterId: string }) => meterId)).toEqual(['absent', 'short']);
  expect(said.homes.map(({ response }: { response: { coolingC: number } }) => response.coolingC)).toEqual([24, 24]);
  const page = readFileSync(html, 'utf8');
  expect(page).toContain('&lt;b&gt;shop&lt;/b&gt;');
  expect(page).not.toMatch(/<b>shop|https?:|<script|src=|NaN|undefined|Infinity/);
  expect(page.match(/<svg /g)!.length).toBeGreaterThanOrEqual(6);
});

test('past events measure the response rate; fewer than five tell none', async () => {
  const days = [26, 28, 30, 33, 35, 37].map((day) => `${instant(24 * day + 18)},${instant(24 * day + 20)}`);
  const [json, html] = [join(FOLDER, 'rate.json'), join(FOLDER, 'rate.html')];
  const study = async (events: readonly string[], ...more: string[]) => {
    const file_ = file(['start,end', ...events].join('\n'));
    const given = ['--readings', readings(), '--temperature', weather(), '--zone', '+00:00', '--peak', '18-22'];
    const said = await run(...given, '--event-days', file_, '--json', json, '--html', html, ...more);
    return {
      ...said,
      rates: JSON.parse(readFileSync(json, 'utf8')).categories.map((one: { response: unknown }) => one.response),
    };
  };
  const measured = await study(days);
  expect([measured.code, measured.err]).toEqual([0, '']);
  // These homes take in events what they always take at that temperature.
  expect(measured.rates).toEqual([expect.objectContaining({ basis: 'measured', events: 6 })]);
  expect(measured.rates[0].value).toBeLessThan(0.02);
  expect(measured.out).toContain('of the response rate (measured at past events)');
  expect(readFileSync(html, 'utf8')).toContain('measured at 6 past events');
  const few = await study(days.slice(0, 4));
  expect(few.rates).toEqual([{ value: 0.3, interval: [0.1, 0.5], basis: 'unmeasured', events: 0 }]);
  expect(few.out).toContain('a planning value, for fewer than five past events told one');
  const given = await study(days, '--response', '0.1/0.2/0.3');
  expect(given.rates).toEqual([{ value: 0.2, interval: [0.1, 0.3], basis: 'given', events: 0 }]);
  // Of a home that no event asked every hour is load research.
  const hours = () => JSON.parse(readFileSync(json, 'utf8')).homes.map((home: { hours: number }) => home.hours);
  await study(days, '--participants', file('meter_id\na\n'));
  expect(hours()).toEqual([960 - 12, 960]);
  await study(days);
  expect(hours()).toEqual([960 - 12, 960 - 12]);
  expect((await study(days, '--participants', file('meter_id\nz\n'))).err).toContain('none of its meters has readings here');
});

test('without temperature only EV-like load is told, and said to be so', async () => {
  const { code, out } = await run('--readings', readings(), '--zone', '+00:00');
  expect([code, out]).toEqual([0, expect.stringContaining('what answers it is not known and not in the figure')]);
  expect(out).toMatch(/not stated +2 +\d+ W +– +0 W/);
});

describe('refused, saying what to do', () => {
  const given = () => ['--readings', readings()];
  test.each<[string, () => string[], string]>([
    ['no readings', () => [], '--readings FILE is missing'],
    ['a flag that is none', () => [...given(), '--systems', '5'], 'unknown option --systems; did you mean --system?'],
    ['a file as a word', () => ['x.csv'], 'x.csv is not understood'],
    [
      'a window over midnight',
      () => [...given(), '--peak', '22-2'],
      '--peak must be whole local hours within a day, as 18-22, not 22-2',
    ],
    ['a response above one', () => [...given(), '--response', '30'], '--response must be a share 0 to 1'],
    [
      'a response out of order',
      () => [...given(), '--response', '0.3/0.2/0.4'],
      '--response must be a share 0 to 1, or low/expected/high',
    ],
    ['a system of nobody', () => [...given(), '--system', '0'], '--system must be a number of consumers'],
    ['a category without homes', () => [...given(), '--system', 'farm=5'], '--system names farm, but no home of that category'],
    ['a zone that is none', () => [...given(), '--zone', 'Kolkata'], 'Kolkata is neither an IANA time zone'],
    ['a precision of nothing', () => [...given(), '--precision', '0'], '--precision must be per cent'],
    ['readings that are not there', () => ['--readings', join(FOLDER, 'nowhere.csv')], 'there is no such file'],
    [
      'a row that is broken',
      () => ['--readings', file(`${HEADER}\na,yesterday,1,`)],
      ':2: interval_start must be an ISO-8601 instant',
    ],
    ['a file without rows', () => ['--readings', file(HEADER)], 'no home has enough readings'],
    ['meters that are not there', () => [...given(), '--meters', join(FOLDER, 'none.csv')], 'none.csv cannot be read'],
  ])('%s', async (_, args, says) => {
    const { code, out, err } = await run(...args());
    expect([code, out]).toEqual([2, '']);
    expect(err).toContain(says);
  });
});

describeWithFixtures('load research on published readings', ['data/eemeter', 'data/citylearn', 'data/opsd'], () => {
  const study = async (...args: string[]) => {
    const json = join(FOLDER, `s${files++}.json`);
    expect(await run(...args, '--json', json)).toMatchObject({ code: 0, err: '' });
    return JSON.parse(readFileSync(json, 'utf8'));
  };
  test('the two meters made to cool (and one to heat) are found to do so, and neither charges a vehicle', async () => {
    const { homes } = await study('--readings', fixture('data', 'eemeter', 'readings.csv.gz')!, '--zone=-06:00');
    const [both, cooling] = homes as { response: { coolingC: number; heatingC: number | null }; sessions: unknown }[];
    expect([both!.response.coolingC, both!.response.heatingC]).toEqual([expect.any(Number), expect.any(Number)]);
    expect([cooling!.response.coolingC, cooling!.response.heatingC]).toEqual([expect.any(Number), null]);
    expect([both!.sessions, cooling!.sessions]).toEqual([null, null]);
  });
  test('real solar homes with gapless hours are all used, and the interval holds the estimate', async () => {
    const said = await study(
      '--readings',
      fixture('data', 'citylearn', 'readings.csv.gz')!,
      '--zone=-08:00',
      '--system',
      '1200000',
    );
    expect([said.homes.length, said.setAside]).toEqual([17, []]);
    const [low, high] = said.flexible.interval;
    expect(low).toBeLessThanOrEqual(said.flexible.watts);
    expect(high).toBeGreaterThanOrEqual(said.flexible.watts);
  });
});
