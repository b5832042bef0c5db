import type { Hash } from 'node:crypto';
import { Transform } from 'node:stream';

export type Measuring = Transform & { bytes: number; lines: number };

/** Lets everything through, and counts and hashes it. */
export function measuring(hash: Hash): Measuring {
  const measure = new Transform({
    transform(chunk: Buffer, _, next) {
      hash.update(chunk);
      measure.bytes += chunk.length;
      for (let at = chunk.indexOf(10); at >= 0; at = chunk.indexOf(10, at + 1)) measure.lines++;
      next(null, chunk);
    },
  }) as Measuring;
  measure.bytes = 0;
  measure.lines = 0;
  return measure;
}
