import { setTimeout as pause } from 'node:timers/promises';
import mqtt from 'mqtt';
import type { Logger } from 'pino';
import { FIRST_REGISTER } from '../../services/domain/source.ts';
import type { Clock } from '../../services/host/room.ts';
import { type KeepTelemetry, registerValue } from '../telemetry.ts';
import { readTopic } from './access.ts';
import { type Entry, ROOM_USER } from './broker.ts';
import { readMessage, readTelemetry } from './words.ts';

/** Keeps what a publication on a telemetry topic says of a register; resolves when it is kept, throws when it cannot be now. */
export type TakeTelemetry = (topic: string, payload: Uint8Array) => Promise<void>;

export const takeTelemetry =
  (keep: KeepTelemetry, clock: Pick<Clock, 'now'>): TakeTelemetry =>
  async (topic, payload) => {
    const place = readTopic(topic);
    if (place?.about !== 'telemetry') return;
    const message = readMessage(payload);
    const values = registerValue(message && readTelemetry(message), clock.now());
    if (values.length > 0) await keep({ discom: place.discom, deviceId: place.deviceId }, FIRST_REGISTER, values);
  };

/** One session for the whole room, whoever of its instances has it: the broker keeps for it what nobody has taken. */
const CLIENT_ID = `${ROOM_USER}-telemetry`;
const AGAIN_MS = 500;

/**
 * A broker that others run has told the device "taken" before we hear of it. So it is asked at QoS 1 in a session that outlives us, and
 * each message is acknowledged to it only when it is kept.
 */
export function telemetrySession(entry: Entry, take: TakeTelemetry, log: Logger) {
  let client: mqtt.MqttClient | null = null;
  let stopping = new AbortController();
  return {
    start: async (): Promise<void> => {
      if (client) return;
      stopping = new AbortController();
      const { signal } = stopping;
      const { url, password } = await entry.open();
      const own = mqtt.connect(url, {
        username: ROOM_USER,
        password: password(),
        clientId: CLIENT_ID,
        clean: false,
        resubscribe: false,
        reconnectPeriod: AGAIN_MS,
        reconnectOnConnackError: true,
        connectTimeout: Math.min(5, entry.patienceSeconds) * 1000,
        keepalive: entry.patienceSeconds,
      });
      client = own;
      own.on('connect', () => {
        own.subscribe('flex/v1/+/+/telemetry', { qos: 1 }, (error) => {
          if (error) own.stream.destroy(); // it connects again by itself
        });
      });
      own.on('error', (error) => log.debug({ error: error.message }, 'the broker cannot be asked for telemetry; tried again'));
      own.handleMessage = (packet, done) => {
        const keepIt = async (): Promise<void> => {
          while (!signal.aborted) {
            try {
              await take(packet.topic, Buffer.from(packet.payload as Buffer));
              return done();
            } catch {
              await pause(AGAIN_MS, undefined, { signal, ref: false }).catch(() => {}); // said by whoever keeps it
            }
          }
        };
        void keepIt();
      };
    },
    stop: async (): Promise<void> => {
      stopping.abort();
      const own = client;
      client = null;
      await own?.endAsync(true);
    },
  };
}
