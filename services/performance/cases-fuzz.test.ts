import fc from 'fast-check';
import { beforeAll, expect, test } from 'vitest';
import { Refusal } from '../domain/outcome.ts';
import { coreBytes } from '../host/core-file.ts';
import { type AnyCase, answerAny, readCases } from './cases.ts';
import { type Kernel, loadKernel } from './kernel.ts';
import { noRows, seriesOf } from './series.ts';

let kernel: Kernel;
beforeAll(async () => {
  kernel = await loadKernel(coreBytes());
});

const hours = Array.from({ length: 72 }, (_, i) =>
  new Date(Date.parse('2026-05-06T00:00:00+05:30') + i * 3_600_000).toISOString(),
);
const common = {
  ...{ id: 'f', meter_id: 'm', tz: '+05:30', holidays: [], excluded_days: [], direction: 'reduce' },
  event: { start: '2026-05-08T18:00:00+05:30', end: '2026-05-08T20:00:00+05:30', notice: '2026-05-08T16:00:00+05:30' },
  readings: { rows: hours.map((at, i) => [at, 400 + ((i * 37) % 90), null]) },
  temperature: { unit: 'C', rows: hours.map((at, i) => [at, 24 + ((i * 7) % 15)]) },
};
const quantity = { interval_minutes: 60, quantity: 'import' };
const VALID: readonly object[] = [
  {
    ...{ ...common, method: 'simple_cdh_hdh' },
    params: { ...quantity, lookback_days: 5, cooling_base: 24, heating_base: 10, temp_unit: 'C', day_type: 'any' },
  },
  {
    ...common,
    method: 'caltrack_hourly_towt',
    fit_window_utc: ['2026-05-05T18:30:00Z', '2026-05-08T10:30:00Z'],
    days: ['2026-05-08'],
  },
  {
    ...{
      ...common,
      method: 'ev_session',
      params: { interval_minutes: 60, variant: 'standing_schedule', site_limit_w: 9000, usual_share: '1/4' },
    },
    sessions: ['06', '07', '08'].map((day) => ({
      ...{ session_id: day, plug_in: `2026-05-${day}T17:20:00+05:30`, plug_out: `2026-05-${day}T19:40:00+05:30`, power_w: 7200 },
      ...{ energy_wh: 900, planned_wh: 5000, driver_id: 'd' },
    })),
  },
  {
    ...{ ...common, method: 'control_group', seed: '1', treated: [{ meter_id: 'a', stratum: 's' }] },
    controls: [{ meter_id: 'b', stratum: 's', basis: 'consent' }],
    params: { ...quantity, design: 'matched', day_type: 'any', lookback_days: 5, days: 2, confidence: 90 },
  },
  { ...common, method: 'nominated', nominated_at: '2026-05-08T10:00:00+05:30', nominated_wh: [500, 500], params: quantity },
  { ...common, method: 'firm_service_level', params: { ...quantity, reference_w: 700, firm_w: 300 } },
];
/** Of a standing schedule the fields, too, may be wrong. */
Object.assign((VALID[2] as { params: object }).params, { schedule: [{ from_minute: 1200, to_minute: 1440, power_w: 3600 }] });

const hostile = fc.oneof(
  fc.constantFrom<unknown>(
    undefined,
    null,
    Number.NaN,
    Number.POSITIVE_INFINITY,
    -0,
    2 ** 53,
    -1,
    0.5,
    1e300,
    '',
    '__proto__',
    [],
    {},
    true,
  ),
  fc.constantFrom<unknown>(
    '2026-05-08T18:00:00+05:30',
    '1926-05-08T18:00:00+05:30',
    '9999-12-31T23:59:59Z',
    'same_weekday',
    'export',
    'net',
    1440,
    15,
    7,
  ),
  fc.jsonValue(),
);

test('whatever a case says, it is refused with its field or answered without a NaN', { timeout: 600_000 }, () => {
  const met = { refused: 0, ok: 0, without: 0 };
  fc.assert(
    fc.property(
      fc.constantFrom(...VALID),
      fc.array(fc.tuple(fc.nat(), hostile), { minLength: 1, maxLength: 3 }),
      (valid, changes) => {
        const changed = structuredClone(valid);
        for (const [where, value] of changes) {
          const places = placesIn(changed);
          const [holder, key] = places[where % places.length]!;
          holder[key] = value;
        }
        let requests: AnyCase[];
        try {
          requests = readCases({ cases: [changed] });
        } catch (error) {
          if (!(error instanceof Refusal)) throw error;
          expect(error.message.length).toBeLessThan(400);
          met.refused++;
          return;
        }
        const [request] = requests;
        const answer = answerOf(request!);
        if (answer === null) {
          met.refused++;
          return;
        }
        expect(oddNumbers(answer)).toEqual([]);
        if (answer.status === undefined || answer.status === 'ok') met.ok++;
        else met.without++;
      },
    ),
    { numRuns: process.env.LACHAK_LONG ? 100_000 : 1500, seed: 20261125 },
  );
  console.log(`fuzzed cases: ${JSON.stringify(met)}`);
  for (const times of Object.values(met)) expect(times).toBeGreaterThan(20);
});

/** Null: the readings it brings were refused. */
function answerOf(request: AnyCase) {
  try {
    const series = request.meterIds.map(() => request.inline ?? seriesOf(noRows()));
    return answerAny(kernel, request, series, null);
  } catch (error) {
    if (!(error instanceof Refusal)) throw error;
    return null;
  }
}

/** Every field and element; of long lists the first two, so that readings do not drown the rest. */
function placesIn(value: unknown): [Record<string, unknown>, string][] {
  if (typeof value !== 'object' || value === null) return [];
  const holder = value as Record<string, unknown>;
  const keys = Object.keys(holder).slice(0, Array.isArray(value) ? 2 : undefined);
  return keys.flatMap((key): [Record<string, unknown>, string][] => [[holder, key], ...placesIn(holder[key])]);
}

function oddNumbers(value: unknown, path = ''): string[] {
  if (typeof value === 'number') return Number.isFinite(value) ? [] : [path];
  if (typeof value !== 'object' || value === null) return [];
  return Object.entries(value).flatMap(([key, inner]) => oddNumbers(inner, `${path}.${key}`));
}
