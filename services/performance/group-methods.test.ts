import { beforeAll, describe, expect, it } from 'vitest';
import { DAY, HOUR } from '../domain/interval.ts';
import { coreBytes } from '../host/core-file.ts';
import { zoneDays } from '../host/zone.ts';
import type { ControlGroup, Member } from './control-group.ts';
import { type AreaCalendar, baselineAt, baselineFloats, type Estimator, estimator } from './estimate.ts';
import { loadKernel, MISSING } from './kernel.ts';
import type { LoadSeries } from './load-series.ts';

let estimate: Estimator;
beforeAll(async () => {
  estimate = estimator({ kernel: await loadKernel(coreBytes()) });
});

const zone = zoneDays('Asia/Kolkata');
const calendar: AreaCalendar = { zone, holidays: new Set(), excluded: new Map() };
const DAYS = 30;
const start = zone.startOf('2026-05-08') + 18 * HOUR; // a Friday
const event = { window: { start, end: start + 2 * HOUR }, noticeAt: start - 4 * HOUR };

/** Thirty days up to the event's of hourly readings; that day is hotter for everybody by `heat`, and `saved` is left off in the event. */
function home(meterId: string, level: number, heat: number, saved: number): LoadSeries {
  const first = zone.startOf('2026-05-08') - (DAYS - 1) * DAY;
  const importWh = Int32Array.from({ length: DAYS * 24 }, (_, i) => level + ((i * 31 + level) % 17) * 4);
  for (const hour of [18, 19]) importWh[(DAYS - 1) * 24 + hour]! += heat - saved;
  return {
    ...{ meterId, start: first, minutes: 60, importWh, exportWh: null, quality: null, temperature: null },
    ...{ marks: new Map(), connectedLoadW: null },
  };
}
const SAVED = 120;
const treated = Array.from({ length: 40 }, (_, i) => home(`t${i}`, 500 + 10 * i, 300, SAVED));
const controls = Array.from({ length: 40 }, (_, i) => home(`c${i}`, 505 + 10 * i, 300, 0));
const members = new Map<string, Member>([
  ...treated.map(({ meterId }): [string, Member] => [meterId, { role: 'treated', stratum: 'north' }]),
  ...controls.map(({ meterId }): [string, Member] => [meterId, { role: 'control', stratum: 'north', basis: 'holdout' }]),
]);
const spec: ControlGroup = {
  ...{ kind: 'control_group', design: 'holdout', quantity: 'import', members, dayType: 'weekday_vs_nonworking' },
  ...{ minGapDays: 1, lookbackDays: 29, days: 10, seed: 42n, confidence: 90 },
};
const all = [...treated, ...controls];

describe('a control group', () => {
  it.each(['holdout', 'matched'] as const)('finds what was left off on a day that was hotter for everybody: %s', (design) => {
    const found = estimate({ ...spec, design }, all, calendar, event);
    const { evidence, quality } = found[0]!;
    if (evidence?.kind !== 'control_group') throw new Error('no evidence of a group');
    expect(evidence).toMatchObject({ treated: 40, controls: 40, design, seed: 42n, confidence: 90 });
    const { totalWh, interval } = evidence.means!;
    expect(Math.abs(totalWh - 2 * SAVED)).toBeLessThan(25);
    expect(interval![0]).toBeLessThanOrEqual(totalWh);
    expect(interval![1]).toBeGreaterThanOrEqual(totalWh);
    expect(interval![0]).toBeGreaterThan(SAVED); // nothing left off is far outside
    expect(quality).toMatchObject({ status: 'ok', flags: ['few_controls'], references: 40 });
    // The mean over the treated of baseline less metered is the group's impact.
    const delivered = found
      .slice(0, 40)
      .map(({ baseline, actualWh }) => baselineFloats(baseline!).map((wh, slot) => wh - actualWh[slot]!));
    for (const slot of [0, 1])
      expect(delivered.reduce((sum, own) => sum + own[slot]!, 0) / 40).toBeCloseTo(evidence.means!.impact[slot]!, 9);
  });

  it('says nothing of a control but that he is one', () => {
    const found = estimate(spec, all, calendar, event)[60]!;
    expect(found).toEqual({
      ...{ meterId: 'c20', baseline: null, evidence: null, actualWh: [] },
      quality: { status: 'control', reason: 'a control has no baseline of his own', flags: [], references: 0, missing: 0 },
    });
  });

  it('does not depend on the order of meters, nor on a meter that takes no part', () => {
    const plain = estimate(spec, all, calendar, event);
    const stranger = home('stranger', 9000, 0, 0);
    const turned = estimate(spec, [stranger, ...all].reverse(), calendar, event);
    expect([...turned].reverse().slice(1)).toEqual(plain);
    expect(turned.at(-1)!.quality.status).toBe('not_in_group');
  });

  it.each<[string, (one: ControlGroup) => ControlGroup, string]>([
    ['fourteen controls are too few to say anything', (one) => only(one, 40, 14), 'group_too_small'],
    ['and so are fourteen treated', (one) => only(one, 14, 40), 'group_too_small'],
    ['a control without holdout, consent or law is not one', (one) => baseless(one), 'stratum_too_small'],
    ['fewer controls than treated cannot be matched', (one) => only({ ...one, design: 'matched' }, 40, 30), 'stratum_too_small'],
    ['days nobody has', (one) => ({ ...one, days: 40 }), 'insufficient_days'],
    ['days that cannot be', (one) => ({ ...one, days: 0 }), 'days_malformed'],
  ])('%s', (_, change, status) => {
    const { quality, baseline } = estimate(change(spec), all, calendar, event)[0]!;
    expect([quality.status, baseline]).toEqual([status, null]);
    expect(quality.reason).not.toBe('');
  });

  it('names the control that nobody may use, and leaves out one with a gap', () => {
    const found = estimate(baseless(spec), all, calendar, event);
    expect(found[40]!.quality.status).toBe('control_without_basis');
    const gap = all.map((one) => (one.meterId === 'c3' ? { ...one, importWh: one.importWh.slice().fill(MISSING, 0, 500) } : one));
    const without = estimate(spec, gap, calendar, event);
    expect(without[43]!.quality.status).toBe('insufficient_days');
    expect(without[0]!.evidence).toMatchObject({ controls: 39 });
  });
});

const only = (one: ControlGroup, asked: number, others: number): ControlGroup => ({
  ...one,
  members: new Map([...one.members].filter(([id]) => Number(id.slice(1)) < (id.startsWith('t') ? asked : others))),
});
const baseless = (one: ControlGroup): ControlGroup => ({
  ...one,
  members: new Map([...one.members].map(([id, member]) => [id, member.role === 'control' ? { ...member, basis: null } : member])),
});

describe('nominated', () => {
  const wh = new Map([['t0', [900, 800]]]);
  const nominated = { kind: 'nominated', quantity: 'import', nominatedAt: event.noticeAt - HOUR, wh } as const;
  const status = (over: object) => estimate({ ...nominated, ...over }, [treated[0]!], calendar, event)[0]!.quality.status;
  it('is the word given before notice', () => {
    const [found, other] = estimate(nominated, treated.slice(0, 2), calendar, event);
    expect(baselineFloats(found!.baseline!)).toEqual([900, 800]);
    expect(other!.quality.status).toBe('not_nominated');
    expect(status({ nominatedAt: event.noticeAt + 1 })).toBe('nominated_after_notice');
    expect(status({ nominatedAt: Number.NaN })).toBe('nominated_after_notice');
    expect(status({ wh: new Map([['t0', [900]]]) })).toBe('nomination_malformed');
    expect(status({ wh: new Map([['t0', [900, 0.5]]]) })).toBe('nomination_malformed');
  });
});

describe('firm service level', () => {
  const contracts = new Map([['t0', { referenceW: 2501, firmW: 700 }]]);
  const firm = { kind: 'firm_service_level', quantity: 'import', contracts } as const;
  it('is the contracted reference, and says whether the firm level was kept', () => {
    const halves = { ...treated[0]!, minutes: 30, start: event.window.start, importWh: Int32Array.of(350, 351, MISSING, 0) };
    const [found] = estimate(firm, [halves], calendar, event);
    if (found!.baseline?.kind !== 'exact') throw new Error('not exact');
    expect(baselineAt(found!.baseline, 0)).toEqual({ num: 75_030n, den: 60n }); // 1250.5 Wh in half an hour
    expect(found!.evidence).toMatchObject({ kept: [true, false, null, true], firmW: 700 });
    expect(found!.quality).toMatchObject({ status: 'ok', missing: 1 });
  });
  it.each<[string, object | undefined, string]>([
    ['no contract', undefined, 'no_contract'],
    ['a level above the reference', { referenceW: 100, firmW: 200 }, 'contract_malformed'],
    ['a level that is no power', { referenceW: Number.POSITIVE_INFINITY, firmW: 200 }, 'contract_malformed'],
  ])('%s has a status', (_, contract, status) => {
    const given = new Map(contract ? [['t0', contract as { referenceW: number; firmW: number }]] : []);
    expect(estimate({ ...firm, contracts: given }, [treated[0]!], calendar, event)[0]!.quality.status).toBe(status);
  });
});
