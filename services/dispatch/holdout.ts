import type { CivilDay } from '../domain/zone.ts';

/** SHA-256 in hex of UTF-8 text; the caller brings it, since this file only thinks. */
export type Hash = (text: string) => string;

/**
 * The seed of a draw: the same for all events of a programme within one rotation, so that nobody is asked again by chance and
 * everybody can redo the draw. `rotationDays` 0 = a new seed for every event.
 */
export function holdoutSeed(hash: Hash, programmeId: string, eventId: string, day: CivilDay, rotationDays: number): string {
  const round = rotationDays === 0 ? eventId : String(Math.floor(Date.parse(day) / 86_400_000 / rotationDays));
  return hash(`holdout\n${programmeId}\n${round}`);
}

/** True: this settlement point is measured but left alone. The first 48 bits of the hash against the share. */
export function inHoldout(hash: Hash, seed: string, settlementPointId: string, sharePpm: number): boolean {
  const drawn = BigInt(`0x${hash(`${seed}\n${settlementPointId}`).slice(0, 12)}`);
  return drawn * 1_000_000n < BigInt(sharePpm) << 48n;
}
