import { HOUR, type Instant, MINUTE } from '../domain/interval.ts';
import { MISSING } from './kernel.ts';
import type { LoadSeries } from './load-series.ts';

/** Degrees a method counts in: its balance points and bins are of this unit. */
export type Degrees = 'C' | 'F';

/** How many integers of `heatOf` make a degree: thousandths of either unit are whole numbers in both. */
export const HEAT_SCALE: Record<Degrees, number> = { C: 9000, F: 5000 };

/** A bound in thousandths of a degree, as the core takes it. */
export const heatBound = (thousandths: number, unit: Degrees): number => thousandths * (unit === 'C' ? 9 : 5);

/**
 * The outdoor temperature of interval `index` for the core, or MISSING. It is read to a thousandth of a degree; F = 9/5 C + 32 is exact.
 * What no thermometer outdoors has shown, below −100 or above 100 °C, is missing: a broken sensor is no weather.
 */
export function heatAt({ temperature, temperatureUnit }: LoadSeries, index: number, unit: Degrees): number {
  const degrees = temperature?.[index]; // undefined outside, off the grid and at NaN
  if (degrees === undefined || !Number.isFinite(degrees)) return MISSING;
  const given = temperatureUnit ?? 'C';
  const thousandths = Math.round(degrees * 1000);
  const celsius = given === 'C' ? degrees : ((degrees - 32) * 5) / 9;
  if (Math.abs(celsius) > 100) return MISSING;
  if (given === unit) return heatBound(thousandths, unit);
  return unit === 'F' ? 9 * thousandths + 160_000 : 5 * thousandths - 160_000;
}

/** Back to degrees, for people to read. */
export const degreesOf = (heat: number, unit: Degrees): number | null => (heat === MISSING ? null : heat / HEAT_SCALE[unit]);

/** What a thermometer said, by instant; the first of several counts. */
export type Temperatures = { readonly unit: Degrees; readonly degreesAt: ReadonlyMap<Instant, number> };

/** A meter with its weather: an interval has the temperature of its start, or the last one of the hour before it. */
export function withTemperature(series: LoadSeries, { unit, degreesAt }: Temperatures): LoadSeries {
  const step = series.minutes * MINUTE;
  let last = { at: Number.NEGATIVE_INFINITY, degrees: Number.NaN };
  const temperature = Float64Array.from(series.importWh, (_, index) => {
    const at = series.start + index * step;
    const own = degreesAt.get(at);
    if (own !== undefined) last = { at, degrees: own };
    return at - last.at < HOUR ? last.degrees : Number.NaN;
  });
  return { ...series, temperature, temperatureUnit: unit };
}
