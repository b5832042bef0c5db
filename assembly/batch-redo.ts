import { estimate } from '.';
import { REDONE_AT_ONCE } from './batch-columns';
import { Batch } from './batch-plan';
import * as columns from './columns';
import { column, MISSING } from './columns';
import { UNOBSERVED } from './adjust';
import { OK } from './select';

/** Bit of the flags column: an integer of this lane does not fit the batch's columns; `estimate` says it in full. */
export const WIDE: u8 = 16;

/* Lanes of REDONE through the exact core: their readings go into its arena, its answers come back as the batch's columns. */
export function redo<S>(batch: Batch): void {
  for (let first = 0; first < batch.redoneCount; first += REDONE_AT_ONCE) {
    const count = min(batch.redoneCount - first, REDONE_AT_ONCE);
    gather<S>(batch, first, count);
    estimate(count, batch.days, batch.eventSlots, batch.windowSlots, batch.rule, batch.x, batch.y, batch.minDays, batch.lowNum, batch.lowDen,
      batch.kind, batch.adjustDirection, batch.loNum, batch.loDen, batch.hiNum, batch.hiDen, batch.capNum, batch.capDen, batch.floorZero,
      batch.direction);
    for (let i = 0; i < count; i++) answer(batch, i, count, <usize>lane(batch, first + i));
  }
}

function gather<S>(batch: Batch, first: i32, count: i32): void {
  const slots = batch.eventSlots + batch.windowSlots;
  let history = at(batch, columns.HISTORY, count);
  let excluded = at(batch, columns.EXCLUDED, count);
  let actual = at(batch, columns.ACTUAL, count);
  let notSettled = at(batch, columns.NOT_SETTLED, count);
  for (let d = 0; d < batch.days; d++) {
    const day = batch.history + <usize>d * batch.dayBytes;
    history = rows<S>(batch, day, slots, first, count, history);
    for (let i = 0; i < count; i++, excluded++)
      store<u8>(excluded, batch.excluded ? load<u8>(batch.excluded + <usize>d * batch.stride + lane(batch, first + i)) : 0);
  }
  rows<S>(batch, batch.actual, slots, first, count, actual);
  for (let s = 0; s < batch.eventSlots; s++) {
    for (let i = 0; i < count; i++, notSettled++)
      store<u8>(notSettled, batch.notSettled ? load<u8>(batch.notSettled + <usize>s * batch.stride + lane(batch, first + i)) : 0);
  }
}

/** Readings of the listed lanes as i32; returns where the next row goes. */
function rows<S>(batch: Batch, from: usize, slots: i32, first: i32, count: i32, to: usize): usize {
  for (let s = 0; s < slots; s++, from += batch.rowBytes) {
    for (let i = 0; i < count; i++, to += 4) {
      const wh = <i32>load<S>(from + <usize>lane(batch, first + i) * sizeof<S>());
      store<i32>(to, sizeof<S>() == 2 && wh == -32768 ? MISSING : wh);
    }
  }
  return to;
}

function answer(batch: Batch, i: usize, count: i32, m: usize): void {
  const ok = load<u8>(at(batch, columns.STATUS, count) + i) == OK;
  let flags = load<u8>(at(batch, columns.FLAGS, count) + i);
  store<u8>(batch.status + m, load<u8>(at(batch, columns.STATUS, count) + i));
  store<u8>(batch.missingCount + m, <u8>load<i32>(at(batch, columns.MISSING_COUNT, count) + (i << 2)));
  store<u8>(batch.notSettledCount + m, <u8>load<i32>(at(batch, columns.NOT_SETTLED_COUNT, count) + (i << 2)));
  store<i32>(batch.selectedCount + (m << 2), load<i32>(at(batch, columns.SELECTED_COUNT, count) + (i << 2)));
  const wide = i << 3;
  const own = m << 3;
  const observed = load<i64>(at(batch, columns.OBSERVED, count) + wide);
  store<f64>(batch.observed + own, ok && observed != UNOBSERVED ? <f64>observed : NaN);
  store<f64>(batch.reference + own, ok ? <f64>load<i64>(at(batch, columns.REFERENCE, count) + wide) : NaN);
  store<f64>(batch.denominator + own, ok ? <f64>load<i64>(at(batch, columns.DENOMINATOR, count) + wide) : NaN);
  store<f64>(batch.actualTotal + own, <f64>load<i64>(at(batch, columns.ACTUAL_TOTAL, count) + wide));
  store<f64>(batch.baselineTotalWh + own, load<f64>(at(batch, columns.BASELINE_TOTAL_WH, count) + wide));
  store<f64>(batch.deliveredTotalWh + own, load<f64>(at(batch, columns.DELIVERED_TOTAL_WH, count) + wide));
  let fits = true;
  fits = numerator(batch.baselineTotal + own, at(batch, columns.BASELINE_TOTAL, count) + (i << 4), ok) && fits;
  fits = numerator(batch.deliveredTotal + own, at(batch, columns.DELIVERED_TOTAL, count) + (i << 4), ok) && fits;
  for (let s = 0; s < batch.eventSlots; s++) {
    const cell = <usize>(s * count) + i;
    const to = (<usize>s * batch.stride + m) << 2;
    const sum = load<i64>(at(batch, columns.SUM, count) + (cell << 3));
    fits = fits && sum == <i64><i32>sum;
    store<i32>(batch.sum + to, <i32>sum);
    fits = whole(batch.baselineWh + to, load<f64>(at(batch, columns.BASELINE_WH, count) + (cell << 3))) && fits;
    fits = whole(batch.deliveredWh + to, load<f64>(at(batch, columns.DELIVERED_WH, count) + (cell << 3))) && fits;
  }
  store<u8>(batch.flags + m, ok ? (fits ? flags : flags | WIDE) : 0);
}

/** A 128-bit cell as f64 where that is exact. */
function numerator(to: usize, cell: usize, ok: bool): bool {
  const low = load<i64>(cell);
  const fits = load<i64>(cell, 8) == low >> 63 && low <= 1 << 53 && low >= -(1 << 53);
  store<f64>(to, ok && fits ? <f64>low : NaN);
  return fits || !ok;
}

/** Wh as i32; a gap is MISSING, and so is what does not fit. */
function whole(to: usize, wh: f64): bool {
  const gap = isNaN(wh);
  const fits = gap || (wh > <f64>i32.MIN_VALUE && wh <= <f64>i32.MAX_VALUE);
  store<i32>(to, gap || !fits ? MISSING : <i32>wh);
  return fits;
}

@inline
function lane(batch: Batch, i: i32): i32 {
  return load<i32>(batch.redone + (<usize>i << 2));
}

function at(batch: Batch, which: i32, count: i32): usize {
  return column(which, count, batch.days, batch.eventSlots, batch.windowSlots);
}
