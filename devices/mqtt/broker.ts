import { randomBytes, timingSafeEqual } from 'node:crypto';
import { type AddressInfo, createServer, type Server, type Socket } from 'node:net';
import { Aedes, type AuthenticateError, type Client } from 'aedes';
import type { Authenticate, Heard } from '../driver.ts';
import { type Identity, mayPublish, maySubscribe, packetGuard } from './access.ts';
import type { TakeTelemetry } from './keeper.ts';

export const ROOM_USER = 'lachak';
const MOST_BYTES = 16 * 1024;
const NOT_AUTHORISED = 5;

/** How the room and its devices come to a broker. */
export type Entry = {
  /** Others run it: who is who it checks itself, by the files of mosquitto.ts. */
  readonly external: boolean;
  /** After so long without a word it is taken for gone, and the room connects again. */
  readonly patienceSeconds: number;
  open(): Promise<{
    readonly url: string;
    readonly deviceUrl: string;
    /** Of ROOM_USER; asked for before each attempt, since it may have been changed. */
    password(): string;
    close(): Promise<void>;
  }>;
};

/** The broker inside this process; what the room itself logs in with is made anew by every process. */
export const embeddedEntry = (setting: Omit<Parameters<typeof openBroker>[0], 'serviceSecret'>): Entry => ({
  external: false,
  patienceSeconds: 15,
  open: async () => {
    const password = randomBytes(24).toString('base64url');
    const { port, close } = await openBroker({ ...setting, serviceSecret: password });
    const own = setting.host === '0.0.0.0' ? '127.0.0.1' : setting.host;
    return { url: `mqtt://${own}:${port}`, deviceUrl: `mqtt://${setting.host}:${port}`, password: () => password, close };
  },
});

export type Broker = { readonly port: number; close(): Promise<void> };

/**
 * MQTT 3.1.1 inside the process. Nobody is anonymous: a device's user name is `<discom>/<device>`, its client id the device id, so
 * that no one can push it off by taking its name.
 */
export async function openBroker({
  host,
  port,
  authenticate,
  serviceSecret,
  refused,
  taken,
}: {
  host: string;
  port: number;
  authenticate: Authenticate;
  serviceSecret: string;
  refused: Heard['refused'];
  /** Before a device's publication is acknowledged; when it throws the connection ends, and the device says it again on the next. */
  taken: TakeTelemetry;
}): Promise<Broker> {
  const identities = new WeakMap<Client, Identity>();
  const names = new WeakMap<Client, string>();
  const refuse = (what: Parameters<Heard['refused']>[0], client: Client | null, detail: string): Error => {
    refused(what, { device: (client && names.get(client)) ?? 'unknown', detail });
    return new Error(detail);
  };
  const aedes = await Aedes.createBroker({
    concurrency: 1000,
    drainTimeout: 15_000,
    queueLimit: 1000,
    maxClientsIdLength: 36,
    authenticate: (client, username, password, done) => {
      names.set(client, (username ?? '').slice(0, 80));
      identify(authenticate, serviceSecret, client.id, username ?? '', password?.toString() ?? '').then(
        (identity) => {
          if (typeof identity === 'string') return done(denied(refuse('login', client, identity)), null);
          identities.set(client, identity);
          done(null, true);
        },
        (error: Error) => done(denied(error), null),
      );
    },
    authorizePublish: (client, packet, done) => {
      const who = client && identities.get(client);
      if (packet.payload.length > MOST_BYTES)
        return done(refuse('oversize', client, `${packet.payload.length} bytes to ${packet.topic}`));
      if (!who || !mayPublish(who, packet.topic))
        return done(refuse('publish', client, `may not publish to ${packet.topic.slice(0, 200)}`));
      taken(packet.topic, Buffer.from(packet.payload)).then(() => done(null), done);
    },
    authorizeSubscribe: (client, subscription, done) => {
      const who = identities.get(client);
      if (who && maySubscribe(who, subscription.topic)) return done(null, subscription);
      refuse('subscribe', client, `may not subscribe to ${subscription.topic.slice(0, 200)}`);
      done(null, null); // the subscription fails (128), the connection stays
    },
  });
  // A broken packet ends its connection; the broker goes on.
  aedes.on('clientError', () => {});
  aedes.on('connectionError', () => {});
  const sockets = new Set<Socket>();
  const server = createServer((socket) => {
    sockets.add(socket);
    socket.once('close', () => sockets.delete(socket));
    socket.setNoDelay(true);
    const guard = packetGuard(MOST_BYTES + 1024);
    const client = aedes.handle(socket);
    socket.on('data', (chunk: Buffer) => {
      if (guard(chunk)) return;
      refuse('oversize', client, 'a packet longer than 16 kB');
      socket.destroy();
    });
    socket.on('error', () => socket.destroy());
  });
  await listen(server, host, port);
  return {
    port: (server.address() as AddressInfo).port,
    close: async () => {
      const closed = new Promise<void>((done) => void server.close(() => done()));
      await new Promise<void>((done) => aedes.close(() => done()));
      for (const socket of sockets) socket.destroy();
      await closed;
    },
  };
}

async function identify(
  authenticate: Authenticate,
  serviceSecret: string,
  clientId: string,
  username: string,
  secret: string,
): Promise<Identity | string> {
  if (username === ROOM_USER) {
    const [given, right] = [Buffer.from(secret), Buffer.from(serviceSecret)];
    return given.length === right.length && timingSafeEqual(given, right) ? { kind: 'room' } : 'wrong secret for the room';
  }
  const [discom, deviceId, ...more] = username.split('/');
  if (!discom || !deviceId || more.length > 0) return 'the user name must be <discom>/<device>';
  if (clientId !== deviceId) return 'the client id must be the device id';
  const found = await authenticate(deviceId, secret, 'flex/1');
  if (typeof found === 'string') return found;
  return found.discom === discom ? { kind: 'device', discom, deviceId } : 'unknown_device';
}

const denied = (error: Error): AuthenticateError => Object.assign(error, { returnCode: NOT_AUTHORISED });

export const listen = (server: Server, host: string, port: number): Promise<void> =>
  new Promise((done, fail) => {
    server.once('error', fail);
    server.listen(port, host, () => {
      server.off('error', fail);
      done();
    });
  });
