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

const FLUSH_BYTES = 64 * 1024 * 1024;

export function openVersions({ readings, log, discom, handOff, signer, now }: VersionsOf): Versions {
  const written: TileRow[] = [];
  let waiting: Version[] = [];
  let bytesWaiting = 0;
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
      if (bytesWaiting <= FLUSH_BYTES) return;
      await readings.keep(discom, waiting);
      log.info({ discom, tiles: written.length, day: place.day }, 'readings are being stored');
      waiting = [];
      bytesWaiting = 0;
    },
    kept: async () => {
      if (waiting.length > 0) await readings.keep(discom, waiting);
      return written;
    },
  };
}
