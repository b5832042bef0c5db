import { invalid } from '../domain/outcome.ts';
import { IES_CODES, type IesCode } from './ies-codes.ts';
import { instantParser } from './instant.ts';

export type Json = Readonly<Record<string, unknown>>;
/** A column of a compact row, or a register of an elaborated one: what its numbers mean. */
export type IesDescriptor = { readonly code: IesCode; readonly mode: string; readonly multiplier: number };
export type IesSet = {
  /** In the order told; by OBIS code. */
  readonly descriptors: ReadonlyMap<string, IesDescriptor>;
  readonly sequences: ReadonlyMap<string, readonly { readonly code: IesCode; readonly attribute: string }[]>;
};

/** What must be there, by profile (IES MeterData v0.6, schema). */
const REQUIRED: Readonly<Record<string, readonly string[]>> = {
  DESCRIPTOR: ['id', 'payloadDescriptorSets'],
  CUSTOMER: ['customer', 'serviceDeliveryPoints', 'meters', 'associations'],
  INTERVAL: ['meterRefs', 'intervalPeriod'],
  DAILY: ['meterRefs', 'intervalPeriod'],
  MONTHLY: ['meterRefs', 'timePeriod', 'readings'],
  BILL_DETAILS: ['meterRefs', 'timePeriod', 'amountDue'],
  INSTANTANEOUS: ['meterRefs', 'timestamp', 'readings'],
  EVENT: ['meterRefs', 'timePeriod', 'events'],
  ALARM: ['meterRefs', 'timestamp', 'alarms'],
};
const LISTS = ['payloadDescriptorSets', 'meters', 'associations', 'readings', 'events', 'alarms', 'intervals', 'touBuckets'];
const TELEMETRY = ['INTERVAL', 'DAILY', 'MONTHLY', 'BILL_DETAILS', 'INSTANTANEOUS'];
const SCHEMES = 'METER_SERIAL METER_BADGE MRID OBIS SHORT_CODE CONSUMER_NUMBER SERVICE_DELIVERY_POINT DID ORG OTHER'.split(' ');
const STATUSES = ['VALID', 'ESTIMATED', 'MANUAL', 'SUSPECT', 'REJECTED'];
const SOURCES = ['METER', 'HES', 'ESTIMATED', 'MANUAL', 'IMPORT', 'MDM_COMPUTED', 'CIS_COMPUTED'];
/** Of an interval: more than a century of minutes. */
const ID_MOST = 100_000_000;
const NOT_ATTRIBUTES = ['readingType', 'timePeriod'];
/** |value − (closing − opening)| of a reading that says all three. */
const CLOSING_TOLERANCE = 1e-5;

/**
 * Holds a MeterData payload (one profile or a list) against the rules of IES MeterData v0.6: its shape, and what its codes mean. Answers
 * the profiles, each with the set of descriptors its numbers are told by. Throws Refusal naming the field by its path.
 */
export function checkedProfiles(payload: unknown): { profile: Json; path: string; set: IesSet | null }[] {
  const list = Array.isArray(payload) ? payload : [payload];
  if (list.length === 0) throw refused('$', 'there is no profile in it');
  const profiles = list.map((one, i) => shaped(one, Array.isArray(payload) ? `$[${i}]` : '$'));
  const sets = new Map<string, IesSet>();
  for (const { profile, path } of profiles)
    if (profile.profileType === 'DESCRIPTOR')
      for (const [i, set] of listOf(profile, 'payloadDescriptorSets', path).entries())
        sets.set(text(set, 'name', `${path}.payloadDescriptorSets[${i}]`), setOf(set, `${path}.payloadDescriptorSets[${i}]`));
  return profiles.map(({ profile, path }) => {
    const type = profile.profileType as string;
    if (!TELEMETRY.includes(type)) return { profile, path, set: null };
    if (sets.size === 0) throw refused(path, 'a payload with readings needs a DESCRIPTOR profile that says what they are');
    const name = text(profile, 'payloadDescriptorSetRef', path);
    const set = sets.get(name);
    if (!set) throw refused(`${path}.payloadDescriptorSetRef`, `there is no descriptor set ${name} in this payload`);
    const shape = type === 'BILL_DETAILS' ? 'MONTHLY' : type;
    checkReadings(profile.readings, `${path}.readings`, shape, set);
    for (const [i, bucket] of (profile.touBuckets === undefined ? [] : listOf(profile, 'touBuckets', path)).entries()) {
      const zone = bucket.zone;
      if (!Number.isInteger(zone) || (zone as number) < 1 || (zone as number) > 8)
        throw refused(`${path}.touBuckets[${i}].zone`, 'must be 1 to 8');
      checkReadings(bucket.readings, `${path}.touBuckets[${i}].readings`, shape, set);
    }
    if (shape === 'INTERVAL' || shape === 'DAILY') checkIntervals(profile, path, shape, set);
    return { profile, path, set };
  });
}

/** Which sequence the compact rows of a profile follow. */
export function sequenceOf(profile: Json, path: string, set: IesSet) {
  const name = text(profile, 'compactSequenceRef', path);
  const sequence = set.sequences.get(name);
  if (!sequence) throw refused(`${path}.compactSequenceRef`, `there is no compact sequence ${name} in the descriptor set`);
  return sequence;
}

function shaped(one: unknown, path: string): { profile: Json; path: string } {
  const profile = objectOf(one, path);
  const type = text(profile, 'profileType', path);
  const required = REQUIRED[type];
  if (!required)
    throw refused(`${path}.profileType`, `must be one of ${Object.keys(REQUIRED).join(', ')}, not ${type.slice(0, 40)}`);
  for (const name of required) if (profile[name] === undefined) throw refused(`${path}.${name}`, 'is missing');
  for (const name of LISTS) if (profile[name] !== undefined) listOf(profile, name, path);
  for (const name of ['meterRefs', 'customerRefs', 'serviceDeliveryPointRefs']) {
    if (profile[name] === undefined) continue;
    const refs = listOf(profile, name, path);
    if (refs.length === 0) throw refused(`${path}.${name}`, 'must name at least one');
    for (const [i, ref] of refs.entries()) {
      text(ref, 'value', `${path}.${name}[${i}]`);
      oneOf(text(ref, 'scheme', `${path}.${name}[${i}]`), SCHEMES, `${path}.${name}[${i}].scheme`);
    }
  }
  for (const name of ['intervalPeriod', 'timePeriod'])
    if (profile[name] !== undefined) checkPeriod(profile[name], `${path}.${name}`);
  if (profile.timestamp !== undefined) instant(profile.timestamp, `${path}.timestamp`);
  if (profile.amountDue !== undefined && typeof profile.amountDue !== 'number')
    throw refused(`${path}.amountDue`, 'must be a number');
  for (const name of ['events', 'alarms'] as const)
    for (const [i, one] of (profile[name] === undefined ? [] : listOf(profile, name, path)).entries()) {
      const at = `${path}.${name}[${i}]`;
      instant(one.timestamp, `${at}.timestamp`);
      const id = name === 'events' ? 'eventId' : 'alarmId';
      if (!Number.isInteger(one[id])) throw refused(`${at}.${id}`, 'must be a whole number');
      if (name === 'alarms') oneOf(one.status, ['ACTIVE', 'CLEARED'], `${at}.status`);
    }
  return { profile, path };
}

function setOf(set: Json, path: string): IesSet {
  const descriptors = new Map<string, IesDescriptor>();
  for (const [i, one] of listOf(set, 'payloadDescriptors', path).entries()) {
    const at = `${path}.payloadDescriptors[${i}]`;
    const code = codeOf(one, at);
    for (const name of ['obis', 'name', 'flowDirection', 'category', 'unit'] as const) {
      const said = one[name];
      if (said !== undefined && code[name] !== '' && said !== code[name])
        throw refused(`${at}.${name}`, `is ${String(said).slice(0, 60)}; the registry says ${code[name]} of ${code.shortLabel}`);
    }
    const mode = one.reportedMode ?? code.modes[0];
    oneOf(mode, code.modes, `${at}.reportedMode`);
    const multiplier = one.multiplier ?? 1;
    if (typeof multiplier !== 'number' || !(multiplier > 0) || !Number.isFinite(multiplier))
      throw refused(`${at}.multiplier`, 'must be a positive number');
    descriptors.set(code.obis, { code, mode: mode as string, multiplier });
  }
  const sequences = new Map<string, { code: IesCode; attribute: string }[]>();
  for (const [i, sequence] of (set.compactSequences === undefined ? [] : listOf(set, 'compactSequences', path)).entries()) {
    const at = `${path}.compactSequences[${i}]`;
    const items = listOf(sequence, 'sequenceItems', at).map((item, j) => {
      const code = codeOf(item, `${at}.sequenceItems[${j}]`);
      if (!descriptors.has(code.obis))
        throw refused(`${at}.sequenceItems[${j}].readingType`, 'has no payload descriptor in its set');
      const attribute = item.attribute ?? 'value';
      oneOf(attribute, code.attributes, `${at}.sequenceItems[${j}].attribute`);
      return { code, attribute: attribute as string };
    });
    sequences.set(text(sequence, 'name', at), items);
  }
  return { descriptors, sequences };
}

function checkIntervals(profile: Json, path: string, shape: string, set: IesSet): void {
  const last = new Map<string, number>();
  let id = -1;
  const sequence = profile.compactSequenceRef === undefined ? null : sequenceOf(profile, path, set);
  for (const [i, item] of (sequence ?? []).entries())
    if (!item.code.profiles.includes(shape))
      throw refused(`${path}.compactSequenceRef`, `its item ${i}, ${item.code.shortLabel}, is not of a profile ${shape}`);
  for (const [i, interval] of (profile.intervals === undefined ? [] : listOf(profile, 'intervals', path)).entries()) {
    const at = `${path}.intervals[${i}]`;
    if (!Number.isInteger(interval.id) || (interval.id as number) < 0) throw refused(`${at}.id`, 'must be a whole number from 0');
    if ((interval.id as number) > ID_MOST) throw refused(`${at}.id`, `must be at most ${ID_MOST}`);
    if ((interval.id as number) <= id) throw refused(`${at}.id`, `must be larger than the one before, ${id}`);
    id = interval.id as number;
    if (interval.intervalPeriod !== undefined) checkPeriod(interval.intervalPeriod, `${at}.intervalPeriod`);
    checkReadings(interval.readings, `${at}.readings`, shape, set);
    if (interval.payloads === undefined) continue;
    if (!sequence) throw refused(`${path}.compactSequenceRef`, 'is missing: the payloads of its intervals follow it');
    if (!Array.isArray(interval.payloads) || interval.payloads.length !== sequence.length)
      throw refused(`${at}.payloads`, `must be a list of ${sequence.length}, as its sequence has`);
    for (const [j, cell] of interval.payloads.entries()) {
      const { code, attribute } = sequence[j]!;
      if (attribute === 'occurredAt') instant(cell, `${at}.payloads[${j}]`);
      else if (attribute === 'validationStatus') oneOf(cell, STATUSES, `${at}.payloads[${j}]`);
      else if (!isNumber(cell)) throw refused(`${at}.payloads[${j}]`, 'must be a number');
      else if (attribute === 'value') checkCumulative(code, cell, `${at}.payloads[${j}]`, set, last);
    }
    for (const [j, override] of (interval.overrides === undefined ? [] : listOf(interval, 'overrides', at)).entries()) {
      const where = `${at}.overrides[${j}]`;
      const index = override.descriptorIndex;
      if (!Number.isInteger(index) || (index as number) < 0 || (index as number) >= sequence.length)
        throw refused(`${where}.descriptorIndex`, `must be 0 to ${sequence.length - 1}`);
      if (override.validationStatus !== undefined) oneOf(override.validationStatus, STATUSES, `${where}.validationStatus`);
      if (override.source !== undefined) oneOf(override.source, SOURCES, `${where}.source`);
    }
  }
}

function checkCumulative(code: IesCode, value: number, path: string, set: IesSet, last: Map<string, number>): void {
  if (!code.cumulative || set.descriptors.get(code.obis)!.mode !== 'READING') return;
  if (value < 0) throw refused(path, `${code.shortLabel} is cumulative: it cannot be negative`);
  if (value < (last.get(code.obis) ?? 0))
    throw refused(path, `${code.shortLabel} is cumulative: ${value} is less than ${last.get(code.obis)} before it`);
  last.set(code.obis, value);
}

function checkReadings(readings: unknown, path: string, shape: string, set: IesSet): void {
  if (readings === undefined) return;
  if (!Array.isArray(readings)) throw refused(path, 'must be a list');
  for (const [i, one] of readings.entries()) {
    const at = `${path}[${i}]`;
    const reading = objectOf(one, at);
    const code = codeOf(reading, at);
    if (!code.profiles.includes(shape)) throw refused(`${at}.readingType`, `${code.shortLabel} is not of a profile ${shape}`);
    const descriptor = set.descriptors.get(code.obis);
    if (!descriptor) throw refused(`${at}.readingType`, `${code.shortLabel} has no payload descriptor in its set`);
    if (reading.reportedMode !== undefined) throw refused(`${at}.reportedMode`, 'belongs to the descriptor, not to a reading');
    const strange = Object.keys(reading).find((name) => !NOT_ATTRIBUTES.includes(name) && !code.attributes.includes(name));
    if (strange !== undefined) throw refused(`${at}.${strange}`, `is no attribute of ${code.shortLabel}`);
    for (const name of ['value', 'openingValue', 'closingValue'])
      if (!isNumber(reading[name]) && (name === 'value' || reading[name] !== undefined))
        throw refused(`${at}.${name}`, 'must be a number');
    if (reading.validationStatus !== undefined) oneOf(reading.validationStatus, STATUSES, `${at}.validationStatus`);
    if (reading.source !== undefined) oneOf(reading.source, SOURCES, `${at}.source`);
    if (reading.occurredAt !== undefined) instant(reading.occurredAt, `${at}.occurredAt`);
    const { value, openingValue: opening, closingValue: closing } = reading as Record<string, number | undefined>;
    if (descriptor.mode === 'READING' && (opening !== undefined || closing !== undefined))
      throw refused(`${at}.openingValue`, 'and closingValue belong to the mode USAGE, not to READING');
    if (opening !== undefined && closing !== undefined && !(Math.abs(value! - (closing - opening)) <= CLOSING_TOLERANCE))
      throw refused(`${at}.value`, `is ${value}; from opening to closing it is ${closing - opening}`);
  }
}

function codeOf(of: Json, path: string): IesCode {
  const type = text(of, 'readingType', path);
  const code = IES_CODES.get(type);
  if (!code) throw refused(`${path}.readingType`, `${type.slice(0, 40)} is no code or short label of the registry`);
  return code;
}

function checkPeriod(period: unknown, path: string): void {
  const { start, duration } = objectOf(period, path);
  instant(start, `${path}.start`);
  if (typeof duration !== 'string' || !/^P(?=.)(\d+Y)?(\d+M)?(\d+W)?(\d+D)?(T(?=.)(\d+H)?(\d+M)?(\d+S)?)?$/.test(duration))
    throw refused(`${path}.duration`, 'must be a duration like PT30M');
}

const parse = instantParser();

/** ms UTC. */
export function instant(said: unknown, path: string): number {
  const bytes = typeof said === 'string' ? new TextEncoder().encode(said) : new Uint8Array(0);
  const at = parse(bytes, 0, bytes.length);
  if (!Number.isFinite(at)) throw refused(path, 'must be an instant with its offset, like 2026-05-01T18:30:00+05:30');
  return at;
}

export function listOf(of: Json, name: string, path: string): Json[] {
  const list = of[name];
  if (!Array.isArray(list)) throw refused(`${path}.${name}`, 'must be a list');
  return list.map((one, i) => objectOf(one, `${path}.${name}[${i}]`));
}

function objectOf(one: unknown, path: string): Json {
  if (typeof one !== 'object' || one === null || Array.isArray(one)) throw refused(path, 'must be an object');
  return one as Json;
}

function text(of: Json, name: string, path: string): string {
  const said = of[name];
  if (typeof said !== 'string' || said === '')
    throw refused(`${path}.${name}`, said === undefined ? 'is missing' : 'must be a text');
  return said;
}

// 1e999 is a number too, in JSON.
const isNumber = (said: unknown): said is number => typeof said === 'number' && Number.isFinite(said);

function oneOf(said: unknown, allowed: readonly string[], path: string): void {
  if (!allowed.includes(said as string)) throw refused(path, `must be one of ${allowed.join(', ')}`);
}

export const refused = (path: string, why: string): Error => invalid('meter_data_malformed', `${path}: ${why}`, path);
