import type { Instant } from '../domain/interval.ts';
import type { ZoneDays } from '../domain/zone.ts';
import { arrange, type Group } from './arrange.ts';
import { type Blocks, piecesOf, rowsOf } from './blocks.ts';
import { absorb, type Findings, noFindings } from './findings.ts';
import type { KnownMeter } from './known.ts';
import type { Rows } from './rows.ts';
import { rowsFrom, type Sheet } from './sheet.ts';
import { type StraightDay, spread } from './spread.ts';
import { spreadBlocks } from './spread-blocks.ts';

export type SortInput = {
  readonly rows: Rows;
  /** The readings themselves, when they are not in `rows`. */
  readonly told: Sheet | Blocks | null;
  readonly meters: readonly (KnownMeter | null)[];
  readonly zoneDays: (zone: string) => ZoneDays;
  readonly now: Instant;
  readonly knownAt: Instant;
  readonly findings: Findings;
};
/** A delivery by tile: days as they lie, or rows in groups. */
export type Sorted = {
  readonly days: readonly StraightDay[];
  readonly rows: Rows;
  readonly groups: readonly Group[];
  readonly slot: Uint16Array;
  readonly refused: number;
};

const NO_GROUPS = { groups: [], slot: new Uint16Array(0), refused: 0 };

/** As it lies where that can be; where a single reading must be looked at and is good, all are taken as rows. */
export function sortOut(input: SortInput): Sorted {
  const { told, meters, zoneDays, now, knownAt, findings } = input;
  if (told === null) return { days: [], rows: input.rows, ...arrange(input) };
  const { meterIds, daySums } = input.rows;
  const common = { meterIds, meters, zoneDays, now, knownAt };
  const found = 'all' in told ? spreadBlocks({ told, ...common }) : spread({ told, ...common });
  if (found !== null) {
    const apart = noFindings();
    const others = found.others.count === 0 ? NO_GROUPS : arrange({ ...input, rows: found.others, findings: apart });
    if (others.groups.length === 0) {
      absorb(findings, apart);
      return { days: found.days, rows: found.others, ...others };
    }
  }
  const all = 'all' in told ? rowsOf(piecesOf(told), meterIds) : rowsFrom(told, meterIds);
  const rows = { ...all, daySums };
  return { days: [], rows, ...arrange({ ...input, rows }) };
}
