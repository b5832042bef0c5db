import { hex } from '../../services/domain/hex.ts';
import { fill, type Readings } from '../../services/performance/batch.ts';
import { loadKernel, MISSING } from '../../services/performance/kernel.ts';
import { crowd } from './crowd.ts';
import { evidenceBytes, openRoots } from './evidence-bits.ts';
import { methodBytes } from './method-bits.ts';

/*
 * What a core says of the crowds [from, to), as one SHA-256 over every byte of every answer. Runs in Node, in a worker and in a browser, so
 * it imports nothing of any of them.
 */
export async function bitsOf(core: Uint8Array, from: number, to: number): Promise<string> {
  const kernel = await loadKernel(core);
  const { batch, hashes } = kernel;
  const dayRoot = await openRoots(core);
  const bytes: Uint8Array[] = [];
  for (let seed = from; seed < to; seed++) {
    bytes.push(...methodBytes(kernel, seed), ...evidenceBytes(hashes, dayRoot, seed));
    for (const type of ['i16', 'i32'] as const) {
      const { spec, meters, days, eventSlots, windowSlots, history, actual, excluded, notSettled } = crowd(seed, type);
      const door = batch.open({ meters, days, eventSlots, windowSlots, width: type === 'i16' ? 2 : 4 });
      const readings = (column: Int32Array): Readings =>
        type === 'i32' ? column : Int16Array.from(column, (wh) => (wh === MISSING ? -32768 : wh));
      fill(door, { history: readings(history), actual: readings(actual), excluded, ...(notSettled && { notSettled }) });
      const { stride, redone: _, ...columns } = batch.run(spec, { excluded: true, notSettled: notSettled !== undefined });
      for (const column of Object.values(columns)) {
        if (typeof column === 'number') continue;
        for (let at = 0; at < column.length; at += stride) {
          const row = column.subarray(at, at + meters);
          bytes.push(new Uint8Array(row.buffer, row.byteOffset, row.byteLength).slice());
        }
      }
    }
  }
  const all = new Uint8Array(bytes.reduce((length, part) => length + part.length, 0));
  let at = 0;
  for (const part of bytes) {
    all.set(part, at);
    at += part.length;
  }
  const digest = new Uint8Array(await globalThis.crypto.subtle.digest('SHA-256', all));
  return hex(digest);
}
