import { canonicalJson, type Json } from '../domain/canonical.ts';
import type { LogEntry } from './log.ts';

/** What ties a statement to its run's root and to the evidence log. Salts come from keys, so it stands beside the payload. */
export type Evidence = {
  /** SHA-256 of the payload's canonical JSON. */
  readonly payloadDigest: string;
  /** Of a participant's statement: SHA-256(salt ‖ payload digest), its place in the run's tree, and the way to the root. */
  readonly leaf: {
    readonly salt: string | null;
    readonly hash: string;
    readonly index: number;
    readonly size: number;
    readonly path: readonly string[];
    /** What it is over, where that is not the payload: the line's compact record (line-record.ts). */
    readonly of?: 'record';
    /** In a run of shards the path leads to its shard's root, and this on to the run's. */
    readonly shard?: { readonly index: number; readonly size: number; readonly path: readonly string[] };
  } | null;
  /** Of the counterparty's statement: all leaves of the run, in line order. */
  readonly leaves: readonly string[] | null;
  readonly root: string;
  /** The run's root, signed once when the run closed: a compact JWS over its canonical JSON. */
  readonly rootJws: string;
  readonly rootEntry: LogEntry;
  readonly commitmentEntry: LogEntry | null;
  /** Of the counterparty's statement: the canonical JSON that the commitment's digest is over. It names all members. */
  readonly commitment: string | null;
};

/** A statement file, format 1: see STATEMENT.md. */
export type StatementFile = {
  readonly format: 1;
  readonly payload: Json;
  readonly evidence: Evidence;
  /** DID of the signer. */
  readonly issuer: string;
  /** `header..signature`: detached JWS (RFC 7515, appendix F) over the canonical JSON of `credentialOf(file)`. */
  readonly jws: string;
};

/** The W3C Verifiable Credential 2.0 that is signed (vc+jwt); built from the file, so the payload stands in it once. */
export function credentialOf({ payload, evidence, issuer }: Omit<StatementFile, 'jws' | 'format'>): Json {
  const { statementId, party } = payload as unknown as { statementId: string; party: { kind: string; id: string } };
  return {
    '@context': ['https://www.w3.org/ns/credentials/v2'],
    type: ['VerifiableCredential', 'FlexibilityStatement'],
    id: `urn:lachak:${statementId}`,
    issuer,
    credentialSubject: { id: `urn:lachak:party:${party.id}`, statement: payload, evidence: evidence as unknown as Json },
  };
}

/** The bytes under the signature. */
export const signedBytes = (file: Omit<StatementFile, 'jws' | 'format'>): Uint8Array =>
  new TextEncoder().encode(canonicalJson(credentialOf(file)));

/** What the signature over a run's root says. */
export const rootClaim = (discom: string, runId: string, root: string, size: number): Json => ({ discom, root, runId, size });
