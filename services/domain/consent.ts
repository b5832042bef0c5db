import type { Instant } from './interval.ts';
import type { CivilDay } from './zone.ts';

/** Purposes are apart: a consent is for exactly one. */
export type Purpose = 'CONTROL' | 'READINGS' | 'BILLING';
/** Why something may be done: consent, or another stated legal basis. All stand and end by the same rules. */
export type LegalBasis = 'CONSENT' | 'CONTRACT' | 'REGULATION';

/** A consent, or another stated legal basis, as enrolment's facts carry it. */
export type Consent = {
  readonly consentId: string;
  readonly basis: LegalBasis;
  readonly participantId: string;
  readonly connectionId: string;
  /** To whom; empty = the DISCOM, and whoever runs the resource for it in this programme. */
  readonly organisationId: string;
  readonly purpose: Purpose;
  readonly programmeId: string;
  /** CONTROL: what may be controlled. */
  readonly resourceIds: readonly string[];
  /** READINGS: shared from this civil day, which may lie before the consent. */
  readonly readingsFromDay: CivilDay;
  readonly givenAt: Instant;
  readonly expiresAt: Instant | null;
  readonly withdrawnAt: Instant | null;
};

/** One use somebody is about to make. */
export type Use = {
  readonly purpose: Purpose;
  readonly participantId: string;
  readonly connectionId: string;
  /** Who runs the resource, or for whom the readings are used; empty = the DISCOM. */
  readonly organisationId: string;
  readonly programmeId: string;
  /** CONTROL: the resource about to be instructed. */
  readonly resourceId?: string;
  /** CONTROL and BILLING: the instant of the act. READINGS: the start of the interval to be read, whenever it is read. */
  readonly at: Instant;
  /** READINGS: the civil day `at` lies in (of a window: its first day). */
  readonly day?: CivilDay;
};

/** From the most distant to the nearest miss; the nearest one found is the answer. */
const misses = [
  'not_given',
  'other_programme',
  'other_organisation',
  'other_resource',
  'not_yet_given',
  'before_shared_day',
  'expired',
  'withdrawn',
] as const;
export type Miss = (typeof misses)[number];

/**
 * The one gate: may this be done? Called where an instruction is written and where a window of readings is opened.
 *
 * Standing is half-open: [given, the earlier of expiry and withdrawal). CONTROL and BILLING are judged at the instant of the act, so
 * a withdrawal of CONTROL stops at its instant. READINGS are judged by the interval: shared days reach back before the consent, a
 * withdrawal closes the intervals that start at or after it, and what was delivered before stays readable to be settled.
 */
export function permits(consents: readonly Consent[], use: Use): 'permitted' | Miss {
  const found = standing(consents, use);
  return typeof found === 'string' ? found : 'permitted';
}

/** `permits` for one use of readings at many instants. */
export function readingsGate(
  consents: readonly Consent[],
  who: Omit<Use, 'purpose' | 'at' | 'day'>,
): (at: Instant, day: CivilDay) => 'permitted' | Miss {
  const use = { ...who, purpose: 'READINGS' as const, at: 0, day: '' };
  return (at, day) => {
    use.at = at;
    use.day = day;
    return permits(consents, use);
  };
}

/** As `permits`, naming the consent that permits it: the one given first. Uses are recorded by its id. */
export function standing(consents: readonly Consent[], use: Use): Consent | Miss {
  let nearest: Miss = 'not_given';
  let first: Consent | null = null;
  for (const consent of consents) {
    const answer = judge(consent, use);
    if (answer !== 'permitted') nearest = misses.indexOf(answer) > misses.indexOf(nearest) ? answer : nearest;
    else if (first === null || earlier(consent, first)) first = consent;
  }
  return first ?? nearest;
}

function judge(consent: Consent, use: Use): 'permitted' | Miss {
  if (
    consent.purpose !== use.purpose ||
    consent.connectionId !== use.connectionId ||
    consent.participantId !== use.participantId // a former occupant's consent says nothing about the present one
  ) {
    return 'not_given';
  }
  if (consent.programmeId !== use.programmeId) return 'other_programme';
  if (consent.organisationId !== '' && consent.organisationId !== use.organisationId) return 'other_organisation';
  if (use.purpose === 'CONTROL' && !consent.resourceIds.includes(use.resourceId ?? '')) return 'other_resource';
  if (use.purpose === 'READINGS') {
    if (use.day === undefined || use.day < consent.readingsFromDay) return 'before_shared_day';
  } else if (use.at < consent.givenAt) return 'not_yet_given';
  if (consent.withdrawnAt !== null && use.at >= consent.withdrawnAt) return 'withdrawn';
  if (consent.expiresAt !== null && use.at >= consent.expiresAt) return 'expired';
  return 'permitted';
}

const earlier = (a: Consent, b: Consent): boolean =>
  a.givenAt < b.givenAt || (a.givenAt === b.givenAt && a.consentId < b.consentId);
