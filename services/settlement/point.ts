import type { Instant } from '../domain/interval.ts';
import type { CivilDay } from '../domain/zone.ts';

export type SupplyWord = 'ENERGISED' | 'OUTAGE' | 'LOAD_SHEDDING' | 'DISCONNECTED' | 'SUPPLY_UNKNOWN';

/** One settlement interval of the window. Exact values are "numerator/denominator" in Wh. */
export type Slot = {
  readonly startMs: Instant;
  /** Null = no reading: never a zero. */
  readonly meteredWh: number | null;
  /** Mean of the selected days before adjustment; null without a baseline, as are all below. */
  readonly unadjusted: string | null;
  readonly baseline: string | null;
  readonly baselineWh: number | null;
  /** Null = not settled: no reading, or not energised. */
  readonly delivered: string | null;
  readonly deliveredWh: number | null;
  readonly supply: SupplyWord;
  readonly quality: number;
};

export type MeterDayName = {
  readonly meterId: string;
  readonly day: CivilDay;
  /** SHA-256, hex; null = absent: no reading was known. */
  readonly digest: string | null;
  readonly handOff: string;
  readonly signer: string;
  readonly receivedAtMs: Instant;
};

/** What performance measured at one settlement point, as statements print it. */
export type Point = {
  readonly settlementPointId: string;
  readonly connectionId: string;
  readonly participantId: string;
  readonly organisationId: string;
  readonly role: 'CHOSEN' | 'HOLDOUT';
  readonly status: 'ok' | 'insufficient_days' | 'no_consent' | 'out_of_bounds' | 'event_day_missing';
  readonly flags: readonly string[];
  readonly shard: number;
  readonly candidateDays: readonly CivilDay[];
  readonly selectedDays: readonly CivilDay[];
  readonly scoresWh: readonly number[];
  readonly lowUsageRejected: readonly CivilDay[];
  /** Exact shares of the selected days, in their order; absent = all alike. */
  readonly weights?: readonly string[];
  /** Event days that came in for want of others; absent = none. */
  readonly refilledDays?: readonly CivilDay[];
  /** Intervals of the event day beside the window that were not to be read, where the method looks at them one by one; absent = none. */
  readonly unread?: readonly Instant[];
  readonly excludedDays: readonly { readonly day: CivilDay; readonly reason: string }[];
  readonly slots: readonly Slot[];
  readonly adjustment: {
    readonly kind: string;
    readonly observed: string;
    readonly reference: string;
    readonly raw: string;
    readonly applied: string;
    readonly capped: boolean;
  } | null;
  /** Null where the status is not ok. */
  readonly totals: {
    readonly baseline: string;
    readonly baselineWh: number;
    readonly meteredWh: number;
    readonly delivered: string;
    readonly deliveredWh: number;
  } | null;
  readonly missingIntervals: number;
  readonly unservedIntervals: number;
  readonly committedW: number;
  readonly meterIds: readonly string[];
  readonly meterDays: readonly MeterDayName[];
  readonly enrolmentId: string;
  readonly readingsConsentId: string;
  readonly billingConsentId: string;
  /** A household's line never becomes negative by a penalty. Unknown kinds count as households. */
  readonly household: boolean;
  /** Events of this season the household left, this one included; absent = it stayed in this one. */
  readonly optOuts?: number;
};
