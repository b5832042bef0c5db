import { CompactSign } from 'jose';
import { canonicalJson, type Json } from '../domain/canonical.ts';
import { hex } from '../domain/hex.ts';
import type { Instant } from '../domain/interval.ts';
import { merkleRoot } from '../domain/merkle.ts';
import type { MicroRupees } from '../domain/money.ts';
import { add, exact, type Rational, readExact, ZERO } from '../domain/rational.ts';
import type { SigningKey } from '../host/auth.ts';
import { killPoint } from '../host/faults.ts';
import { sha256, sha256Hex } from '../host/ids.ts';
import type { Deps, Queryable, Tx } from '../host/room.ts';
import { zoneDays } from '../host/zone.ts';
import { cycleOf, cycleSpan, firstOpen } from './billing.ts';
import { rootClaim } from './credential.ts';
import { carried } from './credit.ts';
import { deltaPostings } from './ledger.ts';
import * as money from './money-store.ts';
import type { Measured } from './payload.ts';
import {
  addOrganisations,
  creditKeys,
  dueBefore,
  dueOf,
  figuresOfRun,
  type Organisations,
  ownStatement,
  sharedStatements,
} from './run-rows.ts';
import {
  addPaid,
  addSums,
  creditedBy,
  deliveredWh,
  type Ground,
  holdoutOf,
  type Line,
  NO_SUMS,
  NOBODY_PAID,
  type Paid,
  settling,
} from './settle.ts';
import { differs, dueAfter, stageNumber } from './stages.ts';
import { FORMAT, figuresOf, lineJson, participantPayload, portfolioJson } from './statement.ts';
import { contextOf, leafOf, statementId } from './statements-service.ts';
import * as statements from './statements-store.ts';
import * as store from './store.ts';
import { type PayTerms, termsOf } from './terms.ts';

export type SaltsOf = (discom: string, participantIds: readonly string[]) => Promise<Record<string, Uint8Array>>;

/** Points that stay in memory from one look to the next; beyond them a shard is read again, so that a run's size does not matter. */
const POINTS_HELD = 10_000;

/**
 * Closes a run whose shards are all measured and taken. It goes over them several times, since nobody's line is known before the sums of
 * all: sums; what is paid, where there is a holdout; lines, leaves and what changed; and last, in one transaction, credits, ledger, bills and
 * statements. Until then nothing can be seen, and all of it is done again after a kill.
 */
export function runClosing({ clock, database, facts, log }: Deps, key: () => Promise<SigningKey>, saltsOf: SaltsOf) {
  return async function close(run: store.RunRow, shards: readonly number[]): Promise<void> {
    const { discom, runId } = run;
    const event = (await store.getEvent(database, discom, run.eventId))!;
    const terms = termsOf(event);
    const day = zoneDays(terms.zone).dayOf(event.startMs);
    const rules = { terms, day, minCoveragePpm: run.minCoveragePpm };
    const book = settling(rules, await carriesOf(database, event, terms));
    const pointsOf = held(async (shard) => {
      const rows = await money.pointsOfShard(database, discom, runId, shard);
      return rows.map(({ measured }) => JSON.parse(measured) as Measured);
    });

    let sums = NO_SUMS;
    for (const shard of shards) sums = addSums(sums, book.sums(await pointsOf(shard)));
    const ground = book.ground(sums);
    let paid = NOBODY_PAID;
    if (sums.heldOut > 0) for (const shard of shards) paid = addPaid(paid, book.paid(await pointsOf(shard), ground));
    const linesOf = async (shard: number) => book.lines(await pointsOf(shard), ground, paid);

    const { leaves, changed } = await settleShards({ event, run, shards, terms, ground, linesOf });
    const now = clock.now();
    if (event.newestRun && changed === 0) {
      await database.tx(async (tx) => {
        await store.dropEqual(tx, run, now);
        await store.passStage(tx, event, run.stage, run.asOfMs, dueAfter(terms.stages, event));
      });
      return;
    }
    const root = hex(merkleRoot(leaves, sha256));
    const claim = new TextEncoder().encode(canonicalJson(rootClaim(discom, runId, root, leaves.length)));
    const signer = await key();
    const rootJws = await new CompactSign(claim)
      .setProtectedHeader({ alg: 'ES256', kid: signer.thumbprint })
      .sign(signer.privateKey);
    killPoint('settlement.before_close');
    const closing = { root, rootJws, points: leaves.length, format: FORMAT };
    await post({ event, run, shards, terms, ground, linesOf, paid, changed, closing, now });
    killPoint('settlement.after_close');
    log.info({ run: runId, event: event.eventId, version: run.version, changed }, 'settled');
  };

  type Pass = {
    readonly event: store.EventRow;
    readonly run: store.RunRow;
    readonly shards: readonly number[];
    readonly terms: PayTerms;
    readonly ground: Ground;
    readonly linesOf: (shard: number) => Promise<readonly Line[]>;
  };

  /** Writes beside each point what was settled of it. Answers the leaves in settlement point order, and how many points say something new. */
  async function settleShards(pass: Pass): Promise<{ leaves: Uint8Array[]; changed: number }> {
    const { event, run, shards, terms, ground, linesOf } = pass;
    const { discom, runId } = run;
    const { scale } = ground.portfolio;
    const loggedAt = (await money.logEntry(database, discom, 'commitment', event.eventId))?.atMs ?? 0;
    const context = contextOf(event, { ...run, format: FORMAT }, ground, loggedAt);
    const totals = portfolioJson(ground.portfolio);
    const leaves: { id: string; leaf: Uint8Array }[] = [];
    let changed = 0;
    for (const shard of shards) {
      const lines = await linesOf(shard);
      const before = await figuresBefore(event, lines);
      const salts = await saltsOf(
        discom,
        lines.map(({ point }) => point.participantId),
      );
      const settled = lines.map((line) => {
        const { settlementPointId, participantId } = line.point;
        const id = statementId(discom, runId, 'PARTICIPANT', settlementPointId);
        const printed = lineJson(line);
        const payload = canonicalJson(participantPayload(id, context, line.point as unknown as Json, printed, totals));
        return {
          settlementPointId,
          settled: canonicalJson(printed),
          figuresDigest: sha256Hex(canonicalJson(figuresOf(line, scale))),
          net: exact(carried(line.point, terms)),
          leaf: leafOf(salts[participantId], payload),
        };
      });
      await money.settlePoints(database, run, settled);
      for (const { settlementPointId: id, leaf } of settled) leaves.push({ id, leaf });
      changed += differs(before, new Map(settled.map((line) => [line.settlementPointId, line.figuresDigest]))).length;
      killPoint('settlement.after_lines');
    }
    if (event.newestRun) changed += (await money.pointsGone(database, discom, event.newestRun, runId)).length;
    return { leaves: leaves.sort((a, b) => (a.id < b.id ? -1 : 1)).map(({ leaf }) => leaf), changed };
  }

  async function figuresBefore({ discom, newestRun }: store.EventRow, lines: readonly Line[]): Promise<Map<string, string>> {
    if (!newestRun) return new Map();
    const ids = lines.map(({ point }) => point.settlementPointId);
    return new Map(await money.figuresNamed(database, discom, newestRun, ids));
  }

  type Posting = Pass & {
    readonly paid: Paid;
    readonly changed: number;
    readonly closing: Omit<store.Closing, 'figures'>;
    readonly now: Instant;
  };

  /** All that others can see, in one transaction: either every shard's, or none. */
  async function post({ event, run, shards, terms, ground, linesOf, paid, changed, closing, now }: Posting): Promise<void> {
    const { discom, runId } = run;
    const day = zoneDays(terms.zone).dayOf(event.startMs);
    const idOf = (kind: Parameters<typeof statementId>[2], party: string) => statementId(discom, runId, kind, party);
    const reference = (point: string) => `${event.eventId}/${point}/v${run.version}`;
    await database.tx(async (tx) => {
      await store.getEvent(tx, discom, event.eventId, true);
      if ((await store.getRun(tx, discom, runId))?.state !== 'measuring') return;
      await money.lockBills(tx, discom);
      const cycle = firstOpen(cycleOf(day), await money.closedCycles(tx, discom));
      const organisations: Organisations = new Map();
      const credited = new Map<number, { micros: MicroRupees; points: number }>();
      let creditedBefore = 0n;
      const change = async (before: readonly money.PointRow[], lines: readonly Line[]): Promise<void> => {
        const dues = before.map(dueBefore);
        creditedBefore += dues.map(creditedBy).reduce((sum, micros) => sum + micros, 0n);
        const { postings, bills } = deltaPostings(dues, lines.map(dueOf));
        await money.addPostings(tx, run, postings);
        const lined = bills.map((bill) => ({
          ...bill,
          ...{ cycle, chargeCode: terms.chargeCode, reference: reference(bill.settlementPointId) },
        }));
        await money.putBillLines(tx, run, lined);
      };
      for (const shard of shards) {
        const lines = await linesOf(shard);
        const ids = lines.map(({ point }) => point.settlementPointId);
        await change(event.newestRun ? await money.pointsNamed(tx, discom, event.newestRun, ids) : [], lines);
        await money.putCredits(tx, run, creditKeys(lines));
        const own = lines.map((line) => ownStatement(line, idOf));
        await statements.putStatements(tx, run, own);
        addOrganisations(organisations, lines);
        const micros = lines.map(creditedBy).reduce((sum, one) => sum + one, 0n);
        credited.set(shard, { micros, points: lines.length });
        killPoint('settlement.posted_shard');
      }
      if (event.newestRun) await change(await money.pointsGone(tx, discom, event.newestRun, runId), []);
      await money.dropOldCredits(tx, run);
      if ((await money.sumPostings(tx, run)) !== 0n) throw new RangeError(`the postings of run ${runId} do not sum to zero`);
      const micros = [...credited.values()].reduce((sum, shard) => sum + shard.micros, 0n);
      const whole = { micros, wh: deliveredWh(ground.portfolio) };
      await statements.putStatements(tx, run, sharedStatements(discom, organisations, whole, idOf));
      await money.appendLog(tx, discom, { kind: 'run_root', subject: runId, digest: closing.root, atMs: now }, sha256);
      const changedPoints = event.newestRun ? changed : 0;
      const figures = figuresOfRun(ground, holdoutOf(ground, paid), { credited: micros, creditedBefore, changedPoints });
      await store.closeRun(tx, run, now, { ...closing, figures: canonicalJson(figures as unknown as Json) });
      await store.passStage(tx, event, run.stage, run.asOfMs, dueAfter(terms.stages, event));
      if (terms.netting === 'NET_CYCLE')
        await store.touchLater(
          tx,
          discom,
          event.programmeId,
          event.startMs,
          cycleSpan(event.startMs, zoneDays(terms.zone))[1],
          now,
        );
      await publish(tx, event, run, { root: closing.root, credited, micros });
    });
  }

  async function publish(
    tx: Tx,
    { eventId }: store.EventRow,
    { discom, runId, stage, version }: store.RunRow,
    said: { root: string; credited: ReadonlyMap<number, { micros: MicroRupees; points: number }>; micros: MicroRupees },
  ): Promise<void> {
    for (const [shard, { micros: creditedMicros, points }] of said.credited) {
      if (points === 0) continue;
      const value = { $typeName: 'lachak.v1.CreditPosted' as const, runId, eventId, shard, creditedMicros, points };
      await facts.publish(tx, { discom, key: eventId, body: { case: 'creditPosted', value } });
    }
    const value = {
      $typeName: 'lachak.v1.RunClosed' as const,
      ...{ runId, eventId, stage: stageNumber[stage], version, root: said.root, creditedMicros: said.micros },
    };
    await facts.publish(tx, { discom, key: eventId, body: { case: 'runClosed', value } });
  }
}

/** Net energies of the cycle's earlier events, where the terms net by cycle. */
async function carriesOf(db: Queryable, event: store.EventRow, terms: PayTerms): Promise<Map<string, Rational>> {
  const carries = new Map<string, Rational>();
  if (terms.netting !== 'NET_CYCLE') return carries;
  const [from] = cycleSpan(event.startMs, zoneDays(terms.zone));
  for (const { settlementPointId, net } of await money.netsBetween(db, event.discom, event.programmeId, from, event.startMs))
    carries.set(settlementPointId, add(carries.get(settlementPointId) ?? ZERO, readExact(net)));
  return carries;
}

/** Remembers the first shards, as many as `POINTS_HELD` allows. */
function held(read: (shard: number) => Promise<Measured[]>): (shard: number) => Promise<Measured[]> {
  const kept = new Map<number, Measured[]>();
  let count = 0;
  return async (shard) => {
    const found = kept.get(shard);
    if (found) return found;
    const points = await read(shard);
    if (count + points.length <= POINTS_HELD) {
      kept.set(shard, points);
      count += points.length;
    }
    return points;
  };
}
