import {
  type Adjustment,
  Adjustment_Kind,
  type Baseline,
  Baseline_Select,
  type DayWeights,
  Family_Level,
  Family_RankOn,
  Family_Source,
  type Terms,
} from '../../gen/lachak/v1/catalogue_pb.ts';
import { forgettingFits } from '../domain/day-weights.ts';
import { MINUTE } from '../domain/interval.ts';
import { fault, ratioFault, type TermsFault } from './fault.ts';

// Arena sizes of the core: intervals of the adjustment window, and intervals that days are ranked on.
const MOST_WINDOW = 128;
const MOST_RANK = 256;
const WEIGHT_MAX = 2 ** 30;

export const isSameDay = ({ family }: Baseline): boolean => family?.source === Family_Source.SAME_DAY;

/** What terms say of the day-matching family beyond X of Y; what cannot be settled and verified yet is refused with its reason. */
export function familyFault(terms: Terms, baseline: Baseline): TermsFault | null {
  const { family, nonWorking, adjustment } = baseline;
  return (
    rankFault(terms, baseline) ??
    weightsFault(baseline, family?.weights, baseline, 'family.weights') ??
    (nonWorking ? weightsFault(baseline, nonWorking.weights ?? family?.weights, nonWorking, 'non_working.weights') : null) ??
    (family?.connectedLoadCap
      ? fault(
          'cap_not_settled',
          'baseline.family.connected_load_cap',
          'cannot be settled yet: no run knows connected loads; evaluate it, but do not publish it',
        )
      : null) ??
    (family?.level === Family_Level.AGGREGATE
      ? fault(
          'level_not_settled',
          'baseline.family.level',
          'AGGREGATE has one baseline for many, and no credit of one: settle by SITE or DEVICE and reconcile to the portfolio',
        )
      : null) ??
    shareFault(family?.missingShare) ??
    (family && family.eventGaps > 0 && family.eventGaps >= MOST_WINDOW
      ? fault('gaps_malformed', 'baseline.family.event_gaps', `must be below ${MOST_WINDOW}, and below the intervals of an event`)
      : null) ??
    (adjustment ? postFault(terms, baseline, adjustment) : null)
  );
}

function rankFault(terms: Terms, { family, select }: Baseline): TermsFault | null {
  const rankOn = family?.rankOn ?? Family_RankOn.EVENT_WINDOW;
  if (rankOn === Family_RankOn.TEMPERATURE) {
    return fault(
      'temperature_not_recorded',
      'baseline.family.rank_on',
      'TEMPERATURE cannot be settled yet: no room records temperatures that a statement could name; try it with lachak baseline and evaluate',
    );
  }
  if (select === Baseline_Select.NEAREST && rankOn !== Family_RankOn.MATCH_WINDOW)
    return fault(
      'rank_on_missing',
      'baseline.family.rank_on',
      'must be MATCH_WINDOW with select NEAREST: the event itself is no likeness',
    );
  if (rankOn !== Family_RankOn.MATCH_WINDOW) return null;
  const match = family?.matchWindow;
  const at = (name: string) => `baseline.family.match_window.${name}`;
  if (!match)
    return fault('match_window_missing', 'baseline.family.match_window', 'must say which minutes of the day are compared');
  const { fromMinutes, toMinutes, guardMinutes } = match;
  if (fromMinutes < -1440 || fromMinutes >= toMinutes)
    return fault(
      'match_window_malformed',
      at('from_minutes'),
      `must be -1440 or more and before to_minutes ${toMinutes}, not ${fromMinutes}`,
    );
  if (toMinutes > 2880) return fault('match_window_malformed', at('to_minutes'), `must be at most 2880, not ${toMinutes}`);
  if (guardMinutes > 1440)
    return fault('match_window_malformed', at('guard_minutes'), `must be at most 1440, not ${guardMinutes}`);
  const grid = terms.settlementIntervalMinutes;
  const odd = (
    [
      ['from_minutes', fromMinutes],
      ['to_minutes', toMinutes],
    ] as const
  ).find(([, minutes]) => minutes % grid !== 0);
  if (odd) return fault('match_window_off_grid', at(odd[0]), `must be a multiple of ${grid} minutes, not ${odd[1]}`);
  if ((toMinutes - fromMinutes) / grid > MOST_RANK)
    return fault('match_window_malformed', at('to_minutes'), `spans more than the ${MOST_RANK} intervals that fit the core`);
  // The event's own day is read to the end of the window: a run that cuts off earlier would find it missing.
  return cutOffFault(terms, toMinutes, at('to_minutes'));
}

type Counts = { readonly x: number; readonly y: number; readonly minDays: number };

function weightsFault(baseline: Baseline, weights: DayWeights | undefined, counts: Counts, name: string): TermsFault | null {
  const kind = weights?.weights;
  if (!kind?.case) return null;
  const at = (part: string) => `baseline.${name}.${part}`;
  const { x = baseline.x, y = baseline.y, minDays = baseline.minDays } = counts.x ? counts : {};
  const days = baseline.select === Baseline_Select.ALL ? Math.max(y || baseline.y, minDays || baseline.minDays) : x;
  if ((baseline.family?.eventGaps ?? 0) > 0)
    return fault('gaps_need_equal_weights', 'baseline.family.event_gaps', 'must be 0 unless all days have equal weights');
  if (kind.case === 'list') {
    const { values } = kind.value;
    if (values.length < days)
      return fault('weights_too_few', at('list.values'), `must have a weight for each of ${days} days, not ${values.length}`);
    const wrong = values.find((weight) => weight < 1 || weight > WEIGHT_MAX);
    return wrong === undefined
      ? null
      : fault('weights_malformed', at('list.values'), `must be whole numbers from 1 to 2^30, not ${wrong}`);
  }
  const { lambda, init } = kind.value;
  const malformed = ratioFault(lambda, at('forgetting.lambda'));
  if (malformed) return malformed;
  if (!lambda || lambda.num < 1n || lambda.num > lambda.den)
    return fault('weights_malformed', at('forgetting.lambda'), 'must be above 0 and at most 1');
  if (init < 1 || init > 256) return fault('weights_malformed', at('forgetting.init'), `must be 1 to 256 days, not ${init}`);
  return forgettingFits(Number(lambda.den), init, days)
    ? null
    : fault(
        'weights_too_fine',
        at('forgetting.lambda'),
        `over ${days} days cannot be kept exactly: its weights pass 2^160; use fewer days, or a λ with a smaller denominator`,
      );
}

function shareFault(share: Parameters<typeof ratioFault>[0]): TermsFault | null {
  const field = 'baseline.family.missing_share';
  const malformed = ratioFault(share, field);
  if (malformed || !share) return malformed;
  return share.num > share.den ? fault('missing_share_malformed', field, 'must be at most 1: it is a share of the day') : null;
}

function postFault(terms: Terms, baseline: Baseline, adjustment: Adjustment): TermsFault | null {
  const {
    kind,
    fromMinutes,
    toMinutes,
    postFromMinutes: from,
    postToMinutes: to,
    capWh,
    additiveInstead,
    nearZeroWh,
  } = adjustment;
  const at = (name: string) => `baseline.adjustment.${name}`;
  const grid = terms.settlementIntervalMinutes;
  if (from < 0 || to < from || to > 1440)
    return fault(
      'adjustment_window',
      at('post_to_minutes'),
      `must lie from post_from_minutes, which is ${from}, to 1440, not ${to}`,
    );
  const odd = (
    [
      ['post_from_minutes', from],
      ['post_to_minutes', to],
    ] as const
  ).find(([, minutes]) => minutes % grid !== 0);
  if (odd) return fault('adjustment_off_grid', at(odd[0]), `must be a multiple of ${grid} minutes, not ${odd[1]}`);
  if ((toMinutes - fromMinutes + to - from) / grid > MOST_WINDOW)
    return fault('adjustment_window', at('post_to_minutes'), `makes more than the ${MOST_WINDOW} intervals that fit the core`);
  if (isSameDay(baseline) && fromMinutes === toMinutes && from === to)
    return fault(
      'adjustment_window',
      at('from_minutes'),
      'must hold time before or after the event: a SAME_DAY baseline is its mean',
    );
  const multiplicative = kind === Adjustment_Kind.MULTIPLICATIVE;
  if (additiveInstead && !multiplicative) return fault('adjustment_cap', at('additive_instead'), 'belongs to MULTIPLICATIVE');
  if (nearZeroWh > 0 && !multiplicative) return fault('adjustment_cap', at('near_zero_wh'), 'belongs to MULTIPLICATIVE');
  if (nearZeroWh > WEIGHT_MAX) return fault('adjustment_cap', at('near_zero_wh'), 'must be at most 2^30 Wh');
  if (capWh && kind !== Adjustment_Kind.ADDITIVE && !additiveInstead)
    return fault('adjustment_cap', at('cap_wh'), 'bounds a shift: set additive_instead, or drop it');
  return ratioFault(capWh, at('cap_wh')) ?? (to > from ? cutOffFault(terms, to, at('post_to_minutes')) : null);
}

/** Every run must know the readings that the method looks at after the event. */
function cutOffFault({ runStages }: Terms, minutes: number, field: string): TermsFault | null {
  const early = runStages.find(({ cutOffAfterEndMs }) => Number(cutOffAfterEndMs) < minutes * MINUTE);
  return early
    ? fault(
        'read_after_cut_off',
        field,
        `needs readings up to ${minutes} minutes on, and a run stage cuts off ${Number(early.cutOffAfterEndMs) / MINUTE} minutes after the event`,
      )
    : null;
}
