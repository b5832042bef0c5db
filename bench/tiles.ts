import { closeSync, mkdirSync, mkdtempSync, openSync, readSync, rmSync, writeFileSync } from 'node:fs';
import { cpus, loadavg, tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { emptyColumns, encodeBase, type TileName } from '../services/domain/tile.ts';
import { coreBytes } from '../services/host/core-file.ts';
import { type DayFiles, openDays, type VersionName } from '../services/performance/column-file.ts';
import { loadKernel } from '../services/performance/kernel.ts';
import { millionMeters } from './million.ts';

/*
 * How fast do the readings of an event's window get from the tiles into the memory the core computes in? 200 000 meters in shards of 4096,
 * 11 days of quarter hours, 20 of them fetched (12 of the event, 8 before it). The rival reads the same number of bytes from one plain
 * file, in whichever pieces are faster. Everything lies in the page cache: this measures the way, not the disk.
 * Repeat: npm run build && node dist/bench/tiles.js
 */

const METERS = 4096;
const SHARDS = 49;
const DAYS = 11;
const SLOTS = 96;
const FROM = 64;
const TO = 84;
const DAY = 86_400_000;
const START = Date.parse('2026-05-01T18:30:00Z');
const ROUNDS = 9;
const COLUMN = METERS * 2;
const WINDOW = (TO - FROM) * COLUMN;
const READINGS = SHARDS * DAYS * (TO - FROM) * METERS;

/** Prints what was measured and answers the ratios; throws when a reading arrived wrong. */
export async function tilesBench(print: (line: string) => void): Promise<Record<string, number>> {
  const root = mkdtempSync(join(tmpdir(), 'lachak-bench-tiles-'));
  try {
    const { names, sums } = written(root);
    const { batch, columnSums } = await loadKernel(coreBytes());
    const shape = { meters: METERS * SHARDS, days: DAYS, eventSlots: TO - FROM - 8, windowSlots: 8, width: 2 } as const;
    const { buffer: memory, byteOffset: base } = batch.open(shape).history[0]!;
    const target = new Uint8Array(memory, base, READINGS * 2);
    target.fill(1); // the first touch of fresh memory costs more than all else

    const plain = join(root, 'plain');
    writeFileSync(plain, target.subarray(0, READINGS * 2));
    const fd = openSync(plain, 'r');
    const rival = Math.min(
      ...[WINDOW, READINGS * 2].map((piece) =>
        best(() => {
          for (let at = 0; at < READINGS * 2; at += piece) readSync(fd, target, at, Math.min(piece, READINGS * 2 - at), at);
        }),
      ),
    );
    closeSync(fd);

    const pass = (days: DayFiles) => () => {
      let at = base;
      for (const versions of names) {
        days.open(versions).read('import', FROM, TO, new Int16Array(memory, at, WINDOW / 2));
        at += WINDOW;
      }
    };
    const first = openDays(root, columnSums);
    const cold = timed(pass(first));
    check(new Int16Array(memory, base, READINGS), sums);
    const warm = best(pass(first));
    first.close();
    const never = openDays(root, columnSums, 'never');
    const unchecked = best(pass(never));
    never.close();
    const always = openDays(root, columnSums, 'always');
    const checked = best(pass(always));
    always.close();

    const rate = (ms: number): string => `${(READINGS / ms / 1000).toFixed(0)} M/s`;
    const gigabytes = (ms: number): string => `${((READINGS * 2) / ms / 1e6).toFixed(1)} GB/s`;
    print(
      `tiles: ${SHARDS * METERS} meters, ${DAYS} days, ${TO - FROM} of ${SLOTS} intervals: ${READINGS} readings, ${(READINGS * 2) / 1e6} MB; ` +
        `a plain file of as many bytes ${rival.toFixed(1)} ms, ${gigabytes(rival)} (${machine()})`,
    );
    print(`tiles: first fetch in a process, opening and checking everything: ${cold.toFixed(1)} ms, ${rate(cold)}`);
    print(
      `tiles: warm ${warm.toFixed(1)} ms, ${rate(warm)} (goal ≥ 2000), ${(rival / warm).toFixed(2)} × the plain file (goal ≥ 0.5)`,
    );
    print(
      `tiles: checking every column every time ${checked.toFixed(1)} ms, ${rate(checked)}, ${(rival / checked).toFixed(2)} × the plain file; ` +
        `never ${unchecked.toFixed(1)} ms, ${(rival / unchecked).toFixed(2)} ×`,
    );
    const million = await millionMeters(root, names, { meters: METERS, days: DAYS, from: FROM }, ROUNDS);
    const quickest = Math.min(...million.map(({ clock }) => clock));
    const processor = Math.min(...million.map((pass) => pass.processor));
    print(
      `tiles: a million meters from tiles to baseline and delivered Wh, one thread: ${quickest.toFixed(0)} ms (goal ≤ 400), of the processor ` +
        `${processor.toFixed(0)} ms`,
    );
    return {
      million_meters_ms: quickest,
      million_meters_processor_ms: processor,
      vs_plain_file: rival / warm,
      vs_plain_file_checked: rival / checked,
      vs_plain_file_unchecked: rival / unchecked,
      warm_readings_per_second: (READINGS / warm) * 1000,
      checked_readings_per_second: (READINGS / checked) * 1000,
    };
  } finally {
    rmSync(root, { recursive: true });
  }
}

/** By shard and day: its one version, and what its window adds up to. */
function written(root: string): { names: VersionName[][]; sums: number[] } {
  const names: VersionName[][] = [];
  const sums: number[] = [];
  const columns = emptyColumns(SLOTS, METERS);
  columns.quality.fill(1);
  let state = 1;
  for (let shard = 1; shard <= SHARDS; shard++)
    for (let day = 0; day < DAYS; day++) {
      for (let at = 0; at < columns.importWh.length; at++) {
        state = (Math.imul(state, 1_664_525) + 1_013_904_223) | 0;
        columns.importWh[at] = 60 + ((state >>> 16) % 400);
      }
      const dayStart = START + day * DAY;
      const name: TileName = {
        ...{ shard, day: new Date(dayStart + DAY / 2).toISOString().slice(0, 10), intervalMinutes: 15, dayStart },
        ...{ slots: SLOTS, meters: METERS, version: 1, knownAt: dayStart + DAY },
      };
      const path = `tiles/${shard}/${name.day}.tile`;
      mkdirSync(dirname(join(root, path)), { recursive: true });
      writeFileSync(join(root, path), encodeBase(name, columns));
      names.push([{ path, shard, day: name.day, version: 1 }]);
      sums.push(columns.importWh.subarray(FROM * METERS, TO * METERS).reduce((a, b) => a + b, 0));
    }
  return { names, sums };
}

function check(readings: Int16Array, sums: readonly number[]): void {
  for (const [i, sum] of sums.entries()) {
    const found = readings.subarray(i * (WINDOW / 2), (i + 1) * (WINDOW / 2)).reduce((a, b) => a + b, 0);
    if (found !== sum) throw new Error(`window ${i} adds up to ${found}, not ${sum}`);
  }
}

function best(work: () => void): number {
  return Math.min(...Array.from({ length: ROUNDS }, () => timed(work)));
}

function timed(work: () => void): number {
  const start = performance.now();
  work();
  return performance.now() - start;
}

const machine = (): string =>
  `${cpus().length} × ${cpus()[0]?.model.trim()}, Node ${process.version}, load ${loadavg()[0]!.toFixed(1)}`;

if (process.argv[1] === fileURLToPath(import.meta.url)) console.log(await tilesBench(console.log));
