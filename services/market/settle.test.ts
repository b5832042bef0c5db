import fc from 'fast-check';
import { beforeAll, expect, test } from 'vitest';
import { Refusal } from '../domain/outcome.ts';
import { zoneDays } from '../host/zone.ts';
import { answer, answerJson } from './answer.ts';
import { readCases } from './case.ts';
import { csvRows } from './csv.ts';
import { EXAMPLE } from './example.ts';
import { readObject } from './fields.ts';
import { readJson } from './json.ts';
import { loadTradeKernel, METHODS, type Method, type TradeKernel } from './kernel.ts';
import { answerCase } from './per-block-paise.ts';
import { readTables, readTablesJson } from './request.ts';
import { core } from './testing.ts';

/** LACHAK_LONG=1: 10⁵ spoilt requests of each format. */
const CASES = process.env.LACHAK_LONG ? 100_000 : 3000;

let kernel: TradeKernel;
beforeAll(async () => {
  kernel = await loadTradeKernel(core());
});

type Json = Record<string, unknown>;
type Line = { connection_id?: string; pool?: string; component: string; micro_rupees: string; paise: string };
type Told = Json & {
  readonly settled_wh: number;
  readonly delivered_wh: number;
  readonly stranded_wh: number;
  readonly trades: (Json & { qty_wh: number; settled_wh: number; delivered_wh: number })[];
  readonly energy: Record<'sold_wh' | 'bought_wh' | 'residual_import_wh' | 'residual_export_wh', number>[];
  readonly bill_lines: Line[];
};

function settled(text: string): Told {
  const request = readTables(readTablesJson(readObject(readJson(text), 'the request')));
  return JSON.parse([...answerJson(answer(kernel, request, zoneDays(request.charges.zone)))].join('')) as Told;
}

const METERS = ['A', 'B', 'C', 'D'];
const instant = (quarters: number) => `${new Date(Date.UTC(2026, 10, 30, 6) + quarters * 900_000).toISOString().slice(0, 19)}Z`;

/** A day's market of four meters in two states, hour blocks over the turn of a cycle, half-hour readings of which some are missing. */
const request = fc
  .record({
    method: fc.constantFrom<Method>(...METHODS),
    trades: fc.uniqueArray(
      fc.record({
        trade_id: fc.integer({ min: 0, max: 30 }).map(String),
        seller: fc.constantFrom(...METERS),
        turn: fc.integer({ min: 1, max: 3 }),
        hour: fc.integer({ min: 0, max: 30 }),
        qty_wh: fc.oneof(fc.integer({ min: 0, max: 2000 }), fc.constantFrom(0, 1, 500, 2 ** 30)),
        paise: fc.integer({ min: 0, max: 1200 }),
        quarter: fc.integer({ min: -40, max: -36 }),
      }),
      { minLength: 1, maxLength: 16, selector: ({ trade_id, hour }) => `${trade_id}/${hour}` },
    ),
    readings: fc.uniqueArray(
      fc.record({
        meter_id: fc.constantFrom(...METERS),
        half: fc.integer({ min: 0, max: 61 }),
        import_wh: fc.option(fc.integer({ min: 0, max: 2500 }), { freq: 12 }),
        export_wh: fc.option(fc.integer({ min: 0, max: 2500 }), { freq: 12 }),
      }),
      { minLength: 120, maxLength: 248, selector: ({ meter_id, half }) => `${meter_id}/${half}` },
    ),
  })
  .map(({ method, trades, readings }) => ({
    ...{ method, reading_minutes: 30 },
    trades: trades.map(({ seller, turn, hour, paise, quarter, ...trade }) => ({
      ...trade,
      ...{ seller, buyer: METERS[(METERS.indexOf(seller) + turn) % 4]!, block_start: instant(4 * hour), block_minutes: 60 },
      ...{ price_rupees_per_kwh: paise / 100, trade_time: instant(quarter) },
    })),
    meters: METERS.map((meter_id, m) => ({
      ...{ meter_id, connection_id: m < 2 ? `K${m}` : 'K9', state: m % 2 ? 'Delhi' : 'Uttar Pradesh' },
      ...{ retail_rupees_per_kwh: 6.5, feedin_rupees_per_kwh: 2.25 },
    })),
    readings: readings.map(({ half, ...reading }) => ({ ...reading, interval_start: instant(2 * half) })),
    charges: { ...EXAMPLE.charges, slots: [{ name: 'peak', from: '18:30', to: '22:30' }], zone: 'Asia/Kolkata' },
  }));

test('money sums to zero, energy is where the trades say, and no order of rows matters', { timeout: 600_000 }, () => {
  fc.assert(
    fc.property(request, fc.infiniteStream(fc.nat()), (asked, chance) => {
      const told = settled(JSON.stringify(asked));
      holdsTogether(told);
      const shuffled = <T>(rows: readonly T[]): T[] =>
        rows
          .map((row) => ({ row, key: chance.next().value as number }))
          .sort((a, b) => a.key - b.key)
          .map(({ row }) => row);
      const other = {
        ...asked,
        ...{ trades: shuffled(asked.trades), meters: shuffled(asked.meters), readings: shuffled(asked.readings) },
      };
      expect(settled(JSON.stringify(other))).toEqual(told);
    }),
    { numRuns: Math.ceil(CASES / 20) },
  );
});

test('a missing reading changes no trade of another block', { timeout: 600_000 }, () => {
  fc.assert(
    fc.property(request, fc.nat(), (asked, which) => {
      const lost = asked.readings[which % asked.readings.length]!;
      const told = settled(JSON.stringify(asked));
      const without = settled(JSON.stringify({ ...asked, readings: asked.readings.filter((reading) => reading !== lost) }));
      const hour = 3_600_000;
      const block = new Date(Math.floor(Date.parse(lost.interval_start) / hour) * hour).toISOString().replace('.000', '');
      const elsewhere = (trades: Told['trades']) => trades.filter(({ block_start }) => block_start !== block);
      expect(elsewhere(without.trades)).toEqual(elsewhere(told.trades));
    }),
    { numRuns: Math.ceil(CASES / 30) },
  );
});

test('a higher price moves money and no energy', { timeout: 600_000 }, () => {
  fc.assert(
    fc.property(request, (asked) => {
      const trades = asked.trades.map((trade) => ({ ...trade, price_rupees_per_kwh: trade.price_rupees_per_kwh * 4 }));
      const [told, dearer] = [settled(JSON.stringify(asked)), settled(JSON.stringify({ ...asked, trades }))];
      const energy = ({ bill_lines }: Told) =>
        bill_lines.filter(({ component }) => component === 'energy').map((line) => ({ ...line, paise: '' }));
      expect(dearer.energy).toEqual(told.energy);
      expect(energy(dearer)).toEqual(
        energy(told).map((line) => ({ ...line, micro_rupees: String(BigInt(line.micro_rupees) * 4n) })),
      );
    }),
    { numRuns: Math.ceil(CASES / 30) },
  );
});

const CASE = {
  cases: [
    {
      ...{ id: 'c', charges: { transaction_paise_per_kwh: 42, wheeling_interstate_paise_per_kwh: 101, wheeling_payer: 'buyer' } },
      blocks: [
        {
          ...{ block_start: '2026-11-02T12:00:00+05:30', block_minutes: 15, allocation: 'fifo' },
          meters: {
            S: { import_wh: 10, export_wh: 900, retail_paise_per_kwh: 650, feedin_paise_per_kwh: 225 },
            B: { import_wh: 700, export_wh: null, retail_paise_per_kwh: 650, feedin_paise_per_kwh: 225 },
          },
          trades: ['t1', 't2'].map((trade_id) => ({
            ...{ trade_id, seller: 'S', buyer: 'B', qty_wh: 500, price_paise_per_kwh: 540, interstate: true },
            trade_time: '2026-11-01T02:00:00+05:30',
          })),
        },
      ],
    },
  ],
};

const HOSTILE: readonly string[] = [
  ...[
    'null',
    'true',
    '""',
    '"x"',
    '[]',
    '{}',
    '-1',
    '-0',
    '0',
    '1',
    '0.5',
    '1e308',
    '1e999',
    '-1e999',
    '2147483648',
    '1073741824',
  ],
  ...[
    '9007199254740993',
    'NaN',
    'Infinity',
    '"NaN"',
    '"1e3"',
    '"-0"',
    '"5/0"',
    '"T1"',
    '"ASHA"',
    '"__proto__"',
    '"constructor"',
    '"\\u0000"',
  ],
  ...['"2026-11-02T12:00:00"', '"2026-11-02T25:00:00Z"', '"24:00"', '"1/3"', '[[[[]]]]', '{"a":1,"a":2}', '"\\ud800"'],
];

/** The text of a good request with one to three values, members or characters exchanged for others. */
function spoilt(good: unknown): fc.Arbitrary<string> {
  const text = JSON.stringify(good);
  const values = [...text.matchAll(/(?<=[:[,])("(?:[^"\\]|\\.)*"|-?\d+(?:\.\d+)?|true|false|null)(?=[,}\]])/g)];
  const blow = fc.oneof(
    { weight: 6, arbitrary: fc.record({ at: fc.nat({ max: values.length - 1 }), by: fc.constantFrom(...HOSTILE) }) },
    { weight: 1, arbitrary: fc.record({ at: fc.nat({ max: values.length - 1 }), by: fc.json({ maxDepth: 2 }) }) },
    {
      weight: 1,
      arbitrary: fc.record({ cut: fc.nat({ max: text.length }), by: fc.string({ maxLength: 3 }), size: fc.nat({ max: 3 }) }),
    },
  );
  return fc.array(blow, { minLength: 1, maxLength: 3 }).map((blows) =>
    blows
      .map((own) =>
        'at' in own ? { from: values[own.at]!.index, size: values[own.at]![0].length, by: own.by } : { from: own.cut, ...own },
      )
      .sort((a, b) => b.from - a.from)
      .reduce((made, { from, size, by }) => made.slice(0, from) + by + made.slice(from + size), text),
  );
}

test(`a spoilt request is refused with a reason, or answered soundly, never a crash (${CASES})`, { timeout: 600_000 }, () => {
  const met = { refused: 0, answered: 0 };
  const attempt = (work: () => void) => {
    try {
      work();
      met.answered++;
    } catch (error) {
      if (!(error instanceof Refusal) && !(error instanceof RangeError && !/call stack/.test(error.message))) throw error;
      expect(error.message.length).toBeLessThan(600);
      met.refused++;
    }
  };
  fc.assert(
    fc.property(spoilt(EXAMPLE), (text) => attempt(() => holdsTogether(settled(text)))),
    { numRuns: CASES },
  );
  fc.assert(
    fc.property(spoilt(CASE), (text) =>
      attempt(() => {
        for (const entry of readCases(readObject(readJson(text), 'the request'))) holdsTogetherInPaise(answerCase(kernel, entry));
      }),
    ),
    { numRuns: CASES },
  );
  console.log(`spoilt requests: ${JSON.stringify(met)}`);
  expect(met.refused).toBeGreaterThan(CASES / 4);
  expect(met.answered).toBeGreaterThan(CASES / 20);
});

test('JSON is read as JSON.parse reads it, members in the order of the text', () => {
  const asObject = (value: unknown): unknown =>
    value instanceof Map
      ? Object.fromEntries([...value].map(([name, member]) => [name, asObject(member)]))
      : Array.isArray(value)
        ? value.map(asObject)
        : value;
  fc.assert(
    fc.property(fc.json(), (text) => {
      expect(asObject(readJson(text))).toEqual(JSON.parse(text));
    }),
    { numRuns: 500 },
  );
  fc.assert(
    fc.property(fc.string(), (text) => {
      const valid = (() => {
        try {
          return { value: JSON.parse(text) as unknown };
        } catch {
          return null;
        }
      })();
      if (valid) expect(asObject(readJson(text))).toEqual(valid.value);
      else expect(() => readJson(text)).toThrow(Refusal);
    }),
    { numRuns: 500 },
  );
  expect([...(readJson('{"10":1,"9":2,"__proto__":3}') as Map<string, unknown>).keys()]).toEqual(['10', '9', '__proto__']);
});

test('CSV gives back what was written', () => {
  const field = fc.string({ maxLength: 8 });
  fc.assert(
    fc.property(fc.array(fc.tuple(field, field), { minLength: 1, maxLength: 5 }), fc.constantFrom('\n', '\r\n'), (rows, end) => {
      const quoted = (value: string) => `"${value.replaceAll('"', '""')}"`;
      const text = ['a,b', ...rows.map((row) => row.map(quoted).join(','))].join(end);
      expect([...csvRows('t', text)].map(({ fields }) => [fields.get('a'), fields.get('b')])).toEqual(rows);
    }),
    { numRuns: 500 },
  );
  fc.assert(
    fc.property(fc.string({ unit: fc.constantFrom('a', ',', '"', '\n', '\r', '') }), (text) => {
      try {
        expect([...csvRows('t', `a,b\n${text}`)].every(({ fields }) => typeof fields.get('b') === 'string')).toBe(true);
      } catch (error) {
        expect(error).toBeInstanceOf(Refusal);
      }
    }),
    { numRuns: 1000 },
  );
});

function holdsTogether(told: Told): void {
  const sum = <T>(rows: readonly T[], of: (row: T) => number) => rows.reduce((all, row) => all + of(row), 0);
  expect(told.bill_lines.reduce((all, { micro_rupees }) => all + BigInt(micro_rupees), 0n)).toBe(0n);
  expect(told.bill_lines.reduce((all, { paise }) => all + BigInt(paise), 0n)).toBe(0n);
  expect(sum(told.energy, ({ sold_wh }) => sold_wh)).toBe(told.settled_wh);
  expect(sum(told.energy, ({ bought_wh }) => bought_wh)).toBe(told.delivered_wh);
  for (const { residual_import_wh, residual_export_wh } of told.energy) {
    expect(residual_import_wh ?? 0).toBeGreaterThanOrEqual(0);
    expect(residual_export_wh ?? 0).toBeGreaterThanOrEqual(0);
  }
  for (const { qty_wh, settled_wh, delivered_wh } of told.trades) {
    expect(settled_wh).toBeLessThanOrEqual(qty_wh);
    expect(delivered_wh).toBeLessThanOrEqual(settled_wh);
    expect(delivered_wh).toBeGreaterThanOrEqual(0);
  }
  if (told.method !== 'fifo') expect(told.stranded_wh).toBeGreaterThanOrEqual(0);
}

function holdsTogetherInPaise(told: Json): void {
  const nets = Object.values(told.net_paise_by_meter as Record<string, number>).reduce((all, paise) => all + paise, 0);
  expect(Object.values(told.pools_total as Record<string, number>).reduce((all, paise) => all + paise, nets)).toBe(0);
  for (const { trades } of told.blocks as { trades: { settled_wh: number }[] }[])
    for (const { settled_wh } of trades) expect(settled_wh).toBeLessThanOrEqual(2 ** 30);
}
