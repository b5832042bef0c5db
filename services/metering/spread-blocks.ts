import { type Instant, MINUTE } from '../domain/interval.ts';
import { MISSING } from '../domain/tile.ts';
import type { ZoneDays } from '../domain/zone.ts';
import { inOrder, type TilePlace, YEAR_100 } from './arrange.ts';
import { type Blocks, type Piece, piecesOf, rowsOf, saysAny } from './blocks.ts';
import { claimedTwice, type Grid, gridsOf, type Spread, type SpreadInput, type StraightDay, WH_MOST } from './spread.ts';

type Open = StraightDay & { readonly told: { readonly pieces: Piece[] }; readonly covered: Covered };
/** By meter the intervals of the day that were told of, from the first to behind the last. */
type Covered = { readonly from: Int32Array; readonly to: Int32Array };

/** Finds the tiles of blocks as `spread` does those of a sheet, by meter and by interval instead of reading by reading. */
export function spreadBlocks({ told, meterIds, meters, zoneDays, now }: SpreadInput<Blocks>): Spread | null {
  const { grids, gridOf } = gridsOf(told, meters);
  if (grids.some(({ ordinalOf }) => claimedTwice(ordinalOf)) || !factorsFit(told, meters.length, grids)) return null;
  const pieces = piecesOf(told);
  const open = new Map<string, Open>();
  const spoilt = new Spoilt();
  const dayAts = grids.map((grid) => dayAtOf(grid, zoneDays(grid.zone)));
  // What is known only later is as if all of it were still to come.
  const over = told.knownAt > now ? Number.NEGATIVE_INFINITY : now;
  for (const whole of pieces)
    for (const nth of gridsIn(whole, gridOf)) {
      const grid = grids[nth]!;
      for (const [piece, place] of daysOf(whole, grid, dayAts[nth]!, over)) {
        if (place === null) spoilt.add(whole, nth, piece);
        else if (saysAny(piece, grid.ordinalOf)) noteDay(open, place, grid, piece, meterIds);
      }
    }
  const isPlain = spoilt.isNone && !gridOf.includes(-1);
  return {
    days: [...open.values()].sort((a, b) => inOrder(a.place, b.place)),
    others: rowsOf(
      isPlain ? [] : pieces,
      meterIds,
      (meter, whole, slot) => gridOf[meter] === -1 || spoilt.has(whole, gridOf[meter]!, slot),
    ),
  };
}

function noteDay(open: Map<string, Open>, place: TilePlace, grid: Grid, piece: Piece, meterIds: string[]): void {
  const { shard, zone, intervalMinutes, day } = place;
  const { ordinalOf, factorOf } = grid;
  const key = `${shard} ${zone} ${intervalMinutes} ${day}`;
  let found = open.get(key);
  if (found === undefined) {
    const pieces: Piece[] = [];
    found = {
      ...{ place, knownAt: piece.block.knownAt, told: { pieces }, ordinalOf, factorOf, repeated: false },
      rows: () => rowsOf(pieces, meterIds, (meter) => ordinalOf[meter]! >= 0),
      covered: { from: new Int32Array(ordinalOf.length), to: new Int32Array(ordinalOf.length) },
    };
    open.set(key, found);
  }
  found.told.pieces.push(piece);
  found.repeated ||= covers(found.covered, piece);
}

/** Notes what a piece covers; true where it may be told of again. What lies between two pieces of a meter counts as told of. */
function covers({ from, to }: Covered, { block, slot, count }: Piece): boolean {
  let again = false;
  for (const meter of block.meters) {
    const first = from[meter]!;
    const end = to[meter]!;
    again ||= slot < end && slot + count > first;
    from[meter] = end === 0 ? slot : Math.min(first, slot);
    to[meter] = Math.max(end, slot + count);
  }
  return again;
}

/** The grids that meters of a block are on, each once. */
function gridsIn({ block }: Piece, gridOf: Int32Array): Set<number> {
  const found = new Set<number>();
  for (const meter of block.meters) if (gridOf[meter] !== -1) found.add(gridOf[meter]!);
  return found;
}

/** A block by civil day; with null, intervals that need looking at one by one: off the grid, not over yet, before the year 100. */
function* daysOf({ block }: Piece, { minutes }: Grid, dayAt: DayAt, now: number): Generator<readonly [Piece, TilePlace | null]> {
  const ms = minutes * MINUTE;
  const { start, slots } = block;
  for (let from = 0; from < slots; ) {
    const at = start + from * ms;
    if (block.intervalMinutes !== minutes || at + ms > now || at < YEAR_100 || !Number.isInteger(at)) {
      yield [{ block, from, slot: 0, count: slots - from }, null];
      return;
    }
    const { place } = dayAt(at);
    const slot = (at - place.dayStart) / ms;
    const isOn = Number.isInteger(slot) && slot < place.slots;
    const count = isOn ? Math.min(slots - from, place.slots - slot, Math.floor((now - at) / ms)) : 1;
    yield [{ block, from, slot: isOn ? slot : 0, count }, isOn ? place : null];
    from += count;
  }
}

type Day = { readonly place: TilePlace; readonly end: Instant };
type DayAt = (at: Instant) => Day;

/** Days of a grid; blocks that follow one another are mostly of one day, and a calendar takes its time. */
function dayAtOf({ shard, zone, minutes }: Grid, calendar: ZoneDays): DayAt {
  let last: Day | null = null;
  return (at) => {
    if (last !== null && last.place.dayStart <= at && at < last.end) return last;
    const day = calendar.dayOf(at);
    const dayStart = calendar.startOf(day);
    const end = calendar.startOf(calendar.plus(day, 1));
    const slots = Math.floor((end - dayStart) / (minutes * MINUTE));
    last = { place: { shard, zone, intervalMinutes: minutes, day, dayStart, slots }, end };
    return last;
  };
}

/** Intervals of blocks that are no part of a day, by grid. */
class Spoilt {
  readonly #of = new Map<Piece, Map<number, Uint8Array>>();
  get isNone(): boolean {
    return this.#of.size === 0;
  }
  add(whole: Piece, grid: number, { from, count }: Piece): void {
    const grids = this.#of.get(whole) ?? new Map<number, Uint8Array>();
    const slots = grids.get(grid) ?? new Uint8Array(whole.count);
    slots.fill(1, from, from + count);
    this.#of.set(whole, grids.set(grid, slots));
  }
  has(whole: Piece, grid: number, slot: number): boolean {
    return this.#of.get(whole)?.get(grid)?.[slot] === 1;
  }
}

function factorsFit({ all }: Blocks, meters: number, grids: readonly Grid[]): boolean {
  const factorOf = new Int32Array(meters);
  for (const grid of grids)
    for (let meter = 0; meter < meters; meter++) if (grid.factorOf[meter]! > 1) factorOf[meter] = grid.factorOf[meter]!;
  if (!factorOf.some((factor) => factor > 1)) return true;
  for (const { meters: of, slots, importWh, exportWh } of all)
    for (const [i, meter] of of.entries()) {
      const factor = factorOf[meter]!;
      if (factor <= 1) continue;
      for (let at = i * slots; at < (i + 1) * slots; at++)
        if (importWh[at]! * factor > WH_MOST || (exportWh === null ? MISSING : exportWh[at]!) * factor > WH_MOST) return false;
    }
  return true;
}
