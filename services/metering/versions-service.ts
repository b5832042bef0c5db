import type { Logger } from 'pino';
import type { Instant } from '../domain/interval.ts';
import type { TilePlace } from './arrange.ts';
import type { ReadingStore, Version } from './reading-store.ts';
import { type TileRow, tilePath } from './store.ts';

/** The versions of one delivery on their way to the record. */
export type Versions = {
  add(place: TilePlace, made: Made): Promise<void>;
  /** All that were added, once they are on record. */
  kept(): Promise<readonly TileRow[]>;
  /** When nothing is being written any more, also of a delivery that failed: it may be tried again at once, under the same names. */
  still(): Promise<void>;
};
export type Made = Pick<
  TileRow,
  'version' | 'knownAt' | 'meters' | 'delta' | 'digest' | 'merkleRoot' | 'statements' | 'correction'
> & {
  readonly bytes: Uint8Array;
};
export type VersionsOf = {
  readonly readings: ReadingStore;
  readonly log: Logger;
  readonly discom: string;
  readonly handOff: string;
  readonly signer: string;
  readonly now: Instant;
};

/** So much is worth a write of its own, while the next days are laid. */
const BATCH_BYTES = 2 * 1024 * 1024;
const TOLD_EVERY_BYTES = 64 * 1024 * 1024;

export function openVersions({ readings, log, discom, handOff, signer, now }: VersionsOf): Versions {
  const written: TileRow[] = [];
  let waiting: Version[] = [];
  let bytesWaiting = 0;
  let bytesSince = 0;
  let underway: Promise<void> = Promise.resolve();
  /** One batch after the other: what waits behind it is bounded by whoever adds waiting too. */
  const keep = async (): Promise<void> => {
    const batch = waiting;
    waiting = [];
    bytesWaiting = 0;
    await underway;
    if (batch.length === 0) return;
    underway = readings.keep(discom, batch);
    underway.catch(() => {}); // awaited in its turn
  };
  return {
    add: async (place, { bytes, ...made }) => {
      const row: TileRow = {
        ...place,
        ...made,
        path: tilePath(discom, { ...place, ...made }),
        ...{ handOff, signer, receivedAt: now, fold: false, voided: false, removedAt: null, namedAt: null },
      };
      written.push(row);
      waiting.push({ row, bytes });
      bytesWaiting += bytes.length;
      bytesSince += bytes.length;
      if (bytesWaiting > BATCH_BYTES) await keep();
      if (bytesSince <= TOLD_EVERY_BYTES) return;
      log.info({ discom, tiles: written.length, day: place.day }, 'readings are being stored');
      bytesSince = 0;
    },
    kept: async () => {
      await keep();
      await underway;
      return written;
    },
    still: () => underway.catch(() => {}),
  };
}
