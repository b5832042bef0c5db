import { type Instant, MINUTE } from '../domain/interval.ts';
import { invalid, type Refusal } from '../domain/outcome.ts';
import type { JsonObject, JsonValue } from './json.ts';

/*
 * Fields of a request, checked one by one. `at` says where the object stands, as `blocks[3].trades[0]` or `trades.csv:17`; every complaint
 * names the field and shows what was found. A field of CSV is text; an empty one is absent.
 */

/** A row of a table or an object of JSON, whose fields are asked for by name. */
export type Fields = Pick<JsonObject, 'get' | 'has'>;

/** Wh of one register or trade in one block. */
export const WH_MAX = 2 ** 30;

export const fault = (at: string, message: string): Refusal => invalid('malformed_request', `${at} ${message}`, at);

export const isObject = (value: JsonValue | undefined): value is JsonObject => value instanceof Map;

export function readObject(value: JsonValue | undefined, at: string): JsonObject {
  if (!isObject(value)) throw fault(at, `must be an object, not ${shown(value)}`);
  return value;
}

export function readList(value: JsonValue | undefined, at: string): readonly JsonValue[] {
  if (!Array.isArray(value)) throw fault(at, `must be a list, not ${shown(value)}`);
  return value;
}

export function readText(fields: Fields, name: string, at: string): string {
  const value = fields.get(name);
  if (typeof value !== 'string' || value === '') throw fault(path(at, name), `must be a text, not ${shown(value)}`);
  if (value.length > 200) throw fault(path(at, name), `has ${value.length} characters, more than 200`);
  return value;
}

/** A whole number, as JSON number or as text of digits. */
export function readWhole(fields: Fields, name: string, at: string, least: number, most: number): number {
  const value = fields.get(name);
  const whole = typeof value === 'string' && /^-?\d{1,16}$/.test(value) ? Number(value) : value;
  if (typeof whole !== 'number' || !Number.isInteger(whole) || whole < least || whole > most)
    throw fault(path(at, name), `must be a whole number from ${least} to ${most}, not ${shown(value)}`);
  return whole + 0; // never −0
}

/** As `readWhole`; null, absent or empty is null. */
export function readWholeOrNull(fields: Fields, name: string, at: string, least: number, most: number): number | null {
  return absent(fields.get(name)) ? null : readWhole(fields, name, at, least, most);
}

export function readBoolean(fields: Fields, name: string, at: string): boolean {
  const value = fields.get(name);
  if (value === true || value === 'true') return true;
  if (value === false || value === 'false') return false;
  throw fault(path(at, name), `must be true or false, not ${shown(value)}`);
}

export function readOneOf<const T extends string>(fields: Fields, name: string, at: string, words: readonly T[]): T {
  const value = fields.get(name);
  const found = words.find((word) => word === value);
  if (found === undefined) throw fault(path(at, name), `must be one of ${words.join(', ')}, not ${shown(value)}`);
  return found;
}

/** An ISO-8601 instant that says its offset. */
export function readInstant(fields: Fields, name: string, at: string): Instant {
  const value = fields.get(name);
  const instant = typeof value === 'string' ? instantOf(value) : null;
  if (instant === null)
    throw fault(path(at, name), `must be an instant with its offset such as 2026-11-02T12:00:00+05:30, not ${shown(value)}`);
  return instant;
}

/** Refuses members nobody reads: a misspelt field must not be a silent default. */
export function refuseOthers(fields: JsonObject, at: string, known: readonly string[]): void {
  for (const name of fields.keys())
    if (!known.includes(name)) throw fault(path(at, name.slice(0, 60)), `is not a field here; known are ${known.join(', ')}`);
}

export const absent = (value: JsonValue | undefined): value is undefined | null | '' =>
  value === undefined || value === null || value === '';

export const path = (at: string, name: string): string =>
  at === '' ? name : /:\d+$/.test(at) ? `${at}: ${name}` : `${at}.${name}`;

/** A value as a message shows it: short, and never a page. */
export function shown(value: JsonValue | undefined): string {
  if (value === undefined) return 'absent';
  if (isObject(value)) return 'an object';
  if (Array.isArray(value)) return 'a list';
  const text = typeof value === 'string' ? JSON.stringify(value) : String(value);
  return text.length > 60 ? `${text.slice(0, 57)}…` : text;
}

function instantOf(text: string): Instant | null {
  const parts = /^(\d{4}-\d\d-\d\d)T([01]\d|2[0-3]):([0-5]\d)(?::([0-5]\d)(?:\.\d{1,3})?)?(Z|([+-])(\d\d):([0-5]\d))$/.exec(text);
  if (!parts) return null;
  const day = Date.parse(`${parts[1]}T00:00:00Z`);
  if (Number.isNaN(day) || new Date(day).getUTCDate() !== Number(parts[1]!.slice(8))) return null; // 31 February
  const offset = parts[5] === 'Z' ? 0 : (Number(parts[7]) * 60 + Number(parts[8])) * (parts[6] === '-' ? -1 : 1);
  return day + (Number(parts[2]) * 60 + Number(parts[3]) - offset) * MINUTE + Number(parts[4] ?? 0) * 1000;
}
