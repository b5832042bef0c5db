import { create, fromJson, type JsonValue, toJson } from '@bufbuild/protobuf';
import { type Programme, ProgrammeSchema } from '../../gen/lachak/v1/catalogue_pb.ts';
import { type Consent as ConsentMessage, ConsentSchema, EnrolmentRecordSchema } from '../../gen/lachak/v1/enrolment_pb.ts';
import { Direction } from '../../gen/lachak/v1/types_pb.ts';
import type { Instant } from '../domain/interval.ts';
import { forbidden, invalid, notFound } from '../domain/outcome.ts';
import { derivedId } from '../host/ids.ts';
import type { Caller, Deps, Tx } from '../host/room.ts';
import { commandScope, scopeOf } from '../host/scope.ts';
import { zoneDays } from '../host/zone.ts';
import { refuseAct, shortOfLookback } from './act.ts';
import { type Admits, losesGround, refuseAdmission, refuseConflict, refuseConsent } from './admission.ts';
import { homeAt, type KnownResource, programmeAt, resourcesAt } from './learned-store.ts';
import { consentMessage, enrolmentMessage, readAct, readBackup } from './messages.ts';
import * as store from './store.ts';

/** Records one act of consent and tells it; the answer is the consent in proto JSON, with what is worth knowing. */
export async function giveConsent(
  { clock, facts }: Deps,
  tx: Tx,
  caller: Caller,
  commandId: string,
  draft: ConsentMessage,
): Promise<JsonValue> {
  const scope = scopeOf(caller);
  if (scope.participant !== null && draft.participantId !== scope.participant) {
    throw forbidden('not_yourself', 'you can consent only for yourself');
  }
  if (scope.organisation !== null && draft.organisationId !== scope.organisation) {
    throw forbidden('other_organisation', `you can take consents only for your own organisation, ${scope.organisation}`);
  }
  const now = clock.now();
  await store.lockConnection(tx, caller.discom, draft.connectionId);
  const terms = programmeOf(
    await programmeAt(tx, caller.discom, draft.programmeId, now),
    draft.programmeId,
    'consent.programme_id',
  ).terms;
  const days = zoneDays(terms?.zone || 'Asia/Kolkata');
  const act = readAct(draft);
  const refusal = refuseAct(act, {
    now,
    today: days.dayOf(now),
    holder: (await homeAt(tx, caller.discom, draft.connectionId, now))?.participantId ?? null,
    resources: await resourcesAt(tx, caller.discom, draft.resourceIds, now),
    organisationId: draft.organisationId,
  });
  if (refusal) throw refusal;
  const row: store.ConsentRow = {
    consentId: derivedId('consent', caller.discom, commandScope(caller), commandId),
    basis: act.basis,
    participantId: act.participantId,
    connectionId: act.connectionId,
    organisationId: draft.organisationId,
    purpose: act.purpose!,
    programmeId: draft.programmeId,
    resourceIds: act.resourceIds,
    readingsFromDay: act.readingsFromDay,
    givenAt: now,
    expiresAt: act.expiresAt,
    withdrawnAt: null,
    withdrawnPosition: null,
    evidence: act.evidence,
  };
  await store.insertConsent(tx, caller.discom, row);
  const message = create(ConsentSchema, consentMessage(row));
  await facts.publish(tx, { discom: caller.discom, key: row.connectionId, body: { case: 'consentGiven', value: message } });
  const wanted = shortOfLookback(row, days.plus(days.dayOf(now), -(terms?.baseline?.lookbackDays ?? 0)));
  const answer = create(ConsentSchema, {
    ...consentMessage(row),
    findings:
      wanted === null
        ? []
        : [
            {
              column: 'readings_from_day',
              code: 'short_of_lookback',
              message: `the baseline looks back to ${wanted}; with readings from ${row.readingsFromDay} this home may have no baseline at first`,
            },
          ],
  });
  return toJson(ConsentSchema, answer);
}

/** Enrols resources of one connection, all or none, and tells it; a row per resource. */
export async function enrol(
  { clock, facts }: Deps,
  tx: Tx,
  caller: Caller,
  request: { programmeId: string; resourceIds: string[]; backup: number; fromMs: bigint },
) {
  const { discom } = caller;
  const scope = scopeOf(caller);
  const now = clock.now();
  const from = Number(request.fromMs) || now;
  if (from < now) throw invalid('from_in_past', 'an enrolment begins now or later', 'from_ms');
  const backup = readBackup(request.backup);
  if (!backup) throw invalid('backup_undeclared', 'declare the back-up: NO_BACKUP, INVERTER or DIESEL', 'backup');
  const wanted = [...new Set(request.resourceIds)];
  if (wanted.length === 0) throw invalid('resources_missing', 'name the resources to enrol', 'resource_ids');
  const resources = await resourcesAt(tx, discom, wanted, from);
  const first = resources[0];
  const absent = wanted.find((id) => !resources.some((known) => known.resourceId === id));
  const unknown = (id: string) => notFound('resource_unknown', `there is no resource ${id} at that time`, 'resource_ids');
  if (absent !== undefined || !first) throw unknown(absent ?? wanted[0]!);
  if (resources.some((resource) => resource.connectionId !== first.connectionId)) {
    throw invalid('several_connections', 'enrol the resources of one connection at a time', 'resource_ids');
  }
  await store.lockConnection(tx, discom, first.connectionId);
  const home = await homeAt(tx, discom, first.connectionId, from);
  const mine = (resource: KnownResource) =>
    (scope.organisation === null || resource.organisationId === scope.organisation) &&
    (scope.participant === null || home?.participantId === scope.participant);
  const foreign = resources.find((resource) => !mine(resource));
  if (foreign) throw unknown(foreign.resourceId);
  if (!home)
    throw notFound('connection_unknown', `connection ${first.connectionId} is not in service at that time`, 'resource_ids');

  const programme = programmeOf(await programmeAt(tx, discom, request.programmeId, from), request.programmeId, 'programme_id');
  const day = zoneDays(programme.terms?.zone || 'Asia/Kolkata').dayOf(from);
  const consents = await store.consentsOfConnection(tx, discom, home.connectionId);
  const others: store.EnrolmentRow[] = await store.enrolmentsOfConnection(tx, discom, home.connectionId, from);
  const direction = Direction[programme.terms?.direction ?? 0]!;
  const rows: store.EnrolmentRow[] = [];
  for (const device of [...resources].sort((a, b) => (a.resourceId < b.resourceId ? -1 : 1))) {
    const refusal =
      refuseAdmission(admitsOf(programme), home, device, backup) ??
      refuseConflict(programme.programmeId, direction, device, [...others, ...rows]) ??
      refuseConsent(consents, { programmeId: programme.programmeId, home, device, at: from, day });
    if (refusal) throw refusal;
    rows.push({
      enrolmentId: derivedId('enrolment', discom, programme.programmeId, device.resourceId, from),
      programmeId: programme.programmeId,
      termsVersion: programme.version,
      direction,
      resourceId: device.resourceId,
      kind: device.kind,
      connectionId: home.connectionId,
      participantId: home.participantId,
      settlementPointId: device.settlementPointId,
      organisationId: device.organisationId,
      backup,
      from,
      to: null,
    });
  }
  for (const row of rows) {
    await store.insertEnrolment(tx, discom, row);
    const value = create(EnrolmentRecordSchema, enrolmentMessage(row));
    await facts.publish(tx, { discom, key: row.connectionId, body: { case: 'resourceEnrolled', value } });
  }
  return rows;
}

/** Withdraws and ends what rested on it, in the caller's transaction, under the connection's lock. */
export async function withdraw(
  deps: Deps,
  tx: Tx,
  discom: string,
  consent: store.ConsentRow,
  at: Instant,
  reason: string,
): Promise<void> {
  if (!(await store.withdraw(tx, discom, consent.consentId, at, reason))) return;
  await deps.facts.publish(tx, {
    discom,
    key: consent.connectionId,
    body: {
      case: 'consentWithdrawn',
      value: {
        $typeName: 'lachak.v1.ConsentWithdrawn',
        consentId: consent.consentId,
        participantId: consent.participantId,
        connectionId: consent.connectionId,
        purpose: consentMessage(consent).purpose,
        programmeId: consent.programmeId,
        withdrawnAtMs: BigInt(at),
      },
    },
  });
  const left = await store.consentsOfConnection(tx, discom, consent.connectionId);
  const programme = await programmeAt(tx, discom, consent.programmeId, at);
  const zone = programme === null ? '' : (fromJson(ProgrammeSchema, programme as JsonValue).terms?.zone ?? '');
  const day = zoneDays(zone || 'Asia/Kolkata').dayOf(at);
  for (const enrolment of await store.enrolmentsOfConnection(tx, discom, consent.connectionId, at)) {
    if (losesGround(consent, left, enrolment, at, day)) {
      await end(deps, tx, discom, enrolment, at, `consent to ${consent.purpose} ${reason}`);
    }
  }
}

/** Ends an enrolment at `at`, or where it begins if that is later, and tells it. */
export async function end(
  { facts }: Deps,
  tx: Tx,
  discom: string,
  enrolment: store.EnrolmentRow,
  at: Instant,
  reason: string,
): Promise<void> {
  const ended = Math.max(at, enrolment.from);
  await store.endEnrolment(tx, discom, enrolment.enrolmentId, ended, reason);
  await facts.publish(tx, {
    discom,
    key: enrolment.connectionId,
    body: {
      case: 'enrolmentEnded',
      value: {
        $typeName: 'lachak.v1.EnrolmentEnded',
        enrolmentId: enrolment.enrolmentId,
        resourceIds: [enrolment.resourceId],
        programmeId: enrolment.programmeId,
        endedAtMs: BigInt(ended),
        reason,
      },
    },
  });
}

/** A new occupant from an instant: the former one's consents end there, and with them the enrolments. */
export async function occupantChanged(
  deps: Deps,
  tx: Tx,
  discom: string,
  connectionId: string,
  occupant: string,
  from: Instant,
): Promise<void> {
  for (const consent of await store.consentsOfConnection(tx, discom, connectionId)) {
    if (consent.participantId !== occupant && consent.givenAt < from)
      await withdraw(deps, tx, discom, consent, from, 'occupant_changed');
  }
  for (const enrolment of await store.enrolmentsOfConnection(tx, discom, connectionId, from)) {
    if (enrolment.participantId !== occupant && enrolment.from < from)
      await end(deps, tx, discom, enrolment, from, 'occupant_changed');
  }
}

function programmeOf(found: unknown, programmeId: string, field: string): Programme {
  if (found === null) throw notFound('programme_unknown', `there is no programme ${programmeId} in force at that time`, field);
  return fromJson(ProgrammeSchema, found as JsonValue);
}

const admitsOf = ({ programmeId, terms }: Programme): Admits => ({
  programmeId,
  kinds: terms?.kinds ?? [],
  tariffCategories: terms?.eligibility?.tariffCategories ?? [],
  areas: terms?.eligibility?.areas ?? [],
  minSanctionedLoadW: Number(terms?.eligibility?.minSanctionedLoadW ?? 0n),
  maxSanctionedLoadW: Number(terms?.eligibility?.maxSanctionedLoadW ?? 0n),
});
