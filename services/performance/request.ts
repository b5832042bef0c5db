import { type Instant, type Interval, MINUTE } from '../domain/interval.ts';
import { methodPreset } from '../domain/method-presets.ts';
import { Refusal } from '../domain/outcome.ts';
import type { CivilDay, ZoneDays } from '../domain/zone.ts';
import { adjustmentSlots, eventSlots, fixedOffset, isCivilDay, parseInstant } from './days.ts';
import type { EventWindow } from './estimate.ts';
import { MISSING } from './kernel.ts';
import type { DayMark } from './load-series.ts';
import { isReading, noRows, type Series, seriesOf } from './series.ts';
import { type BaselineParams, fault, readInteger, readObject, readParams, shown } from './spec.ts';
import { isWorkingDay } from './windows.ts';

/** One case of the golden format, checked. A portfolio names several meters and answers one total. */
export type BaselineCase = {
  readonly id: string;
  readonly portfolio: boolean;
  readonly meterIds: readonly string[];
  /** Readings the case brings along; they serve all its meters. */
  readonly inline: Series | null;
  readonly params: BaselineParams;
  readonly zone: ZoneDays;
  readonly eventDay: CivilDay;
  /** Slot starts as ms from local midnight. */
  readonly eventOffsets: readonly number[];
  readonly windowOffsets: readonly number[];
  readonly holidays: ReadonlySet<CivilDay>;
  readonly excludedDays: ReadonlySet<CivilDay>;
  readonly event: EventWindow;
  /** Event, opt-out and outage days of the case, for a method that tells them from excluded days. */
  readonly marks: ReadonlyMap<CivilDay, readonly DayMark[]>;
  readonly connectedLoadW: number | null;
};

export const WINDOW_FAULT = {
  window_must_be_positive: 'must lie after event.start',
  window_off_grid: 'and event.start must lie on the grid of params.interval_minutes from local midnight',
  window_crosses_midnight: 'must not lie after the local midnight that ends the day of event.start',
} as const;

/** `{ "cases": […] }`, a golden file as it is, or one portfolio. Throws `Refusal` naming case and field. */
export function readRequest(value: unknown): BaselineCase[] {
  const request = readObject(value, 'the request');
  if ('cases' in request) {
    if (!Array.isArray(request.cases)) throw fault('cases', `must be a list, not ${shown(request.cases)}`);
    return request.cases.map((entry, index) => readCase(entry, `cases[${index}]`));
  }
  if ('meter_ids' in request) return [readCase({ id: 'portfolio', ...request, readings: undefined }, 'the request')];
  throw fault('cases', 'is absent: the request must be {"cases": [ … ]}');
}

export function readCase(value: unknown, place: string): BaselineCase {
  let name = place;
  try {
    const fields = readObject(value, place);
    if (typeof fields.id !== 'string' || fields.id === '') throw fault('id', `must be a text, not ${shown(fields.id)}`);
    name = `case ${fields.id}`;
    const portfolio = 'meter_ids' in fields;
    const params = readParams(presetParams(fields), fields.direction);
    const zone = typeof fields.tz === 'string' ? fixedOffset(fields.tz) : null;
    if (!zone) throw fault('tz', `must be a fixed offset such as "+05:30", not ${shown(fields.tz)}`);
    const window = readWindow(fields.event);
    const slots = eventSlots(window, params.intervalMinutes, zone);
    if (slots.fault !== null) throw fault('event.end', WINDOW_FAULT[slots.fault]);
    if (slots.offsets.length > 128) throw fault('event', `spans ${slots.offsets.length} intervals; at most 128 fit the core`);
    const windowOffsets = adjustmentSlots(slots.offsets[0]!, params.fromMin, params.toMin, params.intervalMinutes);
    if (windowOffsets.length > 128)
      throw fault('params.adjustment', `spans ${windowOffsets.length} intervals; at most 128 fit the core`);
    if (params.family === null && params.spec.adjustment.kind !== 'none' && windowOffsets.length === 0) {
      throw fault('params.adjustment', 'holds no interval between from_min and to_min');
    }
    return {
      id: fields.id,
      portfolio,
      meterIds: portfolio ? readMeterIds(fields.meter_ids) : [readMeterId(fields.meter_id, 'meter_id')],
      inline: fields.readings === undefined ? null : readInline(fields.readings, params.intervalMinutes),
      params,
      zone,
      eventDay: slots.day,
      eventOffsets: slots.offsets,
      windowOffsets,
      holidays: readDays(fields.holidays, 'holidays'),
      excludedDays: readDays(fields.excluded_days, 'excluded_days'),
      event: { window, noticeAt: readNotice(fields.event, params, window) },
      marks: readMarks(fields),
      connectedLoadW: fields.connected_load_w === undefined ? null : readInteger(fields, 'connected_load_w', '', 0, 2 ** 30),
    };
  } catch (error) {
    if (error instanceof Refusal) throw new Refusal(error.kind, error.code, `${name}: ${error.message}`, error.field);
    throw error;
  }
}

/** The params, laid over those of the preset that `preset` names, as they hold on the event's day. */
function presetParams(fields: Readonly<Record<string, unknown>>): unknown {
  if (fields.preset === undefined) return fields.params;
  const preset = typeof fields.preset === 'string' ? methodPreset(fields.preset) : undefined;
  if (!preset) throw fault('preset', `must be a name from lachak baseline --methods, not ${shown(fields.preset)}`);
  if (!preset.params) throw fault('preset', `${preset.name} is no day matching: ${preset.says}`);
  const zone = typeof fields.tz === 'string' ? fixedOffset(fields.tz) : null;
  if (!zone) throw fault('tz', `must be a fixed offset such as "+05:30", not ${shown(fields.tz)}`);
  const working = isWorkingDay(zone.dayOf(readWindow(fields.event).start), readDays(fields.holidays, 'holidays'), zone);
  const own = fields.params === undefined ? {} : readObject(fields.params, 'params');
  return { quantity: 'import', ...preset.params, ...(working ? {} : preset.otherDay), ...own };
}

export function readWindow(value: unknown): Interval {
  const event = readObject(value, 'event');
  return { start: readInstant(event.start, 'event.start'), end: readInstant(event.end, 'event.end') };
}

/** `event.notice`, needed where the adjustment window ends before it. */
function readNotice(value: unknown, { anchor }: BaselineParams, window: Interval): Instant {
  const { notice } = readObject(value, 'event');
  if (notice === undefined && anchor === 'start') return window.start;
  const at = readInstant(notice, 'event.notice');
  if (at > window.start) throw fault('event.notice', 'must not lie after event.start');
  return at;
}

/** A day may be in several lists. */
function readMarks(fields: Readonly<Record<string, unknown>>): Map<CivilDay, DayMark[]> {
  const found = new Map<CivilDay, DayMark[]>();
  const lists = { event: 'event_days', opt_out: 'opt_out_days', outage: 'outage_days' } as const;
  for (const [mark, name] of Object.entries(lists) as [DayMark, string][]) {
    if (fields[name] === undefined) continue;
    for (const day of readDays(fields[name], name)) found.set(day, [...(found.get(day) ?? []), mark]);
  }
  return found;
}

export function readInstant(value: unknown, at: string): Instant {
  const instant = typeof value === 'string' ? parseInstant(value) : null;
  if (instant === null) throw fault(at, `must be an ISO-8601 instant with its offset, not ${shown(value)}`);
  return instant;
}

function readMeterIds(value: unknown): string[] {
  if (!Array.isArray(value) || value.length === 0) throw fault('meter_ids', `must be a list of meters, not ${shown(value)}`);
  return value.map((id, index) => readMeterId(id, `meter_ids[${index}]`));
}

export function readMeterId(value: unknown, at: string): string {
  if (typeof value !== 'string' || value === '') throw fault(at, `must be a text, not ${shown(value)}`);
  return value;
}

export function readDays(value: unknown, at: string): Set<CivilDay> {
  if (!Array.isArray(value)) throw fault(at, `must be a list of days, not ${shown(value)}`);
  value.forEach((day, index) => {
    if (typeof day !== 'string' || !isCivilDay(day))
      throw fault(`${at}[${index}]`, `must be a day such as "2026-05-01", not ${shown(day)}`);
  });
  return new Set(value as string[]);
}

/** `{start, interval_minutes, import_wh[], export_wh[]}` or `{rows: [[start, import, export], …]}`; null = missing. */
export function readInline(value: unknown, intervalMinutes: number): Series {
  const readings = readObject(value, 'readings');
  const rows = noRows();
  if ('rows' in readings) {
    if (!Array.isArray(readings.rows)) throw fault('readings.rows', `must be a list, not ${shown(readings.rows)}`);
    readings.rows.forEach((row: unknown, index) => {
      const at = `readings.rows[${index}]`;
      if (!Array.isArray(row)) throw fault(at, `must be [start, import_wh, export_wh], not ${shown(row)}`);
      rows.starts.push(readInstant(row[0], `${at}[0]`));
      rows.importWh.push(readWh(row[1], `${at}[1]`));
      rows.exportWh.push(readWh(row[2], `${at}[2]`));
    });
    return seriesOf(rows);
  }
  const start = readInstant(readings.start, 'readings.start');
  if (readings.interval_minutes !== intervalMinutes) {
    throw fault(
      'readings.interval_minutes',
      `must be params.interval_minutes, ${intervalMinutes}, not ${shown(readings.interval_minutes)}`,
    );
  }
  const imports = readColumn(readings.import_wh, 'readings.import_wh');
  const exports = readColumn(readings.export_wh, 'readings.export_wh');
  for (let i = 0; i < Math.max(imports.length, exports.length); i++) {
    rows.starts.push(start + i * intervalMinutes * MINUTE);
    rows.importWh.push(imports[i] ?? MISSING);
    rows.exportWh.push(exports[i] ?? MISSING);
  }
  return seriesOf(rows);
}

/** A register the meter does not have may be left out: all its values are missing. */
function readColumn(value: unknown, at: string): number[] {
  if (value === undefined || value === null) return [];
  if (!Array.isArray(value)) throw fault(at, `must be a list, not ${shown(value)}`);
  return value.map((wh, index) => readWh(wh, `${at}[${index}]`));
}

function readWh(value: unknown, at: string): number {
  if (value === null || value === undefined) return MISSING;
  if (typeof value !== 'number' || !isReading(value))
    throw fault(at, `must be null or whole Wh within ±2^30, not ${shown(value)}`);
  return value;
}
