import { randomBytes } from 'node:crypto';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import pg from 'pg';
import { invalid, Refusal } from '../domain/outcome.ts';
import { arrows, roomNames } from './arrows.ts';
import { EXIT, readWords } from './cli.ts';
import { expectVersion, missing } from './expect.ts';
import { filesOf, hostTables, roomTables } from './migrations.ts';
import type { RoomName } from './room.ts';

const HELP = `lachak database --admin-url URL [--print] [--out DIR]

Makes, in one PostgreSQL (15 or later), a schema and a login for each room, each seeing its own schema and nothing else but what it
follows: the outbox of the rooms upstream. May be repeated; what is there is left, passwords included.

  --admin-url URL   postgres://admin@host/database: may create roles and schemas (PGPASSWORD or ~/.pgpass for its password)
  --out DIR         where the URLs of new logins are written, one file a room, 0600 (default lachak-logins)
  --print           print the SQL instead of running it; passwords are then yours to set (alter role … password …)

Each process: LACHAK_DATABASE_URL=$(cat DIR/ROOM.url) or "databaseUrls": { "ROOM": "…" } in its configuration.
`;

/** `lachak database`. */
export async function databaseCommand(argv: readonly string[]): Promise<number> {
  const word = { type: 'string' as const };
  const { values } = readWords(argv, { 'admin-url': word, out: word, print: { type: 'boolean' } });
  if (values.help) process.stdout.write(HELP);
  else if (values.print) process.stdout.write(`${['begin', ...roles(new Map()), ...schemas(), 'commit'].join(';\n\n')};\n`);
  else {
    const url = values['admin-url'] as string | undefined;
    if (url === undefined || !/^postgres(ql)?:\/\//.test(url))
      throw invalid('usage', '--admin-url is missing: postgres://admin@host/database; --print shows what would be done');
    const made = await makeLogins(url);
    const out = resolve(String(values.out ?? 'lachak-logins'));
    if (made.size > 0) mkdirSync(out, { recursive: true, mode: 0o700 });
    for (const [room, login] of made) writeFileSync(join(out, `${room}.url`), `${login}\n`, { mode: 0o600 });
    const kept = roomNames.length - made.size;
    process.stdout.write(
      `${made.size} logins made${made.size > 0 ? `, their URLs in ${out}` : ''}${kept > 0 ? `; ${kept} were there and are left` : ''}\n`,
    );
  }
  return EXIT.done;
}

/** Makes what is missing; the URLs of the logins that were made, by room. Throws Refusal `database_unreachable`. */
export async function makeLogins(adminUrl: string): Promise<Map<RoomName, string>> {
  const client = new pg.Client({ connectionString: adminUrl });
  try {
    await client.connect();
    await expectVersion(client);
    const { rows } = await client.query<{ rolname: string }>("select rolname from pg_roles where rolname like 'lachak\\_%'");
    const there = new Set(rows.map(({ rolname }) => rolname));
    const made = new Map(
      roomNames.filter((room) => !there.has(loginOf(room))).map((room) => [room, randomBytes(24).toString('base64url')]),
    );
    // One transaction: a login without its schema would be a riddle.
    await client.query('begin');
    for (const statement of [...roles(made), ...schemas()]) await client.query(statement);
    await client.query('commit');
    return new Map([...made].map(([room, password]) => [room, urlOf(adminUrl, loginOf(room), password)]));
  } catch (error) {
    const why = missing(error);
    throw why ? new Refusal('unavailable', 'database_unreachable', why) : error;
  } finally {
    await client.end().catch(() => {});
  }
}

export const loginOf = (room: RoomName): string => `lachak_${room}`;

/** Idempotent statements: a login a room. Without a password nobody can log in by one. */
function roles(passwords: ReadonlyMap<RoomName, string>): string[] {
  return roomNames.map((room) => {
    const password = passwords.get(room);
    return `do $$ begin
  if not exists (select 1 from pg_roles where rolname = '${loginOf(room)}') then
    create role ${loginOf(room)} login${password ? ` password '${password}'` : ''};
  end if;
end $$`;
  });
}

/** Idempotent statements: schemas owned by their rooms, the tables that others may read, and exactly the grants to read them. */
function schemas(): string[] {
  const own = (schema: string, sources: { owner: string; folder: URL }[]) =>
    `set local search_path to ${schema};
create table if not exists migration (name text primary key, checksum text not null);
${sources
  .flatMap(({ owner, folder }) => filesOf(folder).map((file) => ({ ...file, name: `${owner}/${file.file}` })))
  .map(
    ({ name, sql, checksum }) => `do $migration$ begin
  if not exists (select 1 from migration where name = '${name}') then
    ${sql.trim()}
    insert into migration values ('${name}', '${checksum}');
  end if;
end $migration$`,
  )
  .join(';\n')}`;
  const all = roomNames.map(loginOf).join(', ');
  return [
    'create schema if not exists host',
    own('host', [{ owner: 'host', folder: hostTables }]),
    // Stepped domain time: everybody reads it, the conductor moves it.
    `grant usage on schema host to ${all}`,
    `grant select on host.clock to ${all}`,
    `grant insert, update on host.clock to ${loginOf('gateway')}`,
    ...roomNames.flatMap((room) => [
      // Who makes a schema for another must be able to be that other.
      `grant ${loginOf(room)} to current_user`,
      `create schema if not exists ${room} authorization ${loginOf(room)}`,
      `revoke all on schema ${room} from public`,
      `set local role ${loginOf(room)}`,
      own(room, [{ owner: 'host', folder: roomTables }]),
      'reset role',
    ]),
    ...roomNames.flatMap(grantsOn),
  ];
}

/** Who may read what of a room's schema, as its owner grants it: followers its facts, and its upstreams how far it has come. */
export const grantsOn = (room: RoomName): string[] => [
  ...downstream(room).flatMap((follower) => [
    `grant usage on schema ${room} to ${loginOf(follower)}`,
    `grant select on ${room}.outbox, ${room}.relay to ${loginOf(follower)}`,
  ]),
  // "All who act on a consent have heard of its end."
  ...arrows[room].flatMap((upstream) => [
    `grant usage on schema ${room} to ${loginOf(upstream)}`,
    `grant select on ${room}.cursor to ${loginOf(upstream)}`,
    `grant select (upstream, position, state) on ${room}.fact_parked to ${loginOf(upstream)}`,
  ]),
];

const downstream = (room: RoomName): RoomName[] => roomNames.filter((other) => arrows[other].includes(room));

function urlOf(adminUrl: string, login: string, password: string): string {
  const url = new URL(adminUrl);
  url.username = login;
  url.password = password;
  return url.href;
}
