/** The sum of a lane's weights stays within 2^160, so that no product over readings passes 256 bits (`assembly/wide.ts`). */
const WEIGHTS_MAX = 2n ** 160n;

/**
 * Whether an average that forgets λ = p/q a day, starting from the mean of its `init` oldest days, can be kept exactly over `days` days:
 * the weights are whole numbers that sum to init·q^(days − init).
 */
export function forgettingFits(q: number, init: number, days: number): boolean {
  return BigInt(init) * BigInt(q) ** BigInt(Math.max(0, days - init)) <= WEIGHTS_MAX;
}
