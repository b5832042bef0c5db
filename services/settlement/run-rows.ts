import type { Json } from '../domain/canonical.ts';
import { grouped } from '../domain/grouped.ts';
import type { Instant } from '../domain/interval.ts';
import type { MicroRupees } from '../domain/money.ts';
import { exact, rounded } from '../domain/rational.ts';
import type { Due } from './ledger.ts';
import { deliveredWh, type Holdout, type Line, type Settlement } from './settle.ts';
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

export function figuresOfRun(settlement: Settlement, before: readonly Kept[], changedPoints: number): Figures {
  const paidBefore = before.map(dueBefore).reduce((micros, { parties }) => micros + parties.consumer + parties.aggregator, 0n);
  return {
    coveragePpm: settlement.coveragePpm,
    coverageReached: settlement.coverageReached,
    withoutBaseline: settlement.withoutBaseline,
    settlementPoints: settlement.lines.filter((line) => line.point.role === 'CHOSEN').length,
    portfolio: portfolioJson(settlement.portfolio),
    deliveredWh: Number(deliveredWh(settlement.portfolio)),
    creditedMicros: String(settlement.creditedMicros),
    holdout: holdoutJson(settlement.holdout),
    deltaMicros: String(settlement.creditedMicros - paidBefore),
    changedPoints: before.length === 0 ? 0 : changedPoints,
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

/** One statement a settlement point, one an organisation, one for the DISCOM. `idOf` names the statement of a kind and party. */
export function statementsOf(
  discom: string,
  settlement: Settlement,
  idOf: (kind: PartyKind, party: string) => string,
): StatementOf[] {
  const { lines } = settlement;
  const own = lines.map((line) => ({
    statementId: idOf('PARTICIPANT', line.point.settlementPointId),
    partyId: line.point.participantId,
    partyKind: 'PARTICIPANT' as const,
    settlementPointId: line.point.settlementPointId,
    organisationId: line.point.organisationId,
    amountMicros: line.parties.consumer,
    deliveredWh: BigInt(line.point.totals?.deliveredWh ?? 0),
  }));
  const organisations = [...grouped(lines, (line) => line.point.organisationId)].filter(([id]) => id !== '');
  return [
    ...own,
    ...organisations.map(([id, theirs]) => ({
      statementId: idOf('ORGANISATION', id),
      ...{ partyId: id, partyKind: 'ORGANISATION' as const, settlementPointId: '', organisationId: id },
      amountMicros: theirs.reduce((micros, { parties }) => micros + parties.aggregator, 0n),
      deliveredWh: theirs.reduce(
        (wh, { point }) => wh + BigInt(point.role === 'CHOSEN' ? (point.totals?.deliveredWh ?? 0) : 0),
        0n,
      ),
    })),
    {
      statementId: idOf('COUNTERPARTY', discom),
      ...{ partyId: discom, partyKind: 'COUNTERPARTY' as const, settlementPointId: '', organisationId: '' },
      amountMicros: settlement.creditedMicros,
      deliveredWh: deliveredWh(settlement.portfolio),
    },
  ];
}
