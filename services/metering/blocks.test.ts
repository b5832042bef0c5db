import { describe, expect, it } from 'vitest';
import { keep, noBlocks, piecesOf, rowsOf } from './blocks.ts';
import type { Grids, PackedColumns } from './columns.ts';

const START = Date.parse('2026-05-01T00:00:00+05:30');
const block = (meterIds: readonly string[], slot: number, slots = 1, over: Partial<PackedColumns> = {}): PackedColumns => ({
  ...{ start: START + slot * 900_000, intervalMinutes: 15, slots, meterIds, knownAt: START },
  importWh: Int32Array.from({ length: meterIds.length * slots }, (_, at) => slot + at),
  ...{ exportWh: null, quality: null },
  ...over,
});

describe('blocks', () => {
  it('are kept as they are, whoever their meters follow', () => {
    const told = noBlocks();
    const meterIds: string[] = [];
    const grids: Grids = new Map();
    for (const ids of [
      ['a', 'b', 'c'],
      ['d', 'b'],
      ['a', 'b', 'c'],
      ['c', 'e', 'd'],
    ])
      expect(keep(told, meterIds, grids, block(ids, told.all.length))).toBe(true);
    expect(meterIds).toEqual(['a', 'b', 'c', 'd', 'e']);
    expect(told.all.map(({ meters }) => [...meters])).toEqual([
      [0, 1, 2],
      [3, 1],
      [0, 1, 2],
      [2, 4, 3],
    ]);
    expect([...rowsOf(piecesOf(told), meterIds).line.subarray(0, 11)]).toEqual([1, 2, 3, 1, 2, 1, 2, 3, 1, 2, 3]);
  });

  it.each([
    ['of another interval, also where its meter was expected', ['a'], {}],
    ['of another interval', ['b'], {}],
  ])('%s are refused', (_, ids, over) => {
    const told = noBlocks();
    const meterIds: string[] = [];
    const grids: Grids = new Map();
    keep(told, meterIds, grids, block(['a', 'b'], 0));
    const other = block(ids, 1, 1, { intervalMinutes: 30, ...over });
    expect(() => keep(told, meterIds, grids, other)).toThrow(expect.objectContaining({ code: 'interval_mismatch' }));
  });

  it.each<[string, PackedColumns]>([
    ['that name a meter twice', block(['a', 'b', 'a'], 1)],
    ['with a value below zero', block(['a'], 1, 1, { importWh: Int32Array.of(-1) })],
    ['with an export below zero', block(['a'], 1, 1, { exportWh: Int32Array.of(-1) })],
    ['with a quality that there is not', block(['a'], 1, 1, { quality: Uint8Array.of(6) })],
    ['known since another instant', block(['a'], 1, 1, { knownAt: START + 1 })],
  ])('%s are for rows', (_, strange) => {
    const told = noBlocks();
    const meterIds: string[] = [];
    const grids: Grids = new Map();
    expect(keep(told, meterIds, grids, block(['a'], 0))).toBe(true);
    expect(keep(told, meterIds, grids, strange)).toBe(false);
    expect(told.all).toHaveLength(1);
  });

  it('by the thousand, of hardly a value each, are for rows', () => {
    const told = noBlocks();
    const meterIds: string[] = [];
    const grids: Grids = new Map();
    let kept = 0;
    while (kept < 5000 && keep(told, meterIds, grids, block(['a'], kept))) kept++;
    expect(kept).toBe(1024);
    const larger = noBlocks();
    for (let i = 0; i < 2000; i++) expect(keep(larger, meterIds, grids, block(['a'], i, 8))).toBe(true);
  });
});
