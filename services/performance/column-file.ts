import { closeSync, fstatSync, openSync, readSync } from 'node:fs';
import { resolve, sep } from 'node:path';
import { decodeTile, MISSING, type Statements } from '../domain/tile.ts';
import {
  columnOffset,
  decodeHeader,
  sectionCount,
  sectionsOf,
  TILE_HEADER_BYTES,
  TileError,
  type TileHeader,
  type TileRegister,
} from '../domain/tile-layout.ts';
import { CHECKSUMS } from '../host/checksums.ts';
import type { ColumnSums } from './column-sums.ts';

/** What metering says of one version: where it lies below the folder of tiles, and what it must be. */
export type VersionName = {
  readonly path: string;
  readonly shard: number;
  readonly day: string;
  readonly version: number;
};
export type Column = Int16Array | Int32Array;

/**
 * One shard on one civil day as its versions leave it, in columns [slot][ordinal] that are fetched when asked for. The lowest value of a
 * column's type is the sentinel for missing.
 */
export type DayFile = {
  readonly header: Pick<TileHeader, 'shard' | 'day' | 'dayStart' | 'intervalMinutes' | 'slots'>;
  /** The most that any version has; an ordinal beyond it has no reading. */
  readonly meters: number;
  /** 2 when every value of the day fits i16: then both kinds of column may be asked for, else only i32. */
  readonly width: 2 | 4;
  /**
   * Wh of the slots [from, to) into `into`, which holds (to − from) × `meters` values and may lie in the core's memory: one read of the
   * file, no copy. A column is held against its checksum the first time this process fetches it.
   */
  read(register: TileRegister, from: number, to: number, into: Column): void;
  /** Every cell of the slots [from, to) that has a reading whose quality is not VALID. */
  doubts(from: number, to: number, say: (slot: number, ordinal: number, quality: number) => void): void;
};
export type DayFiles = {
  /** `versions`: those of one shard and day in (known_at, version) order, at least one. Throws TileError naming the one that is torn. */
  open(versions: readonly VersionName[]): DayFile;
  /** Closes all files. */
  close(): void;
};

/** An open version: of a base its columns stay in the file. */
type OpenTile = {
  readonly path: string;
  readonly fd: number;
  readonly header: TileHeader;
  readonly table: Uint32Array;
  /** By section: 1 = held against its checksum. */
  readonly checked: Uint8Array;
  /** Found torn: it is opened anew next time, for it may have been made again. */
  damaged: boolean;
  /** In (slot, ordinal) order; of a base the qualities that are not VALID, with MISSING values. */
  readonly statements: Statements;
};

const OPEN_MOST = 4096;
const MISSING_16 = -32768;
const VALID = 1;
const REJECTED = 5;

/** When a column is held against its checksum: the first time this process fetches it, or, to measure what that costs, always or never. */
export type Check = 'first' | 'always' | 'never';
type Checks = { readonly sums: ColumnSums; readonly check: Check };

/**
 * Versions never change: what was once opened and checked stays so. `sums`: the core's checksums, for columns that are read into its
 * memory; those read elsewhere are summed up here.
 */
export function openDays(root: string, sums: ColumnSums = () => null, check: Check = 'first'): DayFiles {
  const checks: Checks = { sums, check };
  const files = new Map<string, OpenTile>();
  const folder = resolve(root) + sep;
  const tileOf = (name: VersionName): OpenTile => {
    const known = files.get(name.path);
    files.delete(name.path);
    if (known?.damaged) closeSync(known.fd);
    else if (known) {
      // In again at the end: the oldest use is closed first.
      files.set(name.path, known);
      return known;
    }
    const path = resolve(root, name.path);
    if (!path.startsWith(folder)) throw new TileError(name.path, 'lies outside the tile folder');
    const opened = openTile(path, name);
    files.set(name.path, opened);
    return opened;
  };
  return {
    open: (versions) => {
      for (const { path, fd } of files.values()) {
        if (files.size + versions.length <= OPEN_MOST) break;
        closeSync(fd);
        files.delete(path);
      }
      return dayOf(versions.map(tileOf), checks);
    },
    close: () => {
      for (const { fd } of files.values()) closeSync(fd);
      files.clear();
    },
  };
}

function dayOf(tiles: readonly OpenTile[], checks: Checks): DayFile {
  const { shard, day, dayStart, intervalMinutes, slots } = tiles[0]!.header;
  const meters = tiles.reduce((most, { header }) => Math.max(most, header.meters), 0);
  const narrow = tiles.every(({ header, statements }) => (header.kind === 'base' ? header.width === 2 : isNarrow(statements)));
  const width = narrow ? 2 : 4;
  return {
    header: { shard, day, dayStart, intervalMinutes, slots },
    meters,
    width,
    read: (register, from, to, into) => {
      if (from < 0 || to > slots || from >= to || into.length !== (to - from) * meters)
        throw new RangeError(`slots ${from} to ${to} of ${slots}, ${meters} meters, into ${into.length} values`);
      if (into.BYTES_PER_ELEMENT < width) throw new RangeError(`${day} of shard ${shard} has values beyond i16`);
      tiles.forEach((tile, i) => {
        if (tile.header.kind === 'base') {
          if (i === 0 && tile.header.meters === meters) fetch(tile, register, from, to, into, checks);
          else overlay(tile, { register, from, to, into, meters, blank: i === 0 }, checks);
        } else if (i === 0) into.fill(sentinelOf(into));
        applyStatements(tile, { register, from, to, into, meters });
      });
    },
    doubts: (from, to, say) => {
      const found = new Map<number, number>();
      tiles.forEach((tile, i) => {
        const base = tile.header.kind === 'base';
        if (base && i > 0) forgetWhereSaid(tile, from, to, found, meters, checks);
        const { slot, ordinal, importWh, exportWh, quality } = tile.statements;
        for (let k = firstAt(slot, from); k < slot.length && slot[k]! < to; k++) {
          const at = slot[k]! * meters + ordinal[k]!;
          if (quality[k] === VALID || quality[k] === REJECTED) found.delete(at);
          else if (base || importWh[k] !== MISSING || exportWh[k] !== MISSING) found.set(at, quality[k]!);
        }
      });
      for (const [at, quality] of found) say(Math.floor(at / meters), at % meters, quality);
    },
  };
}

function openTile(path: string, name: VersionName): OpenTile {
  let fd: number;
  try {
    fd = openSync(path, 'r');
  } catch (error) {
    throw new TileError(name.path, `cannot be read: ${(error as Error).message}`);
  }
  try {
    const head = bytesAt(fd, 0, TILE_HEADER_BYTES);
    const header = decodeHeader(head, name.path);
    const { size } = fstatSync(fd);
    if (size !== header.length) throw new TileError(name.path, `torn: ${size} bytes of ${header.length}`);
    if (header.shard !== name.shard || header.day !== name.day || header.version !== name.version) {
      const is = `shard ${header.shard}, ${header.day}, version ${header.version}`;
      throw new TileError(name.path, `is ${is}: not the one named`);
    }
    const sections = sectionCount(header);
    if (header.kind === 'delta') {
      const { statements } = decodeTile(bytesAt(fd, 0, size), name.path, CHECKSUMS);
      return { path: name.path, fd, header, table: new Uint32Array(0), checked: new Uint8Array(0), damaged: false, statements };
    }
    const table = bytesAt(fd, TILE_HEADER_BYTES, 4 * sections);
    if (CHECKSUMS[header.format](table) !== new DataView(head.buffer).getUint32(68, true))
      throw new TileError(name.path, 'checksum of the table is wrong');
    const sums = new Uint32Array(table.buffer, table.byteOffset, sections);
    const [from, to] = sectionsOf(header, size).at(-1)!;
    const qualities = bytesAt(fd, from, to - from);
    if (CHECKSUMS[header.format](qualities) !== sums[sections - 1])
      throw new TileError(name.path, `checksum of section ${sections - 1} is wrong`);
    const statements = qualitiesOf(qualities);
    return { path: name.path, fd, header, table: sums, checked: new Uint8Array(sections), damaged: false, statements };
  } catch (error) {
    closeSync(fd);
    throw error;
  }
}

/** One contiguous read of a base's columns, widened in place where i32 is asked of i16. */
function fetch(tile: OpenTile, register: TileRegister, from: number, to: number, into: Column, checks: Checks): void {
  const { header, fd, path } = tile;
  if (register === 'export' && !header.hasExport) {
    into.fill(sentinelOf(into));
    return;
  }
  const length = (to - from) * header.meters * header.width;
  // i16 for i32: into the far half, so that widening from the front never treads on what is still to be widened.
  const bytes = new Uint8Array(into.buffer, into.byteOffset + into.byteLength - length, length);
  if (readSync(fd, bytes, 0, length, columnOffset(header, register, from)) !== length) {
    tile.damaged = true;
    throw new TileError(path, 'torn: it ends inside its columns');
  }
  if (checks.check !== 'never') checkColumns(tile, register, from, bytes, checks);
  if (into.BYTES_PER_ELEMENT === header.width) return;
  const narrow = new Int16Array(bytes.buffer, bytes.byteOffset, into.length);
  for (let i = 0; i < narrow.length; i++) into[i] = narrow[i] === MISSING_16 ? MISSING : narrow[i]!;
}

function checkColumns(tile: OpenTile, register: TileRegister, from: number, bytes: Uint8Array, { sums, check }: Checks): void {
  const { header, table, checked, path } = tile;
  const size = header.meters * header.width;
  const first = (register === 'export' ? header.slots : 0) + from;
  const end = first + bytes.length / size;
  if (check === 'first' && allSet(checked, first, end)) return;
  const found = header.format === 3 ? sums(bytes, size) : null;
  for (let i = 0; first + i < end; i++) {
    if (checked[first + i] === 1 && check === 'first') continue;
    const sum = found ? found[i] : CHECKSUMS[header.format](bytes.subarray(i * size, (i + 1) * size));
    if (sum !== table[first + i]) {
      tile.damaged = true;
      throw new TileError(path, `checksum of section ${first + i} is wrong`);
    }
    checked[first + i] = 1;
  }
}

function allSet(flags: Uint8Array, from: number, to: number): boolean {
  for (let i = from; i < to; i++) if (flags[i] !== 1) return false;
  return true;
}

type Target = { register: TileRegister; from: number; to: number; into: Column; meters: number };

/** A base of fewer meters, or one that lies over another: what it says replaces, what it does not say leaves. */
function overlay(tile: OpenTile, { register, from, to, into, meters, blank }: Target & { blank: boolean }, checks: Checks): void {
  const missing = sentinelOf(into);
  if (blank) into.fill(missing);
  const own = tile.header.meters;
  const said = into instanceof Int16Array ? new Int16Array((to - from) * own) : new Int32Array((to - from) * own);
  fetch(tile, register, from, to, said, checks);
  for (let slot = 0; slot < to - from; slot++)
    for (let ordinal = 0; ordinal < own; ordinal++) {
      const value = said[slot * own + ordinal]!;
      if (value !== missing) into[slot * meters + ordinal] = value;
    }
}

function applyStatements({ header, statements }: OpenTile, { register, from, to, into, meters }: Target): void {
  const missing = sentinelOf(into);
  const { slot, ordinal, quality } = statements;
  const values = register === 'import' ? statements.importWh : statements.exportWh;
  for (let k = firstAt(slot, from); k < slot.length && slot[k]! < to; k++) {
    const at = (slot[k]! - from) * meters + ordinal[k]!;
    if (quality[k] === REJECTED) into[at] = missing;
    else if (header.kind === 'delta' && values[k] !== MISSING) into[at] = values[k]!;
  }
}

/** A reading that a later base gives anew is VALID there unless its own qualities say otherwise. */
function forgetWhereSaid(
  tile: OpenTile,
  from: number,
  to: number,
  found: Map<number, number>,
  meters: number,
  checks: Checks,
): void {
  const own = tile.header.meters;
  for (const register of ['import', 'export'] as const) {
    const said = new Int32Array((to - from) * own);
    fetch(tile, register, from, to, said, checks);
    for (const at of found.keys()) {
      const [slot, ordinal] = [Math.floor(at / meters), at % meters];
      if (ordinal < own && said[(slot - from) * own + ordinal] !== MISSING) found.delete(at);
    }
  }
}

function bytesAt(fd: number, at: number, length: number): Uint8Array {
  const bytes = new Uint8Array(length);
  const got = readSync(fd, bytes, 0, length, at);
  return bytes.subarray(0, got);
}

function qualitiesOf(bytes: Uint8Array): Statements {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const count = bytes.length / 8;
  const found = {
    slot: new Uint16Array(count),
    ordinal: new Uint32Array(count),
    importWh: new Int32Array(count).fill(MISSING),
    exportWh: new Int32Array(count).fill(MISSING),
    quality: new Uint8Array(count),
  };
  for (let i = 0; i < count; i++) {
    found.slot[i] = view.getUint16(i * 8, true);
    found.quality[i] = view.getUint8(i * 8 + 2);
    found.ordinal[i] = view.getUint32(i * 8 + 4, true);
  }
  return found;
}

/** Where the first statement at or after a slot lies. */
function firstAt(slots: Uint16Array, slot: number): number {
  let [low, high] = [0, slots.length];
  while (low < high) {
    const middle = (low + high) >> 1;
    if (slots[middle]! < slot) low = middle + 1;
    else high = middle;
  }
  return low;
}

const isNarrow = ({ importWh, exportWh }: Statements): boolean =>
  [importWh, exportWh].every((values) => values.every((wh) => wh === MISSING || (wh > MISSING_16 && wh <= 32767)));
const sentinelOf = (into: Column): number => (into instanceof Int16Array ? MISSING_16 : MISSING);
