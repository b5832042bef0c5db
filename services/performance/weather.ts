/** The regressions of the core on load and temperature. Every number is f64 in a fixed order: the same bits wherever it runs. */
export type WeatherKernel = {
  /** Fits the months asked for. Throws RangeError when the input lies outside the core's bounds. */
  fitMonths(terms: TimeOfWeekTerms, months: readonly number[], rows: HourRows): TimeOfWeekModel;
  /** Wh of each row by the model of its month; NaN where the model or the temperature is absent. */
  predict(terms: TimeOfWeekTerms, model: TimeOfWeekModel, rows: Omit<HourRows, 'wh'>): Float64Array;
  /** Each slot by the degree-hours of its training days. */
  degreeHours(terms: DegreeTerms, input: DegreeColumns): DegreeModel;
};

/** Temperatures and their bounds are integers; `scale` of them make one degree. */
type Scale = { readonly scale: number };

/** CalTRACK 2.0 hourly. Source: golden RULES §8 and `assembly/towt.ts`. */
export type TimeOfWeekTerms = Scale & {
  /** Rising; the bins of temperature before thin ones are joined. */
  readonly edges: Int32Array;
  /** Balance points of the occupancy step. */
  readonly hot: number;
  readonly cold: number;
  /** An hour of the week with more than this share of positive residuals is occupied. */
  readonly occupiedShare: { readonly num: number; readonly den: number };
  readonly leastRows: number;
  /** Weight of the months beside, in halves: 1 = three months weighted, 0 = one month. */
  readonly neighbour: 0 | 1 | 2;
};

/** MISSING (−2³¹) in `wh` or `heat`: the row says nothing. */
export type HourRows = {
  readonly wh: Int32Array;
  readonly heat: Int32Array;
  /** Hour of the week, 0 = Monday 00. */
  readonly hour: Uint8Array;
  /** 0 = January. */
  readonly month: Uint8Array;
};

/** Model columns by month, as `assembly/towt.ts` lays them out. */
export type TimeOfWeekModel = {
  readonly rows: Int32Array;
  readonly rank: Int32Array;
  readonly seen: Uint8Array;
  readonly occupied: Uint8Array;
  readonly kept: Uint8Array;
  readonly coefficient: Float64Array;
  readonly squares: Float64Array;
  readonly weight: Float64Array;
  readonly load: Float64Array;
};

export type DegreeTerms = Scale & { readonly cooling: number; readonly heating: number };

/** [days][slots], and [slots] of the event day; MISSING where there is none. */
export type DegreeColumns = {
  readonly days: number;
  readonly slots: number;
  readonly wh: Int32Array;
  readonly heat: Int32Array;
  readonly eventHeat: Int32Array;
};

export type DegreeModel = {
  readonly rows: Int32Array;
  readonly rank: Int32Array;
  /** [slots][3] a (Wh), b and c (Wh per degree). */
  readonly coefficient: Float64Array;
  /** Sum of squared residuals, Wh². */
  readonly squares: Float64Array;
  /** Wh; NaN where there is no training row or no temperature at the event. */
  readonly baseline: Float64Array;
};

/** What the core must export for this. */
export type WeatherCore = Readonly<Record<TowtColumn | DegreeColumn, { readonly value: number }>> & {
  readonly memory: { readonly buffer: ArrayBuffer; grow(pages: number): number };
  towtColumn(which: number, rows: number, asked: number, edges: number): number;
  towtFit(...terms: number[]): number;
  towtPredict(rows: number, asked: number, edges: number, scale: number): number;
  degreeColumn(which: number, days: number, slots: number): number;
  degreeHours(days: number, slots: number, scale: number, cooling: number, heating: number): number;
};

export const weatherKernel = (core: WeatherCore): WeatherKernel => ({
  fitMonths: (terms, months, rows) => fitMonths(core, terms, months, rows),
  predict: (terms, model, rows) => predict(core, terms, model, rows),
  degreeHours: (terms, input) => degreeHours(core, terms, input),
});

function fitMonths(core: WeatherCore, terms: TimeOfWeekTerms, months: readonly number[], rows: HourRows): TimeOfWeekModel {
  const n = rows.wh.length;
  demand(rows.heat.length === n && rows.hour.length === n && rows.month.length === n, 'the columns of rows differ in length');
  const address = towtArena(core, n, 0, terms.edges.length);
  place(core, address('TOWT_ROW_WH'), rows.wh);
  place(core, address('TOWT_ROW_HEAT'), rows.heat);
  place(core, address('TOWT_ROW_HOUR'), rows.hour);
  place(core, address('TOWT_ROW_MONTH'), rows.month);
  place(core, address('TOWT_EDGE'), terms.edges);
  const { scale, hot, cold, occupiedShare, leastRows, neighbour } = terms;
  const asked = months.reduce((bits, month) => bits | (1 << month), 0);
  const shape = [n, 0, terms.edges.length, scale];
  const numbers = [...shape, hot, cold, occupiedShare.num, occupiedShare.den, leastRows, neighbour, asked];
  demand(numbers.every(isInt32), 'the terms of the regression are not 32-bit integers');
  demand(core.towtFit(...numbers) === 0, 'the rows or terms lie outside the bounds of the core');
  const model = emptyModel(terms.edges.length);
  for (const [name, column] of columnsOf(model)) take(core, address(name), column);
  return model;
}

function predict(core: WeatherCore, terms: TimeOfWeekTerms, model: TimeOfWeekModel, rows: Omit<HourRows, 'wh'>): Float64Array {
  const asked = rows.heat.length;
  demand(rows.hour.length === asked && rows.month.length === asked, 'the columns of rows differ in length');
  const edges = terms.edges.length;
  const address = towtArena(core, 0, asked, edges);
  place(core, address('TOWT_EDGE'), terms.edges);
  place(core, address('TOWT_ASK_HEAT'), rows.heat);
  place(core, address('TOWT_ASK_HOUR'), rows.hour);
  place(core, address('TOWT_ASK_MONTH'), rows.month);
  for (const [name, column] of columnsOf(model)) place(core, address(name), column);
  demand(core.towtPredict(0, asked, edges, terms.scale) === 0, 'the rows asked lie outside the bounds of the core');
  const wh = take(core, address('TOWT_PREDICTED'), new Float64Array(asked));
  const status = take(core, address('TOWT_STATUS'), new Uint8Array(asked));
  return wh.map((value, i) => (status[i] === 0 ? value : Number.NaN));
}

function degreeHours(core: WeatherCore, terms: DegreeTerms, input: DegreeColumns): DegreeModel {
  const { days, slots } = input;
  demand(input.wh.length === days * slots && input.heat.length === days * slots, 'training columns are not [days][slots]');
  demand(input.eventHeat.length === slots, 'eventHeat is not [slots]');
  const address = (name: DegreeColumn) => core.degreeColumn(core[name].value, days, slots);
  room(core, address('DEGREE_COLUMNS'));
  place(core, address('DEGREE_WH'), input.wh);
  place(core, address('DEGREE_HEAT'), input.heat);
  place(core, address('DEGREE_EVENT_HEAT'), input.eventHeat);
  const numbers = [days, slots, terms.scale, terms.cooling, terms.heating] as const;
  demand(numbers.every(isInt32), 'the terms of the regression are not 32-bit integers');
  demand(core.degreeHours(...numbers) === 0, 'the days or slots lie outside the bounds of the core');
  const status = take(core, address('DEGREE_STATUS'), new Uint8Array(slots));
  return {
    rows: take(core, address('DEGREE_ROWS'), new Int32Array(slots)),
    rank: take(core, address('DEGREE_RANK'), new Int32Array(slots)),
    coefficient: take(core, address('DEGREE_COEFFICIENT'), new Float64Array(slots * 3)),
    squares: take(core, address('DEGREE_SQUARES'), new Float64Array(slots)),
    baseline: take(core, address('DEGREE_BASELINE'), new Float64Array(slots)).map((wh, s) => (status[s] === 0 ? wh : Number.NaN)),
  };
}

/** A model without rows, for `edges` bounds of temperature. */
export function emptyModel(edges: number): TimeOfWeekModel {
  return {
    rows: new Int32Array(12),
    rank: new Int32Array(12),
    seen: new Uint8Array(12 * 168),
    occupied: new Uint8Array(12 * 168),
    kept: new Uint8Array(12 * 2 * edges),
    coefficient: new Float64Array(12 * (168 + 2 * (edges + 1))),
    squares: new Float64Array(12),
    weight: new Float64Array(12),
    load: new Float64Array(12),
  };
}

const columnsOf = (model: TimeOfWeekModel): [TowtColumn, Column][] => [
  ['TOWT_ROWS', model.rows],
  ['TOWT_RANK', model.rank],
  ['TOWT_SEEN', model.seen],
  ['TOWT_OCCUPIED', model.occupied],
  ['TOWT_KEPT', model.kept],
  ['TOWT_COEFFICIENT', model.coefficient],
  ['TOWT_SQUARES', model.squares],
  ['TOWT_WEIGHT', model.weight],
  ['TOWT_LOAD', model.load],
];

function towtArena(core: WeatherCore, rows: number, asked: number, edges: number): (name: TowtColumn) => number {
  demand(rows <= 2 ** 17 && asked <= 2 ** 20 && edges <= 15, 'more rows or bins than the core takes');
  const address = (name: TowtColumn) => core.towtColumn(core[name].value, rows, asked, edges);
  room(core, address('TOWT_COLUMNS'));
  return address;
}

type Memory = { readonly memory: { readonly buffer: ArrayBuffer; grow(pages: number): number } };
type Column = Uint8Array | Int32Array | Float64Array | BigInt64Array;

/** Grows the memory up to `end`; older views are gone after this. */
export function room({ memory }: Memory, end: number): void {
  const short = end - memory.buffer.byteLength;
  if (short > 0) memory.grow(Math.ceil(short / 65536));
}

/** Copies a column into the core. */
export function place({ memory }: Memory, address: number, column: Column): void {
  const bytes = new Uint8Array(column.buffer, column.byteOffset, column.byteLength);
  new Uint8Array(memory.buffer, address, bytes.length).set(bytes);
}

/** Copies a column out of the core. */
export function take<T extends Column>({ memory }: Memory, address: number, into: T): T {
  new Uint8Array(into.buffer).set(new Uint8Array(memory.buffer, address, into.byteLength));
  return into;
}

export const isInt32 = (value: number): boolean => Number.isInteger(value) && Math.abs(value) < 2 ** 31;

function demand(holds: boolean, complaint: string): void {
  if (!holds) throw new RangeError(complaint);
}

type TowtColumn =
  | ('TOWT_ROW_WH' | 'TOWT_ROW_HEAT' | 'TOWT_ROW_HOUR' | 'TOWT_ROW_MONTH' | 'TOWT_EDGE')
  | ('TOWT_ASK_HEAT' | 'TOWT_ASK_HOUR' | 'TOWT_ASK_MONTH' | 'TOWT_PREDICTED' | 'TOWT_STATUS' | 'TOWT_COLUMNS')
  | ('TOWT_ROWS' | 'TOWT_RANK' | 'TOWT_SEEN' | 'TOWT_OCCUPIED' | 'TOWT_KEPT')
  | ('TOWT_COEFFICIENT' | 'TOWT_SQUARES' | 'TOWT_WEIGHT' | 'TOWT_LOAD');

type DegreeColumn =
  | ('DEGREE_WH' | 'DEGREE_HEAT' | 'DEGREE_EVENT_HEAT' | 'DEGREE_ROWS' | 'DEGREE_RANK' | 'DEGREE_COEFFICIENT')
  | ('DEGREE_SQUARES' | 'DEGREE_BASELINE' | 'DEGREE_STATUS' | 'DEGREE_COLUMNS');
