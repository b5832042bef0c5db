import { type DayColumns, emptyColumns, MISSING, type Statements } from '../domain/tile.ts';
import type { Group } from './arrange.ts';
import type { FindingCode, Findings } from './findings.ts';
import type { Rows } from './rows.ts';
import {
  daySumDiffers,
  judge,
  REJECT_LOAD,
  SUSPECT_LOAD,
  SUSPECT_SPIKE,
  SUSPECT_STUCK,
  unexplainedZeros,
  type VeeLimits,
} from './vee.ts';

/** What the rules need to know of the meter at one ordinal, on this day. */
export type Member = {
  readonly meterId: string;
  /** W; 0 = not known. */
  readonly sanctionedLoadW: number;
  /** The feeder or transformer of its connection; empty for a sub-meter, which says nothing about a feeder. */
  readonly areaId: string;
};
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

const VALID = 1;
const SUSPECT = 4;
const REJECTED = 5;
const FLAGS: readonly [flag: number, code: FindingCode, why: string][] = [
  [SUSPECT_STUCK, 'stuck', 'the same value for too many hours'],
  [SUSPECT_SPIKE, 'spike', 'many times its neighbours'],
  [SUSPECT_LOAD, 'implausible', 'more than the sanctioned load makes likely'],
];

/** Rows of one group → what they newly say, validated against the day as it will be with them. */
export function merge(input: MergeInput): Merged {
  const { rows, group, slot, ordinalOf, live, members, findings } = input;
  const { slots, meters } = live;
  const fresh = emptyColumns(slots, meters);
  const rowOf = new Int32Array(slots * meters).fill(-1);
  let told = 0;
  let unchanged = 0;
  let refused = 0;
  for (const row of group.rows) {
    const ordinal = ordinalOf[rows.meter[row]!]!;
    const at = slot[row]! * meters + ordinal;
    if (rowOf[at] !== -1) {
      if (repeat(input, fresh, at, row, ordinal)) unchanged++;
      else refused++;
      continue;
    }
    rowOf[at] = row;
    told++;
    fresh.importWh[at] = rows.importWh[row]!;
    fresh.exportWh[at] = rows.exportWh[row]!;
    fresh.quality[at] = rows.quality[row]!;
  }
  const impossible = validate(input, fresh, rowOf);
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
  function changed(now: DayColumns, before: DayColumns, rowAt: Int32Array, most: number): Int32Array {
    const found = new Int32Array(most);
    const { importWh, exportWh, quality } = now;
    let count = 0;
    for (let at = 0; at < rowAt.length; at++) {
      if (rowAt[at]! < 0) continue;
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
      () => `meter ${members[ordinal]?.meterId ?? ordinal} has another reading for this interval in line ${all.line[rowOf[at]!]}`,
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

/** Runs every rule over the day as it will be; marks cells of `fresh` SUSPECT, takes impossible ones out. Answers how many. */
function validate(input: MergeInput, fresh: DayColumns, rowOf: Int32Array): number {
  const { live, members, rows, group, ordinalOf, daySums, limits, findings } = input;
  const { slots, meters } = live;
  // What nobody delivers cannot be wrong; the import of a day is looked at all the same, for its daily register.
  const registers = says(fresh.exportWh) ? (['importWh', 'exportWh'] as const) : (['importWh'] as const);
  const dayOf = { importWh: daysWith(fresh, live, 'importWh'), exportWh: daysWith(fresh, live, 'exportWh') };
  const verdicts = new Uint8Array(slots);
  const touched = new Set<number>();
  for (let i = 0, last = -1; i < group.rows.length; i++) {
    const ordinal = ordinalOf[rows.meter[group.rows[i]!]!]!;
    if (ordinal !== last) touched.add(ordinal);
    last = ordinal;
  }
  let refused = 0;
  const doubt = (at: number, ordinal: number, code: FindingCode, why: string): void => {
    if (fresh.quality[at] === VALID) fresh.quality[at] = SUSPECT;
    findings.add(rows.line[rowOf[at]!]!, '', code, () => `meter ${members[ordinal]?.meterId ?? ordinal}: ${why}`);
  };
  for (const ordinal of touched) {
    const { sanctionedLoadW = 0 } = members[ordinal] ?? {};
    const before = refused;
    for (const register of registers) {
      const wh = dayOf[register](ordinal, refused > before);
      judge({ wh, intervalMinutes: group.place.intervalMinutes, sanctionedLoadW }, limits, verdicts);
      for (let slot = 0; slot < slots; slot++) {
        const at = slot * meters + ordinal;
        if (verdicts[slot] === 0 || rowOf[at]! < 0 || fresh[register][at] === MISSING) continue;
        if (verdicts[slot]! & REJECT_LOAD) {
          findings.add(
            rows.line[rowOf[at]!]!,
            '',
            'implausible',
            () => `meter ${members[ordinal]?.meterId}: ${wh[slot]} Wh is beyond what its connection can carry`,
          );
          rowOf[at] = -1;
          fresh.importWh[at] = MISSING;
          fresh.exportWh[at] = MISSING;
          fresh.quality[at] = 0;
          refused++;
          continue;
        }
        for (const [flag, code, why] of FLAGS) if (verdicts[slot]! & flag) doubt(at, ordinal, code, why);
      }
      const sum = daySums.get(ordinal);
      if (register === 'importWh' && sum !== undefined && daySumDiffers(wh, sum, limits))
        for (let slot = 0; slot < slots; slot++)
          if (rowOf[slot * meters + ordinal]! >= 0)
            doubt(slot * meters + ordinal, ordinal, 'day_sum', `the day does not add up to its register's ${sum} Wh`);
    }
  }
  doubtZeros(input, fresh, rowOf, doubt);
  return refused;
}

function doubtZeros(
  input: MergeInput,
  fresh: DayColumns,
  rowOf: Int32Array,
  doubt: (at: number, ordinal: number, code: FindingCode, why: string) => void,
): void {
  const { live, members, explained, limits } = input;
  const { slots, meters } = live;
  // Most days have no zeros at all: looking at every feeder is for those that do.
  const zeros = new Map<string, number>();
  for (let at = 0; at < rowOf.length; at++) {
    if (fresh.importWh[at] !== 0 || rowOf[at]! < 0) continue;
    const areaId = members[at % meters]?.areaId;
    if (areaId) zeros.set(areaId, (zeros.get(areaId) ?? 0) + 1);
  }
  for (const [areaId] of zeros) {
    const ordinals = [...members.keys()].filter((ordinal) => members[ordinal]?.areaId === areaId);
    if (ordinals.length < limits.zeroMetersLeast) continue;
    const day = ordinals.map((ordinal) => {
      const both = { importWh: new Int32Array(slots), exportWh: new Int32Array(slots) };
      dayWith(fresh, live, 'importWh', ordinal, both.importWh);
      dayWith(fresh, live, 'exportWh', ordinal, both.exportWh);
      return both;
    });
    const suspects = unexplainedZeros({ slots, meters: day, explained: (i, slot) => explained(ordinals[i]!, slot) }, limits);
    for (let slot = 0; slot < slots; slot++) {
      if (suspects[slot] === 0) continue;
      for (const ordinal of ordinals) {
        const at = slot * meters + ordinal;
        if (rowOf[at]! >= 0 && fresh.importWh[at] === 0 && !explained(ordinal, slot))
          doubt(at, ordinal, 'unexplained_zero', `zero together with many of ${areaId}, and no outage on record`);
      }
    }
  }
}

/** Meters whose columns lie side by side: 16 i32 fill a cache line. */
const ABREAST = 16;

/**
 * One meter after the other as `dayWith`, each brought along with its neighbours, for a meter's slots lie far apart. `anew` = this meter's
 * cells have changed since.
 */
function daysWith(fresh: DayColumns, live: DayColumns, register: 'importWh' | 'exportWh') {
  const { slots, meters } = live;
  const block = new Int32Array(slots * ABREAST);
  const [said, known] = [fresh[register], live[register]];
  let first = -1;
  return (ordinal: number, anew: boolean): Int32Array => {
    const start = ordinal - (ordinal % ABREAST);
    const wh = block.subarray((ordinal - start) * slots, (ordinal - start + 1) * slots);
    if (start === first) {
      if (anew) dayWith(fresh, live, register, ordinal, wh);
      return wh;
    }
    first = start;
    const count = Math.min(ABREAST, meters - start);
    for (let slot = 0; slot < slots; slot++)
      for (let i = 0, at = slot * meters + start; i < count; i++, at++)
        block[i * slots + slot] = said[at] !== MISSING ? said[at]! : fresh.quality[at] === REJECTED ? MISSING : known[at]!;
    return wh;
  };
}

function says(wh: Int32Array): boolean {
  for (let at = 0; at < wh.length; at++) if (wh[at] !== MISSING) return true;
  return false;
}

/** One meter's register over the day as it will be. */
function dayWith(fresh: DayColumns, live: DayColumns, register: 'importWh' | 'exportWh', ordinal: number, wh: Int32Array): void {
  for (let slot = 0; slot < wh.length; slot++) {
    const at = slot * live.meters + ordinal;
    wh[slot] =
      fresh[register][at] !== MISSING ? fresh[register][at]! : fresh.quality[at] === REJECTED ? MISSING : live[register][at]!;
  }
}

const corrects = (fresh: DayColumns, live: DayColumns, at: number): boolean =>
  (live.importWh[at] !== MISSING &&
    (fresh.quality[at] === REJECTED || ![MISSING, live.importWh[at]].includes(fresh.importWh[at]))) ||
  (live.exportWh[at] !== MISSING &&
    (fresh.quality[at] === REJECTED || ![MISSING, live.exportWh[at]].includes(fresh.exportWh[at])));
