import type { Method } from './method.ts';
import type { SmallFraction } from './spec.ts';

/*
 * What the day-matching family can say beyond X of Y with one adjustment window before the event. Source: facts, baselines §4.1.
 * The core bounds all of it (`assembly/wide.ts`); what could overflow is refused with its reason.
 */

/** Integers or exact fractions; only their proportions matter. */
export type Weights =
  | { readonly kind: 'equal' }
  /** `by` recency: the latest day has the first; by rank: the day the rule puts first has it. With fewer days the rest falls away. */
  | { readonly kind: 'list'; readonly by: 'recency' | 'rank'; readonly values: readonly number[] }
  /** The mean of the `init` oldest days, then (1 − λ)·before + λ·day, day by day. */
  | { readonly kind: 'ewma'; readonly lambda: SmallFraction; readonly init: number };

export type RankOn = 'event_window' | 'day' | 'match_window' | 'temperature';

export type Family = {
  /** SAME_DAY: the mean of the event day's own adjustment window is the baseline; no other day is looked at. */
  readonly source: 'history' | 'same_day';
  readonly rankOn: RankOn;
  /** Minutes from local midnight, −1440 … 2880, without the event and `guardMinutes` on both sides. */
  readonly match: { readonly fromMinutes: number; readonly toMinutes: number; readonly guardMinutes: number };
  /** What one day's temperature is. */
  readonly temperature: 'max' | 'mean';
  readonly weights: Weights;
  /** Fewer than `minDays`: event days come in, those with the highest load first. */
  readonly refill: 'none' | 'highest_event_days';
  /** Second part of the adjustment window, minutes from the event's end; both 0 = none. */
  readonly post: { readonly fromMinutes: number; readonly toMinutes: number };
  /** Largest shift, Wh an interval. */
  readonly capWh: SmallFraction | null;
  /** Where a ratio has no meaning: leave the baseline alone, or shift it. */
  readonly onNonpositive: 'none' | 'additive';
  /** A reference of at most this mean, Wh an interval, has no meaningful ratio. */
  readonly nearZeroWh: number;
  /** The baseline never exceeds the connected load, where that is known. */
  readonly connectedLoadCap: boolean;
  readonly exclude: {
    readonly eventDays: boolean;
    readonly optOut: boolean;
    readonly outage: boolean;
    readonly holidays: boolean;
    /** Days with a larger share of missing intervals do not count. */
    readonly missingShare: SmallFraction | null;
  };
  readonly gaps: {
    /** Intervals of the event window a reference day may lack; its others still count. */
    readonly eventSlots: number;
    /** Intervals of the day or match window it may lack. */
    readonly rankSlots: number;
    /** ESTIMATED intervals a reference day may have where it is read; null = any number. */
    readonly estimatedSlots: number | null;
  };
  readonly level: 'site' | 'device' | 'aggregate';
};

/** The family where nothing is said. */
export const PLAIN: Family = {
  source: 'history',
  rankOn: 'event_window',
  match: { fromMinutes: 0, toMinutes: 1440, guardMinutes: 0 },
  temperature: 'max',
  weights: { kind: 'equal' },
  refill: 'none',
  post: { fromMinutes: 0, toMinutes: 0 },
  capWh: null,
  onNonpositive: 'none',
  nearZeroWh: 0,
  connectedLoadCap: false,
  exclude: { eventDays: true, optOut: true, outage: true, holidays: false, missingShare: null },
  gaps: { eventSlots: 0, rankSlots: 0, estimatedSlots: null },
  level: 'site',
};

export const familyOf = (method: Method): Family => method.family ?? PLAIN;

/** Whether the plain core says all there is: windows, exclusions and levels are arranged before it. */
export function isPlain(method: Method): boolean {
  const { source, rankOn, weights, refill, capWh, onNonpositive, nearZeroWh, connectedLoadCap, gaps } = familyOf(method);
  return (
    method.spec.select !== 'nearest' &&
    source === 'history' &&
    rankOn === 'event_window' &&
    weights.kind === 'equal' &&
    refill === 'none' &&
    capWh === null &&
    onNonpositive === 'none' &&
    nearZeroWh === 0 &&
    !connectedLoadCap &&
    gaps.eventSlots === 0
  );
}
