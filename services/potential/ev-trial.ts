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
    { minutes: 30, homes: 3 },
    { minutes: 60, homes: 4 },
  ],
  trials: [
    { minutes: 30, watts: 3300, found: 49, energy: 0.95, atItsTime: 0.85, charging: 0.89 },
    { minutes: 30, watts: 3600, found: 48, energy: 0.94, atItsTime: 0.84, charging: 0.89 },
    { minutes: 30, watts: 7200, found: 50, energy: 0.87, atItsTime: 0.81, charging: 0.94 },
    { minutes: 60, watts: 3300, found: 47, energy: 0.9, atItsTime: 0.79, charging: 0.87 },
    { minutes: 60, watts: 3600, found: 47, energy: 0.89, atItsTime: 0.78, charging: 0.88 },
    { minutes: 60, watts: 7200, found: 39, energy: 0.65, atItsTime: 0.58, charging: 0.89 },
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
