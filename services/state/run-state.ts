import { mkdirSync, renameSync } from 'node:fs';
import { open, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { CompactSign } from 'jose';
import { canonicalJson, type Json } from '../domain/canonical.ts';
import { hex } from '../domain/hex.ts';
import { merkleRoot } from '../domain/merkle.ts';
import { MICROS_PER_PAISA } from '../domain/money.ts';
import { exact, type Rational } from '../domain/rational.ts';
import { signingKeys } from '../host/auth.ts';
import { coreBytes } from '../host/core-file.ts';
import { derivedId, sha256, sha256Hex } from '../host/ids.ts';
import { zoneDays } from '../host/zone.ts';
import { writeDurably } from '../performance/durable-file.ts';
import { rootClaim } from '../settlement/credential.ts';
import { scaleOf } from '../settlement/credit.ts';
import { addSums, coveragePpm, type EnergySums, wattHours, wholeWh } from '../settlement/credit-columns.ts';
import { COST, organisationAccount, type Posting, posted, RETAINED, ROUNDING, total } from '../settlement/ledger.ts';
import { GENESIS, type LogEntry, sealed } from '../settlement/log.ts';
import { readPayTerms } from '../settlement/terms.ts';
import { readColumns } from './column-store.ts';
import { openCrew } from './crew.ts';
import { billsFile, type MeasuredHead, measuredFile, type SettledHead, type Settling, settledFile } from './shard-work.ts';
import { shardsOf, type Town } from './town.ts';
import type { Errand } from './worker.ts';

/** What a run leaves in `run/run.json`. */
export type StateRun = {
  readonly runId: string;
  readonly coreSha256: string;
  readonly coveragePpm: number;
  readonly coverageReached: boolean;
  readonly portfolio: {
    readonly points: number;
    readonly individuals: string;
    readonly individualsWh: number;
    readonly delivered: string;
    readonly deliveredWh: number;
    readonly scale: string;
  };
  readonly settling: Settling;
  readonly settlementPoints: number;
  readonly withoutBaseline: number;
  readonly open: number;
  readonly creditedWh: number;
  readonly creditedMicros: string;
  readonly holdout: { readonly points: number; readonly deliveredWh: number; readonly wouldBeMicros: string };
  /** Control totals: the lines of the settled files sum to them. They sum to zero. */
  readonly postings: readonly { readonly account: string; readonly micros: string }[];
  readonly shardRoots: readonly string[];
  readonly root: string;
  readonly rootJws: string;
  readonly commitmentEntry: LogEntry;
  readonly rootEntry: LogEntry;
};

/** Control accounts of the sub-ledgers in the settled files. */
const PARTICIPANTS = 'participants';
const BILLS = 'bills';

export type Progress = (phase: 'measuring' | 'settling' | 'bills', done: number, of: number) => void;

/** From tiles to the signed root, with what an earlier run that was killed has left. The same files for any number of threads. */
export async function runState(town: Town, folder: string, threads: number, progress: Progress): Promise<StateRun> {
  const shards = Array.from({ length: shardsOf(town) }, (_, shard) => shard);
  const crew = openCrew({ town, folder }, threads);
  try {
    const measured = await each<MeasuredHead>(
      'measuring',
      measuredFile,
      (shard) => ({ kind: 'measure', shard }),
      () => true,
    );
    const terms = readPayTerms(town.terms);
    const sums = totalsOf(measured);
    const coverage = coveragePpm(sums.energised, sums.read);
    const stage = terms.stages[0]!;
    const covered = coverage >= stage.minCoveragePpm;
    const used = covered ? sums.all : sums.whole;
    const scale = scaleFor(used);
    const settling: Settling = { covered, scale: exact(scale), holdoutScale: exact(scaleFor(sums.holdout)) };
    const same = ({ settling: before }: SettledHead) =>
      canonicalJson(before as unknown as Json) === canonicalJson(settling as unknown as Json);
    const settled = await each<SettledHead>('settling', settledFile, (shard) => ({ kind: 'settle', shard, settling }), same);
    progress('bills', 0, 1);
    await bindBills(shards);
    progress('bills', 1, 1);
    const roots = settled.map(({ root }) => Buffer.from(root, 'hex'));
    return await close({ town, folder, sums, coverage, used, scale, settling, settled, root: hex(merkleRoot(roots, sha256)) });

    function scaleFor(one: EnergySums): Rational {
      return scaleOf(wattHours(one.individuals), wattHours(one.delivered), terms);
    }
  } finally {
    await crew.stop();
  }

  /** What is there already and fits is kept; a damaged file is named. */
  async function each<H extends { readonly shard: number }>(
    phase: 'measuring' | 'settling',
    file: (folder: string, shard: number) => string,
    errand: (shard: number) => Errand,
    fits: (head: H) => boolean,
  ): Promise<H[]> {
    const heads: H[] = [];
    for (const shard of shards) {
      const found = readColumns<H>(file(folder, shard));
      if (found && fits(found.head)) heads[shard] = found.head;
    }
    let done = heads.filter(Boolean).length;
    progress(phase, done, shards.length);
    await crew.perform<H>(shards.filter((shard) => !heads[shard]).map(errand), (head) => {
      heads[head.shard] = head;
      progress(phase, ++done, shards.length);
    });
    return heads;
  }

  async function bindBills(parts: readonly number[]): Promise<void> {
    mkdirSync(join(folder, 'run'), { recursive: true, mode: 0o700 });
    const path = join(folder, 'run', 'bill-credits.csv');
    const whole = await open(`${path}.draft`, 'w', 0o600);
    try {
      await whole.writeFile('connection,cycle,charge_code,reference,amount\n');
      for (const shard of parts) await whole.writeFile(await readFile(billsFile(folder, shard)));
      await whole.sync();
    } finally {
      await whole.close();
    }
    renameSync(`${path}.draft`, path);
  }
}

type Sums = {
  all: EnergySums;
  whole: EnergySums;
  holdout: EnergySums;
  chosen: number;
  withoutBaseline: number;
  energised: number;
  read: number;
};
function totalsOf(measured: readonly MeasuredHead[]): Sums {
  const none = (): EnergySums => ({ points: 0, delivered: 0n, individuals: 0n });
  const read = ({ points, delivered, individuals }: { points: number; delivered: string; individuals: string }): EnergySums => ({
    points,
    delivered: BigInt(delivered),
    individuals: BigInt(individuals),
  });
  return measured.reduce<Sums>(
    (sum, { sums }) => ({
      all: addSums(sum.all, read(sums.all)),
      whole: addSums(sum.whole, read(sums.whole)),
      holdout: addSums(sum.holdout, read(sums.holdout)),
      chosen: sum.chosen + sums.chosen,
      withoutBaseline: sum.withoutBaseline + sums.withoutBaseline,
      energised: sum.energised + sums.energised,
      read: sum.read + sums.read,
    }),
    { all: none(), whole: none(), holdout: none(), chosen: 0, withoutBaseline: 0, energised: 0, read: 0 },
  );
}

type Closing = {
  readonly town: Town;
  readonly folder: string;
  readonly sums: Sums;
  readonly coverage: number;
  readonly used: EnergySums;
  readonly scale: Rational;
  readonly settling: Settling;
  readonly settled: readonly SettledHead[];
  readonly root: string;
};

async function close({ town, folder, sums, coverage, used, scale, settling, settled, root }: Closing): Promise<StateRun> {
  const { discom, event, asOfMs } = town;
  const runId = derivedId('run', discom, event.eventId, 1, asOfMs);
  const postings = postingsOf(settled);
  if (total(postings) !== 0n) throw new Error('the postings do not sum to zero');
  const signer = await signingKeys(folder);
  const claim = new TextEncoder().encode(canonicalJson(rootClaim(discom, runId, root, settled.length)));
  const rootJws = await new CompactSign(claim)
    .setProtectedHeader({ alg: 'ES256', kid: signer.thumbprint })
    .sign(signer.privateKey);
  const first = {
    kind: 'commitment' as const,
    subject: event.eventId,
    digest: event.commitmentDigest,
    atMs: event.committedAtMs,
  };
  const commitmentEntry = sealed({ ...first, index: 1, previous: GENESIS }, sha256);
  const second = { kind: 'run_root' as const, subject: runId, digest: root, atMs: asOfMs };
  const rootEntry = sealed({ ...second, index: 2, previous: commitmentEntry.hash }, sha256);
  const sum = (read: (shard: SettledHead) => number): bigint => settled.reduce((all, shard) => all + BigInt(read(shard)), 0n);
  const run: StateRun = {
    ...{ runId, coreSha256: sha256Hex(coreBytes()), coveragePpm: coverage, coverageReached: settling.covered },
    portfolio: {
      points: used.points,
      ...{ individuals: exact(wattHours(used.individuals)), individualsWh: Number(wholeWh(used.individuals)) },
      ...{ delivered: exact(wattHours(used.delivered)), deliveredWh: Number(wholeWh(used.delivered)), scale: exact(scale) },
    },
    ...{ settling, settlementPoints: sums.chosen, withoutBaseline: sums.withoutBaseline },
    open: Number(sum(({ open }) => open)),
    creditedWh: Number(sum(({ totals }) => totals.creditedWh)),
    creditedMicros: String(sum(({ totals }) => totals.consumer) + sum(({ totals }) => totals.aggregator)),
    holdout: {
      points: sums.holdout.points,
      deliveredWh: Number(wholeWh(sums.holdout.delivered)),
      wouldBeMicros: String(settled.reduce((all, { wouldBe }) => all + BigInt(wouldBe), 0n)),
    },
    postings: postings.map(({ account, micros }) => ({ account, micros: String(micros) })),
    shardRoots: settled.map((shard) => shard.root),
    ...{ root, rootJws, commitmentEntry, rootEntry },
  };
  await writeDurably(join(folder, 'run', 'run.json'), Buffer.from(`${JSON.stringify(run, null, 1)}\n`));
  return run;
}

/** As the ledger posts line by line, summed over each shard's lines; balanced by construction. */
function postingsOf(settled: readonly SettledHead[]): Posting[] {
  return posted(
    settled.flatMap(({ totals, organisation }) => {
      const [consumer, aggregator, counterparty] = [totals.consumer, totals.aggregator, totals.counterparty].map(BigInt) as [
        bigint,
        bigint,
        bigint,
      ];
      const [billed, onBills] = [BigInt(totals.billed), BigInt(totals.paise) * MICROS_PER_PAISA];
      return [
        { account: COST, micros: -(consumer + aggregator + counterparty) },
        { account: PARTICIPANTS, micros: consumer - billed },
        { account: organisationAccount(organisation), micros: aggregator },
        { account: RETAINED, micros: counterparty },
        { account: BILLS, micros: onBills },
        { account: ROUNDING, micros: billed - onBills },
      ];
    }),
  );
}

/** The civil day of the event. */
export const eventDay = ({ zone, event }: Town): string => zoneDays(zone).dayOf(event.window.start);
