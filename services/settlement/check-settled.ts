import type { Json } from '../domain/canonical.ts';
import { rupees } from '../domain/money.ts';
import { exact, readExact } from '../domain/rational.ts';
import { creditedEnergy, scaleOf } from './credit.ts';
import { type Check, difference } from './difference.ts';
import { payFor } from './pay.ts';
import type { ParticipantPayload } from './payload.ts';
import { lineJson } from './statement.ts';
import { readPayTerms } from './terms.ts';
import { share } from './waterfall.ts';

/** Recomputes the credit from the figures and terms the statement itself prints: netting, cap, scale, pay, rounding, waterfall. */
export function checkSettled({ measured, settled, portfolio, terms: printed, event, run }: ParticipantPayload): Check {
  const terms = readPayTerms(printed);
  const carry = readExact(settled.carry);
  const energy = measured.role === 'CHOSEN' && !settled.open ? creditedEnergy(measured, terms, carry) : null;
  const scale = scaleOf(readExact(portfolio.individuals), readExact(portfolio.delivered), terms);
  const credit = energy && payFor(measured, energy, scale, terms);
  // What the holdout gets is the mean of the others: the counterparty's statement has them.
  const micros = credit
    ? credit.micros
    : measured.role === 'HOLDOUT' && terms.holdoutPay === 'COHORT_AVERAGE'
      ? BigInt(settled.micros)
      : 0n;
  const parties = share(micros, terms.waterfall, event.day, measured.organisationId !== '');
  const found = lineJson({ point: measured, carry, energy, credit, open: settled.open, micros, parties });
  const differences = [
    ...difference('portfolio.scale', portfolio.scale, exact(scale), 'its sums give'),
    ...difference('settled', settled as unknown as Json, found, 'figures and terms give'),
  ];
  if (settled.open && run.coverageReached) differences.push('the credit is left open although the run’s coverage was reached');
  const energyText = settled.creditedWh === null ? 'no credited energy' : `${settled.creditedWh} Wh credited`;
  return {
    says: `${energyText}, ${rupees(BigInt(settled.micros))}, of which ${rupees(BigInt(settled.amountMicros))} to the participant`,
    differences,
  };
}
