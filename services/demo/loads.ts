import { between, random } from '../../devices/simulated/random.ts';
import { type Instant, iso } from '../domain/interval.ts';

export const SLOT_MS = 1_800_000;
export const MISSING = -2_147_483_648;

/** What meters would have read, had nobody done anything: Wh per half hour from `origin` (a local midnight), a row a home. */
export type Loads = { readonly origin: Instant; readonly slots: number; readonly wh: readonly Int32Array[] };

/**
 * A household without its air conditioner, Wh in a half hour: the night's standby, a morning and an evening, larger and smaller
 * homes, and a habit that wavers from half hour to half hour.
 */
export function householdWh(seed: number, home: string, day: number, slot: number): number {
  const hour = slot / 2;
  const bump = (at: number, width: number) => Math.exp(-(((hour - at) / width) ** 2));
  const watts = 110 + 190 * bump(7.5, 1.5) + 90 * bump(13, 2.5) + 340 * bump(20.5, 2.5);
  const size = between(0.6, 1.7, seed, 'size', home);
  const today = between(0.8, 1.2, seed, 'day', home, day);
  const now = 0.7 + 0.6 * random(seed, 'now', home, day, slot)();
  return Math.round((watts * size * today * now) / 2);
}

/** `meter_id,interval_start,import_wh,export_wh` of the slots [from, to), as chunks of text; a missing value has no row. */
export function* readingsCsv(loads: Loads, meterIds: readonly string[], from: number, to: number): Generator<string> {
  yield 'meter_id,interval_start,import_wh,export_wh\n';
  const stamps = Array.from({ length: to - from }, (_, i) => iso(loads.origin + (from + i) * SLOT_MS));
  for (const [home, meterId] of meterIds.entries()) {
    const rows: string[] = [];
    for (let slot = from; slot < to; slot++) {
      const wh = loads.wh[home]![slot]!;
      if (wh !== MISSING) rows.push(`${meterId},${stamps[slot - from]},${wh},\n`);
    }
    yield rows.join('');
  }
}
