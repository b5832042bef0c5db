import type { Instant } from '../../services/domain/interval.ts';

/** Physics moves in ticks; a power holds through one. */
export const TICK_MS = 30_000;
/** Energy can be asked for between instants on this grid. */
export const MARK_MS = 300_000;

/** A register that can be read at every mark since `origin`. Joules are whole, so parts always sum to the whole. */
export type EnergyRegister = {
  /** The tick that began at `at` ran at a whole number of watts. */
  add(at: Instant, powerW: number): void;
  /** What a meter's display shows now, whole Wh. */
  read(): number;
  /** Wh between two marks: the difference of two displays. Throws RangeError off the grid or beyond what has happened. */
  between(from: Instant, to: Instant): number;
};

export function energyRegister(origin: Instant): EnergyRegister {
  if (origin % MARK_MS !== 0) throw new RangeError('physics begins on a multiple of five minutes');
  const marks = [0];
  let joules = 0;
  let at = origin;
  const shown = (instant: Instant): number => {
    const index = (instant - origin) / MARK_MS;
    const mark = Number.isInteger(index) ? marks[index] : undefined;
    if (mark === undefined) throw new RangeError(`no energy is known at ${new Date(instant).toISOString()}`);
    return Math.floor(mark / 3600);
  };
  return {
    add: (tick, powerW) => {
      if (tick !== at) throw new RangeError('ticks follow each other');
      joules += powerW * (TICK_MS / 1000);
      at += TICK_MS;
      if (at % MARK_MS === 0) marks.push(joules);
    },
    read: () => Math.floor(joules / 3600),
    between: (from, to) => shown(to) - shown(from),
  };
}
