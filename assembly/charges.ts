import { product, rounded, UNBOUNDED } from './exact';

/** What a component is a share of, or a rate upon. */
export const ENERGY: i64 = 0; //     the trade's energy at its own price, rupees
export const KWH: i64 = 1; //        the trade's energy, kWh, at the boundary the component names
export const COMPONENTS: i64 = 2; // the sum of earlier components

export const CHARGED: u8 = 0;
export const CHARGE_OUT_OF_BOUNDS: u8 = 1;

/*
 * Per trade, with s the settled Wh at the seller's meter, p its price (micro-rupees per kWh) and f[b] the share that gets across boundary b:
 *   carried[0] = s, carried[b + 1] = round(carried[b] f[b]) where the trade crosses b, else carried[b]                    Wh
 *   amount[c]  = round(round(s p / 1000) rate)      of the energy's rupees        (rate: a plain number, num / den)
 *              = round(carried[at] rate / 1000)     per kWh                       (rate: micro-rupees per kWh, num / den)
 *              = round(sum of amount[d] rate)       of earlier components d < c
 *              = 0 where the component does not apply to the trade
 *   buyer[c]   = round(amount[c] share); the seller pays amount[c] - buyer[c], so the parts add up                        micro-rupees
 * Every rounding is to a whole Wh or micro-rupee, halves away from zero; paise are rounded once, on the bill line.
 * A row of `component`: kind, at (0 = seller's meter, B = buyer's), rate num, rate den, share num, share den.
 * |s| < 2^31, |p| and |num| < 2^47, den <= 2^30, amounts are safe integers: products < 2^101, divisors < 2^41. See exact.ts.
 */
export function charges(trades: i32, boundaries: i32, components: i32, settled: usize, price: usize, crosses: usize, transit: usize,
  applies: usize, bases: usize, component: usize, carried: usize, amount: usize, buyer: usize, status: usize, cell: usize): void {
  const spare = cell + 16;
  memory.copy(carried, settled, <usize>trades << 2);
  memory.fill(status, CHARGED, trades);
  for (let b = 0; b < boundaries; b++) {
    const num = load<i64>(transit + (<usize>b << 4));
    const den = load<i64>(transit + (<usize>b << 4), 8);
    const before = carried + (<usize>(b * trades) << 2);
    const after = before + (<usize>trades << 2);
    for (let t = 0; t < trades; t++) {
      const wh = load<i32>(before + (<usize>t << 2));
      product(cell, wh, num);
      store<i32>(after + (<usize>t << 2), load<u8>(crosses + b * trades + t) ? <i32>rounded(cell, den, spare) : wh);
    }
  }
  for (let c = 0; c < components; c++) {
    const row = component + <usize>c * 48;
    const kind = load<i64>(row);
    const carriedRow = carried + (<usize>(load<i32>(row, 8) * trades) << 2);
    const num = load<i64>(row, 16);
    const den = load<i64>(row, 24);
    const shareNum = load<i64>(row, 32);
    const shareDen = load<i64>(row, 40);
    for (let t = 0; t < trades; t++) {
      const own = <usize>(c * trades + t) << 3;
      store<i64>(amount + own, 0);
      store<i64>(buyer + own, 0);
      if (!load<u8>(applies + c * trades + t)) continue;
      let base: i64 = 0;
      if (kind == ENERGY) {
        product(cell, load<i32>(settled + (<usize>t << 2)), load<i64>(price + (<usize>t << 3)));
        base = rounded(cell, 1000, spare);
      } else if (kind == KWH) base = load<i32>(carriedRow + (<usize>t << 2));
      else base = sumOf(bases + c * components, c, amount, trades, t);
      let whole = UNBOUNDED;
      let part = UNBOUNDED;
      if (base != UNBOUNDED) {
        product(cell, base, num);
        whole = rounded(cell, kind == KWH ? den * 1000 : den, spare);
      }
      if (whole != UNBOUNDED) {
        product(cell, whole, shareNum);
        part = rounded(cell, shareDen, spare);
      }
      if (part == UNBOUNDED) {
        store<u8>(status + t, CHARGE_OUT_OF_BOUNDS);
        continue;
      }
      store<i64>(amount + own, whole);
      store<i64>(buyer + own, part);
    }
  }
}

/** Sum of the trade's amounts of the components before c that c is based on. At most 2^6 safe integers: no overflow. */
function sumOf(based: usize, c: i32, amount: usize, trades: i32, t: i32): i64 {
  let total: i64 = 0;
  for (let d = 0; d < c; d++) if (load<u8>(based + d)) total += load<i64>(amount + (<usize>(d * trades + t) << 3));
  return total;
}
