import type { DayMatchingSpec } from '../../services/performance/spec.ts';

/*
 * The rules of golden/RULES.md §§3–6 said once more, as plainly as possible: one meter, lists and BigInt fractions, nothing shared with the
 * core but the words of the spec. Slow on purpose; it exists to disagree.
 */

/** n/d with d > 0, never reduced. */
export type Ratio = { readonly n: bigint; readonly d: bigint };

export type OracleDay = { readonly excluded: boolean; readonly event: (number | null)[]; readonly window: (number | null)[] };
export type OracleMeter = {
  /** Latest first. */
  readonly days: readonly OracleDay[];
  readonly actual: readonly (number | null)[];
  readonly actualWindow: readonly (number | null)[];
  readonly dark: readonly boolean[];
};

export type OracleAnswer = {
  readonly candidates: number[];
  readonly rejected: number[];
  readonly selected: number[];
  readonly missing: number;
  readonly dark: number;
  readonly outcome:
    | { readonly status: 'insufficient_days' | 'out_of_bounds' }
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
export function oracle(spec: DayMatchingSpec, meter: OracleMeter): OracleAnswer {
  const score = (d: number): Ratio => sum(meter.days[d]!.event.map((wh) => whole(wh!)));
  const eligible = meter.days.flatMap((day, d) => (day.excluded || [...day.event, ...day.window].includes(null) ? [] : [d]));

  // Candidates, with refill.
  const rejected: number[] = [];
  let candidates = eligible.slice(0, spec.y);
  while (spec.lowUsage && candidates.length > 0) {
    const bar = times(small(spec.lowUsage), mean(candidates.map(score)));
    const low = candidates.filter((d) => less(score(d), bar));
    if (low.length === 0) break;
    rejected.push(...low);
    candidates = eligible.filter((d) => !rejected.includes(d)).slice(0, spec.y);
  }
  rejected.sort((a, b) => a - b);

  // Selection: Array.sort is stable and candidates run from the latest, so a tie keeps the later day first.
  const falling = [...candidates].sort((a, b) => (less(score(b), score(a)) ? -1 : less(score(a), score(b)) ? 1 : 0));
  const rising = [...candidates].sort((a, b) => (less(score(a), score(b)) ? -1 : less(score(b), score(a)) ? 1 : 0));
  const dropped = spec.y - spec.x;
  const chosen = {
    high: () => falling.slice(0, spec.x),
    low: () => rising.slice(0, spec.x),
    all: () => candidates,
    mid: () => falling.slice(Math.ceil(dropped / 2), Math.max(0, falling.length - Math.floor(dropped / 2))),
  }[spec.select]();
  const enough = candidates.length >= spec.minDays && chosen.length > 0;
  const selected = enough ? [...chosen].sort((a, b) => a - b) : [];

  const dark = meter.dark.filter(Boolean).length;
  const missing = meter.actual.filter((wh, s) => wh === null && !meter.dark[s]).length;
  const common = { candidates, rejected, selected, missing, dark };
  if (!enough) return { ...common, outcome: { status: 'insufficient_days' } };

  const slotMean = (slot: number) => mean(selected.map((d) => whole(meter.days[d]!.event[slot]!)));
  const unadjusted = meter.actual.map((_, slot) => slotMean(slot));
  const flags = candidates.length < spec.y ? ['fewer_than_y_days'] : [];
  const shift = adjustment(spec, meter, selected, unadjusted);
  if (shift.flag) flags.push(shift.flag);
  const { kind } = spec.adjustment;
  const baseline = unadjusted.map((b) => {
    const moved = kind === 'additive' ? plus(b, shift.applied!) : kind === 'multiplicative' ? times(b, shift.applied!) : b;
    return spec.floorZero && kind !== 'none' ? greater(moved, ZERO) : moved;
  });
  const delivered = meter.actual.map((wh, slot) => {
    if (wh === null || meter.dark[slot]) return null;
    const saved = minus(baseline[slot]!, whole(wh));
    return spec.direction === 'reduce' ? saved : { n: -saved.n, d: saved.d };
  });
  const baselineTotal = sum(baseline);
  const deliveredTotal = sum(delivered.filter((wh) => wh !== null));
  const baselineWh = parts(baselineTotal, baseline);
  const deliveredWh = parts(deliveredTotal, delivered);
  if (!baselineWh || !deliveredWh) return { ...common, outcome: { status: 'out_of_bounds' } };
  const actualTotal = sum(meter.actual.filter((wh, slot) => wh !== null && !meter.dark[slot]).map((wh) => whole(wh!))).n;
  const { raw, applied, capped } = shift;
  return {
    ...common,
    outcome: {
      ...{ status: 'ok', flags, raw, applied, capped, baseline, delivered },
      ...{ baselineTotal, deliveredTotal, actualTotal, baselineWh, deliveredWh },
    },
  };
}

type Shift = { raw: Ratio | null; applied: Ratio | null; capped: boolean; flag: string | null };

function adjustment(spec: DayMatchingSpec, meter: OracleMeter, selected: readonly number[], unadjusted: readonly Ratio[]): Shift {
  const { kind, direction, lo, hi, cap } = spec.adjustment;
  if (kind === 'none') return { raw: null, applied: null, capped: false, flag: null };
  const idle = kind === 'additive' ? ZERO : ONE;
  if (meter.actualWindow.includes(null)) return { raw: null, applied: idle, capped: false, flag: 'adjustment_skipped_missing' };
  const observed = mean(meter.actualWindow.map((wh) => whole(wh!)));
  const reference = mean(selected.flatMap((d) => meter.days[d]!.window.map((wh) => whole(wh!))));
  if (kind === 'multiplicative' && (reference.n <= 0n || observed.n < 0n)) {
    return { raw: null, applied: idle, capped: false, flag: 'adjustment_skipped_nonpositive' };
  }
  const raw = kind === 'additive' ? minus(observed, reference) : over(observed, reference);
  const turned = direction === 'up_only' ? greater(raw, idle) : direction === 'down_only' ? smaller(raw, idle) : raw;
  let applied = turned;
  if (kind === 'additive' && cap) {
    const bound = times(small(cap), absolute(mean(unadjusted)));
    applied = greater(smaller(turned, bound), { n: -bound.n, d: bound.d });
  }
  if (kind === 'multiplicative') {
    if (lo) applied = greater(applied, small(lo));
    if (hi) applied = smaller(applied, small(hi));
  }
  return { raw, applied, capped: !equal(applied, turned), flag: null };
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
