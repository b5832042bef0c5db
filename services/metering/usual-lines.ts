import { MISSING } from '../domain/tile.ts';
import { type InstantParser, instantParser, NO_OFFSET } from './instant.ts';
import { ROWS_MOST } from './rows.ts';
import type { Sheet, SheetColumn } from './sheet.ts';
import { indexOf, lengthOf, likely, noTexts, standsAgain, type Texts, textOf } from './texts.ts';

/** A file that is being read. */
export type Reading = {
  /** The last line that was read, from 1. */
  line: number;
  /** Those with content, and of these, without a value. */
  lines: number;
  empty: number;
  /** Fields of its header; 0 = not read yet. */
  width: number;
  /** Into which it is read, as long as that can hold it. */
  sheet: Sheet | null;
  readonly meters: Texts;
  readonly meterIds: string[];
  readonly stamps: Stamps;
};
/** What is known of a stamp, by index of its text: the instant, and the sheet's column. */
type Stamps = { texts: Texts; starts: number[]; columns: (SheetColumn | null)[]; parse: InstantParser };
const noStamps = (): Stamps => ({ texts: noTexts(), starts: [], columns: [], parse: instantParser() });

export const newReading = (sheet: Sheet | null, meterIds: string[]): Reading => ({
  ...{ line: 0, lines: 0, empty: 0, width: 0, sheet },
  ...{ meters: noTexts(), meterIds, stamps: noStamps() },
});

export type AddReading = (
  meter: number,
  start: number,
  importWh: number,
  exportWh: number,
  quality: number,
  knownAt: number,
) => void;

/**
 * Reads on while lines are as nearly all are: the columns in order and not more than four, plain digits, no export. A reading whose meter
 * and stamp were likely goes straight to its cell. Answers where the first line begins that is not usual; of that one nothing is taken. The
 * byte before `end` ends a line, and `view` is of `bytes`.
 */
export function readUsual(file: Reading, bytes: Uint8Array, view: DataView, from: number, end: number, add: AddReading): number {
  const { meters, stamps, width } = file;
  // The stamp of the line before, or −1, and its column.
  let held = -1;
  let nth = NO_CELLS;
  let importWh = NO_VALUES;
  let at = from;
  while (at < end) {
    const line = at;
    let meter = likely(meters, view, line, end);
    at = meter === -1 ? afterComma(bytes, line) : line + lengthOf(meters, meter);
    // Nothing, or an empty id.
    if (at <= line + 1) return line;
    const idTo = at - 1;
    let stamp = held !== -1 && standsAgain(stamps.texts, view, at, end) ? held : likely(stamps.texts, view, at, end);
    if (stamp === -1) {
      held = -1;
      const to = afterComma(bytes, at);
      stamp = stampOf(stamps, bytes, at, to - 1);
      if (stamp === -1) return line;
      at = to;
    } else at += lengthOf(stamps.texts, stamp);
    const digits = at;
    let value = 0;
    let byte = bytes[at]!;
    while (byte >= ZERO && byte <= NINE) {
      value = value * 10 + byte - ZERO;
      byte = bytes[++at]!;
    }
    if (at === digits || at - digits > 9) return line;
    if (width === 4) {
      if (byte !== COMMA) return line;
      byte = bytes[++at]!;
    }
    if (byte === RETURN) byte = bytes[++at]!;
    if (byte !== LINE_FEED || at - line > LINE_MOST) return line;
    at++;
    file.line++;
    file.lines++;
    if (meter === -1) meter = meterOf(file, bytes, line, idTo);
    if (stamp !== held) {
      const column = stamps.columns[stamp]!;
      held = stamp;
      nth = column?.nth ?? NO_CELLS;
      importWh = column?.importWh ?? NO_VALUES;
    }
    const { sheet } = file;
    if (sheet !== null && nth[meter] === 0 && sheet.count < ROWS_MOST) {
      nth[meter] = file.line;
      importWh[meter] = value;
      sheet.count++;
    } else {
      add(meter, stamps.starts[stamp]!, value, MISSING, VALID, Number.NaN);
      // It has its column now, which may have been made wider.
      stamps.columns[stamp] = file.sheet?.last ?? null;
      held = -1;
      nth = NO_CELLS;
    }
  }
  return at;
}

/** Index of a meter, which is a new one when the file had not named it. */
export function meterOf({ meters, meterIds }: Reading, bytes: Uint8Array, from: number, to: number): number {
  const meter = indexOf(meters, bytes, from, to);
  if (meter === meterIds.length) meterIds.push(textOf(bytes, from, to));
  return meter;
}

/** The stamp in [from, to); −1 = it is none. */
function stampOf(stamps: Stamps, bytes: Uint8Array, from: number, to: number): number {
  if (to - from > STAMP_MOST) return -1;
  const start = stamps.parse(bytes, from, to);
  if (start === NO_OFFSET || Number.isNaN(start)) return -1;
  if (stamps.starts.length === STAMPS_MOST) Object.assign(stamps, noStamps());
  const stamp = indexOf(stamps.texts, bytes, from, to);
  if (stamp === stamps.starts.length) {
    stamps.starts.push(start);
    stamps.columns.push(null);
  }
  return stamp;
}

/** Behind the next comma of this line; 0 = there is none. */
function afterComma(bytes: Uint8Array, from: number): number {
  for (let at = from; ; at++) {
    const byte = bytes[at]!;
    if (byte === COMMA) return at + 1;
    if (byte === LINE_FEED) return 0;
  }
}

export const LINE_MOST = 65_536;
/** A file of more spellings than that is scattered: what was remembered is let go. */
const STAMPS_MOST = 65_536;
const STAMP_MOST = 40;
const NO_CELLS: Uint32Array = new Uint32Array(0);
const NO_VALUES: Int32Array = new Int32Array(0);
const VALID = 1;
const COMMA = 44;
const LINE_FEED = 10;
const RETURN = 13;
const ZERO = 48;
const NINE = 57;
