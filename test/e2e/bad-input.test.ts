import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { request as httpRequest, type IncomingMessage } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { createGzip, gzipSync } from 'node:zlib';
import mqtt from 'mqtt';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { WebSocket } from 'ws';
import { Catalogue } from '../../gen/lachak/v1/catalogue_pb.ts';
import { Devices } from '../../gen/lachak/v1/devices_pb.ts';
import { Dispatch } from '../../gen/lachak/v1/dispatch_pb.ts';
import { HOUR, iso } from '../../services/domain/interval.ts';
import { type Evening, evening } from '../faults/evening.ts';
import { DISCOM, endServer, type House } from '../faults/house.ts';
import { tour } from '../faults/tour.ts';
import { at, PROGRAMME } from '../faults/town.ts';
import { storedIn } from './stored.ts';

// One running house, spoken to through its real doors. Whatever comes in: a code and a sentence go out, and what was stored is stored.
const folder = mkdtempSync(join(tmpdir(), 'lachak-bad-input-'));
const story: Evening = evening();
let house: House;
let base: string;
let source: string;
let before: string;

beforeAll(async () => {
  const upTo = story.acts.findIndex(({ name }) => name === 'connect');
  const plan = { folder, clockStart: at(6), faults: [], blows: [], devicesUp: () => 0 };
  ({ house } = await tour(story.acts.slice(0, upTo), plan));
  base = house.announced.get('console')!;
  source = (await house.as('meter_source')).as!.token;
  before = await storedIn(house);
});
afterAll(async () => {
  await house?.stop();
  endServer(folder);
  rmSync(folder, { recursive: true, force: true });
});

const HEADER = 'meter_id,interval_start,import_wh,export_wh\n';
const SLOT = iso(at(6));
const good = (meter: string, wh: string | number, stamp = SLOT) => `${meter},${stamp},${wh},\n`;
const csv = { 'content-type': 'text/csv' };
const gz = { 'content-type': 'application/gzip' };
const json = { 'content-type': 'application/json' };

type Answered = { readonly status: number; readonly body: { code?: string; detail?: string; [member: string]: unknown } };

async function post(path: string, headers: Record<string, string>, body: Buffer | string, token = source): Promise<Answered> {
  const answer = await fetch(base + path, { method: 'POST', headers: { ...headers, authorization: `Bearer ${token}` }, body });
  return { status: answer.status, body: (await answer.json()) as Answered['body'] };
}

/** Sends until the server has answered; one that refuses early need not hear the rest. */
function pour(path: string, headers: Record<string, string>, body: Readable): Promise<Answered> {
  return new Promise((done, fail) => {
    const call = httpRequest(base + path, { method: 'POST', headers: { ...headers, authorization: `Bearer ${source}` } });
    let answered = false;
    call.on('response', (answer: IncomingMessage) => {
      answered = true;
      let text = '';
      answer.on('data', (part) => {
        text += part;
      });
      answer.on('end', () => {
        call.destroy();
        done({ status: answer.statusCode ?? 0, body: JSON.parse(text) });
      });
    });
    call.on('error', (error) => (answered ? undefined : fail(error)));
    body.on('error', () => {}).pipe(call);
  });
}

/** `bytes` of one letter after a header, never a line end; plain, or as the gzip that a megabyte of it becomes. */
function oneLine(bytes: number, zipped: boolean): Readable {
  const part = Buffer.alloc(1024 * 1024, 'x');
  const parts = function* () {
    yield Buffer.from(HEADER);
    for (let sent = 0; sent < bytes; sent += part.length) yield part;
  };
  const source = Readable.from(parts(), { objectMode: false });
  return zipped ? source.pipe(createGzip()) : source;
}

/** The most memory the house held while `work` ran, above what it held before, bytes. */
async function grownBy(work: () => Promise<unknown>): Promise<number> {
  const resident = () => 1024 * Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${house.pid}/status`, 'utf8'))![1]);
  const start = resident();
  let most = start;
  const looking = setInterval(() => {
    most = Math.max(most, resident());
  }, 10);
  try {
    await work();
  } finally {
    clearInterval(looking);
  }
  return most - start;
}

describe('files of readings', () => {
  const whole = HEADER + good('m-1', 100) + good('m-2', 100);
  test.each<[why: string, headers: Record<string, string>, body: () => Buffer | string, code: string, words: string]>([
    ['a gzip cut off in the middle', gz, () => gzipSync(whole).subarray(0, 30), 'gzip_damaged', ''],
    ['a gzip that is none', gz, () => Buffer.from('\u001f\u008bnothing of the kind', 'latin1'), 'gzip_damaged', ''],
    ['a header of another table', csv, () => `meter,when,kwh\n${good('m-1', 1)}`, 'wrong_header', 'meter_id'],
    ['no header', csv, () => good('m-1', 1), 'wrong_header', 'meter_id'],
    ['nothing at all', csv, () => '', 'wrong_header', 'empty'],
    [
      'stamps of two kinds, one without a zone',
      csv,
      () => whole + good('m-3', 1, '2026-05-14T06:00:00'),
      'offset_missing',
      'line 4',
    ],
    ['JSON that says NaN', json, () => readings('NaN'), 'request_malformed', ''],
    ['JSON with a number in words', json, () => readings('"NaN"'), 'not_whole_wh', 'importWh'],
  ])('%s: refused whole', async (_why, headers, body, code, words) => {
    const answer = await post('/api/readings', headers, body());
    expect(answer.body.code).toBe(code);
    expect(answer.status).toBe(400);
    expect(answer.body.detail).toContain(words);
    expect(await storedIn(house)).toBe(before);
  });
  const readings = (wh: string) => `{"readings":[{"meterId":"m-1","start":"${SLOT}","intervalMinutes":30,"importWh":[${wh}]}]}`;

  test.each([
    ['NaN', 'not_a_number'],
    ['1e3', 'not_a_number'],
    ['-5', 'negative'],
    ['99999999999', 'out_of_range'],
  ])('an energy of %s: the line is named and counted, and not stored', async (wh, code) => {
    const answer = await post('/api/readings', csv, HEADER + good('m-1', wh));
    expect(answer.status).toBe(200);
    expect(answer.body).toMatchObject({ rejected: '1', counts: { [code]: '1' }, findings: [{ line: '2', code }] });
    expect(answer.body.stored ?? '0').toBe('0');
    expect(await storedIn(house)).toBe(before);
  });

  test.each([
    ['off the grid', good('m-1', 1, iso(at(6, 7))), 'off_grid'],
    ['tomorrow', good('m-1', 1, iso(at(30))), 'future'],
    ['of a meter nobody knows', good('m-99', 1), 'unknown_meter'],
  ])('a reading %s is named and not stored', async (_why, line, code) => {
    const answer = await post('/api/readings', csv, HEADER + line);
    expect(answer.body).toMatchObject({ rejected: '1', counts: { [code]: '1' } });
    expect(await storedIn(house)).toBe(before);
  });

  test.each([
    ['plain', csv, false],
    ['as a gzip of one megabyte', gz, true],
  ])('a line of 1 GB, %s, is refused in bounded memory', async (_why, headers, zipped) => {
    const grown = await grownBy(async () => {
      const answer = await pour('/api/readings', headers, oneLine(1024 ** 3, zipped));
      expect(answer).toMatchObject({ status: 400, body: { code: 'line_too_long' } });
    });
    expect(grown).toBeLessThan(200 * 1024 * 1024);
    expect(await storedIn(house)).toBe(before);
  });

  test('a JSON body of 100 MB is refused in bounded memory', async () => {
    const grown = await grownBy(async () => {
      const answer = await post('/api/readings', json, Buffer.alloc(100 * 1024 * 1024, ' '));
      expect(answer).toMatchObject({ status: 413, body: { code: 'body_too_large' } });
    });
    expect(grown).toBeLessThan(200 * 1024 * 1024);
  });
});

describe('commands', () => {
  const schedule = (startMs: number, endMs: number) =>
    ({
      commandId: `${startMs}-${endMs}`,
      programmeId: PROGRAMME,
      window: { startMs: BigInt(startMs), endMs: BigInt(endMs) },
    }) as const;
  const dispatch = () => house.connect(Dispatch);
  const tomorrow = at(24 + 18);
  test.each<[why: string, call: () => Promise<unknown>, code: string, words: string]>([
    [
      'an event that ends before it starts',
      async () => dispatch().scheduleEvent(schedule(tomorrow, tomorrow - HOUR), await house.as('operator')),
      'window_empty',
      'after it starts',
    ],
    [
      'an event off the grid: the nearest window is told',
      async () => dispatch().scheduleEvent(schedule(tomorrow + 420_000, tomorrow + HOUR), await house.as('operator')),
      'window_off_grid',
      'nearest',
    ],
    [
      'an unknown preset: the likely one is told',
      async () =>
        house
          .connect(Catalogue)
          .publishProgramme(
            { commandId: 'x', programmeId: 'x', name: 'X', preset: 'residential-10in10' },
            await house.as('operator'),
          ),
      'preset_unknown',
      'residential-10of10',
    ],
    [
      'a token without the role',
      async () =>
        dispatch().scheduleEvent(schedule(tomorrow, tomorrow + HOUR), await house.as('consumer', { participant: 'p-1' })),
      'role_missing',
      'operator',
    ],
    [
      'a token of another DISCOM: there is no such programme',
      async () => dispatch().scheduleEvent(schedule(tomorrow, tomorrow + HOUR), await house.as('operator', { discom: 'TPDDL' })),
      'programme_unknown',
      PROGRAMME,
    ],
    [
      'a message of 8 MB',
      async () =>
        house
          .connect(Catalogue)
          .publishProgramme({ commandId: 'y', programmeId: 'y', name: 'Y'.repeat(8_000_000) }, await house.as('operator')),
      'message_too_large',
      'bytes',
    ],
  ])('%s', async (_why, call, code, words) => {
    const refusal = await call().then(
      () => null,
      (error) => error,
    );
    expect(refusal).toMatchObject({ code });
    expect(refusal.message).toContain(words);
    expect(await storedIn(house)).toBe(before);
  });
});

describe('devices', () => {
  const seen = async () => {
    const { devices } = await house.connect(Devices).listDevices({}, await house.as('operator'));
    return devices.map(({ deviceId, powerW, powerAtMs, seenAtMs }) => [deviceId, powerW, powerAtMs, seenAtMs].join(' '));
  };
  const account = (user: string, clientId: string) => ({
    username: `${DISCOM}/${user}`,
    clientId,
    password: story.acknowledged.devices.get('d-1')!,
    reconnectPeriod: 0,
  });

  test('one that publishes as another is cut off, and the other one said nothing', async () => {
    const untouched = (await seen()).filter((line) => !line.startsWith('d-1'));
    const client = await mqtt.connectAsync(house.announced.get('mqtt')!, account('d-1', 'd-1'));
    const cut = new Promise<void>((done) => client.once('close', done));
    client.on('error', () => {});
    client.publish(`flex/v1/${DISCOM}/d-2/telemetry`, JSON.stringify({ ts: iso(at(9)), powerW: 9999, seq: 1 }), { qos: 1 });
    await cut;
    client.end(true);
    expect((await seen()).filter((line) => !line.startsWith('d-1'))).toEqual(untouched);
    expect(await storedIn(house)).toBe(before);
  });

  test.each([
    ['logs in as another', 'd-2', 'd-2'],
    ['takes the client id of another', 'd-1', 'd-2'],
    ['logs in as the room itself', '../lachak', 'lachak'],
  ])('one that %s is not let in', async (_why, user, clientId) => {
    const client = mqtt.connect(house.announced.get('mqtt')!, account(user, clientId));
    const refused = await new Promise<Error & { code?: number }>((done) => client.once('error', done as never));
    client.end(true);
    expect(refused.message).toContain('Not authorized');
  });

  test('a charger that sends no JSON is told so, and goes on being heard', async () => {
    const secret = story.acknowledged.devices.get('d-3')!;
    const socket = new WebSocket(`${house.announced.get('ocpp')}/d-3`, 'ocpp1.6', {
      headers: { authorization: `Basic ${Buffer.from(`d-3:${secret}`).toString('base64')}` },
    });
    await new Promise((done, fail) => socket.once('open', done).once('error', fail));
    const answer = (text: string, id: string) =>
      new Promise<unknown[]>((done) => {
        const listen = (raw: Buffer) => {
          const frame = JSON.parse(raw.toString()) as unknown[];
          if (frame[1] !== id || frame[0] === 2) return;
          socket.off('message', listen);
          done(frame);
        };
        socket.on('message', listen);
        socket.send(text);
      });
    expect(await answer('{"this is": no frame', '-1')).toEqual([4, '-1', 'FormationViolation', 'not JSON', {}]);
    expect(await answer('[2,"17","Heartbeat",{}]', '17')).toMatchObject([3, '17', { currentTime: expect.any(String) }]);
    socket.terminate();
    expect(await storedIn(house)).toBe(before);
  });
});
