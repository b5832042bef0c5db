import { readFileSync } from 'node:fs';
import * as fc from 'fast-check';
import { beforeAll, describe, expect, it } from 'vitest';
import { DAY, HOUR } from '../domain/interval.ts';
import { methodPresets } from '../domain/method-presets.ts';
import { add, rational, rounded } from '../domain/rational.ts';
import { coreBytes } from '../host/core-file.ts';
import { zoneDays } from '../host/zone.ts';
import { answerCase } from './baseline.ts';
import { type AreaCalendar, baselineAt, baselineFloats, type Estimator, estimator, type MethodSpec } from './estimate.ts';
import { presetMethod } from './family-answer.ts';
import { type Kernel, loadKernel } from './kernel.ts';
import { type LoadSeries, loadSeries } from './load-series.ts';
import type { Method } from './method.ts';
import { readRequest } from './request.ts';

/** LACHAK_LONG=1: ten thousand of each. */
const RUNS = process.env.LACHAK_LONG ? 10_000 : 60;

let kernel: Kernel;
let estimate: Estimator;
beforeAll(async () => {
  kernel = await loadKernel(coreBytes());
  estimate = estimator({ kernel });
});

const zone = zoneDays('Asia/Kolkata');
const calendar: AreaCalendar = { zone, holidays: new Set(), excluded: new Map() };
const highTwoOfThree: Method = {
  spec: {
    ...{ select: 'high', x: 2, y: 3, minDays: 2, lowUsage: null, floorZero: true, direction: 'reduce' },
    adjustment: { kind: 'multiplicative', direction: 'both', lo: { num: 4, den: 5 }, hi: { num: 6, den: 5 }, cap: null },
  },
  ...{ quantity: 'import', dayType: 'weekday_vs_nonworking', minGapDays: 1, lookbackDays: 45 },
  ...{ fromMinutes: -120, toMinutes: 0, anchor: 'start' },
};
const spec: MethodSpec = { kind: 'day_matching', workingDay: highTwoOfThree, otherDay: highTwoOfThree };

/** Forty days of hourly readings that differ by day and hour; ends on the evening of Friday 8 May 2026. */
function home(meterId: string, seed: number): LoadSeries {
  const start = zone.startOf('2026-03-30');
  const importWh = Int32Array.from({ length: 40 * 24 }, (_, i) => 300 + ((i * 7919 + seed * 104729) % 1009));
  return {
    ...{ meterId, start, minutes: 60, importWh, exportWh: null, quality: null, temperature: null },
    ...{ marks: new Map(), connectedLoadW: null },
  };
}
const start = zone.startOf('2026-05-08') + 18 * HOUR;
const event = { window: { start, end: start + 2 * HOUR }, noticeAt: start - 4 * HOUR };

describe('one call for every method', () => {
  it('gives the numbers of the worked example', () => {
    const json = /```json\n([\s\S]*?)```/.exec(readFileSync(new URL('./ROOM.md', import.meta.url), 'utf8'))![1]!;
    const [request] = readRequest({ cases: [JSON.parse(json)] });
    const series = loadSeries('example', request!.inline!, 60);
    const [found] = estimate(spec, [series], calendar, event);
    const golden = answerCase(kernel, request!, [request!.inline!]);
    expect(baselineFloats(found!.baseline!)).toEqual(golden.baseline_wh);
    expect(found!.quality).toEqual({ status: 'ok', reason: '', flags: [], references: 2, missing: 0 });
    expect(found!.actualWh).toEqual([600, 701]);
    expect(found!.evidence).toMatchObject({
      ...{ kind: 'day_matching', eventDay: '2026-05-08', dayClass: 'W' },
      candidateDays: ['2026-05-07', '2026-05-06', '2026-05-05'],
      selectedDays: ['2026-05-06', '2026-05-07'],
      adjustment: { applied: rational(23n, 20n), capped: false },
    });
  });

  it('answers each meter alone: order, company and a neighbour’s gap change nothing', () => {
    const homes = [1, 2, 3, 4].map((seed) => home(`m${seed}`, seed));
    const gap = { ...homes[2]!, importWh: homes[2]!.importWh.slice().fill(-(2 ** 31), 10) };
    const together = estimate(spec, homes, calendar, event);
    const turned = estimate(spec, [homes[3]!, gap, homes[1]!, homes[0]!], calendar, event);
    const shown = (index: number, from: typeof together) => JSON.stringify(from[index], bigints);
    expect([shown(3, turned), shown(2, turned), shown(0, turned)]).toEqual([0, 1, 3].map((i) => shown(i, together)));
    expect(turned[1]!.quality).toMatchObject({ status: 'insufficient_days', references: 0, missing: 2 });
    expect(estimate(spec, [homes[0]!], calendar, event)[0]!.baseline).toEqual(together[0]!.baseline);
  });

  it('scales with the load', () => {
    const one = home('m', 5);
    const tenfold = { ...one, importWh: one.importWh.map((wh) => wh * 10) };
    const [small, large] = estimate(spec, [one, tenfold], calendar, event).map(({ baseline }) => {
      if (baseline?.kind !== 'exact') throw new Error('not exact');
      return add(baselineAt(baseline, 0), baselineAt(baseline, 1));
    });
    expect(rounded(rational(small!.num * 10n, small!.den))).toBe(rounded(large!));
  });

  it('never uses a day that is marked or excluded, and says why', () => {
    const marked: LoadSeries = { ...home('m', 6), marks: new Map([['2026-05-07', ['event', 'outage']]]) };
    const festival = { ...calendar, excluded: new Map([['2026-05-05', 'Festival']]) };
    const [found] = estimate(spec, [marked], festival, event);
    expect(found!.evidence).toMatchObject({
      candidateDays: ['2026-05-06', '2026-05-04', '2026-05-01'],
      excludedDays: [
        { day: '2026-05-05', reason: 'calendar:Festival' },
        { day: '2026-05-07', reason: 'event' },
        { day: '2026-05-07', reason: 'outage' },
      ],
    });
  });

  it('answers an absurd window, an unknown method and numbers beyond the bound with a status and a reason', () => {
    const homes = [home('a', 1), home('b', 2)];
    const status = (over: Partial<typeof event>, method: unknown = spec) =>
      estimate(method as MethodSpec, homes, calendar, { ...event, ...over }).map(({ quality }) => quality.status);
    expect(status({ window: { start, end: start } })).toEqual(['window_must_be_positive', 'window_must_be_positive']);
    expect(status({ window: { start: start + 1, end: start + HOUR } })[0]).toBe('window_off_grid');
    expect(status({ window: { start, end: start + DAY } })[0]).toBe('window_crosses_midnight');
    expect(status({}, { kind: 'tea_leaves' })[0]).toBe('method_unknown');
    const wide = { ...highTwoOfThree, spec: { ...highTwoOfThree.spec, y: 300 } };
    expect(status({}, { ...spec, workingDay: wide })[0]).toBe('outside_bounds');
    expect(estimate(spec, [], calendar, event)).toEqual([]);
  });

  it('has no baseline for a meter of one day, of no reading, or of another grid', () => {
    const one = { ...home('one-day', 1), start: zone.startOf('2026-05-08'), importWh: new Int32Array(24).fill(500) };
    const none = { ...home('empty', 1), importWh: new Int32Array(0) };
    const beside = { ...home('beside', 1), start: zone.startOf('2026-03-30') + 7 * 60_000 };
    const found = estimate(spec, [one, none, beside], calendar, event);
    expect(found.map(({ quality, baseline }) => [quality.status, quality.missing, baseline])).toEqual([
      ['insufficient_days', 0, null],
      ['insufficient_days', 2, null],
      ['insufficient_days', 2, null],
    ]);
  });
});

function bigints(_: string, value: unknown): unknown {
  return typeof value === 'bigint' ? `${value}` : value;
}

describe('whatever the spec and the readings', () => {
  const matching = methodPresets.filter(({ params }) => params);
  /** Readings with gaps, signs and spikes that no home has. */
  const hostile = fc.record({
    base: fc.constantFrom(0, 1, 300, 2 ** 29),
    signed: fc.boolean(),
    gaps: fc.constantFrom(0, 0, 3, 40),
    spike: fc.constantFrom(0, 10_000_000 / 2, 2 ** 30),
    days: fc.integer({ min: 1, max: 60 }),
    seed: fc.integer({ min: 1, max: 2 ** 20 }),
  });
  type Hostile = typeof hostile extends fc.Arbitrary<infer T> ? T : never;
  const meterOf = (meterId: string, { base, signed, gaps, spike, days, seed }: Hostile): LoadSeries => {
    const first = zone.startOf(zone.plus('2026-05-08', 1 - days));
    const random = (i: number) => ((i + 1) * 7919 + seed * 104_729) % 10_007;
    const importWh = Int32Array.from({ length: days * 24 }, (_, i) => {
      if (gaps && random(i) % gaps === 0) return -(2 ** 31);
      const wh = base + (base && random(i) % Math.min(base, 900)) + (random(i) % 501 === 0 ? spike : 0);
      return signed && random(i + 7) % 3 === 0 ? -wh : wh;
    });
    const temperature = Float64Array.from(importWh, (_, i) => (random(i) % 97 === 0 ? Number.NaN : 20 + (random(i) % 200) / 10));
    return {
      ...home(meterId, 1),
      start: first,
      importWh,
      temperature,
      marks: new Map([[zone.plus('2026-05-08', -(seed % 9)), ['event']]]),
    };
  };

  it('every preset gives a status and a reason, and exact numbers only with ok', { timeout: 3_600_000 }, () => {
    fc.assert(
      fc.property(fc.constantFrom(...matching), hostile, hostile, (preset, a, b) => {
        const homes = [meterOf('a', a), meterOf('b', b)];
        const method = presetMethod(preset, 60);
        const found = estimate(method, homes, calendar, event);
        for (const { baseline, quality, actualWh } of found) {
          expect(quality.status === 'ok').toBe(baseline !== null);
          expect(quality.status === 'ok').toBe(quality.reason === '');
          if (baseline?.kind === 'exact') expect(baseline.denominator).toBeGreaterThan(0n);
          expect(actualWh).toHaveLength(2);
        }
        // Company and order change nothing.
        const turned = estimate(method, homes.toReversed(), calendar, event).toReversed();
        expect(JSON.stringify(turned, bigints)).toBe(JSON.stringify(found, bigints));
      }),
      { numRuns: RUNS },
    );
  });

  it('every preset without caps in Wh scales with the load', { timeout: 3_600_000 }, () => {
    fc.assert(
      fc.property(fc.constantFrom(...matching), hostile, fc.integer({ min: 2, max: 7 }), (preset, a, factor) => {
        const small = meterOf('m', { ...a, base: Math.min(a.base, 300), spike: Math.min(a.spike, 5_000_000) });
        const large = { ...small, importWh: small.importWh.map((wh) => (wh === -(2 ** 31) ? wh : wh * factor)) };
        const [one, other] = estimate(presetMethod(preset, 60), [small, large], calendar, event);
        expect(other!.quality).toEqual(one!.quality);
        if (one!.baseline?.kind !== 'exact' || other!.baseline?.kind !== 'exact') return;
        for (const slot of [0, 1]) {
          const [x, y] = [baselineAt(one!.baseline, slot), baselineAt(other!.baseline, slot)];
          expect(x.num * BigInt(factor) * y.den).toBe(y.num * x.den);
        }
      }),
      { numRuns: RUNS },
    );
  });
});
