/** One home in the peak window, W: what answers temperature at the design temperature, what looks like EV charging. */
export type Stake = {
  readonly category: string;
  readonly sensitiveW: number;
  readonly evLikeW: number;
  readonly limitW: number | null;
};

export type CategoryTerms = {
  readonly category: string;
  /** Share of the flexible load that answers a call, 0…1. */
  readonly responseRate: number;
  /** Consumers the homes stand for. */
  readonly consumers: number;
};

/** W, with an interval that a category of one home does not have. */
export type Expected = { readonly watts: number; readonly interval: readonly [number, number] | null };

export const DRAWS = 1999;
export const CONFIDENCE = 90;

/** Temperature-sensitive and EV-like load of a home, W, never above its sanctioned load. */
export const flexibleW = ({ sensitiveW, evLikeW, limitW }: Stake): number =>
  Math.min(sensitiveW + evLikeW, limitW ?? Number.POSITIVE_INFINITY);

/**
 * Expected flexible load, W, by category and in all:
 *     Σ_c rate_c · consumers_c · mean over homes of c (temperature-sensitive load at the design temperature + EV-like load)
 * with the 90 % percentile interval of a bootstrap over homes, drawn within their category (Efron and Tibshirani 1993, §13.3): the
 * interval is of the sample; the response rate is taken as it is given. Homes in an order that does not depend on who asks.
 */
export function expectedFlexible(
  stakes: readonly Stake[],
  terms: readonly CategoryTerms[],
  seed: number,
): { all: Expected; by: Expected[] } {
  const dice = diceOf(seed);
  const groups = terms.map(({ category }) => stakes.filter((stake) => stake.category === category).map(flexibleW));
  const weights = terms.map(({ responseRate, consumers }, c) =>
    groups[c]!.length === 0 ? 0 : (responseRate * consumers) / groups[c]!.length,
  );
  const draws = groups.map(() => new Float64Array(DRAWS));
  const total = new Float64Array(DRAWS);
  for (let draw = 0; draw < DRAWS; draw++) {
    for (const [c, homes] of groups.entries()) {
      let sum = 0;
      for (let i = 0; i < homes.length; i++) sum += homes[Math.floor(dice() * homes.length)]!;
      draws[c]![draw] = sum * weights[c]!;
      total[draw]! += sum * weights[c]!;
    }
  }
  const by = groups.map((homes, c) => ({
    watts: homes.reduce((sum, watts) => sum + watts, 0) * weights[c]!,
    interval: homes.length < 2 ? null : intervalOf(draws[c]!),
  }));
  return {
    by,
    // A category of one home is drawn the same every time: an interval over it would be too narrow.
    all: {
      watts: by.reduce((sum, { watts }) => sum + watts, 0),
      interval: by.some(({ interval }) => interval === null) ? null : intervalOf(total),
    },
  };
}

function intervalOf(draws: Float64Array): [number, number] {
  const sorted = draws.slice().sort();
  const beyond = ((DRAWS + 1) * (100 - CONFIDENCE)) / 200;
  return [sorted[beyond - 1]!, sorted[DRAWS - beyond]!];
}

/** Numbers in [0, 1) from a seed: SplitMix32, a counter through the finaliser of MurmurHash3. */
function diceOf(seed: number): () => number {
  let state = seed | 0;
  return () => {
    state = (state + 0x9e3779b9) | 0;
    let mixed = Math.imul(state ^ (state >>> 16), 0x85ebca6b);
    mixed = Math.imul(mixed ^ (mixed >>> 13), 0xc2b2ae35);
    return ((mixed ^ (mixed >>> 16)) >>> 0) / 2 ** 32;
  };
}
