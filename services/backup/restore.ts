import { chmodSync, existsSync, mkdirSync, renameSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { toJsonString } from '@bufbuild/protobuf';
import type pg from 'pg';
import type { Logger } from 'pino';
import { FactSchema } from '../../gen/lachak/v1/facts_pb.ts';
import { conflict, notFound } from '../domain/outcome.ts';
import type { Config } from '../host/config.ts';
import { makeFolder } from '../host/folder.ts';
import { revive } from '../host/outbox.ts';
import type { RoomName } from '../host/room.ts';
import { copyFile, digestOf, fourAtOnce, syncFolders } from './files.ts';
import { type Ahead, aheadOf, lostBy } from './foresee.ts';
import { expectWhole, type FilePart, type Manifest, readManifest, stateFile } from './manifest.ts';
import { expectKnown, migrationsOf, putSchema, type Rooms } from './put.ts';
import { type Databases, reachDatabases } from './reach.ts';
import { hasSchema } from './tables.ts';

export type Restoring = {
  readonly config: Config;
  readonly backup: string;
  readonly roster: Rooms;
  /** Empty: all that the backup holds. */
  readonly named: readonly RoomName[];
  readonly replace: boolean;
  /** What becomes of rooms that have handled facts which a room put back will not know. */
  readonly followers: 'refuse' | 'too' | 'leave';
  readonly log: Logger;
  readonly say: (line: string) => void;
};

/**
 * Puts rooms back to what a backup holds: everything is looked at first, then all tables of a database change in one transaction.
 * Throws Refusal `backup_damaged`, `backup_newer`, `folder_in_use`, `room_runs`, `state_there`, `followers_ahead`.
 */
export async function restore({ config, backup, roster, named, replace, followers, log, say }: Restoring): Promise<void> {
  const manifest = readManifest(backup);
  const inIt = roster.map(({ name }) => name).filter((name) => name in manifest.schemas);
  for (const room of named)
    if (!inIt.includes(room)) throw notFound('room_not_in_backup', `the backup holds ${inIt.join(', ')}; it has no ${room}`);
  const whole = named.length === 0;
  for (const [schema, part] of Object.entries(manifest.schemas))
    expectKnown(schema, part, migrationsOf(schema, roster), manifest.version);
  say(`backup      of ${manifest.madeAt}, Lachak ${manifest.version}: reading it against its checksums`);
  await expectWhole(backup, manifest);

  makeFolder(config.folder);
  // The embedded server is made with the secrets of its folder.
  if (whole) await putFiles(config.folder, backup, filesOfRooms(manifest, ['secrets']), 'all');
  const databases = await reachDatabases(config, inIt, true, log);
  try {
    const rooms = await chosen(databases, manifest, whole ? inIt : named, inIt, followers, say);
    await holdStill(databases, rooms);
    if (!replace) await expectEmpty(databases, rooms);
    for (const room of rooms) await tellLost(databases, manifest, room, config.folder, say);
    const files = filesOfRooms(manifest, rooms);
    await putFiles(config.folder, backup, files, 'new');
    await putTables(databases, manifest, backup, rooms, whole, roster, say);
    const replaced = await putFiles(config.folder, backup, files, 'all');
    say(`${'files'.padEnd(12)} ${files.length} in place${replaced > 0 ? `, ${replaced} of them replaced` : ''}`);
    if (!whole) await tellSecrets(config.folder, manifest, say);
  } finally {
    await databases.close();
  }
}

/** Followers that are ahead are named, and put back too when that was asked for; theirs may be ahead again. */
async function chosen(
  databases: Databases,
  manifest: Manifest,
  first: readonly RoomName[],
  inIt: readonly RoomName[],
  followers: Restoring['followers'],
  say: Restoring['say'],
): Promise<RoomName[]> {
  const rooms = [...first];
  const left: Ahead[] = [];
  for (const room of rooms) {
    const outbox = manifest.schemas[room]!.outbox;
    if (!outbox) continue;
    for (const ahead of await aheadOf(databases.of(room).client, room, outbox)) {
      if (rooms.includes(ahead.room)) continue;
      if (followers === 'too' && inIt.includes(ahead.room)) {
        rooms.push(ahead.room);
        say(`${ahead.room.padEnd(12)} is put back too: it has ${told(ahead)}`);
      } else left.push(ahead);
    }
  }
  const still = left.filter(({ room }) => !rooms.includes(room));
  if (still.length > 0 && followers !== 'leave')
    throw conflict(
      'followers_ahead',
      `${still.map((ahead) => `${ahead.room} has ${told(ahead)}`).join('; ')}. Put them back too (--with-followers), or leave them ` +
        '(--leave-followers): then each stands still until lachak facts rejoin lets it go on as it is',
    );
  for (const ahead of still)
    say(`${ahead.room.padEnd(12)} is left: it has ${told(ahead)}, and will stand still until lachak facts rejoin`);
  return inIt.filter((room) => rooms.includes(room));
}

const told = ({ upstream, agreed, handled }: Ahead): string =>
  `handled facts of ${upstream} up to ${handled}, and the backup's ${upstream} agrees with it only up to ${agreed}`;

/** No process may work on these rooms: whoever numbers their facts holds this lock, and whoever starts waits for the other one. */
async function holdStill(databases: Databases, rooms: readonly RoomName[]): Promise<void> {
  for (const room of rooms) {
    const { client } = databases.of(room);
    const { rows } = await client.query<{ got: boolean }>('select pg_try_advisory_lock(hashtextextended($1, 0)) as got', [
      `lachak.relay.${room}`,
    ]);
    if (!rows[0]!.got)
      throw conflict('room_runs', `${room} runs: a process numbers its facts; stop all its instances, then restore`);
    await client.query('select pg_advisory_lock(hashtextextended($1, 0))', [`lachak.migrate.${room}`]);
  }
}

async function expectEmpty(databases: Databases, rooms: readonly RoomName[]): Promise<void> {
  const held: RoomName[] = [];
  for (const room of rooms) {
    const { client } = databases.of(room);
    if (!(await hasSchema(client, room))) continue;
    const { rows } = await client.query<{ used: boolean }>(
      `select exists (select 1 from ${room}.command) or exists (select 1 from ${room}.outbox) or exists (select 1 from ${room}.cursor where position > 0) as used`,
    );
    if (rows[0]!.used) held.push(room);
  }
  if (held.length > 0)
    throw conflict('state_there', `there is a state of ${held.join(', ')} here: --replace throws it away for that of the backup`);
}

/** What the room said since then is written down for people: its followers may have acted on it. */
async function tellLost(
  databases: Databases,
  manifest: Manifest,
  room: RoomName,
  folder: string,
  say: Restoring['say'],
): Promise<void> {
  const { outbox } = manifest.schemas[room]!;
  const lost = outbox ? await lostBy(databases.of(room).client, room, outbox) : [];
  if (lost.length === 0) return;
  const kinds = new Map<string, number>();
  for (const { kind } of lost) kinds.set(kind, (kinds.get(kind) ?? 0) + 1);
  const file = join(folder, room, `lost-facts-${lost[0]!.position}-${lost.at(-1)!.position}.jsonl`);
  mkdirSync(dirname(file), { recursive: true, mode: 0o700 });
  const lines = lost.map(({ position, fact }) => toJsonString(FactSchema, revive(room, position, fact)));
  writeFileSync(file, `${lines.join('\n')}\n`, { mode: 0o600, flush: true });
  say(
    `${room.padEnd(12)} loses ${lost.length} facts since then (${[...kinds].map(([kind, n]) => `${n} ${kind}`).join(', ')}): ${file}`,
  );
}

async function putTables(
  databases: Databases,
  manifest: Manifest,
  backup: string,
  rooms: readonly RoomName[],
  whole: boolean,
  roster: Rooms,
  say: Restoring['say'],
): Promise<void> {
  const byClient = new Map<pg.Client, string[]>();
  for (const room of rooms) {
    const { client } = databases.of(room);
    byClient.set(client, [...(byClient.get(client) ?? []), room]);
  }
  // Where domain time stands belongs to the house: a single room goes on in the present one.
  const first = databases.of(rooms[0]!);
  if (whole && !first.own && manifest.schemas.host) byClient.set(first.client, ['host', ...byClient.get(first.client)!]);
  for (const [client, schemas] of byClient) {
    await client.query('begin');
    for (const schema of schemas) {
      const part = manifest.schemas[schema]!;
      const own = schema !== 'host' && databases.of(schema as RoomName).own;
      await putSchema(client, schema, part, { backup, own, known: migrationsOf(schema, roster) });
      say(`${schema.padEnd(12)} ${part.tables.reduce((sum, { rows }) => sum + rows, 0)} rows`);
    }
    await client.query('commit');
  }
}

const filesOfRooms = ({ files }: Manifest, among: readonly string[]): FilePart[] =>
  files.filter(({ path }) => among.includes(path.split('/')[0]!));

/** `new`: those that are not there yet. `all`: also those that differ, whose old content is kept as `.replaced`. How many differed. */
async function putFiles(folder: string, backup: string, files: readonly FilePart[], which: 'new' | 'all'): Promise<number> {
  let replaced = 0;
  const put: string[] = [];
  await fourAtOnce(files, async ({ path, sha256 }) => {
    const at = join(folder, path);
    const there = existsSync(at);
    if (there && (which === 'new' || (await digestOf(at)) === sha256)) return;
    const draft = `${at}.draft`;
    await copyFile(join(backup, stateFile(path)), draft, null);
    chmodSync(dirname(at), 0o700);
    if (there) {
      renameSync(at, `${at}.replaced`);
      replaced++;
    }
    renameSync(draft, at);
    put.push(at);
  });
  await syncFolders(put);
  return replaced;
}

/** The house's own keys stay: what was signed since then was signed with them. */
async function tellSecrets(folder: string, manifest: Manifest, say: Restoring['say']): Promise<void> {
  for (const { path, sha256 } of filesOfRooms(manifest, ['secrets'])) {
    const now = await digestOf(join(folder, path));
    if (now !== sha256)
      say(`${'note'.padEnd(12)} ${path} is ${now === null ? 'missing' : 'another one'} here than in the backup; it is left`);
  }
}
