import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DuckDBInstance } from '@duckdb/node-api';
import fc from 'fast-check';
import { afterAll, describe, expect, it } from 'vitest';
import { MISSING } from '../domain/tile.ts';
import { zoneDays } from '../host/zone.ts';
import { arrange } from './arrange.ts';
import { appendColumns, type Grids } from './columns.ts';
import { noFindings } from './findings.ts';
import { readProfiles } from './ies-reader.ts';
import { readParquet } from './parquet-store.ts';
import { readingsReader } from './reader.ts';
import { noRows, type Rows } from './rows.ts';
import { noSheet, rowsFrom } from './sheet.ts';
import { plainBytes } from './unpack-service.ts';

// Whatever comes, a reader refuses it by name or reads it; it never falls over, and never reads what the input did not say. LACHAK_FUZZ_CASES
// says how many inputs each reader is given (npm run fuzz: 100 000).
const CASES = Number(process.env.LACHAK_FUZZ_CASES ?? 1000);
const LONG = 30_000 + CASES * 40;
const WH_MOST = 2 ** 31 - 1;

/** What `work` gives, or null when it refused; anything else thrown fails the case. */
function unlessRefused<T>(work: () => T): T | null {
  try {
    return work();
  } catch (error) {
    if ((error as Error).name !== 'Refusal') throw error;
    expect((error as Error).message.length).toBeGreaterThan(10);
    return null;
  }
}

function checkRow(rows: Rows, i: number): void {
  for (const wh of [rows.importWh[i]!, rows.exportWh[i]!]) expect(wh === MISSING || (wh >= 0 && wh <= WH_MOST)).toBe(true);
  expect(rows.quality[i]).toBeGreaterThanOrEqual(1);
  expect(rows.quality[i]).toBeLessThanOrEqual(5);
}

describe('any CSV', () => {
  const field = fc.oneof(
    { weight: 6, arbitrary: fc.constantFrom('m-1', 'm-2', '5', '0', '241.0', '', '2026-05-01T00:00:00+05:30', 'VALID', '4') },
    {
      weight: 2,
      arbitrary: fc.constantFrom(
        '-1',
        '2147483648',
        '5.5',
        '1e3',
        '2026-02-30T00:00:00Z',
        '2026-05-01T24:00Z',
        'FINE',
        '"m"',
        'é',
      ),
    },
    { weight: 1, arbitrary: fc.string({ maxLength: 30 }) },
  );
  const good = fc
    .tuple(
      fc.constantFrom('m-1', 'm-2', 'm-ü'),
      fc.integer({ min: 0, max: 95 }),
      fc.integer({ min: 0, max: 99_999 }),
      fc.boolean(),
    )
    .map(([meter, slot, wh, isExport]) => {
      const at = new Date(Date.UTC(2026, 4, 1) + slot * 900_000).toISOString();
      return `${meter},${at},${isExport ? '' : wh},${isExport ? wh : ''}`;
    });
  const line = fc.oneof(
    { weight: 3, arbitrary: good },
    { weight: 2, arbitrary: fc.array(field, { maxLength: 7 }).map((all) => all.join(',')) },
  );
  const text = fc
    .tuple(
      fc.constantFrom(
        'meter_id,interval_start,import_wh,export_wh',
        'import_wh,meter_id,interval_start,export_wh',
        'meter_id,wh',
        '',
      ),
      fc.array(line, { maxLength: 12 }),
      fc.constantFrom('\n', '\r\n'),
    )
    .map(([header, lines, end]) => [header, ...lines].join(end));
  const spoiled = fc.tuple(text, fc.array(fc.tuple(fc.nat(2000), fc.nat(255)), { maxLength: 3 })).map(([plain, flips]) => {
    const bytes = Buffer.from(plain);
    for (const [at, byte] of flips) if (at < bytes.length) bytes[at] = byte;
    return bytes;
  });

  it('is read as it stands, in any pieces, or refused', { timeout: LONG }, () => {
    fc.assert(
      fc.property(spoiled, fc.integer({ min: 1, max: 50 }), (bytes, piece) => {
        const findings = noFindings();
        const found = unlessRefused(() => {
          const reader = readingsReader(findings);
          for (let at = 0; at < bytes.length; at += piece) reader.push(bytes.subarray(at, at + piece));
          return reader.end();
        });
        // At one go, most lines are read another way.
        const atOnce = unlessRefused(() => {
          const reader = readingsReader(noFindings(), noSheet());
          reader.push(bytes);
          return reader.end();
        });
        expect(atOnce === null).toBe(found === null);
        if (!found || !atOnce) return;
        const whole = atOnce.sheet ? rowsFrom(atOnce.sheet, atOnce.rows.meterIds) : atOnce.rows;
        const columns = ({ count, meterIds, meter, start, importWh, exportWh, quality, line }: Rows) =>
          [meterIds, ...[meter, start, importWh, exportWh, quality, line].map((of) => of.subarray(0, count))].join(';');
        expect(columns(whole)).toBe(columns(found.rows));
        const { rows, lines, empty } = found;
        const refused = [...findings.counts.values()].reduce((a, b) => a + b, 0);
        expect(rows.count + empty + refused).toBe(lines);
        const told = bytes
          .toString('utf8')
          .split('\n')
          .map((one) => one.replace(/\r$/, ''));
        const names = told[0]!
          .replace(/^\uFEFF/, '')
          .split(',')
          .map((name) =>
            name
              .trim()
              .replace(/^"(.*)"$/, '$1')
              .toLowerCase(),
          );
        for (let i = 0; i < rows.count; i++) {
          checkRow(rows, i);
          const fields = told[rows.line[i]! - 1]!.split(',');
          const said = (name: string): string => fields[names.indexOf(name)] ?? '';
          expect(rows.meterIds[rows.meter[i]!]).toBe(said('meter_id'));
          expect(rows.start[i]).toBe(
            Date.parse(
              said('interval_start')
                .replace(' ', 'T')
                .replace(/([+-]\d\d)(\d\d)?$/, (_, h, m) => `${h}:${m ?? '00'}`),
            ),
          );
          for (const [name, value] of [
            ['import_wh', rows.importWh[i]],
            ['export_wh', rows.exportWh[i]],
          ] as const)
            expect(value === MISSING ? '' : value).toBe(said(name) === '' ? '' : Number(said(name)));
        }
      }),
      { numRuns: CASES },
    );
  });
});

describe('any MeterData', () => {
  const base = (values: readonly (readonly [number, number])[], minutes: number): unknown => [
    {
      ...{ profileType: 'DESCRIPTOR', id: 'D' },
      payloadDescriptorSets: [
        {
          name: 'set',
          payloadDescriptors: [{ readingType: '1.0.1.29.0.255', multiplier: 1 }, { readingType: 'kWh exp block' }],
          compactSequences: [
            { name: 'seq', sequenceItems: [{ readingType: 'kWh imp block' }, { readingType: 'kWh exp block' }] },
          ],
        },
      ],
    },
    {
      ...{ profileType: 'INTERVAL', meterRefs: [{ scheme: 'METER_SERIAL', value: 'm-1' }], payloadDescriptorSetRef: 'set' },
      ...{ compactSequenceRef: 'seq', intervalPeriod: { start: '2026-05-04T09:00:00+05:30', duration: `PT${minutes}M` } },
      intervals: values.map((payloads, id) => ({ id, payloads })),
    },
  ];
  const payload = fc
    .tuple(
      fc.array(
        fc.tuple(
          fc.integer({ min: -5, max: 99_999 }).map((wh) => wh / 1000),
          fc.double({ noNaN: true }),
        ),
        { maxLength: 6 },
      ),
      fc.constantFrom(15, 30, 60),
    )
    .map(([values, minutes]) => base(values, minutes));
  const spoils = fc.array(fc.tuple(fc.nat(200), fc.jsonValue({ maxDepth: 2 }), fc.boolean()), { maxLength: 2 });

  it('is read as it stands or refused with its field named', { timeout: LONG }, () => {
    fc.assert(
      fc.property(payload, spoils, (whole, changes) => {
        const text = JSON.stringify(whole);
        const spoiled = JSON.parse(text) as unknown;
        for (const [nth, value, remove] of changes) spoil(spoiled, nth, value, remove);
        const findings = noFindings();
        const found = unlessRefused(() => readProfiles(spoiled, findings));
        if (!found) return;
        const list = (Array.isArray(spoiled) ? spoiled : [spoiled]) as { profileType: string; intervals?: unknown[] }[];
        const intervals = list.filter(({ profileType }) => profileType === 'INTERVAL').flatMap(({ intervals: all = [] }) => all);
        expect(found.lines).toBe(intervals.length);
        for (let i = 0; i < found.rows.count; i++) {
          checkRow(found.rows, i);
          const said = JSON.stringify(intervals[found.rows.line[i]! - 1]);
          for (const wh of [found.rows.importWh[i]!, found.rows.exportWh[i]!])
            if (wh !== MISSING) {
              const kwh = [...said.matchAll(/-?\d+(?:\.\d+)?(?:e[+-]?\d+)?/g)].map(([digits]) => Number(digits));
              // Its multiplier may have been changed to any other: then only the bounds can be told.
              if (!changes.length) expect(kwh.some((one) => Math.abs(one * 1000 - wh) < 1e-6)).toBe(true);
            }
        }
      }),
      { numRuns: CASES },
    );
  });

  /** Puts a value at the n-th place of a JSON value, or takes it away. */
  function spoil(root: unknown, nth: number, value: unknown, remove: boolean): void {
    const places: { of: Record<string, unknown>; key: string }[] = [];
    const walk = (of: unknown): void => {
      if (typeof of !== 'object' || of === null) return;
      for (const key of Object.keys(of)) {
        places.push({ of: of as Record<string, unknown>, key });
        walk((of as Record<string, unknown>)[key]);
      }
    };
    walk(root);
    const place = places[nth % Math.max(1, places.length)];
    if (!place) return;
    if (remove && !Array.isArray(place.of)) delete place.of[place.key];
    else place.of[place.key] = value;
  }
});

describe('any packed columns', () => {
  const block = fc.record({
    start: fc.oneof(
      fc.integer({ min: 0, max: 10 }).map((n) => Date.UTC(2026, 4, 1) + n * 450_000),
      fc.double({ noNaN: true }),
      fc.maxSafeInteger(),
    ),
    intervalMinutes: fc.constantFrom(15, 15, 15, 0, 1, 4_294_967_295),
    slots: fc.constantFrom(0, 1, 2, 3, 4_294_967_295),
    meterIds: fc.array(fc.constantFrom('m-1', 'm-2', ''), { maxLength: 3 }),
    importWh: fc
      .array(fc.oneof(fc.integer({ min: -2, max: 99_999 }), fc.constant(MISSING), fc.integer()), { maxLength: 9 })
      .map((all) => Int32Array.from(all)),
    exportWh: fc.option(fc.array(fc.integer({ min: 0, max: 9 }), { maxLength: 9 }).map((all) => Int32Array.from(all))),
    quality: fc.option(fc.uint8Array({ maxLength: 9 })),
    knownAt: fc.constantFrom(Date.UTC(2026, 4, 2), 0),
  });
  const meter = {
    ...{ meterId: 'm-1', shard: 1, ordinal: 0, zone: 'Asia/Kolkata', intervalMinutes: 15, hasImport: true, hasExport: false },
    ...{ parentMeterId: '', source: '', links: [{ from: 0, to: null, connectionId: 'c', factor: 3 }] },
  };

  it('are taken as they stand or refused, and every row finds its slot or a reason', { timeout: LONG }, () => {
    fc.assert(
      fc.property(fc.array(block, { minLength: 1, maxLength: 3 }), (blocks) => {
        const rows = noRows(2);
        const findings = noFindings();
        const grids: Grids = new Map();
        const given: [string, number, number, number][] = [];
        for (const one of blocks) {
          const taken = unlessRefused(() => appendColumns(rows, grids, one, findings));
          if (taken === null) continue;
          for (const [m, meterId] of one.meterIds.entries())
            for (let slot = 0; slot < one.slots; slot++) {
              const at = m * one.slots + slot;
              given.push([
                meterId,
                one.start + slot * one.intervalMinutes * 60_000,
                one.importWh[at]!,
                one.exportWh?.[at] ?? MISSING,
              ]);
            }
        }
        for (let i = 0; i < rows.count; i++) {
          checkRow(rows, i);
          const row = [rows.meterIds[rows.meter[i]!]!, rows.start[i]!, rows.importWh[i]!, rows.exportWh[i]!];
          const same = ([id, start, imported, exported]: (typeof given)[number]): boolean =>
            id === row[0] && start === row[1] && (rows.quality[i] === 5 || (imported === row[2] && exported === row[3]));
          expect(given.some(same)).toBe(true);
        }
        const before = rows.count;
        const meters = rows.meterIds.map((id) => (id === 'm-1' ? meter : null));
        const now = Date.UTC(2026, 4, 3);
        const { groups, refused } = arrange({ rows, meters, zoneDays, now, knownAt: now, findings });
        expect(groups.reduce((sum, group) => sum + group.rows.length, refused)).toBe(before);
        for (const { place, rows: placed } of groups)
          for (const row of placed) expect(rows.start[row]! - place.dayStart).toBeGreaterThanOrEqual(0);
      }),
      { numRuns: CASES },
    );
  });
});

describe('any bytes', () => {
  const folder = mkdtempSync(join(tmpdir(), 'lachak-fuzz-'));
  afterAll(() => rmSync(folder, { recursive: true, force: true }));

  it('called gzip or zstd give what was packed, or are refused', { timeout: LONG }, async () => {
    const heads = fc.constantFrom([0x1f, 0x8b], [0x28, 0xb5, 0x2f, 0xfd], [0x50, 0x2a, 0x4d, 0x18], []);
    await fc.assert(
      fc.asyncProperty(heads, fc.uint8Array({ maxLength: 60 }), fc.integer({ min: 1, max: 20 }), async (head, tail, piece) => {
        const bytes = Uint8Array.from([...head, ...tail]);
        const pieces = (async function* () {
          for (let at = 0; at < bytes.length; at += piece) yield bytes.subarray(at, at + piece);
        })();
        const out: Uint8Array[] = [];
        try {
          for await (const part of plainBytes(pieces)) out.push(part);
        } catch (error) {
          expect((error as Error).name).toBe('Refusal');
          return;
        }
        if (head.length === 0 && !(tail[0] === 0x1f && tail[1] === 0x8b)) expect(Buffer.concat(out).equals(bytes)).toBe(true);
      }),
      { numRuns: CASES },
    );
  });

  it('called Parquet are read row by row as they stand, or refused', { timeout: LONG }, async () => {
    const instance = await DuckDBInstance.create(':memory:');
    const duck = await instance.connect();
    const type = fc.constantFrom('TIMESTAMPTZ', 'TIMESTAMP', 'VARCHAR', 'BIGINT');
    const numbers = fc.constantFrom('INTEGER', 'BIGINT', 'DOUBLE', 'DECIMAL(18,3)', 'VARCHAR', 'UTINYINT', 'BOOLEAN');
    const values = fc.array(fc.constantFrom('null', '0', '5', '250', '-1', '2.5', '3000000000'), { minLength: 1, maxLength: 5 });
    const flips = fc.array(fc.tuple(fc.nat(4000), fc.nat(255)), { maxLength: 2 });
    await fc.assert(
      fc.asyncProperty(type, numbers, values, fc.boolean(), flips, async (at, number, told, withQuality, changes) => {
        const path = join(folder, 'one.parquet');
        const start = `try_cast('2026-05-01 00:00:00+05:30' as ${at})`;
        const rows = told.map(
          (value, i) =>
            `select 'm-${i % 2}' as meter_id, ${start} as interval_start, try_cast(${value} as ${number}) as import_wh${withQuality ? `, ${i} as quality` : ''}`,
        );
        await duck.run(`copy (${rows.join(' union all ')}) to '${path}' (format parquet)`);
        const question = `select try_cast(import_wh as double) from read_parquet('${path}')`;
        const stands = (await (await duck.runAndReadAll(question)).getRows()) as [number | null][];
        const bytes = readFileSync(path);
        for (const [where, byte] of changes) if (where < bytes.length) bytes[where] = byte;
        writeFileSync(path, bytes);
        const findings = noFindings();
        let found: Awaited<ReturnType<typeof readParquet>>;
        try {
          found = await readParquet(path, findings);
        } catch (error) {
          expect((error as Error).name, String(error)).toBe('Refusal');
          return;
        }
        const { rows: read, lines, empty } = found;
        const refused = [...findings.counts.values()].reduce((a, b) => a + b, 0);
        expect(read.count + empty + refused).toBe(lines);
        for (let i = 0; i < read.count; i++) {
          checkRow(read, i);
          if (changes.length === 0 && read.quality[i] !== 5)
            expect(read.importWh[i] === MISSING ? null : read.importWh[i]).toBe(stands[read.line[i]! - 1]![0]);
        }
      }),
      // DuckDB opens and writes a file for each.
      { numRuns: Math.ceil(CASES / 25) },
    );
    duck.closeSync();
    instance.closeSync();
  });
});
