import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { setTimeout as pause } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { pino } from 'pino';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { defaults } from '../../services/host/config.ts';
import { type Embedded, startEmbedded } from '../../services/host/embedded.ts';
import { PARTITIONS } from '../../services/host/partition.ts';
import type { Deps, RoomMaker, RoomName } from '../../services/host/room.ts';
import { furnish, type TestHost, testHost } from '../../services/host/testing.ts';
import { type NatsServers, startNats } from '../servers/nats.ts';

// The same promises on both carriers: PostgreSQL alone, and NATS JetStream beside it.
const sharer = fileURLToPath(new URL('../../dist/test/faults/sharer.js', import.meta.url));
const nowhere = new URL('file:///nonexistent/');
const erased = (participantId: string) =>
  ({ case: 'personErased', value: { $typeName: 'lachak.v1.PersonErased', participantId } }) as const;

type Line = { readonly who: string; readonly key: string; readonly position: bigint; readonly pid: number };

/** A PostgreSQL, perhaps a NATS, a process that writes as registry, and others that can be asked for. */
class Town {
  readonly folder = mkdtempSync(join(tmpdir(), 'lachak-carriers-'));
  postgres!: Embedded;
  databaseUrl = '';
  nats: NatsServers | null = null;
  writer!: TestHost;
  registry!: Deps;
  readonly #closing: (() => Promise<unknown>)[] = [];

  async open(nodes: number): Promise<void> {
    await furnish(join(this.folder, 'database'));
    this.postgres = await startEmbedded(join(this.folder, 'database'), pino({ level: 'silent' }), true);
    const { host, port, user, password, database } = this.postgres.connection;
    this.databaseUrl = host.startsWith('/')
      ? `postgres://${user}:${password}@/${database}?host=${encodeURIComponent(host)}&port=${port}`
      : `postgres://${user}:${password}@${host}:${port}/${database}`;
    if (nodes > 0) this.nats = await startNats({ nodes });
    this.writer = await this.host([
      {
        name: 'registry',
        migrations: nowhere,
        make: (deps) => {
          this.registry = deps;
          return { bindings: [], start: async () => {}, stop: async () => {} };
        },
      },
    ]);
  }

  async host(rooms: readonly RoomMaker[]): Promise<TestHost> {
    const nats = { ...defaults.nats, url: this.nats?.url ?? '', replicas: this.nats?.servers.length ?? 1 };
    const host = await testHost({ rooms, clock: 'system', config: { databaseUrl: this.databaseUrl, nats } });
    this.#closing.push(() => host.stop());
    return host;
  }

  /** A room that notes what it hears; `fails` may object, or take its time. */
  follower(name: RoomName, heard: Line[], fails: (who: string) => boolean | Promise<boolean> = () => false): RoomMaker {
    return {
      name,
      migrations: nowhere,
      make: ({ facts }) => {
        facts.follow('registry', {
          personErased: async (tx, { participantId }, fact) => {
            if (await fails(participantId)) throw new Error(`${participantId} cannot be`);
            tx.afterCommit(() => heard.push({ who: participantId, key: fact.key, position: fact.position, pid: process.pid }));
          },
        });
        return { bindings: [], start: async () => {}, stop: async () => {} };
      },
    };
  }

  async process(): Promise<{ child: ChildProcess; owns: () => number }> {
    const folder = mkdtempSync(join(this.folder, 'process-'));
    const child = spawn(process.execPath, [sharer, folder, this.databaseUrl, this.nats?.url ?? ''], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    let owned = 0;
    createInterface({ input: child.stdout! }).on('line', (line) => {
      owned = Number(line.slice(5));
    });
    this.#closing.push(async () => {
      if (child.exitCode !== null || child.signalCode !== null) return;
      child.kill('SIGKILL');
      await once(child, 'exit');
    });
    return { child, owns: () => owned };
  }

  write = (who: string | number, key: string | number = who): Promise<void> =>
    this.registry.database.tx((tx) =>
      this.registry.facts.publish(tx, { discom: 'BRPL', key: String(key), body: erased(String(who)) }),
    );

  /** Whatever is written from now on is brought by JetStream to this room: its facts are carried, and all partitions are joined. */
  async joined(room: RoomName): Promise<void> {
    if (!this.nats) return;
    const carried = () => this.registry.database.query<{ carried: bigint | null }>('select carried from relay');
    await expect.poll(async () => (await carried())[0]!.carried, { timeout: 60_000 }).not.toBeNull();
    const consumers = async () => (await this.nats!.streamOf('facts_registry')).consumers;
    await expect
      .poll(async () => (await consumers()).filter((name) => name.startsWith(`${room}_`)).length, { timeout: 60_000 })
      .toBe(PARTITIONS);
  }

  noted = async (): Promise<Line[]> =>
    this.registry.database.query<Line>('select who, key, position, pid from enrolment.noted order by n').catch(() => []);

  async close(): Promise<void> {
    for (const close of this.#closing.reverse()) await close();
    await this.nats?.stop();
    await this.postgres?.stop();
    rmSync(this.folder, { recursive: true, force: true });
  }
}

/** Each once, and those of a key in the order they were written. */
function expectOrdered(lines: readonly Pick<Line, 'who' | 'key'>[], total: number, prefix: string, keys: number): void {
  expect(lines.map(({ who }) => Number(who)).sort((a, b) => a - b)).toEqual(Array.from({ length: total }, (_, i) => i));
  for (let key = 0; key < keys; key++) {
    const mine = lines.filter((line) => line.key === `${prefix}-${key}`).map(({ who }) => Number(who));
    expect(mine).toEqual([...mine].sort((a, b) => a - b));
  }
}

const soon = { timeout: 15_000, interval: 50 };

describe.each(['PostgreSQL', 'NATS JetStream'])('facts carried by %s', (carrier) => {
  const town = new Town();
  const heard: Line[] = [];
  const bad = new Set<string>(['poison']);
  let dispatch: TestHost;
  beforeAll(async () => {
    if (!existsSync(sharer)) throw new Error(`${sharer} is missing: npm run build makes it`);
    await town.open(carrier === 'PostgreSQL' ? 0 : 1);
    dispatch = await town.host([town.follower('dispatch', heard, (who) => bad.has(who))]);
  });
  afterAll(() => town.close());

  const received = async (host: TestHost) => (await host.host.facts.standing()).followers[0]!.received;

  test('a thousand from eight writers arrive once each, each key in its order', async () => {
    await town.joined('dispatch');
    let n = 0;
    await Promise.all(
      Array.from({ length: 8 }, async (_, writer) => {
        for (let i = 0; i < 125; i++) await town.write(n++, `key-${writer}`);
      }),
    );
    await expect.poll(() => heard.length, soon).toBe(1000);
    expectOrdered(heard, 1000, 'key', 8);
    expect(await town.registry.facts.passed(1000n, ['dispatch'], 10_000)).toBe(true);
    const carried = await received(dispatch);
    if (carrier === 'PostgreSQL') expect(carried).toBe(0);
    else expect(carried, 'JetStream brought them; looks at the outbox found some sooner').toBeGreaterThan(500);
  });

  test('a fact arrives at once, not when somebody looks', async () => {
    const waits: number[] = [];
    const before = await received(dispatch);
    for (let i = 0; i < 10; i++) {
      heard.length = 0;
      await town.write(`single-${i}`);
      const began = performance.now();
      await expect.poll(() => heard.length, { timeout: 15_000, interval: 1 }).toBe(1);
      waits.push(performance.now() - began);
    }
    waits.sort((a, b) => a - b);
    const carried = (await received(dispatch)) - before;
    if (carrier === 'PostgreSQL') expect(carried).toBe(0);
    else expect(carried, 'also in partitions that carried nothing before').toBeGreaterThan(5);
    console.log(`${carrier}: one fact from commit to handler in ${waits[5]!.toFixed(1)} ms (median of 10)`);
  });

  test('a transaction held open while others commit is skipped by nobody', async () => {
    heard.length = 0;
    let release = () => {};
    const held = new Promise<void>((done) => {
      release = done;
    });
    const slow = town.registry.database.tx(async (tx) => {
      await town.registry.facts.publish(tx, { discom: 'BRPL', key: 'slow', body: erased('slow') });
      await held;
    });
    for (const who of ['b', 'c', 'd']) await town.write(who);
    await expect.poll(() => heard.map(({ who }) => who).sort(), soon).toEqual(['b', 'c', 'd']);
    release();
    await slow;
    await expect.poll(() => heard.at(-1)?.who, soon).toBe('slow');
    expect(heard).toHaveLength(4);
  });

  test('a follower that is new lists what was, and goes on with what comes', async () => {
    const late: Line[] = [];
    await town.host([town.follower('metering', late)]);
    await town.write('new');
    await expect.poll(() => late.length, soon).toBe(1015);
    expect(new Set(late.map(({ position }) => position)).size).toBe(1015);
    await town.write('newer');
    await expect.poll(() => late.at(-1)?.who, soon).toBe('newer');
  });

  test.runIf(carrier !== 'PostgreSQL')(
    'a follower that is always behind is brought its facts by JetStream all the same, while writing goes on',
    async () => {
      const slow: Line[] = [];
      const takesTime = async (who: string): Promise<boolean> => {
        if (who.startsWith('rate-')) await pause(4);
        return false;
      };
      const settlement = await town.host([town.follower('settlement', slow, takesTime)]);
      let written = 0;
      let writing = true;
      const writers = (async () => {
        // About twice as fast as they are handled.
        for (; writing; await pause(40))
          await Promise.all(Array.from({ length: 8 }, (_, writer) => town.write(`rate-${written++}`, `rate-${writer}`)));
      })();
      const standing = async () => (await settlement.host.facts.standing()).followers[0]!;
      try {
        const before = (await standing()).received;
        await expect
          .poll(async () => {
            const { behind, received } = await standing();
            return behind > 100n ? received - before : 0;
          }, soon)
          .toBeGreaterThan(100);
      } finally {
        writing = false;
        await writers;
      }
      await expect.poll(() => slow.filter(({ who }) => who.startsWith('rate-')).length, { timeout: 60_000 }).toBe(written);
      const numbered = slow.filter(({ who }) => who.startsWith('rate-')).map(({ who, key }) => ({ who: who.slice(5), key }));
      expectOrdered(numbered, written, 'rate', 8);
      const listed = written - (await standing()).received;
      console.log(`${carrier}: of ${written} facts for a follower that was always behind ${listed} were listed`);
      expect(listed, 'most are brought').toBeLessThan(written / 2);
    },
  );

  test('a poison fact parks its key; replayed, it and what waited behind it follow', async () => {
    heard.length = 0;
    await town.write('poison', 'p');
    await town.write('behind', 'p');
    await town.write('other', 'o');
    const { facts } = dispatch.host;
    await expect.poll(async () => (await facts.standing()).followers[0]!.parked, soon).toBe(2n);
    await expect.poll(() => heard.map(({ who }) => who), soon).toEqual(['other']);
    bad.delete('poison');
    const [first] = await facts.parked.list('dispatch', 'BRPL');
    await facts.parked.decide('dispatch', 'BRPL', 'registry', first!.position, null);
    await expect.poll(() => heard.map(({ who }) => who), soon).toEqual(['other', 'poison', 'behind']);
  });

  test('two processes share the partitions; one is killed: the other goes on within ten seconds, nothing lost or twice', async () => {
    const [one, two] = [await town.process(), await town.process()];
    await expect.poll(() => [one.owns(), two.owns()], { timeout: 60_000 }).toEqual([32, 32]);
    let written = 0;
    let writing = true;
    const writer = (async () => {
      while (writing) await town.write(written, `pair-${written++ % 40}`);
    })();
    writer.catch(() => {}); // awaited below, unless something fails before
    const noted = async () => (await town.noted()).filter(({ key }) => key.startsWith('pair-'));
    await expect.poll(async () => (await noted()).length, soon).toBeGreaterThan(100);
    await expect.poll(async () => new Set((await noted()).map(({ pid }) => pid)).size, soon).toBe(2);
    const killed = Date.now();
    one.child.kill('SIGKILL');
    await expect.poll(() => two.owns(), { timeout: 10_000 }).toBe(64);
    const failover = Date.now() - killed;
    writing = false;
    await writer;
    await expect.poll(async () => (await noted()).length, soon).toBe(written);
    expectOrdered(await noted(), written, 'pair', 40);
    console.log(`${carrier}: the other process had all partitions ${failover} ms after the kill`);
  });
});

describe('when NATS is in trouble', () => {
  const town = new Town();
  const heard: Line[] = [];
  beforeAll(async () => {
    await town.open(3);
    await town.host([town.follower('dispatch', heard)]);
  });
  afterAll(() => town.close());

  test('the leader of a stream is killed while facts flow: nothing is lost, nothing twice', async () => {
    for (let i = 0; i < 200; i++) await town.write(i, `key-${i % 10}`);
    await expect.poll(() => heard.length, { timeout: 30_000 }).toBe(200);
    const { leader } = await town.nats!.streamOf('facts_registry');
    await town.nats!.servers.find(({ name }) => name === leader)!.kill();
    const killed = Date.now();
    for (let i = 200; i < 400; i++) await town.write(i, `key-${i % 10}`);
    await expect.poll(() => heard.length, { timeout: 10_000 }).toBe(400);
    console.log(`facts went on ${Date.now() - killed} ms after the stream's leader was killed`);
    await town.nats!.servers.find(({ name }) => name === leader)!.restart();
    expectOrdered(heard, 400, 'key', 10);
  });

  test('all of it is away for a while: writers do not wait, followers list, and afterwards it carries again', async () => {
    for (const server of town.nats!.servers) await server.kill();
    const began = Date.now();
    for (let i = 400; i < 600; i++) await town.write(i, `key-${i % 10}`);
    expect(Date.now() - began).toBeLessThan(10_000);
    await expect.poll(() => heard.length, soon).toBe(600);
    await Promise.all(town.nats!.servers.map((server) => server.restart()));
    for (let i = 600; i < 700; i++) await town.write(i, `key-${i % 10}`);
    await expect.poll(() => heard.length, soon).toBe(700);
    expectOrdered(heard, 700, 'key', 10);
    const carried = async () =>
      (await town.registry.database.query<{ carried: bigint }>('select carried from relay'))[0]!.carried;
    await expect.poll(carried, { timeout: 60_000 }).toBe(700n);
  });
});
