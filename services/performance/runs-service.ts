import { join } from 'node:path';
import { Dispatch } from '../../gen/lachak/v1/dispatch_pb.ts';
import { Metering } from '../../gen/lachak/v1/metering_pb.ts';
import type { PointResult } from '../../gen/lachak/v1/performance_pb.ts';
import { grouped } from '../domain/grouped.ts';
import { MINUTE } from '../domain/interval.ts';
import { coreBytes } from '../host/core-file.ts';
import { killPoint } from '../host/faults.ts';
import { madeOnce } from '../host/made-once.ts';
import type { Deps } from '../host/room.ts';
import { type CurveSums, curveOf, sumCurves } from './curves.ts';
import { runDays } from './day-matching.ts';
import { keepOnce } from './durable-file.ts';
import { gatherShard } from './gather-service.ts';
import { loadKernel } from './kernel.ts';
import * as links from './links-store.ts';
import { columnsOf, remarks } from './measure.ts';
import { encodeResults, writeResults } from './result-file.ts';
import { type Plain, pointResult } from './results.ts';
import * as store from './store.ts';

export type RunWork = { stir(): void; stop(): Promise<void> };

/** Runs are measured shard by shard: the instance with the duty opens and closes them, any instance does their shards. */
export function runWork({ clock, database, facts, work, connect, log, config, folder }: Deps): RunWork {
  const sources = { dispatch: connect(Dispatch), metering: connect(Metering), database, tiles: join(config.folder, 'metering') };
  // Every core that ever measured a run is kept: statements name it by its SHA-256.
  const openCore = madeOnce(async () => {
    const core = await loadKernel(coreBytes());
    await keepOnce(join(folder, 'cores', `${core.sha256}.wasm`), core.bytes);
    return core;
  });
  let stopping = false;
  let working: Promise<void> = Promise.resolve();

  const waker = clock.wake('performance.runs', {
    next: async () => (stopping ? null : store.nextRetry(database)),
    run: (now) => {
      working = (async () => {
        for (const run of await store.dueRuns(database, now)) if (!stopping) await measureRun(run);
      })();
      return working;
    },
  });

  const queue = work.queue('shards', async (task) => {
    const { discom, runId, shard, attempt } = readTask(task);
    const run = await store.getRun(database, discom, runId);
    // Offered twice, or by an attempt that was given up: there is nothing left to do.
    if (!run || run.attempts !== attempt || !(await shardsLeft(run)).includes(shard)) return;
    try {
      await measureShard(run, shard, (await links.committedShards(database, discom, run.eventId))!.length);
    } catch (error) {
      if (!stopping) await store.addFailure(database, run, { shard, reason: reasonOf(error) });
    }
  });

  /** A run that cannot go on stays open, says why, and is tried again later: half a look-back is never measured as if it were whole. */
  async function measureRun(run: store.Run): Promise<void> {
    try {
      if (!(await links.committedShards(database, run.discom, run.eventId)))
        throw new Error(`the commitment of event ${run.eventId} has not come yet`);
      if (!(await queue.complete(async () => (await shardsLeft(run)).map((shard) => taskOf(run, shard))))) {
        stopping = true;
        return;
      }
      const [failure] = await store.failuresOf(database, run);
      if (failure) throw new Error(failure.reason);
      await store.closeRun(database, run, clock.now());
      log.info({ run: run.runId, event: run.eventId }, 'measured');
    } catch (error) {
      if (stopping) return;
      const retryAt = clock.now() + Math.min(RETRY_MS * 2 ** Math.min(run.attempts, 10), RETRY_MOST_MS);
      const reason = reasonOf(error);
      log.error({ run: run.runId, event: run.eventId, reason, retryAt }, 'a run cannot be measured yet');
      await store.putOff(database, run, reason, retryAt);
    }
  }

  /** Neither measured nor, in this attempt, failed. */
  async function shardsLeft(run: store.Run): Promise<number[]> {
    const committed = (await links.committedShards(database, run.discom, run.eventId)) ?? [];
    const measured = await store.shardsOf(database, run.discom, run.runId);
    const over = new Set([...measured, ...(await store.failuresOf(database, run))].map(({ shard }) => shard));
    return committed.filter((shard) => !over.has(shard));
  }

  async function measureShard(run: store.Run, shard: number, shards: number): Promise<void> {
    const core = await openCore();
    const { plan, method, points, sheets, uses } = await gatherShard(sources, run, shard);
    await store.recordUses(database, run, { from: plan.evidence[0]!, to: plan.eventDay }, uses, clock.now());
    const lanes = points.map(({ lane }) => lane);
    const columns = columnsOf(plan, method, lanes, sheets);
    const estimates = points.length > 0 ? runDays(core, method, columns.input) : null;
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

  return {
    stir: () => waker.stir(),
    stop: async () => {
      stopping = true;
      await working.catch(() => {});
    },
  };
}

/** A shard of one attempt at a run, as the queue carries it. */
const taskOf = ({ discom, runId, attempts }: store.Run, shard: number): string =>
  JSON.stringify([discom, runId, shard, attempts]);
function readTask(task: string): { discom: string; runId: string; shard: number; attempt: number } {
  const [discom, runId, shard, attempt] = JSON.parse(task) as [string, string, number, number];
  return { discom, runId, shard, attempt };
}

const reasonOf = (error: unknown): string => (error instanceof Error ? error.message : String(error));

const RETRY_MS = MINUTE;
const RETRY_MOST_MS = 15 * MINUTE;

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
