/** Standard normal quantile for 90 % between both ends. */
export const Z_90 = 1.6449;

export type SampleSize = {
  /** Coefficient of variation between homes; null when the mean is not above zero or there are fewer than two homes. */
  readonly variation: number | null;
  /** Homes for the asked precision; null where the variation is. */
  readonly homes: number | null;
};

/**
 * Homes to meter for a mean within ±`precision` (share of the mean) at 90 % confidence under simple random sampling:
 *     n₀ = (z · cv / e)²      n = n₀ / (1 + n₀ / N), rounded up, at most N
 * Source: Cochran, Sampling Techniques, 3rd ed. 1977, §4.7. `population` null = very many, no correction.
 */
export function homesNeeded(values: readonly number[], precision: number, population: number | null): SampleSize {
  const mean = values.reduce((sum, value) => sum + value, 0) / values.length;
  if (values.length < 2 || !(mean > 0)) return { variation: null, homes: null };
  const squares = values.reduce((sum, value) => sum + (value - mean) ** 2, 0);
  const variation = Math.sqrt(squares / (values.length - 1)) / mean;
  const infinite = ((Z_90 * variation) / precision) ** 2;
  const corrected = population === null ? infinite : infinite / (1 + infinite / population);
  return { variation, homes: Math.max(2, Math.ceil(Math.min(corrected, population ?? corrected))) };
}
