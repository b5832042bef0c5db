import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { afterAll, describe, expect, test, vi } from 'vitest';
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

async function run(...args: string[]): Promise<{ code: number; out: string; err: string }> {
  let [out, err] = ['', ''];
  const write = vi.spyOn(process.stdout, 'write').mockImplementation(((text: string, done?: () => void) => {
    out += text;
    done?.();
    return true;
  }) as never);
  const complain = vi.spyOn(process.stderr, 'write').mockImplementation(((text: string) => {
    err += text;
    return true;
  }) as never);
  try {
    return { code: await baselineCommand(args), out, err };
  } finally {
    write.mockRestore();
    complain.mockRestore();
  }
}

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
