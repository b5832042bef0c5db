/** A register without reading, in the Wh column given to the core. */
export const MISSING = -(2 ** 31);

export type Method = 'pro_rata' | 'fifo' | 'three_round' | 'water_fill';
export const METHODS: readonly Method[] = ['pro_rata', 'fifo', 'three_round', 'water_fill'];

/** Trades as columns, in the order that settles ties. A register is one side of one meter in one block. */
export type Trades = {
  /** Wh contracted. */
  readonly quantity: Int32Array;
  /** Index of the seller's export and of the buyer's import in `register`. */
  readonly sells: Int32Array;
  readonly buys: Int32Array;
  /** Trades in order of trade time. */
  readonly queue: Int32Array;
  /** Wh metered, or MISSING. */
  readonly register: Int32Array;
};

export type Allocation = {
  readonly sellerAllocated: Int32Array;
  readonly buyerAllocated: Int32Array;
  readonly settled: Int32Array;
  readonly waterFilled: Int32Array;
  /** 1 = the seller's register is missing, 2 = the buyer's: a provisional zero. */
  readonly awaiting: Uint8Array;
};

export type ComponentRow = {
  readonly kind: 'energy' | 'kwh' | 'components';
  /** Boundary after which the kWh are counted; 0 = at the seller's meter. */
  readonly at: number;
  /** µ₹ per kWh for `kwh`, else a plain number. */
  readonly rate: { readonly num: bigint; readonly den: bigint };
  readonly buyerShare: { readonly num: bigint; readonly den: bigint };
  /** Components before this one that it is based on. */
  readonly bases: readonly number[];
};

export type Charged = {
  /** [B+1][T] Wh before the first and after each boundary. */
  readonly carried: Int32Array;
  /** [C][T] µ₹, and the buyer's part of it. */
  readonly amount: BigInt64Array;
  readonly buyerPart: BigInt64Array;
  /** [T] 1 = an amount is no safe integer of µ₹ (9 billion rupees), and none of the trade's amounts means anything. */
  readonly outOfBounds: Uint8Array;
};

/** The core of one WebAssembly memory. Every call throws RangeError when its input lies outside the core's bounds. */
export type TradeKernel = {
  allocate(method: Method, trades: Trades): Allocation;
  charge(input: ChargeInput): Charged;
};

export type ChargeInput = {
  /** Wh settled at the seller's meter, and µ₹ per kWh. */
  readonly settled: Int32Array;
  readonly price: BigInt64Array;
  /** One row a boundary: the share that gets across, and which trades cross it. */
  readonly boundaries: readonly { readonly num: bigint; readonly den: bigint; readonly crosses: Uint8Array }[];
  /** One row a component, and which trades it is charged on. */
  readonly components: readonly { readonly row: ComponentRow; readonly applies: Uint8Array }[];
};

const METHOD: Record<Method, number> = { pro_rata: 0, fifo: 1, three_round: 2, water_fill: 3 };
const KIND: Record<ComponentRow['kind'], bigint> = { energy: 0n, kwh: 1n, components: 2n };

/** Compiles the core; the caller brings its bytes. */
export async function loadTradeKernel(core: Uint8Array): Promise<TradeKernel> {
  const { instance } = await WebAssembly.instantiate(core, {});
  const exports = instance.exports as unknown as Core;
  return { allocate: (method, trades) => allocate(exports, method, trades), charge: (input) => charge(exports, input) };
}

function allocate(core: Core, method: Method, trades: Trades): Allocation {
  const count = trades.quantity.length;
  const registers = trades.register.length;
  demand(
    [trades.sells, trades.buys, trades.queue].every(({ length }) => length === count),
    'the columns of trades differ in length',
  );
  const place = (name: TradeColumn) => core.tradeColumn(core[name].value, count, registers);
  grow(core, place('TRADE_COLUMNS'));
  const { buffer } = core.memory;
  const column = (name: TradeColumn, length: number) => new Int32Array(buffer, place(name), length);
  column('QUANTITY', count).set(trades.quantity);
  column('SELLS', count).set(trades.sells);
  column('BUYS', count).set(trades.buys);
  column('QUEUE', count).set(trades.queue);
  column('REGISTER', registers).set(trades.register);
  demand(core.allocateTrades(METHOD[method], count, registers) === 0, 'the trades lie outside the bounds of the core');
  return {
    sellerAllocated: column('SELLER_ALLOCATED', count).slice(),
    buyerAllocated: column('BUYER_ALLOCATED', count).slice(),
    settled: column('SETTLED', count).slice(),
    waterFilled: column('WATER_FILLED', count).slice(),
    awaiting: new Uint8Array(buffer, place('AWAITING'), count).slice(),
  };
}

function charge(core: Core, { settled, price, boundaries, components }: ChargeInput): Charged {
  const shape = [settled.length, boundaries.length, components.length] as const;
  const [count, across, parts] = shape;
  demand(price.length === count, 'price is not [trades]');
  demand(
    [...boundaries.map(({ crosses }) => crosses), ...components.map(({ applies }) => applies)].every(
      (row) => row.length === count,
    ),
    'crosses or applies is not [trades]',
  );
  const place = (name: ChargeColumn) => core.chargeColumn(core[name].value, ...shape);
  grow(core, place('CHARGE_COLUMNS'));
  const { buffer } = core.memory;
  const wide = (name: ChargeColumn, length: number) => new BigInt64Array(buffer, place(name), length);
  const bits = (name: ChargeColumn, length: number) => new Uint8Array(buffer, place(name), length);
  new Int32Array(buffer, place('CHARGED_WH'), count).set(settled);
  wide('PRICE', count).set(price);
  boundaries.forEach(({ num, den, crosses }, b) => {
    wide('TRANSIT', 2 * across).set([num, den], 2 * b);
    bits('CROSSES', across * count).set(crosses, b * count);
  });
  bits('BASES', parts * parts).fill(0);
  components.forEach(({ row: { kind, at, rate, buyerShare, bases }, applies }, c) => {
    wide('COMPONENT', 6 * parts).set([KIND[kind], BigInt(at), rate.num, rate.den, buyerShare.num, buyerShare.den], 6 * c);
    bits('APPLIES', parts * count).set(applies, c * count);
    for (const base of bases) bits('BASES', parts * parts)[c * parts + base] = 1;
  });
  demand(core.chargeTrades(...shape) === 0, 'a rate, share or the number of trades lies outside the bounds of the core');
  return {
    carried: new Int32Array(buffer, place('CARRIED'), (across + 1) * count).slice(),
    amount: wide('AMOUNT', parts * count).slice(),
    buyerPart: wide('BUYER_PART', parts * count).slice(),
    outOfBounds: bits('CHARGE_STATUS', count).slice(),
  };
}

function grow(core: Core, end: number): void {
  const short = end - core.memory.buffer.byteLength;
  if (short > 0) core.memory.grow(Math.ceil(short / 65536));
}

function demand(holds: boolean, complaint: string): void {
  if (!holds) throw new RangeError(complaint);
}

type TradeColumn =
  | ('QUANTITY' | 'SELLS' | 'BUYS' | 'QUEUE' | 'REGISTER' | 'SELLER_ALLOCATED' | 'BUYER_ALLOCATED' | 'SETTLED' | 'WATER_FILLED')
  | ('AWAITING' | 'TRADE_COLUMNS');
type ChargeColumn =
  | ('CHARGED_WH' | 'PRICE' | 'CROSSES' | 'TRANSIT' | 'APPLIES' | 'BASES' | 'COMPONENT' | 'CARRIED' | 'AMOUNT' | 'BUYER_PART')
  | ('CHARGE_STATUS' | 'CHARGE_COLUMNS');

type Core = Readonly<Record<TradeColumn | ChargeColumn, { readonly value: number }>> & {
  readonly memory: { readonly buffer: ArrayBuffer; grow(pages: number): number };
  tradeColumn(which: number, trades: number, registers: number): number;
  chargeColumn(which: number, trades: number, boundaries: number, components: number): number;
  allocateTrades(method: number, trades: number, registers: number): number;
  chargeTrades(trades: number, boundaries: number, components: number): number;
};

/** Node's types leave WebAssembly to the browser's; this is the little of it that both have. */
declare const WebAssembly: {
  instantiate(bytes: Uint8Array, imports: Record<string, never>): Promise<{ instance: { exports: unknown } }>;
};
