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
  const days = batch.days;
  const row = batch.rowBytes;
  const masks = batch.scratch;
  const scores = masks + (<usize>days << 4);
  const windows = scores + (<usize>days << 4);
  const everyDay = batch.rule == ALL && batch.lowDen == 0;
  const missing = splat<T>(sizeof<S>() == 2 ? -32768 : MISSING);
  const most = splat<T>(batch.most);
  const y1 = splat<T>(batch.y + 1);
  let outside = i32x4.splat(0);
  let n = i32x4.splat(0);
  let looked = 0;

  for (let first = batch.history + lane * sizeof<S>(); looked < days; first += batch.dayBytes) {
    const own = <usize>(looked++) << 4;
    let least = splat<T>(sizeof<T>() == 2 ? 0x7fff : i32.MAX_VALUE);
    let largest = i32x4.splat(0);
    let score = i32x4.splat(0);
    let window = i32x4.splat(0);
    let at = first;
    for (let s = batch.eventSlots; s > 0; s--, at += row) {
      const wh = reading<S, T>(at);
      least = lesser<T>(least, wh);
      if (sizeof<S>() == 4) largest = i32x4.max_s(largest, wh);
      if (!everyDay) score = plus<T>(score, wh);
    }
    for (let s = batch.windowSlots; s > 0; s--, at += row) {
      const wh = reading<S, T>(at);
      least = lesser<T>(least, wh);
      if (sizeof<S>() == 4) largest = i32x4.max_s(largest, wh);
      window = plus<T>(window, wh);
    }
    let eligible = v128.not(same<T>(least, missing));
    if (batch.excluded) eligible = v128.and(eligible, same<T>(flag<T>(batch.excluded + <usize>(looked - 1) * batch.stride + lane), i32x4.splat(0)));
    if (sizeof<T>() == 2) {
      const saturated = v128.or(same<T>(score, i32x4.splat(-1)), same<T>(window, i32x4.splat(-1)));
      outside = v128.or(outside, v128.and(eligible, v128.or(i16x8.shr_s(least, 15), saturated)));
    } else if (sizeof<S>() == 4) {
      outside = v128.or(outside, v128.and(eligible, v128.or(i32x4.gt_s(largest, most), i32x4.gt_s(i32x4.neg(most), least))));
    }
    n = v128.sub<T>(n, eligible);
    v128.store(masks + own, batch.lowDen ? eligible : v128.and(eligible, more<T>(y1, n)));
    v128.store(scores + own, score);
    v128.store(windows + own, window);
    if (batch.lowDen == 0 && v128.all_true<T>(more<T>(n, splat<T>(batch.y - 1)))) break;
  }
  if (sizeof<T>() == 2 && v128.any_true(outside)) return false;
  if (batch.lowDen) n = sizeof<T>() == 4 ? withoutLowUsage(batch, looked, masks, scores) : n;
  n = lesser<T>(n, splat<T>(batch.y));

  const dropped = batch.rule == MID ? batch.y - batch.x : 0;
  const from = (dropped + 1) >> 1;
  let to = v128.sub<T>(n, splat<T>(dropped >> 1));
  if (batch.rule < MID) to = lesser<T>(to, splat<T>(batch.x));
  const enough = v128.and(more<T>(n, splat<T>(batch.minDays - 1)), more<T>(to, splat<T>(from)));
  if (batch.rule != ALL) rank<T>(masks, scores, looked, from, to, batch.rule == LOW);

  // c[s] over the selected days, P over their windows.
  const sums = windows + (<usize>days << 4);
  let peak = i32x4.splat(0);
  for (let d: usize = 0; d < <usize>looked; d++) v128.store(masks + (d << 4), v128.and(v128.load(masks + (d << 4)), enough));
  for (let s: usize = 0; s < <usize>batch.eventSlots; s++) {
    let sum = i32x4.splat(0);
    let at = batch.history + s * row + lane * sizeof<S>();
    for (let mask = masks; mask < masks + (<usize>looked << 4); mask += 16, at += batch.dayBytes) {
      sum = plus<T>(sum, v128.and(reading<S, T>(at), v128.load(mask)));
    }
    v128.store(sums + (s << 4), sum);
    peak = sizeof<T>() == 2 ? v128.max<u16>(peak, sum) : i32x4.max_s(peak, i32x4.abs(sum));
  }
  if (sizeof<T>() == 2 && v128.any_true(same<T>(peak, i32x4.splat(-1)))) return false;

  const pieces = sums + (<usize>batch.eventSlots << 4); // rows: n, k, P, peak, outside; of u16 lanes each twice, low then high
  let low = i32x4.splat(0);
  let high = i32x4.splat(0);
  for (let at: usize = 0; at < <usize>looked << 4; at += 16) {
    const window = v128.and(v128.load(windows + at), v128.load(masks + at));
    low = i32x4.add(low, sizeof<T>() == 2 ? i32x4.extend_low_i16x8_u(window) : window);
    if (sizeof<T>() == 2) high = i32x4.add(high, i32x4.extend_high_i16x8_u(window));
  }
  piece<T>(pieces, n);
  piece<T>(pieces + 32, v128.and(v128.sub<T>(to, splat<T>(from)), enough));
  v128.store(pieces + 64, low);
  v128.store(pieces + 80, high);
  piece<T>(pieces + 96, peak);
  v128.store(pieces + 128, sizeof<T>() == 2 ? i32x4.splat(0) : outside);
  v128.store(pieces + 144, i32x4.splat(0));
  return true;
}

/*
 * While some d in S has score(d) |S| lowDen < lowNum sum(S), every such d leaves S and S is refilled from older days.
 * S are the first y of the days still eligible. All numbers are integers below 2^53, so f64 compares them exactly.
 * On return the masks hold S; the count of the days still eligible is given back.
 */
function withoutLowUsage(batch: Batch, days: i32, masks: usize, scores: usize): v128 {
  const y = i32x4.splat(batch.y);
  const lowNum = f64x2.splat(<f64>batch.lowNum);
  const lowDen = f64x2.splat(<f64>batch.lowDen);
  const end = masks + (<usize>days << 4);
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
function rank<T>(masks: usize, scores: usize, days: i32, from: i32, to: v128, rising: bool): void {
  const bytes = <usize>days << 4;
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

/** The upper two lanes of four, as the lower. */
@inline
export function upper(cells: v128): v128 {
  return i64x2.shuffle(cells, cells, 1, 0);
}

/** Masks of two and two f64 as the mask of four i32. */
@inline
export function both(low: v128, high: v128): v128 {
  return i32x4.shuffle(low, high, 0, 2, 4, 6);
}
