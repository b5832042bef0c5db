import type pg from 'pg';
import { roomNames } from '../host/arrows.ts';
import type { RoomName } from '../host/room.ts';
import { agreedTo, stretchesIn } from '../host/stretches.ts';
import type { OutboxPart } from './manifest.ts';
import { hasSchema, outboxOf } from './tables.ts';

/** A room that has handled facts of another which that one will not know once it is put back. */
export type Ahead = { readonly room: RoomName; readonly upstream: RoomName; readonly agreed: bigint; readonly handled: bigint };

/** Which rooms here are ahead of these outboxes, as far as this login may see. */
export async function aheadOf(client: pg.Client, upstream: RoomName, outbox: OutboxPart): Promise<Ahead[]> {
  const ahead: Ahead[] = [];
  for (const room of roomNames) {
    const { rows: visible } = await client.query<{ yes: boolean }>(
      `select coalesce(has_schema_privilege(to_regnamespace($1)::oid, 'USAGE') and has_table_privilege(to_regclass($2)::oid, 'SELECT'), false) as yes`,
      [room, `${room}.cursor`],
    );
    if (!visible[0]!.yes) continue;
    const { rows } = await client.query<{ position: string; stretches: [string, string][] }>(
      `select c.position, coalesce(to_jsonb(c)->'stretches', '[["", "0"]]') as stretches from ${room}.cursor c where upstream = $1`,
      [upstream],
    );
    for (const { position, stretches } of rows) {
      const handled = BigInt(position);
      const agreed = agreedTo(stretchesIn(stretches), handled, stretchesIn(outbox.stretches), BigInt(outbox.head));
      if (agreed < handled) ahead.push({ room, upstream, agreed, handled });
    }
  }
  return ahead;
}

/** Facts that a room has published and will not know any more, oldest first, as they are stored. */
export async function lostBy(
  client: pg.Client,
  room: RoomName,
  then: OutboxPart,
): Promise<{ position: bigint; kind: string; fact: Uint8Array }[]> {
  const now = (await hasSchema(client, room)) ? await outboxOf(client, room) : null;
  if (!now) return [];
  const head = BigInt(now.head);
  const agreed = agreedTo(stretchesIn(now.stretches), head, stretchesIn(then.stretches), BigInt(then.head));
  const { rows } = await client.query<{ position: string; kind: string; fact: Uint8Array }>(
    `select position, kind, fact from ${room}.outbox where position > $1 order by position`,
    [agreed.toString()],
  );
  return rows.map((row) => ({ ...row, position: BigInt(row.position) }));
}
