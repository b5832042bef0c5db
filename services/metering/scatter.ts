import { type DayColumns, MISSING } from '../domain/tile.ts';
import type { Piece } from './blocks.ts';
import type { CellsTold, DayToLay } from './lay.ts';
import { lineOf } from './sheet.ts';

/** What a delivery told of a day. */
export type Scattered = {
  delivered: number;
  /** The largest value of either register, and the smallest import; as unsigned, so that none is the largest there is. */
  most: number;
  least: number;
  exports: boolean;
};

/** One interval of some meters, as it lies in a column or a block: their cells are `stride` apart from `at` on. */
type Run = {
  /** 0 = nothing was told; null = where there is no value. */
  readonly nth: Uint32Array | null;
  readonly importWh: Int32Array;
  readonly exportWh: Int32Array | null;
  readonly quality: Uint8Array | null;
  readonly at: number;
  readonly stride: number;
  readonly count: number;
  /** By meter of the run: its ordinal, −1 = of another tile; and its factor, null = all 1. */
  readonly ordinals: Int32Array;
  readonly factors: Int32Array | null;
};

const VALID = 1;
const REJECTED = 5;
/** Meters of a block whose values stay in the processor's nearest cache while they are turned into columns. */
const ABREAST = 64;

/** Cells of a day as they were told, into those of its empty tile. */
export function scatter(day: Pick<DayToLay, 'told' | 'ordinalOf' | 'factorOf' | 'name'>, into: DayColumns): Scattered {
  const { told, ordinalOf, factorOf } = day;
  const seen: Scattered = { delivered: 0, most: 0, least: 2 ** 32 - 1, exports: false };
  const multiplied = factorOf.some((factor, meter) => factor !== 1 && ordinalOf[meter]! >= 0);
  if ('pieces' in told) {
    for (const piece of told.pieces) scatterPiece(piece, ordinalOf, multiplied ? factorOf : null, into, seen);
    return seen;
  }
  const factors = multiplied ? factorOf : null;
  for (const { slot, column } of told.columns) {
    const count = Math.min(column.nth.length, ordinalOf.length);
    put({ ...column, at: 0, stride: 1, count, ordinals: ordinalOf, factors }, slot * into.meters, into, seen);
  }
  return seen;
}

function scatterPiece(
  { block, from, slot, count }: Piece,
  ordinalOf: Int32Array,
  factorOf: Int32Array | null,
  into: DayColumns,
  seen: Scattered,
): void {
  const { slots, meters, importWh, exportWh } = block;
  const quality = block.quality?.some((said) => said > VALID) ? block.quality : null;
  for (let first = 0; first < meters.length; first += ABREAST) {
    const some = meters.subarray(first, first + ABREAST);
    const ordinals = some.map((meter) => ordinalOf[meter]!);
    const factors = factorOf && some.map((meter) => factorOf[meter]!);
    const run = { nth: null, importWh, exportWh, quality, stride: slots, count: some.length, ordinals, factors };
    for (let nth = 0; nth < count; nth++) put({ ...run, at: first * slots + from + nth }, (slot + nth) * into.meters, into, seen);
  }
}

function put(run: Run, first: number, into: DayColumns, seen: Scattered): void {
  if (run.exportWh !== null || run.quality !== null || run.factors !== null) putAny(run, first, into, seen);
  else if (run.nth === null) putValues(run, first, into, seen);
  else putCells(run, run.nth, first, into, seen);
}

/** Imports that are all VALID, as nearly all are. */
function putValues({ importWh, at: from, stride, count, ordinals }: Run, first: number, into: DayColumns, seen: Scattered): void {
  const { importWh: wh, quality } = into;
  let { delivered, most, least } = seen;
  for (let i = 0, at = from; i < count; i++, at += stride) {
    const ordinal = ordinals[i]!;
    const value = importWh[at]!;
    if (ordinal < 0 || value === MISSING) continue;
    wh[first + ordinal] = value;
    quality[first + ordinal] = VALID;
    if (value > most) most = value;
    if (value < least) least = value;
    delivered++;
  }
  seen.delivered = delivered;
  seen.most = most;
  seen.least = least;
}

function putCells({ importWh, count, ordinals }: Run, nth: Uint32Array, first: number, into: DayColumns, seen: Scattered): void {
  const { importWh: wh, quality } = into;
  let { delivered, most, least } = seen;
  for (let i = 0; i < count; i++) {
    const ordinal = ordinals[i]!;
    if (ordinal < 0 || nth[i] === 0) continue;
    const value = importWh[i]!;
    wh[first + ordinal] = value;
    quality[first + ordinal] = VALID;
    if (value > most) most = value;
    if (value >>> 0 < least) least = value >>> 0;
    delivered++;
  }
  seen.delivered = delivered;
  seen.most = most;
  seen.least = least;
}

function putAny(run: Run, first: number, into: DayColumns, seen: Scattered): void {
  const { nth, importWh, exportWh, quality, at: from, stride, count, ordinals, factors } = run;
  for (let i = 0, at = from; i < count; i++, at += stride) {
    const ordinal = ordinals[i]!;
    if (ordinal < 0 || nth?.[at] === 0) continue;
    const said = quality === null ? VALID : quality[at]! || VALID;
    const factor = factors === null ? 1 : factors[i]!;
    const imported = said === REJECTED ? MISSING : times(importWh[at]!, factor);
    const exported = exportWh === null || said === REJECTED ? MISSING : times(exportWh[at]!, factor);
    if (nth === null && imported === MISSING && exported === MISSING && said !== REJECTED) continue;
    into.importWh[first + ordinal] = imported;
    into.exportWh[first + ordinal] = exported;
    into.quality[first + ordinal] = said;
    seen.delivered++;
    seen.most = Math.max(seen.most, imported, exported);
    seen.least = Math.min(seen.least, imported >>> 0);
    seen.exports ||= exported !== MISSING;
  }
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
  if ('columns' in told) {
    const { column } = told.columns.find((one) => one.slot === slot)!;
    return lineOf(told.bases, column.nth[meter]!);
  }
  const piece = told.pieces.find(
    ({ block, slot: first, count }) => slot >= first && slot < first + count && block.meters.includes(meter),
  )!;
  return piece.block.meters.indexOf(meter) * piece.block.slots + piece.from + slot - piece.slot + 1;
}
