import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import mqtt from 'mqtt';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { Devices } from '../gen/lachak/v1/devices_pb.ts';
import { Registry } from '../gen/lachak/v1/registry_pb.ts';
import { Direction } from '../gen/lachak/v1/types_pb.ts';
import { HOUR, MINUTE } from '../services/domain/interval.ts';
import { defaults } from '../services/host/config.ts';
import { bind, type RoomMaker } from '../services/host/room.ts';
import { type TestHost, testHost } from '../services/host/testing.ts';
import { room } from './service.ts';
import { type Fleet, type Member, startFleet } from './simulated/fleet.ts';

const ORIGIN = Date.parse('2026-05-01T12:00:00Z'); // 17:30 in India
const START = ORIGIN + 90 * MINUTE;
const END = START + HOUR;

/** Who runs which resource, as the registry would tell. */
const owners: Readonly<Record<string, string>> = { 'r-a1': 'agg', 'r-a2': 'agg', 'r-theirs': 'rival' };
const fakeRegistry: RoomMaker = {
  name: 'registry',
  migrations: new URL('file:///nonexistent/'),
  make: () => {
    const never = async (): Promise<never> => {
      throw new Error('not part of this test');
    };
    return {
      bindings: [
        bind(Registry, {
          register: never,
          importCsv: never,
          getSettlementPoint: never,
          getPerson: never,
          erasePerson: never,
          getLeafSalts: never,
          listRecords: async ({ search }) => ({
            records: Object.entries(owners)
              .filter(([resourceId]) => resourceId.startsWith(search))
              .map(([resourceId, organisationId]) => ({ record: { case: 'resource', value: { resourceId, organisationId } } })),
          }),
        }),
      ],
      start: async () => {},
      stop: async () => {},
    };
  },
};

async function muster(host: TestHost, kinds: Record<string, Member['kind']>, seed: number): Promise<Fleet> {
  const as = await host.token('operator');
  const endpoints = await host.connect(Devices).getEndpoints({}, { as });
  const members: Member[] = [];
  for (const [deviceId, kind] of Object.entries(kinds)) {
    const protocol = kind === 'AC' ? 'flex/1' : 'ocpp1.6';
    const { secret } = await host.connect(Devices).provisionDevice({ commandId: `p-${deviceId}`, deviceId, protocol }, { as });
    members.push({ kind, discom: 'BRPL', deviceId, secret });
  }
  return startFleet({ seed, origin: ORIGIN, offsetMinutes: 330 }, endpoints, members);
}
const wishes = (ids: Iterable<string>) =>
  [...ids].map((deviceId) => ({
    instructionId: `i-${deviceId}`,
    eventId: 'e',
    resourceId: `r-${deviceId}`,
    deviceId,
    valid: { startMs: BigInt(START), endMs: BigInt(END) },
    direction: Direction.SHED,
    level: 2,
    randomStartS: 120,
    randomEndS: 300,
  }));
const kinds = (acs: number, chargers: number): Record<string, Member['kind']> =>
  Object.fromEntries(
    [...Array(acs).keys()]
      .map((i) => [`ac${i}`, 'AC'] as const)
      .concat([...Array(chargers).keys()].map((i) => [`ch${i}`, 'CHARGER'] as never)),
  );

/** The same evening, as fast as it goes or with a machine that stumbles. */
async function evening(seed: number, stumbles: boolean): Promise<string> {
  const host = await testHost({ rooms: [room], clock: { start: ORIGIN } });
  const fleet = await muster(host, kinds(4, 3), seed);
  try {
    await host.advanceTo(START - 20 * MINUTE, 5 * MINUTE);
    await host.connect(Devices).apply({ states: wishes(fleet.devices.keys()) }, { discom: 'BRPL' });
    for (let at = START - 15 * MINUTE; at <= END + 30 * MINUTE; at += 5 * MINUTE) {
      if (stumbles) await pause((at / MINUTE) % 3 === 0 ? 25 : 1);
      await host.advanceTo(at, 5 * MINUTE);
    }
    const energies = [...fleet.devices].map(([id, d]) => {
      const quarters = [...Array(12).keys()].map((i) => ORIGIN + i * 15 * MINUTE);
      return `${id}: ${quarters.map((at) => `${d.energyWh(at, at + 15 * MINUTE)}/${d.unmanagedWh(at, at + 15 * MINUTE)}`).join(' ')}`;
    });
    return energies.join('\n');
  } finally {
    await fleet.stop();
    await host.stop();
  }
}

describe('simulated devices', () => {
  test('the same seed gives the same energies, however fast the machine is; another seed others', async () => {
    const [quick, slow, other] = [await evening(5, false), await evening(5, true), await evening(6, false)];
    expect(slow).toBe(quick);
    expect(other).not.toBe(quick);
  }, 60_000);

  test('when Lachak is gone, everything ends by itself', async () => {
    const host = await testHost({ rooms: [room], clock: { start: ORIGIN } });
    const as = await host.token('operator');
    const { ocppUrl } = await host.connect(Devices).getEndpoints({}, { as });
    const { secret } = await host
      .connect(Devices)
      .provisionDevice({ commandId: 'p', deviceId: 'alone', protocol: 'ocpp1.6' }, { as });
    const { simulatedCharger } = await import('./simulated/charger.ts');
    const world = { seed: 1, origin: ORIGIN, offsetMinutes: 330 };
    const visits = () => ({ arrive: ORIGIN, depart: ORIGIN + 12 * HOUR, needWh: 60_000 });
    // Gone from its start on: from then its time is told by nobody but the others of its world.
    const charger = simulatedCharger(
      { url: ocppUrl, deviceId: 'alone', secret },
      world,
      { dropOuts: [{ start: START, end: END + 10 * HOUR }] },
      { plug: { phases: 1, maxA: 32 }, visits },
    );
    await charger.start();
    await host.advanceTo(START - 20 * MINUTE, 5 * MINUTE);
    await host
      .connect(Devices)
      .apply({ states: wishes(['alone']).map((w) => ({ ...w, randomStartS: 0, randomEndS: 0 })) }, { discom: 'BRPL' });
    await host.advanceTo(START, 5 * MINUTE);
    await host.stop();
    const { timelineOf } = await import('./simulated/timeline.ts');
    await timelineOf(world).hear(END + HOUR);
    expect(charger.energyWh(START + 5 * MINUTE, END)).toBe(0);
    expect(charger.energyWh(END, END + 30 * MINUTE)).toBe(3680);
    await charger.stop();
  }, 30_000);
});

describe('a restart in the middle of an event', () => {
  test('devices find back, are told again, and no answer is given twice', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'lachak-restart-'));
    let host = await testHost({ rooms: [room], clock: { start: ORIGIN }, folder });
    const fleet = await muster(host, kinds(2, 2), 5);
    try {
      await host.advanceTo(START - 20 * MINUTE, 5 * MINUTE);
      await host.connect(Devices).apply({ states: wishes(fleet.devices.keys()) }, { discom: 'BRPL' });
      await host.advanceTo(START + 25 * MINUTE, 5 * MINUTE);
      const as = await host.token('operator');
      const ends = await host.connect(Devices).getEndpoints({}, { as });
      const config = {
        mqtt: { ...defaults.mqtt, port: Number(new URL(ends.mqttUrl).port) },
        ocpp: { host: '127.0.0.1', port: Number(new URL(ends.ocppUrl).port) },
      };
      const openBefore = await host
        .database('devices')
        .then((db) => db.query('select device_id, outcome from instruction where not closed order by 1'));
      await host.stop();
      host = await testHost({ rooms: [room], clock: { start: ORIGIN }, folder, config });
      const online = async () => (await host.connect(Devices).listDevices({}, { discom: 'BRPL' })).devices.map((d) => d.online);
      await expect.poll(online, { timeout: 10_000 }).toEqual([true, true, true, true]);
      await host.settled();
      const db = await host.database('devices');
      expect(await db.query('select device_id, outcome from instruction where not closed order by 1')).toEqual(openBefore);
      await host.advanceTo(END + 30 * MINUTE, 5 * MINUTE);
      const said: string[] = [];
      for (const { body } of await host.facts.of('devices')) {
        if (body.case === 'instructionAnswered')
          for (const a of body.value.answers) said.push(`${a.deviceId} ${a.outcome} ${a.proof}`);
      }
      expect(new Set(said).size).toBe(said.length);
      expect(await db.query('select 1 from instruction where not closed')).toEqual([]);
      for (const device of fleet.devices.values()) expect(device.savedWh(START + 30 * MINUTE, END)).toBeGreaterThanOrEqual(0);
    } finally {
      await fleet.stop();
      await host.stop();
      rmSync(folder, { recursive: true, force: true });
    }
  }, 60_000);
});

describe('the broker lets nobody speak for another', () => {
  let host: TestHost;
  let url: string;
  let secret: string;
  beforeAll(async () => {
    host = await testHost({ rooms: [room], clock: { start: ORIGIN } });
    const as = await host.token('operator');
    url = (await host.connect(Devices).getEndpoints({}, { as })).mqttUrl;
    for (const deviceId of ['mine', 'theirs']) {
      const made = await host
        .connect(Devices)
        .provisionDevice({ commandId: `p-${deviceId}`, deviceId, protocol: 'flex/1' }, { as });
      if (deviceId === 'mine') secret = made.secret;
    }
  });
  afterAll(() => host?.stop());
  const login = (more: Partial<mqtt.IClientOptions> = {}) =>
    mqtt.connectAsync(url, { username: 'BRPL/mine', password: secret, clientId: 'mine', reconnectPeriod: 0, ...more }, false);

  test.each<[string, Partial<mqtt.IClientOptions>]>([
    ['a wrong secret', { password: 'nonsense' }],
    ["another device's client id", { clientId: 'theirs' }],
    ['another device', { username: 'BRPL/theirs', clientId: 'theirs' }],
    ['another discom', { username: 'TPDDL/mine' }],
    ['nobody', { username: '', password: '' }],
    ['the room itself', { username: 'lachak', clientId: 'lachak-1' }],
  ])('%s is not let in', async (_name, more) => {
    await expect(login(more)).rejects.toThrow(/Not authorized/);
  });

  test.each([
    ['the status of another', 'flex/v1/BRPL/theirs/status', '{"online":true}'],
    ['its own command', 'flex/v1/BRPL/mine/command', '{}'],
    ['the time', 'flex/v1/BRPL/time', '{"now":"2030-01-01T00:00:00Z","step":1}'],
    ['a novel', 'flex/v1/BRPL/mine/telemetry', 'x'.repeat(40_000)],
  ])('publishing %s ends the connection and changes nothing', async (_name, topic, payload) => {
    const client = await login();
    const closed = new Promise<void>((done) => void client.once('close', done));
    client.on('error', () => {});
    client.publish(topic, payload, { qos: 1 });
    await closed;
    await client.endAsync(true);
    const { devices } = await host.connect(Devices).listDevices({}, { as: await host.token('operator') });
    expect(devices.map((d) => [d.deviceId, d.online])).toEqual([
      ['mine', false],
      ['theirs', false],
    ]);
  });

  test.each(['flex/v1/BRPL/theirs/command', 'flex/v1/#', '#', 'flex/v1/BRPL/+/command'])(
    'hearing %s is refused',
    async (topic) => {
      const client = await login();
      const granted = await client.subscribeAsync(topic).catch((error: Error) => error);
      expect(granted instanceof Error ? 128 : granted[0]?.qos).toBe(128);
      await client.endAsync(true);
    },
  );

  test('who watches sees power as it comes in, and nothing from before', async () => {
    const client = await login();
    const say = (minute: number, powerW: number) =>
      client.publishAsync(
        'flex/v1/BRPL/mine/telemetry',
        JSON.stringify({ ts: new Date(ORIGIN + minute * MINUTE).toISOString(), powerW, energyWh: 5 }),
        { qos: 1 },
      );
    await say(-2, 100);
    const watching = host
      .connect(Devices)
      .watchReports({}, { as: await host.token('operator') })
      [Symbol.asyncIterator]();
    const first = watching.next();
    let minute = 0;
    const repeating = setInterval(() => void say(minute++, 200), 50); // until the stream has opened
    const { value } = await first;
    clearInterval(repeating);
    await watching.return?.();
    expect(value.reports[0]).toMatchObject({
      deviceId: 'mine',
      powerW: 200n,
      hasPower: true,
      energyRegisterWh: 5n,
      proofSource: 'meter',
    });
    await client.endAsync(true);
  });

  test('unreadable messages are counted and lose nothing', async () => {
    const client = await login();
    for (const payload of ['not json', '[]', '{"ts":"never"}', ''])
      await client.publishAsync('flex/v1/BRPL/mine/telemetry', payload, { qos: 1 });
    await client.publishAsync('flex/v1/BRPL/mine/telemetry', '{"ts":"2026-05-01T22:00:00Z","powerW":812}', { qos: 1 });
    const as = await host.token('operator');
    await expect
      .poll(async () => (await host.connect(Devices).listDevices({ search: 'mine' }, { as })).devices[0]?.powerW)
      .toBe(812n);
    await client.endAsync(true);
  });
});

describe('the verbs', () => {
  let host: TestHost;
  const devices = () => host.connect(Devices);
  beforeAll(async () => {
    host = await testHost({ rooms: [fakeRegistry, room], clock: { start: ORIGIN } });
  });
  afterAll(() => host?.stop());
  const ask = (deviceId: string, more: object = {}) => ({
    commandId: `c-${deviceId}`,
    deviceId,
    protocol: 'flex/1',
    resourceId: `r-${deviceId}`,
    ...more,
  });

  test('a secret is given again until the device has connected', async () => {
    const as = await host.token('operator');
    const first = await devices().provisionDevice(ask('d1'), { as });
    expect(first).toMatchObject({ username: 'BRPL/d1', repeatedCommand: false, secret: expect.stringMatching(/^[\w-]{20}$/) });
    expect(await devices().provisionDevice(ask('d1'), { as })).toMatchObject({ secret: first.secret, repeatedCommand: true });
    const { mqttUrl } = await devices().getEndpoints({}, { as });
    const client = await mqtt.connectAsync(mqttUrl, { username: 'BRPL/d1', password: first.secret, clientId: 'd1' });
    await client.endAsync(true);
    await expect(devices().provisionDevice(ask('d1'), { as })).rejects.toMatchObject({ code: 'secret_already_used' });
    const anew = await devices().provisionDevice(ask('d1', { commandId: 'again' }), { as });
    expect(anew.secret).not.toBe(first.secret);
    expect((await host.facts.of('devices')).map((f) => f.body.case)).toContain('deviceProvisioned');
  });

  test('organisations see and make their own devices only', async () => {
    const as = await host.token('aggregator', { organisation: 'agg' });
    await devices().provisionDevice(ask('a1'), { as });
    expect((await devices().listDevices({}, { as })).devices.map((d) => d.deviceId)).toEqual(['a1']);
    await expect(devices().provisionDevice(ask('a2', { organisationId: 'other' }), { as })).rejects.toMatchObject({
      code: 'organisation_foreign',
    });
    await expect(devices().provisionDevice(ask('d1', { commandId: 'steal', resourceId: 'r-a1' }), { as })).rejects.toMatchObject({
      code: 'device_id_taken',
    });
    for (const resourceId of ['r-theirs', 'r-a', 'r-nowhere']) {
      await expect(devices().provisionDevice(ask('a3', { resourceId }), { as })).rejects.toMatchObject({
        code: 'resource_not_found',
      });
    }
    const foreign = await host.token('operator', { discom: 'TPDDL' });
    expect((await devices().listDevices({}, { as: foreign })).devices).toEqual([]);
    await expect(devices().provisionDevice(ask('a1', { commandId: 'x' }), { as: foreign })).rejects.toMatchObject({
      code: 'device_id_taken',
    });
  });

  test.each([
    ['an unknown device', { deviceId: 'nobody' }, 'device_not_found'],
    ['an empty interval', { valid: { startMs: 5n, endMs: 5n } }, 'interval_must_be_positive'],
    ['one that is over', { valid: { startMs: 5n, endMs: 6n } }, 'interval_is_over'],
    ['no event', { eventId: '' }, 'event_id_missing'],
    ['another resource’s wish', { resourceId: 'r-theirs' }, 'device_of_another'],
    ['zero watts to absorb', { direction: Direction.ABSORB, hasMaxPower: true, maxPowerW: 0n }, 'power_missing'],
    ['negative power', { hasMaxPower: true, maxPowerW: -1n }, 'power_must_not_be_negative'],
    ['no number', { setpointDeltaC: Number.NaN }, 'setpoint_delta_out_of_range'],
  ])('apply refuses %s by name, and takes the rest', async (_name, more, code) => {
    const [good] = wishes(['a1']);
    const answer = await devices().apply(
      { states: [{ ...good, ...more, instructionId: 'bad' }, good!] as never },
      { discom: 'BRPL' },
    );
    expect(answer).toMatchObject({ taken: 1, refused: [{ instructionId: 'bad', code }] });
  });

  test('a release of what nobody was asked for is named; one of what is pending ends it', async () => {
    const answer = await devices().release({ instructionIds: ['i-a1', 'never'], reason: 'cancelled' }, { discom: 'BRPL' });
    expect(answer).toMatchObject({ taken: 1, refused: [{ instructionId: 'never', code: 'instruction_not_found' }] });
    await host.settled();
    const db = await host.database('devices');
    expect(await db.query('select outcome, reason, closed from instruction')).toEqual([
      { outcome: 'RELEASED', reason: expect.stringContaining('cancelled'), closed: true },
    ]);
  });
});
