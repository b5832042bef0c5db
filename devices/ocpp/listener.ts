import type { Logger } from 'pino';
import { type Instant, iso, MINUTE } from '../../services/domain/interval.ts';
import type { Clock } from '../../services/host/room.ts';
import type { Heard } from '../driver.ts';
import { type KeepTelemetry, registerValue } from '../telemetry.ts';
import type { Payload } from './frame.ts';
import { limitAmps } from './profile.ts';
import { type Measured, readInstant, readMeterValues, readNumber, readText } from './read.ts';
import { type ChargingMemory, type Station, serving } from './station.ts';

/** Answers one CALL of a station; null = an action we do not know. */
export type Listener = (station: Station, action: string, payload: Payload) => Promise<object | null>;
export type ListenerSetting = {
  readonly clock: Pick<Clock, 'now'>;
  readonly heard: Heard;
  readonly keep: KeepTelemetry;
  readonly memory: ChargingMemory;
  readonly log: Logger;
  /** The station said that it lives in stepped time. */
  readonly stepped: (deviceId: string) => void;
  /** It has sent all that belongs to this step. */
  readonly answeredStep: (deviceId: string) => void;
};

const HEARTBEAT_S = 300;
/** The extension by which simulated stations keep step. */
const VENDOR = 'lachak';
const VOLTS = 230;

/**
 * Whatever can be read is taken, and the answer is a normal one: a station that gets an error to a session or meter message repeats it
 * for ever, and everything behind it waits.
 */
export function listener({ clock, heard, keep, memory, stepped, answeredStep }: ListenerSetting): Listener {
  const now = (): string => iso(clock.now());

  const measured = (station: Station, all: readonly Measured[]): void => {
    for (const one of all) {
      // A clock that runs ahead is not believed.
      const at = one.at > clock.now() + 5 * MINUTE ? clock.now() : one.at;
      station.last = { at, powerW: one.powerW, registerWh: one.registerWh, source: one.source, serving: serving(station) };
      heard.sample(station.device, station.last);
      if (one.phases !== null && one.phases !== station.phases) {
        station.phases = one.phases;
        heard.session(station.device); // the same watts are other amperes now
      }
      if (one.offeredW !== null) applied(station, at, one.offeredW);
    }
  };
  /** What its register said is kept before the message is answered; an answer that fails is asked for again. */
  const kept = (
    { device }: Station,
    connectorId: number,
    all: readonly { readonly at: Instant; readonly registerWh: number | null }[],
  ): Promise<void> =>
    keep(
      device,
      String(connectorId),
      all.flatMap((one) => registerValue(one, clock.now())),
    );
  /** The charger offers no more than it was told to: its own word that it applies the limit. */
  const applied = (station: Station, at: Instant, offeredW: number): void => {
    for (const [id, { instruction, said }] of station.held) {
      const { start, end } = instruction.valid;
      const limitW = limitAmps(instruction, station.phases) * VOLTS * station.phases;
      if (said || at < start || at >= end || offeredW > limitW * 1.05 + 50) continue;
      station.held.set(id, { instruction, said: true });
      heard.word(station.device, id, 'applied', `offers ${Math.round(offeredW)} W`);
    }
  };

  const answers: Record<string, (station: Station, payload: Payload) => Promise<object> | object> = {
    BootNotification: ({ device }, payload) => {
      heard.described(device, { vendor: readText(payload.chargePointVendor, 20), model: readText(payload.chargePointModel, 20) });
      return { status: 'Accepted', currentTime: now(), interval: HEARTBEAT_S };
    },
    Heartbeat: () => ({ currentTime: now() }),
    StatusNotification: (station, payload) => {
      if (readNumber(payload.connectorId) === 0) return {};
      station.status = readText(payload.status, 20);
      if (station.status === 'SuspendedEVSE') applied(station, readInstant(payload.timestamp) ?? clock.now(), 0);
      return {};
    },
    Authorize: () => ({ idTagInfo: { status: 'Accepted' } }),
    StartTransaction: async (station, payload) => {
      const start = {
        connectorId: readNumber(payload.connectorId) ?? 1,
        idTag: readText(payload.idTag, 20),
        meterStartWh: Math.round(readNumber(payload.meterStart) ?? 0),
        startedAt: readInstant(payload.timestamp) ?? clock.now(),
      };
      await kept(station, start.connectorId, [{ at: start.startedAt, registerWh: readNumber(payload.meterStart) }]);
      const transactionId = await memory.startSession(station.device, start);
      station.session = { transactionId, connectorId: start.connectorId };
      heard.session(station.device);
      return { transactionId, idTagInfo: { status: 'Accepted' } };
    },
    StopTransaction: async (station, payload) => {
      const stop = {
        meterStopWh: Math.round(readNumber(payload.meterStop) ?? 0),
        stoppedAt: readInstant(payload.timestamp) ?? clock.now(),
        reason: readText(payload.reason, 20) || 'Local',
      };
      const named = readNumber(payload.transactionId) ?? -1;
      const measurements = readMeterValues(payload.transactionData, station.last);
      const session = (await memory.openSessions(station.device)).find((open) => open.transactionId === named) ?? station.session;
      const register = { at: stop.stoppedAt, registerWh: readNumber(payload.meterStop) };
      if (session) await kept(station, session.connectorId, [...measurements, register]);
      const found =
        Number.isInteger(named) && named > 0 && named <= 2_147_483_647 && (await memory.stopSession(station.device, named, stop));
      // Begun offline, its id was never ours: the session we hold open is the one that ends.
      if (!found && station.session) await memory.stopSession(station.device, station.session.transactionId, stop);
      if (!found || station.session?.transactionId === named) station.session = null;
      measured(station, measurements);
      return { idTagInfo: { status: 'Accepted' } };
    },
    MeterValues: async (station, payload) => {
      const measurements = readMeterValues(payload.meterValue, station.last);
      measured(station, measurements);
      await kept(station, readNumber(payload.connectorId) ?? 1, measurements);
      return {};
    },
    DataTransfer: (station, payload) => {
      if (payload.vendorId !== VENDOR) return { status: 'UnknownVendorId' };
      if (payload.messageId === 'stepped') {
        station.stepped = true;
        stepped(station.device.deviceId);
      } else if (payload.messageId === 'step') {
        if ((readInstant(payload.data) ?? 0) >= clock.now()) answeredStep(station.device.deviceId);
      } else return { status: 'UnknownMessageId' };
      return { status: 'Accepted' };
    },
    FirmwareStatusNotification: () => ({}),
    DiagnosticsStatusNotification: () => ({}),
  };
  return async (station, action, payload) => (Object.hasOwn(answers, action) ? answers[action]!(station, payload) : null);
}
