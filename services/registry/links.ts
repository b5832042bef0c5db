import type { Dated, Instant } from '../domain/interval.ts';

/** What a new link does to a timeline. */
export type Placement =
  /** The timeline says so already. */
  | { readonly outcome: 'unchanged' }
  /** Put it in; `closes` (an index, or null) ends where it begins. */
  | { readonly outcome: 'placed'; readonly closes: number | null }
  /** The open link at `closes` is the same state: it ends where the new one ends. */
  | { readonly outcome: 'ends'; readonly closes: number }
  | { readonly outcome: 'contradiction'; readonly with: number };

/**
 * Where a new link goes in a timeline whose links do not overlap. `same(i)`: link i says the same thing.
 * - Given again, it says nothing new; given without an end it says nothing about the end a successor gave it.
 * - The same state with an end, where there was none: the open link ends there.
 * - Beginning inside an open link: that one ends where the new one begins, without a seam (a meter replaced, an occupant changed).
 * - Overlapping anything else: a contradiction, since history is not rewritten.
 */
export function place(timeline: readonly Dated[], next: Dated, same: (index: number) => boolean): Placement {
  for (const [index, link] of timeline.entries()) {
    if (!overlap(link, next)) continue;
    const open = link.to === null;
    if (same(index) && (link.from === next.from || (open && link.from < next.from))) {
      if (next.to === link.to || next.to === null) return { outcome: 'unchanged' };
      if (open) return { outcome: 'ends', closes: index };
    }
    return open && link.from < next.from ? { outcome: 'placed', closes: index } : { outcome: 'contradiction', with: index };
  }
  return { outcome: 'placed', closes: null };
}

const overlap = (a: Dated, b: Dated): boolean => (a.to === null || b.from < a.to) && (b.to === null || a.from < b.to);

/** The parent of an area at an instant; empty = a root. */
export type ParentOf = (areaId: string, at: Instant) => string;

/** The areas from `areaId` (first) to its root as of `at`, or null when they lead in a circle. */
export function areaPath(areaId: string, at: Instant, parentOf: ParentOf): string[] | null {
  const path: string[] = [];
  for (let area = areaId; area !== ''; area = parentOf(area, at)) {
    if (path.includes(area)) return null;
    path.push(area);
  }
  return path;
}
