import { setTimeout as pause } from 'node:timers/promises';
import type { Logger } from 'pino';
import type { Database, Tx } from '../services/host/room.ts';
import { inTurn } from '../services/host/signal.ts';
import type { DeviceKey } from './driver.ts';
import * as store from './holding-store.ts';
import { partOf, shareOf } from './part.ts';

/** Which devices this instance of the room pursues. */
export type Holding = {
  /** As last known: whoever writes asks `guard` too. */
  mine(device: DeviceKey): boolean;
  /** The gateway that has the device's part, as far as known here. */
  holderOf(device: DeviceKey): string | null;
  /** Throws `NotHeld` when another instance has one of them by now; else none takes them until the transaction ends. */
  guard(tx: Tx, devices: readonly DeviceKey[]): Promise<void>;
  look(): Promise<void>;
  start(changed: Changed): Promise<void>;
  /** Hands everything over. */
  stop(): Promise<void>;
};
export type Changed = {
  readonly gained: (parts: ReadonlySet<number>) => Promise<void>;
  readonly lost: (parts: ReadonlySet<number>) => void;
  /** A gateway's lease has ended: whatever was connected to it is not. */
  readonly died: (gateway: string) => void;
};
export class NotHeld extends Error {}

/** The only instance there is: everything is its own. */
export const alone: Holding = {
  mine: () => true,
  holderOf: () => null,
  guard: async () => {},
  look: async () => {},
  start: async () => {},
  stop: async () => {},
};

/** For how long, wall ms, the others believe that a silent gateway lives; and how often a living one says so. */
const LEASE_MS = 4000;
const BEAT_MS = 1000;

/** `whole`: starts only when it has all its share, so that stepped time cannot pass over devices of a predecessor that was killed. */
export function sharedHolding(database: Database, gateway: string, whole: boolean, log: Logger): Holding {
  let parts = new Map<number, store.PartRow>();
  let living = new Set<string>();
  let heard: Changed | null = null;
  let loaded: Promise<void> = Promise.resolve();
  const turn = inTurn();
  const stopping = new AbortController();
  let beating: Promise<void> = Promise.resolve();

  const own = (row: store.PartRow | undefined): bigint | null => (row?.holder === gateway ? row.epoch : null);
  const take = (rows: readonly store.PartRow[]): void => {
    const before = parts;
    parts = new Map(rows.map((row) => [row.part, row]));
    const gained = new Set<number>();
    const lost = new Set<number>();
    for (const part of parts.keys()) {
      const [was, is] = [own(before.get(part)), own(parts.get(part))];
      if (was === is) continue;
      if (was !== null) lost.add(part);
      if (is !== null) gained.add(part);
    }
    if (lost.size > 0) heard?.lost(lost);
    if (gained.size > 0) loaded = heard?.gained(gained) ?? loaded;
    if (lost.size + gained.size > 0)
      log.info({ gateway, gained: gained.size, lost: lost.size }, 'parts of the devices changed hands');
  };
  const held = (): number => [...parts.values()].filter((row) => own(row) !== null).length;
  const beat = (): Promise<void> =>
    turn(async () => {
      if (stopping.signal.aborted) return;
      const found = await database.tx((tx) => store.divide(tx, gateway, LEASE_MS));
      const dead = [...living].filter((one) => !found.living.includes(one));
      living = new Set(found.living);
      for (const one of dead) heard?.died(one);
      take(found.parts);
    });
  const beats = async (): Promise<void> => {
    while (!stopping.signal.aborted) {
      await pause(BEAT_MS, undefined, { signal: stopping.signal }).catch(() => {});
      await beat().catch((error: Error) => log.warn({ error: error.message }, 'the lease was not renewed; it is tried again'));
    }
  };

  return {
    mine: (device) => own(parts.get(partOf(device))) !== null,
    holderOf: (device) => parts.get(partOf(device))?.holder ?? null,
    guard: async (tx, devices) => {
      const which = [...new Set(devices.map(partOf))];
      const held = await store.holdFast(tx, gateway, which);
      const gone = which.filter((part) => !held.has(part) || held.get(part) !== own(parts.get(part)));
      if (gone.length > 0) throw new NotHeld(`another gateway has ${gone.length} of the parts`);
    },
    look: () => turn(async () => take(await store.parts(database))),
    start: async (changed) => {
      heard = changed;
      await beat();
      const until = performance.now() + LEASE_MS + BEAT_MS;
      while (whole && held() < shareOf(gateway, [...living]) && performance.now() < until) {
        await pause(BEAT_MS / 4);
        await beat();
      }
      await loaded;
      beating = beats();
    },
    stop: async () => {
      if (stopping.signal.aborted) return;
      stopping.abort();
      await beating;
      parts = new Map();
      await turn(() => database.tx((tx) => store.giveBack(tx, gateway))).catch((error: Error) =>
        log.warn({ error: error.message }, 'the lease was not given back; it ends by itself'),
      );
    },
  };
}
