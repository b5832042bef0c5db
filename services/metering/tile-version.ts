import {
  type DayColumns,
  emptyColumns,
  encodeBase,
  encodeDelta,
  MISSING,
  type Statements,
  type TileName,
} from '../domain/tile.ts';

/** Of one meter out of the columns of its shard. */
export type MeterSlots = { readonly importWh: Int32Array; readonly exportWh: Int32Array; readonly quality: Uint8Array };

/** A base where nothing lies below, or where full columns take fewer bytes than statements. */
export function encodeVersion(name: TileName, statements: Statements, isFirst: boolean): { bytes: Uint8Array; delta: boolean } {
  if (!isFirst && statements.slot.length * 16 < name.slots * name.meters * 4)
    return { bytes: encodeDelta(name, statements), delta: true };
  const columns = emptyColumns(name.slots, name.meters);
  for (let i = 0; i < statements.slot.length; i++) {
    const at = statements.slot[i]! * name.meters + statements.ordinal[i]!;
    columns.importWh[at] = statements.importWh[i]!;
    columns.exportWh[at] = statements.exportWh[i]!;
    columns.quality[at] = statements.quality[i]!;
  }
  return { bytes: encodeBase(name, columns), delta: false };
}

export function slotsOf(columns: DayColumns, ordinal: number): MeterSlots {
  const { slots, meters } = columns;
  const found = {
    importWh: new Int32Array(slots).fill(MISSING),
    exportWh: new Int32Array(slots).fill(MISSING),
    quality: new Uint8Array(slots),
  };
  // A meter younger than the tile has no column in it.
  if (ordinal >= meters) return found;
  for (let slot = 0; slot < slots; slot++) {
    const at = slot * meters + ordinal;
    found.importWh[slot] = columns.importWh[at]!;
    found.exportWh[slot] = columns.exportWh[at]!;
    found.quality[slot] = columns.quality[at]!;
  }
  return found;
}
