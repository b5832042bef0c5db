import { setTimeout as pause } from 'node:timers/promises';
import { create, fromBinary, toBinary } from '@bufbuild/protobuf';
import {
  type ApplyRequest,
  ApplyRequestSchema,
  ApplyResponseSchema,
  type DesiredState,
  type ReleaseRequest,
  ReleaseRequestSchema,
} from '../gen/lachak/v1/devices_pb.ts';
import { Direction } from '../gen/lachak/v1/types_pb.ts';
import type { Instant } from '../services/domain/interval.ts';
import { conflict, invalid, notFound, Refusal } from '../services/domain/outcome.ts';
import type { Deps } from '../services/host/room.ts';
import type { DeviceKey } from './driver.ts';
import type { GatewaySetting, Gateways } from './gateways-service.ts';
import { type Holding, NotHeld } from './holding-service.ts';
import type { Pursuits } from './pursuit-service.ts';
import type { Instruction, Pursuit } from './reconcile.ts';
import * as store from './store.ts';

type Outcome = { taken: number; refused: { instructionId: string; code: string; message: string }[] };
export type Desired = {
  apply(request: ApplyRequest, discom: string): Promise<Outcome>;
  release(request: ReleaseRequest, discom: string): Promise<Outcome>;
  /** Another gateway asks: here or not at all. */
  asked: GatewaySetting['asked'];
};

/** While parts change hands nobody takes commands for them: asked again so long, wall ms. */
const BETWEEN_MS = 8000;
const AGAIN_MS = 200;

/** What devices shall do, told to whichever instance of the room pursues it. */
export function openDesired({ clock, database }: Deps, pursuits: Pursuits, holding: Holding, gateways: Gateways | null): Desired {
  const here = {
    apply: (discom: string, states: readonly DesiredState[]) => apply(pursuits, discom, states, clock.now()),
    release: (discom: string, ids: readonly string[], reason: string) => release(pursuits, discom, ids, reason),
  };
  const unlessMoved = (work: Promise<Outcome>): Promise<Outcome | null> =>
    work.catch((error) => {
      if (error instanceof NotHeld) return null;
      throw error;
    });

  /** Each part of the work by the gateway that holds its devices. */
  const spread = async <T>(
    all: readonly T[],
    deviceOf: (one: T) => DeviceKey,
    work: { here(some: readonly T[]): Promise<Outcome>; there(gateway: string, some: readonly T[]): Promise<Outcome | null> },
  ): Promise<Outcome> => {
    const until = performance.now() + BETWEEN_MS;
    const outcome: Outcome = { taken: 0, refused: [] };
    for (let rest = all; ; ) {
      const groups = new Map<string | null, T[]>();
      for (const one of rest) {
        const device = deviceOf(one);
        const by = holding.mine(device) ? (gateways?.id ?? '') : holding.holderOf(device);
        groups.set(by, [...(groups.get(by) ?? []), one]);
      }
      const answers = await Promise.all(
        [...groups].map(async ([by, some]) => {
          const found =
            by === null ? null : by === (gateways?.id ?? '') ? await unlessMoved(work.here(some)) : await work.there(by, some);
          return { some, found };
        }),
      );
      for (const { found } of answers) {
        outcome.taken += found?.taken ?? 0;
        outcome.refused.push(...(found?.refused ?? []));
      }
      rest = answers.flatMap(({ some, found }) => (found ? [] : some));
      if (rest.length === 0) return outcome;
      if (performance.now() > until)
        throw new Refusal(
          'unavailable',
          'devices_between_gateways',
          `${rest.length} devices are nobody's at this moment, a gateway has gone; try again`,
        );
      await pause(AGAIN_MS);
      await holding.look();
    }
  };
  const outcomeIn = (bytes: Uint8Array | null): Outcome | null => bytes && fromBinary(ApplyResponseSchema, bytes);

  return {
    apply: ({ states }, discom) =>
      spread(states, ({ deviceId }) => ({ discom, deviceId }), {
        here: (some) => here.apply(discom, some),
        there: async (gateway, some) =>
          outcomeIn(
            (await gateways?.ask(
              gateway,
              'apply',
              discom,
              toBinary(ApplyRequestSchema, create(ApplyRequestSchema, { states: [...some] })),
            )) ?? null,
          ),
      }),
    release: async ({ instructionIds, reason }, discom) => {
      const known = await store.devicesOf(database, discom, instructionIds);
      const unknown = instructionIds.filter((id) => !known.some((row) => row.instruction_id === id));
      const outcome = await spread(known, (row) => ({ discom, deviceId: row.device_id }), {
        here: (some) => here.release(discom, idsOf(some), reason),
        there: async (gateway, some) =>
          outcomeIn(
            (await gateways?.ask(
              gateway,
              'release',
              discom,
              toBinary(ReleaseRequestSchema, create(ReleaseRequestSchema, { instructionIds: idsOf(some), reason })),
            )) ?? null,
          ),
      });
      return { taken: outcome.taken, refused: [...unknown.map(neverAsked), ...outcome.refused] };
    },
    asked: async (verb, discom, request) => {
      const outcome =
        verb === 'apply'
          ? await unlessMoved(here.apply(discom, fromBinary(ApplyRequestSchema, request).states))
          : await unlessMoved(release(pursuits, discom, ...asWords(fromBinary(ReleaseRequestSchema, request))));
      return outcome && toBinary(ApplyResponseSchema, create(ApplyResponseSchema, outcome));
    },
  };
}

const idsOf = (rows: readonly { readonly instruction_id: string }[]): string[] => [
  ...new Set(rows.map((row) => row.instruction_id)),
];
const asWords = ({ instructionIds, reason }: ReleaseRequest): [string[], string] => [instructionIds, reason];
const neverAsked = (instructionId: string) => ({
  instructionId,
  code: 'instruction_not_found',
  message: `no device was ever asked for ${instructionId}`,
});

/** Takes what can be taken of what devices here shall do. Throws NotHeld when one of them is another gateway's by now. */
async function apply(pursuits: Pursuits, discom: string, states: readonly DesiredState[], now: Instant): Promise<Outcome> {
  const refused: { instructionId: string; code: string; message: string }[] = [];
  const taken = await pursuits.command(
    discom,
    states.map((s) => s.instructionId),
    async (tx, found) => {
      const ids = [...new Set(states.map((s) => s.deviceId))];
      const devices = new Map((await store.devicesByIds(tx, discom, ids)).map((row) => [row.device_id, row]));
      for (const row of devices.values()) pursuits.know(row);
      const slots = await store.slotsOf(tx, discom, ids);
      const changed = new Map<string, Pursuit>();
      let accepted = 0;
      for (const state of states) {
        const fault = desiredFault(state, devices.get(state.deviceId), now);
        if (fault) {
          refused.push({ instructionId: state.instructionId, code: fault.code, message: fault.message });
          continue;
        }
        accepted++;
        const id = `${state.deviceId}/${state.instructionId}`;
        const before =
          changed.get(id) ??
          found.find((p) => p.instruction.deviceId === state.deviceId && p.instruction.instructionId === state.instructionId);
        const slot = before?.instruction.slot ?? slots.get(state.deviceId) ?? 0;
        if (!before) slots.set(state.deviceId, slot + 1);
        const instruction = instructionOf(discom, state, slot, before?.instruction.traceparent ?? state.traceparent);
        if (before && same(before.instruction, instruction)) continue;
        // Other content under the same instruction, an earlier end for one: told anew, unless the device's last word has been said.
        if (before?.closed) continue;
        changed.set(id, { ...(before ?? fresh), instruction, attempts: 0, sentAt: null, outcome: before?.outcome ?? null });
      }
      return { changed: [...changed.values()], outcome: accepted };
    },
  );
  return { taken, refused };
}

const fresh = {
  outcome: null,
  proof: 0,
  reason: '',
  attempts: 0,
  sentAt: null,
  session: 0,
  release: null,
  beforeW: null,
  closed: false,
} as const;

async function release(pursuits: Pursuits, discom: string, instructionIds: readonly string[], reason: string): Promise<Outcome> {
  const taken = await pursuits.command(discom, instructionIds, async (_tx, found) => {
    const changed = found
      .filter((p) => !p.closed && p.release === null)
      .map((p) => ({ ...p, release: reason || 'released', attempts: 0, sentAt: null }));
    return { changed, outcome: { known: new Set(found.map((p) => p.instruction.instructionId)) } };
  });
  const unknown = instructionIds.filter((id) => !taken.known.has(id));
  return {
    taken: instructionIds.length - unknown.length,
    refused: unknown.map(neverAsked),
  };
}

function desiredFault(state: DesiredState, device: store.DeviceRow | undefined, now: Instant): Refusal | null {
  if (state.instructionId === '' || state.instructionId.length > 100)
    return invalid('instruction_id_missing', 'an instruction needs an id of at most 100 characters', 'instruction_id');
  if (state.eventId === '') return invalid('event_id_missing', 'an instruction belongs to an event', 'event_id');
  if (!device) return notFound('device_not_found', `there is no device ${state.deviceId}`, 'device_id');
  // A resource may name any device in the registry; whose it is was said when its secret was made.
  if (device.resource_id !== '' && device.resource_id !== state.resourceId)
    return conflict('device_of_another', `${state.deviceId} is not the device of ${state.resourceId}`, 'device_id');
  if (!state.valid || state.valid.endMs <= state.valid.startMs)
    return invalid('interval_must_be_positive', 'the end must lie after the start', 'valid');
  if (Number(state.valid.endMs) <= now) return invalid('interval_is_over', 'the interval has ended already', 'valid');
  if (state.direction === Direction.DIRECTION_UNSPECIFIED) return invalid('direction_missing', 'say SHED or ABSORB', 'direction');
  if (state.hasMaxPower && state.maxPowerW < 0n)
    return invalid('power_must_not_be_negative', 'no device can be made to export', 'max_power_w');
  if (!Number.isFinite(state.setpointDeltaC) || Math.abs(state.setpointDeltaC) > 10)
    return invalid('setpoint_delta_out_of_range', 'at most 10 °C either way', 'setpoint_delta_c');
  if (state.direction === Direction.ABSORB && state.hasMaxPower && state.maxPowerW === 0n)
    return invalid('power_missing', 'to absorb, say up to how many watts; zero would be the opposite', 'max_power_w');
  // A charger takes what the car asks for: more can be offered, not forced, and only up to a power that is said.
  if (device.protocol === 'ocpp1.6' && state.direction === Direction.ABSORB && !state.hasMaxPower)
    return invalid('power_missing', 'a charger is offered more up to a power: say max_power_w', 'max_power_w');
  return null;
}

function instructionOf(discom: string, state: DesiredState, slot: number, traceparent: string): Instruction {
  const valid = { start: Number(state.valid!.startMs), end: Number(state.valid!.endMs) };
  return {
    discom,
    deviceId: state.deviceId,
    instructionId: state.instructionId,
    eventId: state.eventId,
    resourceId: state.resourceId,
    valid,
    direction: state.direction === Direction.ABSORB ? 'absorb' : 'shed',
    level: Math.min(3, Math.max(1, state.level)),
    maxPowerW: state.hasMaxPower ? Number(state.maxPowerW) : null,
    setpointDeltaC: state.setpointDeltaC,
    randomStartS: state.randomStartS,
    randomEndS: state.randomEndS,
    expiresAt: state.expiresAtMs > 0n ? Number(state.expiresAtMs) : valid.end,
    slot,
    traceparent,
  };
}

const same = (a: Instruction, b: Instruction): boolean => JSON.stringify(a) === JSON.stringify(b);
