import { DAY, type Instant, type Interval, MINUTE } from '../domain/interval.ts';
import { invalid } from '../domain/outcome.ts';
import type { ZoneDays } from '../domain/zone.ts';
import { type ChargingSession, type EnergyBasis, earlierSessions, medianEnergy, usualPlugIn } from './charging.ts';
import type { AreaCalendar, EventWindow } from './estimate.ts';
import type { LoadSeries } from './load-series.ts';
import type { Direction, SmallFraction } from './spec.ts';

/**
 * What a charge point would have drawn had its sessions run unsteered, or by the schedule they keep every day: two baselines, never mixed.
 * Energy is conserved: over a session that got what it wanted, baseline and metered are the same, and only its timing is delivered.
 * Source: the session counterfactual of the EV facts (ours; no regulator has published one).
 */
export type SessionBaseline = {
  readonly kind: 'ev_session';
  readonly variant: 'unmanaged' | 'standing_schedule';
  readonly direction: Direction;
  /** When the standing schedule lets cars charge, minutes of the civil day on the grid, and how fast; empty for `unmanaged`. */
  readonly schedule: readonly { readonly fromMinute: number; readonly toMinute: number; readonly powerW: number }[];
  /** Earlier sessions that are looked at, and how many it takes to say what is usual. */
  readonly historyDays: number;
  readonly minHistory: number;
  /** By when this share of them had plugged in, plugging in is usual. */
  readonly usualShare: SmallFraction;
};

/** Our numbers for chargers: unsteered, two months of history. Not regulatory. */
export const UNMANAGED: SessionBaseline = {
  ...{ kind: 'ev_session', variant: 'unmanaged', direction: 'reduce', schedule: [], historyDays: 60, minHistory: 5 },
  usualShare: { num: 1, den: 4 },
};

export type Stay = { readonly session: ChargingSession; readonly span: Interval };

export type Grid = { readonly start: Instant; readonly step: number; readonly blocks: number };

/** ms of block t inside a span. */
export const within = ({ start, step }: Grid, t: number, span: Interval): number =>
  Math.max(0, Math.min(start + (t + 1) * step, span.end) - Math.max(start + t * step, span.start));

export type Metered = {
  /** [S][T] Wh. */
  readonly wh: Int32Array;
  readonly total: readonly number[];
  /** Whether a block of the stay has no reading. */
  readonly gap: readonly boolean[];
  /** Whether the car drew at least half its rate in the last block it was there. */
  readonly drawing: readonly boolean[];
};

export type SessionPlan = {
  readonly from: Instant;
  readonly energyWh: number;
  readonly basis: EnergyBasis;
  readonly flags: readonly string[];
};

/** When the counterfactual begins, and how much it takes. */
export function planFor(
  spec: SessionBaseline,
  series: LoadSeries,
  { session, span }: Stay,
  all: readonly ChargingSession[],
  metered: Metered,
  s: number,
  { zone }: AreaCalendar,
  { window, noticeAt }: EventWindow,
): SessionPlan {
  const flags: string[] = [];
  const earlier = earlierSessions(session, all, Math.min(session.pluggedInAt, noticeAt), spec.historyDays * DAY, spec.minHistory);
  let from = span.start;
  if (spec.direction === 'reduce' && span.start >= noticeAt && span.start < window.end) {
    if (earlier.length === 0) flags.push('plugged_in_after_notice_without_history');
    else {
      const usual = usualPlugIn(span.start, earlier, spec.usualShare, series.minutes, zone);
      if (usual > from) flags.push('plugged_in_early_after_notice');
      from = Math.max(from, Math.min(usual, span.end));
    }
  }
  if (metered.gap[s]) flags.push('session_with_gap');
  if (session.pluggedOutAt === null) flags.push('session_open');
  const delivered = metered.total[s]!;
  const register = metered.gap[s] && session.energyWh !== null;
  const taken = register ? Math.max(session.energyWh, delivered) : delivered;
  const surest: EnergyBasis = register ? 'register' : 'metered';
  // The driver left while, or before what the event held back was made up for: what he came for is not known from what he got.
  const during = session.pluggedOutAt !== null && span.end > window.start && span.end < window.end;
  const behind = session.pluggedOutAt !== null && span.end >= window.end && metered.drawing[s];
  if (!during && !behind) return { from, energyWh: taken, basis: surest, flags };
  const own = earlier.filter(({ driverId }) => driverId !== null && driverId === session.driverId);
  const wanted = session.plannedWh ?? medianEnergy(own);
  if (wanted !== null && wanted > taken)
    return { from, energyWh: wanted, basis: session.plannedWh === null ? 'median' : 'planned', flags: [...flags, 'interrupted'] };
  return during
    ? { from, energyWh: taken, basis: 'lower_bound', flags: [...flags, 'interrupted'] }
    : { from, energyWh: taken, basis: surest, flags };
}

/** Rate and time of every block: unsteered from its beginning on, or as the standing schedule lets it. */
export function limitsOf(
  spec: SessionBaseline,
  stays: readonly Stay[],
  plans: readonly SessionPlan[],
  grid: Grid,
  { zone }: AreaCalendar,
) {
  const power = new Int32Array(stays.length * grid.blocks);
  const allowed = new Int32Array(stays.length * grid.blocks);
  for (let t = 0; t < grid.blocks; t++) {
    const limit =
      spec.variant === 'unmanaged' ? MOST_W : scheduledW(spec.schedule, grid.start + t * grid.step, grid.step / MINUTE, zone);
    stays.forEach(({ session, span }, s) => {
      const ms = within(grid, t, { start: plans[s]!.from, end: span.end });
      power[s * grid.blocks + t] = ms === 0 ? 0 : Math.min(session.powerW, limit);
      allowed[s * grid.blocks + t] = ms;
    });
  }
  return { power, allowed };
}

/** What the schedule lets a car draw in the block at `at`, W. */
function scheduledW(schedule: SessionBaseline['schedule'], at: Instant, minutes: number, zone: ZoneDays): number {
  const from = (at - zone.startOf(zone.dayOf(at))) / MINUTE;
  const entry = schedule.find(({ fromMinute, toMinute }) => from + minutes > fromMinute && from < toMinute);
  if (entry && (from < entry.fromMinute || from + minutes > entry.toMinute))
    throw invalid('schedule_off_grid', `the schedule must lie on the grid of ${minutes} minutes`, 'schedule');
  return entry?.powerW ?? 0;
}

export function checkSpec({ variant, schedule, usualShare, historyDays, minHistory }: SessionBaseline): void {
  const entry = ({ fromMinute, toMinute, powerW }: SessionBaseline['schedule'][number]) =>
    fromMinute >= 0 && toMinute > fromMinute && toMinute <= 1440 && powerW >= 0 && powerW <= MOST_W;
  const apart = schedule.every((one, i) => i === 0 || one.fromMinute >= schedule[i - 1]!.toMinute);
  if (variant === 'standing_schedule' && schedule.length === 0)
    throw invalid('schedule_missing', 'a standing schedule must say when it charges', 'schedule');
  if (!schedule.every(entry) || !apart)
    throw invalid('schedule_malformed', 'a schedule is rising stretches of minutes of a day, up to 10 MW', 'schedule');
  if (!(usualShare.num >= 0 && usualShare.den >= 1 && usualShare.num <= usualShare.den))
    throw invalid('share_malformed', 'the usual share must lie from 0 to 1', 'usual_share');
  if (!(historyDays >= 0 && historyDays <= 4000 && minHistory >= 1))
    throw invalid('history_malformed', 'history must be 0 to 4000 days, and at least 1 session', 'history_days');
}

export const MOST_W = 10_000_000;
export const MOST_WH = 240_000_000;
export const whole = (value: number, most: number) => Number.isInteger(value) && value >= 0 && value <= most;

export function possible({ pluggedInAt, pluggedOutAt, powerW, energyWh, plannedWh }: ChargingSession): boolean {
  const told = (wh: number | null) => wh === null || whole(wh, MOST_WH);
  const inOrder = Number.isFinite(pluggedInAt) && (pluggedOutAt === null || pluggedOutAt >= pluggedInAt);
  return inOrder && whole(powerW, MOST_W) && told(energyWh) && told(plannedWh);
}
