import { join } from 'node:path';
import { fromJson, type JsonValue } from '@bufbuild/protobuf';
import { CompactSign } from 'jose';
import { CalendarDay_Kind, CalendarDaySchema } from '../../gen/lachak/v1/catalogue_pb.ts';
import { canonicalJson, type Json } from '../domain/canonical.ts';
import { hex } from '../domain/hex.ts';
import { iso, MINUTE, overlaps } from '../domain/interval.ts';
import { inclusionProof } from '../domain/merkle.ts';
import { meterDayBytes } from '../domain/meter-day.ts';
import { readExact } from '../domain/rational.ts';
import { MISSING } from '../domain/tile.ts';
import type { CivilDay } from '../domain/zone.ts';
import { signingKeys } from '../host/auth.ts';
import { sha256, sha256Hex } from '../host/ids.ts';
import { zoneDays } from '../host/zone.ts';
import { openDays } from '../performance/column-file.ts';
import type { Kernel } from '../performance/kernel.ts';
import { type StatementFile, signedBytes } from '../settlement/credential.ts';
import { CHOSEN } from '../settlement/credit-columns.ts';
import { lineBytes } from '../settlement/line-record.ts';
import type { Measured } from '../settlement/payload.ts';
import { settle } from '../settlement/settle.ts';
import { FORMAT, lineJson, participantPayload, type RunContext } from '../settlement/statement.ts';
import { statementId } from '../settlement/statements-service.ts';
import { readPayTerms } from '../settlement/terms.ts';
import { remeasure } from '../verify.ts';
import { readColumns } from './column-store.ts';
import type { StateRun } from './run-state.ts';
import { eventDay } from './run-state.ts';
import { lineAt } from './settle-shard.ts';
import {
  cohortFile,
  type Ground,
  type MeasuredHead,
  measuredFile,
  measuredOf,
  type SettledHead,
  settledFile,
} from './shard-work.ts';
import { connectionId, meterId, metersIn, organisationId, participantId, pointId, type ShardFacts, type Town } from './town.ts';

type Reading = { readonly startMs: number; readonly wh: number | null; readonly quality: number };

/**
 * One participant's statement, made when asked for: the point is measured again with the exact core and held against what the run kept of
 * it. `readings` is what `lachak verify --readings` takes. Throws Error when the run's files and the tiles do not agree.
 */
export async function townStatement(
  town: Town,
  folder: string,
  run: StateRun,
  { shard, lane }: { shard: number; lane: number },
  { plan }: Ground,
  kernel: Kernel,
): Promise<{ statement: string; readings: string; jwks: string }> {
  const cohort = readColumns<ShardFacts>(cohortFile(folder, shard))!;
  const measured = readColumns<MeasuredHead>(measuredFile(folder, shard))!;
  const settled = readColumns<SettledHead>(settledFile(folder, shard))!;
  const days = readDays(town, folder, shard, lane, plan.evidence, cohort.head);
  const facts = { town, cohort, shard, lane, plan };
  const point = measuredPoint(facts, days, kernel);
  const terms = readPayTerms(town.terms);
  // The rules that points are settled by, with the portfolio's scale as the run found it.
  const line = settledLine(point, run, terms, eventDay(town));
  const kept = lineAt(
    shard,
    lane,
    measuredOf(measured.columns, measured.head.exact),
    cohort.columns,
    settled.columns as never,
    measured.columns.millionths!,
    run.settling,
  );
  if (String(line.micros) !== String(kept.micros) || Number(line.parties.consumer) !== kept.consumer)
    throw new Error(`${pointId(shard, lane)}: the exact core gives ${line.micros} micro-rupees, the run kept ${kept.micros}`);
  const id = statementId(town.discom, run.runId, 'PARTICIPANT', pointId(shard, lane));
  const payload = participantPayload(id, contextOf(town, run), point as unknown as Json, lineJson(line), run.portfolio);
  const leaves = leavesOf(settled.columns.leaves as Uint8Array);
  const salt = (cohort.columns.salts as Uint8Array).subarray(32 * lane, 32 * lane + 32);
  const leaf = sha256(Buffer.concat([salt, sha256(lineBytes(kept))]));
  if (hex(leaf) !== hex(leaves[lane]!)) throw new Error(`${pointId(shard, lane)}: its leaf is not the one the run signed`);
  const proof = ({ index, size, path }: ReturnType<typeof inclusionProof>) => ({ index, size, path: path.map(hex) });
  const roots = run.shardRoots.map((root) => Buffer.from(root, 'hex'));
  const signer = await signingKeys(folder);
  const { kty, crv, x, y } = signer.publicJwk;
  const content = {
    payload,
    evidence: {
      payloadDigest: sha256Hex(canonicalJson(payload)),
      leaf: {
        ...{ salt: hex(salt), hash: hex(leaf), of: 'record' as const },
        ...proof(inclusionProof(leaves, lane, sha256)),
        shard: proof(inclusionProof(roots, shard, sha256)),
      },
      ...{ leaves: null, commitment: null, root: run.root, rootJws: run.rootJws },
      ...{ rootEntry: run.rootEntry, commitmentEntry: run.commitmentEntry },
    },
    issuer: `did:jwk:${Buffer.from(JSON.stringify({ crv, kty, x, y })).toString('base64url')}`,
  };
  const jws = await new CompactSign(signedBytes(content))
    .setProtectedHeader({ alg: 'ES256', cty: 'vc', kid: signer.thumbprint, typ: 'vc+jwt' })
    .sign(signer.privateKey);
  const [header, , signature] = jws.split('.');
  const file: StatementFile = { format: 1, ...content, jws: `${header}..${signature}` };
  return {
    statement: `${JSON.stringify(file, null, 1)}\n`,
    readings: readingsCsv(meterId(shard, lane), days),
    jwks: JSON.stringify({ keys: [signer.publicJwk] }),
  };
}

type Facts = {
  readonly town: Town;
  readonly cohort: { readonly head: ShardFacts; readonly columns: Readonly<Record<string, ArrayLike<number>>> };
  readonly shard: number;
  readonly lane: number;
  readonly plan: Ground['plan'];
};

/** The point as its statement prints it: what performance measures of one point, from readings as known at the cut-off. */
function measuredPoint(
  { town, cohort, shard, lane, plan }: Facts,
  days: ReadonlyMap<CivilDay, Reading[]>,
  kernel: Kernel,
): Measured {
  const step = town.intervalMinutes * MINUTE;
  const mine = cohort.head.outages.filter(({ from, to }) => lane >= from && lane < to);
  const dark = (at: number) =>
    mine.some(({ startMs, endMs }) => overlaps({ start: at, end: at + step }, { start: startMs, end: endMs }));
  const dueToOutage = plan.days.filter((_, row) => plan.history[row]!.some((at) => !Number.isNaN(at) && dark(at)));
  const closed = town.calendar.days
    .map((day) => fromJson(CalendarDaySchema, day as JsonValue))
    .filter(({ kind, day }) => kind === CalendarDay_Kind.EXCLUDED && plan.evidence.includes(day));
  const { columns } = cohort;
  const billed = columns.billed![lane] === 1;
  const optOuts = columns.optOuts![lane]!;
  const skipped = Array.from(plan.actual).slice(plan.eventCount).some(dark);
  const draft: Measured = {
    ...{
      settlementPointId: pointId(shard, lane),
      connectionId: connectionId(shard, lane),
      participantId: participantId(shard, lane),
    },
    organisationId: columns.aggregated![lane] === 1 ? organisationId(shard) : '',
    role: columns.role![lane] === CHOSEN ? 'CHOSEN' : 'HOLDOUT',
    ...{ status: 'ok', shard, candidateDays: [], selectedDays: [], scoresWh: [], lowUsageRejected: [] },
    flags: skipped ? ['adjustment_skipped_missing'] : [],
    excludedDays: [
      ...closed.map(({ day, name }) => ({ day, reason: `calendar:${name}` })),
      ...dueToOutage.map((day) => ({ day, reason: 'outage' })),
    ].sort((a, b) => (a.day < b.day ? -1 : 1)),
    slots: Array.from(plan.actual.subarray(0, plan.eventCount), (startMs) => ({
      ...{ startMs, meteredWh: null, unadjusted: null, baseline: null, baselineWh: null, delivered: null, deliveredWh: null },
      supply: dark(startMs) ? ('OUTAGE' as const) : ('ENERGISED' as const),
      quality: 0,
    })),
    ...{ adjustment: null, totals: null, missingIntervals: 0, unservedIntervals: 0 },
    committedW: columns.committedW![lane]!,
    meterIds: [meterId(shard, lane)],
    meterDays: plan.evidence.map((day) => meterDayOf(town, meterId(shard, lane), day, days.get(day)!)),
    ...{ enrolmentId: `E-${pointId(shard, lane)}`, readingsConsentId: `R-${pointId(shard, lane)}` },
    billingConsentId: billed ? `B-${pointId(shard, lane)}` : '',
    household: true,
    registers: [
      {
        ...{ meterId: meterId(shard, lane), fromMs: 0, toMs: null, hasExport: false, intervalMinutes: town.intervalMinutes },
        ...{ zone: town.zone, taken: false },
      },
    ],
    ...(optOuts > 0 && { optOuts }),
  };
  const zone = zoneDays(town.zone);
  const found = remeasure(kernel, {
    ...{ coreSha256: kernel.sha256, terms: town.terms, window: town.event.window, noticeAtMs: town.event.noticeAtMs },
    ...{ calendar: town.calendar.days, point: draft },
    reading: (_, startMs) => {
      const day = zone.dayOf(startMs);
      const reading = days.get(day)?.[Math.round((startMs - zone.startOf(day)) / step)];
      return reading?.wh === null || !reading ? null : { importWh: reading.wh, exportWh: null, quality: reading.quality };
    },
  });
  return { ...draft, ...found };
}

/** The line of one point: everything `settle` does but finding the portfolio's scale, which is the run's. */
function settledLine(point: Measured, run: StateRun, terms: ReturnType<typeof readPayTerms>, day: CivilDay) {
  const minCoveragePpm = run.settling.covered ? 0 : 1_000_000;
  return settle([point], { terms, day, minCoveragePpm, scale: readExact(run.settling.scale) }, new Map()).lines[0]!;
}

const contextOf = (town: Town, run: StateRun): RunContext => ({
  ...{ format: FORMAT, discom: town.discom },
  event: {
    ...{ eventId: town.event.eventId, programmeId: town.event.programmeId, termsVersion: town.event.termsVersion },
    ...{ startMs: town.event.window.start, endMs: town.event.window.end, day: eventDay(town), noticeAtMs: town.event.noticeAtMs },
    ...{ committedAtMs: town.event.committedAtMs, commitmentDigest: town.event.commitmentDigest },
    loggedAtMs: run.commitmentEntry.atMs,
  },
  run: {
    ...{ runId: run.runId, stage: readPayTerms(town.terms).stages[0]!.stage, version: 1, supersedes: null, asOfMs: town.asOfMs },
    ...{ coreSha256: run.coreSha256, coveragePpm: run.coveragePpm, coverageReached: run.coverageReached },
  },
  terms: town.terms,
  termsDigest: sha256Hex(canonicalJson(town.terms)),
  zone: town.zone,
  calendar: town.calendar,
});

/** Every slot of the days of one lane, as known at the cut-off. */
function readDays(
  town: Town,
  folder: string,
  shard: number,
  lane: number,
  wanted: readonly CivilDay[],
  { versions }: ShardFacts,
): Map<CivilDay, Reading[]> {
  const files = openDays(folder);
  const zone = zoneDays(town.zone);
  const meters = metersIn(town, shard);
  const step = town.intervalMinutes * MINUTE;
  try {
    return new Map(
      wanted.map((day) => {
        const known = versions.filter((version) => version.day === day && version.knownAtMs <= town.asOfMs);
        const slots = Math.round((zone.startOf(zone.plus(day, 1)) - zone.startOf(day)) / step);
        const wh = new Int32Array(slots * meters).fill(MISSING);
        const quality = new Uint8Array(slots).fill(1);
        if (known.length > 0) {
          const file = files.open(known.map(({ path, version }) => ({ path, version, shard, day })));
          file.read('import', 0, slots, wh);
          file.doubts(0, slots, (slot, ordinal, found) => {
            if (ordinal === lane) quality[slot] = found;
          });
        }
        const readings = Array.from({ length: slots }, (_, slot): Reading => {
          const value = wh[slot * meters + lane]!;
          return { startMs: zone.startOf(day) + slot * step, wh: value === MISSING ? null : value, quality: quality[slot]! };
        });
        return [day, readings] as const;
      }),
    );
  } finally {
    files.close();
  }
}

function meterDayOf(town: Town, meter: string, day: CivilDay, readings: readonly Reading[]): Measured['meterDays'][number] {
  const absent = readings.every(({ wh }) => wh === null);
  const bytes = meterDayBytes({
    ...{ meterId: meter, day, zone: town.zone, intervalMinutes: town.intervalMinutes, exportWh: null },
    importWh: readings.map(({ wh }) => wh),
    quality: readings.map(({ quality }) => quality),
  });
  const handOff = absent ? '' : 'tile';
  return { meterId: meter, day, digest: absent ? null : sha256Hex(bytes), handOff, signer: '', receivedAtMs: 0 };
}

function readingsCsv(meter: string, days: ReadonlyMap<CivilDay, readonly Reading[]>): string {
  const words = ['', 'VALID', 'ESTIMATED', 'MANUAL', 'SUSPECT', 'REJECTED'];
  const rows = [...days.values()].flat().filter(({ wh }) => wh !== null);
  const lines = rows.map(({ startMs, wh, quality }) => `${meter},${iso(startMs)},${wh},,${words[quality]}\n`);
  return `meter_id,interval_start,import_wh,export_wh,quality\n${lines.join('')}`;
}

function leavesOf(bytes: Uint8Array): Uint8Array[] {
  return Array.from({ length: bytes.length / 32 }, (_, i) => bytes.subarray(32 * i, 32 * i + 32));
}

export const runFile = (folder: string): string => join(folder, 'run', 'run.json');
