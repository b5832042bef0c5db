import { describe, expect, it } from 'vitest';
import { HOUR, MINUTE } from '../domain/interval.ts';
import { emptyColumns, MISSING } from '../domain/tile.ts';
import { zoneDays } from '../host/zone.ts';
import { type MeterService, type Registers, readInterval, type Sheets } from './stitch.ts';

const zone = zoneDays('+00:00');
const hour = (h: number, hours = 1) => ({ start: h * HOUR, end: (h + hours) * HOUR });
const meter = (ordinal: number, over: Partial<MeterService> = {}): MeterService => ({
  ...{ meterId: `m${ordinal}`, shard: 0, ordinal, intervalMinutes: 30, hasExport: false, zone, from: 0, to: null },
  ...over,
});
const registers = (own: MeterService[], taken: MeterService[] = []): Registers => ({ own, taken });

/** Half-hours of 1970-01-01: [import, export, quality] by ordinal; the same in every slot unless `odd` says otherwise. */
function sheetsOf(
  values: [number, number, number][],
  odd: { slot: number; ordinal: number; value: [number, number, number] }[] = [],
): Sheets {
  const columns = emptyColumns(48, values.length);
  const put = (slot: number, ordinal: number, [importWh, exportWh, quality]: [number, number, number]) => {
    const at = slot * values.length + ordinal;
    columns.importWh[at] = importWh;
    columns.exportWh[at] = exportWh;
    columns.quality[at] = quality;
  };
  for (let slot = 0; slot < 48; slot++) for (const [ordinal, value] of values.entries()) put(slot, ordinal, value);
  for (const { slot, ordinal, value } of odd) put(slot, ordinal, value);
  return (shard, dayStart, minutes) =>
    shard === 0 && dayStart === 0 && minutes === 30 ? { dayStart: 0, intervalMinutes: 30, columns } : null;
}

describe('one interval of a settlement point', () => {
  // biome-ignore format: one row a case
  const rows: [string, number, number, Registers, 'import' | 'export' | 'net', Sheets][] = [
    ['an hour is two half-hours', 200, 1, registers([meter(0)]), 'import', sheetsOf([[100, MISSING, 1]])],
    ['net is import − export', -100, 1, registers([meter(0, { hasExport: true })]), 'net', sheetsOf([[100, 150, 1]])],
    ['net without an export register is import', 200, 1, registers([meter(0)]), 'net', sheetsOf([[100, MISSING, 1]])],
    ['net is missing when the export register says nothing', MISSING, 1, registers([meter(0, { hasExport: true })]), 'net', sheetsOf([[100, MISSING, 1]])],
    ['export of a meter that has none is missing, not 0', MISSING, 1, registers([meter(0)]), 'export', sheetsOf([[100, 5, 1]])],
    ['a half-hour that is missing makes the hour missing', MISSING, 1, registers([meter(0)]), 'import', sheetsOf([[100, MISSING, 1]], [{ slot: 1, ordinal: 0, value: [MISSING, MISSING, 0] }])],
    ['a suspect half-hour is no reading, and is seen', MISSING, 4, registers([meter(0)]), 'import', sheetsOf([[100, MISSING, 1]], [{ slot: 1, ordinal: 0, value: [100, MISSING, 4] }])],
    ['an estimated one counts, and is seen', 200, 2, registers([meter(0)]), 'import', sheetsOf([[100, MISSING, 1]], [{ slot: 0, ordinal: 0, value: [100, MISSING, 2] }])],
    ['zero is a reading', 0, 1, registers([meter(0)]), 'import', sheetsOf([[0, MISSING, 1]])],
    ['a meter beyond the tile has not been read', MISSING, 0, registers([meter(7)]), 'import', sheetsOf([[100, MISSING, 1]])],
    ['no meter, no reading', MISSING, 0, registers([]), 'import', sheetsOf([[100, MISSING, 1]])],
    ['a parent less its enrolled sub-meter', 140, 1, registers([meter(0)], [meter(1)]), 'import', sheetsOf([[100, MISSING, 1], [30, MISSING, 1]])],
    ['a sub-meter without reading leaves the parent unknown', MISSING, 1, registers([meter(0)], [meter(1)]), 'import', sheetsOf([[100, MISSING, 1], [MISSING, MISSING, 0]])],
    ['a sub-meter not yet installed takes nothing off', 200, 1, registers([meter(0)], [meter(1, { from: 5 * HOUR })]), 'import', sheetsOf([[100, MISSING, 1], [30, MISSING, 1]])],
    ['a sub-meter installed half-way leaves it unknown', MISSING, 1, registers([meter(0)], [meter(1, { from: HOUR / 2 })]), 'import', sheetsOf([[100, MISSING, 1], [30, MISSING, 1]])],
  ];
  it.each(rows)('%s', (_, wh, quality, point, quantity, sheets) => {
    expect(readInterval(point, hour(0), quantity, sheets)).toEqual({ wh, quality });
  });

  it('stitches a replaced meter without a seam; the interval of the exchange belongs to neither', () => {
    const old = meter(0, { to: 5 * HOUR + 30 * MINUTE });
    const young = meter(1, { from: 5 * HOUR + 30 * MINUTE });
    const sheets = sheetsOf([
      [100, MISSING, 1],
      [7, MISSING, 1],
    ]);
    const read = (h: number) => readInterval(registers([old, young]), hour(h), 'import', sheets).wh;
    expect([read(4), read(5), read(6)]).toEqual([200, MISSING, 14]);
    expect(readInterval(registers([old, young]), { start: 5.5 * HOUR, end: 6 * HOUR }, 'import', sheets).wh).toBe(7);
  });

  it('cannot read an interval finer than the meter’s, across its grid, or beyond its day', () => {
    const sheets = sheetsOf([[100, MISSING, 1]]);
    const read = (start: number, end: number) => readInterval(registers([meter(0)]), { start, end }, 'import', sheets).wh;
    expect([
      read(0, 15 * MINUTE),
      read(15 * MINUTE, 45 * MINUTE),
      read(23.5 * HOUR, 24.5 * HOUR),
      read(24 * HOUR, 25 * HOUR),
    ]).toEqual([MISSING, MISSING, MISSING, MISSING]);
  });
});
