import { roomNames } from './arrows.ts';
import {
  filled,
  grpcAddress,
  grpcAddresses,
  hostPort,
  httpUrl,
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
  {
    key: 'mqtt.patienceSeconds',
    read: (value) => whole(value, 1, 300),
    allowed: 'a whole number from 1 to 300',
    says: 'after how long without a word your broker is taken for gone',
  },
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
    key: 'nats.patienceSeconds',
    read: (value) => whole(value, 1, 300),
    allowed: 'a whole number from 1 to 300',
    says: 'after how long without an answer a server is asked again, or another one is',
  },
  {
    key: 'tasks.heldSeconds',
    read: (value) => whole(value, 1, 600),
    allowed: 'a whole number from 1 to 600',
    says: "after how long without a sign of life an instance's task goes to another",
  },
  {
    key: 'metering.cacheMegabytes',
    read: (value) => whole(value, 0, 65_536),
    allowed: 'a whole number from 0 to 65536',
    says: 'how much of the tiles it has read metering keeps in memory, MiB',
  },
  {
    key: 'metrics.address',
    read: hostPort,
    allowed: 'host:port, or empty: only the gateway, at /metrics',
    says: 'where this process shows its metrics to Prometheus',
  },
  { key: 'metrics.tokenFile', read: text, allowed: 'a file', says: 'holds a token for who collects them' },
  {
    key: 'traces.endpoint',
    read: httpUrl,
    allowed: 'http://host:4318/v1/traces or https://…, or empty: none',
    says: 'an OpenTelemetry collector (OTLP over HTTP) that takes the traces',
  },
  {
    key: 'traces.percent',
    read: (value) => whole(value, 1, 100),
    allowed: 'a whole number from 1 to 100',
    says: 'how many of the requests that begin a trace',
  },
  {
    key: 'log.level',
    read: oneOf('trace', 'debug', 'info', 'warn', 'error', 'silent'),
    allowed: 'trace, debug, info, warn, error or silent',
    says: 'to stderr, one JSON object a line',
  },
];
