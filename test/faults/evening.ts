import { type SimulatedDevice, simulatedAc } from '../../devices/simulated/ac.ts';
import { simulatedCharger } from '../../devices/simulated/charger.ts';
import { Devices } from '../../gen/lachak/v1/devices_pb.ts';
import { Dispatch } from '../../gen/lachak/v1/dispatch_pb.ts';
import { Metering } from '../../gen/lachak/v1/metering_pb.ts';
import { DAY, HOUR, MINUTE } from '../../services/domain/interval.ts';
import { aftermath, answer, consent, enrol, publish, register } from './cast.ts';
import { DISCOM } from './house.ts';
import type { Act, Stage } from './play.ts';
import {
  at,
  csv,
  dailyVisit,
  EVENT,
  homes,
  loads,
  MIDNIGHT,
  meterIds,
  ORIGIN,
  PROGRAMME,
  restWh,
  SLOT_MS,
  world,
} from './town.ts';

const HISTORY_SLOTS = (MIDNIGHT - ORIGIN) / SLOT_MS;
const EVENING_SLOTS = 39; // until 19:30
const WINDOW = { start: at(18), end: at(19) };
const LATE = { home: 1, slot: 37 }; // the second half hour of the window, of home 2
const MISSING = -2_147_483_648;

/** What the rooms have acknowledged: it must be there in the end, once. */
export type Acknowledged = {
  readonly consents: Map<string, string>; // command → consent id
  readonly enrolments: Map<string, string>;
  readonly answers: Map<string, boolean>; // resource → will
  /** meter → interval start → Wh */
  readonly readings: Map<string, Map<number, number>>;
  readonly devices: Map<string, string>; // device → secret
};
export type Evening = {
  readonly acts: readonly Act[];
  readonly acknowledged: Acknowledged;
  /** How many devices are running now. */
  devicesUp(): number;
  close(): Promise<void>;
};

/**
 * One event on six homes, from the programme to the second settlement, as acts that may each be played again. `coarse`: the clock stops
 * where something is due, and six times in the window; the books are the same.
 */
export function evening({ coarse = false } = {}): Evening {
  const acknowledged: Acknowledged = {
    consents: new Map(),
    enrolments: new Map(),
    answers: new Map(),
    readings: new Map(),
    devices: new Map(),
  };
  const devices = new Map<string, SimulatedDevice>();
  let up = true;
  const would = loads(HISTORY_SLOTS + EVENING_SLOTS);
  const keep = (meter: number, slot: number, wh: number): void => {
    const of = acknowledged.readings.get(meterIds[meter]!) ?? new Map<number, number>();
    acknowledged.readings.set(meterIds[meter]!, of.set(ORIGIN + slot * SLOT_MS, wh));
  };
  /** What the meter of a home read on the day: devices tell what they drew, households what they left off. */
  const drawn = (meter: number, slot: number): number => {
    const home = homes[meter]!;
    const from = MIDNIGHT + slot * SLOT_MS;
    const device = devices.get(home.id);
    if (device) return (home.kind === 'AC' ? restWh(home.id, HISTORY_SLOTS + slot) : 0) + device.energyWh(from, from + SLOT_MS);
    const left = acknowledged.answers.get(`r-${home.id}`) && from >= WINDOW.start && from < WINDOW.end ? 0.7 : 1;
    return Math.round(would[meter]![HISTORY_SLOTS + slot]! * left);
  };
  const deliver = async (stage: Stage, commandId: string, slots: readonly number[], only: (m: number, s: number) => boolean) => {
    const source = await stage.as('meter_source');
    const cells = new DataView(new ArrayBuffer(homes.length * slots.length * 4));
    const sent: [number, number, number][] = [];
    for (const [meter] of homes.entries()) {
      for (const [i, slot] of slots.entries()) {
        const wh = only(meter, slot) ? drawn(meter, slot) : MISSING;
        cells.setInt32((meter * slots.length + i) * 4, wh, true);
        if (wh !== MISSING) sent.push([meter, HISTORY_SLOTS + slot, wh]);
      }
    }
    const block = {
      commandId,
      startMs: BigInt(MIDNIGHT + slots[0]! * SLOT_MS),
      intervalMinutes: 30,
      slots: slots.length,
      meterIds: [...meterIds],
      importWh: new Uint8Array(cells.buffer),
    };
    const report = await stage.client(Metering).putReadings(once(block), source);
    if (report.rejected > 0n) throw new Error(`rejected: ${report.findings[0]?.message}`);
    for (const [meter, slot, wh] of sent) keep(meter, slot, wh);
  };
  const daySlots = Array.from({ length: EVENING_SLOTS }, (_, slot) => slot);
  const isLate = (meter: number, slot: number) => meter === LATE.home && slot === LATE.slot;
  const moveTo = (name: string, instant: number, stepMs = 0, coarseMs = 0): Act => ({
    name,
    run: (stage) => stage.advanceTo(instant, coarse ? coarseMs : stepMs),
  });

  const acts: Act[] = [
    { name: 'publish', run: publish },
    { name: 'register', run: register },
    {
      name: 'provision',
      run: async (stage) => {
        const operator = await stage.as('operator');
        for (const home of homes) {
          if (home.kind === 'BEHAVIOURAL') continue;
          const { secret } = await stage.client(Devices).provisionDevice(
            {
              commandId: `device-${home.id}`,
              deviceId: `d-${home.id}`,
              protocol: home.kind === 'AC' ? 'flex/1' : 'ocpp1.6',
              organisationId: home.organisation,
              resourceId: `r-${home.id}`,
            },
            operator,
          );
          acknowledged.devices.set(`d-${home.id}`, secret);
        }
      },
    },
    { name: 'consent', run: (stage) => consent(stage, acknowledged) },
    { name: 'enrol', run: (stage) => enrol(stage, acknowledged) },
    {
      name: 'history',
      run: async (stage) => {
        const file = async function* () {
          yield { commandId: 'history', fileName: 'history.csv' };
          for (const text of csv(would, HISTORY_SLOTS)) {
            yield { chunk: Buffer.from(text) };
            stage.mark();
          }
        };
        const report = await stage.client(Metering).importReadings(file(), await stage.as('meter_source'));
        if (report.rejected > 0n) throw new Error(`rejected: ${report.findings[0]?.message}`);
        for (const [meter, wh] of would.entries()) for (let slot = 0; slot < HISTORY_SLOTS; slot++) keep(meter, slot, wh[slot]!);
      },
    },
    moveTo('morning', at(9)),
    {
      name: 'schedule',
      run: async (stage) => {
        const window = { startMs: BigInt(WINDOW.start), endMs: BigInt(WINDOW.end) };
        await stage
          .client(Dispatch)
          .scheduleEvent(
            { commandId: 'event', eventId: EVENT, programmeId: PROGRAMME, window, reason: 'evening peak' },
            await stage.as('operator'),
          );
      },
    },
    {
      name: 'connect',
      run: async (stage) => {
        const { mqttUrl, ocppUrl } = await stage.client(Devices).getEndpoints({}, await stage.as('operator'));
        for (const { id, kind } of homes) {
          if (kind === 'BEHAVIOURAL' || devices.has(id)) continue;
          const account = { discom: DISCOM, deviceId: `d-${id}`, secret: acknowledged.devices.get(`d-${id}`)! };
          const device =
            kind === 'AC'
              ? simulatedAc({ ...account, url: mqttUrl }, world)
              : simulatedCharger({ ...account, url: ocppUrl }, world, {}, { plug: { phases: 1, maxA: 32 }, visits: dailyVisit });
          await device.start();
          devices.set(id, device);
        }
      },
    },
    moveTo('before the gate', at(14, 55), 30 * MINUTE),
    moveTo('gate closure', at(15, 5), 5 * MINUTE),
    moveTo('notice', at(16, 10), 15 * MINUTE),
    {
      name: 'answers',
      run: async (stage) => {
        for (const { id, kind } of homes) {
          if (kind !== 'BEHAVIOURAL') continue;
          const will = id !== '5';
          if (await answer(stage, `answer-${id}`, id, will)) acknowledged.answers.set(`r-${id}`, will);
        }
      },
    },
    moveTo('instruct', at(18), 15 * MINUTE),
    moveTo('first half of the window', at(18, 30), 5 * MINUTE, 10 * MINUTE),
    {
      name: 'opt out',
      run: async (stage) => {
        if (await answer(stage, 'opt-out', '2', false)) acknowledged.answers.set('r-2', false);
      },
    },
    moveTo('second half of the window', at(19), 5 * MINUTE, 10 * MINUTE),
    moveTo('after the window', at(19, 30), 10 * MINUTE),
    {
      name: 'deliver',
      run: (stage) => deliver(stage, 'event-day', daySlots, (meter, slot) => !isLate(meter, slot)),
    },
    {
      name: 'disconnect',
      run: async () => {
        up = false;
        for (const device of devices.values()) await device.stop();
      },
    },
    moveTo('settle', WINDOW.end + 3 * HOUR),
    moveTo('next day', at(10) + DAY),
    { name: 'late reading', run: (stage) => deliver(stage, 'late', [LATE.slot], isLate) },
    { name: 'aftermath', run: aftermath },
    moveTo('settle again', WINDOW.end + 27 * HOUR),
  ];
  return {
    acts,
    acknowledged,
    devicesUp: () => (up ? devices.size : 0),
    close: async () => {
      for (const device of devices.values()) await device.stop();
    },
  };
}

async function* once<T>(message: T): AsyncIterable<T> {
  yield message;
}
