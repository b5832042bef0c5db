import { createWriteStream } from 'node:fs';
import { mkdir, mkdtemp, readdir, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import type { Metering } from '../../gen/lachak/v1/metering_pb.ts';
import { invalid } from '../domain/outcome.ts';
import { withRoom } from '../host/disk.ts';
import type { Deps, Handlers } from '../host/room.ts';
import { type Blocks, keep, noBlocks, piecesOf, rowsOf } from './blocks.ts';
import { appendColumns, type Grids, valuesIn } from './columns.ts';
import type { Crew } from './crew-service.ts';
import { absorb, type Findings, noFindings } from './findings.ts';
import { readProfiles } from './ies-reader.ts';
import { hashing, type Intake, ingest, type Report } from './ingest-service.ts';
import type { KnownMeter } from './known.ts';
import { bytesOf, command, knownAtOf, opened, packed, reportMessage, sourceOf } from './messages-service.ts';
import { readParquet } from './parquet-store.ts';
import { metersNamed } from './places-store.ts';
import { type ReadRows, readingsReader } from './reader.ts';
import { noRows, type Rows } from './rows.ts';
import { noSheet, type Sheet } from './sheet.ts';
import { peek, plainBytes } from './unpack-service.ts';

/** Told what became of the readings of every delivery. */
export type Tally = (taken: { readonly report: Report; readonly repeated: boolean }) => void;

/** A payload of MeterData is looked at as a whole. */
const JSON_MOST = 256 * 1024 * 1024;
/** A longer CSV is read in a thread of the crew, while more of it arrives here. */
const READ_BESIDE_LEAST = 1 << 19;
const DAY = 86_400_000;

export function importHandlers(
  deps: Deps,
  intake: Intake,
  tally: Tally,
): Pick<Handlers<typeof Metering>, 'importReadings' | 'putReadings'> {
  const { clock } = deps;
  return {
    importReadings: async (requests, caller) => {
      const findings = noFindings();
      const hash = hashing();
      const { head, chunks } = await opened(requests);
      const knownAt = knownAtOf(head.knownAtMs, clock.now());
      const bytes = (async function* () {
        for await (const chunk of plainBytes(chunks)) {
          caller.signal.throwIfAborted();
          hash.add(chunk);
          yield chunk;
        }
      })();
      const { rows, sheet = null, lines, empty, grids } = await readFile(deps.folder, intake.crew, bytes, findings);
      if (grids) await knownByPart(deps, caller.discom, rows, grids);
      // The content is the file itself: `now` for rows without known_at must not make a repeated file another one.
      const content = `${hash.hex()} ${head.knownAtMs}`;
      const { report, repeated } = await ingest(deps, intake, {
        ...{ discom: caller.discom, command: command(caller, head.commandId, 'ImportReadings', content), knownAt },
        ...{ handOff: head.fileName || 'file', signer: caller.subject, source: sourceOf(caller) },
        ...{ rows, told: sheet, lines, refused: lines - empty - (sheet ?? rows).count, findings },
      });
      tally({ report, repeated });
      return reportMessage(report, repeated);
    },
    putReadings: async (requests, caller) => {
      let rows = noRows();
      let blocks: Blocks | null = noBlocks();
      const findings = noFindings();
      const hash = hashing();
      const now = clock.now();
      let commandId = '';
      let lines = 0;
      const grids: Grids = new Map();
      for await (const columns of requests) {
        if (commandId === '') commandId = columns.commandId;
        for (const bytes of bytesOf(columns)) hash.add(bytes);
        const block = packed(columns, knownAtOf(columns.knownAtMs, now));
        lines += valuesIn(block);
        if (blocks !== null && keep(blocks, rows.meterIds, grids, block)) continue;
        // What cannot be kept as it is needs every reading for itself, those before it as well.
        if (blocks !== null) rows = rowsOf(piecesOf(blocks), rows.meterIds);
        blocks = null;
        appendColumns(rows, grids, block, findings);
      }
      const refused = [...findings.counts.values()].reduce((a, b) => a + b, 0);
      const { report, repeated } = await ingest(deps, intake, {
        ...{ discom: caller.discom, command: command(caller, commandId, 'PutReadings', hash.hex()), knownAt: now },
        ...{ handOff: 'stream', signer: caller.subject, source: sourceOf(caller) },
        ...{ rows, told: blocks, check: (known) => checkGrids(known, grids), lines, refused, findings },
      });
      tally({ report, repeated });
      return reportMessage(report, repeated);
    },
  };
}

/** What a kill left of files that were being taken in. */
export async function sweepIncoming(folder: string): Promise<void> {
  const incoming = join(folder, INCOMING);
  for (const name of await readdir(incoming).catch(() => [] as string[])) {
    const { mtimeMs } = await stat(join(incoming, name)).catch(() => ({ mtimeMs: Date.now() }));
    // Another process of this room may be at work on a young one.
    if (Date.now() - mtimeMs > DAY) await rm(join(incoming, name), { recursive: true, force: true });
  }
}

const INCOMING = 'incoming';

/** CSV, Parquet or MeterData JSON, told by how it begins. */
async function readFile(
  folder: string,
  crew: Crew,
  bytes: AsyncIterable<Uint8Array>,
  findings: Findings,
): Promise<ReadRows & { sheet?: Sheet | null; grids?: Grids }> {
  const { head, all } = await peek(bytes, 4);
  const begins = Buffer.from(head)
    .toString('latin1')
    .replace(/^\xef\xbb\xbf/, '')
    .trimStart();
  if (begins.startsWith('PAR1')) return spooled(folder, all, (path) => readParquet(path, findings));
  if (begins.startsWith('[') || begins.startsWith('{')) return readProfiles(await parsed(all), findings);
  const { head: start, all: pieces } = await peek(all, READ_BESIDE_LEAST);
  if (start.length >= READ_BESIDE_LEAST) {
    const { file, found } = await crew.read(pieces);
    absorb(findings, found);
    return file;
  }
  const reader = readingsReader(findings, noSheet());
  reader.push(start);
  return reader.end();
}

/** Parquet has its table of contents at the end, so it must lie on disk first. */
async function spooled<T>(folder: string, bytes: AsyncIterable<Uint8Array>, read: (path: string) => Promise<T>): Promise<T> {
  const place = await withRoom(folder, async () => {
    await mkdir(join(folder, INCOMING), { recursive: true, mode: 0o700 });
    return mkdtemp(join(folder, INCOMING, 'file-'));
  });
  try {
    const path = join(place, 'readings.parquet');
    await withRoom(folder, () => pipeline(bytes, createWriteStream(path, { mode: 0o600 })));
    return await read(path);
  } finally {
    await rm(place, { recursive: true, force: true });
  }
}

async function parsed(bytes: AsyncIterable<Uint8Array>): Promise<unknown> {
  const parts: Uint8Array[] = [];
  let length = 0;
  for await (const part of bytes) {
    length += part.length;
    if (length > JSON_MOST) throw invalid('file_too_large', `JSON may have ${JSON_MOST} bytes; split it, or send CSV or Parquet`);
    parts.push(part);
  }
  try {
    return JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(Buffer.concat(parts)));
  } catch (error) {
    throw invalid('json_malformed', `this is no JSON: ${(error as Error).message}; nothing was stored`, 'chunk');
  }
}

/**
 * Where the registry knows no meter by the name a payload gives it, but one by the last part of that name, it is that one:
 * `did:web:discom.example:assets:meter:SM-1` is SM-1.
 */
async function knownByPart({ database }: Deps, discom: string, rows: Rows, grids: Grids): Promise<void> {
  const partOf = (id: string): string => id.slice(id.lastIndexOf(':') + 1);
  const known = await metersNamed(database, discom, [...rows.meterIds, ...rows.meterIds.map(partOf)]);
  for (const [id, grid] of [...grids]) {
    if (known.has(id) || !id.startsWith('did:') || !known.has(partOf(id))) continue;
    rows.meterIds[grid.meter] = partOf(id);
    grids.delete(id);
    grids.set(partOf(id), grid);
  }
  checkGrids(known, grids);
}

function checkGrids(known: ReadonlyMap<string, KnownMeter>, grids: Grids): void {
  for (const [meterId, { minutes }] of grids) {
    const interval = known.get(meterId)?.intervalMinutes ?? minutes;
    if (interval !== minutes)
      throw invalid('interval_mismatch', `meter ${meterId} has ${interval}-minute intervals, not ${minutes}`, 'interval_minutes');
  }
}
