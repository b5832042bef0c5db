import { MISSING } from './columns';
import { CANDIDATE, ELIGIBLE, REJECTED, SELECTED } from './eligible';
import { order, product } from './exact';
import {
  CELLS, CHOSEN, EVENT_GAPS, Family, LOW_DEN, LOW_NUM, MIN_DAYS, RANK_GAPS, RANK_ON, REFILL, RULE, X, Y,
} from './family-columns';
import { ALL, FEWER_THAN_Y_DAYS, LOW, MID } from './select';

/** A rule beside those of select.ts: the days whose rank slots lie nearest to the event day's. */
export const NEAREST: i32 = 4;

/** Values of the state column: what an event was called on counts only for a refill. */
const COUNTS: u8 = 0;
const EVENT_DAY: u8 = 2;

/** A bit of the day column beside those of eligible.ts. */
export const REFILLED: u8 = 16;

// Bits of the flags column beside those of adjust.ts.
export const REFILLED_WITH_EVENT_DAYS: u8 = 16;
export const GAPS_TOLERATED: u8 = 128;

/*
 * eligible: not excluded; at most EVENT_GAPS of the W event slots missing, none of the A window slots, at most RANK_GAPS of the R rank slots
 * score[d] = sum over the present event slots,  n[d] = how many;         Wh
 * rank[d]  = sum over the present rank slots of L[d][u], or of |L[d][u] - A[u]| (NEAREST; slots the event day lacks count for no day),
 *            or score[d] where the rule ranks on the event window; with its own n. Days are compared by their mean: r1 n2 against r2 n1.
 * candidates: the Y latest; while some score(d) / n(d) < t * sum(score) / sum(n), those d leave and older days come in (select.ts)
 * refill: fewer than MIN_DAYS candidates -> the event days with the highest score / n, until there are MIN_DAYS
 * selected: as in select.ts by rank; NEAREST: the first X by rank rising. Ties everywhere: the later day first.
 * source: facts, baselines 4.1; CAISO's refill with the highest event days; PJM's match day.
 *
 * The selected rows stand in CHOSEN in rank order (latest first for ALL). Returns how many; 0 = too few.
 */
export function chooseDays(f: Family, m: i32): i32 {
  const list = f.scratch + CHOSEN;
  const tolerated = lookAt(f, m);
  let n = candidates(f, m, list);
  let flags: u8 = 0;
  if (n < f.term(MIN_DAYS) && f.term(REFILL) == 1) {
    const before = n;
    n = refill(f, m, list, n);
    if (n > before) flags |= REFILLED_WITH_EVENT_DAYS;
  }
  for (let i = 0; i < n; i++) mark(f, m, load<i32>(list + (i << 2)), CANDIDATE);

  const rule = f.term(RULE);
  const y = f.term(Y);
  const dropped = rule == MID ? y - f.term(X) : 0;
  const from = (dropped + 1) >> 1;
  let to = n - (dropped >> 1);
  if (rule != MID && rule != ALL && to > f.term(X)) to = f.term(X);
  if (n < f.term(MIN_DAYS) || to <= from) return 0;
  if (n < y) flags |= FEWER_THAN_Y_DAYS;
  if (rule != ALL) sortBy(f.rank, f.rankSlotCount, list, n, rule == LOW || rule == NEAREST, f.meters, m);
  for (let i = from; i < to; i++) {
    const d = load<i32>(list + (i << 2));
    store<i32>(list + ((i - from) << 2), d);
    mark(f, m, d, SELECTED);
    if (tolerated && load<i32>(f.scoreSlots + ((d * f.meters + m) << 2)) < f.eventSlots) flags |= GAPS_TOLERATED;
  }
  store<u8>(f.flags + m, load<u8>(f.flags + m) | flags);
  return to - from;
}

/** Fills day, score and rank of every day; whether gaps are tolerated at all. */
function lookAt(f: Family, m: i32): bool {
  const meters = f.meters;
  const eventSlots = f.eventSlots;
  const windowSlots = f.windowSlots;
  const slots = eventSlots + windowSlots + f.rankSlots;
  const nearest = f.term(RULE) == NEAREST;
  const onSlots = f.term(RANK_ON) == 1;
  const eventGaps = f.term(EVENT_GAPS);
  const rankGaps = f.term(RANK_GAPS);
  for (let d = 0; d < f.days; d++) {
    const lane = <usize>(d * meters + m);
    const row = f.history + (<usize>(d * slots * meters + m) << 2);
    let score: i64 = 0;
    let present = 0;
    for (let s = 0; s < eventSlots; s++) {
      const wh = load<i32>(row + (<usize>(s * meters) << 2));
      if (wh == MISSING) continue;
      score += wh;
      present++;
    }
    let whole = present > 0 && present >= eventSlots - eventGaps;
    for (let s = eventSlots; s < eventSlots + windowSlots; s++) whole = whole && load<i32>(row + (<usize>(s * meters) << 2)) != MISSING;
    let rank = score;
    let compared = present;
    if (onSlots) {
      rank = 0;
      compared = 0;
      let gaps = 0;
      for (let s = eventSlots + windowSlots; s < slots; s++) {
        const now = load<i32>(f.actual + (<usize>(s * meters + m) << 2));
        if (nearest && now == MISSING) continue;
        const wh = load<i32>(row + (<usize>(s * meters) << 2));
        if (wh == MISSING) {
          gaps++;
          continue;
        }
        const apart = <i64>wh - <i64>now;
        rank += nearest ? (apart < 0 ? -apart : apart) : <i64>wh;
        compared++;
      }
      whole = whole && compared > 0 && gaps <= rankGaps;
    }
    const state = load<u8>(f.state + lane);
    store<u8>(f.day + lane, whole && state == COUNTS ? ELIGIBLE : whole && state == EVENT_DAY ? REFILLED : 0);
    store<i64>(f.score + (lane << 3), whole ? score : 0);
    store<i32>(f.scoreSlots + (lane << 2), whole ? present : 0);
    store<i64>(f.rank + (lane << 3), whole ? rank : 0);
    store<i32>(f.rankSlotCount + (lane << 2), whole ? compared : 0);
  }
  return eventGaps > 0;
}

/** The latest Y eligible days that are not rejected as low usage. */
function candidates(f: Family, m: i32, list: usize): i32 {
  const meters = f.meters;
  const days = f.days;
  const left = f.scratch + CELLS;
  const right = left + 16;
  const lowDen = f.term(LOW_DEN);
  let n = 0;
  let next = 0;
  let sum: i64 = 0;
  let slots: i64 = 0;
  while (true) {
    for (; next < days && n < f.term(Y); next++) {
      const lane = <usize>(next * meters + m);
      if (load<u8>(f.day + lane) != ELIGIBLE) continue;
      store<i32>(list + (n++ << 2), next);
      sum += load<i64>(f.score + (lane << 3));
      slots += load<i32>(f.scoreSlots + (lane << 2));
    }
    if (lowDen == 0) return n;
    const size = n;
    const total = sum;
    const all = slots;
    n = 0;
    for (let i = 0; i < size; i++) {
      const d = load<i32>(list + (i << 2));
      const lane = <usize>(d * meters + m);
      const own = load<i64>(f.score + (lane << 3));
      const present = load<i32>(f.scoreSlots + (lane << 2));
      product(left, own * all, <i64>lowDen); // < 2^38 * 2^15 * 2^30
      product(right, total, <i64>f.term(LOW_NUM) * present); // < 2^46 * 2^37
      if (order(left, right) < 0) {
        store<u8>(f.day + lane, ELIGIBLE | REJECTED);
        sum -= own;
        slots -= present;
      } else store<i32>(list + (n++ << 2), d);
    }
    if (n == size) return n;
  }
}

/** Event days by score falling until there are MIN_DAYS; the list stays in order of days. */
function refill(f: Family, m: i32, list: usize, n: i32): i32 {
  const meters = f.meters;
  const days = f.days;
  while (n < f.term(MIN_DAYS)) {
    let best = -1;
    for (let d = 0; d < days; d++) {
      if (load<u8>(f.day + d * meters + m) != REFILLED) continue;
      if (best < 0 || compare(f.score, f.scoreSlots, d * meters + m, best * meters + m) > 0) best = d;
    }
    if (best < 0) return n;
    store<u8>(f.day + best * meters + m, ELIGIBLE | REFILLED);
    let i = n++;
    for (; i > 0 && load<i32>(list + ((i - 1) << 2)) > best; i--) store<i32>(list + (i << 2), load<i32>(list + ((i - 1) << 2)));
    store<i32>(list + (i << 2), best);
  }
  return n;
}

function mark(f: Family, m: i32, d: i32, bit: u8): void {
  const at = f.day + d * f.meters + m;
  store<u8>(at, load<u8>(at) | bit);
}

/** -1, 0, 1 as the mean of cell a is below, equal to, above that of cell b. |sum| < 2^41, counts < 2^9. */
function compare(sums: usize, counts: usize, a: i32, b: i32): i32 {
  const left = load<i64>(sums + (<usize>a << 3)) * load<i32>(counts + (<usize>b << 2));
  const right = load<i64>(sums + (<usize>b << 3)) * load<i32>(counts + (<usize>a << 2));
  return left < right ? -1 : left > right ? 1 : 0;
}

/** Insertion sort of day rows by mean, stable. */
function sortBy(sums: usize, counts: usize, list: usize, n: i32, rising: bool, meters: i32, m: i32): void {
  for (let i = 1; i < n; i++) {
    const d = load<i32>(list + (i << 2));
    let j = i;
    for (; j > 0; j--) {
      const before = load<i32>(list + ((j - 1) << 2));
      const above = compare(sums, counts, d * meters + m, before * meters + m);
      if (rising ? above >= 0 : above <= 0) break;
      store<i32>(list + (j << 2), before);
    }
    store<i32>(list + (j << 2), d);
  }
}
