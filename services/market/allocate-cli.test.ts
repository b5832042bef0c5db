import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { afterAll, describe, expect, test } from 'vitest';
import { EXAMPLE } from './example.ts';
import { run } from './testing.ts';

const FOLDER = mkdtempSync(join(tmpdir(), 'lachak-allocate-'));
afterAll(() => rmSync(FOLDER, { recursive: true }));

let files = 0;
function file(content: string | Uint8Array): string {
  const path = join(FOLDER, `${files++}`);
  writeFileSync(path, content);
  return path;
}

type Json = Record<string, unknown>;
const copy = () =>
  structuredClone(EXAMPLE) as unknown as Json & {
    trades: Json[];
    meters: Json[];
    readings: Json[];
    charges: Json & { components: Json[]; slots: Json[]; boundaries: Json[] };
  };
const ask = (request: unknown, ...flags: string[]) => run('--request', file(JSON.stringify(request)), '--json', ...flags);
const csv = (rows: readonly Json[]): string => {
  const names = [...new Set(rows.flatMap((row) => Object.keys(row)))];
  return [names.join(','), ...rows.map((row) => names.map((name) => row[name] ?? '').join(','))].join('\n');
};

describe('the worked example', () => {
  const told = JSON.parse(/```json\n(.*?)\n```/s.exec(readFileSync(new URL('./ROOM.md', import.meta.url), 'utf8'))![1]!) as Json;

  test('gives the figures of ROOM.md', async () => {
    const { code, out, err } = await ask(JSON.parse((await run('--example')).out));
    expect([code, err]).toEqual([0, '']);
    const answer = JSON.parse(out);
    const micros: Record<string, Json> = {};
    for (const { connection_id, pool, component, micro_rupees } of answer.bill_lines) {
      micros[connection_id ?? pool] = { ...micros[connection_id ?? pool], [component]: micro_rupees };
    }
    const { settled_wh, delivered_wh, stranded_wh, status } = answer;
    expect({ settled_wh, delivered_wh, stranded_wh, status, micro_rupees: micros }).toEqual(told);
  });

  test('paise sum to zero, and the residual legs stand apart, marked', async () => {
    const answer = JSON.parse((await ask(EXAMPLE)).out);
    const paise = (answer.bill_lines as { paise: string }[]).reduce((all, line) => all + Number(line.paise), 0);
    expect(paise).toBe(0);
    expect(answer.indicative).toEqual([
      { connection_id: 'DL-1001', cycle: '2026-11-01', leg: 'residual_import', wh: 0, paise: '0', status: 'INDICATIVE' },
      { connection_id: 'DL-1001', cycle: '2026-11-01', leg: 'residual_export', wh: 150, paise: '34', status: 'INDICATIVE' },
      { connection_id: 'DL-1002', cycle: '2026-11-01', leg: 'residual_import', wh: 6, paise: '-4', status: 'INDICATIVE' },
      { connection_id: 'UP-2001', cycle: '2026-11-01', leg: 'residual_import', wh: 459, paise: '-327', status: 'INDICATIVE' },
    ]);
    expect(answer.energy[2]).toEqual({
      ...{ connection_id: 'UP-2001', cycle: '2026-11-01', slot: 'solar', status: 'BINDING' },
      ...{ import_wh: 900, bought_wh: 441, residual_import_wh: 459, export_wh: null, sold_wh: 0, residual_export_wh: null },
    });
  });

  test('as tables for people: grouped, named, indicative and waived said', async () => {
    const { out } = await run('--request', file(JSON.stringify(EXAMPLE)));
    expect(out).toContain('2 trades in 1 block of 60 minutes, pro_rata, Asia/Kolkata: 0.750 kWh settled of 1.200 contracted');
    for (const line of [
      /DL-1001 +2026-11-01 +solar +0\.000 +0\.000 +0\.000 +0\.900 +0\.750 +0\.150\n/,
      /DL-1001 +2026-11-01 +energy +0\.750 +\+₹4\.14\n/,
      /\(rounding\) +2026-11-01 +rounding +−₹0\.01\n/,
      /INDICATIVE/,
      /fifo +0\.600 +0\.300\n/,
      /T2 +2026-11-02 12:00 .* surcharge waived\n/,
    ])
      expect(out).toMatch(line);
  });

  test.each([
    ['pro_rata', 750, 150],
    ['fifo', 600, 300],
    ['three_round', 750, 150],
    ['water_fill', 900, 0],
  ])('%s settles %d Wh and strands %d', async (method, settled, stranded) => {
    const answer = JSON.parse((await ask(EXAMPLE, '--method', method)).out);
    expect([answer.method, answer.settled_wh, answer.stranded_wh]).toEqual([method, settled, stranded]);
    expect(answer.methods).toContainEqual({ method, settled_wh: settled, stranded_wh: stranded });
  });
});

describe('the same answer from', () => {
  const { trades, meters, readings, charges } = copy();
  const answerOf = async (...args: string[]) => {
    const { code, out, err } = await run('--json', ...args);
    expect([code, err]).toEqual([0, '']);
    return JSON.parse(out);
  };
  const tables = (change: (name: string, text: string) => string | Uint8Array = (_, text) => text) =>
    ['--reading-minutes', '30', '--charges', file(JSON.stringify(charges))].concat(
      Object.entries({ trades, meters, readings }).flatMap(([name, rows]) => [`--${name}`, file(change(name, csv(rows)))]),
    );

  test('CSV files, gzip, Windows lines with a byte order mark, quoted fields', async () => {
    const wanted = JSON.parse((await ask(EXAMPLE)).out);
    expect(await answerOf(...tables())).toEqual(wanted);
    expect(await answerOf(...tables((_, text) => gzipSync(text)))).toEqual(wanted);
    expect(await answerOf(...tables((_, text) => `\uFEFF${text.replaceAll('\n', '\r\n')}\r\n`))).toEqual(wanted);
    expect(await answerOf(...tables((_, text) => text.replaceAll(/[^,\n]+/g, '"$&"')))).toEqual(wanted);
  });

  test('rows in any order, and readings over several files', async () => {
    const wanted = JSON.parse((await ask(EXAMPLE)).out);
    const turned = copy();
    for (const rows of [turned.trades, turned.meters, turned.readings]) rows.reverse();
    expect(JSON.parse((await ask(turned)).out)).toEqual(wanted);
    const parts = [readings.slice(0, 2), readings.slice(2)].flatMap((rows) => ['--readings', file(csv(rows))]);
    const others = ['--trades', file(csv(trades)), '--meters', file(csv(meters)), '--charges', file(JSON.stringify(charges))];
    expect(await answerOf(...others, ...parts, '--reading-minutes', '30')).toEqual(wanted);
  });

  test('kWh or Wh, and an identical repeat of a reading', async () => {
    const other = copy();
    other.trades.forEach((trade) => {
      delete trade.qty_wh;
      trade.qty_kwh = '0.6';
    });
    other.readings.push(other.readings[0]!);
    expect(JSON.parse((await ask(other)).out)).toEqual(JSON.parse((await ask(EXAMPLE)).out));
  });

  test('nothing but trades and readings: no charge but the energy', async () => {
    const answer = await answerOf('--trades', file(csv(trades)), '--readings', file(csv(readings)), '--reading-minutes', '30');
    expect(answer.bill_lines.map(({ component }: Json) => component)).toEqual(['energy', 'energy', 'energy']);
    expect(answer.indicative).toEqual([]);
  });
});

describe('a missing register', () => {
  const missing = (change: (readings: Json[]) => Json[]) => ({ ...copy(), readings: change(copy().readings) });
  test.each<[string, ReturnType<typeof missing>]>([
    ['empty', missing((rows) => rows.map((row, i) => (i === 1 ? { ...row, export_wh: '' } : row)))],
    ['null', missing((rows) => rows.map((row, i) => (i === 1 ? { ...row, export_wh: null } : row)))],
    ['absent', missing((rows) => rows.toSpliced(1, 1))],
    ['suspect', missing((rows) => rows.map((row, i) => (i === 1 ? { ...row, quality: 'SUSPECT' } : row)))],
  ])('that is %s gives a provisional zero, marked AWAITING_DATA', async (_, request) => {
    const { out } = await ask(request);
    const answer = JSON.parse(out);
    expect([answer.status, answer.settled_wh]).toEqual(['AWAITING_DATA', 0]);
    expect(answer.awaiting_data).toEqual([{ meter_id: 'ASHA', block_start: '2026-11-02T06:30:00Z', register: 'export_wh' }]);
    expect(answer.trades.map(({ status }: Json) => status)).toEqual(['AWAITING_DATA', 'AWAITING_DATA']);
    expect(answer.energy.map(({ status }: Json) => status)).toEqual(['AWAITING_DATA', 'AWAITING_DATA', 'AWAITING_DATA']);
    expect((await run('--request', file(JSON.stringify(request)))).out).toContain(
      'PROVISIONAL, AWAITING_DATA: 1 register without reading, zero until it comes; first export_wh of ASHA at 2026-11-02 12:00',
    );
  });
});

test('a component is charged from the day its waiver ends, and in the slot and category it names', async () => {
  const request = copy();
  request.charges.components = [
    {
      ...request.charges.components[2]!,
      waived_until: '2026-11-02',
      applies_when: [
        { field: 'slot', is: ['solar', 'peak'] },
        { field: 'buyer.state', is: 'Delhi' },
      ],
    },
  ];
  const lines = JSON.parse((await ask(request)).out).bill_lines.filter(({ component }: Json) => component === 'surcharge');
  expect(lines.map(({ connection_id, pool, micro_rupees }: Json) => [connection_id ?? pool, micro_rupees])).toEqual([
    ['DL-1002', '-162000'],
    ['discom', '162000'],
  ]);
});

describe('what is wrong is named by file and line, or field, and nothing is printed', () => {
  const bad = (change: (request: ReturnType<typeof copy>) => void) => {
    const request = copy();
    change(request);
    return request;
  };
  const trade = (fields: Json) => bad(({ trades }) => Object.assign(trades[1]!, fields));
  const reading = (fields: Json) => bad(({ readings }) => Object.assign(readings[2]!, fields));
  const component = (fields: Json) => bad(({ charges }) => Object.assign(charges.components[1]!, fields));
  test.each<[unknown, string]>([
    [[], 'the JSON must be an object, not a list'],
    [{}, 'trades must be a list, not absent'],
    [
      { ...EXAMPLE, metres: [] },
      'metres is not a field here; known are method, reading_minutes, trades, meters, readings, charges',
    ],
    [{ ...EXAMPLE, trades: [] }, 'trades has no rows'],
    [{ ...EXAMPLE, trades: [7] }, 'trades[0] must be an object, not 7'],
    [{ ...EXAMPLE, method: 'prorata' }, 'method must be one of pro_rata, fifo, three_round, water_fill, not "prorata"'],
    [{ ...EXAMPLE, reading_minutes: 25 }, 'reading_minutes is 25'],
    [{ ...EXAMPLE, reading_minutes: undefined }, 'readings[1].interval_start lies beside the grid of 60 minutes'],
    [trade({ qty_wh: -1 }), 'trades[1].qty_wh must be a whole number from 0 to 1073741824, not -1'],
    [trade({ qty_wh: 1.5 }), 'trades[1].qty_wh must be a whole number from 0 to 1073741824, not 1.5'],
    [trade({ qty_wh: 1e300 }), 'trades[1].qty_wh must be a whole number from 0 to 1073741824, not 1e+300'],
    [trade({ qty_wh: 'NaN' }), 'trades[1].qty_wh must be a whole number from 0 to 1073741824, not "NaN"'],
    [trade({ qty_wh: null }), 'trades[1].qty_wh is absent, and so is qty_kwh'],
    [trade({ qty_kwh: 1 }), 'trades[1].qty_wh and qty_kwh are both given'],
    [trade({ price_rupees_per_kwh: '-5' }), 'trades[1].price_rupees_per_kwh must be a decimal from 0 to 100000'],
    [trade({ price_rupees_per_kwh: '5.1234567' }), 'with at most 6 digits after the point, not "5.1234567"'],
    [trade({ trade_id: 'T1' }), 'trades[1].trade_id "T1" stands twice in this block, first at trades[0]'],
    [trade({ trade_id: '' }), 'trades[1].trade_id must be a text, not ""'],
    [trade({ buyer: 'DEVI' }), 'trade T2: buyer "DEVI" is not among the meters'],
    [trade({ buyer: 'ASHA' }), 'trades[1].buyer "ASHA" is the seller too'],
    [trade({ block_minutes: 30 }), 'trades[1].block_minutes is 30, but 60 before'],
    [trade({ block_start: '2026-11-02T12:30:00+05:30' }), 'trades[1].block_start would make a block that overlaps'],
    [trade({ block_start: '2026-11-02T12:00:00' }), 'trades[1].block_start must be an instant with its offset'],
    [trade({ trade_time: '2026-02-30T12:00:00+05:30' }), 'trades[1].trade_time must be an instant with its offset'],
    [
      bad(({ trades, readings }) => {
        Object.assign(trades[0]!, { qty_wh: 2 ** 30, price_rupees_per_kwh: 100_000 });
        for (const row of readings) Object.assign(row, { import_wh: 2 ** 29, export_wh: 2 ** 29 });
      }),
      'trade T1 comes to 9 billion rupees or more in one block: too large to be exact',
    ],
    [reading({ import_wh: -3 }), 'readings[2].import_wh must be a whole number'],
    [reading({ import_wh: 2 ** 31 }), 'readings[2].import_wh must be a whole number'],
    [reading({ quality: 'GOOD' }), 'readings[2].quality must be one of VALID, ESTIMATED, MANUAL, SUSPECT, REJECTED, not "GOOD"'],
    [
      bad(({ readings }) => readings.push({ ...readings[0], export_wh: 1 })),
      'readings[6].interval_start is a second, different reading of "ASHA" at 2026-11-02T06:30:00Z',
    ],
    [bad(({ meters }) => meters.push(meters[0]!)), 'meters[3].meter_id "ASHA" stands twice'],
    [component({ rate: '1' }), 'charges.components[1].rate is for other bases; kwh has rate_rupees_per_kwh'],
    [component({ base: 'energy' }), 'charges.components[1].rate_rupees_per_kwh is for the base kwh; this one has rate'],
    [component({ base: ['duty'] }), 'charges.components[1].base must be energy, kwh or components before this one'],
    [component({ at: 'transmission' }), 'charges.components[1].at must be a boundary (distribution), not "transmission"'],
    [component({ payer: { buyer: '1/2' } }), 'charges.components[1].payer must be parts of buyer and seller that add up to 1'],
    [component({ payer: { buyer: '3/2', seller: '-1/2' } }), 'charges.components[1].payer must be parts'],
    [component({ payee: 'rounding' }), 'charges.components[1].payee rounding is the pool'],
    [component({ clause: undefined }), 'charges.components[1].clause must be a text, not absent'],
    [component({ name: 'energy' }), 'charges.components[1].name "energy" stands twice'],
    [component({ waived_until: '2027-02-29' }), 'charges.components[1].waived_until must be a day'],
    [component({ applies_when: [{ field: 'voltage', is: 11 }] }), 'component wheeling: voltage is absent in trade T1'],
    [
      component({ applies_when: [{ field: 'seller.voltage', is: 11 }] }),
      'component wheeling: seller.voltage is absent for meter ASHA',
    ],
    [component({ applies_when: [{ field: 'slot' }] }), 'charges.components[1].applies_when[0] must have either "is"'],
    [
      bad(({ charges }) => Object.assign(charges.boundaries[0]!, { across: '1.02' })),
      'charges.boundaries[0].across must be the share',
    ],
    [bad(({ charges }) => Object.assign(charges.slots[1]!, { from: '16:00' })), 'charges.slots[1] "peak" overlaps "solar"'],
    [bad(({ charges }) => Object.assign(charges.slots[0]!, { to: '12:30' })), 'lies in two time-of-day slots, solar and other'],
    [bad(({ charges }) => Object.assign(charges, { zone: 'Asia/Kolkatta' })), 'Asia/Kolkatta is neither an IANA time zone'],
    [
      bad(({ charges }) => Object.assign(charges, { cycle_starts_on: 31 })),
      'charges.cycle_starts_on must be a whole number from 1 to 28',
    ],
  ])('%#: %s', async (request, complaint) => {
    const { code, out, err } = await ask(request);
    expect([code, out]).toEqual([2, '']);
    expect(err).toContain(complaint);
    expect(err).not.toMatch(/\n +at /);
  });

  test.each<[string, string, string, string]>([
    [
      'a bad row',
      'trades',
      'T9,S,B,2026-11-02T12:00:00+05:30,60,ten,5,2026-11-01T12:00:00+05:30',
      ':2: qty_wh must be a whole number',
    ],
    ['a short row', 'trades', 'T9,S,B', ':2: 3 fields under a header of 8'],
    ['an open quote', 'trades', 'T9,"S,B', ':2: a quote is opened and never closed'],
    ['a letter after a quote', 'trades', '"T9"x,S,B', ':2: something follows the closing quote'],
  ])('%s of a CSV file', async (_, name, row, complaint) => {
    const header = 'trade_id,seller,buyer,block_start,block_minutes,qty_wh,price_rupees_per_kwh,trade_time';
    const path = file(`${header}\n${row}\n`);
    const { code, out, err } = await run(`--${name}`, path, '--readings', file('meter_id,interval_start,import_wh,export_wh\n'));
    expect([code, out]).toEqual([2, '']);
    expect(err).toContain(`${path}${complaint}`);
  });

  test.each<[string[], number, string]>([
    [['--help'], 0, 'lachak allocate --trades FILE --readings FILE…'],
    [[], 2, '--trades FILE is missing (or give everything with --request FILE)'],
    [['--trades', '/nowhere'], 2, '--readings FILE is missing'],
    [['--trades', '/nowhere', '--readings', '/nowhere'], 2, '/nowhere cannot be read'],
    [['--request', '/nowhere'], 2, '/nowhere cannot be read'],
    [['--request', 'x', '--meters', 'y'], 2, '--meters cannot be given beside --request'],
    [
      ['--request', 'x', '--method', 'filo'],
      2,
      '--method must be one of pro_rata, fifo, three_round, water_fill, not filo; did you mean fifo?',
    ],
    [['--request', 'x', '--metod', 'fifo'], 2, 'unknown option --metod; did you mean --method?'],
    [['--trades', 'x', '--readings', 'y', '--reading-minutes', '0'], 2, '--reading-minutes must be a number of minutes'],
    [['trades.csv'], 2, 'trades.csv is no option'],
  ])('lachak allocate %j exits %d', async (args, code, said) => {
    const answer = await run(...args);
    expect(answer.code).toBe(code);
    expect(answer.out + answer.err).toContain(said);
  });
});

describe('the golden cases', () => {
  const block = {
    ...{ block_start: '2026-11-02T12:00:00+05:30', block_minutes: 15, allocation: 'pro_rata' },
    meters: {
      S: { import_wh: 0, export_wh: 500, retail_paise_per_kwh: 650, feedin_paise_per_kwh: 225 },
      B: { import_wh: 500, export_wh: 0, retail_paise_per_kwh: 650, feedin_paise_per_kwh: 225 },
    },
    trades: [
      {
        ...{ trade_id: 't1', seller: 'S', buyer: 'B', qty_wh: 500, price_paise_per_kwh: 333, interstate: false },
        trade_time: '2026-11-01T02:00:00+05:30',
      },
    ],
  };
  const entry = { id: 'c', charges: { transaction_paise_per_kwh: 42, wheeling_interstate_paise_per_kwh: 101 }, blocks: [block] };
  const trade = (change: object) => ({ ...entry, blocks: [{ ...block, trades: [{ ...block.trades[0], ...change }] }] });
  const meter = (change: object) => ({
    ...entry,
    blocks: [{ ...block, meters: { ...block.meters, S: { ...block.meters.S, ...change } } }],
  });

  test('are answered as JSON, in order', async () => {
    const { code, out } = await run('--request', file(JSON.stringify({ cases: [entry, { ...entry, id: 'd' }] })));
    expect(code).toBe(0);
    const [first, second] = JSON.parse(out).results;
    expect(first.blocks[0].trades[0]).toMatchObject({
      settled_wh: 500,
      energy_paise: 167,
      txn_buyer_paise: 11,
      txn_seller_paise: 10,
    });
    expect({ ...second, id: 'c' }).toEqual(first);
  });

  test.each<[unknown, string]>([
    [{ cases: 3 }, 'cases must be a list, not 3'],
    [{ cases: [entry, entry] }, 'cases[1].id "c" stands twice'],
    [{ cases: [{ ...entry, charges: undefined }] }, 'case c: charges must be an object, not absent'],
    [
      { cases: [{ ...entry, charges: { ...entry.charges, wheeling_payer: 'both' } }] },
      'case c: charges.wheeling_payer must be one of',
    ],
    [{ cases: [{ ...entry, blocks: [{ ...block, allocation: 'lifo' }] }] }, 'case c: blocks[0].allocation must be one of'],
    [
      { cases: [{ ...entry, blocks: [{ ...block, trades: [block.trades[0], block.trades[0]] }] }] },
      'trades[1].trade_id "t1" stands twice',
    ],
    [{ cases: [trade({ buyer: 'X' })] }, 'case c: blocks[0].trades[0].buyer "X" is not among the block\'s meters'],
    [{ cases: [trade({ qty_wh: -5 })] }, 'case c: blocks[0].trades[0].qty_wh must be a whole number'],
    [{ cases: [trade({ qty_wh: 2 ** 40 })] }, 'case c: blocks[0].trades[0].qty_wh must be a whole number'],
    [{ cases: [trade({ price_paise_per_kwh: 1e12 })] }, 'case c: blocks[0].trades[0].price_paise_per_kwh must be a whole number'],
    [{ cases: [trade({ interstate: 1 })] }, 'case c: blocks[0].trades[0].interstate must be true or false, not 1'],
    [{ cases: [meter({ export_wh: '12,5' })] }, 'case c: blocks[0].meters.S.export_wh must be a whole number'],
    [
      { cases: [meter({ export_wh: undefined })] },
      'case c: blocks[0].meters.S.export_wh is absent: a register without reading is null',
    ],
  ])('%#: a wrong one is named: %s', async (request, complaint) => {
    const { code, out, err } = await run('--request', file(JSON.stringify(request)));
    expect([code, out]).toEqual([2, '']);
    expect(err).toContain(complaint);
  });

  test('a meter twice, NaN, and a file cut short are told with line and column', async () => {
    const text = JSON.stringify({ cases: [entry] });
    const told = async (content: string) => (await run('--request', file(content))).err;
    expect(await told(text.replace('"B":{', '"S":{'))).toMatch(/line 1, column \d+: "S" stands twice in one object/);
    expect(await told(text.replace('"export_wh":500', '"export_wh":NaN'))).toMatch(/line 1, column \d+: NaN is not JSON here/);
    expect(await told(text.slice(0, -3))).toMatch(/the text ends too early/);
    expect(await told('['.repeat(100_000))).toMatch(/nested more than 64 deep/);
  });

  test('--method is not for them', async () => {
    const { code, err } = await run('--request', file(JSON.stringify({ cases: [entry] })), '--method', 'fifo');
    expect(code).toBe(2);
    expect(err).toContain('--method is for your own trades');
  });
});
