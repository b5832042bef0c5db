import { setTimeout as pause } from 'node:timers/promises';
import type pg from 'pg';
import type { RoomName } from '../host/room.ts';
import { stretchesIn } from '../host/stretches.ts';
import type { Finding } from './finding.ts';
import { type Following, factFindings, moves, type RoomFacts } from './following.ts';

/** Longer than two signs of life of a process, and than most handlers take. */
const BETWEEN_MS = 3500;

/** Whether the followers of these rooms, whose schemas are here, get on. Two looks when one does not tell. */
export async function lookAtFacts(client: pg.Client, rooms: readonly RoomName[], holder: boolean): Promise<Finding[]> {
  const there: RoomName[] = [];
  for (const room of rooms) if (await readable(client, `${room}.cursor`)) there.push(room);
  const before = await lookAtAll(client, there);
  if (before.some(moves)) await pause(BETWEEN_MS);
  const after = before.some(moves) ? await lookAtAll(client, there) : before;
  return after.flatMap((now, i) => factFindings(before[i]!, now, holder));
}

async function lookAtAll(client: pg.Client, rooms: readonly RoomName[]): Promise<RoomFacts[]> {
  const found: RoomFacts[] = [];
  for (const room of rooms) found.push(await lookAtRoom(client, room));
  return found;
}

async function lookAtRoom(client: pg.Client, room: RoomName): Promise<RoomFacts> {
  const { rows: of } = await client.query(
    `select (select count(*)::int from ${room}.fact_owner where until > clock_timestamp()) as living,
       (select max(until) from ${room}.fact_owner) as last_word, o.count, o.row_id, o.at_ms
     from (select count(*) over ()::int as count, row_id, at_ms from ${room}.outbox where position is null order by row_id limit 1) o
     right join (select 1) one on true`,
  );
  const { rows } = await client.query(
    `select c.upstream, c.position, c.stretches,
       greatest(c.position, (select max(position) from ${room}.fact_share s where s.upstream = c.upstream)) as handled,
       (select count(*)::int from ${room}.fact_share s where s.upstream = c.upstream and (s.owner is null or s.owner not in
         (select owner from ${room}.fact_owner where until > clock_timestamp()))) as unowned,
       p.count, p.position as parked, p.discom, p.error, p.since
     from ${room}.cursor c left join lateral (
       select count(*) over ()::int as count, position, discom, error, min(parked_at) over () as since
       from ${room}.fact_parked p where p.upstream = c.upstream and state <> 'dropped' order by position limit 1
     ) p on true order by c.upstream`,
  );
  const follows: Following[] = [];
  for (const row of rows) {
    const parked = {
      count: row.count,
      position: BigInt(row.parked ?? 0),
      discom: row.discom,
      error: row.error,
      since: row.since,
    };
    follows.push({
      upstream: row.upstream,
      position: BigInt(row.position),
      handled: BigInt(row.handled),
      stretches: stretchesIn(row.stretches),
      unowned: row.unowned,
      parked: row.count === null ? null : parked,
      there: await lookUpstream(client, row.upstream, BigInt(row.position)),
    });
  }
  const { living, last_word: lastWord, count, row_id: row, at_ms: at } = of[0]!;
  const unnumbered = count === null ? null : { count, row: BigInt(row), at: new Date(Number(at)) };
  return { room, living, lastWord, unnumbered, follows };
}

async function lookUpstream(client: pg.Client, upstream: RoomName, position: bigint): Promise<Following['there']> {
  if (!(await readable(client, `${upstream}.relay`))) return null;
  const { rows } = await client.query(
    `select r.last_position, r.stretches, o.position, o.kind, o.at_ms from ${upstream}.relay r
     left join lateral (select position, kind, at_ms from ${upstream}.outbox where position > $1 order by position limit 1) o on true`,
    [position],
  );
  const [row] = rows;
  const oldest =
    row.position === null ? null : { position: BigInt(row.position), kind: row.kind, at: new Date(Number(row.at_ms)) };
  return { head: BigInt(row.last_position), stretches: stretchesIn(row.stretches), oldest };
}

const readable = async (client: pg.Client, table: string): Promise<boolean> =>
  (
    await client.query<{ may: boolean | null }>(
      'select case when to_regclass($1) is not null then has_table_privilege($1, $2) end as may',
      [table, 'SELECT'],
    )
  ).rows[0]!.may === true;
