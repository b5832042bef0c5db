import type { Instant } from '../../services/domain/interval.ts';
import type { World } from './world.ts';

/**
 * The time of a world, as its connected devices hear it. One that is off the network has a clock of its own in reality; here it learns
 * from the others that time has gone on, and the others answer no step before it has lived through it.
 */
export type Timeline = {
  hear(now: Instant): Promise<void>;
  /** Until the returned function is called. */
  listen(live: (now: Instant) => Promise<void>): () => void;
};

const timelines = new WeakMap<World, Timeline>();

export function timelineOf(world: World): Timeline {
  const known = timelines.get(world);
  if (known) return known;
  const listeners = new Set<(now: Instant) => Promise<void>>();
  let last = -Infinity;
  let living: Promise<void> = Promise.resolve();
  const timeline: Timeline = {
    hear: (now) => {
      if (now > last) {
        last = now;
        const all = [...listeners];
        living = living.then(() => Promise.all(all.map((live) => live(now)))).then(() => {});
      }
      return living;
    },
    listen: (live) => {
      listeners.add(live);
      return () => void listeners.delete(live);
    },
  };
  timelines.set(world, timeline);
  return timeline;
}
