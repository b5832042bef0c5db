import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, statfsSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, relative } from 'node:path';
import { create } from '@bufbuild/protobuf';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { RegistryChangedSchema } from '../../gen/lachak/v1/facts_pb.ts';
import { Metering } from '../../gen/lachak/v1/metering_pb.ts';
import { Register } from '../../gen/lachak/v1/types_pb.ts';
import { MISSING } from '../../services/domain/tile.ts';
import { coreBytes } from '../../services/host/core-file.ts';
import { type TestHost, testHost } from '../../services/host/testing.ts';
import { room as metering } from '../../services/metering/service.ts';
import { writeDurably } from '../../services/performance/durable-file.ts';
import { CUT_OFF, embedded, outcome, type Shards, settled } from './shards.ts';

// The disk under the tiles, and under result files, is a small one of its own that a test fills up: who delivers reads which folder it
// is and what to do; what was acknowledged stays; no half file is left or believed; with room again it goes on, untouched.
const METERS = 400;
const SLOTS = 48;
const DISK = '4m';

/** A disk of its own in `folder`, which can be filled up to some bytes and emptied again. */
function smallDisk(folder: string) {
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  execFileSync('mount', ['-t', 'tmpfs', '-o', `size=${DISK},mode=0700`, 'tmpfs', folder]);
  const ballast = join(folder, 'ballast');
  return {
    fill: (leaving: number) => {
      const { bavail, bsize } = statfsSync(folder);
      writeFileSync(ballast, Buffer.alloc(Math.max(0, bavail * bsize - leaving)));
    },
    empty: () => rmSync(ballast, { force: true }),
    files: () =>
      readdirSync(folder, { recursive: true, withFileTypes: true })
        .filter((entry) => entry.isFile() && entry.name !== 'ballast')
        .map((entry) => relative(folder, join(entry.parentPath, entry.name)))
        .sort(),
    unmount: () => execFileSync('umount', ['-l', folder]),
  };
}

describe.runIf(process.getuid?.() === 0)('a full disk', () => {
  const folder = mkdtempSync(join(tmpdir(), 'lachak-full-disk-'));
  const place = join(folder, 'metering');
  let disk: ReturnType<typeof smallDisk>;
  let host: TestHost;

  beforeAll(async () => {
    disk = smallDisk(place);
    host = await testHost({ rooms: [metering], clock: { start: Date.parse('2026-05-10T00:00:00Z') }, folder });
    const records = Array.from({ length: METERS }, (_, ordinal) => ({
      record: {
        case: 'meter' as const,
        value: { meterId: `m-${ordinal}`, ordinal, connectionId: `c-${ordinal}`, registers: [Register.IMPORT], shard: 0 },
      },
    }));
    const value = create(RegistryChangedSchema, { records });
    await host.facts.publish('registry', { discom: 'BRPL', key: 'BRPL', body: { case: 'registryChanged', value } });
    await host.settled();
  });
  afterAll(async () => {
    await host?.stop();
    disk?.unmount();
    rmSync(folder, { recursive: true, force: true });
  });

  /** A whole day of all meters, as a head-end would send it; `wh` tells it from others. */
  const deliver = async (day: string, wh: number) => {
    const start = Date.parse(`${day}T00:00:00+05:30`);
    const lines = Array.from({ length: METERS * SLOTS }, (_, i) => {
      const at = new Date(start + (i % SLOTS) * 1_800_000).toISOString();
      return `m-${Math.floor(i / SLOTS)},${at},${wh + (i % 7)},`;
    });
    const chunk = Buffer.from(`meter_id,interval_start,import_wh,export_wh\n${lines.join('\n')}\n`);
    async function* parts() {
      yield { fileName: `${day}.csv`, commandId: `c-${day}`, chunk: chunk.subarray(0, chunk.length >> 1) };
      yield { chunk: chunk.subarray(chunk.length >> 1) };
    }
    return host.connect(Metering).importReadings(parts(), { as: await host.token('operator') });
  };
  const first = async (day: string): Promise<number | null> => {
    const startMs = BigInt(Date.parse(`${day}T00:00:00+05:30`));
    const series = await host
      .connect(Metering)
      .getSeries({ meterId: 'm-0', span: { startMs, endMs: startMs + 86_400_000n } }, { as: await host.token('operator') });
    const wh = new Int32Array(Uint8Array.from(series.importWh).buffer)[0]!;
    return wh === MISSING ? null : wh;
  };
  const tiles = async (day: string): Promise<string[]> =>
    (await host.connect(Metering).listTiles({ days: [day] }, { discom: 'BRPL' })).tiles.map(({ path }) => path);

  test.each([
    ['to the last byte', 0],
    ['with room for half a tile', 20_480],
  ])('%s: readings are refused with the folder and what to do, and taken when there is room again', async (_, leaving) => {
    const [kept, refused] = leaving === 0 ? ['2026-05-01', '2026-05-02'] : ['2026-05-03', '2026-05-04'];
    expect(await deliver(kept, 100)).toMatchObject({ stored: BigInt(METERS * SLOTS), repeatedCommand: false });
    const before = disk.files();
    disk.fill(leaving);
    await expect(deliver(refused, 200)).rejects.toMatchObject({
      kind: 'unavailable',
      code: 'disk_full',
      message: expect.stringMatching(new RegExp(`the disk under ${place} is full .*make room there`)),
    });
    expect(disk.files(), 'no half file is left to take up room').toEqual(before);
    expect([await tiles(refused), await first(refused)]).toEqual([[], null]);
    expect(await first(kept), 'what was acknowledged is there').toBe(100);
    disk.empty();
    expect(await deliver(refused, 200)).toMatchObject({ stored: BigInt(METERS * SLOTS), repeatedCommand: false });
    expect(await deliver(refused, 200), 'told again').toMatchObject({ repeatedCommand: true });
    expect(await first(refused)).toBe(200);
    expect(disk.files().filter((path) => path.endsWith('.tile'))).toHaveLength(before.length + 1);
  });

  test('a result file is there whole or not at all, and nothing lies beside it', async () => {
    const path = join(place, 'results', 'run', '0.perf');
    const bytes = Buffer.alloc(100_000, 7);
    disk.fill(20_480);
    await expect(writeDurably(path, bytes)).rejects.toMatchObject({ kind: 'unavailable', code: 'disk_full' });
    expect(disk.files().filter((name) => name.startsWith('results'))).toEqual([]);
    disk.empty();
    await writeDurably(path, bytes);
    expect(readFileSync(path).equals(bytes)).toBe(true);
  });
});

describe.runIf(process.getuid?.() === 0)('a settlement run on a full disk', () => {
  const root = mkdtempSync(join(tmpdir(), 'lachak-full-run-'));
  const world = (name: string): Shards => ({ shards: 12, points: 4, folder: join(root, name) });
  const closing: (() => unknown)[] = [];
  afterAll(async () => {
    for (const close of closing.reverse()) await close();
    rmSync(root, { recursive: true, force: true });
  });

  let expected: unknown;
  beforeAll(async () => {
    const calm = await embedded(world('calm'));
    closing.push(() => calm.stop());
    expected = await settled(calm, world('calm'));
  });

  test.each([
    ['not even for the core', 'none', 0],
    ['for the core and some of twelve shards', 'some', coreBytes().length + 48 * 1024],
  ])(
    'with room %s: says which disk, keeps what it has measured, and ends like any other when there is room',
    async (_, name, leaving) => {
      const shards = world(name);
      const place = join(shards.folder, 'performance');
      const disk = smallDisk(place);
      closing.push(() => disk.unmount());
      const host = await embedded(shards);
      closing.push(() => host.stop());
      disk.fill(leaving);
      expect(await settled(host, shards)).not.toEqual(expected);
      const database = await host.database('performance');
      const measured = await database.query<{ path: string }>('select path from run_shard order by path');
      if (leaving > 0) expect(measured.length).toBeGreaterThan(0);
      expect(measured.length).toBeLessThan(leaving > 0 ? shards.shards : 1);
      const [run] = await database.query<{ error: string }>('select error from run where measured_at_ms is null');
      expect(run?.error).toMatch(new RegExp(`the disk under ${place}\\S* is full .*make room there`));
      expect(disk.files().filter((path) => path.startsWith('results/'))).toEqual(measured.map(({ path }) => path));

      disk.empty();
      await host.advanceTo(CUT_OFF + 2 * 60_000);
      await host.settled();
      expect(await outcome(host)).toEqual(expected);
    },
  );
});
