import { canonicalJson, type Json } from '../domain/canonical.ts';
import { hex, unhex } from '../domain/hex.ts';
import { iso } from '../domain/interval.ts';
import { type Hash, merkleRoot, rootFromProof } from '../domain/merkle.ts';
import type { CivilDay } from '../domain/zone.ts';
import { checkCohort } from './check-cohort.ts';
import { checkExcludedDays, checkMeterDays } from './check-days.ts';
import { checkLines } from './check-lines.ts';
import { checkSettled } from './check-settled.ts';
import type { Evidence, StatementFile } from './credential.ts';
import { type Check, difference, short } from './difference.ts';
import { lineBytes, lineOf } from './line-record.ts';
import { chainFault } from './log.ts';
import { type CounterpartyPayload, type Measured, type ParticipantPayload, type Payload, readPayload } from './payload.ts';
import { knownAt, type Readings } from './readings.ts';
import type { Recompute, Remeasured } from './recompute.ts';

/** All that can be checked of a statement without its signature, in the order it came about. */
export function checkStatement(file: StatementFile, readings: Readings, recompute: Recompute): Check[] {
  const payload = readPayload(file.payload);
  const checks = [checkTerms(payload, recompute.hash), checkCommitment(payload, file.evidence, recompute.hash)];
  if (payload.party.kind === 'PARTICIPANT') {
    const participant = payload as ParticipantPayload;
    const found = remeasured(participant, readings, recompute);
    checks.push(
      checkMeterDays(participant, readings, recompute, found),
      checkExcludedDays(participant),
      checkMeasured(participant, found),
      checkSettled(participant),
    );
  } else {
    checks.push(...checkLines(payload as Exclude<Payload, ParticipantPayload>));
    const { commitment } = file.evidence;
    if (payload.party.kind === 'COUNTERPARTY' && commitment)
      checks.push(checkCohort(payload as CounterpartyPayload, commitment, recompute.hash));
  }
  checks.push(checkEvidence(file, recompute.hash));
  return checks;
}

function checkTerms({ terms, termsDigest, event }: Payload, hash: Hash): Check {
  const found = hex(hash(encoder.encode(canonicalJson(terms))));
  return {
    says: `terms ${event.programmeId} version ${event.termsVersion}, digest ${short(termsDigest)}`,
    differences: difference('the digest of the terms printed in the statement', termsDigest, found, 'those terms hash to'),
  };
}

function checkCommitment({ event }: Payload, { commitmentEntry }: Evidence, hash: Hash): Check {
  const differences: string[] = [];
  if (!commitmentEntry)
    differences.push('the commitment stands in no evidence log: it proves nothing about when the cohort was chosen');
  else {
    const fault = chainFault([commitmentEntry], hash);
    if (fault) differences.push(fault);
    differences.push(...difference('the commitment’s digest', event.commitmentDigest, commitmentEntry.digest, 'the log has'));
    if (commitmentEntry.subject !== event.eventId)
      differences.push(`the log entry is about ${commitmentEntry.subject}, not ${event.eventId}`);
    if (commitmentEntry.atMs >= event.startMs) {
      differences.push(
        `the commitment was logged at ${iso(commitmentEntry.atMs)}, not before the window opened at ${iso(event.startMs)}`,
      );
    }
  }
  return {
    says: `cohort committed in the log at ${iso(event.loggedAtMs)}, before the window opened at ${iso(event.startMs)}`,
    differences,
  };
}

/** Null where no reading was to be used, or the core named is not at hand. */
function remeasured(payload: ParticipantPayload, readings: Readings, recompute: Recompute): Remeasured | null {
  const { measured, run, event, terms, calendar } = payload;
  if (measured.status === 'no_consent' || !recompute.hasCore(run.coreSha256)) return null;
  return recompute.measure({
    ...{ coreSha256: run.coreSha256, terms, noticeAtMs: event.noticeAtMs, calendar: calendar.days, point: measured },
    window: { start: event.startMs, end: event.endMs },
    reading: (meterId, startMs) => knownAt(readings.get(meterId)?.get(startMs), run.asOfMs),
  });
}

function checkMeasured({ measured, run }: ParticipantPayload, found: Remeasured | null): Check {
  if (measured.status === 'no_consent') return { says: 'no reading was to be used: nothing was measured', differences: [] };
  if (!found) {
    return {
      says: '',
      differences: [`the core ${run.coreSha256} is not at hand: give --core the folder with ${run.coreSha256}.wasm`],
    };
  }
  const names = Object.keys(found) as (keyof Remeasured)[];
  const selected = difference('selected days', measured.selectedDays.join(' '), found.selectedDays.join(' '), 'the rules select');
  const moved = measured.selectedDays
    .filter((day) => !found.selectedDays.includes(day))
    .map((day) => whyNot(day, found, measured));
  const others = names
    .filter((name) => name !== 'selectedDays')
    .flatMap((name) =>
      difference(
        name,
        (measured[name] === undefined ? [] : measured[name]) as unknown as Json,
        found[name] as unknown as Json,
        'the readings give',
      ),
    );
  const { totals } = measured;
  const says = totals
    ? `baseline ${totals.baselineWh} Wh − metered ${totals.meteredWh} Wh: delivered ${totals.deliveredWh} Wh, recomputed with core ${short(run.coreSha256)}`
    : `no baseline: ${measured.status}, as recomputed with core ${short(run.coreSha256)}`;
  return { says, differences: [...selected, ...moved, ...others] };
}

function whyNot(day: CivilDay, found: Remeasured, { excludedDays }: Measured): string {
  const excluded = excludedDays.find((entry) => entry.day === day);
  if (excluded) return `${day} is in the selection although it is excluded (${excluded.reason})`;
  if (found.lowUsageRejected.includes(day)) return `${day} is in the selection although its low usage rejects it`;
  return found.candidateDays.includes(day)
    ? `${day} is in the selection although the rule ranks it behind`
    : `${day} is in the selection but is no candidate`;
}

function checkEvidence({ payload, evidence }: StatementFile, hash: Hash): Check {
  const { run } = readPayload(payload);
  const { leaf, leaves, root, rootEntry } = evidence;
  const digest = hash(encoder.encode(canonicalJson(payload)));
  const differences = difference('the payload’s digest', evidence.payloadDigest, hex(digest), 'the payload hashes to');
  if (leaf) {
    const bytes = unhex(leaf.hash);
    if (leaf.salt !== null) {
      const over = leaf.of === 'record' ? hash(lineBytes(lineOf(readPayload(payload) as ParticipantPayload))) : digest;
      const what = leaf.of === 'record' ? 'salt and the line’s record hash to' : 'salt and payload hash to';
      differences.push(...difference('the leaf', leaf.hash, hex(hash(joined(unhex(leaf.salt), over))), what));
    }
    const climb = (from: Uint8Array, proof: { index: number; size: number; path: readonly string[] }) =>
      rootFromProof(from, { ...proof, path: proof.path.map(unhex) }, hash);
    const below = climb(bytes, leaf);
    const reached = leaf.shard && below ? climb(below, leaf.shard) : below;
    differences.push(...difference('the run’s root', root, reached ? hex(reached) : 'nothing', 'the leaf leads to'));
  }
  if (leaves)
    differences.push(...difference('the run’s root', root, hex(merkleRoot(leaves.map(unhex), hash)), 'its leaves hash to'));
  const fault = chainFault([rootEntry], hash);
  if (fault) differences.push(fault);
  differences.push(...difference('the logged root', rootEntry.digest, root, 'the statement has'));
  if (rootEntry.subject !== run.runId) differences.push(`the logged root is that of ${rootEntry.subject}, not of ${run.runId}`);
  return { says: `in the run’s root ${short(root)}, entry ${rootEntry.index} of the evidence log`, differences };
}

const encoder = new TextEncoder();

function joined(a: Uint8Array, b: Uint8Array): Uint8Array {
  const bytes = new Uint8Array(a.length + b.length);
  bytes.set(a);
  bytes.set(b, a.length);
  return bytes;
}
