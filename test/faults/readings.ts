import { oneMeter, tilesOnDisk } from './one-meter.ts';

// The process that readings.test.ts kills: delivers one file a day, each as often as it is started, and says what was acknowledged.
const [folder = '', total = '0'] = process.argv.slice(2);
const { host, metering, as, deliver } = await oneMeter(folder, Date.parse('2026-06-01T00:00:00Z'));
const swept = tilesOnDisk(folder);
for (let day = 1; day <= Number(total); day++) {
  const csv = `meter_id,interval_start,import_wh\nm,2026-05-0${day}T12:00:00+05:30,${day * 100}\n`;
  await deliver(`day-${day}.csv`, csv);
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
console.log(`result ${JSON.stringify({ readings, facts, tiles: tilesOnDisk(folder), swept })}`);
await host.stop();
