import { MISSING } from './tile.ts';
import type { CivilDay } from './zone.ts';

type DayNames = {
  readonly meterId: string;
  readonly day: CivilDay;
  readonly zone: string;
  readonly intervalMinutes: number;
};

/** The atom of evidence: one meter, one civil day. A missing slot is null (or MISSING), never 0. */
export type MeterDayReadings = DayNames & {
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
  const { above, below } = meterDayHead(readings, slots);
  const head = above + nameLine(readings.meterId) + below;
  // Two numbers of up to 16 digits and a sign, two commas, a quality and a line end; a character of a name is up to three bytes.
  const most = 3 * head.length + slots * 40;
  if (scratch.length < most) scratch = new Uint8Array(2 * most);
  const bytes = scratch;
  const at = encoder.encodeInto(head, bytes).written;
  if (importWh instanceof Int32Array && (exportWh === null || exportWh instanceof Int32Array) && quality instanceof Uint8Array)
    return bytes.subarray(0, writeColumns(bytes, at, importWh, exportWh, quality));
  return bytes.subarray(0, writeSlots(bytes, at, readings));
}

/** The lines above the slots: one before the line of the meter's id, four behind it. Throws RangeError on a control character. */
export function meterDayHead({ day, zone, intervalMinutes }: Omit<DayNames, 'meterId'>, slots: number) {
  const below = `${day}\n${zone}\n${intervalMinutes}\n${slots}\n`;
  if (below !== checkedBelow) {
    for (const name of [day, zone, String(intervalMinutes)]) nameLine(name);
    checkedBelow = below;
  }
  return { above: 'lachak meter-day 1\n', below };
}

/** A name as the line it stands in. Throws RangeError on a control character. */
export function nameLine(name: string): string {
  if (CONTROL.test(name)) throw new RangeError('a control character in the names of a meter-day');
  return `${name}\n`;
}

function writeSlots(bytes: Uint8Array, from: number, { importWh, exportWh, quality }: MeterDayReadings): number {
  let at = from;
  for (let slot = 0; slot < importWh.length; slot++) {
    const imported = known(importWh[slot]);
    const exported = exportWh === null ? null : known(exportWh[slot]);
    if (imported !== null) at = writeInteger(bytes, at, imported);
    bytes[at++] = COMMA;
    if (exported !== null) at = writeInteger(bytes, at, exported);
    bytes[at++] = COMMA;
    at = writeInteger(bytes, at, imported === null && exported === null ? 0 : quality[slot]!);
    bytes[at++] = LINE_END;
  }
  return at;
}

/** The same, of columns as tiles have them. */
function writeColumns(
  bytes: Uint8Array,
  from: number,
  importWh: Int32Array,
  exportWh: Int32Array | null,
  quality: Uint8Array,
): number {
  let at = from;
  for (let slot = 0; slot < importWh.length; slot++) {
    const imported = importWh[slot]!;
    const exported = exportWh === null ? MISSING : exportWh[slot]!;
    if (imported !== MISSING) at = imported < 0 ? writeInteger(bytes, at, imported) : writeSmall(bytes, at, imported);
    bytes[at++] = COMMA;
    if (exported !== MISSING) at = exported < 0 ? writeInteger(bytes, at, exported) : writeSmall(bytes, at, exported);
    bytes[at++] = COMMA;
    at = writeSmall(bytes, at, imported === MISSING && exported === MISSING ? 0 : quality[slot]!);
    bytes[at++] = LINE_END;
  }
  return at;
}

const CONTROL = /\p{Cc}/u;
/** Names of the last day that had no control character: meters come by the thousand of one day. */
let checkedBelow = '';
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

/** Integer arithmetic is several times faster, and hardly a reading needs more; of those nearly all have up to four digits. */
function writeSmall(bytes: Uint8Array, at: number, value: number): number {
  if (value < 10) {
    bytes[at] = ZERO + value;
    return at + 1;
  }
  if (value >= 10_000) return writeLarge(bytes, at, value);
  const tens = (value / 10) | 0;
  const hundreds = (value / 100) | 0;
  if (value >= 100) {
    if (value >= 1000) bytes[at++] = ZERO + ((value / 1000) | 0);
    bytes[at++] = ZERO + (hundreds % 10);
  }
  bytes[at] = ZERO + tens - hundreds * 10;
  bytes[at + 1] = ZERO + value - tens * 10;
  return at + 2;
}

function writeLarge(bytes: Uint8Array, at: number, value: number): number {
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
