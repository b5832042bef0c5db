import { MINUTE } from '../domain/interval.ts';
import type { CivilDay, ZoneDays } from '../domain/zone.ts';
import { MISSING } from '../performance/kernel.ts';
import { indexAt, type LoadSeries } from '../performance/load-series.ts';
import { isWorkingDay } from '../performance/windows.ts';
import { ratioOverDays } from './chance.ts';
import { energies } from './figures.ts';
import { ADJUSTED, type Measured } from './measure.ts';
import type { Occasion } from './occasions.ts';

/** A home that deserves a second look, and what was seen. None of it is proof. */
export type Signal = { readonly meterId: string; readonly sign: 'at_cap' | 'pumped' | 'frozen'; readonly says: string };

const percent = (share: number): string => `${Math.round(share * 100)} %`;
/** Fewer occasions are no habit. */
const LEAST = 8;

/** Homes whose adjustment is cut off above on more than half of their days: their mornings do not look like their reference days. */
export function capSignals(measured: Measured, series: readonly LoadSeries[]): Signal[] {
  return series.flatMap(({ meterId }, h) => {
    const cells = measured.occasions
      .map((_, o) => o * measured.homes + h)
      .filter((cell) => measured.adjusted[cell] !== ADJUSTED.none);
    const above = cells.filter((cell) => measured.adjusted[cell] === ADJUSTED.cappedUp).length;
    if (cells.length < LEAST || above <= cells.length / 2) return [];
    const says = `adjustment cut off above on ${above} of ${cells.length} days (${measured.candidate.name})`;
    return [{ meterId, sign: 'at_cap' as const, says }];
  });
}

/** Homes with the same load to the Wh in the window on at least eight measured days, and not zero: a stuck meter, or made-up readings. */
export function frozenSignals(measured: Measured, series: readonly LoadSeries[]): Signal[] {
  return series.flatMap(({ meterId }, h) => {
    const loads = measured.occasions.flatMap((_, o) => energies(measured, o * measured.homes + h)?.load ?? []);
    const same = loads.length >= LEAST && loads.every((load) => load === loads[0] && load !== 0);
    return same
      ? [{ meterId, sign: 'frozen' as const, says: `exactly ${loads[0]} Wh in the window on ${loads.length} days` }]
      : [];
  });
}

/**
 * Homes that take more than usual in the three hours before the notice of an event, where an adjustment would look: at least a quarter more,
 * and the interval over days clear of zero. Usual is the mean of the same hours on placebo days of the same kind, working or not.
 */
export function pumpSignals(
  series: readonly LoadSeries[],
  events: readonly Occasion[],
  quiet: readonly Occasion[],
  holidays: ReadonlySet<CivilDay>,
  zone: ZoneDays,
  seed: number,
): Signal[] {
  return series.flatMap((one) => {
    const pairs = events.flatMap(({ day, event }) => {
      const before = event.noticeAt - zone.startOf(day);
      const taken = loadBefore(one, event.noticeAt);
      const working = isWorkingDay(day, holidays, zone);
      const like = quiet
        .filter(
          (other) =>
            isWorkingDay(other.day, holidays, zone) === working && Math.abs(Date.parse(other.day) - Date.parse(day)) <= MONTH,
        )
        .flatMap((other) => loadBefore(one, zone.startOf(other.day) + before) ?? []);
      if (taken === null || like.length < LEAST) return [];
      return [{ usual: like.reduce((sum, wh) => sum + wh, 0) / like.length, taken }];
    });
    const more =
      pairs.length < LEAST
        ? null
        : ratioOverDays(
            pairs.map(({ taken, usual }) => taken - usual),
            pairs.map(({ usual }) => usual),
            seed,
          );
    if (more === null || more.value < 0.25 || more.low <= 0) return [];
    const says = `${percent(more.value)} more than usual before notice of ${pairs.length} events (${percent(more.low)} … ${percent(more.high)})`;
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
