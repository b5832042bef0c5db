import { createHash } from 'node:crypto';
import { beforeAll, describe, expect, test } from 'vitest';
import { coreBytes } from '../host/core-file.ts';
import { type EstimateInput, type Kernel, loadKernel, MISSING } from './kernel.ts';
import type { DayMatchingSpec } from './spec.ts';

let kernel: Kernel;
beforeAll(async () => {
  kernel = await loadKernel(coreBytes());
});

const SPEC: DayMatchingSpec = {
  ...{ select: 'all', x: 2, y: 2, minDays: 1, lowUsage: null, floorZero: false, direction: 'reduce' },
  adjustment: { kind: 'none', direction: 'both', lo: null, hi: null, cap: null },
};

/** One home, two days, W event slots. */
const home = (days: number[][], actual: number[], more: Partial<EstimateInput> = {}): EstimateInput => ({
  spec: SPEC,
  ...{ meters: 1, days: days.length, eventSlots: actual.length, windowSlots: 0 },
  history: Int32Array.from(days.flat()),
  excluded: new Uint8Array(days.length),
  actual: Int32Array.from(actual),
  ...more,
});
const lane = (input: EstimateInput) => kernel.estimate(input).at(0);

test('the kernel names the bytes it runs by their SHA-256', () => {
  expect(kernel.sha256).toBe(createHash('sha256').update(coreBytes()).digest('hex'));
});

describe('whole Wh of the intervals add up to the total, rounded once', () => {
  test.each([
    // days, actual, exact in halves, shown, total, why
    [
      [
        [3, 3],
        [4, 4],
      ],
      [0, 0],
      [4, 3],
      7,
      'two halves: the spare Wh goes to the earlier',
    ],
    [
      [
        [3, 4],
        [4, 5],
      ],
      [0, 0],
      [4, 4],
      8,
      '3.5 and 4.5',
    ],
    [
      [
        [1, 0],
        [0, 0],
      ],
      [0, 0],
      [1, 0],
      1,
      'half a Wh in all rounds away from zero',
    ],
    [
      [
        [0, 0],
        [0, 0],
      ],
      [1, 2],
      [-1, -2],
      -3,
      'used more: negative, never clipped',
    ],
    [
      [
        [1, 1],
        [0, 1],
      ],
      [1, 1],
      [-1, 0],
      -1,
      'half a Wh more rounds away from zero too',
    ],
  ])('%j against %j', (days, actual, shown, total) => {
    const { result } = lane(home(days, actual));
    expect([result!.deliveredWh, result!.deliveredTotalWh]).toEqual([shown, total]);
  });
});

describe('intervals that do not count', () => {
  const days = [
    [10, 20, 30],
    [10, 20, 30],
  ];
  test.each([
    // actual, dark, delivered, total, missing, not settled
    [[1, 2, 3], [0, 0, 0], [9, 18, 27], 54, 0, 0],
    [[1, MISSING, 3], [0, 0, 0], [9, null, 27], 36, 1, 0],
    [[0, 2, 3], [1, 0, 0], [null, 18, 27], 45, 0, 1],
    [[MISSING, MISSING, 3], [1, 0, 0], [null, null, 27], 27, 1, 1],
    [[1, 2, 3], [1, 1, 1], [null, null, null], 0, 0, 3],
  ])('metered %j, dark %j', (actual, dark, delivered, total, missing, notSettled) => {
    const found = lane(home(days, actual, { notSettled: Uint8Array.from(dark) }));
    expect([found.result!.deliveredWh, found.result!.deliveredTotalWh]).toEqual([delivered, total]);
    expect([found.missingIntervals, found.notSettledIntervals]).toEqual([missing, notSettled]);
    expect(found.result!.baselineTotalWh).toBe(60);
  });
});

test('an excluded day leaves one settlement point and stays for the other', () => {
  const input = home([], [0]);
  const two = kernel.estimate({
    ...input,
    ...{
      meters: 2,
      days: 2,
      history: Int32Array.of(4, 4, 8, 8),
      excluded: Uint8Array.of(1, 0, 0, 0),
      actual: Int32Array.of(0, 0),
    },
  });
  expect([two.at(0), two.at(1)]).toMatchObject([
    { selected: [1], flags: ['fewer_than_y_days'], result: { baselineTotalWh: 8 } },
    { selected: [0, 1], flags: [], result: { baselineTotalWh: 6 } },
  ]);
});

test('no comparable day at all is insufficient, not a fault', () => {
  expect(lane(home([], [5]))).toMatchObject({ status: 'insufficient_days', result: null, selected: [] });
});
