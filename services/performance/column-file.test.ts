import { mkdirSync, mkdtempSync, readFileSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import fc from 'fast-check';
import { afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { decodeTile, emptyColumns, encodeBase, encodeDelta, foldTiles, MISSING, state, type TileName } from '../domain/tile.ts';
import { columnOffset, decodeHeader, type TileFormat } from '../domain/tile-layout.ts';
import { xxh32 } from '../domain/xxh32.ts';
import { coreBytes } from '../host/core-file.ts';
import { type Column, type DayFiles, openDays, type VersionName } from './column-file.ts';
import { type Kernel, loadKernel } from './kernel.ts';

const SLOTS = 6;
const MISSING_16 = -32768;
let root: string;
let days: DayFiles;
let kernel: Kernel;
/** A place in the core's memory, 64 KiB. */
let place: { readonly buffer: ArrayBuffer; readonly at: number };

beforeAll(async () => {
  kernel = await loadKernel(coreBytes());
  const [{ buffer, byteOffset }] = kernel.batch.open({ meters: 1024, days: 1, eventSlots: 32, windowSlots: 0, width: 2 })
    .history as [Int16Array<ArrayBuffer>];
  place = { buffer, at: byteOffset };
});
beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'lachak-columns-'));
  days = openDays(root, kernel.columnSums);
});
afterEach(() => {
  days.close();
  rmSync(root, { recursive: true });
});

type Cell = { slot: number; ordinal: number; importWh: number; exportWh: number; quality: number };
type Told = { cells: readonly Cell[]; asBase: boolean; meters: number; format: TileFormat };

const named = (version: number, meters: number): TileName => ({
  ...{ shard: 3, day: '2026-05-01', intervalMinutes: 240, dayStart: Date.UTC(2026, 3, 30, 18, 30), slots: SLOTS },
  ...{ meters, version, knownAt: version * 1000 },
});

function write(version: number, { cells, asBase, meters, format }: Told): { name: VersionName; bytes: Uint8Array } {
  const columns = emptyColumns(SLOTS, meters);
  const said = cells.filter(({ ordinal }) => ordinal < meters);
  for (const cell of said) {
    const at = cell.slot * meters + cell.ordinal;
    columns.importWh[at] = cell.importWh;
    columns.exportWh[at] = cell.exportWh;
    columns.quality[at] = cell.quality;
  }
  const sparse = {
    slot: Uint16Array.from(said, (cell) => cell.slot),
    ordinal: Uint32Array.from(said, (cell) => cell.ordinal),
    importWh: Int32Array.from(said, (cell) => cell.importWh),
    exportWh: Int32Array.from(said, (cell) => cell.exportWh),
    quality: Uint8Array.from(said, (cell) => cell.quality),
  };
  const bytes = asBase
    ? encodeBase(named(version, meters), columns, format)
    : encodeDelta(named(version, meters), sparse, format);
  const path = `tiles/BRPL/3/2026-05-01/240m-${version}.tile`;
  mkdirSync(dirname(join(root, path)), { recursive: true });
  writeFileSync(join(root, path), bytes);
  return { name: { path, shard: 3, day: '2026-05-01', version }, bytes };
}

const wh = fc.oneof(
  { weight: 4, arbitrary: fc.constant(MISSING) },
  { weight: 6, arbitrary: fc.integer({ min: 0, max: 32767 }) },
  { weight: 1, arbitrary: fc.integer({ min: 32768, max: 2147483647 }) },
);
const cells = fc
  .uniqueArray(
    fc.record({
      ...{ slot: fc.nat(SLOTS - 1), ordinal: fc.nat(4), importWh: wh, exportWh: wh },
      quality: fc.integer({ min: 1, max: 5 }),
    }),
    { selector: (cell) => cell.slot * 5 + cell.ordinal },
  )
  .map((all) =>
    all
      .map((cell) => (cell.quality === 5 ? { ...cell, importWh: MISSING, exportWh: MISSING } : cell))
      .filter((cell) => cell.quality === 5 || cell.importWh !== MISSING || cell.exportWh !== MISSING)
      .sort((a, b) => a.slot - b.slot || a.ordinal - b.ordinal),
  );
const told = fc.array(
  fc.record({
    cells,
    asBase: fc.boolean(),
    meters: fc.integer({ min: 1, max: 5 }),
    format: fc.constantFrom<TileFormat>(1, 2, 3),
  }),
  { minLength: 1, maxLength: 4 },
);

it('the core sums up columns that lie side by side, few and many, long and short, as one by one', () => {
  const bytes = fc.uint8Array({ minLength: 4096, maxLength: 4096 });
  fc.assert(
    fc.property(bytes, fc.integer({ min: 1, max: 200 }), fc.integer({ min: 1, max: 20 }), fc.nat(3), (all, size, count, skip) => {
      const at = new Uint8Array(place.buffer, place.at + skip, size * count);
      at.set(all.subarray(0, size * count));
      const columns = Array.from({ length: count }, (_, i) => at.subarray(i * size, (i + 1) * size));
      expect([...kernel.columnSums(at, size)!]).toEqual(columns.map(xxh32));
    }),
  );
  expect(kernel.columnSums(new Uint8Array(64), 16), 'not in its memory').toBeNull();
  expect(kernel.columnSums(new Uint8Array(place.buffer, place.at, 513), 1), 'too many').toBeNull();
});

describe('the columns of a shard and day, fetched from their tiles', () => {
  it('are what its versions fold to: corrections, withdrawals, gaps, qualities, large and new meters, every format', () => {
    const window = fc.tuple(fc.nat(SLOTS - 1), fc.nat(SLOTS - 1)).map(([a, b]) => [Math.min(a, b), Math.max(a, b) + 1] as const);
    fc.assert(
      fc.property(told, window, (versions, [from, to]) => {
        days.close();
        const written = versions.map((version, i) => write(i + 1, version));
        const folded = foldTiles(written.map(({ bytes }) => decodeTile(bytes)))!;
        const day = days.open(written.map(({ name }) => name));
        expect(day.meters).toBe(folded.meters);
        const cellsOf = (values: Int32Array) => [...values.subarray(from * day.meters, to * day.meters)];
        for (const register of ['import', 'export'] as const) {
          const expected = cellsOf(register === 'import' ? folded.importWh : folded.exportWh);
          const size = (to - from) * day.meters;
          const into: Column[] = [new Int32Array(size), new Int32Array(place.buffer, place.at, size)];
          if (day.width === 2) into.push(new Int16Array(size), new Int16Array(place.buffer, place.at, size));
          for (const column of into) {
            day.read(register, from, to, column);
            const missing = column instanceof Int16Array ? MISSING_16 : MISSING;
            expect(Array.from(column, (value) => (value === missing ? MISSING : value))).toEqual(expected);
          }
        }
        const doubts = new Map<number, number>();
        day.doubts(from, to, (slot, ordinal, quality) => doubts.set(slot * day.meters + ordinal, quality));
        const other = [...folded.quality.entries()].filter(
          ([at, quality]) => quality > 1 && at >= from * day.meters && at < to * day.meters,
        );
        expect([...doubts].sort(([a], [b]) => a - b)).toEqual(other);
      }),
      { numRuns: 300 },
    );
  });

  it.each([2, 3] as const)('a damaged column of format %i is named at its first fetch, and the others still read', (format) => {
    const columns = emptyColumns(SLOTS, 4);
    for (let at = 0; at < SLOTS * 4; at++) state(columns, at, at, MISSING, 1);
    const all = [...columns.importWh.entries()];
    const full = all.map(([at, value]) => ({
      ...{ slot: Math.floor(at / 4), ordinal: at % 4, importWh: value },
      ...{ exportWh: MISSING, quality: 1 },
    }));
    const { name, bytes } = write(1, { cells: full, asBase: true, meters: 4, format });
    const damaged = bytes.slice();
    damaged[columnOffset(decodeHeader(bytes), 'import', 3)]! ^= 1;
    writeFileSync(join(root, name.path), damaged);
    const day = days.open([name]);
    const into = new Int16Array(place.buffer, place.at, 8);
    day.read('import', 1, 3, into);
    expect([...into]).toEqual([4, 5, 6, 7, 8, 9, 10, 11]);
    expect(() => day.read('import', 2, 4, into)).toThrow(`tile ${name.path}: checksum of section 3 is wrong`);
    // Without the checks the same read gives the damaged value: it is they that find it.
    const unchecked = openDays(root, undefined, 'never');
    unchecked.open([name]).read('import', 2, 4, into);
    unchecked.close();
    expect(into[4]).toBe(13);
    // Made again, it reads: what was found torn is not kept open.
    rmSync(join(root, name.path));
    writeFileSync(join(root, name.path), bytes);
    days.open([name]).read('import', 2, 4, into);
    expect([...into]).toEqual([8, 9, 10, 11, 12, 13, 14, 15]);
  });

  it('a torn, missing, foreign or misplaced file is named, never read as empty', () => {
    const { name } = write(1, { cells: [{ slot: 0, ordinal: 0, importWh: 5, exportWh: MISSING, quality: 1 }], ...BASE });
    const path = join(root, name.path);
    const whole = readFileSync(path);
    const spoiledBy = (spoil: () => void) => () => {
      spoil();
      return name;
    };
    const cases: [string, () => VersionName][] = [
      ['cannot be read: ENOENT', () => ({ ...name, path: 'tiles/none.tile' })],
      ['lies outside the tile folder', () => ({ ...name, path: '../other.tile' })],
      ['is shard 3, 2026-05-01, version 1: not the one named', () => ({ ...name, version: 2 })],
      ['torn:', spoiledBy(() => truncateSync(path, whole.length - 2))],
      ['torn:', spoiledBy(() => truncateSync(path, 40))],
      ['not a tile', spoiledBy(() => writeFileSync(path, Buffer.alloc(whole.length)))],
    ];
    for (const [why, spoil] of cases) {
      writeFileSync(path, whole);
      const spoiled = spoil();
      expect(() => days.open([spoiled])).toThrow(`tile ${spoiled.path}: ${why}`);
    }
  });
});

const BASE = { asBase: true, meters: 2, format: 3 } as const;
