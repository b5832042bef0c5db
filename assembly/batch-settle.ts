import { ADDITIVE, NONE } from './adjust';
import { adjustment, DEN, F, FLAGS, FLOORED, G, OBSERVED, OUTSIDE, REST, SCALE, SHIFT, UNOBSERVED } from './batch-adjust';
import { beyond, sumOf, upper, wattHours } from './batch-lanes';
import { barOf } from './batch-order';
import { Batch } from './batch-plan';
import { MISSING } from './columns';
import { INCREASE } from './deliver';
import { INSUFFICIENT_DAYS } from './select';

/** 1.5 * 2^23: added to a small f32 it leaves the nearest integer in the low bits. */
const NEAREST: f32 = 12582912;
const NEAREST_BITS: i32 = 0x4b400000;
/** Largest |baseline| of a slot, Wh, for which the estimate of its quotient is within one of the floor. */
export const LARGEST_BASELINE: f32 = 1048576;

/** Bits of a key that hold the slot's number: there are at most 128 slots. */
const SLOT_BITS: i32 = 7;
const FIRST_PLACE: i32 = 127;
/** Largest denominator: remainder and slot's number fit an i32 that is not negative. */
export const LARGEST_DENOMINATOR: i32 = 0xffffff;

/*
 * Adjustment, delivery and whole Wh of 4 lanes (formulas: adjust.ts, deliver.ts, apportion.ts). S: reading in the tile, T: cell of the sums,
 * `half` which 4 of 8 lanes when T is u16.
 *
 * baseline[s] = (c[s] scale + shift) / den. Its floor q is guessed in f32 and its remainder r = c scale + shift - q den taken in i32, which is
 * exact modulo 2^32; a guess is at most one too high, and then r < 0 says so. Proof: f32 has a relative error u = 2^-24 an operation, at most
 * six lie between the integers and the guess, so with |c scale / den| + |shift / den| <= 2^20 it is off by less than 6 * 2^20 u + 1/2 < 7/8.
 * A lane outside these bounds is left to the exact core: it is listed in REDONE.
 */
export function settle<S, T>(batch: Batch, lane: usize, half: usize): void {
  const zero = i32x4.splat(0);
  const slots = <usize>batch.eventSlots << 4;
  const row = batch.rowBytes;
  const pieces = batch.pieces + half * 16;
  const k = v128.load(pieces + 32);
  const settled = i32x4.gt_s(k, zero);
  const missing = i32x4.splat(sizeof<S>() == 2 ? -32768 : MISSING);
  const most = i32x4.splat(batch.most);
  const own = adjustment<S, T>(batch, lane, half);
  const scale = v128.load(own + SCALE);
  const den = v128.load(own + DEN);
  const shift = v128.load(own + SHIFT);
  const f = v128.load(own + F);
  const g = v128.load(own + G);
  let outside = v128.load(own + OUTSIDE);

  // Slot by slot: floor and remainder of the baseline, and their sums.
  const floors = batch.pieces + 160;
  const keys = floors + slots;
  const additive = batch.kind == ADDITIVE;
  const floorZero = batch.floorZero != 0 && batch.kind != NONE && (sizeof<T>() == 4 || additive);
  const stride = batch.stride << 2;
  const nearest = f32x4.splat(NEAREST);
  const nearestBits = i32x4.splat(NEAREST_BITS);
  const place1 = i32x4.splat(1);
  let place = i32x4.splat(FIRST_PLACE);
  let quotients = zero;
  let remainders = zero;
  let metered = zero;
  let gaps = zero;
  let at = batch.actual + lane * sizeof<S>();
  let out = batch.sum + (lane << 2);
  let sum = batch.sums + half * 8;
  for (let floor = floors; floor < keys; floor += 16, sum += 16, at += row, out += stride) {
    const c = sumOf<T>(sum);
    v128.store(out, c);
    let guess = f32x4.mul(f32x4.convert_i32x4_s(c), f);
    let r = i32x4.mul(c, scale);
    if (additive) {
      guess = f32x4.add(guess, g);
      r = i32x4.add(r, shift);
    }
    let q = i32x4.sub(f32x4.add(guess, nearest), nearestBits);
    r = i32x4.sub(r, i32x4.mul(q, den));
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
    v128.store(floor, q);
    v128.store(floor + slots, v128.or(i32x4.shl(r, SLOT_BITS), place));
    place = i32x4.sub(place, place1);
    const wh = wattHours<S>(at);
    gaps = v128.or(gaps, i32x4.eq(wh, missing));
    metered = i32x4.add(metered, wh);
    if (sizeof<S>() == 4) outside = v128.or(outside, beyond(wh, most, missing));
  }
  if (batch.notSettled) for (let s: usize = 0, dark = batch.notSettled + lane; s < slots; s += 16, dark += batch.stride) gaps = v128.or(gaps, v128.load32_zero(dark));

  // Whole Wh: totals rounded once, intervals by largest remainder.
  const spare = spareOf(quotients, remainders, den);
  const reduce = batch.direction != INCREASE;
  const whole = reduce && !v128.any_true(gaps);
  let floored = i32x4.sub(quotients, metered);
  let rest = remainders;
  let deliveredSpare = whole ? spareOf(floored, rest, den) : zero;
  const bar = barOf(keys, batch.eventSlots, batch.sorted, spare);
  out = batch.baselineWh + (lane << 2);
  const shifted = batch.deliveredWh - batch.baselineWh;
  if (whole && !v128.any_true(v128.xor(spare, deliveredSpare))) {
    at = batch.actual + lane * sizeof<S>();
    for (let floor = floors; floor < keys; floor += 16, at += row, out += stride) {
      const wh = i32x4.sub(v128.load(floor), i32x4.gt_s(v128.load(floor + slots), bar));
      v128.store(out, wh);
      v128.store(out + shifted, i32x4.sub(wh, wattHours<S>(at)));
    }
    v128.store32_lane(batch.missingCount + lane, zero, 0);
    v128.store32_lane(batch.notSettledCount + lane, zero, 0);
  } else {
    for (let floor = floors; floor < keys; floor += 16, out += stride)
      v128.store(out, i32x4.sub(v128.load(floor), i32x4.gt_s(v128.load(floor + slots), bar)));
    metered = against<S>(batch, lane, floors, keys, den);
    floored = v128.load(own + FLOORED);
    rest = v128.load(own + REST);
    deliveredSpare = spareOf(floored, rest, den);
    const deliveredBar = barOf(keys, batch.eventSlots, batch.sorted, deliveredSpare);
    out = batch.deliveredWh + (lane << 2);
    for (let floor = floors; floor < keys; floor += 16, out += stride)
      v128.store(out, i32x4.sub(v128.load(floor), i32x4.gt_s(v128.load(floor + slots), deliveredBar)));
  }

  bytes(batch.status + lane, v128.andnot(i32x4.splat(INSUFFICIENT_DAYS), settled));
  bytes(batch.flags + lane, v128.load(own + FLAGS));
  v128.store(batch.selectedCount + (lane << 2), k);
  const wide = lane << 3;
  doubles(batch.observed + wide, v128.load(own + OBSERVED));
  doubles(batch.reference + wide, v128.load(pieces + 64));
  doubles(batch.denominator + wide, den);
  doubles(batch.actualTotal + wide, metered);
  doubles(batch.baselineTotalWh + wide, i32x4.add(quotients, spare));
  doubles(batch.deliveredTotalWh + wide, i32x4.add(floored, deliveredSpare));
  numerators(batch.baselineTotal + wide, quotients, den, remainders);
  numerators(batch.deliveredTotal + wide, floored, den, rest);

  for (let list = i32x4.bitmask(v128.load(own + UNOBSERVED)); list != 0; list &= list - 1)
    store<f64>(batch.observed + (lane + ctz(list) << 3), NaN);
  for (let list = i32x4.bitmask(settled) ^ 15; list != 0; list &= list - 1) blank(batch, lane + ctz(list));
  for (let list = i32x4.bitmask(outside); list != 0; list &= list - 1) {
    const m = <i32>lane + ctz(list);
    if (m < batch.meters) store<i32>(batch.redone + (<usize>(batch.redoneCount++) << 2), m);
  }
}

/** Floors and keys of what is delivered, over those of the baseline; sums and counts of the slots that stand against a reading. Gives the metered Wh. */
function against<S>(batch: Batch, lane: usize, floors: usize, keys: usize, den: v128): v128 {
  const zero = i32x4.splat(0);
  const missing = i32x4.splat(sizeof<S>() == 2 ? -32768 : MISSING);
  const increase = batch.direction == INCREASE;
  let place = i32x4.splat(FIRST_PLACE);
  let metered = zero;
  let floored = zero;
  let rest = zero;
  let gaps = zero;
  let dark = zero;
  let unlitAt = batch.notSettled;
  if (unlitAt) unlitAt += lane;
  let at = batch.actual + lane * sizeof<S>();
  for (let floor = floors; floor < keys; floor += 16, at += batch.rowBytes) {
    const wh = wattHours<S>(at);
    let gap = i32x4.eq(wh, missing);
    if (unlitAt) {
      const unlit = i32x4.gt_s(i32x4.extend_low_i16x8_u(i16x8.extend_low_i8x16_u(v128.load32_zero(unlitAt))), zero);
      unlitAt += batch.stride;
      dark = i32x4.sub(dark, unlit);
      gaps = i32x4.sub(gaps, v128.andnot(gap, unlit));
      gap = v128.or(gap, unlit);
    } else gaps = i32x4.sub(gaps, gap);
    let q = v128.load(floor);
    const key = keys + (floor - floors);
    let r = i32x4.shr_u(v128.load(key), SLOT_BITS);
    if (increase) {
      // floor(a - b) = a - floor(b) - (r > 0), and what is left is den - r.
      const broken = i32x4.gt_s(r, zero);
      q = i32x4.add(i32x4.sub(wh, q), broken);
      r = v128.and(i32x4.sub(den, r), broken);
    } else q = i32x4.sub(q, wh);
    r = v128.andnot(r, gap);
    metered = i32x4.add(metered, v128.andnot(wh, gap));
    floored = i32x4.add(floored, v128.andnot(q, gap));
    rest = i32x4.add(rest, r);
    v128.store(floor, v128.bitselect(i32x4.splat(MISSING), q, gap));
    v128.store(key, v128.or(v128.or(i32x4.shl(r, SLOT_BITS), place), gap)); // a gap's key is -1, below all
    place = i32x4.sub(place, i32x4.splat(1));
  }
  v128.store(batch.own + FLOORED, floored);
  v128.store(batch.own + REST, rest);
  bytes(batch.missingCount + lane, gaps);
  bytes(batch.notSettledCount + lane, dark);
  return metered;
}

/** What a lane without baseline says. */
function blank(batch: Batch, lane: usize): void {
  store<u8>(batch.flags + lane, 0);
  const wide = lane << 3;
  store<f64>(batch.observed + wide, NaN);
  store<f64>(batch.reference + wide, NaN);
  store<f64>(batch.denominator + wide, NaN);
  store<f64>(batch.baselineTotal + wide, NaN);
  store<f64>(batch.deliveredTotal + wide, NaN);
  store<f64>(batch.baselineTotalWh + wide, NaN);
  store<f64>(batch.deliveredTotalWh + wide, NaN);
  for (let s: usize = 0; s < <usize>batch.eventSlots; s++) {
    const at = (s * batch.stride + lane) << 2;
    store<i32>(batch.sum + at, 0);
    store<i32>(batch.baselineWh + at, MISSING);
    store<i32>(batch.deliveredWh + at, MISSING);
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

@inline
function bytes(at: usize, cells: v128): void {
  const words = i16x8.narrow_i32x4_u(cells, cells);
  v128.store32_lane(at, i8x16.narrow_i16x8_u(words, words), 0);
}

/** Four integers as f64. */
@inline
function doubles(at: usize, cells: v128): void {
  v128.store(at, f64x2.convert_low_i32x4_s(cells));
  v128.store(at, f64x2.convert_low_i32x4_s(upper(cells)), 16);
}

/** quotient * den + remainder, an integer below 2^53, as f64. */
@inline
function numerators(at: usize, quotients: v128, den: v128, remainders: v128): void {
  const low = f64x2.add(f64x2.mul(f64x2.convert_low_i32x4_s(quotients), f64x2.convert_low_i32x4_s(den)), f64x2.convert_low_i32x4_s(remainders));
  const high = f64x2.add(f64x2.mul(f64x2.convert_low_i32x4_s(upper(quotients)), f64x2.convert_low_i32x4_s(upper(den))),
    f64x2.convert_low_i32x4_s(upper(remainders)));
  v128.store(at, low);
  v128.store(at, high, 16);
}
