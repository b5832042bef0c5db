import type { MethodPreset } from '../domain/method-presets.ts';
import { invalid } from '../domain/outcome.ts';
import { exact } from '../domain/rational.ts';
import type { BaselineAnswer } from './baseline.ts';
import { meterAnswer, portfolioAnswer } from './baseline.ts';
import { type DayMatching, runDays } from './day-matching.ts';
import type { AreaCalendar } from './estimate.ts';
import { familyOf } from './family.ts';
import { type Temperatures, withTemperature } from './heat.ts';
import type { Kernel, MeterEstimate } from './kernel.ts';
import { type LoadSeries, loadSeries } from './load-series.ts';
import { type Exclusions, matchColumns, summed } from './match-columns.ts';
import type { Method } from './method.ts';
import type { BaselineCase } from './request.ts';
import type { Series } from './series.ts';
import { type BaselineParams, readParams } from './spec.ts';
import { planOf } from './windows.ts';

/** Answers a case that uses what the golden format does not have: its fields, and what the family adds beside them. */
export function answerFamilyCase(
  kernel: Kernel,
  request: BaselineCase,
  series: readonly Series[],
  temperatures: Temperatures | null,
): BaselineAnswer {
  const { params, zone, holidays, event } = request;
  const method = methodOfParams(params);
  const calendar: AreaCalendar = { zone, holidays, excluded: new Map([...request.excludedDays].map((day) => [day, ''])) };
  const lanes = request.meterIds.map((id, m) => laneOf(id, series[m]!, request, temperatures));
  const plan = planOf({ ...event, minutes: params.intervalMinutes, method, holidays, zone });
  const matched = matchColumns(plan, method, lanes, calendar);
  if (familyOf(method).level === 'aggregate') {
    const { input, leftOut } = summed(matched.input);
    const lane = runDays(kernel, method, input).at(0);
    const beside = { ...added(lane, plan.days, new Map(), new Map()), left_out: leftOut.map((m) => request.meterIds[m]!) };
    return { ...meterAnswer(request, plan.days, input, lane), ...beside };
  }
  const estimates = runDays(kernel, method, matched.input);
  if (request.portfolio)
    return portfolioAnswer(
      request,
      request.meterIds.map((_, m) => estimates.at(m)),
    );
  const lane = estimates.at(0);
  return {
    ...meterAnswer(request, plan.days, matched.input, lane),
    ...added(lane, plan.days, matched.excluded[0]!, matched.temperatures[0]!),
  };
}

/** The method that a case's params are, on every day alike. */
export const methodOfParams = ({ fromMin, toMin, family, ...params }: BaselineParams): Method => ({
  ...{ spec: params.spec, quantity: params.quantity, dayType: params.dayType, minGapDays: params.minGapDays },
  ...{ lookbackDays: params.lookbackDays, fromMinutes: fromMin, toMinutes: toMin, anchor: params.anchor },
  ...(family && { family }),
});

/** A preset as every meter's method: its own numbers on working days and on others. Throws Refusal for one that is no day matching. */
export function presetMethod(preset: MethodPreset, minutes: number, over: Readonly<Record<string, unknown>> = {}): DayMatching {
  if (!preset.params) throw invalid('no_day_matching', `${preset.name} is no day matching: ${preset.says}`);
  const common = { quantity: 'import', interval_minutes: minutes, ...preset.params };
  const method = (params: object) => methodOfParams(readParams({ ...params, ...over }, 'reduce', preset.name));
  return { kind: 'day_matching', workingDay: method(common), otherDay: method({ ...common, ...preset.otherDay }) };
}

function laneOf(id: string, series: Series, request: BaselineCase, temperatures: Temperatures | null): LoadSeries {
  const { marks, connectedLoadW } = request;
  const lane = { ...loadSeries(id, series, request.params.intervalMinutes), marks, connectedLoadW };
  return temperatures ? withTemperature(lane, temperatures) : lane;
}

function added(
  lane: MeterEstimate,
  days: readonly string[],
  excluded: Exclusions,
  degrees: ReadonlyMap<string, number>,
): Record<string, unknown> {
  const inOrder = (rows: readonly number[]) => rows.map((row) => days[row]!).reverse();
  const reasons = [...excluded].reverse().map(([day, all]) => [day, all.map((reason) => reason.replace(/:$/, ''))]);
  return {
    weights: lane.weights && Object.fromEntries(lane.selected.map((row, i) => [days[row]!, exact(lane.weights![i]!)])),
    refilled_days: inOrder(lane.refilled),
    not_counted: Object.fromEntries(reasons),
    ...(degrees.size > 0 && { thousandths_of_a_degree: Object.fromEntries([...degrees].reverse()) }),
  };
}
