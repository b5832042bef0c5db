import { beforeAll, describe, expect, test } from 'vitest';
import { coreBytes } from '../../services/host/core-file.ts';
import { loadTradeKernel, METHODS, MISSING, type TradeKernel, type Trades } from '../../services/market/kernel.ts';
import { columnsOf, generator, type Market, market, oracleOf, tariff } from './markets.ts';
import { oracleAllocate, oracleCharge } from './trades.ts';

const SEED = 20261102;
/** LACHAK_LONG=1: 10⁵ blocks and trades. */
const CASES = process.env.LACHAK_LONG ? 100_000 : 10_000;
const BLOCKS = 50;

let kernel: TradeKernel;
beforeAll(async () => {
  kernel = await loadTradeKernel(coreBytes());
});

test(`the core allocates as the BigInt oracle does, ${CASES} blocks by every method`, { timeout: 600_000 }, () => {
  const met = { missing: 0, short: 0, tie: 0, stranded: 0, beyond: 0, bound: 0 };
  for (let from = 0; from < CASES; from += BLOCKS) {
    const random = generator(SEED + from);
    const markets = Array.from({ length: BLOCKS }, () => market(random));
    const columns = columnsOf(markets);
    const wanted = markets.map((block) => METHODS.map((method) => oracleAllocate(oracleOf(block), method)));
    METHODS.forEach((method, m) => {
      const got = kernel.allocate(method, columns);
      let t = 0;
      markets.forEach((block, b) => {
        const { seller, buyer, settled } = wanted[b]![m]!;
        const { settled: filled } = wanted[b]!.at(-1)!;
        const same = (column: Int32Array, oracle: readonly bigint[]) => oracle.every((wh, i) => column[t + i] === Number(wh));
        const agreed =
          same(got.sellerAllocated, seller) &&
          same(got.buyerAllocated, buyer) &&
          same(got.settled, settled) &&
          same(got.waterFilled, filled);
        if (!agreed) expect.fail(`${method}, seed ${SEED + from}, block ${b}: ${JSON.stringify(block)}`);
        t += block.trades.length;
        count(met, block, method, settled, filled);
      });
    });
  }
  console.log(`oracle: ${CASES} blocks of trades: ${JSON.stringify(met)}`);
  // The corners must have been met, or agreement says little.
  for (const [corner, times] of Object.entries(met)) expect(times, corner).toBeGreaterThan(CASES / 1000);
});

test(`the core charges as the BigInt oracle does, ${CASES} trades`, { timeout: 600_000 }, () => {
  const trades = 100;
  for (let from = 0; from < CASES; from += trades) {
    const random = generator(SEED + from);
    const { boundaries, components } = tariff(random, trades);
    const wh = Array.from({ length: trades }, () => random.below(random.pick([3, 1000, 2 ** 20, 2 ** 24])));
    const price = wh.map(() => BigInt(random.below(random.pick([3, 1000, 9_000_000, 2 ** 30]))));
    const got = kernel.charge({ settled: Int32Array.from(wh), price: BigInt64Array.from(price), boundaries, components });
    for (let t = 0; t < trades; t++) {
      const wanted = oracleCharge(
        BigInt(wh[t]!),
        price[t]!,
        boundaries.map(({ num, den, crosses }) => ({ num, den, crossed: crosses[t] === 1 })),
        components.map(({ row, applies }) => ({ ...row, share: row.buyerShare, applies: applies[t] === 1 })),
      );
      const same = (column: Int32Array | BigInt64Array, oracle: readonly bigint[]) =>
        oracle.every((value, row) => BigInt(column[row * trades + t]!) === value);
      const agreed = same(got.carried, wanted.carried) && same(got.amount, wanted.amounts) && same(got.buyerPart, wanted.buyer);
      if (!agreed) expect.fail(`seed ${SEED + from}, trade ${t}: ${wh[t]} Wh at ${price[t]} µ₹/kWh`);
    }
  }
});

describe('whatever the trades', () => {
  const blocks = Array.from({ length: 400 }, (_, i) => market(generator(SEED - 1 - i)));

  test.each(METHODS)(
    '%s never gives more than the meter, nor than the trade; a missing register gives a marked zero',
    (method) => {
      for (const block of blocks) {
        const { sellerAllocated, buyerAllocated, settled, awaiting } = kernel.allocate(method, columnsOf([block]));
        const drawn = (column: Int32Array, who: 'seller' | 'buyer', m: number) =>
          block.trades.reduce((all, trade, t) => all + (trade[who] === m ? column[t]! : 0), 0);
        block.exports.forEach((wh, m) => {
          expect(drawn(sellerAllocated, 'seller', m)).toBeLessThanOrEqual(wh ?? 0);
        });
        block.imports.forEach((wh, m) => {
          expect(drawn(buyerAllocated, 'buyer', m)).toBeLessThanOrEqual(wh ?? 0);
        });
        block.trades.forEach(({ quantity, seller, buyer }, t) => {
          expect(Math.max(sellerAllocated[t]!, buyerAllocated[t]!)).toBeLessThanOrEqual(quantity);
          expect(settled[t]).toBe(Math.min(sellerAllocated[t]!, buyerAllocated[t]!));
          const missing = (block.exports[seller] === null ? 1 : 0) | (block.imports[buyer] === null ? 2 : 0);
          expect(awaiting[t]).toBe(missing);
          if (missing) expect(settled[t]).toBe(0);
        });
      }
    },
  );

  test('water_fill leaves no trade with room on both sides, and never less than pro rata to any trade', () => {
    for (const block of blocks) {
      const { settled, waterFilled } = kernel.allocate('pro_rata', columnsOf([block]));
      const left = (wh: number | null, who: 'seller' | 'buyer', m: number) =>
        (wh ?? 0) - block.trades.reduce((all, trade, t) => all + (trade[who] === m ? waterFilled[t]! : 0), 0);
      block.trades.forEach(({ quantity, seller, buyer }, t) => {
        const room = [
          quantity - waterFilled[t]!,
          left(block.exports[seller]!, 'seller', seller),
          left(block.imports[buyer]!, 'buyer', buyer),
        ];
        expect(Math.min(...room), JSON.stringify(block)).toBe(0);
        expect(waterFilled[t]).toBeGreaterThanOrEqual(settled[t]!);
      });
    }
  });

  test.each(METHODS)('%s: numbering the meters otherwise, or other blocks beside it, changes nothing', (method) => {
    const together = kernel.allocate(method, columnsOf(blocks));
    let first = 0;
    for (const block of blocks) {
      const turned = {
        exports: block.exports.toReversed(),
        imports: block.imports.toReversed(),
        trades: block.trades.map((trade) => ({
          ...trade,
          seller: block.exports.length - 1 - trade.seller,
          buyer: block.imports.length - 1 - trade.buyer,
        })),
      };
      const alone = kernel.allocate(method, columnsOf([turned]));
      for (const column of ['sellerAllocated', 'buyerAllocated', 'settled', 'waterFilled', 'awaiting'] as const)
        expect(alone[column]).toEqual(together[column].slice(first, first + block.trades.length));
      first += block.trades.length;
    }
  });
});

test('thousands of trades on one register, all remainders equal: the first of the list get the spare Wh, and quickly', () => {
  const trades = 200_000;
  const columns: Trades = {
    quantity: new Int32Array(trades).fill(3),
    sells: new Int32Array(trades),
    buys: Int32Array.from({ length: trades }, (_, t) => 1 + t),
    queue: Int32Array.from({ length: trades }, (_, t) => t),
    register: new Int32Array(trades + 1).fill(3),
  };
  columns.register[0] = trades + 77;
  const { settled, waterFilled } = kernel.allocate('pro_rata', columns);
  expect([...settled.subarray(0, 79)]).toEqual([...Array(77).fill(2), 1, 1]);
  expect(settled.reduce((all, wh) => all + wh, 0)).toBe(trades + 77);
  expect(waterFilled.every((wh, t) => wh === settled[t])).toBe(true);
});

test('what lies beyond the bounds is refused, never computed', () => {
  const good = columnsOf([{ exports: [5], imports: [5], trades: [{ seller: 0, buyer: 0, quantity: 5, time: 0 }] }]);
  const one = (change: Partial<Trades>) => () => kernel.allocate('fifo', { ...good, ...change });
  expect(one({})().settled).toEqual(Int32Array.of(5));
  expect(one({ quantity: Int32Array.of(-1) })).toThrow(RangeError);
  expect(one({ sells: Int32Array.of(2) })).toThrow(RangeError);
  expect(one({ buys: Int32Array.of(-1) })).toThrow(RangeError);
  expect(one({ queue: Int32Array.of(1) })).toThrow(RangeError);
  expect(one({ queue: new Int32Array(2) })).toThrow(RangeError);
  expect(one({ register: Int32Array.of(-5, 5) })).toThrow(RangeError);
  expect(one({ register: Int32Array.of(MISSING, 5) })().awaiting).toEqual(Uint8Array.of(1));

  const full = { num: 1n, den: 1n };
  const row = { kind: 'kwh', at: 0, rate: full, buyerShare: full, bases: [] } as const;
  const charge = (change: object, price = 1n, wh = 2 ** 31 - 1) =>
    kernel.charge({
      ...{ settled: Int32Array.of(wh), price: BigInt64Array.of(price), boundaries: [] },
      components: [{ row: { ...row, ...change }, applies: Uint8Array.of(1) }],
    });
  expect(charge({}).amount).toEqual(BigInt64Array.of(2147484n));
  expect(() => charge({ at: 1 })).toThrow(RangeError);
  expect(() => charge({ rate: { num: 1n, den: 0n } })).toThrow(RangeError);
  expect(() => charge({ rate: { num: 2n ** 47n, den: 1n } })).toThrow(RangeError);
  expect(() => charge({ buyerShare: { num: 2n, den: 1n } })).toThrow(RangeError);
  expect(charge({}).outOfBounds).toEqual(Uint8Array.of(0));
  expect(charge({ rate: { num: 2n ** 46n, den: 1n } }).outOfBounds).toEqual(Uint8Array.of(1));
  expect(charge({ kind: 'energy' }, 2n ** 46n).outOfBounds).toEqual(Uint8Array.of(1));
});

function count(
  met: Record<string, number>,
  block: Market,
  method: string,
  settled: readonly bigint[],
  filled: readonly bigint[],
): void {
  const add = (corner: string, holds: boolean) => {
    met[corner] = met[corner]! + (holds ? 1 : 0);
  };
  const sum = (values: readonly bigint[]) => values.reduce((all, wh) => all + wh, 0n);
  add('missing', [...block.exports, ...block.imports].includes(null));
  add('short', sum(settled) < block.trades.reduce((all, { quantity }) => all + BigInt(quantity), 0n));
  add('tie', new Set(block.trades.map(({ seller, quantity }) => `${seller}/${quantity}`)).size < block.trades.length);
  add('stranded', sum(filled) > sum(settled));
  add('beyond', method === 'fifo' && sum(filled) < sum(settled));
  add(
    'bound',
    block.trades.some(({ quantity }) => quantity > 2 ** 30),
  );
}
