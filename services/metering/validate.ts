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
  readonly told: Uint32Array;
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
  const { live, told, lineAt, intervalMinutes, members, daySums, limits, findings } = day;
  const { slots, meters } = fresh;
  // What nobody delivers cannot be wrong; the import of a day is looked at all the same, for its daily register.
  const registers = says(fresh.exportWh) ? (['importWh', 'exportWh'] as const) : (['importWh'] as const);
  const dayOf = { importWh: daysWith(fresh, live, 'importWh'), exportWh: daysWith(fresh, live, 'exportWh') };
  const verdicts = new Uint8Array(slots);
  const touched = touchedBy(told, meters);
  let refused = 0;
  const doubt = (at: number, ordinal: number, code: FindingCode, why: string): void => {
    if (fresh.quality[at] === VALID) fresh.quality[at] = SUSPECT;
    findings.add(lineAt(at), '', code, () => `meter ${members[ordinal]?.meterId ?? ordinal}: ${why}`);
  };
  const act = (ordinal: number, register: 'importWh' | 'exportWh', wh: Int32Array): void => {
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
    if (touched[ordinal] === 0) continue;
    const sanctionedLoadW = members[ordinal]?.sanctionedLoadW ?? 0;
    const before = refused;
    for (const register of registers) {
      const wh = dayOf[register](ordinal, refused > before);
      if (judge({ wh, intervalMinutes, sanctionedLoadW }, limits, verdicts)) act(ordinal, register, wh);
      const sum = register === 'importWh' ? daySums.get(ordinal) : undefined;
      if (sum === undefined || !daySumDiffers(wh, sum, limits)) continue;
      for (let at = ordinal; at < told.length; at += meters)
        if (told[at] !== 0) doubt(at, ordinal, 'day_sum', `the day does not add up to its register's ${sum} Wh`);
    }
  }
  doubtZeros(day, fresh, doubt);
  return refused;
}

function touchedBy(told: Uint32Array, meters: number): Uint8Array {
  const touched = new Uint8Array(meters);
  for (let first = 0; first < told.length; first += meters)
    for (let ordinal = 0; ordinal < meters; ordinal++) if (told[first + ordinal] !== 0) touched[ordinal] = 1;
  return touched;
}

function doubtZeros(
  { live, told, members, explained, limits }: DayTold,
  fresh: DayColumns,
  doubt: (at: number, ordinal: number, code: FindingCode, why: string) => void,
): void {
  const { slots, meters } = fresh;
  // Most days have no zeros at all: looking at every feeder is for those that do.
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

/** Meters whose columns lie side by side: 16 i32 fill a cache line. */
const ABREAST = 16;

/**
 * One meter after the other as `dayWith`, each brought along with its neighbours, for a meter's slots lie far apart. `anew` = this meter's
 * cells have changed since.
 */
function daysWith(fresh: DayColumns, live: DayColumns | null, register: 'importWh' | 'exportWh') {
  const { slots, meters, quality } = fresh;
  const block = new Int32Array(slots * ABREAST);
  const said = fresh[register];
  const known = live?.[register] ?? null;
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
        block[i * slots + slot] = said[at] !== MISSING || known === null || quality[at] === REJECTED ? said[at]! : known[at]!;
    return wh;
  };
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
