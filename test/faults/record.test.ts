import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { create } from '@bufbuild/protobuf';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { RegistryChangedSchema } from '../../gen/lachak/v1/facts_pb.ts';
import { Metering } from '../../gen/lachak/v1/metering_pb.ts';
import { Register } from '../../gen/lachak/v1/types_pb.ts';
import { room as gateway } from '../../services/gateway/service.ts';
import { type TestHost, testHost } from '../../services/host/testing.ts';
import { room as metering } from '../../services/metering/service.ts';
import { type InfluxServer, startInflux } from '../servers/influx.ts';
import { startProxy, type TcpProxy, type Weather } from '../servers/proxy.ts';

// InfluxDB is the record of readings, and it is killed, frozen and cut off while readings come. Whoever delivers tries again until
// acknowledged. Then the tiles are thrown away: what the record has must be everything that was acknowledged, each once.

const METERS = 200;
const BLOWS = 40;
const START = Date.parse('2026-05-08T18:30:00Z');
const SEED = Number(process.env.LACHAK_TEST_SEED ?? 11);

let influx: InfluxServer;
let proxy: TcpProxy;
let host: TestHost;
const folder = mkdtempSync(join(tmpdir(), 'lachak-record-'));
const open = (): Promise<TestHost> =>
  testHost({
    rooms: [metering, gateway],
    folder,
    clock: { start: START + 2 * 86_400_000 },
    config: { influxUrl: influx.url('readings').replace(`:${influx.port}`, `:${proxy.port}`) },
  });

beforeAll(async () => {
  influx = await startInflux();
  await influx.query('CREATE DATABASE readings WITH DURATION INF SHARD DURATION 1d');
  proxy = await startProxy(influx.port);
  host = await open();
  const records = Array.from({ length: METERS }, (_, ordinal) => ({
    record: {
      case: 'meter' as const,
      value: { meterId: `m-${ordinal}`, connectionId: `c-${ordinal}`, registers: [Register.IMPORT], shard: 1, ordinal },
    },
  }));
  const value = create(RegistryChangedSchema, { records });
  await host.facts.publish('registry', { discom: 'BRPL', key: 'BRPL', body: { case: 'registryChanged', value } });
  await host.settled();
});
afterAll(async () => {
  await host?.stop();
  await proxy?.stop();
  await influx?.stop();
  rmSync(folder, { recursive: true, force: true });
});

describe('readings while their record comes and goes', () => {
  test('the caller is told to come back (503, Retry-After), nothing is half stored, and the same command is stored once', async () => {
    await influx.kill();
    const deliver = async () =>
      fetch(`${host.host.announced.get('console')}/api/readings`, {
        method: 'POST',
        headers: {
          authorization: `Bearer ${(await host.token('operator')).token}`,
          'content-type': 'text/csv',
          'idempotency-key': 'first-file',
        },
        body: csvOf(0),
      });
    const refused = await deliver();
    expect(refused.status).toBe(503);
    expect(Number(refused.headers.get('retry-after'))).toBeGreaterThan(0);
    expect(await refused.json()).toMatchObject({ code: 'record_away', detail: expect.stringContaining('cannot be reached') });
    expect((await host.connect(Metering).listTiles({ days: ['2026-05-09'] }, { discom: 'BRPL' })).tiles).toEqual([]);
    await influx.restart();
    const stored = await until(deliver, ({ status }) => status === 200);
    expect(await stored.json()).toMatchObject({ stored: String(METERS), repeatedCommand: false });
    expect(await (await deliver()).json()).toMatchObject({ stored: String(METERS), repeatedCommand: true });
  });

  test(`killed, frozen, slow, torn and cut off at seeded moments (seed ${SEED}): no acknowledged reading is lost, none is doubled`, async () => {
    const random = seeded(SEED);
    let delivering = true;
    let blows = 0;
    const blow = async (): Promise<void> => {
      while (delivering && blows < BLOWS) {
        await pause(random() * 120);
        blows++;
        const kind = Math.floor(random() * 6);
        if (kind === 0) {
          await influx.kill();
          await pause(random() * 150);
          await influx.restart();
        } else if (kind === 1) {
          await influx.freeze();
          await pause(random() * 300);
          influx.thaw();
        } else {
          proxy.weather = (['slow', 'stalled', 'torn', 'closed'] as const satisfies Weather[])[kind - 2]!;
          await pause(random() * 200);
          proxy.weather = 'clear';
        }
        await pause(random() * 200);
      }
    };
    const blowing = blow();
    let refusals = 0;
    const deliver = async (slot: number): Promise<void> => {
      for (;;) {
        try {
          const { stored } = await send(csvOf(slot));
          expect(stored).toBe(BigInt(METERS));
          return;
        } catch (error) {
          expect(error).toMatchObject({ kind: 'unavailable' });
          refusals++;
          await pause(50);
        }
      }
    };
    try {
      // Two senders, so that one delivery waits behind another's trouble.
      const slots = Array.from({ length: 47 }, (_, i) => i + 1).values();
      const sender = async (): Promise<void> => {
        for (const slot of slots) await deliver(slot);
      };
      await Promise.all([sender(), sender()]);
    } finally {
      delivering = false;
      await blowing;
    }
    console.log(`48 deliveries acknowledged through ${blows} blows and ${refusals} refusals, seed ${SEED}`);
    await host.stop();
    rmSync(join(folder, 'metering', 'tiles'), { recursive: true });
    host = await open();
    const lines = await until(exported, (found) => found !== null);
    const expected = Array.from({ length: 48 }, (_, slot) => csvOf(slot).trim().split('\n').slice(1)).flat();
    expect(lines!.map((line) => line.split(',').slice(0, 3).join()).sort()).toEqual(expected.sort());
  });
});

const csvOf = (slot: number): string => {
  const start = new Date(START + slot * 1_800_000).toISOString();
  const lines = Array.from({ length: METERS }, (_, m) => `m-${m},${start},${100 + ((m * 7 + slot * 13) % 400)}`);
  return `meter_id,interval_start,import_wh\n${lines.join('\n')}\n`;
};

async function send(csv: string) {
  const parts = (async function* () {
    yield { fileName: 'a.csv', chunk: Buffer.from(csv) };
  })();
  return host.connect(Metering).importReadings(parts, { as: await host.token('operator'), deadlineMs: 20_000 });
}

async function exported(): Promise<string[] | null> {
  const parts: Uint8Array[] = [];
  try {
    for await (const { chunk } of host.connect(Metering).exportReadings({}, { as: await host.token('operator') }))
      parts.push(chunk);
  } catch (error) {
    expect(error).toMatchObject({ code: 'record_away' });
    return null;
  }
  return Buffer.concat(parts).toString('utf8').trim().split('\n').slice(1);
}

async function until<T>(ask: () => Promise<T>, good: (answer: T) => boolean): Promise<T> {
  for (const late = Date.now() + 20_000; ; await pause(50)) {
    const answer = await ask();
    if (good(answer) || Date.now() > late) return answer;
  }
}

/** Mulberry32: the same moments each run. */
function seeded(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
  };
}
