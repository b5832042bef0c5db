import { HOUR, type Instant, MINUTE } from '../domain/interval.ts';
import type { ZoneDays } from '../domain/zone.ts';
import type { SmallFraction } from './spec.ts';

/** One stay of a car at a charge point, from plug-in to unplug, as OCPP tells it. */
export type ChargingSession = {
  readonly sessionId: string;
  readonly pluggedInAt: Instant;
  /** Null = still plugged in. */
  readonly pluggedOutAt: Instant | null;
  /** Register at unplug less at plug-in, Wh; null = not told. */
  readonly energyWh: number | null;
  /** Unsteered rate, W: the least of charge point, cable and vehicle (`unsteeredPower`). */
  readonly powerW: number;
  /** What the driver or ISO 15118 asked for, Wh; null = not told. */
  readonly plannedWh: number | null;
  readonly driverId: string | null;
};

/** Where a session's energy comes from, the surest first. `lower_bound`: the driver left early, and nobody knows what he wanted. */
export type EnergyBasis = 'metered' | 'register' | 'planned' | 'median' | 'lower_bound';

/**
 * The rate at which a car charges when nobody steers it, W: the most it drew in its first free minutes, else the least of what charge
 * point, cable and vehicle can do (null = not known). Null when nothing is known. Source: OCPP practice, facts of EV reduction.
 */
export function unsteeredPower(firstFreeW: readonly number[], limitsW: readonly (number | null)[]): number | null {
  const seen = Math.max(0, ...firstFreeW);
  if (seen > 0) return seen;
  const known = limitsW.filter((limit): limit is number => limit !== null && limit > 0);
  return known.length === 0 ? null : Math.min(...known);
}

/** Earlier sessions that say what is usual: the driver's own where there are enough, else everybody's at this charge point. */
export function earlierSessions(
  session: ChargingSession,
  all: readonly ChargingSession[],
  before: Instant,
  historyMs: number,
  least: number,
): readonly ChargingSession[] {
  const earlier = all.filter(({ pluggedInAt }) => pluggedInAt < before && pluggedInAt >= before - historyMs);
  const own = earlier.filter(({ driverId }) => driverId !== null && driverId === session.driverId);
  if (own.length >= least) return own;
  return earlier.length >= least ? earlier : [];
}

/** The quiet hour from which a day of plugging in is counted: an evening that runs past midnight stays one evening. */
const QUIET = 4 * HOUR;

/**
 * The instant of this day by which the given share of earlier sessions had plugged in, from a histogram of `minutes`.
 * A session that begins before it, after notice, would not have begun then but for the event.
 */
export function usualPlugIn(
  at: Instant,
  earlier: readonly ChargingSession[],
  share: SmallFraction,
  minutes: number,
  zone: ZoneDays,
): Instant {
  const sinceQuiet = (instant: Instant) => instant - QUIET - zone.startOf(zone.dayOf(instant - QUIET));
  const slots = earlier.map(({ pluggedInAt }) => Math.floor(sinceQuiet(pluggedInAt) / (minutes * MINUTE))).sort((a, b) => a - b);
  const wanted = Math.max(1, Math.ceil((slots.length * share.num) / share.den));
  return zone.startOf(zone.dayOf(at - QUIET)) + QUIET + slots[wanted - 1]! * minutes * MINUTE;
}

/** Lower median of the energies told, Wh; null when none was. */
export function medianEnergy(sessions: readonly ChargingSession[]): number | null {
  const told = sessions.flatMap(({ energyWh }) => (energyWh === null ? [] : [energyWh])).sort((a, b) => a - b);
  return told.length === 0 ? null : told[(told.length - 1) >> 1]!;
}
