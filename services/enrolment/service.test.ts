import { readFileSync } from 'node:fs';
import { create, type MessageInitShape } from '@bufbuild/protobuf';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { Netting, ProgrammeSchema } from '../../gen/lachak/v1/catalogue_pb.ts';
import { Backup, Enrolment, Purpose, Withdrawal_State } from '../../gen/lachak/v1/enrolment_pb.ts';
import { RegistryChangedSchema } from '../../gen/lachak/v1/facts_pb.ts';
import type { RecordSchema } from '../../gen/lachak/v1/registry_pb.ts';
import { Direction } from '../../gen/lachak/v1/types_pb.ts';
import type { Refusal } from '../domain/outcome.ts';
import type { CallOptions, Client, RoomMaker } from '../host/room.ts';
import { type TestHost, testHost } from '../host/testing.ts';
import { room } from './service.ts';

const NOW = Date.parse('2026-05-01T00:00:00Z');
const MAY_10 = Date.parse('2026-05-10T00:00:00Z');

/** Rooms that act on consents; here they only read the facts. */
const follower = (name: 'dispatch' | 'metering' | 'performance'): RoomMaker => ({
  name,
  migrations: new URL('file:///nonexistent/'),
  make: ({ facts }) => {
    facts.follow('enrolment', { consentWithdrawn: async () => {} });
    return { bindings: [], start: async () => {}, stop: async () => {} };
  },
});

describe('enrolment, on a real PostgreSQL', () => {
  let host: TestHost;
  let enrolment: Client<typeof Enrolment>;
  let operator: CallOptions;
  let agg: CallOptions;
  let rival: CallOptions;
  let asha: CallOptions;
  let ravi: CallOptions;
  let foreign: CallOptions;
  let n = 0;
  const next = () => `c${n++}`;

  const register = async (...records: MessageInitShape<typeof RecordSchema>['record'][]) => {
    const value = create(RegistryChangedSchema, { records: records.map((record) => ({ record: record! })) });
    await host.facts.publish('registry', { discom: 'BRPL', key: 'registry', body: { case: 'registryChanged', value } });
    await host.settled();
  };
  const publish = async (programmeId: string, direction = Direction.SHED) => {
    const value = create(ProgrammeSchema, {
      programmeId,
      version: 1,
      terms: {
        direction,
        kinds: ['AC', 'BEHAVIOURAL'],
        zone: 'Asia/Kolkata',
        netting: Netting.NET_EVENT,
        baseline: { lookbackDays: 45 },
      },
    });
    await host.facts.publish('catalogue', { discom: 'BRPL', key: programmeId, body: { case: 'programmePublished', value } });
    await host.settled();
  };
  const home = async (id: string, participantId: string, organisationId = 'agg', more: { protected?: boolean } = {}) =>
    register(
      {
        case: 'connection',
        value: {
          connectionId: `conn-${id}`,
          participantId,
          areaId: 'tx-1',
          tariffCategory: 'DOMESTIC',
          sanctionedLoadW: 5000n,
          ...more,
        },
      },
      { case: 'settlementPoint', value: { settlementPointId: `sp-${id}`, connectionId: `conn-${id}` } },
      { case: 'resource', value: { resourceId: `ac-${id}`, settlementPointId: `sp-${id}`, organisationId, kind: 'AC' } },
      {
        case: 'resource',
        value: { resourceId: `home-${id}`, settlementPointId: `sp-${id}`, organisationId, kind: 'BEHAVIOURAL' },
      },
    );
  const consent = (id: string, participantId: string, purpose: Purpose, over: { readingsFromDay?: string } = {}) => ({
    participantId,
    connectionId: `conn-${id}`,
    organisationId: 'agg',
    purpose,
    programmeId: 'summer',
    resourceIds: purpose === Purpose.CONTROL ? [`ac-${id}`] : [],
    readingsFromDay: purpose === Purpose.READINGS ? '2026-03-01' : '',
    evidence: { kind: 'OTP', reference: `otp-${id}` },
    ...over,
  });
  const give = (id: string, who: string, purpose: Purpose, over = {}, as = agg) =>
    enrolment.giveConsent({ commandId: next(), consent: consent(id, who, purpose, over) }, as);
  const giveAll = async (id: string, who: string) => {
    const given = [];
    for (const purpose of [Purpose.CONTROL, Purpose.READINGS, Purpose.BILLING]) given.push(await give(id, who, purpose));
    return given;
  };
  const enrol = (ids: string[], as = agg, programmeId = 'summer', backup = Backup.NO_BACKUP) =>
    enrolment.enrol({ commandId: next(), programmeId, resourceIds: ids, backup }, as);
  const refused = (call: Promise<unknown>) =>
    call.then(
      () => 'not refused',
      (refusal: Refusal) => refusal.code,
    );
  const facts = async () => {
    await host.settled(); // numbered, hence listed
    return (await host.facts.of('enrolment')).map((fact) => fact.body.case);
  };

  beforeAll(async () => {
    host = await testHost({
      rooms: [room, follower('dispatch'), follower('metering'), follower('performance')],
      clock: { start: NOW },
    });
    enrolment = host.connect(Enrolment);
    operator = { as: await host.token('operator') };
    agg = { as: await host.token('aggregator', { organisation: 'agg' }) };
    rival = { as: await host.token('aggregator', { organisation: 'rival' }) };
    asha = { as: await host.token('consumer', { participant: 'asha' }) };
    ravi = { as: await host.token('consumer', { participant: 'ravi' }) };
    foreign = { as: await host.token('operator', { discom: 'TPDDL' }) };
    await register(
      { case: 'area', value: { areaId: 'tx-1', kind: 'TRANSFORMER', parentId: 'feeder-1' } },
      { case: 'area', value: { areaId: 'feeder-1', kind: 'FEEDER' } },
    );
    await publish('summer');
    await publish('winter');
    await home('1', 'asha');
  });
  afterAll(() => host?.stop());

  test('nothing is enrolled before each consent it rests on was given, and each is its own act', async () => {
    expect(await refused(enrol(['ac-1']))).toBe('consent_not_given');
    await give('1', 'asha', Purpose.CONTROL);
    await give('1', 'asha', Purpose.READINGS);
    expect(await refused(enrol(['ac-1']))).toBe('consent_not_given');
    await give('1', 'asha', Purpose.BILLING);
    const enrolled = await enrol(['ac-1', 'home-1']);
    expect(enrolled).toMatchObject({
      resourceIds: ['ac-1', 'home-1'],
      participantId: 'asha',
      settlementPointId: 'sp-1',
      termsVersion: 1,
    });
    expect(await refused(enrol(['ac-1']))).toBe('already_enrolled');
    expect(await refused(enrol(['ac-1'], agg, 'winter'))).toBe('enrolled_elsewhere');
    expect(await facts()).toEqual(['consentGiven', 'consentGiven', 'consentGiven', 'resourceEnrolled', 'resourceEnrolled']);
  });

  test('a repeated command gives the first outcome; other content is refused', async () => {
    await home('2', 'bina');
    const request = { commandId: 'twice', consent: consent('2', 'bina', Purpose.READINGS) };
    const first = await enrolment.giveConsent(request, agg);
    expect(await enrolment.giveConsent(request, agg)).toEqual(first);
    expect(await refused(enrolment.giveConsent({ ...request, consent: consent('2', 'bina', Purpose.BILLING) }, agg))).toBe(
      'id_reused',
    );
  });

  test('readings that do not cover the look-back are taken, and it says so', async () => {
    await home('3', 'chand');
    const given = await give('3', 'chand', Purpose.READINGS, { readingsFromDay: '2026-04-20' });
    expect(given.findings).toMatchObject([{ code: 'short_of_lookback', column: 'readings_from_day' }]);
    expect((await enrolment.listConsents({ connectionId: 'conn-3' }, agg)).consents).toMatchObject([{ findings: [] }]);
  });

  test('a withdrawal of control answers EFFECTIVE, ends what rested on it, and leaves the notice home', async () => {
    await home('4', 'deep');
    const [control] = await giveAll('4', 'deep');
    await enrol(['ac-4', 'home-4']);
    const answer = await enrolment.withdrawConsent(
      { commandId: next(), consentId: control!.consentId, reason: 'moving out' },
      agg,
    );
    expect(answer).toMatchObject({ withdrawnAtMs: BigInt(NOW), state: Withdrawal_State.EFFECTIVE });
    expect(await enrolment.getWithdrawal({ consentId: control!.consentId }, agg)).toMatchObject({
      state: Withdrawal_State.EFFECTIVE,
    });
    const left = await enrolment.listEnrolments({ participantId: 'deep' }, agg);
    expect(left.enrolments.map((row) => row.resourceIds)).toEqual([['home-4']]);
    expect((await facts()).slice(-2)).toEqual(['consentWithdrawn', 'enrolmentEnded']);
  });

  test('a change of occupant ends the former one’s consents and enrolments at its instant', async () => {
    await home('5', 'esha');
    await giveAll('5', 'esha');
    await enrol(['ac-5']);
    await register({
      case: 'connection',
      value: {
        connectionId: 'conn-5',
        participantId: 'farid',
        areaId: 'tx-1',
        tariffCategory: 'DOMESTIC',
        sanctionedLoadW: 5000n,
        dated: { fromMs: BigInt(MAY_10) },
      },
    });
    const consents = await enrolment.listConsents({ connectionId: 'conn-5' }, operator);
    expect(consents.consents.map((row) => Number(row.withdrawnAtMs))).toEqual([MAY_10, MAY_10, MAY_10]);
    expect(
      (await enrolment.listEnrolments({ participantId: 'esha', atMs: BigInt(MAY_10 - 1) }, operator)).enrolments,
    ).toHaveLength(1);
    expect((await enrolment.listEnrolments({ participantId: 'esha', atMs: BigInt(MAY_10) }, operator)).enrolments).toHaveLength(
      0,
    );
  });

  test('protected homes and diesel are refused whoever asks', async () => {
    await home('6', 'gita', 'agg', { protected: true });
    await giveAll('6', 'gita');
    expect(await refused(enrol(['ac-6'], operator))).toBe('protected_connection');
    await home('7', 'hari');
    await giveAll('7', 'hari');
    expect(await refused(enrol(['ac-7'], operator, 'summer', Backup.DIESEL))).toBe('diesel_not_admitted');
    expect(await refused(enrol(['ac-7'], operator, 'summer', Backup.BACKUP_UNSPECIFIED))).toBe('backup_undeclared');
  });

  test('everyone sees and touches only their own, and foreign rows do not exist', async () => {
    const [mine] = (await enrolment.listConsents({ connectionId: 'conn-1' }, asha)).consents;
    expect(mine?.participantId).toBe('asha');
    for (const as of [rival, ravi, foreign]) {
      expect((await enrolment.listConsents({}, as)).consents).toEqual([]);
      expect((await enrolment.listEnrolments({}, as)).enrolments).toEqual([]);
      expect(await refused(enrolment.withdrawConsent({ commandId: next(), consentId: mine!.consentId }, as))).toBe(
        'consent_unknown',
      );
      expect(await refused(enrol(['ac-1'], as))).toBe('resource_unknown');
    }
    expect(await refused(give('1', 'asha', Purpose.BILLING, {}, rival))).toBe('other_organisation');
    expect(await refused(give('1', 'asha', Purpose.BILLING, {}, ravi))).toBe('not_yourself');
    expect(
      await refused(enrolment.giveConsent({ commandId: next(), consent: {} }, { as: await host.token('verifier') })),
    ).not.toBe('not refused');
  });

  test('pages follow each other in id order to the end', async () => {
    const seen: string[] = [];
    for (let token = ''; ; ) {
      const page = await enrolment.listConsents({ page: { size: 4, token } }, operator);
      seen.push(...page.consents.map((row) => row.consentId));
      token = page.nextPageToken;
      if (token === '') break;
    }
    expect(seen).toEqual([...new Set(seen)].sort());
    expect(seen.length).toBe((await enrolment.listConsents({ page: { size: 1000 } }, operator)).consents.length);
  });

  test('the example of ROOM.md holds', async () => {
    const example = JSON.parse(/```json\n([\s\S]*?)```/.exec(readFileSync(new URL('./ROOM.md', import.meta.url), 'utf8'))![1]!);
    await home('8', example.participant);
    const [control] = await giveAll('8', example.participant);
    await enrol(['ac-8', 'home-8']);
    const before = (await facts()).length;
    await enrolment.withdrawConsent({ commandId: next(), consentId: control!.consentId }, agg);
    expect((await facts()).slice(before)).toEqual(example.facts);
    const left = await enrolment.listEnrolments({ participantId: example.participant }, agg);
    expect(left.enrolments.flatMap((row) => row.resourceIds)).toEqual(example.still_enrolled);
  });
});
