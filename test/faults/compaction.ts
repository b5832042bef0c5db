import { oneMeter, tilesOnDisk } from './one-meter.ts';

// The process that compaction.test.ts kills: delivers two days in several versions, compacts them and lets the versions go. Started again
// it does the same again.
const [folder = ''] = process.argv.slice(2);
const START = Date.parse('2026-06-01T00:00:00Z');
const DAYS = ['2026-05-01', '2026-05-02'];
const VERSIONS = 4;
const { host, metering, as, deliver } = await oneMeter(folder, START);
for (const day of DAYS)
  for (let version = 1; version <= VERSIONS; version++) {
    const csv = `meter_id,interval_start,import_wh,known_at\nm,${day}T12:00:00+05:30,${version * 100},2026-05-03T0${version}:00:00Z\n`;
    const report = await deliver(`${day}-${version}.csv`, csv);
    if (report.rejected > 0n) throw new Error(`refused: ${JSON.stringify(report.findings.map(({ message }) => message))}`);
  }
await drained(metering.compactReadings({ atLeast: 2 }, { as }));
console.log('compacted');
await host.advanceTo(START + 3 * 86_400_000);
await drained(metering.retainReadings({ keepDays: 1 }, { as }));
const faults = (await drained(metering.checkReadings({}, { as }))).flatMap((answer) => answer.faults);
const readings = [];
for (const day of DAYS) {
  const { meterDays } = await metering.getMeterDays({ names: [{ meterId: 'm', day }], withReadings: true }, { discom: 'BRPL' });
  readings.push(new Int32Array(Uint8Array.from(meterDays[0]!.importWh).buffer)[24]);
}
console.log(`result ${JSON.stringify({ readings, faults, tiles: tilesOnDisk(folder) })}`);
await host.stop();

async function drained<T>(stream: AsyncIterable<T>): Promise<T[]> {
  const all: T[] = [];
  for await (const one of stream) all.push(one);
  return all;
}
