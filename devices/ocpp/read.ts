import type { Instant } from '../../services/domain/interval.ts';
import type { PowerSource, Sample } from '../proof.ts';
import type { Payload } from './frame.ts';

/** Lenient readers of what stations send. Absent or unreadable is null, never zero. */

/** Without a zone it is UTC; `+0530`, a space for the T and microseconds are understood too. */
export function readInstant(value: unknown): Instant | null {
  if (typeof value !== 'string') return null;
  const parts = /^(\d{4}-\d\d-\d\d)[T ](\d\d:\d\d:\d\d)([.,]\d+)?\s*(Z|[+-]\d\d:?\d\d)?$/i.exec(value.trim());
  if (!parts) return null;
  const [, day, time, fraction = '', zone = 'Z'] = parts;
  const offset = zone.length === 5 ? `${zone.slice(0, 3)}:${zone.slice(3)}` : zone.toUpperCase();
  const at = Date.parse(`${day}T${time}${fraction.replace(',', '.').slice(0, 4)}${offset}`);
  return Number.isFinite(at) ? at : null;
}

/** A number, or a text that is one: 1.6 sends values as text, some stations do not. */
export function readNumber(value: unknown): number | null {
  const number =
    typeof value === 'number' ? value : typeof value === 'string' && value.trim() !== '' ? Number(value) : Number.NaN;
  return Number.isFinite(number) ? number : null;
}

export const readText = (value: unknown, most: number): string => (typeof value === 'string' ? value.slice(0, most) : '');

type Value = { readonly measurand: string; readonly phase: string; readonly unit: string; readonly value: number };
export type Measured = {
  readonly at: Instant;
  readonly powerW: number | null;
  readonly registerWh: number | null;
  readonly source: PowerSource | null;
  /** What the charger offers the car, W: its own word that it applies a limit. */
  readonly offeredW: number | null;
  /** How many phases carry current; null = not told. */
  readonly phases: number | null;
};

const REGISTER = 'Energy.Active.Import.Register';
const POWER = 'Power.Active.Import';
const DEFAULT_VOLTS = 230;

/** All meter values of one MeterValues or StopTransaction, in order of time; `before` is the last sample of the station. */
export function readMeterValues(meterValue: unknown, before: Sample | null): Measured[] {
  if (!Array.isArray(meterValue)) return [];
  const read: Measured[] = [];
  for (const entry of meterValue as Payload[]) {
    const at = readInstant(entry?.timestamp);
    if (at === null || !Array.isArray(entry?.sampledValue)) continue;
    const values = (entry.sampledValue as Payload[]).flatMap(readSampled);
    const last = read.at(-1) ?? before;
    read.push(derive(at, values, last));
  }
  return read.sort((a, b) => a.at - b.at);
}

function readSampled(sampled: Payload): Value[] {
  const value = readNumber(sampled?.value);
  if (value === null || sampled.format === 'SignedData') return [];
  const measurand = readText(sampled.measurand, 50) || REGISTER;
  const unit = readText(sampled.unit, 20) || (measurand.startsWith('Energy') ? 'Wh' : measurand.startsWith('Power') ? 'W' : '');
  const scale = unit === 'kWh' || unit === 'kW' ? 1000 : 1;
  return [{ measurand, phase: readText(sampled.phase, 10), unit, value: value * scale }];
}

/** The order is by trust: total power, sum of the phases, change of the register, current × voltage, and only then what is offered. */
function derive(at: Instant, values: readonly Value[], last: { at: Instant; registerWh: number | null } | null): Measured {
  const registerWh = total(values, REGISTER) ?? phaseSum(values, REGISTER);
  const offeredW = total(values, 'Power.Offered') ?? ampsToWatts(values, 'Current.Offered');
  const phases =
    values.filter((v) => v.measurand === 'Current.Import' && /^L[123](-N)?$/.test(v.phase) && v.value > 0.5).length || null;
  const candidates: readonly [PowerSource, number | null][] = [
    ['meter', total(values, POWER)],
    ['phases', phaseSum(values, POWER)],
    [
      'register_delta',
      registerWh !== null && last && last.registerWh !== null && at > last.at && registerWh >= last.registerWh
        ? ((registerWh - last.registerWh) * 3_600_000) / (at - last.at)
        : null,
    ],
    ['current_voltage', ampsToWatts(values, 'Current.Import')],
    ['offered', offeredW],
  ];
  const [source, powerW] = candidates.find(([, watts]) => watts !== null) ?? [null, null];
  return { at, powerW, registerWh, source, offeredW, phases };
}

const total = (values: readonly Value[], measurand: string): number | null =>
  values.find((v) => v.measurand === measurand && v.phase === '')?.value ?? null;

function phaseSum(values: readonly Value[], measurand: string): number | null {
  const parts = values.filter((v) => v.measurand === measurand && /^L[123](-N)?$/.test(v.phase));
  return parts.length > 0 ? parts.reduce((sum, v) => sum + v.value, 0) : null;
}

// A current without a phase is one phase's, times as many as carry current.
function ampsToWatts(values: readonly Value[], measurand: string): number | null {
  const volts = values.find((v) => v.measurand === 'Voltage')?.value ?? DEFAULT_VOLTS;
  const amps = phaseSum(values, measurand);
  if (amps !== null) return amps * volts;
  const one = total(values, measurand);
  if (one === null) return null;
  const phases = values.filter((v) => v.measurand === 'Current.Import' && v.phase !== '' && v.value > 0.5).length || 1;
  return one * volts * phases;
}
