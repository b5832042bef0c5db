import type { Curves, PointResult } from '../../gen/lachak/v1/performance_pb.ts';
import { type Instant, type Interval, MINUTE } from '../domain/interval.ts';
import { MISSING } from './kernel.ts';
import type { Plain } from './results.ts';
import { LEAD } from './windows.ts';

/**
 * Sums over the chosen points of one organisation that have a baseline. Metered and baseline of an interval are over the same points,
 * those settled in it, so the gap between the curves is what was delivered.
 */
export type CurveSums = {
  readonly points: number;
  /** Per interval of the window. */
  readonly baselineWh: readonly number[];
  readonly deliveredWh: readonly number[];
  /** Per interval from LEAD before the window to LEAD after it, with how many points it is the sum of. */
  readonly meteredWh: readonly number[];
  readonly metered: readonly number[];
};

/** One point's share. `lead` holds its Wh before and after the window, MISSING where there is none. */
export function curveOf(result: Plain<PointResult>, lead: readonly number[]): CurveSums {
  const settled = result.slots.map((slot) => slot.deliveredNum !== '');
  const metered = [
    ...lead.slice(0, LEAD),
    ...result.slots.map((slot, i) => (settled[i] && slot.hasMetered ? Number(slot.meteredWh) : MISSING)),
    ...lead.slice(LEAD),
  ];
  return {
    points: 1,
    baselineWh: result.slots.map((slot, i) => (settled[i] ? Number(slot.baselineWh) : 0)),
    deliveredWh: result.slots.map((slot, i) => (settled[i] ? Number(slot.deliveredWh) : 0)),
    meteredWh: metered.map((wh) => (wh === MISSING ? 0 : wh)),
    metered: metered.map((wh) => (wh === MISSING ? 0 : 1)),
  };
}

/** Whole Wh, far below 2⁵³ for any portfolio. */
export function sumCurves(curves: readonly CurveSums[], slots: number): CurveSums {
  const total = (length: number, of: (curve: CurveSums) => readonly number[]) =>
    Array.from({ length }, (_, i) => curves.reduce((sum, curve) => sum + of(curve)[i]!, 0));
  return {
    points: curves.reduce((sum, { points }) => sum + points, 0),
    baselineWh: total(slots, (curve) => curve.baselineWh),
    deliveredWh: total(slots, (curve) => curve.deliveredWh),
    meteredWh: total(slots + 2 * LEAD, (curve) => curve.meteredWh),
    metered: total(slots + 2 * LEAD, (curve) => curve.metered),
  };
}

/** The curves as they are shown; a baseline exists only inside the window. */
export function curvesOf(
  runId: string,
  window: Interval,
  minutes: number,
  sums: CurveSums,
): Omit<Plain<Curves>, 'window'> & { window: { startMs: bigint; endMs: bigint } } {
  const start: Instant = window.start - LEAD * minutes * MINUTE;
  const around = Array<number>(LEAD).fill(0);
  const framed = (values: readonly number[]) => [...around, ...values, ...around].map(BigInt);
  return {
    runId,
    startMs: BigInt(start),
    intervalMinutes: minutes,
    baselineWh: framed(sums.baselineWh),
    meteredWh: sums.meteredWh.map(BigInt),
    deliveredWh: framed(sums.deliveredWh),
    hasMetered: sums.metered.map((points) => points > 0),
    window: { startMs: BigInt(window.start), endMs: BigInt(window.end) },
    points: sums.points,
    hasBaseline: sums.metered.map((points, i) => points > 0 && i >= LEAD && i < sums.metered.length - LEAD),
  };
}
