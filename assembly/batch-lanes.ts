/* Four lanes: readings and sums of either width as i32, and the way between four i32 or f32 and twice two f64. */

/** 4 readings as i32. */
@inline
export function wattHours<S>(at: usize): v128 {
  if (sizeof<S>() == 2) return v128.load16x4_s(at);
  return v128.load(at);
}

/** 4 sums as i32. */
@inline
export function sumOf<T>(at: usize): v128 {
  if (sizeof<T>() == 2) return v128.load16x4_u(at);
  return v128.load(at);
}

/** |Wh| above the bound; a missing reading is none. */
@inline
export function beyond(wh: v128, most: v128, missing: v128): v128 {
  return v128.andnot(i32x4.gt_s(i32x4.abs(wh), most), i32x4.eq(wh, missing));
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

/** Two and two f64 as four f32. */
@inline
export function four(low: v128, high: v128): v128 {
  return i64x2.shuffle(f32x4.demote_f64x2_zero(low), f32x4.demote_f64x2_zero(high), 0, 2);
}
