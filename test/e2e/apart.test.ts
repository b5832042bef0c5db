import { execFile } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type Servers, settingsOf, startServers } from '../servers/all.ts';
import { type Postgres15, startPostgres15 } from '../servers/postgres15.ts';

const MAIN = fileURLToPath(new URL('../../dist/services/main.js', import.meta.url));
const folder = mkdtempSync(join(tmpdir(), 'lachak-apart-'));
let server: Postgres15;
let servers: Servers;
beforeAll(async () => {
  [server, servers] = await Promise.all([startPostgres15(), startServers()]);
});
afterAll(async () => {
  await server?.stop();
  await servers?.stop();
  rmSync(folder, { recursive: true, force: true });
});

const demo = (...argv: string[]): Promise<string> =>
  new Promise((done, fail) => {
    execFile(
      process.execPath,
      [MAIN, 'demo', '--homes', '30', '--seed', '7', ...argv],
      { maxBuffer: 1 << 26 },
      (error, stdout, stderr) => (error ? fail(new Error(`${stdout}${stderr}`)) : done(stdout)),
    );
  });
/** The payload of every statement, byte for byte as it was signed. */
const payloads = (out: string): Map<string, string> =>
  new Map(
    readdirSync(join(out, 'statements')).map((name) => [
      name,
      JSON.stringify((JSON.parse(readFileSync(join(out, 'statements', name), 'utf8')) as { payload: unknown }).payload),
    ]),
  );

describe('the same evening leaves the same statements, byte for byte', { timeout: 600_000 }, () => {
  let expected: ReturnType<typeof payloads>;
  beforeAll(async () => {
    const one = join(folder, 'one');
    expect(await demo('--out', one)).toContain('sums to ₹0.00');
    expected = payloads(one);
    expect(expected.size).toBeGreaterThan(40);
  }, 600_000);

  test('with each room a process of its own on PostgreSQL 15', async () => {
    const out = join(folder, 'apart');
    expect(await demo('--out', out, '--apart', '--admin-url', server.url)).toContain('each a process of its own');
    expect(payloads(out)).toEqual(expected);
  });

  test('and with facts on NATS JetStream, readings in InfluxDB and devices on mosquitto besides', async () => {
    const out = join(folder, 'deployed');
    const file = join(folder, 'servers.json');
    writeFileSync(file, JSON.stringify(await settingsOf(servers, 'readings')));
    const told = await demo('--out', out, '--apart', '--admin-url', servers.postgres.url, '--config', file);
    expect(told).toContain('your PostgreSQL, your NATS, your InfluxDB, your MQTT broker, OCPP');
    expect(payloads(out)).toEqual(expected);
    expect((await servers.nats.streamOf('facts_metering')).messages, 'facts went over JetStream').toBeGreaterThan(0);
    expect(await servers.influx.measurements('readings'), 'readings are in InfluxDB').not.toEqual([]);
  });
});
