import type { Json } from '../domain/canonical.ts';
import type { MicroRupees } from '../domain/money.ts';
import { type Rational, rational, ZERO } from '../domain/rational.ts';

export type NettingLevel = 'NET_INTERVAL' | 'NET_EVENT' | 'NET_CYCLE' | 'NET_PORTFOLIO';
export type Stage = 'PRELIMINARY' | 'INITIAL' | 'FINAL' | 'TRUE_UP' | 'CLOSED';

export type Pay =
  | { readonly kind: 'ENERGY'; readonly rates: readonly MicroRupees[]; readonly tiers: readonly Tier[] }
  | { readonly kind: 'AVAILABILITY'; readonly microsPerKwHour: MicroRupees; readonly minPerformance: Rational }
  | { readonly kind: 'PARTICIPATION'; readonly microsPerEvent: MicroRupees; readonly deliveredOnly: boolean }
  | {
      readonly kind: 'PENALTY';
      readonly rates: readonly MicroRupees[];
      readonly tolerance: Rational;
      readonly householdsExempt: boolean;
    };
export type Tier = { readonly fromPerformance: Rational; readonly microsPerKwh: MicroRupees };
export type Share = {
  readonly party: 'COUNTERPARTY' | 'AGGREGATOR' | 'CONSUMER';
  readonly ppm: number;
  readonly fromDay: string;
};
export type StageRule = { readonly stage: Stage; readonly cutOffAfterEndMs: number; readonly minCoveragePpm: number };

/** What money rests on, read from the terms' JSON: the same text that the terms' digest is over and that a statement prints. */
export type PayTerms = {
  readonly zone: string;
  readonly intervalMinutes: number;
  readonly netting: NettingLevel;
  readonly floorZero: boolean;
  /** Delivered ≤ cap × baseline; null = no cap. */
  readonly capOfBaseline: Rational | null;
  /** Delivered ≤ cap × committed; null = no cap. */
  readonly capOfCommitted: Rational | null;
  readonly reconciled: boolean;
  readonly pay: readonly Pay[];
  readonly waterfall: readonly Share[];
  readonly holdoutPay: 'NOTHING' | 'COHORT_AVERAGE';
  /** Events of a season that may be left without losing participation pay; null = any number. */
  readonly freeOptOuts: number | null;
  readonly stages: readonly StageRule[];
  readonly chargeCode: string;
};

/** Reads the protobuf JSON of `Terms`; absent fields have their contract's defaults. Throws RangeError naming what it cannot read. */
export function readPayTerms(json: Json): PayTerms {
  const terms = members(json, 'terms');
  const stages = list(terms.runStages).map((rule) => {
    const { stage, cutOffAfterEndMs, minCoveragePpm } = members(rule, 'run_stages');
    return {
      stage: stage as Stage,
      cutOffAfterEndMs: Number(cutOffAfterEndMs ?? 0),
      minCoveragePpm: Number(minCoveragePpm ?? 0),
    };
  });
  const waterfall = list(terms.waterfall).map((share) => {
    const { party, sharePpm, fromDay } = members(share, 'waterfall');
    return { party: party as Share['party'], ppm: Number(sharePpm ?? 0), fromDay: String(fromDay ?? '') };
  });
  return {
    zone: String(terms.zone ?? 'Asia/Kolkata'),
    intervalMinutes: Number(terms.settlementIntervalMinutes ?? 30),
    netting: (terms.netting ?? 'NET_EVENT') as NettingLevel,
    floorZero: terms.floorZero === true,
    capOfBaseline: terms.deliveredCapOfBaseline === undefined ? null : ratio(terms.deliveredCapOfBaseline, ZERO),
    capOfCommitted: terms.deliveredCapOfCommitted === undefined ? null : ratio(terms.deliveredCapOfCommitted, ZERO),
    reconciled: terms.reconciliation === 'RECONCILE_PORTFOLIO',
    pay: list(terms.pay).map(readPay),
    waterfall,
    holdoutPay: members(terms.holdout ?? {}, 'holdout').pay === 'COHORT_AVERAGE' ? 'COHORT_AVERAGE' : 'NOTHING',
    freeOptOuts: terms.optOut === undefined ? null : Number(members(terms.optOut, 'opt_out').freePerSeason ?? 0),
    stages: stages.length > 0 ? stages : [{ stage: 'FINAL', cutOffAfterEndMs: 0, minCoveragePpm: 0 }],
    chargeCode: String(terms.chargeCode ?? ''),
  };
}

function readPay(json: Json): Pay {
  const [kind, value] = Object.entries(members(json, 'pay'))[0] ?? [];
  const pay = members(value ?? {}, 'pay');
  const rates = list(members(pay.microsPerKwh ?? {}, 'series').values as Json | undefined).map((rate) => BigInt(String(rate)));
  switch (kind) {
    case 'energy':
      return {
        kind: 'ENERGY',
        rates,
        tiers: list(pay.tiers).map((tier) => {
          const { fromPerformance, microsPerKwh } = members(tier, 'tier');
          return { fromPerformance: ratio(fromPerformance, ZERO), microsPerKwh: BigInt(String(microsPerKwh ?? 0)) };
        }),
      };
    case 'availability':
      return {
        kind: 'AVAILABILITY',
        microsPerKwHour: BigInt(String(pay.microsPerKwHour ?? 0)),
        minPerformance: ratio(pay.minPerformance, ZERO),
      };
    case 'participation':
      return {
        kind: 'PARTICIPATION',
        microsPerEvent: BigInt(String(pay.microsPerEvent ?? 0)),
        deliveredOnly: pay.deliveredOnly === true,
      };
    case 'penalty':
      // Without a tolerance the whole shortfall is penalised.
      return {
        kind: 'PENALTY',
        rates,
        tolerance: ratio(pay.tolerance, { num: 1n, den: 1n }),
        householdsExempt: pay.householdsExempt === true,
      };
    default:
      throw new RangeError(`${kind} is no pay component`);
  }
}

function ratio(json: Json | undefined, absent: Rational): Rational {
  if (json === undefined) return absent;
  const { num, den } = members(json, 'ratio');
  return rational(BigInt(String(num ?? 0)), BigInt(String(den ?? 1)));
}

function members(json: Json, at: string): { readonly [key: string]: Json | undefined } {
  if (typeof json !== 'object' || json === null || Array.isArray(json)) throw new RangeError(`${at} is not an object`);
  return json as { readonly [key: string]: Json | undefined };
}

const list = (json: Json | undefined): readonly Json[] => (Array.isArray(json) ? json : []);

/** Of an event whose commitment was read. */
export const termsOf = (event: { readonly terms: string | null }): PayTerms => readPayTerms(JSON.parse(event.terms!) as Json);
