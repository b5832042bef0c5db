import type { Instant, Interval } from '../domain/interval.ts';
import type { State } from './instruction-state.ts';

/** An instruction as the status needs it. */
export type Line = {
  readonly resourceId: string;
  readonly settlementPointId: string;
  readonly state: State;
  readonly expectedW: number;
  /** Power before it was asked anything, from its own meter; null = it had no live meter. */
  readonly referenceW: number | null;
};
export type Live = { readonly powerW: number; readonly at: Instant };
export type Status = {
  readonly byState: Readonly<Record<string, number>>;
  readonly committedW: number;
  readonly confirmedW: number;
  readonly measuredW: number;
  readonly estimatedW: number;
  readonly liveMeters: number;
  readonly resources: number;
  readonly settlementPoints: number;
};

/** A live value older than this says nothing about now. */
export const STALE_MS = 15 * 60_000;
const doing: readonly State[] = ['ACKNOWLEDGED', 'APPLIED', 'CONFIRMED'];

/**
 * committed = expected of all chosen; confirmed = expected of those whose measured power fell; measured = reduction now over live
 * meters, whatever their state, so that rebound and override show; estimated = expected of the acknowledged ones without a live
 * meter. W; a fall is positive for SHED, a rise for ABSORB. Measured and estimated never count one resource twice.
 */
export function statusOf(
  lines: readonly Line[],
  live: ReadonlyMap<string, Live>,
  direction: 'SHED' | 'ABSORB',
  window: Interval,
  now: Instant,
): Status {
  const byState: Record<string, number> = {};
  let committedW = 0;
  let confirmedW = 0;
  let measuredW = 0;
  let estimatedW = 0;
  let liveMeters = 0;
  const running = now >= window.start && now < window.end;
  for (const line of lines) {
    byState[line.state] = (byState[line.state] ?? 0) + 1;
    committedW += line.expectedW;
    if (line.state === 'CONFIRMED') confirmedW += line.expectedW;
    const report = live.get(line.resourceId);
    const metered = line.referenceW !== null && report !== undefined && report.at >= window.start && now - report.at <= STALE_MS;
    if (report !== undefined && now - report.at <= STALE_MS) liveMeters += 1;
    if (running && metered) measuredW += direction === 'SHED' ? line.referenceW - report.powerW : report.powerW - line.referenceW;
    else if (running && doing.includes(line.state)) estimatedW += line.expectedW;
  }
  return {
    byState,
    committedW,
    confirmedW,
    measuredW,
    estimatedW,
    liveMeters,
    resources: lines.length,
    settlementPoints: new Set(lines.map((line) => line.settlementPointId)).size,
  };
}

/** Target of the interval `now` lies in; before the window its first, afterwards its last. W; 0 = all there is. */
export function targetAt(targetW: readonly number[], window: Interval, intervalMinutes: number, now: Instant): number {
  if (targetW.length <= 1) return targetW[0] ?? 0;
  const index = Math.floor((now - window.start) / (intervalMinutes * 60_000));
  return targetW[Math.max(0, Math.min(index, targetW.length - 1))]!;
}
