/*
 * Chance that can be asked again: the same seed draws the same, on every machine.
 */

/** Numbers in [0, 1) from a seed: mulberry32. */
export function chanceOf(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

/** `count` different places below `from`, rising. */
export function drawn(count: number, from: number, chance: () => number): number[] {
  const places = Array.from({ length: from }, (_, i) => i);
  for (let i = 0; i < count; i++) {
    const other = i + Math.floor(chance() * (from - i));
    [places[i], places[other]] = [places[other]!, places[i]!];
  }
  return places.slice(0, count).sort((a, b) => a - b);
}

/** An estimate and the middle 95 % of what other samples of the same days would have said. Null = nothing to divide by. */
export type Ranged = { readonly value: number; readonly low: number; readonly high: number };

const RESAMPLES = 1000;
/** Of other samples, on either side of an interval. */
const TAIL = 0.025;

/** Numerators and denominators, one of each a day. */
export type DayRatios = { readonly above: readonly number[]; readonly below: readonly number[] };

/**
 * Σ numerators ÷ Σ denominators with a bootstrap interval (`tail` … 1 − `tail`) over whole days: homes of one day share its weather, so a home is no
 * sample of its own. With fewer than two days the interval is the value itself.
 */
export function ratioOverDays(above: readonly number[], below: readonly number[], seed: number, tail = TAIL): Ranged | null {
  const value = ratio({ above, below }, null);
  return value === null ? null : ranged(value, above.length, seed, (days) => ratio({ above, below }, days), tail);
}

/** Of days that have both: the ratio of one less that of the other, resampled together, for what a day is like is in both. */
export function differenceOverDays(one: DayRatios, other: DayRatios, seed: number): Ranged | null {
  const of = (days: Int32Array | null): number | null => {
    const [a, b] = [ratio(one, days), ratio(other, days)];
    return a === null || b === null ? null : a - b;
  };
  const value = of(null);
  return value === null ? null : ranged(value, one.above.length, seed, of);
}

/** One ratio ÷ another of other days, each resampled for itself. */
export function quotientOverDays(one: DayRatios, other: DayRatios, seed: number): Ranged | null {
  const value = over(ratio(one, null), ratio(other, null));
  if (value === null) return null;
  const chance = chanceOf(seed + 1);
  const again = other.above.length;
  return ranged(value, Math.min(one.above.length, again) < 2 ? 1 : one.above.length, seed, (days) =>
    over(
      ratio(one, days),
      ratio(
        other,
        Int32Array.from({ length: again }, () => Math.floor(chance() * again)),
      ),
    ),
  );
}

const over = (a: number | null, b: number | null): number | null => (a === null || b === null || b === 0 ? null : a / b);

function ratio({ above, below }: DayRatios, days: Int32Array | null): number | null {
  let [up, down] = [0, 0];
  if (days === null) for (let day = 0; day < above.length; day++) [up, down] = [up + above[day]!, down + below[day]!];
  else {
    for (const day of days) {
      up += above[day]!;
      down += below[day]!;
    }
  }
  return down === 0 ? null : up / down;
}

/** A value with what `count` days drawn again and again give. */
export function ranged(value: number, count: number, seed: number, of: (days: Int32Array) => number | null, tail = TAIL): Ranged {
  if (count < 2) return { value, low: value, high: value };
  const chance = chanceOf(seed);
  const found: number[] = [];
  const days = new Int32Array(count);
  for (let again = 0; again < RESAMPLES; again++) {
    for (let i = 0; i < count; i++) days[i] = Math.floor(chance() * count);
    const one = of(days);
    if (one !== null) found.push(one);
  }
  const [low, high] = [quantile(found, tail) ?? value, quantile(found, 1 - tail) ?? value];
  return { value, low, high };
}

/** The value a share of all lie below, between neighbours in proportion; null of none. */
export function quantile(values: readonly number[], share: number): number | null {
  if (values.length === 0) return null;
  const sorted = Float64Array.from(values).sort();
  const place = share * (sorted.length - 1);
  const below = Math.floor(place);
  const above = Math.min(below + 1, sorted.length - 1);
  return sorted[below]! + (place - below) * (sorted[above]! - sorted[below]!);
}
