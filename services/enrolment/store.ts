import type { Consent, LegalBasis, Purpose } from '../domain/consent.ts';
import type { Instant } from '../domain/interval.ts';
import type { Queryable } from '../host/room.ts';
import type { Scope } from '../host/scope.ts';
import type { Backup, Standing } from './admission.ts';

export type ConsentRow = Consent & {
  readonly evidence: { readonly kind: string; readonly reference: string; readonly digest: string };
  readonly withdrawnPosition: bigint | null;
};
export type EnrolmentRow = Standing & {
  readonly termsVersion: number;
  readonly kind: string;
  readonly connectionId: string;
  readonly participantId: string;
  readonly backup: Backup;
  readonly from: Instant;
  readonly to: Instant | null;
};
export type Paging = { readonly after: string; readonly size: number };

const scoped = 'discom = $1 and ($2::text is null or organisation_id = $2) and ($3::text is null or participant_id = $3)';
const of = ({ discom, organisation, participant }: Scope) => [discom, organisation, participant] as const;

export async function insertConsent(db: Queryable, discom: string, c: ConsentRow): Promise<void> {
  await db.query(
    `insert into consent (discom, consent_id, participant_id, connection_id, organisation_id, purpose, programme_id, resource_ids,
       readings_from_day, given_at_ms, expires_at_ms, basis, evidence_kind, evidence_reference, evidence_digest)
     values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15)`,
    [
      discom,
      c.consentId,
      c.participantId,
      c.connectionId,
      c.organisationId,
      c.purpose,
      c.programmeId,
      c.resourceIds,
      c.readingsFromDay,
      c.givenAt,
      c.expiresAt,
      c.basis,
      c.evidence.kind,
      c.evidence.reference,
      c.evidence.digest,
    ],
  );
}

export async function consentById(db: Queryable, scope: Scope, consentId: string): Promise<ConsentRow | null> {
  const [row] = await db.query<ConsentSql>(`select * from consent where ${scoped} and consent_id = $4`, [
    ...of(scope),
    consentId,
  ]);
  return row ? consentOf(row) : null;
}

export async function consentsOfConnection(db: Queryable, discom: string, connectionId: string): Promise<ConsentRow[]> {
  const rows = await db.query<ConsentSql>('select * from consent where discom = $1 and connection_id = $2 order by consent_id', [
    discom,
    connectionId,
  ]);
  return rows.map(consentOf);
}

export async function listConsents(
  db: Queryable,
  scope: Scope,
  { participantId, connectionId }: { participantId: string; connectionId: string },
  { after, size }: Paging,
): Promise<ConsentRow[]> {
  const rows = await db.query<ConsentSql>(
    `select * from consent where ${scoped} and consent_id > $4 and ($5 = '' or participant_id = $5) and ($6 = '' or connection_id = $6)
     order by consent_id limit $7`,
    [...of(scope), after, participantId, connectionId, size],
  );
  return rows.map(consentOf);
}

/** False when it was withdrawn by then already: the earliest withdrawal holds. */
export async function withdraw(db: Queryable, discom: string, consentId: string, at: Instant, reason: string): Promise<boolean> {
  const rows = await db.query(
    `update consent set withdrawn_at_ms = $3, withdrawn_reason = $4
     where discom = $1 and consent_id = $2 and (withdrawn_at_ms is null or withdrawn_at_ms > $3) returning 1`,
    [discom, consentId, at, reason],
  );
  return rows.length === 1;
}

export async function recordPosition(db: Queryable, discom: string, consentId: string, position: bigint): Promise<void> {
  await db.query(
    'update consent set withdrawn_position = $3 where discom = $1 and consent_id = $2 and withdrawn_position is null',
    [discom, consentId, position],
  );
}

export async function insertEnrolment(db: Queryable, discom: string, e: EnrolmentRow): Promise<void> {
  await db.query(
    `insert into enrolment (discom, enrolment_id, programme_id, terms_version, direction, resource_id, kind, connection_id,
       participant_id, settlement_point_id, organisation_id, backup, from_ms, to_ms)
     values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14)`,
    [
      discom,
      e.enrolmentId,
      e.programmeId,
      e.termsVersion,
      e.direction,
      e.resourceId,
      e.kind,
      e.connectionId,
      e.participantId,
      e.settlementPointId,
      e.organisationId,
      e.backup,
      e.from,
      e.to,
    ],
  );
}

export async function enrolmentById(db: Queryable, scope: Scope, enrolmentId: string): Promise<EnrolmentRow | null> {
  const [row] = await db.query<EnrolmentSql>(`select * from enrolment where ${scoped} and enrolment_id = $4`, [
    ...of(scope),
    enrolmentId,
  ]);
  return row ? enrolmentOf(row) : null;
}

/** Enrolments of a connection that reach beyond `after`. */
export async function enrolmentsOfConnection(
  db: Queryable,
  discom: string,
  connectionId: string,
  after: Instant,
): Promise<EnrolmentRow[]> {
  const rows = await db.query<EnrolmentSql>(
    `select * from enrolment where discom = $1 and connection_id = $2 and (to_ms is null or to_ms > greatest($3, from_ms))
     order by enrolment_id`,
    [discom, connectionId, after],
  );
  return rows.map(enrolmentOf);
}

export async function endEnrolment(
  db: Queryable,
  discom: string,
  enrolmentId: string,
  at: Instant,
  reason: string,
): Promise<void> {
  // One that has not begun ends where it begins: it never held.
  await db.query('update enrolment set to_ms = greatest($3, from_ms), end_reason = $4 where discom = $1 and enrolment_id = $2', [
    discom,
    enrolmentId,
    at,
    reason,
  ]);
}

export async function listEnrolments(
  db: Queryable,
  scope: Scope,
  { programmeId, participantId, at }: { programmeId: string; participantId: string; at: Instant },
  { after, size }: Paging,
): Promise<EnrolmentRow[]> {
  const rows = await db.query<EnrolmentSql>(
    `select * from enrolment where ${scoped} and enrolment_id > $4 and ($5 = '' or programme_id = $5) and ($6 = '' or participant_id = $6)
       and from_ms <= $7 and (to_ms is null or to_ms > $7)
     order by enrolment_id limit $8`,
    [...of(scope), after, programmeId, participantId, at, size],
  );
  return rows.map(enrolmentOf);
}

/** One home at a time: consents, enrolments and occupancy of a connection are judged and written under this lock. */
export async function lockConnection(db: Queryable, discom: string, connectionId: string): Promise<void> {
  await db.query('select pg_advisory_xact_lock(hashtextextended($1, 0))', [`connection/${discom}/${connectionId}`]);
}

type ConsentSql = {
  consent_id: string;
  participant_id: string;
  connection_id: string;
  organisation_id: string;
  purpose: Purpose;
  programme_id: string;
  resource_ids: string[];
  readings_from_day: string;
  given_at_ms: bigint;
  expires_at_ms: bigint | null;
  withdrawn_at_ms: bigint | null;
  withdrawn_position: bigint | null;
  basis: LegalBasis;
  evidence_kind: string;
  evidence_reference: string;
  evidence_digest: string;
};
type EnrolmentSql = {
  enrolment_id: string;
  programme_id: string;
  terms_version: number;
  direction: string;
  resource_id: string;
  kind: string;
  connection_id: string;
  participant_id: string;
  settlement_point_id: string;
  organisation_id: string;
  backup: Backup;
  from_ms: bigint;
  to_ms: bigint | null;
};
const instant = (value: bigint | null): Instant | null => (value === null ? null : Number(value));

const consentOf = (row: ConsentSql): ConsentRow => ({
  consentId: row.consent_id,
  basis: row.basis,
  participantId: row.participant_id,
  connectionId: row.connection_id,
  organisationId: row.organisation_id,
  purpose: row.purpose,
  programmeId: row.programme_id,
  resourceIds: row.resource_ids,
  readingsFromDay: row.readings_from_day,
  givenAt: Number(row.given_at_ms),
  expiresAt: instant(row.expires_at_ms),
  withdrawnAt: instant(row.withdrawn_at_ms),
  withdrawnPosition: row.withdrawn_position,
  evidence: { kind: row.evidence_kind, reference: row.evidence_reference, digest: row.evidence_digest },
});

const enrolmentOf = (row: EnrolmentSql): EnrolmentRow => ({
  enrolmentId: row.enrolment_id,
  programmeId: row.programme_id,
  termsVersion: row.terms_version,
  direction: row.direction,
  resourceId: row.resource_id,
  kind: row.kind,
  connectionId: row.connection_id,
  participantId: row.participant_id,
  settlementPointId: row.settlement_point_id,
  organisationId: row.organisation_id,
  backup: row.backup,
  from: Number(row.from_ms),
  to: instant(row.to_ms),
});
