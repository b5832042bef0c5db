import { grouped } from '../domain/grouped.ts';
import { type Instant, MINUTE } from '../domain/interval.ts';
import type { MicroRupees } from '../domain/money.ts';
import type { ZoneDays } from '../domain/zone.ts';
import { calendar, type Place } from './calendar.ts';
import { type Charges, type Component, type Condition, plain } from './charges.ts';
import { fault } from './fields.ts';
import { METHODS, type Method, MISSING, type TradeKernel, type Trades } from './kernel.ts';
import type { MeterRow, Readings, Register, TradeBook, TradeRow } from './rows.ts';

export type SettlementRequest = {
  readonly method: Method;
  readonly book: TradeBook;
  readonly meters: ReadonlyMap<string, MeterRow>;
  readonly readings: Readings;
  readonly charges: Charges;
};

export type SettledTrade = {
  readonly trade: TradeRow;
  readonly place: Place;
  readonly sellerAllocatedWh: number;
  readonly buyerAllocatedWh: number;
  /** At the seller's meter. */
  readonly settledWh: number;
  /** At the buyer's meter: what got across every boundary. */
  readonly deliveredWh: number;
  /** What water_fill would settle. */
  readonly waterFilledWh: number;
  /** A register is missing, so that the zero is provisional. */
  readonly awaiting: boolean;
  /** Made when asked for. */
  readonly amounts: () => Amount[];
  /** Components that would be charged, were they not waived. */
  readonly waived: () => string[];
};

export type Amount = {
  readonly component: Component;
  /** What the amount was made of; null when it is a share of other components. */
  readonly wh: number | null;
  readonly micros: MicroRupees;
  readonly buyerMicros: MicroRupees;
};

export type MissingRegister = {
  readonly meterId: string;
  readonly blockStart: Instant;
  readonly register: 'import_wh' | 'export_wh';
};
export type Settled = {
  /** Made from columns each time one walks over them: a state's trades as objects would fill the memory. */
  readonly trades: Iterable<SettledTrade>;
  readonly awaiting: readonly MissingRegister[];
  /** Wh that each method settles. */
  readonly byMethod: Readonly<Record<Method, number>>;
};

/** Trades a call of the core gets at a time; blocks are never split. */
const PASS_TRADES = 2 ** 17;

/** Allocates and charges every trade. Throws Refusal, or RangeError where an amount cannot be exact. */
export function settle(kernel: TradeKernel, request: SettlementRequest, zone: ZoneDays): Settled {
  const { book, charges } = request;
  const placeOf = calendar(charges, zone);
  const blocks = [...grouped(book.trades, ({ blockStart }) => blockStart)].sort(([a], [b]) => a - b);
  const passes: Pass[] = [];
  const awaiting: MissingRegister[] = [];
  const byMethod: Record<Method, number> = { pro_rata: 0, fifo: 0, three_round: 0, water_fill: 0 };
  for (let pass: TradeRow[] = [], at = 0; at < blocks.length; at++) {
    for (const trade of blocks[at]![1]) pass.push(trade);
    if (pass.length < PASS_TRADES && at + 1 < blocks.length) continue;
    const columns = columnsOf(request, pass, awaiting);
    for (const method of METHODS) byMethod[method] += sum(kernel.allocate(method, columns).settled);
    passes.push(settlePass(kernel, request, pass, columns, placeOf));
    pass = [];
  }
  const walk = function* () {
    for (const { count, at } of passes) for (let t = 0; t < count; t++) yield at(t);
  };
  return { trades: { [Symbol.iterator]: walk }, awaiting, byMethod };
}

type Pass = { readonly count: number; readonly at: (t: number) => SettledTrade };

function settlePass(
  kernel: TradeKernel,
  request: SettlementRequest,
  trades: readonly TradeRow[],
  columns: Trades,
  placeOf: (start: Instant, minutes: number) => Place,
): Pass {
  const { book, charges, meters, method } = request;
  const allocation = kernel.allocate(method, columns);
  const places = trades.map(({ blockStart }) => placeOf(blockStart, book.blockMinutes));
  const holds = (conditions: readonly Condition[], t: number, at: string) =>
    conditions.every((condition) => meets(condition, trades[t]!, places[t]!, meters, at));
  const bits = (test: (t: number) => boolean) => Uint8Array.from(trades, (_, t) => (test(t) ? 1 : 0));

  const boundaries = charges.boundaries.map(({ name, across, when }) => ({
    ...{ num: across.num, den: across.den, crosses: bits((t) => holds(when, t, `boundary ${name}`)) },
  }));
  const due = charges.components.map(({ name, when }) => bits((t) => holds(when, t, `component ${name}`)));
  const waived = charges.components.map(({ waivedUntil }, c) =>
    bits((t) => due[c]![t] === 1 && waivedUntil !== null && places[t]!.day < waivedUntil),
  );
  const components = charges.components.map(({ base, rate, at, buyerShare }, c) => ({
    row: {
      ...{ kind: typeof base === 'string' ? base : ('components' as const), at, rate, buyerShare },
      bases: typeof base === 'string' ? [] : base.map((name) => charges.components.findIndex((other) => other.name === name)),
    },
    applies: bits((t) => due[c]![t] === 1 && waived[c]![t] === 0),
  }));
  const price = BigInt64Array.from(trades, ({ priceMicrosPerKwh }) => priceMicrosPerKwh);
  const charged = kernel.charge({ settled: allocation.settled, price, boundaries, components });
  const huge = trades[charged.outOfBounds.indexOf(1)];
  if (huge) throw fault(`trade ${huge.id}`, 'comes to 9 billion rupees or more in one block: too large to be exact');
  const carried = (boundary: number, t: number) => charged.carried[boundary * trades.length + t]!;
  const amountsAt = (t: number): Amount[] => {
    const amounts: Amount[] = [];
    for (const [c, component] of charges.components.entries()) {
      if (components[c]!.applies[t] === 0) continue;
      const cell = c * trades.length + t;
      const wh = typeof component.base === 'string' ? carried(component.at, t) : null;
      amounts.push({ component, wh, micros: charged.amount[cell]!, buyerMicros: charged.buyerPart[cell]! });
    }
    return amounts;
  };
  const at = (t: number): SettledTrade => ({
    trade: trades[t]!,
    place: places[t]!,
    sellerAllocatedWh: allocation.sellerAllocated[t]!,
    buyerAllocatedWh: allocation.buyerAllocated[t]!,
    settledWh: allocation.settled[t]!,
    deliveredWh: carried(boundaries.length, t),
    waterFilledWh: allocation.waterFilled[t]!,
    awaiting: allocation.awaiting[t] !== 0,
    amounts: () => amountsAt(t),
    waived: () => charges.components.filter((_, c) => waived[c]![t] === 1).map(({ name }) => name),
  });
  return { count: trades.length, at };
}

/** The columns of the core; the trades stand block by block. The registers without reading are added to `awaiting`. */
function columnsOf({ book, readings }: SettlementRequest, trades: readonly TradeRow[], awaiting: MissingRegister[]): Trades {
  const register: number[] = [];
  let block = { start: Number.NaN, import_wh: new Map<string, number>(), export_wh: new Map<string, number>() };
  const placeOf = (meterId: string, side: Register, blockStart: Instant): number => {
    if (block.start !== blockStart) block = { start: blockStart, import_wh: new Map(), export_wh: new Map() };
    const known = block[side].get(meterId);
    if (known !== undefined) return known;
    const wh = meteredWh(readings, meterId, blockStart, book.blockMinutes, side);
    if (wh === MISSING) awaiting.push({ meterId, blockStart, register: side });
    block[side].set(meterId, register.length);
    return register.push(wh) - 1;
  };
  const sells = new Int32Array(trades.length);
  const buys = new Int32Array(trades.length);
  trades.forEach(({ seller, buyer, blockStart }, t) => {
    sells[t] = placeOf(seller, 'export_wh', blockStart);
    buys[t] = placeOf(buyer, 'import_wh', blockStart);
  });
  return {
    ...{ sells, buys, register: Int32Array.from(register) },
    quantity: Int32Array.from(trades, ({ quantityWh }) => quantityWh),
    // Within a block the rows stand in order of trade time already, and a queue never reaches over two blocks.
    queue: Int32Array.from(trades, (_, t) => t),
  };
}

/** Wh of a register over a block: the sum of its intervals, MISSING when one is missing. */
function meteredWh(readings: Readings, meterId: string, start: Instant, minutes: number, side: Register): number {
  const own = readings.byMeter.get(meterId)?.[side];
  const first = (start - readings.origin) / (readings.minutes * MINUTE);
  let total = 0;
  for (let interval = first; interval < first + minutes / readings.minutes; interval++) {
    const wh = own?.get(interval) ?? MISSING;
    if (wh === MISSING) return MISSING;
    total += wh;
  }
  if (total >= 2 ** 31) throw fault(`meter ${meterId}: ${side}`, `of a block is ${total} Wh, 2^31 or more: no home's meter`);
  return total;
}

function meets(condition: Condition, trade: TradeRow, place: Place, meters: ReadonlyMap<string, MeterRow>, at: string): boolean {
  const found = (field: string): string => {
    if (field === 'slot') return place.slot;
    const [who, column] = field.split(/\.(.*)/s) as [string, string | undefined];
    const ofMeter = column !== undefined && (who === 'seller' || who === 'buyer');
    const fields = ofMeter ? meters.get(trade[who])!.fields : trade.fields;
    const value = fields.get(ofMeter ? column : field);
    if (value === undefined)
      throw fault(`${at}: ${field}`, `is absent ${ofMeter ? `for meter ${trade[who]}` : `in trade ${trade.id}`}`);
    return plain(value, `${at}: ${field}`);
  };
  const value = found(condition.field);
  return 'is' in condition ? condition.is.includes(value) : value !== found(condition.differsFrom);
}

const sum = (column: Int32Array): number => column.reduce((all, wh) => all + wh, 0);
