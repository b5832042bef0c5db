import type { Instant } from './interval.ts';

/** A civil day, `2026-05-01`. Compares as text. */
export type CivilDay = string;

/** The civil days of one zone, as the host reads them from the IANA database; fixed offsets (`+05:30`) are zones too. */
export type ZoneDays = {
  readonly zone: string;
  /** First instant of the day. */
  startOf(day: CivilDay): Instant;
  /** The day an instant lies in. */
  dayOf(at: Instant): CivilDay;
  /** `day` moved by whole days. */
  plus(day: CivilDay, days: number): CivilDay;
  /** 0 Sunday … 6 Saturday. */
  weekdayOf(day: CivilDay): number;
};
