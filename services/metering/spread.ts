import { type Instant, MINUTE } from '../domain/interval.ts';
import { MISSING } from '../domain/tile.ts';
import type { ZoneDays } from '../domain/zone.ts';
import { inOrder, type TilePlace, YEAR_100 } from './arrange.ts';
import type { KnownMeter } from './known.ts';
import type { CellsTold } from './lay.ts';
import type { Rows } from './rows.ts';
import { rowsFrom, type Sheet, type SheetColumn } from './sheet.ts';

/** What a delivery tells of one tile, to be laid as it lies. */
export type StraightDay = {
  readonly place: TilePlace;
  readonly knownAt: Instant;
  readonly told: CellsTold;
  /** By index of the meter: its place in the tile, −1 = of another one; and Wh per unit of its register. */
  readonly ordinalOf: Int32Array;
  readonly factorOf: Int32Array;
  /** Some cell of it was told more than once: what holds is for `merge` to say. */
  repeated: boolean;
  /** The same as rows, in order of delivery. */
  rows(): Rows;
};
export type Spread = {
  /** In the order of `arrange`. */
  readonly days: readonly StraightDay[];
  /** What needs looking at one by one: of unknown meters, off the grid, of the future, … */
  readonly others: Rows;
};
export type SpreadInput<Told> = {
  readonly told: Told;
  readonly meterIds: string[];
  readonly meters: readonly (KnownMeter | null)[];
  readonly zoneDays: (zone: string) => ZoneDays;
  readonly now: Instant;
  readonly knownAt: Instant;
};

/** Where meters are that share their days. */
export type Grid = {
  readonly shard: number;
  readonly zone: string;
  readonly minutes: number;
  ordinalOf: Int32Array;
  factorOf: Int32Array;
};
export const WH_MOST = 2 ** 31 - 1;

type Open = StraightDay & {
  readonly told: { readonly columns: { slot: number; column: SheetColumn }[] };
  readonly own: Set<SheetColumn>;
};

/**
 * Finds the tiles of a sheet by meter and by interval instead of reading by reading: where nothing can be wrong with a meter, nor with an
 * interval, nothing is with their cells but what `validate` finds. Null where one place would be claimed twice, or a factor is too much.
 */
export function spread({ told: sheet, meterIds, meters, zoneDays, now, knownAt }: SpreadInput<Sheet>): Spread | null {
  const known = Number.isNaN(sheet.knownAt) ? knownAt : sheet.knownAt;
  const { grids, gridOf } = gridsOf(sheet, meters);
  if (grids.some(({ ordinalOf }) => claimedTwice(ordinalOf))) return null;
  if (!factorsFit(sheet, grids)) return null;
  const plain = new Map<SheetColumn, (Open | null)[]>();
  const open = new Map<string, Open>();
  const starts = [...sheet.columns.values()].sort((a, b) => a.start - b.start);
  for (const column of starts)
    plain.set(
      column,
      grids.map((grid) => {
        const { start } = column;
        const ms = grid.minutes * MINUTE;
        if (start + ms > now || known > now || start < YEAR_100 || !Number.isInteger(start)) return null;
        if (!hasAny(column, grid.ordinalOf)) return null;
        const calendar = zoneDays(grid.zone);
        const day = calendar.dayOf(start);
        const key = `${grid.shard} ${grid.zone} ${grid.minutes} ${day}`;
        let found = open.get(key);
        if (found === undefined) {
          const dayStart = calendar.startOf(day);
          const slots = Math.floor((calendar.startOf(calendar.plus(day, 1)) - dayStart) / ms);
          const place: TilePlace = { shard: grid.shard, zone: grid.zone, intervalMinutes: grid.minutes, day, dayStart, slots };
          const { ordinalOf, factorOf } = grid;
          const own = new Set<SheetColumn>();
          const rows = () => rowsFrom(sheet, meterIds, (meter, of) => ordinalOf[meter]! >= 0 && own.has(of));
          const told = { columns: [] };
          found = { place, knownAt: known, told, own, ordinalOf, factorOf, repeated: false, rows };
        }
        const slot = (start - found.place.dayStart) / ms;
        if (!Number.isInteger(slot) || slot >= found.place.slots) return null;
        found.told.columns.push({ slot, column });
        found.own.add(column);
        open.set(key, found);
        return found;
      }),
    );
  for (let i = 0; i < sheet.repeats.count; i++) {
    const grid = gridOf[sheet.repeats.meter[i]!]!;
    const day = grid === -1 ? null : plain.get(sheet.columns.get(sheet.repeats.start[i]!)!)![grid]!;
    if (day !== null) day.repeated = true;
  }
  const whole = [...plain.values()].every((days) => !days.includes(null)) && !gridOf.includes(-1);
  return {
    days: [...open.values()].sort((a, b) => inOrder(a.place, b.place)),
    others: rowsFrom(whole ? { ...sheet, columns: new Map() } : sheet, meterIds, (meter, column) => {
      const grid = gridOf[meter]!;
      return grid === -1 || plain.get(column)![grid] === null;
    }),
  };
}

/** Meters that nothing can be wrong with, by the tiles they are in. */
export function gridsOf(
  told: { readonly exporting: Uint8Array },
  meters: readonly (KnownMeter | null)[],
): { grids: Grid[]; gridOf: Int32Array } {
  const grids: Grid[] = [];
  const byKey = new Map<string, number>();
  const gridOf = new Int32Array(meters.length).fill(-1);
  const column = (): Int32Array => new Int32Array(new SharedArrayBuffer(4 * meters.length));
  for (const [index, meter] of meters.entries()) {
    if (!meter?.hasImport || (told.exporting[index] === 1 && !meter.hasExport)) continue;
    const factor = meter.links[0]?.factor ?? 1;
    if (meter.links.some((link) => link.factor !== factor)) continue;
    const { shard, zone, intervalMinutes: minutes } = meter;
    const key = `${shard} ${zone} ${minutes}`;
    let grid = byKey.get(key);
    if (grid === undefined) {
      grid = grids.push({ shard, zone, minutes, ordinalOf: column().fill(-1), factorOf: column() }) - 1;
      byKey.set(key, grid);
    }
    gridOf[index] = grid;
    grids[grid]!.ordinalOf[index] = meter.ordinal;
    grids[grid]!.factorOf[index] = factor;
  }
  return { grids, gridOf };
}

export function claimedTwice(ordinalOf: Int32Array): boolean {
  const ordinals = ordinalOf.filter((ordinal) => ordinal >= 0);
  return new Set(ordinals).size < ordinals.length;
}

function factorsFit(sheet: Sheet, grids: readonly Grid[]): boolean {
  for (const { factorOf } of grids)
    for (let meter = 0; meter < factorOf.length; meter++) {
      const factor = factorOf[meter]!;
      if (factor <= 1) continue;
      for (const { importWh, exportWh } of sheet.columns.values())
        if ((importWh[meter] ?? MISSING) * factor > WH_MOST || (exportWh?.[meter] ?? MISSING) * factor > WH_MOST) return false;
    }
  const { repeats } = sheet;
  for (let i = 0; i < repeats.count; i++)
    for (const { ordinalOf, factorOf } of grids) {
      const factor = ordinalOf[repeats.meter[i]!]! < 0 ? 1 : factorOf[repeats.meter[i]!]!;
      if (Math.max(repeats.importWh[i]!, repeats.exportWh[i]!) * factor > WH_MOST) return false;
    }
  return true;
}

function hasAny({ nth }: SheetColumn, ordinalOf: Int32Array): boolean {
  for (let meter = Math.min(nth.length, ordinalOf.length) - 1; meter >= 0; meter--)
    if (nth[meter] !== 0 && ordinalOf[meter]! >= 0) return true;
  return false;
}
