import { largestRemainder, type MicroRupees } from '../domain/money.ts';
import type { CivilDay } from '../domain/zone.ts';
import type { Share } from './terms.ts';

export type Parties = { readonly consumer: MicroRupees; readonly aggregator: MicroRupees; readonly counterparty: MicroRupees };

const PARTIES = ['CONSUMER', 'AGGREGATOR', 'COUNTERPARTY'] as const;

/**
 * Who gets which part of a credit: the set of shares with the latest `fromDay` not after the event's day; parts by largest remainder, so
 * they sum to the credit (ties: consumer before aggregator before counterparty). Without an aggregator its share is the counterparty's;
 * without shares all is the consumer's. A negative line (a penalty) is shared the same way.
 */
export function share(micros: MicroRupees, shares: readonly Share[], day: CivilDay, hasAggregator: boolean): Parties {
  const since = shares.reduce<string | null>(
    (best, { fromDay }) => (fromDay <= day && (best === null || fromDay > best) ? fromDay : best),
    null,
  );
  const current = shares.filter(({ fromDay }) => fromDay === since);
  const weights = PARTIES.map((party) => BigInt(current.reduce((ppm, part) => (part.party === party ? ppm + part.ppm : ppm), 0)));
  const [consumer = 0n, aggregator = 0n, counterparty = 0n] = current.length === 0 ? [micros] : largestRemainder(micros, weights);
  return hasAggregator
    ? { consumer, aggregator, counterparty }
    : { consumer, aggregator: 0n, counterparty: counterparty + aggregator };
}
