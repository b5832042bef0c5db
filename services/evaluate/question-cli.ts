import { access, readFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { presets } from '../catalogue/presets.ts';
import { invalid } from '../domain/outcome.ts';
import type { CivilDay, ZoneDays } from '../domain/zone.ts';
import { zoneDays } from '../host/zone.ts';
import { isCivilDay } from '../performance/days.ts';
import { withTemperature } from '../performance/heat.ts';
import { type LoadSeries, loadSeries } from '../performance/load-series.ts';
import { readReadings } from '../performance/readings-csv.ts';
import { seriesOf } from '../performance/series.ts';
import { readTemperatures, temperatureBeside } from '../performance/temperature-file.ts';
import { type MeterTerms, readCommitted, USUAL_COMMITMENT } from './committed.ts';
import type { Question } from './evaluation.ts';
import { commonMinutes, EveryMeter, inLonger } from './every-meter.ts';
import { type PastEvent, readCategories, readDayList, readEvents, readMeterTerms, readParticipants } from './lists.ts';
import { candidatesOf, USUAL, WITH_WEATHER } from './methods.ts';
import { pastOccasions, placebos, quietHours, readHours, remembered, spanOf } from './occasions.ts';
import { type CalledDays, calledDays, marksOf, type Participant, partIn, withParticipants } from './participants.ts';
import { type JudgedTerms, OWN, presetTerms, readTerms } from './terms.ts';

type Flags = Readonly<Record<string, string | undefined>>;

export const WINDOW = '18:00-21:00';
/** Readings before this many days lend themselves to baselines only. */
const FIRST_DAYS = 28;

/** Reads all files that the flags of `lachak evaluate` name. Throws Refusal `usage`, naming file and line. */
export async function readQuestion(files: readonly string[], flags: Flags): Promise<Question> {
  const zone = remembered(zoneDays(flags.zone ?? 'Asia/Kolkata'));
  const hours = readHours(flags.window ?? WINDOW);
  const seed = whole(flags.seed ?? '1', 'seed', 0, 2 ** 31);
  const committed = readCommitted(flags.committed ?? USUAL_COMMITMENT);
  const terms = await readAllTerms(flags.terms ?? presets[0]!.name);
  const [first] = terms as [JudgedTerms];
  const noticeMinutes = whole(flags.notice ?? String(first.noticeMinutes), 'notice', 0, 1440);
  const list = await meterList(files[0]!, flags.meters);
  const past = await readPast(flags, zone, { read: textOf, list });
  const holidays = flags.holidays ? readDayList(await textOf(flags.holidays), flags.holidays) : new Set<CivilDay>();
  if (flags.days !== undefined && !['working', 'all'].includes(flags.days))
    throw invalid('usage', `--days must be working or all, not ${flags.days}`);
  const called = calledDays(past, noticeMinutes, zone);
  const { series, minutes } = await readSeries(files, { called, weather: flags.temperature, zone, terms });
  refuseStrangers(flags, past, series);
  const grid = Math.max(minutes, ...terms.map(({ pay }) => pay.intervalMinutes));
  if (hours.from % grid !== 0 || hours.to % grid !== 0)
    throw invalid('usage', `--window must begin and end on the ${grid}-minute intervals of the readings and the terms`);
  const span = spanOf(series, hours, zone)!;
  const from = dayOf(flags.from, 'from') ?? zone.plus(span.first, FIRST_DAYS);
  const to = dayOf(flags.to, 'to') ?? span.last;
  const days = placebos(series, { zone, hours, noticeMinutes, holidays, called, from, to, everyDay: flags.days === 'all' });
  if (days.length === 0)
    throw invalid(
      'usage',
      `no placebo day lies from ${from} to ${to}: the readings reach from ${span.first} to ${span.last}; give --from and --to`,
    );
  const weather = series.some(({ temperature }) => temperature !== null);
  const names = flags.methods?.split(',') ?? [
    ...(flags.terms !== undefined && first.own ? [OWN] : []),
    ...USUAL,
    ...(weather ? WITH_WEATHER : []),
  ];
  const categories = list && categoriesOf(list, flags);
  const earliest = zone.plus(span.first, FIRST_DAYS);
  const events = pastOccasions(past, { noticeMinutes, first: earliest, last: span.last, grid, zone });
  return {
    ...{ series, placebos: days, terms, committed, seed, calendar: { zone, holidays, excluded: new Map() } },
    categories: series.map(({ meterId }) => categories?.get(meterId) ?? ''),
    meters: list ? readMeterTerms(list.text, list.path) : new Map<string, MeterTerms>(),
    candidates: candidatesOf(names, minutes, weather, first),
    events,
    quietHours: quietHours(events, {
      ...{ zone, holidays, called, from: earliest, to: span.last },
      meterIds: series.map(({ meterId }) => meterId),
    }),
    optOuts: events.some(({ cohort }) => cohort?.left) ? events.map(({ cohort }) => cohort?.left ?? new Set()) : null,
  };
}

/** Past events with whom they asked: what their own file says, or the list of participants; who left is said beside either. */
export async function readPast(flags: Flags, zone: ZoneDays, { read, list }: Lists): Promise<PastEvent[]> {
  const file = flags['event-days'];
  for (const flag of ['participants', 'opt-outs'])
    if (!file && flags[flag]) throw invalid('usage', `--${flag} says who was in which event: give the events with --event-days`);
  const past = file ? readEvents(await read(file), file, zone) : [];
  const known = new Set(past.map(({ name }) => name));
  const { participants, 'opt-outs': left } = flags;
  const listed = participants && {
    file: participants,
    lines: participants.includes('=')
      ? membersOf(participants, list)
      : readParticipants(await read(participants), participants, known, { columns: ['meter_id'] }),
  };
  const optOuts = left && {
    file: left,
    lines: readParticipants(await read(left), left, known, { role: 'opted_out', columns: ['event_id', 'meter_id'] }),
  };
  return withParticipants(past, listed || null, optOuts || null);
}

type Lists = { readonly read: typeof textOf; readonly list: List | null };

/** Meters that the list of them puts in a group, `tariff=ToU`: each was asked every time. Throws Refusal `usage`. */
function membersOf(group: string, list: List | null): Participant[] {
  const [column, value] = [group.slice(0, group.indexOf('=')), group.slice(group.indexOf('=') + 1)];
  if (!list) throw invalid('usage', `--participants ${group} looks at a column of the list of meters: give it with --meters`);
  const members = [...readCategories(list.text, list.path, column)].filter(([, said]) => said === value);
  if (members.length === 0) throw invalid('usage', `${list.path}: no meter has ${group}`);
  return members.map(([meterId], i) => ({ line: i + 1, event: '', meterId, role: 'asked' }));
}

/** A list of participants of which nobody has readings is one of other homes, or of misspelt ones. Throws Refusal `usage`. */
export function refuseStrangers(flags: Flags, past: readonly PastEvent[], homes: readonly { readonly meterId: string }[]): void {
  if (flags.participants && !past.some(({ cohort }) => homes.some(({ meterId }) => partIn(cohort, meterId) !== 'not_asked')))
    throw invalid('usage', `${flags.participants}: none of its meters has readings here`);
}

/** Terms by file or preset. They are paid side by side, so they must look at the same register the same way. */
async function readAllTerms(names: string): Promise<JudgedTerms[]> {
  const isZone = (zone: string) => {
    try {
      return zoneDays(zone) !== undefined;
    } catch {
      return false;
    }
  };
  const all = await Promise.all(
    names
      .split(',')
      .map(async (name) => (name.endsWith('.json') ? readTerms(await textOf(name), name, isZone) : presetTerms(name))),
  );
  const [first] = all as [JudgedTerms];
  const other = all.find(({ sign, quantity }) => sign !== first.sign || quantity !== first.quantity);
  if (other)
    throw invalid(
      'usage',
      `--terms: ${first.name} and ${other.name} pay for different things (direction or register); ask for each alone`,
    );
  return all;
}

type Beside = {
  readonly called: CalledDays;
  readonly weather: string | undefined;
  readonly zone: ZoneDays;
  readonly terms: readonly JudgedTerms[];
};

/** Readings on the settlement interval of the first terms, or on their own where that is longer. */
async function readSeries(files: readonly string[], { called, weather, zone, terms }: Beside) {
  const rows = new EveryMeter();
  for (const file of files) await readable(readReadings(file, rows));
  if (rows.size === 0) throw invalid('usage', `${files.join(', ')}: there is no reading`);
  const read = commonMinutes(rows.values());
  if (read === null)
    throw invalid('usage', 'the readings lie on no grid that divides a day: their instants must be evenly apart');
  const minutes = Math.max(read, terms[0]!.pay.intervalMinutes);
  for (const { name, pay } of terms) {
    const [short, long] = [minutes, pay.intervalMinutes].sort((a, b) => a - b);
    if (long! % short! !== 0 || minutes % read !== 0)
      throw invalid(
        'usage',
        `${name} settles intervals of ${pay.intervalMinutes} minutes; readings of ${read} minutes do not make them up`,
      );
  }
  const path = weather ?? (await temperatureBeside(files[0]!));
  const temperatures = path === null ? null : await readable(readTemperatures(path));
  const series = [...rows.keys()].sort().map((id): LoadSeries => {
    const own = { ...loadSeries(id, seriesOf(rows.get(id)), read), marks: marksOf(called, id) };
    const one = minutes > read ? inLonger(own, minutes, zone) : own;
    return temperatures ? withTemperature(one, temperatures) : one;
  });
  return { series, minutes };
}

type List = { readonly text: string; readonly path: string };

/** The list of meters that was named, or the one beside the readings. */
async function meterList(readings: string, named: string | undefined): Promise<List | null> {
  const beside = join(dirname(readings), 'meters.csv');
  const found = await access(beside).then(
    () => true,
    () => false,
  );
  const path = named ?? (found ? beside : null);
  return path === null ? null : { path, text: await textOf(path) };
}

function categoriesOf({ text, path }: List, flags: Flags): Map<string, string> | null {
  const header = text.slice(0, text.indexOf('\n')).trim().split(',');
  const by = flags.by ?? ['category', 'tariff'].find((name) => header.includes(name));
  // A list without categories is one all the same: what is asked for by name it must have.
  return by === undefined ? null : readCategories(text, path, by);
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
