import { readFileSync } from 'node:fs';
import { create, fromJson, type JsonValue, toJson } from '@bufbuild/protobuf';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { CalendarDaySchema, Catalogue, TermsSchema } from '../../gen/lachak/v1/catalogue_pb.ts';
import { canonicalJson, type Json } from '../domain/canonical.ts';
import { HOUR } from '../domain/interval.ts';
import { sha256Hex } from '../host/ids.ts';
import { type TestHost, testHost } from '../host/testing.ts';
import { presets } from './presets.ts';
import { room } from './service.ts';

const roomNote = readFileSync(new URL('./ROOM.md', import.meta.url), 'utf8');
const START = Date.parse('2026-05-01T00:00:00Z');

let host: TestHost;
beforeAll(async () => {
  host = await testHost({ rooms: [room], clock: { start: START } });
});
afterAll(() => host?.stop());

const operator = async (discom = 'BRPL') => ({ as: await host.token('operator', { discom }) });
const catalogue = () => host.connect(Catalogue);
const preset = 'residential-10of10';

describe('A programme is published once and never changed', () => {
  test('The worked example of ROOM.md holds', async () => {
    const as = await operator();
    const days = (JSON.parse(/```json\n([\s\S]*?)```/.exec(roomNote)![1]!) as JsonValue[]).map((day) =>
      fromJson(CalendarDaySchema, day),
    );
    const calendar = await catalogue().putCalendar(
      { commandId: 'c-1', calendarId: 'india-national', days: days.toReversed() },
      as,
    );
    expect(calendar.version).toBe(1);
    expect(calendar.days).toEqual(days);

    const first = await catalogue().publishProgramme(
      { commandId: 'p-1', programmeId: 'evening-peak', name: 'Evening peak', preset },
      as,
    );
    expect(first).toMatchObject({ version: 1, validFromMs: BigInt(START), publishedAtMs: BigInt(START) });
    expect(roomNote).toContain(`\`${first.termsDigest}\``);
    expect(sha256Hex(canonicalJson(toJson(TermsSchema, first.terms!) as Json))).toBe(first.termsDigest);

    const terms = { ...first.terms!, calendarId: 'india-national' };
    const second = await catalogue().publishProgramme(
      { commandId: 'p-2', programmeId: 'evening-peak', name: 'Evening peak', preset, terms },
      as,
    );
    expect(second.version).toBe(2);
    expect(second.termsDigest).not.toBe(first.termsDigest);
    expect(await catalogue().getProgramme({ programmeId: 'evening-peak', version: 1 }, as)).toEqual(first);
    expect(await catalogue().getProgramme({ programmeId: 'evening-peak' }, as)).toEqual(second);
  });

  test('The same command gives its first outcome, the same terms the same version, a reused id is refused', async () => {
    const as = await operator();
    const request = { commandId: 'p-again', programmeId: 'again', name: 'Again', preset };
    const first = await catalogue().publishProgramme(request, as);
    expect(await catalogue().publishProgramme(request, as)).toEqual(first);
    expect(await catalogue().publishProgramme({ ...request, commandId: 'p-again-2' }, as)).toEqual(first);
    await expect(catalogue().publishProgramme({ ...request, name: 'Other' }, as)).rejects.toMatchObject({ code: 'id_reused' });
    await host.settled();
    const facts = (await host.facts.of('catalogue')).filter(({ key }) => key === 'again');
    expect(facts.map(({ body }) => body.case)).toEqual(['programmePublished']);
    expect(facts[0]!.body.value).toEqual(first);
  });

  test('Versions published at the same moment are numbered without a gap', async () => {
    const as = await operator();
    const published = await Promise.all(
      [1, 2, 3, 4, 5].map((n) =>
        catalogue().publishProgramme({ commandId: `race-${n}`, programmeId: 'race', name: `Race ${n}`, preset }, as),
      ),
    );
    expect(published.map(({ version }) => version).sort()).toEqual([1, 2, 3, 4, 5]);
  });

  const refused: [Record<string, unknown>, string, string, string][] = [
    [{ programmeId: 'Evening Peak' }, 'id_malformed', 'programme_id', 'spaces and capitals'],
    [{ name: '' }, 'name_malformed', 'name', 'nobody could find it'],
    [{ preset: 'residental' }, 'preset_unknown', 'preset', 'misspelt'],
    [{ preset: '' }, 'terms_missing', 'terms', 'neither terms nor preset'],
    [{ validFromMs: BigInt(START - HOUR) }, 'valid_from_past', 'valid_from_ms', 'decided after the fact'],
    [{ commandId: '' }, 'command_id_missing', 'command_id', 'could not be repeated safely'],
    [{ terms: create(TermsSchema, { ...presets[0]!.terms, zone: 'Asia/Dilli' }) }, 'zone_unknown', 'terms.zone', 'no such zone'],
    [
      { terms: create(TermsSchema, { ...presets[0]!.terms, calendarId: 'nowhere' }) },
      'calendar_not_found',
      'terms.calendar_id',
      'no such calendar',
    ],
  ];
  test.each(refused)('%o is refused: %s at %s (%s)', async (change, code, field) => {
    const request = { commandId: `bad-${code}`, programmeId: 'bad', name: 'Bad', preset, ...change };
    await expect(catalogue().publishProgramme(request, await operator())).rejects.toMatchObject({ code, field });
  });

  test('A preset that does not exist is answered with one that does', async () => {
    const request = { commandId: 'typo', programmeId: 'typo', name: 'Typo', preset: 'residental-10of10' };
    await expect(catalogue().publishProgramme(request, await operator())).rejects.toThrow(/did you mean residential-10of10/);
  });
});

describe('Who sees what', () => {
  test('Another DISCOM sees neither programme nor calendar, and its own ids are its own', async () => {
    const ours = await operator();
    const theirs = await operator('TPDDL');
    await catalogue().publishProgramme({ commandId: 'own', programmeId: 'own', name: 'Ours', preset }, ours);
    await catalogue().putCalendar({ commandId: 'own-c', calendarId: 'own', days: [] }, ours);
    await expect(catalogue().getProgramme({ programmeId: 'own' }, theirs)).rejects.toMatchObject({ kind: 'not_found' });
    await expect(catalogue().getCalendar({ calendarId: 'own' }, theirs)).rejects.toMatchObject({ kind: 'not_found' });
    expect((await catalogue().listProgrammes({}, theirs)).programmes).toEqual([]);
    const made = await catalogue().publishProgramme({ commandId: 'own', programmeId: 'own', name: 'Theirs', preset }, theirs);
    expect(made).toMatchObject({ version: 1, name: 'Theirs' });
  });

  test('A consumer reads programmes and publishes none', async () => {
    const as = { as: await host.token('consumer', { participant: 'p-1' }) };
    expect((await catalogue().listPresets({}, as)).presets.length).toBe(presets.length);
    const request = { commandId: 'x', programmeId: 'x', name: 'X', preset };
    await expect(catalogue().publishProgramme(request, as)).rejects.toMatchObject({ kind: 'forbidden' });
  });

  test('Lists come in id order, page by page, newest versions only', async () => {
    const as = await operator('LISTS');
    for (const [n, programmeId] of ['b', 'a', 'c', 'a'].entries()) {
      await catalogue().publishProgramme({ commandId: `l-${n}`, programmeId, name: `Round ${n}`, preset }, as);
    }
    const first = await catalogue().listProgrammes({ page: { size: 2 } }, as);
    const second = await catalogue().listProgrammes({ page: { size: 2, token: first.nextPageToken } }, as);
    const seen = [...first.programmes, ...second.programmes].map(({ programmeId, version }) => `${programmeId}${version}`);
    expect(seen).toEqual(['a2', 'b1', 'c1']);
    expect(second.nextPageToken).toBe('');
  });
});

describe('Calendars', () => {
  test('A calendar is replaced as a whole; equal days make no new version', async () => {
    const as = await operator();
    const days = [{ day: '2026-08-15', kind: 1, name: 'Independence Day' }];
    const put = (commandId: string, more: typeof days) =>
      catalogue().putCalendar({ commandId, calendarId: 'grow', days: more }, as);
    expect((await put('g-1', days)).version).toBe(1);
    expect((await put('g-2', days)).version).toBe(1);
    expect((await put('g-3', [...days, { day: '2026-01-26', kind: 1, name: 'Republic Day' }])).version).toBe(2);
    expect((await catalogue().getCalendar({ calendarId: 'grow', version: 1 }, as)).days.length).toBe(1);
  });

  test.each([
    [[{ day: '2026-02-30', kind: 1 }], 'day_malformed', 'days[0].day'],
    [[{ day: '2026-02-28' }], 'day_kind_missing', 'days[0].kind'],
    [
      [
        { day: '2026-02-28', kind: 1 },
        { day: '2026-02-28', kind: 1 },
      ],
      'day_repeated',
      'days[1].day',
    ],
  ])('%o is refused: %s at %s', async (days, code, field) => {
    await expect(
      catalogue().putCalendar({ commandId: `cal-${code}`, calendarId: 'bad', days }, await operator()),
    ).rejects.toMatchObject({ code, field });
  });
});
