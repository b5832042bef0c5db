import { type DayColumns, MISSING } from '../domain/tile.ts';
import type { Piece } from './blocks.ts';
import type { CellsTold, DayToLay } from './lay.ts';
import type { SheetColumn } from './sheet.ts';

type Told = Pick<DayToLay, 'told' | 'ordinalOf' | 'factorOf'>;
type Column = Omit<SheetColumn, 'next'>;

/** What a delivery told of a day. */
export type Scattered = {
  delivered: number;
  /** Wh: the largest value of either register, and the smallest import. */
  most: number;
  least: number;
  exports: boolean;
};

const VALID = 1;
const REJECTED = 5;

/** Cells of a day as they were told, into those of its empty tile. */
export function scatter({ told, ordinalOf, factorOf }: Told, into: DayColumns): Scattered {
  const seen: Scattered = { delivered: 0, most: 0, least: 2 ** 31 - 1, exports: false };
  const factors = factorOf.some((factor, meter) => factor !== 1 && ordinalOf[meter]! >= 0) ? factorOf : null;
  if ('pieces' in told) for (const piece of told.pieces) putPiece(piece, ordinalOf, factors, into, seen);
  else for (const { slot, column } of told.columns) putColumn(column, slot * into.meters, ordinalOf, factors, into, seen);
  return seen;
}

function putPiece(
  { block, from, slot, count }: Piece,
  ordinalOf: Int32Array,
  factors: Int32Array | null,
  into: DayColumns,
  seen: Scattered,
): void {
  const { slots, meters, importWh, exportWh } = block;
  const quality = block.quality?.some((said) => said > VALID) ? block.quality : null;
  const isPlain = exportWh === null && quality === null && factors === null;
  for (let i = 0; i < meters.length; i++) {
    const meter = meters[i]!;
    const ordinal = ordinalOf[meter]!;
    if (ordinal < 0) continue;
    const first = i * slots + from;
    let cell = slot * into.meters + ordinal;
    if (isPlain) {
      putRow(importWh, first, first + count, cell, into, seen);
      continue;
    }
    const factor = factors === null ? 1 : factors[meter]!;
    for (let at = first; at < first + count; at++, cell += into.meters) {
      const said = quality === null ? VALID : quality[at]! || VALID;
      const exported = exportWh === null ? MISSING : exportWh[at]!;
      if (importWh[at] === MISSING && exported === MISSING && said !== REJECTED) continue;
      put(cell, importWh[at]!, exported, said, factor, into, seen);
    }
  }
}

/** Imports of one meter that are all VALID, as nearly all are. */
function putRow(
  from: Int32Array,
  first: number,
  end: number,
  cell: number,
  { meters, importWh, quality }: DayColumns,
  seen: Scattered,
): void {
  let { delivered, most, least } = seen;
  for (let at = first; at < end; at++, cell += meters) {
    const wh = from[at]!;
    if (wh === MISSING) continue;
    importWh[cell] = wh;
    quality[cell] = VALID;
    if (wh > most) most = wh;
    if (wh < least) least = wh;
    delivered++;
  }
  seen.delivered = delivered;
  seen.most = most;
  seen.least = least;
}

function putColumn(
  column: Column,
  first: number,
  ordinalOf: Int32Array,
  factors: Int32Array | null,
  into: DayColumns,
  seen: Scattered,
): void {
  const { nth, importWh, exportWh, quality } = column;
  const width = Math.min(nth.length, ordinalOf.length);
  if (exportWh === null && quality === null && factors === null) {
    putCells(column, first, ordinalOf, width, into, seen);
    return;
  }
  for (let meter = 0; meter < width; meter++) {
    const ordinal = ordinalOf[meter]!;
    if (ordinal < 0 || nth[meter] === 0) continue;
    const exported = exportWh === null ? MISSING : exportWh[meter]!;
    const said = quality === null ? VALID : quality[meter]!;
    put(first + ordinal, importWh[meter]!, exported, said, factors === null ? 1 : factors[meter]!, into, seen);
  }
}

/** As `putRow`, of one interval. */
function putCells(
  { nth, importWh: from }: Column,
  first: number,
  ordinalOf: Int32Array,
  width: number,
  into: DayColumns,
  seen: Scattered,
): void {
  const { importWh, quality } = into;
  let { delivered, most, least } = seen;
  for (let meter = 0; meter < width; meter++) {
    const ordinal = ordinalOf[meter]!;
    if (ordinal < 0 || nth[meter] === 0) continue;
    const wh = from[meter]!;
    importWh[first + ordinal] = wh;
    quality[first + ordinal] = VALID;
    if (wh > most) most = wh;
    if (wh < least && wh !== MISSING) least = wh;
    delivered++;
  }
  seen.delivered = delivered;
  seen.most = most;
  seen.least = least;
}

function put(
  cell: number,
  importWh: number,
  exportWh: number,
  quality: number,
  factor: number,
  into: DayColumns,
  seen: Scattered,
): void {
  const isWithdrawn = quality === REJECTED;
  const imported = isWithdrawn ? MISSING : times(importWh, factor);
  const exported = isWithdrawn ? MISSING : times(exportWh, factor);
  into.importWh[cell] = imported;
  into.exportWh[cell] = exported;
  into.quality[cell] = quality;
  seen.delivered++;
  seen.most = Math.max(seen.most, imported, exported);
  if (imported !== MISSING) seen.least = Math.min(seen.least, imported);
  seen.exports ||= exported !== MISSING;
}

/** `spread` has seen that it fits. */
const times = (wh: number, factor: number): number => (factor === 1 || wh === MISSING ? wh : Math.imul(wh, factor));

/** Line of the file, or index in its block, of what was delivered for a cell. Asked only of cells that something is found in. */
export function linesOf({
  told,
  ordinalOf,
  name: { meters },
}: Pick<DayToLay, 'told' | 'ordinalOf' | 'name'>): (cell: number) => number {
  let meterOf: Int32Array | null = null;
  return (cell) => {
    if (meterOf === null) {
      meterOf = new Int32Array(meters).fill(-1);
      for (const [meter, ordinal] of ordinalOf.entries()) if (ordinal >= 0) meterOf[ordinal] = meter;
    }
    return lineIn(told, Math.floor(cell / meters), meterOf[cell % meters]!);
  };
}

function lineIn(told: CellsTold, slot: number, meter: number): number {
  if ('columns' in told) return told.columns.find((one) => one.slot === slot)!.column.nth[meter]!;
  const piece = told.pieces.find(
    ({ block, slot: first, count }) => slot >= first && slot < first + count && block.meters.includes(meter),
  )!;
  return piece.block.meters.indexOf(meter) * piece.block.slots + piece.from + slot - piece.slot + 1;
}
