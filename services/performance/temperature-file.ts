import { access } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { parseInstant } from './days.ts';
import type { Temperatures } from './heat.ts';
import { linesOf } from './readings-csv.ts';

const BESIDE = ['temperature.csv.gz', 'temperature.csv', 'weather.csv.gz', 'weather.csv'];

/** The temperature file that lies beside a readings file, or null. */
export async function temperatureBeside(readings: string): Promise<string | null> {
  for (const name of BESIDE) {
    const path = join(dirname(readings), name);
    if (
      await access(path).then(
        () => true,
        () => false,
      )
    )
      return path;
  }
  return null;
}

/**
 * Reads `interval_start,temp_c` or `interval_start,temp_f`, plain or gzip; further columns are not looked at. An empty field is missing.
 * Throws Error naming file and line.
 */
export async function readTemperatures(path: string): Promise<Temperatures> {
  const degreesAt = new Map<number, number>();
  let unit: Temperatures['unit'] | null = null;
  let number = 0;
  try {
    for await (const lines of linesOf(path)) {
      for (const line of lines) {
        number++;
        if (number === 1) unit = unitOf(line);
        else if (line !== '') keep(line, degreesAt);
      }
    }
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    if (code === 'ENOENT') throw new Error(`${path}: there is no such file`);
    throw new Error(`${path}:${number}: ${message}`);
  }
  if (unit === null) throw new Error(`${path}: is empty; expected the header interval_start,temp_c`);
  return { unit, degreesAt };
}

function unitOf(line: string): Temperatures['unit'] {
  const [first, second] = line.replace(/^\uFEFF/, '').split(',');
  if (first === 'interval_start' && second === 'temp_c') return 'C';
  if (first === 'interval_start' && second === 'temp_f') return 'F';
  throw new Error(`the header must be interval_start,temp_c or interval_start,temp_f, not ${line.slice(0, 80)}`);
}

function keep(line: string, degreesAt: Map<number, number>): void {
  const [instant, text] = line.split(',');
  const start = parseInstant(instant!);
  if (start === null) throw new Error(`interval_start must be an ISO-8601 instant with its offset, not ${instant!.slice(0, 40)}`);
  if (text === undefined || text === '') return;
  if (!/^-?\d{1,4}(\.\d{1,12})?$/.test(text))
    throw new Error(`the temperature must be empty or a number of degrees, not ${text.slice(0, 40)}`);
  if (!degreesAt.has(start)) degreesAt.set(start, Number(text));
}
