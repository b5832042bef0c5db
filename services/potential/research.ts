import { invalid } from '../domain/outcome.ts';
import type { ZoneDays } from '../domain/zone.ts';
import type { Kernel } from '../performance/kernel.ts';
import { type Finding, findingOf, LEAST_DAYS, SEASONS, type Shape } from './finding.ts';
import { type Expected, expectedFlexible, flexibleW, type Stake } from './flexible.ts';
import type { Home, SetAside } from './homes.ts';
import { PLANNING_RATE, type ResponseRate } from './response-rate.ts';
import { homesNeeded, type SampleSize } from './sample.ts';
import { sensitiveW } from './temperature-response.ts';

export type StudyTerms = {
  readonly zone: ZoneDays;
  readonly seed: number;
  /** Local hours [from, to); null = the four hours in a row with the highest mean load. */
  readonly peak: { readonly from: number; readonly to: number } | null;
  /** °C; null = the mean over the hours of the window of the 95th percentile of their temperatures. */
  readonly designC: number | null;
  /** By category; '' = all others; none = a planning value. */
  readonly responseRates: ReadonlyMap<string, ResponseRate>;
  /** Consumers by category; '' = all consumers, shared out as the homes are; empty = the homes stand for themselves. */
  readonly consumers: ReadonlyMap<string, number>;
  /** Half-width of the mean that the sample design asks for, as a share. */
  readonly precision: number;
};

export const UNSTATED = 'not stated';

/** A category, a feeder, or all: W a home. */
export type Group = {
  readonly name: string;
  readonly homes: number;
  readonly sensitiveHomes: number;
  readonly evLikeHomes: number;
  readonly load: Shape;
  readonly sensitive: Shape;
  readonly evLike: Shape;
  /** Highest mean load of an hour of a season. */
  readonly peak: { readonly season: string; readonly hour: number; readonly watts: number } | null;
  /** Means over the peak window, all days; `designW` temperature-sensitive at the design temperature, null without temperature. */
  readonly window: { readonly loadW: number | null; readonly designW: number | null; readonly evLikeW: number };
};

export type CategoryAnswer = Group & {
  readonly response: ResponseRate;
  readonly consumers: number;
  readonly flexible: Expected;
  readonly sample: { readonly load: SampleSize; readonly flexible: SampleSize };
};

export type Research = {
  readonly zone: string;
  readonly seed: number;
  readonly scaled: boolean;
  readonly precision: number;
  readonly peak: { readonly from: number; readonly to: number; readonly chosen: 'given' | 'highest load' };
  readonly designC: number | null;
  readonly hottestC: number | null;
  readonly flexible: Expected;
  readonly all: Group;
  readonly categories: readonly CategoryAnswer[];
  readonly feeders: readonly Group[];
  readonly homes: readonly Finding[];
  readonly setAside: readonly SetAside[];
};

/**
 * Load research over homes. What each home gives is `findingOf`; groups are means over homes, each home with equal weight.
 * Throws Refusal when no home has enough readings, or consumers are named for a category without homes.
 */
export function researchOf(findings: readonly Finding[], setAside: readonly SetAside[], terms: StudyTerms): Research {
  const { homes, aside, peak, window } = comparable(findings, setAside, terms);
  if (homes.length === 0)
    throw invalid('no_homes', `no home has enough readings${aside[0] ? `; ${aside[0].meterId}: ${aside[0].reason}` : ''}`);
  const designC = homes.some(({ celsius }) => window.some((hour) => celsius[hour]!.length > 0))
    ? (terms.designC ?? meanOf(window.flatMap((hour) => percentile95(homes, hour) ?? []))!)
    : null;
  const stakes = new Map(homes.map((home) => [home.meterId, stakeOf(home, window, designC)]));
  const group = (name: string, members: readonly Finding[]) => groupOf(name, members, window, stakes);
  const categories = [...grouped(homes, ({ category }) => category ?? UNSTATED)];
  const scales = consumersOf(categories, homes.length, terms.consumers);
  const answers = categories.map(([category], c) => ({
    category,
    response: terms.responseRates.get(category) ?? terms.responseRates.get('') ?? PLANNING_RATE,
    consumers: scales[c]!,
  }));
  const expected = expectedFlexible([...stakes.values()], answers, terms.seed);
  const scaled = terms.consumers.size > 0;
  return {
    ...{ zone: terms.zone.zone, seed: terms.seed, scaled, precision: terms.precision, peak, designC },
    hottestC: homes.reduce<number | null>((most, { celsius }) => {
      const own = celsius.flat().reduce((hottest, one) => Math.max(hottest, one), most ?? Number.NEGATIVE_INFINITY);
      return own === Number.NEGATIVE_INFINITY ? null : own;
    }, null),
    flexible: expected.all,
    all: group('all', homes),
    categories: categories.map(([name, members], c) => ({
      ...group(name, members),
      ...{ response: answers[c]!.response, consumers: answers[c]!.consumers, flexible: expected.by[c]! },
      sample: {
        load: homesNeeded(
          members.flatMap((home) => windowMean(home.load, window) ?? []),
          terms.precision,
          scaled ? scales[c]! : null,
        ),
        flexible: homesNeeded(
          members.map(({ meterId }) => flexibleW(stakes.get(meterId)!)),
          terms.precision,
          scaled ? scales[c]! : null,
        ),
      },
    })),
    feeders: [...grouped(homes, ({ feederId }) => feederId ?? UNSTATED)].map(([name, members]) => group(name, members)),
    ...{ homes, setAside: aside },
  };
}

/**
 * The homes that can be put in one mean: where some have temperature, a home without is not one whose load does not answer it, and a home
 * without readings in the window is not one without load there.
 */
function comparable(findings: readonly Finding[], setAside: readonly SetAside[], terms: StudyTerms) {
  const rising = (a: SetAside | Finding, b: SetAside | Finding) => (a.meterId < b.meterId ? -1 : 1);
  const all = [...findings].sort(rising);
  const peak = terms.peak ? { ...terms.peak, chosen: 'given' as const } : highestWindow(meanShape(all, 'load'));
  const window = Array.from({ length: peak.to - peak.from }, (_, i) => peak.from + i);
  const weather = all.some(seesWeather);
  const reasonAgainst = (home: Finding): string | null => {
    if (window.some((hour) => home.load[4]![hour] === null)) return 'some hour of the peak window has no readings at all';
    return weather && !seesWeather(home)
      ? `fewer than ${LEAST_DAYS} of its days have a temperature, and other homes have one`
      : null;
  };
  const against = all.flatMap((home) => {
    const reason = reasonAgainst(home);
    return reason === null ? [] : [{ meterId: home.meterId, reason }];
  });
  return {
    homes: all.filter((home) => reasonAgainst(home) === null),
    aside: [...setAside, ...against].sort(rising),
    peak,
    window,
  };
}

/** The findings of all homes, and those set aside; `each` is told after every home. */
export function studyHomes(kernel: Kernel, homes: readonly Home[], zone: ZoneDays, each: () => void) {
  const findings: Finding[] = [];
  const setAside: SetAside[] = [];
  for (const home of homes) {
    const found = findingOf(kernel, home, zone);
    if ('reason' in found) setAside.push({ meterId: home.meterId, reason: found.reason });
    else findings.push(found);
    each();
  }
  return { findings, setAside };
}

function stakeOf(home: Finding, window: readonly number[], designC: number | null): Stake {
  const { response, category, sanctionedLoadW } = home;
  return {
    category: category ?? UNSTATED,
    sensitiveW: response && designC !== null ? meanOf(window.map((hour) => sensitiveW(response, hour, designC)))! : 0,
    evLikeW: windowMean(home.evLike, window)!,
    limitW: sanctionedLoadW,
  };
}

function groupOf(
  name: string,
  members: readonly Finding[],
  window: readonly number[],
  stakes: ReadonlyMap<string, Stake>,
): Group {
  const load = meanShape(members, 'load');
  const own = members.map(({ meterId }) => stakes.get(meterId)!);
  const hours = load.slice(0, 4).flatMap((row, s) => row.map((watts, hour) => ({ season: SEASONS[s]!, hour, watts })));
  const known = hours.flatMap(({ watts, ...rest }) => (watts === null ? [] : [{ ...rest, watts }]));
  return {
    ...{ name, homes: members.length, load },
    sensitiveHomes: members.filter(({ response }) => response !== null).length,
    evLikeHomes: members.filter(({ sessions }) => sessions !== null).length,
    ...{ sensitive: meanShape(members, 'sensitive'), evLike: meanShape(members, 'evLike') },
    peak: known.reduce<Group['peak']>((most, one) => (most === null || one.watts > most.watts ? one : most), null),
    window: {
      loadW: windowMean(load, window),
      designW: members.some(seesWeather) ? meanOf(own.map(({ sensitiveW: watts }) => watts)) : null,
      evLikeW: meanOf(own.map(({ evLikeW }) => evLikeW))!,
    },
  };
}

/** Means over homes, by season and hour, of those that have a value there. */
function meanShape(members: readonly Finding[], which: 'load' | 'sensitive' | 'evLike'): Shape {
  return SEASONS.map((_, s) =>
    Array.from({ length: 24 }, (_, hour) => meanOf(members.flatMap((home) => home[which][s]![hour] ?? []))),
  );
}

/** Of equals the earliest. */
function highestWindow(load: Shape): Research['peak'] {
  const sums = Array.from({ length: 21 }, (_, from) =>
    load[4]!.slice(from, from + 4).reduce<number>((sum, watts) => sum + (watts ?? 0), 0),
  );
  const from = sums.indexOf(Math.max(...sums));
  return { from, to: from + 4, chosen: 'highest load' };
}

/** Nearest rank, over the hours of all homes. */
function percentile95(homes: readonly Finding[], hour: number): number | null {
  const all = Float64Array.from(homes.flatMap(({ celsius }) => celsius[hour]!)).sort();
  return all[Math.ceil(0.95 * all.length) - 1] ?? null;
}

function consumersOf(
  categories: readonly (readonly [string, readonly Finding[]])[],
  homes: number,
  given: StudyTerms['consumers'],
): number[] {
  const unknown = [...given.keys()].find((name) => name !== '' && !categories.some(([category]) => category === name));
  if (unknown !== undefined)
    throw invalid(
      'category_without_homes',
      `--system names ${unknown}, but no home of that category has enough readings`,
      'system',
    );
  const all = given.get('');
  const missing = categories.find(([name]) => given.size > 0 && all === undefined && !given.has(name));
  if (missing)
    throw invalid('consumers_missing', `--system says nothing of the category ${missing[0]}: say ${missing[0]}=N`, 'system');
  return categories.map(
    ([name, members]) => given.get(name) ?? (all === undefined ? members.length : (all * members.length) / homes),
  );
}

const seesWeather = ({ celsius }: Finding): boolean => celsius.some((row) => row.length > 0);

/** By name, rising. */
function grouped(homes: readonly Finding[], nameOf: (home: Finding) => string): [string, Finding[]][] {
  const groups = new Map<string, Finding[]>();
  for (const home of homes) groups.set(nameOf(home), [...(groups.get(nameOf(home)) ?? []), home]);
  return [...groups].sort(([a], [b]) => (a < b ? -1 : 1));
}

const meanOf = (values: readonly number[]): number | null =>
  values.length === 0 ? null : values.reduce((sum, value) => sum + value, 0) / values.length;

const windowMean = (shape: Shape, window: readonly number[]): number | null =>
  meanOf(window.flatMap((hour) => shape[4]![hour] ?? []));
