import { beforeAll, describe, expect, it } from 'vitest';
import { coreBytes } from '../host/core-file.ts';
import { answerAny, readCases } from './cases.ts';
import { type Kernel, loadKernel, MISSING } from './kernel.ts';
import { noRows, type Series, seriesOf } from './series.ts';

let kernel: Kernel;
beforeAll(async () => {
  kernel = await loadKernel(coreBytes());
});

const common = {
  ...{ id: 'one', meter_id: 'm', tz: '+05:30' },
  event: { start: '2026-05-08T18:00:00+05:30', end: '2026-05-08T20:00:00+05:30', notice: '2026-05-08T16:00:00+05:30' },
};
const half = (hour: number, wh: number | null) => [
  `2026-05-08T${String(Math.floor(hour)).padStart(2, '0')}:${hour % 1 ? '30' : '00'}:00+05:30`,
  wh,
  null,
];
const readings = (wh: Record<number, number | null>) => ({
  rows: Array.from({ length: 48 }, (_, i) => half(i / 2, i / 2 in wh ? wh[i / 2]! : 0)),
});
const answer = (fields: object, series?: Series[]) => {
  const [request] = readCases({ cases: [fields] });
  return answerAny(kernel, request!, series ?? [request!.inline!], null);
};

describe('a case of a method beside the golden format', () => {
  const charging = {
    ...{
      ...common,
      method: 'ev_session',
      params: { interval_minutes: 30 },
      readings: readings({ 15.5: 720, 20: 3600, 20.5: 3600, 21: null }),
    },
    sessions: [
      {
        session_id: 's',
        plug_in: '2026-05-08T17:30:00+05:30',
        plug_out: '2026-05-08T22:00:00+05:30',
        power_w: 7200,
        energy_wh: 7200,
      },
    ],
  };
  it('ev_session tells what each session would have drawn, and what was moved', () => {
    expect(answer(charging)).toEqual({
      ...{ id: 'one', status: 'ok', flags: ['plugged_in_after_notice_without_history', 'session_with_gap'] },
      ...{ actual_wh: [0, 0, 0, 0], missing_actual_intervals: 0, baseline_wh: [3600, 0, 0, 0], delivered_wh: [3600, 0, 0, 0] },
      ...{ delivered_total_wh: 3600, delivered_total_exact: '3600/1', delivered_total_wh_rounded: 3600 },
      sessions: [
        {
          ...{
            session_id: 's',
            plug_in: '2026-05-08T12:00:00.000Z',
            plug_out: '2026-05-08T16:30:00.000Z',
            from: '2026-05-08T12:00:00.000Z',
          },
          ...{ power_w: 7200, metered_wh: 7200, energy_wh: 7200, energy_basis: 'register' },
          ...{
            baseline_wh: 7200,
            window_wh: 3600,
            unmet_wh: 0,
            flags: ['plugged_in_after_notice_without_history', 'session_with_gap'],
          },
        },
      ],
    });
    expect(answer({ ...charging, direction: 'increase' })).toMatchObject({
      delivered_wh: [-3600, 0, 0, 0],
      delivered_total_exact: '-3600/1',
    });
    const night = {
      ...charging.params,
      variant: 'standing_schedule',
      schedule: [{ from_minute: 1200, to_minute: 1440, power_w: 7200 }],
    };
    expect(answer({ ...charging, params: night })).toMatchObject({ baseline_wh: [0, 0, 0, 0], delivered_total_wh: 0 });
  });

  it('nominated and firm_service_level answer from what was promised', () => {
    const promised = {
      ...{ ...common, method: 'nominated', nominated_at: '2026-05-08T10:00:00+05:30', nominated_wh: [500, 500, 500, 500] },
      ...{
        params: { interval_minutes: 30, quantity: 'import' },
        readings: readings({ 18: 400, 18.5: 450, 19: null, 19.5: 600 }),
      },
    };
    expect(answer(promised)).toEqual({
      ...{ id: 'one', status: 'ok', flags: [], actual_wh: [400, 450, null, 600], missing_actual_intervals: 1 },
      ...{ baseline_wh: [500, 500, 500, 500], delivered_wh: [100, 50, null, -100] },
      ...{ delivered_total_wh: 50, delivered_total_exact: '50/1', delivered_total_wh_rounded: 50 },
    });
    expect(answer({ ...promised, nominated_at: '2026-05-08T17:00:00+05:30' })).toMatchObject({
      ...{ status: 'nominated_after_notice', baseline_wh: null, delivered_total_wh: null },
    });
    const firm = { ...promised, method: 'firm_service_level', params: { ...promised.params, reference_w: 1001, firm_w: 850 } };
    expect(answer(firm)).toMatchObject({
      kept: [true, false, null, false],
      baseline_wh: [500.5, 500.5, 500.5, 500.5],
      delivered_total_exact: '103/2',
    });
  });

  it('control_group tells means and their interval, and of a control only that he was one', () => {
    const days = ['04', '05', '06', '07', '08'];
    const ids = Array.from({ length: 16 }, (_, i) => i);
    const home = (level: number, saved: number): Series => {
      const rows = noRows();
      for (const day of days)
        for (const hour of ['18', '19']) {
          rows.starts.push(Date.parse(`2026-05-${day}T${hour}:00:00+05:30`));
          rows.importWh.push(level + Number(day) - (day === '08' ? saved : 0));
          rows.exportWh.push(MISSING);
        }
      return seriesOf(rows);
    };
    const group = {
      ...{ ...common, meter_id: undefined, method: 'control_group', seed: '5' },
      treated: ids.map((i) => ({ meter_id: `t${i}` })),
      controls: ids.map((i) => ({ meter_id: `c${i}`, basis: 'holdout' })),
      params: {
        ...{ interval_minutes: 60, design: 'matched', quantity: 'import', day_type: 'weekday_vs_nonworking', lookback_days: 10 },
        ...{ days: 4, confidence: 90 },
      },
    };
    const loads = [...ids.map((i) => home(500 + i, 100)), ...ids.map((i) => home(500 + i, 0))];
    const found = answer(group, loads);
    expect(found).toMatchObject({
      ...{ status: 'ok', flags: ['few_controls'], design: 'matched', treated: 16, controls: 16, confidence: 90 },
      ...{ impact_wh: [100, 100], impact_total_wh: 200, impact_interval_wh: [200, 200] },
    });
    expect(JSON.stringify(found)).not.toContain('"meter_id":"c');
    expect((found.per_meter as object[])[3]).toMatchObject({
      meter_id: 't3',
      status: 'ok',
      baseline_wh: [511, 511],
      delivered_wh: [100, 100],
    });
    expect(found.controls_used).toMatchObject({ c0: 'control' });
    const few = { ...group, controls: group.controls.map((one, i) => (i < 2 ? { meter_id: one.meter_id } : one)) };
    expect(answer({ ...few, params: { ...group.params, design: 'holdout' } }, loads)).toMatchObject({
      ...{ status: 'group_too_small', controls_used: { c0: 'control_without_basis', c2: 'control' } },
    });
    expect(answer({ ...group, treated: [], controls: group.controls }, loads.slice(16))).toMatchObject({
      status: 'group_too_small',
    });
  });

  it.each<[object, string]>([
    [{ ...charging, params: undefined }, 'case one: params must be an object'],
    [{ ...charging, params: { interval_minutes: 7 } }, 'case one: params.interval_minutes must divide a day'],
    [{ ...charging, sessions: 3 }, 'case one: sessions must be a list'],
    [{ ...charging, sessions: [{ ...charging.sessions[0], power_w: -1 }] }, 'case one: sessions[0].power_w must be an integer'],
    [
      { ...charging, sessions: [{ ...charging.sessions[0], plug_in: 'noon' }] },
      'case one: sessions[0].plug_in must be an ISO-8601 instant',
    ],
    [{ ...charging, params: { interval_minutes: 30, variant: 'magic' } }, 'case one: params.variant must be one of'],
    [{ ...charging, event: { ...common.event, notice: 'soon' } }, 'case one: event.notice must be'],
    [
      {
        ...common,
        method: 'control_group',
        params: { interval_minutes: 60 },
        treated: [{ meter_id: 'a' }],
        controls: [{ meter_id: 'a' }],
      },
      'controls[0].meter_id names a a second time',
    ],
    [
      { ...common, method: 'nominated', params: { interval_minutes: 60, quantity: 'import' }, nominated_wh: [1.5] },
      'nominated_wh.0 must be an integer',
    ],
    [
      { ...common, method: 'firm_service_level', params: { interval_minutes: 60, quantity: 'import' } },
      'params.reference_w must be an integer',
    ],
  ])('%# is refused with its case and field', (fields, complaint) => {
    expect(() => readCases({ cases: [fields] })).toThrow(complaint);
  });
});
