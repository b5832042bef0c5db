import type { Socket } from 'node:net';
import { setTimeout as pause } from 'node:timers/promises';
import mqtt from 'mqtt';
import type { Logger } from 'pino';
import type { Instant } from '../../services/domain/interval.ts';
import type { Clock } from '../../services/host/room.ts';
import type { DeviceKey, Driver, Heard } from '../driver.ts';
import { readTopic, timeTopic, topicOf } from './access.ts';
import { type Entry, ROOM_USER } from './broker.ts';
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
  readonly entry: Entry;
  readonly clock: Pick<Clock, 'now' | 'stepped'>;
  readonly heard: Heard;
  readonly log: Logger;
  /** Of the room's session at the broker. */
  readonly clientId: string;
  /** The session outlives the process: an override is said once, and the broker keeps it for us. Of several gateways another hears it. */
  readonly lasting: boolean;
};

/** Commands that the broker has not confirmed; beyond this none is sent: reconcile.ts repeats them. */
const MOST_UNCONFIRMED = 10_000;
/** What waits for a broker that is away at the start, wall ms; then the room goes on without it. */
const PATIENCE_MS = 3000;

/** Air conditioners and whatever else speaks flex/1 (FLEX.md). */
export function flexDriver({ entry, clock, heard, log, clientId, lasting }: FlexSetting): Driver {
  let place: Awaited<ReturnType<Entry['open']>>;
  let client: mqtt.MqttClient;
  let why = 'has not been asked yet';
  let unconfirmed = 0;
  const present = new Map<string, DeviceKey>();
  const discoms = new Set<string>();
  const steps = expectations();
  let step = 0;

  const readers: Record<string, (device: DeviceKey, message: Message) => boolean> = {
    status: (device, message) => {
      const online = readStatus(message);
      if (online === null) return false;
      if (online) meet(device);
      else leave(device);
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
  const leave = (device: DeviceKey): void => {
    present.delete(idOf(device));
    steps.forget(idOf(device));
  };
  const meet = (device: DeviceKey): void => {
    const { discom } = device;
    present.set(idOf(device), device);
    if (discoms.has(discom)) return;
    discoms.add(discom);
    if (clock.stepped) tellTime(discom);
  };
  // Nothing queues for a broker that is away: when it is back its devices are told what holds then.
  const send = (topic: string, message: object, retain = false): void => {
    if (!client.connected || unconfirmed >= MOST_UNCONFIRMED) {
      heard.lost('command', 1);
      return;
    }
    unconfirmed++;
    client.publish(topic, JSON.stringify(message), { qos: 1, retain }, (error) => {
      unconfirmed--;
      if (error) log.warn({ topic, error: error.message }, 'a message to a device was not sent');
    });
  };
  /** On every connection: the retained states of all devices come again, so each is told again. */
  const enter = async (): Promise<void> => {
    hurry(client);
    const qos = (about: string) => (about === 'telemetry' ? 0 : 1); // the next sample makes up for a lost one
    await client.subscribeAsync(
      Object.fromEntries(Object.keys(readers).map((about) => [`flex/v1/+/+/${about}`, { qos: qos(about) }])),
    );
    if (clock.stepped) for (const discom of discoms) tellTime(discom);
  };
  const lostBroker = (): void => {
    for (const device of [...present.values()]) {
      leave(device);
      heard.offline(device);
    }
  };

  return {
    start: async () => {
      place = await entry.open();
      client = mqtt.connect(place.url, {
        username: ROOM_USER,
        password: place.password(),
        clientId,
        clean: !lasting,
        resubscribe: false,
        reconnectPeriod: 500,
        reconnectOnConnackError: true,
        connectTimeout: Math.min(5, entry.patienceSeconds) * 1000,
        keepalive: entry.patienceSeconds,
      });
      client.on('message', take);
      client.on('close', lostBroker);
      client.on('reconnect', () => {
        try {
          client.options.password = place.password();
        } catch (error) {
          why = (error as Error).message;
        }
      });
      client.on('error', (error: Error & { code?: string | number }) => {
        why = brokerProblem(error);
        log.warn({ broker: place.url, why }, 'the room has no broker; it tries again');
      });
      const first = new Promise<void>((done) => {
        client.on('connect', () => {
          enter().then(done, (error: Error) => {
            log.warn({ error: error.message }, 'the broker took no subscription; the room connects again');
            client.stream.destroy(); // it connects again by itself, with what is unconfirmed
          });
        });
      });
      await (entry.external ? Promise.race([first, pause(PATIENCE_MS, undefined, { ref: false })]) : first);
    },
    stop: async () => {
      client?.off('close', lostBroker);
      await client?.endAsync(true);
      await place?.close();
    },
    wrong: () => (client?.connected ? null : `the MQTT broker at ${place.url} ${why}`),
    endpoint: () => place.deviceUrl,
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

/** What is wrong, what was expected and what to do, for people. */
export function brokerProblem({ code, message }: Error & { code?: string | number }): string {
  // 4 and 5: the broker's answer to a wrong name, a wrong password, or a client it does not let in.
  if (code === 4 || code === 5)
    return `does not let the devices room in (${message}); expected it to know the user ${ROOM_USER}: have it read the files of lachak mqtt-files`;
  return `does not answer (${message || code}); expected mosquitto 2 or its like there: start it, or correct mqtt.url`;
}

/** Small packets at once: Nagle's algorithm and delayed acknowledgements would cost 40 ms a turn. */
export const hurry = (client: mqtt.MqttClient): void => void (client.stream as Partial<Socket>).setNoDelay?.(true);

const idOf = ({ discom, deviceId }: DeviceKey): string => `${discom}/${deviceId}`;
