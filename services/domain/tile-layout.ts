import { type Checksum, crc32, crc32c } from './crc.ts';
import type { Instant } from './interval.ts';
import { xxh32 } from './xxh32.ts';
import type { CivilDay } from './zone.ts';

/**
 * A tile holds what one version says about the readings of one shard on one civil day. Little-endian throughout:
 *
 *     0  8  magic "LACHTILE"           40 u32 slots of the day
 *     8 u16 format: 1, 2, 3            44 u32 meters M: ordinals 0 … M−1
 *    10  u8 kind: 0 base, 1 delta      48 u32 version, from 1
 *    11  u8 width of a value: 2 or 4   52 u32 entries (base: qualities that are not VALID; delta: statements)
 *    12 u32 shard                      56 i64 known_at, ms UTC
 *    16 10  civil day, ASCII           64 u32 length of the whole file
 *    26  u8 1 = has an EXPORT plane    68 u32 checksum of the table
 *    27  u8 0                          72 20 bytes 0
 *    28 u32 interval, minutes          92 u32 checksum of 0 … 91
 *    32 i64 start of the day, ms UTC   96 table: one checksum (u32) a section below, padded to 8 bytes
 *
 * Sections of a base: IMPORT columns [slot][ordinal], then EXPORT columns if any, each value i16 or i32 Wh with the lowest value as
 * sentinel for missing; then qualities {u16 slot, u8 quality, u8 0, u32 ordinal}. One section of a delta: statements
 * {u16 slot, u8 quality, u8 0, u32 ordinal, i32 import, i32 export}, in (slot, ordinal) order.
 *
 * The formats differ in their checksums alone: CRC-32C in format 1, the CRC-32 of gzip in format 2, XXH32 in format 3, which the core
 * computes faster than a column is read: a reader checks each column it fetches. What is written is format 3; all are read.
 *
 * Base and delta mean the same, a set of statements: a missing value says nothing about its register, except that quality REJECTED
 * withdraws the slot. Versions are laid over one another in (known_at, version) order, so a version may arrive late.
 */
export type TileHeader = {
  readonly format: TileFormat;
  readonly kind: 'base' | 'delta';
  readonly shard: number;
  readonly day: CivilDay;
  readonly intervalMinutes: number;
  /** First instant of the day in the zone of its meters. */
  readonly dayStart: Instant;
  readonly slots: number;
  readonly meters: number;
  readonly version: number;
  readonly knownAt: Instant;
  readonly width: 2 | 4;
  readonly hasExport: boolean;
  readonly entries: number;
  /** Of the whole file, bytes. */
  readonly length: number;
};
export type TileFormat = 1 | 2 | 3;
/** What the writer says; the rest of the header follows from the values. */
export type TileName = Omit<TileHeader, 'format' | 'kind' | 'width' | 'hasExport' | 'entries' | 'length'>;

export type TileRegister = 'import' | 'export';

const MAGIC = 'LACHTILE';
export const TILE_HEADER_BYTES = 96;
/** What is written first. */
export const TILE_FORMATS: readonly TileFormat[] = [3, 2, 1];
export const CHECKSUM: Readonly<Record<TileFormat, Checksum>> = { 1: crc32c, 2: crc32, 3: xxh32 };

export class TileError extends Error {
  constructor(tile: string, why: string) {
    super(`tile ${tile}: ${why}`);
    this.name = 'TileError';
  }
}

/** The header alone, for a reader that then fetches only the columns of its window. Throws TileError. */
export function decodeHeader(bytes: Uint8Array, tile = ''): TileHeader {
  if (bytes.length < TILE_HEADER_BYTES) throw new TileError(tile, `torn: ${bytes.length} bytes, less than a header`);
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const text = (from: number, to: number): string => String.fromCharCode(...bytes.subarray(from, to));
  if (text(0, 8) !== MAGIC) throw new TileError(tile, 'not a tile');
  const format = TILE_FORMATS.find((known) => known === view.getUint16(8, true));
  if (format === undefined)
    throw new TileError(tile, `format ${view.getUint16(8, true)}; this reader knows ${TILE_FORMATS.toReversed().join(', ')}`);
  if (CHECKSUM[format](bytes.subarray(0, 92)) !== view.getUint32(92, true))
    throw new TileError(tile, 'checksum of the header is wrong');
  return {
    format,
    kind: bytes[10] === 0 ? 'base' : 'delta',
    width: bytes[11] === 2 ? 2 : 4,
    shard: view.getUint32(12, true),
    day: text(16, 26),
    hasExport: bytes[26] === 1,
    intervalMinutes: view.getUint32(28, true),
    dayStart: Number(view.getBigInt64(32, true)),
    slots: view.getUint32(40, true),
    meters: view.getUint32(44, true),
    version: view.getUint32(48, true),
    entries: view.getUint32(52, true),
    knownAt: Number(view.getBigInt64(56, true)),
    length: view.getUint32(64, true),
  };
}

/** Where the column of one interval starts in the file of a base; it is `meters × width` bytes long. */
export function columnOffset(header: Omit<TileHeader, 'length'>, register: TileRegister, slot: number): number {
  const plane = register === 'export' ? header.slots : 0;
  return bodyOffset(header) + (plane + slot) * header.meters * header.width;
}

/** Writes header and table around the sections that already lie in `bytes`. */
export function sealed(header: TileHeader, bytes: Uint8Array): Uint8Array {
  const view = new DataView(bytes.buffer);
  const crc = CHECKSUM[header.format];
  for (let i = 0; i < 8; i++) bytes[i] = MAGIC.charCodeAt(i);
  view.setUint16(8, header.format, true);
  view.setUint8(10, header.kind === 'base' ? 0 : 1);
  view.setUint8(11, header.width);
  view.setUint32(12, header.shard, true);
  for (let i = 0; i < 10; i++) bytes[16 + i] = header.day.charCodeAt(i);
  view.setUint8(26, header.hasExport ? 1 : 0);
  view.setUint32(28, header.intervalMinutes, true);
  view.setBigInt64(32, BigInt(header.dayStart), true);
  view.setUint32(40, header.slots, true);
  view.setUint32(44, header.meters, true);
  view.setUint32(48, header.version, true);
  view.setUint32(52, header.entries, true);
  view.setBigInt64(56, BigInt(header.knownAt), true);
  view.setUint32(64, bytes.length, true);
  sectionsOf(header, bytes.length).forEach(([from, to], i) => {
    view.setUint32(TILE_HEADER_BYTES + 4 * i, crc(bytes.subarray(from, to)), true);
  });
  view.setUint32(68, crc(bytes.subarray(TILE_HEADER_BYTES, TILE_HEADER_BYTES + 4 * sectionCount(header))), true);
  view.setUint32(92, crc(bytes.subarray(0, 92)), true);
  return bytes;
}

/** [from, to) of each section, in table order. */
export function sectionsOf(header: TileHeader, length: number): [number, number][] {
  const body = bodyOffset(header);
  if (header.kind === 'delta') return [[body, length]];
  const size = header.meters * header.width;
  const columns = Array.from({ length: sectionCount(header) - 1 }, (_, i): [number, number] => [
    body + i * size,
    body + (i + 1) * size,
  ]);
  return [...columns, [length - header.entries * 8, length]];
}

export const sectionCount = (header: Omit<TileHeader, 'length'>): number =>
  header.kind === 'delta' ? 1 : header.slots * (header.hasExport ? 2 : 1) + 1;
const padded = (bytes: number): number => Math.ceil(bytes / 8) * 8;
const bodyOffset = (header: Omit<TileHeader, 'length'>): number => padded(TILE_HEADER_BYTES + 4 * sectionCount(header));
export const fileLength = (header: Omit<TileHeader, 'length'>): number =>
  header.kind === 'delta'
    ? bodyOffset(header) + header.entries * 16
    : padded(columnOffset(header, header.hasExport ? 'export' : 'import', header.slots)) + header.entries * 8;
