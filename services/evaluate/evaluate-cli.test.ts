import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { create, toJson } from '@bufbuild/protobuf';
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';
import { TermsSchema } from '../../gen/lachak/v1/catalogue_pb.ts';
import { presets } from '../catalogue/presets.ts';
import { iso } from '../domain/interval.ts';
import { evaluateCommand } from './evaluate-cli.ts';

const folder = mkdtempSync(join(tmpdir(), 'lachak-evaluate-'));
const put = (name: string, text: string) => {
  writeFileSync(join(folder, name), text);
  return join(folder, name);
};
const START = Date.parse('2026-03-01T18:30:00Z'); // midnight in Kolkata
const HALF_HOUR = 1_800_000;
const HEAD = 'meter_id,interval_start,import_wh,export_wh\n';
let readings = '';
let said = '';

beforeAll(() => {
  vi.spyOn(process.stdout, 'write').mockImplementation((text) => {
    said += String(text);
    return true;
  });
  const rows = ['A', 'B'].flatMap((id, m) =>
    Array.from({ length: 60 * 48 }, (_, i) => `${id},${iso(START + i * HALF_HOUR)},${300 + 100 * m + (i % 48)},\n`),
  );
  readings = put('readings.csv', HEAD + rows.join(''));
  put('meters.csv', 'meter_id,category\nA,LT-I\nB,LT-II\n');
  put(
    'temperature.csv',
    `interval_start,temp_c\n${Array.from({ length: 60 * 48 }, (_, i) => `${iso(START + i * HALF_HOUR)},${25 + (i % 48) / 8 + Math.floor(i / 48) / 10}\n`).join('')}`,
  );
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

describe('lachak evaluate', () => {
  test('reads what lies beside the readings, writes table, JSON and page, twice the same', async () => {
    const [json, html] = [join(folder, 'out.json'), join(folder, 'out.html')];
    const call = [
      '--readings',
      readings,
      '--methods',
      '10of10,caiso-weather-matching,degree-hours',
      '--json',
      json,
      '--html',
      html,
    ];
    expect(await evaluateCommand(call)).toBe(0);
    expect(said).toContain('Recommended: 10of10');
    const first = readFileSync(json, 'utf8');
    const found = JSON.parse(first) as {
      methods: { name: string; all: { coverage: number }; parts: { category: { name: string }[] } }[];
    };
    expect(found.methods.map(({ name, all }) => [name, all.coverage])).toEqual([
      ['10of10', 1],
      ['caiso-weather-matching', 1],
      ['degree-hours', 1],
    ]);
    expect(found.methods[0]!.parts.category.map(({ name }) => name)).toEqual(['LT-I', 'LT-II']);
    const page = readFileSync(html, 'utf8');
    await evaluateCommand(call);
    expect([readFileSync(json, 'utf8'), readFileSync(html, 'utf8')]).toEqual([first, page]);
  });

  test('judges published terms from a file beside a preset, by their own baseline too', async () => {
    const terms = create(TermsSchema, presets.find(({ name }) => name === 'in-ci')!.terms);
    const file = put('ours.json', JSON.stringify({ programmeId: 'p', terms: toJson(TermsSchema, terms) }));
    const json = join(folder, 'terms.json');
    said = '';
    const call = ['--readings', readings, '--terms', `${file},deg-uc1-compatible`, '--methods', 'terms', '--json', json];
    expect(await evaluateCommand(call)).toBe(0);
    const { methods, assumptions } = JSON.parse(readFileSync(json, 'utf8'));
    expect(
      methods.map(({ name, under }: { name: string; under: { terms: string }[] }) => [name, ...under.map((one) => one.terms)]),
    ).toEqual([['terms', 'ours.json', 'deg-uc1-compatible']]);
    expect(assumptions).toContain('ours.json settles intervals of 15 minutes: readings of 30 minutes are parted evenly.');
    expect(said).toContain('Paid for nothing under each of the terms');
  });

  test('events that asked some homes, and nights: the others are no part of them', async () => {
    const at = (day: number, minutes: number) => iso(START + day * 48 * HALF_HOUR + minutes * 60_000);
    const nights = [36, 43, 50].map((day) => `N${day},${at(day, 22 * 60)},${at(day, 26 * 60)}`);
    const events = put('events.csv', `event_id,start,end\n${nights.join('\n')}\n`);
    const json = join(folder, 'nights.json');
    const call = [
      '--readings',
      readings,
      '--event-days',
      events,
      '--window',
      '22:00-02:00',
      '--methods',
      '10of10',
      '--json',
      json,
    ];
    said = '';
    expect(await evaluateCommand([...call, '--participants', put('who.csv', 'meter_id\nB\nELSEWHERE\n')])).toBe(0);
    const { format, participants, methods, assumptions } = JSON.parse(readFileSync(json, 'utf8'));
    expect([format, participants]).toEqual([2, { asked: 1, heldOut: 0, notAsked: 1 }]);
    expect(methods[0].events.map(({ event, homes }: { event: string; homes: number }) => [event, homes])).toEqual([
      ['N36', 1],
      ['N43', 1],
      ['N50', 1],
    ]);
    expect(said).toContain('3 past events that asked 1 of them');
    const first = methods[0].responses;
    expect(await evaluateCommand([...call, '--participants', 'category=LT-II'])).toBe(0);
    expect(JSON.parse(readFileSync(json, 'utf8')).methods[0].responses).toEqual(first);
    expect(assumptions).toContain('1 of 2 participants of past events have no readings here, and are in no figure.');
  });

  test.each([
    [() => ['--readings', readings, '--participants', readings], 'give the events with --event-days'],
    [
      () => ['--readings', readings, '--event-days', put('day.csv', '2026-04-10\n'), '--participants', 'category=LT-9'],
      'no meter has category=LT-9',
    ],
    [
      () => [
        '--readings',
        readings,
        '--event-days',
        put('on.csv', '2026-04-10\n'),
        '--participants',
        put('a.csv', 'meter_id\nA1\n'),
      ],
      'a.csv: none of its meters has readings here',
    ],
    [() => [], '--readings FILE is missing'],
    [() => ['--readings', join(folder, 'none.csv')], 'there is no such file'],
    [() => ['--readings', put('empty.csv', HEAD)], 'there is no reading'],
    [
      () => ['--readings', put('broken.csv', `${HEAD}A,2026-03-01T00:00:00Z,many,\n`)],
      'broken.csv:2: import_wh must be empty or whole Wh',
    ],
    [() => ['--readings', put('one.csv', `${HEAD}A,2026-03-01T00:00:00Z,5,\n`)], 'the readings lie on no grid'],
    [() => ['--readings', readings, '--terms', 'in-cy'], '--terms must be a file of terms as JSON, or one of residential-10of10'],
    [() => ['--readings', readings, '--terms', put('broken.json', '{"netting":"NET_DAY"}')], 'broken.json is no JSON of terms'],
    [() => ['--readings', readings, '--terms', put('empty.json', '{}')], 'empty.json: terms.direction must be SHED'],
    [() => ['--readings', readings, '--terms', 'residential-10of10,absorb-solar'], 'pay for different things'],
    [() => ['--readings', readings, '--committed', '20%'], '--committed must be load:20%'],
    [
      () => ['--readings', readings, '--terms', 'in-ci', '--committed', 'sanctioned:30%'],
      'asks for sanctioned_load_w, and the list of meters has none for A',
    ],
    [() => ['--readings', readings, '--from', '2027-01-01'], 'no placebo day lies from 2027-01-01'],
    [() => ['--readings', readings, '--seed', 'x'], '--seed must be a whole number'],
    [() => ['--readings', readings, '--zone', 'Asia/Atlantis'], 'neither an IANA time zone'],
  ])('bad input is refused by name: %#', async (argv, message) => {
    await expect(evaluateCommand(argv())).rejects.toThrow(message);
  });
});
