/*
 * How well EV-like load is found where it is known who charges. The thresholds (`EV_RULE`) were chosen on one half of homes and drivers; these are
 * figures of the other half, which nobody looked at while choosing. `ev-like.test.ts` measures them again and holds this file to it.
 */

/** Homes with charging laid on them, at one power and interval of readings. Energies are shares. */
export type EvTrial = {
  readonly minutes: number;
  readonly watts: number;
  /** Of all homes tried, those that were found to charge. */
  readonly found: number;
  /** Energy found ÷ laid; found at its time ÷ laid; of what is found, charging. */
  readonly energy: number;
  readonly atItsTime: number;
  readonly charging: number;
};

/** Homes of London (half-hourly, 2013), drivers of Trondheim (residential, 2019), parted by a hash of their ids. */
export const EV_TRIAL = {
  chosenOn: { homes: 49, drivers: 11 },
  triedOn: { homes: 50, drivers: 8 },
  /** The same homes as they are, by interval of readings: nobody knows of a car there. */
  named: [
    { minutes: 30, homes: 1 },
    { minutes: 60, homes: 4 },
  ],
  /** Homes of California that cool and have panels (hourly net load, 2016 to 2017), as they are. */
  sunny: { homes: 8, named: 1 },
  trials: [
    { minutes: 30, watts: 3300, found: 44, energy: 0.82, atItsTime: 0.76, charging: 0.92 },
    { minutes: 30, watts: 3600, found: 44, energy: 0.82, atItsTime: 0.77, charging: 0.93 },
    { minutes: 30, watts: 7200, found: 45, energy: 0.79, atItsTime: 0.76, charging: 0.96 },
    { minutes: 60, watts: 3300, found: 44, energy: 0.77, atItsTime: 0.69, charging: 0.9 },
    { minutes: 60, watts: 3600, found: 44, energy: 0.75, atItsTime: 0.69, charging: 0.91 },
    { minutes: 60, watts: 7200, found: 35, energy: 0.53, atItsTime: 0.49, charging: 0.92 },
  ] satisfies EvTrial[],
} as const;

const Z_95 = 1.96;

/** The 95 % interval of a share seen at `count` of `all` (Wilson 1927): right also near 0 and 1, where the usual one is not. */
export function shareInterval(count: number, all: number): readonly [low: number, high: number] {
  const share = count / all;
  const spread = Z_95 ** 2 / all;
  const half = (Z_95 / (1 + spread)) * Math.sqrt((share * (1 - share)) / all + spread / (4 * all));
  const middle = (share + spread / 2) / (1 + spread);
  return [Math.max(0, middle - half), Math.min(1, middle + half)];
}

/** Of the homes that are named EV-like, those that charge, where `share` of all homes do. */
export function precisionAt(share: number, found: number, named: number): number {
  return (share * found) / (share * found + (1 - share) * named);
}
