import { crc32c } from './crc32c.ts';
import type { Instant } from './interval.ts';
import type { CivilDay } from './zone.ts';

/**
 * A tile holds what one version says about the readings of one shard on one civil day. Little-endian throughout:
 *
 *     0  8  magic "LACHTILE"           40 u32 slots of the day
 *     8 u16 format = 1                 44 u32 meters M: ordinals 0 … M−1
 *    10  u8 kind: 0 base, 1 delta      48 u32 version, from 1
 *    11  u8 width of a value: 2 or 4   52 u32 entries (base: qualities that are not VALID; delta: statements)
 *    12 u32 shard                      56 i64 known_at, ms UTC
 *    16 10  civil day, ASCII           64 u32 length of the whole file
 *    26  u8 1 = has an EXPORT plane    68 u32 CRC32C of the table
 *    27  u8 0                          72 20 bytes 0
 *    28 u32 interval, minutes          92 u32 CRC32C of bytes 0 … 91
 *    32 i64 start of the day, ms UTC   96 table: one CRC32C (u32) per section below, padded to 8 bytes
 *
 * Sections of a base: IMPORT columns [slot][ordinal], then EXPORT columns if any, each value i16 or i32 Wh with the lowest value as
 * sentinel for missing; then qualities {u16 slot, u8 quality, u8 0, u32 ordinal}. One section of a delta: statements
 * {u16 slot, u8 quality, u8 0, u32 ordinal, i32 import, i32 export}, in (slot, ordinal) order.
 *
 * Base and delta mean the same, a set of statements: a missing value says nothing about its register, except that quality REJECTED
 * withdraws the slot. Versions are laid over one another in (known_at, version) order, so a version may arrive late.
 */
export type TileHeader = {
  readonly kind: 'base' | 'delta';
  readonly shard: number;
  readonly day: CivilDay;
  readonly intervalMinutes: number;
  /** First instant of the day in the zone of its meters. */
  readonly dayStart: Instant;
  readonly slots: number;
  readonly meters: number;
  readonly version: number;
  readonly knownAt: Instant;
  readonly width: 2 | 4;
  readonly hasExport: boolean;
  readonly entries: number;
};
/** What the writer says; the rest of the header follows from the values. */
export type TileName = Omit<TileHeader, 'kind' | 'width' | 'hasExport' | 'entries'>;

/** One day of one shard: [slot × meters + ordinal]. Wh, MISSING where nothing is known; quality 0 where both registers are missing. */
export type DayColumns = {
  readonly slots: number;
  readonly meters: number;
  readonly importWh: Int32Array;
  readonly exportWh: Int32Array;
  readonly quality: Uint8Array;
};
/** Sparse statements, parallel arrays. */
export type Statements = {
  readonly slot: Uint16Array;
  readonly ordinal: Uint32Array;
  readonly importWh: Int32Array;
  readonly exportWh: Int32Array;
  readonly quality: Uint8Array;
};
export type TileRegister = 'import' | 'export';
export type Tile = {
  readonly header: TileHeader;
  /** One interval of a base: Wh by ordinal, MISSING where nothing is said. Throws on a delta. */
  column(register: TileRegister, slot: number): Int32Array;
  /** Every statement of a delta; of a base the qualities that are not VALID, with MISSING values. */
  readonly statements: Statements;
};

/** The sentinel of every i32 column here, on the wire and in memory. */
export const MISSING = -2147483648;
const MISSING_16 = -32768;
const MAGIC = 'LACHTILE';
const FORMAT = 1;
export const TILE_HEADER_BYTES = 96;
const VALID = 1;
const REJECTED = 5;

export class TileError extends Error {
  constructor(tile: string, why: string) {
    super(`tile ${tile}: ${why}`);
    this.name = 'TileError';
  }
}

export function emptyColumns(slots: number, meters: number): DayColumns {
  return {
    slots,
    meters,
    importWh: new Int32Array(slots * meters).fill(MISSING),
    exportWh: new Int32Array(slots * meters).fill(MISSING),
    quality: new Uint8Array(slots * meters),
  };
}

/** Full columns. A cell with quality REJECTED must have both values MISSING: it withdraws. Throws RangeError on shapes that differ. */
export function encodeBase(name: TileName, columns: DayColumns): Uint8Array {
  const cells = name.slots * name.meters;
  if (columns.slots !== name.slots || columns.meters !== name.meters || columns.quality.length !== cells)
    throw new RangeError('columns do not have the shape the tile names');
  const [imported, exported] = [extent(columns.importWh), extent(columns.exportWh)];
  const width = imported.narrow && exported.narrow ? 2 : 4;
  let entries = 0;
  for (let at = 0; at < cells; at++) if (columns.quality[at]! > VALID) entries++;
  const header: TileHeader = { ...name, kind: 'base', width, hasExport: exported.said, entries };
  const bytes = new Uint8Array(fileLength(header));
  const view = new DataView(bytes.buffer);
  for (const register of exported.said ? (['import', 'export'] as const) : (['import'] as const)) {
    const values = register === 'import' ? columns.importWh : columns.exportWh;
    const start = columnOffset(header, register, 0);
    if (width === 4) new Int32Array(bytes.buffer, start, cells).set(values);
    else narrow(values, new Int16Array(bytes.buffer, start, cells));
  }
  let offset = bytes.length - entries * 8;
  for (let at = 0; at < cells; at++) {
    const quality = columns.quality[at]!;
    if (quality <= VALID) continue;
    view.setUint16(offset, Math.floor(at / name.meters), true);
    view.setUint8(offset + 2, quality);
    view.setUint32(offset + 4, at % name.meters, true);
    offset += 8;
  }
  return sealed(header, bytes);
}

/** Sparse statements, already in (slot, ordinal) order and each cell once. */
export function encodeDelta(name: TileName, statements: Statements): Uint8Array {
  const entries = statements.slot.length;
  let hasExport = false;
  for (const value of statements.exportWh) if (value !== MISSING) hasExport = true;
  const header: TileHeader = { ...name, kind: 'delta', width: 4, hasExport, entries };
  const bytes = new Uint8Array(fileLength(header));
  const view = new DataView(bytes.buffer);
  let offset = bytes.length - entries * 16;
  for (let i = 0; i < entries; i++, offset += 16) {
    view.setUint16(offset, statements.slot[i]!, true);
    view.setUint8(offset + 2, statements.quality[i]!);
    view.setUint32(offset + 4, statements.ordinal[i]!, true);
    view.setInt32(offset + 8, statements.importWh[i]!, true);
    view.setInt32(offset + 12, statements.exportWh[i]!, true);
  }
  return sealed(header, bytes);
}

/** Checks header, table and every section. Throws TileError naming `tile` on a torn, foreign or damaged file. */
export function decodeTile(bytes: Uint8Array, tile = ''): Tile {
  const header = decodeHeader(bytes, tile);
  // Not slice(): on Node's Buffer that is a view, still unaligned.
  const aligned = bytes.byteOffset % 8 === 0 ? bytes : Uint8Array.from(bytes);
  const view = new DataView(aligned.buffer, aligned.byteOffset, aligned.byteLength);
  if (view.getUint32(64, true) !== aligned.length)
    throw new TileError(tile, `torn: ${aligned.length} bytes of ${view.getUint32(64, true)}`);
  const table = aligned.subarray(TILE_HEADER_BYTES, TILE_HEADER_BYTES + 4 * sectionCount(header));
  if (crc32c(table) !== view.getUint32(68, true)) throw new TileError(tile, 'checksum of the table is wrong');
  sectionsOf(header, aligned.length).forEach(([from, to], i) => {
    if (crc32c(aligned.subarray(from, to)) !== view.getUint32(TILE_HEADER_BYTES + 4 * i, true))
      throw new TileError(tile, `checksum of section ${i} is wrong`);
  });
  return {
    header,
    statements: statementsOf(header, view),
    column: (register, slot) => {
      if (header.kind === 'delta') throw new TileError(tile, 'a delta has no columns');
      if (register === 'export' && !header.hasExport) return new Int32Array(header.meters).fill(MISSING);
      const start = aligned.byteOffset + columnOffset(header, register, slot);
      return header.width === 4
        ? new Int32Array(aligned.buffer, start, header.meters)
        : widened(new Int16Array(aligned.buffer, start, header.meters));
    },
  };
}

/** The header alone, for a reader that then fetches only the columns of its window. Throws TileError. */
export function decodeHeader(bytes: Uint8Array, tile = ''): TileHeader {
  if (bytes.length < TILE_HEADER_BYTES) throw new TileError(tile, `torn: ${bytes.length} bytes, less than a header`);
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const text = (from: number, to: number): string => String.fromCharCode(...bytes.subarray(from, to));
  if (text(0, 8) !== MAGIC) throw new TileError(tile, 'not a tile');
  if (crc32c(bytes.subarray(0, 92)) !== view.getUint32(92, true)) throw new TileError(tile, 'checksum of the header is wrong');
  if (view.getUint16(8, true) !== FORMAT)
    throw new TileError(tile, `format ${view.getUint16(8, true)}; this reader knows ${FORMAT}`);
  return {
    kind: bytes[10] === 0 ? 'base' : 'delta',
    width: bytes[11] === 2 ? 2 : 4,
    shard: view.getUint32(12, true),
    day: text(16, 26),
    hasExport: bytes[26] === 1,
    intervalMinutes: view.getUint32(28, true),
    dayStart: Number(view.getBigInt64(32, true)),
    slots: view.getUint32(40, true),
    meters: view.getUint32(44, true),
    version: view.getUint32(48, true),
    entries: view.getUint32(52, true),
    knownAt: Number(view.getBigInt64(56, true)),
  };
}

/** Where the column of one interval starts in the file of a base; it is `meters × width` bytes long. */
export function columnOffset(header: TileHeader, register: TileRegister, slot: number): number {
  const plane = register === 'export' ? header.slots : 0;
  return bodyOffset(header) + (plane + slot) * header.meters * header.width;
}

/** Lays one version over the columns, in place. The columns may have more meters than the tile, never fewer. */
export function applyTile(columns: DayColumns, tile: Tile): void {
  const { header, statements } = tile;
  if (header.slots !== columns.slots || header.meters > columns.meters)
    throw new RangeError(`${header.slots} slots × ${header.meters} meters do not fit ${columns.slots} × ${columns.meters}`);
  if (header.kind === 'base') {
    for (let slot = 0; slot < header.slots; slot++) {
      const first = slot * columns.meters;
      const quality = columns.quality.subarray(first, first + header.meters);
      overlay(columns.importWh.subarray(first, first + header.meters), tile.column('import', slot), quality);
      if (header.hasExport)
        overlay(columns.exportWh.subarray(first, first + header.meters), tile.column('export', slot), quality);
    }
  }
  for (let i = 0; i < statements.slot.length; i++) {
    const at = statements.slot[i]! * columns.meters + statements.ordinal[i]!;
    // A base's own values already lie there: only their quality is left to say.
    if (header.kind === 'base' && statements.quality[i] !== REJECTED) columns.quality[at] = statements.quality[i]!;
    else state(columns, at, statements.importWh[i]!, statements.exportWh[i]!, statements.quality[i]!);
  }
}

// As `state` with VALID, a column at a time: a day of a full shard is two hundred thousand cells.
function overlay(wh: Int32Array, said: Int32Array, quality: Uint8Array): void {
  for (let ordinal = 0; ordinal < said.length; ordinal++) {
    const value = said[ordinal]!;
    if (value === MISSING) continue;
    wh[ordinal] = value;
    quality[ordinal] = VALID;
  }
}

/** All versions up to a cut-off, in (known_at, version) order → what was known then. None → null. */
export function foldTiles(tiles: readonly Tile[]): DayColumns | null {
  const first = tiles[0];
  if (first === undefined) return null;
  const ordered = tiles.toSorted((a, b) => a.header.knownAt - b.header.knownAt || a.header.version - b.header.version);
  const columns = emptyColumns(
    first.header.slots,
    tiles.reduce((most, tile) => Math.max(most, tile.header.meters), 0),
  );
  for (const tile of ordered) applyTile(columns, tile);
  return columns;
}

/** One statement about one cell: a missing value says nothing, REJECTED withdraws both registers. */
export function state(columns: DayColumns, at: number, importWh: number, exportWh: number, quality: number): void {
  if (quality === REJECTED) {
    columns.importWh[at] = MISSING;
    columns.exportWh[at] = MISSING;
    columns.quality[at] = 0;
    return;
  }
  if (importWh === MISSING && exportWh === MISSING) return;
  if (importWh !== MISSING) columns.importWh[at] = importWh;
  if (exportWh !== MISSING) columns.exportWh[at] = exportWh;
  columns.quality[at] = quality;
}

function statementsOf(header: TileHeader, view: DataView): Statements {
  const count = header.entries;
  const size = header.kind === 'base' ? 8 : 16;
  const found: Statements = {
    slot: new Uint16Array(count),
    ordinal: new Uint32Array(count),
    importWh: new Int32Array(count).fill(MISSING),
    exportWh: new Int32Array(count).fill(MISSING),
    quality: new Uint8Array(count),
  };
  let offset = view.byteLength - count * size;
  for (let i = 0; i < count; i++, offset += size) {
    found.slot[i] = view.getUint16(offset, true);
    found.quality[i] = view.getUint8(offset + 2);
    found.ordinal[i] = view.getUint32(offset + 4, true);
    if (size === 8) continue;
    found.importWh[i] = view.getInt32(offset + 8, true);
    found.exportWh[i] = view.getInt32(offset + 12, true);
  }
  return found;
}

function sealed(header: TileHeader, bytes: Uint8Array): Uint8Array {
  const view = new DataView(bytes.buffer);
  for (let i = 0; i < 8; i++) bytes[i] = MAGIC.charCodeAt(i);
  view.setUint16(8, FORMAT, true);
  view.setUint8(10, header.kind === 'base' ? 0 : 1);
  view.setUint8(11, header.width);
  view.setUint32(12, header.shard, true);
  for (let i = 0; i < 10; i++) bytes[16 + i] = header.day.charCodeAt(i);
  view.setUint8(26, header.hasExport ? 1 : 0);
  view.setUint32(28, header.intervalMinutes, true);
  view.setBigInt64(32, BigInt(header.dayStart), true);
  view.setUint32(40, header.slots, true);
  view.setUint32(44, header.meters, true);
  view.setUint32(48, header.version, true);
  view.setUint32(52, header.entries, true);
  view.setBigInt64(56, BigInt(header.knownAt), true);
  view.setUint32(64, bytes.length, true);
  sectionsOf(header, bytes.length).forEach(([from, to], i) => {
    view.setUint32(TILE_HEADER_BYTES + 4 * i, crc32c(bytes.subarray(from, to)), true);
  });
  view.setUint32(68, crc32c(bytes.subarray(TILE_HEADER_BYTES, TILE_HEADER_BYTES + 4 * sectionCount(header))), true);
  view.setUint32(92, crc32c(bytes.subarray(0, 92)), true);
  return bytes;
}

/** [from, to) of each section, in table order. */
function sectionsOf(header: TileHeader, length: number): [number, number][] {
  const body = bodyOffset(header);
  if (header.kind === 'delta') return [[body, length]];
  const size = header.meters * header.width;
  const columns = Array.from({ length: sectionCount(header) - 1 }, (_, i): [number, number] => [
    body + i * size,
    body + (i + 1) * size,
  ]);
  return [...columns, [length - header.entries * 8, length]];
}

const sectionCount = (header: TileHeader): number =>
  header.kind === 'delta' ? 1 : header.slots * (header.hasExport ? 2 : 1) + 1;
const padded = (bytes: number): number => Math.ceil(bytes / 8) * 8;
const bodyOffset = (header: TileHeader): number => padded(TILE_HEADER_BYTES + 4 * sectionCount(header));
const fileLength = (header: TileHeader): number =>
  header.kind === 'delta'
    ? bodyOffset(header) + header.entries * 16
    : padded(columnOffset(header, header.hasExport ? 'export' : 'import', header.slots)) + header.entries * 8;

// Whether a register says anything, and whether all of it fits i16 beside the sentinel.
function extent(values: Int32Array): { said: boolean; narrow: boolean } {
  let [least, most] = [0, MISSING];
  for (let at = 0; at < values.length; at++) {
    const wh = values[at]!;
    if (wh > most) most = wh;
    if (wh < least && wh !== MISSING) least = wh;
  }
  return { said: most > MISSING, narrow: least > MISSING_16 && most <= 32767 };
}

function narrow(wide: Int32Array, into: Int16Array): void {
  for (let i = 0; i < wide.length; i++) into[i] = wide[i] === MISSING ? MISSING_16 : wide[i]!;
}

function widened(narrow: Int16Array): Int32Array {
  const wide = new Int32Array(narrow.length);
  for (let i = 0; i < narrow.length; i++) wide[i] = narrow[i] === MISSING_16 ? MISSING : narrow[i]!;
  return wide;
}
