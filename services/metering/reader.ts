import { invalid } from '../domain/outcome.ts';
import { MISSING } from '../domain/tile.ts';
import type { FindingCode, Findings } from './findings.ts';
import { instantParser, NO_OFFSET } from './instant.ts';
import { meterIndex, textOf } from './meter-index.ts';
import { addRow, noRows, ROWS_MOST, type Rows } from './rows.ts';
import { put, rowsFrom, type Sheet } from './sheet.ts';

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
const LINE_MOST = 65_536;
const WH_MOST = 2 ** 31 - 1;
const QUALITIES = ['', 'VALID', 'ESTIMATED', 'MANUAL', 'SUSPECT', 'REJECTED'];

/**
 * CSV straight from bytes into columns: no string and no object per reading. Findings carry 1-based line numbers, the header being 1.
 * Whatever the chunks, at most one line of 64 KiB is held back. Into the sheet, where one is given and can hold all of the file, else
 * into rows.
 */
export function readingsReader(findings: Findings, into: Sheet | null = null): ReadingsReader {
  let rows = noRows(into === null ? 65_536 : 1);
  let sheet = into;
  const meters = meterIndex(rows.meterIds);
  const parseInstant = instantParser();
  const carry = new Uint8Array(LINE_MOST);
  const ends = new Int32Array(64);
  const place = new Int32Array(COLUMNS.length).fill(-1);
  let carried = 0;
  let line = 0;
  let lines = 0;
  let empty = 0;
  let width = 0;

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
    width = names.length;
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
    findings.add(line, COLUMNS[column]!, code, () => `${COLUMNS[column]} must be ${must}, not ${text.slice(0, 40)}`);
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
        `line ${line}: ${COLUMNS[column]} ${textOf(bytes, from, to)} has no offset, so its time zone is anyone's guess; every stamp needs Z or one like +05:30`,
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
    line++;
    if (width === 0) {
      header(textOf(bytes, from, to));
      return;
    }
    if (from === to) return;
    lines++;
    lineFrom = from;
    if (fields !== width) {
      findings.add(line, '', 'wrong_fields', () => `${fields} fields; the header has ${width}`);
      return;
    }
    const idFrom = fieldFrom(0);
    if (idFrom >= ends[place[0]!]!) {
      findings.add(line, 'meter_id', 'unknown_meter', () => 'meter_id is empty');
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
    const meter = meters.find(bytes, idFrom, ends[place[0]!]!);
    if (daySum !== MISSING) rows.daySums.push({ meter, start, wh: daySum });
    if (importWh === MISSING && exportWh === MISSING && quality !== 5) {
      empty++;
      return;
    }
    add(meter, start, importWh, exportWh, quality, knownAt);
  };

  const add = (meter: number, start: number, importWh: number, exportWh: number, quality: number, knownAt: number): void => {
    if ((sheet ?? rows).count === ROWS_MOST) throw invalid('too_many_rows', `a file may have ${ROWS_MOST} readings; split it`);
    if (sheet !== null) {
      if (Number.isNaN(knownAt) && put(sheet, meter, start, importWh, exportWh, quality, line)) return;
      // What a sheet cannot hold needs every reading for itself, those before it as well.
      rows = { ...rowsFrom(sheet, rows.meterIds), daySums: rows.daySums };
      sheet = null;
    }
    addRow(rows, meter, start, importWh, exportWh, quality, knownAt, line);
  };

  const stamp = new Uint8Array(40);
  const stampView = new DataView(stamp.buffer);
  let stampLength = 0;
  let stampAt = Number.NaN;
  /** Whether the stamp of the line before stands here again: four bytes at a time, for this is most of a line. */
  const sameStamp = (bytes: Uint8Array, view: DataView, from: number): boolean => {
    if (stampLength === 0 || from + stampLength >= bytes.length) return false;
    let i = 0;
    for (; i + 4 <= stampLength; i += 4) if (view.getInt32(from + i, true) !== stampView.getInt32(i, true)) return false;
    for (; i < stampLength; i++) if (bytes[from + i] !== stamp[i]) return false;
    return true;
  };
  /**
   * A line as nearly all of them are: the columns in order, the stamp of the line before, plain digits, no export. Answers where the next
   * one starts; −1 = it must be read field by field. The line's end lies in `bytes`.
   */
  const quick = (bytes: Uint8Array, view: DataView, from: number): number => {
    let at = meters.likely(bytes, from);
    const guessed = at !== -1;
    if (!guessed) at = comma(bytes, from);
    if (at <= from) return -1;
    const idTo = at;
    const stampFrom = at + 1;
    at = stampFrom + stampLength;
    if (!sameStamp(bytes, view, stampFrom) || bytes[at] !== COMMA) {
      at = comma(bytes, stampFrom);
      if (at === -1 || at - stampFrom > stamp.length) return -1;
      const found = parseInstant(bytes, stampFrom, at);
      if (found === NO_OFFSET || Number.isNaN(found)) return -1;
      stampAt = found;
      stampLength = at - stampFrom;
      for (let k = 0; k < stampLength; k++) stamp[k] = bytes[stampFrom + k]!;
    }
    const digits = at + 1;
    let value = 0;
    let byte = bytes[++at]!;
    while (byte >= ZERO && byte <= NINE) {
      value = value * 10 + byte - ZERO;
      byte = bytes[++at]!;
    }
    if (at === digits || at - digits > 9) return -1;
    if (width === 4) {
      if (byte !== COMMA) return -1;
      byte = bytes[++at]!;
    }
    if (byte === RETURN) byte = bytes[++at]!;
    if (byte !== LINE_FEED || at - from > LINE_MOST) return -1;
    line++;
    lines++;
    add(guessed ? meters.taken() : meters.find(bytes, from, idTo), stampAt, value, MISSING, 1, Number.NaN);
    return at + 1;
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
      if (at - from > LINE_MOST) throw tooLong(line + 1);
      const to = at > from && bytes[at - 1] === RETURN ? at - 1 : at;
      ends[fields++] = to;
      readLine(bytes, from, to, fields);
      return at + 1;
    }
  };

  const hold = (bytes: Uint8Array): void => {
    if (carried + bytes.length > LINE_MOST) throw tooLong(line + 1);
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
      // In the order of COLUMNS, and none beyond them.
      while (at <= lastEnd && width === 0) at = scan(chunk, at, false);
      const view = new DataView(chunk.buffer, chunk.byteOffset, chunk.length);
      const usual = width <= 4 && place.every((where, column) => where === (column < width ? column : -1));
      while (at <= lastEnd) {
        const next = usual ? quick(chunk, view, at) : -1;
        at = next === -1 ? scan(chunk, at, false) : next;
      }
      hold(chunk.subarray(at));
    },
    end: () => {
      if (carried > 0) scan(carry.subarray(0, carried), 0, true);
      carried = 0;
      if (width === 0) throw invalid('wrong_header', `the file is empty; its first line must be ${HEADER}`, 'header');
      return { rows, sheet, lines, empty };
    },
  };
}

/** Where the next comma of this line is; −1 = none. */
function comma(bytes: Uint8Array, from: number): number {
  for (let at = from; ; at++) {
    const byte = bytes[at]!;
    if (byte === COMMA) return at;
    if (byte === LINE_FEED) return -1;
  }
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
