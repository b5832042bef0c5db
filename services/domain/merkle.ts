/** SHA-256, brought by the caller: this file runs in Node and in a browser. */
export type Hash = (bytes: Uint8Array) => Uint8Array;

/** One step of an inclusion proof: the sibling, from the leaf's level upwards (RFC 6962 §2.1.1). */
export type InclusionProof = { readonly index: number; readonly size: number; readonly path: readonly Uint8Array[] };

/** Merkle tree hash of RFC 6962 §2.1: leaves are hashed with a 0x00 before them, nodes with 0x01; no leaves give the hash of nothing. */
export function merkleRoot(leaves: readonly Uint8Array[], hash: Hash): Uint8Array {
  if (leaves.length === 0) return hash(new Uint8Array(0));
  let level = leaves.map((leaf) => leafHash(leaf, hash));
  while (level.length > 1) level = parents(level, hash);
  return level[0]!;
}

/** The siblings that lead from leaf `index` to the root. Throws RangeError when there is no such leaf. */
export function inclusionProof(leaves: readonly Uint8Array[], index: number, hash: Hash): InclusionProof {
  return inclusionProofs(leaves, [index], hash)[0]!;
}

/** As `inclusionProof`, for many leaves of one tree that is hashed once. */
export function inclusionProofs(leaves: readonly Uint8Array[], indexes: readonly number[], hash: Hash): InclusionProof[] {
  const size = leaves.length;
  for (const index of indexes) {
    if (!Number.isInteger(index) || index < 0 || index >= size) throw new RangeError(`there is no leaf ${index} among ${size}`);
  }
  const levels: Uint8Array[][] = [leaves.map((leaf) => leafHash(leaf, hash))];
  while (levels.at(-1)!.length > 1) levels.push(parents(levels.at(-1)!, hash));
  return indexes.map((index) => {
    const path: Uint8Array[] = [];
    levels.forEach((level, height) => {
      const sibling = level[(index >> height) ^ 1];
      if (sibling && level.length > 1) path.push(sibling);
    });
    return { index, size, path };
  });
}

/** The root that a leaf and its proof lead to (RFC 9162 §2.1.3.2); null when the proof has the wrong length. */
export function rootFromProof(leaf: Uint8Array, { index, size, path }: InclusionProof, hash: Hash): Uint8Array | null {
  if (index < 0 || index >= size) return null;
  let at = leafHash(leaf, hash);
  let [position, last] = [index, size - 1];
  for (const sibling of path) {
    if (last === 0) return null;
    if (position % 2 === 1 || position === last) {
      at = node(sibling, at, hash);
      // The right edge of the tree: a lone node rises unhashed until it has a sibling.
      while (position % 2 === 0 && position !== 0) [position, last] = [position >> 1, last >> 1];
    } else at = node(at, sibling, hash);
    [position, last] = [position >> 1, last >> 1];
  }
  return last === 0 ? at : null;
}

// Written over for each: a day of a shard has ten thousand nodes, and a hash is done with its input when it returns.
const leaf33 = new Uint8Array(33);
const node65 = new Uint8Array(65).fill(1, 0, 1);

function leafHash(leaf: Uint8Array, hash: Hash): Uint8Array {
  if (leaf.length !== 32) return hash(joined([0], leaf));
  leaf33.set(leaf, 1);
  return hash(leaf33);
}

function node(left: Uint8Array, right: Uint8Array, hash: Hash): Uint8Array {
  // A proof from outside may be of any length: then its root is some other one, but never made of what was here before.
  if (left.length !== 32 || right.length !== 32) return hash(joined([1], left, right));
  node65.set(left, 1);
  node65.set(right, 33);
  return hash(node65);
}

// Level by level, a lone last node rising unhashed: the same tree as RFC 6962's split at the largest power of two.
function parents(level: readonly Uint8Array[], hash: Hash): Uint8Array[] {
  const up: Uint8Array[] = [];
  for (let i = 0; i < level.length; i += 2) {
    const right = level[i + 1];
    up.push(right ? node(level[i]!, right, hash) : level[i]!);
  }
  return up;
}

function joined(...parts: readonly ArrayLike<number>[]): Uint8Array {
  const bytes = new Uint8Array(parts.reduce((length, part) => length + part.length, 0));
  let at = 0;
  for (const part of parts) {
    bytes.set(part, at);
    at += part.length;
  }
  return bytes;
}
