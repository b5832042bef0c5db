import { HEAT_SCALE, heatBound } from '../performance/heat.ts';
import type { DegreeModel, WeatherKernel } from '../performance/weather.ts';

/** How a home's load answers the temperature outdoors; null balance point = it does not answer on that side. */
export type TemperatureResponse = {
  /** °C; above `coolingC` load rises, below `heatingC` too. */
  readonly coolingC: number | null;
  readonly heatingC: number | null;
  /** W per °C beyond the balance point, by local hour; 0 where load falls instead. */
  readonly coolingSlope: readonly number[];
  readonly heatingSlope: readonly number[];
  /** Share of the residual variance that temperature explains, 0…1, adjusted for the terms it takes. */
  readonly explained: number;
};

/** [days][24], MISSING where there is none. */
export type HourColumns = { readonly days: number; readonly wh: Int32Array; readonly heat: Int32Array };

export const COOLING_GRID = Array.from({ length: 15 }, (_, i) => 16 + i);
export const HEATING_GRID = Array.from({ length: 6 }, (_, i) => 8 + 2 * i);
/** A side counts when it explains this much of the variance left, and more than chance would of so few days. */
export const LEAST_EXPLAINED = 0.05;
const BEYOND_CHANCE_DAYS = 10;
/**
 * A balance point is a candidate when this share of the hours lies on either side of it: a slope needs something to rest on, and below the
 * lowest temperature seen every balance point fits as well, while the load above it grows.
 */
const LEAST_BEYOND = 0.05;
const MISSING = -(2 ** 31);
const NOWHERE = 100;

type Fit = {
  readonly cooling: number | null;
  readonly heating: number | null;
  readonly model: DegreeModel;
  readonly mean: number;
};

/**
 * load_h = a_h + b_h·max(T − C, 0) + c_h·max(H − T, 0), a line for each local hour by the core's least squares; one C (16…30 °C by 1) and
 * one H (8…18 °C by 2, below C) for the home, those that leave the least sum of squares: C alone, then H beside it, then C again.
 * A side counts when it lowers the residual mean square by ≥ 5 % and by ≥ 10/days (about p = 0.002 were days independent), and its mean
 * slope is positive. Null when neither does. Source of the model: ASHRAE Guideline 14-2014, change-point models; golden RULES §8.
 */
export function temperatureResponse(kernel: WeatherKernel, hours: HourColumns): TemperatureResponse | null {
  const lines = (cooling: number | null, heating: number | null): Fit => fitted(kernel, hours, cooling, heating);
  const nothing = lines(null, null);
  const between = (bound: number) => [1, -1].every((side) => shareBeyond(hours, bound, side) >= LEAST_BEYOND);
  const coolings = COOLING_GRID.filter(between);
  const heatings = HEATING_GRID.filter(between);
  let cooled = best(
    nothing,
    coolings.map((bound) => lines(bound, null)),
  );
  const below = (heating: number) => cooled.cooling === null || heating < cooled.cooling;
  const both = best(
    cooled,
    heatings.filter(below).map((bound) => lines(cooled.cooling, bound)),
  );
  const { heating } = both;
  cooled = best(
    both,
    coolings.filter((bound) => heating === null || heating < bound).map((bound) => lines(bound, heating)),
  );

  const least = Math.max(LEAST_EXPLAINED, BEYOND_CHANCE_DAYS / Math.max(1, ...nothing.model.rows));
  const cools = cooled.cooling !== null && gain(cooled, lines(null, heating)) >= least && meanSlope(cooled, 1) > 0;
  const heats = heating !== null && gain(cooled, lines(cooled.cooling, null)) >= least && meanSlope(cooled, 2) > 0;
  if (!cools && !heats) return null;
  const last = lines(cools ? cooled.cooling : null, heats ? heating : null);
  return {
    ...{ coolingC: last.cooling, heatingC: last.heating, explained: gain(last, nothing) },
    coolingSlope: slopes(last, 1).map((slope) => (cools ? Math.max(0, slope) : 0)),
    heatingSlope: slopes(last, 2).map((slope) => (heats ? Math.max(0, slope) : 0)),
  };
}

/** W of the temperature-sensitive load at a local hour and temperature, °C. */
export function sensitiveW(
  { coolingC, heatingC, coolingSlope, heatingSlope }: TemperatureResponse,
  hour: number,
  celsius: number,
): number {
  const cooling = coolingC === null ? 0 : coolingSlope[hour]! * Math.max(0, celsius - coolingC);
  const heating = heatingC === null ? 0 : heatingSlope[hour]! * Math.max(0, heatingC - celsius);
  return cooling + heating;
}

function fitted(kernel: WeatherKernel, { days, wh, heat }: HourColumns, cooling: number | null, heating: number | null): Fit {
  const model = kernel.degreeHours(
    {
      scale: HEAT_SCALE.C,
      cooling: heatBound((cooling ?? NOWHERE) * 1000, 'C'),
      heating: heatBound((heating ?? -NOWHERE) * 1000, 'C'),
    },
    { days, slots: 24, wh, heat, eventHeat: new Int32Array(24).fill(MISSING) },
  );
  const terms = 1 + Number(cooling !== null) + Number(heating !== null);
  let [squares, freedom] = [0, 0];
  for (let hour = 0; hour < 24; hour++) {
    squares += model.squares[hour]!;
    freedom += Math.max(0, model.rows[hour]! - terms);
  }
  return { cooling, heating, model, mean: freedom === 0 ? Number.POSITIVE_INFINITY : squares / freedom };
}

/** Of equals the first. */
const best = (start: Fit, others: readonly Fit[]): Fit =>
  others.reduce((kept, fit) => (fit.mean < kept.mean ? fit : kept), start);

const gain = (fit: Fit, without: Fit): number =>
  without.mean > 0 && without.mean < Number.POSITIVE_INFINITY ? 1 - fit.mean / without.mean : 0;

const slopes = ({ model }: Fit, term: 1 | 2): number[] =>
  Array.from({ length: 24 }, (_, hour) => model.coefficient[3 * hour + term]!);

const meanSlope = (fit: Fit, term: 1 | 2): number => slopes(fit, term).reduce((sum, slope) => sum + slope, 0) / 24;

function shareBeyond({ heat }: HourColumns, celsius: number, side: number): number {
  const bound = heatBound(celsius * 1000, 'C');
  let [beyond, known] = [0, 0];
  for (const one of heat) {
    if (one === MISSING) continue;
    known++;
    if ((one - bound) * side > 0) beyond++;
  }
  return known === 0 ? 0 : beyond / known;
}
