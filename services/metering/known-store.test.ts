import { create } from '@bufbuild/protobuf';
import { afterAll, beforeAll, beforeEach, expect, it } from 'vitest';
import { RegistryChangedSchema } from '../../gen/lachak/v1/facts_pb.ts';
import { Register } from '../../gen/lachak/v1/types_pb.ts';
import type { Database, Queryable } from '../host/room.ts';
import { type TestHost, testHost } from '../host/testing.ts';
import { openPlaces, type Places } from './known-store.ts';
import { room } from './service.ts';

let host: TestHost;
let database: Database;
let places: Places;
let asked: string[];
/** The room's database, and which tables it was asked for. */
const watched: Queryable = {
  query: (sql, params) => {
    asked.push(/ from (\w+)/.exec(sql)![1]!);
    return database.query(sql, params);
  },
};
beforeAll(async () => {
  host = await testHost({ rooms: [room], clock: { start: Date.parse('2026-06-01T00:00:00Z') } });
  database = await host.database('metering');
  for (const shard of [1, 2, 3]) await told(shard, 'BRPL');
  await told(1, 'OTHER');
});
afterAll(() => host?.stop());
beforeEach(() => {
  places = openPlaces(5);
  asked = [];
});

/** Two meters of a shard; the second may be told anew, with a factor. */
async function told(shard: number, discom: string, factor = 1): Promise<void> {
  const records = [0, 1].flatMap((ordinal) => [
    {
      record: {
        case: 'meter' as const,
        value: {
          ...{ meterId: `m-${shard}-${ordinal}`, ordinal, shard, connectionId: `c-${shard}-${ordinal}`, intervalMinutes: 15 },
          ...{ registers: [Register.IMPORT], zone: 'Asia/Kolkata', factor },
        },
      },
    },
    { record: { case: 'connection' as const, value: { connectionId: `c-${shard}-${ordinal}`, sanctionedLoadW: 5000n } } },
  ]);
  const value = create(RegistryChangedSchema, { records });
  await host.facts.publish('registry', { discom, key: discom, body: { case: 'registryChanged', value } });
  await host.settled();
}
const shardOf = async (shard: number, discom = 'BRPL') => (await places.known(watched, discom)).shard(shard);
const named = async (...ids: string[]) => [...(await (await places.known(watched, 'BRPL')).named(ids)).keys()];

it('a shard is asked for once, and then its meters are known by name', async () => {
  const { meters, connections } = await shardOf(1);
  expect(meters.map(({ meterId }) => meterId)).toEqual(['m-1-0', 'm-1-1']);
  expect(connections.get('c-1-1')).toMatchObject([{ sanctionedLoadW: 5000 }]);
  expect(asked).toEqual(['places_mark', 'meter', 'connection']);
  asked = [];
  expect((await shardOf(1)).meters).toBe(meters);
  expect(await named('m-1-1', 'm-1-0')).toEqual(['m-1-1', 'm-1-0']);
  expect(asked).toEqual(['places_mark', 'places_mark']);
});

it('who is not remembered is asked for, and a stranger is nobody', async () => {
  await shardOf(1);
  asked = [];
  expect(await named('m-1-0', 'm-2-0', 'stranger')).toEqual(['m-1-0', 'm-2-0']);
  expect(asked).toEqual(['places_mark', 'meter']);
});

it('what the registry tells anew is known at once, of its own DISCOM', async () => {
  await shardOf(1);
  await shardOf(1, 'OTHER');
  await told(1, 'BRPL', 10);
  asked = [];
  expect((await shardOf(1)).meters.map(({ links }) => links[0]!.factor)).toEqual([10, 10]);
  expect((await shardOf(1, 'OTHER')).meters.map(({ links }) => links[0]!.factor)).toEqual([1, 1]);
  expect(asked).toEqual(['places_mark', 'meter', 'connection', 'places_mark']);
});

it('what was asked for longest ago is let go of when there is no more room', async () => {
  for (const shard of [1, 2]) await shardOf(shard);
  await shardOf(1);
  await shardOf(3);
  asked = [];
  expect(await named('m-1-0', 'm-3-0')).toHaveLength(2);
  expect(asked).toEqual(['places_mark']);
  expect(await named('m-2-0')).toHaveLength(1);
  expect(asked).toEqual(['places_mark', 'places_mark', 'meter']);
});

it('without a mark, as of tables put back from before there were any, nothing is remembered', async () => {
  await database.query('delete from places_mark where discom = $1', ['OTHER']);
  for (let i = 0; i < 2; i++) expect((await shardOf(1, 'OTHER')).meters).toHaveLength(2);
  expect(asked).toEqual(['places_mark', 'meter', 'connection', 'places_mark', 'meter', 'connection']);
});
