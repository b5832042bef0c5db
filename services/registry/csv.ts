/** One record of a CSV file, or why there is none. `line` is where it starts: 1-based, the header is 1. */
export type CsvRow =
  | { readonly line: number; readonly cells: readonly string[] }
  | { readonly line: number; readonly fault: 'line_too_long' | 'quote_stray' | 'quote_open' };

/** Longest record, characters: no line of a registry is longer, so a file without line ends is told early. */
export const LONGEST_LINE = 65_536;

/**
 * RFC 4180, as the text arrives: quoted cells may hold commas, doubled quotes and line ends; LF or CRLF; empty lines are skipped.
 * A faulty record costs its first line only: reading goes on behind it.
 */
export function* csvRows(chunks: Iterable<string>, longest = LONGEST_LINE): Generator<CsvRow> {
  let text = '';
  let line = 1;
  let dropping = false; // inside a line that was too long
  for (const chunk of withEnd(chunks)) {
    text = chunk === null ? text : text + chunk;
    let at = 0;
    while (at < text.length) {
      if (dropping) {
        const end = text.indexOf('\n', at);
        at = end < 0 ? text.length : end + 1;
        dropping = end < 0;
        if (!dropping) line++;
        continue;
      }
      const found = recordAt(text, at, chunk === null);
      const length = (found === 'incomplete' ? text.length : found.end) - at;
      const fault = length > longest ? 'line_too_long' : found !== 'incomplete' && 'fault' in found ? found.fault : null;
      if (fault) {
        yield { line, fault };
        dropping = true;
      } else if (found === 'incomplete') {
        break;
      } else if ('cells' in found) {
        if (found.cells.length > 1 || found.cells[0] !== '') yield { line, cells: found.cells };
        line += found.lines;
        at = found.end;
      }
    }
    text = text.slice(at);
  }
}

function* withEnd(chunks: Iterable<string>): Generator<string | null> {
  yield* chunks;
  yield null;
}

type Found =
  | { end: number; cells: string[]; lines: number }
  | { end: number; fault: 'quote_stray' | 'quote_open' }
  | 'incomplete';

/** The record that starts at `at`; `last` = no more text comes. */
function recordAt(text: string, at: number, last: boolean): Found {
  const cells: string[] = [];
  let lines = 1;
  for (let cell = at; ; ) {
    let end: number;
    if (text[cell] === '"') {
      const close = closingQuote(text, cell + 1);
      // A quote at the very end may be the first of a doubled one.
      if (close < 0 || (close === text.length - 1 && !last)) return last ? { end: cell, fault: 'quote_open' } : 'incomplete';
      const value = text.slice(cell + 1, close);
      cells.push(value.includes('"') ? value.replaceAll('""', '"') : value);
      for (let i = value.indexOf('\n'); i >= 0; i = value.indexOf('\n', i + 1)) lines++;
      end = close + 1;
      if (text[end] === '\r' && (text[end + 1] === '\n' || end + 1 === text.length)) {
        if (end + 1 === text.length && !last) return 'incomplete';
        end++;
      }
      if (end < text.length && text[end] !== ',' && text[end] !== '\n') return { end, fault: 'quote_stray' };
    } else {
      end = cellEnd(text, cell);
      if (end === text.length && !last) return 'incomplete';
      const value = text.slice(cell, text[end] !== ',' && text[end - 1] === '\r' && end > cell ? end - 1 : end);
      if (value.includes('"')) return { end, fault: 'quote_stray' };
      cells.push(value);
    }
    if (end >= text.length) return last ? { end, cells, lines } : 'incomplete';
    if (text[end] === '\n') return { end: end + 1, cells, lines };
    cell = end + 1;
  }
}

function cellEnd(text: string, from: number): number {
  for (let at = from; at < text.length; at++) {
    const code = text.charCodeAt(at);
    if (code === 44 || code === 10) return at;
  }
  return text.length;
}

function closingQuote(text: string, from: number): number {
  for (let at = text.indexOf('"', from); at >= 0; at = text.indexOf('"', at + 2)) {
    if (text[at + 1] !== '"') return at;
  }
  return -1;
}
