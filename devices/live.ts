import type { Instant } from '../services/domain/interval.ts';
import { HISTORY_MS, PROVABLE_MS, type Sample } from './proof.ts';

/** What is known of a device now. It lives in memory: after a restart devices connect again and say it anew. */
export type Live = {
  readonly online: boolean;
  readonly session: number;
  readonly seenAt: Instant | null;
  readonly vendor: string;
  readonly model: string;
  /** In order of time; long enough to prove a fall of power. */
  readonly samples: readonly Sample[];
};

export const unheard: Live = { online: false, session: 0, seenAt: null, vendor: '', model: '', samples: [] };

const KEPT_MS = HISTORY_MS + 2 * PROVABLE_MS;

/** Adds a sample in its place by time; one older than what is kept, or for an instant already there, changes nothing. */
export function withSample(live: Live, sample: Sample): Live {
  const newest = live.samples.at(-1);
  if (!newest || sample.at > newest.at) {
    const kept =
      live.samples.length > 0 && live.samples[0]!.at < sample.at - KEPT_MS
        ? live.samples.filter((s) => s.at >= sample.at - KEPT_MS)
        : live.samples;
    return { ...live, seenAt: Math.max(live.seenAt ?? 0, sample.at), samples: [...kept, sample] };
  }
  if (sample.at < newest.at - KEPT_MS || live.samples.some((s) => s.at === sample.at)) return live;
  return { ...live, samples: [...live.samples, sample].sort((a, b) => a.at - b.at) };
}
