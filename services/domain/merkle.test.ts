import { createHash } from 'node:crypto';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { inclusionProof, merkleRoot, rootFromProof } from './merkle.ts';

const sha256 = (bytes: Uint8Array): Uint8Array => createHash('sha256').update(bytes).digest();
const hex = (bytes: Uint8Array | null) => (bytes ? Buffer.from(bytes).toString('hex') : null);

// The seven leaves of the Certificate Transparency reference tests and their roots.
const LEAVES = ['', '00', '10', '2021', '3031', '40414243', '5051525354555657', '606162636465666768696a6b6c6d6e6f'].map(
  (text) => new Uint8Array(Buffer.from(text, 'hex')),
);

describe('Merkle trees of RFC 6962', () => {
  test.each([
    [0, 'e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855', 'no leaves: the hash of nothing'],
    [1, '6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d', 'one leaf'],
    [2, 'fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125', 'a pair'],
    [3, 'aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77', 'a lone last leaf rises'],
    [7, 'ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c', 'two lone nodes on the edge'],
    [8, '5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328', 'a full tree'],
  ])('%i leaves', (count, root) => {
    expect(hex(merkleRoot(LEAVES.slice(0, count), sha256))).toBe(root);
  });

  test('every leaf of every tree leads to its root, and no other leaf does', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 70 }), fc.nat(), (size, seed) => {
        const leaves = Array.from({ length: size }, (_, i) => new Uint8Array([i, size]));
        const index = seed % size;
        const root = hex(merkleRoot(leaves, sha256));
        const proof = inclusionProof(leaves, index, sha256);
        expect(hex(rootFromProof(leaves[index]!, proof, sha256))).toBe(root);
        expect(hex(rootFromProof(new Uint8Array([255]), proof, sha256))).not.toBe(root);
        if (size > 1) expect(rootFromProof(leaves[index]!, { ...proof, path: proof.path.slice(1) }, sha256)).not.toEqual(root);
      }),
    );
  });
});
