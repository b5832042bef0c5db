import { beforeAll, describe, expect, it } from 'vitest';
import { DAY, HOUR, MINUTE } from '../domain/interval.ts';
import { coreBytes } from '../host/core-file.ts';
import { zoneDays } from '../host/zone.ts';
import { type ChargingSession, unsteeredPower } from './charging.ts';
import { type AreaCalendar, baselineFloats, type Estimate, type Estimator, estimator } from './estimate.ts';
import { loadKernel, MISSING } from './kernel.ts';
import type { LoadSeries } from './load-series.ts';
import { type SessionBaseline, UNMANAGED } from './session-plan.ts';

let estimate: Estimator;
beforeAll(async () => {
  estimate = estimator({ kernel: await loadKernel(coreBytes()) });
});

const zone = zoneDays('Asia/Kolkata');
const calendar: AreaCalendar = { zone, holidays: new Set(), excluded: new Map() };
const midnight = zone.startOf('2026-05-08');
const at = (hour: number, days = 0) => midnight + days * DAY + hour * HOUR;
const event = { window: { start: at(18), end: at(20) }, noticeAt: at(16) };

/** Half-hours of 8 and 9 May; `wh` from an hour on. */
function point(wh: Record<number, readonly number[]>, over: Partial<LoadSeries> = {}): LoadSeries {
  const importWh = new Int32Array(96);
  for (const [hour, values] of Object.entries(wh)) importWh.set(values, Number(hour) * 2);
  return {
    ...{ meterId: 'cp', start: midnight, minutes: 30, importWh, exportWh: null, quality: null, temperature: null },
    ...{ marks: new Map(), connectedLoadW: null, ...over },
  };
}
const car = (over: Partial<ChargingSession> = {}): ChargingSession => ({
  ...{
    sessionId: 's1',
    pluggedInAt: at(15.5),
    pluggedOutAt: at(23),
    energyWh: 10_800,
    powerW: 7200,
    plannedWh: null,
    driverId: 'd1',
    ...over,
  },
});
const run = (series: LoadSeries, spec: SessionBaseline = UNMANAGED, over: Partial<typeof event> = {}): Estimate =>
  estimate(spec, [series], calendar, { ...event, ...over })[0]!;
const lines = ({ evidence }: Estimate) => (evidence?.kind === 'ev_session' ? evidence.sessions : []);

describe('unsteered', () => {
  const held = { 17.5: [3600], 20: [3600, 3600] };
  it.each<[string, Partial<ChargingSession>, Record<number, readonly number[]>, number[], string[]]>([
    [
      'a car moved to later that would have been full before the event',
      { pluggedInAt: at(15.9) },
      { 15.5: [720], 16: [3600], 20: [3600, 2880] },
      [0, 0, 0, 0],
      [],
    ],
    [
      'plugged in half an hour before the event',
      { pluggedInAt: at(17.5) },
      held,
      [3600, 3600, 0, 0],
      ['plugged_in_after_notice_without_history'],
    ],
    [
      'plugged in within a block: only its time there counts',
      { pluggedInAt: at(18.25) },
      { 20: [3600, 3600] },
      [1800, 3600, 1800, 0],
      ['plugged_in_after_notice_without_history'],
    ],
    ['done before the event: nothing to hold back', {}, { 15.5: [3600, 3600, 3600] }, [0, 0, 0, 0], []],
    [
      'a car left alone delivers nothing',
      { pluggedInAt: at(17.5) },
      { 17.5: [3600, 3600, 3600] },
      [3600, 3600, 0, 0],
      ['plugged_in_after_notice_without_history'],
    ],
    [
      'a car that drew more than it was said to',
      { pluggedInAt: at(15.5), powerW: 3600 },
      { 19: [3600, 3600, 3600] },
      [1800, 0, 0, 0],
      [],
    ],
  ])('%s', (_, over, wh, baseline, flags) => {
    const found = run(point(wh, { sessions: [car(over)] }));
    expect(baselineFloats(found.baseline!)).toEqual(baseline);
    expect(found.quality).toMatchObject({ status: 'ok', references: 1, missing: 0, flags });
    const [line] = lines(found);
    expect(line!.baselineWh).toEqual({ num: BigInt(line!.meteredWh), den: 1n }); // energy is conserved
    expect(line!.energyBasis).toBe('metered');
  });

  it('a point without sessions, and time between them, draws what it draws', () => {
    const standby = point({ 17: [5, 5, 5, 5, 5, 5, 5] }, { sessions: [] });
    expect(run(standby)).toMatchObject({ quality: { status: 'ok', flags: ['no_session'] }, actualWh: [5, 5, 5, 5] });
    expect(baselineFloats(run(standby).baseline!)).toEqual([5, 5, 5, 5]);
    const early = point(
      { 17: [5, 5, 5, 5, 5, 5, 5] },
      { sessions: [car({ pluggedInAt: at(18), pluggedOutAt: at(19), energyWh: 10 })] },
    );
    expect(baselineFloats(run(early).baseline!)).toEqual([10, 0, 5, 5]);
  });
});

describe('the guard against plugging in for the event', () => {
  const usual = Array.from({ length: 8 }, (_, i) =>
    car({ sessionId: `h${i}`, pluggedInAt: at(21 + (i % 4) / 4, -8 + i), pluggedOutAt: at(30, -8 + i) }),
  );
  const tonight = car({ pluggedInAt: at(17), pluggedOutAt: at(30) });
  const drawn = { 17: [3600, 3600], 20: [3600] };
  it('one who plugs in at nine every night and at five tonight would have charged at nine', () => {
    const found = run(point(drawn, { sessions: [...usual, tonight] }));
    expect(baselineFloats(found.baseline!)).toEqual([0, 0, 0, 0]);
    expect(found.quality.flags).toEqual(['plugged_in_early_after_notice']);
    expect(lines(found)[0]).toMatchObject({ from: at(21), baselineWh: { num: 10_800n, den: 1n } });
  });
  it('before notice, and for an event that wants more load, plugging in is what it is', () => {
    const before = { ...event, noticeAt: at(17.5) };
    expect(lines(run(point(drawn, { sessions: [...usual, tonight] }), UNMANAGED, before))[0]!.from).toBe(at(17));
    expect(lines(run(point(drawn, { sessions: [...usual, tonight] }), { ...UNMANAGED, direction: 'increase' }))[0]!.from).toBe(
      at(17),
    );
  });
  it('another driver’s habits are not his while he has enough of his own', () => {
    const others = usual.map((one) => ({ ...one, driverId: 'd2' }));
    const his = usual.map((one, i) => ({ ...one, sessionId: `o${i}`, pluggedInAt: at(16.5, -8 + i) }));
    expect(lines(run(point(drawn, { sessions: [...others, ...his, tonight] })))[0]!.from).toBe(at(17));
  });
});

describe('a session the event cut short', () => {
  const cut = { 17.5: [3600, 3600] };
  const gone = { pluggedInAt: at(15.5), pluggedOutAt: at(19), energyWh: 7200 };
  const before = Array.from({ length: 5 }, (_, i) =>
    car({ sessionId: `h${i}`, energyWh: 14_000 + i, pluggedInAt: at(15, -6 + i), pluggedOutAt: at(20, -6 + i) }),
  );
  it.each<[string, ChargingSession[], string, number]>([
    ['takes what the driver planned', [car({ ...gone, plannedWh: 20_000 })], 'planned', 20_000],
    ['or the median of his own sessions', [...before, car(gone)], 'median', 14_002],
    ['or what it got, as a lower bound', [car(gone)], 'lower_bound', 7200],
    ['a plan below what it got says nothing', [car({ ...gone, plannedWh: 100 })], 'lower_bound', 7200],
  ])('%s', (_, sessions, basis, energyWh) => {
    const found = run(point(cut, { sessions }));
    expect(found.quality.flags).toEqual(['interrupted']);
    expect(lines(found)[0]).toMatchObject({ energyBasis: basis, energyWh });
  });
  it('what no time was left for is unmet, not charged after he drove off', () => {
    const found = run(point(cut, { sessions: [car({ ...gone, plannedWh: 40_000 })] }));
    expect(lines(found)[0]).toMatchObject({ baselineWh: { num: 25_200n, den: 1n }, unmetWh: { num: 14_800n, den: 1n } });
    expect(baselineFloats(found.baseline!)).toEqual([3600, 3600, 0, 0]);
  });
  it('a plan is not believed when the car was full before it left', () => {
    const full = run(point({ 15.5: [3600] }, { sessions: [car({ plannedWh: 60_000 })] }));
    expect(lines(full)[0]).toMatchObject({ energyBasis: 'metered', energyWh: 3600 });
    expect(baselineFloats(full.baseline!)).toEqual([0, 0, 0, 0]);
  });
});

describe('the standing schedule', () => {
  const night: SessionBaseline = {
    ...UNMANAGED,
    variant: 'standing_schedule',
    schedule: [
      { fromMinute: 0, toMinute: 360, powerW: 7200 },
      { fromMinute: 1380, toMinute: 1440, powerW: 7200 },
    ],
  };
  const stay = car({ pluggedInAt: at(15.5), pluggedOutAt: at(30) });
  it('a car that charges at night anyway is not paid for not charging in the evening', () => {
    const series = point({ 23: [3600, 3600], 24: [3600] }, { sessions: [stay] });
    expect(baselineFloats(run(series, night).baseline!)).toEqual([0, 0, 0, 0]);
    expect(baselineFloats(run(series).baseline!)).toEqual([0, 0, 0, 0]); // done by 17:00 unsteered
  });
  it('what it charges at midday in an event that wants load is more than it would have', () => {
    const noon = { window: { start: at(12), end: at(14) }, noticeAt: at(9) };
    const series = point({ 12: [3600, 3600], 23: [3600] }, { sessions: [{ ...stay, pluggedInAt: at(8) }] });
    const found = run(series, { ...night, direction: 'increase' }, noon);
    expect(baselineFloats(found.baseline!)).toEqual([0, 0, 0, 0]);
    expect(lines(found)[0]!.baselineWh).toEqual({ num: 10_800n, den: 1n });
  });
  it('must be written down, rising and on the grid', () => {
    const status = (schedule: SessionBaseline['schedule']) =>
      run(point({}, { sessions: [stay] }), { ...night, schedule }).quality.status;
    expect(status([])).toBe('schedule_missing');
    expect(status([{ fromMinute: 60, toMinute: 30, powerW: 1 }])).toBe('schedule_malformed');
    expect(
      status([
        { fromMinute: 0, toMinute: 60, powerW: 1 },
        { fromMinute: 30, toMinute: 90, powerW: 1 },
      ]),
    ).toBe('schedule_malformed');
    expect(status([{ fromMinute: 1100, toMinute: 1130, powerW: 7200 }])).toBe('schedule_off_grid');
  });
});

describe('a site with a limit', () => {
  const two = [
    car({ sessionId: 'a', pluggedInAt: at(15), energyWh: 7200 }),
    car({ sessionId: 'b', pluggedInAt: at(15), energyWh: 7200 }),
  ];
  it('charges no faster than its limit, the earlier car first, and never below what was metered', () => {
    const series = point({ 20: [3600, 3600, 3600, 3600] }, { connectedLoadW: 7200, sessions: two });
    const found = run(series);
    expect(found.quality.flags).toEqual([]);
    const total = lines(found).map(({ baselineWh }) => baselineWh.num);
    expect(total).toEqual([7200n, 7200n]);
    const free = run({ ...series, connectedLoadW: null });
    expect([baselineFloats(found.baseline!), baselineFloats(free.baseline!)]).toEqual([
      [0, 0, 0, 0],
      [0, 0, 0, 0],
    ]);
    const late = two.map((one) => ({ ...one, pluggedInAt: at(17.5) }));
    expect(baselineFloats(run({ ...series, sessions: late }).baseline!)).toEqual([3600, 3600, 3600, 0]);
    expect(baselineFloats(run({ ...series, connectedLoadW: null, sessions: late }).baseline!)).toEqual([7200, 0, 0, 0]);
  });
});

describe('what cannot be computed has a status and a reason', () => {
  it.each<[string, Partial<LoadSeries>, string]>([
    ['sessions nobody told', {}, 'no_sessions'],
    ['a session that ends before it begins', { sessions: [car({ pluggedOutAt: at(1) })] }, 'session_malformed'],
    ['a power that cannot be', { sessions: [car({ powerW: 3.5 })] }, 'session_malformed'],
    ['an energy that cannot be', { sessions: [car({ energyWh: -1 })] }, 'session_malformed'],
    ['an instant that is none', { sessions: [car({ pluggedInAt: Number.NaN })] }, 'session_malformed'],
    ['readings below zero', { sessions: [car()], importWh: new Int32Array(96).fill(-5) }, 'outside_bounds'],
    ['readings above 240 MWh', { sessions: [car()], importWh: new Int32Array(96).fill(2 ** 30) }, 'outside_bounds'],
    ['a stay of a hundred years', { sessions: [car({ pluggedInAt: at(0, -36_500) })] }, 'outside_bounds'],
  ])('%s', (_, over, status) => {
    const { quality, baseline } = run(point({}, over));
    expect([quality.status, baseline]).toEqual([status, null]);
    expect(quality.reason).not.toBe('');
  });
  it('a gap in the readings is filled by the register at unplug, flagged; a gap in the window is no reading', () => {
    const gap = point({ 16: [3600], 20: [3600] }, { sessions: [car({ pluggedInAt: at(17.5) })] });
    gap.importWh[37] = MISSING; // 18:30
    const found = run(gap);
    expect(found.quality).toMatchObject({ missing: 1, flags: ['plugged_in_after_notice_without_history', 'session_with_gap'] });
    expect(found.actualWh).toEqual([0, null, 0, 0]);
    expect(lines(found)[0]).toMatchObject({ energyBasis: 'register', energyWh: 10_800, baselineWh: { num: 10_800n, den: 1n } });
    expect(baselineFloats(found.baseline!)).toEqual([3600, 3600, 0, 0]);
  });
});

it.each([
  [[], [7400, 11_000, null], 7400],
  [[1200, 6900], [7400], 6900],
  [[0, 0], [null, 3600], 3600],
  [[], [null, 0], null],
])('a car whose first free minutes were %j W and whose limits are %j W charges at %s W', (free, limits, power) => {
  expect(unsteeredPower(free, limits)).toBe(power);
});

it('minutes of the grid do not matter', () => {
  const quarter = { ...point({}), minutes: 15, importWh: new Int32Array(192) };
  quarter.importWh.fill(1800, 17.5 * 4, 17.5 * 4 + 2).fill(1800, 80, 84);
  const found = run({ ...quarter, sessions: [car({ pluggedInAt: at(17.5) + 5 * MINUTE })] });
  expect(lines(found)[0]!.baselineWh).toEqual({ num: 10_800n, den: 1n });
  expect(baselineFloats(found.baseline!)).toEqual([1800, 1800, 1800, 1800, 600, 0, 0, 0]);
});
