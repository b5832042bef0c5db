import { Devices } from '../../gen/lachak/v1/devices_pb.ts';
import { Direction, Proof } from '../../gen/lachak/v1/types_pb.ts';
import { type Instant, MINUTE } from '../domain/interval.ts';
import { Refusal } from '../domain/outcome.ts';
import { killPoint } from '../host/faults.ts';
import type { Deps } from '../host/room.ts';
import { moveTo } from './ending-service.ts';
import { errands, lockInstructions, saveInstructions } from './instruction-store.ts';
import { wishFor } from './kinds.ts';
import { deviceLimits } from './learned-store.ts';
import type { LiveReports } from './live-service.ts';
import * as store from './store.ts';

/** Instructions per call to the devices room. */
const CALL = 200;
/** Domain time until a devices room that was away is asked again. */
export const RETRY_MS = MINUTE / 2;

/**
 * Tells the devices room what rows say it has not yet taken. An instruction's id is derived from event and resource and the room
 * takes each once, so telling again after a kill changes nothing. False: the room is away; ask again later.
 */
export async function runErrands(deps: Deps, live: LiveReports, now: Instant): Promise<boolean> {
  for (;;) {
    const { discom, rows } = await errands(deps.database, CALL);
    const first = rows[0];
    if (!first) return true;
    try {
      const refused = first.errand === 'apply' ? await apply(deps, discom, rows, now) : await release(deps, discom, rows);
      killPoint('dispatch.after_errand');
      await taken(deps, discom, rows, refused, now);
      live.changed(discom, first.eventId);
    } catch (error) {
      if (!(error instanceof Refusal && error.kind === 'unavailable')) throw error;
      deps.log.warn(
        { event: first.eventId, errand: first.errand, error: error.message },
        'the devices room is away; trying again',
      );
      return false;
    }
  }
}

/** Reason by instruction for those the room did not take. */
async function apply(
  deps: Deps,
  discom: string,
  rows: readonly store.InstructionRow[],
  now: Instant,
): Promise<Map<string, string>> {
  const event = await store.eventById(deps.database, discom, rows[0]!.eventId);
  const limits = await deviceLimits(
    deps.database,
    discom,
    rows.map((row) => row.resourceId),
  );
  const late = rows.filter((row) => row.window.end <= now);
  const refused = new Map(late.map((row) => [row.instructionId, 'the window ended before it could be sent']));
  const wanted = rows.filter((row) => row.window.end > now);
  if (wanted.length === 0) return refused;
  const direction = event!.direction;
  const span = {
    name: 'dispatch instructs',
    kind: 'producer',
    because: event!.traceparent,
    about: { 'lachak.event': event!.eventId },
  } as const;
  const answer = await deps.trace.span(span, () =>
    deps.connect(Devices).apply(
      {
        states: wanted.map((row) => {
          const limit = limits.get(row.resourceId) ?? { ratedW: 0, minPowerW: 0, maxSetpointDeltaC: 0 };
          const wish = wishFor(row.kind, direction, limit);
          return {
            instructionId: row.instructionId,
            eventId: row.eventId,
            resourceId: row.resourceId,
            deviceId: row.deviceId,
            valid: { startMs: BigInt(row.window.start), endMs: BigInt(row.window.end) },
            direction: Direction[direction],
            level: 1,
            maxPowerW: BigInt(wish.maxPowerW ?? 0),
            hasMaxPower: wish.maxPowerW !== null,
            setpointDeltaC: wish.setpointDeltaC,
            // A device that comes back while the window is open still takes it up.
            expiresAtMs: BigInt(row.window.end),
            traceparent: deps.trace.here(),
          };
        }),
      },
      { discom },
    ),
  );
  for (const { instructionId, code, message } of answer.refused) refused.set(instructionId, message || code);
  return refused;
}

async function release(deps: Deps, discom: string, rows: readonly store.InstructionRow[]): Promise<Map<string, string>> {
  await deps
    .connect(Devices)
    .release({ instructionIds: rows.map((row) => row.instructionId), reason: rows[0]!.reason }, { discom });
  return new Map();
}

async function taken(
  deps: Deps,
  discom: string,
  sent: readonly store.InstructionRow[],
  refused: ReadonlyMap<string, string>,
  now: Instant,
): Promise<void> {
  await deps.database.tx(async (tx) => {
    const errand = sent[0]!.errand;
    const rows = await lockInstructions(tx, discom, { instructionIds: sent.map((row) => row.instructionId) });
    // One that was opted out of while it was being sent now has another errand, which stays.
    const done = rows.filter((row) => row.errand === errand);
    await saveInstructions(
      tx,
      discom,
      done.map((row) => {
        const no = errand === 'apply' ? refused.get(row.instructionId) : undefined;
        if (no !== undefined) return { ...(moveTo(row, 'reject', now, no) ?? row), errand: null };
        return { ...row, errand: null, proof: errand === 'apply' ? Math.max(row.proof, Proof.L0_SENT) : row.proof };
      }),
    );
  });
}
