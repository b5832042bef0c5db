import { coreBytes } from '../host/core-file.ts';
import { zoneDays } from '../host/zone.ts';
import { estimator } from '../performance/estimate.ts';
import { loadKernel, MISSING } from '../performance/kernel.ts';
import type { LoadSeries } from '../performance/load-series.ts';
import type { Evaluation, Question } from './evaluation.ts';
import { candidatesOf } from './methods.ts';
import { eventOf, type Occasion, placebos, quietHours, readHours, remembered, spanOf, windowOn } from './occasions.ts';
import { EVERYBODY } from './participants.ts';
import { presetTerms } from './terms.ts';

export const zone = remembered(zoneDays('Asia/Kolkata'));
export const HOURS = readHours('18:00-21:00');
export const FIRST = '2026-03-02'; // a Monday
export const DAYS = 84;
export const PER_DAY = 48;
export const terms = [presetTerms('residential-10of10')];
export const estimate = estimator({ kernel: await loadKernel(coreBytes()) });

/** A home that takes `load(day, slot)` Wh each half hour; null = no reading. */
export function home(meterId: string, load: (day: number, slot: number) => number | null): LoadSeries {
  const importWh = Int32Array.from({ length: DAYS * PER_DAY }, (_, i) => load(Math.floor(i / PER_DAY), i % PER_DAY) ?? MISSING);
  return {
    ...{ meterId, start: zone.startOf(FIRST), minutes: 30, importWh, exportWh: null, quality: null, temperature: null },
    ...{ marks: new Map(), connectedLoadW: null },
  };
}

export const inWindow = (slot: number): boolean => slot >= 36 && slot < 42;
export const steady = (wh: number) => (_: number, slot: number) => wh + 10 * slot;

export function question(
  series: readonly LoadSeries[],
  more: Partial<Question> & { readonly names?: readonly string[] } = {},
): Question {
  const { names = ['10of10', '10of10-ratio', 'high5of10'], ...rest } = more;
  const span = spanOf(series, HOURS, zone)!;
  const days = placebos(series, {
    ...{ zone, hours: HOURS, noticeMinutes: 120, holidays: new Set(), called: new Map(), everyDay: false },
    ...{ from: zone.plus(span.first, 28), to: span.last },
  });
  return {
    ...{ series, categories: series.map(() => ''), candidates: candidatesOf(names, 30, false), placebos: days, events: [] },
    ...{ calendar: { zone, holidays: new Set(), excluded: new Map() }, terms, seed: 1 },
    ...{ committed: { of: 'load', share: 0.2 }, meters: new Map(), optOuts: null },
    quietHours: { occasions: [], around: (rest.events ?? []).map(() => []) },
    ...rest,
  };
}

export const named = (found: Evaluation, name: string) => found.methods.find((method) => method.name === name)!;

/** The same homes with events in the window of the days so many days after the first; those days are no placebos and no reference days. */
export function withEvents(series: readonly LoadSeries[], after: readonly number[], more: Partial<Question> = {}): Question {
  const days = after.map((count) => zone.plus(FIRST, count));
  const marks = new Map(days.map((day) => [day, ['event' as const]]));
  const events = days.map(
    (day, i): Occasion => ({ day, event: eventOf(windowOn(day, HOURS, zone), 120), kind: 'event', name: `E${i}`, sort: '' }),
  );
  const called = new Map(days.map((day) => [day, [EVERYBODY]]));
  const base = question(
    series.map((one) => ({ ...one, marks })),
    { events, ...more },
  );
  const span = { from: zone.plus(FIRST, 28), to: zone.plus(FIRST, DAYS - 1) };
  return {
    ...{ ...base, placebos: base.placebos.filter(({ day }) => !called.has(day)) },
    quietHours: quietHours(events, {
      zone,
      holidays: new Set(),
      called,
      ...span,
      meterIds: series.map(({ meterId }) => meterId),
    }),
  };
}
