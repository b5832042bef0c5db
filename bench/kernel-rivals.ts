import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { DAYS, EVENT_SLOTS, METERS, type Said, TABLE, WINDOW_SLOTS } from './kernel-input.ts';

/** Milliseconds of one run: of the processor, a thread; and by the clock. */
export type Took = { readonly processor: number; readonly clock: number };
export type Rival = { readonly took: Took; readonly said: Said };

const SOURCES = fileURLToPath(new URL('../../bench/', import.meta.url));

/** The fastest of several runs. */
export function least(runs: readonly Took[]): Took {
  return {
    processor: Math.min(...runs.map(({ processor }) => processor)),
    clock: Math.min(...runs.map(({ clock }) => clock)),
  };
}

/** Compiles bench/kernel.c once a width of its blocks; null without gcc. */
export function compiled(folder: string, arch: string): string[] | null {
  try {
    return [64, 128, 256].map((lanes) => {
      const program = join(folder, `kernel-${arch}-${lanes}`);
      const flags = ['-O3', `-march=${arch}`, `-DLANES=${lanes}`, '-pthread', '-o', program, join(SOURCES, 'kernel.c'), '-lm'];
      execFileSync('gcc', flags, { stdio: ['ignore', 'ignore', 'pipe'] });
      return program;
    });
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return null;
    throw error;
  }
}

/** Which width of the blocks suits this machine. */
export function fastestOf(programs: readonly string[], file: string, x: number): string {
  const took = programs.map((program) => runC(program, file, x, 1, 3).took.processor);
  return programs[took.indexOf(Math.min(...took))]!;
}

export function runC(program: string, file: string, x: number, threads: number, runs: number): Rival {
  const out = `${file}.c`;
  const numbers = [METERS, DAYS, EVENT_SLOTS, WINDOW_SLOTS, x, DAYS, 5, 4, 5, 6, 5, threads, runs];
  const took = lines(execFileSync(program, [file, ...numbers.map(String), out], { encoding: 'utf8' }), threads);
  const bytes = readFileSync(out);
  // Behind three byte columns, k, and six of the f64 columns.
  const at = METERS * (3 + 4 + 6 * 8);
  const totals = new Float64Array(bytes.buffer.slice(bytes.byteOffset + at, bytes.byteOffset + at + METERS * 16));
  const slots = new Int32Array(
    bytes.buffer.slice(bytes.byteOffset + at + METERS * (16 + 4 * EVENT_SLOTS), bytes.byteOffset + bytes.length),
  );
  return { took, said: said(totals, slots) };
}

export type Numpy = { readonly python: string; readonly version: string };
/** Debian's numpy and the one of whichever Python comes first, where that is another: newer ones sort with vectors. */
export function numpies(): Numpy[] {
  const found = ['/usr/bin/python3', 'python3'].flatMap((python) => {
    try {
      const version = execFileSync(python, ['-c', 'import numpy; print(numpy.__version__)'], { stdio: 'pipe', encoding: 'utf8' });
      return [{ python, version: version.trim() }];
    } catch {
      return [];
    }
  });
  return found.filter(({ version }, i) => found.findIndex((other) => other.version === version) === i);
}

export function runNumpy({ python }: Numpy, file: string, x: number, runs: number): Rival {
  const numbers = [METERS, DAYS, EVENT_SLOTS, WINDOW_SLOTS, x, runs].map(String);
  const out = `${file}.numpy`;
  const took = lines(execFileSync(python, [join(SOURCES, 'kernel.py'), file, ...numbers, out], { encoding: 'utf8' }), 1);
  const { buffer, byteOffset, length } = readFileSync(out);
  const bytes = buffer.slice(byteOffset, byteOffset + length);
  return { took, said: said(new Float64Array(bytes, 0, METERS * 2), new Int32Array(bytes, METERS * 16)) };
}

type Query = (sql: string) => Promise<{ getColumns(): readonly (readonly unknown[])[] }>;

/** The table of all 211 million readings, in memory, two threads; null without the package. */
export async function duckdb(): Promise<{ version: string; run(x: number, runs: number): Promise<Rival> } | null> {
  const { DuckDBInstance, version } = await import('@duckdb/node-api').catch(() => ({ DuckDBInstance: null, version: null }));
  if (!DuckDBInstance) return null;
  const connection = await (await DuckDBInstance.create(':memory:', { threads: '2' })).connect();
  const query: Query = (sql) => connection.runAndReadAll(sql);
  await query(TABLE);
  return {
    version: version(),
    run: async (x, runs) => {
      const took: Took[] = [];
      for (let i = 0; i < runs; i++) {
        const [start, used] = [performance.now(), process.cpuUsage()];
        await query(sqlOf(x));
        const { user, system } = process.cpuUsage(used);
        took.push({ processor: (user + system) / 1000 / 2, clock: performance.now() - start });
      }
      const found = blank();
      const totals = (await query('SELECT DISTINCT m, baseline_total, delivered_total FROM answer')).getColumns();
      for (const [i, m] of totals[0]!.entries()) {
        found.baselineTotalWh[Number(m)] = Number(totals[1]![i]);
        found.deliveredTotalWh[Number(m)] = Number(totals[2]![i]);
      }
      for (let row = 0; row < EVENT_SLOTS; row++) {
        const slots = (await query(`SELECT m, baseline, delivered FROM answer WHERE t = ${72 + row}`)).getColumns();
        for (const [i, m] of slots[0]!.entries()) {
          found.baselineWh[row * METERS + Number(m)] = Number(slots[1]![i]);
          if (slots[2]![i] !== null) found.deliveredWh[row * METERS + Number(m)] = Number(slots[2]![i]);
        }
      }
      return { took: least(took), said: found };
    },
  };
}

/** The family in SQL, exact: integer division and remainder, the largest remainders by a window function. */
const sqlOf = (x: number): string => `
  CREATE OR REPLACE TABLE answer AS
  WITH day AS (
    SELECT m, d, sum(wh) FILTER (t >= 72)::BIGINT AS score, sum(wh) FILTER (t < 72)::BIGINT AS before
    FROM reading WHERE d > 0 AND t BETWEEN 64 AND 83 GROUP BY m, d HAVING count(wh) = 20),
  taken AS (
    SELECT m, d, before FROM day
    QUALIFY row_number() OVER (PARTITION BY m ORDER BY score DESC, d) <= ${x} AND count(*) OVER (PARTITION BY m) >= 5),
  observed AS (
    SELECT m, sum(wh)::BIGINT AS o, count(wh) = 8 AS seen FROM reading WHERE d = 0 AND t BETWEEN 64 AND 71 GROUP BY m),
  reference AS (SELECT m, count(*) AS k, sum(before)::BIGINT AS p FROM taken GROUP BY m),
  ratio AS (
    SELECT m,
      CASE WHEN NOT seen OR p <= 0 THEN 1 WHEN k * o * 5 < p * 4 THEN 4 WHEN k * o * 5 > p * 6 THEN 6 ELSE o END AS scale,
      CASE WHEN NOT seen OR p <= 0 THEN k WHEN k * o * 5 < p * 4 OR k * o * 5 > p * 6 THEN 5 * k ELSE p END AS den
    FROM reference JOIN observed USING (m)),
  cell AS (
    SELECT m, t, sum(wh)::BIGINT AS c FROM reading JOIN taken USING (m, d) WHERE t BETWEEN 72 AND 83 GROUP BY m, t),
  part AS (
    SELECT m, t, den, (c * scale) // den AS floor, (c * scale) % den AS rest, wh
    FROM cell JOIN ratio USING (m) JOIN (SELECT m, t, wh FROM reading WHERE d = 0 AND t BETWEEN 72 AND 83) USING (m, t)),
  total AS (
    SELECT m, any_value(den) AS den, sum(floor)::BIGINT AS floors, sum(rest)::BIGINT AS rests,
      coalesce(sum(floor - wh)::BIGINT, 0) AS left_floors, coalesce(sum(rest) FILTER (wh IS NOT NULL)::BIGINT, 0) AS left_rests
    FROM part GROUP BY m),
  spare AS (
    SELECT m, floors, left_floors,
      rests // den + CASE WHEN rests % den * 2 > den OR (rests % den * 2 = den AND floors + rests // den >= 0) THEN 1 ELSE 0 END AS spare,
      left_rests // den + CASE WHEN left_rests % den * 2 > den OR (left_rests % den * 2 = den AND left_floors + left_rests // den >= 0)
        THEN 1 ELSE 0 END AS left_spare
    FROM total),
  ranked AS (
    SELECT m, t, floor, wh, row_number() OVER (PARTITION BY m ORDER BY rest DESC, t) AS place,
      row_number() OVER (PARTITION BY m ORDER BY wh IS NULL, rest DESC, t) AS left_place
    FROM part)
  SELECT m, t, (floors + spare)::DOUBLE AS baseline_total, (left_floors + left_spare)::DOUBLE AS delivered_total,
    (floor + (place <= spare)::INTEGER)::INTEGER AS baseline, (floor - wh + (left_place <= left_spare)::INTEGER)::INTEGER AS delivered
  FROM ranked JOIN spare USING (m)`;

function said(totals: Float64Array, slots: Int32Array): Said {
  const cells = EVENT_SLOTS * METERS;
  return {
    baselineTotalWh: totals.subarray(0, METERS),
    deliveredTotalWh: totals.subarray(METERS),
    baselineWh: slots.subarray(0, cells),
    deliveredWh: slots.subarray(cells),
  };
}

/** Of meters that have no baseline. */
export function blank(): Said {
  const none = () => new Float64Array(METERS).fill(Number.NaN);
  const gaps = () => new Int32Array(EVENT_SLOTS * METERS).fill(-(2 ** 31));
  return { baselineTotalWh: none(), deliveredTotalWh: none(), baselineWh: gaps(), deliveredWh: gaps() };
}

function lines(printed: string, threads: number): Took {
  const runs = printed.trim().split('\n');
  return least(
    runs.map((line) => {
      const [clock, processor] = line.split(' ').map(Number);
      return { clock: clock!, processor: processor! / threads };
    }),
  );
}
