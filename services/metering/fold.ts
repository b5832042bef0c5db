import type { Instant } from '../domain/interval.ts';
import { conflict } from '../domain/outcome.ts';
import { type DayColumns, MISSING, type Tile } from '../domain/tile.ts';
import type { CivilDay } from '../domain/zone.ts';

/** What is known of a version when it is decided which ones to read. */
export type Kept = {
  readonly shard: number;
  readonly day: CivilDay;
  readonly version: number;
  readonly knownAt: Instant;
  readonly fold: boolean;
  readonly voided: boolean;
  readonly removedAt: Instant | null;
};

/**
 * Of the versions of one tile, in (known_at, version) order: those whose statements, laid over one another, are the state as of an instant.
 * That is the newest fold known by then and what came after it, or everything. Throws Refusal where one of them was let go.
 */
export function stateRows<Row extends Kept>(rows: readonly Row[], asOf: Instant): readonly Row[] {
  const by = rows.filter(({ knownAt }) => knownAt <= asOf);
  const fold = newestFold(by);
  return whole(fold ? after(by, fold) : by.filter((row) => !row.fold), asOf);
}

/** Every version somebody delivered; where the first of them were let go, the fold that stands for them. Throws Refusal where nothing does. */
export function toldRows<Row extends Kept>(rows: readonly Row[]): readonly Row[] {
  const told = rows.filter((row) => !row.fold);
  return told.every(({ removedAt }) => removedAt === null) ? told : stateRows(rows, Number.POSITIVE_INFINITY);
}

/** What a delivery whose statements became known from `lowest` on is laid upon. */
export function groundFor<Row extends Kept>(rows: readonly Row[], lowest: Instant): { rows: readonly Row[]; floor: Instant } {
  const fold = newestFold(rows);
  const letGo = rows.some(({ removedAt, fold: isFold }) => removedAt !== null && !isFold);
  if (fold && (letGo || lowest >= fold.knownAt)) return { rows: after(rows, fold), floor: letGo ? fold.knownAt : -Infinity };
  if (letGo) return { rows: [], floor: Number.POSITIVE_INFINITY };
  return { rows: rows.filter((row) => !row.fold), floor: -Infinity };
}

/** What a fold would stand for: enough versions since the last one, none of them let go. */
export function foldable<Row extends Kept>(rows: readonly Row[], atLeast: number): readonly Row[] | null {
  if (rows.length === 0) return null;
  const { rows: since } = groundFor(rows, Number.POSITIVE_INFINITY);
  return since.length >= Math.max(2, atLeast) && since.every(({ removedAt }) => removedAt === null) ? since : null;
}

/** Versions that a fold stands for, and folds that no longer stand: nothing new is ever read from them, but what was named may be. */
export function superseded<Row extends Kept>(rows: readonly Row[]): readonly Row[] {
  const fold = newestFold(rows);
  const needed = new Set(fold ? after(rows, fold) : rows.filter((row) => !row.fold));
  return rows.filter((row) => row.removedAt === null && !needed.has(row));
}

/** By ordinal: the version that last spoke of the meter; 0 = none. Writes over `speakers`. */
export function noteSpeakers(speakers: Uint32Array, tile: Tile): void {
  const { header, statements } = tile;
  for (let i = 0; i < statements.ordinal.length; i++) speakers[statements.ordinal[i]!] = header.version;
  if (header.kind === 'delta') return;
  for (let slot = 0; slot < header.slots; slot++)
    for (const register of header.hasExport ? (['import', 'export'] as const) : (['import'] as const)) {
      const column = tile.column(register, slot);
      for (let ordinal = 0; ordinal < column.length; ordinal++)
        if (column[ordinal] !== MISSING) speakers[ordinal] = header.version;
    }
}

export function statementsIn({ quality }: DayColumns): number {
  let count = 0;
  for (let at = 0; at < quality.length; at++) if (quality[at] !== 0) count++;
  return count;
}

const newestFold = <Row extends Kept>(rows: readonly Row[]): Row | undefined =>
  rows.findLast((row) => row.fold && !row.voided && row.removedAt === null);

const after = <Row extends Kept>(rows: readonly Row[], fold: Row): readonly Row[] => [
  fold,
  ...rows.filter(
    (row) => !row.fold && (row.knownAt > fold.knownAt || (row.knownAt === fold.knownAt && row.version > fold.version)),
  ),
];

function whole<Row extends Kept>(rows: readonly Row[], asOf: Instant): readonly Row[] {
  const gone = rows.find(({ removedAt }) => removedAt !== null);
  if (gone === undefined) return rows;
  const since = new Date(gone.removedAt!).toISOString().slice(0, 10);
  const when = Number.isFinite(asOf) ? ` as they were known at ${new Date(asOf).toISOString()}` : '';
  throw conflict(
    'readings_let_go',
    `the readings of ${gone.day}, shard ${gone.shard},${when} are no longer kept: retention let them go on ${since}`,
    'as_of_ms',
  );
}
