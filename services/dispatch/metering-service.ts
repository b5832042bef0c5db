import { Metering } from '../../gen/lachak/v1/metering_pb.ts';
import { SupplyState } from '../../gen/lachak/v1/types_pb.ts';
import type { Interval } from '../domain/interval.ts';
import { Refusal } from '../domain/outcome.ts';
import type { Deps } from '../host/room.ts';

/** Ids per call: well below the message limit. */
const CALL = 2000;

/** Mean W by meter over the window's minutes of recent like days; meters without readings are left out. */
export async function typicalLoad(
  deps: Deps,
  discom: string,
  meterIds: readonly string[],
  window: Interval,
): Promise<Map<string, number>> {
  const metering = deps.connect(Metering);
  const found = new Map<string, number>();
  for (const some of slices(meterIds)) {
    const answer = await orNothing(deps, 'typical load', () =>
      metering.getTypicalLoad({ meterIds: some, window: wire(window), days: 5 }, { discom }),
    );
    for (const [i, meterId] of some.entries()) {
      if (answer?.known[i]) found.set(meterId, Number(answer.meanW[i]));
    }
  }
  return found;
}

/** Connections known to be without supply somewhere in the span. UNKNOWN is no outage. */
export async function notEnergised(
  deps: Deps,
  discom: string,
  connectionIds: readonly string[],
  span: Interval,
): Promise<Set<string>> {
  const metering = deps.connect(Metering);
  const found = new Set<string>();
  for (const some of slices([...new Set(connectionIds)])) {
    const answer = await orNothing(deps, 'supply status', () =>
      metering.getSupply({ connectionIds: some, span: wire(span), asOfMs: BigInt(deps.clock.now()) }, { discom }),
    );
    for (const { connectionId, state } of answer?.spans ?? []) {
      if (state === SupplyState.OUTAGE || state === SupplyState.LOAD_SHEDDING || state === SupplyState.DISCONNECTED)
        found.add(connectionId);
    }
  }
  return found;
}

/** An event does not wait for a room that is away: ratings stand in for typical load, and supply counts as unknown. It is logged. */
async function orNothing<T>({ log }: Deps, what: string, ask: () => Promise<T>): Promise<T | null> {
  try {
    return await ask();
  } catch (error) {
    if (!(error instanceof Refusal && error.kind === 'unavailable')) throw error;
    log.warn({ what, error: error.message }, 'metering is away; going on without');
    return null;
  }
}

function* slices(ids: readonly string[]): Generator<string[]> {
  for (let at = 0; at < ids.length; at += CALL) yield ids.slice(at, at + CALL);
}
const wire = ({ start, end }: Interval) => ({ startMs: BigInt(start), endMs: BigInt(end) });
