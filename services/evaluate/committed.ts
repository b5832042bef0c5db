import { invalid } from '../domain/outcome.ts';

/**
 * What each home is held to have committed, W: availability, penalties, tiers and caps of committed power look at it, and no quiet day has
 * any. A share of its usual load in the window, a share of its sanctioned load, the same power for all, or what the list of meters says.
 */
export type Committed =
  | { readonly of: 'load'; readonly share: number }
  | { readonly of: 'sanctioned'; readonly share: number }
  | { readonly of: 'power'; readonly watts: number }
  | { readonly of: 'meters' };

/** Near what homes on dynamic tariffs left in events of published trials; a planning value that the user answers for. */
export const USUAL_COMMITMENT = 'load:20%';

/** `load:20%`, `sanctioned:30%`, `0.4kW` or `meters`. Throws Refusal `usage`. */
export function readCommitted(text: string): Committed {
  if (text === 'meters') return { of: 'meters' };
  const share = /^(load|sanctioned):(\d{1,3}(?:\.\d+)?)%$/.exec(text);
  if (share && Number(share[2]) <= 100) return { of: share[1] as 'load' | 'sanctioned', share: Number(share[2]) / 100 };
  const power = /^(\d{1,6}(?:\.\d+)?)kW$/.exec(text);
  if (power) return { of: 'power', watts: Math.round(Number(power[1]) * 1000) };
  throw invalid('usage', `--committed must be load:20%, sanctioned:30%, 0.4kW or meters, not ${text.slice(0, 40)}`);
}

export const committedInWords = (committed: Committed): string => {
  switch (committed.of) {
    case 'load':
      return `${committed.share * 100} % of the home's mean load in the window on placebo days`;
    case 'sanctioned':
      return `${committed.share * 100} % of its sanctioned load`;
    case 'power':
      return `${committed.watts / 1000} kW each`;
    case 'meters':
      return 'as the list of meters says';
  }
};

/** What a list of meters says that money looks at; null = not said. */
export type MeterTerms = {
  readonly sanctionedLoadW: number | null;
  readonly committedW: number | null;
  /** Unknown kinds count as households, as in settlement. */
  readonly household: boolean;
};

/** Whole watts of each home. Throws Refusal `usage` for the first home of which the list of meters does not say what is asked. */
export function committedWatts(
  committed: Committed,
  meterIds: readonly string[],
  meanWatts: readonly number[],
  facts: ReadonlyMap<string, MeterTerms>,
): number[] {
  const said = (meterId: string, column: 'sanctionedLoadW' | 'committedW', name: string) => {
    const watts = facts.get(meterId)?.[column];
    if (watts === null || watts === undefined)
      throw invalid('usage', `--committed asks for ${name}, and the list of meters has none for ${meterId}`);
    return watts;
  };
  const wattsOf = (meterId: string, h: number): number => {
    switch (committed.of) {
      case 'load':
        return Math.max(0, Math.round(committed.share * (meanWatts[h] || 0)));
      case 'sanctioned':
        return Math.round(committed.share * said(meterId, 'sanctionedLoadW', 'sanctioned_load_w'));
      case 'power':
        return committed.watts;
      case 'meters':
        return said(meterId, 'committedW', 'committed_w');
    }
  };
  return meterIds.map(wattsOf);
}
