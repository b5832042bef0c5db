import type { Family, Weights } from './family.ts';
import { PLAIN } from './family.ts';
import { fault, readBoolean, readFraction, readInteger, readObject, readOneOf, type SmallFraction, shown } from './spec.ts';

type Fields = Readonly<Record<string, unknown>>;

/** Words of `params` beyond the golden format; where none is said a case is one of the golden format. */
const WORDS = ['source', 'window', 'rank_on', 'match_window', 'day_temperature', 'weights', 'refill', 'exclude', 'gaps', 'level'];
const OTHERS = ['connected_load_cap'];
const OF_ADJUSTMENT = ['post_from_min', 'post_to_min', 'cap_wh', 'on_nonpositive', 'near_zero_wh'];

/** What `params` say of the family; null = nothing. Absent words keep the plain case. Throws `Refusal` naming the field. */
export function readFamily(params: Fields, at: string): Family | null {
  const adjustment = typeof params.adjustment === 'object' && params.adjustment !== null ? (params.adjustment as Fields) : {};
  const said = [...WORDS, ...OTHERS].some((word) => word in params) || OF_ADJUSTMENT.some((word) => word in adjustment);
  if (!said && params.select !== 'nearest') return null;
  const source = optional(params, 'source', PLAIN.source, () =>
    readOneOf(params, 'source', at, ['history', 'same_day'] as const),
  );
  const rankOn = optional(params, 'rank_on', PLAIN.rankOn, () => readOneOf(params, 'rank_on', at, RANK_ON));
  if (params.select === 'nearest' && rankOn !== 'match_window' && rankOn !== 'temperature')
    throw fault(`${at}.rank_on`, 'must be match_window or temperature with select nearest: the event itself is no likeness');
  return {
    ...{ source, rankOn },
    match: optional(params, 'match_window', PLAIN.match, () => readMatch(params.match_window, `${at}.match_window`)),
    temperature: optional(params, 'day_temperature', PLAIN.temperature, () =>
      readOneOf(params, 'day_temperature', at, ['max', 'mean'] as const),
    ),
    weights: optional(params, 'weights', PLAIN.weights, () => readWeights(params.weights, `${at}.weights`)),
    refill: optional(params, 'refill', PLAIN.refill, () =>
      readOneOf(params, 'refill', at, ['none', 'highest_event_days'] as const),
    ),
    post: readPost(source === 'same_day' ? readObject(params.window, `${at}.window`) : adjustment, at),
    capWh: optional(adjustment, 'cap_wh', null, () => readFraction(adjustment, 'cap_wh', `${at}.adjustment`)),
    onNonpositive: optional(adjustment, 'on_nonpositive', PLAIN.onNonpositive, () =>
      readOneOf(adjustment, 'on_nonpositive', `${at}.adjustment`, ['none', 'additive'] as const),
    ),
    nearZeroWh: optional(adjustment, 'near_zero_wh', 0, () =>
      readInteger(adjustment, 'near_zero_wh', `${at}.adjustment`, 0, 2 ** 30),
    ),
    connectedLoadCap: optional(params, 'connected_load_cap', false, () => readBoolean(params, 'connected_load_cap', at)),
    exclude: optional(params, 'exclude', PLAIN.exclude, () => readExclusions(params.exclude, `${at}.exclude`)),
    gaps: optional(params, 'gaps', PLAIN.gaps, () => readGaps(params.gaps, `${at}.gaps`)),
    level: optional(params, 'level', PLAIN.level, () => readOneOf(params, 'level', at, ['site', 'device', 'aggregate'] as const)),
  };
}

/** The window of a SAME_DAY baseline before the event, minutes; both 0 = none. */
export function readSameDayWindow(params: Fields, at: string): { fromMin: number; toMin: number } {
  const window = readObject(params.window, `${at}.window`);
  const fromMin = optional(window, 'from_min', 0, () => readInteger(window, 'from_min', `${at}.window`, -1440, 0));
  const toMin = optional(window, 'to_min', 0, () => readInteger(window, 'to_min', `${at}.window`, fromMin, 0));
  const after = 'post_to_min' in window && window.post_to_min !== 0;
  if (fromMin === toMin && !after) throw fault(`${at}.window`, 'must hold time before or after the event');
  return { fromMin, toMin };
}

const RANK_ON = ['event_window', 'day', 'match_window', 'temperature'] as const;

function readPost(fields: Fields, at: string): Family['post'] {
  if (!('post_from_min' in fields) && !('post_to_min' in fields)) return PLAIN.post;
  const place = `${at}.adjustment`;
  const fromMinutes = readInteger(fields, 'post_from_min', place, 0, 1440);
  return { fromMinutes, toMinutes: readInteger(fields, 'post_to_min', place, fromMinutes, 1440) };
}

function readMatch(value: unknown, at: string): Family['match'] {
  const match = readObject(value, at);
  const fromMinutes = readInteger(match, 'from_min', at, -1440, 1440);
  return {
    fromMinutes,
    toMinutes: readInteger(match, 'to_min', at, fromMinutes + 1, 2880),
    guardMinutes: readInteger(match, 'guard_min', at, 0, 1440),
  };
}

function readWeights(value: unknown, at: string): Weights {
  const weights = readObject(value, at);
  const kind = readOneOf(weights, 'kind', at, ['equal', 'list', 'ewma'] as const);
  if (kind === 'equal') return { kind };
  if (kind === 'ewma') {
    const lambda = readFraction(weights, 'lambda', at);
    if (!lambda || lambda.num < 1 || lambda.num > lambda.den) throw fault(`${at}.lambda`, 'must be above 0 and at most 1');
    return { kind, lambda, init: readInteger(weights, 'init', at, 1, 256) };
  }
  const { values } = weights;
  if (!Array.isArray(values) || values.length === 0 || values.length > 256)
    throw fault(`${at}.values`, `must be a list of 1 to 256 weights, not ${shown(values)}`);
  const fractions = values.map((entry, i) => readFraction({ [i]: entry }, String(i), `${at}.values`));
  return {
    kind,
    by: optional(weights, 'by', 'recency', () => readOneOf(weights, 'by', at, ['recency', 'rank'] as const)),
    values: wholeWeights(fractions, `${at}.values`),
  };
}

/** Fractions in proportion as whole numbers: 0.5, 0.3, 0.2 become 5, 3, 2. Throws `Refusal` beyond 2³⁰, and for a weight of nothing. */
export function wholeWeights(fractions: readonly (SmallFraction | null)[], at: string): number[] {
  const common = fractions.reduce((lcm, f) => (f ? (lcm * BigInt(f.den)) / divisor(lcm, BigInt(f.den)) : lcm), 1n);
  const whole = fractions.map((f) => (f ? (BigInt(f.num) * common) / BigInt(f.den) : 0n));
  if (whole.some((weight) => weight < 1n)) throw fault(at, 'must all be above 0');
  const shared = whole.reduce(divisor);
  const least = whole.map((weight) => Number(weight / shared));
  if (least.some((weight) => weight > 2 ** 30)) throw fault(at, 'must be in proportions of whole numbers up to 2^30');
  return least;
}

const divisor = (a: bigint, b: bigint): bigint => (b === 0n ? a : divisor(b, a % b));

function readExclusions(value: unknown, at: string): Family['exclude'] {
  const exclude = readObject(value, at);
  const flag = (name: string, absent: boolean) => optional(exclude, name, absent, () => readBoolean(exclude, name, at));
  return {
    eventDays: flag('event_days', true),
    optOut: flag('opt_out', true),
    outage: flag('outage', true),
    holidays: flag('holidays', false),
    missingShare: optional(exclude, 'missing_share', null, () => readFraction(exclude, 'missing_share', at)),
  };
}

function readGaps(value: unknown, at: string): Family['gaps'] {
  const gaps = readObject(value, at);
  const count = <T>(name: string, absent: T) =>
    optional<number | T>(gaps, name, absent, () => readInteger(gaps, name, at, 0, 256));
  return {
    eventSlots: count('event_slots', 0),
    rankSlots: count('rank_slots', 0),
    estimatedSlots: gaps.estimated_slots === null ? null : count('estimated_slots', null),
  };
}

const optional = <T>(fields: Fields, name: string, absent: T, read: () => T): T => (name in fields ? read() : absent);
