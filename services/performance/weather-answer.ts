import { HOUR } from '../domain/interval.ts';
import type { BaselineAnswer } from './baseline.ts';
import { baselineFloats, estimator } from './estimate.ts';
import { withTemperature } from './heat.ts';
import { type Kernel, MISSING } from './kernel.ts';
import { indexAt, type LoadSeries, loadSeries } from './load-series.ts';
import type { Series } from './series.ts';
import { hourRows, timeOfWeekTerms } from './time-of-week.ts';
import type { WeatherCase } from './weather-request.ts';

/** The answer to one case, in the fields and words of the golden format. `series` is the meter's; `temperatures` its weather's. */
export function answerWeatherCase(
  kernel: Kernel,
  request: WeatherCase,
  series: Series,
  temperatures: WeatherCase['temperatures'],
): BaselineAnswer {
  const bare = loadSeries(request.meterIds[0]!, series, request.minutes);
  const load = temperatures === null ? bare : withTemperature(bare, temperatures);
  return request.method === 'simple_cdh_hdh' ? degreeAnswer(kernel, request, load) : timeOfWeekAnswer(kernel, request, load);
}

function degreeAnswer(
  kernel: Kernel,
  request: Extract<WeatherCase, { method: 'simple_cdh_hdh' }>,
  load: LoadSeries,
): BaselineAnswer {
  const { id, spec, zone, window, holidays, excludedDays, direction } = request;
  const calendar = { zone, holidays, excluded: new Map(Array.from(excludedDays, (day) => [day, 'excluded'])) };
  const [found] = estimator({ kernel })(spec, [load], calendar, { window, noticeAt: window.start });
  const { baseline, quality, evidence, actualWh } = found!;
  if (baseline === null || evidence?.kind !== 'degree_hours')
    return {
      id,
      status: quality.status,
      reason: quality.reason,
      baseline_wh: null,
      actual_wh: actualWh,
      delivered_total_wh: null,
    };
  const wh = baselineFloats(baseline);
  const sign = direction === 'reduce' ? 1 : -1;
  return {
    id,
    training_rows: evidence.rows,
    coefficients_a_cdh_hdh: evidence.coefficients,
    baseline_wh: wh,
    actual_wh: actualWh,
    delivered_total_wh: wh.reduce((total, own, s) => total + (actualWh[s] === null ? 0 : sign * (own - actualWh[s]!)), 0),
  };
}

const MONTHS = ['jan', 'feb', 'mar', 'apr', 'may', 'jun', 'jul', 'aug', 'sep', 'oct', 'nov', 'dec'];

/** Rows of the window without its last stamp, every month's model, and the days asked for. */
function timeOfWeekAnswer(
  kernel: Kernel,
  { id, fit, days, numbers, zone }: Extract<WeatherCase, { method: 'caltrack_hourly_towt' }>,
  load: LoadSeries,
): BaselineAnswer {
  const terms = timeOfWeekTerms(numbers, load.minutes);
  const rowsAt = (indexes: number[]) => hourRows(load, indexes, 'import', numbers.unit, zone);
  const all = Array.from(load.importWh.keys());
  const inside = all.filter((index) => index >= indexAt(load, fit.start) && index < indexAt(load, fit.end));
  const rows = rowsAt(inside);
  const used = inside.filter((_, row) => rows.wh[row] !== MISSING && rows.heat[row] !== MISSING);
  if (used.length === 0)
    return {
      id,
      status: 'insufficient_days',
      reason: 'no hour of the fit window has a reading and a temperature',
      segments: null,
      days: null,
    };
  const model = kernel.weather.fitMonths(terms, Array.from(MONTHS.keys()), rows);
  const predict = (indexes: number[]) => Array.from(kernel.weather.predict(terms, model, rowsAt(indexes)));
  const kwh = (values: readonly number[]) => values.reduce((total, wh) => total + wh / 1000, 0);
  const edges = numbers.edges.length;
  const segment = (month: number) => ({
    occupied_hours_of_week: model.occupied.subarray(month * 168, month * 168 + 168).reduce((hours, one) => hours + one, 0),
    occupied_bins: numbers.edges.filter((_, e) => model.kept[(month * 2 + 1) * edges + e]).map((edge) => edge / 1000),
    unoccupied_bins: numbers.edges.filter((_, e) => model.kept[month * 2 * edges + e]).map((edge) => edge / 1000),
  });
  const dayOf = (day: string) => {
    const from = indexAt(load, zone.startOf(day));
    return predict(Array.from({ length: 24 }, (_, hour) => from + hour * (HOUR / (load.minutes * 60_000))));
  };
  return {
    id,
    segments: Object.fromEntries(MONTHS.flatMap((name, month) => (model.rows[month] === 0 ? [] : [[name, segment(month)]]))),
    in_sample_predicted_kwh: kwh(predict(used)),
    in_sample_observed_kwh: kwh(used.map((index) => load.importWh[index]!)),
    days: Object.fromEntries(days.map((day) => [day, dayOf(day).map((wh) => (Number.isNaN(wh) ? null : wh / 1000))])),
  };
}
