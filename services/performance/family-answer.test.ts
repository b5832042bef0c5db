import { beforeAll, describe, expect, it, test } from 'vitest';
import { methodPresets } from '../domain/method-presets.ts';
import { coreBytes } from '../host/core-file.ts';
import { zoneDays } from '../host/zone.ts';
import { answerAny, readCases } from './cases.ts';
import { estimator } from './estimate.ts';
import { presetMethod } from './family-answer.ts';
import type { Temperatures } from './heat.ts';
import { type Kernel, loadKernel } from './kernel.ts';
import { loadSeries } from './load-series.ts';

let kernel: Kernel;
beforeAll(async () => {
  kernel = await loadKernel(coreBytes());
});

/** Hourly readings of 80 days up to and with Friday 8 May 2026 in India: 500 Wh, and what is said of some hours. */
function readings(over: Record<string, number | null> = {}): [string, number | null, null][] {
  const rows: [string, number | null, null][] = [];
  for (let back = 79; back >= 0; back--) {
    const day = zone.plus('2026-05-08', -back);
    for (let hour = 0; hour < 24; hour++) {
      const at = `${day}T${String(hour).padStart(2, '0')}`;
      rows.push([`${at}:00:00+05:30`, at in over ? over[at]! : 500, null]);
    }
  }
  return rows;
}
const zone = zoneDays('+05:30');
const PARAMS = {
  ...{ quantity: 'import', interval_minutes: 60, select: 'all', x: 3, y: 3, day_type: 'weekday_vs_nonworking' },
  ...{ min_gap_days: 1, lookback_days: 45, min_days: 3, low_usage_threshold: null, floor_zero: false },
  adjustment: { kind: 'none' },
};
const CASE = {
  ...{ id: 'one', meter_id: 'm', tz: '+05:30', direction: 'reduce', excluded_days: [], holidays: [] },
  event: { start: '2026-05-08T18:00:00+05:30', end: '2026-05-08T20:00:00+05:30', notice: '2026-05-08T14:00:00+05:30' },
};
/** Answers a case over `readings`. */
function answer(
  params: object,
  over: Record<string, number | null> = {},
  more: object = {},
  degrees: Temperatures | null = null,
) {
  const request = readCases({
    cases: [{ ...CASE, ...more, params: { ...PARAMS, ...params }, readings: { rows: readings(over) } }],
  })[0]!;
  return answerAny(
    kernel,
    request,
    request.meterIds.map(() => request.inline!),
    degrees,
  );
}

describe('days weigh what the case says', () => {
  // 7, 6 and 5 May are the three latest working days before the Friday.
  const loads = { '2026-05-07T18': 900, '2026-05-06T18': 600, '2026-05-05T18': 300 };
  test.each<[string, object, number, Record<string, string>]>([
    [
      'a list by recency',
      { kind: 'list', values: ['0.5', '0.3', '0.2'] },
      690,
      { '2026-05-07': '1/2', '2026-05-06': '3/10', '2026-05-05': '1/5' },
    ],
    [
      'a list by rank, the lowest load first',
      { kind: 'list', by: 'rank', values: [5, 3, 2] },
      510,
      { '2026-05-07': '1/5', '2026-05-06': '3/10', '2026-05-05': '1/2' },
    ],
    [
      'a mean that forgets half a day',
      { kind: 'ewma', lambda: '0.5', init: 1 },
      675,
      { '2026-05-07': '1/2', '2026-05-06': '1/4', '2026-05-05': '1/4' },
    ],
    [
      'a mean of two, then a tenth',
      { kind: 'ewma', lambda: '1/10', init: 2 },
      495,
      { '2026-05-07': '1/10', '2026-05-06': '9/20', '2026-05-05': '9/20' },
    ],
  ])('%s', (_, weights, first, shares) => {
    const found = answer({ weights, select: 'low' }, loads);
    expect(found.unadjusted_baseline_wh).toEqual([first, 500]);
    expect(found.weights).toEqual(shares);
  });
});

describe('what a day is ranked on', () => {
  it('is the match window without the event and its guard, for the nearest days', () => {
    const over = {
      '2026-05-08T10': 700,
      '2026-05-06T10': 720,
      '2026-05-06T18': 999,
      '2026-05-07T10': 100,
      '2026-05-07T17': 5000,
    };
    const found = answer(
      {
        select: 'nearest',
        x: 1,
        y: 5,
        min_days: 1,
        rank_on: 'match_window',
        match_window: { from_min: 0, to_min: 1440, guard_min: 60 },
      },
      over,
    );
    expect(found).toMatchObject({ status: 'ok', selected_days: ['2026-05-06'], unadjusted_baseline_wh: [999, 500] });
  });

  it('may reach the day before', () => {
    const over = { '2026-05-07T03': 80, '2026-05-05T03': 90, '2026-05-06T18': 777 };
    const match_window = { from_min: -1440, to_min: 0, guard_min: 0 };
    const found = answer({ select: 'nearest', x: 1, y: 10, min_days: 1, rank_on: 'match_window', match_window }, over);
    expect(found).toMatchObject({ selected_days: ['2026-05-06'], unadjusted_baseline_wh: [777, 500] });
  });

  it('is the day’s energy where that is said', () => {
    const found = answer({ select: 'high', x: 1, min_days: 1, rank_on: 'day' }, { '2026-05-05T03': 900, '2026-05-07T18': 600 });
    expect(found.selected_days).toEqual(['2026-05-05']);
  });

  it('is the day’s highest temperature; a day without one does not count, and the event day must have it', () => {
    const heat = new Map<number, number>();
    const warm: Record<string, number> = { '2026-05-08': 40, '2026-05-06': 39.5, '2026-04-20': 40.25, '2026-05-04': 45 };
    for (let back = 79; back >= 0; back--) {
      const day = zone.plus('2026-05-08', -back);
      if (day !== '2026-05-05')
        for (let hour = 0; hour < 24; hour++)
          heat.set(zone.startOf(day) + hour * 3_600_000, hour === 15 ? (warm[day] ?? 30) : 25);
    }
    const params = { select: 'nearest', x: 2, y: 40, min_days: 2, rank_on: 'temperature' };
    const found = answer(params, {}, {}, { unit: 'C', degreesAt: heat });
    expect(found.selected_days).toEqual(['2026-04-20', '2026-05-06']);
    expect(found.thousandths_of_a_degree).toMatchObject({ '2026-04-20': 40_250, '2026-05-06': 39_500, '2026-05-08': 40_000 });
    expect(found.candidate_days).not.toContain('2026-05-05');
    expect(answer(params, {}, {}, null)).toMatchObject({ status: 'event_day_missing', baseline_wh: null });
  });
});

it('a same-day baseline is the mean of the hours before and after, and looks at no other day', () => {
  const over = { '2026-05-08T15': 100, '2026-05-08T16': 200, '2026-05-08T21': 600, '2026-05-08T18': 50 };
  const window = { from_min: -180, to_min: -60, post_from_min: 60, post_to_min: 120 };
  const found = answer({ source: 'same_day', window }, over);
  expect(found).toMatchObject({ status: 'ok', baseline_wh: [300, 300], delivered_wh: [250, -200], candidate_days: [] });
  expect(answer({ source: 'same_day', window }, { '2026-05-08T16': null }).status).toBe('event_day_missing');
  expect(answer({ source: 'same_day', window, gaps: { event_slots: 1 } }, { '2026-05-08T16': null }).status).toBe('ok');
});

it('an adjustment looks at hours before notice and after the event alike', () => {
  const adjustment = {
    kind: 'additive',
    from_min: -120,
    to_min: 0,
    anchor: 'notice',
    post_from_min: 60,
    post_to_min: 120,
    cap_fraction: null,
    direction: 'both',
  };
  // 12:00 and 13:00 before the notice at 14:00, 21:00 after the event: 30 Wh more an hour on average.
  const found = answer(
    { adjustment },
    { '2026-05-08T12': 530, '2026-05-08T13': 520, '2026-05-08T21': 540, '2026-05-08T15': 9000 },
  );
  expect(found).toMatchObject({ adjustment: { raw: 30, applied: 30, capped: false }, baseline_wh: [530, 530] });
  expect(answer({ adjustment: { ...adjustment, cap_wh: '12.5' } }, { '2026-05-08T12': 5000 }).adjustment).toMatchObject({
    applied: 12.5,
    capped: true,
  });
});

it('a ratio over nothing becomes a shift where the case says so', () => {
  const nights = Object.fromEntries(['07', '06', '05'].flatMap((day) => [16, 17].map((hour) => [`2026-05-${day}T${hour}`, 0])));
  const adjustment = { kind: 'multiplicative', from_min: -120, to_min: 0, ratio_min: '0.8', ratio_max: '1.2', direction: 'both' };
  expect(answer({ adjustment }, nights).flags).toEqual(['adjustment_skipped_nonpositive']);
  const found = answer({ adjustment: { ...adjustment, on_nonpositive: 'additive', cap_fraction: '0.2' } }, nights);
  expect(found).toMatchObject({
    flags: ['shifted_instead_of_ratio'],
    baseline_wh: [600, 600],
    adjustment: { applied: 100, capped: true },
  });
  expect(answer({ adjustment: { ...adjustment, near_zero_wh: 499 } }).flags).toEqual([]);
  expect(answer({ adjustment: { ...adjustment, near_zero_wh: 500 } }).flags).toEqual(['adjustment_skipped_nonpositive']);
});

describe('which days count', () => {
  const busy = {
    event_days: ['2026-05-07', '2026-05-05'],
    opt_out_days: ['2026-05-06'],
    outage_days: ['2026-05-04'],
    holidays: ['2026-05-01'],
  };
  const candidates = (params: object, over = {}) => answer({ y: 5, x: 5, ...params }, over, busy).candidate_days;
  it('event, opt-out and outage days do not, unless the case says so', () => {
    expect(candidates({ exclude: {} })).toEqual(['2026-04-30', '2026-04-29', '2026-04-28', '2026-04-27', '2026-04-24']);
    expect(candidates({ exclude: { event_days: false, opt_out: false, outage: false } })).toEqual([
      '2026-05-07',
      '2026-05-06',
      '2026-05-05',
      '2026-05-04',
      '2026-04-30',
    ]);
  });

  it('holidays do not, although they are of the class', () => {
    const any = {
      day_type: 'any',
      x: 2,
      y: 2,
      min_days: 2,
      exclude: { holidays: true, event_days: false, opt_out: false, outage: false },
      min_gap_days: 6,
    };
    expect(answer(any, {}, busy).candidate_days).toEqual(['2026-05-02', '2026-04-30']);
    expect(answer(any, {}, busy).not_counted).toEqual({ '2026-05-01': ['holiday'] });
  });

  it('days that lack more than their share, or have more estimates than allowed, do not', () => {
    const hole = Object.fromEntries(Array.from({ length: 5 }, (_, hour) => [`2026-05-07T0${hour}`, null]));
    expect(answer({ exclude: { missing_share: '5/24' } }, hole).candidate_days).toContain('2026-05-07');
    expect(answer({ exclude: { missing_share: '0.2' } }, hole).not_counted).toEqual({ '2026-05-07': ['missing'] });
  });

  it('the highest event days come in when there are too few others', () => {
    const params = { lookback_days: 5, refill: 'highest_event_days' };
    const found = answer(params, { '2026-05-05T18': 900 }, { event_days: ['2026-05-07', '2026-05-06', '2026-05-05'] });
    expect(found).toMatchObject({
      status: 'ok',
      refilled_days: ['2026-05-05', '2026-05-07'],
      flags: ['refilled_with_event_days'],
    });
    expect(found.candidate_days).toEqual(['2026-05-07', '2026-05-05', '2026-05-04']);
    const dark = {
      event_days: ['2026-05-07', '2026-05-06', '2026-05-05'],
      outage_days: ['2026-05-07', '2026-05-06', '2026-05-05'],
    };
    expect(answer(params, {}, dark).status).toBe('insufficient_days');
  });

  it('a day may lack an interval of the window, and each interval is the mean of the days that have it', () => {
    const found = answer({ gaps: { event_slots: 1 } }, { '2026-05-07T18': null, '2026-05-06T18': 800, '2026-05-05T18': 700 });
    expect(found).toMatchObject({ flags: ['gaps_tolerated'], unadjusted_baseline_wh: [750, 500], baseline_wh: [750, 500] });
  });
});

it('a portfolio is one load where the level says so; who lacks the event day is left out and named', () => {
  const request = readCases({
    cases: [{ ...CASE, meter_id: undefined, meter_ids: ['a', 'b', 'c'], params: { ...PARAMS, level: 'aggregate' } }],
  })[0]!;
  const rows = (over: Record<string, number | null>) => {
    const read = readCases({ cases: [{ ...CASE, params: PARAMS, readings: { rows: readings(over) } }] })[0]!;
    return read.inline!;
  };
  const found = answerAny(kernel, request, [rows({}), rows({ '2026-05-08T18': null }), rows({ '2026-05-07T18': 800 })], null);
  expect(found).toMatchObject({ status: 'ok', left_out: ['b'], baseline_wh: [1100, 1000], actual_wh: [1000, 1000] });
});

it('the baseline stays within the connected load', () => {
  const found = answer({ connected_load_cap: true }, { '2026-05-07T18': 5000 }, { connected_load_w: 1200 });
  expect(found).toMatchObject({ flags: ['limited_to_connected_load'], baseline_wh: [1200, 500] });
});

describe('what is wrong is named by its field', () => {
  test.each<[string, object]>([
    ['params.source', { source: 'tomorrow' }],
    ['params.window', { source: 'same_day' }],
    ['params.window', { source: 'same_day', window: {} }],
    ['params.rank_on', { select: 'nearest' }],
    ['params.rank_on', { rank_on: 'mood' }],
    ['params.match_window.to_min', { rank_on: 'match_window', match_window: { from_min: 0, to_min: 0, guard_min: 0 } }],
    ['params.weights.kind', { weights: {} }],
    ['params.weights.values', { weights: { kind: 'list', values: [1, 0, 1] } }],
    ['params.weights.values', { weights: { kind: 'list', values: [1, 1] } }],
    ['params.weights.lambda', { weights: { kind: 'ewma', lambda: '1.5', init: 5 } }],
    ['params.weights.lambda', { x: 200, y: 200, weights: { kind: 'ewma', lambda: '0.1', init: 5 } }],
    ['params.gaps.event_slots', { gaps: { event_slots: 1 }, weights: { kind: 'list', values: [1, 1, 1] } }],
    ['params.exclude.missing_share', { exclude: { missing_share: -1 } }],
    ['params.level', { level: 'street' }],
    [
      'params.adjustment.cap_wh',
      {
        adjustment: {
          kind: 'multiplicative',
          from_min: -60,
          to_min: 0,
          direction: 'both',
          ratio_min: null,
          ratio_max: null,
          cap_wh: 5,
        },
      },
    ],
  ])('%s', (field, params) => {
    expect(() => answer(params)).toThrow(expect.objectContaining({ field }));
  });
  test('preset', () => {
    expect(() => readCases({ cases: [{ ...CASE, preset: 'tea-leaves' }] })).toThrow(/--methods/);
    expect(() => readCases({ cases: [{ ...CASE, preset: 'in-ev' }] })).toThrow(/no day matching/);
  });
});

describe('every preset', () => {
  const matching = methodPresets.filter(({ params }) => params);
  test.each(matching.map((preset) => [preset.name, preset] as const))(
    '%s has a baseline on working days and others',
    (name, preset) => {
      const estimate = estimator({ kernel });
      const series = [
        {
          ...loadSeries('m', readCases({ cases: [{ ...CASE, params: PARAMS, readings: { rows: readings() } }] })[0]!.inline!, 60),
        },
      ].map((one) => ({ ...one, temperature: new Float64Array(one.importWh.length).fill(30) }));
      const calendar = { zone, holidays: new Set<string>(), excluded: new Map<string, string>() };
      for (const day of ['2026-05-07', '2026-05-03']) {
        const start = zone.startOf(day) + 14 * 3_600_000;
        const event = { window: { start, end: start + 2 * 3_600_000 }, noticeAt: start - 3_600_000 };
        const [found] = estimate(presetMethod(preset, 60), series, calendar, event);
        // 80 days hold no ten pairs of a year's Sundays, nor ten Sundays in 45 days.
        if (found!.quality.status !== 'insufficient_days') expect(found!.quality).toMatchObject({ status: 'ok' });
        if (day === '2026-05-07') expect(found!.quality.status).toBe('ok');
        if (found!.baseline?.kind === 'exact') expect(found!.baseline.numerators[0]).toBe(500n * found!.baseline.denominator);
      }
      expect(name).toMatch(/^[a-z0-9-]+$/);
    },
  );

  it('says how far each of its claims was checked', () => {
    for (const { name, verified } of methodPresets) {
      expect(verified.length, name).toBeGreaterThan(0);
      for (const [mark, what] of verified)
        expect([mark, what]).toEqual([expect.stringMatching(/^[VRSK]$/), expect.stringMatching(/\S/)]);
    }
    expect(new Set(methodPresets.map(({ name }) => name)).size).toBe(methodPresets.length);
  });
});
