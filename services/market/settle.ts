import { grouped } from '../domain/grouped.ts';
import { type Instant, MINUTE } from '../domain/interval.ts';
import type { MicroRupees } from '../domain/money.ts';
import type { ZoneDays } from '../domain/zone.ts';
import { calendar, type Place } from './calendar.ts';
import { type Charges, type Component, type Condition, plain } from './charges.ts';
import { fault } from './fields.ts';
import { METHODS, type Method, MISSING, type TradeKernel, type Trades } from './kernel.ts';
import type { MeterRow, Readings, TradeBook, TradeRow } from './rows.ts';

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
  readonly amounts: readonly Amount[];
  /** Components that would be charged, were they not waived. */
  readonly waived: readonly string[];
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
  readonly trades: readonly SettledTrade[];
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
  const trades: SettledTrade[] = [];
  const awaiting: MissingRegister[] = [];
  const byMethod: Record<Method, number> = { pro_rata: 0, fifo: 0, three_round: 0, water_fill: 0 };
  for (let pass: TradeRow[] = [], at = 0; at < blocks.length; at++) {
    for (const trade of blocks[at]![1]) pass.push(trade);
    if (pass.length < PASS_TRADES && at + 1 < blocks.length) continue;
    const columns = columnsOf(request, pass, awaiting);
    for (const method of METHODS) byMethod[method] += sum(kernel.allocate(method, columns).settled);
    for (const settled of settlePass(kernel, request, pass, columns, placeOf)) trades.push(settled);
    pass = [];
  }
  return { trades, awaiting, byMethod };
}

function settlePass(
  kernel: TradeKernel,
  request: SettlementRequest,
  trades: readonly TradeRow[],
  columns: Trades,
  placeOf: (start: Instant, minutes: number) => Place,
): SettledTrade[] {
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
  const carried = (boundary: number, t: number) => charged.carried[boundary * trades.length + t]!;
  return trades.map((trade, t) => ({
    ...{ trade, place: places[t]! },
    sellerAllocatedWh: allocation.sellerAllocated[t]!,
    buyerAllocatedWh: allocation.buyerAllocated[t]!,
    settledWh: allocation.settled[t]!,
    deliveredWh: carried(boundaries.length, t),
    waterFilledWh: allocation.waterFilled[t]!,
    awaiting: allocation.awaiting[t] !== 0,
    amounts: charges.components.flatMap((component, c) =>
      components[c]!.applies[t] === 0
        ? []
        : {
            component,
            wh: typeof component.base === 'string' ? carried(component.at, t) : null,
            micros: charged.amount[c * trades.length + t]!,
            buyerMicros: charged.buyerPart[c * trades.length + t]!,
          },
    ),
    waived: charges.components.filter((_, c) => waived[c]![t] === 1).map(({ name }) => name),
  }));
}

/** The columns of the core; the registers without reading are added to `awaiting`. */
function columnsOf({ book, readings }: SettlementRequest, trades: readonly TradeRow[], awaiting: MissingRegister[]): Trades {
  const register: number[] = [];
  const places = new Map<string, number>();
  const placeOf = (meterId: string, blockStart: Instant, side: MissingRegister['register']): number => {
    const key = `${side} ${blockStart} ${meterId}`;
    const known = places.get(key);
    if (known !== undefined) return known;
    const wh = meteredWh(readings, meterId, blockStart, book.blockMinutes, side);
    if (wh === null) awaiting.push({ meterId, blockStart, register: side });
    places.set(key, register.length);
    return register.push(wh ?? MISSING) - 1;
  };
  const sells = trades.map(({ seller, blockStart }) => placeOf(seller, blockStart, 'export_wh'));
  const buys = trades.map(({ buyer, blockStart }) => placeOf(buyer, blockStart, 'import_wh'));
  return {
    quantity: Int32Array.from(trades, ({ quantityWh }) => quantityWh),
    sells: Int32Array.from(sells),
    buys: Int32Array.from(buys),
    queue: Int32Array.from(trades, (_, t) => t), // the rows stand in order of trade time already
    register: Int32Array.from(register),
  };
}

/** Wh of a register over a block: the sum of its intervals, missing when one is missing. */
function meteredWh(
  readings: Readings,
  meterId: string,
  start: Instant,
  minutes: number,
  side: MissingRegister['register'],
): number | null {
  const own = readings.byMeter.get(meterId);
  let total = 0;
  for (let at = 0; at < minutes; at += readings.minutes) {
    const read = own?.get(start + at * MINUTE);
    const wh = side === 'import_wh' ? read?.importWh : read?.exportWh;
    if (wh === undefined || wh === null) return null;
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
