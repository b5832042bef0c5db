import { type Instant, MINUTE } from '../domain/interval.ts';
import { MISSING } from '../domain/tile.ts';
import { type Grids, indexOf, type PackedColumns, valuesIn } from './columns.ts';
import { addRow, noRows, type Rows } from './rows.ts';
import { noteExport } from './sheet.ts';

/**
 * Readings of a stream as it brought them: to a stream what a sheet is to a file. Nothing can be wrong with one of their values but what
 * the rules for a day find; with its meter or its interval it can.
 */
export type Blocks = {
  readonly all: Block[];
  /** ms UTC; NaN = there is none. */
  knownAt: Instant;
  values: number;
  /** By meter: the interval it comes in. */
  readonly minutesOf: number[];
  /** By meter: 1 = has an export value here. */
  exporting: Uint8Array;
};
export type Block = PackedColumns & {
  /** By row: index into the delivery's meter ids, each once. */
  readonly meters: Int32Array;
};
/** Some intervals of a block side by side, all of one day. */
export type Piece = {
  readonly block: Omit<Block, 'meterIds'>;
  /** Of `count` intervals the first, in the block and in the day. */
  readonly from: number;
  readonly slot: number;
  readonly count: number;
};

/** More blocks than these, of fewer values each, are better taken as rows. */
const SMALL_MOST = 1024;
const VALUES_LEAST = 8;
const VALID = 1;
const REJECTED = 5;

export const noBlocks = (): Blocks => ({ all: [], knownAt: Number.NaN, values: 0, minutesOf: [], exporting: new Uint8Array(64) });

/**
 * Keeps a block as it is where every value can be taken as it is, and is known since when the others are; notes each meter's interval in
 * `grids`. Else answers false and has kept nothing. Throws as `appendColumns` does.
 */
export function keep(blocks: Blocks, meterIds: string[], grids: Grids, block: PackedColumns): boolean {
  const { importWh, exportWh, quality, knownAt, slots, intervalMinutes } = block;
  const values = blocks.values + valuesIn(block);
  const meters = new Int32Array(new SharedArrayBuffer(4 * block.meterIds.length));
  for (let i = 0; i < meters.length; i++) {
    // Blocks name their meters in the same order, again and again: it is likely to be the one behind the last.
    const likely = i === 0 ? 0 : meters[i - 1]! + 1;
    const meter = meterIds[likely] === block.meterIds[i] && blocks.minutesOf[likely] === intervalMinutes ? likely : -1;
    meters[i] = meter >= 0 ? meter : indexOf(block.meterIds[i]!, meterIds, grids, intervalMinutes);
    blocks.minutesOf[meters[i]!] = intervalMinutes;
  }
  if (blocks.all.length > 0 && blocks.knownAt !== knownAt) return false;
  if (blocks.all.length >= SMALL_MOST && values < VALUES_LEAST * blocks.all.length) return false;
  if (!areDistinct(meters) || !isPlain(importWh) || (exportWh !== null && !isPlain(exportWh))) return false;
  if (quality?.some((said) => said > REJECTED)) return false;
  blocks.knownAt = knownAt;
  blocks.values = values;
  blocks.all.push({ ...block, meters });
  if (exportWh !== null)
    for (const [i, meter] of meters.entries())
      if (exportWh.subarray(i * slots, (i + 1) * slots).some((wh) => wh !== MISSING)) noteExport(blocks, meter);
  return true;
}

/** Ascending, as they are nearly always, they are. */
function areDistinct(meters: Int32Array): boolean {
  for (let i = 1; i < meters.length; i++) if (meters[i - 1]! >= meters[i]!) return new Set(meters).size === meters.length;
  return true;
}

function isPlain(wh: Int32Array): boolean {
  for (let at = 0; at < wh.length; at++) if (wh[at]! < 0 && wh[at] !== MISSING) return false;
  return true;
}

/** A cell that says nothing: no value, and it withdraws none. */
const isSilent = ({ importWh, exportWh, quality }: Piece['block'], at: number): boolean =>
  importWh[at] === MISSING && (exportWh === null || exportWh[at] === MISSING) && (quality === null || quality[at] !== REJECTED);

/** Whether any meter with a place in the tile is told something. */
export function saysAny({ block, from, count }: Piece, ordinalOf: Int32Array): boolean {
  for (const [i, meter] of block.meters.entries()) {
    if (ordinalOf[meter]! < 0) continue;
    const first = i * block.slots + from;
    for (let at = first; at < first + count; at++) if (!isSilent(block, at)) return true;
  }
  return false;
}

/** What pieces tell of the cells that `wanted` names (`slot` is the block's), as rows in order of delivery: what `appendColumns` makes of it. */
export function rowsOf(
  pieces: readonly Piece[],
  meterIds: string[],
  wanted: (meter: number, piece: Piece, slot: number) => boolean = () => true,
): Rows {
  const rows = noRows();
  rows.meterIds = meterIds;
  for (const piece of pieces) {
    const { block, from, count } = piece;
    const { start, intervalMinutes, slots, importWh, exportWh, quality, knownAt } = block;
    for (const [i, meter] of block.meters.entries())
      for (let slot = from; slot < from + count; slot++) {
        const at = i * slots + slot;
        if (isSilent(block, at) || !wanted(meter, piece, slot)) continue;
        const said = quality === null ? VALID : quality[at]! || VALID;
        const exported = exportWh === null ? MISSING : exportWh[at]!;
        addRow(rows, meter, start + slot * intervalMinutes * MINUTE, importWh[at]!, exported, said, knownAt, at + 1);
      }
  }
  return rows;
}

/** Each block whole. */
export const piecesOf = ({ all }: Blocks): Piece[] =>
  all.map(({ meterIds: _, ...block }) => ({ block, from: 0, slot: 0, count: block.slots }));
