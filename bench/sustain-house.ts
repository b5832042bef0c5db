import { setTimeout as pause } from 'node:timers/promises';
import { create } from '@bufbuild/protobuf';
import { pino } from 'pino';
import { RegistryChangedSchema } from '../gen/lachak/v1/facts_pb.ts';
import { Register } from '../gen/lachak/v1/types_pb.ts';
import { defaults } from '../services/host/config.ts';
import { startHost } from '../services/host/host.ts';
import type { Deps, RoomMaker } from '../services/host/room.ts';
import { room as metering } from '../services/metering/service.ts';

/* The house of sustain.ts, in a process of its own so that its memory is its own: metering on PostgreSQL, NATS and InfluxDB. */
export type House = {
  readonly folder: string;
  readonly databaseUrl: string;
  readonly natsUrl: string;
  readonly influxUrl: string;
  readonly shards: number;
  readonly perShard: number;
};
/** MB, after a collection. */
export type Memory = { readonly rss: number; readonly heap: number; readonly buffers: number };

const { folder, databaseUrl, natsUrl, influxUrl, shards, perShard } = JSON.parse(process.argv[2]!) as House;
let deps: Deps;
const registry: RoomMaker = {
  name: 'registry',
  migrations: new URL('./', import.meta.url), // of its own it keeps nothing
  make: (given) => {
    deps = given;
    return { bindings: [], start: async () => {}, stop: async () => {} };
  },
};
const host = await startHost({
  config: {
    ...defaults,
    ...{ folder, databaseUrl, influxUrl },
    nats: { ...defaults.nats, url: natsUrl },
    gateway: { ...defaults.gateway, port: 0 },
    // Full within two minutes at this pace: what grows after that is no cache.
    metering: { cacheMegabytes: 16 },
  },
  rooms: [registry, metering],
  log: pino({ level: 'warn' }, pino.destination(2)),
});
for (let shard = 0; shard < shards; shard++) {
  const records = Array.from({ length: perShard }, (_, ordinal) => {
    const meterId = `m-${shard}-${ordinal}`;
    return {
      record: {
        case: 'meter' as const,
        value: { meterId, connectionId: `c-${meterId}`, registers: [Register.IMPORT], intervalMinutes: 30, shard, ordinal },
      },
    };
  });
  const value = create(RegistryChangedSchema, { records });
  await deps!.database.tx((tx) =>
    deps.facts.publish(tx, { discom: 'BRPL', key: 'BRPL', body: { case: 'registryChanged', value } }),
  );
}
while (!(await deps!.facts.passed(await deps!.facts.position(), ['metering'], 60_000))) await pause(10);

process.on('message', async (word) => {
  if (word === 'stop') {
    await host.stop();
    process.exit(0);
  }
  (globalThis as { gc?: () => void }).gc?.();
  const { rss, heapUsed, external } = process.memoryUsage();
  const megabytes = (bytes: number): number => Math.round(bytes / 1e6);
  process.send!({ rss: megabytes(rss), heap: megabytes(heapUsed), buffers: megabytes(external) } satisfies Memory);
});
process.send!('ready');
