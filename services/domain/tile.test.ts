import { createHash } from 'node:crypto';
import { crc32 as zlibCrc32 } from 'node:zlib';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import xxhash from 'xxhash-wasm';
import { crc32, crc32c } from './crc.ts';
import {
  applyTile,
  columnOffset,
  type DayColumns,
  decodeTile,
  emptyColumns,
  encodeBase,
  encodeDelta,
  foldTiles,
  MISSING,
  type Statements,
  state,
  type Tile,
  type TileName,
} from './tile.ts';
import { xxh32 } from './xxh32.ts';

const named = (over: Partial<TileName> = {}): TileName => ({
  shard: 3,
  day: '2026-05-01',
  intervalMinutes: 360,
  dayStart: Date.UTC(2026, 3, 30, 18, 30),
  slots: 4,
  meters: 3,
  version: 1,
  knownAt: Date.UTC(2026, 4, 2),
  ...over,
});

type Cell = { slot: number; ordinal: number; importWh: number; exportWh: number; quality: number };
const wh = fc.oneof(
  { weight: 4, arbitrary: fc.constant(MISSING) },
  { weight: 6, arbitrary: fc.integer({ min: 0, max: 32767 }) },
  { weight: 1, arbitrary: fc.integer({ min: 32768, max: 2147483647 }) },
);
/** What a version may say of its cells, each once; a withdrawal carries no value and silence no quality. */
const version = fc
  .uniqueArray(
    fc.record({
      slot: fc.integer({ min: 0, max: 3 }),
      ordinal: fc.integer({ min: 0, max: 2 }),
      importWh: wh,
      exportWh: wh,
      quality: fc.integer({ min: 1, max: 5 }),
    }),
    { selector: (cell) => cell.slot * 3 + cell.ordinal },
  )
  .map((cells) =>
    cells
      .map((cell) => (cell.quality === 5 ? { ...cell, importWh: MISSING, exportWh: MISSING } : cell))
      .filter((cell) => cell.quality === 5 || cell.importWh !== MISSING || cell.exportWh !== MISSING)
      .sort((a, b) => a.slot - b.slot || a.ordinal - b.ordinal),
  );
const sparse = (cells: readonly Cell[]): Statements => ({
  slot: Uint16Array.from(cells, (cell) => cell.slot),
  ordinal: Uint32Array.from(cells, (cell) => cell.ordinal),
  importWh: Int32Array.from(cells, (cell) => cell.importWh),
  exportWh: Int32Array.from(cells, (cell) => cell.exportWh),
  quality: Uint8Array.from(cells, (cell) => cell.quality),
});
function dense(cells: readonly Cell[]): DayColumns {
  const columns = emptyColumns(4, 3);
  for (const cell of cells) {
    const at = cell.slot * 3 + cell.ordinal;
    columns.importWh[at] = cell.importWh;
    columns.exportWh[at] = cell.exportWh;
    columns.quality[at] = cell.quality;
  }
  return columns;
}

describe('a tile', () => {
  it('says the same as base and as delta, and folds to what a map of statements in known_at order holds', () => {
    const versions = fc.array(fc.record({ cells: version, asBase: fc.boolean(), knownAt: fc.integer({ min: 0, max: 5 }) }), {
      minLength: 1,
      maxLength: 5,
    });
    fc.assert(
      fc.property(versions, (told) => {
        const tiles: Tile[] = told.map(({ cells, asBase, knownAt }, i) => {
          const name = named({ version: i + 1, knownAt });
          return decodeTile(asBase ? encodeBase(name, dense(cells)) : encodeDelta(name, sparse(cells)), 'x');
        });
        const oracle = new Map<string, number[]>();
        const ordered = told.map((one, i) => ({ ...one, i })).sort((a, b) => a.knownAt - b.knownAt || a.i - b.i);
        for (const { cells } of ordered)
          for (const cell of cells) {
            const key = `${cell.slot} ${cell.ordinal}`;
            const [imported, exported] = oracle.get(key) ?? [MISSING, MISSING];
            if (cell.quality === 5) oracle.delete(key);
            else
              oracle.set(key, [
                cell.importWh === MISSING ? imported! : cell.importWh,
                cell.exportWh === MISSING ? exported! : cell.exportWh,
                cell.quality,
              ]);
          }
        const folded = foldTiles(tiles)!;
        for (let slot = 0; slot < 4; slot++)
          for (let ordinal = 0; ordinal < 3; ordinal++) {
            const at = slot * 3 + ordinal;
            expect([folded.importWh[at], folded.exportWh[at], folded.quality[at]]).toEqual(
              oracle.get(`${slot} ${ordinal}`) ?? [MISSING, MISSING, 0],
            );
          }
      }),
      { numRuns: 500 },
    );
  });

  it('is refused when one byte differs or the end is torn off, and the error names it', () => {
    const columns = emptyColumns(4, 3);
    for (let at = 0; at < 12; at++) state(columns, at, at * 7, MISSING, at === 5 ? 4 : 1);
    const whole = encodeBase(named(), columns);
    fc.assert(
      fc.property(fc.nat(whole.length - 1), fc.integer({ min: 1, max: 255 }), (at, flip) => {
        const damaged = whole.slice();
        damaged[at] = damaged[at]! ^ flip;
        // Only the padding between table, columns and qualities may differ unnoticed; it says nothing.
        try {
          const read = emptyColumns(4, 3);
          applyTile(read, decodeTile(damaged, 'lcl/0/1'));
          expect(read).toEqual(columns);
        } catch (error) {
          expect(String(error)).toContain('tile lcl/0/1: ');
        }
      }),
    );
    for (const length of [0, 50, 96, whole.length - 1])
      expect(() => decodeTile(whole.subarray(0, length), 'lcl/0/1')).toThrow(/tile lcl\/0\/1: torn/);
  });

  it('lies interval-major, so that one window is one contiguous read', () => {
    const columns = emptyColumns(4, 3);
    for (let at = 0; at < 12; at++) state(columns, at, at, MISSING, 1);
    const bytes = encodeBase(named(), columns);
    const { header, column } = decodeTile(bytes, 'x');
    expect(header).toMatchObject({ kind: 'base', width: 2, hasExport: false, slots: 4, meters: 3, entries: 0 });
    expect([...column('import', 2)]).toEqual([6, 7, 8]);
    expect([...column('export', 2)]).toEqual([MISSING, MISSING, MISSING]);
    const start = columnOffset(header, 'import', 1);
    expect([...new Int16Array(bytes.slice(start, start + 12).buffer)]).toEqual([3, 4, 5, 6, 7, 8]);
  });

  it('may be read from any offset of a larger buffer', () => {
    const bytes = encodeDelta(named(), sparse([{ slot: 1, ordinal: 2, importWh: 70_000, exportWh: MISSING, quality: 1 }]));
    const larger = new Uint8Array(bytes.length + 3);
    larger.set(bytes, 3);
    for (const view of [larger.subarray(3), Buffer.from(larger.buffer, 3)])
      expect(decodeTile(view, 'x').statements.importWh[0]).toBe(70_000);
    const columns = emptyColumns(4, 3);
    state(columns, 5, 70_000, MISSING, 1);
    const base = Buffer.concat([Buffer.alloc(3), encodeBase(named(), columns)]);
    expect([...decodeTile(base.subarray(3), 'x').column('import', 1)]).toEqual([MISSING, MISSING, 70_000]);
  });

  // As written by what came before the format after it.
  it.each([
    [1, '2018e93234da62d764d759b0afb121d30698939e9c8563c8e067d146b4f70e51'],
    [2, 'bcb8a6ce400a90bb23ba9e48e9246e145c47b2fd3e147c98965813325aa5bb3b'],
  ] as const)('of format %i still reads, and differs from one of today in its checksums only', (format, digest) => {
    const columns = emptyColumns(4, 3);
    for (let at = 0; at < 12; at++) state(columns, at, at * 7, MISSING, at === 5 ? 4 : 1);
    const [old, today] = [encodeBase(named(), columns, format), encodeBase(named(), columns)];
    expect([decodeTile(old).header.format, decodeTile(today).header.format]).toEqual([format, 3]);
    expect(foldTiles([decodeTile(old)])).toEqual(foldTiles([decodeTile(today)]));
    expect(old.subarray(columnOffset(decodeTile(old).header, 'import', 0))).toEqual(
      today.subarray(columnOffset(decodeTile(today).header, 'import', 0)),
    );
    expect(createHash('sha256').update(old).digest('hex')).toBe(digest);
  });

  it('has the CRC-32 that zlib computes', () => {
    fc.assert(fc.property(fc.uint8Array({ maxLength: 100 }), (bytes) => crc32(bytes) === zlibCrc32(bytes)));
  });

  it('has the XXH32 that the xxHash library computes', async () => {
    const { h32Raw } = await xxhash();
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 100 }), fc.nat(7), (bytes, skip) => {
        const some = bytes.subarray(Math.min(skip, bytes.length));
        return xxh32(some) === h32Raw(some) >>> 0;
      }),
    );
  });

  it('has the CRC32C of RFC 3720', () => {
    expect(crc32c(new TextEncoder().encode('123456789'))).toBe(0xe3069283);
    expect(crc32c(new Uint8Array(32))).toBe(0x8a9136aa);
  });
});
