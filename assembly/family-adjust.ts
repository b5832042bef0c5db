import { ADDITIVE, CAPPED, DOWN_ONLY, MULTIPLICATIVE, NONE, SKIPPED_MISSING, SKIPPED_NONPOSITIVE, UNOBSERVED, UP_ONLY } from './adjust';
import { MISSING } from './columns';
import {
  ADDITIVE_INSTEAD, CAP_DEN, CAP_NUM, CAP_WH_DEN, CAP_WH_NUM, CELLS, Family, FLOOR_ZERO, HI_DEN, HI_NUM, KIND, LIMIT_DIRECTION, LO_DEN,
  LO_NUM, NEAR_ZERO,
} from './family-columns';
import { add, copy, negate, negative, order, product, set, times, WIDE } from './wide';

// Bits of the flags column beside those of adjust.ts.
export const SHIFTED_INSTEAD: u8 = 32;
export const LIMITED: u8 = 64;

/*
 * With V, c[s], P of family-average.ts, N = V * spread the denominator of c, O the event day's own sum over the A window slots:
 *   baseline[s] = (c[s] * scale + shift) / den
 *   none            scale 1       shift 0                  den N
 *   additive        scale A       shift (V O - P) spread   den A N         z = (V O - P) / (A V)
 *     capped by f   scale W fd    shift +-fn |sum c|       den W fd N      |z| <= f |sum c| / (W N), f = fn/fd
 *     capped by h   scale q       shift +-p N              den q N         |z| <= h Wh a slot, h = p/q; the tighter of both caps holds
 *   multiplicative  scale O       shift 0                  den P spread    r = V O / P
 *     clamped p/q   scale p       shift 0                  den q N
 * Direction before cap. A ratio has no meaning where O < 0 or P / (A V) <= NEAR_ZERO Wh: it is left at 1, or a shift takes its place.
 * Then max(0, .) if FLOOR_ZERO and an adjustment is configured, and min(., limit) where the lane has a limit.
 */
export function adjustDays(f: Family, m: i32, spread: i64): void {
  const lane = <usize>m * WIDE;
  const ownWeight = f.weightSum + lane;
  const ownDenominator = f.unadjustedDenominator + lane;
  const reference = f.reference + lane;
  const appliedNum = f.applied + lane;
  const appliedDen = f.applied + <usize>f.meters * WIDE + lane;
  const den = f.denominator + lane;
  const shift = f.scratch + CELLS;
  const observed = load<i64>(f.observed + (<usize>m << 3));
  let kind = f.term(KIND);
  let flag: u8 = 0;
  let scale: i64 = 1;
  set(shift, 0);
  copy(den, ownDenominator);
  set(appliedNum, kind == MULTIPLICATIVE ? 1 : 0);
  set(appliedDen, kind == NONE ? 0 : 1);
  if (kind != NONE && observed == UNOBSERVED) {
    flag = SKIPPED_MISSING;
    kind = NONE;
  } else if (kind == MULTIPLICATIVE && (observed < 0 || nearZero(f, ownWeight, reference))) {
    flag = f.term(ADDITIVE_INSTEAD) == 1 ? SHIFTED_INSTEAD : SKIPPED_NONPOSITIVE;
    kind = f.term(ADDITIVE_INSTEAD) == 1 ? ADDITIVE : NONE;
  }
  raise(f, m, flag);
  if (kind == ADDITIVE) scale = shifted(f, m, spread, observed);
  else if (kind == MULTIPLICATIVE) scale = ratio(f, m, spread, observed);

  const total = f.baselineTotal + lane;
  const limit = load<i32>(f.limit + (<usize>m << 2));
  const bound = shift + WIDE;
  copy(bound, den);
  times(bound, limit == MISSING ? 0 : limit);
  set(total, 0);
  for (let s = 0; s < f.eventSlots; s++) {
    const own = f.baseline + <usize>(s * f.meters + m) * WIDE;
    copy(own, f.unadjusted + <usize>(s * f.meters + m) * WIDE);
    times(own, scale);
    add(own, shift);
    if (f.term(FLOOR_ZERO) == 1 && f.term(KIND) != NONE && negative(own)) set(own, 0);
    if (limit != MISSING && order(own, bound) > 0) {
      copy(own, bound);
      raise(f, m, LIMITED);
    }
    add(total, own);
  }
}

function raise(f: Family, m: i32, flag: u8): void {
  store<u8>(f.flags + m, load<u8>(f.flags + m) | flag);
}

/** P <= NEAR_ZERO * A * V */
function nearZero(f: Family, ownWeight: usize, reference: usize): bool {
  const bar = f.scratch + CELLS + WIDE;
  copy(bar, ownWeight);
  times(bar, <i64>f.term(NEAR_ZERO) * f.windowSlots);
  return order(reference, bar) <= 0;
}

/** Sets raw, applied, shift and den of a shift; gives scale. */
function shifted(f: Family, m: i32, spread: i64, observed: i64): i64 {
  const lane = <usize>m * WIDE;
  const second = <usize>f.meters * WIDE + lane;
  const shift = f.scratch + CELLS;
  const left = shift + WIDE;
  const right = left + WIDE;
  const size = right + WIDE;
  const den = f.denominator + lane;
  const ownDenominator = f.unadjustedDenominator + lane;
  // z = shift / (A V)
  copy(shift, f.weightSum + lane);
  times(shift, observed);
  copy(left, f.reference + lane);
  negate(left);
  add(shift, left);
  copy(f.raw + lane, shift);
  copy(f.raw + second, f.weightSum + lane);
  times(f.raw + second, f.windowSlots);
  const direction = f.term(LIMIT_DIRECTION);
  if ((direction == UP_ONLY && negative(shift)) || (direction == DOWN_ONLY && !negative(shift))) set(shift, 0);
  copy(f.applied + lane, shift);
  copy(f.applied + second, f.raw + second);
  const below = negative(shift);
  const capDen = f.term(CAP_DEN);
  const whDen = f.term(CAP_WH_DEN);
  let scale: i64 = 0; // 0 = neither cap holds

  // |V O - P| over A V is compared as |V O - P| spread over A N.
  copy(size, shift);
  if (below) negate(size);
  times(size, spread);
  const byShare = size + WIDE; // fn |sum c|
  const perShare = <i64>capDen * f.eventSlots;
  if (capDen != 0) {
    set(byShare, 0);
    for (let s = 0; s < f.eventSlots; s++) add(byShare, f.unadjusted + <usize>(s * f.meters + m) * WIDE);
    if (negative(byShare)) negate(byShare);
    times(byShare, f.term(CAP_NUM));
    copy(left, size);
    times(left, perShare);
    copy(right, byShare);
    times(right, f.windowSlots);
    if (order(left, right) > 0) scale = perShare;
  }
  let byWh = false;
  if (whDen != 0) {
    // against z itself, or against the bound that already holds: p N perShare < fn |sum c| q
    copy(left, scale == 0 ? size : byShare);
    times(left, whDen);
    copy(right, ownDenominator);
    times(right, scale == 0 ? <i64>f.term(CAP_WH_NUM) * f.windowSlots : <i64>f.term(CAP_WH_NUM));
    if (scale != 0) times(right, perShare);
    if (order(left, right) > 0) {
      byWh = true;
      scale = whDen;
    }
  }
  if (scale == 0) {
    times(shift, spread);
    copy(den, ownDenominator);
    times(den, f.windowSlots);
    return f.windowSlots;
  }
  if (byWh) {
    copy(shift, ownDenominator);
    times(shift, f.term(CAP_WH_NUM));
  } else copy(shift, byShare);
  if (below) negate(shift);
  copy(den, ownDenominator);
  times(den, scale);
  copy(f.applied + lane, shift);
  copy(f.applied + second, den);
  raise(f, m, CAPPED);
  return scale;
}

/** Sets raw, applied and den of a ratio; gives scale. */
function ratio(f: Family, m: i32, spread: i64, observed: i64): i64 {
  const lane = <usize>m * WIDE;
  const second = <usize>f.meters * WIDE + lane;
  const num = f.applied + lane;
  const rden = f.applied + second;
  const den = f.denominator + lane;
  copy(num, f.weightSum + lane);
  times(num, observed);
  copy(rden, f.reference + lane);
  copy(f.raw + lane, num);
  copy(f.raw + second, rden);
  const against = order(num, rden);
  const direction = f.term(LIMIT_DIRECTION);
  const kept = (direction == UP_ONLY && against < 0) || (direction == DOWN_ONLY && against > 0);
  if (kept) {
    set(num, 1);
    set(rden, 1);
  }
  const lo = f.term(LO_DEN) != 0 && beside(f, num, rden, f.term(LO_NUM), f.term(LO_DEN)) < 0;
  const hi = !lo && f.term(HI_DEN) != 0 && beside(f, num, rden, f.term(HI_NUM), f.term(HI_DEN)) > 0;
  if (lo || hi) {
    const p = f.term(lo ? LO_NUM : HI_NUM);
    const q = f.term(lo ? LO_DEN : HI_DEN);
    set(num, p);
    set(rden, q);
    times(den, q); // den is N on entry
    raise(f, m, CAPPED);
    return p;
  }
  if (kept) return 1;
  copy(den, f.reference + lane);
  times(den, spread);
  return observed;
}

/** -1, 0, 1 as num / den is below, equal to, above p / q. */
function beside(f: Family, num: usize, den: usize, p: i32, q: i32): i32 {
  const left = f.scratch + CELLS + WIDE;
  const right = left + WIDE;
  copy(left, num);
  times(left, q);
  copy(right, den);
  times(right, p);
  return order(left, right);
}
