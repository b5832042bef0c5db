import type { Instant } from '../domain/interval.ts';
import { invalid } from '../domain/outcome.ts';
import type { LoadSeries } from '../performance/load-series.ts';

/** What a list of meters says of one; null = not said. */
export type MeterFacts = {
  readonly category: string | null;
  readonly feederId: string | null;
  readonly sanctionedLoadW: number | null;
};

/** One home of the study: its net load on an even grid, with the weather where there is any. */
export type Home = MeterFacts & { readonly meterId: string; readonly series: LoadSeries };

/** A home that takes no part, and why. */
export type SetAside = { readonly meterId: string; readonly reason: string };

export const nothingSaid: MeterFacts = { category: null, feederId: null, sanctionedLoadW: null };

/** Interval lengths the study reads: they fill an hour, and a plateau of an hour shows in them. */
const LENGTHS = [1, 5, 10, 15, 20, 30, 60];

/** The commonest step between readings, minutes (of equals the shorter); null when it is not a length that fills an hour. */
export function minutesOf(starts: Float64Array): number | null {
  const seen = new Map<number, number>();
  for (let i = 1; i < starts.length; i++) {
    const step = (starts[i]! - starts[i - 1]!) / 60_000;
    seen.set(step, (seen.get(step) ?? 0) + 1);
  }
  const commonest = [...seen].sort((a, b) => b[1] - a[1] || a[0] - b[0])[0]?.[0];
  return commonest !== undefined && LENGTHS.includes(commonest) ? commonest : null;
}

/**
 * A list of meters as CSV: meter_id and any of category, feeder_id, sanctioned_load_w; other columns are not looked at.
 * Throws Refusal `meters_malformed` naming the line.
 */
export function readMeters(lines: readonly string[], name: string): Map<string, MeterFacts> {
  const wrong = (line: number, says: string) => invalid('meters_malformed', `${name}:${line}: ${says}`);
  const columns = (lines[0] ?? '')
    .replace(/^\uFEFF/, '')
    .split(',')
    .map((column) => column.trim());
  const at = (column: string) => columns.indexOf(column);
  if (at('meter_id') < 0) throw wrong(1, 'the header must have meter_id (and any of category, feeder_id, sanctioned_load_w)');
  const meters = new Map<string, MeterFacts>();
  for (const [index, line] of lines.entries()) {
    if (index === 0 || line === '') continue;
    const fields = line.split(',').map((field) => field.trim());
    if (line.includes('"')) throw wrong(index + 1, 'quoted fields are not read: take the quotes and the commas inside them away');
    if (fields.length !== columns.length) throw wrong(index + 1, `expected ${columns.length} fields, found ${fields.length}`);
    const field = (column: string) => fields[at(column)] || null;
    const meterId = field('meter_id');
    const load = field('sanctioned_load_w');
    if (meterId === null) throw wrong(index + 1, 'meter_id is empty');
    if (meters.has(meterId)) throw wrong(index + 1, `meter ${meterId} stands twice`);
    if (load !== null && !/^[1-9]\d{0,9}$/.test(load))
      throw wrong(index + 1, `sanctioned_load_w must be whole watts above 0, not ${load}`);
    meters.set(meterId, {
      ...{ category: field('category'), feederId: field('feeder_id') },
      sanctionedLoadW: load === null ? null : Number(load),
    });
  }
  return meters;
}

/** Where the last interval of the series ends. */
export const endOf = ({ start, minutes, importWh }: LoadSeries): Instant => start + importWh.length * minutes * 60_000;
