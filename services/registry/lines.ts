import type { Record as RegistryRecord } from '../../gen/lachak/v1/registry_pb.ts';
import { invalid } from '../domain/outcome.ts';
import { type CsvRow, csvRows, LONGEST_LINE } from './csv.ts';
import { type Entry, entryOf, filled } from './entry.ts';
import { type Fault, type RecordInit, readHeader, readRow, type Table } from './tables.ts';

/** One record of a bulk command, or what is wrong with its line. */
export type Line<R = RegistryRecord> =
  | { readonly line: number; readonly record: R }
  | { readonly line: number; readonly faults: readonly Fault[] };
export type Checked = { readonly line: number; readonly entry: Entry; readonly record: RegistryRecord };

/**
 * What can be said of a line without looking anything up. `own`: the organisation whose resources alone may be registered, null = the
 * DISCOM, which registers everything. `firstLines` remembers what the command named before.
 */
export function checkLine(
  { line, record }: { line: number; record: RegistryRecord },
  own: string | null,
  zoneKnown: (zone: string) => boolean,
  firstLines: Map<string, number>,
): Checked | Fault[] {
  const whole = filled(own === null ? record : ownResource(record, own));
  const entry = entryOf(whole, zoneKnown);
  if (Array.isArray(entry)) return entry;
  if (own !== null && (entry.noun !== 'resources' || entry.holder !== own)) {
    return [
      {
        column: 'organisation_id',
        code: 'not_yours',
        message: 'an aggregator or charge-point operator registers its own resources; the DISCOM registers the rest',
      },
    ];
  }
  const key = `${entry.noun}/${entry.id}/${entry.dated.from}`;
  const first = firstLines.get(key);
  if (first !== undefined)
    return [{ column: '', code: 'repeated_in_file', message: `${entry.id} stands in line ${first} already` }];
  firstLines.set(key, line);
  return { line, entry, record: whole };
}

function ownResource(record: RegistryRecord, organisation: string): RegistryRecord {
  const { record: inner } = record;
  if (inner.case !== 'resource' || inner.value.organisationId !== '') return record;
  return { ...record, record: { case: 'resource', value: { ...inner.value, organisationId: organisation } } };
}

/** Another organisation's resource: all there is to say is that the id is no longer free. */
export const idTaken = ({ id }: Entry): Fault => ({
  column: 'resource_id',
  code: 'resource_id_taken',
  message: `resource_id ${id} is taken; choose another`,
});
/** The records of a CSV file. Throws Refusal when its header or its encoding is wrong: then no line can be read. */
export function* csvLines(table: Table, chunks: readonly Uint8Array[]): Generator<Line<RecordInit>> {
  const rows = csvRows(decoded(chunks));
  const head = rows.next();
  const header = head.done ? null : head.value;
  if (!header || 'fault' in header) {
    throw invalid(
      'header_malformed',
      header ? `the header: ${csvFault(header).message}` : 'the file is empty; its first line names the columns',
      'line 1',
    );
  }
  const places = readHeader(table, header.cells);
  if ('code' in places) throw invalid(places.code, `the header: ${places.message}`, places.column);
  for (const row of rows) {
    if ('fault' in row) {
      yield { line: row.line, faults: [csvFault(row)] };
      continue;
    }
    const read = readRow(table, places, row.cells);
    yield Array.isArray(read) ? { line: row.line, faults: read } : { line: row.line, record: read };
  }
}

function* decoded(chunks: readonly Uint8Array[]): Generator<string> {
  const decoder = new TextDecoder('utf-8', { fatal: true });
  try {
    for (const chunk of chunks) yield decoder.decode(chunk, { stream: true });
    yield decoder.decode();
  } catch (error) {
    if (error instanceof TypeError)
      throw invalid('file_not_utf8', 'the file is not UTF-8 text; unpack it, or save it as UTF-8', 'chunk');
    throw error;
  }
}

const csvFaults: Record<Extract<CsvRow, { fault: string }>['fault'], string> = {
  line_too_long: `the line is longer than ${LONGEST_LINE} characters`,
  quote_stray: 'a quotation mark inside a cell: put the whole cell in quotation marks and double those inside',
  quote_open: 'a quotation mark is never closed',
};
const csvFault = ({ fault }: Extract<CsvRow, { fault: string }>): Fault => ({
  column: '',
  code: fault,
  message: csvFaults[fault],
});

/** Items in their order, at most `size` at a time. */
export function* inBatches<T>(items: Iterable<T>, size: number): Generator<T[]> {
  let batch: T[] = [];
  for (const item of items) {
    batch.push(item);
    if (batch.length < size) continue;
    yield batch;
    batch = [];
  }
  if (batch.length > 0) yield batch;
}
