import { existsSync } from 'node:fs';
import { join } from 'node:path';
import pg from 'pg';
import type { Logger } from 'pino';
import { invalid, notFound } from '../domain/outcome.ts';
import { type Config, databaseOf } from '../host/config.ts';
import { type Connection, foundServer, startEmbedded } from '../host/embedded.ts';
import { expectVersion } from '../host/expect.ts';
import { lockFolder } from '../host/lock.ts';
import type { RoomName } from '../host/room.ts';

/** The PostgreSQL behind each room. */
export type Reached = {
  readonly client: pg.Client;
  /** The login is the room's own: it sees its schema and little else, and makes none. */
  readonly own: boolean;
};
export type Databases = {
  of(room: RoomName): Reached;
  /** All connections there are, each once. */
  readonly all: readonly pg.Client[];
  /** All rooms lie in one database. */
  readonly together: boolean;
  close(): Promise<void>;
};

/**
 * The rooms' databases by the configuration: servers by URL, or the embedded one, which is started when nothing runs in the folder.
 * `alone`: nothing may run there, and what is missing is made. Throws Refusal `folder_in_use`, `nothing_to_back_up`.
 */
export async function reachDatabases(
  config: Config,
  rooms: readonly RoomName[],
  alone: boolean,
  log: Logger,
): Promise<Databases> {
  const places = rooms.map((room) => ({ room, ...databaseOf(config, room) }));
  const unnamed = places.filter(({ url }) => url === '');
  if (unnamed.length > 0 && unnamed.length < places.length)
    throw invalid('config_invalid', `databaseUrls.${unnamed[0]!.room} is missing: other rooms have a server`, 'databaseUrls');
  return unnamed.length > 0 ? embedded(config.folder, alone, log) : served(places);
}

async function served(places: readonly { room: RoomName; url: string; own: boolean }[]): Promise<Databases> {
  const byUrl = new Map<string, pg.Client>();
  const close = async () => void (await Promise.all([...byUrl.values()].map((client) => client.end().catch(() => {}))));
  try {
    for (const { url } of places) if (!byUrl.has(url)) byUrl.set(url, await connected(url));
  } catch (error) {
    await close();
    throw error;
  }
  const reached = new Map(places.map(({ room, url, own }) => [room, { client: byUrl.get(url)!, own }]));
  const where = new Set(places.map(({ url }) => new URL(url)).map(({ host, pathname, search }) => `${host}${pathname}${search}`));
  return { of: (room) => reached.get(room)!, all: [...byUrl.values()], together: where.size === 1, close };
}

async function embedded(folder: string, alone: boolean, log: Logger): Promise<Databases> {
  if (!alone && !existsSync(join(folder, 'postgres', 'PG_VERSION')))
    throw notFound('nothing_to_back_up', `${folder} holds no installation; name another --folder, or the servers it stands on`);
  const running = alone ? null : foundServer(folder);
  if (running) return one(await connected(running), async () => {});
  const lock = await lockFolder(folder);
  try {
    const server = await startEmbedded(folder, log);
    const leave = async () => {
      await server.stop();
      lock.release();
    };
    try {
      return one(await connected(server.connection), leave);
    } catch (error) {
      await leave();
      throw error;
    }
  } catch (error) {
    lock.release();
    throw error;
  }
}

const one = (client: pg.Client, leave: () => Promise<void>): Databases => ({
  of: () => ({ client, own: false }),
  all: [client],
  together: true,
  close: async () => {
    await client.end().catch(() => {});
    await leave();
  },
});

async function connected(at: string | Connection): Promise<pg.Client> {
  const client = new pg.Client({ ...(typeof at === 'string' ? { connectionString: at } : at), connectionTimeoutMillis: 10_000 });
  client.on('error', () => {}); // the statement that was cut off says it
  await client.connect();
  await expectVersion(client);
  return client;
}
