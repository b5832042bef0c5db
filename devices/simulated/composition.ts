import { DAY, type Instant } from '../../services/domain/interval.ts';

/** A charging profile as a station keeps it (OCPP 1.6 §3.13); instants in ms. */
export type Profile = {
  readonly id: number;
  readonly connectorId: number;
  readonly stackLevel: number;
  readonly purpose: 'ChargePointMaxProfile' | 'TxDefaultProfile' | 'TxProfile';
  readonly kind: 'Absolute' | 'Recurring' | 'Relative';
  readonly transactionId: number | null;
  readonly validFrom: Instant | null;
  readonly validTo: Instant | null;
  readonly startSchedule: Instant | null;
  /** s; null = until the end. */
  readonly duration: number | null;
  readonly unit: 'A' | 'W';
  /** Ascending by `startPeriod`, s. */
  readonly periods: readonly { readonly startPeriod: number; readonly limit: number }[];
  /** The station takes a while to act on it. */
  readonly actsFrom: Instant;
};
export type Session = { readonly transactionId: number; readonly startedAt: Instant };

const VOLTS = 230;

/**
 * What the connector may draw at an instant, A per phase; null = no profile limits it. Within a purpose the highest stack level that is
 * in force wins; a TxProfile replaces the TxDefaultProfile; ChargePointMaxProfile caps whichever it is.
 */
export function limitAt(profiles: readonly Profile[], at: Instant, session: Session | null, phases: number): number | null {
  const inForce = (purpose: Profile['purpose']): number | null => {
    let best = null as { stackLevel: number; amps: number } | null;
    for (const profile of profiles) {
      if (profile.purpose !== purpose || at < profile.actsFrom) continue;
      if (purpose === 'TxProfile' && profile.transactionId !== session?.transactionId) continue;
      const amps = ampsOf(profile, at, session, phases);
      if (amps !== null && (best === null || profile.stackLevel > best.stackLevel))
        best = { stackLevel: profile.stackLevel, amps };
    }
    return best?.amps ?? null;
  };
  const ofSession = (session && inForce('TxProfile')) ?? inForce('TxDefaultProfile');
  const cap = inForce('ChargePointMaxProfile');
  if (ofSession === null) return cap;
  return cap === null ? ofSession : Math.min(ofSession, cap);
}

function ampsOf(profile: Profile, at: Instant, session: Session | null, phases: number): number | null {
  if (profile.validFrom !== null && at < profile.validFrom) return null;
  if (profile.validTo !== null && at >= profile.validTo) return null;
  const start = profile.kind === 'Relative' ? session?.startedAt : profile.startSchedule;
  if (start === null || start === undefined || at < start) return null;
  const into = (profile.kind === 'Recurring' ? (at - start) % DAY : at - start) / 1000;
  if (profile.duration !== null && into >= profile.duration) return null;
  const period = profile.periods.findLast((p) => p.startPeriod <= into);
  if (!period) return null;
  return profile.unit === 'A' ? period.limit : period.limit / VOLTS / phases;
}

/** The same id, or the same purpose, stack level and connector, is replaced. */
export const install = (profiles: readonly Profile[], profile: Profile): Profile[] => [
  ...profiles.filter(
    (p) =>
      p.id !== profile.id &&
      !(p.purpose === profile.purpose && p.stackLevel === profile.stackLevel && p.connectorId === profile.connectorId),
  ),
  profile,
];
