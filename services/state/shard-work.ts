import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fromJson, type JsonValue } from '@bufbuild/protobuf';
import { CalendarDay_Kind, CalendarDaySchema, TermsSchema } from '../../gen/lachak/v1/catalogue_pb.ts';
import type { Json } from '../domain/canonical.ts';
import { MINUTE, overlaps } from '../domain/interval.ts';
import { exact, type Rational, rational, readExact } from '../domain/rational.ts';
import { zoneDays } from '../host/zone.ts';
import { type DayFiles, openDays } from '../performance/column-file.ts';
import { isPlain } from '../performance/family.ts';
import type { Kernel } from '../performance/kernel.ts';
import { methodOf } from '../performance/method.ts';
import { isWorkingDay, type Plan, planOf } from '../performance/windows.ts';
import { energySums, type MeasuredColumns, type PlainTerms, plainTerms, type ShardSums } from '../settlement/credit-columns.ts';
import { readPayTerms } from '../settlement/terms.ts';
import { type Column, readColumns, writeColumns } from './column-store.ts';
import { metersIn, type ShardFacts, type Town } from './town.ts';

/** The same for every shard of a run. */
export type Ground = {
  readonly plan: Plan;
  readonly method: ReturnType<typeof methodOf>;
  readonly pay: PlainTerms;
  readonly kernel: Kernel;
  readonly days: DayFiles;
};
export type MeasuredHead = {
  readonly shard: number;
  readonly sums: Stringed<ShardSums>;
  readonly exact: Readonly<Record<string, string>>;
};
/** What all shards are settled with, once the portfolio is known. */
export type Settling = { readonly scale: string; readonly holdoutScale: string; readonly covered: boolean };
export type SettledHead = {
  readonly shard: number;
  readonly settling: Settling;
  readonly root: string;
  readonly points: number;
  readonly wouldBe: string;
  readonly totals: Readonly<
    Record<'micros' | 'consumer' | 'aggregator' | 'counterparty' | 'billed' | 'paise' | 'creditedWh', number>
  >;
  readonly open: number;
  readonly organisation: string;
};
type Stringed<T> = { readonly [K in keyof T]: T[K] extends bigint ? string : T[K] extends object ? Stringed<T[K]> : T[K] };

const SUSPECT = 4;
/** Throws RangeError naming what of the terms a run of columns cannot do. */
export function groundOf(town: Town, kernel: Kernel, folder: string): Ground {
  const terms = fromJson(TermsSchema, town.terms as JsonValue);
  const zone = zoneDays(town.zone);
  const days = town.calendar.days.map((day) => fromJson(CalendarDaySchema, day as JsonValue));
  const holidays = new Set(days.filter(({ kind }) => kind === CalendarDay_Kind.HOLIDAY).map(({ day }) => day));
  const { window, noticeAtMs } = town.event;
  const eventDay = zone.dayOf(window.start);
  const method = methodOf(terms.baseline, terms.direction, isWorkingDay(eventDay, holidays, zone));
  const plan = planOf({
    window,
    noticeAt: noticeAtMs || window.start,
    minutes: terms.settlementIntervalMinutes,
    method,
    holidays,
    zone,
  });
  const pay = plainTerms(readPayTerms(town.terms), eventDay);
  if (typeof pay === 'string') throw new RangeError(`these terms need points one by one, not columns: ${pay}`);
  if (!isPlain(method) || plan.rankCount > 0) throw new RangeError('this baseline needs points one by one, not columns');
  if (method.quantity === 'export') throw new RangeError('a baseline of exported energy needs points one by one, not columns');
  if (plan.minutes !== town.intervalMinutes) throw new RangeError('meters and settlement must have one interval length');
  const closed = new Set(days.filter(({ kind }) => kind === CalendarDay_Kind.EXCLUDED).map(({ day }) => day));
  const kept = plan.days.map((day) => !closed.has(day));
  return {
    plan: { ...plan, days: plan.days.filter((_, i) => kept[i]), history: plan.history.filter((_, i) => kept[i]) },
    ...{ method, pay, kernel, days: openDays(folder, kernel.columnSums) },
  };
}

export const cohortFile = (folder: string, shard: number): string => join(folder, 'cohort', `${shard}.cols`);
export const measuredFile = (folder: string, shard: number): string => join(folder, 'run', 'measured', `${shard}.cols`);
export const settledFile = (folder: string, shard: number): string => join(folder, 'run', 'settled', `${shard}.cols`);
export const billsFile = (folder: string, shard: number): string => join(folder, 'run', 'bills', `${shard}.csv`);

/** From tiles to exact delivered energy, a file of columns and the shard's sums. */
export function measureShard(town: Town, folder: string, shard: number, ground: Ground): MeasuredHead {
  const { plan, method, kernel } = ground;
  const meters = metersIn(town, shard);
  const cohort = readColumns<ShardFacts>(cohortFile(folder, shard));
  if (!cohort) throw new Error(`${cohortFile(folder, shard)} is missing: lachak state seed makes it`);
  openWindows(town, shard, cohort.head, ground);
  const answers = kernel.batch.run(method.spec, { excluded: true, notSettled: true });
  const numbers = (from: Float64Array) => Float64Array.from(from.subarray(0, meters));
  const bytes = (from: Uint8Array) => Uint8Array.from(from.subarray(0, meters));
  const missing = bytes(answers.missingCount);
  const settled = Uint8Array.from({ length: meters }, (_, m) => plan.eventCount - missing[m]! - answers.notSettledCount[m]!);
  const columns = {
    ...{ status: bytes(answers.status), flags: bytes(answers.flags), missing, settled },
    selected: Uint8Array.from(answers.selectedCount.subarray(0, meters)),
    ...{ delivered: numbers(answers.deliveredTotal), denominator: numbers(answers.denominator) },
    ...{
      baselineWh: numbers(answers.baselineTotalWh),
      meteredWh: numbers(answers.actualTotal),
      deliveredWh: numbers(answers.deliveredTotalWh),
    },
  };
  const beyond = Uint8Array.from(columns.flags, (flags, m) => ((flags & 16) !== 0 && columns.status[m] === 0 ? 1 : 0));
  const exacts: Record<string, string> = {};
  for (const [m, ask] of beyond.entries()) if (ask) exacts[m] = exactlyDelivered(kernel, method, m);
  const measured = measuredOf(columns, exacts);
  const { millionths, sums } = energySums(measured, cohortColumns(cohort.columns));
  const head: MeasuredHead = { shard, sums: stringed(sums), exact: exacts };
  writeColumns(measuredFile(folder, shard), head, { ...columns, millionths });
  return head;
}

function exactlyDelivered(kernel: Kernel, { spec }: Ground['method'], lane: number): string {
  const { result } = kernel.batch.exact(spec, lane).at(0);
  return exact(rational(result!.deliveredTotal, result!.denominator));
}

/** The windows of all days of a shard, read straight into the core's memory; what lay without supply, and what is suspect, taken out. */
function openWindows(town: Town, shard: number, facts: ShardFacts, { plan, kernel, days }: Ground): void {
  const zone = zoneDays(town.zone);
  const meters = metersIn(town, shard);
  const step = town.intervalMinutes * MINUTE;
  const known = facts.versions.filter(({ knownAtMs }) => knownAtMs <= town.asOfMs);
  const files = new Map<string, ReturnType<DayFiles['open']> | null>();
  const fileOf = (day: string) => {
    const found = files.get(day);
    if (found !== undefined) return found;
    const versions = known.filter((version) => version.day === day).map(({ path, version }) => ({ path, version, shard, day }));
    const file = versions.length === 0 ? null : days.open(versions);
    files.set(day, file);
    return file;
  };
  const rows = [...plan.history, plan.actual].map((starts) =>
    runsOf(
      starts,
      step,
      (at) => zone.dayOf(at),
      (day) => zone.startOf(day),
    ),
  );
  const width = rows.flat().every(({ day }) => (fileOf(day)?.width ?? 2) === 2) ? 2 : 4;
  const { eventCount: eventSlots, windowCount: windowSlots } = plan;
  const door = kernel.batch.open({ meters, days: plan.days.length, eventSlots, windowSlots, width });
  const sentinel = width === 2 ? -32768 : -(2 ** 31);
  rows.forEach((runs, r) => {
    const into = r < plan.days.length ? door.history[r]! : door.actual;
    for (const { day, from, to, row } of runs) {
      const file = fileOf(day);
      const cells = into.subarray(row * meters, (row + to - from) * meters);
      if (!file || from < 0) {
        cells.fill(sentinel);
        continue;
      }
      file.read('import', from, to, cells);
      file.doubts(from, to, (slot, ordinal, quality) => {
        if (quality >= SUSPECT) cells[(slot - from) * meters + ordinal] = sentinel;
      });
    }
  });
  door.excluded.fill(0);
  door.notSettled.fill(0);
  const slots = eventSlots + windowSlots;
  for (const { from, to, startMs, endMs } of facts.outages) {
    const hits = (at: number) => !Number.isNaN(at) && overlaps({ start: at, end: at + step }, { start: startMs, end: endMs });
    plan.history.forEach((starts, r) => {
      if (starts.some(hits)) door.excluded.fill(1, r * door.stride + from, r * door.stride + to);
    });
    for (let slot = 0; slot < slots; slot++) {
      if (!hits(plan.actual[slot]!)) continue;
      if (slot < eventSlots) door.notSettled.fill(1, slot * door.stride + from, slot * door.stride + to);
      // Its zero says nothing about the load.
      else door.actual.fill(sentinel, slot * meters + from, slot * meters + to);
    }
  }
}

/** Slots that follow one another in one day are read at once. `row`: of the first in the door. A slot that is not there has `from` −1. */
function runsOf(starts: Float64Array, step: number, dayOf: (at: number) => string, startOf: (day: string) => number) {
  const runs: { day: string; from: number; to: number; row: number }[] = [];
  for (const [row, start] of starts.entries()) {
    const day = Number.isNaN(start) ? '' : dayOf(start);
    const slot = Number.isNaN(start) ? -1 : Math.round((start - startOf(day)) / step);
    const last = runs.at(-1);
    if (last && slot >= 0 && last.day === day && last.to === slot) last.to++;
    else runs.push({ day, from: slot, to: slot + 1, row });
  }
  return runs;
}

/** The columns of a measured shard as the money reads them. */
export function measuredOf(columns: Readonly<Record<string, Column>>, exacts: Readonly<Record<string, string>>): MeasuredColumns {
  const { status, missing, settled } = columns as Record<string, Uint8Array>;
  const { delivered, denominator } = columns as Record<string, Float64Array>;
  const points = status!.length;
  const beyond = Uint8Array.from({ length: points }, (_, m) => (exacts[m] === undefined ? 0 : 1));
  const exactOf = (m: number): Rational => readExact(exacts[m]!);
  return {
    points,
    beyond,
    exactOf,
    ...{ status: status!, missing: missing!, settled: settled!, delivered: delivered!, denominator: denominator! },
  };
}

export const cohortColumns = (columns: Readonly<Record<string, Column>>) => ({
  role: columns.role as Uint8Array,
  aggregated: columns.aggregated as Uint8Array,
  optOuts: columns.optOuts as Uint8Array,
});

const stringed = (sums: ShardSums): MeasuredHead['sums'] =>
  JSON.parse(
    JSON.stringify(sums, (_, value: unknown) => (typeof value === 'bigint' ? String(value) : value)),
  ) as MeasuredHead['sums'];

/** Reads a JSON file of the folder. */
export const readTown = (folder: string): Town =>
  JSON.parse(readFileSync(join(folder, 'state.json'), 'utf8')) as Town & { terms: Json };
