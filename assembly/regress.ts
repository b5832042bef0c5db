/** A column whose remainder is no larger than this share of itself says nothing new. */
export const DEPENDENT: f64 = 1e-10;

/** Most feature columns. */
export const FEATURES_MAX: i32 = 32;

/** Bytes of workspace that `regress` wants. */
export function regressWork(rows: i32, groups: i32, features: i32): usize {
  const f = <usize>features;
  return ((f + 1) * <usize>rows + <usize>groups * (f + 4) + 2 * f + f * (<usize>groups + f)) * 8;
}

/*
 * Weighted least squares with one intercept per group, the solution of minimum norm.
 *     minimise  sum_i w_i (y_i - d[g_i] - sum_j b_j x_ij)^2 ;  of several minima the one with the least  sum d^2 + sum b^2
 * Let u = sqrt(w) and A = [D B], every row times its u. D's columns have no row in common, so one Householder reflection per group makes D
 * triangular and leaves in B's other rows what the intercepts do not explain. QR with column pivoting of these rows finds the rank r; the
 * k - r columns without a pivot span the null space N (of b; d follows), and t + N z with N'(t + N z) = 0, by QR of N, is the shortest solution.
 * source: Golub and Van Loan, Matrix Computations, 5.3 (Householder), 5.4 (Businger and Golub's pivoting), 5.5 (minimum norm);
 * Householder QR is backward stable: the result is exact for columns perturbed by <= c * rows * 2^-53 of themselves (Higham, Accuracy and
 * Stability, 19.4). DEPENDENT lies above that for 10^5 rows, and below what a thermometer can tell. All sums run in row order.
 *
 * y, w f64[rows], w > 0; group u8[rows]; x f64[features][rows] -> coefficient f64[groups + features], d then b. An absent group has d = 0.
 * Returns r + the number of groups present, or 0 without rows. Finite inputs below 2^100 give finite results.
 */
export function regress(rows: i32, groups: i32, features: i32, y: usize, w: usize, group: usize, x: usize, coefficient: usize,
  work: usize): i32 {
  const columns = features + 1; // the last is y
  const rest = work; //                                        f64 [features + 1][rows]  rows that are not their group's first
  const head = rest + (<usize>(columns * rows) << 3); //       f64 [groups][features + 1] R's rows of the intercepts
  const first = head + (<usize>(groups * columns) << 3); //    f64 [groups] row + 1 of the group's first, 0 = absent
  const corner = first + (<usize>groups << 3); //              f64 [groups] R's diagonal
  const push = corner + (<usize>groups << 3); //               f64 [groups] scratch
  const whole = push + (<usize>groups << 3); //                f64 [features] squares of the column before anything was taken out
  const order = whole + (<usize>features << 3); //             f64 [features] pivot order
  const tail = order + (<usize>features << 3);

  memory.fill(coefficient, 0, <usize>(groups + features) << 3);
  if (rows < 1) return 0;
  const present = groupNorms(rows, groups, w, group, first, corner);
  for (let c = 0; c < columns; c++) {
    const from = c < features ? x + (<usize>(c * rows) << 3) : y;
    const size = reflectGroups(rows, groups, columns, c, from, w, group, first, corner, push, head, rest);
    if (c < features) {
      put(whole, c, size);
      put(order, c, <f64>c);
    }
  }
  for (let g = 0; g < groups; g++) put(corner, g, -at(corner, g)); // the reflection turns the column to -|column|
  const kept = rows - present;
  const rank = pivot(kept, rows, features, rest, whole, order, tail);
  solve(rows, groups, features, rank, rest, head, first, corner, order, coefficient, tail);
  return present + rank;
}

/** corner[g] = |sqrt(w) over g's rows|; first[g]; how many groups have rows. */
function groupNorms(rows: i32, groups: i32, w: usize, group: usize, first: usize, corner: usize): i32 {
  memory.fill(first, 0, <usize>groups << 3);
  memory.fill(corner, 0, <usize>groups << 3);
  let present = 0;
  for (let i = 0; i < rows; i++) {
    const g = <i32>load<u8>(group + i);
    if (at(first, g) == 0) {
      put(first, g, <f64>(i + 1));
      present++;
    }
    put(corner, g, at(corner, g) + at(w, i));
  }
  for (let g = 0; g < groups; g++) put(corner, g, sqrt(at(corner, g)));
  return present;
}

/**
 * One column times sqrt(w) through every group's reflection I - v v' / (n (n + u_first)), v = u + n e_first, n = |u| : its first row goes to
 * `head`, the others, packed, to `rest`. Returns the squares of the column as it came.
 */
function reflectGroups(rows: i32, groups: i32, columns: i32, c: i32, from: usize, w: usize, group: usize, first: usize, corner: usize,
  push: usize, head: usize, rest: usize): f64 {
  memory.fill(push, 0, <usize>groups << 3);
  let squares = 0.0;
  for (let i = 0; i < rows; i++) {
    const g = <i32>load<u8>(group + i);
    const u = sqrt(at(w, i));
    const own = u * at(from, i);
    const v = at(first, g) == <f64>(i + 1) ? u + at(corner, g) : u;
    put(push, g, at(push, g) + v * own);
    squares += own * own;
  }
  const into = rest + (<usize>(c * rows) << 3);
  let packed = 0;
  for (let i = 0; i < rows; i++) {
    const g = <i32>load<u8>(group + i);
    const u = sqrt(at(w, i));
    const norm = at(corner, g);
    const leads = at(first, g) == <f64>(i + 1);
    const lead = leads ? u : sqrt(at(w, <i32>at(first, g) - 1));
    const value = u * at(from, i) - (at(push, g) / (norm * (norm + lead))) * (leads ? u + norm : u);
    if (leads) put(head, g * columns + c, value);
    else put(into, packed++, value);
  }
  return squares;
}

/** QR of the packed rows, the column that keeps the largest share of itself first (ties: the earlier). Returns the rank. */
function pivot(kept: i32, rows: i32, features: i32, rest: usize, whole: usize, order: usize, v: usize): i32 {
  const most = kept < features ? kept : features;
  for (let step = 0; step < most; step++) {
    let best = -1;
    let bestShare = DEPENDENT * DEPENDENT;
    let bestSquares = 0.0;
    for (let p = step; p < features; p++) {
      const c = <i32>at(order, p);
      const squares = squaresBelow(rest, c * rows, step, kept);
      const share = at(whole, c) > 0 ? squares / at(whole, c) : 0;
      if (share > bestShare) {
        best = p;
        bestShare = share;
        bestSquares = squares;
      }
    }
    if (best < 0) return step;
    const taken = at(order, best);
    for (let p = best; p > step; p--) put(order, p, at(order, p - 1)); // the others keep their order
    put(order, step, taken);

    const base = <i32>taken * rows;
    const top = at(rest, base + step);
    const norm = sqrt(bestSquares);
    const diagonal = top > 0 ? -norm : norm;
    const lead = top - diagonal; // no cancellation: the signs differ
    for (let p = step + 1; p <= features; p++) {
      const other = (p == features ? features : <i32>at(order, p)) * rows;
      let dot = lead * at(rest, other + step);
      for (let i = step + 1; i < kept; i++) dot += at(rest, base + i) * at(rest, other + i);
      const scale = -dot / (diagonal * lead); // 2 / v'v = -1 / (diagonal * lead)
      put(rest, other + step, at(rest, other + step) - scale * lead);
      for (let i = step + 1; i < kept; i++) put(rest, other + i, at(rest, other + i) - scale * at(rest, base + i));
    }
    put(rest, base + step, diagonal);
  }
  return most;
}

function squaresBelow(rest: usize, base: i32, from: i32, to: i32): f64 {
  let squares = 0.0;
  for (let i = from; i < to; i++) squares += at(rest, base + i) * at(rest, base + i);
  return squares;
}

/** Back substitution for the basic solution, then the shortest one. */
function solve(rows: i32, groups: i32, features: i32, rank: i32, rest: usize, head: usize, first: usize, corner: usize, order: usize,
  coefficient: usize, nulls: usize): void {
  const free = features - rank;
  const length = groups + features;
  backward(rows, groups, features, rank, features, 1, rest, head, first, corner, order, coefficient);
  if (free == 0) return;
  // Null vectors, one per column without pivot: that coefficient is 1, the pivots and the intercepts answer it.
  for (let q = 0; q < free; q++) {
    const n = nulls + (<usize>(q * length) << 3);
    const c = <i32>at(order, rank + q);
    backward(rows, groups, features, rank, c, -1, rest, head, first, corner, order, n);
    put(n, groups + c, 1);
  }
  shorten(length, free, nulls, coefficient);
}

/** into = the coefficients of pivots and intercepts that make `sign` times column c; the others 0. */
function backward(rows: i32, groups: i32, features: i32, rank: i32, c: i32, sign: f64, rest: usize, head: usize, first: usize, corner: usize,
  order: usize, into: usize): void {
  const columns = features + 1;
  memory.fill(into, 0, <usize>(groups + features) << 3);
  for (let p = rank - 1; p >= 0; p--) {
    const own = <i32>at(order, p);
    let value = sign * at(rest, c * rows + p);
    for (let q = p + 1; q < rank; q++) {
      const other = <i32>at(order, q);
      value -= at(rest, other * rows + p) * at(into, groups + other);
    }
    put(into, groups + own, value / at(rest, own * rows + p));
  }
  for (let g = 0; g < groups; g++) {
    if (at(first, g) == 0) continue;
    let value = sign * at(head, g * columns + c);
    for (let q = 0; q < rank; q++) {
      const other = <i32>at(order, q);
      value -= at(head, g * columns + other) * at(into, groups + other);
    }
    put(into, g, value / at(corner, g));
  }
}

/** t -> t + N z, the shortest: t minus its projection on N's columns, made orthonormal by Gram and Schmidt, twice for orthogonality. */
function shorten(length: i32, free: i32, nulls: usize, t: usize): void {
  for (let q = 0; q < free; q++) {
    const own = nulls + (<usize>(q * length) << 3);
    for (let pass = 0; pass < 2; pass++) {
      for (let p = 0; p < q; p++) remove(length, nulls + (<usize>(p * length) << 3), own);
    }
    let squares = 0.0;
    for (let i = 0; i < length; i++) squares += at(own, i) * at(own, i);
    const norm = sqrt(squares); // >= its own 1, less what earlier null vectors, which are 0 there, could not touch
    for (let i = 0; i < length; i++) put(own, i, at(own, i) / norm);
  }
  for (let pass = 0; pass < 2; pass++) {
    for (let q = 0; q < free; q++) remove(length, nulls + (<usize>(q * length) << 3), t);
  }
}

/** from -= (unit . from) unit */
function remove(length: i32, unit: usize, from: usize): void {
  let dot = 0.0;
  for (let i = 0; i < length; i++) dot += at(unit, i) * at(from, i);
  for (let i = 0; i < length; i++) put(from, i, at(from, i) - dot * at(unit, i));
}

// @ts-ignore: decorator
@inline
export function at(column: usize, cell: i32): f64 {
  return load<f64>(column + (<usize>cell << 3));
}

// @ts-ignore: decorator
@inline
export function put(column: usize, cell: i32, value: f64): void {
  store<f64>(column + (<usize>cell << 3), value);
}
