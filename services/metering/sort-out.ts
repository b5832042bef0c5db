import type { Instant } from '../domain/interval.ts';
import type { ZoneDays } from '../domain/zone.ts';
import { arrange, type Group } from './arrange.ts';
import { absorb, type Findings, noFindings } from './findings.ts';
import type { KnownMeter } from './known.ts';
import type { Rows } from './rows.ts';
import { rowsFrom, type Sheet } from './sheet.ts';
import { type SheetDay, spread } from './spread.ts';

export type SortInput = {
  readonly rows: Rows;
  readonly sheet: Sheet | null;
  readonly meters: readonly (KnownMeter | null)[];
  readonly zoneDays: (zone: string) => ZoneDays;
  readonly now: Instant;
  readonly knownAt: Instant;
  readonly findings: Findings;
};
/** A delivery by tile: days of a sheet, or rows in groups. */
export type Sorted = {
  readonly days: readonly SheetDay[];
  readonly rows: Rows;
  readonly groups: readonly Group[];
  readonly slot: Uint16Array;
  readonly refused: number;
};

/** By the sheet where that can be; where a single reading must be looked at and is good, all are taken as rows. */
export function sortOut(input: SortInput): Sorted {
  const { sheet, meters, zoneDays, now, knownAt, findings } = input;
  if (sheet === null) return { days: [], rows: input.rows, ...arrange(input) };
  const { meterIds, daySums } = input.rows;
  const found = spread({ sheet, meterIds, meters, zoneDays, now, knownAt });
  if (found !== null) {
    const apart = noFindings();
    const others = arrange({ ...input, rows: found.others, findings: apart });
    if (others.groups.length === 0) {
      absorb(findings, apart);
      return { days: found.days, rows: found.others, ...others };
    }
  }
  const rows = { ...rowsFrom(sheet, meterIds), daySums };
  return { days: [], rows, ...arrange({ ...input, rows }) };
}
