/*
 * XXH32 (Y. Collet, "xxHash fast digest algorithm", seed 0) of columns that lie side by side. Its four 32-bit lanes are one vector, and four
 * columns go abreast, for each lane waits for its own multiplication: so a column is checked faster than it is read.
 */

const P1: u32 = 2654435761;
const P2: u32 = 2246822519;
const P3: u32 = 3266489917;
const P4: u32 = 668265263;
const P5: u32 = 374761393;

/** Columns of one call: more than a day has. */
export const CHECKSUMS_MOST: i32 = 512;
const SUMS = memory.data(2048, 16);

/** Where the sums of the last call lie, u32 each. */
export function checksumPlace(): usize {
  return SUMS;
}

/** Sums of `count` columns of `size` bytes, one after the other from `at`. 1 = refused: more than CHECKSUMS_MOST, or of no sense. */
export function checksums(at: usize, size: i32, count: i32): i32 {
  if (size < 0 || count < 0 || count > CHECKSUMS_MOST) return 1;
  let c = 0;
  if (ASC_FEATURE_SIMD) {
    const start = i32x4(P1 + P2, P2, 0, -P1);
    const end = <usize>(size & ~15);
    for (; c + 4 <= count; c += 4) {
      const first = at + <usize>c * size;
      const second = first + size;
      const third = second + size;
      const fourth = third + size;
      let a = start;
      let b = start;
      let d = start;
      let e = start;
      for (let i: usize = 0; i < end; i += 16) {
        a = stripe(a, first + i);
        b = stripe(b, second + i);
        d = stripe(d, third + i);
        e = stripe(e, fourth + i);
      }
      keep(c, closed(lanesOf(a), first, size));
      keep(c + 1, closed(lanesOf(b), second, size));
      keep(c + 2, closed(lanesOf(d), third, size));
      keep(c + 3, closed(lanesOf(e), fourth, size));
    }
  }
  for (; c < count; c++) {
    const column = at + <usize>c * size;
    keep(c, closed(striped(column, size), column, size));
  }
  return 0;
}

@inline
function keep(column: i32, sum: u32): void {
  store<u32>(SUMS + (<usize>column << 2), sum);
}

@inline
function stripe(lanes: v128, at: usize): v128 {
  const mixed = i32x4.add(lanes, i32x4.mul(v128.load(at), i32x4.splat(P2)));
  return i32x4.mul(v128.or(i32x4.shl(mixed, 13), i32x4.shr_u(mixed, 19)), i32x4.splat(P1));
}

@inline
function lanesOf(lanes: v128): u32 {
  return converged(i32x4.extract_lane(lanes, 0), i32x4.extract_lane(lanes, 1), i32x4.extract_lane(lanes, 2), i32x4.extract_lane(lanes, 3));
}

/** The same without vectors: what is left over of four, and a core without them. */
function striped(column: usize, size: i32): u32 {
  let a = P1 + P2;
  let b = P2;
  let c: u32 = 0;
  let d: u32 = -P1;
  for (let i: usize = 0; i < <usize>(size & ~15); i += 16) {
    a = lane(a, load<u32>(column + i));
    b = lane(b, load<u32>(column + i, 4));
    c = lane(c, load<u32>(column + i, 8));
    d = lane(d, load<u32>(column + i, 12));
  }
  return converged(a, b, c, d);
}

@inline
function lane(sum: u32, word: u32): u32 {
  return rotl<u32>(sum + word * P2, 13) * P1;
}

@inline
function converged(a: u32, b: u32, c: u32, d: u32): u32 {
  return rotl<u32>(a, 1) + rotl<u32>(b, 7) + rotl<u32>(c, 12) + rotl<u32>(d, 18);
}

/** The bytes after the last stripe, and the last mixing; a column shorter than a stripe has no lanes. */
function closed(lanes: u32, column: usize, size: i32): u32 {
  let sum = (size >= 16 ? lanes : P5) + size;
  let i = size & ~15;
  for (; i + 4 <= size; i += 4) sum = rotl<u32>(sum + load<u32>(column + i) * P3, 17) * P4;
  for (; i < size; i++) sum = rotl<u32>(sum + <u32>load<u8>(column + i) * P5, 11) * P1;
  sum = (sum ^ (sum >> 15)) * P2;
  sum = (sum ^ (sum >> 13)) * P3;
  return sum ^ (sum >> 16);
}
