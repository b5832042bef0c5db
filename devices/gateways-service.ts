import { setTimeout as pause } from 'node:timers/promises';
import { headers, type Msg, type NatsConnection } from 'nats';
import type { Logger } from 'pino';
import { untilAborted } from '../services/host/carry.ts';
import type { DeviceKey, Driver, Heard } from './driver.ts';
import { keyOf } from './known-service.ts';
import { against, type Place } from './part.ts';
import type { Sample } from './proof.ts';
import type { Instruction, Word } from './reconcile.ts';

/** What a device said at one gateway, told to all. */
type Telling = { readonly discom: string; readonly id: string; readonly login: number; readonly birth: number } & Said;
type Said =
  | { readonly kind: 'online' | 'offline' | 'session' }
  | { readonly kind: 'described'; readonly vendor: string; readonly model: string }
  | { readonly kind: 'sample'; readonly sample: Sample }
  | { readonly kind: 'word'; readonly instructionId: string; readonly word: Word; readonly reason: string }
  | { readonly kind: 'override'; readonly reason: string };
type Call = {
  readonly device: DeviceKey;
  readonly login: number;
  readonly deed: 'apply' | 'release';
  readonly instruction: Instruction;
  readonly ended: boolean;
};

/**
 * Several instances of the room, each with its own sockets. Every one hears what every device says; the one that holds the device's part
 * acts on it (holding-service.ts) and calls the gateway that has the socket.
 */
export type Gateways = {
  readonly id: string;
  /** For drivers whose devices connect to this process. */
  readonly heard: Heard;
  /** A device has logged in here, for the n-th time anywhere. */
  loggedIn(device: DeviceKey, login: number): void;
  /** The driver at the gateway that has the device; null = it is here, or nowhere. */
  elsewhere(device: DeviceKey): Pick<Driver, 'apply' | 'release'> | null;
  /** Its lease has ended. */
  died(gateway: string): void;
  /** Asks another gateway to carry out a command; null = it did not, ask again who holds the part. */
  ask(gateway: string, verb: string, discom: string, request: Uint8Array): Promise<Uint8Array | null>;
  start(setting: GatewaySetting): Promise<void>;
  stop(): Promise<void>;
};
export type GatewaySetting = {
  readonly driverOf: (device: DeviceKey) => Driver | undefined;
  /** Null: not ours to carry out. */
  readonly asked: (verb: string, discom: string, request: Uint8Array) => Promise<Uint8Array | null>;
};

const ALL = 'edge.heard';
const ROLL = 'edge.roll';
/** A call to another gateway; reconcile.ts repeats it. */
const CALL_MS = 2000;
const ASK_MS = 5000;
const PATIENCE_MS = 3000;
/** Told together: a storm of small messages costs more than a moment. */
const TOGETHER_MS = 5;
const MOST_TOGETHER = 200;

export function openGateways(id: string, connect: () => Promise<NatsConnection>, sink: Heard, log: Logger): Gateways {
  const places = new Map<string, Place & { readonly device: DeviceKey }>();
  const logins = new Map<string, number>();
  let nats: NatsConnection | null = null;
  let up = false;
  let cut = new AbortController(); // the connection as it is now was lost: no answer comes by it any more
  let stopped = false;
  let waiting: Telling[] = [];
  let timer: NodeJS.Timeout | null = null;
  let setting: GatewaySetting;

  const flush = (): void => {
    if (timer) clearTimeout(timer);
    timer = null;
    const batch = waiting;
    waiting = [];
    if (batch.length === 0) return;
    // NATS away: its client would keep them without end. The others are told anew when it is back.
    if (up && nats) nats.publish(ALL, JSON.stringify({ from: id, batch }));
    else sink.lost('telling', batch.length);
  };
  const tell = (device: DeviceKey, place: Place, said: Said): void => {
    waiting.push({ discom: device.discom, id: device.deviceId, login: place.login, birth: place.birth, ...said });
    if (waiting.length >= MOST_TOGETHER) flush();
    else timer ??= setTimeout(flush, TOGETHER_MS);
  };
  /** What a device here says counts as long as no later login elsewhere is known. */
  const here = (device: DeviceKey, said: Said): void => {
    const place = places.get(keyOf(device));
    if (place?.gateway !== id) return;
    deliver(sink, device, said);
    tell(device, place, said);
  };
  const heard: Heard = {
    online: (device) => {
      const key = keyOf(device);
      const known = places.get(key);
      const login = logins.get(key) ?? 0;
      const place = { gateway: id, login, birth: known?.login === login ? known.birth + 1 : 1 };
      if (known && known.login > login) {
        setting.driverOf(device)?.drop?.(device);
        return;
      }
      places.set(key, { ...place, device });
      sink.online(device);
      tell(device, place, { kind: 'online' });
    },
    offline: (device) => {
      here(device, { kind: 'offline' });
      const place = places.get(keyOf(device));
      if (place?.gateway === id) places.set(keyOf(device), { ...place, gateway: null });
    },
    described: (device, { vendor, model }) => {
      sink.described(device, { vendor, model });
      tell(device, places.get(keyOf(device)) ?? { gateway: id, login: 0, birth: 0 }, { kind: 'described', vendor, model });
    },
    sample: (device, sample) => here(device, { kind: 'sample', sample }),
    word: (device, instructionId, word, reason) => here(device, { kind: 'word', instructionId, word, reason }),
    override: (device, reason) => here(device, { kind: 'override', reason }),
    session: (device) => here(device, { kind: 'session' }),
    refused: sink.refused,
    lost: sink.lost,
  };

  const hear = (from: string, { discom, id: deviceId, login, birth, ...said }: Telling): void => {
    const device = { discom, deviceId };
    if (said.kind === 'described') {
      sink.described(device, said);
      return;
    }
    const key = keyOf(device);
    const known = places.get(key);
    const found = against(known, { gateway: from, login, birth });
    if (found === 'stale') return;
    if (found === 'newer') {
      places.set(key, { gateway: from, login, birth, device });
      if (known?.gateway === id) setting.driverOf(device)?.drop?.(device); // a socket that it has left
      if (said.kind !== 'offline') sink.online(device);
    }
    if (said.kind === 'offline') {
      places.set(key, { gateway: null, login, birth, device });
      sink.offline(device);
    } else if (said.kind !== 'online') deliver(sink, device, said);
  };
  const lose = (which: (place: Place) => boolean): void => {
    for (const [key, place] of places) {
      if (place.gateway === null || !which(place)) continue;
      places.set(key, { ...place, gateway: null });
      sink.offline(place.device);
    }
  };
  /** All that is connected here, to whoever asks. */
  const present = (to: string): void => {
    const batch = [...places.values()]
      .filter((place) => place.gateway === id)
      .map(({ device, login, birth }) => ({ discom: device.discom, id: device.deviceId, login, birth, kind: 'online' as const }));
    for (let i = 0; i < batch.length; i += MOST_TOGETHER)
      nats?.publish(to, JSON.stringify({ from: id, batch: batch.slice(i, i + MOST_TOGETHER) }));
  };
  const roll = (): void => {
    present(ALL);
    nats?.publish(ROLL, '', { reply: `${ALL}.${id}` });
  };

  const carryOut = (message: Msg): void => {
    const { device, login, deed, instruction, ended } = message.json<Call>();
    const place = places.get(keyOf(device));
    const driver = setting.driverOf(device);
    const ours = place?.gateway === id && place.login === login && driver !== undefined;
    if (place?.gateway === id && place.login < login) driver?.drop?.(device); // it has logged in elsewhere since
    if (ours && deed === 'apply') driver.apply(device, instruction);
    else if (ours) driver.release(device, instruction, ended);
    message.respond(ours ? 'done' : 'gone');
  };
  const call = (
    place: Place & { readonly device: DeviceKey },
    deed: Call['deed'],
    instruction: Instruction,
    ended: boolean,
  ): void => {
    const { gateway, device, login } = place;
    if (!nats || !up) {
      sink.lost('command', 1);
      return;
    }
    const gone = (): void => {
      const now = places.get(keyOf(device));
      if (now?.gateway !== gateway || now.login !== login) return;
      places.set(keyOf(device), { ...now, gateway: null });
      sink.offline(device);
    };
    const request: Call = { device, login, deed, instruction, ended };
    nats.request(`edge.call.${gateway}`, JSON.stringify(request), { timeout: CALL_MS }).then(
      (answer) => answer.string() === 'gone' && gone(),
      (error: { code?: string }) => {
        // Nobody listens there: its gateway is dead, and that is known at once.
        if (error.code === NO_RESPONDERS) gone();
        else sink.lost('command', 1);
      },
    );
  };

  const enter = (connection: NatsConnection): void => {
    nats = connection;
    up = true;
    const listen = (subject: string, take: (message: Msg) => void): void => {
      connection.subscribe(subject, {
        callback: (error, message) => {
          if (error) return log.warn({ subject, error: error.message }, 'a gateway could not hear the others');
          try {
            take(message);
          } catch (fault) {
            log.error({ subject, error: fault }, 'what another gateway said could not be taken');
          }
        },
      });
    };
    const take = (message: Msg): void => {
      const { from, batch } = message.json<{ from: string; batch: Telling[] }>();
      if (from !== id) for (const one of batch) hear(from, one);
    };
    listen(ALL, take);
    listen(`${ALL}.${id}`, take);
    listen(ROLL, ({ reply }) => reply && reply !== `${ALL}.${id}` && present(reply));
    listen(`edge.call.${id}`, carryOut);
    listen(`edge.ask.${id}.*`, (message) => {
      const [verb = '', discom = ''] = [message.subject.split('.')[3], message.headers?.get('discom')];
      setting.asked(verb, discom, message.data).then(
        (answer) => (answer ? message.respond(new Uint8Array([1, ...answer])) : message.respond(new Uint8Array([0]))),
        (error) => {
          log.warn({ verb, error: (error as Error).message }, 'a command from another gateway failed');
          message.respond(new Uint8Array([0]));
        },
      );
    });
    roll();
    void (async () => {
      for await (const { type } of connection.status()) {
        if (type === 'disconnect') {
          up = false;
          cut.abort();
          cut = new AbortController();
          log.warn('NATS is away: devices at other gateways cannot be reached');
          lose((place) => place.gateway !== id);
        } else if (type === 'reconnect') {
          up = true;
          roll();
        }
      }
    })();
  };

  return {
    id,
    heard,
    loggedIn: (device, login) => void logins.set(keyOf(device), login),
    elsewhere: (device) => {
      const place = places.get(keyOf(device));
      if (!place || place.gateway === null || place.gateway === id) return null;
      return {
        apply: (_, instruction) => call(place, 'apply', instruction, false),
        release: (_, instruction, ended) => call(place, 'release', instruction, ended),
      };
    },
    died: (gateway) => lose((place) => place.gateway === gateway),
    ask: async (gateway, verb, discom, request) => {
      if (!nats || !up) return null;
      const about = headers();
      about.set('discom', discom);
      const asked = nats.request(`edge.ask.${gateway}.${verb}`, request, { timeout: ASK_MS, headers: about });
      const answer = await untilAborted(asked, cut.signal).catch(() => null);
      return answer?.data[0] === 1 ? answer.data.subarray(1) : null;
    },
    start: async (given) => {
      setting = given;
      const first = connect().then((connection) => {
        if (stopped) return connection.close();
        enter(connection);
      });
      first.catch((error: Error) => log.error({ error: error.message }, 'NATS cannot be used'));
      await Promise.race([first, pause(PATIENCE_MS, undefined, { ref: false })]);
    },
    stop: async () => {
      stopped = true;
      flush();
      await nats?.flush().catch(() => {});
      await nats?.close();
    },
  };
}

const NO_RESPONDERS = '503';

function deliver(sink: Heard, device: DeviceKey, said: Said): void {
  if (said.kind === 'sample') sink.sample(device, said.sample);
  else if (said.kind === 'word') sink.word(device, said.instructionId, said.word, said.reason);
  else if (said.kind === 'override') sink.override(device, said.reason);
  else if (said.kind === 'described') sink.described(device, said);
  else sink[said.kind](device);
}
