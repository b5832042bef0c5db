import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { create } from '@bufbuild/protobuf';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { RegistryChangedSchema } from '../../gen/lachak/v1/facts_pb.ts';
import { Metering } from '../../gen/lachak/v1/metering_pb.ts';
import { Register } from '../../gen/lachak/v1/types_pb.ts';
import type { Client } from '../host/room.ts';
import { type TestHost, testHost } from '../host/testing.ts';
import { room } from './service.ts';

const START = Date.parse('2026-06-01T00:00:00Z');
const DAY = 86_400_000;
const NAMES = ['m-0', 'm-1', 'm-2'].map((meterId) => ({ meterId, day: '2026-05-01' }));
let host: TestHost;
let metering: Client<typeof Metering>;
let as: { token: string; requestId: string };

beforeAll(async () => {
  host = await testHost({ rooms: [room], clock: { start: START } });
  metering = host.connect(Metering);
  as = await host.token('operator');
  await register(2);
});
afterAll(async () => host?.stop());

async function register(meters: number): Promise<void> {
  const records = Array.from({ length: meters }, (_, n) => ({
    record: {
      case: 'meter' as const,
      value: {
        ...{ meterId: `m-${n}`, ordinal: n, shard: 1, connectionId: `c-${n}`, intervalMinutes: 30, zone: 'Asia/Kolkata' },
        registers: [Register.IMPORT, Register.EXPORT],
      },
    },
  }));
  const value = create(RegistryChangedSchema, { records });
  await host.facts.publish('registry', { discom: 'BRPL', key: 'BRPL', body: { case: 'registryChanged', value } });
  await host.settled();
}

const send = (fileName: string, ...lines: string[]) =>
  metering.importReadings(
    (async function* () {
      const chunk = Buffer.from(`meter_id,interval_start,import_wh,export_wh,quality,known_at\n${lines.join('\n')}\n`);
      yield { fileName, chunk };
    })(),
    { as },
  );
/** Hour of the second of May at which something became known. */
const at = (hour: number): string => new Date(Date.parse('2026-05-02T00:00:00Z') + hour * 3_600_000).toISOString();
const line = (meter: number, slot: number, said: string, hour: number): string =>
  `m-${meter},${new Date(Date.parse('2026-05-01T00:00:00+05:30') + slot * 1_800_000).toISOString()},${said},${at(hour)}`;
const last = async <T>(stream: AsyncIterable<T>): Promise<T> => {
  let found: T | undefined;
  for await (const one of stream) found = one;
  return found!;
};
const listed = async (asOfMs = 0n) => (await metering.listTiles({ days: ['2026-05-01'], asOfMs }, { discom: 'BRPL' })).tiles;
/** Everything anyone can ask, as of every hour. */
async function answers(hours: readonly number[]) {
  const found = [];
  for (const hour of hours) {
    const { meterDays } = await metering.getMeterDays(
      { names: NAMES, asOfMs: BigInt(Date.parse(at(hour))), withReadings: true },
      { discom: 'BRPL' },
    );
    found.push(meterDays.map(({ $typeName: _, ...day }) => day));
  }
  return found;
}
async function exported(): Promise<string> {
  const parts: Uint8Array[] = [];
  for await (const { chunk } of metering.exportReadings({}, { as })) parts.push(chunk);
  return Buffer.concat(parts).toString();
}
const HOURS = [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12];

describe('many versions of one tile', () => {
  it('become one base that answers everything as before: values, gaps, qualities, digests, hand-offs, as of any instant', async () => {
    await send(
      'first.csv',
      ...Array.from({ length: 46 }, (_, slot) => line(0, slot, `${slot * 10},,`, 1)),
      line(1, 0, '70000,5,', 1),
    );
    await send('second.csv', line(0, 3, '31,,ESTIMATED', 2), line(1, 1, '7,,', 2));
    await send('third.csv', line(0, 4, ',,REJECTED', 3));
    await register(3);
    await send('new meter.csv', line(2, 0, '9,,MANUAL', 4), line(2, 1, '9,,', 4));
    await send('fifth.csv', line(0, 3, '32,,', 5));
    const [before, text] = [await answers(HOURS), await exported()];
    expect(await listed()).toHaveLength(5);

    expect(await last(metering.compactReadings({ atLeast: 5, dryRun: true }, { as }))).toMatchObject({
      folded: 1n,
      versions: 5n,
    });
    expect(await listed()).toHaveLength(5);
    expect(await last(metering.compactReadings({ atLeast: 6 }, { as }))).toMatchObject({ tiles: 1n, folded: 0n });
    expect(await last(metering.compactReadings({ atLeast: 5 }, { as }))).toMatchObject({ folded: 1n, versions: 5n });
    expect((await listed()).map(({ version, delta, meters }) => [version, delta, meters])).toEqual([[6, false, 3]]);
    expect(await listed(BigInt(Date.parse(at(3))))).toHaveLength(3);
    expect([await answers(HOURS), await exported()]).toEqual([before, text]);

    await send('after.csv', line(0, 5, '51,,', 6), line(2, 0, '10,,', 6));
    expect((await listed()).map(({ version }) => version)).toEqual([6, 7]);
    expect(await last(metering.compactReadings({ atLeast: 2 }, { as }))).toMatchObject({ folded: 1n, versions: 2n });
    const [day] = (await answers([12]))[0]!;
    expect([day!.handOff, (await answers([12]))[0]![1]!.handOff, (await answers([5]))[0]![2]!.handOff]).toEqual([
      ...['after.csv', 'second.csv', 'new meter.csv'],
    ]);
    expect((await answers(HOURS.slice(0, 5))).concat()).toEqual(before.slice(0, 5));
  });

  it('a version known before the base is not lost under it', async () => {
    await send('late.csv', line(0, 3, '33,,', 3.5), line(0, 47, '470,,', 3.5));
    // Known at 3:30, so what came at 5 holds for slot 3, and nothing else spoke of slot 47.
    const [now] = (await answers([12]))[0]!;
    const values = new Int32Array(Uint8Array.from(now!.importWh).buffer);
    expect([values[3], values[47]]).toEqual([32, 470]);
    expect((await listed()).map(({ version }) => version)).toEqual([1, 2, 3, 9, 4, 5, 7]);
    expect(await last(metering.checkReadings({}, { as }))).toMatchObject({ faults: [] });
    expect(await last(metering.compactReadings({ atLeast: 2 }, { as }))).toMatchObject({ folded: 1n, versions: 7n });
  });

  it('are let go when they are old, but not what was named to a run, and are then refused by name instead of missing', async () => {
    const held = await listed(BigInt(Date.parse(at(2))));
    const [now, text] = [await answers([12]), await exported()];
    const letGo = async (dryRun = false) => last(metering.retainReadings({ keepDays: 30, dryRun }, { as }));
    expect(await letGo()).toMatchObject({ tiles: 1n, letGo: 0n, keptForRuns: 0n });
    await host.advanceTo(START + 20 * DAY);
    await listed(BigInt(Date.parse(at(2))));
    await host.advanceTo(START + 40 * DAY);
    // Two versions were named 20 days ago.
    expect(await letGo(true)).toMatchObject({ keptForRuns: 2n });
    expect(held.map(({ path }) => existsSync(join(host.folder, 'metering', path)))).toEqual([true, true]);
    expect((await letGo()).keptForRuns).toBe(2n);
    expect(held.map(({ path }) => existsSync(join(host.folder, 'metering', path)))).toEqual([true, true]);
    expect(await answers([12])).toEqual(now);
    expect(await listed(BigInt(Date.parse(at(2))))).toHaveLength(2);
    await expect(answers([4])).rejects.toMatchObject({
      code: 'readings_let_go',
      message: expect.stringContaining('2026-05-01, shard 1'),
    });
    expect((await exported()).length).toBeLessThan(text.length);
    expect(await send('too late.csv', line(0, 6, '1,,', 4), line(0, 6, '61,,', 13))).toMatchObject({
      ...{ stored: 1n, rejected: 1n, counts: { too_late: 1n } },
    });
    expect(await last(metering.checkReadings({}, { as }))).toMatchObject({ faults: [] });
  });

  it('go with their whole day when its time is over', async () => {
    await host.advanceTo(START + 100 * DAY);
    const ask = (dryRun: boolean) => last(metering.retainReadings({ keepDays: 30, beforeDay: '2026-05-02', dryRun }, { as }));
    const would = await ask(true);
    expect(would.keptForRuns).toBe(0n);
    expect(await ask(false)).toMatchObject({ letGo: would.letGo });
    await expect(answers([12])).rejects.toMatchObject({ code: 'readings_let_go' });
    await expect(metering.retainReadings({}, { as })[Symbol.asyncIterator]().next()).rejects.toMatchObject({
      code: 'keep_days_missing',
    });
  });
});
