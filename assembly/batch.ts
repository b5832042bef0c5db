/*
 * The day-matching family for many meters at once, straight over columns as tiles hold them. Same answers as `estimate`, bit for bit.
 *
 * Lanes are meters, 8 (u16) or 4 (i32) at a time; everything is an integer or an f64 that holds one exactly. Where a lane leaves the bounds
 * within which that is proven (batch-settle.ts, batch-days.ts), it is listed in REDONE and goes through `estimate` in this module. One rule
 * decides for all lanes at once: `covered` below; beyond it every lane is redone.
 *
 * shape = (meters M, days D, eventSlots W, windowSlots A), width = bytes of a reading, 2 or 4. Cell of row r, lane m lies at
 *   inputs   HISTORY + day * dayBytes + (slot * M + m) * width, ACTUAL + (slot * M + m) * width; missing = lowest value of the width
 *            EXCLUDED, NOT_SETTLED + r * stride + m, read only where the call says so
 *   outputs  column + (r * stride + m) * size
 * out  STATUS u8, FLAGS u8 (16 = does not fit: ask `estimate`), MISSING_COUNT u8, NOT_SETTLED_COUNT u8, SELECTED_COUNT i32 (k)
 *      OBSERVED f64 (NaN = unobserved), REFERENCE f64, DENOMINATOR f64, BASELINE_TOTAL f64, DELIVERED_TOTAL f64 (numerators), ACTUAL_TOTAL f64,
 *      BASELINE_TOTAL_WH f64, DELIVERED_TOTAL_WH f64: integers; NaN = no baseline
 *      SUM i32 [W] (c), BASELINE_WH i32 [W], DELIVERED_WH i32 [W]: -2^31 = gap or no baseline
 *      REDONE i32, as many as the call returns
 */
import { estimate } from '.';
import * as columns from './batch-columns';
import { batchColumn, batchDayBytes, batchStride } from './batch-columns';
import { OWN_BYTES } from './batch-adjust';
import { daysOf } from './batch-days';
import { KEY_ROWS } from './batch-order';
import { Batch } from './batch-plan';
import { redo } from './batch-redo';
import { settle } from './batch-settle';

/** Numerators and denominators up to here leave every product of a comparison below 2^53. */
const FRACTION_MAX: i32 = 1 << 14;
/** Largest |Wh| of a reading, 4 MW over a quarter of an hour. */
const READING_MAX: i32 = 1 << 20;

/**
 * Runs all lanes; the terms as `estimate` takes them. Returns how many lanes the exact core has redone, or -1: refused, outside the bounds of
 * exact.ts or of 32-bit addresses, nothing written.
 */
export function batch(meters: i32, days: i32, eventSlots: i32, windowSlots: i32, width: i32, excluded: i32, notSettled: i32,
  rule: i32, x: i32, y: i32, minDays: i32, lowNum: i32, lowDen: i32,
  kind: i32, adjustDirection: i32, loNum: i32, loDen: i32, hiNum: i32, hiDen: i32, capNum: i32, capDen: i32,
  floorZero: i32, direction: i32): i32 {
  const bytes = (<u64>days + 1) * (<u64>(eventSlots + windowSlots) * meters * width + 256) + <u64>meters * (days + 13 * eventSlots + 80);
  if (meters < 1 || (width != 2 && width != 4) || bytes > 0xf0000000) return -1;
  // One lane of whatever lies there: the exact core says whether it takes these terms.
  if (estimate(1, days, eventSlots, windowSlots, rule, x, y, minDays, lowNum, lowDen, kind, adjustDirection, loNum, loDen, hiNum, hiDen, capNum,
    capDen, floorZero, direction) != 0) return -1;

  const b = planned(meters, days, eventSlots, windowSlots, width);
  b.excluded = excluded ? address(columns.BATCH_EXCLUDED, b, width) : 0;
  b.notSettled = notSettled ? address(columns.BATCH_NOT_SETTLED, b, width) : 0;
  b.rule = rule;
  b.x = x;
  b.y = y;
  b.minDays = minDays;
  b.lowNum = lowNum;
  b.lowDen = lowDen;
  b.kind = kind;
  b.adjustDirection = adjustDirection;
  b.loNum = loNum;
  b.loDen = loDen;
  b.hiNum = hiNum;
  b.hiDen = hiDen;
  b.capNum = capNum;
  b.capDen = capDen;
  b.floorZero = floorZero;
  b.direction = direction;
  const slots = max(eventSlots, windowSlots);
  b.most = min(READING_MAX, (1 << 30) / (y * slots));

  b.redoneCount = 0;
  let each = !covered(b);
  if (ASC_FEATURE_SIMD) {
    if (!each) lanes(b, width);
  } else each = true; // the scalar build is the oracle of the other
  if (each) {
    for (; b.redoneCount < meters; b.redoneCount++) store<i32>(b.redone + (<usize>b.redoneCount << 2), b.redoneCount);
  }
  if (width == 2) redo<i16>(b);
  else redo<i32>(b);
  return b.redoneCount;
}

/** The one rule: which terms the lanes can do. What is not covered goes through `estimate`, lane by lane. */
function covered(b: Batch): bool {
  return small(b.lowDen, b.lowNum) && small(b.loDen, b.loNum) && small(b.hiDen, b.hiNum) && small(b.capDen, b.capNum) && b.days <= 4096;
}

function small(denominator: i32, numerator: i32): bool {
  return denominator <= FRACTION_MAX && numerator <= FRACTION_MAX;
}

function lanes(b: Batch, width: i32): void {
  const meters = <usize>b.meters;
  if (width == 4) {
    for (let lane: usize = 0; lane < meters; lane += 4) {
      daysOf<i32, i32>(b, lane);
      settle<i32, i32>(b, lane, 0);
    }
    return;
  }
  for (let lane: usize = 0; lane < meters; lane += 8) {
    if (b.lowDen == 0 && daysOf<i16, u16>(b, lane)) {
      settle<i16, u16>(b, lane, 0);
      settle<i16, u16>(b, lane + 4, 1);
    } else {
      daysOf<i16, i32>(b, lane);
      settle<i16, i32>(b, lane, 0);
      daysOf<i16, i32>(b, lane + 4);
      settle<i16, i32>(b, lane + 4, 0);
    }
  }
}

function planned(meters: i32, days: i32, eventSlots: i32, windowSlots: i32, width: i32): Batch {
  const scratch = batchColumn(columns.BATCH_SCRATCH, meters, days, eventSlots, windowSlots, width);
  const b = changetype<Batch>(scratch);
  b.own = (scratch + offsetof<Batch>() + 15) & ~15;
  b.scratch = b.own + OWN_BYTES;
  b.sums = b.scratch + (<usize>days * 3 << 4);
  b.pieces = b.sums + (<usize>eventSlots << 4);
  const keys = b.pieces + 160 + (<usize>eventSlots << 4);
  b.sorted = keys + (<usize>max(eventSlots, KEY_ROWS) << 4);
  if (ASC_FEATURE_SIMD) memory.fill(keys, 0xff, b.sorted - keys); // rows of no slot: keys of -1
  b.meters = meters;
  b.days = days;
  b.eventSlots = eventSlots;
  b.windowSlots = windowSlots;
  b.stride = batchStride(meters);
  b.rowBytes = <usize>meters * <usize>width;
  b.dayBytes = batchDayBytes(meters, eventSlots, windowSlots, width);
  b.history = address(columns.BATCH_HISTORY, b, width);
  b.actual = address(columns.BATCH_ACTUAL, b, width);
  b.status = address(columns.BATCH_STATUS, b, width);
  b.flags = address(columns.BATCH_FLAGS, b, width);
  b.missingCount = address(columns.BATCH_MISSING_COUNT, b, width);
  b.notSettledCount = address(columns.BATCH_NOT_SETTLED_COUNT, b, width);
  b.selectedCount = address(columns.BATCH_SELECTED_COUNT, b, width);
  b.observed = address(columns.BATCH_OBSERVED, b, width);
  b.reference = address(columns.BATCH_REFERENCE, b, width);
  b.denominator = address(columns.BATCH_DENOMINATOR, b, width);
  b.baselineTotal = address(columns.BATCH_BASELINE_TOTAL, b, width);
  b.deliveredTotal = address(columns.BATCH_DELIVERED_TOTAL, b, width);
  b.actualTotal = address(columns.BATCH_ACTUAL_TOTAL, b, width);
  b.baselineTotalWh = address(columns.BATCH_BASELINE_TOTAL_WH, b, width);
  b.deliveredTotalWh = address(columns.BATCH_DELIVERED_TOTAL_WH, b, width);
  b.sum = address(columns.BATCH_SUM, b, width);
  b.baselineWh = address(columns.BATCH_BASELINE_WH, b, width);
  b.deliveredWh = address(columns.BATCH_DELIVERED_WH, b, width);
  b.redone = address(columns.BATCH_REDONE, b, width);
  return b;
}

function address(which: i32, b: Batch, width: i32): usize {
  return batchColumn(which, b.meters, b.days, b.eventSlots, b.windowSlots, width);
}
