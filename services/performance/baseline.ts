import { add, exact, type Rational, rational, rounded, ZERO } from '../domain/rational.ts';
import type { CivilDay } from '../domain/zone.ts';
import { comparableDays, dayClass } from './days.ts';
import { type EstimateInput, type Kernel, type MeterEstimate, type MeterResult, MISSING } from './kernel.ts';
import { nearestFloat } from './rational.ts';
import type { BaselineCase } from './request.ts';
import { readingAt, type Series } from './series.ts';

/** The answer to one case, in the fields and words of the golden format; numbers are the float64 nearest to the exact value. */
export type BaselineAnswer = { readonly id: string } & Readonly<Record<string, unknown>>;

/** Estimates one case in the core. `series` holds one meter each, in the order of `meterIds`. */
export function answerCase(kernel: Kernel, request: BaselineCase, series: readonly Series[]): BaselineAnswer {
  const days = comparableDays(request.eventDay, request.params, request.holidays, request.zone);
  const input = estimateInput(request, days, series);
  const estimates = kernel.estimate(input);
  const lanes = request.meterIds.map((_, m) => estimates.at(m));
  return request.portfolio ? portfolioAnswer(request, lanes) : meterAnswer(request, days, input, lanes[0]!);
}

/** The columns of a case: readings by lane, day and slot, MISSING where there is none. */
function estimateInput(request: BaselineCase, days: readonly CivilDay[], series: readonly Series[]): EstimateInput {
  const { params, zone } = request;
  const meters = series.length;
  const offsets = [...request.eventOffsets, ...request.windowOffsets];
  const fill = (into: Int32Array, row: number, day: CivilDay) => {
    const midnight = zone.startOf(day);
    offsets.forEach((offset, slot) => {
      const at = (row * offsets.length + slot) * meters;
      for (let m = 0; m < meters; m++) into[at + m] = readingAt(series[m]!, midnight + offset, params.quantity);
    });
  };
  const history = new Int32Array(days.length * offsets.length * meters);
  const excluded = new Uint8Array(days.length * meters);
  days.forEach((day, row) => {
    fill(history, row, day);
    if (request.excludedDays.has(day)) excluded.fill(1, row * meters, (row + 1) * meters);
  });
  const actual = new Int32Array(offsets.length * meters);
  fill(actual, 0, request.eventDay);
  const shape = { meters, days: days.length, eventSlots: request.eventOffsets.length, windowSlots: request.windowOffsets.length };
  return { spec: params.spec, ...shape, history, excluded, actual };
}

/** The golden fields of one meter. */
export function meterAnswer(
  request: BaselineCase,
  days: readonly CivilDay[],
  input: Pick<EstimateInput, 'actual' | 'eventSlots'>,
  lane: MeterEstimate,
): BaselineAnswer {
  const { params, eventDay } = request;
  const dates = (rows: readonly number[]) => rows.map((row) => days[row]!);
  const inOrder = (rows: readonly number[]) => dates(rows).reverse();
  return {
    id: request.id,
    event_day: eventDay,
    day_class: dayClass(params.dayType, eventDay, request.holidays, request.zone),
    candidate_days: dates(lane.candidates),
    scores_wh: Object.fromEntries(lane.candidates.map((row, i) => [days[row]!, lane.scoresWh[i]])),
    low_usage_rejected: inOrder(lane.rejected),
    actual_wh: Array.from(input.actual.subarray(0, input.eventSlots), (wh) => (wh === MISSING ? null : wh)),
    status: lane.status,
    ...(lane.result ? okFields(params.spec.adjustment.kind, lane, lane.result, inOrder(lane.selected)) : NO_BASELINE),
    missing_actual_intervals: lane.missingIntervals,
  };
}

const NO_BASELINE = {
  selected_days: [],
  unadjusted_baseline_wh: null,
  adjustment: null,
  baseline_wh: null,
  delivered_wh: null,
  baseline_total_wh: null,
  actual_total_wh: null,
  delivered_total_wh: null,
  delivered_total_wh_rounded: null,
} as const;

function okFields(
  kind: string,
  lane: MeterEstimate,
  result: MeterResult,
  selectedDays: readonly CivilDay[],
): Record<string, unknown> {
  const { adjustment, denominator: den } = result;
  const wh = (num: bigint) => nearestFloat({ num, den });
  return {
    flags: lane.flags,
    selected_days: selectedDays,
    unadjusted_baseline_wh: result.unadjusted.map(nearestFloat),
    adjustment: adjustment && {
      kind,
      observed_mean_wh: nearestOrNull(adjustment.observedMean),
      reference_mean_wh: nearestFloat(adjustment.referenceMean),
      raw: nearestOrNull(adjustment.raw),
      applied: nearestFloat(adjustment.applied),
      capped: adjustment.capped,
    },
    baseline_wh: result.baseline.map(wh),
    delivered_wh: result.delivered.map((num) => (num === null ? null : wh(num))),
    baseline_total_wh: wh(result.baselineTotal),
    actual_total_wh: result.actualTotalWh,
    delivered_total_wh: wh(result.deliveredTotal),
    delivered_total_exact: exact(rational(result.deliveredTotal, den)),
    delivered_total_wh_rounded: result.deliveredTotalWh,
  };
}

/** Sum of the exact totals of the meters that have a baseline, rounded once. */
export function portfolioAnswer(request: BaselineCase, lanes: readonly MeterEstimate[]): BaselineAnswer {
  let total: Rational = ZERO;
  for (const { result } of lanes) if (result) total = add(total, rational(result.deliveredTotal, result.denominator));
  const ok = lanes.filter((lane) => lane.result).length;
  return {
    id: request.id,
    meters_ok: ok,
    meters_without_baseline: lanes.length - ok,
    delivered_total_wh: nearestFloat(total),
    delivered_total_exact: exact(total),
    delivered_total_wh_rounded: Number(rounded(total)),
    per_meter: lanes.map(({ status, result }, m) => ({
      meter_id: request.meterIds[m],
      status,
      baseline_total_wh: result && nearestFloat({ num: result.baselineTotal, den: result.denominator }),
      actual_total_wh: result ? result.actualTotalWh : null,
      delivered_total_wh: result && nearestFloat({ num: result.deliveredTotal, den: result.denominator }),
    })),
  };
}

const nearestOrNull = (value: Rational | null): number | null => (value ? nearestFloat(value) : null);
