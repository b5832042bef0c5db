import { MINUTE } from '../domain/interval.ts';
import { invalid } from '../domain/outcome.ts';
import type { CivilDay } from '../domain/zone.ts';
import { eventSlots } from './days.ts';
import type { AreaCalendar, EventWindow } from './estimate.ts';
import { MISSING } from './kernel.ts';
import { indexAt, type LoadSeries, whAt } from './load-series.ts';
import type { Quantity } from './spec.ts';
import { SUSPECT } from './stitch.ts';

/** The event's day and its intervals. Throws Refusal when the window lies off the grid, is empty or crosses midnight. */
export function windowOf(event: EventWindow, minutes: number, { zone }: AreaCalendar) {
  const slots = eventSlots(event.window, minutes, zone);
  if (slots.fault !== null)
    throw invalid(slots.fault, `the event's window cannot be cut into intervals of ${minutes} minutes`, 'window');
  if (slots.offsets.length > 128) throw invalid('window_too_long', 'the event spans more than 128 intervals', 'window');
  const starts = slots.offsets.map((_, slot) => event.window.start + slot * minutes * MINUTE);
  return { eventDay: slots.day, offsets: slots.offsets, starts };
}

/** What was metered in each interval, Wh; null = no reading, or one that is not trusted. */
export const meteredWh = (series: LoadSeries, starts: readonly number[], quantity: Quantity): (number | null)[] =>
  starts.map((start) => {
    const wh = trustedWh(series, indexAt(series, start), quantity);
    return wh === MISSING ? null : wh;
  });

/** Wh of an interval, MISSING also where the reading is suspect. */
export const trustedWh = (series: LoadSeries, index: number, quantity: Quantity): number =>
  (series.quality?.[index] ?? 0) >= SUSPECT ? MISSING : whAt(series, index, quantity);

/** Wh of an interval a model may learn from: an estimated reading repeats some other model, and teaches nothing. */
export function learntWh(series: LoadSeries, index: number, quantity: Quantity): number {
  return series.quality?.[index] === ESTIMATED ? MISSING : trustedWh(series, index, quantity);
}

const ESTIMATED = 2;

/** Why a day teaches nothing about this meter's ordinary load; empty = it does. */
export function reasonsAgainst(day: CivilDay, series: LoadSeries, { excluded }: AreaCalendar): string[] {
  const name = excluded.get(day);
  return [...(name === undefined ? [] : [`calendar:${name}`]), ...(series.marks.get(day) ?? [])];
}
