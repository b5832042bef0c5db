import { WebSocket } from 'ws';
import { type Instant, iso } from '../../services/domain/interval.ts';
import { inTurn } from '../../services/host/signal.ts';
import type { Payload } from '../ocpp/frame.ts';
import { type Link, link } from '../ocpp/link.ts';
import type { SimulatedDevice, Temper } from './ac.ts';
import { bay, drawPlug, type Plug, type Visit } from './car.ts';
import { install, limitAt, type Profile, type Session } from './composition.ts';
import { TICK_MS } from './energy.ts';
import { between } from './random.ts';
import { timelineOf } from './timeline.ts';
import type { World } from './world.ts';

export type StationAccount = { readonly url: string; readonly deviceId: string; readonly secret: string };
export type SimulatedCharger = SimulatedDevice & {
  readonly plug: Plug;
  /** The limit it would apply now, A per phase; null = none. */
  limitA(): number | null;
  /** What it holds now. */
  profiles(): readonly Profile[];
};
export type ChargerSetting = { readonly plug?: Plug; readonly visits?: (day: number) => Visit | null };

const VOLTS = 230;
const CONNECTOR = 1;
/** Wall time between two attempts of a station that lost its connection. */
const REDIAL_MS = 200;

/** A charger with one connector that speaks OCPP 1.6J over its own socket. It knows the time from `currentTime` only. */
export function simulatedCharger(
  { url, deviceId, secret }: StationAccount,
  world: World,
  temper: Temper = {},
  setting: ChargerSetting = {},
): SimulatedCharger {
  const plug = setting.plug ?? drawPlug(world, deviceId);
  const place = bay(world, deviceId, plug, setting.visits);
  let wire: Link | null = null;
  let socket: WebSocket | null = null;
  let heardTime: Instant = world.origin;
  let profiles: Profile[] = [];
  let session: Session | null = null;
  let status = 'Available';
  let sampledW = 0;
  let out = false;
  let forgetTime = (): void => {};
  /** What could not be sent, in order: told when it is back (1.6 §3.7.1). */
  const owed: (() => Promise<void>)[] = [];
  const turn = inTurn();

  const call = async (action: string, payload: object): Promise<Payload> => {
    const end = await wire?.call(action, () => payload);
    return end?.kind === 'result' ? end.payload : {};
  };
  const say = async (next: string, at: Instant): Promise<void> => {
    if (next === status) return;
    status = next;
    if (!out) await call('StatusNotification', { connectorId: CONNECTOR, errorCode: 'NoError', status, timestamp: iso(at) });
  };
  const limit = (at: Instant): number | null => limitAt(profiles, at, session, plug.phases);
  const meter = async (at: Instant): Promise<void> => {
    if (out) return;
    const { powerW } = place;
    sampledW = powerW;
    const offered = Math.min(plug.maxA, limit(at) ?? plug.maxA);
    const amps = (powerW / VOLTS / plug.phases).toFixed(1);
    const perPhase = ['L1', 'L2', 'L3']
      .slice(0, plug.phases)
      .map((phase) => ({ value: amps, measurand: 'Current.Import', phase, unit: 'A' }));
    const sampledValue = [
      { value: String(place.register.read()), measurand: 'Energy.Active.Import.Register', unit: 'Wh' },
      { value: String(powerW), measurand: 'Power.Active.Import', unit: 'W' },
      { value: String(Math.round(offered * VOLTS * plug.phases)), measurand: 'Power.Offered', unit: 'W' },
      ...perPhase,
    ];
    await call('MeterValues', {
      connectorId: CONNECTOR,
      ...(session ? { transactionId: session.transactionId } : {}),
      meterValue: [{ timestamp: iso(at), sampledValue }],
    });
  };
  const begin = async (at: Instant): Promise<void> => {
    if (out) return; // it charges all the same; the session is told when it is back
    await say('Preparing', at);
    const { transactionId } = await call('StartTransaction', {
      connectorId: CONNECTOR,
      idTag: `car-${deviceId}`.slice(0, 20),
      meterStart: place.register.read(),
      timestamp: iso(at),
    });
    // Unanswered, it asks again at the next tick.
    if (transactionId !== undefined) session = { transactionId: Number(transactionId), startedAt: at };
  };
  const finish = async (at: Instant, reason: string): Promise<void> => {
    if (!session) return;
    const stop = { transactionId: session.transactionId, meterStop: place.register.read(), timestamp: iso(at), reason };
    const tell = async (): Promise<void> => void (await call('StopTransaction', stop));
    profiles = profiles.filter((p) => p.purpose !== 'TxProfile');
    session = null;
    if (out || !wire) owed.push(tell);
    else await tell();
  };
  /** Leaves the network and comes back to it, as its temper has it. */
  const network = async (at: Instant): Promise<void> => {
    const gone = (temper.dropOuts ?? []).some((span) => span.start <= at && at < span.end);
    if (gone === out) return;
    out = gone;
    if (gone) {
      disconnect();
      forgetTime = timelineOf(world).listen((now) => turn(() => step(now)));
      return;
    }
    forgetTime();
    await connect(false);
    for (const tell of owed.splice(0)) await tell();
  };

  /** Lives on until `now`. Frames are sent on the way; physics never waits for what they are answered. */
  const live = async (now: Instant): Promise<void> => {
    while (place.at + TICK_MS <= now) {
      const at = place.at;
      await network(at);
      const change = place.turnover();
      if (change === 'left') {
        await finish(at, 'EVDisconnected');
        await say('Available', at);
      }
      if (place.visit && !session) await begin(at);
      const limitA = limit(at) ?? plug.maxA;
      place.tick(temper.liar ? plug.maxA : limitA);
      if (place.visit) await say(place.full ? 'SuspendedEV' : limitA < 6 && !temper.liar ? 'SuspendedEVSE' : 'Charging', at);
      if (Math.abs(place.powerW - sampledW) > 200) await meter(place.at);
      profiles = profiles.filter((p) => p.validTo === null || at < p.validTo);
    }
  };
  // The same without a network.
  const liveAlone = (now: Instant): void => {
    while (place.at + TICK_MS <= now) {
      place.turnover();
      place.tick(plug.maxA);
    }
  };
  const step = async (now: Instant): Promise<void> => {
    heardTime = Math.max(heardTime, now);
    await live(heardTime);
    await network(heardTime);
    if (place.at > world.origin) await meter(place.at);
  };

  const setProfile = (payload: Payload): object => {
    const p = payload.csChargingProfiles as Payload;
    const schedule = p.chargingSchedule as Payload;
    const instant = (value: unknown): Instant | null => (typeof value === 'string' ? Date.parse(value) : null);
    const id = Number(p.chargingProfileId);
    const transactionId = p.transactionId === undefined ? null : Number(p.transactionId);
    if (temper.refuses || (p.chargingProfilePurpose === 'TxProfile' && transactionId !== session?.transactionId))
      return { status: 'Rejected' };
    const validFrom = instant(p.validFrom);
    const acts =
      profiles.find((known) => known.id === id)?.actsFrom ??
      Math.max(validFrom ?? 0, heardTime) + between(5, 60, world.seed, deviceId, 'reaction', id) * 1000;
    profiles = install(profiles, {
      id,
      connectorId: Number(payload.connectorId),
      stackLevel: Number(p.stackLevel),
      purpose: p.chargingProfilePurpose as Profile['purpose'],
      kind: p.chargingProfileKind as Profile['kind'],
      transactionId,
      validFrom,
      validTo: instant(p.validTo),
      startSchedule: instant(schedule.startSchedule),
      duration: schedule.duration === undefined ? null : Number(schedule.duration),
      unit: schedule.chargingRateUnit as 'A' | 'W',
      periods: schedule.chargingSchedulePeriod as Profile['periods'],
      actsFrom: acts,
    });
    return { status: 'Accepted' };
  };
  const answers: Record<string, (payload: Payload) => object> = {
    SetChargingProfile: setProfile,
    ClearChargingProfile: ({ id }) => {
      const before = profiles.length;
      profiles = profiles.filter((p) => p.id !== id);
      return { status: profiles.length < before ? 'Accepted' : 'Unknown' };
    },
    ChangeConfiguration: () => ({ status: 'Accepted' }),
    GetConfiguration: () => ({ configurationKey: [{ key: 'ChargeProfileMaxStackLevel', readonly: true, value: '8' }] }),
    RemoteStartTransaction: () => ({ status: 'Rejected' }),
    RemoteStopTransaction: () => ({ status: 'Rejected' }),
    TriggerMessage: ({ requestedMessage }) => {
      if (requestedMessage !== 'Heartbeat') return { status: 'NotImplemented' };
      void turn(heartbeat);
      return { status: 'Accepted' };
    },
  };
  const heartbeat = async (): Promise<void> => {
    const { currentTime } = await call('Heartbeat', {});
    if (typeof currentTime !== 'string') return;
    const now = Date.parse(currentTime);
    await step(now);
    if (out) return;
    await timelineOf(world).hear(now);
    await call('DataTransfer', { vendorId: 'lachak', messageId: 'step', data: currentTime });
  };

  const connect = async (booting: boolean): Promise<void> => {
    const opening = new WebSocket(`${url}/${encodeURIComponent(deviceId)}`, 'ocpp1.6', {
      headers: { authorization: `Basic ${Buffer.from(`${deviceId}:${secret}`).toString('base64')}` },
      perMessageDeflate: false,
    });
    await new Promise<void>((done, fail) => {
      opening.once('open', () => done());
      opening.once('error', fail);
    });
    socket = opening;
    wire = link(opening, {
      answer: (action, payload) => (temper.dead ? new Promise(() => {}) : Promise.resolve(answers[action]?.(payload) ?? null)),
      unreadable: () => {},
      closed: () => lost(opening),
    });
    if (booting) {
      const { currentTime } = await call('BootNotification', {
        chargePointVendor: 'Lachak',
        chargePointModel: `sim-${plug.phases}p`,
        firmwareVersion: '1',
      });
      heardTime = Math.max(heardTime, Date.parse(String(currentTime)) || world.origin);
    }
    if (temper.dead) return;
    if (booting) liveAlone(heardTime); // what was before it connected is nobody's business
    await call('DataTransfer', { vendorId: 'lachak', messageId: 'stepped' });
    await call('StatusNotification', { connectorId: CONNECTOR, errorCode: 'NoError', status, timestamp: iso(heardTime) });
  };
  const disconnect = (): void => {
    const [leaving, open] = [wire, socket];
    wire = null;
    socket = null;
    leaving?.terminate();
    open?.terminate();
  };
  // A station that loses its connection dials again until it gets through; profiles and session are still in it.
  const lost = (broken: WebSocket): void => {
    if (socket !== broken) return; // it left of its own accord
    wire = null;
    const dial = (): Promise<void> =>
      turn(async () => {
        if (socket !== broken) return;
        await connect(false);
        for (const tell of owed.splice(0)) await tell();
      });
    const later = (): void => void setTimeout(() => dial().catch(later), REDIAL_MS).unref();
    later();
  };
  const read = (which: 'register' | 'twin', from: Instant, to: Instant): number => {
    if (temper.dead) liveAlone(to);
    return place[which].between(from, to);
  };

  return {
    deviceId,
    plug,
    limitA: () => limit(place.at),
    profiles: () => profiles,
    start: () => connect(true),
    stop: async () => {
      forgetTime();
      disconnect();
      await turn(async () => {});
    },
    reboot: () =>
      turn(async () => {
        disconnect();
        profiles = [];
        const was = session;
        await connect(true);
        if (!was) return;
        await finish(place.at, 'PowerLoss');
        await begin(place.at);
        status = 'Preparing';
      }),
    get now() {
      return place.at;
    },
    energyWh: (from, to) => read('register', from, to),
    unmanagedWh: (from, to) => read('twin', from, to),
    savedWh: (from, to) => read('twin', from, to) - read('register', from, to),
  };
}
