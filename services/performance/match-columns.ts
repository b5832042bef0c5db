import { MINUTE } from '../domain/interval.ts';
import { MISSING } from '../domain/tile.ts';
import type { CivilDay, ZoneDays } from '../domain/zone.ts';
import type { AreaCalendar } from './estimate.ts';
import { type Family, familyOf } from './family.ts';
import type { FamilyInput } from './family-kernel.ts';
import { type DayMark, ESTIMATED, indexAt, type LoadSeries, whAt } from './load-series.ts';
import type { Method } from './method.ts';
import type { Quantity } from './spec.ts';
import type { Plan } from './windows.ts';

/** Why a day may not lend its load to one meter; empty = it may. */
export type Exclusions = ReadonlyMap<CivilDay, readonly string[]>;

/** Columns for the core, and what was found while they were filled. */
export type Matched = {
  readonly input: FamilyInput;
  readonly excluded: readonly Exclusions[];
  /** Thousandths of a degree by day, the event day's among them; empty unless days are ranked on temperature. */
  readonly temperatures: readonly ReadonlyMap<CivilDay, number>[];
};

/** Fills the windows of all meters, lane fastest. A day that does not count is read all the same: the core is told. */
export function matchColumns(plan: Plan, method: Method, series: readonly LoadSeries[], calendar: AreaCalendar): Matched {
  const { eventCount, windowCount, rankCount } = plan;
  const family = familyOf(method);
  const meters = series.length;
  const slots = eventCount + windowCount + rankCount;
  const history = new Int32Array(plan.days.length * slots * meters).fill(MISSING);
  const state = new Uint8Array(plan.days.length * meters);
  const actual = new Int32Array(slots * meters).fill(MISSING);
  const limit = new Int32Array(meters).fill(MISSING);
  const excluded: Exclusions[] = [];
  const temperatures: Map<CivilDay, number>[] = [];
  const placesAt = placesByStart(plan);
  series.forEach((one, m) => {
    const reasons = exclusionsOf(plan, family, method, one, calendar);
    excluded.push(reasons);
    const places = placesAt(one);
    plan.days.forEach((day, d) => {
      const found = reasons.get(day);
      if (found) state[d * meters + m] = family.refill !== 'none' && found.every(isCall) ? EVENT_DAY : EXCLUDED;
      fill(one, places.history[d]!, method.quantity, history, d * slots * meters + m, meters);
    });
    fill(one, places.actual, method.quantity, actual, m, meters);
    const degrees = new Map<CivilDay, number>();
    if (family.rankOn === 'temperature') {
      for (const [d, day] of [...plan.days, plan.eventDay].entries()) {
        const value = dayTemperature(one, day, family.temperature, calendar.zone);
        if (value === null) continue;
        degrees.set(day, value);
        if (d < plan.days.length) history[(d * slots + slots - 1) * meters + m] = value;
        else actual[(slots - 1) * meters + m] = value;
      }
    }
    temperatures.push(degrees);
    if (family.connectedLoadCap && one.connectedLoadW !== null) limit[m] = Math.floor((one.connectedLoadW * plan.minutes) / 60);
  });
  const shape = { meters, days: plan.days.length, eventSlots: eventCount, windowSlots: windowCount, rankSlots: rankCount };
  return { input: { spec: method.spec, family, ...shape, history, excluded: state, actual, limit }, excluded, temperatures };
}

/** Where the plan's slots lie in a series, −1 where none does: the same for all that begin together. */
function placesByStart(plan: Plan) {
  const known = new Map<number, { readonly history: readonly Int32Array[]; readonly actual: Int32Array }>();
  return (one: LoadSeries) => {
    const found = known.get(one.start);
    if (found) return found;
    const placesOf = (starts: Float64Array) =>
      Int32Array.from(starts, (start) => {
        const place = indexAt(one, start);
        return Number.isInteger(place) ? place : -1;
      });
    const places = { history: plan.history.map(placesOf), actual: placesOf(plan.actual) };
    known.set(one.start, places);
    return places;
  };
}

/** Readings at `places` into every `stride`-th cell from `first`. */
function fill(series: LoadSeries, places: Int32Array, quantity: Quantity, into: Int32Array, first: number, stride: number): void {
  for (let s = 0; s < places.length; s++) into[first + s * stride] = whAt(series, places[s]!, quantity);
}

const EXCLUDED = 1;
const EVENT_DAY = 2;
const isCall = (reason: string): boolean => reason === 'event' || reason === 'opt_out';

/** The days of the look-back that do not count for one meter, each with every reason, in a fixed order. */
function exclusionsOf(plan: Plan, family: Family, method: Method, series: LoadSeries, calendar: AreaCalendar): Exclusions {
  const { exclude, gaps } = family;
  const counted: Record<DayMark, boolean> = {
    event: exclude.eventDays,
    opt_out: exclude.optOut,
    outage: exclude.outage,
    other: true,
  };
  const found = new Map<CivilDay, string[]>();
  const { size } = series.marks;
  if (size + calendar.excluded.size === 0 && !exclude.holidays && !exclude.missingShare && gaps.estimatedSlots === null)
    return found;
  const looksAtReadings = exclude.missingShare || (gaps.estimatedSlots !== null && series.quality);
  plan.days.forEach((day, d) => {
    const [name, marks] = [calendar.excluded.get(day), series.marks.get(day)];
    const holiday = exclude.holidays && calendar.holidays.has(day);
    if (name === undefined && marks === undefined && !holiday && !looksAtReadings) return;
    const reasons: string[] = [
      ...(name === undefined ? [] : [`calendar:${name}`]),
      ...(holiday ? ['holiday'] : []),
      ...(marks ?? []).filter((mark) => counted[mark]),
    ];
    if (exclude.missingShare) {
      const all = plan.whole[d]!;
      const missing = all.filter((start) => whAt(series, indexAt(series, start), method.quantity) === MISSING).length;
      if (missing * exclude.missingShare.den > exclude.missingShare.num * all.length) reasons.push('missing');
    }
    if (gaps.estimatedSlots !== null && series.quality) {
      const { quality } = series;
      const guessed = plan.history[d]!.filter((start) => quality[indexAt(series, start)] === ESTIMATED).length;
      if (guessed > gaps.estimatedSlots) reasons.push('estimated');
    }
    if (reasons.length > 0) found.set(day, reasons);
  });
  return found;
}

/** Of a day's temperatures at most an eighth may be unknown. */
const UNKNOWN_SHARE = 8;

/** The day's highest or mean temperature in thousandths of a degree; null when too much of the day is unknown. */
function dayTemperature(series: LoadSeries, day: CivilDay, statistic: Family['temperature'], zone: ZoneDays): number | null {
  const { temperature, minutes } = series;
  if (!temperature) return null;
  const start = zone.startOf(day);
  const slots = (zone.startOf(zone.plus(day, 1)) - start) / (minutes * MINUTE);
  const first = indexAt(series, start);
  const known: number[] = [];
  for (let slot = 0; slot < slots; slot++) {
    const degrees = temperature[first + slot];
    if (degrees !== undefined && Number.isFinite(degrees) && Math.abs(degrees) < 200) known.push(degrees);
  }
  if (known.length === 0 || (slots - known.length) * UNKNOWN_SHARE > slots) return null;
  const value = statistic === 'max' ? known.reduce((a, b) => Math.max(a, b)) : known.reduce((a, b) => a + b) / known.length;
  return Math.round(value * 1000);
}

/** All meters as one lane, and which of them had to be left out. */
export type Summed = { readonly input: FamilyInput; readonly leftOut: readonly number[] };

/**
 * The load of many as one load. Who lacks an interval of the event day, or has fewer whole days than the method asks for, is left out; of
 * the others every interval is the sum of all, missing when one is missing, and a day counts when it counts for all. Throws RangeError when
 * a sum is no reading the core can hold.
 */
export function summed(input: FamilyInput): Summed {
  const { meters, days, eventSlots, windowSlots, rankSlots, spec } = input;
  const slots = eventSlots + windowSlots + rankSlots;
  const whole = (column: Int32Array, row: number, m: number) => {
    for (let s = 0; s < slots; s++) if (column[(row * slots + s) * meters + m] === MISSING) return false;
    return true;
  };
  const serves = (m: number) => {
    const counting = Array.from({ length: days }, (_, d) => d).filter(
      (d) => input.excluded[d * meters + m] === 0 && whole(input.history, d, m),
    );
    return whole(input.actual, 0, m) && (input.family.source === 'same_day' || counting.length >= spec.minDays);
  };
  const kept = Array.from({ length: meters }, (_, m) => m).filter(serves);
  const sumOf = (column: Int32Array, cell: number): number => {
    let sum = 0;
    for (const m of kept) {
      const wh = column[cell * meters + m]!;
      if (wh === MISSING) return MISSING;
      sum += wh;
    }
    if (Math.abs(sum) >= 2 ** 31) throw new RangeError(`${sum} Wh of all meters together lie outside the core’s bound of 2^31`);
    return sum;
  };
  const excluded = Uint8Array.from({ length: days }, (_, d) =>
    kept.reduce((worst, m) => (worst === EXCLUDED ? worst : input.excluded[d * meters + m]! || worst), 0),
  );
  const none = kept.length === 0;
  return {
    input: {
      ...input,
      meters: 1,
      history: Int32Array.from({ length: days * slots }, (_, cell) => (none ? MISSING : sumOf(input.history, cell))),
      actual: Int32Array.from({ length: slots }, (_, cell) => (none ? MISSING : sumOf(input.actual, cell))),
      excluded,
      limit: Int32Array.of(MISSING),
    },
    leftOut: Array.from({ length: meters }, (_, m) => m).filter((m) => !kept.includes(m)),
  };
}
