import { crc32 } from 'node:zlib';
import type { Checksum } from '../domain/crc.ts';
import { CHECKSUM, type TileFormat } from '../domain/tile-layout.ts';

/** The checksums of tiles, as fast as Node has them. */
export const CHECKSUMS: Readonly<Record<TileFormat, Checksum>> = { ...CHECKSUM, 2: crc32 };
