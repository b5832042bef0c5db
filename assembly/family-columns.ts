/*
 * The arena of `matchDays`. Lane (settlement point) fastest, [row][meter], as in columns.ts; a 256-bit cell is 32 bytes (wide.ts).
 * shape = (meters M, days D, event slots W, window slots A, rank slots R); a day's slots are its W, then its A, then its R.
 */

/** Terms of the call, i32 each, in this order. A fraction is a numerator and a denominator; denominator 0 = not set. */
export const SOURCE: i32 = 0; // HISTORY_DAYS or SAME_DAY
export const RULE: i32 = 1; // of select.ts, or NEAREST
export const RANK_ON: i32 = 2; // 0 the event window, 1 the rank slots
export const X: i32 = 3;
export const Y: i32 = 4;
export const MIN_DAYS: i32 = 5;
export const LOW_NUM: i32 = 6;
export const LOW_DEN: i32 = 7;
export const REFILL: i32 = 8; // 1 = up to MIN_DAYS with the highest event days
export const EVENT_GAPS: i32 = 9; // event slots a reference day may lack
export const RANK_GAPS: i32 = 10; // rank slots a reference day may lack
export const WEIGHTING: i32 = 11; // EQUAL, LIST_BY_RECENCY, LIST_BY_RANK, EWMA
export const LAMBDA_NUM: i32 = 12;
export const LAMBDA_DEN: i32 = 13;
export const INIT: i32 = 14;
export const KIND: i32 = 15; // of adjust.ts
export const LIMIT_DIRECTION: i32 = 16; // of adjust.ts
export const LO_NUM: i32 = 17;
export const LO_DEN: i32 = 18;
export const HI_NUM: i32 = 19;
export const HI_DEN: i32 = 20;
export const CAP_NUM: i32 = 21; // share of the mean unadjusted baseline
export const CAP_DEN: i32 = 22;
export const CAP_WH_NUM: i32 = 23; // Wh a slot
export const CAP_WH_DEN: i32 = 24;
export const ADDITIVE_INSTEAD: i32 = 25; // 1 = where a ratio has no meaning, shift instead
export const NEAR_ZERO: i32 = 26; // Wh a slot: a reference of at most this mean has no meaningful ratio
export const FLOOR_ZERO: i32 = 27;
export const DIRECTION: i32 = 28; // of deliver.ts
export const TERMS_COUNT: i32 = 29;

/** Numbers of LIST weights. */
export const LIST_LENGTH: i32 = 256;

/** Where each column of one call lies. It stands at the foot of the arena: no allocation, nothing kept between calls. */
@unmanaged
export class Family {
  meters: i32;
  days: i32;
  eventSlots: i32;
  windowSlots: i32;
  rankSlots: i32;
  terms: usize; //           i32 [TERMS_COUNT]
  list: usize; //            i32 [LIST_LENGTH]
  history: usize; //         i32 [D][W+A+R][M]
  state: usize; //           u8  [D][M]
  actual: usize; //          i32 [W+A+R][M]
  notSettled: usize; //      u8  [W][M]
  limit: usize; //           i32 [M]
  status: usize; //          u8  [M]
  flags: usize; //           u8  [M]
  day: usize; //             u8  [D][M]
  score: usize; //           i64 [D][M]
  scoreSlots: usize; //      i32 [D][M]
  rank: usize; //            i64 [D][M]
  rankSlotCount: usize; //   i32 [D][M]
  weight: usize; //          256 [D][M]
  weightSum: usize; //       256 [M]
  unadjusted: usize; //      256 [W][M]
  unadjustedDenominator: usize; // 256 [M]
  observed: usize; //        i64 [M]
  reference: usize; //       256 [M]
  raw: usize; //             256 [2][M]
  applied: usize; //         256 [2][M]
  denominator: usize; //     256 [M]
  baseline: usize; //        256 [W][M]
  delivered: usize; //       256 [W][M]
  baselineTotal: usize; //   256 [M]
  deliveredTotal: usize; //  256 [M]
  actualTotal: usize; //     i64 [M]
  missingCount: usize; //    i32 [M]
  notSettledCount: usize; // i32 [M]
  baselineTotalWh: usize; // f64 [M]
  deliveredTotalWh: usize; // f64 [M]
  baselineWh: usize; //      f64 [W][M]
  deliveredWh: usize; //     f64 [W][M]
  scratch: usize;
  end: usize;

  term(which: i32): i32 {
    return load<i32>(this.terms + (<usize>which << 2));
  }
}

// Scratch of one lane, bytes from `scratch`.
export const CHOSEN: usize = 0; //        i32 [512] day rows, in rank order once selected
export const WEIGHTS: usize = 2048; //    256 [257] weights by recency (or by rank) of WEIGHTS_OF days, and a cell to spare
export const WEIGHTS_OF: usize = 10272; // i32 how many days WEIGHTS are for; -1 = none yet
export const PRESENT: usize = 10304; //   i64 [128] selected days that have the slot
export const REST: usize = 11328; //      256 [128] remainders
export const CELLS: usize = 15424; //     256 [16]
const SCRATCH_BYTES: usize = 15936;

/** Lays the columns of one shape out behind one another; two calls with one shape see one layout. */
export function lay(meters: i32, days: i32, eventSlots: i32, windowSlots: i32, rankSlots: i32): Family {
  const f = changetype<Family>((__heap_base + 15) & ~15);
  f.meters = meters;
  f.days = days;
  f.eventSlots = eventSlots;
  f.windowSlots = windowSlots;
  f.rankSlots = rankSlots;
  const slots = eventSlots + windowSlots + rankSlots;
  f.terms = changetype<usize>(f) + room(1, offsetof<Family>());
  f.list = f.terms + room(4, TERMS_COUNT);
  f.history = f.list + room(4, LIST_LENGTH);
  f.state = f.history + room(4, days * slots * meters);
  f.actual = f.state + room(1, days * meters);
  f.notSettled = f.actual + room(4, slots * meters);
  f.limit = f.notSettled + room(1, eventSlots * meters);
  f.status = f.limit + room(4, meters);
  f.flags = f.status + room(1, meters);
  f.day = f.flags + room(1, meters);
  f.score = f.day + room(1, days * meters);
  f.scoreSlots = f.score + room(8, days * meters);
  f.rank = f.scoreSlots + room(4, days * meters);
  f.rankSlotCount = f.rank + room(8, days * meters);
  f.weight = f.rankSlotCount + room(4, days * meters);
  f.weightSum = f.weight + room(32, days * meters);
  f.unadjusted = f.weightSum + room(32, meters);
  f.unadjustedDenominator = f.unadjusted + room(32, eventSlots * meters);
  f.observed = f.unadjustedDenominator + room(32, meters);
  f.reference = f.observed + room(8, meters);
  f.raw = f.reference + room(32, meters);
  f.applied = f.raw + room(32, 2 * meters);
  f.denominator = f.applied + room(32, 2 * meters);
  f.baseline = f.denominator + room(32, meters);
  f.delivered = f.baseline + room(32, eventSlots * meters);
  f.baselineTotal = f.delivered + room(32, eventSlots * meters);
  f.deliveredTotal = f.baselineTotal + room(32, meters);
  f.actualTotal = f.deliveredTotal + room(32, meters);
  f.missingCount = f.actualTotal + room(8, meters);
  f.notSettledCount = f.missingCount + room(4, meters);
  f.baselineTotalWh = f.notSettledCount + room(4, meters);
  f.deliveredTotalWh = f.baselineTotalWh + room(8, meters);
  f.baselineWh = f.deliveredTotalWh + room(8, meters);
  f.deliveredWh = f.baselineWh + room(8, eventSlots * meters);
  f.scratch = f.deliveredWh + room(8, eventSlots * meters);
  f.end = f.scratch + SCRATCH_BYTES;
  return f;
}

/** Bytes of a column, so that the next one starts on a multiple of 16. */
function room(bytes: usize, cells: i32): usize {
  return (bytes * <usize>cells + 15) & ~15;
}

/** The `which`-th address field of `Family`, counted from `terms`, of this shape. */
export function familyColumn(which: i32, meters: i32, days: i32, eventSlots: i32, windowSlots: i32, rankSlots: i32): usize {
  const f = lay(meters, days, eventSlots, windowSlots, rankSlots);
  return load<usize>(changetype<usize>(f) + offsetof<Family>('terms') + (<usize>which << 2));
}
