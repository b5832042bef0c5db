import type { CohortMember } from '../../gen/lachak/v1/dispatch_pb.ts';
import type { MeterDayRef, PointResult } from '../../gen/lachak/v1/performance_pb.ts';
import type { Instant } from '../domain/interval.ts';
import { exact, type Rational, rational } from '../domain/rational.ts';
import type { Exclusion } from './exclusions.ts';
import { isPlain } from './family.ts';
import { type MeterEstimate, MISSING } from './kernel.ts';
import type { Columns } from './measure.ts';
import type { Method } from './method.ts';

import type { Plan } from './windows.ts';

/** A message as plain values, for whoever encodes it. */
export type Plain<T> = T extends readonly (infer E)[]
  ? Plain<E>[]
  : T extends { $typeName: string }
    ? { [K in keyof T as K extends '$typeName' | '$unknown' ? never : K]: Plain<T[K]> }
    : T;

export type PointInput = {
  readonly plan: Plan;
  readonly method: Method;
  readonly columns: Columns;
  /** The lane, and what the core found in it. */
  readonly m: number;
  readonly estimate: MeterEstimate;
  readonly member: CohortMember;
  /** No interval of the window may be read: nothing was opened. */
  readonly closed: boolean;
  readonly remarks: readonly string[];
  readonly exclusions: readonly Exclusion[];
  readonly meterIds: readonly string[];
  readonly meterDays: readonly Plain<MeterDayRef>[];
  /** Of the event day's slots beside the window, those that were not opened; looked at only where the method is not the plain one. */
  readonly unread: readonly Instant[];
};

/** The record of one settlement point in one run: exact values as fractions, rounded ones as integers, nothing where there is no baseline. */
export function pointResult(input: PointInput): Plain<PointResult> {
  const { plan, estimate, member, closed, remarks, exclusions } = input;
  const { result } = estimate;
  const dates = (rows: readonly number[]) => rows.map((row) => plan.days[row]!);
  const over = (num: bigint) => (result ? exact(rational(num, result.denominator)) : '');
  return {
    settlementPointId: member.settlementPointId,
    connectionId: member.connectionId,
    participantId: member.participantId,
    organisationId: member.organisationId,
    role: member.role === HOLDOUT ? 'HOLDOUT' : 'CHOSEN',
    status: closed ? 'no_consent' : estimate.status,
    flags: [...estimate.flags, ...remarks],
    shard: member.shard,
    candidateDays: dates(estimate.candidates),
    selectedDays: dates(estimate.selected).sort(),
    scoresWh: estimate.scoresWh.map(BigInt),
    lowUsageRejected: dates(estimate.rejected).sort(),
    excludedDays: exclusions.map(({ day, reason }) => ({ day, reason })),
    slots: slotsOf(input),
    denominator: result ? String(result.denominator) : '',
    ...(result && { adjustment: adjustmentOf(adjustmentKind(input), result.adjustment) }),
    baselineTotalExact: result ? over(result.baselineTotal) : '',
    baselineTotalWh: BigInt(result?.baselineTotalWh ?? 0),
    meteredTotalWh: BigInt(result?.actualTotalWh ?? 0),
    deliveredTotalExact: result ? over(result.deliveredTotal) : '',
    deliveredTotalWh: BigInt(result?.deliveredTotalWh ?? 0),
    missingIntervals: estimate.missingIntervals,
    unservedIntervals: estimate.notSettledIntervals,
    committedW: member.expectedW,
    meterIds: [...input.meterIds],
    meterDays: [...input.meterDays],
    enrolmentId: member.enrolmentId,
    readingsConsentId: member.readingsConsentId,
    billingConsentId: member.billingConsentId,
    selectedWeights: estimate.weights?.map(exact).reverse() ?? [],
    refilledDays: dates(estimate.refilled).sort(),
    unreadMs: isPlain(input.method) ? [] : input.unread.map(BigInt),
  };
}

/** A shift that took a ratio's place is shown as one. */
const adjustmentKind = ({ method, estimate }: PointInput): string =>
  estimate.flags.includes('shifted_instead_of_ratio') ? 'additive' : method.spec.adjustment.kind;

const HOLDOUT = 2;

function slotsOf({ plan, columns, m, estimate }: PointInput): Plain<PointResult>['slots'] {
  const { result } = estimate;
  const { meters, actual } = columns.input;
  const selected = BigInt(estimate.selected.length);
  const fractions = result?.unadjusted;
  const alike = ({ den }: Rational) => selected > 0n && selected % den === 0n;
  return Array.from({ length: plan.eventCount }, (_, slot) => {
    const cell = slot * meters + m;
    const metered = actual[cell]!;
    const unadjusted = fractions?.[slot];
    const delivered = result?.delivered[slot] ?? null;
    return {
      startMs: BigInt(plan.actual[slot]!),
      hasMetered: metered !== MISSING,
      meteredWh: metered === MISSING ? 0n : BigInt(metered),
      // Over the day count where all days weigh alike; else in lowest terms.
      unadjustedNum: unadjusted ? String(unadjusted.num * (alike(unadjusted) ? selected / unadjusted.den : 1n)) : '',
      unadjustedDen: unadjusted ? String(alike(unadjusted) ? selected : unadjusted.den) : '',
      baselineNum: result ? String(result.baseline[slot]) : '',
      baselineWh: BigInt(result?.baselineWh[slot] ?? 0),
      deliveredNum: delivered === null ? '' : String(delivered),
      deliveredWh: BigInt(result?.deliveredWh[slot] ?? 0),
      supply: columns.supply[cell]!,
      quality: columns.quality[cell]!,
    };
  });
}

function adjustmentOf(
  kind: string,
  adjustment: NonNullable<MeterEstimate['result']>['adjustment'],
): NonNullable<Plain<PointResult>['adjustment']> {
  const text = (value: Rational | null | undefined) => (value ? exact(value) : '');
  return {
    kind,
    observedExact: text(adjustment?.observedMean),
    referenceExact: text(adjustment?.referenceMean),
    rawExact: text(adjustment?.raw),
    appliedExact: text(adjustment?.applied),
    capped: adjustment?.capped ?? false,
  };
}
