import { Readable } from 'node:stream';
import { createGunzip } from 'node:zlib';
import { invalid } from '../domain/outcome.ts';
import { damaged, isZstd, zstdFrames } from './zstd.ts';

/** A stream whose first bytes have been looked at. */
export type Peeked = { readonly head: Uint8Array; readonly all: AsyncIterable<Uint8Array> };

/** Waits for the first `count` bytes, or for all there are. Takes nothing away. */
export async function peek(chunks: AsyncIterable<Uint8Array>, count: number): Promise<Peeked> {
  const source = chunks[Symbol.asyncIterator]();
  let head: Uint8Array = new Uint8Array(0);
  while (head.length < count) {
    const next = await source.next();
    if (next.done) break;
    head = head.length === 0 ? next.value : Buffer.concat([head, next.value]);
  }
  const all = (async function* () {
    if (head.length > 0) yield head;
    for (let next = await source.next(); !next.done; next = await source.next()) if (next.value.length > 0) yield next.value;
  })();
  return { head, all };
}

/** Gzip and Zstandard are told by their first bytes; what is neither passes. Throws Refusal for a damaged or truncated one. */
export async function* plainBytes(chunks: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
  const { head, all } = await peek(chunks, 4);
  const starts = (...bytes: number[]): boolean => bytes.every((byte, i) => head[i] === byte);
  if (starts(0x1f, 0x8b)) yield* gunzipped(all);
  else if (isZstd(head)) yield* unzstd(all);
  else yield* all;
}

async function* gunzipped(chunks: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
  const gunzip = createGunzip({ chunkSize: 1 << 18 });
  const input = Readable.from(chunks, { objectMode: true });
  input.on('error', (error) => gunzip.destroy(error));
  input.pipe(gunzip);
  try {
    for await (const chunk of gunzip as AsyncIterable<Uint8Array>) yield chunk;
  } catch (error) {
    if (!(error as NodeJS.ErrnoException).code?.startsWith('Z_')) throw error;
    throw invalid(
      'gzip_damaged',
      `the gzip is damaged or ends too early (${(error as Error).message}); nothing was stored`,
      'chunk',
    );
  } finally {
    input.destroy();
    gunzip.destroy();
  }
}

/**
 * `fzstd` decompresses (Node 20 has no Zstandard of its own, and DuckDB takes a torn file for a shorter one); it leaves checksums alone,
 * so each frame's content is hashed here. Both are loaded when the first such stream comes.
 */
async function* unzstd(chunks: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
  const [{ Decompress }, { default: xxhash }] = await Promise.all([import('fzstd'), import('xxhash-wasm')]);
  const { create64 } = await xxhash();
  let out: Uint8Array[] = [];
  let hash = create64();
  const opened = () =>
    new Decompress((part) => {
      hash.update(part);
      if (part.length > 0) out.push(part.slice());
    });
  let frame = opened();
  const frames = zstdFrames({
    bytes: (part) => frame.push(part.slice()),
    end: (checksum) => {
      frame.push(new Uint8Array(0), true);
      if (checksum !== null && Number(hash.digest() & 0xffff_ffffn) !== checksum) throw damaged('a checksum is wrong');
      hash = create64();
      frame = opened();
    },
  });
  const checked = (work: () => void): void => {
    try {
      work();
    } catch (error) {
      throw (error as Error).name === 'Refusal' ? error : damaged((error as Error).message);
    }
  };
  for await (const chunk of chunks) {
    checked(() => frames.push(chunk));
    for (const part of out) yield part;
    out = [];
  }
  checked(() => frames.end());
}
