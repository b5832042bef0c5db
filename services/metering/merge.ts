import { type DayColumns, emptyColumns, MISSING, type Statements } from '../domain/tile.ts';
import type { Group } from './arrange.ts';
import type { Findings } from './findings.ts';
import type { Rows } from './rows.ts';
import { type Member, says, validate } from './validate.ts';
import type { VeeLimits } from './vee.ts';

export type MergeInput = {
  readonly rows: Rows;
  readonly group: Group;
  /** By row. */
  readonly slot: Uint16Array;
  /** By index into `rows.meterIds`. */
  readonly ordinalOf: Int32Array;
  /** What was known when these rows became known; not changed here. */
  readonly live: DayColumns;
  readonly members: readonly (Member | undefined)[];
  /** By ordinal: Wh of the whole day by the daily import register. */
  readonly daySums: ReadonlyMap<number, number>;
  readonly explained: (ordinal: number, slot: number) => boolean;
  readonly limits: VeeLimits;
  readonly findings: Findings;
};
export type Merged = {
  /** In (slot, ordinal) order; empty = nothing new, no version. */
  readonly statements: Statements;
  readonly stored: number;
  readonly unchanged: number;
  readonly suspect: number;
  readonly refused: number;
  /** A value that was there is another now. */
  readonly correction: boolean;
};

const SUSPECT = 4;
const REJECTED = 5;

/** Rows of one group → what they newly say, validated against the day as it will be with them. */
export function merge(input: MergeInput): Merged {
  const { rows, group, slot, ordinalOf, live, members, findings } = input;
  const { slots, meters } = live;
  const fresh = emptyColumns(slots, meters);
  // By cell: its first row, from 1.
  const rowOf = new Uint32Array(slots * meters);
  const lineAt = (at: number): number => rows.line[rowOf[at]! - 1]!;
  let told = 0;
  let unchanged = 0;
  let refused = 0;
  for (const row of group.rows) {
    const ordinal = ordinalOf[rows.meter[row]!]!;
    const at = slot[row]! * meters + ordinal;
    if (rowOf[at] !== 0) {
      if (repeat(input, fresh, at, row, ordinal)) unchanged++;
      else refused++;
      continue;
    }
    rowOf[at] = row + 1;
    told++;
    fresh.importWh[at] = rows.importWh[row]!;
    fresh.exportWh[at] = rows.exportWh[row]!;
    fresh.quality[at] = rows.quality[row]!;
  }
  const { intervalMinutes } = group.place;
  const found = { exports: says(fresh.exportWh), zeros: fresh.importWh.includes(0) };
  const impossible = validate({ ...input, ...found, told: rowOf, lineAt, intervalMinutes }, fresh);
  const cells = changed(fresh, live, rowOf, told);
  let suspect = 0;
  let correction = false;
  for (let i = 0; i < cells.length; i++) {
    if (fresh.quality[cells[i]!] === SUSPECT) suspect++;
    correction ||= corrects(fresh, live, cells[i]!);
  }
  return {
    statements: statementsAt(fresh, cells),
    stored: cells.length,
    unchanged: unchanged + told - impossible - cells.length,
    suspect,
    refused: refused + impossible,
    correction,
  };

  /** Cells that say something else than what is known, ascending. */
  function changed(now: DayColumns, before: DayColumns, rowAt: Uint32Array, most: number): Int32Array {
    const found = new Int32Array(most);
    const { importWh, exportWh, quality } = now;
    let count = 0;
    for (let at = 0; at < rowAt.length; at++) {
      if (rowAt[at] === 0) continue;
      const same =
        quality[at] === REJECTED
          ? before.quality[at] === 0
          : (importWh[at] === MISSING || importWh[at] === before.importWh[at]) &&
            (exportWh[at] === MISSING || exportWh[at] === before.exportWh[at]) &&
            quality[at] === before.quality[at];
      if (!same) found[count++] = at;
    }
    return found.subarray(0, count);
  }

  /** True when the repeat is identical and ignored; else the slot is doubtful and the first value stays. */
  function repeat({ rows: all }: MergeInput, first: DayColumns, at: number, row: number, ordinal: number): boolean {
    const importWh = all.importWh[row]!;
    const exportWh = all.exportWh[row]!;
    const withdrawn = first.quality[at] === REJECTED || all.quality[row] === REJECTED;
    // The two registers may come in rows of their own.
    if (!withdrawn && first.importWh[at] === MISSING) first.importWh[at] = importWh;
    if (!withdrawn && first.exportWh[at] === MISSING) first.exportWh[at] = exportWh;
    const same =
      (importWh === MISSING || importWh === first.importWh[at]) &&
      (exportWh === MISSING || exportWh === first.exportWh[at]) &&
      all.quality[row] === first.quality[at];
    if (same) return true;
    if (first.quality[at] !== REJECTED) first.quality[at] = SUSPECT;
    findings.add(
      all.line[row]!,
      'interval_start',
      'duplicate',
      () => `meter ${members[ordinal]?.meterId ?? ordinal} has another reading for this interval in line ${lineAt(at)}`,
    );
    return false;
  }
}

/** A loop and not `from` with a function: this is the path of every reading. */
function statementsAt({ meters, importWh, exportWh, quality }: DayColumns, cells: Int32Array): Statements {
  const count = cells.length;
  const said: Statements = {
    slot: new Uint16Array(count),
    ordinal: new Uint32Array(count),
    importWh: new Int32Array(count),
    exportWh: new Int32Array(count),
    quality: new Uint8Array(count),
  };
  for (let i = 0; i < count; i++) {
    const at = cells[i]!;
    said.slot[i] = Math.floor(at / meters);
    said.ordinal[i] = at % meters;
    said.importWh[i] = importWh[at]!;
    said.exportWh[i] = exportWh[at]!;
    said.quality[i] = quality[at]!;
  }
  return said;
}

const corrects = (fresh: DayColumns, live: DayColumns, at: number): boolean =>
  (live.importWh[at] !== MISSING &&
    (fresh.quality[at] === REJECTED || ![MISSING, live.importWh[at]].includes(fresh.importWh[at]))) ||
  (live.exportWh[at] !== MISSING &&
    (fresh.quality[at] === REJECTED || ![MISSING, live.exportWh[at]].includes(fresh.exportWh[at])));
