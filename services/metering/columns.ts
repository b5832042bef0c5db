import type { Instant } from '../domain/interval.ts';
import { MINUTE } from '../domain/interval.ts';
import { invalid } from '../domain/outcome.ts';
import { MISSING } from '../domain/tile.ts';
import type { Findings } from './findings.ts';
import { addRow, type Rows } from './rows.ts';
import { columnFor, exportsOf, noteExport, qualitiesOf, REPEATS_MOST, repeat, type Sheet, type SheetColumn } from './sheet.ts';

/** One block of a stream: `meters` × `slots` values, meter-major; null = not delivered. */
export type PackedColumns = {
  readonly start: Instant;
  readonly intervalMinutes: number;
  readonly slots: number;
  readonly meterIds: readonly string[];
  readonly importWh: Int32Array;
  readonly exportWh: Int32Array | null;
  readonly quality: Uint8Array | null;
  readonly knownAt: Instant;
};

/** By meter id: the grid it comes on, and its index in the rows. */
export type Grids = Map<string, { readonly minutes: number; readonly meter: number }>;

/** Throws Refusal where the columns do not have the shape they say. Answers how many values it has. */
export function valuesIn({ intervalMinutes, slots, meterIds, importWh, exportWh, quality }: PackedColumns): number {
  const values = meterIds.length * slots;
  if (intervalMinutes < 1 || slots < 1)
    throw invalid('columns_malformed', 'interval_minutes and slots must be at least 1', 'slots');
  if (
    importWh.length !== values ||
    (exportWh !== null && exportWh.length !== values) ||
    (quality !== null && quality.length !== values)
  )
    throw invalid(
      'columns_malformed',
      `${meterIds.length} meters × ${slots} slots need ${values} values in each column`,
      'import_wh',
    );
  return values;
}

/** Index of a meter of a block; notes its interval. Throws Refusal where it comes on two grids. */
function indexOf(meterId: string, meterIds: string[], grids: Grids, intervalMinutes: number): number {
  let grid = grids.get(meterId);
  if (grid === undefined) {
    grid = { minutes: intervalMinutes, meter: meterIds.push(meterId) - 1 };
    grids.set(meterId, grid);
  }
  if (grid.minutes !== intervalMinutes)
    throw invalid(
      'interval_mismatch',
      `meter ${meterId} comes in intervals of ${grid.minutes} and of ${intervalMinutes} minutes`,
      'interval_minutes',
    );
  return grid.meter;
}

/**
 * Appends a block to the rows and notes each meter's interval in `grids`; answers how many values it had. Throws Refusal where the
 * columns do not have the shape they say, or a meter comes on two grids.
 */
export function appendColumns(rows: Rows, grids: Grids, block: PackedColumns, findings: Findings): number {
  const { start, intervalMinutes, slots, meterIds, importWh, exportWh, quality, knownAt } = block;
  const values = valuesIn(block);
  for (const [i, meterId] of meterIds.entries()) {
    const meter = indexOf(meterId, rows.meterIds, grids, intervalMinutes);
    for (let slot = 0; slot < slots; slot++) {
      const at = i * slots + slot;
      const imported = importWh[at]!;
      const exported = exportWh === null ? MISSING : exportWh[at]!;
      const said = quality === null ? 1 : quality[at]! || 1;
      if (imported === MISSING && exported === MISSING && said !== 5) continue;
      const line = at + 1;
      if ((imported !== MISSING && imported < 0) || (exported !== MISSING && exported < 0))
        findings.add(line, 'import_wh', 'negative', () => `meter ${meterId}: a register never turns backwards`);
      else if (said > 5)
        findings.add(line, 'quality', 'quality_unknown', () => `meter ${meterId}: quality ${said} is none of 1 to 5`);
      else addRow(rows, meter, start + slot * intervalMinutes * MINUTE, imported, exported, said, knownAt, line);
    }
  }
  return values;
}

/**
 * Puts a block into the sheet, intervals side by side, where that is all there is to do: hardly a cell of it is taken, no value needs a
 * finding, and it is known since when the others are. Else answers false and has put nothing. Throws as `appendColumns` does.
 */
export function layColumns(sheet: Sheet, meterIds: string[], grids: Grids, block: PackedColumns): boolean {
  const { start, intervalMinutes, slots, importWh, exportWh, quality, knownAt } = block;
  const values = valuesIn(block);
  const indexes = new Int32Array(block.meterIds.length);
  for (let i = 0; i < indexes.length; i++) indexes[i] = indexOf(block.meterIds[i]!, meterIds, grids, intervalMinutes);
  const base = sheet.values;
  if ((sheet.count > 0 && sheet.knownAt !== knownAt) || base + values >= 2 ** 32) return false;
  if (!areDistinct(indexes) || !isPlain(importWh) || (exportWh !== null && !isPlain(exportWh))) return false;
  if (quality?.some((said) => said > 5)) return false;
  const columns: SheetColumn[] = [];
  let taken = 0;
  for (let slot = 0; slot < slots; slot++) {
    const column = columnFor(sheet, start + slot * intervalMinutes * MINUTE, meterIds.length, values);
    if (column === null) return false;
    taken += takenOf(column.nth, indexes);
    if (sheet.repeats.count + taken > REPEATS_MOST) return false;
    columns.push(column);
  }
  sheet.knownAt = knownAt;
  sheet.values += values;
  sheet.bases.push(base);
  for (let first = 0; first < indexes.length; first += ABREAST)
    for (const [slot, column] of columns.entries())
      layInterval(sheet, column, slot, block, indexes.subarray(first, first + ABREAST), first * slots, base);
  if (exportWh !== null)
    for (const [i, meter] of indexes.entries())
      if (exportWh.subarray(i * slots, (i + 1) * slots).some((wh) => wh !== MISSING)) noteExport(sheet, meter);
  return true;
}

/** Meters of a block whose values stay in the processor's nearest cache while they are turned into columns. */
const ABREAST = 64;

/** One interval of some meters of a block, whose values begin at `from`: what is missing of both registers says nothing, what is REJECTED has no values. */
function layInterval(
  sheet: Sheet,
  column: SheetColumn,
  slot: number,
  block: PackedColumns,
  indexes: Int32Array,
  from: number,
  base: number,
): void {
  const { slots, importWh, exportWh, quality } = block;
  const { nth, importWh: imported } = column;
  const exported = exportWh === null ? null : exportsOf(column);
  const said = quality === null ? null : qualitiesOf(column);
  let count = 0;
  for (let i = 0, at = from + slot; i < indexes.length; i++, at += slots) {
    const meter = indexes[i]!;
    const withdrawn = quality !== null && quality[at] === REJECTED;
    const imports = withdrawn ? MISSING : importWh[at]!;
    const exports = exportWh === null || withdrawn ? MISSING : exportWh[at]!;
    if (imports === MISSING && exports === MISSING && !withdrawn) continue;
    if (nth[meter] !== 0) {
      repeat(sheet, meter, column.start, imports, exports, quality === null ? VALID : quality[at]! || VALID, base + at + 1);
      continue;
    }
    nth[meter] = base + at + 1;
    imported[meter] = imports;
    if (exported !== null) exported[meter] = exports;
    if (said !== null) said[meter] = quality![at]! || VALID;
    count++;
  }
  sheet.count += count;
}

/** Blocks name their meters in the same order, again and again. */
function areDistinct(indexes: Int32Array): boolean {
  for (let i = 1; i < indexes.length; i++) if (indexes[i - 1]! >= indexes[i]!) return new Set(indexes).size === indexes.length;
  return true;
}

/** Cells that have a reading already. */
function takenOf(nth: Uint32Array, indexes: Int32Array): number {
  let taken = 0;
  for (let i = 0; i < indexes.length; i++) if (nth[indexes[i]!] !== 0) taken++;
  return taken;
}

function isPlain(wh: Int32Array): boolean {
  for (let at = 0; at < wh.length; at++) if (wh[at]! < 0 && wh[at] !== MISSING) return false;
  return true;
}

const VALID = 1;
const REJECTED = 5;
