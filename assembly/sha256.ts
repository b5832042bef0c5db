/*
 * SHA-256 of many rows (FIPS 180-4, sections 5.1.1 and 6.2.2), and the Merkle tree hash over 32-byte leaves (RFC 6962, section 2.1).
 * A settlement run of a state hashes tens of millions of short rows: one call for all of them, no objects.
 */

const K = memory.data<u32>([
  0x428a2f98, 0x71374491, 0xb5c0fbcf, 0xe9b5dba5, 0x3956c25b, 0x59f111f1, 0x923f82a4, 0xab1c5ed5, 0xd807aa98, 0x12835b01, 0x243185be, 0x550c7dc3,
  0x72be5d74, 0x80deb1fe, 0x9bdc06a7, 0xc19bf174, 0xe49b69c1, 0xefbe4786, 0x0fc19dc6, 0x240ca1cc, 0x2de92c6f, 0x4a7484aa, 0x5cb0a9dc, 0x76f988da,
  0x983e5152, 0xa831c66d, 0xb00327c8, 0xbf597fc7, 0xc6e00bf3, 0xd5a79147, 0x06ca6351, 0x14292967, 0x27b70a85, 0x2e1b2138, 0x4d2c6dfc, 0x53380d13,
  0x650a7354, 0x766a0abb, 0x81c2c92e, 0x92722c85, 0xa2bfe8a1, 0xa81a664b, 0xc24b8b70, 0xc76c51a3, 0xd192e819, 0xd6990624, 0xf40e3585, 0x106aa070,
  0x19a4c116, 0x1e376c08, 0x2748774c, 0x34b0bcb5, 0x391c0cb3, 0x4ed8aa4a, 0x5b9cca4f, 0x682e6ff3, 0x748f82ee, 0x78a5636f, 0x84c87814, 0x8cc70208,
  0x90befffa, 0xa4506ceb, 0xbef9a3f7, 0xc67178f2,
]);
/** The schedule, the padded message of one row, the state: constant places, since one call runs at a time in a memory. */
const SCHEDULE = memory.data(256, 16);
const MESSAGE = memory.data(256, 16);
const STATE = memory.data(32, 16);

/** A prefix byte and a padding of nine must fit beside the row. */
export const ROW_BYTES_MOST: i32 = 246;

/**
 * out[i] (32 bytes) = SHA-256(prefix ‖ rows[i]), `length` bytes from rows + i · stride; prefix < 0: none. `out` may lie at `rows` where
 * stride >= 32. 1 = refused: a row is too long.
 */
export function hashRows(rows: usize, stride: i32, length: i32, count: i32, prefix: i32, out: usize): i32 {
  const head = prefix < 0 ? 0 : 1;
  const bytes = length + head;
  if (length < 0 || length > ROW_BYTES_MOST || stride < 0) return 1;
  const blocks = (bytes + 9 + 63) >> 6;
  memory.fill(MESSAGE, 0, blocks << 6);
  store<u8>(MESSAGE + bytes, 0x80);
  store<u32>(MESSAGE + (blocks << 6) - 4, bswap<u32>(bytes << 3));
  if (head) store<u8>(MESSAGE, prefix);
  for (let i = 0; i < count; i++) {
    memory.copy(MESSAGE + head, rows + <usize>i * stride, length);
    store<u32>(STATE, 0x6a09e667);
    store<u32>(STATE, 0xbb67ae85, 4);
    store<u32>(STATE, 0x3c6ef372, 8);
    store<u32>(STATE, 0xa54ff53a, 12);
    store<u32>(STATE, 0x510e527f, 16);
    store<u32>(STATE, 0x9b05688c, 20);
    store<u32>(STATE, 0x1f83d9ab, 24);
    store<u32>(STATE, 0x5be0cd19, 28);
    for (let block = 0; block < blocks; block++) compress(MESSAGE + (block << 6));
    for (let word = 0; word < 32; word += 4) store<u32>(out + (<usize>i << 5) + word, bswap<u32>(load<u32>(STATE + word)));
  }
  return 0;
}

/** Root of the tree over `count` leaves of 32 bytes at `leaves`, which is overwritten; the root ends there. No leaf: SHA-256 of nothing. */
export function treeRoot(leaves: usize, count: i32): void {
  if (count == 0) {
    hashRows(leaves, 32, 0, 1, -1, leaves);
    return;
  }
  hashRows(leaves, 32, 32, count, 0, leaves);
  // Level by level; a lone last node rises unhashed: the same tree as splitting at the largest power of two.
  for (let nodes = count; nodes > 1; nodes = (nodes + 1) >> 1) {
    const pairs = nodes >> 1;
    hashRows(leaves, 64, 64, pairs, 1, leaves);
    if (nodes & 1) memory.copy(leaves + (<usize>pairs << 5), leaves + (<usize>(nodes - 1) << 5), 32);
  }
}

/** One block into the state. */
function compress(block: usize): void {
  for (let t = 0; t < 64; t += 4) store<u32>(SCHEDULE + t, bswap<u32>(load<u32>(block + t)));
  for (let t: usize = 64; t < 256; t += 4) {
    const early = load<u32>(SCHEDULE + t - 60);
    const late = load<u32>(SCHEDULE + t - 8);
    const s0 = rotr<u32>(early, 7) ^ rotr<u32>(early, 18) ^ (early >> 3);
    const s1 = rotr<u32>(late, 17) ^ rotr<u32>(late, 19) ^ (late >> 10);
    store<u32>(SCHEDULE + t, load<u32>(SCHEDULE + t - 64) + s0 + load<u32>(SCHEDULE + t - 28) + s1);
  }
  let a = load<u32>(STATE);
  let b = load<u32>(STATE, 4);
  let c = load<u32>(STATE, 8);
  let d = load<u32>(STATE, 12);
  let e = load<u32>(STATE, 16);
  let f = load<u32>(STATE, 20);
  let g = load<u32>(STATE, 24);
  let h = load<u32>(STATE, 28);
  for (let t: usize = 0; t < 256; t += 4) {
    const s1 = rotr<u32>(e, 6) ^ rotr<u32>(e, 11) ^ rotr<u32>(e, 25);
    const t1 = h + s1 + ((e & f) ^ (~e & g)) + load<u32>(K + t) + load<u32>(SCHEDULE + t);
    const s0 = rotr<u32>(a, 2) ^ rotr<u32>(a, 13) ^ rotr<u32>(a, 22);
    const t2 = s0 + ((a & b) ^ (a & c) ^ (b & c));
    h = g;
    g = f;
    f = e;
    e = d + t1;
    d = c;
    c = b;
    b = a;
    a = t1 + t2;
  }
  store<u32>(STATE, load<u32>(STATE) + a);
  store<u32>(STATE, load<u32>(STATE, 4) + b, 4);
  store<u32>(STATE, load<u32>(STATE, 8) + c, 8);
  store<u32>(STATE, load<u32>(STATE, 12) + d, 12);
  store<u32>(STATE, load<u32>(STATE, 16) + e, 16);
  store<u32>(STATE, load<u32>(STATE, 20) + f, 20);
  store<u32>(STATE, load<u32>(STATE, 24) + g, 24);
  store<u32>(STATE, load<u32>(STATE, 28) + h, 28);
}

/** Where rows may be put: the start of the arena. */
export function hashPlace(): usize {
  return (__heap_base + 15) & ~15;
}
