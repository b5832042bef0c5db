import { hex } from '../domain/hex.ts';
import type { Hash } from '../domain/merkle.ts';
import { type Check, difference } from './difference.ts';
import type { CounterpartyPayload } from './payload.ts';

/** Whether those who were settled, and the terms they were settled by, are those that were committed before the window. */
export function checkCohort({ event, termsDigest, lines }: CounterpartyPayload, commitment: string, hash: Hash): Check {
  const committed = JSON.parse(commitment) as { terms_digest: string; members: { settlement_point_id: string; role: string }[] };
  const digest = hex(hash(new TextEncoder().encode(commitment)));
  const roles = new Map(committed.members.map((member) => [member.settlement_point_id, member.role]));
  const settled = new Set(lines.map((line) => line.settlementPointId));
  const differences = [
    ...difference('the commitment’s digest', event.commitmentDigest, digest, 'the commitment hashes to'),
    ...difference('the digest of the terms', termsDigest, committed.terms_digest, 'those committed have'),
    ...lines.flatMap((line) =>
      difference(`the role of ${line.settlementPointId}`, line.role, roles.get(line.settlementPointId), 'the commitment says'),
    ),
    ...[...roles.keys()].filter((id) => !settled.has(id)).map((id) => `${id} was committed and has no line`),
  ];
  return { says: `${roles.size} settlement points and their terms are those committed`, differences };
}
