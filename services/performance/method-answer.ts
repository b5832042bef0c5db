import { add, exact, type Rational, rational, rounded, subtract, ZERO } from '../domain/rational.ts';
import type { BaselineAnswer } from './baseline.ts';
import { baselineFloats, type Estimate, type Evidence, estimator } from './estimate.ts';
import type { Kernel } from './kernel.ts';
import { loadSeries } from './load-series.ts';
import type { MethodCase } from './method-request.ts';
import { nearestFloat } from './rational.ts';
import type { Series } from './series.ts';

/** The answer to one case: numbers are the float64 nearest to the exact value, instants ISO-8601 in UTC. */
export function answerMethodCase(kernel: Kernel, request: MethodCase, series: readonly Series[]): BaselineAnswer {
  const { id, spec, meterIds, minutes, zone, window, noticeAt, holidays, excludedDays, sessions, siteLimitW } = request;
  const calendar = { zone, holidays, excluded: new Map(Array.from(excludedDays, (day) => [day, 'excluded'])) };
  const loads = meterIds.map((meterId, i) => ({
    ...loadSeries(meterId, series[i]!, minutes),
    sessions,
    connectedLoadW: siteLimitW,
  }));
  const found = estimator({ kernel })(spec, loads, calendar, { window, noticeAt });
  if (spec.kind !== 'control_group') return { id, ...meterAnswer(found[0]!, request), ...evidenceAnswer(found[0]!.evidence) };
  const treated = found.filter(({ meterId }) => spec.members.get(meterId)!.role === 'treated');
  const told = treated.find(({ evidence }) => evidence !== null) ?? treated[0];
  return {
    id,
    ...(told ? { status: told.quality.status, flags: told.quality.flags } : { status: 'group_too_small', flags: [] }),
    ...evidenceAnswer(told?.evidence ?? null),
    per_meter: treated.map((one) => ({ meter_id: one.meterId, ...meterAnswer(one, request) })),
    // Of a control it is told whether he could stand in the group, and nothing else.
    controls_used: Object.fromEntries(
      found.flatMap(({ meterId, quality }) => (spec.members.get(meterId)!.role === 'control' ? [[meterId, quality.status]] : [])),
    ),
  };
}

function meterAnswer({ baseline, quality, actualWh }: Estimate, { direction }: MethodCase): Record<string, unknown> {
  const { status, reason, flags, missing } = quality;
  const common = { status, ...(reason && { reason }), flags, actual_wh: actualWh, missing_actual_intervals: missing };
  if (baseline === null) return { ...common, baseline_wh: null, delivered_wh: null, delivered_total_wh: null };
  const signed = (own: Rational, wh: number) => {
    const below = subtract(own, rational(BigInt(wh)));
    return direction === 'reduce' ? below : subtract(ZERO, below);
  };
  if (baseline.kind === 'float') {
    const delivered = baseline.wh.map((own, i) =>
      actualWh[i] === null ? null : (direction === 'reduce' ? 1 : -1) * (own - actualWh[i]!),
    );
    return {
      ...common,
      baseline_wh: baseline.wh,
      delivered_wh: delivered,
      delivered_total_wh: delivered.reduce((sum: number, wh) => sum + (wh ?? 0), 0),
    };
  }
  const delivered = baseline.numerators.map((num, i) =>
    actualWh[i] === null || actualWh[i] === undefined ? null : signed(rational(num, baseline.denominator), actualWh[i]!),
  );
  const total = delivered.reduce((sum: Rational, own) => (own === null ? sum : add(sum, own)), ZERO);
  return {
    ...common,
    baseline_wh: baselineFloats(baseline),
    delivered_wh: delivered.map((own) => own && nearestFloat(own)),
    delivered_total_wh: nearestFloat(total),
    delivered_total_exact: exact(total),
    delivered_total_wh_rounded: Number(rounded(total)),
  };
}

const instant = (at: number | null): string | null => (at === null ? null : new Date(at).toISOString());

function evidenceAnswer(evidence: Evidence | null): Record<string, unknown> {
  if (evidence?.kind === 'ev_session')
    return {
      sessions: evidence.sessions.map((line) => ({
        ...{
          session_id: line.sessionId,
          plug_in: instant(line.pluggedInAt),
          plug_out: instant(line.pluggedOutAt),
          from: instant(line.from),
        },
        ...{ power_w: line.powerW, metered_wh: line.meteredWh, energy_wh: line.energyWh, energy_basis: line.energyBasis },
        ...{
          baseline_wh: nearestFloat(line.baselineWh),
          window_wh: nearestFloat(line.windowWh),
          unmet_wh: nearestFloat(line.unmetWh),
        },
        flags: line.flags,
      })),
    };
  if (evidence?.kind === 'firm_service_level')
    return { reference_w: evidence.referenceW, firm_w: evidence.firmW, kept: evidence.kept };
  if (evidence?.kind === 'control_group') {
    const { means } = evidence;
    return {
      ...{ design: evidence.design, treated: evidence.treated, controls: evidence.controls, confidence: evidence.confidence },
      ...(means && {
        ...{ treated_mean_wh: means.treated, controls_mean_wh: means.controls },
        ...{ treated_before_wh: means.treatedBefore, controls_before_wh: means.controlsBefore },
        ...{ impact_wh: means.impact, impact_total_wh: means.totalWh, impact_interval_wh: means.interval },
      }),
    };
  }
  return {};
}
