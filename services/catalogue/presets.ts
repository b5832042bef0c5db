import type { MessageInitShape } from '@bufbuild/protobuf';
import {
  Adjustment_Anchor as Anchor,
  Holdout_Pay,
  Adjustment_Kind as Kind,
  Adjustment_Limit as Limit,
  Netting,
  Reconciliation,
  RunStage,
  Baseline_Select as Select,
  type TermsSchema,
} from '../../gen/lachak/v1/catalogue_pb.ts';
import { Direction } from '../../gen/lachak/v1/types_pb.ts';
import { DAY } from '../domain/interval.ts';

type TermsInit = Extract<MessageInitShape<typeof TermsSchema>, { $typeName?: never }>;
type Pay = NonNullable<TermsInit['pay']>[number];
type BaselineInit = Extract<NonNullable<TermsInit['baseline']>, { $typeName?: never }>;

/** A named starting point. `terms` are data: every number is a parameter somebody may change. */
export type PresetInit = {
  readonly name: string;
  readonly summary: string;
  readonly sourceStatus: string;
  readonly terms: TermsInit;
};

const ratio = (num: number, den: number) => ({ num: BigInt(num), den: BigInt(den) });
const RUPEE = 1_000_000n;
const energyPay = (microsPerKwh: bigint): Pay => ({
  component: { case: 'energy', value: { microsPerKwh: { values: [microsPerKwh] } } },
});
const participationPay = (microsPerEvent: bigint): Pay => ({
  component: { case: 'participation', value: { microsPerEvent, deliveredOnly: true } },
});

// Late readings of the last kilometre arrive within days; meters replaced or repaired within weeks.
const runStages = [
  { stage: RunStage.PRELIMINARY, cutOffAfterEndMs: BigInt(1 * DAY), minCoveragePpm: 900_000 },
  { stage: RunStage.INITIAL, cutOffAfterEndMs: BigInt(3 * DAY), minCoveragePpm: 950_000 },
  { stage: RunStage.FINAL, cutOffAfterEndMs: BigInt(10 * DAY), minCoveragePpm: 980_000 },
  { stage: RunStage.TRUE_UP, cutOffAfterEndMs: BigInt(45 * DAY), minCoveragePpm: 980_000 },
  { stage: RunStage.CLOSED, cutOffAfterEndMs: BigInt(90 * DAY), minCoveragePpm: 0 },
];

// 10 of 10 working days, 4 of 4 others. Averages of all days pay half as much for nothing as the highest five do.
const tenOfTen: BaselineInit = {
  method: 'DAY_MATCHING',
  quantity: 'import',
  select: Select.ALL,
  x: 10,
  y: 10,
  dayType: 'weekday_vs_nonworking',
  minGapDays: 1,
  lookbackDays: 45,
  minDays: 5,
  nonWorking: { x: 4, y: 4, lookbackDays: 90, minDays: 4 },
};

const beforeNotice: BaselineInit = {
  ...tenOfTen,
  adjustment: {
    kind: Kind.MULTIPLICATIVE,
    fromMinutes: -180,
    toMinutes: 0,
    direction: Limit.BOTH,
    ratioMin: ratio(4, 5),
    ratioMax: ratio(6, 5),
    anchor: Anchor.NOTICE,
  },
};

const residential: TermsInit = {
  direction: Direction.SHED,
  kinds: ['AC', 'CHARGER', 'WATER_HEATER', 'BEHAVIOURAL'],
  zone: 'Asia/Kolkata',
  settlementIntervalMinutes: 30,
  windows: [{ fromMinute: 6 * 60, toMinute: 23 * 60 }],
  noticeMinutes: 120,
  gateClosureMinutes: 180,
  limits: {
    eventsPerDay: 1,
    eventsPerMonth: 10,
    eventsPerSeason: 60,
    minutesPerEvent: 240,
    minutesPerDay: 240,
    continuousMinutes: 240,
  },
  baseline: beforeNotice,
  netting: Netting.NET_EVENT,
  reconciliation: Reconciliation.RECONCILE_PORTFOLIO,
  pay: [energyPay(4n * RUPEE), participationPay(5n * RUPEE)],
  floorZero: true,
  waterfall: [
    { party: 'CONSUMER', sharePpm: 850_000 },
    { party: 'AGGREGATOR', sharePpm: 150_000 },
  ],
  holdout: { sharePpm: 50_000, rotationDays: 30, pay: Holdout_Pay.NOTHING },
  optOut: { freePerSeason: 3 },
  graceMinutes: 10,
  runStages,
  billingCycle: 'MONTHLY',
  chargeCode: 'DF-RES',
};

// What the foreign day-matching rules share with each other; their own numbers follow.
const commercial: TermsInit = {
  ...residential,
  kinds: ['AC', 'CHARGER', 'PUMP', 'BATTERY', 'BEHAVIOURAL'],
  settlementIntervalMinutes: 15,
  reconciliation: Reconciliation.RECONCILE_NONE,
  pay: [energyPay(4n * RUPEE)],
  holdout: { sharePpm: 0 },
  chargeCode: 'DF-CI',
};
const hourBefore: TermsInit = { ...commercial, noticeMinutes: 60, gateClosureMinutes: 120 };

const OURS = 'ours, not regulatory';
const FROM_MEMORY = 'from memory, not verified';

/** All presets, the default first. Parameters of the foreign rules: golden RULES §7. */
export const presets: readonly PresetInit[] = [
  {
    name: 'residential-10of10',
    summary:
      '10 of 10 working days (4 of 4 others), ratio ±20 % in the 3 hours before notice, netted per event, reconciled to the portfolio',
    sourceStatus: OURS,
    terms: residential,
  },
  {
    name: 'in-ci',
    summary: 'Commercial and industrial: 10 of 10, additive adjustment of at most 20 %, ending before notice, netted per event',
    sourceStatus: OURS,
    terms: {
      ...commercial,
      baseline: {
        ...tenOfTen,
        adjustment: {
          kind: Kind.ADDITIVE,
          fromMinutes: -180,
          toMinutes: 0,
          direction: Limit.BOTH,
          capFraction: ratio(1, 5),
          anchor: Anchor.NOTICE,
        },
      },
      pay: [
        energyPay(4n * RUPEE),
        { component: { case: 'availability', value: { microsPerKwHour: RUPEE / 2n, minPerformance: ratio(1, 2) } } },
        {
          component: {
            case: 'penalty',
            value: { microsPerKwh: { values: [2n * RUPEE] }, tolerance: ratio(4, 5), householdsExempt: true },
          },
        },
      ],
    },
  },
  {
    name: 'caiso-10in10',
    summary: '10 in 10 with a same-day ratio of ±20 %, 4 to 1 hours before the event; 4 in 4 on weekends and holidays',
    sourceStatus:
      'CAISO BAWG draft (Apr 2017) confirms "10 of 10 baseline with a 20% same day adjustment"; window, min days, look-back from memory, not verified',
    terms: {
      ...hourBefore,
      baseline: {
        ...tenOfTen,
        floorZero: true,
        adjustment: {
          kind: Kind.MULTIPLICATIVE,
          fromMinutes: -240,
          toMinutes: -60,
          direction: Limit.BOTH,
          ratioMin: ratio(4, 5),
          ratioMax: ratio(6, 5),
          anchor: Anchor.START,
        },
      },
    },
  },
  {
    name: 'pjm-4of5',
    summary:
      'Highest 4 of 5 working days (2 of 3 Saturdays or Sundays and holidays), uncapped additive adjustment 4 to 1 hours before the event',
    sourceStatus: FROM_MEMORY,
    terms: {
      ...hourBefore,
      baseline: {
        ...tenOfTen,
        select: Select.HIGH,
        x: 4,
        y: 5,
        dayType: 'weekday_sat_sunhol',
        minDays: 4,
        lowUsageThreshold: ratio(1, 4),
        floorZero: true,
        nonWorking: { x: 2, y: 3, minDays: 2 },
        adjustment: { kind: Kind.ADDITIVE, fromMinutes: -240, toMinutes: -60, direction: Limit.BOTH, anchor: Anchor.START },
      },
    },
  },
  {
    name: 'nyiso-5of10',
    summary:
      'Highest 5 of 10 working days from two days back (2 of 3 others), ratio ±20 % in the 4th and 3rd hour before the event',
    sourceStatus: FROM_MEMORY,
    terms: {
      ...commercial,
      baseline: {
        ...tenOfTen,
        select: Select.HIGH,
        x: 5,
        dayType: 'weekday_sat_sunhol',
        minGapDays: 2,
        lookbackDays: 30,
        lowUsageThreshold: ratio(1, 4),
        floorZero: true,
        nonWorking: { x: 2, y: 3, minDays: 2 },
        adjustment: {
          kind: Kind.MULTIPLICATIVE,
          fromMinutes: -240,
          toMinutes: -120,
          direction: Limit.BOTH,
          ratioMin: ratio(4, 5),
          ratioMax: ratio(6, 5),
          anchor: Anchor.START,
        },
      },
    },
  },
  {
    name: 'deg-uc1-compatible',
    summary:
      'DEG use case 1: highest 5 of 10, no adjustment, clamped at zero per slot (pays for chance: compare its false credit), aggregator paid',
    sourceStatus:
      'settlement rule of the DEG devkit uc1; "5 of 10" leaves ranking, look-back and exclusions open upstream, those are ours',
    terms: {
      ...commercial,
      settlementIntervalMinutes: 30,
      baseline: { ...tenOfTen, select: Select.HIGH, x: 5, nonWorking: { x: 2, y: 4, lookbackDays: 90, minDays: 4 } },
      netting: Netting.NET_INTERVAL,
      pay: [
        energyPay((7n * RUPEE) / 2n),
        {
          component: {
            case: 'penalty',
            value: { microsPerKwh: { values: [(3n * RUPEE) / 2n] }, tolerance: ratio(1, 1), householdsExempt: false },
          },
        },
      ],
      waterfall: [{ party: 'AGGREGATOR', sharePpm: 1_000_000 }],
      chargeCode: 'DF-DEG-UC1',
    },
  },
  {
    name: 'absorb-solar',
    summary:
      'Take more at midday, when solar is plentiful: chargers, heaters, pumps and homes; net register, 10 of 10, ratio ±20 % before notice',
    sourceStatus: OURS,
    terms: {
      ...residential,
      direction: Direction.ABSORB,
      kinds: ['CHARGER', 'WATER_HEATER', 'PUMP', 'BATTERY', 'BEHAVIOURAL'],
      windows: [{ fromMinute: 9 * 60, toMinute: 16 * 60 }],
      // Net, since a home with its own panels absorbs by exporting less.
      baseline: { ...beforeNotice, quantity: 'net' },
      pay: [energyPay(2n * RUPEE)],
      chargeCode: 'DF-SOLAR',
    },
  },
];

/** The preset of that name, or the nearest name as a suggestion. */
export function findPreset(name: string): { preset: PresetInit } | { nearest: string } {
  const preset = presets.find((candidate) => candidate.name === name);
  if (preset) return { preset };
  const byDistance = presets.map((candidate) => ({ nearest: candidate.name, distance: editDistance(name, candidate.name) }));
  return { nearest: byDistance.reduce((best, next) => (next.distance < best.distance ? next : best)).nearest };
}

/** Levenshtein: how many letters to insert, remove or change. */
function editDistance(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, j) => j);
  for (let i = 1; i <= a.length; i++) {
    const next = [i];
    for (let j = 1; j <= b.length; j++)
      next[j] = Math.min(row[j]! + 1, next[j - 1]! + 1, row[j - 1]! + (a[i - 1] === b[j - 1] ? 0 : 1));
    row = next;
  }
  return row[b.length]!;
}
