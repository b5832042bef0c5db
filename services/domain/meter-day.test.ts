import { createHash } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { type MeterDayReadings, meterDayBytes } from './meter-day.ts';
import { MISSING } from './tile.ts';

const day = (over: Partial<MeterDayReadings> = {}): MeterDayReadings => ({
  meterId: 'm-1',
  day: '2026-05-01',
  zone: 'Asia/Kolkata',
  intervalMinutes: 480,
  importWh: [0, null, 1234567],
  exportWh: null,
  quality: [1, 1, 4],
  ...over,
});
const text = (readings: MeterDayReadings): string => new TextDecoder().decode(meterDayBytes(readings));

describe('a meter-day', () => {
  it('has these bytes, and no others', () => {
    expect(text(day())).toBe('lachak meter-day 1\nm-1\n2026-05-01\nAsia/Kolkata\n480\n3\n0,,1\n,,0\n1234567,,4\n');
    // Fixed for ever: statements name it.
    expect(createHash('sha256').update(meterDayBytes(day())).digest('hex')).toBe(
      '83d52dcafa2a5b72a2ebdec15389ae8a6576bbec904a35bb1f4b2c31f24596b8',
    );
  });

  const same: [string, Partial<MeterDayReadings>][] = [
    ['MISSING is null', { importWh: Int32Array.of(0, MISSING, 1234567) }],
    ['no export value is no export register', { exportWh: [null, null, null] }],
    ['the quality of a missing slot says nothing', { quality: [1, 5, 4] }],
  ];
  it.each(same)('is the same where %s', (_, over) => expect(text(day(over))).toBe(text(day())));

  const other: [string, Partial<MeterDayReadings>][] = [
    ['a gap is not a zero', { importWh: [0, 0, 1234567] }],
    ['an exported zero is a value', { exportWh: [0, null, null] }],
    ['the quality differs', { quality: [2, 0, 4] }],
    ['the zone differs', { zone: '+05:30' }],
    ['the meter differs', { meterId: 'm-2' }],
  ];
  it.each(other)('is another where %s', (_, over) => expect(text(day(over))).not.toBe(text(day())));

  const refused: [string, Partial<MeterDayReadings>][] = [
    ['lengths differ', { quality: [1, 1] }],
    ['a reading has a fraction', { importWh: [0.5, null, 1] }],
    ['an id could forge a line', { meterId: 'm\n1' }],
  ];
  it.each(refused)('is refused where %s', (_, over) => expect(() => meterDayBytes(day(over))).toThrow(RangeError));
});
