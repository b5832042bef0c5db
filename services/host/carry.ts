import { setTimeout as pause } from 'node:timers/promises';
import { headers, type JetStreamClient } from 'nats';
import type { Logger } from 'pino';
import { killPoint } from './faults.ts';
import { type JetStream, subjectOf } from './jetstream.ts';
import type { Relay } from './relay.ts';
import type { Database, RoomName } from './room.ts';
import { type Stretch, stretchesIn } from './stretches.ts';

/** Two batches are under way at a time: 512 facts without an acknowledgement at most. */
const BATCH = 256;
const POLL_MS = 500;
/** Header: between this position and the message's own lies no other fact of its partition. */
export const PREVIOUS = 'Lachak-Previous';

/**
 * Takes the room's numbered facts to JetStream, from the process that numbers them. Writers never wait for it: what was not
 * acknowledged is sent again, from the outbox if need be; the server drops what it already has by message id.
 */
export async function carry(
  room: RoomName,
  database: Database,
  jetstream: JetStream,
  relay: Relay,
  signal: AbortSignal,
  log: Logger,
): Promise<void> {
  while (!signal.aborted) {
    try {
      const { client } = await untilAborted(jetstream.reached(), signal);
      await untilAborted(jetstream.streamOf(room), signal);
      if (relay.leads(room)) await lead(room, database, client, relay, signal);
      else await relay.numbered(room).beyond(relay.numbered(room).count, POLL_MS);
    } catch (error) {
      if (signal.aborted) return;
      log.warn({ room, reason: (error as Error).message }, 'carrying facts to NATS failed; it is tried again');
      await pause(1000, undefined, { signal }).catch(() => {});
    }
  }
}

async function lead(
  room: RoomName,
  database: Database,
  client: JetStreamClient,
  relay: Relay,
  signal: AbortSignal,
): Promise<void> {
  const news = relay.numbered(room);
  // Whoever switches NATS on has no use for the past on it: followers list that.
  const [start] = await database.query<{ at: bigint; stretches: [string, string][] }>(
    'update relay set carried = coalesce(carried, last_position) returning carried as at, stretches',
  );
  const stretches = stretchesIn(start!.stretches); // while we lead, none is added
  let sent = start!.at;
  let noted = sent;
  const previous = new Map<number, bigint>();
  const underWay: { last: bigint; acknowledged: Promise<unknown> }[] = [];
  const settle = async (most: number): Promise<void> => {
    let last = noted;
    while (underWay.length > most) {
      const batch = underWay.shift()!;
      await batch.acknowledged;
      last = batch.last;
    }
    if (last === noted) return;
    noted = last;
    await database.query(
      `with lazily as materialized (select set_config('synchronous_commit', 'off', true))
       update relay set carried = $1 from lazily where carried < $1`,
      [noted],
    );
  };
  while (!signal.aborted && relay.leads(room)) {
    const seen = news.count;
    const rows = await database.query<{ position: bigint; partition: number; fact: Uint8Array }>(
      'select position, partition, fact from outbox where position > $1 order by position limit $2',
      [sent, BATCH],
    );
    if (rows.length > 0) {
      killPoint('carry.before_publish');
      const acknowledgements = rows.map(({ position, partition, fact }) => {
        // Of a partition's first fact here, only where we began is known: so much is as good.
        const before = previous.get(partition) ?? start!.at;
        previous.set(partition, position);
        return send(client, room, idOf(room, stretches, position), partition, before, fact, signal);
      });
      sent = rows.at(-1)!.position;
      const acknowledged = Promise.all(acknowledgements);
      acknowledged.catch(() => {}); // `settle` hears of it
      underWay.push({ last: sent, acknowledged });
    }
    await settle(rows.length === BATCH ? 1 : 0);
    if (rows.length === 0) await news.beyond(seen, POLL_MS);
  }
}

/** A fact is told from every other by its position and the stretch that it was numbered in. */
const idOf = (room: RoomName, stretches: readonly Stretch[], position: bigint): string =>
  `${room}/${stretches.findLast(({ after }) => after < position)!.id}/${position}`;

async function send(
  client: JetStreamClient,
  room: RoomName,
  msgID: string,
  partition: number,
  before: bigint,
  fact: Uint8Array,
  signal: AbortSignal,
): Promise<void> {
  const head = headers();
  head.set(PREVIOUS, before.toString());
  for (let attempt = 0; ; attempt++) {
    try {
      await client.publish(subjectOf(room, partition), fact, { msgID, headers: head });
      return;
    } catch (error) {
      if (signal.aborted) throw error;
      await pause(Math.min(2000, 50 * 2 ** attempt), undefined, { signal });
    }
  }
}

export async function untilAborted<T>(work: Promise<T>, signal: AbortSignal): Promise<T> {
  let stop = () => {};
  const aborted = new Promise<never>((_, fail) => {
    stop = () => fail(signal.reason);
    if (signal.aborted) stop();
    signal.addEventListener('abort', stop, { once: true });
  });
  try {
    return await Promise.race([work, aborted]);
  } finally {
    signal.removeEventListener('abort', stop);
  }
}
