import { once } from 'node:events';
import { type AddressInfo, createServer, type Server } from 'node:net';
import { Aedes } from 'aedes';
import { pino } from 'pino';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import type { Heard } from './driver.ts';
import type { Entry } from './mqtt/broker.ts';
import { flexDriver } from './mqtt/flex.ts';
import { telemetrySession } from './mqtt/keeper.ts';
import type { Instruction } from './reconcile.ts';

let broker: Aedes;
let server: Server;
beforeEach(async () => {
  broker = await Aedes.createBroker();
  server = createServer((socket) => void broker.handle(socket)).listen(0, '127.0.0.1');
  await once(server, 'listening');
});
afterEach(async () => {
  await new Promise<void>((done) => broker.close(done));
  server.close();
});

function entry(): Entry {
  const url = `mqtt://127.0.0.1:${(server.address() as AddressInfo).port}`;
  const open = async () => ({ url, deviceUrl: url, password: () => '', close: async () => {} });
  return { external: false, patienceSeconds: 15, open };
}
const log = pino({ enabled: false });

test('a refused subscription is asked for again, and what the broker had not confirmed until then is said again', async () => {
  const device = { discom: 'BRPL', deviceId: 'ac-1' };
  const valid = { start: 0, end: 1 };
  const instruction = {
    valid,
    instructionId: 'i-1',
    direction: 'shed',
    level: 1,
    expiresAt: 1,
    setpointDeltaC: 3,
    maxPowerW: null,
  } as Instruction;
  const commands: string[] = [];
  let connections = 0;
  let refused = false;
  broker.on('client', () => connections++);
  broker.authorizeSubscribe = (_client, subscription, done) => {
    if (refused || connections > 1) return done(null, subscription);
    refused = true;
    driver.apply(device, instruction);
    setTimeout(() => done(null, null), 100); // until it has come, and been left unconfirmed
  };
  broker.authorizePublish = (_client, packet, done) => {
    if (packet.topic.endsWith('/command')) commands.push(`${connections}`);
    if (connections > 1) done(null);
  };
  const driver = flexDriver({
    entry: entry(),
    clock: { now: () => 0, stepped: false },
    heard: new Proxy({}, { get: () => () => {} }) as Heard,
    log,
    clientId: 'lachak',
    lasting: false,
  });
  void driver.start();
  await vi.waitFor(() => expect(commands).toEqual(['1', '2']), { timeout: 5000 });
  await driver.stop();
});

test('refused once, telemetry is subscribed to on the next connection', async () => {
  let asked = 0;
  const taken: string[] = [];
  broker.authorizeSubscribe = (_client, subscription, done) => done(null, ++asked === 1 ? null : subscription);
  broker.on('subscribe', () => {
    if (asked === 2) broker.publish({ topic: 'flex/v1/BRPL/ac-1/telemetry', payload: '{}', qos: 1 } as never, () => {});
  });
  const session = telemetrySession(entry(), async (topic) => void taken.push(topic), log);
  await session.start();
  await vi.waitFor(() => expect(taken).toEqual(['flex/v1/BRPL/ac-1/telemetry']), { timeout: 5000 });
  await session.stop();
});
