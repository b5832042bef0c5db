import type { Estimator } from '../performance/estimate.ts';
import { backUpSignals } from './back-up.ts';
import type { Question } from './evaluation.ts';
import { frozenBaselines, unadjusted } from './frozen-baselines.ts';
import { type LeftAgainst, leftAgainst } from './left-against.ts';
import { type Measured, measure } from './measure.ts';
import type { QuietHours } from './past-events.ts';
import { askedAt, capSignals, frozenSignals, LEAST, type Looked, pumpSignals, SIGNS, type Sign, type Signal } from './signals.ts';

/** Everything worth a second look, and what was looked for. */
export type Suspicions = {
  readonly signals: readonly Signal[];
  /** Every sign once, in the order of the reports. */
  readonly looked: readonly Looked[];
  /** Null without opt-outs. */
  readonly left: LeftAgainst | null;
};

type Seen = { readonly quiet: Measured; readonly real: Measured; readonly hours: QuietHours };

/** Looks for signs of gaming and of broken meters, by the method that was measured (the first of all). */
export function suspicionsOf(question: Question, { quiet, real, hours }: Seen, estimate: Estimator): Suspicions {
  const { series, events, placebos, calendar, optOuts, quietHours, terms, seed } = question;
  const { sign } = terms[0]!;
  const { holidays, zone } = calendar;
  const plain = unadjusted(quiet.candidate);
  const frozen =
    plain && events.length > LEAST
      ? frozenBaselines(measure(estimate, plain, events, series, calendar, false), series, zone)
      : null;
  const left = optOuts && leftAgainst(real, hours, optOuts, series, { sign, seed });
  const none = 'no past events were given (--event-days with start and end)';
  const asked = series.map(({ meterId }) => askedAt(events, meterId).length);
  const askedOften = asked.filter((count) => count >= LEAST).length;
  const few = events.length < LEAST ? `fewer than ${LEAST} past events` : `no home was asked to ${LEAST} past events`;
  const enough = events.length === 0 ? none : askedOften === 0 ? few : '';
  const why: Record<Sign, string> = {
    at_cap: quiet.adjusted.some((how) => how > 0) ? '' : `${quiet.candidate.name} has no adjustment`,
    pumped: enough,
    frozen_baseline:
      enough ||
      (plain === null
        ? `${quiet.candidate.name} is no mean of days`
        : (frozen?.looked ?? 0) > 0
          ? ''
          : 'too few events at the same hours'),
    left_against: optOuts === null ? 'no opt-outs were given (--opt-outs)' : left!.looked > 0 ? '' : 'no home left five events',
    back_up: events.length === 0 ? none : asked.every((count) => count === 0) ? 'no home was asked to a past event' : '',
    frozen: '',
  };
  const signals = [
    ...capSignals(quiet, series, sign),
    ...pumpSignals(series, events, placebos, { holidays, zone, sign }, seed),
    ...(frozen?.signals ?? []),
    ...(left?.signals ?? []),
    ...backUpSignals(series, events, quietHours),
    ...frozenSignals(quiet, series),
  ];
  const homes: Record<Sign, number> = {
    ...{ at_cap: series.length, pumped: askedOften, frozen_baseline: frozen?.looked ?? 0, left_against: left?.looked ?? 0 },
    ...{ back_up: asked.filter((count) => count > 0).length, frozen: series.length },
  };
  return {
    signals,
    looked: SIGNS.map((one) => ({ sign: one, homes: why[one] ? 0 : homes[one], why: why[one] })),
    left: left?.all ?? null,
  };
}
