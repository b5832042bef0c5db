import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { create } from '@bufbuild/protobuf';
import { RegistryChangedSchema } from '../../gen/lachak/v1/facts_pb.ts';
import { Metering } from '../../gen/lachak/v1/metering_pb.ts';
import { Register } from '../../gen/lachak/v1/types_pb.ts';
import { testHost } from '../../services/host/testing.ts';
import { room } from '../../services/metering/service.ts';

// The process that readings.test.ts kills: delivers one file a day, each as often as it is started, and says what was acknowledged.
const [folder = '', total = '0'] = process.argv.slice(2);
const host = await testHost({ rooms: [room], folder, clock: { start: Date.parse('2026-06-01T00:00:00Z') } });
const swept = tilesOnDisk();
const value = create(RegistryChangedSchema, {
  records: [
    {
      record: {
        case: 'meter',
        value: { meterId: 'm', connectionId: 'c', registers: [Register.IMPORT], intervalMinutes: 30, shard: 1 },
      },
    },
  ],
});
await host.facts.publish('registry', { discom: 'BRPL', key: 'BRPL', body: { case: 'registryChanged', value } });
await host.settled();
const metering = host.connect(Metering);
const as = await host.token('operator');
for (let day = 1; day <= Number(total); day++) {
  const csv = `meter_id,interval_start,import_wh\nm,2026-05-0${day}T12:00:00+05:30,${day * 100}\n`;
  await metering.importReadings(
    (async function* () {
      yield { fileName: `day-${day}.csv`, chunk: Buffer.from(csv) };
    })(),
    { as },
  );
  console.log(`acknowledged ${day}`);
}
await host.settled();
const parts: Uint8Array[] = [];
for await (const { chunk } of metering.exportReadings({}, { as })) parts.push(chunk);
const facts = (await host.facts.of('metering')).filter(({ body }) => body.case === 'readingsReceived').length;
const readings = Buffer.concat(parts)
  .toString('utf8')
  .trim()
  .split('\n')
  .slice(1)
  .map((line) => line.split(',')[2]);
console.log(`result ${JSON.stringify({ readings, facts, tiles: tilesOnDisk(), swept })}`);
await host.stop();

function tilesOnDisk(): number {
  try {
    return readdirSync(join(folder, 'metering', 'tiles'), { recursive: true }).filter((name) => String(name).endsWith('.tile'))
      .length;
  } catch {
    return 0;
  }
}
