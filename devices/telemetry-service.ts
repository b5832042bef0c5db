import type { MessageInitShape } from '@bufbuild/protobuf';
import type { TakeTelemetryResponseSchema } from '../gen/lachak/v1/devices_pb.ts';
import type { Deps } from '../services/host/room.ts';
import { type Carrier, type KeepTelemetry, TelemetryFull, type Waiting } from './telemetry.ts';
import * as store from './telemetry-store.ts';

/** Telemetry that becomes readings: of registers that are meters, kept until metering has it on record. */
export type Telemetry = {
  readonly keep: KeepTelemetry;
  readonly take: Carrier['take'];
  readonly acknowledge: Carrier['acknowledge'];
  start(): Promise<void>;
  stop(): Promise<void>;
};

/** Another instance may have followed the registry: looked for this often, wall ms. */
const LOOK_MS = 1000;
/** At most one line about refusals in this time, wall ms. */
const COMPLAIN_MS = 10_000;
const MOST_TAKEN = 2000;

export function openTelemetry({ clock, database, facts, log, metrics }: Deps, carrier: Carrier): Telemetry {
  const counts = { kept: 0, refused_full: 0, refused_away: 0 };
  let metered = new Set<string>();
  let mark = '';
  let lookedAt = Number.NEGATIVE_INFINITY;
  let looking: Promise<void> | null = null;
  let complainedAt = -COMPLAIN_MS;

  facts.follow('registry', {
    registryChanged: async (tx, { records }, { discom }) => {
      const states = records.flatMap(({ record }) =>
        record.case === 'meter'
          ? [{ meterId: record.value.meterId, fromMs: record.value.dated?.fromMs ?? 0n, source: record.value.source }]
          : [],
      );
      if (states.length === 0) return;
      await store.keepMetered(tx, discom, states);
      tx.afterCommit(() => {
        lookedAt = Number.NEGATIVE_INFINITY;
      });
    },
  });
  metrics.sum('devices_telemetry_total', 'Register values of devices for metering', 'outcome', () => counts);
  metrics.level('devices_telemetry_waiting', 'Register values or messages that metering has not yet on record', carrier.waiting);

  const look = async (): Promise<void> => {
    const now = await store.meteredMark(database);
    if (now !== mark) metered = new Set((await store.allMetered(database)).map((row) => keyOf(row, row.device_id, row.register)));
    mark = now;
  };
  /** While the database is away what was known of it holds: a charger that is no meter gets its answers all the same. */
  const lookAgain = (): Promise<void> => {
    if (performance.now() < lookedAt + LOOK_MS) return Promise.resolve();
    looking ??= look()
      .catch((error: Error) =>
        log.warn({ error: error.message }, 'which devices are meters could not be read; it is tried again'),
      )
      .finally(() => {
        lookedAt = performance.now();
        looking = null;
      });
    return looking;
  };
  return {
    keep: async (device, register, values) => {
      if (values.length === 0) return;
      await lookAgain();
      if (!metered.has(keyOf(device, device.deviceId, register))) return;
      try {
        await carrier.keep({ ...device, register, values, receivedAt: clock.now() });
        counts.kept += values.length;
      } catch (error) {
        counts[error instanceof TelemetryFull ? 'refused_full' : 'refused_away'] += values.length;
        if (performance.now() > complainedAt + COMPLAIN_MS) {
          complainedAt = performance.now();
          log.warn(
            { ...counts, why: (error as Error).message },
            'telemetry is not acknowledged: devices keep it and say it again',
          );
        }
        throw error;
      }
    },
    take: (discom, most) => carrier.take(discom, Math.min(most || MOST_TAKEN, MOST_TAKEN)),
    acknowledge: carrier.acknowledge,
    start: async () => {
      await carrier.start();
      await look();
    },
    stop: carrier.stop,
  };
}

export const telemetryMessage = (all: readonly Waiting[]): MessageInitShape<typeof TakeTelemetryResponseSchema> => ({
  telemetry: all.map(({ receipt, deviceId, register, receivedAt, values }) => ({
    ...{ receipt, deviceId, register, receivedAtMs: BigInt(receivedAt) },
    values: values.map(({ at, wh }) => ({ atMs: BigInt(at), wh: BigInt(wh) })),
  })),
});

const keyOf = ({ discom }: { readonly discom: string }, deviceId: string, register: string): string =>
  `${discom}/${deviceId}/${register}`;
