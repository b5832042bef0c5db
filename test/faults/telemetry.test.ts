import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { create } from '@bufbuild/protobuf';
import mqtt from 'mqtt';
import { connect as dialNats } from 'nats';
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';
import { WebSocket } from 'ws';
import { room as devices } from '../../devices/service.ts';
import { Devices } from '../../gen/lachak/v1/devices_pb.ts';
import { RegistryChangedSchema } from '../../gen/lachak/v1/facts_pb.ts';
import { Metering } from '../../gen/lachak/v1/metering_pb.ts';
import { Register } from '../../gen/lachak/v1/types_pb.ts';
import { DAY, HOUR, MINUTE } from '../../services/domain/interval.ts';
import { MISSING } from '../../services/domain/tile.ts';
import { defaults } from '../../services/host/config.ts';
import { type TestHost, testHost } from '../../services/host/testing.ts';
import { room as metering } from '../../services/metering/service.ts';
import { type InfluxServer, startInflux } from '../servers/influx.ts';
import { type Mosquitto, startMosquitto } from '../servers/mosquitto.ts';
import { type NatsServers, startNats } from '../servers/nats.ts';

// Registers of a charger and of an air conditioner are meters. While the record of readings is away, and while the house itself is, what
// they are told is taken waits; afterwards every interval is there once, also when everything is said again.

/** Midnight in Delhi, the day before yesterday: devices replay what they measured while they were offline. */
const START = Math.floor((Date.now() + 5.5 * HOUR) / DAY) * DAY - 5.5 * HOUR - 2 * DAY;
const patient = { timeout: 30_000, interval: 100 };

describe.each(['in the folder', 'on NATS, with mosquitto'])('telemetry becomes readings, %s', { timeout: 120_000 }, (profile) => {
  const apart = profile !== 'in the folder';
  const folder = mkdtempSync(join(tmpdir(), 'lachak-telemetry-'));
  let influx: InfluxServer;
  let nats: NatsServers | null = null;
  let mosquitto: Mosquitto | null = null;
  let host: TestHost;
  const secrets: Record<string, string> = {};
  const open = (): Promise<TestHost> =>
    testHost({
      rooms: [devices, metering],
      folder,
      clock: 'system',
      config: {
        influxUrl: influx.url('readings'),
        metrics: { ...defaults.metrics, address: '127.0.0.1:0' },
        nats: { ...defaults.nats, url: nats?.url ?? '' },
        mqtt: { ...defaults.mqtt, port: 0, ...mosquitto?.setting },
      },
    });
  const provision = async (deviceId: string, protocol: string): Promise<void> => {
    const as = await host.token('operator');
    const about = { commandId: `p-${deviceId}`, deviceId, protocol };
    secrets[deviceId] = (await host.connect(Devices).provisionDevice(about, { as })).secret;
  };
  /** Of the two days, null where there is a gap; with a letter where it is an estimate. */
  const readings = async (meterId: string): Promise<(string | null)[]> => {
    const span = { startMs: BigInt(START), endMs: BigInt(START + DAY) };
    const series = await host.connect(Metering).getSeries({ meterId, span }, { as: await host.token('operator') });
    const wh = new Int32Array(Uint8Array.from(series.importWh).buffer);
    return [...wh].map((value, i) => (value === MISSING ? null : `${value}${series.quality[i] === 2 ? 'e' : ''}`));
  };
  const known = async (meterId: string): Promise<Record<number, string>> =>
    Object.fromEntries((await readings(meterId)).flatMap((wh, slot) => (wh === null ? [] : [[slot, wh]])));
  const versions = async (): Promise<number> =>
    (await host.connect(Metering).listTiles({ days: [dayOf(START)] }, { discom: 'BRPL' })).tiles.length;
  const metric = async (name: string): Promise<number> => {
    const { token } = await host.token('operator');
    const answer = await fetch(`${host.host.announced.get('metrics')}`, { headers: { authorization: `Bearer ${token}` } });
    const line = (await answer.text()).split('\n').find((one) => one.startsWith(`lachak_${name} `));
    return Number(line?.split(' ').at(-1));
  };

  beforeAll(async () => {
    influx = await startInflux();
    await influx.query('CREATE DATABASE readings WITH DURATION INF SHARD DURATION 1d');
    if (apart) [nats, mosquitto] = [await startNats(), await startMosquitto()];
    host = await open();
    await provision('cp-1', 'ocpp1.6');
    await provision('ac-1', 'flex/1');
    const records = (
      [
        ['m-plug', 'device:cp-1'],
        ['m-plug-2', 'device:cp-1/2'],
        ['m-ac', 'device:ac-1'],
        ['m-home', ''],
      ] as const
    ).map(([meterId, source], ordinal) => ({
      record: {
        case: 'meter' as const,
        value: { meterId, connectionId: `c-${meterId}`, registers: [Register.IMPORT], shard: 1, ordinal, source },
      },
    }));
    const value = create(RegistryChangedSchema, { records });
    await host.facts.publish('registry', { discom: 'BRPL', key: 'BRPL', body: { case: 'registryChanged', value } });
    const rowsOf = async (room: 'devices' | 'metering', table: string): Promise<number> =>
      (await (await host.database(room)).query(`select 1 from ${table}`)).length;
    await vi.waitFor(async () => {
      expect(await rowsOf('devices', 'metered_register')).toBe(3);
      expect(await rowsOf('metering', 'meter')).toBe(4);
    }, patient);
  }, 120_000);
  afterAll(async () => {
    await host?.stop();
    await nats?.stop();
    await mosquitto?.stop();
    await influx?.stop();
    rmSync(folder, { recursive: true, force: true });
  });

  const chargerSays = async (values: readonly Shown[], connectorId = 1): Promise<string[]> =>
    sayAsCharger(host.host.announced.get('ocpp')!, secrets['cp-1']!, values, connectorId);
  const acSays = async (values: readonly Shown[]): Promise<void> => {
    const { mqttUrl } = await host.connect(Devices).getEndpoints({}, { as: await host.token('operator') });
    const login = { username: 'BRPL/ac-1', password: secrets['ac-1']!, clientId: 'ac-1', reconnectPeriod: 0 };
    const client = await vi.waitFor(() => mqtt.connectAsync(mqttUrl, login, false), patient);
    for (const [minute, wh] of values)
      await client.publishAsync('flex/v1/BRPL/ac-1/telemetry', JSON.stringify({ ts: stamp(minute), energyWh: wh }), { qos: 1 });
    await client.endAsync();
  };
  const MORNING: Shown[] = [
    [0, 1000],
    [10, 1500],
    [30, 2250],
    [59, 2300],
    [61, 2340],
    [90, 2400],
  ];

  test('a charger by connector and an air conditioner, each by its own register: exact where it was read at the border', async () => {
    await chargerSays(MORNING);
    await chargerSays(
      [
        [0, 7],
        [30, 8],
      ],
      2,
    );
    await acSays([
      [0, 50_000],
      [30, 50_400],
      [60, 50_900],
    ]);
    await vi.waitFor(async () => {
      expect(await known('m-plug')).toEqual({ 0: '1250', 1: '70e', 2: '80e' });
      expect(await known('m-plug-2')).toEqual({ 0: '1' });
      expect(await known('m-ac')).toEqual({ 0: '400', 1: '500' });
    }, patient);
    expect(await known('m-home')).toEqual({});
    const names = [{ meterId: 'm-plug', day: dayOf(START) }];
    const { meterDays } = await host.connect(Metering).getMeterDays({ names }, { discom: 'BRPL' });
    expect(meterDays[0]).toMatchObject({ handOff: 'device telemetry', signer: 'devices' });
  });

  test('said again, in another order: nothing changes, there is no new version', async () => {
    const before = await versions();
    await chargerSays(MORNING.toReversed());
    await acSays([
      [60, 50_900],
      [0, 50_000],
    ]);
    // What comes after it has been taken proves that it has been.
    await acSays([[90, 51_000]]);
    await vi.waitFor(async () => expect(await known('m-ac')).toEqual({ 0: '400', 1: '500', 2: '100' }), patient);
    expect(await known('m-plug')).toEqual({ 0: '1250', 1: '70e', 2: '80e' });
    expect(await versions()).toBe(before + 1);
  });

  test('the record killed, then the house: everything that was taken is there afterwards, exactly once', async () => {
    await influx.kill();
    const before = { 0: '1250', 1: '70e', 2: '80e' };
    const expected: Record<number, string> = { ...before, 3: '1000' };
    for (let slot = 4; slot < 24; slot++) {
      const told = await chargerSays([
        [slot * 30, 3000 + slot * 100],
        [slot * 30 + 29.5, 3000 + slot * 100 + 99],
      ]);
      expect(told).toEqual(['{}', '{}']);
      if (slot < 23) expected[slot] = '100';
    }
    await acSays([
      [120, 52_000],
      [150, 52_123],
    ]);
    expect(await metric('devices_telemetry_total{outcome="kept"}')).toBeGreaterThan(40);
    expect(await known('m-plug')).toEqual(before);
    await host.stop();
    await influx.restart();
    host = await open();
    await vi.waitFor(async () => {
      expect(await known('m-plug')).toEqual(expected);
      expect(await known('m-ac')).toEqual({ 0: '400', 1: '500', 2: '100', 3: '1000', 4: '123' });
    }, patient);
    await vi.waitFor(async () => expect(await waiting(host, nats?.url)).toBe(0), patient);
  });

  test('a register that turned back is a gap; found out late, what was said of that interval is withdrawn', async () => {
    await chargerSays(
      [
        [1200, 9000],
        [1230, 9400],
        [1260, 9500],
      ],
      2,
    );
    await vi.waitFor(async () => expect(await known('m-plug-2')).toMatchObject({ 40: '400', 41: '100' }), patient);
    await chargerSays([[1210, 12]], 2);
    await vi.waitFor(async () => {
      const now = await known('m-plug-2');
      expect(now[40]).toBeUndefined();
      expect(now[41]).toBe('100');
    }, patient);
  });
});

type Shown = readonly [minute: number, wh: number];

/** What a charger is answered to its meter values, one message a value. */
async function sayAsCharger(url: string, secret: string, values: readonly Shown[], connectorId: number): Promise<string[]> {
  const authorization = `Basic ${Buffer.from(`cp-1:${secret}`).toString('base64')}`;
  const socket = new WebSocket(`${url}/cp-1`, ['ocpp1.6'], { headers: { authorization } });
  await new Promise((done, fail) => socket.once('open', done).once('error', fail));
  const answers: string[] = [];
  const all = new Promise<void>((done) => {
    socket.on('message', (raw) => {
      const frame = JSON.parse(raw.toString()) as [number, string, unknown];
      if (frame[0] === 2) socket.send(JSON.stringify([3, frame[1], { status: 'Accepted' }]));
      else answers.push(frame[0] === 3 ? JSON.stringify(frame[2]) : JSON.stringify(frame));
      if (answers.length === values.length) done();
    });
  });
  for (const [i, [minute, wh]] of values.entries()) {
    const sampledValue = [{ value: String(wh), measurand: 'Energy.Active.Import.Register', unit: 'Wh' }];
    const payload = { connectorId, meterValue: [{ timestamp: stamp(minute), sampledValue }] };
    socket.send(JSON.stringify([2, `m${i}`, 'MeterValues', payload]));
  }
  await all;
  socket.close();
  return answers;
}

async function waiting(host: TestHost, natsUrl: string | undefined): Promise<number> {
  if (natsUrl === undefined) {
    const [row] = await (await host.database('devices')).query<{ n: bigint }>('select count(*) as n from telemetry');
    return Number(row!.n);
  }
  const nats = await dialNats({ servers: natsUrl });
  const { state } = await (await nats.jetstreamManager()).streams.info('telemetry');
  await nats.close();
  return state.messages;
}

const stamp = (minute: number): string => new Date(START + minute * MINUTE).toISOString();
const dayOf = (at: number): string => new Date(at + 5.5 * HOUR).toISOString().slice(0, 10);
