import { DAY, HOUR, type Instant } from '../../services/domain/interval.ts';
import { between } from './random.ts';

/** What all simulated devices of a fleet share. */
export type World = {
  readonly seed: number;
  /** Physics begins here; on a multiple of five minutes. */
  readonly origin: Instant;
  /** Local time ahead of UTC, minutes (India: 330). */
  readonly offsetMinutes: number;
};

/** Whole days since 1970 in local time. */
export const localDay = (world: World, at: Instant): number => Math.floor((at + world.offsetMinutes * 60_000) / DAY);
/** Local midnight of a day number. */
export const midnight = (world: World, day: number): Instant => day * DAY - world.offsetMinutes * 60_000;
/** Hours since local midnight. */
export const localHour = (world: World, at: Instant): number => (at - midnight(world, localDay(world, at))) / HOUR;

/** Outdoor temperature, °C: a hot-season day, warmest at half past three, some days hotter than others. */
export function outdoorC(world: World, at: Instant): number {
  const day = localDay(world, at);
  const into = localHour(world, at) / 24;
  const warmth = (d: number) => warmthOf(world, d);
  const drift = warmth(day) * (1 - into) + warmth(day + 1) * into;
  return 32 + drift + 5.5 * Math.cos(2 * Math.PI * (into - 15.5 / 24));
}

// Drawn once a day, not once a tick: a fleet's history is millions of ticks.
const drawn = new WeakMap<World, Map<number, number>>();
function warmthOf(world: World, day: number): number {
  const days = drawn.get(world) ?? new Map<number, number>();
  const warmth = days.get(day) ?? between(-1.5, 1.5, world.seed, 'weather', day);
  drawn.set(world, days.set(day, warmth));
  return warmth;
}
