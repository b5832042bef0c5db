import { type ChildProcess, spawn } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { Client as Channel, credentials } from '@grpc/grpc-js';
import pg from 'pg';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { Catalogue } from '../../gen/lachak/v1/catalogue_pb.ts';
import { openTokens } from '../../services/host/auth.ts';
import { makeCertificates } from '../../services/host/certs-cli.ts';
import { openWire, type Wire } from '../../services/host/connect.ts';
import { makeLogins } from '../../services/host/database-cli.ts';
import { newId } from '../../services/host/ids.ts';
import { openTls } from '../../services/host/tls.ts';
import { type Postgres15, startPostgres15 } from '../servers/postgres15.ts';

const MAIN = fileURLToPath(new URL('../../dist/services/main.js', import.meta.url));
const folder = mkdtempSync(join(tmpdir(), 'lachak-two-'));
const certificates = join(folder, 'certificates');
const tlsFiles = (room: string) => ({
  ca: join(certificates, 'ca.pem'),
  cert: join(certificates, `${room}.pem`),
  key: join(certificates, `${room}.key`),
});
const addresses = ['one', 'two'].map((name) => `unix:${join(folder, name)}`) as [string, string];
const children: Instance[] = [];
let server: Postgres15;
let url: string;

type Instance = { child: ChildProcess; errors: () => string; ended: Promise<number | null> };
/** `lachak start catalogue` at that address, as one of two. */
function start(address: string): Instance {
  const file = join(folder, `${children.length}.json`);
  const config = {
    folder,
    databaseUrls: { catalogue: url },
    grpc: { address },
    rooms: { catalogue: addresses.join(',') },
    tls: tlsFiles('catalogue'),
    tokens: { keys: join(folder, 'keys.json') },
    log: { level: 'debug' },
  };
  writeFileSync(file, JSON.stringify(config), { mode: 0o600 });
  const child = spawn(process.execPath, [MAIN, 'start', 'catalogue', '--config', file], { stdio: ['ignore', 'ignore', 'pipe'] });
  let errors = '';
  child.stderr!.on('data', (text) => {
    errors += text;
  });
  const ended = new Promise<number | null>((done) => child.once('exit', done));
  children.push({ child, errors: () => errors, ended });
  return children.at(-1)!;
}
/** What the health service of one instance says; null: nobody is there. */
function health(address: string): Promise<'SERVING' | 'NOT_SERVING' | null> {
  const { ca, key, cert } = openTls({ tls: tlsFiles('gateway') })!;
  const channel = new Channel(address, credentials.createSsl(ca, key, cert, { checkServerIdentity: () => undefined }), {
    'grpc.ssl_target_name_override': 'catalogue.lachak',
  });
  const same = (bytes: Buffer) => bytes;
  return new Promise((done) => {
    channel.makeUnaryRequest(
      '/grpc.health.v1.Health/Check',
      same,
      same,
      Buffer.alloc(0),
      { deadline: Date.now() + 1000 },
      (error, answer) => {
        channel.close();
        done(error ? null : answer?.[1] === 1 ? 'SERVING' : 'NOT_SERVING');
      },
    );
  });
}
/** Wall time until it holds, ms. */
async function until(what: string, holds: () => Promise<boolean> | boolean, withinMs: number): Promise<number> {
  const began = performance.now();
  while (!(await holds())) {
    if (performance.now() - began > withinMs)
      throw new Error(`not ${what} after ${withinMs} ms: ${children.map(({ errors }) => errors().slice(-1500)).join('\n---\n')}`);
    await pause(50);
  }
  return performance.now() - began;
}

beforeAll(async () => {
  server = await startPostgres15();
  await makeCertificates(certificates, ['catalogue', 'gateway']);
  writeFileSync(join(folder, 'keys.json'), JSON.stringify((await openTokens(folder)).jwks));
  url = (await makeLogins(server.url)).get('catalogue')!;
});
afterAll(async () => {
  for (const { child, ended } of children) {
    child.kill('SIGKILL');
    await ended;
  }
  await server?.stop();
  rmSync(folder, { recursive: true, force: true });
});

describe('two instances of a room on one PostgreSQL', () => {
  let one: Instance;
  let two: Instance;
  let wire: Wire;
  const put = async (commandId: string) => {
    const operator = { subject: 'ann', roles: ['operator' as const], discom: 'BRPL', organisation: '', participant: '' };
    const as = { token: await (await openTokens(folder)).issue(operator, 1), requestId: newId() };
    const days = [{ day: '2026-08-15', name: 'Independence Day', kind: 1 }];
    return wire.client(Catalogue, async () => '').putCalendar({ commandId, calendarId: `c-${commandId}`, days }, { as });
  };

  test('two whose certificate has expired say so, are not there, and serve by themselves when a new one is laid', async () => {
    await makeCertificates(certificates, ['catalogue'], { days: 1, from: Date.now() - 2 * 86_400_000 });
    const expired = addresses.map(start);
    for (const { errors } of expired)
      await until('told of', () => /catalogue\.pem expired on .*make a new one in its place/.test(errors()), 30_000);
    for (const address of addresses) expect(await health(address)).toBe(null);
    await makeCertificates(certificates, ['catalogue']);
    for (const address of addresses) await until('serving', async () => (await health(address)) === 'SERVING', 30_000);
    for (const { child, ended } of expired) {
      child.kill('SIGKILL');
      await ended;
    }
  });

  test('one whose server is away says which, stays unready, and starts by itself when it is back', async () => {
    await server.kill();
    one = start(addresses[0]);
    await until('unready', async () => (await health(addresses[0])) === 'NOT_SERVING', 30_000);
    expect(one.errors()).toMatch(/PostgreSQL does not answer.*expected PostgreSQL 15 or later.*start it, or correct the URL/);
    await server.restart();
    await until('serving', async () => (await health(addresses[0])) === 'SERVING', 30_000);
    two = start(addresses[1]);
    await until('serving', async () => (await health(addresses[1])) === 'SERVING', 30_000);
    wire = openWire(addresses.join(','), { tls: openTls({ tls: tlsFiles('gateway') })!, as: 'gateway', server: 'catalogue' });
  });

  test('one command told to both at once happens once', async () => {
    const answers = await Promise.all(Array.from({ length: 8 }, () => put('same')));
    expect(new Set(answers.map(({ version }) => version))).toEqual(new Set([1]));
    const client = new pg.Client({ connectionString: url });
    await client.connect();
    const { rows } = await client.query('select count(*)::int as facts from catalogue.outbox');
    await client.end();
    expect(rows).toEqual([{ facts: 1 }]);
  });

  test('the other does the due work within ten seconds of a kill -9, and callers hardly notice', async () => {
    const duty = (instance: Instance) => instance.errors().includes('has the duty now');
    const [holder, other] = duty(one) ? [one, two] : [two, one];
    expect(duty(other)).toBe(false);
    holder.child.kill('SIGKILL');
    expect(await until('taken over', () => duty(other), 10_000)).toBeLessThan(10_000);
    for (let i = 0; i < 10; i++) await put(`after-${i}`);
  });

  test('one that loses its server is unready until it is back', async () => {
    const [alive] = children.filter(({ child }) => child.signalCode === null);
    const address = alive === one ? addresses[0] : addresses[1];
    await server.kill();
    await until('unready', async () => (await health(address)) === 'NOT_SERVING', 10_000);
    await server.restart();
    await until('serving again', async () => (await health(address)) === 'SERVING', 15_000);
    await until(
      'answering',
      () =>
        put('back').then(
          () => true,
          () => false,
        ),
      15_000,
    );
  });

  test('SIGTERM drains within ten seconds; the other instance goes on', async () => {
    const [alive] = children.filter(({ child }) => child.signalCode === null);
    const free = alive === one ? addresses[1] : addresses[0];
    start(free);
    await until('serving', async () => (await health(free)) === 'SERVING', 30_000);
    await pause(4000); // by then callers have found the new one, after at most two seconds between two tries to connect
    let going = true;
    const failed: unknown[] = [];
    const calling = (async () => {
      for (let i = 0; going; i++) await put(`drain-${i}`).catch((error) => failed.push(error));
    })();
    const began = performance.now();
    alive!.child.kill('SIGTERM');
    expect(await alive!.ended).toBe(0);
    expect(performance.now() - began).toBeLessThan(10_000);
    going = false;
    await calling;
    expect(failed).toEqual([]);
    wire.close();
  });
});
