import { DAY, HOUR, type Instant, MINUTE } from '../domain/interval.ts';

/** The evening, hour by hour, in the homes' own zone. */
export type Times = {
  readonly midnight: Instant;
  readonly morning: Instant;
  readonly schedule: Instant;
  readonly afterGate: Instant;
  readonly afterNotice: Instant;
  readonly start: Instant;
  readonly optOut: Instant;
  readonly override: Instant;
  readonly outage: { readonly start: Instant; readonly end: Instant };
  readonly end: Instant;
  readonly night: Instant;
  /** The first settlement has been made. */
  readonly settled: Instant;
  readonly lateReading: Instant;
  /** The second has, with what came late. */
  readonly resettled: Instant;
};

export function timesOf(midnight: Instant): Times {
  const at = (hours: number, minutes = 0) => midnight + hours * HOUR + minutes * MINUTE;
  return {
    midnight,
    morning: at(6),
    schedule: at(9),
    afterGate: at(15, 5),
    afterNotice: at(16, 10),
    start: at(18),
    optOut: at(18, 30),
    override: at(18, 50),
    outage: { start: at(18, 30), end: at(19, 30) },
    end: at(20),
    night: at(22),
    settled: at(20, 30) + DAY,
    lateReading: at(10) + 2 * DAY,
    resettled: at(20, 30) + 3 * DAY,
  };
}
