import { writeMeterDay } from '../domain/meter-day.ts';
import type { CivilDay } from '../domain/zone.ts';
import { sha256 } from '../host/ids.ts';
import type { MeterSlots } from './tile-version.ts';

/** The digest of one meter-day by its text, or null when the meter has no reading on it: a second opinion on what the core hashes in columns. */
export function meterDayDigest(
  day: { readonly day: CivilDay; readonly zone: string; readonly intervalMinutes: number },
  meterId: string,
  slots: MeterSlots,
): Uint8Array | null {
  if (slots.quality.every((quality) => quality === 0)) return null;
  return sha256(writeMeterDay({ meterId, day: day.day, zone: day.zone, intervalMinutes: day.intervalMinutes, ...slots }));
}
