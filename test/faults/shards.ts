import { createHash } from 'node:crypto';
import { mkdirSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { create } from '@bufbuild/protobuf';
import { random } from '../../devices/simulated/random.ts';
import { Adjustment_Kind, Baseline_Select, type Terms, TermsSchema } from '../../gen/lachak/v1/catalogue_pb.ts';
import {
  CohortMember_Role,
  CohortMemberSchema,
  CommitmentSchema,
  Dispatch,
  EventState,
} from '../../gen/lachak/v1/dispatch_pb.ts';
import { Consent_Basis, Purpose } from '../../gen/lachak/v1/enrolment_pb.ts';
import { Metering } from '../../gen/lachak/v1/metering_pb.ts';
import { Registry } from '../../gen/lachak/v1/registry_pb.ts';
import { Direction, IntervalSchema, Register } from '../../gen/lachak/v1/types_pb.ts';
import { DAY, HOUR } from '../../services/domain/interval.ts';
import { emptyColumns, encodeBase } from '../../services/domain/tile.ts';
import { sha256 } from '../../services/host/ids.ts';
import { bind, type RoomMaker } from '../../services/host/room.ts';
import { type TestHost, testHost } from '../../services/host/testing.ts';
import { room as performance } from '../../services/performance/service.ts';
import { room as settlement } from '../../services/settlement/service.ts';

/** An event of many shards, as the rooms upstream of performance hold it in memory: tiles on disk, cohort and links told as facts. */
export type Shards = { readonly shards: number; readonly points: number; readonly folder: string };

const MIDNIGHT = Date.parse('2026-05-14T00:00:00+05:30');
const WINDOW = { start: MIDNIGHT + 18 * HOUR, end: MIDNIGHT + 20 * HOUR };
export const CUT_OFF = WINDOW.end + DAY;
/** The registry and the homes spoke in April. */
export const TOLD = Date.parse('2026-04-01T00:00:00Z');
const MINUTES = 15;
const SLOTS = (24 * 60) / MINUTES;
const DISCOM = 'BRPL';
const EVENT = 'many';
const DAYS = Array.from({ length: 16 }, (_, i) => MIDNIGHT - (15 - i) * DAY);
const civil = (dayStart: number) => new Date(dayStart + 5.5 * HOUR).toISOString().slice(0, 10);

const window = create(IntervalSchema, { startMs: BigInt(WINDOW.start), endMs: BigInt(WINDOW.end) });

const terms: Terms = create(TermsSchema, {
  ...{ direction: Direction.SHED, zone: 'Asia/Kolkata', settlementIntervalMinutes: MINUTES, floorZero: true },
  baseline: {
    ...{
      method: 'DAY_MATCHING',
      quantity: 'import',
      select: Baseline_Select.ALL,
      x: 10,
      y: 10,
      dayType: 'weekday_vs_nonworking',
    },
    ...{ minGapDays: 1, lookbackDays: 15, minDays: 5, floorZero: true },
    adjustment: {
      ...{ kind: Adjustment_Kind.MULTIPLICATIVE, fromMinutes: -240, toMinutes: -60 },
      ...{ ratioMin: { num: 8n, den: 10n }, ratioMax: { num: 12n, den: 10n } },
    },
  },
  pay: [{ component: { case: 'energy', value: { microsPerKwh: { values: [4_000_000n] } } } }],
  runStages: [{ stage: 1, cutOffAfterEndMs: BigInt(DAY) }],
  ...{ billingCycle: 'MONTHLY', chargeCode: 'DF-RES' },
});

const id = (shard: number, point: number) => `${String(shard).padStart(3, '0')}-${String(point).padStart(4, '0')}`;

const cohort = ({ shards, points }: Shards) =>
  Array.from({ length: shards }, (_, shard) =>
    Array.from({ length: points }, (_, point) => {
      const name = id(shard, point);
      return create(CohortMemberSchema, {
        ...{ settlementPointId: `sp-${name}`, connectionId: `c-${name}`, participantId: `p-${name}`, organisationId: 'agg' },
        ...{ shard, role: CohortMember_Role.CHOSEN, expectedW: 400n, readingsConsentId: `rc-${name}` },
      });
    }),
  );

/** Quarter hours of every home on every day, as metering would have written them; a few are missing. */
export function writeTiles({ shards, points, folder }: Shards) {
  return Array.from({ length: shards }, (_, shard) =>
    DAYS.map((dayStart) => {
      const columns = emptyColumns(SLOTS, points);
      const draw = random(shard, dayStart);
      const less = dayStart === MIDNIGHT ? 0.7 : 1;
      for (let cell = 0; cell < SLOTS * points; cell++) {
        if (draw() < 0.002) continue;
        const hour = (Math.floor(cell / points) * MINUTES) / 60;
        const evening = hour >= 18 && hour < 20;
        columns.importWh[cell] = Math.round((evening ? 450 * less : 125) * (0.7 + 0.6 * draw()));
        columns.quality[cell] = 1;
      }
      const name = { shard, day: civil(dayStart), intervalMinutes: MINUTES, dayStart, slots: SLOTS, meters: points, version: 1 };
      const bytes = encodeBase({ ...name, knownAt: dayStart + DAY }, columns);
      const path = `tiles/${shard}/${name.day}.1`;
      mkdirSync(dirname(join(folder, 'metering', path)), { recursive: true });
      writeFileSync(join(folder, 'metering', path), bytes);
      const digest = createHash('sha256').update(bytes).digest('hex');
      return {
        path,
        digest,
        shard,
        day: name.day,
        version: 1,
        delta: false,
        intervalMinutes: MINUTES,
        knownAtMs: BigInt(dayStart + DAY),
      };
    }),
  ).flat();
}

/** A room that answers these calls and does nothing by itself. */
export const still = (name: RoomMaker['name'], bindings: ReturnType<typeof bind>[] = []): RoomMaker => ({
  name,
  migrations: new URL('file:///nonexistent/'),
  make: () => ({ bindings, start: async () => {}, stop: async () => {} }),
});

/** The rooms upstream, and a gateway that does nothing but conduct the clock. */
export function upstreamOf(world: Shards, tiles: ReturnType<typeof writeTiles>): RoomMaker[] {
  const members = cohort(world);
  const commitmentOf = (of: typeof members) =>
    create(CommitmentSchema, {
      ...{ eventId: EVENT, programmeId: 'summer', terms, window, committedAtMs: BigInt(TOLD), canonical: '{}' },
      members: of.flat(),
    });
  const [whole, parts] = [commitmentOf(members), members.map((shard) => commitmentOf([shard]))];
  const state = EventState.ENDED;
  return [
    ...(['catalogue', 'enrolment'] as const).map((name) => still(name)),
    still('registry', [
      bind(Registry, {
        getLeafSalts: async ({ participantIds }: { participantIds: string[] }) => ({
          salts: Object.fromEntries(participantIds.map((one) => [one, sha256(`salt of ${one}`)])),
        }),
      } as never),
    ]),
    still('metering', [
      bind(Metering, {
        listTiles: async ({ days, shards }: { days: string[]; shards: number[] }) => ({
          tiles: tiles.filter(({ shard, day }) => shards.includes(shard) && days.includes(day)),
        }),
        getMeterDays: async ({ days }: { days: { meters: number[] }[] }) => {
          const sources = days.flatMap(({ meters }) => meters.map(() => 0));
          const digests = new Uint8Array(32 * sources.length).fill(0xdd);
          return { columns: { digests, sources, handOffs: [{ handOff: 'file', signer: 'mdm' }] } };
        },
        getSupply: async () => ({ spans: [] }),
      } as never),
    ]),
    still('dispatch', [
      bind(Dispatch, {
        getEvent: async () => ({ eventId: EVENT, window, state, commitmentDigest: 'de'.repeat(32) }),
        getCommitment: async ({ shard, allShards }: { shard: number; allShards: boolean }) => (allShards ? whole : parts[shard]!),
        getEventDays: async () => ({ days: [] }),
        getOptOuts: async () => ({ optOuts: [] }),
      } as never),
    ]),
    still('gateway'),
  ];
}

/** What registry and enrolment have said about every home. */
export async function tell(host: TestHost, world: Shards): Promise<void> {
  const dated = { fromMs: BigInt(TOLD - 100 * DAY), toMs: 0n };
  for (const [shard, members] of cohort(world).entries()) {
    const records = members.flatMap(({ settlementPointId, connectionId, participantId }, ordinal) => [
      { record: { case: 'participant', value: { participantId, kind: 'HOUSEHOLD' } } },
      { record: { case: 'connection', value: { connectionId, participantId, dated } } },
      { record: { case: 'settlementPoint', value: { settlementPointId, connectionId } } },
      {
        record: {
          case: 'meter',
          value: {
            ...{
              meterId: `m-${id(shard, ordinal)}`,
              connectionId,
              registers: [Register.IMPORT],
              intervalMinutes: MINUTES,
              dated,
            },
            ...{ zone: 'Asia/Kolkata', shard, ordinal },
          },
        },
      },
    ]);
    await host.facts.publish('registry', {
      ...{ discom: DISCOM, key: `shard ${shard}` },
      body: { case: 'registryChanged', value: { records } as never },
    });
    for (const { participantId, connectionId, readingsConsentId } of members) {
      const value = {
        ...{ consentId: readingsConsentId, participantId, connectionId, purpose: Purpose.READINGS, programmeId: 'summer' },
        ...{ organisationId: '', basis: Consent_Basis.CONSENT, resourceIds: [], givenAtMs: BigInt(TOLD) },
        readingsFromDay: '2026-01-01',
      };
      await host.facts.publish('enrolment', {
        ...{ discom: DISCOM, key: connectionId },
        body: { case: 'consentGiven', value: value as never },
      });
    }
  }
}

/** The event, committed and ended: the run opens at its cut-off. */
export async function hold(host: TestHost, { shards, points }: Shards): Promise<void> {
  const say = (body: Parameters<TestHost['facts']['publish']>[1]['body']) =>
    host.facts.publish('dispatch', { discom: DISCOM, key: EVENT, body });
  await say({
    case: 'eventCommitted',
    value: {
      ...{
        $typeName: 'lachak.v1.EventCommitted',
        eventId: EVENT,
        programmeId: 'summer',
        termsVersion: 1,
        window: window as never,
      },
      ...{ digest: 'de'.repeat(32), committedAtMs: BigInt(TOLD), settlementPoints: shards * points, holdout: 0 },
      shards: Array.from({ length: shards }, (_, shard) => shard),
    } as never,
  });
  await host.advanceTo(WINDOW.end);
  await say({
    case: 'eventEnded',
    value: { eventId: EVENT, state: EventState.ENDED, window } as never,
  });
}

/** What must not hang on who did which shard: the signed root, every shard's digest, every account. */
export async function outcome(host: TestHost): Promise<unknown> {
  const settlement = await host.database('settlement');
  const measured = await host.database('performance');
  return {
    runs: await settlement.query("select run_id, root, points from run where state = 'closed'"),
    shards: await measured.query('select run_id, shard::int, digest from run_shard order by shard'),
    accounts: await settlement.query(
      'select account, sum(micros)::text as micros from posting group by account order by account',
    ),
    credits: await settlement.query('select count(*)::int as keys, sum(credited_wh)::text as wh from credit'),
  };
}

/** Everything in one process, on the embedded PostgreSQL. */
export function embedded(world: Shards): Promise<TestHost> {
  const upstream = upstreamOf(world, writeTiles(world));
  const [gateway] = upstream.splice(-1);
  const rooms = [...upstream, performance, settlement, gateway!];
  return testHost({ rooms, folder: world.folder, clock: { start: TOLD } });
}

/** Told, held, and measured and settled as far as that goes at the cut-off. */
export async function settled(host: TestHost, world: Shards): Promise<unknown> {
  await tell(host, world);
  await host.settled();
  await hold(host, world);
  await host.advanceTo(CUT_OFF);
  await host.settled();
  return outcome(host);
}
