import { readFileSync } from 'node:fs';
import { setTimeout as pause } from 'node:timers/promises';
import {
  type ConnectionOptions,
  connect,
  credsAuthenticator,
  DiscardPolicy,
  type JetStreamClient,
  type JetStreamManager,
  type NatsConnection,
  nanos,
  RetentionPolicy,
  StorageType,
  type StreamConfig,
} from 'nats';
import type { Logger } from 'pino';
import { Refusal } from '../domain/outcome.ts';
import type { Config } from './config.ts';
import type { RoomName } from './room.ts';

/** The carrier is bounded: the outbox is the record, and whoever fell behind lists from there. */
const KEPT_MS = 7 * 24 * 3600_000;
const KEPT_BYTES = 256 * 1024 * 1024;
const OLDEST = [2, 9] as const;
const DUPLICATES_MS = 120_000;

export type Reached = {
  readonly connection: NatsConnection;
  readonly client: JetStreamClient;
  readonly manager: JetStreamManager;
};
export type JetStream = {
  /** When a question is given up. A leader's death stops acknowledgements for up to five seconds; whoever gives up sooner only asks twice. */
  readonly askMs: number;
  /** Null: reached now. Else why not, for people. */
  away(): string | null;
  /** Null once it has been reached and is what is needed; until then which server it is, what is wrong with it and what to do. */
  unusable(): string | null;
  /** Waits until the server has been reached once; afterwards the connection mends itself. */
  reached(): Promise<Reached>;
  /** The room's stream of facts exists. */
  streamOf(room: RoomName): Promise<string>;
  /** The room's stream of tasks exists. */
  workOf(room: RoomName): Promise<string>;
  stop(): Promise<void>;
};

export const workSubject = (room: RoomName, queue: string): string => `work.${room}.${queue}`;
export const subjectOf = (room: RoomName, partition: number): string => `facts.${room}.${partition}`;

/** Connects in the background, for as long as it takes: a house whose NATS is away starts, and its followers list instead. */
export function openJetStream(config: Config, log: Logger): JetStream {
  const stopping = new AbortController();
  const askMs = config.nats.patienceSeconds * 1000;
  let connection: NatsConnection | null = null;
  let away: string | null = 'not reached yet';
  const place = config.nats.url
    .split(',')
    .map((url) => new URL(url).host)
    .join(', ');
  let unusable: string | null = `NATS at ${place} has not been asked yet`;
  let found: (reached: Reached) => void = () => {};
  const first = new Promise<Reached>((done) => {
    found = done;
  });
  const streams = new Map<string, Promise<string>>();

  const watch = async (on: NatsConnection): Promise<void> => {
    for await (const { type, data } of on.status()) {
      if (type === 'disconnect') away = 'the connection was lost';
      else if (type === 'reconnect') away = null;
      else if (type === 'error') away = String(data);
      else continue;
      log.warn({ nats: type, reason: away }, away === null ? 'NATS is back' : 'NATS is away; followers list from the outbox');
    }
  };
  const reach = async (): Promise<void> => {
    while (!stopping.signal.aborted) {
      try {
        connection = await connect(optionsOf(config));
        if (stopping.signal.aborted) return void (await connection.close());
        const manager = await connection.jetstreamManager({ timeout: askMs, checkAPI: false });
        const wrong = versionProblem(connection) ?? (await accountProblem(manager));
        if (wrong !== null) {
          await connection.close();
          throw new Refusal('unavailable', 'nats_unusable', wrong);
        }
        [away, unusable] = [null, null];
        void watch(connection);
        found({ connection, client: connection.jetstream({ timeout: askMs }), manager });
        return;
      } catch (error) {
        away = error instanceof Refusal ? error.message : natsProblem(error as Error & { code?: string });
        unusable = `NATS at ${place} ${away}`;
        log.warn({ reason: away }, 'NATS cannot be reached; it is tried again');
        await pause(1000, undefined, { signal: stopping.signal }).catch(() => {});
      }
    }
  };
  const reaching = reach();

  const made = async (wanted: Partial<StreamConfig> & { readonly name: string }): Promise<string> => {
    const { manager } = await first;
    const { name } = wanted;
    for (let attempt = 0; ; attempt++) {
      try {
        await manager.streams.add({ storage: StorageType.File, num_replicas: config.nats.replicas, ...wanted });
        return name;
      } catch (error) {
        // Somebody made it with other bounds: theirs hold.
        if (/already in use/.test((error as Error).message)) return name;
        if (stopping.signal.aborted) throw error;
        log.warn({ stream: name, reason: (error as Error).message }, 'the stream cannot be made; it is tried again');
        await pause(Math.min(5000, 200 * 2 ** attempt), undefined, { signal: stopping.signal });
      }
    }
  };
  const once = (wanted: Parameters<typeof made>[0]): Promise<string> => {
    const stream = streams.get(wanted.name) ?? made(wanted);
    streams.set(wanted.name, stream);
    stream.catch(() => streams.delete(wanted.name));
    return stream;
  };

  return {
    askMs,
    away: () => away,
    unusable: () => unusable,
    reached: () => first,
    streamOf: (room) =>
      once({
        name: `facts_${room}`,
        subjects: [`facts.${room}.*`],
        discard: DiscardPolicy.Old,
        max_age: nanos(KEPT_MS),
        max_bytes: KEPT_BYTES,
        duplicate_window: nanos(DUPLICATES_MS),
      }),
    // Bounded by what rooms have left to do; a task that was lost is offered again.
    workOf: (room) =>
      once({ name: `work_${room}`, subjects: [`work.${room}.*`], retention: RetentionPolicy.Workqueue, max_bytes: KEPT_BYTES }),
    stop: async () => {
      stopping.abort();
      await connection?.close();
      await Promise.race([reaching, pause(1000)]);
    },
  };
}

/** Null: this server is what is needed. Else what it is, and what to do. */
export function versionProblem({ info }: NatsConnection): string | null {
  const { version = '', jetstream = false } = info ?? {};
  const [major = 0, minor = 0] = version.split('.').map(Number);
  if (major < OLDEST[0] || (major === OLDEST[0] && minor < OLDEST[1]))
    return `is version ${version}; expected ${OLDEST.join('.')} or later: upgrade the server`;
  return jetstream ? null : `version ${version} answers without JetStream: add jetstream { store_dir: … } to its configuration`;
}

/** A cluster that elects its leader says nothing: that is no problem of the account. */
const accountProblem = (manager: JetStreamManager): Promise<string | null> =>
  manager.getAccountInfo().then(
    () => null,
    (error) => (error.code === '503' ? natsProblem(error) : null),
  );

/** What is wrong, what was expected and what to do, for people. */
export function natsProblem({ code, message }: Error & { code?: string }): string {
  if (code === 'CONNECTION_REFUSED') return 'does not answer; expected NATS 2.9 or later there: start it, or correct nats.url';
  if (code === 'TIMEOUT')
    return 'said nothing of use in time: is it NATS, and has its JetStream a leader? Start it, or correct nats.url';
  if (code === 'AUTHORIZATION_VIOLATION' || code === 'AUTHENTICATION_EXPIRED')
    return 'does not let us in; expected the user of nats.url or nats.credentials to be known: correct it';
  if (code === '503') return 'has no JetStream for this account: enable it there';
  return `cannot be used (${message || code}): correct nats.url or nats.credentials, or the server`;
}

/**
 * Who we are at NATS, and where it is; a lost connection is made again for ever. Credentials come from a file (`.creds`, or
 * `user:password`) or stand in the URL; they appear in no log.
 */
export function optionsOf({ nats, tls }: Config): ConnectionOptions {
  const urls = nats.url.split(',').map((url) => new URL(url));
  const named = urls.find(({ username }) => username !== '');
  const file = nats.credentials === '' ? null : readFileSync(nats.credentials);
  const creds = file?.includes('BEGIN NATS USER JWT') ?? false;
  const [user, pass] = file && !creds ? file.toString('utf8').trim().split(/:(.*)/s) : [];
  return {
    servers: urls.map(({ host }) => host),
    name: 'lachak',
    ...(file && creds ? { authenticator: credsAuthenticator(file) } : {}),
    ...(user !== undefined && pass !== undefined ? { user, pass } : {}),
    ...(!file && named ? { user: decodeURIComponent(named.username), pass: decodeURIComponent(named.password) } : {}),
    ...(urls.some(({ protocol }) => protocol === 'tls:')
      ? { tls: tls.ca === '' ? {} : { caFile: tls.ca, ...(tls.cert === '' ? {} : { certFile: tls.cert, keyFile: tls.key }) } }
      : {}),
    maxReconnectAttempts: -1,
    reconnectTimeWait: 250,
    // Also for the way to a server that takes a connection and then says nothing.
    timeout: nats.patienceSeconds * 1000,
    pingInterval: nats.patienceSeconds * 500,
    maxPingOut: 2,
    ignoreAuthErrorAbort: true,
  };
}
