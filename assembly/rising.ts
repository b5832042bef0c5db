/*
 * Sorts the row numbers order[from … from + n) so that (first[row], then[row], row) rises: merges of doubling runs, no recursion, n log n.
 * first, then i64 by row; order, spare i32[n].
 */
export function rising(n: i32, first: usize, then: usize, order: usize, spare: usize): void {
  let source = order;
  let into = spare;
  for (let run = 1; run < n; run <<= 1) {
    for (let low = 0; low < n; low += run << 1) {
      const middle = low + run < n ? low + run : n;
      const high = middle + run < n ? middle + run : n;
      let a = low;
      let b = middle;
      for (let k = low; k < high; k++) {
        const left = a < middle && (b >= high || !before(first, then, row(source, b), row(source, a)));
        store<i32>(into + (<usize>k << 2), row(source, left ? a++ : b++));
      }
    }
    const other = source;
    source = into;
    into = other;
  }
  if (source != order) memory.copy(order, source, <usize>n << 2);
}

function row(order: usize, place: i32): i32 {
  return load<i32>(order + (<usize>place << 2));
}

function before(first: usize, then: usize, a: i32, b: i32): bool {
  const x = load<i64>(first + (<usize>a << 3));
  const y = load<i64>(first + (<usize>b << 3));
  if (x != y) return x < y;
  const u = load<i64>(then + (<usize>a << 3));
  const v = load<i64>(then + (<usize>b << 3));
  return u != v ? u < v : a < b;
}
