/** One room with one air conditioner. */
export type Room = {
  /** Thermal mass of air, walls and furniture, Wh per K. */
  readonly massWhPerK: number;
  /** Loss through the envelope, W per K. */
  readonly lossWPerK: number;
  /** People, lamps, sun, W. */
  readonly gainsW: number;
};
export type AirConditioner = {
  readonly ratedW: number;
  /** Heat moved per unit of electricity. */
  readonly cop: number;
  /** An inverter modulates its compressor; the others switch it on and off. */
  readonly inverter: boolean;
  /** A stopped compressor rests this long before it starts again, s: starting against pressure breaks it. */
  readonly minOffS: number;
  /** Width of the thermostat's band, K. */
  readonly bandK: number;
};
export type Comfort = {
  readonly mode: 'off' | 'cool' | 'fan_only';
  readonly setC: number;
  /** Electric power it must not exceed, W; null = none. Only an inverter can honour it. */
  readonly capW: number | null;
};
export type ThermalState = {
  readonly roomC: number;
  readonly compressor: boolean;
  /** How long the compressor has been off, s. */
  readonly restedS: number;
  /** Electric power during the step just taken, whole W. */
  readonly powerW: number;
};

const STANDBY_W = 2;
const FAN_W = 40;

/**
 * First-order room: mass · dT/dt = loss · (outdoor − T) + gains − cop · P, one explicit Euler step of `dtS` seconds (30 s against a
 * time constant of hours). The compressor decides at the start of the step, on the temperature it measures then.
 */
export function thermalStep(
  state: ThermalState,
  room: Room,
  ac: AirConditioner,
  wish: Comfort,
  outdoorC: number,
  dtS: number,
): ThermalState {
  const compressorW = wish.mode === 'cool' ? (ac.inverter ? modulated : switched)(state, ac, wish) : 0;
  const idleW = wish.mode === 'off' ? STANDBY_W : FAN_W;
  const heatW = room.lossWPerK * (outdoorC - state.roomC) + room.gainsW - ac.cop * compressorW;
  return {
    roomC: state.roomC + (heatW * dtS) / 3600 / room.massWhPerK,
    compressor: compressorW > 0,
    restedS: compressorW > 0 ? 0 : state.restedS + dtS,
    powerW: Math.round(compressorW) + idleW,
  };
}

// Inside the band the compressor keeps doing what it does.
function switched(state: ThermalState, ac: AirConditioner, { setC, capW }: Comfort): number {
  const warm = state.roomC > setC + ac.bandK / 2;
  const cold = state.roomC < setC - ac.bandK / 2;
  const wanted = warm || (state.compressor && !cold);
  const may = state.compressor || state.restedS >= ac.minOffS;
  return wanted && may && (capW === null || capW >= ac.ratedW) ? ac.ratedW : 0;
}

// Proportional between 20 % and 100 % of rated over one kelvin; below the least it stops until the room is warm again.
function modulated(state: ThermalState, ac: AirConditioner, { setC, capW }: Comfort): number {
  const least = 0.2 * ac.ratedW;
  const most = Math.min(ac.ratedW, Math.max(0, (capW ?? ac.ratedW + FAN_W) - FAN_W));
  if (most < least) return 0;
  const error = state.roomC - setC;
  if (state.compressor ? error < -ac.bandK : error < ac.bandK / 2 || state.restedS < ac.minOffS) return 0;
  return Math.min(most, Math.max(least, ac.ratedW * Math.min(1, Math.max(0, error + 0.5))));
}
