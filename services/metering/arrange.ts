import { type Instant, MINUTE } from '../domain/interval.ts';
import { MISSING } from '../domain/tile.ts';
import type { CivilDay, ZoneDays } from '../domain/zone.ts';
import type { Findings } from './findings.ts';
import { type KnownMeter, stateAt } from './known.ts';
import type { Rows } from './rows.ts';

/** One shard on one civil day: what a file of tiles is about. */
export type TilePlace = {
  readonly shard: number;
  readonly zone: string;
  readonly intervalMinutes: number;
  readonly day: CivilDay;
  readonly dayStart: Instant;
  readonly slots: number;
};
/** The rows of one tile that became known at one instant, in order of delivery: they make at most one version. */
export type Group = { readonly place: TilePlace; readonly knownAt: Instant; readonly rows: Uint32Array };
export type Arranged = {
  readonly groups: readonly Group[];
  /** By row: the slot of its day; meaningless for a refused row. Its ordinal is its meter's. */
  readonly slot: Uint16Array;
  readonly refused: number;
};
export type ArrangeInput = {
  readonly rows: Rows;
  /** By index into `rows.meterIds`; null = unknown, or not this caller's to deliver for. */
  readonly meters: readonly (KnownMeter | null)[];
  readonly zoneDays: (zone: string) => ZoneDays;
  readonly now: Instant;
  /** For rows without a known_at of their own. */
  readonly knownAt: Instant;
  readonly findings: Findings;
};

/** By day, then shard; then by grid, of which a shard may have several. */
export const inOrder = (a: TilePlace, b: TilePlace): number =>
  a.dayStart - b.dayStart ||
  a.shard - b.shard ||
  a.intervalMinutes - b.intervalMinutes ||
  (a.zone < b.zone ? -1 : a.zone > b.zone ? 1 : 0);

type OpenDay = { place: TilePlace; end: Instant; groups: Map<Instant, number> };
const WH_MOST = 2 ** 31 - 1;
/** Civil days are written with four digits. */
export const YEAR_100 = Date.UTC(100, 0, 1);

/**
 * Puts each row into its tile and slot, in Wh (× the meter's factor, in place), and groups them by tile and known_at, ascending by known_at
 * within a tile. Refuses rows of unknown meters, off the grid, in the future, of a register the meter has not.
 */
export function arrange({ rows, meters, zoneDays, now, knownAt, findings }: ArrangeInput): Arranged {
  const calendars = meters.map((meter) => (meter ? zoneDays(meter.zone) : null));
  const open = new Map<string, OpenDay>();
  /** By meter index: the day its last row was of, and the factor where it never had another. */
  const lastDay: (OpenDay | undefined)[] = meters.map(() => undefined);
  const onlyFactor = meters.map((meter) => (meter && meter.links.length > 1 ? 0 : (meter?.links[0]?.factor ?? 1)));
  let lastGroup = { day: null as OpenDay | null, known: 0, group: 0 };
  const shardKeys = meters.map((meter) => (meter ? `${meter.shard} ${meter.zone} ${meter.intervalMinutes}` : ''));
  const groupOf = new Int32Array(rows.count).fill(-1);
  const slot = new Uint16Array(rows.count);
  const groups: { place: TilePlace; knownAt: Instant; count: number }[] = [];
  let refused = 0;
  const refuse = (row: number, column: string, code: Parameters<Findings['add']>[2], say: () => string): void => {
    refused++;
    findings.add(rows.line[row]!, column, code, say);
  };

  const dayOf = (index: number, meter: KnownMeter, start: Instant): OpenDay => {
    const last = lastDay[index];
    if (last !== undefined && last.place.dayStart <= start && start < last.end) return last;
    const calendar = calendars[index]!;
    const day = calendar.dayOf(start);
    const key = `${shardKeys[index]} ${day}`;
    let found = open.get(key);
    if (found === undefined) {
      const dayStart = calendar.startOf(day);
      const end = calendar.startOf(calendar.plus(day, 1));
      const slots = Math.floor((end - dayStart) / (meter.intervalMinutes * MINUTE));
      const { shard, zone, intervalMinutes } = meter;
      found = { place: { shard, zone, intervalMinutes, day, dayStart, slots }, end, groups: new Map() };
      open.set(key, found);
    }
    lastDay[index] = found;
    return found;
  };

  for (let row = 0; row < rows.count; row++) {
    const index = rows.meter[row]!;
    const meter = meters[index];
    if (!meter) {
      refuse(row, 'meter_id', 'unknown_meter', () => `there is no meter ${rows.meterIds[index]} that you may deliver for`);
      continue;
    }
    const start = rows.start[row]!;
    const intervalMs = meter.intervalMinutes * MINUTE;
    const known = Number.isNaN(rows.knownAt[row]!) ? knownAt : rows.knownAt[row]!;
    if (start + intervalMs > now || known > now) {
      refuse(row, 'interval_start', 'future', () => `${said(start + intervalMs > now ? start : known)} is not over yet`);
      continue;
    }
    if (start < YEAR_100 || !Number.isInteger(start)) {
      refuse(
        row,
        'interval_start',
        start < YEAR_100 ? 'not_an_instant' : 'off_grid',
        () => `${start} ms since 1970 is no start of an interval`,
      );
      continue;
    }
    const day = dayOf(index, meter, start);
    const at = (start - day.place.dayStart) / intervalMs;
    if (!Number.isInteger(at)) {
      refuse(row, 'interval_start', 'off_grid', () => `${said(start)} is not on the ${meter.intervalMinutes}-minute grid`);
      continue;
    }
    if ((rows.exportWh[row] !== MISSING && !meter.hasExport) || (rows.importWh[row] !== MISSING && !meter.hasImport)) {
      refuse(
        row,
        '',
        'no_such_register',
        () => `meter ${meter.meterId} has no ${meter.hasExport ? 'IMPORT' : 'EXPORT'} register`,
      );
      continue;
    }
    const factor = onlyFactor[index]! || (stateAt(meter.links, start)?.factor ?? 1);
    if (factor !== 1 && !multiply(rows, row, factor)) {
      refuse(row, 'import_wh', 'out_of_range', () => `times the meter's factor ${factor} it is more than ${WH_MOST} Wh`);
      continue;
    }
    let group = day === lastGroup.day && known === lastGroup.known ? lastGroup.group : day.groups.get(known);
    if (group === undefined) {
      group = groups.push({ place: day.place, knownAt: known, count: 0 }) - 1;
      day.groups.set(known, group);
    }
    if (day !== lastGroup.day || known !== lastGroup.known) lastGroup = { day, known, group };
    groups[group]!.count++;
    groupOf[row] = group;
    slot[row] = at;
  }
  return { groups: gathered(groups, groupOf), slot, refused };
}

/** As an instant where it is one: a stream may say anything. */
const said = (ms: number): string => (Math.abs(ms) <= 8.64e15 ? new Date(ms).toISOString() : `${ms} ms`);

function multiply(rows: Rows, row: number, factor: number): boolean {
  for (const column of [rows.importWh, rows.exportWh]) {
    if (column[row] === MISSING) continue;
    if (column[row]! * factor > WH_MOST) return false;
    column[row] = column[row]! * factor;
  }
  return true;
}

/** A counting sort: rows of one group side by side, in order of delivery. */
function gathered(groups: { place: TilePlace; knownAt: Instant; count: number }[], groupOf: Int32Array): Group[] {
  const next = new Float64Array(groups.length);
  let sum = 0;
  groups.forEach((group, i) => {
    next[i] = sum;
    sum += group.count;
  });
  const order = new Uint32Array(sum);
  for (let row = 0; row < groupOf.length; row++) {
    const group = groupOf[row]!;
    if (group >= 0) order[next[group]!++] = row;
  }
  return groups
    .map(({ place, knownAt, count }, i) => ({ place, knownAt, rows: order.subarray(next[i]! - count, next[i]!) }))
    .sort((a, b) => inOrder(a.place, b.place) || a.knownAt - b.knownAt);
}
