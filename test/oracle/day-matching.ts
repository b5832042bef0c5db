import type { Family } from '../../services/performance/family.ts';
import type { DayMatchingSpec } from '../../services/performance/spec.ts';

/*
 * The rules of golden/RULES.md §§3–6 and of the family beyond them (facts/baselines.md §4.1) said once more, as plainly as possible: one meter, lists and BigInt fractions, nothing shared with the
 * core but the words of the spec. Slow on purpose; it exists to disagree.
 */

/** n/d with d > 0, never reduced. */
export type Ratio = { readonly n: bigint; readonly d: bigint };

export type OracleDay = {
  readonly excluded: boolean;
  /** Excluded, but only because an event was called. */
  readonly called?: boolean;
  readonly event: (number | null)[];
  readonly window: (number | null)[];
  readonly rank?: (number | null)[];
};
export type OracleMeter = {
  /** Latest first. */
  readonly days: readonly OracleDay[];
  readonly actual: readonly (number | null)[];
  readonly actualWindow: readonly (number | null)[];
  readonly dark: readonly boolean[];
  readonly actualRank?: readonly (number | null)[];
  readonly limit?: number | null;
};

export type OracleAnswer = {
  readonly candidates: number[];
  readonly rejected: number[];
  readonly selected: number[];
  readonly refilled: number[];
  /** Shares of `selected`, in its order. */
  readonly weights: Ratio[];
  readonly missing: number;
  readonly dark: number;
  readonly outcome:
    | { readonly status: 'insufficient_days' | 'out_of_bounds' | 'event_day_missing' }
    | {
        readonly status: 'ok';
        readonly flags: string[];
        readonly raw: Ratio | null;
        readonly applied: Ratio | null;
        readonly capped: boolean;
        readonly baseline: Ratio[];
        readonly delivered: (Ratio | null)[];
        readonly baselineTotal: Ratio;
        readonly deliveredTotal: Ratio;
        readonly actualTotal: bigint;
        readonly baselineWh: { total: bigint; parts: (bigint | null)[] };
        readonly deliveredWh: { total: bigint; parts: (bigint | null)[] };
      };
};

const ZERO: Ratio = { n: 0n, d: 1n };
const ONE: Ratio = { n: 1n, d: 1n };
const whole = (value: number | bigint): Ratio => ({ n: BigInt(value), d: 1n });
const plus = (a: Ratio, b: Ratio): Ratio => (a.d === b.d ? { n: a.n + b.n, d: a.d } : { n: a.n * b.d + b.n * a.d, d: a.d * b.d });
const minus = (a: Ratio, b: Ratio): Ratio => plus(a, { n: -b.n, d: b.d });
const times = (a: Ratio, b: Ratio): Ratio => ({ n: a.n * b.n, d: a.d * b.d });
const over = (a: Ratio, b: Ratio): Ratio => (b.n < 0n ? { n: -a.n * b.d, d: a.d * -b.n } : { n: a.n * b.d, d: a.d * b.n });
export const less = (a: Ratio, b: Ratio): boolean => a.n * b.d < b.n * a.d;
export const equal = (a: Ratio, b: Ratio): boolean => a.n * b.d === b.n * a.d;
const greater = (a: Ratio, b: Ratio): Ratio => (less(a, b) ? b : a);
const smaller = (a: Ratio, b: Ratio): Ratio => (less(b, a) ? b : a);
const absolute = (a: Ratio): Ratio => ({ n: a.n < 0n ? -a.n : a.n, d: a.d });
const sum = (list: readonly Ratio[]): Ratio => list.reduce(plus, ZERO);
const mean = (list: readonly Ratio[]): Ratio => over(sum(list), whole(list.length));
const small = (f: { num: number; den: number }): Ratio => ({ n: BigInt(f.num), d: BigInt(f.den) });

/** Everything the rules say about one meter and one event. */
export function oracle(spec: DayMatchingSpec, meter: OracleMeter, family: Family | null = null): OracleAnswer {
  const dark = meter.dark.filter(Boolean).length;
  const missing = meter.actual.filter((wh, s) => wh === null && !meter.dark[s]).length;
  const nothing = { candidates: [], rejected: [], selected: [], refilled: [], weights: [], missing, dark };

  if (family?.source === 'same_day') {
    const seen = meter.actualWindow.filter((wh) => wh !== null).map((wh) => whole(wh));
    const lost = meter.actualWindow.length - seen.length;
    if (seen.length === 0 || lost > family.gaps.eventSlots) return { ...nothing, outcome: { status: 'event_day_missing' } };
    return {
      ...nothing,
      outcome: settle(
        spec,
        meter,
        meter.actual.map(() => mean(seen)),
        noShift,
        [],
      ),
    };
  }

  const chosen = choose(spec, meter, family);
  if (chosen === 'event_day_missing') return { ...nothing, outcome: { status: chosen } };
  const { candidates, rejected, refilled, ranked } = chosen;
  const selected = [...ranked].sort((a, b) => a - b);
  const weight = new Map(weigh(family, ranked, selected).map((share, i) => [selected[i]!, share]));
  const common = { candidates, rejected, selected, refilled, weights: [...weight.values()], missing, dark };
  const holders = meter.actual.map((_, slot) => selected.filter((d) => meter.days[d]!.event[slot] !== null));
  if (selected.length === 0 || holders.some((days) => days.length === 0))
    return { ...common, outcome: { status: 'insufficient_days' } };

  const average = (days: readonly number[], load: (d: number) => Ratio) =>
    over(sum(days.map((d) => times(weight.get(d)!, load(d)))), sum(days.map((d) => weight.get(d)!)));
  const unadjusted = holders.map((days, slot) => average(days, (d) => whole(meter.days[d]!.event[slot]!)));
  const reference = () => average(selected, (d) => mean(meter.days[d]!.window.map((wh) => whole(wh!))));
  const flags = candidates.length < spec.y ? ['fewer_than_y_days'] : [];
  const shift = adjustment(spec, family, meter, unadjusted, reference);
  if (shift.flag) flags.push(shift.flag);
  if (refilled.length > 0) flags.push('refilled_with_event_days');
  if (shift.instead) flags.push('shifted_instead_of_ratio');
  const gapped = selected.some((d) => meter.days[d]!.event.includes(null));
  return { ...common, outcome: settle(spec, meter, unadjusted, shift, flags, gapped) };
}

type Chosen = { candidates: number[]; rejected: number[]; refilled: number[]; ranked: number[] };

function choose(spec: DayMatchingSpec, meter: OracleMeter, family: Family | null): Chosen | 'event_day_missing' {
  const onRank = family !== null && family.rankOn !== 'event_window';
  const nearest = spec.select === 'nearest';
  const known = (list: readonly (number | null)[]) => list.filter((wh) => wh !== null).map((wh) => whole(wh));
  // Days are compared with the event day only where the event day has something to compare.
  const compared = onRank ? meter.actualRank!.map((_, u) => u).filter((u) => !nearest || meter.actualRank![u] !== null) : [];
  if (nearest && compared.length === 0) return 'event_day_missing';
  const ranks = (d: number) => compared.map((u) => meter.days[d]!.rank![u]!);
  const load = (d: number): Ratio => mean(known(meter.days[d]!.event));
  const rank = (d: number): Ratio => {
    if (!onRank) return load(d);
    if (!nearest) return mean(known(ranks(d)));
    return mean(
      compared.flatMap((u) =>
        meter.days[d]!.rank![u] === null ? [] : [absolute(minus(whole(meter.days[d]!.rank![u]!), whole(meter.actualRank![u]!)))],
      ),
    );
  };
  const sound = (d: number): boolean => {
    const day = meter.days[d]!;
    const gaps = (list: readonly (number | null)[]) => list.filter((wh) => wh === null).length;
    if (gaps(day.event) > (family?.gaps.eventSlots ?? 0) || gaps(day.window) > 0) return false;
    return !onRank || (gaps(ranks(d)) <= family!.gaps.rankSlots && known(ranks(d)).length > 0);
  };
  const eligible = meter.days.flatMap((day, d) => (!day.excluded && sound(d) ? [d] : []));

  // Candidates, older days coming in for those of low usage: the bar is a share of the mean interval of all candidates.
  const rejected: number[] = [];
  let candidates = eligible.slice(0, spec.y);
  while (spec.lowUsage && candidates.length > 0) {
    const bar = times(small(spec.lowUsage), mean(candidates.flatMap((d) => known(meter.days[d]!.event))));
    const low = candidates.filter((d) => less(load(d), bar));
    if (low.length === 0) break;
    rejected.push(...low);
    candidates = eligible.filter((d) => !rejected.includes(d)).slice(0, spec.y);
  }
  rejected.sort((a, b) => a - b);
  const refilled: number[] = [];
  if (family?.refill === 'highest_event_days') {
    const called = meter.days.flatMap((day, d) => (day.called && sound(d) ? [d] : []));
    called.sort((a, b) => (less(load(b), load(a)) ? -1 : less(load(a), load(b)) ? 1 : a - b));
    refilled.push(...called.slice(0, Math.max(0, spec.minDays - candidates.length)));
    candidates = [...candidates, ...refilled].sort((a, b) => a - b);
    refilled.sort((a, b) => a - b);
  }

  // Array.sort is stable and candidates run from the latest, so a tie keeps the later day first.
  const falling = [...candidates].sort((a, b) => (less(rank(b), rank(a)) ? -1 : less(rank(a), rank(b)) ? 1 : 0));
  const rising = [...candidates].sort((a, b) => (less(rank(a), rank(b)) ? -1 : less(rank(b), rank(a)) ? 1 : 0));
  const dropped = spec.y - spec.x;
  const ranked = {
    high: () => falling.slice(0, spec.x),
    low: () => rising.slice(0, spec.x),
    nearest: () => rising.slice(0, spec.x),
    all: () => candidates,
    mid: () => falling.slice(Math.ceil(dropped / 2), Math.max(0, falling.length - Math.floor(dropped / 2))),
  }[spec.select]();
  return { candidates, rejected, refilled, ranked: candidates.length >= spec.minDays ? ranked : [] };
}

/** Shares by `selected`, which runs from the latest day. */
function weigh(family: Family | null, ranked: readonly number[], selected: readonly number[]): Ratio[] {
  const weights = family?.weights ?? { kind: 'equal' };
  const n = selected.length;
  if (n === 0) return [];
  const shares = (list: readonly Ratio[]) => list.map((one) => over(one, sum(list)));
  if (weights.kind === 'equal') return shares(selected.map(() => ONE));
  if (weights.kind === 'list') {
    const place = (d: number) => (weights.by === 'rank' ? ranked : selected).indexOf(d);
    return shares(selected.map((d) => whole(weights.values[place(d)]!)));
  }
  // The recursion itself, from the oldest day on: B = (1 - l) B + l L, on unit loads.
  const lambda = small(weights.lambda);
  const first = Math.min(weights.init, n);
  let share = selected.map((_, i) => (i >= n - first ? over(ONE, whole(first)) : ZERO));
  for (let i = n - first - 1; i >= 0; i--)
    share = share.map((before, j) => (j === i ? lambda : reduced(times(minus(ONE, lambda), before))));
  return share;
}

function settle(
  spec: DayMatchingSpec,
  meter: OracleMeter,
  unadjusted: readonly Ratio[],
  shift: Shift,
  flags: string[],
  gapped = false,
): OracleAnswer['outcome'] {
  const { kind } = spec.adjustment;
  const { raw, applied, capped } = shift;
  const limit = meter.limit ?? null;
  let limited = false;
  const baseline = unadjusted.map((b) => {
    const added = kind === 'additive' || shift.instead;
    const moved = added ? plus(b, applied!) : kind === 'multiplicative' ? times(b, applied!) : b;
    const floored = spec.floorZero && kind !== 'none' ? greater(moved, ZERO) : moved;
    if (limit === null || !less(whole(limit), floored)) return floored;
    limited = true;
    return whole(limit);
  });
  if (limited) flags.push('limited_to_connected_load');
  if (gapped) flags.push('gaps_tolerated');
  const delivered = meter.actual.map((wh, slot) => {
    if (wh === null || meter.dark[slot]) return null;
    const saved = minus(baseline[slot]!, whole(wh));
    return spec.direction === 'reduce' ? saved : { n: -saved.n, d: saved.d };
  });
  const baselineTotal = sum(baseline);
  const deliveredTotal = sum(delivered.filter((wh) => wh !== null));
  const baselineWh = parts(baselineTotal, baseline);
  const deliveredWh = parts(deliveredTotal, delivered);
  if (!baselineWh || !deliveredWh) return { status: 'out_of_bounds' };
  const actualTotal = sum(meter.actual.filter((wh, slot) => wh !== null && !meter.dark[slot]).map((wh) => whole(wh!))).n;
  return {
    ...{ status: 'ok', flags, raw, applied, capped, baseline, delivered },
    ...{ baselineTotal, deliveredTotal, actualTotal, baselineWh, deliveredWh },
  };
}

type Shift = { raw: Ratio | null; applied: Ratio | null; capped: boolean; flag: string | null; instead: boolean };
const noShift: Shift = { raw: null, applied: null, capped: false, flag: null, instead: false };

function adjustment(
  spec: DayMatchingSpec,
  family: Family | null,
  meter: OracleMeter,
  unadjusted: readonly Ratio[],
  meanReference: () => Ratio,
): Shift {
  const { kind, direction, lo, hi, cap } = spec.adjustment;
  if (kind === 'none') return noShift;
  const skipped = (flag: string): Shift => ({ ...noShift, applied: kind === 'additive' ? ZERO : ONE, flag });
  if (meter.actualWindow.includes(null)) return skipped('adjustment_skipped_missing');
  const observed = mean(meter.actualWindow.map((wh) => whole(wh!)));
  const reference = meanReference();
  const meaningless = observed.n < 0n || !less(whole(family?.nearZeroWh ?? 0), reference);
  if (kind === 'multiplicative' && !meaningless) {
    const raw = over(observed, reference);
    const turned = direction === 'up_only' ? greater(raw, ONE) : direction === 'down_only' ? smaller(raw, ONE) : raw;
    let applied = turned;
    if (lo) applied = greater(applied, small(lo));
    if (hi) applied = smaller(applied, small(hi));
    return { raw, applied, capped: !equal(applied, turned), flag: null, instead: false };
  }
  if (kind === 'multiplicative' && family?.onNonpositive !== 'additive') return skipped('adjustment_skipped_nonpositive');
  const raw = minus(observed, reference);
  const turned = direction === 'up_only' ? greater(raw, ZERO) : direction === 'down_only' ? smaller(raw, ZERO) : raw;
  let applied = turned;
  for (const bound of [cap && times(small(cap), absolute(mean(unadjusted))), family?.capWh && small(family.capWh)])
    if (bound) applied = greater(smaller(applied, bound), { n: -bound.n, d: bound.d });
  return { raw, applied, capped: !equal(applied, turned), flag: null, instead: kind === 'multiplicative' };
}

/** In lowest terms, where repeated products would grow without end. */
function reduced({ n, d }: Ratio): Ratio {
  let [a, b] = [n < 0n ? -n : n, d];
  while (b !== 0n) [a, b] = [b, a % b];
  return a === 0n ? ZERO : { n: n / a, d: d / a };
}

/** Total rounded half away from zero; parts by largest remainder over floors, ties to the earlier; null beyond safe integers. */
function parts(total: Ratio, list: readonly (Ratio | null)[]): { total: bigint; parts: (bigint | null)[] } | null {
  const size = absolute(total);
  const nearest = (size.n * 2n + size.d) / (size.d * 2n);
  const rounded = total.n < 0n ? -nearest : nearest;
  const floors = list.map((part) => part && floor(part));
  const safe = (wh: bigint) => wh >= -(2n ** 53n - 1n) && wh <= 2n ** 53n - 1n;
  if (!safe(rounded) || floors.some((wh) => wh !== null && !safe(wh))) return null;
  let spare = rounded - floors.reduce<bigint>((all, wh) => all + (wh ?? 0n), 0n);
  const rest = list.map((part, s) => (part ? minus(part, whole(floors[s]!)) : null));
  const ranks = rest.map((_, s) => s).filter((s) => rest[s] !== null);
  ranks.sort((a, b) => (less(rest[b]!, rest[a]!) ? -1 : less(rest[a]!, rest[b]!) ? 1 : a - b));
  for (const s of ranks) if (spare-- > 0n) floors[s] = floors[s]! + 1n;
  return { total: rounded, parts: floors };
}

function floor({ n, d }: Ratio): bigint {
  return n < 0n && n % d !== 0n ? n / d - 1n : n / d;
}
