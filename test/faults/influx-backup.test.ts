import { execFile } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { create } from '@bufbuild/protobuf';
import { afterAll, expect, test } from 'vitest';
import { RegistryChangedSchema } from '../../gen/lachak/v1/facts_pb.ts';
import { Metering } from '../../gen/lachak/v1/metering_pb.ts';
import { Register } from '../../gen/lachak/v1/types_pb.ts';
import { room as gateway } from '../../services/gateway/service.ts';
import { type TestHost, testHost } from '../../services/host/testing.ts';
import { room as metering } from '../../services/metering/service.ts';
import { type InfluxServer, startInflux } from '../servers/influx.ts';

// With InfluxDB as the record a house is backed up in two steps, as services/host/ROOM.md says: the house, and after it the record. All of
// it is lost, and put back on another InfluxDB, without a single tile: what was acknowledged before the first step is there; what was
// delivered between the two lies unused in the record, and is taken when it is delivered again.
const MAIN = fileURLToPath(new URL('../../dist/services/main.js', import.meta.url));
const METERS = 50;
const START = Date.parse('2026-05-08T18:30:00Z');

const root = mkdtempSync(join(tmpdir(), 'lachak-influx-backup-'));
const closing: (() => unknown)[] = [];
afterAll(async () => {
  for (const close of closing.reverse()) await close();
  rmSync(root, { recursive: true, force: true });
});

const lachak = (...argv: string[]): Promise<{ code: number; out: string }> =>
  new Promise((done) => {
    execFile(process.execPath, [MAIN, ...argv], (error, stdout, stderr) =>
      done({ code: error ? Number(error.code) : 0, out: stdout + stderr }),
    );
  });
const openInflux = async (): Promise<InfluxServer> => {
  const influx = await startInflux();
  closing.push(() => influx.stop());
  return influx;
};
const openHouse = async (folder: string, influx: InfluxServer): Promise<TestHost> => {
  const config = { influxUrl: influx.url('readings') };
  const host = await testHost({ rooms: [metering, gateway], folder, clock: { start: START + 2 * 86_400_000 }, config });
  closing.push(() => host.stop());
  return host;
};

/** What a head-end says of the half hours from `first` until before `end`; `more` Wh than the time before. */
const csvOf = (first: number, end: number, more = 0): string[] =>
  Array.from({ length: (end - first) * METERS }, (_, i) => {
    const [slot, m] = [first + Math.floor(i / METERS), i % METERS];
    return `m-${m},${new Date(START + slot * 1_800_000).toISOString()},${100 + ((m * 7 + slot * 13) % 400) + more}`;
  });
async function deliver(host: TestHost, lines: readonly string[], commandId: string) {
  const parts = (async function* () {
    yield { fileName: 'a.csv', commandId, chunk: Buffer.from(`meter_id,interval_start,import_wh\n${lines.join('\n')}\n`) };
  })();
  return host.connect(Metering).importReadings(parts, { as: await host.token('operator'), deadlineMs: 20_000 });
}
async function exported(host: TestHost): Promise<string[]> {
  const parts: Uint8Array[] = [];
  for await (const { chunk } of host.connect(Metering).exportReadings({}, { as: await host.token('operator') }))
    parts.push(chunk);
  const lines = Buffer.concat(parts).toString('utf8').trim().split('\n').slice(1);
  return lines.map((line) => line.split(',').slice(0, 3).join()).sort();
}

test('house and record are put back from their backups: nothing acknowledged before them is lost, nothing is there twice', async () => {
  const [first, second] = [await openInflux(), await openInflux()];
  await first.query('CREATE DATABASE readings WITH DURATION INF SHARD DURATION 1d');
  const [home, elsewhere] = [join(root, 'home'), join(root, 'elsewhere')];
  const [houseBackup, recordBackup] = [join(root, 'house'), join(root, 'record')];

  const before = await openHouse(home, first);
  const records = Array.from({ length: METERS }, (_, ordinal) => ({
    record: {
      case: 'meter' as const,
      value: { meterId: `m-${ordinal}`, connectionId: `c-${ordinal}`, registers: [Register.IMPORT], shard: 1, ordinal },
    },
  }));
  const value = create(RegistryChangedSchema, { records });
  await before.facts.publish('registry', { discom: 'BRPL', key: 'BRPL', body: { case: 'registryChanged', value } });
  await before.settled();
  await deliver(before, csvOf(0, 40), 'day');
  await deliver(before, csvOf(10, 12, 1), 'correction');
  const kept = await exported(before);
  expect(kept, 'everything that was said, what was corrected too').toEqual([...csvOf(0, 40), ...csvOf(10, 12, 1)].sort());

  const said = await lachak('backup', houseBackup, '--folder', home, '--influx-url', first.url('readings'));
  expect(said, said.out).toMatchObject({
    code: 0,
    out: expect.stringMatching(/next .*influxd backup -portable -host 127\.0\.0\.1:8088 -db readings /),
  });
  await deliver(before, csvOf(40, 48), 'between');
  await first.backup('readings', recordBackup);
  await before.stop();
  await first.stop();
  rmSync(home, { recursive: true });

  await second.restore('readings', recordBackup);
  expect((await lachak('restore', houseBackup, '--folder', elsewhere)).code).toBe(0);
  rmSync(join(elsewhere, 'metering', 'tiles'), { recursive: true });
  const after = await openHouse(elsewhere, second);
  expect(await exported(after)).toEqual(kept);
  expect(await deliver(after, csvOf(40, 48), 'between')).toMatchObject({ stored: BigInt(8 * METERS), repeatedCommand: false });
  expect(await deliver(after, csvOf(0, 40), 'day')).toMatchObject({ repeatedCommand: true });
  expect(await exported(after)).toEqual([...kept, ...csvOf(40, 48)].sort());
});
