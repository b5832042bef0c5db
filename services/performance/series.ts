import type { Instant } from '../domain/interval.ts';
import { MISSING } from './kernel.ts';
import type { Quantity } from './spec.ts';

/** The readings of one meter as columns, instants rising and distinct; MISSING where a register says nothing. */
export type Series = {
  readonly starts: Float64Array;
  readonly importWh: Int32Array;
  readonly exportWh: Int32Array;
  /** Instants whose reading somebody estimated; absent = none. */
  readonly estimated?: ReadonlySet<Instant>;
};

/** Rows in the order they arrived; `estimated` are places among them. */
export type Rows = {
  readonly starts: Instant[];
  readonly importWh: number[];
  readonly exportWh: number[];
  readonly estimated: Set<number>;
};

export const noRows = (): Rows => ({ starts: [], importWh: [], exportWh: [], estimated: new Set() });

/** Sorts rows of any order; of several for one instant the first counts. */
export function seriesOf(rows: Rows): Series {
  const order = Array.from(rows.starts.keys());
  const rises = rows.starts.every((start, i) => i === 0 || rows.starts[i - 1]! <= start);
  if (!rises) order.sort((a, b) => rows.starts[a]! - rows.starts[b]! || a - b);
  const first = order.filter((row, i) => i === 0 || rows.starts[order[i - 1]!] !== rows.starts[row]);
  const estimated = first.filter((row) => rows.estimated.has(row)).map((row) => rows.starts[row]!);
  return {
    ...(estimated.length > 0 && { estimated: new Set(estimated) }),
    starts: Float64Array.from(first, (row) => rows.starts[row]!),
    importWh: Int32Array.from(first, (row) => rows.importWh[row]!),
    exportWh: Int32Array.from(first, (row) => rows.exportWh[row]!),
  };
}

/** Wh of the interval that starts at `start`, or MISSING; net = import − export and missing when either is. */
export function readingAt(series: Series, start: Instant, quantity: Quantity): number {
  const { starts } = series;
  let low = 0;
  let high = starts.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (starts[middle]! < start) low = middle + 1;
    else high = middle;
  }
  if (starts[low] !== start) return MISSING;
  const taken = series.importWh[low]!;
  const given = series.exportWh[low]!;
  if (quantity === 'import') return taken;
  if (quantity === 'export') return given;
  return taken === MISSING || given === MISSING ? MISSING : taken - given;
}

/** Whether a value can be a reading: an integer of Wh within ±2³⁰, so that import − export stays inside the core's bound. */
export const isReading = (wh: number): boolean => Number.isInteger(wh) && Math.abs(wh) <= 2 ** 30;
