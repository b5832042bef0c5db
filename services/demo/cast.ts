import type { MessageInitShape } from '@bufbuild/protobuf';
import { CalendarDay_Kind } from '../../gen/lachak/v1/catalogue_pb.ts';
import { Backup, Consent_Basis, Purpose } from '../../gen/lachak/v1/enrolment_pb.ts';
import { ImportMode, type RecordSchema } from '../../gen/lachak/v1/registry_pb.ts';
import { Register } from '../../gen/lachak/v1/types_pb.ts';
import { type Desk, inParallel } from './desk.ts';
import {
  AGGREGATOR,
  AREAS,
  connectionOf,
  deviceOf,
  type Home,
  meterOf,
  OPERATOR_OF_CHARGERS,
  participantOf,
  pointOf,
  resourceOf,
} from './homes.ts';

export const PROGRAMME = 'evening-peak';
const CALENDAR = 'holidays';
const AT_ONCE = 8;

export type Setting = {
  readonly homes: readonly Home[];
  /** When everything was connected: before the first reading. */
  readonly since: number;
  readonly readingsFromDay: string;
  readonly zone: string;
  readonly ratedW: (home: Home) => number;
};
type RecordInit = MessageInitShape<typeof RecordSchema>;

/** The DISCOM publishes its programme: the residential preset, with chargers in it. */
export async function publish(desk: Desk, { zone, holidays }: { zone: string; holidays: readonly string[] }): Promise<void> {
  const operator = await desk.as('operator');
  const days = holidays.map((day) => ({ day, kind: CalendarDay_Kind.HOLIDAY, name: '' }));
  await desk.catalogue.putCalendar({ commandId: 'calendar', calendarId: CALENDAR, days }, operator);
  const { presets } = await desk.catalogue.listPresets({}, operator);
  const preset = presets.find(({ name }) => name === 'residential-10of10')!;
  await desk.catalogue.publishProgramme(
    {
      commandId: 'programme',
      programmeId: PROGRAMME,
      name: 'Evening peak',
      preset: preset.name,
      terms: { ...preset.terms!, zone, calendarId: CALENDAR },
    },
    operator,
  );
}

/** Registers the network, organisations, homes and chargers, as a DISCOM's MDM export would. */
export async function register(desk: Desk, setting: Setting): Promise<void> {
  const dated = { fromMs: BigInt(setting.since) };
  const records: RecordInit[] = [
    ...AREAS.map((area): RecordInit => ({ record: { case: 'area', value: { ...area, dated } } })),
    organisation(AGGREGATOR, 'Cool Homes', 'AGGREGATOR'),
    organisation(OPERATOR_OF_CHARGERS, 'Voltpoint', 'CPO'),
    ...setting.homes.flatMap((home): RecordInit[] => [
      {
        record: {
          case: 'participant',
          value: {
            participantId: participantOf(home),
            kind: home.kind === 'CHARGER' ? 'CPO' : 'HOUSEHOLD',
            person: { name: `Occupant of ${home.id}`, phone: '', address: `Transformer ${home.areaId}`, language: 'en' },
          },
        },
      },
      {
        record: {
          case: 'connection',
          value: {
            connectionId: connectionOf(home),
            participantId: participantOf(home),
            areaId: home.areaId,
            tariffCategory: home.kind === 'CHARGER' ? 'EV' : 'DOMESTIC',
            sanctionedLoadW: BigInt(home.sanctionedW),
            dated,
          },
        },
      },
      {
        record: {
          case: 'meter',
          value: {
            meterId: meterOf(home),
            connectionId: connectionOf(home),
            registers: [Register.IMPORT],
            factor: 1,
            intervalMinutes: 30,
            zone: setting.zone,
            dated,
          },
        },
      },
      {
        record: { case: 'settlementPoint', value: { settlementPointId: pointOf(home), connectionId: connectionOf(home) } },
      },
      {
        record: {
          case: 'resource',
          value: {
            resourceId: resourceOf(home),
            settlementPointId: pointOf(home),
            organisationId: home.organisationId,
            kind: home.kind,
            ratedW: BigInt(setting.ratedW(home)),
            deviceId: home.kind === 'BEHAVIOURAL' ? '' : deviceOf(home),
            protocol: { AC: 'flex/1', CHARGER: 'ocpp1.6', BEHAVIOURAL: 'notice' }[home.kind],
            dated,
          },
        },
      },
    ]),
  ];
  const report = await desk.registry.register(
    { commandId: 'registry', records, mode: ImportMode.ALL_OR_NONE },
    await desk.as('operator'),
  );
  if (report.refused > 0n) throw new Error(`the registry refused ${report.refused} records: ${report.findings[0]?.message}`);
  await desk.settled();
}

/** Each household consents, purpose by purpose, and is enrolled by whoever runs its device. */
export async function enrol(desk: Desk, setting: Setting): Promise<number> {
  let consents = 0;
  await inParallel(setting.homes, AT_ONCE, async (home) => {
    const consumer = await desk.as('consumer', { participant: participantOf(home) });
    const purposes =
      home.kind === 'BEHAVIOURAL' ? [Purpose.READINGS, Purpose.BILLING] : [Purpose.CONTROL, Purpose.READINGS, Purpose.BILLING];
    for (const purpose of purposes) {
      await desk.enrolment.giveConsent(
        {
          commandId: `consent-${home.id}-${purpose}`,
          consent: {
            participantId: participantOf(home),
            connectionId: connectionOf(home),
            organisationId: home.organisationId,
            purpose,
            programmeId: PROGRAMME,
            resourceIds: purpose === Purpose.CONTROL ? [resourceOf(home)] : [],
            readingsFromDay: purpose === Purpose.READINGS ? setting.readingsFromDay : '',
            evidence: { kind: 'APP', reference: `demo/${home.id}/${purpose}`, digest: '' },
            basis: Consent_Basis.CONSENT,
          },
        },
        consumer,
      );
      consents++;
    }
  });
  await desk.settled();
  await inParallel(setting.homes, AT_ONCE, async (home) => {
    const by = home.organisationId
      ? await desk.as(home.kind === 'CHARGER' ? 'cpo' : 'aggregator', { organisation: home.organisationId })
      : await desk.as('operator');
    await desk.enrolment.enrol(
      { commandId: `enrol-${home.id}`, programmeId: PROGRAMME, resourceIds: [resourceOf(home)], backup: Backup.NO_BACKUP },
      by,
    );
  });
  await desk.settled();
  return consents;
}

const organisation = (organisationId: string, name: string, kind: string): RecordInit => ({
  record: { case: 'organisation', value: { organisationId, name, kind, did: '' } },
});
