import { readFileSync } from 'node:fs';
import { connect as connectSocket } from 'node:net';
import { join } from 'node:path';
import mqtt from 'mqtt';
import { connect, type NatsConnection } from 'nats';
import { pino } from 'pino';
import { ROOM_USER } from '../../devices/mqtt/broker.ts';
import { roomNames } from '../host/arrows.ts';
import type { Config } from '../host/config.ts';
import { natsProblem, optionsOf, versionProblem } from '../host/jetstream.ts';
import { openInflux } from '../metering/influx-store.ts';
import { clockFinding, type Finding, note, ok, wrong } from './finding.ts';

const ANSWER_WITHIN_MS = 3000;

/** Each NATS server of `nats.url` by itself: one of a cluster may be missing while the others hide it. */
export async function lookAtNats(config: Config): Promise<Finding[]> {
  if (config.nats.url === '') return [];
  try {
    const options = optionsOf(config);
    return await Promise.all((options.servers as string[]).map((server) => lookAtOneNats({ ...options, servers: [server] })));
  } catch (error) {
    return [wrong('NATS', `nats.credentials cannot be read (${(error as Error).message}): correct it`)];
  }
}

async function lookAtOneNats(options: ReturnType<typeof optionsOf>): Promise<Finding> {
  const place = (options.servers as string[])[0]!;
  const what = `NATS ${place}`;
  let connection: NatsConnection | null = null;
  try {
    connection = await connect({
      ...options,
      name: 'lachak doctor',
      reconnect: false,
      ignoreClusterUpdates: true,
      timeout: ANSWER_WITHIN_MS,
    });
    const why = versionProblem(connection);
    if (why !== null) return wrong(what, why);
    const manager = await connection.jetstreamManager({ timeout: ANSWER_WITHIN_MS, checkAPI: false });
    const { streams } = await manager.getAccountInfo();
    return ok(what, `version ${connection.info?.version}, JetStream with ${streams} streams`);
  } catch (error) {
    return wrong(what, natsProblem(error as Error & { code?: string }));
  } finally {
    await connection?.close();
  }
}

/** InfluxDB, its database, and its clock, which it tells in whole seconds. */
export async function lookAtInflux({ influxUrl: url, influxPasswordFile: passwordFile }: Config): Promise<Finding[]> {
  if (url === '') return [];
  const { origin, pathname } = new URL(url);
  const what = `InfluxDB ${origin}`;
  const influx = openInflux({ url, passwordFile }, pino({ level: 'silent' }));
  try {
    await influx.start();
    const why = influx.away();
    if (why !== null) return [wrong(what, `${why}; expected InfluxDB 1.6 or a later 1.x with the database of influxUrl`)];
    const asked = Date.now();
    const { headers } = await fetch(`${origin}/ping`, { signal: AbortSignal.timeout(ANSWER_WITHIN_MS) });
    const found = ok(
      what,
      `version ${headers.get('x-influxdb-version')}, keeps readings in ${decodeURIComponent(pathname.slice(1))}`,
    );
    const told = Date.parse(headers.get('date') ?? '');
    if (Number.isNaN(told)) return [found];
    const answered = Date.now();
    return [found, clockFinding(what, told + 500 - (asked + answered) / 2, (answered - asked) / 2 + 500)];
  } catch (error) {
    return [wrong(what, `broke off (${(error as Error).message}): look again`)];
  } finally {
    influx.stop();
  }
}

/** A broker of one's own, entered as the devices room enters it, under another client id. */
export async function lookAtBroker({ mqtt: { url, passwordFile, filesFolder } }: Config): Promise<Finding[]> {
  if (url === '') return [];
  const what = `MQTT ${url}`;
  const file = passwordFile || (filesFolder && join(filesFolder, 'service-password'));
  if (file === '') return [wrong(what, 'nobody says with which password: set mqtt.passwordFile or mqtt.filesFolder')];
  let password: string;
  try {
    password = readFileSync(file, 'utf8').trim();
  } catch (error) {
    return [wrong(what, `the room's password cannot be read (${(error as Error).message}): lachak mqtt-files makes it`)];
  }
  try {
    const clientId = `lachak-doctor-${process.pid}`;
    const login = { username: ROOM_USER, password, clientId, reconnectPeriod: 0, connectTimeout: ANSWER_WITHIN_MS };
    const client = await mqtt.connectAsync(url, login, false);
    await client.endAsync(true);
    return [ok(what, 'lets the devices room in')];
  } catch (error) {
    const { code, message } = error as Error & { code?: string | number };
    if (code === 4 || code === 5)
      return [wrong(what, `does not let the devices room in (${message}): have it read the files of lachak mqtt-files`)];
    const why = message || code || 'the connection was closed';
    return [wrong(what, `does not answer (${why}); expected mosquitto 2 there: start it, or correct mqtt.url`)];
  }
}

/** Rooms of other processes: whether something listens where they are said to be. One that does not run is no fault of the others. */
export async function lookAtRooms({ rooms }: Config): Promise<Finding[]> {
  const places = roomNames.flatMap((room) =>
    rooms[room]
      .split(',')
      .filter(Boolean)
      .map((one) => ({ room, address: one.trim() })),
  );
  return Promise.all(
    places.map(async ({ room, address }) => {
      const code = await reached(address);
      if (code === null) return ok(`room ${room}`, `listens at ${address}`);
      return note(`room ${room}`, `nothing listens at ${address} (${code}): start it there, or correct rooms.${room}`);
    }),
  );
}

/** Null when something listens there; else the system's word for why not. */
export function reached(address: string): Promise<string | null> {
  const [host = '', port = ''] = address.split(/:(?=\d+$)/);
  return new Promise((done) => {
    const socket = address.startsWith('unix:')
      ? connectSocket({ path: address.slice('unix:'.length) })
      : connectSocket({ host, port: Number(port) });
    const end = (code: string | null): void => {
      socket.destroy();
      done(code);
    };
    socket.setTimeout(ANSWER_WITHIN_MS, () => end('ETIMEDOUT'));
    socket.once('connect', () => end(null)).once('error', (error: NodeJS.ErrnoException) => end(error.code ?? error.message));
  });
}
