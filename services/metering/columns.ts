import type { Instant } from '../domain/interval.ts';
import { MINUTE } from '../domain/interval.ts';
import { invalid } from '../domain/outcome.ts';
import { MISSING } from '../domain/tile.ts';
import type { Findings } from './findings.ts';
import { addRow, type Rows } from './rows.ts';

/** One block of a stream: `meters` × `slots` values, meter-major; null = not delivered. In memory that threads share. */
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
export function indexOf(meterId: string, meterIds: string[], grids: Grids, intervalMinutes: number): number {
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
