import { rmSync } from 'node:fs';
import { createServer, request, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { Metering } from '../../gen/lachak/v1/metering_pb.ts';
import { ImportMode, Registry } from '../../gen/lachak/v1/registry_pb.ts';
import { Register } from '../../gen/lachak/v1/types_pb.ts';
import { type TestHost, testHost } from '../../services/host/testing.ts';
import { room as metering } from '../../services/metering/service.ts';
import { room as registry } from '../../services/registry/service.ts';
import { type InfluxServer, startInflux } from '../servers/influx.ts';

// Two homes on one feeder, one with a charger behind a meter of its own; nine days of readings. Everything that goes to InfluxDB passes
// a counter.

const NOW = Date.parse('2026-05-10T06:00:00Z');
const START = Date.parse('2026-04-30T18:30:00Z');
const DAY = 86_400_000;
const DAYS = 9;
const METERS = ['m-1', 'm-2', 'm-plug'];

let influx: InfluxServer;
let counter: Server;
let host: TestHost;
/** InfluxQL as it was asked, statement by statement. */
let asked: string[] = [];

beforeAll(async () => {
  influx = await startInflux();
  await influx.query('CREATE DATABASE readings WITH DURATION INF SHARD DURATION 1d');
  counter = await startCounter(influx.port);
  const url = new URL(influx.url('readings'));
  url.port = String((counter.address() as AddressInfo).port);
  host = await testHost({ rooms: [registry, metering], clock: { start: NOW }, config: { influxUrl: url.href } });
  const as = await host.token('operator');
  const meter = { registers: [Register.IMPORT], intervalMinutes: 30 };
  const records = [
    { record: { case: 'area' as const, value: { areaId: 'ss-1', kind: 'SUBSTATION' } } },
    { record: { case: 'area' as const, value: { areaId: 'f-1', kind: 'FEEDER', parentId: 'ss-1' } } },
    ...[1, 2].flatMap((n) => [
      {
        record: {
          case: 'participant' as const,
          value: { participantId: `p-${n}`, kind: 'HOUSEHOLD', person: { name: 'A', phone: '', address: '', language: 'en' } },
        },
      },
      {
        record: {
          case: 'connection' as const,
          value: {
            connectionId: `c-${n}`,
            participantId: `p-${n}`,
            areaId: 'f-1',
            tariffCategory: 'DOMESTIC',
            sanctionedLoadW: 5000n,
          },
        },
      },
      { record: { case: 'meter' as const, value: { ...meter, meterId: `m-${n}`, connectionId: `c-${n}` } } },
      { record: { case: 'settlementPoint' as const, value: { settlementPointId: `sp-${n}`, connectionId: `c-${n}` } } },
      {
        record: {
          case: 'resource' as const,
          value: { resourceId: `ac-${n}`, settlementPointId: `sp-${n}`, kind: 'AC', ratedW: 1500n },
        },
      },
    ]),
    { record: { case: 'meter' as const, value: { ...meter, meterId: 'm-plug', connectionId: 'c-1', parentMeterId: 'm-1' } } },
    {
      record: {
        case: 'settlementPoint' as const,
        value: { settlementPointId: 'sp-plug', connectionId: 'c-1', subMeterId: 'm-plug' },
      },
    },
    {
      record: {
        case: 'resource' as const,
        value: { resourceId: 'ev-1', settlementPointId: 'sp-plug', kind: 'CHARGER', ratedW: 3300n },
      },
    },
  ];
  const report = await host.connect(Registry).register({ commandId: 'r', records, mode: ImportMode.ALL_OR_NONE }, { as });
  expect(report.findings).toEqual([]);
  await host.settled();
  const lines = METERS.flatMap((meterId, m) =>
    Array.from(
      { length: DAYS * 48 },
      (_, i) => `${meterId},${new Date(START + i * 1_800_000).toISOString()},${100 * (m + 1) + (i % 7)}`,
    ),
  );
  const parts = (async function* () {
    yield { fileName: 'a.csv', chunk: Buffer.from(`meter_id,interval_start,import_wh\n${lines.join('\n')}\n`) };
  })();
  const { stored, counts } = await host.connect(Metering).importReadings(parts, { as });
  expect([stored, counts]).toEqual([BigInt(lines.length), {}]);
}, 60_000);
afterAll(async () => {
  await host?.stop();
  counter?.close();
  await influx?.stop();
});

describe('series for charts', () => {
  const project = async (request: object): Promise<string[]> => {
    const days: string[] = [];
    for await (const { day, points } of host.connect(Metering).projectReadings(request, { as: await host.token('operator') }))
      days.push(`${day} ${points}`);
    return days;
  };
  const drawn = async (): Promise<string[]> => {
    const found: string[] = [];
    for (const name of ['load_area', 'load_resource', 'load_meter'])
      found.push(...(await ask(influx, `SELECT * FROM ${name}`)).filter((line) => line !== '' && !line.startsWith('name,')));
    return found.sort();
  };

  test('are of the last seven days when nobody says which, per area and per resource', async () => {
    const days = await project({});
    // Two areas and three resources, half hours.
    expect(days).toEqual(['03', '04', '05', '06', '07', '08', '09'].map((day) => `2026-05-${day} ${5 * 48}`));
    const first = START + 2 * DAY;
    const at = async (query: string) =>
      (await ask(influx, `${query} AND time = ${first}ms`)).filter((line) => line.startsWith('load_'));
    const i = 2 * 48;
    const load = (m: number) => 100 * (m + 1) + (i % 7);
    // A sub-meter's energy is in its parent's: the feeder has two meters, not three.
    expect(await at(`SELECT import_wh, meters, missing FROM load_area WHERE area = 'f-1'`)).toEqual([
      `load_area,,${first}000000,${load(0) + load(1)},2,0`,
    ]);
    expect(await at(`SELECT import_wh FROM load_resource WHERE resource = 'ev-1'`)).toEqual([
      `load_resource,,${first}000000,${load(2)}`,
    ]);
    expect(await at(`SELECT import_wh FROM load_resource WHERE resource = 'ac-2'`)).toEqual([
      `load_resource,,${first}000000,${load(1)}`,
    ]);
  });

  test('are drawn anew from nothing, the same to the last point', async () => {
    expect(await project({ allDays: true, meterIds: ['m-1'] })).toHaveLength(DAYS);
    const before = await drawn();
    expect(before).toHaveLength(DAYS * 48 * (2 + 3 + 1));
    for (const name of ['load_area', 'load_resource', 'load_meter']) await ask(influx, `DROP MEASUREMENT ${name}`);
    expect(await drawn()).toEqual([]);
    await project({ allDays: true, meterIds: ['m-1'] });
    expect(await drawn()).toEqual(before);
  });

  test('of areas alone, a day at a time: what is no longer asked for goes with the day', async () => {
    expect(await project({ days: ['2026-05-09'], areasOnly: true })).toEqual([`2026-05-09 ${2 * 48}`]);
    const last = START + 8 * DAY;
    expect(
      (await drawn()).filter((line) => line.startsWith('load_resource') && Number(line.split(',')[2]) >= last * 1e6),
    ).toEqual([]);
  });
});

test('each interval is pulled from the record once, however many ask at a time and however often', async () => {
  const everyDay = Array.from({ length: DAYS }, (_, i) => `2026-05-0${i + 1}`);
  const list = () => host.connect(Metering).listTiles({ days: everyDay }, { discom: 'BRPL' });
  const pulls = (): string[] => asked.filter((statement) => statement.includes('FROM "readings"'));
  rmSync(join(host.folder, 'metering', 'tiles'), { recursive: true });
  asked = [];
  await Promise.all([list(), list(), list()]);
  const { tiles } = await list();
  // A statement is a version of a day: all its intervals.
  expect(pulls()).toHaveLength(tiles.length);
  expect(new Set(pulls()).size).toBe(tiles.length);
  await list();
  const span = { startMs: BigInt(START), endMs: BigInt(START + DAYS * DAY) };
  await host.connect(Metering).getSeries({ meterId: 'm-1', span }, { as: await host.token('operator') });
  expect(pulls()).toHaveLength(tiles.length);
});

/** Passes everything on to InfluxDB and notes what is asked of `/query`. */
async function startCounter(port: number): Promise<Server> {
  const server = createServer(async (near, answer) => {
    const parts: Buffer[] = [];
    for await (const part of near) parts.push(part as Buffer);
    const body = Buffer.concat(parts);
    if (near.url?.startsWith('/query')) asked.push(...(new URLSearchParams(body.toString()).get('q') ?? '').split(';'));
    const far = request({ port, host: '127.0.0.1', path: near.url, method: near.method, headers: near.headers }, (found) => {
      answer.writeHead(found.statusCode!, found.headers);
      found.pipe(answer);
    });
    far.on('error', () => answer.destroy());
    far.end(body);
  });
  await new Promise<void>((done) => server.listen(0, '127.0.0.1', done));
  return server;
}

async function ask(server: InfluxServer, q: string): Promise<string[]> {
  const { origin, username, password } = new URL(server.url('readings'));
  const authorization = `Basic ${Buffer.from(`${username}:${password}`).toString('base64')}`;
  const headers = { authorization, accept: 'application/csv' };
  const answer = await fetch(`${origin}/query?db=readings`, { method: 'POST', headers, body: new URLSearchParams({ q }) });
  return (await answer.text()).split('\n');
}
