import { at, put, regress, regressWork } from './regress';

/** Hours of a week, and months. */
const HOURS: i32 = 168;
const MONTHS: i32 = 12;
const MISSING: i32 = i32.MIN_VALUE;

/*
 * CalTRACK 2.0 hourly: load by time of week and temperature, a model per month from that month (weight 1) and its neighbours.
 *   1 occupied  an hour of the week is occupied when more than `share` of its residuals of  Wh ~ 1 + max(T - hot, 0) + max(cold - T, 0)
 *               are above zero (above 2^-40 of the largest reading: rounding is no occupancy)
 *   2 bins      per state (not occupied, occupied) of `edges`, intervals (l, r]: outer edges whose outer bin holds < leastRows go, both in one
 *               pass; only when both are well filled, the right edges of thin bins between go; again until nothing goes
 *   3 fit       Wh ~ intercept per hour of week + T's share of every bin, while not occupied and while occupied; minimum norm
 *   predict     the month's own model; an hour of the week it never saw has no prediction
 * source: CalTRACK methods 3.9, as golden RULES section 8 puts it. Temperatures enter as integers; T = value / scale in degrees.
 *
 * Columns, for N rows fitted, M rows asked, E edges:
 * in   TOWT_ROW_WH i32[N] · TOWT_ROW_HEAT i32[N] · TOWT_ROW_HOUR u8[N] 0..167 · TOWT_ROW_MONTH u8[N] 0..11 · TOWT_EDGE i32[E] rising
 *      TOWT_ASK_HEAT i32[M] · TOWT_ASK_HOUR u8[M] · TOWT_ASK_MONTH u8[M]            -2^31 = missing reading or temperature: the row says nothing
 * model, out of fit and into predict:
 *      TOWT_ROWS i32[12] rows it was fitted on (0 = no model) · TOWT_RANK i32[12] · TOWT_SEEN u8[12][168] rows of that hour, at most 255
 *      TOWT_OCCUPIED u8[12][168] · TOWT_KEPT u8[12][2][E] edges kept, not occupied first
 *      TOWT_COEFFICIENT f64[12][168 + 2(E + 1)] intercepts, slopes not occupied, slopes occupied
 *      TOWT_SQUARES f64[12] sum of w * residual^2 · TOWT_WEIGHT f64[12] sum of w · TOWT_LOAD f64[12] sum of w * Wh
 * out  TOWT_PREDICTED f64[M] Wh, 0 where there is none · TOWT_STATUS u8[M] 0 ok, 1 no temperature, 2 no model for this month and hour
 */
export const TOWT_ROW_WH: i32 = 0;
export const TOWT_ROW_HEAT: i32 = 1;
export const TOWT_ROW_HOUR: i32 = 2;
export const TOWT_ROW_MONTH: i32 = 3;
export const TOWT_EDGE: i32 = 4;
export const TOWT_ASK_HEAT: i32 = 5;
export const TOWT_ASK_HOUR: i32 = 6;
export const TOWT_ASK_MONTH: i32 = 7;
export const TOWT_ROWS: i32 = 8;
export const TOWT_RANK: i32 = 9;
export const TOWT_SEEN: i32 = 10;
export const TOWT_OCCUPIED: i32 = 11;
export const TOWT_KEPT: i32 = 12;
export const TOWT_COEFFICIENT: i32 = 13;
export const TOWT_SQUARES: i32 = 14;
export const TOWT_WEIGHT: i32 = 15;
export const TOWT_LOAD: i32 = 16;
export const TOWT_PREDICTED: i32 = 17;
export const TOWT_STATUS: i32 = 18;
const WORK: i32 = 19;
/** `towtColumn(TOWT_COLUMNS, …)` is the end of the arena. */
export const TOWT_COLUMNS: i32 = 20;

/** Address of a column in bytes. */
export function towtColumn(which: i32, rows: i32, asked: i32, edges: i32): usize {
  let from: usize = (__heap_base + 15) & ~15;
  for (let c = 0; c < which; c++) from += (bytes(c, <usize>rows, <usize>asked, <usize>edges) + 15) & ~15;
  return from;
}

function bytes(which: i32, rows: usize, asked: usize, edges: usize): usize {
  switch (which) {
    case TOWT_ROW_WH:
    case TOWT_ROW_HEAT:
      return rows * 4;
    case TOWT_ROW_HOUR:
    case TOWT_ROW_MONTH:
      return rows;
    case TOWT_EDGE:
      return edges * 4;
    case TOWT_ASK_HEAT:
      return asked * 4;
    case TOWT_ASK_HOUR:
    case TOWT_ASK_MONTH:
    case TOWT_STATUS:
      return asked;
    case TOWT_ROWS:
    case TOWT_RANK:
      return MONTHS * 4;
    case TOWT_SEEN:
    case TOWT_OCCUPIED:
      return MONTHS * HOURS;
    case TOWT_KEPT:
      return <usize>MONTHS * 2 * edges;
    case TOWT_COEFFICIENT:
      return <usize>MONTHS * (<usize>HOURS + 2 * (edges + 1)) * 8;
    case TOWT_SQUARES:
    case TOWT_WEIGHT:
    case TOWT_LOAD:
      return MONTHS * 8;
    case TOWT_PREDICTED:
      return asked * 8;
    case WORK: {
      const features = 2 * (<i32>edges + 1);
      return rows * 24 + 16 + <usize>features * rows * 8 + HOURS * 8 + regressWork(<i32>rows, HOURS, features);
    }
    default:
      return 0;
  }
}

/**
 * Fits the months of the bit set `months`. Weights are halves: the month itself 2, its neighbours `neighbour` (1: CalTRACK's three months
 * weighted; 0: one month). 0 = done, 1 = refused, nothing written.
 */
export function towtFit(rows: i32, asked: i32, edges: i32, scale: i32, hot: i32, cold: i32, shareNum: i32, shareDen: i32, leastRows: i32,
  neighbour: i32, months: i32): i32 {
  if (refused(rows, asked, edges, scale) || shareDen < 1 || shareNum < 0 || leastRows < 1 || neighbour < 0 || neighbour > 2) return 1;
  const kept = towtColumn(TOWT_KEPT, rows, asked, edges);
  memory.fill(towtColumn(TOWT_ROWS, rows, asked, edges), 0, kept - towtColumn(TOWT_ROWS, rows, asked, edges));
  memory.fill(kept, 0, towtColumn(TOWT_PREDICTED, rows, asked, edges) - kept);
  for (let month = 0; month < MONTHS; month++) {
    if ((months >> month) & 1) fitMonth(rows, asked, edges, <f64>scale, hot, cold, shareNum, shareDen, leastRows, neighbour, month);
  }
  return 0;
}

/** Predicts the asked rows from the model columns, whoever filled them. 0 = done, 1 = refused, nothing written. */
export function towtPredict(rows: i32, asked: i32, edges: i32, scale: i32): i32 {
  if (refused(rows, asked, edges, scale)) return 1;
  const heat = towtColumn(TOWT_ASK_HEAT, rows, asked, edges);
  const hour = towtColumn(TOWT_ASK_HOUR, rows, asked, edges);
  const month = towtColumn(TOWT_ASK_MONTH, rows, asked, edges);
  const seen = towtColumn(TOWT_SEEN, rows, asked, edges);
  const predicted = towtColumn(TOWT_PREDICTED, rows, asked, edges);
  const status = towtColumn(TOWT_STATUS, rows, asked, edges);
  for (let i = 0; i < asked; i++) {
    const h = <i32>load<u8>(hour + i);
    const m = <i32>load<u8>(month + i);
    const t = load<i32>(heat + (<usize>i << 2));
    put(predicted, i, 0);
    if (h >= HOURS || m >= MONTHS || load<u8>(seen + m * HOURS + h) == 0) store<u8>(status + i, 2);
    else if (t == MISSING) store<u8>(status + i, 1);
    else {
      store<u8>(status + i, 0);
      put(predicted, i, modelled(rows, asked, edges, <f64>scale, m, h, t));
    }
  }
  return 0;
}

function refused(rows: i32, asked: i32, edges: i32, scale: i32): bool {
  return rows < 0 || rows > 1 << 17 || asked < 0 || asked > 1 << 20 || edges < 0 || edges > 15 || scale < 1;
}

function fitMonth(rows: i32, asked: i32, edges: i32, scale: f64, hot: i32, cold: i32, shareNum: i32, shareDen: i32, leastRows: i32,
  neighbour: i32, month: i32): void {
  const wh = towtColumn(TOWT_ROW_WH, rows, asked, edges);
  const heat = towtColumn(TOWT_ROW_HEAT, rows, asked, edges);
  const hour = towtColumn(TOWT_ROW_HOUR, rows, asked, edges);
  const own = towtColumn(TOWT_ROW_MONTH, rows, asked, edges);
  const seen = towtColumn(TOWT_SEEN, rows, asked, edges) + month * HOURS;
  // The month's rows, packed.
  const y = towtColumn(WORK, rows, asked, edges); // f64
  const w = y + (<usize>rows << 3); //               f64
  const t = w + (<usize>rows << 3); //               i32
  const h = t + (<usize>rows << 2); //               u8 hour of the week
  const one = h + <usize>rows; //                    u8, all 0: one group
  let n = 0;
  for (let i = 0; i < rows; i++) {
    const away = (<i32>load<u8>(own + i) - month + MONTHS) % MONTHS;
    const weight = away == 0 ? 2 : away == 1 || away == MONTHS - 1 ? neighbour : 0;
    const value = load<i32>(wh + (<usize>i << 2));
    const degrees = load<i32>(heat + (<usize>i << 2));
    const slot = <i32>load<u8>(hour + i);
    if (weight == 0 || value == MISSING || degrees == MISSING || slot >= HOURS) continue;
    put(y, n, <f64>value);
    put(w, n, 0.5 * <f64>weight);
    store<i32>(t + (<usize>n << 2), degrees);
    store<u8>(h + n, <u8>slot);
    store<u8>(one + n++, 0);
    if (load<u8>(seen + slot) < 255) store<u8>(seen + slot, load<u8>(seen + slot) + 1);
  }
  store<i32>(towtColumn(TOWT_ROWS, rows, asked, edges) + (month << 2), n);
  if (n == 0) return;

  const x = one + ((<usize>rows + 15) & ~7); // f64 [features][n]
  const base = x + (<usize>(2 * (edges + 1) * rows) << 3);
  const occupied = towtColumn(TOWT_OCCUPIED, rows, asked, edges) + month * HOURS;
  occupancy(n, y, w, t, h, one, x, base, base + 32, scale, hot, cold, shareNum, shareDen, occupied);

  const edge = towtColumn(TOWT_EDGE, rows, asked, edges);
  const kept = towtColumn(TOWT_KEPT, rows, asked, edges) + month * 2 * edges;
  for (let state = 0; state < 2; state++) keepEdges(n, t, h, occupied, state, edges, edge, leastRows, kept + state * edges);

  const width = HOURS + 2 * (edges + 1);
  const coefficient = towtColumn(TOWT_COEFFICIENT, rows, asked, edges) + (<usize>(month * width) << 3);
  for (let i = 0; i < n; i++) binned(i, n, load<i32>(t + (<usize>i << 2)), load<u8>(h + i), scale, occupied, edges, edge, kept, x);
  const rank = regress(n, HOURS, 2 * (edges + 1), y, w, h, x, coefficient, base);
  store<i32>(towtColumn(TOWT_RANK, rows, asked, edges) + (month << 2), rank);

  let squares = 0.0;
  let weights = 0.0;
  let loads = 0.0;
  for (let i = 0; i < n; i++) {
    const residual = at(y, i) - modelled(rows, asked, edges, scale, month, load<u8>(h + i), load<i32>(t + (<usize>i << 2)));
    squares += at(w, i) * residual * residual;
    weights += at(w, i);
    loads += at(w, i) * at(y, i);
  }
  put(towtColumn(TOWT_SQUARES, rows, asked, edges), month, squares);
  put(towtColumn(TOWT_WEIGHT, rows, asked, edges), month, weights);
  put(towtColumn(TOWT_LOAD, rows, asked, edges), month, loads);
}

/** Step 1. `line` f64[3] is scratch. */
function occupancy(n: i32, y: usize, w: usize, t: usize, h: usize, one: usize, x: usize, line: usize, work: usize, scale: f64, hot: i32,
  cold: i32, shareNum: i32, shareDen: i32, occupied: usize): void {
  let largest = 0.0;
  for (let i = 0; i < n; i++) {
    const degrees = load<i32>(t + (<usize>i << 2));
    put(x, i, degrees > hot ? <f64>(<i64>degrees - hot) / scale : 0);
    put(x, n + i, degrees < cold ? <f64>(<i64>cold - degrees) / scale : 0);
    largest = max(largest, abs(at(y, i)));
  }
  regress(n, 1, 2, y, w, one, x, line, work);
  const above = work; // i32 [HOURS][2]: rows, rows above zero
  memory.fill(above, 0, HOURS * 8);
  for (let i = 0; i < n; i++) {
    const residual = at(y, i) - (at(line, 0) + at(line, 1) * at(x, i) + at(line, 2) * at(x, n + i));
    const cell = above + (<usize>load<u8>(h + i) << 3);
    store<i32>(cell, load<i32>(cell) + 1);
    if (residual > largest / 1099511627776.0) store<i32>(cell, load<i32>(cell, 4) + 1, 4);
  }
  for (let slot = 0; slot < HOURS; slot++) {
    const cell = above + (<usize>slot << 3);
    const busy = <i64>load<i32>(cell, 4) * shareDen > <i64>load<i32>(cell) * shareNum;
    store<u8>(occupied + slot, busy ? 1 : 0);
  }
}

/** Step 2 for one state. An edge that is kept is 1. */
function keepEdges(n: i32, t: usize, h: usize, occupied: usize, state: i32, edges: i32, edge: usize, leastRows: i32, kept: usize): void {
  memory.fill(kept, 1, edges);
  while (true) {
    let lowest = -1;
    let highest = -1;
    for (let e = 0; e < edges; e++) {
      if (load<u8>(kept + e) == 0) continue;
      if (lowest < 0) lowest = e;
      highest = e;
    }
    if (lowest < 0) return;
    const thinBelow = counted(n, t, h, occupied, state, i32.MIN_VALUE, load<i32>(edge + (lowest << 2))) < leastRows;
    const thinAbove = counted(n, t, h, occupied, state, load<i32>(edge + (highest << 2)), i32.MAX_VALUE) < leastRows;
    if (thinBelow) store<u8>(kept + lowest, 0);
    if (thinAbove) store<u8>(kept + highest, 0);
    if (thinBelow || thinAbove) continue;
    let gone = false;
    let left = lowest;
    for (let e = lowest + 1; e <= highest; e++) {
      if (load<u8>(kept + e) == 0) continue;
      if (counted(n, t, h, occupied, state, load<i32>(edge + (left << 2)), load<i32>(edge + (e << 2))) < leastRows) {
        store<u8>(kept + e, 0);
        gone = true;
      }
      left = e; // bins of this pass are those it began with
    }
    if (!gone) return;
  }
}

/** Rows of the state with a temperature in (low, high]. */
function counted(n: i32, t: usize, h: usize, occupied: usize, state: i32, low: i32, high: i32): i32 {
  let rows = 0;
  for (let i = 0; i < n; i++) {
    const degrees = load<i32>(t + (<usize>i << 2));
    if (<i32>load<u8>(occupied + load<u8>(h + i)) == state && degrees > low && degrees <= high) rows++;
  }
  return rows;
}

/** x[·][i]: what T has of each bin of the hour's state; 0 in the other state's columns. */
function binned(i: i32, n: i32, degrees: i32, slot: i32, scale: f64, occupied: usize, edges: i32, edge: usize, kept: usize, x: usize): void {
  const state = <i32>load<u8>(occupied + slot);
  for (let c = 0; c < 2 * (edges + 1); c++) put(x, c * n + i, 0);
  let column = state * (edges + 1);
  let left = 0;
  let inside = false;
  for (let e = 0; e < edges; e++) {
    if (load<u8>(kept + state * edges + e) == 0) continue;
    const right = load<i32>(edge + (e << 2));
    put(x, column++ * n + i, share(degrees, inside, left, true, right, scale));
    left = right;
    inside = true;
  }
  put(x, column * n + i, share(degrees, inside, left, false, 0, scale));
}

/** Degrees of T in the bin: min(T, right) in the first, T - left clamped to 0 … width in the others. */
function share(degrees: i32, hasLeft: bool, left: i32, hasRight: bool, right: i32, scale: f64): f64 {
  const top = <i64>(hasRight && degrees > right ? right : degrees);
  if (!hasLeft) return <f64>top / scale;
  return top > <i64>left ? <f64>(top - left) / scale : 0;
}

/** d[hour] + the slopes times T's shares, in the order of the bins. */
function modelled(rows: i32, asked: i32, edges: i32, scale: f64, month: i32, slot: i32, degrees: i32): f64 {
  const edge = towtColumn(TOWT_EDGE, rows, asked, edges);
  const state = <i32>load<u8>(towtColumn(TOWT_OCCUPIED, rows, asked, edges) + month * HOURS + slot);
  const kept = towtColumn(TOWT_KEPT, rows, asked, edges) + (month * 2 + state) * edges;
  const width = HOURS + 2 * (edges + 1);
  const coefficient = towtColumn(TOWT_COEFFICIENT, rows, asked, edges) + (<usize>(month * width) << 3);
  let value = at(coefficient, slot);
  let column = HOURS + state * (edges + 1);
  let left = 0;
  let inside = false;
  for (let e = 0; e < edges; e++) {
    if (load<u8>(kept + e) == 0) continue;
    const right = load<i32>(edge + (e << 2));
    value += at(coefficient, column++) * share(degrees, inside, left, true, right, scale);
    left = right;
    inside = true;
  }
  return value + at(coefficient, column) * share(degrees, inside, left, false, 0, scale);
}
