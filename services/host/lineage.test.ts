import { rmSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';
import { factsCommand } from './facts-cli.ts';
import type { Deps, RoomMaker } from './room.ts';
import { type TestHost, testHost } from './testing.ts';

const nowhere = new URL('file:///nonexistent/');
const erased = (participantId: string) =>
  ({ case: 'personErased', value: { $typeName: 'lachak.v1.PersonErased', participantId } }) as const;

describe('an upstream that was put back to an earlier state', () => {
  let folder: string;
  let host: TestHost;
  let registry: Deps;
  const rooms: RoomMaker[] = [
    {
      name: 'registry',
      migrations: nowhere,
      make: (deps) => {
        registry = deps;
        return { bindings: [], start: async () => {}, stop: async () => {} };
      },
    },
    {
      name: 'enrolment',
      migrations: nowhere,
      make: ({ facts, database }) => {
        facts.follow('registry', {
          personErased: async (tx, { participantId }) => {
            await tx.query('insert into noted (who) values ($1)', [participantId]);
          },
        });
        const start = async () => {
          await database.query('create table if not exists noted (n bigint generated always as identity, who text)');
        };
        return { bindings: [], start, stop: async () => {} };
      },
    },
  ];
  const open = async () => {
    host = await testHost({ rooms, ...(folder ? { folder } : {}), clock: 'system' });
    folder = host.folder;
  };
  const write = (...who: string[]) =>
    registry.database.tx(async (tx) => {
      for (const one of who) await registry.facts.publish(tx, { discom: 'BRPL', key: one, body: erased(one) });
    });
  const noted = async () =>
    (await (await host.database('enrolment')).query<{ who: string }>('select who from noted order by n')).map(({ who }) => who);
  const trouble = async () => (await host.host.facts.standing()).followers[0]!;
  /** As any tool would: the rows of the outbox and its head as they were then. */
  const putBack = async (to: number) => {
    const database = await host.database('registry');
    const [{ stretches }] = (await database.query('select stretches from relay')) as [{ stretches: [string, string][] }];
    await database.tx(async (tx) => {
      await tx.query('delete from outbox where position > $1', [to]);
      const then = stretches.filter(([, after]) => Number(after) < to || after === '0');
      await tx.query('update relay set last_position = $1, stretches = $2, stretch = $3', [
        to,
        JSON.stringify(then),
        then.at(-1)![0],
      ]);
    });
  };
  const restart = async (between: () => Promise<void> = async () => {}) => {
    await between();
    await host.host.stop();
    await open();
  };

  beforeAll(open);
  afterAll(async () => {
    await host?.host.stop();
    rmSync(folder, { recursive: true, force: true });
  });

  test('a leader that follows another loses nothing', async () => {
    await write('a', 'b', 'c');
    await expect.poll(noted).toEqual(['a', 'b', 'c']);
    await restart();
    await write('d', 'e');
    await expect.poll(noted).toEqual(['a', 'b', 'c', 'd', 'e']);
    expect(await registry.facts.passed(5n, ['enrolment'], 5000)).toBe(true);
  });

  test('is noticed, also once it has gone on beyond; nothing is handled until a person decides', async () => {
    await restart(() => putBack(3));
    await write('d2', 'e2', 'f2');
    await expect.poll(trouble).toMatchObject({ putBack: true });
    expect((await trouble()).failure).toContain(
      'registry was put back to its fact 3, but enrolment has handled its facts up to 5',
    );
    expect((await host.host.facts.lag()).waiting.join()).toContain('lachak facts rejoin enrolment --upstream registry');
    // That its cursor stands at 5 must not be taken for having heard of the new 4.
    expect(await registry.facts.passed(4n, ['enrolment'], 200)).toBe(false);
    expect(await noted()).toEqual(['a', 'b', 'c', 'd', 'e']);
    expect(await host.host.stop().then(open).then(trouble)).toBeDefined();
    await expect.poll(trouble).toMatchObject({ putBack: true }); // a restart forgets nothing
  });

  test('with a reason it may go on, from where both agree', async () => {
    const said = vi.spyOn(process.stdout, 'write').mockReturnValue(true);
    const ask = (...argv: string[]) => factsCommand([...argv, '--folder', folder]);
    await expect(ask('rejoin', 'enrolment', '--reason', 'why')).rejects.toMatchObject({ code: 'usage' });
    expect(await ask('rejoin', 'enrolment', '--upstream', 'registry', '--reason', 'disk lost')).toBe(0);
    expect(said.mock.calls.join()).toContain('enrolment goes on with fact registry-4');
    said.mockRestore();
    await expect.poll(noted, { timeout: 10_000 }).toEqual(['a', 'b', 'c', 'd', 'e', 'd2', 'e2', 'f2']);
    await expect.poll(trouble).toMatchObject({ putBack: false, failure: null });
    expect(await registry.facts.passed(6n, ['enrolment'], 5000)).toBe(true);
    expect(await (await host.database('enrolment')).query('select agreed_to, handled_to, reason from rejoined')).toEqual([
      { agreed_to: 3n, handled_to: 5n, reason: 'disk lost' },
    ]);
    await expect(host.host.facts.rejoin('enrolment', 'registry', { subject: 'x', reason: 'y' })).rejects.toMatchObject({
      code: 'not_put_back',
    });
  });

  test('one put back to what was not handled yet is followed as if nothing had been', async () => {
    await restart(() => putBack(6));
    await write('g');
    await expect.poll(noted).toEqual(['a', 'b', 'c', 'd', 'e', 'd2', 'e2', 'f2', 'g']);
  });
});
