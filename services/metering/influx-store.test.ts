import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pino } from 'pino';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { type InfluxServer, startInflux } from '../../test/servers/influx.ts';
import { type Influx, openInflux } from './influx-store.ts';

const folder = mkdtempSync(join(tmpdir(), 'lachak-influx-login-'));
let server: InfluxServer;
let influx: Influx | null = null;
let log = '';
const opened = async (url: string, passwordFile = ''): Promise<Influx> => {
  log = '';
  const write = (line: string): void => {
    log += line;
  };
  influx = openInflux({ url, passwordFile, withinMs: 1000 }, pino({ level: 'info' }, { write }));
  await influx.start();
  return influx;
};
const POINT = 'readings,discom=BRPL content="a" 1778000000000000000';

beforeAll(async () => {
  server = await startInflux();
  await server.query('CREATE DATABASE readings');
}, 120_000);
afterEach(() => influx?.stop());
afterAll(async () => {
  await server?.stop();
  rmSync(folder, { recursive: true, force: true });
});

describe('a record that cannot be used says what is wrong, and is used as soon as that is right', () => {
  test('wrong password, put right in its file', async () => {
    const file = join(folder, 'password');
    writeFileSync(file, 'wrong\n');
    const url = server.url('readings').replace(/:[^:/@]*@/, '@');
    const record = await opened(url, file);
    expect(() => record.ready()).toThrow(/does not let the user lachak in: put the right/);
    expect(() => record.ready()).toThrow(expect.objectContaining({ kind: 'unavailable', code: 'record_away' }));
    writeFileSync(file, 'only-in-this-test\n');
    await untilReady(record);
    await record.write([POINT]);
    expect(log).not.toContain('only-in-this-test');
    expect(log).not.toContain('wrong\\n');
  });

  test('a missing database, made later', async () => {
    const record = await opened(server.url('later'));
    expect(() => record.ready()).toThrow(/has no such database: CREATE DATABASE "later" WITH DURATION INF/);
    await expect(record.write([POINT])).rejects.toMatchObject({ kind: 'unavailable', code: 'record_away' });
    await server.query('CREATE DATABASE later');
    await untilReady(record);
  });

  test('a user who may only read, who gets the right to write', async () => {
    for (const text of [`CREATE USER reader WITH PASSWORD 'x'`, 'GRANT READ ON readings TO reader']) await server.query(text);
    const record = await opened(server.url('readings').replace('lachak:only-in-this-test', 'reader:x'));
    expect(() => record.ready()).toThrow(/GRANT ALL ON "readings"/);
    await server.query('GRANT ALL ON readings TO reader');
    await untilReady(record);
  });

  test('a database that forgets', async () => {
    await server.query('CREATE DATABASE brief WITH DURATION 7d');
    const record = await opened(server.url('brief'));
    expect(() => record.ready()).toThrow(/keeps readings for 168h0m0s only/);
    await server.query('ALTER RETENTION POLICY autogen ON brief DURATION INF');
    await untilReady(record);
  });

  test('a server that is killed, and one that hangs, within the deadline', async () => {
    const record = await opened(server.url('readings'));
    await server.kill();
    await expect(record.write([POINT])).rejects.toThrow(/cannot be reached: ECONNREFUSED|cannot be reached: UND_ERR_SOCKET/);
    expect(() => record.ready()).toThrow(/cannot be reached/);
    await server.restart();
    await untilReady(record);
    await server.freeze();
    await expect(record.query(['SELECT * FROM readings'])).rejects.toThrow(/did not answer within 1 s/);
    server.thaw();
    await untilReady(record);
    const answer = await record.query(['SELECT content FROM nowhere', 'SELECT content FROM readings']);
    expect(answer).toEqual([['readings', '', '1778000000000000000', 'a']]);
    await expect(record.query(['SELECT content FROM'])).rejects.toThrow(/InfluxDB answers 400: error/);
    expect(() => record.ready()).not.toThrow();
  });

  test('a database that is dropped is not taken for an empty one', async () => {
    await server.query('CREATE DATABASE dropped');
    const record = await opened(server.url('dropped'));
    expect(await record.query(['SELECT content FROM readings'])).toEqual([]);
    await server.query('DROP DATABASE dropped');
    await expect(record.query(['SELECT content FROM readings'])).rejects.toThrow(/has no such database/);
  });
});

test.each([
  ['2.7.1', 204, /is version 2\.7\.1; 1\.6 or a later 1\.x is needed/],
  ['1.5.2', 204, /is version 1\.5\.2; 1\.6/],
  ['', 200, /answers 200 without a version: it is no InfluxDB/],
])('a server of version "%s" is refused', async (version, status, says) => {
  const other = await answering((_, response) => {
    response.writeHead(status, version === '' ? {} : { 'x-influxdb-version': version }).end();
  });
  const record = await opened(`http://127.0.0.1:${(other.address() as { port: number }).port}/readings`);
  expect(() => record.ready()).toThrow(says);
  other.close();
});

test('an answer that is cut off in the middle, or drips without end, is no answer', async () => {
  const other = await answering((request, response) => {
    if (request.url === '/ping') return void response.writeHead(204, { 'x-influxdb-version': '1.8.10' }).end();
    response.writeHead(200, { 'content-length': 1000 });
    response.write('{"results":');
    if (request.url!.includes('cut')) setImmediate(() => response.destroy());
    else setInterval(() => response.write(' '), 50).unref();
  });
  const { port } = other.address() as { port: number };
  const cut = await opened(`http://127.0.0.1:${port}/cut`);
  await expect(cut.query(['SELECT 1'])).rejects.toMatchObject({ code: 'record_away' });
  cut.stop();
  const drips = await opened(`http://127.0.0.1:${port}/drips`);
  await expect(drips.query(['SELECT 1'])).rejects.toThrow(/did not answer within 1 s/);
  other.closeAllConnections();
  other.close();
});

/** The record looks again by itself; nobody calls it. */
async function untilReady(record: Influx): Promise<void> {
  await expect.poll(() => (() => record.ready()).call(null), { timeout: 10_000, interval: 20 }).toBeUndefined();
}

function answering(listener: Parameters<typeof createServer>[1]): Promise<Server> {
  return new Promise((done) => {
    const other = createServer(listener!);
    other.listen(0, '127.0.0.1', () => done(other));
  });
}
