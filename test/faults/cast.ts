import { create } from '@bufbuild/protobuf';
import { CalendarDay_Kind, Catalogue, RunStage, RunStageRuleSchema } from '../../gen/lachak/v1/catalogue_pb.ts';
import { Dispatch } from '../../gen/lachak/v1/dispatch_pb.ts';
import { Backup, Consent_Basis, Enrolment, Purpose } from '../../gen/lachak/v1/enrolment_pb.ts';
import { Metering } from '../../gen/lachak/v1/metering_pb.ts';
import { ImportMode, Registry } from '../../gen/lachak/v1/registry_pb.ts';
import { Register, SupplyState } from '../../gen/lachak/v1/types_pb.ts';
import { DAY, HOUR } from '../../services/domain/interval.ts';
import type { Acknowledged } from './evening.ts';
import type { Stage } from './play.ts';
import { AGGREGATOR, at, CALENDAR, CHARGING, EVENT, type Home, homes, ORIGIN, PROGRAMME, READINGS_FROM_DAY } from './town.ts';

/** The residential preset with a day's stages in hours, so that two settlements fit into two days. */
export async function publish(stage: Stage): Promise<void> {
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

export async function register(stage: Stage): Promise<void> {
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

export async function consent(stage: Stage, { consents }: Acknowledged): Promise<void> {
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

export async function enrol(stage: Stage, { enrolments }: Acknowledged): Promise<void> {
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
export async function answer(stage: Stage, commandId: string, id: Home['id'], will: boolean): Promise<boolean> {
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
export async function aftermath(stage: Stage): Promise<void> {
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
