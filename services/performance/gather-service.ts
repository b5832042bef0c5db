import type { CohortMember, Commitment, Dispatch, EventDay } from '../../gen/lachak/v1/dispatch_pb.ts';
import type { Metering } from '../../gen/lachak/v1/metering_pb.ts';
import type { MeterDayRef } from '../../gen/lachak/v1/performance_pb.ts';
import { type Consent, readingsGate } from '../domain/consent.ts';
import { batches, grouped } from '../domain/grouped.ts';
import { type Instant, MINUTE, overlaps } from '../domain/interval.ts';
import type { CivilDay, ZoneDays } from '../domain/zone.ts';
import type { Client, Queryable } from '../host/room.ts';
import { zoneDays } from '../host/zone.ts';
import { type MeterDayName, meterDayRefs } from './evidence-service.ts';
import {
  calledDays,
  type DayLook,
  type Exclusion,
  exclusionsOf,
  holds,
  looksAt,
  type Occupancy,
  occupiedFrom,
  type Unserved,
  unservedAt,
} from './exclusions.ts';
import { familyOf } from './family.ts';
import * as links from './links-store.ts';
import type { Lane } from './measure.ts';
import { type Method, methodOf } from './method.ts';
import type { Plain } from './results.ts';
import type { MeterService, Sheets } from './stitch.ts';
import type * as store from './store.ts';
import { openSheets } from './tile-file.ts';
import { isWorkingDay, type Plan, planOf, remembering } from './windows.ts';

/** Where a shard's measurement looks: the rooms upstream, this room's dated copies of what they said, the folder of the tiles. */
export type Sources = {
  readonly dispatch: Client<typeof Dispatch>;
  readonly metering: Client<typeof Metering>;
  readonly database: Queryable;
  readonly tiles: string;
};

/** Everything one shard of a run rests on. */
export type Gathered = {
  readonly plan: Plan;
  readonly method: Method;
  readonly points: readonly GatheredPoint[];
  readonly sheets: Sheets;
  readonly uses: readonly store.ReadingUse[];
};
export type GatheredPoint = {
  readonly member: CohortMember;
  readonly lane: Lane;
  readonly exclusions: readonly Exclusion[];
  readonly meterIds: readonly string[];
  readonly meterDays: readonly Plain<MeterDayRef>[];
  /** No interval of the window may be read. */
  readonly closed: boolean;
  /** Slots of the event day beside the window that are not opened. */
  readonly unread: readonly Instant[];
};

/** Reads all of it as of the run's cut-off. Throws Error when this room has not heard yet of something the commitment names. */
export async function gatherShard(sources: Sources, run: store.Run, shard: number): Promise<Gathered> {
  const commitment = await sources.dispatch.getCommitment(
    { eventId: run.eventId, shard, allShards: false },
    { discom: run.discom },
  );
  const look = await lookBack(sources.database, run, commitment);
  const { plan, method, zone } = look;
  const members = commitment.members.filter((member) => member.shard === shard).sort(byPoint);
  const registry = await registered(sources.database, run, members);
  const supply = await supplyOf(sources, run, plan, members);
  const eventDays = await eventDaysOf(sources, run, plan, zone, members);
  const drafts = members.map((member) => draftOf({ run, look, registry, supply, eventDays }, member));
  const named = drafts.flatMap(({ meterDays }) => meterDays);
  const refs = await meterDayRefs(sources.metering, run, named);
  const lanes = drafts.map(({ lane }) => lane);
  return {
    ...{ plan, method, sheets: await sheetsOf(sources, run, plan, lanes) },
    points: drafts.map(({ use: _, meterDays, ...draft }) => ({
      ...draft,
      meterIds: [...new Set(meterDays.map(({ meterId }) => meterId))].sort(),
      meterDays: meterDays.map(({ meterId, day }) => refs.get(`${meterId}/${day}`)!),
    })),
    uses: drafts.map(({ use }) => use),
  };
}

type Known = {
  readonly run: store.Run;
  readonly look: LookBack;
  readonly registry: Registered;
  readonly supply: ReadonlyMap<string, readonly Unserved[]>;
  readonly eventDays: ReadonlyMap<string, readonly EventDay[]>;
};

/** One settlement point: which meters, which intervals the gate opens, which days do not count, whose meter-days are evidence. */
function draftOf({ run, look, registry, supply, eventDays }: Known, member: CohortMember) {
  const { plan, method, zone, calendar, programmeId } = look;
  const occupancies = registry.occupancies.get(member.connectionId) ?? [];
  const consents = registry.consents.get(member.connectionId) ?? [];
  const unserved = supply.get(member.connectionId) ?? [];
  const from = occupiedFrom(occupancies, member.participantId, run.window.start) ?? Number.POSITIVE_INFINITY;
  const { connectionId, organisationId } = member;
  const answer = readingsGate(consents, { participantId: member.participantId, connectionId, organisationId, programmeId });
  const permitted = (at: Instant, day: CivilDay) => answer(at, day) === 'permitted';
  const open = (at: Instant) => at >= from && holds(occupancies, member.participantId, at) && permitted(at, zone.dayOf(at));
  const closed = Uint8Array.from(plan.actual, (at) => (open(at) ? 0 : 1));
  const allClosed = closed.subarray(0, plan.eventCount).every((one) => one === 1);
  const exclusions = exclusionsOf({
    ...{ looks: look.looks, calendar, unserved, permitted, occupiedFrom: from },
    ...(familyOf(method).exclude.holidays && { holidays: look.holidays }),
    eventDays: (eventDays.get(member.settlementPointId) ?? []).filter(({ day }) => day !== plan.eventDay),
  });
  const registers = registersOf(registry, member, look.zoneOf);
  const lane: Lane = {
    ...{ registers, closed, unserved },
    excluded: new Set(allClosed ? plan.days : exclusions.map(({ day }) => day)),
    called: allClosed ? new Set() : calledDays(exclusions),
    closedLead: Uint8Array.from(plan.lead, (at) => (open(at) ? 0 : 1)),
  };
  const shown = (day: CivilDay) => day === plan.eventDay || (zone.startOf(day) >= from && permitted(zone.startOf(day), day));
  const meterDays = allClosed ? [] : plan.evidence.filter(shown).flatMap((day) => servingOn(registers, day, zone));
  const refused = answer(run.window.start, plan.eventDay);
  const use: store.ReadingUse = {
    ...{ settlementPointId: member.settlementPointId, connectionId: member.connectionId, participantId: member.participantId },
    consentId: member.readingsConsentId,
    outcome: !allClosed ? 'permitted' : refused === 'permitted' ? 'occupant_changed' : refused,
  };
  const step = plan.minutes * MINUTE;
  const unread = [...plan.actual].filter(
    (start, slot) =>
      slot >= plan.eventCount && (closed[slot] === 1 || unservedAt(unserved, { start, end: start + step }) !== null),
  );
  return { member, lane, exclusions, meterDays, closed: allClosed, unread, use };
}

/** The meter-days of one civil day: an exchange names both meters. */
function servingOn(registers: Lane['registers'], day: CivilDay, zone: ZoneDays): MeterDayName[] {
  const span = { start: zone.startOf(day), end: zone.startOf(zone.plus(day, 1)) };
  const serving = [...registers.own, ...registers.taken].filter(({ from, to }) =>
    overlaps({ start: from, end: to ?? Number.POSITIVE_INFINITY }, span),
  );
  return [...new Set(serving.map(({ meterId }) => meterId))].map((meterId) => ({ meterId, day }));
}

type LookBack = {
  readonly programmeId: string;
  readonly zone: ZoneDays;
  readonly zoneOf: (name: string) => ZoneDays;
  readonly calendar: ReadonlyMap<CivilDay, string>;
  readonly holidays: ReadonlySet<CivilDay>;
  readonly method: Method;
  readonly plan: Plan;
  readonly looks: readonly DayLook[];
};

/** Terms and calendar as they stood when the cohort was committed: nothing is decided after the fact. */
async function lookBack(database: Queryable, run: store.Run, commitment: Commitment): Promise<LookBack> {
  const terms = commitment.terms!;
  const zones = new Map<string, ZoneDays>();
  const zoneOf = (name: string): ZoneDays => {
    const zone = zones.get(name) ?? remembering(zoneDays(name || DEFAULT_ZONE));
    zones.set(name, zone);
    return zone;
  };
  const zone = zoneOf(terms.zone);
  const known = terms.calendarId
    ? await links.calendarAt(database, run.discom, terms.calendarId, Number(commitment.committedAtMs))
    : null;
  const holidays = new Set(known?.holidays ?? []);
  const calendar = new Map((known?.excluded ?? []).map(({ day, name }) => [day, name]));
  const method = methodOf(terms.baseline, terms.direction, isWorkingDay(zone.dayOf(run.window.start), holidays, zone));
  const noticeAt = Number(commitment.noticeAtMs) || run.window.start;
  const plan = planOf({ window: run.window, noticeAt, minutes: terms.settlementIntervalMinutes, method, holidays, zone });
  const looks = looksAt(plan.days, plan.history, plan.minutes, zone);
  return { programmeId: commitment.programmeId, zone, zoneOf, calendar, holidays, method, plan, looks };
}

const DEFAULT_ZONE = 'Asia/Kolkata';

type Registered = {
  readonly points: ReadonlyMap<string, links.PointRow>;
  readonly meters: ReadonlyMap<string, readonly links.MeterRow[]>;
  readonly occupancies: ReadonlyMap<string, readonly Occupancy[]>;
  readonly consents: ReadonlyMap<string, readonly Consent[]>;
};

async function registered(database: Queryable, run: store.Run, members: readonly CohortMember[]): Promise<Registered> {
  const connections = [...new Set(members.map(({ connectionId }) => connectionId))];
  const ids = members.map(({ settlementPointId }) => settlementPointId);
  const points = new Map((await links.pointsOf(database, run.discom, ids)).map((point) => [point.settlementPointId, point]));
  const meters = await links.metersOf(database, run.discom, connections, run.asOf);
  const occupancies = await links.occupanciesOf(database, run.discom, connections, run.asOf);
  const consents = await links.consentsOf(database, run.discom, connections);
  const given = new Set(consents.map(({ consentId }) => consentId));
  const held = new Set(occupancies.map(({ connectionId }) => connectionId));
  for (const { settlementPointId, connectionId, readingsConsentId } of members) {
    if (!points.has(settlementPointId))
      throw new Error(`the registry's word on settlement point ${settlementPointId} has not come yet`);
    if (!held.has(connectionId)) throw new Error(`the registry's word on connection ${connectionId} has not come yet`);
    if (readingsConsentId && !given.has(readingsConsentId)) throw new Error(`consent ${readingsConsentId} has not come yet`);
  }
  return {
    points,
    meters: grouped(meters, ({ connectionId }) => connectionId),
    occupancies: grouped(occupancies, ({ connectionId }) => connectionId),
    consents: grouped(consents, ({ connectionId }) => connectionId),
  };
}

/** The connection's meters one after the other, or the named sub-meter; and what is taken off. */
function registersOf({ points, meters }: Registered, member: CohortMember, zoneOf: LookBack['zoneOf']): Lane['registers'] {
  const rows = meters.get(member.connectionId) ?? [];
  const subMeterId = points.get(member.settlementPointId)!.subMeterId;
  const own = rows.filter(({ meterId, parentMeterId }) => (subMeterId ? meterId === subMeterId : parentMeterId === ''));
  const taken = rows.filter(({ meterId }) => member.subtractMeterIds.includes(meterId));
  const service = (row: links.MeterRow): MeterService => ({ ...row, zone: zoneOf(row.zone) });
  const inTime = (a: MeterService, b: MeterService) => a.from - b.from || (a.meterId < b.meterId ? -1 : 1);
  return { own: own.map(service).sort(inTime), taken: taken.map(service).sort(inTime) };
}

async function supplyOf(
  { metering }: Sources,
  run: store.Run,
  plan: Plan,
  members: readonly CohortMember[],
): Promise<Map<string, Unserved[]>> {
  const starts = [...plan.history, plan.actual].flatMap((row) => Array.from(row)).filter((start) => !Number.isNaN(start));
  // A window after the event, or one that days are matched on, ends later than the event does.
  const end = Math.max(
    run.window.end,
    ...[...plan.actual].filter((start) => !Number.isNaN(start)).map((start) => start + plan.minutes * MINUTE),
  );
  const span = { startMs: BigInt(Math.min(...starts)), endMs: BigInt(end) };
  const found = new Map<string, Unserved[]>();
  for (const connectionIds of batches([...new Set(members.map(({ connectionId }) => connectionId))], 500)) {
    const { spans } = await metering.getSupply({ connectionIds, span, asOfMs: BigInt(run.asOf) }, { discom: run.discom });
    for (const { connectionId, span, state } of spans) {
      if (state === ENERGISED || !span) continue;
      const stretches = found.get(connectionId) ?? [];
      stretches.push({ start: Number(span.startMs), end: Number(span.endMs), state });
      found.set(connectionId, stretches);
    }
  }
  return found;
}

const ENERGISED = 1;

async function eventDaysOf(
  { dispatch }: Sources,
  run: store.Run,
  plan: Plan,
  zone: ZoneDays,
  members: readonly CohortMember[],
): Promise<Map<string, EventDay[]>> {
  const span = { startMs: BigInt(zone.startOf(plan.evidence[0]!)), endMs: BigInt(run.window.end) };
  const days: EventDay[] = [];
  for (const settlementPointIds of batches(
    members.map(({ settlementPointId }) => settlementPointId),
    1000,
  )) {
    days.push(...(await dispatch.getEventDays({ settlementPointIds, span }, { discom: run.discom })).days);
  }
  return grouped(days, ({ settlementPointId }) => settlementPointId);
}

/** The tiles of all days any lane may read. Meters that served one after the other may lie in different shards. */
async function sheetsOf({ metering, tiles }: Sources, run: store.Run, plan: Plan, lanes: readonly Lane[]): Promise<Sheets> {
  const meters = lanes.flatMap(({ registers }) => [...registers.own, ...registers.taken]);
  const step = plan.minutes * MINUTE;
  const days = new Set<CivilDay>();
  for (const zone of new Set(meters.map((meter) => meter.zone))) {
    for (const row of [...plan.history, ...plan.whole, plan.actual, plan.lead]) {
      for (const start of row) if (!Number.isNaN(start)) days.add(zone.dayOf(start)).add(zone.dayOf(start + step - 1));
    }
  }
  const shards = [...new Set(meters.map(({ shard }) => shard))].sort((a, b) => a - b);
  if (shards.length === 0) return () => null;
  const answer = await metering.listTiles({ days: [...days].sort(), shards, asOfMs: BigInt(run.asOf) }, { discom: run.discom });
  return openSheets(tiles, answer.tiles);
}

const byPoint = (a: CohortMember, b: CohortMember) =>
  a.settlementPointId < b.settlementPointId ? -1 : a.settlementPointId > b.settlementPointId ? 1 : 0;
