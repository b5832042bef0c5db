import { writeFile } from 'node:fs/promises';
import type { Interval } from '../domain/interval.ts';
import { invalid } from '../domain/outcome.ts';
import type { CivilDay, ZoneDays } from '../domain/zone.ts';
import { EveryMeter } from '../evaluate/every-meter.ts';
import { type PastEvent, readDayList } from '../evaluate/lists.ts';
import { pastOccasions, quietHours, remembered } from '../evaluate/occasions.ts';
import { calledDays, isAsked, marksOf } from '../evaluate/participants.ts';
import { readPast, refuseStrangers } from '../evaluate/question-cli.ts';
import { EXIT, readWords } from '../host/cli.ts';
import { coreBytes } from '../host/core-file.ts';
import { zoneDays } from '../host/zone.ts';
import { type Estimator, estimator } from '../performance/estimate.ts';
import { type Temperatures, withTemperature } from '../performance/heat.ts';
import { loadKernel } from '../performance/kernel.ts';
import { loadSeries } from '../performance/load-series.ts';
import { linesOf, readReadings } from '../performance/readings-csv.ts';
import { seriesOf } from '../performance/series.ts';
import { readTemperatures, temperatureBeside } from '../performance/temperature-file.ts';
import type { Finding } from './finding.ts';
import { endOf, type Home, type MeterFacts, minutesOf, nothingSaid, readMeters, type SetAside } from './homes.ts';
import { measuredRates, withoutEvents } from './measured-response.ts';
import { reportOf } from './report.ts';
import { researchOf, type StudyTerms, studyHomes, UNSTATED } from './research.ts';
import { PLANNING_RATE, type ResponseRate, readRate } from './response-rate.ts';
import { jsonOf, summaryOf } from './summary.ts';

const HELP = `lachak potential --readings FILE… [--temperature FILE] [--meters FILE] [--json FILE] [--html FILE]

Load research from interval readings: load by season and hour, how much of it answers the temperature, how much looks like EV charging,
how many MW of it may be expected to answer a call in the peak window (with an interval), and how many homes a study must meter.

  --readings FILE     CSV, plain or gzip: meter_id,interval_start,import_wh,export_wh[,quality,known_at]; may be given several times
  --temperature FILE  CSV: interval_start,temp_c or temp_f; without it, temperature.csv[.gz] or weather.csv[.gz] beside a readings file
  --meters FILE       CSV with meter_id and any of category, feeder_id, sanctioned_load_w; other columns are not looked at
  --zone Z            IANA zone or offset of the local hours (default Asia/Kolkata); an offset west is --zone=-08:00
  --system N          consumers the homes stand for, shared out as the homes are; or domestic=1200000,commercial=90000
                      (default: the homes stand for themselves)
  --peak 18-22        local hours of the peak window (default: the four hours in a row with the highest mean load)
  --design-temperature C   °C at which temperature-sensitive load is taken (default: 95th percentile of the hours of the window)
  --event-days FILE   past events, CSV: start,end[,event_id,kind]; from five of them on the response rate of a category is measured, and the
                      load of who was asked is no load research there
  --participants FILE whom those events asked, CSV: meter_id[,event_id][,role], or category=shops, as lachak evaluate takes it
                      (default: all these homes)
  --holidays FILE     one day a line, for the baselines of those events
  --response R        share of the flexible load that answers a call: 0.3, or with what it may as well be, low/expected/high (90 % between):
                      0.2/0.3/0.45; or domestic=0.2/0.35/0.5,commercial=0.2. It goes before what was measured. Without both a planning value:
                      ${[PLANNING_RATE.interval![0], PLANNING_RATE.value, PLANNING_RATE.interval![1]].join('/')}
  --precision P       half-width of the means the sample design asks for, per cent (default 10), at 90 % confidence
  --seed N            other draws of the bootstrap (default 1); the same seed gives the same numbers
  --json FILE         everything found, home by home
  --html FILE         a report in one file, to print or to file

A gap is never a zero: an hour counts when all its intervals have readings, and a home with fewer than 28 such days is listed, not counted.
`;

/** The command `lachak potential`. */
export async function potentialCommand(argv: readonly string[]): Promise<number> {
  const word = { type: 'string' as const };
  const { values, positionals } = readWords(argv, {
    readings: { type: 'string', multiple: true },
    ...{ temperature: word, meters: word, zone: word, system: word, peak: word, 'design-temperature': word },
    ...{
      'event-days': word,
      participants: word,
      holidays: word,
      response: word,
      precision: word,
      seed: word,
      json: word,
      html: word,
    },
  });
  if (values.help) {
    process.stdout.write(HELP);
    return EXIT.done;
  }
  const { readings, ...flags } = values as Readonly<Record<string, string | undefined>> & {
    readonly readings?: readonly string[];
  };
  if (positionals.length > 0) throw invalid('usage', `${positionals[0]} is not understood: files are given as --readings FILE`);
  if (!readings) throw invalid('usage', '--readings FILE is missing; lachak potential --help says more');
  try {
    const terms = termsOf(flags);
    const { homes, setAside } = await readHomes(readings, flags.temperature, flags.meters);
    const kernel = await loadKernel(coreBytes());
    const past = homes.length > 0 ? await pastEvents(flags, homes, terms.zone) : null;
    const load = homes.map((home) => (past ? withoutEvents(home, windowsOf(past.all, home.meterId)) : home));
    const study = studyHomes(kernel, load, terms.zone, progress(homes.length));
    const responseRates = past ? ratesOf(past, homes, study.findings, terms, estimator({ kernel })) : terms.responseRates;
    const research = researchOf(study.findings, [...setAside, ...study.setAside], { ...terms, responseRates });
    if (flags.json) await writeFile(flags.json, jsonOf(research));
    if (flags.html) await writeFile(flags.html, reportOf(research));
    const left = [flags.json, flags.html].filter(Boolean).map((path) => `written: ${path}\n`);
    process.stdout.write(summaryOf(research) + left.join(''));
    return EXIT.done;
  } catch (error) {
    if (!(error instanceof Error)) throw error;
    process.stderr.write(`lachak potential: ${error.message}\n`);
    return EXIT.usage;
  }
}

function termsOf(flags: Readonly<Record<string, string | undefined>>): StudyTerms {
  const wrong = (flag: string, wants: string) => invalid('usage', `--${flag} must be ${wants}, not ${flags[flag]}`);
  const number = (flag: string, wants: string, fits: (value: number) => boolean, otherwise: number): number => {
    const value = flags[flag] === undefined ? otherwise : /^-?\d+(\.\d+)?$/.test(flags[flag]) ? Number(flags[flag]) : Number.NaN;
    if (!fits(value)) throw wrong(flag, wants);
    return value;
  };
  const byCategory = (flag: string, wants: string, fits: (value: number) => boolean): Map<string, number> => {
    const given = new Map<string, number>();
    for (const part of flags[flag]?.split(',') ?? []) {
      const [, name = '', value] = /^(?:([^=]+)=)?(\d+(?:\.\d+)?)$/.exec(part.trim()) ?? [];
      if (value === undefined || !fits(Number(value)) || given.has(name)) throw wrong(flag, wants);
      given.set(name, Number(value));
    }
    return given;
  };
  const hours = /^(\d{1,2})(?::00)?-(\d{1,2})(?::00)?$/.exec(flags.peak ?? '18-22');
  const [from, to] = [Number(hours?.[1]), Number(hours?.[2])];
  if (!hours || from >= to || to > 24) throw wrong('peak', 'whole local hours within a day, as 18-22');
  const design = number('design-temperature', 'degrees Celsius, -50 to 60', (value) => value >= -50 && value <= 60, 0);
  return {
    zone: zoneDays(flags.zone ?? 'Asia/Kolkata'),
    seed: number('seed', 'a whole number below 2^32', (value) => Number.isInteger(value) && value >= 0 && value < 2 ** 32, 1),
    peak: flags.peak === undefined ? null : { from, to },
    designC: flags['design-temperature'] === undefined ? null : design,
    responseRates: responseRatesOf(flags.response),
    consumers: byCategory(
      'system',
      'a number of consumers, or category=N,…',
      (value) => Number.isInteger(value) && value >= 1 && value <= 1e10,
    ),
    precision: number('precision', 'per cent, above 0 and at most 100', (value) => value > 0 && value <= 100, 10) / 100,
  };
}

function responseRatesOf(text: string | undefined): Map<string, ResponseRate> {
  const given = new Map<string, ResponseRate>();
  for (const part of text?.split(',') ?? []) {
    const [, name = '', rate = ''] = /^(?:([^=]+)=)?(.*)$/.exec(part.trim()) ?? [];
    if (given.has(name)) throw invalid('usage', `--response says twice what ${name || 'all'} answers: ${text}`);
    given.set(name, readRate(rate));
  }
  return given;
}

/** Past events that lie in the readings, their hours on quiet days, and who was called when; null where none were given. */
async function pastEvents(flags: Readonly<Record<string, string | undefined>>, homes: readonly Home[], given: ZoneDays) {
  const zone = remembered(given);
  const read = async (path: string) => (await wholeFile(path)).join('\n');
  const list = flags.meters ? { path: flags.meters, text: await read(flags.meters) } : null;
  const past = await readPast(flags, zone, { read, list });
  if (past.length === 0) return null;
  refuseStrangers(flags, past, homes);
  const holidayFile = flags.holidays;
  const holidays = holidayFile ? readDayList((await wholeFile(holidayFile)).join('\n'), holidayFile) : new Set<CivilDay>();
  const called = calledDays(past, NOTICE_MINUTES, zone);
  const start = Math.min(...homes.map(({ series }) => series.start));
  const span = { from: zone.dayOf(start), to: zone.plus(zone.dayOf(Math.max(...homes.map(({ series }) => endOf(series)))), -1) };
  const grid = Math.max(...homes.map(({ series }) => series.minutes));
  const events = pastOccasions(past, { noticeMinutes: NOTICE_MINUTES, first: span.from, last: span.to, grid, zone });
  const { occasions, around } = quietHours(events, {
    ...{ zone, holidays, called, ...span },
    meterIds: homes.map(({ meterId }) => meterId),
  });
  return {
    events,
    quiet: occasions,
    around,
    all: past,
    called,
    calendar: { zone, holidays, excluded: new Map<CivilDay, string>() },
  };
}

/** When a home was asked for something. */
const windowsOf = (past: readonly PastEvent[], meterId: string): Interval[] =>
  past.flatMap(({ window, cohort }) => (window && isAsked(cohort, meterId) ? [window] : []));

/** As the default terms give notice. */
const NOTICE_MINUTES = 120;

/** What was said of a category goes before what was measured there; a category of which neither is known is planned. */
function ratesOf(
  { called, calendar, ...past }: NonNullable<Awaited<ReturnType<typeof pastEvents>>>,
  homes: readonly Home[],
  findings: readonly Finding[],
  terms: StudyTerms,
  estimate: Estimator,
): Map<string, ResponseRate> {
  const marked = homes.map((home) => ({ ...home, series: { ...home.series, marks: marksOf(called, home.meterId) } }));
  const measured = measuredRates(marked, findings, past, calendar, estimate, terms.seed);
  const rates = new Map(terms.responseRates);
  if (rates.has('')) return rates;
  for (const [category, rate] of measured)
    if (!rates.has(category ?? UNSTATED)) rates.set(category ?? UNSTATED, rate ?? { ...PLANNING_RATE, basis: 'unmeasured' });
  return rates;
}

async function readHomes(files: readonly string[], weather: string | undefined, list: string | undefined) {
  const facts = list === undefined ? new Map<string, MeterFacts>() : readMeters(await wholeFile(list), list);
  const given = weather === undefined ? null : await readTemperatures(weather);
  const meters = new EveryMeter();
  const temperatures = new Map<string, Temperatures>();
  for (const file of files) {
    const before = new Map(Array.from(meters, ([id, rows]) => [id, rows.starts.length]));
    await readReadings(file, meters);
    const path = given ? null : await temperatureBeside(file);
    const found = path === null ? given : await readTemperatures(path);
    for (const [id, rows] of found ? meters : [])
      if (rows.starts.length > (before.get(id) ?? 0) && !temperatures.has(id)) temperatures.set(id, found!);
  }
  const homes: Home[] = [];
  const setAside: SetAside[] = [...facts.keys()]
    .filter((id) => !meters.has(id))
    .map((meterId) => ({ meterId, reason: 'no readings in the files' }));
  for (const [meterId, rows] of meters) {
    const series = seriesOf(rows);
    const minutes = minutesOf(series.starts);
    if (minutes === null) {
      setAside.push({ meterId, reason: 'its readings have no interval of 1, 5, 10, 15, 20, 30 or 60 minutes' });
      continue;
    }
    const load = loadSeries(meterId, series, minutes);
    const weatherOf = temperatures.get(meterId);
    homes.push({ meterId, ...(facts.get(meterId) ?? nothingSaid), series: weatherOf ? withTemperature(load, weatherOf) : load });
  }
  return { homes, setAside };
}

async function wholeFile(path: string): Promise<string[]> {
  const all: string[] = [];
  try {
    for await (const lines of linesOf(path)) for (const line of lines) all.push(line);
  } catch (error) {
    throw invalid('usage', `${path} cannot be read: ${(error as Error).message}`);
  }
  return all;
}

/** On a terminal only, and at most a hundred times. */
function progress(homes: number): () => void {
  let done = 0;
  return () => {
    done++;
    if (process.stderr.isTTY && (done === homes || done % Math.ceil(homes / 100) === 0))
      process.stderr.write(`\r${done} of ${homes} homes${done === homes ? '\n' : ''}`);
  };
}
