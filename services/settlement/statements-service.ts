import { CompactSign } from 'jose';
import { canonicalJson, type Json } from '../domain/canonical.ts';
import { hex } from '../domain/hex.ts';
import { inclusionProof } from '../domain/merkle.ts';
import type { SigningKey } from '../host/auth.ts';
import { derivedId, sha256, sha256Hex } from '../host/ids.ts';
import type { Queryable } from '../host/room.ts';
import { zoneDays } from '../host/zone.ts';
import { type Evidence, type StatementFile, signedBytes } from './credential.ts';
import * as money from './money-store.ts';
import type { Figures } from './run-rows.ts';
import {
  brief,
  counterpartyPayload,
  organisationPayload,
  type PartyKind,
  participantPayload,
  type RunContext,
} from './statement.ts';
import type { StatementRow } from './statements-store.ts';
import type { EventRow, RunRow } from './store.ts';
import * as store from './store.ts';

export const statementId = (discom: string, runId: string, kind: PartyKind, party: string): string =>
  derivedId('statement', discom, runId, kind, party);

/** What all statements of a run share, from rows that no longer change once it is closed. */
export function contextOf(
  event: EventRow,
  run: RunRow,
  figures: Pick<Figures, 'coveragePpm' | 'coverageReached'>,
  loggedAtMs: number,
): RunContext {
  const terms = JSON.parse(event.terms!) as { zone?: string };
  const zone = terms.zone || 'Asia/Kolkata';
  const { eventId, programmeId, termsVersion, startMs, endMs, noticeAtMs, committedAtMs, commitmentDigest } = event;
  const { runId, stage, version, supersedes, asOfMs, coreSha256 } = run;
  return {
    format: run.format,
    discom: event.discom,
    event: {
      ...{ eventId, programmeId, termsVersion, startMs, endMs, noticeAtMs, committedAtMs, commitmentDigest, loggedAtMs },
      day: zoneDays(zone).dayOf(startMs),
    },
    run: {
      ...{ runId, stage, version, supersedes, asOfMs, coreSha256 },
      coveragePpm: figures.coveragePpm,
      coverageReached: figures.coverageReached,
    },
    terms: terms as unknown as Json,
    termsDigest: event.termsDigest,
    zone,
    calendar: JSON.parse(event.calendar) as RunContext['calendar'],
  };
}

/** SHA-256(salt ‖ SHA-256(payload)); a person whose key was destroyed before has a leaf that says nothing. */
export const leafOf = (salt: Uint8Array | undefined, payload: string): Uint8Array =>
  salt ? sha256(Buffer.concat([salt, sha256(payload)])) : new Uint8Array(32);

/** Payload and signed file of one statement, made from what the run kept: the payload's bytes are the same every time. */
export async function makeStatement(
  db: Queryable,
  row: StatementRow,
  discom: string,
  signer: { readonly key: SigningKey; readonly issuer: string },
  saltOf: (participantId: string) => Promise<Uint8Array | undefined>,
): Promise<{ payload: string; signed: string }> {
  const run = (await store.getRun(db, discom, row.runId))!;
  const event = (await store.getEvent(db, discom, row.eventId))!;
  const figures = JSON.parse(run.figures) as Figures;
  const commitmentEntry = await money.logEntry(db, discom, 'commitment', event.eventId);
  const rootEntry = (await money.logEntry(db, discom, 'run_root', run.runId))!;
  const context = contextOf(event, run, figures, commitmentEntry?.atMs ?? 0);
  // A participant's statement needs one row and the leaves; those of the others need every line.
  const own = row.partyKind === 'PARTICIPANT' ? await money.pointOf(db, discom, run.runId, row.settlementPointId) : null;
  const points = own ? [own] : await money.pointsOf(db, discom, run.runId);
  const all = await money.leavesOf(db, discom, run.runId);
  const leaves = all.map(({ leaf }) => leaf);

  const payload = canonicalJson(payloadOf(row, context, figures, points));
  const shared = { payloadDigest: sha256Hex(payload), root: run.root, rootJws: run.rootJws, rootEntry, commitmentEntry };
  let evidence: Evidence = { ...shared, leaf: null, leaves: null, commitment: null };
  if (row.partyKind === 'PARTICIPANT') {
    const index = all.findIndex((point) => point.settlementPointId === row.settlementPointId);
    const salt = await saltOf(row.partyId);
    const { size, path } = inclusionProof(leaves, index, sha256);
    evidence = {
      ...evidence,
      leaf: { salt: salt ? hex(salt) : null, hash: hex(leaves[index]!), index, size, path: path.map(hex) },
    };
  } else if (row.partyKind === 'COUNTERPARTY')
    evidence = { ...evidence, leaves: leaves.map(hex), commitment: event.commitment || null };

  const content = { payload: JSON.parse(payload) as Json, evidence, issuer: signer.issuer };
  const jws = await new CompactSign(signedBytes(content))
    .setProtectedHeader({ alg: 'ES256', cty: 'vc', kid: signer.key.thumbprint, typ: 'vc+jwt' })
    .sign(signer.key.privateKey);
  const [header, , signature] = jws.split('.');
  const file: StatementFile = { format: 1, ...content, jws: `${header}..${signature}` };
  return { payload, signed: `${JSON.stringify(file, null, 1)}\n` };
}

function payloadOf(row: StatementRow, context: RunContext, figures: Figures, points: readonly money.PointRow[]): Json {
  const read = (text: string) => JSON.parse(text) as Json;
  if (row.partyKind === 'PARTICIPANT') {
    const point = points.find(({ settlementPointId }) => settlementPointId === row.settlementPointId)!;
    return participantPayload(row.statementId, context, read(point.measured), read(point.settled!), figures.portfolio);
  }
  const lines = points.map((point) => brief(read(point.measured), read(point.settled!)));
  return row.partyKind === 'ORGANISATION'
    ? organisationPayload(row.statementId, context, row.partyId, lines, figures.portfolio)
    : counterpartyPayload(row.statementId, context, lines, figures.portfolio, figures.holdout);
}
