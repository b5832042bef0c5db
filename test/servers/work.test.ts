import { pino } from 'pino';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { defaults } from '../../services/host/config.ts';
import { type JetStream, openJetStream } from '../../services/host/jetstream.ts';
import type { Database } from '../../services/host/room.ts';
import { type TestHost, testHost } from '../../services/host/testing.ts';
import { openWork, type RoomWork, type TaskCarrier } from '../../services/host/work.ts';
import { tasksOnStream } from '../../services/host/work-stream.ts';
import { tasksInTable } from '../../services/host/work-table.ts';
import { type NatsServers, startNats } from './nats.ts';

const HELD = 1000;
const quiet = pino({ level: process.env.LACHAK_TEST_LOG ?? 'silent' });
let host: TestHost;
let nats: NatsServers;
let jetstream: JetStream;
let database: Database;
beforeAll(async () => {
  nats = await startNats();
  jetstream = openJetStream({ ...defaults, nats: { ...defaults.nats, url: nats.url, patienceSeconds: 2 } }, quiet);
  host = await testHost({ rooms: [] });
  database = await host.database('performance');
});
afterAll(async () => {
  await jetstream?.stop();
  await nats?.stop();
  await host?.stop();
});

const carriers: [string, (queue: string) => TaskCarrier][] = [
  ['in PostgreSQL', (queue) => tasksInTable(database, queue, false, HELD)],
  ['on JetStream', (queue) => tasksOnStream(jetstream, 'performance', queue, HELD)],
];

/** `count` instances of a room; each notes what it did. */
function instances(count: number, carrier: (queue: string) => TaskCarrier, run: (task: string, who: number) => Promise<void>) {
  return Array.from({ length: count }, (_, who) => {
    const work = openWork(carrier, HELD, quiet);
    const queue = work.queue('shards', (task) => run(task, who));
    work.begin();
    return { work, queue };
  });
}
const stopAll = (all: readonly { work: RoomWork }[]) => Promise.all(all.map(({ work }) => work.stop(2000)));
const tasks = Array.from({ length: 24 }, (_, i) => `t${String(i).padStart(2, '0')}`);

describe.each(carriers)('tasks %s', (where, open) => {
  const name = where.replaceAll(' ', '-');

  test('are done once each, by all instances together', async () => {
    const done = new Map<string, number[]>();
    const all = instances(
      3,
      () => open(`${name}-all`),
      async (task, who) => {
        await new Promise((soon) => setTimeout(soon, 60));
        done.set(task, [...(done.get(task) ?? []), who]);
      },
    );
    expect(await all[0]!.queue.complete(async () => tasks.filter((task) => !done.has(task)))).toBe(true);
    await stopAll(all);
    expect([...done.keys()].sort()).toEqual(tasks);
    expect([...done.values()].every((who) => who.length === 1)).toBe(true);
    expect(new Set([...done.values()].flat()).size).toBe(3);
  });

  test('of an instance that died are done by another', async () => {
    const carrier = () => open(`${name}-dead`);
    await carrier().offer(tasks.slice(0, 4), false);
    let dead = null;
    while (!dead) dead = await carrier().take(new AbortController().signal); // taken, and never heard of again
    const done: string[] = [];
    // As a room does: what was offered again after it was done is done already.
    const all = instances(2, carrier, async (task) => void (done.includes(task) || done.push(task)));
    expect(await all[0]!.queue.complete(async () => tasks.slice(0, 4).filter((task) => !done.includes(task)))).toBe(true);
    await stopAll(all);
    expect(done.toSorted()).toEqual(tasks.slice(0, 4));
  });

  test('that take longer than a silence is believed are still done once', async () => {
    const done: string[] = [];
    const carrier = () => open(`${name}-slow`);
    const all = instances(2, carrier, async (task) => {
      await new Promise((soon) => setTimeout(soon, HELD * 2.5));
      done.push(task);
    });
    expect(await all[0]!.queue.complete(async () => ['slow'].filter((task) => !done.includes(task)))).toBe(true);
    await stopAll(all);
    expect(done).toEqual(['slow']);
  });

  test('that fail are given back and done again', async () => {
    let tries = 0;
    const all = instances(
      1,
      () => open(`${name}-failing`),
      async () => {
        if (++tries === 1) throw new Error('not yet');
      },
    );
    expect(await all[0]!.queue.complete(async () => (tries < 2 ? ['once'] : []))).toBe(true);
    await expect.poll(() => ({ ...all[0]!.work.ended }), { timeout: 20_000 }).toEqual({ done: 1, failed: 1 });
    await stopAll(all);
  });

  test('given back are free at once, whatever sign of life comes late', async () => {
    const [one, other] = [open(`${name}-late`), open(`${name}-late`)];
    await one.offer(['late'], false);
    const { signal } = new AbortController();
    const held = await one.take(signal);
    await held!.release();
    const began = performance.now();
    for (let taken = null; taken === null; taken = await other.take(signal)) {
      await held!.extend();
      expect(performance.now() - began).toBeLessThan(10_000);
    }
  });

  test('are left to others by an instance that stops, the one in hand too', async () => {
    const carrier = () => open(`${name}-stopping`);
    let began = () => {};
    const hanging = new Promise<void>((done) => {
      began = done;
    });
    const [stops] = instances(1, carrier, async () => {
      began();
      await new Promise(() => {});
    });
    const waits = stops!.queue.complete(async () => ['left']);
    await hanging;
    await stops!.work.stop(50);
    expect(await waits).toBe(false);
    const done: string[] = [];
    const [other] = instances(1, carrier, async (task) => void done.push(task));
    await expect.poll(() => done, { timeout: 20_000 }).toEqual(['left']); // nobody offered it again
    await stopAll([other!]);
    expect(done).toEqual(['left']);
  });
});

describe('tasks on JetStream', () => {
  test('are done by the instance that offers them when NATS fell before it was asked for anything', async () => {
    const place = await startNats();
    const config = { ...defaults, nats: { ...defaults.nats, url: place.url, patienceSeconds: 2 } };
    const fresh = openJetStream(config, quiet);
    await fresh.reached();
    await place.servers[0]!.kill();
    const done: string[] = [];
    const [one] = instances(
      1,
      () => tasksOnStream(fresh, 'performance', 'fresh', HELD),
      async (task) => void done.push(task),
    );
    const began = performance.now();
    expect(await one!.queue.complete(async () => tasks.slice(0, 4).filter((task) => !done.includes(task)))).toBe(true);
    expect(performance.now() - began).toBeLessThan(10_000);
    await stopAll([one!]);
    await fresh.stop();
    await place.stop();
  });

  test('go on in the instance that offers them while NATS is away, and are offered again when a server lost them', async () => {
    const done: string[] = [];
    const carrier = () => tasksOnStream(jetstream, 'performance', 'away', HELD);
    const all = instances(2, carrier, async (task) => void done.push(task));
    await nats.servers[0]!.kill();
    const left = async () => tasks.slice(0, 4).filter((task) => !done.includes(task));
    expect(await all[0]!.queue.complete(left)).toBe(true);
    await nats.servers[0]!.restart();
    done.length = 0;
    const { manager } = await jetstream.reached();
    const completed = all[0]!.queue.complete(async () => (done.length === 0 ? ['lost'] : []));
    await manager.streams.purge(await jetstream.workOf('performance')).catch(() => {});
    expect(await completed).toBe(true);
    await stopAll(all);
    expect(done).toContain('lost');
  });
});
