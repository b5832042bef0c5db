import type { CivilDay, ZoneDays } from '../domain/zone.ts';
import type { AreaCalendar, Estimator } from '../performance/estimate.ts';
import { MISSING } from '../performance/kernel.ts';
import type { LoadSeries } from '../performance/load-series.ts';
import type { PayTerms } from '../settlement/terms.ts';
import { chanceOf, drawn, quantile, type Ranged, ratioOverDays } from './chance.ts';
import { energies, type Figures, figuresOf } from './figures.ts';
import { type Measured, measure } from './measure.ts';
import type { Candidate } from './methods.ts';
import type { Occasion } from './occasions.ts';
import { type Verdict, verdicts } from './recommend.ts';
import { capSignals, frozenSignals, pumpSignals, type Signal } from './signals.ts';
import { wouldPay } from './would-pay.ts';

export type Question = {
  readonly series: readonly LoadSeries[];
  /** Of each home, in the order of `series`; empty = unknown. */
  readonly categories: readonly string[];
  readonly candidates: readonly Candidate[];
  readonly placebos: readonly Occasion[];
  readonly events: readonly Occasion[];
  readonly calendar: AreaCalendar;
  readonly terms: PayTerms;
  readonly seed: number;
};

/** Figures of one part of homes and days. */
export type Part = { readonly name: string; readonly figures: Figures };

/** What portfolios of one size would have seen, over seeded draws: medians, and the width of nine in ten. */
export type PortfolioSize = {
  readonly homes: number;
  readonly draws: number;
  readonly rrmse: number | null;
  /** Of the error of a day, ΣB − ΣA over mean ΣA: 5 and 95 %. */
  readonly low: number | null;
  readonly high: number | null;
  /** Energy paid for nothing by the full terms, of load. */
  readonly falseCredit: number | null;
};

/** What one method says of the real events of one sort and category: Σ(B − A) ÷ ΣB, and what the terms pay for it. */
export type Response = {
  readonly sort: string;
  readonly category: string;
  readonly homes: number;
  readonly events: number;
  /** Positive = less than the baseline. */
  readonly response: Ranged | null;
  readonly loadWh: number;
  readonly paidWh: number;
  readonly paidMicros: number;
};

export type EventPay = {
  readonly event: string;
  readonly day: CivilDay;
  readonly sort: string;
  readonly wh: number;
  readonly micros: number;
};

export type MethodReport = {
  readonly name: string;
  readonly says: string;
  readonly verdict: Verdict;
  readonly all: Figures;
  readonly parts: Readonly<Record<'days' | 'season' | 'size' | 'category', readonly Part[]>>;
  readonly portfolios: readonly PortfolioSize[];
  readonly responses: readonly Response[];
  /** What it would have paid for each real event, all homes as one portfolio. */
  readonly events: readonly EventPay[];
  /** Energy paid a home and hour on placebo days ÷ the same on event days; null without event days, or where those pay nothing. */
  readonly ofEventPay: number | null;
};

export type Evaluation = {
  readonly homes: number;
  readonly placebos: { readonly first: CivilDay; readonly last: CivilDay; readonly ordinary: number; readonly eventLike: number };
  readonly events: number;
  readonly seed: number;
  readonly methods: readonly MethodReport[];
  readonly signals: readonly Signal[];
};

/** Judges every method on the same days and homes. Same question, same answer: every draw comes from the seed. */
export function evaluate(question: Question, estimate: Estimator, told: (method: string) => void = () => {}): Evaluation {
  const { series, candidates, placebos, events, calendar, terms, seed } = question;
  const homes = series.map((_, h) => h);
  const parts = partsOf(question, placebos);
  const sizes = [10, 30, 100, 300, 1000].filter((size) => size < homes.length);
  const portfolios = [1, ...sizes].map((size) => portfoliosOf(size, homes.length, seed));
  const signals: Signal[] = [];
  const found = candidates.map((candidate, i) => {
    told(candidate.name);
    const quiet = measure(estimate, candidate, placebos, series, calendar);
    const real = measure(estimate, candidate, events, series, calendar);
    if (i === 0) signals.push(...capSignals(quiet, series), ...frozenSignals(quiet, series));
    const days = placebos.map((_, o) => o);
    const figures = (among: readonly number[], who: readonly number[]) => figuresOf(quiet, among, who, terms, seed);
    const all = figures(days, homes);
    const paid = events.map(({ day, name, sort }, o) => {
      const { wh, micros } = wouldPay(real, o, homes, terms);
      return { event: name, day, sort, wh, micros };
    });
    return {
      ...{ name: candidate.name, says: candidate.says, all, events: paid },
      parts: {
        days: parts.days.map((part) => ({ name: part.name, figures: figures(part.places, homes) })),
        season: parts.season.map((part) => ({ name: part.name, figures: figures(part.places, homes) })),
        size: parts.size.map((part) => ({ name: part.name, figures: figures(days, part.places) })),
        category: parts.category.map((part) => ({ name: part.name, figures: figures(days, part.places) })),
      },
      portfolios: portfolios.map((draws) => portfolioSize(quiet, draws, terms)),
      responses: responsesOf(real, question, terms),
      ofEventPay: ofEventPay(quiet, all, real, paid),
    };
  });
  const judged = verdicts(found.map(({ name, all }) => ({ name, figures: all })));
  signals.push(...pumpSignals(series, events, placebos, calendar.holidays, calendar.zone, seed));
  return {
    homes: homes.length,
    placebos: {
      ...{ first: placebos[0]?.day ?? '', last: placebos.at(-1)?.day ?? '' },
      ordinary: placebos.filter(({ kind }) => kind === 'ordinary').length,
      eventLike: placebos.filter(({ kind }) => kind === 'event_like').length,
    },
    ...{ events: events.length, seed, signals },
    methods: found.map((method, i) => ({ ...method, verdict: judged[i]! })),
  };
}

type Places = { readonly name: string; readonly places: number[] };

function partsOf({ series, categories, calendar }: Question, placebos: readonly Occasion[]) {
  const by = (names: readonly string[]): Places[] =>
    [...new Set(names)].sort().map((name) => ({ name, places: names.flatMap((other, i) => (other === name ? [i] : [])) }));
  const loads = series.map((one) => meanLoad(one, placebos));
  const bounds = [1 / 3, 2 / 3].map(
    (share) =>
      quantile(
        loads.filter((load) => !Number.isNaN(load)),
        share,
      ) ?? 0,
  );
  const sizes = loads.map((load) =>
    Number.isNaN(load) ? 'unknown' : load <= bounds[0]! ? '1 small' : load <= bounds[1]! ? '2 middle' : '3 large',
  );
  return {
    days: by(placebos.map(({ kind }) => (kind === 'event_like' ? '2 event-like' : '1 ordinary'))),
    season: by(placebos.map(({ day }) => seasonOf(day, calendar.zone))),
    size: by(sizes),
    category: categories.some((name) => name !== '') ? by(categories.map((name) => name || 'unknown')) : [],
  };
}

/** Mean Wh an interval in the windows of the placebos: what a home is to this question. */
function meanLoad({ start, minutes, importWh }: LoadSeries, placebos: readonly Occasion[]): number {
  let [sum, read] = [0, 0];
  const step = minutes * 60_000;
  for (const { event } of placebos) {
    for (let at = event.window.start; at < event.window.end; at += step) {
      const wh = importWh[(at - start) / step];
      if (wh === undefined || wh === MISSING) continue;
      sum += wh;
      read++;
    }
  }
  return read === 0 ? Number.NaN : sum / read;
}

/** India's seasons are those of its Meteorological Department; elsewhere quarters from December. */
function seasonOf(day: CivilDay, { zone }: ZoneDays): string {
  const month = Number(day.slice(5, 7));
  const india = zone === 'Asia/Kolkata' || zone === '+05:30';
  if (month === 12 || month <= 2) return '1 December–February';
  if (month <= 5) return '2 March–May';
  if (india) return month <= 9 ? '3 June–September (monsoon)' : '4 October–November';
  return month <= 8 ? '3 June–August' : '4 September–November';
}

const DRAWS = 20;

/** Homes of each portfolio of one size: every home once for single homes, else seeded draws without repetition. */
function portfoliosOf(size: number, homes: number, seed: number): number[][] {
  if (size === 1) return Array.from({ length: homes }, (_, h) => [h]);
  const chance = chanceOf(seed + size);
  return Array.from({ length: DRAWS }, () => drawn(size, homes, chance));
}

function portfolioSize(measured: Measured, draws: readonly (readonly number[])[], terms: PayTerms): PortfolioSize {
  const seen = draws.map((homes) => {
    const sums = measured.occasions.map((_, o) => {
      const day = { load: 0, error: 0, alone: 0 };
      for (const h of homes) {
        const energy = energies(measured, o * measured.homes + h);
        if (!energy) continue;
        day.load += energy.load;
        day.error += energy.error;
        day.alone += Math.max(0, energy.error);
      }
      return day;
    });
    const load = sums.reduce((total, day) => total + day.load, 0);
    // A portfolio of one is netted by its own floor already.
    const paid = sums.reduce((total, day) => total + (terms.reconciled ? Math.max(0, day.error) : day.alone), 0);
    const mean = load / sums.length;
    const squares = sums.reduce((total, day) => total + day.error ** 2, 0) / sums.length;
    return mean > 0 ? { errors: sums.map((day) => day.error / mean), rrmse: Math.sqrt(squares) / mean, paid, load } : null;
  });
  const used = seen.filter((one) => one !== null);
  const errors = used.flatMap((one) => one.errors);
  const load = used.reduce((total, one) => total + one.load, 0);
  return {
    ...{ homes: draws[0]?.length ?? 0, draws: draws.length },
    rrmse: quantile(
      used.map((one) => one.rrmse),
      0.5,
    ),
    ...{ low: quantile(errors, 0.05), high: quantile(errors, 0.95) },
    falseCredit: load > 0 ? used.reduce((total, one) => total + one.paid, 0) / load : null,
  };
}

function responsesOf(measured: Measured, { events, categories, seed }: Question, terms: PayTerms): Response[] {
  const sorts = [...new Set(events.map(({ sort }) => sort))].sort();
  const named = [...new Set(categories)].sort();
  return sorts.flatMap((sort) => {
    const places = events.flatMap((event, o) => (event.sort === sort ? [o] : []));
    return named.map((category): Response => {
      const homes = categories.flatMap((name, h) => (name === category ? [h] : []));
      const days = places.map((o) => {
        const cells = homes.flatMap((h) => energies(measured, o * measured.homes + h) ?? []);
        return { load: cells.reduce((sum, cell) => sum + cell.load, 0), error: cells.reduce((sum, cell) => sum + cell.error, 0) };
      });
      const paid = places.map((o) => wouldPay(measured, o, homes, terms));
      return {
        ...{ sort, category, homes: homes.length, events: places.length },
        response: ratioOverDays(
          days.map(({ error }) => error),
          days.map(({ load, error }) => load + error),
          seed,
        ),
        loadWh: days.reduce((sum, { load }) => sum + load, 0),
        paidWh: paid.reduce((sum, { wh }) => sum + wh, 0),
        paidMicros: paid.reduce((sum, { micros }) => sum + micros, 0),
      };
    });
  });
}

function ofEventPay(quiet: Measured, all: Figures, real: Measured, paid: readonly EventPay[]): number | null {
  const [idle, asked] = [settledIntervals(quiet), settledIntervals(real)];
  const onEvents = paid.reduce((sum, { wh }) => sum + wh, 0);
  return idle === 0 || asked === 0 || onEvents === 0 ? null : all.falseWh / idle / (onEvents / asked);
}

const settledIntervals = ({ settled, status }: Measured): number =>
  settled.reduce((sum, count, cell) => sum + (status[cell] === 'ok' ? count : 0), 0);
