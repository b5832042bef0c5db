import { createHash } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { join, resolve, sep } from 'node:path';
import type { Tile as TileName } from '../../gen/lachak/v1/metering_pb.ts';
import { grouped } from '../domain/grouped.ts';
import type { Instant } from '../domain/interval.ts';
import { decodeTile, foldTiles, type Tile, TileError } from '../domain/tile.ts';
import { CHECKSUMS } from '../host/checksums.ts';
import type { Sheet, Sheets } from './stitch.ts';

/**
 * Opens the tiles metering has named, read-only, and lays the versions of each shard and day over one another. A tile that is not there,
 * or not what its digest says, throws TileError with its path: what cannot be read is never taken for an empty day.
 */
export async function openSheets(root: string, names: readonly TileName[]): Promise<Sheets> {
  const tiles: Tile[] = [];
  for (const name of names) tiles.push(await openTile(root, name));
  const found = new Map<string, Sheet>();
  for (const [key, versions] of grouped(tiles, ({ header }) => keyOf(header.shard, header.dayStart, header.intervalMinutes))) {
    const { intervalMinutes, dayStart } = versions[0]!.header;
    found.set(key, { intervalMinutes, dayStart, columns: foldTiles(versions)! });
  }
  // Asked for every reading of every point, nearly always of the day asked for before.
  const last = { shard: -1, dayStart: 0, intervalMinutes: 0, sheet: null as Sheet | null };
  return (shard, dayStart, intervalMinutes) => {
    if (shard !== last.shard || dayStart !== last.dayStart || intervalMinutes !== last.intervalMinutes)
      Object.assign(last, {
        shard,
        dayStart,
        intervalMinutes,
        sheet: found.get(keyOf(shard, dayStart, intervalMinutes)) ?? null,
      });
    return last.sheet;
  };
}

async function openTile(root: string, { path, digest, shard, day, version }: TileName): Promise<Tile> {
  const file = resolve(root, path);
  if (!file.startsWith(resolve(root) + sep)) throw new TileError(path, 'lies outside the tile folder');
  const bytes = await readFile(join(root, path)).catch((error: Error) => {
    throw new TileError(path, `cannot be read: ${error.message}`);
  });
  const sha256 = createHash('sha256').update(bytes).digest('hex');
  if (sha256 !== digest) throw new TileError(path, `has SHA-256 ${sha256}, metering says ${digest}`);
  const tile = decodeTile(bytes, path, CHECKSUMS);
  if (tile.header.shard !== shard || tile.header.day !== day || tile.header.version !== version) {
    throw new TileError(
      path,
      `is shard ${tile.header.shard}, ${tile.header.day}, version ${tile.header.version}: not the one named`,
    );
  }
  return tile;
}

const keyOf = (shard: number, dayStart: Instant, intervalMinutes: number): string => `${shard}/${dayStart}/${intervalMinutes}`;
