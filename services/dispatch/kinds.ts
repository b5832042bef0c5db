/** What instructing a kind of resource means. Data: a new kind is a new row. */
export type Kind = {
  /** Part of the load that falls (SHED), ppm. Planning figures of ours; only readings count for money. */
  readonly shedPpm: number;
  /** Part of the room left below the rating that can be taken up (ABSORB), ppm. */
  readonly absorbPpm: number;
  /** Cooling set-point shift, °C: up for SHED, down for ABSORB; the resource's comfort limit caps it. 0 = none. */
  readonly setpointShiftC: number;
  /** True: told a power limit, down to the resource's minimum for SHED, its rating for ABSORB. */
  readonly powerLimit: boolean;
};

const kinds: Readonly<Record<string, Kind>> = {
  AC: { shedPpm: 600_000, absorbPpm: 300_000, setpointShiftC: 3, powerLimit: false },
  CHARGER: { shedPpm: 1_000_000, absorbPpm: 1_000_000, setpointShiftC: 0, powerLimit: true },
  WATER_HEATER: { shedPpm: 1_000_000, absorbPpm: 1_000_000, setpointShiftC: 0, powerLimit: true },
  PUMP: { shedPpm: 1_000_000, absorbPpm: 1_000_000, setpointShiftC: 0, powerLimit: true },
  BATTERY: { shedPpm: 1_000_000, absorbPpm: 1_000_000, setpointShiftC: 0, powerLimit: true },
  // A person who reads a notice: a tenth of the home's load, on average.
  BEHAVIOURAL: { shedPpm: 100_000, absorbPpm: 50_000, setpointShiftC: 0, powerLimit: false },
};
const other: Kind = { shedPpm: 500_000, absorbPpm: 500_000, setpointShiftC: 0, powerLimit: true };

export const BEHAVIOURAL = 'BEHAVIOURAL';
export const kindOf = (name: string): Kind => kinds[name] ?? other;

/** What one device shall do, in its kind's terms. */
export type Wish = { readonly setpointDeltaC: number; readonly maxPowerW: number | null };

export function wishFor(
  kind: string,
  direction: 'SHED' | 'ABSORB',
  { ratedW, minPowerW, maxSetpointDeltaC }: { ratedW: number; minPowerW: number; maxSetpointDeltaC: number },
): Wish {
  const { setpointShiftC, powerLimit } = kindOf(kind);
  const shift = maxSetpointDeltaC > 0 ? Math.min(setpointShiftC, maxSetpointDeltaC) : setpointShiftC;
  return {
    setpointDeltaC: direction === 'SHED' ? shift : shift === 0 ? 0 : -shift,
    maxPowerW: powerLimit ? (direction === 'SHED' ? minPowerW : ratedW) : null,
  };
}

/**
 * W a resource is expected to move: its share of the load it can have on now (the typical load, at most its rating; without
 * readings the rating; without either nothing). Rounded down: a promise to the control room, not a measurement.
 */
export function expectedW(kind: string, direction: 'SHED' | 'ABSORB', ratedW: number, typicalW: number | null): number {
  const { shedPpm, absorbPpm } = kindOf(kind);
  if (direction === 'SHED') {
    const load = typicalW === null ? ratedW : ratedW === 0 ? typicalW : Math.min(typicalW, ratedW);
    return Math.floor((Math.max(0, load) * shedPpm) / 1_000_000);
  }
  const taken = Math.min(Math.max(0, typicalW ?? 0), ratedW);
  return Math.floor(((ratedW - taken) * absorbPpm) / 1_000_000);
}
