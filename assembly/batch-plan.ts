/** What one call of the batch knows before it looks at a lane: shape, terms, and where columns lie. Lives at the head of the scratch. */
@unmanaged
export class Batch {
  meters: i32;
  days: i32;
  eventSlots: i32;
  windowSlots: i32;
  rule: i32;
  x: i32;
  y: i32;
  minDays: i32;
  lowNum: i32;
  lowDen: i32;
  kind: i32;
  adjustDirection: i32;
  loNum: i32;
  loDen: i32;
  hiNum: i32;
  hiDen: i32;
  capNum: i32;
  capDen: i32;
  floorZero: i32;
  direction: i32;
  /** Largest |Wh| of a reading, so that no i32 sum can leave its range. */
  most: i32;
  stride: usize;
  rowBytes: usize;
  dayBytes: usize;
  history: usize;
  actual: usize;
  /** 0 = none. */
  excluded: usize;
  notSettled: usize;
  status: usize;
  flags: usize;
  missingCount: usize;
  notSettledCount: usize;
  selectedCount: usize;
  observed: usize;
  reference: usize;
  denominator: usize;
  baselineTotal: usize;
  deliveredTotal: usize;
  actualTotal: usize;
  baselineTotalWh: usize;
  deliveredTotalWh: usize;
  sum: usize;
  baselineWh: usize;
  deliveredWh: usize;
  redone: usize;
  redoneCount: i32;
  /** Rows of 16 bytes: masks, scores, windows [D] of the days, then sums [W]. */
  scratch: usize;
  /** Rows: what is known of a lane's days (10), then floors [W] and keys [at least KEY_ROWS]. */
  pieces: usize;
  /** Rows of keys in order [W]. */
  sorted: usize;
  sums: usize;
  /** Rows of batch-adjust.ts. */
  own: usize;
}
