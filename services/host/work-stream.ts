import { setTimeout as pause } from 'node:timers/promises';
import { AckPolicy, type Consumer, type JetStreamClient, type NatsError, nanos } from 'nats';
import { newId } from './ids.ts';
import { type JetStream, workSubject } from './jetstream.ts';
import type { RoomName } from './room.ts';
import type { TaskCarrier } from './work.ts';

const TAKE_MS = 1000;
const LOOK_MS = 100;
/** The server's word that no message came in time. */
const NOTHING: readonly string[] = ['404', '408'];

/** Tasks on a JetStream work queue: one durable pull consumer, shared by all instances of the room. */
export function tasksOnStream(jetstream: JetStream, room: RoomName, queue: string, heldMs: number): TaskCarrier {
  const subject = workSubject(room, queue);
  let opened: Promise<Consumer> | null = null;

  const consumer = (): Promise<Consumer> => {
    opened ??= open().catch((error) => {
      opened = null;
      throw error;
    });
    return opened;
  };
  const open = async (): Promise<Consumer> => {
    const { client, manager } = await jetstream.reached();
    const stream = await jetstream.workOf(room);
    await manager.consumers.add(stream, {
      durable_name: queue,
      filter_subject: subject,
      ack_policy: AckPolicy.Explicit,
      ack_wait: nanos(heldMs),
      max_ack_pending: 10_000,
    });
    return client.consumers.get(stream, queue);
  };
  const expectReached = (): void => {
    const away = jetstream.away();
    if (away !== null) throw new Error(`NATS is away: ${away}`);
  };

  /** The stream is made for as long as it takes; whoever has work to offer does it rather than wait for a server that is away. */
  const ready = async (): Promise<JetStreamClient> => {
    const made = jetstream.workOf(room).then(() => true);
    made.catch(() => {}); // when nobody waits for it any more
    for (const end = Date.now() + jetstream.askMs; ; ) {
      expectReached();
      if (await Promise.race([made, pause(LOOK_MS)])) return (await jetstream.reached()).client;
      if (Date.now() > end) throw new Error('NATS does not make the stream of tasks');
    }
  };

  return {
    offer: async (tasks, again) => {
      const client = await ready();
      // What another instance has offered already, the server drops by its message id.
      const mark = again ? `/${newId()}` : '';
      await Promise.all(tasks.map((task) => client.publish(subject, task, { msgID: `${queue}/${task}${mark}` })));
    },
    idle: async () => {
      expectReached();
      const { num_pending: waiting, num_ack_pending: held } = await (await consumer()).info();
      return waiting + held === 0;
    },
    take: async () => {
      await consumer();
      const { client } = await jetstream.reached();
      // One request, one task: what is pulled ahead of need could not be done by an instance that is free.
      const message = await client.pull(await jetstream.workOf(room), queue, TAKE_MS).catch((error: NatsError) => {
        if (NOTHING.includes(error.code)) return null;
        opened = null; // a consumer that was lost with its server is made again
        throw error;
      });
      return (
        message && {
          task: message.string(),
          extend: async () => message.working(),
          done: async () => void (await message.ackAck()),
          release: async () => message.nak(),
        }
      );
    },
  };
}
