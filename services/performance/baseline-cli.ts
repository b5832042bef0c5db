import { readFile } from 'node:fs/promises';
import { text } from 'node:stream/consumers';
import { parseArgs } from 'node:util';
import { methodPresets } from '../domain/method-presets.ts';
import { Refusal } from '../domain/outcome.ts';
import { coreBytes } from '../host/core-file.ts';
import { type AnyCase, answerAny, needsTemperature, readCases } from './cases.ts';
import type { Temperatures } from './heat.ts';
import { loadKernel } from './kernel.ts';
import { readReadings } from './readings-csv.ts';
import { noRows, type Rows, type Series, seriesOf } from './series.ts';
import { readTemperatures, temperatureBeside } from './temperature-file.ts';

const HELP = `lachak baseline [--readings FILE]… --request FILE|- [--temperature FILE]
lachak baseline --methods [--json]

Computes baselines and delivered energy in the WebAssembly core: day matching, degree-hours (simple_cdh_hdh), and time of week and
temperature (caltrack_hourly_towt).

  --readings FILE   CSV, plain or gzip: meter_id,interval_start,import_wh,export_wh[,quality,known_at]
                    may be given several times; the first row for a meter and instant counts; known_at is not looked at, quality
                    only where a case bounds the ESTIMATED intervals of a day
  --temperature FILE
                    CSV, plain or gzip: interval_start,temp_c or interval_start,temp_f, for all meters; without it, temperature.csv[.gz]
                    or weather.csv[.gz] beside a readings file is the weather of the meters in that file
  --request FILE|-  JSON { "cases": [ … ] } in the golden case format, or one portfolio with "meter_ids"; - reads standard input
                    a case may bring its own "readings" and "temperature"; "expected" and "note" are ignored, but for the days a
                    caltrack_hourly_towt case shows when it has no "days" to predict

  --methods         lists the presets a case may name as "preset": what each says, where it comes from, and how far that was checked
  --json            with --methods: as JSON, with the params of each

Beside the golden format a case may say "preset": "caiso-10in10" and in "params" only what differs, or any of
  source history|same_day (then "window": {from_min, to_min, post_from_min, post_to_min})
  select nearest · rank_on event_window|day|match_window|temperature · match_window {from_min, to_min, guard_min} · day_temperature max|mean
  weights {kind: equal} | {kind: list, by: recency|rank, values: […]} | {kind: ewma, lambda, init} · refill none|highest_event_days
  adjustment {…, anchor start|notice (then event.notice), post_from_min, post_to_min, cap_wh, on_nonpositive none|additive, near_zero_wh}
  exclude {event_days, opt_out, outage, holidays, missing_share} · gaps {event_slots, rank_slots, estimated_slots}
  connected_load_cap true (then connected_load_w) · level site|device|aggregate (a portfolio as one load)
and name event_days, opt_out_days and outage_days beside excluded_days. What is absent is as in the golden format.

A case may also name another "method", beside id, tz, event {start, end[, notice]}, params {interval_minutes, …}[, direction, holidays,
excluded_days, readings]:
  ev_session         meter_id of a charge point · sessions [{session_id, plug_in, plug_out|null, power_w[, energy_wh, planned_wh, driver_id]}],
                     earlier ones too · params {variant unmanaged|standing_schedule, schedule [{from_minute, to_minute, power_w}], site_limit_w}
  control_group      treated [{meter_id[, stratum]}] · controls [{meter_id[, stratum], basis holdout|consent|legal_basis}] · seed "1"
                     params {design holdout|matched, quantity, day_type, lookback_days, days, confidence 80|90|95|98}
  nominated          meter_id · nominated_at · nominated_wh [ … ] · params {quantity}
  firm_service_level meter_id · params {quantity, reference_w, firm_w}

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
        temperature: { type: 'string' },
        request: { type: 'string' },
        methods: { type: 'boolean' },
        json: { type: 'boolean' },
        help: { type: 'boolean', short: 'h' },
      },
    });
    if (values.help) {
      await print(HELP);
      return 0;
    }
    if (values.methods) {
      await print(values.json ? `${JSON.stringify(methodPresets, null, 2)}\n` : methodTable());
      return 0;
    }
    if (!values.request) throw new Error('--request FILE is missing; lachak baseline --help tells more');
    const cases = readCases(await readJson(values.request));
    const { series, temperatures } = await readingsOf(cases, values.readings ?? [], values.temperature);
    const kernel = await loadKernel(coreBytes());
    const results = cases.map((request) => {
      const own = request.meterIds.map((id) => request.inline ?? series.get(id)!);
      return JSON.stringify(answerAny(kernel, request, own, temperatures.get(request.meterIds[0]!) ?? null));
    });
    await print(`{"results":[\n${results.join(',\n')}\n]}\n`);
    return 0;
  } catch (error) {
    if (!(error instanceof Error)) throw error;
    process.stderr.write(`lachak baseline: ${error.message}\n`);
    return 2;
  }
}

/** One preset a paragraph, its marks first: nobody should take a remembered number for a rule. */
function methodTable(): string {
  const lines = methodPresets.map(({ name, says, source, verified, params }) => {
    const marks = verified.map(([mark, what]) => `    [${mark}] ${what}\n`).join('');
    return `${name}${params ? '' : '  (no day matching)'}\n    ${says}\n    source: ${source}\n${marks}`;
  });
  const legend =
    '[V] read at its source · [R] run by us · [S] seen as an excerpt of a public page · [K] from memory, not verified';
  return `${legend}\n\n${lines.join('\n')}`;
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

type Read = { readonly series: ReadonlyMap<string, Series>; readonly temperatures: ReadonlyMap<string, Temperatures> };

/** Reads every file once and keeps only the meters that some case needs. Throws `Refusal` for a case without readings. */
async function readingsOf(cases: readonly AnyCase[], files: readonly string[], weather: string | undefined): Promise<Read> {
  const wanted = new Map<string, Rows>();
  for (const { inline, meterIds } of cases) if (!inline) for (const id of meterIds) wanted.set(id, noRows());
  const temperatures = new Map<string, Temperatures>();
  const weatherMeters = new Set(cases.flatMap((request) => (needsTemperature(request) ? request.meterIds : [])));
  const given = weather === undefined ? null : await readTemperatures(weather);
  if (given) for (const id of weatherMeters) temperatures.set(id, given);
  for (const file of wanted.size > 0 ? files : []) {
    await readReadings(file, wanted);
    const found = [...weatherMeters].filter((id) => !temperatures.has(id) && wanted.get(id)?.starts.length);
    const path = found.length > 0 ? await temperatureBeside(file) : null;
    const beside = path === null ? null : await readTemperatures(path);
    if (beside) for (const id of found) temperatures.set(id, beside);
  }
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
  return { temperatures, series: new Map(Array.from(wanted, ([id, rows]) => [id, seriesOf(rows)])) };
}

/** Waits until the text has left: a pipe may be slower than the exit. */
function print(content: string): Promise<void> {
  return new Promise((resolve, reject) => process.stdout.write(content, (error) => (error ? reject(error) : resolve())));
}
