import { join } from 'node:path';
import { type Calendar, CalendarDay_Kind } from '../../gen/lachak/v1/catalogue_pb.ts';
import { Dispatch, EventState } from '../../gen/lachak/v1/dispatch_pb.ts';
import { Consent_Basis, type Consent as WireConsent, Purpose as WirePurpose } from '../../gen/lachak/v1/enrolment_pb.ts';
import { Metering } from '../../gen/lachak/v1/metering_pb.ts';
import {
  type GetCurvesRequest,
  Performance,
  type PointResult,
  type ReadResultsRequest,
} from '../../gen/lachak/v1/performance_pb.ts';
import type { Connection, Meter, Record as RegistryRecord } from '../../gen/lachak/v1/registry_pb.ts';
import { type Dated, Register } from '../../gen/lachak/v1/types_pb.ts';
import type { Consent } from '../domain/consent.ts';
import { grouped } from '../domain/grouped.ts';
import { type Instant, MINUTE } from '../domain/interval.ts';
import { conflict, invalid, notFound } from '../domain/outcome.ts';
import { killPoint } from '../host/faults.ts';
import { bind, type Caller, type Deps, type Room, type RoomMaker, type Tx } from '../host/room.ts';
import { coreBytes } from './core-file.ts';
import { type CurveSums, curveOf, curvesOf, sumCurves } from './curves.ts';
import { keepOnce } from './durable-file.ts';
import { gatherShard } from './gather-service.ts';
import { type Kernel, loadKernel } from './kernel.ts';
import * as links from './links-store.ts';
import { columnsOf, remarks } from './measure.ts';
import { encodeResults, fileName, readResults, writeResults } from './result-file.ts';
import { type Plain, pointResult } from './results.ts';
import * as store from './store.ts';

export const room: RoomMaker = { name: 'performance', migrations: new URL('./migrations/', import.meta.url), make };

function make({ clock, database, facts, connect, log, config, folder }: Deps): Room {
  const dispatch = connect(Dispatch);
  const sources = { dispatch, metering: connect(Metering), database, tiles: join(config.folder, 'metering') };
  let kernel: Promise<Kernel> | null = null;
  let stopping = false;
  let working: Promise<void> = Promise.resolve();

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

  const waker = clock.wake('performance.runs', {
    next: async () => (stopping ? null : store.nextRetry(database)),
    run: (now) => {
      working = (async () => {
        for (const run of await store.dueRuns(database, now)) if (!stopping) await measureRun(run);
      })();
      return working;
    },
  });

  /** A run that cannot go on stays open, says why, and is tried again later: half a look-back is never measured as if it were whole. */
  async function measureRun(run: store.Run): Promise<void> {
    try {
      const shards = await links.committedShards(database, run.discom, run.eventId);
      if (!shards) throw new Error(`the commitment of event ${run.eventId} has not come yet`);
      const done = new Set((await store.shardsOf(database, run.discom, run.runId)).map(({ shard }) => shard));
      for (const shard of shards) {
        if (stopping) return;
        if (!done.has(shard)) await measureShard(run, shard, shards.length);
      }
      await store.closeRun(database, run, clock.now());
      log.info({ run: run.runId, event: run.eventId, shards: shards.length }, 'measured');
    } catch (error) {
      if (stopping) return;
      const retryAt = clock.now() + Math.min(RETRY_MS * 2 ** Math.min(run.attempts, 10), RETRY_MOST_MS);
      const reason = error instanceof Error ? error.message : String(error);
      log.error({ run: run.runId, event: run.eventId, reason, retryAt }, 'a run cannot be measured yet');
      await store.putOff(database, run, reason, retryAt);
    }
  }

  async function measureShard(run: store.Run, shard: number, shards: number): Promise<void> {
    const core = await openCore();
    const { plan, method, points, sheets, uses } = await gatherShard(sources, run, shard);
    await store.recordUses(database, run, { from: plan.evidence[0]!, to: plan.eventDay }, uses, clock.now());
    const lanes = points.map(({ lane }) => lane);
    const columns = columnsOf(plan, method, lanes, sheets);
    const estimates = points.length > 0 ? core.estimate(columns.input) : null;
    const results = points.map(({ member, lane, ...point }, m) =>
      pointResult({
        ...point,
        ...{ plan, method, columns, m, member },
        estimate: estimates!.at(m),
        remarks: remarks(plan, method, columns, m, lane),
      }),
    );
    const leads = plan.lead.length;
    const leadOf = (m: number) => Array.from({ length: leads }, (_, i) => columns.lead[i * points.length + m]!);
    const bytes = encodeResults(results, Int32Array.from(results.flatMap((_, m) => leadOf(m))));
    const file = await writeResults(folder, run, shard, bytes);
    killPoint('performance.file_written');
    const written = { ...file, shard, points: results.length, coreSha256: core.sha256 };
    const curves = curvesByOrganisation(results, leadOf, plan.eventCount);
    await database.tx(async (tx) => {
      if (!(await store.addShard(tx, run, written, plan.minutes, curves))) return;
      const { runId, eventId, asOf } = run;
      const value = { runId, eventId, shards, asOfMs: BigInt(asOf), ...written };
      await facts.publish(tx, {
        discom: run.discom,
        key: runId,
        body: { case: 'performanceMeasured', value: { $typeName: 'lachak.v1.PerformanceMeasured', ...value } },
      });
    });
  }

  /** Every core that ever measured a run is kept: statements name it by its SHA-256. */
  function openCore(): Promise<Kernel> {
    kernel ??= loadKernel(coreBytes()).then(async (loaded) => {
      await keepOnce(join(folder, 'cores', `${loaded.sha256}.wasm`), loaded.bytes);
      return loaded;
    });
    return kernel;
  }

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
          waker.stir();
          return { id: runId };
        },
        readResults: resultsOf,
        getCurves: curvesFor,
      }),
    ],
    start: async () => {},
    stop: async () => {
      stopping = true;
      await working.catch(() => {});
    },
  };
}

const RETRY_MS = MINUTE;
const RETRY_MOST_MS = 15 * MINUTE;
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

/** Only chosen points with a baseline: the holdout is no part of the portfolio. */
function curvesByOrganisation(
  results: readonly Plain<PointResult>[],
  leadOf: (m: number) => number[],
  slots: number,
): Map<string, CurveSums> {
  const shown = results.flatMap((result, m) => (result.role === 'CHOSEN' && result.status === 'ok' ? [{ result, m }] : []));
  const groups = grouped(shown, ({ result }) => result.organisationId);
  return new Map(
    Array.from(groups, ([organisation, points]) => [
      organisation,
      sumCurves(
        points.map(({ result, m }) => curveOf(result, leadOf(m))),
        slots,
      ),
    ]),
  );
}

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
