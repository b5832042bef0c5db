import type { Interval } from '../domain/interval.ts';
import { invalid } from '../domain/outcome.ts';
import type { CivilDay, ZoneDays } from '../domain/zone.ts';
import { isCivilDay, parseInstant } from '../performance/days.ts';
import { daysOf } from './civil-days.ts';
import type { MeterTerms } from './committed.ts';
import { type Cohort, EVERYBODY, type Participant, ROLES } from './participants.ts';

/** A past event: on `days` who was asked is no placebo; `window` where the file has one. */
export type PastEvent = {
  readonly name: string;
  readonly sort: string;
  readonly days: readonly CivilDay[];
  readonly window: Interval | null;
  readonly cohort: Cohort;
};

type Row = { readonly line: number; readonly field: (name: string) => string | undefined };

/**
 * Days (`2026-05-01` a line, under the header `day` or none), or events under a header with `start` and `end`, instants with their offset, and
 * perhaps `event_id` and `kind` (or `tariff`). Columns `participants`, `opted_out` and `held_out`, meters apart by semicolons, say whom an event
 * was for; without participants it asked all that are given. Throws Refusal naming file and line.
 */
export function readEvents(text: string, file: string, zone: ZoneDays): PastEvent[] {
  const { header, rows } = table(text, isCivilDay);
  if (rows.length > 0 && !header.includes('day') && !(header.includes('start') && header.includes('end')))
    throw invalid('usage', `${file}: the header must have day, or start and end, not ${header.join(',').slice(0, 80)}`);
  return rows.map(({ line, field }) => {
    const day = field('day');
    const cohort = cohortOf(field);
    if (day !== undefined) return { name: day, sort: '', window: null, days: [civilDay(day, file, line)], cohort };
    const [start, end] = [field('start') ?? '', field('end') ?? ''].map((instant) => {
      const at = parseInstant(instant);
      if (at === null) throw invalid('usage', `${file}:${line}: must be an instant with its offset, not ${instant.slice(0, 40)}`);
      return at;
    }) as [number, number];
    if (end <= start) throw invalid('usage', `${file}:${line}: the event ends before it starts`);
    const days = daysOf({ start, end }, zone);
    const sort = field('kind') ?? field('tariff') ?? '';
    return { name: field('event_id') ?? days[0]!, sort, days, window: { start, end }, cohort };
  });
}

/** Who is named in the row of an event. An empty column says no more than an absent one. */
function cohortOf(field: Row['field']): Cohort {
  const named = (column: string) =>
    new Set(
      (field(column) ?? '')
        .split(';')
        .map((id) => id.trim())
        .filter((id) => id !== ''),
    );
  const [asked, left, heldOut] = ['participants', 'opted_out', 'held_out'].map(named) as [Set<string>, Set<string>, Set<string>];
  if (asked.size + left.size + heldOut.size === 0) return EVERYBODY;
  return {
    asked: asked.size === 0 ? null : new Set([...asked, ...left]),
    ...{ heldOut, left: left.size === 0 ? null : left },
  };
}

/** One day a line, under the header `day` or none; further columns are not looked at. Throws Refusal naming file and line. */
export function readDayList(text: string, file: string): Set<CivilDay> {
  const { rows } = table(text, isCivilDay);
  return new Set(rows.map(({ line, field }) => civilDay(field('day') ?? '', file, line)));
}

/** meter_id → the value of column `by`. Throws Refusal when the header lacks one of them. */
export function readCategories(text: string, file: string, by: string): Map<string, string> {
  const { header, rows } = table(text, () => false);
  for (const name of ['meter_id', by])
    if (!header.includes(name))
      throw invalid('usage', `${file}: the header has no ${name}, only ${header.join(', ').slice(0, 120)}`);
  return new Map(rows.map(({ field }) => [field('meter_id')!, field(by) ?? '']));
}

/**
 * What a list of meters says that money looks at: sanctioned_load_w and committed_w, whole watts, and kind (HOUSEHOLD, BUSINESS or CPO), each
 * where there is such a column. Throws Refusal naming file and line.
 */
export function readMeterTerms(text: string, file: string): Map<string, MeterTerms> {
  const { header, rows } = table(text, () => false);
  if (!header.includes('meter_id')) throw invalid('usage', `${file}: the header has no meter_id`);
  return new Map(
    rows.map(({ line, field }): [string, MeterTerms] => {
      const watts = (name: string) => {
        const said = field(name) ?? '';
        if (!/^\d{0,10}$/.test(said))
          throw invalid('usage', `${file}:${line}: ${name} must be whole watts, not ${said.slice(0, 40)}`);
        return said === '' ? null : Number(said);
      };
      const household = !['BUSINESS', 'CPO'].includes(field('kind') ?? '');
      return [field('meter_id')!, { sanctionedLoadW: watts('sanctioned_load_w'), committedW: watts('committed_w'), household }];
    }),
  );
}

/**
 * Who took part in which event: `meter_id` and perhaps `event_id` (else every event) and `role` (asked, opted_out or held_out; else `role`, or
 * asked). Throws Refusal naming file and line, and for an event that is none of those `known`.
 */
export function readParticipants(
  text: string,
  file: string,
  known: ReadonlySet<string>,
  { role: only, columns }: { readonly role?: Participant['role']; readonly columns: readonly string[] },
): Participant[] {
  const { header, rows } = table(text, () => false);
  for (const name of columns)
    if (!header.includes(name))
      throw invalid('usage', `${file}: the header has no ${name}, only ${header.join(', ').slice(0, 120)}`);
  return rows.map(({ line, field }) => {
    const event = field('event_id') ?? '';
    if (event !== '' && !known.has(event))
      throw invalid('usage', `${file}:${line}: --event-days names no event ${event.slice(0, 40)}`);
    const meterId = field('meter_id') ?? '';
    if (meterId === '') throw invalid('usage', `${file}:${line}: meter_id is empty`);
    const said = only ?? (field('role') || 'asked');
    const role = ROLES.find((one) => one === said);
    if (!role) throw invalid('usage', `${file}:${line}: role must be ${ROLES.join(', ')}, not ${said.slice(0, 40)}`);
    return { line, event, meterId, role };
  });
}

/** Lines of a small CSV without quotes, as files of meters and events are. A first line of which `bare` holds is no header but a day. */
function table(text: string, bare: (first: string) => boolean): { header: string[]; rows: Row[] } {
  const lines = text.replace(/^\uFEFF/, '').split(/\r?\n/);
  const first = lines[0]!.split(',');
  const headless = bare(first[0]!);
  const header = headless ? ['day'] : first;
  const rows = lines.flatMap((line, i): Row[] => {
    if (line === '' || (i === 0 && !headless)) return [];
    const fields = line.split(',');
    const field = (name: string) => (header.includes(name) ? fields[header.indexOf(name)] : undefined);
    return [{ line: i + 1, field }];
  });
  return { header, rows };
}

function civilDay(text: string, file: string, line: number): CivilDay {
  if (!isCivilDay(text)) throw invalid('usage', `${file}:${line}: must be a day such as 2026-05-01, not ${text.slice(0, 40)}`);
  return text;
}
