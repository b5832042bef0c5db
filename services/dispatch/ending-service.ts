import { EventState as EventStateOnWire } from '../../gen/lachak/v1/dispatch_pb.ts';
import type { Instant } from '../domain/interval.ts';
import type { Deps, Tx } from '../host/room.ts';
import { type Input, isFinal, step } from './instruction-state.ts';
import { lockInstructions, saveInstructions } from './instruction-store.ts';
import * as store from './store.ts';

/** Ends an event as it stands: what still runs is released, and what is settled is said. */
export async function finish(
  { facts }: Deps,
  tx: Tx,
  discom: string,
  event: store.EventRow,
  state: 'ENDED' | 'CANCELLED',
  now: Instant,
): Promise<void> {
  const rows = await lockInstructions(tx, discom, { eventId: event.eventId });
  const cause = state === 'ENDED' ? 'the window ended' : 'the event was cancelled';
  await saveInstructions(
    tx,
    discom,
    rows
      .filter((row) => !isFinal(row.state) || row.errand !== null)
      .map((row) => {
        const released = moveTo(row, 'release', now, cause) ?? row;
        // Belt and braces: devices end by themselves, yet one that was told something is told that it is over.
        return { ...released, errand: row.issuedAt !== null ? ('release' as const) : null };
      }),
  );
  await store.saveEvent(tx, discom, { ...event, state });
  await facts.publish(tx, {
    discom,
    key: event.eventId,
    body: {
      case: 'eventEnded',
      value: {
        $typeName: 'lachak.v1.EventEnded',
        eventId: event.eventId,
        state: EventStateOnWire[state],
        window: { $typeName: 'lachak.v1.Interval', startMs: BigInt(event.window.start), endMs: BigInt(event.window.end) },
      },
    },
  });
}

export async function cancel(
  deps: Deps,
  tx: Tx,
  discom: string,
  event: store.EventRow,
  reason: string,
  now: Instant,
): Promise<void> {
  const nothing = { start: event.window.start, end: event.window.start };
  await finish(deps, tx, discom, { ...event, window: nothing, reason }, 'CANCELLED', now);
}

/** The row after an input; null when the table says nothing changes. */
export function moveTo(row: store.InstructionRow, input: Input, at: Instant, reason: string): store.InstructionRow | null {
  const state = step(row.state, input);
  return state === null ? null : { ...row, state, changedAt: at, reason };
}
