import type { MessageInitShape } from '@bufbuild/protobuf';
import { create, fromJson, type JsonObject } from '@bufbuild/protobuf';
import { TermsSchema } from '../../gen/lachak/v1/catalogue_pb.ts';
import { CommitmentSchema, Dispatch } from '../../gen/lachak/v1/dispatch_pb.ts';
import { Performance, type PointResultSchema } from '../../gen/lachak/v1/performance_pb.ts';
import { Registry } from '../../gen/lachak/v1/registry_pb.ts';
import { SupplyState } from '../../gen/lachak/v1/types_pb.ts';
import { multiply, rational, readExact } from '../domain/rational.ts';
import { sha256 } from '../host/ids.ts';
import { bind, type Deps, type RoomMaker } from '../host/room.ts';
import type { Point } from './point.ts';

/** The world upstream of settlement, for its tests: what was committed and what a measuring finds, held in memory. */
export type World = {
  terms: JsonObject;
  noticeAtMs: number;
  /** What a measuring of this event with this cut-off finds. */
  points: (asOfMs: number, eventId: string) => readonly Point[];
  shards: number;
  coreSha256: string;
  /** The commitment's canonical JSON; its digest is for the test to publish. */
  commitment?: string;
  measured: string[];
};

const nowhere = new URL('file:///nonexistent/');
const still = { start: async () => {}, stop: async () => {} };

export function fakeRooms(world: World): RoomMaker[] {
  return [
    { name: 'registry', migrations: nowhere, make: () => ({ ...still, bindings: [bind(Registry, registry as never)] }) },
    { name: 'dispatch', migrations: nowhere, make: () => ({ ...still, bindings: [bind(Dispatch, dispatch(world) as never)] }) },
    {
      name: 'performance',
      migrations: nowhere,
      make: (deps) => ({ ...still, bindings: [bind(Performance, performance(world, deps) as never)] }),
    },
  ];
}

const registry = {
  getLeafSalts: async ({ participantIds }: { participantIds: string[] }) => ({
    salts: Object.fromEntries(participantIds.map((id) => [id, sha256(`salt of ${id}`)])),
  }),
};

const dispatch = (world: World) => ({
  getCommitment: async ({ eventId, shard }: { eventId: string; shard: number }) =>
    create(CommitmentSchema, {
      eventId,
      terms: fromJson(TermsSchema, world.terms),
      noticeAtMs: BigInt(world.noticeAtMs),
      canonical: world.commitment ?? '',
      members: world
        .points(0, eventId)
        .filter((point) => point.shard === shard)
        .map((point) => ({ settlementPointId: point.settlementPointId })),
    }),
  getOptOuts: async ({ eventId, shard }: { eventId: string; shard: number }) => ({
    optOuts: world
      .points(0, eventId)
      .filter((point) => point.shard === shard && point.optOuts !== undefined)
      .map((point) => ({ settlementPointId: point.settlementPointId, thisSeason: point.optOuts })),
  }),
});

function performance(world: World, { database, facts }: Deps) {
  const asked = new Map<string, readonly [asOfMs: number, eventId: string]>();
  return {
    measure: async (
      { runId, eventId, asOfMs }: { runId: string; eventId: string; asOfMs: bigint },
      { discom }: { discom: string },
    ) => {
      if (asked.has(runId)) return { id: runId, repeatedCommand: true };
      asked.set(runId, [Number(asOfMs), eventId]);
      world.measured.push(runId);
      for (let shard = 0; shard < world.shards; shard++) {
        const points = world.points(Number(asOfMs), eventId).filter((point) => point.shard === shard).length;
        const value = {
          runId,
          eventId,
          shard,
          shards: world.shards,
          path: '',
          digest: '',
          asOfMs,
          points,
          coreSha256: world.coreSha256,
        };
        await database.tx((tx) =>
          facts.publish(tx, {
            discom,
            key: runId,
            body: { case: 'performanceMeasured', value: { $typeName: 'lachak.v1.PerformanceMeasured', ...value } },
          }),
        );
      }
      return { id: runId };
    },
    readResults: async function* ({ runId, shard }: { runId: string; shard: number }) {
      // A process that came back has forgotten what it was asked.
      const results = world.points(...(asked.get(runId) ?? [0, ''])).filter((point) => point.shard === shard);
      yield { results: results.map(wirePoint) };
    },
  };
}

/** A point as performance sends it. */
export function wirePoint(point: Point): MessageInitShape<typeof PointResultSchema> {
  const { slots, totals, adjustment, meterDays, optOuts: _, weights = [], refilledDays = [], unread = [], ...rest } = point;
  const denominator = slots.reduce(
    (den, slot) => [slot.baseline, slot.delivered].reduce((all, text) => (text ? all * readExact(text).den : all), den),
    1n,
  );
  const over = (text: string | null) => (text === null ? '' : String(multiply(readExact(text), rational(denominator)).num));
  return {
    ...rest,
    flags: [...rest.flags],
    ...{ selectedWeights: [...weights], refilledDays: [...refilledDays], unreadMs: unread.map(BigInt) },
    candidateDays: [...rest.candidateDays],
    selectedDays: [...rest.selectedDays],
    lowUsageRejected: [...rest.lowUsageRejected],
    scoresWh: rest.scoresWh.map(BigInt),
    committedW: BigInt(rest.committedW),
    meterIds: [...rest.meterIds],
    excludedDays: rest.excludedDays.map((excluded) => ({ ...excluded })),
    denominator: totals ? String(denominator) : '',
    slots: slots.map((slot) => ({
      startMs: BigInt(slot.startMs),
      hasMetered: slot.meteredWh !== null,
      meteredWh: BigInt(slot.meteredWh ?? 0),
      unadjustedNum: slot.unadjusted === null ? '' : String(readExact(slot.unadjusted).num),
      unadjustedDen: slot.unadjusted === null ? '' : String(readExact(slot.unadjusted).den),
      baselineNum: over(slot.baseline),
      baselineWh: BigInt(slot.baselineWh ?? 0),
      deliveredNum: over(slot.delivered),
      deliveredWh: BigInt(slot.deliveredWh ?? 0),
      supply: SupplyState[slot.supply],
      quality: slot.quality,
    })),
    ...(adjustment && {
      adjustment: {
        ...{ kind: adjustment.kind, observedExact: adjustment.observed, referenceExact: adjustment.reference },
        ...{ rawExact: adjustment.raw, appliedExact: adjustment.applied, capped: adjustment.capped },
      },
    }),
    baselineTotalExact: totals?.baseline ?? '',
    baselineTotalWh: BigInt(totals?.baselineWh ?? 0),
    meteredTotalWh: BigInt(totals?.meteredWh ?? 0),
    deliveredTotalExact: totals?.delivered ?? '',
    deliveredTotalWh: BigInt(totals?.deliveredWh ?? 0),
    meterDays: meterDays.map((day) => ({ ...day, digest: day.digest ?? '', receivedAtMs: BigInt(day.receivedAtMs) })),
  };
}
