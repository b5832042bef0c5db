import { openCore } from '../host/core-file.ts';
import { type DayDigests, type DayRoot, dayRoots, dayDigests as digestsBy, type RootCore } from './day-root.ts';

let opened: { readonly root: DayRoot; readonly digests: DayDigests } | null = null;
function own() {
  if (opened) return opened;
  const core = openCore<RootCore>();
  opened = { root: dayRoots(core), digests: digestsBy(core) };
  return opened;
}

/** In this thread's own core, opened when the first day is hashed. */
export const dayRoot: DayRoot = (...day) => own().root(...day);
export const dayDigests: DayDigests = (...day) => own().digests(...day);
