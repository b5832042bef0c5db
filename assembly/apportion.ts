import { floored, rounded, UNBOUNDED } from './exact';
import { OK, OUT_OF_BOUNDS } from './select';

/*
 * totalWh = total / den, rounded once, halves away from zero
 * wh[s]   = floor(cell[s] / den), and the totalWh - sum(floor) spare Wh go one each to the largest remainders (ties: the earlier slot),
 * so that the intervals shown add up to the total paid. A slot whose wh is NaN on entry is a gap and takes no part.
 * source: design, rounding: largest remainder. Results are safe integers in f64, or the lane is out of bounds.
 */
export function apportion(meters: i32, slots: i32, cells: usize, denominator: usize, total: usize, status: usize, totalWh: usize, wh: usize,
  scratch: usize): void {
  const left = scratch;
  const remainder = scratch + 16; // u64 per slot
  for (let m = 0; m < meters; m++) {
    store<f64>(totalWh + (<usize>m << 3), NaN);
    if (load<u8>(status + m) != OK) {
      for (let s = 0; s < slots; s++) store<f64>(wh + (<usize>(s * meters + m) << 3), NaN);
      continue;
    }
    const den = load<i64>(denominator + (<usize>m << 3));
    const whole = rounded(total + (<usize>m << 4), den, left);
    let spare = whole;
    let outside = whole == UNBOUNDED;
    for (let s = 0; s < slots; s++) {
      const lane = <usize>(s * meters + m);
      const own = wh + (lane << 3);
      const rest = remainder + (<usize>s << 3);
      store<i64>(rest, -1);
      if (isNaN(load<f64>(own))) continue;
      const part = floored(cells + (lane << 4), den, rest);
      outside = outside || part == UNBOUNDED;
      spare -= part;
      store<f64>(own, <f64>part);
    }
    if (outside) {
      store<u8>(status + m, OUT_OF_BOUNDS);
      for (let s = 0; s < slots; s++) store<f64>(wh + (<usize>(s * meters + m) << 3), NaN);
      continue;
    }
    store<f64>(totalWh + (<usize>m << 3), <f64>whole);
    for (; spare > 0; spare--) {
      let best = 0;
      for (let s = 1; s < slots; s++) {
        if (load<i64>(remainder + (<usize>s << 3)) > load<i64>(remainder + (<usize>best << 3))) best = s;
      }
      store<i64>(remainder + (<usize>best << 3), -1);
      const own = wh + (<usize>(best * meters + m) << 3);
      store<f64>(own, load<f64>(own) + 1);
    }
  }
}
