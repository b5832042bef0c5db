import type { ComponentRow } from '../../services/market/kernel.ts';
import { MISSING, type Trades } from '../../services/market/kernel.ts';
import type { OracleMarket } from './trades.ts';

/*
 * Random blocks of trades for the core against the oracle. Half of them are built to lie where an allocation turns: equal quantities and equal
 * remainders, registers that are empty, missing, exactly enough or one Wh short, chains in which each register waits for the next.
 */

/** One block: `trades[t]` between exports and imports, named by place. */
export type Market = {
  readonly exports: readonly (number | null)[];
  readonly imports: readonly (number | null)[];
  readonly trades: readonly { seller: number; buyer: number; quantity: number; time: number }[];
};

export type Random = { below(limit: number): number; pick<T>(list: readonly T[]): T; chance(one: number): boolean };

/** The same for the same seed. */
export function market(random: Random): Market {
  const sellers = 1 + random.below(5);
  const buyers = 1 + random.below(5);
  const built = random.chance(2);
  const size = random.pick(built ? [1, 2, 3, 10] : [20, 1000, 5000, 2 ** 30 - 1, 2 ** 31 - 1]);
  const count = random.below(random.chance(20) ? 40 : 12);
  const chained = random.chance(6);
  const trades = Array.from({ length: count }, (_, t) => ({
    seller: chained ? Math.floor(t / 2) % sellers : random.below(sellers),
    buyer: chained ? Math.floor((t + 1) / 2) % buyers : random.below(buyers),
    quantity: built && random.chance(3) ? size : random.below(size + 1),
    time: random.below(4),
  }));
  const register = (own: readonly { quantity: number }[]): number | null => {
    const wanted = own.reduce((all, { quantity }) => all + quantity, 0);
    const at = random.pick(
      built ? [wanted, wanted - 1, wanted + 1, wanted >> 1, own.length - 1, 1, 0] : [random.below(2 * size)],
    );
    if (random.chance(15)) return null;
    return Math.min(Math.max(at, 0), 2 ** 31 - 1);
  };
  return {
    exports: Array.from({ length: sellers }, (_, m) => register(trades.filter(({ seller }) => seller === m))),
    imports: Array.from({ length: buyers }, (_, m) => register(trades.filter(({ buyer }) => buyer === m))),
    trades,
  };
}

/** Several markets side by side in one call of the core, as blocks are. */
export function columnsOf(markets: readonly Market[]): Trades {
  const register: number[] = [];
  const trades: { quantity: number; sells: number; buys: number; time: number }[] = [];
  for (const { exports, imports, trades: own } of markets) {
    const first = register.length;
    register.push(...[...exports, ...imports].map((wh) => wh ?? MISSING));
    for (const { seller, buyer, quantity, time } of own)
      trades.push({ quantity, sells: first + seller, buys: first + exports.length + buyer, time });
  }
  const queue = trades.map((_, t) => t).sort((a, b) => trades[a]!.time - trades[b]!.time || a - b);
  return {
    quantity: Int32Array.from(trades, ({ quantity }) => quantity),
    sells: Int32Array.from(trades, ({ sells }) => sells),
    buys: Int32Array.from(trades, ({ buys }) => buys),
    queue: Int32Array.from(queue),
    register: Int32Array.from(register),
  };
}

export function oracleOf({ exports, imports, trades }: Market): OracleMarket {
  const wh = (value: number | null) => (value === null ? null : BigInt(value));
  return {
    exports: new Map(exports.map((value, m) => [`s${m}`, wh(value)])),
    imports: new Map(imports.map((value, m) => [`b${m}`, wh(value)])),
    trades: trades.map(({ seller, buyer, quantity, time }) => ({
      ...{ seller: `s${seller}`, buyer: `b${buyer}`, quantity: BigInt(quantity), time },
    })),
  };
}

/** Boundaries and components for `trades` trades, near halves and at the bounds of charges.ts. */
export function tariff(random: Random, trades: number) {
  const bits = () => Uint8Array.from({ length: trades }, () => (random.chance(3) ? 0 : 1));
  const share = () => {
    const den = random.pick([1, 2, 3, 7, 1000, 2 ** 30]);
    return { num: BigInt(random.pick([0, den, random.below(den + 1), den >> 1])), den: BigInt(den) };
  };
  const boundaries = Array.from({ length: random.below(4) }, () => ({ ...share(), crosses: bits() }));
  const components = Array.from({ length: random.below(6) }, (_, c) => {
    const kind = c === 0 ? random.pick(['energy', 'kwh'] as const) : random.pick(['energy', 'kwh', 'components'] as const);
    const micros = random.pick([420_000, 1_010_000, 1, 500, 999_999, -250_000, 2 ** 20 - 1]);
    const fraction = { num: BigInt(random.pick([1, 3, -3])), den: BigInt(random.pick([2, 100, 1000, 2 ** 30])) };
    const row: ComponentRow = {
      ...{ kind, at: random.below(boundaries.length + 1) },
      rate: kind === 'kwh' ? { num: BigInt(micros), den: BigInt(random.pick([1, 1, 3])) } : fraction,
      ...{ buyerShare: share(), bases: Array.from({ length: c }, (_, d) => d).filter(() => random.chance(2)) },
    };
    return { row, applies: bits() };
  });
  return { boundaries, components };
}

/** mulberry32: small, seeded, the same everywhere. */
export function generator(seed: number): Random {
  let state = seed >>> 0;
  const next = () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
  const below = (limit: number) => Math.floor(next() * limit);
  return { below, pick: (list) => list[below(list.length)]!, chance: (one) => below(one) === 0 };
}
