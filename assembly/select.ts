import { CANDIDATE, ELIGIBLE, REJECTED, SELECTED } from './eligible';
import { order, product } from './exact';

export const HIGH: i32 = 0;
export const LOW: i32 = 1;
export const MID: i32 = 2;
export const ALL: i32 = 3;

export const OK: u8 = 0;
export const INSUFFICIENT_DAYS: u8 = 1;
export const OUT_OF_BOUNDS: u8 = 2;

export const FEWER_THAN_Y_DAYS: u8 = 1;

/*
 * S = the y most recent eligible days. Threshold t = lowNum/lowDen: while some d in S has score(d) < t * mean(S), that is
 *     score(d) * |S| * lowDen < lowNum * sum(S),
 * every such d leaves S at once and S is refilled from older days.
 * high / low: the first x of S by score falling / rising; mid: by score falling without the first ceil((y-x)/2) and the last floor((y-x)/2);
 * all: S. Ties everywhere: the later day first; rows run from the latest day, so a stable sort keeps it.
 * source: golden RULES sections 3 and 4.
 */
export function select(meters: i32, days: i32, rule: i32, x: i32, y: i32, minDays: i32, lowNum: i32, lowDen: i32,
  day: usize, score: usize, status: usize, flags: usize, count: usize, scratch: usize): void {
  const left = scratch;
  const right = scratch + 16;
  const list = scratch + 32; // i32 day indexes of S
  for (let m = 0; m < meters; m++) {
    let n = 0;
    let next = 0;
    let sum: i64 = 0;
    while (true) {
      for (; next < days && n < y; next++) {
        if (load<u8>(day + next * meters + m) != ELIGIBLE) continue;
        store<i32>(list + (n++ << 2), next);
        sum += load<i64>(score + ((next * meters + m) << 3));
      }
      if (lowDen == 0) break;
      const size = n;
      const total = sum;
      n = 0;
      product(right, total, <i64>lowNum);
      for (let i = 0; i < size; i++) {
        const d = load<i32>(list + (i << 2));
        const own = load<i64>(score + ((d * meters + m) << 3));
        product(left, own * <i64>size, <i64>lowDen);
        if (order(left, right) < 0) {
          store<u8>(day + d * meters + m, ELIGIBLE | REJECTED);
          sum -= own;
        } else store<i32>(list + (n++ << 2), d);
      }
      if (n == size) break;
    }
    for (let i = 0; i < n; i++) store<u8>(day + load<i32>(list + (i << 2)) * meters + m, ELIGIBLE | CANDIDATE);

    const dropped = rule == MID ? y - x : 0;
    const from = (dropped + 1) >> 1;
    let to = n - (dropped >> 1);
    if ((rule == HIGH || rule == LOW) && to > x) to = x;
    const enough = n >= minDays && to > from;
    store<u8>(status + m, enough ? OK : INSUFFICIENT_DAYS);
    store<u8>(flags + m, enough && n < y ? FEWER_THAN_Y_DAYS : 0);
    store<i32>(count + (m << 2), enough ? to - from : 0);
    if (!enough) continue;
    if (rule != ALL) rank(list, n, rule == LOW, score, meters, m);
    for (let i = from; i < to; i++) store<u8>(day + load<i32>(list + (i << 2)) * meters + m, ELIGIBLE | CANDIDATE | SELECTED);
  }
}

/** Insertion sort of day indexes by score, stable; some tens of days, so nothing cleverer pays. */
function rank(list: usize, n: i32, rising: bool, score: usize, meters: i32, m: i32): void {
  for (let i = 1; i < n; i++) {
    const d = load<i32>(list + (i << 2));
    const own = load<i64>(score + ((d * meters + m) << 3));
    let j = i;
    for (; j > 0; j--) {
      const before = load<i32>(list + ((j - 1) << 2));
      const other = load<i64>(score + ((before * meters + m) << 3));
      if (rising ? other <= own : other >= own) break;
      store<i32>(list + (j << 2), before);
    }
    store<i32>(list + (j << 2), d);
  }
}
