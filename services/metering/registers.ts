import { type Instant, MINUTE } from '../domain/interval.ts';

/** What a cumulative register showed, whole Wh. */
export type RegisterValue = { readonly at: Instant; readonly wh: number };
/** All that is remembered of a register's values within one interval of its meter's grid: enough for the energy of it and its neighbours. */
export type RegisterSpan = {
  /** Of the interval. */
  readonly start: Instant;
  readonly first: RegisterValue;
  readonly last: RegisterValue;
  /** The register turned back in between: it was reset, or rolled over, or is another one. */
  readonly broken: boolean;
};
/** Wh of one interval; `exact`: the register was read at both of its ends. */
export type IntervalEnergy = { readonly start: Instant; readonly wh: number; readonly exact: boolean };

/** An end of an interval at which the register was not read lies between two values, of which the nearer is at most so far away. */
export const REACH_MS = 2 * MINUTE;

/** With one more value, in whatever order they come; one that is known, or of an instant that is known, changes nothing. */
export function withValue(span: RegisterSpan | undefined, start: Instant, value: RegisterValue): RegisterSpan {
  if (!span) return { start, first: value, last: value, broken: false };
  const { first, last } = span;
  if (value.at === first.at || value.at === last.at) return span;
  const backwards = value.at < first.at ? value.wh > first.wh : value.at > last.at ? value.wh < last.wh : outside(value.wh, span);
  if (value.at < first.at) return { ...span, first: value, broken: span.broken || backwards };
  if (value.at > last.at) return { ...span, last: value, broken: span.broken || backwards };
  return backwards ? { ...span, broken: true } : span;
}

/**
 * E = R(end) − R(start), where R is the register: as it was read at that instant, else on the straight line between the nearest values
 * before and after. Both neighbours of an end use the same R, so the intervals of a day add up to what the register moved. Null: a gap,
 * because an end is not known or the register turned back; never negative, never guessed across silence.
 */
export function energyOf(
  before: RegisterSpan | undefined,
  span: RegisterSpan,
  after: RegisterSpan | undefined,
  end: Instant,
): IntervalEnergy | null {
  if (span.broken) return null;
  const from = registerAt(span.start, before, span);
  const to = registerAt(end, span, after);
  if (!from || !to || span.last.wh > to.wh) return null;
  return { start: span.start, wh: to.wh - from.wh, exact: from.exact && to.exact };
}

/** R at the border between two spans. */
function registerAt(
  at: Instant,
  before: RegisterSpan | undefined,
  after: RegisterSpan | undefined,
): { wh: number; exact: boolean } | null {
  if (after?.first.at === at) return { wh: after.first.wh, exact: true };
  if (!before || !after || before.last.wh > after.first.wh) return null;
  const [left, right] = [before.last, after.first];
  if (Math.min(at - left.at, right.at - at) > REACH_MS) return null;
  const wh = left.wh + Math.round(((right.wh - left.wh) * (at - left.at)) / (right.at - left.at));
  return { wh, exact: false };
}

const outside = (wh: number, { first, last }: RegisterSpan): boolean => wh < first.wh || wh > last.wh;
