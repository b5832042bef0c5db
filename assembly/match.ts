/** Cells of the table of one stratum: 8,192 treated by as many controls. */
export const MATCH_CELLS: i32 = 1 << 26;

/*
 * One control for each treated, none twice, so that the sum of |pre(treated) - pre(control)| is the least there is. On a line the best pairs
 * do not cross, so with both sides rising
 *     cost[i][j] = min(cost[i][j-1], cost[i-1][j-1] + |a_i - c_j|)        (equal: the earlier control is left for others)
 * source: optimal matching on a line (Karp and Li 1975); matching without replacement keeps pairs independent (Abadie and Spiess 2022).
 *
 * a i32[n], c i32[m] row numbers rising by pre, n <= m; pre i64 by row; pair i32[n] gets the row of each a's control.
 * cost i64[m + 1] and took u8[n][m] are scratch.
 */
export function match(n: i32, m: i32, a: usize, c: usize, pre: usize, pair: usize, cost: usize, took: usize): void {
  memory.fill(cost, 0, (<usize>m + 1) << 3);
  for (let i = 1; i <= n; i++) {
    const own = value(pre, a, i - 1);
    let diagonal = load<i64>(cost + (<usize>(i - 1) << 3)); // cost[i-1][j-1] as j goes on
    store<i64>(cost + (<usize>(i - 1) << 3), i64.MAX_VALUE); // fewer controls than treated: impossible
    for (let j = i; j <= m; j++) {
      const above = load<i64>(cost + (<usize>j << 3));
      const other = value(pre, c, j - 1);
      const taken = diagonal == i64.MAX_VALUE ? diagonal : diagonal + (own > other ? own - other : other - own);
      const left = load<i64>(cost + (<usize>(j - 1) << 3));
      const takes = taken < left;
      store<u8>(took + <usize>(i - 1) * m + (j - 1), takes ? 1 : 0);
      store<i64>(cost + (<usize>j << 3), takes ? taken : left);
      diagonal = above;
    }
  }
  let j = m;
  for (let i = n; i >= 1; i--) {
    while (load<u8>(took + <usize>(i - 1) * m + (j - 1)) == 0) j--;
    store<i32>(pair + (<usize>(i - 1) << 2), load<i32>(c + (<usize>--j << 2)));
  }
}

function value(pre: usize, rows: usize, place: i32): i64 {
  return load<i64>(pre + (<usize>load<i32>(rows + (<usize>place << 2)) << 3));
}
