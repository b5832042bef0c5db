import type { Worker } from 'node:worker_threads';
import { create } from '@bufbuild/protobuf';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { RegistryChangedSchema } from '../../gen/lachak/v1/facts_pb.ts';
import { Metering } from '../../gen/lachak/v1/metering_pb.ts';
import { Register } from '../../gen/lachak/v1/types_pb.ts';
import type { Client } from '../host/room.ts';
import { type TestHost, testHost } from '../host/testing.ts';
import { openCrew } from './crew-service.ts';
import { noFindings } from './findings.ts';
import { readingsReader } from './reader.ts';
import { room } from './service.ts';
import { noSheet, rowsFrom } from './sheet.ts';

// Threads are processes of their own in all but memory: any of them may end at any moment, and nothing is lost.

const METERS = 400;
const SLOTS = 96;
const DAY = 86_400_000;
const START = Date.parse('2026-05-01T00:00:00+05:30');
const ids = Array.from({ length: METERS }, (_, n) => `m-${n}`);
const wh = (meter: number, at: number): number => 50 + ((meter * 31 + at * 7) % 400);
const stamp = (at: number): string => new Date(START + at * 900_000 + 19_800_000).toISOString().slice(0, 19);
/** Large enough to be read, and each of its days to be laid, in threads. */
const csvOf = (days: number): string =>
  [
    'meter_id,interval_start,import_wh',
    ...Array.from({ length: days * SLOTS }, (_, at) => ids.map((id, m) => `${id},${stamp(at)}+05:30,${wh(m, at)}`).join('\n')),
    '',
  ].join('\n');
async function* pieces(text: string, bytes = 1 << 16) {
  const all = Buffer.from(text);
  for (let at = 0; at < all.length; at += bytes) yield all.subarray(at, at + bytes);
}

/** Each thread that starts from here on is handed to `meet`; null = to nobody. */
function onThread(meet: ((thread: Worker) => void) | null): void {
  if (met !== null) process.off('worker', met);
  met = meet;
  if (meet !== null) process.on('worker', meet);
}
let met: ((thread: Worker) => void) | null = null;
afterEach(() => onThread(null));
/** In the middle of its work: it has started, and has been told what to do. */
const endIt = (thread: Worker): void => void thread.once('online', () => void thread.terminate());

describe('a file read beside', () => {
  it('is what the same reader finds here, and what spoils it refuses it, by line', async () => {
    const crew = openCrew(1);
    const text = csvOf(1).replace('m-7,', ',').replace('m-9,', 'm-9,x');
    const findings = noFindings();
    const here = readingsReader(findings, noSheet());
    here.push(Buffer.from(text));
    const wanted = here.end();
    const { file, found } = await crew.read(pieces(text, 12_345));
    expect(found).toEqual({ first: findings.first, counts: findings.counts });
    expect({ lines: file.lines, empty: file.empty }).toEqual({ lines: wanted.lines, empty: wanted.empty });
    expect(rowsFrom(file.sheet!, file.rows.meterIds)).toEqual(rowsFrom(wanted.sheet!, wanted.rows.meterIds));
    // What no sheet holds, a known_at of a row's own: as rows.
    const dated = `${text.replace('wh\n', 'wh,known_at\n').replaceAll(/(\d)\n/g, '$1,\n')}m-1,${stamp(SLOTS)}+05:30,7,2026-06-01T00:00Z\n`;
    const asRows = await crew.read(pieces(dated));
    expect([asRows.file.sheet, asRows.file.rows.count]).toEqual([null, wanted.sheet!.count + 1]);
    const spoilt = csvOf(1).replace(`m-30,${stamp(40)}+05:30`, `m-30,${stamp(40)}`);
    await expect(crew.read(pieces(spoilt))).rejects.toMatchObject({ name: 'Refusal', code: 'offset_missing', kind: 'invalid' });
    // What brings the pieces may fail as well.
    const torn = (async function* () {
      yield Buffer.from('meter_id,interval_start,import_wh\n');
      throw new Error('the line went dead');
    })();
    await expect(crew.read(torn)).rejects.toThrow('the line went dead');
    expect((await crew.read(pieces(text))).file.lines).toBe(wanted.lines);
    await crew.stop();
  });

  it('by a thread that ends is refused, and read by the next thread when it is sent again', async () => {
    const crew = openCrew(1);
    onThread(endIt);
    const text = csvOf(1);
    const refusal = { name: 'Refusal', kind: 'unavailable', code: 'reading_interrupted' };
    await expect(crew.read(pieces(text))).rejects.toMatchObject(refusal);
    onThread(null);
    expect((await crew.read(pieces(text))).file.lines).toBe(METERS * SLOTS);
    await crew.stop();
  });
});

describe('an import whose threads end in the middle', () => {
  let host: TestHost;
  let metering: Client<typeof Metering>;
  let as: { token: string; requestId: string };
  beforeAll(async () => {
    host = await testHost({ rooms: [room], clock: { start: START + 400 * DAY } });
    metering = host.connect(Metering);
    as = await host.token('operator');
    for (const discom of ['BRPL', 'OTHER']) {
      const records = ids.map((meterId, ordinal) => ({
        record: {
          case: 'meter' as const,
          value: {
            ...{ meterId, ordinal, shard: 1, connectionId: `c-${ordinal}`, intervalMinutes: 15 },
            ...{ registers: [Register.IMPORT], zone: 'Asia/Kolkata' },
          },
        },
      }));
      const value = create(RegistryChangedSchema, { records });
      await host.facts.publish('registry', { discom, key: discom, body: { case: 'registryChanged', value } });
    }
    await host.settled();
  });
  afterAll(() => host?.stop());

  const DAYS = [0, 1, 2, 3];
  const blocks = (commandId: string) =>
    DAYS.map((day) => ({
      ...{ commandId, startMs: BigInt(START + day * DAY), intervalMinutes: 15, slots: SLOTS, meterIds: ids },
      importWh: new Uint8Array(
        Int32Array.from({ length: METERS * SLOTS }, (_, at) => wh(Math.floor(at / SLOTS), day * SLOTS + (at % SLOTS))).buffer,
      ),
    }));
  const put = (commandId: string, token = as) =>
    metering.putReadings(
      (async function* () {
        yield* blocks(commandId);
      })(),
      { as: token, deadlineMs: 60_000 },
    );
  const roots = async (discom: string) =>
    (await metering.listTiles({ days: DAYS.map((day) => `2026-05-0${day + 1}`) }, { discom })).tiles.map(
      ({ day, version, merkleRoot }) => [day, version, merkleRoot],
    );

  it('is laid again by other threads; where those end too it is refused, nothing is stored, and the next one is taken', async () => {
    const ended: Worker[] = [];
    onThread((thread) => {
      ended.push(thread);
      endIt(thread);
    });
    await expect(put('all-end')).rejects.toMatchObject({ kind: 'unavailable', code: 'laying_interrupted' });
    expect(ended.length).toBeGreaterThan(1);
    expect(await roots('BRPL')).toEqual([]);
    // Only the first of them ends: nobody notices.
    let first = true;
    onThread((thread) => {
      if (first) endIt(thread);
      first = false;
    });
    expect(await put('all-end')).toMatchObject({ stored: BigInt(DAYS.length * METERS * SLOTS), repeatedCommand: false });
    expect(first).toBe(false);
    // What the same readings come to when no thread ends.
    const other = await host.token('operator', { discom: 'OTHER' });
    await put('undisturbed', other);
    expect(await roots('BRPL')).toEqual(await roots('OTHER'));
    expect(await roots('BRPL')).toHaveLength(DAYS.length);
  });
});
