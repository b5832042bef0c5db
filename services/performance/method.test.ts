import { create, type MessageInitShape } from '@bufbuild/protobuf';
import { describe, expect, it } from 'vitest';
import {
  Adjustment_Anchor,
  Adjustment_Kind,
  Adjustment_Limit,
  Baseline_Select,
  BaselineSchema,
} from '../../gen/lachak/v1/catalogue_pb.ts';
import { Direction } from '../../gen/lachak/v1/types_pb.ts';
import { methodOf } from './method.ts';

type Init = MessageInitShape<typeof BaselineSchema>;
const preset: Init = {
  ...{ method: 'DAY_MATCHING', quantity: 'net', select: Baseline_Select.ALL, x: 10, y: 10, dayType: 'weekday_vs_nonworking' },
  ...{ minGapDays: 1, lookbackDays: 45, minDays: 5, floorZero: true },
  adjustment: {
    ...{ kind: Adjustment_Kind.MULTIPLICATIVE, fromMinutes: -180, toMinutes: 0, anchor: Adjustment_Anchor.NOTICE },
    ...{ direction: Adjustment_Limit.BOTH, ratioMin: { num: 4n, den: 5n }, ratioMax: { num: 6n, den: 5n } },
  },
  nonWorking: { x: 4, y: 4, lookbackDays: 90, minDays: 4 },
};
const method = (over: Init = {}, workingDay = true, direction = Direction.SHED) =>
  methodOf(create(BaselineSchema, { ...preset, ...over } as Init), direction, workingDay);

describe('the method of an event day', () => {
  it('is what the terms say on a working day', () => {
    expect(method()).toEqual({
      spec: {
        ...{ select: 'all', x: 10, y: 10, minDays: 5, lowUsage: null, floorZero: true, direction: 'reduce' },
        adjustment: { kind: 'multiplicative', direction: 'both', lo: { num: 4, den: 5 }, hi: { num: 6, den: 5 }, cap: null },
      },
      ...{ quantity: 'net', dayType: 'weekday_vs_nonworking', minGapDays: 1, lookbackDays: 45 },
      ...{ fromMinutes: -180, toMinutes: 0, anchor: 'notice' },
    });
  });

  it('switches to the other numbers on a day that is none; a zero keeps the number above', () => {
    expect(method({}, false)).toMatchObject({ lookbackDays: 90, spec: { x: 4, y: 4, minDays: 4 } });
    expect(method({ nonWorking: { x: 2 } }, false)).toMatchObject({ lookbackDays: 45, spec: { x: 2, y: 10, minDays: 5 } });
  });

  it('has no window without an adjustment, and clamps only what its kind knows', () => {
    expect(method({ adjustment: { kind: Adjustment_Kind.NONE, fromMinutes: -60 } })).toMatchObject({
      fromMinutes: 0,
      toMinutes: 0,
      anchor: 'start',
    });
    const additive = {
      ...preset.adjustment,
      kind: Adjustment_Kind.ADDITIVE,
      capFraction: { num: 1n, den: 5n },
    } as Init['adjustment'];
    expect(method({ adjustment: additive } as Init).spec.adjustment).toEqual({
      kind: 'additive',
      direction: 'both',
      lo: null,
      hi: null,
      cap: { num: 1, den: 5 },
    });
  });

  it('turns the sign for an ABSORB programme', () => {
    expect(method({}, true, Direction.ABSORB).spec.direction).toBe('increase');
  });

  // biome-ignore format: one row a case
  it.each<[string, Init]>([
    ['terms.baseline.method', { method: 'REGRESSION' }],
    ['terms.baseline.quantity', { quantity: 'gross' }],
    ['terms.baseline.select', { select: Baseline_Select.SELECT_UNSPECIFIED }],
    ['terms.baseline.day_type', { dayType: 'lucky' }],
  ])('refuses by name what the core does not know: %s', (field, over) => {
    expect(() => method(over)).toThrow(expect.objectContaining({ code: 'baseline_not_supported', field }));
  });
});
