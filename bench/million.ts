import { coreBytes } from '../services/host/core-file.ts';
import { openDays, type VersionName } from '../services/performance/column-file.ts';
import { loadKernel } from '../services/performance/kernel.ts';
import type { DayMatchingSpec } from '../services/performance/spec.ts';

const EVENT_SLOTS = 12;
const WINDOW_SLOTS = 8;
const MILLION = 1_000_000;

/** High 5 of 10, ratio within ±20 %. */
const SPEC: DayMatchingSpec = {
  ...{ select: 'high', x: 5, y: 10, minDays: 5, lowUsage: null, floorZero: true, direction: 'reduce' },
  adjustment: { kind: 'multiplicative', direction: 'both', lo: { num: 4, den: 5 }, hi: { num: 6, den: 5 }, cap: null },
};

/**
 * A million meters from their tiles to baseline and delivered Wh of every interval, on one thread, from the page cache: the shards of
 * `names` (by shard, then day; the last day is the event's) over and over until there are as many. Milliseconds of each pass, by the clock
 * and of the processor.
 */
export async function millionMeters(
  root: string,
  names: readonly VersionName[][],
  shape: { readonly meters: number; readonly days: number; readonly from: number },
  passes: number,
): Promise<{ readonly clock: number; readonly processor: number }[]> {
  const { batch, columnSums } = await loadKernel(coreBytes());
  const days = openDays(root, columnSums);
  const history = shape.days - 1;
  const door = batch.open({
    ...{ meters: shape.meters, days: history, eventSlots: EVENT_SLOTS, windowSlots: WINDOW_SLOTS, width: 2 },
  });
  // A day's rows are the event's slots, then those before it; rows of days run from the latest back.
  const event = EVENT_SLOTS * shape.meters;
  const places = [...door.history.toReversed(), door.actual].map((column) => [column.subarray(0, event), column.subarray(event)]);
  const start = shape.from + WINDOW_SLOTS;
  const shards = names.length / shape.days;
  const totals: number[] = [];
  const pass = (): number => {
    let total = 0;
    for (let done = 0; done < MILLION; done += shape.meters) {
      const first = ((done / shape.meters) % shards) * shape.days;
      for (const [d, [own, before]] of places.entries()) {
        const day = days.open(names[first + d]!);
        day.read('import', start, start + EVENT_SLOTS, own!);
        day.read('import', shape.from, start, before!);
      }
      for (const wh of batch.run(SPEC).deliveredTotalWh) total += wh;
    }
    return total;
  };
  const took = Array.from({ length: passes }, () => {
    const [begun, used] = [performance.now(), process.cpuUsage()];
    totals.push(pass());
    const { user, system } = process.cpuUsage(used);
    return { clock: performance.now() - begun, processor: (user + system) / 1000 };
  });
  days.close();
  if (Number.isNaN(totals[0]) || totals.some((total) => total !== totals[0]))
    throw new Error(`passes differ: ${totals.join(', ')}`);
  return took;
}
