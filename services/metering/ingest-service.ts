import { createHash } from 'node:crypto';
import { setImmediate as breath } from 'node:timers/promises';
import { grouped } from '../domain/grouped.ts';
import { contains, type Instant } from '../domain/interval.ts';
import { applyTile, type DayColumns, emptyColumns, state, type Tile, type TileName } from '../domain/tile.ts';
import { type Command, once } from '../host/command.ts';
import { killPoint } from '../host/faults.ts';
import { sha256, sha256Hex } from '../host/ids.ts';
import type { Deps, Tx } from '../host/room.ts';
import { zoneDays } from '../host/zone.ts';
import { arrange, type Group, type TilePlace } from './arrange.ts';
import { voidFolds } from './compaction-store.ts';
import { FINDINGS_KEPT, type FindingRow, type Findings, noFindings } from './findings.ts';
import { groundFor } from './fold.ts';
import { type KnownMeter, stateAt } from './known.ts';
import { type Member, merge } from './merge.ts';
import { areasOf, connectionsNamed, metersNamed, metersOfShard } from './places-store.ts';
import type { ReadingStore, Version } from './reading-store.ts';
import type { Rows } from './rows.ts';
import { addTiles, holdReadings, placeOf, supplyWithin, type TileRow, tilePath, tilesOf } from './store.ts';
import { areaPath, supplyOf } from './supply.ts';
import { encodeVersion, tileRoot } from './tile-version.ts';
import { LIMITS } from './vee.ts';

/** The outcome of a delivery, as it is remembered under its command id: plain JSON. */
export type Report = {
  rows: number;
  stored: number;
  unchanged: number;
  rejected: number;
  suspect: number;
  findings: FindingRow[];
  counts: Record<string, number>;
  meters: number;
  days: string[];
};
export type Delivery = {
  readonly discom: string;
  /** Null: not remembered; a repeat finds everything unchanged. */
  readonly command: Command | null;
  /** File or stream it came by, and the subject that delivered it. */
  readonly handOff: string;
  readonly signer: string;
  /** Only meters without a source, or with this one; null = all. */
  readonly source: string | null;
  /** For rows without their own. */
  readonly knownAt: Instant;
  readonly rows: Rows;
  readonly lines: number;
  /** Lines that could not be read as a row; `findings` says why. */
  readonly refused: number;
  readonly findings: Findings;
};

/** What a delivery came to; `repeated`: it had come before, under the same command. */
export type Taken = { readonly report: Report; readonly repeated: boolean };

const FLUSH_BYTES = 64 * 1024 * 1024;

/**
 * Validates a delivery against what is known and stores one version per touched tile: on record first, then their rows, facts and the
 * remembered outcome in one transaction. Nothing is stored when it throws; the same command gives the first report again.
 */
export async function ingest(deps: Deps, readings: ReadingStore, delivery: Delivery): Promise<Taken> {
  const { clock, database, log } = deps;
  const { discom, rows, knownAt, lines } = delivery;
  const started = performance.now();
  const known = await metersNamed(database, discom, rows.meterIds);
  const meters = rows.meterIds.map((id) => {
    const meter = known.get(id);
    return meter && (delivery.source === null || meter.source === '' || meter.source === delivery.source) ? meter : null;
  });
  const now = clock.now();
  const { groups, slot, refused } = arrange({ rows, meters, zoneDays, now, knownAt, findings: delivery.findings });
  const { command } = delivery;
  const { outcome, repeated } = await database.tx((tx) => {
    const work = async (): Promise<Report> => {
      readings.ready();
      await holdReadings(tx, discom);
      const findings = copyOf(delivery.findings);
      const report: Report = {
        rows: lines,
        stored: 0,
        unchanged: 0,
        rejected: refused + delivery.refused,
        suspect: 0,
        findings: [],
        counts: {},
        meters: 0,
        days: [],
      };
      const world = await surroundings(tx, discom, groups, now);
      const written: TileRow[] = [];
      let waiting: Version[] = [];
      let bytesWaiting = 0;
      const ordinalOf = Int32Array.from(meters, (meter) => meter?.ordinal ?? -1);
      for (const [place, ofPlace] of byPlace(groups)) {
        // A delivery over many tiles is seconds of work: other calls, pings and leases do not wait for all of it.
        await breath();
        const { members, count, ids } = world.shard(place);
        const stored = world.tiles(place);
        const lowest = ofPlace.reduce((least, { knownAt: at }) => Math.min(least, at), now);
        const ground = groundFor(stored, lowest);
        const day = await dayBefore(readings, discom, ground.rows, place, count);
        const sums = daySums(rows, meters, place);
        for (const group of ofPlace) {
          if (group.knownAt < ground.floor) {
            report.rejected += group.rows.length;
            tooLate(group, rows, ground.floor, findings);
            continue;
          }
          const isFirst = day.advanceTo(group.knownAt);
          const explained = (ordinal: number, at: number): boolean => world.explained(place, ordinal, at);
          const merged = merge({
            rows,
            group,
            slot,
            ordinalOf,
            live: day.columns,
            members,
            daySums: sums,
            explained,
            limits: LIMITS,
            findings,
          });
          report.stored += merged.stored;
          report.unchanged += merged.unchanged;
          report.suspect += merged.suspect;
          report.rejected += merged.refused;
          if (merged.stored === 0) continue;
          const version = stored.reduce((most, row) => Math.max(most, row.version), day.made) + 1;
          day.made = version;
          const name: TileName = { ...place, meters: count, version, knownAt: group.knownAt };
          const { bytes, delta } = encodeVersion(name, merged.statements, isFirst);
          const { statements } = merged;
          for (let i = 0; i < statements.slot.length; i++)
            state(
              day.columns,
              statements.slot[i]! * count + statements.ordinal[i]!,
              statements.importWh[i]!,
              statements.exportWh[i]!,
              statements.quality[i]!,
            );
          const digest = sha256Hex(bytes);
          const path = tilePath(discom, { ...place, version, digest });
          const row: TileRow = {
            ...place,
            version,
            knownAt: group.knownAt,
            meters: count,
            delta,
            path,
            digest,
            merkleRoot: Buffer.from(tileRoot(place, day.columns, ids, sha256)).toString('hex'),
            statements: merged.stored,
            correction: merged.correction,
            handOff: delivery.handOff,
            signer: delivery.signer,
            receivedAt: now,
            ...{ fold: false, voided: false, removedAt: null, namedAt: null },
          };
          written.push(row);
          waiting.push({ row, bytes });
          bytesWaiting += bytes.length;
          if (bytesWaiting > FLUSH_BYTES) {
            await readings.keep(discom, waiting);
            log.info({ discom, tiles: written.length, day: place.day }, 'readings are being stored');
            waiting = [];
            bytesWaiting = 0;
          }
        }
      }
      if (waiting.length > 0) await readings.keep(discom, waiting);
      killPoint('metering.before_commit');
      if (written.length > 0) await addTiles(tx, discom, written);
      // A version known before a fold is not in it: what the fold stands for is read again instead.
      if (written.length > 0) await voidFolds(tx, discom, written);
      for (const tile of written) await publishTile(deps, tx, discom, tile);
      report.findings = findings.first;
      report.counts = Object.fromEntries(findings.counts);
      report.meters = new Set(meters.filter((meter) => meter !== null).map((meter) => meter.meterId)).size;
      report.days = [...new Set(groups.map(({ place }) => place.day))].sort();
      return report;
    };
    return command === null ? work().then((outcome) => ({ outcome, repeated: false })) : once(tx, command, work);
  });
  killPoint('metering.after_commit');
  const { stored, unchanged, rejected, suspect } = outcome;
  log.info(
    { discom, rows: lines, stored, unchanged, rejected, suspect, repeated, ms: Math.round(performance.now() - started) },
    'readings stored',
  );
  return { report: outcome, repeated };
}

export const hashing = (): { add(bytes: Uint8Array): void; hex(): string } => {
  const hash = createHash('sha256');
  return { add: (bytes) => void hash.update(bytes), hex: () => hash.digest('hex') };
};

function tooLate(group: Group, rows: Rows, floor: Instant, findings: Findings): void {
  const since = Number.isFinite(floor) ? `as it was known before ${new Date(floor).toISOString()}` : 'of that day';
  for (const row of group.rows)
    findings.add(
      rows.line[row]!,
      'known_at',
      'too_late',
      () => `what was kept ${since} has been let go, so this cannot be laid under it`,
    );
}

async function publishTile(deps: Deps, tx: Tx, discom: string, tile: TileRow): Promise<void> {
  const value = {
    shard: tile.shard,
    day: tile.day,
    version: tile.version,
    knownAtMs: BigInt(tile.knownAt),
    meters: tile.meters,
    values: BigInt(tile.statements),
    correction: tile.correction,
    source: tile.signer,
  };
  await deps.facts.publish(tx, {
    discom,
    key: `${tile.shard}/${tile.day}`,
    body: { case: 'readingsReceived', value: { $typeName: 'lachak.v1.ReadingsReceived', ...value } },
  });
}

/** Everything the rules look at, read once for the whole delivery. */
async function surroundings(tx: Tx, discom: string, groups: readonly Group[], now: Instant) {
  const shards = [...new Set(groups.map(({ place }) => place.shard))];
  const days = [...new Set(groups.map(({ place }) => place.day))];
  const ofShard = new Map<number, KnownMeter[]>();
  for (const shard of shards) ofShard.set(shard, await metersOfShard(tx, discom, shard));
  const all = [...ofShard.values()].flat();
  const connections = await connectionsNamed(tx, discom, [
    ...new Set(all.flatMap((meter) => meter.links.map((link) => link.connectionId))),
  ]);
  const stored = groups.length === 0 ? [] : await tilesOf(tx, discom, { days, shards, asOf: null });
  const storedAt = grouped(stored, placeOf);
  const starts = groups.map(({ place }) => place.dayStart);
  const span = {
    start: starts.reduce((a, b) => Math.min(a, b), now),
    end: starts.reduce((a, b) => Math.max(a, b), 0) + 90_000_000,
  };
  const supply = await supplyWithin(tx, discom, span.start, span.end, now);
  const areas = supply.length > 0 ? await areasOf(tx, discom) : new Map();
  const connectionAt = (meter: KnownMeter, at: Instant) => connections.get(stateAt(meter.links, at)?.connectionId ?? '') ?? [];
  const byOrdinal = new Map([...ofShard].map(([shard, meters]) => [shard, inOrder(meters)]));
  return {
    shard: (place: TilePlace) => {
      const meters = byOrdinal.get(place.shard) ?? [];
      const own = meters.map((meter) =>
        meter?.zone === place.zone && meter.intervalMinutes === place.intervalMinutes ? meter : undefined,
      );
      const members = own.map((meter): Member | undefined => {
        if (!meter) return undefined;
        const connection = stateAt(connectionAt(meter, place.dayStart), place.dayStart);
        const areaId = meter.parentMeterId === '' ? (connection?.areaId ?? '') : '';
        return { meterId: meter.meterId, sanctionedLoadW: connection?.sanctionedLoadW ?? 0, areaId };
      });
      return { members, count: meters.length, ids: own.map((meter) => meter?.meterId) };
    },
    tiles: (place: TilePlace): readonly TileRow[] => storedAt.get(placeOf(place)) ?? [],
    explained: (place: TilePlace, ordinal: number, slot: number): boolean => {
      const meter = byOrdinal.get(place.shard)?.[ordinal];
      if (!meter || supply.length === 0) return false;
      const start = place.dayStart + slot * place.intervalMinutes * 60_000;
      const connection = connectionAt(meter, start);
      const window = { start, end: start + place.intervalMinutes * 60_000 };
      const id = connection[0]?.connectionId ?? '';
      return supplyOf(supply, (at) => areaPath(connection, areas, at), id, window).some(({ state: of }) => of !== 'UNKNOWN');
    },
  };
}

function inOrder(meters: readonly KnownMeter[]): (KnownMeter | undefined)[] {
  const sparse: (KnownMeter | undefined)[] = [];
  for (const meter of meters) sparse[meter.ordinal] = meter;
  return Array.from(sparse);
}

/** What is stored of one day, laid version by version as the groups' known_at go up. */
async function dayBefore(readings: ReadingStore, discom: string, stored: readonly TileRow[], place: TilePlace, meters: number) {
  const tiles: Tile[] = [];
  for (const row of stored) tiles.push(await readings.read(discom, row));
  const columns: DayColumns = emptyColumns(place.slots, meters);
  let laid = 0;
  return {
    columns,
    made: 0,
    /** True when nothing lies below: the version to come is the first of its day. */
    advanceTo(knownAt: Instant): boolean {
      for (; laid < tiles.length && tiles[laid]!.header.knownAt <= knownAt; laid++) applyTile(columns, tiles[laid]!);
      return laid === 0 && this.made === 0;
    },
  };
}

function daySums(rows: Rows, meters: readonly (KnownMeter | null)[], place: TilePlace): Map<number, number> {
  const span = { start: place.dayStart, end: place.dayStart + place.slots * place.intervalMinutes * 60_000 };
  const found = new Map<number, number>();
  for (const { meter, start, wh } of rows.daySums) {
    const known = meters[meter];
    if (known && known.shard === place.shard && contains(span, start))
      found.set(known.ordinal, wh * (stateAt(known.links, start)?.factor ?? 1));
  }
  return found;
}

function byPlace(groups: readonly Group[]): Map<TilePlace, Group[]> {
  return grouped(groups, (group) => group.place);
}

// A transaction may be tried again: each try counts from what was found before it.
function copyOf(findings: Findings): Findings {
  const copy = noFindings();
  copy.first.push(...findings.first.slice(0, FINDINGS_KEPT));
  for (const [code, count] of findings.counts) copy.counts.set(code, count);
  return copy;
}
