import type { Json } from '../domain/canonical.ts';
import type { Instant } from '../domain/interval.ts';
import type { MicroRupees } from '../domain/money.ts';
import { exact, rounded } from '../domain/rational.ts';
import type { Due } from './ledger.ts';
import { deliveredWh, type Ground, type Holdout, type Line } from './settle.ts';
import { brief, type PartyKind, portfolioJson } from './statement.ts';

/** What is kept of a settlement point's line, as JSON of `Point` and of what was settled. */
export type Kept = {
  readonly settlementPointId: string;
  readonly connectionId: string;
  readonly participantId: string;
  readonly organisationId: string;
  readonly billingConsentId: string;
  readonly measured: string;
  readonly settled: string | null;
};

/** Figures of a run that are not columns: in its statements, in GetRun. */
export type Figures = {
  readonly coveragePpm: number;
  readonly coverageReached: boolean;
  readonly withoutBaseline: number;
  readonly settlementPoints: number;
  readonly portfolio: Json;
  readonly deliveredWh: number;
  readonly creditedMicros: string;
  readonly holdout: {
    readonly points: number;
    readonly delivered: string;
    readonly deliveredWh: number;
    readonly wouldBeMicros: string;
  };
  readonly deltaMicros: string;
  readonly changedPoints: number;
};

/** `credited` and `creditedBefore`: what this version, and the one before it, give to others than the counterparty. */
export function figuresOfRun(
  ground: Ground,
  holdout: Holdout,
  { credited, creditedBefore, changedPoints }: { credited: MicroRupees; creditedBefore: MicroRupees; changedPoints: number },
): Figures {
  return {
    coveragePpm: ground.coveragePpm,
    coverageReached: ground.coverageReached,
    withoutBaseline: ground.withoutBaseline,
    settlementPoints: ground.chosen,
    portfolio: portfolioJson(ground.portfolio),
    deliveredWh: Number(deliveredWh(ground.portfolio)),
    creditedMicros: String(credited),
    holdout: holdoutJson(holdout),
    deltaMicros: String(credited - creditedBefore),
    changedPoints,
  };
}

export const holdoutJson = ({ points, delivered, wouldBeMicros }: Holdout): Figures['holdout'] => ({
  points,
  delivered: exact(delivered),
  deliveredWh: Number(rounded(delivered)),
  wouldBeMicros: String(wouldBeMicros),
});

export type CreditKey = { readonly settlementPointId: string; readonly startMs: Instant; readonly creditedWh: number };
/** One key an interval that was settled. */
export const creditKeys = (lines: readonly Line[]): CreditKey[] =>
  lines.flatMap(({ point: { settlementPointId, slots }, credit }) =>
    slots.flatMap(({ startMs }, i) => {
      const creditedWh = credit?.intervalWh[i] ?? null;
      return creditedWh === null ? [] : [{ settlementPointId, startMs, creditedWh: Number(creditedWh) }];
    }),
  );

export const dueOf = ({ point, parties }: Line): Due => {
  const { settlementPointId, connectionId, participantId, organisationId, billingConsentId } = point;
  return { settlementPointId, connectionId, participantId, organisationId, parties, billed: billingConsentId !== '' };
};

/** The same of a version that was settled before. */
export function dueBefore(row: Kept): Due {
  const { settlementPointId, connectionId, participantId, organisationId, billingConsentId } = row;
  const { consumerMicros, aggregatorMicros, counterpartyMicros } = brief(
    JSON.parse(row.measured) as Json,
    JSON.parse(row.settled!) as Json,
  );
  const parties = {
    consumer: BigInt(consumerMicros),
    aggregator: BigInt(aggregatorMicros),
    counterparty: BigInt(counterpartyMicros),
  };
  return { settlementPointId, connectionId, participantId, organisationId, parties, billed: billingConsentId !== '' };
}

export type StatementOf = {
  readonly statementId: string;
  readonly partyId: string;
  readonly partyKind: PartyKind;
  readonly settlementPointId: string;
  readonly organisationId: string;
  readonly amountMicros: MicroRupees;
  readonly deliveredWh: bigint;
};

/** A participant's statement, of one settlement point. `idOf` names the statement of a kind and party. */
export const ownStatement = ({ point, parties }: Line, idOf: (kind: PartyKind, party: string) => string): StatementOf => ({
  statementId: idOf('PARTICIPANT', point.settlementPointId),
  partyId: point.participantId,
  partyKind: 'PARTICIPANT',
  settlementPointId: point.settlementPointId,
  organisationId: point.organisationId,
  amountMicros: parties.consumer,
  deliveredWh: BigInt(point.totals?.deliveredWh ?? 0),
});

/** By organisation: what its points delivered, and its share of what they were credited. */
export type Organisations = Map<string, { micros: MicroRupees; wh: bigint }>;
export function addOrganisations(to: Organisations, lines: readonly Line[]): void {
  for (const { point, parties } of lines) {
    if (point.organisationId === '') continue;
    const { micros, wh } = to.get(point.organisationId) ?? { micros: 0n, wh: 0n };
    const delivered = point.role === 'CHOSEN' ? (point.totals?.deliveredWh ?? 0) : 0;
    to.set(point.organisationId, { micros: micros + parties.aggregator, wh: wh + BigInt(delivered) });
  }
}

/** One statement an organisation, one for the DISCOM. */
export const sharedStatements = (
  discom: string,
  organisations: Organisations,
  whole: { readonly micros: MicroRupees; readonly wh: bigint },
  idOf: (kind: PartyKind, party: string) => string,
): StatementOf[] => [
  ...Array.from(organisations, ([id, { micros, wh }]) => ({
    statementId: idOf('ORGANISATION', id),
    ...{ partyId: id, partyKind: 'ORGANISATION' as const, settlementPointId: '', organisationId: id },
    ...{ amountMicros: micros, deliveredWh: wh },
  })),
  {
    statementId: idOf('COUNTERPARTY', discom),
    ...{ partyId: discom, partyKind: 'COUNTERPARTY' as const, settlementPointId: '', organisationId: '' },
    ...{ amountMicros: whole.micros, deliveredWh: whole.wh },
  },
];
