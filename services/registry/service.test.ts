import { readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { ImportMode, Registry } from '../../gen/lachak/v1/registry_pb.ts';
import type { Role } from '../host/room.ts';
import { type TestHost, testHost } from '../host/testing.ts';
import { room } from './service.ts';

// LACHAK_TEST_ROWS=100000 for the time a state's import takes.
const MANY = Number(process.env.LACHAK_TEST_ROWS ?? 20_000);
const START = Date.parse('2026-05-01T00:00:00Z');
const { ALL_OR_NONE, KEEP_GOOD } = ImportMode;
const roomNote = readFileSync(new URL('./ROOM.md', import.meta.url), 'utf8');
const example = [...roomNote.matchAll(/```csv (\w+)\n([\s\S]*?)```/g)].map(([, table, text]) => ({ table: table!, text: text! }));

let host: TestHost;
beforeAll(async () => {
  host = await testHost({ rooms: [room], clock: { start: START } });
});
afterAll(() => host?.stop());

const registry = () => host.connect(Registry);
const as = async (
  role: Role,
  whose: { discom?: string; organisation?: string; participant?: string; subject?: string } = {},
) => ({
  as: await host.token(role, whose),
});
let commands = 0;
const commandId = () => `command-${++commands}`;

async function* fileOf(table: string, text: string, mode: ImportMode, id: string) {
  const bytes = new TextEncoder().encode(text);
  yield { commandId: id, table, mode };
  for (let at = 0; at < bytes.length; at += 1000) yield { chunk: bytes.subarray(at, at + 1000) };
}
const importCsv = async (discom: string, table: string, text: string, mode = ALL_OR_NONE, id = commandId()) =>
  registry().importCsv(fileOf(table, text, mode, id), await as('operator', { discom }));

/** Sunita's home of ROOM.md, in a DISCOM of the test's own. */
async function home(discom: string): Promise<void> {
  for (const { table, text } of example) {
    const { findings } = await importCsv(discom, table, text);
    expect(findings).toEqual([]);
  }
}
const noon = BigInt(Date.parse('2026-04-10T06:30:00Z'));

describe('A home as of an instant', () => {
  test('The worked example of ROOM.md holds', async () => {
    await home('EXAMPLE');
    const operator = await as('operator', { discom: 'EXAMPLE' });
    const view = await registry().getSettlementPoint({ settlementPointId: 'sp-1' }, operator);
    expect(view.meters.map(({ meterId, dated }) => [meterId, dated!.toMs])).toEqual([
      ['m-old', noon],
      ['m-new', 0n],
    ]);
    expect(view.meters[1]!.dated!.fromMs).toBe(noon);
    expect(view.areaPath).toEqual(['f-12', 'ss-7']);
    expect(view.resources.map(({ kind, protocol }) => `${kind} ${protocol}`)).toEqual(['AC ', 'BEHAVIOURAL notice']);
    expect(view.connection).toMatchObject({ participantId: 'sunita', sanctionedLoadW: 5000n });
    expect(view.meters.map(({ shard, ordinal }) => [shard, ordinal])).toEqual([
      [1, 0],
      [1, 1],
    ]);
  });

  test('The occupant is who held the connection then', async () => {
    await home('MOVES');
    const operator = await as('operator', { discom: 'MOVES' });
    const moved = BigInt(START - 86_400_000);
    const records = [
      { record: { case: 'participant', value: { participantId: 'arjun', kind: 'HOUSEHOLD' } } },
      {
        record: {
          case: 'connection',
          value: {
            connectionId: 'c-1',
            participantId: 'arjun',
            areaId: 'f-12',
            tariffCategory: 'DOMESTIC',
            sanctionedLoadW: 5000n,
            dated: { fromMs: moved },
          },
        },
      },
    ] as const;
    expect(await registry().register({ commandId: commandId(), records: [...records] }, operator)).toMatchObject({
      accepted: 2n,
      refused: 0n,
    });
    const occupant = async (atMs: bigint) =>
      (await registry().getSettlementPoint({ settlementPointId: 'sp-1', atMs }, operator)).connection?.participantId;
    expect(await occupant(moved - 1n)).toBe('sunita');
    expect(await occupant(moved)).toBe('arjun');
    const arjun = await as('consumer', { discom: 'MOVES', participant: 'arjun' });
    const sunita = await as('consumer', { discom: 'MOVES', participant: 'sunita' });
    expect((await registry().getSettlementPoint({ settlementPointId: 'sp-1' }, arjun)).resources).toHaveLength(2);
    await expect(registry().getSettlementPoint({ settlementPointId: 'sp-1' }, sunita)).rejects.toMatchObject({
      kind: 'not_found',
    });
    const listed = await registry().listRecords({ table: 'connections', atMs: moved - 1n, areaId: 'ss-7' }, operator);
    expect(listed.records.map(({ record }) => record.case === 'connection' && record.value.participantId)).toEqual(['sunita']);
  });

  test('Facts carry every state that began or ended, and no particulars', async () => {
    await home('FACTS');
    await host.settled();
    const facts = (await host.facts.of('registry')).filter(({ discom }) => discom === 'FACTS');
    expect(new Set(facts.map(({ key }) => key))).toEqual(new Set(['FACTS']));
    const records = facts.flatMap(({ body }) => (body.case === 'registryChanged' ? body.value.records : []));
    const states = records.flatMap(({ record }) =>
      record.case === 'meter'
        ? [`${record.value.meterId} ${record.value.dated!.toMs} ${record.value.shard}/${record.value.ordinal}`]
        : [],
    );
    expect(states).toEqual([`m-old ${noon} 1/0`, 'm-new 0 1/1']);
    expect(records.every(({ record }) => record.case !== 'participant' || record.value.person === undefined)).toBe(true);
    const rows = await (await host.database('registry')).query<{ fact: Uint8Array }>('select fact from outbox');
    expect(rows.some(({ fact }) => Buffer.from(fact).includes('Sharma'))).toBe(false);
  });
});

describe('Bulk import', () => {
  const bad = `area_id,kind,name,parent_id
z-1,ZONE,North,
f-1,FEEDRE,Misspelt,z-1
f-2,FEEDER,"Open,z-1
f-3,FEEDER,Orphan,z-9
f-4,FEEDER,Good,z-1
f-4,FEEDER,Twice,z-1
bad id,FEEDER,,z-1
`;
  const findings = [
    [3, 'kind', 'word_unknown'],
    [4, '', 'quote_open'],
    [5, 'parent_id', 'reference_unknown'],
    [7, '', 'repeated_in_file'],
    [8, 'area_id', 'id_malformed'],
  ];
  const told = (response: { findings: { line: bigint; column: string; code: string }[] }) =>
    response.findings.map(({ line, column, code }) => [Number(line), column, code]);
  const areas = async (discom: string) =>
    (await registry().listRecords({ table: 'areas' }, await as('operator', { discom }))).records.map(
      ({ record }) => record.case === 'area' && record.value.areaId,
    );

  test('ALL_OR_NONE keeps nothing of a bad file, and the corrected file may carry the same command id', async () => {
    const response = await importCsv('NONE', 'areas', bad, ALL_OR_NONE, 'areas-1');
    expect(told(response)).toEqual(findings);
    expect(response).toMatchObject({ accepted: 0n, unchanged: 0n, refused: 5n });
    expect(await areas('NONE')).toEqual([]);
    const good = 'area_id,kind\nz-1,ZONE\n';
    expect(await importCsv('NONE', 'areas', good, ALL_OR_NONE, 'areas-1')).toMatchObject({
      accepted: 1n,
      repeatedCommand: false,
    });
    expect(await importCsv('NONE', 'areas', good, ALL_OR_NONE, 'areas-1')).toMatchObject({ accepted: 1n, repeatedCommand: true });
    await expect(importCsv('NONE', 'areas', bad, ALL_OR_NONE, 'areas-1')).rejects.toMatchObject({ code: 'id_reused' });
    expect(await importCsv('NONE', 'areas', good)).toMatchObject({ accepted: 0n, unchanged: 1n });
  });

  test('KEEP_GOOD keeps the good lines and tells the same findings', async () => {
    const response = await importCsv('GOOD', 'areas', bad, KEEP_GOOD);
    expect(told(response)).toEqual(findings);
    expect(response).toMatchObject({ accepted: 2n, refused: 5n });
    expect(await areas('GOOD')).toEqual(['f-4', 'z-1']);
  });

  const wrong: [table: string, text: string | Uint8Array, code: string, reason: string][] = [
    ['homes', 'a\n', 'table_unknown', 'no such table'],
    ['areas', '', 'header_malformed', 'an empty file'],
    ['areas', 'area,kind\n', 'column_unknown', 'a wrong header'],
    ['areas', `${'x'.repeat(100_000)}\n`, 'header_malformed', 'a header without end'],
    ['areas', new Uint8Array([0x1f, 0x8b, 0x08, 0x00]), 'file_not_utf8', 'a packed file'],
  ];
  test.each(wrong)('%s %# is refused: %s', async (table, text, code) => {
    const content = typeof text === 'string' ? new TextEncoder().encode(text) : text;
    const file = async function* () {
      yield { commandId: commandId(), table, chunk: content };
    };
    await expect(registry().importCsv(file(), await as('operator'))).rejects.toMatchObject({ code });
  });

  test('An area cannot hang below itself', async () => {
    await importCsv('ROUND', 'areas', 'area_id,kind,parent_id\na,ZONE,\nb,ZONE,a\n');
    const response = await importCsv('ROUND', 'areas', 'area_id,kind,parent_id,from\na,ZONE,b,2026-06-01T00:00:00Z\n', KEEP_GOOD);
    expect(told(response)).toEqual([[2, 'parent_id', 'area_circle']]);
  });

  const conflicts: [table: string, text: string, code: string, reason: string][] = [
    [
      'meters',
      'meter_id,connection_id,interval_minutes,from\nm-9,c-1,30,2025-06-01T00:00:00Z\n',
      'connection_has_meter',
      'inside the old meter’s closed link',
    ],
    [
      'meters',
      'meter_id,connection_id,interval_minutes,from\nm-new,c-1,15,2026-06-01T00:00:00Z\n',
      'meter_grid_fixed',
      'a shard never mixes grids',
    ],
    ['meters', 'meter_id,connection_id,interval_minutes,zone\nm-9,c-1,30,Asia/Dilli\n', 'zone_unknown', 'no such zone'],
    ['meters', 'meter_id,connection_id,interval_minutes\nm-9,c-9,30\n', 'reference_unknown', 'no such connection'],
    ['settlement_points', 'settlement_point_id,connection_id\nsp-2,c-1\n', 'settlement_point_taken', 'one register, one credit'],
    [
      'settlement_points',
      'settlement_point_id,connection_id,sub_meter_id\nsp-2,c-1,m-old\n',
      'sub_meter_elsewhere',
      'the home’s own meter is no sub-meter',
    ],
    ['resources', 'resource_id,settlement_point_id,kind,rated_w\nr-9,sp-1,ac,1\n', 'kind_malformed', 'kinds are upper case'],
    [
      'resources',
      'resource_id,settlement_point_id,kind,rated_w,device_id\nr-9,sp-1,BEHAVIOURAL,0,d-1\n',
      'device_behavioural',
      'people are no device',
    ],
    [
      'connections',
      'connection_id,participant_id,area_id,tariff_category,sanctioned_load_w\nc-1,sunita,f-12,DOMESTIC,9000\n',
      'link_contradicts',
      'two words for one instant',
    ],
    [
      'connections',
      'connection_id,participant_id,area_id,tariff_category,sanctioned_load_w\nc-2,sunita,f-12,DOMESTIC,5000000000000\n',
      'power_implausible',
      'milliwatts',
    ],
  ];
  test('What contradicts the registry is a finding', async () => {
    await home('CONFLICTS');
    for (const [table, text, code, reason] of conflicts) {
      expect([reason, told(await importCsv('CONFLICTS', table, text)).map((finding) => finding[2])]).toEqual([reason, [code]]);
    }
  });

  test('20,000 connections come in with one command, each meter with a place of its own', async () => {
    const lines = (header: string, line: (i: number) => string) =>
      `${header}\n${Array.from({ length: MANY }, (_, i) => line(i)).join('\n')}\n`;
    const discom = 'LARGE';
    await importCsv(discom, 'areas', 'area_id,kind\nf,FEEDER\n');
    await importCsv(discom, 'participants', 'participant_id,kind\np,HOUSEHOLD\n');
    const header = 'connection_id,participant_id,area_id,tariff_category,sanctioned_load_w';
    const began = performance.now();
    expect(
      await importCsv(
        discom,
        'connections',
        lines(header, (i) => `c-${i},p,f,DOMESTIC,5000`),
      ),
    ).toMatchObject({ accepted: BigInt(MANY), findings: [] });
    const connections = performance.now();
    expect(
      await importCsv(
        discom,
        'meters',
        lines('meter_id,connection_id,interval_minutes', (i) => `m-${i},c-${i},30`),
      ),
    ).toMatchObject({ accepted: BigInt(MANY) });
    if (process.env.LACHAK_TEST_ROWS)
      console.log(`connections ${connections - began} ms, meters ${performance.now() - connections} ms`);
    const places = await (await host.database('registry')).query<{ shard: number; meters: bigint; last: number }>(
      'select shard, count(distinct ordinal) as meters, max(ordinal) as last from ordinal where discom = $1 group by shard order by shard',
      [discom],
    );
    expect(places).toHaveLength(Math.ceil(MANY / 4096));
    expect(places[0]).toEqual({ shard: 1, meters: 4096n, last: 4095 });
    expect(places.reduce((sum, { meters }) => sum + meters, 0n)).toBe(BigInt(MANY));
  });
});

describe('Who registers and who sees', () => {
  const resource = (value: Record<string, unknown>) => ({
    record: { case: 'resource' as const, value: { settlementPointId: 'sp-1', kind: 'AC', ratedW: 900n, ...value } },
  });

  test('An aggregator registers its own resources, sees what it runs them at, and nothing else', async () => {
    const discom = 'AGGREGATORS';
    await home(discom);
    const operator = await as('operator', { discom });
    const organisation = (organisationId: string) => ({
      record: { case: 'organisation' as const, value: { organisationId, name: organisationId, kind: 'AGGREGATOR' } },
    });
    await registry().register({ commandId: commandId(), records: [organisation('cool'), organisation('rival')] }, operator);
    const cool = await as('aggregator', { discom, organisation: 'cool' });
    const rival = await as('aggregator', { discom, organisation: 'rival' });
    const codes = async (who: typeof cool, records: ReturnType<typeof resource>[]) =>
      (await registry().register({ commandId: commandId(), records, mode: KEEP_GOOD }, who)).findings.map(({ code }) => code);

    expect(await codes(cool, [resource({ resourceId: 'r-cool' })])).toEqual([]);
    expect(await codes(cool, [resource({ resourceId: 'r-x', organisationId: 'rival' })])).toEqual(['not_yours']);
    expect(await codes(cool, [organisation('more') as never])).toEqual(['not_yours']);
    expect(await codes(rival, [resource({ resourceId: 'r-cool', dated: { fromMs: BigInt(START) } })])).toEqual([
      'resource_id_taken',
    ]);
    expect(await codes(rival, [resource({ resourceId: 'r-ac', dated: { fromMs: BigInt(START) } })])).toEqual([
      'resource_id_taken',
    ]);

    const seen = async (who: typeof cool, table: string) => (await registry().listRecords({ table }, who)).records.length;
    const counts = async (who: typeof cool) =>
      Object.fromEntries(
        await Promise.all(
          ['participants', 'connections', 'meters', 'settlement_points', 'resources', 'organisations'].map(async (table) => [
            table,
            await seen(who, table),
          ]),
        ),
      );
    expect(await counts(cool)).toEqual({
      participants: 1,
      connections: 1,
      meters: 1,
      settlement_points: 1,
      resources: 1,
      organisations: 1,
    });
    expect(await counts(rival)).toEqual({
      participants: 0,
      connections: 0,
      meters: 0,
      settlement_points: 0,
      resources: 0,
      organisations: 1,
    });
    expect(
      (await registry().getSettlementPoint({ settlementPointId: 'sp-1' }, cool)).resources.map(({ resourceId }) => resourceId),
    ).toEqual(['r-cool']);
    await expect(registry().getSettlementPoint({ settlementPointId: 'sp-1' }, rival)).rejects.toMatchObject({
      kind: 'not_found',
    });
    // To register a resource at somebody's meter is nobody's consent to be told their name and address.
    await expect(registry().getPerson({ participantId: 'sunita', purpose: 'advertising' }, cool)).rejects.toMatchObject({
      code: 'role_missing',
    });
    const nobody = await as('aggregator', { discom });
    await expect(registry().listRecords({ table: 'resources' }, nobody)).rejects.toMatchObject({ code: 'scope_missing' });
    await expect(codes(nobody, [resource({ resourceId: 'r-none' })])).rejects.toMatchObject({ code: 'scope_missing' });
  });

  test('Another DISCOM sees nothing, whatever it asks', async () => {
    await home('OURS');
    const theirs = await as('operator', { discom: 'THEIRS' });
    for (const table of ['areas', 'participants', 'connections', 'meters', 'settlement_points', 'resources']) {
      expect((await registry().listRecords({ table }, theirs)).records).toEqual([]);
    }
    await expect(registry().getSettlementPoint({ settlementPointId: 'sp-1' }, theirs)).rejects.toMatchObject({
      kind: 'not_found',
    });
    await expect(registry().getPerson({ participantId: 'sunita', purpose: 'curiosity' }, theirs)).rejects.toMatchObject({
      kind: 'not_found',
    });
    await expect(registry().erasePerson({ commandId: commandId(), participantId: 'sunita' }, theirs)).rejects.toMatchObject({
      kind: 'not_found',
    });
    expect((await registry().getLeafSalts({ participantIds: ['sunita'] }, { discom: 'THEIRS' })).salts).toEqual({});
    const unknown = await registry().register({ commandId: commandId(), records: [resource({ resourceId: 'r-1' })] }, theirs);
    expect(unknown.findings.map(({ code }) => code)).toEqual(['reference_unknown']);
  });

  test('Lists come page by page, by prefix, by area with all below it', async () => {
    await home('LISTS');
    const operator = await as('operator', { discom: 'LISTS' });
    const first = await registry().listRecords({ table: 'resources', page: { size: 1 } }, operator);
    expect(first.nextPageToken).toBe('r-ac');
    const second = await registry().listRecords({ table: 'resources', page: { size: 1, token: first.nextPageToken } }, operator);
    expect(second).toMatchObject({ nextPageToken: '', records: [{ record: { value: { resourceId: 'r-home' } } }] });
    const count = async (query: { table: string; areaId?: string; search?: string; atMs?: bigint }) =>
      (await registry().listRecords(query, operator)).records.length;
    expect(await count({ table: 'resources', search: 'r-a' })).toBe(1);
    for (const table of ['resources', 'participants', 'settlement_points', 'meters', 'connections']) {
      expect([table, await count({ table, areaId: 'ss-7' })]).toEqual([table, table === 'resources' ? 2 : 1]);
      expect([table, await count({ table, areaId: 'elsewhere' })]).toEqual([table, 0]);
    }
    expect(await count({ table: 'areas', areaId: 'ss-7' })).toBe(2);
    expect(await count({ table: 'meters', atMs: 1n })).toBe(0);
  });
});

describe('Persons', () => {
  test('Particulars are sealed, looks are kept, and erasing is for ever', async () => {
    const discom = 'PERSONS';
    await home(discom);
    const operator = await as('operator', { discom, subject: 'asha' });
    const database = await host.database('registry');
    const sealed = await database.query<{ particulars: Uint8Array }>('select particulars from person where discom = $1', [
      discom,
    ]);
    expect(Buffer.from(sealed[0]!.particulars).includes('Sharma')).toBe(false);
    expect((await registry().getPerson({ participantId: 'sunita', purpose: 'bill question' }, operator)).name).toBe(
      'Sharma, Sunita',
    );
    await expect(registry().getPerson({ participantId: 'sunita', purpose: ' ' }, operator)).rejects.toMatchObject({
      code: 'purpose_missing',
    });
    expect(
      await database.query('select participant_id, subject, purpose, at_ms from person_audit where discom = $1', [discom]),
    ).toEqual([{ participant_id: 'sunita', subject: 'asha', purpose: 'bill question', at_ms: BigInt(START) }]);

    const salts = async () => (await registry().getLeafSalts({ participantIds: ['sunita', 'nobody'] }, { discom })).salts;
    const before = await salts();
    expect(Object.keys(before)).toEqual(['sunita']);
    expect(before.sunita).toHaveLength(32);
    expect(await salts()).toEqual(before);
    expect(await importCsv(discom, 'participants', 'participant_id,kind,name\nsunita,HOUSEHOLD,S. Sharma\n')).toMatchObject({
      accepted: 1n,
    });
    expect(await salts()).toEqual(before);

    const erase = { commandId: commandId(), participantId: 'sunita' };
    expect(await registry().erasePerson(erase, operator)).toMatchObject({ id: 'sunita', repeatedCommand: false });
    expect(await registry().erasePerson(erase, operator)).toMatchObject({ id: 'sunita', repeatedCommand: true });
    expect(await salts()).toEqual({});
    await expect(registry().getPerson({ participantId: 'sunita', purpose: 'bill question' }, operator)).rejects.toMatchObject({
      code: 'person_erased',
    });
    const again = await importCsv(discom, 'participants', 'participant_id,kind,name\nsunita,HOUSEHOLD,S. Sharma\n');
    expect(again.findings.map(({ code }) => code)).toEqual(['person_erased']);
    await host.settled();
    const facts = (await host.facts.of('registry')).filter((fact) => fact.discom === discom);
    expect(facts.filter(({ body }) => body.case === 'personErased').map(({ body }) => body.value)).toMatchObject([
      { participantId: 'sunita' },
    ]);
  });

  test('A consumer reads its own particulars only', async () => {
    await home('SELF');
    const person = async (participant: string) =>
      registry().getPerson({ participantId: 'sunita', purpose: 'my own' }, await as('consumer', { discom: 'SELF', participant }));
    expect((await person('sunita')).language).toBe('hi');
    await expect(person('arjun')).rejects.toMatchObject({ kind: 'not_found' });
  });

  test('The master key is readable by the owner alone', () => {
    const { mode, size } = statSync(join(host.folder, 'registry', 'master.key'));
    expect([mode & 0o777, size]).toEqual([0o600, 32]);
  });
});
