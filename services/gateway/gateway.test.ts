import { once } from 'node:events';
import { connect } from 'node:net';
import { Readable } from 'node:stream';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { Access } from '../../gen/lachak/v1/access_pb.ts';
import { Catalogue, type Programme } from '../../gen/lachak/v1/catalogue_pb.ts';
import { Dispatch, EventState } from '../../gen/lachak/v1/dispatch_pb.ts';
import { Metering } from '../../gen/lachak/v1/metering_pb.ts';
import { invalid, notFound } from '../domain/outcome.ts';
import { bind, type RoomMaker } from '../host/room.ts';
import { type TestHost, testHost } from '../host/testing.ts';
import { room as gateway } from './service.ts';

// Rooms behind the door that answer from memory: what is tested here is the door.
const received: string[] = [];
const behind: RoomMaker = {
  name: 'catalogue',
  migrations: new URL('file:///nonexistent/'),
  make: () => ({
    bindings: [
      bind(Catalogue, {
        publishProgramme: async (request) => ({ programmeId: request.programmeId, version: 1, publishedAtMs: 1n }) as Programme,
        getProgramme: async ({ programmeId }) => {
          throw notFound('programme_not_found', `there is no programme ${programmeId}`, 'programme_id');
        },
        listProgrammes: async (request, caller) => ({
          programmes: [{ programmeId: caller.discom, version: request.page?.size ?? 0 }],
        }),
        listPresets: async () => ({}),
        putCalendar: async () => ({}),
        getCalendar: async () => ({}),
      }),
      bind(Metering, {
        importReadings: async (requests: AsyncIterable<{ chunk: Uint8Array; fileName: string }>) => {
          let bytes = 0;
          for await (const { chunk, fileName } of requests) {
            if (chunk[0] === '!'.charCodeAt(0)) throw invalid('wrong_header', 'the first line is not the header');
            received.push(fileName);
            bytes += chunk.length;
          }
          return { rows: BigInt(bytes) };
        },
        putReadings: async (requests: AsyncIterable<{ slots: number }>) => {
          let values = 0;
          for await (const block of requests) values += block.slots;
          return { stored: BigInt(values) };
        },
      } as never),
      bind(Dispatch, {
        watchEvent: async function* ({ eventId }: { eventId: string }) {
          if (eventId === 'none') throw notFound('event_not_found', 'there is no such event', 'event_id');
          yield { eventId, state: EventState.ACTIVE, committedW: 5000n };
          yield { eventId, state: EventState.ENDED };
        },
      } as never),
    ],
    start: async () => {},
    stop: async () => {},
  }),
};

let host: TestHost;
let base: string;
let operator: string;

beforeAll(async () => {
  host = await testHost({ rooms: [behind, gateway] });
  base = host.host.announced.get('console')!;
  operator = (await host.token('operator')).token;
});
afterAll(() => host.stop());

const call = (path: string, init: RequestInit & { token?: string } = {}) =>
  fetch(base + path, {
    redirect: 'manual',
    ...init,
    headers: { authorization: `Bearer ${init.token ?? operator}`, ...(init.headers as Record<string, string>) },
  });
const json = { 'content-type': 'application/json' };
const csv = { 'content-type': 'text/csv' };

/** What came back to a client that does not look before its whole request is out; a broken connection ends it. */
async function sendThenRead(path: string, headers: Record<string, string>, length: string, body: Buffer): Promise<string> {
  const { hostname, port } = new URL(base);
  const socket = connect({ host: hostname, port: Number(port) });
  const chunked = length === 'transfer-encoding';
  const head = Object.entries({ host: hostname, ...headers, [length]: chunked ? 'chunked' : String(body.length) });
  socket.pause();
  socket.write(`POST ${path} HTTP/1.1\r\n${head.map(([name, value]) => `${name}: ${value}\r\n`).join('')}\r\n`);
  socket.on('error', () => {});
  const parts = chunked ? [`${body.length.toString(16)}\r\n`, body, '\r\n0\r\n\r\n'] : [body];
  await Promise.all(parts.map((part) => new Promise<unknown>((sent) => socket.write(part, sent))));
  const heard: Buffer[] = [];
  socket.on('data', (part) => heard.push(part)).resume();
  await Promise.race([once(socket, 'close'), once(socket, 'data')]);
  socket.destroy();
  return Buffer.concat(heard).toString();
}
const post = (headers: Record<string, string>, body: string) => ({ method: 'POST', headers, body });
const block = (members: string) => `{"readings":[{"meterId":"m",${members}}]}`;

describe('the JSON API', () => {
  test('passes the caller on and speaks proto3 JSON', async () => {
    const answer = await call('/api/programmes?size=7');
    expect(await answer.json()).toMatchObject({ programmes: [{ programmeId: 'BRPL', version: 7 }] });
    const published = await call('/api/programmes', {
      method: 'POST',
      headers: json,
      body: '{"commandId":"c1","programmeId":"p"}',
    });
    expect(await published.json()).toMatchObject({ programmeId: 'p', publishedAtMs: '1' });
  });

  test.each([
    // path, why, status, code, init
    ['/api/programmes/x', 'a room’s refusal keeps its code and field', 404, 'programme_not_found', {}],
    ['/api/programmes', 'an unknown member is named', 400, 'request_malformed', post(json, '{"programme":"p"}')],
    ['/api/programmes', 'broken JSON', 400, 'request_malformed', post(json, '{"terms":')],
    ['/api/programmes?colour=red', 'an unknown query parameter is not ignored', 400, 'query_unknown', {}],
    ['/api/programmes', 'a body of 100 MB', 413, 'body_too_large', post(json, 'x'.repeat(100_000_000))],
    ['/api/programmes', 'not JSON', 415, 'media_type_unknown', post({ 'content-type': 'text/xml' }, '<a/>')],
    ['/api/nothing', 'no such route', 404, 'route_unknown', {}],
    ['/api/programmes', 'no token', 401, 'token_missing', { token: '' }],
    ['/api/programmes', 'an unsigned token', 401, 'token_invalid', { token: 'eyJhbGciOiJub25lIn0.e30.' }],
    ['/api/readings', 'no blocks', 400, 'readings_missing', post(json, '{}')],
    [
      '/api/readings',
      'an instant without offset',
      400,
      'instant_malformed',
      post(json, block('"start":"2026-05-01","importWh":[1]')),
    ],
    [
      '/api/readings',
      'not a number',
      400,
      'not_whole_wh',
      post(json, block('"start":"2026-05-01T00:00:00Z","importWh":["NaN"]')),
    ],
    [
      '/api/readings',
      'an interval in words',
      400,
      'interval_malformed',
      post(json, block('"start":"2026-05-01T00:00:00Z","importWh":[1],"intervalMinutes":"half an hour"')),
    ],
    [
      '/api/readings?knownAt=yesterday',
      'known at no instant',
      400,
      'instant_malformed',
      post({ 'content-type': 'text/csv' }, 'x'),
    ],
  ])('%s: %s', async (path, _why, status, code, init) => {
    const answer = await call(path, init as RequestInit & { token?: string });
    expect(answer.status).toBe(status);
    expect(answer.headers.get('content-type')).toContain('application/problem+json');
    expect(await answer.json()).toMatchObject({ status, code, type: `urn:lachak:problem:${code}` });
  });

  test.each([
    ['JSON that says its length', json, 'content-length', ' ', 413, 'body_too_large'],
    ['JSON in chunks', json, 'transfer-encoding', ' ', 413, 'body_too_large'],
    ['a body of no known kind', { 'content-type': 'text/xml' }, 'content-length', ' ', 415, 'media_type_unknown'],
    ['a file of nobody', { ...csv, authorization: 'Bearer x' }, 'content-length', 'x', 401, 'token_invalid'],
    ['a file refused at its beginning', csv, 'content-length', '!', 400, 'wrong_header'],
  ])('%s, refused: who reads only after having sent everything hears why', async (_why, headers, length, byte, status, code) => {
    const answer = await sendThenRead(
      '/api/readings',
      { authorization: `Bearer ${operator}`, ...headers },
      length,
      Buffer.alloc(8 * 1024 * 1024, byte),
    );
    expect(answer).toContain(`HTTP/1.1 ${status} `);
    expect(answer).toContain(`"code":"${code}"`);
  });

  test('a role the room does not allow is refused by the room', async () => {
    const { token } = await host.token('consumer', { participant: 'p-1' });
    const answer = await call('/api/programmes', { method: 'POST', token, headers: json, body: '{"programmeId":"p"}' });
    expect(answer.status).toBe(403);
  });

  test('files stream through; JSON readings become columns', async () => {
    const body = Readable.from([Buffer.alloc(70_000, 'a'), Buffer.alloc(70_000, 'b')]);
    const answer = await call('/api/readings?fileName=may.csv', {
      method: 'POST',
      headers: { 'content-type': 'text/csv' },
      body: Readable.toWeb(body) as never,
      duplex: 'half',
    } as never);
    expect(await answer.json()).toMatchObject({ rows: '140000', rejected: '0' });
    expect(received).toContain('may.csv');
    const posted = await call('/api/readings', {
      method: 'POST',
      headers: json,
      body: '{"readings":[{"meterId":"m","start":"2026-05-01T00:00:00+05:30","intervalMinutes":15,"importWh":[1,null]}]}',
    });
    expect(await posted.json()).toMatchObject({ stored: '2' });
  });

  test('an event is watched as server-sent events; a refusal is still a problem', async () => {
    const text = await (await call('/api/events/e1/stream')).text();
    expect(text.match(/^event: \w+$/gm)).toEqual(['event: status', 'event: status', 'event: end']);
    expect(text).toContain('"committedW":"5000"');
    expect((await call('/api/events/none/stream')).status).toBe(404);
  });

  test('OpenAPI describes every route, and every reference in it leads somewhere', async () => {
    const document = (await (await fetch(`${base}/api/docs/json`)).json()) as { paths: object; components: { schemas: object } };
    const text = JSON.stringify(document);
    const names = new Set([...text.matchAll(/"\$ref":"#\/components\/schemas\/([^"]+)"/g)].map(([, name]) => name!));
    expect([...names].filter((name) => !(name in document.components.schemas))).toEqual([]);
    expect(Object.keys(document.paths)).toContain('/api/events/{eventId}/curves');
    expect((await fetch(`${base}/api/docs/`)).status).toBe(200);
  });
});

describe('signing in', () => {
  const as = async () => ({ as: await host.token('operator') });

  test('a machine gets a token for its client secret; the wrong one does not', async () => {
    const { secret } = await host.connect(Access).putClient({ clientId: 'mdm-1', roles: ['meter_source'] }, await as());
    const ask = (client_secret: string) =>
      fetch(`${base}/oauth/token`, {
        method: 'POST',
        body: new URLSearchParams({ grant_type: 'client_credentials', client_id: 'mdm-1', client_secret }),
      });
    expect((await ask('wrong')).status).toBe(401);
    const { access_token } = (await (await ask(secret)).json()) as { access_token: string };
    expect(await (await call('/api/me', { token: access_token })).json()).toMatchObject({
      subject: 'mdm-1',
      roles: ['meter_source'],
      discom: 'BRPL',
    });
  });

  test('a person signs in with code and PKCE and gets an HttpOnly cookie that only our pages can use to change things', async () => {
    await host.connect(Access).putUser({ userId: 'asha@brpl', password: 'a long enough one', roles: ['operator'] }, await as());
    const start = await fetch(`${base}/session/start`, { redirect: 'manual' });
    const flow = start.headers.getSetCookie()[0]!.split(';')[0]!;
    const authorize = start.headers.get('location')!;
    expect(await (await fetch(authorize)).text()).toContain('<form');
    const sign = (password: string) =>
      fetch(authorize, { method: 'POST', redirect: 'manual', body: new URLSearchParams({ username: 'asha@brpl', password }) });
    expect((await sign('wrong')).status).toBe(401);
    const back = (await sign('a long enough one')).headers.get('location')!;
    const done = await fetch(back, { redirect: 'manual', headers: { cookie: flow } });
    const session = done.headers.getSetCookie().find((c) => c.startsWith('lachak_session='))!;
    expect(session).toMatch(/HttpOnly; .*SameSite=Strict/);
    const cookie = session.split(';')[0]!;
    expect(await (await fetch(`${base}/api/me`, { headers: { cookie } })).json()).toMatchObject({ subject: 'asha@brpl' });
    const forged = await fetch(`${base}/api/programmes`, {
      method: 'POST',
      headers: { ...json, cookie, origin: 'https://evil.example' },
      body: '{}',
    });
    expect(await forged.json()).toMatchObject({ code: 'foreign_origin' });
    const replayed = await fetch(back, { redirect: 'manual', headers: { cookie: flow } });
    expect(replayed.status, 'a code is good once').toBe(401);
  });

  test.each([
    ['redirect_uri=https://evil.example/', 'a redirect elsewhere'],
    ['redirect_uri=BASE/session/callback&code_challenge=short', 'no PKCE'],
  ])('refuses to authorise with %s (%s)', async (query) => {
    const answer = await fetch(
      `${base}/oauth/authorize?response_type=code&code_challenge_method=S256&${query.replace('BASE', base)}`,
    );
    expect(answer.status).toBe(400);
  });

  test('an account of another DISCOM cannot be taken over by its id', async () => {
    const foreign = { as: await host.token('operator', { discom: 'TPDDL' }) };
    await expect(host.connect(Access).putClient({ clientId: 'mdm-1', roles: ['meter_source'] }, foreign)).rejects.toMatchObject({
      code: 'account_taken',
    });
  });
});

test('a guesser of passwords is slowed down, whatever token it makes up', async () => {
  const strict = await testHost({ rooms: [behind, gateway] });
  try {
    const guess = (n: number) =>
      fetch(`${strict.host.announced.get('console')}/oauth/token`, {
        method: 'POST',
        headers: { authorization: `Bearer made-up-${n}` },
        body: new URLSearchParams({ grant_type: 'client_credentials', client_id: 'mdm-1', client_secret: `guess-${n}` }),
      });
    const answers = [];
    for (let n = 0; n < 11; n++) answers.push((await guess(n)).status);
    expect(answers).toEqual([...Array(10).fill(401), 429]);
  } finally {
    await strict.stop();
  }
});

test('more requests than the limit get 429 with Retry-After, token by token', async () => {
  const limited = await testHost({
    rooms: [behind, gateway],
    config: { gateway: { host: '127.0.0.1', port: 0, issuer: '', rateLimitPerMinute: 3 } },
  });
  try {
    const url = `${limited.host.announced.get('console')}/api/programmes`;
    const [one, two] = [(await limited.token('operator')).token, (await limited.token('operator')).token];
    const ask = (token: string) => fetch(url, { headers: { authorization: `Bearer ${token}` } });
    const answers = [];
    for (let i = 0; i < 4; i++) answers.push(await ask(one));
    expect(answers.map((a) => a.status)).toEqual([200, 200, 200, 429]);
    expect(answers[3]!.headers.get('retry-after')).toBeTruthy();
    expect(await answers[3]!.json()).toMatchObject({ code: 'too_many_requests' });
    expect((await ask(two)).status).toBe(200);
  } finally {
    await limited.stop();
  }
});
