import type { CivilDay } from '../domain/zone.ts';
import { comparableDays, type DayType, dayClass } from './days.ts';
import type { AreaCalendar, Estimate, EventWindow, Machines } from './estimate.ts';
import { type Degrees, degreesOf, HEAT_SCALE, heatAt, heatBound } from './heat.ts';
import { MISSING } from './kernel.ts';
import { indexAt, type LoadSeries } from './load-series.ts';
import { learntWh, meteredWh, reasonsAgainst, windowOf } from './load-window.ts';
import type { Quantity } from './spec.ts';

/** Load by degree-hours, a line for each interval of the window. Source: golden RULES §8, `simple_cdh_hdh`. */
export type DegreeHours = {
  readonly kind: 'degree_hours';
  readonly quantity: Quantity;
  readonly dayType: DayType;
  readonly minGapDays: number;
  readonly lookbackDays: number;
  /** Fewer training days in some interval: no baseline. */
  readonly minDays: number;
  readonly unit: Degrees;
  /** Balance points in thousandths of a degree: above `cooling` and below `heating` load follows the weather. */
  readonly cooling: number;
  readonly heating: number;
};

export type DegreeHoursEvidence = {
  readonly kind: 'degree_hours';
  readonly eventDay: CivilDay;
  readonly dayClass: string;
  /** Earliest first. A day may lack some interval: `rows` counts those used. */
  readonly trainingDays: readonly CivilDay[];
  readonly excludedDays: readonly { readonly day: CivilDay; readonly reason: string }[];
  /** By interval. */
  readonly rows: readonly number[];
  /** a (Wh), b and c (Wh per degree above cooling, below heating). */
  readonly coefficients: readonly (readonly [number, number, number])[];
  readonly eventDegrees: readonly (number | null)[];
  /** Root of the mean squared residual, Wh. */
  readonly residualWh: readonly number[];
};

/** The method of degree-hours: every meter by its own readings and its own weather. */
export function regressDegreeHours(
  machines: Machines,
  spec: DegreeHours,
  series: readonly LoadSeries[],
  calendar: AreaCalendar,
  event: EventWindow,
): Estimate[] {
  return series.map((one) => estimateOne(machines, spec, one, calendar, event));
}

function estimateOne(
  { kernel }: Machines,
  spec: DegreeHours,
  series: LoadSeries,
  calendar: AreaCalendar,
  event: EventWindow,
): Estimate {
  const { zone, holidays } = calendar;
  const { eventDay, offsets, starts } = windowOf(event, series.minutes, calendar);
  const comparable = comparableDays(eventDay, spec, holidays, zone);
  const excludedDays = comparable.flatMap((day) => reasonsAgainst(day, series, calendar).map((reason) => ({ day, reason })));
  const excluded = new Set(excludedDays.map(({ day }) => day));
  const days = comparable.filter((day) => !excluded.has(day)).reverse();
  const places = days.flatMap((day) => offsets.map((offset) => indexAt(series, zone.startOf(day) + offset)));
  const eventHeat = Int32Array.from(starts, (start) => heatAt(series, indexAt(series, start), spec.unit));
  const model = kernel.weather.degreeHours(
    {
      scale: HEAT_SCALE[spec.unit],
      cooling: heatBound(spec.cooling, spec.unit),
      heating: heatBound(spec.heating, spec.unit),
    },
    {
      ...{ days: days.length, slots: starts.length, eventHeat },
      wh: Int32Array.from(places, (place) => learntWh(series, place, spec.quantity)),
      heat: Int32Array.from(places, (place) => heatAt(series, place, spec.unit)),
    },
  );
  const rows = Array.from(model.rows);
  const coefficients = starts.map((_, s) => Array.from(model.coefficient.subarray(3 * s, 3 * s + 3)) as [number, number, number]);
  const [status, reason] = verdict(spec, series, rows, eventHeat);
  const actualWh = meteredWh(series, starts, spec.quantity);
  return {
    meterId: series.meterId,
    baseline: status === 'ok' ? { kind: 'float', wh: Array.from(model.baseline) } : null,
    quality: {
      ...{ status, reason },
      flags: rows.some((n, s) => n > 0 && model.rank[s]! < 3) ? ['rank_deficient'] : [],
      references: Math.min(...rows),
      missing: actualWh.filter((wh) => wh === null).length,
    },
    evidence: {
      ...{ kind: 'degree_hours', eventDay, trainingDays: days, excludedDays: excludedDays.reverse(), rows, coefficients },
      dayClass: dayClass(spec.dayType, eventDay, holidays, zone),
      eventDegrees: Array.from(eventHeat, (heat) => degreesOf(heat, spec.unit)),
      residualWh: rows.map((n, s) => (n === 0 ? 0 : Math.sqrt(model.squares[s]! / n))),
    },
    actualWh,
  };
}

function verdict(spec: DegreeHours, series: LoadSeries, rows: readonly number[], eventHeat: Int32Array): [string, string] {
  if (series.temperature === null) return ['no_temperature', 'the meter has no temperature beside its readings'];
  const least = Math.min(...rows);
  if (least < Math.max(1, spec.minDays))
    return [
      'insufficient_days',
      `only ${least} days have a reading and a temperature in every interval; ${spec.minDays} are asked for`,
    ];
  if (eventHeat.includes(MISSING)) return ['no_temperature', 'the temperature of some interval of the window is not known'];
  return ['ok', ''];
}
