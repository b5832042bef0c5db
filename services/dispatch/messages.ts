import { create, type MessageInitShape } from '@bufbuild/protobuf';
import {
  CohortMember_Role,
  type Commitment,
  CommitmentSchema,
  type EventSchema,
  EventState,
  type EventStatusSchema,
  type InstructionSchema,
  InstructionState,
} from '../../gen/lachak/v1/dispatch_pb.ts';
import type { Instant, Interval } from '../domain/interval.ts';
import type { Member } from './commitment.ts';
import { type Live, type Status, targetAt } from './status.ts';
import type { EventRow, InstructionRow } from './store.ts';
import { programmeOf } from './terms.ts';

export const intervalMessage = ({ start, end }: Interval) => ({
  $typeName: 'lachak.v1.Interval' as const,
  startMs: BigInt(start),
  endMs: BigInt(end),
});

type StatusInit = MessageInitShape<typeof EventStatusSchema>;
export const eventMessage = (event: EventRow, status?: StatusInit): MessageInitShape<typeof EventSchema> => ({
  eventId: event.eventId,
  programmeId: event.programmeId,
  termsVersion: event.termsVersion,
  window: intervalMessage(event.window),
  planned: intervalMessage(event.planned),
  targetW: { values: event.targetW.map(BigInt) },
  areaIds: [...event.areaIds],
  state: EventState[event.state],
  reason: event.reason,
  test: event.test,
  scheduledAtMs: BigInt(event.scheduledAt),
  gateClosureMs: BigInt(event.gateClosureAt),
  committedAtMs: BigInt(event.committedAt ?? 0),
  commitmentDigest: event.commitmentDigest,
  ...(status ? { status } : {}),
});

export const statusMessage = (
  event: EventRow,
  status: Status,
  holdout: number,
  now: Instant,
): MessageInitShape<typeof EventStatusSchema> => ({
  eventId: event.eventId,
  state: EventState[event.state],
  atMs: BigInt(now),
  resourcesByState: { ...status.byState },
  committedW: BigInt(status.committedW),
  confirmedW: BigInt(status.confirmedW),
  measuredW: BigInt(status.measuredW),
  estimatedW: BigInt(status.estimatedW),
  targetW: BigInt(targetAt(event.targetW, event.planned, event.intervalMinutes, now)),
  liveMeters: status.liveMeters,
  resources: status.resources,
  settlementPoints: status.settlementPoints,
  holdout,
});

export const instructionMessage = (row: InstructionRow, live: Live | undefined): MessageInitShape<typeof InstructionSchema> => ({
  instructionId: row.instructionId,
  eventId: row.eventId,
  resourceId: row.resourceId,
  settlementPointId: row.settlementPointId,
  connectionId: row.connectionId,
  participantId: row.participantId,
  organisationId: row.organisationId,
  deviceId: row.deviceId,
  kind: row.kind,
  areaId: row.areaId,
  state: InstructionState[row.state],
  proof: row.proof,
  proofSource: row.proofSource,
  expectedW: BigInt(row.expectedW),
  noticeAtMs: BigInt(row.notifiedAt ?? 0),
  issuedAtMs: BigInt(row.issuedAt ?? 0),
  changedAtMs: BigInt(row.changedAt),
  reason: row.reason,
  valid: intervalMessage(row.window),
  liveW: BigInt(live?.powerW ?? 0),
  liveAtMs: BigInt(live?.at ?? 0),
});

/** `programme`: the version the commitment names, as stored. */
export function commitmentMessage(event: EventRow, members: readonly Member[], programme: unknown): Commitment {
  const { terms, termsDigest } = programmeOf(programme);
  const frozen = JSON.parse(event.canonical) as {
    holdout_seed: string;
    enrolment_position: number;
    window: { start_ms: number; end_ms: number };
  };
  return create(CommitmentSchema, {
    eventId: event.eventId,
    programmeId: event.programmeId,
    termsVersion: event.termsVersion,
    termsDigest,
    terms: terms!,
    window: intervalMessage({ start: frozen.window.start_ms, end: frozen.window.end_ms }),
    targetW: { values: event.targetW.map(BigInt) },
    committedAtMs: BigInt(event.committedAt!),
    noticeAtMs: BigInt(event.noticeAt),
    holdoutSeed: frozen.holdout_seed,
    members: members.map(memberMessage),
    digest: event.commitmentDigest,
    canonical: event.canonical,
    enrolmentPosition: BigInt(frozen.enrolment_position),
  });
}

const memberMessage = (member: Member) => ({
  ...member,
  resourceIds: [...member.resourceIds],
  subtractMeterIds: [...member.subtractMeterIds],
  role: CohortMember_Role[member.role],
  expectedW: BigInt(member.expectedW),
});
