import type { Metering } from '../../gen/lachak/v1/metering_pb.ts';
import { grouped } from '../domain/grouped.ts';
import type { Instant } from '../domain/interval.ts';
import { invalid } from '../domain/outcome.ts';
import { encodeBase, foldTiles, type TileName } from '../domain/tile.ts';
import { killPoint } from '../host/faults.ts';
import { sha256Hex } from '../host/ids.ts';
import type { Deps, Handlers, Tx } from '../host/room.ts';
import { noteRemoved, setSpeakers, speakersOf } from './compaction-store.ts';
import { foldable, noteSpeakers, statementsIn, superseded } from './fold.ts';
import type { ReadingStore } from './reading-store.ts';
import { addTiles, holdReadings, placeOf, type TileRow, tilePath, tilesOf } from './store.ts';

const AT_LEAST = 8;
const TOLD_EVERY = 100;
const DAY = 86_400_000;

/** Fewer versions to read, and fewer to keep. Each tile is a transaction of its own: a kill leaves what was done, and nothing half done. */
export function compactionHandlers(
  deps: Deps,
  readings: ReadingStore,
): Pick<Handlers<typeof Metering>, 'compactReadings' | 'retainReadings'> {
  const { database, clock, log } = deps;
  return {
    compactReadings: async function* ({ days, atLeast, dryRun }, { discom, signal }) {
      const sums = { tiles: 0n, folded: 0n, versions: 0n };
      const question = { ...(days.length > 0 ? { days } : {}), asOf: null };
      const places = [...grouped(await tilesOf(database, discom, question), placeOf).values()];
      for (const { 0: first } of places) {
        signal.throwIfAborted();
        sums.tiles++;
        const made = await database.tx(async (tx) => {
          await holdReadings(tx, discom);
          const since = foldable(await versionsOf(tx, discom, first!), atLeast || AT_LEAST);
          if (since && !dryRun) await fold(tx, readings, discom, since, clock.now());
          return since?.length ?? 0;
        });
        if (made > 0) sums.folded++;
        sums.versions += BigInt(made);
        if (sums.tiles % BigInt(TOLD_EVERY) === 0n) yield sums;
      }
      log.info({ discom, folded: Number(sums.folded), versions: Number(sums.versions), dryRun }, 'readings compacted');
      yield sums;
    },
    retainReadings: async function* ({ keepDays, beforeDay, dryRun }, { discom, signal }) {
      if (keepDays < 1)
        throw invalid('keep_days_missing', 'say how many days to keep what was stored or named to a run', 'keep_days');
      if (beforeDay !== '' && !/^\d{4}-\d{2}-\d{2}$/.test(beforeDay))
        throw invalid('day_malformed', `before_day is "${beforeDay}"; it must be a day like 2026-05-09`, 'before_day');
      const now = clock.now();
      const sums = { tiles: 0n, letGo: 0n, keptForRuns: 0n };
      const places = [...grouped(await tilesOf(database, discom, { asOf: null }), placeOf).values()];
      for (const { 0: first } of places) {
        signal.throwIfAborted();
        sums.tiles++;
        const { gone, named } = await database.tx(async (tx) => {
          await holdReadings(tx, discom);
          const rows = await versionsOf(tx, discom, first!);
          const isOld = first!.day < beforeDay;
          const found = old(isOld ? rows.filter(({ removedAt }) => removedAt === null) : superseded(rows), now - keepDays * DAY);
          // A day goes as a whole or stays: a state of which a part is gone is none.
          const goes = isOld && (found.named > 0 || found.young > 0) ? [] : found.rows;
          if (goes.length > 0 && !dryRun) await noteRemoved(tx, discom, goes, now);
          return { gone: goes, named: found.named };
        });
        // The rows say so now: a kill here leaves files that the sweep at the next start takes for orphans.
        killPoint('metering.retained');
        if (gone.length > 0 && !dryRun) await readings.forget(discom, gone);
        sums.letGo += BigInt(gone.length);
        sums.keptForRuns += BigInt(named);
        if (sums.tiles % BigInt(TOLD_EVERY) === 0n) yield sums;
      }
      log.info({ discom, letGo: Number(sums.letGo), keptForRuns: Number(sums.keptForRuns), dryRun }, 'readings retained');
      yield sums;
    },
  };

  /** On record first, then its row: as a delivery. */
  async function fold(tx: Tx, store: ReadingStore, discom: string, since: readonly TileRow[], now: Instant): Promise<void> {
    const all = await versionsOf(tx, discom, since[0]!);
    const tiles = [];
    for (const row of since) tiles.push(await store.read(discom, row));
    const columns = foldTiles(tiles)!;
    const speakers = new Uint32Array(columns.meters);
    for (const [i, row] of since.entries()) {
      if (!row.fold) noteSpeakers(speakers, tiles[i]!);
      else speakers.set(wordsOf(await speakersOf(tx, discom, row)));
    }
    const last = since.at(-1)!;
    const version = all.reduce((most, row) => Math.max(most, row.version), 0) + 1;
    const { shard, day, intervalMinutes, dayStart, slots, knownAt } = last;
    const name: TileName = { shard, day, intervalMinutes, dayStart, slots, meters: columns.meters, version, knownAt };
    const bytes = encodeBase(name, columns);
    const digest = sha256Hex(bytes);
    const row: TileRow = {
      ...last,
      ...{ version, digest, meters: columns.meters, delta: false, fold: true, voided: false, removedAt: null, namedAt: null },
      ...{ path: tilePath(discom, { ...name, digest }), statements: statementsIn(columns), correction: false },
      ...{ handOff: 'compaction', signer: 'lachak', receivedAt: now },
    };
    await store.keep(discom, [{ row, bytes }]);
    killPoint('metering.before_fold');
    await addTiles(tx, discom, [row]);
    await setSpeakers(tx, discom, row, new Uint8Array(speakers.buffer));
  }
}

const versionsOf = (tx: Tx, discom: string, of: TileRow): Promise<TileRow[]> =>
  tilesOf(tx, discom, { days: [of.day], shards: [of.shard], asOf: null }).then((rows) =>
    rows.filter((row) => placeOf(row) === placeOf(of)),
  );

/** Of versions nothing new is read from: those stored and last named before an instant; how many are kept for runs or are too young. */
function old(rows: readonly TileRow[], before: Instant): { rows: TileRow[]; named: number; young: number } {
  const aged = rows.filter(({ receivedAt }) => receivedAt < before);
  const free = aged.filter(({ namedAt }) => namedAt === null || namedAt < before);
  return { rows: free, named: aged.length - free.length, young: rows.length - aged.length };
}

const wordsOf = (bytes: Buffer): Uint32Array => new Uint32Array(Uint8Array.from(bytes).buffer);
