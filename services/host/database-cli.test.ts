import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import pg from 'pg';
import { pino } from 'pino';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { startPostgres15 } from '../../test/servers/postgres15.ts';
import { roomNames } from './arrows.ts';
import { type Config, defaults } from './config.ts';
import { loginOf, makeLogins } from './database-cli.ts';
import { startEmbedded } from './embedded.ts';
import { missing } from './expect.ts';
import { type Host, startHost } from './host.ts';
import type { Deps, RoomMaker, RoomName } from './room.ts';
import { furnish } from './testing.ts';

const log = pino({ level: process.env.LACHAK_TEST_LOG ?? 'silent' });
const folders: string[] = [];
const folder = (): string => {
  folders.push(mkdtempSync(join(tmpdir(), 'lachak-logins-')));
  return folders.at(-1)!;
};
afterAll(() => {
  for (const one of folders) rmSync(one, { recursive: true, force: true });
});

const servers: [string, () => Promise<{ url: string; stop(): Promise<void> }>][] = [
  ['PostgreSQL 15', startPostgres15],
  [
    'PostgreSQL 18',
    async () => {
      const own = folder();
      await furnish(own);
      const { connection, stop } = await startEmbedded(own, log, true);
      const { user, password, host, port, database } = connection;
      return { url: `postgres://${user}:${password}@localhost:${port}/${database}?host=${encodeURIComponent(host)}`, stop };
    },
  ],
];

describe.each(servers)('a login a room on %s', (_, start) => {
  let server: Awaited<ReturnType<typeof start>>;
  let urls: Map<RoomName, string>;
  const hosts: Host[] = [];
  beforeAll(async () => {
    server = await start();
    urls = await makeLogins(server.url);
  });
  afterAll(async () => {
    for (const host of hosts) await host.stop();
    await server?.stop();
  });

  const ask = async (room: RoomName, sql: string) => {
    const client = new pg.Client({ connectionString: urls.get(room)! });
    await client.connect();
    try {
      return (await client.query(sql)).rows;
    } finally {
      await client.end();
    }
  };
  const open = async (name: RoomName, make: (deps: Deps) => void, config: Partial<Config> = {}): Promise<Deps> => {
    let kept: Deps;
    const room: RoomMaker = {
      name,
      migrations: new URL('file:///nonexistent/'),
      make: (deps) => {
        kept = deps;
        make(deps);
        return { bindings: [], start: async () => {}, stop: async () => {} };
      },
    };
    const databaseUrls = { ...defaults.databaseUrls, [name]: urls.get(name)! };
    hosts.push(await startHost({ config: { ...defaults, folder: folder(), databaseUrls, ...config }, rooms: [room], log }));
    return kept!;
  };

  test('is made for every room, once', async () => {
    expect([...urls.keys()]).toEqual([...roomNames]);
    expect((await makeLogins(server.url)).size, 'the second time nothing is made').toBe(0);
  });

  test('facts flow between processes, each under its own login', async () => {
    const seen: string[] = [];
    await open('registry', ({ facts }) =>
      facts.follow('catalogue', { calendarPublished: async (_tx, { calendarId }) => void seen.push(calendarId) }),
    );
    const { database, facts } = await open('catalogue', () => {});
    const value = { $typeName: 'lachak.v1.Calendar', calendarId: 'IN', version: 1, days: [] } as never;
    await database.tx((tx) => facts.publish(tx, { discom: 'BRPL', key: 'IN', body: { case: 'calendarPublished', value } }));
    expect(await facts.passed(await facts.position(), ['registry'], 10_000)).toBe(true);
    expect(seen).toEqual(['IN']);
  });

  const forbidden: [RoomName, string, string][] = [
    ['registry', 'select * from catalogue.command', 'what others were commanded'],
    ['registry', 'update catalogue.outbox set position = null', 'to change what was published'],
    ['registry', 'select * from enrolment.outbox', 'facts of a room that stands on it'],
    ['registry', 'create schema mine', 'to make schemas'],
    ['catalogue', 'select * from registry.outbox', 'facts downstream'],
    [
      'settlement',
      'insert into catalogue.outbox (discom, key, at_ms, kind, fact) values (1, 1, 1, 1, null)',
      'to publish as another',
    ],
    ['gateway', 'delete from settlement.outbox', 'to delete facts'],
    ['dispatch', 'update host.clock set now_ms = 0', 'to move the clock'],
  ];
  test.each(forbidden)('%s may not %s (%s)', async (room, sql) => {
    await expect(ask(room, sql)).rejects.toMatchObject({ code: '42501' });
  });

  test('a room follows upstream and tells upstream how far it has come; the gateway moves the clock', async () => {
    expect(await ask('settlement', 'select * from dispatch.outbox')).toEqual([]);
    expect(await ask('enrolment', 'select * from dispatch.cursor')).toEqual([]);
    await ask('gateway', 'insert into host.clock (now_ms) values (0) on conflict do nothing');
  });

  const wrong: [string, (url: string) => string, RegExp][] = [
    ['a wrong password', (url) => url.replace(/:[^:@/]+@/, ':wrong@'), /refuses the login.*lachak database/],
    ['another room’s login', () => urls.get('gateway')!, /schema catalogue.*lachak database/],
    ['a database that is not there', (url) => url.replace('/postgres', '/nowhere'), /database is missing.*create it/],
    ['a server that is not there', () => 'postgres://x:y@127.0.0.1:1/postgres', /does not answer.*expected PostgreSQL 15/],
  ];
  test.each(wrong)('%s: the room says which dependency, what it expected and what to do', async (_why, change, says) => {
    const databaseUrls = { ...defaults.databaseUrls, catalogue: change(urls.get('catalogue')!) };
    const started = open('catalogue', () => {}, { databaseUrls });
    const error = await started.then(
      () => null,
      (reason) => reason,
    );
    expect(missing(error)).toMatch(says);
  });

  test('rooms with logins of their own do not share a process', async () => {
    const maker = (name: RoomName): RoomMaker => ({ name, migrations: new URL('file:///x/'), make: () => null as never });
    const databaseUrl = server.url.replace('postgres://', 'postgres://{room}');
    const started = startHost({
      config: { ...defaults, folder: folder(), databaseUrl },
      rooms: [maker('catalogue'), maker('registry')],
      log,
    });
    await expect(started).rejects.toThrow(/run one to a process/);
  });

  test('the login is named after its room', async () => {
    expect(await ask('metering', 'select current_user as name')).toEqual([{ name: loginOf('metering') }]);
  });
});
