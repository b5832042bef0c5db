import { MISSING } from './columns';
import { add, negate, negative, order, product, set } from './exact';
import { OK } from './select';

export const NONE: i32 = 0;
export const ADDITIVE: i32 = 1;
export const MULTIPLICATIVE: i32 = 2;

export const BOTH: i32 = 0;
export const UP_ONLY: i32 = 1;
export const DOWN_ONLY: i32 = 2;

// Bits of the flags column; FEWER_THAN_Y_DAYS is 1.
export const SKIPPED_NONPOSITIVE: u8 = 2;
export const SKIPPED_MISSING: u8 = 4;
export const CAPPED: u8 = 8;

/** OBSERVED when a slot of the event day's window is missing. */
export const UNOBSERVED: i64 = i64.MIN_VALUE;

/*
 * Per lane, with k selected days, a slot's sum over them c[s], S = sum of c over the W event slots,
 * P = sum of c over the A window slots, O = the event day's own sum over the window, all integer Wh:
 *   baseline[s] = (c[s] * scale + shift) / den
 *   none            scale 1       shift 0            den k
 *   additive        scale A       shift k O - P      den k A        z = (k O - P) / (k A) = shift / den
 *     capped by f   scale W fd    shift +-fn |S|     den k W fd     |z| <= f |S| / (k W), f = fn/fd
 *   multiplicative  scale O       shift 0            den P          r = k O / P
 *     clamped p/q   scale p       shift 0            den k q
 * then direction before cap, and max(0, .) if floorZero and an adjustment is configured.
 * source: golden RULES section 5. den < 2^47, |c[s] * scale + shift| < 2^78: see exact.ts.
 */
export function adjust(meters: i32, eventSlots: i32, windowSlots: i32, kind: i32, direction: i32,
  loNum: i32, loDen: i32, hiNum: i32, hiDen: i32, capNum: i32, capDen: i32, floorZero: i32,
  sums: usize, actual: usize, count: usize, status: usize, flags: usize, observed: usize, reference: usize,
  raw: usize, applied: usize, appliedDenominator: usize, denominator: usize, baseline: usize, baselineTotal: usize, scratch: usize): void {
  const left = scratch;
  const right = scratch + 16;
  const shift = scratch + 32;
  for (let m = 0; m < meters; m++) {
    const wide = <usize>m << 3;
    const cell = <usize>m << 4;
    store<i64>(raw + wide, 0);
    store<i64>(raw + (<usize>meters << 3) + wide, 0); // denominator 0: no raw value
    store<i64>(appliedDenominator + wide, 0);
    store<i64>(denominator + wide, 1);
    set(applied + cell, 0);
    set(baselineTotal + cell, 0);
    for (let s = 0; s < eventSlots; s++) set(baseline + (<usize>(s * meters) << 4) + cell, 0);
    const o = windowSum(actual, eventSlots, windowSlots, meters, m);
    store<i64>(observed + wide, o);
    const p = sumOf(sums, eventSlots, eventSlots + windowSlots, meters, m);
    store<i64>(reference + wide, p);
    if (load<u8>(status + m) != OK) continue;

    const k = <i64>load<i32>(count + (m << 2));
    let scale: i64 = 1;
    let den: i64 = k;
    let flag: u8 = 0;
    set(shift, 0);
    if (kind != NONE) {
      set(applied + cell, kind == MULTIPLICATIVE ? 1 : 0);
      store<i64>(appliedDenominator + wide, 1);
    }
    if (kind != NONE && o == UNOBSERVED) flag = SKIPPED_MISSING;
    else if (kind == MULTIPLICATIVE && (p <= 0 || o < 0)) flag = SKIPPED_NONPOSITIVE;
    else if (kind == ADDITIVE) {
      const z = k * o - p;
      store<i64>(raw + wide, z);
      store<i64>(raw + (<usize>meters << 3) + wide, k * windowSlots);
      const kept = (direction == UP_ONLY && z < 0) || (direction == DOWN_ONLY && z > 0) ? 0 : z;
      scale = windowSlots;
      den = k * windowSlots;
      set(shift, kept);
      if (capDen != 0) {
        const total = sumOf(sums, 0, eventSlots, meters, m);
        const size = total < 0 ? -total : total;
        product(left, kept < 0 ? -kept : kept, <i64>capDen * eventSlots);
        product(right, size, <i64>capNum * windowSlots);
        if (order(left, right) > 0) {
          flag = CAPPED;
          scale = <i64>capDen * eventSlots;
          den = k * scale;
          product(shift, size, <i64>capNum);
          if (kept < 0) negate(shift);
        }
      }
      copy(applied + cell, shift);
      store<i64>(appliedDenominator + wide, den);
    } else if (kind == MULTIPLICATIVE) {
      const ko = k * o;
      store<i64>(raw + wide, ko);
      store<i64>(raw + (<usize>meters << 3) + wide, p);
      // r = num/rden with baseline = c * num / (k rden); k is cancelled below where r is the raw ratio.
      const kept = (direction == UP_ONLY && ko < p) || (direction == DOWN_ONLY && ko > p);
      let num = kept ? 1 : ko;
      let rden = kept ? 1 : p;
      if (loDen != 0 && below(num, rden, loNum, loDen, left, right)) {
        flag = CAPPED;
        num = loNum;
        rden = loDen;
      } else if (hiDen != 0 && below(hiNum, hiDen, num, rden, left, right)) {
        flag = CAPPED;
        num = hiNum;
        rden = hiDen;
      }
      const whole = !kept && flag == 0;
      scale = whole ? o : num;
      den = whole ? p : k * rden;
      set(applied + cell, num);
      store<i64>(appliedDenominator + wide, rden);
    }

    store<u8>(flags + m, load<u8>(flags + m) | flag);
    store<i64>(denominator + wide, den);
    for (let s = 0; s < eventSlots; s++) {
      const own = baseline + (<usize>(s * meters) << 4) + cell;
      product(own, load<i64>(sums + (<usize>(s * meters) << 3) + wide), scale);
      add(own, shift);
      if (floorZero && kind != NONE && negative(own)) set(own, 0);
      add(baselineTotal + cell, own);
    }
  }
}

/** a/b < c/d for positive b, d, by cross-multiplication. */
function below(a: i64, b: i64, c: i64, d: i64, left: usize, right: usize): bool {
  product(left, a, d);
  product(right, c, b);
  return order(left, right) < 0;
}

function copy(to: usize, from: usize): void {
  store<i64>(to, load<i64>(from));
  store<i64>(to, load<i64>(from, 8), 8);
}

function sumOf(sums: usize, from: i32, to: i32, meters: i32, m: i32): i64 {
  let total: i64 = 0;
  for (let s = from; s < to; s++) total += load<i64>(sums + (<usize>(s * meters + m) << 3));
  return total;
}

function windowSum(actual: usize, eventSlots: i32, windowSlots: i32, meters: i32, m: i32): i64 {
  let total: i64 = 0;
  for (let s = eventSlots; s < eventSlots + windowSlots; s++) {
    const wh = load<i32>(actual + (<usize>(s * meters + m) << 2));
    if (wh == MISSING) return UNOBSERVED;
    total += wh;
  }
  return total;
}
