import { createHash } from 'node:crypto';
import fc from 'fast-check';
import { beforeAll, describe, expect, test } from 'vitest';
import { merkleRoot } from '../domain/merkle.ts';
import { coreBytes } from '../host/core-file.ts';
import type { HashKernel } from './hash-kernel.ts';
import { loadKernel } from './kernel.ts';

let hashes: HashKernel;
beforeAll(async () => {
  ({ hashes } = await loadKernel(coreBytes()));
});
const sha256 = (bytes: Uint8Array): Uint8Array => createHash('sha256').update(bytes).digest();
const rowsOf = (bytes: Uint8Array, length: number) =>
  Array.from({ length: bytes.length / length }, (_, i) => bytes.slice(i * length, (i + 1) * length));

describe('hashes of rows, in the core', () => {
  // Around the edges of one, two, three and four blocks.
  test.each([1, 32, 54, 55, 56, 63, 64, 76, 118, 119, 120, 183, 184, 246])(
    'leaves over rows of %i bytes are those of OpenSSL',
    (length) => {
      fc.assert(
        fc.property(fc.integer({ min: 1, max: 9 }), fc.integer(), (count, seed) => {
          const noise = (bytes: number, of: number) =>
            Uint8Array.from({ length: bytes }, (_, i) => (seed * 31 + i * of + (i >> 3)) & 255);
          const [rows, salts] = [noise(count * length, 7), noise(count * 32, 13)];
          const expected = rowsOf(rows, length).map((row, i) =>
            sha256(Buffer.concat([salts.subarray(32 * i, 32 * i + 32), sha256(row)])),
          );
          expect(Buffer.from(hashes.leaves(rows, length, salts)).toString('hex')).toBe(Buffer.concat(expected).toString('hex'));
        }),
        { numRuns: 20 },
      );
    },
  );

  test('and so are those of rows of any length, however many', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 246 }), fc.integer({ min: 1, max: 14 }), fc.nat(), (length, count, seed) => {
        const rows = Uint8Array.from({ length: count * length }, (_, i) => Math.imul(i + seed, 2_654_435_761) >>> 24);
        const salts = Uint8Array.from({ length: count * 32 }, (_, i) => Math.imul(i + 5 * seed, 2_246_822_519) >>> 24);
        const expected = rowsOf(rows, length).map((row, i) =>
          sha256(Buffer.concat([salts.subarray(32 * i, 32 * i + 32), sha256(row)])),
        );
        expect(Buffer.from(hashes.leaves(rows, length, salts)).toString('hex')).toBe(Buffer.concat(expected).toString('hex'));
      }),
    );
  });

  test('roots are those of RFC 6962 for every small tree', () => {
    for (let count = 0; count <= 70; count++) {
      const leaves = Uint8Array.from({ length: 32 * count }, (_, i) => (i * 11 + count) & 255);
      const root = Buffer.from(hashes.root(leaves)).toString('hex');
      expect([count, root]).toEqual([count, Buffer.from(merkleRoot(rowsOf(leaves, 32), sha256)).toString('hex')]);
    }
  });

  test('a row that is too long, or a count that does not fit, is refused', () => {
    expect(() => hashes.leaves(new Uint8Array(247), 247, new Uint8Array(32))).toThrow('longer than the core hashes');
    expect(() => hashes.leaves(new Uint8Array(10), 4, new Uint8Array(64))).toThrow('not 2 rows of 4');
  });
});
