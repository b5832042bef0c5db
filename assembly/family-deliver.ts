import { MISSING } from './columns';
import { INCREASE } from './deliver';
import { CELLS, DIRECTION, Family, REST } from './family-columns';
import { OK, OUT_OF_BOUNDS } from './select';
import { add, copy, floored, negate, order, rounded, set, times, UNBOUNDED, WIDE } from './wide';

/*
 * As deliver.ts and apportion.ts, over 256 bits: delivered[s] = baseline[s] - actual[s] (reduce), actual[s] - baseline[s] (increase);
 * totals are rounded once, halves away from zero, and the intervals shown add up to them by largest remainder, ties to the earlier.
 */
export function deliverDays(f: Family, m: i32): void {
  const lane = <usize>m * WIDE;
  const den = f.denominator + lane;
  const total = f.deliveredTotal + lane;
  const part = f.scratch + CELLS;
  set(total, 0);
  for (let s = 0; s < f.eventSlots; s++) {
    const at = <usize>(s * f.meters + m);
    const own = f.delivered + at * WIDE;
    set(own, 0);
    store<f64>(f.baselineWh + (at << 3), 0);
    if (isNaN(load<f64>(f.deliveredWh + (at << 3)))) continue;
    copy(own, den);
    times(own, -(<i64>load<i32>(f.actual + (at << 2))));
    copy(part, f.baseline + at * WIDE);
    add(own, part);
    if (f.term(DIRECTION) == INCREASE) negate(own);
    add(total, own);
  }
  apportion(f, m, f.baseline, f.baselineTotal, f.baselineTotalWh, f.baselineWh);
  apportion(f, m, f.delivered, f.deliveredTotal, f.deliveredTotalWh, f.deliveredWh);
}

/** What was metered, and what is missing or dark, whatever becomes of the baseline; a slot that delivers nothing gets NaN. */
export function meterActual(f: Family, m: i32): void {
  let metered: i64 = 0;
  let missing = 0;
  let unsettled = 0;
  for (let s = 0; s < f.eventSlots; s++) {
    const at = <usize>(s * f.meters + m);
    const wh = load<i32>(f.actual + (at << 2));
    const dark = load<u8>(f.notSettled + at) != 0;
    if (dark) unsettled++;
    else if (wh == MISSING) missing++;
    else metered += wh;
    store<f64>(f.deliveredWh + (at << 3), dark || wh == MISSING ? NaN : 0);
    store<f64>(f.baselineWh + (at << 3), NaN);
  }
  store<i64>(f.actualTotal + (<usize>m << 3), metered);
  store<i32>(f.missingCount + (<usize>m << 2), missing);
  store<i32>(f.notSettledCount + (<usize>m << 2), unsettled);
  store<f64>(f.baselineTotalWh + (<usize>m << 3), NaN);
  store<f64>(f.deliveredTotalWh + (<usize>m << 3), NaN);
}

function apportion(f: Family, m: i32, cells: usize, totals: usize, totalWh: usize, wh: usize): void {
  if (load<u8>(f.status + m) != OK) return;
  const den = f.denominator + <usize>m * WIDE;
  const scratch = f.scratch + CELLS;
  const whole = rounded(totals + <usize>m * WIDE, den, scratch);
  let spare = whole;
  let outside = whole == UNBOUNDED;
  for (let s = 0; s < f.eventSlots; s++) {
    const at = <usize>(s * f.meters + m);
    const rest = f.scratch + REST + <usize>s * WIDE;
    set(rest, -1);
    if (isNaN(load<f64>(wh + (at << 3)))) continue;
    const part = floored(cells + at * WIDE, den, rest, scratch);
    outside = outside || part == UNBOUNDED;
    spare -= part;
    store<f64>(wh + (at << 3), <f64>part);
  }
  if (outside) {
    store<u8>(f.status + m, OUT_OF_BOUNDS);
    return;
  }
  store<f64>(totalWh + (<usize>m << 3), <f64>whole);
  for (; spare > 0; spare--) {
    let best = 0;
    for (let s = 1; s < f.eventSlots; s++) if (order(f.scratch + REST + <usize>s * WIDE, f.scratch + REST + <usize>best * WIDE) > 0) best = s;
    set(f.scratch + REST + <usize>best * WIDE, -1);
    const own = wh + (<usize>(best * f.meters + m) << 3);
    store<f64>(own, load<f64>(own) + 1);
  }
}
