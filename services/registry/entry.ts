import type { Record as RegistryRecord } from '../../gen/lachak/v1/registry_pb.ts';
import type { Dated } from '../domain/interval.ts';
import type { Fault } from './tables.ts';

/** Tables by name, in the order in which they refer to each other. */
export const NOUNS = [
  'areas',
  'organisations',
  'participants',
  'connections',
  'meters',
  'settlement_points',
  'resources',
] as const;
export type Noun = (typeof NOUNS)[number];

/** What the registry needs to know of a record to link it; `body` in the store holds the rest. */
export type Entry = {
  readonly noun: Noun;
  readonly id: string;
  readonly dated: Dated;
  /** What it hangs on; see migrations/001. */
  readonly parent: string;
  readonly holder: string;
  /** Meters: `30 Asia/Kolkata`. Never changes, since a shard's columns have one grid. */
  readonly grid: string;
  readonly references: readonly { readonly noun: Noun; readonly id: string; readonly column: string }[];
};

const AREA_KINDS: readonly string[] = ['FEEDER', 'TRANSFORMER', 'SUBSTATION', 'ZONE'];
const ORGANISATION_KINDS: readonly string[] = ['DISCOM', 'AGGREGATOR', 'CPO', 'VERIFIER'];
const PARTICIPANT_KINDS: readonly string[] = ['HOUSEHOLD', 'BUSINESS', 'CPO'];
const INTERVALS: readonly number[] = [15, 30, 60];
const DEFAULT_ZONE = 'Asia/Kolkata';
// 1 GW: no connection or resource of a distribution company is larger, so a larger one is in another unit.
const MOST_W = 1_000_000_000n;

/** Writes out the defaults that the contract names, so that equal records are equal bytes; a behavioural resource is spoken to by notice. */
export function filled(record: RegistryRecord): RegistryRecord {
  const inner = record.record;
  if (inner.case === 'meter') {
    const { zone, factor, registers } = inner.value;
    const value = {
      ...inner.value,
      zone: zone || DEFAULT_ZONE,
      factor: factor || 1,
      registers: registers.length > 0 ? registers : [1],
    };
    return { ...record, record: { case: 'meter', value } };
  }
  if (inner.case === 'resource') {
    const { limits, ...rest } = inner.value;
    const limited = limits && (limits.maxMinutesPerDay !== 0 || limits.maxSetpointDeltaC !== 0 || limits.minPowerW !== 0n);
    const protocol = rest.kind === 'BEHAVIOURAL' && rest.protocol === '' ? 'notice' : rest.protocol;
    return { ...record, record: { case: 'resource', value: { ...rest, protocol, ...(limited && { limits }) } } };
  }
  return record;
}

/** The entry of a `filled` record, or everything wrong with its fields that can be seen without knowing other records. */
export function entryOf({ record }: RegistryRecord, zoneKnown: (zone: string) => boolean): Entry | Fault[] {
  const faults: Fault[] = [];
  // Messages with values in them are written only when they are needed: most lines of a file are right.
  const check = (right: boolean, column: string, code: string, message: string | (() => string)) => {
    if (!right) faults.push({ column, code, message: `${column} ${typeof message === 'string' ? message : message()}` });
  };
  const id = (value: string, column: string) =>
    check(
      ID.test(value),
      column,
      'id_malformed',
      () => `must be 1 to 64 letters, digits, dots, underscores, colons and hyphens, not "${value.slice(0, 80)}"`,
    );
  const oneOf = (words: readonly string[], value: string, column: string) =>
    check(words.includes(value), column, 'word_unknown', () => `must be one of ${words.join(', ')}, not "${value.slice(0, 40)}"`);
  const power = (value: bigint, column: string) =>
    check(value >= 0n && value <= MOST_W, column, 'power_implausible', () => `must be 0 to ${MOST_W} W, not ${value}`);
  const to = (noun: Noun, value: string, column: string) => {
    if (value === '') return [];
    id(value, column);
    return [{ noun, id: value, column }];
  };
  const dated = (value: { fromMs: bigint; toMs: bigint } | undefined): Dated => {
    const from = value?.fromMs ?? 0n;
    const end = value?.toMs ?? 0n;
    check(from >= 0n && from <= LATEST, 'from', 'instant_malformed', 'must be an instant after 1970');
    check(
      end === 0n || (end > from && end <= LATEST),
      'to',
      'link_empty',
      'must be after from: a link holds from (inclusive) to (exclusive)',
    );
    return { from: Number(from), to: end === 0n ? null : Number(end) };
  };
  const entry = (): Entry | null => {
    switch (record.case) {
      case 'area': {
        const { areaId, kind, parentId } = record.value;
        id(areaId, 'area_id');
        oneOf(AREA_KINDS, kind, 'kind');
        return {
          ...BARE,
          noun: 'areas',
          id: areaId,
          parent: parentId,
          references: to('areas', parentId, 'parent_id'),
          dated: dated(record.value.dated),
        };
      }
      case 'organisation': {
        const { organisationId, name, kind, did } = record.value;
        id(organisationId, 'organisation_id');
        check(name !== '', 'name', 'name_missing', 'must be given');
        oneOf(ORGANISATION_KINDS, kind, 'kind');
        check(
          did === '' || /^did:[a-z0-9]+:[^\s]{1,500}$/.test(did),
          'did',
          'did_malformed',
          'must be a decentralised identifier such as did:web:example.org',
        );
        return { ...BARE, noun: 'organisations', id: organisationId };
      }
      case 'participant': {
        const { participantId, kind, person } = record.value;
        id(participantId, 'participant_id');
        oneOf(PARTICIPANT_KINDS, kind, 'kind');
        // Particulars are never repeated in a message: findings are kept and logged.
        check(!person || ['', 'en', 'hi'].includes(person.language), 'language', 'language_unknown', 'must be en or hi');
        return { ...BARE, noun: 'participants', id: participantId };
      }
      case 'connection': {
        const { connectionId, participantId, areaId, sanctionedLoadW, tariffCategory } = record.value;
        id(connectionId, 'connection_id');
        check(participantId !== '', 'participant_id', 'reference_missing', 'must name the occupant');
        check(areaId !== '', 'area_id', 'reference_missing', 'must name the feeder or transformer it hangs on');
        check(tariffCategory.length <= 64, 'tariff_category', 'word_too_long', 'must have at most 64 characters');
        power(sanctionedLoadW, 'sanctioned_load_w');
        const references = [...to('participants', participantId, 'participant_id'), ...to('areas', areaId, 'area_id')];
        return {
          ...BARE,
          noun: 'connections',
          id: connectionId,
          parent: areaId,
          holder: participantId,
          references,
          dated: dated(record.value.dated),
        };
      }
      case 'meter': {
        const { meterId, connectionId, parentMeterId, intervalMinutes, factor, zone, registers } = record.value;
        id(meterId, 'meter_id');
        check(connectionId !== '', 'connection_id', 'reference_missing', 'must name the connection it serves');
        check(
          new Set(registers).size === registers.length && registers.every((r) => r === 1 || r === 2),
          'registers',
          'register_unknown',
          'must be IMPORT, EXPORT or both, each once',
        );
        check(factor <= 1_000_000, 'factor', 'factor_implausible', () => `must be at most 1000000, not ${factor}`);
        check(
          INTERVALS.includes(intervalMinutes),
          'interval_minutes',
          'interval_unknown',
          () => `must be 15, 30 or 60, not ${intervalMinutes}`,
        );
        check(
          zoneKnown(zone),
          'zone',
          'zone_unknown',
          () => `must be an IANA zone such as Asia/Kolkata or an offset such as +05:30, not "${zone.slice(0, 40)}"`,
        );
        check(parentMeterId !== meterId, 'parent_meter_id', 'meter_own_parent', 'must be another meter');
        const references = [
          ...to('connections', connectionId, 'connection_id'),
          ...to('meters', parentMeterId, 'parent_meter_id'),
        ];
        const grid = `${intervalMinutes} ${zone}`;
        return {
          noun: 'meters',
          id: meterId,
          parent: connectionId,
          holder: parentMeterId,
          grid,
          references,
          dated: dated(record.value.dated),
        };
      }
      case 'settlementPoint': {
        const { settlementPointId, connectionId, subMeterId } = record.value;
        id(settlementPointId, 'settlement_point_id');
        check(connectionId !== '', 'connection_id', 'reference_missing', 'must name the connection');
        const references = [...to('connections', connectionId, 'connection_id'), ...to('meters', subMeterId, 'sub_meter_id')];
        return {
          ...BARE,
          noun: 'settlement_points',
          id: settlementPointId,
          parent: connectionId,
          holder: subMeterId,
          references,
        };
      }
      case 'resource': {
        const { resourceId, settlementPointId, organisationId, kind, ratedW, deviceId, limits } = record.value;
        id(resourceId, 'resource_id');
        check(
          settlementPointId !== '',
          'settlement_point_id',
          'reference_missing',
          'must name the settlement point it is measured at',
        );
        check(
          /^[A-Z][A-Z0-9_]{0,31}$/.test(kind),
          'kind',
          'kind_malformed',
          () => `must be upper-case letters, digits and _, such as AC, not "${kind.slice(0, 40)}"`,
        );
        check(
          kind !== 'BEHAVIOURAL' || deviceId === '',
          'device_id',
          'device_behavioural',
          'must be empty: a behavioural resource is people, reached by notice',
        );
        if (deviceId !== '') id(deviceId, 'device_id');
        power(ratedW, 'rated_w');
        power(limits?.minPowerW ?? 0n, 'min_power_w');
        check((limits?.maxMinutesPerDay ?? 0) <= 1440, 'max_minutes_per_day', 'limit_implausible', 'must be at most 1440');
        const delta = limits?.maxSetpointDeltaC ?? 0;
        check(delta >= 0 && delta <= 10, 'max_setpoint_delta_c', 'limit_implausible', 'must be 0 to 10 degrees');
        const references = [
          ...to('settlement_points', settlementPointId, 'settlement_point_id'),
          ...to('organisations', organisationId, 'organisation_id'),
        ];
        return {
          ...BARE,
          noun: 'resources',
          id: resourceId,
          parent: settlementPointId,
          holder: organisationId,
          references,
          dated: dated(record.value.dated),
        };
      }
      default:
        return null;
    }
  };
  const found = entry();
  if (!found) return [{ column: '', code: 'record_empty', message: 'the record is empty' }];
  return faults.length > 0 ? faults : found;
}

const ID = /^[A-Za-z0-9._:-]{1,64}$/;
const LATEST = 253_402_300_799_999n; // the year 9999
const BARE = { parent: '', holder: '', grid: '', references: [], dated: { from: 0, to: null } } as const;
