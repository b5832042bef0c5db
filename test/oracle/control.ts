/*
 * Difference in differences by plain sums in fractions of doubles no larger than need be, matching by trying every assignment, and the
 * bootstrap written down again from its description. Nothing here is shared with the core.
 */

export type Person = {
  readonly treated: boolean;
  readonly stratum: number;
  readonly event: readonly number[];
  readonly pre: readonly number[];
};

const sum = (values: readonly number[]) => values.reduce((total, value) => total + value, 0);
const average = (values: readonly number[]) => sum(values) / values.length;
export const range = (n: number) => Array.from({ length: n }, (_, i) => i);

/** The least sum of |pre − pre'| over all ways to give each treated a control of his own. */
export function cheapest(treated: readonly number[], controls: readonly number[]): number {
  if (treated.length === 0) return 0;
  const [first, ...rest] = treated;
  return Math.min(
    ...controls.map(
      (control, i) =>
        Math.abs(first! - control) +
        cheapest(
          rest,
          controls.filter((_, j) => j !== i),
        ),
    ),
  );
}

/** Impact by slot of a randomised holdout, strata weighted by their share of the treated. */
export function holdoutImpact(persons: readonly Person[], days: number): number[] {
  const treated = persons.filter((person) => person.treated);
  const strata = [...new Set(treated.map(({ stratum }) => stratum))];
  return persons[0]!.event.map((_, slot) => {
    const change = ({ event, pre }: Person) => event[slot]! - pre[slot]! / days;
    const others = strata.map((stratum) => {
      const share = treated.filter((one) => one.stratum === stratum).length / treated.length;
      return share * average(persons.filter((one) => !one.treated && one.stratum === stratum).map(change));
    });
    return sum(others) - average(treated.map(change));
  });
}

/** The interval of the total, by bootstrap-t over the cells: stratum by stratum the controls' changes, then the treated ones', rising. */
export function holdoutInterval(
  persons: readonly Person[],
  days: number,
  seed: bigint,
  draws: number,
  rank: number,
): [number, number] {
  const treated = persons.filter((person) => person.treated);
  const strata = [...new Set(treated.map(({ stratum }) => stratum))].sort((a, b) => a - b);
  const change = ({ event, pre }: Person) => days * sum(event) - sum(pre);
  const rising = (chosen: readonly Person[]) => chosen.map(change).sort((a, b) => a - b);
  const cells = strata.flatMap((stratum) => {
    const of = persons.filter((one) => one.stratum === stratum);
    const share = of.filter((one) => one.treated).length / treated.length;
    return [
      { share, values: rising(of.filter((one) => !one.treated)) },
      { share: -share, values: rising(of.filter((one) => one.treated)) },
    ];
  });
  const judged = (drawn: readonly (readonly number[])[]) => {
    const value = sum(drawn.map((values, c) => cells[c]!.share * average(values)));
    const variance = sum(
      drawn.map((values, c) => {
        const middle = average(values);
        return (cells[c]!.share ** 2 * sum(values.map((one) => (one - middle) ** 2))) / (values.length - 1) / values.length;
      }),
    );
    return { value, error: Math.sqrt(variance) };
  };
  const own = judged(cells.map(({ values }) => values));
  const next = splitMix(seed);
  const statistics = range(draws).map(() => {
    const { value, error } = judged(cells.map(({ values }) => values.map(() => values[next(values.length)]!)));
    return (value - own.value) / error;
  });
  statistics.sort((a, b) => a - b);
  return [own.value - statistics[draws - rank]! * own.error, own.value - statistics[rank - 1]! * own.error].map(
    (wh) => wh / days,
  ) as [number, number];
}

/** SplitMix64; the upper 32 bits scaled to 0 … n − 1. */
export function splitMix(seed: bigint): (n: number) => number {
  const mask = 2n ** 64n - 1n;
  let state = seed & mask;
  return (n) => {
    state = (state + 0x9e3779b97f4a7c15n) & mask;
    let z = state;
    z = ((z ^ (z >> 30n)) * 0xbf58476d1ce4e5b9n) & mask;
    z = ((z ^ (z >> 27n)) * 0x94d049bb133111ebn) & mask;
    z ^= z >> 31n;
    return Number(((z >> 32n) * BigInt(n)) >> 32n);
  };
}
