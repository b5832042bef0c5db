import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { WebSocket } from 'ws';
import { Answer_Outcome, Devices } from '../gen/lachak/v1/devices_pb.ts';
import { Direction, Proof } from '../gen/lachak/v1/types_pb.ts';
import { HOUR, MINUTE } from '../services/domain/interval.ts';
import { type TestHost, testHost } from '../services/host/testing.ts';
import { room } from './service.ts';
import type { Temper } from './simulated/ac.ts';
import type { Visit } from './simulated/car.ts';
import { type SimulatedCharger, simulatedCharger } from './simulated/charger.ts';

const MORNING = Date.parse('2026-05-01T11:30:00Z'); // 17:00 in India
const START = Date.parse('2026-05-01T13:30:00Z'); // 19:00
const END = START + 2 * HOUR;
const world = { seed: 3, origin: MORNING, offsetMinutes: 330 };
const plug = { phases: 1, maxA: 32 } as const;
/** A car from 18:00 that wants more than it can get by 22:00, or comes in the middle of the event. */
const visitFrom =
  (arrive: number, needWh = 40_000) =>
  (day: number): Visit | null =>
    day === 20_574 ? { arrive, depart: arrive + 14 * HOUR, needWh } : null;
const before = visitFrom(START - HOUR);

const tempers: Record<string, { temper: Temper; visits: (day: number) => Visit | null }> = {
  good: { temper: {}, visits: before },
  late: { temper: {}, visits: visitFrom(START + 20 * MINUTE) },
  rebooter: { temper: {}, visits: before },
  liar: { temper: { liar: true }, visits: before },
  dead: { temper: { dead: true }, visits: before },
  no: { temper: { refuses: true }, visits: before },
  full: { temper: { liar: true }, visits: visitFrom(START - HOUR, 8_000) },
  away: { temper: { dropOuts: [{ start: START - 45 * MINUTE, end: START + 10 * MINUTE }] }, visits: before },
  empty: { temper: {}, visits: () => null },
};

let host: TestHost;
let url: string;
const fleet = new Map<string, SimulatedCharger>();
const secrets = new Map<string, string>();

async function provision(deviceId: string): Promise<string> {
  const as = await host.token('operator');
  const { secret } = await host
    .connect(Devices)
    .provisionDevice({ commandId: `p-${deviceId}`, deviceId, protocol: 'ocpp1.6', resourceId: `r-${deviceId}` }, { as });
  secrets.set(deviceId, secret);
  return secret;
}
const apply = (ids: Iterable<string>, more: object = {}) =>
  host.connect(Devices).apply(
    {
      states: [...ids].map((deviceId) => ({
        instructionId: `i-${deviceId}`,
        eventId: 'e1',
        resourceId: `r-${deviceId}`,
        deviceId,
        valid: { startMs: BigInt(START), endMs: BigInt(END) },
        direction: Direction.SHED,
        level: 2,
        maxPowerW: 0n,
        hasMaxPower: true,
        expiresAtMs: BigInt(END),
        ...more,
      })),
    },
    { discom: 'BRPL' },
  );
async function answers(id: string): Promise<string[]> {
  const said: string[] = [];
  for (const fact of await host.facts.of('devices')) {
    if (fact.body.case !== 'instructionAnswered') continue;
    for (const a of fact.body.value.answers) if (a.deviceId === id) said.push(`${Answer_Outcome[a.outcome]} ${Proof[a.proof]}`);
  }
  return said;
}

beforeAll(async () => {
  host = await testHost({ rooms: [room], clock: { start: MORNING } });
  const as = await host.token('operator');
  url = (await host.connect(Devices).getEndpoints({}, { as })).ocppUrl;
});
afterAll(async () => {
  for (const charger of fleet.values()) await charger.stop();
  await host?.stop();
});

describe('an event over OCPP 1.6J, on real sockets', () => {
  let shot: { atReboot: number; profilesAfterReboot: number };
  beforeAll(async () => {
    for (const [deviceId, { temper, visits }] of Object.entries(tempers)) {
      const charger = simulatedCharger({ url, deviceId, secret: await provision(deviceId) }, world, temper, { plug, visits });
      await charger.start();
      fleet.set(deviceId, charger);
    }
    await host.advanceTo(START - 30 * MINUTE, 5 * MINUTE);
    expect(await apply(Object.keys(tempers))).toMatchObject({ taken: 9, refused: [] });
    await host.advanceTo(START + 45 * MINUTE, 5 * MINUTE);
    const rebooter = fleet.get('rebooter')!;
    const atReboot = rebooter.profiles().length;
    await rebooter.reboot();
    await host.advanceTo(START + 60 * MINUTE, 5 * MINUTE);
    shot = { atReboot, profilesAfterReboot: rebooter.profiles().length };
    await host.advanceTo(END + HOUR, 5 * MINUTE);
    await host.settled();
  }, 60_000);

  test.each([
    [
      'good',
      'proven by its own meter',
      ['SENT L0_SENT', 'ACCEPTED L1_ACCEPTED', 'APPLIED L2_APPLIED', 'APPLIED L3_MEASURED', 'RELEASED L3_MEASURED'],
    ],
    [
      'late',
      'a car that comes during the event is held back, but nothing fell',
      ['SENT L0_SENT', 'ACCEPTED L1_ACCEPTED', 'APPLIED L2_APPLIED', 'RELEASED L2_APPLIED'],
    ],
    [
      'liar',
      'offers less in words, delivers as before',
      ['SENT L0_SENT', 'ACCEPTED L1_ACCEPTED', 'APPLIED L2_APPLIED', 'RELEASED L2_APPLIED'],
    ],
    [
      'full',
      'a car that is full draws less by itself',
      ['SENT L0_SENT', 'ACCEPTED L1_ACCEPTED', 'APPLIED L2_APPLIED', 'RELEASED L2_APPLIED'],
    ],
    [
      'away',
      'offline when it was asked, told when it is back: too late to see what there was to fall from',
      ['UNREACHABLE L0_SENT', 'ACCEPTED L1_ACCEPTED', 'APPLIED L2_APPLIED', 'RELEASED L2_APPLIED'],
    ],
    ['dead', 'never answers', ['SENT L0_SENT', 'UNREACHABLE L0_SENT']],
    ['no', 'says no', ['SENT L0_SENT', 'REJECTED_BY_DEVICE L0_SENT']],
    [
      'empty',
      'nobody there: it offers nothing, and nothing fell',
      ['SENT L0_SENT', 'ACCEPTED L1_ACCEPTED', 'APPLIED L2_APPLIED', 'RELEASED L2_APPLIED'],
    ],
  ])('%s: %s', async (id, _reason, expected) => {
    expect(await answers(id)).toEqual(expected);
  });

  test('a charger that reboots in the middle gets its profiles again', async () => {
    expect(shot).toEqual({ atReboot: 2, profilesAfterReboot: 2 });
    const charger = fleet.get('rebooter')!;
    expect(charger.energyWh(START + 5 * MINUTE, START + 45 * MINUTE)).toBe(0);
    expect(charger.energyWh(START + 55 * MINUTE, END)).toBe(0);
    expect(charger.energyWh(END + 5 * MINUTE, END + 35 * MINUTE)).toBe(3680);
  });

  test('energy: the obedient saved, the others did not', () => {
    expect(fleet.get('good')!.savedWh(START, END)).toBeGreaterThan(14_000);
    expect(fleet.get('late')!.savedWh(START, END)).toBeGreaterThan(11_000);
    expect(fleet.get('away')!.savedWh(START, START + 10 * MINUTE)).toBe(0);
    expect(fleet.get('away')!.savedWh(START + 15 * MINUTE, END)).toBe(12_880);
    for (const id of ['liar', 'dead', 'no', 'full', 'empty']) expect(fleet.get(id)!.savedWh(START, END)).toBe(0);
    for (const charger of fleet.values()) expect(charger.profiles()).toEqual([]);
  });

  test('sessions are kept, each once', async () => {
    const db = await host.database('devices');
    const rows = await db.query<{ device_id: string; n: bigint }>(
      'select device_id, count(*) as n from charging_session group by 1 order by 1',
    );
    expect(rows.map((r) => `${r.device_id} ${r.n}`)).toEqual([
      'away 1',
      'full 1',
      'good 1',
      'late 1',
      'liar 1',
      'no 1',
      'rebooter 2',
    ]);
  });
});

describe('the door', () => {
  const open = (id: string, secret: string, protocol: string | undefined = 'ocpp1.6') =>
    new Promise<{ socket: WebSocket; status: number; closed: Promise<number> }>((done) => {
      const socket = new WebSocket(`${url}/${id}`, protocol ? [protocol] : [], {
        headers: { authorization: `Basic ${Buffer.from(`${id}:${secret}`).toString('base64')}` },
      });
      const closed = new Promise<number>((end) => void socket.on('close', end));
      socket.on('error', () => {});
      socket.on('unexpected-response', (_request, response) => done({ socket, status: response.statusCode ?? 0, closed }));
      socket.on('open', () => done({ socket, status: 101, closed }));
    });
  const ask = (socket: WebSocket, text: string | Buffer) =>
    new Promise<unknown[]>((answer) => {
      const hear = (raw: unknown) => {
        const frame = JSON.parse(String(raw));
        if (frame[0] === 2) return; // it asks us something
        socket.off('message', hear);
        answer(frame);
      };
      socket.on('message', hear);
      socket.send(text);
    });
  beforeAll(async () => {
    await provision('door');
  });

  test.each([
    ['an unknown station', 'nobody', () => 'x', 404],
    ['a wrong password', 'door', () => 'wrong', 401],
    ["another station's password", 'door', () => secrets.get('good')!, 401],
  ])('%s gets %s → HTTP error', async (_name, id, secret, status) => {
    expect((await open(id, secret())).status).toBe(status);
  });

  test.each([['a foreign subprotocol', 'ocpp2.0.1']])('%s completes the handshake and is closed', async (_name, protocol) => {
    const socket = new WebSocket(`${url}/door`, [protocol], {
      headers: { authorization: `Basic ${Buffer.from(`door:${secrets.get('door')}`).toString('base64')}` },
    });
    // The client itself refuses a handshake without the subprotocol it asked for.
    await new Promise<void>((done) => {
      socket.on('error', () => done());
      socket.on('close', () => done());
    });
    expect(socket.readyState).not.toBe(WebSocket.OPEN);
  });

  test('nonsense is answered, counted, and loses nothing', async () => {
    const { socket } = await open('door', secrets.get('door')!);
    for (const [text, answer] of [
      ['hello', [4, '-1', 'FormationViolation', 'not JSON', {}]],
      ['{"a":1}', [4, '-1', 'FormationViolation', 'not an array', {}]],
      ['[2,"m1","Heartbeat",7]', [4, 'm1', 'FormationViolation', 'payload is not an object', {}]],
      [Buffer.from([1, 2, 3]), [4, '-1', 'FormationViolation', 'binary', {}]],
      ['[2,"m2","Frobnicate",{}]', [4, 'm2', 'NotImplemented', 'Frobnicate is not spoken here', {}]],
      ['[2,"m2b","toString",{}]', [4, 'm2b', 'NotImplemented', 'toString is not spoken here', {}]],
      ['[2,"m3","MeterValues",{"connectorId":"x","meterValue":[{"timestamp":"yesterday"},5]}]', [3, 'm3', {}]],
      ['[2,"m4","StopTransaction",{"transactionId":-1}]', [3, 'm4', { idTagInfo: { status: 'Accepted' } }]],
    ] as const) {
      expect(await ask(socket, text)).toEqual(answer);
    }
    expect(await ask(socket, '[2,"m5","Heartbeat",{}]')).toMatchObject([3, 'm5', { currentTime: expect.stringMatching(/Z$/) }]);
    socket.terminate();
  });

  test('a start told twice, even with another message id, is one session', async () => {
    const { socket } = await open('door', secrets.get('door')!);
    const start = { connectorId: 1, idTag: 'T', meterStart: 5, timestamp: '2026-05-01T12:00:00Z' };
    const first = (await ask(socket, JSON.stringify([2, 'a', 'StartTransaction', start]))) as [
      number,
      string,
      { transactionId: number },
    ];
    const again = (await ask(socket, JSON.stringify([2, 'b', 'StartTransaction', start]))) as [
      number,
      string,
      { transactionId: number },
    ];
    expect(first[2].transactionId).toBeGreaterThan(0);
    expect(again[2].transactionId).toBe(first[2].transactionId);
    for (const id of ['c', 'd']) {
      expect(
        await ask(
          socket,
          JSON.stringify([
            2,
            id,
            'StopTransaction',
            { transactionId: first[2].transactionId, meterStop: 9, timestamp: '2026-05-01T13:00:00Z' },
          ]),
        ),
      ).toMatchObject([3, id, {}]);
    }
    socket.terminate();
  });

  test('the newer connection of a station wins at once', async () => {
    const old = await open('door', secrets.get('door')!);
    const next = await open('door', secrets.get('door')!);
    await old.closed;
    expect(await ask(next.socket, '[2,"x","Heartbeat",{}]')).toMatchObject([3, 'x', {}]);
    next.socket.terminate();
  });

  test('a frame of a megabyte ends its connection, not the process', async () => {
    const { socket, closed } = await open('door', secrets.get('door')!);
    socket.send('x'.repeat(1_000_000));
    await closed;
    const again = await open('door', secrets.get('door')!);
    expect(await ask(again.socket, '[2,"y","Heartbeat",{}]')).toMatchObject([3, 'y', {}]);
    again.socket.terminate();
  });
});
