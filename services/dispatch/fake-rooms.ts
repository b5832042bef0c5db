import { create } from '@bufbuild/protobuf';
import {
  type Answer,
  AnswerSchema,
  type DesiredState,
  Devices,
  Answer_Outcome as Outcome,
} from '../../gen/lachak/v1/devices_pb.ts';
import { InstructionAnsweredSchema } from '../../gen/lachak/v1/facts_pb.ts';
import { Metering } from '../../gen/lachak/v1/metering_pb.ts';
import { Proof, ProofSource, SupplyState } from '../../gen/lachak/v1/types_pb.ts';
import { Refusal } from '../domain/outcome.ts';
import { bind, type Deps, type RoomMaker } from '../host/room.ts';
import { Signal } from '../host/signal.ts';

const nowhere = new URL('file:///nonexistent/');
const never = async (): Promise<never> => {
  throw new Refusal('unavailable', 'not_faked', 'not part of this test');
};
const nothing = async function* (): AsyncGenerator<never> {};
type Report = { resourceId: string; deviceId: string; atMs: bigint; powerW: bigint; hasPower: boolean; online: boolean };

/** A devices room that answers at once, by the device's name: `dead-…` never, `stubborn-…` refuses; the rest apply. */
export function fakeDevices(discom = 'BRPL') {
  const applied: DesiredState[] = [];
  const released: string[] = [];
  const reports: Report[] = [];
  const reported = new Signal();
  let deps: Deps;
  let away = false;
  const answer = async (
    state: DesiredState,
    outcome: Outcome,
    proof = Proof.PROOF_UNSPECIFIED,
    proofSource = ProofSource.PROOF_SOURCE_UNSPECIFIED,
  ) => {
    const { instructionId, eventId, resourceId, deviceId } = state;
    const answers: Answer[] = [
      create(AnswerSchema, {
        instructionId,
        eventId,
        resourceId,
        deviceId,
        outcome,
        proof,
        proofSource,
        atMs: BigInt(deps.clock.now()),
      }),
    ];
    const value = create(InstructionAnsweredSchema, { eventId, answers });
    await deps.database.tx((tx) =>
      deps.facts.publish(tx, { discom, key: eventId, body: { case: 'instructionAnswered', value } }),
    );
  };
  const room: RoomMaker = {
    name: 'devices',
    migrations: nowhere,
    make: (given) => {
      deps = given;
      return {
        bindings: [
          bind(Devices, {
            provisionDevice: never,
            listDevices: never,
            takeTelemetry: never,
            getEndpoints: never,
            apply: async ({ states }) => {
              if (away) throw new Refusal('unavailable', 'away', 'not now');
              const refused = [];
              for (const state of states) {
                if (state.deviceId.startsWith('stubborn'))
                  refused.push({ instructionId: state.instructionId, code: 'unknown', message: 'no such device' });
                else {
                  applied.push(state);
                  if (state.deviceId.startsWith('dead')) continue;
                  await answer(state, Outcome.ACCEPTED, Proof.L1_ACCEPTED);
                  await answer(state, Outcome.APPLIED, Proof.L2_APPLIED);
                }
              }
              return { taken: states.length - refused.length, refused };
            },
            release: async ({ instructionIds }) => {
              released.push(...instructionIds);
              return { taken: instructionIds.length };
            },
            watchReports: async function* (_, { signal }) {
              for (let sent = 0; !signal.aborted; ) {
                const seen = reported.count;
                if (sent < reports.length) yield { reports: reports.slice(sent) };
                sent = reports.length;
                await reported.beyond(seen, 200);
              }
            },
          }),
        ],
        start: async () => {},
        stop: async () => reported.fire(),
      };
    },
  };
  return {
    room,
    applied,
    released,
    answer,
    goAway: (gone: boolean) => {
      away = gone;
    },
    report: (resourceId: string, powerW: number) => {
      reports.push({
        resourceId,
        deviceId: `d-${resourceId}`,
        atMs: BigInt(deps.clock.now()),
        powerW: BigInt(powerW),
        hasPower: true,
        online: true,
      });
      reported.fire();
    },
  };
}

/** A metering room that knows the typical load of some meters, and who is without supply. */
export function fakeMetering() {
  const typical = new Map<string, number>();
  const dark = new Set<string>();
  /** Connections whose supply cannot be told: asking for one fails as a bug would. */
  const cursed = new Set<string>();
  const room: RoomMaker = {
    name: 'metering',
    migrations: nowhere,
    make: () => ({
      bindings: [
        bind(Metering, {
          importReadings: never,
          putReadings: never,
          putSupply: never,
          importSupply: never,
          getSeries: never,
          listTiles: never,
          getMeterDays: never,
          exportReadings: nothing,
          checkReadings: nothing,
          projectReadings: nothing,
          compactReadings: nothing,
          retainReadings: nothing,
          getSupply: async ({ connectionIds }) => {
            if (connectionIds.some((id) => cursed.has(id))) throw new Error('a bug');
            const out = connectionIds.filter((id) => dark.has(id));
            return { spans: out.map((connectionId) => ({ connectionId, state: SupplyState.OUTAGE })) };
          },
          getTypicalLoad: async ({ meterIds }) => ({
            meanW: meterIds.map((id) => BigInt(typical.get(id) ?? 0)),
            known: meterIds.map((id) => typical.has(id)),
          }),
        }),
      ],
      start: async () => {},
      stop: async () => {},
    }),
  };
  return { room, typical, dark, cursed };
}
