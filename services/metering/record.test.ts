import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { decodeTile, MISSING, type Statements, type TileName } from '../domain/tile.ts';
import { columnsFrom, pointsOf, type RecordPoint, tileFrom } from './record.ts';
import { encodeVersion } from './tile-version.ts';

const name = (slots: number, meters: number): TileName => ({
  shard: 3,
  day: '2026-05-09',
  intervalMinutes: 30,
  dayStart: Date.parse('2026-05-08T18:30:00Z'),
  slots,
  meters,
  version: 2,
  knownAt: Date.parse('2026-05-10T00:00:00Z'),
});
type Cell = { wh: number | null; export: number | null; quality: number };
const wh = fc.oneof(fc.integer({ min: 0, max: 900 }), fc.constantFrom(-32768, -32767, 32767, 32768, 2 ** 31 - 1));
const cell: fc.Arbitrary<Cell> = fc.oneof(
  fc.record({ wh, export: fc.constant(null), quality: fc.constantFrom(1, 1, 1, 2, 4) }),
  fc.record({ wh: fc.option(wh), export: wh, quality: fc.constantFrom(1, 3) }),
  fc.constant({ wh: null, export: null, quality: 5 }),
);

describe('a version on record', () => {
  test('comes back byte for byte, base or delta, dense or sparse, from points in any order and at any address', () => {
    const version = fc
      .record({ slots: fc.integer({ min: 1, max: 6 }), meters: fc.integer({ min: 1, max: 40 }), first: fc.boolean() })
      .chain(({ slots, meters, first }) =>
        fc.record({
          ...{ slots: fc.constant(slots), meters: fc.constant(meters), first: fc.constant(first), flip: fc.boolean() },
          cells: fc.array(fc.tuple(fc.integer({ min: 0, max: slots * meters - 1 }), cell), { minLength: 1, maxLength: 200 }),
        }),
      );
    fc.assert(
      fc.property(version, ({ slots, meters, first, flip, cells }) => {
        const { bytes, delta } = encodeVersion(name(slots, meters), statements(meters, new Map(cells)), first);
        const points = pointsOf(decodeTile(bytes)).map(moved);
        const again = tileFrom({ ...name(slots, meters), delta }, flip ? points.toReversed() : points);
        expect(Buffer.from(again).equals(bytes)).toBe(true);
      }),
      { numRuns: 500 },
    );
  });

  test('says nothing of an interval of which nothing is known: a gap is no point, and no zero', () => {
    const said = new Map<number, Cell>([[0, { wh: 7, export: null, quality: 1 }]]);
    const { bytes, delta } = encodeVersion(name(48, 2), statements(2, said), true);
    const points = pointsOf(decodeTile(bytes));
    expect({ delta, slots: points.map(({ slot }) => slot) }).toEqual({ delta: false, slots: [0] });
    const { importWh, quality } = columnsFrom({ slots: 48, meters: 2 }, points);
    expect([...importWh.subarray(0, 3)]).toEqual([7, MISSING, MISSING]);
    expect([...quality.subarray(0, 3)]).toEqual([1, 0, 0]);
  });

  test.each([
    ['a slot the day has not', { slot: 2 }],
    ['a column of other meters', { importWh: Uint8Array.of(1, 0, 2) }],
    ['a column of no known packing', { importWh: Uint8Array.of(1, 0, 1, 0, 9) }],
    ['an ordinal the shard has not', { importWh: Uint8Array.of(9, 0, 0, 0, 1, 0, 0, 0, 8) }],
    ['qualities of other meters', { quality: Uint8Array.of(1, 1, 1, 1) }],
  ])('is refused with %s', (_, wrong: Partial<RecordPoint>) => {
    const nothing = new Uint8Array(0);
    const point = { slot: 0, importWh: nothing, exportWh: nothing, quality: nothing, ...wrong };
    expect(() => columnsFrom({ slots: 2, meters: 2 }, [point])).toThrow(RangeError);
  });
});

function statements(meters: number, cells: ReadonlyMap<number, Cell>): Statements {
  const said = [...cells].sort(([a], [b]) => a - b);
  return {
    slot: Uint16Array.from(said, ([at]) => Math.floor(at / meters)),
    ordinal: Uint32Array.from(said, ([at]) => at % meters),
    importWh: Int32Array.from(said, ([, { wh: value }]) => value ?? MISSING),
    exportWh: Int32Array.from(said, ([, { export: value }]) => value ?? MISSING),
    quality: Uint8Array.from(said, ([, { quality }]) => quality),
  };
}

/** Into the middle of another buffer, as bytes come off the wire. */
function moved(point: RecordPoint): RecordPoint {
  const shift = (bytes: Uint8Array): Uint8Array => {
    const buffer = new Uint8Array(bytes.length + 1);
    buffer.set(bytes, 1);
    return buffer.subarray(1);
  };
  return { slot: point.slot, importWh: shift(point.importWh), exportWh: shift(point.exportWh), quality: shift(point.quality) };
}
