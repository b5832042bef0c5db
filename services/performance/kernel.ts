import { hex } from '../domain/hex.ts';
import { type Rational, rational } from '../domain/rational.ts';
import { type BatchCore, type BatchKernel, batchKernel } from './batch.ts';
import { type ColumnSums, columnSums, type SumsCore } from './column-sums.ts';
import { type ControlCore, type ControlKernel, controlKernel } from './control-kernel.ts';
import { coreTerms } from './core-words.ts';
import { type FamilyCore, type FamilyInput, matchDays } from './family-kernel.ts';
import { type HashCore, type HashKernel, hashKernel } from './hash-kernel.ts';
import { type SessionCore, type SessionKernel, sessionKernel } from './session-kernel.ts';
import type { DayMatchingSpec } from './spec.ts';
import { type WeatherCore, type WeatherKernel, weatherKernel } from './weather.ts';

/** A reading that is not there, in the Wh columns given to the kernel. */
export const MISSING = -(2 ** 31);

/** The core of one WebAssembly memory, kept for life; `sha256` is the hex digest of the bytes that run. */
export type Kernel = {
  readonly sha256: string;
  readonly bytes: Uint8Array;
  /** Baseline and delivered energy of all lanes. Throws RangeError when the input lies outside the core's bounds. */
  estimate(input: EstimateInput): Estimates;
  /** The same for every parameter of the family (`assembly/family.ts`), slower. Throws RangeError likewise. */
  match(input: FamilyInput): Pick<Estimates, 'meters' | 'at'>;
  readonly batch: BatchKernel;
  readonly weather: WeatherKernel;
  readonly sessions: SessionKernel;
  readonly hashes: HashKernel;
  readonly columnSums: ColumnSums;
  readonly control: ControlKernel;
};

/** Columns: lane (settlement point) fastest. A slot row is a W event slot first, then the A slots of the adjustment window. */
export type EstimateInput = {
  readonly spec: DayMatchingSpec;
  /** M settlement points. */
  readonly meters: number;
  /** D days of the event day's class, latest first. */
  readonly days: number;
  /** W */
  readonly eventSlots: number;
  /** A; 0 exactly when there is no adjustment. */
  readonly windowSlots: number;
  /** [D][W+A][M] Wh, MISSING where there is no reading. */
  readonly history: Int32Array;
  /** [D][M] 1 = the day does not count for this settlement point. */
  readonly excluded: Uint8Array;
  /** [W+A][M] Wh of the event day. */
  readonly actual: Int32Array;
  /** [W][M] 1 = not energised: neither credited nor penalised. */
  readonly notSettled?: Uint8Array;
};

export type EstimateStatus = 'ok' | 'insufficient_days' | 'out_of_bounds' | 'event_day_missing';
export type EstimateFlag =
  | ('fewer_than_y_days' | 'adjustment_skipped_nonpositive' | 'adjustment_skipped_missing')
  | ('refilled_with_event_days' | 'shifted_instead_of_ratio' | 'limited_to_connected_load' | 'gaps_tolerated');

/** Columns as `assembly/index.ts` describes them; a 128-bit cell is two entries, low then high. */
export type Estimates = {
  readonly meters: number;
  readonly status: Uint8Array;
  readonly flags: Uint8Array;
  readonly day: Uint8Array;
  readonly score: BigInt64Array;
  readonly selectedCount: Int32Array;
  readonly sum: BigInt64Array;
  readonly observed: BigInt64Array;
  readonly reference: BigInt64Array;
  readonly raw: BigInt64Array;
  readonly applied: BigInt64Array;
  readonly appliedDenominator: BigInt64Array;
  readonly denominator: BigInt64Array;
  readonly baseline: BigInt64Array;
  readonly delivered: BigInt64Array;
  readonly baselineTotal: BigInt64Array;
  readonly deliveredTotal: BigInt64Array;
  readonly actualTotal: BigInt64Array;
  readonly missingCount: Int32Array;
  readonly notSettledCount: Int32Array;
  /** Safe integers of Wh; NaN = gap or no baseline. */
  readonly baselineTotalWh: Float64Array;
  readonly deliveredTotalWh: Float64Array;
  readonly baselineWh: Float64Array;
  readonly deliveredWh: Float64Array;
  /** One settlement point as values. */
  at(meter: number): MeterEstimate;
};

export type MeterEstimate = {
  readonly status: EstimateStatus;
  readonly flags: readonly EstimateFlag[];
  /** Day rows, latest first. */
  readonly eligible: readonly number[];
  readonly candidates: readonly number[];
  readonly rejected: readonly number[];
  readonly selected: readonly number[];
  /** Event days that came in for want of others. */
  readonly refilled: readonly number[];
  /** Shares of `selected`, in its order, that sum to 1; null = all alike. */
  readonly weights: readonly Rational[] | null;
  /** Wh over the event window, of `candidates`. */
  readonly scoresWh: readonly number[];
  /** Event slots energised without reading, and not energised. */
  readonly missingIntervals: number;
  readonly notSettledIntervals: number;
  /** Null unless the status is ok. */
  readonly result: MeterResult | null;
};

export type MeterResult = {
  /** Sum over the selected days of each event slot, over `selected.length`. */
  readonly unadjusted: readonly Rational[];
  readonly adjustment: {
    readonly observedMean: Rational | null;
    readonly referenceMean: Rational;
    /** Before direction and cap; Wh (additive) or a ratio (multiplicative). */
    readonly raw: Rational | null;
    readonly applied: Rational;
    readonly capped: boolean;
  } | null;
  /** Common to the exact numerators below; not reduced. */
  readonly denominator: bigint;
  readonly baseline: readonly bigint[];
  readonly delivered: readonly (bigint | null)[];
  readonly baselineTotal: bigint;
  readonly deliveredTotal: bigint;
  readonly actualTotalWh: number;
  /** Rounded once from the exact total, halves away from zero; the intervals add up to it. */
  readonly baselineTotalWh: number;
  readonly deliveredTotalWh: number;
  readonly baselineWh: readonly number[];
  readonly deliveredWh: readonly (number | null)[];
};

const STATUS: readonly EstimateStatus[] = ['ok', 'insufficient_days', 'out_of_bounds'];
const FLAG: readonly EstimateFlag[] = ['fewer_than_y_days', 'adjustment_skipped_nonpositive', 'adjustment_skipped_missing'];
const CAPPED = 8;
const [ELIGIBLE, CANDIDATE, REJECTED, SELECTED] = [1, 2, 4, 8] as const;
const UNOBSERVED = -(2n ** 63n);
/** Readings per pass: 16 MiB of history stay near the cache, and any number of lanes fits 32-bit memory. */
const PASS_READINGS = 2 ** 22;

/** Compiles the core. Node and browser alike: the caller brings the bytes. */
export async function loadKernel(core: Uint8Array): Promise<Kernel> {
  const bytes = Uint8Array.from(core); // what is hashed is what runs, whatever the caller does to its own copy
  const digest = new Uint8Array(await globalThis.crypto.subtle.digest('SHA-256', bytes));
  const { instance } = await WebAssembly.instantiate(bytes, {});
  const exports = instance.exports as unknown as Core & BatchCore & WeatherCore & SessionCore & ControlCore & HashCore & SumsCore;
  return {
    sha256: hex(digest),
    bytes,
    estimate: (input) => estimate(exports, input),
    match: (input) => matchDays(exports as unknown as FamilyCore, input),
    batch: batchKernel(exports, coreTerms, (input) => estimate(exports, input)),
    weather: weatherKernel(exports),
    sessions: sessionKernel(exports),
    control: controlKernel(exports),
    hashes: hashKernel(exports),
    columnSums: columnSums(exports),
  };
}

function estimate(core: Core, input: EstimateInput): Estimates {
  const { spec, meters, days, eventSlots, windowSlots } = input;
  const slots = eventSlots + windowSlots;
  demand(input.history.length === days * slots * meters, 'history is not [days][eventSlots + windowSlots][meters]');
  demand(input.excluded.length === days * meters, 'excluded is not [days][meters]');
  demand(input.actual.length === slots * meters, 'actual is not [eventSlots + windowSlots][meters]');
  demand(!input.notSettled || input.notSettled.length === eventSlots * meters, 'notSettled is not [eventSlots][meters]');

  const takes: { name: ColumnName; rows: number; width: number; into: Column }[] = [];
  const take = <T extends Column>(into: T, name: ColumnName, rows: number, width = 1): T => {
    takes.push({ name, rows, width, into });
    return into;
  };
  const wide = (name: ColumnName, rows = 1) => take(new BigInt64Array(rows * meters), name, rows);
  const exact = (name: ColumnName, rows = 1) => take(new BigInt64Array(rows * meters * 2), name, rows, 2);
  const wh = (name: ColumnName, rows = 1) => take(new Float64Array(rows * meters), name, rows);
  const small = (name: ColumnName, rows = 1) => take(new Uint8Array(rows * meters), name, rows);
  const count = (name: ColumnName) => take(new Int32Array(meters), name, 1);
  const columns = {
    meters,
    status: small('STATUS'),
    flags: small('FLAGS'),
    day: small('DAY', days),
    score: wide('SCORE', days),
    selectedCount: count('SELECTED_COUNT'),
    sum: wide('SUM', slots),
    observed: wide('OBSERVED'),
    reference: wide('REFERENCE'),
    raw: wide('RAW', 2),
    applied: exact('APPLIED'),
    appliedDenominator: wide('APPLIED_DENOMINATOR'),
    denominator: wide('DENOMINATOR'),
    baseline: exact('BASELINE', eventSlots),
    delivered: exact('DELIVERED', eventSlots),
    baselineTotal: exact('BASELINE_TOTAL'),
    deliveredTotal: exact('DELIVERED_TOTAL'),
    actualTotal: wide('ACTUAL_TOTAL'),
    missingCount: count('MISSING_COUNT'),
    notSettledCount: count('NOT_SETTLED_COUNT'),
    baselineTotalWh: wh('BASELINE_TOTAL_WH'),
    deliveredTotalWh: wh('DELIVERED_TOTAL_WH'),
    baselineWh: wh('BASELINE_WH', eventSlots),
    deliveredWh: wh('DELIVERED_WH', eventSlots),
  };

  const terms = coreTerms(spec);
  const lanes = Math.max(1, Math.floor(PASS_READINGS / ((days + 1) * slots)));
  for (let first = 0; first < meters; first += lanes) {
    const width = Math.min(lanes, meters - first);
    const shape = [width, days, eventSlots, windowSlots] as const;
    const address = (name: ColumnName) => core.column(core[name].value, ...shape);
    const short = address('COLUMNS') - core.memory.buffer.byteLength;
    if (short > 0) core.memory.grow(Math.ceil(short / 65536));

    const { buffer } = core.memory; // after growth: growing detaches older views
    put(input.history, new Int32Array(buffer, address('HISTORY'), days * slots * width), meters, first, width);
    put(input.excluded, new Uint8Array(buffer, address('EXCLUDED'), days * width), meters, first, width);
    put(input.actual, new Int32Array(buffer, address('ACTUAL'), slots * width), meters, first, width);
    const notSettled = new Uint8Array(buffer, address('NOT_SETTLED'), eventSlots * width);
    if (input.notSettled) put(input.notSettled, notSettled, meters, first, width);
    else notSettled.fill(0);

    demand(core.estimate(...shape, ...terms) === 0, 'the spec or the shape lies outside the bounds of the core');
    for (const { name, rows, width: cells, into } of takes) {
      const from = viewLike(into, buffer, address(name), rows * width * cells);
      for (let row = 0; row < rows; row++) {
        into.set(from.subarray(row * width * cells, (row + 1) * width * cells) as never, (row * meters + first) * cells);
      }
    }
  }
  return { ...columns, at: (meter) => meterEstimate(columns, input, meter) };
}

function meterEstimate(columns: Omit<Estimates, 'at'>, input: EstimateInput, m: number): MeterEstimate {
  const { meters, days } = input;
  demand(Number.isInteger(m) && m >= 0 && m < meters, `there is no lane ${m}`);
  const rows = (bit: number) => Array.from({ length: days }, (_, d) => d).filter((d) => columns.day[d * meters + m]! & bit);
  const candidates = rows(CANDIDATE);
  const status = STATUS[columns.status[m]!]!;
  return {
    status,
    flags: FLAG.filter((_, bit) => columns.flags[m]! & (1 << bit)),
    eligible: rows(ELIGIBLE),
    candidates,
    rejected: rows(REJECTED),
    selected: rows(SELECTED),
    ...{ refilled: [], weights: null },
    scoresWh: candidates.map((d) => Number(columns.score[d * meters + m])),
    missingIntervals: columns.missingCount[m]!,
    notSettledIntervals: columns.notSettledCount[m]!,
    result: status === 'ok' ? meterResult(columns, input, m) : null,
  };
}

function meterResult(columns: Omit<Estimates, 'at'>, input: EstimateInput, m: number): MeterResult {
  const { meters, eventSlots, windowSlots } = input;
  const slots = Array.from({ length: eventSlots }, (_, s) => s * meters + m);
  const selected = BigInt(columns.selectedCount[m]!);
  const window = BigInt(windowSlots);
  const observed = columns.observed[m]!;
  const rawDenominator = columns.raw[meters + m]!;
  const gap = (lane: number) => Number.isNaN(columns.deliveredWh[lane]);
  return {
    get unadjusted() {
      return slots.map((lane) => rational(columns.sum[lane]!, selected));
    },
    get adjustment() {
      if (windowSlots === 0) return null;
      return {
        observedMean: observed === UNOBSERVED ? null : rational(observed, window),
        referenceMean: rational(columns.reference[m]!, window * selected),
        raw: rawDenominator === 0n ? null : rational(columns.raw[m]!, rawDenominator),
        applied: rational(cellOf(columns.applied, m), columns.appliedDenominator[m]!),
        capped: (columns.flags[m]! & CAPPED) !== 0,
      };
    },
    denominator: columns.denominator[m]!,
    baseline: slots.map((lane) => cellOf(columns.baseline, lane)),
    delivered: slots.map((lane) => (gap(lane) ? null : cellOf(columns.delivered, lane))),
    baselineTotal: cellOf(columns.baselineTotal, m),
    deliveredTotal: cellOf(columns.deliveredTotal, m),
    actualTotalWh: Number(columns.actualTotal[m]),
    baselineTotalWh: columns.baselineTotalWh[m]!,
    deliveredTotalWh: columns.deliveredTotalWh[m]!,
    baselineWh: slots.map((lane) => columns.baselineWh[lane]!),
    deliveredWh: slots.map((lane) => (gap(lane) ? null : columns.deliveredWh[lane]!)),
  };
}

/** Lanes [first, first + width) of a column into the arena. */
function put<T extends Int32Array | Uint8Array>(from: T, to: T, meters: number, first: number, width: number): void {
  for (let row = 0; row * width < to.length; row++)
    to.set(from.subarray(row * meters + first, row * meters + first + width), row * width);
}

function cellOf(column: BigInt64Array, cell: number): bigint {
  return (column[2 * cell + 1]! << 64n) | BigInt.asUintN(64, column[2 * cell]!);
}

function viewLike(like: Column, buffer: ArrayBuffer, at: number, length: number): Column {
  if (like instanceof Uint8Array) return new Uint8Array(buffer, at, length);
  if (like instanceof Int32Array) return new Int32Array(buffer, at, length);
  if (like instanceof Float64Array) return new Float64Array(buffer, at, length);
  return new BigInt64Array(buffer, at, length);
}

function demand(holds: boolean, complaint: string): void {
  if (!holds) throw new RangeError(complaint);
}

type Column = Uint8Array | Int32Array | Float64Array | BigInt64Array;

type ColumnName =
  | ('HISTORY' | 'EXCLUDED' | 'ACTUAL' | 'NOT_SETTLED' | 'STATUS' | 'FLAGS' | 'DAY' | 'SCORE' | 'SELECTED_COUNT' | 'SUM')
  | ('OBSERVED' | 'REFERENCE' | 'RAW' | 'APPLIED' | 'APPLIED_DENOMINATOR' | 'DENOMINATOR' | 'BASELINE' | 'DELIVERED')
  | ('BASELINE_TOTAL' | 'DELIVERED_TOTAL' | 'ACTUAL_TOTAL' | 'MISSING_COUNT' | 'NOT_SETTLED_COUNT' | 'BASELINE_TOTAL_WH')
  | ('DELIVERED_TOTAL_WH' | 'BASELINE_WH' | 'DELIVERED_WH' | 'COLUMNS');

type Core = Readonly<Record<ColumnName, { readonly value: number }>> & {
  readonly memory: { readonly buffer: ArrayBuffer; grow(pages: number): number };
  column(which: number, meters: number, days: number, eventSlots: number, windowSlots: number): number;
  estimate(...shapeAndTerms: number[]): number;
};

/** Node's types leave WebAssembly to the browser's; this is the little of it that both have. */
declare const WebAssembly: {
  instantiate(bytes: Uint8Array, imports: Record<string, never>): Promise<{ instance: { exports: unknown } }>;
};
