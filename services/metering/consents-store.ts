import type { Consent } from '../domain/consent.ts';
import type { Instant, Interval } from '../domain/interval.ts';
import type { Queryable, Tx } from '../host/room.ts';

/** Keeps a consent to READINGS as the gate reads it; the same fact twice leaves the same row. */
export async function keepConsent(tx: Tx, discom: string, consent: Consent): Promise<void> {
  await tx.query(
    `insert into consent (discom, consent_id, connection_id, consent) values ($1, $2, $3, $4)
     on conflict (discom, consent_id) do nothing`,
    [discom, consent.consentId, consent.connectionId, JSON.stringify(consent)],
  );
}

export async function withdrawConsent(tx: Tx, discom: string, consentId: string, at: Instant): Promise<void> {
  await tx.query(
    `update consent set consent = jsonb_set(consent, '{withdrawnAt}', to_jsonb($3::bigint)) where discom = $1 and consent_id = $2`,
    [discom, consentId, at],
  );
}

export async function keepEnrolled(
  tx: Tx,
  discom: string,
  row: { connectionId: string; programmeId: string; organisationId: string },
): Promise<void> {
  await tx.query(
    `insert into enrolled (discom, connection_id, programme_id, organisation_id) values ($1, $2, $3, $4) on conflict do nothing`,
    [discom, row.connectionId, row.programmeId, row.organisationId],
  );
}

/** Consents to READINGS that reach an organisation: given to it, or to the DISCOM for a programme it has enrolments of there. */
export async function consentsReaching(
  db: Queryable,
  discom: string,
  organisation: string,
  connectionIds: readonly string[],
): Promise<Consent[]> {
  const rows = await db.query<{ consent: Consent }>(
    `select c.consent from consent c where c.discom = $1 and c.connection_id = any($3) and (c.consent->>'organisationId' = $2
       or c.consent->>'organisationId' = '' and exists (select 1 from enrolled e where e.discom = $1 and e.organisation_id = $2
         and e.connection_id = c.connection_id and e.programme_id = c.consent->>'programmeId'))
     order by c.consent_id`,
    [discom, organisation, connectionIds],
  );
  return rows.map((row) => row.consent);
}

/** One line of the audit; no consent id = nothing was shown. */
export async function recordUse(
  db: Queryable,
  discom: string,
  use: { at: Instant; subject: string; organisation: string; meterId: string; span: Interval; consentIds: readonly string[] },
): Promise<void> {
  await db.query(
    `insert into reading_use (discom, at_ms, subject, organisation_id, meter_id, from_ms, to_ms, consent_ids)
     values ($1, $2, $3, $4, $5, $6, $7, $8)`,
    [discom, use.at, use.subject, use.organisation, use.meterId, use.span.start, use.span.end, use.consentIds],
  );
}
