import { describe, expect, test } from 'vitest';
import { canonicalJson } from '../domain/canonical.ts';
import { sha256Hex } from '../host/ids.ts';
import { zoneDays } from '../host/zone.ts';
import { type Commitment, commitmentJson, type Member } from './commitment.ts';
import { eventDays } from './event-days.ts';
import { type Line, statusOf, targetAt } from './status.ts';

// Of the commitment below; a release that changes it has broken every statement that names one.
const FORMAT_1 = '4a71ad6198a83050f5af4a3b0d6736dd689e73a83d8879fd8cf17fb96399e87e';

const member = (id: string): Member => ({
  settlementPointId: id,
  connectionId: `c-${id}`,
  participantId: `p-${id}`,
  organisationId: 'agg',
  resourceIds: [`r-${id}`],
  meterId: `m-${id}`,
  parentMeterId: '',
  subtractMeterIds: [],
  shard: 0,
  role: 'CHOSEN',
  expectedW: 600,
  enrolmentId: `e-${id}`,
  readingsConsentId: `k-${id}`,
  readingsFromDay: '2026-01-01',
  billingConsentId: `b-${id}`,
  areaId: 'tx-1',
});
const commitment: Commitment = {
  discom: 'BRPL',
  eventId: 'ev',
  programmeId: 'summer',
  termsVersion: 2,
  termsDigest: 'ab',
  terms: { direction: 'SHED', kinds: ['AC'] },
  window: { start: 1000, end: 2000 },
  targetW: [5000],
  areaIds: [],
  committedAt: 10,
  noticeAt: 20,
  holdoutSeed: 'seed',
  enrolmentPosition: 7,
  members: [member('a'), member('b')],
};
const digest = (c: Commitment) => sha256Hex(canonicalJson(commitmentJson(c)));

describe('the commitment', () => {
  test('format 1 keeps its digest for ever', () => {
    expect(digest(commitment)).toBe(FORMAT_1);
  });
  test('the order members come in does not matter', () => {
    expect(digest({ ...commitment, members: [...commitment.members].reverse() })).toBe(FORMAT_1);
  });
  test.each<[string, Partial<Commitment>]>([
    ['a rate', { terms: { direction: 'SHED', kinds: ['AC'], pay: [] } }],
    ['the target', { targetW: [5001] }],
    ['the window', { window: { start: 1000, end: 2001 } }],
    ['the terms version', { termsVersion: 3 }],
    ['the holdout seed', { holdoutSeed: 'other' }],
    ['the instant', { committedAt: 11 }],
    ['a member less', { members: [member('a')] }],
    ['a member moved to the holdout', { members: [{ ...member('a'), role: 'HOLDOUT' }, member('b')] }],
    ['a member’s meter', { members: [{ ...member('a'), meterId: 'm-x' }, member('b')] }],
  ])('%s cannot change under the digest', (_, over) => expect(digest({ ...commitment, ...over })).not.toBe(FORMAT_1));
});

describe('status', () => {
  const window = { start: 1_000_000, end: 9_000_000 };
  const line = (resourceId: string, over: Partial<Line> = {}): Line => ({
    resourceId,
    settlementPointId: resourceId,
    state: 'APPLIED',
    expectedW: 600,
    referenceW: null,
    ...over,
  });
  test('measured where a meter is live, estimated where it is not, never both', () => {
    const live = new Map([
      ['a', { powerW: 300, at: 1_100_000 }],
      ['b', { powerW: 1900, at: 1_100_000 }],
    ]);
    const lines = [
      line('a', { referenceW: 1400, state: 'CONFIRMED' }),
      line('b', { referenceW: 1500 }),
      line('c'),
      line('d', { state: 'FAILED' }),
    ];
    const status = statusOf(lines, live, 'SHED', window, 1_200_000);
    expect(status).toMatchObject({
      committedW: 2400,
      confirmedW: 600,
      measuredW: 700,
      estimatedW: 600,
      liveMeters: 2,
      resources: 4,
    });
    expect(status.byState).toEqual({ CONFIRMED: 1, APPLIED: 2, FAILED: 1 });
  });
  test('the other direction counts a rise', () => {
    const live = new Map([['a', { powerW: 5000, at: 1_100_000 }]]);
    expect(statusOf([line('a', { referenceW: 1000 })], live, 'ABSORB', window, 1_200_000).measuredW).toBe(4000);
  });
  test('outside the window, and from stale meters, nothing is measured', () => {
    const live = new Map([['a', { powerW: 300, at: 1_100_000 }]]);
    const lines = [line('a', { referenceW: 1400 })];
    expect(statusOf(lines, live, 'SHED', window, 999_999)).toMatchObject({ measuredW: 0, estimatedW: 0 });
    expect(statusOf(lines, live, 'SHED', window, 3_000_000)).toMatchObject({ measuredW: 0, estimatedW: 600, liveMeters: 0 });
    expect(statusOf(lines, live, 'SHED', window, 9_000_000)).toMatchObject({ measuredW: 0, estimatedW: 0 });
  });
  test('the target is that of the interval we are in', () => {
    const span = { start: 0, end: 45 * 60_000 };
    expect([-1, 0, 14, 15, 44, 60].map((minute) => targetAt([1, 2, 3], span, 15, minute * 60_000))).toEqual([1, 1, 1, 2, 3, 3]);
    expect([targetAt([7], span, 15, 0), targetAt([], span, 15, 0)]).toEqual([7, 0]);
  });
});

describe('event days', () => {
  const days = zoneDays('Asia/Kolkata');
  const at = (text: string) => Date.parse(`${text}:00+05:30`);
  const asked = {
    settlementPointId: 'sp',
    eventId: 'ev',
    window: { start: at('2026-05-02T19:00'), end: at('2026-05-02T21:00') },
  };
  const all = { start: 0, end: at('2030-01-01T00:00') };
  test.each<[string, { notifiedAt: number | null; instructed: boolean }, [string, string][]]>([
    ['instructed without notice', { notifiedAt: null, instructed: true }, [['2026-05-02', 'event']]],
    [
      'noticed and instructed that day: one day',
      { notifiedAt: at('2026-05-02T18:00'), instructed: true },
      [['2026-05-02', 'event']],
    ],
    [
      'noticed the day before: two days',
      { notifiedAt: at('2026-05-01T18:00'), instructed: true },
      [
        ['2026-05-01', 'notice'],
        ['2026-05-02', 'event'],
      ],
    ],
    [
      'noticed, then called off: both days had the notice',
      { notifiedAt: at('2026-05-01T18:00'), instructed: false },
      [
        ['2026-05-01', 'notice'],
        ['2026-05-02', 'notice'],
      ],
    ],
    ['planned only', { notifiedAt: null, instructed: false }, []],
  ])('%s', (_, over, found) => {
    expect(eventDays([{ ...asked, ...over }], days, all).map((day) => [day.day, day.reason])).toEqual(found);
  });
  test('only days the span touches', () => {
    const span = { start: at('2026-05-01T23:00'), end: at('2026-05-02T00:00') };
    const found = eventDays([{ ...asked, notifiedAt: at('2026-05-01T18:00'), instructed: true }], days, span);
    expect(found.map((day) => day.day)).toEqual(['2026-05-01']);
  });
});
