import { create, type MessageInitShape, toBinary } from '@bufbuild/protobuf';
import { BinaryWriter, WireType } from '@bufbuild/protobuf/wire';
import {
  type ImportReadingsRequest,
  type IngestReportSchema,
  type ReadingColumns,
  ReadingColumnsSchema,
} from '../../gen/lachak/v1/metering_pb.ts';
import type { Interval as IntervalMessage } from '../../gen/lachak/v1/types_pb.ts';
import type { Instant, Interval } from '../domain/interval.ts';
import { invalid } from '../domain/outcome.ts';
import { MISSING } from '../domain/tile.ts';
import type { Command } from '../host/command.ts';
import type { Caller } from '../host/room.ts';
import type { PackedColumns } from './columns.ts';
import { hashing, type Report } from './ingest-service.ts';

/** The first message, and the chunks of all of them. */
export async function opened(
  requests: AsyncIterable<ImportReadingsRequest>,
): Promise<{ head: ImportReadingsRequest; chunks: AsyncIterable<Uint8Array> }> {
  const source = requests[Symbol.asyncIterator]();
  const first = await source.next();
  if (first.done) throw invalid('wrong_header', 'nothing was sent', 'chunk');
  const head = first.value;
  const chunks = (async function* () {
    yield head.chunk;
    for (let next = await source.next(); !next.done; next = await source.next()) yield next.value.chunk;
  })();
  return { head, chunks };
}

/** An empty command id is made of subject and content, so that repeating a delivery changes nothing. */
export function command(caller: Caller, commandId: string, verb: string, content: string | Uint8Array): Command {
  const hash = hashing();
  hash.add(Buffer.from(`${caller.subject}\n`));
  hash.add(typeof content === 'string' ? Buffer.from(content) : content);
  const id = commandId || `content-${hash.hex()}`;
  return { discom: caller.discom, organisation: caller.organisation, commandId: id, verb, content };
}

/** A source delivers only for its own meters; the DISCOM's people and other rooms for all. */
export const sourceOf = (caller: Caller): string | null =>
  caller.roles.some((role) => role === 'operator' || role === 'room') ? null : caller.subject;

/** Instants on the wire: 0 = now. Nothing can be known before its time. */
export function knownAtOf(ms: bigint, now: Instant): Instant {
  if (ms > BigInt(now)) throw invalid('known_at_in_future', `known_at ${ms} ms lies in the future`, 'known_at_ms');
  if (ms < 0n) throw invalid('instant_out_of_range', `known_at ${ms} ms lies before 1970`, 'known_at_ms');
  return ms === 0n ? now : Number(ms);
}

export const asOf = (ms: bigint, now: Instant): Instant => (ms === 0n ? now : Number(ms));

const LAST_INSTANT = BigInt(Date.UTC(9000, 0, 1));

export function spanOf(message: IntervalMessage | undefined, field = 'span'): Interval {
  if (!message || message.endMs <= message.startMs)
    throw invalid('interval_must_be_positive', `${field} must end after it starts`, field);
  if (message.startMs < 0n || message.endMs > LAST_INSTANT)
    throw invalid('instant_out_of_range', `${field} lies outside the years 1970 to 9000`, field);
  return { start: Number(message.startMs), end: Number(message.endMs) };
}

export const packed = (message: ReadingColumns, knownAt: Instant): PackedColumns => ({
  start: Number(message.startMs),
  intervalMinutes: message.intervalMinutes,
  slots: message.slots,
  meterIds: message.meterIds,
  importWh: int32s(message.importWh, 'import_wh'),
  exportWh: message.exportWh.length === 0 ? null : int32s(message.exportWh, 'export_wh'),
  quality: message.quality.length === 0 ? null : shared(message.quality),
  knownAt,
});

/**
 * A block as protobuf writes it, piece by piece, its columns as they lie: a stream is known by these bytes under its command id, in every
 * release, and writing them out again only to hash them would cost more than all else that is done to a block on its way in.
 */
export function bytesOf(block: ReadingColumns): Uint8Array[] {
  const none = new Uint8Array(0);
  const { importWh, exportWh, quality, knownAtMs, $unknown, ...head } = block;
  const after = create(ReadingColumnsSchema, { knownAtMs });
  if ($unknown) after.$unknown = $unknown;
  return [
    toBinary(ReadingColumnsSchema, { ...head, importWh: none, exportWh: none, quality: none, knownAtMs: 0n }),
    ...columnBytes(6, importWh),
    ...columnBytes(7, exportWh),
    ...columnBytes(8, quality),
    toBinary(ReadingColumnsSchema, after),
  ];
}

const columnBytes = (field: number, bytes: Uint8Array): Uint8Array[] =>
  bytes.length === 0 ? [] : [new BinaryWriter().tag(field, WireType.LengthDelimited).uint32(bytes.length).finish(), bytes];

function int32s(bytes: Uint8Array, field: string): Int32Array {
  if (bytes.length % 4 !== 0) throw invalid('columns_malformed', `${field} must be little-endian i32 values`, field);
  // In its message it lies at any address; a copy lies at one that is a multiple of 4.
  return new Int32Array(shared(bytes).buffer);
}

/** A copy that threads see without another. */
function shared(bytes: Uint8Array): Uint8Array {
  const copy = new Uint8Array(new SharedArrayBuffer(bytes.length));
  copy.set(bytes);
  return copy;
}

export const slotBytes = (slots: { importWh: Int32Array; exportWh: Int32Array; quality: Uint8Array }) => ({
  importWh: new Uint8Array(slots.importWh.buffer),
  exportWh: slots.exportWh.every((wh) => wh === MISSING) ? new Uint8Array(0) : new Uint8Array(slots.exportWh.buffer),
  quality: slots.quality,
});

export const reportMessage = (report: Report, repeated: boolean): MessageInitShape<typeof IngestReportSchema> => ({
  rows: BigInt(report.rows),
  stored: BigInt(report.stored),
  unchanged: BigInt(report.unchanged),
  rejected: BigInt(report.rejected),
  suspect: BigInt(report.suspect),
  findings: report.findings.map((finding) => ({ ...finding, line: BigInt(finding.line) })),
  counts: Object.fromEntries(Object.entries(report.counts).map(([code, count]) => [code, BigInt(count)])),
  meters: BigInt(report.meters),
  days: report.days,
  repeatedCommand: repeated,
});
