import { invalid } from '../domain/outcome.ts';
import type { AreaCalendar, Estimate, EventWindow, Machines } from './estimate.ts';
import type { LoadSeries } from './load-series.ts';
import { meteredWh, windowOf } from './load-window.ts';
import type { Quantity } from './spec.ts';

/** The meter's operator said beforehand what it would draw: the baseline is his word, interval by interval. */
export type Nominated = {
  readonly kind: 'nominated';
  readonly quantity: Quantity;
  /** When the nomination was handed in; it counts only if that was before notice. */
  readonly nominatedAt: number;
  /** Whole Wh of each interval of the window, by meter. */
  readonly wh: ReadonlyMap<string, readonly number[]>;
};

/**
 * Firm service level: delivered is what lies below the contracted level, interval by interval, and the contract says whether it is kept.
 * Source: maximum base load and firm service level of the baseline facts.
 */
export type FirmServiceLevel = {
  readonly kind: 'firm_service_level';
  readonly quantity: Quantity;
  /** Contracted reference and the level promised in an event, W, by meter. */
  readonly contracts: ReadonlyMap<string, { readonly referenceW: number; readonly firmW: number }>;
};

export type ContractEvidence =
  | { readonly kind: 'nominated'; readonly nominatedAt: number }
  | {
      readonly kind: 'firm_service_level';
      readonly referenceW: number;
      readonly firmW: number;
      /** Whether each interval stayed at or below the firm level; null = no reading. */
      readonly kept: readonly (boolean | null)[];
    };

const MOST_WH = 2 ** 30;
const MOST_W = 10_000_000_000;

/** The method of nomination. */
export function takeNomination(
  _machines: Machines,
  spec: Nominated,
  series: readonly LoadSeries[],
  calendar: AreaCalendar,
  event: EventWindow,
): Estimate[] {
  if (!(spec.nominatedAt <= event.noticeAt))
    throw invalid('nominated_after_notice', 'a nomination counts only when it was handed in before notice', 'nominated_at');
  return series.map((one) => {
    const { starts } = windowOf(event, one.minutes, calendar);
    const wh = spec.wh.get(one.meterId);
    const fault = nominationFault(wh, starts.length);
    return contracted(one, spec.quantity, starts, fault, {
      numerators: fault ? [] : wh!.map((value) => BigInt(value)),
      ...{ denominator: 1n, evidence: () => ({ kind: 'nominated', nominatedAt: spec.nominatedAt }) },
    });
  });
}

function nominationFault(wh: readonly number[] | undefined, slots: number): [string, string] | null {
  if (wh === undefined) return ['not_nominated', 'nobody nominated anything for this meter'];
  if (wh.length !== slots) return ['nomination_malformed', `the nomination has ${wh.length} intervals, the window ${slots}`];
  if (!wh.every((value) => Number.isInteger(value) && Math.abs(value) <= MOST_WH))
    return ['nomination_malformed', 'a nomination is whole Wh within ±2^30'];
  return null;
}

/** The method of the firm service level. */
export function holdToFirmLevel(
  _machines: Machines,
  spec: FirmServiceLevel,
  series: readonly LoadSeries[],
  calendar: AreaCalendar,
  event: EventWindow,
): Estimate[] {
  return series.map((one) => {
    const { starts } = windowOf(event, one.minutes, calendar);
    const contract = spec.contracts.get(one.meterId);
    const fault = contractFault(contract);
    return contracted(one, spec.quantity, starts, fault, {
      numerators: fault ? [] : starts.map(() => BigInt(contract!.referenceW) * BigInt(one.minutes)),
      denominator: 60n,
      evidence: (actualWh) => ({
        ...{ kind: 'firm_service_level', ...contract! },
        kept: actualWh.map((wh) => (wh === null ? null : BigInt(wh) * 60n <= BigInt(contract!.firmW) * BigInt(one.minutes))),
      }),
    });
  });
}

function contractFault(contract: { referenceW: number; firmW: number } | undefined): [string, string] | null {
  if (contract === undefined) return ['no_contract', 'no level is contracted for this meter'];
  const { referenceW, firmW } = contract;
  const possible = (watts: number) => Number.isInteger(watts) && watts >= 0 && watts <= MOST_W;
  if (!possible(referenceW) || !possible(firmW)) return ['contract_malformed', 'levels are whole W from 0 to 10 GW'];
  return firmW > referenceW ? ['contract_malformed', 'the firm level lies above the reference'] : null;
}

type Promised = {
  readonly numerators: readonly bigint[];
  readonly denominator: bigint;
  readonly evidence: (actualWh: readonly (number | null)[]) => ContractEvidence;
};

function contracted(
  series: LoadSeries,
  quantity: Quantity,
  starts: readonly number[],
  fault: [string, string] | null,
  { numerators, denominator, evidence }: Promised,
): Estimate {
  const actualWh = meteredWh(series, starts, quantity);
  const missing = actualWh.filter((wh) => wh === null).length;
  const [status, reason] = fault ?? ['ok', ''];
  return {
    meterId: series.meterId,
    baseline: fault ? null : { kind: 'exact', numerators, denominator },
    quality: { status, reason, flags: [], references: fault ? 0 : 1, missing },
    evidence: fault ? null : evidence(actualWh),
    actualWh,
  };
}
