import { createHash } from 'node:crypto';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { create } from '@bufbuild/protobuf';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Adjustment_Kind, Baseline_Select, CalendarDay_Kind, TermsSchema } from '../../gen/lachak/v1/catalogue_pb.ts';
import { CohortMember_Role, CohortMemberSchema, Dispatch, EventState } from '../../gen/lachak/v1/dispatch_pb.ts';
import { Consent_Basis, Purpose } from '../../gen/lachak/v1/enrolment_pb.ts';
import { Metering } from '../../gen/lachak/v1/metering_pb.ts';
import { Performance, type PointResult } from '../../gen/lachak/v1/performance_pb.ts';
import { Direction, Register, SupplyState } from '../../gen/lachak/v1/types_pb.ts';
import { HOUR, MINUTE } from '../domain/interval.ts';
import { emptyColumns, encodeBase, encodeDelta, MISSING } from '../domain/tile.ts';
import { coreBytes } from '../host/core-file.ts';
import { sha256, sha256Hex } from '../host/ids.ts';
import { bind, type Handlers, type RoomMaker } from '../host/room.ts';
import { type TestHost, testHost } from '../host/testing.ts';
import { room } from './service.ts';

const at = (text: string) => Date.parse(`${text}+05:30`);
const WINDOW = { start: at('2026-05-08T18:00:00'), end: at('2026-05-08T20:00:00') };
const CUT_OFF = at('2026-05-08T22:00:00');
const START = at('2026-05-08T23:00:00');
const DAYS = ['2026-05-01', '2026-05-02', '2026-05-03', '2026-05-04', '2026-05-05', '2026-05-06', '2026-05-07', '2026-05-08'];
const [CYCLONE, TUESDAY, WEDNESDAY, THURSDAY, FRIDAY] = ['2026-05-04', '2026-05-05', '2026-05-06', '2026-05-07', '2026-05-08'];

/** Wh of the hours from 16:00 of the worked example in ROOM.md; the day of the cyclone would win every comparison. */
const EXAMPLE: Record<string, number[]> = {
  [CYCLONE!]: [400, 400, 9000, 9000],
  [TUESDAY!]: [300, 300, 700, 800],
  [WEDNESDAY!]: [500, 500, 1000, 1000],
  [THURSDAY!]: [400, 600, 900, 1100],
  [FRIDAY!]: [550, 600, 600, 701],
};

const terms = create(TermsSchema, {
  ...{ direction: Direction.SHED, zone: 'Asia/Kolkata', settlementIntervalMinutes: 60, calendarId: 'delhi' },
  baseline: {
    ...{ method: 'DAY_MATCHING', quantity: 'net', select: Baseline_Select.HIGH, x: 2, y: 3, dayType: 'weekday_vs_nonworking' },
    ...{ minGapDays: 1, lookbackDays: 7, minDays: 2, floorZero: true },
    adjustment: {
      ...{ kind: Adjustment_Kind.MULTIPLICATIVE, fromMinutes: -120, toMinutes: 0 },
      ...{ ratioMin: { num: 8n, den: 10n }, ratioMax: { num: 12n, den: 10n } },
    },
  },
});

const member = (point: string, shard: number, over: object = {}) =>
  create(CohortMemberSchema, {
    ...{
      settlementPointId: `sp-${point}`,
      connectionId: `c-${point}`,
      participantId: `p-${point}`,
      organisationId: 'agg-1',
      shard,
    },
    ...{ role: CohortMember_Role.CHOSEN, expectedW: 500n, readingsConsentId: `rc-${point}`, ...over },
  });
/** Shard 0: an exchanged meter, a holdout home shared only since Thursday, a sub-metered home. Shard 1: a home with outages, one that left. */
const COHORT = [
  member('exchanged', 0),
  member('holdout', 0, { role: CohortMember_Role.HOLDOUT }),
  member('parent', 0, { subtractMeterIds: ['m-sub'], organisationId: 'agg-2' }),
  member('dark', 1),
  member('left', 1),
];
const ORDINALS: Record<string, [shard: number, ordinal: number]> = {
  ...{ 'm-old': [0, 0], 'm-new': [0, 1], 'm-holdout': [0, 2], 'm-parent': [0, 3], 'm-sub': [0, 4] },
  ...{ 'm-dark': [1, 0], 'm-left': [1, 1] },
};

type World = {
  tiles: { path: string; digest: string; shard: number; day: string; version: number; delta: boolean; knownAt: number }[];
};

/** The tiles as metering would have written them, half-hourly; event day first with a wrong value, corrected by a delta. */
function writeTiles(folder: string): World {
  const world: World = { tiles: [] };
  for (const shard of [0, 1]) {
    const meters = Object.entries(ORDINALS).filter(([, [s]]) => s === shard);
    for (const day of DAYS) {
      const columns = emptyColumns(48, meters.length);
      for (const [meterId, [, ordinal]] of meters) {
        for (const [i, wh] of (EXAMPLE[day] ?? []).entries()) {
          if (meterId === 'm-old' && (day > WEDNESDAY! || day === FRIDAY)) continue;
          if (meterId === 'm-new' && day <= WEDNESDAY!) continue;
          const half = Math.floor(wh / 2);
          const parts = meterId === 'm-sub' ? [5, 5] : meterId === 'm-parent' ? [half + 5, wh - half + 5] : [half, wh - half];
          for (const [k, part] of parts.entries()) {
            const cell = (32 + 2 * i + k) * meters.length + ordinal;
            columns.importWh[cell] = part;
            columns.quality[cell] = 1;
          }
        }
      }
      const dayStart = at(`${day}T00:00:00`);
      const name = {
        shard,
        day,
        intervalMinutes: 30,
        dayStart,
        slots: 48,
        meters: meters.length,
        version: 1,
        knownAt: dayStart + 24 * HOUR - 3 * HOUR,
      };
      const wrong = day === FRIDAY && shard === 0;
      const right = columns.importWh[36 * meters.length + 1]!;
      if (wrong) columns.importWh[36 * meters.length + 1] = 7;
      write(folder, world, name, encodeBase(name, columns), false);
      if (!wrong) continue;
      const one = {
        slot: Uint16Array.of(36),
        ordinal: Uint32Array.of(1),
        exportWh: Int32Array.of(MISSING),
        quality: Uint8Array.of(2),
      };
      const corrected = { ...name, version: 2, knownAt: CUT_OFF };
      write(folder, world, corrected, encodeDelta(corrected, { ...one, importWh: Int32Array.of(right) }), true);
      const late = { ...name, version: 3, knownAt: CUT_OFF + 1 };
      write(folder, world, late, encodeDelta(late, { ...one, importWh: Int32Array.of(1) }), true);
    }
  }
  return world;
}

function write(
  folder: string,
  world: World,
  name: { shard: number; day: string; version: number; knownAt: number },
  bytes: Uint8Array,
  delta: boolean,
) {
  const path = `tiles/${name.shard}/${name.day}.${name.version}`;
  const file = join(folder, 'metering', path);
  mkdirSync(dirname(file), { recursive: true });
  writeFileSync(file, bytes);
  const digest = createHash('sha256').update(bytes).digest('hex');
  world.tiles.push({ path, digest, delta, shard: name.shard, day: name.day, version: name.version, knownAt: name.knownAt });
}

const upstream = (name: RoomMaker['name'], binding: ReturnType<typeof bind>): RoomMaker => ({
  name,
  migrations: new URL('file:///nonexistent/'),
  make: () => ({ bindings: [binding], start: async () => {}, stop: async () => {} }),
});
const interval = (start: number, end: number) => ({ startMs: BigInt(start), endMs: BigInt(end) });

const dispatch = upstream(
  'dispatch',
  bind(Dispatch, {
    getEvent: async ({ eventId }) => ({
      eventId,
      window: interval(WINDOW.start, WINDOW.end),
      state: EventState.ENDED,
      commitmentDigest: 'd1',
    }),
    getCommitment: async ({ eventId, shard }) => ({
      ...{ eventId, programmeId: 'summer', terms, window: interval(WINDOW.start, WINDOW.end) },
      committedAtMs: BigInt(at('2026-05-08T12:00:00')),
      members: COHORT.filter((one) => one.shard === shard),
    }),
    getEventDays: async ({ settlementPointIds }) => ({
      days: settlementPointIds.flatMap((settlementPointId) => [
        { settlementPointId, day: FRIDAY!, eventId: 'event-1', reason: 'event' },
      ]),
    }),
  } as Partial<Handlers<typeof Dispatch>> as Handlers<typeof Dispatch>),
);

const digestOf = (meterId: string, day: string): Uint8Array => sha256(`${meterId} ${day}`);
const metering = (world: World): RoomMaker =>
  upstream(
    'metering',
    bind(Metering, {
      listTiles: async ({ days, shards, asOfMs }) => ({
        tiles: world.tiles
          .filter(({ shard, day, knownAt }) => shards.includes(shard) && days.includes(day) && knownAt <= Number(asOfMs))
          .map(({ knownAt, ...tile }) => ({ ...tile, intervalMinutes: 30, knownAtMs: BigInt(knownAt) })),
      }),
      getMeterDays: async ({ meterIds, days }) => {
        const asked = days.flatMap(({ day, meters }) => meters.map((place) => [meterIds[place]!, day] as const));
        const digests = asked.flatMap(([meterId, day]) => (EXAMPLE[day] ? [...digestOf(meterId, day)] : Array(32).fill(0)));
        const handOffs = [{ handOff: 'file', signer: 'mdm' }];
        return { columns: { digests: Uint8Array.from(digests), sources: asked.map(() => 0), handOffs } };
      },
      getSupply: async ({ connectionIds }) => ({
        spans: [
          {
            connectionId: 'c-dark',
            state: SupplyState.OUTAGE,
            span: interval(at('2026-05-05T18:00:00'), at('2026-05-05T18:10:00')),
          },
          {
            connectionId: 'c-dark',
            state: SupplyState.LOAD_SHEDDING,
            span: interval(at('2026-05-08T19:30:00'), at('2026-05-08T23:00:00')),
          },
        ].filter(({ connectionId }) => connectionIds.includes(connectionId)),
      }),
    } as Partial<Handlers<typeof Metering>> as Handlers<typeof Metering>),
  );

/** What registry, enrolment, catalogue and dispatch have said before the event. */
async function tell(host: TestHost) {
  const since = at('2026-01-01T00:00:00');
  const exchange = at('2026-05-07T10:00:00');
  const meter = (meterId: string, connectionId: string, fromMs = since, toMs = 0, over: object = {}) => ({
    record: {
      case: 'meter' as const,
      value: {
        ...{ meterId, connectionId, registers: [Register.IMPORT], intervalMinutes: 30, zone: 'Asia/Kolkata', ...over },
        ...{
          shard: ORDINALS[meterId]![0],
          ordinal: ORDINALS[meterId]![1],
          dated: { fromMs: BigInt(fromMs), toMs: BigInt(toMs) },
        },
      },
    },
  });
  const points = COHORT.map(({ settlementPointId }) => settlementPointId.slice(3));
  const records = [
    ...points.map((point) => ({
      record: {
        case: 'connection' as const,
        value: { connectionId: `c-${point}`, participantId: `p-${point}`, dated: { fromMs: BigInt(since), toMs: 0n } },
      },
    })),
    ...points.map((point) => ({
      record: { case: 'settlementPoint' as const, value: { settlementPointId: `sp-${point}`, connectionId: `c-${point}` } },
    })),
    meter('m-old', 'c-exchanged'),
    meter('m-old', 'c-exchanged', since, exchange),
    meter('m-new', 'c-exchanged', exchange),
    meter('m-holdout', 'c-holdout'),
    meter('m-parent', 'c-parent'),
    meter('m-sub', 'c-parent', since, 0, { parentMeterId: 'm-parent' }),
    meter('m-dark', 'c-dark'),
    meter('m-left', 'c-left'),
  ];
  const discom = 'BRPL';
  await host.facts.publish('registry', { discom, key: 'r', body: { case: 'registryChanged', value: { records } as never } });
  for (const point of points) {
    const value = {
      ...{
        consentId: `rc-${point}`,
        participantId: `p-${point}`,
        connectionId: `c-${point}`,
        purpose: Purpose.READINGS,
        programmeId: 'summer',
      },
      ...{ organisationId: '', basis: Consent_Basis.CONSENT, resourceIds: [], givenAtMs: BigInt(at('2026-05-07T09:00:00')) },
      readingsFromDay: point === 'holdout' ? THURSDAY! : '2026-01-01',
    };
    await host.facts.publish('enrolment', { discom, key: point, body: { case: 'consentGiven', value: value as never } });
  }
  const withdrawn = {
    consentId: 'rc-left',
    participantId: 'p-left',
    connectionId: 'c-left',
    withdrawnAtMs: BigInt(WINDOW.start),
  };
  await host.facts.publish('enrolment', { discom, key: 'left', body: { case: 'consentWithdrawn', value: withdrawn as never } });
  const days = [{ day: CYCLONE!, kind: CalendarDay_Kind.EXCLUDED, name: 'cyclone' }];
  await host.facts.publish('catalogue', {
    discom,
    key: 'delhi',
    body: { case: 'calendarPublished', value: { calendarId: 'delhi', version: 1, days } as never },
  });
  await host.settled();
}

const committed = (host: TestHost) =>
  host.facts.publish('dispatch', {
    discom: 'BRPL',
    key: 'event-1',
    body: { case: 'eventCommitted', value: { eventId: 'event-1', shards: [1, 0] } as never },
  });

async function started(folder: string, world: World, start: number): Promise<TestHost> {
  return testHost({ rooms: [dispatch, metering(world), room], folder, clock: { start } });
}
const measure = (host: TestHost, runId: string, asOf = CUT_OFF) =>
  host.connect(Performance).measure({ runId, eventId: 'event-1', asOfMs: BigInt(asOf) }, { discom: 'BRPL' });

async function resultsOf(host: TestHost, runId: string): Promise<PointResult[]> {
  const found: PointResult[] = [];
  for await (const { results } of host.connect(Performance).readResults({ runId, allShards: true }, { discom: 'BRPL' }))
    found.push(...results);
  return found;
}
const fileOf = (folder: string, runId: string, shard: number) =>
  readFileSync(join(folder, 'performance', 'results', 'BRPL', runId, `${shard}.perf`));
const runRow = async (host: TestHost, runId: string) => {
  const [row] = await (await host.database('performance')).query<{ error: string | null; measured_at_ms: bigint | null }>(
    'select * from run where run_id = $1',
    [runId],
  );
  return row!;
};

describe('measuring one event', () => {
  const folder = mkdtempSync(join(tmpdir(), 'lachak-performance-'));
  let host: TestHost;
  let world: World;
  beforeAll(async () => {
    world = writeTiles(folder);
    // The registry spoke in April; the clock then moves to the evening of the event.
    host = await started(folder, world, at('2026-04-30T12:00:00'));
    await tell(host);
    await committed(host);
    await host.advanceTo(START);
    await measure(host, 'run-1');
    await host.settled();
  });
  afterAll(async () => {
    await host?.stop();
    rmSync(folder, { recursive: true, force: true });
  });

  it('gives the integers of the worked example, across an exchanged meter and a late correction', async () => {
    const [result] = (await resultsOf(host, 'run-1')).filter(({ settlementPointId }) => settlementPointId === 'sp-exchanged');
    expect(result).toMatchObject({
      ...{ status: 'ok', role: 'CHOSEN', connectionId: 'c-exchanged', readingsConsentId: 'rc-exchanged', committedW: 500n },
      flags: ['net_without_export_register', 'estimated_readings'],
      candidateDays: [THURSDAY, WEDNESDAY, TUESDAY],
      selectedDays: [WEDNESDAY, THURSDAY],
      scoresWh: [2000n, 2000n, 1500n],
      adjustment: {
        kind: 'multiplicative',
        observedExact: '575/1',
        referenceExact: '500/1',
        rawExact: '23/20',
        appliedExact: '23/20',
        capped: false,
      },
      ...{
        baselineTotalExact: '2300/1',
        baselineTotalWh: 2300n,
        meteredTotalWh: 1301n,
        deliveredTotalExact: '999/1',
        deliveredTotalWh: 999n,
      },
      ...{ missingIntervals: 0, unservedIntervals: 0, meterIds: ['m-new', 'm-old'] },
    });
    expect(result!.excludedDays.map(({ day, reason }) => [day, reason])).toEqual([[CYCLONE, 'calendar:cyclone']]);
    expect(
      result!.slots.map(({ meteredWh, deliveredWh, unadjustedNum, unadjustedDen }) => [
        meteredWh,
        deliveredWh,
        unadjustedNum,
        unadjustedDen,
      ]),
    ).toEqual([
      [600n, 493n, '1900', '2'],
      [701n, 506n, '2100', '2'],
    ]);
    const den = BigInt(result!.denominator);
    expect(result!.slots.map(({ deliveredNum }) => (BigInt(deliveredNum) * 2n) / den)).toEqual([985n, 1013n]);
  });

  it('names every meter-day of the look-back by the meter that served it, absent days with an empty digest', async () => {
    const [result] = (await resultsOf(host, 'run-1')).filter(({ settlementPointId }) => settlementPointId === 'sp-exchanged');
    const named = [...DAYS.slice(0, 6).map((day) => ['m-old', day]), ['m-old', THURSDAY], ['m-new', THURSDAY], ['m-new', FRIDAY]];
    expect(result!.meterDays.map(({ meterId, day, digest, handOff }) => [meterId, day, digest, handOff])).toEqual(
      named.map(([meterId, day]) =>
        EXAMPLE[day!] ? [meterId, day, sha256Hex(`${meterId} ${day}`), 'file'] : [meterId, day, '', ''],
      ),
    );
  });

  it('takes an enrolled sub-meter off its parent', async () => {
    const [result] = (await resultsOf(host, 'run-1')).filter(({ settlementPointId }) => settlementPointId === 'sp-parent');
    expect([result!.deliveredTotalWh, result!.meterIds]).toEqual([999n, ['m-parent', 'm-sub']]);
  });

  it('does not open days that were not shared, and says what is then missing', async () => {
    const [result] = (await resultsOf(host, 'run-1')).filter(({ settlementPointId }) => settlementPointId === 'sp-holdout');
    expect(result).toMatchObject({
      status: 'insufficient_days',
      role: 'HOLDOUT',
      candidateDays: [THURSDAY],
      denominator: '',
      deliveredTotalWh: 0n,
    });
    expect(result!.excludedDays.map(({ day, reason }) => `${day} ${reason}`)).toEqual([
      '2026-05-01 before_consent',
      '2026-05-04 calendar:cyclone',
      '2026-05-04 before_consent',
      '2026-05-05 before_consent',
      '2026-05-06 before_consent',
    ]);
    expect(result!.meterDays.map(({ day }) => day)).toEqual([THURSDAY, FRIDAY]);
  });

  it('opens nothing of a home that withdrew before the window, and records the refusal', async () => {
    const [result] = (await resultsOf(host, 'run-1')).filter(({ settlementPointId }) => settlementPointId === 'sp-left');
    expect(result).toMatchObject({
      status: 'no_consent',
      flags: ['net_without_export_register', 'readings_closed'],
      meterIds: [],
      meterDays: [],
      candidateDays: [],
    });
    expect(result!.slots.map(({ hasMetered }) => hasMetered)).toEqual([false, false]);
    const uses = await (await host.database('performance')).query(
      "select outcome from reading_use where connection_id = 'c-left'",
    );
    expect(uses[0]).toEqual({ outcome: 'withdrawn' });
  });

  it('neither credits nor penalises an interval without supply, nor compares with a day of outage', async () => {
    const [result] = (await resultsOf(host, 'run-1')).filter(({ settlementPointId }) => settlementPointId === 'sp-dark');
    expect(result).toMatchObject({
      status: 'ok',
      unservedIntervals: 1,
      missingIntervals: 0,
      candidateDays: [THURSDAY, WEDNESDAY],
    });
    expect(result!.flags).toContain('not_energised');
    expect(result!.excludedDays.map(({ day, reason }) => `${day} ${reason}`)).toContain('2026-05-05 outage');
    expect(result!.slots.map(({ supply, deliveredNum }) => [supply, deliveredNum === ''])).toEqual([
      [SupplyState.ENERGISED, false],
      [SupplyState.LOAD_SHEDDING, true],
    ]);
    // (1900 · 1.15 ÷ 2) − 600
    expect(result!.deliveredTotalExact).toBe('985/2');
  });

  it('reports each shard once, keeps the core and records who used the readings', async () => {
    const facts = (await host.facts.of('performance')).map(({ body }) =>
      body.case === 'performanceMeasured' ? body.value : null,
    );
    expect(facts.map((fact) => [fact?.runId, fact?.shard, fact?.shards, fact?.points])).toEqual([
      ['run-1', 0, 2, 3],
      ['run-1', 1, 2, 2],
    ]);
    const sha = facts[0]!.coreSha256;
    expect(Buffer.compare(readFileSync(join(folder, 'performance', 'cores', `${sha}.wasm`)), coreBytes())).toBe(0);
    expect(
      createHash('sha256')
        .update(readFileSync(join(folder, 'performance', facts[0]!.path)))
        .digest('hex'),
    ).toBe(facts[0]!.digest);
    const uses = await (await host.database('performance')).query(
      'select connection_id, purpose, outcome, consent_id from reading_use order by connection_id',
    );
    expect(uses).toHaveLength(5);
    expect(uses[0]).toEqual({ connection_id: 'c-dark', purpose: 'READINGS', outcome: 'permitted', consent_id: 'rc-dark' });
  });

  it('answers a repeated Measure with the same run, refuses its id for another cut-off, and repeats the bytes', async () => {
    expect(await measure(host, 'run-1')).toMatchObject({ id: 'run-1', repeatedCommand: true });
    await expect(measure(host, 'run-1', CUT_OFF + 1)).rejects.toMatchObject({ code: 'id_reused' });
    await measure(host, 'run-2');
    await host.settled();
    for (const shard of [0, 1]) expect(Buffer.compare(fileOf(folder, 'run-1', shard), fileOf(folder, 'run-2', shard))).toBe(0);
    expect(await host.facts.of('performance')).toHaveLength(4);
  });

  it('sees a correction that became known a millisecond after the cut-off only with a later cut-off', async () => {
    await measure(host, 'run-late', CUT_OFF + 1);
    await host.settled();
    const [result] = (await resultsOf(host, 'run-late')).filter(({ settlementPointId }) => settlementPointId === 'sp-exchanged');
    expect(result!.slots[0]!.meteredWh).toBe(301n);
  });

  // biome-ignore format: one row a case
  it.each([
    ['../../etc', CUT_OFF, 'id_malformed'],
    ['run-x', WINDOW.end - 1, 'cut_off_before_end'],
    ['run-x', START + HOUR, 'cut_off_in_future'],
  ])('refuses run %s as of %i: %s', async (runId, asOf, code) => {
    await expect(measure(host, runId, asOf)).rejects.toMatchObject({ code });
  });

  it('draws the portfolio of the chosen, with metered intervals around the window', async () => {
    const curves = await host
      .connect(Performance)
      .getCurves({ eventId: 'event-1', runId: 'run-1' }, { as: await host.token('operator') });
    expect(curves.points).toBe(3);
    expect(Number(curves.startMs)).toBe(WINDOW.start - 4 * HOUR);
    // Two hours of each home before it, then 600 from three homes and 701 from the two that had supply.
    expect(curves.meteredWh.map(Number)).toEqual([0, 0, 1650, 1800, 1800, 1402, 0, 0, 0, 0]);
    expect(curves.hasMetered).toEqual([false, false, true, true, true, true, false, false, false, false]);
    expect(curves.deliveredWh.map(Number).slice(4, 6)).toEqual([493 + 493 + 493, 506 + 506]);
    expect(curves.hasBaseline).toEqual([4, 5].reduce((row, i) => row.with(i, true), Array<boolean>(10).fill(false)));
  });

  // biome-ignore format: one row a case
  it.each([
    ['an aggregator sees its own portfolio', 'aggregator', { organisation: 'agg-2' }, '', 1],
    ['a home sees its own curve', 'consumer', { participant: 'p-holdout' }, 'sp-holdout', 1],
    ['a home does not see another', 'consumer', { participant: 'p-holdout' }, 'sp-dark', 'settlement_point_not_found'],
    ['an aggregator does not see another’s home', 'aggregator', { organisation: 'agg-2' }, 'sp-dark', 'settlement_point_not_found'],
    ['a home must name itself', 'consumer', { participant: 'p-holdout' }, '', 'settlement_point_missing'],
    ['another DISCOM sees nothing', 'operator', { discom: 'TPDDL' }, '', 'run_not_found'],
  ] as const)('%s', async (_, role, whose, settlementPointId, expected) => {
    const answer = host.connect(Performance).getCurves({ eventId: 'event-1', settlementPointId }, { as: await host.token(role, whose) });
    if (typeof expected === 'number') expect((await answer).points).toBe(expected);
    else await expect(answer).rejects.toMatchObject({ code: expected });
  });

  it('refuses to read a result file that was changed', async () => {
    const path = join(folder, 'performance', 'results', 'BRPL', 'run-2', '1.perf');
    const bytes = readFileSync(path);
    bytes[60]! ^= 1;
    writeFileSync(path, bytes);
    await expect(resultsOf(host, 'run-2')).rejects.toThrow();
  });
});

describe('a run that meets a damaged tile', () => {
  it('stays open naming the tile, keeps what it has measured over a restart, and goes on once the tile is whole', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'lachak-performance-'));
    const world = writeTiles(folder);
    const path = join(folder, 'metering', 'tiles', '1', `${WEDNESDAY}.1`);
    const whole = readFileSync(path);
    const damaged = Buffer.from(whole);
    damaged[damaged.length - 3]! ^= 1;
    writeFileSync(path, damaged);
    let host = await started(folder, world, at('2026-04-30T12:00:00'));
    try {
      await tell(host);
      await host.advanceTo(START);
      await measure(host, 'run-1');
      await host.settled();
      expect((await runRow(host, 'run-1')).error).toBe('the commitment of event event-1 has not come yet');
      await committed(host);
      await host.advanceTo(START + 2 * MINUTE);
      const open = await runRow(host, 'run-1');
      expect([open.measured_at_ms, open.error?.includes(`tiles/1/${WEDNESDAY}.1`)]).toEqual([null, true]);
      await expect(resultsOf(host, 'run-1')).rejects.toMatchObject({ code: 'run_not_measured' });
      const first = fileOf(folder, 'run-1', 0);
      await host.stop();

      writeFileSync(path, whole);
      host = await started(folder, world, START);
      await host.advanceTo(START + HOUR);
      expect(await runRow(host, 'run-1')).toMatchObject({ error: null });
      expect(
        (await host.facts.of('performance')).map(({ body }) => body.case === 'performanceMeasured' && body.value.shard),
      ).toEqual([0, 1]);
      expect(Buffer.compare(fileOf(folder, 'run-1', 0), first)).toBe(0);
      expect(await resultsOf(host, 'run-1')).toHaveLength(5);
    } finally {
      await host.stop();
      rmSync(folder, { recursive: true, force: true });
    }
  });
});
