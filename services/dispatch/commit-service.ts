import { type JsonValue, toJson } from '@bufbuild/protobuf';
import { TermsSchema } from '../../gen/lachak/v1/catalogue_pb.ts';
import { canonicalJson, type Json } from '../domain/canonical.ts';
import { DAY, type Instant } from '../domain/interval.ts';
import { killPoint } from '../host/faults.ts';
import { derivedId, sha256Hex } from '../host/ids.ts';
import type { Deps } from '../host/room.ts';
import { zoneDays } from '../host/zone.ts';
import { type Circumstances, memberOf, pointsOf } from './candidates.ts';
import { commitmentJson } from './commitment.ts';
import { cancel } from './ending-service.ts';
import { holdoutSeed } from './holdout.ts';
import { insertInstructions, instructedAround, recentEvents } from './instruction-store.ts';
import { enrolmentPosition, groundFor, programmeAt } from './learned-store.ts';
import { notEnergised, typicalLoad } from './metering-service.ts';
import { selectPoints } from './selection.ts';
import * as store from './store.ts';
import { callRules, programmeOf } from './terms.ts';

/** Days of history over which the number of events asked of a home counts for fairness. */
const FAIRNESS_MS = 30 * DAY;

/** Gate closure: who, left alone or chosen, on which terms, is frozen and its digest logged before the window opens. */
export async function commit(deps: Deps, discom: string, scheduled: store.EventRow, now: Instant): Promise<void> {
  const { database, facts, log } = deps;
  if (now >= scheduled.window.start) {
    // Nobody was running at gate closure; committing after the fact is what must never happen.
    await database.tx((tx) => cancel(deps, tx, discom, scheduled, 'not committed before the window opened', now));
    return;
  }
  const programme = programmeOf(await termsInForce(deps, discom, scheduled));
  const terms = programme.terms!;
  const days = zoneDays(scheduled.zone);
  const { window } = scheduled;
  const ground = await groundFor(database, discom, scheduled.programmeId, window);
  const rows = [...ground.enrolled.values()].flat();
  const meters = [...ground.meters.values()].flat().map((meter) => meter.meterId);
  const connections = [...ground.enrolled.values()].map((points) => points[0]!.connectionId);
  const around: Circumstances = {
    programmeId: scheduled.programmeId,
    window,
    now,
    days,
    typicalW: await typicalLoad(deps, discom, meters, window),
    notEnergised: await notEnergised(deps, discom, connections, { start: now, end: window.end }),
    instructed: await instructedAround(
      database,
      discom,
      rows.map((row) => row.resourceId),
      { start: window.start - DAY, end: window.end + DAY },
    ),
    recentEvents: await recentEvents(database, discom, [...ground.enrolled.keys()], now - FAIRNESS_MS),
  };
  const seed = holdoutSeed(
    sha256Hex,
    scheduled.programmeId,
    scheduled.eventId,
    days.dayOf(window.start),
    terms.holdout?.rotationDays ?? 0,
  );
  const { chosen, passedOver } = selectPoints(
    {
      eventId: scheduled.eventId,
      direction: scheduled.direction,
      window,
      kinds: terms.kinds,
      areaIds: scheduled.areaIds,
      continuousMinutes: callRules(programme).continuousMinutes,
      targetW: scheduled.targetW.length === 0 ? null : Math.max(...scheduled.targetW),
      holdout: { seed, sharePpm: terms.holdout?.sharePpm ?? 0 },
    },
    pointsOf(ground, around),
    sha256Hex,
  );
  log.info({ event: scheduled.eventId, chosen: chosen.length, passedOver }, 'cohort chosen');
  const members = chosen.map((one) => memberOf(one, ground, around));
  const shards = new Map(members.map((member) => [member.settlementPointId, member.shard]));

  await database.tx(async (tx) => {
    const event = await store.eventById(tx, discom, scheduled.eventId, true);
    if (event?.state !== 'SCHEDULED' || event.window.start !== window.start || event.window.end !== window.end) return; // changed meanwhile: due again
    const committed: store.EventRow = {
      ...event,
      state: 'COMMITTED',
      termsVersion: programme.version,
      committedAt: now,
      noticeAt: Math.max(event.noticeAt, now),
    };
    const canonical = canonicalJson(
      commitmentJson({
        discom,
        eventId: event.eventId,
        programmeId: event.programmeId,
        termsVersion: programme.version,
        termsDigest: programme.termsDigest,
        terms: toJson(TermsSchema, terms) as Json,
        window,
        targetW: event.targetW,
        areaIds: event.areaIds,
        committedAt: now,
        noticeAt: committed.noticeAt,
        holdoutSeed: seed,
        enrolmentPosition: await enrolmentPosition(tx),
        members,
      }),
    );
    const digest = sha256Hex(canonical);
    await store.saveEvent(tx, discom, { ...committed, canonical, commitmentDigest: digest });
    await store.insertMembers(tx, discom, event.eventId, members);
    const instructions = chosen
      .filter(({ role }) => role === 'CHOSEN')
      .flatMap(({ point, resources }) =>
        resources.map(
          (resource): store.InstructionRow => ({
            eventId: event.eventId,
            instructionId: derivedId('instruction', discom, event.eventId, resource.resourceId),
            resourceId: resource.resourceId,
            settlementPointId: point.settlementPointId,
            connectionId: point.connectionId,
            participantId: point.participantId,
            organisationId: resource.organisationId,
            programmeId: event.programmeId,
            deviceId: resource.deviceId,
            kind: resource.kind,
            areaId: point.areaId,
            shard: shards.get(point.settlementPointId)!,
            state: 'PLANNED',
            proof: 0,
            proofSource: 0,
            expectedW: resource.expectedW,
            referenceW: null,
            notifiedAt: null,
            issuedAt: null,
            changedAt: now,
            reason: '',
            window,
            errand: null,
          }),
        ),
      );
    await insertInstructions(tx, discom, instructions);
    killPoint('dispatch.before_commitment');
    await facts.publish(tx, {
      discom,
      key: event.eventId,
      body: {
        case: 'eventCommitted',
        value: {
          $typeName: 'lachak.v1.EventCommitted',
          eventId: event.eventId,
          programmeId: event.programmeId,
          termsVersion: programme.version,
          window: { $typeName: 'lachak.v1.Interval', startMs: BigInt(window.start), endMs: BigInt(window.end) },
          digest,
          committedAtMs: BigInt(now),
          settlementPoints: members.length,
          holdout: members.filter((member) => member.role === 'HOLDOUT').length,
          shards: [...new Set(members.map((member) => member.shard))].sort((a, b) => a - b),
        },
      },
    });
  });
  killPoint('dispatch.after_commitment');
}

/** The newest version valid when the window opens; one with another grid or zone waits for the next event. */
async function termsInForce({ database }: Deps, discom: string, event: store.EventRow): Promise<JsonValue> {
  const scheduled = await programmeAt(database, discom, event.programmeId, 0, event.termsVersion);
  const newest = await programmeAt(database, discom, event.programmeId, event.window.start);
  if (newest === null) return scheduled as JsonValue;
  const programme = programmeOf(newest);
  const same =
    callRules(programme).intervalMinutes === event.intervalMinutes && (programme.terms?.zone || 'Asia/Kolkata') === event.zone;
  return (same ? newest : scheduled) as JsonValue;
}
