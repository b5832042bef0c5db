import type { Json } from '../domain/canonical.ts';
import type { Instant, Interval } from '../domain/interval.ts';
import type { CivilDay } from '../domain/zone.ts';

export type Member = {
  readonly settlementPointId: string;
  readonly connectionId: string;
  readonly participantId: string;
  readonly organisationId: string;
  readonly resourceIds: readonly string[];
  readonly meterId: string;
  readonly parentMeterId: string;
  readonly subtractMeterIds: readonly string[];
  readonly shard: number;
  readonly role: 'CHOSEN' | 'HOLDOUT';
  readonly expectedW: number;
  readonly enrolmentId: string;
  readonly readingsConsentId: string;
  readonly readingsFromDay: CivilDay;
  /** Empty = none given: credits wait. */
  readonly billingConsentId: string;
  readonly areaId: string;
};
export type Commitment = {
  readonly discom: string;
  readonly eventId: string;
  readonly programmeId: string;
  readonly termsVersion: number;
  readonly termsDigest: string;
  /** Method, rates, netting, holdout rules: all of the terms, as their proto JSON. */
  readonly terms: Json;
  readonly window: Interval;
  readonly targetW: readonly number[];
  readonly areaIds: readonly string[];
  readonly committedAt: Instant;
  readonly noticeAt: Instant;
  readonly holdoutSeed: string;
  readonly enrolmentPosition: number;
  readonly members: readonly Member[];
};

/**
 * What the digest is over, once canonical (RFC 8785): everything that decides who is measured how and paid what, so that none of
 * it can be chosen after the fact. Instants in ms UTC, power in W. Members in settlement point order.
 */
export const commitmentJson = (commitment: Commitment): Json => ({
  format: 1,
  discom: commitment.discom,
  event_id: commitment.eventId,
  programme_id: commitment.programmeId,
  terms_version: commitment.termsVersion,
  terms_digest: commitment.termsDigest,
  terms: commitment.terms,
  window: { start_ms: commitment.window.start, end_ms: commitment.window.end },
  target_w: commitment.targetW,
  area_ids: commitment.areaIds,
  committed_at_ms: commitment.committedAt,
  notice_at_ms: commitment.noticeAt,
  holdout_seed: commitment.holdoutSeed,
  enrolment_position: commitment.enrolmentPosition,
  members: [...commitment.members]
    .sort((a, b) => (a.settlementPointId < b.settlementPointId ? -1 : 1))
    .map((member) => ({
      settlement_point_id: member.settlementPointId,
      connection_id: member.connectionId,
      participant_id: member.participantId,
      organisation_id: member.organisationId,
      resource_ids: member.resourceIds,
      meter_id: member.meterId,
      parent_meter_id: member.parentMeterId,
      subtract_meter_ids: member.subtractMeterIds,
      shard: member.shard,
      role: member.role,
      expected_w: member.expectedW,
      enrolment_id: member.enrolmentId,
      readings_consent_id: member.readingsConsentId,
      readings_from_day: member.readingsFromDay,
      billing_consent_id: member.billingConsentId,
      area_id: member.areaId,
    })),
});
