import { ADDITIVE, CAPPED, DOWN_ONLY, MULTIPLICATIVE, NONE, SKIPPED_MISSING, SKIPPED_NONPOSITIVE, UP_ONLY } from './adjust';
import { both, upper } from './batch-days';
import { Batch } from './batch-plan';
import { MISSING } from './columns';
import { INCREASE } from './deliver';
import { FEWER_THAN_Y_DAYS, INSUFFICIENT_DAYS } from './select';

/** 1.5 * 2^23: added to a small f32 it leaves the nearest integer in the low bits. */
const NEAREST: f32 = 12582912;
const NEAREST_BITS: i32 = 0x4b400000;
/** Largest |baseline| of a slot, Wh, for which the estimate of its quotient is within one of the floor. */
const LARGEST_BASELINE: f32 = 1048576;

/*
 * Adjustment, delivery and whole Wh of 4 lanes (formulas: adjust.ts, deliver.ts, apportion.ts). S: reading in the tile, T: cell of the sums,
 * `half` which 4 of 8 lanes when T is u16.
 *
 * baseline[s] = (c[s] scale + shift) / den. Its floor q is guessed in f32 and its remainder r = c scale + shift - q den taken in i32, which is
 * exact modulo 2^32; a guess is at most one too high, and then r < 0 says so. Proof: f32 has a relative error u = 2^-24 an operation, at most
 * six lie between the integers and the guess, so with |c scale / den| + |shift / den| <= 2^20 it is off by less than 6 * 2^20 u + 1/2 < 7/8.
 * With den < 2^(31 - slotBits) a remainder and its slot's number fit one i32, the sort key of the largest remainder.
 * A lane outside these bounds is left to the exact core: it is listed in REDONE.
 */
export function settle<S, T>(batch: Batch, lane: usize, half: usize): void {
  const zero = i32x4.splat(0);
  const one = i32x4.splat(1);
  const eventSlots = <usize>batch.eventSlots;
  const row = batch.rowBytes;
  const sums = batch.scratch + (<usize>batch.days * 3 << 4) + half * 8;
  const pieces = batch.scratch + ((<usize>batch.days * 3 + eventSlots) << 4) + half * 16;
  const n = v128.load(pieces);
  const k = v128.load(pieces + 32);
  const p = v128.load(pieces + 64);
  const peak = f32x4.convert_i32x4_s(v128.load(pieces + 96));
  let outside = v128.load(pieces + 128);
  const settled = i32x4.gt_s(k, zero);

  // The event day's own window.
  const missing = i32x4.splat(sizeof<S>() == 2 ? -32768 : MISSING);
  const most = i32x4.splat(batch.most);
  let o = zero;
  let unobserved = zero;
  let at = batch.actual + eventSlots * row + lane * sizeof<S>();
  for (let s = batch.windowSlots; s > 0; s--, at += row) {
    const wh = narrowReading<S>(at);
    unobserved = v128.or(unobserved, i32x4.eq(wh, missing));
    if (sizeof<S>() == 4) outside = v128.or(outside, beyond(wh, most, missing));
    o = i32x4.add(o, wh);
  }

  let flags = v128.and(i32x4.gt_s(i32x4.splat(batch.y), n), i32x4.splat(FEWER_THAN_Y_DAYS));
  let scale = one;
  let den = k;
  let shift = zero;
  let g = zero; // shift / den, f32
  if (batch.kind != NONE) {
    let skipped = unobserved;
    flags = v128.or(flags, v128.and(unobserved, i32x4.splat(SKIPPED_MISSING)));
    const kLow = f64x2.convert_low_i32x4_s(k);
    const kHigh = f64x2.convert_low_i32x4_s(upper(k));
    const pLow = f64x2.convert_low_i32x4_s(p);
    const pHigh = f64x2.convert_low_i32x4_s(upper(p));
    const koLow = f64x2.mul(kLow, f64x2.convert_low_i32x4_s(o));
    const koHigh = f64x2.mul(kHigh, f64x2.convert_low_i32x4_s(upper(o)));
    let kept = zero;
    if (batch.adjustDirection == UP_ONLY) kept = both(f64x2.lt(koLow, pLow), f64x2.lt(koHigh, pHigh));
    if (batch.adjustDirection == DOWN_ONLY) kept = both(f64x2.gt(koLow, pLow), f64x2.gt(koHigh, pHigh));
    if (batch.kind == MULTIPLICATIVE) {
      const nonpositive = v128.andnot(v128.or(i32x4.le_s(p, zero), i32x4.lt_s(o, zero)), unobserved);
      skipped = v128.or(skipped, nonpositive);
      flags = v128.or(flags, v128.and(nonpositive, i32x4.splat(SKIPPED_NONPOSITIVE)));
      const unit = f64x2.splat(1);
      const keptLow = i32x4.shuffle(kept, kept, 0, 0, 1, 1);
      const keptHigh = i32x4.shuffle(kept, kept, 2, 2, 3, 3);
      const numLow = v128.bitselect(unit, koLow, keptLow);
      const numHigh = v128.bitselect(unit, koHigh, keptHigh);
      const denLow = v128.bitselect(unit, pLow, keptLow);
      const denHigh = v128.bitselect(unit, pHigh, keptHigh);
      scale = v128.bitselect(one, o, kept);
      den = v128.bitselect(k, p, kept);
      let capped = zero;
      if (batch.loDen != 0) {
        capped = both(f64x2.lt(f64x2.mul(numLow, f64x2.splat(batch.loDen)), f64x2.mul(denLow, f64x2.splat(batch.loNum))),
          f64x2.lt(f64x2.mul(numHigh, f64x2.splat(batch.loDen)), f64x2.mul(denHigh, f64x2.splat(batch.loNum))));
        scale = v128.bitselect(i32x4.splat(batch.loNum), scale, capped);
        den = v128.bitselect(i32x4.mul(k, i32x4.splat(batch.loDen)), den, capped);
      }
      if (batch.hiDen != 0) {
        const above = v128.andnot(both(f64x2.gt(f64x2.mul(numLow, f64x2.splat(batch.hiDen)), f64x2.mul(denLow, f64x2.splat(batch.hiNum))),
          f64x2.gt(f64x2.mul(numHigh, f64x2.splat(batch.hiDen)), f64x2.mul(denHigh, f64x2.splat(batch.hiNum)))), capped);
        scale = v128.bitselect(i32x4.splat(batch.hiNum), scale, above);
        den = v128.bitselect(i32x4.mul(k, i32x4.splat(batch.hiDen)), den, above);
        capped = v128.or(capped, above);
      }
      flags = v128.or(flags, v128.and(v128.andnot(capped, skipped), i32x4.splat(CAPPED)));
    } else {
      const zLow = v128.andnot(f64x2.sub(koLow, pLow), i32x4.shuffle(kept, kept, 0, 0, 1, 1));
      const zHigh = v128.andnot(f64x2.sub(koHigh, pHigh), i32x4.shuffle(kept, kept, 2, 2, 3, 3));
      scale = i32x4.splat(batch.windowSlots);
      den = i32x4.mul(k, scale);
      shift = v128.andnot(i32x4.sub(i32x4.mul(k, o), p), kept);
      let wide = four(zLow, zHigh);
      if (batch.capDen != 0) {
        let total = zero;
        for (let s: usize = 0; s < eventSlots; s++) total = i32x4.add(total, sumOf<T>(sums + (s << 4)));
        const size = i32x4.abs(total);
        const capScale = batch.capDen * batch.eventSlots;
        const boundLow = f64x2.mul(f64x2.convert_low_i32x4_s(size), f64x2.splat(batch.capNum));
        const boundHigh = f64x2.mul(f64x2.convert_low_i32x4_s(upper(size)), f64x2.splat(batch.capNum));
        const left = f64x2.splat(capScale);
        const right = f64x2.splat(batch.windowSlots);
        const capped = both(f64x2.gt(f64x2.mul(f64x2.abs(zLow), left), f64x2.mul(boundLow, right)),
          f64x2.gt(f64x2.mul(f64x2.abs(zHigh), left), f64x2.mul(boundHigh, right)));
        // Beyond 2^31 a product of the comparison might leave 2^53.
        const far = f64x2.splat(2147483648);
        outside = v128.or(outside, both(f64x2.gt(f64x2.abs(zLow), far), f64x2.gt(f64x2.abs(zHigh), far)));
        const below = both(f64x2.lt(zLow, f64x2.splat(0)), f64x2.lt(zHigh, f64x2.splat(0)));
        const bound = i32x4.mul(size, i32x4.splat(batch.capNum));
        scale = v128.bitselect(i32x4.splat(capScale), scale, capped);
        den = v128.bitselect(i32x4.mul(k, scale), den, capped);
        shift = v128.bitselect(v128.bitselect(i32x4.neg(bound), bound, below), shift, capped);
        const bounded = four(boundLow, boundHigh);
        wide = v128.bitselect(v128.bitselect(f32x4.neg(bounded), bounded, below), wide, capped);
        flags = v128.or(flags, v128.and(v128.andnot(capped, skipped), i32x4.splat(CAPPED)));
      }
      shift = v128.andnot(shift, skipped);
      g = v128.andnot(wide, skipped);
    }
    scale = v128.bitselect(one, scale, skipped);
    den = v128.bitselect(k, den, skipped);
  }
  den = v128.bitselect(den, one, settled);
  const denominator = f32x4.convert_i32x4_s(den);
  const f = f32x4.div(f32x4.convert_i32x4_s(scale), denominator);
  g = f32x4.div(g, denominator);
  const within = f32x4.le(f32x4.add(f32x4.mul(peak, f32x4.abs(f)), f32x4.abs(g)), f32x4.splat(LARGEST_BASELINE));
  const large = i32x4.gt_s(den, i32x4.splat(batch.largestDenominator));
  outside = v128.or(outside, v128.and(settled, v128.or(v128.not(within), large)));

  // Slot by slot: floor and remainder of the baseline, what of it stands against a reading, and the sums of both.
  const keys = pieces - half * 16 + 160;
  const floors = keys + (eventSlots << 4);
  const sorted = floors + (eventSlots << 4);
  const floorZero = batch.floorZero != 0 && batch.kind != NONE;
  let quotients = zero;
  let remainders = zero;
  let metered = zero;
  let met = zero;
  let metRemainders = zero;
  let gaps = zero;
  let dark = zero;
  at = batch.actual + lane * sizeof<S>();
  let place = (<i32>1 << batch.slotBits) - 1;
  for (let s: usize = 0; s < eventSlots; s++, at += row, place--) {
    const c = sumOf<T>(sums + (s << 4));
    v128.store(batch.sum + (s * batch.stride + lane << 2), c);
    const guess = f32x4.add(f32x4.mul(f32x4.convert_i32x4_s(c), f), g);
    let q = i32x4.sub(f32x4.add(guess, f32x4.splat(NEAREST)), i32x4.splat(NEAREST_BITS));
    let r = i32x4.sub(i32x4.add(i32x4.mul(c, scale), shift), i32x4.mul(q, den));
    const high = i32x4.shr_s(r, 31);
    q = i32x4.add(q, high);
    r = i32x4.add(r, v128.and(den, high));
    if (floorZero) {
      const negative = i32x4.shr_s(q, 31);
      q = v128.andnot(q, negative);
      r = v128.andnot(r, negative);
    }
    quotients = i32x4.add(quotients, q);
    remainders = i32x4.add(remainders, r);
    v128.store(floors + (s << 4), q);
    v128.store(keys + (s << 4), v128.or(i32x4.shl(r, batch.slotBits), i32x4.splat(place)));

    const wh = narrowReading<S>(at);
    if (sizeof<S>() == 4) outside = v128.or(outside, beyond(wh, most, missing));
    let gap = i32x4.eq(wh, missing);
    if (batch.notSettled) {
      const unlit = i32x4.gt_s(i32x4.extend_low_i16x8_u(i16x8.extend_low_i8x16_u(v128.load32_zero(batch.notSettled + s * batch.stride + lane))), zero);
      dark = i32x4.sub(dark, unlit);
      gaps = i32x4.sub(gaps, v128.andnot(gap, unlit));
      gap = v128.or(gap, unlit);
    } else gaps = i32x4.sub(gaps, gap);
    metered = i32x4.add(metered, v128.andnot(wh, gap));
    met = i32x4.add(met, v128.andnot(q, gap));
    metRemainders = i32x4.add(metRemainders, v128.andnot(r, gap));
  }

  // Whole Wh: totals rounded once, intervals by largest remainder.
  const spare = spareOf(quotients, remainders, den);
  sort(keys, sorted, eventSlots);
  const bar = barOf(sorted, eventSlots, spare);
  for (let s: usize = 0; s < eventSlots; s++) {
    const wh = i32x4.sub(v128.load(floors + (s << 4)), i32x4.gt_s(v128.load(keys + (s << 4)), bar));
    v128.store(batch.baselineWh + (s * batch.stride + lane << 2), v128.bitselect(wh, i32x4.splat(MISSING), settled));
  }

  let floored = i32x4.sub(met, metered);
  let rest = metRemainders;
  const increase = batch.direction == INCREASE;
  const whole = !increase && !v128.any_true(v128.or(gaps, dark));
  if (!whole) {
    // Slots that stand against a reading have keys of their own; a gap's lies below all.
    floored = zero;
    rest = zero;
    at = batch.actual + lane * sizeof<S>();
    place = (<i32>1 << batch.slotBits) - 1;
    for (let s: usize = 0; s < eventSlots; s++, at += row, place--) {
      const wh = narrowReading<S>(at);
      let gap = i32x4.eq(wh, missing);
      if (batch.notSettled)
        gap = v128.or(gap, i32x4.gt_s(i32x4.extend_low_i16x8_u(i16x8.extend_low_i8x16_u(v128.load32_zero(batch.notSettled + s * batch.stride + lane))), zero));
      let q = v128.load(floors + (s << 4));
      let r = i32x4.shr_u(v128.load(keys + (s << 4)), batch.slotBits);
      if (increase) {
        // floor(a - b) = a - floor(b) - (r > 0), and what is left is den - r.
        const broken = i32x4.gt_s(r, zero);
        q = i32x4.add(i32x4.sub(wh, q), broken);
        r = v128.and(i32x4.sub(den, r), broken);
      } else q = i32x4.sub(q, wh);
      q = v128.andnot(q, gap);
      r = v128.andnot(r, gap);
      floored = i32x4.add(floored, q);
      rest = i32x4.add(rest, r);
      v128.store(floors + (s << 4), v128.bitselect(i32x4.splat(MISSING), q, gap));
      v128.store(keys + (s << 4), v128.or(v128.or(i32x4.shl(r, batch.slotBits), i32x4.splat(place)), gap));
    }
    sort(keys, sorted, eventSlots);
  }
  const deliveredSpare = spareOf(floored, rest, den);
  const deliveredBar = barOf(sorted, eventSlots, deliveredSpare);
  at = batch.actual + lane * sizeof<S>();
  for (let s: usize = 0; s < eventSlots; s++, at += row) {
    let wh = v128.load(floors + (s << 4));
    if (whole) wh = i32x4.sub(wh, narrowReading<S>(at));
    wh = i32x4.sub(wh, i32x4.gt_s(v128.load(keys + (s << 4)), deliveredBar));
    v128.store(batch.deliveredWh + (s * batch.stride + lane << 2), v128.bitselect(wh, i32x4.splat(MISSING), settled));
  }

  bytes(batch.status + lane, v128.andnot(i32x4.splat(INSUFFICIENT_DAYS), settled));
  bytes(batch.flags + lane, v128.and(flags, settled));
  bytes(batch.missingCount + lane, gaps);
  bytes(batch.notSettledCount + lane, dark);
  v128.store(batch.selectedCount + (lane << 2), k);
  const wide = lane << 3;
  doubles(batch.observed + wide, o, v128.andnot(settled, unobserved));
  doubles(batch.reference + wide, p, settled);
  doubles(batch.denominator + wide, den, settled);
  doubles(batch.actualTotal + wide, metered, v128.not(zero));
  doubles(batch.baselineTotalWh + wide, i32x4.add(quotients, spare), settled);
  doubles(batch.deliveredTotalWh + wide, i32x4.add(floored, deliveredSpare), settled);
  numerators(batch.baselineTotal + wide, quotients, den, remainders, settled);
  numerators(batch.deliveredTotal + wide, floored, den, rest, settled);

  let list = i32x4.bitmask(outside);
  for (; list != 0; list &= list - 1) {
    const own = <i32>lane + ctz(list);
    if (own < batch.meters) store<i32>(batch.redone + (<usize>(batch.redoneCount++) << 2), own);
  }
}

/** How many whole Wh the remainders hold, rounded to the nearest; a half goes away from zero, as the sign of the total says. */
function spareOf(quotients: v128, remainders: v128, den: v128): v128 {
  const guess = f32x4.div(f32x4.convert_i32x4_s(remainders), f32x4.convert_i32x4_s(den));
  let whole = i32x4.sub(f32x4.add(guess, f32x4.splat(NEAREST)), i32x4.splat(NEAREST_BITS));
  let rest = i32x4.sub(remainders, i32x4.mul(whole, den));
  const high = i32x4.shr_s(rest, 31);
  whole = i32x4.add(whole, high);
  rest = i32x4.add(rest, v128.and(den, high));
  const twice = i32x4.shl(rest, 1);
  const positive = v128.not(i32x4.shr_s(i32x4.add(quotients, whole), 31));
  return i32x4.sub(whole, v128.or(i32x4.gt_s(twice, den), v128.and(i32x4.eq(twice, den), positive)));
}

/** Keys of 4 lanes, each lane in falling order. */
function sort(keys: usize, sorted: usize, slots: usize): void {
  const bytes = slots << 4;
  for (let s: usize = 0; s < bytes; s += 16) {
    let own = v128.load(keys + s);
    for (let t: usize = 0; t < s; t += 16) {
      const other = v128.load(sorted + t);
      v128.store(sorted + t, i32x4.max_s(other, own));
      own = i32x4.min_s(other, own);
    }
    v128.store(sorted + s, own);
  }
}

/** The largest key that gets no spare Wh: every key above it gets one. */
function barOf(sorted: usize, slots: usize, spare: v128): v128 {
  let bar = i32x4.splat(-1);
  for (let s: usize = 0; s < slots; s++) bar = v128.bitselect(v128.load(sorted + (s << 4)), bar, i32x4.eq(spare, i32x4.splat(<i32>s)));
  return bar;
}

/** |Wh| above the bound; a missing reading is none. */
@inline
function beyond(wh: v128, most: v128, missing: v128): v128 {
  return v128.andnot(i32x4.gt_s(i32x4.abs(wh), most), i32x4.eq(wh, missing));
}

@inline
function narrowReading<S>(at: usize): v128 {
  if (sizeof<S>() == 2) return v128.load16x4_s(at);
  return v128.load(at);
}

@inline
function sumOf<T>(at: usize): v128 {
  if (sizeof<T>() == 2) return v128.load16x4_u(at);
  return v128.load(at);
}

/** Two and two f64 as four f32. */
@inline
function four(low: v128, high: v128): v128 {
  return i64x2.shuffle(f32x4.demote_f64x2_zero(low), f32x4.demote_f64x2_zero(high), 0, 2);
}

@inline
function bytes(at: usize, cells: v128): void {
  const words = i16x8.narrow_i32x4_u(cells, cells);
  v128.store32_lane(at, i8x16.narrow_i16x8_u(words, words), 0);
}

/** Four integers as f64; NaN where they say nothing. */
@inline
function doubles(at: usize, cells: v128, said: v128): void {
  const nan = f64x2.splat(NaN);
  v128.store(at, v128.bitselect(f64x2.convert_low_i32x4_s(cells), nan, i32x4.shuffle(said, said, 0, 0, 1, 1)));
  v128.store(at, v128.bitselect(f64x2.convert_low_i32x4_s(upper(cells)), nan, i32x4.shuffle(said, said, 2, 2, 3, 3)), 16);
}

/** quotient * den + remainder, an integer below 2^53, as f64. */
@inline
function numerators(at: usize, quotients: v128, den: v128, remainders: v128, said: v128): void {
  const nan = f64x2.splat(NaN);
  const low = f64x2.add(f64x2.mul(f64x2.convert_low_i32x4_s(quotients), f64x2.convert_low_i32x4_s(den)), f64x2.convert_low_i32x4_s(remainders));
  const high = f64x2.add(f64x2.mul(f64x2.convert_low_i32x4_s(upper(quotients)), f64x2.convert_low_i32x4_s(upper(den))),
    f64x2.convert_low_i32x4_s(upper(remainders)));
  v128.store(at, v128.bitselect(low, nan, i32x4.shuffle(said, said, 0, 0, 1, 1)));
  v128.store(at, v128.bitselect(high, nan, i32x4.shuffle(said, said, 2, 2, 3, 3)), 16);
}
