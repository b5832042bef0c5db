import { describe, expect, test } from 'vitest';
import { readParams } from './spec.ts';

const PARAMS = {
  ...{
    quantity: 'import',
    interval_minutes: 30,
    select: 'high',
    x: 5,
    y: 10,
    day_type: 'any',
    min_gap_days: 1,
    lookback_days: 45,
  },
  ...{ min_days: 5, low_usage_threshold: null, floor_zero: true },
  adjustment: { kind: 'multiplicative', from_min: -240, to_min: -60, ratio_min: '5/6', ratio_max: '1.2', direction: 'both' },
};

test('fractions enter as two integers, never through a double', () => {
  const { spec } = readParams({ ...PARAMS, low_usage_threshold: 0.25 }, 'reduce');
  expect(spec.adjustment).toMatchObject({ lo: { num: 5, den: 6 }, hi: { num: 6, den: 5 }, cap: null });
  expect(spec.lowUsage).toEqual({ num: 1, den: 4 });
});

test('without adjustment there is no window', () => {
  const params = readParams({ ...PARAMS, adjustment: { kind: 'none' } }, 'increase');
  expect(params).toMatchObject({ fromMin: 0, toMin: 0, spec: { direction: 'increase', adjustment: { kind: 'none', lo: null } } });
});

describe('what is wrong is named by its field', () => {
  const { adjustment } = PARAMS;
  test.each<[string, Record<string, unknown>]>([
    ['params.quantity', { quantity: 'reactive' }],
    ['params.interval_minutes', { interval_minutes: 7 }],
    ['params.select', { select: undefined }],
    ['params.x', { x: 11 }],
    ['params.x', { x: 1.5 }],
    ['params.y', { y: 257 }],
    ['params.min_gap_days', { min_gap_days: 0 }],
    ['params.lookback_days', { lookback_days: '45' }],
    ['params.min_days', { min_days: null }],
    ['params.low_usage_threshold', { low_usage_threshold: '25 %' }],
    ['params.low_usage_threshold', { low_usage_threshold: '-0.25' }],
    ['params.low_usage_threshold', { low_usage_threshold: undefined }],
    ['params.floor_zero', { floor_zero: 1 }],
    ['params.adjustment', { adjustment: undefined }],
    ['params.adjustment.kind', { adjustment: { ...adjustment, kind: 'ratio' } }],
    ['params.adjustment.from_min', { adjustment: { ...adjustment, from_min: 0 } }],
    ['params.adjustment.to_min', { adjustment: { ...adjustment, to_min: -300 } }],
    ['params.adjustment.direction', { adjustment: { ...adjustment, direction: 'up' } }],
    ['params.adjustment.ratio_min', { adjustment: { ...adjustment, ratio_min: '1.3' } }],
    ['params.adjustment.ratio_max', { adjustment: { ...adjustment, ratio_max: '1.00000000001' } }],
    ['params.adjustment.cap_fraction', { adjustment: { ...adjustment, kind: 'additive', cap_fraction: [] } }],
  ])('%s', (field, change) => {
    expect(() => readParams({ ...PARAMS, ...change }, 'reduce')).toThrow(expect.objectContaining({ field }));
  });
  test('direction', () => {
    expect(() => readParams(PARAMS, undefined)).toThrow('direction must be one of reduce, increase, not absent');
  });
});
