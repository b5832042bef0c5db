import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { emptyColumns, MISSING } from '../domain/tile.ts';
import { zoneDays } from '../host/zone.ts';
import { arrange } from './arrange.ts';
import { noFindings } from './findings.ts';
import type { KnownMeter } from './known.ts';
import { merge } from './merge.ts';
import { addRow, noRows } from './rows.ts';
import {
  daySumDiffers,
  judge,
  LIMITS,
  REJECT_LOAD,
  SUSPECT_LOAD,
  SUSPECT_SPIKE,
  SUSPECT_STUCK,
  unexplainedZeros,
  watcher,
} from './vee.ts';

const day = (fill: number, over: Record<number, number> = {}): Int32Array => {
  const wh = new Int32Array(48).fill(fill);
  for (const [slot, value] of Object.entries(over)) wh[Number(slot)] = value;
  return wh;
};
const waves = (over: Record<number, number> = {}): Int32Array =>
  day(0, { ...Array.from({ length: 48 }, (_, i) => 300 + (i % 7) * 40), ...over });

describe('one meter-day', () => {
  const rows: [why: string, wh: Int32Array, sanctionedLoadW: number, slot: number, verdict: number][] = [
    ['an ordinary reading', waves(), 5000, 20, 0],
    ['a gap says nothing', waves({ 20: MISSING }), 5000, 20, 0],
    ['a zero alone is a zero', waves({ 20: 0 }), 5000, 20, 0],
    ['a day of zeros is not stuck: nobody is home, or the supply is off', day(0), 5000, 47, 0],
    ['the 23rd equal half hour is not yet 12 hours', day(300), 5000, 22, 0],
    ['the 24th is', day(300), 5000, 23, SUSPECT_STUCK],
    ['a gap breaks the run', day(300, { 10: MISSING }), 5000, 30, 0],
    ['standby may stand still', day(20), 5000, 47, 0],
    ['ten times both neighbours and 12 kW', waves({ 19: 300, 20: 6000, 21: 300 }), 0, 20, SUSPECT_SPIKE],
    ['… but its connection may draw that', waves({ 19: 300, 20: 6000, 21: 300 }), 15_000, 20, 0],
    ['a rise that stays is no spike', waves({ 19: 300, 20: 6000, 21: 6000 }), 0, 20, 0],
    ['without a neighbour nobody can tell', waves({ 19: MISSING, 20: 6000, 21: 300 }), 0, 20, 0],
    ['twice the sanctioned load is still believed', waves({ 19: 4000, 20: 5000 }), 5000, 20, 0],
    ['above that it is doubted', waves({ 19: 4000, 20: 5001 }), 5000, 20, SUSPECT_LOAD],
    ['above ten times it is impossible', waves({ 19: 9000, 20: 25_001 }), 5000, 20, REJECT_LOAD],
  ];
  it.each(rows)('%s', (_, wh, sanctionedLoadW, slot, verdict) => {
    const verdicts = new Uint8Array(48);
    judge({ wh, intervalMinutes: 30, sanctionedLoadW }, LIMITS, verdicts);
    expect(verdicts[slot]).toBe(verdict);
  });

  const sums: [why: string, wh: Int32Array, register: number, differs: boolean][] = [
    ['adds up', day(100), 4800, false],
    ['each interval may have lost half a Wh', day(100), 4848, false],
    ['one Wh more does not', day(100), 4849, true],
    ['with a gap there is nothing to compare', day(100, { 3: MISSING }), 9999, false],
  ];
  it.each(sums)('against its daily register: %s', (_, wh, register, differs) =>
    expect(daySumDiffers(wh, register, LIMITS)).toBe(differs),
  );
});

it('of many meters side by side every one that has a verdict is noticed', () => {
  const calm = fc.constantFrom(30, 31, 240, MISSING);
  const value = fc.oneof({ weight: 40, arbitrary: calm }, { weight: 1, arbitrary: fc.integer({ min: 0, max: 60_000 }) });
  const run = fc.tuple(value, fc.integer({ min: 1, max: 60 })).map(([wh, times]) => Array<number>(times).fill(wh));
  const series = fc
    .array(
      fc.oneof(
        run,
        value.map((wh) => [wh]),
      ),
      { minLength: 1, maxLength: 60 },
    )
    .map((runs) => runs.flat());
  let found = 0;
  let calmly = 0;
  fc.assert(
    fc.property(fc.constantFrom(5, 7, 15, 30, 60, 720), fc.constantFrom(0, 1000, 5000), series, (minutes, watts, whole) => {
      const wh = Int32Array.from(whole.slice(0, Math.floor(1440 / minutes)));
      const any = judge({ wh, intervalMinutes: minutes, sanctionedLoadW: watts }, LIMITS, new Uint8Array(wh.length));
      const { see, noticed } = watcher(Float64Array.of(0, watts), minutes, LIMITS);
      for (const one of wh) see(Int32Array.of(30, one));
      if (any) found++;
      if (noticed[1] === 0) calmly++;
      expect(noticed[1]).toBeGreaterThanOrEqual(Number(any));
    }),
    { numRuns: 2000 },
  );
  expect(Math.min(found, calmly)).toBeGreaterThan(200);
});

describe('a feeder with ten meters', () => {
  const export0 = day(MISSING);
  const feeder = (dark: number, over: { exportWh?: Int32Array; idle?: number } = {}) =>
    Array.from({ length: 10 }, (_, i) => ({
      importWh: i < dark ? waves({ 20: 0 }) : i >= 10 - (over.idle ?? 0) ? day(0, { 5: 900 }) : waves(),
      exportWh: over.exportWh ?? export0,
    }));
  const rows: [why: string, meters: ReturnType<typeof feeder>, explained: boolean, suspect: number][] = [
    ['five at zero at once is no coincidence', feeder(5), false, 1],
    ['four are too few to say', feeder(4), false, 0],
    ['an outage on record explains it', feeder(5), true, 0],
    ['homes that export are not dark', feeder(5, { exportWh: day(400) }), false, 0],
    ['idle chargers say nothing', feeder(4, { idle: 4 }), false, 0],
  ];
  it.each(rows)('%s', (_, meters, explained, suspect) => {
    const suspects = unexplainedZeros({ slots: 48, meters, explained: () => explained }, LIMITS);
    expect([suspects[19], suspects[20]]).toEqual([0, suspect]);
  });
});

describe('the rows of one delivery', () => {
  const start = Date.parse('2026-05-01T00:00:00+05:30');
  const meter: KnownMeter = {
    ...{
      meterId: 'm',
      shard: 0,
      ordinal: 0,
      zone: 'Asia/Kolkata',
      intervalMinutes: 30,
      hasImport: true,
      hasExport: true,
      parentMeterId: '',
      source: '',
    },
    links: [{ from: start, to: null, connectionId: 'c', factor: 2 }],
  };
  type Row = { minutes?: number; wh?: number; out?: number; quality?: number; meter?: number };
  const deliver = (rows: readonly Row[], live = emptyColumns(48, 1)) => {
    const all = noRows();
    all.meterIds.push('m', 'stranger');
    rows.forEach((row, i) => {
      addRow(
        all,
        row.meter ?? 0,
        start + (row.minutes ?? 0) * 60_000,
        row.wh ?? MISSING,
        row.out ?? MISSING,
        row.quality ?? 1,
        Number.NaN,
        i + 2,
      );
    });
    const findings = noFindings();
    const now = start + 86_400_000;
    const { groups, slot, refused } = arrange({ rows: all, meters: [meter, null], zoneDays, now, knownAt: now, findings });
    const members = [{ meterId: 'm', sanctionedLoadW: 5000, areaId: 'f' }];
    const ordinalOf = Int32Array.of(0, -1);
    const common = {
      rows: all,
      slot,
      ordinalOf,
      live,
      members,
      daySums: new Map(),
      explained: () => false,
      limits: LIMITS,
      findings,
    };
    const merged = groups.map((group) => merge({ ...common, group }));
    const said = merged.flatMap(({ statements: s }) =>
      [...s.slot].map((at, i) => [at, s.importWh[i], s.exportWh[i], s.quality[i]]),
    );
    return { said, codes: [...findings.counts.keys()], refused, merged };
  };
  const known = emptyColumns(48, 1);
  known.importWh[0] = 20;
  known.quality[0] = 1;

  const cases: [why: string, rows: Row[], said: (number | undefined)[][], codes: string[]][] = [
    ['Wh are what was delivered times the factor', [{ wh: 10 }], [[0, 20, MISSING, 1]], []],
    ['an identical repeat is ignored', [{ wh: 10 }, { wh: 10 }], [[0, 20, MISSING, 1]], []],
    ['a different one makes the first doubtful', [{ wh: 10 }, { wh: 11 }], [[0, 20, MISSING, 4]], ['duplicate']],
    ['the registers may come in rows of their own', [{ wh: 10 }, { out: 3 }], [[0, 20, 6, 1]], []],
    ['off the grid', [{ minutes: 40, wh: 10 }], [], ['off_grid']],
    ['not over yet', [{ minutes: 24 * 60, wh: 10 }], [], ['future']],
    ['nobody knows this meter', [{ meter: 1, wh: 10 }], [], ['unknown_meter']],
    ['beyond the connection', [{ wh: 20_000 }], [], ['implausible']],
    ['times the factor it is too much for a column', [{ wh: 2_000_000_000 }], [], ['out_of_range']],
  ];
  it.each(cases)('%s', (_, rows, said, codes) => expect(deliver(rows)).toMatchObject({ said, codes }));

  it('say nothing when they say what is known, and withdraw what is', () => {
    expect(deliver([{ wh: 10 }], known)).toMatchObject({ said: [], merged: [{ unchanged: 1, correction: false }] });
    expect(deliver([{ quality: 5 }], known)).toMatchObject({ said: [[0, MISSING, MISSING, 5]], merged: [{ correction: true }] });
    expect(deliver([{ wh: 11 }], known)).toMatchObject({ said: [[0, 22, MISSING, 1]], merged: [{ correction: true }] });
  });
});
