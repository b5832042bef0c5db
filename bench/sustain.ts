import { fork } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { cpus, loadavg, tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import pg from 'pg';
import { Metering } from '../gen/lachak/v1/metering_pb.ts';
import { openTokens } from '../services/host/auth.ts';
import { openWire } from '../services/host/connect.ts';
import { newId } from '../services/host/ids.ts';
import type { Client } from '../services/host/room.ts';
import { startInflux } from '../test/servers/influx.ts';
import { startNats } from '../test/servers/nats.ts';
import { startPostgres15 } from '../test/servers/postgres15.ts';
import type { House, Memory } from './sustain-house.ts';

/*
 * Can metering take 10 000 readings a second of arbitrary meters for long, on PostgreSQL 15, InfluxDB and NATS, with flat memory? Every
 * ten seconds a head-end delivers what it gathered, over gRPC: arbitrary meters of 65 536 in 16 shards, arbitrary intervals of two days,
 * each cell once. All of it is validated, on the InfluxDB record and committed before it is answered; lag is the time from when a delivery
 * was due to its answer. The rival gets the same readings as rows of a table of the same PostgreSQL, 10 000 an upsert, in the same run.
 * Repeat: npm run bench -- sustain --minutes 10
 */

const RATE = 10_000;
const EVERY_S = 10;
const DELIVERED = RATE * EVERY_S;
const SHARDS = 16;
const PER_SHARD = 4096;
const BLOCK = 1000;
const SLOTS = 48;
const HALF_HOUR = 1_800_000;
const RIVAL_ROUNDS = 30;

export async function sustainBench(
  print: (line: string) => void,
  words: readonly string[] = [],
): Promise<Record<string, number>> {
  const seconds = Math.round(60 * minutesIn(words));
  const folder = mkdtempSync(join(tmpdir(), 'lachak-sustain-'));
  const [influx, nats, postgres] = [await startInflux(), await startNats(), await startPostgres15()];
  await influx.query('CREATE DATABASE readings WITH DURATION INF SHARD DURATION 1d');
  const setting: House = {
    ...{ folder, databaseUrl: postgres.url, natsUrl: nats.url, influxUrl: influx.url('readings') },
    ...{ shards: SHARDS, perShard: PER_SHARD },
  };
  const program = fileURLToPath(new URL('./sustain-house.js', import.meta.url));
  const house = fork(program, [JSON.stringify(setting)], { execArgv: ['--expose-gc'] });
  const gone = once(house, 'exit').then(() => Promise.reject(new Error('the house of the bench has ended')));
  gone.catch(() => {}); // also when nobody listens any more
  const heard = async (): Promise<unknown> => {
    return (await Promise.race([once(house, 'message'), gone]))[0];
  };
  try {
    await heard();
    const tokens = await openTokens(folder);
    const whose = { discom: 'BRPL', organisation: '', participant: '' };
    const token = await tokens.issue({ subject: 'head-end', roles: ['operator'], ...whose }, 24);
    const wire = openWire(`unix:${join(folder, 'lachak.sock')}`);
    const metering = wire.client(Metering, async () => token);
    const memory = (): Promise<Memory> => {
      house.send('look');
      return heard() as Promise<Memory>;
    };
    const run = await sustained(metering, { token, requestId: newId() }, seconds, memory, print);
    const rival = await rowsInPostgres(postgres.url);
    wire.close();
    return told(run, rival, print);
  } finally {
    const over = house.exitCode === null ? once(house, 'exit') : null;
    house.send('stop', () => {});
    await over;
    await Promise.all([influx.stop(), nats.stop(), postgres.stop()]);
    rmSync(folder, { recursive: true, force: true });
  }
}

type Run = {
  readonly stored: number;
  readonly seconds: number;
  readonly busyMs: number;
  readonly lags: number[];
  readonly memory: Memory[];
};

async function sustained(
  metering: Client<typeof Metering>,
  as: { token: string; requestId: string },
  seconds: number,
  memory: () => Promise<Memory>,
  print: (line: string) => void,
): Promise<Run> {
  const cells = arbitraryCells(1);
  const lags: number[] = [];
  const looks: Memory[] = [];
  let [stored, busyMs] = [0, 0];
  const began = performance.now();
  for (let second = 0; second < seconds; second += EVERY_S) {
    const due = began + second * 1000;
    if (performance.now() < due) await pause(due - performance.now());
    const start = performance.now();
    const report = await metering.putReadings(blocksOf(cells), { as, deadlineMs: 120_000 });
    if (report.stored !== BigInt(DELIVERED))
      throw new Error(`${report.stored} of ${DELIVERED} stored: ${JSON.stringify(report.counts)}`);
    stored += DELIVERED;
    busyMs += performance.now() - start;
    lags.push(performance.now() - due);
    looks.push(await memory());
    const { rss, heap, buffers } = looks.at(-1)!;
    const rate = stored / Math.max(second + EVERY_S, (performance.now() - began) / 1000);
    print(
      `sustain: ${second + EVERY_S} s, ${Math.round(rate)} readings/s, lag ${Math.round(lags.at(-1)!)} ms; RSS ${rss} MB, heap ${heap}, ` +
        `buffers ${buffers}`,
    );
  }
  return { stored, seconds: Math.max(seconds, (performance.now() - began) / 1000), busyMs, lags, memory: looks };
}

function told(
  { stored, seconds, busyMs, lags, memory }: Run,
  rival: number,
  print: (line: string) => void,
): Record<string, number> {
  const at = (share: number): number => lags.toSorted((a, b) => a - b)[Math.floor(share * (lags.length - 1))]!;
  const [rate, room] = [stored / seconds, stored / (busyMs / 1000)];
  const [first, last] = [memory[Math.min(11, memory.length - 1)]!, memory.at(-1)!];
  const machine = `${cpus().length} × ${cpus()[0]?.model.trim()}, Node ${process.version}, load ${loadavg()[0]!.toFixed(1)}`;
  print(
    `sustain: ${stored} readings in ${(seconds / 60).toFixed(1)} min: ${Math.round(rate)}/s (goal ≥ ${RATE}); lag p50 ${Math.round(at(0.5))} ms, ` +
      `p99 ${Math.round(at(0.99))}, most ${Math.round(at(1))}; memory after two minutes and at the end: RSS ${first.rss} → ${last.rss} MB, ` +
      `heap ${first.heap} → ${last.heap} MB`,
  );
  print(
    `sustain: while it was at work ${Math.round(room)}/s; as rows of PostgreSQL 15 ${Math.round(rival)}/s: ` +
      `${(room / rival).toFixed(2)} × that (${machine})`,
  );
  return {
    vs_postgres_rows: room / rival,
    readings_per_second: rate,
    rss_growth: last.rss / first.rss,
    heap_growth: last.heap / first.heap,
  };
}

type Cell = { readonly meter: number; readonly slot: number };

/** Every cell of two days once, in an order without order: a step that shares no factor with their number visits all. */
function* arbitraryCells(seed: number): Generator<Cell> {
  const meters = SHARDS * PER_SHARD;
  const all = meters * SLOTS * 2;
  const step = 4_358_819; // prime
  for (let n = 0, at = seed; n < all; n++, at = (at + step) % all) yield { meter: at % meters, slot: Math.floor(at / meters) };
  throw new Error('two days are full: run shorter');
}

/** One delivery: blocks of one slot, as a head-end packs what came in. */
async function* blocksOf(cells: Generator<Cell>) {
  const bySlot = new Map<number, number[]>();
  for (let n = 0; n < DELIVERED; n++) {
    const { meter, slot } = cells.next().value as Cell;
    const meters = bySlot.get(slot);
    if (meters) meters.push(meter);
    else bySlot.set(slot, [meter]);
  }
  for (const [slot, meters] of bySlot)
    for (let from = 0; from < meters.length; from += BLOCK) {
      const some = meters.slice(from, from + BLOCK);
      const importWh = Int32Array.from(some, (meter) => whOf(meter, slot));
      const meterIds = some.map(idOf);
      yield {
        startMs: BigInt(startOf(slot)),
        intervalMinutes: 30,
        slots: 1,
        meterIds,
        importWh: new Uint8Array(importWh.buffer),
      };
    }
}

/** Two civil days of Delhi that are over. */
const FIRST = (Math.floor((Date.now() + 5.5 * 3_600_000) / 86_400_000) - 2) * 86_400_000 - 5.5 * 3_600_000;
const startOf = (slot: number): number => FIRST + slot * HALF_HOUR;
const idOf = (meter: number): string => `m-${Math.floor(meter / PER_SHARD)}-${meter % PER_SHARD}`;
const whOf = (meter: number, slot: number): number => 100 + ((meter * 31 + slot * 17) % 700);

/** Readings/s of the plain way: a row a reading, later known_at wins. */
async function rowsInPostgres(url: string): Promise<number> {
  const client = new pg.Client(url);
  await client.connect();
  try {
    await client.query(
      `create table plain_reading (meter_id text, start_ms bigint, wh int not null, quality smallint not null, known_at_ms bigint not null,
       primary key (meter_id, start_ms))`,
    );
    const cells = arbitraryCells(2);
    let ms = 0;
    for (let round = 0; round < RIVAL_ROUNDS; round++) {
      const some = Array.from({ length: RATE }, () => cells.next().value as Cell);
      const columns = [
        some.map(({ meter }) => idOf(meter)),
        some.map(({ slot }) => startOf(slot)),
        some.map(({ meter, slot }) => whOf(meter, slot)),
        some.map(() => 1),
        some.map(() => Date.now()),
      ];
      const start = performance.now();
      await client.query(
        `insert into plain_reading select * from unnest($1::text[], $2::bigint[], $3::int[], $4::smallint[], $5::bigint[])
         on conflict (meter_id, start_ms) do update set wh = excluded.wh, quality = excluded.quality, known_at_ms = excluded.known_at_ms
         where plain_reading.known_at_ms <= excluded.known_at_ms`,
        columns,
      );
      ms += performance.now() - start;
    }
    return (RIVAL_ROUNDS * RATE) / (ms / 1000);
  } finally {
    await client.end();
  }
}

function minutesIn(words: readonly string[]): number {
  const at = words.indexOf('--minutes');
  const minutes = at < 0 ? 1 : Number(words[at + 1]);
  if (!(minutes > 0 && minutes <= 10)) throw new Error(`--minutes is "${words[at + 1]}"; allowed: more than 0, at most 10`);
  return minutes;
}

if (process.argv[1] === fileURLToPath(import.meta.url)) console.log(await sustainBench(console.log, process.argv.slice(2)));
