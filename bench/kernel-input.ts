import type { DayMatchingSpec, Select } from '../services/performance/spec.ts';

/*
 * 200 000 meters × 11 days × 96 quarter hours, by a formula that SQL can say too: household loads with a little noise, 1 reading in 667
 * missing. The event are the slots 72 … 83, the adjustment window 64 … 71; day 0 is the event day.
 */
export const METERS = 200_000;
export const DAYS = 10;
export const EVENT_SLOTS = 12;
export const WINDOW_SLOTS = 8;
export const SLOTS = EVENT_SLOTS + WINDOW_SLOTS;
export const CELLS = SLOTS * METERS;
export const MISSING_16 = -32768;
/** Slot of the day of each row of a column: event first, then window. */
export const DAY_SLOTS = Array.from({ length: SLOTS }, (_, row) => (row < EVENT_SLOTS ? 72 + row : 52 + row));
const PRIME = 2_147_483_647;

/** [days, latest first, then the event day][W+A][M] */
export function readings(): Int16Array {
  const found = new Int16Array((DAYS + 1) * CELLS);
  for (let block = 0; block <= DAYS; block++) {
    const day = block === DAYS ? 0 : block + 1;
    for (const [row, slot] of DAY_SLOTS.entries()) {
      const at = block * CELLS + row * METERS;
      for (let m = 0; m < METERS; m++) found[at + m] = reading(m, day, slot);
    }
  }
  return found;
}

function reading(m: number, day: number, slot: number): number {
  const first = (m * 48_271 + day * 1_000_003 + slot * 7919 + 12_345) % PRIME;
  const second = (first * 48_271) % PRIME;
  const third = (second * 69_621) % PRIME;
  if (Math.floor(second / 7) % 667 === 0) return MISSING_16;
  return Math.floor(((60 + ((m * 7919) % 700)) * (512 + (Math.floor(third / 1024) % 1024))) / 1024);
}

/** The same in SQL: a table reading(m, d, t, wh) of every slot of every day, wh null where missing. */
export const TABLE = `
  CREATE TABLE reading AS
  SELECT m, d, t, CASE WHEN (second // 7) % 667 = 0 THEN NULL
    ELSE ((60 + (m::BIGINT * 7919) % 700) * (512 + (third // 1024) % 1024)) // 1024 END::SMALLINT AS wh
  FROM (SELECT *, (second * 69621) % ${PRIME} AS third FROM (SELECT *, (first * 48271) % ${PRIME} AS second FROM (
    SELECT m::INTEGER AS m, d::TINYINT AS d, t::TINYINT AS t, (m * 48271 + d * 1000003 + t * 7919 + 12345) % ${PRIME} AS first
    FROM range(${METERS}) AS meters(m), range(${DAYS + 1}) AS days(d), range(96) AS slots(t))))`;

/** All 10 of 10, or high 5 of 10; ratio within ±20 %. */
export const specOf = (select: Select, x: number): DayMatchingSpec => ({
  ...{ select, x, y: DAYS, minDays: 5, lowUsage: null, floorZero: true, direction: 'reduce' },
  adjustment: { kind: 'multiplicative', direction: 'both', lo: { num: 4, den: 5 }, hi: { num: 6, den: 5 }, cap: null },
});

/** What every rival must say: whole Wh, NaN (a total) or −2³¹ (an interval) where there is none. Rows of METERS. */
export type Said = {
  readonly baselineTotalWh: Float64Array;
  readonly deliveredTotalWh: Float64Array;
  readonly baselineWh: Int32Array;
  readonly deliveredWh: Int32Array;
};

/** Throws at the first cell in which a rival differs. */
export function demandSame(rival: string, wanted: Said, got: Said): void {
  for (const name of Object.keys(wanted) as (keyof Said)[]) {
    const [a, b] = [wanted[name], got[name]];
    if (a.length !== b.length) throw new Error(`${rival}: ${name} has ${b.length} cells, not ${a.length}`);
    for (let i = 0; i < a.length; i++)
      if (!Object.is(a[i], b[i])) throw new Error(`${rival}: ${name} of meter ${i % METERS}: ${b[i]}, the core says ${a[i]}`);
  }
}
