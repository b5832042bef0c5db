import { DAY, HOUR, MINUTE } from '../domain/interval.ts';
import { invalid } from '../domain/outcome.ts';
import type { CivilDay, ZoneDays } from '../domain/zone.ts';
import type { AreaCalendar, Estimate, EventWindow, Machines } from './estimate.ts';
import { type Degrees, HEAT_SCALE, heatAt, heatBound } from './heat.ts';
import { MISSING } from './kernel.ts';
import { indexAt, type LoadSeries } from './load-series.ts';
import { learntWh, meteredWh, reasonsAgainst, windowOf } from './load-window.ts';
import type { Quantity, SmallFraction } from './spec.ts';
import type { HourRows, TimeOfWeekTerms } from './weather.ts';

/** Load by time of week and temperature, a model a month: CalTRACK 2.0 hourly. Source: golden RULES §8. */
export type TimeOfWeek = {
  readonly kind: 'time_of_week';
  readonly quantity: Quantity;
  readonly minGapDays: number;
  readonly lookbackDays: number;
  /** Fewer days behind the month's model: no baseline. */
  readonly minDays: number;
  /** Whether a baseline below zero is lifted to it. */
  readonly floorZero: boolean;
} & TimeOfWeekNumbers;

/** What makes the model, in thousandths of a degree of `unit`. */
export type TimeOfWeekNumbers = {
  readonly unit: Degrees;
  /** Rising, at most 15. */
  readonly edges: readonly number[];
  readonly cooling: number;
  readonly heating: number;
  readonly occupiedShare: SmallFraction;
  /** Rows of an hour each that a bin must hold. */
  readonly leastHours: number;
  readonly neighbour: 0 | 1 | 2;
};

/** The numbers of CalTRACK 2.0; its balance points and bins are of Fahrenheit. */
export const CALTRACK: TimeOfWeekNumbers = {
  unit: 'F',
  edges: [30_000, 45_000, 55_000, 65_000, 75_000, 90_000],
  ...{ cooling: 65_000, heating: 50_000, occupiedShare: { num: 13, den: 20 }, leastHours: 20, neighbour: 1 },
};

export type TimeOfWeekEvidence = {
  readonly kind: 'time_of_week';
  readonly eventDay: CivilDay;
  /** 0 = January; the model is fitted on this month and its neighbours. */
  readonly month: number;
  readonly trainingDays: number;
  readonly rows: number;
  readonly rank: number;
  readonly excludedDays: readonly { readonly day: CivilDay; readonly reason: string }[];
  readonly occupiedHours: number;
  /** Bounds of temperature kept, in degrees. */
  readonly occupiedBins: readonly number[];
  readonly unoccupiedBins: readonly number[];
  /** Root of the weighted mean squared residual, Wh; and as a share of the mean load, null where that is zero. */
  readonly residualWh: number;
  readonly cvrmse: number | null;
};

/** The method of time of week and temperature: every meter by its own readings and its own weather. */
export function regressTimeOfWeek(
  machines: Machines,
  spec: TimeOfWeek,
  series: readonly LoadSeries[],
  calendar: AreaCalendar,
  event: EventWindow,
): Estimate[] {
  return series.map((one) => estimateOne(machines, spec, one, calendar, event));
}

/** The spec as the core takes it. An interval shorter than an hour is a row of its own, so a bin must hold as many more. */
export function timeOfWeekTerms(numbers: TimeOfWeekNumbers, minutes: number): TimeOfWeekTerms {
  const { unit, edges, cooling, heating, occupiedShare, leastHours, neighbour } = numbers;
  if (edges.length > 15 || edges.some((edge, i) => i > 0 && edge <= edges[i - 1]!))
    throw invalid('edges_not_rising', 'the bins of temperature must be at most 15 rising bounds', 'edges');
  if (60 % minutes !== 0) throw invalid('interval_not_of_the_hour', `an interval of ${minutes} minutes does not divide the hour`);
  return {
    ...{ scale: HEAT_SCALE[unit], occupiedShare, neighbour, leastRows: (leastHours * 60) / minutes },
    edges: Int32Array.from(edges, (edge) => heatBound(edge, unit)),
    ...{ hot: heatBound(cooling, unit), cold: heatBound(heating, unit) },
  };
}

/** The rows of some intervals of a series: hour of the week and month as the zone's clocks show them. */
export function hourRows(
  series: LoadSeries,
  indexes: readonly number[],
  quantity: Quantity,
  unit: Degrees,
  zone: ZoneDays,
): HourRows {
  const hour = new Uint8Array(indexes.length);
  const month = new Uint8Array(indexes.length);
  const days = daysOf(zone);
  indexes.forEach((index, row) => {
    const at = series.start + index * series.minutes * MINUTE;
    const { weekday, month: own, midnight } = days(at);
    hour[row] = ((weekday + 6) % 7) * 24 + Math.min(23, Math.floor((at - midnight) / HOUR));
    month[row] = own;
  });
  return {
    ...{ hour, month },
    wh: Int32Array.from(indexes, (index) => learntWh(series, index, quantity)),
    heat: Int32Array.from(indexes, (index) => heatAt(series, index, unit)),
  };
}

/** Looks the civil day of rising instants up once a day. */
function daysOf(zone: ZoneDays) {
  let known = { day: '', weekday: 0, month: 0, midnight: 0, next: 0 };
  return (at: number) => {
    if (at >= known.midnight && at < known.next) return known;
    const day = zone.dayOf(at);
    const [midnight, next] = [zone.startOf(day), zone.startOf(zone.plus(day, 1))];
    known = { day, weekday: zone.weekdayOf(day), month: Number(day.slice(5, 7)) - 1, midnight, next };
    return known;
  };
}

function estimateOne(
  { kernel }: Machines,
  spec: TimeOfWeek,
  series: LoadSeries,
  calendar: AreaCalendar,
  event: EventWindow,
): Estimate {
  const { zone } = calendar;
  const { eventDay, starts } = windowOf(event, series.minutes, calendar);
  const terms = timeOfWeekTerms(spec, series.minutes);
  const training = trainingOf(spec, series, calendar, eventDay);
  const month = Number(eventDay.slice(5, 7)) - 1;
  const rows = hourRows(series, training.indexes, spec.quantity, spec.unit, zone);
  const model = kernel.weather.fitMonths(terms, [month], rows);
  const asked = hourRows(
    series,
    starts.map((start) => indexAt(series, start)),
    spec.quantity,
    spec.unit,
    zone,
  );
  const predicted = Array.from(kernel.weather.predict(terms, model, asked));
  const days = daysBehind(rows, series.minutes, month, spec.neighbour);
  const weight = model.weight[month]!;
  const residualWh = weight === 0 ? 0 : Math.sqrt(model.squares[month]! / weight);
  const [status, reason] = verdict(spec, series, days, asked, predicted);
  const actualWh = meteredWh(series, starts, spec.quantity);
  const kept = (state: number) =>
    spec.edges.flatMap((edge, e) => (model.kept[(month * 2 + state) * spec.edges.length + e] ? [edge / 1000] : []));
  return {
    meterId: series.meterId,
    baseline: status === 'ok' ? { kind: 'float', wh: spec.floorZero ? predicted.map((wh) => Math.max(0, wh)) : predicted } : null,
    quality: {
      ...{ status, reason, flags: flagsOf(rows, asked, month, spec.neighbour), references: days },
      missing: actualWh.filter((wh) => wh === null).length,
    },
    evidence: {
      ...{ kind: 'time_of_week', eventDay, month, trainingDays: days, excludedDays: training.excludedDays },
      ...{ rows: model.rows[month]!, rank: model.rank[month]!, residualWh },
      occupiedHours: model.occupied.subarray(month * 168, (month + 1) * 168).reduce((hours, one) => hours + one, 0),
      ...{ unoccupiedBins: kept(0), occupiedBins: kept(1) },
      cvrmse: model.load[month]! > 0 ? residualWh / (model.load[month]! / weight) : null,
    },
    actualWh,
  };
}

/** The intervals of the look-back, days that teach nothing left out. */
function trainingOf(spec: TimeOfWeek, series: LoadSeries, calendar: AreaCalendar, eventDay: CivilDay) {
  const { zone } = calendar;
  const first = zone.plus(eventDay, -spec.lookbackDays);
  const indexes: number[] = [];
  const excludedDays: { day: CivilDay; reason: string }[] = [];
  for (let back = spec.lookbackDays; back >= spec.minGapDays; back--) {
    const day = zone.plus(first, spec.lookbackDays - back);
    const against = reasonsAgainst(day, series, calendar);
    for (const reason of against) excludedDays.push({ day, reason });
    if (against.length > 0) continue;
    const from = Math.max(0, Math.ceil(indexAt(series, zone.startOf(day))));
    const to = Math.min(series.importWh.length, Math.ceil(indexAt(series, zone.startOf(zone.plus(day, 1)))));
    for (let index = from; index < to; index++) indexes.push(index);
  }
  return { indexes, excludedDays };
}

const near = (own: number, month: number, neighbour: number): boolean =>
  own === month || (neighbour > 0 && (own === (month + 1) % 12 || own === (month + 11) % 12));

const counts = (rows: HourRows, row: number): boolean => rows.wh[row] !== MISSING && rows.heat[row] !== MISSING;

/** Days' worth of rows behind the month's model. */
function daysBehind(rows: HourRows, minutes: number, month: number, neighbour: number): number {
  let found = 0;
  for (let row = 0; row < rows.wh.length; row++) if (counts(rows, row) && near(rows.month[row]!, month, neighbour)) found++;
  return Math.floor((found * minutes * MINUTE) / DAY);
}

function flagsOf(rows: HourRows, asked: HourRows, month: number, neighbour: number): string[] {
  let low = Number.POSITIVE_INFINITY;
  let high = Number.NEGATIVE_INFINITY;
  for (let row = 0; row < rows.wh.length; row++) {
    if (!counts(rows, row) || !near(rows.month[row]!, month, neighbour)) continue;
    low = Math.min(low, rows.heat[row]!);
    high = Math.max(high, rows.heat[row]!);
  }
  const beyond = asked.heat.some((heat) => heat !== MISSING && (heat < low || heat > high));
  return beyond ? ['temperature_beyond_training'] : [];
}

function verdict(
  spec: TimeOfWeek,
  series: LoadSeries,
  days: number,
  asked: HourRows,
  predicted: readonly number[],
): [string, string] {
  if (series.temperature === null) return ['no_temperature', 'the meter has no temperature beside its readings'];
  if (days < Math.max(1, spec.minDays))
    return [
      'insufficient_days',
      `only ${days} days of the month and its neighbours can be learnt from; ${spec.minDays} are asked for`,
    ];
  if (asked.heat.includes(MISSING)) return ['no_temperature', 'the temperature of some interval of the window is not known'];
  if (predicted.some(Number.isNaN)) return ['hour_not_seen', 'some hour of the week of the window has no reading to learn from'];
  return ['ok', ''];
}
