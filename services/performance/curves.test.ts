import { describe, expect, it } from 'vitest';
import { curveOf, curvesOf, sumCurves } from './curves.ts';
import { MISSING } from './kernel.ts';

type Result = Parameters<typeof curveOf>[0];
/** Baseline and metered Wh per half hour of a window; a gap is neither in the one curve nor in the other. */
const result = (...figures: [baseline: number, metered: number | 'gap' | 'dark'][]) =>
  ({
    slots: figures.map(([baseline, metered]) => ({
      hasMetered: metered !== 'gap',
      meteredWh: typeof metered === 'number' ? BigInt(metered) : 0n,
      baselineWh: BigInt(baseline),
      deliveredNum: typeof metered === 'number' ? String(baseline - metered) : '',
      deliveredWh: typeof metered === 'number' ? BigInt(baseline - metered) : 0n,
    })),
  }) as unknown as Result;
const lead = (wh: number) => Array<number>(8).fill(wh);
const window = { start: 4 * 1_800_000, end: 6 * 1_800_000 };

describe('curves', () => {
  it('add up the points that are settled in an interval, so that the gap between them is what was delivered', () => {
    const sums = sumCurves(
      [
        curveOf(result([1000, 700], [1000, 'gap']), lead(10)),
        curveOf(result([500, 600], [400, 'dark']), lead(MISSING)),
        curveOf(result([0, 0], [200, 50]), lead(1)),
      ],
      2,
    );
    const curves = curvesOf('run', window, 30, sums);
    expect(curves.baselineWh.slice(4, 6)).toEqual([1500n, 200n]);
    expect(curves.meteredWh.slice(4, 6)).toEqual([1300n, 50n]);
    expect(curves.deliveredWh.slice(4, 6)).toEqual([200n, 150n]);
    expect(curves.meteredWh.slice(0, 4)).toEqual([11n, 11n, 11n, 11n]);
    expect([curves.points, curves.startMs]).toEqual([3, 0n]);
  });

  it('say where there is nothing, instead of drawing zero', () => {
    const curves = curvesOf('run', window, 30, curveOf(result([1000, 'gap'], [1000, 0]), lead(MISSING)));
    expect(curves.hasMetered).toEqual([false, false, false, false, false, true, false, false, false, false]);
    expect(curves.hasBaseline).toEqual([false, false, false, false, false, true, false, false, false, false]);
  });

  it('of nobody are empty', () => {
    const curves = curvesOf('run', window, 30, sumCurves([], 2));
    expect([curves.points, curves.baselineWh.length, curves.hasMetered.includes(true)]).toEqual([0, 10, false]);
  });
});
