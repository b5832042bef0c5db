import { at, put, regress, regressWork } from './regress';

const MISSING: i32 = i32.MIN_VALUE;

/*
 * Degree hours: per slot of the window, over the D training days with reading and temperature,
 *     y = a + b max(T - cooling, 0) + c max(heating - T, 0)        least squares, minimum norm
 *     baseline = max(0, prediction at the event day's T)
 * source: golden RULES section 8, simple_cdh_hdh. Temperatures enter as integers; T = value / scale in degrees.
 *
 * in   DEGREE_WH i32[D][W] · DEGREE_HEAT i32[D][W] · DEGREE_EVENT_HEAT i32[W]            -2^31 = missing
 * out  DEGREE_ROWS i32[W] · DEGREE_RANK i32[W] · DEGREE_COEFFICIENT f64[W][3] a, b, c · DEGREE_SQUARES f64[W] sum of residual^2, Wh^2
 *      DEGREE_BASELINE f64[W] Wh, 0 where there is none · DEGREE_STATUS u8[W] 0 ok, 1 no temperature at the event, 2 no training row
 */
export const DEGREE_WH: i32 = 0;
export const DEGREE_HEAT: i32 = 1;
export const DEGREE_EVENT_HEAT: i32 = 2;
export const DEGREE_ROWS: i32 = 3;
export const DEGREE_RANK: i32 = 4;
export const DEGREE_COEFFICIENT: i32 = 5;
export const DEGREE_SQUARES: i32 = 6;
export const DEGREE_BASELINE: i32 = 7;
export const DEGREE_STATUS: i32 = 8;
const WORK: i32 = 9;
/** `degreeColumn(DEGREE_COLUMNS, …)` is the end of the arena. */
export const DEGREE_COLUMNS: i32 = 10;

/** Address of a column in bytes. */
export function degreeColumn(which: i32, days: i32, slots: i32): usize {
  let from: usize = (__heap_base + 15) & ~15;
  for (let c = 0; c < which; c++) from += (bytes(c, <usize>days, <usize>slots) + 15) & ~15;
  return from;
}

function bytes(which: i32, days: usize, slots: usize): usize {
  switch (which) {
    case DEGREE_WH:
    case DEGREE_HEAT:
      return days * slots * 4;
    case DEGREE_EVENT_HEAT:
    case DEGREE_ROWS:
    case DEGREE_RANK:
      return slots * 4;
    case DEGREE_COEFFICIENT:
      return slots * 24;
    case DEGREE_SQUARES:
    case DEGREE_BASELINE:
      return slots * 8;
    case DEGREE_STATUS:
      return slots;
    case WORK:
      return days * 33 + 16 + regressWork(<i32>days, 1, 2);
    default:
      return 0;
  }
}

/** All slots of one settlement point. 0 = done, 1 = refused, nothing written. */
export function degreeHours(days: i32, slots: i32, scale: i32, cooling: i32, heating: i32): i32 {
  if (days < 0 || days > 4096 || slots < 1 || slots > 128 || scale < 1) return 1;
  const wh = degreeColumn(DEGREE_WH, days, slots);
  const heat = degreeColumn(DEGREE_HEAT, days, slots);
  const event = degreeColumn(DEGREE_EVENT_HEAT, days, slots);
  const squares = degreeColumn(DEGREE_SQUARES, days, slots);
  const baseline = degreeColumn(DEGREE_BASELINE, days, slots);
  const status = degreeColumn(DEGREE_STATUS, days, slots);
  const y = degreeColumn(WORK, days, slots); //   f64 [n]
  const w = y + (<usize>days << 3); //            f64 [n], all 1
  const x = w + (<usize>days << 3); //            f64 [2][n]
  const one = x + (<usize>days << 4); //          u8  [n], all 0
  const work = one + ((<usize>days + 15) & ~7);
  memory.fill(one, 0, days);
  for (let s = 0; s < slots; s++) {
    let n = 0;
    for (let d = 0; d < days; d++) {
      if (load<i32>(wh + (<usize>(d * slots + s) << 2)) != MISSING && load<i32>(heat + (<usize>(d * slots + s) << 2)) != MISSING) n++;
    }
    let i = 0;
    for (let d = 0; d < days; d++) {
      const value = load<i32>(wh + (<usize>(d * slots + s) << 2));
      const degrees = load<i32>(heat + (<usize>(d * slots + s) << 2));
      if (value == MISSING || degrees == MISSING) continue;
      put(y, i, <f64>value);
      put(w, i, 1);
      put(x, i, beyond(degrees, cooling, <f64>scale));
      put(x, n + i++, beyond(heating, degrees, <f64>scale));
    }
    const line = degreeColumn(DEGREE_COEFFICIENT, days, slots) + <usize>(s * 24);
    const rank = regress(n, 1, 2, y, w, one, x, line, work);
    let sum = 0.0;
    for (let r = 0; r < n; r++) {
      const residual = at(y, r) - (at(line, 0) + at(line, 1) * at(x, r) + at(line, 2) * at(x, n + r));
      sum += residual * residual;
    }
    store<i32>(degreeColumn(DEGREE_ROWS, days, slots) + (<usize>s << 2), n);
    store<i32>(degreeColumn(DEGREE_RANK, days, slots) + (<usize>s << 2), rank);
    put(squares, s, sum);
    const now = load<i32>(event + (<usize>s << 2));
    store<u8>(status + s, n == 0 ? 2 : now == MISSING ? 1 : 0);
    const predicted = at(line, 0) + at(line, 1) * beyond(now, cooling, <f64>scale) + at(line, 2) * beyond(heating, now, <f64>scale);
    put(baseline, s, n == 0 || now == MISSING || predicted < 0 ? 0 : predicted);
  }
  return 0;
}

/** max(a - b, 0) in degrees. */
function beyond(a: i32, b: i32, scale: f64): f64 {
  return a > b ? <f64>(<i64>a - b) / scale : 0;
}
