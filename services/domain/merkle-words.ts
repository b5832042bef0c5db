import { begin, compress } from './sha256.ts';

const WORDS = 8;

/** As `merkleRoot` of leaves of 32 bytes each, side by side as they were hashed: no object for a leaf or a node. At least one leaf. */
export function rootOfDigests(digests: Uint8Array): Uint8Array {
  const count = digests.length / 32;
  if (!Number.isInteger(count) || count === 0) throw new RangeError(`${digests.length} bytes are no leaves of 32`);
  const nodes = new Int32Array(count * WORDS);
  const bytes = new DataView(digests.buffer, digests.byteOffset, digests.length);
  for (let i = 0; i < nodes.length; i++) nodes[i] = bytes.getInt32(4 * i);
  for (let leaf = 0; leaf < count; leaf++) hashLeaf(nodes, leaf * WORDS);
  // Level by level, a lone last node rising unhashed: the same tree as RFC 6962's split at the largest power of two.
  for (let level = count; level > 1; level = (level + 1) >> 1) {
    const pairs = level >> 1;
    for (let i = 0; i < pairs; i++) hashPair(nodes, 2 * i * WORDS, i * WORDS);
    if (level & 1) nodes.copyWithin(pairs * WORDS, (level - 1) * WORDS, level * WORDS);
  }
  const root = new DataView(new ArrayBuffer(32));
  for (let i = 0; i < WORDS; i++) root.setInt32(4 * i, nodes[i]!);
  return new Uint8Array(root.buffer);
}

const state = new Int32Array(WORDS);
const schedule = new Int32Array(64);

/** A byte 0, the leaf, the padding: one block, all a byte further on. */
function hashLeaf(nodes: Int32Array, at: number): void {
  begin(state);
  schedule[0] = nodes[at]! >>> 8;
  for (let i = 1; i < WORDS; i++) schedule[i] = (nodes[at + i - 1]! << 24) | (nodes[at + i]! >>> 8);
  schedule[8] = (nodes[at + 7]! << 24) | 0x80_0000;
  schedule.fill(0, 9, 15);
  schedule[15] = 33 * 8;
  compress(state, schedule);
  nodes.set(state, at);
}

/** A byte 1, both nodes, the padding: two blocks. */
function hashPair(nodes: Int32Array, at: number, into: number): void {
  begin(state);
  schedule[0] = 0x100_0000 | (nodes[at]! >>> 8);
  for (let i = 1; i < 2 * WORDS; i++) schedule[i] = (nodes[at + i - 1]! << 24) | (nodes[at + i]! >>> 8);
  compress(state, schedule);
  schedule[0] = (nodes[at + 15]! << 24) | 0x80_0000;
  schedule.fill(0, 1, 15);
  schedule[15] = 65 * 8;
  compress(state, schedule);
  nodes.set(state, into);
}
