import type { Deps } from '../services/host/room.ts';
import type { DeviceKey } from './driver.ts';
import { type Live, unheard } from './live.ts';
import type { Sample } from './proof.ts';
import type { ReportHub } from './report-service.ts';
import * as store from './store.ts';

/** What the room knows of its devices beside what is wanted of them. */
export type Known = {
  live(device: DeviceKey): Live;
  /** How many are. */
  online(): number;
  /** Empty: unknown here (yet). */
  protocolOf(device: DeviceKey): string;
  /** A device was provisioned, or has other links now. */
  know(row: Pick<store.DeviceRow, 'discom' | 'device_id' | 'protocol' | 'resource_id' | 'vendor' | 'model' | 'seen_at_ms'>): void;
  change(device: DeviceKey, next: (live: Live) => Live): void;
  /** Tells those who watch. */
  report(device: DeviceKey, sample: Sample | null): void;
  /** Stores when devices of ours were last seen. */
  keepSeen(): Promise<void>;
};
type Entry = { readonly device: DeviceKey; readonly protocol: string; readonly resourceId: string; readonly live: Live };

/** Strangers are looked up together, wall ms. */
const STRANGE_MS = 200;

export function openKnown(
  { clock, database, log }: Deps,
  reports: ReportHub,
  mine: (device: DeviceKey) => boolean,
  changed: (key: string) => void,
): Known {
  const known = new Map<string, Entry>();
  const unsaved = new Set<string>();
  /** Provisioned at another gateway since we started. */
  const strangers = new Map<string, DeviceKey>();
  const stranger = (device: DeviceKey): Entry => {
    if (strangers.size === 0) setTimeout(() => void meetStrangers(), STRANGE_MS).unref();
    strangers.set(keyOf(device), device);
    return { device, protocol: '', resourceId: '', live: unheard };
  };
  const meetStrangers = async (): Promise<void> => {
    const all = [...strangers.values()];
    strangers.clear();
    for (const discom of new Set(all.map((device) => device.discom))) {
      const ids = all.filter((device) => device.discom === discom).map((device) => device.deviceId);
      await store.devicesByIds(database, discom, ids).then(
        (rows) => rows.forEach(know),
        (error: Error) => log.warn({ devices: ids.length, error: error.message }, 'new devices could not be looked up'),
      );
    }
  };
  const change = (device: DeviceKey, next: (live: Live) => Live): void => {
    const key = keyOf(device);
    const entry = known.get(key) ?? stranger(device);
    known.set(key, { ...entry, live: next(entry.live) });
    unsaved.add(key);
    changed(key);
  };
  const report = (device: DeviceKey, sample: Sample | null): void => {
    const entry = known.get(keyOf(device))!;
    reports.publish({
      ...device,
      resourceId: entry.resourceId,
      at: sample?.at ?? clock.now(),
      powerW: sample?.powerW ?? null,
      registerWh: sample?.registerWh ?? null,
      online: entry.live.online,
      source: sample?.source ?? '',
    });
  };

  const know: Known['know'] = (row) => {
    const device = { discom: row.discom, deviceId: row.device_id };
    const before = known.get(keyOf(device))?.live;
    const live = before ?? {
      ...unheard,
      vendor: row.vendor,
      model: row.model,
      seenAt: row.seen_at_ms === null ? null : Number(row.seen_at_ms),
    };
    known.set(keyOf(device), { device, protocol: row.protocol, resourceId: row.resource_id, live });
  };

  const keepSeen = async (): Promise<void> => {
    const rows = [...unsaved].flatMap((key) => {
      const { device, live } = known.get(key)!;
      return live.seenAt === null || !mine(device)
        ? []
        : [{ ...device, seenAt: live.seenAt, vendor: live.vendor, model: live.model }];
    });
    unsaved.clear();
    await store.keepSeen(database, rows);
  };

  return {
    online: () => {
      let count = 0;
      for (const { live } of known.values()) if (live.online) count++;
      return count;
    },
    live: (device) => known.get(keyOf(device))?.live ?? unheard,
    protocolOf: (device) => known.get(keyOf(device))?.protocol ?? '',
    know,
    change,
    report,
    keepSeen,
  };
}

export const keyOf = ({ discom, deviceId }: DeviceKey): string => `${discom}/${deviceId}`;
