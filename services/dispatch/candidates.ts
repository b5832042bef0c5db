import { type Consent, permits, standing, type Use } from '../domain/consent.ts';
import { type Instant, type Interval, MINUTE } from '../domain/interval.ts';
import type { CivilDay, ZoneDays } from '../domain/zone.ts';
import type { Member } from './commitment.ts';
import { BEHAVIOURAL } from './kinds.ts';
import type { Candidate, Chosen, Point } from './selection.ts';

export type EnrolledRow = {
  readonly enrolmentId: string;
  readonly resourceId: string;
  readonly settlementPointId: string;
  readonly connectionId: string;
  readonly participantId: string;
  readonly organisationId: string;
  readonly kind: string;
  readonly ratedW: number;
  readonly deviceId: string;
  readonly maxMinutesPerDay: number;
  /** Empty = measured on the connection's own meter. */
  readonly subMeterId: string;
  readonly areaId: string;
  readonly protected: boolean;
};
export type MeterRow = {
  readonly meterId: string;
  readonly connectionId: string;
  readonly parentMeterId: string;
  readonly shard: number;
};
/** What is known of who could take part, as of the window's start. */
export type Ground = {
  /** By settlement point. */
  readonly enrolled: ReadonlyMap<string, readonly EnrolledRow[]>;
  /** By connection, in these three. Sub-meters are the ones with an enrolled resource, in any programme. */
  readonly meters: ReadonlyMap<string, readonly MeterRow[]>;
  readonly enrolledSubMeters: ReadonlyMap<string, readonly string[]>;
  readonly consents: ReadonlyMap<string, readonly Consent[]>;
  /** Parent by area. */
  readonly parents: ReadonlyMap<string, string>;
};
/** What is asked elsewhere, or read from own rows. */
export type Circumstances = {
  readonly programmeId: string;
  readonly window: Interval;
  readonly now: Instant;
  readonly days: ZoneDays;
  /** W by meter; absent = no readings to tell. */
  readonly typicalW: ReadonlyMap<string, number>;
  readonly notEnergised: ReadonlySet<string>;
  readonly instructed: ReadonlyMap<string, readonly Interval[]>;
  readonly recentEvents: ReadonlyMap<string, number>;
};

/** The register a settlement point is measured on; null = none serves it. */
export function meterOf(ground: Ground, row: Pick<EnrolledRow, 'connectionId' | 'subMeterId'>): MeterRow | null {
  const mine = ground.meters.get(row.connectionId) ?? [];
  if (row.subMeterId !== '') return mine.find((meter) => meter.meterId === row.subMeterId) ?? null;
  const subMeters = ground.enrolledSubMeters.get(row.connectionId) ?? [];
  return mine.find((meter) => meter.parentMeterId === '' && !subMeters.includes(meter.meterId)) ?? null;
}

/** What a resource is used for: control, or for the meter itself its readings. */
export const actOf = (
  row: { kind: string; participantId: string; connectionId: string; organisationId: string; resourceId: string },
  programmeId: string,
  at: Instant,
  day: CivilDay,
): Use => ({
  purpose: row.kind === BEHAVIOURAL ? 'READINGS' : 'CONTROL',
  participantId: row.participantId,
  connectionId: row.connectionId,
  organisationId: row.organisationId,
  programmeId,
  resourceId: row.resourceId,
  at,
  day,
});

/** The gate asked at each of these instants; the first no counts. */
export function permitsAt(consents: readonly Consent[], use: Use, instants: readonly Instant[]): string {
  for (const at of instants) {
    const answer = permits(consents, { ...use, at });
    if (answer !== 'permitted') return answer;
  }
  return 'permitted';
}

/** One point per settlement point, with its resources, ready to be chosen from. */
export function pointsOf(ground: Ground, around: Circumstances): Point[] {
  return [...ground.enrolled.values()].map((rows) => {
    const first = rows[0]!;
    const meter = meterOf(ground, first);
    const consents = ground.consents.get(first.connectionId) ?? [];
    const through = [around.window.start, around.window.end - 1];
    const day = around.days.dayOf(around.window.start);
    return {
      settlementPointId: first.settlementPointId,
      connectionId: first.connectionId,
      participantId: first.participantId,
      areaId: first.areaId,
      areaPath: pathUp(ground.parents, first.areaId),
      protected: first.protected,
      energised: !around.notEnergised.has(first.connectionId),
      meterId: meter?.meterId ?? null,
      readingsGate: permitsAt(consents, { ...actOf(first, around.programmeId, 0, day), purpose: 'READINGS' }, through),
      typicalW: meter ? typicalOf(ground, around, first, meter) : null,
      recentEvents: around.recentEvents.get(first.settlementPointId) ?? 0,
      candidates: rows.map((row): Candidate => {
        const instructed = around.instructed.get(row.resourceId) ?? [];
        const act = actOf(row, around.programmeId, 0, day);
        return {
          resourceId: row.resourceId,
          kind: row.kind,
          organisationId: row.organisationId,
          enrolmentId: row.enrolmentId,
          ratedW: row.ratedW,
          deviceId: row.deviceId,
          maxMinutesPerDay: row.maxMinutesPerDay,
          gate: permitsAt(consents, act, act.purpose === 'CONTROL' ? [around.now, ...through] : through),
          instructed,
          minutesThatDay: instructed
            .filter((span) => around.days.dayOf(span.start) === day)
            .reduce((sum, span) => sum + (span.end - span.start) / MINUTE, 0),
        };
      }),
    };
  });
}

/** As it is measured: the connection's own meter without the enrolled sub-meters behind it. W; null = not known of one of them. */
function typicalOf(ground: Ground, { typicalW }: Circumstances, row: EnrolledRow, meter: MeterRow): number | null {
  const whole = typicalW.get(meter.meterId) ?? null;
  const behind = row.subMeterId === '' ? (ground.enrolledSubMeters.get(row.connectionId) ?? []) : [];
  return behind.reduce<number | null>((rest, subMeterId) => {
    const part = typicalW.get(subMeterId);
    return rest === null || part === undefined ? null : Math.max(0, rest - part);
  }, whole);
}

/** A chosen point as the commitment freezes it. */
export function memberOf({ point, role, resources, expectedW }: Chosen, ground: Ground, around: Circumstances): Member {
  const row = ground.enrolled.get(point.settlementPointId)![0]!;
  const meter = meterOf(ground, row)!;
  const use = actOf(
    { ...row, kind: BEHAVIOURAL },
    around.programmeId,
    around.window.start,
    around.days.dayOf(around.window.start),
  );
  const mine = ground.consents.get(row.connectionId) ?? [];
  const readings = standing(mine, use);
  const billing = standing(mine, { ...use, purpose: 'BILLING', at: around.now });
  return {
    settlementPointId: point.settlementPointId,
    connectionId: point.connectionId,
    participantId: point.participantId,
    organisationId: row.organisationId,
    resourceIds: resources.map((resource) => resource.resourceId).sort(),
    meterId: meter.meterId,
    parentMeterId: meter.parentMeterId,
    subtractMeterIds: row.subMeterId === '' ? (ground.enrolledSubMeters.get(row.connectionId) ?? []) : [],
    shard: meter.shard,
    role,
    expectedW,
    enrolmentId: resources[0]!.enrolmentId,
    readingsConsentId: typeof readings === 'string' ? '' : readings.consentId,
    readingsFromDay: typeof readings === 'string' ? '' : readings.readingsFromDay,
    billingConsentId: typeof billing === 'string' ? '' : billing.consentId,
    areaId: point.areaId,
  };
}

function pathUp(parents: ReadonlyMap<string, string>, areaId: string): string[] {
  const path: string[] = [];
  for (let at = areaId; at !== '' && !path.includes(at); at = parents.get(at) ?? '') path.push(at);
  return path;
}
