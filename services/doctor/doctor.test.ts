import { chmodSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type Server } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';
import { startInflux } from '../../test/servers/influx.ts';
import { startMosquitto } from '../../test/servers/mosquitto.ts';
import { startNats } from '../../test/servers/nats.ts';
import { room as catalogue } from '../catalogue/service.ts';
import { Refusal } from '../domain/outcome.ts';
import { makeCertificates } from '../host/certs-cli.ts';
import { type Config, defaults } from '../host/config.ts';
import type { RoomMaker } from '../host/room.ts';
import { type TestHost, testHost } from '../host/testing.ts';
import { doctorCommand, examined } from './doctor-cli.ts';
import type { Finding } from './finding.ts';

type Rooms = Parameters<typeof examined>[1];
const there = mkdtempSync(join(tmpdir(), 'lachak-doctor-'));
const quiet: Partial<Config> = {
  gateway: { ...defaults.gateway, port: 0 },
  mqtt: { ...defaults.mqtt, port: 0 },
  ocpp: { ...defaults.ocpp, port: 0 },
};
const only = (name: RoomMaker['name']): Rooms => [{ name, migrations: new URL('file:///nonexistent/') }];
const looked = (changed: Partial<Config>, rooms: Rooms = [catalogue]): Promise<Finding[]> =>
  examined({ ...defaults, ...quiet, folder: join(there, 'new'), ...changed }, rooms);
const said = (findings: readonly Finding[], what: string): string => {
  const lines = findings.filter((one) => one.what.startsWith(what)).map(({ verdict, says }) => `${verdict} ${says}`);
  return lines.length > 0 ? lines.join('\n') : `nothing about ${what} in ${findings.map((one) => one.what).join(', ')}`;
};
const faulty = (findings: readonly Finding[]): Finding[] => findings.filter(({ verdict }) => verdict === 'wrong');
afterAll(() => rmSync(there, { recursive: true, force: true }));

describe('a house on its own folder', () => {
  let house: TestHost;
  const folder = join(there, 'house');
  beforeAll(async () => {
    mkdirSync(folder, { mode: 0o700 });
    house = await testHost({ rooms: [catalogue], clock: 'system', folder });
  }, 60_000);
  afterAll(() => house.stop());

  test('while it runs: who holds the folder, the server, its clock, every schema', async () => {
    const found = await looked({ folder });
    expect(faulty(found)).toEqual([]);
    expect(said(found, 'folder')).toContain(`in use by the process ${process.pid}`);
    expect(said(found, 'PostgreSQL, embedded')).toMatch(/^ok version 1\d/);
    expect(said(found, 'clock, PostgreSQL')).toMatch(/^ok/);
    expect(said(found, 'schema host')).toMatch(/^ok \d+ migrations, all run/);
    expect(said(found, 'schema catalogue')).toMatch(/^ok \d+ migrations, all run/);
    expect(said(found, 'rooms')).toMatch(/^ok .*listen at/);
  });

  test('a room that never started here has its migrations to run, and that is not wrong', async () => {
    const found = await looked({ folder }, only('dispatch'));
    expect(said(found, 'schema dispatch')).toMatch(/^note .*still to run.*the next start does/);
    expect(faulty(found)).toEqual([]);
  });

  test('a schema that a later version brought forward', async () => {
    const database = await house.database('catalogue');
    await database.query("insert into migration values ('catalogue/999_later.sql', 'x')");
    expect(said(await looked({ folder }), 'schema catalogue')).toMatch(/^wrong .*later Lachak.*999_later/);
    await database.query("delete from migration where name = 'catalogue/999_later.sql'");
  });

  test('secrets that others can read', async () => {
    chmodSync(join(folder, 'secrets'), 0o755);
    expect(said(await looked({ folder }), 'secrets')).toMatch(/^wrong .*chmod -R go-rwx/);
    chmodSync(join(folder, 'secrets'), 0o700);
  });

  test('the command says it in lines and answers with its exit code, running and not', async () => {
    const out = vi.spyOn(process.stdout, 'write').mockReturnValue(true);
    const ports = ['--gateway-port', '0', '--mqtt-port', '0', '--ocpp-port', '0'];
    try {
      expect(await doctorCommand(['catalogue', '--folder', folder, ...ports], async () => [catalogue])).toBe(0);
      expect(String(out.mock.calls.at(-1)![0])).toMatch(/nothing is wrong\n$/);
      await house.stop();
      expect(await doctorCommand(['--folder', folder, ...ports], async () => [catalogue])).toBe(0);
      expect(String(out.mock.calls.at(-1)![0])).toMatch(/note {3}PostgreSQL, embedded +1\d, does not run: a start starts it/);
      const wrong = ['--folder', folder, ...ports, '--nats-url', 'nats://127.0.0.1:1'];
      expect(await doctorCommand(wrong, async () => [catalogue])).toBe(1);
      expect(String(out.mock.calls.at(-1)![0])).toMatch(/^wrong {2}NATS 127\.0\.0\.1:1 /m);
      await expect(doctorCommand(['catalogu'], async () => [catalogue])).rejects.toThrow(/did you mean catalogue/);
    } finally {
      out.mockRestore();
    }
  });
});

describe('followers that stand still', () => {
  let house: TestHost;
  let away = false;
  const folder = join(there, 'followers');
  const nowhere = new URL('file:///nonexistent/');
  const idle = { bindings: [], start: async () => {}, stop: async () => {} };
  const registry: RoomMaker = { name: 'registry', migrations: nowhere, make: () => idle };
  const dispatch: RoomMaker = {
    name: 'dispatch',
    migrations: nowhere,
    make: ({ facts }) => {
      facts.follow('registry', {
        personErased: async () => {
          if (away) throw new Refusal('unavailable', 'record_away', 'the record is away');
        },
      });
      return idle;
    },
  };
  const write = (key: string) => {
    const body = { case: 'personErased', value: { $typeName: 'lachak.v1.PersonErased', participantId: key } } as const;
    return house.facts.publish('registry', { discom: 'BRPL', key, body });
  };
  const dispatchSays = async () => said(await looked({ folder }, [dispatch]), 'facts, dispatch');
  beforeAll(async () => {
    mkdirSync(folder, { mode: 0o700 });
    house = await testHost({ rooms: [registry, dispatch], clock: 'system', folder });
  }, 60_000);
  afterAll(() => house.stop());

  test('a backlog that does not shrink, a parked key, an outbox that was put back', async () => {
    await write('one');
    await vi.waitFor(async () => expect(await dispatchSays()).toBe('ok of registry: all handled'), { timeout: 20_000 });
    away = true;
    await write('two');
    await vi.waitFor(async () => expect((await house.host.facts.standing()).followers[0]!.failure).toContain('away'), 20_000);
    expect(await dispatchSays()).toMatch(
      /^wrong stands still: 1 of registry wait since 20.*Z, the first is registry-2 \(personErased\)/,
    );
    away = false;
    await vi.waitFor(async () => expect(await dispatchSays()).toMatch(/^ok/), { timeout: 20_000 });
    const own = await house.database('dispatch');
    await own.query(
      `insert into fact_parked (upstream, position, partition, discom, key, kind, fact, state, error, attempts)
       values ('registry', 2, 0, 'BRPL', 'two', 'personErased', '', 'failed', 'no such person', 8)`,
    );
    expect(await dispatchSays()).toMatch(
      /^wrong 1 of registry are parked since 20.*registry-2, with "no such person": lachak facts parked/,
    );
    await own.query("update fact_parked set state = 'dropped'");
    await (await house.database('registry')).query('update relay set last_position = 1');
    expect(await dispatchSays()).toMatch(
      /^wrong registry was put back to its fact 1, but dispatch has handled its facts up to 2/,
    );
  }, 60_000);
});

test('a folder that is not there yet is no fault, and is not made by looking', async () => {
  const found = await looked({});
  expect(faulty(found)).toEqual([]);
  expect(said(found, 'folder')).toMatch(/^note .*not there yet/);
  expect(said(await looked({}), 'folder'), 'still not there').toMatch(/^note .*not there yet/);
});

test('a lock that a killed process left is taken over; a folder that everybody may write is wrong', async () => {
  const folder = join(there, 'left');
  mkdirSync(folder, { mode: 0o700 });
  writeFileSync(join(folder, 'lock'), JSON.stringify({ pid: 2 ** 22 - 1, startedAt: 'long ago' }));
  expect(said(await looked({ folder }), 'folder')).toMatch(/^note .*the next start takes it over/);
  chmodSync(folder, 0o777);
  expect(said(await looked({ folder }), 'folder')).toMatch(/^wrong .*0777.*chmod go-w/);
});

test('a port that another program has', async () => {
  const other = createServer();
  const port = await listening(other);
  const found = await looked({ ocpp: { host: '127.0.0.1', port } });
  expect(said(found, 'ocpp.port')).toMatch(/^wrong .*taken by another program.*--ocpp-port/);
  other.close();
});

const unreachable: [string, Partial<Config>, string, RegExp][] = [
  ['PostgreSQL', { databaseUrl: 'postgres://x:y@127.0.0.1:1/lachak' }, 'PostgreSQL', /does not answer.*15 or later.*start it/],
  ['a NATS', { nats: { ...defaults.nats, url: 'nats://127.0.0.1:1' } }, 'NATS', /does not answer.*2\.9 or later.*nats\.url/],
  ['an InfluxDB', { influxUrl: 'http://127.0.0.1:2/readings' }, 'InfluxDB', /cannot be reached.*ECONNREFUSED.*1\.6/],
  [
    'a broker',
    { mqtt: { ...defaults.mqtt, url: 'mqtt://127.0.0.1:1', passwordFile: fileURLToPath(import.meta.url) } },
    'MQTT',
    /does not answer.*mosquitto 2.*mqtt\.url/,
  ],
  ['a broker without a password', { mqtt: { ...defaults.mqtt, url: 'mqtt://127.0.0.1:1' } }, 'MQTT', /set mqtt\.passwordFile/],
  [
    'an issuer of tokens',
    { tokens: { keys: 'http://127.0.0.1:2/jwks.json' } },
    'tokens',
    /cannot be read.*ECONNREFUSED.*tokens\.keys/,
  ],
  ['half a TLS', { tls: { ca: '', cert: 'x.pem', key: 'x.key' } }, 'certificate', /tls\.ca: is missing/],
  [
    'one login and no other',
    { databaseUrls: { ...defaults.databaseUrls, metering: 'postgres://127.0.0.1:1/x' } },
    'PostgreSQL',
    /catalogue, devices.*databaseUrls/,
  ],
];
const three = [catalogue, ...only('metering'), ...only('devices')];
test.each(unreachable)('%s that cannot be used: what was expected, what to do', async (_, changed, what, says) => {
  const found = await looked(changed, three);
  expect(said(found, what)).toMatch(/^wrong/);
  expect(said(found, what)).toMatch(says);
  expect(faulty(found), 'and nothing else is blamed').toHaveLength(1);
});

test('a server that accepts and says nothing is given up', async () => {
  const mute = createServer(() => {});
  const port = await listening(mute);
  const changed = {
    nats: { ...defaults.nats, url: `nats://127.0.0.1:${port}` },
    databaseUrl: `postgres://x:y@127.0.0.1:${port}/z`,
  };
  const found = await looked({ ...changed, influxUrl: `http://127.0.0.1:${port}/readings` }, three);
  expect(faulty(found).map(({ what }) => what.split(' ')[0])).toEqual(['PostgreSQL', 'InfluxDB', 'NATS']);
  mute.close();
}, 20_000);

test('rooms elsewhere that do not run yet are named, and are no fault of these', async () => {
  const rooms = { ...defaults.rooms, dispatch: '127.0.0.1:1' };
  expect(said(await looked({ rooms }), 'room dispatch')).toMatch(/^note nothing listens at 127\.0\.0\.1:1 \(ECONNREFUSED\)/);
});

test.each([
  [90, /^ok of catalogue, until/],
  [5, /^note .*4 days from now: make a new one/],
])('a certificate of %d days', async (days, says) => {
  const folder = join(there, `certificates-${days}`);
  await makeCertificates(folder, ['catalogue'], { days });
  const tls = { ca: join(folder, 'ca.pem'), cert: join(folder, 'catalogue.pem'), key: join(folder, 'catalogue.key') };
  expect(said(await looked({ tls }), 'certificate')).toMatch(says);
  expect(said(await looked({ tls }, only('dispatch')), 'certificate')).toMatch(/^wrong .*names catalogue, not dispatch/);
  chmodSync(tls.key, 0o644);
  expect(said(await looked({ tls }), 'certificate')).toMatch(/^wrong .*read by everybody/);
});

describe('servers that are there', () => {
  test('NATS: its version and JetStream; a stranger is not let in', async () => {
    const nats = await startNats({ user: 'lachak', password: 'only-in-this-test' });
    try {
      expect(said(await looked({ nats: { ...defaults.nats, url: nats.url } }), 'NATS')).toMatch(/^ok version 2\.\d+.*JetStream/);
      const url = nats.url.replace('only-in-this-test', 'wrong');
      const found = await looked({ nats: { ...defaults.nats, url } });
      expect(said(found, 'NATS')).toMatch(/^wrong does not let us in/);
      expect(JSON.stringify(found)).not.toContain('only-in-this-test');
    } finally {
      await nats.stop();
    }
  }, 60_000);

  test('InfluxDB: its version, database and clock; a database that is missing', async () => {
    const influx = await startInflux();
    try {
      await influx.query('CREATE DATABASE readings');
      const found = await looked({ influxUrl: influx.url('readings') }, only('metering'));
      expect(said(found, 'InfluxDB')).toMatch(/^ok version 1\.\d+.*keeps readings in readings/);
      expect(said(found, 'clock, InfluxDB')).toMatch(/^ok/);
      const missing = await looked({ influxUrl: influx.url('nowhere') }, only('metering'));
      expect(said(missing, 'InfluxDB')).toMatch(/^wrong .*CREATE DATABASE "nowhere"/);
    } finally {
      await influx.stop();
    }
  }, 60_000);

  test('mosquitto: lets the room in by the files it was given, and nobody else', async () => {
    const broker = await startMosquitto();
    try {
      const mqtt = { ...defaults.mqtt, ...broker.setting };
      expect(said(await looked({ mqtt }, only('devices')), 'MQTT')).toBe('ok lets the devices room in');
      const passwordFile = join(there, 'wrong-password');
      writeFileSync(passwordFile, 'wrong\n');
      const found = await looked({ mqtt: { ...mqtt, passwordFile } }, only('devices'));
      expect(said(found, 'MQTT')).toMatch(/^wrong does not let the devices room in.*lachak mqtt-files/);
    } finally {
      await broker.stop();
    }
  }, 60_000);
});

function listening(server: Server): Promise<number> {
  return new Promise((done) => server.listen(0, '127.0.0.1', () => done((server.address() as { port: number }).port)));
}
