import { create } from '@bufbuild/protobuf';
import mqtt from 'mqtt';
import { afterAll, beforeAll, expect, test, vi } from 'vitest';
import { room as devices } from '../../devices/service.ts';
import { Answer_Outcome, Devices } from '../../gen/lachak/v1/devices_pb.ts';
import { RegistryChangedSchema } from '../../gen/lachak/v1/facts_pb.ts';
import { Direction, Register } from '../../gen/lachak/v1/types_pb.ts';
import { defaults } from '../../services/host/config.ts';
import { type TestHost, testHost } from '../../services/host/testing.ts';
import { type Mosquitto, startMosquitto } from '../servers/mosquitto.ts';
import { startProxy, type TcpProxy, type Weather } from '../servers/proxy.ts';

// Between the devices room and mosquitto lies a proxy that delays, holds back, loses, tears and resets what passes; the device has a way
// of its own. Meanwhile commands are taken at once and the device counts as away; afterwards it is told what is wanted by now, its answer
// is published once, and every register value that mosquitto took is kept once.
const foul: readonly Weather[] = ['slow', 'held', 'stalled', 'mute', 'torn', 'closed'];
const soon = { timeout: 20_000, interval: 50 };
const DEVICE = 'ac-1';

let mosquitto: Mosquitto;
let proxy: TcpProxy;
let host: TestHost;
let device: mqtt.MqttClient;
/** Ids of what the device was told, repeats too. */
const told: string[] = [];
let shown = 0;
const topic = (about: string): string => `flex/v1/BRPL/${DEVICE}/${about}`;
const operator = async () => ({ as: await host.token('operator') });

beforeAll(async () => {
  mosquitto = await startMosquitto();
  proxy = await startProxy(Number(new URL(mosquitto.url).port));
  const url = `mqtt://127.0.0.1:${proxy.port}`;
  const config = { mqtt: { ...defaults.mqtt, port: 0, ...mosquitto.setting, url, patienceSeconds: 1 } };
  host = await testHost({ rooms: [devices], clock: 'system', config });
  const about = { commandId: 'p', deviceId: DEVICE, protocol: 'flex/1' };
  const { secret } = await host.connect(Devices).provisionDevice(about, await operator());
  const meter = {
    meterId: 'm',
    connectionId: 'c',
    registers: [Register.IMPORT],
    shard: 1,
    ordinal: 0,
    source: `device:${DEVICE}`,
  };
  const value = create(RegistryChangedSchema, { records: [{ record: { case: 'meter', value: meter } }] });
  await host.facts.publish('registry', { discom: 'BRPL', key: 'BRPL', body: { case: 'registryChanged', value } });
  const database = await host.database('devices');
  await vi.waitFor(async () => expect(await database.query('select 1 from metered_register')).toHaveLength(1), soon);
  device = mqtt.connect(mosquitto.deviceUrl, {
    username: `BRPL/${DEVICE}`,
    password: secret,
    clientId: DEVICE,
    reconnectPeriod: 100,
    reconnectOnConnackError: true, // mosquitto reads its files a moment later
  });
  device.on('error', () => {});
  device.on('message', (_topic, payload) => {
    const { id } = JSON.parse(payload.toString()) as { id: string };
    told.push(id);
    const answer = (status: string) => JSON.stringify({ id, status, ts: new Date().toISOString() });
    for (const status of ['accepted', 'applied']) device.publish(topic('ack'), answer(status), { qos: 1 });
  });
  await new Promise<void>((done) => device.once('connect', () => done()));
  await device.subscribeAsync(topic('command'), { qos: 1 });
  await device.publishAsync(topic('status'), '{"online":true}', { qos: 1, retain: true });
});
afterAll(async () => {
  await device?.endAsync(true);
  await host?.stop();
  await proxy?.stop();
  await mosquitto?.stop();
});

const online = async (): Promise<boolean> => (await host.connect(Devices).listDevices({}, await operator())).devices[0]!.online;

async function wish(instructionId: string): Promise<number> {
  const now = BigInt(Date.now());
  const state = {
    instructionId,
    eventId: instructionId,
    resourceId: '',
    deviceId: DEVICE,
    valid: { startMs: now, endMs: now + 3_600_000n },
    direction: Direction.SHED,
    level: 2,
  };
  const began = performance.now();
  const as = await host.token('room');
  expect(await host.connect(Devices).apply({ states: [state] }, { as })).toMatchObject({ taken: 1, refused: [] });
  return performance.now() - began;
}
/** Says what its register shows; resolves when mosquitto has taken it. */
const show = async (): Promise<void> => {
  const at = Date.now() - 3_600_000 + shown * 1000;
  const sample = { ts: new Date(at).toISOString(), energyWh: shown++ };
  await device.publishAsync(topic('telemetry'), JSON.stringify(sample), { qos: 1 });
};
/** Takes all that waits for metering, as metering does. */
async function kept(): Promise<number[]> {
  const found: number[] = [];
  for (let receipts: string[] = []; ; ) {
    const { telemetry } = await host.connect(Devices).takeTelemetry({ receipts, most: 100 }, { discom: 'BRPL' });
    if (telemetry.length === 0) return found;
    receipts = telemetry.map(({ receipt }) => receipt);
    found.push(...telemetry.flatMap(({ values }) => values.map(({ wh }) => Number(wh))));
  }
}
/** What the house published of an instruction, in order. */
async function answers(instructionId: string): Promise<string[]> {
  const facts = await host.facts.of('devices');
  return facts.flatMap(({ body }) =>
    body.case === 'instructionAnswered'
      ? body.value.answers.filter((one) => one.instructionId === instructionId).map((one) => Answer_Outcome[one.outcome])
      : [],
  );
}

test.each(foul)('%s: commands are taken at once, nothing hangs, nothing is lost, no answer comes twice', async (weather) => {
  await expect.poll(online, soon).toBe(true);
  const from = shown;
  proxy.weather = weather;
  expect(await wish(`${weather}-1`)).toBeLessThan(2000);
  for (let i = 0; i < 3; i++) await show();
  if (weather !== 'slow' && weather !== 'held') await expect.poll(online, soon).toBe(false);
  expect(await wish(`${weather}-2`)).toBeLessThan(2000);
  proxy.weather = 'clear';
  await show();
  await expect.poll(online, soon).toBe(true);
  await expect.poll(async () => (await answers(`${weather}-2`)).at(-1), soon).toBe('APPLIED');
  expect(told).toContain(`${weather}-2`);
  const once = await answers(`${weather}-2`);
  expect(once, 'each answer once').toEqual([...new Set(once)]);
  const found: number[] = [];
  const all = async () => {
    found.push(...(await kept()));
    return [...new Set(found)].sort((a, b) => a - b);
  };
  await expect.poll(all, soon).toEqual(Array.from({ length: 4 }, (_, i) => from + i));
});
