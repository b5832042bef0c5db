import { type Instant, MINUTE } from '../services/domain/interval.ts';

/** How the power of a sample came about; `offered` is a promise, not a measurement. */
export type PowerSource = 'meter' | 'phases' | 'register_delta' | 'current_voltage' | 'offered';
export type Sample = {
  readonly at: Instant;
  /** W; null = the device did not say, which is not zero. */
  readonly powerW: number | null;
  /** Import register, Wh. */
  readonly registerWh: number | null;
  readonly source: PowerSource | null;
  /** Still serving its user: not switched off, not a full battery. A load that has gone by itself proves nothing. */
  readonly serving: boolean;
};

/** A load that cycles is judged over whole quarter hours. */
export const JUDGED_MS = 15 * MINUTE;
export const HISTORY_MS = 90 * MINUTE;
/** What is not proven by then will not be: later a change has other causes. */
export const PROVABLE_MS = 40 * MINUTE;
const LEAST_MOVE_W = 100;
/** By a fifth. */
const FALL_TO = 0.8;
const RISE_TO = 1.2;

export type Direction = 'shed' | 'absorb';

/**
 * The mean power of that quarter hour in the hour and a half before `at` that is hardest to move away from: the lowest when power shall
 * fall, the highest when it shall rise, W. A compressor's own pauses and runs are in it, so what goes beyond is not one of them. Only
 * since it last began to serve its user. null = not measured long enough to say.
 */
export function powerBefore(samples: readonly Sample[], at: Instant, direction: Direction): number | null {
  const measuredEarlier = samples.filter((s) => s.at <= at && s.at > at - HISTORY_MS && measured(s));
  const earlier = measuredEarlier.slice(measuredEarlier.findLastIndex((s) => !s.serving) + 1);
  const further = direction === 'shed' ? Math.min : Math.max;
  let before: number | null = null;
  for (let i = 0; i < earlier.length; i++) {
    const j = earlier.findIndex((s) => s.at >= earlier[i]!.at + JUDGED_MS);
    if (j < 0) break;
    const mean = meanPower(earlier.slice(i, j + 1));
    before = before === null ? mean : further(before, mean);
  }
  return before;
}

/**
 * True when measured power moved as asked: some quarter hour that began within `PROVABLE_MS` of `start` lies at least 100 W and a fifth
 * below `beforeW` (absorb: above), with the device still serving its user throughout.
 */
export function powerMoved(samples: readonly Sample[], start: Instant, beforeW: number | null, direction: Direction): boolean {
  if (beforeW === null) return false;
  const later = samples.filter((s) => s.at >= start && measured(s));
  for (let i = 0; i < later.length && later[i]!.at <= start + PROVABLE_MS; i++) {
    const j = later.findIndex((s) => s.at >= later[i]!.at + JUDGED_MS);
    if (j < 0) return false;
    const span = later.slice(i, j + 1);
    if (!span.every((s) => s.serving)) continue;
    const mean = meanPower(span);
    const far = direction === 'shed' ? mean <= FALL_TO * beforeW : mean >= RISE_TO * beforeW;
    if (far && Math.abs(beforeW - mean) >= LEAST_MOVE_W) return true;
  }
  return false;
}

/** Mean power over the samples, W: from the register where both ends show it, else each power held until the next sample. */
export function meanPower(span: readonly Sample[]): number {
  const first = span[0]!;
  const last = span[span.length - 1]!;
  const ms = last.at - first.at;
  if (first.registerWh !== null && last.registerWh !== null && last.registerWh >= first.registerWh) {
    return ((last.registerWh - first.registerWh) * 3_600_000) / ms;
  }
  let sum = 0;
  for (let i = 1; i < span.length; i++) sum += (span[i - 1]!.powerW ?? 0) * (span[i]!.at - span[i - 1]!.at);
  return sum / ms;
}

const measured = (s: Sample): boolean => s.source !== 'offered' && (s.powerW !== null || s.registerWh !== null);
