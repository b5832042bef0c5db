import { MISSING } from './columns';
import { CELLS, CHOSEN, Family, PRESENT, WEIGHTING, WEIGHTS } from './family-columns';
import { LIST_BY_RANK } from './family-weigh';
import { add, copy, set, times, WIDE } from './wide';

/*
 * V     = sum over the n selected days of w[d]
 * c[s]  = sum over the selected days d that have slot s of w[d] L[d][s];     unadjusted baseline of s = c[s] / (sum of those w[d])   Wh
 * P     = sum over the selected days and the A window slots of w[d] L[d][u]
 * All slots are brought over one denominator: V without gaps; with gaps (equal weights only) V = n and the denominator is
 * lcm(n, days that have slot 0, ... slot W - 1) = n * spread. Returns `spread`; 0 = a slot no selected day has, -1 = the lcm passes 2^62.
 */
export function averageDays(f: Family, m: i32, n: i32): i64 {
  const meters = f.meters;
  const slots = f.eventSlots + f.windowSlots + f.rankSlots;
  const chosen = f.scratch + CHOSEN;
  const part = f.scratch + CELLS;
  const total = f.weightSum + <usize>m * WIDE;
  const reference = f.reference + <usize>m * WIDE;
  const byRank = f.term(WEIGHTING) == LIST_BY_RANK;
  set(total, 0);
  set(reference, 0);
  for (let s = 0; s < f.eventSlots; s++) {
    set(f.unadjusted + <usize>(s * meters + m) * WIDE, 0);
    store<i64>(f.scratch + PRESENT + (<usize>s << 3), 0);
  }
  for (let i = 0; i < n; i++) {
    const d = load<i32>(chosen + (i << 2));
    const own = f.weight + <usize>(d * meters + m) * WIDE;
    copy(own, f.scratch + WEIGHTS + <usize>(byRank ? i : laterThan(chosen, n, d)) * WIDE);
    add(total, own);
    const row = f.history + (<usize>(d * slots * meters + m) << 2);
    let window: i64 = 0;
    for (let s = 0; s < f.eventSlots + f.windowSlots; s++) {
      const wh = load<i32>(row + (<usize>(s * meters) << 2));
      if (s >= f.eventSlots) window += wh;
      else if (wh != MISSING) {
        copy(part, own);
        times(part, wh);
        add(f.unadjusted + <usize>(s * meters + m) * WIDE, part);
        const present = f.scratch + PRESENT + (<usize>s << 3);
        store<i64>(present, load<i64>(present) + 1);
      }
    }
    copy(part, own);
    times(part, window);
    add(reference, part);
  }
  return overOne(f, m, n);
}

function overOne(f: Family, m: i32, n: i32): i64 {
  let common: i64 = n;
  for (let s = 0; s < f.eventSlots; s++) {
    const present = load<i64>(f.scratch + PRESENT + (<usize>s << 3));
    if (present == 0) return 0;
    const step = present / divisor(common, present);
    if (common > (1 << 62) / step) return -1;
    common *= step;
  }
  const spread = common / n;
  const denominator = f.unadjustedDenominator + <usize>m * WIDE;
  copy(denominator, f.weightSum + <usize>m * WIDE);
  // Gaps come with equal weights only: then V is n, and a slot's weights are a count.
  if (spread != 1) times(denominator, spread);
  for (let s = 0; s < f.eventSlots; s++) {
    const present = load<i64>(f.scratch + PRESENT + (<usize>s << 3));
    if (present != common) times(f.unadjusted + <usize>(s * f.meters + m) * WIDE, common / present);
  }
  return spread;
}

/** How many selected days are later than day row d: its place in order of recency. */
function laterThan(chosen: usize, n: i32, d: i32): i32 {
  let later = 0;
  for (let i = 0; i < n; i++) later += i32(load<i32>(chosen + (i << 2)) < d);
  return later;
}

function divisor(a: i64, b: i64): i64 {
  while (b != 0) {
    const rest = a % b;
    a = b;
    b = rest;
  }
  return a;
}
