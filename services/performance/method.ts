import {
  type Adjustment,
  Adjustment_Anchor,
  Adjustment_Kind,
  Adjustment_Limit,
  type Baseline,
  Baseline_Select,
  type DayWeights,
  Family_Level,
  Family_RankOn,
  Family_Source,
} from '../../gen/lachak/v1/catalogue_pb.ts';
import { Direction, type Ratio } from '../../gen/lachak/v1/types_pb.ts';
import { invalid } from '../domain/outcome.ts';
import type { DayType } from './days.ts';
import { type Family, PLAIN, type RankOn, type Weights } from './family.ts';
import type { DayMatchingSpec, Quantity, Select, SmallFraction } from './spec.ts';

/** A day-matching method as it applies to one event day. */
export type Method = {
  readonly spec: DayMatchingSpec;
  readonly quantity: Quantity;
  readonly dayType: DayType;
  readonly minGapDays: number;
  readonly lookbackDays: number;
  /** Adjustment window relative to the anchor, minutes; both 0 without adjustment. */
  readonly fromMinutes: number;
  readonly toMinutes: number;
  readonly anchor: 'start' | 'notice';
  /** What the method says beyond the plain cases; absent = nothing. */
  readonly family?: Family;
};

/** The terms' baseline on a working or a non-working event day. Throws Refusal `baseline_not_supported` naming the field. */
export function methodOf(baseline: Baseline | undefined, direction: Direction, workingDay: boolean): Method {
  if (baseline?.method !== 'DAY_MATCHING') throw unsupported('method', baseline?.method ?? 'none');
  const other = workingDay ? undefined : baseline.nonWorking;
  const { adjustment } = baseline;
  const kind = KIND[adjustment?.kind ?? Adjustment_Kind.NONE];
  const adjusted = adjustment !== undefined && kind !== 'none';
  const sameDay = baseline.family?.source === Family_Source.SAME_DAY;
  const windowed = adjustment !== undefined && (adjusted || sameDay);
  const family = familyIn(baseline, other?.weights ?? baseline.family?.weights, windowed ? adjustment : undefined);
  const days = sameDay
    ? NO_OTHER_DAY
    : {
        select: SELECT[baseline.select] ?? refuse('select', baseline.select),
        x: other?.x || baseline.x,
        y: other?.y || baseline.y,
        minDays: other?.minDays || baseline.minDays,
      };
  return {
    spec: {
      ...days,
      lowUsage: small(baseline.lowUsageThreshold),
      adjustment: {
        kind,
        direction: adjusted ? LIMIT[adjustment.direction] : 'both',
        lo: adjusted && kind === 'multiplicative' ? small(adjustment.ratioMin) : null,
        hi: adjusted && kind === 'multiplicative' ? small(adjustment.ratioMax) : null,
        cap: adjusted && (kind === 'additive' || adjustment.additiveInstead) ? small(adjustment.capFraction) : null,
      },
      floorZero: baseline.floorZero,
      direction: direction === Direction.ABSORB ? 'increase' : 'reduce',
    },
    quantity: QUANTITIES.find((word) => word === baseline.quantity) ?? refuse('quantity', baseline.quantity),
    dayType: sameDay ? 'any' : (DAY_TYPES.find((word) => word === baseline.dayType) ?? refuse('day_type', baseline.dayType)),
    minGapDays: sameDay ? 1 : baseline.minGapDays,
    lookbackDays: sameDay ? 0 : other?.lookbackDays || baseline.lookbackDays,
    fromMinutes: windowed ? adjustment.fromMinutes : 0,
    toMinutes: windowed ? adjustment.toMinutes : 0,
    anchor: windowed && adjustment.anchor === Adjustment_Anchor.NOTICE ? 'notice' : 'start',
    ...(family && { family }),
  };
}

/** What chooses days, where none is chosen. */
const NO_OTHER_DAY = { select: 'all', x: 1, y: 1, minDays: 1 } as const;

const QUANTITIES = ['import', 'export', 'net'] as const;
const DAY_TYPES = ['weekday_vs_nonworking', 'weekday_sat_sunhol', 'same_weekday', 'any'] as const;

const SELECT: Record<Baseline_Select, Select | null> = {
  [Baseline_Select.SELECT_UNSPECIFIED]: null,
  [Baseline_Select.HIGH]: 'high',
  [Baseline_Select.MID]: 'mid',
  [Baseline_Select.LOW]: 'low',
  [Baseline_Select.ALL]: 'all',
  [Baseline_Select.NEAREST]: 'nearest',
};

const KIND: Record<Adjustment_Kind, DayMatchingSpec['adjustment']['kind']> = {
  [Adjustment_Kind.KIND_UNSPECIFIED]: 'none',
  [Adjustment_Kind.NONE]: 'none',
  [Adjustment_Kind.ADDITIVE]: 'additive',
  [Adjustment_Kind.MULTIPLICATIVE]: 'multiplicative',
};

const LIMIT: Record<Adjustment_Limit, DayMatchingSpec['adjustment']['direction']> = {
  [Adjustment_Limit.LIMIT_UNSPECIFIED]: 'both',
  [Adjustment_Limit.BOTH]: 'both',
  [Adjustment_Limit.UP_ONLY]: 'up_only',
  [Adjustment_Limit.DOWN_ONLY]: 'down_only',
};

/** What the terms say of the family; null where it is the plain case, so that the plain core measures it. */
function familyIn(
  { family, select }: Baseline,
  weights: DayWeights | undefined,
  adjustment: Adjustment | undefined,
): Family | null {
  if (family?.rankOn === Family_RankOn.TEMPERATURE) throw unsupported('family.rank_on', 'TEMPERATURE');
  if (family && (family.level === Family_Level.AGGREGATE || family.connectedLoadCap)) throw unsupported('family', 'as it stands');
  const post = { fromMinutes: adjustment?.postFromMinutes ?? 0, toMinutes: adjustment?.postToMinutes ?? 0 };
  const { capWh, additiveInstead = false, nearZeroWh = 0 } = adjustment ?? {};
  const { matchWindow } = family ?? {};
  if (!family && !weights && select !== Baseline_Select.NEAREST && !post.toMinutes && !capWh && !additiveInstead && !nearZeroWh)
    return null;
  return {
    ...PLAIN,
    source: family?.source === Family_Source.SAME_DAY ? 'same_day' : 'history',
    rankOn: RANK_ON[family?.rankOn ?? Family_RankOn.EVENT_WINDOW],
    match: matchWindow
      ? { fromMinutes: matchWindow.fromMinutes, toMinutes: matchWindow.toMinutes, guardMinutes: matchWindow.guardMinutes }
      : PLAIN.match,
    weights: weights ? weightsIn(weights) : PLAIN.weights,
    refill: family?.refillWithEventDays ? 'highest_event_days' : 'none',
    ...{ post, nearZeroWh, capWh: small(capWh), onNonpositive: additiveInstead ? 'additive' : 'none' },
    exclude: { ...PLAIN.exclude, holidays: family?.excludeHolidays ?? false, missingShare: small(family?.missingShare) },
    gaps: {
      eventSlots: family?.eventGaps ?? 0,
      rankSlots: family?.rankGaps ?? 0,
      estimatedSlots: family?.estimatedMost ?? null,
    },
    level: family?.level === Family_Level.DEVICE ? 'device' : 'site',
  };
}

const RANK_ON: Record<Family_RankOn, RankOn> = {
  [Family_RankOn.EVENT_WINDOW]: 'event_window',
  [Family_RankOn.WHOLE_DAY]: 'day',
  [Family_RankOn.MATCH_WINDOW]: 'match_window',
  [Family_RankOn.TEMPERATURE]: 'temperature',
};

function weightsIn({ weights }: DayWeights): Weights {
  if (weights.case === 'list')
    return { kind: 'list', by: weights.value.byRank ? 'rank' : 'recency', values: weights.value.values };
  if (weights.case !== 'forgetting') return PLAIN.weights;
  return { kind: 'ewma', lambda: small(weights.value.lambda) ?? refuse('weights', 'without λ'), init: weights.value.init };
}

/** The catalogue admits no larger numbers; the core refuses them again. */
function small(ratio: Ratio | undefined): SmallFraction | null {
  return ratio && ratio.den > 0n ? { num: Number(ratio.num), den: Number(ratio.den) } : null;
}

const unsupported = (field: string, value: unknown) =>
  invalid('baseline_not_supported', `baseline.${field} ${value} is none this core knows`, `terms.baseline.${field}`);

function refuse(field: string, value: unknown): never {
  throw unsupported(field, value);
}
