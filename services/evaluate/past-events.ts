import type { CivilDay } from '../domain/zone.ts';
import { type DayRatios, differenceOverDays, quotientOverDays, type Ranged, ratioOverDays } from './chance.ts';
import { energies, type Measured } from './measure.ts';
import type { Payer } from './paid.ts';
import { EVERYBODY, PART_IN_WORDS, type Part, partIn } from './participants.ts';

/** What one method says of the real events of one sort, at homes of one category that had one part in them, and what the terms pay for it. */
export type Response = {
  readonly sort: string;
  readonly category: string;
  /** Of those held out or not asked, what is seen is no answer, and what would be paid is paid for nothing. */
  readonly who: Part;
  /** That had this part in at least one of the events. */
  readonly homes: number;
  readonly events: number;
  /** Σ(B − A) ÷ ΣB; positive = less than the baseline. For terms that pay for taking more: Σ(A − B) ÷ ΣB. */
  readonly response: Ranged | null;
  /** The same at the same hours of quiet days around the events: what the method sees where nothing happened. */
  readonly quiet: Ranged | null;
  /** The response less that, over the events that have such days. */
  readonly apart: Ranged | null;
  readonly loadWh: number;
  readonly paidWh: number;
  readonly paidMicros: number;
};

export type EventPay = {
  readonly event: string;
  readonly day: CivilDay;
  readonly sort: string;
  /** That were asked, as one portfolio. */
  readonly homes: number;
  readonly wh: number;
  readonly micros: number;
};

/** Of which quiet days around it each event has the hours: places among the occasions `quiet` was measured at. */
export type QuietHours = { readonly measured: Measured; readonly around: readonly (readonly number[])[] };

/** Of each event the places of the homes with each part in it. */
export type Cohorts = readonly Readonly<Record<Part, readonly number[]>>[];

export const cohortsOf = ({ occasions }: Pick<Measured, 'occasions'>, meterIds: readonly string[]): Cohorts =>
  occasions.map(({ cohort = EVERYBODY }) => {
    const places: Record<Part, number[]> = { asked: [], held_out: [], not_asked: [] };
    for (const [h, id] of meterIds.entries()) places[partIn(cohort, id)].push(h);
    return places;
  });

export type Seen = {
  readonly real: Measured;
  readonly quiet: QuietHours;
  readonly cohorts: Cohorts;
  readonly payer: Payer;
  readonly sign: 1 | -1;
};
const PARTS: readonly Part[] = ['asked', 'held_out', 'not_asked'];

/** By sort of event, category of home, and what part it had; each is paid as a portfolio of its own. */
export function responsesOf(seen: Seen, categories: readonly string[], seed: number): Response[] {
  const { occasions } = seen.real;
  const sorts = [...new Set(occasions.map(({ sort }) => sort))].sort();
  const named = [...new Set(categories)].sort();
  return sorts.flatMap((sort) =>
    named.flatMap((category) =>
      PARTS.flatMap((who) => {
        const homes = seen.cohorts.map((cohort) => cohort[who].filter((h) => categories[h] === category));
        const places = occasions.flatMap((event, o) => (event.sort === sort && homes[o]!.length > 0 ? [o] : []));
        return places.length === 0 ? [] : [{ sort, category, who, ...responseOf(seen, places, homes, seed) }];
      }),
    ),
  );
}

/** `18 homes`, and their part where there is another one. */
export const groupInWords = ({ homes, who }: Response, all: readonly Response[]): string =>
  `${homes} ${homes === 1 ? 'home' : 'homes'}${all.some((other) => other.who !== 'asked') ? ` ${PART_IN_WORDS[who]}` : ''}`;

/** Of some events, and of each of them some homes. */
function responseOf(
  { real, quiet, payer, sign }: Seen,
  places: readonly number[],
  homes: readonly (readonly number[])[],
  seed: number,
): Omit<Response, 'sort' | 'category' | 'who'> {
  const on = (o: number) => sumsOf(real, o, homes[o]!);
  const around = (o: number) => meanOf(quiet.around[o]!.map((day) => sumsOf(quiet.measured, day, homes[o]!)));
  const pairs = places.map((o) => ({ asked: on(o), idle: around(o) }));
  const both = pairs.flatMap(({ asked, idle }) => (idle ? [{ asked, idle }] : []));
  const asked = ratiosOf(
    pairs.map((pair) => pair.asked),
    sign,
  );
  const idle = ratiosOf(
    both.map((pair) => pair.idle),
    sign,
  );
  const paid = places.map((o) => payer(o, homes[o]!));
  return {
    ...{ homes: new Set(places.flatMap((o) => homes[o]!)).size, events: places.length },
    response: ratioOverDays(asked.above, asked.below, seed),
    quiet: ratioOverDays(idle.above, idle.below, seed),
    apart: differenceOverDays(
      ratiosOf(
        both.map((pair) => pair.asked),
        sign,
      ),
      idle,
      seed,
    ),
    loadWh: pairs.reduce((sum, pair) => sum + pair.asked.load, 0),
    paidWh: paid.reduce((sum, { wh }) => sum + wh, 0),
    paidMicros: paid.reduce((sum, { micros }) => sum + micros, 0),
  };
}

type Sums = { readonly load: number; readonly error: number };

function sumsOf(measured: Measured, o: number, homes: readonly number[]): Sums {
  const cells = homes.flatMap((h) => energies(measured, o, h) ?? []);
  return { load: cells.reduce((sum, cell) => sum + cell.load, 0), error: cells.reduce((sum, cell) => sum + cell.error, 0) };
}

/** Null of none. */
const meanOf = (all: readonly Sums[]): Sums | null =>
  all.length === 0
    ? null
    : {
        load: all.reduce((sum, { load }) => sum + load, 0) / all.length,
        error: all.reduce((sum, { error }) => sum + error, 0) / all.length,
      };

const ratiosOf = (all: readonly Sums[], sign: number): DayRatios => ({
  above: all.map(({ error }) => sign * error),
  below: all.map(({ load, error }) => load + error),
});

/** The asked as one portfolio, occasion by occasion. */
export function eventPay({ occasions }: Pick<Measured, 'occasions'>, cohorts: Cohorts, payer: Payer): EventPay[] {
  return occasions.map(({ name, day, sort }, o) => {
    const { asked } = cohorts[o]!;
    const { wh, micros } = payer(o, asked);
    return { event: name, day, sort, homes: asked.length, wh, micros };
  });
}

/** Paid on quiet days ÷ paid on event days, both a home and interval. Null without events, or where those are paid nothing. */
export type OfEventPay = { readonly energy: Ranged | null; readonly money: Ranged | null };

type PaidThere = { readonly measured: Measured; readonly cohorts: Cohorts; readonly paid: readonly EventPay[] };

export function ofEventPay(quiet: PaidThere, real: PaidThere, seed: number): OfEventPay {
  const of = (what: 'wh' | 'micros') =>
    quotientOverDays(
      { above: quiet.paid.map((day) => day[what]), below: settledIntervals(quiet) },
      { above: real.paid.map((day) => day[what]), below: settledIntervals(real) },
      seed,
    );
  return { energy: of('wh'), money: of('micros') };
}

/** Of the asked with a baseline, by occasion. */
function settledIntervals({ measured, cohorts }: PaidThere): number[] {
  const { homes, settled, status, partsOf } = measured;
  return partsOf.map((parts, o) => {
    let sum = 0;
    for (const part of parts)
      for (const h of cohorts[o]!.asked) if (status[part * homes + h] === 'ok') sum += settled[part * homes + h]!;
    return sum;
  });
}
