import { drawHome, home as simulatedHome } from '../../devices/simulated/home.ts';
import { between, random } from '../../devices/simulated/random.ts';
import type { World } from '../../devices/simulated/world.ts';
import { DAY, HOUR, iso, MINUTE } from '../../services/domain/interval.ts';

/** Six connections on one feeder, 45 days of half hours behind them, one hot Thursday evening. */
export const SEED = 7;
export const SLOT_MS = 30 * MINUTE;
export const DAY_OF_EVENT = '2026-05-14';
export const READINGS_FROM_DAY = '2026-03-28';
export const MIDNIGHT = Date.parse(`${DAY_OF_EVENT}T00:00:00+05:30`);
export const ORIGIN = MIDNIGHT - 47 * DAY;
export const at = (hours: number, minutes = 0): number => MIDNIGHT + hours * HOUR + minutes * MINUTE;
export const world: World = { seed: SEED, origin: MIDNIGHT, offsetMinutes: 330 };

export const AGGREGATOR = 'coolhomes';
export const CHARGING = 'voltpoint';
export const CALENDAR = 'delhi-2026';
export const PROGRAMME = 'evening-peak';
export const EVENT = 'thursday-peak';

export type Home = { readonly id: string; readonly kind: 'AC' | 'CHARGER' | 'BEHAVIOURAL'; readonly organisation: string };
export const homes: readonly Home[] = [
  { id: '1', kind: 'AC', organisation: AGGREGATOR },
  { id: '2', kind: 'AC', organisation: AGGREGATOR },
  { id: '3', kind: 'CHARGER', organisation: CHARGING },
  { id: '4', kind: 'BEHAVIOURAL', organisation: '' },
  { id: '5', kind: 'BEHAVIOURAL', organisation: '' },
  { id: '6', kind: 'BEHAVIOURAL', organisation: '' },
];
export const meterIds = homes.map(({ id }) => `m-${id}`);

/** One car, there from the afternoon of every day, so that the window finds it charging. */
export const dailyVisit = (day: number) => ({
  arrive: day * DAY - 330 * MINUTE + 16 * HOUR,
  depart: day * DAY - 330 * MINUTE + 31 * HOUR,
  needWh: 22_000,
});

/** What each meter would have read had nobody asked anything, Wh per half hour from ORIGIN. */
export function loads(slots: number): readonly Int32Array[] {
  return homes.map((home) => {
    const machine = home.kind === 'AC' ? livedAlone(home.id, slots) : null;
    return Int32Array.from({ length: slots }, (_, slot) => {
      const inDay = slot % 48;
      if (home.kind === 'CHARGER') return inDay >= 33 && inDay < 41 ? 1800 : 0;
      return restWh(home.id, slot) + (machine?.[slot] ?? 0);
    });
  });
}

/** A household without its machine. */
export function restWh(id: string, slot: number): number {
  const evening = Math.exp(-(((slot % 48) / 2 - 20) ** 2) / 6);
  return Math.round((100 + 350 * evening) * between(0.6, 1.4, SEED, 'size', id) * (0.8 + 0.4 * random(SEED, id, slot)()));
}

function livedAlone(id: string, slots: number): number[] {
  const longAgo: World = { ...world, origin: ORIGIN };
  const place = simulatedHome(longAgo, `d-${id}`, drawHome(longAgo, `d-${id}`));
  while (place.at < ORIGIN + slots * SLOT_MS) place.tick([]);
  return Array.from({ length: slots }, (_, slot) =>
    place.register.between(ORIGIN + slot * SLOT_MS, ORIGIN + (slot + 1) * SLOT_MS),
  );
}

/** `meter_id,interval_start,import_wh,export_wh` of the first `slots` half hours, a chunk of text a meter. */
export function* csv(wh: readonly Int32Array[], slots: number): Generator<string> {
  yield 'meter_id,interval_start,import_wh,export_wh\n';
  for (const [meter, meterId] of meterIds.entries()) {
    let text = '';
    for (let slot = 0; slot < slots; slot++) text += `${meterId},${iso(ORIGIN + slot * SLOT_MS)},${wh[meter]![slot]},\n`;
    yield text;
  }
}
