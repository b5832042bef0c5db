import type { Json } from '../domain/canonical.ts';
import type { Instant } from '../domain/interval.ts';
import { exact, type Rational, rounded, sum } from '../domain/rational.ts';
import type { CivilDay } from '../domain/zone.ts';
import type { Portfolio } from './credit.ts';
import { exactTotal } from './pay.ts';
import type { Line } from './settle.ts';
import type { Stage } from './terms.ts';

/**
 * Counts releases of the payload: fields are only ever added within one. Format 2 sums the portfolio in millionths of a Wh, format 1 summed
 * exact fractions.
 */
export const FORMAT = 2;

/** What all statements of one run share. */
export type RunContext = {
  /** The format that its statements were first made in. */
  readonly format: number;
  readonly discom: string;
  readonly event: {
    readonly eventId: string;
    readonly programmeId: string;
    readonly termsVersion: number;
    readonly startMs: Instant;
    readonly endMs: Instant;
    /** Civil day of the window in the terms' zone. */
    readonly day: CivilDay;
    readonly noticeAtMs: Instant;
    readonly committedAtMs: Instant;
    readonly commitmentDigest: string;
    /** When the digest entered the evidence log: before the window, or the commitment proves nothing. */
    readonly loggedAtMs: Instant;
  };
  readonly run: {
    readonly runId: string;
    readonly stage: Stage;
    readonly version: number;
    /** Run that this one replaces; null for the first. */
    readonly supersedes: string | null;
    /** Only what was known by then was used. */
    readonly asOfMs: Instant;
    readonly coreSha256: string;
    readonly coveragePpm: number;
    readonly coverageReached: boolean;
  };
  /** Protobuf JSON of the terms, whole; its canonical form's SHA-256 is `termsDigest`. */
  readonly terms: Json;
  readonly termsDigest: string;
  readonly zone: string;
  /** The calendar's days from the look-back's start to the event's day. */
  readonly calendar: { readonly calendarId: string; readonly version: number; readonly days: readonly Json[] };
};
export type PartyKind = 'PARTICIPANT' | 'ORGANISATION' | 'COUNTERPARTY';

/** The bytes that are equal everywhere are the canonical JSON of this: no clock, no randomness, nothing that depends on a key. */
export const participantPayload = (statementId: string, context: RunContext, point: Json, line: Json, totals: Json): Json => {
  const { settlementPointId, participantId } = point as { settlementPointId: string; participantId: string };
  return {
    ...head(statementId, context, 'PARTICIPANT', participantId),
    settlementPointId,
    measured: point,
    settled: line,
    portfolio: totals,
  };
};

/** An aggregator's or CPO's points with its share of each. */
export const organisationPayload = (
  statementId: string,
  context: RunContext,
  organisationId: string,
  lines: readonly Brief[],
  totals: Json,
): Json => ({
  ...head(statementId, context, 'ORGANISATION', organisationId),
  lines: lines.filter((line) => line.organisationId === organisationId) as unknown as Json,
  amountMicros: String(
    lines.reduce(
      (micros, line) => (line.organisationId === organisationId ? micros + BigInt(line.aggregatorMicros) : micros),
      0n,
    ),
  ),
  portfolio: totals,
});

/** All lines of the run: what the DISCOM pays to whom, and what it keeps. */
export const counterpartyPayload = (
  statementId: string,
  context: RunContext,
  lines: readonly Brief[],
  totals: Json,
  holdout: Json,
): Json => {
  const column = (name: 'consumerMicros' | 'aggregatorMicros' | 'counterpartyMicros') =>
    lines.reduce((micros, line) => micros + BigInt(line[name]), 0n);
  return {
    ...head(statementId, context, 'COUNTERPARTY', context.discom),
    lines: lines as unknown as Json,
    consumerMicros: String(column('consumerMicros')),
    aggregatorMicros: String(column('aggregatorMicros')),
    counterpartyMicros: String(column('counterpartyMicros')),
    amountMicros: String(column('consumerMicros') + column('aggregatorMicros')),
    portfolio: totals,
    holdout,
  };
};

const head = (statementId: string, context: RunContext, kind: PartyKind, partyId: string) => {
  const { format, discom, event, run, terms, termsDigest, zone, calendar } = context;
  return { format, statementId, discom, party: { kind, id: partyId }, event, run, terms, termsDigest, zone, calendar };
};

/** A line as a participant's statement prints it: exact fractions beside integers, money as decimal strings. */
export function lineJson({ point, carry, energy, credit, open, micros, parties }: Line): Json {
  return {
    open,
    carry: exact(carry),
    delivered: energy && exact(energy.delivered),
    committed: energy && exact(energy.committed),
    performance: energy?.performance ? exact(energy.performance) : null,
    individual: energy && exact(energy.individual),
    credited: credit && exact(credit.energy),
    creditedWh: credit ? Number(credit.energyWh) : null,
    intervals: point.slots.map((slot, i) => ({
      startMs: slot.startMs,
      individual: energy?.slots[i] ? exact(energy.slots[i]) : null,
      creditedWh: credit?.intervalWh[i] === undefined || credit.intervalWh[i] === null ? null : Number(credit.intervalWh[i]),
    })),
    pay: credit?.lines.map((line) => ({ kind: line.kind, exact: exact(line.exact), micros: String(line.micros) })) ?? [],
    payExact: credit && exact(exactTotal(credit.lines)),
    micros: String(micros),
    waterfall: {
      consumerMicros: String(parties.consumer),
      aggregatorMicros: String(parties.aggregator),
      counterpartyMicros: String(parties.counterparty),
    },
    amountMicros: String(parties.consumer),
  };
}

/** A line in the statements of organisations and of the counterparty. */
export type Brief = {
  readonly settlementPointId: string;
  readonly participantId: string;
  readonly organisationId: string;
  readonly role: string;
  readonly status: string;
  readonly open: boolean;
  readonly delivered: string | null;
  readonly individual: string | null;
  readonly credited: string | null;
  readonly creditedWh: number | null;
  readonly micros: string;
  readonly consumerMicros: string;
  readonly aggregatorMicros: string;
  readonly counterpartyMicros: string;
};

/** From what a participant's statement prints of the same line. */
export function brief(point: Json, line: Json): Brief {
  const { settlementPointId, participantId, organisationId, role, status } = point as Record<string, string>;
  const settled = line as { open: boolean; waterfall: Record<string, string> } & Record<string, string | null>;
  const { consumerMicros, aggregatorMicros, counterpartyMicros } = settled.waterfall;
  const { open, delivered, individual, credited, creditedWh, micros } = settled;
  return {
    ...{ settlementPointId, participantId, organisationId, role, status },
    ...{ open, delivered, individual, credited, creditedWh: creditedWh as unknown, micros },
    ...{ consumerMicros, aggregatorMicros, counterpartyMicros },
  } as Brief;
}

/** Individuals' sum and portfolio side by side, exact and rounded, with what the one was scaled by to meet the other. */
export const portfolioJson = ({ points, individuals, delivered, scale }: Portfolio): Json => ({
  points,
  individuals: exact(individuals),
  individualsWh: Number(rounded(individuals)),
  delivered: exact(delivered),
  deliveredWh: Number(rounded(delivered)),
  scale: exact(scale),
});

/** What decides whether a new run says anything new about a point: figures and reasons, not which readings came when. */
export const figuresOf = (line: Line, scale: Rational): Json => {
  const { status, role, flags, candidateDays, selectedDays, scoresWh, lowUsageRejected, slots, adjustment, totals } = line.point;
  return {
    ...{ status, role, flags, candidateDays, selectedDays, scoresWh, lowUsageRejected, adjustment, totals },
    slots: slots as unknown as Json,
    scale: exact(scale),
    settled: lineJson(line),
  } as Json;
};

/** Exact sum of a column of briefs; lines without a figure add nothing. */
export const sumOf = (lines: readonly Brief[], read: (line: Brief) => Rational | null): Rational =>
  sum(lines.map(read).filter((value) => value !== null));
