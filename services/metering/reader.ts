import { invalid } from '../domain/outcome.ts';
import { MISSING } from '../domain/tile.ts';
import type { FindingCode, Findings } from './findings.ts';
import { instantParser, NO_OFFSET } from './instant.ts';
import { addRow, noRows, ROWS_MOST, type Rows } from './rows.ts';
import { put, rowsFrom, type Sheet } from './sheet.ts';
import { textOf } from './texts.ts';
import { type AddReading, LINE_MOST, meterOf, newReading, readUsual } from './usual-lines.ts';

/** Bytes in as they come, rows out at the end. */
export type ReadingsReader = {
  /** Throws Refusal for what spoils the whole file: its header, a line without end, a stamp without offset. */
  push(chunk: Uint8Array): void;
  /** The last line and what was read, the header left out. */
  end(): ReadFile;
};
/** What a file says; of its `lines` with content `empty` have no value, and what is neither a row nor empty was refused. */
export type ReadRows = { readonly rows: Rows; readonly lines: number; readonly empty: number };
/** As rows, or as a sheet: then the rows name the meters, and the daily registers. */
export type ReadFile = ReadRows & { readonly sheet: Sheet | null };

const COLUMNS = ['meter_id', 'interval_start', 'import_wh', 'export_wh', 'quality', 'known_at', 'day_import_wh'] as const;
const REQUIRED = 3;
const HEADER = 'meter_id,interval_start,import_wh,export_wh[,quality][,known_at][,day_import_wh]';
const WH_MOST = 2 ** 31 - 1;
const QUALITIES = ['', 'VALID', 'ESTIMATED', 'MANUAL', 'SUSPECT', 'REJECTED'];

/**
 * CSV straight from bytes into columns: no string and no object per reading. Findings carry 1-based line numbers, the header being 1.
 * Whatever the chunks, at most one line of 64 KiB is held back. Into the sheet, where one is given and can hold all of the file, else
 * into rows.
 */
export function readingsReader(findings: Findings, into: Sheet | null = null): ReadingsReader {
  let rows = noRows(into === null ? 65_536 : 1);
  const file = newReading(into, rows.meterIds);
  const parseInstant = instantParser();
  const carry = new Uint8Array(LINE_MOST);
  const ends = new Int32Array(64);
  const place = new Int32Array(COLUMNS.length).fill(-1);
  let carried = 0;

  const header = (text: string): void => {
    const names = text
      .replace(/^\uFEFF/, '')
      .split(',')
      .map((name) =>
        name
          .trim()
          .replace(/^"(.*)"$/, '$1')
          .toLowerCase(),
      );
    names.forEach((name, i) => {
      const column = (COLUMNS as readonly string[]).indexOf(name);
      if (column < 0 || place[column] !== -1)
        throw invalid('wrong_header', `the first line must be ${HEADER}, not ${text.slice(0, 120)}`, 'header');
      place[column] = i;
    });
    const absent = COLUMNS.slice(0, REQUIRED).filter((_, column) => place[column] === -1);
    if (absent.length > 0)
      throw invalid('wrong_header', `the first line must be ${HEADER}; ${absent.join(', ')} is not there`, 'header');
    file.width = names.length;
  };

  const whole = (bytes: Uint8Array, column: number): number => {
    let from = fieldFrom(column);
    const to = ends[place[column]!]!;
    if (from >= to) return MISSING;
    const negative = bytes[from] === DASH;
    if (negative) from++;
    let value = 0;
    let at = from;
    for (; at < to && bytes[at]! >= ZERO && bytes[at]! <= NINE; at++) value = value * 10 + bytes[at]! - ZERO;
    if (at === from) return refuse(bytes, column, 'not_a_number', 'whole Wh');
    // 241.0 is a whole number; 241.5 is not one, and is not rounded behind anyone's back.
    if (at < to && bytes[at] === DOT) for (at++; at < to && bytes[at] === ZERO; at++);
    if (at < to) return refuse(bytes, column, 'not_a_number', 'whole Wh');
    if (negative && value !== 0)
      return refuse(bytes, column, 'negative', 'zero or more: import and export are separate registers');
    return value > WH_MOST ? refuse(bytes, column, 'out_of_range', `at most ${WH_MOST} Wh`) : value;
  };
  const refuse = (bytes: Uint8Array, column: number, code: FindingCode, must: string): number => {
    const text = textOf(bytes, fieldFrom(column), ends[place[column]!]!);
    findings.add(file.line, COLUMNS[column]!, code, () => `${COLUMNS[column]} must be ${must}, not ${text.slice(0, 40)}`);
    return REFUSED;
  };
  let lineFrom = 0;
  const fieldFrom = (column: number): number => (place[column] === 0 ? lineFrom : ends[place[column]! - 1]! + 1);

  const instant = (bytes: Uint8Array, column: number): number => {
    const from = fieldFrom(column);
    const to = ends[place[column]!]!;
    const at = parseInstant(bytes, from, to);
    if (at === NO_OFFSET)
      throw invalid(
        'offset_missing',
        `line ${file.line}: ${COLUMNS[column]} ${textOf(bytes, from, to)} has no offset, so its time zone is anyone's guess; every stamp needs Z or one like +05:30`,
        COLUMNS[column],
      );
    return Number.isNaN(at) ? refuse(bytes, column, 'not_an_instant', 'an instant like 2026-05-01T18:30:00+05:30') : at;
  };
  const qualityOf = (bytes: Uint8Array): number => {
    const from = fieldFrom(QUALITY);
    const to = ends[place[QUALITY]!]!;
    if (from >= to) return 1;
    if (to - from === 1 && bytes[from]! > ZERO && bytes[from]! <= ZERO + 5) return bytes[from]! - ZERO;
    const found = QUALITIES.indexOf(textOf(bytes, from, to).toUpperCase());
    return found > 0 ? found : refuse(bytes, QUALITY, 'quality_unknown', 'VALID, ESTIMATED, MANUAL, SUSPECT, REJECTED or 1 to 5');
  };

  /** One line [from, to), whose `fields` field ends are in `ends`. */
  const readLine = (bytes: Uint8Array, from: number, to: number, fields: number): void => {
    file.line++;
    if (file.width === 0) {
      header(textOf(bytes, from, to));
      return;
    }
    if (from === to) return;
    file.lines++;
    lineFrom = from;
    if (fields !== file.width) {
      findings.add(file.line, '', 'wrong_fields', () => `${fields} fields; the header has ${file.width}`);
      return;
    }
    const idFrom = fieldFrom(0);
    if (idFrom >= ends[place[0]!]!) {
      findings.add(file.line, 'meter_id', 'unknown_meter', () => 'meter_id is empty');
      return;
    }
    const start = instant(bytes, START);
    if (start === REFUSED) return;
    const quality = place[QUALITY] === -1 ? 1 : qualityOf(bytes);
    if (quality === REFUSED) return;
    const importWh = whole(bytes, IMPORT);
    if (importWh === REFUSED) return;
    const exportWh = place[EXPORT] === -1 ? MISSING : whole(bytes, EXPORT);
    if (exportWh === REFUSED) return;
    const knownAt = place[KNOWN] === -1 || fieldFrom(KNOWN) >= ends[place[KNOWN]!]! ? Number.NaN : instant(bytes, KNOWN);
    if (knownAt === REFUSED) return;
    const daySum = place[DAY] === -1 ? MISSING : whole(bytes, DAY);
    if (daySum === REFUSED) return;
    const meter = meterOf(file, bytes, idFrom, ends[place[0]!]!);
    if (daySum !== MISSING) rows.daySums.push({ meter, start, wh: daySum });
    if (importWh === MISSING && exportWh === MISSING && quality !== 5) {
      file.empty++;
      return;
    }
    add(meter, start, importWh, exportWh, quality, knownAt);
  };

  const add: AddReading = (meter, start, importWh, exportWh, quality, knownAt) => {
    const { sheet } = file;
    if ((sheet ?? rows).count === ROWS_MOST) throw invalid('too_many_rows', `a file may have ${ROWS_MOST} readings; split it`);
    if (sheet !== null) {
      if (Number.isNaN(knownAt) && put(sheet, meter, start, importWh, exportWh, quality, file.line)) return;
      // What a sheet cannot hold needs every reading for itself, those before it as well.
      rows = { ...rowsFrom(sheet, rows.meterIds), daySums: rows.daySums };
      file.sheet = null;
    }
    addRow(rows, meter, start, importWh, exportWh, quality, knownAt, file.line);
  };

  /** Finds the fields of the line that starts at `from`; answers where the next one starts, or −1 when the line is not all there. */
  const scan = (bytes: Uint8Array, from: number, last: boolean): number => {
    let fields = 0;
    for (let at = from; ; at++) {
      const byte = at < bytes.length ? bytes[at]! : last ? LINE_FEED : -1;
      if (byte === -1) return -1;
      if (byte !== COMMA && byte !== LINE_FEED) continue;
      if (byte === COMMA) {
        if (fields < ends.length - 1) ends[fields++] = at;
        continue;
      }
      if (at - from > LINE_MOST) throw tooLong(file.line + 1);
      const to = at > from && bytes[at - 1] === RETURN ? at - 1 : at;
      ends[fields++] = to;
      readLine(bytes, from, to, fields);
      return at + 1;
    }
  };

  const hold = (bytes: Uint8Array): void => {
    if (carried + bytes.length > LINE_MOST) throw tooLong(file.line + 1);
    carry.set(bytes, carried);
    carried += bytes.length;
  };

  return {
    push: (chunk) => {
      let at = 0;
      if (carried > 0) {
        const end = chunk.indexOf(LINE_FEED);
        hold(chunk.subarray(0, end === -1 ? chunk.length : end));
        if (end === -1) return;
        const held = carry.subarray(0, carried);
        carried = 0;
        scan(held, 0, true);
        at = end + 1;
      }
      const lastEnd = chunk.lastIndexOf(LINE_FEED);
      while (at <= lastEnd && file.width === 0) at = scan(chunk, at, false);
      // In the order of COLUMNS, and none beyond them.
      const isUsual = file.width <= 4 && place.every((where, column) => where === (column < file.width ? column : -1));
      const view = new DataView(chunk.buffer, chunk.byteOffset, chunk.length);
      while (at <= lastEnd) {
        if (isUsual) at = readUsual(file, chunk, view, at, lastEnd + 1, add);
        if (at <= lastEnd) at = scan(chunk, at, false);
      }
      hold(chunk.subarray(at));
    },
    end: () => {
      if (carried > 0) scan(carry.subarray(0, carried), 0, true);
      carried = 0;
      if (file.width === 0) throw invalid('wrong_header', `the file is empty; its first line must be ${HEADER}`, 'header');
      const { sheet, lines, empty } = file;
      return { rows, sheet, lines, empty };
    },
  };
}

const tooLong = (line: number): Error =>
  invalid('line_too_long', `line ${line} has more than ${LINE_MOST} bytes: this is no CSV of readings`);

const START = 1;
const IMPORT = 2;
const EXPORT = 3;
const QUALITY = 4;
const KNOWN = 5;
const DAY = 6;
// Below every value a field can have, and not MISSING.
const REFUSED = -1;
const COMMA = 44;
const LINE_FEED = 10;
const RETURN = 13;
const DASH = 45;
const DOT = 46;
const ZERO = 48;
const NINE = 57;
