import { createReadStream } from 'node:fs';
import { createInterface } from 'node:readline';
import { createGunzip } from 'node:zlib';
import { DAY, type Instant, MINUTE } from '../domain/interval.ts';
import { invalid } from '../domain/outcome.ts';
import { type Loads, MISSING, SLOT_MS } from './loads.ts';

const LOOK_BACK_DAYS = 50;
const EVENING = { fromHour: 18, toHour: 20 };
const WANTED_HOMES = 100;

/** Somebody's own readings as the demo's homes: the day is chosen from them, nothing else is. */
export type OwnReadings = {
  readonly loads: Loads;
  readonly meterIds: readonly string[];
  readonly eventDay: string;
  readonly zone: string;
  readonly why: string;
};

/**
 * Reads `meter_id,interval_start,import_wh,…` (plain or gzip) on a 30-minute grid and chooses the working day with the highest evening
 * load among those with enough history behind them and nearly all homes complete. The zone is the offset the file is written in.
 */
export async function ownReadings(file: string): Promise<OwnReadings> {
  const meters = new Map<string, Map<Instant, number>>();
  let zone = '';
  const input = createReadStream(file);
  const lines = createInterface({ input: file.endsWith('.gz') ? input.pipe(createGunzip()) : input });
  for await (const line of lines) {
    const [meterId = '', start = '', importWh = ''] = line.split(',');
    if (meterId === 'meter_id' || importWh === '') continue;
    zone ||= /[+-]\d\d:\d\d$/.exec(start)?.[0] ?? '+00:00';
    const of = meters.get(meterId) ?? new Map<Instant, number>();
    of.set(Date.parse(start), Number(importWh));
    meters.set(meterId, of);
  }
  if (meters.size < WANTED_HOMES) throw invalid('usage', `${file} has ${meters.size} meters; the demo needs ${WANTED_HOMES}`);
  const meterIds = [...meters.keys()].sort().slice(0, WANTED_HOMES);
  const offset = offsetMs(zone);
  const eventDay = busiestEvening(
    meterIds.map((id) => meters.get(id)!),
    offset,
  );
  const midnight = Date.parse(`${eventDay}T00:00:00Z`) - offset;
  const origin = midnight - LOOK_BACK_DAYS * DAY;
  const slots = ((LOOK_BACK_DAYS + 2) * DAY) / SLOT_MS;
  const wh = meterIds.map((id) => {
    const of = meters.get(id)!;
    return Int32Array.from({ length: slots }, (_, slot) => of.get(origin + slot * SLOT_MS) ?? MISSING);
  });
  return {
    loads: { origin, slots, wh },
    meterIds,
    eventDay,
    zone,
    why: `the working day with the highest load from ${EVENING.fromHour} to ${EVENING.toHour} h among those with ${LOOK_BACK_DAYS} days before them`,
  };
}

function busiestEvening(meters: readonly Map<Instant, number>[], offset: number): string {
  const starts = meters.flatMap((of) => [...of.keys()].slice(0, 1));
  const first = Math.min(...starts) + LOOK_BACK_DAYS * DAY;
  const last = Math.max(...meters.map((of) => Math.max(...[...of.keys()].slice(-1)))) - 2 * DAY;
  let best = { day: '', wh: -1 };
  for (let at = Math.ceil((first + offset) / DAY) * DAY; at < last + offset; at += DAY) {
    const weekday = new Date(at).getUTCDay();
    if (weekday === 0 || weekday === 6) continue;
    let wh = 0;
    let complete = 0;
    for (const of of meters) {
      let whole = true;
      for (let m = EVENING.fromHour * 60; m < EVENING.toHour * 60; m += 30) {
        const value = of.get(at - offset + m * MINUTE);
        if (value === undefined) whole = false;
        else wh += value;
      }
      if (whole) complete++;
    }
    if (complete >= 0.95 * meters.length && wh > best.wh) best = { day: new Date(at).toISOString().slice(0, 10), wh };
  }
  if (!best.day)
    throw invalid(
      'usage',
      `no working day has ${LOOK_BACK_DAYS} days of readings before it and 95 % of the homes complete in the evening`,
    );
  return best.day;
}

function offsetMs(zone: string): number {
  const [, sign, hours, minutes] = /^([+-])(\d\d):(\d\d)$/.exec(zone)!;
  return (sign === '-' ? -1 : 1) * (Number(hours) * 60 + Number(minutes)) * MINUTE;
}
