import { readFileSync } from 'node:fs';
import { cpus } from 'node:os';
import { resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { coreBytes } from '../services/host/core-file.ts';
import { comparableDays, fixedOffset } from '../services/performance/days.ts';
import { type EstimateInput, loadKernel, MISSING } from '../services/performance/kernel.ts';
import { readReadings } from '../services/performance/readings-csv.ts';
import { noRows, type Rows, readingAt, seriesOf } from '../services/performance/series.ts';
import type { DayMatchingSpec } from '../services/performance/spec.ts';

/*
 * How long do the baselines of the 100 homes of `lcl` take for one event, in the core and as plain TypeScript?
 * Repeat: npm run build && node dist/bench/homes.js (readings from LACHAK_FIXTURES, default ../shared).
 */

const HOUR = 3_600_000;
const RUNS = 50;

/** 10 of 10 with ratio ±20 %, event 16:30–18:30, window −240…−60 min, half hours. */
const SPEC: DayMatchingSpec = {
  select: 'all',
  x: 10,
  y: 10,
  minDays: 5,
  lowUsage: null,
  adjustment: { kind: 'multiplicative', direction: 'both', lo: { num: 4, den: 5 }, hi: { num: 6, den: 5 }, cap: null },
  floorZero: true,
  direction: 'reduce',
};

/** Prints one line of numbers; throws when core and plain TypeScript differ in one integer. */
export async function homesBench(print: (line: string) => void): Promise<void> {
  const input = await homesOfLcl();
  const kernel = await loadKernel(coreBytes());
  const cold = timed(() => kernel.estimate(input));
  const core = Array.from({ length: RUNS }, () => timed(() => kernel.estimate(input)).ms).sort((a, b) => a - b);
  const plain = Array.from({ length: RUNS }, () => timed(() => plainTotals(input)));
  const plainMs = plain.map(({ ms }) => ms).sort((a, b) => a - b);
  const differing = plain[0]!.value.findIndex((wh, m) => !Object.is(wh, cold.value.deliveredTotalWh[m]!));
  if (differing >= 0)
    throw new Error(`home ${differing}: plain ${plain[0]!.value[differing]}, core ${cold.value.deliveredTotalWh[differing]}`);
  const at = (list: number[], share: number) => list[Math.floor(list.length * share)]!.toFixed(2);
  print(
    `homes: ${input.meters} homes × ${input.days} days × ${input.eventSlots + input.windowSlots} slots, exact: core p50 ${at(core, 0.5)} ms ` +
      `p99 ${at(core, 0.99)} ms, first call ${cold.ms.toFixed(2)} ms; plain TypeScript p50 ${at(plainMs, 0.5)} ms; ` +
      `core is ${(Number(at(plainMs, 0.5)) / Number(at(core, 0.5))).toFixed(1)}× as fast (goal ≤ 20 ms; ${cpus()[0]?.model.trim()}, Node ${process.version})`,
  );
}

async function homesOfLcl(): Promise<EstimateInput> {
  const folder = resolve(
    fileURLToPath(new URL('../..', import.meta.url)),
    process.env.LACHAK_FIXTURES ?? '../shared',
    'data/lcl',
  );
  const ids = readFileSync(`${folder}/meters.csv`, 'utf8')
    .trim()
    .split('\n')
    .slice(1)
    .map((line) => line.split(',')[0]!);
  const rows = new Map<string, Rows>(ids.map((id) => [id, noRows()]));
  await readReadings(`${folder}/readings.csv.gz`, rows);
  const series = ids.map((id) => seriesOf(rows.get(id)!));
  const zone = fixedOffset('+00:00')!;
  const eventDay = '2013-03-14';
  const days = comparableDays(eventDay, { dayType: 'weekday_vs_nonworking', minGapDays: 1, lookbackDays: 45 }, new Set(), zone);
  const offsets = [16.5, 17, 17.5, 18, 12.5, 13, 13.5, 14, 14.5, 15].map((hour) => hour * HOUR);
  const column = (day: string) =>
    offsets.flatMap((at) => series.map((home) => readingAt(home, zone.startOf(day) + at, 'import')));
  return {
    spec: SPEC,
    ...{ meters: ids.length, days: days.length, eventSlots: 4, windowSlots: 6 },
    history: Int32Array.from(days.flatMap(column)),
    excluded: new Uint8Array(days.length * ids.length),
    actual: Int32Array.from(column(eventDay)),
  };
}

/** The same rules for this one spec, as one would write them for speed in TypeScript: numbers while they are exact, BigInt for the rest. */
function plainTotals({ meters, days, eventSlots, windowSlots, history, actual }: EstimateInput): number[] {
  const slots = eventSlots + windowSlots;
  return Array.from({ length: meters }, (_, m) => {
    const sums = new Array<number>(slots).fill(0);
    let k = 0;
    for (let d = 0; d < days && k < SPEC.y; d++) {
      let whole = true;
      for (let s = 0; s < slots; s++) if (history[(d * slots + s) * meters + m] === MISSING) whole = false;
      if (!whole) continue;
      for (let s = 0; s < slots; s++) sums[s]! += history[(d * slots + s) * meters + m]!;
      k++;
    }
    if (k < SPEC.minDays) return Number.NaN;
    let observed = 0;
    let reference = 0;
    let complete = true;
    for (let s = eventSlots; s < slots; s++) {
      if (actual[s * meters + m] === MISSING) complete = false;
      observed += actual[s * meters + m]!;
      reference += sums[s]!;
    }
    const { lo, hi } = SPEC.adjustment;
    let [num, den] = complete && reference > 0 && observed >= 0 ? [BigInt(k * observed), BigInt(reference)] : [1n, 1n];
    if (num * BigInt(lo!.den) < den * BigInt(lo!.num)) [num, den] = [BigInt(lo!.num), BigInt(lo!.den)];
    if (num * BigInt(hi!.den) > den * BigInt(hi!.num)) [num, den] = [BigInt(hi!.num), BigInt(hi!.den)];
    const common = den * BigInt(k);
    let total = 0n;
    for (let s = 0; s < eventSlots; s++) {
      const wh = actual[s * meters + m]!;
      if (wh !== MISSING) total += BigInt(sums[s]!) * num - BigInt(wh) * common;
    }
    const size = total < 0n ? -total : total;
    const rounded = Number((size * 2n + common) / (common * 2n));
    return total < 0n ? -rounded : rounded;
  });
}

function timed<T>(run: () => T): { ms: number; value: T } {
  const start = performance.now();
  const value = run();
  return { ms: performance.now() - start, value };
}

if (process.argv[1] === fileURLToPath(import.meta.url)) await homesBench(console.log);
