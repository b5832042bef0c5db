import type { Measured } from './measure.ts';

/** What full terms pay on one occasion: as one portfolio, reconciled where the terms say so, and each home for itself. */
export type Paid = {
  readonly wh: number;
  /** After penalties. */
  readonly micros: number;
  /** Of it taken away by penalties, not negative. */
  readonly penaltyMicros: number;
  readonly aloneWh: number;
  readonly aloneMicros: number;
};

/** Pays the homes `among`, no home twice, for occasion `o`. */
export type Payer = ((o: number, among: readonly number[]) => Paid) & { readonly way: 'columns' | 'points' };

/** What money looks at beside the readings, a value a home. */
export type HomeTerms = {
  /** W. */
  readonly committed: readonly number[];
  readonly household: readonly boolean[];
  /** Events of the season the home left, occasion o included; 0 = it stayed in this one. */
  optOuts(o: number, home: number): number;
};

/** What has not been asked of anybody nobody has left. */
export const NOBODY_LEFT = (): number => 0;

/** An occasion is paid part by part: across midnight settlement has two events, each a portfolio, netted and paid by itself. */
export const inParts =
  ({ partsOf }: Measured, ofPart: (part: number, among: readonly number[]) => Paid) =>
  (o: number, among: readonly number[]): Paid => {
    const [first, ...others] = partsOf[o]!.map((part) => ofPart(part, among)) as [Paid, ...Paid[]];
    return others.reduce(
      (sum, one) => ({
        ...{ wh: sum.wh + one.wh, micros: sum.micros + one.micros, penaltyMicros: sum.penaltyMicros + one.penaltyMicros },
        ...{ aloneWh: sum.aloneWh + one.aloneWh, aloneMicros: sum.aloneMicros + one.aloneMicros },
      }),
      first,
    );
  };
