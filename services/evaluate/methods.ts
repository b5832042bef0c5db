import { type Mark, type MethodPreset, methodPreset, methodPresets } from '../domain/method-presets.ts';
import { invalid } from '../domain/outcome.ts';
import type { MethodSpec } from '../performance/estimate.ts';
import { presetMethod } from '../performance/family-answer.ts';
import type { Quantity } from '../performance/spec.ts';
import { CALTRACK } from '../performance/time-of-week.ts';

/** A method to be judged, what it says, and what its numbers rest on. */
export type Candidate = { readonly name: string; readonly says: string; readonly rests: string; readonly spec: MethodSpec };

const MARKS: Record<Mark, string> = {
  V: 'read at its source',
  R: 'run by us',
  S: 'seen as an excerpt',
  K: 'from memory, not verified',
};

/** Where a preset comes from and how far each part of it was checked. */
const restsOn = ({ source, verified }: MethodPreset): string =>
  [`Source: ${source}`, ...verified.map(([mark, what]) => `${MARKS[mark]}: ${what}`)].join('; ').concat('.');

const ours = methodPreset('in-ac-res')!;
const NONE = { kind: 'none' };
// As the default terms adjust: in the three hours before anybody knew.
const RATIO = { ...(ours.params!.adjustment as object), from_min: -180, to_min: 0, anchor: 'notice' };
const plain = (name: string, says: string, params: object, otherDay: object = {}): MethodPreset => ({
  ...{ ...ours, name, says, source: 'ours, not regulatory', verified: [] },
  ...{ params: { ...ours.params, ...params }, otherDay: { ...ours.otherDay, ...otherDay } },
});
const HIGH = [
  { select: 'high', x: 5 },
  { x: 2, y: 4 },
] as const;

/** The rules that are compared everywhere, by their plain names. */
const plainMethods: readonly MethodPreset[] = [
  plain('10of10-ratio', 'the default terms: 10 of 10, ratio ±20 % in the 3 hours before notice', { adjustment: RATIO }),
  plain('10of10', '10 of 10 (4 of 4 on other days), no adjustment', { adjustment: NONE }),
  plain(
    'high5of10-ratio',
    'highest 5 of 10, ratio ±20 % in the 3 hours before notice',
    { ...HIGH[0], adjustment: RATIO },
    HIGH[1],
  ),
  plain('high5of10', 'highest 5 of 10, no adjustment: the rule of DEG use case 1', { ...HIGH[0], adjustment: NONE }, HIGH[1]),
];

const looksAtWeather = ({ params }: MethodPreset): boolean => params?.rank_on === 'temperature';
const DEGREE_HOURS = 'degree-hours';
const TIME_OF_WEEK = 'time-of-week';
const LONG = 90;

/** Names of all that can be judged, those that need a temperature last. */
export function methodNames(): string[] {
  const matching = [...plainMethods, ...methodPresets.filter(({ params }) => params !== null)];
  return [
    ...matching.filter((preset) => !looksAtWeather(preset)).map(({ name }) => name),
    ...matching.filter(looksAtWeather).map(({ name }) => name),
    ...[DEGREE_HOURS, TIME_OF_WEEK],
  ];
}

/** Twelve that differ in kind. */
export const USUAL: readonly string[] = [
  ...plainMethods.map(({ name }) => name),
  ...['in-ac-res', 'in-ci', 'caiso-10in10', 'pjm-economic-4of5', 'nyiso-average-day', 'uk-dfs-v1', 'uk-dso-mid-8of10'],
  'meter-before-meter-after',
];
/** Beside them where the weather is known. */
export const WITH_WEATHER: readonly string[] = ['caiso-weather-matching', DEGREE_HOURS];

/**
 * Methods by name, on readings of `minutes`, of one register; `own` beside them. Throws Refusal for a name that is none, and for one that needs a temperature
 * where there is none.
 */
export function candidatesOf(
  names: readonly string[],
  minutes: number,
  weather: boolean,
  { quantity, own }: { readonly quantity: Quantity; readonly own: Candidate | null } = { quantity: 'import', own: null },
): Candidate[] {
  const known = methodNames();
  return [...new Set(names)].map((name) => {
    if (own && name === own.name) return own;
    if (!known.includes(name)) throw invalid('usage', `there is no method ${name}; --methods takes any of ${known.join(', ')}`);
    const preset = plainMethods.find((one) => one.name === name) ?? methodPreset(name);
    if (!weather && (!preset || looksAtWeather(preset)))
      throw invalid('usage', `${name} looks at the weather: give --temperature FILE, or leave it out of --methods`);
    if (preset) return { name, says: preset.says, rests: restsOn(preset), spec: presetMethod(preset, minutes, { quantity }) };
    return name === DEGREE_HOURS ? degreeHours(quantity) : timeOfWeek(quantity);
  });
}

const degreeHours = (quantity: Quantity): Candidate => ({
  name: DEGREE_HOURS,
  rests: 'Source: ASHRAE change-point models.',
  says: 'a line by degree-hours above 24 and below 18 °C for each interval, over 90 days',
  spec: {
    ...{
      kind: 'degree_hours',
      quantity,
      dayType: 'weekday_vs_nonworking',
      minGapDays: 1,
      lookbackDays: LONG,
      minDays: 15,
    },
    ...{ unit: 'C', cooling: 24_000, heating: 18_000 },
  },
});
const timeOfWeek = (quantity: Quantity): Candidate => ({
  name: TIME_OF_WEEK,
  rests: 'Source: CalTRACK 2.0, checked against eemeter.',
  says: 'time of week and temperature, CalTRACK 2.0 hourly, over a year',
  spec: {
    ...{ kind: 'time_of_week', quantity, minGapDays: 1, lookbackDays: 365, minDays: 30, floorZero: true, ...CALTRACK },
  },
});
