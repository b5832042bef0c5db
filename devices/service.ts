import { createHash } from 'node:crypto';
import { toBinary } from '@bufbuild/protobuf';
import { connect } from 'nats';
import { Devices, ProvisionDeviceRequestSchema } from '../gen/lachak/v1/devices_pb.ts';
import { Registry } from '../gen/lachak/v1/registry_pb.ts';
import { DAY } from '../services/domain/interval.ts';
import { conflict, forbidden, invalid, notFound, Refusal } from '../services/domain/outcome.ts';
import { once } from '../services/host/command.ts';
import { newId } from '../services/host/ids.ts';
import { openJetStream, optionsOf } from '../services/host/jetstream.ts';
import { bind, type Caller, type Database, type Deps, type Room, type RoomMaker } from '../services/host/room.ts';
import { externalBroker } from './broker-service.ts';
import { openDesired } from './desired-service.ts';
import type { Authenticate, DeviceKey, Driver, Protocol } from './driver.ts';
import { protocols } from './driver.ts';
import { type Gateways, openGateways } from './gateways-service.ts';
import { alone, sharedHolding } from './holding-service.ts';
import { embeddedEntry, ROOM_USER } from './mqtt/broker.ts';
import { flexDriver } from './mqtt/flex.ts';
import { takeTelemetry, telemetrySession } from './mqtt/keeper.ts';
import { ocppDriver } from './ocpp/csms.ts';
import type { ChargingMemory } from './ocpp/station.ts';
import { openPursuits, type Pursuits } from './pursuit-service.ts';
import { type Report, reportHub } from './report-service.ts';
import { brokerPassword, openSecrets, type Secrets } from './secret-store.ts';
import * as store from './store.ts';
import { telemetryStream } from './stream-store.ts';
import { openTelemetry, telemetryMessage } from './telemetry-service.ts';
import { telemetryTable } from './telemetry-store.ts';

/** Whichever gateway holds it has the room's session for telemetry at an external broker. */
const TELEMETRY_PART = 0;

/** The edge: devices over MQTT and OCPP, brought to what is desired of them. */
export const room: RoomMaker = { name: 'devices', migrations: new URL('./migrations/', import.meta.url), make };

function make(deps: Deps): Room {
  const { clock, database, facts, log, config, folder } = deps;
  const secrets = openSecrets(folder, config.devices.pepperFile);
  const reports = reportHub((count) => pursuits.heard.lost('report', count));
  const drivers = new Map<string, Driver>();
  const several = config.nats.url !== '';
  const gatewayId = newId();
  const holding = several ? sharedHolding(database, gatewayId, clock.stepped, log) : alone;
  const pursuits: Pursuits = openPursuits(
    deps,
    (protocol, device) => gateways?.elsewhere(device) ?? drivers.get(protocol),
    () => [...drivers.values()],
    reports,
    holding,
  );
  const gateways = several
    ? openGateways(gatewayId, () => connect({ ...optionsOf(config), waitOnFirstConnect: true }), pursuits.heard, log)
    : null;
  deps.metrics.level('devices_online', 'Devices that are online, as far as this process knows', () => pursuits.online());
  deps.metrics.sum('devices_refused_total', 'What the edge refused', 'what', () => pursuits.counts().refused);
  deps.metrics.sum('devices_lost_total', 'What the edge gave up because a queue was full', 'what', () => pursuits.counts().lost);
  const desired = openDesired(deps, pursuits, holding, gateways);
  // What connects to this process is told to the others; what an external broker says they hear themselves.
  const heard = gateways?.heard ?? pursuits.heard;
  const authenticate = authentication(deps, secrets, pursuits, gateways);
  const carrier = several ? telemetryStream(openJetStream(config, log), config.nats.replicas) : telemetryTable(database);
  const telemetry = openTelemetry(deps, carrier);
  const taken = takeTelemetry(telemetry.keep, clock);
  const broker = externalBroker(config.mqtt, database, log);
  const entry = broker?.entry ?? embeddedEntry({ ...config.mqtt, authenticate, refused: pursuits.heard.refused, taken });
  const session = broker && telemetrySession(broker.entry, taken, log);
  // Alone, its session at the broker is the same after a restart; of several, who may share a folder, each has its own.
  const own = several ? gatewayId : createHash('sha256').update(folder).digest('hex');
  const clientId = `${ROOM_USER}-${own.slice(0, 12)}`;
  drivers.set(
    'flex/1',
    flexDriver({ entry, clock, heard: broker ? pursuits.heard : heard, log, clientId, lasting: broker !== null && !several }),
  );
  const { keep } = telemetry;
  drivers.set('ocpp1.6', ocppDriver({ ...config.ocpp, clock, authenticate, heard, keep, log, memory: chargingMemory(deps) }));

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
        apply: (request, { discom }) => desired.apply(request, discom),
        release: (request, { discom }) => desired.release(request, discom),
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
        takeTelemetry: async ({ receipts, most }, { discom }) => {
          await telemetry.acknowledge(discom, receipts);
          return telemetryMessage(await telemetry.take(discom, most));
        },
        getEndpoints: async () => ({
          mqttUrl: drivers.get('flex/1')!.endpoint(),
          ocppUrl: drivers.get('ocpp1.6')!.endpoint(),
        }),
      }),
    ],
    needs: [
      {
        name: 'MQTT broker',
        ask: async () => {
          const why = drivers.get('flex/1')!.wrong?.() ?? null;
          if (why !== null) throw new Refusal('unavailable', 'broker_away', why);
        },
      },
    ],
    start: async () => {
      await checkPepper(database, secrets);
      await pursuits.start();
      await telemetry.start();
      if (!several) await session?.start();
      await holding.start({
        gained: (parts) => {
          if (parts.has(TELEMETRY_PART)) void session?.start();
          return pursuits.gained(parts).catch((error) => log.error({ error }, 'devices are not pursued'));
        },
        lost: (parts) => {
          if (parts.has(TELEMETRY_PART)) void session?.stop();
          pursuits.lost(parts);
        },
        died: (gateway) => gateways?.died(gateway),
      });
      const driverOf = (device: DeviceKey) => drivers.get(pursuits.protocolOf(device));
      await gateways?.start({ driverOf, asked: desired.asked });
      await broker?.start();
      for (const driver of drivers.values()) await driver.start();
      deps.announce('mqtt', drivers.get('flex/1')!.endpoint());
      deps.announce('ocpp', drivers.get('ocpp1.6')!.endpoint());
    },
    stop: async () => {
      broker?.stop();
      await session?.stop();
      await Promise.all([...drivers.values()].map((driver) => driver.stop()));
      await holding.stop();
      await telemetry.stop();
      await gateways?.stop();
      const counts = pursuits.counts();
      if (Object.keys({ ...counts.refused, ...counts.lost }).length > 0)
        log.info(counts, 'what the edge refused and lost since it started');
    },
  };
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
  ({ clock, database }: Deps, secrets: Secrets, pursuits: Pursuits, gateways: Gateways | null): Authenticate =>
  async (deviceId, secret, protocol) => {
    const row = await store.deviceById(database, deviceId);
    if (!row || row.protocol !== protocol) return 'unknown_device';
    if (!secrets.matches(secret, row.secret_digest)) return 'wrong_secret';
    if (row.connected_at_ms === null) await store.markConnected(database, row.discom, deviceId, clock.now());
    const device = { discom: row.discom, deviceId };
    pursuits.know(row);
    if (gateways) gateways.loggedIn(device, await store.countLogin(database, row.discom, deviceId));
    return device;
  };

/** Another pepper would refuse every device: better not to start. */
async function checkPepper(database: Database, secrets: Secrets): Promise<void> {
  const own = secrets.digest('pepper');
  if (Buffer.compare(await store.pepperProof(database, own), own) === 0) return;
  throw invalid(
    'config_invalid',
    "this devices room has another pepper than the one that made the devices' secrets: give it that file (devices.pepperFile)",
    'devices.pepperFile',
  );
}

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
