import type { Instant } from '../domain/interval.ts';
import { MISSING } from '../domain/tile.ts';
import { addRow, noRows, type Rows } from './rows.ts';

/**
 * Readings of which hardly two are of one meter's interval: a column per interval, as deliveries come. A cell is a few bytes and lies beside
 * its like, where a row is thirty of its own. Threads see the columns without a copy.
 */
export type Sheet = {
  /** Index into the delivery's meter ids is the place in a column. */
  readonly columns: Map<Instant, SheetColumn>;
  /** ms UTC; NaN = the command's. */
  knownAt: Instant;
  count: number;
  /** By meter: 1 = has an export value here. */
  exporting: Uint8Array;
  /** Cells that columns have room for, and the most that one has. */
  room: number;
  widest: number;
  /** What came for a cell that was taken, in the order it came; `line` = its line of the file. Their days are laid as rows. */
  readonly repeats: Rows;
  last: SheetColumn | null;
};
export type SheetColumn = {
  readonly start: Instant;
  /** Its line of the file; 0 = no reading. */
  nth: Uint32Array;
  importWh: Int32Array;
  /** Null = no export value; null = all VALID. */
  exportWh: Int32Array | null;
  quality: Uint8Array | null;
  /** The column that followed it last time: files repeat themselves. */
  next: SheetColumn | null;
};

const LEAST_ROOM = 64;
/** Scattered readings would leave columns all but empty: more room than this, and more than so many times what is used, is too much. */
const ROOM_FREE = 1 << 22;
const ROOM_TIMES = 4;
/** A delivery that repeats itself more often is better taken as rows. */
export const REPEATS_MOST = 10_000;
const VALID = 1;
const REJECTED = 5;

export const noSheet = (): Sheet => ({
  ...{
    columns: new Map(),
    knownAt: Number.NaN,
    count: 0,
    exporting: new Uint8Array(LEAST_ROOM),
    room: 0,
    widest: LEAST_ROOM,
    repeats: noRows(1),
    last: null,
  },
});

/** The column of an interval, with room for `meters`; null where that would be more room than a sheet of its readings may take. */
function columnFor(sheet: Sheet, start: Instant, meters: number): SheetColumn | null {
  const before = sheet.last;
  let column = before?.start === start ? before : (before?.next ?? undefined);
  if (column?.start !== start) column = sheet.columns.get(start);
  const room = column ? column.nth.length : 0;
  if (column === undefined || room < meters) {
    const least = room === 0 ? Math.ceil(meters / 64) * 64 : Math.max(2 * room, meters);
    const isTooMuch = (wanted: number): boolean =>
      sheet.room + wanted > ROOM_FREE && sheet.room + wanted > ROOM_TIMES * sheet.count;
    // Intervals are alike: room for as many as the fullest has spares widening it again and again.
    const wanted = isTooMuch(Math.max(sheet.widest, least)) ? Math.max(LEAST_ROOM, least) : Math.max(sheet.widest, least);
    if (isTooMuch(wanted)) return null;
    sheet.room += wanted - room;
    sheet.widest = Math.max(sheet.widest, wanted);
    if (column === undefined) {
      column = { start, nth: new Uint32Array(0), importWh: new Int32Array(0), exportWh: null, quality: null, next: null };
      sheet.columns.set(start, column);
    }
    widen(column, wanted);
  }
  if (before !== null && before !== column) before.next = column;
  sheet.last = column;
  return column;
}

/** Puts one reading into its cell, or among the repeats; false when there is no room: then it must come as a row, and all before it. */
export function put(
  sheet: Sheet,
  meter: number,
  start: Instant,
  importWh: number,
  exportWh: number,
  quality: number,
  nth: number,
): boolean {
  const last = sheet.last;
  const column = last !== null && last.start === start && meter < last.nth.length ? last : columnFor(sheet, start, meter + 1);
  if (column === null) return false;
  if (column.nth[meter] !== 0) {
    if (sheet.repeats.count === REPEATS_MOST) return false;
    repeat(sheet, meter, start, importWh, exportWh, quality, nth);
    return true;
  }
  column.nth[meter] = nth;
  sheet.count++;
  const withdrawn = quality === REJECTED;
  column.importWh[meter] = withdrawn ? MISSING : importWh;
  if (exportWh !== MISSING && !withdrawn) {
    exportsOf(column)[meter] = exportWh;
    noteExport(sheet, meter);
  }
  if (quality !== VALID) qualitiesOf(column)[meter] = quality;
  return true;
}

/** Another word about a cell that is taken. */
function repeat(
  sheet: Sheet,
  meter: number,
  start: Instant,
  importWh: number,
  exportWh: number,
  quality: number,
  nth: number,
): void {
  addRow(sheet.repeats, meter, start, importWh, exportWh, quality, sheet.knownAt, nth);
  sheet.count++;
  if (exportWh !== MISSING && quality !== REJECTED) noteExport(sheet, meter);
}

/** Grows as meters come. */
export function noteExport(of: { exporting: Uint8Array }, meter: number): void {
  if (meter >= of.exporting.length) {
    const more = new Uint8Array(Math.max(2 * of.exporting.length, meter + 1));
    more.set(of.exporting);
    of.exporting = more;
  }
  of.exporting[meter] = 1;
}

const exportsOf = (column: SheetColumn): Int32Array => (column.exportWh ??= shared32(column.nth.length).fill(MISSING));
const qualitiesOf = (column: SheetColumn): Uint8Array =>
  (column.quality ??= new Uint8Array(new SharedArrayBuffer(column.nth.length)).fill(VALID));

/** All that was told of the cells that `wanted` names, as rows in order of delivery. */
export function rowsFrom(
  sheet: Sheet,
  meterIds: string[],
  wanted: (meter: number, column: SheetColumn) => boolean = () => true,
): Rows {
  const columns = [...sheet.columns.values()];
  const { repeats } = sheet;
  const again = Array.from({ length: repeats.count }, (_, i) => i).filter((i) => {
    const column = sheet.columns.get(repeats.start[i]!);
    return column !== undefined && wanted(repeats.meter[i]!, column);
  });
  let count = 0;
  let least = 2 ** 32;
  let most = 0;
  const counted = (nth: number): void => {
    count++;
    if (nth < least) least = nth;
    if (nth > most) most = nth;
  };
  for (const column of columns)
    for (let meter = 0; meter < column.nth.length; meter++)
      if (column.nth[meter] !== 0 && wanted(meter, column)) counted(column.nth[meter]!);
  for (const i of again) counted(repeats.line[i]!);
  const rows = noRows(Math.max(1, count));
  rows.meterIds = meterIds;
  if (count === 0) return rows;
  // Each has a number of its own, so that is its place: a column's index, or one below −1 for a repeat.
  const columnAt = new Int32Array(most - least + 1).fill(-1);
  const meterAt = new Int32Array(most - least + 1);
  for (const [i, column] of columns.entries())
    for (let meter = 0; meter < column.nth.length; meter++) {
      const nth = column.nth[meter]!;
      if (nth === 0 || !wanted(meter, column)) continue;
      columnAt[nth - least] = i;
      meterAt[nth - least] = meter;
    }
  for (const i of again) columnAt[repeats.line[i]! - least] = -2 - i;
  for (let at = 0; at < columnAt.length; at++) {
    if (columnAt[at] === -1) continue;
    const line = at + least;
    if (columnAt[at]! < -1) {
      const i = -2 - columnAt[at]!;
      const { meter: of, start, importWh, exportWh, quality } = repeats;
      addRow(rows, of[i]!, start[i]!, importWh[i]!, exportWh[i]!, quality[i]!, sheet.knownAt, line);
      continue;
    }
    const meter = meterAt[at]!;
    const { start, importWh, exportWh, quality } = columns[columnAt[at]!]!;
    const exported = exportWh === null ? MISSING : exportWh[meter]!;
    const said = quality === null ? VALID : quality[meter]!;
    addRow(rows, meter, start, importWh[meter]!, exported, said, sheet.knownAt, line);
  }
  return rows;
}

const shared32 = (length: number): Int32Array => new Int32Array(new SharedArrayBuffer(4 * length));

/** In place: columns are known to those that come before them. */
function widen(column: SheetColumn, room: number): void {
  const { nth, importWh, exportWh, quality } = column;
  column.nth = new Uint32Array(new SharedArrayBuffer(4 * room));
  column.nth.set(nth);
  column.importWh = shared32(room);
  column.importWh.set(importWh);
  column.exportWh = null;
  if (exportWh !== null) exportsOf(column).set(exportWh);
  column.quality = null;
  if (quality !== null) qualitiesOf(column).set(quality);
}
