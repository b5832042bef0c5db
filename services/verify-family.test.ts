import { create, fromJson, type JsonObject } from '@bufbuild/protobuf';
import { beforeAll, describe, expect, test } from 'vitest';
import { TermsSchema } from '../gen/lachak/v1/catalogue_pb.ts';
import { CohortMemberSchema } from '../gen/lachak/v1/dispatch_pb.ts';
import type { PointResult } from '../gen/lachak/v1/performance_pb.ts';
import { filled, termsFault } from './catalogue/terms.ts';
import { DAY, HOUR, MINUTE } from './domain/interval.ts';
import { emptyColumns } from './domain/tile.ts';
import { coreBytes } from './host/core-file.ts';
import { zoneDays } from './host/zone.ts';
import { runDays } from './performance/day-matching.ts';
import { calledDays } from './performance/exclusions.ts';
import { type Kernel, loadKernel } from './performance/kernel.ts';
import { columnsOf } from './performance/measure.ts';
import { methodOf } from './performance/method.ts';
import { pointResult } from './performance/results.ts';
import type { MeterService, Sheets } from './performance/stitch.ts';
import { isWorkingDay, planOf } from './performance/windows.ts';
import { checkExcludedDays } from './settlement/check-days.ts';
import { measuredOf } from './settlement/messages.ts';
import type { Measured, ParticipantPayload } from './settlement/payload.ts';
import { remeasuredOf } from './settlement/recompute.ts';
import { remeasure } from './verify.ts';

/*
 * What a programme may publish, a statement must prove: for terms of every part of the family, what performance measures from a connection's
 * meter, gaps, estimates, calls and consents is what the verifier finds from the statement and the readings alone.
 */

const ZONE = 'Asia/Kolkata';
const zone = zoneDays(ZONE);
const EVENT_DAY = '2026-05-08'; // a Friday
const START = zone.startOf(EVENT_DAY) + 18 * HOUR;
const WINDOW = { start: START, end: START + 2 * HOUR };
const NOTICE = START - 3 * HOUR;
const CALLED = ['2026-05-06', '2026-05-05', '2026-04-30', '2026-04-29'];
const HOLIDAY = { day: '2026-05-01', name: 'May Day', kind: 'HOLIDAY' };

const baseline = {
  ...{ method: 'DAY_MATCHING', quantity: 'import', select: 'ALL', x: 6, y: 6, dayType: 'weekday_vs_nonworking' },
  ...{ minGapDays: 1, lookbackDays: 30, minDays: 3, floorZero: true },
};
const ratio = {
  ...{ kind: 'MULTIPLICATIVE', fromMinutes: -120, toMinutes: 0, direction: 'BOTH', anchor: 'NOTICE' },
  ...{ ratioMin: { num: '4', den: '5' }, ratioMax: { num: '6', den: '5' } },
};
const list = (values: number[], byRank = false) => ({ list: { values, byRank } });
const forgetting = (num: number, den: number, init: number) => ({
  forgetting: { lambda: { num: String(num), den: String(den) }, init },
});
const match = { rankOn: 'MATCH_WINDOW', matchWindow: { fromMinutes: 0, toMinutes: 1440, guardMinutes: 60 } };

const TERMS: readonly (readonly [string, JsonObject])[] = [
  ['weights by recency', { ...baseline, family: { weights: list([5, 4, 3, 2, 1, 1]) }, adjustment: ratio }],
  ['weights by rank', { ...baseline, select: 'HIGH', x: 3, family: { weights: list([5, 3, 2], true) } }],
  ['a mean that forgets a tenth', { ...baseline, x: 12, y: 12, family: { weights: forgetting(1, 10, 5) }, adjustment: ratio }],
  ['the nearest days by load', { ...baseline, select: 'NEAREST', x: 3, y: 20, family: match }],
  [
    'the day before in the likeness',
    { ...baseline, select: 'NEAREST', x: 3, y: 20, family: { ...match, matchWindow: { fromMinutes: -1440, toMinutes: 900 } } },
  ],
  [
    'rank on the whole day, with gaps',
    { ...baseline, select: 'HIGH', x: 3, family: { rankOn: 'WHOLE_DAY', rankGaps: 4, eventGaps: 1 } },
  ],
  ['windows on both sides', { ...baseline, adjustment: { ...ratio, postFromMinutes: 60, postToMinutes: 180 } }],
  [
    'a shift of at most 50 Wh',
    {
      ...baseline,
      adjustment: { kind: 'ADDITIVE', fromMinutes: -120, toMinutes: 0, anchor: 'NOTICE', capWh: { num: '50', den: '1' } },
    },
  ],
  ['a shift where a ratio means nothing', { ...baseline, adjustment: { ...ratio, additiveInstead: true, nearZeroWh: 5000 } }],
  ['refill with event days', { ...baseline, lookbackDays: 5, x: 4, y: 4, minDays: 4, family: { refillWithEventDays: true } }],
  [
    'holidays, estimates and holed days out',
    { ...baseline, dayType: 'any', family: { excludeHolidays: true, estimatedMost: 0, missingShare: { num: '1', den: '10' } } },
  ],
  [
    'the same day',
    {
      ...baseline,
      family: { source: 'SAME_DAY', eventGaps: 1 },
      adjustment: { kind: 'NONE', fromMinutes: -120, toMinutes: 0, anchor: 'NOTICE', postFromMinutes: 60, postToMinutes: 120 },
    },
  ],
];

let kernel: Kernel;
beforeAll(async () => {
  kernel = await loadKernel(coreBytes());
});

/** Half hours that differ by day and hour; some missing on 7 May, some estimated on 4 May, one gap in the event's own afternoon. */
function reading(_: string, startMs: number): { importWh: number | null; exportWh: null; quality: number } | null {
  const day = zone.dayOf(startMs);
  const slot = (startMs - zone.startOf(day)) / (30 * MINUTE);
  if (day === '2026-05-07' && slot < 6) return null;
  if (day === '2026-04-28' && slot === 37) return null;
  if (day === EVENT_DAY && slot === 43) return null;
  const turn = Math.round(startMs / DAY);
  return {
    importWh: 200 + ((turn * 53 + slot * 29) % 181) + (slot >= 36 ? 150 : 0),
    exportWh: null,
    quality: day === '2026-05-04' && slot > 35 ? 2 : 1,
  };
}

const service: MeterService = {
  meterId: 'M',
  shard: 0,
  ordinal: 0,
  from: 0,
  to: null,
  intervalMinutes: 30,
  hasExport: false,
  zone,
};
const sheets: Sheets = (_, dayStart, intervalMinutes) => {
  const columns = emptyColumns(48, 1);
  for (let slot = 0; slot < 48; slot++) {
    const known = reading('M', dayStart + slot * 30 * MINUTE);
    if (!known) continue;
    columns.importWh[slot] = known.importWh!;
    columns.quality[slot] = known.quality;
  }
  return { dayStart, intervalMinutes, columns };
};

/** What performance writes for one point, as its statement prints it. */
function measured(terms: JsonObject): Measured {
  const read = fromJson(TermsSchema, terms);
  const holidays = new Set([HOLIDAY.day]);
  const method = methodOf(read.baseline, read.direction, isWorkingDay(EVENT_DAY, holidays, zone));
  const plan = planOf({ window: WINDOW, noticeAt: NOTICE, minutes: 30, method, holidays, zone });
  const exclusions = [
    ...CALLED.map((day) => ({ day, reason: 'event:earlier' })),
    ...(method.family?.exclude.holidays ? [{ day: HOLIDAY.day, reason: 'holiday' }] : []),
  ].filter(({ day }) => plan.days.includes(day));
  // Supply was off for half an hour of the early morning of the event's day.
  const dark = { start: zone.startOf(EVENT_DAY) + 3 * HOUR, end: zone.startOf(EVENT_DAY) + 3.5 * HOUR, state: 2 };
  const lane = {
    ...{ registers: { own: [service], taken: [] }, unserved: [dark], closed: new Uint8Array(plan.actual.length) },
    ...{ excluded: new Set(exclusions.map(({ day }) => day)), called: calledDays(exclusions), closedLead: new Uint8Array(8) },
  };
  const columns = columnsOf(plan, method, [lane], sheets);
  const unread = [...plan.actual].filter((start, slot) => slot >= plan.eventCount && start === dark.start);
  const result = pointResult({
    ...{ plan, method, columns, m: 0, closed: false, remarks: [], exclusions, meterIds: ['M'], meterDays: [], unread },
    estimate: runDays(kernel, method, columns.input).at(0),
    member: create(CohortMemberSchema),
  });
  const register = { meterId: 'M', fromMs: 0, toMs: null, hasExport: false, intervalMinutes: 30, zone: ZONE, taken: false };
  return measuredOf(result as unknown as PointResult, true, [register]);
}

const termsOf = (own: JsonObject): JsonObject => ({
  ...{ direction: 'SHED', zone: ZONE, settlementIntervalMinutes: 30, noticeMinutes: 120, gateClosureMinutes: 120 },
  ...{ kinds: ['AC'], chargeCode: 'DF', baseline: own, netting: 'NET_EVENT', reconciliation: 'RECONCILE_NONE' },
  pay: [{ energy: { microsPerKwh: { values: ['4000000'] } } }],
  waterfall: [{ party: 'CONSUMER', sharePpm: 1_000_000 }],
  runStages: [{ stage: 'FINAL', cutOffAfterEndMs: String(3 * DAY), minCoveragePpm: 900_000 }],
});
const again = (terms: JsonObject, point: Measured, read: typeof reading = reading) =>
  remeasure(kernel, {
    ...{ coreSha256: kernel.sha256, terms, window: WINDOW, noticeAtMs: NOTICE, calendar: [HOLIDAY], point },
    reading: read,
  });

describe.each(TERMS)('%s', (name, own) => {
  const terms = termsOf(own);
  test('may be published', () => {
    expect(termsFault(filled(fromJson(TermsSchema, terms)), { zone: () => true, calendar: () => true })).toBeNull();
  });

  test('is found again from the statement and the readings, to the last fraction', () => {
    const point = measured(terms);
    expect(point.status).toBe('ok');
    expect(again(terms, point)).toEqual(remeasuredOf(point));
    const calendar = { days: [HOLIDAY] };
    const payload = { measured: point, calendar, event: { day: EVENT_DAY, eventId: 'this' } } as unknown as ParticipantPayload;
    expect(checkExcludedDays(payload).differences).toEqual([]);
  });

  test('differs when a reading it rests on differs', () => {
    const point = measured(terms);
    const day = name === 'the same day' ? EVENT_DAY : point.selectedDays[0]!;
    const at = zone.startOf(day) + (name === 'the same day' ? 13.5 : 18) * HOUR;
    const other: typeof reading = (meter, start) => {
      const known = reading(meter, start);
      return known && start === at ? { ...known, importWh: known.importWh! + 900 } : known;
    };
    expect(again(terms, point, other)).not.toEqual(remeasuredOf(point));
  });
});

test('shares, days that came in and intervals that were not read stand in the statement', () => {
  const [recency, , , nearest] = TERMS;
  expect(measured(termsOf(recency![1])).weights).toHaveLength(6);
  expect(measured(termsOf(nearest![1])).unread).toEqual([zone.startOf(EVENT_DAY) + 3 * HOUR]);
  const refilled = measured(termsOf(TERMS.find(([name]) => name === 'refill with event days')![1]));
  expect(refilled.refilledDays).toEqual(['2026-05-05', '2026-05-06']);
  expect(measured(termsOf({ ...baseline }))).not.toHaveProperty('weights');
});
