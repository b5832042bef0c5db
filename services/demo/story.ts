import { bay, drawPlug, type Visit, visitOn } from '../../devices/simulated/car.ts';
import type { EnergyRegister } from '../../devices/simulated/energy.ts';
import { drawHome, type HomeHabits, home as simulatedHome } from '../../devices/simulated/home.ts';
import type { World } from '../../devices/simulated/world.ts';
import { contains, DAY, MINUTE } from '../domain/interval.ts';
import type { Host } from '../host/host.ts';
import { zoneDays } from '../host/zone.ts';
import { account } from './account.ts';
import { enrol, publish, register, type Setting } from './cast.ts';
import { openDesk } from './desk.ts';
import { type Evening, provision, runEvening } from './evening.ts';
import { BLACKED_OUT, deviceOf, homes as drawHomes, type Home, meterOf } from './homes.ts';
import { leaveKeepsake } from './keepsake.ts';
import { householdWh, type Loads, MISSING, SLOT_MS } from './loads.ts';
import type { OwnReadings } from './london.ts';
import { deliverDay, deliverHistory } from './meters.ts';
import { type Times, timesOf } from './times.ts';

export const LOOK_BACK_DAYS = 50;
const GENERATED_DAY = '2026-05-14';
/** A little less than everybody together can leave off: somebody is not needed. */
const TARGET_W_PER_HOME = 1200;

export type Scene = {
  readonly seed: number;
  readonly homes: readonly Home[];
  readonly zone: string;
  readonly eventDay: string;
  readonly times: Times;
  readonly loads: Loads;
  readonly own: OwnReadings | null;
  /** National holidays of the season; Londoners' in 2013. */
  readonly holidays: readonly string[];
};

/** Where and when the demo plays: homes drawn from the seed, or somebody's own readings. */
export function setScene(seed: number, count: number, own: OwnReadings | null): Scene {
  const homes = drawHomes(seed, count);
  const zone = own?.zone ?? 'Asia/Kolkata';
  const eventDay = own?.eventDay ?? GENERATED_DAY;
  const times = timesOf(zoneDays(zone).startOf(eventDay));
  const history = historyWorld(seed, own, times);
  const holidays = own
    ? ['2013-01-01', '2013-03-29', '2013-04-01', '2013-05-06', '2013-05-27']
    : ['2026-01-26', '2026-08-15', '2026-10-02'];
  return { seed, homes, zone, eventDay, times, loads: wouldHave(seed, homes, history, own), own, holidays };
}

export type Telling = {
  readonly out: string;
  /** Wall time a step of the event takes at least, so that a person can watch. */
  readonly paceMs: number;
  readonly say: (line: string) => void;
};

/** Tells the whole story on a running house and returns its account. */
export async function tell(host: Host, scene: Scene, { out, paceMs, say }: Telling): Promise<string> {
  const desk = openDesk(host);
  const { homes, times, loads, seed, own } = scene;
  const sizes = new Map(homes.map((home, i) => [home.id, sizeOf(loads, i, times)]));
  const habitsOf = (home: Home): HomeHabits | undefined => (own ? fitted(seed, scene, home, sizes.get(home.id)!) : undefined);
  const world: World = { seed, origin: times.midnight, offsetMinutes: offsetMinutes(scene) };
  const ratedW = (home: Home) =>
    home.kind === 'AC'
      ? (habitsOf(home) ?? drawHome(world, deviceOf(home))).ac.ratedW
      : home.kind === 'CHARGER'
        ? 7400
        : sizes.get(home.id)!;
  const setting: Setting = {
    homes,
    since: loads.origin - DAY,
    readingsFromDay: zoneDays(scene.zone).plus(scene.eventDay, -LOOK_BACK_DAYS),
    zone: scene.zone,
    ratedW,
  };

  await publish(desk, scene);
  await register(desk, setting);
  const secrets = await provision(desk, homes);
  say(`programme published; ${homes.length} connections on two feeders registered, ${secrets.size} devices provisioned`);
  const consents = await enrol(desk, setting);
  say(`${consents} consents recorded and ${homes.length} resources enrolled`);
  await desk.advanceTo(times.morning + 30 * MINUTE);
  const meterIds = homes.map(meterOf);
  const history = await deliverHistory(desk, loads, meterIds, times.midnight);
  say(`${history.stored.toLocaleString('en-IN')} half-hourly readings of ${LOOK_BACK_DAYS} days validated and stored`);

  const evening = await runEvening(desk, {
    seed,
    homes,
    times,
    world,
    targetW: TARGET_W_PER_HOME * homes.filter(({ kind }) => kind !== 'CHARGER').length,
    secrets,
    habitsOf,
    paceMs,
    say,
  });
  const wh = readings(scene, evening);
  const late = { meter: homes.indexOf(evening.parts.late), from: times.end - 2 * SLOT_MS, to: times.end };
  await deliverDay(desk, {
    name: 'event-day',
    meterIds,
    from: times.midnight,
    to: times.night,
    wh: (meter, at) => (meter === late.meter && at >= late.from && at < late.to ? MISSING : wh(meter, at)),
  });
  await desk.advanceTo(times.settled);
  say('a day later the preliminary run is settled');
  await desk.advanceTo(times.lateReading);
  await deliverDay(desk, {
    name: 'late',
    meterIds: [meterOf(evening.parts.late)],
    from: late.from,
    to: late.to,
    wh: (_, at) => wh(late.meter, at),
  });
  await desk.advanceTo(times.resettled);
  say('two readings came late: the initial run settles them as a new version');

  const statements = await leaveKeepsake(desk, out, host.config.folder);
  const operator = await desk.as('operator');
  const { runs } = await desk.settlement.listRuns({ eventId: evening.eventId }, operator);
  const { sumMicros } = await desk.settlement.getBalances({}, operator);
  // What only a simulation can know: what the window would have drawn, less what it drew.
  const leftOffWh = (home: Home): number => {
    const meter = homes.indexOf(home);
    let sum = 0;
    for (let at = times.start; at < times.end; at += SLOT_MS) {
      if (wh(meter, at) !== MISSING && !isBlackedOut(scene, home, at))
        sum += unaltered(scene, evening, meter, at) - wh(meter, at);
    }
    return sum;
  };
  return account({ parts: evening.parts, leftOffWh, runs: runs.toReversed(), statements, unstatedBalance: sumMicros });
}

/** What each meter read in the half hour from `at`, Wh: what it would have, less what device or household left off. */
function readings(scene: Scene, evening: Evening): (meter: number, at: number) => number {
  const { homes, times } = scene;
  const { devices, parts } = evening;
  const chosen = new Set(parts.chosen);
  return (meter, at) => {
    const home = homes[meter]!;
    const would = unaltered(scene, evening, meter, at);
    if (would === MISSING) return MISSING;
    // A meter without supply counts nothing; the supply status says why.
    if (isBlackedOut(scene, home, at)) return 0;
    const device = devices.get(home.id);
    if (device) return Math.max(0, would - device.savedWh(at, at + SLOT_MS));
    const inWindow = at >= times.start && at < times.end;
    return inWindow && chosen.has(home) ? Math.round(would * (1 - parts.forgoneShare(home))) : would;
  };
}

/** What the meter would have read had nobody been called on. */
function unaltered({ homes, loads, own, times, seed }: Scene, { devices }: Evening, meter: number, at: number): number {
  const home = homes[meter]!;
  const device = devices.get(home.id);
  if (!device || (own && home.kind === 'AC')) return loads.wh[meter]![(at - loads.origin) / SLOT_MS]!;
  const rest = home.kind === 'AC' ? householdWh(seed, home.id, LOOK_BACK_DAYS, (at - times.midnight) / SLOT_MS) : 0;
  return rest + device.unmanagedWh(at, at + SLOT_MS);
}

const isBlackedOut = ({ times }: Scene, home: Home, at: number): boolean =>
  home.areaId === BLACKED_OUT && contains(times.outage, at);

function historyWorld(seed: number, own: OwnReadings | null, times: Times): World {
  const origin = own?.loads.origin ?? times.midnight - LOOK_BACK_DAYS * DAY;
  return { seed, origin, offsetMinutes: own ? 0 : 330 };
}

const offsetMinutes = (scene: Scene): number => (scene.own ? 0 : 330);

/** Rows in the order of the homes: own readings for homes, generated ones where there are none. */
function wouldHave(seed: number, homes: readonly Home[], world: World, own: OwnReadings | null): Loads {
  const slots = ((LOOK_BACK_DAYS + 2) * DAY) / SLOT_MS;
  const perDay = DAY / SLOT_MS;
  let next = 0;
  const wh = homes.map((home) => {
    if (own && home.kind !== 'CHARGER') return own.loads.wh[next++]!;
    const alone = lifeWithoutUs(home, world, world.origin + slots * SLOT_MS);
    return Int32Array.from({ length: slots }, (_, slot) => {
      const rest = home.kind === 'CHARGER' ? 0 : householdWh(seed, home.id, Math.floor(slot / perDay), slot % perDay);
      const from = world.origin + slot * SLOT_MS;
      return rest + (alone?.between(from, from + SLOT_MS) ?? 0);
    });
  });
  return { origin: world.origin, slots, wh };
}

/** What an air conditioner or charger draws when nobody ever calls on it: the same physics as the connected device's. */
function lifeWithoutUs(home: Home, world: World, until: number): EnergyRegister | null {
  if (home.kind === 'BEHAVIOURAL') return null;
  if (home.kind === 'CHARGER') {
    const plug = drawPlug(world, deviceOf(home));
    const visits = new Map<number, Visit | null>();
    const visit = (day: number): Visit | null => {
      if (!visits.has(day)) visits.set(day, visitOn(world, deviceOf(home), day));
      return visits.get(day)!;
    };
    const place = bay(world, deviceOf(home), plug, visit);
    while (place.at < until) {
      place.turnover();
      place.tick(plug.maxA);
    }
    return place.register;
  }
  const place = simulatedHome(world, deviceOf(home), drawHome(world, deviceOf(home)));
  while (place.at < until) place.tick([]);
  return place.register;
}

/** Mean evening power of a home over the last days, W. */
function sizeOf(loads: Loads, home: number, times: Times): number {
  const values: number[] = [];
  for (let back = 1; back <= 14; back++) {
    for (let at = times.start; at < times.end; at += SLOT_MS) {
      const wh = loads.wh[home]![(at - back * DAY - loads.origin) / SLOT_MS];
      if (wh !== undefined && wh !== MISSING) values.push(wh);
    }
  }
  return Math.max(50, Math.round((2 * values.reduce((a, b) => a + b, 0)) / Math.max(1, values.length)));
}

/** A small machine for a home whose readings are given: it can leave off no more than the home draws. */
function fitted(seed: number, scene: Scene, home: Home, sizeW: number): HomeHabits {
  const drawn = drawHome({ seed, origin: scene.times.midnight, offsetMinutes: offsetMinutes(scene) }, deviceOf(home));
  const scale = (0.6 * sizeW) / drawn.ac.ratedW;
  const { room, ac } = drawn;
  return {
    ...drawn,
    room: { massWhPerK: room.massWhPerK * scale, lossWPerK: room.lossWPerK * scale, gainsW: room.gainsW * scale },
    ac: { ...ac, ratedW: Math.round(ac.ratedW * scale) },
  };
}
