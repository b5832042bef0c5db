import { hex } from '../domain/hex.ts';
import { type DayColumns, emptyColumns, encodeBase, MISSING, type TileName } from '../domain/tile.ts';
import type { DayRoot } from './day-root.ts';
import { FINDINGS_KEPT, type FindingCode, type FindingRow, noFindings } from './findings.ts';
import { lineOf, type SheetColumn } from './sheet.ts';

import { type Member, validate } from './validate.ts';
import type { VeeLimits } from './vee.ts';

/** A day of a shard that nobody has written yet, as a sheet tells it. Plain: it may go to another thread. */
export type DayToLay = {
  readonly name: TileName;
  readonly zone: string;
  readonly columns: readonly { readonly slot: number; readonly column: Omit<SheetColumn, 'next'> }[];
  readonly bases: readonly number[];
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

const VALID = 1;
const SUSPECT = 4;
const REJECTED = 5;
const FOUR_VALID = 0x01010101;

/** The straight road from a delivery to a tile: what `merge` and `encodeVersion` make of the same readings as rows, on an empty day. */
export function layDay(day: DayToLay, { sha256, dayRoot }: Ground): DayLaid {
  const { name, zone, bases, members, daySums, limits } = day;
  const { slots, meters, intervalMinutes } = name;
  const fresh = emptyColumns(slots, meters);
  const told = new Uint32Array(slots * meters);
  const delivered = scatter(day, fresh, told);
  const findings = noFindings();
  let askedSupply = false;
  const refused = validate(
    {
      ...{ live: null, told, intervalMinutes, members, daySums, limits, findings },
      lineAt: (at) => lineOf(bases, told[at]!),
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
  const bytes = encodeBase(name, fresh);
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

/** Cells of the sheet's columns into those of the tile. Answers how many. */
function scatter({ columns, ordinalOf, factorOf, name: { meters } }: DayToLay, into: DayColumns, told: Uint32Array): number {
  const multiplied = factorOf.some((factor, meter) => factor !== 1 && ordinalOf[meter]! >= 0);
  let count = 0;
  for (const { slot, column } of columns) {
    const { nth, importWh, exportWh, quality } = column;
    const first = slot * meters;
    const width = Math.min(nth.length, ordinalOf.length);
    count += scatterInto(into, told, first, { nth, importWh, ordinalOf, width });
    if (quality === null && exportWh === null && !multiplied) continue;
    for (let meter = 0; meter < width; meter++) {
      const ordinal = ordinalOf[meter]!;
      if (ordinal < 0 || nth[meter] === 0) continue;
      const at = first + ordinal;
      if (multiplied) into.importWh[at] = times(importWh[meter]!, factorOf[meter]!);
      if (exportWh !== null) into.exportWh[at] = times(exportWh[meter]!, factorOf[meter]!);
      if (quality !== null) into.quality[at] = quality[meter]!;
    }
  }
  return count;
}

type Cells = Pick<SheetColumn, 'nth' | 'importWh'> & { readonly ordinalOf: Int32Array; readonly width: number };

/** What every reading has: all there is to most. */
function scatterInto(
  { importWh: into, quality }: DayColumns,
  told: Uint32Array,
  first: number,
  { nth, importWh, ordinalOf, width }: Cells,
): number {
  let count = 0;
  for (let meter = 0; meter < width; meter++) {
    const said = nth[meter]!;
    const ordinal = ordinalOf[meter]!;
    if (said === 0 || ordinal < 0) continue;
    const at = first + ordinal;
    told[at] = said;
    into[at] = importWh[meter]!;
    quality[at] = VALID;
    count++;
  }
  return count;
}

/** `spread` has seen that it fits. */
const times = (wh: number, factor: number): number => (factor === 1 || wh === MISSING ? wh : Math.imul(wh, factor));
