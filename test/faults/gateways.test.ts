import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test, vi } from 'vitest';
import { Direction } from '../../gen/lachak/v1/types_pb.ts';
import { type Mosquitto, startMosquitto } from '../servers/mosquitto.ts';
import { type NatsServers, startNats } from '../servers/nats.ts';
import { type Postgres15, startPostgres15 } from '../servers/postgres15.ts';
import { answersIn, charger, conditioner, type Gateway, sharesIn, startGateway } from './gateway-pair.ts';
import { freePorts } from './house.ts';

/*
 * Two gateways on PostgreSQL 15, NATS and mosquitto, chargers and air conditioners in real time. Gateways are killed (kill -9) and
 * frozen (SIGSTOP), NATS is restarted, while an event is on. After each: every device is told what is wanted of it by whoever is left,
 * within a bound, and no answer is published twice.
 */
const COUNT = 6;
const BACK_WITHIN_MS = 10_000;
let postgres: Postgres15;
let nats: NatsServers;
let mosquitto: Mosquitto;
let folder: string;
let one: Gateway;
let two: Gateway;
let ports: number[];
const chargers: ReturnType<typeof charger>[] = [];
const acs: Awaited<ReturnType<typeof conditioner>>[] = [];

const open = (name: string, more: Record<string, string> = {}): Promise<Gateway> =>
  startGateway(join(folder, name), {
    'database-url': postgres.url,
    'nats-url': nats.url,
    // Chargers know the address of a gateway that comes back.
    'ocpp-port': String({ one: ports[0], two: ports[1] }[name] ?? 0),
    'mqtt-url': mosquitto.url,
    'mqtt-device-url': mosquitto.deviceUrl,
    'mqtt-files-folder': mosquitto.filesFolder,
    'mqtt-pid-file': mosquitto.pidFile,
    ...more,
  });
const ids = (): string[] => [...chargers, ...acs].map((device) => device.deviceId);
const onlineAt = async (gateway: Gateway): Promise<number> =>
  (await gateway.devices.listDevices({}, await gateway.as('operator'))).devices.filter((device) => device.online).length;
const wish = async (gateway: Gateway, event: string): Promise<void> => {
  const now = Date.now();
  const states = ids().map((deviceId) => ({
    instructionId: `${event}-${deviceId}`,
    eventId: event,
    resourceId: '',
    deviceId,
    valid: { startMs: BigInt(now), endMs: BigInt(now + 3_600_000) },
    direction: Direction.SHED,
    level: 2,
  }));
  const answer = await gateway.devices.apply({ states }, await gateway.as('room'));
  expect(answer).toMatchObject({ taken: 2 * COUNT, refused: [] });
};
const limited = (): number => chargers.filter((one) => one.limitA() === 0).length;
const patiently = (check: () => unknown): Promise<unknown> => vi.waitFor(check, { timeout: BACK_WITHIN_MS, interval: 50 });
const noDoubles = async (): Promise<string[]> => {
  const answers = await answersIn(postgres.url);
  expect(answers.filter((answer, i) => answers.indexOf(answer) !== i)).toEqual([]);
  return answers;
};
const accepted = (answers: readonly string[], event: string): number =>
  new Set(answers.filter((a) => a.includes(` ${event}-`) && a.includes('ACCEPTED')).map((a) => a.split(' ')[0])).size;

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'lachak-gateways-'));
  [postgres, nats, mosquitto] = await Promise.all([startPostgres15(), startNats(), startMosquitto()]);
  ports = await freePorts(2);
  one = await open('one');
  two = await open('two', { 'devices-pepper-file': join(folder, 'one', 'devices', 'pepper') });
  const provision = async (deviceId: string, protocol: string): Promise<string> =>
    (await one.devices.provisionDevice({ commandId: deviceId, deviceId, protocol }, await one.as('operator'))).secret;
  for (let i = 0; i < COUNT; i++) {
    // All chargers at the first gateway: what the second pursues it reaches through the first.
    chargers.push(charger(`charger${i}`, await provision(`charger${i}`, 'ocpp1.6'), [one.ocppUrl, two.ocppUrl]));
    acs.push(await conditioner(`ac${i}`, await provision(`ac${i}`, 'flex/1'), mosquitto.deviceUrl));
  }
});
afterAll(async () => {
  for (const device of [...chargers, ...acs]) await device.stop();
  await Promise.all([one, two].map((gateway) => gateway?.kill('SIGKILL')));
  await Promise.all([postgres?.stop(), nats?.stop(), mosquitto?.stop()]);
  rmSync(folder, { recursive: true, force: true });
});

test('either gateway takes a command for any device, and finds it', async () => {
  await patiently(async () => expect([await onlineAt(one), await onlineAt(two)]).toEqual([2 * COUNT, 2 * COUNT]));
  await patiently(async () => expect(await sharesIn(postgres.url)).toEqual([32, 32])); // a new holder tells everything again
  await wish(two, 'first');
  await patiently(() => expect(limited()).toBe(COUNT));
  await patiently(() => expect(acs.every((ac) => ac.heard.length > 0)).toBe(true));
  await patiently(async () => expect(accepted(await noDoubles(), 'first')).toBe(2 * COUNT));
  // Both gateways hear every device; one of them acts.
  expect(acs.map((ac) => ac.heard)).toEqual(acs.map(() => ['criticalPeak']));
});

test('the gateway of all chargers is killed: they are limited again at the other, and it takes commands for all', async () => {
  await one.kill('SIGKILL');
  const began = performance.now();
  await patiently(() => expect(chargers.every((c) => c.told.at(-1) === two.ocppUrl && c.limitA() === 0)).toBe(true));
  const limitedAfter = performance.now() - began;
  await wish(two, 'second');
  await patiently(async () => expect(accepted(await noDoubles(), 'second')).toBe(2 * COUNT));
  console.log(
    `kill -9 of the holder: chargers limited again at the other gateway after ${limitedAfter.toFixed(0)} ms, ` +
      `a new event accepted by all ${2 * COUNT} devices after ${(performance.now() - began).toFixed(0)} ms`,
  );
});

test('a gateway that comes back takes its share again', async () => {
  one = await open('one');
  await patiently(async () => expect(await onlineAt(one)).toBe(2 * COUNT));
  await wish(one, 'third');
  await patiently(async () => expect(accepted(await noDoubles(), 'third')).toBe(2 * COUNT));
});

test('a frozen gateway is replaced; what it says when it thaws changes nothing', async () => {
  two.process.kill('SIGSTOP');
  // Their sockets there are half open: they give up and dial the other.
  const told = chargers.map((one) => one.told.length);
  for (const one of chargers) one.leave();
  await patiently(() => expect(chargers.every((c, i) => c.told.length > told[i]! && c.told.at(-1) === one.ocppUrl)).toBe(true));
  await wish(one, 'fourth');
  await patiently(async () => expect(accepted(await noDoubles(), 'fourth')).toBe(2 * COUNT));
  const before = await noDoubles();
  two.process.kill('SIGCONT');
  await patiently(async () => expect([await onlineAt(one), await onlineAt(two)]).toEqual([2 * COUNT, 2 * COUNT]));
  expect(await noDoubles()).toEqual(before);
  await wish(two, 'fifth');
  await patiently(async () => expect(accepted(await noDoubles(), 'fifth')).toBe(2 * COUNT));
  expect(limited()).toBe(COUNT);
});

test('NATS is killed and comes back: devices at the other gateway are found again', async () => {
  await nats.servers[0]!.kill();
  await patiently(async () => expect((await onlineAt(one)) + (await onlineAt(two))).toBe(3 * COUNT));
  await nats.servers[0]!.restart();
  await patiently(async () => expect([await onlineAt(one), await onlineAt(two)]).toEqual([2 * COUNT, 2 * COUNT]));
  await wish(one, 'sixth');
  await patiently(async () => expect(accepted(await noDoubles(), 'sixth')).toBe(2 * COUNT));
});

test('PostgreSQL falls over and comes back: the parts are shared again, and commands are taken', async () => {
  await postgres.kill();
  await postgres.restart();
  await patiently(async () => expect(await sharesIn(postgres.url)).toEqual([32, 32]));
  await wish(one, 'restarted');
  await patiently(async () => expect(accepted(await noDoubles(), 'restarted')).toBe(2 * COUNT));
});

test('a gateway told to stop hands over at once', async () => {
  const began = performance.now();
  await one.kill('SIGTERM');
  const gone = performance.now();
  await wish(two, 'seventh');
  await patiently(async () => expect(accepted(await noDoubles(), 'seventh')).toBe(2 * COUNT));
  console.log(
    `SIGTERM: gone after ${(gone - began).toFixed(0)} ms; ${(performance.now() - gone).toFixed(0)} ms later a new event is accepted by all`,
  );
  expect(performance.now() - gone).toBeLessThan(5000);
});

test('a gateway with another pepper does not start, and says why', async () => {
  await expect(open('three')).rejects.toThrow(/another pepper/);
});
