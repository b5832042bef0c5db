import { create } from '@bufbuild/protobuf';
import { type Answer, Answer_Outcome, AnswerSchema } from '../gen/lachak/v1/devices_pb.ts';
import { InstructionAnsweredSchema } from '../gen/lachak/v1/facts_pb.ts';
import { Proof, ProofSource } from '../gen/lachak/v1/types_pb.ts';
import type { Instant } from '../services/domain/interval.ts';
import type { Said } from './pursuit.ts';

const ANSWERS_PER_FACT = 500;

/** What was said, as facts of one event each; `because`: the trace they belong to. */
export function* factsOf(said: readonly Said[], now: Instant) {
  const byEvent = new Map<string, Said[]>();
  for (const one of said) {
    const event = `${one.instruction.discom}/${one.instruction.eventId}`;
    byEvent.set(event, [...(byEvent.get(event) ?? []), one]);
  }
  for (const answers of byEvent.values()) {
    const { discom, eventId, traceparent } = answers[0]!.instruction;
    for (let i = 0; i < answers.length; i += ANSWERS_PER_FACT) {
      const value = create(InstructionAnsweredSchema, {
        eventId,
        answers: answers.slice(i, i + ANSWERS_PER_FACT).map((a) => answerOf(a, now)),
      });
      yield { discom, key: eventId, body: { case: 'instructionAnswered' as const, value }, because: traceparent };
    }
  }
}

const proofs = [Proof.L0_SENT, Proof.L1_ACCEPTED, Proof.L2_APPLIED, Proof.L3_MEASURED] as const;
const answerOf = ({ instruction, outcome, proof, reason }: Said, now: Instant): Answer =>
  create(AnswerSchema, {
    instructionId: instruction.instructionId,
    eventId: instruction.eventId,
    resourceId: instruction.resourceId,
    deviceId: instruction.deviceId,
    outcome: Answer_Outcome[outcome],
    proof: proofs[proof],
    proofSource: proof === 3 ? ProofSource.DEVICE_METER : ProofSource.PROOF_SOURCE_UNSPECIFIED,
    reason,
    atMs: BigInt(now),
  });
