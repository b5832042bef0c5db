import { both, upper } from './batch-lanes';
import { Batch } from './batch-plan';
import { MISSING } from './columns';
import { ALL, LOW, MID } from './select';

/*
 * Eligible, candidate and selected days of one group of lanes, and their sums: golden RULES sections 3 and 4, a lane a meter.
 * S is a reading as it lies in the tile (i16, i32), T a cell of the arithmetic: u16 (8 lanes, for readings that are not negative and sums that
 * stay below 2^16 - 1) or i32 (4 lanes). Nothing is rounded here. Rows of the scratch are 16 bytes.
 *
 * Returns false when a u16 sum is saturated or a reading negative: the group is then done again in i32. In i32 a lane with a reading
 * beyond `batch.most` gets its mask in the `outside` row and is left to the exact core.
 */
export function daysOf<S, T>(batch: Batch, lane: usize): bool {
  const row = batch.rowBytes;
  const dayBytes = batch.dayBytes;
  const eventSlots = batch.eventSlots;
  const windowSlots = batch.windowSlots;
  const masks = batch.scratch;
  const rows = <usize>batch.days << 4;
  const scores = masks + rows;
  const windows = scores + rows;
  const refills = batch.lowDen != 0;
  const everyDay = batch.rule == ALL && !refills;
  const missing = splat<T>(sizeof<S>() == 2 ? -32768 : MISSING);
  const most = splat<T>(batch.most);
  const zero = i32x4.splat(0);
  const y = batch.y;
  const y1 = splat<T>(y + 1);
  const yLess = splat<T>(y - 1);
  let excluded = batch.excluded;
  if (excluded) excluded += lane;
  let outside = zero;
  let n = zero;
  let end: usize = 0;

  for (let first = batch.history + lane * sizeof<S>(); end < rows; first += dayBytes) {
    let least = splat<T>(sizeof<T>() == 2 ? 0x7fff : i32.MAX_VALUE);
    let largest = zero;
    let score = zero;
    let window = zero;
    let at = first;
    if (everyDay && sizeof<S>() == 2) {
      let s = eventSlots;
      for (; s >= 4; s -= 4, at += row << 2) {
        least = lesser<T>(least, lesser<T>(lesser<T>(reading<S, T>(at), reading<S, T>(at + row)),
          lesser<T>(reading<S, T>(at + (row << 1)), reading<S, T>(at + row * 3))));
      }
      for (; s > 0; s--, at += row) least = lesser<T>(least, reading<S, T>(at));
    } else {
      let s = eventSlots;
      for (; s >= 4 && sizeof<S>() == 2; s -= 4, at += row << 2) {
        const first = reading<S, T>(at);
        const second = reading<S, T>(at + row);
        const third = reading<S, T>(at + (row << 1));
        const fourth = reading<S, T>(at + row * 3);
        least = lesser<T>(least, lesser<T>(lesser<T>(first, second), lesser<T>(third, fourth)));
        score = plus<T>(score, plus<T>(plus<T>(first, second), plus<T>(third, fourth)));
      }
      for (; s > 0; s--, at += row) {
        const wh = reading<S, T>(at);
        least = lesser<T>(least, wh);
        if (sizeof<S>() == 4) largest = i32x4.max_s(largest, wh);
        score = plus<T>(score, wh);
      }
    }
    let w = windowSlots;
    for (; w >= 4 && sizeof<S>() == 2; w -= 4, at += row << 2) {
      const first = reading<S, T>(at);
      const second = reading<S, T>(at + row);
      const third = reading<S, T>(at + (row << 1));
      const fourth = reading<S, T>(at + row * 3);
      least = lesser<T>(least, lesser<T>(lesser<T>(first, second), lesser<T>(third, fourth)));
      window = plus<T>(window, plus<T>(plus<T>(first, second), plus<T>(third, fourth)));
    }
    for (; w > 0; w--, at += row) {
      const wh = reading<S, T>(at);
      least = lesser<T>(least, wh);
      if (sizeof<S>() == 4) largest = i32x4.max_s(largest, wh);
      window = plus<T>(window, wh);
    }
    let eligible = v128.not(same<T>(least, missing));
    if (excluded) {
      eligible = v128.and(eligible, same<T>(flag<T>(excluded), zero));
      excluded += batch.stride;
    }
    window = v128.and(window, eligible);
    if (sizeof<T>() == 2) {
      const saturated = v128.or(same<T>(v128.and(score, eligible), i32x4.splat(-1)), same<T>(window, i32x4.splat(-1)));
      outside = v128.or(outside, v128.or(v128.and(least, eligible), saturated)); // the sign says it
    } else if (sizeof<S>() == 4) {
      outside = v128.or(outside, v128.and(eligible, v128.or(i32x4.gt_s(largest, most), i32x4.gt_s(i32x4.neg(most), least))));
    }
    n = v128.sub<T>(n, eligible);
    v128.store(masks + end, refills ? eligible : v128.and(eligible, more<T>(y1, n)));
    v128.store(scores + end, score);
    v128.store(windows + end, window);
    end += 16;
    if (!refills && <i32>end >= y << 4 && v128.all_true<T>(more<T>(n, yLess))) break;
  }
  if (sizeof<T>() == 2 && v128.bitmask<i16>(outside) != 0) return false;
  if (sizeof<T>() == 4 && refills) n = withoutLowUsage(batch, end, masks, scores);
  n = lesser<T>(n, splat<T>(y));

  const dropped = batch.rule == MID ? y - batch.x : 0;
  const from = (dropped + 1) >> 1;
  let to = v128.sub<T>(n, splat<T>(dropped >> 1));
  if (batch.rule < MID) to = lesser<T>(to, splat<T>(batch.x));
  const enough = v128.and(more<T>(n, splat<T>(batch.minDays - 1)), more<T>(to, splat<T>(from)));
  if (batch.rule != ALL) rank<T>(masks, scores, end, from, to, batch.rule == LOW);

  // c[s] over the selected days, four slots at a time.
  const sums = windows + rows;
  let peak = zero;
  let s = 0;
  let sum = sums;
  let slot = batch.history + lane * sizeof<S>();
  for (; s <= eventSlots - 4; s += 4, slot += row << 2, sum += 64) {
    let c0 = zero;
    let c1 = zero;
    let c2 = zero;
    let c3 = zero;
    let at = slot;
    for (let mask = masks; mask < masks + end; mask += 16, at += dayBytes) {
      const taken = v128.load(mask);
      c0 = plus<T>(c0, v128.and(reading<S, T>(at), taken));
      c1 = plus<T>(c1, v128.and(reading<S, T>(at + row), taken));
      c2 = plus<T>(c2, v128.and(reading<S, T>(at + (row << 1)), taken));
      c3 = plus<T>(c3, v128.and(reading<S, T>(at + row * 3), taken));
    }
    v128.store(sum, c0);
    v128.store(sum, c1, 16);
    v128.store(sum, c2, 32);
    v128.store(sum, c3, 48);
    peak = larger<T>(larger<T>(larger<T>(larger<T>(peak, c0), c1), c2), c3);
  }
  for (; s < eventSlots; s++, slot += row, sum += 16) {
    let c = zero;
    let at = slot;
    for (let mask = masks; mask < masks + end; mask += 16, at += dayBytes) c = plus<T>(c, v128.and(reading<S, T>(at), v128.load(mask)));
    v128.store(sum, c);
    peak = larger<T>(peak, c);
  }
  if (sizeof<T>() == 2 && v128.any_true(same<T>(peak, i32x4.splat(-1)))) return false;

  let low = zero;
  let high = zero;
  for (let at: usize = 0; at < end; at += 16) {
    const window = v128.and(v128.load(windows + at), v128.load(masks + at));
    if (sizeof<T>() == 2) {
      low = i32x4.add(low, i32x4.extend_low_i16x8_u(window));
      high = i32x4.add(high, i32x4.extend_high_i16x8_u(window));
    } else low = i32x4.add(low, window);
  }
  const pieces = batch.pieces; // rows: n, k, P, peak, outside; of u16 lanes each twice, low then high
  piece<T>(pieces, n);
  piece<T>(pieces + 32, v128.and(v128.sub<T>(to, splat<T>(from)), enough));
  v128.store(pieces + 64, low);
  v128.store(pieces + 80, high);
  piece<T>(pieces + 96, peak);
  v128.store(pieces + 128, sizeof<T>() == 2 ? zero : outside);
  v128.store(pieces + 144, zero);
  return true;
}

/*
 * While some d in S has score(d) |S| lowDen < lowNum sum(S), every such d leaves S and S is refilled from older days.
 * S are the first y of the days still eligible. All numbers are integers below 2^53, so f64 compares them exactly.
 * On return the masks hold S; the count of the days still eligible is given back.
 */
function withoutLowUsage(batch: Batch, bytes: usize, masks: usize, scores: usize): v128 {
  const y = i32x4.splat(batch.y);
  const lowNum = f64x2.splat(<f64>batch.lowNum);
  const lowDen = f64x2.splat(<f64>batch.lowDen);
  const end = masks + bytes;
  while (true) {
    let n = i32x4.splat(0);
    let total = i32x4.splat(0);
    for (let mask = masks, score = scores; mask < end; mask += 16, score += 16) {
      n = i32x4.sub(n, v128.load(mask));
      total = i32x4.add(total, v128.and(v128.load(score), v128.andnot(v128.load(mask), i32x4.gt_s(n, y))));
    }
    const size = i32x4.min_s(n, y);
    const barLow = f64x2.mul(f64x2.convert_low_i32x4_s(total), lowNum);
    const barHigh = f64x2.mul(f64x2.convert_low_i32x4_s(upper(total)), lowNum);
    const sizeLow = f64x2.mul(f64x2.convert_low_i32x4_s(size), lowDen);
    const sizeHigh = f64x2.mul(f64x2.convert_low_i32x4_s(upper(size)), lowDen);
    let left = i32x4.splat(0);
    n = i32x4.splat(0);
    for (let mask = masks, score = scores; mask < end; mask += 16, score += 16) {
      const eligible = v128.load(mask);
      const own = v128.load(score);
      n = i32x4.sub(n, eligible);
      const below = both(f64x2.lt(f64x2.mul(f64x2.convert_low_i32x4_s(own), sizeLow), barLow),
        f64x2.lt(f64x2.mul(f64x2.convert_low_i32x4_s(upper(own)), sizeHigh), barHigh));
      const leaves = v128.and(below, v128.andnot(eligible, i32x4.gt_s(n, y)));
      left = v128.or(left, leaves);
      v128.store(mask, v128.andnot(eligible, leaves));
    }
    if (v128.any_true(left)) continue;
    n = i32x4.splat(0);
    for (let mask = masks; mask < end; mask += 16) {
      n = i32x4.sub(n, v128.load(mask));
      v128.store(mask, v128.andnot(v128.load(mask), i32x4.gt_s(n, y)));
    }
    return n;
  }
}

/** Keeps of the candidates in `masks` those whose rank by score, ties to the later day, lies in [from, to). */
function rank<T>(masks: usize, scores: usize, bytes: usize, from: i32, to: v128, rising: bool): void {
  // A key per day, larger is first; a day that is no candidate lies below every candidate.
  const none = splat<T>(sizeof<T>() == 2 ? -32768 : MISSING);
  for (let d: usize = 0; d < bytes; d += 16) {
    const score = v128.load(scores + d);
    let key: v128;
    if (sizeof<T>() == 2) key = rising ? v128.xor(score, splat<T>(0x7fff)) : v128.xor(i16x8.add(score, splat<T>(1)), none);
    else key = rising ? i32x4.neg(score) : score;
    v128.store(scores + d, v128.bitselect(key, none, v128.load(masks + d)));
  }
  for (let d: usize = 0; d < bytes; d += 16) {
    const own = v128.load(scores + d);
    let before = splat<T>(<i32>(d >> 4));
    for (let e: usize = 0; e < d; e += 16) before = v128.add<T>(before, more<T>(own, v128.load(scores + e)));
    for (let e = d + 16; e < bytes; e += 16) before = v128.sub<T>(before, more<T>(v128.load(scores + e), own));
    const taken = v128.and(more<T>(before, splat<T>(from - 1)), more<T>(to, before));
    v128.store(masks + d, v128.and(v128.load(masks + d), taken));
  }
}

/** A reading as a cell of the arithmetic. */
@inline
function reading<S, T>(at: usize): v128 {
  if (sizeof<S>() == sizeof<T>()) return v128.load(at);
  return v128.load16x4_s(at);
}

@inline
function splat<T>(value: i32): v128 {
  if (sizeof<T>() == 2) return i16x8.splat(<i16>value);
  return i32x4.splat(value);
}

@inline
function plus<T>(a: v128, b: v128): v128 {
  if (sizeof<T>() == 2) return i16x8.add_sat_u(a, b);
  return i32x4.add(a, b);
}

@inline
function lesser<T>(a: v128, b: v128): v128 {
  if (sizeof<T>() == 2) return i16x8.min_s(a, b);
  return i32x4.min_s(a, b);
}

/** Of the sizes of two sums. */
@inline
function larger<T>(peak: v128, sum: v128): v128 {
  if (sizeof<T>() == 2) return i16x8.max_u(peak, sum);
  return i32x4.max_s(peak, i32x4.abs(sum));
}

@inline
function more<T>(a: v128, b: v128): v128 {
  if (sizeof<T>() == 2) return i16x8.gt_s(a, b);
  return i32x4.gt_s(a, b);
}

@inline
function same<T>(a: v128, b: v128): v128 {
  if (sizeof<T>() == 2) return i16x8.eq(a, b);
  return i32x4.eq(a, b);
}

/** A byte per lane as a cell. */
@inline
function flag<T>(at: usize): v128 {
  const bytes = v128.load8x8_u(at);
  if (sizeof<T>() == 2) return bytes;
  return i32x4.extend_low_i16x8_u(bytes);
}

/** Stores a row of counts for the settling of 4 lanes at a time. */
@inline
function piece<T>(at: usize, cells: v128): void {
  if (sizeof<T>() == 2) {
    v128.store(at, i32x4.extend_low_i16x8_u(cells));
    v128.store(at, i32x4.extend_high_i16x8_u(cells), 16);
  } else v128.store(at, cells);
}
