import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { create } from '@bufbuild/protobuf';
import { RegistryChangedSchema } from '../../gen/lachak/v1/facts_pb.ts';
import { Metering } from '../../gen/lachak/v1/metering_pb.ts';
import { Register } from '../../gen/lachak/v1/types_pb.ts';
import { testHost } from '../../services/host/testing.ts';
import { room } from '../../services/metering/service.ts';

/** The room of readings, which has heard of one meter, `m`, of half hours; `deliver` sends a file of CSV. */
export async function oneMeter(folder: string, start: number) {
  const host = await testHost({ rooms: [room], folder, clock: { start } });
  const meter = { meterId: 'm', connectionId: 'c', registers: [Register.IMPORT], intervalMinutes: 30, shard: 1 };
  const value = create(RegistryChangedSchema, { records: [{ record: { case: 'meter', value: meter } }] });
  await host.facts.publish('registry', { discom: 'BRPL', key: 'BRPL', body: { case: 'registryChanged', value } });
  await host.settled();
  const metering = host.connect(Metering);
  const as = await host.token('operator');
  const deliver = (fileName: string, csv: string) =>
    metering.importReadings(
      (async function* () {
        yield { fileName, chunk: Buffer.from(csv) };
      })(),
      { as },
    );
  return { host, metering, as, deliver };
}

export function tilesOnDisk(folder: string): number {
  try {
    const all = readdirSync(join(folder, 'metering', 'tiles'), { recursive: true });
    return all.filter((name) => String(name).endsWith('.tile')).length;
  } catch {
    return 0;
  }
}
