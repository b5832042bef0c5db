import { MISSING } from './tile.ts';
import type { CivilDay } from './zone.ts';

/** The atom of evidence: one meter, one civil day. A missing slot is null (or MISSING), never 0. */
export type MeterDayReadings = {
  readonly meterId: string;
  readonly day: CivilDay;
  readonly zone: string;
  readonly intervalMinutes: number;
  /** Wh per slot from local midnight. */
  readonly importWh: ArrayLike<number | null>;
  /** Null where the meter delivered no export register; a day without any export value is the same. */
  readonly exportWh: ArrayLike<number | null> | null;
  /** Quality per slot (1 VALID … 5 REJECTED); read only where a register has a value. */
  readonly quality: ArrayLike<number>;
};

/**
 * The canonical bytes whose SHA-256 (hex, by the caller) is the meter-day's digest. ASCII but for the ids, which are UTF-8:
 *
 *     lachak meter-day 1\n
 *     <meter id>\n<day>\n<zone>\n<interval minutes>\n<slots>\n
 *     then per slot:  <import Wh>,<export Wh>,<quality>\n
 *
 * Missing values are empty; a slot with neither register is `,,0`. Source, file, arrival order and known_at are not in it, so the
 * same readings have one digest however they came. Throws RangeError on unequal lengths, fractions or a control character.
 */
export function meterDayBytes(readings: MeterDayReadings): Uint8Array {
  return writeMeterDay(readings).slice();
}

/** As `meterDayBytes`, in memory that the next call writes over: for who hashes one after the other. */
export function writeMeterDay(readings: MeterDayReadings): Uint8Array {
  const { importWh, exportWh, quality } = readings;
  const slots = importWh.length;
  if (quality.length !== slots || (exportWh !== null && exportWh.length !== slots))
    throw new RangeError(
      `meter-day of ${slots} import slots with ${exportWh?.length ?? 0} export and ${quality.length} qualities`,
    );
  const names = [readings.meterId, readings.day, readings.zone, String(readings.intervalMinutes), String(slots)];
  if (names.some((name) => /\p{Cc}/u.test(name))) throw new RangeError('a control character in the names of a meter-day');
  const head = encoder.encode(`lachak meter-day 1\n${names.join('\n')}\n`);
  // Two numbers of up to 16 digits and a sign, two commas, a quality and a line end.
  if (scratch.length < head.length + slots * 40) scratch = new Uint8Array(2 * (head.length + slots * 40));
  const bytes = scratch;
  bytes.set(head);
  let at = head.length;
  for (let slot = 0; slot < slots; slot++) {
    const imported = known(importWh[slot]);
    const exported = exportWh === null ? null : known(exportWh[slot]);
    if (imported !== null) at = writeInteger(bytes, at, imported);
    bytes[at++] = COMMA;
    if (exported !== null) at = writeInteger(bytes, at, exported);
    bytes[at++] = COMMA;
    at = writeInteger(bytes, at, imported === null && exported === null ? 0 : quality[slot]!);
    bytes[at++] = LINE_END;
  }
  return bytes.subarray(0, at);
}

const encoder = new TextEncoder();
let scratch = new Uint8Array(0);
const COMMA = 44;
const LINE_END = 10;
const ZERO = 48;
const MINUS = 45;

const known = (wh: number | null | undefined): number | null => (wh === null || wh === undefined || wh === MISSING ? null : wh);

function writeInteger(bytes: Uint8Array, at: number, value: number): number {
  if (!Number.isSafeInteger(value)) throw new RangeError(`${value} is not a whole number`);
  let rest = Math.abs(value);
  if (value < 0) bytes[at++] = MINUS;
  if (rest <= 0x7fff_ffff) return writeSmall(bytes, at, rest | 0);
  let digits = 1;
  for (let ten = 10; rest >= ten; ten *= 10) digits++;
  for (let place = at + digits - 1; place >= at; place--) {
    bytes[place] = ZERO + (rest % 10);
    rest = Math.floor(rest / 10);
  }
  return at + digits;
}

/** Integer arithmetic is several times faster, and hardly a reading needs more. */
function writeSmall(bytes: Uint8Array, at: number, value: number): number {
  let digits = 1;
  for (let ten = 10; value >= ten; ten *= 10) digits++;
  let rest = value;
  for (let place = at + digits - 1; place >= at; place--) {
    const tenth = (rest / 10) | 0;
    bytes[place] = ZERO + rest - tenth * 10;
    rest = tenth;
  }
  return at + digits;
}
