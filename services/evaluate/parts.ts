import type { CivilDay, ZoneDays } from '../domain/zone.ts';
import { MISSING } from '../performance/kernel.ts';
import { indexAt, type LoadSeries, whAt } from '../performance/load-series.ts';
import type { Quantity } from '../performance/spec.ts';
import { quantile } from './chance.ts';
import type { Occasion } from './occasions.ts';

/** Some of the days, or of the homes, by their places. */
export type Places = { readonly name: string; readonly places: readonly number[] };
export type PartName = 'days' | 'season' | 'size' | 'category';

/** Days by kind and season, homes by thirds of their load and by category. Names carry a digit that orders them. */
export function partsOf(
  loads: readonly number[],
  categories: readonly string[],
  placebos: readonly Occasion[],
  zone: ZoneDays,
): Readonly<Record<PartName, readonly Places[]>> {
  const known = loads.filter((load) => !Number.isNaN(load));
  const [third, twoThirds] = [1 / 3, 2 / 3].map((share) => quantile(known, share) ?? 0);
  const sizes = loads.map((load) =>
    Number.isNaN(load) ? 'unknown' : load <= third! ? '1 small' : load <= twoThirds! ? '2 middle' : '3 large',
  );
  return {
    days: by(placebos.map(({ kind }) => (kind === 'event_like' ? EVENT_LIKE : '1 ordinary'))),
    season: by(placebos.map(({ day }) => seasonOf(day, zone))),
    size: by(sizes),
    category: categories.some((name) => name !== '') ? by(categories.map((name) => name || 'unknown')) : [],
  };
}

export const EVENT_LIKE = '2 event-like';

const by = (names: readonly string[]): Places[] =>
  [...new Set(names)].sort().map((name) => ({ name, places: names.flatMap((other, i) => (other === name ? [i] : [])) }));

/** Mean Wh an interval in the windows of its placebos: what a home is to this question; NaN without a reading there. */
export function meanLoad(one: LoadSeries, placebos: readonly Occasion[], quantity: Quantity): number {
  let [sum, read] = [0, 0];
  const step = one.minutes * 60_000;
  for (const { event, called } of placebos) {
    if (called?.has(one.meterId)) continue;
    for (let at = event.window.start; at < event.window.end; at += step) {
      const wh = whAt(one, indexAt(one, at), quantity);
      if (wh === MISSING) continue;
      sum += wh;
      read++;
    }
  }
  return read === 0 ? Number.NaN : sum / read;
}

/** India's seasons are those of its Meteorological Department; elsewhere quarters from December. */
function seasonOf(day: CivilDay, { zone }: ZoneDays): string {
  const month = Number(day.slice(5, 7));
  const india = zone === 'Asia/Kolkata' || zone === '+05:30';
  if (month === 12 || month <= 2) return '1 December–February';
  if (month <= 5) return '2 March–May';
  if (india) return month <= 9 ? '3 June–September (monsoon)' : '4 October–November';
  return month <= 8 ? '3 June–August' : '4 September–November';
}
