import {
  type DayColumns,
  emptyColumns,
  encodeDelta,
  encodePacked,
  MISSING,
  type PackedBase,
  type PackedColumn,
  type Statements,
  type Tile,
  type TileName,
} from '../domain/tile.ts';
import type { TileFormat } from '../domain/tile-layout.ts';

/**
 * One version of one shard's day, cut by interval: what a record outside the tiles keeps of it. A point says what the version says of
 * one interval, as up to three packed columns over the ordinals 0 … M−1; the last byte of a column tells how it is packed:
 *
 *     empty  nothing is said                        (quality: VALID where a register has a value)
 *     2 | 4  i16 or i32 Wh each, the lowest value = missing
 *     1      u8 quality each, 0 = nothing said
 *     8      sparse: n × u32 ordinal, then n × i32 Wh
 *     5      sparse: n × u32 ordinal, then n × u8 quality, of the cells that differ from "VALID where a value is"
 *
 * Little-endian; whichever is shortest. From all points of a version its tile comes back byte for byte.
 */
export type RecordPoint = {
  readonly slot: number;
  readonly importWh: Uint8Array;
  readonly exportWh: Uint8Array;
  readonly quality: Uint8Array;
};
/** The version to make again; whether it was a base or a delta is a matter of its row, not of what it says. */
export type VersionName = TileName & { readonly delta: boolean };

const NOTHING = new Uint8Array(0);
const MISSING_16 = -32768;
const VALID = 1;

/** In slot order; intervals of which nothing is said have no point. */
export function pointsOf(tile: Tile): RecordPoint[] {
  const { header, statements } = tile;
  const { slots, meters } = header;
  const points: RecordPoint[] = [];
  let next = 0;
  for (let slot = 0; slot < slots; slot++) {
    const first = next;
    while (next < statements.slot.length && statements.slot[next] === slot) next++;
    if (header.kind === 'delta' && next === first) continue;
    const blank = (): Int32Array => new Int32Array(meters).fill(MISSING);
    const importWh = header.kind === 'base' ? tile.column('import', slot) : blank();
    const exportWh = header.kind === 'base' && header.hasExport ? tile.column('export', slot) : blank();
    const quality = new Uint8Array(meters);
    if (header.kind === 'base') validWhereSaid(quality, importWh, exportWh);
    for (let i = first; i < next; i++) {
      const ordinal = statements.ordinal[i]!;
      quality[ordinal] = statements.quality[i]!;
      if (header.kind === 'base') continue;
      importWh[ordinal] = statements.importWh[i]!;
      exportWh[ordinal] = statements.exportWh[i]!;
    }
    const point = {
      slot,
      importWh: packedValues(importWh),
      exportWh: packedValues(exportWh),
      quality: packedQualities(quality, importWh, exportWh),
    };
    if (point.importWh.length + point.exportWh.length + point.quality.length > 0) points.push(point);
  }
  return points;
}

/**
 * The file of a version, in the format it was written in, from its points in any order. Throws RangeError when a point does not fit
 * the version.
 */
export function tileFrom(name: VersionName, points: readonly RecordPoint[], format?: TileFormat): Uint8Array {
  const { delta, ...tile } = name;
  return delta ? encodeDelta(tile, statementsIn(columnsFrom(tile, points)), format) : baseFrom(tile, points, format);
}

/** Columns go into the file as they are packed: this is how a whole day of a shard comes back. */
function baseFrom(name: TileName, points: readonly RecordPoint[], format?: TileFormat): Uint8Array {
  const at: (RecordPoint | undefined)[] = Array.from({ length: name.slots });
  for (const point of points) at[inDay(point.slot, name.slots)] = point;
  const columns = points.flatMap(({ importWh, exportWh }) => [importWh, exportWh]);
  const packed: PackedBase = {
    width: columns.some(isWide) ? 4 : 2,
    hasExport: points.some(({ exportWh }) => exportWh.length > 0),
    others: othersIn(at, name.meters),
    lay: (register, slot, into) => {
      const column = at[slot]?.[register === 'import' ? 'importWh' : 'exportWh'] ?? NOTHING;
      if (column.length === 0 || column.at(-1) === 8) into.fill(into instanceof Int32Array ? MISSING : MISSING_16);
      unpackValues(column, into);
    },
  };
  return encodePacked(name, packed, format);
}

/** Whether some value of it does not fit i16 beside the sentinel. */
function isWide(packed: Uint8Array): boolean {
  if (packed.at(-1) !== 8) return packed.at(-1) === 4;
  const { values } = sparseIn(opened(packed).bytes);
  return values.some((wh) => wh <= MISSING_16 || wh > 32767);
}

/** The cells whose quality is above VALID, in (slot, ordinal) order. */
function othersIn(points: readonly (RecordPoint | undefined)[], meters: number) {
  const found = { slot: [] as number[], ordinal: [] as number[], quality: [] as number[] };
  for (const [slot, point] of points.entries()) {
    if (!point || point.quality.length === 0) continue;
    const quality = new Uint8Array(meters);
    unpackQualities(point.quality, quality);
    for (let ordinal = 0; ordinal < meters; ordinal++) {
      if (quality[ordinal]! <= VALID) continue;
      found.slot.push(slot);
      found.ordinal.push(ordinal);
      found.quality.push(quality[ordinal]!);
    }
  }
  return {
    slot: Uint16Array.from(found.slot),
    ordinal: Uint32Array.from(found.ordinal),
    quality: Uint8Array.from(found.quality),
  };
}

/** What the points say, as columns; cells of which nothing is said have quality 0. */
export function columnsFrom({ slots, meters }: Pick<TileName, 'slots' | 'meters'>, points: readonly RecordPoint[]): DayColumns {
  const columns = emptyColumns(slots, meters);
  for (const point of points) {
    const [from, to] = [inDay(point.slot, slots) * meters, (point.slot + 1) * meters];
    const importWh = columns.importWh.subarray(from, to);
    const exportWh = columns.exportWh.subarray(from, to);
    const quality = columns.quality.subarray(from, to);
    unpackValues(point.importWh, importWh);
    unpackValues(point.exportWh, exportWh);
    validWhereSaid(quality, importWh, point.exportWh.length > 0 ? exportWh : null);
    unpackQualities(point.quality, quality);
  }
  return columns;
}

function packedValues(values: Int32Array): Uint8Array {
  let said = 0;
  let narrow = true;
  for (let i = 0; i < values.length; i++) {
    const value = values[i]!;
    if (value === MISSING) continue;
    said++;
    if (value <= MISSING_16 || value > 32767) narrow = false;
  }
  if (said === 0) return NOTHING;
  const width = narrow ? 2 : 4;
  if (said * 8 < values.length * width) {
    const packed = new Uint8Array(said * 8 + 1);
    const ordinals = new Uint32Array(packed.buffer, 0, said);
    const sparse = new Int32Array(packed.buffer, said * 4, said);
    for (let i = 0, at = 0; i < values.length; i++) {
      if (values[i] === MISSING) continue;
      ordinals[at] = i;
      sparse[at++] = values[i]!;
    }
    packed[packed.length - 1] = 8;
    return packed;
  }
  const packed = new Uint8Array(values.length * width + 1);
  if (width === 4) new Int32Array(packed.buffer, 0, values.length).set(values);
  else {
    const column = new Int16Array(packed.buffer, 0, values.length);
    for (let i = 0; i < values.length; i++) column[i] = values[i] === MISSING ? MISSING_16 : values[i]!;
  }
  packed[packed.length - 1] = width;
  return packed;
}

function unpackValues(packed: Uint8Array, into: PackedColumn): void {
  if (packed.length === 0) return;
  const { bytes, kind } = opened(packed);
  if (kind === 8) {
    const { ordinals, values } = sparseIn(bytes);
    for (let i = 0; i < ordinals.length; i++) into[inside(ordinals[i]!, into.length)] = values[i]!;
    return;
  }
  if ((kind !== 2 && kind !== 4) || bytes.length !== into.length * kind)
    throw new RangeError(`a column of ${bytes.length} bytes, kind ${kind}, for ${into.length} meters`);
  if (kind === into.BYTES_PER_ELEMENT) new Uint8Array(into.buffer, into.byteOffset, into.byteLength).set(bytes);
  else {
    const narrow = new Int16Array(bytes.buffer, bytes.byteOffset, into.length);
    for (let i = 0; i < into.length; i++) into[i] = narrow[i] === MISSING_16 ? MISSING : narrow[i]!;
  }
}

function sparseIn(bytes: Uint8Array): { ordinals: Uint32Array; values: Int32Array } {
  const said = bytes.length / 8;
  if (!Number.isInteger(said)) throw new RangeError(`a sparse column of ${bytes.length} bytes`);
  return {
    ordinals: new Uint32Array(bytes.buffer, bytes.byteOffset, said),
    values: new Int32Array(bytes.buffer, bytes.byteOffset + said * 4, said),
  };
}

function packedQualities(quality: Uint8Array, importWh: Int32Array, exportWh: Int32Array): Uint8Array {
  const other: number[] = [];
  for (let i = 0; i < quality.length; i++) {
    const usual = importWh[i] === MISSING && exportWh[i] === MISSING ? 0 : VALID;
    if (quality[i] !== usual) other.push(i);
  }
  if (other.length === 0) return NOTHING;
  if (other.length * 5 >= quality.length) {
    const dense = new Uint8Array(quality.length + 1);
    dense.set(quality);
    dense[quality.length] = 1;
    return dense;
  }
  const sparse = new Uint8Array(other.length * 5 + 1);
  new Uint32Array(sparse.buffer, 0, other.length).set(other);
  for (const [i, ordinal] of other.entries()) sparse[other.length * 4 + i] = quality[ordinal]!;
  sparse[sparse.length - 1] = 5;
  return sparse;
}

function unpackQualities(packed: Uint8Array, into: Uint8Array): void {
  if (packed.length === 0) return;
  const { bytes, kind } = opened(packed);
  if (kind === 1 && bytes.length === into.length) into.set(bytes);
  else if (kind === 5 && bytes.length % 5 === 0) {
    const said = bytes.length / 5;
    const ordinals = new Uint32Array(bytes.buffer, bytes.byteOffset, said);
    for (let i = 0; i < said; i++) into[inside(ordinals[i]!, into.length)] = bytes[said * 4 + i]!;
  } else throw new RangeError(`qualities of ${bytes.length} bytes, kind ${kind}, for ${into.length} meters`);
}

function validWhereSaid(quality: Uint8Array, importWh: Int32Array, exportWh: Int32Array | null): void {
  for (let i = 0; i < quality.length; i++)
    if (importWh[i] !== MISSING || (exportWh !== null && exportWh[i] !== MISSING)) quality[i] = VALID;
}

/** Every cell of which something is said, in (slot, ordinal) order. */
function statementsIn({ slots, meters, importWh, exportWh, quality }: DayColumns): Statements {
  const cells: number[] = [];
  for (let at = 0; at < slots * meters; at++) if (quality[at] !== 0) cells.push(at);
  return {
    slot: Uint16Array.from(cells, (at) => Math.floor(at / meters)),
    ordinal: Uint32Array.from(cells, (at) => at % meters),
    importWh: Int32Array.from(cells, (at) => importWh[at]!),
    exportWh: Int32Array.from(cells, (at) => exportWh[at]!),
    quality: Uint8Array.from(cells, (at) => quality[at]!),
  };
}

/** A typed array needs its first byte at a multiple of its width; bytes cut out of a larger buffer may lie anywhere. */
function opened(packed: Uint8Array): { bytes: Uint8Array; kind: number } {
  const kind = packed[packed.length - 1]!;
  const bytes = packed.subarray(0, packed.length - 1);
  return { bytes: bytes.byteOffset % 4 === 0 ? bytes : Uint8Array.from(bytes), kind };
}

function inDay(slot: number, slots: number): number {
  if (slot >= slots) throw new RangeError(`slot ${slot} of ${slots}`);
  return slot;
}

function inside(ordinal: number, meters: number): number {
  if (ordinal >= meters) throw new RangeError(`ordinal ${ordinal} of ${meters}`);
  return ordinal;
}
