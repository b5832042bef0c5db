import { readFileSync } from 'node:fs';
import { beforeAll, describe, expect, test } from 'vitest';
import { describeWithFixtures, fixture } from '../../test/fixtures.ts';
import { loadTradeKernel, type Method, type TradeKernel } from './kernel.ts';
import { core } from './testing.ts';

let kernel: TradeKernel;
beforeAll(async () => {
  kernel = await loadTradeKernel(core());
});

type Trade = readonly [seller: string, buyer: string, wh: number];

/** Meters in Wh; trades in list order, which is their order in time. */
function allocate(method: Method, meters: Readonly<Record<string, number>>, trades: readonly Trade[]) {
  const names = Object.keys(meters);
  return kernel.allocate(method, {
    quantity: Int32Array.from(trades, ([, , wh]) => wh),
    sells: Int32Array.from(trades, ([seller]) => names.indexOf(seller)),
    buys: Int32Array.from(trades, ([, buyer]) => names.indexOf(buyer)),
    queue: Int32Array.from(trades, (_, t) => t),
    register: Int32Array.from(Object.values(meters)),
  });
}

describe("the figures of DEG's note on allocation and settlement", () => {
  const cross: readonly Trade[] = [
    ['S1', 'B1', 10_000],
    ['S2', 'B1', 10_000],
    ['S1', 'B2', 10_000],
  ];
  const shortOnBothSides = { S1: 15_000, S2: 10_000, B1: 15_000, B2: 10_000 };
  const allAtHundred = { S1: 100_000, S2: 100_000, B1: 100_000, B2: 100_000 };
  const hundreds = cross.map(([seller, buyer]): Trade => [seller, buyer, 100_000]);

  test.each<[string, Method, Readonly<Record<string, number>>, readonly Trade[], number[]]>([
    [
      '5 and 4 kWh contracted, 7 injected',
      'pro_rata',
      { S: 7000, B1: 9000, B2: 9000 },
      [
        ['S', 'B1', 5000],
        ['S', 'B2', 4000],
      ],
      [3889, 3111],
    ],
    ['one trade of 10 kWh, 8 produced', 'three_round', { S: 8000, B: 15_000 }, [['S', 'B', 10_000]], [8000]],
    [
      'production shared by halves',
      'pro_rata',
      { S: 15_000, B1: 10_000, B2: 10_000 },
      [
        ['S', 'B1', 10_000],
        ['S', 'B2', 10_000],
      ],
      [7500, 7500],
    ],
    ['cross-linked, short on both sides', 'three_round', shortOnBothSides, cross, [7500, 7500, 7500]],
    ['the same in order of time', 'fifo', shortOnBothSides, cross, [10_000, 5000, 5000]],
    ['the worst case of FIFO', 'fifo', allAtHundred, hundreds, [100_000, 0, 0]],
    ['and pro rata there', 'pro_rata', allAtHundred, hundreds, [50_000, 50_000, 50_000]],
  ])('%s: %s', (_, method, meters, trades, settled) => {
    expect([...allocate(method, meters, trades).settled]).toEqual(settled);
  });

  test('what FIFO leaves lying in its worst case is stranded', () => {
    const { settled, waterFilled } = allocate('fifo', allAtHundred, hundreds);
    const sum = (column: Int32Array) => column.reduce((all, wh) => all + wh, 0);
    expect(sum(waterFilled) - sum(settled)).toBe(50_000);
  });

  test('round 2 is at most round 1, as the buyer’s DISCOM copies it', () => {
    const { sellerAllocated, buyerAllocated } = allocate('three_round', { S: 70_000, B: 80_000 }, [['S', 'B', 100_000]]);
    expect([...sellerAllocated, ...buyerAllocated]).toEqual([70_000, 70_000]);
  });
});

const SETTLED = 'fixtures/deg/beckn-DEG@0c54d35e/devkits/p2p-trading-ies-wave2/responses/buyerdiscom/on_status_settled.json';

describeWithFixtures('the settled contract of the wave 2 kit', [SETTLED], () => {
  test('its allocations are the smaller of two, and its energy comes to 437.15 rupees', () => {
    const { contract } = JSON.parse(readFileSync(fixture(SETTLED)!, 'utf8')).message;
    const intervals = contract.commitments[0].commitmentAttributes.intervals as {
      payloads: { type: string; values: number[] }[];
    }[];
    const column = (type: string, scale: number) =>
      intervals.map(({ payloads }) => Math.round(payloads.find((payload) => payload.type === type)!.values[0]! * scale));
    const [pushed, pulled] = [column('SELLER_DISCOM_ALLOC', 1000), column('BUYER_DISCOM_ALLOC', 1000)];
    const meters = Object.fromEntries(
      intervals.flatMap((_, i) => [
        [`S${i}`, pushed[i]!],
        [`B${i}`, pulled[i]!],
      ]),
    );
    const trades = column('REQUESTED_QTY', 1000).map((wh, i): Trade => [`S${i}`, `B${i}`, wh]);
    const { settled } = allocate('three_round', meters, trades);
    expect([...settled]).toEqual(column('FINAL_ALLOC', 1000));

    const one = { num: 1n, den: 1n };
    const { amount } = kernel.charge({
      ...{ settled, price: BigInt64Array.from(column('PRICE_PER_KWH', 1e6), BigInt), boundaries: [] },
      components: [
        {
          row: { kind: 'energy', at: 0, rate: one, buyerShare: one, bases: [] },
          applies: new Uint8Array(settled.length).fill(1),
        },
      ],
    });
    const flows = contract.consideration.find(({ id }: { id: string }) => id === 'auto-settlement-flows').considerationAttributes;
    expect(Number(amount.reduce((all, micros) => all + micros, 0n)) / 1e6).toBe(flows.revenueFlows[0].value);
    expect(flows.revenueFlows[0].value).toBe(437.15);
  });
});
