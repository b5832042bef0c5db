import { setTimeout as pause } from 'node:timers/promises';
import { type DeviceReport, Devices } from '../../gen/lachak/v1/devices_pb.ts';
import type { Deps } from '../host/room.ts';
import { Signal } from '../host/signal.ts';
import type { Live } from './status.ts';
import * as store from './store.ts';

/** Live power, kept in memory only: after a restart the next reports fill it again. */
export type LiveReports = {
  /** Newest power by resource. */
  of(discom: string): ReadonlyMap<string, Live>;
  /** Says that an event looks different now. */
  changed(discom: string, eventId: string): void;
  /** Fires when it does, and when live power of its DISCOM comes in. */
  signal(discom: string, eventId: string): Signal;
  /** Listens for every DISCOM with an event under way. Idempotent. */
  listen(): Promise<void>;
  readonly stopping: AbortSignal;
  stop(): Promise<void>;
};

/** Wall time before a broken stream is opened again. */
const REOPEN_MS = 1000;
/** What the current was allowed to be is not what it was. */
const NOT_MEASURED = 'offered';

export function openLive(deps: Deps): LiveReports {
  const { connect, database, log } = deps;
  const power = new Map<string, Map<string, Live>>();
  const signals = new Map<string, Signal>();
  const listening = new Map<string, Promise<void>>();
  const stopping = new AbortController();
  const of = (discom: string) => {
    const known = power.get(discom) ?? new Map<string, Live>();
    power.set(discom, known);
    return known;
  };
  const follow = async (discom: string): Promise<void> => {
    while (!stopping.signal.aborted) {
      try {
        for await (const { reports } of connect(Devices).watchReports({}, { discom, signal: stopping.signal })) {
          heard(discom, reports);
        }
      } catch (error) {
        if (!stopping.signal.aborted)
          log.debug({ discom, error: (error as Error).message }, 'live reports broke off; listening again');
      }
      await pause(REOPEN_MS, undefined, { signal: stopping.signal }).catch(() => {});
    }
  };
  const heard = (discom: string, reports: readonly DeviceReport[]): void => {
    const metered = reports.filter(
      (report) => report.hasPower && report.resourceId !== '' && report.proofSource !== NOT_MEASURED,
    );
    if (metered.length === 0) return;
    const known = of(discom);
    for (const { resourceId, powerW, atMs } of metered) {
      const at = Number(atMs);
      if (at >= (known.get(resourceId)?.at ?? 0)) known.set(resourceId, { powerW: Number(powerW), at });
    }
    for (const [key, signal] of signals) if (key.startsWith(`${discom}\n`)) signal.fire();
  };
  const signal = (discom: string, eventId: string): Signal => {
    const key = `${discom}\n${eventId}`;
    const found = signals.get(key) ?? new Signal();
    signals.set(key, found);
    return found;
  };
  return {
    of,
    signal,
    changed: (discom, eventId) => signals.get(`${discom}\n${eventId}`)?.fire(),
    listen: async () => {
      for (const discom of await store.openDiscoms(database)) {
        if (!listening.has(discom) && !stopping.signal.aborted) listening.set(discom, follow(discom));
      }
    },
    stopping: stopping.signal,
    stop: async () => {
      stopping.abort();
      for (const one of signals.values()) one.fire();
      await Promise.race([Promise.all(listening.values()), pause(3000)]);
    },
  };
}
