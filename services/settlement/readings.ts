import type { Instant } from '../domain/interval.ts';

/** One version of one reading, as a readings file tells it. */
export type ReadingVersion = {
  /** From when on it was known; minus infinity where the file does not say. */
  readonly knownAtMs: Instant;
  readonly importWh: number | null;
  readonly exportWh: number | null;
  /** 1 VALID … 5 REJECTED. */
  readonly quality: number;
};
/** Versions by meter and interval start. */
export type Readings = ReadonlyMap<string, ReadonlyMap<Instant, readonly ReadingVersion[]>>;

export const SUSPECT = 4;

/** What was known of an interval at a cut-off: the version known latest, not after it. Null = nothing, or withdrawn. */
export function knownAt(versions: readonly ReadingVersion[] | undefined, asOfMs: Instant): ReadingVersion | null {
  const known = (versions ?? []).filter((version) => version.knownAtMs <= asOfMs);
  const [first, ...others] = known.filter((version) => known.every((other) => other.knownAtMs <= version.knownAtMs));
  if (!first || (first.importWh === null && first.exportWh === null)) return null;
  // Two different values of one moment: neither can be believed.
  return others.every((other) => same(first, other)) ? first : { ...first, quality: SUSPECT };
}

const same = (a: ReadingVersion, b: ReadingVersion): boolean => a.importWh === b.importWh && a.exportWh === b.exportWh;
