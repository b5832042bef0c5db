import { createReadStream } from 'node:fs';
import { createInterface } from 'node:readline';
import { createGunzip } from 'node:zlib';
import { DAY, type Instant, MINUTE } from '../domain/interval.ts';
import { invalid } from '../domain/outcome.ts';
import { type Loads, MISSING, SLOT_MS } from './loads.ts';

const LOOK_BACK_DAYS = 50;
const EVENING = { fromHour: 18, toHour: 20 };
const COMPLETE_SHARE = 0.95;

/** Somebody's own readings as the demo's homes: the day is chosen from them, nothing else is. */
export type OwnReadings = {
  readonly loads: Loads;
  readonly meterIds: readonly string[];
  readonly eventDay: string;
  readonly zone: string;
  readonly why: string;
};

/**
 * Reads `meter_id,interval_start,import_wh,…` (plain or gzip) on a 30-minute grid and chooses a working day of high evening load
 * among those with enough history behind them and nearly all homes complete. The zone is the offset the file is written in.
 */
export async function ownReadings(file: string, homes: number): Promise<OwnReadings> {
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
  if (meters.size < homes) throw invalid('usage', `${file} has ${meters.size} meters: ask for fewer --homes than ${homes}`);
  const meterIds = [...meters.keys()].sort().slice(0, homes);
  const offset = offsetMs(zone);
  const eventDay = busyEvening(
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
    why: `its load from ${EVENING.fromHour} to ${EVENING.toHour} h is at the upper quartile of the working days with ${LOOK_BACK_DAYS} days before them`,
  };
}

/** A day a control room would call on: its evening load at the upper quartile of the working days that qualify. */
function busyEvening(meters: readonly Map<Instant, number>[], offset: number): string {
  const starts = meters.flatMap((of) => [...of.keys()].slice(0, 1));
  const first = Math.min(...starts) + LOOK_BACK_DAYS * DAY;
  const last = Math.max(...meters.map((of) => Math.max(...[...of.keys()].slice(-1)))) - 2 * DAY;
  const evenings: { day: string; wh: number }[] = [];
  for (let at = Math.ceil((first + offset) / DAY) * DAY; at < last + offset; at += DAY) {
    const weekday = new Date(at).getUTCDay();
    if (weekday === 0 || weekday === 6) continue;
    const loads = meters.map((of) => eveningWh(of, at - offset)).filter((wh) => wh !== null);
    if (loads.length < COMPLETE_SHARE * meters.length) continue;
    evenings.push({ day: new Date(at).toISOString().slice(0, 10), wh: loads.reduce((a, b) => a + b, 0) });
  }
  evenings.sort((a, b) => b.wh - a.wh || (a.day < b.day ? -1 : 1));
  const chosen = evenings[Math.floor(evenings.length / 4)];
  if (chosen) return chosen.day;
  throw invalid(
    'usage',
    `no working day has ${LOOK_BACK_DAYS} days of readings before it and 95 % of the homes complete in the evening`,
  );
}

/** Null when a half hour is missing. */
function eveningWh(of: ReadonlyMap<Instant, number>, midnight: Instant): number | null {
  let wh = 0;
  for (let m = EVENING.fromHour * 60; m < EVENING.toHour * 60; m += 30) {
    const value = of.get(midnight + m * MINUTE);
    if (value === undefined) return null;
    wh += value;
  }
  return wh;
}

function offsetMs(zone: string): number {
  const [, sign, hours, minutes] = /^([+-])(\d\d):(\d\d)$/.exec(zone)!;
  return (sign === '-' ? -1 : 1) * (Number(hours) * 60 + Number(minutes)) * MINUTE;
}
