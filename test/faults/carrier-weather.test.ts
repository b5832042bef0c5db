import { connect } from 'nats';
import { pino } from 'pino';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { DeviceKey, Driver, Heard } from '../../devices/driver.ts';
import { type Gateways, openGateways } from '../../devices/gateways-service.ts';
import type { Instruction } from '../../devices/reconcile.ts';
import { telemetryStream } from '../../devices/stream-store.ts';
import type { Carrier, Waiting } from '../../devices/telemetry.ts';
import { type Config, defaults } from '../../services/host/config.ts';
import { type JetStream, openJetStream, optionsOf } from '../../services/host/jetstream.ts';
import type { Deps, RoomMaker } from '../../services/host/room.ts';
import { type TestHost, testHost } from '../../services/host/testing.ts';
import { openWork, type RoomWork } from '../../services/host/work.ts';
import { tasksOnStream } from '../../services/host/work-stream.ts';
import { type NatsServers, startNats } from '../servers/nats.ts';
import { startProxy, type TcpProxy, type Weather } from '../servers/proxy.ts';

// Between a house and its NATS lies a proxy that delays, holds back, loses, tears and resets what passes. Meanwhile nobody waits for
// ever: writers do not wait at all, followers list, tasks are done here, telemetry is refused. When the weather is fair again all that
// was acknowledged is there, in order, once; and JetStream carries again, without a restart.
const foul: readonly Weather[] = ['slow', 'held', 'stalled', 'mute', 'torn', 'closed'];
const soon = { timeout: 20_000, interval: 20 };
const PATIENCE_S = 1;
const KEYS = 5;
const nowhere = new URL('file:///nonexistent/');
const log = pino({ level: process.env.LACHAK_TEST_LOG ?? 'silent' });

let nats: NatsServers;
let proxy: TcpProxy;
let host: TestHost;
let registry: Deps;
let jetstream: JetStream;
let telemetry: Carrier;
const works: RoomWork[] = [];
/** What dispatch has heard: `key`, and the number told. */
const heard: { readonly key: string; readonly n: number }[] = [];
let written = 0;

const rooms: readonly RoomMaker[] = [
  {
    name: 'registry',
    migrations: nowhere,
    make: (deps) => {
      registry = deps;
      return { bindings: [], start: async () => {}, stop: async () => {} };
    },
  },
  {
    name: 'dispatch',
    migrations: nowhere,
    make: ({ facts }) => {
      facts.follow('registry', {
        personErased: async (tx, { participantId }, { key }) =>
          tx.afterCommit(() => heard.push({ key, n: Number(participantId) })),
      });
      return { bindings: [], start: async () => {}, stop: async () => {} };
    },
  },
];

beforeAll(async () => {
  nats = await startNats();
  proxy = await startProxy(Number(new URL(nats.url).port));
  const config: Partial<Config> = {
    nats: { ...defaults.nats, url: `nats://127.0.0.1:${proxy.port}`, patienceSeconds: PATIENCE_S },
  };
  host = await testHost({ rooms, clock: 'system', config });
  jetstream = openJetStream({ ...defaults, ...config }, log);
  telemetry = telemetryStream(jetstream, 1);
});
afterAll(async () => {
  proxy.weather = 'clear';
  await Promise.all(works.map((work) => work.stop(1000)));
  await jetstream?.stop();
  await host?.stop();
  await proxy?.stop();
  await nats?.stop();
});

/** How it ended, and after how long. */
async function ended<T>(work: Promise<T>): Promise<{ well: boolean; ms: number; answer: T | null }> {
  const began = performance.now();
  const answer = await work.catch(() => null);
  return { well: answer !== null, ms: performance.now() - began, answer };
}

async function write(): Promise<void> {
  const n = written++;
  const body = { case: 'personErased', value: { $typeName: 'lachak.v1.PersonErased', participantId: String(n) } } as const;
  await registry.database.tx((tx) => registry.facts.publish(tx, { discom: 'BRPL', key: `key-${n % KEYS}`, body }));
}
const carried = async (): Promise<bigint | null> =>
  (await registry.database.query<{ carried: bigint | null }>('select carried from relay'))[0]!.carried;
const brought = async (): Promise<number> => (await host.host.facts.standing()).followers[0]!.received;

/** JetStream brings what is written, not a look at the outbox. */
async function expectCarrying(): Promise<void> {
  await expect.poll(carried, soon).toBe(BigInt(written));
  const before = await brought();
  await expect
    .poll(async () => {
      await write();
      return (await brought()) - before;
    }, soon)
    .toBeGreaterThan(2);
}

/** A room's queue in this process; `done` is what it did. */
function queueOf(name: string) {
  const done: string[] = [];
  const work = openWork((queue) => tasksOnStream(jetstream, 'performance', queue, 1000), 1000, log);
  const queue = work.queue(name, async (task) => void (done.includes(task) || done.push(task)));
  work.begin();
  works.push(work);
  return {
    done,
    complete: (tasks: readonly string[]) => queue.complete(async () => tasks.filter((task) => !done.includes(task))),
  };
}

const sample = (at: number) => ({ discom: 'BRPL', deviceId: 'ac-1', register: '1', receivedAt: at, values: [{ at, wh: at }] });
const numbersIn = (waiting: readonly Waiting[]): number[] => waiting.flatMap(({ values }) => values.map(({ wh }) => wh));
const acknowledge = (waiting: readonly Waiting[]): Promise<void> =>
  telemetry.acknowledge(
    'BRPL',
    waiting.map(({ receipt }) => receipt),
  );

describe('NATS behind bad weather', () => {
  let told = 0;

  test.each(foul)(
    '%s: nobody waits for ever, and afterwards everything that was acknowledged is there, in order, once',
    async (weather) => {
      await expectCarrying();
      const tasks = Array.from({ length: 4 }, (_, i) => `${weather}-${i}`);
      const shards = queueOf(weather);
      await shards.complete([`${weather}-before`]);
      const kept: number[] = [];
      const keep = async (): Promise<{ ms: number }> => {
        const n = told++;
        const outcome = await ended(telemetry.keep(sample(n)).then(() => true));
        if (outcome.well) kept.push(n);
        return outcome;
      };
      await keep();

      proxy.weather = weather;
      const waits: number[] = [];
      for (let i = 0; i < 40; i++) waits.push((await ended(write())).ms);
      const taking = ended(telemetry.take('BRPL', 100));
      const foulWork = [
        ended(shards.complete(tasks)),
        ...Array.from({ length: 5 }, keep),
        taking,
        ended(telemetry.acknowledge('BRPL', [])),
      ];
      await expect.poll(() => heard.length, soon).toBe(written);
      expect(Math.max(...waits), 'writers do not wait for a carrier').toBeLessThan(2000);
      for (const { ms } of await Promise.all(foulWork)) expect(ms, weather).toBeLessThan(15_000);
      expect([...shards.done].sort()).toEqual([...tasks, `${weather}-before`].sort());

      proxy.weather = 'clear';
      await expectCarrying();
      await expect.poll(async () => (await ended(telemetry.keep(sample(told)).then(() => true))).well, soon).toBe(true);
      kept.push(told++);
      // Handed out before or during the weather and never heard of: it is handed out again.
      const handedOut = (await taking).answer ?? [];
      await acknowledge(handedOut);
      const found = numbersIn(handedOut);
      const takeMore = async () => {
        const more = await telemetry.take('BRPL', 100);
        found.push(...numbersIn(more));
        await acknowledge(more);
        return found.filter((n) => kept.includes(n));
      };
      await expect.poll(takeMore, { timeout: 60_000, interval: 20 }).toEqual(kept);
      expect(new Set(found).size, 'also what was stored without an acknowledgement is there once').toBe(found.length);
      await expect.poll(() => heard.length, soon).toBe(written);
      expect(heard.map(({ n }) => n).sort((a, b) => a - b)).toEqual(Array.from({ length: written }, (_, n) => n));
      for (let key = 0; key < KEYS; key++) {
        const mine = heard.filter((one) => one.key === `key-${key}`).map(({ n }) => n);
        expect(mine).toEqual(mine.toSorted((a, b) => a - b));
      }
    },
  );
});

describe('two device gateways, one of them behind bad weather', () => {
  const device = { discom: 'BRPL', deviceId: 'ac-1' };
  const told: string[] = [];
  let near: Gateways; // has the device
  let far: Gateways; // finds it through the proxy
  const sink = (name: string) =>
    new Proxy({} as Heard, {
      get: (_, what) => () => {
        if (what === 'online' || what === 'offline') seen[name] = what === 'online';
      },
    });
  const seen: Record<string, boolean> = {};
  const driver = { apply: (_: DeviceKey, { instructionId }: Instruction) => void told.push(instructionId) } as unknown as Driver;
  const wish = (instructionId: string) => ({ instructionId }) as Instruction;
  beforeAll(async () => {
    const at = (port: number) => ({
      ...defaults,
      nats: { ...defaults.nats, url: `nats://127.0.0.1:${port}`, patienceSeconds: PATIENCE_S },
    });
    near = openGateways('near', () => connect(optionsOf(at(Number(new URL(nats.url).port)))), sink('near'), log);
    far = openGateways('far', () => connect(optionsOf(at(proxy.port))), sink('far'), log);
    const asked = async () => Buffer.from('carried out');
    for (const one of [near, far]) await one.start({ driverOf: () => driver, asked });
    near.loggedIn(device, 1);
    near.heard.online(device);
  });
  afterAll(async () => {
    await near?.stop();
    await far?.stop();
  });

  test.each(foul)('%s: what is asked ends, the device counts as away, and is found again when it is over', async (weather) => {
    await expect.poll(() => seen.far, soon).toBe(true);
    proxy.weather = weather;
    const { well, ms } = await ended(far.ask('near', 'apply', 'BRPL', new Uint8Array()));
    expect(ms, 'a lost connection is not waited for').toBeLessThan(4000);
    if (weather === 'slow') expect(well).toBe(true);
    else await expect.poll(() => seen.far, soon).toBe(false);
    far.elsewhere(device)?.apply(device, wish(`${weather}, during`));
    proxy.weather = 'clear';
    await expect.poll(() => seen.far && far.elsewhere(device) !== null, soon).toBe(true);
    expect(Buffer.from((await far.ask('near', 'apply', 'BRPL', new Uint8Array()))!).toString()).toBe('carried out');
    far.elsewhere(device)!.apply(device, wish(weather));
    await expect.poll(() => told.at(-1), soon).toBe(weather);
    expect(told.filter((one) => one === weather)).toHaveLength(1);
  });
});
