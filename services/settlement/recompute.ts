import type { Json } from '../domain/canonical.ts';
import type { Instant } from '../domain/interval.ts';
import type { Hash } from '../domain/merkle.ts';
import type { ZoneDays } from '../domain/zone.ts';
import type { Measured } from './payload.ts';

/** What the caller brings: hashing, calendars of zones, and the core that measures. */
export type Recompute = {
  readonly hash: Hash;
  zone(name: string): ZoneDays;
  /** Re-runs eligibility, selection, adjustment, baseline and delivered energy from readings alone, with the core of this SHA-256. */
  measure(request: MeasureRequest): Remeasured;
  /** Whether the core a statement names is at hand. */
  hasCore(sha256: string): boolean;
};
export type MeasureRequest = {
  readonly coreSha256: string;
  readonly terms: Json;
  readonly window: { readonly start: Instant; readonly end: Instant };
  readonly noticeAtMs: Instant;
  /** Calendar days in protobuf JSON. */
  readonly calendar: readonly Json[];
  readonly point: Measured;
  /** What was known at the cut-off. */
  readonly reading: (
    meterId: string,
    startMs: Instant,
  ) => { readonly importWh: number | null; readonly exportWh: number | null; readonly quality: number } | null;
};
/** The part of `Measured` that follows from readings. */
export type Remeasured = Pick<
  Measured,
  | 'status'
  | 'candidateDays'
  | 'selectedDays'
  | 'scoresWh'
  | 'lowUsageRejected'
  | 'slots'
  | 'adjustment'
  | 'totals'
  | 'missingIntervals'
  | 'unservedIntervals'
  | 'weights'
  | 'refilledDays'
>;

export const remeasuredOf = (measured: Measured): Remeasured => ({
  status: measured.status,
  candidateDays: measured.candidateDays,
  selectedDays: measured.selectedDays,
  scoresWh: measured.scoresWh,
  lowUsageRejected: measured.lowUsageRejected,
  slots: measured.slots,
  adjustment: measured.adjustment,
  totals: measured.totals,
  missingIntervals: measured.missingIntervals,
  unservedIntervals: measured.unservedIntervals,
  weights: measured.weights ?? [],
  refilledDays: measured.refilledDays ?? [],
});
