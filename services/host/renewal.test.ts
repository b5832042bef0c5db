import { X509Certificate } from 'node:crypto';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Writable } from 'node:stream';
import { connect as dial } from 'node:tls';
import { pino } from 'pino';
import { afterAll, afterEach, beforeEach, describe, expect, test } from 'vitest';
import { Dispatch } from '../../gen/lachak/v1/dispatch_pb.ts';
import { makeCertificates } from './certs-cli.ts';
import { openWire, type Wire } from './connect.ts';
import { type GrpcServer, serve } from './grpc.ts';
import { type KeptTls, keepTls } from './renewal.ts';
import { bind, type RoomName } from './room.ts';
import { openTls } from './tls.ts';

// Two rooms whose certificates are renewed, replaced by those of another CA, laid in halves, and forgotten until they expire.
const soon = { timeout: 15_000, interval: 25 };
const above = mkdtempSync(join(tmpdir(), 'lachak-renewal-'));
afterAll(() => rmSync(above, { recursive: true, force: true }));

let folder: string;
let lines: string[];
let closing: (() => unknown)[];
const log = pino({ level: 'info' }, new Writable({ write: (text, _, done) => done(void lines.push(String(text))) }));
const filesOf = (room: RoomName, where = folder) => ({
  tls: { ca: join(where, 'ca.pem'), cert: join(where, `${room}.pem`), key: join(where, `${room}.key`) },
});
const kept = (room: RoomName): KeptTls => {
  const tls = keepTls(filesOf(room), [room], log)!;
  closing.push(tls.stop);
  return tls;
};
const never = () => Promise.reject(new Error('no token where a certificate speaks'));

/** Dispatch, which answers when it is let, and settlement, which calls it. */
async function pair() {
  let release = () => {};
  const released = new Promise<void>((done) => {
    release = done;
  });
  const getCommitment = async ({ eventId }: { eventId: string }) => {
    if (eventId === 'slow') await released;
    return { digest: eventId };
  };
  const own = kept('dispatch');
  const server: GrpcServer = await serve(
    [bind(Dispatch, { getCommitment } as never)],
    '127.0.0.1:0',
    never,
    pino({ level: 'silent' }),
    own,
  );
  closing.push(() => server.stop(100));
  const tls = kept('settlement');
  const wires: Wire[] = [];
  /** A connection of its own. */
  const wire = () => {
    wires.push(openWire(server.address, { tls, as: 'settlement', server: 'dispatch' }));
    return wires.at(-1)!.client(Dispatch, never);
  };
  closing.push(() => {
    for (const one of wires) one.close();
  });
  const ask = (client: ReturnType<typeof wire>, eventId: string) =>
    client.getCommitment({ eventId }, { discom: 'BRPL', deadlineMs: 9000 }).then(({ digest }) => digest);
  return { server, own, tls, wire, ask, release };
}

/** What a server proves itself with to who connects now. */
const shownBy = ({ address }: GrpcServer): Promise<string> =>
  new Promise((done, fail) => {
    const { ca, cert, key } = openTls(filesOf('settlement'))!;
    const [host, port] = address.split(':') as [string, string];
    const socket = dial({ host, port: Number(port), ca, cert, key, checkServerIdentity: () => undefined }, () => {
      done(socket.getPeerX509Certificate()!.fingerprint256);
      socket.destroy();
    });
    socket.once('error', fail);
  });
const laid = (room: RoomName): string => new X509Certificate(readFileSync(filesOf(room).tls.cert)).fingerprint256;

beforeEach(async () => {
  folder = mkdtempSync(join(above, 'pair-'));
  lines = [];
  closing = [];
  await makeCertificates(folder, ['dispatch', 'settlement']);
});
afterEach(async () => {
  for (const close of closing.reverse()) await close();
});

describe('certificates that are replaced under two running rooms', () => {
  test('by renewed ones: the call in flight is answered, and who connects now meets the new one', async () => {
    const { server, wire, ask, release } = await pair();
    const client = wire();
    expect(await ask(client, 'before')).toBe('before');
    const slow = ask(client, 'slow');
    const before = laid('dispatch');
    await makeCertificates(folder, ['dispatch', 'settlement']);
    expect(laid('dispatch')).not.toBe(before);
    await expect.poll(() => shownBy(server), soon).toBe(laid('dispatch'));
    release();
    expect(await slow).toBe('slow');
    expect(await ask(client, 'same connection')).toBe('same connection');
    expect(await ask(wire(), 'new connection')).toBe('new connection');
  });

  test('by those of another CA: in flight it goes on, and both believe the new one afterwards', async () => {
    const { server, own, tls, wire, ask, release } = await pair();
    const client = wire();
    const slow = ask(client, 'slow');
    const old = readFileSync(join(folder, 'ca.pem'));
    rmSync(join(folder, 'ca.pem'));
    await makeCertificates(folder, ['dispatch', 'settlement']);
    for (const one of [own, tls]) await expect.poll(() => one.ca.equals(old), soon).toBe(false);
    expect(await shownBy(server)).toBe(laid('dispatch'));
    release();
    expect(await slow).toBe('slow');
    expect(await ask(wire(), 'new connection')).toBe('new connection');
  });

  test('one room after the other, while both CAs are believed: there is no moment without a connection', async () => {
    const { own, tls, wire, ask } = await pair();
    const other = mkdtempSync(join(above, 'other-'));
    await makeCertificates(other, ['dispatch', 'settlement']);
    const both = Buffer.concat([readFileSync(join(folder, 'ca.pem')), readFileSync(join(other, 'ca.pem'))]);
    writeFileSync(join(folder, 'ca.pem'), both);
    for (const one of [own, tls]) await expect.poll(() => one.ca.equals(both), soon).toBe(true);
    for (const room of ['dispatch', 'settlement'] as const) {
      const renewed = room === 'dispatch' ? own : tls;
      for (const part of ['pem', 'key'])
        writeFileSync(join(folder, `${room}.${part}`), readFileSync(join(other, `${room}.${part}`)));
      const next = readFileSync(join(other, `${room}.pem`));
      await expect.poll(() => renewed.cert.equals(next), soon).toBe(true);
      expect(await ask(wire(), `after ${room}`)).toBe(`after ${room}`);
    }
  });

  test('in halves, or by another room’s: what was read before stays in use and the log says why, until they fit', async () => {
    const { server, own, wire, ask } = await pair();
    const before = laid('dispatch');
    const other = mkdtempSync(join(above, 'half-'));
    writeFileSync(join(other, 'ca.pem'), readFileSync(join(folder, 'ca.pem')));
    writeFileSync(join(other, 'ca.key'), readFileSync(join(folder, 'ca.key')));
    await makeCertificates(other, ['dispatch', 'metering']);
    const lay = (name: string, from = name) => writeFileSync(join(folder, name), readFileSync(join(other, from)));
    lay('dispatch.pem');
    await expect.poll(() => lines.join(''), soon).toMatch(/dispatch\.key does not fit/);
    lay('dispatch.pem', 'metering.pem');
    await expect.poll(() => lines.join(''), soon).toMatch(/names metering, not dispatch/);
    expect(own.problem(), 'the old one is still good').toBeNull();
    expect(await shownBy(server)).toBe(before);
    expect(await ask(wire(), 'old one')).toBe('old one');
    lay('dispatch.pem');
    lay('dispatch.key');
    await expect.poll(() => shownBy(server), soon).toBe(laid('dispatch'));
  });
});

test('one that expires while the room runs: warned of before, refused after, and mended by new files', async () => {
  await makeCertificates(folder, ['settlement', 'dispatch'], { days: 2 / 86_400, from: Date.now() }); // two seconds
  const { own, tls, wire, ask } = await pair();
  expect(lines.join('')).toMatch(/expires on \d{4}-\d\d-\d\d: make a new one in its place/);
  expect(await ask(wire(), 'in time')).toBe('in time');
  await expect.poll(() => own.problem(), soon).toMatch(/dispatch\.pem expired on .*make a new one/);
  await expect(ask(wire(), 'too late')).rejects.toMatchObject({ kind: 'unavailable', message: expect.stringMatching(/expired/) });
  await makeCertificates(folder, ['settlement', 'dispatch']);
  for (const one of [own, tls]) await expect.poll(() => one.problem(), soon).toBeNull();
  expect(await ask(wire(), 'renewed')).toBe('renewed');
});

test.each([
  [15, false],
  [13, true],
])('a certificate of %d days is warned of when read: %s', async (days, warned) => {
  await makeCertificates(folder, ['dispatch'], { days });
  kept('dispatch');
  expect(lines.some((line) => line.includes('expires on'))).toBe(warned);
});
