import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { HOUR, MINUTE } from '../domain/interval.ts';
import { sha256Hex } from '../host/ids.ts';
import { zoneDays } from '../host/zone.ts';
import { type EnrolledRow, type Ground, pointsOf } from './candidates.ts';
import { holdoutSeed, inHoldout } from './holdout.ts';
import { expectedW, wishFor } from './kinds.ts';
import { type Candidate, type Point, type Reach, selectPoints } from './selection.ts';

const window = { start: 100 * HOUR, end: 102 * HOUR };
const candidate = (over: Partial<Candidate> = {}): Candidate => ({
  resourceId: 'ac-1',
  kind: 'AC',
  organisationId: 'agg',
  enrolmentId: 'e-1',
  ratedW: 2000,
  deviceId: 'd-1',
  maxMinutesPerDay: 0,
  gate: 'permitted',
  instructed: [],
  minutesThatDay: 0,
  ...over,
});
const point = (over: Partial<Point> = {}): Point => ({
  settlementPointId: 'sp-1',
  connectionId: 'c-1',
  participantId: 'p-1',
  areaId: 'tx-1',
  areaPath: ['tx-1', 'feeder-1'],
  protected: false,
  energised: true,
  meterId: 'm-1',
  readingsGate: 'permitted',
  typicalW: null,
  recentEvents: 0,
  candidates: [candidate()],
  ...over,
});
const reach = (over: Partial<Reach> = {}): Reach => ({
  eventId: 'ev',
  direction: 'SHED',
  window,
  kinds: ['AC', 'CHARGER', 'BEHAVIOURAL'],
  areaIds: [],
  continuousMinutes: 0,
  targetW: null,
  holdout: { seed: 'seed', sharePpm: 0 },
  ...over,
});
const homes = (n: number, over: (i: number) => Partial<Point> = () => ({})) =>
  Array.from({ length: n }, (_, i) => point({ settlementPointId: `sp-${String(i).padStart(3, '0')}`, ...over(i) }));

describe('who may', () => {
  test.each<[string, Partial<Point>, Partial<Candidate>, Partial<Reach>, string | null]>([
    ['an ordinary home', {}, {}, {}, null],
    ['a protected one, whatever else', { protected: true, energised: false }, {}, {}, 'protected'],
    ['an area above it', {}, {}, { areaIds: ['feeder-1'] }, null],
    ['another area', {}, {}, { areaIds: ['feeder-2'] }, 'outside_area'],
    ['without supply', { energised: false }, {}, {}, 'not_energised'],
    ['without a meter', { meterId: null }, {}, {}, 'no_meter'],
    ['whose readings may not be used', { readingsGate: 'withdrawn' }, {}, {}, 'readings_withdrawn'],
    ['whose control was never given', {}, { gate: 'not_given' }, {}, 'consent_not_given'],
    ['of a kind left out of the terms', {}, { kind: 'PUMP' }, {}, 'kind_not_admitted'],
    ['whose device is not provisioned', {}, { deviceId: '' }, {}, 'no_device'],
    ['a person needs no device', {}, { deviceId: '', kind: 'BEHAVIOURAL' }, {}, null],
    [
      'busy in another event',
      {},
      { instructed: [{ start: window.start - HOUR, end: window.start + MINUTE }] },
      {},
      'in_another_event',
    ],
    ['just out of another: no overlap', {}, { instructed: [{ start: window.start - HOUR, end: window.start }] }, {}, null],
    [
      'three hours without a rest',
      {},
      { instructed: [{ start: window.start - HOUR, end: window.start }] },
      { continuousMinutes: 120 },
      'continuous_minutes',
    ],
    [
      'rested a quarter',
      {},
      { instructed: [{ start: window.start - HOUR, end: window.start - 15 * MINUTE }] },
      { continuousMinutes: 120 },
      null,
    ],
    ['its own minutes are used up', {}, { maxMinutesPerDay: 150, minutesThatDay: 45 }, {}, 'resource_minutes_per_day'],
    ['its own minutes suffice', {}, { maxMinutesPerDay: 165, minutesThatDay: 45 }, {}, null],
    ['nothing to expect, to a target', { typicalW: 0 }, {}, { targetW: 100 }, 'nothing_expected'],
    ['nothing to expect, all there is', { typicalW: 0 }, {}, {}, null],
  ])('%s', (_, p, c, r, reason) => {
    const { chosen, passedOver } = selectPoints(reach(r), [point({ candidates: [candidate(c)], ...p })], sha256Hex);
    expect(passedOver).toEqual(reason === null ? {} : { [reason]: 1 });
    expect(chosen).toHaveLength(reason === null ? 1 : 0);
  });
});

describe('what is expected', () => {
  test.each<[string, string, 'SHED' | 'ABSORB', number, number | null, number]>([
    ['a share of the typical load', 'AC', 'SHED', 2000, 1000, 600],
    ['the rating caps it', 'AC', 'SHED', 1500, 4000, 900],
    ['no readings: of the rating', 'CHARGER', 'SHED', 7000, null, 7000],
    ['no rating: of the load', 'BEHAVIOURAL', 'SHED', 0, 1239, 123],
    ['neither known: nothing', 'BEHAVIOURAL', 'SHED', 0, null, 0],
    ['a home that exports has nothing to shed', 'AC', 'SHED', 2000, -500, 0],
    ['room below the rating to absorb', 'CHARGER', 'ABSORB', 7000, 2000, 5000],
    ['unknown load: all of the room', 'CHARGER', 'ABSORB', 7000, null, 7000],
  ])('%s', (_, kind, direction, rated, typical, expected) => expect(expectedW(kind, direction, rated, typical)).toBe(expected));

  test('several resources behind one register are one target and share its load', () => {
    const both = [
      candidate({ resourceId: 'person', kind: 'BEHAVIOURAL', ratedW: 0 }),
      candidate({ resourceId: 'ac-2' }),
      candidate(),
    ];
    const { chosen } = selectPoints(reach(), [point({ typicalW: 1000, candidates: both })], sha256Hex);
    expect(chosen).toHaveLength(1);
    expect(chosen[0]!.resources.map((r) => [r.resourceId, r.expectedW])).toEqual([
      ['ac-1', 600],
      ['ac-2', 240],
      ['person', 16],
    ]);
    expect(chosen[0]!.expectedW).toBe(856);
  });

  test('wishes: comfort caps the shift, chargers fall to their minimum', () => {
    expect(wishFor('AC', 'SHED', { ratedW: 2000, minPowerW: 0, maxSetpointDeltaC: 2 })).toEqual({
      setpointDeltaC: 2,
      maxPowerW: null,
    });
    expect(wishFor('AC', 'ABSORB', { ratedW: 2000, minPowerW: 0, maxSetpointDeltaC: 0 })).toEqual({
      setpointDeltaC: -3,
      maxPowerW: null,
    });
    expect(wishFor('CHARGER', 'SHED', { ratedW: 7000, minPowerW: 1400, maxSetpointDeltaC: 0 })).toEqual({
      setpointDeltaC: 0,
      maxPowerW: 1400,
    });
    expect(wishFor('CHARGER', 'ABSORB', { ratedW: 7000, minPowerW: 1400, maxSetpointDeltaC: 0 })).toEqual({
      setpointDeltaC: 0,
      maxPowerW: 7000,
    });
  });
});

describe('who is chosen', () => {
  test('to the target and no further, fewest recent events first', () => {
    const { chosen, passedOver } = selectPoints(
      reach({ targetW: 3000 }),
      homes(10, (i) => ({ recentEvents: i < 7 ? 1 : 0 })),
      sha256Hex,
    );
    expect(chosen).toHaveLength(3);
    expect(chosen.map(({ point }) => point.settlementPointId)).toEqual(['sp-007', 'sp-008', 'sp-009']);
    expect(passedOver).toEqual({ target_met: 7 });
  });
  test('another event takes others, the order of the input does not matter', () => {
    const ids = (eventId: string, points: Point[]) =>
      selectPoints(reach({ targetW: 3000, eventId }), points, sha256Hex).chosen.map(({ point }) => point.settlementPointId);
    expect(ids('ev', homes(40))).toEqual(ids('ev', homes(40).reverse()));
    expect(ids('ev', homes(40))).not.toEqual(ids('other', homes(40)));
  });
  test('property: chosen and holdout never meet, and without the last chosen the target is missed', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 0, max: 30 }),
        fc.integer({ min: 1, max: 40_000 }),
        fc.integer({ min: 0, max: 1_000_000 }),
        (n, targetW, sharePpm) => {
          const { chosen } = selectPoints(reach({ targetW, holdout: { seed: 's', sharePpm } }), homes(n), sha256Hex);
          expect(new Set(chosen.map(({ point }) => point.settlementPointId)).size).toBe(chosen.length);
          const asked = chosen.filter(({ role }) => role === 'CHOSEN');
          const sum = asked.reduce((total, one) => total + one.expectedW, 0);
          expect(sum - 1200).toBeLessThan(targetW);
          for (const { role, point } of chosen)
            expect(inHoldout(sha256Hex, 's', point.settlementPointId, sharePpm)).toBe(role === 'HOLDOUT');
        },
      ),
    );
  });
});

describe('holdout', () => {
  test('share 0 holds nobody, share 1 everybody, a tenth about a tenth', () => {
    const held = (ppm: number) => homes(1000).filter((p) => inHoldout(sha256Hex, 'seed', p.settlementPointId, ppm)).length;
    expect([held(0), held(1_000_000)]).toEqual([0, 1000]);
    expect(held(100_000)).toBeGreaterThan(70);
    expect(held(100_000)).toBeLessThan(130);
  });
  test('a larger share only adds', () => {
    for (const { settlementPointId } of homes(200)) {
      if (inHoldout(sha256Hex, 'seed', settlementPointId, 50_000))
        expect(inHoldout(sha256Hex, 'seed', settlementPointId, 200_000)).toBe(true);
    }
  });
  test('the seed stays for a rotation and then changes; without rotation every event draws anew', () => {
    const seed = (day: string, rotation: number, eventId = 'e1') => holdoutSeed(sha256Hex, 'summer', eventId, day, rotation);
    expect(seed('2026-05-01', 30)).toBe(seed('2026-05-02', 30, 'e2'));
    expect(seed('2026-05-01', 30)).not.toBe(seed('2026-06-05', 30));
    expect(seed('2026-05-01', 0)).not.toBe(seed('2026-05-01', 0, 'e2'));
  });
});

test.each([
  [{ 'm-1': 2000, 'm-ev': 1500 }, [500, 1500], 'the home without its charger, the charger by itself'],
  [{ 'm-1': 2000 }, [null, null], 'what the charger draws is not known, so neither is the rest'],
  [{ 'm-1': 1000, 'm-ev': 1500 }, [0, 1500], 'means of different days: never below nothing'],
])('of a home with an enrolled sub-meter %j W are typical: %j (%s)', (typical, expected, _why) => {
  const row: EnrolledRow = {
    enrolmentId: 'e',
    resourceId: 'r-ac',
    settlementPointId: 'sp-home',
    connectionId: 'c-1',
    participantId: 'p-1',
    organisationId: 'agg',
    kind: 'AC',
    ratedW: 1500,
    deviceId: 'd',
    maxMinutesPerDay: 0,
    subMeterId: '',
    areaId: 'tx-1',
    protected: false,
  };
  const charger = { ...row, resourceId: 'r-ev', settlementPointId: 'sp-ev', subMeterId: 'm-ev' };
  const own = { meterId: 'm-1', connectionId: 'c-1', parentMeterId: '', shard: 0 };
  const ground: Ground = {
    enrolled: new Map([row, charger].map((one) => [one.settlementPointId, [one]])),
    meters: new Map([['c-1', [own, { ...own, meterId: 'm-ev', parentMeterId: 'm-1' }]]]),
    enrolledSubMeters: new Map([['c-1', ['m-ev']]]),
    consents: new Map(),
    parents: new Map(),
  };
  const points = pointsOf(ground, {
    programmeId: 'p',
    window,
    now: 0,
    days: zoneDays('Asia/Kolkata'),
    typicalW: new Map(Object.entries(typical)),
    notEnergised: new Set(),
    instructed: new Map(),
    recentEvents: new Map(),
  });
  expect(points.map((one) => one.typicalW)).toEqual(expected);
});
