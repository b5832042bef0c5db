import type { Json } from '../domain/canonical.ts';
import type { MeterLink } from './links-store.ts';
import type { Point } from './point.ts';
import type { Brief, RunContext } from './statement.ts';
import { FORMAT } from './statement.ts';

// The payload read back, by whoever checks it.

export type PortfolioFigures = {
  readonly points: number;
  readonly individuals: string;
  readonly delivered: string;
  readonly scale: string;
};
type Head = RunContext & { readonly format: number; readonly statementId: string };
/** A register of a settlement point as it was, so that anyone can read it off the same meters. */
export type RegisterOf = Omit<MeterLink, 'connectionId' | 'parentMeterId'> & {
  /** An enrolled sub-meter that is taken off. */
  readonly taken: boolean;
};
/** A point with its registers: what is kept and printed. */
export type Measured = Point & { readonly registers: readonly RegisterOf[] };

export type ParticipantPayload = Head & {
  readonly party: { readonly kind: 'PARTICIPANT'; readonly id: string };
  readonly settlementPointId: string;
  readonly measured: Measured;
  readonly settled: {
    readonly open: boolean;
    readonly carry: string;
    readonly micros: string;
    readonly amountMicros: string;
    readonly creditedWh: number | null;
  };
  readonly portfolio: PortfolioFigures;
};
export type OrganisationPayload = Head & {
  readonly party: { readonly kind: 'ORGANISATION'; readonly id: string };
  readonly lines: readonly Brief[];
  readonly amountMicros: string;
  readonly portfolio: PortfolioFigures;
};
export type CounterpartyPayload = Head & {
  readonly party: { readonly kind: 'COUNTERPARTY'; readonly id: string };
  readonly lines: readonly Brief[];
  readonly consumerMicros: string;
  readonly aggregatorMicros: string;
  readonly counterpartyMicros: string;
  readonly amountMicros: string;
  readonly portfolio: PortfolioFigures;
};
export type Payload = ParticipantPayload | OrganisationPayload | CounterpartyPayload;

/** Throws RangeError for a payload of another format, or none at all. */
export function readPayload(json: Json): Payload {
  const { format, party, statementId } = (json ?? {}) as { format?: unknown; party?: { kind?: unknown }; statementId?: unknown };
  if (typeof format !== 'number' || format < 1 || format > FORMAT || !Number.isInteger(format))
    throw new RangeError(`is no statement payload of a format from 1 to ${FORMAT}`);
  if (typeof statementId !== 'string' || !['PARTICIPANT', 'ORGANISATION', 'COUNTERPARTY'].includes(String(party?.kind))) {
    throw new RangeError('does not say which statement it is, and whose');
  }
  const members = json as unknown as Record<string, unknown>;
  const absent = ['event', 'run', 'terms', 'calendar', 'portfolio'].find((name) => !isBranch(members[name]));
  if (absent) throw new RangeError(`has no ${absent}`);
  const { meterDays, registers, slots } = (members.measured ?? {}) as Partial<Measured>;
  const own = [meterDays, registers, slots].every(Array.isArray) && isBranch(members.settled);
  if (party!.kind === 'PARTICIPANT' ? !own : !Array.isArray(members.lines)) throw new RangeError('has no figures');
  return json as unknown as Payload;
}

const isBranch = (value: unknown): boolean => typeof value === 'object' && value !== null;
