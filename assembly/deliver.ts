import { MISSING } from './columns';
import { add, negate, product, set } from './exact';

export const REDUCE: i32 = 0;
export const INCREASE: i32 = 1;

/*
 * delivered[s] = baseline[s] - actual[s]   (reduce)      over the lane's denominator, exact
 *              = actual[s] - baseline[s]   (increase)
 * A slot without reading, or not energised, delivers nothing and is no zero: its Wh stays NaN, its cell 0, and totals run over the rest.
 * A slot that is both counts as not settled. Delivery is not clipped.
 * source: golden RULES section 6. |delivered cell| < 2^78 + 2^31 * 2^47.
 */
export function deliver(meters: i32, eventSlots: i32, direction: i32, actual: usize, notSettled: usize, denominator: usize, baseline: usize,
  delivered: usize, deliveredTotal: usize, actualTotal: usize, missingCount: usize, notSettledCount: usize, deliveredWh: usize): void {
  for (let m = 0; m < meters; m++) {
    const den = load<i64>(denominator + (<usize>m << 3));
    const total = deliveredTotal + (<usize>m << 4);
    let metered: i64 = 0;
    let missing = 0;
    let unsettled = 0;
    set(total, 0);
    for (let s = 0; s < eventSlots; s++) {
      const lane = <usize>(s * meters + m);
      const cell = delivered + (lane << 4);
      const wh = load<i32>(actual + (lane << 2));
      const dark = load<u8>(notSettled + lane) != 0;
      if (dark || wh == MISSING) {
        if (dark) unsettled++;
        else missing++;
        set(cell, 0);
        store<f64>(deliveredWh + (lane << 3), NaN);
        continue;
      }
      metered += wh;
      product(cell, -(<i64>wh), den);
      add(cell, baseline + (lane << 4));
      if (direction == INCREASE) negate(cell);
      add(total, cell);
      store<f64>(deliveredWh + (lane << 3), 0);
    }
    store<i64>(actualTotal + (<usize>m << 3), metered);
    store<i32>(missingCount + (<usize>m << 2), missing);
    store<i32>(notSettledCount + (<usize>m << 2), unsettled);
  }
}
