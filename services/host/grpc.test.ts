import { Client as Channel, credentials } from '@grpc/grpc-js';
import { service as healthService } from 'grpc-health-check';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { Metering } from '../../gen/lachak/v1/metering_pb.ts';
import { invalid, Refusal } from '../domain/outcome.ts';
import { bind, type Caller, type Handlers, type RoomMaker } from './room.ts';
import { type TestHost, testHost } from './testing.ts';

/** A metering room that only talks: what is tested is the line, not the room. */
const seen: { caller: Caller | null; chunks: number; exportEnded: boolean } = { caller: null, chunks: 0, exportEnded: false };
const handlers: Partial<Handlers<typeof Metering>> = {
  getSeries: async ({ meterId }, caller) => {
    seen.caller = caller;
    if (meterId === 'refused') throw invalid('meter_unknown', 'kein Zähler ₹', 'meter_id');
    if (meterId === 'bug') throw new TypeError('secret detail');
    if (meterId === 'database')
      throw Object.assign(new Error('terminating connection due to administrator command'), { code: '57P01' });
    if (meterId === 'slow')
      await new Promise((_, fail) => caller.signal.addEventListener('abort', () => fail(caller.signal.reason)));
    return { intervalMinutes: 30, startMs: 1_777_593_600_000n };
  },
  importReadings: async (requests) => {
    seen.chunks = 0;
    for await (const { chunk } of requests) {
      seen.chunks++;
      if (chunk.length === 0) throw invalid('chunk_empty', 'an empty chunk');
    }
    return { rows: BigInt(seen.chunks) };
  },
  exportReadings: async function* ({ gzip }) {
    seen.exportEnded = false;
    try {
      for (let i = 0; i < (gzip ? 1_000_000 : 3); i++) yield { chunk: new Uint8Array(gzip ? 50_000 : 1) };
      if (!gzip) throw invalid('ran_dry', 'no more');
    } finally {
      seen.exportEnded = true;
    }
  },
};
const metering: RoomMaker = {
  name: 'metering',
  migrations: new URL('file:///nonexistent/'),
  make: () => ({
    bindings: [bind(Metering, handlers as Handlers<typeof Metering>)],
    start: async () => {},
    stop: async () => {},
  }),
};

describe('calls between rooms', () => {
  let host: TestHost;
  beforeAll(async () => {
    host = await testHost({ rooms: [metering] });
  });
  afterAll(() => host?.stop());
  const client = () => host.connect(Metering);

  test('a room calls with its own authority and names the discom', async () => {
    expect(await client().getSeries({ meterId: 'm' }, { discom: 'BRPL' })).toMatchObject({
      intervalMinutes: 30,
      startMs: 1_777_593_600_000n,
    });
    expect(seen.caller).toMatchObject({ subject: 'room:test', roles: ['room'], discom: 'BRPL', organisation: '' });
    await expect(client().getSeries({ meterId: 'm' })).rejects.toThrow('for which discom');
  });

  test('a person is passed on with organisation, participant and request id', async () => {
    const as = await host.token('consumer', { discom: 'TPDDL', participant: 'p1', organisation: 'agg' });
    await client().getSeries({ meterId: 'm' }, { as });
    expect(seen.caller).toMatchObject({
      roles: ['consumer'],
      discom: 'TPDDL',
      participant: 'p1',
      organisation: 'agg',
      requestId: as.requestId,
    });
  });

  const fresh = (token: string) => ({ as: { token, requestId: 'r' } });
  test.each([
    ['no token', async () => fresh(''), 'unauthenticated', 'token_missing'],
    ['a damaged token', async () => fresh('x.y.z'), 'unauthenticated', 'token_invalid'],
    ['a token of another installation', async () => fresh(await foreignToken()), 'unauthenticated', 'token_invalid'],
    [
      'an expired token',
      async () =>
        fresh(
          await host.host.tokens.issue({ subject: 's', roles: ['operator'], discom: 'd', organisation: '', participant: '' }, -1),
        ),
      'unauthenticated',
      'token_expired',
    ],
    ['a token without the role', async () => ({ as: await host.token('meter_source') }), 'forbidden', 'role_missing'],
  ])('%s is refused', async (_, options, kind, code) => {
    await expect(client().getSeries({ meterId: 'm' }, await options())).rejects.toMatchObject({ kind, code });
  });

  test('a refusal crosses with kind, code, field and words', async () => {
    const refused = await client()
      .getSeries({ meterId: 'refused' }, { discom: 'd' })
      .catch((error) => error);
    expect(refused).toBeInstanceOf(Refusal);
    expect(refused).toMatchObject({ kind: 'invalid', code: 'meter_unknown', field: 'meter_id', message: 'kein Zähler ₹' });
  });

  test('a bug does not tell its details, only where to look', async () => {
    const error = await client()
      .getSeries({ meterId: 'bug' }, { discom: 'd' })
      .catch((thrown) => thrown);
    expect(error).not.toBeInstanceOf(Refusal);
    expect(error.message).toContain('the log has more under request');
    expect(error.message).not.toContain('secret');
  });

  test('a database that goes away under a call makes the caller come back, and says why', async () => {
    await expect(client().getSeries({ meterId: 'database' }, { discom: 'BRPL' })).rejects.toMatchObject({
      kind: 'unavailable',
      code: 'dependency_away',
      message: expect.stringMatching(/PostgreSQL is stopping or starting .*waiting for it/),
    });
  });

  test('a deadline is kept, and the handler hears of it', async () => {
    await expect(client().getSeries({ meterId: 'slow' }, { discom: 'd', deadlineMs: 50 })).rejects.toMatchObject({
      code: 'deadline_exceeded',
    });
    await expect.poll(() => seen.caller?.signal.aborted).toBe(true);
  });

  test('a unary request of more than 4 MiB is refused, a stream of many megabytes is not', async () => {
    await expect(client().getSeries({ meterId: 'x'.repeat(5_000_000) }, { discom: 'd' })).rejects.toMatchObject({
      code: 'message_too_large',
    });
    const chunks = (async function* () {
      for (let i = 0; i < 30; i++) yield { chunk: new Uint8Array(1_000_000) };
    })();
    expect(await client().importReadings(chunks, { as: await host.token('operator') })).toMatchObject({ rows: 30n });
    const huge = (async function* () {
      yield { chunk: new Uint8Array(17 * 1024 * 1024) };
    })();
    await expect(client().importReadings(huge, { as: await host.token('operator') })).rejects.toMatchObject({
      code: 'message_too_large',
    });
  });

  test('many small messages do not stall', async () => {
    const chunks = (async function* () {
      for (let i = 0; i < 70_000; i++) yield { chunk: new Uint8Array(12) };
    })();
    expect(await client().importReadings(chunks, { as: await host.token('operator') })).toMatchObject({ rows: 70_000n });
  });

  test('a stream that is refused half-way stops the sender', async () => {
    let sent = 0;
    const endless = (async function* () {
      for (;;) yield { chunk: new Uint8Array(sent++ === 10 ? 0 : 1000) };
    })();
    await expect(client().importReadings(endless, { as: await host.token('operator') })).rejects.toMatchObject({
      code: 'chunk_empty',
    });
  });

  test('a reader that leaves ends the stream over there', async () => {
    let got = 0;
    for await (const { chunk } of client().exportReadings({ gzip: true }, { as: await host.token('operator') })) {
      got += chunk.length;
      if (got > 500_000) break;
    }
    await expect.poll(() => seen.exportEnded).toBe(true);
  });

  test('a stream gives what it has, then its refusal', async () => {
    const got: number[] = [];
    const read = async () => {
      for await (const { chunk } of client().exportReadings({}, { as: await host.token('operator') })) got.push(chunk.length);
    };
    await expect(read()).rejects.toMatchObject({ code: 'ran_dry' });
    expect(got).toEqual([1, 1, 1]);
  });

  test('the standard health service answers without a token', async () => {
    const channel = new Channel(host.host.grpcAddress, credentials.createInsecure());
    const check = (
      healthService as never as Record<
        string,
        { path: string; requestSerialize(v: unknown): Buffer; responseDeserialize(b: Buffer): { status: string } }
      >
    ).Check!;
    const answer = await new Promise((done, fail) =>
      channel.makeUnaryRequest(
        check.path,
        check.requestSerialize,
        check.responseDeserialize,
        { service: 'lachak.v1.Metering' },
        (error, response) => (error ? fail(error) : done(response)),
      ),
    );
    expect(answer).toMatchObject({ status: 'SERVING' });
    channel.close();
  });
});

async function foreignToken(): Promise<string> {
  const { mkdtempSync, rmSync } = await import('node:fs');
  const { openTokens } = await import('./auth.ts');
  const folder = mkdtempSync('/tmp/lachak-foreign-');
  try {
    return await (await openTokens(folder)).issue(
      { subject: 's', roles: ['operator'], discom: 'BRPL', organisation: '', participant: '' },
      1,
    );
  } finally {
    rmSync(folder, { recursive: true });
  }
}
