import { type Rational, readExact } from '../domain/rational.ts';
import { toMillionth } from './credit.ts';
import type { ParticipantPayload } from './payload.ts';

/** What a run of very many points keeps of each, and what its leaf is over. Energies in millionths of a Wh; null: no baseline, or no credit. */
export type LineRecord = {
  readonly settlementPointId: string;
  readonly status: number;
  readonly chosen: boolean;
  readonly open: boolean;
  readonly delivered: number | null;
  readonly creditedWh: number | null;
  readonly micros: number;
  readonly consumer: number;
  readonly aggregator: number;
  readonly counterparty: number;
};

export const STATUSES = ['ok', 'insufficient_days', 'out_of_bounds', 'no_consent', 'event_day_missing'] as const; // new ones at the end: their places are on record
/** Bytes before the id. */
export const HEAD = 64;
const MAGIC = new TextEncoder().encode('LACHLINE');
const encoder = new TextEncoder();

/**
 * The canonical bytes of a line; the leaf is SHA-256(salt ‖ SHA-256 of them). Little-endian, i64 with −2⁶³ for null:
 *
 *     0  8  "LACHLINE"              16 i64 delivered, millionths of a Wh      48 i64 aggregator's part
 *     8 u8  format 1                24 i64 credited Wh                       56 i64 counterparty's part
 *     9 u8  status                  32 i64 micro-rupees                      64 settlement point id, UTF-8
 *    10 u8  1 = chosen, 0 = holdout 40 i64 consumer's part
 *    11 u8  1 = open                12 u32 bytes of the id
 */
export function lineBytes(line: LineRecord): Uint8Array {
  const id = encoder.encode(line.settlementPointId);
  const bytes = new Uint8Array(HEAD + id.length);
  layLine(new DataView(bytes.buffer), 0, line, id.length);
  bytes.set(id, HEAD);
  return bytes;
}

/** Everything of `lineBytes` before the id, into `view` from `at`, which is all zeros. */
export function layLine(view: DataView, at: number, line: LineRecord, idBytes: number): void {
  for (let i = 0; i < MAGIC.length; i++) view.setUint8(at + i, MAGIC[i]!);
  view.setUint8(at + 8, 1);
  view.setUint8(at + 9, line.status);
  view.setUint8(at + 10, line.chosen ? 1 : 0);
  view.setUint8(at + 11, line.open ? 1 : 0);
  view.setUint32(at + 12, idBytes, true);
  setInteger(view, at + 16, line.delivered);
  setInteger(view, at + 24, line.creditedWh);
  setInteger(view, at + 32, line.micros);
  setInteger(view, at + 40, line.consumer);
  setInteger(view, at + 48, line.aggregator);
  setInteger(view, at + 56, line.counterparty);
}

/** A safe integer as i64, without a bigint. */
function setInteger(view: DataView, at: number, value: number | null): void {
  const high = value === null ? -(2 ** 31) : Math.floor(value / 2 ** 32);
  view.setUint32(at, value === null ? 0 : value - high * 2 ** 32, true);
  view.setInt32(at + 4, high, true);
}

/** The record that a participant's statement says its leaf is over. */
export function lineOf({ settlementPointId, measured, settled }: ParticipantPayload): LineRecord {
  const { waterfall, creditedWh, micros, open } = settled as typeof settled & { waterfall: Record<string, string> };
  const delivered = measured.totals ? millionths(readExact(measured.totals.delivered)) : null;
  return {
    ...{ settlementPointId, open, delivered, creditedWh },
    status: STATUSES.indexOf(measured.status),
    chosen: measured.role === 'CHOSEN',
    micros: Number(micros),
    consumer: Number(waterfall.consumerMicros),
    aggregator: Number(waterfall.aggregatorMicros),
    counterparty: Number(waterfall.counterpartyMicros),
  };
}

const millionths = (energy: Rational): number => {
  const { num, den } = toMillionth(energy);
  return Number((num * 1_000_000n) / den);
};
