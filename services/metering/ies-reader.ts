import { MINUTE } from '../domain/interval.ts';
import { MISSING } from '../domain/tile.ts';
import type { Grids } from './columns.ts';
import type { Findings } from './findings.ts';
import {
  checkedProfiles,
  type IesDescriptor,
  type IesSet,
  instant,
  type Json,
  listOf,
  refused,
  sequenceOf,
} from './ies-check.ts';
import type { ReadRows } from './reader.ts';
import { addRow, noRows } from './rows.ts';

const IMPORT = '1.0.1.29.0.255';
const EXPORT = '1.0.2.29.0.255';
const QUALITY: Readonly<Record<string, number>> = { VALID: 1, ESTIMATED: 2, MANUAL: 3, SUSPECT: 4, REJECTED: 5 };
const WH_MOST = 2 ** 31 - 1;
type Said = { wh: number; quality: number };

/**
 * IES MeterData v0.6 → rows: the active energy blocks of INTERVAL profiles, compact or elaborated, in whole Wh (kWh × multiplier ×
 * 1000, exactly; what is not whole is a finding). Other profiles are checked and say nothing here. The line of a finding is the how-many-th
 * interval of the payload it is. Throws Refusal naming the field of what breaks the format's rules.
 */
export function readProfiles(payload: unknown, findings: Findings): ReadRows & { grids: Grids } {
  const rows = noRows();
  const grids: Grids = new Map();
  let lines = 0;
  let empty = 0;
  for (const { profile, path, set } of checkedProfiles(payload)) {
    if (profile.profileType !== 'INTERVAL' || !set) continue;
    const period = profile.intervalPeriod as { start: string; duration: string };
    const minutes = minutesOf(period.duration, `${path}.intervalPeriod.duration`);
    const start = instant(period.start, `${path}.intervalPeriod.start`);
    const meterId = meterOf(profile);
    const grid = grids.get(meterId) ?? { minutes, meter: rows.meterIds.push(meterId) - 1 };
    if (grid.minutes !== minutes)
      throw refused(`${path}.intervalPeriod.duration`, `meter ${meterId} comes in ${grid.minutes} minutes too`);
    grids.set(meterId, grid);
    for (const [i, interval] of (profile.intervals === undefined ? [] : listOf(profile, 'intervals', path)).entries()) {
      const at = `${path}.intervals[${i}]`;
      const line = ++lines;
      const own = interval.intervalPeriod as { start: string; duration: string } | undefined;
      if (own && minutesOf(own.duration, `${at}.intervalPeriod.duration`) !== minutes)
        throw refused(`${at}.intervalPeriod.duration`, `differs from the profile's ${minutes} minutes`);
      const from = own ? instant(own.start, `${at}.intervalPeriod.start`) : start + (interval.id as number) * minutes * MINUTE;
      const said = interval.payloads === undefined ? elaborated(interval, set) : compact(interval, profile, path, set);
      const imported = whole(said, IMPORT, line, findings);
      const exported = whole(said, EXPORT, line, findings);
      if (imported === null || exported === null) continue;
      const quality = Math.max(imported?.quality ?? 0, exported?.quality ?? 0);
      if (quality === 0) empty++;
      else addRow(rows, grid.meter, from, imported?.wh ?? MISSING, exported?.wh ?? MISSING, quality, Number.NaN, line);
    }
  }
  return { rows, lines, empty, grids };
}

type Values = ReadonlyMap<string, { value: number; status: string; descriptor: IesDescriptor }>;

function compact(interval: Json, profile: Json, path: string, set: IesSet): Values {
  const sequence = sequenceOf(profile, path, set);
  const cells = interval.payloads as readonly unknown[];
  const overrides = (interval.overrides ?? []) as readonly { descriptorIndex: number; validationStatus?: string }[];
  const found = new Map<string, { value: number; status: string; descriptor: IesDescriptor }>();
  for (const [j, { code, attribute }] of sequence.entries()) {
    if (attribute !== 'value') continue;
    const column = sequence.findIndex((item) => item.code === code && item.attribute === 'validationStatus');
    const told = column < 0 ? 'VALID' : (cells[column] as string);
    const status = overrides.findLast((one) => one.descriptorIndex === j && one.validationStatus)?.validationStatus ?? told;
    found.set(code.obis, { value: cells[j] as number, status, descriptor: set.descriptors.get(code.obis)! });
  }
  return found;
}

function elaborated(interval: Json, set: IesSet): Values {
  const found = new Map<string, { value: number; status: string; descriptor: IesDescriptor }>();
  for (const reading of (interval.readings ?? []) as readonly {
    readingType: string;
    value: number;
    validationStatus?: string;
  }[]) {
    for (const descriptor of set.descriptors.values()) {
      const { obis, shortLabel } = descriptor.code;
      if (reading.readingType !== obis && reading.readingType !== shortLabel) continue;
      found.set(obis, { value: reading.value, status: reading.validationStatus ?? 'VALID', descriptor });
    }
  }
  return found;
}

/** undefined = not said; null = refused, and a finding says why. */
function whole(values: Values, obis: string, line: number, findings: Findings): Said | null | undefined {
  const said = values.get(obis);
  if (!said) return undefined;
  const column = obis === IMPORT ? 'import_wh' : 'export_wh';
  const wh = timesThousand(said.value, said.descriptor.multiplier);
  const refuse = (code: 'not_a_number' | 'negative' | 'out_of_range', must: string): null => {
    findings.add(line, column, code, () => `${column} must be ${must}, not ${said.value} kWh × ${said.descriptor.multiplier}`);
    return null;
  };
  if (said.value < 0) return refuse('negative', 'zero or more: import and export are separate registers');
  if (wh === null) return refuse('not_a_number', 'whole Wh');
  if (wh > WH_MOST) return refuse('out_of_range', `at most ${WH_MOST} Wh`);
  return { wh, quality: QUALITY[said.status]! };
}

/** value × multiplier × 1000 of the decimals as they were written; null where that is not whole. Doubles would make 1.005 × 1000 a fraction. */
export function timesThousand(value: number, multiplier: number): number | null {
  const [a, b] = [decimal(value), decimal(multiplier)];
  const product = a.digits * b.digits;
  const places = a.places + b.places - 3;
  if (places <= 0) return Number(product * 10n ** BigInt(-places));
  const unit = 10n ** BigInt(places);
  return product % unit === 0n ? Number(product / unit) : null;
}

/** A double's shortest decimal: digits × 10^−places. */
function decimal(value: number): { digits: bigint; places: number } {
  const [, whole = '', fraction = '', exponent = '0'] = /^(-?\d+)(?:\.(\d+))?(?:e([+-]?\d+))?$/.exec(String(value))!;
  return { digits: BigInt(whole + fraction), places: fraction.length - Number(exponent) };
}

/** A meter's serial number where the payload tells it, else its first name: whichever the registry knows it by. */
function meterOf(profile: Json): string {
  const refs = profile.meterRefs as readonly { scheme: string; value: string }[];
  return (refs.find(({ scheme }) => scheme === 'METER_SERIAL') ?? refs[0]!).value;
}

function minutesOf(duration: string, path: string): number {
  const [, hours = '0', minutes = '0'] = /^PT(?:(\d+)H)?(?:(\d+)M)?$/.exec(duration) ?? [];
  const sum = Number(hours) * 60 + Number(minutes);
  if (!(sum >= 1 && sum <= 1440)) throw refused(path, 'must be minutes or hours, like PT30M');
  return sum;
}
