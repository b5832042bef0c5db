import { type EstimateInput, MISSING } from '../../services/performance/kernel.ts';
import type { DayMatchingSpec, SmallFraction } from '../../services/performance/spec.ts';
import { generator, type Random } from './homes.ts';

/*
 * Random batches as columns: shapes of all sizes, any number of lanes, meters of every temper side by side. Half the lanes are hostile: loads
 * that repeat (ties, equal remainders), loads at the edge of u16 sums and of i16, negative net loads, holes, and event-day windows that put the
 * ratio or the shift exactly at its cap or one Wh beside.
 */

const f = (num: number, den: number): SmallFraction => ({ num, den });

export function crowd(seed: number, type: 'i16' | 'i32'): EstimateInput {
  const random = generator(seed);
  const kind = random.pick(['none', 'additive', 'multiplicative', 'multiplicative'] as const);
  const y = 1 + random.below(12);
  const clamped = kind === 'multiplicative';
  const spec: DayMatchingSpec = {
    select: random.pick(['high', 'low', 'mid', 'all'] as const),
    x: 1 + random.below(y),
    y,
    minDays: 1 + random.below(y),
    lowUsage: random.pick([null, null, null, f(1, 4), f(1, 2), f(9, 10), f(1, 1)]),
    adjustment: {
      kind,
      direction: random.pick(['both', 'both', 'up_only', 'down_only'] as const),
      lo: clamped ? random.pick([null, f(4, 5), f(5, 6), f(1, 2), f(0, 1), f(8333, 10000)]) : null,
      hi: clamped ? random.pick([null, f(6, 5), f(5, 4), f(3, 2), f(1, 1), f(2 ** 20, 2 ** 20 - 1)]) : null,
      cap: kind === 'additive' ? random.pick([null, f(1, 5), f(2, 5), f(1, 3), f(0, 1)]) : null,
    },
    floorZero: random.chance(2),
    direction: random.pick(['reduce', 'reduce', 'increase'] as const),
  };
  const shape = {
    meters: 1 + random.below(random.pick([8, 40, 300])),
    days: random.below(random.pick([3, 16, 16, 40])),
    eventSlots: 1 + random.below(random.pick([2, 12, 12, 20, 70])),
    windowSlots: kind === 'none' ? 0 : 1 + random.below(random.pick([2, 8, 20])),
  };
  const { meters, days, eventSlots, windowSlots } = shape;
  const slots = eventSlots + windowSlots;
  const history = new Int32Array(days * slots * meters);
  const actual = new Int32Array(slots * meters);
  const excluded = new Uint8Array(days * meters);
  const notSettled = random.chance(2) ? new Uint8Array(eventSlots * meters) : undefined;
  const largest = type === 'i16' ? 32767 : 2 ** 31 - 1;

  for (let m = 0; m < meters; m++) {
    const load = temper(random, type);
    const gaps = random.pick([0, 0, 0, 900, 60, 6]);
    const reading = () => (gaps > 0 && random.chance(gaps) ? MISSING : Math.max(-largest, Math.min(largest, load())));
    for (let at = 0; at < days * slots; at++) history[at * meters + m] = reading();
    for (let at = 0; at < slots; at++) actual[at * meters + m] = reading();
    if (random.chance(3)) for (let d = 0; d < days; d++) excluded[d * meters + m] = random.chance(5) ? 1 : 0;
    if (notSettled && random.chance(3))
      for (let s = 0; s < eventSlots; s++) notSettled[s * meters + m] = random.chance(4) ? 1 : 0;
    if (windowSlots > 0 && random.chance(3)) atTheEdge(random, spec, shape, { history, actual }, m, largest);
  }
  return { spec, ...shape, history, excluded, actual, ...(notSettled && { notSettled }) };
}

/** How one meter loads, Wh an interval. */
function temper(random: Random, type: 'i16' | 'i32'): () => number {
  const size = 1 + random.below(1500);
  const few = Array.from({ length: 1 + random.below(3) }, () => random.below(size));
  return random.pick<() => number>([
    () => random.below(size),
    () => random.below(size),
    () => random.pick(few),
    () => size,
    () => 0,
    () => random.below(2 * size) - size,
    () => -random.below(size),
    () => 5000 + random.below(3000),
    () => 32767 - random.below(3),
    () => random.pick([32767, -32767, 0, 1, -1]),
    ...(type === 'i32'
      ? [
          () => 100_000 + random.below(2_000_000),
          () => random.below(2 ** 21) - 2 ** 20,
          () => random.pick([2 ** 31 - 1, -(2 ** 31) + 1, 0, 2 ** 20, 2 ** 20 + 1, -(2 ** 20) - 1]),
        ]
      : []),
  ]);
}

/** Equal days, and a window on the event day exactly at the clamp or cap, or one Wh beside it. */
function atTheEdge(
  random: Random,
  spec: DayMatchingSpec,
  { meters, days, eventSlots, windowSlots }: EstimateInput | Omit<EstimateInput, 'spec' | 'history' | 'excluded' | 'actual'>,
  { history, actual }: { history: Int32Array; actual: Int32Array },
  m: number,
  largest: number,
): void {
  const slots = eventSlots + windowSlots;
  const { kind, lo, hi, cap } = spec.adjustment;
  const unit = 1 + random.below(90);
  const fraction = (kind === 'additive' ? cap : random.pick([lo, hi])) ?? f(6, 5);
  const load = kind === 'additive' ? fraction.den * unit : 1 + random.below(900);
  const window = Math.min(largest, kind === 'additive' ? 2000 + unit : fraction.den * unit);
  const seen = kind === 'additive' ? window + random.pick([1, -1]) * fraction.num * unit : fraction.num * unit;
  for (let d = 0; d < days; d++)
    for (let s = 0; s < slots; s++) history[(d * slots + s) * meters + m] = s < eventSlots ? Math.min(largest, load) : window;
  const beside = random.pick([0, 0, 1, -1]);
  for (let s = eventSlots; s < slots; s++)
    actual[s * meters + m] = Math.max(-largest, Math.min(largest, seen + (s === eventSlots ? beside : 0)));
}
