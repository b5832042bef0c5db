import { hex } from '../domain/hex.ts';
import { emptyColumns, encodeBase, extentOf, type TileName } from '../domain/tile.ts';
import type { Piece } from './blocks.ts';
import type { DayRoot } from './day-root.ts';
import { FINDINGS_KEPT, type FindingCode, type FindingRow, noFindings } from './findings.ts';
import { linesOf, scatter } from './scatter.ts';
import type { SheetColumn } from './sheet.ts';
import { type Member, validate } from './validate.ts';
import type { VeeLimits } from './vee.ts';

/** Columns of a sheet, or pieces of blocks, of one day. */
export type CellsTold =
  | { readonly columns: readonly { readonly slot: number; readonly column: Omit<SheetColumn, 'next'> }[] }
  | { readonly pieces: readonly Piece[] };
/** A day of a shard that nobody has written yet, as a delivery tells it. Plain: it may go to another thread. */
export type DayToLay = {
  readonly name: TileName;
  readonly zone: string;
  readonly told: CellsTold;
  /** By index of the meter: its place in the tile, −1 = of another one; and Wh per unit of its register. */
  readonly ordinalOf: Int32Array;
  readonly factorOf: Int32Array;
  readonly members: readonly (Member | undefined)[];
  /** By ordinal. */
  readonly daySums: ReadonlyMap<number, number>;
  readonly limits: VeeLimits;
};
/** What laying a day stands on. */
export type Ground = { readonly sha256: (bytes: Uint8Array) => Uint8Array; readonly dayRoot: DayRoot };
export type DayLaid = {
  /** The file of its first version, a base; null = it says nothing. */
  readonly bytes: Uint8Array | null;
  readonly digest: string;
  readonly merkleRoot: string;
  readonly stored: number;
  readonly unchanged: number;
  readonly suspect: number;
  readonly refused: number;
  /** Its zeros would have been looked up among the supply statements: what was made without them holds only where there are none. */
  readonly askedSupply: boolean;
  readonly found: { readonly first: FindingRow[]; readonly counts: Map<FindingCode, number> };
};

/** The most that fits i16. */
const NARROW_MOST = 32767;
const SUSPECT = 4;
const REJECTED = 5;
const FOUR_VALID = 0x01010101;

/** The straight road from a delivery to a tile: what `merge` and `encodeVersion` make of the same readings as rows, on an empty day. */
export function layDay(day: DayToLay, { sha256, dayRoot }: Ground): DayLaid {
  const { name, zone, members, daySums, limits } = day;
  const { slots, meters, intervalMinutes } = name;
  const fresh = emptyColumns(slots, meters);
  const { delivered, most, least, exports } = scatter(day, fresh);
  const findings = noFindings();
  let askedSupply = false;
  const refused = validate(
    {
      // A cell without a quality was not told of.
      ...{ live: null, told: fresh.quality, exports, zeros: least === 0, intervalMinutes, members, daySums, limits, findings },
      lineAt: linesOf(day),
      explained: () => {
        askedSupply = true;
        return false;
      },
    },
    fresh,
  );
  const { stored, suspect } = settled(fresh.quality);
  const counted = { stored, suspect, refused, unchanged: delivered - refused - stored, askedSupply };
  const found = { first: findings.first.slice(0, FINDINGS_KEPT), counts: findings.counts };
  if (stored === 0) return { bytes: null, digest: '', merkleRoot: '', ...counted, found };
  // What was taken out may have been all that was large, or all that was exported.
  const extent = refused > 0 ? extentOf(fresh) : { width: most <= NARROW_MOST ? (2 as const) : (4 as const), hasExport: exports };
  const bytes = encodeBase(name, fresh, undefined, extent);
  const ids = members.map((member) => member?.meterId);
  return {
    bytes,
    digest: hex(sha256(bytes)),
    merkleRoot: hex(dayRoot({ ...name, zone }, fresh, ids)),
    ...counted,
    found,
  };
}

/** Counts what stays; where something is withdrawn there was nothing to withdraw. */
function settled(quality: Uint8Array): { stored: number; suspect: number } {
  let stored = 0;
  let suspect = 0;
  // Four at a time while all are VALID, as nearly all are.
  const fours = new Uint32Array(quality.buffer, quality.byteOffset, quality.length >> 2);
  for (let at = 0; at < quality.length; at++) {
    if ((at & 3) === 0 && fours[at >> 2] === FOUR_VALID) {
      stored += 4;
      at += 3;
      continue;
    }
    const said = quality[at]!;
    if (said === 0) continue;
    if (said === REJECTED) quality[at] = 0;
    else stored++;
    if (said === SUSPECT) suspect++;
  }
  return { stored, suspect };
}
