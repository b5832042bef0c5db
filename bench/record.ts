import { cpus, loadavg } from 'node:os';
import { fileURLToPath } from 'node:url';
import { InfluxDB } from 'influx';
import { pino } from 'pino';
import { type DayColumns, decodeTile, emptyColumns, encodeBase, foldTiles, type TileName } from '../services/domain/tile.ts';
import { sha256Hex } from '../services/host/ids.ts';
import { openInflux } from '../services/metering/influx-store.ts';
import { linesOf, versionsFrom } from '../services/metering/reading-store.ts';
import { pointsOf } from '../services/metering/record.ts';
import { type TileRow, tilePath } from '../services/metering/store.ts';
import { type InfluxServer, startInflux } from '../test/servers/influx.ts';

/*
 * How fast do readings come out of InfluxDB into columns the core computes on? One full shard of 4096 meters, half hours, through some
 * days: once as Lachak keeps them (a packed point an interval; each version held against its digest), once as a series a meter, asked for
 * with the `influx` client and put into the same columns. Same server, same readings, same run; both must give the same integers.
 * Repeat: npm run build && node dist/bench/record.js
 */

const METERS = 4096;
const SLOTS = 48;
const DAYS = 6;
const DAY = 86_400_000;
const START = Date.parse('2026-05-01T18:30:00Z');
const DISCOM = 'BRPL';
const KEPT = { fold: false, voided: false, removedAt: null, namedAt: null };
const ROUNDS = 15;
/** Not counted: a room that reads its record has run for longer than its code takes to be compiled. */
const WARM_UP = 4;
/** Meters of one question to the rival, so that its answers stay in memory. */
const FEEDER = 512;

/** Prints three lines of numbers; throws when the two disagree in one reading. */
export async function recordBench(print: (line: string) => void): Promise<Record<string, number>> {
  const server = await startInflux();
  try {
    await server.query('CREATE DATABASE readings WITH DURATION INF SHARD DURATION 1d');
    await server.query('CREATE DATABASE spread WITH DURATION INF SHARD DURATION 1d');
    return await compare(server, print);
  } finally {
    await server.stop();
  }
}

async function compare(server: InfluxServer, print: (line: string) => void): Promise<Record<string, number>> {
  const days = Array.from({ length: DAYS }, (_, day) => readingsOf(day));
  const readings = DAYS * SLOTS * METERS;
  const influx = openInflux({ url: server.url('readings'), passwordFile: '', withinMs: 60_000 }, pino({ level: 'silent' }));
  await influx.start();
  const rows: TileRow[] = [];
  const lines = days.flatMap((columns, day) => {
    const { row, bytes } = versionOf(day, columns);
    rows.push(row);
    return linesOf(DISCOM, row, pointsOf(decodeTile(bytes)));
  });
  const kept = await timed(() => influx.write(lines));
  const packedBytes = lines.reduce((sum, line) => sum + line.length, 0);

  const client = new InfluxDB({
    host: '127.0.0.1',
    port: server.port,
    database: 'spread',
    ...credentialsOf(server.url('spread')),
  });
  const spread = openInflux({ url: server.url('spread'), passwordFile: '', withinMs: 60_000 }, pino({ level: 'silent' }));
  await spread.start();
  const keptSpread = await timed(async () => {
    for (const [day, columns] of days.entries()) await spread.write(seriesLines(day, columns));
  });

  const ours: number[] = [];
  for (let round = 0; round < WARM_UP + ROUNDS; round++) {
    const { ms, value } = await timed(async () => {
      const files = await versionsFrom(influx, DISCOM, rows);
      return files.map((bytes) => foldTiles([decodeTile(bytes)])!.importWh);
    });
    if (round >= WARM_UP) ours.push(ms);
    if (round === 0) same(days, value, 'the record');
  }
  const theirs: number[] = [];
  for (let round = 0; round < 3; round++) {
    const { ms, value } = await timed(() => perMeter(client));
    theirs.push(ms);
    if (round === 0) same(days, value, 'the series');
  }
  influx.stop();
  spread.stop();
  const rate = (ms: number): number => readings / ms / 1000;
  const median = (times: number[]): number => times.sort((a, b) => a - b)[times.length >> 1]!;
  const [packed, series] = [median(ours), median(theirs)];
  const machine = `${cpus().length} × ${cpus()[0]?.model.trim()}, Node ${process.version}, load ${loadavg()[0]!.toFixed(1)}`;
  print(
    `record: ${readings} readings of ${METERS} meters, ${DAYS} days: InfluxDB → core columns ${packed.toFixed(0)} ms, ` +
      `${rate(packed).toFixed(1)} M/s (best ${rate(ours[0]!).toFixed(1)}, of ${ROUNDS}; goal ≥ 20)`,
  );
  print(
    `record: as a series a meter through the influx client ${series.toFixed(0)} ms, ${rate(series).toFixed(2)} M/s (of 3); ` +
      `ratio ${(series / packed).toFixed(0)} × (goal ≥ 30)`,
  );
  print(
    `record: written in ${kept.ms.toFixed(0)} ms as ${lines.length} points of ${(packedBytes / lines.length / 1000).toFixed(1)} kB, ` +
      `${(packedBytes / readings).toFixed(1)} B a reading; as series in ${keptSpread.ms.toFixed(0)} ms (${machine})`,
  );
  return { vs_influx_client_json: series / packed, readings_per_second: rate(packed) * 1e6 };
}

/** Into the same columns as ours: [slot × meters + ordinal] a day. */
async function perMeter(client: InfluxDB): Promise<Int32Array[]> {
  const days = Array.from({ length: DAYS }, () => emptyColumns(SLOTS, METERS).importWh);
  for (let first = 0; first < METERS; first += FEEDER) {
    const found = await client.query<{ meter: string; time: Date; wh: number }>(
      `SELECT wh FROM load WHERE feeder = '${first / FEEDER}' GROUP BY meter`,
    );
    for (const { meter, time, wh } of found) {
      const at = time.getTime() - START;
      const day = Math.floor(at / DAY);
      days[day]![((at - day * DAY) / 1_800_000) * METERS + Number(meter)] = wh;
    }
  }
  return days;
}

/** Meter by meter, the fastest order to write them in. */
function seriesLines(day: number, { importWh }: DayColumns): string[] {
  const lines: string[] = [];
  for (let m = 0; m < METERS; m++)
    for (let slot = 0; slot < SLOTS; slot++)
      lines.push(
        `load,feeder=${Math.floor(m / FEEDER)},meter=${m} wh=${importWh[slot * METERS + m]}i ${START + day * DAY + slot * 1_800_000}000000`,
      );
  return lines;
}

/** A morning and an evening peak, and noise: like homes, not like zeros. */
function readingsOf(day: number): DayColumns {
  const columns = emptyColumns(SLOTS, METERS);
  let state = day + 1;
  for (let at = 0; at < SLOTS * METERS; at++) {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) | 0;
    const slot = Math.floor(at / METERS);
    columns.importWh[at] = 120 + Math.round(180 * Math.sin((slot / SLOTS) * 2 * Math.PI) ** 2) + ((state >>> 16) % 400);
    columns.quality[at] = 1;
  }
  return columns;
}

function versionOf(day: number, columns: DayColumns): { row: TileRow; bytes: Uint8Array } {
  const dayStart = START + day * DAY;
  const place = { shard: 1, day: new Date(dayStart + DAY / 2).toISOString().slice(0, 10), intervalMinutes: 30, dayStart };
  const name: TileName = { ...place, slots: SLOTS, meters: METERS, version: 1, knownAt: dayStart + DAY };
  const bytes = encodeBase(name, columns);
  const digest = sha256Hex(bytes);
  const path = tilePath(DISCOM, { ...place, version: 1, digest });
  const of = { zone: 'Asia/Kolkata', delta: false, merkleRoot: '', correction: false, handOff: '', signer: '', ...KEPT };

  return { row: { ...name, ...of, path, digest, statements: SLOTS * METERS, receivedAt: name.knownAt }, bytes };
}

function same(days: readonly DayColumns[], found: readonly Int32Array[], whose: string): void {
  for (const [day, { importWh }] of days.entries())
    if (Buffer.compare(Buffer.from(importWh.buffer), Buffer.from(found[day]!.buffer)) !== 0)
      throw new Error(`${whose} gives other readings on day ${day}`);
}

function credentialsOf(url: string): { username: string; password: string } {
  const { username, password } = new URL(url);
  return { username, password };
}

async function timed<T>(work: () => Promise<T>): Promise<{ ms: number; value: T }> {
  const start = performance.now();
  const value = await work();
  return { ms: performance.now() - start, value };
}

if (process.argv[1] === fileURLToPath(import.meta.url)) await recordBench(console.log);
