import { invalid } from '../domain/outcome.ts';
import type { GroupComparison, GroupStatus } from './control-kernel.ts';
import { comparableDays, type DayType } from './days.ts';
import { type AreaCalendar, type Estimate, type EventWindow, type Machines, without } from './estimate.ts';
import { MISSING } from './kernel.ts';
import { indexAt, type LoadSeries } from './load-series.ts';
import { learntWh, meteredWh, reasonsAgainst, windowOf } from './load-window.ts';
import type { Quantity } from './spec.ts';

/** Why a person's readings may stand for others: he is enrolled and was held out, consented to it, or a law says so. */
export type ControlBasis = 'holdout' | 'consent' | 'legal_basis';

export type Member =
  | { readonly role: 'treated'; readonly stratum: string }
  | { readonly role: 'control'; readonly stratum: string; readonly basis: ControlBasis | null };

/** Difference in differences against persons who were not asked. Source and formulas: `assembly/control.ts`. */
export type ControlGroup = {
  readonly kind: 'control_group';
  /** `holdout`: controls were drawn at random from those enrolled. `matched`: chosen by their load on ordinary days, per stratum. */
  readonly design: 'holdout' | 'matched';
  readonly quantity: Quantity;
  /** By meter. Meters without an entry take no part. */
  readonly members: ReadonlyMap<string, Member>;
  /** Ordinary days: the latest `days` of the event day's class that count and are complete. */
  readonly dayType: DayType;
  readonly minGapDays: number;
  readonly lookbackDays: number;
  readonly days: number;
  readonly seed: bigint;
  /** Confidence of the interval in per cent: 80, 90, 95 or 98. */
  readonly confidence: 80 | 90 | 95 | 98;
};

export type ControlEvidence = {
  readonly kind: 'control_group';
  readonly design: ControlGroup['design'];
  readonly confidence: number;
  readonly seed: bigint;
  readonly treated: number;
  readonly controls: number;
  /** Means of the groups by interval, Wh a person. */
  readonly means: GroupComparison['means'];
};

const DRAWS = 1999;
/** Controls below which a group is thin: general practice wants 150 (not verified). */
const FEW = 150;

const REASON: Record<GroupStatus, string> = {
  ok: '',
  group_too_small: 'fewer than 15 persons stand behind one of the two means',
  stratum_too_small:
    'a stratum has too few controls for its treated (or fewer than two of either): join strata, or hold more out',
  stratum_too_large: 'a stratum has more treated times controls than 2^26: split it',
  interval_unbounded: '',
};

/**
 * Every treated meter: its own mean on ordinary days plus what the controls changed since then. Their mean over the group is the
 * difference in differences. A control has no baseline, and nothing of his leaves but through the group's mean.
 */
export function compareGroups(
  { kernel }: Machines,
  spec: ControlGroup,
  series: readonly LoadSeries[],
  calendar: AreaCalendar,
  event: EventWindow,
): Estimate[] {
  if (!(spec.days >= 1 && spec.days <= 64)) throw invalid('days_malformed', 'days must be 1 to 64', 'days');
  const answers = new Map<string, Estimate>();
  const minutes = series[0]?.minutes ?? 60;
  const { starts } = windowOf(event, minutes, calendar);
  const taken: { readonly series: LoadSeries; readonly member: Member; readonly loads: Loads }[] = [];
  for (const one of series) {
    const member = spec.members.get(one.meterId);
    const answer = (status: string, reason: string) => answers.set(one.meterId, without(one.meterId, status, reason));
    if (member === undefined) answer('not_in_group', 'the meter is neither treated nor a control');
    else if (one.minutes !== minutes)
      answer('other_interval', `the group has intervals of ${minutes} minutes, this meter ${one.minutes}`);
    else if (member.role === 'control' && member.basis === null)
      answer('control_without_basis', 'a control must be an enrolled holdout, or there must be a consent or another legal basis');
    else {
      const loads = loadsOf(spec, one, calendar, event, starts);
      if (loads === null) answer('insufficient_days', `fewer than ${spec.days} complete ordinary days, or a gap in the event`);
      else {
        if (member.role === 'control') answer('control', 'a control has no baseline of his own');
        taken.push({ series: one, member, loads });
      }
    }
  }
  // One order whoever asks: the draws, and the choice between equals, depend on it.
  taken.sort((a, b) => (a.series.meterId < b.series.meterId ? -1 : 1));
  const group = compareTaken(kernel.control, spec, taken, starts.length);
  for (const { series: one, member, loads } of taken)
    if (member.role === 'treated') answers.set(one.meterId, treatedEstimate(spec, one, loads, group, starts));
  return series.map(({ meterId }) => answers.get(meterId)!);
}

/** Wh by slot: of the event, and summed over the ordinary days. */
type Loads = { readonly event: readonly number[]; readonly pre: readonly bigint[] };

/** Null when the event has a gap or there are too few complete days. */
function loadsOf(
  spec: ControlGroup,
  series: LoadSeries,
  calendar: AreaCalendar,
  event: EventWindow,
  starts: readonly number[],
): Loads | null {
  const { zone, holidays } = calendar;
  const now = meteredWh(series, starts, spec.quantity);
  if (now.includes(null)) return null;
  const { eventDay, offsets } = windowOf(event, series.minutes, calendar);
  const pre = starts.map(() => 0n);
  let found = 0;
  for (const day of comparableDays(eventDay, spec, holidays, zone)) {
    if (reasonsAgainst(day, series, calendar).length > 0) continue;
    const own = offsets.map((offset) => learntWh(series, indexAt(series, zone.startOf(day) + offset), spec.quantity));
    if (own.includes(MISSING)) continue;
    for (const [slot, wh] of own.entries()) pre[slot]! += BigInt(wh);
    if (++found === spec.days) return { event: now as number[], pre };
  }
  return null;
}

type Compared =
  | GroupComparison
  | { readonly status: 'strata_too_many'; readonly treated: 0; readonly controls: 0; readonly means: null };

function compareTaken(
  kernel: Machines['kernel']['control'],
  spec: ControlGroup,
  taken: readonly { readonly member: Member; readonly loads: Loads }[],
  slots: number,
): Compared {
  const strata = [...new Set(taken.map(({ member }) => member.stratum))].sort();
  const none = { treated: 0, controls: 0, means: null } as const;
  if (taken.length === 0) return { ...none, status: 'group_too_small' };
  if (strata.length > 256) return { ...none, status: 'strata_too_many' };
  const cells = (value: (loads: Loads, slot: number) => number | bigint) =>
    Array.from({ length: slots }, (_, slot) => taken.map(({ loads }) => value(loads, slot))).flat();
  return kernel.compare({
    ...{ persons: taken.length, slots, days: spec.days, matched: spec.design === 'matched', seed: BigInt.asIntN(64, spec.seed) },
    role: Uint8Array.from(taken, ({ member }) => (member.role === 'treated' ? 1 : 0)),
    stratum: Uint8Array.from(taken, ({ member }) => strata.indexOf(member.stratum)),
    event: Int32Array.from(cells((loads, slot) => loads.event[slot]!) as number[]),
    pre: BigInt64Array.from(cells((loads, slot) => loads.pre[slot]!) as bigint[]),
    draws: DRAWS,
    rank: ((DRAWS + 1) * (100 - spec.confidence)) / 200,
  });
}

function treatedEstimate(
  spec: ControlGroup,
  series: LoadSeries,
  loads: Loads,
  group: Compared,
  starts: readonly number[],
): Estimate {
  const { means, status } = group;
  if (means === null) {
    const reason = status === 'strata_too_many' ? 'more than 256 strata' : REASON[status];
    return { ...without(series.meterId, status, reason), actualWh: [...loads.event] };
  }
  const flags = [...(group.controls < FEW ? ['few_controls'] : []), ...(means.interval === null ? ['interval_unbounded'] : [])];
  return {
    meterId: series.meterId,
    baseline: {
      kind: 'float',
      wh: starts.map((_, slot) => Number(loads.pre[slot]) / spec.days + (means.controls[slot]! - means.controlsBefore[slot]!)),
    },
    quality: { status: 'ok', reason: '', flags, references: group.controls, missing: 0 },
    evidence: {
      ...{ kind: 'control_group', design: spec.design, confidence: spec.confidence, seed: spec.seed },
      ...{ treated: group.treated, controls: group.controls, means },
    },
    actualWh: [...loads.event],
  };
}
