import {
  Holdout_Pay,
  Netting,
  type PayComponent,
  type PayComponent_EnergyPay,
  Reconciliation,
  RunStage,
  type Terms,
  type WaterfallShare,
} from '../../gen/lachak/v1/catalogue_pb.ts';
import { compareRatios, fault, firstFault, isCivilDay, ratioFault, type TermsFault } from './fault.ts';

const WHOLE = 1_000_000;
const PARTIES: readonly string[] = ['COUNTERPARTY', 'AGGREGATOR', 'CONSUMER'];
// ₹1,000 per kWh, per kW·h or ₹1,00,000 per event: above it someone has mixed up rupees and micro-rupees.
const MOST_RATE = 1_000_000_000n;
const MOST_PER_EVENT = 100_000_000_000n;

/** Netting level, reconciliation and the cap on delivered energy. */
export function nettingFault({
  netting,
  reconciliation,
  deliveredCapOfBaseline,
  deliveredCapOfCommitted,
}: Terms): TermsFault | null {
  if (netting === Netting.NETTING_UNSPECIFIED) {
    return fault('netting_missing', 'netting', 'must be NET_INTERVAL, NET_EVENT, NET_CYCLE or NET_PORTFOLIO');
  }
  if (reconciliation === Reconciliation.RECONCILIATION_UNSPECIFIED) {
    return fault('reconciliation_missing', 'reconciliation', 'must be RECONCILE_NONE or RECONCILE_PORTFOLIO');
  }
  return (
    ratioFault(deliveredCapOfBaseline, 'delivered_cap_of_baseline') ??
    ratioFault(deliveredCapOfCommitted, 'delivered_cap_of_committed')
  );
}

/** Pay components: each kind at most once, amounts in micro-rupees, never negative. */
export function payFault({ pay }: Terms): TermsFault | null {
  if (pay.length === 0)
    return fault(
      'pay_missing',
      'pay',
      'must have at least one component; a programme that pays nothing says so with a rate of 0',
    );
  const cases = pay.map(({ component }) => component.case);
  return firstFault(pay, (component, i) => {
    const named = cases[i];
    if (named === undefined)
      return fault('pay_malformed', `pay[${i}]`, 'must be one of energy, availability, participation, penalty');
    if (cases.indexOf(named) !== i)
      return fault('pay_repeated', `pay[${i}]`, `is a second ${named} component; which of them holds would be a guess`);
    return componentFault(component, `pay[${i}].${named}`);
  });
}

function componentFault({ component }: PayComponent, field: string): TermsFault | null {
  switch (component.case) {
    case 'energy':
      return energyFault(component.value, field);
    case 'availability':
      return (
        amountFault(component.value.microsPerKwHour, `${field}.micros_per_kw_hour`, MOST_RATE) ??
        ratioFault(component.value.minPerformance, `${field}.min_performance`)
      );
    case 'participation':
      return amountFault(component.value.microsPerEvent, `${field}.micros_per_event`, MOST_PER_EVENT);
    case 'penalty':
      return (
        seriesFault(component.value.microsPerKwh?.values, `${field}.micros_per_kwh`) ??
        ratioFault(component.value.tolerance, `${field}.tolerance`)
      );
    default:
      return null;
  }
}

function energyFault({ microsPerKwh, tiers }: PayComponent_EnergyPay, field: string): TermsFault | null {
  if (tiers.length === 0) return seriesFault(microsPerKwh?.values, `${field}.micros_per_kwh`);
  if (microsPerKwh) return fault('pay_malformed', `${field}.tiers`, 'stand instead of micros_per_kwh, never beside it');
  return firstFault(tiers, ({ fromPerformance, microsPerKwh: rate }, i) => {
    const at = `${field}.tiers[${i}]`;
    if (!fromPerformance) return fault('tier_malformed', `${at}.from_performance`, 'must be given');
    const malformed =
      ratioFault(fromPerformance, `${at}.from_performance`) ?? amountFault(rate, `${at}.micros_per_kwh`, MOST_RATE);
    if (malformed) return malformed;
    const before = tiers[i - 1]?.fromPerformance;
    return before && compareRatios(before, fromPerformance) >= 0
      ? fault('tier_malformed', `${at}.from_performance`, 'must be above that of the tier before')
      : null;
  });
}

function seriesFault(values: readonly bigint[] | undefined, field: string): TermsFault | null {
  // 100: the quarters of the longest civil day.
  if (!values || values.length === 0 || values.length > 100) {
    return fault('series_malformed', field, 'must have one value, or one per settlement interval of the event (at most 100)');
  }
  return firstFault(values, (value, i) => amountFault(value, `${field}.values[${i}]`, MOST_RATE));
}

const amountFault = (micros: bigint, field: string, most: bigint): TermsFault | null =>
  micros < 0n || micros > most
    ? fault('amount_malformed', field, `must be 0 to ${most} micro-rupees (10^-6 rupee), not ${micros}`)
    : null;

/** Waterfall and holdout. Each `from_day` starts a whole new set of shares; the set without a day holds before all others. */
export function sharesFault({ waterfall, holdout }: Terms): TermsFault | null {
  if (waterfall.length === 0)
    return fault('waterfall_missing', 'waterfall', 'must say who gets which share; for the consumer alone: CONSUMER 1000000');
  const malformed = firstFault(waterfall, (share, i) => shareFault(share, waterfall.slice(0, i), `waterfall[${i}]`));
  if (malformed) return malformed;
  const days = [...new Set(waterfall.map((share) => share.fromDay))].sort();
  if (days[0] !== '')
    return fault(
      'waterfall_gap',
      'waterfall',
      `starts on ${days[0]}; one set of shares must be without from_day, for the days before`,
    );
  const wrong = firstFault(days, (day) => {
    const sum = waterfall.filter((share) => share.fromDay === day).reduce((total, share) => total + share.sharePpm, 0);
    return sum === WHOLE
      ? null
      : fault(
          'shares_not_whole',
          'waterfall',
          `from ${day || 'the beginning'} sums to ${sum} ppm; shares of one day must sum to ${WHOLE}`,
        );
  });
  if (wrong || !holdout || holdout.sharePpm === 0) return wrong;
  if (holdout.sharePpm > WHOLE / 2)
    return fault('holdout_malformed', 'holdout.share_ppm', `must be at most ${WHOLE / 2} (half), not ${holdout.sharePpm}`);
  if (holdout.rotationDays === 0)
    return fault('holdout_malformed', 'holdout.rotation_days', 'must be at least 1: nobody stays in the holdout for ever');
  if (holdout.pay === Holdout_Pay.PAY_UNSPECIFIED)
    return fault('holdout_malformed', 'holdout.pay', 'must be NOTHING or COHORT_AVERAGE; participants are told');
  return null;
}

function shareFault(share: WaterfallShare, before: readonly WaterfallShare[], field: string): TermsFault | null {
  if (!PARTIES.includes(share.party))
    return fault('party_unknown', `${field}.party`, `must be ${PARTIES.join(', ')}, not "${share.party}"`);
  if (share.fromDay !== '' && !isCivilDay(share.fromDay))
    return fault('day_malformed', `${field}.from_day`, `must be a day such as 2026-04-01, not "${share.fromDay}"`);
  return before.some(({ party, fromDay }) => party === share.party && fromDay === share.fromDay)
    ? fault('party_repeated', `${field}.party`, `names ${share.party} twice for the same days`)
    : null;
}

/** Run stages in their order, each with a later cut-off, and what the bill needs. */
export function stagesFault({ runStages, billingCycle, chargeCode, graceMinutes }: Terms): TermsFault | null {
  if (graceMinutes > 1440) return fault('grace_too_long', 'grace_minutes', `must be at most 1440, not ${graceMinutes}`);
  if (runStages.length === 0) return fault('stages_missing', 'run_stages', 'must have at least one stage with its cut-off');
  const wrong = firstFault(runStages, ({ stage, cutOffAfterEndMs, minCoveragePpm }, i) => {
    const at = `run_stages[${i}]`;
    const before = runStages[i - 1];
    if (stage === RunStage.RUN_STAGE_UNSPECIFIED)
      return fault('stage_missing', `${at}.stage`, 'must be PRELIMINARY, INITIAL, FINAL, TRUE_UP or CLOSED');
    if (before && stage <= before.stage)
      return fault(
        'stages_out_of_order',
        `${at}.stage`,
        'must come after the stage before: PRELIMINARY, INITIAL, FINAL, TRUE_UP, CLOSED',
      );
    if (cutOffAfterEndMs < 0n)
      return fault('cut_off_malformed', `${at}.cut_off_after_end_ms`, `must not be negative, but is ${cutOffAfterEndMs}`);
    if (before && cutOffAfterEndMs <= before.cutOffAfterEndMs)
      return fault('stages_out_of_order', `${at}.cut_off_after_end_ms`, 'must be later than that of the stage before');
    return minCoveragePpm > WHOLE
      ? fault('coverage_malformed', `${at}.min_coverage_ppm`, `must be at most ${WHOLE}, not ${minCoveragePpm}`)
      : null;
  });
  if (wrong) return wrong;
  if (billingCycle !== 'MONTHLY')
    return fault('billing_cycle_unknown', 'billing_cycle', `must be MONTHLY, not "${billingCycle}"`);
  return /^[A-Z0-9][A-Z0-9_-]{0,31}$/.test(chargeCode)
    ? null
    : fault(
        'charge_code_malformed',
        'charge_code',
        `must be upper-case letters, digits, - and _ (at most 32), not "${chargeCode}"`,
      );
}
