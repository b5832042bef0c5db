import { MINUTE } from '../domain/interval.ts';
import type { CivilDay, ZoneDays } from '../domain/zone.ts';
import { MISSING } from '../performance/kernel.ts';
import { indexAt, type LoadSeries } from '../performance/load-series.ts';
import { isWorkingDay } from '../performance/windows.ts';
import { ratioOverDays } from './chance.ts';
import { ADJUSTED, energies, type Measured } from './measure.ts';
import type { Occasion } from './occasions.ts';
import { EVERYBODY, isAsked } from './participants.ts';

/** What may be seen of a home, in the order of the reports. */
export const SIGNS = ['at_cap', 'pumped', 'frozen_baseline', 'left_against', 'back_up', 'frozen'] as const;
export type Sign = (typeof SIGNS)[number];
export const SIGN_IN_WORDS: Record<Sign, string> = {
  at_cap: 'adjustment at its cap',
  pumped: 'load pumped before notice',
  frozen_baseline: 'frozen baseline',
  left_against: 'left when the baseline was against it',
  back_up: 'back-up generation or battery',
  frozen: 'the same load every day',
};
/** A home that deserves a second look, and what was seen. None of it is proof. */
export type Signal = { readonly meterId: string; readonly sign: Sign; readonly says: string };
/** Whether a sign was looked for: of how many homes, or why not. */
export type Looked = { readonly sign: Sign; readonly homes: number; readonly why: string };

export const wholePercent = (share: number): string => `${Math.round(share * 100)} %`;
/** Fewer occasions are no habit. */
export const LEAST = 8;

/** The events that a home was asked to, whether it stayed in them or left. */
export const askedAt = (events: readonly Occasion[], meterId: string): number[] =>
  events.flatMap(({ cohort = EVERYBODY }, o) => (isAsked(cohort, meterId) ? [o] : []));

/**
 * Homes whose adjustment is cut off on the side that pays on more than half of their days: the hours before notice do not look like their
 * reference days.
 */
export function capSignals(measured: Measured, series: readonly LoadSeries[], sign: 1 | -1): Signal[] {
  const [which, side] = sign === 1 ? [ADJUSTED.cappedUp, 'above'] : [ADJUSTED.cappedDown, 'below'];
  return series.flatMap(({ meterId }, h) => {
    const cells = measured.parts
      .map((_, part) => part * measured.homes + h)
      .filter((cell) => measured.adjusted[cell] !== ADJUSTED.none);
    const cut = cells.filter((cell) => measured.adjusted[cell] === which).length;
    if (cells.length < LEAST || cut <= cells.length / 2) return [];
    const says = `adjustment cut off ${side} on ${cut} of ${cells.length} days (${measured.candidate.name})`;
    return [{ meterId, sign: 'at_cap' as const, says }];
  });
}

/** Homes with the same load to the Wh in the window on at least eight measured days, and not zero: a stuck meter, or made-up readings. */
export function frozenSignals(measured: Measured, series: readonly LoadSeries[]): Signal[] {
  return series.flatMap(({ meterId }, h) => {
    const loads = measured.occasions.flatMap((_, o) => energies(measured, o, h)?.load ?? []);
    const same = loads.length >= LEAST && loads.every((load) => load === loads[0] && load !== 0);
    return same
      ? [{ meterId, sign: 'frozen' as const, says: `exactly ${loads[0]} Wh in the window on ${loads.length} days` }]
      : [];
  });
}

const MORE = 0.25;

/**
 * Homes that take more than usual in the three hours before the notice of an event, where an adjustment would look: at least a quarter more,
 * and the interval over days clear of zero; less than usual where taking more is paid. Usual is the mean of the same hours on placebo days of
 * the same kind, working or not.
 */
export function pumpSignals(
  series: readonly LoadSeries[],
  events: readonly Occasion[],
  quiet: readonly Occasion[],
  { holidays, zone, sign }: { readonly holidays: ReadonlySet<CivilDay>; readonly zone: ZoneDays; readonly sign: 1 | -1 },
  seed: number,
): Signal[] {
  return series.flatMap((one) => {
    const own = quiet.filter(({ called }) => !called?.has(one.meterId));
    const pairs = askedAt(events, one.meterId).flatMap((o) => {
      const { day, event } = events[o]!;
      const before = event.noticeAt - zone.startOf(day);
      const taken = loadBefore(one, event.noticeAt);
      const working = isWorkingDay(day, holidays, zone);
      const like = own
        .filter(
          (other) =>
            isWorkingDay(other.day, holidays, zone) === working && Math.abs(Date.parse(other.day) - Date.parse(day)) <= MONTH,
        )
        .flatMap((other) => loadBefore(one, zone.startOf(other.day) + before) ?? []);
      if (taken === null || like.length < LEAST) return [];
      return [{ usual: like.reduce((sum, wh) => sum + wh, 0) / like.length, taken }];
    });
    const apart =
      pairs.length < LEAST
        ? null
        : ratioOverDays(
            pairs.map(({ taken, usual }) => sign * (taken - usual)),
            pairs.map(({ usual }) => usual),
            seed,
          );
    if (apart === null || apart.value < MORE || apart.low <= 0) return [];
    const says = `${wholePercent(apart.value)} ${sign === 1 ? 'more' : 'less'} than usual before notice of ${pairs.length} events (${wholePercent(apart.low)} … ${wholePercent(apart.high)})`;
    return [{ meterId: one.meterId, sign: 'pumped' as const, says }];
  });
}

const MONTH = 31 * 86_400_000;

/** Wh of the three hours before `at`; null where one interval is missing. */
function loadBefore(series: LoadSeries, at: number): number | null {
  let sum = 0;
  for (let start = at - 180 * MINUTE; start < at; start += series.minutes * MINUTE) {
    const wh = series.importWh[indexAt(series, start)];
    if (wh === undefined || wh === MISSING) return null;
    sum += wh;
  }
  return sum;
}
