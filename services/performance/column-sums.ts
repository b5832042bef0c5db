/**
 * XXH32 of each column of `size` bytes, which lie one after the other in `bytes`; good until the next call. Null when they do not lie in
 * the core's memory, or are more than it sums up at once.
 */
export type ColumnSums = (bytes: Uint8Array, size: number) => Uint32Array | null;

/** What of the core's exports it uses. */
export type SumsCore = {
  readonly memory: { readonly buffer: ArrayBuffer };
  checksumPlace(): number;
  checksums(at: number, size: number, count: number): number;
};

export function columnSums({ memory, checksumPlace, checksums }: SumsCore): ColumnSums {
  return (bytes, size) => {
    const count = bytes.length / size;
    if (bytes.buffer !== memory.buffer || checksums(bytes.byteOffset, size, count) !== 0) return null;
    return new Uint32Array(memory.buffer, checksumPlace() >>> 0, count);
  };
}
