import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import mqtt from 'mqtt';
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';
import { Answer_Outcome, Devices } from '../gen/lachak/v1/devices_pb.ts';
import { Direction } from '../gen/lachak/v1/types_pb.ts';
import { HOUR, MINUTE } from '../services/domain/interval.ts';
import { defaults } from '../services/host/config.ts';
import { type TestHost, testHost } from '../services/host/testing.ts';
import { type Mosquitto, startMosquitto } from '../test/servers/mosquitto.ts';
import { mqttFilesCommand } from './mqtt-files-cli.ts';
import { brokerPassword } from './secret-store.ts';
import { room } from './service.ts';
import { type SimulatedAc, simulatedAc } from './simulated/ac.ts';

const ORIGIN = Date.parse('2026-05-01T12:00:00Z');
const START = ORIGIN + 90 * MINUTE;
const END = START + HOUR;

let mosquitto: Mosquitto;
let host: TestHost;
const provision = async (deviceId: string, commandId = `p-${deviceId}`): Promise<string> => {
  const as = await host.token('operator');
  return (await host.connect(Devices).provisionDevice({ commandId, deviceId, protocol: 'flex/1' }, { as })).secret;
};
const online = async (): Promise<Record<string, boolean>> => {
  const { devices } = await host.connect(Devices).listDevices({}, { as: await host.token('operator') });
  return Object.fromEntries(devices.map((d) => [d.deviceId, d.online]));
};
beforeAll(async () => {
  mosquitto = await startMosquitto();
  const config = { mqtt: { ...defaults.mqtt, ...mosquitto.setting } };
  host = await testHost({ rooms: [room], clock: { start: ORIGIN }, config });
});
afterAll(async () => {
  await host?.stop();
  await mosquitto?.stop();
});

describe('mosquitto, with the files that Lachak keeps', () => {
  const secrets: Record<string, string> = {};
  const login = (more: Partial<mqtt.IClientOptions> = {}, url = mosquitto.deviceUrl) =>
    mqtt.connectAsync(
      url,
      { username: 'BRPL/mine', password: secrets.mine!, clientId: 'mine', reconnectPeriod: 0, ...more },
      false,
    );
  beforeAll(async () => {
    for (const id of ['mine', 'theirs']) secrets[id] = await provision(id);
    await vi.waitFor(async () => (await login()).endAsync(true), { timeout: 10_000, interval: 100 });
  });

  test('its password file holds no secret, and only its owner and group may read it', () => {
    const text = readFileSync(join(mosquitto.filesFolder, 'password'), 'utf8');
    expect(text).toMatch(/^BRPL\/mine:\$7\$101\$[\w+/]{16}\$[\w+/]{86}==$/m);
    for (const secret of Object.values(secrets)) expect(text).not.toContain(secret);
    expect(statSync(join(mosquitto.filesFolder, 'password')).mode & 0o777).toBe(0o640);
    expect(statSync(join(mosquitto.filesFolder, 'service-password')).mode & 0o777).toBe(0o600);
  });

  test('a hash is the one that mosquitto_passwd makes of the same salt', () => {
    const folder = mkdtempSync(join(tmpdir(), 'lachak-passwd-'));
    const file = join(folder, 'password');
    spawnSync('mosquitto_passwd', ['-c', '-b', file, 'user', 'a secret']);
    const theirs = readFileSync(file, 'utf8').trim().replace('user:', '');
    rmSync(folder, { recursive: true });
    const salt = Buffer.from(theirs.split('$')[3]!, 'base64');
    expect(brokerPassword('a secret', salt)).toBe(theirs);
  });

  test.each<[string, Partial<mqtt.IClientOptions>]>([
    ['a wrong secret', { password: 'nonsense' }],
    ['another device', { username: 'BRPL/theirs' }],
    ['another discom', { username: 'TPDDL/mine' }],
    ['nobody', { username: '', password: '' }],
    ['the room itself', { username: 'lachak' }],
  ])('%s is not let in', async (_name, more) => {
    await expect(login(more)).rejects.toThrow(/Not authorized/);
  });

  test('whatever a device subscribes to, it hears its own commands only', async () => {
    const client = await login();
    const heard: string[] = [];
    client.on('message', (topic) => void heard.push(topic));
    for (const topic of ['#', 'flex/v1/#', 'flex/v1/BRPL/theirs/command', 'flex/v1/BRPL/+/command', '$SYS/#'])
      await client.subscribeAsync(topic, { qos: 1 }).catch(() => {});
    const service = readFileSync(join(mosquitto.filesFolder, 'service-password'), 'utf8').trim();
    const lachak = await login({ username: 'lachak', password: service, clientId: 'test' }, mosquitto.url);
    for (const topic of ['theirs/command', 'theirs/status', 'theirs/telemetry', 'mine/ack', 'mine/command'])
      await lachak.publishAsync(`flex/v1/BRPL/${topic}`, '{}', { qos: 1 });
    await vi.waitFor(() => expect(heard).toContain('flex/v1/BRPL/mine/command'));
    expect(new Set(heard)).toEqual(new Set(['flex/v1/BRPL/mine/command']));
    await Promise.all([client.endAsync(true), lachak.endAsync(true)]);
  });

  test('what it says as another, or as Lachak, reaches nobody', async () => {
    const client = await login();
    const service = readFileSync(join(mosquitto.filesFolder, 'service-password'), 'utf8').trim();
    const lachak = await login({ username: 'lachak', password: service, clientId: 'test' }, mosquitto.url);
    const heard: string[] = [];
    lachak.on('message', (topic, payload) => void (payload.includes('online') && heard.push(topic))); // the room tells the time
    await lachak.subscribeAsync('flex/v1/#', { qos: 1 });
    heard.length = 0; // what was retained
    for (const topic of [
      'BRPL/theirs/status',
      'BRPL/theirs/command',
      'BRPL/mine/command',
      'BRPL/time',
      'TPDDL/mine/status',
      'BRPL/mine/ack/more',
    ])
      await client.publishAsync(`flex/v1/${topic}`, '{"online":true}', { qos: 1 });
    await client.publishAsync('flex/v1/BRPL/mine/status', '{"online":true}', { qos: 1 });
    await vi.waitFor(() => expect(heard.length).toBeGreaterThan(0));
    expect(heard).toEqual(['flex/v1/BRPL/mine/status']);
    await vi.waitFor(async () => expect(await online()).toMatchObject({ mine: true, theirs: false }));
    await Promise.all([client.endAsync(true), lachak.endAsync(true)]);
  });

  test("nobody pushes another off by naming its client id; a packet beyond 17 kB ends its sender's connection", async () => {
    const mine = await login();
    const theirs = await login({ username: 'BRPL/theirs', password: secrets.theirs! });
    theirs.on('error', () => {});
    await theirs.publishAsync('flex/v1/BRPL/theirs/telemetry', '{}', { qos: 1 });
    expect(mine.connected).toBe(true);
    const closed = new Promise<void>((done) => void theirs.once('close', done));
    theirs.publish('flex/v1/BRPL/theirs/telemetry', 'x'.repeat(40_000), { qos: 1 });
    await closed;
    expect(mine.connected).toBe(true);
    await Promise.all([mine.endAsync(true), theirs.endAsync(true)]);
  });

  test('a new secret ends the old one, and who is connected with it', async () => {
    const old = await login();
    const gone = new Promise<void>((done) => void old.once('close', done));
    const fresh = await provision('mine', 'again');
    await gone;
    await expect(login()).rejects.toThrow(/Not authorized/);
    secrets.mine = fresh;
    await (await login()).endAsync(true);
  });

  test('the command writes the same file as the room keeps', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'lachak-mqtt-files-'));
    const before = process.stdout.write;
    process.stdout.write = () => true;
    const code = await mqttFilesCommand([folder, '--folder', host.folder]).finally(() => {
      process.stdout.write = before;
    });
    expect(code).toBe(0);
    const devicesIn = (file: string) =>
      readFileSync(join(file, 'password'), 'utf8')
        .split('\n')
        .filter((line) => line.startsWith('BRPL/'));
    expect(devicesIn(folder)).toEqual(devicesIn(mosquitto.filesFolder));
    expect(readFileSync(join(folder, 'acl'), 'utf8')).toBe(readFileSync(join(mosquitto.filesFolder, 'acl'), 'utf8'));
    rmSync(folder, { recursive: true });
  });
});

describe('the broker is killed in the middle of an event', () => {
  test('devices and room find it again, one that had forgotten is told again, and no answer is given twice', async () => {
    const world = { seed: 7, origin: ORIGIN, offsetMinutes: 330 };
    const fleet: SimulatedAc[] = [];
    for (const deviceId of ['ac1', 'ac2']) {
      const ac = simulatedAc({ url: mosquitto.deviceUrl, discom: 'BRPL', deviceId, secret: await provision(deviceId) }, world);
      await vi.waitFor(() => ac.start(), { timeout: 10_000, interval: 100 });
      fleet.push(ac);
    }
    await host.advanceTo(START - 20 * MINUTE, 5 * MINUTE);
    const states = ['ac1', 'ac2'].map((deviceId) => ({
      instructionId: `i-${deviceId}`,
      eventId: 'e1',
      resourceId: `r-${deviceId}`,
      deviceId,
      valid: { startMs: BigInt(START), endMs: BigInt(END) },
      direction: Direction.SHED,
      level: 2,
    }));
    expect(await host.connect(Devices).apply({ states }, { discom: 'BRPL' })).toMatchObject({ taken: 2 });
    await host.advanceTo(START + 20 * MINUTE, 5 * MINUTE);
    await mosquitto.kill();
    await vi.waitFor(async () => expect(await online()).toMatchObject({ ac1: false, ac2: false }), { timeout: 10_000 });
    await mosquitto.restart();
    await vi.waitFor(async () => expect(await online()).toMatchObject({ ac1: true, ac2: true }), { timeout: 10_000 });
    await fleet[0]!.reboot();
    await vi.waitFor(async () => expect(await online()).toMatchObject({ ac1: true, ac2: true }), { timeout: 10_000 });
    await host.advanceTo(END + 30 * MINUTE, 5 * MINUTE);
    await host.settled();
    const said: string[] = [];
    for (const { body } of await host.facts.of('devices'))
      if (body.case === 'instructionAnswered')
        for (const a of body.value.answers) said.push(`${a.deviceId} ${Answer_Outcome[a.outcome]} ${a.proof}`);
    expect(new Set(said).size).toBe(said.length);
    expect(said.filter((s) => s.includes('APPLIED')).length).toBeGreaterThanOrEqual(2);
    for (const ac of fleet) {
      // A compressor that its limit keeps idle needs at least what is drawn without one.
      expect(ac.savedWh(START + 30 * MINUTE, END)).toBeGreaterThan(0);
      await ac.stop();
    }
    const db = await host.database('devices');
    expect(await db.query(`select 1 from instruction where not closed`)).toEqual([]);
  }, 60_000);
});

test('a broker that is away holds up nothing: the room starts, takes commands, and tells devices when it can', async () => {
  const away = await startMosquitto();
  await away.kill();
  const config = { mqtt: { ...defaults.mqtt, ...away.setting } };
  const late = await testHost({ rooms: [room], clock: 'system', config });
  try {
    const as = await late.token('operator');
    const ask = { commandId: 'p', deviceId: 'ac', protocol: 'flex/1' };
    const { secret } = await late.connect(Devices).provisionDevice(ask, { as });
    const now = Date.now();
    const state = { instructionId: 'i', eventId: 'e', deviceId: 'ac', direction: Direction.SHED, level: 1 };
    const valid = { startMs: BigInt(now), endMs: BigInt(now + HOUR) };
    expect(await late.connect(Devices).apply({ states: [{ ...state, valid }] }, { discom: 'BRPL' })).toMatchObject({ taken: 1 });
    await away.restart();
    const login = { username: 'BRPL/ac', password: secret, clientId: 'ac', reconnectPeriod: 0 };
    const client = await vi.waitFor(() => mqtt.connectAsync(away.deviceUrl, login, false), { timeout: 10_000, interval: 100 });
    const heard: string[] = [];
    client.on('message', (_topic, payload) => void heard.push(JSON.parse(payload.toString()).id));
    await client.subscribeAsync('flex/v1/BRPL/ac/command', { qos: 1 });
    await client.publishAsync('flex/v1/BRPL/ac/status', '{"online":true}', { qos: 1, retain: true });
    await vi.waitFor(() => expect(heard).toContain('i'), { timeout: 10_000 });
    await client.endAsync(true);
  } finally {
    await late.stop();
    await away.stop();
  }
}, 60_000);
