import { type Interval, MINUTE, overlaps } from '../domain/interval.ts';
import { type Hash, inHoldout } from './holdout.ts';
import { BEHAVIOURAL, expectedW } from './kinds.ts';

/** One enrolled resource as it stands for one event. */
export type Candidate = {
  readonly resourceId: string;
  readonly kind: string;
  readonly organisationId: string;
  readonly enrolmentId: string;
  readonly ratedW: number;
  readonly deviceId: string;
  /** 0 = the programme's. */
  readonly maxMinutesPerDay: number;
  /** The gate's answer to CONTROL (READINGS for BEHAVIOURAL) through the window. */
  readonly gate: string;
  /** Windows of instructions it has or had near this one, in any programme. */
  readonly instructed: readonly Interval[];
  /** Minutes of them on the event's civil day. */
  readonly minutesThatDay: number;
};
/** The register they are measured on: one target, however many resources stand behind it. */
export type Point = {
  readonly settlementPointId: string;
  readonly connectionId: string;
  readonly participantId: string;
  readonly areaId: string;
  readonly areaPath: readonly string[];
  readonly protected: boolean;
  readonly energised: boolean;
  /** Null = it has no meter: what it does could not be measured. */
  readonly meterId: string | null;
  /** The gate's answer to READINGS of the event day. */
  readonly readingsGate: string;
  /** Null = no readings to tell. */
  readonly typicalW: number | null;
  readonly recentEvents: number;
  readonly candidates: readonly Candidate[];
};
export type Reach = {
  readonly eventId: string;
  readonly direction: 'SHED' | 'ABSORB';
  readonly window: Interval;
  readonly kinds: readonly string[];
  /** None = wherever the programme reaches. */
  readonly areaIds: readonly string[];
  /** 0 = no limit. */
  readonly continuousMinutes: number;
  /** The largest of the target series, W; null = all there is. */
  readonly targetW: number | null;
  readonly holdout: { readonly seed: string; readonly sharePpm: number };
};
export type Chosen = {
  readonly point: Point;
  readonly role: 'CHOSEN' | 'HOLDOUT';
  readonly resources: readonly (Candidate & { readonly expectedW: number })[];
  readonly expectedW: number;
};
export type Selection = { readonly chosen: readonly Chosen[]; readonly passedOver: Readonly<Record<string, number>> };

/**
 * Who takes part. First who may (the reasons against are counted), then who is left alone for comparison, then the rest in a fair
 * order (fewest recent events first, then by a hash only this event has) until the target is met. In settlement point order.
 */
export function selectPoints(reach: Reach, points: readonly Point[], hash: Hash): Selection {
  const passedOver: Record<string, number> = {};
  const eligible: Chosen[] = [];
  for (const point of points) {
    const found = judgePoint(reach, point);
    if (typeof found === 'string') passedOver[found] = (passedOver[found] ?? 0) + 1;
    else eligible.push(found);
  }
  const { seed, sharePpm } = reach.holdout;
  const drawn = eligible.map(
    (one): Chosen => (inHoldout(hash, seed, one.point.settlementPointId, sharePpm) ? { ...one, role: 'HOLDOUT' } : one),
  );
  const order = new Map(drawn.map(({ point }) => [point, hash(`${reach.eventId}\n${point.settlementPointId}`)]));
  const inTurn = drawn
    .filter(({ role }) => role === 'CHOSEN')
    .sort((a, b) => a.point.recentEvents - b.point.recentEvents || (order.get(a.point)! < order.get(b.point)! ? -1 : 1));
  const chosen: Chosen[] = [];
  let sum = 0;
  for (const one of inTurn) {
    if (reach.targetW !== null && sum >= reach.targetW) passedOver.target_met = (passedOver.target_met ?? 0) + 1;
    else {
      chosen.push(one);
      sum += one.expectedW;
    }
  }
  const all = [...chosen, ...drawn.filter(({ role }) => role === 'HOLDOUT')];
  return { chosen: all.sort((a, b) => (a.point.settlementPointId < b.point.settlementPointId ? -1 : 1)), passedOver };
}

function judgePoint(reach: Reach, point: Point): Chosen | string {
  if (point.protected) return 'protected';
  if (reach.areaIds.length > 0 && !reach.areaIds.some((area) => point.areaPath.includes(area))) return 'outside_area';
  if (!point.energised) return 'not_energised';
  if (point.meterId === null) return 'no_meter';
  if (point.readingsGate !== 'permitted') return `readings_${point.readingsGate}`;
  const reasons: string[] = [];
  const able = point.candidates.filter((candidate) => {
    const reason = judgeCandidate(reach, candidate);
    if (reason) reasons.push(reason);
    return !reason;
  });
  if (able.length === 0) return reasons[0] ?? 'no_resource';
  const resources = sharing(reach, point, able);
  const expected = resources.reduce((sum, resource) => sum + resource.expectedW, 0);
  // To a target it would add nothing: leave the home in peace.
  if (reach.targetW !== null && expected === 0) return 'nothing_expected';
  return { point, role: 'CHOSEN', resources, expectedW: expected };
}

function judgeCandidate(reach: Reach, candidate: Candidate): string | null {
  if (!reach.kinds.includes(candidate.kind)) return 'kind_not_admitted';
  if (candidate.gate !== 'permitted') return `consent_${candidate.gate}`;
  if (candidate.kind !== BEHAVIOURAL && candidate.deviceId === '') return 'no_device';
  if (candidate.instructed.some((span) => overlaps(span, reach.window))) return 'in_another_event';
  const minutes = (reach.window.end - reach.window.start) / MINUTE;
  if (candidate.maxMinutesPerDay > 0 && candidate.minutesThatDay + minutes > candidate.maxMinutesPerDay)
    return 'resource_minutes_per_day';
  if (reach.continuousMinutes > 0 && unbroken(reach.window, candidate.instructed) > reach.continuousMinutes)
    return 'continuous_minutes';
  return null;
}

/** Minutes without a rest if this window is added: spans that touch it at either side count. */
function unbroken(window: Interval, spans: readonly Interval[]): number {
  let { start, end } = window;
  for (let grown = true; grown; ) {
    grown = false;
    for (const span of spans) {
      if (span.end === start && span.start < start) [start, grown] = [span.start, true];
      if (span.start === end && span.end > end) [end, grown] = [span.end, true];
    }
  }
  return (end - start) / MINUTE;
}

/** Resources behind one register share its load: devices first, the person last, none counted twice. */
function sharing(reach: Reach, point: Point, able: readonly Candidate[]): Chosen['resources'] {
  let left = point.typicalW;
  return [...able]
    .sort((a, b) => Number(a.kind === BEHAVIOURAL) - Number(b.kind === BEHAVIOURAL) || (a.resourceId < b.resourceId ? -1 : 1))
    .map((candidate) => {
      const expected = expectedW(candidate.kind, reach.direction, candidate.ratedW, left);
      if (left !== null && reach.direction === 'SHED') left = Math.max(0, left - expected);
      return { ...candidate, expectedW: expected };
    });
}
