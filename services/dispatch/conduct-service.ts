import { standing } from '../domain/consent.ts';
import { grouped } from '../domain/grouped.ts';
import type { Instant } from '../domain/interval.ts';
import { killPoint } from '../host/faults.ts';
import type { Deps, Tx } from '../host/room.ts';
import { zoneDays } from '../host/zone.ts';
import { actOf, permitsAt } from './candidates.ts';
import { commit } from './commit-service.ts';
import { finish, moveTo } from './ending-service.ts';
import { type ConsentUse, instructionsOf, lockInstructions, recordUses, saveInstructions } from './instruction-store.ts';
import { BEHAVIOURAL } from './kinds.ts';
import { consentsOf, protectedOf } from './learned-store.ts';
import type { LiveReports } from './live-service.ts';
import { notEnergised } from './metering-service.ts';
import * as store from './store.ts';

/** Takes every step that is due at `now`, one transaction each; what was done before a kill is not done again. */
export async function conduct(deps: Deps, live: LiveReports, now: Instant): Promise<void> {
  const failures: unknown[] = [];
  for (const { discom, eventId } of await store.dueEvents(deps.database, now)) {
    try {
      await conductOne(deps, live, discom, eventId, now);
    } catch (error) {
      // One event in trouble is tried again and stops no other.
      deps.log.error({ discom, event: eventId, error }, 'a step of an event failed');
      failures.push(error);
    }
    live.changed(discom, eventId);
  }
  if (failures.length > 0) throw failures[0];
}

async function conductOne(deps: Deps, live: LiveReports, discom: string, eventId: string, now: Instant): Promise<void> {
  const event = await store.eventById(deps.database, discom, eventId);
  const span = {
    name: 'dispatch conducts',
    kind: 'internal',
    because: event?.traceparent ?? '',
    about: { 'lachak.event': eventId },
  } as const;
  await deps.trace.span(span, () => takeSteps(deps, live, discom, eventId, event, now));
}

async function takeSteps(
  deps: Deps,
  live: LiveReports,
  discom: string,
  eventId: string,
  event: store.EventRow | null,
  now: Instant,
): Promise<void> {
  if (event?.state === 'SCHEDULED') return commit(deps, discom, event, now);
  // Asked before the transaction: nobody's rows wait for another room.
  const issuing = event?.state === 'COMMITTED' && !event.issued && event.issueAt <= now;
  const rows = issuing ? await instructionsOf(deps.database, discom, { eventId, states: ['PLANNED', 'NOTIFIED'] }) : [];
  const connections = rows.map((row) => row.connectionId);
  const dark = issuing
    ? await notEnergised(deps, discom, connections, { start: now, end: event.window.start + 1 })
    : new Set<string>();
  await deps.database.tx((tx) => proceed(deps, live, tx, discom, eventId, now, dark));
}

/** Notice, issue, opening, end: whichever is due, in this order, under the event's lock. */
async function proceed(
  deps: Deps,
  live: LiveReports,
  tx: Tx,
  discom: string,
  eventId: string,
  now: Instant,
  dark: ReadonlySet<string>,
): Promise<void> {
  let event = await store.eventById(tx, discom, eventId, true);
  if (!event) return;
  if (event.state === 'COMMITTED' && !event.notified && event.noticeAt <= now) {
    const notices = await advance(tx, discom, event, 'notice', now, live, new Set());
    await told(deps, tx, discom, eventId, now, notices, 'notices');
    event = { ...event, notified: true };
  }
  if (event.state === 'COMMITTED' && !event.issued && event.issueAt <= now) {
    const issued = now < event.window.end ? await advance(tx, discom, event, 'issue', now, live, dark) : [];
    await told(deps, tx, discom, eventId, now, issued, 'instructions');
    event = { ...event, issued: true };
  }
  if (event.state === 'COMMITTED' && event.window.start <= now) {
    event = { ...event, state: 'ACTIVE' };
    // The last power before anything was asked is what a fall is measured against.
    const rows = await lockInstructions(tx, discom, { eventId });
    const start = event.window.start;
    const known = rows.flatMap((row) => {
      const report = live.of(discom).get(row.resourceId);
      return report && report.at <= start ? [{ ...row, referenceW: report.powerW }] : [];
    });
    await saveInstructions(tx, discom, known);
  }
  if (event.state === 'ACTIVE' && event.window.end <= now) {
    await finish(deps, tx, discom, event, 'ENDED', now);
    return;
  }
  await store.saveEvent(tx, discom, event);
  tx.afterCommit(() => killPoint('dispatch.after_step'));
}

/** Writes notices or instructions; here the gate is asked again, and what it or the network forbids is withheld. */
async function advance(
  tx: Tx,
  discom: string,
  event: store.EventRow,
  input: 'notice' | 'issue',
  now: Instant,
  live: LiveReports,
  dark: ReadonlySet<string>,
): Promise<store.InstructionRow[]> {
  const states = input === 'notice' ? (['PLANNED'] as const) : (['PLANNED', 'NOTIFIED'] as const);
  const rows = (await lockInstructions(tx, discom, { eventId: event.eventId, states })).filter(
    (row) => input === 'notice' || row.kind !== BEHAVIOURAL,
  );
  const connections = [...new Set(rows.map((row) => row.connectionId))];
  const consents = grouped(await consentsOf(tx, discom, connections), (consent) => consent.connectionId);
  const guarded = await protectedOf(tx, discom, connections, now);
  const day = zoneDays(event.zone).dayOf(event.window.start);
  const uses: ConsentUse[] = [];
  const moved = rows.map((row): store.InstructionRow => {
    const act = actOf(row, event.programmeId, now, day);
    const mine = consents.get(row.connectionId) ?? [];
    const gate = permitsAt(mine, act, [now, event.window.start, event.window.end - 1]);
    const consent = gate === 'permitted' ? standing(mine, act) : gate;
    const consentId = typeof consent === 'string' ? '' : consent.consentId;
    uses.push({ row, purpose: act.purpose, consentId, outcome: gate });
    const forbidden =
      gate !== 'permitted'
        ? `consent ${gate}`
        : guarded.has(row.connectionId)
          ? 'protected connection'
          : dark.has(row.connectionId)
            ? 'no supply'
            : '';
    if (forbidden !== '') return moveTo(row, 'withhold', now, forbidden) ?? row;
    const next = moveTo(row, input, now, '') ?? row;
    if (input === 'notice') return { ...next, notifiedAt: now };
    return { ...next, issuedAt: now, errand: 'apply', referenceW: live.of(discom).get(row.resourceId)?.powerW ?? null };
  });
  await saveInstructions(tx, discom, moved);
  await recordUses(tx, discom, input, uses, now);
  return moved.filter((row) => row.state !== 'WITHHELD');
}

async function told(
  { facts }: Deps,
  tx: Tx,
  discom: string,
  eventId: string,
  now: Instant,
  rows: readonly store.InstructionRow[],
  what: 'notices' | 'instructions',
): Promise<void> {
  for (const [shard, some] of grouped(rows, (row) => String(row.shard))) {
    await facts.publish(tx, {
      discom,
      key: eventId,
      body: {
        case: 'instructionIssued',
        value: {
          $typeName: 'lachak.v1.InstructionIssued',
          eventId,
          shard: Number(shard),
          instructions: what === 'instructions' ? some.length : 0,
          notices: what === 'notices' ? some.length : 0,
          atMs: BigInt(now),
        },
      },
    });
  }
}
