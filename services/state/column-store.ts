import { createHash } from 'node:crypto';
import { closeSync, existsSync, fsyncSync, mkdirSync, openSync, readFileSync, renameSync, writeSync } from 'node:fs';
import { dirname } from 'node:path';

/**
 * Columns of one shard in one immutable file. Little-endian: "LACHCOLS", u32 format 1, u32 bytes of the head, the head (JSON: what the
 * writer says, and name, kind and length of each column), padding to 8, the columns each padded to 8, SHA-256 of everything before.
 */
const MAGIC = 'LACHCOLS';
const KINDS = { u8: Uint8Array, i32: Int32Array, f64: Float64Array } as const;
export type Column = Uint8Array | Int32Array | Float64Array;
export type Columns<H> = { readonly head: H; readonly columns: Readonly<Record<string, Column>> };

const padded = (bytes: number): number => (bytes + 7) & ~7;

/** Whole or not at all: written beside, synced, renamed. */
export function writeColumns<H>(path: string, head: H, columns: Readonly<Record<string, Column>>): void {
  const layout = Object.entries(columns).map(([name, column]) => [name, kindOf(column), column.length] as const);
  const words = Buffer.from(JSON.stringify({ head, layout }), 'utf8');
  const size =
    16 + padded(words.length) + layout.reduce((sum, [, kind, length]) => sum + padded(length * KINDS[kind].BYTES_PER_ELEMENT), 0);
  const bytes = Buffer.alloc(size + 32);
  bytes.write(MAGIC, 0, 'latin1');
  bytes.writeUInt32LE(1, 8);
  bytes.writeUInt32LE(words.length, 12);
  words.copy(bytes, 16);
  let at = 16 + padded(words.length);
  for (const column of Object.values(columns)) {
    bytes.set(new Uint8Array(column.buffer, column.byteOffset, column.byteLength), at);
    at += padded(column.byteLength);
  }
  createHash('sha256').update(bytes.subarray(0, size)).digest().copy(bytes, size);
  mkdirSync(dirname(path), { recursive: true, mode: 0o700 });
  const draft = `${path}.${process.pid}.draft`;
  const file = openSync(draft, 'w', 0o600);
  try {
    writeSync(file, bytes);
    fsyncSync(file);
  } finally {
    closeSync(file);
  }
  renameSync(draft, path);
}

/** Null when there is no such file. Throws Error naming a file that is damaged. */
export function readColumns<H>(path: string): Columns<H> | null {
  if (!existsSync(path)) return null;
  const bytes = readFileSync(path);
  const size = bytes.length - 32;
  const whole = size >= 16 && createHash('sha256').update(bytes.subarray(0, size)).digest().equals(bytes.subarray(size));
  if (!whole || bytes.toString('latin1', 0, 8) !== MAGIC) throw new Error(`${path} is damaged: remove it and run again`);
  const words = bytes.readUInt32LE(12);
  const { head, layout } = JSON.parse(bytes.toString('utf8', 16, 16 + words)) as {
    head: H;
    layout: readonly [string, keyof typeof KINDS, number][];
  };
  const { buffer } = Uint8Array.from(bytes.subarray(0, size)); // aligned, and no part of Node's pool
  let at = 16 + padded(words);
  const columns = Object.fromEntries(
    layout.map(([name, kind, length]) => {
      const column = new KINDS[kind](buffer, at, length);
      at += padded(column.byteLength);
      return [name, column];
    }),
  );
  return { head, columns };
}

function kindOf(column: Column): keyof typeof KINDS {
  if (column instanceof Uint8Array) return 'u8';
  return column instanceof Int32Array ? 'i32' : 'f64';
}
