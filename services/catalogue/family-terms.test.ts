import { create, type MessageInitShape } from '@bufbuild/protobuf';
import { expect, test } from 'vitest';
import {
  Adjustment_Anchor,
  Adjustment_Kind,
  Baseline_Select,
  type BaselineSchema,
  Family_Level,
  Family_RankOn,
  Family_Source,
  TermsSchema,
} from '../../gen/lachak/v1/catalogue_pb.ts';
import { presets } from './presets.ts';
import { filled, termsFault } from './terms.ts';

type Init = Extract<MessageInitShape<typeof BaselineSchema>, { $typeName?: never }>;
const { terms } = presets[0]!;
const preset = terms.baseline as Init;
const ratio = preset.adjustment as Extract<Init['adjustment'], { $typeName?: never }>;

/** The residential preset (10 of 10, ratio before notice, half hours, first cut-off a day after) with other words in its baseline. */
const published = (over: Init) => {
  const made = create(TermsSchema, { ...terms, baseline: { ...preset, ...over } });
  return termsFault(filled(made), { zone: () => true, calendar: () => true });
};
const list = (values: number[]) => ({ weights: { case: 'list' as const, value: { values } } });
const forgetting = (num: bigint, den: bigint, init: number) => ({
  weights: { case: 'forgetting' as const, value: { lambda: { num, den }, init } },
});
const matching = (matchWindow: object) => ({
  select: Baseline_Select.NEAREST,
  family: {
    rankOn: Family_RankOn.MATCH_WINDOW,
    matchWindow: { fromMinutes: 0, toMinutes: 1440, guardMinutes: 60, ...matchWindow },
  },
});
const adjusted = (over: object): Init => ({ adjustment: { ...ratio, ...over } });
const sameDay = (over: object): Init => ({
  family: { source: Family_Source.SAME_DAY },
  adjustment: { kind: Adjustment_Kind.NONE, fromMinutes: -60, toMinutes: 0, anchor: Adjustment_Anchor.NOTICE, ...over },
});
const ones = (n: number) => Array.from({ length: n }, () => 1);

test.each<[string, Init, code: string | null, field: string]>([
  ['the preset itself', {}, null, ''],
  ['a weight for each of ten days', { family: { weights: list(ones(10)) } }, null, ''],
  ['too few weights', { family: { weights: list(ones(9)) } }, 'weights_too_few', 'family.weights.list.values'],
  [
    'weights for working days only',
    { family: { weights: list(ones(10)) }, nonWorking: { x: 4, y: 4, lookbackDays: 90, minDays: 4, weights: list([1]) } },
    'weights_too_few',
    'non_working.weights.list.values',
  ],
  ['a weight of nothing', { family: { weights: list([...ones(9), 0]) } }, 'weights_malformed', 'family.weights.list.values'],
  ['a mean that forgets a tenth', { family: { weights: forgetting(1n, 10n, 5) } }, null, ''],
  [
    'a mean that forgets all and more',
    { family: { weights: forgetting(11n, 10n, 5) } },
    'weights_malformed',
    'family.weights.forgetting.lambda',
  ],
  ['a mean from no day', { family: { weights: forgetting(1n, 10n, 0) } }, 'weights_malformed', 'family.weights.forgetting.init'],
  [
    'weights that would overflow',
    { x: 100, y: 100, lookbackDays: 400, family: { weights: forgetting(1n, 10n, 5) } },
    'weights_too_fine',
    'family.weights.forgetting.lambda',
  ],
  ['gaps with equal weights', { family: { eventGaps: 1 } }, null, ''],
  ['gaps with a list', { family: { eventGaps: 1, weights: list(ones(10)) } }, 'gaps_need_equal_weights', 'family.event_gaps'],
  ['gaps without end', { family: { eventGaps: 128 } }, 'gaps_malformed', 'family.event_gaps'],
  ['the nearest days', matching({}), null, ''],
  ['the nearest days by the event itself', { select: Baseline_Select.NEAREST }, 'rank_on_missing', 'family.rank_on'],
  ['a match window of nothing', matching({ toMinutes: 0 }), 'match_window_malformed', 'family.match_window.from_minutes'],
  ['a match window off the grid', matching({ toMinutes: 1425 }), 'match_window_off_grid', 'family.match_window.to_minutes'],
  [
    'a match window after the first cut-off',
    matching({ toMinutes: 1470 }),
    'read_after_cut_off',
    'family.match_window.to_minutes',
  ],
  ['a match window unsaid', { family: { rankOn: Family_RankOn.MATCH_WINDOW } }, 'match_window_missing', 'family.match_window'],
  ['temperature', { family: { rankOn: Family_RankOn.TEMPERATURE } }, 'temperature_not_recorded', 'family.rank_on'],
  ['one baseline for all', { family: { level: Family_Level.AGGREGATE } }, 'level_not_settled', 'family.level'],
  ['a cap nobody knows', { family: { connectedLoadCap: true } }, 'cap_not_settled', 'family.connected_load_cap'],
  [
    'more than all of a day',
    { family: { missingShare: { num: 3n, den: 2n } } },
    'missing_share_malformed',
    'family.missing_share',
  ],
  [
    'holidays out, refill, gaps in the rank',
    { family: { excludeHolidays: true, refillWithEventDays: true, rankGaps: 2, estimatedMost: 0 } },
    null,
    '',
  ],
  ['hours after the event', adjusted({ postFromMinutes: 120, postToMinutes: 240 }), null, ''],
  [
    'hours after the event alone',
    adjusted({ anchor: Adjustment_Anchor.START, fromMinutes: 0, toMinutes: 0, postFromMinutes: 60, postToMinutes: 120 }),
    null,
    '',
  ],
  ['no hours at all', adjusted({ fromMinutes: 0, toMinutes: 0 }), 'adjustment_window', 'adjustment.from_minutes'],
  [
    'hours after the event in reverse',
    adjusted({ postFromMinutes: 240, postToMinutes: 120 }),
    'adjustment_window',
    'adjustment.post_to_minutes',
  ],
  [
    'hours off the grid',
    adjusted({ postFromMinutes: 100, postToMinutes: 240 }),
    'adjustment_off_grid',
    'adjustment.post_from_minutes',
  ],
  [
    'a shift instead of a ratio, capped both ways',
    adjusted({ additiveInstead: true, nearZeroWh: 20, capWh: { num: 100n, den: 1n }, capFraction: { num: 1n, den: 5n } }),
    null,
    '',
  ],
  ['a cap of a shift that never is', adjusted({ capWh: { num: 100n, den: 1n } }), 'adjustment_cap', 'adjustment.cap_wh'],
  [
    'a cap no integer holds',
    adjusted({ additiveInstead: true, capWh: { num: 100n, den: 0n } }),
    'ratio_malformed',
    'adjustment.cap_wh',
  ],
  ['the same day', sameDay({}), null, ''],
  [
    'the same day, after notice',
    sameDay({ anchor: Adjustment_Anchor.START }),
    'adjustment_after_notice',
    'adjustment.to_minutes',
  ],
  ['the same day without a window', sameDay({ fromMinutes: 0 }), 'adjustment_window', 'adjustment.from_minutes'],
  ['the same day, adjusted by itself', sameDay({ kind: Adjustment_Kind.ADDITIVE }), 'adjustment_missing', 'adjustment.kind'],
])('%s', (_, over, code, field) => {
  const found = published(over);
  expect(found && [found.code, found.field]).toEqual(code && [code, `terms.baseline.${field}`]);
  if (found) expect(found.message).toMatch(/^terms\.baseline\.\S+ \S/);
});
