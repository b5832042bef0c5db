import { HOUR, type Interval } from '../domain/interval.ts';
import type { ZoneDays } from '../domain/zone.ts';
import { ratioOverDays } from '../evaluate/chance.ts';
import { byCivilDay } from '../evaluate/civil-days.ts';
import { energies, measure } from '../evaluate/measure.ts';
import { candidatesOf } from '../evaluate/methods.ts';
import type { Occasion } from '../evaluate/occasions.ts';
import { EVERYBODY, isAsked } from '../evaluate/participants.ts';
import type { AreaCalendar, Estimator } from '../performance/estimate.ts';
import { HEAT_SCALE, heatAt } from '../performance/heat.ts';
import { MISSING } from '../performance/kernel.ts';
import { indexAt, type LoadSeries } from '../performance/load-series.ts';
import { type Finding, SEASON_OF_MONTH } from './finding.ts';
import type { Home } from './homes.ts';
import type { ResponseRate } from './response-rate.ts';
import { sensitiveW } from './temperature-response.ts';

/** Past events, and their hours on quiet days around each: places among `quiet`. */
export type PastEvents = {
  readonly events: readonly Occasion[];
  readonly quiet: readonly Occasion[];
  readonly around: readonly (readonly number[])[];
};

/** Fewer events tell no rate. */
const LEAST_EVENTS = 5;
/** Half of a 90 % interval lies below, half above. */
const TAIL = 0.05;

/**
 * The response rate of each category at past events, over the homes that each of them asked:
 *     Σ over events of (baseline − metered, less the mean of the same on quiet days around) ÷ Σ over events of the flexible load
 * with a 90 % bootstrap interval over events; the flexible load of a home is what answers the temperature of those hours, and EV-like load as
 * its season has it. A rate beyond 0 … 1 is put there. Null where fewer than five events have both, or there is no such load.
 */
export function measuredRates(
  homes: readonly Home[],
  findings: readonly Finding[],
  past: PastEvents,
  calendar: AreaCalendar,
  estimate: Estimator,
  seed: number,
): Map<string | null, ResponseRate | null> {
  const found = new Map(findings.map((one) => [one.meterId, one]));
  const used = homes.filter(({ meterId }) => found.has(meterId));
  const sums = new Map<string | null, Sums[]>();
  for (const { minutes, weather, alike } of groupsOf(used)) {
    const series = alike.map((home) => home.series);
    // Load that answers the weather has no day like the hottest one: a mean of days calls the heat of it an answer.
    const method = weather ? 'degree-hours' : '10of10-ratio';
    const [candidate] = candidatesOf([method], minutes, weather, { quantity: 'net', own: null });
    const at = (occasions: readonly Occasion[]) => measure(estimate, candidate!, occasions, series, calendar, false);
    const [real, quiet] = [at(past.events), at(past.quiet)];
    alike.forEach(({ meterId, category }, h) => {
      const own = sums.get(category) ?? past.events.map(() => ({ delivered: 0, flexible: 0 }));
      sums.set(category, own);
      past.events.forEach(({ event, cohort = EVERYBODY }, e) => {
        if (!isAsked(cohort, meterId)) return;
        const asked = energies(real, e, h);
        const idle = past.around[e]!.flatMap((o) => energies(quiet, o, h)?.error ?? []);
        const flexible = flexibleWh(found.get(meterId)!, series[h]!, event.window, calendar.zone);
        if (!asked || idle.length === 0 || flexible === null) return;
        own[e]!.delivered += asked.error - idle.reduce((sum, error) => sum + error, 0) / idle.length;
        own[e]!.flexible += flexible;
      });
    });
  }
  return new Map([...sums].map(([category, events]) => [category, rateOf(events, seed)]));
}

/** Homes that one method can be asked about together. */
function groupsOf(homes: readonly Home[]) {
  const lengths = [...new Set(homes.map(({ series }) => series.minutes))];
  return lengths.flatMap((minutes) =>
    [true, false].flatMap((weather) => {
      const alike = homes.filter(({ series }) => series.minutes === minutes && (series.temperature !== null) === weather);
      return alike.length === 0 ? [] : [{ minutes, weather, alike }];
    }),
  );
}

type Sums = { delivered: number; flexible: number };

function rateOf(events: readonly Sums[], seed: number): ResponseRate | null {
  const known = events.filter(({ flexible }) => flexible > 0);
  if (known.length < LEAST_EVENTS) return null;
  const rate = ratioOverDays(
    known.map(({ delivered }) => delivered),
    known.map(({ flexible }) => flexible),
    seed,
    TAIL,
  );
  if (rate === null) return null;
  const [low, value, high] = [rate.low, rate.value, rate.high].map((share) => Math.min(1, Math.max(0, share)));
  return { value: value!, interval: [low!, high!], basis: 'measured', events: known.length };
}

/** Wh of the flexible load in the window, by the hours' temperatures and the season; null where a temperature is missing. */
function flexibleWh(finding: Finding, series: LoadSeries, whole: Interval, zone: ZoneDays): number | null {
  const step = (series.minutes * HOUR) / 60;
  let wh = 0;
  for (const { day, window } of byCivilDay(whole, zone)) {
    const season = SEASON_OF_MONTH[Number(day.slice(5, 7)) - 1]!;
    for (let at = window.start; at < window.end; at += step) {
      const hour = Math.min(23, Math.floor((at - zone.startOf(day)) / HOUR));
      const heat = heatAt(series, indexAt(series, at), 'C');
      if (finding.response && heat === MISSING) return null;
      const sensitive = finding.response ? sensitiveW(finding.response, hour, heat / HEAT_SCALE.C) : 0;
      const watts = sensitive + (finding.evLike[season]![hour] ?? 0);
      wh += (Math.min(watts, finding.sanctionedLoadW ?? watts) * series.minutes) / 60;
    }
  }
  return wh;
}

/** A home whose load in the events is not read: what answered a call is not what load is. */
export function withoutEvents(home: Home, events: readonly Interval[]): Home {
  const { series } = home;
  const importWh = series.importWh.slice();
  for (const { start, end } of events) {
    const [first, last] = [start, end].map((at) => Math.max(0, indexAt(series, at)));
    importWh.fill(MISSING, Math.floor(first!), Math.ceil(last!));
  }
  return { ...home, series: { ...series, importWh } };
}
