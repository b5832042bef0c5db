import { describe, expect, it } from 'vitest';
import { HOUR } from '../domain/interval.ts';
import { emptyColumns, MISSING } from '../domain/tile.ts';
import { zoneDays } from '../host/zone.ts';
import { columnsOf, type Lane, remarks } from './measure.ts';
import type { Method } from './method.ts';
import type { Sheets } from './stitch.ts';
import { planOf } from './windows.ts';

const zone = zoneDays('+05:30');
const at = (text: string) => Date.parse(`${text}+05:30`);
const method: Method = {
  spec: {
    ...{ select: 'all', x: 2, y: 2, minDays: 1, lowUsage: null, floorZero: true, direction: 'reduce' },
    adjustment: { kind: 'additive', direction: 'both', lo: null, hi: null, cap: null },
  },
  ...{ quantity: 'import', dayType: 'any', minGapDays: 1, lookbackDays: 2, fromMinutes: -60, toMinutes: 0, anchor: 'start' },
};
const window = { start: at('2026-05-08T18:00:00'), end: at('2026-05-08T20:00:00') };
const plan = planOf({ window, noticeAt: window.start, minutes: 60, method, holidays: new Set(), zone });

/** Every hour reads 100 × day of the month + hour; the qualities given are of the event day. */
const sheets =
  (quality: Record<number, number> = {}): Sheets =>
  (_, dayStart) => {
    const day = zone.dayOf(dayStart);
    const columns = emptyColumns(24, 1);
    for (let hour = 0; hour < 24; hour++) {
      columns.importWh[hour] = 100 * Number(day.slice(8)) + hour;
      columns.quality[hour] = day === '2026-05-08' ? (quality[hour] ?? 1) : 1;
    }
    return { dayStart, intervalMinutes: 60, columns };
  };
const meter = { meterId: 'm', shard: 0, ordinal: 0, intervalMinutes: 60, hasExport: true, zone, from: 0, to: null };
const lane: Lane = {
  ...{ registers: { own: [meter], taken: [] }, excluded: new Set<string>(), unserved: [] },
  ...{ closed: new Uint8Array(3), closedLead: new Uint8Array(8) },
};

describe('the columns given to the core', () => {
  it('are the event slots, then the adjustment slots, of each day', () => {
    const { input, lead } = columnsOf(plan, method, [lane], sheets());
    expect(Array.from(input.history)).toEqual([718, 719, 717, 618, 619, 617]);
    expect(Array.from(input.actual)).toEqual([818, 819, 817]);
    expect(Array.from(lead)).toEqual([814, 815, 816, 817, 820, 821, 822, 823]);
  });

  // biome-ignore format: one row a case
  const rows: [string, Partial<Lane>, Record<number, number>, number[], number[], string[]][] = [
    ['an ordinary evening', {}, {}, [818, 819, 817], [0, 0], []],
    ['a suspect hour is missing, and shown', {}, { 18: 4 }, [MISSING, 819, 817], [0, 0], ['suspect_readings']],
    ['a suspect hour of the adjustment is missing, and no matter of the window', {}, { 17: 4 }, [818, 819, MISSING], [0, 0], []],
    ['an estimated hour counts, and is shown', {}, { 19: 2 }, [818, 819, 817], [0, 0], ['estimated_readings']],
    ['consent withdrawn at 19:00 closes what starts then', { closed: Uint8Array.of(0, 1, 0) }, {}, [818, MISSING, 817], [0, 0], ['readings_closed']],
    ['dark from 19:30: that hour is not settled', { unserved: [{ start: window.end - HOUR / 2, end: window.end, state: 3 }] }, {}, [818, 819, 817], [0, 1], ['not_energised']],
    ['dark at 17:00: the zero of that hour adjusts nothing', { unserved: [{ start: window.start - HOUR, end: window.start, state: 2 }] }, {}, [818, 819, MISSING], [0, 0], []],
    ['no meter at all', { registers: { own: [], taken: [] } }, {}, [MISSING, MISSING, MISSING], [0, 0], ['no_meter']],
  ];
  it.each(rows)('%s', (_, over, quality, actual, notSettled, remarked) => {
    const given = { ...lane, ...over };
    const columns = columnsOf(plan, method, [given], sheets(quality));
    expect(Array.from(columns.input.actual)).toEqual(actual);
    expect(Array.from(columns.input.notSettled!)).toEqual(notSettled);
    expect(remarks(plan, method, columns, 0, given)).toEqual(remarked);
  });

  it('never open an excluded day', () => {
    const opened: string[] = [];
    const spy: Sheets = (shard, dayStart, minutes) => {
      opened.push(zone.dayOf(dayStart));
      return sheets()(shard, dayStart, minutes);
    };
    const { input } = columnsOf(plan, method, [{ ...lane, excluded: new Set(['2026-05-06']) }], spy);
    expect(Array.from(input.excluded)).toEqual([0, 1]);
    expect(opened).not.toContain('2026-05-06');
  });
});
