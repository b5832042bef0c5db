import { type Instant, type Interval, MINUTE } from '../domain/interval.ts';
import { largestRemainder } from '../domain/money.ts';
import { type Rational, rational } from '../domain/rational.ts';
import type { ChargingSession, EnergyBasis } from './charging.ts';
import { type AreaCalendar, type Estimate, type EventWindow, type Machines, without } from './estimate.ts';
import { MISSING } from './kernel.ts';
import { indexAt, type LoadSeries } from './load-series.ts';
import { meteredWh, trustedWh, windowOf } from './load-window.ts';
import {
  checkSpec,
  type Grid,
  limitsOf,
  type Metered,
  MOST_W,
  MOST_WH,
  planFor,
  possible,
  type SessionBaseline,
  type Stay,
  whole,
  within,
} from './session-plan.ts';

export type SessionEvidence = {
  readonly kind: 'ev_session';
  readonly variant: SessionBaseline['variant'];
  readonly siteLimitW: number | null;
  /** Sessions that reach into the window, and those beside them at the site, by plug-in. */
  readonly sessions: readonly SessionLine[];
};

export type SessionLine = {
  readonly sessionId: string;
  readonly pluggedInAt: Instant;
  readonly pluggedOutAt: Instant | null;
  /** From when the counterfactual charges: plug-in, or when plugging in is usual. */
  readonly from: Instant;
  readonly powerW: number;
  readonly meteredWh: number;
  readonly energyWh: number;
  readonly energyBasis: EnergyBasis;
  /** Baseline inside the window, and over the session, Wh. */
  readonly windowWh: Rational;
  readonly baselineWh: Rational;
  /** Energy wanted for which the session had no time, Wh. */
  readonly unmetWh: Rational;
  readonly flags: readonly string[];
};

/** W·ms of a Wh: the denominator of every baseline here. */
export const WATT_MS = 3_600_000n;

/** The method of charging sessions. Meters do not look at each other; the sessions of one share its limit. */
export function settleSessions(
  machines: Machines,
  spec: SessionBaseline,
  series: readonly LoadSeries[],
  calendar: AreaCalendar,
  event: EventWindow,
): Estimate[] {
  checkSpec(spec);
  return series.map((one) => {
    const { starts } = windowOf(event, one.minutes, calendar);
    if (one.sessions === undefined || one.sessions === null)
      return without(one.meterId, 'no_sessions', 'nobody has told which sessions this meter served');
    const wrong = one.sessions.find((session) => !possible(session));
    if (wrong)
      return without(
        one.meterId,
        'session_malformed',
        `session ${wrong.sessionId} ends before it begins, or its power or energy cannot be`,
      );
    return estimateOne(machines, spec, one, one.sessions, calendar, event, starts);
  });
}

/** The sessions that reach into the window, and all that share the site with these at some time. */
function staysFor(series: LoadSeries, sessions: readonly ChargingSession[], window: Interval): Stay[] {
  const until = Math.max(window.end, series.start + series.importWh.length * series.minutes * MINUTE);
  const stays = sessions
    .map((session) => ({ session, span: { start: session.pluggedInAt, end: session.pluggedOutAt ?? until } }))
    .filter(({ span }) => span.end > span.start)
    .sort((a, b) => a.span.start - b.span.start || (a.session.sessionId < b.session.sessionId ? -1 : 1));
  const overlaps = (a: Interval, b: Interval) => a.start < b.end && b.start < a.end;
  let reach = window;
  for (;;) {
    const found = stays.filter(({ span }) => overlaps(span, reach));
    const start = Math.min(window.start, ...found.map(({ span }) => span.start));
    const end = Math.max(window.end, ...found.map(({ span }) => span.end));
    const limited = series.connectedLoadW !== null; // without a limit, a neighbour's stay changes nothing
    if (!limited || (start === reach.start && end === reach.end)) return found;
    reach = { start, end };
  }
}

function estimateOne(
  { kernel }: Machines,
  spec: SessionBaseline,
  series: LoadSeries,
  sessions: readonly ChargingSession[],
  calendar: AreaCalendar,
  event: EventWindow,
  starts: readonly Instant[],
): Estimate {
  const actualWh = meteredWh(series, starts, 'import');
  const stays = staysFor(series, sessions, event.window);
  const missing = actualWh.filter((wh) => wh === null).length;
  const quality = { status: 'ok', reason: '', references: stays.length, missing };
  const evidence = { kind: 'ev_session', variant: spec.variant, siteLimitW: series.connectedLoadW } as const;
  // A charge point that served nobody draws what it draws.
  const standing = actualWh.map((wh) => BigInt(wh ?? 0) * WATT_MS);
  if (stays.length === 0)
    return {
      ...{ meterId: series.meterId, actualWh, evidence: { ...evidence, sessions: [] } },
      baseline: { kind: 'exact', numerators: standing, denominator: WATT_MS },
      quality: { ...quality, flags: ['no_session'] },
    };
  const grid = gridOf(series, stays, event.window);
  if (grid.blocks > 65_536 || grid.blocks * stays.length > 2 ** 24)
    return without(series.meterId, 'outside_bounds', 'the sessions beside the window are too many');
  const metered = meteredBySession(series, stays, grid);
  if (metered === null)
    return without(series.meterId, 'outside_bounds', 'a reading of the sessions is negative, or above 240 MWh');
  const plans = stays.map((stay, s) => planFor(spec, series, stay, sessions, metered, s, calendar, event));
  const { power, allowed } = limitsOf(spec, stays, plans, grid, calendar);
  const site = series.connectedLoadW;
  const result = kernel.sessions.unsteered({
    ...{ sessions: stays.length, blocks: grid.blocks, blockMs: grid.step, power, allowed, metered: metered.wh },
    energy: Int32Array.from(plans, ({ energyWh }) => energyWh),
    site: new Int32Array(grid.blocks).fill(site === null ? -1 : Math.min(Math.floor(site), MOST_W)),
  });
  const inWindow = starts.map((start) => (start - grid.start) / grid.step);
  const cell = (s: number, t: number) => s * grid.blocks + t;
  const numerators = inWindow.map((t, slot) => {
    const ofSessions = stays.reduce((total, _, s) => total + BigInt(metered.wh[cell(s, t)]!) * WATT_MS, 0n);
    return stays.reduce(
      (total, _, s) => total + result.baseline[cell(s, t)]!,
      standing[slot]! - (actualWh[slot] === null ? 0n : ofSessions),
    );
  });
  const lines = stays.map(({ session }, s): SessionLine => {
    const own = Array.from({ length: grid.blocks }, (_, t) => result.baseline[cell(s, t)]!);
    const wh = (watts: bigint) => rational(watts, WATT_MS);
    return {
      ...{
        sessionId: session.sessionId,
        pluggedInAt: session.pluggedInAt,
        pluggedOutAt: session.pluggedOutAt,
        powerW: session.powerW,
      },
      ...{ from: plans[s]!.from, energyWh: plans[s]!.energyWh, energyBasis: plans[s]!.basis, meteredWh: metered.total[s]! },
      windowWh: wh(inWindow.reduce((total, t) => total + own[t]!, 0n)),
      baselineWh: wh(own.reduce((total, watts) => total + watts, 0n)),
      unmetWh: wh(result.short[s]!),
      flags: [...plans[s]!.flags, ...FLAGS.filter((_, bit) => result.flags[s]! & (1 << bit))],
    };
  });
  return {
    ...{ meterId: series.meterId, actualWh, evidence: { ...evidence, sessions: lines } },
    baseline: { kind: 'exact', numerators, denominator: WATT_MS },
    quality: { ...quality, flags: [...new Set(lines.flatMap(({ flags }) => flags))].sort() },
  };
}

const FLAGS = ['drew_more_than_stated', 'site_limit_exceeded'];

/** The blocks that the stays touch, on the series' grid. */
function gridOf(series: LoadSeries, stays: readonly Stay[], window: Interval): Grid {
  const step = series.minutes * MINUTE;
  const first = Math.min(window.start, ...stays.map(({ span }) => span.start));
  const last = Math.max(window.end, ...stays.map(({ span }) => span.end));
  const start = series.start + Math.floor((first - series.start) / step) * step;
  return { start, step, blocks: Math.ceil((last - start) / step) };
}

/** Each block's reading goes to the stays in it by the time they were there, largest remainder; null when one cannot be. */
function meteredBySession(series: LoadSeries, stays: readonly Stay[], grid: Grid): Metered | null {
  const wh = new Int32Array(stays.length * grid.blocks);
  const total = stays.map(() => 0);
  const gap = stays.map(() => false);
  const drawing = stays.map(() => false);
  for (let t = 0; t < grid.blocks; t++) {
    const weights = stays.map(({ span }) => BigInt(within(grid, t, span)));
    if (weights.every((weight) => weight === 0n)) continue;
    const reading = trustedWh(series, indexAt(series, grid.start + t * grid.step), 'import');
    if (reading === MISSING) {
      weights.forEach((weight, s) => {
        if (weight === 0n) return;
        gap[s] = true;
        drawing[s] = false;
      });
      continue;
    }
    if (!whole(reading, MOST_WH)) return null;
    largestRemainder(BigInt(reading), weights).forEach((part, s) => {
      wh[s * grid.blocks + t] = Number(part);
      total[s] = total[s]! + Number(part);
      if (weights[s]! > 0n) drawing[s] = 2n * part * WATT_MS >= BigInt(stays[s]!.session.powerW) * weights[s]!;
    });
  }
  return total.some((own) => own > MOST_WH) ? null : { wh, total, gap, drawing };
}
