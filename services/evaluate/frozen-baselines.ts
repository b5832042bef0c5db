import type { ZoneDays } from '../domain/zone.ts';
import { PLAIN } from '../performance/family.ts';
import { MISSING } from '../performance/kernel.ts';
import { indexAt, type LoadSeries } from '../performance/load-series.ts';
import type { Method } from '../performance/method.ts';
import { energies, type Measured } from './measure.ts';
import type { Candidate } from './methods.ts';
import { askedAt, LEAST, type Signal, wholePercent } from './signals.ts';

/** From one event to the next the baseline moves by so little … */
const STILL = 0.01;
/** … while the load of the days outside the events moves by so much, and the baseline by less than this part of it. */
const MOVES = 0.1;
const PART = 1 / 20;

/** A method as it is before its adjustment, which moves with the event day; null where it is no mean of other days. */
export function unadjusted({ spec, ...said }: Candidate): Candidate | null {
  if (spec.kind !== 'day_matching' || [spec.workingDay, spec.otherDay].some(({ family }) => family?.source === 'same_day'))
    return null;
  const plain = (method: Method): Method => ({
    ...{ ...method, fromMinutes: 0, toMinutes: 0, anchor: 'start' },
    spec: { ...method.spec, adjustment: { kind: 'none', direction: 'both', lo: null, hi: null, cap: null } },
    ...(method.family && { family: { ...method.family, post: PLAIN.post, capWh: null, onNonpositive: 'none', nearZeroWh: 0 } }),
  });
  return { ...said, spec: { ...spec, workingDay: plain(spec.workingDay), otherDay: plain(spec.otherDay) } };
}

/**
 * Homes whose baseline stands still while their load does not: over at least eight pairs of successive events at the same hours, the baseline
 * before adjustment moves by 1 % or less, their load outside the events by 10 % or more. A mean of ten days moves by a tenth of what one
 * new day does; one that gets no new days, since every day is an event, stays what it once was (facts, baselines §4.4: bidding daily froze it).
 * Returns how many homes could be looked at, too.
 */
export function frozenBaselines(
  plain: Measured,
  series: readonly LoadSeries[],
  zone: ZoneDays,
): { looked: number; signals: Signal[] } {
  let looked = 0;
  const signals = series.flatMap((one, h): Signal[] => {
    const next = successors(plain, askedAt(plain.occasions, one.meterId), zone);
    const days = plain.occasions.map(({ day, event }, o) => {
      const energy = energies(plain, o, h);
      const outside = meanOutside(one, zone.startOf(day), zone.startOf(zone.plus(day, 1)), event.window);
      return energy && outside !== null ? { baseline: energy.load + energy.error, outside } : null;
    });
    const pairs = next.flatMap(([a, b]) => (days[a] && days[b] ? [[days[a], days[b]] as const] : []));
    if (pairs.length < LEAST) return [];
    looked++;
    const moved = (what: 'baseline' | 'outside') => {
      const apart = pairs.reduce((sum, [a, b]) => sum + Math.abs(b[what] - a[what]), 0);
      const all = pairs.reduce((sum, [a, b]) => sum + (a[what] + b[what]) / 2, 0);
      return all > 0 ? apart / all : 0;
    };
    const [baseline, load] = [moved('baseline'), moved('outside')];
    if (baseline > STILL || load < MOVES || baseline > PART * load) return [];
    const says = `its baseline moved by ${(100 * baseline).toFixed(1)} % from event to event, its load by ${wholePercent(load)}: no new days come in (${plain.candidate.name}, ${pairs.length + 1} events)`;
    return [{ meterId: one.meterId, sign: 'frozen_baseline', says }];
  });
  return { looked, signals };
}

/** Each of some events and the next one of them at the same hours. */
function successors({ occasions }: Measured, among: readonly number[], zone: ZoneDays): [number, number][] {
  const last = new Map<string, number>();
  const pairs: [number, number][] = [];
  const order = among.toSorted((a, b) => occasions[a]!.event.window.start - occasions[b]!.event.window.start);
  for (const o of order) {
    const { day, event } = occasions[o]!;
    const hours = `${event.window.start - zone.startOf(day)} ${event.window.end - event.window.start}`;
    const before = last.get(hours);
    if (before !== undefined) pairs.push([before, o]);
    last.set(hours, o);
  }
  return pairs;
}

/** Mean Wh an interval of a day outside the event; null where half of it has no reading. */
function meanOutside(one: LoadSeries, start: number, end: number, window: { readonly start: number; readonly end: number }) {
  const step = one.minutes * 60_000;
  let [sum, read, asked] = [0, 0, 0];
  for (let at = start; at < end; at += step) {
    if (at >= window.start && at < window.end) continue;
    asked++;
    const wh = one.importWh[indexAt(one, at)];
    if (wh === undefined || wh === MISSING) continue;
    sum += wh;
    read++;
  }
  return read * 2 < asked ? null : sum / read;
}
