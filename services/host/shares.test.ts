import { cpSync, mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { toBinary } from '@bufbuild/protobuf';
import pg from 'pg';
import { pino } from 'pino';
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';
import { FactSchema } from '../../gen/lachak/v1/facts_pb.ts';
import { Facts as FactsService } from '../../gen/lachak/v1/host_pb.ts';
import { startEmbedded } from './embedded.ts';
import { factsCommand } from './facts-cli.ts';
import { migrate, roomTables } from './migrations.ts';
import type { Deps, RoomMaker } from './room.ts';
import { furnish, type TestHost, testHost } from './testing.ts';

const nowhere = new URL('file:///nonexistent/');
const erased = (participantId: string) =>
  ({ case: 'personErased', value: { $typeName: 'lachak.v1.PersonErased', participantId } }) as const;

/** Registry writes; enrolment notes what it hears in its own schema, unless `fails` says no. */
function house(fails: (who: string) => boolean = () => false) {
  const made: { registry?: Deps; enrolment?: Deps } = {};
  const rooms: RoomMaker[] = [
    {
      name: 'registry',
      migrations: nowhere,
      make: (deps) => {
        made.registry = deps;
        return { bindings: [], start: async () => {}, stop: async () => {} };
      },
    },
    {
      name: 'enrolment',
      migrations: nowhere,
      make: (deps) => {
        made.enrolment = deps;
        deps.facts.follow('registry', {
          personErased: async (tx, { participantId }, fact) => {
            await tx.query('insert into noted (position, who) values ($1, $2)', [fact.position, participantId]);
            if (fails(participantId)) throw new Error(`${participantId} cannot be`);
          },
        });
        const start = async () => {
          await deps.database.query(
            'create table if not exists noted (n bigint generated always as identity, position bigint, who text)',
          );
        };
        return { bindings: [], start, stop: async () => {} };
      },
    },
  ];
  const write = (who: string, key: string) =>
    made.registry!.database.tx((tx) => made.registry!.facts.publish(tx, { discom: 'BRPL', key, body: erased(who) }));
  const noted = async () =>
    (await made.enrolment!.database.query<{ who: string }>('select who from noted order by n')).map(({ who }) => who);
  return { rooms, made, write, noted };
}

describe('a poison fact', () => {
  const bad = new Set(['poison', 'venom']);
  const { rooms, made, write, noted } = house((who) => bad.has(who));
  let host: TestHost;
  beforeAll(async () => {
    host = await testHost({ rooms });
  });
  afterAll(() => host?.stop());

  test('parks its key, with its error; other keys go on, and nobody says that it was handled', async () => {
    await write('poison', 'a');
    await write('a2', 'a');
    await write('b1', 'b');
    await expect.poll(noted, { timeout: 20_000 }).toEqual(['b1']);
    await write('a3', 'a');
    await write('b2', 'b');
    await expect.poll(noted).toEqual(['b1', 'b2']);
    const { followers } = await host.host.facts.standing();
    expect(followers).toMatchObject([{ room: 'enrolment', upstream: 'registry', behind: 0n, parked: 3n, owned: 64 }]);
    expect((await host.host.facts.lag()).waiting).toEqual(['enrolment has parked 3 facts of registry (lachak facts)']);
    expect(await made.registry!.facts.passed(1n, ['enrolment'], 10)).toBe(false);
    expect(await host.host.facts.parked.list('enrolment', 'BRPL')).toMatchObject([
      { position: 1n, key: 'a', kind: 'personErased', state: 'failed', error: 'poison cannot be', attempts: 8 },
      { position: 2n, key: 'a', state: 'behind', error: '' },
      { position: 4n, key: 'a', state: 'behind', error: '' },
    ]);
    expect(await host.host.facts.parked.list('enrolment', 'other')).toEqual([]);
  });

  test('replayed while it still fails, it stays, and so does what is behind it', async () => {
    const { parked } = host.host.facts;
    await expect(parked.decide('enrolment', 'BRPL', 'registry', 2n, null)).rejects.toMatchObject({ code: 'fact_not_first' });
    await expect(parked.decide('enrolment', 'other', 'registry', 1n, null)).rejects.toMatchObject({ code: 'fact_not_parked' });
    await parked.decide('enrolment', 'BRPL', 'registry', 1n, null);
    await expect.poll(async () => (await parked.list('enrolment', 'BRPL'))[0]).toMatchObject({ state: 'failed', attempts: 9 });
    expect(await noted()).toEqual(['b1', 'b2']);
  });

  test('a person sees it and decides over gRPC, within their DISCOM', async () => {
    const facts = host.connect(FactsService);
    const as = await host.token('operator');
    const one = { room: 'enrolment', upstream: 'registry', position: 1n };
    const { followers } = await facts.getStanding({}, { as });
    expect(followers).toMatchObject([{ room: 'enrolment', upstream: 'registry', parked: 3n, owned: 64 }]);
    expect((await facts.listParked({}, { as })).facts).toMatchObject([
      { ...one, state: 'failed', error: 'poison cannot be' },
      {},
      {},
    ]);
    expect((await facts.getParked(one, { as })).body.value).toMatchObject({ participantId: 'poison' });
    const foreign = await host.token('operator', { discom: 'TPDDL' });
    expect((await facts.listParked({}, { as: foreign })).facts).toEqual([]);
    await expect(facts.replay(one, { as: foreign })).rejects.toMatchObject({ code: 'fact_not_parked' });
    await expect(facts.drop(one, { as })).rejects.toMatchObject({ code: 'reason_missing' });
    await expect(facts.listParked({ room: 'dispatch' }, { as })).rejects.toMatchObject({ code: 'room_not_here' });
    await expect(facts.getStanding({}, { as: await host.token('verifier') })).rejects.toMatchObject({ code: 'role_missing' });
  });

  test('the command prints the same', async () => {
    const printed: string[] = [];
    const write = vi.spyOn(process.stdout, 'write').mockImplementation((text) => printed.push(String(text)) > 0);
    try {
      const run = (...argv: string[]) => factsCommand([...argv, '--folder', host.folder]);
      expect(await run()).toBe(0);
      expect(await run('parked', '--discom', 'BRPL')).toBe(0);
      expect(await run('show', 'registry-1', '--room', 'enrolment', '--discom', 'BRPL')).toBe(0);
      await expect(run('drop', 'registry-1', '--room', 'enrolment', '--discom', 'BRPL')).rejects.toMatchObject({ code: 'usage' });
      await expect(run('show', '1', '--room', 'enrolment', '--discom', 'BRPL')).rejects.toMatchObject({ code: 'usage' });
    } finally {
      write.mockRestore();
    }
    const text = printed.join('');
    expect(text).toMatch(/enrolment +registry +5 +0 +3 +64 +0/);
    expect(text).toMatch(/enrolment +registry-1 +personErased +a +failed +9 +poison cannot be/);
    expect(text).toContain('"participantId": "poison"');
  });

  test('a room that follows may list, from where it says; others may not', async () => {
    const after = Array.from({ length: 64 }, (_, partition) => ({ partition, position: 1n }));
    const list = host.host.connectAs('enrolment')(FactsService).list({ room: 'registry', after, limit: 2 }, { discom: '-' });
    expect(await list).toMatchObject({ facts: [{ id: 'registry-2' }, { id: 'registry-3' }], through: 3n });
    const catalogue = host.host.connectAs('catalogue')(FactsService);
    await expect(catalogue.list({ room: 'registry', after, limit: 2 }, { discom: '-' })).rejects.toMatchObject({
      code: 'room_may_not_follow',
    });
  });

  test('replayed when its cause is gone, it and all behind it are handled, in order', async () => {
    bad.delete('poison');
    await host.host.facts.parked.decide('enrolment', 'BRPL', 'registry', 1n, null);
    await host.settled();
    expect(await noted()).toEqual(['b1', 'b2', 'poison', 'a2', 'a3']);
    expect(await made.registry!.facts.passed(5n, ['enrolment'], 10)).toBe(true);
  });

  test('dropped with a reason, what is behind it is handled', async () => {
    await write('venom', 'a');
    await write('a4', 'a');
    const { parked } = host.host.facts;
    await expect.poll(() => parked.list('enrolment', 'BRPL'), { timeout: 20_000 }).toHaveLength(2);
    await parked.decide('enrolment', 'BRPL', 'registry', 6n, 'said twice');
    await host.settled();
    expect((await noted()).at(-1)).toBe('a4');
    expect(await parked.list('enrolment', 'BRPL')).toEqual([]);
    expect(await parked.list('enrolment', 'BRPL', true)).toMatchObject([
      { position: 6n, state: 'dropped', reason: 'said twice' },
    ]);
  });
});

test('a folder of the version before partitions goes on where it was: nothing lost, nothing twice', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'lachak-older-'));
  const tables = mkdtempSync(join(tmpdir(), 'lachak-older-tables-'));
  const log = pino({ level: 'silent' });
  try {
    for (const file of ['001_facts.sql', '002_commands.sql'])
      cpSync(fileURLToPath(new URL(file, roomTables)), join(tables, file));
    await furnish(folder);
    const server = await startEmbedded(folder, log, true);
    const client = new pg.Client(server.connection);
    await client.connect();
    for (const room of ['registry', 'enrolment']) {
      await migrate(client, room, [{ owner: 'host', folder: pathToFileURL(`${tables}/`) }]);
    }
    const bytes = (who: string, key: string) =>
      Buffer.from(
        toBinary(FactSchema, {
          $typeName: 'lachak.v1.Fact',
          id: '',
          discom: 'BRPL',
          room: 'registry',
          position: 0n,
          atMs: 1n,
          key,
          format: 1,
          traceparent: '',
          body: erased(who),
        }),
      );
    for (let n = 1; n <= 12; n++) {
      // The last two were committed and not yet numbered when the old version ended.
      await client.query(
        `insert into registry.outbox (position, discom, key, at_ms, kind, fact) values ($1, 'BRPL', $2, 1, 'personErased', $3)`,
        [n <= 10 ? n : null, `key-${n % 3}`, bytes(`who-${n}`, `key-${n % 3}`)],
      );
    }
    await client.query('update registry.relay set last_position = 10');
    await client.query(`insert into enrolment.cursor values ('registry', 4)`);
    await client.end();
    await server.stop();

    const { rooms, write, noted } = house();
    const host = await testHost({ rooms, folder });
    await write('who-13', 'key-1');
    await host.settled();
    expect(await noted()).toEqual(Array.from({ length: 9 }, (_, i) => `who-${i + 5}`));
    await host.stop();
  } finally {
    rmSync(folder, { recursive: true, force: true });
    rmSync(tables, { recursive: true, force: true });
  }
});

describe('two processes that run the same room', () => {
  const folder = mkdtempSync(join(tmpdir(), 'lachak-shared-'));
  const one = house();
  const two = house();
  let server: Awaited<ReturnType<typeof startEmbedded>>;
  let hosts: TestHost[] = [];
  beforeAll(async () => {
    mkdirSync(folder, { recursive: true });
    await furnish(folder);
    server = await startEmbedded(folder, pino({ level: 'silent' }), true);
    const { host, port, user, password, database } = server.connection;
    const databaseUrl = host.startsWith('/')
      ? `postgres://${user}:${password}@/${database}?host=${encodeURIComponent(host)}&port=${port}`
      : `postgres://${user}:${password}@${host}:${port}/${database}`;
    hosts = [];
    for (const { rooms } of [one, two]) hosts.push(await testHost({ rooms, clock: 'system', config: { databaseUrl } }));
  });
  afterAll(async () => {
    for (const host of hosts) await host.stop();
    await server?.stop();
    rmSync(folder, { recursive: true, force: true });
  });
  const owned = async () => Promise.all(hosts.map(async (host) => (await host.host.facts.standing()).followers[0]!.owned));

  test('share its partitions, never a key', async () => {
    await expect.poll(owned, { timeout: 10_000 }).toEqual([32, 32]);
    for (let i = 0; i < 60; i++) await one.write(`${i}`, `key-${i % 20}`);
    await expect.poll(async () => (await one.noted()).length, { timeout: 10_000 }).toBe(60);
    const all = (await one.noted()).map(Number);
    for (let key = 0; key < 20; key++) expect(all.filter((n) => n % 20 === key)).toEqual([key, key + 20, key + 40]);
    expect(await one.made.registry!.facts.passed(60n, ['enrolment'], 5000)).toBe(true);
  });

  test('an owner whose epoch has passed commits nothing, and finds out', async () => {
    const { database } = one.made.enrolment!;
    await database.query(`update fact_share set epoch = epoch + 1 where upstream = 'registry'`);
    for (let i = 60; i < 120; i++) await one.write(`${i}`, `key-${i % 20}`);
    await expect.poll(async () => (await one.noted()).length, { timeout: 10_000 }).toBe(120);
    expect(new Set(await one.noted()).size).toBe(120);
  });

  test('one that leaves hands over at once', async () => {
    await hosts.pop()!.stop();
    await expect.poll(owned, { timeout: 4000 }).toEqual([64]);
    await one.write('120', 'key-0');
    await expect.poll(async () => (await one.noted()).at(-1)).toBe('120');
  });
});
