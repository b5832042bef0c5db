import { useEffect, useState } from 'preact/hooks';
import { wholeStatus } from './api.ts';
import type { EventStatus } from './wire.ts';

/** One status kept for the live curve. W; null where there is nothing to say. */
export type Moment = { atMs: number; targetW: number | null; measuredW: number | null; withEstimateW: number | null };
export type Watched = { status: EventStatus | null; history: readonly Moment[]; connected: boolean; ended: boolean };

const KEPT = 3000;
const RETRY_MS = 3000;
/** The curve so far outlives the view: the stream tells the present only. */
const seen = new Map<string, readonly Moment[]>();

/** Follows an event's stream while the view is open. The browser comes back by itself after a break; where it gives up, we do. */
export function useWatched(eventId: string, live: boolean): Watched {
  const [watched, setWatched] = useState<Watched>({
    status: null,
    history: seen.get(eventId) ?? [],
    connected: true,
    ended: false,
  });
  useEffect(() => {
    if (!live) return;
    let source: EventSource;
    let retry = 0;
    const open = () => {
      source = new EventSource(`/api/events/${encodeURIComponent(eventId)}/stream`);
      source.addEventListener('status', ({ data }) => {
        const status = wholeStatus(JSON.parse(data));
        const history = remembered(seen.get(eventId) ?? [], status);
        seen.set(eventId, history);
        setWatched(({ ended }) => ({ status, history, connected: true, ended }));
      });
      source.addEventListener('end', () => {
        source.close();
        setWatched((before) => ({ ...before, ended: true }));
      });
      source.addEventListener('error', () => {
        setWatched((before) => ({ ...before, connected: false }));
        if (source.readyState === EventSource.CLOSED) retry = setTimeout(open, RETRY_MS) as unknown as number;
      });
    };
    open();
    return () => {
      clearTimeout(retry);
      source.close();
    };
  }, [eventId, live]);
  return watched;
}

function remembered(history: readonly Moment[], status: EventStatus): readonly Moment[] {
  const moment = momentOf(status);
  // Several changes may carry one instant of domain time: the last one counts.
  const before = history.at(-1)?.atMs === moment.atMs ? history.slice(0, -1) : history;
  return [...before, moment].slice(-KEPT);
}

export function momentOf({ atMs, state, targetW, measuredW, estimatedW, liveMeters }: EventStatus): Moment {
  const running = state === 'ACTIVE';
  return {
    atMs: Number(atMs),
    targetW: running && targetW !== '0' ? Number(targetW) : null,
    measuredW: running && liveMeters > 0 ? Number(measuredW) : null,
    withEstimateW: running ? Number(measuredW) + Number(estimatedW) : null,
  };
}
