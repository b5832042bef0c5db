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

/**
 * Σ numerators ÷ Σ denominators with a bootstrap interval (2.5 … 97.5 %) over whole days: homes of one day share its weather, so a home is no
 * sample of its own. With fewer than two days the interval is the value itself.
 */
export function ratioOverDays(numerators: readonly number[], denominators: readonly number[], seed: number): Ranged | null {
  const total = (values: readonly number[]) => values.reduce((sum, value) => sum + value, 0);
  const below = total(denominators);
  if (below === 0) return null;
  const value = total(numerators) / below;
  const days = numerators.length;
  if (days < 2) return { value, low: value, high: value };
  const chance = chanceOf(seed);
  const found: number[] = [];
  for (let again = 0; again < RESAMPLES; again++) {
    let [above, under] = [0, 0];
    for (let i = 0; i < days; i++) {
      const day = Math.floor(chance() * days);
      above += numerators[day]!;
      under += denominators[day]!;
    }
    if (under !== 0) found.push(above / under);
  }
  const [low, high] = [quantile(found, 0.025) ?? value, quantile(found, 0.975) ?? value];
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
