import type { Instant, Interval } from '../domain/interval.ts';
import { Refusal } from '../domain/outcome.ts';
import type { CivilDay, ZoneDays } from '../domain/zone.ts';
import type { ChargingSession } from './charging.ts';
import type { ControlBasis, Member } from './control-group.ts';
import { eventSlots, fixedOffset } from './days.ts';
import type { MethodSpec } from './estimate.ts';
import { readDays, readInline, readInstant, readMeterId, readWindow, WINDOW_FAULT } from './request.ts';
import type { Series } from './series.ts';
import { UNMANAGED } from './session-plan.ts';
import { type Direction, fault, readDirection, readFraction, readInteger, readObject, readOneOf, shown } from './spec.ts';

/** A case whose method has no place in the golden format: charging sessions, groups, contracts. Checked. */
export type MethodCase = {
  readonly id: string;
  readonly spec: Extract<MethodSpec, { kind: 'ev_session' | 'control_group' | 'nominated' | 'firm_service_level' }>;
  readonly meterIds: readonly string[];
  readonly portfolio: boolean;
  readonly inline: Series | null;
  readonly minutes: number;
  readonly zone: ZoneDays;
  readonly window: Interval;
  readonly noticeAt: Instant;
  readonly direction: Direction;
  readonly holidays: ReadonlySet<CivilDay>;
  readonly excludedDays: ReadonlySet<CivilDay>;
  /** Of a charge point. */
  readonly sessions: readonly ChargingSession[] | null;
  readonly siteLimitW: number | null;
};

type Fields = Readonly<Record<string, unknown>>;
type Kind = MethodCase['spec']['kind'];

const KINDS: readonly Kind[] = ['ev_session', 'control_group', 'nominated', 'firm_service_level'];
const QUANTITIES = ['import', 'export', 'net'] as const;
const DAY_TYPES = ['weekday_vs_nonworking', 'weekday_sat_sunhol', 'same_weekday', 'any'] as const;

/** The method a case or its file names, or null. */
export const namedMethod = (fields: Fields, file: Fields): Kind | null =>
  KINDS.find((kind) => kind === (fields.method ?? file.method)) ?? null;

/** Throws `Refusal` naming case and field. */
export function readMethodCase(fields: Fields, kind: Kind, place: string): MethodCase {
  let name = place;
  try {
    if (typeof fields.id !== 'string' || fields.id === '') throw fault('id', `must be a text, not ${shown(fields.id)}`);
    name = `case ${fields.id}`;
    const params = readObject(fields.params, 'params');
    const zone = typeof fields.tz === 'string' ? fixedOffset(fields.tz) : null;
    if (!zone) throw fault('tz', `must be a fixed offset such as "+05:30", not ${shown(fields.tz)}`);
    const minutes = readInteger(params, 'interval_minutes', 'params', 1, 1440);
    if (1440 % minutes !== 0) throw fault('params.interval_minutes', 'must divide a day of 1440 minutes');
    const window = readWindow(fields.event);
    const slots = eventSlots(window, minutes, zone);
    if (slots.fault !== null) throw fault('event.end', WINDOW_FAULT[slots.fault]);
    const { notice } = readObject(fields.event, 'event');
    const direction = readDirection(fields.direction ?? 'reduce');
    const noticeAt = notice === undefined ? window.start : readInstant(notice, 'event.notice');
    return {
      ...{ id: fields.id, minutes, zone, window, noticeAt, direction },
      ...readers[kind](fields, params, direction),
      inline: fields.readings === undefined ? null : readInline(fields.readings, minutes),
      holidays: readDays(fields.holidays ?? [], 'holidays'),
      excludedDays: readDays(fields.excluded_days ?? [], 'excluded_days'),
    };
  } catch (error) {
    if (error instanceof Refusal) throw new Refusal(error.kind, error.code, `${name}: ${error.message}`, error.field);
    throw error;
  }
}

type Own = Pick<MethodCase, 'spec' | 'meterIds' | 'portfolio' | 'sessions' | 'siteLimitW'>;
const readers: Record<Kind, (fields: Fields, params: Fields, direction: Direction) => Own> = {
  ev_session: readSessions,
  control_group: readGroup,
  nominated: readNominated,
  firm_service_level: readFirm,
};

const alone = { portfolio: false, sessions: null, siteLimitW: null } as const;
const orElse = (params: Fields, name: string, least: number, most: number, otherwise: number): number =>
  params[name] === undefined ? otherwise : readInteger(params, name, 'params', least, most);

function readSessions(fields: Fields, params: Fields, direction: Direction): Own {
  const told = readList(fields.sessions, 'sessions').map((entry, i) => readSession(entry, `sessions[${i}]`));
  return {
    spec: {
      ...UNMANAGED,
      variant:
        params.variant === undefined
          ? 'unmanaged'
          : readOneOf(params, 'variant', 'params', ['unmanaged', 'standing_schedule'] as const),
      direction,
      schedule: readList(params.schedule ?? [], 'params.schedule').map((entry, i) => {
        const at = `params.schedule[${i}]`;
        const one = readObject(entry, at);
        return {
          fromMinute: readInteger(one, 'from_minute', at, 0, 1439),
          toMinute: readInteger(one, 'to_minute', at, 1, 1440),
          powerW: readInteger(one, 'power_w', at, 0, 10_000_000),
        };
      }),
      historyDays: orElse(params, 'history_days', 0, 4000, UNMANAGED.historyDays),
      minHistory: orElse(params, 'min_history', 1, 1000, UNMANAGED.minHistory),
      usualShare:
        params.usual_share === undefined
          ? UNMANAGED.usualShare
          : (readFraction(params, 'usual_share', 'params') ?? UNMANAGED.usualShare),
    },
    ...{ portfolio: false, meterIds: [readMeterId(fields.meter_id, 'meter_id')], sessions: told },
    siteLimitW:
      params.site_limit_w === undefined || params.site_limit_w === null
        ? null
        : readInteger(params, 'site_limit_w', 'params', 0, 10_000_000),
  };
}

function readSession(value: unknown, at: string): ChargingSession {
  const session = readObject(value, at);
  const optional = (name: string) =>
    session[name] === undefined || session[name] === null ? null : readInteger(session, name, at, 0, 240_000_000);
  return {
    sessionId: readMeterId(session.session_id, `${at}.session_id`),
    pluggedInAt: readInstant(session.plug_in, `${at}.plug_in`),
    pluggedOutAt: session.plug_out === null ? null : readInstant(session.plug_out, `${at}.plug_out`),
    energyWh: optional('energy_wh'),
    powerW: readInteger(session, 'power_w', at, 0, 10_000_000),
    plannedWh: optional('planned_wh'),
    driverId:
      session.driver_id === undefined || session.driver_id === null ? null : readMeterId(session.driver_id, `${at}.driver_id`),
  };
}

function readGroup(fields: Fields, params: Fields): Own {
  const members = new Map<string, Member>();
  const add = (list: string, of: (one: Fields, at: string, stratum: string) => Member) => {
    readList(fields[list], list).forEach((entry, i) => {
      const at = `${list}[${i}]`;
      const one = readObject(entry, at);
      const id = readMeterId(one.meter_id, `${at}.meter_id`);
      if (members.has(id)) throw fault(`${at}.meter_id`, `names ${id} a second time`);
      members.set(id, of(one, at, one.stratum === undefined ? '' : readMeterId(one.stratum, `${at}.stratum`)));
    });
  };
  add('treated', (_, __, stratum) => ({ role: 'treated', stratum }));
  add('controls', (one, at, stratum) => ({ role: 'control', stratum, basis: readBasis(one, at) }));
  const seed = fields.seed ?? '0';
  if (typeof seed !== 'string' || !/^\d{1,19}$/.test(seed))
    throw fault('seed', `must be a text of up to 19 digits, not ${shown(seed)}`);
  const minGapDays = orElse(params, 'min_gap_days', 1, 4000, 1);
  const confidence = [80, 90, 95, 98].find((one) => one === (params.confidence ?? 90)) as 80 | 90 | 95 | 98 | undefined;
  if (confidence === undefined) throw fault('params.confidence', `must be 80, 90, 95 or 98, not ${shown(params.confidence)}`);
  return {
    ...alone,
    ...{ portfolio: true, meterIds: [...members.keys()] },
    spec: {
      ...{ kind: 'control_group', members, minGapDays, confidence, seed: BigInt(seed) },
      design: readOneOf(params, 'design', 'params', ['holdout', 'matched'] as const),
      quantity: readOneOf(params, 'quantity', 'params', QUANTITIES),
      dayType: readOneOf(params, 'day_type', 'params', DAY_TYPES),
      lookbackDays: readInteger(params, 'lookback_days', 'params', minGapDays, 4000),
      days: readInteger(params, 'days', 'params', 1, 64),
    },
  };
}

function readBasis(one: Fields, at: string): ControlBasis | null {
  return one.basis === undefined || one.basis === null
    ? null
    : readOneOf(one, 'basis', at, ['holdout', 'consent', 'legal_basis'] as const);
}

function readNominated(fields: Fields, params: Fields): Own {
  const id = readMeterId(fields.meter_id, 'meter_id');
  const wh = readList(fields.nominated_wh, 'nominated_wh').map((value, i) =>
    readInteger({ [i]: value }, String(i), 'nominated_wh', -(2 ** 30), 2 ** 30),
  );
  return {
    ...{ ...alone, meterIds: [id] },
    spec: {
      ...{ kind: 'nominated', wh: new Map([[id, wh]]) },
      quantity: readOneOf(params, 'quantity', 'params', QUANTITIES),
      nominatedAt: readInstant(fields.nominated_at, 'nominated_at'),
    },
  };
}

function readFirm(fields: Fields, params: Fields): Own {
  const id = readMeterId(fields.meter_id, 'meter_id');
  const level = (name: string) => readInteger(params, name, 'params', 0, 10_000_000_000);
  return {
    ...{ ...alone, meterIds: [id] },
    spec: {
      kind: 'firm_service_level',
      quantity: readOneOf(params, 'quantity', 'params', QUANTITIES),
      contracts: new Map([[id, { referenceW: level('reference_w'), firmW: level('firm_w') }]]),
    },
  };
}

function readList(value: unknown, at: string): readonly unknown[] {
  if (!Array.isArray(value)) throw fault(at, `must be a list, not ${shown(value)}`);
  return value;
}
