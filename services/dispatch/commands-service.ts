import { create } from '@bufbuild/protobuf';
import {
  type AnswerRequest,
  type ChangeEventRequest,
  EventSchema,
  type ScheduleEventRequest,
} from '../../gen/lachak/v1/dispatch_pb.ts';
import type { Interval as IntervalOnWire, Series } from '../../gen/lachak/v1/types_pb.ts';
import { type Instant, type Interval, iso, MINUTE } from '../domain/interval.ts';
import { conflict, invalid, notFound } from '../domain/outcome.ts';
import { derivedId } from '../host/ids.ts';
import type { Caller, Deps, Tx } from '../host/room.ts';
import { commandScope, scopeOf } from '../host/scope.ts';
import { zoneDays } from '../host/zone.ts';
import { cancel, finish, moveTo } from './ending-service.ts';
import { lockInstructions, saveInstructions } from './instruction-store.ts';
import { BEHAVIOURAL } from './kinds.ts';
import { programmeAt, unknownAreas } from './learned-store.ts';
import { eventMessage, intervalMessage } from './messages.ts';
import { type CallRules, gateClosure, noticeInstant, passedIntervals, refuseShortening, refuseWindow } from './schedule.ts';
import * as store from './store.ts';
import { callRules, directionOf, programmeOf, zoneOf } from './terms.ts';

/** Devices learn of an event this long before its window, or at notice if that is later. */
const ISSUE_LEAD_MS = 5 * MINUTE;

/** Schedules an event and tells it; answers its id. */
export async function schedule(
  { clock, facts, trace }: Deps,
  tx: Tx,
  caller: Caller,
  request: ScheduleEventRequest,
): Promise<string> {
  const { discom } = caller;
  const now = clock.now();
  const eventId = request.eventId || derivedId('event', discom, commandScope(caller), request.commandId);
  if (!/^[A-Za-z0-9][A-Za-z0-9_-]{0,63}$/.test(eventId)) {
    throw invalid('event_id_malformed', 'an event id has up to 64 letters, digits, hyphens and underscores', 'event_id');
  }
  await lockProgramme(tx, discom, request.programmeId);
  if (await store.eventById(tx, discom, eventId))
    throw conflict('event_exists', `there is an event ${eventId} already`, 'event_id');
  const window = readWindow(request.window);
  const found = await programmeAt(tx, discom, request.programmeId, window.start);
  if (found === null) {
    throw notFound(
      'programme_unknown',
      `there is no programme ${request.programmeId} valid at ${iso(window.start)}`,
      'programme_id',
    );
  }
  const programme = programmeOf(found);
  const rules = callRules(programme);
  const zone = zoneOf(programme);
  const others = await store.otherWindows(tx, discom, request.programmeId, eventId);
  const refusal = refuseWindow(rules, window, now, zoneDays(zone), others);
  if (refusal) throw refusal;
  const [unknown] = await unknownAreas(tx, discom, request.areaIds);
  if (unknown !== undefined) throw notFound('area_unknown', `there is no area ${unknown}`, 'area_ids');
  const event: store.EventRow = {
    eventId,
    programmeId: programme.programmeId,
    termsVersion: programme.version,
    state: 'SCHEDULED',
    zone,
    direction: directionOf(programme),
    intervalMinutes: rules.intervalMinutes,
    ...timesOf(rules, window),
    targetW: readTarget(request.targetW, window, rules.intervalMinutes),
    areaIds: request.areaIds,
    reason: request.reason,
    test: request.test,
    scheduledAt: now,
    notified: false,
    issued: false,
    committedAt: null,
    commitmentDigest: '',
    canonical: '',
    traceparent: trace.here(),
  };
  await store.insertEvent(tx, discom, event);
  await facts.publish(tx, {
    discom,
    key: eventId,
    body: { case: 'eventScheduled', value: create(EventSchema, eventMessage(event)) },
  });
  return eventId;
}

/** Before gate closure another window or target; afterwards only an earlier end on the grid. */
export async function change({ clock, facts }: Deps, tx: Tx, { discom }: Caller, request: ChangeEventRequest): Promise<void> {
  const now = clock.now();
  const event = await openEvent(tx, discom, request.eventId);
  const window = request.window ? readWindow(request.window) : event.window;
  if (event.state === 'SCHEDULED' && now < event.gateClosureAt) {
    await lockProgramme(tx, discom, event.programmeId);
    const found = await programmeAt(tx, discom, event.programmeId, window.start);
    if (found === null)
      throw notFound('programme_unknown', `${event.programmeId} is not valid at ${iso(window.start)}`, 'window');
    const programme = programmeOf(found);
    const rules = callRules(programme);
    const refusal = refuseWindow(
      rules,
      window,
      now,
      zoneDays(zoneOf(programme)),
      await store.otherWindows(tx, discom, event.programmeId, event.eventId),
    );
    if (refusal) throw refusal;
    const targetW = request.targetW ? readTarget(request.targetW, window, rules.intervalMinutes) : event.targetW;
    if (targetW.length > 1 && targetW.length !== intervalsIn(window, rules.intervalMinutes))
      throw wrongTarget(window, rules.intervalMinutes);
    await store.saveEvent(tx, discom, {
      ...event,
      ...timesOf(rules, window),
      targetW,
      termsVersion: programme.version,
      zone: zoneOf(programme),
      direction: directionOf(programme),
      intervalMinutes: rules.intervalMinutes,
    });
  } else {
    if (request.targetW) throw conflict('target_frozen', 'the target was committed at gate closure', 'target_w');
    if (window.start !== event.window.start) throw conflict('only_shortening', 'after gate closure the start stands', 'window');
    const refusal = refuseShortening(event.window, window.end, event.intervalMinutes, now);
    if (refusal) throw refusal;
    await store.saveEvent(tx, discom, { ...event, window });
    const rows = await lockInstructions(tx, discom, { eventId: event.eventId });
    // Told anew with the earlier end; whoever does not hear it is released then.
    const told = (row: store.InstructionRow) =>
      row.issuedAt !== null && row.errand === null && ['ISSUED', 'ACKNOWLEDGED', 'APPLIED', 'CONFIRMED'].includes(row.state);
    await saveInstructions(
      tx,
      discom,
      rows.map((row) => ({
        ...row,
        window: { ...row.window, end: window.end },
        errand: told(row) ? ('apply' as const) : row.errand,
      })),
    );
  }
  await facts.publish(tx, {
    discom,
    key: event.eventId,
    body: {
      case: 'eventChanged',
      value: {
        $typeName: 'lachak.v1.EventChanged',
        eventId: event.eventId,
        window: intervalMessage(window),
        reason: request.reason,
      },
    },
  });
}

/** Before the window opens nothing is settled; while it runs, the whole intervals that passed are. */
export async function cancelEvent(deps: Deps, tx: Tx, { discom }: Caller, eventId: string, reason: string): Promise<void> {
  const now = deps.clock.now();
  const event = await openEvent(tx, discom, eventId);
  const passed = event.state === 'SCHEDULED' ? null : passedIntervals(event.window, event.intervalMinutes, now);
  if (passed) await finish(deps, tx, discom, { ...event, window: passed, reason: reason || event.reason }, 'ENDED', now);
  else await cancel(deps, tx, discom, event, reason || event.reason, now);
}

/** A household's answer: "I will", "not this time", or leaving the running event. Always possible until the event is over. */
export async function answer({ clock }: Deps, tx: Tx, caller: Caller, request: AnswerRequest): Promise<string> {
  const { discom } = caller;
  const scope = scopeOf(caller);
  const now = clock.now();
  if ((request.resourceId === '') === (request.settlementPointId === '')) {
    throw invalid('one_of_two', 'name either a resource or a settlement point', 'resource_id');
  }
  const event = await store.eventById(tx, discom, request.eventId);
  const rows = await lockInstructions(tx, discom, {
    eventId: request.eventId,
    ...(request.resourceId === '' ? { settlementPointId: request.settlementPointId } : { resourceId: request.resourceId }),
  });
  const mine = rows.filter(
    (row) =>
      (scope.organisation === null || row.organisationId === scope.organisation) &&
      (scope.participant === null || row.participantId === scope.participant),
  );
  if (!event || mine.length === 0) throw notFound('instruction_unknown', 'nothing of yours was asked in that event', 'event_id');
  if (event.state === 'ENDED' || event.state === 'CANCELLED')
    throw conflict('event_over', `${event.eventId} is over`, 'event_id');
  const changed = mine.flatMap((row): store.InstructionRow[] => {
    if (request.will) {
      if (row.state === 'OPTED_OUT') throw conflict('left_already', 'this event was left; the next one asks again', 'will');
      // A device answers for itself; only a person's word counts here.
      return row.kind === BEHAVIOURAL ? [moveTo(row, 'will', now, request.reason)].filter((moved) => moved !== null) : [];
    }
    const moved = moveTo(row, row.issuedAt === null ? 'will_not' : 'opt_out', now, request.reason || 'not this time');
    return moved ? [{ ...moved, errand: row.issuedAt === null ? null : 'release' }] : [];
  });
  await saveInstructions(tx, discom, changed);
  return mine[0]!.instructionId;
}

async function openEvent(tx: Tx, discom: string, eventId: string): Promise<store.EventRow> {
  const event = await store.eventById(tx, discom, eventId, true);
  if (!event) throw notFound('event_unknown', `there is no event ${eventId}`, 'event_id');
  if (event.state === 'ENDED' || event.state === 'CANCELLED') throw conflict('event_over', `${eventId} is over`, 'event_id');
  return event;
}

/** Limits count a programme's events: one is scheduled or moved at a time. */
async function lockProgramme(tx: Tx, discom: string, programmeId: string): Promise<void> {
  await tx.query('select pg_advisory_xact_lock(hashtextextended($1, 0))', [`schedule/${discom}/${programmeId}`]);
}

function timesOf(rules: CallRules, window: Interval) {
  const noticeAt = noticeInstant(rules, window.start);
  return {
    window,
    planned: window,
    gateClosureAt: gateClosure(rules, window.start),
    noticeAt,
    issueAt: Math.max(noticeAt, window.start - ISSUE_LEAD_MS),
  };
}

function readWindow(window: IntervalOnWire | undefined): Interval {
  if (!window) throw invalid('window_missing', 'say when the event begins and ends', 'window');
  return { start: instantOf(window.startMs), end: instantOf(window.endMs) };
}
function instantOf(ms: bigint): Instant {
  if (ms < 0n || ms > 8_640_000_000_000_000n) throw invalid('instant_out_of_range', `${ms} ms is no instant`, 'window');
  return Number(ms);
}

const intervalsIn = (window: Interval, minutes: number): number => (window.end - window.start) / (minutes * MINUTE);
const wrongTarget = (window: Interval, minutes: number) =>
  invalid(
    'target_length',
    `a target has one value, or one for each of the ${intervalsIn(window, minutes)} intervals`,
    'target_w',
  );

function readTarget(series: Series | undefined, window: Interval, minutes: number): number[] {
  const values = (series?.values ?? []).map(Number);
  if (values.length > 1 && values.length !== intervalsIn(window, minutes)) throw wrongTarget(window, minutes);
  if (values.some((value) => value <= 0 || !Number.isSafeInteger(value))) {
    throw invalid('target_not_positive', 'targets are whole watts above zero; leave them out to call all there is', 'target_w');
  }
  return values;
}
