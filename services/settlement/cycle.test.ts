import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { RunStage } from '../../gen/lachak/v1/catalogue_pb.ts';
import { EventState } from '../../gen/lachak/v1/dispatch_pb.ts';
import { Settlement } from '../../gen/lachak/v1/settlement_pb.ts';
import { DAY, HOUR } from '../domain/interval.ts';
import { type TestHost, testHost } from '../host/testing.ts';
import { aPoint, WINDOW_START } from './a-point.ts';
import { checkSettled } from './check-settled.ts';
import { fakeRooms, type World } from './fake-rooms.ts';
import type { ParticipantPayload } from './payload.ts';
import { room } from './service.ts';

const END = WINDOW_START + HOUR / 2;
const CORRECTED = END + 5 * DAY;
const world: World = {
  terms: {
    direction: 'SHED',
    zone: 'Asia/Kolkata',
    settlementIntervalMinutes: 30,
    netting: 'NET_CYCLE',
    floorZero: true,
    pay: [{ energy: { microsPerKwh: { values: ['4000000'] } } }, { participation: { microsPerEvent: '5000000' } }],
    waterfall: [{ party: 'CONSUMER', sharePpm: 1_000_000 }],
    optOut: { freePerSeason: 1 },
    baseline: { method: 'DAY_MATCHING', lookbackDays: 45 },
    runStages: [
      { stage: 'PRELIMINARY', cutOffAfterEndMs: String(DAY), minCoveragePpm: 500_000 },
      { stage: 'FINAL', cutOffAfterEndMs: String(10 * DAY), minCoveragePpm: 900_000 },
      { stage: 'CLOSED', cutOffAfterEndMs: String(20 * DAY) },
    ],
    billingCycle: 'MONTHLY',
    chargeCode: 'DF-RES',
  },
  noticeAtMs: WINDOW_START - 2 * HOUR,
  shards: 1,
  coreSha256: 'c0'.repeat(32),
  measured: [],
  points: (asOf, eventId) => {
    if (eventId === 'gappy') return [aPoint('A', [['1000', 400]]), aPoint('G', [['1000', 'gap']])];
    // A used 300 Wh more in the first event, until a correction says that it saved 100; in the second one it saved 400.
    const metered = eventId === 'second' ? 600 : asOf < CORRECTED ? 1300 : 900;
    return [
      aPoint('A', [['1000', metered]]),
      aPoint('B', [['1000', 900]], eventId === 'second' ? { optOuts: 2 } : { optOuts: 1 }),
    ];
  },
};

describe('events of one cycle, to their close', () => {
  let host: TestHost;
  beforeAll(async () => {
    host = await testHost({ rooms: [...fakeRooms(world), room], clock: { start: WINDOW_START - DAY } });
    for (const [eventId, programmeId, daysLater] of [
      ['first', 'cyclic', 0],
      ['second', 'cyclic', 2],
      ['gappy', 'other', 0],
    ] as const) {
      const startMs = BigInt(WINDOW_START + daysLater * DAY);
      const window = { $typeName: 'lachak.v1.Interval' as const, startMs, endMs: startMs + BigInt(HOUR / 2) };
      const committed = { eventId, programmeId, termsVersion: 1, window, digest: 'de'.repeat(32), committedAtMs: 1n };
      const size = { settlementPoints: 2, holdout: 0, shards: [0] };
      await say('dispatch', eventId, {
        case: 'eventCommitted',
        value: { $typeName: 'lachak.v1.EventCommitted', ...committed, ...size },
      });
      await say('dispatch', eventId, {
        case: 'eventEnded',
        value: { $typeName: 'lachak.v1.EventEnded', eventId, state: EventState.ENDED, window },
      });
    }
    await host.settled();
  });
  afterAll(() => host?.stop());

  const say = (from: 'dispatch' | 'metering', key: string, body: Parameters<TestHost['facts']['publish']>[1]['body']) =>
    host.facts.publish(from, { discom: 'BRPL', key, body });
  const operator = async () => ({ as: await host.token('operator') });
  const settlement = () => host.connect(Settlement);
  const runs = async (eventId: string) => (await settlement().listRuns({ eventId }, await operator())).runs;
  const payload = async (eventId: string, point: string) => {
    const { statements } = await settlement().listStatements({ eventId, search: point }, await operator());
    const { statementId } = statements.find((line) => line.settlementPointId === point)!;
    return JSON.parse((await settlement().getStatement({ statementId }, await operator())).payload) as ParticipantPayload;
  };
  const energyOf = async (eventId: string) => {
    const { settled } = (await payload(eventId, 'A')) as unknown as { settled: { creditedWh: number; carry: string } };
    return [settled.carry, settled.creditedWh];
  };

  test('a loss in the first event is made up for in the second', async () => {
    await host.advanceTo(END + 3 * DAY);
    expect(await energyOf('first')).toEqual(['0/1', 0]);
    expect(await energyOf('second')).toEqual(['-300/1', 100]);
  });

  test('beyond the free opt-outs participation pay is lost, the energy is paid, and verify recomputes it', async () => {
    const [once, twice] = [await payload('first', 'B'), await payload('second', 'B')];
    const paid = ({ settled }: ParticipantPayload) =>
      (settled as unknown as { pay: { kind: string; micros: string }[] }).pay.map(({ kind, micros }) => `${kind} ${micros}`);
    expect([once.measured.optOuts, paid(once)]).toEqual([1, ['ENERGY 400000', 'PARTICIPATION 5000000']]);
    expect([twice.measured.optOuts, paid(twice)]).toEqual([2, ['ENERGY 400000', 'PARTICIPATION 0']]);
    expect(checkSettled(twice).differences).toEqual([]);
    const fewer = { ...twice, measured: { ...twice.measured, optOuts: 1 } };
    expect(checkSettled(fewer).differences.join()).toContain(
      'settled.pay[1].micros: the statement has 0, figures and terms give 5000000',
    );
  });

  test('a correction of the first event settles those after it in the cycle again', async () => {
    await host.advanceTo(CORRECTED);
    const tile = { shard: 0, day: '2026-05-01', version: 2, knownAtMs: BigInt(CORRECTED), meters: 1, values: 1n };
    const value = { $typeName: 'lachak.v1.ReadingsReceived' as const, ...tile, correction: true, source: 'head-end' };
    await say('metering', '0', { case: 'readingsReceived', value });
    await host.advanceTo(END + 12 * DAY);
    expect(await energyOf('first')).toEqual(['0/1', 100]);
    expect(await energyOf('second')).toEqual(['100/1', 400]);
    expect((await runs('second')).map(({ version, stage }) => [version, stage])).toEqual([
      [2, RunStage.FINAL],
      [1, RunStage.PRELIMINARY],
    ]);
    expect(await settlement().getBalances({}, await operator())).toMatchObject({ sumMicros: 0n });
  });

  test('a stage that asks for more coverage leaves gaps open, though nothing came', async () => {
    const [final, preliminary] = await runs('gappy');
    expect(preliminary).toMatchObject({ version: 1, coverageReached: true });
    expect(final).toMatchObject({ version: 2, stage: RunStage.FINAL, coveragePpm: 500_000, coverageReached: false });
    expect((await payload('gappy', 'G')).settled.open).toBe(true);
  });

  test('closed, an event has no further run', async () => {
    await expect(settlement().openRun({ commandId: 'late', eventId: 'gappy' }, await operator())).rejects.toMatchObject({
      code: 'nothing_to_run',
    });
    await host.advanceTo(END + 22 * DAY);
    expect((await runs('gappy'))[0]).toMatchObject({ version: 2, stage: RunStage.CLOSED });
    await expect(settlement().openRun({ commandId: 'later', eventId: 'gappy' }, await operator())).rejects.toMatchObject({
      code: 'nothing_to_run',
    });
  });

  test.each(['-1', 'x', '1e3'])('page token %j is refused', async (token) => {
    await expect(settlement().listRuns({ page: { token } }, await operator())).rejects.toMatchObject({
      code: 'page_token_malformed',
    });
  });
  test('a text with a NUL in it is refused, not a bug of ours', async () => {
    await expect(settlement().getRun({ runId: 'run\0' }, await operator())).rejects.toMatchObject({ code: 'text_unusable' });
  });
  test('a log position beyond all numbers is an empty page', async () => {
    expect((await settlement().listLog({ after: 2n ** 64n - 1n }, await operator())).entries).toEqual([]);
  });
});
