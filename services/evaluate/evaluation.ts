import type { AreaCalendar, Estimator } from '../performance/estimate.ts';
import type { LoadSeries } from '../performance/load-series.ts';
import { assumptionsOf } from './assumptions.ts';
import { type Committed, committedWatts, type MeterTerms } from './committed.ts';
import { type Figures, figuresOf } from './figures.ts';
import { measure } from './measure.ts';
import type { Candidate } from './methods.ts';
import type { Occasion } from './occasions.ts';
import { type HomeTerms, NOBODY_LEFT } from './paid.ts';
import { meanLoad, type PartName, partsOf } from './parts.ts';
import { cohortsOf, type EventPay, eventPay, type OfEventPay, ofEventPay, type Response, responsesOf } from './past-events.ts';
import { type PortfolioSize, portfolioDraws, portfolioSize } from './portfolios.ts';
import { type Verdict, verdicts } from './recommend.ts';
import { type Suspicions, suspicionsOf } from './suspicions.ts';
import type { JudgedTerms } from './terms.ts';
import { isPlain, payerOf } from './would-pay.ts';

export type Question = {
  readonly series: readonly LoadSeries[];
  /** Of each home, in the order of `series`; empty = unknown. */
  readonly categories: readonly string[];
  readonly candidates: readonly Candidate[];
  readonly placebos: readonly Occasion[];
  readonly events: readonly Occasion[];
  /** The hours of the events on quiet days around them: occasions, and of each event its places among them. */
  readonly quietHours: { readonly occasions: readonly Occasion[]; readonly around: readonly (readonly number[])[] };
  readonly calendar: AreaCalendar;
  /** The first of them is what methods are recommended under. All have one direction and register. */
  readonly terms: readonly JudgedTerms[];
  readonly committed: Committed;
  readonly meters: ReadonlyMap<string, MeterTerms>;
  /** Of each event the meters that left it; null = nobody said. */
  readonly optOuts: readonly ReadonlySet<string>[] | null;
  readonly seed: number;
};

/** Figures of one part of homes and days. */
export type Part = { readonly name: string; readonly figures: Figures };

/** What a method would pay all homes for nothing under one programme's terms. */
export type UnderTerms = {
  readonly terms: string;
  readonly figures: Figures;
  readonly events: readonly EventPay[];
  readonly ofEventPay: OfEventPay;
};

export type MethodReport = {
  readonly name: string;
  readonly says: string;
  readonly rests: string;
  readonly verdict: Verdict;
  readonly all: Figures;
  readonly parts: Readonly<Record<PartName, readonly Part[]>>;
  readonly portfolios: readonly PortfolioSize[];
  readonly responses: readonly Response[];
  /** What it would have paid for each real event, the asked as one portfolio. */
  readonly events: readonly EventPay[];
  readonly ofEventPay: OfEventPay;
  /** Under each of the terms, the first ones first. */
  readonly under: readonly UnderTerms[];
};

export type Evaluation = {
  readonly homes: number;
  readonly placebos: { readonly first: string; readonly last: string; readonly ordinary: number; readonly eventLike: number };
  readonly events: number;
  /** Homes that were asked to at least one of the events, held out of one, or neither. */
  readonly participants: { readonly asked: number; readonly heldOut: number; readonly notAsked: number };
  readonly seed: number;
  /** By name, what methods are recommended under first. */
  readonly terms: readonly string[];
  /** 1: taking less is paid, −1: taking more. */
  readonly sign: 1 | -1;
  readonly assumptions: readonly string[];
  readonly methods: readonly MethodReport[];
} & Suspicions;

/** Judges every method on the same days and homes. Same question, same answer: every draw comes from the seed. */
export function evaluate(question: Question, estimate: Estimator, told: (method: string) => void = () => {}): Evaluation {
  const { series, categories, candidates, placebos, events, calendar, seed, quietHours } = question;
  const terms = question.terms[0]!;
  const homes = series.map((_, h) => h);
  const days = placebos.map((_, o) => o);
  const loads = series.map((one) => meanLoad(one, placebos, terms.quantity));
  const parts = partsOf(loads, categories, placebos, calendar.zone);
  const draws = portfolioDraws(homes.length, placebos.length, seed);
  const { idle, asked } = homeTermsOf(question, loads);
  const ids = series.map(({ meterId }) => meterId);
  const [cohorts, everybody] = [cohortsOf({ occasions: events }, ids), cohortsOf({ occasions: placebos }, ids)];
  const everIn = (part: 'asked' | 'held_out') => new Set(cohorts.flatMap((cohort) => cohort[part])).size;
  const exactly = !question.terms.every((one) => isPlain(one, series[0]?.minutes ?? 30));
  let suspicions: Suspicions | null = null;
  const found = candidates.map((candidate, i) => {
    told(candidate.name);
    const at = (occasions: readonly Occasion[]) => measure(estimate, candidate, occasions, series, calendar, exactly);
    const [quiet, real] = [at(placebos), at(events)];
    const hours = { measured: at(quietHours.occasions), around: quietHours.around };
    if (i === 0) suspicions = suspicionsOf(question, { quiet, real, hours }, estimate);
    const payers = question.terms.map((one) => ({
      ...{ name: one.name, sign: one.sign },
      ...{ onQuiet: payerOf(quiet, one, idle), onEvents: payerOf(real, one, asked) },
    }));
    const under = payers.map(({ name, sign, onQuiet, onEvents }): UnderTerms => {
      const idle = { measured: quiet, cohorts: everybody, paid: eventPay(quiet, everybody, onQuiet) };
      const there = { measured: real, cohorts, paid: eventPay(real, cohorts, onEvents) };
      const figures = figuresOf(quiet, days, homes, onQuiet, sign, seed);
      return { terms: name, figures, events: there.paid, ofEventPay: ofEventPay(idle, there, seed) };
    });
    const { onQuiet: payer, onEvents } = payers[0]!;
    const figures = (among: readonly number[], who: readonly number[]) => figuresOf(quiet, among, who, payer, terms.sign, seed);
    const ofDays = (part: PartName): Part[] => parts[part].map(({ name, places }) => ({ name, figures: figures(places, homes) }));
    const ofHomes = (part: PartName): Part[] => parts[part].map(({ name, places }) => ({ name, figures: figures(days, places) }));
    const [first] = under;
    return {
      ...{ name: candidate.name, says: candidate.says, rests: candidate.rests, under, all: first!.figures },
      ...{ events: first!.events, ofEventPay: first!.ofEventPay },
      parts: { days: ofDays('days'), season: ofDays('season'), size: ofHomes('size'), category: ofHomes('category') },
      portfolios: draws.map((one) => portfolioSize(quiet, one, payer)),
      responses: responsesOf({ real, quiet: hours, cohorts, payer: onEvents, sign: terms.sign }, categories, seed),
    };
  });
  const judged = verdicts(found.map(({ name, all }) => ({ name, figures: all })));
  return {
    homes: homes.length,
    placebos: {
      ...{ first: placebos[0]?.day ?? '', last: placebos.at(-1)?.day ?? '' },
      ordinary: placebos.filter(({ kind }) => kind === 'ordinary').length,
      eventLike: placebos.filter(({ kind }) => kind === 'event_like').length,
    },
    participants: {
      ...{ asked: everIn('asked'), heldOut: everIn('held_out') },
      notAsked: homes.length - new Set(cohorts.flatMap(({ asked: at, held_out }) => [...at, ...held_out])).size,
    },
    ...{ events: events.length, seed, terms: question.terms.map(({ name }) => name), sign: terms.sign },
    assumptions: assumptionsOf(question),
    methods: found.map((method, i) => ({ ...method, verdict: judged[i]! })),
    ...(suspicions ?? { signals: [], looked: [], left: null }),
  };
}

/** What money looks at beside readings, on days on which nobody was asked, and at the events. */
function homeTermsOf({ series, committed, meters, events, optOuts }: Question, loads: readonly number[]) {
  const ids = series.map(({ meterId }) => meterId);
  const watts = loads.map((load, h) => (load * 60) / series[h]!.minutes);
  const idle: HomeTerms = {
    committed: committedWatts(committed, ids, watts, meters),
    household: ids.map((id) => meters.get(id)?.household ?? true),
    optOuts: NOBODY_LEFT,
  };
  if (optOuts === null) return { idle, asked: idle };
  // All events given are one season.
  const inOrder = events
    .map(({ event }, o) => ({ o, start: event.window.start }))
    .sort((a, b) => a.start - b.start)
    .map(({ o }) => o);
  const counts = events.map(() => new Uint16Array(ids.length));
  ids.forEach((id, h) => {
    let times = 0;
    for (const o of inOrder) if (optOuts[o]!.has(id)) counts[o]![h] = ++times;
  });
  return { idle, asked: { ...idle, optOuts: (o: number, h: number) => counts[o]![h]! } };
}
