/*
 * Lachak core: the day-matching family of baselines and the energy delivered against them, in exact integers.
 *
 * ABI 1. Lanes are settlement points (M), rows run slowest: cell of row r, lane m lies at `column(C, shape) + (r * M + m) * size`.
 * shape = (meters M, days D, eventSlots W, windowSlots A); a day's slots are its W event slots, then its A adjustment slots.
 * The host grows memory to `column(COLUMNS, shape)`, fills the inputs, calls `estimate`, reads the outputs. Nothing is kept between calls.
 *
 * in   HISTORY             i32 [D][W+A][M]  Wh; day rows from the latest back; -2^31 = missing
 *      EXCLUDED            u8  [D][M]       1 = the day does not count for this lane
 *      ACTUAL              i32 [W+A][M]     Wh of the event day; -2^31 = missing
 *      NOT_SETTLED         u8  [W][M]       1 = not energised: neither credited nor penalised
 * out  STATUS              u8  [M]          0 ok, 1 insufficient days, 2 out of bounds (a result is no safe integer of Wh)
 *      FLAGS               u8  [M]          1 fewer than y days, 2 adjustment skipped: not positive, 4 skipped: missing, 8 capped
 *      DAY                 u8  [D][M]       1 eligible, 2 candidate, 4 rejected as low usage, 8 selected
 *      SCORE               i64 [D][M]       Wh over the event window; 0 where not eligible
 *      SELECTED_COUNT      i32 [M]          k
 *      SUM                 i64 [W+A][M]     Wh over the k selected days; unadjusted baseline = SUM / k
 *      OBSERVED            i64 [M]          Wh of the event day over the adjustment window; -2^63 = a slot is missing
 *      REFERENCE           i64 [M]          Wh of the selected days over the same slots
 *      RAW                 i64 [2][M]       adjustment before direction and cap: numerator, denominator (0 = none)
 *      APPLIED             128 [M]          adjustment applied: numerator; Wh (additive) or ratio (multiplicative)
 *      APPLIED_DENOMINATOR i64 [M]          0 = no adjustment configured, or no baseline
 *      DENOMINATOR         i64 [M]          common to the four below
 *      BASELINE            128 [W][M]       numerators, Wh
 *      DELIVERED           128 [W][M]       numerators, Wh; 0 where the interval is missing or not settled (see DELIVERED_WH)
 *      BASELINE_TOTAL      128 [M]          over all event slots
 *      DELIVERED_TOTAL     128 [M]          over the slots with a reading, energised
 *      ACTUAL_TOTAL        i64 [M]          Wh over the same slots
 *      MISSING_COUNT       i32 [M]          event slots energised without reading
 *      NOT_SETTLED_COUNT   i32 [M]
 *      BASELINE_TOTAL_WH   f64 [M]          safe integer, rounded once, halves away from zero; NaN = no baseline
 *      DELIVERED_TOTAL_WH  f64 [M]          likewise
 *      BASELINE_WH         f64 [W][M]       safe integers that add up to BASELINE_TOTAL_WH
 *      DELIVERED_WH        f64 [W][M]       likewise; NaN = gap
 *
 * Many meters at once, straight over the columns of tiles: batch.ts, with a table of its own; its answers are those of `estimate`.
 *
 * Trades have their own table (trade-columns.ts), shape = (trades T, registers R): `allocateTrades` says who gets what of the metered energy.
 *
 * in   QUANTITY            i32 [T]          Wh contracted, >= 0
 *      SELLS, BUYS         i32 [T]          the registers it draws on: the seller's export and the buyer's import in its block
 *      QUEUE               i32 [T]          the trades in order of trade time; looked at by FIFO only
 *      REGISTER            i32 [R]          Wh metered, >= 0; -2^31 = missing
 * out  SELLER_ALLOCATED    i32 [T]          Wh of the seller's register that fall to the trade
 *      BUYER_ALLOCATED     i32 [T]          Wh of the buyer's register that fall to it
 *      SETTLED             i32 [T]          Wh
 *      WATER_FILLED        i32 [T]          Wh that water_fill settles; stranded = sum of WATER_FILLED - sum of SETTLED
 *      AWAITING            u8  [T]          1 the seller's register is missing, 2 the buyer's: a provisional zero
 *
 * shape = (trades T, boundaries B, components C): `chargeTrades` says what it costs.
 *
 * in   CHARGED_WH          i32 [T]          Wh settled, at the seller's meter, >= 0
 *      PRICE               i64 [T]          micro-rupees per kWh
 *      CROSSES             u8  [B][T]       1 = the trade's energy crosses the boundary
 *      TRANSIT             i64 [B][2]       numerator, denominator of the share of energy that gets across, <= 1
 *      APPLIES             u8  [C][T]       1 = the component is charged on the trade
 *      BASES               u8  [C][C]       1 = the row's component is based on the column's, which comes before it
 *      COMPONENT           i64 [C][6]       kind (0 energy, 1 kWh, 2 components), boundary, rate num, rate den, buyer's share num, den
 * out  CARRIED             i32 [B+1][T]     Wh before the first and after each boundary
 *      AMOUNT              i64 [C][T]       micro-rupees
 *      BUYER_PART          i64 [C][T]       micro-rupees the buyer pays; the seller pays the rest
 *      CHARGE_STATUS       u8  [T]          0 ok, 1 out of bounds (an amount is no safe integer)
 *
 * 128 = low u64, then high i64. Of a lane whose status is not 0, only STATUS, DAY, SCORE and the counts mean anything.
 * A fraction enters as numerator and denominator, 0 <= numerator <= 2^30, 1 <= denominator <= 2^30; denominator 0 = not set.
 */
import { allocate, WATER_FILL } from './allocate';
import { ADDITIVE, adjust, DOWN_ONLY, MULTIPLICATIVE, NONE } from './adjust';
import { apportion } from './apportion';
import { average } from './average';
import { charges, COMPONENTS } from './charges';
import * as columns from './columns';
import { column } from './columns';
import { deliver, INCREASE } from './deliver';
import { eligible } from './eligible';
import { ALL, MID, select } from './select';
import * as tradeColumns from './trade-columns';
import { chargeColumn, tradeColumn } from './trade-columns';

export {
  ACTUAL, ACTUAL_TOTAL, APPLIED, APPLIED_DENOMINATOR, BASELINE, BASELINE_TOTAL, BASELINE_TOTAL_WH, BASELINE_WH, COLUMNS, column, DAY,
  DELIVERED, DELIVERED_TOTAL, DELIVERED_TOTAL_WH, DELIVERED_WH, DENOMINATOR, EXCLUDED, FLAGS, HISTORY, MISSING_COUNT, NOT_SETTLED,
  NOT_SETTLED_COUNT, OBSERVED, RAW, REFERENCE, SCORE, SELECTED_COUNT, STATUS, SUM,
} from './columns';
export { matchDays } from './family';
export { familyColumn } from './family-columns';
export {
  AMOUNT, APPLIES, AWAITING, BASES, BUYER_ALLOCATED, BUYER_PART, BUYS, CARRIED, CHARGE_COLUMNS, CHARGE_STATUS, chargeColumn, CHARGED_WH,
  COMPONENT, CROSSES, PRICE, QUANTITY, QUEUE, REGISTER, SELLER_ALLOCATED, SELLS, SETTLED, TRADE_COLUMNS, tradeColumn, TRANSIT, WATER_FILLED,
} from './trade-columns';

export {
  CONTROL_COLUMNS, CONTROL_COUNT, CONTROL_EVENT, CONTROL_IMPACT, CONTROL_OTHERS, CONTROL_OTHERS_PRE, CONTROL_PRE, CONTROL_ROLE,
  CONTROL_STRATUM, CONTROL_TOTAL, CONTROL_TREATED, CONTROL_TREATED_PRE, control, controlColumn,
} from './control';
export {
  DEGREE_BASELINE, DEGREE_COEFFICIENT, DEGREE_COLUMNS, DEGREE_EVENT_HEAT, DEGREE_HEAT, DEGREE_RANK, DEGREE_ROWS, DEGREE_SQUARES,
  DEGREE_STATUS, DEGREE_WH, degreeColumn, degreeHours,
} from './degree';
export {
  SESSION_ALLOWED, SESSION_BASELINE, SESSION_COLUMNS, SESSION_ENERGY, SESSION_FLAGS, SESSION_METERED, SESSION_POWER, SESSION_SHORT,
  SESSION_SITE, sessionBaseline, sessionColumn,
} from './session';
export {
  TOWT_ASK_HEAT, TOWT_ASK_HOUR, TOWT_ASK_MONTH, TOWT_COEFFICIENT, TOWT_COLUMNS, TOWT_EDGE, TOWT_KEPT, TOWT_LOAD, TOWT_OCCUPIED,
  TOWT_PREDICTED, TOWT_RANK, TOWT_ROW_HEAT, TOWT_ROW_HOUR, TOWT_ROW_MONTH, TOWT_ROW_WH, TOWT_ROWS, TOWT_SEEN, TOWT_SQUARES, TOWT_STATUS,
  TOWT_WEIGHT, towtColumn, towtFit, towtPredict,
} from './towt';
export { batch } from './batch';
export { CHECKSUMS_MOST, checksumPlace, checksums } from './checksum';
export { dayDigests, dayRoot, LINE_BYTES_MOST } from './day-root';
export { hashPlace, hashRows, treeRoot } from './sha256';
export {
  BATCH_ACTUAL, BATCH_ACTUAL_TOTAL, BATCH_BASELINE_TOTAL, BATCH_BASELINE_TOTAL_WH, BATCH_BASELINE_WH, BATCH_COLUMNS, BATCH_DELIVERED_TOTAL,
  BATCH_DELIVERED_TOTAL_WH, BATCH_DELIVERED_WH, BATCH_DENOMINATOR, BATCH_EXCLUDED, BATCH_FLAGS, BATCH_HISTORY, BATCH_MISSING_COUNT,
  BATCH_NOT_SETTLED, BATCH_NOT_SETTLED_COUNT, BATCH_OBSERVED, BATCH_REDONE, BATCH_REFERENCE, BATCH_SELECTED_COUNT, BATCH_STATUS, BATCH_SUM,
  batchColumn, batchDayBytes, batchStride,
} from './batch-columns';

export const ABI: i32 = 1;

const FRACTION_MAX: i32 = 1 << 30;

/** Runs the kernels over all lanes. 0 = done; 1 = refused, outside the bounds of exact.ts, nothing written. */
export function estimate(meters: i32, days: i32, eventSlots: i32, windowSlots: i32,
  rule: i32, x: i32, y: i32, minDays: i32, lowNum: i32, lowDen: i32,
  kind: i32, adjustDirection: i32, loNum: i32, loDen: i32, hiNum: i32, hiDen: i32, capNum: i32, capDen: i32,
  floorZero: i32, direction: i32): i32 {
  if (meters < 1 || days < 0 || days > 4096 || eventSlots < 1 || eventSlots > 128 || windowSlots < 0 || windowSlots > 128) return 1;
  if (<i64>meters * (days + 1) * (eventSlots + windowSlots) > 1 << 26) return 1; // every address stays within 32 bits
  if (rule < 0 || rule > ALL || x < 1 || y < 1 || y > 256 || (rule == MID && x > y) || minDays < 1) return 1;
  if (kind < NONE || kind > MULTIPLICATIVE || (kind == NONE) != (windowSlots == 0) || adjustDirection < 0 || adjustDirection > DOWN_ONLY) return 1;
  if (!fraction(lowNum, lowDen) || !fraction(loNum, loDen) || !fraction(hiNum, hiDen) || !fraction(capNum, capDen)) return 1;
  if ((kind != MULTIPLICATIVE && (loDen | hiDen) != 0) || (kind != ADDITIVE && capDen != 0)) return 1;
  if (loDen != 0 && hiDen != 0 && <i64>loNum * hiDen > <i64>hiNum * loDen) return 1;
  if (direction < 0 || direction > INCREASE) return 1;

  const slots = eventSlots + windowSlots;
  const history = column(columns.HISTORY, meters, days, eventSlots, windowSlots);
  const excluded = column(columns.EXCLUDED, meters, days, eventSlots, windowSlots);
  const actual = column(columns.ACTUAL, meters, days, eventSlots, windowSlots);
  const notSettled = column(columns.NOT_SETTLED, meters, days, eventSlots, windowSlots);
  const status = column(columns.STATUS, meters, days, eventSlots, windowSlots);
  const flags = column(columns.FLAGS, meters, days, eventSlots, windowSlots);
  const day = column(columns.DAY, meters, days, eventSlots, windowSlots);
  const score = column(columns.SCORE, meters, days, eventSlots, windowSlots);
  const count = column(columns.SELECTED_COUNT, meters, days, eventSlots, windowSlots);
  const sums = column(columns.SUM, meters, days, eventSlots, windowSlots);
  const observed = column(columns.OBSERVED, meters, days, eventSlots, windowSlots);
  const reference = column(columns.REFERENCE, meters, days, eventSlots, windowSlots);
  const raw = column(columns.RAW, meters, days, eventSlots, windowSlots);
  const applied = column(columns.APPLIED, meters, days, eventSlots, windowSlots);
  const appliedDenominator = column(columns.APPLIED_DENOMINATOR, meters, days, eventSlots, windowSlots);
  const denominator = column(columns.DENOMINATOR, meters, days, eventSlots, windowSlots);
  const baseline = column(columns.BASELINE, meters, days, eventSlots, windowSlots);
  const delivered = column(columns.DELIVERED, meters, days, eventSlots, windowSlots);
  const baselineTotal = column(columns.BASELINE_TOTAL, meters, days, eventSlots, windowSlots);
  const deliveredTotal = column(columns.DELIVERED_TOTAL, meters, days, eventSlots, windowSlots);
  const actualTotal = column(columns.ACTUAL_TOTAL, meters, days, eventSlots, windowSlots);
  const missingCount = column(columns.MISSING_COUNT, meters, days, eventSlots, windowSlots);
  const notSettledCount = column(columns.NOT_SETTLED_COUNT, meters, days, eventSlots, windowSlots);
  const baselineTotalWh = column(columns.BASELINE_TOTAL_WH, meters, days, eventSlots, windowSlots);
  const deliveredTotalWh = column(columns.DELIVERED_TOTAL_WH, meters, days, eventSlots, windowSlots);
  const baselineWh = column(columns.BASELINE_WH, meters, days, eventSlots, windowSlots);
  const deliveredWh = column(columns.DELIVERED_WH, meters, days, eventSlots, windowSlots);
  const scratch = column(columns.SCRATCH, meters, days, eventSlots, windowSlots);

  eligible(history, excluded, meters, days, eventSlots, slots, day, score);
  select(meters, days, rule, x, y, minDays, lowNum, lowDen, day, score, status, flags, count, scratch);
  average(history, day, meters, days, slots, sums);
  adjust(meters, eventSlots, windowSlots, kind, adjustDirection, loNum, loDen, hiNum, hiDen, capNum, capDen, floorZero, sums, actual, count,
    status, flags, observed, reference, raw, applied, appliedDenominator, denominator, baseline, baselineTotal, scratch);
  deliver(meters, eventSlots, direction, actual, notSettled, denominator, baseline, delivered, deliveredTotal, actualTotal, missingCount,
    notSettledCount, deliveredWh);
  memory.fill(baselineWh, 0, <usize>(eventSlots * meters) << 3);
  apportion(meters, eventSlots, baseline, denominator, baselineTotal, status, baselineTotalWh, baselineWh, scratch);
  apportion(meters, eventSlots, delivered, denominator, deliveredTotal, status, deliveredTotalWh, deliveredWh, scratch);
  return 0;
}

/** Allocates every trade by `method`, and by water_fill beside it. 0 = done; 1 = refused, nothing written. */
export function allocateTrades(method: i32, trades: i32, registers: i32): i32 {
  if (method < 0 || method > WATER_FILL || trades < 0 || trades > 1 << 22 || registers < 0 || registers > 1 << 23) return 1;
  const quantity = tradeColumn(tradeColumns.QUANTITY, trades, registers);
  const sells = tradeColumn(tradeColumns.SELLS, trades, registers);
  const buys = tradeColumn(tradeColumns.BUYS, trades, registers);
  const queue = tradeColumn(tradeColumns.QUEUE, trades, registers);
  const register = tradeColumn(tradeColumns.REGISTER, trades, registers);
  for (let t: usize = 0; t < <usize>trades << 2; t += 4) {
    if (load<i32>(quantity + t) < 0 || !within(load<i32>(queue + t), trades)) return 1;
    if (!within(load<i32>(sells + t), registers) || !within(load<i32>(buys + t), registers)) return 1;
  }
  for (let r: usize = 0; r < <usize>registers << 2; r += 4) {
    const wh = load<i32>(register + r);
    if (wh < 0 && wh != columns.MISSING) return 1;
  }
  const seller = tradeColumn(tradeColumns.SELLER_ALLOCATED, trades, registers);
  const buyer = tradeColumn(tradeColumns.BUYER_ALLOCATED, trades, registers);
  const settled = tradeColumn(tradeColumns.SETTLED, trades, registers);
  const filled = tradeColumn(tradeColumns.WATER_FILLED, trades, registers);
  const awaiting = tradeColumn(tradeColumns.AWAITING, trades, registers);
  allocate(WATER_FILL, trades, registers, quantity, sells, buys, queue, register, seller, buyer, filled, awaiting);
  if (method == WATER_FILL) memory.copy(settled, filled, <usize>trades << 2);
  else allocate(method, trades, registers, quantity, sells, buys, queue, register, seller, buyer, settled, awaiting);
  return 0;
}

/** Charges every trade with every component. 0 = done; 1 = refused, outside the bounds of charges.ts, nothing written. */
export function chargeTrades(trades: i32, boundaries: i32, components: i32): i32 {
  if (trades < 0 || trades > 1 << 20 || boundaries < 0 || boundaries > 16 || components < 0 || components > 64) return 1;
  if (<i64>trades * (2 * boundaries + 4 * components + 8) > 1 << 28) return 1; // every address stays within 32 bits
  const settled = chargeColumn(tradeColumns.CHARGED_WH, trades, boundaries, components);
  const price = chargeColumn(tradeColumns.PRICE, trades, boundaries, components);
  const transit = chargeColumn(tradeColumns.TRANSIT, trades, boundaries, components);
  const component = chargeColumn(tradeColumns.COMPONENT, trades, boundaries, components);
  for (let t = 0; t < trades; t++) {
    if (load<i32>(settled + (<usize>t << 2)) < 0 || !rate(load<i64>(price + (<usize>t << 3)), 1)) return 1;
  }
  for (let b: usize = 0; b < <usize>boundaries << 4; b += 16) if (!share(load<i64>(transit + b), load<i64>(transit + b, 8))) return 1;
  for (let c: usize = 0; c < <usize>components * 48; c += 48) {
    const row = component + c;
    if (<u64>load<i64>(row) > <u64>COMPONENTS || <u64>load<i64>(row, 8) > <u64>boundaries) return 1;
    if (!rate(load<i64>(row, 16), load<i64>(row, 24)) || !share(load<i64>(row, 32), load<i64>(row, 40))) return 1;
  }
  charges(trades, boundaries, components, settled, price, chargeColumn(tradeColumns.CROSSES, trades, boundaries, components), transit,
    chargeColumn(tradeColumns.APPLIES, trades, boundaries, components), chargeColumn(tradeColumns.BASES, trades, boundaries, components),
    component, chargeColumn(tradeColumns.CARRIED, trades, boundaries, components), chargeColumn(tradeColumns.AMOUNT, trades, boundaries, components),
    chargeColumn(tradeColumns.BUYER_PART, trades, boundaries, components), chargeColumn(tradeColumns.CHARGE_STATUS, trades, boundaries, components),
    chargeColumn(tradeColumns.CELL, trades, boundaries, components));
  return 0;
}

function within(index: i32, size: i32): bool {
  return index >= 0 && index < size;
}

function rate(numerator: i64, denominator: i64): bool {
  return numerator > -(<i64>1 << 47) && numerator < <i64>1 << 47 && denominator > 0 && denominator <= FRACTION_MAX;
}

/** From nothing to all. */
function share(numerator: i64, denominator: i64): bool {
  return numerator >= 0 && numerator <= denominator && rate(numerator, denominator);
}

/** Either not set, or within the bound of exact.ts. */
function fraction(numerator: i32, denominator: i32): bool {
  return denominator == 0 || (numerator >= 0 && numerator <= FRACTION_MAX && denominator > 0 && denominator <= FRACTION_MAX);
}
