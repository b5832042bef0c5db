import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync, truncateSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { create } from '@bufbuild/protobuf';
import { pino } from 'pino';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { RegistryChangedSchema } from '../../gen/lachak/v1/facts_pb.ts';
import { Metering } from '../../gen/lachak/v1/metering_pb.ts';
import { Register } from '../../gen/lachak/v1/types_pb.ts';
import { type InfluxServer, startInflux } from '../../test/servers/influx.ts';
import { MISSING } from '../domain/tile.ts';
import { type TestHost, testHost } from '../host/testing.ts';
import { openInflux } from './influx-store.ts';
import { room } from './service.ts';

// One suite for both records: whatever is said to them, they answer the same, and the same as a map that forgets nothing.

const HALF_HOUR = 1_800_000;
const NOW = Date.parse('2026-05-10T06:00:00Z');
/** Three shards in Delhi, one in London (with a day of 46 half hours), one of quarter hours. */
const SHARDS = [
  { shard: 0, meters: 4096, zone: 'Asia/Kolkata', minutes: 30 },
  { shard: 1, meters: 4096, zone: 'Asia/Kolkata', minutes: 30 },
  { shard: 2, meters: 1808, zone: 'Asia/Kolkata', minutes: 30 },
  { shard: 3, meters: 12, zone: 'Europe/London', minutes: 30 },
  { shard: 3, meters: 8, zone: 'Asia/Kolkata', minutes: 15 },
] as const;
const DAYS = ['2026-03-28', '2026-03-29', '2026-03-30', '2026-05-07', '2026-05-08', '2026-05-09'];

type Said = { wh: number | null; quality: number; knownAt: number };
/** Meter → interval start → everything said of it, in the order it was said. */
type Memory = Map<string, Map<number, Said[]>>;
type Answers = { series: string; days: unknown; tiles: readonly unknown[]; csv: string; files: string[] };

let influx: InfluxServer;
const answers = new Map<string, Answers>();

beforeAll(async () => {
  influx = await startInflux();
  await influx.query('CREATE DATABASE readings WITH DURATION INF SHARD DURATION 1d');
}, 120_000);
afterAll(async () => {
  await influx?.stop();
});

describe.each(['tiles', 'InfluxDB'])('readings with %s as their record', { timeout: 120_000 }, (record) => {
  const memory: Memory = new Map();
  let host: TestHost;
  const folder = mkdtempSync(join(tmpdir(), 'lachak-record-'));
  const open = async (): Promise<TestHost> => {
    return testHost({
      rooms: [room],
      clock: { start: NOW },
      config: { influxUrl: record === 'tiles' ? '' : influx.url('readings') },
      folder,
    });
  };
  beforeAll(async () => {
    host = await open();
    await register(host);
  });
  afterAll(async () => {
    await host?.stop();
    rmSync(folder, { recursive: true, force: true });
  });

  test('10 000 meters of a day are kept, gaps as gaps', async () => {
    for (const { shard, meters } of SHARDS.slice(0, 3)) await deliverDay(host, memory, shard, meters);
    expect(asKnown(memory, 'm-0-97', Date.parse('2026-05-08T18:30:00Z'), NOW)).toBeNull();
    for (const meterId of ['m-0-0', 'm-0-97', 'm-1-4095', 'm-2-1807']) await sameAsMemory(host, memory, meterId, NOW);
  });

  test('corrections, early and late, withdrawals and qualities: every as-of read is what a map says', async () => {
    const random = seeded(7);
    const meters = ['m-0-1', 'm-0-2', 'm-1-17', 'm-2-5', 'l-0', 'l-11', 'q-0', 'q-7'];
    let hour = 1;
    for (let delivery = 0; delivery < 12; delivery++) {
      // Every third is known earlier than one that came before it.
      const knownAt = Date.parse('2026-05-09T19:00:00Z') + (delivery % 3 === 2 ? hour - 7.5 : hour) * 600_000;
      hour += 2;
      const lines: string[] = [];
      const cells = new Set<string>();
      for (let i = 0; i < 30; i++) {
        const meterId = meters[Math.floor(random() * meters.length)]!;
        const step = meterId.startsWith('q') ? HALF_HOUR / 2 : HALF_HOUR;
        const first = Date.parse(meterId.startsWith('l') ? '2026-03-28T23:00:00Z' : '2026-05-07T17:00:00Z');
        const start = first + Math.floor(random() * 60) * step;
        if (cells.has(`${meterId} ${start}`)) continue;
        cells.add(`${meterId} ${start}`);
        const withdrawn = random() < 0.15;
        const [quality, name] = withdrawn
          ? ([5, 'REJECTED'] as const)
          : (
              [
                [1, 'VALID'],
                [2, 'ESTIMATED'],
                [3, 'MANUAL'],
                [4, 'SUSPECT'],
              ] as const
            )[Math.floor(random() * 4)]!;
        const wh = withdrawn ? null : 100 + Math.floor(random() * 900);
        lines.push(`${meterId},${new Date(start).toISOString()},${wh ?? ''},${name},${new Date(knownAt).toISOString()}`);
        say(memory, meterId, start, { wh, quality, knownAt });
      }
      await deliver(host, `meter_id,interval_start,import_wh,quality,known_at\n${lines.join('\n')}\n`);
    }
    for (const meterId of meters)
      for (let ten = 0; ten < 60; ten += 11)
        await sameAsMemory(host, memory, meterId, Date.parse('2026-05-09T19:00:00Z') + ten * 600_000);
  });

  test('a meter that moved keeps its readings; one that was replaced keeps its own', async () => {
    const line = (meterId: string, start: string, wh: number) => {
      say(memory, meterId, Date.parse(start), { wh, quality: 1, knownAt: NOW });
      return `${meterId},${start},${wh}`;
    };
    const lines = [
      ...[line('moved', '2026-05-08T06:00:00Z', 410), line('moved', '2026-05-08T13:00:00Z', 420)],
      ...[line('old', '2026-05-08T11:30:00Z', 510), line('new', '2026-05-08T12:00:00Z', 520)],
    ];
    await deliver(host, `meter_id,interval_start,import_wh\n${lines.join('\n')}\n`);
    for (const meterId of ['moved', 'old', 'new']) await sameAsMemory(host, memory, meterId, NOW);
  });

  test('what settlement stands on is told', async () => {
    answers.set(record, await told(host));
  });

  test.skipIf(record === 'tiles')('series for charts are drawn beside the record, and drawn anew', async () => {
    const series = openInflux({ url: influx.url('readings'), passwordFile: '' }, pino({ level: 'silent' }));
    await series.start();
    const asked = { days: ['2026-05-08'], meterIds: ['moved'], areasOnly: true };
    for (let time = 0; time < 2; time++)
      for await (const { points } of host.connect(Metering).projectReadings(asked, { as: await host.token('operator') }))
        expect(points).toBe(48n + 2n);
    const read = ['SELECT import_wh, meters, missing FROM load_area', 'SELECT import_wh FROM load_meter'];
    const rows = (await series.query(read)).map(([name, , time, ...values]) => [name, Number(time!.slice(0, -6)), ...values]);
    series.stop();
    expect(rows).toHaveLength(50);
    expect(rows).toContainEqual(['load_area', Date.parse('2026-05-08T06:00:00Z'), '410', '1', '0']);
    expect(rows).toContainEqual(['load_area', Date.parse('2026-05-08T06:30:00Z'), '', '0', '1']);
    expect(rows).toContainEqual(['load_meter', Date.parse('2026-05-08T13:00:00Z'), '420']);
  });

  test.skipIf(record === 'tiles')(
    'tiles that are lost, torn or forged are made again from the record, byte for byte',
    async () => {
      const before = answers.get(record)!;
      await host.stop();
      const root = join(folder, 'metering');
      const paths = tilesIn(root);
      rmSync(join(root, 'tiles', 'BRPL', '0'), { recursive: true });
      const [torn, forged] = [paths.find((path) => path.includes('/1/'))!, paths.find((path) => path.includes('/2/'))!];
      truncateSync(join(root, torn), statSync(join(root, torn)).size - 100);
      writeFileSync(join(root, forged), readFileSync(join(root, paths.find((path) => path.includes('/3/'))!)));
      host = await open();
      const lost = paths.filter((path) => path.includes('/BRPL/0/'));
      const wrong = await faultsOf(host, true);
      expect(wrong.map(({ path }) => path).sort()).toEqual([...lost, torn, forged].sort());
      expect(wrong.find(({ path }) => path === torn)?.problem).toContain('torn');
      expect(new Set(wrong.map(({ where }) => where))).toEqual(new Set(['tile']));
      expect(await told(host)).toEqual(before);
      expect(await faultsOf(host, true)).toEqual([]);
      await sameAsMemory(host, memory, 'm-0-1', NOW);
    },
  );

  test('compacted, every as-of read is still what a map says; what is let go is gone from the record, and the bases come back from it', async () => {
    const before = answers.get(record)!;
    const metering = host.connect(Metering);
    const as = await host.token('operator');
    const last = async <T>(stream: AsyncIterable<T>): Promise<T> => {
      let found: T | undefined;
      for await (const one of stream) found = one;
      return found!;
    };
    const { folded, versions } = await last(metering.compactReadings({ atLeast: 3 }, { as, deadlineMs: 60_000 }));
    expect(Number(folded)).toBeGreaterThan(3);
    expect(versions).toBeGreaterThan(folded * 2n);
    const after = await told(host);
    expect(after.days).toEqual(before.days);
    expect(after.csv === before.csv).toBe(true);
    expect(after.tiles.length).toBeLessThan(before.tiles.length);
    for (const meterId of ['m-0-1', 'm-1-17', 'l-0', 'q-7'])
      for (const at of ['2026-05-09T19:30:00Z', '2026-05-09T21:00:00Z', '2026-05-10T05:00:00Z'])
        await sameAsMemory(host, memory, meterId, Date.parse(at));
    expect(await faultsOf(host, record !== 'tiles')).toEqual([]);

    await host.advanceTo(NOW + 100 * 86_400_000);
    const { letGo, keptForRuns } = await last(metering.retainReadings({ keepDays: 30 }, { as, deadlineMs: 60_000 }));
    expect([letGo >= versions, keptForRuns]).toEqual([true, 0n]);
    await sameAsMemory(host, memory, 'm-0-1', NOW);
    await sameAsMemory(host, memory, 'q-7', NOW);
    expect(await faultsOf(host, record !== 'tiles')).toEqual([]);
    if (record === 'tiles') return;
    const root = join(folder, 'metering');
    const paths = tilesIn(root);
    rmSync(join(root, 'tiles', 'BRPL'), { recursive: true });
    const { faults } = await last(metering.checkReadings({ repair: true }, { as, deadlineMs: 60_000 }));
    expect(faults.map(({ path, problem, madeAgain }) => [path, problem, madeAgain]).sort()).toEqual(
      paths.map((path) => [path, 'missing', true]),
    );
    expect(tilesIn(root)).toEqual(paths);
    expect(await faultsOf(host, true)).toEqual([]);
  });
});

test('both records give the same series, digests, tiles and export', () => {
  const [tiles, record] = [answers.get('tiles')!, answers.get('InfluxDB')!];
  expect(tiles.files.length).toBeGreaterThan(20);
  expect(tiles.csv.length).toBeGreaterThan(10_000_000);
  expect(record.csv === tiles.csv).toBe(true);
  expect(record).toEqual(tiles);
});

async function register(host: TestHost): Promise<void> {
  const registers = [Register.IMPORT];
  const records: object[] = SHARDS.flatMap(({ shard, meters, zone, minutes }) =>
    Array.from({ length: meters }, (_, i) => {
      const meterId = minutes === 15 ? `q-${i}` : zone === 'Europe/London' ? `l-${i}` : `m-${shard}-${i}`;
      const ordinal = minutes === 15 ? 12 + i : i;
      return { meterId, connectionId: `c-${meterId}`, registers, intervalMinutes: minutes, zone, shard, ordinal };
    }),
  );
  const noon = { fromMs: BigInt(Date.parse('2026-05-08T12:00:00Z')) };
  const until = { toMs: noon.fromMs };
  const place = { registers, intervalMinutes: 30, zone: 'Asia/Kolkata', shard: 4 };
  records.push(
    { ...place, meterId: 'moved', ordinal: 0, connectionId: 'c-here', dated: until },
    { ...place, meterId: 'moved', ordinal: 0, connectionId: 'c-there', dated: noon },
    { ...place, meterId: 'old', ordinal: 1, connectionId: 'c-both', dated: until },
    { ...place, meterId: 'new', ordinal: 2, connectionId: 'c-both', dated: noon },
  );
  const all = [
    ...records.map((value) => ({ record: { case: 'meter', value } })),
    { record: { case: 'connection', value: { connectionId: 'c-here', areaId: 'feeder-1' } } },
    { record: { case: 'area', value: { areaId: 'feeder-1' } } },
  ];
  for (let i = 0; i < all.length; i += 1250) {
    const some = all.slice(i, i + 1250);
    const value = create(RegistryChangedSchema, { records: some as never });
    await host.facts.publish('registry', { discom: 'BRPL', key: 'BRPL', body: { case: 'registryChanged', value } });
    await host.settled();
  }
}

/** A full shard through 9 May, and every 97th value a gap. */
async function deliverDay(host: TestHost, memory: Memory, shard: number, meters: number): Promise<void> {
  const start = Date.parse('2026-05-08T18:30:00Z');
  const meterIds = Array.from({ length: meters }, (_, i) => `m-${shard}-${i}`);
  const importWh = new Int32Array(meters * 48);
  meterIds.forEach((meterId, m) => {
    for (let slot = 0; slot < 48; slot++) {
      const at = m * 48 + slot;
      const wh = (m + slot) % 97 === 0 && m > 0 ? null : 200 + ((m * 31 + slot * 17) % 700);
      importWh[at] = wh ?? MISSING;
      if (wh !== null) say(memory, meterId, start + slot * HALF_HOUR, { wh, quality: 1, knownAt: start + 86_400_000 });
    }
  });
  const knownAtMs = BigInt(start + 86_400_000);
  // Cut so that no message is larger than the rooms take.
  await host.connect(Metering).putReadings(
    (async function* () {
      for (let m = 0; m < meters; m += 1024) {
        const some = meterIds.slice(m, m + 1024);
        const bytes = new Uint8Array(importWh.slice(m * 48, (m + some.length) * 48).buffer);
        yield { startMs: BigInt(start), intervalMinutes: 30, slots: 48, meterIds: some, importWh: bytes, knownAtMs };
      }
    })(),
    { as: await host.token('operator'), deadlineMs: 60_000 },
  );
}

async function deliver(host: TestHost, csv: string): Promise<void> {
  const parts = (async function* () {
    yield { fileName: 'a.csv', chunk: Buffer.from(csv) };
  })();
  const report = await host.connect(Metering).importReadings(parts, { as: await host.token('operator') });
  expect(report.counts).toEqual({});
}

async function sameAsMemory(host: TestHost, memory: Memory, meterId: string, asOf: number): Promise<void> {
  const start = Date.parse('2026-03-28T00:00:00Z');
  for (const from of meterId.startsWith('l') ? [start] : [Date.parse('2026-05-06T18:30:00Z')]) {
    const span = { startMs: BigInt(from), endMs: BigInt(from + 3 * 86_400_000) };
    const series = await host
      .connect(Metering)
      .getSeries({ meterId, span, asOfMs: BigInt(asOf) }, { as: await host.token('operator') });
    const importWh = new Int32Array(Uint8Array.from(series.importWh).buffer);
    const found = [...importWh].map((wh, i) => (wh === MISSING ? null : `${wh} q${series.quality[i]}`));
    const step = series.intervalMinutes * 60_000;
    const expected = found.map((_, i) => {
      const said = asKnown(memory, meterId, Number(series.startMs) + i * step, asOf);
      return said === null ? null : `${said.wh} q${said.quality}`;
    });
    expect(found, `${meterId} as of ${new Date(asOf).toISOString()}`).toEqual(expected);
  }
}

function say(memory: Memory, meterId: string, start: number, said: Said): void {
  // What only repeats the state of its own known_at is not kept (ROOM.md).
  const before = asKnown(memory, meterId, start, said.knownAt);
  if (said.quality === 5 ? before === null : before?.wh === said.wh && before.quality === said.quality) return;
  if (!memory.has(meterId)) memory.set(meterId, new Map());
  const ofMeter = memory.get(meterId)!;
  ofMeter.set(start, [...(ofMeter.get(start) ?? []), said]);
}

function asKnown(memory: Memory, meterId: string, start: number, asOf: number): Said | null {
  const said = (memory.get(meterId)?.get(start) ?? []).filter(({ knownAt }) => knownAt <= asOf);
  const last = said.toSorted((a, b) => a.knownAt - b.knownAt).at(-1);
  return last === undefined || last.quality === 5 ? null : last;
}

/** Everything statements and their evidence are made of. */
async function told(host: TestHost): Promise<Answers> {
  const metering = host.connect(Metering);
  const as = await host.token('operator');
  const discom = { discom: 'BRPL', deadlineMs: 60_000 };
  const meterIds = ['m-0-0', 'm-0-1', 'm-0-97', 'm-1-17', 'm-2-5', 'l-0', 'l-11', 'q-0', 'q-7', 'moved', 'old', 'new'];
  const names = meterIds.flatMap((meterId) => DAYS.map((day) => ({ meterId, day })));
  const { meterDays } = await metering.getMeterDays({ names, withReadings: true, asOfMs: BigInt(NOW) }, discom);
  const { tiles } = await metering.listTiles({ days: DAYS, asOfMs: BigInt(NOW) }, discom);
  const parts: Uint8Array[] = [];
  for await (const { chunk } of metering.exportReadings({}, { as, deadlineMs: 120_000 })) parts.push(chunk);
  const span = { startMs: BigInt(Date.parse('2026-03-28T00:00:00Z')), endMs: BigInt(NOW) };
  const series = await metering.getSeries({ meterId: 'l-0', span }, { as });
  const root = join(host.folder, 'metering');
  return {
    series: Buffer.from(series.importWh).toString('hex'),
    days: meterDays.map(({ meterId, day, digest, handOff, importWh, quality }) => [
      ...[meterId, day, digest, handOff],
      ...[Buffer.from(importWh).toString('hex'), Buffer.from(quality).toString('hex')],
    ]),
    tiles: tiles.map(({ $typeName: _, ...tile }) => tile),
    csv: Buffer.concat(parts).toString('utf8'),
    files: tiles.map(({ path }) => `${path} ${readFileSync(join(root, path)).toString('base64')}`),
  };
}

async function faultsOf(host: TestHost, record: boolean) {
  const faults: { path: string; where: string; problem: string }[] = [];
  for await (const answer of host.connect(Metering).checkReadings({ record }, { as: await host.token('operator') }))
    faults.push(...answer.faults);
  return faults;
}

function tilesIn(root: string): string[] {
  return readdirSync(join(root, 'tiles'), { recursive: true })
    .map(String)
    .filter((name) => name.endsWith('.tile'))
    .map((name) => join('tiles', name))
    .sort();
}

/** Mulberry32: the same numbers each run. */
function seeded(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
  };
}
