import mqtt from 'mqtt';
import { type Instant, type Interval, iso } from '../../services/domain/interval.ts';
import { inTurn } from '../../services/host/signal.ts';
import { timeTopic, topicOf } from '../mqtt/access.ts';
import { hurry } from '../mqtt/flex.ts';
import { type Message, readMessage } from '../mqtt/words.ts';
import { TICK_MS } from './energy.ts';
import { drawHome, type Home, type HomeHabits, home, type Shift } from './home.ts';
import { between } from './random.ts';
import { timelineOf } from './timeline.ts';
import type { World } from './world.ts';

/** How a device misbehaves; nothing given = it does as it is told. */
export type Temper = {
  /** Connects and never says another word; its appliance lives on. */
  readonly dead?: boolean;
  /** Says it applies and does nothing. */
  readonly liar?: boolean;
  readonly refuses?: boolean;
  /** The user takes over at this instant, if a command is in force. */
  readonly overrideAt?: Instant;
  /** Off the network: hears no command, sends nothing. What it had taken up goes on. */
  readonly dropOuts?: readonly Interval[];
};
export type Account = { readonly url: string; readonly discom: string; readonly deviceId: string; readonly secret: string };

/** What a simulated device tells those who run it. Energies are whole Wh between instants on the five-minute grid. */
export type SimulatedDevice = {
  readonly deviceId: string;
  start(): Promise<void>;
  stop(): Promise<void>;
  /** Loses power and connects again: what it had been told is gone. */
  reboot(): Promise<void>;
  readonly now: Instant;
  /** Drawn from the grid. */
  energyWh(from: Instant, to: Instant): number;
  /** What it would have drawn without any command. */
  unmanagedWh(from: Instant, to: Instant): number;
  /** Unmanaged − drawn; negative where it catches up. */
  savedWh(from: Instant, to: Instant): number;
};
export type SimulatedAc = SimulatedDevice & { readonly habits: HomeHabits };

type Taken = Shift & { readonly validTo: Instant; applied: boolean; over: boolean };

/** Telemetry also goes out when power moves by more than a tenth of rated. */
const NOTABLE = 0.1;

/** An air conditioner that speaks flex/1 over its own socket. Its physics depends on seed, domain time and commands only. */
export function simulatedAc(
  account: Account,
  world: World,
  temper: Temper = {},
  habits: HomeHabits = drawHome(world, account.deviceId),
): SimulatedAc {
  const { discom, deviceId } = account;
  const topic = (about: string): string => topicOf(discom, deviceId, about);
  const place: Home = home(world, deviceId, habits);
  let taken: Taken[] = [];
  let client: mqtt.MqttClient | null = null;
  let heardTime: Instant | null = null;
  let sequence = 0;
  let toldW = -1;
  let out = false;
  const outbox: Promise<unknown>[] = [];
  const turn = inTurn();

  const tell = (about: string, message: object, retain = false): void => {
    if (!client || heardTime === null || (out && about !== 'step')) return;
    outbox.push(client.publishAsync(topic(about), JSON.stringify(message), { qos: 1, retain }).catch(() => {}));
  };
  const sent = async (): Promise<void> => {
    await Promise.all(outbox.splice(0));
  };
  const ack = (id: string, status: string, at: Instant, reason?: string): void =>
    tell('ack', { id, status, ts: iso(at), ...(reason ? { reason } : {}) });
  const telemetry = (at: Instant): void => {
    toldW = place.actual.powerW;
    tell('telemetry', {
      ts: iso(at),
      seq: ++sequence,
      powerW: toldW,
      energyWh: place.register.read(),
      roomC: Math.round(place.actual.roomC * 10) / 10,
      setC: place.setC,
      mode: place.mode,
      comp: place.actual.compressor,
    });
  };
  const finish = (entry: Taken, status: string, at: Instant, reason?: string): void => {
    entry.over = true;
    ack(entry.id, status, at, reason);
  };

  /** Lives on until `now`, telling what happens on the way. */
  const live = (now: Instant): void => {
    while (place.at + TICK_MS <= now) {
      const at = place.at;
      network(at);
      for (const entry of taken) {
        if (at >= entry.until) entry.over = true;
        else if (!entry.over && !entry.applied && at >= entry.from) {
          entry.applied = true;
          ack(entry.id, 'applied', at);
        }
      }
      taken = taken.filter((entry) => !entry.over || at < entry.validTo);
      const inForce = taken.filter((entry) => entry.applied && !entry.over);
      if (temper.overrideAt !== undefined && at <= temper.overrideAt && temper.overrideAt < at + TICK_MS && inForce.length > 0) {
        tell('override', { ts: iso(at), by: 'user', until: iso(Math.max(...inForce.map((entry) => entry.until))) });
        for (const entry of inForce) finish(entry, 'overridden', at, 'user');
      }
      const acting = temper.liar ? [] : inForce.filter((entry) => !entry.over);
      if (place.tick(acting)) for (const entry of acting) finish(entry, 'overridden', at, 'comfort_guard');
      if (!temper.dead && Math.abs(place.actual.powerW - toldW) > NOTABLE * habits.ac.ratedW) telemetry(place.at);
    }
    network(now);
  };
  const network = (at: Instant): void => {
    const gone = (temper.dropOuts ?? []).some((span) => span.start <= at && at < span.end);
    if (gone === out) return;
    if (gone) tell('status', { online: false, ts: iso(at) }, true);
    out = gone;
    if (!gone) tell('status', { online: true, ts: iso(at) }, true);
  };

  /** Takes a command up, or not; the answer. */
  const command = (message: Message): readonly [status: string, reason?: string] => {
    const id = String(message.id);
    const now = heardTime ?? world.origin;
    const [validFrom, validTo, expires] = [message.validFrom, message.validTo, message.expires].map((text) =>
      Date.parse(String(text)),
    );
    const known = taken.find((entry) => entry.id === id);
    if (message.action === 'end') {
      if (known) known.over = true;
      return ['ended'];
    }
    if (temper.refuses) return ['rejected', 'not_now'];
    if (!known && now >= Math.min(expires!, validTo!)) return ['expired'];
    const set = (message.set ?? {}) as { setpointDeltaC?: number; maxPowerW?: number };
    if (set.setpointDeltaC === undefined && set.maxPowerW !== undefined && !habits.ac.inverter)
      return ['rejected', 'not_capable'];
    // Reaction and the asked-for randomness are drawn from the id: a repeat of the command acts at the same instant.
    const delay = (what: string, most: number) => between(0, most, world.seed, deviceId, id, what) * 1000;
    const from = Math.max(validFrom!, now) + delay('reaction', 20) + delay('start', Number(message.randomStartS ?? 0));
    const until = validTo! + delay('end', Number(message.randomEndS ?? 0));
    const shift = { id, until, validTo: validTo!, setpointDeltaC: set.setpointDeltaC ?? 0, capW: set.maxPowerW ?? null };
    if (known) Object.assign(known, shift);
    else taken.push({ ...shift, from, applied: false, over: false });
    if (known?.over) return ['overridden', 'user'];
    return [known?.applied ? 'applied' : 'accepted'];
  };

  const onMessage = (name: string, payload: Buffer): void => {
    const message = readMessage(payload);
    if (!message || temper.dead) return;
    void turn(async () => {
      if (name === topic('command')) {
        if (!out) {
          const [status, reason] = command(message);
          ack(String(message.id), status, heardTime ?? world.origin, reason);
        }
        await sent();
      } else if (name === timeTopic(discom)) {
        const now = Date.parse(String(message.now));
        if (heardTime === null || now > heardTime) {
          live(now); // silently the first time: what was before it connected is nobody's business
          heardTime = now;
          if (place.at > world.origin) telemetry(place.at);
        }
        await sent();
        await timelineOf(world).hear(now);
        tell('step', { step: message.step });
        await sent();
      }
    });
  };

  const connect = async (): Promise<void> => {
    client = await mqtt.connectAsync(
      account.url,
      {
        username: `${discom}/${deviceId}`,
        password: account.secret,
        clientId: deviceId,
        keepalive: 60,
        reconnectPeriod: 300,
        will: { topic: topic('status'), payload: Buffer.from('{"online":false}'), qos: 1, retain: true },
      },
      false,
    );
    const connected = client;
    hurry(connected);
    client.on('connect', () => hurry(connected));
    client.on('error', () => {});
    client.on('message', onMessage);
    const hello = async (): Promise<void> => {
      if (!client) return;
      const { ac } = habits;
      const about = {
        type: 'ac',
        vendor: 'Lachak',
        model: ac.inverter ? 'sim-inverter' : 'sim-fixed',
        ratedW: ac.ratedW,
        caps: ac.inverter ? ['setpoint', 'powerLimit', 'shed'] : ['setpoint', 'shed'],
        minOffMin: ac.minOffS / 60,
        setpointMin: 16,
        setpointMax: 30,
        meter: !temper.dead,
        stepped: !temper.dead,
      };
      await client.subscribeAsync([topic('command'), timeTopic(discom)], { qos: 1 });
      const ts = iso(heardTime ?? world.origin);
      for (const [name, message] of [
        ['info', about],
        ['status', { online: true, ts }],
      ] as const) {
        await client.publishAsync(topic(name), JSON.stringify(message), { qos: 1, retain: true });
      }
    };
    client.on('connect', () => void hello().catch(() => {}));
    await hello();
  };
  const disconnect = async (): Promise<void> => {
    const leaving = client;
    client = null;
    if (!leaving) return;
    leaving.stream.destroy(); // as a power cut does: no DISCONNECT, so the broker publishes the will
    leaving.options.reconnectPeriod = 0; // else mqtt.js keeps what is unconfirmed for a next time, and who waits for it waits for ever
    await leaving.endAsync(true);
  };

  return {
    deviceId,
    habits,
    start: connect,
    stop: async () => {
      await disconnect();
      await turn(async () => {});
    },
    reboot: async () => {
      await disconnect();
      taken = [];
      await connect();
    },
    get now() {
      return place.at;
    },
    ...energyOf(place, () => (temper.dead ? live : null)),
  };
}

/** Energies of a home; one that hears no time lives on when it is asked. */
function energyOf(
  place: Home,
  alone: () => ((now: Instant) => void) | null,
): Pick<SimulatedDevice, 'energyWh' | 'unmanagedWh' | 'savedWh'> {
  const read = (which: 'register' | 'twin', from: Instant, to: Instant): number => {
    alone()?.(to);
    return place[which].between(from, to);
  };
  return {
    energyWh: (from, to) => read('register', from, to),
    unmanagedWh: (from, to) => read('twin', from, to),
    savedWh: (from, to) => read('twin', from, to) - read('register', from, to),
  };
}
