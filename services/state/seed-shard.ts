import { hash } from 'node:crypto';
import { existsSync, mkdirSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { DAY, MINUTE } from '../domain/interval.ts';
import { zoneDays } from '../host/zone.ts';
import { writeColumns } from './column-store.ts';
import { cohortOf, correctionOf, dayTile, outageOn } from './loads.ts';
import { cohortFile } from './shard-work.ts';
import { metersIn, type ShardFacts, type Town } from './town.ts';

const sha = (bytes: Uint8Array): Uint8Array => hash('sha256', bytes, 'buffer');

/** Writes tiles and cohort of one shard, `lookBack` days and the event's. Idempotent. */
export function seedShard(town: Town, folder: string, shard: number, lookBack: number): void {
  if (existsSync(cohortFile(folder, shard))) return;
  const meters = metersIn(town, shard);
  const home = { seed: town.seed, shard, meters };
  const zone = zoneDays(town.zone);
  const { window } = town.event;
  const eventDay = zone.dayOf(window.start);
  const step = town.intervalMinutes * MINUTE;
  const versions: ShardFacts['versions'][number][] = [];
  const outages: ShardFacts['outages'][number][] = [];
  const write = (path: string, bytes: Uint8Array) => {
    mkdirSync(dirname(join(folder, path)), { recursive: true, mode: 0o700 });
    writeFileSync(join(folder, path), bytes);
  };
  for (let back = lookBack; back >= 0; back--) {
    const day = zone.plus(eventDay, -back);
    const dayStart = zone.startOf(day);
    const first = Math.round((window.start - dayStart) / step);
    const eventSlots = back > 0 ? null : Array.from({ length: (window.end - window.start) / step }, (_, i) => first + i);
    const path = `tiles/${shard}/${day}`;
    write(`${path}.1`, dayTile(home, { day, dayStart, eventSlots }));
    versions.push({ path: `${path}.1`, day, version: 1, knownAtMs: dayStart + DAY });
    const correction = correctionOf(home, { day, dayStart, eventSlots });
    if (correction) {
      write(`${path}.2`, correction.bytes);
      versions.push({ path: `${path}.2`, day, version: 2, knownAtMs: correction.knownAt });
    }
    const outage = outageOn(home, dayStart);
    if (outage) {
      const startMs = dayStart + outage.firstSlot * step;
      outages.push({ from: outage.from, to: outage.to, startMs, endMs: startMs + outage.slots * step });
    }
  }
  const head: ShardFacts = { versions, outages };
  writeColumns(cohortFile(folder, shard), head, { ...cohortOf(home), salts: new Uint8Array(seededSalts(town, shard, meters)) });
}

/** In a house salts come from the persons' keys; made-up persons have theirs from the seed. */
function seededSalts({ seed }: Town, shard: number, meters: number): Uint8Array {
  const salts = Buffer.alloc(32 * meters);
  const word = Buffer.alloc(12);
  word.writeUInt32LE(seed >>> 0, 0);
  word.writeUInt32LE(shard, 4);
  for (let lane = 0; lane < meters; lane++) {
    word.writeUInt32LE(lane, 8);
    salts.set(sha(word), 32 * lane);
  }
  return salts;
}
