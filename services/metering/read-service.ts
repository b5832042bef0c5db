import { setImmediate as breathe } from 'node:timers/promises';
import { permits } from '../domain/consent.ts';
import { grouped } from '../domain/grouped.ts';
import { contains, type Instant, type Interval, MINUTE } from '../domain/interval.ts';
import { invalid, notFound } from '../domain/outcome.ts';
import { applyTile, type DayColumns, emptyColumns, foldTiles, MISSING, type Tile } from '../domain/tile.ts';
import type { CivilDay } from '../domain/zone.ts';
import type { Caller, Database } from '../host/room.ts';
import { zoneDays } from '../host/zone.ts';
import { consentsReaching, recordUse } from './consents-store.ts';
import { toldRows } from './fold.ts';
import { type KnownMeter, stateAt } from './known.ts';
import { connectionsNamed, metersNamed, metersOfShard, shardsOf } from './places-store.ts';
import type { ReadingStore } from './reading-store.ts';
import { daysWithTiles, placeOf, type TileRow, tilesOf } from './store.ts';
import { type MeterSlots, slotsOf } from './tile-version.ts';
import { likeWindows } from './typical.ts';

export type Reading = { readonly database: Database; readonly readings: ReadingStore };
export type Series = MeterSlots & { readonly intervalMinutes: number; readonly start: Instant };
const SPAN_MOST_DAYS = 800;
/** Meters of an export between two looks at what else there is to do. */
const BREATH = 256;

/**
 * One meter through a span, as known at `asOf`; what the caller may not see is missing, and a meter he may never see is not found.
 * What an organisation asks for is kept with the consents that let it see.
 */
export async function seriesOf(
  { database, readings }: Reading,
  caller: Caller,
  meterId: string,
  span: Interval,
  asOf: Instant,
  now: Instant,
): Promise<Series> {
  const meter = (await metersNamed(database, caller.discom, [meterId])).get(meterId);
  const absent = notFound('meter_not_found', `there is no meter ${meterId}`, 'meter_id');
  if (!meter) throw absent;
  if (span.end <= span.start) throw invalid('interval_must_be_positive', 'the span ends before it starts', 'span');
  if (span.end - span.start > SPAN_MOST_DAYS * 86_400_000)
    throw invalid('span_too_long', `ask for at most ${SPAN_MOST_DAYS} days at a time`, 'span');
  const used = new Set<string>();
  const sees = await sightOf(database, caller, meter, used);
  const audit = { at: now, subject: caller.subject, organisation: caller.organisation, meterId, span };
  if (sees === 'nothing') {
    if (isOrganisation(caller)) await recordUse(database, caller.discom, { ...audit, consentIds: [] });
    throw absent;
  }
  const step = meter.intervalMinutes * MINUTE;
  const days = daysWithin(meter, span);
  const grid = zoneDays(meter.zone).startOf(days[0]!);
  const start = grid + Math.ceil((span.start - grid) / step) * step;
  const length = Math.max(0, Math.ceil((span.end - start) / step));
  const found: Series = {
    start,
    intervalMinutes: meter.intervalMinutes,
    importWh: new Int32Array(length).fill(MISSING),
    exportWh: new Int32Array(length).fill(MISSING),
    quality: new Uint8Array(length),
  };
  for (const { row, columns } of await daysFolded({ database, readings }, caller.discom, days, [meter.shard], asOf)) {
    if (row.intervalMinutes !== meter.intervalMinutes || row.zone !== meter.zone) continue;
    const slots = slotsOf(columns, meter.ordinal);
    for (let slot = 0; slot < row.slots; slot++) {
      const at = row.dayStart + slot * step;
      const to = (at - start) / step;
      if (to < 0 || to >= length || (sees !== 'all' && !sees(at, row.day))) continue;
      found.importWh[to] = slots.importWh[slot]!;
      found.exportWh[to] = slots.exportWh[slot]!;
      found.quality[to] = slots.quality[slot]!;
    }
  }
  if (isOrganisation(caller)) await recordUse(database, caller.discom, { ...audit, consentIds: [...used].sort() });
  return found;
}

/** Mean W over the window's minutes on the last `count` like days with all of them; null where there is none. */
export async function typicalLoads(
  { database, readings }: Reading,
  discom: string,
  meterIds: readonly string[],
  window: Interval,
  count: number,
  asOf: Instant,
): Promise<(number | null)[]> {
  const meters = await metersNamed(database, discom, meterIds);
  const sums = new Map<string, { wh: number; days: number }>();
  for (const alike of grouped([...meters.values()], (meter) => `${meter.zone} ${meter.intervalMinutes}`).values()) {
    const { zone, intervalMinutes } = alike[0]!;
    const step = intervalMinutes * MINUTE;
    const shards = [...new Set(alike.map((meter) => meter.shard))];
    for (const like of likeWindows(window, zoneDays(zone))) {
      const open = alike.filter((meter) => (sums.get(meter.meterId)?.days ?? 0) < count);
      if (open.length === 0) break;
      const days = daysWithin(alike[0]!, like.window);
      const folded = (await daysFolded({ database, readings }, discom, days, shards, asOf)).filter(
        ({ row }) => row.zone === zone && row.intervalMinutes === intervalMinutes,
      );
      for (const meter of open) {
        let wh = 0;
        let known = 0;
        for (const { row, columns } of folded) {
          if (row.shard !== meter.shard || meter.ordinal >= columns.meters) continue;
          for (let slot = 0; slot < row.slots; slot++) {
            const cell = slot * columns.meters + meter.ordinal;
            if (!contains(like.window, row.dayStart + slot * step) || columns.importWh[cell] === MISSING) continue;
            wh += columns.importWh[cell]! - (columns.exportWh[cell] === MISSING ? 0 : columns.exportWh[cell]!);
            known++;
          }
        }
        if (known < Math.ceil((window.end - window.start) / step)) continue;
        const sum = sums.get(meter.meterId) ?? { wh: 0, days: 0 };
        sums.set(meter.meterId, { wh: sum.wh + wh, days: sum.days + 1 });
      }
    }
  }
  const hours = (window.end - window.start) / 3_600_000;
  return meterIds.map((id) => {
    const sum = sums.get(id);
    return sum ? Math.round(sum.wh / sum.days / hours) : null;
  });
}

/**
 * Every version of every reading as CSV lines, by day, shard, meter, slot and version; the whole slot as it was known then, so that
 * the lines can be delivered again. Equal state gives equal bytes.
 */
export async function* exportLines(
  { database, readings }: Reading,
  discom: string,
  meterIds: readonly string[],
  span: Interval,
): AsyncGenerator<string> {
  yield 'meter_id,interval_start,import_wh,export_wh,quality,known_at\n';
  const wanted = new Set(meterIds);
  // A day of any zone lies within a day and a half of its name.
  const edge = (at: Instant): CivilDay => new Date(at).toISOString().slice(0, 10);
  const days = await daysWithTiles(database, discom, edge(span.start - 129_600_000), edge(span.end + 129_600_000));
  const ofShard = new Map<number, KnownMeter[]>();
  for (const shard of await shardsOf(database, discom)) ofShard.set(shard, await metersOfShard(database, discom, shard));
  for (const day of days) {
    for (const stored of grouped(await tilesOf(database, discom, { days: [day], asOf: null }), placeOf).values()) {
      const versions = toldRows(stored);
      const { shard, zone, intervalMinutes, slots, dayStart } = versions[0]!;
      const meters = (ofShard.get(shard) ?? []).filter(
        (meter) =>
          (wanted.size === 0 || wanted.has(meter.meterId)) && meter.zone === zone && meter.intervalMinutes === intervalMinutes,
      );
      const lines = new Map<string, string[][]>(
        meters.map((meter) => [meter.meterId, Array.from({ length: slots }, (): string[] => [])]),
      );
      const columns = emptyColumns(
        slots,
        versions.reduce((most, row) => Math.max(most, row.meters), 0),
      );
      for (const version of versions) {
        const tile = await readings.read(discom, version);
        applyTile(columns, tile);
        const said = saidCells(tile);
        const known = new Date(version.knownAt).toISOString();
        for (const [m, { meterId, ordinal }] of meters.entries()) {
          // A full shard is two hundred thousand cells: the process has others to answer meanwhile.
          if (m % BREATH === 0) await breathe();
          for (let slot = 0; slot < slots; slot++) {
            const at = dayStart + slot * intervalMinutes * MINUTE;
            if (!said.has(slot * tile.header.meters + ordinal) || ordinal >= tile.header.meters || !contains(span, at)) continue;
            const cell = slot * columns.meters + ordinal;
            const quality = QUALITY[columns.quality[cell]!];
            lines
              .get(meterId)!
              [slot]!.push(
                `${meterId},${new Date(at).toISOString()},${text(columns.importWh[cell]!)},${text(columns.exportWh[cell]!)},${quality},${known}\n`,
              );
          }
        }
      }
      for (const meterId of [...lines.keys()].sort()) {
        const block = lines.get(meterId)!.flat().join('');
        if (block !== '') yield block;
      }
    }
  }
}

/** Days × shards as known at `asOf`, each folded to one state; `row` is the newest version. */
async function daysFolded(
  { database, readings }: Reading,
  discom: string,
  days: readonly CivilDay[],
  shards: readonly number[],
  asOf: Instant,
): Promise<{ row: TileRow; versions: TileRow[]; columns: DayColumns }[]> {
  if (days.length === 0 || shards.length === 0) return [];
  const found = [];
  for (const versions of grouped(await tilesOf(database, discom, { days, shards, asOf }), placeOf).values()) {
    const tiles = [];
    for (const row of versions) tiles.push(await readings.read(discom, row));
    found.push({ row: versions.at(-1)!, versions, columns: foldTiles(tiles)! });
  }
  return found;
}

const isOrganisation = ({ roles }: Caller): boolean =>
  !roles.some((role) => role === 'operator' || role === 'verifier' || role === 'room' || role === 'consumer');

/** Consumers see what was read while they held the connection, organisations what the one who held it shares; `used`: by which consents. */
async function sightOf(
  database: Database,
  caller: Caller,
  meter: KnownMeter,
  used: Set<string>,
): Promise<'all' | 'nothing' | ((at: Instant, day: CivilDay) => boolean)> {
  const { discom, roles, organisation, participant } = caller;
  if (roles.some((role) => role === 'operator' || role === 'verifier' || role === 'room')) return 'all';
  const ids = meter.links.map((link) => link.connectionId);
  const connections = await connectionsNamed(database, discom, ids);
  const placeAt = (at: Instant) => {
    const connectionId = stateAt(meter.links, at)?.connectionId ?? '';
    return { connectionId, participantId: stateAt(connections.get(connectionId) ?? [], at)?.participantId ?? '' };
  };
  if (!isOrganisation(caller)) {
    const theirs = [...connections.values()].flat().some((state) => state.participantId === participant);
    return theirs ? (at) => placeAt(at).participantId === participant : 'nothing';
  }
  const consents = await consentsReaching(database, discom, organisation, ids);
  if (consents.length === 0) return 'nothing';
  return (at, day) => {
    const use = { ...placeAt(at), purpose: 'READINGS', organisationId: organisation, at, day } as const;
    const consent = consents.find((one) => permits([one], { ...use, programmeId: one.programmeId }) === 'permitted');
    if (consent) used.add(consent.consentId);
    return consent !== undefined;
  };
}

function daysWithin(meter: KnownMeter, span: Interval): CivilDay[] {
  const zone = zoneDays(meter.zone);
  const days: CivilDay[] = [];
  for (let day = zone.dayOf(span.start); zone.startOf(day) < span.end; day = zone.plus(day, 1)) days.push(day);
  return days;
}

/** slot × meters + ordinal of every cell a version speaks of. */
function saidCells(tile: Tile): Set<number> {
  const { header, statements } = tile;
  const said = new Set<number>();
  for (let i = 0; i < statements.slot.length; i++) said.add(statements.slot[i]! * header.meters + statements.ordinal[i]!);
  if (header.kind === 'delta') return said;
  for (let slot = 0; slot < header.slots; slot++)
    for (const register of ['import', 'export'] as const)
      tile.column(register, slot).forEach((wh, ordinal) => {
        if (wh !== MISSING) said.add(slot * header.meters + ordinal);
      });
  return said;
}

const text = (wh: number): string => (wh === MISSING ? '' : String(wh));
// A withdrawn slot is known to be empty.
const QUALITY = ['REJECTED', 'VALID', 'ESTIMATED', 'MANUAL', 'SUSPECT', 'REJECTED'];
