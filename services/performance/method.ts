import {
  Adjustment_Anchor,
  Adjustment_Kind,
  Adjustment_Limit,
  type Baseline,
  Baseline_Select,
} from '../../gen/lachak/v1/catalogue_pb.ts';
import { Direction, type Ratio } from '../../gen/lachak/v1/types_pb.ts';
import { invalid } from '../domain/outcome.ts';
import type { DayType } from './days.ts';
import type { Family } from './family.ts';
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
  return {
    spec: {
      select: SELECT[baseline.select] ?? refuse('select', baseline.select),
      x: other?.x || baseline.x,
      y: other?.y || baseline.y,
      minDays: other?.minDays || baseline.minDays,
      lowUsage: small(baseline.lowUsageThreshold),
      adjustment: {
        kind,
        direction: adjusted ? LIMIT[adjustment.direction] : 'both',
        lo: adjusted && kind === 'multiplicative' ? small(adjustment.ratioMin) : null,
        hi: adjusted && kind === 'multiplicative' ? small(adjustment.ratioMax) : null,
        cap: adjusted && kind === 'additive' ? small(adjustment.capFraction) : null,
      },
      floorZero: baseline.floorZero,
      direction: direction === Direction.ABSORB ? 'increase' : 'reduce',
    },
    quantity: QUANTITIES.find((word) => word === baseline.quantity) ?? refuse('quantity', baseline.quantity),
    dayType: DAY_TYPES.find((word) => word === baseline.dayType) ?? refuse('day_type', baseline.dayType),
    minGapDays: baseline.minGapDays,
    lookbackDays: other?.lookbackDays || baseline.lookbackDays,
    fromMinutes: adjusted ? adjustment.fromMinutes : 0,
    toMinutes: adjusted ? adjustment.toMinutes : 0,
    anchor: adjusted && adjustment.anchor === Adjustment_Anchor.NOTICE ? 'notice' : 'start',
  };
}

const QUANTITIES = ['import', 'export', 'net'] as const;
const DAY_TYPES = ['weekday_vs_nonworking', 'weekday_sat_sunhol', 'same_weekday', 'any'] as const;

const SELECT: Record<Baseline_Select, Select | null> = {
  [Baseline_Select.SELECT_UNSPECIFIED]: null,
  [Baseline_Select.HIGH]: 'high',
  [Baseline_Select.MID]: 'mid',
  [Baseline_Select.LOW]: 'low',
  [Baseline_Select.ALL]: 'all',
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

/** The catalogue admits no larger numbers; the core refuses them again. */
function small(ratio: Ratio | undefined): SmallFraction | null {
  return ratio && ratio.den > 0n ? { num: Number(ratio.num), den: Number(ratio.den) } : null;
}

const unsupported = (field: string, value: unknown) =>
  invalid('baseline_not_supported', `baseline.${field} ${value} is none this core knows`, `terms.baseline.${field}`);

function refuse(field: string, value: unknown): never {
  throw unsupported(field, value);
}
