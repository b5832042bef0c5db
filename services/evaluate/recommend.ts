import type { Figures } from './figures.ts';

/** The rules of a recommendation, as shares. They are stated wherever it is. */
export const RULES = { bias: 0.05, coverage: 0.8, falseCredit: 0.1 } as const;

export const RULES_IN_WORDS =
  'the least false credit under the full terms, among methods whose bias is within ±5 % and which have a baseline for at least 80 % of home-days; above 10 % false credit is never recommended';

export type Verdict = {
  readonly name: string;
  readonly recommended: boolean;
  /** Pays more than a tenth of load for nothing. */
  readonly red: boolean;
  /** Why it cannot be recommended; empty = it could. */
  readonly against: readonly string[];
};

/** What the rules say of each method. Of equals the one with less bias, then the earlier one. */
export function verdicts(methods: readonly { readonly name: string; readonly figures: Figures }[]): Verdict[] {
  const judged = methods.map(({ name, figures }) => ({ name, figures, against: objections(figures) }));
  const fit = judged.filter(({ against }) => against.length === 0);
  const [best] = fit.sort(
    (a, b) =>
      a.figures.falseCredit!.value - b.figures.falseCredit!.value ||
      Math.abs(a.figures.bias!.value) - Math.abs(b.figures.bias!.value),
  );
  return judged.map(({ name, figures, against }) => ({
    ...{ name, against, recommended: name === best?.name, red: isRed(figures) },
  }));
}

export const isRed = ({ falseCredit }: Figures): boolean => falseCredit !== null && falseCredit.value > RULES.falseCredit;

function objections(figures: Figures): string[] {
  const { bias, coverage, falseCredit } = figures;
  if (bias === null || falseCredit === null || coverage === null) return ['no load was measured'];
  return [
    ...(Math.abs(bias.value) > RULES.bias ? ['bias beyond ±5 %'] : []),
    ...(coverage < RULES.coverage ? ['a baseline for less than 80 % of home-days'] : []),
    ...(isRed(figures) ? ['false credit above 10 %'] : []),
  ];
}
