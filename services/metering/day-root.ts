import { meterDayHead, nameLine } from '../domain/meter-day.ts';
import type { DayColumns } from '../domain/tile.ts';
import type { CivilDay } from '../domain/zone.ts';

/**
 * RFC 6962 root over the digests (32 bytes each) of all meter-days with a reading, in ordinal order; `meterIds` by ordinal, undefined = there
 * is no such meter. Throws RangeError on a control character in a name.
 */
export type DayRoot = (
  day: { readonly day: CivilDay; readonly zone: string; readonly intervalMinutes: number },
  columns: DayColumns,
  meterIds: readonly (string | undefined)[],
) => Uint8Array;

/** As `DayRoot`, the digests themselves: 32 bytes a meter, by ordinal; zeros = no reading, or no such meter. */
export type DayDigests = DayRoot;

/** What of the core's exports it uses (assembly/day-root.ts). */
export type RootCore = {
  readonly memory: { readonly buffer: ArrayBuffer; grow(pages: number): number };
  readonly LINE_BYTES_MOST: { readonly value: number };
  hashPlace(): number;
  dayDigests(...addressesAndShape: number[]): number;
  dayRoot(...addressesAndShape: number[]): number;
};

/** Meters whose texts lie in the core together. */
const TOGETHER = 16;

export function dayRoots(core: RootCore): DayRoot {
  const hash = hashing(core, core.dayRoot);
  return (...day) => hash(...day).leaves.slice(0, 32);
}

export function dayDigests(core: RootCore): DayDigests {
  const hash = hashing(core, core.dayDigests);
  return (day, columns, meterIds) => {
    const { leaves } = hash(day, columns, meterIds);
    const read = anyQuality(columns);
    const digests = new Uint8Array(32 * meterIds.length);
    let nth = 0;
    for (let ordinal = 0; ordinal < columns.meters; ordinal++) {
      if (meterIds[ordinal] === undefined || read[ordinal] === 0) continue;
      digests.set(leaves.subarray(32 * nth, 32 * (nth + 1)), 32 * ordinal);
      nth++;
    }
    return digests;
  };
}

/** By ordinal: whether a reading of any slot is known. */
function anyQuality({ slots, meters, quality }: DayColumns): Uint8Array {
  const any = new Uint8Array(meters);
  for (let slot = 0, at = 0; slot < slots; slot++)
    for (let ordinal = 0; ordinal < meters; ordinal++) any[ordinal]! |= quality[at++]!;
  return any;
}

/** Lays a day into the core and hashes it there. What is answered holds until the next call. */
function hashing(core: RootCore, hash: RootCore['dayRoot']) {
  const encoder = new TextEncoder();
  return (...[day, columns, meterIds]: Parameters<DayRoot>): { leaves: Uint8Array } => {
    const { slots, meters } = columns;
    const { above, below } = meterDayHead(day, slots);
    let names = above + below;
    let longest = 0;
    for (let ordinal = 0; ordinal < meters; ordinal++) {
      const meterId = meterIds[ordinal];
      names += meterId === undefined ? '\0' : nameLine(meterId);
      if (meterId !== undefined && meterId.length > longest) longest = meterId.length;
    }
    const encoded = encoder.encode(names);
    // A character of a name is up to three bytes; behind a text comes the padding of its last block.
    const longestText = 3 * (above.length + longest + 1 + below.length) + slots * core.LINE_BYTES_MOST.value;
    const { at, memory } = placed(core, {
      importWh: columns.importWh.byteLength,
      exportWh: columns.exportWh.byteLength,
      quality: columns.quality.length,
      names: encoded.length,
      texts: TOGETHER * (Math.ceil(longestText / 64) + 1) * 64,
      leaves: 32 * Math.max(1, meters),
    });
    new Int32Array(memory, at.importWh, columns.importWh.length).set(columns.importWh);
    new Int32Array(memory, at.exportWh, columns.exportWh.length).set(columns.exportWh);
    new Uint8Array(memory, at.quality, columns.quality.length).set(columns.quality);
    new Uint8Array(memory, at.names, encoded.length).set(encoded);
    hash(at.importWh, at.exportWh, at.quality, slots, meters, at.names, at.texts, at.leaves);
    return { leaves: new Uint8Array(memory, at.leaves, 32 * Math.max(1, meters)) };
  };
}

/** Places of so many bytes one after the other, each on a border of 64, in a memory that holds them. */
function placed<Name extends string>(core: RootCore, bytes: Readonly<Record<Name, number>>) {
  const at = {} as Record<Name, number>;
  let end = Math.ceil((core.hashPlace() >>> 0) / 64) * 64;
  for (const name of Object.keys(bytes) as Name[]) {
    at[name] = end;
    end += Math.ceil(bytes[name] / 64) * 64;
  }
  const short = end - core.memory.buffer.byteLength;
  if (short > 0) core.memory.grow(Math.ceil(short / 65536));
  return { at, memory: core.memory.buffer };
}
