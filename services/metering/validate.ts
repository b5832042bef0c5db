import { type DayColumns, MISSING } from '../domain/tile.ts';
import type { FindingCode, Findings } from './findings.ts';
import {
  daySumDiffers,
  judge,
  REJECT_LOAD,
  SUSPECT_LOAD,
  SUSPECT_SPIKE,
  SUSPECT_STUCK,
  unexplainedZeros,
  type VeeLimits,
  watcher,
} from './vee.ts';

/** What the rules need to know of the meter at one ordinal, on this day. */
export type Member = {
  readonly meterId: string;
  /** W; 0 = not known. */
  readonly sanctionedLoadW: number;
  /** The feeder or transformer of its connection; empty for a sub-meter, which says nothing about a feeder. */
  readonly areaId: string;
};
/** A day of a shard as it is delivered, and what it is held against. */
export type DayTold = {
  /** Where it says nothing, what was known holds; null = nothing was. */
  readonly live: DayColumns | null;
  /** By cell, 0 = nothing was delivered; what is impossible is taken out. */
  readonly told: Uint32Array | Uint8Array;
  /** Whether any export was delivered, and whether any import of zero: what no reading has, no rule need look for. */
  readonly exports: boolean;
  readonly zeros: boolean;
  /** Line, or index in the stream, of what was delivered for a cell. */
  readonly lineAt: (cell: number) => number;
  readonly intervalMinutes: number;
  readonly members: readonly (Member | undefined)[];
  /** By ordinal: Wh of the whole day by the daily import register. */
  readonly daySums: ReadonlyMap<number, number>;
  readonly explained: (ordinal: number, slot: number) => boolean;
  readonly limits: VeeLimits;
  readonly findings: Findings;
};

const VALID = 1;
const SUSPECT = 4;
const REJECTED = 5;
const FLAGS: readonly [flag: number, code: FindingCode, why: string][] = [
  [SUSPECT_STUCK, 'stuck', 'the same value for too many hours'],
  [SUSPECT_SPIKE, 'spike', 'many times its neighbours'],
  [SUSPECT_LOAD, 'implausible', 'more than the sanctioned load makes likely'],
];

/** Runs every rule over the day as it will be, meter by meter; marks cells of `fresh` SUSPECT, takes impossible ones out. Answers how many. */
export function validate(day: DayTold, fresh: DayColumns): number {
  const { live, told, lineAt, exports, intervalMinutes, members, daySums, limits, findings } = day;
  const { slots, meters } = fresh;
  // What nobody delivers cannot be wrong; the import of a day is looked at all the same, for its daily register.
  const registers = exports ? (['importWh', 'exportWh'] as const) : (['importWh'] as const);
  const noticed = noticedIn(day, fresh, registers);
  const wh = new Int32Array(slots);
  const verdicts = new Uint8Array(slots);
  let refused = 0;
  const doubt = (at: number, ordinal: number, code: FindingCode, why: string): void => {
    if (fresh.quality[at] === VALID) fresh.quality[at] = SUSPECT;
    findings.add(lineAt(at), '', code, () => `meter ${members[ordinal]?.meterId ?? ordinal}: ${why}`);
  };
  const act = (ordinal: number, register: 'importWh' | 'exportWh'): void => {
    for (let slot = 0; slot < slots; slot++) {
      const at = slot * meters + ordinal;
      if (verdicts[slot] === 0 || told[at] === 0 || fresh[register][at] === MISSING) continue;
      if (verdicts[slot]! & REJECT_LOAD) {
        const why = (): string => `meter ${members[ordinal]?.meterId}: ${wh[slot]} Wh is beyond what its connection can carry`;
        findings.add(lineAt(at), '', 'implausible', why);
        told[at] = 0;
        fresh.importWh[at] = MISSING;
        fresh.exportWh[at] = MISSING;
        fresh.quality[at] = 0;
        refused++;
        continue;
      }
      for (const [flag, code, why] of FLAGS) if (verdicts[slot]! & flag) doubt(at, ordinal, code, why);
    }
  };
  for (let ordinal = 0; ordinal < meters; ordinal++) {
    if ((noticed[ordinal] === 0 && !daySums.has(ordinal)) || !isTold(told, meters, ordinal)) continue;
    const sanctionedLoadW = members[ordinal]?.sanctionedLoadW ?? 0;
    for (const register of registers) {
      // Anew for each: what was impossible of the import is gone from the export as well.
      dayWith(fresh, live, register, ordinal, wh);
      if (judge({ wh, intervalMinutes, sanctionedLoadW }, limits, verdicts)) act(ordinal, register);
      const sum = register === 'importWh' ? daySums.get(ordinal) : undefined;
      if (sum === undefined || !daySumDiffers(wh, sum, limits)) continue;
      for (let at = ordinal; at < told.length; at += meters)
        if (told[at] !== 0) doubt(at, ordinal, 'day_sum', `the day does not add up to its register's ${sum} Wh`);
    }
  }
  // Most days have no zeros at all: looking at every feeder is for those that do.
  if (day.zeros) doubtZeros(day, fresh, doubt);
  return refused;
}

/** By ordinal, 1 = `judge` may find something in one of its registers. */
function noticedIn(
  { live, intervalMinutes, members, limits }: DayTold,
  fresh: DayColumns,
  registers: readonly ('importWh' | 'exportWh')[],
): Uint8Array {
  const { slots, meters, quality } = fresh;
  const loads = Float64Array.from({ length: meters }, (_, ordinal) => members[ordinal]?.sanctionedLoadW ?? 0);
  const all = new Uint8Array(meters);
  const merged = new Int32Array(meters);
  for (const register of registers) {
    const { see, noticed } = watcher(loads, intervalMinutes, limits);
    for (let first = 0; first < slots * meters; first += meters) {
      const said = fresh[register].subarray(first, first + meters);
      if (live === null) {
        see(said);
        continue;
      }
      for (let i = 0; i < meters; i++)
        merged[i] = said[i] !== MISSING || quality[first + i] === REJECTED ? said[i]! : live[register][first + i]!;
      see(merged);
    }
    for (let i = 0; i < meters; i++) all[i]! |= noticed[i]!;
  }
  return all;
}

function isTold(told: DayTold['told'], meters: number, ordinal: number): boolean {
  for (let at = ordinal; at < told.length; at += meters) if (told[at] !== 0) return true;
  return false;
}

function doubtZeros(
  { live, told, members, explained, limits }: DayTold,
  fresh: DayColumns,
  doubt: (at: number, ordinal: number, code: FindingCode, why: string) => void,
): void {
  const { slots, meters } = fresh;
  const zeros = new Map<string, number>();
  for (let at = 0; at < told.length; at++) {
    if (fresh.importWh[at] !== 0 || told[at] === 0) continue;
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
        if (told[at] !== 0 && fresh.importWh[at] === 0 && !explained(ordinal, slot))
          doubt(at, ordinal, 'unexplained_zero', `zero together with many of ${areaId}, and no outage on record`);
      }
    }
  }
}

/** Whether a register says anything at all. */
export function says(wh: Int32Array): boolean {
  for (let at = 0; at < wh.length; at++) if (wh[at] !== MISSING) return true;
  return false;
}

/** One meter's register over the day as it will be. */
function dayWith(
  fresh: DayColumns,
  live: DayColumns | null,
  register: 'importWh' | 'exportWh',
  ordinal: number,
  wh: Int32Array,
): void {
  for (let slot = 0; slot < wh.length; slot++) {
    const at = slot * fresh.meters + ordinal;
    const said = fresh[register][at]!;
    wh[slot] = said !== MISSING || live === null || fresh.quality[at] === REJECTED ? said : live[register][at]!;
  }
}
