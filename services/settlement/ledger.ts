import { MICROS_PER_PAISA, type MicroRupees, paise } from '../domain/money.ts';
import type { Parties } from './waterfall.ts';

/** One side of a balanced entry: positive = owed to the account, negative = owed by it. */
export type Posting = { readonly account: string; readonly micros: MicroRupees };

/** What settlement pays out. */
export const COST = 'discom:flexibility-cost';
/** The counterparty's own share of the waterfall. */
export const RETAINED = 'discom:flexibility-retained';
/** What rounding bill lines to paise leaves over, so that nothing is lost. */
export const ROUNDING = 'discom:bill-rounding';
export const participantAccount = (participantId: string): string => `participant:${participantId}`;
export const organisationAccount = (organisationId: string): string => `organisation:${organisationId}`;
export const billAccount = (connectionId: string): string => `bill:${connectionId}`;

/** Whose money one line of a run is. */
export type Due = {
  readonly settlementPointId: string;
  readonly connectionId: string;
  readonly participantId: string;
  readonly organisationId: string;
  readonly parties: Parties;
  /** The consumer's share goes on the connection's bill; without billing consent it stays on the participant's account. */
  readonly billed: boolean;
};
/** What changes on a connection's bill for one settlement point. */
export type BillChange = {
  readonly settlementPointId: string;
  readonly connectionId: string;
  readonly participantId: string;
  readonly micros: MicroRupees;
  readonly paise: bigint;
};

/** Balanced by construction: cost is what the others get, with the sign turned. */
export function duePostings(due: Due): Posting[] {
  const { consumer, aggregator, counterparty } = due.parties;
  return posted([
    { account: COST, micros: -(consumer + aggregator + counterparty) },
    { account: participantAccount(due.participantId), micros: consumer },
    { account: organisationAccount(due.organisationId), micros: aggregator },
    { account: RETAINED, micros: counterparty },
  ]);
}

/**
 * From the version before to this one, per account. The bill's part is the difference of two roundings, so that all the lines of an
 * event on a bill add up to its newest statement rounded once, however many versions there were.
 */
export function deltaPostings(before: readonly Due[], now: readonly Due[]): { postings: Posting[]; bills: BillChange[] } {
  const bills = billChanges(before, now);
  const turned = before.flatMap(duePostings).map(({ account, micros }) => ({ account, micros: -micros }));
  const postings = posted([...turned, ...now.flatMap(duePostings), ...bills.flatMap(billPostings)]);
  if (total(postings) !== 0n) throw new RangeError('postings do not sum to zero');
  return { postings, bills };
}

export function billChanges(before: readonly Due[], now: readonly Due[]): BillChange[] {
  const amount = (due: Due | undefined): MicroRupees => (due?.billed ? due.parties.consumer : 0n);
  const key = (due: Due) => `${due.settlementPointId}\n${due.connectionId}\n${due.participantId}`;
  const old = new Map(before.map((due) => [key(due), due]));
  const fresh = new Map(now.map((due) => [key(due), due]));
  return [...new Map([...old, ...fresh]).keys()].sort().flatMap((name) => {
    const [was, is] = [amount(old.get(name)), amount(fresh.get(name))];
    const { settlementPointId, connectionId, participantId } = (fresh.get(name) ?? old.get(name))!;
    const change = { settlementPointId, connectionId, participantId, micros: is - was, paise: paise(is) - paise(was) };
    return change.micros === 0n ? [] : [change];
  });
}

/** Moves a participant's credit to the bill in whole paise. */
export const billPostings = ({ connectionId, participantId, micros, paise: onBill }: BillChange): Posting[] => [
  { account: participantAccount(participantId), micros: -micros },
  { account: billAccount(connectionId), micros: onBill * MICROS_PER_PAISA },
  { account: ROUNDING, micros: micros - onBill * MICROS_PER_PAISA },
];

/** One posting an account, in account order; those that cancel out are left away. */
export function posted(postings: readonly Posting[]): Posting[] {
  const sums = new Map<string, MicroRupees>();
  for (const { account, micros } of postings) sums.set(account, (sums.get(account) ?? 0n) + micros);
  return [...sums]
    .filter(([, micros]) => micros !== 0n)
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([account, micros]) => ({ account, micros }));
}

export const total = (postings: readonly Posting[]): MicroRupees => postings.reduce((sum, { micros }) => sum + micros, 0n);
