import type { CivilDay } from '../domain/zone.ts';
import { type DayRatios, differenceOverDays, quotientOverDays, type Ranged, ratioOverDays } from './chance.ts';
import { energies } from './figures.ts';
import type { Measured } from './measure.ts';
import type { Payer } from './would-pay.ts';

/** What one method says of the real events of one sort and category, and what the terms pay for it. */
export type Response = {
  readonly sort: string;
  readonly category: string;
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
  readonly wh: number;
  readonly micros: number;
};

/** Of which quiet days around it each event has the hours: places among the occasions `quiet` was measured at. */
export type QuietHours = { readonly measured: Measured; readonly around: readonly (readonly number[])[] };

export type Seen = { readonly real: Measured; readonly quiet: QuietHours; readonly payer: Payer; readonly sign: 1 | -1 };

/** By sort of event and category of home; each category is paid as a portfolio of its own. */
export function responsesOf({ real, quiet, payer, sign }: Seen, categories: readonly string[], seed: number): Response[] {
  const { occasions } = real;
  const sorts = [...new Set(occasions.map(({ sort }) => sort))].sort();
  const named = [...new Set(categories)].sort();
  return sorts.flatMap((sort) => {
    const places = occasions.flatMap((event, o) => (event.sort === sort ? [o] : []));
    const beside = places.filter((o) => quiet.around[o]!.length > 0);
    return named.map((category): Response => {
      const homes = categories.flatMap((name, h) => (name === category ? [h] : []));
      const on = (o: number) => sumsOf(real, o, homes);
      const around = (o: number) => meanOf(quiet.around[o]!.map((day) => sumsOf(quiet.measured, day, homes)));
      const [asked, idle] = [ratiosOf(places.map(on), sign), ratiosOf(beside.map(around), sign)];
      const paid = places.map((o) => payer(o, homes));
      return {
        ...{ sort, category, homes: homes.length, events: places.length },
        response: ratioOverDays(asked.above, asked.below, seed),
        quiet: ratioOverDays(idle.above, idle.below, seed),
        apart: differenceOverDays(ratiosOf(beside.map(on), sign), idle, seed),
        loadWh: places.reduce((sum, o) => sum + on(o).load, 0),
        paidWh: paid.reduce((sum, { wh }) => sum + wh, 0),
        paidMicros: paid.reduce((sum, { micros }) => sum + micros, 0),
      };
    });
  });
}

type Sums = { readonly load: number; readonly error: number };

function sumsOf(measured: Measured, o: number, homes: readonly number[]): Sums {
  const cells = homes.flatMap((h) => energies(measured, o * measured.homes + h) ?? []);
  return { load: cells.reduce((sum, cell) => sum + cell.load, 0), error: cells.reduce((sum, cell) => sum + cell.error, 0) };
}

const meanOf = (all: readonly Sums[]): Sums => ({
  load: all.reduce((sum, { load }) => sum + load, 0) / all.length,
  error: all.reduce((sum, { error }) => sum + error, 0) / all.length,
});

const ratiosOf = (all: readonly Sums[], sign: number): DayRatios => ({
  above: all.map(({ error }) => sign * error),
  below: all.map(({ load, error }) => load + error),
});

/** All homes as one portfolio. */
export function eventPay({ occasions, homes }: Measured, payer: Payer): EventPay[] {
  const everybody = Array.from({ length: homes }, (_, h) => h);
  return occasions.map(({ name, day, sort }, o) => {
    const { wh, micros } = payer(o, everybody);
    return { event: name, day, sort, wh, micros };
  });
}

/** Paid on quiet days ÷ paid on event days, both a home and interval. Null without events, or where those are paid nothing. */
export type OfEventPay = { readonly energy: Ranged | null; readonly money: Ranged | null };

export function ofEventPay(
  quiet: Measured,
  idle: readonly { readonly wh: number; readonly micros: number }[],
  real: Measured,
  paid: readonly { readonly wh: number; readonly micros: number }[],
  seed: number,
): OfEventPay {
  const of = (what: 'wh' | 'micros') =>
    quotientOverDays(
      { above: idle.map((day) => day[what]), below: settledIntervals(quiet) },
      { above: paid.map((day) => day[what]), below: settledIntervals(real) },
      seed,
    );
  return { energy: of('wh'), money: of('micros') };
}

/** Of homes with a baseline, by occasion. */
function settledIntervals({ occasions, homes, settled, status }: Measured): number[] {
  return occasions.map((_, o) => {
    let sum = 0;
    for (let cell = o * homes; cell < (o + 1) * homes; cell++) if (status[cell] === 'ok') sum += settled[cell]!;
    return sum;
  });
}
