import { create } from '@bufbuild/protobuf';
import { describe, expect, test } from 'vitest';
import {
  Adjustment_Anchor,
  Adjustment_Kind,
  Holdout_Pay,
  Netting,
  type Terms,
  TermsSchema,
} from '../../gen/lachak/v1/catalogue_pb.ts';
import { findPreset, presets } from './presets.ts';
import { filled, termsFault } from './terms.ts';

const known = { zone: (zone: string) => ['Asia/Kolkata', '+05:30'].includes(zone), calendar: (id: string) => id === 'delhi' };

function residential(): Terms {
  const found = findPreset('residential-10of10');
  if ('nearest' in found) throw new Error('the default preset is gone');
  return filled(create(TermsSchema, found.preset.terms));
}

const energy = (terms: Terms) => {
  const { component } = terms.pay[0]!;
  if (component.case !== 'energy') throw new Error('the first component is energy');
  return component.value;
};

describe('Terms are published as they are, or refused by the first field that is wrong', () => {
  const rows: [change: (terms: Terms) => void, code: string | null, field: string, reason: string][] = [
    [() => {}, null, '', 'the default preset'],
    [
      (t) => {
        t.direction = 0;
      },
      'direction_missing',
      'direction',
      'neither less nor more',
    ],
    [
      (t) => {
        t.kinds = [];
      },
      'kinds_missing',
      'kinds',
      'nobody could take part',
    ],
    [
      (t) => {
        t.kinds = ['AC', 'ac'];
      },
      'kind_malformed',
      'kinds[1]',
      'kinds are upper case',
    ],
    [
      (t) => {
        t.kinds = ['AC', 'AC'];
      },
      'kind_malformed',
      'kinds[1]',
      'a kind twice',
    ],
    [
      (t) => {
        t.kinds = ['BIOGAS_MIXER'];
      },
      null,
      '',
      'a kind is data, not a list of ours',
    ],
    [
      (t) => {
        t.zone = 'Asia/Dilli';
      },
      'zone_unknown',
      'zone',
      'no such zone',
    ],
    [
      (t) => {
        t.settlementIntervalMinutes = 5;
      },
      'grid_unknown',
      'settlement_interval_minutes',
      'no meter has it',
    ],
    [
      (t) => {
        t.windows[0]!.toMinute = 1441;
      },
      'window_malformed',
      'windows[0].to_minute',
      'beyond the day',
    ],
    [
      (t) => {
        t.windows[0]!.toMinute = 360;
      },
      'window_malformed',
      'windows[0].to_minute',
      'empty window',
    ],
    [
      (t) => {
        t.windows[0]!.fromMinute = 375;
      },
      'window_off_grid',
      'windows[0].from_minute',
      'quarter past on a half-hour grid',
    ],
    [
      (t) => {
        t.windows[0]!.weekdays = [1, 7];
      },
      'window_malformed',
      'windows[0].weekdays[1]',
      'Sunday is 0',
    ],
    [
      (t) => {
        t.windows = [];
      },
      null,
      '',
      'any time',
    ],
    [
      (t) => {
        t.gateClosureMinutes = 119;
      },
      'gate_after_notice',
      'gate_closure_minutes',
      'notice before the cohort is drawn',
    ],
    [
      (t) => {
        t.gateClosureMinutes = 120;
      },
      null,
      '',
      'at once is early enough',
    ],
    [
      (t) => {
        t.limits!.minutesPerEvent = 100;
      },
      'limit_off_grid',
      'limits.minutes_per_event',
      'no whole intervals',
    ],
    [
      (t) => {
        t.limits!.eventsPerMonth = 0;
      },
      null,
      '',
      '0 = no limit',
    ],
    [
      (t) => {
        t.limits!.eventsPerSeason = 9;
      },
      'limit_malformed',
      'limits.events_per_season',
      'below the month’s 10',
    ],
    [
      (t) => {
        t.limits!.seasonFrom = '2026-04-01';
      },
      'season_malformed',
      'limits.season_to',
      'half a season',
    ],
    [
      (t) => {
        t.limits!.seasonFrom = '2026-02-29';
        t.limits!.seasonTo = '2026-06-30';
      },
      'season_malformed',
      'limits.season_from',
      'no leap year',
    ],
    [
      (t) => {
        t.calendarId = 'delhi';
      },
      null,
      '',
      'a calendar that is there',
    ],
    [
      (t) => {
        t.calendarId = 'mumbai';
      },
      'calendar_not_found',
      'calendar_id',
      'a calendar that is not',
    ],
    [
      (t) => {
        t.lossFactor = { num: 9n, den: 10n } as never;
      },
      'loss_below_one',
      'loss_factor',
      'losses that add energy',
    ],
    [
      (t) => {
        t.lossFactor = { num: 11n, den: 0n } as never;
      },
      'ratio_malformed',
      'loss_factor',
      'division by zero',
    ],
    [
      (t) => {
        delete t.baseline;
      },
      'baseline_missing',
      'baseline',
      'nothing to compare with',
    ],
    [
      (t) => {
        t.baseline!.method = 'ORACLE';
      },
      'method_unknown',
      'baseline.method',
      'no such family',
    ],
    [
      (t) => {
        t.baseline!.method = 'EV_SESSION';
      },
      'method_not_settled',
      'baseline.method',
      'sessions are no meter-days: nobody could check the statement',
    ],
    [
      (t) => {
        t.baseline!.method = 'toString';
      },
      'method_unknown',
      'baseline.method',
      'a word every object knows is no method',
    ],
    [
      (t) => {
        t.baseline!.quantity = 'kWh';
      },
      'quantity_unknown',
      'baseline.quantity',
      'a unit is no quantity',
    ],
    [
      (t) => {
        t.baseline!.x = 11;
      },
      'x_above_y',
      'baseline.x',
      '11 of 10',
    ],
    [
      (t) => {
        t.baseline!.x = 9;
      },
      'x_not_y',
      'baseline.x',
      'ALL of 10 is 10',
    ],
    [
      (t) => {
        t.baseline!.minGapDays = 0;
      },
      'gap_malformed',
      'baseline.min_gap_days',
      'the event day itself',
    ],
    [
      (t) => {
        t.baseline!.lookbackDays = 9;
      },
      'lookback_too_short',
      'baseline.lookback_days',
      '9 days cannot hold 10',
    ],
    [
      (t) => {
        t.baseline!.minDays = 0;
      },
      'min_days_malformed',
      'baseline.min_days',
      'a mean of nothing',
    ],
    [
      (t) => {
        t.baseline!.dayType = 'monsoon';
      },
      'day_type_unknown',
      'baseline.day_type',
      'no such class',
    ],
    [
      (t) => {
        t.baseline!.nonWorking!.x = 5;
      },
      'x_above_y',
      'baseline.non_working.x',
      '5 of 4 at weekends',
    ],
    [
      (t) => {
        t.baseline!.nonWorking!.y = 12;
      },
      'x_not_y',
      'baseline.non_working.x',
      'ALL at weekends too',
    ],
    [
      (t) => {
        t.baseline!.lowUsageThreshold = { num: 1n, den: 1n } as never;
      },
      'low_usage_malformed',
      'baseline.low_usage_threshold',
      'would reject every day',
    ],
    [
      (t) => {
        t.baseline!.adjustment!.kind = Adjustment_Kind.KIND_UNSPECIFIED;
      },
      'adjustment_missing',
      'baseline.adjustment.kind',
      'NONE must be said',
    ],
    [
      (t) => {
        t.baseline!.adjustment!.toMinutes = 30;
      },
      'adjustment_window',
      'baseline.adjustment.to_minutes',
      'after the anchor',
    ],
    [
      (t) => {
        t.baseline!.adjustment!.fromMinutes = -45;
      },
      'adjustment_off_grid',
      'baseline.adjustment.from_minutes',
      'half a slot',
    ],
    [
      (t) => {
        t.baseline!.adjustment!.anchor = Adjustment_Anchor.START;
      },
      'adjustment_after_notice',
      'baseline.adjustment.to_minutes',
      'pre-cooling would be paid',
    ],
    [
      (t) => {
        Object.assign(t.baseline!.adjustment!, { anchor: Adjustment_Anchor.START, fromMinutes: -300, toMinutes: -120 });
      },
      null,
      '',
      'from the start, but over when notice goes out',
    ],
    [
      (t) => {
        t.baseline!.adjustment!.kind = Adjustment_Kind.ADDITIVE;
      },
      'adjustment_cap',
      'baseline.adjustment.ratio_min',
      'a ratio bounds no shift',
    ],
    [
      (t) => {
        t.baseline!.adjustment!.ratioMin = { num: 2n, den: 1n } as never;
      },
      'adjustment_cap',
      'baseline.adjustment.ratio_min',
      'the floor above the ceiling',
    ],
    [
      (t) => {
        t.netting = Netting.NETTING_UNSPECIFIED;
      },
      'netting_missing',
      'netting',
      'money is never guessed',
    ],
    [
      (t) => {
        t.reconciliation = 0;
      },
      'reconciliation_missing',
      'reconciliation',
      'money is never guessed',
    ],
    [
      (t) => {
        t.pay = [];
      },
      'pay_missing',
      'pay',
      'paying nothing must be said',
    ],
    [
      (t) => {
        t.pay.push(t.pay[0]!);
      },
      'pay_repeated',
      'pay[2]',
      'two rates for one kWh',
    ],
    [
      (t) => {
        energy(t).microsPerKwh!.values = [-1n];
      },
      'amount_malformed',
      'pay[0].energy.micros_per_kwh.values[0]',
      'direction says less or more, never the sign',
    ],
    [
      (t) => {
        energy(t).microsPerKwh!.values = [];
      },
      'series_malformed',
      'pay[0].energy.micros_per_kwh',
      'no rate',
    ],
    [
      (t) => {
        energy(t).microsPerKwh!.values = [4_000_000_000_000n];
      },
      'amount_malformed',
      'pay[0].energy.micros_per_kwh.values[0]',
      'micros of micros',
    ],
    [
      (t) => {
        t.waterfall[0]!.sharePpm = 850_001;
      },
      'shares_not_whole',
      'waterfall',
      'a millionth too much',
    ],
    [
      (t) => {
        for (const s of t.waterfall) s.fromDay = '2026-07-01';
      },
      'waterfall_gap',
      'waterfall',
      'nobody before July',
    ],
    [
      (t) => {
        t.waterfall[1]!.fromDay = '2026-07-01';
      },
      'shares_not_whole',
      'waterfall',
      'each date is a whole set',
    ],
    [
      (t) => {
        t.waterfall[1]!.party = 'LANDLORD';
      },
      'party_unknown',
      'waterfall[1].party',
      'no such party',
    ],
    [
      (t) => {
        t.waterfall[1]!.party = 'CONSUMER';
      },
      'party_repeated',
      'waterfall[1].party',
      'one party twice',
    ],
    [
      (t) => {
        t.holdout!.pay = Holdout_Pay.PAY_UNSPECIFIED;
      },
      'holdout_malformed',
      'holdout.pay',
      'participants are told',
    ],
    [
      (t) => {
        t.holdout!.rotationDays = 0;
      },
      'holdout_malformed',
      'holdout.rotation_days',
      'held out for ever',
    ],
    [
      (t) => {
        t.runStages.reverse();
      },
      'stages_out_of_order',
      'run_stages[1].stage',
      'final before preliminary',
    ],
    [
      (t) => {
        t.runStages[2]!.cutOffAfterEndMs = 1n;
      },
      'stages_out_of_order',
      'run_stages[2].cut_off_after_end_ms',
      'a later stage that knows less',
    ],
    [
      (t) => {
        t.runStages[0]!.minCoveragePpm = 1_000_001;
      },
      'coverage_malformed',
      'run_stages[0].min_coverage_ppm',
      'more than all',
    ],
    [
      (t) => {
        t.billingCycle = 'WEEKLY';
      },
      'billing_cycle_unknown',
      'billing_cycle',
      'bills are monthly',
    ],
    [
      (t) => {
        t.chargeCode = 'df,res';
      },
      'charge_code_malformed',
      'charge_code',
      'a comma would split the bill file',
    ],
    [
      (t) => {
        t.kinds = [];
        t.runStages = [];
      },
      'kinds_missing',
      'kinds',
      'of two faults the earlier field',
    ],
  ];
  test.each(rows)('%#: %s → %s at %s (%s)', (change, code, field) => {
    const terms = residential();
    change(terms);
    const found = termsFault(terms, known);
    expect(found?.code ?? null).toBe(code);
    if (code) {
      expect(found!.field).toBe(`terms.${field}`);
      expect(found!.message.startsWith(`terms.${field} `)).toBe(true);
    }
  });
});

describe('Presets', () => {
  test.each(presets.map((preset) => [preset.name, preset] as const))(
    '%s can be published as it is',
    (_, { terms, summary, sourceStatus }) => {
      expect(termsFault(filled(create(TermsSchema, terms)), known)).toBeNull();
      expect(summary).not.toBe('');
      expect(sourceStatus).not.toBe('');
    },
  );

  test('A misspelt name gets the nearest one', () => {
    expect(findPreset('residental-10of10')).toEqual({ nearest: 'residential-10of10' });
    expect(findPreset('pjm-4-of-5')).toEqual({ nearest: 'pjm-4of5' });
  });

  test('The default is that of the design: 10 of 10, ±20 % before notice, netted per event, reconciled, disclosed holdout', () => {
    const terms = residential();
    expect(presets[0]!.name).toBe('residential-10of10');
    expect(terms.baseline).toMatchObject({
      x: 10,
      y: 10,
      lookbackDays: 45,
      minDays: 5,
      nonWorking: { x: 4, y: 4, lookbackDays: 90, minDays: 4 },
    });
    expect(terms.baseline!.adjustment).toMatchObject({ fromMinutes: -180, toMinutes: 0, anchor: Adjustment_Anchor.NOTICE });
    expect(terms).toMatchObject({
      netting: Netting.NET_EVENT,
      floorZero: true,
      holdout: { sharePpm: 50_000, pay: Holdout_Pay.NOTHING },
    });
  });
});
