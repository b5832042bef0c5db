import { createHash } from 'node:crypto';
import { toBinary } from '@bufbuild/protobuf';
import { type DesiredState, Devices, ProvisionDeviceRequestSchema } from '../gen/lachak/v1/devices_pb.ts';
import { Registry } from '../gen/lachak/v1/registry_pb.ts';
import { Direction } from '../gen/lachak/v1/types_pb.ts';
import { DAY, type Instant } from '../services/domain/interval.ts';
import { conflict, forbidden, invalid, notFound, type Refusal } from '../services/domain/outcome.ts';
import { once } from '../services/host/command.ts';
import { bind, type Caller, type Deps, type Room, type RoomMaker } from '../services/host/room.ts';
import { externalBroker } from './broker-service.ts';
import type { Authenticate, Driver, Protocol } from './driver.ts';
import { protocols } from './driver.ts';
import { embeddedEntry, ROOM_USER } from './mqtt/broker.ts';
import { flexDriver } from './mqtt/flex.ts';
import { ocppDriver } from './ocpp/csms.ts';
import type { ChargingMemory } from './ocpp/station.ts';
import { openPursuits, type Pursuits } from './pursuit-service.ts';
import type { Instruction, Pursuit } from './reconcile.ts';
import { type Report, reportHub } from './report-service.ts';
import { brokerPassword, openSecrets, type Secrets } from './secret-store.ts';
import * as store from './store.ts';

/** The edge: devices over MQTT and OCPP, brought to what is desired of them. */
export const room: RoomMaker = { name: 'devices', migrations: new URL('./migrations/', import.meta.url), make };

function make(deps: Deps): Room {
  const { clock, database, facts, log, config, folder } = deps;
  const secrets = openSecrets(folder);
  const reports = reportHub((count) => pursuits.heard.lost('report', count));
  const drivers = new Map<string, Driver>();
  const pursuits: Pursuits = openPursuits(
    deps,
    (protocol) => drivers.get(protocol),
    () => [...drivers.values()],
    reports,
  );
  const authenticate = authentication(deps, secrets);
  const broker = externalBroker(config.mqtt, database, log);
  const entry = broker?.entry ?? embeddedEntry({ ...config.mqtt, authenticate, refused: pursuits.heard.refused });
  // One folder, one process at a time: its session at the broker is its own, and the same after a restart.
  const clientId = `${ROOM_USER}-${createHash('sha256').update(folder).digest('hex').slice(0, 12)}`;
  drivers.set('flex/1', flexDriver({ entry, clock, heard: pursuits.heard, log, clientId }));
  drivers.set(
    'ocpp1.6',
    ocppDriver({ ...config.ocpp, clock, authenticate, heard: pursuits.heard, log, memory: chargingMemory(deps) }),
  );

  return {
    bindings: [
      bind(Devices, {
        provisionDevice: async (request, caller) => {
          const { deviceId, protocol, resourceId, commandId } = request;
          const { discom } = caller;
          const organisation = ownOrganisation(caller, request.organisationId);
          const fault = provisionFault(deviceId, protocol);
          if (fault) throw fault;
          if (scoped(caller) && resourceId !== '') await ownResource(deps, discom, organisation, resourceId);
          const secret = secrets.make(discom, deviceId, commandId);
          const row = {
            discom,
            device_id: deviceId,
            protocol,
            organisation_id: organisation,
            resource_id: resourceId,
            secret_digest: secrets.digest(secret),
            broker_password: protocol === 'flex/1' ? brokerPassword(secret) : '',
          };
          const content = toBinary(ProvisionDeviceRequestSchema, request);
          const repeated = await database.tx(async (tx) => {
            const { repeated } = await once(
              tx,
              { discom, organisation: caller.organisation, commandId, verb: 'ProvisionDevice', content },
              async () => {
                const taken = await store.deviceById(tx, deviceId);
                if (taken && (taken.discom !== discom || taken.organisation_id !== organisation))
                  throw conflict('device_id_taken', `the device id ${deviceId} is taken; choose another`, 'device_id');
                await store.keepDevice(tx, row, clock.now());
                const value = { $typeName: 'lachak.v1.DeviceProvisioned', deviceId, protocol, resourceId } as const;
                await facts.publish(tx, { discom, key: deviceId, body: { case: 'deviceProvisioned', value } });
                return {};
              },
            );
            return repeated;
          });
          const now = await store.deviceById(database, deviceId);
          if (repeated && (!now || now.connected_at_ms !== null || !secrets.matches(secret, now.secret_digest))) {
            throw conflict(
              'secret_already_used',
              `${deviceId} has connected; its secret is not shown again. Provision it with a new command_id to give it a new one`,
              'command_id',
            );
          }
          if (now) pursuits.know(now);
          broker?.stir();
          return {
            deviceId,
            username: protocol === 'flex/1' ? `${discom}/${deviceId}` : deviceId,
            secret,
            repeatedCommand: repeated,
          };
        },
        apply: ({ states }, { discom }) => apply(deps, pursuits, discom, states),
        release: ({ instructionIds, reason }, { discom }) => release(pursuits, discom, instructionIds, reason),
        listDevices: async ({ page, search }, caller) => {
          const size = Math.min(page?.size || 100, 1000);
          const organisation = scoped(caller) ? caller.organisation : null;
          const rows = await store.listDevices(database, caller.discom, organisation, search, page?.token ?? '', size + 1);
          return {
            devices: rows.slice(0, size).map((row) => deviceOf(row, pursuits)),
            nextPageToken: rows.length > size ? rows[size - 1]!.device_id : '',
          };
        },
        watchReports: async function* (_request, { discom, signal }) {
          for await (const batch of reports.watch(discom, signal)) yield { reports: batch.map(reportOf) };
        },
        getEndpoints: async () => ({
          mqttUrl: drivers.get('flex/1')!.endpoint(),
          ocppUrl: drivers.get('ocpp1.6')!.endpoint(),
        }),
      }),
    ],
    start: async () => {
      await pursuits.start();
      await broker?.start();
      for (const driver of drivers.values()) await driver.start();
      deps.announce('mqtt', drivers.get('flex/1')!.endpoint());
      deps.announce('ocpp', drivers.get('ocpp1.6')!.endpoint());
    },
    stop: async () => {
      broker?.stop();
      await Promise.all([...drivers.values()].map((driver) => driver.stop()));
      const counts = pursuits.counts();
      if (Object.keys({ ...counts.refused, ...counts.lost }).length > 0)
        log.info(counts, 'what the edge refused and lost since it started');
    },
  };
}

async function apply(deps: Deps, pursuits: Pursuits, discom: string, states: readonly DesiredState[]) {
  const now = deps.clock.now();
  const refused: { instructionId: string; code: string; message: string }[] = [];
  const taken = await pursuits.command(
    discom,
    states.map((s) => s.instructionId),
    async (tx, found) => {
      const ids = [...new Set(states.map((s) => s.deviceId))];
      const devices = new Map((await store.devicesByIds(tx, discom, ids)).map((row) => [row.device_id, row]));
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
        const instruction = instructionOf(discom, state, slot);
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

async function release(pursuits: Pursuits, discom: string, instructionIds: readonly string[], reason: string) {
  const taken = await pursuits.command(discom, instructionIds, async (_tx, found) => {
    const changed = found
      .filter((p) => !p.closed && p.release === null)
      .map((p) => ({ ...p, release: reason || 'released', attempts: 0, sentAt: null }));
    return { changed, outcome: { known: new Set(found.map((p) => p.instruction.instructionId)) } };
  });
  const unknown = instructionIds.filter((id) => !taken.known.has(id));
  return {
    taken: instructionIds.length - unknown.length,
    refused: unknown.map((instructionId) => ({
      instructionId,
      code: 'instruction_not_found',
      message: `no device was ever asked for ${instructionId}`,
    })),
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

function provisionFault(deviceId: string, protocol: string): Refusal | null {
  if (!/^[A-Za-z0-9_-]{1,36}$/.test(deviceId))
    return invalid('device_id_malformed', 'a device id has 1 to 36 letters, digits, _ or -', 'device_id');
  if (!protocols.includes(protocol as Protocol))
    return invalid('protocol_unknown', `the protocols are ${protocols.join(', ')}`, 'protocol');
  return null;
}

const scoped = (caller: Caller): boolean =>
  !caller.roles.some((role) => role === 'operator' || role === 'verifier' || role === 'room');

function ownOrganisation(caller: Caller, named: string): string {
  if (!scoped(caller)) return named;
  if (named !== '' && named !== caller.organisation)
    throw forbidden('organisation_foreign', 'devices are provisioned for your own organisation');
  return caller.organisation;
}

/** What a device says stands for its resource: an organisation makes devices for its own resources only. */
async function ownResource({ connect }: Deps, discom: string, organisation: string, resourceId: string): Promise<void> {
  const request = { table: 'resources', search: resourceId, page: { size: 1 } };
  const [first] = (await connect(Registry).listRecords(request, { discom })).records;
  const known = first?.record.case === 'resource' ? first.record.value : undefined;
  if (known?.resourceId !== resourceId || known.organisationId !== organisation)
    throw notFound('resource_not_found', `you have no resource ${resourceId}; register it first`, 'resource_id');
}

const authentication =
  ({ clock, database }: Deps, secrets: Secrets): Authenticate =>
  async (deviceId, secret, protocol) => {
    const row = await store.deviceById(database, deviceId);
    if (!row || row.protocol !== protocol) return 'unknown_device';
    if (!secrets.matches(secret, row.secret_digest)) return 'wrong_secret';
    if (row.connected_at_ms === null) await store.markConnected(database, row.discom, deviceId, clock.now());
    return { discom: row.discom, deviceId };
  };

const FRAMES_KEPT_MS = 90 * DAY;

function chargingMemory({ clock, database }: Deps): ChargingMemory {
  let dropped = 0;
  return {
    startSession: ({ discom, deviceId }, start) => store.startSession(database, discom, deviceId, start),
    stopSession: ({ discom, deviceId }, transactionId, stop) =>
      store.stopSession(database, discom, deviceId, transactionId, stop),
    openSessions: ({ discom, deviceId }) => store.openSessions(database, discom, deviceId),
    keepFrames: async (frames) => {
      await store.keepFrames(database, frames);
      if (clock.now() < dropped + DAY) return;
      dropped = clock.now();
      await store.dropFrames(database, dropped - FRAMES_KEPT_MS);
    },
  };
}

// Conversions.

function instructionOf(discom: string, state: DesiredState, slot: number): Instruction {
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
  };
}

const same = (a: Instruction, b: Instruction): boolean => JSON.stringify(a) === JSON.stringify(b);

function deviceOf(row: store.DeviceRow, pursuits: Pursuits) {
  const live = pursuits.live({ discom: row.discom, deviceId: row.device_id });
  const measured = live.samples.findLast((s) => s.powerW !== null && s.source !== 'offered');
  return {
    deviceId: row.device_id,
    protocol: row.protocol,
    resourceId: row.resource_id,
    organisationId: row.organisation_id,
    online: live.online,
    seenAtMs: BigInt(live.seenAt ?? row.seen_at_ms ?? 0),
    vendor: live.vendor || row.vendor,
    model: live.model || row.model,
    powerW: BigInt(Math.round(measured?.powerW ?? 0)),
    powerAtMs: BigInt(measured?.at ?? 0),
  };
}

const reportOf = (report: Report) => ({
  deviceId: report.deviceId,
  resourceId: report.resourceId,
  atMs: BigInt(report.at),
  powerW: BigInt(Math.round(report.powerW ?? 0)),
  hasPower: report.powerW !== null,
  energyRegisterWh: BigInt(Math.round(report.registerWh ?? 0)),
  hasEnergyRegister: report.registerWh !== null,
  online: report.online,
  proofSource: report.source,
});
