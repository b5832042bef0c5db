import { describe, expect, test } from 'vitest';
import type { Consent } from '../domain/consent.ts';
import { type Act, type Ground, refuseAct, shortOfLookback } from './act.ts';
import {
  type Admits,
  type Backup,
  type Device,
  type Home,
  losesGround,
  refuseAdmission,
  refuseConflict,
  type Standing,
} from './admission.ts';

const admits: Admits = {
  programmeId: 'summer',
  kinds: ['AC', 'BEHAVIOURAL'],
  tariffCategories: ['DOMESTIC'],
  areas: ['zone-1'],
  minSanctionedLoadW: 1000,
  maxSanctionedLoadW: 10_000,
};
const home: Home = {
  connectionId: 'conn-1',
  participantId: 'asha',
  areaPath: ['tx-7', 'feeder-3', 'zone-1'],
  tariffCategory: 'DOMESTIC',
  sanctionedLoadW: 5000,
  protected: false,
};
const ac: Device = { resourceId: 'ac-1', kind: 'AC', settlementPointId: 'sp-1', organisationId: 'agg' };

describe('admission', () => {
  test.each<[string, Partial<Admits>, Partial<Home>, Partial<Device>, Backup, string | undefined]>([
    ['a home inside every bound', {}, {}, {}, 'NO_BACKUP', undefined],
    ['an inverter is declared, and fine', {}, {}, {}, 'INVERTER', undefined],
    ['diesel is recorded nowhere: it is refused', {}, {}, {}, 'DIESEL', 'diesel_not_admitted'],
    ['protected comes before every other reason', {}, { protected: true }, { kind: 'PUMP' }, 'DIESEL', 'protected_connection'],
    ['a kind the programme does not know', {}, {}, { kind: 'PUMP' }, 'NO_BACKUP', 'kind_not_admitted'],
    ['a tariff category outside', {}, { tariffCategory: 'INDUSTRIAL' }, {}, 'NO_BACKUP', 'tariff_not_admitted'],
    ['no categories named = all', { tariffCategories: [] }, { tariffCategory: 'INDUSTRIAL' }, {}, 'NO_BACKUP', undefined],
    ['an area above the home admits it', { areas: ['feeder-3'] }, {}, {}, 'NO_BACKUP', undefined],
    ['an area elsewhere', { areas: ['feeder-4'] }, {}, {}, 'NO_BACKUP', 'area_not_admitted'],
    ['below the sanctioned load', {}, { sanctionedLoadW: 999 }, {}, 'NO_BACKUP', 'sanctioned_load_not_admitted'],
    ['at the upper bound', {}, { sanctionedLoadW: 10_000 }, {}, 'NO_BACKUP', undefined],
    ['above it', {}, { sanctionedLoadW: 10_001 }, {}, 'NO_BACKUP', 'sanctioned_load_not_admitted'],
    ['0 = no upper bound', { maxSanctionedLoadW: 0 }, { sanctionedLoadW: 10_001 }, {}, 'NO_BACKUP', undefined],
  ])('%s', (_, a, h, d, backup, code) => {
    expect(refuseAdmission({ ...admits, ...a }, { ...home, ...h }, { ...ac, ...d }, backup)?.code).toBe(code);
  });
});

describe('conflicts', () => {
  const other: Standing = {
    enrolmentId: 'e1',
    programmeId: 'summer',
    direction: 'SHED',
    resourceId: 'ac-2',
    settlementPointId: 'sp-1',
    organisationId: 'agg',
  };
  test.each<[string, Partial<Standing>, string | undefined]>([
    ['another resource of the same home and organisation', {}, undefined],
    ['the same resource again', { resourceId: 'ac-1' }, 'already_enrolled'],
    ['the same reduction sold twice', { resourceId: 'ac-1', programmeId: 'winter' }, 'enrolled_elsewhere'],
    ['the other direction is another thing', { resourceId: 'ac-1', programmeId: 'winter', direction: 'ABSORB' }, undefined],
    ['two organisations behind one register', { organisationId: 'rival' }, 'settlement_point_taken'],
    ['another register of the home', { organisationId: 'rival', settlementPointId: 'sp-2' }, undefined],
  ])('%s', (_, over, code) => {
    expect(refuseConflict('summer', 'SHED', ac, [{ ...other, ...over }])?.code).toBe(code);
  });
});

describe('the act of consent', () => {
  const act: Act = {
    purpose: 'CONTROL',
    basis: 'CONSENT',
    participantId: 'asha',
    connectionId: 'conn-1',
    resourceIds: ['ac-1'],
    readingsFromDay: '',
    expiresAt: null,
    evidence: { kind: 'OTP', reference: 'otp-9', digest: '' },
  };
  const ground: Ground = {
    now: 1000,
    today: '2026-05-01',
    holder: 'asha',
    resources: [{ resourceId: 'ac-1', connectionId: 'conn-1', organisationId: 'agg' }],
    organisationId: 'agg',
  };
  const readings: Partial<Act> = { purpose: 'READINGS', resourceIds: [], readingsFromDay: '2026-03-01' };
  test.each<[string, Partial<Act>, Partial<Ground>, string | undefined]>([
    ['complete', {}, {}, undefined],
    ['no purpose', { purpose: null }, {}, 'purpose_missing'],
    ['someone else’s home', { participantId: 'ravi' }, {}, 'not_the_holder'],
    ['an unknown connection', {}, { holder: null }, 'not_the_holder'],
    ['control by regulation alone', { basis: 'REGULATION' }, {}, 'control_needs_consent'],
    ['readings by regulation', { ...readings, basis: 'REGULATION' }, {}, undefined],
    ['no evidence', { evidence: { kind: '', reference: '', digest: '' } }, {}, 'evidence_missing'],
    ['evidence nobody can find', { evidence: { kind: 'OTP', reference: '', digest: '' } }, {}, 'evidence_missing'],
    ['a digest that is none', { evidence: { kind: 'OTP', reference: 'r', digest: 'abc' } }, {}, 'digest_malformed'],
    ['expired before it began', { expiresAt: 1000 }, {}, 'already_expired'],
    ['control of nothing', { resourceIds: [] }, {}, 'resources_missing'],
    ['a resource of another home', { resourceIds: ['ac-9'] }, {}, 'resource_unknown'],
    ['a resource run by another', {}, { organisationId: 'rival' }, 'resource_of_another'],
    ['readings with resources', { ...readings, resourceIds: ['ac-1'] }, {}, 'purposes_apart'],
    ['readings from today', { ...readings, readingsFromDay: '2026-05-01' }, {}, undefined],
    ['readings from tomorrow', { ...readings, readingsFromDay: '2026-05-02' }, {}, 'day_in_future'],
    ['readings from no day', { ...readings, readingsFromDay: '' }, {}, 'day_malformed'],
    ['billing shares no readings', { ...readings, purpose: 'BILLING' }, {}, 'purposes_apart'],
  ])('%s', (_, a, g, code) => {
    expect(refuseAct({ ...act, ...a }, { ...ground, ...g })?.code).toBe(code);
  });

  test('a look-back not covered is said, with the day that would cover it', () => {
    expect(shortOfLookback({ purpose: 'READINGS', readingsFromDay: '2026-04-20' }, '2026-03-17')).toBe('2026-03-17');
    expect(shortOfLookback({ purpose: 'READINGS', readingsFromDay: '2026-03-17' }, '2026-03-17')).toBe(null);
    expect(shortOfLookback({ purpose: 'BILLING', readingsFromDay: '' }, '2026-03-17')).toBe(null);
  });
});

describe('losing ground', () => {
  const consent: Consent = {
    consentId: 'c1',
    basis: 'CONSENT',
    participantId: 'asha',
    connectionId: 'conn-1',
    organisationId: 'agg',
    purpose: 'CONTROL',
    programmeId: 'summer',
    resourceIds: ['ac-1'],
    readingsFromDay: '',
    givenAt: 0,
    expiresAt: null,
    withdrawnAt: 500,
  };
  const enrolment = {
    programmeId: 'summer',
    connectionId: 'conn-1',
    participantId: 'asha',
    organisationId: 'agg',
    resourceId: 'ac-1',
    kind: 'AC',
  };
  const lost = (withdrawn: Consent, others: Consent[], over = {}) =>
    losesGround(withdrawn, [withdrawn, ...others], { ...enrolment, ...over }, 500, '2026-05-01');
  test.each<[string, boolean, boolean]>([
    ['control withdrawn ends the instructed resource', lost(consent, []), true],
    ['another standing consent carries it', lost(consent, [{ ...consent, consentId: 'c2', withdrawnAt: null }]), false],
    ['a behavioural home needed no control', lost(consent, [], { kind: 'BEHAVIOURAL' }), false],
    ['readings withdrawn end both kinds', lost({ ...consent, purpose: 'READINGS' }, [], { kind: 'BEHAVIOURAL' }), true],
    ['billing withdrawn ends nothing', lost({ ...consent, purpose: 'BILLING' }, []), false],
    ['another programme stands apart', lost({ ...consent, programmeId: 'winter' }, []), false],
  ])('%s', (_, found, wanted) => expect(found).toBe(wanted));
});
