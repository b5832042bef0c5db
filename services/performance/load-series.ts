import { type Instant, MINUTE } from '../domain/interval.ts';
import { invalid } from '../domain/outcome.ts';
import type { CivilDay } from '../domain/zone.ts';
import type { ChargingSession } from './charging.ts';
import { MISSING } from './kernel.ts';
import type { Series } from './series.ts';
import type { Quantity } from './spec.ts';

/** Qualities that methods look at, as readings carry them. */
export const VALID = 1;
export const ESTIMATED = 2;

/** Why a day of one meter is marked. Which marks exclude a day is the method's to say. */
export type DayMark = 'event' | 'opt_out' | 'outage' | 'other';

/** One meter on an even grid: interval i is [start + i·minutes, start + (i+1)·minutes). Columns have one length. */
export type LoadSeries = {
  readonly meterId: string;
  readonly start: Instant;
  readonly minutes: number;
  /** Wh; MISSING where there is no reading: a gap is never a zero. */
  readonly importWh: Int32Array;
  /** Wh; null = the meter has no such register, and net is import. */
  readonly exportWh: Int32Array | null;
  /** Quality per interval as readings carry it (2 = ESTIMATED); null = all valid. */
  readonly quality: Uint8Array | null;
  /** Outdoor °C of each interval (or °F, where `temperatureUnit` says so), NaN where unknown; null = no temperature. */
  readonly temperature: Float64Array | null;
  readonly temperatureUnit?: 'C' | 'F';
  /** Days that differ for this meter. */
  readonly marks: ReadonlyMap<CivilDay, readonly DayMark[]>;
  /** Power the connection or device cannot pass, W; null = unknown. */
  readonly connectedLoadW: number | null;
  /** Of a charge point: every session known, earlier ones too; null or absent = not told. */
  readonly sessions?: readonly ChargingSession[] | null;
};

/** Wh of interval `index`, or MISSING; outside the series, and between its intervals, everything is missing. */
export function whAt(series: LoadSeries, index: number, quantity: Quantity): number {
  const taken = series.importWh[index]; // undefined outside, off the grid and at NaN
  if (taken === undefined) return MISSING;
  if (quantity === 'import' || (quantity === 'net' && series.exportWh === null)) return taken;
  const given = series.exportWh === null ? MISSING : series.exportWh[index]!;
  if (quantity === 'export') return given;
  return taken === MISSING || given === MISSING ? MISSING : taken - given;
}

/** Where the interval that starts at `at` lies; no whole number when none does. */
export const indexAt = ({ start, minutes }: LoadSeries, at: Instant): number => (at - start) / (minutes * MINUTE);

/** Thirty years of quarter hours. */
const LONGEST = 2 ** 20;

/** Readings at any instants laid on a grid of `minutes`; those off the grid of the first one are not there. Throws Refusal when they span decades. */
export function loadSeries(meterId: string, { starts, importWh, exportWh, estimated }: Series, minutes: number): LoadSeries {
  const step = minutes * MINUTE;
  const start = starts[0] ?? 0; // a zone half an hour beside UTC has its own grid
  const count = starts.length === 0 ? 0 : Math.floor((starts.at(-1)! - start) / step) + 1;
  if (count > LONGEST)
    throw invalid(
      'readings_too_long',
      `the readings of meter ${meterId} span ${count} intervals: an instant among them must be wrong`,
    );
  const columns = [importWh, exportWh].map((from) => {
    const into = new Int32Array(count).fill(MISSING);
    starts.forEach((at, row) => {
      const index = (at - start) / step;
      if (Number.isInteger(index)) into[index] = from[row]!;
    });
    return into;
  });
  return {
    ...{ meterId, start, minutes, importWh: columns[0]! },
    exportWh: columns[1]!.some((wh) => wh !== MISSING) ? columns[1]! : null,
    quality: estimated ? Uint8Array.from(columns[0]!, (_, i) => (estimated.has(start + i * step) ? ESTIMATED : VALID)) : null,
    ...{ temperature: null, marks: new Map(), connectedLoadW: null },
  };
}
