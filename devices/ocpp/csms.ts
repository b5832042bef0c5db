import type { Logger } from 'pino';
import type { WebSocket } from 'ws';
import type { Clock } from '../../services/host/room.ts';
import type { Authenticate, DeviceKey, Driver, Heard, StartsCharging } from '../driver.ts';
import { expectations } from '../mqtt/expectations.ts';
import type { Instruction } from '../reconcile.ts';
import type { KeepTelemetry } from '../telemetry.ts';
import { type Door, openDoor } from './door.ts';
import { journal } from './journal.ts';
import { type CallEnd, link } from './link.ts';
import { type Listener, listener } from './listener.ts';
import { chargingProfiles, profileIds } from './profile.ts';
import { readNumber } from './read.ts';
import { fitting } from './schemas.ts';
import { type ChargingMemory, newStation, type Station } from './station.ts';

export type OcppSetting = {
  readonly host: string;
  readonly port: number;
  readonly clock: Pick<Clock, 'now' | 'stepped'>;
  readonly authenticate: Authenticate;
  readonly heard: Heard;
  readonly keep: KeepTelemetry;
  readonly log: Logger;
  readonly memory: ChargingMemory;
};

/** A station that connects without booting is not waited for longer, wall ms. */
const FIRST_WORD_MS = 2000;
const SAMPLE_INTERVAL_S = 60;
/** Its register on every quarter hour, also while no car is there: intervals of readings begin and end on them. */
const ALIGNED_INTERVAL_S = 900;
const REGISTER = 'Energy.Active.Import.Register';
const MEASURANDS = 'Energy.Active.Import.Register,Power.Active.Import,Current.Import,Voltage,Current.Offered';

/** The central system of OCPP 1.6J stations: strict in what it sends, lenient in what it reads. */
export function ocppDriver({ host, port, clock, authenticate, heard, keep, log, memory }: OcppSetting): Driver & StartsCharging {
  const stations = new Map<string, Station>();
  const steps = expectations();
  const frames = journal(memory, clock.now, (count) => heard.lost('frame', count), log);
  const listen: Listener = listener({
    clock,
    heard,
    keep,
    memory,
    log,
    stepped: (id) => steps.expect(id),
    answeredStep: (id) => steps.answered(id, step),
  });
  let door: Door;
  let step = 0;

  const call = (station: Station, action: string, payload: () => object, supersede?: string): Promise<CallEnd> =>
    station.link.call(action, () => fitting('calls', action, payload()), supersede);

  const entered = (device: DeviceKey, socket: WebSocket): void => {
    // The new connection wins at once: an old one behind a dead router would lock the station out until it times out.
    const old = stations.get(device.deviceId);
    let begun = false;
    const begin = (): void => {
      if (begun || stations.get(device.deviceId) !== station) return;
      begun = true;
      clearTimeout(patience);
      void configure(station);
      heard.online(device);
    };
    const station: Station = newStation(
      device,
      link(socket, {
        answer: async (action, payload) => {
          await ready;
          const result = await listen(station, action, payload);
          if (action === 'BootNotification' && begun) heard.online(device); // booted on the old connection: it has forgotten
          begin();
          return result && fitting('results', action, result);
        },
        passed: (sent, action, text) => frames.passed(device, sent, action, text),
        unreadable: (reason, text) => heard.refused('malformed', { device: device.deviceId, detail: `${reason}: ${text}` }),
        closed: () => {
          clearTimeout(patience);
          if (stations.get(device.deviceId) !== station) return;
          stations.delete(device.deviceId);
          steps.forget(device.deviceId);
          heard.offline(device);
        },
      }),
    );
    stations.set(device.deviceId, station);
    old?.link.terminate();
    const patience = setTimeout(begin, FIRST_WORD_MS);
    const ready = memory.openSessions(device).then(
      (sessions) => {
        station.session = sessions.at(-1) ?? null;
      },
      (error: Error) => log.error({ device: device.deviceId, error }, 'open sessions could not be read'),
    );
  };

  /** After every boot: how high profiles may stack, samples often enough to prove anything, and the register on the grid of readings. */
  const configure = async (station: Station): Promise<void> => {
    const read = call(station, 'GetConfiguration', () => ({ key: ['ChargeProfileMaxStackLevel'] })).then((end) => {
      const keys = end.kind === 'result' && Array.isArray(end.payload.configurationKey) ? end.payload.configurationKey : [];
      station.stackLevel = Math.max(
        0,
        Math.min(99, readNumber(keys.find((k) => k?.key === 'ChargeProfileMaxStackLevel')?.value) ?? 0),
      );
    });
    const settings: [string, string][] = [
      ['MeterValueSampleInterval', String(SAMPLE_INTERVAL_S)],
      ['MeterValuesSampledData', MEASURANDS],
      ['ClockAlignedDataInterval', String(ALIGNED_INTERVAL_S)],
      ['MeterValuesAlignedData', REGISTER],
    ];
    await Promise.all([read, ...settings.map(([key, value]) => call(station, 'ChangeConfiguration', () => ({ key, value })))]);
  };

  const give = async (station: Station, instruction: Instruction): Promise<void> => {
    const { device, session } = station;
    const id = instruction.instructionId;
    station.held.set(id, { instruction, said: false });
    const payload = (index: number) => () => {
      const { stackLevel, phases } = station;
      return chargingProfiles(instruction, {
        connectorId: session?.connectorId ?? 1,
        stackLevel,
        phases,
        transactionId: session?.transactionId ?? null,
      })[index]!;
    };
    const ends = await Promise.all(
      [0, ...(session ? [1] : [])].map((index) => call(station, 'SetChargingProfile', payload(index), `${index}/${id}`)),
    );
    const answers = ends.map((end) =>
      end.kind === 'result' ? String(end.payload.status) : end.kind === 'error' ? end.code : null,
    );
    if (answers.includes('Accepted')) heard.word(device, id, 'accepted', '');
    else if (ends.some((end) => end.kind === 'result'))
      heard.word(device, id, 'rejected', `SetChargingProfile: ${answers.join(', ')}`);
    else if (ends.some((end) => end.kind === 'error'))
      heard.word(device, id, 'failed', `SetChargingProfile: ${answers.join(', ')}`);
  };

  const take = async (station: Station, instruction: Instruction, ended: boolean): Promise<void> => {
    station.held.delete(instruction.instructionId);
    if (ended && instruction.randomEndS > 0) return; // it ends by itself a little later, not all cars at once
    // By id only: an empty request would clear the CPO's own profiles too.
    const ends = await Promise.all(
      profileIds(instruction).map((id) => call(station, 'ClearChargingProfile', () => ({ id }), `clear/${id}`)),
    );
    // Unknown: it is gone already, which is what we want.
    if (ends.every((end) => end.kind === 'result')) heard.word(station.device, instruction.instructionId, 'ended', '');
  };

  return {
    start: async () => {
      door = await openDoor({ host, port, authenticate, refused: heard.refused, entered });
    },
    stop: async () => {
      for (const { link: open } of [...stations.values()]) open.terminate();
      await door?.close();
      await frames.flush();
    },
    endpoint: () => `ws://${host}:${door.port}/ocpp`,
    apply: ({ deviceId }, instruction) => {
      const station = stations.get(deviceId);
      if (station)
        give(station, instruction).catch((error) => log.error({ device: deviceId, error }, 'a profile could not be sent'));
    },
    release: ({ deviceId }, instruction, ended) => {
      const station = stations.get(deviceId);
      if (station)
        take(station, instruction, ended).catch((error) =>
          log.error({ device: deviceId, error }, 'a profile could not be cleared'),
        );
    },
    drop: ({ deviceId }) => stations.get(deviceId)?.link.terminate(),
    step: async (_now, boundMs) => {
      step++;
      for (const station of stations.values()) {
        // Its answer brings `currentTime`, which is all the time a station knows.
        if (station.stepped) void call(station, 'TriggerMessage', () => ({ requestedMessage: 'Heartbeat' }), 'step');
      }
      return { silent: await steps.settled(step, boundMs) };
    },
    startCharging: async ({ deviceId }, connectorId, idTag) => {
      const station = stations.get(deviceId);
      if (!station) return 'offline';
      const end = await call(station, 'RemoteStartTransaction', () => ({ connectorId, idTag }));
      if (end.kind === 'result') return end.payload.status === 'Accepted' ? 'accepted' : 'rejected';
      return end.kind === 'error' ? 'rejected' : 'offline';
    },
  };
}
