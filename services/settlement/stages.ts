import type { Instant } from '../domain/interval.ts';
import type { Stage, StageRule } from './terms.ts';

/** How far an ended event has come. `stagesDone` counts the rules that were carried out. */
export type Progress = { readonly endMs: Instant; readonly stagesDone: number };
export type Due = { readonly rule: StageRule; readonly at: Instant };

/**
 * The next stage of an event, or null when its last one is done. Stages keep their order; readings known by `at` are used. Late
 * readings wait for the next stage, so that all corrections of an event are settled again together.
 */
export function nextRun(stages: readonly StageRule[], { endMs, stagesDone }: Progress): Due | null {
  const rule = stages[stagesDone];
  return rule ? { rule, at: endMs + rule.cutOffAfterEndMs } : null;
}

/**
 * What is done at a cut-off: an event that nothing has touched since its newest run, and whose coverage means to this stage what it
 * meant to that run, keeps its figures and reaches the stage without measuring again; any other is measured. CLOSED makes no run.
 */
export function atCutOff(
  { stage, minCoveragePpm }: StageRule,
  newest: { readonly coveragePpm: number; readonly coverageReached: boolean } | null,
  stale: boolean,
): 'measure' | 'confirm' {
  if (stage === 'CLOSED') return 'confirm';
  if (!newest || stale) return 'measure';
  return newest.coveragePpm >= minCoveragePpm === newest.coverageReached ? 'confirm' : 'measure';
}

/** A new version is made when any figure differs, never for equal ones. */
export const differs = (before: ReadonlyMap<string, string>, now: ReadonlyMap<string, string>): string[] =>
  [...new Set([...before.keys(), ...now.keys()])].filter((point) => before.get(point) !== now.get(point)).sort();

/** The cut-off after the one an event has come to; null = there is none. */
export const dueAfter = (stages: readonly StageRule[], { endMs, stagesDone }: Progress): Instant | null =>
  nextRun(stages, { endMs, stagesDone: stagesDone + 1 })?.at ?? null;

export const stageNumber: Record<Stage, number> = { PRELIMINARY: 1, INITIAL: 2, FINAL: 3, TRUE_UP: 4, CLOSED: 5 };
