import { readFileSync } from 'node:fs';
import { beforeAll, describe, expect, test } from 'vitest';
import { coreBytes } from '../host/core-file.ts';
import { answerCase } from './baseline.ts';
import { type Kernel, loadKernel } from './kernel.ts';
import { readRequest } from './request.ts';

let kernel: Kernel;
beforeAll(async () => {
  kernel = await loadKernel(coreBytes());
});

const ROOM = readFileSync(new URL('./ROOM.md', import.meta.url), 'utf8');
type Example = { id: string; expected: Record<string, unknown>; readings: { rows: [string, number | null, number | null][] } };
const example = () => JSON.parse(/```json\n(.*?)\n```/s.exec(ROOM)![1]!) as Example & Record<string, unknown>;
const answer = (value: unknown) => {
  const request = readRequest({ cases: [value] })[0]!;
  return answerCase(
    kernel,
    request,
    request.meterIds.map(() => request.inline!),
  );
};

test('the worked example of ROOM.md comes out as it is written', () => {
  expect(answer(example())).toMatchObject(example().expected);
});

test('readings in any order, and the first of two for one instant, give the same answer', () => {
  const { readings, ...rest } = example();
  const rows = [...readings.rows].reverse();
  const repeated = rows.map(([start]) => [start, 9999, null] as const);
  expect(answer({ ...rest, readings: { rows: [...rows, ...repeated] } })).toEqual(answer(example()));
});

describe('a gap is never a zero', () => {
  const without = (hour: string) => {
    const shown = example();
    return answer({ ...shown, readings: { rows: shown.readings.rows.filter(([start]) => !start.startsWith(hour)) } });
  };
  test.each([
    // absent hour, what becomes of it
    [
      '2026-05-08T18',
      {
        actual_wh: [null, 701],
        delivered_wh: [null, 506.5],
        delivered_total_wh_rounded: 507,
        missing_actual_intervals: 1,
        baseline_total_wh: 2300,
      },
    ],
    [
      '2026-05-08T16',
      {
        flags: ['adjustment_skipped_missing'],
        baseline_wh: [950, 1050],
        adjustment: { observed_mean_wh: null, raw: null, applied: 1 },
      },
    ],
    ['2026-05-07T16', { flags: ['fewer_than_y_days'], selected_days: ['2026-05-05', '2026-05-06'] }],
    ['2026-05-06T19', { flags: ['fewer_than_y_days'], selected_days: ['2026-05-05', '2026-05-07'] }],
    [
      '2026-05-0',
      { status: 'insufficient_days', baseline_wh: null, actual_total_wh: null, selected_days: [], missing_actual_intervals: 2 },
    ],
  ])('without %s', (hour, expected) => {
    expect(without(hour)).toMatchObject(expected);
  });
});

test('a portfolio adds the exact totals of the meters that have a baseline and rounds once', () => {
  const { id, meter_id, ...shared } = example();
  const portfolio = { ...shared, id, meter_ids: ['a', 'b', 'c'] };
  const request = readRequest({ cases: [portfolio] })[0]!;
  const home = request.inline!;
  const short = { starts: home.starts.slice(-2), importWh: home.importWh.slice(-2), exportWh: home.exportWh.slice(-2) };
  expect(meter_id).toBe('example');
  expect(answerCase(kernel, request, [home, home, short])).toMatchObject({
    meters_ok: 2,
    meters_without_baseline: 1,
    delivered_total_exact: '1998/1',
    delivered_total_wh_rounded: 1998,
    per_meter: [{ meter_id: 'a' }, { meter_id: 'b' }, { meter_id: 'c', status: 'insufficient_days', baseline_total_wh: null }],
  });
});
