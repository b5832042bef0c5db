import type { Socket } from 'node:net';
import mqtt from 'mqtt';
import type { Logger } from 'pino';
import type { Instant } from '../../services/domain/interval.ts';
import type { Clock } from '../../services/host/room.ts';
import type { Authenticate, DeviceKey, Driver, Heard } from '../driver.ts';
import { readTopic, timeTopic, topicOf } from './access.ts';
import { type Broker, openBroker, ROOM_USER } from './broker.ts';
import { expectations } from './expectations.ts';
import {
  commandOf,
  endOf,
  type Message,
  readAbout,
  readAck,
  readMessage,
  readOverride,
  readStatus,
  readStep,
  readTelemetry,
} from './words.ts';

export type FlexSetting = {
  readonly host: string;
  readonly port: number;
  readonly clock: Pick<Clock, 'now' | 'stepped'>;
  readonly authenticate: Authenticate;
  readonly heard: Heard;
  readonly log: Logger;
  /** What the room itself logs in with; made anew by every process. */
  readonly serviceSecret: string;
};

/** Air conditioners and whatever else speaks flex/1 (FLEX.md). */
export function flexDriver({ host, port, clock, authenticate, heard, log, serviceSecret }: FlexSetting): Driver {
  let broker: Broker;
  let client: mqtt.MqttClient;
  const discoms = new Set<string>();
  const steps = expectations();
  let step = 0;

  const readers: Record<string, (device: DeviceKey, message: Message) => boolean> = {
    status: (device, message) => {
      const online = readStatus(message);
      if (online === null) return false;
      if (online) meet(device);
      else steps.forget(idOf(device));
      heard[online ? 'online' : 'offline'](device);
      return true;
    },
    info: (device, message) => {
      const { vendor, model, stepped } = readAbout(message);
      heard.described(device, { vendor, model });
      if (stepped) steps.expect(idOf(device));
      return true;
    },
    telemetry: (device, message) => {
      const sample = readTelemetry(message);
      if (sample) heard.sample(device, sample);
      return sample !== null;
    },
    ack: (device, message) => {
      const ack = readAck(message);
      if (ack) heard.word(device, ack.id, ack.word, ack.reason);
      return ack !== null;
    },
    override: (device, message) => {
      heard.override(device, readOverride(message));
      return true;
    },
    step: (device, message) => {
      const answered = readStep(message);
      if (answered !== null) steps.answered(idOf(device), answered);
      return answered !== null;
    },
  };
  const take = (topic: string, payload: Buffer): void => {
    const place = readTopic(topic);
    const reader = place && readers[place.about];
    if (!reader || payload.length === 0) return; // our own commands, or a retained message taken back
    const message = readMessage(payload);
    if (!message || !reader({ discom: place.discom, deviceId: place.deviceId }, message))
      heard.refused('malformed', { device: idOf(place), detail: `unreadable ${place.about}` });
  };
  const tellTime = (discom: string): void => {
    send(timeTopic(discom), { now: new Date(clock.now()).toISOString(), step }, true);
  };
  const meet = ({ discom }: DeviceKey): void => {
    if (discoms.has(discom)) return;
    discoms.add(discom);
    if (clock.stepped) tellTime(discom);
  };
  const send = (topic: string, message: object, retain = false): void => {
    client.publish(topic, JSON.stringify(message), { qos: 1, retain }, (error) => {
      if (error) log.warn({ topic, error: error.message }, 'a message to a device was not sent');
    });
  };

  return {
    start: async () => {
      broker = await openBroker({ host, port, authenticate, serviceSecret, refused: heard.refused });
      client = await mqtt.connectAsync({
        host: host === '0.0.0.0' ? '127.0.0.1' : host,
        port: broker.port,
        protocol: 'mqtt',
        username: ROOM_USER,
        password: serviceSecret,
        clientId: `${ROOM_USER}-${process.pid}`,
        reconnectPeriod: 500,
      });
      hurry(client);
      client.on('connect', () => hurry(client));
      client.on('message', take);
      client.on('error', (error) => log.warn({ error: error.message }, 'the room lost the broker; it connects again'));
      const qos = (about: string) => (about === 'telemetry' ? 0 : 1); // the next sample makes up for a lost one
      await client.subscribeAsync(
        Object.fromEntries(Object.keys(readers).map((about) => [`flex/v1/+/+/${about}`, { qos: qos(about) }])),
      );
    },
    stop: async () => {
      await client?.endAsync(true);
      await broker?.close();
    },
    endpoint: () => `mqtt://${host}:${broker.port}`,
    apply: ({ discom, deviceId }, instruction) => send(topicOf(discom, deviceId, 'command'), commandOf(instruction, clock.now())),
    release: ({ discom, deviceId }, instruction, ended) => {
      if (!ended) send(topicOf(discom, deviceId, 'command'), endOf(instruction, clock.now()));
    },
    step: async (_now: Instant, boundMs) => {
      step++;
      for (const discom of discoms) tellTime(discom);
      return { silent: await steps.settled(step, boundMs) };
    },
  };
}

/** Small packets at once: Nagle's algorithm and delayed acknowledgements would cost 40 ms a turn. */
export const hurry = (client: mqtt.MqttClient): void => void (client.stream as Partial<Socket>).setNoDelay?.(true);

const idOf = ({ discom, deviceId }: DeviceKey): string => `${discom}/${deviceId}`;
