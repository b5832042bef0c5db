import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pino } from 'pino';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { Catalogue } from '../../gen/lachak/v1/catalogue_pb.ts';
import { Dispatch } from '../../gen/lachak/v1/dispatch_pb.ts';
import { arrows, mayCall, roomNames } from './arrows.ts';
import { openTokens, type Tokens } from './auth.ts';
import { makeCertificates } from './certs-cli.ts';
import { defaults } from './config.ts';
import { openWire, type Wire } from './connect.ts';
import { type GrpcServer, serve } from './grpc.ts';
import { bind, type RoomName } from './room.ts';
import { openTls, type Tls } from './tls.ts';
import { expectGuarded } from './wires.ts';

const folder = mkdtempSync(join(tmpdir(), 'lachak-tls-'));
const other = join(folder, 'other');
const log = pino({ level: 'silent' });
let tokens: Tokens;
let server: GrpcServer;
const wires: Wire[] = [];

const files = (where: string, room: string) => ({
  tls: { ca: join(where, 'ca.pem'), cert: join(where, `${room}.pem`), key: join(where, `${room}.key`) },
});
const tlsOf = (room: string, where = folder): Tls => openTls(files(where, room))!;
/** A client with a room's certificate. */
const as = (room: RoomName, tls = tlsOf(room), expected: RoomName = 'dispatch') => {
  const wire = openWire(server.address, { tls, as: room, server: expected });
  wires.push(wire);
  return wire;
};
const never = () => Promise.reject(new Error('no token where a certificate speaks'));

beforeAll(async () => {
  await makeCertificates(folder, roomNames);
  await makeCertificates(other, ['settlement']);
  tokens = await openTokens(folder);
  const said: string[] = [];
  const empty = new Proxy(
    {},
    {
      get: (_, name) => async (_request: unknown, caller: { subject: string }) =>
        said.push(`${String(name)} ${caller.subject}`) && {},
    },
  );
  const bindings = [
    bind(Dispatch, { getCommitment: async (_r: unknown, { subject }: { subject: string }) => ({ digest: subject }) } as never),
    bind(Catalogue, empty as never),
  ];
  server = await serve(bindings, '127.0.0.1:0', tokens.verify, log, tlsOf('dispatch'));
});
afterAll(async () => {
  for (const wire of wires) wire.close();
  await server.stop(500);
  rmSync(folder, { recursive: true, force: true });
});

describe('rooms with certificates', () => {
  test('a room is who its certificate says, and needs no token', async () => {
    const { digest } = await as('settlement').client(Dispatch, never).getCommitment({}, { discom: 'BRPL' });
    expect(digest).toBe('room:settlement');
  });

  test.each(roomNames.flatMap((room) => [[room, mayCall(room, 'dispatch')] as const]))(
    '%s reaches dispatch: %s',
    async (room, reaches) => {
      const call = as(room).client(Dispatch, never).getCommitment({}, { discom: 'BRPL' });
      if (reaches) expect((await call).digest).toBe(`room:${room}`);
      else await expect(call).rejects.toMatchObject({ kind: 'forbidden', code: 'room_may_not_call' });
    },
  );

  test('a room cannot say it is another one', async () => {
    const call = as('settlement', tlsOf('catalogue')).client(Dispatch, never).getCommitment({}, { discom: 'BRPL' });
    await expect(call).rejects.toMatchObject({ code: 'room_not_certified', message: expect.stringContaining('catalogue') });
  });

  test('only the gateway passes on tokens of people, and no token makes a room', async () => {
    const operator = await tokens.issue(
      { subject: 'ann', roles: ['operator'], discom: 'BRPL', organisation: '', participant: '' },
      1,
    );
    const passOn = { as: { token: operator, requestId: 'r' } };
    await expect(as('settlement').client(Dispatch, never).getCommitment({}, passOn)).rejects.toMatchObject({
      code: 'room_may_not_pass_on',
    });
    const { digest } = await as('gateway').client(Dispatch, never).getCommitment({}, passOn);
    expect(digest, 'the word is the person’s, not the gateway’s').toBe('ann');
    const room = { as: { token: await tokens.ofRoom('settlement', 'BRPL'), requestId: 'r' } };
    await expect(as('gateway').client(Dispatch, never).getCommitment({}, room)).rejects.toMatchObject({
      code: 'room_not_certified',
    });
  });

  const away: [string, () => Wire, RegExp][] = [
    [
      'a certificate of another CA',
      () => as('settlement', { ...tlsOf('settlement', other), ca: tlsOf('settlement').ca }),
      /certificate/,
    ],
    ['a server of another CA', () => as('settlement', tlsOf('settlement', other)), /certificate|self-signed|issuer/],
    ['a server that is another room', () => as('settlement', tlsOf('settlement'), 'metering'), /expected metering.*dispatch/],
    ['no TLS at all', () => openWire(server.address), /cannot be reached/],
  ];
  test.each(away)('%s gets no connection, and the caller reads why', async (_, open, why) => {
    const wire = open();
    wires.push(wire);
    const call = wire.client(Dispatch, async () => 'x').getCommitment({}, { discom: 'BRPL', deadlineMs: 3000 });
    const refusal = await call.then(
      () => null,
      (error) => error,
    );
    expect(refusal).toMatchObject({ kind: 'unavailable', message: expect.stringMatching(why) });
  });

  test('an expired certificate stops the start, and gets no connection', async () => {
    const old = join(folder, 'old');
    await makeCertificates(old, ['settlement'], { days: 1, from: Date.now() - 2 * 86_400_000 });
    expect(() => openTls(files(old, 'settlement'))).toThrow(/expired.*lachak certs/);
  });

  const broken: [string, () => Parameters<typeof openTls>[0]['tls'], RegExp][] = [
    ['half of the files', () => ({ ...files(folder, 'dispatch').tls, key: '' }), /tls.key: is missing/],
    ['a file that is not there', () => ({ ...files(folder, 'dispatch').tls, cert: '/nowhere.pem' }), /tls.cert: cannot be read/],
    ['a file that is no certificate', () => ({ ...files(folder, 'dispatch').tls, cert: junk() }), /no certificate in PEM/],
    ['the key of another room', () => ({ ...files(folder, 'dispatch').tls, key: join(folder, 'metering.key') }), /does not fit/],
    ['a certificate of another CA', () => ({ ...files(other, 'settlement').tls, ca: join(folder, 'ca.pem') }), /not issued by/],
    ['a CA’s own certificate', () => ({ ...files(folder, 'dispatch').tls, cert: join(folder, 'ca.pem') }), /names no room/],
  ];
  test.each(broken)('%s stops the start and says which', (_, tls, why) => {
    expect(() => openTls({ tls: tls() })).toThrow(why);
  });
  const junk = () => {
    writeFileSync(join(folder, 'junk.pem'), 'junk');
    return join(folder, 'junk.pem');
  };

  test('a process runs only rooms that its certificate names', () => {
    expect(() => openTls(files(folder, 'dispatch'), ['dispatch', 'metering'])).toThrow(/names dispatch, not metering/);
  });
});

describe('what guards a server', () => {
  const tls = () => tlsOf('dispatch');
  test.each([
    ['unix:/x/lachak.sock', false, 'a closed folder'],
    ['127.0.0.1:7000', false, 'loopback, with tokens'],
    ['0.0.0.0:7000', true, 'every network'],
    ['dispatch.example:7000', true, 'a network'],
  ])('%s needs certificates: %s (%s)', (address, needs) => {
    const open = () => expectGuarded(address, null);
    if (needs) expect(open).toThrow(/tls.ca/);
    else expect(open).not.toThrow();
    expect(() => expectGuarded(address, tls())).not.toThrow();
  });
});

test('only the gateway conducts the clocks of the others', () => {
  expect(roomNames.filter((room) => mayCall(room, null))).toEqual(['gateway']);
});

test('no room reaches one that stands on it', () => {
  for (const room of roomNames)
    for (const to of arrows[room]) expect(arrows[to], `${room} → ${to} is no circle`).not.toContain(room);
});

test('public keys verify what another process issued, and issue nothing', async () => {
  const file = join(folder, 'jwks.json');
  writeFileSync(file, JSON.stringify(tokens.jwks));
  const elsewhere = await openTokens(join(folder, 'elsewhere'), file);
  const ann = { subject: 'ann', roles: ['operator'] as const, discom: 'BRPL', organisation: '', participant: '' };
  expect(await elsewhere.verify(await tokens.issue(ann, 1))).toEqual(ann);
  await expect(elsewhere.issue(ann, 1)).rejects.toMatchObject({ code: 'issuer_elsewhere' });
  const strange = await (await openTokens(join(folder, 'strange'))).issue(ann, 1);
  await expect(elsewhere.verify(strange)).rejects.toMatchObject({ code: 'token_invalid' });
  await expect(openTokens(folder, defaults.folder)).rejects.toMatchObject({ code: 'config_invalid' });
  const away = await openTokens(folder, 'http://127.0.0.1:1/jwks.json');
  await expect(away.verify(strange)).rejects.toMatchObject({ kind: 'unavailable', code: 'issuer_unreachable' });
});
