/*
 * Baseline methods of the world as numbers for the day-matching family, in the words of a `lachak baseline` case. Not terms of a programme:
 * those are the catalogue's presets. Each says how far it was checked, claim by claim; a number without a better mark is from memory.
 */

/** V read at its source · R run by us · S seen as an excerpt of a public page · K from memory, not verified: check before calling it compliant. */
export type Mark = 'V' | 'R' | 'S' | 'K';

export type MethodPreset = {
  readonly name: string;
  readonly says: string;
  /** Where the rule comes from; `ours` is not regulatory. */
  readonly source: string;
  /** What each part of the parameters rests on, strongest first. */
  readonly verified: readonly (readonly [Mark, string])[];
  /** `params` of a case without quantity and interval_minutes; null = a method of its own, which day matching cannot say. */
  readonly params: Readonly<Record<string, unknown>> | null;
  /** What changes when the event day is Saturday, Sunday or a holiday. */
  readonly otherDay?: Readonly<Record<string, unknown>>;
};

const WEEK = 'weekday_vs_nonworking';
const NO_ADJUSTMENT = { kind: 'none' };
/** All of ten working days. */
const tenOfTen = {
  ...{ select: 'all', x: 10, y: 10, min_days: 5, day_type: WEEK, min_gap_days: 1, lookback_days: 45 },
  ...{ low_usage_threshold: null, floor_zero: false, adjustment: NO_ADJUSTMENT },
};
const fourOfFour = { x: 4, y: 4, min_days: 4, lookback_days: 90 };
const ratio = (from_min: number, to_min: number, ratio_min: string | null, ratio_max: string | null, more: object = {}) => ({
  ...{ kind: 'multiplicative', from_min, to_min, ratio_min, ratio_max, direction: 'both' },
  ...more,
});
const shift = (from_min: number, to_min: number, cap_fraction: string | null, more: object = {}) => ({
  ...{ kind: 'additive', from_min, to_min, cap_fraction, direction: 'both' },
  ...more,
});
const highFiveOfTen = { ...tenOfTen, select: 'high', x: 5 };
const nyiso = {
  ...highFiveOfTen,
  ...{ day_type: 'weekday_sat_sunhol', min_gap_days: 2, lookback_days: 30, low_usage_threshold: '0.25' },
  exclude: { holidays: true },
};
const twoOfThree = { x: 2, y: 3, min_days: 2, lookback_days: 45 };

/** All of them, in the order of the field's own surveys. Source of the numbers and marks: facts, baselines §4.2. */
export const methodPresets: readonly MethodPreset[] = [
  {
    name: 'caiso-10in10',
    says: '10 of 10 working days (4 of 4 others), ratio 0.8–1.2 over 3 h ending 1 h before; too few days: the highest event days',
    source: 'CAISO',
    verified: [
      ['S', '20 % and 10 of 10'],
      ['K', '45 days, 4 of 4, fewest 5 and 4 days, refill, window'],
    ],
    params: { ...tenOfTen, refill: 'highest_event_days', adjustment: ratio(-240, -60, '0.8', '1.2') },
    otherDay: fourOfFour,
  },
  {
    name: 'caiso-residential-5in10',
    says: 'highest 5 of 10 (3 of 5 others, weighted), ratio over hours before and after the event',
    source: 'CAISO residential (PG&E Power Saver)',
    verified: [
      ['S', '5 of 10, 3 of 5, weights, hours before and after'],
      ['K', 'weights 50/30/20 by rank, 4–2 h before and 2–4 h after, 0.71–1.40'],
    ],
    params: { ...highFiveOfTen, adjustment: ratio(-240, -120, '0.71', '1.4', { post_from_min: 120, post_to_min: 240 }) },
    otherDay: {
      x: 3,
      y: 5,
      min_days: 3,
      lookback_days: 90,
      weights: { kind: 'list', by: 'rank', values: ['0.5', '0.3', '0.2'] },
    },
  },
  {
    name: 'caiso-weather-matching',
    says: 'the 4 days within 90 whose highest temperature was nearest, ratio 0.6–1.4',
    source: 'CAISO',
    verified: [['K', 'all of it']],
    params: {
      ...tenOfTen,
      ...{ select: 'nearest', x: 4, y: 60, min_days: 4, lookback_days: 90, rank_on: 'temperature', day_temperature: 'max' },
      adjustment: ratio(-240, -60, '0.6', '1.4'),
    },
  },
  {
    name: 'pjm-economic-4of5',
    says: 'highest 4 of 5 working days (2 of 3 Saturdays, Sundays and holidays), low days out, uncapped shift 4–1 h before',
    source: 'PJM economic load response',
    verified: [
      ['S', 'accepted where RRMSE ≤ 20 %'],
      ['K', 'the rule'],
    ],
    params: {
      ...{ ...tenOfTen, select: 'high', x: 4, y: 5, min_days: 4, day_type: 'weekday_sat_sunhol', low_usage_threshold: '0.25' },
      adjustment: shift(-240, -60, null),
    },
    otherDay: twoOfThree,
  },
  {
    name: 'pjm-same-day-3plus2',
    says: 'the event day itself: mean of 3 h before (one skipped) and 2 h after (one skipped)',
    source: 'PJM',
    verified: [['S', 'the rule']],
    params: sameDay({ from_min: -240, to_min: -60, post_from_min: 60, post_to_min: 180 }),
  },
  {
    name: 'pjm-match-day',
    says: 'the 3 days whose load outside the event and an hour on both sides was nearest',
    source: 'PJM',
    verified: [
      ['S', 'nearest 3 on non-event hours, one hour of guard'],
      ['K', '45 days; nearness as the mean absolute difference is ours'],
    ],
    params: {
      ...{ ...tenOfTen, select: 'nearest', x: 3, y: 30, min_days: 3, rank_on: 'match_window' },
      match_window: { from_min: 0, to_min: 1440, guard_min: 60 },
    },
  },
  {
    name: 'nyiso-average-day',
    says: 'highest 5 of 10 from two days back (2 of 3 others), holidays and low days out, no adjustment',
    source: 'NYISO, Con Edison',
    verified: [['K', 'all of it']],
    params: nyiso,
    otherDay: { ...twoOfThree, lookback_days: 30 },
  },
  {
    name: 'nyiso-weather-sensitive',
    says: 'as nyiso-average-day, with a ratio 0.8–1.2 over the 4th and 3rd hour before',
    source: 'NYISO, Con Edison',
    verified: [['K', 'all of it']],
    params: { ...nyiso, adjustment: ratio(-240, -120, '0.8', '1.2') },
    otherDay: { ...twoOfThree, lookback_days: 30 },
  },
  {
    name: 'iso-ne-90-10',
    says: 'a mean that forgets a tenth a day, from the mean of the first five like days on; shift before dispatch',
    source: 'ISO-NE until the change to 10 of 10',
    verified: [
      ['S', '90/10, later replaced by the mean of 10 of 10'],
      ['K', 'started from 5 days, window; cut off after 50 days, where 0.9 % of the weight is left, is ours'],
    ],
    params: {
      ...{ ...tenOfTen, x: 50, y: 50, min_days: 5, lookback_days: 120 },
      weights: { kind: 'ewma', lambda: '0.1', init: 5 },
      adjustment: shift(-120, 0, null, { anchor: 'notice' }),
    },
  },
  {
    name: 'iso-ne-2018',
    says: '10 of 10 like days, shift before dispatch in both directions',
    source: 'ISO-NE from 2018',
    verified: [
      ['S', 'mean of 10 of 10'],
      ['K', 'shift before dispatch, window'],
    ],
    params: { ...tenOfTen, adjustment: shift(-120, 0, null, { anchor: 'notice' }) },
  },
  {
    name: 'ercot-middle-8of10',
    says: 'the middle 8 of 10 by the day’s energy, scaled by the event day',
    source: 'ERCOT',
    verified: [
      ['S', 'middle 8 of 10, event-day scalar'],
      ['K', 'window of the scalar'],
    ],
    params: { ...tenOfTen, select: 'mid', x: 8, rank_on: 'day', adjustment: ratio(-240, -60, null, null) },
  },
  {
    name: 'ercot-nearest-20',
    says: 'all of the 20 nearest like days, scaled by the event day',
    source: 'ERCOT',
    verified: [
      ['S', 'the name'],
      ['K', 'the rest'],
    ],
    params: { ...tenOfTen, x: 20, y: 20, min_days: 10, lookback_days: 60, adjustment: ratio(-240, -60, null, null) },
  },
  {
    name: 'meter-before-meter-after',
    says: 'the event day itself: mean of the hour before',
    source: 'ERCOT, FERC',
    verified: [
      ['S', 'the rule'],
      ['K', 'one hour'],
    ],
    params: sameDay({ from_min: -60, to_min: 0 }),
  },
  {
    name: 'ercot-matching-day-pair',
    says: 'the 10 days of a year that, with the day before each, were nearest to the event day and its day before outside the event',
    source: 'ERCOT',
    verified: [
      ['S', '10 pairs'],
      ['K', 'a year, window of the scalar; nearness as the mean absolute difference is ours'],
    ],
    params: {
      ...{ ...tenOfTen, select: 'nearest', x: 10, y: 240, min_days: 10, lookback_days: 365, rank_on: 'match_window' },
      match_window: { from_min: -1440, to_min: 1440, guard_min: 0 },
      adjustment: ratio(-240, -60, null, null),
    },
  },
  {
    name: 'uk-dfs-v1',
    says: '10 of 10 working days (4 of 4 others), shift over the 3 h before the event',
    source: 'UK Demand Flexibility Service, P376 (BL01)',
    verified: [
      ['S', '10 weekdays, event days out, 3 h'],
      ['K', '4 of 4, 60 days'],
    ],
    params: { ...tenOfTen, lookback_days: 60, adjustment: shift(-180, 0, null) },
    otherDay: fourOfFour,
  },
  {
    name: 'uk-dfs-v2',
    says: 'as uk-dfs-v1 without adjustment',
    source: 'UK Demand Flexibility Service, proposal',
    verified: [['S', 'the proposal']],
    params: { ...tenOfTen, lookback_days: 60 },
    otherDay: fourOfFour,
  },
  {
    name: 'uk-dfs-v2-12h',
    says: 'as uk-dfs-v1 with a window of 12 h',
    source: 'UK Demand Flexibility Service, the alternative',
    verified: [['S', 'the proposal']],
    params: { ...tenOfTen, lookback_days: 60, adjustment: shift(-720, 0, null) },
    otherDay: fourOfFour,
  },
  {
    name: 'uk-dso-mid-8of10',
    says: 'the middle 8 of 10, without same-day adjustment',
    source: 'UK DSOs (ENA); nominated and fixed profiles are the alternatives',
    verified: [
      ['S', 'the list of methods'],
      ['K', 'the numbers'],
    ],
    params: { ...tenOfTen, select: 'mid', x: 8, lookback_days: 60 },
    otherDay: { x: 2, y: 4, min_days: 4, lookback_days: 60 },
  },
  {
    name: 'aemo-wdrm',
    says: '10 of 10 (4 of 4 others), ratio ±20 %',
    source: 'AEMO Wholesale Demand Response Mechanism, one of four day-class variants',
    verified: [
      ['S', '10 of 10 and four variants; eligible where RRMSE ≤ 20 %'],
      ['K', '45 days, ±20 %, window, bias ±4 %'],
    ],
    params: { ...tenOfTen, adjustment: ratio(-240, -60, '0.8', '1.2') },
    otherDay: fourOfFour,
  },
  {
    name: 'elia-high-4of5',
    says: 'highest 4 of 5, shift over the 3 h before',
    source: 'Elia',
    verified: [
      ['S', 'a review of six methods'],
      ['K', 'the numbers'],
    ],
    params: { ...tenOfTen, select: 'high', x: 4, y: 5, min_days: 4, adjustment: shift(-180, 0, null) },
  },
  {
    name: 'portland-ge-rebate',
    says: '10 of 10 without holidays; its temperature term for weather-sensitive homes is a regression of its own',
    source: 'Portland General Electric peak time rebate',
    verified: [['S', 'the rule']],
    params: { ...tenOfTen, exclude: { holidays: true } },
  },
  {
    name: 'in-ac-res',
    says: '10 of 10 working days (4 of 4 others), ratio 0.8–1.2 over 4–2 h before, netted per event, reconciled to the portfolio',
    source: 'ours, not regulatory',
    verified: [['K', 'no Indian regulation fixes any of it']],
    params: { ...tenOfTen, adjustment: ratio(-240, -120, '0.8', '1.2') },
    otherDay: fourOfFour,
  },
  {
    name: 'in-ci',
    says: '10 of 10 working days (4 of 4 others), shift of at most 20 % over the 3 h before notice',
    source: 'ours, not regulatory',
    verified: [['K', 'no Indian regulation fixes any of it']],
    params: { ...tenOfTen, adjustment: shift(-180, 0, '0.2', { anchor: 'notice' }) },
    otherDay: fourOfFour,
  },
  {
    name: 'in-ev',
    says: 'charging sessions as they would have run unsteered, energy conserved per session',
    source: 'ours, not regulatory',
    verified: [['K', 'the formula is ours']],
    params: null,
  },
  {
    name: 'nordic-six',
    says: 'nomination, meter before–after, historical with or without adjustment, control group, regression: a choice, not one method',
    source: 'Elia and the Nordics',
    verified: [['S', 'the review']],
    params: null,
  },
];

function sameDay(window: object): Readonly<Record<string, unknown>> {
  return { source: 'same_day', window, floor_zero: false };
}

export const methodPreset = (name: string): MethodPreset | undefined => methodPresets.find((preset) => preset.name === name);
