import { ADDITIVE, CAPPED, DOWN_ONLY, MULTIPLICATIVE, NONE, SKIPPED_MISSING, SKIPPED_NONPOSITIVE, UP_ONLY } from './adjust';
import { beyond, both, four, sumOf, upper, wattHours } from './batch-lanes';
import { Batch } from './batch-plan';
import { LARGEST_BASELINE, LARGEST_DENOMINATOR } from './batch-settle';
import { MISSING } from './columns';
import { FEWER_THAN_Y_DAYS } from './select';

/** Rows of what `adjustment` finds, of 16 bytes, from `batch.own` on. */
export const SCALE: usize = 0;
export const DEN: usize = 16;
export const SHIFT: usize = 32;
/** scale / den and shift / den, f32. */
export const F: usize = 48;
export const G: usize = 64;
export const OUTSIDE: usize = 80;
export const FLAGS: usize = 96;
export const OBSERVED: usize = 112;
export const UNOBSERVED: usize = 128;
/** Of what is delivered: sum of floors, sum of remainders. */
export const FLOORED: usize = 144;
export const REST: usize = 160;
export const OWN_BYTES: usize = 176;

/* scale, shift and den of 4 lanes, as adjust.ts has them. Products that are compared are integers below 2^53 in f64. */
export function adjustment<S, T>(batch: Batch, lane: usize, half: usize): usize {
  const zero = i32x4.splat(0);
  const one = i32x4.splat(1);
  const eventSlots = <usize>batch.eventSlots;
  const row = batch.rowBytes;
  const sums = batch.sums + half * 8;
  const pieces = batch.pieces + half * 16;
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
    const wh = wattHours<S>(at);
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
  const large = i32x4.gt_s(den, i32x4.splat(LARGEST_DENOMINATOR));
  outside = v128.or(outside, v128.and(settled, v128.or(v128.not(within), large)));

  const own = batch.own;
  v128.store(own + SCALE, scale);
  v128.store(own + DEN, den);
  v128.store(own + SHIFT, shift);
  v128.store(own + F, f);
  v128.store(own + G, g);
  v128.store(own + OUTSIDE, outside);
  v128.store(own + FLAGS, flags);
  v128.store(own + OBSERVED, o);
  v128.store(own + UNOBSERVED, unobserved);
  return own;
}

