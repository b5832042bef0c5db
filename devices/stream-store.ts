import { AckPolicy, DeliverPolicy, DiscardPolicy, type JsMsg, type NatsError, nanos, RetentionPolicy, StorageType } from 'nats';
import type { JetStream, Reached } from '../services/host/jetstream.ts';
import { type Carrier, type Kept, TelemetryFull, type Waiting } from './telemetry.ts';

const STREAM = 'telemetry';
/** Some seven million values: half a day of ten thousand devices that speak once a minute. */
const MOST_BYTES = 1024 ** 3;
const DUPLICATES_MS = 120_000;
/** Handed out and not acknowledged for so long, it is handed out again. */
const AGAIN_MS = 30_000;
const MOST_HANDED_OUT = 20_000;
/** How long the server may gather what was asked for; its client takes no less. */
const GATHER_MS = 1000;
const LOOK_MS = 5000;
/** While a leader is being chosen nobody takes a message. */
const TRIES = 40;

type Payload = Omit<Kept, 'discom' | 'values'> & { readonly values: readonly (readonly [at: number, wh: number])[] };

/**
 * On JetStream, for any number of gateways: a stream of which what is acknowledged goes, and which refuses when it is full. Receipts are
 * the subjects on which the server takes acknowledgements, so any gateway can pass one on.
 */
export function telemetryStream(jetstream: JetStream, replicas: number): Carrier {
  let made: Promise<Reached> | null = null;
  const consumers = new Map<string, Promise<string>>();
  let waiting = 0;
  let lookedAt = Number.NEGATIVE_INFINITY;

  const make = async (): Promise<Reached> => {
    const reached = await jetstream.reached();
    await reached.manager.streams
      .add({
        name: STREAM,
        subjects: [`${STREAM}.*`],
        retention: RetentionPolicy.Workqueue,
        storage: StorageType.File,
        discard: DiscardPolicy.New,
        num_replicas: replicas,
        max_bytes: MOST_BYTES,
        duplicate_window: nanos(DUPLICATES_MS),
      })
      .catch((error: Error) => {
        if (!/already in use/.test(error.message)) throw error; // made with other bounds: theirs hold
      });
    return reached;
  };
  const there = (): Promise<Reached> => {
    const away = jetstream.away();
    if (away !== null) return Promise.reject(new Error(`NATS is away: ${away}`));
    if (!made) {
      made = make();
      made.catch(() => {
        made = null;
      });
    }
    return made;
  };
  const consumerOf = (discom: string, { manager }: Reached): Promise<string> => {
    const name = `metering_${token(discom)}`;
    const found =
      consumers.get(discom) ??
      manager.consumers
        .add(STREAM, {
          durable_name: name,
          filter_subject: subjectOf(discom),
          ack_policy: AckPolicy.Explicit,
          deliver_policy: DeliverPolicy.All,
          ack_wait: nanos(AGAIN_MS),
          max_ack_pending: MOST_HANDED_OUT,
        })
        .then(() => name);
    consumers.set(discom, found);
    found.catch(() => consumers.delete(discom));
    return found;
  };
  const look = ({ manager }: Reached): void => {
    if (performance.now() < lookedAt + LOOK_MS) return;
    lookedAt = performance.now();
    manager.streams.info(STREAM).then(
      ({ state }) => {
        waiting = state.messages;
      },
      () => {},
    );
  };
  return {
    keep: async (kept) => {
      const reached = await there();
      look(reached);
      const options = { msgID: idOf(kept), timeout: jetstream.askMs, retries: TRIES };
      await reached.client.publish(subjectOf(kept.discom), packed(kept), options).catch((error: NatsError) => {
        if (/^maximum (bytes|messages)/.test(error.api_error?.description ?? '')) throw new TelemetryFull(`${waiting} messages`);
        throw error;
      });
    },
    take: async (discom, most) => {
      const reached = await there();
      look(reached);
      const name = await consumerOf(discom, reached);
      const consumer = await reached.client.consumers.get(STREAM, name);
      const { num_pending: fresh, num_ack_pending: open } = await consumer.info();
      if (fresh + open === 0) return [];
      const messages = await consumer.fetch({ max_messages: Math.max(1, Math.min(most, fresh)), expires: GATHER_MS });
      const found: Waiting[] = [];
      for await (const message of messages) found.push(unpacked(receiptOf(message), message.data));
      return found;
    },
    acknowledge: async (_, receipts) => {
      const { connection } = await there();
      for (const receipt of receipts) if (receipt.startsWith(`$JS.ACK.${STREAM}.`)) connection.publish(receipt, '+ACK');
      await connection.flush();
    },
    waiting: () => waiting,
    start: () => Promise.resolve(),
    stop: () => jetstream.stop(),
  };
}

const token = (discom: string): string => Buffer.from(discom).toString('base64url');
const subjectOf = (discom: string): string => `${STREAM}.${token(discom)}`;
/** The same values told again within the stream's memory are one message; later ones change nothing at metering. */
const idOf = ({ discom, deviceId, register, values }: Kept): string =>
  [discom, deviceId, register, values.length, ...values.slice(0, 8).flatMap(({ at, wh }) => [at, wh]), values.at(-1)?.at].join(
    '/',
  );

/** The subject on which the server takes the acknowledgement of this delivery (NATS, JetStream API reference: `$JS.ACK`). */
const receiptOf = ({ info }: JsMsg): string =>
  [
    `$JS.ACK.${info.stream}.${info.consumer}`,
    ...[info.deliveryCount, info.streamSequence, info.deliverySequence, info.timestampNanos, info.pending],
  ].join('.');

function packed({ deviceId, register, receivedAt, values }: Kept): Uint8Array {
  const payload: Payload = { deviceId, register, receivedAt, values: values.map(({ at, wh }) => [at, wh] as const) };
  return Buffer.from(JSON.stringify(payload));
}

function unpacked(receipt: string, bytes: Uint8Array): Waiting {
  const { values, ...of } = JSON.parse(Buffer.from(bytes).toString('utf8')) as Payload;
  return { receipt, ...of, values: values.map(([at, wh]) => ({ at, wh })) };
}
