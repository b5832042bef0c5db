import { MINUTE } from '../domain/interval.ts';
import { invalid } from '../domain/outcome.ts';
import type { CivilDay, ZoneDays } from '../domain/zone.ts';
import type { DayMark } from '../performance/load-series.ts';
import type { PastEvent } from './lists.ts';

/** Whom an event was for. */
export type Cohort = {
  /** Null = every home given, but for the held out. Who left was asked. */
  readonly asked: ReadonlySet<string> | null;
  /** Drawn, and told nothing. */
  readonly heldOut: ReadonlySet<string>;
  /** Of the asked, who left; null = nobody said. */
  readonly left: ReadonlySet<string> | null;
};

export const EVERYBODY: Cohort = { asked: null, heldOut: new Set(), left: null };

export type Part = 'asked' | 'held_out' | 'not_asked';
export const PART_IN_WORDS: Record<Part, string> = { asked: 'asked', held_out: 'held out', not_asked: 'not asked' };

export function partIn({ asked, heldOut }: Cohort, meterId: string): Part {
  if (heldOut.has(meterId)) return 'held_out';
  return asked === null || asked.has(meterId) ? 'asked' : 'not_asked';
}
export const isAsked = (cohort: Cohort, meterId: string): boolean => partIn(cohort, meterId) === 'asked';

/** Whom the events of each day asked. A home's day is innocent unless it was asked itself. */
export type CalledDays = ReadonlyMap<CivilDay, readonly Cohort[]>;

/**
 * The days on which homes were asked for something or told of it: those that an event touches, and that of its notice, as settlement excludes
 * them. Who was held out, or never asked, was told nothing: its load on that day is innocent, lends itself to baselines and is a placebo like
 * any, the more so as the day is one that events choose.
 */
export function calledDays(past: readonly PastEvent[], noticeMinutes: number, zone: ZoneDays): CalledDays {
  const called = new Map<CivilDay, Cohort[]>();
  for (const { days, window, cohort } of past) {
    const told = window === null ? [] : [zone.dayOf(window.start - noticeMinutes * MINUTE)];
    for (const day of new Set([...told, ...days])) called.set(day, [...(called.get(day) ?? []), cohort]);
  }
  return called;
}

/** Those of `meterIds` that were called on one of the days. */
export const calledOn = (called: CalledDays, days: readonly CivilDay[], meterIds: readonly string[]): ReadonlySet<string> => {
  const cohorts = days.flatMap((day) => called.get(day) ?? []);
  return new Set(cohorts.length === 0 ? [] : meterIds.filter((id) => cohorts.some((cohort) => isAsked(cohort, id))));
};

/** Marks of the days on which a home was called: no reference days. */
export const marksOf = (called: CalledDays, meterId: string): ReadonlyMap<CivilDay, readonly DayMark[]> =>
  new Map(
    [...called].flatMap(([day, cohorts]): [CivilDay, DayMark[]][] =>
      cohorts.some((cohort) => isAsked(cohort, meterId)) ? [[day, ['event']]] : [],
    ),
  );

/** What a line of participants says of one home; `event` empty = of every event. */
export type Participant = {
  readonly line: number;
  readonly event: string;
  readonly meterId: string;
  readonly role: (typeof ROLES)[number];
};
export const ROLES = ['asked', 'opted_out', 'held_out'] as const;

/**
 * Events with the cohorts that a list says: who stands in no line was not asked, and an event without lines asked none of these homes. A line
 * without event is of all of them. Opt-outs are said beside it, of homes that were asked. Throws Refusal `usage` naming file and line.
 */
export function withParticipants(
  past: readonly PastEvent[],
  listed: { readonly file: string; readonly lines: readonly Participant[] } | null,
  optOuts: { readonly file: string; readonly lines: readonly Participant[] } | null,
): PastEvent[] {
  const roles = new Map<string, Map<string, Participant>>();
  for (const line of listed?.lines ?? []) {
    const own = roles.get(line.event) ?? new Map<string, Participant>();
    const before = own.get(line.meterId);
    if (before && before.role !== line.role)
      throw invalid('usage', `${listed!.file}:${line.line}: ${line.meterId} is ${before.role} on line ${before.line} already`);
    roles.set(line.event, own.set(line.meterId, before ?? line));
  }
  const says = (role: Participant['role']) => (listed?.lines ?? []).some((line) => line.role === role);
  return past.map((event): PastEvent => {
    const own = new Map([...(roles.get('') ?? []), ...(roles.get(event.name) ?? [])]);
    const who = (...wanted: Participant['role'][]) =>
      new Set([...own.values()].filter(({ role }) => wanted.includes(role)).map(({ meterId }) => meterId));
    const cohort: Cohort = listed
      ? { asked: who('asked', 'opted_out'), heldOut: who('held_out'), left: says('opted_out') ? who('opted_out') : null }
      : event.cohort;
    if (!optOuts) return { ...event, cohort };
    const left = new Set(cohort.left ?? []);
    for (const { line, event: name, meterId } of optOuts.lines) {
      if (name !== event.name) continue;
      if (!isAsked(cohort, meterId))
        throw invalid(
          'usage',
          `${optOuts.file}:${line}: ${meterId.slice(0, 40)} left ${name.slice(0, 40)}, which did not ask it`,
        );
      left.add(meterId);
    }
    return { ...event, cohort: { ...cohort, left } };
  });
}
