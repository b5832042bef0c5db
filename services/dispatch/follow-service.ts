import { toJson } from '@bufbuild/protobuf';
import { ProgrammeSchema } from '../../gen/lachak/v1/catalogue_pb.ts';
import { type Answer, Answer_Outcome as Outcome } from '../../gen/lachak/v1/devices_pb.ts';
import { Consent_Basis, type Consent as ConsentMessage, Purpose as PurposeOnWire } from '../../gen/lachak/v1/enrolment_pb.ts';
import type { Record as RegistryRecord } from '../../gen/lachak/v1/registry_pb.ts';
import { Proof } from '../../gen/lachak/v1/types_pb.ts';
import type { Consent, LegalBasis, Purpose } from '../domain/consent.ts';
import type { Instant } from '../domain/interval.ts';
import type { Deps, Tx } from '../host/room.ts';
import { zoneDays } from '../host/zone.ts';
import { actOf, permitsAt } from './candidates.ts';
import { moveTo } from './ending-service.ts';
import type { Input } from './instruction-state.ts';
import { lockInstructions, saveInstructions, type Which } from './instruction-store.ts';
import * as learned from './learned-store.ts';
import type { LiveReports } from './live-service.ts';
import * as store from './store.ts';

/** What an answer does to an instruction; null: only its proof grows. */
const inputOf: Partial<Record<Outcome, Input | null>> = {
  [Outcome.SENT]: null,
  [Outcome.ACCEPTED]: 'accept',
  [Outcome.APPLIED]: 'apply',
  [Outcome.REJECTED_BY_DEVICE]: 'reject',
  [Outcome.FAILED]: 'reject',
  [Outcome.EXPIRED]: 'expire',
  [Outcome.OVERRIDDEN]: 'override',
  [Outcome.UNREACHABLE]: 'unreachable',
  [Outcome.RELEASED]: 'release',
};

/** The devices room's third level: it watched the device's own meter fall further than a compressor's pause. */
const inputFor = ({ outcome, proof }: Answer): Input | null =>
  proof >= Proof.L3_MEASURED && (outcome === Outcome.ACCEPTED || outcome === Outcome.APPLIED)
    ? 'measure'
    : (inputOf[outcome] ?? null);

/** Learns programmes, topology, consents and enrolments; hears what devices answer. `stir`: something may be due now. */
export function follow(deps: Deps, live: LiveReports, stir: () => void): void {
  const { facts } = deps;
  facts.follow('catalogue', {
    programmePublished: (tx, programme, fact) =>
      learned.learnProgramme(tx, fact.discom, {
        programmeId: programme.programmeId,
        version: programme.version,
        validFrom: Number(programme.validFromMs),
        programme: toJson(ProgrammeSchema, programme),
      }),
  });
  facts.follow('registry', { registryChanged: (tx, { records }, fact) => learned.learn(tx, fact.discom, learnedOf(records)) });
  facts.follow('enrolment', {
    consentGiven: (tx, consent, fact) => learned.learnConsent(tx, fact.discom, consentOf(consent)),
    consentWithdrawn: async (tx, { consentId, connectionId, withdrawnAtMs }, fact) => {
      await learned.learnWithdrawal(tx, fact.discom, consentId, Number(withdrawnAtMs));
      await withhold(deps, live, tx, fact.discom, { connectionId }, stir);
    },
    resourceEnrolled: (tx, row, fact) =>
      learned.learnEnrolment(tx, fact.discom, row.enrolmentId, {
        programmeId: row.programmeId,
        resourceId: row.resourceIds[0]!,
        settlementPointId: row.settlementPointId,
        connectionId: row.connectionId,
        participantId: row.participantId,
        organisationId: row.organisationId,
        ...rangeOf(row.dated),
      }),
    enrolmentEnded: async (tx, { enrolmentId, resourceIds, programmeId, endedAtMs, reason }, fact) => {
      await learned.learnEnd(tx, fact.discom, enrolmentId, Number(endedAtMs));
      if (Number(endedAtMs) > deps.clock.now()) return;
      for (const resourceId of resourceIds)
        await withhold(deps, live, tx, fact.discom, { resourceId, programmeId }, stir, reason);
    },
  });
  facts.follow('devices', {
    instructionAnswered: (tx, { eventId, answers }, fact) => answered(live, tx, fact.discom, eventId, answers),
  });
}

/** Stops what a withdrawal, or the end of an enrolment (`ended`), leaves without ground: unsent is withheld, sent is released. */
async function withhold(
  deps: Deps,
  live: LiveReports,
  tx: Tx,
  discom: string,
  which: Which,
  stir: () => void,
  ended?: string,
): Promise<void> {
  const now = deps.clock.now();
  const rows = await lockInstructions(tx, discom, { ...which, endingAfter: now });
  const changed: store.InstructionRow[] = [];
  for (const row of rows) {
    const event = await store.eventById(tx, discom, row.eventId);
    const consents = await learned.consentsOf(tx, discom, [row.connectionId]);
    const day = zoneDays(event!.zone).dayOf(row.window.start);
    const gate = permitsAt(consents, actOf(row, row.programmeId, now, day), [now]);
    const reason = ended !== undefined ? `enrolment ended: ${ended}` : gate === 'permitted' ? '' : `consent ${gate}`;
    const moved = reason === '' ? null : moveTo(row, 'withhold', now, reason);
    if (moved) changed.push({ ...moved, errand: row.issuedAt === null ? null : 'release' });
  }
  await saveInstructions(tx, discom, changed);
  tx.afterCommit(() => {
    for (const eventId of new Set(changed.map((row) => row.eventId))) live.changed(discom, eventId);
    if (changed.length > 0) stir();
  });
}

/** Devices' words, in the order they came; repeated, late and unknown ones change nothing. Proof only grows. */
async function answered(live: LiveReports, tx: Tx, discom: string, eventId: string, answers: readonly Answer[]): Promise<void> {
  const event = await store.eventById(tx, discom, eventId);
  if (!event || event.state === 'ENDED' || event.state === 'CANCELLED') return;
  const rows = await lockInstructions(tx, discom, { eventId, instructionIds: answers.map((answer) => answer.instructionId) });
  const current = new Map(rows.map((row) => [row.instructionId, row]));
  for (const answer of answers) {
    const row = current.get(answer.instructionId);
    if (!row) continue;
    const input = inputFor(answer);
    const moved = (input === null ? null : moveTo(row, input, Number(answer.atMs), answer.reason)) ?? row;
    const grows = answer.proof > moved.proof;
    current.set(row.instructionId, {
      ...moved,
      proof: grows ? answer.proof : moved.proof,
      proofSource: grows ? answer.proofSource : moved.proofSource,
    });
  }
  await saveInstructions(tx, discom, [...current.values()]);
  tx.afterCommit(() => live.changed(discom, eventId));
}

const consentOf = (message: ConsentMessage): Consent => ({
  consentId: message.consentId,
  basis: (Consent_Basis[message.basis] ?? 'CONSENT') as LegalBasis,
  participantId: message.participantId,
  connectionId: message.connectionId,
  organisationId: message.organisationId,
  purpose: PurposeOnWire[message.purpose] as Purpose,
  programmeId: message.programmeId,
  resourceIds: message.resourceIds,
  readingsFromDay: message.readingsFromDay,
  givenAt: Number(message.givenAtMs),
  expiresAt: message.expiresAtMs === 0n ? null : Number(message.expiresAtMs),
  withdrawnAt: message.withdrawnAtMs === 0n ? null : Number(message.withdrawnAtMs),
});

type DatedOnWire = { fromMs: bigint; toMs: bigint } | undefined;
const rangeOf = (link: DatedOnWire): { from: Instant; to: Instant | null } => ({
  from: Number(link?.fromMs ?? 0n),
  to: link && link.toMs !== 0n ? Number(link.toMs) : null,
});

function learnedOf(records: readonly RegistryRecord[]): learned.Learned {
  const dated = (link: DatedOnWire) => ({ from_ms: rangeOf(link).from, to_ms: rangeOf(link).to });
  const of = <C extends NonNullable<RegistryRecord['record']['case']>>(kind: C) =>
    records.flatMap(({ record }) =>
      record.case === kind ? [record.value as Extract<RegistryRecord['record'], { case: C }>['value']] : [],
    );
  return {
    areas: of('area').map((area) => ({ area_id: area.areaId, ...dated(area.dated), parent_id: area.parentId })),
    connections: of('connection').map((connection) => ({
      connection_id: connection.connectionId,
      ...dated(connection.dated),
      participant_id: connection.participantId,
      area_id: connection.areaId,
      protected: connection.protected,
    })),
    meters: of('meter').map((meter) => ({
      meter_id: meter.meterId,
      ...dated(meter.dated),
      connection_id: meter.connectionId,
      parent_meter_id: meter.parentMeterId,
      shard: meter.shard,
    })),
    points: of('settlementPoint').map((point) => ({
      settlement_point_id: point.settlementPointId,
      connection_id: point.connectionId,
      sub_meter_id: point.subMeterId,
    })),
    resources: of('resource').map((resource) => ({
      resource_id: resource.resourceId,
      ...dated(resource.dated),
      settlement_point_id: resource.settlementPointId,
      organisation_id: resource.organisationId,
      kind: resource.kind,
      rated_w: Number(resource.ratedW),
      device_id: resource.deviceId,
      max_minutes_per_day: resource.limits?.maxMinutesPerDay ?? 0,
      max_setpoint_delta_c: resource.limits?.maxSetpointDeltaC ?? 0,
      min_power_w: Number(resource.limits?.minPowerW ?? 0n),
    })),
  };
}
