import type { Consent, LegalBasis, Purpose } from '../domain/consent.ts';
import type { Instant } from '../domain/interval.ts';
import { forbidden, invalid, type Refusal } from '../domain/outcome.ts';
import type { CivilDay } from '../domain/zone.ts';

/** How the act of consenting was recorded. */
export const evidenceKinds = ['SIGNED_FORM', 'OTP', 'APP', 'CREDENTIAL', 'RECORDED_CALL'] as const;

export type Act = {
  readonly purpose: Purpose | null;
  readonly basis: LegalBasis;
  readonly participantId: string;
  readonly connectionId: string;
  readonly resourceIds: readonly string[];
  readonly readingsFromDay: CivilDay;
  readonly expiresAt: Instant | null;
  readonly evidence: { readonly kind: string; readonly reference: string; readonly digest: string };
};
/** What is known of the home and the resources named. */
export type Ground = {
  readonly now: Instant;
  readonly today: CivilDay;
  /** Who holds the connection now; null = unknown connection. */
  readonly holder: string | null;
  readonly resources: readonly { readonly resourceId: string; readonly connectionId: string; readonly organisationId: string }[];
  readonly organisationId: string;
};

/** Null: the act is complete and says one thing. Else the first reason against it, in the order a person would read the form. */
export function refuseAct(act: Act, ground: Ground): Refusal | null {
  if (act.purpose === null)
    return invalid('purpose_missing', 'name one purpose: CONTROL, READINGS or BILLING', 'consent.purpose');
  if (ground.holder === null || ground.holder !== act.participantId) {
    return invalid(
      'not_the_holder',
      `${act.participantId} does not hold connection ${act.connectionId}; only its occupant can consent`,
      'consent.participant_id',
    );
  }
  if (act.purpose === 'CONTROL' && act.basis === 'REGULATION') {
    return forbidden(
      'control_needs_consent',
      'no regulation allows control of a household’s resource without its consent or contract',
    );
  }
  if (!(evidenceKinds as readonly string[]).includes(act.evidence.kind)) {
    return invalid('evidence_missing', `say how the act was recorded: ${evidenceKinds.join(', ')}`, 'consent.evidence.kind');
  }
  if (act.evidence.reference === '') {
    return invalid(
      'evidence_missing',
      'the evidence needs a reference under which it can be found',
      'consent.evidence.reference',
    );
  }
  if (act.evidence.digest !== '' && !/^[0-9a-f]{64}$/.test(act.evidence.digest)) {
    return invalid('digest_malformed', 'the digest is SHA-256 in 64 lower-case hex digits', 'consent.evidence.digest');
  }
  if (act.expiresAt !== null && act.expiresAt <= ground.now) {
    return invalid('already_expired', 'the consent would have expired before it was given', 'consent.expires_at_ms');
  }
  return act.purpose === 'CONTROL' ? refuseResources(act, ground) : refuseSharing(act, ground);
}

function refuseResources(act: Act, ground: Ground): Refusal | null {
  if (act.resourceIds.length === 0) {
    return invalid('resources_missing', 'name the resources that may be controlled', 'consent.resource_ids');
  }
  for (const id of act.resourceIds) {
    const resource = ground.resources.find((known) => known.resourceId === id);
    if (resource?.connectionId !== act.connectionId) {
      return invalid('resource_unknown', `${id} is no resource of connection ${act.connectionId}`, 'consent.resource_ids');
    }
    if (ground.organisationId !== '' && resource.organisationId !== ground.organisationId) {
      return invalid('resource_of_another', `${id} is not run by ${ground.organisationId}`, 'consent.resource_ids');
    }
  }
  return null;
}

function refuseSharing(act: Act, ground: Ground): Refusal | null {
  if (act.resourceIds.length > 0) {
    return invalid('purposes_apart', `${act.purpose} covers no control: leave resource_ids out`, 'consent.resource_ids');
  }
  if (act.purpose !== 'READINGS') {
    return act.readingsFromDay === ''
      ? null
      : invalid('purposes_apart', 'BILLING shares no readings: leave readings_from_day out', 'consent.readings_from_day');
  }
  const real = /^\d{4}-\d{2}-\d{2}$/.test(act.readingsFromDay) && !Number.isNaN(Date.parse(act.readingsFromDay));
  if (!real) return invalid('day_malformed', 'readings are shared from a civil day: 2026-04-01', 'consent.readings_from_day');
  if (act.readingsFromDay > ground.today) {
    return invalid(
      'day_in_future',
      `readings must be shared from today (${ground.today}) or an earlier day`,
      'consent.readings_from_day',
    );
  }
  return null;
}

/** Null when shared days reach back over the look-back; else the day from which they would have to be shared. */
export function shortOfLookback(consent: Pick<Consent, 'purpose' | 'readingsFromDay'>, lookbackStart: CivilDay): CivilDay | null {
  return consent.purpose === 'READINGS' && consent.readingsFromDay > lookbackStart ? lookbackStart : null;
}
