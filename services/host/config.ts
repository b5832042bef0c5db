import { readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { invalid } from '../domain/outcome.ts';
import { roomNames } from './arrows.ts';
import type { RoomName } from './room.ts';
import {
  filled,
  grpcAddress,
  grpcAddresses,
  hostPort,
  influx,
  instant,
  mqttUrl,
  natsUrls,
  oneOf,
  port,
  postgres,
  text,
  whole,
} from './setting-readers.ts';

/** The validated configuration: file, then environment (LACHAK_…), then flags; each later one wins. */
export type Config = {
  /** The locked folder that holds everything when no server is named. */
  readonly folder: string;
  /** PostgreSQL by URL; empty = embedded, in `<folder>/postgres`. */
  readonly databaseUrl: string;
  /** A login of its own for a room, by URL; `{room}` in `databaseUrl` says the same for all. Its schema is made by `lachak database`. */
  readonly databaseUrls: Readonly<Record<RoomName, string>>;
  /** The record of readings: http(s)://[user[:password]@]host:port/database of an InfluxDB 1.x; empty = the tiles in the folder. */
  readonly influxUrl: string;
  /** A file with that user's password, when the URL does not hold it; empty = none. */
  readonly influxPasswordFile: string;
  /** Domain time follows the wall, or is stepped by the conductor (`lachak.v1.Clock/Advance`). */
  readonly clock: 'system' | 'stepped';
  /** Where a stepped clock starts when the folder is new, ms UTC. */
  readonly clockStart: number;
  readonly gateway: {
    readonly host: string;
    readonly port: number;
    readonly issuer: string;
    readonly rateLimitPerMinute: number;
  };
  readonly mqtt: {
    readonly host: string;
    readonly port: number;
    /** A broker of one's own, as the devices room reaches it; empty = the embedded one on `host` and `port`. */
    readonly url: string;
    /** Where devices reach that broker; empty = the same. */
    readonly deviceUrl: string;
    /** Holds the room's password at the broker; empty = `service-password` in `filesFolder`. */
    readonly passwordFile: string;
    /** Where the room keeps mosquitto's password and ACL files; empty = it keeps none. */
    readonly filesFolder: string;
    /** mosquitto's pid file, to tell it (SIGHUP) when the files have changed; empty = somebody else does. */
    readonly pidFile: string;
  };
  readonly ocpp: { readonly host: string; readonly port: number };
  /** The pepper of device secrets, the same file's bytes for every instance of the room; empty = the one in its folder. */
  readonly devices: { readonly pepperFile: string };
  /** Address of the rooms' gRPC server; empty = Unix socket `<folder>/lachak.sock`. */
  readonly grpc: { readonly address: string };
  /** Where rooms of other processes are: addresses with commas between, several = instances that take turns. All empty = all are here. */
  readonly rooms: Readonly<Record<RoomName, string>>;
  /** Files (PEM) for mutual TLS between rooms; all empty = none. */
  readonly tls: { readonly ca: string; readonly cert: string; readonly key: string };
  /** Whose tokens are believed: the issuer's public keys, a file or a URL; empty = this folder's own issuer. */
  readonly tokens: { readonly keys: string };
  readonly nats: {
    /** JetStream carries the facts between processes; several servers with commas; empty = PostgreSQL does. */
    readonly url: string;
    /** A file: NATS credentials (`.creds`), or `user:password`. */
    readonly credentials: string;
    /** Copies of each stream. */
    readonly replicas: number;
  };
  readonly metrics: {
    /** host:port where this process serves GET /metrics; empty = only the gateway does, on its own port. */
    readonly address: string;
    /** A file with a token for who collects them; empty = operators' tokens only. */
    readonly tokenFile: string;
  };
  readonly log: { readonly level: 'trace' | 'debug' | 'info' | 'warn' | 'error' | 'silent' };
};

const noRoom = Object.fromEntries(roomNames.map((room) => [room, ''])) as Record<RoomName, string>;

/** What holds when nothing else is said. */
export const defaults: Config = {
  folder: 'lachak-data',
  databaseUrl: '',
  influxUrl: '',
  influxPasswordFile: '',
  databaseUrls: noRoom,
  clock: 'system',
  clockStart: Date.parse('2026-05-01T00:00:00Z'),
  gateway: { host: '127.0.0.1', port: 8080, issuer: '', rateLimitPerMinute: 600 },
  mqtt: { host: '127.0.0.1', port: 1883, url: '', deviceUrl: '', passwordFile: '', filesFolder: '', pidFile: '' },
  ocpp: { host: '127.0.0.1', port: 8887 },
  devices: { pepperFile: '' },
  grpc: { address: '' },
  rooms: noRoom,
  tls: { ca: '', cert: '', key: '' },
  tokens: { keys: '' },
  nats: { url: '', credentials: '', replicas: 1 },
  metrics: { address: '', tokenFile: '' },
  log: { level: 'info' },
};

/** True when rooms of this house run in other processes. */
export const isApart = (config: Config): boolean => Object.values(config.rooms).some((address) => address !== '');

/** The URL of a room's PostgreSQL, and whether the login is the room's own (its schema was made by an administrator). */
export function databaseOf(config: Config, room: RoomName): { url: string; own: boolean } {
  const named = config.databaseUrls[room];
  if (named !== '') return { url: named, own: true };
  return { url: config.databaseUrl.replaceAll('{room}', room), own: config.databaseUrl.includes('{room}') };
}

/** One thing that can be set: its place in lachak.json, its reader, and what is allowed, in words. */
export type Setting = {
  readonly key: string;
  readonly read: (value: string) => string | number | null;
  readonly allowed: string;
  /** Null: one of many alike, which the help shows once. */
  readonly says: string | null;
};

/** All of it; flags are `--folder`, `--gateway-port` …, environment LACHAK_FOLDER, LACHAK_GATEWAY_PORT … */
export const settings: readonly Setting[] = [
  { key: 'folder', read: filled, allowed: 'a folder', says: 'everything Lachak keeps' },
  {
    key: 'databaseUrl',
    read: postgres,
    allowed: 'postgres://user:password@host/database, or empty for the embedded one',
    says: 'PostgreSQL 15 or later; {room} in it stands for the room',
  },
  ...roomNames.map((room, i) => ({
    key: `databaseUrls.${room}`,
    read: postgres,
    allowed: 'postgres://user:password@host/database',
    says: i === 0 ? "a room's own login (--database-urls-ROOM)" : null,
  })),
  {
    key: 'influxUrl',
    read: influx,
    allowed: 'http://user:password@host:8086/database, or empty: the tiles are the record',
    says: 'InfluxDB 1.6 or later of 1.x, the record of readings',
  },
  {
    key: 'influxPasswordFile',
    read: text,
    allowed: 'a file, or empty',
    says: 'the password of the user in influxUrl',
  },
  {
    key: 'clock',
    read: oneOf('system', 'stepped'),
    allowed: 'system or stepped',
    says: 'domain time follows the wall or is moved by an operator',
  },
  {
    key: 'clockStart',
    read: instant,
    allowed: 'an instant like 2026-05-01T00:00:00Z, or ms UTC',
    says: 'where a stepped clock starts in a new folder',
  },
  { key: 'gateway.host', read: filled, allowed: 'a host or address', says: 'where the console and the API listen' },
  { key: 'gateway.port', read: port, allowed: 'a port, 0 to 65535 (0: any free one)', says: '' },
  {
    key: 'gateway.issuer',
    read: text,
    allowed: 'a URL, or empty for the accounts of this installation',
    says: "the DISCOM's own OpenID provider, where people sign in (as LACHAK_OIDC_CLIENT_ID, LACHAK_OIDC_CLIENT_SECRET)",
  },
  {
    key: 'gateway.rateLimitPerMinute',
    read: (value) => whole(value, 1, 1_000_000),
    allowed: 'a whole number from 1 to 1000000',
    says: 'requests per token',
  },
  { key: 'mqtt.host', read: filled, allowed: 'a host or address', says: 'where the embedded MQTT broker listens' },
  { key: 'mqtt.port', read: port, allowed: 'a port, 0 to 65535 (0: any free one)', says: '' },
  {
    key: 'mqtt.url',
    read: mqttUrl,
    allowed: 'mqtt://host:port or mqtts://host:port without a password, or empty for the embedded broker',
    says: 'a broker of your own (mosquitto 2), as Lachak reaches it',
  },
  {
    key: 'mqtt.deviceUrl',
    read: mqttUrl,
    allowed: 'mqtt://host:port or mqtts://host:port, or empty for the same',
    says: 'as devices reach it',
  },
  { key: 'mqtt.passwordFile', read: text, allowed: 'a file', says: "holds the devices room's password at that broker" },
  {
    key: 'mqtt.filesFolder',
    read: text,
    allowed: 'a folder',
    says: "where the broker's password and ACL files are kept current",
  },
  { key: 'mqtt.pidFile', read: text, allowed: 'a file', says: "the broker's pid file, to have it read them again" },
  { key: 'ocpp.host', read: filled, allowed: 'a host or address', says: 'where charge points connect' },
  { key: 'ocpp.port', read: port, allowed: 'a port, 0 to 65535 (0: any free one)', says: '' },
  { key: 'devices.pepperFile', read: text, allowed: 'a file', says: "the pepper of devices' secrets, for several devices rooms" },
  {
    key: 'grpc.address',
    read: grpcAddress,
    allowed: 'host:port or unix:/path; empty = a socket in the folder',
    says: "the rooms' own server",
  },
  ...roomNames.map((room, i) => ({
    key: `rooms.${room}`,
    read: grpcAddresses,
    allowed: 'host:port or unix:/path, several with commas',
    says: i === 0 ? 'where a room of another process is (--rooms-ROOM)' : null,
  })),
  { key: 'tls.ca', read: text, allowed: 'a PEM file', says: 'whose certificates are believed between rooms' },
  { key: 'tls.cert', read: text, allowed: 'a PEM file', says: "the certificate that names this process's rooms" },
  { key: 'tls.key', read: text, allowed: 'a PEM file', says: 'its key' },
  { key: 'tokens.keys', read: text, allowed: 'a JWKS file or URL', says: "the token issuer's public keys, when it is elsewhere" },
  {
    key: 'nats.url',
    read: natsUrls,
    allowed: 'nats://user:password@host:port or tls://…, several with commas, or empty: PostgreSQL carries them',
    says: 'NATS JetStream 2.9 or later carries facts between processes',
  },
  { key: 'nats.credentials', read: text, allowed: 'a file: .creds, or user:password', says: 'who we are at NATS' },
  {
    key: 'nats.replicas',
    read: (value) => whole(value, 1, 5),
    allowed: 'a whole number from 1 to 5',
    says: 'copies of each stream in a NATS cluster',
  },
  {
    key: 'metrics.address',
    read: hostPort,
    allowed: 'host:port, or empty: only the gateway, at /metrics',
    says: 'where this process shows its metrics to Prometheus',
  },
  { key: 'metrics.tokenFile', read: text, allowed: 'a file', says: 'holds a token for who collects them' },
  {
    key: 'log.level',
    read: oneOf('trace', 'debug', 'info', 'warn', 'error', 'silent'),
    allowed: 'trace, debug, info, warn, error or silent',
    says: 'to stderr, one JSON object a line',
  },
];

/** `gateway.rateLimitPerMinute` → `gateway-rate-limit-per-minute`. */
export const flagOf = (key: string): string => key.replaceAll('.', '-').replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`);
/** `gateway.port` → `LACHAK_GATEWAY_PORT`. */
export const variableOf = (key: string): string => `LACHAK_${flagOf(key).replaceAll('-', '_').toUpperCase()}`;

export type Effective = { readonly config: Config; readonly sources: ReadonlyMap<string, string> };

/**
 * Reads everything and says where each value came from. Throws Refusal `config_invalid`, naming the key, where it was said, and what
 * is allowed; an unknown key in the file is refused too.
 */
export function loadConfig(
  flags: Readonly<Record<string, string | boolean | undefined>>,
  environment: Readonly<Record<string, string | undefined>>,
  changed: Partial<Config> = {},
): Effective {
  const file = (flags.config as string | undefined) ?? environment.LACHAK_CONFIG;
  const said = file === undefined ? new Map<string, string>() : readFile(file);
  const sources = new Map<string, string>();
  const config = structuredClone({ ...defaults, ...changed });
  for (const setting of settings) {
    const { key } = setting;
    const layers: [string, string | undefined][] = [
      [`the file ${file}`, said.get(key)],
      [`the environment variable ${variableOf(key)}`, environment[variableOf(key)]],
      [`the flag --${flagOf(key)}`, flags[flagOf(key)] as string | undefined],
    ];
    sources.set(key, 'default');
    for (const [source, value] of layers) {
      if (value === undefined) continue;
      const read = setting.read(value);
      if (read === null)
        throw invalid('config_invalid', `${key} is "${shown(key, value)}" (${source}); allowed: ${setting.allowed}`, key);
      put(config, key, read);
      sources.set(key, source);
    }
  }
  return { config: { ...config, folder: resolve(config.folder) }, sources };
}

/** For people: one line a setting, secrets masked, with its source. */
export function printConfig({ config, sources }: Effective): string {
  const rows = settings.map(({ key }) => [key, shown(key, String(get(config, key))), sources.get(key)!] as const);
  const width = (column: 0 | 1) => Math.max(...rows.map((row) => row[column].length));
  return rows.map(([key, value, source]) => `${key.padEnd(width(0))}  ${value.padEnd(width(1))}  ${source}`).join('\n');
}

function readFile(file: string): Map<string, string> {
  const found = new Map<string, string>();
  const walk = (value: unknown, key: string): void => {
    if (typeof value === 'object' && value !== null && !Array.isArray(value)) {
      for (const [name, member] of Object.entries(value)) walk(member, key === '' ? name : `${key}.${name}`);
      return;
    }
    if (!settings.some((setting) => setting.key === key)) {
      throw invalid(
        'config_invalid',
        `${file} sets ${key}, which is unknown; known: ${settings.map((setting) => setting.key).join(', ')}`,
        key,
      );
    }
    found.set(key, String(value));
  };
  let content: unknown;
  try {
    content = JSON.parse(readFileSync(file, 'utf8'));
  } catch (error) {
    throw invalid('config_invalid', `${file} cannot be read as JSON: ${(error as Error).message}`, 'config');
  }
  if (typeof content !== 'object' || content === null || Array.isArray(content))
    throw invalid('config_invalid', `${file} holds no JSON object`, 'config');
  walk(content, '');
  return found;
}

// A URL's password is the only secret that can be configured; keys and tokens live in files.
const shown = (key: string, value: string): string =>
  key === 'nats.url' ? value.split(',').map(masked).join(',') : /^(databaseUrl|influxUrl)/.test(key) ? masked(value) : value;
const masked = (url: string): string => url.replace(/(\/\/[^:/]*:).*@/, '$1***@');

function put(config: object, key: string, value: string | number): void {
  const [first, second] = key.split('.') as [string, string | undefined];
  const record = config as Record<string, unknown>;
  if (second === undefined) record[first] = value;
  else record[first] = { ...(record[first] as object), [second]: value };
}

function get(config: Config, key: string): unknown {
  return key.split('.').reduce<unknown>((value, name) => (value as Record<string, unknown>)[name], config);
}
