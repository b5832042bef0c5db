import { readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { invalid } from '../domain/outcome.ts';
import { roomNames } from './arrows.ts';
import type { RoomName } from './room.ts';
import { settings } from './settings.ts';

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
    /** After so long without a word a broker of one's own is taken for gone, and the room connects again. */
    readonly patienceSeconds: number;
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
    /** Any question is given up after so long; a connection on which nothing is heard for half as long again is made anew. */
    readonly patienceSeconds: number;
  };
  readonly tasks: {
    /**
     * A task whose holder gives no sign of life for so long goes to another instance: long against the longest pause of a process that
     * lives, short against a run.
     */
    readonly heldSeconds: number;
  };
  /** What metering keeps of the tiles it has read, MiB of their files; the rest is read again when it is asked for. */
  readonly metering: { readonly cacheMegabytes: number };
  readonly metrics: {
    /** host:port where this process serves GET /metrics; empty = only the gateway does, on its own port. */
    readonly address: string;
    /** A file with a token for who collects them; empty = operators' tokens only. */
    readonly tokenFile: string;
  };
  readonly traces: {
    /** http(s)://host:port/path of an OpenTelemetry collector (OTLP over HTTP); empty = no traces. */
    readonly endpoint: string;
    /** Of the requests that begin a trace, how many are kept. */
    readonly percent: number;
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
  mqtt: {
    host: '127.0.0.1',
    port: 1883,
    url: '',
    deviceUrl: '',
    passwordFile: '',
    filesFolder: '',
    pidFile: '',
    patienceSeconds: 15,
  },
  ocpp: { host: '127.0.0.1', port: 8887 },
  devices: { pepperFile: '' },
  grpc: { address: '' },
  rooms: noRoom,
  tls: { ca: '', cert: '', key: '' },
  tokens: { keys: '' },
  nats: { url: '', credentials: '', replicas: 1, patienceSeconds: 10 },
  tasks: { heldSeconds: 15 },
  metering: { cacheMegabytes: 256 },
  metrics: { address: '', tokenFile: '' },
  traces: { endpoint: '', percent: 100 },
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
