import { DAY, type Interval } from '../domain/interval.ts';
import { Refusal } from '../domain/outcome.ts';
import type { CivilDay, ZoneDays } from '../domain/zone.ts';
import { eventSlots, fixedOffset } from './days.ts';
import type { DegreeHours } from './degree-hours.ts';
import type { Degrees, Temperatures } from './heat.ts';
import { readDays, readInline, readInstant, readMeterId, readWindow, WINDOW_FAULT } from './request.ts';
import type { Series } from './series.ts';
import { type Direction, fault, readDirection, readInteger, readObject, readOneOf, shown } from './spec.ts';
import { CALTRACK, type TimeOfWeekNumbers } from './time-of-week.ts';

type Common = {
  readonly id: string;
  readonly meterIds: readonly string[];
  readonly portfolio: false;
  readonly minutes: number;
  readonly zone: ZoneDays;
  /** What the case brings along; null = the files have it. */
  readonly inline: Series | null;
  readonly temperatures: Temperatures | null;
};

/** A case of the golden format whose method looks at the weather, checked. */
export type WeatherCase =
  | (Common & {
      readonly method: 'simple_cdh_hdh';
      readonly window: Interval;
      readonly holidays: ReadonlySet<CivilDay>;
      readonly excludedDays: ReadonlySet<CivilDay>;
      readonly direction: Direction;
      readonly spec: DegreeHours;
    })
  | (Common & {
      readonly method: 'caltrack_hourly_towt';
      readonly fit: Interval;
      readonly days: readonly CivilDay[];
      readonly numbers: TimeOfWeekNumbers;
    });

type Fields = Readonly<Record<string, unknown>>;

/** The method of a case: what it or its file says, or what only that method's cases have. Null = day matching. */
export function weatherMethod(fields: Fields, file: Fields): WeatherCase['method'] | null {
  const said = fields.method ?? file.method;
  if (said === 'simple_cdh_hdh' || said === 'caltrack_hourly_towt') return said;
  if ('fit_window_utc' in fields) return 'caltrack_hourly_towt';
  const params = fields.params;
  return typeof params === 'object' && params !== null && 'cooling_base' in params ? 'simple_cdh_hdh' : null;
}

/** Throws `Refusal` naming case and field. */
export function readWeatherCase(fields: Fields, method: WeatherCase['method'], place: string): WeatherCase {
  let name = place;
  try {
    if (typeof fields.id !== 'string' || fields.id === '') throw fault('id', `must be a text, not ${shown(fields.id)}`);
    name = `case ${fields.id}`;
    return method === 'simple_cdh_hdh' ? readDegreeCase(fields, fields.id) : readTimeOfWeekCase(fields, fields.id);
  } catch (error) {
    if (error instanceof Refusal) throw new Refusal(error.kind, error.code, `${name}: ${error.message}`, error.field);
    throw error;
  }
}

function readDegreeCase(fields: Fields, id: string): WeatherCase {
  const params = readObject(fields.params, 'params');
  const zone = typeof fields.tz === 'string' ? fixedOffset(fields.tz) : null;
  if (!zone) throw fault('tz', `must be a fixed offset such as "+05:30", not ${shown(fields.tz)}`);
  const minutes = readMinutes(params.interval_minutes);
  const window = readWindow(fields.event);
  const slots = eventSlots(window, minutes, zone);
  if (slots.fault !== null) throw fault('event.end', WINDOW_FAULT[slots.fault]);
  const unit = readOneOf(params, 'temp_unit', 'params', ['C', 'F'] as const);
  const spec: DegreeHours = {
    kind: 'degree_hours',
    quantity: readOneOf(params, 'quantity', 'params', ['import', 'export', 'net'] as const),
    dayType: readOneOf(params, 'day_type', 'params', [
      'weekday_vs_nonworking',
      'weekday_sat_sunhol',
      'same_weekday',
      'any',
    ] as const),
    minGapDays: 1,
    lookbackDays: readInteger(params, 'lookback_days', 'params', 1, 4000),
    minDays: params.min_days === undefined ? 1 : readInteger(params, 'min_days', 'params', 1, 4000),
    unit,
    cooling: readDegrees(params.cooling_base, 'params.cooling_base'),
    heating: readDegrees(params.heating_base, 'params.heating_base'),
  };
  return {
    ...{ method: 'simple_cdh_hdh', portfolio: false, id, minutes, zone, window, spec },
    meterIds: [readMeterId(fields.meter_id, 'meter_id')],
    holidays: readDays(fields.holidays, 'holidays'),
    excludedDays: readDays(fields.excluded_days, 'excluded_days'),
    direction: readDirection(fields.direction ?? 'reduce'),
    ...brought(fields, minutes),
  };
}

/** Hours of the week and months are UTC's. Days to predict: `days`, or, of a file with expected results, the days it shows. */
function readTimeOfWeekCase(fields: Fields, id: string): WeatherCase {
  const window = fields.fit_window_utc;
  if (!Array.isArray(window) || window.length !== 2)
    throw fault('fit_window_utc', `must be [first, last], two instants, not ${shown(window)}`);
  const fit = { start: readInstant(window[0], 'fit_window_utc[0]'), end: readInstant(window[1], 'fit_window_utc[1]') };
  if (fit.end <= fit.start) throw fault('fit_window_utc[1]', 'must lie after the first instant');
  if (fit.end - fit.start > 4000 * DAY) throw fault('fit_window_utc', 'spans more than 4000 days');
  const shownDays = (fields.expected as { days?: object } | undefined)?.days;
  const asked = fields.days ?? Object.keys(shownDays ?? {});
  return {
    ...{ method: 'caltrack_hourly_towt', portfolio: false, id, minutes: 60, zone: fixedOffset('Z')!, fit, numbers: CALTRACK },
    meterIds: [readMeterId(fields.meter_id, 'meter_id')],
    days: [...readDays(asked, 'days')],
    ...brought(fields, 60),
  };
}

function brought(fields: Fields, minutes: number): Pick<Common, 'inline' | 'temperatures'> {
  return {
    inline: fields.readings === undefined ? null : readInline(fields.readings, minutes),
    temperatures: fields.temperature === undefined ? null : readTemperature(fields.temperature),
  };
}

/** `{unit: "C" | "F", rows: [[start, degrees], …]}`; null = missing. */
function readTemperature(value: unknown): Temperatures {
  const given = readObject(value, 'temperature');
  const unit: Degrees = readOneOf(given, 'unit', 'temperature', ['C', 'F'] as const);
  if (!Array.isArray(given.rows)) throw fault('temperature.rows', `must be a list, not ${shown(given.rows)}`);
  const degreesAt = new Map<number, number>();
  given.rows.forEach((row: unknown, index) => {
    const at = `temperature.rows[${index}]`;
    if (!Array.isArray(row)) throw fault(at, `must be [start, degrees], not ${shown(row)}`);
    const start = readInstant(row[0], `${at}[0]`);
    if (row[1] === null) return;
    if (typeof row[1] !== 'number' || !Number.isFinite(row[1]))
      throw fault(`${at}[1]`, `must be null or a number of degrees, not ${shown(row[1])}`);
    if (!degreesAt.has(start)) degreesAt.set(start, row[1]);
  });
  return { unit, degreesAt };
}

function readMinutes(value: unknown): number {
  if (value === undefined) return 60;
  return readInteger({ interval_minutes: value }, 'interval_minutes', 'params', 1, 60);
}

/** In thousandths, which is as fine as a balance point gets. */
function readDegrees(value: unknown, at: string): number {
  if (typeof value !== 'number' || !(Math.abs(value) <= 200))
    throw fault(at, `must be a number of degrees up to ±200, not ${shown(value)}`);
  return Math.round(value * 1000);
}
