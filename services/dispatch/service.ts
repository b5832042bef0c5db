import { create, equals, type MessageInitShape, toBinary } from '@bufbuild/protobuf';
import {
  AnswerRequestSchema,
  CancelEventRequestSchema,
  ChangeEventRequestSchema,
  CommitmentSchema,
  Dispatch,
  EventStatusSchema,
  ScheduleEventRequestSchema,
} from '../../gen/lachak/v1/dispatch_pb.ts';
import { grouped } from '../domain/grouped.ts';
import { conflict, invalid, notFound } from '../domain/outcome.ts';
import { once } from '../host/command.ts';
import { bind, type Caller, type Deps, type Handlers, type Room, type RoomMaker, type Tx } from '../host/room.ts';
import { commandScope, type Scope, scopeOf } from '../host/scope.ts';
import { zoneDays } from '../host/zone.ts';
import { answer, cancelEvent, change, schedule } from './commands-service.ts';
import { conduct } from './conduct-service.ts';
import { RETRY_MS, runErrands } from './errand-service.ts';
import { eventDays } from './event-days.ts';
import { follow } from './follow-service.ts';
import { askedOf, instructionsOf, listInstructions, optOutsOf } from './instruction-store.ts';
import { programmeAt } from './learned-store.ts';
import { type LiveReports, openLive } from './live-service.ts';
import { commitmentMessage, eventMessage, instructionMessage, statusMessage } from './messages.ts';
import { seasonStart } from './schedule.ts';
import { statusOf } from './status.ts';
import * as store from './store.ts';
import { callRules, programmeOf } from './terms.ts';

/** Wall time between two looks at one watched event, so that a burst of answers is one change. */
const WATCH_PACE_MS = 100;
const WATCH_POLL_MS = 1000;

export const room: RoomMaker = { name: 'dispatch', migrations: new URL('./migrations/', import.meta.url), make };

function make(deps: Deps): Room {
  const { clock, database } = deps;
  const live = openLive(deps);
  // Of errands only: while the devices room is away, the next attempt. Kept in memory, since a restart may try at once.
  let retryAt: number | null = null;
  const waker = clock.wake('events', {
    next: async () => {
      const due = await store.nextDue(database, retryAt === null);
      return retryAt === null ? due : Math.min(retryAt, due ?? retryAt);
    },
    run: async (now) => {
      try {
        await conduct(deps, live, now);
      } finally {
        // Whatever became of one event, what the others have decided is carried out.
        await live.listen();
        if (retryAt === null || now >= retryAt) retryAt = (await runErrands(deps, live, now)) ? null : now + RETRY_MS;
      }
    },
  });
  follow(deps, live, () => waker.stir());
  return {
    bindings: [
      bind(
        Dispatch,
        handlers(deps, live, () => waker.stir()),
      ),
    ],
    start: () => live.listen(),
    stop: () => live.stop(),
  };
}

function handlers(deps: Deps, live: LiveReports, stir: () => void): Handlers<typeof Dispatch> {
  const { database, clock } = deps;
  const commanded = async (
    caller: Caller,
    commandId: string,
    verb: string,
    content: Uint8Array,
    work: (tx: Tx) => Promise<string>,
  ) => {
    const { outcome, repeated } = await database.tx((tx) =>
      once(tx, { discom: caller.discom, organisation: commandScope(caller), commandId, verb, content }, () => work(tx)),
    );
    stir();
    return { id: outcome, repeated };
  };
  const shown = async (scope: Scope, eventId: string) => {
    const event = await store.seesEvent(database, scope, eventId);
    if (!event) throw notFound('event_unknown', `there is no event ${eventId}`, 'event_id');
    return eventMessage(event, await statusNow(scope, event));
  };
  return {
    scheduleEvent: async (request, caller) => {
      const content = toBinary(ScheduleEventRequestSchema, request);
      const { id } = await commanded(caller, request.commandId, 'ScheduleEvent', content, (tx) =>
        schedule(deps, tx, caller, request),
      );
      return shown(scopeOf(caller), id);
    },
    changeEvent: async (request, caller) => {
      const content = toBinary(ChangeEventRequestSchema, request);
      await commanded(caller, request.commandId, 'ChangeEvent', content, async (tx) => {
        await change(deps, tx, caller, request);
        return request.eventId;
      });
      live.changed(caller.discom, request.eventId);
      return shown(scopeOf(caller), request.eventId);
    },
    cancelEvent: async (request, caller) => {
      const content = toBinary(CancelEventRequestSchema, request);
      await commanded(caller, request.commandId, 'CancelEvent', content, async (tx) => {
        await cancelEvent(deps, tx, caller, request.eventId, request.reason);
        return request.eventId;
      });
      live.changed(caller.discom, request.eventId);
      return shown(scopeOf(caller), request.eventId);
    },
    getEvent: ({ eventId }, caller) => shown(scopeOf(caller), eventId),
    listEvents: async ({ programmeId, span, page }, caller) => {
      const scope = scopeOf(caller);
      const size = Math.min(page?.size || 100, 1000);
      const rows = await store.listEvents(
        database,
        scope,
        { programmeId, span: span ? { start: Number(span.startMs), end: Number(span.endMs) } : null },
        { after: readToken(page?.token ?? ''), size },
      );
      const last = rows.at(-1);
      return {
        events: rows.map((row) => eventMessage(row)),
        nextPageToken: rows.length < size || !last ? '' : `${last.window.start}/${last.eventId}`,
      };
    },
    watchEvent: (request, caller) => watch(scopeOf(caller), request.eventId, caller.signal),
    listInstructions: async ({ eventId, participantId, search, page }, caller) => {
      await live.listen(); // another instance may have begun the event
      const size = Math.min(page?.size || 100, 1000);
      const filter = { eventId, participantId, search };
      const rows = await listInstructions(database, scopeOf(caller), filter, { after: page?.token ?? '', size });
      const power = live.of(caller.discom);
      return {
        instructions: rows.map((row) => instructionMessage(row, power.get(row.resourceId))),
        nextPageToken: rows.length < size ? '' : `${rows.at(-1)!.resourceId}/${rows.at(-1)!.instructionId}`,
      };
    },
    answer: async (request, caller) => {
      const content = toBinary(AnswerRequestSchema, request);
      const { id, repeated } = await commanded(caller, request.commandId, 'Answer', content, (tx) =>
        answer(deps, tx, caller, request),
      );
      live.changed(caller.discom, request.eventId);
      return { id, repeatedCommand: repeated };
    },
    getCommitment: async ({ eventId, shard, allShards }, caller) => {
      const event = await store.eventById(database, caller.discom, eventId);
      if (!event || event.canonical === '')
        throw notFound('commitment_unknown', `there is no commitment of an event ${eventId}`, 'event_id');
      const members = await store.membersOf(database, caller.discom, eventId, allShards ? null : shard);
      const programme = await programmeAt(database, caller.discom, event.programmeId, 0, event.termsVersion);
      const message = commitmentMessage(event, members, programme);
      // The digest is over all shards: one shard's members come without the whole.
      return allShards ? message : create(CommitmentSchema, { ...message, canonical: '' });
    },
    getEventDays: async ({ settlementPointIds, span }, caller) => {
      if (!span || span.endMs <= span.startMs) throw invalid('span_empty', 'say from when to when', 'span');
      const wanted = { start: Number(span.startMs), end: Number(span.endMs) };
      const asked = await askedOf(database, caller.discom, settlementPointIds, wanted);
      return { days: [...grouped(asked, (one) => one.zone)].flatMap(([zone, some]) => eventDays(some, zoneDays(zone), wanted)) };
    },
    getOptOuts: async ({ eventId, shard }, { discom }) => {
      const event = await store.eventById(database, discom, eventId);
      if (!event) throw notFound('event_unknown', `there is no event ${eventId}`, 'event_id');
      if (event.state !== 'ENDED') throw conflict('event_not_over', `event ${eventId} is ${event.state}: it can still be left`);
      const programme = await programmeAt(database, discom, event.programmeId, 0, event.termsVersion);
      const zone = zoneDays(event.zone);
      const first = seasonStart(zone.dayOf(event.window.start), callRules(programmeOf(programme)));
      return { optOuts: await optOutsOf(database, discom, event, shard, zone.startOf(first)) };
    },
  };

  async function* watch(
    scope: Scope,
    eventId: string,
    signal: AbortSignal,
  ): AsyncGenerator<MessageInitShape<typeof EventStatusSchema>> {
    const changes = live.signal(scope.discom, eventId);
    await live.listen();
    let last = create(EventStatusSchema);
    while (!signal.aborted && !live.stopping.aborted) {
      const seen = changes.count;
      const event = await store.seesEvent(database, scope, eventId);
      if (!event) throw notFound('event_unknown', `there is no event ${eventId}`, 'event_id');
      const status = create(EventStatusSchema, await statusNow(scope, event));
      // The instant alone is no change.
      if (!equals(EventStatusSchema, { ...status, atMs: 0n }, { ...last, atMs: 0n })) yield status;
      last = status;
      if (event.state === 'ENDED' || event.state === 'CANCELLED') return;
      await new Promise((done) => setTimeout(done, WATCH_PACE_MS));
      await changes.beyond(seen, WATCH_POLL_MS);
    }
  }
  async function statusNow(scope: Scope, event: store.EventRow) {
    const rows = await instructionsOf(database, scope.discom, { eventId: event.eventId });
    const mine = rows.filter(
      (row) =>
        (scope.organisation === null || row.organisationId === scope.organisation) &&
        (scope.participant === null || row.participantId === scope.participant),
    );
    const now = clock.now();
    const status = statusOf(mine, live.of(scope.discom), event.direction, event.window, now);
    return statusMessage(event, status, await store.holdoutCount(database, scope.discom, event.eventId, scope.organisation), now);
  }
}

function readToken(token: string): { start: number; eventId: string } | null {
  const found = /^(\d{1,16})\/(.+)$/.exec(token);
  return found ? { start: Number(found[1]), eventId: found[2]! } : null;
}
