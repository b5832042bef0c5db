import type { CellsTold, DayToLay } from './lay.ts';
import type { Members } from './members.ts';
import type { StraightDay } from './spread.ts';
import { LIMITS } from './vee.ts';

/** A day as a thread can be told of it. `daySums` as in `DayToLay`. */
export const dayToLay = (day: StraightDay, { members, count }: Members, daySums: ReadonlyMap<number, number>): DayToLay => {
  const { place, knownAt, told, ordinalOf, factorOf } = day;
  const name = { ...place, meters: count, version: 1, knownAt };
  return { name, zone: place.zone, told: alone(told), ordinalOf, factorOf, members, daySums, limits: LIMITS };
};

/** Columns point at what followed them, a chain too long for a message. */
const alone = (told: CellsTold): CellsTold => {
  if ('pieces' in told) return told;
  const columns = told.columns.map(({ slot, column: { start, nth, importWh, exportWh, quality } }) => ({
    slot,
    column: { start, nth, importWh, exportWh, quality },
  }));
  return { columns };
};
