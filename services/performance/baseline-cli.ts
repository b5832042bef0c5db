import { readFile } from 'node:fs/promises';
import { text } from 'node:stream/consumers';
import { parseArgs } from 'node:util';
import { Refusal } from '../domain/outcome.ts';
import { answerCase } from './baseline.ts';
import { coreBytes } from './core-file.ts';
import { loadKernel } from './kernel.ts';
import { readReadings } from './readings-csv.ts';
import { type BaselineCase, readRequest } from './request.ts';
import { noRows, type Rows, type Series, seriesOf } from './series.ts';

const HELP = `lachak baseline [--readings FILE]… --request FILE|-

Computes day-matching baselines and delivered energy in the WebAssembly core.

  --readings FILE   CSV, plain or gzip: meter_id,interval_start,import_wh,export_wh[,quality,known_at]
                    may be given several times; the first row for a meter and instant counts, quality and known_at are not looked at
  --request FILE|-  JSON { "cases": [ … ] } in the golden case format, or one portfolio with "meter_ids"; - reads standard input
                    a case may bring its own "readings"; "expected" and "note" are ignored

Prints { "results": [ … ] }, one object a case, in order. Exit code 0; 2 when the call, the request or a readings file is wrong,
with the case and field or the file and line on standard error and nothing on standard output.
`;

/** The command `lachak baseline`. Returns the exit code. */
export async function baselineCommand(argv: string[]): Promise<number> {
  try {
    const { values } = parseArgs({
      args: argv,
      options: {
        readings: { type: 'string', multiple: true },
        request: { type: 'string' },
        help: { type: 'boolean', short: 'h' },
      },
    });
    if (values.help) {
      await print(HELP);
      return 0;
    }
    if (!values.request) throw new Error('--request FILE is missing; lachak baseline --help tells more');
    const cases = readRequest(await readJson(values.request));
    const series = await seriesByMeter(cases, values.readings ?? []);
    const kernel = await loadKernel(coreBytes());
    const results = cases.map((request) => {
      const own = request.meterIds.map((id) => request.inline ?? series.get(id)!);
      return JSON.stringify(answerCase(kernel, request, own));
    });
    await print(`{"results":[\n${results.join(',\n')}\n]}\n`);
    return 0;
  } catch (error) {
    if (!(error instanceof Error)) throw error;
    process.stderr.write(`lachak baseline: ${error.message}\n`);
    return 2;
  }
}

async function readJson(path: string): Promise<unknown> {
  const name = path === '-' ? 'standard input' : path;
  let content: string;
  try {
    content = path === '-' ? await text(process.stdin) : await readFile(path, 'utf8');
  } catch (error) {
    throw new Error(`${name} cannot be read: ${(error as Error).message}`);
  }
  try {
    return JSON.parse(content);
  } catch (error) {
    throw new Error(`${name} is not JSON: ${(error as Error).message}`);
  }
}

/** Reads every file once and keeps only the meters that some case needs. Throws `Refusal` for a case without readings. */
async function seriesByMeter(cases: readonly BaselineCase[], files: readonly string[]): Promise<Map<string, Series>> {
  const wanted = new Map<string, Rows>();
  for (const { inline, meterIds } of cases) if (!inline) for (const id of meterIds) wanted.set(id, noRows());
  if (wanted.size > 0) for (const file of files) await readReadings(file, wanted);
  for (const { id, inline, meterIds, portfolio } of cases) {
    const absent = inline ? undefined : meterIds.find((meter) => wanted.get(meter)!.starts.length === 0);
    if (absent === undefined) continue;
    const field = portfolio ? 'meter_ids' : 'meter_id';
    const where = files.length > 0 ? `in ${files.join(', ')}` : 'and neither --readings nor inline readings are given';
    throw new Refusal(
      'invalid',
      'meter_without_readings',
      `case ${id}: ${field}: meter ${absent} has no readings ${where}`,
      field,
    );
  }
  return new Map(Array.from(wanted, ([id, rows]) => [id, seriesOf(rows)]));
}

/** Waits until the text has left: a pipe may be slower than the exit. */
function print(content: string): Promise<void> {
  return new Promise((resolve, reject) => process.stdout.write(content, (error) => (error ? reject(error) : resolve())));
}
