import { MINUTE } from '../domain/interval.ts';
import type { ZoneDays } from '../domain/zone.ts';
import { MISSING } from '../performance/kernel.ts';
import { ESTIMATED, indexAt, type LoadSeries, VALID } from '../performance/load-series.ts';
import { noRows, type Rows } from '../performance/series.ts';

/** Rows of whatever meter a file names: asked for one it does not know, it has a place for it. */
export class EveryMeter extends Map<string, Rows> {
  override get(meterId: string): Rows {
    const known = super.get(meterId);
    if (known) return known;
    const rows = noRows();
    this.set(meterId, rows);
    return rows;
  }
}

/** The interval most readings are apart, minutes; null where nothing repeats. */
export function commonMinutes(meters: Iterable<Rows>): number | null {
  const counts = new Map<number, number>();
  for (const { starts } of meters) {
    for (let i = 1; i < Math.min(starts.length, 2000); i++) {
      const apart = (starts[i]! - starts[i - 1]!) / 60_000;
      if (apart > 0 && apart <= 60) counts.set(apart, (counts.get(apart) ?? 0) + 1);
    }
  }
  const [most] = [...counts].sort((a, b) => b[1] - a[1] || a[0] - b[0]);
  return most && Number.isInteger(most[0]) && 1440 % most[0] === 0 ? most[0] : null;
}

/**
 * Readings put together into longer intervals from local midnight, as settlement looks at them: an interval that lacks one of its readings is
 * missing, one that has an estimated reading is estimated. `minutes` is a multiple of the series' own.
 */
export function inLonger(one: LoadSeries, minutes: number, zone: ZoneDays): LoadSeries {
  const step = minutes * MINUTE;
  const parts = minutes / one.minutes;
  const midnight = zone.startOf(zone.dayOf(one.start));
  const start = midnight + Math.floor((one.start - midnight) / step) * step;
  const first = indexAt(one, start);
  const count = Math.ceil((one.importWh.length - first) / parts);
  const joined = (column: Int32Array) =>
    Int32Array.from({ length: count }, (_, i) => {
      let sum = 0;
      for (let part = 0; part < parts; part++) {
        const wh = column[first + i * parts + part] ?? MISSING;
        if (wh === MISSING) return MISSING;
        sum += wh;
      }
      return sum;
    });
  const { quality } = one;
  const isEstimated = (i: number) =>
    quality!.subarray(Math.max(0, first + i * parts), first + (i + 1) * parts).includes(ESTIMATED);
  return {
    ...one,
    ...{ start, minutes, importWh: joined(one.importWh), exportWh: one.exportWh && joined(one.exportWh) },
    quality: quality && Uint8Array.from({ length: count }, (_, i) => (isEstimated(i) ? ESTIMATED : VALID)),
  };
}
