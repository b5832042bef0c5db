import { createReadStream, existsSync, readFileSync } from 'node:fs';
import { cpus } from 'node:os';
import { resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { createGunzip, gunzipSync } from 'node:zlib';
import { create } from '@bufbuild/protobuf';
import { RegistryChangedSchema } from '../gen/lachak/v1/facts_pb.ts';
import { Metering } from '../gen/lachak/v1/metering_pb.ts';
import { Register } from '../gen/lachak/v1/types_pb.ts';
import { testHost } from '../services/host/testing.ts';
import { noFindings } from '../services/metering/findings.ts';
import { readingsReader } from '../services/metering/reader.ts';
import { room } from '../services/metering/service.ts';

/*
 * How long until the 852,000 readings of `lcl` are validated, stored and acknowledged: gzip CSV over gRPC into tiles and PostgreSQL, all in
 * one process? And how does our reader compare with splitting the same text into one object per reading?
 * Repeat: npm run build && node dist/bench/ingest.js (readings from LACHAK_FIXTURES, default ../shared).
 */

type Naive = { meterId: string; start: number; importWh: number | null; exportWh: number | null };

/** Prints two lines of numbers; throws when the rival read something else. */
export async function ingestBench(print: (line: string) => void): Promise<void> {
  const folder = resolve(
    fileURLToPath(new URL('../..', import.meta.url)),
    process.env.LACHAK_FIXTURES ?? '../shared',
    'data/lcl',
  );
  const file = `${folder}/readings.csv.gz`;
  if (!existsSync(file)) throw new Error(`${file} is not there; set LACHAK_FIXTURES`);
  const machine = `${cpus()[0]?.model.trim()}, Node ${process.version}`;

  const columns: number[] = [];
  const objects: number[] = [];
  for (let round = 0; round < 3; round++) {
    const ours = await timed(async () => {
      const reader = readingsReader(noFindings());
      for await (const chunk of createReadStream(file).pipe(createGunzip({ chunkSize: 1 << 18 })))
        reader.push(chunk as Uint8Array);
      return reader.end().rows.count;
    });
    const rival = await timed(async () => asObjects(gunzipSync(readFileSync(file)).toString('utf8')).length);
    if (ours.value !== rival.value) throw new Error(`${ours.value} rows as columns, ${rival.value} as objects`);
    columns.push(ours.ms);
    objects.push(rival.ms);
  }
  const [ours, rival] = [Math.min(...columns), Math.min(...objects)];
  print(
    `ingest, reading only: gunzip and parse into columns ${ours.toFixed(0)} ms, split into one object per reading ${rival.toFixed(0)} ms ` +
      `(best of 3): ${(rival / ours).toFixed(1)}× as fast (${machine})`,
  );

  const ids = readFileSync(`${folder}/meters.csv`, 'utf8')
    .trim()
    .split('\n')
    .slice(1)
    .map((line) => line.split(',')[0]!);
  const host = await testHost({ rooms: [room], clock: { start: Date.parse('2014-06-01T00:00:00Z') } });
  try {
    await register(host, ids);
    const metering = host.connect(Metering);
    const as = await host.token('operator');
    async function* parts() {
      for await (const chunk of createReadStream(file, { highWaterMark: 1 << 18 }))
        yield { fileName: 'readings.csv.gz', chunk: chunk as Uint8Array };
    }
    const { ms, value } = await timed(() => metering.importReadings(parts(), { as, deadlineMs: 120_000 }));
    const rows = Number(value.rows);
    print(
      `ingest: ${rows} readings of ${value.meters} meters over gRPC, validated, on disk and committed in ${ms.toFixed(0)} ms: ` +
        `${(rows / ms / 1000).toFixed(2)} M/s; stored ${value.stored}, suspect ${value.suspect}, rejected ${value.rejected} ` +
        `(goal ≤ 3000 ms; ${machine})`,
    );
  } finally {
    await host.stop();
  }
}

async function register(host: Awaited<ReturnType<typeof testHost>>, ids: readonly string[]): Promise<void> {
  const records = ids.map((meterId, ordinal) => ({
    record: {
      case: 'meter' as const,
      value: {
        meterId,
        ordinal,
        shard: 1,
        connectionId: meterId,
        registers: [Register.IMPORT],
        intervalMinutes: 30,
        zone: '+00:00',
      },
    },
  }));
  const value = create(RegistryChangedSchema, { records });
  await host.facts.publish('registry', { discom: 'BRPL', key: 'BRPL', body: { case: 'registryChanged', value } });
  await host.settled();
}

function asObjects(text: string): Naive[] {
  const lines = text.split('\n');
  lines.shift();
  return lines
    .filter((line) => line !== '')
    .map((line) => {
      const [meterId = '', start = '', importWh = '', exportWh = ''] = line.split(',');
      return {
        meterId,
        start: Date.parse(start),
        importWh: importWh === '' ? null : Number(importWh),
        exportWh: exportWh === '' ? null : Number(exportWh),
      };
    });
}

async function timed<T>(work: () => Promise<T>): Promise<{ ms: number; value: T }> {
  const start = performance.now();
  const value = await work();
  return { ms: performance.now() - start, value };
}

if (process.argv[1] === fileURLToPath(import.meta.url)) await ingestBench(console.log);
