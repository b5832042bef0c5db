import { invalid } from '../domain/outcome.ts';

/** JSON as it stands in the text: members in their order, which for meters decides ties, and no name twice. */
export type JsonObject = ReadonlyMap<string, JsonValue>;
export type JsonValue = null | boolean | number | string | readonly JsonValue[] | JsonObject;

const DEPTH_MAX = 64;
const TOKEN =
  /[ \t\n\r]*(?:([[\]{},:])|("[^"\\]*(?:\\.[^"\\]*)*")|(-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?)|(true|false|null))/y;
const WORDS: Readonly<Record<string, boolean | null>> = { true: true, false: false, null: null };

/**
 * Reads JSON. `JSON.parse` would take the last of two members of one name in silence, and would put meters named `10` and `2` in another
 * order than the text. Throws Refusal `not_json` with line and column.
 */
export function readJson(text: string): JsonValue {
  let at = text.startsWith('\uFEFF') ? 1 : 0;
  let depth = 0;

  function fail(what: string, where: number): never {
    const lines = text.slice(0, where).split('\n');
    throw invalid('not_json', `line ${lines.length}, column ${lines.at(-1)!.length + 1}: ${what}`);
  }
  function unexpected(): never {
    const where = at + /^[ \t\n\r]*/.exec(text.slice(at))![0].length;
    const rest = /^[^\s,:{}[\]]{1,20}/.exec(text.slice(where))?.[0] ?? text.slice(where, where + 1);
    return fail(rest === '' ? 'the text ends too early' : `${rest} is not JSON here`, where);
  }
  function next(): RegExpExecArray {
    TOKEN.lastIndex = at;
    const token = TOKEN.exec(text) ?? unexpected();
    at = TOKEN.lastIndex;
    return token;
  }
  function peek(mark: string): boolean {
    const before = at;
    TOKEN.lastIndex = at;
    const token = TOKEN.exec(text);
    if (token?.[1] === mark) at = TOKEN.lastIndex;
    return at !== before;
  }
  function demand(mark: string): void {
    if (!peek(mark)) unexpected();
  }
  function string(quoted: string): string {
    try {
      return JSON.parse(quoted) as string;
    } catch {
      return fail(`${quoted.slice(0, 40)} is no JSON string`, at - quoted.length);
    }
  }
  function list(): JsonValue[] {
    const items: JsonValue[] = [];
    if (peek(']')) return items;
    do items.push(value());
    while (peek(','));
    demand(']');
    return items;
  }
  function object(): JsonObject {
    const members = new Map<string, JsonValue>();
    if (peek('}')) return members;
    do {
      const quoted = next()[2];
      if (quoted === undefined) fail('a member must have a "name"', at - 1);
      const name = string(quoted);
      if (members.has(name)) fail(`${quoted.slice(0, 60)} stands twice in one object`, at - quoted.length);
      demand(':');
      members.set(name, value());
    } while (peek(','));
    demand('}');
    return members;
  }
  function value(): JsonValue {
    const [, mark, quoted, number, word] = next();
    if (quoted !== undefined) return string(quoted);
    if (number !== undefined) return Number(number);
    if (word !== undefined) return WORDS[word]!;
    if (mark !== '[' && mark !== '{') fail(`${mark} is not JSON here`, at - 1);
    if (++depth > DEPTH_MAX) fail(`nested more than ${DEPTH_MAX} deep`, at - 1);
    const made = mark === '[' ? list() : object();
    depth--;
    return made;
  }

  const root = value();
  if (/\S/.test(text.slice(at))) unexpected();
  return root;
}
