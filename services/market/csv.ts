import { invalid } from '../domain/outcome.ts';
import type { Fields } from './fields.ts';

/** A row of a table and where it stands, for complaints: `trades.csv:17` or `trades[3]`. */
export type Row = { readonly at: string; readonly fields: Fields };

const COLUMNS_MAX = 200;

/**
 * The rows of a CSV text (RFC 4180: a field may stand in quotes, with "" for a quote), each under the names of the header. Empty lines are
 * passed over. Throws Refusal `malformed_csv` naming file and line.
 */
export function* csvRows(name: string, text: string): Generator<Row> {
  const lines = records(name, text);
  const { value: header } = lines.next();
  if (!header) throw invalid('malformed_csv', `${name} is empty: its first line must name the columns`);
  const names = header.fields.map((field) => field.trim());
  const twice = names.find((column, i) => names.indexOf(column) !== i);
  if (twice !== undefined) throw invalid('malformed_csv', `${name}:1: the column ${JSON.stringify(twice)} stands twice`);
  if (names.length > COLUMNS_MAX) throw invalid('malformed_csv', `${name}:1: ${names.length} columns, more than ${COLUMNS_MAX}`);
  const places = new Map(names.map((column, i) => [column, i]));
  for (const { line, fields } of lines) {
    if (fields.length !== names.length)
      throw invalid('malformed_csv', `${name}:${line}: ${fields.length} fields under a header of ${names.length}`);
    // Millions of rows: each is its fields and the header's places, no map of its own.
    const get = (column: string) => fields[places.get(column) ?? -1];
    yield { at: `${name}:${line}`, fields: { get, has: (column) => places.has(column) } };
  }
}

function* records(name: string, text: string): Generator<{ line: number; fields: string[] }, undefined> {
  let at = text.startsWith('\uFEFF') ? 1 : 0;
  let line = 1;
  while (at < text.length) {
    let end = text.indexOf('\n', at);
    if (end < 0) end = text.length;
    const first = line;
    const plain = text.slice(at, end);
    if (!plain.includes('"')) {
      at = end + 1;
      line++;
      const row = plain.endsWith('\r') ? plain.slice(0, -1) : plain;
      if (row !== '') yield { line: first, fields: row.split(',') };
      continue;
    }
    const fields: string[] = [];
    for (let mark = ','; mark === ','; ) {
      const quoted = text[at] === '"';
      const stop = quoted ? closing(text, at + 1) : at;
      if (stop < 0) throw invalid('malformed_csv', `${name}:${first}: a quote is opened and never closed`);
      const next = /,|\r?\n|$/g;
      next.lastIndex = quoted ? stop + 1 : at;
      const { index, 0: found } = next.exec(text)!;
      if (quoted && index !== stop + 1)
        throw invalid('malformed_csv', `${name}:${first}: something follows the closing quote of a field`);
      fields.push(quoted ? text.slice(at + 1, stop).replaceAll('""', '"') : text.slice(at, index));
      line += text.slice(at, index + found.length).split('\n').length - 1;
      at = index + Math.max(found.length, 1);
      mark = found;
    }
    yield { line: first, fields };
  }
}

/** Where the quoted field ends; −1 = nowhere. */
function closing(text: string, from: number): number {
  for (let at = from; ; at += 2) {
    at = text.indexOf('"', at);
    if (at < 0 || text[at + 1] !== '"') return at;
  }
}
