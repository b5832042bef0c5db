import {
  CHECKSUM,
  columnOffset,
  decodeHeader,
  fileLength,
  sealed,
  sectionCount,
  sectionsOf,
  TILE_FORMATS,
  TILE_HEADER_BYTES,
  TileError,
  type TileFormat,
  type TileHeader,
  type TileName,
  type TileRegister,
} from './tile-layout.ts';

export { columnOffset, decodeHeader, TileError, type TileHeader, type TileName, type TileRegister } from './tile-layout.ts';

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
export type Tile = {
  readonly header: TileHeader;
  /** One interval of a base: Wh by ordinal, MISSING where nothing is said. Throws on a delta. */
  column(register: TileRegister, slot: number): Int32Array;
  /** The same as it lies in the file; only of a register that the base has. */
  packed(register: TileRegister, slot: number): PackedColumn;
  /** Every statement of a delta; of a base the qualities that are not VALID, with MISSING values. */
  readonly statements: Statements;
};

/** The sentinel of every i32 column here, on the wire and in memory. */
export const MISSING = -2147483648;
const MISSING_16 = -32768;
const FORMAT: TileFormat = TILE_FORMATS[0]!;
const VALID = 1;
const REJECTED = 5;
const FOUR_VALID = 0x01010101;
const NO_FOURS = new Uint32Array(0);

export function emptyColumns(slots: number, meters: number): DayColumns {
  return {
    slots,
    meters,
    importWh: new Int32Array(slots * meters).fill(MISSING),
    exportWh: new Int32Array(slots * meters).fill(MISSING),
    quality: new Uint8Array(slots * meters),
  };
}

/** What the values of a day take: i16 where all fit beside the sentinel, and the export register only where it says something. */
export type Extent = Pick<PackedBase, 'width' | 'hasExport'>;

export function extentOf({ importWh, exportWh }: DayColumns): Extent {
  const [imported, exported] = [extent(importWh), extent(exportWh)];
  return { width: imported.narrow && exported.narrow ? 2 : 4, hasExport: exported.said };
}

/**
 * Full columns, with their extent where the caller knows it. A cell with quality REJECTED must have both values MISSING: it withdraws.
 * Throws RangeError on shapes that differ.
 */
export function encodeBase(name: TileName, columns: DayColumns, format = FORMAT, of = extentOf(columns)): Uint8Array {
  const { slots, meters } = name;
  if (columns.slots !== slots || columns.meters !== meters || columns.quality.length !== slots * meters)
    throw new RangeError('columns do not have the shape the tile names');
  const packed: PackedBase = {
    ...of,
    others: othersIn(columns),
    lay: (register, slot, into) => {
      const values = register === 'import' ? columns.importWh : columns.exportWh;
      const column = values.subarray(slot * meters, (slot + 1) * meters);
      if (into instanceof Int32Array) into.set(column);
      else narrow(column, into);
    },
  };
  return encodePacked(name, packed, format);
}

/** What a base says, when its columns lie packed already. */
export type PackedBase = {
  readonly width: 2 | 4;
  readonly hasExport: boolean;
  /** The cells whose quality is above VALID, in (slot, ordinal) order. */
  readonly others: Pick<Statements, 'slot' | 'ordinal' | 'quality'>;
  /** Writes every value of one interval's column; the lowest value of its width = missing. */
  lay(register: TileRegister, slot: number, into: PackedColumn): void;
};
export type PackedColumn = Int16Array | Int32Array;

/** As `encodeBase`, a column at a time. */
export function encodePacked(name: TileName, { width, hasExport, others, lay }: PackedBase, format = FORMAT): Uint8Array {
  const header = headerOf(name, { format, kind: 'base', width, hasExport, entries: others.slot.length });
  const bytes = new Uint8Array(header.length);
  const view = new DataView(bytes.buffer);
  for (const register of hasExport ? (['import', 'export'] as const) : (['import'] as const))
    for (let slot = 0; slot < name.slots; slot++) lay(register, slot, columnIn(bytes, header, register, slot));
  let offset = bytes.length - header.entries * 8;
  for (let i = 0; i < header.entries; i++, offset += 8) {
    view.setUint16(offset, others.slot[i]!, true);
    view.setUint8(offset + 2, others.quality[i]!);
    view.setUint32(offset + 4, others.ordinal[i]!, true);
  }
  return sealed(header, bytes);
}

/** Sparse statements, already in (slot, ordinal) order and each cell once. */
export function encodeDelta(name: TileName, statements: Statements, format = FORMAT): Uint8Array {
  const entries = statements.slot.length;
  let hasExport = false;
  for (const value of statements.exportWh) if (value !== MISSING) hasExport = true;
  const header = headerOf(name, { format, kind: 'delta', width: 4, hasExport, entries });
  const bytes = new Uint8Array(header.length);
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

/**
 * Checks header, table and every section, with `checksums` where the caller has a faster make of them. Throws TileError naming `tile`
 * on a torn, foreign or damaged file.
 */
export function decodeTile(bytes: Uint8Array, tile = '', checksums = CHECKSUM): Tile {
  const header = decodeHeader(bytes, tile);
  // Not slice(): on Node's Buffer that is a view, still unaligned.
  const aligned = bytes.byteOffset % 8 === 0 ? bytes : Uint8Array.from(bytes);
  const view = new DataView(aligned.buffer, aligned.byteOffset, aligned.byteLength);
  if (view.getUint32(64, true) !== aligned.length)
    throw new TileError(tile, `torn: ${aligned.length} bytes of ${view.getUint32(64, true)}`);
  const table = aligned.subarray(TILE_HEADER_BYTES, TILE_HEADER_BYTES + 4 * sectionCount(header));
  const crc = checksums[header.format];
  if (crc(table) !== view.getUint32(68, true)) throw new TileError(tile, 'checksum of the table is wrong');
  sectionsOf(header, aligned.length).forEach(([from, to], i) => {
    if (crc(aligned.subarray(from, to)) !== view.getUint32(TILE_HEADER_BYTES + 4 * i, true))
      throw new TileError(tile, `checksum of section ${i} is wrong`);
  });
  return {
    header,
    statements: statementsOf(header, view),
    column: (register, slot) => {
      if (header.kind === 'delta') throw new TileError(tile, 'a delta has no columns');
      if (register === 'export' && !header.hasExport) return new Int32Array(header.meters).fill(MISSING);
      const column = columnIn(aligned, header, register, slot);
      return column instanceof Int32Array ? column : widened(column);
    },
    packed: (register, slot) => columnIn(aligned, header, register, slot),
  };
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
      overlay(columns.importWh.subarray(first, first + header.meters), tile.packed('import', slot), quality);
      if (header.hasExport)
        overlay(columns.exportWh.subarray(first, first + header.meters), tile.packed('export', slot), quality);
    }
  }
  for (let i = 0; i < statements.slot.length; i++) {
    const at = statements.slot[i]! * columns.meters + statements.ordinal[i]!;
    // A base's own values already lie there: only their quality is left to say.
    if (header.kind === 'base' && statements.quality[i] !== REJECTED) columns.quality[at] = statements.quality[i]!;
    else state(columns, at, statements.importWh[i]!, statements.exportWh[i]!, statements.quality[i]!);
  }
}

// As `state` with VALID, a column at a time: a day of a full shard is two hundred thousand cells. Two loops, so that each meets one
// kind of array only: that is twice as fast.
function overlay(wh: Int32Array, said: PackedColumn, quality: Uint8Array): void {
  if (said instanceof Int32Array) overlayWide(wh, said, quality);
  else overlayNarrow(wh, said, quality);
}

function overlayNarrow(wh: Int32Array, said: Int16Array, quality: Uint8Array): void {
  for (let ordinal = 0; ordinal < said.length; ordinal++) {
    const value = said[ordinal]!;
    if (value === MISSING_16) continue;
    wh[ordinal] = value;
    quality[ordinal] = VALID;
  }
}

function overlayWide(wh: Int32Array, said: Int32Array, quality: Uint8Array): void {
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

/** What a version says of some of its meters only, in the order of `ordinals`, each once; of one younger than the tile it says nothing. */
export function tileOfSome(tile: Tile, ordinals: readonly number[]): Tile {
  const header = { ...tile.header, meters: ordinals.length };
  const places = new Int32Array(tile.header.meters).fill(-1);
  for (const [place, ordinal] of ordinals.entries()) if (ordinal < places.length) places[ordinal] = place;
  const packed: Tile['packed'] = (register, slot) => {
    const all = tile.packed(register, slot);
    const some = all instanceof Int32Array ? new Int32Array(ordinals.length) : new Int16Array(ordinals.length);
    const missing = all instanceof Int32Array ? MISSING : MISSING_16;
    for (let place = 0; place < some.length; place++) some[place] = all[ordinals[place]!] ?? missing;
    return some;
  };
  const { slot, ordinal, importWh, exportWh, quality } = tile.statements;
  const kept: number[] = [];
  for (let i = 0; i < ordinal.length; i++) if (places[ordinal[i]!] !== -1) kept.push(i);
  const statements: Statements = {
    slot: Uint16Array.from(kept, (i) => slot[i]!),
    ordinal: Uint32Array.from(kept, (i) => places[ordinal[i]!]!),
    importWh: Int32Array.from(kept, (i) => importWh[i]!),
    exportWh: Int32Array.from(kept, (i) => exportWh[i]!),
    quality: Uint8Array.from(kept, (i) => quality[i]!),
  };
  const column: Tile['column'] = (register, slot) => {
    if (register === 'export' && header.kind === 'base' && !header.hasExport) return new Int32Array(header.meters).fill(MISSING);
    const narrow = packed(register, slot);
    return narrow instanceof Int32Array ? narrow : widened(narrow);
  };
  return { header, packed, statements, column };
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

function othersIn({ slots, meters, quality }: DayColumns): PackedBase['others'] {
  const cells: number[] = [];
  const end = slots * meters;
  // Four at a time while all are VALID, as nearly all are.
  const fours = quality.byteOffset % 4 === 0 ? new Uint32Array(quality.buffer, quality.byteOffset, end >> 2) : NO_FOURS;
  for (let at = 0; at < end; at++)
    if ((at & 3) === 0 && fours[at >> 2] === FOUR_VALID) at += 3;
    else if (quality[at]! > VALID) cells.push(at);
  return {
    slot: Uint16Array.from(cells, (at) => Math.floor(at / meters)),
    ordinal: Uint32Array.from(cells, (at) => at % meters),
    quality: Uint8Array.from(cells, (at) => quality[at]!),
  };
}

/** Needs the file at an address that is a multiple of 8. */
function columnIn(file: Uint8Array, header: TileHeader, register: TileRegister, slot: number): PackedColumn {
  const start = file.byteOffset + columnOffset(header, register, slot);
  return header.width === 4
    ? new Int32Array(file.buffer, start, header.meters)
    : new Int16Array(file.buffer, start, header.meters);
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

function headerOf(name: TileName, said: Pick<TileHeader, 'format' | 'kind' | 'width' | 'hasExport' | 'entries'>): TileHeader {
  const header = { ...name, ...said };
  return { ...header, length: fileLength(header) };
}

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
