import type { Metering } from '../../gen/lachak/v1/metering_pb.ts';
import { type Record as Registered, Registry } from '../../gen/lachak/v1/registry_pb.ts';
import { grouped } from '../domain/grouped.ts';
import { type Instant, MINUTE } from '../domain/interval.ts';
import { conflict } from '../domain/outcome.ts';
import { type DayColumns, foldTiles, MISSING, TileError } from '../domain/tile.ts';
import type { Connect, Database, Deps, Handlers } from '../host/room.ts';
import type { Influx } from './influx-store.ts';
import { type KnownMeter, stateAt } from './known.ts';
import { areasOf, connectionsNamed, metersOfShard } from './places-store.ts';
import { plain, type ReadingStore } from './reading-store.ts';
import { daysWithTiles, type TileRow, tilesOf } from './store.ts';
import { areaPath } from './supply.ts';

type Keeping = { readonly readings: ReadingStore; readonly influx: Influx | null };
const TOLD_EVERY = 250;
/** What a chart shows first. */
const DRAWN_DAYS = 7;
const DRAWN = ['load_area', 'load_resource', 'load_meter'] as const;
const PAGE = 1000;

/** What keeps the store honest and what draws from it: neither is in anybody's way to a statement. */
export function keepingHandlers(
  { database, clock, connect }: Deps,
  { readings, influx }: Keeping,
): Pick<Handlers<typeof Metering>, 'checkReadings' | 'projectReadings'> {
  return {
    checkReadings: async function* ({ days, record, repair }, { discom, signal }) {
      if ((record || repair) && !influx)
        throw conflict(
          'tiles_are_the_record',
          'the tiles are the record here: there is no other behind them',
          record ? 'record' : 'repair',
        );
      const all = await tilesOf(database, discom, { ...(days.length > 0 ? { days } : {}), asOf: null });
      const rows = all.filter(({ removedAt }) => removedAt === null);
      let statements = 0n;
      let faults: { path: string; where: string; problem: string; madeAgain: boolean }[] = [];
      for (const [i, row] of rows.entries()) {
        signal.throwIfAborted();
        const found = await readings.faults(discom, row, record);
        const madeAgain = repair && found.some(({ where }) => where === 'tile') && (await isMadeAgain(readings, discom, row));
        for (const fault of found) faults.push({ path: row.path, ...fault, madeAgain: madeAgain && fault.where === 'tile' });
        statements += BigInt(row.statements);
        if ((i + 1) % TOLD_EVERY !== 0) continue;
        yield { checked: BigInt(i + 1), statements, faults };
        faults = [];
      }
      yield { checked: BigInt(rows.length), statements, faults };
    },
    projectReadings: async function* ({ days, meterIds, allDays, areasOnly }, { discom, signal }) {
      if (!influx) throw conflict('no_influx', 'there is no InfluxDB to write series into: set influxUrl');
      const every = days.length > 0 ? days : await daysWithTiles(database, discom, '0000-01-01', '9999-12-31');
      const meters = new Set(meterIds);
      for (const day of days.length > 0 || allDays ? every : every.slice(-DRAWN_DAYS)) {
        signal.throwIfAborted();
        const rows = await tilesOf(database, discom, { days: [day], asOf: clock.now() });
        let points = 0;
        for (const ofZone of grouped(rows, (row) => `${row.zone} ${row.intervalMinutes} ${row.dayStart}`).values()) {
          const resources = areasOnly ? NO_RESOURCES : await resourcesAt(connect, discom, ofZone[0]!.dayStart);
          const lines = await seriesOf(database, readings, discom, ofZone, { meters, resources });
          await influx.query(DRAWN.map((name) => forgetting(name, discom, ofZone[0]!)));
          await influx.write(lines);
          points += lines.length;
        }
        yield { day, points: BigInt(points) };
      }
    },
  };
}

async function isMadeAgain(readings: ReadingStore, discom: string, row: TileRow): Promise<boolean> {
  try {
    await readings.lay(discom, [row]);
  } catch (error) {
    if (error instanceof TileError) return false; // what the record has of it is said with `record`
    throw error;
  }
  return (await readings.faults(discom, row, false)).length === 0;
}

type Sum = { importWh: number; exportWh: number; meters: number; missing: number };

/** By settlement point's register: a sub-meter of its own, or the connection's meter. */
type Resources = { readonly ofMeter: ReadonlyMap<string, string[]>; readonly ofConnection: ReadonlyMap<string, string[]> };
type Drawn = { readonly meters: ReadonlySet<string>; readonly resources: Resources };
const NO_RESOURCES: Resources = { ofMeter: new Map(), ofConnection: new Map() };

/** Where each resource was measured that day, as the registry has it: this room keeps no resources. */
async function resourcesAt(connect: Connect, discom: string, at: Instant): Promise<Resources> {
  const points = new Map<string, { connectionId: string; subMeterId: string }>();
  for await (const { case: noun, value } of recordsOf(connect, discom, 'settlement_points', at))
    if (noun === 'settlementPoint') points.set(value.settlementPointId, value);
  const [ofMeter, ofConnection] = [new Map<string, string[]>(), new Map<string, string[]>()];
  for await (const { case: noun, value } of recordsOf(connect, discom, 'resources', at)) {
    const point = noun === 'resource' ? points.get(value.settlementPointId) : undefined;
    if (noun !== 'resource' || !point) continue;
    const [of, key] = point.subMeterId === '' ? [ofConnection, point.connectionId] : [ofMeter, point.subMeterId];
    of.set(key, [...(of.get(key) ?? []), value.resourceId]);
  }
  return { ofMeter, ofConnection };
}

async function* recordsOf(connect: Connect, discom: string, table: string, at: Instant): AsyncGenerator<Registered['record']> {
  for (let token = ''; ; ) {
    const page = { size: PAGE, token };
    const { records, nextPageToken } = await connect(Registry).listRecords({ table, atMs: BigInt(at), page }, { discom });
    for (const { record } of records) yield record;
    if (nextPageToken === '') return;
    token = nextPageToken;
  }
}

/**
 * A day of one zone, all shards: line protocol, one point an interval for each area, for each resource (the load at the register it is
 * measured on, also where others are behind the same one) and each meter named. A gap has no value.
 */
async function seriesOf(
  database: Database,
  readings: ReadingStore,
  discom: string,
  rows: readonly TileRow[],
  { meters: named, resources }: Drawn,
): Promise<string[]> {
  const { zone, intervalMinutes, dayStart, slots } = rows[0]!;
  const place = `discom=${plain(discom)},minutes=${intervalMinutes},zone=${plain(zone)}`;
  const time = (slot: number): string => `${dayStart + slot * intervalMinutes * MINUTE}000000`;
  const areas = await areasOf(database, discom);
  const sums = new Map<string, Sum[]>();
  const lines: string[] = [];
  for (const [shard, versions] of grouped(rows, (row) => row.shard)) {
    const tiles = [];
    for (const row of versions) tiles.push(await readings.read(discom, row));
    const columns = foldTiles(tiles)!;
    const meters = (await metersOfShard(database, discom, shard)).filter(
      (meter) => meter.zone === zone && meter.intervalMinutes === intervalMinutes,
    );
    const connections = await connectionsNamed(
      database,
      discom,
      meters.flatMap(({ links }) => links.map(({ connectionId }) => connectionId)),
    );
    for (const meter of meters) {
      const connectionId = stateAt(meter.links, dayStart)?.connectionId ?? '';
      const own = meter.parentMeterId === '' ? (resources.ofConnection.get(connectionId) ?? []) : [];
      if (named.has(meter.meterId))
        lines.push(...meterLines(columns, meter, `load_meter,meter=${plain(meter.meterId)},${place}`, time));
      for (const resource of [...own, ...(resources.ofMeter.get(meter.meterId) ?? [])])
        lines.push(...meterLines(columns, meter, `load_resource,${place},resource=${plain(resource)}`, time));
      // A sub-meter's energy is in its parent's already.
      if (meter.parentMeterId !== '') continue;
      const connection = connections.get(connectionId) ?? [];
      for (const area of areaPath(connection, areas, dayStart)) {
        const day = sums.get(area) ?? Array.from({ length: slots }, () => ({ importWh: 0, exportWh: 0, meters: 0, missing: 0 }));
        sums.set(area, day);
        for (const [slot, sum] of day.entries()) add(sum, ...cellOf(columns, slot, meter.ordinal));
      }
    }
  }
  for (const [area, day] of sums)
    for (const [slot, { importWh, exportWh, meters, missing }] of day.entries()) {
      const values = meters === 0 ? '' : `import_wh=${importWh}i,export_wh=${exportWh}i,`;
      lines.push(`load_area,area=${plain(area)},${place} ${values}meters=${meters}i,missing=${missing}i ${time(slot)}`);
    }
  return lines;
}

function meterLines(columns: DayColumns, meter: KnownMeter, series: string, time: (slot: number) => string): string[] {
  const lines: string[] = [];
  for (let slot = 0; slot < columns.slots; slot++) {
    const [importWh, exportWh] = cellOf(columns, slot, meter.ordinal);
    const values = [
      ...(importWh === MISSING ? [] : [`import_wh=${importWh}i`]),
      ...(exportWh === MISSING ? [] : [`export_wh=${exportWh}i`]),
    ];
    if (values.length > 0) lines.push(`${series} ${values.join(',')} ${time(slot)}`);
  }
  return lines;
}

function cellOf(columns: DayColumns, slot: number, ordinal: number): [importWh: number, exportWh: number] {
  if (ordinal >= columns.meters) return [MISSING, MISSING];
  const at = slot * columns.meters + ordinal;
  return [columns.importWh[at]!, columns.exportWh[at]!];
}

function add(sum: Sum, importWh: number, exportWh: number): void {
  if (importWh === MISSING && exportWh === MISSING) {
    sum.missing++;
    return;
  }
  sum.meters++;
  if (importWh !== MISSING) sum.importWh += importWh;
  if (exportWh !== MISSING) sum.exportWh += exportWh;
}

/** Series are drawn anew, so that a meter that has moved is not left in the area it was in. */
function forgetting(measurement: string, discom: string, { zone, intervalMinutes, dayStart, slots }: TileRow): string {
  const end = dayStart + slots * intervalMinutes * MINUTE;
  const where = `"discom" = '${plain(discom)}' AND "zone" = '${plain(zone)}' AND "minutes" = '${intervalMinutes}'`;
  return `DELETE FROM "${measurement}" WHERE ${where} AND time >= ${dayStart}ms AND time < ${end}ms`;
}
