import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { hex } from '../domain/hex.ts';
import { merkleRoot } from '../domain/merkle.ts';
import { emptyColumns, MISSING, state } from '../domain/tile.ts';
import { sha256, sha256Hex } from '../host/ids.ts';
import { zoneDays } from '../host/zone.ts';
import { arrange } from './arrange.ts';
import { type Blocks, keep, noBlocks, piecesOf, rowsOf } from './blocks.ts';
import { appendColumns, type Grids, type PackedColumns } from './columns.ts';
import { absorb, type Findings, noFindings } from './findings.ts';
import type { KnownMeter } from './known.ts';
import { layDay } from './lay.ts';
import { merge } from './merge.ts';
import { readingsReader } from './reader.ts';
import { dayRoot } from './root-service.ts';
import { noRows, type Rows } from './rows.ts';
import { noSheet, type Sheet } from './sheet.ts';
import { type Sorted, sortOut } from './sort-out.ts';
import { meterDayDigest } from './testing.ts';
import { encodeVersion, slotsOf } from './tile-version.ts';
import type { Member } from './validate.ts';
import { LIMITS } from './vee.ts';

// The straight road and the general way must make the same of whatever comes: tiles byte for byte, counts, findings and their order.

const START = Date.parse('2026-05-01T00:00:00+05:30');
const HOUR = 3_600_000;
const NOW = START + 40 * HOUR;
const HOURLY = 60;
const meter = (n: number, over: Partial<KnownMeter> = {}): KnownMeter => ({
  ...{ meterId: `m-${n}`, shard: n % 2, ordinal: n >> 1, zone: 'Asia/Kolkata', intervalMinutes: HOURLY },
  ...{ hasImport: true, hasExport: n < 4, parentMeterId: '', source: '' },
  links: [{ from: 0, to: null, connectionId: `c-${n}`, factor: n === 3 ? 10 : 1 }],
  ...over,
});
const METERS: readonly (KnownMeter | null)[] = [
  ...Array.from({ length: 14 }, (_, n) => meter(n)),
  meter(14, { links: [1, 2].map((factor, i) => ({ from: i * START, to: null, connectionId: 'c-14', factor })) }),
  meter(15, { intervalMinutes: 30 }),
  meter(16, { hasImport: false, hasExport: true }),
  // A stranger.
  null,
];
const nameOf = (n: number): string => `m-${n}`;
const memberOf =
  (shard: number) =>
  (_: unknown, ordinal: number): Member | undefined => {
    const n = ordinal * 2 + shard;
    return n < 17 ? { meterId: nameOf(n), sanctionedLoadW: n % 3 === 0 ? 0 : 3000, areaId: n % 5 === 0 ? '' : 'f' } : undefined;
  };

const wh = fc.oneof(
  { weight: 10, arbitrary: fc.integer({ min: 0, max: 4000 }) },
  { weight: 4, arbitrary: fc.constantFrom(0, 250) },
  { weight: 2, arbitrary: fc.constant(MISSING) },
  { weight: 1, arbitrary: fc.constantFrom(12_000, 40_000, 2 ** 31 - 1) },
);
/** Seldom: what spoils a block's straight road. */
const seldom = <T>(usual: T, ...strange: T[]) =>
  fc.oneof({ weight: 12, arbitrary: fc.constant(usual) }, { weight: 1, arbitrary: fc.constantFrom(...strange) });
const block = fc
  .record({
    hour: fc.oneof({ weight: 5, arbitrary: fc.integer({ min: 0, max: 30 }) }, { weight: 1, arbitrary: fc.constant(39) }),
    minute: seldom(0, 20),
    slots: fc.integer({ min: 1, max: 26 }),
    meters: fc.oneof(
      { weight: 5, arbitrary: fc.uniqueArray(fc.integer({ min: 0, max: 13 }), { minLength: 1, maxLength: 14 }) },
      { weight: 1, arbitrary: fc.array(fc.integer({ min: 0, max: 17 }), { minLength: 1, maxLength: 6 }) },
      { weight: 2, arbitrary: fc.constant(Array.from({ length: 14 }, (_, n) => n)) },
    ),
    stuck: fc.boolean(),
    dark: fc.boolean(),
    exports: fc.boolean(),
    qualities: fc.boolean(),
    known: seldom(NOW, NOW - HOUR, NOW + HOUR),
    spoilt: seldom(0, -3),
  })
  .chain((shape) => {
    const values = shape.meters.length * shape.slots;
    const column = fc.array(wh, { minLength: values, maxLength: values });
    const said = fc.array(seldom(1, 0, 2, 3, 4, 5, 6), { minLength: values, maxLength: values });
    return fc.record({ shape: fc.constant(shape), imports: column, exports: column, said });
  })
  .map(({ shape, imports, exports, said }): PackedColumns => {
    const importWh = Int32Array.from(imports);
    if (shape.stuck) importWh.fill(300, 0, Math.min(importWh.length, 14));
    // An hour in which all of them read zero.
    if (shape.dark) for (let at = 0; at < importWh.length; at += shape.slots) importWh[at] = 0;
    if (shape.spoilt !== 0) importWh[0] = shape.spoilt;
    return {
      start: START + shape.hour * HOUR + shape.minute * 60_000,
      ...{ intervalMinutes: HOURLY, slots: shape.slots, meterIds: shape.meters.map(nameOf), importWh, knownAt: shape.known },
      exportWh: shape.exports ? Int32Array.from(exports) : null,
      quality: shape.qualities ? Uint8Array.from(said) : null,
    };
  });

type Made = { tiles: unknown[]; counts: number[]; findings: Findings; straight: number; repeated: number };

/** What `ingest` makes of it where nothing was stored before. */
function made(input: { rows: Rows; told: Sheet | Blocks | null; findings: Findings }): Made {
  const { findings } = input;
  const meters = input.rows.meterIds.map((id) => METERS[Number(id.slice(2))] ?? null);
  const sorted: Sorted = sortOut({ ...input, meters, zoneDays, now: NOW, knownAt: NOW });
  const tiles: unknown[] = [];
  const counts = [0, 0, 0, sorted.refused];
  const add = (of: { stored: number; unchanged: number; suspect: number; refused: number }): void => {
    for (const [i, name] of (['stored', 'unchanged', 'suspect', 'refused'] as const).entries()) counts[i]! += of[name];
  };
  const common = { daySums: new Map([[2, 9000]]), limits: LIMITS };
  let repeated = 0;
  for (const day of sorted.days) {
    const { place, knownAt, told, ordinalOf, factorOf } = day;
    if (day.repeated) {
      repeated++;
      const rows = { ...day.rows(), daySums: input.rows.daySums };
      layGroups({ rows, ...arrange({ rows, meters, zoneDays, now: NOW, knownAt: NOW, findings }) });
      continue;
    }
    const members = Array.from({ length: 9 }, memberOf(place.shard));
    const name = { ...place, meters: 9, version: 1, knownAt };
    const laid = layDay({ name, zone: place.zone, told, ordinalOf, factorOf, members, ...common }, { sha256, dayRoot });
    add(laid);
    absorb(findings, laid.found);
    if (laid.bytes) tiles.push([place, 1, knownAt, laid.digest, sha256Hex(laid.bytes), laid.merkleRoot]);
  }
  layGroups(sorted);
  return { tiles, counts, findings, straight: sorted.days.length - repeated, repeated };

  function layGroups({ rows, groups, slot }: Pick<Sorted, 'rows' | 'groups' | 'slot'>): void {
    const ordinalOf = Int32Array.from(meters, (one) => one?.ordinal ?? -1);
    let open = { place: null as unknown, live: emptyColumns(0, 0), version: 0 };
    for (const group of groups) {
      const { place, knownAt } = group;
      if (open.place !== place) open = { place, live: emptyColumns(place.slots, 9), version: 0 };
      const { live } = open;
      const members = Array.from({ length: 9 }, memberOf(place.shard));
      const merged = merge({ rows, group, slot, ordinalOf, live, members, explained: () => false, findings, ...common });
      add(merged);
      if (merged.stored === 0) continue;
      const name = { ...place, meters: 9, version: ++open.version, knownAt };
      const { statements: s } = merged;
      const { bytes } = encodeVersion(name, s, open.version === 1);
      for (let i = 0; i < s.slot.length; i++)
        state(live, s.slot[i]! * 9 + s.ordinal[i]!, s.importWh[i]!, s.exportWh[i]!, s.quality[i]!);
      const meterDays = members.flatMap((member, ordinal) => {
        const digest = member ? meterDayDigest(place, member.meterId, slotsOf(live, ordinal)) : null;
        return digest === null ? [] : [digest];
      });
      const digest = sha256Hex(bytes);
      tiles.push([place, open.version, knownAt, digest, digest, hex(merkleRoot(meterDays, sha256))]);
    }
  }
}

const said = ({ tiles, counts, findings }: Made) => ({ tiles, counts, first: findings.first, of: [...findings.counts].sort() });

describe('as it lies', () => {
  it('a stream of packed columns makes what its rows make', () => {
    let [straight, general] = [0, 0];
    fc.assert(
      fc.property(fc.array(block, { minLength: 1, maxLength: 3 }), (blocks) => {
        const slow = { rows: noRows(), told: null, findings: noFindings() };
        const slowGrids: Grids = new Map();
        for (const one of blocks) appendColumns(slow.rows, slowGrids, one, slow.findings);
        const told = noBlocks();
        const rows = noRows();
        const grids: Grids = new Map();
        const through = blocks.findIndex((one) => !keep(told, rows.meterIds, grids, one));
        const left = through === -1 ? [] : blocks.slice(through);
        const findings = noFindings();
        const fast = left.length === 0 ? rows : rowsOf(piecesOf(told), rows.meterIds);
        for (const one of left) appendColumns(fast, grids, one, findings);
        const found = made({ rows: fast, told: left.length === 0 ? told : null, findings });
        if (found.straight > 0) straight++;
        if (found.straight === 0 || found.repeated > 0) general++;
        expect(said(found)).toEqual(said(made(slow)));
      }),
      { numRuns: 300 },
    );
    // Both are looked at, neither by chance alone.
    expect(Math.min(straight, general)).toBeGreaterThan(20);
  });

  const field = (wh: number): string => (wh === MISSING ? '' : String(wh));
  const line = fc
    .record({
      n: fc.oneof(
        { weight: 12, arbitrary: fc.integer({ min: 0, max: 13 }) },
        { weight: 1, arbitrary: fc.integer({ min: 0, max: 17 }) },
      ),
      hour: fc.integer({ min: 0, max: 30 }),
      stamp: seldom('', '20', 'Z', 'x'),
      imports: wh,
      exports: fc.oneof({ weight: 9, arbitrary: fc.constant(MISSING) }, { weight: 1, arbitrary: wh }),
      end: seldom('', '\r', ',', '-', '.0'),
    })
    .map(({ n, hour, stamp, imports, exports, end }) => {
      const at = new Date(START + hour * HOUR + 19_800_000).toISOString().slice(0, 14);
      const minute = stamp === '20' ? '20:00+05:30' : stamp === '' ? '00:00+05:30' : `00:00${stamp}`;
      return [nameOf(n), at + minute, field(imports) + (end === '.0' ? end : ''), field(exports) + (end === '.0' ? '' : end)];
    });
  const wholeDay = fc
    .tuple(fc.uniqueArray(fc.integer({ min: 0, max: 13 }), { minLength: 1 }), fc.boolean())
    .map(([of, byMeter]) => {
      const cells = of.flatMap((n) => Array.from({ length: 24 }, (_, hour) => ({ n, hour })));
      if (!byMeter) cells.sort((a, b) => a.hour - b.hour);
      return cells.map(({ n, hour }) => {
        const at = new Date(START + hour * HOUR + 19_800_000).toISOString().slice(0, 16);
        return [nameOf(n), `${at}+05:30`, String((n * 977 + hour * 131) % 1500), ''];
      });
    });
  const csv = fc
    .record({
      lines: fc.oneof(
        wholeDay,
        fc.tuple(wholeDay, fc.array(line, { maxLength: 3 })).map(([day, more]) => [...day, ...more]),
      ),
      shuffled: fc.boolean(),
      width: fc.constantFrom(3, 4, 5, 6),
    })
    .map(({ lines, shuffled, width }) => {
      const names = ['meter_id', 'interval_start', 'import_wh', 'export_wh', 'quality', 'day_import_wh'];
      const columns = shuffled ? [2, 0, 1, 3, 4, 5].slice(0, width) : [0, 1, 2, 3, 4, 5].slice(0, width);
      const row = (fields: readonly string[]): string => columns.map((column) => fields[column] ?? '').join(',');
      return Buffer.from([row(names), ...lines.map(row), ''].join('\n'));
    });

  it('a CSV makes what its rows make, in any pieces', () => {
    let [straight, general] = [0, 0];
    fc.assert(
      fc.property(csv, fc.integer({ min: 20, max: 4000 }), (bytes, piece) => {
        const read = (into: Sheet | null, size: number) => {
          const findings = noFindings();
          const reader = readingsReader(findings, into);
          try {
            for (let at = 0; at < bytes.length; at += size) reader.push(bytes.subarray(at, at + size));
            const { rows, sheet, lines, empty } = reader.end();
            const found = made({ rows, told: sheet, findings });
            return { found, lines, empty, count: (sheet ?? rows).count };
          } catch (error) {
            return { refused: (error as Error).message };
          }
        };
        const fast = read(noSheet(), piece);
        if ((fast.found?.straight ?? 0) > 0) straight++;
        // As rows, or one of its days.
        if (fast.found && (fast.found.straight === 0 || fast.found.repeated > 0)) general++;
        // Line by line nothing is quick: a line that was held back is read field by field.
        const slow = read(null, 7);
        expect({ ...fast, found: fast.found && said(fast.found) }).toEqual({ ...slow, found: slow.found && said(slow.found) });
      }),
      { numRuns: 300 },
    );
    expect(Math.min(straight, general)).toBeGreaterThan(20);
  });
});
