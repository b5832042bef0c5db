import { setImmediate as breath } from 'node:timers/promises';
import { grouped } from '../domain/grouped.ts';
import { hex } from '../domain/hex.ts';
import type { Instant } from '../domain/interval.ts';
import { state, type TileName } from '../domain/tile.ts';
import { sha256Hex } from '../host/ids.ts';
import { zoneDays } from '../host/zone.ts';
import { arrange, type Group, type TilePlace } from './arrange.ts';
import type { Crew } from './crew-service.ts';
import { absorb, type Findings } from './findings.ts';
import { groundFor } from './fold.ts';
import type { Delivery, Report } from './ingest-service.ts';
import type { KnownMeter } from './known.ts';
import type { DayLaid } from './lay.ts';
import { merge } from './merge.ts';
import type { ReadingStore } from './reading-store.ts';
import { dayRoot } from './root-service.ts';
import type { Rows } from './rows.ts';
import type { Sorted } from './sort-out.ts';
import type { StraightDay } from './spread.ts';
import { dayToLay } from './straight.ts';
import { dayBefore, daySums, type Surroundings } from './surroundings-service.ts';
import { encodeVersion } from './tile-version.ts';
import { LIMITS } from './vee.ts';
import type { Versions } from './versions-service.ts';

export type DaysToLay = {
  readonly readings: ReadingStore;
  readonly crew: Crew;
  readonly delivery: Delivery;
  readonly meters: readonly (KnownMeter | null)[];
  readonly sorted: Sorted;
  readonly world: Surroundings;
  readonly versions: Versions;
  readonly findings: Findings;
  readonly now: Instant;
  /** Counted up here. */
  readonly report: Report;
};

/** Validates a delivery, tile by tile in order, and makes what is new of each a version. */
export async function layDays(of: DaysToLay): Promise<void> {
  const { crew, sorted, versions, report, findings } = of;
  const { days, rows, groups, slot } = sorted;
  const underway = new Map<StraightDay, Promise<DayLaid | null>>();
  // A delivery over many tiles is seconds of work, and small days are laid here: other calls, pings and leases do not wait for all of it.
  for (const [i, day] of days.entries()) {
    await breath();
    // Each hand has its next day waiting; more would only take memory.
    for (const next of days.slice(i, i + 2 * crew.hands)) {
      if (underway.has(next)) continue;
      const laid = laidStraight(of, next);
      laid.catch(() => {}); // awaited in its turn, unless one before it fails
      underway.set(next, laid);
    }
    const laid = await underway.get(day)!;
    underway.delete(day);
    if (laid === null) {
      const { rows: own, ...arranged } = rowsOfDay(of, day);
      for (const [place, ofPlace] of grouped(arranged.groups, (group) => group.place))
        await layGroups(of, place, { rows: own, groups: ofPlace, slot: arranged.slot });
      continue;
    }
    report.stored += laid.stored;
    report.unchanged += laid.unchanged;
    report.suspect += laid.suspect;
    report.rejected += laid.refused;
    absorb(findings, laid.found);
    const { bytes, digest, merkleRoot, stored } = laid;
    if (bytes === null) continue;
    const made = {
      version: 1,
      knownAt: day.knownAt,
      meters: of.world.members(day.place).count,
      delta: false,
      digest,
      merkleRoot,
    };
    await versions.add(day.place, { ...made, statements: stored, correction: false, bytes });
  }
  for (const [place, ofPlace] of grouped(groups, (group) => group.place)) {
    await breath();
    await layGroups(of, place, { rows, groups: ofPlace, slot });
  }
}

/** Null where the day has been written before, or a cell of it told twice, or it has zeros that a supply status may explain. */
async function laidStraight({ crew, delivery, meters, world }: DaysToLay, day: StraightDay): Promise<DayLaid | null> {
  const { place } = day;
  if (day.repeated || world.tiles(place).length > 0) return null;
  const laid = await crew.lay(dayToLay(day, world.members(place), daySums(delivery.rows, meters, place)));
  return laid.askedSupply && world.hasSupply ? null : laid;
}

/** The cells of one day, as the rows they were delivered as. */
function rowsOfDay({ delivery, meters, now, findings }: DaysToLay, day: StraightDay) {
  const { rows: named, knownAt } = delivery;
  const rows = { ...day.rows(), daySums: named.daySums };
  return { rows, ...arrange({ rows, meters, zoneDays, now, knownAt, findings }) };
}

type Told = { readonly rows: Rows; readonly groups: readonly Group[]; readonly slot: Uint16Array };

/** The general way: rows of one tile, known_at by known_at, over what was known then. */
async function layGroups(of: DaysToLay, place: TilePlace, { rows, groups, slot }: Told): Promise<void> {
  const { readings, delivery, meters, world, versions, findings, now, report } = of;
  const { members, count, ids } = world.members(place);
  const stored = world.tiles(place);
  const ordinalOf = Int32Array.from(meters, (meter) => meter?.ordinal ?? -1);
  const lowest = groups.reduce((least, { knownAt: at }) => Math.min(least, at), now);
  const ground = groundFor(stored, lowest);
  const day = await dayBefore(readings, delivery.discom, ground.rows, place, count);
  const sums = daySums(delivery.rows, meters, place);
  const explained = (ordinal: number, at: number): boolean => world.explained(place, ordinal, at);
  for (const group of groups) {
    if (group.knownAt < ground.floor) {
      report.rejected += group.rows.length;
      tooLate(group, rows, ground.floor, findings);
      continue;
    }
    const isFirst = day.advanceTo(group.knownAt);
    const known = { live: day.columns, members, daySums: sums, explained, limits: LIMITS, findings };
    const { statements, ...merged } = merge({ rows, group, slot, ordinalOf, ...known });
    report.stored += merged.stored;
    report.unchanged += merged.unchanged;
    report.suspect += merged.suspect;
    report.rejected += merged.refused;
    if (merged.stored === 0) continue;
    const version = stored.reduce((most, row) => Math.max(most, row.version), day.made) + 1;
    day.made = version;
    const { knownAt } = group;
    const name: TileName = { ...place, meters: count, version, knownAt };
    const { bytes, delta } = encodeVersion(name, statements, isFirst);
    const { slot: slots, ordinal, importWh, exportWh, quality } = statements;
    for (let i = 0; i < slots.length; i++)
      state(day.columns, slots[i]! * count + ordinal[i]!, importWh[i]!, exportWh[i]!, quality[i]!);
    const digest = sha256Hex(bytes);
    const merkleRoot = hex(dayRoot(place, day.columns, ids));
    const said = { statements: merged.stored, correction: merged.correction, bytes };
    await versions.add(place, { version, knownAt, meters: count, delta, digest, merkleRoot, ...said });
  }
}

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
