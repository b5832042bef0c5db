import { normalOf, type ResponseRate, rateAt } from './response-rate.ts';

/** One home in the peak window, W: what answers temperature at the design temperature, what looks like EV charging. */
export type Stake = {
  readonly category: string;
  readonly sensitiveW: number;
  readonly evLikeW: number;
  readonly limitW: number | null;
};

export type CategoryTerms = {
  readonly category: string;
  readonly response: ResponseRate;
  /** Consumers the homes stand for. */
  readonly consumers: number;
};

type Interval = readonly [number, number] | null;
/** W, with intervals that a category of one home does not have: of the sample and the response rate, and of the sample alone. */
export type Expected = { readonly watts: number; readonly interval: Interval; readonly ofSample: Interval };

export const DRAWS = 1999;
export const CONFIDENCE = 90;

/** Temperature-sensitive and EV-like load of a home, W, never above its sanctioned load. */
export const flexibleW = ({ sensitiveW, evLikeW, limitW }: Stake): number =>
  Math.min(sensitiveW + evLikeW, limitW ?? Number.POSITIVE_INFINITY);

/**
 * Expected flexible load, W, by category and in all:
 *     Σ_c rate_c · consumers_c · mean over homes of c (temperature-sensitive load at the design temperature + EV-like load)
 * with the 90 % percentile interval of a bootstrap over homes, drawn within their category (Efron and Tibshirani 1993, §13.3), and of rates
 * drawn beside them: a rate that was measured in a category for itself, all others together, for a planning value that is wrong is wrong
 * everywhere. Homes in an order that does not depend on who asks.
 */
export function expectedFlexible(
  stakes: readonly Stake[],
  terms: readonly CategoryTerms[],
  seed: number,
): { all: Expected; by: Expected[] } {
  const dice = diceOf(seed);
  const groups = terms.map(({ category }) => stakes.filter((stake) => stake.category === category).map(flexibleW));
  const scales = terms.map(({ consumers }, c) => (groups[c]!.length === 0 ? 0 : consumers / groups[c]!.length));
  const draws = groups.map(() => ({ both: new Float64Array(DRAWS), sample: new Float64Array(DRAWS) }));
  const total = { both: new Float64Array(DRAWS), sample: new Float64Array(DRAWS) };
  // Dice of their own: whatever the rates are, the homes drawn are the same.
  const rateDice = diceOf(seed ^ 0x5bd1e995);
  for (let draw = 0; draw < DRAWS; draw++) {
    const common = normalOf(rateDice(), rateDice());
    for (const [c, homes] of groups.entries()) {
      const { response } = terms[c]!;
      const own = normalOf(rateDice(), rateDice());
      let sum = 0;
      for (let i = 0; i < homes.length; i++) sum += homes[Math.floor(dice() * homes.length)]!;
      const watts = sum * scales[c]!;
      const rate = rateAt(response, response.basis === 'measured' ? own : common);
      draws[c]!.both[draw] = watts * rate;
      draws[c]!.sample[draw] = watts * response.value;
      total.both[draw]! += watts * rate;
      total.sample[draw]! += watts * response.value;
    }
  }
  const by = groups.map((homes, c): Expected => {
    const watts = homes.reduce((sum, one) => sum + one, 0) * scales[c]! * terms[c]!.response.value;
    return { watts, ...intervals(draws[c]!, homes.length >= 2) };
  });
  return {
    by,
    // A category of one home is drawn the same every time: an interval over it would be too narrow.
    all: {
      watts: by.reduce((sum, { watts }) => sum + watts, 0),
      ...intervals(
        total,
        by.every(({ interval }) => interval !== null),
      ),
    },
  };
}

const intervals = (draws: { readonly both: Float64Array; readonly sample: Float64Array }, known: boolean) => ({
  interval: known ? intervalOf(draws.both) : null,
  ofSample: known ? intervalOf(draws.sample) : null,
});

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
