import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { create, type MessageInitShape } from '@bufbuild/protobuf';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { ConsentSchema, EnrolmentRecordSchema, Purpose } from '../../gen/lachak/v1/enrolment_pb.ts';
import { ConsentWithdrawnSchema, RegistryChangedSchema } from '../../gen/lachak/v1/facts_pb.ts';
import { Metering } from '../../gen/lachak/v1/metering_pb.ts';
import type { Record as RegistryRecord } from '../../gen/lachak/v1/registry_pb.ts';
import { Register, SupplyState } from '../../gen/lachak/v1/types_pb.ts';
import { decodeTile, MISSING } from '../domain/tile.ts';
import type { Client } from '../host/room.ts';
import { type TestHost, testHost } from '../host/testing.ts';
import { room } from './service.ts';

const IST = '+05:30';
const START = Date.parse(`2026-05-10T00:00:00${IST}`);
const at = (text: string): bigint => BigInt(Date.parse(text));

let host: TestHost;
let metering: Client<typeof Metering>;
let operator: { token: string; requestId: string };

beforeAll(async () => {
  host = await testHost({ rooms: [room], clock: { start: START } });
  metering = host.connect(Metering);
  operator = await host.token('operator');
  await register('BRPL', [
    ...[1, 2, 3].map((n) => meter(`m-${n}`, n - 1)),
    meter('m-old', 3, { connectionId: 'c-3', factor: 10, source: 'head-end-1' }),
    ...[1, 2, 3].map((n) => connection(`c-${n}`, `p-${n}`, 'feeder-1')),
    { case: 'area', value: { areaId: 'feeder-1', parentId: 'zone-1' } },
    { case: 'area', value: { areaId: 'zone-1', parentId: '' } },
  ]);
  await register('OTHER', [meter('x-1', 0)]);
});
afterAll(async () => host?.stop());

describe('readings', () => {
  it('follow the worked example of ROOM.md', async () => {
    const page = readFileSync(new URL('./ROOM.md', import.meta.url), 'utf8');
    const csv = [...page.matchAll(/```csv\n([^`]*)```/g)].map((block) => block[1]!);
    const [first, report] = [csv[0]!, await send(csv[0]!)];
    expect(report).toMatchObject({ rows: 5n, stored: 3n, rejected: 2n, counts: { unknown_meter: 1n, off_grid: 1n } });
    expect(await send(gzipSync(first))).toMatchObject({ repeatedCommand: true, stored: 3n });
    await host.advanceTo(START + 3_600_000);
    expect(await send(csv[1]!)).toMatchObject({ rows: 2n, stored: 1n, unchanged: 1n });
    const told = [...page.matchAll(/as of (\S+) the slots are `([^`]*)`/g)];
    expect(told).toHaveLength(2);
    for (const [, asOf, slots] of told) {
      const { importWh } = await series('m-1', '2026-05-09', at(asOf!));
      expect(
        importWh
          .slice(0, 4)
          .map((wh) => wh ?? '–')
          .join(' '),
      ).toBe(slots);
    }
    const { tiles } = await metering.listTiles({ days: ['2026-05-09'] }, { discom: 'BRPL' });
    expect(tiles.map(({ delta, version }) => ({ delta, version }))).toEqual([
      { delta: false, version: 1 },
      { delta: true, version: 2 },
    ]);
    expect(decodeTile(readFileSync(join(host.folder, 'metering', tiles[0]!.path)), 'x').header.slots).toBe(48);
  });

  it('known earlier but delivered later do not override what was known later', async () => {
    const line = (wh: number, known: string): string => csvOf(`m-2,2026-05-08T10:00:00${IST},${wh},,VALID,${known}`);
    await send(line(500, '2026-05-09T12:00:00Z'));
    await send(line(400, '2026-05-09T06:00:00Z'));
    expect((await series('m-2', '2026-05-08', at('2026-05-09T06:00:00Z'))).importWh[20]).toBe(400);
    expect((await series('m-2', '2026-05-08', 0n)).importWh[20]).toBe(500);
    const { tiles } = await metering.listTiles({ days: ['2026-05-08'] }, { discom: 'BRPL' });
    expect(tiles.map((tile) => [tile.version, tile.delta])).toEqual([
      [2, false],
      [1, false],
    ]);
  });

  it('of one file with several known_at make one version each, and an export delivers the same state again', async () => {
    const rows = ['100,,VALID,2026-05-08T00:00:00Z', '110,,ESTIMATED,2026-05-09T00:00:00Z', ',,REJECTED,2026-05-09T01:00:00Z'];
    const report = await send(
      csvOf(
        ...rows.map((row) => `m-3,2026-05-07T00:00:00${IST},${row}`),
        `m-3,2026-05-07T00:30:00${IST},7,3,,2026-05-08T00:00:00Z`,
      ),
    );
    expect(report).toMatchObject({ stored: 3n, rejected: 1n, counts: { no_such_register: 1n } });
    const values = [];
    for (const known of ['2026-05-08T00:00:00Z', '2026-05-09T00:00:00Z', '2026-05-09T01:00:00Z'])
      values.push((await series('m-3', '2026-05-07', at(known))).importWh[0]);
    expect(values).toEqual([100, 110, null]);
    const text = await exported('2026-05-07');
    expect(text.trim().split('\n').slice(1)).toEqual([
      'm-3,2026-05-06T18:30:00.000Z,100,,VALID,2026-05-08T00:00:00.000Z',
      'm-3,2026-05-06T18:30:00.000Z,110,,ESTIMATED,2026-05-09T00:00:00.000Z',
      'm-3,2026-05-06T18:30:00.000Z,,,REJECTED,2026-05-09T01:00:00.000Z',
    ]);
    expect(await exported('2026-05-07')).toBe(text);
    expect(await exported()).toContain(text.slice(text.indexOf('\n') + 1));
    expect(await send(text)).toMatchObject({ stored: 0n, unchanged: 3n });
  });

  it('are refused whole when the file is damaged, and nothing of it is kept', async () => {
    const good = csvOf(...Array.from({ length: 500 }, (_, i) => `m-1,2026-05-06T00:00:00${IST},${(i * 7919) % 1000},,,`));
    const whole = gzipSync(good);
    await expect(send(whole.subarray(0, whole.length - 20))).rejects.toMatchObject({ code: 'gzip_damaged' });
    await expect(send('meter,time,wh\n')).rejects.toMatchObject({ code: 'wrong_header' });
    expect((await metering.listTiles({ days: ['2026-05-06'] }, { discom: 'BRPL' })).tiles).toEqual([]);
  });

  it('come as packed columns too, with the factor of the meter, from its own source only', async () => {
    const source = await host.token('meter_source', { subject: 'head-end-1' });
    const foreign = await host.token('meter_source', { subject: 'head-end-2' });
    const columns = {
      startMs: at(`2026-05-05T00:00:00${IST}`),
      intervalMinutes: 30,
      slots: 2,
      meterIds: ['m-old'],
      importWh: i32(3, MISSING),
    };
    expect(await metering.putReadings(one(columns), { as: foreign })).toMatchObject({
      stored: 0n,
      counts: { unknown_meter: 1n },
    });
    expect(await metering.putReadings(one(columns), { as: source })).toMatchObject({ stored: 1n, rows: 2n });
    expect((await series('m-old', '2026-05-05', 0n)).importWh.slice(0, 2)).toEqual([30, null]);
    await expect(metering.putReadings(one({ ...columns, intervalMinutes: 15 }), { as: source })).rejects.toMatchObject({
      code: 'interval_mismatch',
    });
    await expect(metering.putReadings(one({ ...columns, slots: 3 }), { as: source })).rejects.toMatchObject({
      code: 'columns_malformed',
    });
  });

  it('of a large day are laid in threads, and make the tile that a CSV makes, and one with every row for itself', async () => {
    const ids = Array.from({ length: 700 }, (_, n) => `m-${n}`);
    const discoms = ['PACKED', 'SHEET', 'ROWS'];
    const wh = (n: number, slot: number): number => (n * 7919 + slot * 104_729) % 1800;
    const startMs = at(`2026-05-03T00:00:00${IST}`);
    const known = new Date(host.clock.now()).toISOString();
    const lines = ids.flatMap((id, n) =>
      Array.from({ length: 48 }, (_, slot) =>
        [id, new Date(Number(startMs) + slot * 1_800_000).toISOString(), wh(n, slot)].join(),
      ),
    );
    const csv = `meter_id,interval_start,import_wh\n${lines.join('\n')}\n`;
    const rows = `meter_id,interval_start,import_wh,known_at\n${lines.map((line) => `${line},${known}`).join('\n')}\n`;
    const importWh = i32(...ids.flatMap((_, n) => Array.from({ length: 48 }, (_, slot) => wh(n, slot))));
    const made = [];
    for (const discom of discoms) {
      await register(
        discom,
        ids.map((id, n) => meter(id, n)),
      );
      const as = await host.token('operator', { discom });
      const report =
        discom === 'PACKED'
          ? await metering.putReadings(one({ startMs, intervalMinutes: 30, slots: 48, meterIds: ids, importWh }), { as })
          : await metering.importReadings(one({ chunk: Buffer.from(discom === 'SHEET' ? csv : rows) }), { as });
      expect(report).toMatchObject({ stored: 33_600n, rejected: 0n, days: ['2026-05-03'] });
      const { tiles } = await metering.listTiles({ days: ['2026-05-03'] }, { discom });
      expect(tiles).toMatchObject([{ meters: 700, version: 1, delta: false }]);
      made.push([tiles[0]!.digest, tiles[0]!.merkleRoot]);
    }
    expect(made[1]).toEqual(made[0]);
    expect(made[2]).toEqual(made[0]);
  });

  it('told twice make their own day rows, and come to what a file of rows comes to', async () => {
    const days = ['2026-05-02', '2026-05-03'];
    const first = Date.parse(`${days[0]}T00:00:00${IST}`);
    const known = new Date(host.clock.now()).toISOString();
    const lines = Array.from({ length: 2 * 48 * 30 }, (_, i) =>
      [`m-${i % 30}`, new Date(first + Math.floor(i / 30) * 1_800_000).toISOString(), (i * 7919) % 1800].join(),
    );
    // Again, the same; again, another value; and a third one.
    lines.splice(500, 0, lines[40]!, lines[41]!.replace(/\d+$/, '1801'));
    lines.push(lines[41]!.replace(/\d+$/, '1802'));
    const csv = `meter_id,interval_start,import_wh\n${lines.join('\n')}\n`;
    const rows = `meter_id,interval_start,import_wh,known_at\n${lines.map((line) => `${line},${known}`).join('\n')}\n`;
    const made = [];
    for (const [discom, text] of [
      ['AGAIN', csv],
      ['AGAIN-ROWS', rows],
    ] as const) {
      await register(
        discom,
        Array.from({ length: 30 }, (_, n) => meter(`m-${n}`, n)),
      );
      const as = await host.token('operator', { discom });
      const report = await metering.importReadings(one({ chunk: Buffer.from(text) }), { as });
      expect(report).toMatchObject({
        rows: 2883n,
        stored: 2880n,
        suspect: 1n,
        unchanged: 1n,
        rejected: 2n,
        counts: { duplicate: 2n },
      });
      const { tiles } = await metering.listTiles({ days }, { discom });
      expect(tiles).toHaveLength(2);
      made.push([report.findings, tiles.map(({ digest, merkleRoot }) => [digest, merkleRoot])]);
    }
    expect(made[1]).toEqual(made[0]);
  });

  it('have a meter-day digest with its hand-off, equal however they came', async () => {
    const row = (known: string): string => csvOf(`m-1,2026-05-04T00:00:00${IST},${known === '1' ? 5 : 6},,,`);
    const digest = async (): Promise<string> => {
      const { meterDays } = await metering.getMeterDays(
        {
          names: [
            { meterId: 'm-1', day: '2026-05-04' },
            { meterId: 'm-9', day: '2026-05-04' },
          ],
        },
        { discom: 'BRPL' },
      );
      expect(meterDays[1]!.digest).toBe('');
      return `${meterDays[0]!.digest} ${meterDays[0]!.handOff}`;
    };
    await send(row('1'), 'a.csv');
    const [before] = (await digest()).split(' ');
    await host.advanceTo(START + 2 * 3_600_000);
    await send(row('2'), 'b.csv');
    expect((await digest()).endsWith(' b.csv')).toBe(true);
    expect((await digest()).startsWith(before!)).toBe(false);
    await host.advanceTo(START + 3 * 3_600_000);
    await send(row('1').replace(',,,', ',,VALID,'), 'c.csv');
    expect(await digest()).toBe(`${before} c.csv`);
  });

  it('are as of any instant what a list of statements in known_at order says', async () => {
    const known = (hour: number): string => new Date(Date.parse('2026-05-09T00:00:00Z') + hour * 3_600_000).toISOString();
    const statement = fc.record({
      slot: fc.integer({ min: 0, max: 3 }),
      wh: fc.integer({ min: 0, max: 9 }),
      quality: fc.constantFrom('VALID', 'ESTIMATED', 'REJECTED'),
      hour: fc.integer({ min: 0, max: 3 }),
    });
    const file = fc.uniqueArray(statement, { selector: ({ slot, hour }) => slot * 4 + hour, minLength: 1, maxLength: 6 });
    let back = 0;
    await fc.assert(
      fc.asyncProperty(fc.array(file, { minLength: 1, maxLength: 4 }), async (files) => {
        const day = new Date(Date.UTC(2026, 2, 1) - 86_400_000 * back++).toISOString().slice(0, 10);
        // What repeats what is known by then says nothing; the rest holds in the order of known_at, then of arrival.
        const kept: (typeof files)[0] = [];
        const asOf = (slot: number, hour: number) => {
          const last = kept
            .filter((one) => one.slot === slot && one.hour <= hour)
            .reduce<(typeof kept)[0] | null>((a, b) => (a && a.hour > b.hour ? a : b), null);
          return last === null || last.quality === 'REJECTED' ? null : last;
        };
        for (const rows of files) {
          const lines = rows.map(({ slot, wh, quality, hour }) => {
            const start = `${day}T0${slot >> 1}:${slot % 2 ? '30' : '00'}:00${IST}`;
            return `m-1,${start},${wh},,${quality},${known(hour)}`;
          });
          await send(csvOf(...lines));
          for (const row of rows.toSorted((a, b) => a.hour - b.hour)) {
            const before = asOf(row.slot, row.hour);
            const same = row.quality === 'REJECTED' ? before === null : before?.wh === row.wh && before.quality === row.quality;
            if (!same) kept.push(row);
          }
        }
        for (let hour = 0; hour < 4; hour++) {
          const { importWh } = await series('m-1', day, at(known(hour)));
          expect(importWh.slice(0, 4)).toEqual([0, 1, 2, 3].map((slot) => asOf(slot, hour)?.wh ?? null));
        }
      }),
      { numRuns: 25 },
    );
  });

  it('that are zero on much of a feeder are doubted, unless the supply was off', async () => {
    const homes = [1, 2, 3, 4, 5, 6, 7, 8];
    await register('DARK', [
      ...homes.map((n) => meter(`d-${n}`, n - 1, { connectionId: `dc-${n}` })),
      ...homes.map((n) => connection(`dc-${n}`, `dp-${n}`, 'feeder-9')),
      { case: 'area', value: { areaId: 'feeder-9', parentId: '' } },
    ]);
    const as = await host.token('operator', { discom: 'DARK' });
    const importWh = i32(...homes.flatMap((n) => [300 + n, n <= 5 ? 0 : 310, 290, n <= 5 ? 0 : 305]));
    const columns = {
      startMs: at(`2026-05-09T10:00:00${IST}`),
      intervalMinutes: 30,
      slots: 4,
      meterIds: homes.map((n) => `d-${n}`),
      importWh,
    };
    const span = { startMs: at(`2026-05-09T11:30:00${IST}`), endMs: at(`2026-05-09T12:00:00${IST}`) };
    await metering.putSupply({ commandId: 'dark', spans: [{ areaId: 'feeder-9', span, state: SupplyState.OUTAGE }] }, { as });
    expect(await metering.putReadings(one(columns), { as })).toMatchObject({
      stored: 32n,
      suspect: 5n,
      counts: { unexplained_zero: 5n },
    });
    const { quality } = await metering.getSeries(
      { meterId: 'd-1', span: { startMs: columns.startMs, endMs: span.endMs } },
      { as },
    );
    expect([...quality]).toEqual([1, 4, 1, 1]);
  });

  it('report each stored version as a fact', async () => {
    await host.settled();
    const facts = (await host.facts.of('metering')).filter(
      ({ discom, body }) => discom === 'BRPL' && body.case === 'readingsReceived',
    );
    const { tiles } = await metering.listTiles({ days: ['2026-05-04', '2026-05-09'] }, { discom: 'BRPL' });
    const of = facts.map(({ body }) => body.value as { day: string; version: number; correction: boolean });
    for (const tile of tiles)
      expect(of.filter(({ day, version }) => day === tile.day && version === tile.version)).toHaveLength(1);
    expect(of.filter(({ day }) => day === '2026-05-04').map(({ correction }) => correction)).toEqual([false, true, true]);
  });

  it('belong to one DISCOM, and are seen by those whom they concern', async () => {
    expect(await send(csvOf(`x-1,2026-05-03T00:00:00${IST},5,,,`))).toMatchObject({ stored: 0n, counts: { unknown_meter: 1n } });
    await send(csvOf(`m-1,2026-05-03T00:00:00${IST},5,,,`));
    const span = { startMs: at(`2026-05-03T00:00:00${IST}`), endMs: at(`2026-05-04T00:00:00${IST}`) };
    const ask = (as: { token: string; requestId: string }) => metering.getSeries({ meterId: 'm-1', span }, { as });
    const sees = [await host.token('consumer', { participant: 'p-1' }), await host.token('verifier')];
    for (const as of sees) expect(new Int32Array(Uint8Array.from((await ask(as)).importWh).buffer)[0]).toBe(5);
    const blind = [
      await host.token('consumer', { participant: 'p-2' }),
      await host.token('cpo', { organisation: 'agg-2' }),
      await host.token('operator', { discom: 'OTHER' }),
    ];
    for (const as of blind) await expect(ask(as)).rejects.toMatchObject({ kind: 'not_found' });
    expect((await metering.listTiles({ days: ['2026-05-03'] }, { discom: 'OTHER' })).tiles).toEqual([]);
  });

  it('are shown to an organisation as far as the home shares them with it, and every look is kept', async () => {
    const days = ['2026-05-02', '2026-05-03', '2026-05-04'];
    await send(csvOf(...days.map((day) => `m-3,${day}T00:00:00${IST},7,,,`)));
    const given = { connectionId: 'c-3', participantId: 'p-3', programmeId: 'peak', readingsFromDay: '2026-05-03' };
    const consent = (consentId: string, more: MessageInitShape<typeof ConsentSchema>) =>
      tell({ case: 'consentGiven', value: create(ConsentSchema, { ...given, consentId, purpose: Purpose.READINGS, ...more }) });
    const looks = async (organisation: string) => {
      const as = await host.token('aggregator', { organisation, subject: `look-${organisation}` });
      const span = { startMs: at(`2026-05-02T00:00:00${IST}`), endMs: at(`2026-05-05T00:00:00${IST}`) };
      const { importWh } = await metering.getSeries({ meterId: 'm-3', span }, { as });
      const slots = new Int32Array(Uint8Array.from(importWh).buffer);
      return [0, 48, 96].map((slot) => (slots[slot] === MISSING ? null : slots[slot]));
    };
    const blind = { kind: 'not_found', code: 'meter_not_found' };

    await consent('control-only', { purpose: Purpose.CONTROL, organisationId: 'agg-3' });
    await expect(looks('agg-3')).rejects.toMatchObject(blind);
    await consent('mine', { organisationId: 'agg-3' });
    expect(await looks('agg-3')).toEqual([null, 7, 7]);
    await expect(looks('agg-4')).rejects.toMatchObject(blind);

    // Given to the DISCOM it reaches whoever has the home in that programme, and nobody who only says so.
    await consent('to-the-discom', {});
    await expect(looks('agg-4')).rejects.toMatchObject(blind);
    const row = { enrolmentId: 'e', connectionId: 'c-3', programmeId: 'peak', organisationId: 'agg-4' };
    await tell({ case: 'resourceEnrolled', value: create(EnrolmentRecordSchema, row) });
    expect(await looks('agg-4')).toEqual([null, 7, 7]);

    const withdrawnAtMs = at(`2026-05-04T00:00:00${IST}`);
    await tell({ case: 'consentWithdrawn', value: create(ConsentWithdrawnSchema, { consentId: 'mine', withdrawnAtMs }) });
    expect(await looks('agg-3')).toEqual([null, 7, null]);
    const kept = await (await host.database('metering')).query<{ subject: string; consent_ids: string[] }>(
      'select subject, consent_ids from reading_use where discom = $1 and meter_id = $2 order by use_id',
      ['BRPL', 'm-3'],
    );
    expect(kept.map(({ subject, consent_ids }) => [subject, ...consent_ids])).toEqual([
      ['look-agg-3'],
      ['look-agg-3', 'mine'],
      ['look-agg-4'],
      ['look-agg-4'],
      ['look-agg-4', 'to-the-discom'],
      ['look-agg-3', 'mine'],
    ]);
  });

  it('tell the typical load of like days, and say when they do not know', async () => {
    // Monday to Friday before Saturday the 9th: 1 kWh, 2 kWh … in the half hour from 18:00.
    await send(csvOf(...[27, 28, 29, 30].map((day, i) => `m-2,2026-04-${day}T18:00:00${IST},${(i + 1) * 1000},,,`)));
    const window = { startMs: at(`2026-05-01T18:00:00${IST}`), endMs: at(`2026-05-01T18:30:00${IST}`) };
    const { meanW, known } = await metering.getTypicalLoad({ meterIds: ['m-2', 'm-1'], window, days: 2 }, { as: operator });
    expect({ meanW, known }).toEqual({ meanW: [7000n, 0n], known: [true, false] });
  });

  it('left behind between file and commit are swept at the next start', async () => {
    const orphan = join(host.folder, 'metering', 'tiles', 'BRPL', '0', '2026-01-01');
    mkdirSync(orphan, { recursive: true });
    writeFileSync(join(orphan, '30m-1-00000000.tile'), 'torn');
    const before = await exported('2026-05-04');
    const { folder } = host;
    await host.host.stop();
    host = await testHost({ rooms: [room], clock: { start: START }, folder });
    metering = host.connect(Metering);
    expect(() => readFileSync(join(orphan, '30m-1-00000000.tile'))).toThrow(/ENOENT/);
    expect(await exported('2026-05-04')).toBe(before);
  });
});

describe('supply', () => {
  it('of an area reaches the connections below it, as known then, and the later word holds', async () => {
    const span = { startMs: at('2026-05-09T10:00:00Z'), endMs: at('2026-05-09T14:00:00Z') };
    const outage = {
      areaId: 'zone-1',
      span: { startMs: at('2026-05-09T11:00:00Z'), endMs: 0n },
      state: SupplyState.OUTAGE,
      knownAtMs: at('2026-05-09T11:05:00Z'),
    };
    const back = {
      connectionId: 'c-1',
      span: { startMs: at('2026-05-09T12:00:00Z'), endMs: 0n },
      state: SupplyState.ENERGISED,
      knownAtMs: at('2026-05-09T12:05:00Z'),
    };
    const nowhere = { ...back, connectionId: 'c-9' };
    expect(await metering.putSupply({ commandId: 's1', spans: [outage, back, nowhere] }, { as: operator })).toMatchObject({
      stored: 2n,
      counts: { unknown_place: 1n },
    });
    const told = async (asOfMs: bigint) =>
      (await metering.getSupply({ connectionIds: ['c-1', 'c-2'], span, asOfMs }, { as: operator })).spans.map(
        (one) =>
          `${one.connectionId} ${new Date(Number(one.span!.startMs)).getUTCHours()}–${new Date(Number(one.span!.endMs)).getUTCHours()}`,
      );
    expect(await told(0n)).toEqual(['c-1 11–12', 'c-2 11–14']);
    expect(await told(at('2026-05-09T11:30:00Z'))).toEqual(['c-1 11–14', 'c-2 11–14']);
    expect(await told(at('2026-05-09T11:00:00Z'))).toEqual([]);
    const csv =
      'connection_id_or_area,from,to,state,known_at\nc-2,2026-05-09T13:00:00Z,,ENERGISED,2026-05-09T13:05:00Z\nc-2,2026-05-09T13:00:00Z,,BROKEN,\n';
    expect(await metering.importSupply(one({ chunk: Buffer.from(csv) }), { as: operator })).toMatchObject({
      stored: 1n,
      rejected: 1n,
    });
    expect(await told(0n)).toEqual(['c-1 11–12', 'c-2 11–13']);
    await host.settled();
    expect(
      (await host.facts.of('metering')).filter(({ discom, body }) => discom === 'BRPL' && body.case === 'supplyReceived'),
    ).toHaveLength(3);
  });
});

async function* one<T>(message: T): AsyncGenerator<T> {
  yield message;
}
const csvOf = (...lines: string[]): string =>
  `meter_id,interval_start,import_wh,export_wh,quality,known_at\n${lines.join('\n')}\n`;
const i32 = (...values: number[]): Uint8Array => new Uint8Array(Int32Array.from(values).buffer);

async function send(file: string | Uint8Array, fileName = 'test.csv') {
  const bytes = typeof file === 'string' ? Buffer.from(file) : file;
  const half = Math.ceil(bytes.length / 2);
  async function* parts() {
    yield { fileName, chunk: bytes.subarray(0, half) };
    yield { chunk: bytes.subarray(half) };
  }
  return metering.importReadings(parts(), { as: operator });
}

async function series(meterId: string, day: string, asOfMs: bigint) {
  const span = { startMs: at(`${day}T00:00:00${IST}`), endMs: at(`${day}T00:00:00${IST}`) + 86_400_000n };
  const answer = await metering.getSeries({ meterId, span, asOfMs }, { as: operator });
  return {
    ...answer,
    importWh: [...new Int32Array(Uint8Array.from(answer.importWh).buffer)].map((wh) => (wh === MISSING ? null : wh)),
  };
}

async function exported(day?: string): Promise<string> {
  const span =
    day === undefined ? undefined : { startMs: at(`${day}T00:00:00${IST}`), endMs: at(`${day}T00:00:00${IST}`) + 86_400_000n };
  const parts: Uint8Array[] = [];
  for await (const { chunk } of metering.exportReadings(span ? { span } : {}, { discom: 'BRPL' })) parts.push(chunk);
  return Buffer.concat(parts).toString('utf8');
}

type Registered = RegistryRecord['record'];
const meter = (meterId: string, ordinal: number, over: object = {}): Registered =>
  ({
    case: 'meter',
    value: {
      meterId,
      ordinal,
      connectionId: `c-${ordinal + 1}`,
      registers: [Register.IMPORT],
      intervalMinutes: 30,
      zone: 'Asia/Kolkata',
      shard: 0,
      ...over,
    },
  }) as Registered;
const connection = (connectionId: string, participantId: string, areaId: string): Registered =>
  ({ case: 'connection', value: { connectionId, participantId, areaId, sanctionedLoadW: 5000n } }) as Registered;

async function tell(body: Parameters<TestHost['facts']['publish']>[1]['body']): Promise<void> {
  await host.facts.publish('enrolment', { discom: 'BRPL', key: 'c-3', body });
  await host.settled();
}

async function register(discom: string, records: readonly object[]): Promise<void> {
  const value = create(RegistryChangedSchema, { records: records.map((record) => ({ record })) as never });
  await host.facts.publish('registry', { discom, key: discom, body: { case: 'registryChanged', value } });
  await host.settled();
}
