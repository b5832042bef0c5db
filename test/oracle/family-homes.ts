import { type Family, PLAIN, type Weights } from '../../services/performance/family.ts';
import type { FamilyInput } from '../../services/performance/family-kernel.ts';
import { MISSING } from '../../services/performance/kernel.ts';
import type { SmallFraction } from '../../services/performance/spec.ts';
import type { OracleMeter } from './day-matching.ts';
import { type Batch, batch, columnsOf, generator, type Random } from './homes.ts';

/*
 * Random meters for the whole family: the batches of homes.ts with weights, gaps, calls, match windows and limits put over them, so that their
 * ties, halves and caps stay.
 */

export type FamilyBatch = Batch & { readonly family: Family; readonly rankSlots: number };

const f = (num: number, den: number): SmallFraction => ({ num, den });

/** A batch of lanes that share one spec, the same for the same seed. */
export function familyBatch(seed: number, lanes: number): FamilyBatch {
  const random = generator(seed ^ 0x5eed);
  const plain = batch(seed, lanes);
  const sameDay = random.chance(10);
  const ranked = !sameDay && random.chance(2);
  const rankSlots = ranked ? 1 + random.below(4) : 0;
  const most = Math.max(plain.spec.y, plain.spec.minDays, plain.spec.x);
  const weights: Weights = sameDay ? { kind: 'equal' } : weighing(random, most);
  const kind = sameDay ? 'none' : plain.spec.adjustment.kind;
  const onNonpositive = kind === 'multiplicative' && random.chance(2) ? 'additive' : 'none';
  const family: Family = {
    ...PLAIN,
    source: sameDay ? 'same_day' : 'history',
    rankOn: ranked ? 'match_window' : 'event_window',
    weights,
    refill: random.chance(2) ? 'highest_event_days' : 'none',
    capWh: kind === 'additive' || onNonpositive === 'additive' ? random.pick([null, f(100, 1), f(1, 3), f(0, 1)]) : null,
    onNonpositive,
    nearZeroWh: kind === 'multiplicative' ? random.pick([0, 0, 10, 300]) : 0,
    gaps: {
      eventSlots: sameDay
        ? random.below(plain.shape.windowSlots || 1)
        : weights.kind === 'equal'
          ? random.below(plain.shape.eventSlots)
          : 0,
      rankSlots: ranked ? random.below(3) : 0,
      estimatedSlots: null,
    },
  };
  const windowSlots = sameDay ? Math.max(1, plain.shape.windowSlots) : plain.shape.windowSlots;
  const spec = {
    ...plain.spec,
    select: ranked && random.chance(2) ? ('nearest' as const) : plain.spec.select,
    adjustment: sameDay
      ? { kind: 'none' as const, direction: 'both' as const, lo: null, hi: null, cap: null }
      : plain.spec.adjustment,
  };
  const limits = random.chance(3);
  const holes = family.gaps.eventSlots > 0 || random.chance(3);
  const meters = plain.meters.map((meter): OracleMeter => {
    const wh = rankLoads(random);
    const gap = (value: number | null) => (holes && random.chance(8) ? null : value);
    return {
      ...meter,
      days: meter.days.map((day) => {
        const excluded = day.excluded || random.chance(4);
        return {
          ...day,
          ...{ excluded, called: excluded && random.chance(2) },
          event: day.event.map(gap),
          rank: Array.from({ length: rankSlots }, wh),
        };
      }),
      actualWindow:
        windowSlots > meter.actualWindow.length
          ? [gap(random.below(900))]
          : meter.actualWindow.map((value) => (random.chance(20) ? null : value)),
      actualRank: Array.from({ length: rankSlots }, wh),
      limit: limits && random.chance(2) ? random.below(1200) : null,
    };
  });
  return { spec, family, rankSlots, shape: { ...plain.shape, windowSlots, days: sameDay ? 0 : plain.shape.days }, meters };
}

/** The widest weights the core admits, over readings at its bound: an average that forgets a tenth a day over 52 days. */
export function wideBatch(seed: number, lanes: number): FamilyBatch {
  const random = generator(seed);
  const kind = random.pick(['none', 'additive', 'multiplicative'] as const);
  const near = 2 ** 30;
  const spec = {
    ...{ select: 'all' as const, x: 52, y: 52, minDays: 40, lowUsage: null, floorZero: random.chance(2) },
    adjustment: {
      ...{ kind, direction: 'both' as const },
      lo: kind === 'multiplicative' ? random.pick([null, f(1, near), f(near - 1, near)]) : null,
      hi: kind === 'multiplicative' ? random.pick([null, f(near, 1), f(near, near - 1)]) : null,
      cap: kind === 'additive' ? random.pick([null, f(near, near - 1), f(1, near)]) : null,
    },
    direction: 'reduce' as const,
  };
  const family: Family = {
    ...PLAIN,
    weights: { kind: 'ewma', lambda: f(1, 10), init: 5 },
    capWh: kind === 'additive' ? random.pick([null, f(near, 1), f(1, near)]) : null,
  };
  const shape = { days: 54, eventSlots: 6, windowSlots: kind === 'none' ? 0 : 4 };
  const most = 2 ** 31 - 1;
  const wh = () => random.pick([most, -most, most - random.below(9), random.below(most)]);
  const slots = (count: number) => Array.from({ length: count }, wh);
  const meters = Array.from({ length: lanes }, () => ({
    days: Array.from({ length: shape.days }, () => ({
      excluded: random.chance(30),
      event: slots(shape.eventSlots),
      window: slots(shape.windowSlots),
    })),
    actual: slots(shape.eventSlots),
    actualWindow: slots(shape.windowSlots),
    dark: Array.from({ length: shape.eventSlots }, () => false),
  }));
  return { spec, family, rankSlots: 0, shape, meters };
}

/** The columns of a batch, as the core takes them. */
export function familyColumns({ spec, family, rankSlots, shape, meters }: FamilyBatch): FamilyInput {
  const lanes = meters.length;
  const plainSlots = shape.eventSlots + shape.windowSlots;
  const slots = plainSlots + rankSlots;
  const days = shape.days;
  const laid = columnsOf({ spec, shape, meters: meters.map((meter) => ({ ...meter, days: meter.days.slice(0, days) })) });
  const history = new Int32Array(days * slots * lanes);
  const actual = new Int32Array(slots * lanes);
  const cells = plainSlots * lanes;
  for (let d = 0; d < days; d++) history.set(laid.history.subarray(d * cells, (d + 1) * cells), d * slots * lanes);
  actual.set(laid.actual);
  const excluded = laid.excluded.slice();
  meters.forEach((meter, m) => {
    for (let d = 0; d < days; d++) {
      const day = meter.days[d]!;
      if (day.called) excluded[d * lanes + m] = 2;
      for (let u = 0; u < rankSlots; u++) history[(d * slots + plainSlots + u) * lanes + m] = day.rank![u] ?? MISSING;
    }
    for (let u = 0; u < rankSlots; u++) actual[(plainSlots + u) * lanes + m] = meter.actualRank![u] ?? MISSING;
  });
  const limit = Int32Array.from(meters, (meter) => meter.limit ?? MISSING);
  return { ...laid, spec, family, rankSlots, history, excluded, actual, limit };
}

function weighing(random: Random, most: number): Weights {
  const init = 1 + random.below(5);
  const lambda = random.pick([f(1, 10), f(1, 3), f(1, 2), f(1, 1), f(9, 10), f(7, 1000)]);
  const values = Array.from({ length: most }, () => 1 + random.below(random.pick([2, 50, 2 ** 30])));
  return random.pick<Weights>([
    { kind: 'equal' },
    { kind: 'equal' },
    { kind: 'list', by: 'recency', values },
    { kind: 'list', by: 'rank', values },
    { kind: 'ewma', lambda, init },
  ]);
}

/** Loads days are ranked on: few values for ties, with gaps, up to the bound. */
function rankLoads(random: Random): () => number | null {
  const span = random.pick([2, 9, 1000, 2 ** 31 - 1]);
  const signed = random.chance(3);
  return () => (random.chance(9) ? null : random.below(span) - (signed ? Math.floor(span / 2) : 0));
}
