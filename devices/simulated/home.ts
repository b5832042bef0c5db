import { HOUR, type Instant } from '../../services/domain/interval.ts';
import { type EnergyRegister, energyRegister, TICK_MS } from './energy.ts';
import { between, happens } from './random.ts';
import { type AirConditioner, type Comfort, type Room, type ThermalState, thermalStep } from './thermal.ts';
import { localDay, midnight, outdoorC, type World } from './world.ts';

/** A command as the device keeps it: it acts from `from` until `until`, whatever happens to the network. */
export type Shift = {
  readonly id: string;
  readonly from: Instant;
  readonly until: Instant;
  readonly setpointDeltaC: number;
  readonly capW: number | null;
};

export type HomeHabits = {
  readonly room: Room;
  readonly ac: AirConditioner;
  readonly setC: number;
  /** Where the comfort guard ends a command, °C. */
  readonly guardC: number;
};

/** A home drawn from the seed: a bedroom or living room with a one- to two-ton machine. */
export function drawHome(world: World, deviceId: string): HomeHabits {
  const draw = (from: number, to: number, what: string) => between(from, to, world.seed, deviceId, what);
  const setC = Math.round(draw(23, 26, 'set') * 2) / 2;
  return {
    room: { massWhPerK: draw(450, 750, 'mass'), lossWPerK: draw(190, 290, 'loss'), gainsW: draw(250, 600, 'gains') },
    ac: {
      ratedW: Math.round(draw(1100, 1900, 'rated') / 50) * 50,
      cop: draw(2.9, 3.6, 'cop'),
      inverter: happens(0.7, world.seed, deviceId, 'inverter'),
      minOffS: 180,
      bandK: 0.4,
    },
    setC,
    guardC: setC + draw(4, 6, 'guard'),
  };
}

/** When people want it cool: from the late afternoon into the night, a little different every day. */
export function wantsCool(world: World, deviceId: string, at: Instant): boolean {
  const on = (day: number): boolean => {
    const from = midnight(world, day) + between(14, 17.5, world.seed, deviceId, 'on', day) * HOUR;
    const until = midnight(world, day) + between(23, 27, world.seed, deviceId, 'off', day) * HOUR;
    return from <= at && at < until;
  };
  const day = localDay(world, at);
  return on(day) || on(day - 1);
}

/** One room lived twice: as it is, and as it would be had no command ever come. Both see the same weather and the same people. */
export type Home = {
  readonly at: Instant;
  readonly actual: ThermalState;
  readonly mode: Comfort['mode'];
  readonly register: EnergyRegister;
  readonly twin: EnergyRegister;
  readonly setC: number;
  /** One tick forward under the shifts in force; true when the comfort guard spoke: those shifts are over. */
  tick(inForce: readonly Shift[]): boolean;
};

export function home(world: World, deviceId: string, habits: HomeHabits): Home {
  const cold: ThermalState = { roomC: outdoorC(world, world.origin), compressor: false, restedS: 3600, powerW: 0 };
  let at = world.origin;
  let actual = cold;
  let twin = cold;
  let mode: Comfort['mode'] = 'off';
  let setC = habits.setC;
  const registers = { actual: energyRegister(world.origin), twin: energyRegister(world.origin) };
  return {
    get at() {
      return at;
    },
    get actual() {
      return actual;
    },
    get mode() {
      return mode;
    },
    get setC() {
      return setC;
    },
    register: registers.actual,
    twin: registers.twin,
    tick: (inForce) => {
      const outdoor = outdoorC(world, at);
      mode = wantsCool(world, deviceId, at) ? 'cool' : 'off';
      const usual: Comfort = { mode, setC: habits.setC, capW: null };
      const wish = inForce.reduce<Comfort>(
        (w, s) => ({
          ...w,
          setC: w.setC + s.setpointDeltaC,
          capW: s.capW === null ? w.capW : Math.min(w.capW ?? s.capW, s.capW),
        }),
        usual,
      );
      setC = wish.setC;
      const guarded = inForce.length > 0 && mode === 'cool' && actual.roomC > habits.guardC && actual.roomC > wish.setC;
      actual = thermalStep(actual, habits.room, habits.ac, guarded ? usual : wish, outdoor, TICK_MS / 1000);
      twin = thermalStep(twin, habits.room, habits.ac, usual, outdoor, TICK_MS / 1000);
      registers.actual.add(at, actual.powerW);
      registers.twin.add(at, twin.powerW);
      at += TICK_MS;
      return guarded;
    },
  };
}
