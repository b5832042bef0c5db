import { create, fromJson, type JsonValue, type MessageInitShape, toBinary, toJson } from '@bufbuild/protobuf';
import {
  ConsentSchema,
  EndEnrolmentRequestSchema,
  Enrolment,
  EnrolmentRecordSchema,
  EnrolRequestSchema,
  GiveConsentRequestSchema,
  Withdrawal_State,
  type WithdrawalSchema,
  WithdrawConsentRequestSchema,
} from '../../gen/lachak/v1/enrolment_pb.ts';
import type { Page } from '../../gen/lachak/v1/types_pb.ts';
import { conflict, notFound } from '../domain/outcome.ts';
import { once } from '../host/command.ts';
import { bind, type Caller, type Deps, type Handlers, type RoomMaker } from '../host/room.ts';
import { commandScope, type Scope, scopeOf } from '../host/scope.ts';
import { end, enrol, giveConsent, withdraw } from './acts-service.ts';
import { follow } from './follow-service.ts';
import { consentMessage, enrolmentMessage } from './messages.ts';
import * as store from './store.ts';

/** How long an answer to a withdrawal waits for the rooms that act on consents before it says PENDING. Wall time. */
const EFFECTIVE_WITHIN_MS = 3000;
/** Who acts on consents: dispatch writes instructions, performance opens readings, metering shows them to organisations. */
const ACTING = ['dispatch', 'metering', 'performance'] as const;

export const room: RoomMaker = {
  name: 'enrolment',
  migrations: new URL('./migrations/', import.meta.url),
  make: (deps) => {
    follow(deps);
    return { bindings: [bind(Enrolment, handlers(deps))], start: async () => {}, stop: async () => {} };
  },
};

function handlers(deps: Deps): Handlers<typeof Enrolment> {
  const { database, clock, facts } = deps;
  return {
    giveConsent: async (request, caller) => {
      const draft = request.consent ?? create(ConsentSchema);
      const given = await database.tx(async (tx) => {
        const made = await once(
          tx,
          command(caller, request.commandId, 'GiveConsent', toBinary(GiveConsentRequestSchema, request)),
          () => giveConsent(deps, tx, caller, request.commandId, draft),
        );
        return fromJson(ConsentSchema, made.outcome);
      });
      return given;
    },
    withdrawConsent: async (request, caller) => {
      const scope = scopeOf(caller);
      const found = await store.consentById(database, scope, request.consentId);
      if (!found) throw unknownConsent(request.consentId);
      await database.tx((tx) =>
        once(
          tx,
          command(caller, request.commandId, 'WithdrawConsent', toBinary(WithdrawConsentRequestSchema, request)),
          async () => {
            await store.lockConnection(tx, caller.discom, found.connectionId);
            await withdraw(deps, tx, caller.discom, found, clock.now(), request.reason || 'withdrawn');
            return {};
          },
        ),
      );
      // Only now: the position covers the fact just committed.
      await store.recordPosition(database, caller.discom, request.consentId, await facts.position());
      return withdrawal(deps, scope, request.consentId, EFFECTIVE_WITHIN_MS);
    },
    getWithdrawal: async (request, caller) => withdrawal(deps, scopeOf(caller), request.consentId, 0),
    listConsents: async ({ participantId, connectionId, page }, caller) => {
      const paging = pagingOf(page);
      const rows = await store.listConsents(database, scopeOf(caller), { participantId, connectionId }, paging);
      return { consents: rows.map(consentMessage), nextPageToken: nextToken(rows, paging.size, (row) => row.consentId) };
    },
    enrol: async (request, caller) => {
      const made = await database.tx((tx) =>
        once(tx, command(caller, request.commandId, 'Enrol', toBinary(EnrolRequestSchema, request)), async () => {
          const rows = await enrol(deps, tx, caller, request);
          return toJson(EnrolmentRecordSchema, {
            ...create(EnrolmentRecordSchema, enrolmentMessage(rows[0]!)),
            resourceIds: rows.map((row) => row.resourceId),
          }) as JsonValue;
        }),
      );
      return fromJson(EnrolmentRecordSchema, made.outcome);
    },
    endEnrolment: async (request, caller) => {
      const scope = scopeOf(caller);
      await database.tx((tx) =>
        once(tx, command(caller, request.commandId, 'EndEnrolment', toBinary(EndEnrolmentRequestSchema, request)), async () => {
          const found = await store.enrolmentById(tx, scope, request.enrolmentId);
          if (!found) throw notFound('enrolment_unknown', `there is no enrolment ${request.enrolmentId}`, 'enrolment_id');
          await store.lockConnection(tx, caller.discom, found.connectionId);
          const now = clock.now();
          if (found.to !== null && found.to <= now)
            throw conflict('enrolment_ended', `${found.enrolmentId} ended already`, 'enrolment_id');
          await end(deps, tx, caller.discom, found, now, request.reason || 'ended');
          return {};
        }),
      );
      return enrolmentMessage((await store.enrolmentById(database, scope, request.enrolmentId))!);
    },
    listEnrolments: async ({ programmeId, participantId, atMs, page }, caller) => {
      const paging = pagingOf(page);
      const at = Number(atMs) || clock.now();
      const rows = await store.listEnrolments(database, scopeOf(caller), { programmeId, participantId, at }, paging);
      return { enrolments: rows.map(enrolmentMessage), nextPageToken: nextToken(rows, paging.size, (row) => row.enrolmentId) };
    },
  };
}

async function withdrawal(
  { database, facts }: Deps,
  scope: Scope,
  consentId: string,
  waitMs: number,
): Promise<MessageInitShape<typeof WithdrawalSchema>> {
  const consent = await store.consentById(database, scope, consentId);
  if (!consent) throw unknownConsent(consentId);
  if (consent.withdrawnAt === null) throw conflict('consent_stands', `${consentId} was not withdrawn`, 'consent_id');
  // Killed between commit and noting the position: any later position covers it too.
  const position = consent.withdrawnPosition ?? (await facts.position());
  const passed = await facts.passed(position, ACTING, waitMs);
  return {
    consentId,
    withdrawnAtMs: BigInt(consent.withdrawnAt),
    state: passed ? Withdrawal_State.EFFECTIVE : Withdrawal_State.PENDING,
  };
}

const command = (caller: Caller, commandId: string, verb: string, content: Uint8Array) => ({
  discom: caller.discom,
  organisation: commandScope(caller),
  commandId,
  verb,
  content,
});
const unknownConsent = (id: string) => notFound('consent_unknown', `there is no consent ${id}`, 'consent_id');

const pagingOf = (page: Page | undefined): store.Paging => ({
  after: page?.token ?? '',
  size: Math.min(page?.size || 100, 1000),
});
const nextToken = <R>(rows: readonly R[], size: number, id: (row: R) => string): string =>
  rows.length < size ? '' : id(rows.at(-1)!);
