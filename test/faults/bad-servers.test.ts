import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync, statfsSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Writable } from 'node:stream';
import { Client as Channel, credentials } from '@grpc/grpc-js';
import pg from 'pg';
import { pino } from 'pino';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { room as devices } from '../../devices/service.ts';
import { room as catalogue } from '../../services/catalogue/service.ts';
import { makeCertificates } from '../../services/host/certs-cli.ts';
import { type Config, defaults } from '../../services/host/config.ts';
import { makeLogins } from '../../services/host/database-cli.ts';
import { missing } from '../../services/host/expect.ts';
import { type Host, startHost } from '../../services/host/host.ts';
import type { RoomMaker } from '../../services/host/room.ts';
import { furnish } from '../../services/host/testing.ts';
import { dependenciesAnswer } from '../../services/host/waiting.ts';
import { room as metering } from '../../services/metering/service.ts';
import { type Servers, startServers } from '../servers/all.ts';
import { startNats } from '../servers/nats.ts';
import { startPostgres15 } from '../servers/postgres15.ts';
import { startProxy, type TcpProxy } from '../servers/proxy.ts';

// Each server is the real one, and wrong: another login, another version, without what is needed, full. The room says which one it is,
// what it expected and what to do; it is not ready; and it is when the cause is gone, without being touched.
const folder = mkdtempSync(join(tmpdir(), 'lachak-bad-servers-'));
const soon = { timeout: 30_000, interval: 100 };
const closing: (() => Promise<unknown>)[] = [];
let servers: Servers;

beforeAll(async () => {
  servers = await startServers();
});
afterEach(async () => {
  for (const close of closing.splice(0).reverse()) await close();
});
afterAll(async () => {
  await servers?.stop();
  rmSync(folder, { recursive: true, force: true });
});

/** What a process writes to its log, line after line. */
function listening() {
  const lines: string[] = [];
  const sink = new Writable({
    write: (text, _, done) => {
      lines.push(String(text));
      done();
    },
  });
  return { log: pino({ level: 'warn' }, sink), lines };
}

/** One room on embedded PostgreSQL, and what it says. */
async function start(room: RoomMaker, changed: Partial<Config>): Promise<{ host: Host; lines: string[] }> {
  const own = mkdtempSync(join(folder, 'house-'));
  await furnish(own);
  const { log, lines } = listening();
  const ports = { mqtt: { ...defaults.mqtt, port: 0 }, ocpp: { ...defaults.ocpp, port: 0 } };
  const host = await startHost({
    config: { ...defaults, ...ports, ...changed, folder: own },
    rooms: [room],
    log,
    careless: true,
  });
  closing.push(() => host.stop());
  return { host, lines };
}

/** What the standard health service says: 1 = SERVING, 2 = NOT_SERVING. */
function health({ grpcAddress }: Host): Promise<number | undefined> {
  const channel = new Channel(grpcAddress, credentials.createInsecure());
  const same = (bytes: Buffer) => bytes;
  return new Promise((done) => {
    channel.makeUnaryRequest('/grpc.health.v1.Health/Check', same, same, Buffer.alloc(0), (_error, answer) => {
      channel.close();
      done(answer?.[1]);
    });
  });
}

/** Unready and said why; then, once `mend` has removed the cause, ready. */
async function expectRecovery(room: { host: Host; lines: string[] }, says: RegExp, mend: () => unknown): Promise<void> {
  await expect.poll(() => room.lines.join(''), soon).toMatch(says);
  await expect.poll(() => health(room.host), soon).toBe(2);
  await mend();
  await expect.poll(() => health(room.host), soon).toBe(1);
}

async function behind(port: number, instead: TcpProxy['instead'] = null): Promise<TcpProxy> {
  const proxy = await startProxy(port);
  proxy.instead = instead;
  closing.push(() => proxy.stop());
  return proxy;
}
const portOf = (url: string): number => Number(new URL(url).port);

describe('NATS', () => {
  const at = (proxy: TcpProxy) => ({ ...defaults.nats, url: `nats://127.0.0.1:${proxy.port}` });

  test('that is not there', async () => {
    const proxy = await behind(portOf(servers.nats.url));
    proxy.weather = 'closed';
    const room = await start(catalogue, { nats: at(proxy) });
    await expectRecovery(room, /"dependency":"NATS".*NATS at 127\.0\.0\.1:\d+ .*nats\.url/, () => {
      proxy.weather = 'clear';
    });
  });

  test.each([
    ['of a version that is too old', ['"version":"2.', '"version":"1.'], /is version 1\..*expected 2\.9 or later: upgrade/],
    ['without JetStream', ['"jetstream":true', '"jetstream":null'], /without JetStream: add jetstream/],
  ] as const)('%s', async (_, instead, says) => {
    const proxy = await behind(portOf(servers.nats.url), instead);
    const room = await start(catalogue, { nats: at(proxy) });
    await expectRecovery(room, says, () => {
      proxy.instead = null;
    });
  });

  test('that does not know us', async () => {
    const guarded = await startNats({ user: 'lachak', password: 'right' });
    closing.push(() => guarded.stop());
    const file = join(folder, 'nats-credentials');
    writeFileSync(file, 'lachak:wrong');
    const url = guarded.url.replace(/\/\/.*@/, '//');
    const room = await start(catalogue, { nats: { ...defaults.nats, url, credentials: file } });
    await expectRecovery(room, /does not let us in; expected the user of nats\.url or nats\.credentials/, () =>
      writeFileSync(file, 'lachak:right'),
    );
  });
});

describe('InfluxDB', () => {
  test('whose database is missing', async () => {
    const room = await start(metering, { influxUrl: servers.influx.url('readings') });
    await expectRecovery(room, /"dependency":"InfluxDB".*InfluxDB at .*has no such database: CREATE DATABASE/, () =>
      servers.influx.query('CREATE DATABASE readings WITH DURATION INF SHARD DURATION 1d'),
    );
  });

  test('that does not know us', async () => {
    const url = new URL(servers.influx.url('readings'));
    const file = join(folder, 'influx-password');
    writeFileSync(file, 'wrong');
    const right = url.password;
    url.password = '';
    const room = await start(metering, { influxUrl: url.href, influxPasswordFile: file });
    await expectRecovery(room, /does not let the user lachak in: put the right user into influxUrl/, () =>
      writeFileSync(file, right),
    );
  });

  test('of a version that is too old', async () => {
    const proxy = await behind(servers.influx.port, ['X-Influxdb-Version: 1.6', 'X-Influxdb-Version: 1.5']);
    const influxUrl = servers.influx.url('readings').replace(`:${servers.influx.port}`, `:${proxy.port}`);
    const room = await start(metering, { influxUrl });
    await expectRecovery(room, /is version 1\.5\..*1\.6 or a later 1\.x is needed/, () => {
      proxy.instead = null;
    });
  });
});

describe('mosquitto', () => {
  test('that is not there', async () => {
    await servers.mosquitto.kill();
    const room = await start(devices, { mqtt: { ...defaults.mqtt, ...servers.mosquitto.setting } });
    await expectRecovery(room, /"dependency":"MQTT broker".*does not answer .*expected mosquitto 2.*mqtt\.url/, () =>
      servers.mosquitto.restart(),
    );
  });

  test('that does not let the room in', async () => {
    const file = join(folder, 'mqtt-password');
    writeFileSync(file, 'wrong');
    const { url, deviceUrl } = servers.mosquitto;
    const room = await start(devices, { mqtt: { ...defaults.mqtt, url, deviceUrl, passwordFile: file } });
    await expectRecovery(room, /does not let the devices room in .*lachak mqtt-files/, () =>
      writeFileSync(file, servers.mosquitto.servicePassword()),
    );
  });
});

describe('PostgreSQL, and the certificate, before a room apart starts', () => {
  /** As `lachak start catalogue` waits. */
  async function expectWaiting(databaseUrl: string, says: RegExp, mend: () => unknown, tls = defaults.tls): Promise<void> {
    const { log, lines } = listening();
    const enough = new AbortController();
    const own = { ...defaults.databaseUrls, catalogue: databaseUrl };
    const grpc = { address: `unix:${join(folder, 'waiting.sock')}` };
    const waiting = dependenciesAnswer({ ...defaults, databaseUrls: own, grpc, tls }, ['catalogue'], log, enough.signal);
    try {
      await expect.poll(() => lines.join(''), soon).toMatch(says);
      await mend();
      expect(await waiting).toBe(true);
    } finally {
      enough.abort();
      await waiting.catch(() => {});
    }
  }
  let url: string;
  const admin = async (sql: string): Promise<void> => {
    const client = new pg.Client({ connectionString: servers.postgres.url });
    await client.connect();
    await client.query(sql).finally(() => client.end());
  };
  beforeAll(async () => {
    url = (await makeLogins(servers.postgres.url)).get('catalogue')!;
  });

  test('a wrong password', () => {
    const { password } = new URL(url);
    const wrong = Object.assign(new URL(url), { password: 'changed' }).href;
    return expectWaiting(wrong, /PostgreSQL refuses the login.*correct user and password/, async () => {
      await admin("alter role lachak_catalogue password 'changed'");
      closing.push(() => admin(`alter role lachak_catalogue password '${password}'`));
    });
  });

  test('a database that is missing', () => {
    const elsewhere = Object.assign(new URL(url), { pathname: 'later' }).href;
    return expectWaiting(elsewhere, /the database is missing.*create it, or correct the URL/, async () => {
      await admin('create database later');
      await makeLogins(servers.postgres.url.replace('/postgres', '/later'));
    });
  });

  test('a server that is too old', async () => {
    const proxy = await behind(servers.postgres.port, ['1500', '1400']);
    const old = url.replace(`:${servers.postgres.port}`, `:${proxy.port}`);
    await expectWaiting(old, /PostgreSQL 14 answers; Lachak needs 15 or later: upgrade/, () => {
      proxy.instead = null;
    });
  });

  test('a certificate that has expired', async () => {
    const made = join(folder, 'certificates');
    await makeCertificates(made, ['catalogue'], { days: 1, from: Date.now() - 2 * 86_400_000 });
    const tls = { ca: join(made, 'ca.pem'), cert: join(made, 'catalogue.pem'), key: join(made, 'catalogue.key') };
    await expectWaiting(
      url,
      /"dependency":"certificate".*catalogue\.pem expired on .*lachak certs/,
      () => makeCertificates(made, ['catalogue']),
      tls,
    );
  });
});

test.runIf(process.getuid?.() === 0)(
  'a full disk: what is told is refused with the reason, and taken when there is room again',
  async () => {
    const disk = mkdtempSync(join(tmpdir(), 'lachak-disk-'));
    execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=200m,mode=0755', 'tmpfs', disk]);
    closing.push(async () => {
      execFileSync('umount', ['-l', disk]);
      rmSync(disk, { recursive: true });
    });
    const full = await startPostgres15(disk);
    closing.push(() => full.stop());
    const host = await startHost({
      config: { ...defaults, folder: mkdtempSync(join(folder, 'house-')), databaseUrl: full.url },
      rooms: [catalogue],
      log: pino({ level: 'silent' }),
    });
    closing.push(() => host.stop());
    const { database } = await host.schema('catalogue');
    // Unlogged: no room for the log itself would end the server, and that is another trouble.
    await database.query('create unlogged table bulk (text text)');
    const more = () => database.query('insert into bulk select repeat(md5(random()::text), 64) from generate_series(1, 2000)');
    const ballast = join(disk, 'ballast');
    const { bavail, bsize } = statfsSync(disk);
    writeFileSync(ballast, Buffer.alloc((bavail - 4096) * bsize));
    const refused = await (async () => {
      for (;;) {
        try {
          await more();
        } catch (error) {
          return error;
        }
      }
    })();
    expect(missing(refused)).toMatch(/the disk of PostgreSQL is full .*make room/);
    rmSync(ballast);
    await expect.poll(() => more().then(() => true), soon).toBe(true);
  },
);
