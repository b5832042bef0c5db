import { type Interval, MINUTE } from '../domain/interval.ts';
import { MISSING } from '../performance/kernel.ts';
import { indexAt, type LoadSeries, whAt } from '../performance/load-series.ts';
import type { Occasion } from './occasions.ts';
import { askedAt, type Signal, wholePercent } from './signals.ts';

/** Mean load at those hours on quiet days below this, W: too little to see it fall to nothing. */
const LEAST_W = 100;
/** Near zero, of that load; before and after, a home stands at a quarter of it at least. */
const NEAR_ZERO = 0.05;
const STANDING = 0.25;
const LEAST_EVENTS = 3;
const LEAST_SHARE = 0.3;
/** On quiet days at most this part of how often it is seen at events. */
const QUIET_PART = 0.1;
/** So many homes of at least five at once are an outage, and held against nobody. */
const OUTAGE = { share: 0.3, homes: 5 } as const;

/**
 * Homes whose import steps to near zero as an event begins and back as it ends, at three events and three in ten of them at least, and hardly
 * ever at the same hours of quiet days: an air conditioner turned down leaves the rest of the home running, a generating set or battery does
 * not. Diesel instead of the grid is not flexibility (facts: RERC 2026 excludes it).
 */
export function backUpSignals(
  series: readonly LoadSeries[],
  events: readonly Occasion[],
  quiet: { readonly occasions: readonly Occasion[]; readonly around: readonly (readonly number[])[] },
): Signal[] {
  const seen = series.map((one) =>
    events.map(({ event }, o) => {
      const own = quiet.around[o]!.map((place) => quiet.occasions[place]!).filter(({ called }) => !called?.has(one.meterId));
      const hours = own.map((quietDay) => quietDay.event.window);
      const usual = meanW(one, hours);
      if (usual === null || usual < LEAST_W) return null;
      const step = stepsToNothing(one, event.window, usual);
      return step === null ? null : { step, quiet: hours.flatMap((window) => stepsToNothing(one, window, usual) ?? []) };
    }),
  );
  const outage = events.map((_, o) => {
    const steps = seen.flatMap((home) => home[o]?.step ?? []);
    return steps.length >= OUTAGE.homes && steps.filter(Boolean).length >= OUTAGE.share * steps.length;
  });
  return series.flatMap((one, h) => {
    const asked = askedAt(events, one.meterId).flatMap((o) => (seen[h]![o] && !outage[o] ? [{ ...seen[h]![o], o }] : []));
    const stepped = asked.filter(({ step }) => step);
    const idle = asked.flatMap((found) => found.quiet);
    const share = stepped.length / Math.max(1, asked.length);
    const quietShare = idle.filter(Boolean).length / Math.max(1, idle.length);
    if (stepped.length < LEAST_EVENTS || share < LEAST_SHARE || quietShare > QUIET_PART * share) return [];
    const exports = stepped.filter(({ o }) => exportsIn(one, events[o]!.event.window)).length;
    const says = `to near zero as the event began and back as it ended at ${stepped.length} of ${asked.length} events, on ${wholePercent(quietShare)} of quiet days${exports > 0 ? `; exporting at ${exports} of them` : ''}`;
    return [{ meterId: one.meterId, sign: 'back_up' as const, says }];
  });
}

/**
 * Whether the import stands at a quarter of its usual load before the window, is near zero through it (its first interval may be the one in which it
 * fell), and stands again in the first or second interval after. Null where a reading is missing.
 */
export function stepsToNothing(one: LoadSeries, { start, end }: Interval, usualW: number): boolean | null {
  const usual = (usualW * one.minutes) / 60;
  const [first, after] = [indexAt(one, start), indexAt(one, end)];
  const load = (index: number) => whAt(one, index, 'import');
  const read = Array.from({ length: after + 2 - (first - 1) }, (_, i) => load(first - 1 + i));
  if (read.some((wh) => wh === MISSING)) return null;
  const [before, ...rest] = read as [number, ...number[]];
  const inside = rest.slice(0, after - first);
  const nothing = (wh: number) => wh <= NEAR_ZERO * usual;
  const fell = inside.slice(inside.length > 2 ? 1 : 0).every(nothing) && inside[0]! < before;
  return before >= STANDING * usual && fell && rest.slice(-2).some((wh) => wh >= STANDING * usual);
}

function meanW(one: LoadSeries, windows: readonly Interval[]): number | null {
  let [wh, read] = [0, 0];
  for (const { start, end } of windows) {
    for (let at = start; at < end; at += one.minutes * MINUTE) {
      const load = whAt(one, indexAt(one, at), 'import');
      if (load === MISSING) continue;
      wh += load;
      read++;
    }
  }
  return read === 0 ? null : ((wh / read) * 60) / one.minutes;
}

function exportsIn(one: LoadSeries, { start, end }: Interval): boolean {
  for (let at = start; at < end; at += one.minutes * MINUTE) if (whAt(one, indexAt(one, at), 'export') > 0) return true;
  return false;
}
