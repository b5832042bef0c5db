import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import pg from 'pg';
import { Refusal } from '../../services/domain/outcome.ts';
import { roomNames, roomServing } from '../../services/host/arrows.ts';
import { openTokens } from '../../services/host/auth.ts';
import { makeCertificates } from '../../services/host/certs-cli.ts';
import { openWire } from '../../services/host/connect.ts';
import { makeLogins } from '../../services/host/database-cli.ts';
import { newId } from '../../services/host/ids.ts';
import type { RoomName } from '../../services/host/room.ts';
import { openTls } from '../../services/host/tls.ts';
import { type Servers, settingsOf } from '../servers/all.ts';
import { DISCOM, freePorts } from './house.ts';
import { devicesBack, type Ground } from './play.ts';
import { type Fault, keepRoom, type RoomProcess } from './room-process.ts';

/** Servers that evenings are played on, one after the other; each evening finds them empty. */
export type Estate = { readonly servers: Servers; readonly logins: Map<RoomName, string>; evenings: number };
export type DeployedPlan = {
  readonly clockStart: number;
  /** What strikes at named places, by the room that passes them. */
  readonly faults: Readonly<Partial<Record<RoomName, readonly Fault[]>>>;
  /** How long a struck server stays away. */
  readonly awayMs: Readonly<Record<ServerName, number>>;
  readonly devicesUp: () => number;
};
export type Deployed = Ground & {
  /** What struck, in words. */
  readonly kills: readonly string[];
  /** Ends all rooms with SIGTERM; what did not end well. */
  stop(): Promise<readonly string[]>;
};
export const serverNames = ['PostgreSQL', 'NATS leader', 'InfluxDB', 'mosquitto'] as const;
export type ServerName = (typeof serverNames)[number];

/** How long after the last blow a refused call may still be its consequence, wall time. */
const FOLLOWS_WITHIN_MS = 60_000;
/** A connection may break that much sooner than its process is seen to have ended. */
const SEEN_WITHIN_MS = 10_000;
const CALL_WITHIN_MS = 60_000;

/** Every room apart, each a process of its own with its own login and certificate, on empty servers. */
export async function deploy(estate: Estate, plan: DeployedPlan): Promise<Deployed> {
  const { servers } = estate;
  const folder = mkdtempSync(join(tmpdir(), 'lachak-deployed-'));
  const logins = await emptied(estate);
  const settings = await settingsOf(servers, `readings_${estate.evenings}`);
  const certificates = join(folder, 'certificates');
  await makeCertificates(certificates, roomNames);
  const tlsOf = (room: RoomName) => ({
    ca: join(certificates, 'ca.pem'),
    cert: join(certificates, `${room}.pem`),
    key: join(certificates, `${room}.key`),
  });
  const state = join(folder, 'state');
  mkdirSync(state, { mode: 0o700 });
  const tokens = await openTokens(state);
  const keys = join(folder, 'issuer-keys.json');
  writeFileSync(keys, JSON.stringify(tokens.jwks));
  const rooms = Object.fromEntries(roomNames.map((room) => [room, `unix:${join(folder, room)}.sock`]));
  const [ocppPort] = await freePorts(1); // chargers know the address of a room that comes back

  const kills: string[] = [];
  let troubledAt = 0;
  const restoring = new Set<Promise<void>>();
  const strike = async (what: string, where: string): Promise<void> => {
    troubledAt = Date.now();
    kills.push(`${what} at ${where}`);
    const room = processes.get(what as RoomName);
    if (room) return room.kill();
    const name = what as ServerName;
    const down = takenDown(servers, name);
    const restored = down
      .then(async (server) => {
        await pause(plan.awayMs[name]);
        await server.restart();
      })
      .finally(() => {
        troubledAt = Date.now();
        restoring.delete(restored);
      });
    restoring.add(restored);
    await down;
  };
  const processes = new Map<RoomName, RoomProcess>(
    roomNames.map((room) => {
      const configFile = join(folder, `${room}.json`);
      const config = {
        ...settings,
        folder: state,
        databaseUrls: { [room]: logins.get(room)! },
        clock: 'stepped',
        clockStart: plan.clockStart,
        gateway: { port: 0 },
        ocpp: { port: ocppPort },
        grpc: { address: rooms[room] },
        rooms,
        tls: tlsOf(room),
        tokens: { keys: room === 'gateway' ? '' : keys },
        tasks: { heldSeconds: 4 },
        log: { level: process.env.LACHAK_TEST_LOG ?? 'error' },
      };
      writeFileSync(configFile, JSON.stringify(config), { mode: 0o600 });
      const fell = (at: Fault | null): void => {
        troubledAt = Date.now();
        if (at !== null) kills.push(`${room} at ${at.place}`);
      };
      const stands = ({ place, server }: Fault) => strike(server!, `${place} of ${room}`);
      return [room, keepRoom({ room, configFile, faults: plan.faults[room] ?? [], fell, stands })];
    }),
  );
  const tls = openTls({ tls: tlsOf('gateway') })!;
  const wires = new Map(roomNames.map((server) => [server, openWire(rooms[server]!, { tls, as: 'gateway', server })]));
  const own = () => Promise.reject(new Error('a test always says who it is'));
  const all = [...processes.values()];

  const ground: Deployed = {
    kills,
    connect: (service) => wires.get(roomServing(service.typeName) ?? 'gateway')!.client(service, own),
    as: async (role, { discom = DISCOM, organisation = '', participant = '' } = {}) => {
      const subject = participant || organisation || role;
      const token = await tokens.issue({ subject, roles: [role], discom, organisation, participant }, 2);
      return { as: { token, requestId: newId() }, deadlineMs: CALL_WITHIN_MS };
    },
    strike,
    whole: async (error) => {
      // A room that is asked while something is away says so; any other answer is a fault of ours.
      if (!(error instanceof Refusal && error.kind === 'unavailable')) return false;
      for (const late = Date.now() + SEEN_WITHIN_MS; Date.now() - troubledAt > FOLLOWS_WITHIN_MS; await pause(20))
        if (Date.now() > late) return false;
      await Promise.all(restoring);
      await Promise.all(all.map((one) => one.ready()));
      while (!(await devicesBack(ground, plan.devicesUp()))) {
        if (Date.now() - troubledAt > FOLLOWS_WITHIN_MS) return false;
        await pause(100);
        await Promise.all(all.map((one) => one.ready()));
      }
      return true;
    },
    unstruck: () => all.flatMap((one) => one.unstruck()),
    errors: () =>
      all
        .filter((one) => one.errors() !== '')
        .map((one) => `${one.room}: ${one.errors().slice(-1500)}`)
        .join('\n'),
    stop: async () => {
      await Promise.allSettled(restoring);
      for (const wire of wires.values()) wire.close();
      // Downstream first: nobody is left calling a room that is gone.
      const ended = await Promise.all(all.toReversed().map((one) => one.stop()));
      rmSync(folder, { recursive: true, force: true });
      return ended.filter((one) => one !== null);
    },
  };
  try {
    await Promise.all(all.map((one) => one.ready()));
    return ground;
  } catch (error) {
    await ground.stop();
    throw error;
  }
}

/** Takes the server away as a crash would. */
async function takenDown(
  { postgres, nats, influx, mosquitto }: Servers,
  name: ServerName,
): Promise<{ restart(): Promise<void> }> {
  const leader = name === 'NATS leader' ? (await nats.streamOf('facts_dispatch')).leader : '';
  const led = nats.servers.find((one) => one.name === leader) ?? nats.servers[0]!;
  const server = { PostgreSQL: postgres, InfluxDB: influx, mosquitto, 'NATS leader': led }[name];
  await server.kill();
  return server;
}

/** A new database on each server; what the evening before left is no longer seen. The rooms' logins in it. */
async function emptied(estate: Estate): Promise<Map<RoomName, string>> {
  const { postgres, nats, mosquitto } = estate.servers;
  const database = `evening_${++estate.evenings}`;
  const client = new pg.Client({ connectionString: postgres.url });
  await client.connect();
  await client.query(`create database ${database}`);
  await client.end();
  const here = (url: string): string => Object.assign(new URL(url), { pathname: database }).href;
  for (const [room, url] of await makeLogins(here(postgres.url))) estate.logins.set(room, url);
  await mosquitto.kill();
  await mosquitto.restart();
  await nats.empty();
  return new Map([...estate.logins].map(([room, url]) => [room, here(url)]));
}
