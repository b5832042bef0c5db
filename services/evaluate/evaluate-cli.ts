import { access, readFile, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { create, toJson } from '@bufbuild/protobuf';
import { TermsSchema } from '../../gen/lachak/v1/catalogue_pb.ts';
import { presets } from '../catalogue/presets.ts';
import type { Json } from '../domain/canonical.ts';
import { invalid } from '../domain/outcome.ts';
import type { CivilDay } from '../domain/zone.ts';
import { EXIT, readWords } from '../host/cli.ts';
import { zoneDays } from '../host/zone.ts';
import { coreBytes } from '../performance/core-file.ts';
import { isCivilDay } from '../performance/days.ts';
import { estimator } from '../performance/estimate.ts';
import { withTemperature } from '../performance/heat.ts';
import { loadKernel } from '../performance/kernel.ts';
import { type DayMark, type LoadSeries, loadSeries } from '../performance/load-series.ts';
import { readReadings } from '../performance/readings-csv.ts';
import { seriesOf } from '../performance/series.ts';
import { readTemperatures, temperatureBeside } from '../performance/temperature-file.ts';
import { type PayTerms, readPayTerms } from '../settlement/terms.ts';
import { evaluate, type Question } from './evaluation.ts';
import { commonMinutes, EveryMeter } from './every-meter.ts';
import { htmlReport } from './html.ts';
import { type PastEvent, readCategories, readDayList, readEvents } from './lists.ts';
import { candidatesOf, methodNames, USUAL, WITH_WEATHER } from './methods.ts';
import { eventOf, type Occasion, placebos, readHours, remembered, spanOf } from './occasions.ts';
import { terminalReport } from './terminal.ts';
import { readPlain } from './would-pay.ts';

const HELP = `lachak evaluate --readings FILE… [options]

How well would each baseline method have known your homes, and what would it have paid them for nothing? Asked on days on which nothing
happened (placebos): bias, spread and false credit, for single homes and portfolios, by season, load size and category.

  --readings FILE     CSV, plain or gzip: meter_id,interval_start,import_wh,export_wh[,…]; may be given several times
  --temperature FILE  CSV: interval_start,temp_c (or temp_f); default: temperature.csv[.gz] beside the readings
  --window 18:00-21:00
                      the hours of the day an event would have
  --methods A,B,…     default: twelve that differ in kind; --methods list names all
  --from DAY --to DAY placebo days from and to; default: 28 days after the first reading, and the last day
  --days working|all  default: working
  --event-days FILE   days of any programme, never a placebo and never a reference day: one a line, or CSV with start,end[,event_id,kind];
                      events with start and end are also measured, and paid, by every method
  --holidays FILE     one day a line
  --meters FILE       CSV: meter_id and a category; default: meters.csv beside the readings
  --by COLUMN         which column that is; default: category, else tariff
  --zone ZONE         IANA zone or offset of the days (default Asia/Kolkata)
  --notice MINUTES    before the window (default 120)
  --terms NAME        what pays: a preset of the catalogue (default ${presets[0]!.name})
  --seed N            of all draws (default 1); the same seed gives the same answer
  --json FILE         everything found
  --html FILE         a report to read: one file, no network
`;

/** Readings before this many days lend themselves to baselines only. */
const FIRST_DAYS = 28;

/** `lachak evaluate`. */
export async function evaluateCommand(argv: readonly string[]): Promise<number> {
  const word = { type: 'string' as const };
  const words = [
    'temperature',
    'window',
    'methods',
    'from',
    'to',
    'days',
    'event-days',
    'holidays',
    'meters',
    'by',
    'zone',
    'notice',
    'terms',
    'seed',
    'json',
    'html',
  ];
  const { values, positionals } = readWords(argv, {
    readings: { type: 'string', multiple: true },
    ...Object.fromEntries(words.map((name) => [name, word])),
  });
  if (values.help) {
    process.stdout.write(HELP);
    return EXIT.done;
  }
  const flags = values as Readonly<Record<string, string | undefined>>;
  if (flags.methods === 'list') {
    process.stdout.write(`${methodNames().join('\n')}\n`);
    return EXIT.done;
  }
  // The shell spreads `--readings *.csv` over several words.
  const files = [...((values.readings as unknown as string[] | undefined) ?? []), ...positionals];
  if (files.length === 0) throw invalid('usage', '--readings FILE is missing; lachak evaluate --help says more');
  const question = await readQuestion(files, flags);
  const tell = process.stderr.isTTY ? (text: string) => process.stderr.write(`\r\u001b[K${text}`) : () => true;
  const kernel = await loadKernel(coreBytes());
  const found = evaluate(question, estimator({ kernel }), (method) => tell(`evaluating ${method} …`));
  tell('');
  process.stdout.write(terminalReport(found, process.stdout.isTTY === true));
  const about = {
    files,
    window: flags.window ?? WINDOW,
    zone: question.calendar.zone.zone,
    terms: flags.terms ?? presets[0]!.name,
  };
  if (flags.json) await writeFile(flags.json, `${JSON.stringify({ format: 1, about, ...found }, null, 1)}\n`);
  if (flags.html) await writeFile(flags.html, htmlReport(found, about));
  return EXIT.done;
}

const WINDOW = '18:00-21:00';

/** Reads all files. Throws Refusal `usage`, or Error naming file and line. */
export async function readQuestion(
  files: readonly string[],
  flags: Readonly<Record<string, string | undefined>>,
): Promise<Question> {
  const zone = remembered(zoneDays(flags.zone ?? 'Asia/Kolkata'));
  const hours = readHours(flags.window ?? WINDOW);
  const noticeMinutes = whole(flags.notice ?? '120', 'notice', 0, 1440);
  const seed = whole(flags.seed ?? '1', 'seed', 0, 2 ** 31);
  const terms = termsOf(flags.terms ?? presets[0]!.name);
  const past = flags['event-days'] ? readEvents(await textOf(flags['event-days']), flags['event-days'], zone) : [];
  const holidays = flags.holidays ? readDayList(await textOf(flags.holidays), flags.holidays) : new Set<CivilDay>();
  if (flags.days !== undefined && !['working', 'all'].includes(flags.days))
    throw invalid('usage', `--days must be working or all, not ${flags.days}`);
  const eventDays = new Set(past.flatMap(({ days }) => days));
  const { series, minutes } = await readSeries(files, eventDays, flags.temperature);
  const span = spanOf(series, hours, zone)!;
  const from = dayOf(flags.from, 'from') ?? zone.plus(span.first, FIRST_DAYS);
  const to = dayOf(flags.to, 'to') ?? span.last;
  const days = placebos(series, { zone, hours, noticeMinutes, holidays, eventDays, from, to, everyDay: flags.days === 'all' });
  if (days.length === 0)
    throw invalid(
      'usage',
      `no placebo day lies from ${from} to ${to}: the readings reach from ${span.first} to ${span.last}; give --from and --to`,
    );
  const weather = series.some(({ temperature }) => temperature !== null);
  const names = flags.methods?.split(',') ?? [...USUAL, ...(weather ? WITH_WEATHER : [])];
  const categories = await categoriesOf(files[0]!, flags);
  readPlain(terms, days[0]!.day);
  return {
    ...{ series, placebos: days, terms, seed, calendar: { zone, holidays, excluded: new Map() } },
    categories: series.map(({ meterId }) => categories?.get(meterId) ?? ''),
    candidates: candidatesOf(names, minutes, weather),
    events: occasionsOf(past, noticeMinutes, zone.plus(span.first, FIRST_DAYS), span.last, minutes),
  };
}

/** Past events that lie in the readings, in one civil day and on their grid; the others count as event days only. */
function occasionsOf(
  past: readonly PastEvent[],
  noticeMinutes: number,
  first: CivilDay,
  last: CivilDay,
  minutes: number,
): Occasion[] {
  return past.flatMap(({ name, sort, days, window }): Occasion[] => {
    const [day] = days;
    if (window === null || days.length !== 1 || day === undefined || day < first || day > last) return [];
    if ((window.end - window.start) % (minutes * 60_000) !== 0 || window.start % (minutes * 60_000) !== 0) return [];
    return [{ day, name, sort, kind: 'event', event: eventOf(window, noticeMinutes) }];
  });
}

async function readSeries(files: readonly string[], eventDays: ReadonlySet<CivilDay>, weather: string | undefined) {
  const rows = new EveryMeter();
  for (const file of files) await readable(readReadings(file, rows));
  if (rows.size === 0) throw invalid('usage', `${files.join(', ')}: there is no reading`);
  const minutes = commonMinutes(rows.values());
  if (minutes === null)
    throw invalid('usage', 'the readings lie on no grid that divides a day: their instants must be evenly apart');
  const path = weather ?? (await temperatureBeside(files[0]!));
  const temperatures = path === null ? null : await readable(readTemperatures(path));
  const marks = new Map([...eventDays].map((day): [CivilDay, DayMark[]] => [day, ['event']]));
  const series = [...rows.keys()].sort().map((id): LoadSeries => {
    const one = { ...loadSeries(id, seriesOf(rows.get(id)), minutes), marks };
    return temperatures ? withTemperature(one, temperatures) : one;
  });
  return { series, minutes };
}

async function categoriesOf(
  readings: string,
  flags: Readonly<Record<string, string | undefined>>,
): Promise<Map<string, string> | null> {
  const beside = join(dirname(readings), 'meters.csv');
  const path =
    flags.meters ??
    ((await access(beside).then(
      () => true,
      () => false,
    ))
      ? beside
      : null);
  if (path === null) return null;
  const text = await textOf(path);
  const header = text.slice(0, text.indexOf('\n')).trim().split(',');
  const by = flags.by ?? ['category', 'tariff'].find((name) => header.includes(name));
  // A meters.csv that was only found says what it says; one that was named must say what was asked.
  if (by === undefined && flags.meters === undefined) return null;
  return readCategories(text, path, by ?? 'category');
}

/** The terms of a preset that pays for taking less. Throws Refusal. */
export function termsOf(name: string): PayTerms {
  const preset = presets.find((one) => one.name === name);
  if (!preset) throw invalid('usage', `--terms must be one of ${presets.map((one) => one.name).join(', ')}, not ${name}`);
  if ((preset.terms.direction ?? 1) !== presets[0]!.terms.direction)
    throw invalid('usage', `${name} pays for taking more; evaluate judges taking less`);
  return readPayTerms(toJson(TermsSchema, create(TermsSchema, preset.terms)) as Json);
}

function dayOf(text: string | undefined, flag: string): CivilDay | null {
  if (text === undefined) return null;
  if (!isCivilDay(text)) throw invalid('usage', `--${flag} must be a day such as 2026-05-01, not ${text}`);
  return text;
}

function whole(text: string, flag: string, least: number, most: number): number {
  const value = /^\d{1,10}$/.test(text) ? Number(text) : Number.NaN;
  if (!(value >= least && value <= most))
    throw invalid('usage', `--${flag} must be a whole number from ${least} to ${most}, not ${text}`);
  return value;
}

/** What is wrong with a file is wrong use of the command, in the words of its reader: file, line and what was expected. */
async function readable<T>(reading: Promise<T>): Promise<T> {
  try {
    return await reading;
  } catch (error) {
    throw invalid('usage', (error as Error).message);
  }
}

async function textOf(path: string): Promise<string> {
  try {
    return await readFile(path, 'utf8');
  } catch (error) {
    throw invalid('usage', `${path} cannot be read: ${(error as Error).message}`);
  }
}
