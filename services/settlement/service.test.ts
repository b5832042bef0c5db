import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { EventState } from '../../gen/lachak/v1/dispatch_pb.ts';
import { Settlement } from '../../gen/lachak/v1/settlement_pb.ts';
import { DAY, HOUR } from '../domain/interval.ts';
import { type TestHost, testHost } from '../host/testing.ts';
import { aPoint, WINDOW_START } from './a-point.ts';
import { fakeRooms, type World } from './fake-rooms.ts';
import { room } from './service.ts';

const START = Date.parse('2026-05-01T00:00:00Z');
const WINDOW = { startMs: BigInt(WINDOW_START), endMs: BigInt(WINDOW_START + HOUR) };
const END = WINDOW_START + HOUR;
const world: World = {
  terms: {
    direction: 'SHED',
    zone: 'Asia/Kolkata',
    settlementIntervalMinutes: 30,
    netting: 'NET_EVENT',
    reconciliation: 'RECONCILE_PORTFOLIO',
    floorZero: true,
    pay: [{ energy: { microsPerKwh: { values: ['4000001'] } } }],
    waterfall: [
      { party: 'CONSUMER', sharePpm: 850_000 },
      { party: 'AGGREGATOR', sharePpm: 150_000 },
    ],
    baseline: { method: 'DAY_MATCHING', lookbackDays: 45 },
    runStages: [
      { stage: 'PRELIMINARY', cutOffAfterEndMs: String(DAY) },
      { stage: 'INITIAL', cutOffAfterEndMs: String(3 * DAY) },
      { stage: 'FINAL', cutOffAfterEndMs: String(40 * DAY) },
    ],
    billingCycle: 'MONTHLY',
    chargeCode: 'DF-RES',
  },
  noticeAtMs: WINDOW_START - 2 * HOUR,
  shards: 2,
  coreSha256: 'c0'.repeat(32),
  measured: [],
  // The late reading of B arrives before the INITIAL cut-off.
  points: (asOf) => [
    aPoint('A', [
      ['1000', 400],
      ['1000/3', 100],
    ]),
    aPoint(
      'B',
      [
        ['1000', asOf < END + 2 * DAY ? 'gap' : 700],
        ['1000', 900],
      ],
      { shard: 1 },
    ),
    aPoint(
      'C',
      [
        ['1000', 1100],
        ['1000', 1000],
      ],
      { shard: 1, billingConsentId: '' },
    ),
    aPoint(
      'H',
      [
        ['1000', 950],
        ['1000', 1000],
      ],
      { role: 'HOLDOUT' },
    ),
  ],
};

describe('settlement of one event, on a real PostgreSQL with rooms upstream played', () => {
  let host: TestHost;
  beforeAll(async () => {
    host = await testHost({ rooms: [...fakeRooms(world), room], clock: { start: START } });
  });
  afterAll(() => host?.stop());

  const client = () => host.connect(Settlement);
  const operator = async () => ({ as: await host.token('operator') });
  const say = (from: 'dispatch' | 'metering', key: string, body: Parameters<TestHost['facts']['publish']>[1]['body']) =>
    host.facts.publish(from, { discom: 'BRPL', key, body });
  const commit = async (eventId: string) => {
    const value = {
      eventId,
      programmeId: 'peak',
      termsVersion: 1,
      window: { $typeName: 'lachak.v1.Interval' as const, ...WINDOW },
    };
    const more = { digest: 'de'.repeat(32), committedAtMs: BigInt(START), settlementPoints: 3, holdout: 1, shards: [0, 1] };
    await say('dispatch', eventId, {
      case: 'eventCommitted',
      value: { $typeName: 'lachak.v1.EventCommitted', ...value, ...more },
    });
    await host.settled();
  };
  const end = async (eventId: string, state = EventState.ENDED, span = WINDOW) => {
    const window = { $typeName: 'lachak.v1.Interval' as const, ...span };
    await say('dispatch', eventId, { case: 'eventEnded', value: { $typeName: 'lachak.v1.EventEnded', eventId, state, window } });
    await host.settled();
  };
  const csv = async (cycle: string) => {
    let text = '';
    for await (const { chunk } of client().exportBillCredits({ cycle }, await operator()))
      text += new TextDecoder().decode(chunk);
    return text;
  };
  const runs = async () => (await client().listRuns({ eventId: 'e1' }, await operator())).runs;

  test('the commitment stands in the log before the window opens', async () => {
    await commit('e1');
    const { entries } = await client().listLog({}, await operator());
    expect(entries).toMatchObject([
      { index: 1n, kind: 'commitment', subject: 'e1', digest: 'de'.repeat(32), atMs: BigInt(START) },
    ]);
  });

  test('nothing runs before the cut-off; then the first version is there, scaled to the portfolio', async () => {
    await host.advanceTo(END);
    await end('e1');
    await host.advanceTo(END + DAY - 1);
    expect(await runs()).toEqual([]);
    await host.advanceTo(END + DAY);
    const [run, ...others] = await runs();
    expect(others).toEqual([]);
    // A 2500/3, B 100 (one gap), C −100 floored: 2800/3 individually, 2500/3 together; ₹4.000001 per kWh.
    expect(run).toMatchObject({
      stage: 1,
      version: 1,
      settlementPoints: 3,
      deliveredWh: 833n,
      coveragePpm: 833_333,
      superseded: false,
    });
    expect(run!.creditedMicros).toBe(3_333_334n);
    expect([run!.holdoutWouldBeMicros, run!.holdoutPoints]).toEqual([200_000n, 1]);
    expect(await client().getBalances({}, await operator())).toMatchObject({ sumMicros: 0n });
  });

  test('facts say what was credited a shard, and that the run is closed', async () => {
    const said = (await host.facts.of('settlement')).map(({ body }) => body.case);
    expect(said).toEqual(['creditPosted', 'creditPosted', 'runClosed']);
  });

  test('the bill has whole paise for those who consented to it, and the same bytes every time', async () => {
    const first = await csv('2026-05');
    expect(first).toBe(
      'connection,cycle,charge_code,reference,amount\nC-A,2026-05,DF-RES,e1/A/v1,2.53\nC-B,2026-05,DF-RES,e1/B/v1,0.30\n',
    );
    expect(await csv('2026-05')).toBe(first);
  });

  test('a statement’s payload has the same bytes every time', async () => {
    const { statements } = await client().listStatements({ eventId: 'e1' }, await operator());
    expect(statements.map((line) => line.partyKind).sort()).toEqual([
      'COUNTERPARTY',
      'ORGANISATION',
      ...Array(4).fill('PARTICIPANT'),
    ]);
    for (const { statementId } of statements) {
      const [once, again] = [
        await client().getStatement({ statementId }, await operator()),
        await client().getStatement({ statementId }, await operator()),
      ];
      expect(again.payload).toBe(once.payload);
      expect(JSON.parse(once.signed).payload).toEqual(JSON.parse(once.payload));
    }
  });

  test('statements come by party, and pages of two lose none and repeat none', async () => {
    const whole = (await client().listStatements({ eventId: 'e1' }, await operator())).statements;
    expect(whole.map((line) => line.partyId)).toEqual(whole.map((line) => line.partyId).sort());
    const paged: string[] = [];
    for (let token = ''; ; ) {
      const page = await client().listStatements({ eventId: 'e1', page: { size: 2, token } }, await operator());
      paged.push(...page.statements.map((line) => line.statementId));
      token = page.nextPageToken;
      if (!token) break;
    }
    expect(paged).toEqual(whole.map((line) => line.statementId));
  });

  test('a party sees its own statements and no others', async () => {
    const lines = async (...who: Parameters<TestHost['token']>) =>
      (await client().listStatements({}, { as: await host.token(...who) })).statements;
    expect((await lines('consumer', { participant: 'P-A' })).map((line) => line.settlementPointId)).toEqual(['A']);
    await expect(lines('consumer', {})).rejects.toMatchObject({ kind: 'forbidden' });
    expect((await lines('aggregator', { organisation: 'AGG' })).length).toBe(5);
    expect(await lines('aggregator', { organisation: 'OTHER' })).toEqual([]);
    expect(await lines('operator', { discom: 'TPDDL' })).toEqual([]);
    const [foreign] = await lines('consumer', { participant: 'P-B' });
    await expect(
      client().getStatement({ statementId: foreign!.statementId }, { as: await host.token('consumer', { participant: 'P-A' }) }),
    ).rejects.toMatchObject({
      code: 'statement_not_found',
    });
  });

  test('a late reading makes a new version; the delta goes to the first open cycle as its own line', async () => {
    const before = await csv('2026-05');
    await client().closeCycle({ commandId: 'close-may', cycle: '2026-05' }, await operator());
    await host.advanceTo(END + 2 * DAY);
    const tile = {
      shard: 1,
      day: '2026-05-01',
      version: 2,
      knownAtMs: BigInt(END + 2 * DAY),
      meters: 1,
      values: 1n,
      correction: false,
      source: 'head-end',
    };
    await say('metering', '1', { case: 'readingsReceived', value: { $typeName: 'lachak.v1.ReadingsReceived', ...tile } });
    await host.settled();
    await host.advanceTo(END + 3 * DAY);
    const [newest, first] = await runs();
    expect(newest).toMatchObject({
      version: 2,
      stage: 2,
      supersedes: first!.runId,
      superseded: false,
      changedPoints: 4,
      coveragePpm: 1_000_000,
    });
    expect(first).toMatchObject({ version: 1, superseded: true });
    expect(newest!.deltaMicros).toBe(newest!.creditedMicros - first!.creditedMicros);
    expect(await csv('2026-05')).toBe(before);
    expect(await csv('2026-06')).toMatch(
      /^connection,.*\nC-A,2026-06,DF-RES,e1\/A\/v2,0\.\d\d\nC-B,2026-06,DF-RES,e1\/B\/v2,0\.\d\d\n$/,
    );
    expect(await client().getBalances({}, await operator())).toMatchObject({ sumMicros: 0n });
    expect(
      (await client().listStatements({ withSuperseded: true }, await operator())).statements.filter((line) => line.superseded)
        .length,
    ).toBe(6);
  });

  test('each credit key exists once, with the newest version', async () => {
    const rows = await (await host.database('settlement')).query<{ keys: bigint; credits: bigint; runs: bigint }>(
      'select count(*) as credits, count(distinct (event_id, settlement_point_id, interval_start_ms)) as keys, count(distinct run_id) as runs from credit',
    );
    expect(rows).toEqual([{ keys: 6n, credits: 6n, runs: 1n }]);
  });

  test('a marked event whose figures are equal makes no new version, but reaches the stage', async () => {
    const tile = {
      shard: 0,
      day: '2026-04-20',
      version: 2,
      knownAtMs: BigInt(END + 3 * DAY),
      meters: 1,
      values: 1n,
      correction: true,
      source: 'head-end',
    };
    await say('metering', '0', { case: 'readingsReceived', value: { $typeName: 'lachak.v1.ReadingsReceived', ...tile } });
    await host.settled();
    const measured = world.measured.length;
    await host.advanceTo(END + 40 * DAY);
    expect(world.measured.length).toBe(measured + 1);
    expect((await runs()).map((run) => [run.version, run.stage])).toEqual([
      [2, 3],
      [1, 1],
    ]);
    await expect(client().openRun({ commandId: 'again', eventId: 'e1' }, await operator())).rejects.toMatchObject({
      code: 'nothing_to_run',
    });
  });

  test('an event cancelled before its window is not settled', async () => {
    await commit('e2');
    await end('e2', EventState.CANCELLED);
    await expect(client().openRun({ commandId: 'e2', eventId: 'e2' }, await operator())).rejects.toMatchObject({
      code: 'nothing_to_run',
    });
  });

  test('an operator opens a run early; an untouched event reaches its later stages without measuring', async () => {
    await commit('e3');
    const ended = host.clock.now() - HOUR;
    await end('e3', EventState.ENDED, { startMs: BigInt(ended - HOUR), endMs: BigInt(ended) });
    const run = await client().openRun({ commandId: 'early', eventId: 'e3' }, await operator());
    const repeated = await client().openRun({ commandId: 'early', eventId: 'e3' }, await operator());
    expect(repeated.runId).toBe(run.runId);
    await host.settled();
    const measured = world.measured.length;
    const e3 = async () => (await client().listRuns({ eventId: 'e3' }, await operator())).runs;
    expect(await e3()).toMatchObject([{ version: 1, stage: 1, asOfMs: BigInt(ended + HOUR) }]);
    await host.advanceTo(ended + 3 * DAY);
    expect(await e3()).toMatchObject([{ version: 1, stage: 2 }]);
    expect(world.measured.length).toBe(measured);
  });

  test('the key is in the folder of the installation, and named by its thumbprint', async () => {
    const { issuer, jwks, thumbprint } = await client().getIssuer({}, await operator());
    const key = JSON.parse(readFileSync(join(host.folder, 'secrets', 'statement-key.jwk.json'), 'utf8'));
    expect(JSON.parse(jwks).keys[0]).toMatchObject({ x: key.x, kid: thumbprint });
    expect(issuer).toMatch(/^did:jwk:/);
  });
});
