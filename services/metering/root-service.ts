import { openCore } from '../host/core-file.ts';
import { type DayRoot, dayRoots, type RootCore } from './day-root.ts';

let opened: DayRoot | null = null;

/** In this thread's own core, opened when the first root is asked for. */
export const dayRoot: DayRoot = (...day) => {
  opened ??= dayRoots(openCore<RootCore>());
  return opened(...day);
};
