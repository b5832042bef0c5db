import { HOUR, type Instant } from '../../services/domain/interval.ts';
import { type EnergyRegister, energyRegister, TICK_MS } from './energy.ts';
import { between, happens } from './random.ts';
import { localDay, midnight, type World } from './world.ts';

/** A car at the plug: it comes home, needs so much, and leaves in the morning. */
export type Visit = { readonly arrive: Instant; readonly depart: Instant; readonly needWh: number };
export type Plug = { readonly phases: 1 | 3; readonly maxA: number };

export const drawPlug = (world: World, deviceId: string): Plug =>
  happens(0.7, world.seed, deviceId, 'phases') ? { phases: 1, maxA: 32 } : { phases: 3, maxA: 16 };

/** The visit that begins on a local day, if one does: most evenings, between five and half past seven. */
export function visitOn(world: World, deviceId: string, day: number): Visit | null {
  const draw = (from: number, to: number, what: string) => between(from, to, world.seed, deviceId, what, day);
  if (!happens(0.9, world.seed, deviceId, 'comes', day)) return null;
  const onTick = (at: Instant) => Math.round(at / TICK_MS) * TICK_MS;
  return {
    arrive: onTick(midnight(world, day) + draw(17, 19.5, 'arrive') * HOUR),
    depart: onTick(midnight(world, day + 1) + draw(6.5, 8.5, 'depart') * HOUR),
    needWh: Math.round(draw(9_000, 26_000, 'need')),
  };
}

/** One side of the bay: as it is, or as it would be without any limit. */
type Side = { needJ: number; readonly register: EnergyRegister };
const VOLTS = 230;
/** IEC 61851 cannot offer a car less. */
const LEAST_A = 6;

export type Bay = {
  readonly at: Instant;
  readonly visit: Visit | null;
  readonly powerW: number;
  readonly full: boolean;
  readonly register: EnergyRegister;
  readonly twin: EnergyRegister;
  /** What comes before the tick that begins now: a car arrives or leaves. Call before `tick`. */
  turnover(): 'arrived' | 'left' | null;
  /** One tick at no more than `limitA` per phase. */
  tick(limitA: number): void;
};

export function bay(
  world: World,
  deviceId: string,
  plug: Plug,
  visits: (day: number) => Visit | null = (day) => visitOn(world, deviceId, day),
): Bay {
  const actual: Side = { needJ: 0, register: energyRegister(world.origin) };
  const twin: Side = { needJ: 0, register: energyRegister(world.origin) };
  let at = world.origin;
  let visit: Visit | null = null;
  let powerW = 0;
  let today = { day: Number.NaN, visits: [] as Visit[] };
  const draw = (side: Side, limitA: number): number => {
    const amps = Math.min(limitA, plug.maxA);
    const watts = amps < LEAST_A ? 0 : Math.round(amps * VOLTS * plug.phases);
    const drawn = Math.min(watts, Math.ceil(side.needJ / (TICK_MS / 1000)));
    side.needJ = Math.max(0, side.needJ - drawn * (TICK_MS / 1000));
    side.register.add(at, drawn);
    return drawn;
  };
  return {
    get at() {
      return at;
    },
    get visit() {
      return visit;
    },
    get powerW() {
      return powerW;
    },
    get full() {
      return actual.needJ === 0;
    },
    register: actual.register,
    twin: twin.register,
    turnover: () => {
      if (visit && at >= visit.depart) {
        visit = null;
        actual.needJ = 0;
        twin.needJ = 0;
        return 'left';
      }
      if (visit) return null;
      const day = localDay(world, at);
      if (today.day !== day) today = { day, visits: [day - 1, day].flatMap((d) => visits(d) ?? []) };
      visit = today.visits.find((v) => v.arrive <= at && at < v.depart) ?? null;
      if (!visit) return null;
      // Physics that begins in the middle of a visit begins with the whole need: nothing is known of before.
      actual.needJ = visit.needWh * 3600;
      twin.needJ = actual.needJ;
      return 'arrived';
    },
    tick: (limitA) => {
      powerW = visit ? draw(actual, limitA) : draw(actual, 0);
      draw(twin, visit ? plug.maxA : 0);
      at += TICK_MS;
    },
  };
}
