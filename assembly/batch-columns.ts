import { COLUMNS as EXACT_COLUMNS, column as exactColumn } from './columns';

/*
 * Where the columns of a batch lie: behind the arena of the exact core, whose first lanes redo what the batch leaves to it.
 * Input rows are as in a tile, M readings of `width` bytes with nothing between them, so one read of a file fills the slots of a day.
 * Output rows are `stride` lanes apart, so that rows of one call never compete for the same lines of the cache.
 */

/** Lanes the exact core redoes at a time. */
export const REDONE_AT_ONCE: i32 = 32;

// Inputs.
export const BATCH_HISTORY: i32 = 0; //             i16 or i32 [D] days `dayBytes` apart, each [W+A][M]
export const BATCH_ACTUAL: i32 = 1; //              i16 or i32 [W+A][M]
export const BATCH_EXCLUDED: i32 = 2; //            u8  [D][stride]
export const BATCH_NOT_SETTLED: i32 = 3; //         u8  [W][stride]
// Outputs.
export const BATCH_STATUS: i32 = 4; //              u8  [stride]
export const BATCH_FLAGS: i32 = 5; //               u8  [stride]
export const BATCH_MISSING_COUNT: i32 = 6; //       u8  [stride]
export const BATCH_NOT_SETTLED_COUNT: i32 = 7; //   u8  [stride]
export const BATCH_SELECTED_COUNT: i32 = 8; //      i32 [stride]
export const BATCH_OBSERVED: i32 = 9; //            f64 [stride]
export const BATCH_REFERENCE: i32 = 10; //          f64 [stride]
export const BATCH_DENOMINATOR: i32 = 11; //        f64 [stride]
export const BATCH_BASELINE_TOTAL: i32 = 12; //     f64 [stride]
export const BATCH_DELIVERED_TOTAL: i32 = 13; //    f64 [stride]
export const BATCH_ACTUAL_TOTAL: i32 = 14; //       f64 [stride]
export const BATCH_BASELINE_TOTAL_WH: i32 = 15; //  f64 [stride]
export const BATCH_DELIVERED_TOTAL_WH: i32 = 16; // f64 [stride]
export const BATCH_SUM: i32 = 17; //                i32 [W][stride]
export const BATCH_BASELINE_WH: i32 = 18; //        i32 [W][stride]
export const BATCH_DELIVERED_WH: i32 = 19; //       i32 [W][stride]
export const BATCH_REDONE: i32 = 20; //             i32 [stride] lanes the exact core has redone
// Private to one group of lanes at a time.
export const BATCH_SCRATCH: i32 = 21;
export const BATCH_COLUMNS: i32 = 22;

/** Lanes between two rows of an output: whole groups, and an odd number of cache lines in every width but the byte's. */
export function batchStride(meters: i32): i32 {
  return ((meters + 31) & ~31) + 16;
}

/** Bytes between two days of history: a day's rows, and a shift so that the days of one slot do not share a cache set. */
export function batchDayBytes(meters: i32, eventSlots: i32, windowSlots: i32, width: i32): i32 {
  return (((eventSlots + windowSlots) * meters * width + 63) & ~63) + 192;
}

/** Address of a column of a batch in bytes; `batchColumn(BATCH_COLUMNS, …)` is the end. */
export function batchColumn(which: i32, meters: i32, days: i32, eventSlots: i32, windowSlots: i32, width: i32): usize {
  const stride = <usize>batchStride(meters);
  let at: usize = (exactColumn(EXACT_COLUMNS, REDONE_AT_ONCE, days, eventSlots, windowSlots) + 63) & ~63;
  for (let c = 0; c < which; c++) {
    let bytes: usize = 0;
    if (c == BATCH_HISTORY) bytes = <usize>days * <usize>batchDayBytes(meters, eventSlots, windowSlots, width);
    else if (c == BATCH_ACTUAL) bytes = <usize>batchDayBytes(meters, eventSlots, windowSlots, width);
    else if (c == BATCH_EXCLUDED) bytes = <usize>days * stride;
    else if (c == BATCH_NOT_SETTLED) bytes = <usize>eventSlots * stride;
    else if (c <= BATCH_NOT_SETTLED_COUNT) bytes = stride;
    else if (c == BATCH_SELECTED_COUNT || c == BATCH_REDONE) bytes = stride << 2;
    else if (c >= BATCH_SUM && c <= BATCH_DELIVERED_WH) bytes = (<usize>eventSlots * stride) << 2;
    else if (c == BATCH_SCRATCH) bytes = <usize>(3 * days + 4 * eventSlots + 80) << 4;
    else bytes = stride << 3;
    at += ((bytes + 63) & ~63) + 64; // a vector may be read past the last lane
  }
  return at;
}
