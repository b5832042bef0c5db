import type { Instant } from '../domain/interval.ts';
import type { Stage, StageRule } from './terms.ts';

/** How far an ended event has come. `stagesDone` counts the rules that were carried out. */
export type Progress = { readonly endMs: Instant; readonly stagesDone: number };
export type Due = { readonly rule: StageRule; readonly at: Instant };

/**
 * The next run of an event, or null when its last stage is done. Stages keep their order; readings known by `at` are used. Late
 * readings wait for the next stage, so that all corrections of an event are settled again together.
 */
export function nextRun(stages: readonly StageRule[], { endMs, stagesDone }: Progress): Due | null {
  const rule = stages[stagesDone];
  // CLOSED makes no run: it is what an event is after the last one.
  if (!rule || rule.stage === 'CLOSED') return null;
  return { rule, at: endMs + rule.cutOffAfterEndMs };
}

/** Whether a run at this stage may still be followed by another. */
export const isLast = (stages: readonly StageRule[], stagesDone: number): boolean =>
  nextRun(stages, { endMs: 0, stagesDone: stagesDone + 1 }) === null;

/**
 * What is done at a cut-off: an event that nothing has touched since its newest run keeps that run's figures and reaches the stage
 * without measuring again; one that was marked, or never ran, is measured.
 */
export const atCutOff = (newestVersion: number, stale: boolean): 'measure' | 'confirm' =>
  newestVersion === 0 || stale ? 'measure' : 'confirm';

/** A new version is made when any figure differs, never for equal ones. */
export const differs = (before: ReadonlyMap<string, string>, now: ReadonlyMap<string, string>): string[] =>
  [...new Set([...before.keys(), ...now.keys()])].filter((point) => before.get(point) !== now.get(point)).sort();

export const stageNumber: Record<Stage, number> = { PRELIMINARY: 1, INITIAL: 2, FINAL: 3, TRUE_UP: 4, CLOSED: 5 };
