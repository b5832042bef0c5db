/*
 * SHA-256 of many rows (FIPS 180-4, sections 5.1.1 and 6.2.2), and the Merkle tree hash over 32-byte leaves (RFC 6962, section 2.1).
 * A settlement run of a state hashes tens of millions of short rows: one call for all of them, no objects. Each row waits for itself
 * alone, so four go abreast, a lane of every vector each; what is left over of four, and a core without vectors, one by one.
 */
import { beginLanes, compressLanes, digestLane } from './sha256-lanes';
import { K } from './sha256-words';

/** The schedule, the padded messages of four rows, the state: constant places, since one call runs at a time in a memory. */
const SCHEDULE = memory.data(256, 16);
const MESSAGE_BYTES: usize = 256;
const MESSAGES = memory.data(1024, 16);
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
  const blocks = blocksOf(bytes);
  for (let row: usize = 0; row < 4; row++) {
    const message = MESSAGES + row * MESSAGE_BYTES;
    memory.fill(message, 0, bytes);
    pad(message, bytes);
    if (head) store<u8>(message, prefix);
  }
  let i = 0;
  if (ASC_FEATURE_SIMD) {
    for (; i + 4 <= count; i += 4) {
      for (let row: usize = 0; row < 4; row++)
        memory.copy(MESSAGES + row * MESSAGE_BYTES + head, rows + (<usize>i + row) * stride, length);
      beginLanes();
      for (let block = 0; block < blocks; block++) {
        const at = MESSAGES + (<usize>block << 6);
        compressLanes(at, at + MESSAGE_BYTES, at + 2 * MESSAGE_BYTES, at + 3 * MESSAGE_BYTES);
      }
      for (let row = 0; row < 4; row++) digestLane(row, out + (<usize>(i + row) << 5));
    }
  }
  for (; i < count; i++) {
    memory.copy(MESSAGES + head, rows + <usize>i * stride, length);
    hashPadded(MESSAGES, blocks, out + (<usize>i << 5));
  }
  return 0;
}

/** Of a message of so many bytes, a one bit and its length. */
@inline
export function blocksOf(bytes: i32): i32 {
  return (bytes + 9 + 63) >> 6;
}

/** Lays what follows a message of `bytes` bytes up to the end of its last block. */
export function pad(message: usize, bytes: i32): void {
  const end = message + (<usize>blocksOf(bytes) << 6);
  // Eight at a time back from the end; fewer than eight remain, which lie behind the one bit in its word.
  for (let at = end - 8; at > message + bytes; at -= 8) store<u64>(at, 0);
  store<u64>(message + bytes, 0x80);
  store<u64>(end - 8, bswap<u64>(<u64>bytes << 3));
}

/** The 32 bytes of one padded message. */
export function hashPadded(message: usize, blocks: i32, out: usize): void {
  store<u32>(STATE, 0x6a09e667);
  store<u32>(STATE, 0xbb67ae85, 4);
  store<u32>(STATE, 0x3c6ef372, 8);
  store<u32>(STATE, 0xa54ff53a, 12);
  store<u32>(STATE, 0x510e527f, 16);
  store<u32>(STATE, 0x9b05688c, 20);
  store<u32>(STATE, 0x1f83d9ab, 24);
  store<u32>(STATE, 0x5be0cd19, 28);
  for (let block = 0; block < blocks; block++) compress(message + (<usize>block << 6));
  for (let word: usize = 0; word < 32; word += 4) store<u32>(out + word, bswap<u32>(load<u32>(STATE + word)));
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
