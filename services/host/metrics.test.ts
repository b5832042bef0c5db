import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { Catalogue } from '../../gen/lachak/v1/catalogue_pb.ts';
import { room as catalogue } from '../catalogue/service.ts';
import { room as enrolment } from '../enrolment/service.ts';
import { room as gateway } from '../gateway/service.ts';
import { room as registry } from '../registry/service.ts';
import { defaults } from './config.ts';
import { type HostMetrics, openMetrics } from './metrics.ts';
import { metricsGuard } from './metrics-door.ts';
import { type TestHost, testHost } from './testing.ts';

const there = mkdtempSync(join(tmpdir(), 'lachak-metrics-'));
const tokenFile = join(there, 'token');
writeFileSync(tokenFile, 'only-for-the-collector\n');
afterAll(() => rmSync(there, { recursive: true, force: true }));

describe('a process shows its numbers', () => {
  let house: TestHost;
  beforeAll(async () => {
    const metrics = { address: '127.0.0.1:0', tokenFile };
    house = await testHost({ rooms: [catalogue, registry, enrolment, gateway], clock: 'system', config: { metrics } });
  }, 60_000);
  afterAll(() => house.stop());
  const seen = async (at: string, token: string): Promise<{ status: number; text: string; type: string | null }> => {
    const answer = await fetch(at, token === '' ? {} : { headers: { authorization: `Bearer ${token}` } });
    return { status: answer.status, text: await answer.text(), type: answer.headers.get('content-type') };
  };
  const doors = (): string[] => [`${house.host.announced.get('console')}/metrics`, house.host.announced.get('metrics')!];

  test('to operators and to the collector, at the gateway and at its own address, and to nobody else', async () => {
    const operator = (await house.token('operator')).token;
    const consumer = (await house.token('consumer', { participant: 'p1' })).token;
    for (const door of doors()) {
      expect((await seen(door, operator)).status, door).toBe(200);
      expect((await seen(door, 'only-for-the-collector')).status, door).toBe(200);
      expect((await seen(door, consumer)).status, door).toBe(403);
      expect((await seen(door, 'made-up')).status, door).toBe(401);
      expect((await seen(door, '')).status, door).toBe(401);
    }
    expect((await seen(doors()[1]!.replace('/metrics', '/secrets'), operator)).status).toBe(404);
  });

  test('calls by method and status, facts by follower, connections by room, the process itself', async () => {
    const client = house.connect(Catalogue);
    await client.listPresets({}, { as: await house.token('operator') });
    await expect(client.getProgramme({ programmeId: 'none' }, { as: await house.token('operator') })).rejects.toThrow();
    for (const door of doors()) {
      const { text, type } = await seen(door, 'only-for-the-collector');
      expect(type).toMatch(/^text\/plain; version=0\.0\.4/);
      for (const line of [
        /^lachak_grpc_calls_total\{method="Catalogue\/ListPresets",code="OK"\} 1$/m,
        /^lachak_grpc_calls_total\{method="Catalogue\/GetProgramme",code="NOT_FOUND"\} 1$/m,
        /^lachak_grpc_seconds_count\{method="Catalogue\/ListPresets"\} 1$/m,
        /^lachak_facts_behind\{room="enrolment",upstream="registry"\} 0$/m,
        /^lachak_facts_parked\{room="enrolment",upstream="registry"\} 0$/m,
        /^lachak_facts_standing 1$/m,
        /^lachak_postgres_connections\{room="catalogue",state="busy"\} \d$/m,
        /^lachak_process_resident_memory_bytes \d+$/m,
      ])
        expect(text).toMatch(line);
      expect(text.match(/^(?!#|lachak_).+$/gm), 'all have our name').toBeNull();
    }
  });
});

describe('what a room adds', () => {
  const metrics: HostMetrics = openMetrics();
  const refused: Record<string, number> = {};
  metrics.sum('devices_refused_total', 'Refused', 'what', () => refused);
  metrics.level('devices_online', 'Online', () => 7);
  test('is read when somebody looks, and is a sum, not added up again at each look', async () => {
    refused.login = 3;
    await metrics.text();
    refused.login = 4;
    const text = await metrics.text();
    expect(text).toMatch(/^lachak_devices_refused_total\{what="login"\} 4$/m);
    expect(text).toMatch(/^lachak_devices_online 7$/m);
  });

  test('facts that cannot be read now are left out, not shown as they were', async () => {
    let away = false;
    const follower = {
      room: 'dispatch',
      upstream: 'metering',
      position: 4n,
      behind: 3n,
      parked: 1n,
      owned: 64,
      received: 0,
      failure: null,
    };
    metrics.facts(async () => {
      if (away) throw new Error('PostgreSQL is away');
      return { outboxes: [{ room: 'dispatch', position: 9n, unnumbered: 2n }], followers: [follower as never] };
    });
    expect(await metrics.text()).toMatch(/^lachak_facts_behind\{room="dispatch",upstream="metering"\} 3$/m);
    away = true;
    const text = await metrics.text();
    expect(text).toMatch(/^lachak_facts_standing 0$/m);
    expect(text).not.toMatch(/^lachak_facts_behind\{/m);
  });
});

test.each([
  ['a file that is not there', join(there, 'nowhere'), /cannot be read/],
  ['a token that can be guessed', '/dev/null', /16 characters/],
])('%s is no token for metrics', (_, file, says) => {
  const config = { ...defaults, metrics: { address: '', tokenFile: file } };
  expect(() => metricsGuard(config, async () => null as never)).toThrow(says);
});
