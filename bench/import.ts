import { once } from 'node:events';
import { createReadStream, createWriteStream, mkdtempSync, rmSync, statSync } from 'node:fs';
import { cpus, loadavg, tmpdir } from 'node:os';
import { join } from 'node:path';
import { finished } from 'node:stream/promises';
import { fileURLToPath } from 'node:url';
import { create } from '@bufbuild/protobuf';
import { DuckDBInstance } from '@duckdb/node-api';
import { RegistryChangedSchema } from '../gen/lachak/v1/facts_pb.ts';
import { Metering } from '../gen/lachak/v1/metering_pb.ts';
import { Register } from '../gen/lachak/v1/types_pb.ts';
import { type TestHost, testHost } from '../services/host/testing.ts';
import { room } from '../services/metering/service.ts';

/*
 * How long until the readings of a CSV file are validated, stored as tiles, on disk and committed, against DuckDB reading the same file into
 * a table of its own (which validates nothing and keeps nothing apart)? And the same readings as packed columns over gRPC? Client,
 * server and PostgreSQL share this machine. Each delivery is of days that were not there before.
 * Repeat: npm run build && node dist/bench/import.js
 */

const METERS = 4000;
const SLOTS = 96;
const DAYS = 8;
const DAY = 86_400_000;
const FIRST = Date.parse('2026-03-31T18:30:00Z');
const READINGS = METERS * SLOTS * DAYS;
/** The first ones also warm up threads and compiler. */
const ROUNDS = { csv: 4, packed: 12 };

/** Prints what was measured and answers the ratios; throws when a reading was not stored. */
export async function importBench(print: (line: string) => void): Promise<Record<string, number>> {
  const folder = mkdtempSync(join(tmpdir(), 'lachak-bench-import-'));
  const host = await testHost({ rooms: [room], clock: { start: Date.parse('2027-06-01T00:00:00Z') } });
  try {
    await register(host);
    const metering = host.connect(Metering);
    const as = await host.token('operator');
    const csv: number[] = [];
    const rival: number[] = [];
    const packed: number[] = [];
    let bytes = 0;
    for (let round = 0; round < ROUNDS.csv; round++) {
      const file = join(folder, `readings-${round}.csv`);
      await writeCsv(file, round * DAYS);
      bytes = statSync(file).size;
      rival.push(await duckdb(file));
      const started = performance.now();
      const { stored, rejected } = await metering.importReadings(pieces(file), { as, deadlineMs: 600_000 });
      csv.push(performance.now() - started);
      if (Number(stored) !== READINGS) throw new Error(`${stored} of ${READINGS} readings stored, ${rejected} refused`);
      rmSync(file);
    }
    for (let round = 0; round < ROUNDS.packed; round++) {
      const blocks = blocksOf((ROUNDS.csv + round) * DAYS);
      const started = performance.now();
      const answer = await metering.putReadings(
        (async function* () {
          yield* blocks;
        })(),
        { as, deadlineMs: 600_000 },
      );
      packed.push(performance.now() - started);
      if (Number(answer.stored) !== READINGS) throw new Error(`${answer.stored} of ${READINGS} packed readings stored`);
    }
    const best = (times: readonly number[]): number => Math.min(...times);
    const median = (times: readonly number[]): number => times.toSorted((a, b) => a - b)[times.length >> 1]!;
    const rate = (ms: number): string => `${(READINGS / ms / 1000).toFixed(2)} M/s`;
    const machine = `${cpus().length} × ${cpus()[0]?.model.trim()}, Node ${process.version}, load ${loadavg()[0]!.toFixed(1)}`;
    print(
      `import: ${READINGS} readings of ${METERS} meters, ${DAYS} days, ${(bytes / 1e6).toFixed(0)} MB of CSV → committed tiles ` +
        `${best(csv).toFixed(0)} ms, ${rate(best(csv))} (goal ≥ 3; best of ${ROUNDS.csv}; ${machine})`,
    );
    print(
      `import: DuckDB reads the same file into a table in ${best(rival).toFixed(0)} ms, ${rate(best(rival))}; ` +
        `ratio ${(best(rival) / best(csv)).toFixed(2)} × (goal ≥ 0.5)`,
    );
    print(
      `import: as packed columns over gRPC ${best(packed).toFixed(0)} ms, ${rate(best(packed))} (goal ≥ 20; best of ${ROUNDS.packed}, median ${rate(median(packed))})`,
    );
    return {
      vs_duckdb: best(rival) / best(csv),
      csv_readings_per_second: (READINGS / best(csv)) * 1000,
      packed_readings_per_second: (READINGS / best(packed)) * 1000,
    };
  } finally {
    await host.stop();
    rmSync(folder, { recursive: true });
  }
}

async function duckdb(file: string): Promise<number> {
  const instance = await DuckDBInstance.create(`${file}.duckdb`, { threads: String(cpus().length) });
  const connection = await instance.connect();
  const started = performance.now();
  await connection.run(
    `create table readings as select * from read_csv('${file}', header = true, columns = {'meter_id': 'VARCHAR', 'interval_start': 'TIMESTAMPTZ', 'import_wh': 'INTEGER', 'export_wh': 'INTEGER'})`,
  );
  await connection.run('checkpoint');
  const ms = performance.now() - started;
  connection.closeSync();
  instance.closeSync();
  rmSync(`${file}.duckdb`);
  return ms;
}

/** As a head-end writes them: interval by interval, every meter. */
async function writeCsv(file: string, firstDay: number): Promise<void> {
  const out = createWriteStream(file);
  out.write('meter_id,interval_start,import_wh,export_wh\n');
  for (let slot = 0; slot < DAYS * SLOTS; slot++) {
    const at = new Date(FIRST + firstDay * DAY + slot * 900_000 + 19_800_000).toISOString().slice(0, 19);
    const lines: string[] = [];
    for (let m = 0; m < METERS; m++) lines.push(`m-${m},${at}+05:30,${whOf(m, slot)},\n`);
    if (!out.write(lines.join(''))) await once(out, 'drain');
  }
  out.end();
  await finished(out);
}

/** One message a day for 500 meters. */
function blocksOf(firstDay: number) {
  const blocks = [];
  for (let day = 0; day < DAYS; day++)
    for (let first = 0; first < METERS; first += 500) {
      const importWh = new Int32Array(500 * SLOTS);
      for (let m = 0; m < 500; m++)
        for (let slot = 0; slot < SLOTS; slot++) importWh[m * SLOTS + slot] = whOf(first + m, day * SLOTS + slot);
      blocks.push({
        ...{
          commandId: `packed-${firstDay}`,
          startMs: BigInt(FIRST + (firstDay + day) * DAY),
          intervalMinutes: 15,
          slots: SLOTS,
        },
        meterIds: Array.from({ length: 500 }, (_, m) => `m-${first + m}`),
        importWh: new Uint8Array(importWh.buffer),
      });
    }
  return blocks;
}

/** A morning and an evening peak, and noise: like homes, not like zeros. */
const whOf = (meter: number, slot: number): number =>
  60 +
  Math.round(90 * Math.sin(((slot % SLOTS) / SLOTS) * 2 * Math.PI) ** 2) +
  ((Math.imul(meter * 31 + slot, 2_654_435) >>> 16) % 200);

async function* pieces(file: string) {
  for await (const chunk of createReadStream(file, { highWaterMark: 1 << 18 }))
    yield { fileName: 'readings.csv', chunk: chunk as Uint8Array };
}

async function register(host: TestHost): Promise<void> {
  const records = Array.from({ length: METERS }, (_, ordinal) => ({
    record: {
      case: 'meter' as const,
      value: {
        ...{ meterId: `m-${ordinal}`, ordinal, shard: 1, connectionId: `c-${ordinal}`, intervalMinutes: 15 },
        ...{ registers: [Register.IMPORT], zone: 'Asia/Kolkata' },
      },
    },
  }));
  const value = create(RegistryChangedSchema, { records });
  await host.facts.publish('registry', { discom: 'BRPL', key: 'BRPL', body: { case: 'registryChanged', value } });
  await host.settled();
}

if (process.argv[1] === fileURLToPath(import.meta.url)) console.log(await importBench(console.log));
