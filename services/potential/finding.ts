import { HOUR } from '../domain/interval.ts';
import type { CivilDay, ZoneDays } from '../domain/zone.ts';
import { HEAT_SCALE, heatAt } from '../performance/heat.ts';
import { type Kernel, MISSING } from '../performance/kernel.ts';
import { indexAt, type LoadSeries, whAt } from '../performance/load-series.ts';
import { endOf, type Home } from './homes.ts';
import { evLikeOf } from './sustained-steps.ts';
import { sensitiveW, type TemperatureResponse, temperatureResponse } from './temperature-response.ts';

/** Seasons of the India Meteorological Department, by month; `year` is all of them. */
export const SEASONS = ['winter', 'pre_monsoon', 'monsoon', 'post_monsoon', 'year'] as const;
export type Season = (typeof SEASONS)[number];
/** Places in SEASONS, by month. */
export const SEASON_OF_MONTH: readonly number[] = [0, 0, 1, 1, 1, 2, 2, 2, 2, 3, 3, 3];

/** Fewer days with 20 hours of readings: nothing is said of the home. */
export const LEAST_DAYS = 28;
const LEAST_HOURS = 20;

/** Mean W by [season][hour]; null where there is no reading. */
export type Shape = readonly (readonly (number | null)[])[];

/** What is found in the readings of one home. */
export type Finding = Pick<Home, 'meterId' | 'category' | 'feederId' | 'sanctionedLoadW'> & {
  readonly minutes: number;
  readonly days: number;
  readonly firstDay: CivilDay;
  readonly lastDay: CivilDay;
  /** Hours with readings, and hours of the days from first to last. */
  readonly hours: number;
  readonly hoursAsked: number;
  readonly load: Shape;
  readonly sensitive: Shape;
  readonly evLike: Shape;
  /** °C of the hours with readings and temperature, by local hour; none when fewer than 28 days have both. */
  readonly celsius: readonly (readonly number[])[];
  readonly response: TemperatureResponse | null;
  readonly sessions: { readonly count: number; readonly heightW: number; readonly hours: number } | null;
};

type Days = {
  readonly days: readonly CivilDay[];
  /** [days][24]: W of net load, W of EV-like load, temperature. */
  readonly watts: Int32Array;
  readonly evWatts: Float64Array;
  readonly heat: Int32Array;
};

/**
 * The loads of one home, or the reason why nothing can be said. An hour counts when every interval of it has a reading; EV-like load is
 * taken out before load is regressed on temperature, so that no watt counts twice.
 */
export function findingOf(kernel: Kernel, home: Home, zone: ZoneDays): Finding | { readonly reason: string } {
  const { series, meterId, category, feederId, sanctionedLoadW } = home;
  const plain = hoursOf(series, zone, null);
  const counted = plain.days.filter((_, day) => knownHours(plain, day) >= LEAST_HOURS);
  if (counted.length < LEAST_DAYS)
    return { reason: `${counted.length} days have ${LEAST_HOURS} hours of readings or more; ${LEAST_DAYS} are needed` };
  const ev = evLikeOf(series, counted.length);
  const hours = ev ? hoursOf(series, zone, ev.watts) : plain;
  const wh = hours.watts.map((watts, i) => (watts === MISSING ? MISSING : watts - Math.round(hours.evWatts[i]!)));
  const weathered = hours.days.filter((_, day) => knownHours(hours, day, hours.heat) >= LEAST_HOURS).length >= LEAST_DAYS;
  const response = weathered
    ? temperatureResponse(kernel.weather, lately({ days: hours.days.length, wh, heat: hours.heat }))
    : null;
  const sensitive = (i: number) =>
    !weathered || hours.heat[i] === MISSING
      ? null
      : response === null
        ? 0
        : sensitiveW(response, i % 24, hours.heat[i]! / HEAT_SCALE.C);
  return {
    ...{ meterId, category, feederId, sanctionedLoadW, minutes: series.minutes, days: counted.length },
    ...{ firstDay: hours.days[0]!, lastDay: hours.days.at(-1)!, hoursAsked: hours.watts.length },
    hours: hours.watts.filter((watts) => watts !== MISSING).length,
    load: shapeOf(hours, (i) => hours.watts[i]!),
    sensitive: shapeOf(hours, sensitive),
    evLike: shapeOf(hours, (i) => hours.evWatts[i]!),
    celsius: Array.from({ length: 24 }, (_, hour) => (weathered ? celsiusOf(hours, hour) : [])),
    response,
    sessions: ev && {
      ...{ count: ev.sessions.length, heightW: ev.heightW },
      hours: (ev.sessions.reduce((sum, { first, end }) => sum + end - first, 0) * series.minutes) / 60 / ev.sessions.length,
    },
  };
}

/** Net load by civil day and hour. A 23-hour day lacks its last hour, a 25-hour day gives its first 24. */
function hoursOf(series: LoadSeries, zone: ZoneDays, ev: Float64Array | null): Days {
  const days: CivilDay[] = [];
  const end = endOf(series);
  for (let day = zone.dayOf(series.start); zone.startOf(day) < end; day = zone.plus(day, 1)) days.push(day);
  const watts = new Int32Array(days.length * 24).fill(MISSING);
  const heat = new Int32Array(days.length * 24).fill(MISSING);
  const evWatts = new Float64Array(days.length * 24);
  const per = 60 / series.minutes;
  for (const [d, day] of days.entries()) {
    const midnight = zone.startOf(day);
    const length = (zone.startOf(zone.plus(day, 1)) - midnight) / HOUR;
    for (let hour = 0; hour < Math.min(24, length); hour++) {
      // Readings of a neighbour's grid, a quarter past the hour, belong to the hour they start in.
      const first = Math.ceil(indexAt(series, midnight + hour * HOUR));
      let [sum, evSum] = [0, 0];
      for (let i = first; i < first + per && sum !== MISSING; i++) {
        const wh = whAt(series, i, 'net');
        sum = wh === MISSING ? MISSING : sum + wh;
        evSum += ev?.[i] ?? 0;
      }
      watts[d * 24 + hour] = sum;
      evWatts[d * 24 + hour] = evSum / per;
      heat[d * 24 + hour] = heatAt(series, first, 'C');
    }
  }
  return { days, watts, evWatts, heat };
}

/** Hours of a day with a reading, and where asked a temperature. */
const knownHours = ({ watts }: Days, day: number, heat = watts): number =>
  watts.subarray(day * 24, day * 24 + 24).filter((one, hour) => one !== MISSING && heat[day * 24 + hour] !== MISSING).length;

/** The core takes 4096 days: of a longer history the latest. */
function lately({ days, wh, heat }: { days: number; wh: Int32Array; heat: Int32Array }) {
  const kept = Math.min(days, 4096);
  return { days: kept, wh: wh.slice((days - kept) * 24), heat: heat.slice((days - kept) * 24) };
}

/** Means over the hours that have a reading (and a value). */
function shapeOf({ days, watts }: Days, valueAt: (index: number) => number | null): Shape {
  const sums = SEASONS.map(() => new Float64Array(24));
  const counts = SEASONS.map(() => new Int32Array(24));
  for (let i = 0; i < watts.length; i++) {
    const value = watts[i] === MISSING ? null : valueAt(i);
    if (value === null) continue;
    const season = SEASON_OF_MONTH[Number(days[Math.floor(i / 24)]!.slice(5, 7)) - 1]!;
    for (const row of [season, 4]) {
      sums[row]![i % 24]! += value;
      counts[row]![i % 24]!++;
    }
  }
  return sums.map((row, s) => Array.from(row, (sum, hour) => (counts[s]![hour] === 0 ? null : sum / counts[s]![hour]!)));
}

function celsiusOf({ watts, heat }: Days, hour: number): number[] {
  const found: number[] = [];
  for (let i = hour; i < watts.length; i += 24)
    if (watts[i] !== MISSING && heat[i] !== MISSING) found.push(heat[i]! / HEAT_SCALE.C);
  return found;
}
