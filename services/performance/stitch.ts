import { type Dated, holdsThrough, type Instant, type Interval, MINUTE, overlaps } from '../domain/interval.ts';
import { type DayColumns, MISSING } from '../domain/tile.ts';
import type { ZoneDays } from '../domain/zone.ts';
import type { Quantity } from './spec.ts';

/** A meter while it serves a connection; where its column lies. */
export type MeterService = Dated & {
  readonly meterId: string;
  readonly shard: number;
  readonly ordinal: number;
  readonly intervalMinutes: number;
  readonly hasExport: boolean;
  readonly zone: ZoneDays;
};

/** What was known of one shard on one civil day of its meters at the cut-off. */
export type Sheet = { readonly dayStart: Instant; readonly intervalMinutes: number; readonly columns: DayColumns };
/** By where the day starts, since one shard may hold meters of several zones and grids. Null: nothing at all was known. */
export type Sheets = (shard: number, dayStart: Instant, intervalMinutes: number) => Sheet | null;

/** The meters a settlement point rests on: the register itself, and enrolled sub-meters taken off it. */
export type Registers = { readonly own: readonly MeterService[]; readonly taken: readonly MeterService[] };

/** Wh of one settlement interval (MISSING = not usable) and the worst quality met in it (0 = no reading). */
export type Reading = { wh: number; quality: number };

/** From this quality on a value is neither settled nor compared with. */
export const SUSPECT = 4;

/**
 * One settlement interval of a settlement point: own register − sub-meters, each from the meter that served through the whole interval;
 * meter intervals are added up, and one that is missing or suspect makes the sum missing. Source: design §6 (a gap is never a zero).
 */
export function readInterval(registers: Registers, span: Interval, quantity: Quantity, sheets: Sheets): Reading {
  const service = registers.own.find((meter) => holdsThrough(meter, span));
  const reading = service ? readMeter(service, span, quantity, sheets) : { wh: MISSING, quality: 0 };
  for (const meter of registers.taken) {
    if (!overlaps({ start: meter.from, end: meter.to ?? Number.POSITIVE_INFINITY }, span)) continue;
    const part = holdsThrough(meter, span) ? readMeter(meter, span, quantity, sheets) : { wh: MISSING, quality: 0 };
    reading.wh = reading.wh === MISSING || part.wh === MISSING ? MISSING : reading.wh - part.wh;
    reading.quality = Math.max(reading.quality, part.quality);
  }
  return reading;
}

function readMeter(meter: MeterService, span: Interval, quantity: Quantity, sheets: Sheets): Reading {
  const sheet = sheets(meter.shard, meter.zone.startOf(meter.zone.dayOf(span.start)), meter.intervalMinutes);
  if (!sheet || meter.ordinal >= sheet.columns.meters) return { wh: MISSING, quality: 0 };
  const { columns, dayStart } = sheet;
  const step = sheet.intervalMinutes * MINUTE;
  const first = (span.start - dayStart) / step;
  const end = (span.end - dayStart) / step;
  // A settlement interval finer than the meter's, or across its grid, cannot be read off it.
  if (!Number.isInteger(first) || !Number.isInteger(end) || end > columns.slots) return { wh: MISSING, quality: 0 };
  const reading: Reading = { wh: 0, quality: 0 };
  for (let slot = first; slot < end; slot++) {
    const at = slot * columns.meters + meter.ordinal;
    const quality = columns.quality[at]!;
    const wh = quality >= SUSPECT ? MISSING : quantityOf(columns.importWh[at]!, columns.exportWh[at]!, quantity, meter.hasExport);
    reading.quality = Math.max(reading.quality, quality);
    reading.wh = reading.wh === MISSING || wh === MISSING ? MISSING : reading.wh + wh;
  }
  return reading;
}

/** net = import − export and missing when either is; a meter without an export register: net = import, which the result flags. */
export function quantityOf(importWh: number, exportWh: number, quantity: Quantity, hasExport: boolean): number {
  if (quantity === 'import' || (quantity === 'net' && !hasExport)) return importWh;
  if (quantity === 'export') return hasExport ? exportWh : MISSING;
  return importWh === MISSING || exportWh === MISSING ? MISSING : importWh - exportWh;
}
