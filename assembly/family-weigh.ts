import { INIT, LAMBDA_DEN, LAMBDA_NUM, WEIGHTING, WEIGHTS, WEIGHTS_OF, Family } from './family-columns';
import { set, times, WIDE, withinWeights } from './wide';

export const EQUAL: i32 = 0;
export const LIST_BY_RECENCY: i32 = 1;
export const LIST_BY_RANK: i32 = 2;
export const EWMA: i32 = 3;

/*
 * Weights of n selected days as integers over one sum, in order of recency (LIST_BY_RANK: of rank), i = 0 first:
 *   EQUAL   w[i] = 1
 *   LIST    w[i] = list[i]
 *   EWMA    the mean of the `init` oldest, then B = (1 - l) B + l L day by day, l = p/q; with k = max(0, n - init):
 *           w[i] = init p (q - p)^i q^(k - 1 - i) for i < k, (q - p)^k for the init oldest; their sum is init q^k   (n <= init: all 1)
 * They lie in WEIGHTS, kept from lane to lane while n stays the same. False when a weight leaves the bound of wide.ts.
 * source: ISO-NE's 90/10 baseline is l = 1/10, init 5.
 */
export function weigh(f: Family, n: i32): bool {
  const weights = f.scratch + WEIGHTS;
  if (load<i32>(f.scratch + WEIGHTS_OF) == n) return true;
  store<i32>(f.scratch + WEIGHTS_OF, -1);
  const weighting = f.term(WEIGHTING);
  const init = f.term(INIT);
  const p = f.term(LAMBDA_NUM);
  const q = f.term(LAMBDA_DEN);
  const recursive = weighting == EWMA && n > init ? n - init : 0;
  for (let i = 0; i < n; i++) {
    const cell = weights + <usize>i * WIDE;
    if (weighting == LIST_BY_RECENCY || weighting == LIST_BY_RANK) {
      set(cell, load<i32>(f.list + (i << 2)));
      continue;
    }
    set(cell, 1);
    if (recursive == 0) continue;
    const newer = i < recursive ? i : recursive; // days that came after and shrank this one
    if (!power(cell, q - p, newer)) return false;
    if (i >= recursive) continue;
    times(cell, <i64>init * p);
    if (!withinWeights(cell) || !power(cell, q, recursive - 1 - i)) return false;
  }
  if (recursive > 0) {
    const sum = weights + <usize>n * WIDE; // one cell beyond the last weight: n <= 256 leaves it free
    set(sum, init);
    if (!power(sum, q, recursive)) return false;
  }
  store<i32>(f.scratch + WEIGHTS_OF, n);
  return true;
}

/** cell = cell * base^exponent, false as soon as it leaves the bound. */
function power(cell: usize, base: i64, exponent: i32): bool {
  for (let i = 0; i < exponent; i++) {
    times(cell, base);
    if (!withinWeights(cell)) return false;
  }
  return true;
}
