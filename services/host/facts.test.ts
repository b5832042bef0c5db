import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { Deps, RoomMaker } from './room.ts';
import { type TestHost, testHost } from './testing.ts';

const nowhere = new URL('file:///nonexistent/');
const erased = (participantId: string) =>
  ({ case: 'personErased', value: { $typeName: 'lachak.v1.PersonErased', participantId } }) as const;

describe('facts, on a real PostgreSQL', () => {
  let host: TestHost;
  let registry: Deps;
  const heard: string[] = [];
  let failing = 0;
  const writer: RoomMaker = {
    name: 'registry',
    migrations: nowhere,
    make: (deps) => {
      registry = deps;
      return { bindings: [], start: async () => {}, stop: async () => {} };
    },
  };
  const follower: RoomMaker = {
    name: 'enrolment',
    migrations: nowhere,
    make: ({ facts }) => {
      facts.follow('registry', {
        personErased: async (tx, { participantId }, fact) => {
          if (failing > 0 && failing-- > 0) throw new Error('not now');
          tx.afterCommit(() => heard.push(`${fact.position}:${participantId}`));
        },
      });
      return { bindings: [], start: async () => {}, stop: async () => {} };
    },
  };
  beforeAll(async () => {
    host = await testHost({ rooms: [writer, follower] });
  });
  afterAll(() => host?.stop());

  const write = (who: string, key = who) =>
    registry.database.tx((tx) => registry.facts.publish(tx, { discom: 'BRPL', key, body: erased(who) }));

  test('a fact reaches its follower, numbered from 1', async () => {
    await write('asha');
    await host.settled();
    expect(heard).toEqual(['1:asha']);
    const [fact] = await host.facts.of('registry');
    expect(fact).toMatchObject({ id: 'registry-1', position: 1n, discom: 'BRPL', room: 'registry', key: 'asha', format: 1 });
  });

  test('a transaction held open while others commit is numbered late, and nobody skips it', async () => {
    heard.length = 0;
    let release = () => {};
    const held = new Promise<void>((done) => {
      release = done;
    });
    let written = () => {};
    const wrote = new Promise<void>((done) => {
      written = done;
    });
    const slow = registry.database.tx(async (tx) => {
      await registry.facts.publish(tx, { discom: 'BRPL', key: 'slow', body: erased('slow') });
      written();
      await held;
    });
    await wrote;
    for (const who of ['b', 'c', 'd']) await write(who);
    expect(await registry.facts.passed(await registry.facts.position(), ['enrolment'], 5000)).toBe(true);
    expect(heard).toEqual(['2:b', '3:c', '4:d']);
    release();
    await slow;
    await host.settled();
    expect(heard).toEqual(['2:b', '3:c', '4:d', '5:slow']);
  });

  test('a failing handler is tried again, and what comes behind it waits', async () => {
    heard.length = 0;
    failing = 3;
    await write('e');
    await write('f');
    await host.settled();
    expect(heard).toEqual(['6:e', '7:f']);
  });

  test('a rolled-back transaction leaves no fact and no gap', async () => {
    heard.length = 0;
    const undone = registry.database.tx(async (tx) => {
      await registry.facts.publish(tx, { discom: 'BRPL', key: 'g', body: erased('g') });
      throw new Error('changed my mind');
    });
    await expect(undone).rejects.toThrow('changed my mind');
    await write('h');
    await host.settled();
    expect(heard).toEqual(['8:h']);
  });

  test('passed says false when a room has not handled it in time', async () => {
    expect(await registry.facts.passed(1000n, ['enrolment'], 30)).toBe(false);
  });

  test('a thousand facts from eight writers at once arrive once each, in position order, each key in its order', async () => {
    heard.length = 0;
    await Promise.all(
      Array.from({ length: 8 }, async (_, writer) => {
        for (let i = 0; i < 125; i++) await write(`${writer}-${i}`, `key-${writer}`);
      }),
    );
    await host.settled();
    expect(heard.map((line) => Number(line.split(':')[0]))).toEqual(Array.from({ length: 1000 }, (_, i) => i + 9));
    for (let writer = 0; writer < 8; writer++) {
      const mine = heard.map((line) => line.split(':')[1]!).filter((who) => who.startsWith(`${writer}-`));
      expect(mine).toEqual(Array.from({ length: 125 }, (_, i) => `${writer}-${i}`));
    }
  });
});
