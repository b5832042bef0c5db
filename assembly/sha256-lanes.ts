/*
 * SHA-256 (FIPS 180-4, section 6.2.2) of four messages abreast: word t of each is a lane of one vector. The steps are those of sha256.ts,
 * rotations being two shifts, for vectors have none.
 */
import { K } from './sha256-words';

/** 64 schedule vectors; eight state vectors. */
const SCHEDULE = memory.data(1024, 16);
const STATE = memory.data(128, 16);

/** The state before the first block, in every lane. */
export function beginLanes(): void {
  v128.store(STATE, i32x4.splat(0x6a09e667));
  v128.store(STATE, i32x4.splat(0xbb67ae85), 16);
  v128.store(STATE, i32x4.splat(0x3c6ef372), 32);
  v128.store(STATE, i32x4.splat(0xa54ff53a), 48);
  v128.store(STATE, i32x4.splat(0x510e527f), 64);
  v128.store(STATE, i32x4.splat(0x9b05688c), 80);
  v128.store(STATE, i32x4.splat(0x1f83d9ab), 96);
  v128.store(STATE, i32x4.splat(0x5be0cd19), 112);
}

/** The 32 bytes of one lane. */
export function digestLane(lane: i32, out: usize): void {
  for (let word: usize = 0; word < 8; word++)
    store<u32>(out + (word << 2), bswap<u32>(load<u32>(STATE + (word << 4) + (<usize>lane << 2))));
}

/** One block of each of four messages into the state. */
export function compressLanes(first: usize, second: usize, third: usize, fourth: usize): void {
  for (let t: usize = 0; t < 64; t += 16) lay(t << 2, first + t, second + t, third + t, fourth + t);
  // Each word waits for the one two before it, which therefore stays at hand: by way of memory it would come later.
  let late = v128.load(SCHEDULE, 224);
  let last = v128.load(SCHEDULE, 240);
  for (let t: usize = 256; t < 1024; t += 16) {
    const early = v128.load(SCHEDULE + t - 240);
    const s0 = v128.xor(v128.xor(rotated(early, 7), rotated(early, 18)), i32x4.shr_u(early, 3));
    const s1 = v128.xor(v128.xor(rotated(late, 17), rotated(late, 19)), i32x4.shr_u(late, 10));
    const before = i32x4.add(v128.load(SCHEDULE + t - 256), v128.load(SCHEDULE + t - 112));
    late = last;
    last = i32x4.add(i32x4.add(before, s0), s1);
    v128.store(SCHEDULE + t, last);
  }
  let a = v128.load(STATE);
  let b = v128.load(STATE, 16);
  let c = v128.load(STATE, 32);
  let d = v128.load(STATE, 48);
  let e = v128.load(STATE, 64);
  let f = v128.load(STATE, 80);
  let g = v128.load(STATE, 96);
  let h = v128.load(STATE, 112);
  for (let t: usize = 0; t < 256; t += 4) {
    const s1 = v128.xor(v128.xor(rotated(e, 6), rotated(e, 11)), rotated(e, 25));
    const word = i32x4.add(v128.load32_splat(K + t), v128.load(SCHEDULE + (t << 2)));
    const t1 = i32x4.add(i32x4.add(h, word), i32x4.add(s1, v128.bitselect(f, g, e)));
    const s0 = v128.xor(v128.xor(rotated(a, 2), rotated(a, 13)), rotated(a, 22));
    // The majority of three: where a and b differ, c decides.
    const t2 = i32x4.add(s0, v128.bitselect(c, a, v128.xor(a, b)));
    h = g;
    g = f;
    f = e;
    e = i32x4.add(d, t1);
    d = c;
    c = b;
    b = a;
    a = i32x4.add(t1, t2);
  }
  v128.store(STATE, i32x4.add(v128.load(STATE), a));
  v128.store(STATE, i32x4.add(v128.load(STATE, 16), b), 16);
  v128.store(STATE, i32x4.add(v128.load(STATE, 32), c), 32);
  v128.store(STATE, i32x4.add(v128.load(STATE, 48), d), 48);
  v128.store(STATE, i32x4.add(v128.load(STATE, 64), e), 64);
  v128.store(STATE, i32x4.add(v128.load(STATE, 80), f), 80);
  v128.store(STATE, i32x4.add(v128.load(STATE, 96), g), 96);
  v128.store(STATE, i32x4.add(v128.load(STATE, 112), h), 112);
}

/** Four big-endian words of each message, turned so that each vector has one word of all. */
@inline
function lay(at: usize, first: usize, second: usize, third: usize, fourth: usize): void {
  const a = v128.load(first);
  const b = v128.load(second);
  const c = v128.load(third);
  const d = v128.load(fourth);
  const abLow = i32x4.shuffle(a, b, 0, 4, 1, 5);
  const cdLow = i32x4.shuffle(c, d, 0, 4, 1, 5);
  const abHigh = i32x4.shuffle(a, b, 2, 6, 3, 7);
  const cdHigh = i32x4.shuffle(c, d, 2, 6, 3, 7);
  v128.store(SCHEDULE + at, swapped(i64x2.shuffle(abLow, cdLow, 0, 2)));
  v128.store(SCHEDULE + at, swapped(i64x2.shuffle(abLow, cdLow, 1, 3)), 16);
  v128.store(SCHEDULE + at, swapped(i64x2.shuffle(abHigh, cdHigh, 0, 2)), 32);
  v128.store(SCHEDULE + at, swapped(i64x2.shuffle(abHigh, cdHigh, 1, 3)), 48);
}

@inline
function swapped(words: v128): v128 {
  return i8x16.shuffle(words, words, 3, 2, 1, 0, 7, 6, 5, 4, 11, 10, 9, 8, 15, 14, 13, 12);
}

@inline
function rotated(words: v128, by: i32): v128 {
  return v128.or(i32x4.shr_u(words, by), i32x4.shl(words, 32 - by));
}
