import { type Calendar, CalendarDay_Kind } from '../../gen/lachak/v1/catalogue_pb.ts';
import { Dispatch, EventState } from '../../gen/lachak/v1/dispatch_pb.ts';
import { Consent_Basis, type Consent as WireConsent, Purpose as WirePurpose } from '../../gen/lachak/v1/enrolment_pb.ts';
import {
  type GetCurvesRequest,
  Performance,
  type PointResult,
  type ReadResultsRequest,
} from '../../gen/lachak/v1/performance_pb.ts';
import type { Connection, Meter, Record as RegistryRecord } from '../../gen/lachak/v1/registry_pb.ts';
import { type Dated, Register } from '../../gen/lachak/v1/types_pb.ts';
import type { Consent } from '../domain/consent.ts';
import { type Instant, MINUTE } from '../domain/interval.ts';
import { conflict, invalid, notFound } from '../domain/outcome.ts';
import { bind, type Caller, type Deps, type Room, type RoomMaker, type Tx } from '../host/room.ts';
import { type CurveSums, curveOf, curvesOf, sumCurves } from './curves.ts';
import * as links from './links-store.ts';
import { fileName, readResults } from './result-file.ts';
import { runWork } from './runs-service.ts';
import * as store from './store.ts';

export const room: RoomMaker = { name: 'performance', migrations: new URL('./migrations/', import.meta.url), make };

function make(deps: Deps): Room {
  const { clock, database, facts, connect, folder } = deps;
  const dispatch = connect(Dispatch);
  const runs = runWork(deps);

  facts.follow('registry', {
    registryChanged: async (tx, { records }, { discom, atMs }) => {
      for (const record of records) await learn(tx, discom, Number(atMs), record);
    },
  });
  facts.follow('enrolment', {
    consentGiven: async (tx, consent, { discom }) => {
      if (consent.purpose === WirePurpose.READINGS) await links.putConsent(tx, discom, consentOf(consent));
    },
    consentWithdrawn: (tx, { consentId, withdrawnAtMs }, { discom }) =>
      links.withdrawConsent(tx, discom, consentId, Number(withdrawnAtMs)),
  });
  facts.follow('catalogue', {
    calendarPublished: (tx, calendar, { discom, atMs }) =>
      links.putCalendar(tx, discom, calendar.calendarId, calendar.version, Number(atMs), calendarDays(calendar)),
  });
  facts.follow('dispatch', {
    eventCommitted: (tx, { eventId, shards }, { discom }) => links.putCommitted(tx, discom, eventId, shards),
  });

  async function measuredRun(discom: string, runId: string): Promise<store.Run> {
    const run = await store.getRun(database, discom, runId);
    if (!run) throw notFound('run_not_found', `there is no run ${runId}`, 'run_id');
    return run;
  }

  async function* resultsOf(request: ReadResultsRequest, { discom }: Caller) {
    const run = await measuredRun(discom, request.runId);
    const shards = await store.shardsOf(database, discom, run.runId);
    const chosen = request.allShards ? shards : shards.filter(({ shard }) => shard === request.shard);
    if ((request.allShards && run.measuredAt === null) || chosen.length === 0) {
      throw conflict('run_not_measured', `run ${run.runId} is not measured yet${run.error ? `: ${run.error}` : ''}`);
    }
    const wanted = new Set(request.settlementPointIds);
    for (const { path, digest } of chosen) {
      const { results } = await readResults(folder, path, digest);
      const asked = wanted.size === 0 ? results : results.filter(({ settlementPointId }) => wanted.has(settlementPointId));
      for (let at = 0; at < asked.length; at += MESSAGE_POINTS) yield { results: asked.slice(at, at + MESSAGE_POINTS) };
    }
  }

  async function curvesFor(request: GetCurvesRequest, caller: Caller) {
    const { discom } = caller;
    const run = request.runId
      ? await measuredRun(discom, request.runId)
      : await store.newestRun(database, discom, request.eventId);
    if (!run || run.measuredAt === null || run.intervalMinutes === null || run.eventId !== request.eventId) {
      throw notFound(
        'run_not_found',
        `event ${request.eventId} has no measured run${request.runId ? ` ${request.runId}` : ''}`,
        'event_id',
      );
    }
    const slots = (run.window.end - run.window.start) / (run.intervalMinutes * MINUTE);
    const sums = request.settlementPointId
      ? await pointCurve(run, request.settlementPointId, caller)
      : await portfolioCurve(run, slots, caller);
    return curvesOf(run.runId, run.window, run.intervalMinutes, sums);
  }

  async function portfolioCurve({ discom, runId }: store.Run, slots: number, caller: Caller): Promise<CurveSums> {
    if (!seesAll(caller) && !seesOrganisation(caller)) {
      throw invalid('settlement_point_missing', 'name the settlement point whose curve you want', 'settlement_point_id');
    }
    const rows = await store.curvesOfRun(database, discom, runId, seesAll(caller) ? null : caller.organisation);
    return sumCurves(rows, slots);
  }

  async function pointCurve(run: store.Run, settlementPointId: string, caller: Caller): Promise<CurveSums> {
    for (const { path, digest } of await store.shardsOf(database, run.discom, run.runId)) {
      const { results, lead } = await readResults(folder, path, digest);
      const m = results.findIndex((result) => result.settlementPointId === settlementPointId);
      const result = results[m];
      if (result && mayRead(result, caller)) return curveOf(result, lead(m));
    }
    throw notFound(
      'settlement_point_not_found',
      `run ${run.runId} has no settlement point ${settlementPointId}`,
      'settlement_point_id',
    );
  }

  return {
    bindings: [
      bind(Performance, {
        measure: async ({ runId, eventId, asOfMs }, { discom, subject }) => {
          fileName(runId);
          const asOf = Number(asOfMs);
          const found = await store.getRun(database, discom, runId);
          if (found) return repeated(found, eventId, asOf);
          const event = await dispatch.getEvent({ eventId }, { discom });
          const window = { start: Number(event.window?.startMs), end: Number(event.window?.endMs) };
          if (event.state === EventState.CANCELLED || window.end <= window.start) {
            throw conflict('nothing_to_settle', `event ${eventId} was cancelled before an interval had passed`);
          }
          if (event.commitmentDigest === '') throw conflict('event_not_committed', `event ${eventId} has not been committed yet`);
          if (asOf < window.end)
            throw invalid('cut_off_before_end', `the cut-off lies before the end of event ${eventId}`, 'as_of_ms');
          if (asOf > clock.now()) throw invalid('cut_off_in_future', 'the cut-off lies in the future', 'as_of_ms');
          const opened = await store.openRun(database, {
            discom,
            runId,
            eventId,
            asOf,
            window,
            askedBy: subject,
            openedAt: clock.now(),
          });
          if (!opened) return repeated(await measuredRun(discom, runId), eventId, asOf);
          runs.stir();
          return { id: runId };
        },
        readResults: resultsOf,
        getCurves: curvesFor,
      }),
    ],
    start: async () => {},
    stop: () => runs.stop(),
  };
}

/** About 10 kB each: far below the limit of a message. */
const MESSAGE_POINTS = 200;

function repeated(run: store.Run, eventId: string, asOf: Instant) {
  if (run.eventId !== eventId || run.asOf !== asOf)
    throw conflict('id_reused', `run ${run.runId} measures something else`, 'run_id');
  return { id: run.runId, repeatedCommand: true };
}

const seesAll = ({ roles }: Caller) => roles.includes('operator') || roles.includes('verifier');
const seesOrganisation = ({ roles, organisation }: Caller) =>
  organisation !== '' && (roles.includes('aggregator') || roles.includes('cpo'));
const mayRead = (result: PointResult, caller: Caller) =>
  seesAll(caller) ||
  (seesOrganisation(caller) && result.organisationId === caller.organisation) ||
  (caller.roles.includes('consumer') && caller.participant !== '' && result.participantId === caller.participant);

// From the wire

async function learn(tx: Tx, discom: string, knownAt: Instant, { record }: RegistryRecord): Promise<void> {
  if (record.case === 'meter') await links.putMeter(tx, discom, knownAt, meterOf(record.value));
  else if (record.case === 'connection') await links.putConnection(tx, discom, knownAt, connectionOf(record.value));
  else if (record.case === 'settlementPoint') await links.putPoint(tx, discom, record.value);
}

const datedOf = (dated: Dated | undefined) => ({
  from: Number(dated?.fromMs ?? 0n),
  to: dated?.toMs ? Number(dated.toMs) : null,
});

const meterOf = ({
  meterId,
  connectionId,
  parentMeterId,
  registers,
  intervalMinutes,
  zone,
  shard,
  ordinal,
  dated,
}: Meter): links.MeterRow => ({
  ...{ meterId, connectionId, parentMeterId, intervalMinutes, zone, shard, ordinal },
  ...datedOf(dated),
  hasExport: registers.includes(Register.EXPORT),
});

const connectionOf = ({ connectionId, participantId, dated }: Connection): links.ConnectionRow => ({
  connectionId,
  participantId,
  ...datedOf(dated),
});

function consentOf(consent: WireConsent): Consent {
  const { consentId, participantId, connectionId, organisationId, programmeId, resourceIds, readingsFromDay } = consent;
  return {
    ...{ consentId, participantId, connectionId, organisationId, programmeId, resourceIds, readingsFromDay },
    purpose: 'READINGS',
    basis:
      consent.basis === Consent_Basis.CONTRACT
        ? 'CONTRACT'
        : consent.basis === Consent_Basis.REGULATION
          ? 'REGULATION'
          : 'CONSENT',
    givenAt: Number(consent.givenAtMs),
    expiresAt: consent.expiresAtMs ? Number(consent.expiresAtMs) : null,
    withdrawnAt: consent.withdrawnAtMs ? Number(consent.withdrawnAtMs) : null,
  };
}

function calendarDays({ days }: Calendar): links.CalendarDays {
  return {
    holidays: days.filter(({ kind }) => kind === CalendarDay_Kind.HOLIDAY).map(({ day }) => day),
    excluded: days.filter(({ kind }) => kind === CalendarDay_Kind.EXCLUDED).map(({ day, name }) => ({ day, name })),
  };
}
