import { CompactSign } from 'jose';
import { Dispatch } from '../../gen/lachak/v1/dispatch_pb.ts';
import { Performance } from '../../gen/lachak/v1/performance_pb.ts';
import { Registry } from '../../gen/lachak/v1/registry_pb.ts';
import { canonicalJson, type Json } from '../domain/canonical.ts';
import { grouped } from '../domain/grouped.ts';
import { hex } from '../domain/hex.ts';
import type { Instant } from '../domain/interval.ts';
import { merkleRoot } from '../domain/merkle.ts';
import { add, exact, type Rational, readExact, ZERO } from '../domain/rational.ts';
import type { SigningKey } from '../host/auth.ts';
import { killPoint } from '../host/faults.ts';
import { derivedId, sha256, sha256Hex } from '../host/ids.ts';
import type { Deps, Tx } from '../host/room.ts';
import { zoneDays } from '../host/zone.ts';
import { cycleAfter, cycleOf, firstOpen } from './billing.ts';
import { readCommitment } from './commitment-service.ts';
import { rootClaim } from './credential.ts';
import { carried } from './credit.ts';
import { deltaPostings } from './ledger.ts';
import * as links from './links-store.ts';
import { measuredOf } from './messages.ts';
import * as money from './money-store.ts';
import type { Measured } from './payload.ts';
import { creditKeys, dueBefore, dueOf, type Figures, figuresOfRun, statementsOf } from './run-rows.ts';
import { type Settlement, settle } from './settle.ts';
import { atCutOff, differs, nextRun, stageNumber } from './stages.ts';
import { FORMAT, figuresOf, lineJson, participantPayload } from './statement.ts';
import { contextOf, leafOf, statementId } from './statements-service.ts';
import * as statements from './statements-store.ts';
import * as store from './store.ts';
import { type PayTerms, readPayTerms, type Stage, type StageRule } from './terms.ts';

export type RunWork = ReturnType<typeof runWork>;

/** A run's way from its cut-off to its close, in steps that each survive a kill: what is done is in the tables, the rest is done again. */
export function runWork({ clock, database, facts, connect, log }: Deps, key: () => Promise<SigningKey>) {
  const [dispatch, performance, registry] = [connect(Dispatch), connect(Performance), connect(Registry)];

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
      const shards = await store.shardsOf(database, run);
      for (const { shard, taken } of shards) if (!taken) await takeShard(run, shard);
      if (run.shards !== null && shards.length === run.shards) await close(run);
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
    } else await database.tx((tx) => store.passStage(tx, event, rule.stage, null, dueAfter(event, terms)));
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

  async function close(run: store.RunRow): Promise<void> {
    const { discom, runId } = run;
    const event = (await store.getEvent(database, discom, run.eventId))!;
    const terms = termsOf(event);
    const day = zoneDays(terms.zone).dayOf(event.startMs);
    const points = (await money.pointsOf(database, discom, runId)).map(({ measured }) => JSON.parse(measured) as Measured);
    const settlement = settle(points, { terms, day, minCoveragePpm: run.minCoveragePpm }, await carriesOf(event, terms));
    const { scale } = settlement.portfolio;
    const figures = new Map(
      settlement.lines.map((line) => [line.point.settlementPointId, sha256Hex(canonicalJson(figuresOf(line, scale)))]),
    );
    const before = event.newestRun ? await money.pointsOf(database, discom, event.newestRun) : [];
    const changed = differs(new Map(before.map((point) => [point.settlementPointId, point.figuresDigest!])), figures);
    const now = clock.now();
    if (event.newestRun && changed.length === 0) {
      await database.tx(async (tx) => {
        await store.dropEqual(tx, run, now);
        await store.passStage(tx, event, run.stage, run.asOfMs, dueAfter(event, terms));
      });
      return;
    }

    const summary = figuresOfRun(settlement, before, changed.length);
    const loggedAt = (await money.logEntry(database, discom, 'commitment', event.eventId))?.atMs ?? 0;
    const context = contextOf(event, { ...run, format: FORMAT }, summary, loggedAt);
    const salts = await saltsOf(
      discom,
      points.map((point) => point.participantId),
    );
    const settled = settlement.lines.map((line) => {
      const { settlementPointId, participantId } = line.point;
      const id = statementId(discom, runId, 'PARTICIPANT', settlementPointId);
      const printed = lineJson(line);
      const payload = canonicalJson(participantPayload(id, context, line.point as unknown as Json, printed, summary.portfolio));
      return {
        settlementPointId,
        settled: canonicalJson(printed),
        figuresDigest: figures.get(settlementPointId)!,
        net: exact(carried(line.point, terms)),
        leaf: leafOf(salts[participantId], payload),
      };
    });
    const root = hex(
      merkleRoot(
        settled.map(({ leaf }) => leaf),
        sha256,
      ),
    );
    const claim = new TextEncoder().encode(canonicalJson(rootClaim(discom, runId, root, settled.length)));
    const signer = await key();
    const rootJws = await new CompactSign(claim)
      .setProtectedHeader({ alg: 'ES256', kid: signer.thumbprint })
      .sign(signer.privateKey);

    killPoint('settlement.before_close');
    await database.tx(async (tx) => {
      await store.getEvent(tx, discom, event.eventId, true);
      if ((await store.getRun(tx, discom, runId))?.state !== 'measuring') return;
      await money.settlePoints(tx, run, settled);
      await money.putCredits(tx, run, creditKeys(settlement.lines));
      await money.lockBills(tx, discom);
      const { postings, bills } = deltaPostings(before.map(dueBefore), settlement.lines.map(dueOf));
      const cycle = firstOpen(cycleOf(day), await money.closedCycles(tx, discom));
      const reference = (point: string) => `${event.eventId}/${point}/v${run.version}`;
      await money.putPostings(tx, run, postings);
      await money.putBillLines(
        tx,
        run,
        bills.map((bill) => ({ ...bill, cycle, chargeCode: terms.chargeCode, reference: reference(bill.settlementPointId) })),
      );
      await statements.putStatements(
        tx,
        run,
        statementsOf(discom, settlement, (kind, party) => statementId(discom, runId, kind, party)),
      );
      await money.appendLog(tx, discom, { kind: 'run_root', subject: runId, digest: root, atMs: now }, sha256);
      await store.closeRun(tx, run, now, {
        root,
        rootJws,
        points: settled.length,
        figures: canonicalJson(summary as unknown as Json),
        format: FORMAT,
      });
      await store.passStage(tx, event, run.stage, run.asOfMs, dueAfter(event, terms));
      if (terms.netting === 'NET_CYCLE') await touchCycle(tx, event, terms, now);
      await publish(tx, event, run, root, settlement);
    });
    killPoint('settlement.after_close');
    log.info({ run: runId, event: event.eventId, version: run.version, changed: changed.length }, 'settled');
  }

  async function publish(
    tx: Tx,
    event: store.EventRow,
    run: store.RunRow,
    root: string,
    { lines, creditedMicros }: Settlement,
  ): Promise<void> {
    const { discom, runId } = run;
    const { eventId } = event;
    for (const [shard, own] of [...grouped(lines, (line) => line.point.shard)].sort(([a], [b]) => a - b)) {
      const credited = own.reduce((micros, { parties }) => micros + parties.consumer + parties.aggregator, 0n);
      const value = {
        $typeName: 'lachak.v1.CreditPosted' as const,
        runId,
        eventId,
        shard,
        creditedMicros: credited,
        points: own.length,
      };
      await facts.publish(tx, { discom, key: eventId, body: { case: 'creditPosted', value } });
    }
    const stage = stageNumber[run.stage];
    const value = {
      $typeName: 'lachak.v1.RunClosed' as const,
      runId,
      eventId,
      stage,
      version: run.version,
      root,
      creditedMicros,
    };
    await facts.publish(tx, { discom, key: eventId, body: { case: 'runClosed', value } });
  }

  async function carriesOf(event: store.EventRow, terms: PayTerms): Promise<Map<string, Rational>> {
    const carries = new Map<string, Rational>();
    if (terms.netting !== 'NET_CYCLE') return carries;
    const [from] = cycleSpan(event, terms);
    for (const { settlementPointId, net } of await money.netsBetween(
      database,
      event.discom,
      event.programmeId,
      from,
      event.startMs,
    )) {
      carries.set(settlementPointId, add(carries.get(settlementPointId) ?? ZERO, readExact(net)));
    }
    return carries;
  }

  const touchCycle = (tx: Tx, event: store.EventRow, terms: PayTerms, now: Instant) =>
    store.touchLater(tx, event.discom, event.programmeId, event.startMs, cycleSpan(event, terms)[1], now);

  async function saltsOf(discom: string, participantIds: readonly string[]): Promise<Record<string, Uint8Array>> {
    const all = [...new Set(participantIds)];
    const salts: Record<string, Uint8Array> = {};
    for (let at = 0; at < all.length; at += 1000) {
      Object.assign(salts, (await registry.getLeafSalts({ participantIds: all.slice(at, at + 1000) }, { discom })).salts);
    }
    return salts;
  }

  return { go, openRun, saltsOf };
}

export const termsOf = (event: store.EventRow): PayTerms => readPayTerms(JSON.parse(event.terms!) as Json);

const dueAfter = (event: store.EventRow, terms: PayTerms): Instant | null =>
  nextRun(terms.stages, { endMs: event.endMs, stagesDone: event.stagesDone + 1 })?.at ?? null;

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

function cycleSpan(event: store.EventRow, terms: PayTerms): [Instant, Instant] {
  const zone = zoneDays(terms.zone);
  const cycle = cycleOf(zone.dayOf(event.startMs));
  return [zone.startOf(`${cycle}-01`), zone.startOf(`${cycleAfter(cycle)}-01`)];
}
