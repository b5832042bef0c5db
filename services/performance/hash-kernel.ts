/** SHA-256 of very many short rows, in the core. What it is given and gives lies in Node's memory, not in the core's. */
export type HashKernel = {
  /** Of each row of `length` bytes: SHA-256(salt ‖ SHA-256(row)), with 32 bytes of salt each: a run's leaves. */
  leaves(rows: Uint8Array, length: number, salts: Uint8Array): Uint8Array;
  /** Merkle tree hash (RFC 6962) of 32-byte leaves. */
  root(leaves: Uint8Array): Uint8Array;
};

/** What of the core's exports it uses. */
export type HashCore = {
  readonly memory: { readonly buffer: ArrayBuffer; grow(pages: number): number };
  hashPlace(): number;
  hashRows(rows: number, stride: number, length: number, count: number, prefix: number, out: number): number;
  treeRoot(leaves: number, count: number): void;
};

export function hashKernel(core: HashCore): HashKernel {
  const place = (bytes: number): { at: number; view: Uint8Array } => {
    const at = core.hashPlace() >>> 0;
    const short = at + bytes - core.memory.buffer.byteLength;
    if (short > 0) core.memory.grow(Math.ceil(short / 65536));
    return { at, view: new Uint8Array(core.memory.buffer, at, bytes) };
  };
  const hashed = (...words: Parameters<HashCore['hashRows']>): void => {
    if (core.hashRows(...words) !== 0) throw new RangeError(`rows of ${words[2]} bytes are longer than the core hashes`);
  };
  return {
    leaves: (rows, length, salts) => {
      const count = salts.length / 32;
      if (rows.length !== count * length) throw new RangeError(`${rows.length} bytes are not ${count} rows of ${length}`);
      // Rows first; then salt and digest side by side, 64 bytes a row.
      const { at, view } = place(rows.length + 64 * count);
      view.set(rows);
      hashed(at, length, length, count, -1, at + rows.length);
      const digests = view.slice(rows.length, rows.length + 32 * count);
      for (let i = 0; i < count; i++) {
        view.set(salts.subarray(32 * i, 32 * i + 32), rows.length + 64 * i);
        view.set(digests.subarray(32 * i, 32 * i + 32), rows.length + 64 * i + 32);
      }
      hashed(at + rows.length, 64, 64, count, -1, at + rows.length);
      return view.slice(rows.length, rows.length + 32 * count);
    },
    root: (leaves) => {
      const { at, view } = place(leaves.length + 32);
      view.set(leaves);
      core.treeRoot(at, leaves.length / 32);
      return view.slice(0, 32);
    },
  };
}
