import { createHash } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { create, fromBinary } from '@bufbuild/protobuf';
import { sizeDelimitedEncode, sizeDelimitedPeek } from '@bufbuild/protobuf/wire';
import { type PointResult, PointResultSchema } from '../../gen/lachak/v1/performance_pb.ts';
import { invalid } from '../domain/outcome.ts';
import { writeDurably } from './durable-file.ts';
import type { Plain } from './results.ts';

/**
 * One run × one shard, immutable. Little-endian:
 *
 *     0  8  magic "LACHPERF"      12 u32 points M
 *     8 u32 format = 1            16 u32 lead intervals L, u32 0
 *    24     i32 [M][L] Wh around the window, −2³¹ = missing
 *           M × (varint length, PointResult) in settlement point order
 *           SHA-256 of everything before
 */
export type ResultFile = { readonly results: readonly PointResult[]; lead(point: number): number[] };

const MAGIC = 'LACHPERF';
const FORMAT = 1;
const HEAD = 24;
const SEAL = 32;

/** The bytes of a result file: the same results give the same bytes. `lead` holds L values a point. */
export function encodeResults(results: readonly Plain<PointResult>[], lead: Int32Array): Uint8Array {
  const messages = results.map((result) => sizeDelimitedEncode(PointResultSchema, create(PointResultSchema, result)));
  const body = HEAD + lead.length * 4;
  const bytes = new Uint8Array(messages.reduce((sum, message) => sum + message.length, body) + SEAL);
  const view = new DataView(bytes.buffer);
  bytes.set(new TextEncoder().encode(MAGIC));
  view.setUint32(8, FORMAT, true);
  view.setUint32(12, results.length, true);
  view.setUint32(16, results.length === 0 ? 0 : lead.length / results.length, true);
  for (const [i, wh] of lead.entries()) view.setInt32(HEAD + 4 * i, wh, true);
  let at = body;
  for (const message of messages) {
    bytes.set(message, at);
    at += message.length;
  }
  bytes.set(digest(bytes.subarray(0, at)), at);
  return bytes;
}

/** Throws Error naming `name` when the bytes are not what was written. */
export function decodeResults(bytes: Uint8Array, name: string): ResultFile {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const end = bytes.length - SEAL;
  const whole = end >= HEAD && Buffer.compare(digest(bytes.subarray(0, end)), bytes.subarray(end)) === 0;
  if (!whole || new TextDecoder().decode(bytes.subarray(0, 8)) !== MAGIC) throw new Error(`result file ${name} is damaged`);
  if (view.getUint32(8, true) !== FORMAT)
    throw new Error(`result file ${name} has format ${view.getUint32(8, true)}; this reader knows ${FORMAT}`);
  const points = view.getUint32(12, true);
  const leads = view.getUint32(16, true);
  const results: PointResult[] = [];
  for (let at = HEAD + points * leads * 4; at < end; ) {
    const head = sizeDelimitedPeek(bytes.subarray(at, end));
    if (head.eof) throw new Error(`result file ${name} is damaged`);
    results.push(fromBinary(PointResultSchema, bytes.subarray(at + head.offset, at + head.offset + head.size)));
    at += head.offset + head.size;
  }
  return {
    results,
    lead: (point) => Array.from({ length: leads }, (_, i) => view.getInt32(HEAD + 4 * (point * leads + i), true)),
  };
}

/** Writes the file below `folder`; its path there and the SHA-256 (hex) of the whole file. */
export async function writeResults(
  folder: string,
  { discom, runId }: { readonly discom: string; readonly runId: string },
  shard: number,
  bytes: Uint8Array,
): Promise<{ path: string; digest: string }> {
  const path = `results/${fileName(discom)}/${fileName(runId)}/${shard}.perf`;
  await writeDurably(join(folder, path), bytes);
  return { path, digest: Buffer.from(digest(bytes)).toString('hex') };
}

/** Reads and verifies a file against the digest its row names. */
export async function readResults(folder: string, path: string, expected: string): Promise<ResultFile> {
  const bytes = await readFile(join(folder, path));
  const found = Buffer.from(digest(bytes)).toString('hex');
  if (found !== expected)
    throw new Error(`result file ${path} has SHA-256 ${found}, not ${expected}: it was changed after it was written`);
  return decodeResults(bytes, path);
}

/** Ids become names of files and folders: nothing in them may lead elsewhere. Throws Refusal `id_malformed`. */
export function fileName(id: string): string {
  if (!/^[A-Za-z0-9][A-Za-z0-9._:@-]{0,199}$/.test(id)) {
    throw invalid('id_malformed', `${JSON.stringify(id)} is no id of up to 200 letters, digits and . _ : @ -`, 'run_id');
  }
  return id;
}

const digest = (bytes: Uint8Array): Uint8Array => createHash('sha256').update(bytes).digest();
