/*
 * Which slots get a spare Wh: those whose key is above the bar. Keys of 4 lanes, one row of 16 bytes a slot, all of a lane distinct.
 * The bar is the largest key that gets none: the `spare`-th of the keys in falling order, counted from 0; with as many spare as slots, -1.
 */
@inline
export function barOf(keys: usize, slots: i32, sorted: usize, spare: v128): v128 {
  return slots <= 12 ? barOfTwelve(keys, spare) : barOfMany(keys, <usize>slots << 4, sorted, spare);
}

/** Rows of keys that `barOf` may read, however few the slots are; those beyond them hold -1. */
export const KEY_ROWS: i32 = 12;

/** A network of 39 comparators in 9 layers sorts 12 keys in registers (checked on all 4096 rows of zeros and ones). */
function barOfTwelve(keys: usize, spare: v128): v128 {
  let k0 = v128.load(keys);
  let k1 = v128.load(keys, 16);
  let k2 = v128.load(keys, 32);
  let k3 = v128.load(keys, 48);
  let k4 = v128.load(keys, 64);
  let k5 = v128.load(keys, 80);
  let k6 = v128.load(keys, 96);
  let k7 = v128.load(keys, 112);
  let k8 = v128.load(keys, 128);
  let k9 = v128.load(keys, 144);
  let k10 = v128.load(keys, 160);
  let k11 = v128.load(keys, 176);
  let low: v128;

  low = i32x4.min_s(k0, k8); k0 = i32x4.max_s(k0, k8); k8 = low;
  low = i32x4.min_s(k1, k7); k1 = i32x4.max_s(k1, k7); k7 = low;
  low = i32x4.min_s(k2, k6); k2 = i32x4.max_s(k2, k6); k6 = low;
  low = i32x4.min_s(k3, k11); k3 = i32x4.max_s(k3, k11); k11 = low;
  low = i32x4.min_s(k4, k10); k4 = i32x4.max_s(k4, k10); k10 = low;
  low = i32x4.min_s(k5, k9); k5 = i32x4.max_s(k5, k9); k9 = low;

  low = i32x4.min_s(k0, k1); k0 = i32x4.max_s(k0, k1); k1 = low;
  low = i32x4.min_s(k2, k5); k2 = i32x4.max_s(k2, k5); k5 = low;
  low = i32x4.min_s(k3, k4); k3 = i32x4.max_s(k3, k4); k4 = low;
  low = i32x4.min_s(k6, k9); k6 = i32x4.max_s(k6, k9); k9 = low;
  low = i32x4.min_s(k7, k8); k7 = i32x4.max_s(k7, k8); k8 = low;
  low = i32x4.min_s(k10, k11); k10 = i32x4.max_s(k10, k11); k11 = low;

  low = i32x4.min_s(k0, k2); k0 = i32x4.max_s(k0, k2); k2 = low;
  low = i32x4.min_s(k1, k6); k1 = i32x4.max_s(k1, k6); k6 = low;
  low = i32x4.min_s(k5, k10); k5 = i32x4.max_s(k5, k10); k10 = low;
  low = i32x4.min_s(k9, k11); k9 = i32x4.max_s(k9, k11); k11 = low;

  low = i32x4.min_s(k0, k3); k0 = i32x4.max_s(k0, k3); k3 = low;
  low = i32x4.min_s(k1, k2); k1 = i32x4.max_s(k1, k2); k2 = low;
  low = i32x4.min_s(k4, k6); k4 = i32x4.max_s(k4, k6); k6 = low;
  low = i32x4.min_s(k5, k7); k5 = i32x4.max_s(k5, k7); k7 = low;
  low = i32x4.min_s(k8, k11); k8 = i32x4.max_s(k8, k11); k11 = low;
  low = i32x4.min_s(k9, k10); k9 = i32x4.max_s(k9, k10); k10 = low;

  low = i32x4.min_s(k1, k4); k1 = i32x4.max_s(k1, k4); k4 = low;
  low = i32x4.min_s(k3, k5); k3 = i32x4.max_s(k3, k5); k5 = low;
  low = i32x4.min_s(k6, k8); k6 = i32x4.max_s(k6, k8); k8 = low;
  low = i32x4.min_s(k7, k10); k7 = i32x4.max_s(k7, k10); k10 = low;

  low = i32x4.min_s(k1, k3); k1 = i32x4.max_s(k1, k3); k3 = low;
  low = i32x4.min_s(k2, k5); k2 = i32x4.max_s(k2, k5); k5 = low;
  low = i32x4.min_s(k6, k9); k6 = i32x4.max_s(k6, k9); k9 = low;
  low = i32x4.min_s(k8, k10); k8 = i32x4.max_s(k8, k10); k10 = low;

  low = i32x4.min_s(k2, k3); k2 = i32x4.max_s(k2, k3); k3 = low;
  low = i32x4.min_s(k4, k5); k4 = i32x4.max_s(k4, k5); k5 = low;
  low = i32x4.min_s(k6, k7); k6 = i32x4.max_s(k6, k7); k7 = low;
  low = i32x4.min_s(k8, k9); k8 = i32x4.max_s(k8, k9); k9 = low;

  low = i32x4.min_s(k4, k6); k4 = i32x4.max_s(k4, k6); k6 = low;
  low = i32x4.min_s(k5, k7); k5 = i32x4.max_s(k5, k7); k7 = low;

  low = i32x4.min_s(k3, k4); k3 = i32x4.max_s(k3, k4); k4 = low;
  low = i32x4.min_s(k5, k6); k5 = i32x4.max_s(k5, k6); k6 = low;
  low = i32x4.min_s(k7, k8); k7 = i32x4.max_s(k7, k8); k8 = low;

  let bar = i32x4.splat(-1);
  bar = v128.bitselect(k0, bar, i32x4.eq(spare, i32x4.splat(0)));
  bar = v128.bitselect(k1, bar, i32x4.eq(spare, i32x4.splat(1)));
  bar = v128.bitselect(k2, bar, i32x4.eq(spare, i32x4.splat(2)));
  bar = v128.bitselect(k3, bar, i32x4.eq(spare, i32x4.splat(3)));
  bar = v128.bitselect(k4, bar, i32x4.eq(spare, i32x4.splat(4)));
  bar = v128.bitselect(k5, bar, i32x4.eq(spare, i32x4.splat(5)));
  bar = v128.bitselect(k6, bar, i32x4.eq(spare, i32x4.splat(6)));
  bar = v128.bitselect(k7, bar, i32x4.eq(spare, i32x4.splat(7)));
  bar = v128.bitselect(k8, bar, i32x4.eq(spare, i32x4.splat(8)));
  bar = v128.bitselect(k9, bar, i32x4.eq(spare, i32x4.splat(9)));
  bar = v128.bitselect(k10, bar, i32x4.eq(spare, i32x4.splat(10)));
  bar = v128.bitselect(k11, bar, i32x4.eq(spare, i32x4.splat(11)));
  return bar;
}

/** Any number of slots: by insertion, in memory. */
function barOfMany(keys: usize, bytes: usize, sorted: usize, spare: v128): v128 {
  for (let s: usize = 0; s < bytes; s += 16) {
    let own = v128.load(keys + s);
    for (let t: usize = 0; t < s; t += 16) {
      const other = v128.load(sorted + t);
      v128.store(sorted + t, i32x4.max_s(other, own));
      own = i32x4.min_s(other, own);
    }
    v128.store(sorted + s, own);
  }
  let bar = i32x4.splat(-1);
  let s = i32x4.splat(0);
  for (let at = sorted; at < sorted + bytes; at += 16) {
    bar = v128.bitselect(v128.load(at), bar, i32x4.eq(spare, s));
    s = i32x4.add(s, i32x4.splat(1));
  }
  return bar;
}
