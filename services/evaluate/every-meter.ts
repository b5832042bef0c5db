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
