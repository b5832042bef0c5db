import { type Consent, type Miss, type Purpose, permits } from '../domain/consent.ts';
import type { Instant } from '../domain/interval.ts';
import { conflict, forbidden, invalid, type Refusal } from '../domain/outcome.ts';
import type { CivilDay } from '../domain/zone.ts';

export type Backup = 'NO_BACKUP' | 'INVERTER' | 'DIESEL';
/** What a programme says about who may take part. */
export type Admits = {
  readonly programmeId: string;
  readonly kinds: readonly string[];
  /** None = all, in each of these. */
  readonly tariffCategories: readonly string[];
  readonly areas: readonly string[];
  readonly minSanctionedLoadW: number;
  /** 0 = no bound. */
  readonly maxSanctionedLoadW: number;
};
export type Home = {
  readonly connectionId: string;
  readonly participantId: string;
  /** From its own area to the root of the feeder tree. */
  readonly areaPath: readonly string[];
  readonly tariffCategory: string;
  readonly sanctionedLoadW: number;
  readonly protected: boolean;
};
export type Device = {
  readonly resourceId: string;
  readonly kind: string;
  readonly settlementPointId: string;
  /** Who runs it; empty = the DISCOM itself. */
  readonly organisationId: string;
};

/** The meter itself: its instruction is a notice to a person. */
export const BEHAVIOURAL = 'BEHAVIOURAL';

/** Null: the programme admits this resource of this home. Else the first reason against it, in a fixed order. */
export function refuseAdmission(admits: Admits, home: Home, device: Device, backup: Backup): Refusal | null {
  if (home.protected) {
    return forbidden(
      'protected_connection',
      `connection ${home.connectionId} is protected and is never selected, so it is not enrolled`,
    );
  }
  // Diesel sets started because of an event are no flexibility, and forbidden by the pollution boards' orders the terms rest on.
  if (backup === 'DIESEL') {
    return invalid('diesel_not_admitted', `${admits.programmeId} does not admit homes with diesel back-up`, 'backup');
  }
  if (!admits.kinds.includes(device.kind)) {
    return invalid(
      'kind_not_admitted',
      `${admits.programmeId} admits ${admits.kinds.join(', ')}; ${device.resourceId} is ${device.kind}`,
      'resource_ids',
    );
  }
  if (admits.tariffCategories.length > 0 && !admits.tariffCategories.includes(home.tariffCategory)) {
    return invalid(
      'tariff_not_admitted',
      `${admits.programmeId} admits tariff categories ${admits.tariffCategories.join(', ')}; ${home.connectionId} is ${home.tariffCategory}`,
      'resource_ids',
    );
  }
  if (admits.areas.length > 0 && !admits.areas.some((area) => home.areaPath.includes(area))) {
    return invalid('area_not_admitted', `${home.connectionId} lies outside ${admits.areas.join(', ')}`, 'resource_ids');
  }
  const bounded = admits.maxSanctionedLoadW > 0;
  if (home.sanctionedLoadW < admits.minSanctionedLoadW || (bounded && home.sanctionedLoadW > admits.maxSanctionedLoadW)) {
    const bound = bounded
      ? `${admits.minSanctionedLoadW} to ${admits.maxSanctionedLoadW} W`
      : `at least ${admits.minSanctionedLoadW} W`;
    return invalid(
      'sanctioned_load_not_admitted',
      `${admits.programmeId} asks for a sanctioned load of ${bound}; ${home.connectionId} has ${home.sanctionedLoadW} W`,
      'resource_ids',
    );
  }
  return null;
}

/** An enrolment that stands or will stand. */
export type Standing = {
  readonly enrolmentId: string;
  readonly programmeId: string;
  readonly direction: string;
  readonly resourceId: string;
  readonly settlementPointId: string;
  readonly organisationId: string;
};

/** Null: nothing stands against it. `others` are the enrolments of the same connection that reach beyond the new one's start. */
export function refuseConflict(
  programmeId: string,
  direction: string,
  device: Device,
  others: readonly Standing[],
): Refusal | null {
  const same = others.find((other) => other.resourceId === device.resourceId && other.programmeId === programmeId);
  if (same)
    return conflict('already_enrolled', `${device.resourceId} is in ${programmeId} already: ${same.enrolmentId}`, 'resource_ids');
  // The same reduction cannot be sold twice.
  const sold = others.find((other) => other.resourceId === device.resourceId && other.direction === direction);
  if (sold) {
    return conflict(
      'enrolled_elsewhere',
      `${device.resourceId} is in ${sold.programmeId} of the same direction; end ${sold.enrolmentId} first`,
      'resource_ids',
    );
  }
  // One register, one baseline, one credit: two organisations behind it could not be told apart.
  const rival = others.find(
    (other) =>
      other.programmeId === programmeId &&
      other.settlementPointId === device.settlementPointId &&
      other.organisationId !== device.organisationId,
  );
  if (rival) {
    return conflict(
      'settlement_point_taken',
      `${device.settlementPointId} is in ${programmeId} with another organisation: ${rival.enrolmentId}`,
      'resource_ids',
    );
  }
  return null;
}

/** The purposes an enrolment of this kind rests on. A notice to a person controls nothing. */
export const purposesFor = (kind: string): readonly Purpose[] =>
  kind === BEHAVIOURAL ? ['READINGS', 'BILLING'] : ['CONTROL', 'READINGS', 'BILLING'];

/** Null: every consent the enrolment rests on stands at its start. */
export function refuseConsent(
  consents: readonly Consent[],
  { programmeId, home, device, at, day }: { programmeId: string; home: Home; device: Device; at: Instant; day: CivilDay },
): Refusal | null {
  for (const purpose of purposesFor(device.kind)) {
    const answer = permits(consents, {
      purpose,
      participantId: home.participantId,
      connectionId: home.connectionId,
      organisationId: device.organisationId,
      programmeId,
      resourceId: device.resourceId,
      at,
      day,
    });
    if (answer !== 'permitted') {
      return forbidden(
        `consent_${answer}`,
        `${device.resourceId} needs a standing consent to ${purpose} in ${programmeId}: ${because[answer]}`,
      );
    }
  }
  return null;
}

const because: Record<Miss, string> = {
  not_given: 'the holder of the connection gave none',
  other_programme: 'the one given is for another programme',
  other_organisation: 'the one given is for another organisation',
  other_resource: 'the one given does not name this resource',
  not_yet_given: 'it begins later',
  before_shared_day: 'readings are shared from a later day on',
  expired: 'it has expired',
  withdrawn: 'it was withdrawn',
};

/** A withdrawal ends the enrolments that rest on it; without BILLING a home may stay, its credits stay open. */
export const endsEnrolments = (purpose: Purpose): boolean => purpose !== 'BILLING';

/** True when this enrolment rests on this withdrawn consent and no other standing one carries it. */
export function losesGround(
  withdrawn: Consent,
  consents: readonly Consent[],
  enrolment: {
    programmeId: string;
    connectionId: string;
    participantId: string;
    organisationId: string;
    resourceId: string;
    kind: string;
  },
  at: Instant,
  day: CivilDay,
): boolean {
  if (!endsEnrolments(withdrawn.purpose) || !purposesFor(enrolment.kind).includes(withdrawn.purpose)) return false;
  if (withdrawn.programmeId !== enrolment.programmeId || withdrawn.connectionId !== enrolment.connectionId) return false;
  return permits(consents, { ...enrolment, purpose: withdrawn.purpose, at, day }) !== 'permitted';
}
