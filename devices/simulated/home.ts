import { contains, HOUR, type Instant, type Interval } from '../../services/domain/interval.ts';
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
    room: { massWhPerK: draw(450, 750, 'mass'), lossWPerK: draw(150, 230, 'loss'), gainsW: draw(200, 450, 'gains') },
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
export function coolHours(world: World, deviceId: string): (at: Instant) => boolean {
  const hours = new Map<number, Interval>();
  const of = (day: number): Interval => {
    const known = hours.get(day);
    if (known) return known;
    const start = midnight(world, day) + between(12, 16, world.seed, deviceId, 'on', day) * HOUR;
    const end = midnight(world, day) + between(23, 27, world.seed, deviceId, 'off', day) * HOUR;
    hours.set(day, { start, end });
    return { start, end };
  };
  return (at) => {
    const day = localDay(world, at);
    return contains(of(day), at) || contains(of(day - 1), at);
  };
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
  const wantsCool = coolHours(world, deviceId);
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
      mode = wantsCool(at) ? 'cool' : 'off';
      const usual: Comfort = { mode, setC: habits.setC, capW: null };
      const caps = inForce.flatMap((shift) => shift.capW ?? []);
      const warmer = inForce.reduce((sum, shift) => sum + shift.setpointDeltaC, 0);
      const wish: Comfort = { mode, setC: habits.setC + warmer, capW: caps.length > 0 ? Math.min(...caps) : null };
      setC = wish.setC;
      const guarded = inForce.length > 0 && mode === 'cool' && actual.roomC > habits.guardC && actual.roomC > wish.setC;
      const before = actual;
      actual = thermalStep(before, habits.room, habits.ac, guarded ? usual : wish, outdoor, TICK_MS / 1000);
      // The two lives are one until the first command parts them.
      const parted = inForce.length > 0 || before !== twin;
      twin = parted ? thermalStep(twin, habits.room, habits.ac, usual, outdoor, TICK_MS / 1000) : actual;
      registers.actual.add(at, actual.powerW);
      registers.twin.add(at, twin.powerW);
      at += TICK_MS;
      return guarded;
    },
  };
}
