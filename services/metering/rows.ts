import type { Instant } from '../domain/interval.ts';
import { MISSING } from '../domain/tile.ts';

/**
 * Readings as they were delivered, in order of delivery: one typed column per field, so that a million readings are nine arrays and
 * not a million objects.
 */
export type Rows = {
  count: number;
  /** Index into `meterIds`, by first appearance. */
  meter: Int32Array;
  /** Start of the interval, ms UTC. */
  start: Float64Array;
  /** As the register says, before the meter's factor; MISSING = says nothing of this register. */
  importWh: Int32Array;
  exportWh: Int32Array;
  /** 1 VALID … 5 REJECTED; a REJECTED row has no values: it withdraws. */
  quality: Uint8Array;
  /** ms UTC; NaN = the command's. */
  knownAt: Float64Array;
  /** 1-based line of the file, or index of the value in a stream. */
  line: Uint32Array;
  meterIds: string[];
  /** Daily import registers where given: `<meter index> <any start of the day>` → Wh of the day before the factor. */
  daySums: { meter: number; start: Instant; wh: number }[];
};

export const ROWS_MOST = 50_000_000;

export function noRows(capacity = 4096): Rows {
  return {
    count: 0,
    meter: new Int32Array(capacity),
    start: new Float64Array(capacity),
    importWh: new Int32Array(capacity),
    exportWh: new Int32Array(capacity),
    quality: new Uint8Array(capacity),
    knownAt: new Float64Array(capacity),
    line: new Uint32Array(capacity),
    meterIds: [],
    daySums: [],
  };
}

/** Appends one reading. REJECTED drops the values. */
export function addRow(
  rows: Rows,
  meter: number,
  start: Instant,
  importWh: number,
  exportWh: number,
  quality: number,
  knownAt: number,
  line: number,
): void {
  const at = rows.count++;
  if (at === rows.meter.length) widen(rows, at * 2);
  const withdrawn = quality === 5;
  rows.meter[at] = meter;
  rows.start[at] = start;
  rows.importWh[at] = withdrawn ? MISSING : importWh;
  rows.exportWh[at] = withdrawn ? MISSING : exportWh;
  rows.quality[at] = quality;
  rows.knownAt[at] = knownAt;
  rows.line[at] = line;
}

function widen(rows: Rows, capacity: number): void {
  const grown = <C extends { set(from: never): void }>(column: C, larger: C): C => {
    larger.set(column as never);
    return larger;
  };
  rows.meter = grown(rows.meter, new Int32Array(capacity));
  rows.start = grown(rows.start, new Float64Array(capacity));
  rows.importWh = grown(rows.importWh, new Int32Array(capacity));
  rows.exportWh = grown(rows.exportWh, new Int32Array(capacity));
  rows.quality = grown(rows.quality, new Uint8Array(capacity));
  rows.knownAt = grown(rows.knownAt, new Float64Array(capacity));
  rows.line = grown(rows.line, new Uint32Array(capacity));
}
