import { create } from '@bufbuild/protobuf';
import { type SimulatedDevice, simulatedAc } from '../../devices/simulated/ac.ts';
import { simulatedCharger } from '../../devices/simulated/charger.ts';
import { CalendarDay_Kind, Catalogue, RunStage, RunStageRuleSchema } from '../../gen/lachak/v1/catalogue_pb.ts';
import { Devices } from '../../gen/lachak/v1/devices_pb.ts';
import { Dispatch } from '../../gen/lachak/v1/dispatch_pb.ts';
import { Backup, Consent_Basis, Enrolment, Purpose } from '../../gen/lachak/v1/enrolment_pb.ts';
import { Metering } from '../../gen/lachak/v1/metering_pb.ts';
import { ImportMode, Registry } from '../../gen/lachak/v1/registry_pb.ts';
import { Register, SupplyState } from '../../gen/lachak/v1/types_pb.ts';
import { DAY, HOUR, MINUTE } from '../../services/domain/interval.ts';
import { DISCOM } from './house.ts';
import type { Act, Stage } from './tour.ts';
import {
  AGGREGATOR,
  at,
  CALENDAR,
  CHARGING,
  csv,
  DAY_OF_EVENT,
  dailyVisit,
  EVENT,
  type Home,
  homes,
  loads,
  MIDNIGHT,
  meterIds,
  ORIGIN,
  PROGRAMME,
  READINGS_FROM_DAY,
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

/** One event on six homes, from the programme to the second settlement, as acts that may each be played again. */
export function evening(): Evening {
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
  const moveTo = (name: string, instant: number, maxStepMs = 0): Act => ({
    name,
    run: (stage) => stage.advanceTo(instant, maxStepMs),
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
    moveTo('first half of the window', at(18, 30), 5 * MINUTE),
    {
      name: 'opt out',
      run: async (stage) => {
        if (await answer(stage, 'opt-out', '2', false)) acknowledged.answers.set('r-2', false);
      },
    },
    moveTo('second half of the window', at(19), 5 * MINUTE),
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

/** The residential preset with a day's stages in hours, so that two settlements fit into two days. */
async function publish(stage: Stage): Promise<void> {
  const operator = await stage.as('operator');
  const catalogue = stage.client(Catalogue);
  const days = [{ day: '2026-05-01', kind: CalendarDay_Kind.HOLIDAY, name: 'May Day' }];
  await catalogue.putCalendar({ commandId: 'calendar', calendarId: CALENDAR, days }, operator);
  const { presets } = await catalogue.listPresets({}, operator);
  const preset = presets.find(({ name }) => name === 'residential-10of10')!;
  const stageAfter = (stage: RunStage, hours: number) =>
    create(RunStageRuleSchema, { stage, cutOffAfterEndMs: BigInt(hours * HOUR), minCoveragePpm: 900_000 });
  const terms = {
    ...preset.terms!,
    calendarId: CALENDAR,
    runStages: [stageAfter(RunStage.PRELIMINARY, 2), stageAfter(RunStage.INITIAL, 26), stageAfter(RunStage.FINAL, 240)],
  };
  await catalogue.publishProgramme(
    { commandId: 'programme', programmeId: PROGRAMME, name: 'Evening peak', preset: preset.name, terms },
    operator,
  );
}

async function register(stage: Stage): Promise<void> {
  const operator = await stage.as('operator');
  const dated = { fromMs: BigInt(ORIGIN - DAY) };
  const organisation = (organisationId: string, kind: string) => ({
    record: { case: 'organisation' as const, value: { organisationId, name: organisationId, kind } },
  });
  const records = [
    { record: { case: 'area' as const, value: { areaId: 'f-1', kind: 'FEEDER', name: 'Feeder 1', dated } } },
    organisation(AGGREGATOR, 'AGGREGATOR'),
    organisation(CHARGING, 'CPO'),
    ...homes.flatMap(({ id, kind, organisation }) => [
      {
        record: {
          case: 'participant' as const,
          value: { participantId: `p-${id}`, kind: 'HOUSEHOLD', person: { name: `Occupant ${id}`, language: 'en' } },
        },
      },
      {
        record: {
          case: 'connection' as const,
          value: {
            connectionId: `k-${id}`,
            participantId: `p-${id}`,
            areaId: 'f-1',
            tariffCategory: 'DOMESTIC',
            sanctionedLoadW: 12_000n,
            dated,
          },
        },
      },
      {
        record: {
          case: 'meter' as const,
          value: {
            meterId: `m-${id}`,
            connectionId: `k-${id}`,
            registers: [Register.IMPORT],
            factor: 1,
            intervalMinutes: 30,
            zone: 'Asia/Kolkata',
            dated,
          },
        },
      },
      { record: { case: 'settlementPoint' as const, value: { settlementPointId: `sp-${id}`, connectionId: `k-${id}` } } },
      {
        record: {
          case: 'resource' as const,
          value: {
            resourceId: `r-${id}`,
            settlementPointId: `sp-${id}`,
            organisationId: organisation,
            kind,
            ratedW: { AC: 1500n, CHARGER: 7400n, BEHAVIOURAL: 800n }[kind],
            deviceId: kind === 'BEHAVIOURAL' ? '' : `d-${id}`,
            protocol: { AC: 'flex/1', CHARGER: 'ocpp1.6', BEHAVIOURAL: 'notice' }[kind],
            dated,
          },
        },
      },
    ]),
  ];
  const report = await stage
    .client(Registry)
    .register({ commandId: 'registry', records, mode: ImportMode.ALL_OR_NONE }, operator);
  if (report.refused > 0n) throw new Error(`refused: ${report.findings[0]?.message}`);
  await stage.advanceTo(at(6));
}

async function consent(stage: Stage, { consents }: Acknowledged): Promise<void> {
  for (const home of homes) {
    const consumer = await stage.as('consumer', { participant: `p-${home.id}` });
    const always = [Purpose.READINGS, Purpose.BILLING];
    for (const purpose of home.kind === 'BEHAVIOURAL' ? always : [Purpose.CONTROL, ...always]) {
      const commandId = `consent-${home.id}-${purpose}`;
      const { consentId } = await stage.client(Enrolment).giveConsent(
        {
          commandId,
          consent: {
            participantId: `p-${home.id}`,
            connectionId: `k-${home.id}`,
            organisationId: home.organisation,
            purpose,
            programmeId: PROGRAMME,
            resourceIds: purpose === Purpose.CONTROL ? [`r-${home.id}`] : [],
            readingsFromDay: purpose === Purpose.READINGS ? READINGS_FROM_DAY : '',
            evidence: { kind: 'APP', reference: commandId },
            basis: Consent_Basis.CONSENT,
          },
        },
        consumer,
      );
      noteOnce(consents, commandId, consentId);
    }
  }
  await stage.advanceTo(at(6));
}

async function enrol(stage: Stage, { enrolments }: Acknowledged): Promise<void> {
  for (const home of homes) {
    const by =
      home.kind === 'BEHAVIOURAL'
        ? await stage.as('operator')
        : await stage.as(home.kind === 'CHARGER' ? 'cpo' : 'aggregator', { organisation: home.organisation });
    const commandId = `enrol-${home.id}`;
    const { enrolmentId } = await stage
      .client(Enrolment)
      .enrol({ commandId, programmeId: PROGRAMME, resourceIds: [`r-${home.id}`], backup: Backup.NO_BACKUP }, by);
    noteOnce(enrolments, commandId, enrolmentId);
  }
  await stage.advanceTo(at(6));
}

/** False when the home was held out: nobody asked it. */
async function answer(stage: Stage, commandId: string, id: Home['id'], will: boolean): Promise<boolean> {
  const operator = await stage.as('operator');
  const { instructions } = await stage.client(Dispatch).listInstructions({ eventId: EVENT }, operator);
  if (!instructions.some(({ resourceId }) => resourceId === `r-${id}`)) return false;
  const consumer = await stage.as('consumer', { participant: `p-${id}` });
  await stage
    .client(Dispatch)
    .answer({ commandId, eventId: EVENT, resourceId: `r-${id}`, will, reason: will ? '' : 'guests' }, consumer);
  return true;
}

/** What else can happen to a house: an event moved and called off, an outage told, a consent withdrawn, a person forgotten. */
async function aftermath(stage: Stage): Promise<void> {
  const operator = await stage.as('operator');
  const hours = (from: number, to: number) => ({ startMs: BigInt(from), endMs: BigInt(to) });
  const dispatch = stage.client(Dispatch);
  const eventId = 'saturday-peak';
  const [saturday, later] = [2 * DAY + at(18), 2 * DAY + at(18, 30)];
  await dispatch.scheduleEvent(
    { commandId: 'event-2', eventId, programmeId: PROGRAMME, window: hours(saturday, saturday + HOUR), reason: 'perhaps' },
    operator,
  );
  await dispatch.changeEvent({ commandId: 'change-2', eventId, window: hours(later, later + HOUR), reason: 'later' }, operator);
  await dispatch.cancelEvent({ commandId: 'cancel-2', eventId, reason: 'it rained' }, operator);
  const spans = [{ areaId: 'f-1', span: hours(at(20), at(21)), state: SupplyState.OUTAGE, source: 'scada' }];
  await stage.client(Metering).putSupply({ commandId: 'outage', spans }, await stage.as('meter_source'));
  const consumer = await stage.as('consumer', { participant: 'p-6' });
  const enrolment = stage.client(Enrolment);
  const { consents } = await enrolment.listConsents({ participantId: 'p-6' }, consumer);
  const readings = consents.find(({ purpose }) => purpose === Purpose.READINGS)!;
  await enrolment.withdrawConsent({ commandId: 'withdraw-6', consentId: readings.consentId, reason: 'moving' }, consumer);
  await stage.client(Registry).erasePerson({ commandId: 'erase-6', participantId: 'p-6' }, operator);
}

/** A repeated command must give the id that its first answer gave. */
function noteOnce(known: Map<string, string>, commandId: string, id: string): void {
  const first = known.get(commandId) ?? id;
  if (first !== id) throw new Error(`${commandId} was answered ${first}, and again ${id}`);
  known.set(commandId, id);
}

export const eventDay = DAY_OF_EVENT;
