import { MISSING } from '../domain/tile.ts';
import type { EstimateInput, Estimates } from './kernel.ts';
import type { DayMatchingSpec } from './spec.ts';

/** What the tiles of one call look like. */
export type BatchShape = {
  /** M */
  readonly meters: number;
  /** D days of the event day's class, latest first. */
  readonly days: number;
  /** W */
  readonly eventSlots: number;
  /** A; 0 exactly when there is no adjustment. */
  readonly windowSlots: number;
  /** Bytes of a reading, as in the tile. */
  readonly width: 2 | 4;
};

/**
 * The inputs as they lie in the core's memory, to be filled in place (a file is read straight into them). Good until the next `open`.
 * A day is [W+A][M] readings, slot after slot with nothing between; the lowest value of the width says missing.
 */
export type BatchDoor = {
  readonly shape: BatchShape;
  /** Lanes between two rows of everything that is no reading: cell of row r, meter m is at r · stride + m. */
  readonly stride: number;
  readonly history: readonly Readings[];
  readonly actual: Readings;
  /** [D][stride] 1 = the day does not count for this meter. Looked at when `run` is told to. */
  readonly excluded: Uint8Array;
  /** [W][stride] 1 = not energised. Looked at when `run` is told to. */
  readonly notSettled: Uint8Array;
};

/**
 * Views into the core's memory, good until the next call: cell of row r, meter m is at r · stride + m. What they say is what `estimate` says of
 * the same meters, bit for bit. NaN, or MISSING in an i32 column: no baseline, or a gap.
 */
export type BatchAnswers = {
  readonly meters: number;
  readonly stride: number;
  /** 0 ok, 1 insufficient days, 2 out of bounds. */
  readonly status: Uint8Array;
  /** 1 fewer than y days, 2 adjustment skipped: not positive, 4 skipped: missing, 8 capped, 16 some integer does not fit here: ask `exact`. */
  readonly flags: Uint8Array;
  readonly missingCount: Uint8Array;
  readonly notSettledCount: Uint8Array;
  /** k */
  readonly selectedCount: Int32Array;
  /** Wh of the adjustment window on the event day, and over the k selected days. */
  readonly observed: Float64Array;
  readonly reference: Float64Array;
  /** Exact totals: integer numerators over the meter's integer denominator. */
  readonly denominator: Float64Array;
  readonly baselineTotal: Float64Array;
  readonly deliveredTotal: Float64Array;
  /** Wh of the settled slots. */
  readonly actualTotal: Float64Array;
  /** Whole Wh, rounded once, halves away from zero. */
  readonly baselineTotalWh: Float64Array;
  readonly deliveredTotalWh: Float64Array;
  /** [W][stride] Wh over the k selected days. */
  readonly sum: Int32Array;
  /** [W][stride] whole Wh that add up to the totals. */
  readonly baselineWh: Int32Array;
  readonly deliveredWh: Int32Array;
  /** Meters that the exact core has redone, being at the edge of what the lanes prove, or all when the terms are beyond them. */
  readonly redone: Int32Array;
};

export type BatchKernel = {
  /**
   * Makes room for a shape. What an earlier `open` gave is void, and so is the door once anything else of this kernel has run but `run` and
   * `exact`: all share one memory. Throws RangeError when 32-bit memory cannot hold the shape.
   */
  open(shape: BatchShape): BatchDoor;
  /** Baseline and delivered energy of every meter behind the door. Throws RangeError on terms outside the core's bounds. */
  run(spec: DayMatchingSpec, looksAt?: LooksAt): BatchAnswers;
  /** Everything about one meter behind the door, for evidence; the answers of `run` stay. */
  exact(spec: DayMatchingSpec, meter: number): Estimates;
};
/** Which of the door's flags a run looks at; the others count as 0. */
export type LooksAt = { readonly excluded?: boolean; readonly notSettled?: boolean };
/** Readings as a tile holds them. */
export type Readings = Int16Array | Int32Array;

/** The batch of one core: `termsOf` are the arguments of its `estimate` after the shape, `estimate` the exact core itself. */
export function batchKernel(
  core: BatchCore,
  termsOf: (spec: DayMatchingSpec) => number[],
  estimate: (input: EstimateInput) => Estimates,
): BatchKernel {
  let door: BatchDoor | null = null;
  let looked: LooksAt = {};
  const opened = (): BatchDoor => {
    if (door === null) throw new RangeError('open a shape before running it');
    return door;
  };
  return {
    open: (shape) => {
      door = openDoor(core, shape);
      looked = {};
      return door;
    },
    run: (spec, looksAt = {}) => {
      looked = looksAt;
      return answersOf(core, opened(), termsOf(spec), looksAt);
    },
    exact: (spec, meter) => estimate(laneOf(opened(), spec, looked, meter)),
  };
}

/** Reads a whole column set into the door at once, for callers that have it in arrays: [D][W+A][M], [W+A][M], [D][M], [W][M]. */
export function fill(
  door: BatchDoor,
  columns: {
    readonly history: Readings;
    readonly actual: Readings;
    readonly excluded?: Uint8Array;
    readonly notSettled?: Uint8Array;
  },
): void {
  const { meters, days, eventSlots, windowSlots, width } = door.shape;
  const { history, actual, excluded, notSettled } = columns;
  const cells = (eventSlots + windowSlots) * meters;
  demand(history.BYTES_PER_ELEMENT === width && actual.BYTES_PER_ELEMENT === width, `readings are not ${width} bytes wide`);
  demand(history.length === days * cells, 'history is not [days][eventSlots + windowSlots][meters]');
  demand(actual.length === cells, 'actual is not [eventSlots + windowSlots][meters]');
  demand(!excluded || excluded.length === days * meters, 'excluded is not [days][meters]');
  demand(!notSettled || notSettled.length === eventSlots * meters, 'notSettled is not [eventSlots][meters]');
  for (let d = 0; d < days; d++) door.history[d]!.set(history.subarray(d * cells, (d + 1) * cells));
  door.actual.set(actual);
  for (let d = 0; excluded && d < days; d++) door.excluded.set(excluded.subarray(d * meters, (d + 1) * meters), d * door.stride);
  for (let s = 0; notSettled && s < eventSlots; s++)
    door.notSettled.set(notSettled.subarray(s * meters, (s + 1) * meters), s * door.stride);
}

function openDoor(core: BatchCore, shape: BatchShape): BatchDoor {
  const { meters, days, eventSlots, windowSlots, width } = shape;
  const numbers = [meters, days, eventSlots, windowSlots];
  demand(
    numbers.every((n) => Number.isInteger(n) && n >= 0 && n <= 2 ** 28) && meters > 0 && eventSlots > 0,
    'a shape is made of whole numbers, with at least one meter and one event slot',
  );
  const cells = (eventSlots + windowSlots) * meters;
  const bytes = (days + 1) * (cells * width + 256) + meters * (days + 13 * eventSlots + 80);
  demand(bytes < 2 ** 32 - 2 ** 28, `${meters} meters × ${days} days need ${bytes} bytes at once: take fewer meters`);
  const end = address(core, shape, 'BATCH_COLUMNS') >>> 0;
  const short = end - core.memory.buffer.byteLength;
  if (short > 0) core.memory.grow(Math.ceil(short / 65536));
  const { buffer } = core.memory;
  const stride = core.batchStride(meters);
  const readings = (at: number) => (width === 2 ? new Int16Array(buffer, at, cells) : new Int32Array(buffer, at, cells));
  const history = address(core, shape, 'BATCH_HISTORY');
  const dayBytes = core.batchDayBytes(meters, eventSlots, windowSlots, width);
  return {
    shape,
    stride,
    history: Array.from({ length: days }, (_, d) => readings(history + d * dayBytes)),
    actual: readings(address(core, shape, 'BATCH_ACTUAL')),
    excluded: new Uint8Array(buffer, address(core, shape, 'BATCH_EXCLUDED'), days * stride),
    notSettled: new Uint8Array(buffer, address(core, shape, 'BATCH_NOT_SETTLED'), eventSlots * stride),
  };
}

function answersOf(
  core: BatchCore,
  { shape, stride }: BatchDoor,
  terms: readonly number[],
  { excluded = false, notSettled = false }: LooksAt,
): BatchAnswers {
  const { meters, days, eventSlots, windowSlots, width } = shape;
  const redone = core.batch(meters, days, eventSlots, windowSlots, width, Number(excluded), Number(notSettled), ...terms);
  demand(redone >= 0, 'the spec or the shape lies outside the bounds of the core');
  const { buffer } = core.memory;
  const small = (name: BatchColumn) => new Uint8Array(buffer, address(core, shape, name), meters);
  const ints = (name: BatchColumn, length: number) => new Int32Array(buffer, address(core, shape, name), length);
  const numbers = (name: BatchColumn) => new Float64Array(buffer, address(core, shape, name), meters);
  return {
    meters,
    stride,
    status: small('BATCH_STATUS'),
    flags: small('BATCH_FLAGS'),
    missingCount: small('BATCH_MISSING_COUNT'),
    notSettledCount: small('BATCH_NOT_SETTLED_COUNT'),
    selectedCount: ints('BATCH_SELECTED_COUNT', meters),
    observed: numbers('BATCH_OBSERVED'),
    reference: numbers('BATCH_REFERENCE'),
    denominator: numbers('BATCH_DENOMINATOR'),
    baselineTotal: numbers('BATCH_BASELINE_TOTAL'),
    deliveredTotal: numbers('BATCH_DELIVERED_TOTAL'),
    actualTotal: numbers('BATCH_ACTUAL_TOTAL'),
    baselineTotalWh: numbers('BATCH_BASELINE_TOTAL_WH'),
    deliveredTotalWh: numbers('BATCH_DELIVERED_TOTAL_WH'),
    sum: ints('BATCH_SUM', eventSlots * stride),
    baselineWh: ints('BATCH_BASELINE_WH', eventSlots * stride),
    deliveredWh: ints('BATCH_DELIVERED_WH', eventSlots * stride),
    redone: ints('BATCH_REDONE', redone),
  };
}

/** One meter behind the door, as the exact core takes it. */
function laneOf(
  { shape, stride, history, actual, excluded, notSettled }: BatchDoor,
  spec: DayMatchingSpec,
  looked: LooksAt,
  m: number,
): EstimateInput {
  const { meters, days, eventSlots, windowSlots, width } = shape;
  demand(Number.isInteger(m) && m >= 0 && m < meters, `there is no meter ${m}`);
  const column = (day: Readings): number[] =>
    Array.from({ length: eventSlots + windowSlots }, (_, s) => {
      const wh = day[s * meters + m]!;
      return width === 2 && wh === MISSING_16 ? MISSING : wh;
    });
  const bits = (rows: number, from: Uint8Array, used = false): Uint8Array =>
    Uint8Array.from({ length: rows }, (_, r) => (used ? from[r * stride + m]! : 0));
  return {
    spec,
    ...{ meters: 1, days, eventSlots, windowSlots },
    history: Int32Array.from(history.flatMap(column)),
    excluded: bits(days, excluded, looked.excluded),
    actual: Int32Array.from(column(actual)),
    notSettled: bits(eventSlots, notSettled, looked.notSettled),
  };
}

function demand(holds: boolean, complaint: string): void {
  if (!holds) throw new RangeError(complaint);
}

const MISSING_16 = -(2 ** 15);

const address = (core: BatchCore, { meters, days, eventSlots, windowSlots, width }: BatchShape, name: BatchColumn): number =>
  core.batchColumn(core[name].value, meters, days, eventSlots, windowSlots, width) >>> 0;

type BatchColumn =
  | ('BATCH_HISTORY' | 'BATCH_ACTUAL' | 'BATCH_EXCLUDED' | 'BATCH_NOT_SETTLED' | 'BATCH_STATUS' | 'BATCH_FLAGS')
  | ('BATCH_MISSING_COUNT' | 'BATCH_NOT_SETTLED_COUNT' | 'BATCH_SELECTED_COUNT' | 'BATCH_OBSERVED' | 'BATCH_REFERENCE')
  | ('BATCH_DENOMINATOR' | 'BATCH_BASELINE_TOTAL' | 'BATCH_DELIVERED_TOTAL' | 'BATCH_ACTUAL_TOTAL' | 'BATCH_BASELINE_TOTAL_WH')
  | ('BATCH_DELIVERED_TOTAL_WH' | 'BATCH_SUM' | 'BATCH_BASELINE_WH' | 'BATCH_DELIVERED_WH' | 'BATCH_REDONE' | 'BATCH_COLUMNS');

/** What of the core's exports it uses. */
export type BatchCore = Readonly<Record<BatchColumn, { readonly value: number }>> & {
  readonly memory: { readonly buffer: ArrayBuffer; grow(pages: number): number };
  batchColumn(which: number, meters: number, days: number, eventSlots: number, windowSlots: number, width: number): number;
  batchStride(meters: number): number;
  batchDayBytes(meters: number, eventSlots: number, windowSlots: number, width: number): number;
  batch(...shapeAndTerms: number[]): number;
};
