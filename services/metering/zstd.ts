import { invalid } from '../domain/outcome.ts';

/** Where the frames of a Zstandard stream go: their bytes, then what their content must hash to (low 32 bits of XXH64; null = not said). */
export type FrameSink = { bytes(part: Uint8Array): void; end(checksum: number | null): void };

const MAGIC = 0xfd2fb528;
/** 0x184D2A50 … 5F: frames for somebody else. */
const SKIPPABLE = 0x184d2a5;
/** What `zstd` itself accepts without being told more. */
const WINDOW_MOST = 2 ** 27;

/** By its first four bytes: a frame, or one to be skipped before it. */
export function isZstd(head: Uint8Array): boolean {
  if (head.length < 4) return false;
  const magic = new DataView(head.buffer, head.byteOffset).getUint32(0, true);
  return magic === MAGIC || magic >>> 4 === SKIPPABLE;
}

/**
 * Cuts a Zstandard stream (RFC 8878 §3.1) into its frames, however it is chunked, so that each can be held against its checksum and a
 * stream that ends inside one is told from one that ends. Throws Refusal `zstd_damaged`.
 */
export function zstdFrames(sink: FrameSink): { push(chunk: Uint8Array): void; end(): void } {
  let held: Uint8Array = new Uint8Array(0);
  /** What the next bytes are; `left` of a block's body or of a skipped frame may come in any pieces. */
  let state: 'magic' | 'header' | 'block' | 'body' | 'checksum' | 'skip' = 'magic';
  let left = 0;
  let isLast = false;
  let hasChecksum = false;

  /** Of `bytes`, how many are taken; −1 = not enough yet. */
  const step = (bytes: Uint8Array): number => {
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    switch (state) {
      case 'magic': {
        if (bytes.length < 4) return -1;
        const magic = view.getUint32(0, true);
        if (magic === MAGIC) {
          state = 'header';
          return 0;
        }
        if (magic >>> 4 !== SKIPPABLE) throw damaged('there is something else behind a frame');
        if (bytes.length < 8) return -1;
        left = view.getUint32(4, true);
        state = 'skip';
        return 8;
      }
      case 'header': {
        const length = headerLength(bytes);
        if (bytes.length < length) return -1;
        hasChecksum = (bytes[4]! & 4) !== 0;
        sink.bytes(bytes.subarray(0, length));
        state = 'block';
        return length;
      }
      case 'block': {
        if (bytes.length < 3) return -1;
        const header = bytes[0]! | (bytes[1]! << 8) | (bytes[2]! << 16);
        isLast = (header & 1) === 1;
        left = ((header >> 1) & 3) === 1 ? 1 : header >> 3;
        sink.bytes(bytes.subarray(0, 3));
        state = 'body';
        return 3;
      }
      case 'body':
      case 'skip': {
        if (left > 0 && bytes.length === 0) return -1;
        const taken = Math.min(left, bytes.length);
        if (state === 'body' && taken > 0) sink.bytes(bytes.subarray(0, taken));
        left -= taken;
        if (left > 0) return taken;
        if (state === 'skip') state = 'magic';
        else if (!isLast) state = 'block';
        else if (hasChecksum) state = 'checksum';
        else finish(null);
        return taken;
      }
      case 'checksum': {
        if (bytes.length < 4) return -1;
        sink.bytes(bytes.subarray(0, 4));
        finish(view.getUint32(0, true));
        return 4;
      }
    }
  };
  const finish = (checksum: number | null): void => {
    state = 'magic';
    sink.end(checksum);
  };
  return {
    push: (chunk) => {
      let bytes = held.length === 0 ? chunk : joined(held, chunk);
      for (let taken = 0; taken >= 0 && (bytes.length > 0 || (state === 'body' && left === 0)); ) {
        taken = step(bytes);
        if (taken > 0) bytes = bytes.subarray(taken);
      }
      held = bytes.slice();
    },
    end: () => {
      if (state !== 'magic' || held.length > 0) throw damaged('it ends too early');
    },
  };
}

/** Magic, descriptor, window, dictionary id, content size. */
function headerLength(bytes: Uint8Array): number {
  if (bytes.length < 6) return 6;
  const descriptor = bytes[4]!;
  const single = (descriptor & 32) !== 0;
  if ((descriptor & 8) !== 0) throw damaged('a reserved bit is set');
  if ((descriptor & 3) !== 0) throw damaged('it needs a dictionary');
  if (!single) {
    const exponent = bytes[5]! >> 3;
    if (2 ** (10 + exponent) * (1 + (bytes[5]! & 7) / 8) > WINDOW_MOST) throw damaged('its window is larger than 128 MiB');
  }
  const sizes = [single ? 1 : 0, 2, 4, 8];
  return 5 + (single ? 0 : 1) + sizes[descriptor >> 6]!;
}

function joined(a: Uint8Array, b: Uint8Array): Uint8Array {
  const both = new Uint8Array(a.length + b.length);
  both.set(a);
  both.set(b, a.length);
  return both;
}

export const damaged = (why: string): Error =>
  invalid('zstd_damaged', `the zstd is damaged or ends too early (${why}); nothing was stored`, 'chunk');
