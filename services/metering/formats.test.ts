import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { create } from '@bufbuild/protobuf';
import { DuckDBInstance } from '@duckdb/node-api';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import xxhash from 'xxhash-wasm';
import { RegistryChangedSchema } from '../../gen/lachak/v1/facts_pb.ts';
import { Metering } from '../../gen/lachak/v1/metering_pb.ts';
import { Register } from '../../gen/lachak/v1/types_pb.ts';
import { MISSING } from '../domain/tile.ts';
import type { Client } from '../host/room.ts';
import { type TestHost, testHost } from '../host/testing.ts';
import { importFiles } from './readings-import-cli.ts';
import { room } from './service.ts';

/** The same readings in every form a file may have: what is stored and what is refused must not depend on it. */
let host: TestHost;
let metering: Client<typeof Metering>;
let as: { token: string; requestId: string };
let folder: string;

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'lachak-formats-'));
  host = await testHost({ rooms: [room], clock: { start: Date.parse('2026-06-01T00:00:00+05:30') } });
  metering = host.connect(Metering);
  as = await host.token('operator');
  const records = Array.from({ length: 40 }, (_, n) => ({
    record: {
      case: 'meter' as const,
      value: {
        ...{ meterId: `m-${n}`, ordinal: n, shard: 1, connectionId: `c-${n}`, intervalMinutes: 30, zone: 'Asia/Kolkata' },
        registers: [Register.IMPORT, Register.EXPORT],
      },
    },
  }));
  const value = create(RegistryChangedSchema, { records });
  await host.facts.publish('registry', { discom: 'BRPL', key: 'BRPL', body: { case: 'registryChanged', value } });
  await host.settled();
});
afterAll(async () => {
  await host?.stop();
  rmSync(folder, { recursive: true, force: true });
});

const send = (bytes: Uint8Array, piece = bytes.length) =>
  metering.importReadings(
    (async function* () {
      for (let at = 0; at < bytes.length; at += piece) yield { fileName: 'file', chunk: bytes.subarray(at, at + piece) };
    })(),
    { as },
  );
const sql = async (text: string): Promise<void> => {
  const instance = await DuckDBInstance.create(':memory:');
  const duck = await instance.connect();
  await duck.run(text);
  duck.closeSync();
  instance.closeSync();
};
const parquet = async (select: string): Promise<Uint8Array> => {
  const path = join(folder, 'made.parquet');
  await sql(`copy (${select}) to '${path}' (format parquet, compression zstd)`);
  return readFileSync(path);
};
const valuesOf = async (meterId: string, day: string) => {
  const start = Date.parse(`${day}T00:00:00+05:30`);
  const span = { startMs: BigInt(start), endMs: BigInt(start + 86_400_000) };
  const { importWh, exportWh, quality } = await metering.getSeries({ meterId, span }, { as });
  const list = (bytes: Uint8Array) =>
    [...new Int32Array(Uint8Array.from(bytes).buffer)].map((wh) => (wh === MISSING ? null : wh));
  return { importWh: list(importWh), exportWh: list(exportWh), quality: [...quality] };
};

describe('a file of readings', () => {
  const rows = Array.from({ length: 40 * 48 }, (_, i) => {
    const [meter, slot] = [i % 40, Math.floor(i / 40)];
    const at = `${String(Math.floor(slot / 2)).padStart(2, '0')}:${slot % 2 ? '30' : '00'}:00+05:30`;
    return {
      meter: `m-${meter}`,
      at,
      wh: slot % 7 === 3 ? '' : String((i * 7919) % 900),
      quality: i % 11 === 0 ? 'ESTIMATED' : '',
    };
  });
  const csv = (day: string) =>
    `meter_id,interval_start,import_wh,quality\n${rows.map((row) => `${row.meter},${day}T${row.at},${row.wh},${row.quality}`).join('\n')}\n`;

  it('says the same as CSV, gzip, zstd and Parquet, in any pieces', async () => {
    const plain = Buffer.from(csv('2026-05-01'));
    const first = await send(plain);
    expect(first).toMatchObject({ rows: 1920n, rejected: 0n, meters: 40n });
    const stored = await valuesOf('m-7', '2026-05-01');
    expect(await send(gzipSync(plain), 999)).toMatchObject({ repeatedCommand: true });

    writeFileSync(join(folder, 'plain.csv'), plain);
    const compressed = join(folder, 'made.zst');
    await sql(
      `copy (select l from read_csv('${join(folder, 'plain.csv')}', columns = {'l': 'VARCHAR'}, header = false, delim = '\x01', quote = '')) to '${compressed}' (format csv, header false, quote '', delimiter '\x01', compression zstd)`,
    );
    for (const piece of [11, 4096, 1 << 20])
      expect(await send(readFileSync(compressed), piece)).toMatchObject({ repeatedCommand: true, stored: first.stored });

    for (const start of ['interval_start::varchar', 'interval_start::timestamptz']) {
      const select = `select meter_id, ${start} as interval_start, import_wh, quality from read_csv('${join(folder, 'plain.csv')}', types = {'interval_start': 'VARCHAR'})`;
      expect(await send(await parquet(select))).toMatchObject({
        ...{ rows: 1920n, stored: 0n, unchanged: first.stored, rejected: 0n, meters: 40n, repeatedCommand: false },
      });
    }
    expect(await valuesOf('m-7', '2026-05-01')).toEqual(stored);
    expect(stored.importWh[3]).toBeNull();
    expect(readdirSync(join(host.folder, 'metering', 'incoming'))).toEqual([]);
  });

  it('in Parquet has its wrong rows named by number and reason, as in CSV', async () => {
    const good = "('m-1', timestamptz '2026-05-02 00:00:00+05:30', 5.0, 1, '')";
    const bad = [
      ["('m-1', timestamptz '2026-05-02 00:30:00+05:30', 5.5, 1, '')", 'not_a_number'],
      ["('m-1', timestamptz '2026-05-02 01:00:00+05:30', -5, 1, '')", 'negative'],
      ["('m-1', timestamptz '2026-05-02 01:30:00+05:30', 3e9, 1, '')", 'out_of_range'],
      ["('m-1', null, 5, 1, '')", 'not_an_instant'],
      ["(null, timestamptz '2026-05-02 02:00:00+05:30', 5, 1, '')", 'unknown_meter'],
      ["('m-1', timestamptz '2026-05-02 02:30:00+05:30', 5, 1, 'FINE')", 'quality_unknown'],
      ["('m-1', timestamptz '2026-05-02 03:00:00+05:30', 'nan'::double, 1, '')", 'not_a_number'],
      ["('m-1', timestamptz '2026-05-02 03:10:00+05:30', 5, 1, '')", 'off_grid'],
      ["('nobody', timestamptz '2026-05-02 04:00:00+05:30', 5, 1, '')", 'unknown_meter'],
    ];
    const tuples = [good, ...bad.map(([tuple]) => tuple)].join(', ');
    const report = await send(
      await parquet(
        `select a::varchar as meter_id, b as interval_start, c::double as import_wh, d::smallint as export_wh, e as quality from (values ${tuples}) t(a, b, c, d, e)`,
      ),
    );
    expect(report).toMatchObject({ rows: 10n, stored: 1n, rejected: 9n });
    const found = new Map(report.findings.map(({ line, code }) => [Number(line), code]));
    expect(bad.map((_, i) => found.get(i + 2))).toEqual(bad.map(([, code]) => code));
  });

  it('is refused whole, by what spoils it, and nothing of it is kept', async () => {
    const made = readFileSync(join(folder, 'made.zst'));
    const torn = await parquet(
      "select 'm-1' as meter_id, timestamptz '2026-05-03 00:00:00+05:30' as interval_start, 5 as import_wh",
    );
    const parquetOf = (columns: string) => parquet(`select ${columns}`);
    const cases: [string, Uint8Array][] = [
      ['zstd_damaged', made.subarray(0, made.length - 3)],
      ['zstd_damaged', Buffer.concat([made, Buffer.from('more')])],
      ['zstd_damaged', await rawZstd(csv('2026-05-03'), 1)],
      ['parquet_damaged', torn.subarray(0, torn.length - 5)],
      ['wrong_header', await parquetOf("'m-1' as meter_id, timestamptz '2026-05-03 00:00:00+05:30' as interval_start, 5 as wh")],
      [
        'wrong_header',
        await parquetOf("'m-1' as meter_id, timestamptz '2026-05-03 00:00:00+05:30' as interval_start, '5' as import_wh"),
      ],
      ['offset_missing', await parquetOf("'m-1' as meter_id, timestamp '2026-05-03 00:00:00' as interval_start, 5 as import_wh")],
      ['offset_missing', await parquetOf("'m-1' as meter_id, '2026-05-03T00:00:00' as interval_start, 5 as import_wh")],
      ['json_malformed', Buffer.from('{"profileType": ')],
      ['meter_data_malformed', Buffer.from('{"profileType": "INTERVALS"}')],
    ];
    for (const [code, bytes] of cases) await expect(send(bytes), code).rejects.toMatchObject({ code });
    expect((await metering.listTiles({ days: ['2026-05-03'] }, { discom: 'BRPL' })).tiles).toEqual([]);
    // A frame that carries its checksum, and is whole.
    expect(await send(await rawZstd(csv('2026-05-03'), 0))).toMatchObject({ rows: 1920n });
  });
});

describe('lachak readings import', () => {
  it('names what was refused by file and line, goes on with the next file, and stores a file once', async () => {
    const line = (meter: string, wh: string) => `${meter},2026-05-04T00:00:00+05:30,${wh}\n`;
    const file = (name: string, text: string): string => {
      writeFileSync(join(folder, name), text);
      return join(folder, name);
    };
    const head = 'meter_id,interval_start,import_wh\n';
    const files = [
      file('good.csv', head + line('m-1', '5') + line('m-2', '6')),
      file('mixed.csv', head + line('m-3', '7') + line('m-3', '7.5') + line('nobody', '1')),
      file('broken.csv', 'meter,wh\n'),
      join(folder, 'absent.csv'),
      file('last.csv', head + line('m-4', '8')),
    ];
    const told = async (of: readonly string[]) => {
      const write = vi.spyOn(process.stdout, 'write').mockReturnValue(true);
      const exit = await importFiles(metering, of, 0n, { as });
      const text = write.mock.calls.map(([part]) => String(part)).join('');
      write.mockRestore();
      return { exit, text: text.replaceAll(`${folder}/`, '') };
    };
    const first = await told(files);
    expect(first.exit).toBe(1);
    expect(first.text).toContain(
      'good.csv: 2 rows of 2 meters, 2026-05-04: 2 stored, 0 known already, 0 of doubtful quality, 0 refused\n',
    );
    expect(first.text).toContain('mixed.csv:3 import_wh not_a_number: import_wh must be whole Wh, not 7.5\n');
    expect(first.text).toContain('mixed.csv:4 meter_id unknown_meter: there is no meter nobody that you may deliver for\n');
    expect(first.text).toContain('broken.csv: the first line must be');
    expect(first.text).toContain('absent.csv: ENOENT');
    expect(first.text).toContain('5 files: 4 readings stored, 2 lines and 2 files refused\n');
    const again = await told([files[0]!, files[4]!]);
    expect(again).toMatchObject({ exit: 0, text: expect.stringContaining('good.csv: 2 rows of 2 meters') });
    expect(again.text.match(/delivered before: nothing changed/g)).toHaveLength(2);
    expect(again.text).toContain('2 files: 0 readings stored');
  });

  it('that is killed while it sends leaves nothing, and the same command stores it', async () => {
    const bytes = Buffer.from(`meter_id,interval_start,import_wh\n${'m-5,2026-05-05T00:00:00+05:30,5\n'.repeat(20_000)}`);
    const gone = new AbortController();
    const cut = (async function* () {
      yield { fileName: 'cut.csv', chunk: bytes.subarray(0, 300_000) };
      gone.abort();
      yield { fileName: 'cut.csv', chunk: bytes.subarray(300_000) };
    })();
    await expect(metering.importReadings(cut, { as, signal: gone.signal })).rejects.toThrow();
    expect((await metering.listTiles({ days: ['2026-05-05'] }, { discom: 'BRPL' })).tiles).toEqual([]);
    expect(await send(bytes)).toMatchObject({ stored: 1n, unchanged: 19_999n, repeatedCommand: false });
  });
});

/** One frame of raw blocks with a checksum (RFC 8878), a skippable frame before it; `wrong` is added to the checksum. */
async function rawZstd(text: string, wrong: number): Promise<Uint8Array> {
  const content = Buffer.from(text);
  const { h64Raw } = await xxhash();
  const parts = [Buffer.from([0x50, 0x2a, 0x4d, 0x18, 2, 0, 0, 0, 1, 2]), Buffer.from([0x28, 0xb5, 0x2f, 0xfd, 0x04, 0x38])];
  for (let at = 0; at < content.length; at += 60_000) {
    const block = content.subarray(at, at + 60_000);
    const header = (block.length << 3) | (at + block.length === content.length ? 1 : 0);
    parts.push(Buffer.from([header & 0xff, (header >> 8) & 0xff, header >> 16]), block);
  }
  const checksum = Buffer.alloc(4);
  checksum.writeUInt32LE((Number(h64Raw(content) & 0xffff_ffffn) + wrong) >>> 0);
  return Buffer.concat([...parts, checksum]);
}
