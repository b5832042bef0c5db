import { open } from 'node:fs/promises';
import type { Readable } from 'node:stream';
import { createGunzip } from 'node:zlib';
import { parseInstant } from './days.ts';
import { MISSING } from './kernel.ts';
import { isReading, type Rows } from './series.ts';

const COLUMNS = ['meter_id', 'interval_start', 'import_wh', 'export_wh'];
const OPTIONAL = ['quality', 'known_at'];
const LINE_MAX = 1 << 20;

/**
 * Streams a CSV of readings, plain or gzip (told by its first bytes), and keeps the rows of the meters in `wanted`.
 * Throws Error naming file and line for a wrong header, a broken row of a wanted meter, an endless line or a truncated gzip.
 */
export async function readReadings(path: string, wanted: ReadonlyMap<string, Rows>): Promise<void> {
  let number = 0;
  try {
    for await (const lines of linesOf(path)) {
      for (const line of lines) {
        number++;
        if (number === 1) checkHeader(line);
        else if (line !== '') keep(line, wanted);
      }
    }
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    if (code === 'ENOENT') throw new Error(`${path}: there is no such file`);
    if (code?.startsWith('Z_'))
      throw new Error(`${path}: the gzip is damaged or ends too early after line ${number} (${message})`);
    throw new Error(`${path}:${number}: ${message}`);
  }
  if (number === 0) throw new Error(`${path}: is empty; expected the header ${COLUMNS.join(',')}`);
}

function checkHeader(line: string): void {
  const names = line.replace(/^\uFEFF/, '').split(',');
  const extra = names.slice(COLUMNS.length);
  if (COLUMNS.some((name, i) => names[i] !== name) || extra.some((name) => !OPTIONAL.includes(name))) {
    throw new Error(`the header must be ${COLUMNS.join(',')}[,quality,known_at], not ${line.slice(0, 80)}`);
  }
}

function keep(line: string, wanted: ReadonlyMap<string, Rows>): void {
  const rows = wanted.get(line.slice(0, line.indexOf(',')));
  if (!rows) return;
  const fields = line.split(',');
  if (fields.length < 4) throw new Error(`expected at least 4 fields, found ${fields.length}`);
  const start = parseInstant(fields[1]!);
  if (start === null) throw new Error(`interval_start must be an ISO-8601 instant with its offset, not ${fields[1]}`);
  if (fields.includes('ESTIMATED', COLUMNS.length)) rows.estimated.add(rows.starts.length);
  rows.starts.push(start);
  rows.importWh.push(wattHours(fields[2]!, 'import_wh'));
  rows.exportWh.push(wattHours(fields[3]!, 'export_wh'));
}

function wattHours(text: string, column: string): number {
  if (text === '') return MISSING;
  const wh = /^-?\d{1,10}$/.test(text) ? Number(text) : Number.NaN;
  if (!isReading(wh)) throw new Error(`${column} must be empty or whole Wh within ±2^30, not ${text.slice(0, 40)}`);
  return wh;
}

/** Lines in batches, one per chunk read: an iterator step per line would cost more than the parsing. */
export async function* linesOf(path: string): AsyncGenerator<string[]> {
  const file = await open(path);
  try {
    const magic = new Uint8Array(2);
    await file.read(magic, 0, 2, 0);
    const bytes = file.createReadStream({ start: 0, highWaterMark: 1 << 18, autoClose: false });
    const gzip = magic[0] === 0x1f && magic[1] === 0x8b;
    const stream: Readable = gzip ? bytes.pipe(createGunzip({ chunkSize: 1 << 18 })) : bytes;
    const decoder = new TextDecoder();
    let rest = '';
    for await (const chunk of stream as AsyncIterable<Uint8Array>) {
      const lines = (rest + decoder.decode(chunk, { stream: true })).split('\n');
      rest = lines.pop()!;
      yield lines.map(trimmed);
      if (rest.length > LINE_MAX) throw new Error(`the next line is longer than ${LINE_MAX} characters`);
    }
    rest += decoder.decode();
    if (rest !== '') yield [trimmed(rest)];
  } finally {
    await file.close();
  }
}

const trimmed = (line: string): string => (line.endsWith('\r') ? line.slice(0, -1) : line);
