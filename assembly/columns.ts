/*
 * The arena: where columns lie. A column is a flat run of equal cells, lane (settlement point) fastest: [row][meter].
 * Nothing is allocated: a column's address is a pure function of the shape (meters M, days D, event slots W, window slots A),
 * so two calls with one shape see one layout and no global survives between calls.
 */

/** Absent reading in the i32 columns. A gap is never a zero. */
export const MISSING: i32 = i32.MIN_VALUE;

// Inputs.
export const HISTORY: i32 = 0; //           i32 [D][W+A][M]
export const EXCLUDED: i32 = 1; //          u8  [D][M]
export const ACTUAL: i32 = 2; //            i32 [W+A][M]
export const NOT_SETTLED: i32 = 3; //       u8  [W][M]
// Outputs.
export const STATUS: i32 = 4; //            u8  [M]
export const FLAGS: i32 = 5; //             u8  [M]
export const DAY: i32 = 6; //               u8  [D][M]
export const SCORE: i32 = 7; //             i64 [D][M]
export const SELECTED_COUNT: i32 = 8; //    i32 [M]
export const SUM: i32 = 9; //               i64 [W+A][M]
export const OBSERVED: i32 = 10; //         i64 [M]
export const REFERENCE: i32 = 11; //        i64 [M]
export const RAW: i32 = 12; //              i64 [2][M]
export const APPLIED: i32 = 13; //          128 [M]
export const APPLIED_DENOMINATOR: i32 = 14; // i64 [M]
export const DENOMINATOR: i32 = 15; //      i64 [M]
export const BASELINE: i32 = 16; //         128 [W][M]
export const DELIVERED: i32 = 17; //        128 [W][M]
export const BASELINE_TOTAL: i32 = 18; //   128 [M]
export const DELIVERED_TOTAL: i32 = 19; //  128 [M]
export const ACTUAL_TOTAL: i32 = 20; //     i64 [M]
export const MISSING_COUNT: i32 = 21; //    i32 [M]
export const NOT_SETTLED_COUNT: i32 = 22; // i32 [M]
export const BASELINE_TOTAL_WH: i32 = 23; // f64 [M]
export const DELIVERED_TOTAL_WH: i32 = 24; // f64 [M]
export const BASELINE_WH: i32 = 25; //      f64 [W][M]
export const DELIVERED_WH: i32 = 26; //     f64 [W][M]
// Private to one lane at a time.
export const SCRATCH: i32 = 27;
export const COLUMNS: i32 = 28;

/** Address of a column in bytes; `column(COLUMNS, …)` is the end of the arena. */
export function column(which: i32, meters: i32, days: i32, eventSlots: i32, windowSlots: i32): usize {
  let at: usize = (__heap_base + 15) & ~15;
  for (let c = 0; c < which; c++) {
    const bytes = <usize>cellBytes(c) * <usize>rows(c, days, eventSlots, windowSlots) * <usize>(c == SCRATCH ? 1 : meters);
    at += (bytes + 15) & ~15; // 16: a v128 may read any column from its start
  }
  return at;
}

function cellBytes(which: i32): i32 {
  switch (which) {
    case EXCLUDED:
    case NOT_SETTLED:
    case STATUS:
    case FLAGS:
    case DAY:
      return 1;
    case HISTORY:
    case ACTUAL:
    case SELECTED_COUNT:
    case MISSING_COUNT:
    case NOT_SETTLED_COUNT:
      return 4;
    case APPLIED:
    case BASELINE:
    case DELIVERED:
    case BASELINE_TOTAL:
    case DELIVERED_TOTAL:
    case SCRATCH:
      return 16;
    default:
      return 8;
  }
}

function rows(which: i32, days: i32, eventSlots: i32, windowSlots: i32): i32 {
  switch (which) {
    case HISTORY:
      return days * (eventSlots + windowSlots);
    case ACTUAL:
    case SUM:
      return eventSlots + windowSlots;
    case EXCLUDED:
    case DAY:
    case SCORE:
      return days;
    case NOT_SETTLED:
    case BASELINE:
    case DELIVERED:
    case BASELINE_WH:
    case DELIVERED_WH:
      return eventSlots;
    case RAW:
      return 2;
    case SCRATCH:
      return days > eventSlots + 8 ? days : eventSlots + 8; // a rank per day, or four cells and a remainder per slot
    default:
      return 1;
  }
}
