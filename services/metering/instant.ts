/** Text is an instant only with its offset; a stamp without one is told apart, since it spoils the whole file. */
export const NOT_AN_INSTANT = Number.NaN;
export const NO_OFFSET = Number.POSITIVE_INFINITY;

export type InstantParser = (bytes: Uint8Array, from: number, to: number) => number;

/** Rows of a file come by the thousand of one instant: the text before is compared first. */
export function instantParser(): InstantParser {
  const parse = parser();
  const last = new Uint8Array(40);
  let length = -1;
  let known = NOT_AN_INSTANT;
  return (bytes, from, to) => {
    if (to - from === length) {
      let at = length - 1;
      while (at >= 0 && last[at] === bytes[from + at]) at--;
      if (at < 0) return known;
    }
    known = parse(bytes, from, to);
    length = to - from <= last.length ? to - from : -1;
    for (let i = 0; i < length; i++) last[i] = bytes[from + i]!;
    return known;
  };
}

/**
 * ISO-8601 `YYYY-MM-DDTHH:MM[:SS[.f…]](Z|±HH[[:]MM])` (a space for the T is read too) → ms UTC, NO_OFFSET or NOT_AN_INSTANT.
 * Remembers the last date: rows of a file come by the thousand on one day.
 */
function parser(): InstantParser {
  let lastDate = -1;
  let lastMs = 0;
  return (bytes, from, to) => {
    if (to - from < 16) return NOT_AN_INSTANT;
    const year = digits(bytes, from, 4);
    const month = digits(bytes, from + 5, 2);
    const day = digits(bytes, from + 8, 2);
    const separator = bytes[from + 10];
    const hour = digits(bytes, from + 11, 2);
    const minute = digits(bytes, from + 14, 2);
    const marks = bytes[from + 4] === DASH && bytes[from + 7] === DASH && bytes[from + 13] === COLON;
    if (
      !marks ||
      (separator !== LETTER_T && separator !== SPACE) ||
      year < 0 ||
      hour < 0 ||
      hour > 23 ||
      minute < 0 ||
      minute > 59
    )
      return NOT_AN_INSTANT;
    const date = year * 10_000 + month * 100 + day;
    if (date !== lastDate) {
      if (month < 1 || month > 12 || day < 1 || day > daysIn(year, month)) return NOT_AN_INSTANT;
      lastDate = date;
      lastMs = daysSinceEpoch(year, month, day) * 86_400_000;
    }
    let at = from + 16;
    let ms = hour * 3_600_000 + minute * 60_000;
    if (at < to && bytes[at] === COLON) {
      const second = digits(bytes, at + 1, 2);
      if (at + 3 > to || second < 0 || second > 59) return NOT_AN_INSTANT;
      ms += second * 1000;
      at += 3;
      if (at < to && bytes[at] === DOT) {
        let unit = 100;
        const first = ++at;
        for (; at < to && isDigit(bytes[at]!); at++, unit /= 10) ms += Math.floor(unit) * (bytes[at]! - ZERO);
        if (at === first) return NOT_AN_INSTANT;
      }
    }
    const offset = offsetMinutes(bytes, at, to);
    return offset === NO_OFFSET || Number.isNaN(offset) ? offset : lastMs + ms - offset * 60_000;
  };
}

function offsetMinutes(bytes: Uint8Array, at: number, to: number): number {
  if (at === to) return NO_OFFSET;
  const sign = bytes[at]!;
  if (sign === LETTER_Z) return at + 1 === to ? 0 : NOT_AN_INSTANT;
  if (sign !== PLUS && sign !== DASH) return NOT_AN_INSTANT;
  const hours = digits(bytes, at + 1, 2);
  const rest = to - at - 3;
  const minutes =
    rest === 0
      ? 0
      : rest === 2
        ? digits(bytes, at + 3, 2)
        : rest === 3 && bytes[at + 3] === COLON
          ? digits(bytes, at + 4, 2)
          : -1;
  if (hours < 0 || hours > 15 || minutes < 0 || minutes > 59) return NOT_AN_INSTANT;
  return sign === DASH ? -(hours * 60 + minutes) : hours * 60 + minutes;
}

function digits(bytes: Uint8Array, at: number, count: number): number {
  let value = 0;
  for (let i = at; i < at + count; i++) {
    if (!isDigit(bytes[i]!)) return -1;
    value = value * 10 + bytes[i]! - ZERO;
  }
  return value;
}

const isDigit = (byte: number): boolean => byte >= ZERO && byte <= ZERO + 9;

/** Days from 1970-01-01, proleptic Gregorian (H. Hinnant, "chrono-Compatible Low-Level Date Algorithms", days_from_civil). */
function daysSinceEpoch(year: number, month: number, day: number): number {
  const y = month <= 2 ? year - 1 : year;
  const era = Math.floor(y / 400);
  const yearOfEra = y - era * 400;
  const dayOfYear = Math.floor((153 * (month + (month > 2 ? -3 : 9)) + 2) / 5) + day - 1;
  return era * 146_097 + yearOfEra * 365 + Math.floor(yearOfEra / 4) - Math.floor(yearOfEra / 100) + dayOfYear - 719_468;
}

function daysIn(year: number, month: number): number {
  if (month === 2) return (year % 4 === 0 && year % 100 !== 0) || year % 400 === 0 ? 29 : 28;
  return month === 4 || month === 6 || month === 9 || month === 11 ? 30 : 31;
}

const ZERO = 48;
const DASH = 45;
const PLUS = 43;
const COLON = 58;
const DOT = 46;
const SPACE = 32;
const LETTER_T = 84;
const LETTER_Z = 90;
