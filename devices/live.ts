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
/** One every ten seconds is more than anybody is asked for; of a device that says more the oldest go first. */
const MOST_SAMPLES = 1024;

/** Adds a sample in its place by time; one older than what is kept, or for an instant already there, changes nothing. */
export function withSample(live: Live, sample: Sample): Live {
  const newest = live.samples.at(-1);
  if (!newest || sample.at > newest.at) {
    const old = live.samples.findIndex((s) => s.at >= sample.at - KEPT_MS);
    const kept = live.samples.slice(Math.max(old < 0 ? live.samples.length : old, live.samples.length - MOST_SAMPLES + 1));
    return { ...live, seenAt: Math.max(live.seenAt ?? 0, sample.at), samples: [...kept, sample] };
  }
  if (sample.at < newest.at - KEPT_MS || live.samples.some((s) => s.at === sample.at)) return live;
  if (live.samples.length >= MOST_SAMPLES) return live;
  return { ...live, samples: [...live.samples, sample].sort((a, b) => a.at - b.at) };
}
