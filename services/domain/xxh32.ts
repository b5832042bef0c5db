const [P1, P2, P3, P4, P5] = [2654435761, 2246822519, 3266489917, 668265263, 374761393] as const;

/**
 * XXH32 with seed 0 (Y. Collet, "xxHash fast digest algorithm"), unsigned 32 bits: found here a word at a time, in the core
 * (assembly/checksum.ts) faster than memory is read.
 */
export function xxh32(bytes: Uint8Array): number {
  const { length } = bytes;
  const view = new DataView(bytes.buffer, bytes.byteOffset, length);
  const end = length & ~15;
  let sum: number = P5;
  if (end > 0) {
    const words = bytes.byteOffset % 4 === 0 ? new Uint32Array(bytes.buffer, bytes.byteOffset, end >> 2) : wordsOf(view, end);
    let [a, b, c, d] = [(P1 + P2) | 0, P2 | 0, 0, -P1 | 0];
    for (let i = 0; i < words.length; i += 4) {
      a = lane(a, words[i]!);
      b = lane(b, words[i + 1]!);
      c = lane(c, words[i + 2]!);
      d = lane(d, words[i + 3]!);
    }
    sum = rotated(a, 1) + rotated(b, 7) + rotated(c, 12) + rotated(d, 18);
  }
  sum = (sum + length) | 0;
  let at = end;
  for (; at + 4 <= length; at += 4) sum = Math.imul(rotated((sum + Math.imul(view.getUint32(at, true), P3)) | 0, 17), P4);
  for (; at < length; at++) sum = Math.imul(rotated((sum + Math.imul(bytes[at]!, P5)) | 0, 11), P1);
  sum = Math.imul(sum ^ (sum >>> 15), P2);
  sum = Math.imul(sum ^ (sum >>> 13), P3);
  return (sum ^ (sum >>> 16)) >>> 0;
}

const lane = (sum: number, word: number): number => Math.imul(rotated((sum + Math.imul(word, P2)) | 0, 13), P1);
const rotated = (word: number, by: number): number => (word << by) | (word >>> (32 - by));

const wordsOf = (view: DataView, end: number): Uint32Array =>
  Uint32Array.from({ length: end >> 2 }, (_, i) => view.getUint32(4 * i, true));
