import { LEAST_DAYS, SEASONS } from './finding.ts';
import { CONFIDENCE, type Expected } from './flexible.ts';
import type { Research } from './research.ts';
import type { ResponseRate } from './response-rate.ts';

/** Three figures: 12 300 000 W is `12.3 MW`. */
export function power(watts: number | null): string {
  if (watts === null) return '–';
  if (Math.abs(watts) >= 1e6) return `${figures(watts / 1e6)} MW`;
  return Math.abs(watts) >= 1000 ? `${figures(watts / 1000)} kW` : `${Math.round(watts)} W`;
}

export const megawatts = (watts: number): string => `${figures(watts / 1e6)} MW`;

/** `0.42 MW (0.31 to 0.55 MW)`, or why there is no interval. */
export const expected = ({ watts, interval }: Expected): string =>
  interval
    ? `${megawatts(watts)} (${CONFIDENCE} % interval ${megawatts(interval[0])} to ${megawatts(interval[1])})`
    : `${megawatts(watts)} (no interval: a category has one home only)`;

/** `30 % (10 to 50 %)`; without an interval it is taken as it is. */
export const rateName = ({ value, interval }: ResponseRate): string =>
  `${figures(100 * value)} %${interval ? ` (${figures(100 * interval[0])} to ${figures(100 * interval[1])} %)` : ''}`;

export const whole = (value: number): string => Math.round(value).toLocaleString('en-IN');

export const clock = (hour: number): string => `${String(hour).padStart(2, '0')}:00`;

export const windowName = ({ from, to }: Research['peak']): string => `${clock(from)}–${clock(to)}`;

/** For the terminal. */
export function summaryOf(research: Research): string {
  const { all, categories, feeders, homes, setAside, designC } = research;
  const hours = homes.reduce((sum, home) => sum + home.hours, 0) / homes.reduce((sum, home) => sum + home.hoursAsked, 0);
  const consumers = categories.reduce((sum, category) => sum + category.consumers, 0);
  const lines = [
    `Expected flexible load ${windowName(research.peak)} (${research.zone}): ${expected(research.flexible)}`,
    `  of ${whole(consumers)} ${research.scaled ? 'consumers, from' : 'homes: those read,'} ${homes.length} homes with ${(100 * hours).toFixed(1)} % of their hours; seed ${research.seed}`,
    `  ${intervalCovers(research)}`,
    `  ${all.sensitiveHomes} of ${homes.length} homes answer the temperature, ${all.evLikeHomes} show EV-like sessions; ${designC === null ? 'no temperature was given, so what answers it is not known and not in the figure' : `design temperature ${figures(designC)} °C`}`,
    ...(beyondSeen(research)
      ? ['  the design temperature lies above every temperature in the readings: the lines are drawn on past what was seen']
      : []),
    '',
    table([
      ['category', 'homes', 'load', 'temp.-sens.', 'EV-like', 'response', 'expected flexible', 'homes to meter'],
      ...categories.map(({ name, homes: count, window, response, flexible, sample }) => [
        ...[name, String(count), power(window.loadW), power(window.designW), power(window.evLikeW), rateName(response)],
        ...[
          expected(flexible).replace(`${CONFIDENCE} % interval `, ''),
          sample.flexible.homes === null ? '–' : whole(sample.flexible.homes),
        ],
      ]),
    ]),
    `W a home in the window; homes to meter for the flexible load within ±${figures(100 * research.precision)} % at ${CONFIDENCE} %`,
    ...(feeders.length > 1
      ? [
          '',
          table([
            ['feeder', 'homes', 'load', 'temp.-sens.', 'EV-like'],
            ...feeders.map(({ name, homes: count, window }) => [
              name,
              String(count),
              power(window.loadW),
              power(window.designW),
              power(window.evLikeW),
            ]),
          ]),
        ]
      : []),
    ...(setAside.length > 0
      ? [
          '',
          `${setAside.length} of ${homes.length + setAside.length} homes are not counted (at least ${LEAST_DAYS} days of readings are needed):`,
        ]
      : []),
    ...setAside.slice(0, 10).map(({ meterId, reason }) => `  ${meterId}: ${reason}`),
    ...(setAside.length > 10 ? [`  and ${setAside.length - 10} more: --json lists them`] : []),
  ];
  return `${lines.join('\n')}\n`;
}

/** Everything found; temperatures are told by their count only, they are in the file that gave them. */
export function jsonOf(research: Research): string {
  const homes = research.homes.map(({ celsius, ...home }) => ({ ...home, temperatureHours: celsius.flat().length }));
  const shown = { format: 'lachak-potential/2', seasons: SEASONS, flexibleMw: research.flexible.watts / 1e6, ...research, homes };
  return `${JSON.stringify(shown, null, 1)}\n`;
}

export const beyondSeen = ({ designC, hottestC }: Research): boolean =>
  designC !== null && hottestC !== null && designC > hottestC;

/** Three figures, without an exponent. */
export const figures = (value: number): string => {
  const digits = value === 0 ? 0 : Math.max(0, 2 - Math.floor(Math.log10(Math.abs(value))));
  return digits > 6 ? '0' : String(Number(value.toFixed(digits)));
};

function table(rows: readonly (readonly string[])[]): string {
  const widths = rows[0]!.map((_, column) => Math.max(...rows.map((row) => row[column]!.length)));
  return rows
    .map((row) => row.map((cell, column) => (column === 0 ? cell.padEnd(widths[0]!) : cell.padStart(widths[column]!))).join('  '))
    .join('\n');
}

/** What the interval covers, and how wide it would be without the response rate. */
export function intervalCovers({ flexible, categories }: Research): string {
  const bare = categories.filter(({ response }) => response.interval === null);
  const alone = flexible.ofSample
    ? `; of the sample of homes alone it is ${megawatts(flexible.ofSample[0])} to ${megawatts(flexible.ofSample[1])}`
    : '';
  const bases = [...new Set(categories.map(({ response }) => BASIS[response.basis]))].join(', ');
  if (bare.length === categories.length)
    return `the interval is of the sample of homes; the response rate (${bases}) is taken as it is`;
  const but = bare.length > 0 ? ` (not of ${bare.map(({ name }) => name).join(', ')}, taken as given)` : '';
  return `the interval is of the sample of homes and of the response rate (${bases})${but}${alone}`;
}

const BASIS = {
  planning: 'a planning value',
  given: 'as given',
  measured: 'measured at past events',
  unmeasured: 'a planning value, for fewer than five past events told one',
} as const;
