import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import pg from 'pg';
import { type Config, databaseOf } from '../host/config.ts';
import { type Connection, foundServer } from '../host/embedded.ts';
import { expectSchema, expectVersion, missing } from '../host/expect.ts';
import { filesOf, hostTables, roomTables } from '../host/migrations.ts';
import type { RoomMaker } from '../host/room.ts';
import { lookAtFacts } from './facts.ts';
import { clockFinding, type Finding, migrationFinding, note, ok, wrong } from './finding.ts';

const ANSWER_WITHIN_MS = 5000;
type Rooms = readonly Pick<RoomMaker, 'name' | 'migrations'>[];
type Place = { readonly what: string; readonly at: string | Connection; readonly own: boolean; readonly rooms: Rooms };

/** PostgreSQL, its clock and the rooms' schemas, as these rooms would reach them. Changes nothing and starts nothing. */
export async function lookAtDatabases(config: Config, rooms: Rooms, holder: number | null): Promise<Finding[]> {
  const reached = rooms.map((room) => ({ room, ...databaseOf(config, room.name) }));
  const unnamed = reached.filter(({ url }) => url === '');
  if (unnamed.length === reached.length) return lookAtEmbedded(config.folder, rooms, holder);
  if (unnamed.length > 0) {
    const names = unnamed.map(({ room }) => room.name).join(', ');
    return [
      wrong(
        'PostgreSQL',
        `nobody says where that of ${names} is, but others have a server: set databaseUrls.ROOM, or databaseUrl`,
      ),
    ];
  }
  const places = new Map<string, Place>();
  for (const { room, url, own } of reached) {
    const what = own ? `PostgreSQL of ${room.name}` : 'PostgreSQL';
    places.set(url, { what, at: url, own, rooms: [...(places.get(url)?.rooms ?? []), room] });
  }
  return (await Promise.all([...places.values()].map((place) => lookAt(place, holder)))).flat();
}

async function lookAtEmbedded(folder: string, rooms: Rooms, holder: number | null): Promise<Finding[]> {
  const at = foundServer(folder);
  if (at) return lookAt({ what: 'PostgreSQL, embedded', at, own: false, rooms }, holder);
  const version = join(folder, 'postgres', 'PG_VERSION');
  if (!existsSync(version)) return [note('PostgreSQL, embedded', 'is not there yet: the first start makes it')];
  const major = readFileSync(version, 'utf8').trim();
  return [note('PostgreSQL, embedded', `${major}, does not run: a start starts it; its schemas can be looked at then`)];
}

async function lookAt({ what, at, own, rooms }: Place, holder: number | null): Promise<Finding[]> {
  const client = new pg.Client({
    ...(typeof at === 'string' ? { connectionString: at } : at),
    connectionTimeoutMillis: ANSWER_WITHIN_MS,
    query_timeout: ANSWER_WITHIN_MS,
  });
  client.on('error', () => {}); // the query that was cut off says it
  try {
    await client.connect();
    await expectVersion(client);
    const { rows } = await client.query<{ version: string }>("select current_setting('server_version') as version");
    if (own) for (const { name } of rooms) await expectSchema(client, name, name);
    const findings = [ok(what, `version ${rows[0]!.version}`), await lookAtClock(client, what)];
    // A login of a room's own sees no other schema's migrations.
    if (!own) findings.push(await lookAtSchema(client, 'host', [{ owner: 'host', folder: hostTables }]));
    for (const { name, migrations } of rooms)
      findings.push(
        await lookAtSchema(client, name, [
          { owner: 'host', folder: roomTables },
          { owner: name, folder: migrations },
        ]),
      );
    // Tables of another age have their columns to come.
    if (findings.some(({ what, verdict }) => what.startsWith('schema') && verdict !== 'ok')) return findings;
    const names = rooms.map(({ name }) => name);
    return [...findings, ...(await lookAtFacts(client, names, holder !== null))];
  } catch (error) {
    return [wrong(what, missing(error) ?? (error as Error).message)];
  } finally {
    await client.end().catch(() => {});
  }
}

async function lookAtSchema(
  client: pg.Client,
  schema: string,
  sources: readonly { owner: string; folder: URL }[],
): Promise<Finding> {
  const { rows } = await client.query<{ there: boolean }>('select to_regclass($1) is not null as there', [`${schema}.migration`]);
  const done = rows[0]!.there
    ? (await client.query<{ name: string; checksum: string }>(`select name, checksum from ${schema}.migration`)).rows
    : [];
  const files = sources.flatMap(({ owner, folder }) =>
    filesOf(folder).map(({ file, checksum }) => ({ name: `${owner}/${file}`, checksum })),
  );
  return migrationFinding(schema, new Map(done.map(({ name, checksum }) => [name, checksum])), files);
}

/** The quickest of three answers tells the time best: it was true at some moment between question and answer. */
async function lookAtClock(client: pg.Client, server: string): Promise<Finding> {
  let best = { aheadMs: 0, withinMs: Number.POSITIVE_INFINITY };
  for (let i = 0; i < 3; i++) {
    const asked = Date.now();
    const { rows } = await client.query<{ at: number }>('select extract(epoch from clock_timestamp())::float8 * 1000 as at');
    const answered = Date.now();
    const withinMs = (answered - asked) / 2 + 1; // our clock counts whole milliseconds
    if (withinMs < best.withinMs) best = { aheadMs: rows[0]!.at - (asked + answered) / 2, withinMs };
  }
  return clockFinding(server, best.aheadMs, best.withinMs);
}
