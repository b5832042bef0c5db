import { EventState } from '../../gen/lachak/v1/dispatch_pb.ts';
import { DAY, HOUR } from '../../services/domain/interval.ts';
import { testHost } from '../../services/host/testing.ts';
import { aPoint, WINDOW_START } from '../../services/settlement/a-point.ts';
import { fakeRooms, type World } from '../../services/settlement/fake-rooms.ts';
import { room } from '../../services/settlement/service.ts';

/** One event of three shards, settled; to be killed on the way. Ends with `report {…}`. */
const folder = process.argv[2]!;
const end = WINDOW_START + HOUR;
const world: World = {
  terms: {
    ...{ direction: 'SHED', zone: 'Asia/Kolkata', settlementIntervalMinutes: 30, netting: 'NET_EVENT', floorZero: true },
    pay: [{ energy: { microsPerKwh: { values: ['4000000'] } } }],
    runStages: [{ stage: 'PRELIMINARY', cutOffAfterEndMs: String(DAY) }],
    ...{ billingCycle: 'MONTHLY', chargeCode: 'DF-RES' },
  },
  ...{ noticeAtMs: WINDOW_START - HOUR, shards: 3, coreSha256: 'c0'.repeat(32), measured: [] },
  points: () =>
    Array.from({ length: 9 }, (_, i) =>
      aPoint(
        `P${i}`,
        [
          ['1000', 400],
          ['1000', 500 + i],
        ],
        { shard: i % 3 },
      ),
    ),
};
const host = await testHost({ rooms: [...fakeRooms(world), room], clock: { start: WINDOW_START - DAY }, folder });
const say = (body: Parameters<typeof host.facts.publish>[1]['body']) =>
  host.facts.publish('dispatch', { discom: 'BRPL', key: 'e1', body });
const window = { $typeName: 'lachak.v1.Interval' as const, startMs: BigInt(WINDOW_START), endMs: BigInt(end) };
const said = (await host.facts.of('dispatch')).length;
if (said === 0) {
  const value = {
    eventId: 'e1',
    programmeId: 'peak',
    termsVersion: 1,
    window,
    digest: 'de'.repeat(32),
    committedAtMs: BigInt(WINDOW_START - DAY),
  };
  await say({
    case: 'eventCommitted',
    value: { $typeName: 'lachak.v1.EventCommitted', ...value, settlementPoints: 9, holdout: 0, shards: [0, 1, 2] },
  });
}
if (said < 2)
  await say({ case: 'eventEnded', value: { $typeName: 'lachak.v1.EventEnded', eventId: 'e1', state: EventState.ENDED, window } });
await host.settled();
await host.advanceTo(end + DAY);
await host.settled();
const database = await host.database('settlement');
const [counts] = await database.query<Record<string, bigint>>(
  `select (select count(*) from credit) as credits, (select sum(credited_wh)::bigint from credit) as wh, (select count(*) from run where state = 'closed') as runs,
     (select sum(micros)::bigint from posting) as sum, (select count(*) from bill_line) as bills, (select count(*) from log_entry) as log,
     (select sum(paise)::bigint from bill_line) as paise`,
);
const facts = (await host.facts.of('settlement')).map(({ body }) => body.case);
process.stdout.write(
  `report ${JSON.stringify({ ...Object.fromEntries(Object.entries(counts!).map(([name, count]) => [name, Number(count)])), facts })}\n`,
);
await host.stop();
