import { createHash } from 'node:crypto';
import type { Instant } from '../domain/interval.ts';
import { type Command, once } from '../host/command.ts';
import { killPoint } from '../host/faults.ts';
import type { Deps, Tx } from '../host/room.ts';
import { zoneDays } from '../host/zone.ts';
import type { Blocks } from './blocks.ts';
import { voidFolds } from './compaction-store.ts';
import type { Crew } from './crew-service.ts';
import { layDays } from './days-service.ts';
import { absorb, type FindingRow, type Findings, noFindings } from './findings.ts';
import { deliverable, type KnownMeter } from './known.ts';
import type { Places } from './known-store.ts';
import type { ReadingStore } from './reading-store.ts';
import type { Rows } from './rows.ts';
import type { Sheet } from './sheet.ts';
import { sortOut } from './sort-out.ts';
import { addTiles, holdReadings, type TileRow } from './store.ts';
import { surroundings } from './surroundings-service.ts';
import { openVersions } from './versions-service.ts';

/** The outcome of a delivery, as it is remembered under its command id: plain JSON. */
export type Report = {
  rows: number;
  stored: number;
  unchanged: number;
  rejected: number;
  suspect: number;
  findings: FindingRow[];
  counts: Record<string, number>;
  meters: number;
  days: string[];
};
export type Delivery = {
  readonly discom: string;
  /** Null: not remembered; a repeat finds everything unchanged. */
  readonly command: Command | null;
  /** File or stream it came by, and the subject that delivered it. */
  readonly handOff: string;
  readonly signer: string;
  /** Only meters without a source, or with this one; null = all. */
  readonly source: string | null;
  /** For rows without their own. */
  readonly knownAt: Instant;
  readonly rows: Rows;
  /** The readings themselves, when they are not in `rows`: then those name the meters, and the daily registers. */
  readonly told: Sheet | Blocks | null;
  /** May refuse the delivery for what the registry knows of its meters. */
  readonly check?: (known: ReadonlyMap<string, KnownMeter>) => void;
  readonly lines: number;
  /** Lines that could not be read as a row; `findings` says why. */
  readonly refused: number;
  readonly findings: Findings;
};

/** What every delivery goes through. */
export type Intake = { readonly readings: ReadingStore; readonly crew: Crew; readonly places: Places };

/** What a delivery came to; `repeated`: it had come before, under the same command. */
export type Taken = { readonly report: Report; readonly repeated: boolean };

/**
 * Validates a delivery against what is known and stores one version per touched tile: on record first, then their rows, facts and the
 * remembered outcome in one transaction. Nothing is stored when it throws; the same command gives the first report again.
 */
export async function ingest(deps: Deps, { readings, crew, places }: Intake, delivery: Delivery): Promise<Taken> {
  const { clock, database, log } = deps;
  const { discom, lines } = delivery;
  const started = performance.now();
  const now = clock.now();
  const known = await (await places.known(database, discom)).named(delivery.rows.meterIds);
  delivery.check?.(known);
  const meters = delivery.rows.meterIds.map((id) => deliverable(known.get(id), delivery.source));
  const sorted = sortOut({ ...delivery, meters, zoneDays, now });
  const { command } = delivery;
  const { outcome, repeated } = await database.tx((tx) => {
    const work = async (): Promise<Report> => {
      readings.ready();
      await holdReadings(tx, discom);
      const report: Report = {
        rows: lines,
        stored: 0,
        unchanged: 0,
        rejected: sorted.refused + delivery.refused,
        suspect: 0,
        findings: [],
        counts: {},
        meters: 0,
        days: [],
      };
      const touched = [...sorted.days, ...sorted.groups].map(({ place }) => place);
      const world = await surroundings(tx, await places.known(tx, discom), discom, touched, now);
      const versions = openVersions({ readings, log, discom, handOff: delivery.handOff, signer: delivery.signer, now });
      const findings = copyOf(delivery.findings);
      const laying = layDays({ ...{ readings, crew, delivery, meters, sorted, world, versions, findings, now }, report });
      await laying.finally(() => versions.still());
      const written = await versions.kept();
      killPoint('metering.before_commit');
      if (written.length > 0) await addTiles(tx, discom, written);
      // A version known before a fold is not in it: what the fold stands for is read again instead.
      if (written.length > 0) await voidFolds(tx, discom, written);
      for (const tile of written) await publishTile(deps, tx, discom, tile);
      report.findings = findings.first;
      report.counts = Object.fromEntries(findings.counts);
      report.meters = new Set(meters.filter((meter) => meter !== null).map((meter) => meter.meterId)).size;
      report.days = [...new Set(touched.map(({ day }) => day))].sort();
      return report;
    };
    return command === null ? work().then((outcome) => ({ outcome, repeated: false })) : once(tx, command, work);
  });
  killPoint('metering.after_commit');
  const { stored, unchanged, rejected, suspect } = outcome;
  log.info(
    { discom, rows: lines, stored, unchanged, rejected, suspect, repeated, ms: Math.round(performance.now() - started) },
    'readings stored',
  );
  return { report: outcome, repeated };
}

export const hashing = (): { add(bytes: Uint8Array): void; hex(): string } => {
  const hash = createHash('sha256');
  return { add: (bytes) => void hash.update(bytes), hex: () => hash.digest('hex') };
};

async function publishTile(deps: Deps, tx: Tx, discom: string, tile: TileRow): Promise<void> {
  const value = {
    shard: tile.shard,
    day: tile.day,
    version: tile.version,
    knownAtMs: BigInt(tile.knownAt),
    meters: tile.meters,
    values: BigInt(tile.statements),
    correction: tile.correction,
    source: tile.signer,
  };
  await deps.facts.publish(tx, {
    discom,
    key: `${tile.shard}/${tile.day}`,
    body: { case: 'readingsReceived', value: { $typeName: 'lachak.v1.ReadingsReceived', ...value } },
  });
}

// A transaction may be tried again: each try counts from what was found before it.
function copyOf(findings: Findings): Findings {
  const copy = noFindings();
  absorb(copy, findings);
  return copy;
}
