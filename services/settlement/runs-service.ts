import { Dispatch } from '../../gen/lachak/v1/dispatch_pb.ts';
import { Performance } from '../../gen/lachak/v1/performance_pb.ts';
import { Registry } from '../../gen/lachak/v1/registry_pb.ts';
import { canonicalJson, type Json } from '../domain/canonical.ts';
import { batches, grouped } from '../domain/grouped.ts';
import type { Instant } from '../domain/interval.ts';
import type { SigningKey } from '../host/auth.ts';
import { killPoint } from '../host/faults.ts';
import { derivedId } from '../host/ids.ts';
import type { Deps, Tx } from '../host/room.ts';
import { runClosing } from './close-service.ts';
import { readCommitment } from './commitment-service.ts';
import * as links from './links-store.ts';
import { measuredOf } from './messages.ts';
import * as money from './money-store.ts';
import type { Figures } from './run-rows.ts';
import { atCutOff, dueAfter, nextRun } from './stages.ts';
import * as store from './store.ts';
import { type Stage, type StageRule, termsOf } from './terms.ts';

export type RunWork = ReturnType<typeof runWork>;

/** A run's way from its cut-off to its close, in steps that each survive a kill: what is done is in the tables, the rest is done again. */
export function runWork(deps: Deps, key: () => Promise<SigningKey>) {
  const { database, connect } = deps;
  const [dispatch, performance, registry] = [connect(Dispatch), connect(Performance), connect(Registry)];
  const close = runClosing(deps, key, saltsOf);

  /** All that can be done at `now`. One run that fails does not hold up the others; the first failure is thrown at the end. */
  async function go(now: Instant): Promise<void> {
    const failures: unknown[] = [];
    const each = async <T>(rows: readonly T[], work: (row: T) => Promise<unknown>) => {
      for (const row of rows) await work(row).catch((error) => failures.push(error));
    };
    await each(await store.unread(database), (event) => readCommitment(database, dispatch, event));
    await each(await store.dueEvents(database, now), (event) => stageDue(event, now));
    await each(await store.runsIn(database, 'open'), async (run) => {
      await performance.measure({ runId: run.runId, eventId: run.eventId, asOfMs: BigInt(run.asOfMs) }, { discom: run.discom });
      await store.setMeasuring(database, run);
    });
    await each(await store.runsIn(database, 'measuring'), async (run) => {
      const found = await store.shardsOf(database, run);
      for (const { shard, taken } of found) if (!taken) await takeShard(run, shard);
      const shards = found.map(({ shard }) => shard);
      if (run.shards !== null && shards.length === run.shards) await close(run, shards);
    });
    if (failures.length > 0) throw failures[0];
  }

  async function stageDue(event: store.EventRow, now: Instant): Promise<void> {
    const terms = termsOf(event);
    const { rule, at } = nextRun(terms.stages, event)!;
    const newest = event.newestRun ? (await store.getRun(database, event.discom, event.newestRun))! : null;
    const figures = newest && (JSON.parse(newest.figures) as Figures);
    if (atCutOff(rule, figures, event.touchedMs >= event.measuredAsOfMs) === 'measure') {
      await database.tx((tx) => openRun(tx, event, rule, at, now));
    } else await database.tx((tx) => store.passStage(tx, event, rule.stage, null, dueAfter(terms.stages, event)));
  }

  async function takeShard(run: store.RunRow, shard: number): Promise<void> {
    const { discom, runId } = run;
    const { members } = await dispatch.getCommitment({ eventId: run.eventId, shard, allShards: false }, { discom });
    const subtracted = new Map(members.map((member) => [member.settlementPointId, new Set(member.subtractMeterIds)]));
    const left = (await dispatch.getOptOuts({ eventId: run.eventId, shard }, { discom })).optOuts;
    const optOuts = new Map(left.map((point) => [point.settlementPointId, point.thisSeason]));
    const rows: Parameters<typeof money.putPoints>[2][number][] = [];
    for await (const { results } of performance.readResults({ runId, shard }, { discom, deadlineMs: 120_000 })) {
      const meters = grouped(
        await links.metersOf(
          database,
          discom,
          results.map((result) => result.connectionId),
          run.asOfMs,
        ),
        (meter) => meter.connectionId,
      );
      const kinds = await links.kindsOf(
        database,
        discom,
        results.map((result) => result.participantId),
      );
      for (const result of results) {
        const taken = subtracted.get(result.settlementPointId);
        const registers = (meters.get(result.connectionId) ?? [])
          .filter((meter) => result.meterIds.includes(meter.meterId))
          .map(({ connectionId: _, parentMeterId: __, ...meter }) => ({ ...meter, taken: taken?.has(meter.meterId) ?? false }));
        const household = !['BUSINESS', 'CPO'].includes(kinds.get(result.participantId) ?? '');
        const { settlementPointId, connectionId, participantId, organisationId, billingConsentId } = result;
        rows.push({
          ...{ settlementPointId, shard, connectionId, participantId, organisationId, billingConsentId },
          measured: canonicalJson(measuredOf(result, household, registers, optOuts.get(settlementPointId)) as unknown as Json),
        });
      }
    }
    killPoint('settlement.before_shard');
    await database.tx(async (tx) => {
      await money.putPoints(tx, run, rows);
      await store.shardTaken(tx, run, shard);
    });
    killPoint('settlement.after_shard');
  }

  async function saltsOf(discom: string, participantIds: readonly string[]): Promise<Record<string, Uint8Array>> {
    const salts: Record<string, Uint8Array> = {};
    for (const part of batches([...new Set(participantIds)], 1000))
      Object.assign(salts, (await registry.getLeafSalts({ participantIds: part }, { discom })).salts);
    return salts;
  }

  return { go, openRun, saltsOf };
}

/** Opens the event's next run as known at `asOf`. The id is hashed from its parents, so a retry opens the same one. */
export async function openRun(tx: Tx, event: store.EventRow, rule: StageRule, asOf: Instant, now: Instant): Promise<string> {
  const version = event.version + 1;
  const runId = derivedId('run', event.discom, event.eventId, version, asOf);
  await store.openRun(tx, {
    ...{ discom: event.discom, runId, eventId: event.eventId, version, stage: rule.stage as Stage },
    ...{ minCoveragePpm: rule.minCoveragePpm, asOfMs: asOf, openedAtMs: now, supersedes: event.newestRun },
  });
  return runId;
}
